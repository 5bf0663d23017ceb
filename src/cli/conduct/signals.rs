//! Ctrl-C and SIGTERM: the first one stops the drill and undoes everything, the second one goes straight to removal.

use crate::engine::Shutdown;
use crate::error::Error;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Listens from now on; the tokens of the result are cancelled as signals come.
pub fn listen() -> Result<Shutdown, Error> {
    let interrupt = listener(SignalKind::interrupt())?;
    let terminate = listener(SignalKind::terminate())?;
    let hangup = listener(SignalKind::hangup())?;
    let shutdown = Shutdown::default();
    tokio::spawn(forward([interrupt, terminate, hangup], shutdown.clone()));
    Ok(shutdown)
}

fn listener(kind: SignalKind) -> Result<Signal, Error> {
    signal(kind).map_err(|error| Error::harness(format!("signals cannot be received: {error}")))
}

async fn forward([mut interrupt, mut terminate, mut hangup]: [Signal; 3], shutdown: Shutdown) {
    for token in [shutdown.cancel, shutdown.hurry] {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hangup.recv() => {}
        }
        token.cancel();
    }
    // Further signals have nothing left to hurry; the removal under way must not be cut off by them.
    while interrupt.recv().await.is_some() {}
}
