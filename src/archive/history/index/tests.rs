//! The index over directories of runs: read once, shared, damaged, foreign.

use super::super::run::RunStanding;
use super::super::testing::record;
use super::*;
use crate::error::Exit;
use crate::record::Record;
use crate::record::testing::{Story, events_of, lines_of};
use std::fs;

struct RunPlace(tempfile::TempDir);

impl RunPlace {
    fn new() -> RunPlace {
        RunPlace(tempfile::tempdir().unwrap())
    }

    fn index(&self) -> PathBuf {
        self.0.path().join("history.json")
    }

    fn dir(&self, record: &Record) -> PathBuf {
        self.0.path().join("runs").join(&record.plan.as_ref().unwrap().run)
    }

    fn write(&self, record: &Record) -> PathBuf {
        let dir = self.dir(record);
        fs::create_dir_all(&dir).unwrap();
        fs::write(dir.join("record.json"), crate::report::json(record)).unwrap();
        dir
    }

    fn look(&self) -> (Vec<IndexedRun>, Update) {
        self.try_look().unwrap()
    }

    fn try_look(&self) -> Result<(Vec<IndexedRun>, Update), Error> {
        let runs = self.0.path().join("runs");
        fs::create_dir_all(&runs).unwrap();
        indexed(&self.index(), &[runs])
    }
}

#[test]
fn a_drill_under_way_is_not_listed_until_it_has_ended_or_was_cut_off() {
    let place = RunPlace::new();
    let mut killed = record("a", 0, Story::Killed);
    let dir = place.dir(&killed);
    fs::create_dir_all(&dir).unwrap();
    let mut events = events_of(Story::Killed);
    if let crate::record::Event::Announced(plan) = &mut events[0].event {
        **plan = *killed.plan.take().unwrap();
    }
    fs::write(dir.join("events.jsonl"), lines_of(&events)).unwrap();
    let lock = fs::File::create(dir.join("lock")).unwrap();
    lock.lock().unwrap();
    let (runs, update) = place.look();
    assert!(runs.is_empty(), "{runs:?}");
    assert!(update.notes[0].ends_with("is still under way, and left out"), "{:?}", update.notes);
    drop(lock);
    let (runs, update) = place.look();
    assert_eq!((runs.len(), update.notes.len()), (1, 0), "its runner is gone: it was cut off");
}

#[test]
fn a_pipe_is_no_index_and_no_lock() {
    use rustix::fs::{CWD, Mode, mkfifoat};
    for name in ["history.json", "history.json.lock"] {
        let place = RunPlace::new();
        mkfifoat(CWD, place.0.path().join(name), Mode::RUSR | Mode::WUSR).unwrap();
        let error = place.try_look().map(drop).expect_err(name).to_string();
        assert!(error.contains("history.json"), "nobody waits for its other end: {error}");
    }
}

#[test]
fn every_story_comes_back_as_it_was_put() {
    let place = RunPlace::new();
    let records: Vec<Record> = Story::ALL.into_iter().enumerate().map(|(n, s)| record("a", n as u32, s)).collect();
    for record in &records {
        let dir = place.write(record);
        // Without an end it is the events that count.
        if !record.ended {
            let mut events = events_of(Story::Killed);
            if let crate::record::Event::Announced(plan) = &mut events[0].event {
                *plan = record.plan.clone().unwrap();
            }
            fs::write(dir.join("events.jsonl"), lines_of(&events)).unwrap();
        }
    }
    let (runs, update) = place.look();
    assert_eq!(update, Update { found: Story::ALL.len(), read: Story::ALL.len(), ..Update::default() });
    let expected: Vec<IndexedRun> = records.iter().map(|record| IndexedRun::of(record).unwrap()).collect();
    assert_eq!(runs, expected);
    let (again_runs, again) = indexed(&place.index(), &[]).unwrap();
    assert_eq!(again_runs, expected);
    assert_eq!(again.read, 0);
}

