//! The ledger of undos: what must be undone is on disk, synced, before anything is broken, so that another process
//! can undo it when this one is killed.

use crate::faults::Undo;
use crate::locked;
use crate::record::{open_plain, write_line};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;
use std::sync::{Arc, Mutex};

/// No drill writes a larger ledger, in bytes: a scenario, whose scripts are in it, is far smaller.
const LARGEST: u64 = 32 << 20;

/// One line of the ledger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "entry", rename_all = "snake_case")]
pub enum LedgerEntry {
    /// The drill that the ledger belongs to; the first line.
    Run {
        /// Id of the run, the value of the label on everything that it starts.
        run: String,
        /// Whether the stack is to be left up when the drill does not pass.
        keep: bool,
    },
    /// Something is about to be broken.
    Open {
        /// Id of the fault.
        fault: String,
        /// How it is undone.
        undo: Undo,
    },
    /// It was undone and seen to be gone.
    Done {
        /// Id of the fault.
        fault: String,
    },
    /// The drill has ended by itself: there is nothing for anybody else to do.
    Closed,
}

/// The ledger of one drill, open for appending. Its clones are the same ledger.
#[derive(Debug, Clone)]
pub struct Ledger(Arc<Mutex<OpenLedger>>);

#[derive(Debug)]
struct OpenLedger {
    file: File,
    open: Vec<(String, Undo)>,
}

impl Ledger {
    /// Creates the ledger of a run; an error when there is one already.
    pub fn create(path: &Path, run: &str, keep: bool) -> io::Result<Ledger> {
        let file = OpenOptions::new().append(true).create_new(true).open(path)?;
        // The name must survive a power cut as well as the content.
        if let Some(dir) = path.parent() {
            File::open(dir)?.sync_all()?;
        }
        let ledger = Ledger(Arc::new(Mutex::new(OpenLedger { file, open: Vec::new() })));
        locked(&ledger.0).write(&LedgerEntry::Run { run: run.to_string(), keep })?;
        Ok(ledger)
    }

    /// Notes how a fault is undone, before it is injected. Returns once it is on disk.
    pub fn open(&self, fault: &str, undo: &Undo) -> io::Result<()> {
        let mut ledger = locked(&self.0);
        ledger.write(&LedgerEntry::Open { fault: fault.to_string(), undo: undo.clone() })?;
        ledger.open.push((fault.to_string(), undo.clone()));
        Ok(())
    }

    /// Notes that a fault is gone.
    pub fn done(&self, fault: &str) -> io::Result<()> {
        let mut ledger = locked(&self.0);
        ledger.open.retain(|(id, _)| id != fault);
        ledger.write(&LedgerEntry::Done { fault: fault.to_string() })
    }

    /// Notes that the drill ended by itself.
    pub fn close(&self) -> io::Result<()> {
        locked(&self.0).write(&LedgerEntry::Closed)
    }

    /// What is still to be undone, the last first.
    pub fn outstanding(&self) -> Vec<(String, Undo)> {
        locked(&self.0).open.iter().rev().cloned().collect()
    }
}

impl OpenLedger {
    fn write(&mut self, entry: &LedgerEntry) -> io::Result<()> {
        write_line(&mut self.file, entry)?;
        self.file.sync_data()
    }
}

/// A ledger as another process finds it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LedgerContent {
    /// Id of the run; `None` when even the first line is missing.
    pub run: Option<String>,
    /// Whether the stack is to be left up.
    pub keep: bool,
    /// What is still to be undone, the last first.
    pub outstanding: Vec<(String, Undo)>,
    /// Whether the drill ended by itself.
    pub closed: bool,
}

