//! Shards put together, and what the whole comes to.

use super::*;
use crate::record::Verdict;
use crate::record::testing::Story;
use crate::view::testing::{days, stories};

#[test]
fn shards_of_one_plan_are_one_game_day_in_the_order_of_the_plan() {
    let mut drills = days();
    // As they may lie in the archive.
    drills.days.reverse();
    let groups = drills.groups();
    assert_eq!(groups.len(), 1);
    assert_eq!(
        (groups[0].name(), groups[0].shards(), groups[0].missing(), groups[0].ended()),
        ("nightly", Some(3), vec![2], false)
    );
    let numbers: Vec<usize> = drills.entries().iter().filter_map(|entry| Some(entry.planned?.planned.number)).collect();
    assert_eq!(numbers, (1..=9).collect::<Vec<_>>());
}

#[test]
fn two_nights_and_two_revisions_are_two_game_days() {
    let mut twice = days();
    twice.days.extend(days().days);
    assert_eq!(twice.groups().iter().map(|group| group.days.len()).collect::<Vec<_>>(), [2, 2]);
    let mut changed = days();
    changed.days[1].plan.revision = Some("2".repeat(40));
    assert_eq!(changed.groups().len(), 2);
    let mut whole = days();
    for day in &mut whole.days {
        day.plan.shard = None;
    }
    assert_eq!(whole.groups().len(), 2, "without shards every day is one");
    assert!(whole.groups().iter().all(|group| group.missing().is_empty()));
}

/// Both shards of a game day that began then, as this run of CI.
fn night(started_utc: &str, occasion: Option<&str>) -> Vec<Day> {
    let mut all = days().days;
    for day in &mut all {
        day.plan.started_utc = started_utc.into();
        day.plan.occasion = occasion.map(str::to_string);
    }
    all
}

#[test]
fn shards_of_different_nights_are_different_game_days() {
    // Of each night only one shard is there.
    let of = |first: Vec<Day>, second: Vec<Day>| {
        let days = vec![first[0].clone(), second[1].clone()];
        Drills { days, ..Drills::default() }.groups().len()
    };
    let (at, an_hour_later, next_night) = ("2026-11-20T02:00:00Z", "2026-11-20T03:00:00Z", "2026-11-21T02:00:00Z");
    assert_eq!(of(night(at, None), night(next_night, None)), 2);
    assert_eq!(of(night(at, None), night(an_hour_later, None)), 1);
    assert_eq!(of(night(at, Some("8123/1")), night(an_hour_later, Some("8124/1"))), 2, "started by hand, twice");
    assert_eq!(of(night(at, Some("8123/1")), night(next_night, Some("8123/2"))), 1, "one shard was run once more");
    assert_eq!(of(night(at, Some("8123/1")), night(at, None)), 2);
}

#[test]
fn shards_of_one_attempt_belong_together_first() {
    let (mut days, second) =
        (night("2026-11-20T02:00:00Z", Some("8123/1")), night("2026-11-20T03:00:00Z", Some("8123/2")));
    days.truncate(1);
    days.extend(second);
    let drills = Drills { days, ..Drills::default() };
    let groups = drills.groups();
    assert_eq!(groups.iter().map(|group| group.days.len()).collect::<Vec<_>>(), [1, 2]);
    // What is left of the first attempt lacks only what nobody has.
    assert_eq!(groups.iter().map(|group| group.missing()).collect::<Vec<_>>(), [[2], [2]]);
    assert_eq!(groups.iter().map(|group| group.elsewhere()).collect::<Vec<_>>(), [vec![3], vec![]]);
    let (first, second) = (night("2026-11-20T02:00:00Z", None), night("2026-11-20T03:00:00Z", None));
    let drills = Drills { days: [first[..1].to_vec(), second].concat(), ..Drills::default() };
    assert_eq!(drills.groups().last().map(|group| group.missing()), Some(vec![2, 3]), "two nights without CI");
}

#[test]
fn the_whole_is_as_good_as_its_worst_drill() {
    assert_eq!(stories(&[Story::Passed, Story::ExpectedFailure]).outcome(), RunOutcome::Passed);
    assert_eq!(stories(&[Story::Passed, Story::StepFailed]).outcome(), RunOutcome::Failed);
    assert_eq!(stories(&[Story::StepFailed, Story::Killed]).outcome(), RunOutcome::Broken);
    assert_eq!(stories(&[Story::Killed, Story::Interrupted]).outcome(), RunOutcome::Interrupted);
    assert_eq!(Drills::default().outcome(), RunOutcome::Broken, "nothing has not passed");
}

