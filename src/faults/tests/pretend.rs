//! A stack that only pretends to have containers, for the tests of faults.

use crate::agent::AgentClient;
use crate::stack::{
    AgentRole, CommandOutput, ContainerOp, ContainerState, NetworkEndpoint, Stack, StackDown, StackError, places_of,
};
use async_trait::async_trait;
use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;

/// Containers of one service, and every operation on them.
#[derive(Default)]
pub struct Pretend {
    pub containers: Mutex<Vec<ContainerState>>,
    pub done: Mutex<Vec<String>>,
    pub refuses: Mutex<bool>,
    /// Exit codes of the next commands; then 1.
    pub codes: Mutex<Vec<i64>>,
    /// What every command writes.
    pub output: Mutex<String>,
}

impl Pretend {
    pub fn with(containers: &[(&str, &str)]) -> Self {
        let pretend = Pretend::default();
        for (id, status) in containers {
            pretend.containers.lock().expect("a lock").push(ContainerState {
                id: (*id).into(),
                name: format!("shop-{id}"),
                status: (*status).into(),
                exit_code: None,
                started_at: String::new(),
                ..Default::default()
            });
        }
        pretend
    }

    pub fn set(&self, id: &str, status: &str) {
        for container in self.containers.lock().expect("a lock").iter_mut().filter(|c| c.id == id) {
            container.status = status.into();
            container.exit_code = (status == "exited").then_some(137);
        }
    }

    pub fn done(&self) -> Vec<String> {
        std::mem::take(&mut *self.done.lock().expect("a lock"))
    }
}

fn not_here<T>() -> Result<T, StackError> {
    Err(StackError::Environment { operation: "pretend".into(), cause: "not in this test".into(), hint: None })
}

#[async_trait]
impl Stack for Pretend {
    async fn containers(&self, _: &str) -> Result<Vec<ContainerState>, StackError> {
        Ok(self.containers.lock().expect("a lock").clone())
    }
    async fn operate(&self, container: &str, op: &ContainerOp) -> Result<(), StackError> {
        self.done.lock().expect("a lock").push(format!("{op:?} {container}"));
        if *self.refuses.lock().expect("a lock") {
            return not_here();
        }
        let status = match op {
            ContainerOp::Pause => "paused",
            ContainerOp::Kill { .. } => "exited",
            ContainerOp::Unpause | ContainerOp::Start => "running",
            ContainerOp::Limit { .. } | ContainerOp::Connect { .. } => {
                let mut containers = self.containers.lock().expect("a lock");
                for state in containers.iter_mut().filter(|state| state.id == container) {
                    match op {
                        ContainerOp::Limit { from, to } => state.limits = state.limits.changed(*from, *to),
                        ContainerOp::Connect { from, to } => {
                            let (from, to) = (places_of(from, container), places_of(to, container));
                            state.endpoints = NetworkEndpoint::changed(&state.endpoints, from, to);
                        }
                        _ => {}
                    }
                }
                return Ok(());
            }
        };
        self.set(container, status);
        Ok(())
    }
    async fn delete_pod(&self, uid: &str) -> Result<(), StackError> {
        self.done.lock().expect("a lock").push(format!("delete {uid}"));
        self.containers.lock().expect("a lock").retain(|pod| pod.id != uid);
        Ok(())
    }
    async fn exec(&self, service: &str, command: &[String], _: Duration) -> Result<CommandOutput, StackError> {
        self.done.lock().expect("a lock").push(format!("{service}: {}", command.join(" ")));
        let mut codes = self.codes.lock().expect("a lock");
        let code = if codes.is_empty() { 1 } else { codes.remove(0) };
        let output = self.output.lock().expect("a lock").clone();
        let output = if output.is_empty() { "first\nlast\n\n".into() } else { output };
        Ok(CommandOutput { container: "shop-db-1".into(), code, output })
    }
    async fn start_process(&self, name: &str) -> Result<(), StackError> {
        self.done.lock().expect("a lock").push(format!("start {name}"));
        Ok(())
    }
    async fn remove_process(&self, name: &str) -> Result<Vec<String>, StackError> {
        self.done.lock().expect("a lock").push(format!("remove {name}"));
        Ok(self.containers.lock().expect("a lock").drain(..).map(|container| container.name).collect())
    }
    async fn down(&self) -> Result<StackDown, StackError> {
        not_here()
    }
}

pub fn agents() -> BTreeMap<AgentRole, AgentClient> {
    BTreeMap::new()
}
