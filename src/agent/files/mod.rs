//! `firedrill agent files`: damages a file of a service's volumes, looks at it, and repairs it. It runs in a container of
//! its own that has the service's mounts where the service has them, and nothing of the service's image.

mod nested;

use crate::record::sha256_hex;
use crate::stack::{BytePosition, Cut, Damage, FileAnswer, FileAsk, FileDeed, Harm};
use aho_corasick::AhoCorasick;
use rustix::fs::OFlags;
use std::fs::{File, Metadata, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// How much of the end of a truncated file is hashed, in bytes.
const END: u64 = 64 * 1024;

/// Does what is asked; `mounts` are the directories and files that are the service's, below which it must stay. What is
/// mounted inside of them and is not one of them is left alone.
///
/// # Errors
/// Why it could not be done, in words.
pub fn carry_out(ask: &FileAsk, mounts: &[PathBuf]) -> Result<FileAnswer, String> {
    carry_out_beside(ask, mounts, &nested::all()?)
}

/// `everything` is where anything is mounted.
fn carry_out_beside(ask: &FileAsk, mounts: &[PathBuf], everything: &[PathBuf]) -> Result<FileAnswer, String> {
    let path = within(Path::new(&ask.path), mounts, everything)?;
    let place = FoundPath { path: &path, found: look_at(&path)?, inside: nested::below(&path, everything) };
    match &ask.what {
        FileDeed::Measure(harm) => place.measure(harm).map(FileAnswer::Would),
        FileDeed::Damage(damage) => place.damage(damage).map(FileAnswer::Done),
        FileDeed::Look(damage) => place.see(damage),
        FileDeed::Repair(damage) => place.repair(damage).map(FileAnswer::Done),
    }
}

/// The path with links resolved in everything but its last part, when that is still below one of the mounts.
fn within(path: &Path, mounts: &[PathBuf], everything: &[PathBuf]) -> Result<PathBuf, String> {
    // A mount itself is where it is.
    if mounts.iter().any(|mount| mount == path) {
        return Ok(path.to_path_buf());
    }
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(format!("{} has no name", path.display()));
    };
    let real = match parent.canonicalize() {
        Ok(parent) => parent.join(name),
        // Then the file is not there either, which is for the caller to judge.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(path.to_path_buf()),
        Err(error) => return Err(format!("{}: {error}", parent.display())),
    };
    let own = mounts.iter().filter_map(|mount| mount.canonicalize().ok());
    let deepest = own.filter(|mount| real.starts_with(mount)).max_by_key(|mount| mount.components().count());
    // Something else may be mounted between the mount and the file: a directory of the host in a volume.
    let between = |mount: &PathBuf| nested::below(mount, everything).into_iter().any(|other| real.starts_with(other));
    match deepest {
        Some(mount) if !between(&mount) => Ok(real),
        _ => Err(format!("{} leads out of the mounts of the service, to {}", path.display(), real.display())),
    }
}

/// What is there; `None` when nothing is.
fn look_at(path: &Path) -> Result<Option<Metadata>, String> {
    match path.symlink_metadata() {
        Ok(found) if found.is_symlink() => Err(format!("{} is a symbolic link: name where it leads", path.display())),
        Ok(found) => Ok(Some(found)),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(None),
        Err(error) => Err(format!("{}: {error}", path.display())),
    }
}

/// A place on a volume, and what was found there.
struct FoundPath<'a> {
    path: &'a Path,
    found: Option<Metadata>,
    /// What is mounted inside of it, and left alone with its content: that may be the host's.
    inside: Vec<PathBuf>,
}

