//! A drill computed again comes to what it came to, and one changed number is found, wherever it stands.

use super::*;
use crate::record::testing::{Story, lines_of, record_of};
use crate::record::{
    AlertStation, HoldRecord, InvariantInfo, Location, NO_DATA, RULES, ReadBackRecord, Slice, Unaccounted,
};
use std::fs;

const SLICES: u64 = 200;

/// Drill time in tenths of a second.
fn tenths(tenths: u64) -> DrillTime {
    DrillTime(tenths * SLICE_US)
}

/// The events of a drill whose users suffer from 7.0 s on, and from `cured` on no longer.
fn events(cured: u64) -> Vec<Stamped> {
    let mut plan = *record_of(Story::Passed).plan.unwrap();
    plan.windows.impact_below = Some(0.9);
    plan.windows.steady_us = 5_000_000;
    plan.windows.recover_hold_us = 1_000_000;
    plan.windows.revert_hold_us = 600_000;
    plan.detect = None;
    plan.windows.detect_within_us = None;
    plan.steps.clear();
    let invariant = |name: &str, expected: &str| InvariantInfo {
        name: name.into(),
        service: "db".into(),
        run: "count".into(),
        expected: expected.into(),
        at: Location { path: plan.scenario_file.path.clone(), line: 9 },
    };
    plan.invariants = vec![invariant("orders", "as before the fault"), invariant("writes", "increases")];
    let names: Vec<String> = plan.slis.iter().map(|sli| sli.name.clone()).collect();
    plan.slis.iter_mut().for_each(|sli| sli.must_breach = true);
    let load = plan.slis[0].load.clone();
    let fault = plan.faults[0].id.clone();
    let mut all = vec![(0, Event::Announced(Box::new(plan)))];
    let mut say = |at: u64, event: Event| all.push((at, event));
    let each = |value: u64| names.iter().map(|name| (name.clone(), value)).collect::<BTreeMap<_, _>>();
    for index in 0..SLICES {
        let is_bad = (70..cured).contains(&index);
        say(
            // Known when all of its requests have ended.
            (index + 2) * 10,
            Event::Slice(Slice {
                load: load.clone(),
                index,
                start_us: tenths(index),
                due: 5,
                good: each(if is_bad { 0 } else { 5 }),
                results: [(if is_bad { "500" } else { "200" }.to_string(), 5)].into(),
                first_good_us: if is_bad { BTreeMap::new() } else { each(20_000) },
                latency_us: [20_000; 3],
            }),
        );
    }
    let answers = |time, writes: u64| {
        let one = |name: &str, value: String, evidence: String| {
            Event::Invariant(InvariantRecord { name: name.into(), time, value: Some(value), held: true, evidence })
        };
        let grew = format!("it increased from {} to {writes}", writes - 1);
        [one("orders", "1204".into(), "it wrote `1204`".into()), one("writes", writes.to_string(), grew)]
    };
    let life = |what| Event::Fault { fault: fault.clone(), what, detail: "seen".into() };
    say(5, Event::PhaseStarted { phase: Phase::Steady });
    say(521, Event::WindowHeld(WindowRecord { phase: Phase::Steady, from_us: tenths(0), to_us: tenths(50) }));
    answers(InvariantTime::Steady, 100).into_iter().for_each(|answer| say(522, answer));
    say(600, Event::PhaseStarted { phase: Phase::Inject });
    say(690, life(FaultEvent::Injecting));
    say(700, life(FaultEvent::Confirmed));
    say(701, Event::PhaseStarted { phase: Phase::Impact });
    for sli in names.clone() {
        say(721, Event::Impacted(ImpactRecord { sli, impact_us: tenths(71), ratio: 0.0 }));
    }
    say(730, Event::PhaseStarted { phase: Phase::Respond });
    say(901, Event::MitigationStarted { began_us: None });
    let check = Check::StillBroken;
    let outcome = CheckOutcome::Passed { evidence: "seen".into() };
    say(901, Event::CheckEnded { check, started_us: DrillTime(9_010_000), outcome });
    say(910, Event::MitigationEnded);
    say(911, Event::PhaseStarted { phase: Phase::Recover });
    // 1.5 × 0.2 s + 1 s.
    let (configured_us, onset_us, window_us) = (1_000_000, Some(200_000), 1_000_000);
    say(
        911,
        Event::HoldRequired(HoldRecord {
            required_us: 1_300_000,
            configured_us,
            onset_us,
            window_us,
            returns_us: 0,
            shown_after_us: 0,
            parts: None,
        }),
    );
    let recovered_us = DrillTime(tenths(cured).0 + 20_000);
    let told = (cured + 15) * 10;
    say(
        told,
        Event::WindowHeld(WindowRecord { phase: Phase::Recover, from_us: tenths(cured), to_us: tenths(cured + 13) }),
    );
    for sli in names.into_iter().chain([String::new()]) {
        say(told, Event::Recovered(RecoveryRecord { sli, recovered_us }));
    }
    let what = WAIT_RECOVERED.to_string();
    say(told, Event::Waited { what, took_us: 200_000, deadline_us: 4_000_000, met: true });
    answers(InvariantTime::Recovered, 200).into_iter().for_each(|answer| say(told + 1, answer));
    let what = WAIT_SERVED.to_string();
    say(told + 30, Event::Waited { what, took_us: 200_000, deadline_us: 4_000_000, met: true });
    say(told + 31, Event::PhaseStarted { phase: Phase::Revert });
    say(told + 40, life(FaultEvent::Reverted));
    say(
        told + 130,
        Event::WindowHeld(WindowRecord {
            phase: Phase::Revert,
            from_us: tenths(cured + 20),
            to_us: tenths(cured + 26),
        }),
    );
    answers(InvariantTime::Reverted, 300).into_iter().for_each(|answer| say(told + 131, answer));
    let reason = "users recovered".to_string();
    say(told + 131, Event::Judged { verdict: Verdict::Passed, reason, at: None });
    say(told + 132, Event::Ended { left: Vec::new(), kept: false });
    all.sort_by_key(|(at, _)| *at);
    let stamp =
        |(seq, (at, event)): (usize, (u64, Event))| Stamped { seq: seq as u64, at_us: DrillTime(at * 10_000), event };
    all.into_iter().enumerate().map(stamp).collect()
}

