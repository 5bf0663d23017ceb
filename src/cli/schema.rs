//! `firedrill schema`: prints the JSON Schema of scenario files, for editors.

use super::output::print;
use crate::error::{Error, Exit};

/// Prints the JSON Schema (draft 2020-12) of scenario files: editors complete keys and show what they mean with it.
#[derive(Debug, clap::Args)]
pub struct SchemaArgs {}

/// Runs the command.
pub fn run(_args: &SchemaArgs) -> Result<Exit, Error> {
    let json = serde_json::to_string_pretty(&crate::spec::schema())
        .map_err(|error| Error::harness(format!("writing the schema: {error}")))?;
    print(&format!("{json}\n"))?;
    Ok(Exit::Passed)
}
