//! The repository around the pages: where it begins, and whether a link written in a page leads to a file of it.

use crate::source::tidy;
use std::path::{Component, Path, PathBuf};

/// The folder that holds the repository of a file: the nearest one above with a `.git`.
pub(super) fn root(file: &Path) -> Option<PathBuf> {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let whole = folder.canonicalize().ok()?;
    whole.ancestors().find(|folder| folder.join(".git").exists()).map(Path::to_path_buf)
}

/// Where a link leads.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Leads {
    /// To this file or folder.
    To(PathBuf),
    /// To nothing that is there.
    Nowhere,
    /// Out of the repository.
    Outside,
    /// It cannot be told: what serves the pages decides.
    Unknown,
}

/// Where the path of a link in `file` leads. GitHub resolves it beside the file, or from the root of the repository
/// when it begins with `/`; generators of sites leave out `.md`, and take pages for folders.
pub(super) fn resolve(file: &Path, path: &str, root: Option<&Path>) -> Leads {
    let beside = file.parent().unwrap_or(Path::new(""));
    if let Some(path) = path.strip_prefix('/') {
        let Some(root) = root else { return Leads::Unknown };
        if let Some(found) = existing(&root.join(path)) {
            return Leads::To(found);
        }
        // A path of a site, unless it names a file or begins with a folder of the repository.
        let first = path.split('/').next().unwrap_or_default();
        let is_file = path.rsplit('/').next().is_some_and(|name| name.ends_with(".md"));
        let known = !first.is_empty() && path.contains('/') && root.join(first).is_dir();
        let site = ["static", "public", "docs", "content", "assets"]
            .iter()
            .any(|folder| existing(&root.join(folder).join(path)).is_some());
        return if (is_file || known) && !site { Leads::Nowhere } else { Leads::Unknown };
    }
    let near = beside.join(path);
    // A page `a/b.md` is served as `a/b/`, and its links are meant from there.
    let below = file.with_extension("").join(path);
    if let Some(found) = [near.clone(), below].iter().find_map(|path| existing(path)) {
        return Leads::To(found);
    }
    // Without a repository nobody knows what lies beside it elsewhere.
    let Some(root) = root else { return Leads::Unknown };
    let folder = if beside.as_os_str().is_empty() { Path::new(".") } else { beside };
    let Ok(folder) = folder.canonicalize() else { return Leads::Unknown };
    match depth_below(&folder.join(path), root) {
        Depth::Inside => Leads::Nowhere,
        // `../../issues` beside a file at the root is a page of GitHub about the repository.
        Depth::Above if is_of_github(path) => Leads::Unknown,
        Depth::Above => Leads::Outside,
    }
}

enum Depth {
    Inside,
    Above,
}

fn depth_below(path: &Path, root: &Path) -> Depth {
    let mut plain = PathBuf::new();
    for component in path.components() {
        match component {
            Component::ParentDir => drop(plain.pop()),
            Component::CurDir => {}
            other => plain.push(other),
        }
    }
    if plain.starts_with(root) { Depth::Inside } else { Depth::Above }
}

fn is_of_github(path: &str) -> bool {
    const PAGES: &[&str] = &[
        "issues", "pulls", "pull", "wiki", "releases", "actions", "discussions", "security", "compare", "commit",
        "commits", "tree", "blob", "projects", "milestones", "labels", "graphs", "settings", "tags",
    ];
    path.split('/').find(|part| *part != ".." && *part != ".").is_some_and(|first| PAGES.contains(&first))
}

/// The file or folder of that path, also as generators of sites write it.
fn existing(path: &Path) -> Option<PathBuf> {
    if path.exists() {
        return Some(tidy(path));
    }
    let text = path.to_string_lossy();
    let bare = text.trim_end_matches('/');
    let page = bare.strip_suffix(".html").unwrap_or(bare);
    [".md", ".mdx", ".markdown"].iter().map(|end| PathBuf::from(format!("{page}{end}"))).find(|path| path.is_file())
}
