//! Which files are meant: those that are named, and the Markdown of the folders that are named.

use super::Config;
use crate::source::tidy;
use std::fs::{self, FileType};
use std::path::{Path, PathBuf};

/// Why there is nothing to lint.
#[derive(Debug, thiserror::Error)]
pub enum FilesError {
    /// A path that does not exist, or a folder that cannot be read, and why.
    #[error("{0}: {1}")]
    Path(PathBuf, std::io::Error),
    /// A folder in which there is no Markdown that is not left out.
    #[error("{0}: there is no Markdown file in it")]
    Nothing(PathBuf),
}

/// The files below these paths, by name, each once. A file that is named is taken whatever it is called; in folders,
/// Markdown is looked for. Hidden folders, `node_modules` and `target` are left out, and symbolic links to folders are
/// not followed, so there are no circles. What the project excludes is left out, unless it is named itself.
pub fn collect(paths: &[PathBuf], root: &Path, config: &Config) -> Result<Vec<PathBuf>, FilesError> {
    let mut files = Vec::new();
    for path in paths {
        let failed = |cause| FilesError::Path(path.clone(), cause);
        if !fs::metadata(path).map_err(failed)?.is_dir() {
            files.push(tidy(path));
            continue;
        }
        let mut found = false;
        walk(path, usize::MAX, |path, kind| {
            let markdown = path.extension().is_some_and(|end| end == "md" || end == "markdown");
            let is_file = markdown && !kind.is_dir() && path.is_file();
            if !is_file && !kind.is_dir() {
                return false;
            }
            let excluded = config.excludes(&relative(path, root));
            found |= excluded || is_file;
            files.extend((is_file && !excluded).then(|| tidy(path)));
            !excluded
        })
        .map_err(failed)?;
        if !found {
            return Err(FilesError::Nothing(path.clone()));
        }
    }
    files.sort();
    files.dedup();
    Ok(files)
}

/// Goes through what is below a folder, so many folders deep; hidden entries, `node_modules` and `target` are left out.
/// `look` says of each folder whether to go into it.
pub(super) fn walk(start: &Path, deepest: usize, mut look: impl FnMut(&Path, FileType) -> bool) -> std::io::Result<()> {
    let mut open = vec![(start.to_path_buf(), 0)];
    while let Some((folder, depth)) = open.pop() {
        for entry in fs::read_dir(&folder)? {
            let entry = entry?;
            let (path, kind, name) = (entry.path(), entry.file_type()?, entry.file_name());
            let name = name.to_string_lossy();
            let left_out = name.starts_with('.') || name == "node_modules" || name == "target";
            if !left_out && look(&path, kind) && kind.is_dir() && depth < deepest {
                open.push((path, depth + 1));
            }
        }
    }
    Ok(())
}

/// The path from the project's folder on.
fn relative(path: &Path, root: &Path) -> PathBuf {
    let below = |path: PathBuf, root: PathBuf| path.strip_prefix(&root).map(Path::to_path_buf).ok();
    below(tidy(path), tidy(root))
        .or_else(|| below(path.canonicalize().ok()?, root.canonicalize().ok()?))
        .unwrap_or_else(|| tidy(path))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::{Diagnostics, Source};

    #[test]
    fn folders_are_walked_and_circles_are_not() {
        let dir = tempfile::tempdir().expect("a directory");
        let root = dir.path();
        for file in
            ["a.md", "deep/b.markdown", "deep/c.txt", ".git/d.md", "node_modules/e.md", "target/f.md", "old/g.md"]
        {
            let path = root.join(file);
            std::fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
            std::fs::write(path, "# x\n").expect("a file");
        }
        std::os::unix::fs::symlink(root, root.join("deep/circle")).expect("a link");
        std::os::unix::fs::symlink(root.join("none"), root.join("dangling.md")).expect("a link");
        let config = Config::parse(&Source::new("f", "[lint]\nexclude = [\"old\"]\n"), &mut Diagnostics::default());
        let config = config.expect("settings");
        let names = |paths: &[&str]| {
            let paths: Vec<PathBuf> = paths.iter().map(|path| root.join(path)).collect();
            let files = collect(&paths, root, &config)?;
            let name = |path: &PathBuf| path.strip_prefix(root).expect("below").to_string_lossy().into_owned();
            Ok::<Vec<String>, FilesError>(files.iter().map(name).collect())
        };
        assert_eq!(names(&[""]).expect("files"), ["a.md", "deep/b.markdown"]);
        assert_eq!(names(&["deep/c.txt", "a.md", "a.md"]).expect("files"), ["a.md", "deep/c.txt"]);
        assert_eq!(names(&["old/g.md"]).expect("files"), ["old/g.md"]);
        assert!(matches!(names(&["none"]), Err(FilesError::Path(..))));
        std::fs::create_dir(root.join("empty")).expect("a directory");
        assert!(matches!(names(&["empty"]), Err(FilesError::Nothing(_))));
    }
}
