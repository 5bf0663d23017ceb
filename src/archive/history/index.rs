//! The index file: opened, made, known by its marks, moved aside when it cannot be used. It is a cache: whatever happens
//! to it, the records have it all. Runs whose directories are gone are the exception, so nothing is thrown away unasked.

use super::run::{Detail, IndexedRun};
use super::store::{self, Filter, SCHEMA, TABLES};
use rusqlite::{Connection, ErrorCode, OpenFlags};
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// `FDhi`: how an index is told from the databases of other programs (`PRAGMA application_id`).
const APPLICATION: i32 = 0x4644_6869;
/// How long one command waits for another one that writes.
const BUSY: Duration = Duration::from_secs(30);

/// Why an index cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum IndexError {
    /// It is a file of somebody else, and is left alone.
    #[error("{}: this is no index of Firedrill, and is left as it is", .0.display())]
    Foreign(PathBuf),
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
    #[error("{}: {doing}: {source}", .path.display())]
    Database {
        /// The file.
        path: PathBuf,
        /// What failed.
        doing: &'static str,
        /// Why.
        source: rusqlite::Error,
    },
    /// A path in which runs were to be looked for.
    #[error("{0}")]
    Runs(std::io::Error),
}

impl IndexError {
    /// Whether the file is damaged, so that a new one is the cure.
    pub fn is_damage(&self) -> bool {
        let Self::Database { source, .. } = self else { return false };
        match source {
            // A value or a column that was never written so.
            rusqlite::Error::FromSqlConversionFailure(..)
            | rusqlite::Error::InvalidColumnType(..)
            | rusqlite::Error::IntegralValueOutOfRange(..) => true,
            source => {
                let code = source.sqlite_error_code();
                matches!(code, Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt | ErrorCode::TypeMismatch))
                    || is_missing(source)
            }
        }
    }
}

/// The marks are right and a table is not there.
fn is_missing(error: &rusqlite::Error) -> bool {
    let text = error.to_string();
    ["no such table", "no such column", "has no column"].iter().any(|missing| text.contains(missing))
}

/// An open index.
#[derive(Debug)]
pub struct Index {
    pub(super) path: PathBuf,
    pub(super) connection: Connection,
}

/// Held by whoever makes, moves or fills an index; ends with the value, or with the process.
#[derive(Debug)]
pub(super) struct IndexLock {
    _file: File,
}

impl IndexLock {
    /// Waits for whoever holds it. The lock is a file beside the index, because the index itself may be moved.
    pub(super) fn take(path: &Path) -> Result<IndexLock, IndexError> {
        let failed = |doing| move |source| IndexError::File { path: path.to_path_buf(), doing, source };
        crate::record::no_link(path).map_err(failed("looking for links"))?;
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(failed("making its folder"))?;
        }
        let lock = beside(path, ".lock");
        crate::record::no_link(&lock).map_err(failed("looking for links"))?;
        let file = File::create(lock).map_err(failed("making its lock"))?;
        file.lock().map_err(failed("waiting for its lock"))?;
        Ok(IndexLock { _file: file })
    }
}

impl Index {
    /// Opens an index, or makes it. What cannot be used is moved aside and told in `notes`. A file of somebody else is an
    /// error and stays as it is. Call it under the lock.
    pub(super) fn open(path: &Path, notes: &mut Vec<String>) -> Result<Index, IndexError> {
        if is_foreign(path)? {
            return Err(IndexError::Foreign(path.to_path_buf()));
        }
        match Index::of_this_version(path) {
            Ok(Some(index)) => Ok(index),
            Ok(None) => {
                let aside = set_aside(path)?;
                notes.push(format!(
                    "the index is of another version of Firedrill and is rebuilt; the old one is {aside}"
                ));
                Index::made(path)
            }
            Err(error) if error.is_damage() => {
                let aside = set_aside(path)?;
                notes.push(format!("the index was damaged and is rebuilt; the old one is {aside}"));
                Index::made(path)
            }
            Err(error) => Err(error),
        }
    }

    fn made(path: &Path) -> Result<Index, IndexError> {
        Index::of_this_version(path)?.ok_or_else(|| IndexError::Foreign(path.to_path_buf()))
    }

