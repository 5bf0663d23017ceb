//! Every kind of stack that there is, as one: what a request names decides which one is meant.

use super::compose::ComposePlatform;
use super::kubernetes::KubernetesPlatform;
use super::{
    AlertFiles, AlertFinding, AttachError, Available, Capacity, Platform, Probe, RemoteSite, ResolveError,
    ResolvedStack, Right, RunIdentity, RunningStack, SourceFiles, Stack, StackError, StackOptions, StackRequest,
    SweepOptions, SweepReport, ToolboxRequest,
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
    async fn connect(&self) -> Result<(), StackError> {
        self.compose.connect().await
    }

    async fn version(&self) -> Option<String> {
        self.compose.version().await
    }

    async fn probe(&self) -> Vec<Probe> {
        [self.compose.probe().await, self.kubernetes.probe().await].concat()
    }

    async fn resolve(&self, request: &StackRequest) -> Result<Arc<dyn ResolvedStack>, ResolveError> {
        match request.cluster {
            Some(_) => self.kubernetes.resolve(request).await,
            None => self.compose.resolve(request).await,
        }
    }

    fn source_files(&self, request: &StackRequest) -> SourceFiles {
        match request.cluster {
            Some(_) => self.kubernetes.source_files(request),
            None => self.compose.source_files(request),
        }
    }

    async fn check_alerts(&self, files: &AlertFiles) -> Result<Option<Vec<AlertFinding>>, StackError> {
        self.compose.check_alerts(files).await
    }

    fn rejection(&self) -> (&'static str, &'static str) {
        self.compose.rejection()
    }

    fn rights(&self) -> Vec<Right> {
        self.compose.rights()
    }

    async fn capacity(&self) -> Result<Capacity, StackError> {
        self.compose.capacity().await
    }

    async fn available(&self, seen: Option<&MachineSample>) -> Result<Available, StackError> {
        self.compose.available(seen).await
    }

    async fn running(&self, name: &str) -> Result<RunningStack, AttachError> {
        self.compose.running(name).await
    }

    async fn attach(
        &self,
        running: Option<&str>,
        toolbox: ToolboxRequest,
        run: &RunIdentity,
        options: &StackOptions,
    ) -> Result<Arc<dyn Stack>, AttachError> {
        self.compose.attach(running, toolbox, run, options).await
    }

    async fn reopen(&self, run: &str) -> Result<Arc<dyn Stack>, StackError> {
        match self.kubernetes.reopen(run).await? {
            Some(stack) => Ok(stack),
            None => self.compose.reopen(run).await,
        }
    }

    fn end_commands(&self, run: &str) {
        self.compose.end_commands(run);
    }

    fn remote(&self, name: &str) -> Option<Arc<dyn RemoteSite>> {
        (name == "kubernetes").then(|| self.kubernetes.jobs())
    }

    async fn sweep(&self, options: SweepOptions, only: &[String]) -> Result<SweepReport, StackError> {
        let of_clusters = self.kubernetes.sweep(options, only).await;
        let mut report = match self.compose.sweep(options, only).await {
            // What Docker does not say must not hide what clusters have said; and where there is none nobody asks it.
            Err(_) if !of_clusters.is_empty() || KubernetesPlatform::is_without_docker() => SweepReport::default(),
            report => report?,
        };
        report.runs.extend(of_clusters);
        Ok(report)
    }
}
