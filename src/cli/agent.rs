//! `firedrill agent`: what the agent container runs.

use crate::error::{Error, Exit};

/// What the agent container runs.
#[derive(Debug, clap::Args)]
pub struct AgentArgs {}

/// Runs the command.
pub async fn run(_args: AgentArgs, _globals: &super::Globals) -> Result<Exit, Error> {
    Err(Error::harness("`agent` is not written yet"))
}