/// The figures that differ in the directory of such a drill, as it is when these edits were made to its files.
fn differ(events: &[Stamped], edits: &[(&str, &str, &str)]) -> Vec<String> {
    let dir = tempfile::tempdir().unwrap();
    let mut record = Record::default();
    events.iter().for_each(|event| record.apply(event));
    for (name, content) in [
        ("events.jsonl", lines_of(events)),
        ("record.json", report::json(&record)),
        ("junit.xml", report::junit(&[&record])),
        ("report.html", report::html(&report::Drills::one(record.clone()))),
    ] {
        let mut text = String::from_utf8(content).unwrap();
        for (_, from, to) in edits.iter().filter(|(file, ..)| *file == name) {
            assert!(text.contains(from), "{name} has no {from}\n{text}");
            text = text.replacen(from, to, 1);
        }
        fs::write(dir.path().join(name), text).unwrap();
    }
    let rows = recompute(dir.path()).unwrap();
    assert!(rows.len() > 40, "{rows:#?}");
    rows.into_iter().filter(|row| !row.is_same()).map(|row| row.figure).collect()
}

#[test]
fn a_drill_comes_to_what_it_came_to() {
    assert_eq!(differ(&events(110), &[]), Vec::<String>::new());
    let late = differ(&events(170), &[]);
    assert!(late.is_empty(), "{late:?}");
}

