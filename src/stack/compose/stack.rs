//! `ComposeStack`: the one stack trait, carried out by Docker Compose and the Docker API.

use super::builds::Builds;
use super::bundle::{HOME, carry_bundle};
use super::command::ComposeCommand;
use super::endpoint::Endpoint;
use super::errors::{api, environment};
use super::execute::{self, ContainerTarget};
use super::findings::findings;
use super::images::AgentImage;
use super::model::{self, ResolvedModel};
use super::owner::Owner;
use super::platform::ResolvedCompose;
use super::steps::{Making, StepTarget, StepTools};
use super::transform::{Drill, Recipe, transform};
use super::{bypass, containers, files, labels, logs, processes, release, remove, secrets};
use crate::record::{Redactor, Secret, Secrets, UsageSample};
use crate::stack::changes::WatchedEnds;
use crate::stack::tools::clean_calls;
use crate::stack::{
    AgentRole, Channel, ContainerOp, ContainerState, Ending, ExecResult, FileAnswer, FileAsk, Finding, Fingerprint,
    Fingerprints, NetworkNames, Place, ProxyBypass, Release, RunIdentity, Stack, StackDown, StackError, StackOptions,
    StackRequest, StackResult, StackUp, TOOLBOX, Tools,
};
use async_trait::async_trait;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

/// How long `docker compose down` may take before everything is removed by force.
const DOWN_WITHIN: Duration = Duration::from_secs(45);
/// How long `docker compose up` of one service may take.
pub(super) const UP_WITHIN: Duration = Duration::from_secs(20);

/// A Compose project of one drill. Clones are the same project.
#[derive(Debug, Clone)]
pub struct ComposeStack {
    pub(super) endpoint: Endpoint,
    pub(super) model: ResolvedModel,
    pub(super) spec: StackRequest,
    pub(super) run: RunIdentity,
    pub(super) options: StackOptions,
    /// Compose project name.
    pub project: String,
    /// First characters of a hash of the run's id.
    pub(super) short: String,
    secrets: Vec<Secret>,
    /// What hides the secrets.
    pub(super) redactor: Redactor,
    /// Processor time of every container that was ever seen, in microseconds: those that a runbook replaced have used some, too.
    used: Arc<Mutex<BTreeMap<String, u64>>>,
    pub(super) started: Arc<Mutex<Started>>,
}

/// What `up` has done so far, for `down`.
#[derive(Debug, Default)]
pub(super) struct Started {
    /// The model that `docker compose up` was given.
    pub model: Option<Value>,
    /// How many commands are making containers now, or were cut off: where it is not 0, the engine may be making one that nobody
    /// knows yet.
    pub making: usize,
    /// The volumes without a name that its containers had: one that is removed alone leaves them behind.
    pub volumes: BTreeSet<String>,
    /// The processes that faults have started, each with what is seen of the ends of its containers.
    pub processes: BTreeMap<String, WatchedEnds>,
    /// Profiles that steps have enabled.
    pub profiles: Vec<String>,
    /// Service → the variables that a release of it has set, for whoever makes the model again.
    pub released: BTreeMap<String, BTreeMap<String, String>>,
    /// What the model was made with, to make it again.
    pub recipe: Option<Recipe>,
    /// Directory in which sessions begin → the directories of this machine for which it may stand after what steps have called.
    pub bases: BTreeMap<String, Vec<PathBuf>>,
}

impl ComposeStack {
    /// The stack of a model that was resolved before; starts nothing. What cannot be allowed in a drill is among the
    /// `findings`, and `up` refuses it.
    ///
    /// # Errors
    /// `Environment` when the run's directory cannot be found.
    pub fn of(of: &ResolvedCompose, run: &RunIdentity, options: &StackOptions, engine: &Endpoint) -> StackResult<Self> {
        let (model, spec) = (of.model.clone(), &of.request);
        let (endpoint, run) = engine.for_run(run)?;
        let secrets = secrets::secrets(&model, &secrets::variables(&secrets::env_files(spec)));
        let redactor = Redactor::new(secrets.clone()).with(options.secrets.clone());
        let Owner { project, short, .. } = Owner::of(&run.id);
        Ok(ComposeStack {
            endpoint,
            model,
            spec: spec.clone(),
            project,
            run,
            options: options.clone(),
            short,
            secrets,
            redactor,
            used: Arc::default(),
            started: Arc::default(),
        })
    }

