//! What stands before the console while a person is asked: the live view is taken away, and lines wait until it is back.

use crate::output::Live;
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

/// The curtain of a console. Clones are the same one.
#[derive(Debug, Clone, Default)]
pub struct Curtain(Arc<Mutex<Held>>);

/// What is behind it.
#[derive(Debug, Default)]
pub(super) struct Held {
    /// Whether it is down.
    pub down: bool,
    /// Lines that came meanwhile.
    pub lines: Vec<String>,
    /// The live view.
    live: Option<Live>,
}

impl Curtain {
    /// Takes the live view away until what is returned is dropped.
    #[must_use]
    pub fn lower(&self) -> Lowered {
        let live = {
            // Whoever prints holds the lock: after this nobody does.
            let mut held = self.lock();
            held.down = true;
            held.live.clone()
        };
        let view = live.map(|live| {
            let ((raise, raised), (gone, is_gone)) = (channel::<()>(), channel());
            let away = std::thread::spawn(move || {
                live.suspend(|| {
                    let _ = gone.send(());
                    // Until the other end is dropped.
                    let _ = raised.recv();
                });
            });
            let _ = is_gone.recv();
            (raise, away)
        });
        Lowered { curtain: self.clone(), view }
    }

    /// Puts a live view behind it.
    pub(super) fn cover(&self, live: &Live) {
        self.lock().live = Some(live.clone());
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Held> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A curtain that is down.
#[derive(Debug)]
pub struct Lowered {
    curtain: Curtain,
    view: Option<(Sender<()>, JoinHandle<()>)>,
}

impl Drop for Lowered {
    fn drop(&mut self) {
        if let Some((raise, away)) = self.view.take() {
            drop(raise);
            let _ = away.join();
        }
        self.curtain.lock().down = false;
    }
}