impl FoundPath<'_> {
    /// What the system answered; an error with the path.
    fn told<T>(&self, answer: io::Result<T>) -> Result<T, String> {
        answer.map_err(|error| format!("{}: {error}", self.path.display()))
    }

    /// Opens a file that is no link, not even by now.
    fn open(&self, write: bool) -> Result<File, String> {
        let flags = i32::try_from((OFlags::NOFOLLOW | OFlags::NONBLOCK).bits()).unwrap_or_default();
        let opened = OpenOptions::new().read(true).write(write).custom_flags(flags).open(self.path);
        opened.map_err(|error| format!("{} cannot be opened: {error}", self.path.display()))
    }

    /// Number and bytes of the files below a directory that are no directories themselves.
    fn content(&self) -> Result<(u64, u64), String> {
        walk(self.path, &self.inside, false).map_err(|error| format!("{} cannot be read: {error}", self.path.display()))
    }

    /// What would be lost.
    fn measure(&self, harm: &Harm) -> Result<Damage, String> {
        let shown = self.path.display();
        let found = self.found.as_ref().ok_or_else(|| format!("{shown} is not there"))?;
        let size = found.len();
        match harm {
            Harm::Remove if !found.is_dir() => Ok(Damage::Removed { directory: false, files: 1, bytes: size }),
            Harm::Remove => match self.content()? {
                (0, _) => Err(format!("{shown} has no files, so nothing would be lost")),
                (files, bytes) => Ok(Damage::Removed { directory: true, files, bytes }),
            },
            _ if !found.is_file() => Err(format!("{shown} is not a file")),
            Harm::Truncate { to } => {
                let file = self.open(false)?;
                let to = match to {
                    Cut::Bytes(bytes) => *bytes,
                    Cut::Share(share) => (size as f64 * share).floor() as u64,
                };
                if to >= size {
                    return Err(format!("{shown} has {size} bytes, so nothing is lost when {to} stay"));
                }
                let sha256 = self.told(end_of(&file, to))?;
                let lost = self.told(end_of(&file, size.min(to + END)))?;
                Ok(Damage::Truncated { from: size, to, sha256, lost })
            }
            Harm::Flip { at } => {
                let file = self.open(false)?;
                let offset = self.told(find(&file, at))?.ok_or_else(|| format!("{shown} does not have that text"))?;
                let original =
                    self.told(byte(&file, offset))?.ok_or_else(|| format!("{shown} has only {size} bytes"))?;
                Ok(Damage::Flipped { offset, original })
            }
        }
    }

    fn damage(&self, damage: &Damage) -> Result<String, String> {
        let shown = self.path.display();
        match damage {
            Damage::Removed { files, bytes, .. } => {
                let removed = match &self.found {
                    None => Ok(()),
                    Some(found) if found.is_dir() => walk(self.path, &self.inside, true).map(drop),
                    Some(_) => std::fs::remove_file(self.path),
                };
                removed.map_err(|error| format!("{shown} cannot be removed: {error}"))?;
                Ok(format!("{shown}: {files} files with {bytes} bytes are removed"))
            }
            Damage::Truncated { from, to, .. } => {
                let file = self.open(true)?;
                let size = self.told(file.metadata())?.len();
                // Longer it would become with zeros at its end.
                if size < *to {
                    return Err(format!("{shown} has only {size} bytes by now"));
                }
                self.told(file.set_len(*to).and_then(|()| file.sync_all()))?;
                Ok(format!("{shown} is cut from {from} to {to} bytes"))
            }
            Damage::Flipped { offset, original } => {
                let file = self.open(true)?;
                if self.told(byte(&file, *offset))? != Some(*original) {
                    return Err(format!("{shown} is another one by now: the byte at {offset} is not what it was"));
                }
                self.told(write(&file, *offset, !original))?;
                Ok(format!("{shown}: the byte at {offset} is inverted"))
            }
        }
    }

    /// Whether the damage is still in place. A file that is there again has been brought back by somebody; one that was cut has not
    /// while other bytes follow on those that were left.
    fn see(&self, damage: &Damage) -> Result<FileAnswer, String> {
        let shown = self.path.display();
        let size = self.found.as_ref().map_or(0, Metadata::len);
        Ok(match damage {
            Damage::Removed { directory, .. } => match &self.found {
                None => FileAnswer::InPlace(format!("{shown} is not there")),
                Some(found) if *directory && found.is_dir() => match self.content()? {
                    (0, _) => FileAnswer::InPlace(format!("{shown} has no files")),
                    (files, bytes) => FileAnswer::Gone(format!("{shown} has {files} files with {bytes} bytes")),
                },
                Some(_) => FileAnswer::Gone(format!("{shown} is there, with {size} bytes")),
            },
            _ if !self.found.as_ref().is_some_and(Metadata::is_file) => FileAnswer::Gone(format!("{shown} is no file")),
            Damage::Truncated { from, to, sha256, lost } => {
                let file = self.open(false)?;
                let is =
                    |end: u64, hash: &String| Ok::<_, String>(size >= end && self.told(end_of(&file, end))? == *hash);
                if !is(*to, sha256)? {
                    FileAnswer::Gone(format!("{shown} has {size} bytes, and they are others"))
                } else if is((*from).min(to + END), lost)? {
                    FileAnswer::Gone(format!("{shown} has {size} bytes, with what was cut off"))
                } else {
                    let others = if size > *to { format!(", and then {} others", size - to) } else { String::new() };
                    FileAnswer::InPlace(format!("{shown} has {to} of its {from} bytes{others}"))
                }
            }
            Damage::Flipped { offset, original } => match self.told(byte(&self.open(false)?, *offset))? {
                Some(now) if now == !original => {
                    FileAnswer::InPlace(format!("{shown} has {now:#04x} at {offset}, and had {original:#04x}"))
                }
                Some(now) => FileAnswer::Gone(format!("{shown} has {now:#04x} at {offset}")),
                None => FileAnswer::Gone(format!("{shown} has no byte at {offset}")),
            },
        })
    }

    fn repair(&self, damage: &Damage) -> Result<String, String> {
        let shown = self.path.display();
        let Damage::Flipped { offset, original } = damage else {
            return Err(format!("{shown}: what was taken away cannot be put back"));
        };
        if let FileAnswer::Gone(how) = self.see(damage)? {
            return Ok(format!("there was nothing to repair: {how}"));
        }
        self.told(write(&self.open(true)?, *offset, *original))?;
        Ok(format!("{shown} has {original:#04x} at {offset} again"))
    }
}

