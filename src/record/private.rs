//! Files and directories in which nobody else has a hand: opened through no link, or made under a name that nobody can guess; and files
//! that are written whole or not at all.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// The largest file, and line of one, that is read as a whole.
pub(super) const LARGEST: u64 = 256 << 20;

fn refused(path: &Path, what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, format!("{} is {what}", path.display()))
}

/// Opens a file of a run directory for reading. A run directory can come with a repository or an archive, and links, pipes and
/// devices in it would lead elsewhere, or nowhere.
///
/// # Errors
/// Those of the file system, and `InvalidInput` for anything else than an ordinary file.
pub fn open_file(path: impl AsRef<Path>) -> io::Result<File> {
    open_as(path.as_ref(), File::options().read(true))
}

/// The whole of such a file, up to 256 MiB.
///
/// # Errors
/// Those of [`open_file`], and `InvalidInput` for a larger one.
pub fn read_file(path: impl AsRef<Path>) -> io::Result<Vec<u8>> {
    let (path, mut bytes) = (path.as_ref(), Vec::new());
    open_file(path)?.take(LARGEST + 1).read_to_end(&mut bytes)?;
    match bytes.len() as u64 > LARGEST {
        true => Err(refused(path, &format!("larger than {} MiB: no drill has written it", LARGEST >> 20))),
        false => Ok(bytes),
    }
}

/// Opens such a file as `options` say, to be written to: it has one name as well. That is known once it is open, so `options` do
/// not truncate it.
///
/// # Errors
/// Those of [`open_file`], and `InvalidInput` for a file with several names.
pub fn open_plain(path: &Path, options: &mut OpenOptions) -> io::Result<File> {
    let file = open_as(path, options)?;
    match file.metadata()?.nlink() {
        0 | 1 => Ok(file),
        _ => Err(refused(path, "a file with several names (hard links)")),
    }
}

fn open_as(path: &Path, options: &mut OpenOptions) -> io::Result<File> {
    use rustix::fs::OFlags;
    let flags = i32::try_from((OFlags::NOFOLLOW | OFlags::NONBLOCK).bits()).unwrap_or_default();
    let file = options.custom_flags(flags).open(path).map_err(|error| {
        let is_link = path.symlink_metadata().is_ok_and(|there| there.is_symlink());
        if is_link { refused(path, "a symbolic link, and nothing is opened through one") } else { error }
    })?;
    if file.metadata()?.is_file() { Ok(file) } else { Err(refused(path, "no ordinary file")) }
}

/// A directory for one purpose in the system's place for temporary files, this user's alone (0700), under a name that nobody
/// can guess. It goes, with all that is in it, when this is dropped.
#[derive(Debug)]
pub struct PrivateDir(PathBuf);

impl PrivateDir {
    /// Makes it; `what` it is for is part of its name.
    pub fn new(what: &str) -> io::Result<PrivateDir> {
        private_dir_in(&std::env::temp_dir(), what).map(PrivateDir)
    }

    /// The path.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for PrivateDir {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Makes such a directory below `parent`. The caller removes it.
pub fn private_dir_in(parent: &Path, what: &str) -> io::Result<PathBuf> {
    let dir = parent.join(format!("firedrill-{what}-{}", random_hex()));
    // Never one that is there already.
    DirBuilder::new().mode(0o700).create(&dir)?;
    Ok(dir)
}

/// Sixteen hex digits that nobody can guess.
pub fn random_hex() -> String {
    format!("{:016x}", random())
}

/// A number that nobody can guess: the standard library keys its hash maps from the system's source of random numbers.
pub fn random() -> u64 {
    let mut hasher = RandomState::new().build_hasher();
    hasher.write_u32(std::process::id());
    hasher.finish()
}

/// Writes a file by way of a temporary one beside it, synced, and a rename. Makes its directory. A file that is there keeps its
/// rights. What is no ordinary file (`/dev/stdout`, a pipe) is written to as it is.
///
/// # Errors
/// Those of the file system, and `InvalidInput` where a symbolic link is on the way: see `no_link`.
pub fn write_atomic(path: &Path, content: &[u8]) -> io::Result<()> {
    no_link(path)?;
    let there = fs::metadata(path).ok();
    if there.as_ref().is_some_and(|there| !there.is_file()) {
        return File::options().write(true).open(path)?.write_all(content);
    }
    let dir = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::create_dir_all(dir)?;
    let name = path.file_name().ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "the path names no file"))?;
    let temporary = dir.join(format!(".{}.{}-{}.tmp", name.to_string_lossy(), std::process::id(), random_hex()));
    // Never through a link, nor over what is there.
    let mut file = File::create_new(&temporary)?;
    if let Some(there) = there {
        let _ = file.set_permissions(there.permissions());
    }
    let written = file.write_all(content).and_then(|()| file.sync_all());
    if let Err(error) = written.and_then(|()| fs::rename(&temporary, path)) {
        let _ = fs::remove_file(&temporary);
        return Err(error);
    }
    // The name is safe only once the directory is on disk too.
    File::open(dir)?.sync_all()
}

