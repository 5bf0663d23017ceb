//! The faults that a session holds: begun, looked at, lifted; all at once when the session ends.

use super::HeldFault;
use crate::agent::protocol::Answer;
use futures_util::future::join_all;
use std::collections::BTreeMap;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use tokio_util::sync::CancellationToken;

/// Faults by id.
#[derive(Debug, Default)]
pub(super) struct Holdings {
    slots: Mutex<BTreeMap<String, Arc<Slot>>>,
}

#[derive(Debug)]
struct Slot {
    /// Ends a fault that is only beginning.
    cancel: CancellationToken,
    /// Locked while it is being begun, looked at or lifted.
    state: tokio::sync::Mutex<State>,
}

#[derive(Debug)]
enum State {
    Beginning,
    Held(HeldFault),
    /// With the evidence.
    Lifted(String),
}

impl Holdings {
    /// Begins a fault; when that fails, or is overtaken by a lift, nothing is held.
    pub(super) async fn begin(
        &self,
        fault: &str,
        beginning: impl Future<Output = Result<HeldFault, String>>,
    ) -> Result<(), String> {
        let slot =
            Arc::new(Slot { cancel: CancellationToken::new(), state: tokio::sync::Mutex::new(State::Beginning) });
        // Taken before anyone else can see the slot.
        let mut state = slot.state.lock().await;
        self.insert(fault, slot.clone())?;
        let begun = tokio::select! {
            biased;
            () = slot.cancel.cancelled() => Err("it was lifted before it was in place".to_string()),
            begun = beginning => begun,
        };
        match begun {
            Ok(held) => {
                *state = State::Held(held);
                Ok(())
            }
            Err(reason) => {
                *state = State::Lifted(format!("it never was in place: {reason}"));
                Err(reason)
            }
        }
    }

    fn insert(&self, fault: &str, slot: Arc<Slot>) -> Result<(), String> {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        let free = slots.get(fault).is_none_or(|old| {
            // A slot that is locked is being begun, looked at or lifted: it is in use.
            old.state.try_lock().is_ok_and(|state| matches!(*state, State::Lifted(_)))
        });
        if !free {
            return Err(format!("the fault `{fault}` is already held"));
        }
        slots.insert(fault.to_string(), slot);
        Ok(())
    }

    fn get(&self, fault: &str) -> Option<Arc<Slot>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner).get(fault).cloned()
    }

    /// Whether a fault is in place.
    pub(super) async fn confirm(&self, fault: &str) -> Answer {
        let Some(slot) = self.get(fault) else {
            return Answer::Gone { detail: "this agent holds no such fault".into() };
        };
        match &*slot.state.lock().await {
            State::Held(held) => held.confirm().await,
            State::Lifted(detail) => Answer::Gone { detail: detail.clone() },
            State::Beginning => Answer::Gone { detail: "it was given up while it began".into() },
        }
    }

    /// Ends a fault. It stays to be asked about, and stays held when it could not be ended.
    pub(super) async fn lift(&self, fault: &str) -> Answer {
        match self.get(fault) {
            Some(slot) => match slot.lift().await {
                Ok(detail) => Answer::Done { detail },
                Err(reason) => Answer::Failed { reason },
            },
            None => Answer::Done { detail: "this agent holds no such fault".into() },
        }
    }

    /// Ends every fault, all side by side, and forgets them; what could not be ended is dropped, which closes its
    /// connections. Fault → why it could not be ended.
    pub(super) async fn lift_all(&self) -> BTreeMap<String, String> {
        let slots = std::mem::take(&mut *self.slots.lock().unwrap_or_else(PoisonError::into_inner));
        let lifts =
            slots.iter().map(|(fault, slot)| async move { slot.lift().await.err().map(|e| (fault.clone(), e)) });
        join_all(lifts).await.into_iter().flatten().collect()
    }
}

impl Slot {
    async fn lift(&self) -> Result<String, String> {
        self.cancel.cancel();
        let mut state = self.state.lock().await;
        match &*state {
            State::Held(held) => {
                let detail = held.lift().await?;
                *state = State::Lifted(detail.clone());
                Ok(detail)
            }
            State::Lifted(detail) => Ok(detail.clone()),
            State::Beginning => Ok("it was given up while it began".into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicBool, Ordering};

    #[tokio::test]
    async fn a_fault_nobody_holds_is_gone_and_lifted() {
        let holdings = Holdings::default();
        assert!(matches!(holdings.confirm("x").await, Answer::Gone { .. }));
        assert!(matches!(holdings.lift("x").await, Answer::Done { .. }));
        assert!(holdings.lift_all().await.is_empty());
    }

    #[tokio::test]
    async fn what_could_not_begin_is_gone_and_may_be_tried_again() {
        let holdings = Holdings::default();
        assert_eq!(holdings.begin("x", async { Err("no route".into()) }).await, Err("no route".into()));
        let Answer::Gone { detail } = holdings.confirm("x").await else { panic!("it is not held") };
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
