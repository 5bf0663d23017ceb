//! From a path of a record to the path from the root of the repository, which annotations of GitHub want.

use crate::source::clean;
use std::path::{Path, PathBuf};

/// Where paths of records may begin, and where the repository does.
pub struct Places {
    /// The directory that the command was started in, and the project's: drills may have been started in either.
    starts: Vec<PathBuf>,
    /// The root of the repository, when there is one.
    root: Option<PathBuf>,
}

impl Places {
    /// As seen from the current directory.
    pub fn here(project: &Path) -> Places {
        let here = std::env::current_dir().and_then(std::fs::canonicalize).ok();
        let project = std::fs::canonicalize(project).ok();
        Places::new(here.into_iter().chain(project).collect())
    }

    fn new(starts: Vec<PathBuf>) -> Places {
        let above = starts.first().into_iter().flat_map(|start| start.ancestors());
        // A file in a work tree, a directory elsewhere.
        let root = above.into_iter().find(|dir| dir.join(".git").exists()).map(Path::to_path_buf);
        Places { starts, root }
    }

    /// The path from the root of the repository; as it is, where that cannot be told.
    pub fn at_root(&self, path: &str) -> String {
        let Some(root) = &self.root else { return path.to_string() };
        // The file may be gone.
        let candidates = self.starts.iter().map(|start| clean(&start.join(path)));
        let found = candidates.into_iter().find(|candidate| candidate.starts_with(root) && candidate.is_file());
        let first = self.starts.first().map(|start| clean(&start.join(path)));
        let full = found.or(first.filter(|full| full.starts_with(root)));
        match full.as_deref().and_then(|full| full.strip_prefix(root).ok()) {
            Some(path) => path.components().map(|c| c.as_os_str().to_string_lossy()).collect::<Vec<_>>().join("/"),
            None => path.to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn paths_begin_at_the_root_of_the_repository() {
        let dir = tempfile::tempdir().unwrap();
        let root = fs::canonicalize(dir.path()).unwrap();
        fs::create_dir_all(root.join("services/shop/runbooks")).unwrap();
        fs::create_dir_all(root.join(".git")).unwrap();
        fs::write(root.join("services/shop/runbooks/a.md"), "").unwrap();
        let shop = Places::new(vec![root.join("services/shop")]);
        assert_eq!(shop.at_root("runbooks/a.md"), "services/shop/runbooks/a.md");
        assert_eq!(shop.at_root("./runbooks/../runbooks/a.md"), "services/shop/runbooks/a.md");
        assert_eq!(shop.at_root("runbooks/gone.md"), "services/shop/runbooks/gone.md");
        let absolute = root.join("services/shop/runbooks/a.md");
        assert_eq!(shop.at_root(&absolute.to_string_lossy()), "services/shop/runbooks/a.md");
        assert_eq!(shop.at_root("/elsewhere/a.md"), "/elsewhere/a.md");
        // Reported at the root, drilled in the project.
        let both = Places::new(vec![root.clone(), root.join("services/shop")]);
        assert_eq!(both.at_root("runbooks/a.md"), "services/shop/runbooks/a.md");
        assert_eq!(both.at_root("services/shop/runbooks/a.md"), "services/shop/runbooks/a.md");
    }

    #[test]
    fn without_a_repository_paths_stay() {
        let places = Places { starts: vec![PathBuf::from("/x")], root: None };
        assert_eq!(places.at_root("runbooks/a.md"), "runbooks/a.md");
    }
}
