//! `firedrill sweep`: finds and removes what a killed run left behind.

use crate::error::{Error, Exit};

/// Finds and removes what a killed run left behind.
#[derive(Debug, clap::Args)]
pub struct SweepArgs {}

/// Runs the command.
pub async fn run(_args: SweepArgs, _globals: &super::Globals) -> Result<Exit, Error> {
    Err(Error::harness("`sweep` is not written yet"))
}
