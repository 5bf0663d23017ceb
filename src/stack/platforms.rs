//! Every kind of stack that there is, as one: what a request names decides which one is meant.

use super::compose::attached::AttachedStack;
use super::compose::endpoint::kill_children;
use super::compose::reads::compose_inputs;
use super::compose::sweep::{self, ReopenedRun};
use super::compose::{ComposePlatform, capacity, monitoring, probe, rights};
use super::kubernetes::KubernetesPlatform;
use super::{
    AlertFiles, AlertFinding, AttachError, DrillRoom, Platform, Probe, RemoteSite, ResolveError, ResolvedStack, Right,
    RunIdentity, RunningStack, SourceFiles, Stack, StackOptions, StackRequest, StackResult, SweepOptions, SweepReport,
    ToolboxRequest,
};
use crate::record::MachineSample;
use async_trait::async_trait;
use std::sync::Arc;

/// Docker Compose, and Kubernetes where a scenario names it.
#[derive(Debug, Clone, Default)]
pub struct Platforms {
    compose: ComposePlatform,
    kubernetes: KubernetesPlatform,
}

#[async_trait]
impl Platform for Platforms {
    async fn connect(&self) -> StackResult<()> {
        self.compose.engine().await.map(drop)
    }

    async fn version(&self) -> Option<String> {
        probe::version().await
    }

    async fn probe(&self) -> Vec<Probe> {
        [probe::probe().await, self.kubernetes.probe().await].concat()
    }

    async fn resolve(&self, request: &StackRequest) -> Result<Arc<dyn ResolvedStack>, ResolveError> {
        match request.cluster {
            Some(_) => self.kubernetes.resolve(request).await,
            None => Ok(Arc::new(self.compose.model(request).await?)),
        }
    }

    fn source_files(&self, request: &StackRequest) -> SourceFiles {
        match request.cluster {
            Some(_) => self.kubernetes.source_files(request),
            None => compose_inputs(request),
        }
    }

    async fn check_alerts(&self, files: &AlertFiles) -> StackResult<Option<Vec<AlertFinding>>> {
        monitoring::check(self.compose.engine().await?, files).await
    }

    fn rejection(&self) -> (&'static str, &'static str) {
        (
            "Firedrill or Docker Compose does not accept the stack",
            "`docker compose config` in its folder says what Compose makes of it",
        )
    }

    fn rights(&self) -> Vec<Right> {
        rights::rights()
    }

    async fn room(&self, seen: Option<&MachineSample>) -> StackResult<DrillRoom> {
        capacity::room(self.compose.engine().await?, seen).await
    }

    async fn running(&self, name: &str) -> Result<RunningStack, AttachError> {
        let project = self.compose.project(name).await?;
        Ok(RunningStack { words: format!("the Compose project {}", project.name), services: project.services() })
    }

    async fn attach(
        &self,
        running: Option<&str>,
        toolbox: ToolboxRequest,
        run: &RunIdentity,
        options: &StackOptions,
    ) -> Result<Arc<dyn Stack>, AttachError> {
        let project = match running {
            Some(name) => Some(self.compose.project(name).await?),
            None => None,
        };
        let run = self.compose.engine().await?.for_run(run)?;
        Ok(Arc::new(AttachedStack::new(project, toolbox, run, options)))
    }

    async fn reopen(&self, run: &str) -> StackResult<Arc<dyn Stack>> {
        match self.kubernetes.reopen(run).await? {
            Some(stack) => Ok(stack),
            None => Ok(Arc::new(ReopenedRun { endpoint: self.compose.engine().await?.clone(), run: run.to_string() })),
        }
    }

    fn end_commands(&self, run: &str) {
        kill_children(run);
    }

    fn remote(&self, name: &str) -> Option<Arc<dyn RemoteSite>> {
        (name == "kubernetes").then(|| self.kubernetes.jobs())
    }

    async fn sweep(&self, options: SweepOptions, only: &[String]) -> StackResult<SweepReport> {
        let of_clusters = self.kubernetes.sweep(options, only).await;
        let of_engine = async { sweep::sweep(&self.compose.engine().await?.docker, options, only).await };
        let mut report = match of_engine.await {
            // What Docker does not say must not hide what clusters have said; and where there is none nobody asks it.
            Err(_) if !of_clusters.is_empty() || KubernetesPlatform::is_without_docker() => SweepReport::default(),
            report => report?,
        };
        report.runs.extend(of_clusters);
        Ok(report)
    }
}
