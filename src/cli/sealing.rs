//! Writing the reports of a run and sealing it, once its story has ended. Hashing and waiting for the lock of the chain block, so they get a thread of their own.

use crate::archive::evidence::{self, Sealed};
use crate::engine::reaper::complete;
use crate::error::Error;
use crate::record::{Record, RunDir};
use crate::report;
use std::io;
use std::path::Path;

/// Writes the reports of a run into its directory. One that fails does not keep the others from being written.
pub fn save(record: &Record, run_dir: &RunDir) -> io::Result<()> {
    // What was followed alone has no verdict that a report could claim; its story is in `events.jsonl`.
    if record.plan.as_ref().is_some_and(|plan| plan.alone) {
        return Ok(());
    }
    let json = run_dir.write("record.json", &report::json(record));
    let junit = run_dir.write("junit.xml", &report::junit(&[record]));
    let html = run_dir.write("report.html", &report::html(&report::Drills::one(record.clone())));
    json.and(junit).and(html)
}

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
pub fn seal_cut_off(dir: &Path) -> io::Result<()> {
    evidence::seal(dir, false)?;
    evidence::seal_day_of(dir).map(drop)
}

/// Ends the story of a run that was cut off: its record, its reports, its seal. `left` is what could not be undone.
///
/// # Errors
/// When something of it cannot be written. Reports that cannot be do not keep it from being sealed.
pub fn end_cut_off(run_dir: &RunDir, left: Vec<String>, kept: bool) -> io::Result<()> {
    let saved = save(&complete(run_dir, left, kept)?, run_dir);
    seal_cut_off(run_dir.path())?;
    saved
}

/// What people are told about a sealed run, a line each: what is worth writing down, and what was repaired.
pub fn lines(sealed: &io::Result<Sealed>) -> String {
    let Ok(sealed) = sealed else { return String::new() };
    let notes = sealed.notes.iter().map(|note| format!("  {note}\n"));
    std::iter::once(format!("  sealed {}\n", sealed.head)).chain(notes).collect()
}

/// The error when it failed.
pub fn failure(dir: &Path, error: &io::Error) -> Error {
    Error::harness(format!("{} could not be sealed: {error}", dir.display()))
}
