//! Finds run directories and the directories of game days, at any depth, and reads them back. Each is known by its id: that of its
//! name, otherwise that of its first event, because what was a link (`latest`) comes out of an artifact of CI as a second directory.
//! A record that was completed is read as it is; otherwise its events say how far it came.

use crate::record::{
    Announcement, Day, DayEvent, DayStamped, EarlierControl, Event, Phase, Record, RunDir, Stamped, Verdict, is_run_id,
    open_file, read_file, read_line,
};
use crate::report::{Drills, read_json};
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;
use std::fs;
use std::fs::File;
use std::io::{self, BufReader};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Directories deeper than this below the one that was asked for are not looked into.
const DEPTH: usize = 12;

/// What was found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FoundRuns {
    /// Run directories: those with `events.jsonl` or `record.json` that have an id; sorted by id, each id once: of several
    /// copies the most complete one.
    pub runs: Vec<PathBuf>,
    /// Directories of game days: those with `gameday.jsonl` that have an id; in the same way.
    pub days: Vec<PathBuf>,
    /// Directories that could not be looked into.
    pub problems: Vec<String>,
}

/// Everything below these paths. A path that does not exist is an error; links are not followed, except the paths
/// themselves (`.firedrill/runs/latest`).
pub fn find(paths: &[PathBuf]) -> io::Result<FoundRuns> {
    let mut runs: BTreeMap<String, Vec<PathBuf>> = BTreeMap::new();
    let mut days: BTreeMap<String, Vec<PathBuf>> = BTreeMap::new();
    let problems = walk(paths, |dir, _, _| {
        if let Some(id) = run_id(dir) {
            runs.entry(id).or_default().push(dir.to_path_buf());
            return false;
        }
        if let Some(id) = day_id(dir) {
            days.entry(id).or_default().push(dir.to_path_buf());
        }
        true
    })?;
    let bytes = |dir: &Path, names: &[&str]| -> u64 {
        names.iter().filter_map(|name| fs::metadata(dir.join(name)).ok()).map(|file| file.len()).sum()
    };
    let run_is_whole = |dir: &Path| Some((read_run(dir).ok()?.ended, bytes(dir, &["events.jsonl", "record.json"])));
    let day_is_whole = |dir: &Path| Some((read_day(dir).ok()?.ended, bytes(dir, &["gameday.jsonl"])));
    Ok(FoundRuns { runs: best(runs, run_is_whole), days: best(days, day_is_whole), problems })
}

/// Everything below these paths, oldest first, with what could not be read. Runbooks that were followed alone are no drills
/// and are left out. A path that does not exist is an error.
pub fn read_all(paths: &[PathBuf]) -> io::Result<Drills> {
    let FoundRuns { runs, days, problems } = find(paths)?;
    let mut drills = Drills { unread: problems, ..Drills::default() };
    for dir in runs {
        match read_run(&dir) {
            Ok(record) if record.plan.as_ref().is_some_and(|plan| plan.alone) => {}
            Ok(record) => drills.records.push(record),
            Err(error) => drills.unread.push(error.to_string()),
        }
    }
    for dir in days {
        match read_day(&dir) {
            Ok(day) => drills.days.push(settled(day, &drills.records)),
            Err(error) => drills.unread.push(error.to_string()),
        }
    }
    Ok(drills)
}

/// How long the runbook of a scenario took in the drills below these paths, from its begin to the end of its last mitigating command:
/// the longest of the last ten. `None` where there is none.
pub fn runbook_took(paths: &[PathBuf], scenario: &str) -> Option<Duration> {
    let took = newest_drills(paths, scenario).filter_map(|record| {
        record.plan.as_ref().filter(|plan| !plan.control && !plan.alone)?;
        let begun = record.phases.iter().find(|phase| phase.phase == Phase::Respond)?.started_us;
        Some(record.mitigation_ended_us?.since(begun))
    });
    took.take(10).max()
}

/// The last control below these paths of the same scenario and stack that tells whether users recover without the runbook; `None` where
/// there is none.
pub fn last_control(paths: &[PathBuf], wanted: &Announcement) -> Option<EarlierControl> {
    // A record may be large: only those of controls are read.
    let mut controls = newest_first(paths, &wanted.scenario).filter(|dir| {
        let first = first_line::<Stamped>(&dir.join("events.jsonl")).map(|stamped| stamped.event);
        matches!(first, Some(Event::Announced(plan)) if plan.control && plan.breaks_the_same(wanted))
    });
    controls.find_map(|dir| {
        let record = read_run(&dir).ok()?;
        let watched_us = u64::try_from(record.watched()?.as_micros()).ok()?;
        let Record { plan, verdict, stack, .. } = record;
        let images = stack.map(|stack| stack.images).unwrap_or_default();
        let told = matches!(verdict, Verdict::SelfHealed | Verdict::Passed | Verdict::NotRecovered);
        let (run, healed) = (plan?.run, verdict == Verdict::SelfHealed);
        told.then_some(EarlierControl { run, images, healed, watched_us })
    })
}

