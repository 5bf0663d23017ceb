//! Reading a file that a person named: size, kind and encoding are looked at before anything else is.

use super::yaml::MAX_BYTES;
use super::{At, Diagnostics, Source, Span, nearest, shape};
use crate::output::has_controls;
use std::io::Read;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

/// Longest path that is followed, in bytes: systems open no longer ones, and each of its parts is looked up.
const LONGEST_PATH: usize = 4096;

/// Files of a folder that are looked through for one that was meant.
const MOST_BESIDE: usize = 1000;

/// Why a file could not be read as text.
#[derive(Debug, Clone)]
pub enum ReadError {
    /// It is not there, not a file, too large, or not allowed to be read: the path as it is shown, and why, in a few words.
    File { path: PathBuf, cause: String },
    /// It is not UTF-8: the text with what is not UTF-8 replaced, and the first such place.
    Encoding { source: Arc<Source>, span: Span },
}

impl Source {
    /// The same for a file that names others, all of them inside of the project's directory.
    pub fn read_in(path: &Path, root: &Path) -> Result<Arc<Source>, ReadError> {
        if let Some(cause) = outside(root, path) {
            let cause = format!("{cause}; `--root` says what the project is");
            return Err(ReadError::File { path: path.to_path_buf(), cause });
        }
        Ok(Source::read_any(path)?.of_project(root.to_path_buf()))
    }

    /// The same file, which may name those of this directory and no others.
    pub fn of_project(self: Arc<Self>, root: PathBuf) -> Arc<Source> {
        Arc::new(Source { root: Some(root), ..Arc::unwrap_or_clone(self) })
    }

    /// Reads a text file of at most 1 MiB; `path` is relative to the working directory and is shown as it is given. One in a Git
    /// work tree is no link that leads out of it: links can be committed, and messages show lines of what is read.
    pub fn read(path: &Path) -> Result<Arc<Source>, ReadError> {
        let whole = std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf());
        let cause = work_tree(&whole).and_then(|root| outside(root, &whole));
        cause.map_or_else(|| Source::read_any(path), |cause| Err(ReadError::File { path: path.to_path_buf(), cause }))
    }

    fn read_any(path: &Path) -> Result<Arc<Source>, ReadError> {
        let failed = |cause: String| ReadError::File { path: path.to_path_buf(), cause };
        if has_controls(&path.to_string_lossy()) {
            return Err(failed("its path has a control character: rename it".into()));
        }
        let metadata = std::fs::metadata(path).map_err(|error| {
            let is_missing = error.kind() == std::io::ErrorKind::NotFound;
            let meant = is_missing
                .then(|| near(path))
                .flatten()
                .map(|name| format!(" (did you mean `{name}`?)"))
                .unwrap_or_default();
            failed(cause(&error) + &meant)
        })?;
        // A FIFO or a device would block, or never end.
        if !metadata.is_file() {
            return Err(failed(if metadata.is_dir() { "it is a directory".into() } else { "it is not a file".into() }));
        }
        let limit = u64::try_from(MAX_BYTES).unwrap_or(u64::MAX);
        let mut bytes = Vec::new();
        std::fs::File::open(path)
            .and_then(|file| file.take(limit + 1).read_to_end(&mut bytes))
            .map_err(|error| failed(cause(&error)))?;
        if bytes.len() > MAX_BYTES {
            return Err(failed(format!("it is larger than {} KiB", MAX_BYTES / 1024)));
        }
        String::from_utf8(bytes).map(|text| Source::new(path, text)).map_err(|error| {
            let at = error.utf8_error().valid_up_to();
            let text = String::from_utf8_lossy(error.as_bytes()).into_owned();
            let span = Span::new(at, at + char::REPLACEMENT_CHARACTER.len_utf8());
            ReadError::Encoding { source: Source::new(path, text), span }
        })
    }
}

/// A file of nearly the same name in the folder of one that is not there.
fn near(path: &Path) -> Option<String> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let there = std::fs::read_dir(folder).ok()?.flatten().take(MOST_BESIDE);
    let mut names: Vec<String> = there.filter_map(|file| file.file_name().into_string().ok()).collect();
    names.sort();
    let wanted = path.file_name()?.to_str()?;
    let others = names.iter().map(String::as_str).filter(|name| *name != wanted && !has_controls(name));
    let name = nearest(wanted, others)?;
    Some(name.to_string())
}

impl ReadError {
    /// Notes it: a file that was named somewhere is reported where it was named (`at`), text that is not UTF-8 in the
    /// file itself. `what` says what the file is for (`the runbook`).
    pub fn report(&self, what: &str, at: Option<(&Arc<Source>, Span)>, diags: &mut Diagnostics) {
        match (self, at) {
            (ReadError::Encoding { source, span }, _) => {
                diags
                    .error(source, *span, format!("{what} is not UTF-8 text"))
                    .label("the first byte that is not")
                    .help("save the file as UTF-8");
            }
            (ReadError::File { path, cause }, Some((source, span))) => {
                diags.error(source, span, format!("{what} cannot be read: `{}`: {cause}", path.display()));
            }
            (ReadError::File { path, cause }, None) => {
                let source = Source::new(path, "");
                diags.error(&source, Span::default(), format!("{what} cannot be read: {cause}"));
            }
        }
    }
}

