//! The one bash session in which a runbook's steps run. The supervisor (`firedrill shell`) runs inside the
//! container; the client half lives in the runner; they speak JSON lines.

pub mod client;
pub mod protocol;
pub mod supervisor;

pub use client::{CommandResult, Shell, ShellError};
