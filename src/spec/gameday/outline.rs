//! What a game day is about, read without judging it: a list shows also what cannot be run.

use crate::source::{Diagnostics, Node, Source, Value, parse, tidy};
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::Path;

/// A game day at a glance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DayOutline {
    /// File name without its extension.
    pub name: String,
    /// The file.
    pub path: String,
    /// Title.
    pub title: Option<String>,
    /// What its entries select, in order: `db-pool`, `tag checkout`, `tags checkout and slow`, `all`.
    pub scenarios: Vec<String>,
    /// Its settings as they are written: `order`, `repeat`, `budget` …; those that are left out are not there.
    pub settings: BTreeMap<String, String>,
    /// Whether the file can be read at all.
    pub readable: bool,
}

/// Keys that are shown as settings.
const SETTINGS: [&str; 9] =
    ["order", "seed", "repeat", "budget", "parallel", "on_failure", "retry", "flaky", "control"];

/// Reads what can be read.
pub fn outline_day(path: &Path) -> DayOutline {
    let path = tidy(path);
    let root = read(&path);
    let text = |key: &str| root.as_ref().and_then(|root| get(root, key)).and_then(Node::text).map(str::to_string);
    let scenarios = match root.as_ref().and_then(|root| get(root, "scenarios")) {
        Some(Node { value: Value::List(items), .. }) => items.iter().filter_map(entry).collect(),
        Some(node) => node.text().map(str::to_string).into_iter().collect(),
        None => Vec::new(),
    };
    DayOutline {
        name: path.file_stem().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default(),
        path: path.to_string_lossy().into_owned(),
        title: text("title"),
        scenarios,
        settings: SETTINGS.iter().filter_map(|key| Some((key.to_string(), text(key)?))).collect(),
        readable: root.is_some(),
    }
}

/// Whether a file is a game day rather than a scenario: it lies in `gamedays/`, or has `scenarios`.
pub fn is_game_day(path: &Path) -> bool {
    let folder = path.parent().and_then(Path::file_name);
    folder.is_some_and(|folder| folder == "gamedays")
        || read(path).is_some_and(|root| get(&root, "scenarios").is_some())
}

fn read(path: &Path) -> Option<Node> {
    Source::read(path).ok().and_then(|source| parse(&source, &mut Diagnostics::default()))
}

fn get<'n>(node: &'n Node, key: &str) -> Option<&'n Node> {
    match &node.value {
        Value::Map(entries) => entries.iter().find(|entry| entry.key == key).map(|entry| &entry.value),
        _ => None,
    }
}

fn entry(node: &Node) -> Option<String> {
    if let Some(name) = node.text() {
        return Some(name.to_string());
    }
    let own = |key: &str| get(node, key).and_then(Node::text);
    if let Some(name) = own("scenario") {
        return Some(name.to_string());
    }
    if let Some(tag) = own("tag") {
        return Some(format!("tag {tag}"));
    }
    match get(node, "tags").map(|node| &node.value) {
        Some(Value::List(items)) => {
            let tags: Vec<&str> = items.iter().filter_map(Node::text).collect();
            Some(format!("tags {}", tags.join(" and ")))
        }
        _ => None,
    }
}
