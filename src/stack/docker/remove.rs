//! Removing a drill by its labels alone: for what `docker compose down` leaves, for the reaper and the sweep, which
//! have no model. Idempotent; ends with a look for anything left.

use super::containers;
use super::endpoint::Endpoint;
use super::errors::{api, environment, is_status};
use super::{images, labels};
use crate::stack::{StackDown, StackError};
use bollard::Docker;
use bollard::errors::Error as ApiError;
use bollard::query_parameters::{
    ListNetworksOptionsBuilder, ListVolumesOptionsBuilder, RemoveContainerOptionsBuilder, RemoveImageOptionsBuilder,
    RemoveVolumeOptions,
};
use futures_util::StreamExt;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Until then everything must be gone; a container with a slow storage driver takes a second or two.
const DEADLINE: Duration = Duration::from_secs(60);
/// Between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// How long nothing must turn up before a run whose end was not orderly counts as removed: the engine may still be
/// carrying out the last request of a `compose up` that was killed.
pub(super) const QUIET: Duration = Duration::from_secs(1);
/// Until then the containers of one service must be gone.
const SERVICE_WITHIN: Duration = Duration::from_secs(10);
/// Containers removed at the same time.
const AT_ONCE: usize = 8;

/// Removes every container, network and volume of a run, whatever its state, and the images that only it used. Needs nothing but the run's id.
pub async fn remove_run(endpoint: &Endpoint, run: &str) -> StackDown {
    remove(&endpoint.docker, &[(labels::RUN, run)], QUIET).await
}

