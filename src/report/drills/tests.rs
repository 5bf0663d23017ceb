//! Shards put together, and what the whole comes to.

use super::*;
use crate::record::testing::Story;
use crate::report::testing::{days, stories};

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

#[test]
fn the_whole_is_as_good_as_its_worst_drill() {
    assert_eq!(stories(&[Story::Passed, Story::ExpectedFailure]).outcome(), Outcome::Passed);
    assert_eq!(stories(&[Story::Passed, Story::StepFailed]).outcome(), Outcome::Failed);
    assert_eq!(stories(&[Story::StepFailed, Story::Killed]).outcome(), Outcome::Broken);
    assert_eq!(stories(&[Story::Killed, Story::Interrupted]).outcome(), Outcome::Interrupted);
    assert_eq!(Drills::default().outcome(), Outcome::Broken, "nothing has not passed");
}

#[test]
fn what_is_missing_has_not_passed() {
    let mut drills = days();
    drills.days.truncate(1);
    // The first shard: passed, passed, a control that passed, flaky, failed.
    assert_eq!(drills.outcome(), Outcome::Broken, "two shards are missing");
    drills.days[0].plan.shard = None;
    drills.records.retain(|record| {
        drills.days[0].drills.iter().flat_map(|d| &d.attempts).any(|a| record.plan.as_ref().unwrap().run == a.run)
    });
    assert_eq!(drills.outcome(), Outcome::Failed);
    drills.days[0].drills.truncate(4);
    drills.records.truncate(5);
    assert_eq!(drills.outcome(), Outcome::Passed, "a flaky drill has passed");
    assert_eq!(drills.account().flaky, 1);
    drills.days[0].ended = false;
    assert_eq!(drills.outcome(), Outcome::Broken, "a game day without an end");
    let account = days().account();
    assert_eq!((account.planned, account.not_run, account.disturbed, account.retries), (9, 2, 1, 2));
}

#[test]
fn what_the_first_failure_ended_has_failed_and_not_broken() {
    let mut drills = Drills { days: days().days.split_off(1), records: Vec::new() };
    let day = &mut drills.days[0];
    day.plan.shard = None;
    day.ended = true;
    day.drills.retain(|drill| matches!(drill.planned.scenario.as_str(), "cache" | "disk"));
    assert_eq!(drills.outcome(), Outcome::Broken, "one passed and one was not run");
    drills.days[0].plan.fail_fast = true;
    assert_eq!(drills.outcome(), Outcome::Broken, "nothing failed that could have ended it");
    for attempt in &mut drills.days[0].drills[0].attempts {
        attempt.outcome = Some(Outcome::Failed);
    }
    assert_eq!(drills.outcome(), Outcome::Failed);
}
