//! A run whose runner is gone, known by its id alone: what its ledger has open is undone through it.

use super::endpoint::Endpoint;
use super::errors::environment;
use super::execute::ContainerTarget;
use super::owner::Owner;
use super::{containers, files, remove};
use crate::stack::{ContainerOp, ContainerState, ExecResult, FileAnswer, FileAsk, Stack, StackDown, StackResult};
use async_trait::async_trait;
use std::time::Duration;

/// How long the engine may take over one container: one that hangs must not keep what else is left from being undone.
const WITHIN: Duration = Duration::from_secs(5);

/// What a dead runner left up.
#[derive(Debug)]
pub struct ReopenedRun {
    /// The engine.
    pub endpoint: Endpoint,
    /// Id of the run.
    pub run: String,
}

/// Bounds one request to the engine.
async fn in_time<T>(what: String, request: impl Future<Output = StackResult<T>>) -> StackResult<T> {
    let late = |_| Err(environment(what, format!("no answer within {} s", WITHIN.as_secs())));
    tokio::time::timeout(WITHIN, request).await.unwrap_or_else(late)
}

#[async_trait]
impl Stack for ReopenedRun {
    async fn containers(&self, service: &str) -> StackResult<Vec<ContainerState>> {
        let project = Owner::of(&self.run).project;
        in_time(format!("looking at `{service}`"), containers::of_service(&self.endpoint.docker, &project, service))
            .await
    }

    async fn operate(&self, container: &str, op: &ContainerOp) -> StackResult<()> {
        let acting = containers::operate(&self.endpoint.docker, &self.run, container, op);
        in_time(format!("acting on `{container}`"), acting).await
    }

    async fn exec_full(&self, service: &str, command: &[String], whole: bool, within: Duration) -> ExecResult {
        let container = Owner::of(&self.run).first(&self.endpoint.docker, service, true).await?;
        let none = || environment(format!("running a command in `{service}`"), "it has no running container");
        let target = ContainerTarget { docker: &self.endpoint.docker, id: &container.ok_or_else(none)? };
        target.run(service, command, whole, within).await
    }

    async fn files(&self, service: &str, ask: &FileAsk) -> StackResult<FileAnswer> {
        files::files_in(&self.endpoint, &self.run, service, ask).await
    }

    async fn remove_process(&self, name: &str) -> StackResult<Vec<String>> {
        remove::remove_service_in(&self.endpoint, &self.run, name).await
    }

    async fn down(&self) -> StackResult<StackDown> {
        Ok(remove::down(&self.endpoint.docker, &Owner::of(&self.run), remove::QUIET).await)
    }
}
