//! `firedrill show`: prints a runbook as the steps that Firedrill reads.

use super::output::print;
use crate::error::{Error, Exit};
use crate::runbook::{self, Command, Input, Runbook, Step, StepKind};
use crate::source::{Diagnostics, ReadError, Source, did_you_mean, render, visible};
use crate::spec::project_files;
use serde::Serialize;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Prints a runbook as the steps that Firedrill reads: phase, lines, commands, inputs, and why a step is for a person.
#[derive(Debug, clap::Args)]
pub struct ShowArgs {
    /// The runbook: a path, or the name of a file in `runbooks/`.
    #[arg(value_name = "RUNBOOK")]
    runbook: PathBuf,
    /// How to print it.
    #[arg(long, value_enum, default_value_t = ShowFormat::Text)]
    format: ShowFormat,
}

/// How to print a runbook.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum ShowFormat {
    /// For people.
    Text,
    /// One object.
    Json,
}

/// Runs the command. Mistakes of the runbook go to standard error, and the exit code is that of wrong files; the steps
/// are shown all the same, as far as they could be read.
pub async fn run(args: ShowArgs, globals: &super::Globals) -> Result<Exit, Error> {
    let source = read(&args.runbook, &globals.project)?;
    let mut diags = Diagnostics::default();
    let runbook = runbook::parse(&source, &mut diags);
    if let Some(runbook) = &runbook {
        match args.format {
            ShowFormat::Text => print(&text(runbook))?,
            ShowFormat::Json => {
                let json = serde_json::to_string_pretty(&Shown::of(runbook))
                    .map_err(|error| Error::harness(format!("writing the runbook as JSON: {error}")))?;
                print(&format!("{json}\n"))?;
            }
        }
    }
    if !diags.all.is_empty() {
        eprint!("{}", render(&diags, globals.color()));
    }
    Ok(if diags.has_errors() { Exit::Usage } else { Exit::Passed })
}

/// Reads the file at the path, or else the runbook of that name in the project.
fn read(path: &Path, project: &Path) -> Result<Arc<Source>, Error> {
    let missing = match Source::read(path) {
        Ok(source) => return Ok(source),
        Err(ReadError::File { .. }) if !path.exists() => path,
        Err(error) => {
            let mut diags = Diagnostics::default();
            error.report("the runbook", None, &mut diags);
            return Err(Error::usage(render(&diags, false).trim_end().to_string()));
        }
    };
    let known = project_files(project, "runbooks", &["md", "markdown"]);
    let wanted = missing.file_stem().unwrap_or_default();
    if missing.components().count() == 1
        && let Some(path) = known.iter().find(|known| known.file_stem() == Some(wanted))
        && let Ok(source) = Source::read(path)
    {
        return Ok(source);
    }
    let error = Error::usage(format!("there is no runbook `{}`", missing.display()));
    let names: Vec<String> = known.iter().map(|path| path.display().to_string()).collect();
    // Compared by name: `rnubooks/db-pool.md` and `db-pol` both mean the same file.
    let stems: Vec<&str> = known.iter().filter_map(|path| path.file_stem()?.to_str()).collect();
    let wanted = wanted.to_string_lossy();
    let near = crate::source::nearest(&wanted, stems.iter().copied());
    Err(match near.and_then(|near| known.iter().find(|path| path.file_stem().is_some_and(|stem| stem == near))) {
        Some(path) => error.hint(format!("did you mean `{}`?", path.display())),
        None if names.is_empty() => error,
        None => error.hint(did_you_mean("", names.iter().map(String::as_str))),
    })
}

/// The runbook for people.
fn text(runbook: &Runbook) -> String {
    let mut out = format!("{} — {}\n", runbook.source.path.display(), runbook.title);
    let commands = runbook.steps.iter().filter(|step| !step.commands().is_empty()).count();
    let people = runbook.steps.len() - commands;
    let _ = writeln!(out, "{}: {commands} with commands, {people} for a person", count(runbook.steps.len(), "step"));
    let inputs = inputs(runbook);
    if !inputs.is_empty() {
        let width = inputs.iter().map(|input| input.name.chars().count()).max().unwrap_or_default();
        let _ = writeln!(out, "\ninputs, each to be given a value:");
        for input in &inputs {
            let lines: Vec<String> = input.lines.iter().map(usize::to_string).collect();
            let word = if lines.len() == 1 { "line" } else { "lines" };
            let spellings = input.spellings.join(", ");
            let _ = writeln!(out, "  {:width$}  {spellings}  {word} {}", input.name, lines.join(", "));
        }
    }
    let mut phase = None;
    for step in &runbook.steps {
        if phase != Some(step.phase) {
            phase = Some(step.phase);
            let _ = writeln!(out, "\n{}", step.phase.name());
        } else {
            out.push('\n');
        }
        show_step(&mut out, step);
    }
    // A runbook may hold control characters, and a terminal would obey them.
    out.split_inclusive('\n').map(|line| format!("{}\n", visible(line.trim_end_matches('\n')))).collect()
}