#[test]
fn the_window_after_the_revert_is_whole_and_begins_after_the_undo() {
    let revert = |from: u64, to: u64| {
        let mut all = events(110);
        for stamped in &mut all {
            if let Event::WindowHeld(held) = &mut stamped.event
                && held.phase == Phase::Revert
            {
                (held.from_us, held.to_us) = (tenths(from), tenths(to));
            }
        }
        differ(&all, &[])
    };
    assert_eq!(revert(131, 137), Vec::<String>::new());
    assert_eq!(revert(130, 135), ["slices of the revert window"]);
    assert_eq!(revert(128, 134), ["the window after the revert begins too early by"]);
}

#[test]
fn a_run_that_was_made_under_other_rules_is_not_compared() {
    let dir = tempfile::tempdir().unwrap();
    for rules in [0, RULES + 1] {
        let mut all = events(110);
        if let Event::Announced(plan) = &mut all[0].event {
            plan.rules = rules;
        }
        fs::write(dir.path().join("events.jsonl"), lines_of(&all)).unwrap();
        let error = recompute(dir.path()).unwrap_err();
        let made = format!("it was made under rules {rules}, and this program has rules {RULES}");
        assert_eq!(error.kind(), io::ErrorKind::Unsupported);
        assert_eq!(error.to_string(), format!("{made}: its figures are not compared"));
    }
}

#[test]
fn a_runbook_that_was_followed_alone_has_no_figures() {
    let dir = tempfile::tempdir().unwrap();
    let mut all = events(110);
    if let Event::Announced(plan) = &mut all[0].event {
        plan.alone = true;
    }
    fs::write(dir.path().join("events.jsonl"), lines_of(&all)).unwrap();
    assert_eq!(recompute(dir.path()).unwrap(), Vec::new());
    fs::write(dir.path().join("record.json"), "{}").unwrap();
    assert!(!recompute(dir.path()).unwrap().is_empty(), "only a drill has a record");
}

#[test]
fn a_measurement_that_could_not_be_trusted_says_nothing_of_a_recovery() {
    let mut all = events(110);
    all.retain(|stamped| {
        let event = &stamped.event;
        let recovery = matches!(event, Event::WindowHeld(WindowRecord { phase: Phase::Recover | Phase::Revert, .. }))
            || matches!(event, Event::Waited { .. } | Event::Recovered(_))
            || matches!(event, Event::Invariant { .. });
        stamped.at_us < DrillTime(9_110_000) || !recovery
    });
    for (seq, stamped) in all.iter_mut().enumerate() {
        stamped.seq = seq as u64;
        if let Event::Judged { verdict, reason, .. } = &mut stamped.event {
            (*verdict, *reason) = (Verdict::HarnessError, "the measurement was disturbed".into());
        }
    }
    assert_eq!(differ(&all, &[]), Vec::<String>::new());
}

#[test]
fn a_mitigation_of_which_its_end_told_counts_from_its_beginning() {
    let mut all = events(110);
    for stamped in &mut all {
        if let Event::MitigationStarted { began_us } = &mut stamped.event {
            *began_us = Some(stamped.at_us);
        }
        if matches!(stamped.event, Event::MitigationStarted { .. } | Event::CheckEnded { .. }) {
            stamped.at_us = DrillTime(9_090_000);
        }
    }
    assert_eq!(differ(&all, &[]), Vec::<String>::new());
    let edit = ("record.json", "\"mitigation_started_us\": 9010000", "\"mitigation_started_us\": 9010001");
    assert_eq!(differ(&all, &[edit]), ["record.json: mitigation_started_us"]);
}

#[test]
fn properties_of_one_name_are_told_apart() {
    let xml =
        |values: [&str; 2]| values.map(|value| format!("<property name=\"invariant\" value=\"{value}\"/>")).concat();
    assert_ne!(properties(&xml(["kept: held", "sold: lost"])), properties(&xml(["kept: heldsold: ", "lost"])));
    assert_eq!(properties(&xml(["a", "b"])), [("invariant".into(), "a; b".into())].into());
}

