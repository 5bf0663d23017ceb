//! The console of a game day: what happens to it, and the lines of every drill behind its name.

use super::console::{Console, ConsoleOptions};
use super::lines::Verbosity;
use super::page::{Paint, column};
use crate::locked;
use crate::output::{one_line, say};
use crate::record::{Cause, Day, DayEvent, DayStamped, Observer, RunOutcome};
use crate::view::{StatusSymbol, filters, template_lines};
use askama::Template;
use std::sync::{Arc, Mutex};

/// Stands before what concerns no single drill.
const DAY: &str = "game day";

/// Shows a game day while it runs. Clones show the same one.
#[derive(Clone)]
pub struct DayConsole {
    options: ConsoleOptions,
    day: Arc<Mutex<Day>>,
}

impl DayConsole {
    /// A console on standard error.
    pub fn new(options: ConsoleOptions) -> DayConsole {
        DayConsole { options, day: Arc::default() }
    }

    /// Who shows a drill that is about to begin.
    pub fn drill(&self, number: usize) -> Option<Box<dyn Observer>> {
        if self.options.verbosity == Verbosity::Quiet {
            return None;
        }
        let day = locked(&self.day);
        let label = Some(column(&name(&day, number), width(&day)));
        let options = ConsoleOptions { live: false, label, ..self.options.clone() };
        Some(Box::new(Console::new(options)))
    }
}

/// Columns for the names of drills.
fn width(day: &Day) -> usize {
    day.plan.drills.iter().map(|drill| drill.label().chars().count()).max().unwrap_or(0).clamp(8, 34)
}

fn name(day: &Day, number: usize) -> String {
    let drill = day.drills.iter().find(|drill| drill.planned.number == number);
    drill.map_or_else(|| format!("drill {number}"), |drill| one_line(&drill.planned.label()))
}

impl Observer<DayStamped> for DayConsole {
    fn on_event(&mut self, event: &DayStamped) {
        let mut day = locked(&self.day);
        day.apply(event);
        if self.options.verbosity == Verbosity::Quiet {
            return;
        }
        if let Some(line) = line(&event.event, &day, width(&day), Paint { color: self.options.color }) {
            say(&format!("{line}\n"));
        }
    }
}

#[derive(Template)]
#[template(path = "day_event.txt")]
struct DayEventText<'a> {
    event: &'a DayEvent,
    paint: Paint,
}

impl DayEventText<'_> {
    /// How a drill came out.
    fn came(&self, outcome: &RunOutcome, disturbed: &bool) -> String {
        let word = if *disturbed { "disturbed" } else { outcome.status().name() };
        let mark = outcome.status().mark();
        self.paint.headline(mark, &format!("{} {}", mark.sign(), word.to_uppercase()))
    }
}

/// What is said about an event.
fn line(event: &DayEvent, day: &Day, width: usize, paint: Paint) -> Option<String> {
    let who = match event {
        DayEvent::DrillStarted { number, .. }
        | DayEvent::DrillEnded { number, .. }
        | DayEvent::DrillNotRun { number, .. } => name(day, *number),
        _ => DAY.to_string(),
    };
    let text = template_lines(&DayEventText { event, paint }).join(" ");
    (!text.is_empty()).then(|| format!("{}  {text}", paint.bold(&column(&who, width))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{DayPlan, PlannedDrill, Verdict};

    const PLAIN: Paint = Paint { color: false };

    fn events() -> Vec<DayEvent> {
        let drill = |number: usize, scenario: &str| PlannedDrill {
            number,
            scenario: scenario.into(),
            title: String::new(),
            tags: vec![],
            repetition: number as u32,
            control: number == 3,
        };
        let drills = vec![drill(1, "db-pool"), drill(2, "upstream-503"), drill(3, "x")];
        let limits = "2: memory for 9, processors for 2, address pools for 14".to_string();
        let plan = DayPlan { name: "nightly".into(), limits, drills, ..DayPlan::default() };
        let started = |number, attempt, cause, waited_us| DayEvent::DrillStarted {
            number,
            attempt,
            run: format!("run-{number}"),
            cause,
            running: 1,
            waited_us,
        };
        let ended = |number, verdict, outcome, disturbed, reason: &str| DayEvent::DrillEnded {
            number,
            attempt: 1,
            run: format!("run-{number}"),
            verdict,
            outcome,
            disturbed,
            reason: reason.into(),
        };
        vec![
            DayEvent::DayAnnounced(Box::new(plan)),
            DayEvent::ImagesReady { took_us: 1_200_000 },
            started(1, 1, Cause::Planned, 0),
            started(2, 1, Cause::Planned, 2_000_000),
            ended(1, Verdict::NotRecovered, RunOutcome::Failed, false, "users did not\u{1b}[2J recover\nmore"),
            started(1, 2, Cause::Retry, 0),
            ended(2, Verdict::HarnessError, RunOutcome::Broken, true, "the machine was too busy"),
            ended(1, Verdict::Passed, RunOutcome::Passed, false, ""),
            started(2, 2, Cause::Disturbed, 0),
            DayEvent::DrillNotRun { number: 3, why: "interrupted".into() },
            DayEvent::DayNote { text: "a note".into() },
            DayEvent::DayEnded,
        ]
    }

    #[test]
    fn every_event_as_a_line() {
        let mut day = Day::default();
        let mut said = Vec::new();
        for (at_us, event) in (0..).zip(events()) {
            day.apply(&DayStamped { at_us, event: event.clone() });
            said.extend(line(&event, &day, 12, PLAIN));
        }
        insta::assert_snapshot!(said.join("\n"));
    }

    #[test]
    fn quiet_shows_no_drill() {
        let options = ConsoleOptions { verbosity: Verbosity::Quiet, ..ConsoleOptions::default() };
        assert!(DayConsole::new(options).drill(1).is_none());
    }
}