#[test]
fn a_run_is_read_once_and_stays_when_its_directory_is_gone() {
    let place = RunPlace::new();
    let first = place.write(&record("a", 0, Story::Passed));
    place.write(&record("a", 1, Story::NotRecovered));
    assert_eq!(place.look().1.read, 2);
    assert_eq!(place.look().1.read, 0);
    fs::remove_dir_all(first).unwrap();
    place.write(&record("a", 2, Story::Passed));
    let (runs, update) = place.look();
    assert_eq!((runs.len(), update.read, update.found), (3, 1, 2));
}

#[test]
fn a_run_that_lies_only_under_the_name_latest_counts_once() {
    let place = RunPlace::new();
    let known = record("a", 0, Story::Passed);
    let dir = place.write(&known);
    let latest = dir.with_file_name("latest");
    fs::rename(&dir, &latest).unwrap();
    let (runs, update) = place.look();
    assert_eq!((runs.len(), update.read, update.unreadable), (1, 1, Vec::new()));
    assert_eq!(runs[0].run, known.plan.as_ref().unwrap().run);
    assert_eq!(place.look().1.read, 0, "it is known by its id");
    // The same run under its own name is no second one.
    place.write(&known);
    let (runs, update) = place.look();
    assert_eq!((runs.len(), update.read, update.found), (1, 0, 1));
    // A directory that claims to be another run is still named.
    fs::remove_dir_all(place.dir(&known)).unwrap();
    fs::rename(&latest, latest.with_file_name("20261120T010203Z-b-0001")).unwrap();
    assert!(place.look().1.unreadable[0].contains("the record is that of the run"));
}

#[test]
fn a_run_without_an_end_is_read_again_and_an_end_is_never_lost() {
    let place = RunPlace::new();
    let plan = record("a", 0, Story::Passed);
    let dir = place.dir(&plan);
    fs::create_dir_all(&dir).unwrap();
    let mut events = events_of(Story::Passed);
    if let crate::record::Event::Announced(announced) = &mut events[0].event {
        *announced = plan.plan.clone().unwrap();
    }
    fs::write(dir.join("events.jsonl"), lines_of(&events[..40])).unwrap();
    assert_eq!(place.look().0[0].standing, RunStanding::Incomplete);
    assert_eq!(place.look().1.read, 0, "nothing has happened meanwhile");
    fs::write(dir.join("events.jsonl"), lines_of(&events)).unwrap();
    assert_eq!(place.look().0[0].standing, RunStanding::Passed);
    fs::write(dir.join("events.jsonl"), lines_of(&events[..50])).unwrap();
    let (runs, update) = place.look();
    assert_eq!((runs.len(), runs[0].standing, update.read), (1, RunStanding::Passed, 0), "an older copy tells less");
}

#[test]
fn what_cannot_be_read_is_named_every_time_and_hides_nothing() {
    let place = RunPlace::new();
    place.write(&record("a", 0, Story::Passed));
    let broken = place.write(&record("a", 1, Story::Passed));
    fs::write(broken.join("record.json"), "{").unwrap();
    let twin = place.0.path().join("runs/20260101T020000Z-a-ffff");
    fs::create_dir_all(&twin).unwrap();
    fs::copy(place.dir(&record("a", 0, Story::Passed)).join("record.json"), twin.join("record.json")).unwrap();
    for _ in 0..2 {
        let (runs, update) = place.look();
        assert_eq!((runs.len(), update.found, update.unreadable.len()), (1, 3, 2), "{:?}", update.unreadable);
        assert!(update.unreadable.iter().any(|why| why.contains("is that of the run")), "{:?}", update.unreadable);
    }
}

