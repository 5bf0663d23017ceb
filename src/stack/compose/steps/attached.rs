//! `docker` in the steps of a runbook that is followed beside a project that is up: the same command lines as in a drill,
//! on that project as it is. Commands that make containers need the project's own Compose files.

use super::arguments::Refusal;
use super::docker::ContainerCalls;
use super::lookup::FileLookup;
use super::process::{self, ModelFile, ProcessListing};
use super::request::{self, Known, Request, StepRequest};
use super::table::{Compose, Docker};
use super::team::Team;
use super::{NotDone, answer, guard, itself, recreate, with_more};
use crate::record::Secrets;
use crate::source::work_tree;
use crate::stack::compose::command::ComposeCommand;
use crate::stack::compose::endpoint::Endpoint;
use crate::stack::compose::project::ProjectFiles;
use crate::stack::{CallIo, Place, ToolCall, Tools};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use serde_json::{Map, Value, json};
use std::path::PathBuf;
use tokio_util::sync::CancellationToken;

/// Carries out what the steps of one place call.
#[derive(Debug, Clone)]
pub(in crate::stack::compose) struct AttachedTools {
    /// The engine.
    pub endpoint: Endpoint,
    /// Name of the project.
    pub project: String,
    /// What it is made from, or why that is not known here.
    pub files: Result<ProjectFiles, String>,
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
            let carried_out = tools.carry_out(&call, io, &cancel);
            answer(&call, &out, &cancel, carried_out, (&tools.dir, &tools.secrets)).await
        }
        .boxed()
    }
}

impl AttachedTools {
    async fn carry_out(&self, call: &ToolCall, io: CallIo, cancel: &CancellationToken) -> Result<i32, NotDone> {
        let lookup = self.files.as_ref().map_or_else(
            |_| FileLookup::default(),
            |files| {
                let root = files.files.first().and_then(|file| work_tree(file)).unwrap_or(&files.directory);
                FileLookup::new((&files.files, &files.env_files), &files.directory, root, files.directory.to_str())
            },
        );
        let known = Known { team: self.project.clone(), own: self.project.clone(), lookup };
        match request::parse(call, &known)? {
            StepRequest::NoFile(said) => Err(NotDone::NoFile(said)),
            StepRequest::Itself(args) => itself(&self.endpoint, &args, &io, cancel).await,
            StepRequest::Compose(ask) if ask.does == Compose::Copy => {
                self.calls(true).await?.copy(&ask.words, true, call, io, cancel).await
            }
            StepRequest::Compose(ask) if ask.does == Compose::Exec => {
                self.calls(false).await?.exec_in_service(&ask.words, io, cancel).await
            }
            StepRequest::Compose(ask) => self.compose(ask, call, io, cancel).await,
            StepRequest::Docker(ask) => self.calls(ask.does == Docker::Copy).await?.docker(ask, call, io, cancel).await,
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

    async fn compose(
        &self,
        ask: Request<Compose>,
        call: &ToolCall,
        io: CallIo,
        cancel: &CancellationToken,
    ) -> Result<i32, NotDone> {
        let makes = matches!(ask.does, Compose::Up | Compose::Scale | Compose::Run | Compose::Config);
        let (endpoint, options) = match &self.files {
            Ok(files) if makes => {
                let mut options = files.options();
                options.extend(ask.profiles.iter().flat_map(|profile| ["--profile".to_string(), profile.clone()]));
                (self.with_variables(files, &options, &call.env, &io).await?, options)
            }
            Err(why) if makes => return Err(no_files(ask.name, why)),
            // What is there says enough: its labels.
            _ => (self.endpoint.clone(), Vec::new()),
        };
        let mut command = endpoint.command();
        command.arg("compose").args(["--project-name", &self.project]).args(options);
        // What the step gives to a container of its own stands on no command line: a file without a name adds it.
        let more = match (ask.does, ask.words.rest.first()) {
            (Compose::Run, Some(service)) if !ask.words.env.is_empty() => {
                let service = json!({ service: { "environment": with_more(None, &ask.words.env) } });
                Some(ModelFile::new(&json!({ "services": service }).to_string())?)
            }
            _ => None,
        };
        if let Some(more) = &more {
            command.args(["--file", &more.path()]);
        }
        if !makes {
            // Without a file of its own Compose would take one that it finds from here upwards.
            command.current_dir("/");
        }
        command.arg(ask.name).args(&ask.words.passed);
        if ask.name == "pull" {
            // As in a drill: the tags of the host's images are not a runbook's to move.
            command.arg("--policy=missing");
        }
        command.arg("--").args(&ask.words.rest);
        let stdin = (ask.does == Compose::Run).then_some(io.stdin);
        Ok(process::run(command, more.as_ref(), stdin, &io.out, &ProcessListing::default(), cancel).await?)
    }

    /// The engine with the variables of a step: they may say what a drill's may.
    async fn with_variables(
        &self,
        files: &ProjectFiles,
        options: &[String],
        env: &[(String, String)],
        io: &CallIo,
    ) -> Result<Endpoint, NotDone> {
        let endpoint = recreate::with_variables(&self.endpoint, files, env, &io.out).await?;
        let before = self.model(&self.endpoint, options).await?;
        let after = self.model(&endpoint, options).await?;
        guard::refuse_beyond(&before, &after)?;
        // What changes nothing is not handed on: it could only mean something to the command itself.
        Ok(if before == after { self.endpoint.clone() } else { endpoint })
    }

    async fn model(&self, endpoint: &Endpoint, options: &[String]) -> Result<Map<String, Value>, NotDone> {
        let name = ["--project-name".to_string(), self.project.clone()];
        let options = name.into_iter().chain(options.iter().cloned()).collect();
        let compose = ComposeCommand { endpoint: endpoint.clone(), options, redactor: self.secrets.redactor() };
        let output = compose.output(&["config", "--format", "json"]).await?;
        match serde_json::from_slice(&output.stdout) {
            Ok(Value::Object(model)) if output.status.success() => Ok(model),
            _ => Err(NotDone::Failed(String::from_utf8_lossy(&output.stderr).trim().to_string())),
        }
    }
}

fn no_files(command: &str, why: &str) -> NotDone {
    Refusal(format!("`docker compose {command}` needs the project's Compose file, and {why}")).into()
}