#[test]
fn a_number_that_was_changed_in_a_report_is_found() {
    let changed = |file, from, to| differ(&events(110), &[(file, from, to)]);
    let found = changed("record.json", "\"to_recover_us\": 4020000", "\"to_recover_us\": 3020000");
    assert_eq!(found, ["record.json: figures.to_recover_us"]);
    let found = changed("record.json", "\"verdict\": \"passed\"", "\"verdict\": \"too_late\"");
    assert_eq!(found, ["record.json: verdict"]);
    let found = changed("record.json", "\"mitigation_started_us\": 9010000", "\"mitigation_started_us\": 9010001");
    assert_eq!(found, ["record.json: mitigation_started_us"]);
    assert_eq!(changed("report.html", "4.02", "3.02"), ["report.html"]);
    let found = changed("junit.xml", "4.020", "3.020");
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].starts_with("junit.xml: "), "{found:?}");
}

#[test]
fn what_the_run_concluded_must_follow_from_its_slices() {
    let changed = |change: &dyn Fn(&mut Event)| {
        let mut all = events(110);
        all.iter_mut().for_each(|stamped| change(&mut stamped.event));
        differ(&all, &[])
    };
    let found = changed(&|event| {
        if let Event::Recovered(RecoveryRecord { recovered_us, .. }) = event {
            recovered_us.0 -= 300_000;
        }
    });
    assert!(found.contains(&"recovered".to_string()), "{found:?}");
    let found = changed(&|event| match event {
        Event::Slice(slice) if slice.index == 20 => slice.good.values_mut().for_each(|good| *good = 0),
        _ => {}
    });
    assert_eq!(found, ["window of steady, 0 to 5000000 µs"]);
    let found = changed(&|event| match event {
        Event::Slice(slice) if slice.index == 118 => slice.good.values_mut().for_each(|good| *good = 0),
        _ => {}
    });
    assert!(["recovered", "verdict"].iter().any(|figure| found.contains(&figure.to_string())), "{found:?}");
    let found = changed(&|event| {
        if let Event::HoldRequired(hold) = event {
            hold.required_us = 1_000_000;
        }
    });
    assert_eq!(found, ["hold required"]);
    let found = changed(&|event| {
        if let Event::Announced(plan) = event {
            plan.rto_us = Some(4_000_000);
        }
    });
    assert!(found.contains(&"verdict".to_string()), "it came 20 ms too late: {found:?}");
    let found = changed(&|event| {
        if let Event::Judged { verdict, .. } = event {
            *verdict = Verdict::NoImpact;
        }
    });
    assert!(found.contains(&"verdict".to_string()), "{found:?}");
}

#[test]
fn a_fault_that_ended_by_itself_is_no_recovery_by_the_runbook() {
    let ended_by_itself = |fault: &str| Event::Fault {
        fault: fault.into(),
        what: FaultEvent::EndedByItself,
        detail: "it ended with exit code 0".into(),
    };
    let mut all = events(110);
    let fault = record_of(Story::Passed).plan.unwrap().faults[0].id.clone();
    for stamped in &mut all {
        match &mut stamped.event {
            Event::Recovered(_) | Event::WindowHeld(WindowRecord { phase: Phase::Recover, .. }) => {
                stamped.event = Event::Note { text: "users recovered".into() };
            }
            Event::Waited { .. } => stamped.event = ended_by_itself(&fault),
            Event::Judged { verdict, .. } => *verdict = Verdict::SelfHealed,
            _ => {}
        }
    }
    assert_eq!(differ(&all, &[]), Vec::<String>::new());
}

/// The events with more of them, by hundredths of a second, and the plan and the verdict changed.
fn with(more: Vec<(u64, Event)>, change: impl Fn(&mut Announcement), verdict: Verdict) -> Vec<Stamped> {
    let mut all = events(110);
    all.extend(more.into_iter().map(|(at, event)| Stamped { seq: 0, at_us: DrillTime(at * 10_000), event }));
    all.sort_by_key(|stamped| stamped.at_us);
    for (seq, stamped) in (0..).zip(&mut all) {
        stamped.seq = seq;
        match &mut stamped.event {
            Event::Announced(plan) => change(plan),
            Event::Judged { verdict: told, .. } => *told = verdict,
            _ => {}
        }
    }
    all
}

