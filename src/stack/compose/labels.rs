//! The labels by which Firedrill finds its own: on every container, network and volume of a drill, and on the
//! images that it makes. Whether something is its own says `ours`.

use super::errors::api;
use crate::stack::{RunIdentity, StackResult};
use bollard::Docker;
use bollard::models::{ImageSummary, Network, Volume};
use bollard::query_parameters::{ListImagesOptionsBuilder, ListNetworksOptionsBuilder, ListVolumesOptionsBuilder};
use std::collections::{BTreeMap, HashMap};

/// Id of the run.
pub const RUN: &str = "dev.firedrill.run";
/// Absolute path of the run's directory, where its lock file is.
pub const DIR: &str = "dev.firedrill.dir";
/// Id of the run again, when its stack is to be kept if the drill fails: an image that was made of a container hands on that of another run.
pub const KEEP: &str = "dev.firedrill.keep";
/// What one of the drill's own containers is for: `agent`, `proxy`, `toolbox`, `monitoring`.
pub const ROLE: &str = "dev.firedrill.role";
/// What an image is for: `agent`, `toolbox`, `monitoring`, `stack`.
pub const IMAGE: &str = "dev.firedrill.image";
/// Id of the only run that uses an image. Not `RUN`: its containers would have that from their image.
pub const IMAGE_RUN: &str = "dev.firedrill.image.run";
/// The directory of that run.
pub const IMAGE_DIR: &str = "dev.firedrill.image.dir";

/// Compose's label for the project.
pub const PROJECT: &str = "com.docker.compose.project";
/// Compose's label for the service.
pub const SERVICE: &str = "com.docker.compose.service";
/// Whether a service is one of the drill's own; no service of a team may have such a name. Labels do not tell: an image brings any of ours.
pub fn is_own(service: Option<&str>) -> bool {
    service.is_some_and(|service| service.starts_with("fd-"))
}

/// Compose's label for the name of a network in the Compose file.
pub const NETWORK: &str = "com.docker.compose.network";
/// Compose's label for the number of a container within its service.
pub const NUMBER: &str = "com.docker.compose.container-number";
/// Compose's label for containers of `docker compose run`.
pub const ONEOFF: &str = "com.docker.compose.oneoff";

/// Compose's label for the files of the project, separated by commas.
pub const CONFIG_FILES: &str = "com.docker.compose.project.config_files";
/// Compose's label for the project's directory.
pub const WORKING_DIR: &str = "com.docker.compose.project.working_dir";
/// Compose's label for the project's env files, separated by commas.
pub const ENV_FILES: &str = "com.docker.compose.project.environment_file";

/// The labels of everything that belongs to a run.
pub fn of_run(run: &RunIdentity) -> BTreeMap<&'static str, String> {
    let keep = run.keep.then(|| (KEEP, run.id.clone()));
    [(RUN, run.id.clone()), (DIR, run.dir.display().to_string())].into_iter().chain(keep).collect()
}

/// Labels, each with its value, or with any.
pub type LabelFilter<'a> = &'a [(&'a str, Option<&'a str>)];

/// A filter of the Docker API: `label=<key>=<value>` for each, or `label=<key>` for any value.
pub fn filter(by: LabelFilter<'_>) -> HashMap<String, Vec<String>> {
    let label = |(key, value): &(&str, Option<&str>)| match value {
        Some(value) => format!("{key}={value}"),
        None => key.to_string(),
    };
    HashMap::from([("label".to_string(), by.iter().map(label).collect())])
}

/// The networks with a label.
///
/// # Errors
/// `Environment` when the engine does not answer.
pub async fn networks(docker: &Docker, key: &str, value: Option<&str>) -> StackResult<Vec<Network>> {
    let options = ListNetworksOptionsBuilder::default().filters(&filter(&[(key, value)])).build();
    docker.list_networks(Some(options)).await.map_err(api("listing networks"))
}

/// The volumes with a label.
///
/// # Errors
/// `Environment` when the engine does not answer.
pub async fn volumes(docker: &Docker, key: &str, value: Option<&str>) -> StackResult<Vec<Volume>> {
    let options = ListVolumesOptionsBuilder::default().filters(&filter(&[(key, value)])).build();
    Ok(docker.list_volumes(Some(options)).await.map_err(api("listing volumes"))?.volumes.unwrap_or_default())
}

/// The images with a label.
///
/// # Errors
/// `Environment` when the engine does not answer.
pub async fn images(docker: &Docker, key: &str, value: Option<&str>) -> StackResult<Vec<ImageSummary>> {
    let options = ListImagesOptionsBuilder::default().filters(&filter(&[(key, value)])).build();
    docker.list_images(Some(options)).await.map_err(api("listing images"))
}
