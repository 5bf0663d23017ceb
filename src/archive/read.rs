//! Reads records and game days back. A record that was completed is read as it is; otherwise its events say how far it came.

use crate::record::{Day, Event, Record, Stamped, open_file, read_file};
use crate::report::read_json;
use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::Path;

/// The record of a run directory: `record.json` where it is whole, otherwise what `events.jsonl` adds up to.
pub fn read_run(dir: &Path) -> io::Result<Record> {
    let saved = read_file(dir.join("record.json")).ok().and_then(|bytes| read_json(&bytes).ok());
    if let Some(record) = saved.filter(|record| record.ended) {
        return Ok(record);
    }
    let record = read_story(dir)?;
    if record.plan.is_none() {
        let why = format!("{}: the story has no beginning", dir.join("events.jsonl").display());
        return Err(io::Error::new(io::ErrorKind::InvalidData, why));
    }
    Ok(record)
}

/// What the `events.jsonl` of a run directory adds up to, whatever its `record.json` says.
pub fn read_story(dir: &Path) -> io::Result<Record> {
    opened(&dir.join("events.jsonl")).map(Record::from_events)
}

/// The events of a run directory that are wanted, in order; lines that cannot be read are left out, as in the record.
pub fn read_events(dir: &Path, wanted: impl Fn(&Event) -> bool) -> io::Result<Vec<Stamped>> {
    let events = dir.join("events.jsonl");
    let (mut reader, mut found, mut line) = (opened(&events)?, Vec::new(), Vec::new());
    while reader.read_until(b'\n', &mut line).map_err(|error| named(&events, &error))? > 0 {
        let stamped = serde_json::from_slice::<Stamped>(line.trim_ascii()).ok();
        found.extend(stamped.filter(|stamped| wanted(&stamped.event)));
        line.clear();
    }
    Ok(found)
}

/// A game day from its `gameday.jsonl`.
pub fn read_day(dir: &Path) -> io::Result<Day> {
    opened(&dir.join("gameday.jsonl")).map(Day::from_events)
}

fn opened(path: &Path) -> io::Result<BufReader<File>> {
    open_file(path).map(BufReader::new).map_err(|error| named(path, &error))
}

fn named(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::testing::{Story, events_of, lines_of, record_of};
    use crate::report::json;
    use std::fs;

    #[test]
    fn a_whole_record_is_read_as_it_is_and_a_torn_one_from_its_events() {
        let dir = tempfile::tempdir().unwrap();
        let record = record_of(Story::Passed);
        fs::write(dir.path().join("record.json"), json(&record)).unwrap();
        assert_eq!(read_run(dir.path()).unwrap(), record);
        fs::write(dir.path().join("record.json"), "{").unwrap();
        assert!(read_run(dir.path()).is_err());
        fs::write(dir.path().join("events.jsonl"), lines_of(&events_of(Story::Passed))).unwrap();
        assert_eq!(read_run(dir.path()).unwrap(), record);
    }
}
