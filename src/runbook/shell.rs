//! Bash text → complete top-level commands, by the grammar of tree-sitter-bash. Here-documents are blanked first (the
//! lexer knows them better than the grammar does), and where the grammar sees an error the rest is tried again line
//! by line. What cannot be split stays one command: bash itself will say what is wrong with it.

use super::lexer::{Lexed, Quoting, lex};
use crate::source::Span;
use std::ops::ControlFlow;
use tree_sitter::{ParseOptions, Parser, Tree};

/// Texts longer than this are not split.
const MAX_TEXT: usize = 256 * 1024;
/// Steps that the parser may take on one text, in units of its progress callback: far more than any script that was
/// written by a person needs, and a bound in time for text that was made to hurt.
const MAX_STEPS: u32 = 20_000;
/// Attempts to find the end of a command after an error, in one block.
const MAX_ATTEMPTS: u32 = 200;
/// Lines of one command that are tried after an error.
const MAX_LINES: usize = 60;

/// A parser of bash.
pub(super) struct Bash {
    parser: Parser,
}

impl Bash {
    /// A parser. If the grammar cannot be loaded, nothing is split and every text counts as wrong.
    pub fn new() -> Self {
        let mut parser = Parser::new();
        // A grammar of another ABI leaves the parser without a language; `tree` then returns nothing.
        let _ = parser.set_language(&tree_sitter_bash::LANGUAGE.into());
        Bash { parser }
    }

