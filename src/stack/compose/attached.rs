//! A stack that is up already, or none: for following a runbook alone. A Compose project is known as its containers tell it: services,
//! networks, environments, and the files that it was made from. Firedrill starts one toolbox of its own, on the networks of the project, and
//! removes it again; of the project it touches nothing but what the runbook's commands do.

use super::bundle::carry_bundle;
use super::command::ComposeCommand;
use super::endpoint::{Endpoint, RunEndpoint};
use super::errors::{api, environment};
use super::execute::ContainerTarget;
use super::images::{self, AgentImage};
use super::model::ProjectFiles;
use super::owner::Owner;
use super::secrets::guessed;
use super::steps::{StepTarget, StepTools};
use super::transform::TOOLBOX_PIDS;
use super::{containers, labels, remove};
use crate::record::{Redactor, Secret, Secrets};
use crate::stack::tools::clean_calls;
use crate::stack::{
    Channel, ContainerState, NoTools, Place, Published, RunIdentity, Stack, StackDown, StackError, StackOptions,
    StackResult, StackUp, ToolboxRequest, Tools,
};
use async_trait::async_trait;
use bollard::models::{ContainerCreateBody, HostConfig, NetworkConnectRequest};
use bollard::query_parameters::{CreateContainerOptionsBuilder, StartContainerOptions};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

/// Memory of the toolbox, in bytes: dumps and restores run here.
const MEMORY: i64 = 1 << 30;

/// The toolbox of a runbook that is followed alone, beside a project that is up or beside nothing.
#[derive(Debug)]
pub struct AttachedStack {
    endpoint: Endpoint,
    run: RunIdentity,
    options: StackOptions,
    /// The project; without one its name is empty.
    project: RunningProject,
    wanted: ToolboxRequest,
    /// The toolbox, and the image with the agent that it was given.
    started: OnceLock<(String, AgentImage)>,
    /// Containers that have this executable's bundle by now.
    carried: Mutex<BTreeSet<String>>,
}

impl AttachedStack {
    /// A toolbox beside `project`, or beside nothing; starts nothing.
    pub fn new(project: Option<RunningProject>, wanted: ToolboxRequest, run: RunEndpoint, of: &StackOptions) -> Self {
        let project = project.unwrap_or_default();
        let ((endpoint, run), options) = (run, of.clone());
        let (started, carried) = (OnceLock::new(), Mutex::default());
        AttachedStack { endpoint, run, options, project, wanted, started, carried }
    }

    async fn start(&self, cancel: &CancellationToken) -> StackResult<StackUp> {
        let redactor = Redactor::new(self.secrets());
        let compose = ComposeCommand::of(self.endpoint.clone(), redactor, &self.run.dir, cancel);
        let began = Instant::now();
        let agent = images::agent(&compose, &self.options).await?;
        let named = self.wanted.image.as_deref();
        let image = images::TOOLBOX_IMAGE.ensure(&compose, named, &agent).await?;
        let build_took = began.elapsed();
        let up = Instant::now();
        let docker = &self.endpoint.docker;
        let run = RunIdentity { keep: false, ..self.run.clone() };
        let labels = labels::of_run(&run).into_iter().chain([(labels::ROLE, "toolbox".to_string())]);
        let mut networks = self.project.networks.iter().cloned();
        let host = HostConfig { network_mode: networks.next(), ..limited() };
        let body = ContainerCreateBody {
            image: Some(image),
            entrypoint: Some(agent.command(&[])),
            cmd: Some(self.project.published.arguments()),
            // An image that somebody named has one of its own.
            working_dir: self.wanted.directory.clone().or(self.directory().filter(|_| self.wanted.image.is_none())),
            stop_signal: Some("SIGKILL".into()),
            labels: Some(labels.map(|(key, value)| (key.to_string(), value)).collect()),
            host_config: Some(host),
            ..ContainerCreateBody::default()
        };
        let options = CreateContainerOptionsBuilder::default().name(&Owner::of(&self.run.id).lone_toolbox()).build();
        let starting = "starting the toolbox";
        let created = docker.create_container(Some(options), body).await.map_err(api(starting))?;
        for network in networks {
            let request = NetworkConnectRequest { container: created.id.clone(), endpoint_config: None };
            docker.connect_network(&network, request).await.map_err(api(format!("joining the network {network}")))?;
        }
        docker.start_container(&created.id, None::<StartContainerOptions>).await.map_err(api(starting))?;
        let _ = self.started.set((created.id, agent));
        Ok(StackUp {
            project: self.project.name.clone(),
            localhost: self.project.published.named(),
            build_took,
            up_took: up.elapsed(),
            ..StackUp::default()
        })
    }

    /// Where the project lies: its runbook may go there, and name its files by their paths.
    fn directory(&self) -> Option<String> {
        self.project.files.as_ref()?.directory.to_str().filter(|path| path.starts_with('/')).map(str::to_string)
    }

