//! The variables that Compose files name: only these may come from a step, and those that choose one of the host's files may not.

use super::dotenv::assignments;
use super::model::texts_in;
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
            let text = std::fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))?;
            for (name, value) in assignments(&text) {
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