    /// The syntax tree of text whose here-documents are blanked.
    pub fn tree(&mut self, blanked: &str) -> Option<Tree> {
        if blanked.len() > MAX_TEXT {
            return None;
        }
        let mut steps = 0;
        let mut progress = |_: &_| {
            steps += 1;
            if steps > MAX_STEPS { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        let bytes = blanked.as_bytes();
        let mut read = |at: usize, _| bytes.get(at..).unwrap_or_default();
        let options = ParseOptions::new().progress_callback(&mut progress);
        let tree = self.parser.parse_with_options(&mut read, None, Some(options));
        if tree.is_none() {
            self.parser.reset();
        }
        tree
    }

    /// Whether bash would want more text, or reject this.
    pub fn is_complete(&mut self, text: &str) -> bool {
        let lexed = lex(text);
        if lexed.open || ends_in_backslash(text) {
            return false;
        }
        self.pieces(&blank(text, &lexed), Span::new(0, text.len()), &lexed, &mut Vec::new()).is_ok()
    }

    /// The top-level commands of `text`, in order. Every byte that is not blank, a comment or a `;` between commands
    /// is in one of them. `text` is parsed as it is: placeholders must have been replaced by words.
    pub fn split(&mut self, text: &str) -> Vec<Span> {
        let lexed = lex(text);
        let blanked = blank(text, &lexed);
        let mut pieces = Vec::new();
        if let Err(from) = self.pieces(&blanked, Span::new(0, text.len()), &lexed, &mut pieces) {
            let mut from = line_start(text, from);
            while let Some(last) = pieces.pop_if(|last: &mut Span| last.end > from) {
                from = from.min(last.start);
            }
            self.resume(&blanked, from, &lexed, &mut pieces);
        }
        join_heredocs(&mut pieces, &lexed);
        pieces
    }

    /// Appends the commands of one part of the text; `Err` says where the first error is.
    fn pieces(&mut self, blanked: &str, part: Span, lexed: &Lexed, pieces: &mut Vec<Span>) -> Result<(), usize> {
        let Some(text) = blanked.get(part.start..part.end) else { return Err(part.start) };
        let Some(tree) = self.tree(text) else { return Err(part.start) };
        let root = tree.root_node();
        let mut cursor = root.walk();
        let mut covered = part.start;
        for child in root.children(&mut cursor) {
            let span = trim(blanked, part.start + child.start_byte(), part.start + child.end_byte());
            let stray = child.kind() == "command" && is_reserved(blanked, span);
            if child.has_error() || child.is_missing() || stray || !is_gap(blanked, covered, span.start, lexed) {
                return Err(covered.min(span.start));
            }
            covered = covered.max(span.end);
            match child.kind() {
                "comment" | ";" | "\n" => {}
                "&" => match pieces.last_mut() {
                    Some(last) => last.end = span.end,
                    None => return Err(span.start),
                },
                _ if !child.is_named() => return Err(span.start),
                _ if span.start < span.end => pieces.push(span),
                _ => {}
            }
        }
        if is_gap(blanked, covered, part.end, lexed) { Ok(()) } else { Err(covered) }
    }

    /// Goes on after an error: the shortest runs of whole lines that the grammar accepts, then the rest as one.
    fn resume(&mut self, blanked: &str, mut from: usize, lexed: &Lexed, pieces: &mut Vec<Span>) {
        let mut attempts = 0;
        'next: while from < blanked.len() {
            let first = lexed.line_ends.partition_point(|&end| end < from);
            let ends = lexed.line_ends.get(first..).unwrap_or_default().iter().copied().chain([blanked.len()]);
            for end in ends.take(MAX_LINES) {
                attempts += 1;
                if attempts > MAX_ATTEMPTS {
                    break;
                }
                let known = pieces.len();
                if self.pieces(blanked, Span::new(from, end), lexed, pieces).is_ok() {
                    from = end + 1;
                    continue 'next;
                }
                pieces.truncate(known);
            }
            let rest = trim(blanked, from, blanked.len());
            // Blanked here-documents at the end belong to the rest as well.
            let end = lexed.heredocs.iter().map(|h| h.body.end).max().unwrap_or(0).max(rest.end);
            if rest.start < end {
                pieces.push(Span::new(rest.start, end));
            }
            return;
        }
    }
}

/// Whether bash would reject this text, or want more of it, as far as the grammar can tell.
pub fn has_syntax_error(text: &str) -> bool {
    !Bash::new().is_complete(text)
}

/// The grammar takes the end of a compound command without its beginning for a command of that name.
fn is_reserved(text: &str, command: Span) -> bool {
    let word = text.get(command.start..command.end).and_then(|command| command.split_whitespace().next());
    matches!(word, Some("then" | "else" | "elif" | "fi" | "do" | "done" | "esac" | "in" | "}"))
}

fn ends_in_backslash(text: &str) -> bool {
    let trailing = text.bytes().rev().take_while(|&c| c == b'\\').count();
    trailing % 2 == 1
}

/// Here-documents taken out, every byte that stays at its place: the operator becomes a redirection from a file, the
/// body becomes blanks.
pub(super) fn blank(text: &str, lexed: &Lexed) -> String {
    let mut bytes = text.as_bytes().to_vec();
    let mut fill = |span: Span, with: u8| {
        if let Some(part) = bytes.get_mut(span.start..span.end) {
            part.fill(with);
        }
    };
    // The grammar stumbles over a `$` that expands nothing, as in `$\{X}`.
    for (at, _) in text.match_indices("$\\") {
        fill(Span::new(at, at + 1), b'x');
    }
    for heredoc in &lexed.heredocs {
        fill(heredoc.operator, b'x');
        fill(Span::new(heredoc.operator.start, heredoc.operator.start + 1), b'<');
        fill(heredoc.body, b' ');
    }
    // The spans begin and end at ASCII characters, so that this stays UTF-8; if not, the text itself is parsed.
    String::from_utf8(bytes).unwrap_or_else(|_| text.to_string())
}

/// Whether nothing that bash would run stands between two offsets.
fn is_gap(text: &str, from: usize, to: usize, lexed: &Lexed) -> bool {
    let Some(gap) = text.get(from..to) else { return from >= to };
    let mut bytes = gap.bytes().enumerate().peekable();
    while let Some((i, byte)) = bytes.next() {
        let fine = match byte {
            b' ' | b'\t' | b'\n' | b'\r' | b';' => true,
            b'\\' => bytes.next_if(|&(_, next)| next == b'\n').is_some(),
            _ => lexed.quoting(from + i) == Quoting::Comment,
        };
        if !fine {
            return false;
        }
    }
    true
}

fn trim(text: &str, start: usize, end: usize) -> Span {
    let part = text.get(start..end).unwrap_or_default();
    let kept = part.trim_end().len();
    Span::new(start + (part.len() - part.trim_start().len()).min(kept), start + kept)
}

fn line_start(text: &str, at: usize) -> usize {
    text.get(..at).and_then(|before| before.rfind('\n')).map_or(0, |i| i + 1)
}

/// A here-document belongs to the command with its operator, and what shares its line cannot be parted from it.
fn join_heredocs(pieces: &mut Vec<Span>, lexed: &Lexed) {
    for heredoc in &lexed.heredocs {
        let region = Span::new(heredoc.operator.start, heredoc.body.end);
        let touched = |piece: &Span| piece.start < region.end && region.start < piece.end;
        let Some(first) = pieces.iter().position(touched) else { continue };
        let count = pieces.iter().skip(first).take_while(|piece| touched(piece)).count();
        let end = pieces.get(first + count - 1).map_or(region.end, |last| last.end.max(region.end));
        if let Some(piece) = pieces.get_mut(first) {
            piece.end = end;
        }
        pieces.drain(first + 1..first + count);
    }
}

#[cfg(test)]
#[path = "shell_tests.rs"]
mod tests;
