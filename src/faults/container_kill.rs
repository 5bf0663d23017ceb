//! `container_kill`: a container's first process gets a signal and ends. As it is Docker that sends it, a restart policy
//! does not bring the container back: it stays down until somebody starts it. (A crash, which a restart policy does repair,
//! is another fault.) With `returns` it is killed again whenever somebody has started it, until it is replaced.
//!
//! ```yaml
//! - container_kill: { service: checkout }                               # signal: SIGKILL, all of them
//! - container_kill: { service: checkout, replicas: 1, signal: SIGTERM }
//! - container_kill: { service: payments, returns: 3s }                  # 3 s after each start it is killed again
//! ```

use super::containers::{self, SelectedContainers};
use super::{
    FaultContext, FaultFacts, FaultResult, Inject, LOOK_EVERY, MAY_FAIL_FOR, Presence, ReadFault, Undo, read_returns,
};
use crate::source::MapReader;
use crate::stack::{ContainerOp, ContainerState, Need, Stack};
use async_trait::async_trait;
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Signals that end a process which does not catch them.
const SIGNALS: [&str; 7] = ["SIGKILL", "SIGTERM", "SIGINT", "SIGQUIT", "SIGABRT", "SIGHUP", "SIGSEGV"];

/// Killed containers.
pub struct ContainerKill {
    selected: SelectedContainers,
    signal: &'static str,
    returns: Option<Duration>,
}

/// Reads its parameters; `None` when there were mistakes, which are noted.
pub(super) fn container_kill(map: &mut MapReader<'_>) -> ReadFault<ContainerKill> {
    let selected = SelectedContainers::read(map);
    let signals = SIGNALS.map(|name| (name, name));
    let signal = map.optional_by("signal", |at| at.one_of(signals, "is not a signal that ends a container"));
    let returns = read_returns(map);
    let (selected, signal) = (selected?, signal.unwrap_or("SIGKILL"));
    let again = returns.map_or_else(String::new, |after| format!(", and again {after:?} after each start"));
    let summary = format!("kills {} with {signal}{again}", selected.describe());
    let facts = FaultFacts { returns, ..selected.facts(summary, Need::Containers) };
    Some((facts, ContainerKill { selected, signal, returns }))
}

#[async_trait]
impl Inject for ContainerKill {
    async fn prepare(&self, context: &FaultContext<'_>) -> FaultResult<Undo> {
        self.selected.undo(context.stack, |_| Ok(ContainerOp::Start)).await
    }

    async fn inject(&self, undo: &Undo, context: &FaultContext<'_>) -> FaultResult {
        containers::operate(undo, &ContainerOp::Kill { signal: self.signal.into() }, context.stack).await
    }

    /// Those are killed again that somebody has started.
    async fn recur(&self, undo: &Undo, stack: &dyn Stack, ending: &CancellationToken) -> FaultResult {
        let Some(after) = self.returns else { return Ok(()) };
        let kill = ContainerOp::Kill { signal: self.signal.into() };
        // A container that is up → since when, as the stack says it (another instant is another start), and when that was noticed.
        let mut noticed: BTreeMap<String, (String, Instant)> = BTreeMap::new();
        let mut failing = None;
        while ending.run_until_cancelled(tokio::time::sleep(LOOK_EVERY)).await.is_some() {
            let again = async {
                let found = containers::look(undo, stack).await?.into_iter();
                let up = found.filter_map(|(id, state)| Some((id, state.filter(containers::is_up)?.started_at)));
                let up: BTreeMap<String, String> = up.collect();
                noticed.retain(|id, _| up.contains_key(id));
                for (id, since) in up {
                    let (start, at) = noticed.entry(id.clone()).or_insert_with(|| (since.clone(), Instant::now()));
                    if *start != since {
                        (*start, *at) = (since, Instant::now());
                    }
                    if at.elapsed() >= after {
                        containers::operate_one(undo, &id, &kill, stack).await?;
                        noticed.remove(&id);
                    }
                }
                Ok(())
            };
            match again.await {
                Ok(()) => failing = None,
                Err(error) if failing.get_or_insert_with(Instant::now).elapsed() > MAY_FAIL_FOR => return Err(error),
                Err(_) => {}
            }
        }
        Ok(())
    }

