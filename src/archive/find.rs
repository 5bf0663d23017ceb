//! Finds run directories and the directories of game days, at any depth.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::{fs, io};

/// Directories deeper than this below the one that was asked for are not looked into.
const DEPTH: usize = 12;

/// What was found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Found {
    /// Run directories: those with `events.jsonl` or `record.json` whose name is an id; sorted by id, each id once.
    pub runs: Vec<PathBuf>,
    /// Directories of game days: those with `gameday.jsonl`; sorted by name, each name once.
    pub days: Vec<PathBuf>,
    /// Directories that could not be looked into.
    pub problems: Vec<String>,
}

/// Everything below these paths. A path that does not exist is an error; links are not followed, except the paths
/// themselves (`.firedrill/runs/latest`).
pub fn find(paths: &[PathBuf]) -> io::Result<Found> {
    let mut found = Found::default();
    for path in paths {
        let path = fs::canonicalize(path).map_err(|error| named(path, &error))?;
        look(&path, DEPTH, &mut found);
    }
    unique(&mut found.runs);
    unique(&mut found.days);
    Ok(found)
}

fn named(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}

fn look(dir: &Path, depth: usize, found: &mut Found) {
    if is_run(dir) {
        found.runs.push(dir.to_path_buf());
        return;
    }
    if dir.join("gameday.jsonl").is_file() {
        found.days.push(dir.to_path_buf());
    }
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) => return found.problems.push(format!("{}: {error}", dir.display())),
    };
    let below = entries.flatten().filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
    for entry in below {
        if depth > 0 {
            look(&entry.path(), depth - 1, found);
        }
    }
}

/// A run directory has its events or its record, and an id that begins with a time for its name.
fn is_run(dir: &Path) -> bool {
    let named = dir.file_name().and_then(|name| name.to_str()).is_some_and(crate::record::is_run_id);
    named && (dir.join("events.jsonl").is_file() || dir.join("record.json").is_file())
}

/// The same run may lie in several artifacts; the first one is as good as the others.
fn unique(dirs: &mut Vec<PathBuf>) {
    dirs.sort_by(|a, b| (a.file_name(), a).cmp(&(b.file_name(), b)));
    let mut seen = BTreeSet::new();
    dirs.retain(|dir| seen.insert(dir.file_name().map(ToOwned::to_owned)));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_and_game_days_are_found_at_any_depth_and_once() {
        let dir = tempfile::tempdir().unwrap();
        let make = |path: &str| {
            let path = dir.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        };
        make("a/gamedays/20261120T020000Z-nightly-0001/gameday.jsonl");
        make("a/gamedays/20261120T020000Z-nightly-0001/runs/20261120T020001Z-db-pool-0001/events.jsonl");
        make("b/runs/20261120T020001Z-db-pool-0001/record.json");
        make("b/runs/20261119T020001Z-db-pool-0001/events.jsonl");
        make("b/runs/notes/events.jsonl");
        let found = find(&[dir.path().to_path_buf()]).unwrap();
        let names = |dirs: &[PathBuf]| -> Vec<String> {
            dirs.iter().map(|dir| dir.file_name().unwrap().to_str().unwrap().to_string()).collect()
        };
        assert_eq!(names(&found.runs), ["20261119T020001Z-db-pool-0001", "20261120T020001Z-db-pool-0001"]);
        assert_eq!(names(&found.days), ["20261120T020000Z-nightly-0001"]);
        assert!(find(&[dir.path().join("nowhere")]).is_err());
    }
}
