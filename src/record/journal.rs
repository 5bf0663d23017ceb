//! The events of a run that was cut off, opened again: whoever cleans up after a killed runner completes its story.

use super::lines::write_line;
use super::{DrillTime, Event, Record, Stamped, open_plain, utc_now};
use std::fs::File;
use std::io::{self, BufReader, Seek, SeekFrom, Write};
use std::path::Path;
use std::time::Duration;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// `events.jsonl` of an earlier runner, with the record that it adds up to.
#[derive(Debug)]
pub struct Journal {
    file: File,
    record: Record,
}

impl Journal {
    /// Opens the events, rebuilds the record, and ends a torn last line so that the next event has a line of its own.
    pub fn open(path: &Path) -> io::Result<Journal> {
        let mut file = open_plain(path, File::options().read(true).append(true))?;
        let record = Record::from_events(BufReader::new(&file));
        if file.seek(SeekFrom::End(0))? > 0 && !ends_in_newline(&mut file)? {
            file.write_all(b"\n")?;
        }
        Ok(Journal { file, record })
    }

    /// The record so far.
    pub fn record(&self) -> &Record {
        &self.record
    }

    /// Appends an event with the next number, at the drill time that it is now by the wall clock: the monotonic clock
    /// of the runner died with it.
    pub fn append(&mut self, event: Event) -> io::Result<()> {
        let stamped = Stamped { seq: self.record.next_seq, at_us: self.now(), event };
        write_line(&mut self.file, &stamped)?;
        self.record.apply(&stamped);
        Ok(())
    }

    /// Syncs the events to disk.
    pub fn sync(&self) -> io::Result<()> {
        self.file.sync_all()
    }

    /// Drill time by the wall clock, never before the last event.
    fn now(&self) -> DrillTime {
        let started = self.record.plan.as_ref().and_then(|p| OffsetDateTime::parse(&p.started_utc, &Rfc3339).ok());
        let since = started.and_then(|started| Duration::try_from(utc_now() - started).ok());
        since.map_or(self.record.last_us, |d| DrillTime::from_duration(d).max(self.record.last_us))
    }
}

fn ends_in_newline(file: &mut File) -> io::Result<bool> {
    use std::io::Read;
    file.seek(SeekFrom::End(-1))?;
    let mut last = [0_u8];
    file.read_exact(&mut last)?;
    Ok(last == *b"\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Verdict;
    use crate::record::testing::{Story, events_of, lines_of};

    #[test]
    fn a_killed_run_is_completed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("events.jsonl");
        let mut lines = lines_of(&events_of(Story::Killed));
        lines.extend_from_slice(b"{\"seq\":17,\"at_");
        std::fs::write(&path, &lines).unwrap();

        let mut journal = Journal::open(&path).unwrap();
        let under_way = journal.record().under_way().unwrap();
        assert!(under_way.starts_with("respond, step `mitigate/"), "{under_way}");
        let last = journal.record().last_us;
        let reason = format!("the runner was killed during {under_way}");
        journal.append(Event::Judged { verdict: Verdict::HarnessError, reason, at: None }).unwrap();
        journal.append(Event::Ended { left: vec![], kept: false }).unwrap();
        journal.sync().unwrap();
        assert!(journal.record().last_us >= last);

        let again = Record::from_events(std::fs::read(&path).unwrap().as_slice());
        assert_eq!(again.verdict, Verdict::HarnessError);
        assert!(again.ended && again.under_way().is_none());
        assert_eq!(again.damage.len(), 1, "only the torn line: {:?}", again.damage);
    }

    #[test]
    fn an_empty_file_has_no_story_and_can_get_one() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("events.jsonl");
        std::fs::write(&path, b"").unwrap();
        let mut journal = Journal::open(&path).unwrap();
        journal.append(Event::Note { text: "nothing had begun".into() }).unwrap();
        assert!(std::fs::read_to_string(&path).unwrap().starts_with("{\"seq\":0,\"at_us\":0,"));
    }
}
