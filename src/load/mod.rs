//! Open-loop load: request i is due at t0 + i/rate whatever came before. Runs in the agent.
//!
//! ```text
//! Schedule ── due ──► Generator ── one task a request ──► Client (template, pool, HTTP) ── Ending ──► Tally ──► slices
//! ```

mod client;
mod ending;
mod generator;
mod pool;
mod schedule;
mod secrets;
mod tally;
mod template;
mod timer;
#[cfg(test)]
mod trust_tests;

pub use crate::slis::SLICE;
pub use client::{AnswerPlace, Client, ExpectedAnswer, JourneyStep};
pub use ending::{EventClient, Failure, RequestEnding, Sent};
pub use generator::{Generator, LoadReport};
pub use pool::{Ca, check_ca};
pub use schedule::Schedule;
pub use secrets::url_secrets;
pub use tally::Tally;
pub use template::check_placeholders;
pub use timer::PreciseTimer;

use crate::slis::Good;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// How late a generator may wake for a request without the measurement being called disturbed.
pub const ALLOWED_LATE: Duration = Duration::from_millis(50);

/// Most connections of one load: more would run out of ports before it ran out of patience.
pub const MOST_CONNECTIONS: usize = 10_000;

/// As many connections as can be under way when nothing is answered any more, and no more than may be. `rate` is in
/// requests per second.
pub fn connections(rate: f64, timeout: Duration) -> usize {
    (rate * timeout.as_secs_f64()).ceil().clamp(1.0, MOST_CONNECTIONS as f64) as usize
}

/// One load of a scenario.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct LoadSpec {
    /// Its name in the scenario.
    pub name: String,
    /// HTTP method.
    pub method: String,
    /// `http://service:port/path` (or `https:`) as inside the stack; may hold `{{counter}}` and `{{id}}`.
    pub url: String,
    /// Headers; values may hold `{{counter}}` and `{{id}}`.
    pub headers: Vec<(String, String)>,
    /// Body; may hold `{{counter}}` (number of the request, from 0) and `{{id}}` (128 random bits in hex).
    pub body: Option<String>,
    /// Requests per second, above 0.
    pub rate: f64,
    /// From the instant due until the answer must be complete.
    pub timeout: Duration,
    /// Upper bound of open connections; by default rate × timeout, rounded up.
    pub connections: usize,
    /// Whether a connection is used for more than one request.
    pub keep_alive: bool,
    /// The certificate authority that is trusted, with `https:` and only then.
    pub ca: Option<Ca>,
    /// Makes each request a write of a DR drill's ledger: the answer that says that it is stored. Every request is then
    /// reported as it ends.
    pub acknowledged: Option<Good>,
    /// What an answer that is no failure says, that of the last request of a journey: where, and what stands there. One that
    /// says something else is no answer.
    pub expect: ExpectedAnswer,
    /// The requests that follow in a journey, each when the one before was answered.
    pub then: Vec<JourneyStep>,
}
