//! The live view below the scrolling lines: the phase, every SLI over the last second, the faults, the alert condition, and
//! the step under way with the last lines of its output.

use super::lines::Tail;
use super::paint::Paint;
use super::text::{column, cut, right};
use crate::output::one_line;
use crate::record::{Announcement, Counts, DrillTime, Event, FaultEvent, Phase, Slice, Stamped};
use crate::view::StatusSymbol;
use crate::view::format::{percent, seconds};
use crate::view::words;
use std::collections::{BTreeMap, VecDeque};

/// Slices in the trailing window that is shown: one second.
const WINDOW: usize = 10;
/// Lines of output that are shown.
const OUTPUT_LINES: usize = 5;

/// What is seen now.
#[derive(Default)]
pub struct LiveView {
    plan: Option<Box<Announcement>>,
    phases: Vec<(Phase, DrillTime, Option<DrillTime>)>,
    recent: BTreeMap<String, VecDeque<Slice>>,
    faults: BTreeMap<String, (FaultEvent, DrillTime)>,
    alert: Option<(bool, Option<f64>)>,
    step: Option<StepNow>,
    /// Time of the last event.
    pub last: DrillTime,
    /// Whether the last event was seen.
    pub ended: bool,
}

struct StepNow {
    id: String,
    started: DrillTime,
    command: String,
    attempt: u32,
    tail: Tail,
}

impl LiveView {
    /// Takes note of an event.
    pub fn apply(&mut self, stamped: &Stamped) {
        let now = stamped.at_us;
        self.last = self.last.max(now);
        match &stamped.event {
            Event::Announced(plan) => self.plan = Some(plan.clone()),
            Event::PhaseStarted { phase } => self.phases.push((*phase, now, None)),
            Event::PhaseEnded { phase } => {
                if let Some(open) = self.phases.iter_mut().rev().find(|(p, _, end)| p == phase && end.is_none()) {
                    open.2 = Some(now);
                }
            }
            Event::Slice(slice) => {
                let recent = self.recent.entry(slice.load.clone()).or_default();
                recent.push_back(slice.clone());
                while recent.len() > WINDOW {
                    recent.pop_front();
                }
            }
            Event::Fault { fault, what, .. } => {
                self.faults.insert(fault.clone(), (*what, now));
            }
            Event::Condition { value, holds, .. } => self.alert = Some((*holds, *value)),
            Event::StepStarted { step } => {
                let (id, command) = (step.clone(), String::new());
                self.step = Some(StepNow { id, started: now, command, attempt: 1, tail: Tail::default() });
            }
            Event::CommandStarted { text, attempt, background: false, .. } => {
                if let Some(step) = &mut self.step {
                    step.command = one_line(text);
                    step.attempt = *attempt;
                    step.tail = Tail::default();
                }
            }
            Event::Output { text, .. } => {
                if let Some(step) = &mut self.step {
                    step.tail.push(text);
                }
            }
            Event::StepEnded { .. } => self.step = None,
            Event::Ended { .. } => self.ended = true,
            _ => {}
        }
    }

    /// The view at drill time `now`, at most `width` columns wide and `height` lines high.
    pub fn render(&self, now: DrillTime, width: usize, height: usize, paint: Paint) -> String {
        let mut lines = vec![self.phase_line(now, width, paint)];
        lines.extend(self.sli_lines(paint));
        lines.extend(self.fault_lines(now, paint));
        lines.extend(self.alert_line(paint));
        lines.extend(self.step_lines(now, paint));
        lines.truncate(height.max(1));
        lines.iter().map(|line| cut(line, width)).collect::<Vec<_>>().join("\n")
    }

    fn phase_line(&self, now: DrillTime, width: usize, paint: Paint) -> String {
        let name = self.plan.as_ref().map_or("drill".to_string(), |plan| one_line(&plan.scenario));
        let took = |(phase, from, to): &(Phase, DrillTime, Option<DrillTime>)| {
            format!("{} {}", phase.name(), seconds(to.unwrap_or(now).0.saturating_sub(from.0)))
        };
        let head = format!("{name} {}  ", right(&seconds(now.0), 9));
        let mut room = width.saturating_sub(console::measure_text_width(&head));
        // The phase under way must be seen; of the earlier ones as many as fit, the latest first.
        let mut shown: Vec<String> = Vec::new();
        for phase in self.phases.iter().rev() {
            let text = took(phase);
            let length = console::measure_text_width(&text) + 3;
            if !shown.is_empty() && length > room {
                break;
            }
            room = room.saturating_sub(length);
            shown.push(if phase.2.is_none() { paint.bold(&text) } else { paint.dim(&text) });
        }
        shown.reverse();
        format!("{}{}", paint.bold(&head), shown.join(" › "))
    }