#[test]
fn a_pass_of_which_something_is_missing_is_none() {
    let told = |change: &dyn Fn(&mut Announcement)| {
        differ(&with(Vec::new(), change, Verdict::Passed), &[]).contains(&"verdict".to_string())
    };
    assert!(!told(&|_| {}));
    assert!(told(&|plan| plan.windows.recover_cleared = true), "nobody asked whether the fault was cleared");
    let another = |plan: &mut Announcement| {
        let other = FaultInfo { id: "other".into(), ..plan.faults[0].clone() };
        plan.faults.push(other);
    };
    assert!(told(&another), "it was never in place");
    let found = without(|event| matches!(event, Event::CheckEnded { check: Check::StillBroken, .. }));
    assert!(found.contains(&"verdict".to_string()), "{found:?}");
}

#[test]
fn a_moment_of_which_nothing_is_known_is_no_relapse() {
    let judged = |verdict: Verdict| {
        let mut all = with(Vec::new(), |_| {}, verdict);
        for stamped in &mut all {
            if let Event::Slice(slice) = &mut stamped.event
                && slice.index == 124
            {
                slice.results.insert(NO_DATA.into(), 1);
            }
        }
        differ(&all, &[])
    };
    assert!(!judged(Verdict::HarnessError).contains(&"relapsed".to_string()));
    assert!(judged(Verdict::Passed).contains(&"verdict".to_string()), "nor is it a pass");
}

/// The drill waited to see whether users kept the service, and its generator was late meanwhile.
#[test]
fn a_disturbed_look_at_what_comes_after_the_recovery_tells_of_no_relapse() {
    let judged = |verdict: Verdict| {
        let mut all = with(Vec::new(), |_| {}, verdict);
        for stamped in &mut all {
            if let Event::Slice(slice) = &mut stamped.event
                && slice.index == 124
            {
                slice.good.values_mut().for_each(|good| *good = 0);
            }
        }
        differ(&all, &[])
    };
    assert!(judged(Verdict::Passed).contains(&"relapsed".to_string()));
    assert!(!judged(Verdict::HarnessError).contains(&"relapsed".to_string()));
}

/// Nobody is to notice anything for 3 s, and users suffer from 3.0 s to 4.5 s after the fault.
#[test]
fn what_a_query_tells_first_is_of_the_time_before() {
    let judged = |told_every_us: u64| {
        let unnoticed = |plan: &mut Announcement| {
            (plan.windows.impact_none, plan.windows.impact_within_us) = (true, 3_000_000);
            plan.windows.told_every_us = told_every_us;
            plan.runbook_file = None;
        };
        let mut all = with(Vec::new(), unnoticed, Verdict::Breached);
        for stamped in &mut all {
            if let Event::Slice(slice) = &mut stamped.event {
                let is_bad = (100..115).contains(&slice.index);
                slice.good.values_mut().for_each(|good| *good = if is_bad { 0 } else { 5 });
                slice.results = [(if is_bad { "500" } else { "200" }.to_string(), 5)].into();
            }
        }
        differ(&all, &[]).contains(&"verdict".to_string())
    };
    assert_eq!([0, 2_000_000].map(judged), [true, false]);
}

