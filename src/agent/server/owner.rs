//! Who controls the agent: one session at a time, and the next one only when everything of the last was lifted.

use super::LIFT_WITHIN;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::{Mutex, OwnedMutexGuard};

/// Slack for the messages around lifting.
const SLACK: Duration = Duration::from_secs(1);

/// The one place of an owner.
#[derive(Clone, Default)]
pub(super) struct Ownership {
    /// Whether a session lives that has not begun to end.
    alive: Arc<AtomicBool>,
    /// Held from the beginning of a session until everything of it was lifted.
    gate: Arc<Mutex<()>>,
}

/// The right to control the agent, for as long as it exists.
#[derive(Debug)]
pub(super) struct AbilityOwner {
    alive: Arc<AtomicBool>,
    _gate: OwnedMutexGuard<()>,
}

impl Ownership {
    /// Takes the place, or says why not. A session that is ending is waited for, as its faults are being lifted.
    pub(super) async fn take(&self) -> Result<AbilityOwner, String> {
        if self.alive.load(Ordering::Acquire) {
            return Err("another runner controls this agent: wait until it has ended, or stop it".into());
        }
        let gate = tokio::time::timeout(LIFT_WITHIN + SLACK, self.gate.clone().lock_owned()).await;
        let gate = gate.map_err(|_| "the faults of the runner before are still being lifted".to_string())?;
        self.alive.store(true, Ordering::Release);
        Ok(AbilityOwner { alive: self.alive.clone(), _gate: gate })
    }
}

impl AbilityOwner {
    /// The session begins to end: others may queue.
    pub(super) fn ending(&self) {
        self.alive.store(false, Ordering::Release);
    }
}

impl Drop for AbilityOwner {
    fn drop(&mut self) {
        self.ending();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;

    #[tokio::test]
    async fn one_at_a_time_and_the_next_when_the_last_has_lifted() {
        let ownership = Ownership::default();
        let first = ownership.take().await.unwrap();
        insta::assert_snapshot!(ownership.take().await.unwrap_err(),
            @"another runner controls this agent: wait until it has ended, or stop it");
        first.ending();
        let mut next = Box::pin(ownership.take());
        assert!((&mut next).now_or_never().is_none(), "the first is still lifting");
        drop(first);
        let second = next.await.unwrap();
        assert!(ownership.take().await.is_err());
        drop(second);
        ownership.take().await.unwrap();
    }
}
