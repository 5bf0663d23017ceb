//! How something came out, in one sign. Every mark is followed by a word, so that neither carries meaning alone.

/// How something came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mark {
    /// It held.
    Good,
    /// It did not.
    Bad,
    /// Worth a look.
    Warn,
    /// Not done.
    Skip,
    /// Neither: it goes on.
    Plain,
}

impl Mark {
    /// Its sign, one column wide.
    pub fn sign(self) -> &'static str {
        match self {
            Mark::Good => "✓",
            Mark::Bad => "✗",
            Mark::Warn => "!",
            Mark::Skip => "-",
            Mark::Plain => "·",
        }
    }
}
