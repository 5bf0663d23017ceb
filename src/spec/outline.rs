//! What a scenario is about, read without judging it: a list shows also what cannot be run.

use crate::source::{Diagnostics, Node, Source, Value, beside, parse, tidy};
use serde::Serialize;
use std::path::Path;

/// A scenario at a glance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Outline {
    /// File name without its extension.
    pub name: String,
    /// The file.
    pub path: String,
    /// Title.
    pub title: Option<String>,
    /// `drill`, or `dr` for a DR drill.
    pub kind: String,
    /// `SEV1` …
    pub severity: Option<String>,
    /// The runbook, as a path.
    pub runbook: Option<String>,
    /// The stack's Compose file, as a path.
    pub stack: Option<String>,
    /// Kinds of its faults, in order.
    pub faults: Vec<String>,
    /// Tags.
    pub tags: Vec<String>,
    /// Whether the file can be read at all.
    pub readable: bool,
}

/// Reads what can be read.
pub fn outline(path: &Path) -> Outline {
    let path = tidy(path);
    let source = Source::read(&path).ok();
    let root = source.and_then(|source| parse(&source, &mut Diagnostics::default()));
    let get = |key: &str| match root.as_ref().map(|root| &root.value) {
        Some(Value::Map(entries)) => entries.iter().find(|entry| entry.key == key).map(|entry| &entry.value),
        _ => None,
    };
    let text = |key: &str| get(key).and_then(Node::text).map(str::to_string);
    let shown = |relative: &str| beside(&path, relative).to_string_lossy().into_owned();
    let stack = get("stack").and_then(|node| match &node.value {
        Value::Map(entries) => entries.iter().find(|entry| entry.key == "file").and_then(|entry| entry.value.text()),
        _ => node.text(),
    });
    let items = |key: &str| match get(key).map(|node| &node.value) {
        Some(Value::List(items)) => items.as_slice(),
        _ => &[],
    };
    Outline {
        name: path.file_stem().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default(),
        path: path.to_string_lossy().into_owned(),
        title: text("title"),
        kind: text("kind").unwrap_or_else(|| "drill".into()),
        severity: text("severity"),
        runbook: text("runbook").map(|relative| shown(&relative)),
        stack: stack.map(shown),
        faults: items("faults")
            .iter()
            .filter_map(|item| match &item.value {
                Value::Map(entries) => entries.first().map(|entry| entry.key.clone()),
                _ => None,
            })
            .collect(),
        tags: items("tags").iter().filter_map(|item| item.text().map(str::to_string)).collect(),
        readable: root.is_some(),
    }
}
