//! Runner side of an agent: requests with replies, heartbeats, clock offset, and the stream of what it reports.

mod connection;
mod offset;
#[cfg(test)]
mod tests;

pub use connection::AgentClient;
pub use offset::ClockOffset;

/// Why an agent could not do what was asked.
#[derive(Debug, Clone, thiserror::Error)]
pub enum AgentError {
    /// The channel is gone or the lease was lost: the harness broke.
    #[error("the agent {agent} is gone: {cause}")]
    Gone {
        /// The agent.
        agent: String,
        /// Why.
        cause: String,
    },
    /// It answered that it could not.
    #[error("{0}")]
    Failed(String),
}
