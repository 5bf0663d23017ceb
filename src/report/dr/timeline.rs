//! The timeline of a drill: what happened when, who did it, and in which line of the evidence it stands.

use super::Moment;
use super::drill::utc;
use crate::output::one_line;
use crate::record::{DrillTime, Event, Location, Record, Stamped, StepStatus};
use crate::view::event_line;
use crate::view::format::seconds;
use crate::view::words::{TIMED_OUT, exit as exit_code};
use std::collections::BTreeMap;

/// A timeline is not longer than this; the rest stands in `events.jsonl`.
const MOST: usize = 90;
/// Longest text of a moment, in characters.
const WIDTH: usize = 300;

/// The moments in the order of their times, and how many were left out.
pub(super) fn timeline(record: &Record, events: &[Stamped]) -> (Vec<Moment>, usize) {
    let seen = EventIndex::of(events);
    let mut held: BTreeMap<(u8, &str), bool> = BTreeMap::new();
    let mut all: Vec<TimelineRow> = Vec::new();
    for stamped in events {
        let told = match &stamped.event {
            // Every mitigating step ends what may be the last one: only afterwards it is known which was.
            Event::MitigationEnded if seen.mitigated != Some(stamped.seq) => None,
            // Nobody began what was skipped.
            Event::StepStarted { step } if seen.ends.get(step.as_str()) == Some(&StepStatus::Skipped) => None,
            Event::CommandEnded { .. } => seen.command(stamped),
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
        let Some((what, (actor, weight))) = told.zip(seen.actor(record, &stamped.event)) else { continue };
        let source = seen.source(record, stamped);
        all.push(TimelineRow { at: happened(stamped), seq: stamped.seq, weight, actor, what, source });
    }
    all.sort_by_key(|row| (row.at, row.seq));
    let omitted = shorten(&mut all);
    let moment = |row: TimelineRow| {
        let TimelineRow { at, seq, actor, what, source, .. } = row;
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

fn words(record: &Record, event: &Event) -> Option<String> {
    Some(event_line(event, record.plan.as_deref())?.text)
}

/// When it happened: some events are told later than that.
fn happened(stamped: &Stamped) -> DrillTime {
    match &stamped.event {
        Event::Impacted { impact_us: at, .. }
        | Event::Detected { detected_us: at }
        | Event::Recovered { recovered_us: at, .. }
        | Event::ReadBack { asked_us: at, .. } => *at,
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

/// A moment as it is gathered.
struct TimelineRow {
    at: DrillTime,
    seq: u64,
    weight: TimelineWeight,
    actor: &'static str,
    what: String,
    source: String,
}

/// Leaves out what matters least, the latest of it first; tells how much that was.
fn shorten(all: &mut Vec<TimelineRow>) -> usize {
    let before = all.len();
    for weight in [TimelineWeight::Command, TimelineWeight::Detail] {
        let kept = all.iter().filter(|row| row.weight != weight).count();
        let mut room = MOST.saturating_sub(kept);
        all.retain(|row| {
            let keeps = row.weight != weight || room > 0;
            room -= usize::from(keeps && row.weight == weight);
            keeps
        });
    }
    before - all.len()
}

/// What of the events is needed to tell another one.
struct EventIndex<'a> {
    /// How every step ended.
    ends: BTreeMap<&'a str, StepStatus>,
    /// Of every command its place, its text and its last attempt.
    commands: BTreeMap<(&'a str, usize), (&'a Location, &'a str, u32)>,
    /// Of every command the event of its last end.
    last: BTreeMap<(&'a str, usize), u64>,
    /// The end of the mitigation.
    mitigated: Option<u64>,
}

impl<'a> EventIndex<'a> {
    fn of(events: &'a [Stamped]) -> EventIndex<'a> {
        let mut story =
            EventIndex { ends: BTreeMap::new(), commands: BTreeMap::new(), last: BTreeMap::new(), mitigated: None };
        for stamped in events {
            match &stamped.event {
                Event::StepEnded { step, status, .. } => drop(story.ends.insert(step, *status)),
                Event::CommandStarted { step, command, at, text, attempt, .. } => {
                    story.commands.insert((step, *command), (at, text, *attempt));
                }
                Event::CommandEnded { step, command, .. } => drop(story.last.insert((step, *command), stamped.seq)),
                Event::MitigationEnded => story.mitigated = Some(stamped.seq),
                _ => {}
            }
        }
        story
    }

    /// The end of the last attempt of a command.
    fn command(&self, stamped: &Stamped) -> Option<String> {
        let Event::CommandEnded { step, command, exit, took_us, timed_out, stopped, .. } = &stamped.event else {
            return None;
        };
        let key = (step.as_str(), *command);
        let (_, text, attempt) = self.commands.get(&key).filter(|_| self.last.get(&key) == Some(&stamped.seq))?;
        let tries = if *attempt > 1 { format!(", attempt {attempt}") } else { String::new() };
        let end = match (timed_out, stopped) {
            (true, _) => TIMED_OUT.to_string(),
            (_, true) => "ended with the runbook".to_string(),
            _ => exit_code(*exit),
        };
        let text = text.lines().next().unwrap_or_default().replace('`', "'");
        Some(format!("`{text}`: {end} after {}{tries}", seconds(*took_us)))
    }

    /// Who did it, and how much it matters; `None` for what is no part of a timeline.
    fn actor(&self, record: &Record, event: &Event) -> Option<(&'static str, TimelineWeight)> {
        // A person is named only where somebody confirmed the step.
        let by = |step: &str| match (record.step_info(step), self.ends.get(step)) {
            (Some(info), Some(StepStatus::Passed)) if info.manual => "person",
            (Some(info), _) if info.manual => "Firedrill",
            _ => "runbook",
        };
        Some(match event {
            Event::CommandEnded { .. } => ("runbook", TimelineWeight::Command),
            Event::Impacted { .. } | Event::Detected { .. } | Event::Recovered { .. } => {
                ("system", TimelineWeight::Key)
            }
            Event::Condition { .. } => ("system", TimelineWeight::Detail),
            Event::MitigationStarted | Event::MitigationEnded => ("runbook", TimelineWeight::Key),
            Event::StepStarted { step } | Event::StepEnded { step, status: StepStatus::Passed, .. } => {
                (by(step), TimelineWeight::Detail)
            }
            Event::StepEnded { status: StepStatus::Skipped, .. } => ("Firedrill", TimelineWeight::Detail),
            Event::StepEnded { .. } => ("runbook", TimelineWeight::Detail),
            Event::Announced(_)
            | Event::Fault { .. }
            | Event::Probed { .. }
            | Event::ReadBack { .. }
            | Event::Judged { .. }
            | Event::Ended { .. } => ("Firedrill", TimelineWeight::Key),
            Event::PhaseStarted { .. }
            | Event::StackUp { .. }
            | Event::BackupSeen { .. }
            | Event::ContentNoted { .. }
            | Event::Disturbed { .. }
            | Event::Note { .. } => ("Firedrill", TimelineWeight::Detail),
            _ => return None,
        })
    }

    /// Who reported it.
    fn source(&self, record: &Record, stamped: &Stamped) -> String {
        let place = match &stamped.event {
            Event::CommandEnded { step, command, .. } => {
                self.commands.get(&(step.as_str(), *command)).map(|(at, ..)| at.to_string())
            }
            Event::StepStarted { step } | Event::StepEnded { step, .. } => {
                record.step_info(step).map(|info| info.at.to_string())
            }
            Event::Impacted { .. } | Event::Condition { .. } | Event::Detected { .. } | Event::Recovered { .. } => {
                Some("agent".into())
            }
            Event::Probed { level, name, .. } => {
                let probes = record.restore_plan().map(|plan| plan.probes.as_slice()).unwrap_or_default();
                let probe = probes.iter().find(|probe| probe.level == *level && probe.name == *name);
                Some(probe.map_or_else(|| "container".into(), |probe| format!("container `{}`", probe.service)))
            }
            Event::BackupSeen { .. } | Event::ContentNoted { .. } | Event::ReadBack { .. } => Some("container".into()),
            _ => None,
        };
        place.unwrap_or_else(|| "runner".into())
    }
}