/// Refuses a path with a symbolic link on the way, in the working directory, the Git work tree or the project (above `.firedrill`)
/// in which it lies: links can be committed to a repository, and would lead a write to files of whoever runs it. A link to a
/// directory beside it leads nowhere else. Links elsewhere are the system's (`/tmp`, `/dev/stdout`), but the path itself is no link
/// to a file.
///
/// # Errors
/// `InvalidInput` with the link.
pub fn no_link(path: &Path) -> io::Result<()> {
    let whole = std::path::absolute(path)?;
    let here = std::env::current_dir().unwrap_or_default();
    let is_project = |folder: &&Path| {
        // In a container the working directory is often `/`: the links of the system are nobody's project.
        **folder == here && folder.parent().is_some()
            || whole.starts_with(folder.join(".firedrill"))
            || fs::symlink_metadata(folder.join(".git")).is_ok()
    };
    let above = whole.ancestors().skip(1).filter(is_project).last();
    // `latest` leads to the directory of a run beside it.
    let beside = |link: &Path| {
        let [to, own] = [link, link.parent().unwrap_or(link)].map(fs::canonicalize);
        to.is_ok_and(|to| to.is_dir() && own.is_ok_and(|own| to.parent() == Some(own.as_path())))
    };
    let is_link = |path: &Path| fs::symlink_metadata(path).is_ok_and(|there| there.is_symlink()) && !beside(path);
    let own = |path: &&Path| above.map_or(*path == whole, |above| path.starts_with(above) && *path != above);
    let device = above.is_none() && fs::metadata(&whole).is_ok_and(|there| !there.is_file() && !there.is_dir());
    match whole.ancestors().take_while(|path| own(path)).filter(|path| is_link(path)).last() {
        Some(link) if !device => Err(refused(link, "a symbolic link, and nothing is written through one")),
        _ => Ok(()),
    }
}

