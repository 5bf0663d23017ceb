//! Runner side of an agent: requests with replies, heartbeats, clock offset, and the stream of what it reports.

mod connection;
mod offset;
#[cfg(test)]
mod tests;

pub use connection::AgentClient;
pub use offset::ClockOffset;

/// Why an agent could not do what was asked: it says so, or its channel is gone or its lease was lost.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{0}")]
pub struct AgentError(String);
