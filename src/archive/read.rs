//! Reads records and game days back. A record that was completed is read as it is; otherwise its events say how far it came.

use super::{FoundRuns, find};
use crate::record::{Day, Event, Record, Stamped, Verdict, open_file, read_file};
use crate::report::{Drills, read_json};
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};

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
    let events = dir.join("events.jsonl");
    let file = open_file(&events).map_err(|e| io::Error::new(e.kind(), format!("{}: {e}", events.display())))?;
    Ok(Record::from_events(BufReader::new(file)))
}

/// The events of a run directory that are wanted, in order; lines that cannot be read are left out, as in the record.
pub fn read_events(dir: &Path, wanted: impl Fn(&Event) -> bool) -> io::Result<Vec<Stamped>> {
    let events = dir.join("events.jsonl");
    let named = |e: io::Error| io::Error::new(e.kind(), format!("{}: {e}", events.display()));
    let mut reader = BufReader::new(open_file(&events).map_err(named)?);
    let (mut found, mut line) = (Vec::new(), Vec::new());
    while reader.read_until(b'\n', &mut line).map_err(named)? > 0 {
        let stamped = serde_json::from_slice::<Stamped>(line.trim_ascii()).ok();
        found.extend(stamped.filter(|stamped| wanted(&stamped.event)));
        line.clear();
    }
    Ok(found)
}

/// A game day from its `gameday.jsonl`.
pub fn read_day(dir: &Path) -> io::Result<Day> {
    let events = dir.join("gameday.jsonl");
    let file = open_file(&events).map_err(|e| io::Error::new(e.kind(), format!("{}: {e}", events.display())))?;
    Ok(Day::from_events(BufReader::new(file)))
}

/// Everything below these paths, oldest first, and what could not be read. Runbooks that were followed alone are no drills
/// and are left out. A path that does not exist is an error.
pub fn read_all(paths: &[PathBuf]) -> io::Result<(Drills, Vec<String>)> {
    let FoundRuns { runs, days, mut problems } = find(paths)?;
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
            Ok(day) => drills.days.push(settled(day, &drills.records)),
            Err(error) => problems.push(error.to_string()),
        }
    }
    Ok((drills, problems))
}

/// A game day that was killed has not heard of the ends of its last drills; their own records have, where they came to one.
fn settled(mut day: Day, records: &[Record]) -> Day {
    for attempt in day.drills.iter_mut().flat_map(|drill| &mut drill.attempts).filter(|a| a.outcome.is_none()) {
        let run = |record: &&Record| record.plan.as_ref().is_some_and(|plan| plan.run == attempt.run);
        let ended = |record: &&Record| record.ended && record.verdict != Verdict::Incomplete;
        if let Some(record) = records.iter().find(run).filter(ended) {
            attempt.ended_us = Some(attempt.started_us.saturating_add(record.last_us.0));
            attempt.verdict = record.verdict;
            attempt.outcome = Some(record.outcome());
            attempt.disturbed = record.is_disturbed();
            attempt.reason.clone_from(&record.reason);
        }
    }
    day
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::testing::{Story, events_of, lines_of, record_of};
    use crate::record::{Cause, DayEvent, DayPlan, DayStamped, DrillStatus, PlannedDrill, RunOutcome};
    use crate::report::json;
    use std::fs;

    /// A game day that was killed: one drill had ended by then, and another one had not.
    #[test]
    fn what_a_killed_game_day_has_not_heard_its_records_tell() {
        let dir = tempfile::tempdir().unwrap();
        let day = dir.path().join("20261120T020000Z-nightly-0001");
        let mut events = Vec::new();
        let mut planned = Vec::new();
        for (number, story) in (1..).zip([Story::NotRecovered, Story::Killed]) {
            let run = format!("20261120T02000{number}Z-db-pool-0001");
            let home = day.join("runs").join(&run);
            fs::create_dir_all(&home).unwrap();
            let mut all = events_of(story);
            if let crate::record::Event::Announced(plan) = &mut all[0].event {
                plan.run.clone_from(&run);
            }
            fs::write(home.join("events.jsonl"), lines_of(&all)).unwrap();
            let scenario = "db-pool".to_string();
            planned.push(PlannedDrill {
                number,
                scenario,
                title: String::new(),
                tags: Vec::new(),
                repetition: 1,
                control: false,
            });
            let cause = Cause::Planned;
            events.push(DayEvent::DrillStarted { number, attempt: 1, run, cause, running: 2, waited_us: 0 });
        }
        let plan = DayPlan { name: "nightly".into(), drills: planned, ..DayPlan::default() };
        events.insert(0, DayEvent::DayAnnounced(Box::new(plan)));
        let lines =
            events.into_iter().map(|event| serde_json::to_string(&DayStamped { at_us: 5, event }).unwrap() + "\n");
        fs::write(day.join("gameday.jsonl"), lines.collect::<String>()).unwrap();
        let (drills, problems) = read_all(&[dir.path().to_path_buf()]).unwrap();
        assert!(problems.is_empty(), "{problems:?}");
        let statuses: Vec<DrillStatus> = drills.entries().iter().map(|entry| entry.status).collect();
        assert_eq!(statuses, [DrillStatus::Failed, DrillStatus::Incomplete]);
        assert_eq!(drills.outcome(), RunOutcome::Broken);
    }

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