    fn sli_lines(&self, paint: Paint) -> Vec<String> {
        let Some(plan) = self.plan.as_ref().filter(|_| !self.recent.is_empty()) else { return Vec::new() };
        let width = plan.slis.iter().map(|sli| console::measure_text_width(&sli.name)).max().unwrap_or(0).min(24);
        let line = |sli: &crate::record::SliInfo| {
            let slices = self.recent.get(&sli.load);
            let slices = slices.into_iter().flatten();
            let counts = slices.fold(Counts::default(), |sum, slice| Counts {
                good: sum.good.saturating_add(slice.good.get(&sli.name).copied().unwrap_or(0)),
                valid: sum.valid.saturating_add(slice.due),
            });
            let name = column(&one_line(&sli.name), width);
            let objective = percent(sli.objective);
            let Some(ratio) = counts.ratio() else {
                let mark = paint.marked(StatusSymbol::Warn, "?");
                return format!("  {mark} {name} no data  (objective {objective})");
            };
            let mark = if counts.meets(sli.objective) { StatusSymbol::Good } else { StatusSymbol::Bad };
            let word = if mark == StatusSymbol::Good { "meets" } else { "misses" };
            let now = paint.marked(mark, &format!("{} {name} {}", mark.sign(), right(&percent(ratio), 7)));
            let word = column(&format!("{word} {objective}"), 13);
            format!("  {now}  {word}  last second: {} of {} good", counts.good, counts.valid)
        };
        plan.slis.iter().map(line).collect()
    }

    fn fault_lines(&self, now: DrillTime, paint: Paint) -> Vec<String> {
        let line = |(id, (what, since)): (&String, &(FaultEvent, DrillTime))| {
            let (mark, word) = match what {
                // While the drill goes on, a fault in place is what to look at.
                FaultEvent::Confirmed => (StatusSymbol::Warn, words::station(*what).1),
                what => words::station(*what),
            };
            let since = seconds(now.0.saturating_sub(since.0));
            format!("  {} fault {} {word}, seen {since} ago", paint.marked(mark, mark.sign()), one_line(id))
        };
        self.faults.iter().map(line).collect()
    }

    fn alert_line(&self, paint: Paint) -> Option<String> {
        let when = one_line(self.plan.as_ref()?.detect.as_deref()?);
        let (holds, value) = self.alert?;
        let (mark, word) = if holds { (StatusSymbol::Warn, "holds") } else { (StatusSymbol::Plain, "does not hold") };
        let value = value.map(|value| format!(" (value {value})")).unwrap_or_default();
        Some(format!("  {} alert {when}: {word}{value}", paint.marked(mark, mark.sign())))
    }

    fn step_lines(&self, now: DrillTime, paint: Paint) -> Vec<String> {
        let (Some(step), Some(plan)) = (&self.step, &self.plan) else { return Vec::new() };
        let at = plan.steps.iter().position(|info| info.id == step.id);
        let info = at.and_then(|at| plan.steps.get(at));
        let title = info.map_or(step.id.clone(), |info| format!("{} ({})", info.title, info.at));
        let number = at.map_or(0, |at| at + 1);
        let took = seconds(now.0.saturating_sub(step.started.0));
        let title = paint.bold(&one_line(&title));
        let mut lines = vec![format!("  ▸ step {number} of {}, {took}: {title}", plan.steps.len())];
        if !step.command.is_empty() {
            let again = if step.attempt > 1 { format!("attempt {}: ", step.attempt) } else { String::new() };
            lines.push(format!("    {again}$ {}", step.command));
        }
        lines.extend(step.tail.last(OUTPUT_LINES).into_iter().map(|line| paint.dim(&format!("    │ {line}"))));
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::testing::{Story, events_of};

    const PLAIN: Paint = Paint { color: false };

    fn at(story: Story, ms: u64) -> String {
        let mut view = LiveView::default();
        let now = DrillTime(ms * 1000);
        events_of(story).iter().filter(|e| e.at_us <= now).for_each(|e| view.apply(e));
        view.render(now, 80, 24, PLAIN)
    }

    #[test]
    fn the_view_at_some_instants() {
        let seen = [1_000, 10_450, 11_000, 19_000].map(|ms| format!("--- {ms} ms\n{}", at(Story::Passed, ms)));
        insta::assert_snapshot!(seen.join("\n"));
    }

    #[test]
    fn it_fits_the_terminal_and_its_lines_are_clean() {
        let mut view = LiveView::default();
        for (seq, event) in events_of(Story::Killed).iter().enumerate() {
            view.apply(event);
            let hostile = Event::Output {
                step: String::new(),
                command: 0,
                stream: crate::record::Stream::Stdout,
                text: "\u{1b}[2J\u{7}bell\rover\nx".repeat(20),
            };
            view.apply(&Stamped { seq: seq as u64, at_us: event.at_us, event: hostile });
            for (width, height) in [(80, 24), (20, 3), (1, 1), (0, 0)] {
                let shown = view.render(view.last, width, height, PLAIN);
                assert!(shown.lines().count() <= height.max(1));
                assert!(shown.lines().all(|line| console::measure_text_width(line) <= width.max(1)), "{shown}");
                assert!(!shown.chars().any(|c| c.is_control() && c != '\n'));
            }
        }
    }

    #[test]
    fn without_any_event_there_is_something_to_see() {
        assert_eq!(LiveView::default().render(DrillTime(0), 80, 24, PLAIN), "drill    0.00 s  ");
    }
}