    /// `None` when another version has written it.
    fn of_this_version(path: &Path) -> Result<Option<Index>, IndexError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let failed = |source| IndexError::Database { path: path.to_path_buf(), doing: "opening the index", source };
        let connection = Connection::open_with_flags(path, flags).map_err(failed)?;
        connection.busy_timeout(BUSY).map_err(failed)?;
        let mark = |name: &str| connection.query_row(&format!("PRAGMA {name}"), [], |row| row.get::<_, i32>(0));
        let (application, version) = (mark("application_id").map_err(failed)?, mark("user_version").map_err(failed)?);
        let tables: i64 =
            connection.query_row("SELECT count(*) FROM sqlite_master", [], |row| row.get(0)).map_err(failed)?;
        if tables == 0 {
            // Readers go on while a second command writes.
            let begin = format!(
                "PRAGMA journal_mode = WAL; BEGIN IMMEDIATE; {TABLES} PRAGMA application_id = {APPLICATION}; \
                 PRAGMA user_version = {SCHEMA}; COMMIT;"
            );
            connection.execute_batch(&begin).map_err(failed)?;
        } else if application != APPLICATION {
            return Err(IndexError::Foreign(path.to_path_buf()));
        } else if version != SCHEMA {
            return Ok(None);
        }
        connection.execute_batch("PRAGMA synchronous = NORMAL").map_err(failed)?;
        Ok(Some(Index { path: path.to_path_buf(), connection }))
    }

    pub(super) fn failed(&self, doing: &'static str) -> impl Fn(rusqlite::Error) -> IndexError + '_ {
        move |source| IndexError::Database { path: self.path.clone(), doing, source }
    }

    /// Puts a run into the index, in the place of the one that has its id.
    pub fn put(&self, run: &IndexedRun, detail: &Detail) -> Result<(), IndexError> {
        store::put(&self.connection, run, detail).map_err(self.failed("putting a run into the index"))
    }

    /// Does something with all of it written at its end, or nothing of it.
    /// Inside of other work it is a part of that.
    pub fn at_once<T>(&self, work: impl FnOnce(&Index) -> Result<T, IndexError>) -> Result<T, IndexError> {
        if !self.connection.is_autocommit() {
            return work(self);
        }
        let writing = "writing the index";
        let open = rusqlite::Transaction::new_unchecked(&self.connection, rusqlite::TransactionBehavior::Immediate);
        let open = open.map_err(self.failed(writing))?;
        let done = work(self)?;
        open.commit().map_err(self.failed(writing))?;
        Ok(done)
    }

    /// The runs that a filter lets through, oldest first.
    pub fn runs(&self, filter: &Filter) -> Result<Vec<IndexedRun>, IndexError> {
        store::runs(&self.connection, filter).map_err(self.failed("reading the index"))
    }

    /// What only the comparison of two runs asks for.
    pub fn detail(&self, run: &str) -> Result<Detail, IndexError> {
        store::detail(&self.connection, run).map_err(self.failed("reading the index"))
    }

    /// How many runs the index has.
    pub fn count(&self) -> Result<usize, IndexError> {
        let count = self.connection.query_row("SELECT count(*) FROM run", [], |row| row.get::<_, i64>(0));
        Ok(usize::try_from(count.map_err(self.failed("reading the index"))?).unwrap_or_default())
    }
}

/// The path with something appended to its file name.
fn beside(path: &Path, end: &str) -> PathBuf {
    let mut name = path.as_os_str().to_os_string();
    name.push(end);
    name.into()
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

/// Moves an index and what SQLite keeps beside it out of the way; says where it is now.
pub(super) fn set_aside(path: &Path) -> Result<String, IndexError> {
    let free = |number: &u32| !beside(path, &format!(".old-{number}")).exists();
    let aside = beside(path, &format!(".old-{}", (1..u32::MAX).find(free).unwrap_or(u32::MAX)));
    let failed = |source| IndexError::File { path: path.to_path_buf(), doing: "moving it aside", source };
    fs::rename(path, &aside).map_err(failed)?;
    for end in ["-wal", "-shm"] {
        let (from, to) = (beside(path, end), beside(&aside, end));
        if from.exists() {
            fs::rename(from, to).map_err(failed)?;
        }
    }
    Ok(aside.display().to_string())
}
