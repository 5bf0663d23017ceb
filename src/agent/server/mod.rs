//! The agent itself: `firedrill agent serve` (the container), `firedrill agent control` (the exec session that leads
//! to it) and `firedrill agent ping` (its health check).
//!
//! ```text
//! runner ══ docker exec ══ control ── unix socket ── listen ──► session ──► abilities ──► holdings
//!                                                      │           └─ lease: end-of-file or silence lifts everything
//!                                                      └─ owner: one session at a time
//! ```

mod abilities;
mod control;
mod holdings;
mod listen;
mod owner;
mod session;
#[cfg(test)]
mod tests;
mod writer;

pub use control::{control, ping};
use holdings::LIFT_WITHIN;
pub use listen::serve;

/// First line of a connection that wants to control the agent; JSON lines follow.
const CONTROL: &str = "control";
/// First line of a connection that only wants to know whether the agent answers.
const PING: &str = "ping";
/// The answer to it.
const PONG: &str = "pong";
/// Longest line that is taken: a request with all loads of a scenario and their bodies.
const MAX_LINE: usize = 16 * 1024 * 1024;
