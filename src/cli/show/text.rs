//! A runbook for people, as `firedrill show` and `--dry-run` print it.

use super::{ShownInput, View, inputs};
use crate::output::visible;
use crate::programs::EffectKind;
use crate::report::many as count;
use crate::runbook::{BlockSettings, CodeBlock, Command, Handling, LeftOut, RunbookInput, Step, unified_name};
use crate::stack::Place;
use serde_json::Value;
use std::collections::BTreeSet;

/// The runbook for people, and whether a step of it would be blocked.
pub(super) fn text(view: &View) -> (String, bool) {
    let runbook = &view.runbook;
    let mut out = String::new();
    line(&mut out, &format!("{} — {}", runbook.source.path.display(), runbook.title));
    if let Some(plan) = &view.plan {
        line(&mut out, &format!("as {} follows it", plan.source.path.display()));
    }
    let commands = runbook.steps.iter().filter(|step| !step.commands().is_empty()).count();
    let skipped = runbook.steps.iter().filter(|step| is_skipped(step)).count();
    let people = runbook.steps.len() - commands - skipped;
    let skipped = if skipped > 0 { format!(", {skipped} skipped") } else { String::new() };
    let steps = count(runbook.steps.len(), "step");
    line(&mut out, &format!("{steps}: {commands} with commands, {people} for a person{skipped}"));
    show_inputs(&mut out, view, &inputs(view));
    let mut steps = ShownSteps { view, out, captured: BTreeSet::new(), blocked: false };
    let mut phase = None;
    for step in &runbook.steps {
        line(&mut steps.out, "");
        if phase != Some(step.phase) {
            phase = Some(step.phase);
            let left_out = if view.follows(step) { "" } else { "  (not followed: the phase is not selected)" };
            line(&mut steps.out, &format!("{}{left_out}", step.phase.name()));
        }
        steps.show_step(step);
    }
    (steps.out, steps.blocked)
}

/// Adds a line: whatever stands in it, it stays one, and no terminal obeys it.
pub(in crate::cli) fn line(out: &mut String, text: &str) {
    out.push_str(visible(text).trim_end());
    out.push('\n');
}

/// Whether an annotation or the scenario says that it is not run.
fn is_skipped(step: &Step) -> bool {
    step.commands().is_empty() && step.blocks.iter().any(|block| block.settings.skip.is_some())
}

fn show_inputs(out: &mut String, view: &View, inputs: &[ShownInput]) {
    if inputs.is_empty() {
        return;
    }
    let title = if view.respond.is_some() { "inputs:" } else { "inputs, each to be given a value:" };
    let width = inputs.iter().map(|input| input.name.chars().count()).max().unwrap_or_default();
    line(out, "");
    line(out, title);
    for input in inputs {
        let mut places = Vec::new();
        for (file, lines) in [("", &input.lines), ("of the scenario ", &input.scenario_lines)] {
            let numbers: Vec<String> = lines.iter().map(usize::to_string).collect();
            places.extend((!numbers.is_empty()).then(|| format!("{file}line {}", numbers.join(", "))));
        }
        let value = match (&input.value, &input.captured_by, &view.respond) {
            (Some(value), ..) => format!("  = {value}"),
            (None, Some(by), _) => format!("  captured by {by}"),
            (None, None, Some(_)) if input.of_service => "  has no value here: its service must have it".to_string(),
            (None, None, Some(_)) => "  has no value: its step would be blocked".to_string(),
            (None, None, None) => String::new(),
        };
        line(out, &format!("  {:width$}  {}  {}{value}", input.name, input.spellings.join(", "), places.join(", ")));
    }
}

/// The steps that are shown so far.
struct ShownSteps<'v> {
    view: &'v View,
    out: String,
    /// What they find out for those behind them.
    captured: BTreeSet<String>,
    blocked: bool,
}

