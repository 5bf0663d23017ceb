//! The plain account of a drill: one line per event that matters, for logs and as what scrolls by above the live view.

use super::console::Verbosity;
use super::paint::Paint;
use super::text::{cut, fold, wrap};
use crate::output::{one_line, terminal_lines};
use crate::record::{
    Announcement, Check, CheckOutcome, Event, FaultEvent, Location, Phase, Stamped, StepStatus, Verdict,
};
use crate::view::Mark;
use crate::view::format::{declared, percent, requests, seconds};
use crate::view::words::{self, placed};
use std::collections::VecDeque;

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
        for part in text.split_inclusive('\n') {
            if self.partial.len() < PARTIAL_BYTES {
                self.partial.push_str(part.trim_end_matches('\n'));
            }
            if part.ends_with('\n') {
                let line = std::mem::take(&mut self.partial);
                // An empty line is a line as well.
                ended.push(terminal_lines(&line).into_iter().next().unwrap_or_default());
            }
        }
        for line in &ended {
            self.lines.push_back(line.clone());
        }
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
pub struct Lines {
    verbosity: Verbosity,
    paint: Paint,
    label: Option<String>,
    plan: Option<Box<Announcement>>,
    phase: Option<Phase>,
    compose: Vec<String>,
    tail: Tail,
    attempt: u32,
    /// The command that the runbook waits for: its step and its number there.
    running: Option<(String, usize)>,
}

impl Lines {
    /// For this verbosity; `label` stands before every line, to tell drills apart that run side by side.
    pub fn new(verbosity: Verbosity, color: bool, label: Option<String>) -> Self {
        Lines {
            verbosity,
            paint: Paint { color },
            label,
            plan: None,
            phase: None,
            compose: Vec::new(),
            tail: Tail::default(),
            attempt: 1,
            running: None,
        }
    }

    /// The lines that an event is worth, each in one piece, or broken into lines of `width` columns with a hanging indent.
    pub fn of(&mut self, stamped: &Stamped, width: Option<usize>) -> Vec<String> {
        if let Event::PhaseStarted { phase } = &stamped.event {
            self.phase = Some(*phase);
        }
        let said = self.say(&stamped.event);
        let every = self.verbosity == Verbosity::Debug && said.is_empty();
        let said = if every { vec![(Mark::Plain, debug(&stamped.event))] } else { said };
        if let Event::Announced(plan) = &stamped.event {
            self.plan = Some(plan.clone());
        }
        if matches!(stamped.event, Event::PhaseEnded { .. }) {
            self.phase = None;
        }
        said.into_iter().map(|(mark, text)| self.line(stamped, mark, &text, width)).collect()
    }