    /// Everything that there is to say about drilling the stack, errors included.
    pub fn findings(&self) -> Vec<Finding> {
        findings(&self.model, &self.spec)
    }

    /// What cannot be allowed in a drill, as an error.
    pub(super) fn refuse_errors(&self) -> StackResult<()> {
        let wrong: Vec<Finding> = self.findings().into_iter().filter(|finding| finding.error).collect();
        let Some(first) = wrong.first() else { return Ok(()) };
        let cause = wrong.iter().map(|finding| finding.message.as_str()).collect::<Vec<_>>().join("; ");
        let operation = format!("preparing {}", self.spec.file.display());
        Err(StackError::Environment { operation, cause, hint: first.help.clone() })
    }

    /// Compose on this drill's project; the model comes on its standard input.
    pub(super) fn compose(&self, cancel: &CancellationToken) -> ComposeCommand {
        let directory = self.model.directory.display().to_string();
        let project = ["--project-directory", &directory, "--project-name", &self.project];
        let options = project.iter().chain(&model::RESOLVED).map(|option| option.to_string()).collect();
        let mut endpoint = self.endpoint.clone();
        self.model.given.iter().for_each(|(name, value)| endpoint.set(&model::given_as(name), value));
        ComposeCommand { options, ..ComposeCommand::of(endpoint, self.redactor.clone(), &self.run.dir, cancel) }
    }

    pub(super) fn started(&self) -> std::sync::MutexGuard<'_, Started> {
        crate::locked(&self.started)
    }

    /// The services in a model of this drill that steps may name: the team's, and the processes that were started.
    pub(super) fn named_in(&self, model: &Value) -> Vec<String> {
        let (started, all) = (self.started(), model["services"].as_object().into_iter().flatten());
        let is_process = |name: &str| self.spec.processes.iter().any(|process| process.name == name);
        let is_meant = |name: &&String| started.processes.contains_key(*name) || !is_process(name);
        all.map(|(name, _)| name).filter(|name| !labels::is_own(Some(name))).filter(is_meant).cloned().collect()
    }

    /// The first running container of a service.
    pub(super) async fn running(&self, service: &str) -> StackResult<String> {
        containers::running(&self.endpoint.docker, &self.project, service).await
    }

    fn target<'a>(&'a self, id: &'a str) -> ContainerTarget<'a> {
        ContainerTarget { docker: &self.endpoint.docker, id }
    }

    /// The image of its agents, once it was started.
    fn agent(&self) -> Option<AgentImage> {
        self.started().recipe.as_ref().and_then(|recipe| Some(recipe.own.as_ref()?.agent.clone()))
    }

    /// `docker compose up` of one service from a model, and of nothing that it depends on.
    pub(super) async fn up_service(&self, of: &str, more: &[&str], log: &str, model: &Value) -> StackResult<()> {
        let up: &[&str] = &["up", "--detach", "--no-build", "--no-deps", "--quiet-pull"];
        let (making, compose) = (Making::of(&self.started), self.compose(&CancellationToken::new()));
        let ran = compose.run(&[up, more, &["--", of]].concat(), log, UP_WITHIN, Some(model)).await?;
        if ran.status.is_some() {
            making.over();
        }
        if ran.succeeded() { Ok(()) } else { Err(environment(format!("starting `{of}`"), ran.failure())) }
    }

    /// Builds what is missing of the team's images. Returns the model without anything of ours, for what else must be there before the stack
    /// is started.
    pub(super) async fn build(&self, by: &ComposeCommand, model: &ResolvedModel, of: &Builds) -> StackResult<Value> {
        let recipe = Recipe { builds: of.clone(), ..Recipe::default() };
        let model = self.transformed(model, &self.spec, &recipe);
        of.build(by, &model).await?;
        Ok(model)
    }

    /// A model of the team's as this drill starts it.
    pub(super) fn transformed(&self, model: &ResolvedModel, spec: &StackRequest, recipe: &Recipe) -> Value {
        transform(model, spec, &Drill { project: &self.project, run: &self.run, recipe })
    }

    /// Notes which volumes without a name its containers have now, and says of which service each is, if not of a container of
    /// `docker compose run`. What cannot be seen is found at the next look.
    pub(super) async fn note_volumes(&self) -> Option<BTreeMap<String, Option<String>>> {
        let by = [(labels::RUN, Some(self.run.id.as_str()))];
        let found = Owner::of(&self.run.id).containers(&self.endpoint.docker, &by).await.ok()?;
        let volumes = found.iter().flat_map(|container| {
            let label = |key| containers::listed_label(container, key);
            let service = label(labels::SERVICE).filter(|_| label(labels::ONEOFF) != Some("True"));
            remove::unnamed_volumes(container).map(move |volume| (volume, service.map(str::to_string)))
        });
        let all: BTreeMap<_, _> = volumes.collect();
        self.started().volumes.extend(all.keys().cloned());
        Some(all)
    }
}

