//! The live view below the scrolling lines: the phase, every SLI over the last second, and the step under way with the last lines
//! of its output.

use super::lines::Tail;
use super::page::{Paint, column, cut, right};
use crate::output::one_line;
use crate::record::{DrillTime, Event, LoadSeries, PhaseRecord, Record, Stamped};
use crate::view::StatusSymbol;
use crate::view::format::{percent, seconds};

/// The trailing window that is shown, in microseconds: one second.
const WINDOW_US: u64 = 1_000_000;
/// Lines of output that are shown.
const OUTPUT_LINES: usize = 5;

/// What is seen now.
#[derive(Default)]
pub struct LiveView {
    /// What is known of the drill by now.
    pub record: Record,
    tail: Tail,
}

impl LiveView {
    /// Takes note of an event.
    pub fn apply(&mut self, stamped: &Stamped) {
        self.record.apply(stamped);
        match &stamped.event {
            Event::StepStarted { .. } | Event::CommandStarted { background: false, .. } => self.tail = Tail::default(),
            Event::Output { text, .. } => drop(self.tail.push(text)),
            _ => {}
        }
    }

    /// The view at drill time `now`, at most `width` columns wide and `height` lines high.
    pub fn render(&self, now: DrillTime, width: usize, height: usize, paint: Paint) -> String {
        let mut lines = vec![self.phase_line(now, width, paint)];
        lines.extend(self.sli_lines(paint));
        lines.extend(self.step_lines(now, paint));
        lines.truncate(height.max(1));
        lines.iter().map(|line| cut(line, width)).collect::<Vec<_>>().join("\n")
    }

    fn phase_line(&self, now: DrillTime, width: usize, paint: Paint) -> String {
        let name = self.record.plan.as_ref().map_or("drill".to_string(), |plan| one_line(&plan.scenario));
        let took = |of: &PhaseRecord| {
            format!("{} {}", of.phase.name(), seconds(of.ended_us.unwrap_or(now).0.saturating_sub(of.started_us.0)))
        };
        let head = format!("{name} {}  ", right(&seconds(now.0), 9));
        let mut room = width.saturating_sub(console::measure_text_width(&head));
        // The phase under way must be seen; of the earlier ones as many as fit, the latest first.
        let mut shown: Vec<String> = Vec::new();
        for phase in self.record.phases.iter().rev() {
            let text = took(phase);
            let length = console::measure_text_width(&text) + 3;
            if !shown.is_empty() && length > room {
                break;
            }
            room = room.saturating_sub(length);
            shown.push(if phase.ended_us.is_none() { paint.bold(&text) } else { paint.dim(&text) });
        }
        shown.reverse();
        format!("{}{}", paint.bold(&head), shown.join(" › "))
    }

    fn sli_lines(&self, paint: Paint) -> Vec<String> {
        let Some(plan) = self.record.plan.as_ref().filter(|_| !self.record.loads.is_empty()) else { return Vec::new() };
        let width = plan.slis.iter().map(|sli| console::measure_text_width(&sli.name)).max().unwrap_or(0).min(24);
        let line = |sli: &crate::record::SliInfo| {
            let series = self.record.loads.iter().find(|series| series.load == sli.load);
            let end = series.map_or(DrillTime(0), LoadSeries::end_us);
            let counts = self.record.counts(&sli.name, DrillTime(end.0.saturating_sub(WINDOW_US)), end);
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

    fn step_lines(&self, now: DrillTime, paint: Paint) -> Vec<String> {
        let step = self.record.steps.last().filter(|step| step.ended_us.is_none());
        let (Some(step), Some(plan)) = (step, &self.record.plan) else { return Vec::new() };
        let at = plan.steps.iter().position(|info| info.id == step.step);
        let info = at.and_then(|at| plan.steps.get(at));
        let title = info.map_or(step.step.clone(), |info| format!("{} ({})", info.title, info.at));
        let number = at.map_or(0, |at| at + 1);
        let took = seconds(now.0.saturating_sub(step.started_us.0));
        let title = paint.bold(&one_line(&title));
        let mut lines = vec![format!("  ▸ step {number} of {}, {took}: {title}", plan.steps.len())];
        let commands = step.commands.iter().filter(|command| !command.background);
        if let Some(command) = commands.max_by_key(|command| command.attempt_started_us) {
            let again = if command.attempts > 1 { format!("attempt {}: ", command.attempts) } else { String::new() };
            lines.push(format!("    {again}$ {}", one_line(&command.text)));
        }
        lines.extend(self.tail.last(OUTPUT_LINES).into_iter().map(|line| paint.dim(&format!("    │ {line}"))));
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
                let shown = view.render(view.record.last_us, width, height, PLAIN);
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
