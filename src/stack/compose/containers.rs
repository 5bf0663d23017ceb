//! The containers of a drill: finding them, reading their state, and the few things that are done to them.

use super::errors::{api, environment, is_status};
use super::labels;
use super::owner::Owner;
use crate::stack::{ContainerOp, ContainerState, StackError};
use bollard::Docker;
use bollard::models::{ContainerInspectResponse, ContainerSummary};
use bollard::query_parameters::{
    InspectContainerOptions, KillContainerOptionsBuilder, ListContainersOptionsBuilder, StartContainerOptions,
};
use std::collections::HashMap;

/// Containers with these labels, running or not.
pub(super) async fn list(
    docker: &Docker,
    labels: &[(&str, Option<&str>)],
) -> Result<Vec<ContainerSummary>, StackError> {
    let with = |(key, value): &(&str, Option<&str>)| match value {
        Some(value) => format!("{key}={value}"),
        None => (*key).to_string(),
    };
    let filters = HashMap::from([("label".to_string(), labels.iter().map(with).collect::<Vec<_>>())]);
    let options = ListContainersOptionsBuilder::default().all(true).filters(&filters).build();
    docker.list_containers(Some(options)).await.map_err(api("listing containers"))
}

/// What the engine says about a container; `None` when there is no such container (any more).
pub(super) async fn inspect(docker: &Docker, id: &str) -> Result<Option<ContainerInspectResponse>, StackError> {
    match docker.inspect_container(id, None::<InspectContainerOptions>).await {
        Ok(container) => Ok(Some(container)),
        Err(error) if is_status(&error, 404) => Ok(None),
        Err(error) => Err(api(format!("looking at container {id}"))(error)),
    }
}

/// The containers of a service of a project, in the order of their numbers, without those of `docker compose run`.
pub(super) async fn of_service(
    docker: &Docker,
    project: &str,
    service: &str,
) -> Result<Vec<ContainerState>, StackError> {
    let found = list(
        docker,
        &[(labels::PROJECT, Some(project)), (labels::SERVICE, Some(service)), (labels::ONEOFF, Some("False"))],
    )
    .await?;
    let mut states = Vec::new();
    for summary in found {
        let Some(container) = inspect(docker, &summary.id.unwrap_or_default()).await? else { continue };
        let number = label(&container, labels::NUMBER).and_then(|n| n.parse::<u32>().ok()).unwrap_or(u32::MAX);
        states.push((number, state(&container)));
    }
    states.sort_by_key(|(number, _)| *number);
    Ok(states.into_iter().map(|(_, state)| state).collect())
}

/// A label of a container.
pub(super) fn label<'a>(container: &'a ContainerInspectResponse, key: &str) -> Option<&'a str> {
    container.config.as_ref()?.labels.as_ref()?.get(key).map(String::as_str)
}

/// Status as Docker names it: `running`, `paused`, `exited` …
pub(super) fn status(container: &ContainerInspectResponse) -> String {
    let status = container.state.as_ref().and_then(|state| state.status);
    status.map(|status| status.to_string()).unwrap_or_default()
}

/// How a container stands.
pub(super) fn state(container: &ContainerInspectResponse) -> ContainerState {
    let status = status(container);
    let inner = container.state.as_ref();
    // The engine says 0 for a container that still runs.
    let ended = matches!(status.as_str(), "exited" | "dead" | "restarting");
    ContainerState {
        id: container.id.clone().unwrap_or_default(),
        name: container.name.as_deref().unwrap_or_default().trim_start_matches('/').to_string(),
        exit_code: inner.and_then(|state| state.exit_code).filter(|_| ended),
        started_at: inner.and_then(|state| state.started_at.clone()).unwrap_or_default(),
        status,
    }
}

/// Does something to a container of the run; nothing where its state already is as it should be.
///
/// # Errors
/// `Environment` when the container is gone or is not one of the run's, or the engine refuses.
pub(super) async fn operate(docker: &Docker, run: &str, id: &str, op: &ContainerOp) -> Result<(), StackError> {
    let done = match op {
        ContainerOp::Pause => &["paused"][..],
        ContainerOp::Unpause => &["running", "exited", "dead", "created"][..],
        ContainerOp::Kill { .. } => &[][..],
        ContainerOp::Start => &["running"][..],
    };
    let gone = || environment(describe(id, op), "there is no such container");
    let container = inspect(docker, id).await?.ok_or_else(gone)?;
    if let Some(why) = Owner::of(run).doubt_inspected(docker, &container).await? {
        return Err(environment(describe(id, op), format!("it does not belong to this drill: {why}")));
    }
    if done.contains(&status(&container).as_str()) {
        return Ok(());
    }
    let result = match op {
        ContainerOp::Pause => docker.pause_container(id).await,
        ContainerOp::Unpause => docker.unpause_container(id).await,
        ContainerOp::Kill { signal } => {
            let options = KillContainerOptionsBuilder::default().signal(signal).build();
            docker.kill_container(id, Some(options)).await
        }
        ContainerOp::Start => docker.start_container(id, None::<StartContainerOptions>).await,
    };
    match result {
        Ok(()) => Ok(()),
        // Somebody may have been faster: what counts is how it stands now.
        Err(error) => match inspect(docker, id).await? {
            Some(container) if done.contains(&status(&container).as_str()) => Ok(()),
            Some(_) => Err(api(describe(id, op))(error)),
            None => Err(gone()),
        },
    }
}

fn describe(id: &str, op: &ContainerOp) -> String {
    let doing = match op {
        ContainerOp::Pause => "pausing".to_string(),
        ContainerOp::Unpause => "unpausing".to_string(),
        ContainerOp::Kill { signal } => format!("sending {signal} to"),
        ContainerOp::Start => "starting".to_string(),
    };
    format!("{doing} container {id}")
}
