//! `firedrill doctor`: says what is there, what is missing and how to mend it.

use crate::error::{Error, Exit};

/// Says what is there, what is missing and how to mend it.
#[derive(Debug, clap::Args)]
pub struct DoctorArgs {}

/// Runs the command.
pub async fn run(_args: DoctorArgs, _globals: &super::Globals) -> Result<Exit, Error> {
    Err(Error::harness("`doctor` is not written yet"))
}
