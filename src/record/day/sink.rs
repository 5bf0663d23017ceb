//! Where the events of a game day go: stamped, appended to `gameday.jsonl` before anyone else sees them, then handed to the
//! observers. Counterpart of `EventSink`.

use super::super::micros;
use super::super::stream::write_line;
use super::{Day, DayEvent, DayStamped};
use crate::locked;
use std::fs::File;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// A reader of the stream of a game day's events.
pub trait DayObserver: Send {
    /// Takes note of one event; `day` has taken it into account already.
    fn on_day_event(&mut self, event: &DayStamped, day: &Day);
}

/// Takes the events of a game day. Clones write to the same stream.
#[derive(Clone)]
pub struct DaySink {
    started: Instant,
    inner: Arc<Mutex<DaySinkState>>,
}

struct DaySinkState {
    file: Option<File>,
    failed: Option<String>,
    day: Day,
    observers: Vec<Box<dyn DayObserver>>,
}

impl DaySink {
    /// A sink that starts the game day's clock now. `file` is `gameday.jsonl`, opened for appending.
    pub fn new(file: Option<File>, observers: Vec<Box<dyn DayObserver>>) -> DaySink {
        let inner = DaySinkState { file, failed: None, day: Day::default(), observers };
        DaySink { started: Instant::now(), inner: Arc::new(Mutex::new(inner)) }
    }

    /// How long the game day has been under way.
    pub fn now(&self) -> Duration {
        self.started.elapsed()
    }

    /// Stamps an event, writes it to disk and shows it to the observers.
    pub fn emit(&self, event: DayEvent) {
        let mut guard = locked(&self.inner);
        let inner = &mut *guard;
        let stamped = DayStamped { at_us: micros(self.now()), event };
        let written = inner.file.as_mut().map_or(Ok(()), |file| write_line(file, &stamped));
        if let Err(error) = written {
            inner.failed.get_or_insert(error.to_string());
        }
        inner.day.apply(&stamped);
        for observer in &mut inner.observers {
            observer.on_day_event(&stamped, &inner.day);
        }
    }

    /// What it adds up to so far.
    pub fn day(&self) -> Day {
        locked(&self.inner).day.clone()
    }

    /// The first error of writing `gameday.jsonl`, if there was one.
    pub fn write_error(&self) -> Option<String> {
        locked(&self.inner).failed.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Count(Arc<Mutex<Vec<usize>>>);

    impl DayObserver for Count {
        fn on_day_event(&mut self, _event: &DayStamped, day: &Day) {
            self.0.lock().unwrap().push(day.notes.len());
        }
    }

    #[test]
    fn an_event_is_on_disk_and_counted_before_it_is_shown() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("gameday.jsonl");
        let seen = Arc::new(Mutex::new(Vec::new()));
        let sink = DaySink::new(Some(File::create(&path).unwrap()), vec![Box::new(Count(seen.clone()))]);
        sink.emit(DayEvent::DayNote { text: "a".into() });
        sink.clone().emit(DayEvent::DayNote { text: "b".into() });
        assert_eq!(*seen.lock().unwrap(), [1, 2]);
        let read = Day::from_events(std::fs::read(&path).unwrap().as_slice());
        assert_eq!(read, sink.day());
        assert_eq!((read.notes.as_slice(), sink.write_error()), (["a".to_string(), "b".to_string()].as_slice(), None));
    }

    #[test]
    fn what_cannot_be_written_is_kept_in_mind() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("gameday.jsonl");
        File::create(&path).unwrap();
        let sink = DaySink::new(Some(File::open(&path).unwrap()), Vec::new());
        sink.emit(DayEvent::DayEnded);
        assert!(sink.write_error().is_some() && sink.day().ended);
    }
}
