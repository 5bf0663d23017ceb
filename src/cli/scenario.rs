//! `firedrill scenario`: runs drills.

use crate::error::{Error, Exit};

/// Runs drills.
#[derive(Debug, clap::Args)]
pub struct ScenarioArgs {}

/// Runs the command.
pub async fn run(_args: ScenarioArgs, _globals: &super::Globals) -> Result<Exit, Error> {
    Err(Error::harness("`scenario` is not written yet"))
}
