//! Commands of GitHub's workflows that put a message beside a line of a file: `::error file=…,line=…::…` on standard output
//! of a step. Values are escaped as GitHub's own toolkit does it, so that no text can become a command of its own.

use super::text::{log_line, log_lines};
use std::fmt;

named_enum! {
/// How much a message weighs, each with the word that is GitHub's command for it.
pub enum Severity {
    /// Something is wrong; a file cannot be used.
    Error = "error": "error",
    /// Something is worth a look: a file can be used, but something is likely not meant.
    Warning = "warning": "warning",
    /// Worth knowing; nothing has to be done.
    Info = "info": "notice",
}
}

/// A message beside a line. `Display` writes the command, one line without its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Annotation {
    /// How much it weighs.
    pub weight: Severity,
    /// The file, from the root of the repository; `None` where no file is to blame.
    pub file: Option<String>,
    /// Line, from 1.
    pub line: Option<usize>,
    /// Column, from 1.
    pub column: Option<usize>,
    /// What stands in bold above the message.
    pub title: String,
    /// The message; may have several lines.
    pub message: String,
}

impl fmt::Display for Annotation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = |number: Option<usize>| number.map(|number| number.to_string());
        let (file, line, column) = (self.file.as_deref().map(property), number(self.line), number(self.column));
        let place = [("file", file), ("line", line), ("col", column)].into_iter();
        let place: String = place.filter_map(|(key, value)| Some(format!("{key}={},", value?))).collect();
        write!(f, "::{} {place}title={}::{}", self.weight.words(), property(&self.title), data(&self.message))
    }
}

/// As GitHub's own toolkit escapes what follows the `::`. The runner writes it into the log, unescaped.
fn data(text: &str) -> String {
    log_lines(text).replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// As GitHub's own toolkit escapes values before the `::`.
fn property(text: &str) -> String {
    data(&log_line(text)).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn annotation(text: &str) -> Annotation {
        Annotation {
            weight: Severity::Warning,
            file: Some(text.to_string()),
            line: Some(4),
            column: None,
            title: text.to_string(),
            message: text.to_string(),
        }
    }

    /// As the runner of GitHub reads it.
    fn unescaped(text: &str) -> String {
        let text = text.replace("%3A", ":").replace("%2C", ",");
        text.replace("%0D", "\r").replace("%0A", "\n").replace("%25", "%")
    }

    #[test]
    fn what_is_not_known_is_left_out() {
        let bare = Annotation { file: None, line: None, ..annotation("x") };
        assert_eq!(bare.to_string(), "::warning title=x::x");
        assert_eq!(
            annotation("a,b: 5%\nc").to_string(),
            "::warning file=a%2Cb%3A 5%25\u{240a}c,line=4,title=a%2Cb%3A 5%25\u{240a}c::a,b: 5%25%0Ac"
        );
    }

    proptest! {
        #[test]
        fn whatever_the_text_it_is_one_command(text in "(\\PC|[\n\r%:,]|\u{1b}|##\\[x\\]){0,30}") {
            let command = annotation(&text).to_string();
            prop_assert!(!command.chars().any(|c| c.is_control() && c != '\t') && !command.contains("##["));
            let (before, message) = command.strip_prefix("::warning ").unwrap().split_once("::").unwrap();
            prop_assert_eq!(unescaped(message), log_lines(&text));
            let properties: Vec<&str> = before.split(',').collect();
            prop_assert_eq!(properties.len(), 3);
            prop_assert_eq!(unescaped(properties[2].strip_prefix("title=").unwrap()), log_line(&text));
        }
    }
}