/// The Git work tree in which a file lies, by its absolute path as it is written.
pub fn work_tree(file: &Path) -> Option<&Path> {
    file.ancestors().skip(1).find(|folder| folder.join(".git").exists())
}

/// Why a path leads outside of a directory, if it does; links are followed, and of what is not there the part that is. A `..` behind
/// a link leads up from where the link leads when a file is opened, and takes the link away where Docker, Compose or kustomize clean the
/// path first: it must lead outside in neither way.
pub fn outside(root: &Path, path: &Path) -> Option<String> {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf());
    if path.as_os_str().len() > LONGEST_PATH {
        return Some(format!("a path of more than {LONGEST_PATH} bytes leads nowhere"));
    }
    leads_outside(root, &path).or_else(|| leads_outside(root, &clean(&path)))
}

fn leads_outside(root: &Path, path: &Path) -> Option<String> {
    let root = root.canonicalize().unwrap_or_else(|_| root.to_path_buf());
    let (mut there, mut missing) = (path.to_path_buf(), PathBuf::new());
    let real: PathBuf = loop {
        if let Ok(real) = there.canonicalize() {
            break real.components().chain(missing.components()).collect();
        }
        // A link that leads nowhere may lead somewhere by the time it is followed.
        let gone = std::fs::symlink_metadata(&there).is_err();
        match (there.file_name(), there.parent()) {
            (Some(name), Some(parent)) if gone => {
                (missing, there) = (Path::new(name).join(missing), parent.to_path_buf())
            }
            _ => {
                let gone = |error: std::io::Error| error.kind() == std::io::ErrorKind::NotFound;
                let to = std::fs::read_link(&there).ok().filter(|_| std::fs::metadata(&there).is_err_and(gone));
                return Some(match to {
                    Some(to) => format!("{} is a link to {}, where nothing is", there.display(), to.display()),
                    None => format!("{}: where this leads cannot be told", path.display()),
                });
            }
        }
    };
    let leads = if real == path { String::new() } else { format!(" leads to {}, which", real.display()) };
    let told = || format!("{}{leads} is outside of the project {}", path.display(), root.display());
    (!real.starts_with(&root)).then(told)
}

fn cause(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::NotFound => "there is no such file".into(),
        std::io::ErrorKind::PermissionDenied => "it may not be read by this user".into(),
        std::io::ErrorKind::NotADirectory => "a part of the path is a file, not a directory".into(),
        _ => error.to_string(),
    }
}

/// The path that `relative`, written in `file`, names: relative to the folder of `file`, and without the `..` and `.`
/// that can be left out, so that it is shown as a person would write it.
pub fn beside(file: &Path, relative: &str) -> PathBuf {
    let joined = file.parent().unwrap_or_else(|| Path::new("")).join(relative);
    tidy(&joined)
}

/// The path that a value names, relative to its file, and not outside of the project.
pub fn path_of(at: &mut At<'_>) -> Option<PathBuf> {
    at.diags.describe(shape::filled);
    let Some(text) = at.node.text().filter(|text| !text.trim().is_empty() && !text.contains('\0')) else {
        return at.fail(format!("expected a path, found {}", at.node.describe()));
    };
    let path = beside(&at.source.path, text);
    let Some(why) = at.source.root.as_ref().and_then(|root| outside(root, &path)) else { return Some(path) };
    at.error(why).help("name a file of the project, or say with `--root DIR` what the project is");
    None
}

/// A path without `.` and `..`, by its text alone: `..` takes away what is written before it, whatever links there are, stays where nothing
/// is, and nothing is above `/`.
pub fn clean(path: &Path) -> PathBuf {
    let mut clean = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => match clean.components().next_back() {
                Some(Component::Normal(_)) => drop(clean.pop()),
                Some(Component::RootDir) => {}
                _ => clean.push(".."),
            },
            other => clean.push(other),
        }
    }
    clean
}

/// The files of a folder with one of these extensions, by name, without the hidden ones; none where it cannot be read.
pub fn files_in(folder: &Path, extensions: &[&str]) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let entries = entries.filter(|entry| !entry.file_name().to_string_lossy().starts_with('.'));
    let is_one = |path: &PathBuf| path.extension().is_some_and(|end| extensions.iter().any(|one| end == *one));
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.path()).filter(is_one).collect();
    files.retain(|path| !path.is_dir());
    files.sort();
    files
}

/// Whether two paths lead to one file or folder.
pub fn same_path(a: &Path, b: &Path) -> bool {
    a == b || a.canonicalize().ok().zip(b.canonicalize().ok()).is_some_and(|(a, b)| a == b)
}

