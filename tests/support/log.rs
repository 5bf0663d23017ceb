//! One order over what the engine said (events) and what was done to the fake world, so that tests can assert what came
//! before what; and triggers that let a test act at an exact point of that order.

use firedrill::engine::Shutdown;
use firedrill::record::{Event, Observer, Phase, Record, Stamped};
use firedrill::stack::{ContainerOp, Place};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::world::World;
use tokio_util::sync::CancellationToken;

/// Something that was done to the fake world.
#[derive(Debug, Clone, PartialEq)]
pub enum Happening {
    /// `Stack::up` was called.
    Up,
    /// An agent was connected.
    Connected { agent: String },
    /// A fault was asked of an agent or a container; `ledger` is the ledger file at that instant.
    Injected { fault: String, ledger: String },
    /// A fault was asked to be another one, in place.
    Changed { fault: String, message: serde_json::Value },
    /// A fault was asked whether it is in place.
    Asked { fault: String },
    /// A fault was told to end.
    Lifted { fault: String },
    /// Something was done to a container; `ledger` is the ledger file at that instant.
    Operated { container: String, op: ContainerOp, ledger: String },
    /// A session was opened.
    Opened { place: Place },
    /// Variables were set in a session.
    Set { vars: Vec<(String, String)> },
    /// Variables were taken out of a session.
    Unset { names: Vec<String> },
    /// A command reached the shell.
    Ran { text: String },
    /// A command was killed before it ended by itself.
    Killed { text: String },
    /// The runner's end of an agent's channel is gone; the agent lifted these faults.
    Released { agent: String, faults: Vec<String> },
    /// `Stack::save_logs` was called.
    LogsSaved,
    /// `Stack::down` was called.
    Down,
}

/// An entry of the log.
#[derive(Debug, Clone, PartialEq)]
pub enum Entry {
    /// The engine said it.
    Said(Stamped),
    /// It was done to the world.
    Done(Happening),
}

impl Entry {
    /// The event, if the engine said this.
    pub fn event(&self) -> Option<&Event> {
        match self {
            Entry::Said(stamped) => Some(&stamped.event),
            Entry::Done(_) => None,
        }
    }

    /// What was done, if it was done to the world.
    pub fn done(&self) -> Option<&Happening> {
        match self {
            Entry::Said(_) => None,
            Entry::Done(happening) => Some(happening),
        }
    }
}

/// What a trigger can do.
pub struct Controls {
    /// The world.
    pub world: Arc<World>,
    /// The signals.
    pub shutdown: Shutdown,
    /// Ends the runner at once, as SIGKILL does.
    pub kill: CancellationToken,
}

/// Whether an entry is the awaited one.
pub type When = Box<dyn Fn(&Entry) -> bool + Send>;
/// What to do then.
pub type Act = Box<dyn Fn(&Controls) + Send>;

/// A phase began.
pub fn begins(phase: Phase) -> When {
    Box::new(move |entry| matches!(entry.event(), Some(Event::PhaseStarted { phase: begun }) if *begun == phase))
}

/// A command reached the shell.
pub fn runs(text: &'static str) -> When {
    Box::new(move |entry| matches!(entry.done(), Some(Happening::Ran { text: ran }) if ran == text))
}

/// A fault was asked for.
pub fn injects(fault: &'static str) -> When {
    Box::new(move |entry| matches!(entry.done(), Some(Happening::Injected { fault: id, .. }) if id == fault))
}

/// A fault was told to end.
pub fn lifts(fault: &'static str) -> When {
    Box::new(move |entry| matches!(entry.done(), Some(Happening::Lifted { fault: id }) if id == fault))
}

/// The stack is being removed.
pub fn removes() -> When {
    Box::new(|entry| entry.done() == Some(&Happening::Down))
}

/// The log of one drill, with the record that the events add up to. Cheap to clone.
#[derive(Clone, Default)]
pub struct Log {
    inner: Arc<Mutex<Inner>>,
}

#[derive(Default)]
struct Inner {
    entries: Vec<Entry>,
    record: Record,
    triggers: Vec<(When, Act)>,
    controls: Option<Controls>,
}

impl Log {
    /// Arms triggers; each fires once.
    pub fn arm(&self, triggers: Vec<(When, Act)>, controls: Controls) {
        let mut inner = self.lock();
        inner.triggers = triggers;
        inner.controls = Some(controls);
    }

    /// Appends what was done to the world.
    pub fn done(&self, happening: Happening) {
        self.push(Entry::Done(happening));
    }

    /// Everything so far.
    pub fn entries(&self) -> Vec<Entry> {
        self.lock().entries.clone()
    }

    /// The record as it was kept while the drill ran.
    pub fn record(&self) -> Record {
        self.lock().record.clone()
    }

    /// Lets go of the world, which holds this log.
    pub fn disarm(&self) {
        let mut inner = self.lock();
        inner.triggers.clear();
        inner.controls = None;
    }

    fn push(&self, entry: Entry) {
        let mut inner = self.lock();
        let inner = &mut *inner;
        if let Entry::Said(stamped) = &entry {
            inner.record.apply(stamped);
        }
        let controls = inner.controls.as_ref();
        inner.triggers.retain(|(when, act)| {
            let fires = when(&entry);
            if let (true, Some(controls)) = (fires, controls) {
                act(controls);
            }
            !fires
        });
        inner.entries.push(entry);
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Observer for Log {
    fn on_event(&mut self, event: &Stamped) {
        self.push(Entry::Said(event.clone()));
    }
}