#[async_trait]
impl Stack for ComposeStack {
    async fn up(&self, cancel: &CancellationToken) -> StackResult<StackUp> {
        let up = super::up::up(self, cancel).await;
        self.note_volumes().await;
        up
    }

    async fn proxy_is_bypassed(&self, service: &str) -> StackResult<ProxyBypass> {
        bypass::of(self, service).await
    }

    async fn network_names(&self) -> StackResult<NetworkNames> {
        let all = containers::inspected(&self.endpoint.docker, &[(labels::PROJECT, Some(&self.project))]).await?;
        // Those of `docker compose run` count as well: with `--use-aliases` they answer to the name of their service.
        let teams = all.iter().filter(|container| !labels::is_own(containers::label(container, labels::SERVICE)));
        Ok(teams.flat_map(|container| bypass::names_of(&containers::state(container), &self.project)).collect())
    }

    async fn connect(&self, role: &AgentRole) -> StackResult<Channel> {
        let (service, agent) = (role.name(), self.agent());
        let (container, what) = (self.running(&service).await?, format!("the agent {service}"));
        self.target(&container).open(agent.as_ref(), &["agent", "control"], &what).await
    }

    async fn shell(&self, place: &Place) -> StackResult<Channel> {
        let service = if let Place::Service(service) = place { service.as_str() } else { TOOLBOX };
        let container = self.running(service).await?;
        let docker = &self.endpoint.docker;
        let bundled = format!("{HOME}/firedrill");
        let has_bundle = containers::path_in(docker, &container, &bundled);
        // A minimal image has neither bash nor our C library.
        if service != TOOLBOX && has_bundle.await.map_err(api(format!("looking into `{service}`")))?.is_none() {
            let agent = self.running(&AgentRole::Drill.name()).await?;
            carry_bundle(docker, &agent, &container, service).await?;
        }
        self.target(&container).shell(self.agent().as_ref(), place).await
    }

    fn tools(&self, place: &Place, secrets: &Secrets) -> Arc<dyn Tools> {
        let target = StepTarget::Drill(Box::new(self.clone()));
        Arc::new(StepTools { target, place: place.clone(), secrets: secrets.clone() })
    }

    async fn containers(&self, service: &str) -> StackResult<Vec<ContainerState>> {
        containers::of_service(&self.endpoint.docker, &self.project, service).await
    }

    async fn operate(&self, container: &str, op: &ContainerOp) -> StackResult<()> {
        containers::operate(&self.endpoint.docker, &self.run.id, container, op).await
    }

