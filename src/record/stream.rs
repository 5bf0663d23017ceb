//! The stream of a drill's events and its readers: where events go (stamped, cleaned of secrets, appended to `events.jsonl` and
//! flushed before anyone else sees them), the record that is kept meanwhile, and a record made again from the file: a killed run
//! still has its story, and whoever cleans up after it completes that.

use super::private::LARGEST;
use super::{DrillTime, Event, Phase, Record, Redactor, Secrets, Stamped, micros, open_plain, utc_now};
use crate::locked;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// A reader of the stream of events of a drill, or of a game day.
pub trait Observer<E = Stamped>: Send {
    /// Takes note of one event.
    fn on_event(&mut self, event: &E);
}

impl<E, F: FnMut(&E) + Send> Observer<E> for F {
    fn on_event(&mut self, event: &E) {
        self(event);
    }
}

/// Where events go: a file, and the observers.
pub(super) struct StoryOut<E> {
    pub(super) file: Option<File>,
    /// The first error of writing the file.
    pub(super) failed: Option<String>,
    pub(super) observers: Vec<Box<dyn Observer<E>>>,
}

impl<E: Serialize> StoryOut<E> {
    /// Writes an event to disk and shows it to the observers.
    pub(super) fn tell(&mut self, event: &E) {
        let written = self.file.as_mut().map_or(Ok(()), |file| write_line(file, event));
        if let Err(error) = written {
            self.failed.get_or_insert(error.to_string());
        }
        self.observers.iter_mut().for_each(|observer| observer.on_event(event));
    }
}

/// Hands out drill time and takes events. Cheap to clone; every clone writes to the same stream.
#[derive(Clone)]
pub struct EventSink {
    started: Instant,
    /// The secrets that are hidden, also for who writes beside the stream: it knows those that are still to come as well.
    pub secrets: Secrets,
    /// What the events add up to so far, and where they go.
    inner: Arc<Mutex<(Record, StoryOut<Stamped>)>>,
}

impl EventSink {
    /// A sink that starts the drill's clock now. `file` is `events.jsonl`, opened for appending.
    pub fn new(file: Option<File>, redactor: Redactor, observers: Vec<Box<dyn Observer>>) -> Self {
        let out = StoryOut { file, failed: None, observers };
        let inner = Arc::new(Mutex::new((Record::default(), out)));
        EventSink { started: Instant::now(), secrets: Secrets::new(redactor), inner }
    }

    /// Now, in drill time.
    pub fn now(&self) -> DrillTime {
        DrillTime(micros(self.started.elapsed()))
    }

    /// Stamps an event, writes it to disk and shows it to the observers. Nothing is taken after [`Event::Ended`]: what an agent tells while
    /// its task is being stopped would change a story that others read already, or a run that is sealed.
    pub fn emit(&self, event: Event) {
        self.emit_at(event);
    }

    /// [`EventSink::emit`], which returns the time of the event.
    pub fn emit_at(&self, event: Event) -> DrillTime {
        let (record, out) = &mut *locked(&self.inner);
        if record.ended {
            return self.now();
        }
        let event = self.secrets.redactor().event(event);
        let stamped = Stamped { seq: record.next_seq, at_us: self.now(), event };
        record.apply(&stamped);
        out.tell(&stamped);
        stamped.at_us
    }

    /// Looks at the record so far. No event comes meanwhile.
    pub fn read<T>(&self, look: impl FnOnce(&Record) -> T) -> T {
        look(&locked(&self.inner).0)
    }

    /// Ends the phase that runs, if one does, and begins the next one; returns when.
    pub fn begin(&self, phase: Phase) -> DrillTime {
        self.end_phase();
        self.emit_at(Event::PhaseStarted { phase })
    }

    /// Ends the phase that runs, if one does.
    pub fn end_phase(&self) {
        if let Some(phase) = self.phase() {
            self.emit(Event::PhaseEnded { phase });
        }
    }

    /// The phase that runs.
    pub fn phase(&self) -> Option<Phase> {
        self.read(|record| record.phases.last().filter(|last| last.ended_us.is_none()).map(|last| last.phase))
    }

    /// Says something that people should know, and that decides nothing.
    pub fn note(&self, text: impl Into<String>) {
        self.emit(Event::Note { text: text.into() });
    }

    /// The first error of writing `events.jsonl`, if there was one: a drill whose story is not on disk is a
    /// `harness_error`.
    pub fn write_error(&self) -> Option<String> {
        locked(&self.inner).1.failed.clone()
    }
}

impl Record {
    /// Rebuilds a record from events, one JSON object a line. Lines that cannot be read are left out and said so in
    /// `damage`; a reader that fails ends the story there.
    pub fn from_events(reader: impl BufRead) -> Record {
        add_up(reader, Record::apply, |record, damage| record.damage.push(damage))
    }
}

/// What the lines of a story add up to: each that can be read is applied, of the others it is said what is wrong with them.
pub(super) fn add_up<T: Default, L: DeserializeOwned>(
    reader: impl BufRead,
    apply: fn(&mut T, &L),
    damaged: fn(&mut T, String),
) -> T {
    let mut sum = T::default();
    for line in read_lines(reader) {
        match line {
            Ok(line) => apply(&mut sum, &line),
            Err(damage) => damaged(&mut sum, damage),
        }
    }
    sum
}

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
        let mut last = *b"\n";
        // Of an empty file there is no last byte.
        if file.seek(SeekFrom::End(-1)).is_ok() {
            file.read_exact(&mut last)?;
        }
        if last != *b"\n" {
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
        since.map_or(self.record.last_us, |d| DrillTime(micros(d)).max(self.record.last_us))
    }
}

