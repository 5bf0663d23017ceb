//! A console that pauses while a person is asked: the live view is taken away, and lines wait until it is back.

use crate::locked;
use crate::output::Live;
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::JoinHandle;

/// Pauses a console. Clones pause the same one.
#[derive(Debug, Clone, Default)]
pub struct ConsolePause(Arc<Mutex<HeldLines>>);

/// What waits.
#[derive(Debug, Default)]
pub(super) struct HeldLines {
    /// Whether somebody is asked.
    pub paused: bool,
    /// Lines that came meanwhile.
    pub lines: Vec<String>,
    /// The live view.
    pub live: Option<Live>,
}

impl ConsolePause {
    /// Takes the live view away until what is returned is dropped.
    #[must_use]
    pub fn pause(&self) -> Paused {
        let live = {
            // Whoever prints holds the lock: after this nobody does.
            let mut held = self.lock();
            held.paused = true;
            held.live.clone()
        };
        let view = live.map(|live| {
            let ((resume, resumed), (gone, is_gone)) = (channel::<()>(), channel());
            let away = std::thread::spawn(move || {
                live.suspend(|| {
                    let _ = gone.send(());
                    // Until the other end is dropped.
                    let _ = resumed.recv();
                });
            });
            let _ = is_gone.recv();
            (resume, away)
        });
        Paused { pause: self.clone(), view }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, HeldLines> {
        locked(&self.0)
    }
}

/// A console that is paused until this is dropped.
#[derive(Debug)]
pub struct Paused {
    pause: ConsolePause,
    view: Option<(Sender<()>, JoinHandle<()>)>,
}

impl Drop for Paused {
    fn drop(&mut self) {
        if let Some((resume, away)) = self.view.take() {
            drop(resume);
            let _ = away.join();
        }
        self.pause.lock().paused = false;
    }
}
