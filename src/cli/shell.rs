//! `firedrill shell`: what a shell session in a container runs.

use crate::error::{Error, Exit};

/// What a shell session in a container runs.
#[derive(Debug, clap::Args)]
pub struct ShellArgs {}

/// Runs the command.
pub async fn run(_args: ShellArgs, _globals: &super::Globals) -> Result<Exit, Error> {
    Err(Error::harness("`shell` is not written yet"))
}
