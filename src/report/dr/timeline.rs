//! The timeline of a drill: what happened when, who did it, and in which line of the evidence it stands.

use super::Moment;
use super::drill::utc;
use crate::record::{DrillTime, Event, FaultEvent, Phase, Record, Stamped, StepStatus};
use crate::report::text::{one_line, percent, seconds};
use std::collections::{BTreeMap, BTreeSet};

/// A timeline is not longer than this; the rest stands in `events.jsonl`.
const MOST: usize = 250;
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
    let mut held: BTreeMap<(u8, &str), bool> = BTreeMap::new();
    let mut all: Vec<(DrillTime, u64, &'static str, String)> = Vec::new();
    for stamped in events {
        let mut at = stamped.at_us;
        let told = match &stamped.event {
            Event::CommandStarted { step, command, text, attempt, .. } => {
                texts.insert((step, *command), (text, *attempt));
                None
            }
            Event::CommandEnded { step, command, .. } if !last.contains(&stamped.seq) => {
                let _ = (step, command);
                None
            }
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
            event => plain(record, event, &mut at),
        };
        if let Some((actor, what)) = told {
            all.push((at, stamped.seq, actor, what));
        }
    }
    all.sort_by_key(|(at, seq, ..)| (*at, *seq));
    let omitted = all.len().saturating_sub(MOST);
    all.truncate(MOST);
    let moment = |(at, seq, actor, what): (DrillTime, u64, &'static str, String)| {
        let what = one_line(&what);
        let what = match what.char_indices().nth(WIDTH) {
            Some((end, _)) => format!("{}…", what.get(..end).unwrap_or_default()),
            None => what,
        };
        Moment { at_utc: utc(record, at), at_us: at.0, actor, what, evidence: format!("events.jsonl#seq={seq}") }
    };
    (all.into_iter().map(moment).collect(), omitted)
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
fn plain(record: &Record, event: &Event, at: &mut DrillTime) -> Option<(&'static str, String)> {
    let title = |step: &str| record.step_info(step).map_or(step.to_string(), |info| info.title.clone());
    let by = |step: &str| match record.step_info(step) {
        Some(info) if info.manual => PERSON,
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
        Event::Fault { fault, what, detail } => (FIREDRILL, format!("fault `{fault}` {}: {detail}", station(*what))),
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

fn station(what: FaultEvent) -> &'static str {
    match what {
        FaultEvent::Injecting => "goes in",
        FaultEvent::Confirmed => "is confirmed in place",
        FaultEvent::ClearedByRunbook => "was cleared by the runbook",
        FaultEvent::StillActive => "is still active",
        FaultEvent::Reverted => "is undone",
        FaultEvent::Irreversible => "is left as it is: it goes with the stack",
        FaultEvent::Failed => "is in trouble",
    }
}
