//! The one bash session in which a runbook's steps run. The supervisor (`firedrill shell`) runs inside the
//! container; the client half lives in the runner; they speak JSON lines.

mod calls;
pub mod client;
mod door;
mod frames;
mod jobs;
mod knock;
mod output;
mod processes;
pub mod protocol;
mod pump;
mod session;
pub mod supervisor;

pub use client::{CommandResult, EndedCall, SessionState, Shell, ShellError};
pub use door::Programs;
pub use knock::knock;
