//! A run whose runner is gone, known by its id alone: what its ledger has open is undone through it.

use super::endpoint::Endpoint;
use super::errors::environment;
use super::owner::Owner;
use super::{containers, execute, files, labels, remove};
use crate::stack::{ContainerOp, ContainerState, ExecResult, FileAnswer, FileAsk, Stack, StackDown, StackError};
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
async fn in_time<T>(what: String, request: impl Future<Output = Result<T, StackError>>) -> Result<T, StackError> {
    let late = |_| Err(environment(what, format!("no answer within {} s", WITHIN.as_secs())));
    tokio::time::timeout(WITHIN, request).await.unwrap_or_else(late)
}

#[async_trait]
impl Stack for ReopenedRun {
    async fn containers(&self, service: &str) -> Result<Vec<ContainerState>, StackError> {
        let project = Owner::of(&self.run).project;
        in_time(format!("looking at `{service}`"), containers::of_service(&self.endpoint.docker, &project, service))
            .await
    }

    async fn operate(&self, container: &str, op: &ContainerOp) -> Result<(), StackError> {
        let acting = containers::operate(&self.endpoint.docker, &self.run, container, op);
        in_time(format!("acting on `{container}`"), acting).await
    }

    async fn exec_full(&self, service: &str, command: &[String], whole: bool, within: Duration) -> ExecResult {
        let by =
            [(labels::RUN, Some(self.run.as_str())), (labels::SERVICE, Some(service)), (labels::ONEOFF, Some("False"))];
        let found = Owner::of(&self.run).containers(&self.endpoint.docker, &by).await?;
        let none = || environment(format!("running a command in `{service}`"), "it has no running container");
        let container = execute::first_running(found.own).ok_or_else(none)?;
        execute::exec(&self.endpoint.docker, &container, service, command, whole, within).await
    }

    async fn files(&self, service: &str, ask: &FileAsk) -> Result<FileAnswer, StackError> {
        files::files_in(&self.endpoint, &self.run, service, ask).await
    }

    async fn remove_process(&self, name: &str) -> Result<Vec<String>, StackError> {
        remove::remove_service_in(&self.endpoint, &self.run, name).await
    }

    async fn down(&self) -> Result<StackDown, StackError> {
        Ok(remove::remove(&self.endpoint.docker, &Owner::of(&self.run), remove::QUIET).await.down())
    }
}
