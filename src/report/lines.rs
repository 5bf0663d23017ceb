//! The plain account of a drill: one line per event that matters, for logs and as what scrolls by above the live view.

use super::page::{Paint, fold, wrap};
use crate::output::{one_line, terminal_lines};
use crate::record::{Announcement, ComposeRecord, Event, Phase, StackRecord, Stamped};
use crate::view::format::seconds;
use crate::view::{StatusSymbol, event_line, words};
use std::collections::{BTreeMap, VecDeque};

/// How much is said while a drill runs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verbosity {
    /// Nothing: only the summary at the end.
    Quiet,
    /// What matters.
    #[default]
    Normal,
    /// The output of every command, waits, clocks.
    Verbose,
}

impl Verbosity {
    /// From `-q` and the number of `-v`.
    pub fn from_flags(quiet: bool, verbose: u8) -> Self {
        match (quiet, verbose) {
            (true, _) => Verbosity::Quiet,
            (false, 0) => Verbosity::Normal,
            (false, _) => Verbosity::Verbose,
        }
    }
}

/// Lines of a failed command's output that are shown when its output is not.
const OUTPUT_LINES: usize = 10;
/// Lines of a command that are shown; of a longer one the first of them, and how many there are.
const COMMAND_LINES: usize = 8;
/// Columns before the text of a line.
const INDENT: usize = 21;
/// What a command and its output begin with: they are shown as they are.
const VERBATIM: &str = "  ";
/// Bytes of a line of output that are kept while it is not ended.
const PARTIAL_BYTES: usize = 4096;

/// The last lines of a command's output.
#[derive(Debug, Default)]
pub struct Tail {
    lines: VecDeque<String>,
    partial: String,
}

impl Tail {
    /// Adds text; returns the lines that it ended, cleaned.
    pub fn push(&mut self, text: &str) -> Vec<String> {
        let mut ended = Vec::new();
        for (at, part) in text.split('\n').enumerate() {
            if at > 0 {
                // An empty line is a line as well.
                let line = terminal_lines(&std::mem::take(&mut self.partial)).into_iter().next();
                ended.push(line.unwrap_or_default());
            }
            if self.partial.len() < PARTIAL_BYTES {
                self.partial.push_str(part);
            }
        }
        self.lines.extend(ended.iter().cloned());
        while self.lines.len() > OUTPUT_LINES {
            self.lines.pop_front();
        }
        ended
    }

    /// The last `count` lines, the one that is not ended among them.
    pub fn last(&self, count: usize) -> Vec<String> {
        let open = terminal_lines(&self.partial);
        let all: Vec<String> = self.lines.iter().cloned().chain(open).collect();
        all.into_iter().rev().take(count).rev().collect()
    }

    /// The line that is not ended yet, if any; it counts as ended from now on.
    fn finish(&mut self) -> Option<String> {
        let line = std::mem::take(&mut self.partial);
        let line = terminal_lines(&line).into_iter().next()?;
        self.lines.push_back(line.clone());
        Some(line)
    }
}

/// Makes lines of events.
#[derive(Default)]
pub struct EventLines {
    /// How much is said.
    pub verbosity: Verbosity,
    /// In which colours.
    pub paint: Paint,
    /// Stands before every line, to tell drills apart that run side by side.
    pub label: Option<String>,
    plan: Option<Box<Announcement>>,
    phase: Option<Phase>,
    compose: Vec<String>,
    tail: Tail,
    attempt: u32,
    /// The command that the runbook waits for: its step and its number there.
    running: Option<(String, usize)>,
}

impl EventLines {
    /// Lines of no event yet; `label` is put before each line.
    pub fn new(verbosity: Verbosity, color: bool, label: Option<String>) -> Self {
        EventLines { verbosity, paint: Paint { color }, label, ..EventLines::default() }
    }

