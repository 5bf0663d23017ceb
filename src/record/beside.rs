//! What stands beside the directory of a run and not in it: notes of people, and what was sent about it. A sealed run is never
//! changed.
//!
//! ```text
//! .firedrill/runs/
//!   20261120T064112Z-db-pool-3f9a/               the run
//!   20261120T064112Z-db-pool-3f9a.notes.jsonl    what people wrote down, while it ran or later
//!   20261120T064112Z-db-pool-3f9a.sent.jsonl     what `--notify` sent, and what became of it
//!   20261120T064112Z-db-pool-3f9a.stop.jsonl     that it is to stop, until it has seen that
//! ```

use super::private::{open_plain, read_file};
use super::stream::{read_lines, write_line};
use super::{Event, EventSink, Record};
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

/// Longest text of a note, in characters.
const LONGEST: usize = 4_000;

/// A note beside a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BesideNote {
    /// When it was written, RFC 3339 in UTC.
    pub at_utc: String,
    /// Who wrote it.
    pub by: String,
    /// The text.
    pub text: String,
}

/// The file beside a run with this ending: `notes`, `sent`.
pub fn beside_run(run: &Path, ending: &str) -> PathBuf {
    let mut name = run.file_name().unwrap_or_default().to_os_string();
    name.push(format!(".{ending}.jsonl"));
    run.with_file_name(name)
}

/// Appends a line to a file beside a run.
///
/// # Errors
/// Those of the file system.
pub fn append_beside(run: &Path, ending: &str, line: &impl Serialize) -> io::Result<()> {
    // One write: two who note at the same instant do not mix their lines.
    write_line(&mut open_plain(&beside_run(run, ending), File::options().append(true).create(true))?, line)
}

/// The ending of the file with which somebody asks that a run stops (`firedrill stop`).
pub const STOP: &str = "stop";

/// Who asked that a run stops, if somebody did. The file goes: it is for the run, and no part of its story.
pub fn take_stop(run: &Path) -> Option<BesideNote> {
    let asked = lines_beside(run, STOP).into_iter().next()?;
    let _ = std::fs::remove_file(beside_run(run, STOP));
    Some(asked)
}

/// The notes beside a run, in the order in which they were written; a line that is none is left out.
pub fn notes_beside(run: &Path) -> Vec<BesideNote> {
    lines_beside(run, "notes")
}

fn lines_beside(run: &Path, ending: &str) -> Vec<BesideNote> {
    let bytes = read_file(beside_run(run, ending)).unwrap_or_default();
    let short = |note: BesideNote| BesideNote { text: note.text.chars().take(LONGEST).collect(), ..note };
    read_lines(bytes.as_slice()).filter_map(Result::ok).map(short).collect()
}

impl Record {
    /// The notes beside a run that are not in its record: they were written when it had ended.
    pub fn later_notes(&self, beside: Vec<BesideNote>) -> Vec<BesideNote> {
        // The drill took them in their order. Texts cannot be compared: in the record secrets are hidden.
        let taken = self.notes.iter().filter(|note| note.by.is_some()).count();
        beside.into_iter().skip(taken).collect()
    }
}

/// The notes that people write while a drill runs, taken into its story.
#[derive(Debug)]
pub struct NoteInbox {
    run: PathBuf,
    taken: AtomicUsize,
}

impl NoteInbox {
    /// The inbox of a run.
    pub fn new(run: &Path) -> NoteInbox {
        NoteInbox { run: run.to_path_buf(), taken: AtomicUsize::new(0) }
    }

    /// Makes events of the notes that are new.
    pub fn take(&self, sink: &EventSink) {
        let notes = notes_beside(&self.run);
        let taken = self.taken.swap(notes.len(), Ordering::Relaxed);
        for BesideNote { by, text, .. } in notes.into_iter().skip(taken) {
            sink.emit(Event::Noted { by, text });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Redactor;

    #[test]
    fn notes_come_into_the_story_once_and_later_ones_stay_beside_it() {
        let dir = tempfile::tempdir().unwrap();
        let run = dir.path().join("20261120T064112Z-x-0001");
        let note =
            |text: &str| BesideNote { at_utc: "2026-11-20T06:41:12Z".into(), by: "ada".into(), text: text.into() };
        let sink = EventSink::new(None, Redactor::default(), Vec::new());
        let inbox = NoteInbox::new(&run);
        inbox.take(&sink);
        append_beside(&run, "notes", &note("the lock")).unwrap();
        inbox.take(&sink);
        inbox.take(&sink);
        append_beside(&run, "notes", &note("after it")).unwrap();
        let record = sink.read(Record::clone);
        assert_eq!(record.notes.iter().map(|note| note.text.as_str()).collect::<Vec<_>>(), ["the lock"]);
        assert_eq!(record.later_notes(notes_beside(&run)), [note("after it")]);
        std::fs::write(beside_run(&run, "notes"), "no note\n{\"at_utc\": \"x\"").unwrap();
        assert_eq!(notes_beside(&run), []);
    }

    #[test]
    fn a_stop_is_taken_once_and_whole() {
        let dir = tempfile::tempdir().unwrap();
        let run = dir.path().join("20261120T064112Z-x-0001");
        assert_eq!(take_stop(&run), None);
        std::fs::write(beside_run(&run, STOP), "{\"at_utc\": \"x\"").unwrap();
        assert_eq!(take_stop(&run), None, "it is still being written");
        std::fs::remove_file(beside_run(&run, STOP)).unwrap();
        let asked = BesideNote { at_utc: "2026-11-20T06:41:12Z".into(), by: "ada".into(), text: "lunch".into() };
        append_beside(&run, STOP, &asked).unwrap();
        assert_eq!((take_stop(&run), take_stop(&run)), (Some(asked), None));
    }
}
