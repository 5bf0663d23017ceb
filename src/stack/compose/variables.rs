//! The variables that Compose files name: only these may come from a step, and those that choose one of the host's files may not. And env
//! files as Compose reads them, as far as the values are concerned: they are read only to be hidden.

use super::builds::whole_file;
use super::model::texts_in;
use crate::source::TextPattern;
use regex::Captures;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

/// Variables that would change what the docker command itself does; a `*` stands for the rest of a name.
const NEVER: &str = include_str!("steps/never.txt");

/// Whether a variable of a step may decide anything in a model.
pub(super) fn may_decide(name: &str) -> bool {
    let plain = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    let upper = name.to_ascii_uppercase();
    let is_it = |known: &str| known.strip_suffix('*').map_or(upper == known, |begin| upper.starts_with(begin));
    plain && !NEVER.split_ascii_whitespace().any(is_it) && !upper.ends_with("_PROXY")
}

/// Names of variables.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Variables {
    /// All that are named.
    pub named: BTreeSet<String>,
    /// Those of them that decide which files of the host are read.
    pub of_files: BTreeSet<String>,
}

/// Bytes of the largest file that is read for what it names.
pub(super) const MOST_BYTES: u64 = 1 << 20;

impl Variables {
    /// Notes those of a text.
    pub(super) fn text(&mut self, text: &str) {
        self.named.extend(variables_of(text));
    }

    /// Notes what a key says of the variables in its value, beyond that they are named.
    pub(super) fn key(&mut self, key: &str, value: &Value) {
        let names: Vec<&str> = match (key, value) {
            // They decide which file is read.
            ("env_file" | "label_file" | "extends", _) => {
                return self.of_files.extend(texts_in(value).into_iter().flat_map(variables_of));
            }
            // `environment: [DEBUG]`, which has its value from outside.
            ("environment" | "args", Value::Object(fields)) => {
                fields.iter().filter(|(_, value)| value.is_null()).map(|(name, _)| name.as_str()).collect()
            }
            ("environment" | "args", Value::Array(values)) => values.iter().filter_map(Value::as_str).collect(),
            _ => return,
        };
        self.named.extend(names.into_iter().filter(|name| !name.contains(['=', '$'])).map(str::to_string));
    }

    /// `TAG=${RELEASE}` in an env file: what decides TAG is RELEASE.
    pub(super) fn through<'a>(&mut self, env_files: impl Iterator<Item = &'a PathBuf>) -> Result<(), String> {
        let mut made_of = BTreeMap::<String, Vec<String>>::new();
        for file in env_files {
            let bytes = whole_file(file, MOST_BYTES).map_err(|error| format!("{}: {error}", file.display()))?;
            for (name, value) in assignments(&String::from_utf8_lossy(&bytes)) {
                made_of.entry(name).or_default().extend(variables_of(&value));
            }
        }
        for known in [&mut self.named, &mut self.of_files] {
            let mut todo: Vec<String> = known.iter().cloned().collect();
            while let Some(name) = todo.pop() {
                let new = made_of.get(&name).into_iter().flatten().filter(|name| known.insert((*name).clone()));
                todo.extend(new.cloned());
            }
        }
        Ok(())
    }
}

/// Every name after a `$` or `${`, defaults included; `$$` is a dollar sign.
fn variables_of(text: &str) -> Vec<String> {
    let text = text.replace("$$", "");
    let after = text.split('$').skip(1).map(|rest| rest.trim_start_matches('{'));
    let name = |rest: &str| rest.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect::<String>();
    after.map(name).filter(|name| !name.is_empty()).collect()
}

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
mod dotenv_tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_env_file_without_end_is_not_read() {
        let file = tempfile::NamedTempFile::new().unwrap();
        file.as_file().set_len(MOST_BYTES + 1).unwrap();
        let error = Variables::default().through([file.path().to_path_buf()].iter()).unwrap_err();
        assert!(error.contains("larger than"), "{error}");
    }

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
