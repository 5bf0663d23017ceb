//! The agent itself: `firedrill agent serve` (the container), `firedrill agent control` (the exec session that leads
//! to it) and `firedrill agent ping` (its health check).
//!
//! ```text
//! runner ══ docker exec ══ control ── unix socket ── listen ──► session ──► abilities ──► holdings
//!                                                      │           └─ lease: end-of-file or silence lifts everything
//!                                                      └─ owner: one session at a time
//! ```

mod abilities;
mod listen;
mod session;
#[cfg(test)]
mod tests;

pub use listen::{control, ping, serve};
