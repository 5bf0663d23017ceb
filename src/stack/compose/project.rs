//! A Compose project that is up, as its containers tell it: services, networks, environments, and the files that it was
//! made from.

use super::endpoint::Endpoint;
use super::model::ProjectFiles;
use super::owner::Owner;
use super::secrets::guessed;
use super::{containers, labels};
use crate::stack::{Published, StackResult};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::PathBuf;

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
