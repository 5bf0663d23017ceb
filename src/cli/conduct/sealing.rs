//! Sealing a run once its story has ended. Hashing and waiting for the lock of the chain block, so they get a thread of their own.

use crate::archive::evidence::{self, Sealed};
use std::io;
use std::path::Path;

/// Seals a run.
///
/// # Errors
/// When its manifest or the chain cannot be written: the run is there all the same.
pub async fn seal(dir: &Path) -> io::Result<Sealed> {
    let dir = dir.to_path_buf();
    tokio::task::spawn_blocking(move || evidence::seal(&dir, false)).await.map_err(io::Error::other)?
}

/// Seals a run that was cut off, and the game day that it was the last one of.
///
/// # Errors
/// As for `seal`.
pub fn seal_cut_off(dir: &Path) -> io::Result<Vec<String>> {
    let mut notes = evidence::seal(dir, false)?.notes;
    notes.extend(evidence::seal_day_of(dir)?.into_iter().flat_map(|sealed| sealed.notes));
    Ok(notes)
}

/// What people are told about a sealed run, a line each: what is worth writing down, and what was repaired.
pub fn lines(sealed: &Sealed) -> String {
    let notes = sealed.notes.iter().map(|note| format!("  {note}\n"));
    std::iter::once(format!("  sealed {}\n", sealed.head)).chain(notes).collect()
}

/// What people are told when it failed.
pub fn failure(dir: &Path, error: &io::Error) -> String {
    format!("{} could not be sealed: {error}", dir.display())
}
