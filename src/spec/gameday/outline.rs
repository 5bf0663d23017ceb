//! What a game day is about, read without judging it: a list shows also what cannot be run.

use crate::source::{Node, Value, tidy};
use crate::spec::find::stem;
use crate::spec::outline::read;
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
    let get = |key: &str| root.as_ref()?.get(&[key]);
    let text = |key: &str| get(key).and_then(Node::text).map(str::to_string);
    let scenarios = get("scenarios").map_or_else(Vec::new, |node| match node.text() {
        Some(text) => vec![text.to_string()],
        None => node.items().iter().filter_map(entry).collect(),
    });
    DayOutline {
        name: stem(&path).unwrap_or_default(),
        title: text("title"),
        scenarios,
        settings: SETTINGS.iter().filter_map(|key| Some((key.to_string(), text(key)?))).collect(),
        readable: root.is_some(),
        path: path.to_string_lossy().into_owned(),
    }
}

/// Whether a file is a game day rather than a scenario: it lies in `gamedays/`, or has `scenarios`.
pub fn is_game_day(path: &Path) -> bool {
    let folder = path.parent().and_then(Path::file_name);
    folder.is_some_and(|folder| folder == "gamedays")
        || read(path).is_some_and(|root| root.get(&["scenarios"]).is_some())
}

fn entry(node: &Node) -> Option<String> {
    let own = |key: &str| node.get(&[key]).and_then(Node::text);
    let tags = |node: &Node| node.items().iter().filter_map(Node::text).collect::<Vec<_>>().join(" and ");
    let name = node.text().or(own("scenario")).map(str::to_string);
    let tagged = || own("tag").map(|tag| format!("tag {tag}"));
    let all =
        || Some(format!("tags {}", tags(node.get(&["tags"]).filter(|node| matches!(node.value, Value::List(_)))?)));
    name.or_else(tagged).or_else(all)
}
