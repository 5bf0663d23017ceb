//! A source file, spans into it, and diagnostics that show the line with a caret.

use crate::output::Severity;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

/// A text file that was read, with the path as the user named it.
#[derive(Debug, Clone, Default)]
pub struct Source {
    /// The path as it is shown to the user.
    pub path: PathBuf,
    /// The whole text.
    pub text: String,
    /// The directory of the project, from outside of which it may name no file; `None` for a file that names none.
    pub root: Option<PathBuf>,
    /// Found out when it is first asked for.
    pub(super) lines: OnceLock<LineIndex>,
}

/// What is counted of its lines is no part of what a file is.
impl PartialEq for Source {
    fn eq(&self, other: &Source) -> bool {
        (&self.path, &self.text, &self.root) == (&other.path, &other.text, &other.root)
    }
}

impl Eq for Source {}

impl Source {
    /// A source from a path and its text.
    pub fn new(path: impl AsRef<Path>, text: impl Into<String>) -> Arc<Self> {
        let (path, text) = (path.as_ref().to_path_buf(), text.into());
        Arc::new(Source { path, text, root: None, lines: OnceLock::new() })
    }

    /// Line and column (both from 1; the column counts characters) of a byte offset.
    pub fn pos(&self, offset: usize) -> Pos {
        let offset = floor_char_boundary(&self.text, offset);
        let line = self.line(offset);
        Pos { line, column: self.characters_before(offset) - self.characters_before(self.start(line)) + 1 }
    }

    /// Line of a byte offset, from 1.
    pub fn line(&self, offset: usize) -> usize {
        self.counted().starts.partition_point(|&start| start <= offset).max(1)
    }

    /// Where a line begins, counted from 1; the end of the text beyond the last one.
    pub fn start(&self, line: usize) -> usize {
        self.counted().starts.get(line.saturating_sub(1)).copied().unwrap_or(self.text.len())
    }

    /// The byte offset of a place; the end of its line where that is shorter.
    pub fn offset(&self, pos: Pos) -> usize {
        let (start, end) = (self.start(pos.line), self.start(pos.line + 1));
        let wanted = self.characters_before(start) + pos.column.saturating_sub(1);
        let at = wanted + self.counted().inner.partition_point(|(_, begun)| *begun <= wanted);
        at.min(end)
    }

    /// The documents of a file of YAML that say anything; all around each is blanked, so that every byte keeps its place.
    pub fn documents(&self) -> Vec<Arc<Source>> {
        let (mut starts, mut at) = (vec![0], 0);
        for line in self.text.split_inclusive('\n') {
            starts.extend((line.trim_end() == "---" || line.starts_with("--- ")).then_some(at));
            at += line.len();
        }
        starts.push(at);
        let says =
            |line: &str| !line.trim().is_empty() && !line.trim_start().starts_with('#') && line.trim_end() != "---";
        let blank = |text: &str| text.bytes().map(|byte| if byte == b'\n' { '\n' } else { ' ' }).collect::<String>();
        let parts = starts.windows(2).filter_map(|ends| {
            let [start, end] = ends else { return None };
            let (before, rest) = self.text.split_at_checked(*start)?;
            let (own, behind) = rest.split_at_checked(end - start)?;
            let text = || format!("{}{own}{}", blank(before), blank(behind));
            own.lines().any(says).then(|| Source::new(&self.path, text()))
        });
        parts.collect()
    }

    fn characters_before(&self, offset: usize) -> usize {
        offset - self.counted().inner.partition_point(|(at, _)| *at < offset)
    }

    fn counted(&self) -> &LineIndex {
        self.lines.get_or_init(|| LineIndex::of(&self.text))
    }
}

/// At most the first `most` bytes of a text, whole characters.
pub fn beginning(text: &str, most: usize) -> &str {
    text.get(..floor_char_boundary(text, most)).unwrap_or_default()
}

/// The last place in a text that is not behind this one and between two characters.
pub(super) fn floor_char_boundary(text: &str, offset: usize) -> usize {
    let mut at = offset.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

/// What is counted once, when it is first asked for, so that a position costs a binary search and not a walk from the top, or along a line.
#[derive(Debug, Clone)]
pub(super) struct LineIndex {
    /// Where each line begins.
    starts: Vec<usize>,
    /// The bytes at which no character begins, each with how many have begun before it.
    inner: Vec<(usize, usize)>,
}

impl LineIndex {
    fn of(text: &str) -> LineIndex {
        let starts = std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
        let inner = text.bytes().enumerate().filter(|(_, byte)| byte & 0b1100_0000 == 0b1000_0000);
        let inner = inner.enumerate().map(|(before, (at, _))| (at, at - before)).collect();
        LineIndex { starts, inner }
    }
}

/// A place in a text: line and column, both from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Pos {
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
}

/// A range of bytes in a source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Span {
    /// First byte.
    pub start: usize,
    /// One past the last byte.
    pub end: usize,
}

impl Span {
    /// A span from `start` to `end`, in bytes.
    pub fn new(start: usize, end: usize) -> Self {
        Span { start, end }
    }

