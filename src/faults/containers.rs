//! What the faults of containers have in common: which containers of a service, how they stand, and putting them right.

use super::{FaultError, Presence, StartedContainer, Undo};
use crate::record::Parts;
use crate::source::MapReader;
use crate::stack::{ContainerOp, ContainerState, Stack};
use serde_json::json;

/// Which containers of a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Chosen {
    pub(super) service: String,
    /// How many of its replicas; `None` is all of them.
    replicas: Option<usize>,
}

impl Chosen {
    /// Reads `service` and `replicas` (`all`, the default, or a number from 1 on).
    pub(super) fn read(map: &mut MapReader<'_>) -> Option<Chosen> {
        let service: Option<String> = map.require("service");
        let replicas = map.default_by("replicas", None, |at| {
            let number = json!({ "type": "integer", "minimum": 1, "maximum": u16::MAX });
            at.diags.describe(|| json!({ "anyOf": [{ "const": "all" }, number] }));
            match at.node.plain().and_then(|text| text.parse::<u16>().ok()) {
                _ if at.node.text() == Some("all") => Some(None),
                Some(count) if count > 0 => Some(Some(usize::from(count))),
                _ => at.expected("`all` or a number from 1 on"),
            }
        });
        Some(Chosen { service: service?, replicas: replicas? })
    }

    pub(super) fn describe(&self) -> String {
        match self.replicas {
            None => format!("every container of `{}`", self.service),
            Some(1) => format!("one container of `{}`", self.service),
            Some(n) => format!("{n} containers of `{}`", self.service),
        }
    }

    /// The undo for the chosen ones of the containers that run now, in the order of their names.
    pub(super) async fn undo(&self, op: ContainerOp, stack: &dyn Stack) -> Result<Undo, FaultError> {
        let operation = || format!("choose {}", self.describe());
        let mut running = states(&self.service, stack).await?;
        running.retain(|container| container.status == "running");
        running.sort_by(|a, b| a.name.cmp(&b.name));
        let wanted = self.replicas.unwrap_or(running.len());
        if wanted == 0 || running.len() < wanted {
            let cause = format!("{} of the containers of `{}` are running", running.len(), self.service);
            return Err(FaultError::new(operation(), cause));
        }
        running.truncate(wanted);
        let started = running.iter().map(|container| (container.id.clone(), container.started_at.clone())).collect();
        let containers = running.into_iter().map(|container| container.id).collect();
        Ok(Undo::Containers { service: self.service.clone(), containers, op, started })
    }
}

async fn states(service: &str, stack: &dyn Stack) -> Result<Vec<ContainerState>, FaultError> {
    stack
        .containers(service)
        .await
        .map_err(|error| FaultError::new(format!("look at the containers of `{service}`"), error))
}

/// The container of a service in which its commands run, as it is started now.
pub(super) async fn first_started(service: &str, stack: &dyn Stack) -> Result<Option<StartedContainer>, FaultError> {
    let first = states(service, stack).await?.into_iter().find(|state| state.status == "running");
    Ok(first.map(|state| StartedContainer { id: state.id, started_at: state.started_at }))
}

/// That a container was restarted, stopped or replaced by another one since, in words for a fault inside of it that is gone.
/// Whether a step had cleared the fault before that, nobody has looked.
pub(super) async fn restarted(service: &str, was: &StartedContainer, stack: &dyn Stack) -> Option<String> {
    let states = states(service, stack).await.ok()?;
    let at = |state: &ContainerState| state.started_at.split('.').next().unwrap_or_default().to_string();
    let what = match states.iter().find(|state| state.id == was.id) {
        Some(state) if state.started_at != was.started_at => {
            format!("{} was restarted at {}Z: the restart ended the fault", state.name, at(state).trim_end_matches('Z'))
        }
        Some(state) if state.status != "running" => {
            format!("{} is {}: its end ended the fault", state.name, state.status)
        }
        Some(_) => return None,
        None => match states.iter().find(|state| state.status == "running") {
            Some(new) => format!(
                "the container was recreated ({}, started at {}Z): that ended the fault",
                new.name,
                at(new).trim_end_matches('Z')
            ),
            None => "the container was removed: that ended the fault".into(),
        },
    };
    Some(format!("{what}, unless a step had cleared it before"))
}

/// The containers of an undo.
fn parts(undo: &Undo) -> Result<(&str, &[String], &ContainerOp), FaultError> {
    match undo {
        Undo::Containers { service, containers, op, .. } => Ok((service, containers, op)),
        Undo::Agent { agent, .. } => {
            Err(FaultError::new("read the undo", format!("it belongs to the agent {agent}, not to containers")))
        }
        Undo::Command { service, .. } => {
            Err(FaultError::new("read the undo", format!("it is a command in `{service}`, not for containers")))
        }
        Undo::Release { service, .. } => {
            Err(FaultError::new("read the undo", format!("it is a release of `{service}`, not containers")))
        }
        Undo::Nothing { .. } | Undo::File { .. } | Undo::Process { .. } => {
            Err(FaultError::new("read the undo", "it is not for containers"))
        }
    }
}

