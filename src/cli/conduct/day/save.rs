//! The files of a game day: what it adds up to and its reports, made from its records.

use super::super::on_disk;
use crate::error::Error;
use crate::record::write_atomic;
use crate::report::{self, Drills};
use std::io;
use std::path::Path;

/// Writes every report of a game day into its directory. One that fails does not keep the others from being written.
pub fn save_day(drills: &Drills, dir: &Path) -> io::Result<()> {
    let files = [
        ("gameday.json", report::json_day(drills)),
        ("junit.xml", report::junit_day(drills)),
        ("report.html", report::html(drills)),
        ("report.md", report::markdown(drills)),
    ];
    files.into_iter().map(|(name, content)| write_atomic(&dir.join(name), &content)).fold(Ok(()), io::Result::and)
}

/// Writes what must not be lost when the runner is killed, after each drill: not more than that, because other drills are
/// being measured meanwhile. What cannot be written now is said at the end.
pub fn save_so_far(drills: &Drills, dir: &Path, junit: Option<&Path>) {
    let bytes = report::junit_day(drills);
    let paths = [Some(dir.join("junit.xml")), junit.map(Path::to_path_buf)];
    for path in paths.into_iter().flatten() {
        let _ = write_atomic(&path, &bytes);
    }
    let _ = write_atomic(&dir.join("gameday.json"), &report::json_day(drills));
}

/// The JUnit report where the command line wants it.
///
/// # Errors
/// When it cannot be written.
pub fn save_junit(drills: &Drills, path: Option<&Path>) -> Result<(), Error> {
    let Some(path) = path else { return Ok(()) };
    let bytes = report::junit_day(drills);
    write_atomic(path, &bytes).map_err(|error| on_disk(path, &error))
}
