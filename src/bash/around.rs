//! The simple commands of a text with what stands around each: what feeds it, what takes its output, whether anybody asks before it
//! runs.

use super::tree::{Redirect, Statement, StatementKind};
use super::{BashScript, SimpleCommand};
use crate::source::Span;

/// What stands around a simple command.
#[derive(Debug, Clone, Copy, Default)]
pub struct CommandContext {
    /// Its standard input is a pipe, a file or a here-document.
    pub fed: bool,
    /// It runs in the background.
    pub background: bool,
    /// One behind it in its pipeline ends before its input does.
    pub cut: bool,
    /// It runs only where something holds: in an `if`, behind `[ -d x ] &&`, in a loop over what was looked for.
    pub checked: bool,
    /// It stands in a function or in a substitution, and does not run by itself.
    pub inner: bool,
    /// What takes its output.
    pub taker: OutputTaker,
}

/// What takes the output of a simple command.
#[derive(Debug, Clone, Copy, Default)]
pub enum OutputTaker {
    /// Nothing of the text.
    #[default]
    Nobody,
    /// The rest of the pipeline that it stands in.
    Pipeline(Span),
    /// The call in whose words it is substituted.
    Call(Span),
}

/// A simple command in its place.
#[derive(Debug)]
pub struct PlacedCommand<'s> {
    /// The command.
    pub command: &'s SimpleCommand,
    /// From its first assignment or word to the end of its last word.
    pub span: Span,
    /// What stands around it.
    pub around: CommandContext,
}

impl BashScript {
    /// The simple commands, in the order of the text (`text` is what was read).
    pub fn placed(&self, text: &str) -> Vec<PlacedCommand<'_>> {
        let mut found = Vec::new();
        let around = CommandContext::default();
        self.statements.iter().for_each(|statement| place(statement, around, None, text, &mut found));
        found.sort_by_key(|placed| placed.span.start);
        found
    }
}

fn place<'s>(
    statement: &'s Statement,
    mut around: CommandContext,
    mut call: Option<Span>,
    text: &str,
    found: &mut Vec<PlacedCommand<'s>>,
) {
    let fed = |redirects: &[Redirect]| redirects.iter().any(Redirect::is_input);
    match &statement.kind {
        StatementKind::Simple(command) => {
            around.fed |= fed(&command.redirects);
            let end = command.words.last().map_or(statement.span.end, |word| word.span.end);
            let span = Span::new(statement.span.start.min(end), end);
            found.push(PlacedCommand { command, span, around });
            call = if command.is_call() { Some(span) } else { call };
        }
        StatementKind::Redirected(_, redirects) => around.fed |= fed(redirects),
        StatementKind::If(..) | StatementKind::Case(..) | StatementKind::Loop { .. } => around.checked = true,
        StatementKind::Background(_) => around.background = true,
        StatementKind::Function { .. } => around.inner = true,
        StatementKind::Pipeline(_) => around.taker = OutputTaker::Pipeline(statement.span),
        _ => {}
    }
    for inner in statement.substituted().into_iter().flatten() {
        let taker = call.map_or(OutputTaker::Nobody, OutputTaker::Call);
        place(inner, CommandContext { taker, inner: true, ..around }, call, text, found);
    }
    let parts = statement.parts();
    let pipes = matches!(statement.kind, StatementKind::Pipeline(_));
    let asked = matches!(statement.kind, StatementKind::AndOr(..))
        && parts.first().is_some_and(|left| asks(left.span.of(text)));
    let mut cut = false;
    for (index, part) in parts.into_iter().enumerate().rev() {
        let mut of_part = around;
        of_part.checked |= asked && index > 0;
        of_part.fed |= pipes && index > 0;
        of_part.cut |= cut;
        cut |= pipes && is_short(part.span.of(text));
        place(part, of_part, call, text, found);
    }
}

/// Whether a part of a pipeline stops to read before its input ends: `head`, `grep -m1`, `sed /x/q`.
fn is_short(part: &str) -> bool {
    let mut words = part.split_whitespace();
    match words.next() {
        Some("head") => true,
        Some("grep" | "egrep" | "zgrep" | "rg") => {
            words.any(|word| ["-m", "--max-count", "-q", "--quiet"].iter().any(|option| word.starts_with(option)))
        }
        Some("sed") => part.trim_end_matches(['\'', '"']).ends_with('q'),
        _ => false,
    }
}

/// Whether the left side of a list asks: `[ -d x ] && …`, `grep x y || …`.
fn asks(left: &str) -> bool {
    let left = left.trim_start();
    left.starts_with(['[', '!']) || ["test ", "read ", "grep ", "confirm"].iter().any(|word| left.starts_with(word))
}
