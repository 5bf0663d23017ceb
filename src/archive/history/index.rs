//! The index: every run that was ever found, in SQLite. A run is read once: again only while it has no end, or when its
//! record has another size; one that cannot be read is named each time, and tried again when it has changed. It is a cache:
//! whatever happens to it, the records have it all. Runs whose directories are gone are the exception, because artifacts are
//! deleted sooner than people stop asking; so nothing is thrown away unasked.

use super::run::IndexedRun;
use crate::archive;
use rusqlite::{Connection, ErrorCode, Transaction, TransactionBehavior, params};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::UNIX_EPOCH;

/// `FDhi`: how an index is told from the databases of other programs (`PRAGMA application_id`).
const APPLICATION: i32 = 0x4644_6869;
/// Version of the table and of what its values mean.
const SCHEMA: i32 = 3;
/// A run by its id, with its `IndexedRun` as JSON where it is a drill; or, by its place, a directory that cannot be read.
const TABLE: &str =
    "CREATE TABLE entry (id TEXT PRIMARY KEY, size INTEGER, mtime_ns INTEGER, run TEXT, why TEXT) WITHOUT ROWID";

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

/// Why an index cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum IndexError {
    /// It is a file of somebody else, and is left alone.
    #[error("{}: this is no index of Firedrill, and is left as it is", .0.display())]
    Foreign(PathBuf),
    /// Another version has written it.
    #[error("{}: it is of another version of Firedrill", .0.display())]
    OtherVersion(PathBuf),
    /// It cannot be read or written.
    #[error("{}: {doing}: {source}", .path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What failed.
        doing: &'static str,
        /// Why.
        source: std::io::Error,
    },
    /// The database says no.
    #[error("{}: {source}", .path.display())]
    Database {
        /// The file.
        path: PathBuf,
        /// Why.
        source: rusqlite::Error,
    },
    /// It has a run that was never written so.
    #[error("{}: {source}", .path.display())]
    Run {
        /// The file.
        path: PathBuf,
        /// Why.
        source: serde_json::Error,
    },
    /// A path in which runs were to be looked for.
    #[error("{0}")]
    Runs(std::io::Error),
}

impl IndexError {
    /// What is wrong with the file, where a new one is the cure.
    fn what_a_new_index_cures(&self) -> Option<String> {
        match self {
            Self::OtherVersion(_) => return Some("is of another version of Firedrill".into()),
            Self::Run { .. } => {}
            // `Unknown` is what SQLite calls a table or a column that is not there.
            Self::Database { source, .. } => match source.sqlite_error_code() {
                Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt | ErrorCode::Unknown) => {}
                Some(_) => return None,
                None => {}
            },
            Self::Foreign(_) | Self::File { .. } | Self::Runs(_) => return None,
        }
        Some(format!("was damaged ({self})"))
    }
}

/// Every run that the index has, oldest first, after what is new below the paths was read into it. An index that is damaged or of
/// another version is moved aside and made again, once. `rebuild` forgets what it has and reads everything.
pub fn indexed(path: &Path, roots: &[PathBuf], rebuild: bool) -> Result<(Vec<IndexedRun>, Update), IndexError> {
    let _lock = lock(path)?;
    let once = |notes| {
        let mut update = Update { notes, ..Update::default() };
        let runs = updated(path, roots, rebuild, &mut update)?;
        Ok((runs, update))
    };
    let first = once(Vec::new());
    match first.as_ref().err().and_then(IndexError::what_a_new_index_cures) {
        None => first,
        Some(what) => {
            let aside = set_aside(path)?;
            once(vec![format!("the index {what} and is rebuilt; the old one is {}", aside.display())])
        }
    }
}

/// Held by whoever uses an index. It is a file beside the index, because the index itself may be moved.
fn lock(path: &Path) -> Result<File, IndexError> {
    let failed = |doing| move |source| IndexError::File { path: path.to_path_buf(), doing, source };
    crate::record::no_link(path).map_err(failed("looking for links"))?;
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(failed("making its folder"))?;
    }
    let lock = beside(path, ".lock");
    crate::record::no_link(&lock).map_err(failed("looking for links"))?;
    let file = File::create(lock).map_err(failed("making its lock"))?;
    file.lock().map_err(failed("waiting for its lock"))?;
    Ok(file)
}

/// The path with something appended to its file name.
fn beside(path: &Path, end: &str) -> PathBuf {
    let mut name = path.as_os_str().to_os_string();
    name.push(end);
    name.into()
}

