//! Appends to a chain: one writer at a time, by the lock of the file, each entry synced before it counts. A torn last line, left by
//! a writer that was killed, is taken away by the next one, which enters the run that it was about if that was sealed.

use super::chain::{CHAIN, ChainEntry, run_of};
use super::manifest::{MANIFEST, Manifest};
use super::{Digest, check_chain};
use crate::record::read_file;
use std::fs::{File, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// So much of the end of a chain is read to find its last entry.
const TAIL: u64 = 64 * 1024;

/// What is left of a line whose writer was killed.
struct Torn {
    bytes: u64,
    run: Option<String>,
}

/// A chain whose lock is held.
pub struct Appender {
    file: File,
    root: PathBuf,
    /// Number and hash of the last entry.
    last: Option<(u64, Digest)>,
    torn: Option<Torn>,
    /// What people should know.
    pub notes: Vec<String>,
    #[cfg(test)]
    bytes_read: u64,
}

impl Appender {
    /// Opens the chain of a root of runs and waits for its lock; makes it where there is none.
    pub fn open(root: &Path) -> io::Result<Appender> {
        let path = root.join(CHAIN);
        crate::record::no_link(&path)?;
        let made = !path.exists();
        let file = crate::record::open_plain(&path, File::options().read(true).append(true).create(true))?;
        lock(&file)?;
        if made {
            // The name must survive a power cut as well as the content.
            #[cfg(unix)]
            File::open(root)?.sync_all()?;
        }
        let mut appender = Appender {
            file,
            root: root.to_path_buf(),
            last: None,
            torn: None,
            notes: Vec::new(),
            #[cfg(test)]
            bytes_read: 0,
        };
        appender.mend()?;
        Ok(appender)
    }

    /// Every entry that can be read.
    pub fn entries(&mut self) -> io::Result<Vec<ChainEntry>> {
        Ok(check_chain(&self.bytes_from(0)?).entries)
    }

    /// Appends an entry: number, hashes and what was torn are filled in here. Returns once it is on disk.
    pub fn append(&mut self, entry: ChainEntry) -> io::Result<ChainEntry> {
        if let Some(lost) = self.lost(&entry)? {
            self.write(lost)?;
        }
        self.write(entry)
    }

    /// The entry of the run whose line was torn, when it is another run that was sealed and has no entry.
    fn lost(&mut self, like: &ChainEntry) -> io::Result<Option<ChainEntry>> {
        let Some(run) = self.torn.as_ref().and_then(|torn| torn.run.clone()).filter(|run| *run != like.run) else {
            return Ok(None);
        };
        let Ok(manifest) = read_file(self.root.join(&run).join(MANIFEST)) else { return Ok(None) };
        let (story, manifest) = (Manifest::read(&manifest).ok(), Digest::of(&manifest));
        let (scenario, verdict) = story.map(|story| (story.scenario, story.verdict)).unwrap_or_default();
        let earlier = self.entries()?.into_iter().rev().find(|entry| entry.run == run);
        if earlier.as_ref().is_some_and(|entry| entry.manifest == manifest) {
            return Ok(None);
        }
        let Some(quarter) = crate::report::Quarter::of_id(&run) else { return Ok(None) };
        let replaces = earlier.map(|entry| entry.number);
        self.notes.push(format!("{run} was sealed and its entry was torn: it has one again"));
        let quarter = quarter.to_string();
        let (changed, late) = (Vec::new(), false);
        Ok(Some(ChainEntry { run, scenario, verdict, quarter, manifest, replaces, changed, late, ..like.clone() }))
    }

    fn write(&mut self, mut entry: ChainEntry) -> io::Result<ChainEntry> {
        entry.number = self.last.as_ref().map_or(0, |(number, _)| number + 1);
        entry.previous = self.last.as_ref().map_or_else(Digest::zero, |(_, hash)| hash.clone());
        let torn = self.torn.take();
        entry.torn = torn.as_ref().map(|torn| torn.bytes);
        // A run that was deleted must not be forgotten with the line that was about it.
        entry.torn_run = torn.and_then(|torn| torn.run).filter(|run| *run != entry.run);
        let (entry, line) = entry.sealed()?;
        self.file.write_all(format!("{line}\n").as_bytes())?;
        self.file.sync_data()?;
        self.last = Some((entry.number, entry.hash.clone()));
        Ok(entry)
    }

    /// Finds the last entry, and takes away what was torn behind it.
    fn mend(&mut self) -> io::Result<()> {
        let length = self.file.seek(SeekFrom::End(0))?;
        let mut from = length.saturating_sub(TAIL);
        let mut bytes = self.bytes_from(from)?;
        if from > 0 && bytes.iter().filter(|b| **b == b'\n').count() < 2 {
            from = 0;
            bytes = self.bytes_from(0)?;
        }
        let whole = bytes.iter().rposition(|b| *b == b'\n').map_or(0, |at| at + 1);
        let rest = bytes.split_off(whole);
        if !rest.is_empty() {
            if ChainEntry::read(&rest).is_ok_and(|entry| entry.fits(&rest)) {
                // Only the line break was missing.
                self.file.write_all(b"\n")?;
                bytes.extend(&rest);
                bytes.push(b'\n');
            } else {
                self.file.set_len(from + whole as u64)?;
                let run = run_of(&rest);
                let of = run.as_deref().map_or(String::new(), |run| format!(" about {run}"));
                let chain = self.root.join(CHAIN);
                self.notes.push(format!("{}: a torn last line{of} was taken away", chain.display()));
                self.torn = Some(Torn { bytes: rest.len() as u64, run });
            }
        }
        let last = bytes.split(|b| *b == b'\n').rev().find(|line| !line.is_empty());
        let last = match last.map(ChainEntry::read) {
            None => None,
            Some(Ok(entry)) => Some(entry),
            Some(Err(error)) => {
                let chain = self.root.join(CHAIN);
                self.notes.push(format!("{}: its last line is no entry: {error}", chain.display()));
                self.entries()?.pop()
            }
        };
        self.last = last.map(|entry| (entry.number, entry.hash));
        Ok(())
    }

    fn bytes_from(&mut self, at: u64) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        self.file.seek(SeekFrom::Start(at))?;
        self.file.read_to_end(&mut bytes)?;
        #[cfg(test)]
        {
            self.bytes_read += bytes.len() as u64;
        }
        Ok(bytes)
    }
}

