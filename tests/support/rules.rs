//! What holds of every drill, however it ended. Each test's drill is held to all of it.

use super::log::{Entry, Happening};
use super::told::Told;
use firedrill::archive::evidence::recompute;
use firedrill::engine::ledger;
use firedrill::record::{Check, CheckOutcome, CheckResult, Event, FaultEvent, Phase, Record, Stamped, Verdict};
use firedrill::report;
use firedrill::stack::ContainerOp;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::BufReader;

/// Holds a drill to the rules. `on_disk`: its events could be written.
pub fn of_every_drill(told: &Told, on_disk: bool) {
    numbered_and_in_time(told);
    opened_and_closed(told);
    phases_in_order(told);
    first_verdict_counts(told);
    undo_before_do(told);
    lifted_after_the_verdict(told);
    undone_last_first(told);
    checks_fit_the_verdict(told);
    closed_ledger(told);
    if on_disk {
        replayed(told);
        computed_again(told);
    }
}

fn stamped(told: &Told) -> Vec<&Stamped> {
    let said = told.entries.iter().filter_map(|entry| match entry {
        Entry::Said(stamped) => Some(stamped),
        Entry::Done(_) => None,
    });
    said.collect()
}

fn numbered_and_in_time(told: &Told) {
    let stamped = stamped(told);
    for (number, event) in stamped.iter().enumerate() {
        assert_eq!(event.seq, number as u64, "events are numbered without gaps\n{}", told.story());
    }
    assert!(stamped.is_sorted_by_key(|event| event.at_us), "time does not run backwards\n{}", told.story());
}

fn opened_and_closed(told: &Told) {
    let events: Vec<&Event> = told.events().collect();
    assert!(matches!(events.first(), Some(Event::Announced(_))), "{}", told.story());
    assert!(matches!(events.last(), Some(Event::Ended { .. })), "{}", told.story());
    let downs = told.happenings().filter(|happening| **happening == Happening::Down).count();
    assert_eq!(
        downs,
        usize::from(!told.outcome.kept),
        "the stack is removed once, unless it is kept\n{}",
        told.story()
    );
}

fn phases_in_order(told: &Told) {
    let mut under_way = None;
    let mut begun: Vec<Phase> = Vec::new();
    for event in told.events() {
        match event {
            Event::PhaseStarted { phase } => {
                assert_eq!(under_way, None, "{phase:?} begins inside another phase\n{}", told.story());
                assert!(begun.last() < Some(phase), "{phase:?} is out of order\n{}", told.story());
                begun.push(*phase);
                under_way = Some(*phase);
            }
            Event::PhaseEnded { phase } => {
                assert_eq!(under_way, Some(*phase), "{}", told.story());
                under_way = None;
            }
            _ => {}
        }
    }
    assert_eq!(under_way, None, "a phase never ended\n{}", told.story());
}

fn first_verdict_counts(told: &Told) {
    let verdicts: Vec<Verdict> = told
        .events()
        .filter_map(|event| match event {
            Event::Judged { verdict, .. } => Some(*verdict),
            _ => None,
        })
        .collect();
    assert_ne!(told.record.verdict, Verdict::Incomplete, "{}", told.story());
    assert_eq!(told.outcome.verdict, told.record.verdict, "{}", told.story());
    let Some((first, later)) = verdicts.split_first() else { panic!("no verdict\n{}", told.story()) };
    let spoils = |verdict: &Verdict| verdict.spoils() || *verdict == Verdict::Interrupted;
    assert!(later.iter().all(spoils), "{verdicts:?}\n{}", told.story());
    if *first != Verdict::Passed {
        assert_eq!(told.record.verdict, *first, "{}", told.story());
    }
}

/// A pass rests on every check that was planned; an assertion that failed shows in one of them.
fn checks_fit_the_verdict(told: &Told) {
    let record = &told.record;
    for (number, result) in record.checks.iter().enumerate() {
        // A recovery in time that did not last was none.
        let taken_back = result.check == Check::RecoveryTime && record.relapsed_us.is_some();
        // What a step left in the background failed later.
        let in_background = record.steps.iter().any(|step| {
            result.check == (Check::Step { step: step.step.clone() }) && step.commands.iter().any(|ran| ran.background)
        });
        let again = record.checks.iter().skip(number + 1).any(|other| other.check == result.check);
        assert!(!again || taken_back || in_background, "{:?} was decided twice\n{}", result.check, told.story());
    }
    let failed = |result: &CheckResult| matches!(result.outcome, CheckOutcome::Failed { .. });
    let broke = |result: &CheckResult| matches!(result.outcome, CheckOutcome::Error { .. });
    match record.verdict {
        Verdict::Passed => {
            assert!(!record.checks.iter().any(|result| failed(result) || broke(result)), "{}", told.story());
            assert!(record.recovered_us().is_none() || record.check(&Check::StillServed).is_some(), "{}", told.story());
            for check in record.planned_checks() {
                assert!(record.check(&check).is_some(), "{check:?} was not decided\n{}", told.story());
            }
        }
        Verdict::HarnessError | Verdict::Interrupted | Verdict::Leaked => {}
        _ => assert!(record.checks.iter().any(failed), "no check failed\n{}", told.story()),
    }
}

/// Rule 3 of the design: the undo is on disk before the fault goes in.
fn undo_before_do(told: &Told) {
    for happening in told.happenings() {
        match happening {
            Happening::Injected { fault, ledger } => {
                let opened = ledger.lines().any(|line| line.contains("\"open\"") && line.contains(fault.as_str()));
                assert!(opened, "the undo of {fault} is not in the ledger:\n{ledger}");
            }
            Happening::Operated { container, op: ContainerOp::Pause | ContainerOp::Kill { .. }, ledger } => {
                let opened = ledger.lines().any(|line| line.contains("\"open\"") && line.contains(container.as_str()));
                assert!(opened, "the undo for {container} is not in the ledger:\n{ledger}");
            }
            _ => {}
        }
    }
}

