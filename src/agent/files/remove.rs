//! Removing a file, or the content of a directory. The directory itself stays, as it often is where a volume is mounted, and
//! so does what is mounted inside of it (`inside`), with its content: that may be the host's. Links are removed and never followed.

use crate::stack::{Damage, FileAnswer};
use std::fs::Metadata;
use std::io;
use std::path::{Path, PathBuf};

/// Files below a directory that are no directories themselves, and their bytes.
#[derive(Default)]
struct FileContent {
    files: u64,
    bytes: u64,
}

/// What would go.
pub(super) fn measure(path: &Path, found: &Metadata, inside: &[PathBuf]) -> Result<Damage, String> {
    if !found.is_dir() {
        return Ok(Damage::Removed { directory: false, files: 1, bytes: found.len() });
    }
    let FileContent { files, bytes } = content(path, inside)?;
    match files {
        0 => Err(format!("{} has no files, so nothing would be lost", path.display())),
        _ => Ok(Damage::Removed { directory: true, files, bytes }),
    }
}

/// Removes it; nothing to do when it is not there.
pub(super) fn remove(path: &Path, found: Option<&Metadata>, inside: &[PathBuf]) -> Result<(), String> {
    let removed = match found {
        None => return Ok(()),
        Some(found) if found.is_dir() => clear(path, inside),
        Some(_) => std::fs::remove_file(path),
    };
    removed.map_err(|error| format!("{} cannot be removed: {error}", path.display()))
}

/// Removes everything in a directory but what is mounted there.
fn clear(directory: &Path, inside: &[PathBuf]) -> io::Result<()> {
    for entry in std::fs::read_dir(directory)? {
        let entry = entry?;
        let path = entry.path();
        if inside.contains(&path) {
            continue;
        }
        let removed = match entry.file_type()?.is_dir() {
            // It cannot be empty.
            true if inside.iter().any(|mount| mount.starts_with(&path)) => clear(&path, inside),
            true => clear(&path, inside).and_then(|()| std::fs::remove_dir(&path)),
            false => std::fs::remove_file(&path),
        };
        match removed {
            // Mounted just now; or somebody else was faster.
            Err(error) if matches!(error.kind(), io::ErrorKind::ResourceBusy | io::ErrorKind::NotFound) => {}
            removed => removed?,
        }
    }
    Ok(())
}

/// Whether it is still away. A file that is there again has been brought back by somebody.
pub(super) fn see(
    path: &Path,
    found: Option<&Metadata>,
    directory: bool,
    inside: &[PathBuf],
) -> Result<FileAnswer, String> {
    let shown = path.display();
    let Some(found) = found else { return Ok(FileAnswer::InPlace(format!("{shown} is not there"))) };
    if !directory || !found.is_dir() {
        return Ok(FileAnswer::Gone(format!("{shown} is there, with {} bytes", found.len())));
    }
    let FileContent { files, bytes } = content(path, inside)?;
    Ok(match files {
        0 => FileAnswer::InPlace(format!("{shown} has no files")),
        _ => FileAnswer::Gone(format!("{shown} has {files} files with {bytes} bytes")),
    })
}

fn content(path: &Path, inside: &[PathBuf]) -> Result<FileContent, String> {
    let mut all = FileContent::default();
    count(path, inside, &mut all).map_err(|error| format!("{} cannot be read: {error}", path.display()))?;
    Ok(all)
}

fn count(directory: &Path, inside: &[PathBuf], all: &mut FileContent) -> io::Result<()> {
    for entry in std::fs::read_dir(directory)? {
        let entry = entry?;
        if inside.contains(&entry.path()) {
            continue;
        }
        // A file may go while it is counted: the service may be at work.
        match entry.metadata() {
            Ok(found) if found.is_dir() => match count(&entry.path(), inside, all) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                counted => counted?,
            },
            Ok(found) => {
                all.files += 1;
                all.bytes += found.len();
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
