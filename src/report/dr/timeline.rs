//! The timeline of a drill: what happened when, who did it, and in which line of the evidence it stands.

use super::Moment;
use super::drill::utc;
use crate::output::one_line;
use crate::record::{DrillTime, Event, Phase, Record, Stamped, StepStatus};
use crate::view::format::{percent, seconds};
use crate::view::words;
use std::collections::{BTreeMap, BTreeSet};

/// A timeline is not longer than this; the rest stands in `events.jsonl`.
const MOST: usize = 90;
/// Longest text of a moment, in characters.
const WIDTH: usize = 300;

const FIREDRILL: &str = "Firedrill";
const RUNBOOK: &str = "runbook";
const SYSTEM: &str = "system";
const PERSON: &str = "person";

/// The moments in the order of their times, and how many were left out.
pub(super) fn timeline(record: &Record, events: &[Stamped]) -> (Vec<Moment>, usize) {
    let last = last_attempts(events);
    let mut texts: BTreeMap<(&str, usize), (&str, u32)> = BTreeMap::new();
    let places = places(events);
    let mut held: BTreeMap<(u8, &str), bool> = BTreeMap::new();
    let ends = ends(events);
    let mitigated = events.iter().rev().find(|stamped| matches!(stamped.event, Event::MitigationEnded));
    let mitigated = mitigated.map(|stamped| stamped.seq);
    let mut all: Vec<Row> = Vec::new();
    for stamped in events {
        let mut at = stamped.at_us;
        let told = match &stamped.event {
            Event::CommandStarted { step, command, text, attempt, .. } => {
                texts.insert((step, *command), (text, *attempt));
                None
            }
            Event::CommandEnded { .. } if !last.contains(&stamped.seq) => None,
            // Every mitigating step ends what may be the last one: only afterwards it is known which was.
            Event::MitigationEnded if mitigated != Some(stamped.seq) => None,
            // Nobody began what was skipped.
            Event::StepStarted { step } if ends.get(step.as_str()) == Some(&StepStatus::Skipped) => None,
            Event::CommandEnded { step, command, exit, took_us, timed_out, stopped, .. } => {
                let (text, attempt) = texts.get(&(step.as_str(), *command)).copied().unwrap_or(("", 1));
                let tries = if attempt > 1 { format!(", attempt {attempt}") } else { String::new() };
                let end = match (timed_out, stopped) {
                    (true, _) => "was ended by its deadline".to_string(),
                    (_, true) => "was ended with the runbook".to_string(),
                    _ => format!("exited {exit}"),
                };
                let text = text.lines().next().unwrap_or_default().replace('`', "'");
                Some((RUNBOOK, format!("`{text}` {end} after {}{tries}", seconds(*took_us))))
            }
            Event::Probed { level, name, held: holds, evidence } => {
                // A level is asked for again and again: what matters is when the answer changed.
                let changed = held.insert((*level as u8, name), *holds) != Some(*holds);
                let word = if *holds { "holds" } else { "does not hold" };
                changed.then(|| (FIREDRILL, format!("{level} `{name}` {word}: {evidence}")))
            }
            event => plain(record, event, &ends, &mut at),
        };
        if let Some((actor, what)) = told {
            let (weight, source) = (weight(&stamped.event), source(record, stamped, &places));
            all.push(Row { at, seq: stamped.seq, weight, actor, what, source });
        }
    }
    all.sort_by_key(|row| (row.at, row.seq));
    let omitted = shorten(&mut all);
    let moment = |row: Row| {
        let Row { at, seq, actor, what, source, .. } = row;
        let what = one_line(&what);
        let what = match what.char_indices().nth(WIDTH) {
            Some((end, _)) => format!("{}…", what.get(..end).unwrap_or_default()),
            None => what,
        };
        Moment {
            at_utc: utc(record, at),
            at_us: at.0,
            actor,
            what,
            source,
            evidence: format!("events.jsonl#seq={seq}"),
        }
    };
    (all.into_iter().map(moment).collect(), omitted)
}