/// The runner exits with the code of [`Day::outcome`].
#[test]
fn a_report_of_one_game_day_comes_out_as_the_game_day_did() {
    use crate::record::Stopped;
    let mut drills = Drills { days: days().days.split_off(1), ..Drills::default() };
    drills.days[0].plan.shard = None;
    drills.days[0].ended = true;
    drills.days[0].drills.retain(|drill| drill.planned.scenario == "cache");
    let mut seen = Vec::new();
    for stopped in [None, Some(Stopped::Budget), Some(Stopped::Signal)] {
        for outcome in [RunOutcome::Passed, RunOutcome::Interrupted] {
            let day = &mut drills.days[0];
            day.stopped = stopped;
            day.drills[0].attempts.iter_mut().for_each(|attempt| attempt.outcome = Some(outcome));
            let own = day.outcome();
            assert_eq!(drills.outcome(), own, "{stopped:?} {outcome:?}");
            seen.push(own.exit_code());
        }
    }
    assert_eq!(seen, [0, 130, 0, 3, 130, 130]);
    let mut flaky = Drills { days: vec![days().days.remove(0)], ..Drills::default() };
    let day = &mut flaky.days[0];
    day.plan.shard = None;
    day.drills.retain(|drill| drill.planned.scenario == "upstream-503");
    assert_eq!(flaky.outcome(), RunOutcome::Passed);
    flaky.days[0].plan.flaky_fails = true;
    assert_eq!(flaky.outcome(), RunOutcome::Failed);
}

#[test]
fn what_is_missing_has_not_passed() {
    let mut drills = days();
    drills.days.truncate(1);
    // The first shard: passed, passed, a control that passed, flaky, failed.
    assert_eq!(drills.outcome(), RunOutcome::Broken, "two shards are missing");
    drills.days[0].plan.shard = None;
    drills.records.retain(|record| {
        drills.days[0].drills.iter().flat_map(|d| &d.attempts).any(|a| record.plan.as_ref().unwrap().run == a.run)
    });
    assert_eq!(drills.outcome(), RunOutcome::Failed);
    drills.days[0].drills.truncate(4);
    drills.records.truncate(5);
    assert_eq!(drills.outcome(), RunOutcome::Passed, "a flaky drill has passed");
    assert_eq!(drills.account().flaky, 1);
    drills.days[0].ended = false;
    assert_eq!(drills.outcome(), RunOutcome::Broken, "a game day without an end");
    let account = days().account();
    assert_eq!((account.planned, account.not_run, account.disturbed, account.retries), (9, 2, 1, 2));
}

#[test]
fn a_drill_that_failed_is_told_by_the_attempt_that_did_and_not_by_a_retry_that_broke() {
    let mut drills = days();
    let attempts = &mut drills.days[0].drills[4].attempts;
    let failed = attempts[0].run.clone();
    (attempts[1].verdict, attempts[1].outcome) = (Verdict::HarnessError, Some(RunOutcome::Broken));
    let entries = drills.entries();
    let entry = entries.iter().find(|entry| entry.scenario == "restart-loop").unwrap();
    assert_eq!(entry.status, DrillStatus::Failed);
    assert_eq!(entry.record().unwrap().plan.as_ref().unwrap().run, failed);
    assert_eq!(entry.verdict(), Some(Verdict::NotRecovered));
}

#[test]
fn what_the_first_failure_ended_has_failed_and_not_broken() {
    let mut drills = Drills { days: days().days.split_off(1), ..Drills::default() };
    let day = &mut drills.days[0];
    day.plan.shard = None;
    day.ended = true;
    day.drills.retain(|drill| matches!(drill.planned.scenario.as_str(), "cache" | "disk"));
    assert_eq!(drills.outcome(), RunOutcome::Broken, "one passed and one was not run");
    drills.days[0].stopped = Some(crate::record::Stopped::FirstFailure);
    assert_eq!(drills.outcome(), RunOutcome::Broken, "nothing failed that could have ended it");
    for attempt in &mut drills.days[0].drills[0].attempts {
        attempt.outcome = Some(RunOutcome::Failed);
    }
    assert_eq!(drills.outcome(), RunOutcome::Failed);
    drills.days[0].stopped = Some(crate::record::Stopped::Budget);
    assert_eq!(drills.outcome(), RunOutcome::Broken, "the budget kept it from being run");
}
