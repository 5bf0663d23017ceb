//! Files and directories in which nobody else has a hand: opened through no link, or made under a name that nobody can guess.

use std::fs::{DirBuilder, File, OpenOptions};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io::{self, Read};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// The largest file that is read as a whole.
const LARGEST: u64 = 256 << 20;

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

/// The same in another place; removing it is the caller's.
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

/// The standard library keys its hash maps from the system's source of random numbers.
pub(super) fn random() -> u64 {
    let mut hasher = RandomState::new().build_hasher();
    hasher.write_u32(std::process::id());
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

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
