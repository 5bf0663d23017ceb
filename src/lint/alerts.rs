//! Alert rules of the project, in the files that Prometheus and its operator read: which runbook each names, and where.

use super::Config;
use crate::source::{Diagnostics, Node, Source, Span, Value, tidy};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Folders of a project in which alert rules are looked for, unless `firedrill.toml` says where they are.
const FOLDERS: [&str; 4] = ["alerts", "rules", "prometheus", "monitoring"];
/// The annotation that leads to the runbook, by the convention of Prometheus' mixins.
const URL: &str = "runbook_url";
/// Deepest nesting of folders, and most files, that are looked at.
const DEEPEST: usize = 8;
const MOST: usize = 2000;

/// What an alert says about its runbook.
#[derive(Debug)]
pub(super) struct Alert {
    /// Its name.
    pub name: String,
    /// The address of its runbook.
    pub url: String,
    /// Where that stands.
    pub span: Span,
    /// In which file.
    pub source: Arc<Source>,
}

/// The files with alert rules: those that the patterns of the settings match, or the YAML files of the usual folders.
pub fn alert_files(root: &Path, config: &Config) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let starts = match config.alerts() {
        Some(_) => vec![root.to_path_buf()],
        None => FOLDERS.iter().map(|folder| root.join(folder)).collect(),
    };
    let mut open: Vec<(PathBuf, usize)> = starts.into_iter().map(|folder| (folder, 0)).collect();
    while let Some((folder, depth)) = open.pop() {
        // A folder that is not there holds no alerts.
        for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
            let (path, name) = (entry.path(), entry.file_name());
            let name = name.to_string_lossy();
            let Ok(kind) = entry.file_type() else { continue };
            if name.starts_with('.') || name == "node_modules" || name == "target" {
                continue;
            }
            let is_yaml = path.extension().is_some_and(|end| end == "yml" || end == "yaml");
            let inside = path.strip_prefix(root).unwrap_or(&path);
            let meant = config.alerts().is_none_or(|patterns| Config::matches(patterns, inside));
            if kind.is_dir() && depth < DEEPEST {
                open.push((path, depth + 1));
            } else if is_yaml && meant && path.is_file() && files.len() < MOST {
                files.push(tidy(&path));
            }
        }
    }
    files.sort();
    files
}

/// The alerts of a file that name a runbook. What is no YAML (a template, say) has none.
pub(super) fn read(path: &Path) -> Vec<Alert> {
    let Ok(source) = Source::read(path) else { return Vec::new() };
    let mut alerts = Vec::new();
    // Most files hold something else.
    if !source.text.contains(URL) {
        return alerts;
    }
    for part in documents(&source.text) {
        // The other documents are blanked, so that every byte keeps its place.
        let blank = |text: &str| {
            text.chars().map(|c| if c == '\n' { "\n".into() } else { " ".repeat(c.len_utf8()) }).collect::<String>()
        };
        let (before, rest) = source.text.split_at(part.start);
        let (own, _) = rest.split_at(part.end - part.start);
        let document = Source::new(path, format!("{}{own}", blank(before)));
        if let Some(node) = crate::source::parse(&document, &mut Diagnostics::default()) {
            // A rule file of Prometheus has `groups`, a PrometheusRule has them below `spec`, a list has `items`.
            below(&node, &source, &mut alerts);
        }
    }
    alerts
}

/// Between lines that begin with `---`.
fn documents(text: &str) -> Vec<Span> {
    let mut parts = Vec::new();
    let (mut start, mut at) = (0, 0);
    for line in text.split_inclusive('\n') {
        if line.starts_with("---") {
            parts.push(Span::new(start, at));
            start = at + line.len();
        }
        at += line.len();
    }
    parts.push(Span::new(start, text.len()));
    parts.retain(|part| text.get(part.start..part.end).is_some_and(|text| !text.trim().is_empty()));
    parts
}

fn below(node: &Node, source: &Arc<Source>, alerts: &mut Vec<Alert>) {
    match &node.value {
        Value::List(items) => items.iter().for_each(|item| below(item, source, alerts)),
        Value::Map(entries) => {
            let get = |key: &str| entries.iter().find(|entry| entry.key == key).map(|entry| &entry.value);
            if let Some(name) = get("alert").and_then(Node::text)
                && let Some(Value::Map(notes)) = get("annotations").map(|node| &node.value)
                && let Some(url) = notes.iter().find(|entry| entry.key == URL)
                && let Some(text) = url.value.text()
            {
                let (name, url_text) = (name.to_string(), text.to_string());
                alerts.push(Alert { name, url: url_text, span: url.value.span, source: source.clone() });
            }
            for entry in
                entries.iter().filter(|entry| matches!(entry.key.as_str(), "groups" | "rules" | "spec" | "items"))
            {
                below(&entry.value, source, alerts);
            }
        }
        Value::Null | Value::Scalar { .. } => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alerts_of_every_shape_of_file() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("a.yml");
        let text = "groups:\n- name: é\n  rules:\n  - alert: A\n    expr: up == 0\n    annotations:\n      runbook_url: https://x/a\n  \
                    - record: r\n    expr: x\n  - alert: NoUrl\n    expr: x\n---\nkind: PrometheusRule\nspec:\n  groups:\n  - rules:\n    - alert: B\n      \
                    annotations: { runbook_url: 'https://x/b' }\n---\n{{ template }}: {{ x\n";
        std::fs::write(&path, text).expect("a file");
        let alerts = read(&path);
        let found: Vec<_> = alerts.iter().map(|alert| (alert.name.as_str(), alert.url.as_str())).collect();
        assert_eq!(found, [("A", "https://x/a"), ("B", "https://x/b")]);
        assert_eq!(&text[alerts[0].span.start..alerts[0].span.end], "https://x/a");
        assert!(text[alerts[1].span.start..alerts[1].span.end].contains("https://x/b"));
    }

    #[test]
    fn alerts_are_looked_for_where_they_usually_are_or_where_the_project_says() {
        let dir = tempfile::tempdir().expect("a directory");
        for file in ["alerts/deep/a.yml", "rules/b.yaml", "other/c.yml", "alerts/d.txt", ".git/e.yml"] {
            let path = dir.path().join(file);
            std::fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
            std::fs::write(path, "").expect("a file");
        }
        let names = |text: &str| {
            let config = Config::parse(&Source::new("f", text), &mut Diagnostics::default()).expect("settings");
            let files = alert_files(dir.path(), &config);
            files
                .iter()
                .map(|file| file.file_name().expect("a name").to_string_lossy().into_owned())
                .collect::<Vec<_>>()
        };
        assert_eq!(names(""), ["a.yml", "b.yaml"]);
        assert_eq!(names("[lint]\nalerts = [\"other/*.yml\", \"**/b.yaml\"]\n"), ["c.yml", "b.yaml"]);
        assert_eq!(names("[lint]\nalerts = []\n"), [""; 0]);
    }
}
