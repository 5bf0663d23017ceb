//! Fills the index from run directories. A run is read once: again only while it has no end, or when its record has
//! another size; one that cannot be read is named each time, and tried again when it has changed. A run whose directory is gone stays, because artifacts are deleted sooner than people stop asking.

use super::index::{Index, IndexError, IndexLock, set_aside};
use super::run::{Detail, IndexedRun};
use super::store;
use crate::archive;
use rusqlite::{OptionalExtension, Params, Row};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::UNIX_EPOCH;
use std::{fs, thread};

/// Runs that are written at once: what a command that is killed loses at most.
const BATCH: usize = 256;

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

/// Opens the index, reads what is new below the paths, and asks. An index that turns out to be damaged on the way is
/// moved aside and rebuilt, once. `rebuild` forgets what it has and reads everything.
pub fn with_index<T>(
    path: &Path,
    roots: &[PathBuf],
    rebuild: bool,
    ask: impl Fn(&Index) -> Result<T, IndexError>,
) -> Result<(T, Update), IndexError> {
    let once = |notes: Vec<String>| {
        let mut update = Update { notes, ..Update::default() };
        let lock = IndexLock::take(path)?;
        let index = Index::open(path, &mut update.notes)?;
        index.update(roots, rebuild, &mut update)?;
        // Under the lock: what one answer says in several questions is of one moment.
        let answer = ask(&index)?;
        drop(lock);
        Ok((answer, update))
    };
    match once(Vec::new()) {
        Err(error) if IndexError::is_damage(&error) => {
            let lock = IndexLock::take(path)?;
            let aside = set_aside(path)?;
            drop(lock);
            once(vec![format!("the index was damaged ({error}) and is rebuilt; the old one is {aside}")])
        }
        done => done,
    }
}

/// What tells whether a file is the one that was read.
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
        Some(Stamp { size: store::int(file.len()), mtime_ns: i64::try_from(since.as_nanos()).ok()? })
    }
}

/// A directory that was read: a drill, something that is none, or why not.
type ReadRun = (PathBuf, Option<Stamp>, Result<Option<(IndexedRun, Detail)>, String>);

impl Index {
    pub(super) fn update(&self, roots: &[PathBuf], rebuild: bool, update: &mut Update) -> Result<(), IndexError> {
        let found = archive::find(roots).map_err(IndexError::Runs)?;
        match rebuild {
            // A command that is killed over it has forgotten nothing.
            true => self.at_once(|index| index.take_in(found, true, update)),
            false => self.take_in(found, false, update),
        }
    }

    fn take_in(&self, found: archive::FoundRuns, rebuild: bool, update: &mut Update) -> Result<(), IndexError> {
        update.found = found.runs.len();
        update.unreadable = found.problems;
        let before = self.count()?;
        if rebuild {
            let forget = "DELETE FROM run; DELETE FROM detail; DELETE FROM file; DELETE FROM unreadable;";
            self.connection.execute_batch(forget).map_err(self.failed("forgetting what the index has"))?;
        }
        let mut due = Vec::new();
        for dir in found.runs {
            let stamp = Stamp::of(&dir);
            if self.has(&id(&dir), stamp)? {
                continue;
            }
            if archive::is_under_way(&dir) {
                update.notes.push(format!("{} is still under way, and left out", id(&dir)));
                continue;
            }
            match self.why_unreadable(&dir, stamp)? {
                Some(why) => update.unreadable.push(why),
                None => due.push((dir, stamp)),
            }
        }
        self.fill(&due, update)?;
        let after = self.count()?;
        if rebuild && after < before {
            let gone = before - after;
            let note = "runs that the index had are not among those found, and are forgotten";
            update.notes.push(format!("{gone} of {before} {note}"));
        }
        Ok(())
    }