    /// The lines that an event is worth, each in one piece, or broken into lines of `width` columns with a hanging indent.
    pub fn of(&mut self, stamped: &Stamped, width: Option<usize>) -> Vec<String> {
        match &stamped.event {
            Event::Announced(plan) => self.plan = Some(plan.clone()),
            Event::PhaseStarted { phase } => self.phase = Some(*phase),
            _ => {}
        }
        let said = self.say(&stamped.event);
        if matches!(stamped.event, Event::PhaseEnded { .. }) {
            self.phase = None;
        }
        said.into_iter().map(|(mark, text)| self.line(stamped, mark, &text, width)).collect()
    }

    fn line(&self, stamped: &Stamped, mark: StatusSymbol, text: &str, width: Option<usize>) -> String {
        let at = format!("{:>8.2}s", stamped.at_us.0 as f64 / 1e6);
        let word = format!("{:<8}", self.phase.map_or("", Phase::name));
        let label = self.label.as_ref().map(|l| format!("{l}  ")).unwrap_or_default();
        // Commands and their output need no mark of their own.
        let verbatim = text.starts_with(VERBATIM);
        let sign = if verbatim { " ".to_string() } else { self.paint.marked(mark, mark.sign()) };
        let indent = console::measure_text_width(&label) + INDENT;
        let room = width.map(|width| width.saturating_sub(indent)).filter(|room| *room >= INDENT);
        let pieces = match room {
            None => vec![text.to_string()],
            Some(room) if verbatim => fold(text, room),
            Some(room) => wrap(text, room),
        };
        let paint =
            |piece: &String| if mark == StatusSymbol::Bad { self.paint.marked(mark, piece) } else { piece.clone() };
        let pieces: Vec<String> = pieces.iter().map(paint).collect();
        let text = pieces.join(&format!("\n{}", " ".repeat(indent)));
        let line = format!("{label}{} {} {sign} {text}", self.paint.dim(&at), self.paint.bold(&word));
        line.trim_end().to_string()
    }

    fn runs(&self, step: &str, command: usize) -> bool {
        self.running.as_ref().is_some_and(|(of, number)| of == step && *number == command)
    }

    fn alone(&self) -> bool {
        self.plan.as_ref().is_some_and(|plan| plan.alone)
    }

    fn verbose(&self) -> bool {
        self.verbosity >= Verbosity::Verbose
    }

    /// What an event is worth saying; texts are clean.
    fn say(&mut self, event: &Event) -> Vec<(StatusSymbol, String)> {
        let v = self.verbose();
        match event {
            Event::StackTook(ComposeRecord { what, took_us }) => {
                self.compose.push(format!("{what} {}", seconds(*took_us)))
            }
            Event::StackUp(StackRecord { project, localhost, .. }) => return vec![self.stack_up(project, localhost)],
            Event::UndoOutput { fault, text, failed } if v || *failed => {
                let mut said = vec![(StatusSymbol::Plain, one_line(&format!("the undo of {fault} wrote:")))];
                let lines = terminal_lines(text);
                let from = if v { 0 } else { lines.len().saturating_sub(OUTPUT_LINES) };
                said.extend(lines.into_iter().skip(from).map(output));
                return said;
            }
            Event::CommandStarted { text, background: true, .. } => {
                return command_lines(text, v, "  (in the background)");
            }
            Event::CommandStarted { step, command, text, attempt, .. } => {
                self.running = Some((step.clone(), *command));
                return self.command_starts(text, *attempt);
            }
            Event::Output { step, command, text, .. } => {
                // Of what runs in the background the record has every word.
                let runs = self.runs(step, *command);
                let ended = if runs { self.tail.push(text) } else { terminal_lines(text) };
                return if v { ended.into_iter().map(output).collect() } else { Vec::new() };
            }
            Event::CommandEnded { stopped: true, took_us, .. } if v => {
                let text = format!("ended what ran in the background, after {}", seconds(*took_us));
                return vec![(StatusSymbol::Plain, text)];
            }
            // What ended badly in the background is a note of its own.
            Event::CommandEnded { step, command, exit, took_us, timed_out, stopped, .. } => {
                let ends = !stopped && self.runs(step, *command);
                return if ends { self.command_ends(*exit, *took_us, *timed_out) } else { Vec::new() };
            }
            // Of what is looked at again and again the first time says enough.
            Event::Expected { met: false, attempt, .. } if !v && *attempt > 1 => return Vec::new(),
            // The step has said it, and there is no verdict.
            Event::Judged { verdict, .. } if self.alone() && !verdict.is_harness() && !v => return Vec::new(),
            Event::Ended { left, kept } => {
                let left = left.iter().map(|left| (StatusSymbol::Bad, one_line(&format!("left behind: {left}"))));
                let kept = kept.then(|| (StatusSymbol::Warn, "the stack was kept, as asked for".into()));
                return left.chain(kept).collect();
            }
            // It is told at the end what became of it.
            Event::Disturbed { .. } => return Vec::new(),
            _ => {}
        }
        let line = event_line(event, self.plan.as_deref()).filter(|line| v || !line.verbose);
        line.map(|line| (line.symbol, line.text)).into_iter().collect()
    }

