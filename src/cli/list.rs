//! `firedrill list`: lists the scenarios of the project.

use crate::error::{Error, Exit};

/// Lists the scenarios of the project.
#[derive(Debug, clap::Args)]
pub struct ListArgs {}

/// Runs the command.
pub async fn run(_args: ListArgs, _globals: &super::Globals) -> Result<Exit, Error> {
    Err(Error::harness("`list` is not written yet"))
}
