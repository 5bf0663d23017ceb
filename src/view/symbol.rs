//! How something came out, in one sign. Every sign is followed by a word, so that neither carries meaning alone.

named_enum! {
/// How something came out, each with its sign, which is one column wide.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StatusSymbol {
    /// It held.
    Good = "✓",
    /// It did not.
    Bad = "✗",
    /// Worth a look.
    Warn = "!",
    /// Not done.
    Skip = "-",
    /// Neither: it goes on.
    Plain = "·",
}
}

impl StatusSymbol {
    /// Of an objective: whether it was met; `None` where that is not known.
    pub fn met(met: Option<bool>) -> StatusSymbol {
        match met {
            Some(true) => StatusSymbol::Good,
            Some(false) => StatusSymbol::Bad,
            None => StatusSymbol::Warn,
        }
    }

    /// The same of an objective in a word.
    pub fn word(self) -> &'static str {
        match self {
            StatusSymbol::Good => "met",
            StatusSymbol::Bad => "missed",
            StatusSymbol::Warn | StatusSymbol::Skip | StatusSymbol::Plain => "not known",
        }
    }

    /// Its sign.
    pub fn sign(self) -> &'static str {
        self.name()
    }
}