    /// The project, in which a service is looked for.
    fn project_of(&self, service: &str) -> StackResult<&str> {
        let none = || environment(format!("finding `{service}`"), "there is no Compose project to look in");
        Some(self.project.name.as_str()).filter(|name| !name.is_empty()).ok_or_else(none)
    }
}

/// How the toolbox runs: with an end to what its steps can use of the machine.
fn limited() -> HostConfig {
    HostConfig { init: Some(true), memory: Some(MEMORY), pids_limit: Some(TOOLBOX_PIDS), ..HostConfig::default() }
}

#[async_trait]
impl Stack for AttachedStack {
    async fn up(&self, cancel: &CancellationToken) -> StackResult<StackUp> {
        cancel.run_until_cancelled(self.start(cancel)).await.unwrap_or(Err(StackError::Cancelled))
    }

    async fn shell(&self, place: &Place) -> StackResult<Channel> {
        let none = || environment("finding the toolbox", "it was not started");
        let ((toolbox, agent), docker) = (self.started.get().ok_or_else(none)?, &self.endpoint.docker);
        let container = match place {
            Place::Toolbox => toolbox.clone(),
            Place::Service(service) => {
                let container = containers::running(docker, self.project_of(service)?, service).await?;
                // Once for each container: another Firedrill may have left another bundle there.
                if crate::locked(&self.carried).insert(container.clone()) {
                    carry_bundle(docker, toolbox, &container, service).await?;
                }
                container
            }
        };
        ContainerTarget { docker, id: &container }.shell(Some(agent), place).await
    }

    fn tools(&self, place: &Place, secrets: &Secrets) -> Arc<dyn Tools> {
        let started = self.started.get().filter(|_| !self.project.name.is_empty());
        let Some((toolbox, _)) = started else { return Arc::new(NoTools) };
        let target = StepTarget::Project {
            name: self.project.name.clone(),
            files: self.project.files.clone(),
            endpoint: Box::new(self.endpoint.clone()),
            dir: self.run.dir.clone(),
            toolbox: toolbox.clone(),
        };
        Arc::new(StepTools { target, place: place.clone(), secrets: secrets.clone() })
    }

    async fn containers(&self, service: &str) -> StackResult<Vec<ContainerState>> {
        containers::of_service(&self.endpoint.docker, self.project_of(service)?, service).await
    }

    fn environment(&self, service: &str) -> BTreeMap<String, String> {
        self.project.environments.get(service).cloned().unwrap_or_default()
    }

    fn secrets(&self) -> Vec<Secret> {
        self.project.secrets.iter().cloned().map(Secret::from).collect()
    }

    fn services(&self) -> Vec<String> {
        self.project.services()
    }

    async fn save_logs(&self, dir: &Path, redactor: &Redactor) -> StackResult<()> {
        // The containers' are the team's, and the team has them.
        clean_calls(dir, redactor).await
    }

    async fn down(&self) -> StackResult<StackDown> {
        // Where it was not seen to start, the engine may still be making it.
        let quiet = if self.started.get().is_some() { Duration::ZERO } else { remove::QUIET };
        Ok(remove::down(&self.endpoint.docker, &Owner::of(&self.run.id), quiet).await)
    }
}

/// A Compose project as it is up.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::stack) struct RunningProject {
    /// Its name.
    pub name: String,
    /// The networks that its containers are on.
    pub(super) networks: BTreeSet<String>,
    /// Values from the environments of its containers that must never be shown.
    pub(super) secrets: Vec<String>,
    /// Each service that has a container → what its first container has in its environment.
    pub(super) environments: BTreeMap<String, BTreeMap<String, String>>,
    /// The ports of the host that lead to its services.
    pub(super) published: Published,
    /// What it is made from, if that is known here.
    pub(super) files: Option<ProjectFiles>,
}

impl RunningProject {
    /// Its services that have a container, in the order of their names.
    pub fn services(&self) -> Vec<String> {
        self.environments.keys().cloned().collect()
    }
}

impl ProjectFiles {
    /// From the labels of one container.
    fn of(labels: &HashMap<String, String>) -> ProjectFiles {
        let paths = |key: &str| {
            let all = labels.get(key).map(String::as_str).unwrap_or_default();
            all.split(',').filter(|path| !path.is_empty()).map(PathBuf::from).collect::<Vec<_>>()
        };
        let directory = paths(labels::WORKING_DIR).into_iter().next().unwrap_or_default();
        ProjectFiles { files: paths(labels::CONFIG_FILES), directory, env_files: paths(labels::ENV_FILES) }
    }

