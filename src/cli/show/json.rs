//! A runbook as JSON: the format of `firedrill show --format json`, described field by field in docs/runbooks.md.

use super::View;
use super::inputs::{ShownInput, inputs};
use super::restore::ShownRestore;
use crate::programs::Kind;
use crate::runbook::{Command, Errors, Handling, Input, Settings, Step, StepKind, Unread};
use serde::Serialize;

/// Version of the format; it changes when a field is taken away or means something else.
const FORMAT: u32 = 1;

/// A runbook.
#[derive(Debug, Serialize)]
pub(super) struct Shown<'a> {
    format: u32,
    path: String,
    title: &'a str,
    scenario: Option<String>,
    kind: Option<&'static str>,
    restore: Option<ShownRestore<'a>>,
    inputs: Vec<ShownInput>,
    steps: Vec<ShownStep<'a>>,
}

#[derive(Debug, Serialize)]
struct ShownStep<'a> {
    id: &'a str,
    phase: &'a str,
    kind: &'a str,
    title: &'a str,
    line: usize,
    end_line: usize,
    hash: &'a str,
    followed: Option<bool>,
    reason: Option<&'a str>,
    commands: Vec<ShownCommand<'a>>,
    blocks: Vec<ShownBlock<'a>>,
    left_out: Vec<ShownLeftOut<'a>>,
    replaced: Option<ShownReplaced<'a>>,
}

#[derive(Debug, Serialize)]
struct ShownCommand<'a> {
    text: &'a str,
    filled: Option<String>,
    file: String,
    line: usize,
    column: usize,
    language: &'a str,
    block: usize,
    expected: Option<&'a str>,
    inputs: Vec<ShownUse<'a>>,
    unread: Option<&'static str>,
    effect: ShownEffect,
    decision: ShownDecision<'a>,
}

/// What it does to the world, and how that is known.
#[derive(Debug, Serialize)]
struct ShownEffect {
    kind: &'static str,
    because: String,
}

fn name_of(kind: Kind) -> &'static str {
    match kind {
        Kind::Looks => "looks",
        Kind::Unknown => "unknown",
        Kind::Changes => "changes",
    }
}

/// What is done about it, and why.
#[derive(Debug, Serialize)]
struct ShownDecision<'a> {
    #[serde(rename = "do")]
    decided: &'static str,
    why: &'a str,
}

#[derive(Debug, Serialize)]
struct ShownUse<'a> {
    name: &'a str,
    spelling: &'a str,
    line: usize,
    column: usize,
}

#[derive(Debug, Serialize)]
struct ShownLeftOut<'a> {
    line: usize,
    reason: &'a str,
}

#[derive(Debug, Serialize)]
struct ShownBlock<'a> {
    line: usize,
    end_line: usize,
    settings: ShownSettings<'a>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
struct ShownSettings<'a> {
    #[serde(rename = "in")]
    place: Option<&'a str>,
    timeout: Option<String>,
    retry: Option<String>,
    expect: Option<&'a str>,
    expect_exit: Option<i32>,
    errors: Option<&'static str>,
    background: Option<bool>,
    capture: Option<&'a str>,
    skip: Option<&'a str>,
    choose: Option<bool>,
}

#[derive(Debug, Serialize)]
struct ShownReplaced<'a> {
    file: String,
    line: usize,
    reason: Option<&'a str>,
    commands: Vec<ShownCommand<'a>>,
}

impl<'a> Shown<'a> {
    pub fn of(view: &'a View) -> Self {
        Shown {
            format: FORMAT,
            path: view.runbook.source.path.display().to_string(),
            title: &view.runbook.title,
            scenario: view.plan.as_ref().map(|plan| plan.source.path.display().to_string()),
            kind: view.plan.as_ref().map(|plan| if plan.restore.is_some() { "dr" } else { "drill" }),
            restore: view.plan.as_ref().and_then(ShownRestore::of),
            inputs: inputs(view),
            steps: view.runbook.steps.iter().map(|step| ShownStep::of(view, step)).collect(),
        }
    }
}

/// Kind, reason and commands of what a step is, or was.
fn parts<'a>(kind: &'a StepKind, held: &'a [Command]) -> (&'static str, Option<&'a str>, &'a [Command]) {
    match kind {
        StepKind::Commands(commands) => ("command", None, commands),
        StepKind::Manual(reason) => ("manual", Some(reason.as_str()), held),
    }
}

impl<'a> ShownStep<'a> {
    fn of(view: &'a View, step: &'a Step) -> Self {
        let (kind, reason, commands) = parts(&step.kind, &step.held);
        let shown = |commands: &'a [Command]| commands.iter().map(|c| ShownCommand::of(view, step, c)).collect();
        let replaced = step.replaced.as_ref().map(|replaced| {
            let (_, reason, commands) = parts(&replaced.kind, &replaced.held);
            let file = replaced.by.path.display().to_string();
            ShownReplaced { file, line: replaced.line, reason, commands: shown(commands) }
        });
        let blocks = step.blocks.iter().map(|block| ShownBlock {
            line: block.line,
            end_line: block.end_line,
            settings: ShownSettings::of(&block.settings),
        });
        ShownStep {
            id: &step.id,
            phase: step.phase.name(),
            kind,
            title: &step.title,
            line: step.line,
            end_line: step.end_line,
            hash: &step.hash,
            followed: view.plan.as_ref().map(|_| view.follows(step)),
            reason,
            commands: shown(commands),
            blocks: blocks.collect(),
            left_out: step.left_out.iter().map(|block| ShownLeftOut { line: block.line, reason: &block.why }).collect(),
            replaced,
        }
    }
}

impl<'a> ShownCommand<'a> {
    fn of(view: &'a View, step: &Step, command: &'a Command) -> Self {
        let shown = |input: &'a Input| ShownUse {
            name: &input.name,
            spelling: &input.spelling,
            line: input.line,
            column: input.column,
        };
        let effect = command.effect();
        ShownCommand {
            text: &command.text,
            filled: view.filled(step, command),
            file: command.origin.as_ref().unwrap_or(&view.runbook.source).path.display().to_string(),
            line: command.line,
            column: command.column,
            language: &command.language,
            block: command.block,
            expected: command.expected.as_deref(),
            inputs: command.inputs.iter().map(shown).collect(),
            unread: command.unread.map(Unread::name),
            effect: ShownEffect { kind: name_of(effect.kind), because: effect.because },
            decision: ShownDecision {
                decided: match command.handling {
                    Handling::Run(_) => "run",
                    Handling::Skip(_) => "skip",
                    Handling::Manual(_) => "person",
                    Handling::Blocked(_) => "open",
                },
                why: command.handling.why(),
            },
        }
    }
}

impl<'a> ShownSettings<'a> {
    fn of(settings: &'a Settings) -> Self {
        ShownSettings {
            place: settings.place.as_deref(),
            timeout: settings.timeout.map(|time| crate::spec::Show(time).to_string()),
            retry: settings.retry.map(|retry| format!("{}/{}", retry.attempts, crate::spec::Show(retry.pause))),
            expect: settings.expect.as_ref().map(|expect| expect.pattern.as_str()),
            expect_exit: settings.expect_exit,
            errors: settings.errors.map(Errors::name),
            background: settings.background,
            capture: settings.capture.as_deref(),
            skip: settings.skip.as_deref(),
            choose: settings.choose,
        }
    }
}
