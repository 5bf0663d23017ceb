//! How something came out, in one sign. Every sign is followed by a word, so that neither carries meaning alone.

/// How something came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StatusSymbol {
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

impl StatusSymbol {
    /// Its sign, one column wide.
    pub fn sign(self) -> &'static str {
        match self {
            StatusSymbol::Good => "✓",
            StatusSymbol::Bad => "✗",
            StatusSymbol::Warn => "!",
            StatusSymbol::Skip => "-",
            StatusSymbol::Plain => "·",
        }
    }
}
