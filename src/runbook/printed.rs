//! What a command prints, where a block shows it below the command without prompts: a table with its head in capitals,
//! or the `...` of somebody who left lines out.

use super::text::Excerpt;
use crate::bash::lexer::{Lexed, lex};
use crate::source::Span;

/// Looks for printed lines in one block.
#[derive(Debug, Default)]
pub(super) struct Printed {
    /// The quoting of the block, found out when it is asked for.
    lexed: Option<Lexed>,
    /// The commands of the block so far.
    typed: FirstLines,
}

/// The first lines of commands behind a place, read as far as they were asked for.
#[derive(Debug, Default)]
struct FirstLines {
    from: usize,
    until: usize,
    /// The first one, and how many there are.
    first: Option<String>,
    count: usize,
}

impl FirstLines {
    /// Reads on to where a line begins.
    fn read(&mut self, text: &str, from: usize, until: usize) {
        if self.from != from || until < self.until {
            *self = FirstLines { from, until: from, ..FirstLines::default() };
        }
        let lines = text.get(self.until..until).unwrap_or_default().lines().map(str::trim);
        for line in lines.filter(|line| !line.is_empty() && !line.starts_with('#')) {
            self.first.get_or_insert_with(|| line.to_string());
            self.count += 1;
        }
        self.until = until;
    }
}

impl Printed {
    /// How many of these lines are printed, if the first of them begins something that is. `from` is where the commands
    /// above them begin.
    pub fn lines(&mut self, body: &Excerpt, from: usize, lines: &[(&str, Span)]) -> Option<usize> {
        let &(line, span) = lines.first()?;
        let dots = matches!(line.trim(), "..." | "…");
        if !dots && !is_head(line) {
            return None;
        }
        self.typed.read(&body.text, from, span.start);
        let first = self.typed.first.as_deref()?;
        // Not inside of quotes or a here-document.
        let lexed = self.lexed.get_or_insert_with(|| lex(&body.text));
        if lexed.line_ends.binary_search(&span.start.checked_sub(1)?).is_err() {
            return None;
        }
        if dots {
            // `command`, `...`: the rest of the block is what it shows.
            let known = super::language::is_known_command(first.split_whitespace().next().unwrap_or_default());
            return (known && self.typed.count == 1).then_some(lines.len());
        }
        Some(lines.iter().position(|(line, _)| line.trim().is_empty()).unwrap_or(lines.len()))
    }
}

/// `NAMESPACE   NAME   READY`: three columns or more, all in capitals, two blanks or more between them.
pub(super) fn is_head(line: &str) -> bool {
    let columns: Vec<&str> = line.split("  ").map(str::trim).filter(|column| !column.is_empty()).collect();
    let head = |column: &&str| {
        column.starts_with(|c: char| c.is_ascii_uppercase() || c == '%')
            && column.contains(|c: char| c.is_ascii_uppercase())
            && column.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || " ()/%-_#".contains(c))
    };
    columns.len() > 2 && columns.iter().all(head)
}