    /// The one that all containers agree on, if it is on this machine.
    fn agreed(all: &[ProjectFiles]) -> Option<ProjectFiles> {
        let (first, rest) = all.split_first()?;
        let is_here = first.files.iter().chain(&first.env_files).all(|file| file.is_file()) && first.directory.is_dir();
        (rest.iter().all(|other| other == first) && !first.files.is_empty() && is_here).then(|| first.clone())
    }
}

/// The names of the Compose projects of which a container is there, without drills.
///
/// # Errors
/// `Environment` when the engine does not answer.
pub(super) async fn projects(endpoint: &Endpoint) -> StackResult<Vec<String>> {
    let found = containers::list(&endpoint.docker, &[(labels::PROJECT, None)]).await?;
    let labels = found.into_iter().filter_map(|container| container.labels);
    let teams = labels.filter_map(|mut labels| Some((labels.remove(labels::RUN), labels.remove(labels::PROJECT)?)));
    let names = teams.filter(|(run, project)| !is_of_drill(run.as_deref(), project)).map(|(_, project)| project);
    Ok(names.collect::<BTreeSet<String>>().into_iter().collect())
}

/// Whether a container with this label of a run is of its drill, being in this Compose project. One of the team's has the label, too,
/// when its image was made of a container of a drill.
pub(super) fn is_of_drill(run: Option<&str>, project: &str) -> bool {
    run.is_some_and(|run| Owner::of(run).project == project)
}

/// A Compose project by its name; `None` when it has no container.
///
/// # Errors
/// `Environment` when the engine does not answer.
pub(super) async fn running_project(endpoint: &Endpoint, name: &str) -> StackResult<Option<RunningProject>> {
    let found = containers::inspected(&endpoint.docker, &[(labels::PROJECT, Some(name))]).await?;
    let mut project = RunningProject { name: name.to_string(), ..RunningProject::default() };
    let mut files = Vec::new();
    for container in &found {
        let config = container.config.as_ref();
        // A container of `docker compose run` may have been given more than the project is made from.
        let oneoff = containers::label(container, labels::ONEOFF) == Some("True");
        files.extend(config.and_then(|config| config.labels.as_ref()).filter(|_| !oneoff).map(ProjectFiles::of));
        let joined = container.network_settings.as_ref().and_then(|settings| settings.networks.as_ref());
        let shared = |network: &&String| !matches!(network.as_str(), "host" | "none");
        project.networks.extend(joined.into_iter().flat_map(HashMap::keys).filter(shared).cloned());
        let env = config.and_then(|config| config.env.as_ref());
        let variables = env.into_iter().flatten().filter_map(|entry| entry.split_once('='));
        project.secrets.extend(variables.clone().flat_map(|(name, value)| guessed(name, value)));
        let variables = variables.map(|(name, value)| (name.to_string(), value.to_string()));
        if let Some(service) = containers::label(container, labels::SERVICE) {
            project.published.add_container(service, container);
            project.environments.entry(service.to_string()).or_insert_with(|| variables.collect());
        }
    }
    project.files = ProjectFiles::agreed(&files);
    Ok((!found.is_empty()).then_some(project))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_toolbox_of_a_runbook_alone_has_the_limits_of_a_drills() {
        assert_eq!((limited().pids_limit, limited().memory), (Some(1024), Some(1 << 30)));
    }
}

#[cfg(test)]
mod project_tests {
    use super::*;

    #[test]
    fn files_of_a_project_count_when_its_containers_agree_and_they_are_here() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name).display().to_string();
        let labels = |files: String| {
            ProjectFiles::of(&HashMap::from([
                (labels::CONFIG_FILES.to_string(), files),
                (labels::WORKING_DIR.to_string(), dir.path().display().to_string()),
            ]))
        };
        let both = labels(format!("{},{}", at("a.yaml"), at("b.yaml")));
        assert_eq!(ProjectFiles::agreed(std::slice::from_ref(&both)), None, "a.yaml is not on this machine");
        for name in ["a.yaml", "b.yaml"] {
            std::fs::write(at(name), "").unwrap();
        }
        assert_eq!(ProjectFiles::agreed(&[both.clone(), both.clone()]).as_ref(), Some(&both));
        assert_eq!(ProjectFiles::agreed(&[both, labels(at("a.yaml"))]), None, "several");
        assert!(ProjectFiles::agreed(&[ProjectFiles::default()]).is_none() && ProjectFiles::agreed(&[]).is_none());
        assert!(ProjectFiles::agreed(&[labels("-".into())]).is_none(), "a model that came on standard input");
    }

    #[test]
    fn secrets_of_a_container_are_known_by_name_and_by_value() {
        assert_eq!(guessed("POSTGRES_PASSWORD", "hunter22"), ["hunter22"]);
        assert_eq!(guessed("DATABASE", "postgres://shop:hunter22@db/shop"), ["hunter22"]);
        assert!(guessed("PATH", "/usr/bin").is_empty());
    }
}
