//! The one bash session in which a runbook's steps run. The supervisor (`firedrill shell`) runs inside the
//! container; the client half lives in the runner; they speak JSON lines.

pub mod client;
mod jobs;
mod output;
mod processes;
pub mod protocol;
mod session;
pub mod supervisor;

pub use client::{CommandResult, Shell, ShellError};
