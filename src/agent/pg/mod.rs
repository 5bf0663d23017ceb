//! What an agent does to a database as a fault, mostly by sessions that it holds: one file per kind.

mod admin;
mod change;
mod connections;
mod lock;
mod session;

use super::protocol::{Answer, Message, PgHold};
use change::Change;
use connections::Connections;
use lock::Lock;
use tokio::sync::mpsc::UnboundedSender;

/// Sessions that are held in a database. Dropping it closes its connections, too: a server process ends its
/// transaction when its client is gone.
#[derive(Debug)]
pub enum PgHeld {
    /// A lock.
    Lock(Box<Lock>),
    /// The server's connection slots.
    Connections(Box<Connections>),
    /// A change by SQL, which needs no session to last.
    Change(Box<Change>),
}

/// Opens the sessions and begins to take what they hold; returns without waiting for it to be taken (the runner
/// polls `confirm`); a change was committed by then. `fault` is the fault's id, for names and notes; `notes` takes `Message::Note`. It is cancelled by
/// being dropped, after which nothing is held any more.
pub async fn hold(fault: &str, hold: PgHold, notes: UnboundedSender<Message>) -> Result<PgHeld, String> {
    match hold {
        PgHold::Lock { .. } => Ok(PgHeld::Lock(Box::new(Lock::take(fault, hold, notes).await?))),
        PgHold::Change { .. } => Ok(PgHeld::Change(Box::new(Change::make(hold).await?))),
        PgHold::Connections { .. } => Ok(PgHeld::Connections(Box::new(Connections::take(fault, hold, notes).await?))),
    }
}

impl PgHeld {
    /// `InPlace` or `Gone` with evidence, `Failed` when it cannot be told.
    pub async fn confirm(&self) -> Answer {
        match self {
            PgHeld::Lock(lock) => lock.confirm().await,
            PgHeld::Connections(connections) => connections.confirm().await,
            PgHeld::Change(change) => change.confirm().await,
        }
    }

    /// Ends it; idempotent. What was done, or what could not be undone.
    pub async fn lift(&self) -> Result<String, String> {
        match self {
            PgHeld::Lock(lock) => lock.lift().await,
            PgHeld::Connections(connections) => connections.lift().await,
            PgHeld::Change(change) => change.lift().await,
        }
    }
}
