//! What a scenario is about, read without judging it: a list shows also what cannot be run.

use crate::source::{Diagnostics, Node, Source, beside, parse, tidy};
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
    /// The stack's Compose file, or its manifests, as a path.
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
    let root = read(&path);
    let get = |keys: &[&str]| root.as_ref()?.get(keys);
    let text = |key: &str| get(&[key]).and_then(Node::text).map(str::to_string);
    let items = |key: &str| get(&[key]).map_or(&[][..], Node::items).iter();
    let shown = |relative: &str| beside(&path, relative).to_string_lossy().into_owned();
    let stack = get(&["stack", "file"]).or(get(&["stack", "kubernetes", "manifests"])).or(get(&["stack"]));
    Outline {
        name: super::find::stem(&path).unwrap_or_default(),
        title: text("title"),
        kind: text("kind").unwrap_or_else(|| "drill".into()),
        severity: text("severity"),
        runbook: text("runbook").map(|relative| shown(&relative)),
        stack: stack.and_then(Node::text).map(shown),
        faults: items("faults").filter_map(|item| Some(item.entries().first()?.key.clone())).collect(),
        tags: items("tags").filter_map(Node::text).map(str::to_string).collect(),
        readable: root.is_some(),
        path: path.to_string_lossy().into_owned(),
    }
}

/// The document, if it can be read.
pub(super) fn read(path: &Path) -> Option<Node> {
    Source::read(path).ok().and_then(|source| parse(&source, &mut Diagnostics::default()))
}
