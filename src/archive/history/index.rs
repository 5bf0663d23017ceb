//! The index: every run that was ever found, in one JSON file. A run is read once: again only while it has no end, or when its
//! record has another size; one that cannot be read is named and tried each time. It is a cache: whatever happens to it, the records
//! have it all. Runs whose directories are gone are the exception, because artifacts are deleted sooner than people stop asking; so
//! nothing is thrown away unasked.

use super::run::IndexedRun;
use crate::archive;
use crate::error::Error;
use crate::record::{no_link, open_plain, read_file, write_atomic};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

/// What the file says that it is, and what it begins with then: how an index is told from the files of others.
const FORMAT: &str = "firedrill history";
const HEAD: &str = r#"{"format":"firedrill history""#;
/// Version of what it holds.
const VERSION: u32 = 1;

/// What an update did.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct Update {
    /// Run directories that were found.
    pub found: usize,
    /// Drills that were read and put into the index.
    pub read: usize,
    /// Runs that could not be read, and directories that could not be looked into: which, and why.
    pub unreadable: Vec<String>,
    /// What became of the index itself, and what people should know.
    pub notes: Vec<String>,
}

/// Why an index cannot be read or written.
fn failed(path: &Path, doing: &'static str) -> impl Fn(io::Error) -> Error {
    move |error| {
        Error::harness(format!("{}: {doing}: {error}", path.display()))
            .hint("name another file with `--index FILE`, or delete it: the runs that are there are read again")
    }
}

/// What is known, by the ids of runs.
type Entries = BTreeMap<String, IndexEntry>;

/// The file.
#[derive(Serialize, Deserialize)]
struct Index {
    format: String,
    version: u32,
    entries: Entries,
}

/// What the index has about a run by its id, `None` where that is no drill.
#[derive(Serialize, Deserialize)]
struct IndexEntry {
    stamp: Stamp,
    run: Option<IndexedRun>,
}

/// Every run that the index has, oldest first, after what is new below the paths was read into it. The file is written whole at the
/// end, so that a command that is killed over it has forgotten nothing.
pub fn indexed(path: &Path, roots: &[PathBuf]) -> Result<(Vec<IndexedRun>, Update), Error> {
    let _lock = lock(path)?;
    let mut update = Update::default();
    let mut entries = read(path)?;
    let fresh = fresh(&entries, roots, &mut update)?;
    let is_new = !fresh.is_empty();
    entries.extend(fresh);
    let index = Index { format: FORMAT.into(), version: VERSION, entries };
    if is_new {
        let text = serde_json::to_vec(&index).map_err(io::Error::other);
        text.and_then(|text| write_atomic(path, &text)).map_err(failed(path, "writing the index"))?;
    }
    let mut runs: Vec<IndexedRun> = index.entries.into_values().filter_map(|entry| entry.run).collect();
    runs.sort_by(|a, b| (a.started_us, &a.run).cmp(&(b.started_us, &b.run)));
    Ok((runs, update))
}

/// What the file has. One that is damaged or of another version is an error: it may have runs that lie nowhere else.
fn read(path: &Path) -> Result<Entries, Error> {
    let text = match read_file(path) {
        Ok(text) if text.is_empty() => return Ok(BTreeMap::new()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(BTreeMap::new()),
        read => read.map_err(failed(path, "reading the index"))?,
    };
    if !text.starts_with(HEAD.as_bytes()) {
        let foreign = format!("{}: this is no index of Firedrill, and is left as it is", path.display());
        return Err(Error::usage(foreign).hint("name another file with `--index FILE`"));
    }
    let why = match serde_json::from_slice::<Index>(&text) {
        Ok(index) if index.version == VERSION => return Ok(index.entries),
        Ok(index) => format!("it is of another version of Firedrill ({})", index.version),
        Err(why) => format!("it is damaged, or of another version of Firedrill ({why})"),
    };
    Err(failed(path, "reading the index")(io::Error::other(why)))
}

/// Held by whoever uses an index. It is a file beside the index, because the index itself is replaced.
fn lock(path: &Path) -> Result<File, Error> {
    no_link(path).map_err(failed(path, "looking for links"))?;
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(failed(path, "making its folder"))?;
    }
    let mut lock = path.as_os_str().to_os_string();
    lock.push(".lock");
    let lock = PathBuf::from(lock);
    let file = open_plain(&lock, File::options().append(true).create(true)).map_err(failed(path, "making its lock"))?;
    file.lock().map_err(failed(path, "waiting for its lock"))?;
    Ok(file)
}

/// What tells whether a file is the one that was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Stamp {
    size: u64,
    mtime_ns: u64,
}

impl Stamp {
    fn of(dir: &Path) -> Option<Stamp> {
        let file = |name: &str| fs::metadata(dir.join(name)).ok();
        let file = file("record.json").or_else(|| file("events.jsonl"))?;
        let since = file.modified().ok()?.duration_since(UNIX_EPOCH).ok()?;
        Some(Stamp { size: file.len(), mtime_ns: u64::try_from(since.as_nanos()).ok()? })
    }
}

impl IndexEntry {
    /// A record that has its end never changes: then its size says enough, and the same run may come in another artifact.
    fn is_final(&self) -> bool {
        self.run.as_ref().is_none_or(|run| run.ended)
    }

    fn is_as_read(&self, now: Option<Stamp>) -> bool {
        let same = |now: Stamp| now.size == self.stamp.size && (self.is_final() || now == self.stamp);
        now.is_some_and(same)
    }
}

/// Reads the runs below the paths that are new or have changed.
fn fresh(known: &Entries, roots: &[PathBuf], update: &mut Update) -> Result<Entries, Error> {
    let found = archive::find(roots)
        .map_err(|error| Error::usage(error.to_string()).hint("`--from DIR` names a directory below which runs are"))?;
    update.found = found.runs.len();
    update.unreadable = found.problems;
    let mut fresh = Entries::new();
    for dir in found.runs {
        let (Some(id), stamp) = (archive::run_id(&dir), Stamp::of(&dir)) else { continue };
        let before = known.get(&id);
        if before.is_some_and(|entry| entry.is_as_read(stamp)) {
            continue;
        }
        if archive::is_under_way(&dir) {
            update.notes.push(format!("{id} is still under way, and left out"));
            continue;
        }
        match read_due(&dir, &id) {
            Err(why) => update.unreadable.push(why),
            // A copy from before the end tells less than what is known.
            Ok(Some(run)) if !run.ended && before.is_some_and(IndexEntry::is_final) => {}
            Ok(run) => {
                update.read += usize::from(run.is_some());
                // Without a file there is nothing to tell it by, and it is tried each time.
                fresh.extend(stamp.map(|stamp| (id, IndexEntry { stamp, run })));
            }
        }
    }
    Ok(fresh)
}

/// A drill, `None` for a runbook that was followed alone, or why it cannot be read.
fn read_due(dir: &Path, id: &str) -> Result<Option<IndexedRun>, String> {
    let record = archive::read_run(dir).map_err(|error| error.to_string())?;
    if record.plan.as_ref().is_some_and(|plan| plan.alone) {
        return Ok(None);
    }
    let run = IndexedRun::of(&record).map_err(|why| format!("{}: {why}", dir.display()))?;
    match run.run == id {
        true => Ok(Some(run)),
        false => Err(format!("{}: the record is that of the run {}", dir.display(), run.run)),
    }
}

#[cfg(test)]
mod tests;
