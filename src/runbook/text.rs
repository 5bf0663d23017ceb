//! Text that was cut out of a Markdown file (indentation, prompts and quote marks removed) and still knows, byte for
//! byte, where it came from.

use crate::source::Span;

pub(super) use crate::source::is_among;

/// Text with its origin: verbatim runs of the source, in order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Excerpt {
    /// The text itself.
    pub text: String,
    /// `(offset in the text, offset in the source)` of each run, ascending.
    runs: Vec<(usize, usize)>,
}

impl Excerpt {
    /// A run that stands in the source at `at`.
    pub fn of(text: &str, at: usize) -> Excerpt {
        let mut out = Excerpt::default();
        out.push(text, at);
        out
    }

    /// Appends a run that stands in the source at `at`.
    pub fn push(&mut self, text: &str, at: usize) {
        if text.is_empty() {
            return;
        }
        let here = self.text.len();
        // Runs that follow each other in the source as well are one run.
        let joined = self.runs.last().is_some_and(|&(t, s)| s + (here - t) == at);
        self.runs.extend((!joined).then_some((here, at)));
        self.text.push_str(text);
    }

    /// Appends a part of another excerpt.
    pub fn push_part(&mut self, other: &Excerpt, part: Span) {
        let mut from = part.start;
        while from < part.end {
            let index = other.runs.partition_point(|&(t, _)| t <= from);
            let until = other.runs.get(index).map_or(part.end, |&(t, _)| t.min(part.end));
            self.push(Span::new(from, until).of(&other.text), other.origin(from));
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
        let before = self.runs.get(..self.runs.partition_point(|&(t, _)| t <= offset));
        before.and_then(<[_]>::last).map_or(0, |&(t, s)| s + (offset - t))
    }

    /// The place in the source of some bytes of it.
    pub fn place(&self, part: Span) -> Span {
        let start = self.origin(part.start);
        let end = if part.start < part.end { self.origin(part.end - 1) + 1 } else { start };
        Span::new(start, end.max(start))
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

/// The first place from `at` on at which a character begins.
pub(super) fn until_char(text: &str, mut at: usize) -> usize {
    while !text.is_char_boundary(at) && at < text.len() {
        at += 1;
    }
    at
}

/// The words of a text: letters and digits.
pub(super) fn words(text: &str) -> impl DoubleEndedIterator<Item = &str> + Clone {
    text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty())
}

/// The words of a text in lower case.
pub(super) fn lower_words(text: &str) -> Vec<String> {
    words(text).map(str::to_lowercase).collect()
}

/// The words of a text in lower case, `don't` as one, however its apostrophe is written.
pub(super) fn spoken_words(text: &str) -> Vec<String> {
    let text = text.replace('\u{2019}', "'").to_lowercase();
    let words = text.split(|c: char| !c.is_alphanumeric() && c != '\'').map(|word| word.trim_matches('\''));
    words.filter(|word| !word.is_empty()).map(str::to_string).collect()
}

/// One line, however it was broken.
pub(super) fn fold(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The sentences of running text. A dot inside a word, a number or an abbreviation ends none.
pub(super) fn sentences(text: &str) -> Vec<&str> {
    let mut out = Vec::new();
    let mut start = 0;
    for (at, mark) in text.match_indices(['.', '!', '?']) {
        let end = at + mark.len();
        let after = text.get(end..).unwrap_or_default();
        let next = after.trim_start().chars().next();
        let before = text.get(start..at).unwrap_or_default();
        // Long words are neither numbers nor abbreviations.
        let near = before.char_indices().rev().nth(24).map_or(before, |(i, _)| before.get(i..).unwrap_or_default());
        let word = near.rsplit(char::is_whitespace).next().unwrap_or_default();
        let abbreviation = matches!(word.to_lowercase().as_str(), "e.g" | "i.e" | "etc" | "vs" | "eg" | "approx");
        let ends = after.starts_with(char::is_whitespace) && next.is_some_and(|c| !c.is_lowercase()) && !abbreviation;
        if ends && !word.chars().all(|c| c.is_ascii_digit()) {
            out.push(before.trim());
            start = end;
        }
    }
    out.push(text.get(start..).unwrap_or_default().trim());
    out.retain(|sentence| !sentence.is_empty());
    out
}

/// At most `width` characters, cut at a word; colons and dots at the end are left out.
pub(super) fn shorten(text: &str, width: usize) -> String {
    let text = text.trim().trim_end_matches([':', '.', ',', ';']).trim_end();
    if text.chars().count() <= width {
        return text.to_string();
    }
    let cut: String = text.chars().take(width).collect();
    let kept = cut.rfind(' ').and_then(|at| cut.get(..at)).unwrap_or(&cut);
    format!("{}…", kept.trim_end_matches([' ', ',', ';', ':', '.']))
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
}
