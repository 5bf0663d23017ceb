//! Files that are written whole or not at all.

use super::private::random_hex;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

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
    let dir = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
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
        fs::canonicalize(link).is_ok_and(|to| {
            to.is_dir()
                && to.parent().is_some_and(|parent| {
                    fs::canonicalize(link.parent().unwrap_or(link)).is_ok_and(|own| own == parent)
                })
        })
    };
    let is_link = |path: &Path| fs::symlink_metadata(path).is_ok_and(|there| there.is_symlink()) && !beside(path);
    let own = |path: &&Path| above.map_or(*path == whole, |above| path.starts_with(above) && *path != above);
    let device = above.is_none() && fs::metadata(&whole).is_ok_and(|there| !there.is_file() && !there.is_dir());
    match whole.ancestors().take_while(|path| own(path)).filter(|path| is_link(path)).last() {
        Some(link) if !device => {
            let cause = format!("{} is a symbolic link, and nothing is written through one", link.display());
            Err(io::Error::new(io::ErrorKind::InvalidInput, cause))
        }
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
