//! Ctrl-C and SIGTERM: the first one stops the drill and undoes everything, the second one goes straight to removal. And
//! `firedrill stop`, which does what the first one does.

use crate::engine::Shutdown;
use crate::error::{Error, Exit};
use crate::process;
use crate::record::take_stop;
use futures_util::future::select_all;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::task::AbortOnDropHandle;

/// How often it is looked whether somebody asked a run to stop.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// Whether something listens: then what a signal does is its business.
static LISTENING: AtomicBool = AtomicBool::new(false);

/// Until something listens, Ctrl-C and SIGTERM end this process, and with it every program that it has started: they have process
/// groups of their own, so the terminal does not end them.
pub fn end_on_signals() {
    let Ok(mut signals) = listeners(&[SignalKind::interrupt(), SignalKind::terminate()]) else { return };
    tokio::spawn(async move {
        next(&mut signals).await;
        if !LISTENING.load(Ordering::SeqCst) {
            process::kill_all();
            std::process::exit(i32::from(Exit::Interrupted.code()));
        }
    });
}

/// Listens from now on; the tokens of the result are cancelled as signals come.
pub fn listen() -> Result<Shutdown, Error> {
    let signals = listeners(&[SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()]);
    let signals = signals.map_err(|error| Error::harness(format!("signals cannot be received: {error}")))?;
    LISTENING.store(true, Ordering::SeqCst);
    let shutdown = Shutdown::default();
    tokio::spawn(forward(signals, shutdown.clone()));
    Ok(shutdown)
}

/// Stops a run when somebody asks for that from another terminal; until the handle is dropped.
pub fn stop_when_asked(run: &Path, shutdown: &Shutdown) -> AbortOnDropHandle<()> {
    let (run, shutdown) = (run.to_path_buf(), shutdown.clone());
    AbortOnDropHandle::new(tokio::spawn(async move {
        let asked = loop {
            match take_stop(&run) {
                Some(asked) => break asked,
                None => tokio::time::sleep(LOOK_EVERY).await,
            }
        };
        shutdown.stop(&format!("stopped by {} with `firedrill stop`", asked.by));
    }))
}

fn listeners(kinds: &[SignalKind]) -> io::Result<Vec<Signal>> {
    kinds.iter().map(|kind| signal(*kind)).collect()
}

/// The next of any of them.
async fn next(signals: &mut [Signal]) {
    select_all(signals.iter_mut().map(|signal| Box::pin(signal.recv()))).await;
}

/// Further signals have nothing left to hurry, and are caught all the same: the removal under way must not be cut off by them.
async fn forward(mut signals: Vec<Signal>, shutdown: Shutdown) {
    for token in [shutdown.cancel, shutdown.hurry] {
        next(&mut signals).await;
        token.cancel();
    }
}
