//! Every decision of the schedule, by a small simulation: drills that take so long, and what becomes of them.

use super::*;
use proptest::prelude::*;

const S: fn(u64) -> Duration = Duration::from_secs;

fn schedule(rules: ScheduleRules, drills: usize) -> DaySchedule {
    DaySchedule::new(rules, (1..=drills).map(|number| (number, format!("d{number}"), S(60))))
}

fn roomy(_: &[usize], _: usize) -> bool {
    true
}

fn came(outcome: RunOutcome) -> Came {
    Came { outcome, disturbed: false, lost: false }
}

const DISTURBED: Came = Came { outcome: RunOutcome::Broken, disturbed: true, lost: false };

/// Starts the next one, whose stack is up at once.
fn start(schedule: &mut DaySchedule) -> Start {
    match schedule.next(S(0), roomy) {
        NextStart::Start(start) => {
            schedule.is_up(start.number);
            start
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn one_starts_after_the_other_in_order_and_the_stack_of_the_last_is_up_first() {
    let mut all = schedule(ScheduleRules::default(), 3);
    assert!(matches!(all.next(S(0), roomy), NextStart::Start(start) if start.number == 1));
    assert_eq!(all.next(S(1), roomy), NextStart::Wait);
    all.is_up(1);
    assert!(matches!(all.next(S(2), roomy), NextStart::Start(start) if start.number == 2));
    // One that ends before it was up holds nobody up.
    all.ended(2, came(RunOutcome::Broken));
    assert!(matches!(all.next(S(3), roomy), NextStart::Start(start) if start.number == 3));
    all.ended(3, came(RunOutcome::Passed));
    assert_eq!(all.next(S(4), roomy), NextStart::Wait);
    all.ended(1, came(RunOutcome::Passed));
    assert_eq!(all.next(S(5), roomy), NextStart::Done);
}

#[test]
fn room_is_waited_for_unless_nothing_runs() {
    let mut all = schedule(ScheduleRules::default(), 3);
    let full = |_: &[usize], _: usize| false;
    assert!(matches!(all.next(S(0), full), NextStart::Start(_)), "there will never be more room");
    all.is_up(1);
    assert_eq!(all.next(S(0), full), NextStart::WaitForRoom);
    let mut asked = (Vec::new(), 0);
    let next = all.next(S(0), |running, number| {
        asked = (running.to_vec(), number);
        true
    });
    assert!(matches!(next, NextStart::Start(start) if start.number == 2));
    assert_eq!(asked, (vec![1], 2));
    assert!(!all.asks_for_room(), "2 is starting");
    all.is_up(2);
    assert!(all.asks_for_room());
    all.close("over");
    assert!(!all.asks_for_room());
}

#[test]
fn what_was_disturbed_is_run_again_alone_at_the_end_and_not_for_ever() {
    let mut all = schedule(ScheduleRules { retry: 1, ..ScheduleRules::default() }, 3);
    start(&mut all);
    start(&mut all);
    assert!(all.ended(1, DISTURBED).unwrap().contains("alone"));
    all.ended(2, came(RunOutcome::Passed));
    start(&mut all);
    assert_eq!(all.next(S(0), roomy), NextStart::Wait, "3 still runs");
    all.ended(3, came(RunOutcome::Failed));
    let retry = start(&mut all);
    assert_eq!((retry.number, retry.attempt, retry.cause, retry.alone), (3, 2, Cause::Retry, false));
    all.ended(3, came(RunOutcome::Passed));
    for attempt in [2, 3] {
        let again = start(&mut all);
        assert_eq!((again.number, again.attempt, again.cause, again.alone), (1, attempt, Cause::Disturbed, true));
        assert_eq!(all.next(S(0), roomy), NextStart::Wait);
        let said = all.ended(1, DISTURBED).unwrap();
        assert_eq!(said.contains("nothing can be said"), attempt == 3, "{said}");
    }
    assert_eq!(all.next(S(0), roomy), NextStart::Done);
}

#[test]
fn once_a_drill_was_disturbed_one_fewer_runs_at_once_and_never_less_than_one() {
    let mut all = schedule(ScheduleRules::default(), 8);
    for _ in 0..3 {
        start(&mut all);
    }
    assert!(all.ended(1, DISTURBED).unwrap().ends_with("; from here on at most 2 at once"));
    assert_eq!(all.next(S(0), roomy), NextStart::Wait, "2 and 3 run");
    assert!(!all.asks_for_room());
    assert!(all.ended(2, DISTURBED).unwrap().ends_with("at the end"), "it ran beside 1");
    start(&mut all);
    all.ended(3, came(RunOutcome::Passed));
    assert!(all.ended(4, DISTURBED).unwrap().ends_with("; from here on at most 1 at once"));
    for number in 5..=8 {
        assert_eq!(start(&mut all).number, number);
        assert_eq!(all.next(S(0), roomy), NextStart::Wait);
        let disturbed = all.ended(number, DISTURBED).unwrap();
        assert!(disturbed.ends_with("at the end"), "nothing ran beside it: {disturbed}");
    }
}

#[test]
fn after_a_few_drills_that_nothing_disturbed_one_more_runs_at_once() {
    let mut all = schedule(ScheduleRules::default(), 12);
    (1..=2).for_each(|number| assert_eq!(start(&mut all).number, number));
    assert!(all.ended(2, DISTURBED).unwrap().ends_with("; from here on at most 1 at once"));
    for number in [1, 3, 4, 5] {
        if number > 1 {
            assert_eq!(start(&mut all).number, number);
        }
        assert_eq!(all.next(S(0), roomy), NextStart::Wait);
        let said = all.ended(number, came(RunOutcome::Failed));
        assert_eq!(said.is_some_and(|said| said.ends_with("at most 2 at once")), number == 5);
    }
    (6..=7).for_each(|number| assert_eq!(start(&mut all).number, number));
    assert_eq!(all.next(S(0), roomy), NextStart::Wait, "two, not three");
    assert!(all.ended(6, DISTURBED).unwrap().ends_with("; from here on at most 1 at once"));
    all.ended(7, came(RunOutcome::Passed));
    assert_eq!(start(&mut all).number, 8);
    assert_eq!(all.next(S(0), roomy), NextStart::Wait, "they are counted anew");
}

#[test]
fn a_retry_of_what_was_run_alone_is_alone_and_a_failure_for_good_ends_a_day_that_fails_fast() {
    let mut all = schedule(ScheduleRules { retry: 1, fail_fast: true, ..ScheduleRules::default() }, 2);
    start(&mut all);
    all.ended(1, came(RunOutcome::Failed));
    assert_eq!(start(&mut all).number, 2);
    all.ended(2, DISTURBED);
    assert_eq!(start(&mut all).number, 1);
    all.ended(1, came(RunOutcome::Passed));
    assert!(start(&mut all).alone);
    all.ended(2, came(RunOutcome::Failed));
    let retry = start(&mut all);
    assert_eq!((retry.number, retry.attempt, retry.cause, retry.alone), (2, 3, Cause::Retry, true));
    assert!(all.ended(2, came(RunOutcome::Failed)).unwrap().contains("nothing more"));
    assert_eq!(all.next(S(0), roomy), NextStart::Done);
}

#[test]
fn fail_fast_lets_those_end_that_run_and_starts_none() {
    let mut all = schedule(ScheduleRules { fail_fast: true, ..ScheduleRules::default() }, 4);
    start(&mut all);
    start(&mut all);
    assert_eq!(all.ended(1, came(RunOutcome::Broken)), None, "a harness error is no failure of a drill");
    start(&mut all);
    all.ended(2, came(RunOutcome::Failed));
    assert_eq!(all.stopped(), Some(Stopped::FirstFailure));
    assert!(
        matches!(all.next(S(0), roomy), NextStart::NotRun(start, why) if start.number == 4 && why.starts_with("d2 failed"))
    );
    assert_eq!(all.next(S(0), roomy), NextStart::Wait);
    all.ended(3, came(RunOutcome::Passed));
    assert_eq!(all.next(S(0), roomy), NextStart::Done);
}

#[test]
fn what_cannot_end_within_the_budget_is_not_started_and_what_can_is() {
    let rules = ScheduleRules { budget: Some(S(100)), ..ScheduleRules::default() };
    let mut all = DaySchedule::new(rules, [(1, "a".into(), S(60)), (2, "b".into(), S(90)), (3, "c".into(), S(20))]);
    assert!(matches!(all.next(S(0), roomy), NextStart::Start(_)));
    all.ended(1, came(RunOutcome::Passed));
    let NextStart::NotRun(start, why) = all.next(S(50), roomy) else { panic!() };
    assert_eq!(start.number, 2);
    assert_eq!(why, "the time budget of 100s has 50s left, and it takes about 90s");
    assert!(matches!(all.next(S(50), roomy), NextStart::Start(start) if start.number == 3));
    assert_eq!(all.stopped(), Some(Stopped::Budget));
}

#[test]
fn a_retry_that_the_budget_leaves_no_time_for_ends_the_day_by_the_budget_and_not_by_the_failure() {
    let rules = ScheduleRules { retry: 1, fail_fast: true, budget: Some(S(100)), ..ScheduleRules::default() };
    let mut all = DaySchedule::new(rules, [(1, "a".into(), S(60)), (2, "b".into(), S(60))]);
    start(&mut all);
    all.ended(1, came(RunOutcome::Failed));
    assert_eq!(all.stopped(), None);
    for number in [2, 1] {
        assert!(matches!(all.next(S(60), roomy), NextStart::NotRun(start, _) if start.number == number));
    }
    assert_eq!((all.next(S(60), roomy), all.stopped()), (NextStart::Done, Some(Stopped::Budget)));
}

#[test]
fn a_failure_with_which_everything_was_run_stops_nothing() {
    let mut all = schedule(ScheduleRules { fail_fast: true, ..ScheduleRules::default() }, 1);
    start(&mut all);
    all.ended(1, came(RunOutcome::Failed));
    assert_eq!((all.next(S(0), roomy), all.stopped()), (NextStart::Done, None));
}

#[test]
fn a_signal_leaves_the_rest_and_the_retries_undone_and_says_so() {
    let mut all = schedule(ScheduleRules { retry: 1, ..ScheduleRules::default() }, 3);
    start(&mut all);
    start(&mut all);
    all.ended(1, came(RunOutcome::Failed));
    all.ended(2, DISTURBED);
    all.close("a signal");
    all.close("another one");
    let mut left = Vec::new();
    while let NextStart::NotRun(start, why) = all.next(S(0), roomy) {
        assert_eq!(why, "a signal");
        left.push((start.number, start.attempt));
    }
    assert_eq!(left, [(3, 1), (1, 2), (2, 2)]);
    assert_eq!(all.next(S(0), roomy), NextStart::Done);
}

proptest! {
    /// Whatever happens, every drill is started or said not to be, none runs twice at once, and it all ends.
    #[test]
    fn every_drill_has_an_end(
        drills in 1usize..8,
        parallel in 1usize..4,
        retry in 0u32..3,
        fail_fast in any::<bool>(),
        fates in prop::collection::vec((0u8..5, any::<bool>()), 0..60),
    ) {
        let mut all = schedule(ScheduleRules { retry, fail_fast, ..ScheduleRules::default() }, drills);
        let mut fates = fates.into_iter();
        let (mut running, mut seen) = (Vec::<Start>::new(), std::collections::BTreeSet::new());
        for _ in 0..1000 {
            let full = |running: &[usize], _: usize| running.len() < parallel;
            match all.next(S(0), full) {
                NextStart::Start(start) => {
                    all.is_up(start.number);
                    prop_assert!(running.iter().all(|other| other.number != start.number));
                    prop_assert!(!start.alone || running.is_empty());
                    seen.insert(start.number);
                    running.push(start);
                    prop_assert!(running.len() <= parallel);
                }
                NextStart::NotRun(start, _) => { seen.insert(start.number); }
                NextStart::Wait | NextStart::WaitForRoom => {
                    let (fate, last) = fates.next().unwrap_or((0, true));
                    let start = if last { running.pop().unwrap() } else { running.remove(0) };
                    all.ended(start.number, match fate {
                        0 | 1 => came(RunOutcome::Passed),
                        2 => came(RunOutcome::Failed),
                        3 => came(RunOutcome::Broken),
                        _ => DISTURBED,
                    });
                }
                NextStart::Done => {
                    prop_assert!(running.is_empty());
                    prop_assert_eq!(seen.len(), drills);
                    return Ok(());
                }
            }
        }
        prop_assert!(false, "it never ended");
    }
}

#[test]
fn a_drill_that_was_lost_is_run_again_once() {
    let mut schedule = DaySchedule::new(ScheduleRules::default(), [(1, "a".to_string(), Duration::ZERO)]);
    let lost = Came { outcome: RunOutcome::Broken, disturbed: false, lost: true };
    for (attempt, cause) in [(1, Cause::Planned), (2, Cause::Lost)] {
        let NextStart::Start(start) = schedule.next(Duration::ZERO, |_, _| true) else { panic!("it is not started") };
        assert_eq!((start.attempt, start.cause, start.alone), (attempt, cause, false));
        assert!(schedule.ended(1, lost).expect("said").contains("lost"));
    }
    assert_eq!(schedule.next(Duration::ZERO, |_, _| true), NextStart::Done);
}

#[test]
fn a_failure_that_was_lost_afterwards_is_a_failure() {
    let lost = Came { outcome: RunOutcome::Failed, disturbed: false, lost: true };
    let mut once = schedule(ScheduleRules::default(), 1);
    start(&mut once);
    assert_eq!(once.ended(1, lost), None);
    assert_eq!(once.next(S(0), roomy), NextStart::Done);
    let mut again = schedule(ScheduleRules { retry: 1, ..ScheduleRules::default() }, 1);
    start(&mut again);
    assert!(again.ended(1, lost).expect("said").contains("retry 1 of 1"));
    assert_eq!(start(&mut again).cause, Cause::Retry);
}
