//! A runbook for people, as `firedrill show` prints it.

use super::inputs::{ShownInput, inputs};
use super::{View, restore};
use crate::output::visible;
use crate::programs::EffectKind;
use crate::report::many as count;
use crate::runbook::{BlockSettings, CodeBlock, Command, Handling, LeftOut, Step, StepKind};
use crate::stack::Published;
use serde_json::Value;

/// The runbook for people.
pub(super) fn text(view: &View) -> String {
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
    out.push_str(&view.plan.as_ref().map(restore::text).unwrap_or_default());
    show_localhost(&mut out, view);
    show_inputs(&mut out, view, &inputs(view));
    let mut phase = None;
    for step in &runbook.steps {
        line(&mut out, "");
        if phase != Some(step.phase) {
            phase = Some(step.phase);
            let left_out = if view.follows(step) { "" } else { "  (not followed: the phase is not selected)" };
            line(&mut out, &format!("{}{left_out}", step.phase.name()));
        }
        show_step(&mut out, view, step);
    }
    out
}

/// Adds a line: whatever stands in it, it stays one, and no terminal obeys it.
pub(super) fn line(out: &mut String, text: &str) {
    out.push_str(visible(text).trim_end());
    out.push('\n');
}

/// Whether an annotation or the scenario says that it is not run.
fn is_skipped(step: &Step) -> bool {
    step.commands().is_empty() && step.blocks.iter().any(|block| block.settings.skip.is_some())
}

/// Where the ports that the stack publishes lead in the toolbox.
fn show_localhost(out: &mut String, view: &View) {
    match &view.localhost {
        Some(Ok(published)) if *published != Published::default() => {
            line(out, "");
            line(out, "localhost in the toolbox:");
            for (port, service) in &published.ports {
                line(out, &format!("  {port:<5}  is {service}"));
            }
            for port in &published.left_out {
                line(out, &format!("  not {port}"));
            }
        }
        Some(Err(why)) => {
            line(out, "");
            line(out, &format!("localhost in the toolbox is not known, for the stack cannot be resolved: {why}"));
        }
        Some(Ok(_)) | None => {}
    }
}

fn show_inputs(out: &mut String, view: &View, inputs: &[ShownInput]) {
    if inputs.is_empty() {
        return;
    }
    let title = if view.plan.is_some() { "inputs:" } else { "inputs, each to be given a value:" };
    let width = inputs.iter().map(|input| input.name.chars().count()).max().unwrap_or_default();
    line(out, "");
    line(out, title);
    for input in inputs {
        let mut places = Vec::new();
        for (file, lines) in [("", &input.lines), ("of the scenario ", &input.scenario_lines)] {
            let numbers: Vec<String> = lines.iter().map(usize::to_string).collect();
            match numbers.len() {
                0 => {}
                1 => places.push(format!("{file}line {}", numbers.concat())),
                _ => places.push(format!("{file}lines {}", numbers.join(", "))),
            }
        }
        let value = match (&input.value, &input.captured_by, &view.plan) {
            (Some(value), ..) => format!("  = {value}"),
            (None, Some(by), _) => format!("  captured by {by}"),
            (None, None, Some(_)) if input.of_service => "  has no value here: its service must have it".to_string(),
            (None, None, Some(_)) => "  has no value: its step would be blocked".to_string(),
            (None, None, None) => String::new(),
        };
        line(out, &format!("  {:width$}  {}  {}{value}", input.name, input.spellings.join(", "), places.join(", ")));
    }
}

fn show_step(out: &mut String, view: &View, step: &Step) {
    let lines = match step.line == step.end_line {
        true => format!("line {}", step.line),
        false => format!("lines {}–{}", step.line, step.end_line),
    };
    line(out, &format!("  {}  ({lines})", step.title));
    line(out, &format!("    {}", step.id));
    if let Some(replaced) = &step.replaced {
        line(out, &format!("    {}, line {}, puts in its place:", replaced.by.path.display(), replaced.line));
    }
    let left_out = if step.replaced.is_some() { &[][..] } else { &step.left_out };
    match &step.kind {
        StepKind::Commands(commands) => show_commands(out, view, step, commands, &step.blocks, left_out, ""),
        StepKind::Manual(reason) => {
            let what = if is_skipped(step) { "skipped" } else { "for a person" };
            line(out, &format!("    {what}: {reason}"));
            show_commands(out, view, step, &step.held, &step.blocks, left_out, "# ");
        }
    }
    if let Some(replaced) = &step.replaced {
        let (says, commands) = match &replaced.kind {
            StepKind::Commands(commands) => ("the runbook says:".to_string(), commands),
            StepKind::Manual(reason) => (format!("in the runbook it is for a person: {reason}"), &replaced.held),
        };
        line(out, &format!("    {says}"));
        show_commands(out, view, step, commands, &[], &step.left_out, "# ");
    }
}

/// The commands behind their line numbers; `mark` stands before those that are not run. Blocks without a command stand
/// between them, with what they are instead.
fn show_commands(
    out: &mut String,
    view: &View,
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
    for command in commands {
        show_left_out(out, command.line);
        if let Some(block) = blocks.get(command.block).filter(|_| shown != Some(command.block)) {
            shown = Some(command.block);
            let settings = settings(&block.settings);
            if !settings.is_empty() {
                line(out, &format!("           {settings}"));
            }
        }
        let mut number = command.line.to_string();
        let filled = view.filled(step, command).filter(|_| mark.is_empty());
        for text in filled.as_ref().unwrap_or(&command.text).lines() {
            line(out, &format!("    {number:>5}  {mark}{text}"));
            // What goes on is told from what stands beside a command.
            number = ">".to_string();
        }
        line(out, &format!("           {}", effect(command)));
        let mut named: Vec<&str> = command.inputs.iter().map(|input| input.name.as_str()).collect();
        named.dedup();
        if !named.is_empty() {
            line(out, &format!("           ← {}", named.join(", ")));
        }
    }
    show_left_out(out, usize::MAX);
}

/// What a command does, and who has decided about it.
fn effect(command: &Command) -> String {
    let effect = command.effect();
    let decided = match &command.handling {
        // What only looks, in a block that says so, waits for nobody.
        Handling::Run(_) | Handling::Blocked(_) if effect.kind == EffectKind::Looks && command.unread.is_none() => None,
        Handling::Run(why) => Some(why.clone()),
        Handling::Skip(why) => Some(format!("not run: {why}")),
        Handling::Manual(why) => Some(format!("for a person: {why}")),
        Handling::Blocked(why) => Some(format!("open: {why}")),
    };
    let because = if effect.because.is_empty() { String::new() } else { format!(" ({})", effect.because) };
    let does = format!("{}{because}", effect.kind.text());
    let unread = command.unread.map(|unread| format!("unread: {}", unread.text()));
    [Some(does), unread, decided].into_iter().flatten().collect::<Vec<_>>().join("; ")
}

/// The settings of a block, written as an annotation has them.
fn settings(settings: &BlockSettings) -> String {
    let written = super::json::settings(settings).into_iter().filter(|(key, _)| *key != "skip");
    let written = written.filter_map(|(key, value)| match value {
        Value::Null => None,
        Value::Bool(true) => Some(key.to_string()),
        Value::String(pattern) if key == "expect" => Some(format!("expect=/{}/", pattern.replace('/', "\\/"))),
        Value::String(text) => Some(format!("{key}={text}")),
        other => Some(format!("{key}={other}")),
    });
    written.collect::<Vec<_>>().join(" ")
}
