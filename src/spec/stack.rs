//! `stack:` of a scenario: a path, or a map with what Compose should be told.

use crate::source::{Diagnostics, FromYaml, MapReader, Node, Source, Span, beside, outside};
use crate::stack::{Allowed, StackSpec};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

const UP_WITHIN: Duration = Duration::from_secs(120);
const LONGEST_UP: Duration = Duration::from_secs(3600);

/// The stack and the text of its Compose file.
pub fn read(node: &Node, source: &Arc<Source>, diags: &mut Diagnostics) -> Option<(StackSpec, Arc<Source>)> {
    let mut spec = StackSpec {
        compose_file: PathBuf::new(),
        profiles: Vec::new(),
        env_files: Vec::new(),
        isolate: false,
        root: source.root.clone().unwrap_or_default(),
        allowed: Allowed::default(),
        interposed: BTreeMap::new(),
        hosts: BTreeMap::new(),
        toolbox_image: None,
        releases: Vec::new(),
        processes: Vec::new(),
        up_within: UP_WITHIN,
    };
    if node.text().is_some() {
        let text = compose_file(node, source, diags)?;
        spec.compose_file = text.path.clone();
        return Some((spec, text));
    }
    let mut map = MapReader::new(node, "`stack`", source, diags)?;
    let text = map.require_node("file").and_then(|node| compose_file(node, source, map.diags));
    spec.profiles = map.optional("profiles").unwrap_or_default();
    spec.isolate = map.optional("isolate").unwrap_or_default();
    spec.toolbox_image = map.optional("toolbox");
    spec.up_within = super::windows::deadline(&mut map, "up_within", LONGEST_UP).unwrap_or(UP_WITHIN);
    if let Some(node) = map.node("env_files") {
        // Read for their mistakes here; their places come from the items themselves.
        let _: Option<Vec<String>> = map.optional("env_files");
        if let crate::source::Value::List(items) = &node.value {
            for item in items {
                spec.env_files.extend(existing_file(item, "the env file", source, map.diags));
            }
        }
    }
    map.finish()?;
    let text = text?;
    spec.compose_file = text.path.clone();
    Some((spec, text))
}

fn compose_file(node: &Node, source: &Arc<Source>, diags: &mut Diagnostics) -> Option<Arc<Source>> {
    let path = path_of(node, source, diags)?;
    if path.is_dir() {
        let error = diags.error(source, node.span, format!("`{}` is a directory", path.display()));
        let names = ["compose.yaml", "compose.yml", "docker-compose.yaml", "docker-compose.yml"];
        if let Some(name) = names.iter().find(|name| path.join(name).is_file()) {
            let written = node.text().unwrap_or_default().trim_end_matches('/');
            error.help(format!("name the file: `{written}/{name}`"));
        }
        return None;
    }
    read_text(&path, "the stack", node.span, source, diags)
}

/// A text file that the scenario names.
pub fn read_text(
    path: &Path,
    what: &str,
    span: Span,
    source: &Arc<Source>,
    diags: &mut Diagnostics,
) -> Option<Arc<Source>> {
    match Source::read(path) {
        Ok(text) => Some(text),
        Err(error) => {
            error.report(what, Some((source, span)), diags);
            None
        }
    }
}

/// The path that a node names, relative to the scenario.
pub fn path_of(node: &Node, source: &Arc<Source>, diags: &mut Diagnostics) -> Option<PathBuf> {
    match String::from_yaml(node) {
        Ok(text) if !text.trim().is_empty() => {
            let path = beside(&source.path, &text);
            let Some(why) = source.root.as_ref().and_then(|root| outside(root, &path)) else { return Some(path) };
            diags
                .error(source, node.span, why)
                .help("move it into the project, or say with `--root DIR` what the project is");
            None
        }
        _ => {
            diags.error(source, node.span, format!("expected a path, found {}", node.describe()));
            None
        }
    }
}

fn existing_file(node: &Node, what: &str, source: &Arc<Source>, diags: &mut Diagnostics) -> Option<PathBuf> {
    node.text()?;
    let path = path_of(node, source, diags)?;
    read_text(&path, what, node.span, source, diags).map(|_| path)
}
