//! The error that ends a command, and the one table of exit codes.

/// How the program ends. The numbers are a contract with CI.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Everything that was asked for passed.
    Passed = 0,
    /// A drill failed: its verdict was not the expected one.
    Failed = 1,
    /// Wrong usage or wrong files; nothing was started.
    Usage = 2,
    /// The harness or its environment broke.
    Harness = 3,
    /// Interrupted by Ctrl-C or SIGTERM; everything was undone.
    Interrupted = 130,
}

impl Exit {
    /// The process exit code.
    pub fn code(self) -> u8 {
        self as u8
    }
}

/// An error that ends a command: what failed, why, and what to do about it.
#[derive(Debug, thiserror::Error)]
#[error("{message}{}", .hint.as_ref().map(|hint| format!("\nhelp: {hint}")).unwrap_or_default())]
pub struct Error {
    /// The exit code that this error stands for.
    pub exit: Exit,
    /// What failed and why, in one or more lines; may hold rendered diagnostics.
    pub message: String,
    /// What the user can do about it.
    pub hint: Option<String>,
}

impl Error {
    /// Wrong usage or wrong files (exit 2).
    pub fn usage(message: impl Into<String>) -> Self {
        Error { exit: Exit::Usage, message: message.into(), hint: None }
    }

    /// The harness or its environment broke (exit 3).
    pub fn harness(message: impl Into<String>) -> Self {
        Error { exit: Exit::Harness, message: message.into(), hint: None }
    }

    /// Adds what the user can do about it.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}
