//! Reads records and game days back. A record that was completed is read as it is; otherwise its events say how far it came.

use super::{Found, find};
use crate::record::{Day, Record};
use crate::report::{Drills, read_json};
use std::fs::{self, File};
use std::io::{self, BufReader};
use std::path::{Path, PathBuf};

/// The record of a run directory: `record.json` where it is whole, otherwise what `events.jsonl` adds up to.
pub fn read_run(dir: &Path) -> io::Result<Record> {
    let saved = fs::read(dir.join("record.json")).ok().and_then(|bytes| read_json(&bytes).ok());
    if let Some(record) = saved.filter(|record| record.ended) {
        return Ok(record);
    }
    let events = dir.join("events.jsonl");
    let file = File::open(&events).map_err(|e| io::Error::new(e.kind(), format!("{}: {e}", events.display())))?;
    let record = Record::from_events(BufReader::new(file));
    if record.plan.is_none() {
        let why = format!("{}: the story has no beginning", events.display());
        return Err(io::Error::new(io::ErrorKind::InvalidData, why));
    }
    Ok(record)
}

/// A game day from its `gameday.jsonl`.
pub fn read_day(dir: &Path) -> io::Result<Day> {
    let events = dir.join("gameday.jsonl");
    let file = File::open(&events).map_err(|e| io::Error::new(e.kind(), format!("{}: {e}", events.display())))?;
    Ok(Day::from_events(BufReader::new(file)))
}

/// Everything below these paths, oldest first, and what could not be read. Runbooks that were followed alone are no drills
/// and are left out. A path that does not exist is an error.
pub fn read_all(paths: &[PathBuf]) -> io::Result<(Drills, Vec<String>)> {
    let Found { runs, days, mut problems } = find(paths)?;
    let mut drills = Drills::default();
    for dir in runs {
        match read_run(&dir) {
            Ok(record) if record.plan.as_ref().is_some_and(|plan| plan.alone) => {}
            Ok(record) => drills.records.push(record),
            Err(error) => problems.push(error.to_string()),
        }
    }
    for dir in days {
        match read_day(&dir) {
            Ok(day) => drills.days.push(day),
            Err(error) => problems.push(error.to_string()),
        }
    }
    Ok((drills, problems))
}
