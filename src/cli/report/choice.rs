//! Which game days and drills a report is about: those below the paths that were named, otherwise the newest one.

use crate::archive;
use crate::error::Error;
use crate::report::Drills;
use crate::source::tidy;
use std::path::{Path, PathBuf};

/// What was found.
pub struct ReportChoice {
    /// The game days and drills; never nothing.
    pub drills: Drills,
    /// The run directories that were looked at.
    pub dirs: Vec<PathBuf>,
}

/// What lies below `paths`; without any, the newest game day or drill of the project. Nothing at all is an error.
pub fn choose(paths: &[PathBuf], project: &Path) -> Result<ReportChoice, Error> {
    if !paths.is_empty() {
        let drills = archive::read_all(paths).map_err(|error| {
            let hint = "name a run directory, the directory of a game day, or one that holds some";
            Error::usage(error.to_string()).hint(hint)
        })?;
        return match drills.is_empty() {
            true => Err(nothing(paths, &drills.unread)),
            false => Ok(ReportChoice { drills, dirs: runs_below(paths) }),
        };
    }
    let home = tidy(&project.join(".firedrill"));
    let found = match home.is_dir() {
        true => archive::find(std::slice::from_ref(&home)).map_err(|error| Error::usage(error.to_string()))?,
        false => archive::FoundRuns::default(),
    };
    for candidate in newest_first(&found) {
        let candidate = [candidate];
        let Ok(mut drills) = archive::read_all(&candidate) else { continue };
        // A runbook that was followed alone is no drill: then the one before it is meant. What cannot be read may be one.
        match (drills.is_empty(), drills.unread.is_empty()) {
            (true, true) => continue,
            (true, false) => return Err(nothing(&candidate, &drills.unread)),
            // What could not be looked into may be newer.
            (false, _) => drills.unread.extend(found.problems),
        }
        return Ok(ReportChoice { drills, dirs: runs_below(&candidate) });
    }
    Err(nothing(&[home], &found.problems))
}

fn runs_below(paths: &[PathBuf]) -> Vec<PathBuf> {
    archive::find(paths).map(|found| found.runs).unwrap_or_default()
}

/// Game days, and the runs that belong to none; ids sort by time.
fn newest_first(found: &archive::FoundRuns) -> Vec<PathBuf> {
    let own = found.runs.iter().filter(|run| !found.days.iter().any(|day| run.starts_with(day)));
    let mut all: Vec<PathBuf> = found.days.iter().chain(own).cloned().collect();
    all.sort_by(|a, b| b.file_name().cmp(&a.file_name()));
    all
}

fn nothing(paths: &[PathBuf], problems: &[String]) -> Error {
    let names: Vec<String> = paths.iter().map(|path| path.display().to_string()).collect();
    let mut message = format!("there is neither a drill nor a game day in {}", names.join(", "));
    message.extend(problems.iter().map(|problem| format!("\n{problem}")));
    Error::usage(message).hint(
        "name a directory that holds some, such as unpacked artifacts of CI; `firedrill scenario NAME` makes a drill",
    )
}