/// Moves an index out of the way; says where it is now.
fn set_aside(path: &Path) -> Result<PathBuf, IndexError> {
    let names = (1..u32::MAX).map(|number| beside(path, &format!(".old-{number}")));
    let aside = names.into_iter().find(|name| !name.exists()).unwrap_or_else(|| beside(path, ".old"));
    let failed = |source| IndexError::File { path: path.to_path_buf(), doing: "moving it aside", source };
    fs::rename(path, &aside).map_err(failed)?;
    Ok(aside)
}

/// A file that is no database, under a name that is none of a database either, is no damaged index: somebody mistyped.
fn is_foreign(path: &Path) -> Result<bool, IndexError> {
    const MAGIC: &[u8; 16] = b"SQLite format 3\0";
    if !path.exists() || path.extension().is_some_and(|end| end == "db") && path.is_file() {
        return Ok(false);
    }
    let mut head = Vec::new();
    let read = File::open(path).and_then(|file| file.take(MAGIC.len() as u64).read_to_end(&mut head));
    read.map_err(|source| IndexError::File { path: path.to_path_buf(), doing: "opening the index", source })?;
    Ok(!head.is_empty() && head != MAGIC)
}

/// What the index has about a run, or about a directory that cannot be read.
struct IndexEntry {
    stamp: Stamp,
    run: Option<IndexedRun>,
    why: Option<String>,
}

/// What tells whether a file is the one that was read. SQLite knows no integers without a sign; no file comes near the limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    size: i64,
    mtime_ns: i64,
}

impl Stamp {
    fn of(dir: &Path) -> Option<Stamp> {
        let file = |name: &str| fs::metadata(dir.join(name)).ok();
        let file = file("record.json").or_else(|| file("events.jsonl"))?;
        let since = file.modified().ok()?.duration_since(UNIX_EPOCH).ok()?;
        Some(Stamp { size: i64::try_from(file.len()).ok()?, mtime_ns: i64::try_from(since.as_nanos()).ok()? })
    }
}

impl IndexEntry {
    /// A record that has its end never changes: then its size says enough, and the same run may come in another artifact.
    fn is_final(&self) -> bool {
        self.run.as_ref().is_none_or(|run| run.ended)
    }

    fn is_as_read(&self, now: Option<Stamp>) -> bool {
        let same = |now: Stamp| now.size == self.stamp.size && (self.is_final() || now == self.stamp);
        self.why.is_none() && now.is_some_and(same)
    }
}

/// All of it is written at its end, or nothing of it: a command that is killed over a rebuild has forgotten nothing.
fn updated(path: &Path, roots: &[PathBuf], rebuild: bool, update: &mut Update) -> Result<Vec<IndexedRun>, IndexError> {
    let failed = |source| IndexError::Database { path: path.to_path_buf(), source };
    if is_foreign(path)? {
        return Err(IndexError::Foreign(path.to_path_buf()));
    }
    let connection = Connection::open(path).map_err(failed)?;
    let mark =
        |name: &str| connection.query_row(&format!("PRAGMA {name}"), [], |row| row.get::<_, i32>(0)).map_err(failed);
    let (pages, application, version) = (mark("page_count")?, mark("application_id")?, mark("user_version")?);
    let open = Transaction::new_unchecked(&connection, TransactionBehavior::Immediate).map_err(failed)?;
    match (application, version) {
        _ if pages == 0 => {
            let marks = format!("PRAGMA application_id = {APPLICATION}; PRAGMA user_version = {SCHEMA};");
            open.execute_batch(&format!("{marks} {TABLE};")).map_err(failed)?;
        }
        (APPLICATION, SCHEMA) => {}
        (APPLICATION, _) => return Err(IndexError::OtherVersion(path.to_path_buf())),
        _ => return Err(IndexError::Foreign(path.to_path_buf())),
    }
    let mut entries = entries(&open, path)?;
    let runs_of = |entries: &BTreeMap<String, IndexEntry>| entries.values().filter(|entry| entry.run.is_some()).count();
    let before = runs_of(&entries);
    if rebuild {
        entries.clear();
        open.execute("DELETE FROM entry", []).map_err(failed)?;
    }
    for (id, entry) in fresh(&entries, roots, update)? {
        let run = entry.run.as_ref().map(serde_json::to_string).transpose();
        let run = run.map_err(|source| IndexError::Run { path: path.to_path_buf(), source })?;
        let mut put = open.prepare_cached("INSERT OR REPLACE INTO entry VALUES (?, ?, ?, ?, ?)").map_err(failed)?;
        put.execute(params![id, entry.stamp.size, entry.stamp.mtime_ns, run, entry.why]).map_err(failed)?;
        entries.insert(id, entry);
    }
    open.commit().map_err(failed)?;
    let after = runs_of(&entries);
    if rebuild && after < before {
        let note = "runs that the index had are not among those found, and are forgotten";
        update.notes.push(format!("{} of {before} {note}", before - after));
    }
    let mut runs: Vec<IndexedRun> = entries.into_values().filter_map(|entry| entry.run).collect();
    runs.sort_by(|a, b| (a.started_us, &a.run).cmp(&(b.started_us, &b.run)));
    Ok(runs)
}

