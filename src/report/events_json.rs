//! `--format json`: every event as a line of JSON, as it happens, for programs that follow a drill or a game day.

use crate::output::{json, pipe};
use crate::record::Observer;
use serde::Serialize;
use std::io::Write;

/// Writes each event as one line, flushed, so that a reader at the other end of a pipe is never behind.
pub struct EventsJson<W: Write + Send> {
    out: W,
    failed: bool,
}

impl EventsJson<std::io::Stdout> {
    /// Writes to standard output.
    pub fn printed() -> Self {
        EventsJson::new(pipe::stdout())
    }
}

impl<W: Write + Send> EventsJson<W> {
    /// Writes to any writer.
    pub fn new(out: W) -> Self {
        EventsJson { out, failed: false }
    }
}

impl<W: Write + Send, E: Serialize> Observer<E> for EventsJson<W> {
    fn on_event(&mut self, event: &E) {
        // A reader that went away is no reason to stop a drill half-way; `events.jsonl` has it all.
        if self.failed {
            return;
        }
        let written = serde_json::to_string(event).map_err(std::io::Error::from).and_then(|line| {
            self.out.write_all(format!("{}\n", json(&line)).as_bytes())?;
            self.out.flush()
        });
        self.failed = written.is_err();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Record;
    use crate::record::testing::{Story, events_of, record_of};

    #[test]
    fn a_program_can_rebuild_the_record_from_it() {
        let mut lines = Vec::new();
        let mut observer = EventsJson::new(&mut lines);
        events_of(Story::Passed).iter().for_each(|event| observer.on_event(event));
        assert_eq!(Record::from_events(lines.as_slice()), record_of(Story::Passed));
    }

    #[test]
    fn a_reader_that_went_away_does_no_harm() {
        struct Gone(u32);
        impl Write for Gone {
            fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
                self.0 += 1;
                Err(std::io::ErrorKind::BrokenPipe.into())
            }
            fn flush(&mut self) -> std::io::Result<()> {
                Ok(())
            }
        }
        let mut observer = EventsJson::new(Gone(0));
        events_of(Story::Passed).iter().for_each(|event| observer.on_event(event));
        assert_eq!(observer.out.0, 1, "it is tried once and then left alone");
    }
}
