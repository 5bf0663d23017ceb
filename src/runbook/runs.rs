//! What was typed in a block → commands, cut where some are for a person.

use super::file_contents::{self, Contents};
use super::hands::Hands;
use super::prompt::TypedText;
use super::text::{Excerpt, shorten};
use super::{Command, LeftOut, ManualReason, commands, phase, placeholder};
use crate::bash::{has_syntax_error, split};
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
    /// Comments between them that ask a person for something.
    pub left_out: Vec<LeftOut>,
    /// From the first one to the end of the last one, in the source.
    pub span: Span,
}

/// Cuts what was typed into runs; the sample output goes to the last command.
pub(super) fn cut(source: &Source, typed: &TypedText, tag: &str, hands: &mut Hands, runs: &mut Vec<CommandRun>) {
    let text = &typed.text.text;
    let masked = placeholder::masked(text);
    let spans = split(&masked);
    // Where the reader finds an error nothing of a block is a command. What cannot be split stays one piece, the last one.
    let invalid = || {
        let last = spans.last().filter(|last| has_syntax_error(last.of(&masked)))?;
        let line = source.line(typed.text.origin(last.start));
        Some(Contents { from: 0, why: ManualReason::Invalid(format!("it is no valid shell (from line {line} on)")) })
    };
    let none = file_contents::find(&masked, &spans).or_else(invalid);
    let read = |span: &Span| commands::command(source, &typed.text.part(*span), tag);
    // What stands above a place, from the line behind that of the command before it.
    let above = |before: usize, end: usize| {
        let line = masked.get(before..end).and_then(|text| text.find('\n')).map_or(end, |at| before + at + 1);
        Span::new(if before == 0 { 0 } else { line }, end)
    };
    let first = runs.len();
    let mut before = 0;
    for (i, span) in spans.iter().enumerate() {
        // What bash would take for commands though it is none becomes a run without commands; what is wrong is shown.
        if let Some(none) = none.as_ref().filter(|none| none.from <= i) {
            let why = Some(none.why.clone());
            let wrong = spans.iter().filter(|_| matches!(none.why, ManualReason::Invalid(_)));
            let commands = wrong.map(|span| Command { by_hand: why.clone(), ..read(span) }).collect();
            let span = typed.text.place(Span::new(span.start, text.trim_end().len()));
            runs.push(CommandRun { why, title: None, commands, left_out: Vec::new(), span });
            return;
        }
        let line = source.line(typed.text.origin(span.start));
        let why = hands.judge(span.of(&masked), line);
        let command = Command { by_hand: why.clone(), ..read(span) };
        let above = above(before, span.start);
        let said = comment(above.of(&masked)).filter(|_| runs.len() > first);
        let mut left_out = for_a_person(source, &typed.text.part(above), true);
        before = span.end;
        let span = typed.text.place(*span);
        match runs.last_mut() {
            Some(run) if run.why == why && !run.commands.is_empty() => {
                run.commands.push(command);
                run.left_out.append(&mut left_out);
                run.span.end = span.end;
            }
            _ => runs.push(CommandRun { why, title: said, commands: vec![command], left_out, span }),
        }
    }
    if let Some(run) = runs.last_mut() {
        run.left_out.extend(for_a_person(source, &typed.text.part(above(before, text.len())), false));
    }
    let last = runs.iter_mut().rev().find(|run| !run.commands.is_empty()).and_then(|run| run.commands.last_mut());
    if let (Some(last), Some(expected)) = (last, &typed.expected) {
        last.expected = Some(expected.clone());
    }
}

/// What the comment above a command says: the first line of the nearest paragraph of comments.
fn comment(above: &str) -> Option<String> {
    let lines: Vec<&str> = above.lines().map(str::trim).collect();
    let mut paragraphs = lines.rsplit(|line| line.is_empty());
    let said = paragraphs.find_map(|lines| lines.iter().find(|line| line.starts_with('#')))?;
    let said = said.trim_start_matches(['#', ' ', '\t', '-', '=', '*']).trim_end_matches(['#', '-', '=', ' ']);
    let said = shorten(phase::strip_number(said), 72);
    Some(said).filter(|said| !said.is_empty() && !said.eq_ignore_ascii_case("or"))
}

/// Numbered comments that ask for something and have no command of their own: `# 4. Revoke the old keys`. The last one is that of the
/// command that `follows`.
fn for_a_person(source: &Source, lines: &Excerpt, follows: bool) -> Vec<LeftOut> {
    let comments = lines.lines().filter(|(line, _)| line.trim_start().starts_with('#') && phase::is_step(line));
    let mut numbered: Vec<(&str, Span)> = comments.collect();
    numbered.pop_if(|_| follows);
    let asks = numbered.into_iter().map(|(line, span)| (phase::strip_number(line), lines.origin(span.start)));
    let left_out = |(said, at)| LeftOut::asked(source.line(at), said);
    asks.filter(|(said, _)| phase::is_imperative(said)).map(left_out).collect()
}
