//! What a session holds: begun, looked at, lifted; all at once when the session ends.

use crate::agent::ability::HeldResult;
use crate::agent::locked;
use crate::agent::protocol::AgentAnswer;
use futures_util::future::join_all;
use serde_json::Value;
use std::collections::BTreeMap;
use std::future::Future;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// How long lifting one thing may take; past it that is dropped, which closes its connections.
pub const LIFT_WITHIN: Duration = Duration::from_secs(4);
/// How long looking at one may take; past it nobody can say how it stands.
const LOOK_WITHIN: Duration = Duration::from_secs(5);

const NOT_HELD: &str = "this agent holds no such fault";

/// What is held, by id.
#[derive(Default)]
pub(super) struct Holdings {
    slots: Mutex<BTreeMap<String, Arc<Slot>>>,
}

struct Slot {
    /// Ends a fault that is only beginning.
    cancel: CancellationToken,
    /// What is held, or the evidence that nothing is; locked while it is being begun, looked at or lifted.
    state: tokio::sync::Mutex<HeldResult>,
}

impl Holdings {
    /// Begins something; when that fails, or is overtaken by a lift, nothing is held.
    pub(super) async fn begin(&self, fault: &str, beginning: impl Future<Output = HeldResult>) -> Result<(), String> {
        let state = tokio::sync::Mutex::new(Err("it was given up while it began".into()));
        let slot = Arc::new(Slot { cancel: CancellationToken::new(), state });
        // Taken before anyone else can see the slot.
        let mut state = slot.state.lock().await;
        self.insert(fault, slot.clone())?;
        let begun = tokio::select! {
            biased;
            () = slot.cancel.cancelled() => Err("it was lifted before it was in place".to_string()),
            begun = beginning => begun,
        };
        let failed = begun.as_ref().err().cloned();
        *state = begun.map_err(|reason| format!("it never was in place: {reason}"));
        failed.map_or(Ok(()), Err)
    }

    fn insert(&self, fault: &str, slot: Arc<Slot>) -> Result<(), String> {
        let mut slots = locked(&self.slots);
        let free = slots.get(fault).is_none_or(|old| {
            // A slot that is locked is being begun, looked at or lifted: it is in use.
            old.state.try_lock().is_ok_and(|state| state.is_err())
        });
        if !free {
            return Err(format!("the fault `{fault}` is already held"));
        }
        slots.insert(fault.to_string(), slot);
        Ok(())
    }

    fn get(&self, fault: &str) -> Option<Arc<Slot>> {
        locked(&self.slots).get(fault).cloned()
    }

    /// Whether it is in place.
    pub(super) async fn look(&self, id: &str) -> AgentAnswer {
        let Some(slot) = self.get(id) else { return AgentAnswer::gone(NOT_HELD) };
        match &*slot.state.lock().await {
            Ok(held) => tokio::time::timeout(LOOK_WITHIN, held.look()).await.unwrap_or_else(|_| {
                let reason = format!("looking at it took more than {} s", LOOK_WITHIN.as_secs());
                AgentAnswer::Failed { reason }
            }),
            Err(detail) => AgentAnswer::gone(detail),
        }
    }

    /// Makes it what another message asks for, while it is held.
    pub(super) async fn change(&self, id: &str, message: Value) -> Result<(), String> {
        let slot = self.get(id).ok_or_else(|| NOT_HELD.to_string())?;
        let state = slot.state.lock().await;
        let held = state.as_ref().map_err(Clone::clone)?;
        let too_long = |_| Err(format!("changing it took more than {} s", LOOK_WITHIN.as_secs()));
        tokio::time::timeout(LOOK_WITHIN, held.change(message)).await.unwrap_or_else(too_long)
    }

    /// Ends it. It stays to be asked about, and stays held when it could not be ended.
    pub(super) async fn lift(&self, id: &str) -> Result<String, String> {
        match self.get(id) {
            Some(slot) => slot.lift().await,
            None => Ok(NOT_HELD.into()),
        }
    }

    /// Ends everything, side by side, and forgets it; what could not be ended is dropped, which closes its
    /// connections. Id → why it could not be ended.
    pub(super) async fn lift_all(&self) -> BTreeMap<String, String> {
        let slots = std::mem::take(&mut *locked(&self.slots));
        let lifts =
            slots.iter().map(|(fault, slot)| async move { slot.lift().await.err().map(|e| (fault.clone(), e)) });
        join_all(lifts).await.into_iter().flatten().collect()
    }
}

impl Slot {
    async fn lift(&self) -> Result<String, String> {
        self.cancel.cancel();
        let mut state = self.state.lock().await;
        let held = match &*state {
            Ok(held) => held,
            Err(detail) => return Ok(detail.clone()),
        };
        let lifted = tokio::time::timeout(LIFT_WITHIN, held.lift()).await;
        let too_long = |_| Err(format!("lifting it took more than {} s", LIFT_WITHIN.as_secs()));
        let detail = lifted.unwrap_or_else(too_long)?;
        *state = Err(detail.clone());
        Ok(detail)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicBool, Ordering};

    #[tokio::test]
    async fn a_fault_nobody_holds_is_gone_and_lifted() {
        let holdings = Holdings::default();
        assert!(matches!(holdings.look("x").await, AgentAnswer::Gone { .. }));
        assert!(holdings.lift("x").await.is_ok());
        assert!(holdings.lift_all().await.is_empty());
    }

    #[tokio::test]
    async fn what_could_not_begin_is_gone_and_may_be_tried_again() {
        let holdings = Holdings::default();
        assert_eq!(holdings.begin("x", async { Err("no route".into()) }).await, Err("no route".into()));
        let AgentAnswer::Gone { detail, .. } = holdings.look("x").await else { panic!("it is not held") };
        assert_eq!(detail, "it never was in place: no route");
        assert_eq!(holdings.begin("x", async { Err("again".into()) }).await, Err("again".into()));
    }

    struct Dropped(Arc<AtomicBool>);

    impl Drop for Dropped {
        fn drop(&mut self) {
            self.0.store(true, Ordering::SeqCst);
        }
    }

    #[tokio::test]
    async fn lifting_gives_up_what_is_only_beginning() {
        let holdings = Arc::new(Holdings::default());
        let dropped = Arc::new(AtomicBool::new(false));
        let guard = Dropped(dropped.clone());
        let beginning = async move {
            let _guard = guard;
            std::future::pending().await
        };
        let mut begin = Box::pin(holdings.begin("x", beginning));
        assert!(futures_util::FutureExt::now_or_never(&mut begin).is_none());
        let second = holdings.begin("x", std::future::pending()).await;
        assert_eq!(second, Err("the fault `x` is already held".into()));
        let (begun, left) = tokio::join!(begin, holdings.lift_all());
        assert!(begun.is_err() && left.is_empty());
        assert!(dropped.load(Ordering::SeqCst), "whatever it had opened is closed");
    }
}