    /// Where a part of a text stands in it; `part` must be borrowed from `text`.
    pub fn of_part(text: &str, part: &str) -> Self {
        let start = (part.as_ptr() as usize).saturating_sub(text.as_ptr() as usize);
        Span { start, end: start + part.len() }
    }

    /// What stands there in a text; nothing where that is shorter.
    pub fn of(self, text: &str) -> &str {
        text.get(self.start..self.end).unwrap_or_default()
    }
}

/// One mistake: where, what, why it is one, and what to do.
#[derive(Debug, Clone)]
pub struct Diagnostic {
    /// The rule of `firedrill lint` that it belongs to (`RB001`), if it belongs to one.
    pub code: Option<&'static str>,
    /// Error or warning.
    pub level: Severity,
    /// The file it points into.
    pub source: Arc<Source>,
    /// The bytes it points at.
    pub span: Span,
    /// What is wrong, in one line.
    pub message: String,
    /// A short text under the caret.
    pub label: Option<String>,
    /// What to do about it.
    pub help: Option<String>,
}

/// A name that was read, and that can be judged only once it is known what there is.
#[derive(Debug, Clone)]
pub struct Mention {
    /// What names it, for a message.
    pub by: String,
    /// The name.
    pub name: String,
    /// What it is one of.
    pub among: Among,
    /// Where it stands.
    pub span: Span,
}

/// What a name is one of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Among {
    /// The services of the stack.
    Services,
    /// The names by which a client inside the stack can call a service.
    Hosts,
}

/// The mistakes of any number of files, in the order in which they were found.
#[derive(Debug, Clone, Default)]
pub struct Diagnostics {
    /// All of them.
    pub all: Vec<Diagnostic>,
    /// The names that could not be judged yet, of the file that is read.
    pub mentions: Vec<Mention>,
    /// What is noted of readers that are run to describe what they take.
    pub(super) describing: Option<Box<super::shape::Describing>>,
}

impl Diagnostics {
    /// Notes an error and returns it for more detail.
    pub fn error(&mut self, source: &Arc<Source>, span: Span, message: impl Into<String>) -> &mut Diagnostic {
        self.push(Severity::Error, source, span, message)
    }

    /// Notes a warning and returns it for more detail.
    pub fn warning(&mut self, source: &Arc<Source>, span: Span, message: impl Into<String>) -> &mut Diagnostic {
        self.push(Severity::Warning, source, span, message)
    }

    /// Notes something of any level and returns it for more detail.
    pub fn push<M>(&mut self, level: Severity, source: &Arc<Source>, span: Span, message: M) -> &mut Diagnostic
    where
        M: Into<String>,
    {
        let message = message.into();
        self.all.push(Diagnostic { code: None, level, source: source.clone(), span, message, label: None, help: None });
        let last = self.all.len() - 1;
        &mut self.all[last]
    }

    /// Adds the mistakes that were found where something was read, and hands that on.
    pub fn add<T>(&mut self, (read, found): (T, Diagnostics)) -> T {
        self.all.extend(found.all);
        read
    }

    /// Whether any of them is an error.
    pub fn has_errors(&self) -> bool {
        self.has_errors_since(0)
    }

    /// Whether any of them is a failure: an error, with `strict` a warning as well.
    pub fn fail(&self, strict: bool) -> bool {
        let counts = |d: &Diagnostic| d.level == Severity::Error || strict && d.level == Severity::Warning;
        self.all.iter().any(counts)
    }

    /// Whether any of those behind the first `known` ones is an error.
    pub fn has_errors_since(&self, known: usize) -> bool {
        self.all.iter().skip(known).any(|d| d.level == Severity::Error)
    }
}

impl Diagnostic {
    /// Sets the text under the caret.
    pub fn label(&mut self, label: impl Into<String>) -> &mut Self {
        self.label = Some(label.into());
        self
    }

    /// Sets the rule of `firedrill lint` that it belongs to.
    pub fn code(&mut self, code: &'static str) -> &mut Self {
        self.code = Some(code);
        self
    }

    /// Sets what to do about it; an empty text is nothing.
    pub fn help(&mut self, help: impl Into<String>) -> &mut Self {
        self.help = Some(help.into()).filter(|help| !help.is_empty());
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn columns_count_characters() {
        let source = Source::new("x", "a\näöx\n");
        assert_eq!(source.pos(6), Pos { line: 2, column: 3 });
        assert_eq!(source.pos(0), Pos { line: 1, column: 1 });
        assert_eq!(source.line(999), 3);
        assert_eq!(source.offset(Pos { line: 2, column: 9 }), 8);
    }

    proptest! {
        #[test]
        fn a_place_leads_back_to_its_byte(text in "([a-zä€😀]{0,300}\n){0,4}[ä-ü]{0,600}") {
            let source = Source::new("x", text.clone());
            for (at, _) in text.char_indices().chain([(text.len(), ' ')]) {
                let before = &text[..at];
                let start = before.rfind('\n').map_or(0, |i| i + 1);
                let pos = Pos { line: before.matches('\n').count() + 1, column: before[start..].chars().count() + 1 };
                prop_assert_eq!(source.pos(at), pos);
                prop_assert_eq!(source.offset(pos), at);
                prop_assert_eq!(source.start(pos.line), start);
            }
        }
    }
}
