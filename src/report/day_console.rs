//! The console of a game day: at a terminal one line for each drill that runs, below what has happened; without one, the lines
//! of every drill behind its name.

use super::console::{Console, ConsoleOptions};
use super::lines::Verbosity;
use super::paint::Paint;
use super::text::{column, cut, right};
use crate::locked;
use crate::output::{Live, one_line, say};
use crate::record::{
    Cause, Day, DayEvent, DayObserver, DayStamped, Event, Observer, Phase, RunOutcome, Stamped, micros,
};
use crate::view::format::seconds;
use crate::view::{StatusSymbol, filters, template_lines};
use askama::Template;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// How often the live view is drawn when nothing happens.
const TICK: Duration = Duration::from_millis(250);
/// Stands before what concerns no single drill.
const DAY: &str = "game day";

/// Shows a game day while it runs. Clones show the same one.
#[derive(Clone)]
pub struct DayConsole {
    options: ConsoleOptions,
    board: Arc<Mutex<Board>>,
    view: Option<Live>,
}

/// What is seen now.
#[derive(Default)]
struct Board {
    day: Day,
    began: Option<Instant>,
    running: BTreeMap<usize, RunningRow>,
}

struct RunningRow {
    started: Instant,
    phase: Option<(Phase, Instant)>,
}

impl DayConsole {
    /// A console on standard error.
    pub fn new(options: ConsoleOptions) -> DayConsole {
        let board: Arc<Mutex<Board>> = Arc::default();
        // Who wants to see every command gets plain lines: a view cannot hold them.
        let live = options.live && options.verbosity == Verbosity::Normal;
        let shown = board.clone();
        let paint = Paint { color: options.color };
        let draw = move |lines, columns| locked(&shown).render(Instant::now(), columns, lines, paint);
        let view = live.then(|| Live::start(TICK, draw));
        DayConsole { options, board, view }
    }

    /// Who shows a drill that is about to begin.
    pub fn drill(&self, number: usize) -> Option<Box<dyn Observer>> {
        if self.options.verbosity == Verbosity::Quiet {
            return None;
        }
        if self.view.is_some() {
            let board = self.board.clone();
            return Some(Box::new(move |event: &Stamped| {
                if let Event::PhaseStarted { phase } = &event.event
                    && let Some(row) = locked(&board).running.get_mut(&number)
                {
                    row.phase = Some((*phase, Instant::now()));
                }
            }));
        }
        let board = locked(&self.board);
        let label = Some(column(&name(&board.day, number), width(&board.day)));
        let options = ConsoleOptions { live: false, label, ..self.options.clone() };
        Some(Box::new(Console::new(options)))
    }
}

impl Board {
    fn apply(&mut self, event: &DayStamped, day: &Day) {
        self.day = day.clone();
        self.began.get_or_insert_with(Instant::now);
        match &event.event {
            DayEvent::DrillStarted { number, .. } => {
                self.running.insert(*number, RunningRow { started: Instant::now(), phase: None });
            }
            DayEvent::DrillEnded { number, .. } => {
                self.running.remove(number);
            }
            _ => {}
        }
    }

    fn render(&self, now: Instant, width: usize, height: usize, paint: Paint) -> String {
        let account = self.day.account();
        let (running, over) = (self.running.len(), account.planned - account.not_run);
        let done = over.saturating_sub(account.incomplete);
        let took = self.began.map_or(0, |began| micros(now.saturating_duration_since(began)));
        let head = format!(
            "{} {}  {done} of {} over ({} passed, {} failed), {running} running",
            one_line(&self.day.plan.name),
            right(&seconds(took), 9),
            account.planned,
            account.passed + account.flaky,
            account.failed,
        );
        let (own, mut lines) = (self::width(&self.day), vec![paint.bold(&head)]);
        for (number, row) in &self.running {
            let took = |since: Instant| seconds(micros(now.saturating_duration_since(since)));
            let phase = row.phase.map_or("begins".to_string(), |(phase, since)| {
                format!("{} {}", column(phase.name(), 7), right(&took(since), 9))
            });
            let label = column(&name(&self.day, *number), own);
            lines.push(format!("  ▸ {label} {}  {phase}", right(&took(row.started), 9)));
        }
        lines.truncate(height.max(1));
        lines.iter().map(|line| cut(line, width)).collect::<Vec<_>>().join("\n")
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

impl DayObserver for DayConsole {
    fn on_day_event(&mut self, event: &DayStamped, day: &Day) {
        locked(&self.board).apply(event, day);
        if self.options.verbosity == Verbosity::Quiet {
            return;
        }
        let paint = Paint { color: self.options.color };
        let line = line(&event.event, day, width(day), paint);
        match &self.view {
            Some(view) => {
                line.iter().for_each(|line| view.say(line));
                if day.ended {
                    view.end();
                }
            }
            None => line.iter().for_each(|line| say(&format!("{line}\n"))),
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
    use crate::record::testing::{Story, events_of};
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
    fn the_live_view_has_a_line_for_each_drill_that_runs_and_fits_the_terminal() {
        let mut console = DayConsole::new(ConsoleOptions { live: true, ..ConsoleOptions::default() });
        let mut day = Day::default();
        let mut seen = Vec::new();
        for (at_us, event) in (0..).zip(events()) {
            let stamped = DayStamped { at_us, event };
            day.apply(&stamped);
            console.on_day_event(&stamped, &day);
            if at_us == 3 {
                let mut drill = console.drill(2).unwrap();
                events_of(Story::Passed).iter().take(3).for_each(|event| drill.on_event(event));
            }
            let board = locked(&console.board);
            let now = board.began.unwrap();
            let view = board.render(now, 76, 4, PLAIN);
            assert!(view.lines().count() <= 4 && view.lines().all(|line| console::measure_text_width(line) <= 76));
            seen.push(view);
        }
        insta::assert_snapshot!("the_live_view", seen[3]);
        assert_eq!(seen.last().unwrap().lines().count(), 2, "2 was started again and has no end");
        assert!(locked(&console.board).day.ended);
    }

    #[test]
    fn quiet_shows_no_drill() {
        let options = ConsoleOptions { verbosity: Verbosity::Quiet, ..ConsoleOptions::default() };
        assert!(DayConsole::new(options).drill(1).is_none());
    }
}
