//! The files that Compose reads while it resolves one, found before it is asked: a file of the project can name any file that
//! its reader may read, and what stands in it comes back in a message or as a variable.

use super::rights::{Ask, Asked};
use crate::source::outside;
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Keys that name such files, as `--allow-host` calls them.
pub(super) const RIGHTS: &[&str] = &["env_file", "extends", "include", "label_file"];
/// More files than this are no stack.
const MOST_FILES: usize = 200;
/// As large as a file that people write may be.
const MOST_BYTES: u64 = 1 << 20;

/// What a Compose file, and those that it takes in, read from outside of the project; `Err` for one that Compose is not
/// given to read: too large, or aliases that would expand beyond measure.
///
/// # Errors
/// What is wrong with which file.
pub(super) fn asked(file: &Path, root: &Path) -> Result<Asked, String> {
    let mut reads =
        Reads { root, asks: Vec::new(), seen: BTreeSet::new(), todo: vec![file.to_path_buf()], service: None };
    // Compose reads it by itself.
    let directory = file.parent().unwrap_or(Path::new("/"));
    reads.note(&directory.join(".env"), "env_file");
    while let Some(next) = reads.todo.pop() {
        if reads.seen.len() >= MOST_FILES {
            return Err(format!("{} takes in more than {MOST_FILES} files", file.display()));
        }
        if reads.seen.insert(next.clone()) {
            reads.read(&next)?;
        }
    }
    reads.asks.sort();
    reads.asks.dedup();
    // Allowed on the command line only: nobody has seen the rest of the stack yet.
    Ok(Asked { asks: reads.asks, digest: String::new() })
}

struct Reads<'a> {
    root: &'a Path,
    asks: Vec<Ask>,
    seen: BTreeSet<PathBuf>,
    todo: Vec<PathBuf>,
    /// The service whose keys are looked at.
    service: Option<String>,
}

impl Reads<'_> {
    fn read(&mut self, file: &Path) -> Result<(), String> {
        // What is not there, or not a file, Compose tells in its own words.
        let Ok(metadata) = std::fs::metadata(file) else { return Ok(()) };
        if !metadata.is_file() || metadata.len() > MOST_BYTES {
            return Err(format!("{} is not a file of at most {} KiB", file.display(), MOST_BYTES / 1024));
        }
        let Ok(text) = std::fs::read_to_string(file) else { return Ok(()) };
        let base = file.parent().unwrap_or(Path::new("/")).to_path_buf();
        // Aliases are counted as what they stand for, and there is an end to that.
        let documents: Vec<Value> =
            serde_yaml::from_multiple(&text).map_err(|error| format!("{}: {error}", file.display()))?;
        for root in documents {
            if let Some(included) = entry(&root, "include") {
                list(included).into_iter().for_each(|item| self.include(item, &base));
            }
            for (name, service) in entry(&root, "services").and_then(Value::as_object).into_iter().flatten() {
                self.service = Some(name.clone());
                self.within(service, &base);
            }
            self.service = None;
            // Anchors can move keys of what stands elsewhere to a service.
            for (_, section) in root.as_object().into_iter().flatten().filter(|(key, _)| *key != "services") {
                self.within(section, &base);
            }
        }
        Ok(())
    }

    /// Wherever such a key stands.
    fn within(&mut self, value: &Value, base: &Path) {
        match value {
            Value::Object(entries) => {
                for (key, value) in entries {
                    match key.as_str() {
                        "extends" => {
                            if let Some(file) = entry(value, "file").and_then(Value::as_str) {
                                self.take_in(file, base, "extends");
                            }
                        }
                        key @ ("env_file" | "label_file") => {
                            for item in list(value) {
                                let path = item.as_str().or_else(|| entry(item, "path").and_then(Value::as_str));
                                if let Some(path) = path {
                                    self.named(path, base, key);
                                }
                            }
                        }
                        _ => {}
                    }
                    self.within(value, base);
                }
            }
            Value::Array(items) => items.iter().for_each(|item| self.within(item, base)),
            _ => {}
        }
    }

    fn include(&mut self, item: &Value, base: &Path) {
        let texts = |key: &str| -> Vec<String> {
            let found = entry(item, key).map(list).unwrap_or_default();
            found.into_iter().filter_map(Value::as_str).map(str::to_string).collect()
        };
        let mut directories = vec![base.to_path_buf()];
        for directory in texts("project_directory") {
            self.named(&directory, base, "include");
            // Files that are named in it are looked for in both places.
            directories.push(base.join(directory));
        }
        for file in texts("env_file") {
            for directory in &directories {
                self.named(&file, directory, "include");
            }
        }
        for path in item.as_str().map(str::to_string).into_iter().chain(texts("path")) {
            self.take_in(&path, base, "include");
            let directory = base.join(&path);
            self.note(&directory.parent().unwrap_or(base).join(".env"), "include");
        }
    }

    fn take_in(&mut self, path: &str, base: &Path, right: &str) {
        if self.named(path, base, right) {
            self.todo.push(base.join(path));
        }
    }

    /// Whether a path is one that can be followed; notes one that leads outside.
    fn named(&mut self, path: &str, base: &Path, right: &str) -> bool {
        let why = match path {
            _ if path.contains('$') => "a variable decides where it leads",
            _ if path.contains("://") || path.starts_with("git@") || path.starts_with("oci:") => {
                "it is read from elsewhere"
            }
            _ if path.starts_with('~') => "it is in somebody's home",
            _ => return self.note(&base.join(path), right),
        };
        self.ask(right, format!("{path}: {why}"));
        false
    }

    fn note(&mut self, path: &Path, right: &str) -> bool {
        let wrong = outside(self.root, path);
        let fits = wrong.is_none();
        wrong.into_iter().for_each(|why| self.ask(right, why));
        fits
    }

    fn ask(&mut self, right: &str, why: String) {
        let what = format!("`{right}` reaches the host: {why}");
        let service = self.service.clone();
        self.asks.push(Ask { service, key: right.to_string(), right: Some(right.to_string()), what });
    }
}

fn entry<'v>(value: &'v Value, key: &str) -> Option<&'v Value> {
    value.as_object()?.get(key)
}

/// The items of a list, or the one value.
fn list(value: &Value) -> Vec<&Value> {
    value.as_array().map_or_else(|| vec![value], |items| items.iter().collect())
}
