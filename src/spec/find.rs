//! Which file a name means, and what a scenario is about, read without judging it: a list shows also what cannot be run.

use super::Overrides;
use crate::error::Error;
use crate::source::{At, Diagnostics, Node, Source, beside, did_you_mean, files_in, parse, path_of, tidy, work_tree};
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The scenario file that a name (`db-pool` → `scenarios/db-pool.yaml` of the project) or a path means.
pub fn find(name_or_path: &str, project: &Path) -> Result<PathBuf, Error> {
    find_among(name_or_path, &project_scenarios(project), &project.join("scenarios"), "scenario")
}

/// The game day file that a name (`nightly` → `gamedays/nightly.yaml` of the project) or a path means.
pub fn find_game_day(name_or_path: &str, project: &Path) -> Result<PathBuf, Error> {
    find_among(name_or_path, &project_game_days(project), &project.join("gamedays"), "game day")
}

/// The file that a name, with or without its extension, means among the files of a folder; or the file at a path.
pub fn find_among(name_or_path: &str, files: &[PathBuf], folder: &Path, what: &str) -> Result<PathBuf, Error> {
    let path = Path::new(name_or_path);
    let is_file = path.extension().is_some_and(|end| ["yaml", "yml", "md", "markdown"].iter().any(|one| end == *one));
    let looks_like_path = name_or_path.contains(std::path::is_separator) || is_file;
    if looks_like_path && path.is_file() {
        return Ok(tidy(path));
    }
    let means = |file: &&PathBuf| [file.file_name(), file.file_stem()].contains(&Some(path.as_os_str()));
    // The one nearest to the top, where several in folders below have this name.
    let nearest_named = || files.iter().filter(means).min_by_key(|file| file.components().count()).cloned();
    if let Some(file) = named(name_or_path, folder).or_else(nearest_named) {
        return Ok(file);
    }
    let names: Vec<String> = files.iter().filter_map(|file| stem(file)).collect();
    let wanted = stem(path).unwrap_or_else(|| name_or_path.to_string());
    let shown = tidy(folder);
    let error = match looks_like_path {
        true => Error::usage(format!("there is no file `{name_or_path}`")),
        false => Error::usage(format!("there is no {what} `{name_or_path}` in {}", shown.display())),
    };
    Err(error.hint(match names.is_empty() {
        true => format!("there is no {what} in {}; `-C DIR` names the project's folder", shown.display()),
        false => did_you_mean(&wanted, names.iter().map(String::as_str)),
    }))
}

/// The project of a file, from outside of which nothing that it names is read: `--root`, else the Git work tree in which it lies,
/// else the directory in which Firedrill looks for names, else its own folder (above `scenarios/` and the like).
pub fn root_of(file: &Path, overrides: &Overrides) -> PathBuf {
    let absolute = |path: &Path| tidy(&std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf()));
    if let Some(root) = &overrides.root {
        return absolute(root);
    }
    let file = absolute(file);
    let folder = file.parent().unwrap_or(Path::new("/"));
    if let Some(work_tree) = work_tree(&file) {
        return work_tree.to_path_buf();
    }
    let project = absolute(&overrides.project);
    let named = |name: &std::ffi::OsStr| ["scenarios", "gamedays", "runbooks"].iter().any(|known| name == *known);
    match folder.file_name().is_some_and(named).then(|| folder.parent()).flatten() {
        _ if folder.starts_with(&project) => project,
        Some(above) => above.to_path_buf(),
        None => folder.to_path_buf(),
    }
}

/// The file of a folder that a name means, with or without its extension.
pub(super) fn named(name: &str, folder: &Path) -> Option<PathBuf> {
    let files = ["", ".yaml", ".yml"].iter().map(|end| folder.join(format!("{name}{end}")));
    files.into_iter().find(|file| is_yaml(file) && file.is_file()).map(|file| tidy(&file))
}

/// The game days of a project, by name.
pub fn project_game_days(project: &Path) -> Vec<PathBuf> {
    project_files(project, "gamedays", &["yaml", "yml"])
}

/// The scenarios of a project, by name.
pub fn project_scenarios(project: &Path) -> Vec<PathBuf> {
    project_files(project, "scenarios", &["yaml", "yml"])
}

/// The files of one of the project's folders with one of these extensions, by name; hidden ones are left out.
pub fn project_files(project: &Path, folder: &str, extensions: &[&str]) -> Vec<PathBuf> {
    files_in(&project.join(folder), extensions).iter().map(|path| tidy(path)).collect()
}

pub(super) fn is_yaml(path: &Path) -> bool {
    path.extension().is_some_and(|end| end == "yaml" || end == "yml")
}

pub(super) fn stem(path: &Path) -> Option<String> {
    path.file_stem().map(|name| name.to_string_lossy().into_owned())
}

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
    let root = document(&path);
    let get = |keys: &[&str]| root.as_ref()?.get(keys);
    let text = |key: &str| get(&[key]).and_then(Node::text).map(str::to_string);
    let items = |key: &str| get(&[key]).map_or(&[][..], Node::items).iter();
    let shown = |relative: &str| beside(&path, relative).to_string_lossy().into_owned();
    let stack = get(&["stack", "file"]).or(get(&["stack", "kubernetes", "manifests"])).or(get(&["stack"]));
    Outline {
        name: stem(&path).unwrap_or_default(),
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
pub(super) fn document(path: &Path) -> Option<Node> {
    Source::read(path).ok().and_then(|source| parse(&source, &mut Diagnostics::default()))
}

/// A text file that the scenario names.
pub fn read_text(path: &Path, what: &str, at: &mut At<'_>) -> Option<Arc<Source>> {
    Source::read(path).map_err(|error| error.report(what, Some((at.source, at.node.span)), at.diags)).ok()
}

/// The text file that a value names; `what` says what it is for.
pub fn text_at(at: &mut At<'_>, what: &str) -> Option<Arc<Source>> {
    read_text(&path_of(at)?, what, at)
}

/// The text files of a list; `what` says what each is for.
pub fn files(at: &mut At<'_>, what: &str) -> Vec<Arc<Source>> {
    at.items("a list of files", "write it like `env_files: [ops.env]`", |at| text_at(at, what))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_paths_are_found() {
        let dir = tempfile::tempdir().expect("a directory");
        let project = dir.path();
        std::fs::create_dir_all(project.join("scenarios")).expect("a directory");
        for name in ["db-pool.yaml", "upstream.yml", "notes.txt", ".hidden.yaml"] {
            std::fs::write(project.join("scenarios").join(name), "x").expect("a file");
        }
        let file = |name: &str| project.join("scenarios").join(name);
        assert_eq!(find("db-pool", project).expect("found"), file("db-pool.yaml"));
        assert_eq!(find("upstream", project).expect("found"), file("upstream.yml"));
        assert_eq!(find("db-pool.yaml", project).expect("found"), file("db-pool.yaml"));
        let path = file("upstream.yml");
        assert_eq!(find(&path.to_string_lossy(), project).expect("found"), path);
        assert_eq!(project_scenarios(project), [file("db-pool.yaml"), file("upstream.yml")]);
        let hint = |name: &str, project: &Path| find(name, project).expect_err("not found").hint.unwrap_or_default();
        assert_eq!(hint("db_pol", project), "did you mean `db-pool`?");
        assert_eq!(hint("scenarios/db-poll.yaml", project), "did you mean `db-pool`?");
        assert_eq!(hint("other", project), "there is `db-pool` and `upstream`");
        assert!(hint("notes.txt", &file("")).contains("there is no scenario in"));
        assert!(find("notes", project).is_err() && find("", project).is_err());
    }
}
