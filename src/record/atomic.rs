//! Files that are written whole or not at all.

use std::fs::{self, File};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io::{self, Write};
use std::path::Path;

/// Writes a file by way of a temporary one beside it, synced, and a rename. Makes its directory. What is no ordinary file
/// (`/dev/stdout`, a pipe) is written to as it is, and of a symbolic link the file behind it is replaced.
pub fn write_atomic(path: &Path, content: &[u8]) -> io::Result<()> {
    if fs::metadata(path).is_ok_and(|there| !there.is_file()) {
        return File::options().write(true).open(path)?.write_all(content);
    }
    let behind = fs::canonicalize(path);
    let path = behind.as_deref().unwrap_or(path);
    let dir = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    fs::create_dir_all(dir)?;
    let name = path.file_name().ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "the path names no file"))?;
    let temporary = dir.join(format!(".{}.{}-{:04x}.tmp", name.to_string_lossy(), std::process::id(), random_u16()));
    let written = File::create(&temporary).and_then(|mut file| {
        file.write_all(content)?;
        file.sync_all()
    });
    let renamed = written.and_then(|()| fs::rename(&temporary, path));
    if let Err(error) = renamed {
        let _ = fs::remove_file(&temporary);
        return Err(error);
    }
    // The name is safe only once the directory is on disk too; where directories cannot be synced there is nothing to do.
    #[cfg(unix)]
    File::open(dir)?.sync_all()?;
    Ok(())
}

/// Whether a name is one that `write_atomic` gives to what it is writing: `.NAME.PID-RRRR.tmp`.
pub fn is_temporary(name: &str) -> bool {
    let inner = name.strip_prefix('.').and_then(|name| name.strip_suffix(".tmp"));
    let Some((_, (pid, random))) = inner
        .and_then(|inner| inner.rsplit_once('.'))
        .filter(|(of, _)| !of.is_empty())
        .and_then(|(of, id)| Some((of, id.split_once('-')?)))
    else {
        return false;
    };
    let is_hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
    let is_pid = !pid.is_empty() && pid.len() <= 10 && pid.bytes().all(|b| b.is_ascii_digit());
    is_pid && random.len() == 4 && random.bytes().all(is_hex)
}

/// Random enough to tell runs apart; the standard library seeds its hash maps from the system.
pub(super) fn random_u16() -> u16 {
    let mut hasher = RandomState::new().build_hasher();
    hasher.write_u32(std::process::id());
    let [a, b, ..] = hasher.finish().to_le_bytes();
    u16::from_le_bytes([a, b])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_exact_name_of_a_write_is_temporary() {
        assert!(is_temporary(".record.json.12-00ff.tmp"));
        for other in [".a.tmp", ".12-00ff.tmp", "a.12-00ff.tmp", ".a.12-00FF.tmp", ".a.x-00ff.tmp", ".a.12-00ff0.tmp"] {
            assert!(!is_temporary(other), "{other}");
        }
    }

    #[test]
    fn a_write_follows_links_and_leaves_devices_alone() {
        let dir = tempfile::tempdir().unwrap();
        let (file, link) = (dir.path().join("file"), dir.path().join("link"));
        write_atomic(&file, b"old").unwrap();
        std::os::unix::fs::symlink("file", &link).unwrap();
        write_atomic(&link, b"new").unwrap();
        assert_eq!(fs::read(&file).unwrap(), b"new");
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        write_atomic(Path::new("/dev/null"), b"gone").unwrap();
        assert!(!fs::metadata("/dev/null").unwrap().is_file());
        write_atomic(&dir.path().join("a/b/junit.xml"), b"made").unwrap();
    }
}