    fn stack_up(&mut self, project: &str, localhost: &BTreeMap<String, String>) -> (StatusSymbol, String) {
        let took = std::mem::take(&mut self.compose).join(", ");
        let text = match (self.alone(), self.verbose()) {
            (true, _) => {
                let leads = localhost.iter().map(|(port, service)| format!("; localhost:{port} is {service}"));
                format!("the toolbox is up: {took}{}", leads.collect::<String>())
            }
            (false, true) => format!("the stack is up and healthy as {project}: {took}"),
            (false, false) => format!("the stack is up and healthy: {took}"),
        };
        (StatusSymbol::Good, one_line(&text))
    }

    fn command_starts(&mut self, text: &str, attempt: u32) -> Vec<(StatusSymbol, String)> {
        self.tail = Tail::default();
        self.attempt = attempt;
        if attempt > 1 && !self.verbose() {
            return Vec::new();
        }
        let again = if attempt > 1 { format!("  (attempt {attempt})") } else { String::new() };
        command_lines(text, self.verbose(), &again)
    }

    fn command_ends(&mut self, exit: i32, took_us: u64, timed_out: bool) -> Vec<(StatusSymbol, String)> {
        let rest = self.tail.finish();
        // Of a command that is tried again and again the first failure says enough.
        let is_told = (exit != 0 || timed_out) && (self.verbose() || self.attempt <= 1);
        let shown: Vec<String> = match (self.verbose(), is_told) {
            (true, _) => rest.into_iter().collect(),
            (false, true) => self.tail.last(OUTPUT_LINES),
            (false, false) => Vec::new(),
        };
        let mut said: Vec<_> = shown.into_iter().map(output).collect();
        if is_told {
            let how = if timed_out { words::TIMED_OUT.to_string() } else { words::exit(exit) };
            said.push((StatusSymbol::Warn, format!("{how} after {}", seconds(took_us))));
        }
        said
    }
}

/// A command as a terminal shows it, with a word behind its last line.
fn command_lines(text: &str, all: bool, behind: &str) -> Vec<(StatusSymbol, String)> {
    let lines = terminal_lines(text);
    let shown = if all || lines.len() <= COMMAND_LINES { lines.len() } else { COMMAND_LINES - 1 };
    let typed = words::prompted(lines.iter().take(shown));
    let mut said: Vec<_> = typed.map(|line| (StatusSymbol::Plain, format!("{VERBATIM}{line}"))).collect();
    if shown < lines.len() {
        said.push((StatusSymbol::Plain, format!("{VERBATIM}… {} more lines", lines.len() - shown)));
    }
    if let Some((_, last)) = said.last_mut() {
        last.push_str(behind);
    }
    said
}

fn output(line: String) -> (StatusSymbol, String) {
    (StatusSymbol::Plain, format!("{VERBATIM}│ {line}"))
}

#[cfg(test)]
mod tests;
