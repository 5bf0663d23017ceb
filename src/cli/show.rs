//! `firedrill show`: prints a runbook as the steps that Firedrill reads.

use crate::error::{Error, Exit};

/// Prints a runbook as the steps that Firedrill reads.
#[derive(Debug, clap::Args)]
pub struct ShowArgs {}

/// Runs the command.
pub async fn run(_args: ShowArgs, _globals: &super::Globals) -> Result<Exit, Error> {
    Err(Error::harness("`show` is not written yet"))
}
