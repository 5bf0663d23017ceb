//! Regular expressions that stand in the code.

use regex::Regex;
use std::ops::Deref;
use std::sync::OnceLock;

/// One that is compiled when it is first used.
#[derive(Debug)]
pub struct TextPattern {
    text: &'static str,
    compiled: OnceLock<Regex>,
}

impl TextPattern {
    /// The one that is written like this.
    pub const fn new(text: &'static str) -> TextPattern {
        TextPattern { text, compiled: OnceLock::new() }
    }
}

impl Deref for TextPattern {
    type Target = Regex;

    fn deref(&self) -> &Regex {
        // What stands in a list of words begins with the line behind its name.
        self.compiled.get_or_init(|| pattern(self.text.trim_start_matches('\n')))
    }
}

/// Compiles one that is put together from parts.
pub fn pattern(text: &str) -> Regex {
    // Each is used by a test of its file, which would fail.
    Regex::new(text).expect("a regular expression that is right")
}