/// Number and bytes of the files below a directory, but for what is mounted there; where they are to be removed, they are, with the
/// directories between. The directory itself stays, as it often is where a volume is mounted. Links are never followed.
fn walk(directory: &Path, inside: &[PathBuf], remove: bool) -> io::Result<(u64, u64)> {
    let (mut files, mut bytes) = (0, 0);
    for entry in std::fs::read_dir(directory)? {
        let entry = entry?;
        let path = entry.path();
        if inside.contains(&path) {
            continue;
        }
        let walked = entry.metadata().and_then(|found| {
            let counted = if found.is_dir() { walk(&path, inside, remove)? } else { (1, found.len()) };
            match remove {
                true if !found.is_dir() => std::fs::remove_file(&path)?,
                // With something mounted below it it cannot be empty.
                true if !inside.iter().any(|mount| mount.starts_with(&path)) => std::fs::remove_dir(&path)?,
                _ => {}
            }
            Ok(counted)
        });
        match walked {
            Ok((more, their)) => (files, bytes) = (files + more, bytes + their),
            // Mounted just now; or somebody else was faster: the service may be at work.
            Err(error) if matches!(error.kind(), io::ErrorKind::ResourceBusy | io::ErrorKind::NotFound) => {}
            Err(error) => return Err(error),
        }
    }
    Ok((files, bytes))
}

/// The offset of a byte: as it is given, or that of the first text like this.
fn find(file: &File, at: &BytePosition) -> io::Result<Option<u64>> {
    match at {
        BytePosition::Offset(offset) => Ok(Some(*offset)),
        BytePosition::Text(text) if text.is_empty() => Ok(None),
        BytePosition::Text(text) => {
            let search = AhoCorasick::new([text]).map_err(io::Error::other)?;
            Ok(search.stream_find_iter(file).next().transpose()?.map(|found| found.start() as u64))
        }
    }
}

/// The byte at an offset; `None` behind the end.
fn byte(file: &File, offset: u64) -> io::Result<Option<u8>> {
    let mut one = [0];
    Ok((file.read_at(&mut one, offset)? == 1).then_some(one[0]))
}

fn write(file: &File, offset: u64, byte: u8) -> io::Result<()> {
    file.write_all_at(&[byte], offset)?;
    file.sync_all()
}

/// SHA-256 of the last bytes of a file that would end here.
fn end_of(file: &File, end: u64) -> io::Result<String> {
    let from = end.saturating_sub(END);
    let mut bytes = vec![0; usize::try_from(end - from).unwrap_or_default()];
    file.read_exact_at(&mut bytes, from)?;
    Ok(sha256_hex(&bytes))
}

#[cfg(test)]
mod tests;
