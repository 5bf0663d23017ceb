//! Whether two paths mean the same file of a project: a record names its runbook as whoever ran the drill did, from another
//! directory perhaps, or on another machine.

use std::path::{Component, Path, PathBuf};

/// Whether a path out of a record and one of the project `root` mean the same file: the recorded path ends with the path
/// from the project's folder on. Of a file outside of that folder one of the two ends with the other.
pub fn same_file(recorded: &str, path: &Path, root: &Path) -> bool {
    let recorded = plain(Path::new(recorded));
    let (below, inside) = below(path, root).map_or_else(|| (plain(path), false), |below| (below, true));
    let some = |path: &PathBuf| path.components().next().is_some();
    some(&recorded) && some(&below) && (recorded.ends_with(&below) || !inside && below.ends_with(&recorded))
}

/// The path from the project's folder on, if it is in there.
fn below(path: &Path, root: &Path) -> Option<PathBuf> {
    let (own, folder) = (plain(path), plain(root));
    // Two relative paths begin in one place, and so do two absolute ones.
    if path.is_absolute() == root.is_absolute() && !path.starts_with("..") {
        return own.strip_prefix(&folder).ok().map(Path::to_path_buf);
    }
    if let Ok(rest) = path.strip_prefix(root) {
        return Some(plain(rest));
    }
    let (path, root) = (path.canonicalize().ok()?, root.canonicalize().ok()?);
    path.strip_prefix(root).ok().map(Path::to_path_buf)
}

/// Without `.` and `..`.
fn plain(path: &Path) -> PathBuf {
    path.components().filter(|part| !matches!(part, Component::CurDir | Component::ParentDir)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_known_by_the_end_of_its_path() {
        let same = |recorded: &str, path: &str, root: &str| same_file(recorded, Path::new(path), Path::new(root));
        assert!(same("runbooks/db-pool.md", "runbooks/db-pool.md", "."));
        assert!(same("runbooks/db-pool.md", "/home/me/shop/runbooks/db-pool.md", "/home/me/shop"));
        assert!(same("/ci/build/7/runbooks/db-pool.md", "../shop/runbooks/db-pool.md", "../shop"));
        assert!(same("../shop/runbooks/db-pool.md", "runbooks/db-pool.md", "."));
        assert!(!same("runbooks/pool.md", "runbooks/db-pool.md", "."));
        assert!(!same("docs/db-pool.md", "runbooks/db-pool.md", "."));
        assert!(!same("runbooks/db-pool.md", "docs/runbooks/db-pool.md", "."), "another file of the project");
        assert!(
            same("runbooks/db-pool.md", "/elsewhere/runbooks/db-pool.md", "/home/me/shop"),
            "outside of the project"
        );
        assert!(!same("", "runbooks/db-pool.md", "."));
    }
}