    /// A record that has its end never changes: then its size says enough, and the same run may come in another artifact.
    fn has(&self, run: &str, stamp: Option<Stamp>) -> Result<bool, IndexError> {
        let sql = "SELECT size, mtime_ns, final FROM file WHERE run = ?";
        let known =
            self.first(sql, [run], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?, row.get::<_, bool>(2)?)))?;
        Ok(known.zip(stamp).is_some_and(|((size, mtime_ns, is_final), now)| {
            size == now.size && (is_final || mtime_ns == now.mtime_ns)
        }))
    }

    /// Why a directory could not be read, where it is as it was then.
    fn why_unreadable(&self, dir: &Path, stamp: Option<Stamp>) -> Result<Option<String>, IndexError> {
        let Some(stamp) = stamp else { return Ok(None) };
        let sql = "SELECT why FROM unreadable WHERE dir = ? AND size = ? AND mtime_ns = ?";
        self.first(sql, (place(dir), stamp.size, stamp.mtime_ns), |row| row.get(0))
    }

    /// The first row of an answer, where there is one.
    fn first<T>(
        &self,
        sql: &str,
        params: impl Params,
        read: impl FnOnce(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Option<T>, IndexError> {
        let found = self.connection.prepare_cached(sql).and_then(|mut sql| sql.query_row(params, read).optional());
        found.map_err(self.failed("reading the index"))
    }

    fn write(&self, sql: &str, params: impl Params) -> Result<(), IndexError> {
        let written = self.connection.prepare_cached(sql).and_then(|mut sql| sql.execute(params));
        written.map_err(self.failed("writing the index")).map(|_| ())
    }

    /// Records are read side by side, and written by one.
    fn fill(&self, due: &[(PathBuf, Option<Stamp>)], update: &mut Update) -> Result<(), IndexError> {
        let workers = thread::available_parallelism().map_or(1, |n| n.get());
        for batch in due.chunks(BATCH) {
            let next = AtomicUsize::new(0);
            let done: Mutex<Vec<ReadRun>> = Mutex::new(Vec::with_capacity(batch.len()));
            thread::scope(|scope| {
                for _ in 0..workers.min(batch.len()) {
                    scope.spawn(|| {
                        while let Some((dir, stamp)) = batch.get(next.fetch_add(1, Ordering::Relaxed)) {
                            let read = (dir.clone(), *stamp, read(dir));
                            // Nobody panics while holding it; if somebody did, what it holds is whole.
                            done.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).push(read);
                        }
                    });
                }
            });
            let mut done = done.into_inner().unwrap_or_else(|poisoned| poisoned.into_inner());
            done.sort_by(|a, b| a.0.cmp(&b.0));
            self.at_once(|index| done.into_iter().try_for_each(|read| index.take(read, update)))?;
        }
        Ok(())
    }

    fn take(&self, (dir, stamp, read): ReadRun, update: &mut Update) -> Result<(), IndexError> {
        let drill = match read {
            Ok(drill) => drill,
            Err(why) => {
                if let Some(stamp) = stamp {
                    let sql = "INSERT OR REPLACE INTO unreadable (dir, size, mtime_ns, why) VALUES (?, ?, ?, ?)";
                    self.write(sql, (place(&dir), stamp.size, stamp.mtime_ns, &why))?;
                }
                update.unreadable.push(why);
                return Ok(());
            }
        };
        let id = id(&dir);
        let mut is_final = true;
        if let Some((run, detail)) = drill {
            if !run.ended && self.has_ended(&id)? {
                // A copy from before the end tells less than what is known.
                return Ok(());
            }
            is_final = run.ended;
            self.put(&run, &detail)?;
            update.read += 1;
        }
        let Some(stamp) = stamp else { return Ok(()) };
        let sql = "INSERT OR REPLACE INTO file (run, size, mtime_ns, final) VALUES (?, ?, ?, ?)";
        self.write(sql, (&id, stamp.size, stamp.mtime_ns, is_final))
    }

    fn has_ended(&self, run: &str) -> Result<bool, IndexError> {
        let known = self.first("SELECT ended FROM run WHERE run = ?", [run], |row| row.get(0))?;
        Ok(known.unwrap_or(false))
    }
}

/// The same from wherever it is looked at.
fn place(dir: &Path) -> String {
    std::path::absolute(dir).unwrap_or_else(|_| dir.to_path_buf()).display().to_string()
}

/// The id that a directory stands for: its name, unless that is none (`latest`, as it comes out of an artifact of CI).
fn id(dir: &Path) -> String {
    archive::run_id(dir).unwrap_or_else(|| place(dir))
}

/// A runbook that was followed alone is no drill. A run whose record has another id than its directory would be counted
/// twice, or hide another one.
fn read(dir: &Path) -> Result<Option<(IndexedRun, Detail)>, String> {
    let record = archive::read_run(dir).map_err(|error| error.to_string())?;
    if record.plan.as_ref().is_some_and(|plan| plan.alone) {
        return Ok(None);
    }
    let (run, detail) = IndexedRun::of(&record).map_err(|why| format!("{}: {why}", dir.display()))?;
    if run.run != id(dir) {
        return Err(format!("{}: the record is that of the run {}", dir.display(), run.run));
    }
    Ok(Some((run, detail)))
}

#[cfg(test)]
mod tests;
