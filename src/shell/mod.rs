//! The one bash session in which a runbook's steps run. The supervisor (`firedrill shell`) runs inside the
//! container; the client half lives in the runner; they speak JSON lines.

pub mod client;
mod jobs;
mod output;
mod processes;
pub mod protocol;
mod session;
mod shim_client;
mod shim_server;
pub mod supervisor;

pub use client::{EndedCall, SessionState, Shell, ShellError};
pub use protocol::{CommandResult, SessionVar, TRUSTED};
pub use shim_client::call_runner;
pub use shim_server::{PROGRAMS, Programs};