/// What is left out first where a timeline is too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Weight {
    Command,
    Detail,
    /// Never left out.
    Key,
}

/// A moment as it is gathered.
struct Row {
    at: DrillTime,
    seq: u64,
    weight: Weight,
    actor: &'static str,
    what: String,
    source: String,
}

fn weight(event: &Event) -> Weight {
    match event {
        Event::CommandEnded { .. } => Weight::Command,
        Event::Announced(_)
        | Event::Fault { .. }
        | Event::Impacted { .. }
        | Event::Detected { .. }
        | Event::MitigationStarted
        | Event::MitigationEnded
        | Event::Recovered { .. }
        | Event::Probed { .. }
        | Event::ReadBack { .. }
        | Event::Judged { .. }
        | Event::Ended { .. } => Weight::Key,
        _ => Weight::Detail,
    }
}

/// Leaves out what matters least, the latest of it first; tells how much that was.
fn shorten(all: &mut Vec<Row>) -> usize {
    let before = all.len();
    for weight in [Weight::Command, Weight::Detail] {
        let mut excess = all.len().saturating_sub(MOST);
        let mut kept: Vec<Row> = Vec::with_capacity(all.len());
        for row in all.drain(..).rev() {
            if excess > 0 && row.weight == weight {
                excess -= 1;
            } else {
                kept.push(row);
            }
        }
        kept.reverse();
        *all = kept;
    }
    before - all.len()
}

/// How every step ended.
fn ends(events: &[Stamped]) -> BTreeMap<&str, StepStatus> {
    let of = events.iter().filter_map(|stamped| match &stamped.event {
        Event::StepEnded { step, status, .. } => Some((step.as_str(), *status)),
        _ => None,
    });
    of.collect()
}

/// Where every command stands.
fn places(events: &[Stamped]) -> BTreeMap<(&str, usize), String> {
    let of = events.iter().filter_map(|stamped| match &stamped.event {
        Event::CommandStarted { step, command, at, .. } => Some(((step.as_str(), *command), at.to_string())),
        _ => None,
    });
    of.collect()
}

/// Who reported it.
fn source(record: &Record, stamped: &Stamped, places: &BTreeMap<(&str, usize), String>) -> String {
    let runner = || "runner".to_string();
    match &stamped.event {
        Event::CommandEnded { step, command, .. } => {
            places.get(&(step.as_str(), *command)).cloned().unwrap_or_else(runner)
        }
        Event::StepStarted { step } | Event::StepEnded { step, .. } => {
            record.step_info(step).map_or_else(runner, |info| info.at.to_string())
        }
        Event::Impacted { .. } | Event::Condition { .. } | Event::Detected { .. } | Event::Recovered { .. } => {
            "agent".into()
        }
        Event::Probed { level, name, .. } => {
            let probes = record.restore_plan().map(|plan| plan.probes.as_slice()).unwrap_or_default();
            let probe = probes.iter().find(|probe| probe.level == *level && probe.name == *name);
            probe.map_or_else(|| "container".into(), |probe| format!("container `{}`", probe.service))
        }
        Event::BackupSeen { .. } | Event::ContentNoted { .. } | Event::ReadBack { .. } => "container".into(),
        _ => runner(),
    }
}

/// Of every command the end of its last attempt.
fn last_attempts(events: &[Stamped]) -> BTreeSet<u64> {
    let mut last: BTreeMap<(&str, usize), u64> = BTreeMap::new();
    for stamped in events {
        if let Event::CommandEnded { step, command, .. } = &stamped.event {
            last.insert((step, *command), stamped.seq);
        }
    }
    last.into_values().collect()
}