    async fn exec_full(&self, service: &str, command: &[String], whole: bool, within: Duration) -> ExecResult {
        self.target(&self.running(service).await?).run(service, command, whole, within).await
    }

    async fn read_file(&self, service: &str, path: &str) -> StackResult<Vec<u8>> {
        let operation = format!("reading `{path}` from `{service}`");
        let all = containers::of_service(&self.endpoint.docker, &self.project, service).await?;
        let first = all.first().ok_or_else(|| environment(&operation, "it has no container"))?;
        execute::read_file(&self.endpoint, &first.id, path, &operation).await
    }

    async fn files(&self, service: &str, ask: &FileAsk) -> StackResult<FileAnswer> {
        files::files_in(&self.endpoint, &self.run.id, service, ask).await
    }

    async fn preview(&self, service: &str, release: &Release) -> StackResult<Fingerprint> {
        release::preview(self, service, release).await
    }

    async fn fingerprints(&self, service: &str) -> StackResult<Fingerprints> {
        release::fingerprints(self, service).await
    }

    async fn deploy(&self, service: &str, release: Option<&Release>) -> StackResult<()> {
        release::deploy(self, service, release).await
    }

    async fn start_process(&self, name: &str) -> StackResult<()> {
        let ends = processes::watch_ends(self.endpoint.docker.clone(), &self.project, name);
        let model = processes::note(self, name, Some(ends))?;
        self.up_service(name, &[], "process.log", &model).await
    }

    async fn remove_process(&self, name: &str) -> StackResult<Vec<String>> {
        processes::note(self, name, None)?;
        remove::remove_service_in(&self.endpoint, &self.run.id, name).await
    }

    async fn endings(&self, name: &str) -> Vec<Ending> {
        self.started().processes.get(name).map(WatchedEnds::seen).unwrap_or_default()
    }

    fn environment(&self, service: &str) -> BTreeMap<String, String> {
        self.model.environment(service)
    }

    fn secrets(&self) -> Vec<Secret> {
        self.secrets.clone()
    }

    fn how_to_look(&self) -> Vec<String> {
        let project = &self.project;
        vec![
            format!("look:    docker compose -p {project} ps"),
            format!("         docker compose -p {project} logs SERVICE"),
            format!("         docker exec -it {project}-{TOOLBOX}-1 bash"),
            format!("remove:  firedrill sweep --kept {}", self.run.id),
        ]
    }

    fn services(&self) -> Vec<String> {
        self.model.services()
    }

    fn hosts(&self) -> Vec<String> {
        self.model.hosts()
    }

    async fn usage(&self) -> StackResult<Option<UsageSample>> {
        self.note_volumes().await;
        containers::usage(&self.endpoint.docker, &self.run.id, &self.used).await.map(Some)
    }

    async fn save_logs(&self, dir: &Path, redactor: &Redactor) -> StackResult<()> {
        clean_calls(dir, redactor).await?;
        logs::save(&self.endpoint.docker, &self.project, dir, redactor).await
    }

    async fn down(&self) -> StackResult<StackDown> {
        let model = self.started().model.clone();
        let making = self.started().making;
        let (began, docker, owner) = (Instant::now(), &self.endpoint.docker, Owner::of(&self.run.id));
        self.note_volumes().await;
        if let Some(model) = &model {
            remove::unpause(docker, &remove::find(docker, &owner).await.unwrap_or_default().own).await;
            let compose = self.compose(&CancellationToken::new());
            let down = ["down", "--volumes", "--remove-orphans", "--timeout", "2"];
            // What it leaves is removed by label afterwards.
            let _ = compose.run(&down, "down.log", DOWN_WITHIN, Some(model)).await;
        }
        let took = began.elapsed();
        let quiet = if making > 0 { remove::QUIET } else { Duration::ZERO };
        let mut left = remove::down(docker, &owner, quiet).await.left;
        let volumes = std::mem::take(&mut self.started().volumes);
        left.extend(remove::remove_volumes(docker, volumes).await);
        Ok(StackDown { took, left })
    }
}