#[test]
fn a_runbook_alone_is_no_drill_and_an_older_record_is_one() {
    let place = RunPlace::new();
    let mut alone = record("a", 0, Story::Passed);
    alone.plan.as_mut().unwrap().alone = true;
    place.write(&alone);
    let old = record("a", 1, Story::Passed);
    let dir = place.write(&old);
    let mut value: serde_json::Value = serde_json::from_slice(&crate::report::json(&old)).unwrap();
    let plan = value["plan"].as_object_mut().unwrap();
    for newer in ["runbook_text", "revision", "occasion", "alone"] {
        plan.remove(newer);
    }
    plan["faults"][0].as_object_mut().unwrap().remove("services");
    plan["steps"]
        .as_array_mut()
        .unwrap()
        .iter_mut()
        .for_each(|step| drop(step.as_object_mut().unwrap().remove("end_line")));
    ["disturbed", "machine", "usage"].iter().for_each(|newer| drop(value.as_object_mut().unwrap().remove(*newer)));
    fs::write(dir.join("record.json"), serde_json::to_vec(&value).unwrap()).unwrap();
    let (runs, update) = place.look();
    assert_eq!(runs.len(), 1);
    assert_eq!((update.found, update.read, runs[0].standing), (2, 1, RunStanding::Passed));
    assert_eq!(place.look().1.read, 0, "neither is read again");
}

#[test]
fn a_damaged_index_and_one_of_another_version_are_left_as_they_are() {
    let place = RunPlace::new();
    place.write(&record("a", 0, Story::Passed));
    place.look();
    let whole = fs::read(place.index()).unwrap();
    let mut torn = whole.clone();
    torn[100..].fill(0xa5);
    let cut = whole[..whole.len() / 3].to_vec();
    let other_shape = format!("{HEAD},\"version\":{VERSION},\"entries\":[]}}").into_bytes();
    let newer = format!("{HEAD},\"version\":{},\"entries\":{{}}}}", VERSION + 1).into_bytes();
    for (unusable, why) in [(torn, "damaged"), (cut, "damaged"), (other_shape, "damaged"), (newer, "another version")] {
        fs::write(place.index(), &unusable).unwrap();
        let error = place.try_look().unwrap_err();
        assert!(error.exit == Exit::Harness && error.to_string().contains(why), "{error}");
        assert_eq!(fs::read(place.index()).unwrap(), unusable);
    }
    fs::remove_file(place.index()).unwrap();
    assert_eq!(place.look().1.read, 1, "what is there is read again");
}

#[test]
fn files_of_others_are_left_alone() {
    let place = RunPlace::new();
    fs::write(place.index(), "{\"mine\": [1, 2]}").unwrap();
    let before = fs::read(place.index()).unwrap();
    assert_eq!(place.try_look().unwrap_err().exit, Exit::Usage);
    assert_eq!(fs::read(place.index()).unwrap(), before);
    let notes = place.0.path().join("notes.md");
    fs::write(&notes, "# Notes of mine\n\nand more of them\n").unwrap();
    let error = indexed(&notes, &[]).unwrap_err();
    assert!(error.to_string().contains("no index of Firedrill"), "{error}");
    assert!(fs::read_to_string(&notes).unwrap().starts_with("# Notes"));
    let nowhere = indexed(&place.0.path().join("x.json"), &[place.0.path().join("nowhere")]);
    assert!(nowhere.unwrap_err().hint.is_some_and(|hint| hint.starts_with("`--from DIR`")));
}

#[test]
fn several_at_once_agree() {
    let place = RunPlace::new();
    for number in 0..12 {
        place.write(&record("a", number, Story::Passed));
    }
    let read: Vec<usize> = std::thread::scope(|scope| {
        let look = || {
            let (runs, update) = place.look();
            assert_eq!(runs.len(), 12);
            assert!(update.notes.is_empty(), "{:?}", update.notes);
            update.read
        };
        let threads: Vec<_> = (0..6).map(|_| scope.spawn(look)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(read.iter().sum::<usize>(), 12, "{read:?}: one of them has read each");
}

#[test]
fn a_run_that_cannot_be_read_is_named_and_tried_each_time() {
    let place = RunPlace::new();
    let whole = record("a", 0, Story::Passed);
    let dir = place.write(&whole);
    fs::write(dir.join("record.json"), "{").unwrap();
    let (runs, first) = place.look();
    assert_eq!((runs.len(), first.unreadable.len()), (0, 1), "{first:?}");
    assert_eq!(place.look().1.unreadable, first.unreadable);
    place.write(&whole);
    let (runs, update) = place.look();
    assert_eq!((runs.len(), update.unreadable.len()), (1, 0));
}
