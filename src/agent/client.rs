//! Runner side of an agent: requests with replies, heartbeats, clock offset, and the stream of what it reports.

use super::protocol::{Answer, Ask, Message};
use crate::stack::Channel;
use tokio::sync::mpsc;

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

/// Clock offset of an agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClockOffset {
    /// Agent's clock (µs since the Unix epoch) minus the runner's drill time in µs.
    pub offset_us: i64,
    /// Round trip of the best probe.
    pub rtt_us: u64,
}

/// A connected agent. Cheap to clone; the channel ends when the last clone is dropped or `close` is called.
#[derive(Clone)]
pub struct AgentClient {}

impl AgentClient {
    /// Waits for the agent's hello, measures its clock with a few round trips against `now_us` (the runner's drill
    /// time in µs), and starts the heartbeat. Messages that are not replies arrive at the receiver.
    pub async fn open(
        _name: String,
        _channel: Channel,
        _now_us: impl Fn() -> u64 + Send + Sync + 'static,
    ) -> Result<(AgentClient, mpsc::UnboundedReceiver<Message>), AgentError> {
        Err(AgentError::Failed("not written yet".into()))
    }

    /// Asks and waits for the answer; `Answer::Failed` becomes `AgentError::Failed`.
    pub async fn ask(&self, _ask: Ask) -> Result<Answer, AgentError> {
        Err(AgentError::Failed("not written yet".into()))
    }

    /// The agent's clock offset.
    pub fn offset(&self) -> ClockOffset {
        ClockOffset { offset_us: 0, rtt_us: 0 }
    }
}