    fn line(&self, stamped: &Stamped, mark: Mark, text: &str, width: Option<usize>) -> String {
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
        let paint = |piece: &String| if mark == Mark::Bad { self.paint.marked(mark, piece) } else { piece.clone() };
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
    fn say(&mut self, event: &Event) -> Vec<(Mark, String)> {
        let one = |mark: Mark, text: String| vec![(mark, one_line(&text))];
        let verbose = |on: bool, text: String| if on { one(Mark::Plain, text) } else { Vec::new() };
        let v = self.verbose();
        match event {
            Event::Announced(plan) => {
                let severity = plan.severity.as_ref().map(|s| format!(" ({s})")).unwrap_or_default();
                let control = if plan.control { ", without its runbook (control)" } else { "" };
                one(Mark::Plain, format!("{}: {}{severity}{control}", plan.scenario, plan.title))
            }
            Event::PhaseStarted { phase } => self.begins(*phase).map(|t| one(Mark::Plain, t)).unwrap_or_default(),
            Event::PhaseEnded { phase } => verbose(v, format!("{} ends", phase.name())),
            Event::StackUp { localhost, .. } if self.alone() => {
                let took = std::mem::take(&mut self.compose).join(", ");
                let leads = localhost.iter().map(|(port, service)| format!("; localhost:{port} is {service}"));
                one(Mark::Good, format!("the toolbox is up: {took}{}", leads.collect::<String>()))
            }
            Event::StackUp { project, .. } => {
                let took = std::mem::take(&mut self.compose).join(", ");
                let project = if v { format!(" as {project}") } else { String::new() };
                one(Mark::Good, format!("the stack is up and healthy{project}: {took}"))
            }
            Event::StackTook { what, took_us } => {
                self.compose.push(format!("{what} {}", seconds(*took_us)));
                verbose(v && what == "down", format!("docker compose down took {}", seconds(*took_us)))
            }
            Event::Waited { what, took_us, met: true, .. } => {
                verbose(v, format!("waited {} for {what}", seconds(*took_us)))
            }
            Event::Waited { what, took_us, met: false, .. } => {
                one(Mark::Warn, format!("waited {} in vain for {what}", seconds(*took_us)))
            }
            Event::ClockOffset { agent, offset_us, rtt_us } => {
                let known = *rtt_us as f64 / 2000.0;
                verbose(v, format!("the clock of {agent} is {offset_us} µs off, known to {known:.2} ms"))
            }
            Event::Slice(_) => Vec::new(),
            Event::Late { count: 0, .. } | Event::Disturbed { .. } | Event::Machine(_) | Event::Usage(_) => Vec::new(),
            Event::Late { load, worst_us, count } => {
                one(Mark::Warn, format!("{} of {load} sent late, by up to {}", requests(*count), seconds(*worst_us)))
            }
            Event::Condition { when, value, holds } => {
                let value = value.map(|value| format!(" (value {value})")).unwrap_or_default();
                let holds = if *holds { "holds" } else { "does not hold" };
                verbose(v, format!("the alert condition {when} {holds}{value}"))
            }
            Event::Fault { fault, what, detail } => one(words::station(*what).0, self.fault(fault, *what, detail)),
            Event::UndoOutput { fault, text, failed } if v || *failed => {
                let mut said = one(Mark::Plain, format!("the undo of {fault} wrote:"));
                let lines = terminal_lines(text);
                let from = if v { 0 } else { lines.len().saturating_sub(OUTPUT_LINES) };
                said.extend(lines.into_iter().skip(from).map(output));
                said
            }
            Event::UndoOutput { .. } => Vec::new(),
            Event::Impacted { sli, ratio, .. } => verbose(v, format!("{sli} fell to {}", percent(*ratio))),
            Event::Detected { .. } => verbose(v, "the alert condition held".into()),
            Event::Recovered { sli, .. } => {
                let who = if sli.is_empty() { "every SLI" } else { sli.as_str() };
                verbose(v, format!("{who} recovered"))
            }
            Event::WindowHeld { from_us, to_us, .. } => {
                verbose(v, format!("every SLI held for {}", seconds(to_us.0.saturating_sub(from_us.0))))
            }
            Event::HoldRequired(hold) => {
                let text = format!("a recovery counts once every SLI has held for {}", words::hold_required(hold));
                if hold.required_us > hold.configured_us { one(Mark::Plain, text) } else { verbose(v, text) }
            }
            Event::Relapsed { .. } => one(Mark::Bad, "users lost the service again".into()),
            Event::Invariant(answer) => {
                let text = format!("{} {}: {}", answer.name, answer.time.in_words(), answer.evidence);
                if answer.held { verbose(v, text) } else { one(Mark::Bad, text) }
            }
            Event::MitigationStarted => verbose(v, "the mitigation starts".into()),
            Event::MitigationEnded => verbose(v, "the mitigation ends".into()),
            Event::StepStarted { step } => self.step_starts(step).map(|t| one(Mark::Plain, t)).unwrap_or_default(),
            Event::CommandStarted { text, background: true, .. } => command_lines(text, v, "  (in the background)"),
            Event::CommandStarted { step, command, text, attempt, .. } => {
                self.running = Some((step.clone(), *command));
                self.command_starts(text, *attempt)
            }
            Event::Output { step, command, text, .. } if !self.runs(step, *command) => {
                // Of what runs in the background the record has every word.
                if v { terminal_lines(text).into_iter().map(output).collect() } else { Vec::new() }
            }
            Event::Output { text, .. } => {
                let ended = self.tail.push(text);
                if v { ended.into_iter().map(output).collect() } else { Vec::new() }
            }
            Event::CommandEnded { stopped: true, took_us, .. } => {
                verbose(v, format!("ended what ran in the background, after {}", seconds(*took_us)))
            }
            // What ended badly there is a note of its own.
            Event::CommandEnded { step, command, .. } if !self.runs(step, *command) => Vec::new(),
            Event::CommandEnded { exit, took_us, timed_out, .. } => self.command_ends(*exit, *took_us, *timed_out),
            Event::Expected { what, met: true, evidence, .. } => verbose(v, format!("as expected: {what}: {evidence}")),
            Event::Expected { what, met: false, evidence, attempt, .. } => match v || *attempt == 1 {
                true => one(Mark::Warn, format!("not as expected: {what}: {evidence}")),
                false => Vec::new(),
            },
            Event::StepEnded { step, status, reason, at } => {
                self.step_ends(step, *status, reason.as_deref(), at.as_ref())
            }
            // Hundreds of them; what became of them is told at the end.
            Event::Written { .. } => Vec::new(),
            Event::BackupSeen { facts } => {
                let facts: Vec<String> = facts.iter().map(|(key, value)| format!("{key} {value}")).collect();
                one(Mark::Plain, format!("the backup: {}", facts.join(", ")))
            }
            Event::ContentNoted { name, text } => verbose(v, format!("{name} before the fault: {text}")),
            Event::Probed { level, name, held, evidence } => {
                one(if *held { Mark::Good } else { Mark::Bad }, format!("{level} {name}: {evidence}"))
            }
            Event::ReadBack { survivors, evidence, .. } => {
                one(if survivors.is_some() { Mark::Good } else { Mark::Bad }, format!("read back: {evidence}"))
            }
            Event::CheckEnded { check, outcome, .. } => checked(check, outcome),
            Event::Note { text } => one(Mark::Plain, text.clone()),
            // The step has said it, and there is no verdict.
            Event::Judged { verdict, .. } if self.alone() && !verdict.is_harness() && !v => Vec::new(),
            Event::Judged { verdict, reason, at } => {
                let mark = if *verdict == Verdict::Passed { Mark::Good } else { Mark::Bad };
                one(mark, format!("verdict {verdict}: {}", placed(at.as_ref(), reason)))
            }
            Event::Ended { left, kept } => {
                let mut said: Vec<_> =
                    left.iter().map(|left| (Mark::Bad, one_line(&format!("left behind: {left}")))).collect();
                if *kept {
                    said.push((Mark::Warn, "the stack was kept, as asked for".into()));
                }
                said
            }
        }
    }

    fn begins(&self, phase: Phase) -> Option<String> {
        let plan = self.plan.as_deref()?;
        let windows = &plan.windows;
        let text = match phase {
            Phase::Up => format!("starting {}", plan.stack_file.path),
            Phase::Steady => format!("every SLI must meet its objective for {}", declared(windows.steady_us)),
            Phase::Impact if windows.impact_none => {
                format!("no SLI may miss its objective for {}", declared(windows.impact_within_us))
            }
            Phase::Impact => format!("an SLI must fall within {}", declared(windows.impact_within_us)),
            Phase::Respond => {
                let path = plan.runbook_file.as_ref().map_or("the runbook", |file| file.path.as_str());
                format!("following {path}, {}", words::many(plan.steps.len(), "step"))
            }
            Phase::Recover if plan.control => {
                format!("without the runbook no recovery may come within {}", declared(windows.recover_within_us))
            }
            Phase::Recover => {
                let within = declared(windows.recover_within_us);
                let limit = plan.rto_us().map_or_else(
                    || "no recovery time objective".to_string(),
                    |rto| format!("recovery time objective {}", declared(rto)),
                );
                let after = if plan.runbook_file.is_some() { "last mitigating step" } else { "injection" };
                format!("every SLI must recover within {within} of the {after}; {limit}")
            }
            Phase::Revert => "undoing every fault".into(),
            Phase::Down if plan.alone => "removing the toolbox".into(),
            Phase::Down => "removing the stack".into(),
            Phase::Inject | Phase::Detect => return None,
        };
        Some(text)
    }

    fn fault(&self, id: &str, what: FaultEvent, detail: &str) -> String {
        let info = self.plan.as_ref().and_then(|p| p.faults.iter().find(|f| f.id == id));
        match what {
            FaultEvent::Injecting => format!("{id}: {}", info.map_or(detail, |f| f.summary.as_str())),
            what => format!("{id} {}: {detail}", words::station(what).1),
        }
    }

    fn step_starts(&mut self, id: &str) -> Option<String> {
        let plan = self.plan.as_deref()?;
        let at = plan.steps.iter().position(|step| step.id == id)?;
        let step = plan.steps.get(at)?;
        let replaced = step.replaced.as_ref();
        let replaced = replaced.map(|replaced| format!(", replaced by {}", replaced.by)).unwrap_or_default();
        let (number, of) = (at + 1, plan.steps.len());
        Some(format!("step {number} of {of}: {} ({}, {}{replaced})", step.title, step.phase, step.at))
    }

    fn command_starts(&mut self, text: &str, attempt: u32) -> Vec<(Mark, String)> {
        self.tail = Tail::default();
        self.attempt = attempt;
        if attempt > 1 && !self.verbose() {
            return Vec::new();
        }
        let again = if attempt > 1 { format!("  (attempt {attempt})") } else { String::new() };
        command_lines(text, self.verbose(), &again)
    }

    fn command_ends(&mut self, exit: i32, took_us: u64, timed_out: bool) -> Vec<(Mark, String)> {
        let mut said = Vec::new();
        let rest = self.tail.finish();
        if self.verbose() {
            said.extend(rest.map(output));
        }
        if exit == 0 && !timed_out {
            return said;
        }
        // Of a command that is tried again and again the first failure says enough.
        if !self.verbose() && self.attempt > 1 {
            return said;
        }
        if !self.verbose() {
            said.extend(self.tail.last(OUTPUT_LINES).into_iter().map(output));
        }
        let how = if timed_out { words::TIMED_OUT.to_string() } else { words::exit(exit) };
        said.push((Mark::Warn, format!("{how} after {}", seconds(took_us))));
        said
    }

    fn step_ends(
        &self,
        id: &str,
        status: StepStatus,
        reason: Option<&str>,
        at: Option<&Location>,
    ) -> Vec<(Mark, String)> {
        let reason = reason.map(|reason| format!(": {}", placed(at, reason))).unwrap_or_default();
        let said = match status {
            StepStatus::Passed => (Mark::Good, format!("step passed{reason}")),
            StepStatus::Warned => (Mark::Warn, format!("step passed with a warning{reason}")),
            StepStatus::Failed => (Mark::Bad, format!("step failed{reason}")),
            StepStatus::Blocked => (Mark::Bad, format!("step blocked, nothing of it ran{reason}")),
            // It never started, so its name is said here.
            StepStatus::Skipped => {
                let info = self.plan.as_ref().and_then(|p| p.steps.iter().find(|s| s.id == id));
                let why = reason.strip_prefix(": ").map(|why| format!(" ({why})")).unwrap_or_default();
                (Mark::Skip, format!("step skipped: {}{why}", info.map_or(id, |s| s.title.as_str())))
            }
        };
        vec![(said.0, one_line(&said.1))]
    }
}

/// A command as a terminal shows it, with a word behind its last line.
fn command_lines(text: &str, all: bool, behind: &str) -> Vec<(Mark, String)> {
    let lines = terminal_lines(text);
    let sign = |i| if i == 0 { "$" } else { ">" };
    let shown = if all || lines.len() <= COMMAND_LINES { lines.len() } else { COMMAND_LINES - 1 };
    let mut said: Vec<_> = lines
        .iter()
        .take(shown)
        .enumerate()
        .map(|(i, line)| (Mark::Plain, format!("{VERBATIM}{} {line}", sign(i))))
        .collect();
    if shown < lines.len() {
        said.push((Mark::Plain, format!("{VERBATIM}… {} more lines", lines.len() - shown)));
    }
    if let Some((_, last)) = said.last_mut() {
        last.push_str(behind);
    }
    said
}

fn output(line: String) -> (Mark, String) {
    (Mark::Plain, format!("{VERBATIM}│ {line}"))
}

/// What a check is worth saying: what its own events have told already is not told again.
fn checked(check: &Check, outcome: &CheckOutcome) -> Vec<(Mark, String)> {
    let told = matches!(check, Check::Step { .. } | Check::Injection { .. });
    let name = words::check(check);
    let said = match outcome {
        CheckOutcome::Passed { .. } | CheckOutcome::Skipped { .. } if told => return Vec::new(),
        CheckOutcome::Failed { .. } if matches!(check, Check::Step { .. }) => return Vec::new(),
        CheckOutcome::Passed { evidence } => (Mark::Good, format!("{name}: {evidence}")),
        CheckOutcome::Failed { reason, at } => (Mark::Bad, format!("{name}: {}", placed(at.as_ref(), reason))),
        CheckOutcome::Error { reason, at } => {
            (Mark::Bad, format!("{name} could not be told: {}", placed(at.as_ref(), reason)))
        }
        CheckOutcome::Skipped { reason } => (Mark::Skip, format!("{name} skipped: {reason}")),
    };
    vec![(said.0, one_line(&said.1))]
}

/// An event in short, for those who want to see every one.
fn debug(event: &Event) -> String {
    let text = serde_json::to_string(event).unwrap_or_else(|error| format!("{event:?} ({error})"));
    cut(&one_line(&text), 400)
}

#[cfg(test)]
mod tests;
