//! The files that something is made from, to tell what a change concerns.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Files and folders, as absolute paths without links in them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SourceFiles {
    /// Files.
    pub files: BTreeSet<PathBuf>,
    /// Folders with everything in them: contexts of builds, bind mounts.
    pub folders: BTreeSet<PathBuf>,
}

impl SourceFiles {
    /// Adds a file, and where it leads when it is a link.
    pub(crate) fn file(&mut self, path: &Path) {
        // A link may have been turned elsewhere, and what it leads to may have changed.
        if let (Some(folder), Some(name)) = (path.parent(), path.file_name()) {
            self.files.insert(Self::real(folder).join(name));
        }
        self.files.insert(Self::real(path));
    }

    /// Adds a folder with everything in it.
    pub(crate) fn folder(&mut self, path: &Path) {
        self.folders.insert(Self::real(path));
    }

    /// Whether one of these changes concerns them.
    pub(crate) fn is_touched_by(&self, changed: &BTreeSet<PathBuf>) -> bool {
        let below = |path: &Path| self.folders.iter().any(|folder| path.starts_with(folder));
        // Git names a submodule, not the files in it.
        let within = |path: &Path| self.files.iter().chain(&self.folders).any(|own| own.starts_with(path));
        changed.iter().any(|path| below(path) || within(path))
    }

    /// The path without links, as far as it exists: a file that was removed is looked for as well.
    pub(crate) fn real(path: &Path) -> PathBuf {
        let path = std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf());
        let path = crate::source::tidy(&path);
        match path.ancestors().find_map(|above| Some((above, above.canonicalize().ok()?))) {
            Some((above, known)) => match path.strip_prefix(above) {
                Ok(rest) if !rest.as_os_str().is_empty() => known.join(rest),
                _ => known,
            },
            None => path,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_concerns_what_it_is_in() {
        let mut inputs = SourceFiles::default();
        inputs.files.insert("/p/scenarios/a.yaml".into());
        inputs.folders.insert("/p/stacks/shop/db".into());
        let touched = |path: &str| inputs.is_touched_by(&BTreeSet::from([PathBuf::from(path)]));
        assert!(touched("/p/scenarios/a.yaml"));
        assert!(touched("/p/stacks/shop/db/sub/init.sql"));
        assert!(touched("/p/stacks/shop"), "a submodule is named as a whole");
        assert!(!touched("/p/scenarios/a.yaml.orig"));
        assert!(!touched("/p/stacks/shop/db2/x"));
        assert!(!touched("/p/README.md"));
        assert!(!inputs.is_touched_by(&BTreeSet::new()));
    }

    #[test]
    fn what_was_removed_has_a_path_too() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        std::os::unix::fs::symlink(&root, root.join("link")).unwrap();
        assert_eq!(SourceFiles::real(&root.join("link/gone/x.sql")), root.join("gone/x.sql"));
        assert_eq!(SourceFiles::real(&root), root);
    }
}
