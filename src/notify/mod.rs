//! Messages about a drill or a game day while it runs: opened, update, mitigated, resolved. The drill hands over what there is to
//! say and never waits; each target has a task of its own, and what became of every message stands beside the run.

mod http;
mod message;
mod pagerduty;
mod send;
mod slack;
mod target;

pub(crate) use http::request;
pub use message::{IncidentMessage, IncidentState};
pub use send::Notifier;
pub use target::ReadyTarget;
