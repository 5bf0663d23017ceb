//! What was typed in a block → commands, cut where some are for a person.

use super::commands;
use super::file_contents;
use super::hands::Hands;
use super::phase;
use super::placeholder;
use super::prompt::TypedText;
use super::text::shorten;
use super::{Command, ManualReason};
use crate::bash::split;
use crate::source::{Source, Span};

/// Commands that follow each other, or what cannot be run.
#[derive(Debug, Clone)]
pub(super) struct CommandRun {
    /// Why they are for a person.
    pub why: Option<ManualReason>,
    /// What the comment above them says, where they are more than the rest of the block.
    pub title: Option<String>,
    /// The commands; none where what stands there is no command.
    pub commands: Vec<Command>,
    /// From the first one to the end of the last one, in the source.
    pub span: Span,
}

/// Cuts what was typed into runs; the sample output goes to the last command.
pub(super) fn cut(source: &Source, typed: &TypedText, tag: &str, hands: &mut Hands, runs: &mut Vec<CommandRun>) {
    let text = &typed.text.text;
    let masked = placeholder::masked(text);
    let spans = split(&masked);
    let none =
        file_contents::find(&masked, &spans).or_else(|| commands::not_shell(&masked, &spans, &typed.text, source));
    let read = |span: &Span| commands::command(source, &typed.text.part(*span), tag);
    let first = runs.len();
    let mut before = 0;
    for (i, span) in spans.iter().enumerate() {
        // What bash would take for commands though it is none becomes a run without commands; what is wrong is shown.
        if let Some(none) = none.as_ref().filter(|none| none.from <= i) {
            let why = Some(none.why.clone());
            let wrong = spans.iter().filter(|_| matches!(none.why, ManualReason::Invalid(_)));
            let commands = wrong.map(|span| Command { by_hand: why.clone(), ..read(span) }).collect();
            let span = typed.text.place(Span::new(span.start, text.trim_end().len()));
            runs.push(CommandRun { why, title: None, commands, span });
            return;
        }
        let line = source.line(typed.text.origin(span.start));
        let why = hands.judge(masked.get(span.start..span.end).unwrap_or_default(), line);
        let command = Command { by_hand: why.clone(), ..read(span) };
        let said = masked.get(before..span.start).and_then(comment).filter(|_| runs.len() > first);
        before = span.end;
        let span = typed.text.place(*span);
        match runs.last_mut() {
            Some(run) if run.why == why && !run.commands.is_empty() => {
                run.commands.push(command);
                run.span.end = span.end;
            }
            _ => runs.push(CommandRun { why, title: said, commands: vec![command], span }),
        }
    }
    let last = runs.iter_mut().rev().find(|run| !run.commands.is_empty()).and_then(|run| run.commands.last_mut());
    if let (Some(last), Some(expected)) = (last, &typed.expected) {
        last.expected = Some(expected.clone());
    }
}

/// What the first comment of some lines says.
fn comment(between: &str) -> Option<String> {
    let said = between.lines().map(str::trim).find(|line| line.starts_with('#'))?;
    let said = said.trim_start_matches(['#', ' ', '\t', '-', '=', '*']).trim_end_matches(['#', '-', '=', ' ']);
    Some(shorten(phase::strip_number(said), 72)).filter(|said| !said.is_empty())
}
