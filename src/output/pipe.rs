//! Standard output and error for programs: a protocol of our own, or what a step's own command reads. Nothing is changed in what goes
//! through here, so nothing may that a person or the log of a CI system sees.

/// Standard output.
pub fn stdout() -> std::io::Stdout {
    std::io::stdout()
}

/// Standard error.
pub fn stderr() -> std::io::Stderr {
    std::io::stderr()
}

/// Standard output without blocking.
pub fn async_stdout() -> tokio::io::Stdout {
    tokio::io::stdout()
}
