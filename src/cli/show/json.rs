//! A runbook for machines, as `firedrill show --format json` prints it. `docs/runbooks.md` describes every field.

use super::{View, inputs};
use crate::runbook::{BlockSettings, Command, Errors, Handling, RunbookInput, Step, Unread};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Version of the format; it changes when a field is taken away or means something else.
const FORMAT: u32 = 2;

/// The runbook.
pub(super) fn of(view: &View) -> Value {
    let (plan, runbook) = (view.plan.as_ref(), &view.runbook);
    json!({
        "format": FORMAT,
        "path": runbook.source.path.display().to_string(),
        "title": runbook.title,
        "scenario": plan.map(|plan| plan.source.path.display().to_string()),
        "kind": plan.map(|plan| if plan.restore.is_some() { "dr" } else { "drill" }),
        "inputs": inputs(view),
        "steps": runbook.steps.iter().map(|step| of_step(view, step)).collect::<Vec<_>>(),
    })
}

fn of_step(view: &View, step: &Step) -> Value {
    let of_all = |commands: &[Command]| commands.iter().map(|one| of_command(view, step, one)).collect::<Vec<_>>();
    let (kind, reason) = (if step.manual.is_some() { "manual" } else { "command" }, &step.manual);
    let commands = of_all(&step.all_commands);
    let replaced = step.replaced.as_ref().map(|replaced| {
        let (file, commands) = (replaced.by.path.display().to_string(), of_all(&replaced.commands));
        json!({ "file": file, "line": replaced.line, "reason": replaced.manual, "commands": commands })
    });
    let blocks = step.blocks.iter().map(|block| {
        let settings: serde_json::Map<String, Value> =
            settings(&block.settings).into_iter().map(|(key, value)| (key.to_string(), value)).collect();
        json!({ "line": block.line, "end_line": block.end_line, "settings": settings })
    });
    let left_out = step.left_out.iter().map(|block| json!({ "line": block.line, "reason": block.why }));
    json!({
        "id": step.id,
        "phase": step.phase.name(),
        "kind": kind,
        "title": step.title,
        "line": step.line,
        "end_line": step.end_line,
        "hash": step.hash,
        "followed": view.plan.as_ref().map(|_| view.follows(step)),
        "reason": reason,
        "commands": commands,
        "blocks": blocks.collect::<Vec<_>>(),
        "left_out": left_out.collect::<Vec<_>>(),
        "replaced": replaced,
    })
}

fn of_command(view: &View, step: &Step, command: &Command) -> Value {
    let input = |input: &RunbookInput| json!({ "name": input.name, "spelling": input.spelling, "line": input.line, "column": input.column });
    let effect = command.effect();
    let decided = match command.handling {
        Handling::Run(_) => "run",
        Handling::Skip(_) => "skip",
        Handling::Manual(_) => "person",
        Handling::Blocked(_) => "open",
    };
    json!({
        "text": command.text,
        "filled": view.filled(step, command, &BTreeSet::new()).and_then(Result::ok),
        "file": command.origin.as_ref().unwrap_or(&view.runbook.source).path.display().to_string(),
        "line": command.line,
        "column": command.column,
        "language": command.language,
        "block": command.block,
        "expected": command.expected,
        "inputs": command.inputs.iter().map(input).collect::<Vec<_>>(),
        "unread": command.unread.map(Unread::name),
        "effect": { "kind": effect.kind.name(), "because": effect.because },
        "decision": { "do": decided, "why": command.handling.why() },
    })
}

/// The settings of a block by their keys; `null` where they are as usual.
pub(super) fn settings(settings: &BlockSettings) -> Vec<(&'static str, Value)> {
    let BlockSettings { place, timeout, retry, expect, expect_exit, background, capture, skip, choose, errors } =
        settings;
    let retry = retry.map(|retry| format!("{}/{}", retry.attempts, crate::spec::Show(retry.pause)));
    vec![
        ("in", json!(place)),
        ("timeout", json!(timeout.map(|time| crate::spec::Show(time).to_string()))),
        ("retry", json!(retry)),
        ("expect", json!(expect.as_ref().map(|expect| &expect.pattern))),
        ("expect-exit", json!(expect_exit)),
        ("errors", json!(errors.map(Errors::name))),
        ("background", json!(background)),
        ("capture", json!(capture)),
        ("skip", json!(skip)),
        ("choose", json!(choose)),
    ]
}
