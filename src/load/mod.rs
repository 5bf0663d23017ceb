//! Open-loop load: request i is due at t0 + i/rate whatever came before. Runs in the agent.

use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Length of a slice: the resolution of times in a record.
pub const SLICE: Duration = Duration::from_millis(100);

/// One load of a scenario.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LoadSpec {
    /// Its name in the scenario.
    pub name: String,
    /// HTTP method.
    pub method: String,
    /// `http://service:port/path` as inside the stack; may hold `{{counter}}` and `{{id}}`.
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
}
