//! Text that was cut out of a Markdown file (indentation, prompts and quote marks removed) and still knows, byte for
//! byte, where it came from; and the lines of a file, counted once.

use crate::source::{Pos, Span};

/// Text with its origin: verbatim runs of the source, in order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Excerpt {
    /// The text itself.
    pub text: String,
    /// `(offset in the text, offset in the source)` of each run, ascending.
    runs: Vec<(usize, usize)>,
}

impl Excerpt {
    /// Appends a run that stands in the source at `at`.
    pub fn push(&mut self, text: &str, at: usize) {
        if text.is_empty() {
            return;
        }
        let here = self.text.len();
        // Runs that follow each other in the source as well are one run.
        let joined = self.runs.last().is_some_and(|&(t, s)| s + (here - t) == at);
        if !joined {
            self.runs.push((here, at));
        }
        self.text.push_str(text);
    }

    /// Appends a part of another excerpt.
    pub fn push_part(&mut self, other: &Excerpt, part: Span) {
        let mut from = part.start;
        while from < part.end {
            let index = other.runs.partition_point(|&(t, _)| t <= from);
            let until = other.runs.get(index).map_or(part.end, |&(t, _)| t.min(part.end));
            match other.text.get(from..until) {
                Some(text) => self.push(text, other.origin(from)),
                None => return,
            }
            from = until;
        }
    }

    /// A part of it.
    pub fn part(&self, part: Span) -> Excerpt {
        let mut out = Excerpt::default();
        out.push_part(self, part);
        out
    }

    /// Where in the source the byte at `offset` stands.
    pub fn origin(&self, offset: usize) -> usize {
        let index = self.runs.partition_point(|&(t, _)| t <= offset);
        match index.checked_sub(1).and_then(|i| self.runs.get(i)) {
            Some(&(t, s)) => s + (offset - t),
            None => 0,
        }
    }

    /// Its lines, without their ends: `(text, span)`.
    pub fn lines(&self) -> impl Iterator<Item = (&str, Span)> {
        let mut at = 0;
        self.text.split_inclusive('\n').map(move |line| {
            let bare = line.strip_suffix('\n').unwrap_or(line);
            let span = Span::new(at, at + bare.len());
            at += line.len();
            (bare, span)
        })
    }
}

/// The beginnings of the lines of a text, so that positions cost a binary search and not a walk from the top.
#[derive(Debug)]
pub(super) struct Lines<'a> {
    text: &'a str,
    starts: Vec<usize>,
    /// How many characters stand before every [`STRIDE`]th byte, because lines may be long.
    characters: Vec<usize>,
}

const STRIDE: usize = 256;

impl<'a> Lines<'a> {
    /// Counts the lines of `text`.
    pub fn new(text: &'a str) -> Self {
        let starts = std::iter::once(0).chain(text.match_indices('\n').map(|(i, _)| i + 1)).collect();
        let mut count = 0;
        let strides = text.as_bytes().chunks(STRIDE).map(|stride| {
            let before = count;
            count += characters(stride);
            before
        });
        let characters = strides.collect();
        Lines { text, starts, characters }
    }

    /// Where a line begins, counted from 1; the end of the text beyond the last one.
    pub fn start(&self, line: usize) -> usize {
        self.starts.get(line.saturating_sub(1)).copied().unwrap_or(self.text.len())
    }

    /// Line of a byte offset, from 1.
    pub fn line(&self, offset: usize) -> usize {
        self.starts.partition_point(|&start| start <= offset).max(1)
    }

    /// Line and column (in characters) of a byte offset, both from 1.
    pub fn pos(&self, offset: usize) -> Pos {
        let line = self.line(offset);
        let start = self.starts.get(line - 1).copied().unwrap_or(0);
        Pos { line, column: self.characters_before(offset).saturating_sub(self.characters_before(start)) + 1 }
    }

    fn characters_before(&self, offset: usize) -> usize {
        let stride = offset.min(self.text.len()) / STRIDE;
        let known = self.characters.get(stride).copied();
        let rest = self.text.as_bytes().get(stride * STRIDE..offset.min(self.text.len())).unwrap_or_default();
        // Where the text ends with a stride, nothing is known of the next one.
        known.map_or_else(|| characters(self.text.as_bytes()), |known| known + characters(rest))
    }
}

/// How many characters begin in these bytes of UTF-8.
fn characters(bytes: &[u8]) -> usize {
    bytes.iter().filter(|&&byte| byte & 0b1100_0000 != 0b1000_0000).count()
}

/// The SHA-256 of a text, in lower-case hex.
pub(super) fn sha256(text: &str) -> String {
    use sha2::Digest;
    sha2::Sha256::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_excerpt_knows_where_each_byte_came_from() {
        let source = "  one\n  two\n";
        let mut excerpt = Excerpt::default();
        excerpt.push("one\n", 2);
        excerpt.push("two\n", 8);
        assert_eq!(excerpt.text, "one\ntwo\n");
        assert_eq!(excerpt.origin(5), 9);
        let part = excerpt.part(Span::new(2, 6));
        assert_eq!(part.text, "e\ntw");
        for (i, byte) in part.text.bytes().enumerate() {
            assert_eq!(source.as_bytes()[part.origin(i)], byte);
        }
        assert_eq!(excerpt.lines().map(|(line, _)| line).collect::<Vec<_>>(), ["one", "two"]);
    }

    #[test]
    fn columns_count_characters() {
        let lines = Lines::new("a\näöx\n");
        assert_eq!(lines.pos(6), Pos { line: 2, column: 3 });
        assert_eq!(lines.pos(0), Pos { line: 1, column: 1 });
        assert_eq!(lines.line(999), 3);
    }
}
