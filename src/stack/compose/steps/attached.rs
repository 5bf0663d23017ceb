//! `docker` in the steps of a runbook that is followed beside a project that is up: the same command lines as in a drill,
//! on that project as it is. Commands that read its Compose files are refused.

use super::arguments::Refusal;
use super::docker::ContainerCalls;
use super::lookup::FileLookup;
use super::process::{self, ProcessListing};
use super::request::{self, Known, Request, StepRequest};
use super::table::{Compose, Docker};
use super::team::Team;
use super::{NotDone, StepCall, answer, itself};
use crate::record::Secrets;
use crate::source::work_tree;
use crate::stack::compose::endpoint::Endpoint;
use crate::stack::compose::project::ProjectFiles;
use crate::stack::{CallIo, Place, ToolCall, Tools};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use std::path::PathBuf;
use tokio_util::sync::CancellationToken;

/// Carries out what the steps of one place call.
#[derive(Debug, Clone)]
pub(in crate::stack::compose) struct AttachedTools {
    /// The engine.
    pub endpoint: Endpoint,
    /// Name of the project.
    pub project: String,
    /// What it is made from, if that is known here.
    pub files: Option<ProjectFiles>,
    /// The run's directory.
    pub dir: PathBuf,
    /// What must not be written, those of the project included.
    pub secrets: Secrets,
    /// Where the steps run.
    pub place: Place,
    /// The toolbox's container.
    pub toolbox: String,
}

impl Tools for AttachedTools {
    fn call(&self, call: ToolCall, io: CallIo, cancel: CancellationToken) -> BoxFuture<'static, i32> {
        let tools = self.clone();
        async move {
            let out = io.out.clone();
            let carried_out = tools.carry_out(StepCall { call: &call, io, cancel: &cancel });
            answer(&call, &out, &cancel, carried_out, (&tools.dir, &tools.secrets)).await
        }
        .boxed()
    }
}

impl AttachedTools {
    async fn carry_out(&self, step: StepCall<'_>) -> Result<i32, NotDone> {
        let lookup = self.files.as_ref().map_or_else(FileLookup::default, |files| {
            let begins = files.directory.to_str();
            let root = files.files.first().and_then(|file| work_tree(file)).unwrap_or(&files.directory);
            FileLookup::new((&files.files, &files.env_files), &files.directory, root, begins)
        });
        match request::parse(step.call, &Known { team: self.project.clone(), own: self.project.clone(), lookup })? {
            StepRequest::NoFile(said) => Err(NotDone::NoFile(said)),
            StepRequest::Itself(args) => itself(&self.endpoint, &args, &step).await,
            StepRequest::Compose(ask) if ask.does == Compose::Copy => {
                self.calls(true).await?.copy(&ask.words, true, step).await
            }
            StepRequest::Compose(ask) if ask.does == Compose::Exec => {
                self.calls(false).await?.exec_in_service(&ask.words, step).await
            }
            StepRequest::Compose(ask) => self.compose(ask, step).await,
            StepRequest::Docker(ask) => self.calls(ask.does == Docker::Copy).await?.docker(ask, step).await,
        }
    }

    /// The project's containers, and where the step stands if that matters.
    async fn calls(&self, copies: bool) -> Result<ContainerCalls<'_>, NotDone> {
        let team = Team::of_project(&self.endpoint, &self.project).await?;
        let here = match &self.place {
            _ if !copies => None,
            Place::Toolbox => Some(self.toolbox.clone()),
            Place::Service(service) => {
                let running = team.all.iter().find(|c| c.service == *service && c.status == "running");
                running.map(|container| container.id.clone())
            }
        };
        Ok(ContainerCalls { endpoint: &self.endpoint, team, here })
    }

    async fn compose(&self, ask: Request<Compose>, step: StepCall<'_>) -> Result<i32, NotDone> {
        if matches!(ask.does, Compose::Up | Compose::Scale | Compose::Run | Compose::Config) {
            return Err(Refusal(format!(
                "`docker compose {}` reads the Compose files, and somebody may have changed what they ask of this host since the project \
                 was started: run it by hand, or in a drill",
                ask.name
            ))
            .into());
        }
        let mut command = self.endpoint.command();
        // What is there says enough, its labels; and Compose would take a file that it finds from here upwards.
        command.arg("compose").args(["--project-name", &self.project]).current_dir("/");
        command.arg(ask.name).args(&ask.words.passed).arg("--").args(&ask.words.rest);
        Ok(process::run(command, &step, &ProcessListing::default()).await?)
    }
}