/// The records of a scenario below these paths, as far as they can be read, newest first.
pub fn newest_drills(paths: &[PathBuf], scenario: &str) -> impl Iterator<Item = Record> {
    let records = newest_first(paths, scenario).filter_map(|dir| read_run(&dir).ok());
    records.filter(move |record| record.plan.as_ref().is_some_and(|plan| plan.scenario == scenario))
}

/// The runs below these paths that have the name of a scenario in their ids, as far as an id holds a name.
fn newest_first(paths: &[PathBuf], scenario: &str) -> impl Iterator<Item = PathBuf> {
    let runs = find(paths).map(|found| found.runs).unwrap_or_default();
    let name = format!("-{scenario}-");
    let is_named = move |dir: &Path| RunDir::open(dir).is_ok_and(|run| run.is_named(scenario));
    runs.into_iter().rev().filter(move |dir| run_id(dir).is_some_and(|id| id.contains(&name)) || is_named(dir))
}

/// A game day that was killed has not heard of the ends of its last drills; their own records have, where they came to one.
fn settled(mut day: Day, records: &[Record]) -> Day {
    for attempt in day.drills.iter_mut().flat_map(|drill| &mut drill.attempts).filter(|a| a.outcome.is_none()) {
        let run = |record: &&Record| record.plan.as_ref().is_some_and(|plan| plan.run == attempt.run);
        let ended = |record: &&Record| record.ended && record.verdict != Verdict::Incomplete;
        if let Some(record) = records.iter().find(run).filter(ended) {
            let (at_us, outcome) = (attempt.started_us.saturating_add(record.last_us.0), record.outcome());
            attempt.end(at_us, record.verdict, outcome, record.is_disturbed(), record.reason.clone());
        }
    }
    day
}

/// Visits every directory below these paths and says which could not be looked into. `visit` is told whether a directory lies
/// below one of the paths, and whether what is in it can be visited too, and answers whether to look into it.
pub(super) fn walk(paths: &[PathBuf], mut visit: impl FnMut(&Path, bool, bool) -> bool) -> io::Result<Vec<String>> {
    let mut problems = Vec::new();
    for path in paths {
        let mut left = vec![(fs::canonicalize(path).map_err(named(path))?, 0)];
        while let Some((dir, depth)) = left.pop() {
            if !visit(&dir, depth > 0, depth < DEPTH) {
                continue;
            }
            match fs::read_dir(&dir) {
                Ok(entries) => {
                    let below = entries.flatten().filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
                    left.extend(below.filter(|_| depth < DEPTH).map(|entry| (entry.path(), depth + 1)));
                }
                Err(error) => problems.push(format!("{}: {error}", dir.display())),
            }
        }
    }
    Ok(problems)
}

/// The id that a directory has for its name.
fn own_name(dir: &Path) -> Option<String> {
    dir.file_name().and_then(|name| name.to_str()).filter(|name| is_run_id(name)).map(str::to_string)
}

/// The id of a run directory: that of its name, otherwise that of its story or its record; `None` of what is no run.
pub fn run_id(dir: &Path) -> Option<String> {
    if !dir.join("events.jsonl").is_file() && !dir.join("record.json").is_file() {
        return None;
    }
    let of_event = || match first_line::<Stamped>(&dir.join("events.jsonl"))?.event {
        Event::Announced(plan) => Some(plan.run),
        _ => None,
    };
    let of_record = || Some(read_run(dir).ok()?.plan?.run);
    let named = |id: &String| is_run_id(id);
    own_name(dir).or_else(|| of_event().filter(named)).or_else(|| of_record().filter(named))
}

/// Whether the drill of a run directory still runs: its lock is held. A drill without an end that nobody holds was cut off. What
/// was unpacked just now has no lock, and is none that is just beginning.
pub fn is_under_way(dir: &Path) -> bool {
    RunDir::open(dir).is_ok_and(|run| run.has_lock_file() && run.is_alive().unwrap_or(false))
}

/// The id of the directory of a game day, in the same way.
pub(super) fn day_id(dir: &Path) -> Option<String> {
    let events = dir.join("gameday.jsonl");
    if !events.is_file() {
        return None;
    }
    let of_event = || match first_line::<DayStamped>(&events)?.event {
        DayEvent::DayAnnounced(plan) => Some(plan.id),
        _ => None,
    };
    own_name(dir).or_else(of_event).filter(|id| is_run_id(id))
}

