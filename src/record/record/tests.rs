//! What events add up to.

use super::testing::{Story, record_of};
use super::*;

fn record(events: impl IntoIterator<Item = Event>) -> Record {
    let mut record = Record::default();
    for (seq, event) in (0_u64..).zip(events) {
        record.apply(&Stamped { seq, at_us: DrillTime(seq * 1000), event });
    }
    record
}

fn judged(verdict: Verdict) -> Event {
    Event::Judged { verdict, reason: verdict.to_string(), at: None }
}

#[test]
fn the_first_verdict_counts() {
    let r = record([judged(Verdict::NotRecovered), judged(Verdict::Interrupted), judged(Verdict::Passed)]);
    assert_eq!((r.verdict, r.reason.as_str()), (Verdict::NotRecovered, "not_recovered"));
    assert_eq!(r.aftermath.iter().map(|j| j.verdict).collect::<Vec<_>>(), [Verdict::Interrupted, Verdict::Passed]);
}

#[test]
fn a_pass_can_be_spoilt_by_the_clean_up_and_by_nothing_else() {
    for verdict in Verdict::ALL {
        let r = record([judged(Verdict::Passed), judged(verdict)]);
        let spoilt =
            matches!(verdict, Verdict::Damaged | Verdict::NotReverted | Verdict::Leaked | Verdict::HarnessError);
        assert_eq!(r.verdict, if spoilt { verdict } else { Verdict::Passed }, "{verdict}");
    }
    let r = record([judged(Verdict::Passed), judged(Verdict::Leaked), judged(Verdict::HarnessError)]);
    assert_eq!(r.verdict, Verdict::Leaked, "and only once");
}

#[test]
fn incomplete_is_no_verdict_but_may_have_a_reason() {
    let r = record([judged(Verdict::Incomplete)]);
    assert_eq!((r.verdict, r.reason.as_str(), r.judged_us), (Verdict::Incomplete, "incomplete", None));
    let r = record([judged(Verdict::Incomplete), judged(Verdict::NoImpact), judged(Verdict::Incomplete)]);
    assert_eq!((r.verdict, r.reason.as_str()), (Verdict::NoImpact, "no_impact"));
    assert!(r.aftermath.is_empty());
}

#[test]
fn a_fault_that_could_not_be_asked_after_the_recovery_is_unknown() {
    let fault = |what| Event::Fault { fault: "f".into(), what, detail: String::new() };
    let phase = Phase::Recover;
    let asked = record([Event::PhaseStarted { phase }, fault(FaultEvent::Failed), Event::PhaseEnded { phase }]);
    assert_eq!(asked.faults[0].after, Some(FaultAfter::Unknown));
    let other = record([Event::PhaseStarted { phase: Phase::Revert }, fault(FaultEvent::Failed)]);
    assert_eq!(other.faults[0].after, None);
}

#[test]
fn a_command_that_is_tried_again_keeps_its_last_attempt() {
    let r = record_of(Story::Passed);
    let order = &r.steps.iter().find(|s| s.step.starts_with("verify/")).unwrap().commands[0];
    assert_eq!((order.attempts, order.exit), (2, Some(0)));
    assert_eq!(order.output.text(), "{\"order\": 1017}\n");
    assert_eq!(order.all_took_us, 1_010_000 + 55_000);
    assert_eq!(order.waited_us, 500_000);
    assert_eq!(order.took_us, 55_000);
}

#[test]
fn events_out_of_nowhere_are_kept_as_far_as_they_go() {
    let step = "mitigate/x".to_string();
    let r = record([
        Event::PhaseEnded { phase: Phase::Up },
        Event::Output { step: step.clone(), command: 3, stream: Stream::Stdout, text: "lost".into() },
        Event::StepEnded { step, status: StepStatus::Failed, reason: None, at: None },
        Event::Fault { fault: "f".into(), what: FaultEvent::Reverted, detail: String::new() },
    ]);
    assert!(r.phases.is_empty());
    assert_eq!(r.steps[0].status, Some(StepStatus::Failed));
    assert!(r.steps[0].commands.is_empty());
    assert_eq!(r.faults[0].at(FaultEvent::Reverted), Some(DrillTime(3000)));
    assert!(r.damage.is_empty());
}

#[test]
fn a_gap_in_the_numbers_is_seen() {
    let mut r = record([judged(Verdict::Passed)]);
    r.apply(&Stamped { seq: 5, at_us: DrillTime(9), event: Event::Note { text: String::new() } });
    assert_eq!(r.damage, ["event 5 came where 1 was due"]);
}

#[test]
fn lateness_adds_up_and_clocks_are_replaced() {
    let late = |worst_us, count| Event::Late(LateRecord { load: "l".into(), worst_us, count });
    let clock = |offset_us| Event::ClockOffset(ClockRecord { agent: "a".into(), offset_us, rtt_us: 9 });
    let r = record([late(5, 1), clock(1), late(3, 2), clock(2)]);
    assert_eq!(r.late, [LateRecord { load: "l".into(), worst_us: 5, count: 3 }]);
    assert_eq!(r.clocks, [ClockRecord { agent: "a".into(), offset_us: 2, rtt_us: 9 }]);
}
