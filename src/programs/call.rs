//! A program as a command calls it: its words, where its output goes, and what becomes of its exit code.

/// Where a stream of a program leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sink {
    /// The command's own standard output.
    Stdout,
    /// The command's own standard error.
    Stderr,
    /// Another program, which shows what it likes.
    Piped,
    /// A file.
    File,
}

/// What becomes of an exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Code {
    /// It is, or decides, the exit code of the whole command.
    Kept,
    /// Nobody sees it: in a loop, before the last command of a group, before a pipe.
    Lost,
    /// Another command runs in its place: `a || b`.
    Replaced,
    /// It answers a question or was waived: the condition of an `if`, `a || true`.
    Asked,
}

/// One program that a command runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// Its words, quotes taken away, nothing expanded; the program first, as it was written.
    pub words: Vec<String>,
    /// Where its standard output leads.
    pub stdout: Sink,
    /// Where its standard error leads.
    pub stderr: Sink,
    /// What becomes of its exit code.
    pub code: Code,
}

impl Call {
    /// The name of the program, without its directory.
    pub fn program(&self) -> &str {
        let word = self.words.first().map_or("", String::as_str);
        word.rsplit('/').next().unwrap_or_default()
    }

    /// The words behind it.
    pub fn arguments(&self) -> &[String] {
        self.words.get(1..).unwrap_or_default()
    }
}
