//! `stack:` of a scenario: a path, or a map with what Compose should be told.

use super::windows::deadline;
use crate::source::{At, Source, beside, outside, shape};
use crate::stack::{Allowed, StackRequest};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

const UP_WITHIN: Duration = Duration::from_secs(120);
const LONGEST_UP: Duration = Duration::from_secs(3600);

/// The stack and the text of its Compose file.
pub fn read(at: &mut At<'_>) -> Option<(StackRequest, Arc<Source>)> {
    let mut spec = StackRequest {
        file: PathBuf::new(),
        profiles: Vec::new(),
        env_files: Vec::new(),
        isolate: false,
        root: at.source.root.clone().unwrap_or_default(),
        allowed: Allowed::default(),
        interposed: BTreeMap::new(),
        hosts: BTreeMap::new(),
        toolbox_image: None,
        releases: Vec::new(),
        processes: Vec::new(),
        monitoring: false,
        up_within: UP_WITHIN,
    };
    let text = at.either(shape::filled, compose_file, |at| {
        let mut map = at.map("`stack`")?;
        let text = map.require_by("file", compose_file);
        spec.profiles = map.optional("profiles").unwrap_or_default();
        spec.isolate = map.optional("isolate").unwrap_or_default();
        spec.toolbox_image = map.optional("toolbox");
        spec.up_within = map.optional_by("up_within", |at| deadline(at, LONGEST_UP)).unwrap_or(UP_WITHIN);
        spec.env_files = map
            .optional_by("env_files", |at| {
                Some(files(at, "the env file").iter().map(|file| file.path.clone()).collect())
            })
            .unwrap_or_default();
        map.finish()?;
        text
    })?;
    spec.file = text.path.clone();
    Some((spec, text))
}

fn compose_file(at: &mut At<'_>) -> Option<Arc<Source>> {
    let path = path_of(at)?;
    if path.is_dir() {
        let written = at.node.text().unwrap_or_default().trim_end_matches('/');
        let error = at.error(format!("`{}` is a directory", path.display()));
        let names = ["compose.yaml", "compose.yml", "docker-compose.yaml", "docker-compose.yml"];
        if let Some(name) = names.iter().find(|name| path.join(name).is_file()) {
            error.help(format!("name the file: `{written}/{name}`"));
        }
        return None;
    }
    read_text(&path, "the stack", at)
}

/// A text file that the scenario names.
pub fn read_text(path: &Path, what: &str, at: &mut At<'_>) -> Option<Arc<Source>> {
    Source::read(path).map_err(|error| error.report(what, Some((at.source, at.node.span)), at.diags)).ok()
}

/// The path that a value names, relative to the scenario.
pub fn path_of(at: &mut At<'_>) -> Option<PathBuf> {
    at.diags.describe(shape::filled);
    let Some(text) = at.node.text().filter(|text| !text.trim().is_empty() && !text.contains('\0')) else {
        at.error(format!("expected a path, found {}", at.node.describe()));
        return None;
    };
    let path = beside(&at.source.path, text);
    let Some(why) = at.source.root.as_ref().and_then(|root| outside(root, &path)) else { return Some(path) };
    at.error(why).help("move it into the project, or say with `--root DIR` what the project is");
    None
}

/// The text files of a list; `what` says what each is for.
pub fn files(at: &mut At<'_>, what: &str) -> Vec<Arc<Source>> {
    at.items("a list of files", "write it like `env_files: [ops.env]`", |at| {
        let path = path_of(at)?;
        read_text(&path, what, at)
    })
}
