//! The observer that keeps the record of the drill under way.

use super::{Observer, Record, Stamped};
use std::sync::{Arc, Mutex, PoisonError};

/// Applies every event to a record that others can look at meanwhile. Clones share the record.
#[derive(Debug, Clone, Default)]
pub struct RecordObserver {
    record: Arc<Mutex<Record>>,
}

impl RecordObserver {
    /// An observer with an empty record.
    pub fn new() -> Self {
        RecordObserver::default()
    }

    /// The record so far.
    pub fn record(&self) -> Record {
        self.read(Record::clone)
    }

    /// Looks at the record without copying it.
    pub fn read<T>(&self, look: impl FnOnce(&Record) -> T) -> T {
        look(&self.record.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Observer for RecordObserver {
    fn on_event(&mut self, event: &Stamped) {
        self.record.lock().unwrap_or_else(PoisonError::into_inner).apply(event);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Event, EventSink, Redactor};

    #[test]
    fn a_clone_sees_what_the_sink_was_told() {
        let watch = RecordObserver::new();
        let sink = EventSink::new(None, Redactor::default(), vec![Box::new(watch.clone())]);
        sink.emit(Event::Note { text: "the agent came back".into() });
        assert_eq!(watch.read(|r| r.notes.len()), 1);
        assert_eq!(watch.record().notes[0].text, "the agent came back");
    }
}
