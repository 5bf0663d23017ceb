//! Env files as Compose reads them, as far as the values are concerned: they are read only to be hidden.

use crate::source::TextPattern;
use regex::Captures;

/// An assignment to its end: a value in quotes may go on over the end of the line, and one whose quotes have no end is a plain one.
static ASSIGNMENT: TextPattern = TextPattern::new(concat!(
    r"(?m)^[^\S\n]*(?:export )?[^\S\n]*([A-Za-z0-9_.-]+)[^\S\n]*[=:][^\S\n]*",
    r#"(?:"((?:[^"\\]|\\[\s\S])*)"|'([^']*)'|(.*?)(?:[ \t]#.*)?$)"#,
));
/// What a backslash escapes in double quotes.
static ESCAPED: TextPattern = TextPattern::new(r"\\([\s\S])");

/// The assignments of an env file: `KEY=value`, `export KEY="value"`, `KEY: value`, comments, quotes over several
/// lines. A line that is none is passed over. References to other variables stay as they are: those have their own line.
pub(super) fn assignments(text: &str) -> Vec<(String, String)> {
    let unescaped = |found: &Captures<'_>| match &found[1] {
        "n" => "\n".to_string(),
        "r" => "\r".to_string(),
        "t" => "\t".to_string(),
        other => other.to_string(),
    };
    let assignment = |found: Captures<'_>| {
        let value = match (found.get(2), found.get(3), found.get(4)) {
            (Some(value), ..) => ESCAPED.replace_all(value.as_str(), unescaped).into_owned(),
            (_, Some(value), _) => value.as_str().to_string(),
            (.., value) => value.map_or("", |value| value.as_str()).trim().to_string(),
        };
        (found[1].to_string(), value)
    };
    ASSIGNMENT.captures_iter(text.trim_start_matches('\u{feff}')).map(assignment).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_value_in_quotes_is_whole_before_a_carriage_return() {
        let found = assignments("KEY=\"secret\"\r\nTAG='v1'\r\n");
        assert_eq!(
            found,
            [("KEY", "secret"), ("TAG", "v1")].map(|(name, value)| (name.to_string(), value.to_string()))
        );
    }

    #[test]
    fn every_spelling_of_an_assignment_is_read() {
        let text = "\u{feff}A=plain value # comment\r\n# B=no\nexport C = \"with \\\"quotes\\\" # in it\" # comment\n\
                    D='two\nlines'\nE: yaml\nF=\nno assignment\nG='open\nH=p#1\n";
        let found = assignments(text);
        let pairs: Vec<(&str, &str)> = found.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let expected = [
            ("A", "plain value"),
            ("C", "with \"quotes\" # in it"),
            ("D", "two\nlines"),
            ("E", "yaml"),
            ("F", ""),
            ("G", "'open"),
            ("H", "p#1"),
        ];
        assert_eq!(pairs, expected);
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic_and_a_plain_value_is_read(text in "(.|\n){0,60}", value in "[a-zA-Z0-9/+=_.-]{1,20}") {
            let _ = assignments(&text);
            let file = format!("X=1\nKEY={value}\n");
            prop_assert_eq!(&assignments(&file)[1], &("KEY".to_string(), value));
        }
    }
}
