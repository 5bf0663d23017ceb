//! `firedrill check`: checks every scenario, runbook and stack of the project; starts nothing.

use crate::error::{Error, Exit};

/// Checks every scenario, runbook and stack of the project; starts nothing.
#[derive(Debug, clap::Args)]
pub struct CheckArgs {}

/// Runs the command.
pub async fn run(_args: CheckArgs, _globals: &super::Globals) -> Result<Exit, Error> {
    Err(Error::harness("`check` is not written yet"))
}