    async fn confirm(&self, undo: &Undo, context: &FaultContext<'_>) -> FaultResult<Presence> {
        let found = containers::look(undo, context.stack).await?;
        // A server that was started without its data ends by itself: that is not this fault any more. One that comes back
        // would look the same, and has to be seen up.
        let since = |state: &ContainerState| self.returns.is_none() && containers::started_since(undo, state);
        let ended_again =
            found.iter().filter_map(|(_, state)| state.as_ref()).any(|s| !containers::is_up(s) && since(s));
        let killed = |state: &ContainerState| !containers::is_up(state) && !since(state);
        Ok(match containers::presence(&found, killed, containers::status) {
            Presence::Gone(evidence) if ended_again => {
                Presence::Gone(format!("{evidence}; it was started after the kill, and ended by itself"))
            }
            other => other,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::pretend::{Pretend, agents};
    use super::super::tests::read;
    use super::*;

    /// Waits until the stack was told to do something, and returns all that it was told.
    async fn told(stack: &Pretend) -> Vec<String> {
        loop {
            let done = stack.done();
            if !done.is_empty() {
                return done;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_kill_that_returns_follows_each_start_until_the_container_is_replaced() {
        let (stack, agents) = (Pretend::with(&[("a", "running")]), agents());
        let context = FaultContext { id: "f", stack: &stack, agents: Some(&agents), seed: 0, strength: 1.0 };
        let fault = read("container_kill: { service: db, signal: SIGTERM, returns: 2s }").expect("a fault");
        assert_eq!(fault.facts.returns, Some(Duration::from_secs(2)));
        let undo = fault.prepare(&context).await.expect("an undo");
        fault.inject(&undo, &context).await.expect("injected");
        stack.done();
        let ending = CancellationToken::new();
        let runbook = async {
            for restart in ["first", "second"] {
                stack.set("a", "running");
                let started = tokio::time::Instant::now();
                assert_eq!(told(&stack).await, ["Kill { signal: \"SIGTERM\" } a"]);
                let after = started.elapsed().as_secs_f64();
                assert!((2.0..2.5).contains(&after), "{restart}: {after} s");
            }
            // Started again before its time is over, it has all of it again.
            stack.set("a", "running");
            tokio::time::sleep(Duration::from_millis(1500)).await;
            stack.containers.lock().expect("a lock")[0].started_at = "later".into();
            tokio::time::sleep(Duration::from_millis(1500)).await;
            assert_eq!(stack.done(), Vec::<String>::new());
            stack.containers.lock().expect("a lock")[0].id = "new".into();
            tokio::time::sleep(Duration::from_secs(60)).await;
            assert_eq!(stack.done(), Vec::<String>::new(), "another container is left alone");
            ending.cancel();
        };
        let (kept, ()) = tokio::join!(fault.recur(&undo, &stack, &ending), runbook);
        kept.expect("nothing failed");
    }

    #[tokio::test(start_paused = true)]
    async fn a_kill_that_cannot_return_says_so() {
        let (stack, agents) = (Pretend::with(&[("a", "running")]), agents());
        let context = FaultContext { id: "f", stack: &stack, agents: Some(&agents), seed: 0, strength: 1.0 };
        let fault = read("container_kill: { service: db, returns: 1s }").expect("a fault");
        let undo = fault.prepare(&context).await.expect("an undo");
        *stack.refuses.lock().expect("a lock") = true;
        let error = fault.recur(&undo, &stack, &CancellationToken::new()).await.expect_err("it is refused");
        assert_eq!(error.to_string(), "kill with SIGKILL of `db` (a): pretend: not in this test");

        let stays_down = read("container_kill: { service: db }").expect("a fault");
        stays_down.recur(&undo, &stack, &CancellationToken::new()).await.expect("nothing to do");
    }
}
