//! Undoing a fault from the ledger alone, in a process that did not inject it: the reaper, or the next run.

use super::{FaultError, Undo, containers};
use crate::stack::Stack;

/// Carries out an undo; idempotent. What was done, or was right already.
pub async fn replay<S: Stack>(undo: &Undo, stack: &S) -> Result<String, FaultError> {
    match undo {
        Undo::Agent { agent, fault } => {
            Ok(format!("the agent {agent} lifted {fault} by itself when its channel ended"))
        }
        Undo::Containers { .. } => containers::restore(undo, stack).await,
    }
}