#[test]
fn acknowledged_writes_that_are_lost_after_the_recovery_and_rows_that_nobody_wrote_are_damage() {
    let restore = record_of(Story::RestorePassed).plan.unwrap().restore;
    let read = |at: u64, there: Option<Vec<u64>>| {
        let survivors = there.map(|there| there.into_iter().collect());
        let (asked_us, evidence, before) = (DrillTime(at * 10_000), String::new(), Some(Unaccounted::default()));
        (at, Event::ReadBack(ReadBackRecord { asked_us, survivors, duplicates: 0, evidence, before }))
    };
    // `again` is what was read after the revert, where that was.
    let told = |lost_at: u64, there: Vec<u64>, again: Vec<Option<Vec<u64>>>, verdict: Verdict, unasked: usize| {
        let seen = |probe: &ProbeInfo| {
            let (level, name) = (probe.level, probe.name.clone());
            (1279, Event::Probed { level, name, held: true, evidence: String::new() })
        };
        let probes = restore.iter().flat_map(|restore| &restore.probes);
        let mut more: Vec<(u64, Event)> = probes.map(seen).collect();
        for (write, at) in [(0, 500), (1, lost_at)] {
            more.push((at, Event::Written { write, ended_us: DrillTime(at * 10_000), acknowledged: true }));
        }
        more.push(read(1279, Some(there)));
        more.extend(again.into_iter().map(|there| read(1380, there)));
        let change = |plan: &mut Announcement| {
            let mut restore = restore.clone().unwrap();
            let other = ProbeInfo { name: "other".into(), ..restore.probes[0].clone() };
            restore.probes.extend(std::iter::repeat_n(other, unasked));
            plan.restore = Some(restore);
        };
        differ(&with(more, change, verdict), &[])
    };
    let judged = |lost_at, brought: Option<u64>, verdict, unasked| {
        told(lost_at, brought.into_iter().chain([0]).collect(), Vec::new(), verdict, unasked)
    };
    // Users had recovered at 11.02 s.
    assert_eq!(judged(1102, None, Verdict::Passed, 0), Vec::<String>::new());
    assert_eq!(judged(1103, None, Verdict::Damaged, 0), Vec::<String>::new());
    assert!(judged(1103, None, Verdict::Passed, 0).contains(&"verdict".to_string()));
    assert_eq!(judged(1102, Some(7), Verdict::Damaged, 0), Vec::<String>::new(), "a row that nobody wrote");
    assert!(
        judged(1102, None, Verdict::Passed, 1).contains(&"verdict".to_string()),
        "one probe of a level was not asked"
    );
    for (there, verdict) in
        [(Some(vec![0]), Verdict::Passed), (Some(Vec::new()), Verdict::Damaged), (None, Verdict::NotReverted)]
    {
        let again = |told_verdict| told(1102, vec![0], vec![there.clone()], told_verdict, 0);
        assert_eq!(again(verdict), Vec::<String>::new(), "{there:?} after the revert");
        let passes = !again(Verdict::Passed).contains(&"verdict".to_string());
        assert_eq!(passes, verdict == Verdict::Passed, "{there:?} after the revert");
    }
}

#[test]
fn a_fault_that_comes_after_users_felt_one_gives_an_alert_no_more_time() {
    let judged = |detected: u64| {
        let life = |what| Event::Fault { fault: "second".into(), what, detail: "seen".into() };
        let stations = [(790, FaultEvent::Injecting), (800, FaultEvent::Confirmed), (1290, FaultEvent::Reverted)];
        let mut more: Vec<(u64, Event)> = stations.into_iter().map(|(at, what)| (at, life(what))).collect();
        more.push((detected, Event::Detected { detected_us: DrillTime(detected * 10_000), paged: None }));
        differ(&with(more, |plan| plan.windows.detect_within_us = Some(1_000_000), Verdict::Passed), &[])
    };
    assert_eq!(judged(800), Vec::<String>::new());
    assert!(judged(850).contains(&"verdict".to_string()), "users felt the first one at 7.1 s");
}