/// The first line of a file of events.
pub(super) fn first_line<T: DeserializeOwned>(path: &Path) -> Option<T> {
    let mut line = Vec::new();
    read_line(&mut BufReader::new(open_file(path).ok()?), &mut line).ok()?;
    serde_json::from_slice(&line).ok()
}

/// Of every id its best copy: one that can be read before one that cannot, one that has its end before one that was uploaded
/// while it ran, then the one with more in it. One with the id for its name comes first among those that can be read: it is the one that
/// is verified. Only what has copies is read for it.
fn best(copies: BTreeMap<String, Vec<PathBuf>>, whole: impl Fn(&Path) -> Option<(bool, u64)>) -> Vec<PathBuf> {
    let of = |(id, mut dirs): (String, Vec<PathBuf>)| {
        dirs.sort();
        dirs.dedup();
        match dirs.len() {
            0 | 1 => dirs.pop(),
            // The last of equals is taken: from behind, that is the first.
            _ => dirs.into_iter().rev().max_by_key(|dir| {
                let whole = whole(dir);
                (whole.is_some(), own_name(dir).is_some_and(|name| name == id), whole)
            }),
        }
    };
    copies.into_iter().filter_map(of).collect()
}

/// The record of a run directory: `record.json` where it is whole, otherwise what `events.jsonl` adds up to.
pub fn read_run(dir: &Path) -> io::Result<Record> {
    let saved = read_file(dir.join("record.json")).ok().and_then(|bytes| read_json(&bytes).ok());
    if let Some(record) = saved.filter(|record| record.ended) {
        return Ok(record);
    }
    let mut record = read_story(dir)?;
    record.alive = !record.ended && is_under_way(dir);
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
    while read_line(&mut reader, &mut line).map_err(named(&events))? > 0 {
        let stamped = serde_json::from_slice::<Stamped>(line.trim_ascii()).ok();
        found.extend(stamped.filter(|stamped| wanted(&stamped.event)));
    }
    Ok(found)
}

/// A game day from its `gameday.jsonl`.
pub fn read_day(dir: &Path) -> io::Result<Day> {
    let day = opened(&dir.join("gameday.jsonl")).map(Day::from_events)?;
    Ok(Day { alive: !day.ended && is_under_way(dir), ..day })
}

fn opened(path: &Path) -> io::Result<BufReader<File>> {
    open_file(path).map(BufReader::new).map_err(named(path))
}

