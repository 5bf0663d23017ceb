//! Bash text → complete top-level commands, by the grammar of tree-sitter-bash. Here-documents are blanked first (the
//! lexer knows them better than the grammar does), and where the grammar sees an error the rest is tried again line
//! by line. What cannot be split stays one command: bash itself will say what is wrong with it.

use super::lexer::{Lexed, Quoting, lex};
use super::work::Work;
use crate::source::Span;
use tree_sitter::{Parser, Tree};

/// Texts longer than this are not parsed in one piece; several times the longest block of public runbooks. It bounds the
/// time that the grammar may take between two looks at the work it does.
const MAX_TEXT: usize = 16 * 1024;
/// Attempts to find the end of a command after an error, in one block.
const MAX_ATTEMPTS: u32 = 200;
/// Lines of one command that are tried after an error.
const MAX_LINES: usize = 60;

/// A parser of bash.
pub(super) struct Bash {
    parser: Parser,
    work: Work,
}

impl std::fmt::Debug for Bash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Bash").field("work", &self.work).finish_non_exhaustive()
    }
}

impl Bash {
    /// A parser for the blocks of a document of so many bytes. If the grammar cannot be loaded, nothing is split and
    /// every text counts as wrong.
    pub fn new(document: usize) -> Self {
        let mut parser = Parser::new();
        // A grammar of another ABI leaves the parser without a language; `tree` then returns nothing.
        let _ = parser.set_language(&tree_sitter_bash::LANGUAGE.into());
        Bash { parser, work: Work::of_document(document) }
    }

    /// Whether the document took more work than its size allows, so that some of it was not split.
    pub fn is_worn_out(&self) -> bool {
        self.work.is_used_up()
    }

    /// The syntax tree of text whose here-documents are blanked. None where the text is too long, or took more work
    /// than text of its length that somebody wrote.
    pub fn tree(&mut self, blanked: &str) -> Option<Tree> {
        if blanked.len() > MAX_TEXT {
            return None;
        }
        self.work.parse(&mut self.parser, blanked)
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
        let mut at = 0;
        while at < text.len() {
            let part = part(text, at, &lexed);
            let Err(from) = self.pieces(&blanked, part, &lexed, &mut pieces) else {
                at = part.end;
                continue;
            };
            let mut from = line_start(text, from).max(at);
            while let Some(last) = pieces.pop_if(|last: &mut Span| last.end > from) {
                from = from.min(last.start);
            }
            // The part of a long text may have ended in the middle of a command.
            if part.end == text.len() || from == at {
                self.resume(&blanked, from, &lexed, &mut pieces);
                break;
            }
            at = from;
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

/// Whether bash would reject this text, or want more of it, as far as the grammar can tell; for one text alone.
pub fn has_syntax_error(text: &str) -> bool {
    !Bash::new(text.len()).is_complete(text)
}

/// Whether a text is one simple command and nothing else: no list, no pipeline, no loop.
pub fn is_one_command(text: &str) -> bool {
    let Some(tree) = Bash::new(text.len()).tree(&blank(text, &lex(text))) else { return false };
    let root = tree.root_node();
    let mut cursor = root.walk();
    let statements: Vec<_> = root.children(&mut cursor).filter(|node| node.kind() != "comment").collect();
    let is_command = |node: &tree_sitter::Node<'_>| node.kind() == "command";
    match statements[..] {
        [node] if node.kind() == "redirected_statement" => {
            node.child_by_field_name("body").is_some_and(|body| is_command(&body))
        }
        [node] => is_command(&node),
        _ => false,
    }
}

/// The grammar takes the end of a compound command without its beginning for a command of that name.
fn is_reserved(text: &str, command: Span) -> bool {
    let word = text.get(command.start..command.end).and_then(|command| command.split_whitespace().next());
    matches!(word, Some("then" | "else" | "elif" | "fi" | "do" | "done" | "esac" | "in" | "}"))
}

/// From `start` to the end of the text, or of the last line that is not too far away.
fn part(text: &str, start: usize, lexed: &Lexed) -> Span {
    if text.len() - start <= MAX_TEXT {
        return Span::new(start, text.len());
    }
    let count = lexed.line_ends.partition_point(|&end| end <= start + MAX_TEXT);
    let end = count.checked_sub(1).and_then(|last| lexed.line_ends.get(last)).copied();
    Span::new(start, end.filter(|&end| end > start).unwrap_or(text.len()))
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
    let mut joined: Vec<Span> = Vec::with_capacity(pieces.len());
    let mut next = pieces.iter().copied().peekable();
    for heredoc in &lexed.heredocs {
        let region = Span::new(heredoc.operator.start, heredoc.body.end);
        while let Some(piece) = next.next_if(|piece| piece.end <= region.start) {
            joined.push(piece);
        }
        // Two here-documents of one line: the first has already taken their piece.
        let open = joined.last().is_some_and(|last| region.start < last.end);
        if !open {
            let Some(first) = next.next_if(|piece| piece.start < region.end) else { continue };
            joined.push(first);
        }
        let Some(last) = joined.last_mut() else { continue };
        last.end = last.end.max(region.end);
        while let Some(piece) = next.next_if(|piece| piece.start < last.end) {
            last.end = last.end.max(piece.end);
        }
    }
    joined.extend(next);
    *pieces = joined;
}

#[cfg(test)]
#[path = "shell_tests.rs"]
mod tests;