/// Removes the containers of one service of a run, whatever their state, and returns their names once they are gone: two looks
/// in a row must find none, as one may be made just now. Needs nothing but the two names.
///
/// # Errors
/// `Environment` when the engine does not answer, or a container stays.
pub async fn remove_service_in(endpoint: &Endpoint, run: &str, service: &str) -> Result<Vec<String>, StackError> {
    let docker = &endpoint.docker;
    let by = [(labels::RUN, Some(run)), (labels::SERVICE, Some(service))];
    let (started, mut removed, mut none_before) = (Instant::now(), Vec::new(), false);
    loop {
        let found = containers::list(docker, &by).await?;
        if found.is_empty() && none_before {
            return Ok(removed);
        }
        none_before = found.is_empty();
        if !none_before && started.elapsed() > SERVICE_WITHIN {
            let left = found.into_iter().flat_map(|container| container.names.unwrap_or_default());
            let left = left.collect::<Vec<_>>().join(", ");
            return Err(environment(format!("removing `{service}`"), format!("still there: {left}")));
        }
        for container in found {
            let paused = container.state.is_some_and(|state| state.to_string() == "paused");
            let name = container.names.and_then(|names| names.into_iter().next()).unwrap_or_default();
            let name = name.trim_start_matches('/').to_string();
            remove_container(docker.clone(), container.id.unwrap_or_default(), paused).await;
            if !removed.contains(&name) {
                removed.push(name);
            }
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// Something that carries a drill's label.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Thing {
    /// A container; `paused` needs an unpause first.
    Container {
        name: String,
        paused: bool,
    },
    Network {
        name: String,
    },
    Volume {
        name: String,
    },
    /// An image that only this drill uses.
    Image {
        name: String,
    },
}

impl Thing {
    /// `container x`, `network y`, `volume z`, `image i`.
    pub(super) fn text(&self) -> String {
        match self {
            Thing::Container { name, .. } => format!("container {name}"),
            Thing::Network { name } => format!("network {name}"),
            Thing::Volume { name } => format!("volume {name}"),
            Thing::Image { name } => format!("image {name}"),
        }
    }
}

/// Everything with one of these labels, by id, so that what carries two of them counts once.
pub(super) async fn find(docker: &Docker, by: &[(&str, &str)]) -> Result<BTreeMap<String, Thing>, StackError> {
    let mut found = BTreeMap::new();
    for (key, value) in by {
        for container in containers::list(docker, &[(key, Some(value))]).await? {
            let id = container.id.unwrap_or_default();
            let name = container.names.and_then(|names| names.into_iter().next()).unwrap_or_else(|| id.clone());
            let name = name.trim_start_matches('/').to_string();
            let paused = container.state.is_some_and(|state| state.to_string() == "paused");
            found.insert(id, Thing::Container { name, paused });
        }
        let filters = labels::filter(key, Some(value));
        let options = ListNetworksOptionsBuilder::default().filters(&filters).build();
        for network in docker.list_networks(Some(options)).await.map_err(api("listing networks"))? {
            let id = network.id.unwrap_or_default();
            found.insert(id.clone(), Thing::Network { name: network.name.unwrap_or(id) });
        }
        let options = ListVolumesOptionsBuilder::default().filters(&filters).build();
        let volumes = docker.list_volumes(Some(options)).await.map_err(api("listing volumes"))?;
        for volume in volumes.volumes.unwrap_or_default() {
            found.insert(format!("volume {}", volume.name), Thing::Volume { name: volume.name });
        }
        // By the run only: Compose labels images that many drills share with the project that happened to build them.
        let images = if *key == labels::RUN { images::of_run(docker, Some(value)).await? } else { Vec::new() };
        for name in images.into_iter().flat_map(|image| image.repo_tags) {
            found.insert(format!("image {name}"), Thing::Image { name });
        }
    }
    Ok(found)
}

/// Removes everything with one of these labels and looks again, until nothing has turned up for `quiet` or the
/// deadline has passed.
pub(super) async fn remove(docker: &Docker, by: &[(&str, &str)], quiet: Duration) -> StackDown {
    let started = Instant::now();
    let mut quiet_since: Option<Instant> = None;
    let left = loop {
        let late = started.elapsed() > DEADLINE;
        match find(docker, by).await {
            Ok(found) if found.is_empty() => {
                let since = *quiet_since.get_or_insert_with(Instant::now);
                if since.elapsed() >= quiet {
                    break Vec::new();
                }
            }
            Ok(found) if late => break found.values().map(Thing::text).collect(),
            Ok(found) => {
                quiet_since = None;
                remove_all(docker, &found).await;
                if quiet.is_zero() && !late {
                    // Usually that was all: look at once, and wait only when something resists.
                    let left = find(docker, by).await;
                    if left.is_ok_and(|left| left.is_empty()) {
                        break Vec::new();
                    }
                }
            }
            // Nobody knows what is left when the engine does not answer: that is not nothing.
            Err(error) if late => break vec![format!("unknown: {error}")],
            Err(_) => quiet_since = None,
        }
        tokio::time::sleep(LOOK_EVERY).await;
    };
    StackDown { took: started.elapsed(), left }
}

/// One round: containers first, as they hold networks and volumes. Errors show in the next look.
async fn remove_all(docker: &Docker, found: &BTreeMap<String, Thing>) {
    // Owned ids: a stream over borrowed ones is not general enough for a trait's future that must be `Send`.
    let mut removals = Vec::new();
    for (id, thing) in found {
        if let Thing::Container { paused, .. } = thing {
            removals.push(remove_container(docker.clone(), id.clone(), *paused));
        }
    }
    futures_util::stream::iter(removals).buffer_unordered(AT_ONCE).collect::<Vec<_>>().await;
    for (id, thing) in found {
        let _ = match thing {
            Thing::Container { .. } => Ok(()),
            Thing::Network { .. } => ignore_gone(docker.remove_network(id).await),
            Thing::Volume { name } => ignore_gone(docker.remove_volume(name, None::<RemoveVolumeOptions>).await),
            Thing::Image { name } => {
                let options = RemoveImageOptionsBuilder::default().build();
                ignore_gone(docker.remove_image(name, Some(options), None).await.map(drop))
            }
        };
    }
}

async fn remove_container(docker: Docker, id: String, paused: bool) {
    if paused {
        let _ = docker.unpause_container(&id).await;
    }
    let options = RemoveContainerOptionsBuilder::default().force(true).v(true).build();
    let _ = docker.remove_container(&id, Some(options)).await;
}

fn ignore_gone(result: Result<(), ApiError>) -> Result<(), ApiError> {
    match result {
        Err(error) if is_status(&error, 404) => Ok(()),
        other => other,
    }
}
