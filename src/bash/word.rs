//! A word of a command as a program gets it, as far as it is known before bash expands it.

use crate::source::cut;

/// Stands in a [`Word`] for a placeholder: one word that a person fills in.
pub const FILLED: char = '\u{E000}';
/// Stands in a [`Word`] for what a shell puts there, which may be anything.
pub const EXPANDED: char = '\u{E001}';

/// A word that a program is given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Word {
    /// Its text, quotes taken away, with [`FILLED`] and [`EXPANDED`] for what is not known.
    pub text: String,
    /// How much of it is known.
    pub kind: WordKind,
}

/// How much of a word is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WordKind {
    /// All of it.
    Fixed,
    /// Not all, but it stays one word, or each of its words begins as it does.
    Held,
    /// It may become options, several words, or none.
    Loose,
}

impl Word {
    /// A word of which all is known.
    pub fn fixed(text: impl Into<String>) -> Word {
        Word { text: text.into(), kind: WordKind::Fixed }
    }

    /// Whether it is exactly this.
    pub fn is(&self, text: &str) -> bool {
        self.kind == WordKind::Fixed && self.text == text
    }

    /// Whether it may turn out to be an option, though it does not look like one: `$X` may hold `-delete`, in quotes as well.
    pub fn may_be_option(&self) -> bool {
        self.kind == WordKind::Loose || self.text.starts_with(EXPANDED)
    }

    /// What it begins with, as far as that is known.
    pub fn beginning(&self) -> &str {
        let end = match self.kind {
            WordKind::Fixed => self.text.len(),
            _ => self.text.find([FILLED, EXPANDED, '*', '?', '[', '{']).unwrap_or(self.text.len()),
        };
        self.text.get(..end).unwrap_or_default()
    }

    /// Whether it may become several words: a glob, or what is split.
    pub(crate) fn may_be_several(&self) -> bool {
        self.kind == WordKind::Loose || self.kind == WordKind::Held && self.text.contains(['*', '?', '[', '{'])
    }

    /// The word as messages show it, at most 60 characters.
    pub fn shown(&self) -> String {
        let text = self.text.replace([FILLED, EXPANDED], "…").replace(['\n', '\t'], " ");
        cut(&text, 60, "…")
    }
}