/// Reads a ledger; a torn last line, as a killed process leaves it, is passed over: its fault had not gone in yet.
///
/// # Errors
/// Those of the file system, `InvalidInput` when it is a link, `InvalidData` when it is larger than any that a drill writes.
pub fn read(path: &Path) -> io::Result<LedgerContent> {
    let file = open_plain(path, OpenOptions::new().read(true))?;
    if file.metadata()?.len() > LARGEST {
        let why = format!("{} is larger than {} MiB: no drill has written it", path.display(), LARGEST >> 20);
        return Err(io::Error::new(io::ErrorKind::InvalidData, why));
    }
    let mut found = LedgerContent::default();
    let mut open: HashMap<String, Vec<(usize, Undo)>> = HashMap::new();
    for (number, line) in BufReader::new(file.take(LARGEST)).split(b'\n').enumerate() {
        match serde_json::from_slice(&line?) {
            Ok(LedgerEntry::Run { run, keep }) => {
                found.run = Some(run);
                found.keep = keep;
            }
            Ok(LedgerEntry::Open { fault, undo }) => open.entry(fault).or_default().push((number, undo)),
            Ok(LedgerEntry::Done { fault }) => drop(open.remove(&fault)),
            Ok(LedgerEntry::Closed) => found.closed = true,
            Err(_) => {}
        }
    }
    let undos = open.into_iter().flat_map(|(fault, undos)| undos.into_iter().map(move |undo| (fault.clone(), undo)));
    let mut undos: Vec<_> = undos.collect();
    undos.sort_by_key(|(_, (number, _))| std::cmp::Reverse(*number));
    found.outstanding = undos.into_iter().map(|(fault, (_, undo))| (fault, undo)).collect();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn undo(fault: &str) -> Undo {
        Undo::Agent { agent: "fd-agent".into(), fault: fault.into() }
    }

    #[test]
    fn what_was_opened_and_not_done_is_outstanding_last_first() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ledger.jsonl");
        let ledger = Ledger::create(&path, "run-1", true).unwrap();
        for fault in ["a", "b", "c"] {
            ledger.open(fault, &undo(fault)).unwrap();
        }
        ledger.done("b").unwrap();
        let expected = vec![("c".to_string(), undo("c")), ("a".to_string(), undo("a"))];
        assert_eq!(ledger.outstanding(), expected);
        let found = read(&path).unwrap();
        assert_eq!(
            found,
            LedgerContent { run: Some("run-1".into()), keep: true, outstanding: expected, closed: false }
        );
        ledger.close().unwrap();
        assert!(read(&path).unwrap().closed);
    }

    #[test]
    fn a_torn_last_line_is_passed_over() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ledger.jsonl");
        let ledger = Ledger::create(&path, "run-1", false).unwrap();
        ledger.open("a", &undo("a")).unwrap();
        let mut text = std::fs::read(&path).unwrap();
        text.extend_from_slice(b"{\"entry\":\"open\",\"fau");
        std::fs::write(&path, text).unwrap();
        assert_eq!(read(&path).unwrap().outstanding.len(), 1);
    }

    #[test]
    fn a_ledger_that_no_drill_has_written_is_not_read() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ledger.jsonl");
        // Sparse: it takes no room.
        File::create(&path).unwrap().set_len(LARGEST + 1).unwrap();
        assert_eq!(read(&path).unwrap_err().kind(), io::ErrorKind::InvalidData);
        std::fs::rename(&path, dir.path().join("elsewhere")).unwrap();
        std::os::unix::fs::symlink(dir.path().join("elsewhere"), &path).unwrap();
        assert_eq!(read(&path).unwrap_err().kind(), io::ErrorKind::InvalidInput);
    }

    #[test]
    fn what_a_release_sets_can_be_asked_for_and_is_on_no_disk() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ledger.jsonl");
        let ledger = Ledger::create(&path, "run-1", false).unwrap();
        let marks = [("environment.PIN".to_string(), "0f1e2d3c".to_string())].into();
        let undo = Undo::Release { service: "web".into(), marks };
        ledger.open("deploy", &undo).unwrap();
        assert_eq!(ledger.outstanding(), [("deploy".to_string(), undo)]);
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(!text.contains("0f1e2d3c"), "{text}");
        let known = Undo::Release { service: "web".into(), marks: Default::default() };
        assert_eq!(read(&path).unwrap().outstanding, [("deploy".to_string(), known)]);
        // Older ones had them.
        let older = text.replace("\"service\":\"web\"", "\"service\":\"web\",\"marks\":{\"image\":\"00\"}");
        assert_ne!(older, text);
        std::fs::write(&path, older).unwrap();
        assert_eq!(read(&path).unwrap().outstanding.len(), 1);
    }

    #[test]
    fn a_second_ledger_for_the_same_run_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ledger.jsonl");
        let _first = Ledger::create(&path, "run-1", false).unwrap();
        assert!(Ledger::create(&path, "run-1", false).is_err());
    }
}