/// The same path without `.` and with `..` resolved, unless a symbolic link makes that another file.
pub fn tidy(path: &Path) -> PathBuf {
    let mut short = clean(path);
    if short.as_os_str().is_empty() {
        short.push(".");
    }
    let is_other = path.canonicalize().is_ok_and(|long| short.canonicalize().ok() != Some(long));
    if is_other { path.to_path_buf() } else { short }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_shown_as_people_write_them() {
        assert_eq!(beside(Path::new("scenarios/a.yaml"), "../runbooks/a.md"), Path::new("runbooks/a.md"));
        assert_eq!(beside(Path::new("./scenarios/a.yaml"), "b/./c.md"), Path::new("scenarios/b/c.md"));
        assert_eq!(beside(Path::new("a.yaml"), "../../x"), Path::new("../../x"));
        assert_eq!(beside(Path::new("a.yaml"), "/etc/../tmp"), Path::new("/tmp"));
        assert_eq!(beside(Path::new("a/b.yaml"), ".."), Path::new("."));
    }

    #[test]
    fn a_way_up_behind_a_link_stays_inside_in_both_readings() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap().join("p");
        std::fs::create_dir_all(root.join("deep/1/2/3")).unwrap();
        std::os::unix::fs::symlink("deep/1/2/3", root.join("l")).unwrap();
        let outside = |path: &str| outside(&root, &root.join(path)).is_some();
        assert!(!outside("l/../x") && !outside("deep/1/../x") && !outside("l"));
        // Opened it is `deep/x`, cleaned it is above the project.
        assert!(outside("l/../../x"));
        // Opened it is above, cleaned it is `x`.
        std::os::unix::fs::symlink("..", root.join("up")).unwrap();
        assert!(outside("up") && outside("up/../p/up/../x"));
        assert!(!outside(&"x/".repeat(1000)) && outside(&"x/".repeat(200_000)), "nothing is there");
    }

    #[test]
    fn a_file_that_is_not_there_names_the_one_that_may_be_meant() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("db-pool.md"), "").unwrap();
        let told = |name: &str| match Source::read(&dir.path().join(name)) {
            Err(ReadError::File { cause, .. }) => cause,
            other => panic!("{other:?}"),
        };
        assert_eq!(told("db-poll.md"), "there is no such file (did you mean `db-pool.md`?)");
        assert_eq!(told("cache-slow.md"), "there is no such file");
    }

    #[test]
    fn a_link_to_nothing_says_where_it_leads() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        std::os::unix::fs::symlink("gone/compose.yaml", root.join("compose.yaml")).unwrap();
        std::os::unix::fs::symlink("gone", root.join("stack")).unwrap();
        std::os::unix::fs::symlink("circle", root.join("circle")).unwrap();
        for (path, said) in [
            ("compose.yaml", "compose.yaml is a link to gone/compose.yaml, where nothing is"),
            ("stack/compose.yaml", "stack is a link to gone, where nothing is"),
            ("circle", "circle: where this leads cannot be told"),
        ] {
            assert!(outside(&root, &root.join(path)).is_some_and(|why| why.ends_with(said)), "{path}");
        }
    }

    #[test]
    fn a_symbolic_link_keeps_its_dots() {
        let dir = tempfile::tempdir().expect("a directory");
        let real = dir.path().join("real/deep");
        std::fs::create_dir_all(&real).expect("a directory");
        std::os::unix::fs::symlink(&real, dir.path().join("link")).expect("a link");
        std::fs::write(dir.path().join("real/x"), "in real").expect("a file");
        let path = beside(&dir.path().join("link/a.yaml"), "../x");
        assert_eq!(Source::read(&path).expect("the file beside the real folder").text, "in real");
    }

    #[test]
    fn what_is_no_text_file_is_refused() {
        let dir = tempfile::tempdir().expect("a directory");
        let why = |path: &Path| match Source::read(path) {
            Err(ReadError::File { cause, .. }) => cause,
            other => panic!("{other:?}"),
        };
        assert_eq!(why(dir.path()), "it is a directory");
        assert_eq!(why(&dir.path().join("none")), "there is no such file");
        assert_eq!(why(Path::new("/dev/zero")), "it is not a file");
        let tree = dir.path().join("tree");
        std::fs::create_dir_all(tree.join(".git")).expect("a directory");
        std::fs::write(dir.path().join("mine"), "hunter2").expect("a file");
        std::os::unix::fs::symlink("../mine", tree.join("services.yaml")).expect("a link");
        assert!(why(&tree.join("services.yaml")).contains("is outside of the project"));
        let big = dir.path().join("big");
        std::fs::write(&big, vec![b'a'; MAX_BYTES + 1]).expect("a file");
        assert_eq!(why(&big), "it is larger than 1024 KiB");
        std::fs::write(&big, vec![b'a'; MAX_BYTES]).expect("a file");
        assert!(Source::read(&big).is_ok());
    }

    #[test]
    fn what_is_not_utf8_has_a_place() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("latin1.yaml");
        std::fs::write(&path, b"title: ok\nname: caf\xe9 x\n").expect("a file");
        let Err(ReadError::Encoding { source, span }) = Source::read(&path) else { panic!("it is not UTF-8") };
        assert_eq!((source.pos(span.start).line, source.pos(span.start).column), (2, 10));
        assert_eq!(&source.text[span.start..span.end], "\u{fffd}");
    }
}
