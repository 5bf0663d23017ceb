//! The directory of a run: `events.jsonl`, `record.json`, `junit.xml`, logs, the files as they were, and the lock that
//! says that its runner lives.
//!
//! ```text
//! .firedrill/runs/                     or the directory of `--out`
//!   latest → 20261120T064112Z-db-pool-3f9a
//!   chain.jsonl                        the manifests of all runs, see `evidence`
//!   20261120T064112Z-db-pool-3f9a/     id of the run: sorts by time
//!     events.jsonl  record.json  junit.xml  ledger.jsonl  manifest.json  lock  kept
//!     logs/                            of every container
//!     files/                           runbook, scenario and stack file as they were
//! ```

use super::private::{no_link, open_plain, random, write_atomic};
use super::{FileRef, Journal};
use sha2::{Digest, Sha256};
use std::fs::{self, DirBuilder, File, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use time::OffsetDateTime;
use time::macros::format_description;

/// Ids that are tried before giving up: with 65,536 of them per second and name, one try nearly always does.
const TRIES: usize = 64;
/// A directory without a lock file that is younger than this belongs to a runner that is just making it.
const NEWBORN: Duration = Duration::from_secs(10);
/// Characters of the scenario's name that go into an id.
const NAME_LENGTH: usize = 40;

/// The directory of one run. The one that `create` returns, and its clones, hold the lock; it falls with the last of
/// them, or with the process, however that ends.
#[derive(Debug, Clone)]
pub struct RunDir {
    path: PathBuf,
    id: String,
    /// Only held, never read.
    _lock: Option<Arc<File>>,
}

impl RunDir {
    /// The directory that holds run directories: `out` when `--out` names one, otherwise this folder of `.firedrill` in the project
    /// (`runs`, or `gamedays`, whose directories are locked and named as those of runs are), which Git is told to ignore. Makes it.
    pub fn root(project: &Path, out: Option<&Path>, folder: &str) -> io::Result<PathBuf> {
        if let Some(out) = out {
            no_link(out)?;
            fs::create_dir_all(out)?;
            return Ok(out.to_path_buf());
        }
        // `./.firedrill` is right and no pleasure to read.
        let own = project.strip_prefix(".").unwrap_or(project).join(".firedrill");
        let root = own.join(folder);
        no_link(&root)?;
        fs::create_dir_all(&root)?;
        match File::create_new(own.join(".gitignore")) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            file => file?.write_all(b"*\n")?,
        }
        Ok(root)
    }

    /// Makes the directory of a new run of the scenario `name` under `root`, locks it, and points `latest` at it where
    /// symbolic links work. The id is unique also among runners that start in the same instant.
    pub fn create(root: &Path, name: &str) -> io::Result<RunDir> {
        RunDir::create_at(root, name, OffsetDateTime::now_utc())
    }

    fn create_at(root: &Path, name: &str, now: OffsetDateTime) -> io::Result<RunDir> {
        fs::create_dir_all(root)?;
        let format = format_description!("[year][month][day]T[hour][minute][second]Z");
        let stamp = now.format(&format).map_err(io::Error::other)?;
        let name = slug(name, NAME_LENGTH);
        for _ in 0..TRIES {
            let id = format!("{stamp}-{name}-{:04x}", random() & 0xffff);
            let path = root.join(&id);
            // Making the directory is the arbiter between runners that chose the same id.
            match DirBuilder::new().mode(0o700).create(&path) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                made => return made.and_then(|()| RunDir::furnish(root, path, id)),
            }
        }
        let why = format!("no free id for {stamp}-{name} in {}", root.display());
        Err(io::Error::new(io::ErrorKind::AlreadyExists, why))
    }

    /// Makes the directory of a run whose id was given to it elsewhere, as `create` does.
    ///
    /// # Errors
    /// Those of the file system, and `InvalidInput` when it is no id of a run.
    pub fn create_as(root: &Path, id: &str) -> io::Result<RunDir> {
        if !is_run_id(id) || id.contains('/') {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, format!("`{id}` is no id of a run")));
        }
        let path = root.join(id);
        DirBuilder::new().mode(0o700).recursive(true).create(&path)?;
        RunDir::furnish(root, path, id.to_string())
    }

    fn furnish(root: &Path, path: PathBuf, id: String) -> io::Result<RunDir> {
        // Locked under another name first: whoever finds `lock` finds it held.
        let newborn = path.join("lock.new");
        let lock = File::create_new(&newborn)?;
        lock.lock()?;
        fs::rename(&newborn, path.join("lock"))?;
        fs::create_dir(path.join("logs"))?;
        fs::create_dir(path.join("files"))?;
        point_latest(root, &id);
        Ok(RunDir { path, id, _lock: Some(Arc::new(lock)) })
    }

    /// An existing run, without its lock.
    pub fn open(path: &Path) -> io::Result<RunDir> {
        let id = path.file_name().and_then(|name| name.to_str());
        let id =
            id.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "the path does not end in the id of a run"))?;
        if !fs::metadata(path)?.is_dir() {
            return Err(io::Error::new(io::ErrorKind::NotADirectory, format!("{} is no directory", path.display())));
        }
        Ok(RunDir { path: path.to_path_buf(), id: id.to_string(), _lock: None })
    }

    /// An existing run, without its lock, whose directory is this user's own: for whoever knows it from a label, which anybody can
    /// write, and acts on what is in it. It is a true directory, reached through no link of a project, with no link in it, and
    /// nobody else can write to it.
    ///
    /// # Errors
    /// Those of the file system, `InvalidInput` where there is a link, and `PermissionDenied` where it is not this user's own.
    pub fn open_own(path: &Path) -> io::Result<RunDir> {
        no_link(path)?;
        let about = fs::symlink_metadata(path)?;
        let refused = |kind, what: String| Err(io::Error::new(kind, format!("{} {what}", path.display())));
        if about.uid() != rustix::process::geteuid().as_raw() {
            return refused(io::ErrorKind::PermissionDenied, "belongs to another user".into());
        }
        // A link to a run beside it is not on the way, but the run itself.
        if about.is_symlink() {
            return refused(io::ErrorKind::InvalidInput, "is a symbolic link".into());
        }
        if about.mode() & 0o022 != 0 {
            return refused(io::ErrorKind::PermissionDenied, "can be written to by other users".into());
        }
        for entry in fs::read_dir(path)? {
            let entry = entry?;
            if entry.file_type()?.is_symlink() {
                let name = entry.file_name().to_string_lossy().into_owned();
                return refused(io::ErrorKind::InvalidInput, format!("has a symbolic link in it: {name}"));
            }
        }
        RunDir::open(path)
    }

    /// An existing run whose runner has gone, with its lock: for whoever undoes it and ends its story, which only one may
    /// do at a time. Waits for the lock.
    pub fn inherit(path: &Path) -> io::Result<RunDir> {
        let run = RunDir::open(path)?;
        let lock = run.open_lock()?;
        // A file system without locks has nobody who holds one.
        let held = lock.lock().is_ok();
        Ok(RunDir { _lock: held.then(|| Arc::new(lock)), ..run })
    }

    /// [`RunDir::inherit`] without waiting: `None` while somebody else holds the lock.
    pub fn try_inherit(path: &Path) -> io::Result<Option<RunDir>> {
        let run = RunDir::open(path)?;
        let lock = run.open_lock()?;
        match lock.try_lock() {
            Err(TryLockError::WouldBlock) => Ok(None),
            held => Ok(Some(RunDir { _lock: held.is_ok().then(|| Arc::new(lock)), ..run })),
        }
    }

    fn open_lock(&self) -> io::Result<File> {
        open_plain(&self.path.join("lock"), File::options().append(true).create(true))
    }

    /// Every run under `root`, oldest first; none when there is no such directory. `latest` is not one of them.
    pub fn list(root: &Path) -> io::Result<Vec<RunDir>> {
        let entries = match fs::read_dir(root) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries?,
        };
        let mut runs = Vec::new();
        for entry in entries {
            let entry = entry?;
            let is_run = entry.file_name().to_str().is_some_and(is_run_id);
            if is_run && entry.file_type()?.is_dir() {
                runs.push(RunDir::open(&entry.path())?);
            }
        }
        runs.sort_by(|a, b| a.id.cmp(&b.id));
        Ok(runs)
    }

    /// The directory of the run.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Id of the run.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Whether its id is that of a run of this name, as far as an id tells: it holds the beginning of a name, as a slug.
    pub fn is_named(&self, name: &str) -> bool {
        let rest = is_run_id(&self.id).then(|| self.id.get(17..)).flatten();
        rest.and_then(|rest| rest.rsplit_once('-')).is_some_and(|(own, _)| own == slug(name, NAME_LENGTH))
    }

    /// Whether there is a lock file, held or not: a run that another machine watches has none here.
    pub fn has_lock_file(&self) -> bool {
        self.path.join("lock").exists()
    }

    /// Whether the runner of this run lives: its lock is held, by whatever process, or it is just being made.
    pub fn is_alive(&self) -> io::Result<bool> {
        let file = match open_plain(&self.path.join("lock"), File::options().read(true)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let made = fs::metadata(&self.path)?.modified()?;
                // A time in the future (a clock that was set back) counts as just now.
                return Ok(SystemTime::now().duration_since(made).unwrap_or_default() < NEWBORN);
            }
            file => file?,
        };
        // Shared, so that two who ask at once do not take each other for the runner.
        match file.try_lock_shared() {
            Ok(()) => Ok(false),
            Err(TryLockError::WouldBlock) => Ok(true),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    /// `events.jsonl`.
    pub fn events_path(&self) -> PathBuf {
        self.path.join("events.jsonl")
    }

    /// The ledger of undos.
    pub fn ledger_path(&self) -> PathBuf {
        self.path.join("ledger.jsonl")
    }

    /// Where the logs of the containers go.
    pub fn logs(&self) -> PathBuf {
        self.path.join("logs")
    }

    /// The directory with copies of the scenario, the runbook and the stack file.
    pub fn files(&self) -> PathBuf {
        self.path.join("files")
    }

    /// Makes `events.jsonl`, for appending; an error when there is one already.
    pub fn create_events(&self) -> io::Result<File> {
        File::options().append(true).create_new(true).open(self.events_path())
    }

    /// Opens the events of a run that was cut off, to complete its story.
    pub fn journal(&self) -> io::Result<Journal> {
        Journal::open(&self.events_path())
    }

    /// Writes a file of this directory whole or not at all: whoever reads it sees the old content or the new one,
    /// also after a power cut.
    pub fn write(&self, name: &str, content: &[u8]) -> io::Result<()> {
        write_atomic(&self.path.join(name), content)
    }

    /// Keeps a copy of a file as it was. `path` is how the user knows it, `clean` takes secrets out of what is kept; the
    /// checksum is that of the original. Two files of the same name get different copies.
    pub fn keep_file(&self, path: &str, content: &[u8], clean: impl FnOnce(&str) -> String) -> io::Result<FileRef> {
        let kept = clean(&String::from_utf8_lossy(content));
        let base = Path::new(path).file_name().and_then(|n| n.to_str()).unwrap_or("file");
        let mut name = base.to_string();
        for ordinal in 2_u32.. {
            match File::create_new(self.files().join(&name)) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => name = format!("{ordinal}-{base}"),
                file => {
                    file?.write_all(kept.as_bytes())?;
                    break;
                }
            }
        }
        Ok(FileRef { path: path.to_string(), sha256: sha256_hex(content) })
    }

    /// Takes the mark away (`kept`, which says how to look into the stack and how to remove it), once the stack was removed.
    pub fn unmark_kept(&self) -> io::Result<()> {
        match fs::remove_file(self.path.join("kept")) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// Whether the stack of this run was kept.
    pub fn is_kept(&self) -> bool {
        self.path.join("kept").exists()
    }
}

