//! Where events go: stamped, cleaned of secrets, appended to `events.jsonl` and flushed before anyone else sees
//! them, then handed to the observers.

use super::lines::write_line;
use super::{DrillTime, Event, Redactor, Secret, Secrets, Stamped};
use std::fs::File;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

/// A reader of the stream of events.
pub trait Observer: Send {
    /// Takes note of one event.
    fn on_event(&mut self, event: &Stamped);
}

/// Hands out drill time and takes events. Cheap to clone; every clone writes to the same stream.
#[derive(Clone)]
pub struct EventSink {
    started: Instant,
    secrets: Secrets,
    inner: Arc<Mutex<SinkState>>,
}

struct SinkState {
    seq: u64,
    file: Option<File>,
    failed: Option<String>,
    observers: Vec<Box<dyn Observer>>,
}

impl EventSink {
    /// A sink that starts the drill's clock now. `file` is `events.jsonl`, opened for appending.
    pub fn new(file: Option<File>, redactor: Redactor, observers: Vec<Box<dyn Observer>>) -> Self {
        let inner = SinkState { seq: 0, file, failed: None, observers };
        EventSink { started: Instant::now(), secrets: Secrets::new(redactor), inner: Arc::new(Mutex::new(inner)) }
    }

    /// Now, in drill time.
    pub fn now(&self) -> DrillTime {
        DrillTime::from_duration(self.started.elapsed())
    }

    /// What takes secrets out.
    pub fn redactor(&self) -> Redactor {
        self.secrets.redactor()
    }

    /// The secrets that are hidden, for who writes beside the stream: it knows those that are still to come as well.
    pub fn secrets(&self) -> Secrets {
        self.secrets.clone()
    }

    /// From now on these values are hidden as well: what a runbook found out, or a person typed, while it was followed.
    pub fn hide(&self, secrets: impl IntoIterator<Item = impl Into<Secret>>) {
        self.secrets.hide(secrets);
    }

    /// Stamps an event, writes it to disk and shows it to the observers.
    pub fn emit(&self, event: Event) {
        self.emit_at(event);
    }

    /// The same, for who counts from the event on: returns its time.
    pub fn emit_at(&self, event: Event) -> DrillTime {
        let mut inner = self.lock();
        let event = self.secrets.redactor().event(event);
        let stamped = Stamped { seq: inner.seq, at_us: self.now(), event };
        inner.seq += 1;
        let written = inner.file.as_mut().map_or(Ok(()), |file| write_line(file, &stamped));
        if let Err(error) = written {
            inner.failed.get_or_insert(error.to_string());
        }
        for observer in &mut inner.observers {
            observer.on_event(&stamped);
        }
        stamped.at_us
    }

    /// The first error of writing `events.jsonl`, if there was one: a drill whose story is not on disk is a
    /// `harness_error`.
    pub fn write_error(&self) -> Option<String> {
        self.lock().failed.clone()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, SinkState> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