impl ShownSteps<'_> {
    fn show_step(&mut self, step: &Step) {
        let lines = match step.line == step.end_line {
            true => format!("line {}", step.line),
            false => format!("lines {}–{}", step.line, step.end_line),
        };
        line(&mut self.out, &format!("  {}  ({lines})", step.title));
        line(&mut self.out, &format!("    {}", step.id));
        if let Some(replaced) = &step.replaced {
            let text = format!("    {}, line {}, puts in its place:", replaced.by.path.display(), replaced.line);
            line(&mut self.out, &text);
        }
        let left_out = if step.replaced.is_some() { &[][..] } else { &step.left_out };
        if let Some(reason) = &step.manual {
            let what = if is_skipped(step) { "skipped" } else { "for a person" };
            line(&mut self.out, &format!("    {what}: {reason}"));
        }
        let mark = if step.manual.is_some() { "# " } else { "" };
        self.show_commands(step, &step.all_commands, &step.blocks, left_out, mark);
        if let Some(replaced) = &step.replaced {
            let says = match &replaced.manual {
                None => "the runbook says:".to_string(),
                Some(reason) => format!("in the runbook it is for a person: {reason}"),
            };
            line(&mut self.out, &format!("    {says}"));
            self.show_commands(step, &replaced.commands, &[], &step.left_out, "# ");
        }
    }

    /// The commands behind their line numbers; `mark` stands before those that are not run. Blocks without a command stand
    /// between them, with what they are instead.
    fn show_commands(
        &mut self,
        step: &Step,
        commands: &[Command],
        blocks: &[CodeBlock],
        left_out: &[LeftOut],
        mark: &str,
    ) {
        let mut shown = None;
        let mut left_out = left_out.iter().peekable();
        let mut show_left_out = |out: &mut String, until: usize| {
            while let Some(block) = left_out.next_if(|block| block.line < until) {
                line(out, &format!("    {:>5}  (not run: {})", block.line, block.why));
            }
        };
        let is_followed = mark.is_empty() && self.view.follows(step);
        let captured_before = |block| step.captures().filter(move |(by, _)| is_followed && *by < block);
        for command in commands {
            show_left_out(&mut self.out, command.line);
            if let Some(block) = blocks.get(command.block).filter(|_| shown != Some(command.block)) {
                shown = Some(command.block);
                let place = self.view.place(step, command).filter(|_| mark.is_empty());
                let settings = settings(self.view, command, &block.settings, place);
                if !settings.is_empty() {
                    line(&mut self.out, &format!("           {settings}"));
                }
            }
            self.captured.extend(captured_before(command.block).map(|(_, name)| unified_name(name)));
            let mut number = command.line.to_string();
            let filled = self.view.filled(step, command, &self.captured).filter(|_| mark.is_empty());
            let text = filled.as_ref().and_then(|filled| filled.as_ref().ok()).unwrap_or(&command.text);
            for text in text.lines() {
                line(&mut self.out, &format!("    {number:>5}  {mark}{text}"));
                // What goes on is told from what stands beside a command.
                number = ">".to_string();
            }
            line(&mut self.out, &format!("           {}", effect(self.view, command)));
            let mut named: Vec<&str> = command.inputs.iter().map(|input| input.name.as_str()).collect();
            named.dedup();
            if !named.is_empty() {
                line(&mut self.out, &format!("           ← {}", named.join(", ")));
            }
            match (&command.handling, filled) {
                (Handling::Blocked(_), Some(_)) => self.blocked |= is_followed,
                (Handling::Run(_), Some(Err(missing))) if is_followed => {
                    self.blocked = true;
                    let given = |input: &RunbookInput| {
                        self.view.value(step, input).is_some() || self.captured.contains(&input.name)
                    };
                    let why =
                        if missing.iter().any(given) { "has a value that cannot stand there" } else { "has no value" };
                    let spellings: BTreeSet<&str> = missing.iter().map(|input| input.spelling.as_str()).collect();
                    let spellings = spellings.into_iter().collect::<Vec<_>>().join(", ");
                    let names: BTreeSet<&str> = missing.iter().map(|input| input.name.as_str()).collect();
                    let vars: Vec<String> = names.into_iter().map(|name| format!("--var {name}=…")).collect();
                    line(&mut self.out, &format!("           blocked: {spellings} {why} ({})", vars.join(" ")));
                }
                _ => {}
            }
        }
        show_left_out(&mut self.out, usize::MAX);
        self.captured.extend(captured_before(usize::MAX).map(|(_, name)| unified_name(name)));
    }
}

/// What a command does, and who has decided about it.
fn effect(view: &View, command: &Command) -> String {
    let effect = command.effect();
    // What only looks, in a block that says so, waits for nobody.
    let looks = effect.kind == EffectKind::Looks && command.unread.is_none();
    let decided = match &command.handling {
        Handling::Run(_) if looks => None,
        Handling::Blocked(_) if looks && view.respond.is_none() => None,
        Handling::Run(why) => Some(why.clone()),
        Handling::Skip(why) => Some(format!("not run: {why}")),
        Handling::Manual(why) => Some(format!("for a person: {why}")),
        Handling::Blocked(why) => Some(format!("open: {why}")),
    };
    let because = if effect.because.is_empty() { String::new() } else { format!(" ({})", effect.because) };
    let does = format!("{}{because}", effect.kind.words());
    let unread = command.unread.map(|unread| format!("unread: {}", unread.words()));
    [Some(does), unread, decided].into_iter().flatten().collect::<Vec<_>>().join("; ")
}

/// The settings of a block, written as an annotation has them; with where it runs and for how long, where that is known.
fn settings(view: &View, command: &Command, settings: &BlockSettings, place: Option<Place>) -> String {
    let mut settings = settings.clone();
    let mut words = Vec::new();
    if let (Some(place), Some(respond)) = (place, &view.respond) {
        words.push(match place {
            Place::Toolbox => "in the toolbox".to_string(),
            Place::Service(service) => format!("in `{service}`"),
        });
        words.extend(respond.clients.get(&command.language).map(|client| format!("by `{}`", client.command)));
        settings.place = None;
        if settings.background != Some(true) {
            settings.timeout = settings.timeout.or(Some(respond.timeout));
        }
    }
    let written = super::json::settings(&settings).into_iter().filter(|(key, _)| *key != "skip");
    let written = written.filter_map(|(key, value)| match value {
        Value::Null => None,
        Value::Bool(true) => Some(key.to_string()),
        Value::String(pattern) if key == "expect" => Some(format!("expect=/{}/", pattern.replace('/', "\\/"))),
        Value::String(text) => Some(format!("{key}={text}")),
        other => Some(format!("{key}={other}")),
    });
    words.extend(written);
    words.join(" ")
}