/// Rule 1 of the design: the fault stays on until everything that the verdict rests on was decided.
fn lifted_after_the_verdict(told: &Told) {
    let undone = |entry: &Entry| match entry.done() {
        Some(Happening::Lifted { fault }) => !by_its_time(told, fault),
        Some(Happening::Operated { op, .. }) => matches!(op, ContainerOp::Unpause | ContainerOp::Start),
        _ => false,
    };
    let released = |entry: &Entry| matches!(entry.done(), Some(Happening::Released { .. }));
    let reverting = |entry: &Entry| matches!(entry.event(), Some(Event::PhaseStarted { phase: Phase::Revert }));
    let decides = |entry: &Entry| match entry.event() {
        Some(Event::CheckEnded { check, .. }) => {
            // Invariants are asked once more after the revert.
            // Whether users were served until the first undo is known only afterwards.
            // So is that a recovery in time did not last.
            let taken_back = *check == Check::RecoveryTime && told.record.relapsed_us.is_some();
            !taken_back
                && !matches!(check, Check::Revert | Check::NothingLeft | Check::StillServed | Check::Invariant { .. })
        }
        Some(Event::Judged { verdict, .. }) => {
            // A relapse until the first undo is known only afterwards.
            let relapsed = told.record.relapsed_us.is_some() && *verdict == Verdict::NotRecovered;
            // These can come of the clean-up itself.
            !relapsed
                && !matches!(verdict, Verdict::Passed | Verdict::NotReverted | Verdict::Damaged)
                && !verdict.is_harness()
        }
        Some(Event::Fault { what, .. }) => {
            use FaultEvent::{ClearedByRunbook, EndedByItself, PartiallyActive, StillActive};
            matches!(what, ClearedByRunbook | EndedByItself | StillActive | PartiallyActive)
        }
        _ => false,
    };
    let last_decided = told.entries.iter().rposition(decides);
    if let Some(first_undone) = told.entries.iter().position(undone) {
        assert!(last_decided < Some(first_undone), "a fault was lifted before the verdict\n{}", told.story());
        let revert = told.entries.iter().position(reverting);
        assert!(revert.is_some_and(|at| at < first_undone), "a fault was lifted outside of revert\n{}", told.story());
    }
    // An agent that a test makes end its channel takes its faults with it, and that is no pass.
    if let (Some(at), false) = (told.entries.iter().position(released), told.record.verdict == Verdict::HarnessError) {
        assert!(last_decided < Some(at), "a fault was released before the verdict\n{}", told.story());
    }
}

/// A fault with `lasts` that was ended while the drill went on, for good or until its next time, or could not be.
fn by_its_time(told: &Told, fault: &str) -> bool {
    let life = told.life(fault);
    life.contains(&FaultEvent::EndedByTime)
        || life.contains(&FaultEvent::Away)
        || told.record.reason.contains("did not end by `lasts`")
}

fn undone_last_first(told: &Told) {
    let injected = told.happenings().filter_map(|happening| match happening {
        Happening::Injected { fault, .. } => Some(fault),
        _ => None,
    });
    let order: BTreeMap<&String, usize> = injected.enumerate().map(|(number, fault)| (fault, number)).collect();
    let lifted = told.happenings().filter_map(|happening| match happening {
        Happening::Lifted { fault } if by_its_time(told, fault) => None,
        Happening::Lifted { fault } => Some(fault),
        Happening::Operated { container, op: ContainerOp::Unpause | ContainerOp::Start, .. } => Some(container),
        _ => None,
    });
    // A fault that was opened in the ledger and never came to be injected is undone as well, and has no number.
    let numbers: Vec<&usize> = lifted.filter_map(|fault| order.get(fault)).collect();
    assert!(numbers.is_sorted_by(|a, b| a >= b), "faults are undone last first\n{}", told.story());
}

fn closed_ledger(told: &Told) {
    let found = ledger::read(&told.run_dir.ledger_path()).expect("a ledger");
    assert!(found.closed, "the ledger is closed: the reaper has nothing to do");
    let reverted = |fault: &str| told.life(fault).contains(&FaultEvent::Reverted);
    for (fault, _) in &found.outstanding {
        assert!(!reverted(fault), "{fault} was reverted and is still in the ledger");
    }
}

/// Whoever reads `events.jsonl` again gets the record that was kept while the drill ran.
fn replayed(told: &Told) {
    let file = File::open(told.run_dir.events_path()).expect("events.jsonl");
    let replayed = Record::from_events(BufReader::new(file));
    assert_eq!(replayed, told.record);
    assert_eq!(replayed.damage, Vec::<String>::new());
    assert!(replayed.ended);
}

/// What the drill concluded follows from its events alone.
fn computed_again(told: &Told) {
    let dir = tempfile::tempdir().expect("a directory");
    fs::copy(told.run_dir.events_path(), dir.path().join("events.jsonl")).expect("events.jsonl");
    fs::write(dir.path().join("record.json"), report::json(&told.record)).expect("a record");
    let anew = recompute(dir.path()).expect("a drill that can be computed again");
    let differ: Vec<_> = anew.iter().filter(|figure| !figure.is_same()).collect();
    assert!(differ.is_empty(), "computed again from the events alone: {differ:#?}\n{}", told.story());
}
