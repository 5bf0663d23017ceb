//! The timeline of a drill: what happened when, who did it, how long after the injection, and in which line of the evidence it
//! stands. The one view of it, for every report and message.

use super::event_line;
use super::format::seconds;
use super::words::ending;
use crate::output::{cut, one_line};
use crate::record::{
    BesideNote, CommandRecord, DrillTime, Event, ImpactRecord, ReadBackRecord, Record, RecoveryRecord, Stamped,
    StepStatus, utc_text,
};
use std::collections::BTreeMap;
use time::Duration;

/// Longest text of a moment, in characters.
const WIDTH: usize = 300;

/// A moment of a drill.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moment {
    /// When, in UTC.
    pub at_utc: String,
    /// Microseconds since the drill began.
    pub at_us: u64,
    /// Time since the first confirmed fault: `+2.40 s`, `-5.10 s`; a dash where nothing was injected.
    pub since: String,
    /// Who: Firedrill, runbook, system or person.
    pub actor: &'static str,
    /// What.
    pub what: String,
    /// Who reported it: runner, agent, container, or the line of the runbook.
    pub source: String,
    /// Where it is written.
    pub evidence: String,
}

/// Whether an event may belong into a timeline that people read. Those that a drill has thousands of do not: load, machine and
/// output are figures, and writes have a ledger.
pub fn tells(event: &Event) -> bool {
    !matches!(
        event,
        Event::Slice(_) | Event::Machine(_) | Event::Usage(_) | Event::Output { .. } | Event::Written { .. }
    )
}

/// An instant of a drill, RFC 3339 in UTC.
pub fn utc(record: &Record, at: DrillTime) -> String {
    let since = Duration::microseconds(i64::try_from(at.0).unwrap_or(i64::MAX));
    super::clock::started(record).checked_add(since).map(utc_text).unwrap_or_default()
}

/// A note that was written beside a run, as a moment of it; `None` where it has no time.
pub fn of_note(record: &Record, note: &BesideNote) -> Option<Moment> {
    let at = super::clock::parsed(&note.at_utc)?;
    let at_us = u64::try_from((at - super::clock::started(record)).whole_microseconds()).ok()?;
    Some(Moment {
        at_utc: note.at_utc.clone(),
        at_us,
        since: since(record, DrillTime(at_us)),
        actor: "person",
        what: format!("{}: {}", one_line(&note.by), one_line(&note.text)),
        source: "note".into(),
        evidence: "a note beside the run".into(),
    })
}

fn since(record: &Record, at: DrillTime) -> String {
    let signed = |us: DrillTime| i64::try_from(us.0).ok();
    let since = record.injected_us().and_then(|injected| Some(signed(at)? - signed(injected)?));
    let sign = if since.is_some_and(|us| us < 0) { "-" } else { "+" };
    since.map_or("–".into(), |us| format!("{sign}{}", seconds(us.unsigned_abs())))
}

/// The moments in the order of their times, at most so many, and how many were left out: commands first, then details.
pub fn timeline(record: &Record, events: &[Stamped], most: usize) -> (Vec<Moment>, usize) {
    let mut held: BTreeMap<(u8, &str), bool> = BTreeMap::new();
    let mut all: Vec<(TimelineWeight, u64, Moment)> = Vec::new();
    for stamped in events {
        let told = match &stamped.event {
            // Every mitigating step ends what may be the last one: only afterwards it is known which was.
            Event::MitigationEnded if record.mitigation_ended_us != Some(stamped.at_us) => None,
            // Nobody began what was skipped.
            Event::StepStarted { step } if status(record, step) == Some(StepStatus::Skipped) => None,
            // Of several attempts the last one.
            Event::CommandEnded { step, command, .. } => {
                let last = ran(record, step, *command).filter(|ran| ran.ended_us == Some(stamped.at_us));
                let text = |ran: &CommandRecord| ran.text.lines().next().unwrap_or_default().replace('`', "'");
                last.map(|ran| format!("`{}`: {}", text(ran), ending(ran)))
            }
            // A level is asked for again and again: what matters is when the answer changed.
            Event::Probed { level, name, held: holds, .. }
                if held.insert((*level as u8, name), *holds) == Some(*holds) =>
            {
                None
            }
            Event::StepEnded { step, status, .. } if *status != StepStatus::Skipped => {
                let title = record.step_info(step).map_or(step.as_str(), |info| info.title.as_str());
                words(record, &stamped.event).map(|text| format!("{title}: {text}"))
            }
            event => words(record, event),
        };
        let Some((what, (actor, weight, source))) = told.zip(told_by(record, &stamped.event)) else { continue };
        let at = happened(stamped);
        let moment = Moment {
            at_utc: utc(record, at),
            at_us: at.0,
            since: since(record, at),
            actor,
            what: cut(&one_line(&what), WIDTH, "…"),
            source,
            evidence: format!("events.jsonl#seq={}", stamped.seq),
        };
        all.push((weight, stamped.seq, moment));
    }
    all.sort_by_key(|(_, seq, moment)| (moment.at_us, *seq));
    let omitted = shorten(&mut all, most);
    (all.into_iter().map(|(.., moment)| moment).collect(), omitted)
}

