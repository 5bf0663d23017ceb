//! The only way out of the program: what it writes to a terminal or to the log of a CI system goes through here, and what others wrote
//! in it can command neither. Colours leave where standard output or error is a terminal; commands of GitHub's workflows leave as
//! [`Annotation`]s.

mod live;
mod pattern;
pub mod pipe;
mod text;
mod workflow;

pub use live::Live;
pub use pattern::{TextPattern, pattern};
pub(crate) use text::chain;
pub use text::{
    cut, has_controls, json, log_line, log_lines, one_line, quoted, shown, strip_escapes, terminal_lines, visible,
    whole_characters,
};
pub use workflow::{Annotation, Severity};

use crate::error::Error;
use std::io::{self, IsTerminal, Write};
use text::{per_line, shown_line};

/// Prints text for people on standard output; a reader that went away (`| head`) is no error.
///
/// # Errors
/// Standard output cannot be written.
pub fn print(text: &str) -> Result<(), Error> {
    let paint = stdout_is_terminal();
    print_file(&per_line(text, |line| shown_line(line, paint)))
}

/// Prints JSON on standard output.
///
/// # Errors
/// Standard output cannot be written.
pub fn print_json(text: &str) -> Result<(), Error> {
    print_file(&json(text))
}

/// Prints a value as pretty JSON on standard output.
///
/// # Errors
/// Standard output cannot be written, or the value is none that JSON can hold.
pub fn print_value(value: &impl serde::Serialize) -> Result<(), Error> {
    let text = serde_json::to_string_pretty(value).map_err(|error| Error::harness(format!("writing JSON: {error}")))?;
    print_json(&(text + "\n"))
}

/// Prints annotations of GitHub on standard output, one a line, as their `Display` writes them. Every other line is text for people.
///
/// # Errors
/// Standard output cannot be written.
pub fn print_annotations(text: &str) -> Result<(), Error> {
    let is_one = |line: &str| Severity::ALL.iter().any(|weight| line.starts_with(&format!("::{} ", weight.words())));
    let line = |line: &str| if is_one(line) { visible(line) } else { shown_line(line, false) };
    print_file(&per_line(text, line))
}

/// Prints a file as it is: a page of HTML, in which texts of others are escaped already, or what only the program itself has written.
///
/// # Errors
/// Standard output cannot be written.
pub fn print_file(text: &str) -> Result<(), Error> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Error::harness(format!("writing to standard output: {error}")))
        }
        _ => Ok(()),
    }
}

/// Tells people something on standard error, as it is given, line ends included. A reader that went away is no reason to fail.
pub fn say(text: &str) {
    let paint = stderr_is_terminal();
    let text = per_line(text, |line| shown_line(line, paint));
    let mut err = io::stderr().lock();
    let _ = err.write_all(text.as_bytes()).and_then(|()| err.flush());
}

/// Tells people something on one line, whatever stands in it.
pub fn say_line(text: &str) {
    say(&format!("{}\n", visible(text)));
}

/// Whether standard output is a terminal.
pub fn stdout_is_terminal() -> bool {
    io::stdout().is_terminal()
}

/// Columns of the terminal on standard output; `None` where it is none.
pub fn stdout_columns() -> Option<usize> {
    let terminal = console::Term::stdout();
    terminal.size_checked().filter(|_| terminal.is_term()).map(|(_, columns)| usize::from(columns))
}

/// Whether standard error is a terminal.
pub fn stderr_is_terminal() -> bool {
    io::stderr().is_terminal()
}

/// From now on a panic says what it has to say like everything else: its message may hold a text of others.
pub fn catch_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let trace = std::backtrace::Backtrace::capture();
        let captured = trace.status() == std::backtrace::BacktraceStatus::Captured;
        say(&format!("{}\n", quoted(&panic.to_string())));
        if captured {
            say(&format!("{trace}\n"));
        }
    }));
}
