//! `drill-notes/*.yaml`: what only people know about the drills of a quarter, read and checked. Every mistake of every file is
//! told at once, with its place.

mod read;

pub use read::{read, schema};

use crate::report::DrNotes;
use crate::source::{Diagnostics, Source, tidy};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The folder of the notes, at the project's top.
pub const FOLDER: &str = "drill-notes";

/// Reads every `.yaml` and `.yml` of a folder, in the order of the names. A folder that is not there has no notes; `Err` is why it
/// cannot be read. `None` when there were mistakes.
pub fn read_folder(folder: &Path, diags: &mut Diagnostics) -> std::io::Result<Option<DrNotes>> {
    let entries = match std::fs::read_dir(folder) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Some(DrNotes::default())),
        entries => entries?,
    };
    let paths = entries.map(|entry| entry.map(|entry| tidy(&entry.path())));
    let mut paths = paths.collect::<std::io::Result<Vec<PathBuf>>>()?;
    paths.retain(|path| path.extension().is_some_and(|end| end == "yaml" || end == "yml"));
    paths.sort();
    let source =
        |path: &PathBuf| Source::read(path).map_err(|error| error.report("the file of notes", None, diags)).ok();
    let sources: Vec<Arc<Source>> = paths.iter().filter_map(source).collect();
    let notes = read(&sources, diags);
    Ok(notes.filter(|_| sources.len() == paths.len()))
}

#[cfg(test)]
mod tests;
