//! Bash text → a typed tree with the place of everything, and the quoting of each byte. One reader serves all who look at shell:
//! whoever decides what may run refuses a text in which anything is odd (`Script::strict`), everybody else walks over what was
//! understood.

mod around;
mod handed;
mod holds;
pub mod lexer;
mod reach;
mod reader;
mod tree;
pub(crate) mod variables;
mod word;

pub use around::{CommandContext, OutputTaker, PlacedCommand};
pub use handed::without_calls;
pub use holds::Holds;
pub use reach::{edited, reached_anyway, watches_subshells};
#[cfg(test)]
pub(crate) use reader::TOTAL;
pub use reader::{is_name, read};
pub use tree::{
    Arithmetic, Assignment, BashScript, Expansion, Redirect, RedirectTarget, ShellWord, SimpleCommand, Statement,
    StatementKind,
};
pub use word::{EXPANDED, FILLED, Word, WordKind};

use crate::source::Span;

/// The top-level commands of `text`, in order. Every byte that is not blank, a comment or a `;` between commands is in one of
/// them. `text` is read as it is: placeholders must have been replaced by words.
pub fn split(text: &str) -> Vec<Span> {
    read(text).pieces
}

/// Whether bash would reject this text, or want more of it, as far as it can be read.
pub fn has_syntax_error(text: &str) -> bool {
    lexer::lex(text).open || read(text).stopped.is_some()
}

/// The command of a text that is one call and nothing else: no list, no pipeline, no loop.
pub fn one_call(text: &str) -> Option<SimpleCommand> {
    let mut script = read(text);
    let one = script.statements.pop()?;
    let alone = script.statements.is_empty() && script.stopped.is_none();
    match one.kind {
        StatementKind::Simple(command) if alone && command.is_call() => Some(command),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
