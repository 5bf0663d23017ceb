//! Env files as Compose reads them, as far as the values are concerned: they are read only to be hidden.

use crate::source::TextPattern;

/// The assignments of an env file: `KEY=value`, `export KEY="value"`, `KEY: value`, comments, quotes over several
/// lines. A line that is none is passed over. References to other variables stay as they are: those have their own line.
pub(super) fn assignments(text: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut rest = text.trim_start_matches('\u{feff}');
    while !rest.is_empty() {
        let (line, after) = rest.split_once('\n').unwrap_or((rest, ""));
        let line = line.trim_end_matches('\r');
        let Some((name, value)) = name_of(line) else {
            rest = after;
            continue;
        };
        let quote = value.chars().next().filter(|c| matches!(c, '"' | '\''));
        // Everything behind the name: a value in quotes may go on over the end of the line.
        let begun = quote.and_then(|_| rest.get(line.len() - value.len() + 1..));
        match quote.zip(begun).and_then(|(quote, begun)| quoted(begun, quote)) {
            Some((value, after)) => {
                found.push((name, value));
                rest = after.split_once('\n').map_or("", |(_, after)| after);
            }
            None => {
                let comment = [" #", "\t#"].iter().filter_map(|mark| value.find(mark)).min();
                found.push((name, comment.and_then(|at| value.get(..at)).unwrap_or(value).trim().to_string()));
                rest = after;
            }
        }
    }
    found
}

/// The name of an assignment and what stands behind its sign, to the end of the line.
fn name_of(line: &str) -> Option<(String, &str)> {
    static ASSIGNMENT: TextPattern = TextPattern::new(r"^\s*(?:export )?\s*([A-Za-z0-9_.-]+)\s*[=:]\s*(.*?)\r*$");
    let found = ASSIGNMENT.captures(line)?;
    Some((found[1].to_string(), found.get(2)?.as_str()))
}

/// A value up to its closing quote, and what follows. In double quotes, a backslash escapes.
fn quoted(text: &str, quote: char) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            c if c == quote => return Some((value, text.get(at + 1..)?)),
            '\\' if quote == '"' => match chars.next()?.1 {
                'n' => value.push('\n'),
                'r' => value.push('\r'),
                't' => value.push('\t'),
                c => value.push(c),
            },
            c => value.push(c),
        }
    }
    None
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