#[test]
fn an_alert_that_comes_again_once_the_pages_were_judged_takes_nothing_from_a_pass() {
    let moment = |at: u64, station| {
        let labels = [("alertname".to_string(), "Down".to_string())].into();
        (at, Event::Alert(AlertMoment { at_us: DrillTime(at * 10_000), labels, station }))
    };
    let delivered = || AlertStation::Delivered { receiver: "oncall".into(), route: String::new(), source: None };
    let judged = |again: u64| {
        let resolved = AlertStation::Resolved { receiver: "oncall".into(), source: None };
        let outcome = CheckOutcome::Passed { evidence: "seen".into() };
        let pages = Event::CheckEnded { check: Check::Pages, started_us: DrillTime(11_020_000), outcome };
        let more = vec![moment(800, delivered()), moment(1050, resolved), (1260, pages), moment(again, delivered())];
        let page = PageExpectation {
            alert: Some("Down".into()),
            resolves_within_us: Some(1_000_000),
            ..PageExpectation::default()
        };
        differ(&with(more, |plan| plan.page = Some(page.clone()), Verdict::Passed), &[])
    };
    // They were judged at 12.6 s, and the revert began at 12.81 s.
    assert_eq!(judged(1270), Vec::<String>::new());
    assert!(judged(1255).contains(&"verdict".to_string()));
}

#[test]
fn a_fault_that_had_to_be_cleared_and_was_not_is_no_pass() {
    let mut all = events(110);
    let fault = record_of(Story::Passed).plan.unwrap().faults[0].id.clone();
    for stamped in &mut all {
        match &mut stamped.event {
            Event::Announced(plan) => plan.windows.recover_cleared = true,
            Event::Waited { what, .. } if what == WAIT_RECOVERED => {
                let (what, detail) = (FaultEvent::StillActive, "it is there".to_string());
                stamped.event = Event::Fault { fault: fault.clone(), what, detail };
            }
            _ => {}
        }
    }
    let found = differ(&all, &[]);
    assert!(found.contains(&"verdict".to_string()), "{found:?}");
}

/// What differs when these events are gone, and the others numbered as if they had never been there.
fn without(gone: impl Fn(&Event) -> bool) -> Vec<String> {
    let kept = events(110).into_iter().filter(|stamped| !gone(&stamped.event));
    let numbered: Vec<Stamped> =
        kept.enumerate().map(|(seq, stamped)| Stamped { seq: seq as u64, ..stamped }).collect();
    assert!(numbered.len() < events(110).len());
    differ(&numbered, &[])
}

#[test]
fn a_story_that_was_changed_does_not_come_to_its_verdict() {
    let mut all = events(110);
    for stamped in &mut all {
        match &mut stamped.event {
            Event::Invariant(answer) if answer.name == "orders" && answer.time == InvariantTime::Recovered => {
                answer.value = Some("1100".into());
            }
            _ => {}
        }
    }
    assert_eq!(differ(&all, &[])[..2], ["invariant `orders` after the recovery", "verdict"].map(String::from));
    for time in [InvariantTime::Steady, InvariantTime::Recovered, InvariantTime::Reverted] {
        let found = without(|event| matches!(event, Event::Invariant(i) if i.time == time && i.name == "writes"));
        assert!(found.contains(&"verdict".to_string()), "{time:?}: {found:?}");
    }
    for index in [20, 72, 118] {
        let found = without(|event| matches!(event, Event::Slice(slice) if slice.index == index));
        assert!(found.contains(&"verdict".to_string()), "slice {index}: {found:?}");
    }
}

#[test]
fn requests_that_were_sent_late_are_counted_again() {
    let mut all = events(110);
    let at = all.iter().position(|stamped| matches!(stamped.event, Event::MitigationStarted { .. })).unwrap();
    let load = all.iter().find_map(|stamped| match &stamped.event {
        Event::Slice(slice) => Some(slice.load.clone()),
        _ => None,
    });
    let late = Event::Late(LateRecord { load: load.unwrap(), worst_us: 1_500_000, count: 9 });
    all.insert(at, Stamped { event: late, ..all[at].clone() });
    (0..).zip(&mut all).for_each(|(seq, stamped)| stamped.seq = seq);
    let found = differ(&all, &[]);
    assert_eq!(found[..2], ["requests sent late", "verdict"].map(String::from));
}