/// Points `latest` at a run; a convenience, so that trouble with it is no error.
fn point_latest(root: &Path, id: &str) {
    let temporary = root.join(format!(".latest-{id}"));
    if std::os::unix::fs::symlink(id, &temporary).is_ok() && fs::rename(&temporary, root.join("latest")).is_err() {
        let _ = fs::remove_file(&temporary);
    }
}

/// A name as part of an id: lower-case letters, digits and single dashes, `longest` of them at most; `drill` where none is left.
pub fn slug(name: &str, longest: usize) -> String {
    let name = name.to_lowercase();
    let words = name.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    let slug: String = words.collect::<Vec<_>>().join("-").chars().take(longest).collect();
    let slug = slug.trim_end_matches('-');
    if slug.is_empty() { "drill".chars().take(longest).collect() } else { slug.into() }
}

/// Whether a name looks like the id of a run (or of a game day): it begins with a time, `20261120T064112Z-`.
pub fn is_run_id(name: &str) -> bool {
    let fits = |(byte, form): (&u8, &u8)| if *form == b'0' { byte.is_ascii_digit() } else { byte == form };
    name.as_bytes().get(..17).is_some_and(|stamp| stamp.iter().zip(b"00000000T000000Z-").all(fits))
}

/// Feeds a hash by `io::copy`.
pub struct HashWriter<'a>(pub &'a mut Sha256);

impl io::Write for HashWriter<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// SHA-256 of some bytes, in lower-case hex.
pub fn sha256_hex(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

#[cfg(test)]
mod tests;