/// Events that need no other; `at` is set to when it was where the event says that.
fn plain(
    record: &Record,
    event: &Event,
    ends: &BTreeMap<&str, StepStatus>,
    at: &mut DrillTime,
) -> Option<(&'static str, String)> {
    let title = |step: &str| record.step_info(step).map_or(step.to_string(), |info| info.title.clone());
    // A person is named only where somebody confirmed the step.
    let by = |step: &str| match (record.step_info(step), ends.get(step)) {
        (Some(info), Some(StepStatus::Passed)) if info.manual => PERSON,
        (Some(info), _) if info.manual => FIREDRILL,
        _ => RUNBOOK,
    };
    let told = match event {
        Event::Announced(plan) => (FIREDRILL, format!("the drill `{}` begins", plan.scenario)),
        Event::PhaseStarted { phase } => (FIREDRILL, format!("phase {}: {}", phase.name(), meaning(*phase))),
        Event::StackUp { project, .. } => (FIREDRILL, format!("the stack is up as `{project}`")),
        Event::BackupSeen { facts } => {
            let facts: Vec<String> = facts.iter().map(|(key, value)| format!("{key}={value}")).collect();
            (FIREDRILL, format!("the backup: {}", facts.join(", ")))
        }
        Event::ContentNoted { name, .. } => (FIREDRILL, format!("the content is noted: `{name}`")),
        Event::Fault { fault, what, detail } => {
            (FIREDRILL, format!("fault `{fault}` {}: {detail}", words::station(*what).1))
        }
        Event::Impacted { sli, impact_us, ratio } => {
            *at = *impact_us;
            (SYSTEM, format!("users suffer: {sli} fell to {}", percent(*ratio)))
        }
        Event::Condition { when, holds, .. } => {
            (SYSTEM, format!("the alert condition `{when}` {}", if *holds { "holds" } else { "holds no longer" }))
        }
        Event::Detected { detected_us } => {
            *at = *detected_us;
            (SYSTEM, "detected: the alert condition held".into())
        }
        Event::StepStarted { step } => (by(step), format!("step `{}` begins", title(step))),
        Event::MitigationStarted => (RUNBOOK, "the first mitigating command starts".into()),
        Event::MitigationEnded => (RUNBOOK, "the last mitigating step has ended".into()),
        Event::StepEnded { step, status, reason, .. } => {
            let (word, actor) = match status {
                StepStatus::Passed => ("was carried out", by(step)),
                StepStatus::Warned => ("was carried out with a warning", RUNBOOK),
                StepStatus::Failed => ("failed", RUNBOOK),
                StepStatus::Blocked => ("could not run", RUNBOOK),
                StepStatus::Skipped => ("was skipped", FIREDRILL),
            };
            let why = reason.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
            (actor, format!("step `{}` {word}{why}", title(step)))
        }
        Event::Recovered { sli, recovered_us } => {
            *at = *recovered_us;
            let what = if sli.is_empty() { "users had recovered: every SLI" } else { sli };
            (SYSTEM, format!("{what} met its objective from here on"))
        }
        Event::ReadBack { asked_us, evidence, .. } => {
            *at = *asked_us;
            (FIREDRILL, format!("the survivors of the ledger are read back: {evidence}"))
        }
        Event::Disturbed { why } => (FIREDRILL, format!("the measuring was disturbed: {why}")),
        Event::Note { text } => (FIREDRILL, text.clone()),
        Event::Judged { verdict, reason, .. } => (FIREDRILL, format!("verdict `{verdict}`: {reason}")),
        Event::Ended { left, .. } if left.is_empty() => (FIREDRILL, "the drill is over, nothing is left behind".into()),
        Event::Ended { left, .. } => (FIREDRILL, format!("the drill is over; left behind: {}", left.join(", "))),
        _ => return None,
    };
    Some(told)
}

fn meaning(phase: Phase) -> &'static str {
    match phase {
        Phase::Up => "the stack is started",
        Phase::Steady => "everything is as it should be before anything is broken",
        Phase::Inject => "the fault goes in",
        Phase::Impact => "users must feel it",
        Phase::Detect => "the alert condition must hold",
        Phase::Respond => "the runbook is followed",
        Phase::Recover => "users must recover",
        Phase::Revert => "what was broken is undone",
        Phase::Down => "everything is removed",
    }
}
