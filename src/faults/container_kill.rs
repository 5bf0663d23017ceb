//! `container_kill`: a container's first process gets a signal and ends. As it is Docker that sends it, a restart policy
//! does not bring the container back: it stays down until somebody starts it. (A crash, which a restart policy does mend,
//! is another fault.)
//!
//! ```yaml
//! - container_kill: { service: checkout }                               # signal: SIGKILL, replicas: all
//! - container_kill: { service: checkout, replicas: 1, signal: SIGTERM }
//! ```

use super::containers::{self, Chosen};
use super::{FaultError, Field, FromNode, Inject, Presence, Undo};
use crate::source::{Diagnostics, Form, MapReader, Node, Source, did_you_mean};
use crate::stack::{ContainerOp, Stack};
use std::sync::Arc;

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
}

impl FromNode for ContainerKill {
    fn from_node(node: &Node, source: &Arc<Source>, diags: &mut Diagnostics) -> Option<Self> {
        let mut map = MapReader::new(node, "`container_kill`", source, diags)?;
        let chosen = Chosen::read(&mut map);
        let signal = map.optional_with("signal", A_SIGNAL, signal);
        map.finish()?;
        Some(ContainerKill { chosen: chosen?, signal: signal.unwrap_or_else(|| "SIGKILL".into()) })
    }
}

fn signal(text: &str) -> Result<String, String> {
    let upper = text.to_ascii_uppercase();
    let name = if upper.starts_with("SIG") { upper } else { format!("SIG{upper}") };
    if SIGNALS.contains(&name.as_str()) {
        return Ok(name);
    }
    Err(format!("`{text}` is not a signal that ends a container; {}", did_you_mean(&name, SIGNALS)))
}

impl Inject for ContainerKill {
    fn summary(&self) -> String {
        format!("kills {} with {}", self.chosen.describe(), self.signal)
    }

    fn services(&self) -> Vec<String> {
        vec![self.chosen.service.clone()]
    }

    async fn plan<S: Stack>(&self, _id: &str, field: &Field<'_, S>) -> Result<Undo, FaultError> {
        self.chosen.undo(ContainerOp::Start, field.stack).await
    }

    async fn inject<S: Stack>(&self, _id: &str, undo: &Undo, field: &Field<'_, S>) -> Result<(), FaultError> {
        containers::operate(undo, &ContainerOp::Kill { signal: self.signal.clone() }, field.stack).await
    }

    async fn confirm<S: Stack>(&self, _id: &str, undo: &Undo, field: &Field<'_, S>) -> Result<Presence, FaultError> {
        let found = containers::look(undo, field.stack).await?;
        Ok(containers::presence(&found, |state| !containers::is_up(state)))
    }

    async fn revert<S: Stack>(&self, _id: &str, undo: &Undo, field: &Field<'_, S>) -> Result<(), FaultError> {
        containers::restore(undo, field.stack).await.map(|_| ())
    }
}
