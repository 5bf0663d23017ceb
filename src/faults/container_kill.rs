//! `container_kill`: a container's first process gets a signal and ends. As it is Docker that sends it, a restart policy
//! does not bring the container back: it stays down until somebody starts it. (A crash, which a restart policy does repair,
//! is another fault.) With `returns` it is killed again whenever somebody has started it, until it is replaced.
//!
//! ```yaml
//! - container_kill: { service: checkout }                               # signal: SIGKILL, replicas: all
//! - container_kill: { service: checkout, replicas: 1, signal: SIGTERM }
//! - container_kill: { service: payments, returns: 3s }                  # 3 s after each start it is killed again
//! ```

use super::containers::{self, SelectedContainers};
use super::{EndedPart, FaultContext, FaultError, FaultFacts, Inject, Presence, Undo, read_returns};
use crate::source::{MapReader, TextForm, did_you_mean};
use crate::stack::{ContainerOp, ContainerState, Need, Stack};
use async_trait::async_trait;
use std::time::Duration;

/// Signals that end a process which does not catch them.
const SIGNALS: [&str; 7] = ["SIGKILL", "SIGTERM", "SIGINT", "SIGQUIT", "SIGABRT", "SIGHUP", "SIGSEGV"];

const A_SIGNAL: TextForm = TextForm::new("the name of a signal like `SIGTERM`", || {
    // An editor offers the names; `term` and `sigterm` are taken, too.
    let any_case = |c: char| format!("[{c}{}]", c.to_ascii_lowercase());
    let names = SIGNALS.map(|name| name.trim_start_matches("SIG").chars().map(any_case).collect::<String>());
    let pattern = format!("^(?:[Ss][Ii][Gg])?(?:{})$", names.join("|"));
    serde_json::json!({ "anyOf": [{ "enum": SIGNALS }, { "type": "string", "pattern": pattern }] })
});

/// Killed containers.
#[derive(Debug, Clone)]
pub struct ContainerKill {
    selected: SelectedContainers,
    signal: String,
    returns: Option<Duration>,
}

fn signal(text: &str) -> Result<String, String> {
    let upper = text.to_ascii_uppercase();
    let name = if upper.starts_with("SIG") { upper } else { format!("SIG{upper}") };
    if SIGNALS.contains(&name.as_str()) {
        return Ok(name);
    }
    Err(format!("`{text}` is not a signal that ends a container; {}", did_you_mean(&name, SIGNALS)))
}

impl ContainerKill {
    /// Reads its parameters; `None` when there were mistakes, which are noted.
    pub(super) fn from_map(map: &mut MapReader<'_>) -> Option<Self> {
        let selected = SelectedContainers::read(map);
        let signal = map.optional_with("signal", A_SIGNAL, signal);
        let returns = read_returns(map);
        Some(ContainerKill { selected: selected?, signal: signal.unwrap_or_else(|| "SIGKILL".into()), returns })
    }

    fn kill(&self) -> ContainerOp {
        ContainerOp::Kill { signal: self.signal.clone() }
    }
}

#[async_trait]
impl Inject for ContainerKill {
    fn facts(&self) -> FaultFacts {
        let again = self.returns.map_or_else(String::new, |after| format!(", and again {after:?} after each start"));
        let summary = format!("kills {} with {}{again}", self.selected.describe(), self.signal);
        FaultFacts { returns: self.returns, ..self.selected.facts(summary, Need::Containers) }
    }

    async fn prepare(&self, context: &FaultContext<'_>) -> Result<Undo, FaultError> {
        self.selected.undo(context.stack, |_| Ok(ContainerOp::Start)).await
    }

    async fn inject(&self, undo: &Undo, context: &FaultContext<'_>) -> Result<(), FaultError> {
        containers::operate(undo, &self.kill(), context.stack).await
    }

    /// Those that somebody has started.
    async fn ended(&self, undo: &Undo, stack: &dyn Stack) -> Result<Vec<EndedPart>, FaultError> {
        let found = containers::look(undo, stack).await?.into_iter();
        let up = found.filter_map(|(id, state)| Some((id, state.filter(containers::is_up)?)));
        Ok(up.map(|(id, state)| EndedPart { id, since: state.started_at }).collect())
    }

    async fn inject_again(&self, container: &str, undo: &Undo, stack: &dyn Stack) -> Result<(), FaultError> {
        containers::operate_one(undo, container, &self.kill(), stack).await
    }

    async fn confirm(&self, undo: &Undo, context: &FaultContext<'_>) -> Result<Presence, FaultError> {
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
