//! A source file, spans into it, and diagnostics that show the line with a caret.

use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A text file that was read, with the path as the user named it.
#[derive(Debug, PartialEq, Eq)]
pub struct Source {
    /// The path as it is shown to the user.
    pub path: PathBuf,
    /// The whole text.
    pub text: String,
}

impl Source {
    /// A source from a path and its text.
    pub fn new(path: impl AsRef<Path>, text: impl Into<String>) -> Arc<Self> {
        Arc::new(Source { path: path.as_ref().to_path_buf(), text: text.into() })
    }

    /// Line and column (both from 1; the column counts characters) of a byte offset.
    pub fn pos(&self, offset: usize) -> Pos {
        let offset = floor_char_boundary(&self.text, offset);
        let before = &self.text[..offset];
        let line = before.matches('\n').count() + 1;
        let start = before.rfind('\n').map_or(0, |i| i + 1);
        Pos { line, column: before[start..].chars().count() + 1 }
    }
}

fn floor_char_boundary(text: &str, offset: usize) -> usize {
    let mut at = offset.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
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
}

/// How bad a diagnostic is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// The file cannot be used.
    Error,
    /// The file can be used, but something is likely not meant.
    Warning,
    /// Worth knowing; nothing has to be done.
    Info,
}

impl Level {
    /// The name as it stands in files and reports.
    pub fn name(self) -> &'static str {
        match self {
            Level::Error => "error",
            Level::Warning => "warning",
            Level::Info => "info",
        }
    }
}

/// One mistake: where, what, why it is one, and what to do.
#[derive(Debug, Clone)]
pub struct Diagnostic {
    /// The rule of `firedrill lint` that it belongs to (`RB001`), if it belongs to one.
    pub code: Option<&'static str>,
    /// Error or warning.
    pub level: Level,
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

/// The mistakes of any number of files, in the order in which they were found.
#[derive(Debug, Clone, Default)]
pub struct Diagnostics {
    /// All of them.
    pub all: Vec<Diagnostic>,
    /// The keys that each reader of a map asked for, when they are noted.
    pub(super) asked: Option<Vec<Vec<super::shape::Asked>>>,
}

impl Diagnostics {
    /// Diagnostics that also note which keys are asked for, for the schema.
    pub fn noting() -> Diagnostics {
        Diagnostics { asked: Some(Vec::new()), ..Diagnostics::default() }
    }

    /// Notes an error and returns it for more detail.
    pub fn error(&mut self, source: &Arc<Source>, span: Span, message: impl Into<String>) -> &mut Diagnostic {
        self.push(Level::Error, source, span, message)
    }

    /// Notes a warning and returns it for more detail.
    pub fn warning(&mut self, source: &Arc<Source>, span: Span, message: impl Into<String>) -> &mut Diagnostic {
        self.push(Level::Warning, source, span, message)
    }

    /// Notes something of any level and returns it for more detail.
    pub fn push(
        &mut self,
        level: Level,
        source: &Arc<Source>,
        span: Span,
        message: impl Into<String>,
    ) -> &mut Diagnostic {
        let message = message.into();
        self.all.push(Diagnostic { code: None, level, source: source.clone(), span, message, label: None, help: None });
        let last = self.all.len() - 1;
        &mut self.all[last]
    }

    /// Whether any of them is an error.
    pub fn has_errors(&self) -> bool {
        self.all.iter().any(|d| d.level == Level::Error)
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

    /// Sets what to do about it.
    pub fn help(&mut self, help: impl Into<String>) -> &mut Self {
        self.help = Some(help.into());
        self
    }
}