/// Does something to every container of an undo.
pub(super) async fn operate(undo: &Undo, op: &ContainerOp, stack: &dyn Stack) -> Result<(), FaultError> {
    let (_, containers, _) = parts(undo)?;
    for container in containers {
        operate_one(undo, container, op, stack).await?;
    }
    Ok(())
}

/// Does something to one container of an undo.
pub(super) async fn operate_one(
    undo: &Undo,
    container: &str,
    op: &ContainerOp,
    stack: &dyn Stack,
) -> Result<(), FaultError> {
    let (service, ..) = parts(undo)?;
    stack
        .operate(container, op)
        .await
        .map_err(|error| FaultError::new(format!("{} of `{service}` ({})", verb(op), short(container)), error))
}

/// How each container of an undo stands; `None` when it is not there any more.
pub(super) async fn look(undo: &Undo, stack: &dyn Stack) -> Result<Vec<(String, Option<ContainerState>)>, FaultError> {
    let (service, containers, _) = parts(undo)?;
    let states = states(service, stack).await?;
    Ok(containers.iter().map(|id| (id.clone(), states.iter().find(|state| state.id == *id).cloned())).collect())
}

/// Whether somebody has started a container since the fault was planned.
pub(super) fn started_since(undo: &Undo, state: &ContainerState) -> bool {
    match undo {
        Undo::Containers { started, .. } => started.get(&state.id).is_some_and(|at| *at != state.started_at),
        _ => false,
    }
}

/// Where a fault stands that has broken these containers: those that are not there any more were replaced or removed by
/// the runbook, and count neither way.
pub(super) fn presence(
    containers: &[(String, Option<ContainerState>)],
    broken: impl Fn(&ContainerState) -> bool,
) -> Presence {
    let evidence = describe(containers);
    let there = containers.iter().filter_map(|(_, state)| state.as_ref());
    let (mut broken_ones, mut all) = (0, 0);
    for state in there {
        all += 1;
        broken_ones += usize::from(broken(state));
    }
    match broken_ones {
        0 => Presence::Gone(evidence),
        n if n == all => Presence::InPlace(evidence),
        n => Presence::Partly(evidence, Parts::new(n, all)),
    }
}

/// `shop-db-1 is paused, a1b2c3d4e5f6 is not there any more`.
pub(super) fn describe(containers: &[(String, Option<ContainerState>)]) -> String {
    let each = containers.iter().map(|(id, state)| match state {
        Some(ContainerState { name, status, exit_code: Some(code), .. }) if status == "exited" => {
            format!("{name} has exited with {code}")
        }
        Some(ContainerState { name, status, .. }) => format!("{name} is {status}"),
        None => format!("{} is not there any more: removed, or replaced by another container", short(id)),
    });
    each.collect::<Vec<_>>().join(", ")
}

/// Puts every container of an undo right: skips what is right already and what is not there any more, and goes on after
/// a failure. What was done, or the first failure.
pub(super) async fn restore(undo: &Undo, stack: &dyn Stack) -> Result<String, FaultError> {
    let (service, _, op) = parts(undo)?;
    let (mut done, mut failure) = (Vec::new(), None);
    for (id, state) in look(undo, stack).await? {
        let Some(state) = state else {
            done.push(format!("{} is not there any more", short(&id)));
            continue;
        };
        if is_right(&state, op) {
            done.push(format!("{} is {} already", state.name, state.status));
            continue;
        }
        match stack.operate(&id, op).await {
            Ok(()) => done.push(format!("{}: {}", state.name, verb(op))),
            Err(error) => {
                // Somebody else, the runbook's last command perhaps, may just have done the same.
                let now = look(undo, stack).await?.into_iter().find(|(other, _)| *other == id).and_then(|(_, now)| now);
                if now.is_some_and(|now| !is_right(&now, op)) {
                    let operation = format!("{} of `{service}` ({})", verb(op), state.name);
                    failure.get_or_insert(FaultError::new(operation, error));
                }
            }
        }
    }
    match failure {
        Some(failure) => Err(failure),
        None => Ok(done.join(", ")),
    }
}

/// Whether an undo has nothing to do.
fn is_right(state: &ContainerState, op: &ContainerOp) -> bool {
    match op {
        ContainerOp::Unpause => state.status != "paused",
        ContainerOp::Pause => state.status == "paused",
        ContainerOp::Start => is_up(state),
        ContainerOp::Kill { .. } => !is_up(state),
    }
}

/// Whether its processes exist, frozen or not.
pub(super) fn is_up(state: &ContainerState) -> bool {
    matches!(state.status.as_str(), "running" | "paused" | "restarting")
}

fn verb(op: &ContainerOp) -> String {
    match op {
        ContainerOp::Pause => "pause".into(),
        ContainerOp::Unpause => "unpause".into(),
        ContainerOp::Kill { signal } => format!("kill with {signal}"),
        ContainerOp::Start => "start".into(),
    }
}

/// A container id as `docker ps` shows it.
fn short(id: &str) -> &str {
    id.get(..12).unwrap_or(id)
}