fn show_step(out: &mut String, step: &Step) {
    let lines = match step.line == step.end_line {
        true => format!("line {}", step.line),
        false => format!("lines {}–{}", step.line, step.end_line),
    };
    let _ = writeln!(out, "  {}  ({lines})\n    {}", step.title, step.id);
    match &step.kind {
        StepKind::Commands(commands) => show_commands(out, commands, ""),
        StepKind::Manual(reason) => {
            let _ = writeln!(out, "    for a person: {reason}");
            show_commands(out, &step.held, "# ");
        }
    }
}

/// The commands behind their line numbers; `mark` stands before those that are not run.
fn show_commands(out: &mut String, commands: &[Command], mark: &str) {
    for command in commands {
        let mut number = command.line.to_string();
        for line in command.text.lines() {
            let _ = writeln!(out, "    {number:>5}  {}", format!("{mark}{line}").trim_end());
            number.clear();
        }
        let mut named: Vec<&str> = command.inputs.iter().map(|input| input.name.as_str()).collect();
        named.dedup();
        if !named.is_empty() {
            let _ = writeln!(out, "           ← {}", named.join(", "));
        }
    }
}

fn count(count: usize, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}

/// An input of the whole runbook.
#[derive(Debug, Serialize)]
struct ShownInput {
    /// Unified name, as it is given in `vars`.
    name: String,
    /// Its spellings.
    spellings: Vec<String>,
    /// The lines that it stands in, from 1.
    lines: Vec<usize>,
}

/// The inputs, in the order in which they are first needed. Those of conditional commands are not needed.
fn inputs(runbook: &Runbook) -> Vec<ShownInput> {
    let mut out: Vec<ShownInput> = Vec::new();
    for input in runbook.steps.iter().flat_map(Step::commands).flat_map(|command| &command.inputs) {
        match out.iter_mut().find(|known| known.name == input.name) {
            Some(known) => {
                if !known.spellings.contains(&input.spelling) {
                    known.spellings.push(input.spelling.clone());
                }
                if !known.lines.contains(&input.line) {
                    known.lines.push(input.line);
                }
            }
            None => out.push(ShownInput {
                name: input.name.clone(),
                spellings: vec![input.spelling.clone()],
                lines: vec![input.line],
            }),
        }
    }
    out
}

/// A runbook as JSON: the format of `firedrill show --format json`.
#[derive(Debug, Serialize)]
struct Shown<'a> {
    /// The file.
    path: String,
    /// The title.
    title: &'a str,
    /// The inputs that need a value.
    inputs: Vec<ShownInput>,
    /// The steps, in order.
    steps: Vec<ShownStep<'a>>,
}

/// A step.
#[derive(Debug, Serialize)]
struct ShownStep<'a> {
    /// Phase and slug of the title; unique.
    id: &'a str,
    /// Its phase.
    phase: &'a str,
    /// `command` or `manual`.
    kind: &'a str,
    /// As a person reads it.
    title: &'a str,
    /// First line, from 1.
    line: usize,
    /// Last line.
    end_line: usize,
    /// SHA-256 of its text.
    hash: &'a str,
    /// Why a manual step is one.
    reason: Option<&'a str>,
    /// The commands; those of a manual step are not run.
    commands: Vec<ShownCommand<'a>>,
}

/// A command.
#[derive(Debug, Serialize)]
struct ShownCommand<'a> {
    /// The text, inputs as they were written.
    text: &'a str,
    /// Line of its beginning, from 1.
    line: usize,
    /// Column of its beginning, from 1.
    column: usize,
    /// Language of its block.
    language: &'a str,
    /// Sample output below its prompt.
    #[serde(skip_serializing_if = "Option::is_none")]
    expected: Option<&'a str>,
    /// Its inputs.
    inputs: Vec<ShownUse<'a>>,
}

/// An input where it stands.
#[derive(Debug, Serialize)]
struct ShownUse<'a> {
    /// Unified name.
    name: &'a str,
    /// As it was written.
    spelling: &'a str,
    /// Line, from 1.
    line: usize,
    /// Column, from 1.
    column: usize,
}

impl<'a> Shown<'a> {
    fn of(runbook: &'a Runbook) -> Self {
        Shown {
            path: runbook.source.path.display().to_string(),
            title: &runbook.title,
            inputs: inputs(runbook),
            steps: runbook.steps.iter().map(ShownStep::of).collect(),
        }
    }
}

impl<'a> ShownStep<'a> {
    fn of(step: &'a Step) -> Self {
        let (kind, reason, commands) = match &step.kind {
            StepKind::Commands(commands) => ("command", None, commands),
            StepKind::Manual(reason) => ("manual", Some(reason.as_str()), &step.held),
        };
        ShownStep {
            id: &step.id,
            phase: step.phase.name(),
            kind,
            title: &step.title,
            line: step.line,
            end_line: step.end_line,
            hash: &step.hash,
            reason,
            commands: commands.iter().map(ShownCommand::of).collect(),
        }
    }
}

impl<'a> ShownCommand<'a> {
    fn of(command: &'a Command) -> Self {
        let shown = |input: &'a Input| ShownUse {
            name: &input.name,
            spelling: &input.spelling,
            line: input.line,
            column: input.column,
        };
        ShownCommand {
            text: &command.text,
            line: command.line,
            column: command.column,
            language: &command.language,
            expected: command.expected.as_deref(),
            inputs: command.inputs.iter().map(shown).collect(),
        }
    }
}

#[cfg(test)]
#[path = "show_tests.rs"]
mod tests;
