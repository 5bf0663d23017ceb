//! How something came out, in one sign. Every sign is followed by a word, so that neither carries meaning alone.

named_enum! {
/// How something came out, each with its sign, which is one column wide, and with what it says of an objective in a word.
pub enum StatusSymbol {
    /// It held.
    Good = "✓": "met",
    /// It did not.
    Bad = "✗": "missed",
    /// Worth a look.
    Warn = "!": "not known",
    /// Not done.
    Skip = "-": "not known",
    /// Neither: it goes on.
    Plain = "·": "not known",
}
}

impl StatusSymbol {
    /// The symbol of an objective: whether it was met; `None` where that is not known.
    pub fn met(met: Option<bool>) -> StatusSymbol {
        match met {
            Some(true) => StatusSymbol::Good,
            Some(false) => StatusSymbol::Bad,
            None => StatusSymbol::Warn,
        }
    }

    /// Whether it says neither.
    pub fn is_plain(self) -> bool {
        self == StatusSymbol::Plain
    }

    /// Its sign.
    pub fn sign(self) -> &'static str {
        self.name()
    }
}