/// How a step ended.
fn status(record: &Record, step: &str) -> Option<StepStatus> {
    record.steps.iter().find(|known| known.step == step)?.status
}

/// A command of a step, as it was run.
fn ran<'a>(record: &'a Record, step: &str, command: usize) -> Option<&'a CommandRecord> {
    record.steps.iter().find(|known| known.step == step)?.commands.iter().find(|known| known.command == command)
}

fn words(record: &Record, event: &Event) -> Option<String> {
    Some(event_line(event, record.plan.as_deref())?.text)
}

/// When it happened: some events are told later than that.
fn happened(stamped: &Stamped) -> DrillTime {
    match &stamped.event {
        Event::Impacted(ImpactRecord { impact_us: at, .. })
        | Event::Detected { detected_us: at, .. }
        | Event::Recovered(RecoveryRecord { recovered_us: at, .. })
        | Event::ReadBack(ReadBackRecord { asked_us: at, .. })
        | Event::MitigationStarted { began_us: Some(at) } => *at,
        Event::Alert(moment) => moment.at_us,
        _ => stamped.at_us,
    }
}

/// What is left out first where a timeline is too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum TimelineWeight {
    Command,
    Detail,
    /// Never left out.
    Key,
}

/// Leaves out what matters least, the latest of it first; tells how much that was.
fn shorten(all: &mut Vec<(TimelineWeight, u64, Moment)>, most: usize) -> usize {
    let before = all.len();
    for weight in [TimelineWeight::Command, TimelineWeight::Detail] {
        let kept = all.iter().filter(|(own, ..)| *own != weight).count();
        let mut room = most.saturating_sub(kept);
        all.retain(|(own, ..)| {
            let keeps = *own != weight || room > 0;
            room -= usize::from(keeps && *own == weight);
            keeps
        });
    }
    before - all.len()
}

/// Who did it, how much it matters, and who reported it; `None` for what is no part of a timeline.
fn told_by(record: &Record, event: &Event) -> Option<(&'static str, TimelineWeight, String)> {
    use TimelineWeight::{Command, Detail, Key};
    let place = |step: &str| record.step_info(step).map_or("runner".into(), |info| info.at.to_string());
    // A person is named only where somebody confirmed the step.
    let by = |step: &str| match (record.step_info(step), status(record, step)) {
        (Some(info), Some(StepStatus::Passed)) if info.manual => "person",
        (Some(info), _) if info.manual => "Firedrill",
        _ => "runbook",
    };
    let (actor, weight, source) = match event {
        Event::CommandEnded { step, command, .. } => {
            let source = ran(record, step, *command).map_or("runner".into(), |ran| ran.at.to_string());
            return Some(("runbook", Command, source));
        }
        Event::StepStarted { step } | Event::StepEnded { step, status: StepStatus::Passed, .. } => {
            return Some((by(step), Detail, place(step)));
        }
        Event::StepEnded { step, status, .. } => {
            let actor = if *status == StepStatus::Skipped { "Firedrill" } else { "runbook" };
            return Some((actor, Detail, place(step)));
        }
        Event::Probed { level, name, .. } => {
            let mut probes = record.restore_plan().into_iter().flat_map(|plan| &plan.probes);
            let probe = probes.find(|probe| probe.level == *level && probe.name == *name);
            let source = probe.map_or("container".into(), |probe| format!("container `{}`", probe.service));
            return Some(("Firedrill", Key, source));
        }
        Event::Impacted(_) | Event::Detected { .. } | Event::Recovered(_) => ("system", Key, "agent"),
        Event::Condition { .. } | Event::Alert(_) => ("system", Detail, "agent"),
        Event::Noted { .. } => ("person", Key, "note"),
        Event::MitigationStarted { .. } | Event::MitigationEnded => ("runbook", Key, "runner"),
        Event::ReadBack(_) => ("Firedrill", Key, "container"),
        Event::BackupSeen { .. } | Event::ContentNoted(_) => ("Firedrill", Detail, "container"),
        Event::Announced(_) | Event::Fault { .. } | Event::Judged { .. } | Event::Ended { .. } => {
            ("Firedrill", Key, "runner")
        }
        Event::PhaseStarted { .. }
        | Event::StackUp(_)
        | Event::SeverityMeasured(_)
        | Event::Disturbed { .. }
        | Event::Note { .. } => ("Firedrill", Detail, "runner"),
        _ => return None,
    };
    Some((actor, weight, source.into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::testing::{Story, events_of, record_of};

    #[test]
    fn times_count_from_the_injection_and_notes_stand_among_them() {
        let mut record = record_of(Story::Passed);
        let injected = record.injected_us().unwrap();
        let note = BesideNote {
            at_utc: utc(&record, DrillTime(injected.0 + 2_500_000)),
            by: "ada".into(),
            text: "it's the\nlock".into(),
        };
        let moment = of_note(&record, &note).unwrap();
        assert_eq!((moment.since.as_str(), moment.what.as_str()), ("+2.50 s", "ada: it's the lock"));
        let first = |record: &Record| timeline(record, &events_of(Story::Passed), 90).0[0].since.clone();
        assert!(first(&record).starts_with('-'), "{}", first(&record));
        record.faults.clear();
        assert_eq!(first(&record), "–");
    }
}