/// Appends a value as a line of its own, by one write.
///
/// # Errors
/// Those of the file system.
pub fn write_line(file: &mut impl Write, value: &impl Serialize) -> io::Result<()> {
    let mut line = serde_json::to_vec(value)?;
    line.push(b'\n');
    file.write_all(&line)
}

/// Reads the next line in the place of the last one; returns how many bytes it has, 0 at the end of the file.
///
/// # Errors
/// Those of the reader, and `InvalidData` for a line of more than 256 MiB.
pub fn read_line(reader: &mut impl BufRead, line: &mut Vec<u8>) -> io::Result<usize> {
    line.clear();
    let read = reader.take(LARGEST + 1).read_until(b'\n', line)?;
    match read as u64 > LARGEST {
        true => Err(io::Error::new(io::ErrorKind::InvalidData, format!("it is longer than {} MiB", LARGEST >> 20))),
        false => Ok(read),
    }
}

/// The values of all lines; an error says in words which line cannot be read. Empty lines are left out, and a reader that fails
/// ends the file there.
pub fn read_lines<T: DeserializeOwned>(mut reader: impl BufRead) -> impl Iterator<Item = Result<T, String>> {
    let (mut line, mut number, mut failed) = (Vec::new(), 0_u64, false);
    std::iter::from_fn(move || {
        while !failed {
            number += 1;
            match read_line(&mut reader, &mut line) {
                Ok(0) => return None,
                Ok(_) if line.trim_ascii().is_empty() => continue,
                Ok(_) => {}
                Err(error) => {
                    failed = true;
                    return Some(Err(format!("line {number} could not be read: {error}")));
                }
            }
            return Some(serde_json::from_slice(line.trim_ascii()).map_err(|error| match line.ends_with(b"\n") {
                false => format!("line {number} is torn: the run was cut off there"),
                true => format!("line {number} is no event: {error}"),
            }));
        }
        None
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Verdict;
    use crate::record::testing::{Story, events_of, lines_of, record_of};
    use proptest::prelude::*;

    #[test]
    fn a_clone_has_the_record_of_what_the_sink_was_told() {
        let sink = EventSink::new(None, Redactor::default(), Vec::new());
        let clone = sink.clone();
        sink.begin(Phase::Up);
        sink.note("the agent came back");
        assert_eq!(clone.read(|record| record.notes[0].text.clone()), "the agent came back");
        clone.begin(Phase::Steady);
        clone.end_phase();
        clone.end_phase();
        let record = sink.read(Record::clone);
        let phases: Vec<_> = record.phases.iter().map(|phase| (phase.phase, phase.ended_us.is_some())).collect();
        assert_eq!((phases.as_slice(), record.next_seq), ([(Phase::Up, true), (Phase::Steady, true)].as_slice(), 5));
        assert!(record.damage.is_empty(), "{:?}", record.damage);
    }

    #[test]
    fn what_comes_after_the_end_is_not_taken() {
        let sink = EventSink::new(None, Redactor::default(), Vec::new());
        sink.emit(Event::Ended { left: Vec::new(), kept: false });
        let at_the_end = sink.read(Record::clone);
        sink.note("late");
        assert_eq!(sink.read(Record::clone), at_the_end);
    }

    #[test]
    fn a_record_can_be_made_again_from_its_events() {
        for story in Story::ALL {
            let record = Record::from_events(lines_of(&events_of(story)).as_slice());
            assert_eq!(record, record_of(story), "{story:?}");
            assert!(record.damage.is_empty());
        }
    }

    #[test]
    fn a_torn_last_line_is_left_out() {
        let events = events_of(Story::Passed);
        let mut lines = lines_of(&events);
        lines.truncate(lines.len() - 12);
        let record = Record::from_events(lines.as_slice());
        assert!(!record.ended);
        assert_eq!(record.next_seq, events.len() as u64 - 1);
        assert_eq!(record.damage, [format!("line {} is torn: the run was cut off there", events.len())]);
    }

    #[test]
    fn a_line_of_rubbish_is_left_out_and_said_so() {
        let events = events_of(Story::Passed);
        let mut lines = b"{\"seq\":0,\"at_us\":0,\"event\":{\"type\":\"of the future\"}}\n\xff\xfe\n\n".to_vec();
        lines.extend(lines_of(&events));
        let record = Record::from_events(lines.as_slice());
        assert_eq!(record.damage.len(), 2);
        assert!(record.damage[0].contains("of the future"), "{:?}", record.damage);
        assert!(record.passed());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn a_story_cut_anywhere_is_a_record_and_never_a_pass(cut in 0.0..1.0_f64) {
            let lines = lines_of(&events_of(Story::Passed));
            let end = (lines.len() as f64 * cut) as usize;
            let record = Record::from_events(&lines[..end]);
            prop_assert!(!record.passed());
        }
    }

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