fn entries(open: &Connection, path: &Path) -> Result<BTreeMap<String, IndexEntry>, IndexError> {
    let failed = |source| IndexError::Database { path: path.to_path_buf(), source };
    let mut entries = BTreeMap::new();
    let mut all = open.prepare("SELECT id, size, mtime_ns, run, why FROM entry").map_err(failed)?;
    let mut rows = all.query([]).map_err(failed)?;
    while let Some(row) = rows.next().map_err(failed)? {
        let (id, size, mtime_ns, run, why): (String, _, _, Option<String>, _) = row.try_into().map_err(failed)?;
        let run = run.map(|json| serde_json::from_str(&json)).transpose();
        let run = run.map_err(|source| IndexError::Run { path: path.to_path_buf(), source })?;
        entries.insert(id, IndexEntry { stamp: Stamp { size, mtime_ns }, run, why });
    }
    Ok(entries)
}

/// What is new below the paths, or has changed. Records are read side by side.
fn fresh(
    known: &BTreeMap<String, IndexEntry>,
    roots: &[PathBuf],
    update: &mut Update,
) -> Result<Vec<(String, IndexEntry)>, IndexError> {
    let found = archive::find(roots).map_err(IndexError::Runs)?;
    update.found = found.runs.len();
    update.unreadable = found.problems;
    let mut due = Vec::new();
    for dir in found.runs {
        let (id, stamp) = (id(&dir), Stamp::of(&dir));
        if known.get(&id).is_some_and(|entry| entry.is_as_read(stamp)) {
            continue;
        }
        if archive::is_under_way(&dir) {
            update.notes.push(format!("{id} is still under way, and left out"));
            continue;
        }
        match known.get(&place(&dir)).filter(|entry| Some(entry.stamp) == stamp).and_then(|entry| entry.why.clone()) {
            Some(why) => update.unreadable.push(why),
            None => due.push((dir, id, stamp)),
        }
    }
    let workers = thread::available_parallelism().map_or(1, |n| n.get());
    let read = thread::scope(|scope| {
        let share = |part| scope.spawn(move || read_all(part));
        let parts: Vec<_> = due.chunks(due.len().div_ceil(workers).max(1)).map(share).collect();
        let join = |part: thread::ScopedJoinHandle<'_, Vec<_>>| {
            part.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        };
        parts.into_iter().flat_map(join).collect::<Vec<_>>()
    });
    let mut fresh = Vec::new();
    for ((dir, id, stamp), read) in due.into_iter().zip(read) {
        // Without a file there is nothing to tell it by, and it is tried each time.
        let entry = |run, why| stamp.map(|stamp| IndexEntry { stamp, run, why });
        match read {
            Err(why) => {
                update.unreadable.push(why.clone());
                fresh.extend(entry(None, Some(why)).map(|entry| (place(&dir), entry)));
            }
            // A copy from before the end tells less than what is known.
            Ok(Some(run)) if !run.ended && known.get(&id).is_some_and(IndexEntry::is_final) => {}
            Ok(run) => {
                update.read += usize::from(run.is_some());
                fresh.extend(entry(run, None).map(|entry| (id, entry)));
            }
        }
    }
    Ok(fresh)
}

/// The absolute path, also for a directory that is gone meanwhile.
fn place(dir: &Path) -> String {
    std::path::absolute(dir).unwrap_or_else(|_| dir.to_path_buf()).display().to_string()
}

/// The id of the run; without one, its place.
fn id(dir: &Path) -> String {
    archive::run_id(dir).unwrap_or_else(|| place(dir))
}

type DueRun = (PathBuf, String, Option<Stamp>);

/// Of each a drill, `None` for a runbook that was followed alone, or why it cannot be read.
fn read_all(due: &[DueRun]) -> Vec<Result<Option<IndexedRun>, String>> {
    let read = |(dir, id, _): &DueRun| {
        let record = archive::read_run(dir).map_err(|error| error.to_string())?;
        if record.plan.as_ref().is_some_and(|plan| plan.alone) {
            return Ok(None);
        }
        let run = IndexedRun::of(&record).map_err(|why| format!("{}: {why}", dir.display()))?;
        match run.run == *id {
            true => Ok(Some(run)),
            false => Err(format!("{}: the record is that of the run {}", dir.display(), run.run)),
        }
    };
    due.iter().map(read).collect()
}

#[cfg(test)]
mod tests;
