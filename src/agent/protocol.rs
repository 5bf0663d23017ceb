//! Wire protocol between runner and agent: JSON lines, one message a line. It carries what an ability is asked and what
//! abilities tell, and knows none of them.

use crate::load::LoadReport;
use crate::record::{AlertMoment, MachineSample};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::time::Duration;

/// The version of the tool and the sources of its build: both ends are made from the same ones.
pub const BUILD: &str = concat!(env!("CARGO_PKG_VERSION"), "+", env!("FIREDRILL_SOURCES"));
/// How often the runner sends a heartbeat.
pub const HEARTBEAT: Duration = Duration::from_millis(500);
/// After how much silence an agent lifts everything and refuses further work on this channel.
pub const LEASE: Duration = Duration::from_secs(6);

/// Runner → agent: a numbered request. Every request gets exactly one reply with its number.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AgentRequest {
    /// Number, unique on this channel.
    pub id: u64,
    /// What is asked.
    pub ask: AgentAsk,
}

/// What a runner can ask of an agent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "op", rename_all = "snake_case")]
pub enum AgentAsk {
    /// Renews the lease; the reply carries the agent's clock.
    Heartbeat,
    /// Begins something under an id that is free (of a fault, of a load), and holds it until it is lifted or the channel ends: the
    /// ability of the name `ability` (`Ability::NAME`), which is `message` as JSON.
    Begin { ability: String, id: String, message: Value },
    /// Makes what was begun what another message of its ability asks for, without ending it in between.
    Change { id: String, message: Value },
    /// Asks whether what was begun is in place.
    Look { id: String },
    /// Ends it; idempotent, also for what was never begun.
    Lift { id: String },
}

/// Agent → runner. `clock_us` is the agent's clock, in microseconds since the Unix epoch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "msg", rename_all = "snake_case")]
pub enum AgentMessage {
    /// First message: the agent is there, of this `BUILD`.
    Hello { version: String, clock_us: u64 },
    /// The answer to the request of this number.
    Reply { id: u64, clock_us: u64, answer: AgentAnswer },
    /// What an ability tells of its own accord.
    Told { told: Told },
    /// The lease ended (no heartbeat in time); everything was lifted and nothing more is taken.
    LeaseLost,
}

/// What an ability can tell, whichever it is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "told", rename_all = "snake_case")]
pub enum Told {
    /// What the generator of a source reports, by the agent's clock.
    Load(LoadReport),
    /// A scrape that ended at `clock_us` by the agent's clock: the value that decided, or why there is none, and whether the condition
    /// holds. The page was `readable`: a metric that is not on it (yet) is no alert, as in PromQL.
    Sample { clock_us: u64, value: Option<f64>, holds: bool, error: Option<String>, readable: bool },
    /// Something became of an alert of the team's own rules; when, is by the agent's clock.
    Alert(AlertMoment),
    /// Prometheus or Alertmanager is gone, or too much was told: nothing can be said about alerts any more.
    AlertsLost { why: String },
    /// How busy the machine is.
    Machine(MachineSample),
    /// Something that people should know: `the session was terminated`, `came back`.
    Note { text: String },
}

/// The answer to a request. `detail` is the evidence; `acted` is how often it acted, where that is counted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "snake_case")]
pub enum AgentAnswer {
    /// Done; with evidence where there is any.
    Done { detail: String },
    /// It is in place.
    InPlace { detail: String, acted: Option<u64> },
    /// It is not in place (any more); `by_itself`: nobody ended it.
    Gone { detail: String, by_itself: bool, acted: Option<u64> },
    /// It could not be done: what failed, then why.
    Failed { reason: String },
}

impl AgentAnswer {
    /// The answer that something is in place, with the evidence.
    pub fn in_place(detail: impl Into<String>) -> AgentAnswer {
        AgentAnswer::InPlace { detail: detail.into(), acted: None }
    }

    /// The answer that something is gone, not by itself, with the evidence.
    pub fn gone(detail: impl Into<String>) -> AgentAnswer {
        AgentAnswer::Gone { detail: detail.into(), by_itself: false, acted: None }
    }
}

impl From<Result<String, String>> for AgentAnswer {
    fn from(result: Result<String, String>) -> AgentAnswer {
        match result {
            Ok(detail) => AgentAnswer::Done { detail },
            Err(reason) => AgentAnswer::Failed { reason },
        }
    }
}
