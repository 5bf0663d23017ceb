//! The summary of game days that come out in every way.

use super::*;
use crate::record::testing::{Story, record_of};
use crate::record::{DayEvent, DayPlan, DayStamped, LeftOutDrill, PlannedDrill, Record, RunOutcome, Verdict};

fn planned(number: usize, scenario: &str, repetition: u32, control: bool) -> PlannedDrill {
    PlannedDrill { number, scenario: scenario.into(), title: "A title".into(), tags: vec![], repetition, control }
}

fn plan() -> DayPlan {
    let drills = vec![
        planned(1, "db-pool", 1, false),
        planned(2, "upstream-503", 1, false),
        planned(3, "restart-loop", 1, false),
        planned(4, "db-pool", 2, false),
        planned(5, "upstream-503", 2, true),
        planned(6, "cache", 1, false),
    ];
    DayPlan {
        name: "nightly".into(),
        title: "Every night".into(),
        started_utc: "2026-11-20T02:00:00.000Z".into(),
        seed: 7,
        budget_us: Some(600_000_000),
        limits: "4: memory for 9, processors for 4, address pools for 14".into(),
        left_out: vec![LeftOutDrill { scenario: "search".into(), why: "not affected by main".into(), refused: false }],
        drills,
        ..DayPlan::default()
    }
}

/// Starts and ends in seconds.
#[allow(clippy::too_many_arguments)]
fn attempt(
    number: usize,
    attempt: u32,
    cause: Cause,
    (from, to): (u64, u64),
    verdict: Verdict,
    outcome: RunOutcome,
    disturbed: bool,
    reason: &str,
) -> [DayStamped; 2] {
    let run = format!("run-{number}-{attempt}");
    let started = DayEvent::DrillStarted {
        number,
        attempt,
        run: run.clone(),
        cause,
        running: 2,
        waited_us: if number == 3 { 2_500_000 } else { 0 },
    };
    let ended = DayEvent::DrillEnded { number, attempt, run, verdict, outcome, disturbed, reason: reason.to_string() };
    [DayStamped { at_us: from * 1_000_000, event: started }, DayStamped { at_us: to * 1_000_000, event: ended }]
}

fn eventful() -> Drills {
    use Cause::{Disturbed, Planned, Retry};
    use RunOutcome::{Broken, Failed, Passed};
    let mut day = Day::default();
    let at = |seconds: u64, event| vec![DayStamped { at_us: seconds * 1_000_000, event }];
    let not_recovered = "users did not recover within 30 s: availability was 12.5% over the last 5 s\nmore";
    let stories = [
        at(0, DayEvent::DayAnnounced(Box::new(plan()))),
        at(3, DayEvent::ImagesReady { took_us: 2_900_000 }),
        attempt(1, 1, Planned, (3, 50), Verdict::Passed, Passed, false, "").to_vec(),
        attempt(2, 1, Planned, (9, 70), Verdict::NotRecovered, Failed, false, not_recovered).to_vec(),
        attempt(3, 1, Planned, (17, 60), Verdict::HarnessError, Broken, true, "the measurement was disturbed").to_vec(),
        attempt(4, 1, Planned, (52, 90), Verdict::StepFailed, Failed, false, "exit 1").to_vec(),
        attempt(5, 1, Planned, (55, 80), Verdict::HarnessError, Broken, false, "the engine went away").to_vec(),
        attempt(4, 2, Retry, (91, 130), Verdict::Passed, Passed, false, "").to_vec(),
        attempt(3, 2, Disturbed, (130, 175), Verdict::Passed, Passed, false, "").to_vec(),
        at(176, DayEvent::DrillNotRun { number: 6, why: "the time budget of 3 min has 4 s left".into() }),
        at(176, DayEvent::DayNote { text: "drill 3 was disturbed and says nothing".into() }),
        at(176, DayEvent::DayEnded),
    ];
    stories.iter().flatten().for_each(|stamped| day.apply(stamped));
    let mut record: Record = record_of(Story::StepFailed);
    if let Some(plan) = &mut record.plan {
        plan.run = "run-4-1".into();
    }
    Drills { days: vec![day], records: vec![record], ..Drills::default() }
}

#[test]
fn a_day_with_everything_in_it() {
    let text = day_summary(&eventful(), Path::new(".firedrill/gamedays/20261120T020000Z-nightly-3f9a"), false);
    assert!(text.lines().all(|line| line.chars().count() <= WIDTH), "{text}");
    insta::assert_snapshot!(text);
    let colored = day_summary(&eventful(), Path::new("x"), true);
    assert!(colored.contains('\u{1b}'));
    assert_eq!(console::strip_ansi_codes(&colored), day_summary(&eventful(), Path::new("x"), false));
}

#[test]
fn what_cannot_be_drilled_there_is_named_and_what_is_not_affected_is_not() {
    let mut drills = eventful();
    let why = "its stack is none of Kubernetes".to_string();
    drills.days[0].plan.left_out.push(LeftOutDrill { scenario: "mail".into(), why, refused: true });
    let text = day_summary(&drills, Path::new("x"), false);
    assert!(text.contains("\n  mail is left out: its stack is none of Kubernetes\n"), "{text}");
    assert!(!text.contains("not affected"), "{text}");
}

#[test]
fn a_day_that_was_cut_off_and_one_with_nothing_to_do() {
    let mut cut_off = Day::default();
    cut_off.apply(&DayStamped { at_us: 0, event: DayEvent::DayAnnounced(Box::new(plan())) });
    let nothing = DayPlan { drills: Vec::new(), limits: String::new(), ..plan() };
    let empty = Day { ended: true, plan: nothing, ..Day::default() };
    let told = |day: Day| day_summary(&Drills { days: vec![day], ..Drills::default() }, Path::new("x"), false);
    insta::assert_snapshot!(format!("{}\n{}", told(cut_off), told(empty)));
}
