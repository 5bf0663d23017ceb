//! What a drill told, for assertions: the record, the log, and the files on disk.

use super::log::{Entry, Happening, Log};
use firedrill::record::{Check, CheckOutcome, Event, FaultEvent, Record, RunDir, StepStatus, Verdict};
use std::fs;
use std::path::Path;
use tempfile::TempDir;
use tokio::time::error::Elapsed;

/// What a drill told.
pub struct Told {
    /// What the engine returned.
    pub outcome: Box<Record>,
    /// The record as it was kept while the drill ran.
    pub record: Record,
    /// Events and happenings in one order.
    pub entries: Vec<Entry>,
    /// The run directory.
    pub run_dir: RunDir,
    dir: TempDir,
}

impl Told {
    /// Takes what a drill left; one that hung is shown and fails the test.
    pub fn new(outcome: Result<Record, Elapsed>, log: &Log, run_dir: RunDir, dir: TempDir) -> Told {
        let entries = log.entries();
        let Ok(outcome) = outcome else { panic!("the engine hangs:\n{}", story(&entries)) };
        Told { outcome: Box::new(outcome), record: log.record(), entries, run_dir, dir }
    }

    /// Asserts the verdict, and that each of these texts is in its reason.
    #[track_caller]
    pub fn verdict(&self, verdict: Verdict, reasons: &[&str]) -> &Told {
        assert_eq!(self.record.verdict, verdict, "{}\n{}", self.record.reason, self.story());
        for reason in reasons {
            assert!(self.record.reason.contains(reason), "{reason:?} is not in {:?}", self.record.reason);
        }
        self
    }

    /// Asserts where in the user's files the verdict points: the line of `file` that holds this text.
    #[track_caller]
    pub fn at(&self, file: &str, text: &str) -> &Told {
        let at = self.record.at.as_ref().unwrap_or_else(|| panic!("the verdict has no place\n{}", self.story()));
        assert_eq!((Path::new(&at.path).file_name(), at.line), (Some(file.as_ref()), self.line(file, text)));
        self
    }

    /// Asserts that a check passed.
    #[track_caller]
    pub fn passed(&self, check: Check) -> &Told {
        let outcome = self.check(&check);
        assert!(matches!(outcome, Some(CheckOutcome::Passed { .. })), "{check:?}: {outcome:?}\n{}", self.story());
        self
    }

    /// Asserts that a check failed: an assertion, not the harness.
    #[track_caller]
    pub fn failed(&self, check: Check) -> &Told {
        let outcome = self.check(&check);
        assert!(matches!(outcome, Some(CheckOutcome::Failed { .. })), "{check:?}: {outcome:?}\n{}", self.story());
        self
    }

    /// Asserts that a check could not be told because the harness broke.
    #[track_caller]
    pub fn error(&self, check: Check) -> &Told {
        let outcome = self.check(&check);
        assert!(matches!(outcome, Some(CheckOutcome::Error { .. })), "{check:?}: {outcome:?}\n{}", self.story());
        self
    }

    /// Asserts that a check was never decided.
    #[track_caller]
    pub fn not_reached(&self, check: Check) -> &Told {
        assert_eq!(self.check(&check), None, "{}", self.story());
        self
    }

    /// Asserts how a step ended.
    #[track_caller]
    pub fn step(&self, step: &str, status: StepStatus) -> &Told {
        let ended = self.events().filter_map(|event| match event {
            Event::StepEnded { step: id, status, .. } if id.contains(step) => Some(*status),
            _ => None,
        });
        let ended = ended.last();
        assert_eq!(ended, Some(status), "{step}\n{}", self.story());
        self
    }

    /// Id of the announced step that has this in its id.
    #[track_caller]
    pub fn step_id(&self, part: &str) -> String {
        let plan = self.record.plan.as_ref().expect("an announcement");
        let step = plan.steps.iter().find(|step| step.id.contains(part));
        step.unwrap_or_else(|| panic!("no step {part:?} in {:?}", plan.steps)).id.clone()
    }

    /// How a check came out at last.
    pub fn check(&self, check: &Check) -> Option<&CheckOutcome> {
        self.record.check(check).map(|result| &result.outcome)
    }

    /// Every event.
    pub fn events(&self) -> impl Iterator<Item = &Event> {
        self.entries.iter().filter_map(Entry::event)
    }

    /// Everything that was done to the world.
    pub fn happenings(&self) -> impl Iterator<Item = &Happening> {
        self.entries.iter().filter_map(Entry::done)
    }

    /// What happened to a fault, in order.
    pub fn life(&self, fault: &str) -> Vec<FaultEvent> {
        let mine = self.events().filter_map(|event| match event {
            Event::Fault { fault: id, what, .. } if id == fault => Some(*what),
            _ => None,
        });
        mine.collect()
    }

    /// The commands that reached the shell, in order.
    pub fn commands(&self) -> Vec<&str> {
        let ran = self.happenings().filter_map(|happening| match happening {
            Happening::Ran { text } => Some(text.as_str()),
            _ => None,
        });
        ran.collect()
    }

    /// The faults that were told to end, in order.
    pub fn lifted(&self) -> Vec<&str> {
        let lifted = self.happenings().filter_map(|happening| match happening {
            Happening::Lifted { fault } => Some(fault.as_str()),
            _ => None,
        });
        lifted.collect()
    }

    /// The place in the log of the first entry like this.
    #[track_caller]
    pub fn position(&self, what: &str, is: impl Fn(&Entry) -> bool) -> usize {
        self.entries.iter().position(is).unwrap_or_else(|| panic!("{what} is not in the log\n{}", self.story()))
    }

    /// The line of a file, from 1, that holds this text first.
    #[track_caller]
    pub fn line(&self, file: &str, text: &str) -> usize {
        let content = fs::read_to_string(self.dir.path().join(file)).expect("a file of the drill");
        let line = content.lines().position(|line| line.contains(text));
        line.unwrap_or_else(|| panic!("{text:?} is not in {file}")) + 1
    }

    /// The log as text, without the slices.
    pub fn story(&self) -> String {
        story(&self.entries)
    }
}

fn story(entries: &[Entry]) -> String {
    let lines = entries.iter().filter_map(|entry| match entry {
        Entry::Said(stamped) => match &stamped.event {
            Event::Slice(_) | Event::Announced(_) => None,
            event => Some(format!("{:>9.3} {event:?}\n", stamped.at_us.0 as f64 / 1e6)),
        },
        Entry::Done(happening) => Some(format!("          {happening:?}\n")),
    });
    lines.collect()
}
