//! `firedrill agent files`: damages a file of a service's volumes, looks at it, and repairs it. It runs in a container of
//! its own that has the service's mounts where the service has them, and nothing of the service's image.

mod nested;
mod remove;
mod spot;

use crate::stack::{Cut, Damage, FileAnswer, FileAsk, FileDeed, Harm};
use rustix::fs::OFlags;
use sha2::{Digest, Sha256};
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
    let found = look_at(&path)?;
    let inside = nested::below(&path, everything);
    match &ask.what {
        FileDeed::Measure(harm) => measure(&path, found.as_ref(), harm, &inside).map(FileAnswer::Would),
        FileDeed::Damage(damage) => {
            do_it(&path, found.as_ref(), damage, &inside).map(|()| FileAnswer::Done(describe(&path, damage)))
        }
        FileDeed::Look(damage) => see(&path, found.as_ref(), damage, &inside),
        FileDeed::Repair(damage) => repair(&path, found.as_ref(), damage, &inside).map(FileAnswer::Done),
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
        Ok(found) if found.is_symlink() => {
            Err(format!("{} is a symbolic link, which is not followed: name what it points to", path.display()))
        }
        Ok(found) => Ok(Some(found)),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(None),
        Err(error) => Err(format!("{}: {error}", path.display())),
    }
}

/// Opens a file that is no link, not even by now.
fn open(path: &Path, write: bool) -> Result<File, String> {
    let flags = i32::try_from((OFlags::NOFOLLOW | OFlags::NONBLOCK).bits()).unwrap_or_default();
    let opened = OpenOptions::new().read(true).write(write).custom_flags(flags).open(path);
    opened.map_err(|error| format!("{} cannot be opened: {error}", path.display()))
}

fn measure(path: &Path, found: Option<&Metadata>, harm: &Harm, inside: &[PathBuf]) -> Result<Damage, String> {
    let shown = path.display();
    let found = found.ok_or_else(|| format!("{shown} is not there"))?;
    if let Harm::Remove = harm {
        return remove::measure(path, found, inside);
    }
    if !found.is_file() {
        return Err(format!("{shown} is not a file"));
    }
    let size = found.len();
    let file = open(path, false)?;
    let failed = |error: io::Error| format!("{shown}: {error}");
    match harm {
        Harm::Remove => remove::measure(path, found, inside),
        Harm::Truncate { to } => {
            let to = match to {
                Cut::Bytes(bytes) => *bytes,
                Cut::Share(share) => (size as f64 * share).floor() as u64,
            };
            if to >= size {
                return Err(format!("{shown} has {size} bytes, so nothing is lost when {to} stay"));
            }
            Ok(Damage::Truncated { from: size, to, sha256: end_of(&file, to).map_err(failed)? })
        }
        Harm::Flip { at } => {
            let offset = spot::find(&file, at).map_err(failed)?;
            let offset = offset.ok_or_else(|| format!("{shown} does not have that text"))?;
            let original = byte(&file, offset).map_err(failed)?;
            let original = original.ok_or_else(|| format!("{shown} has only {size} bytes"))?;
            Ok(Damage::Flipped { offset, original })
        }
    }
}

fn do_it(path: &Path, found: Option<&Metadata>, damage: &Damage, inside: &[PathBuf]) -> Result<(), String> {
    let shown = path.display();
    let failed = |error: io::Error| format!("{shown}: {error}");
    match damage {
        Damage::Removed { .. } => remove::remove(path, found, inside),
        Damage::Truncated { to, .. } => {
            let file = open(path, true)?;
            let size = file.metadata().map_err(failed)?.len();
            // Longer it would become with zeros at its end.
            if size < *to {
                return Err(format!("{shown} has only {size} bytes by now"));
            }
            file.set_len(*to).and_then(|()| file.sync_all()).map_err(failed)
        }
        Damage::Flipped { offset, original } => {
            let file = open(path, true)?;
            match byte(&file, *offset).map_err(failed)? {
                Some(now) if now == *original => write(&file, *offset, !original).map_err(failed),
                _ => Err(format!("{shown} is another one by now: the byte at {offset} is not what it was")),
            }
        }
    }
}

fn see(path: &Path, found: Option<&Metadata>, damage: &Damage, inside: &[PathBuf]) -> Result<FileAnswer, String> {
    let shown = path.display();
    let failed = |error: io::Error| format!("{shown}: {error}");
    if let Damage::Removed { directory, .. } = damage {
        return remove::see(path, found, *directory, inside);
    }
    let Some(found) = found.filter(|found| found.is_file()) else {
        return Ok(FileAnswer::Gone(format!("{shown} is no file any more")));
    };
    let file = open(path, false)?;
    match damage {
        Damage::Removed { directory, .. } => remove::see(path, Some(found), *directory, inside),
        Damage::Truncated { from, to, sha256 } => {
            let size = found.len();
            if size != *to {
                return Ok(FileAnswer::Gone(format!("{shown} has {size} bytes, and not {to}")));
            }
            Ok(match end_of(&file, *to).map_err(failed)? == *sha256 {
                true => FileAnswer::InPlace(format!("{shown} has {to} of its {from} bytes")),
                false => FileAnswer::Gone(format!("{shown} has {to} bytes, and they are others")),
            })
        }
        Damage::Flipped { offset, original } => Ok(match byte(&file, *offset).map_err(failed)? {
            Some(now) if now == !original => {
                FileAnswer::InPlace(format!("{shown} has {now:#04x} at {offset}, and had {original:#04x}"))
            }
            Some(now) => FileAnswer::Gone(format!("{shown} has {now:#04x} at {offset}")),
            None => FileAnswer::Gone(format!("{shown} has no byte at {offset}")),
        }),
    }
}

fn repair(path: &Path, found: Option<&Metadata>, damage: &Damage, inside: &[PathBuf]) -> Result<String, String> {
    let shown = path.display();
    let Damage::Flipped { offset, original } = damage else {
        return Err(format!("{shown}: what was taken away cannot be put back"));
    };
    match see(path, found, damage, inside)? {
        FileAnswer::InPlace(_) => {
            let file = open(path, true)?;
            write(&file, *offset, *original).map_err(|error| format!("{shown}: {error}"))?;
            Ok(format!("{shown} has {original:#04x} at {offset} again"))
        }
        FileAnswer::Gone(how) => Ok(format!("there was nothing to repair: {how}")),
        FileAnswer::Would(_) | FileAnswer::Done(_) => Err("it was looked at, and not seen".into()),
    }
}

fn describe(path: &Path, damage: &Damage) -> String {
    let path = path.display();
    match damage {
        Damage::Removed { files, bytes, .. } => format!("{path}: {files} files with {bytes} bytes are removed"),
        Damage::Truncated { from, to, .. } => format!("{path} is cut from {from} to {to} bytes"),
        Damage::Flipped { offset, .. } => format!("{path}: the byte at {offset} is inverted"),
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
    Ok(Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests;
