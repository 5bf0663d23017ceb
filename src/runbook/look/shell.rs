//! The shell commands of a runbook, each with what was read of it and its place in the file.

use super::super::{Command, Runbook, Step, Unread, placeholder};
use crate::bash::lexer::{Lexed, lex};
use crate::bash::{self, BashScript, CommandContext};
use crate::programs::simple::wrapped;
use crate::source::Span;
use std::cell::OnceCell;

/// The programs that some shell text calls, as [`PageCommand::calls`] has them: for the script of a `sh -c`.
pub fn calls_in(text: &str) -> Vec<PageCall<'_>> {
    calls_of(&bash::read(&placeholder::masked(text)), text).into_iter().map(PageCall::bare).collect()
}

/// One program that a command calls: `a | b` are two, and what stands in `$(…)` is one of its own.
#[derive(Debug)]
pub struct PageCall<'t> {
    /// The words, the name of the program first, assignments before it left out. As they were written: quotes around
    /// a whole word are taken away, nothing is expanded.
    pub words: Vec<&'t str>,
    /// Where each word stands in the text of the command, quotes included.
    pub places: Vec<Span>,
    /// Where the whole call stands in the text of the command.
    pub span: Span,
    /// What stands around it.
    pub around: CommandContext,
}

/// A command of a runbook.
#[derive(Debug)]
pub struct PageCommand<'a> {
    /// The command: text, line, inputs, variables.
    pub command: &'a Command,
    /// The step that it stands in.
    pub step: &'a Step,
    /// Whether it waits for somebody to choose it (a condition), and does not run by itself.
    pub held: bool,
    /// The text with each placeholder replaced by a word of the same length.
    pub masked: String,
    /// How each byte of it is quoted, and its here-documents.
    pub(crate) lexed: Lexed,
    script: OnceCell<BashScript>,
    calls: OnceCell<Vec<PageCall<'a>>>,
}

impl<'a> PageCommand<'a> {
    /// What was read of `masked`, byte for byte, when it is first asked for.
    pub fn script(&self) -> &BashScript {
        self.script.get_or_init(|| bash::read(&self.masked))
    }

    /// The place in the file of bytes of the text.
    pub fn place(&self, part: Span) -> Span {
        self.command.written.place(part)
    }

    /// The programs that it calls, in order, `sudo` and the like taken away; as far as it can be read.
    pub fn calls(&self) -> &[PageCall<'a>] {
        self.calls.get_or_init(|| self.whole_calls().into_iter().map(PageCall::bare).collect())
    }

    /// The programs that it calls, in order, with `sudo` and the like before them; as far as it can be read.
    pub fn whole_calls(&self) -> Vec<PageCall<'a>> {
        calls_of(self.script(), &self.command.text)
    }
}

impl<'t> PageCall<'t> {
    /// The program, without its directory.
    pub fn program(&self) -> &'t str {
        self.words.first().and_then(|word| word.rsplit('/').next()).unwrap_or_default()
    }

    /// Without what stands before its program and changes nothing about what that does.
    fn bare(mut self) -> Self {
        const LEFT_OUT: [&str; 5] = ["sudo", "time", "nohup", "command", "exec"];
        while self.words.first().is_some_and(|first| LEFT_OUT.contains(first))
            && let Some((at, _)) = wrapped(&self.words)
        {
            self.words.drain(..at);
            self.places.drain(..at);
        }
        self
    }
}

/// The calls of a text; `text` is what was read, placeholders as they were written.
fn calls_of<'t>(script: &BashScript, text: &'t str) -> Vec<PageCall<'t>> {
    let calls = script.placed(text).into_iter().filter(|placed| placed.command.is_call());
    let call = |placed: bash::PlacedCommand<'_>| {
        let places: Vec<Span> = placed.command.words.iter().map(|word| word.span).collect();
        let words = places.iter().map(|place| unquoted(place.of(text))).collect();
        PageCall { words, places, span: placed.span, around: placed.around }
    };
    calls.map(call).collect()
}

fn unquoted(word: &str) -> &str {
    let inner = |quote: char| {
        let inner = word.strip_prefix(quote)?.strip_suffix(quote)?;
        (!inner.contains(quote)).then_some(inner)
    };
    inner('"').or_else(|| inner('\'')).unwrap_or(word)
}

/// The shell commands of a runbook, in the order of the file; not those that a scenario has put into it, and not those that stand
/// outside of blocks.
pub fn commands(runbook: &Runbook) -> Vec<PageCommand<'_>> {
    let mut found = Vec::new();
    for step in &runbook.steps {
        let written = step.all_commands.iter().filter(|command| command.origin.is_none());
        let marked = written.filter(|command| matches!(command.unread, None | Some(Unread::Untagged)));
        found.extend(marked.map(|command| {
            let masked = placeholder::masked(&command.text);
            let (lexed, held) = (lex(&masked), step.manual.is_some());
            PageCommand { command, step, held, masked, lexed, script: OnceCell::new(), calls: OnceCell::new() }
        }));
    }
    found.sort_by_key(|shell| (shell.command.line, shell.command.column));
    found
}
