//! `container_kill`: a container's first process gets a signal and ends. As it is Docker that sends it, a restart policy
//! does not bring the container back: it stays down until somebody starts it. (A crash, which a restart policy does repair,
//! is another fault.) With `returns` it is killed again whenever somebody has started it, until it is replaced.
//!
//! ```yaml
//! - container_kill: { service: checkout }                               # signal: SIGKILL, replicas: all
//! - container_kill: { service: checkout, replicas: 1, signal: SIGTERM }
//! - container_kill: { service: payments, returns: 3s }                  # 3 s after each start it is killed again
//! ```

use super::containers::{self, Chosen};
use super::{FaultError, FaultContext, Inject, Presence, Undo};
use crate::source::{Form, MapReader, did_you_mean};
use crate::stack::{ContainerOp, ContainerState, Stack};
use async_trait::async_trait;
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// How often it is looked whether somebody has started a container again.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// How long killing it again may fail: the runbook may be about to replace the container.
const MAY_FAIL_FOR: Duration = Duration::from_secs(5);

/// Signals that end a process which does not catch them.
const SIGNALS: [&str; 7] = ["SIGKILL", "SIGTERM", "SIGINT", "SIGQUIT", "SIGABRT", "SIGHUP", "SIGSEGV"];

const A_SIGNAL: Form = Form::new("the name of a signal like `SIGTERM`", || {
    // An editor offers the names; `term` and `sigterm` are taken, too.
    let any_case = |c: char| format!("[{c}{}]", c.to_ascii_lowercase());
    let names = SIGNALS.map(|name| name.trim_start_matches("SIG").chars().map(any_case).collect::<String>());
    let pattern = format!("^(?:[Ss][Ii][Gg])?(?:{})$", names.join("|"));
    serde_json::json!({ "anyOf": [{ "enum": SIGNALS }, { "type": "string", "pattern": pattern }] })
});

/// Killed containers.
#[derive(Debug, Clone)]
pub struct ContainerKill {
    chosen: Chosen,
    signal: String,
    returns: Option<Duration>,
}

/// Since when containers are up, by id: which start it was, and when it was noticed.
type Up = BTreeMap<String, (String, Instant)>;

fn signal(text: &str) -> Result<String, String> {
    let upper = text.to_ascii_uppercase();
    let name = if upper.starts_with("SIG") { upper } else { format!("SIG{upper}") };
    if SIGNALS.contains(&name.as_str()) {
        return Ok(name);
    }
    Err(format!("`{text}` is not a signal that ends a container; {}", did_you_mean(&name, SIGNALS)))
}

impl ContainerKill {
    fn kill(&self) -> ContainerOp {
        ContainerOp::Kill { signal: self.signal.clone() }
    }

    /// Kills those containers again that have been up for `after`.
    async fn kill_again(
        &self,
        undo: &Undo,
        after: Duration,
        up: &mut Up,
        stack: &dyn Stack,
    ) -> Result<(), FaultError> {
        for (id, state) in containers::look(undo, stack).await? {
            let Some(state) = state.filter(containers::is_up) else {
                up.remove(&id);
                continue;
            };
            let (start, noticed) = up.entry(id.clone()).or_insert_with(|| (state.started_at.clone(), Instant::now()));
            if *start != state.started_at {
                (*start, *noticed) = (state.started_at, Instant::now());
            }
            if noticed.elapsed() >= after {
                containers::operate_one(undo, &id, &self.kill(), stack).await?;
                up.remove(&id);
            }
        }
        Ok(())
    }
}

#[async_trait]
impl Inject for ContainerKill {
    fn from_map(map: &mut MapReader<'_>) -> Option<Self> {
        let chosen = Chosen::read(map);
        let signal = map.optional_with("signal", A_SIGNAL, signal);
        let returns = map.optional("returns");
        Some(ContainerKill { chosen: chosen?, signal: signal.unwrap_or_else(|| "SIGKILL".into()), returns })
    }

    fn summary(&self) -> String {
        let again = match self.returns {
            Some(after) => format!(", and again {after:?} after each start"),
            None => String::new(),
        };
        format!("kills {} with {}{again}", self.chosen.describe(), self.signal)
    }

    fn returns(&self) -> Option<Duration> {
        self.returns
    }

    fn services(&self) -> Vec<String> {
        vec![self.chosen.service.clone()]
    }

    async fn prepare(&self, context: &FaultContext<'_>) -> Result<Undo, FaultError> {
        self.chosen.undo(ContainerOp::Start, context.stack).await
    }

    async fn inject(&self, undo: &Undo, context: &FaultContext<'_>) -> Result<(), FaultError> {
        containers::operate(undo, &self.kill(), context.stack).await
    }

    async fn bring_back(
        &self,
        undo: &Undo,
        stack: &dyn Stack,
        ending: &CancellationToken,
    ) -> Result<(), FaultError> {
        let Some(after) = self.returns else { return Ok(()) };
        let (mut up, mut failing) = (Up::new(), None);
        while ending.run_until_cancelled(tokio::time::sleep(LOOK_EVERY)).await.is_some() {
            match self.kill_again(undo, after, &mut up, stack).await {
                Ok(()) => failing = None,
                Err(error) if failing.get_or_insert_with(Instant::now).elapsed() > MAY_FAIL_FOR => return Err(error),
                Err(_) => {}
            }
        }
        Ok(())
    }

    async fn confirm(&self, undo: &Undo, context: &FaultContext<'_>) -> Result<Presence, FaultError> {
        let found = containers::look(undo, context.stack).await?;
        // A server that was started without its data ends by itself: that is not this fault any more. One that comes back
        // would look the same, and has to be seen up.
        let since = |state: &ContainerState| self.returns.is_none() && containers::started_since(undo, state);
        let ended_anew = found.iter().filter_map(|(_, state)| state.as_ref()).any(|s| !containers::is_up(s) && since(s));
        Ok(match containers::presence(&found, |state| !containers::is_up(state) && !since(state)) {
            Presence::Gone(evidence) if ended_anew => {
                Presence::Gone(format!("{evidence}; it was started after the kill, and ended by itself"))
            }
            other => other,
        })
    }

    async fn revert(&self, undo: &Undo, context: &FaultContext<'_>) -> Result<String, FaultError> {
        containers::restore(undo, context.stack).await
    }
}
