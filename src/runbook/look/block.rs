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

/// A command at the top of a block.
#[derive(Debug, PartialEq, Eq)]
pub struct BlockCommand {
    /// The program that it begins with, assignments before it left out; none where there is no such word.
    pub program: Option<String>,
    /// Whether that is a program that runbooks use, a keyword of the shell or an assignment.
    pub known: bool,
}

impl Fence {
    /// Whether its tag calls it shell that can be pasted as it stands (`bash`, `sh`, `shell`).
    pub fn is_shell(&self) -> bool {
        of_tag(&self.tag) == BlockLanguage::Shell
    }

    /// The terminal that it shows.
    pub fn terminal(&self) -> Transcript {
        let console = of_tag(&self.tag) == BlockLanguage::Console;
        let (typed, prompts) = match prompt::read(&self.body, console) {
            Shown::Plain(typed) => (typed, false),
            Shown::Prompted(typed) => (typed, true),
            Shown::Foreign(other) => return Transcript { prompts: false, output: false, other: Some(other) },
        };
        Transcript { prompts, output: typed.iter().any(|typed| typed.expected.is_some()), other: None }
    }

    /// Its commands, if all of it can be read as shell.
    pub fn pieces(&self) -> Option<Vec<BlockCommand>> {
        let text = placeholder::mask(self.text(), &placeholder::find(self.text()));
        let spans = (!has_syntax_error(&text)).then(|| split(&text))?;
        let piece = |text: &str| {
            let program = first_word(text).map(str::to_string);
            let known = program.as_deref().is_some_and(is_known_program);
            BlockCommand { program, known }
        };
        Some(spans.into_iter().filter_map(|span| text.get(span.start..span.end)).map(piece).collect())
    }
}

/// Whether a word is a program that runbooks use, or a keyword that begins a command.
pub fn is_known_program(word: &str) -> bool {
    matches!(word, "for" | "while" | "until" | "if" | "case") || language::is_known_command(word)
}