/// Whether a name is one that `write_atomic` gives to what it is writing: `.NAME.PID-RRRRRRRRRRRRRRRR.tmp`, with four random
/// digits in older versions.
pub fn is_temporary(name: &str) -> bool {
    let inner = name.strip_prefix('.').and_then(|name| name.strip_suffix(".tmp"));
    let parts = inner.and_then(|inner| inner.rsplit_once('.')).filter(|(of, _)| !of.is_empty());
    let is_hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
    parts.and_then(|(_, id)| id.split_once('-')).is_some_and(|(pid, random)| {
        let is_pid = !pid.is_empty() && pid.len() <= 10 && pid.bytes().all(|b| b.is_ascii_digit());
        is_pid && matches!(random.len(), 4 | 16) && random.bytes().all(is_hex)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn no_two_texts_that_nobody_can_guess_are_one() {
        assert_eq!(random_hex().len(), 16);
        assert_ne!(random_hex(), random_hex());
    }

    #[test]
    fn only_an_ordinary_file_is_opened() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        fs::write(at("outside"), "old").unwrap();
        std::os::unix::fs::symlink(at("outside"), at("link")).unwrap();
        std::os::unix::fs::symlink(at("nowhere"), at("dangling")).unwrap();
        fs::hard_link(at("outside"), at("hard")).unwrap();
        rustix::fs::mkfifoat(rustix::fs::CWD, at("pipe"), rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR).unwrap();
        for name in ["link", "dangling", "hard"] {
            let error = open_plain(&at(name), File::options().append(true).create(true)).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidInput, "{name}: {error}");
        }
        assert!(open_plain(&at("pipe"), File::options().read(true)).is_err(), "and nobody waits for a writer");
        assert_eq!(read_file(at("hard")).unwrap(), b"old");
        for name in ["link", "pipe", "missing"] {
            assert!(read_file(at(name)).is_err(), "{name}");
        }
        assert!(open_file(dir.path()).is_err() && open_file(Path::new("/dev/zero")).is_err());
        assert!(!at("nowhere").exists());
        open_plain(&at("new"), File::options().append(true).create(true)).unwrap();
        let missing = open_plain(&at("missing"), File::options().read(true)).unwrap_err();
        assert_eq!(missing.kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn a_private_directory_is_its_owners_and_goes() {
        let (one, other) = (PrivateDir::new("test").unwrap(), PrivateDir::new("test").unwrap());
        assert_ne!(one.path(), other.path());
        assert_eq!(fs::metadata(one.path()).unwrap().mode() & 0o777, 0o700);
        fs::write(one.path().join("x"), "").unwrap();
        let path = one.path().to_path_buf();
        drop(one);
        assert!(!path.exists() && other.path().exists());
    }
}

#[cfg(test)]
mod atomic_tests {
    use super::*;

    #[test]
    fn only_the_exact_name_of_a_write_is_temporary() {
        assert!(is_temporary(".record.json.12-00ff.tmp") && is_temporary(".record.json.12-0123456789abcdef.tmp"));
        for other in [".a.tmp", ".12-00ff.tmp", "a.12-00ff.tmp", ".a.12-00FF.tmp", ".a.x-00ff.tmp", ".a.12-00ff0.tmp"] {
            assert!(!is_temporary(other), "{other}");
        }
    }

    #[test]
    fn nothing_is_written_through_a_link_of_a_project() {
        let dir = tempfile::tempdir().unwrap();
        let (home, project) = (dir.path().join("home"), dir.path().join("project"));
        for folder in [home.clone(), project.join(".git"), project.join("out")] {
            fs::create_dir_all(folder).unwrap();
        }
        fs::write(home.join(".bashrc"), "old").unwrap();
        let link = |to: &Path, name: &str| std::os::unix::fs::symlink(to, project.join(name)).unwrap();
        link(&home.join(".bashrc"), "junit.xml");
        link(&home, "reports");
        link(&home.join("not-there-yet"), "new.xml");
        for path in ["junit.xml", "reports/.bashrc", "reports/new/junit.xml", "new.xml", "out/../reports/.bashrc"] {
            let error = write_atomic(&project.join(path), b"new").unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidInput, "{path}");
        }
        assert_eq!(fs::read(home.join(".bashrc")).unwrap(), b"old");
        assert_eq!(fs::read_dir(&home).unwrap().count(), 1);
        // A link outside of every project, and a device.
        std::os::unix::fs::symlink(&home, dir.path().join("linked")).unwrap();
        write_atomic(&dir.path().join("linked/junit.xml"), b"made").unwrap();
        write_atomic(Path::new("/dev/null"), b"gone").unwrap();
        assert!(!fs::metadata("/dev/null").unwrap().is_file());
        write_atomic(&project.join("out/a/b/junit.xml"), b"made").unwrap();
    }

    #[test]
    fn a_project_without_git_is_known_by_its_runs_wherever_the_command_is_started() {
        let dir = tempfile::tempdir().unwrap();
        let elsewhere = dir.path().join("elsewhere/runs/x");
        fs::create_dir_all(&elsewhere).unwrap();
        fs::create_dir_all(dir.path().join("project")).unwrap();
        let link = dir.path().join("project/.firedrill");
        std::os::unix::fs::symlink(dir.path().join("elsewhere"), &link).unwrap();
        assert_eq!(no_link(&link.join("runs/x")).unwrap_err().kind(), io::ErrorKind::InvalidInput);
    }
}
