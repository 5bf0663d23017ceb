//! `firedrill reaper`: undoes a drill whose runner was killed.

use crate::error::{Error, Exit};

/// Undoes a drill whose runner was killed.
#[derive(Debug, clap::Args)]
pub struct ReaperArgs {}

/// Runs the command.
pub async fn run(_args: ReaperArgs, _globals: &super::Globals) -> Result<Exit, Error> {
    Err(Error::harness("`reaper` is not written yet"))
}
