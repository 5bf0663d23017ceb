//! The words of a restore, story by story and at their borders.

use super::*;
use crate::record::testing::{Story, record_of};

fn all(record: &Record) -> String {
    let sign = |came: Option<StatusSymbol>| came.map_or(" ", StatusSymbol::sign);
    let rungs =
        ladder(record).into_iter().map(|rung| format!("{} {} {}\n", sign(Some(rung.came)), rung.level, rung.seen));
    let rows = rows(record).into_iter().map(|row| format!("{} {}: {}\n", sign(row.came), row.name, row.text));
    rungs.chain(rows).collect()
}

#[test]
fn every_story_of_a_restore_in_words() {
    let mut told = String::new();
    for story in Story::ALL.into_iter().filter(|story| story.is_restore()) {
        told.push_str(&format!("{story:?}\n{}\n", all(&record_of(story))));
    }
    insta::assert_snapshot!(told);
}

#[test]
fn other_drills_and_controls_have_nothing_to_say() {
    for story in Story::ALL.into_iter().filter(|story| !story.is_restore() || *story == Story::RestoreControl) {
        let record = record_of(story);
        assert!(rows(&record).is_empty() && ladder(&record).is_empty(), "{story:?}");
        assert_eq!((rto_met(&record), rpo_met(&record), other_level(&record)), (None, None, None), "{story:?}");
    }
}

fn with_plan(story: Story, change: impl FnOnce(&mut RestorePlan)) -> Record {
    let mut record = record_of(story);
    change(record.plan.as_mut().unwrap().restore.as_mut().unwrap());
    record
}

#[test]
fn an_objective_is_met_to_the_microsecond() {
    let met = |rto_us| rto_met(&with_plan(Story::RestoreLost, |plan| plan.rto_us = rto_us));
    assert_eq!((met(5_400_000), met(5_399_999)), (Some(true), Some(false)));
    let met = |rpo_us| rpo_met(&with_plan(Story::RestoreLost, |plan| plan.rpo_us = rpo_us));
    let rpo_us = record_of(Story::RestoreLost).data_figures().unwrap().rpo_us;
    assert_eq!((met(rpo_us), met(rpo_us - 1)), (Some(true), Some(false)));
}

#[test]
fn what_nobody_knows_is_neither_met_nor_missed() {
    assert_eq!(rpo_met(&record_of(Story::RestoreUnread)), None);
    // Cut off: what it would have come to is not known.
    let mut record = record_of(Story::RestoreExpected);
    assert_eq!(rto_met(&record), Some(false));
    record.ended = false;
    assert_eq!(rto_met(&record), None);
    record.faults.clear();
    record.ended = true;
    assert_eq!(rto_met(&record), None, "without a fault nothing was to recover from");
}

/// Also once the reaper has completed its record.
#[test]
fn of_a_run_without_an_end_nothing_is_judged() {
    for ended in [false, true] {
        let mut record = record_of(Story::Killed);
        record.ended = ended;
        record.plan.as_mut().unwrap().rto_us = Some(60_000_000);
        let told = (StatusSymbol::Warn, "the run was not finished, objective 1 min: not known".to_string());
        assert_eq!((rto_met(&record), time_limit(&record)), (None, Some(told)));
        record.impacts.clear();
        let not_known = "Not known: the run was not finished.";
        let told = [crate::view::answers::hurt(&record), crate::view::answers::cured(&record)];
        assert_eq!(told, [not_known; 2]);
    }
    let mut record = record_of(Story::RestoreExpected);
    record.verdict = Verdict::Incomplete;
    let of_level = rows(&record).into_iter().find(|row| row.name == "level").and_then(|row| row.came);
    let came: Vec<StatusSymbol> = ladder(&record).into_iter().map(|rung| rung.came).chain(of_level).collect();
    assert!(came.len() == 6 && !came.contains(&StatusSymbol::Bad), "{came:?}");
    record.verdict = Verdict::Interrupted;
    let told = time_limit(&record).unwrap().1;
    assert_eq!(told, "no recovery was seen, objective 30 s: not known");
}

#[test]
fn a_backup_tells_what_it_knows_and_nothing_is_made_up() {
    let with = |facts: &[(&str, &str)]| {
        let mut record = record_of(Story::RestorePassed);
        record.backup = Some(facts.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect());
        backup(&record)
    };
    assert_eq!(with(&[]), "nothing is known of it");
    assert_eq!(with(&[("bytes", "many"), ("taken", "yesterday")]), "many, taken yesterday");
    assert_eq!(with(&[("id", "b"), ("taken", "2026-11-18T06:41:20.945+00:00")]), "b, 2 days 0 h old at the fault");
    // Taken after the fault: no age, and its own word stands.
    assert_eq!(with(&[("taken", "2027-01-01T00:00:00Z")]), "taken 2027-01-01T00:00:00Z");
    assert_eq!(backup(&Record::default()), "nothing is known of it");
}

#[test]
fn a_projection_that_was_asked_for_and_cannot_be_made_says_why() {
    let mut record = record_of(Story::RestorePassed);
    record.plan.as_mut().unwrap().restore.as_mut().unwrap().production_bytes = Some(200_000_000_000);
    record.backup = Some([("bytes".to_string(), "46 MB".to_string())].into());
    let told = rows(&record).into_iter().find(|row| row.name == "in production").map(|row| row.text);
    assert_eq!(told.unwrap(), "not projected: the backup does not tell its size (`bytes`, a whole number above 0)");
    record.recoveries.clear();
    assert_eq!(projection(&record), None, "nothing was restored");
}

#[test]
fn long_lists_are_cut_between_numbers() {
    let few: Numbers = [1, 2, 3, 9].into_iter().collect();
    assert_eq!(listed(&few), "1-3,9");
    let many: Numbers = (0..200).map(|n| n * 2).collect();
    let text = listed(&many);
    assert!(text.ends_with(",…") && text.len() < NUMBERS + 8, "{text}");
    let last = text.trim_end_matches(",…").rsplit(',').next().unwrap();
    assert!(many.contains(last.parse().unwrap()), "{text}");
}

#[test]
fn numbers_are_grouped() {
    assert_eq!(["0", "999", "1,000", "1,234,567"], [0, 999, 1_000, 1_234_567].map(grouped).as_slice());
}

#[test]
fn the_lost_ones_have_their_span() {
    assert_eq!(lost_span(&record_of(Story::RestorePassed)), None);
    let (from, to, count) = lost_span(&record_of(Story::RestoreLost)).unwrap();
    assert_eq!((from.0, to.0, count), (8_548_000, 8_588_000, 3));
}