/// An error with the path that it is about.
pub(super) fn named(path: &Path) -> impl Fn(io::Error) -> io::Error {
    move |error| io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::testing::{Story, events_of, lines_of, record_of};
    use crate::record::{Cause, DayPlan, DrillStatus, FileRef, PlannedDrill, RunOutcome};

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

    const RUN: &str = "20261120T064112Z-db-pool-3f9a";
    const DAY: &str = "20261120T020000Z-nightly-0001";

    /// A run directory of this story as it stands on disk after so many events.
    fn run(dir: &Path, story: Story, events: usize) {
        fs::create_dir_all(dir).unwrap();
        let mut all = events_of(story);
        if let Event::Announced(plan) = &mut all[0].event {
            plan.run = RUN.into();
        }
        fs::write(dir.join("events.jsonl"), lines_of(&all[..events.min(all.len())])).unwrap();
    }

    fn day(dir: &Path, ended: bool) {
        fs::create_dir_all(dir).unwrap();
        let plan = DayPlan { id: DAY.into(), ..DayPlan::default() };
        let mut events = vec![DayEvent::DayAnnounced(Box::new(plan))];
        events.extend(ended.then_some(DayEvent::DayEnded));
        let line = |event| serde_json::to_string(&DayStamped { at_us: 1, event }).unwrap() + "\n";
        fs::write(dir.join("gameday.jsonl"), events.into_iter().map(line).collect::<String>()).unwrap();
    }

    #[test]
    fn how_long_a_runbook_took_is_what_its_drills_say() {
        let dir = tempfile::tempdir().unwrap();
        let paths = [dir.path().to_path_buf()];
        assert_eq!(runbook_took(&paths, "db-pool"), None);
        run(&dir.path().join("20261120T064113Z-db-pool-3f9b"), Story::Control, usize::MAX);
        assert_eq!(runbook_took(&paths, "db-pool"), None, "a control has no runbook");
        run(&dir.path().join(RUN), Story::Passed, usize::MAX);
        let record = read_run(&dir.path().join(RUN)).unwrap();
        let begun = record.phases.iter().find(|phase| phase.phase == Phase::Respond).unwrap().started_us;
        let took = record.mitigation_ended_us.unwrap().since(begun);
        assert!(took > Duration::ZERO);
        assert_eq!(runbook_took(&paths, "db-pool"), Some(took));
        assert_eq!(runbook_took(&paths, "db"), None);
    }

    #[test]
    fn the_last_control_of_the_same_scenario_and_stack_says_whether_users_recover_without_the_runbook() {
        let dir = tempfile::tempdir().unwrap();
        let known = |plan: &Announcement| last_control(&[dir.path().to_path_buf()], plan).map(|control| control.healed);
        let Record { plan, .. } = record_of(Story::Passed);
        let plan = *plan.unwrap();
        run(&dir.path().join("20261120T064111Z-db-pool-3f99"), Story::Control, usize::MAX);
        assert_eq!(known(&plan), Some(false));
        run(&dir.path().join(RUN), Story::ControlRecovered, usize::MAX);
        assert_eq!(known(&plan), Some(true));
        let other = FileRef { sha256: "0".repeat(64), ..plan.scenario_file.clone() };
        assert_eq!(known(&Announcement { scenario_file: other.clone(), ..plan.clone() }), None);
        assert_eq!(known(&Announcement { stack_merged: vec![other], ..plan.clone() }), None);
        assert_eq!(known(&Announcement { loads: vec![], ..plan.clone() }), None, "another load");
        run(&dir.path().join("20261120T064113Z-db-pool-3f9b"), Story::Control, usize::MAX);
        assert_eq!(known(&plan), Some(false), "the last one counts");
    }

    #[test]
    fn what_was_a_link_is_no_second_one() {
        let dir = tempfile::tempdir().unwrap();
        for name in [DAY, "latest"] {
            day(&dir.path().join(name), true);
            for run_name in [RUN, "latest"] {
                run(&dir.path().join(name).join("runs").join(run_name), Story::Passed, usize::MAX);
            }
        }
        let found = find(&[dir.path().to_path_buf()]).unwrap();
        let home = fs::canonicalize(dir.path()).unwrap().join(DAY);
        assert_eq!((found.days, found.runs), (vec![home.clone()], vec![home.join("runs").join(RUN)]));
        let drills = read_all(&[dir.path().to_path_buf()]).unwrap();
        assert_eq!((drills.days.len(), drills.records.len(), drills.unread.len()), (1, 1, 0));
    }

    #[test]
    fn without_an_id_for_its_name_the_first_event_says_which_it_is() {
        let dir = tempfile::tempdir().unwrap();
        day(&dir.path().join("latest"), true);
        run(&dir.path().join("latest/runs/latest"), Story::Passed, usize::MAX);
        fs::create_dir_all(dir.path().join("notes")).unwrap();
        fs::write(dir.path().join("notes/gameday.jsonl"), "{}").unwrap();
        let found = find(&[dir.path().to_path_buf()]).unwrap();
        assert_eq!((found.days.len(), found.runs.len()), (1, 1), "{found:?}");
    }

    #[test]
    fn of_several_copies_the_most_complete_one_is_taken() {
        let dir = tempfile::tempdir().unwrap();
        // By name the best is neither the first nor the last.
        day(&dir.path().join("a").join(DAY), false);
        day(&dir.path().join("b").join(DAY), true);
        day(&dir.path().join("c").join(DAY), false);
        run(&dir.path().join("a").join(RUN), Story::Passed, 0);
        run(&dir.path().join("b").join(RUN), Story::Passed, 3);
        run(&dir.path().join("c").join(RUN), Story::Passed, usize::MAX);
        run(&dir.path().join("d").join(RUN), Story::Passed, 5);
        let found = find(&[dir.path().to_path_buf()]).unwrap();
        let home = fs::canonicalize(dir.path()).unwrap();
        assert_eq!(found.days, [home.join("b").join(DAY)]);
        assert_eq!(found.runs, [home.join("c").join(RUN)]);
        fs::remove_dir_all(home.join("c")).unwrap();
        assert_eq!(find(&[dir.path().to_path_buf()]).unwrap().runs, [home.join("d").join(RUN)], "the longest");
    }

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
        let drills = read_all(&[dir.path().to_path_buf()]).unwrap();
        assert!(drills.unread.is_empty(), "{:?}", drills.unread);
        let statuses: Vec<DrillStatus> = drills.entries().iter().map(|entry| entry.status).collect();
        assert_eq!(statuses, [DrillStatus::Failed, DrillStatus::Incomplete]);
        assert_eq!(drills.outcome(), RunOutcome::Broken);
    }
}

#[cfg(test)]
mod read_tests {
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