/// Waits for the lock. Where a file system has none there is nothing to wait for.
fn lock(file: &File) -> io::Result<()> {
    match file.try_lock() {
        Ok(()) => Ok(()),
        Err(TryLockError::Error(error)) if error.kind() == io::ErrorKind::Unsupported => Ok(()),
        Err(_) => file.lock(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::archive::evidence::testing::{chain, entry};
    use std::fs;

    fn appended(root: &Path, run: &str) -> (ChainEntry, Vec<String>) {
        let mut appender = Appender::open(root).unwrap();
        let entry = appender.append(entry(99, run, &Digest::zero()).0).unwrap();
        (entry, appender.notes)
    }

    const RUN: &str = "20261120T064112Z-other-00ff";

    #[test]
    fn entries_follow_each_other() {
        let dir = tempfile::tempdir().unwrap();
        for number in 0..3 {
            let (entry, notes) = appended(dir.path(), &format!("20261120T064112Z-db-pool-{number:04x}"));
            assert_eq!((entry.number, notes.len()), (number, 0));
        }
        let found = check_chain(&fs::read(dir.path().join(CHAIN)).unwrap());
        assert_eq!((found.entries.len(), found.problems.len(), found.torn), (3, 0, None));
    }

    #[test]
    fn a_line_torn_anywhere_is_mended_and_no_entry_is_lost() {
        let lines = chain(3);
        let whole = lines.join("\n");
        let before = whole.len() - lines[2].len();
        for end in before..=whole.len() {
            let dir = tempfile::tempdir().unwrap();
            fs::write(dir.path().join(CHAIN), &whole[..end]).unwrap();
            // The run of the torn line had been sealed.
            let run = dir.path().join("20261120T064112Z-db-pool-0002");
            fs::create_dir(&run).unwrap();
            fs::write(run.join(MANIFEST), b"20261120T064112Z-db-pool-0002").unwrap();
            let (entry, notes) = appended(dir.path(), RUN);
            let found = check_chain(&fs::read(dir.path().join(CHAIN)).unwrap());
            assert_eq!((&found.problems, found.torn), (&vec![], None), "cut at {end}");
            let known = end >= before + whole[before..].find("0002\"").unwrap() + 5;
            let kept = found.entries.iter().any(|entry| entry.run.ends_with("0002"));
            assert_eq!(kept, known, "cut at {end}");
            assert_eq!(entry.number, if known { 3 } else { 2 }, "cut at {end}");
            let torn = (end > before && end < whole.len()).then_some((end - before) as u64);
            assert_eq!(found.entries.iter().find_map(|entry| entry.torn), torn, "cut at {end}");
            assert_eq!(notes.is_empty(), torn.is_none(), "cut at {end}: {notes:?}");
        }
    }

    #[test]
    fn a_chain_that_somebody_broke_goes_on() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join(CHAIN), chain(2).join("\n") + "\nrubbish\n").unwrap();
        let (entry, notes) = appended(dir.path(), RUN);
        assert_eq!(entry.number, 2);
        assert!(notes[0].contains("no entry"), "{notes:?}");
        let found = check_chain(&fs::read(dir.path().join(CHAIN)).unwrap());
        assert_eq!(found.problems.len(), 1, "the rubbish: {:?}", found.problems);
    }

    #[test]
    fn appending_reads_the_end_of_a_chain_and_no_more() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join(CHAIN), chain(10_000).join("\n") + "\n").unwrap();
        let mut appender = Appender::open(dir.path()).unwrap();
        let entry = appender.append(entry(0, RUN, &Digest::zero()).0).unwrap();
        assert_eq!(entry.number, 10_000);
        assert!(appender.bytes_read <= TAIL, "{} bytes", appender.bytes_read);
        let whole = check_chain(&fs::read(dir.path().join(CHAIN)).unwrap());
        assert_eq!((whole.problems.len(), whole.head), (0, Some(entry.head())));
    }

    #[test]
    fn a_long_last_line_is_found() {
        let dir = tempfile::tempdir().unwrap();
        let long = ChainEntry { changed: vec!["x".repeat(TAIL as usize + 10)], ..entry(0, RUN, &Digest::zero()).0 };
        Appender::open(dir.path()).unwrap().append(long).unwrap();
        assert_eq!(appended(dir.path(), RUN).0.number, 1);
        assert_eq!(appended(dir.path(), RUN).0.number, 2);
    }
}
