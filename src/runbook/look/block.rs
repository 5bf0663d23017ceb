//! What a code block shows, apart from what its tag says: a terminal with prompts and output, or commands.

use super::super::commands::first_word;
use super::super::language::{self, BlockLanguage, of_tag};
use super::super::placeholder;
use super::super::prompt::{self, Shown};
use super::page::Fence;
use crate::bash::{has_syntax_error, split};

/// A terminal as a block shows it.
#[derive(Debug, PartialEq, Eq)]
pub struct Transcript {
    /// Whether there are prompts before its commands.
    pub prompts: bool,
    /// Whether there is output below a command.
    pub output: bool,
    /// The prompt of another program, `shop=#`, where it shows a session of one.
    pub other: Option<String>,
}

impl Fence {
    /// Whether its tag calls it shell that can be pasted as it stands (`bash`, `sh`, `shell`).
    pub fn is_shell(&self) -> bool {
        of_tag(&self.tag) == BlockLanguage::Shell
    }

    /// The terminal that it shows.
    pub fn terminal(&self) -> Transcript {
        let console = of_tag(&self.tag) == BlockLanguage::Console;
        let (prompts, output, other) = match prompt::read(&self.body, console) {
            Shown::Typed(typed, prompts) => (prompts, typed.iter().any(|typed| typed.expected.is_some()), None),
            Shown::Foreign(other) | Shown::Elsewhere(other) => (false, false, Some(other)),
            Shown::Unprompted(_) => (true, true, None),
        };
        Transcript { prompts, output, other }
    }

    /// Whether it can be read as shell, and the first and at least half of its commands begin with a program that runbooks use, a keyword
    /// of the shell or an assignment.
    pub fn holds_known_commands(&self) -> bool {
        let text = placeholder::masked(&self.body.text);
        let spans = if has_syntax_error(&text) { Vec::new() } else { split(&text) };
        let known = |text: &str| first_word(text).is_some_and(is_known_program);
        let known: Vec<bool> = spans.iter().map(|span| known(span.of(&text))).collect();
        known.first() == Some(&true) && 2 * known.iter().filter(|known| **known).count() >= known.len()
    }
}

/// Whether a word is a program that runbooks use, or a keyword that begins a command.
pub fn is_known_program(word: &str) -> bool {
    matches!(word, "for" | "while" | "until" | "if" | "case") || language::is_known_command(word)
}
