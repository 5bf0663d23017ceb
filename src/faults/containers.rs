//! What the faults of containers have in common: which containers of a service, how they stand, and putting them right.

use super::undo::UNDO_WITHIN;
use super::{FaultContext, FaultError, FaultFacts, FaultResult, Inject, Presence, StartedContainer, Undo, Undone};
use crate::source::MapReader;
use crate::stack::{ContainerOp, ContainerState, Need, NetworkEndpoint, Stack, places_of};
use async_trait::async_trait;
use futures_util::future::join_all;

/// The service whose containers a fault acts on, and on how many of them.
pub(super) struct SelectedContainers {
    pub(super) service: String,
    /// How many of its replicas; `None` is all of them.
    replicas: Option<usize>,
}

impl SelectedContainers {
    /// What a fault that does this to them says of itself.
    pub(super) fn facts(&self, summary: String, needs: Need) -> FaultFacts {
        FaultFacts { summary, services: vec![self.service.clone()], needs: Some(needs), ..FaultFacts::default() }
    }

    /// Reads `service` and `replicas`, which is all of them where it is left out.
    pub(super) fn read(map: &mut MapReader<'_>) -> Option<SelectedContainers> {
        let service: Option<String> = map.require("service");
        let not = "a number from 1 on";
        let replicas = map.optional_by("replicas", |at| at.number(1..=u16::MAX, not, not).map(usize::from));
        Some(SelectedContainers { service: service?, replicas })
    }

    pub(super) fn describe(&self) -> String {
        match self.replicas {
            None => format!("every container of `{}`", self.service),
            Some(1) => format!("one container of `{}`", self.service),
            Some(n) => format!("{n} containers of `{}`", self.service),
        }
    }

    /// The undo for the selected ones of the containers that run now, in the order of their names. What undoes it may depend on
    /// how they stand; `op` says why there is none.
    pub(super) async fn undo(
        &self,
        stack: &dyn Stack,
        op: impl FnOnce(&[ContainerState]) -> Result<ContainerOp, String>,
    ) -> FaultResult<Undo> {
        let running = self.running(stack).await?;
        let op = op(&running).map_err(|cause| FaultError::new(self.choose(), cause))?;
        let started = running.iter().map(|container| (container.id.clone(), container.started_at.clone())).collect();
        let containers = running.into_iter().map(|container| container.id).collect();
        Ok(Undo::Containers { service: self.service.clone(), containers, op, started })
    }

    fn choose(&self) -> String {
        format!("choose {}", self.describe())
    }

    /// The selected ones of the containers that run now, in the order of their names.
    pub(super) async fn running(&self, stack: &dyn Stack) -> FaultResult<Vec<ContainerState>> {
        let mut running = states(&self.service, stack).await?;
        running.retain(|container| container.status == "running");
        running.sort_by(|a, b| a.name.cmp(&b.name));
        let wanted = self.replicas.unwrap_or(running.len());
        if wanted == 0 || running.len() < wanted {
            let cause = format!("{} of the containers of `{}` are running", running.len(), self.service);
            return Err(FaultError::new(self.choose(), cause));
        }
        running.truncate(wanted);
        Ok(running)
    }
}

/// What takes a fault back from containers that stand like this; or why there is nothing that it could do to them.
type UndoOf = dyn Fn(&[ContainerState]) -> Result<ContainerOp, String> + Send + Sync;

/// A fault that one operation does to containers and another one takes back; it is in place where that one has something to do.
pub struct ContainerFault {
    pub(super) selected: SelectedContainers,
    pub(super) undo: Box<UndoOf>,
    /// How a container stands, in words: `is paused`.
    pub(super) say: fn(&ContainerState) -> String,
}

#[async_trait]
impl Inject for ContainerFault {
    async fn prepare(&self, context: &FaultContext<'_>) -> FaultResult<Undo> {
        self.selected.undo(context.stack, &self.undo).await
    }

    async fn inject(&self, undo: &Undo, context: &FaultContext<'_>) -> FaultResult {
        let (_, _, op) = parts(undo)?;
        operate(undo, &opposite(op), context.stack).await
    }

    async fn confirm(&self, undo: &Undo, context: &FaultContext<'_>) -> FaultResult<Presence> {
        let ((_, _, op), found) = (parts(undo)?, look(undo, context.stack).await?);
        Ok(presence(&found, |state| !is_right(state, op), self.say))
    }
}

/// What an operation takes back.
pub(super) fn opposite(op: &ContainerOp) -> ContainerOp {
    match op {
        ContainerOp::Unpause => ContainerOp::Pause,
        ContainerOp::Pause => ContainerOp::Unpause,
        ContainerOp::Start => ContainerOp::Kill { signal: "SIGKILL".into() },
        ContainerOp::Kill { .. } => ContainerOp::Start,
        ContainerOp::Limit { from, to } => ContainerOp::Limit { from: *to, to: *from },
        ContainerOp::Connect { from, to } => ContainerOp::Connect { from: to.clone(), to: from.clone() },
    }
}

/// The containers of a service, as the stack has them now.
pub(super) async fn states(service: &str, stack: &dyn Stack) -> FaultResult<Vec<ContainerState>> {
    stack.containers(service).await.map_err(FaultError::of(format!("look at the containers of `{service}`")))
}

/// The container of a service in which its commands run, as it is started now.
pub(super) async fn first_started(service: &str, stack: &dyn Stack) -> FaultResult<Option<StartedContainer>> {
    let first = states(service, stack).await?.into_iter().find(|state| state.status == "running");
    Ok(first.map(|state| StartedContainer { id: state.id, started_at: state.started_at }))
}

/// That commands of a service run in the container of a fault: in another one they would look at what was never harmed, and undo
/// nothing. One that is not there any more was removed or replaced, and what runs in its place has the word.
pub(super) async fn commands_run_in(service: &str, undo: &Undo, stack: &dyn Stack) -> FaultResult {
    let Some(harmed) = undo.container() else { return Ok(()) };
    let states = states(service, stack).await?;
    let Some(harmed) = states.iter().find(|state| state.id == harmed.id) else { return Ok(()) };
    match states.iter().find(|state| state.status == "running") {
        Some(first) if first.id == harmed.id => Ok(()),
        _ => {
            let how = format!("the fault is in {}, which {}: commands do not run there", harmed.name, status(harmed));
            Err(FaultError::new(format!("look at `{service}`"), how))
        }
    }
}

/// That a container was restarted or replaced by another one since, in words for a fault inside of it that is gone.
/// Whether a step had cleared the fault before that, nobody has looked.
pub(super) async fn restarted(service: &str, was: &StartedContainer, stack: &dyn Stack) -> Option<String> {
    let states = states(service, stack).await.ok()?;
    let what = match states.iter().find(|state| state.id == was.id) {
        Some(state) if state.started_at == was.started_at => return None,
        Some(state) => format!("{} was restarted", state.name),
        None if states.iter().any(|state| state.status == "running") => "the container was recreated".into(),
        None => "the container was removed".into(),
    };
    Some(format!("{what}: that ended the fault, unless a step had cleared it before"))
}

/// The service of an undo, its containers, and what is done to them.
pub(super) fn parts(undo: &Undo) -> FaultResult<(&str, &[String], &ContainerOp)> {
    match undo {
        Undo::Containers { service, containers, op, .. } => Ok((service, containers, op)),
        _ => Err(FaultError::undo("for containers")),
    }
}

/// Does something to every container of an undo.
pub(super) async fn operate(undo: &Undo, op: &ContainerOp, stack: &dyn Stack) -> FaultResult {
    let (_, containers, _) = parts(undo)?;
    for container in containers {
        operate_one(undo, container, op, stack).await?;
    }
    Ok(())
}

/// Does something to one container of an undo.
pub(super) async fn operate_one(undo: &Undo, container: &str, op: &ContainerOp, stack: &dyn Stack) -> FaultResult {
    let (service, ..) = parts(undo)?;
    let operation = format!("{} of `{service}` ({})", words(op).0, short(container));
    stack.operate(container, op).await.map_err(FaultError::of(operation))
}

/// A container of an undo and how it stands; `None` when it is not there any more.
pub(super) type FoundContainer = (String, Option<ContainerState>);

/// How each container of an undo stands.
pub(super) async fn look(undo: &Undo, stack: &dyn Stack) -> FaultResult<Vec<FoundContainer>> {
    let (service, containers, _) = parts(undo)?;
    look_at(service, containers, stack).await
}

async fn look_at(service: &str, containers: &[String], stack: &dyn Stack) -> FaultResult<Vec<FoundContainer>> {
    let states = states(service, stack).await?;
    Ok(containers.iter().map(|id| (id.clone(), states.iter().find(|state| state.id == *id).cloned())).collect())
}

/// Whether somebody has started a container since the fault was planned.
pub(super) fn started_since(undo: &Undo, state: &ContainerState) -> bool {
    let Undo::Containers { started, .. } = undo else { return false };
    started.get(&state.id).is_some_and(|at| *at != state.started_at)
}

/// Where a fault stands that has broken these containers: those that are not there any more were replaced or removed by
/// the runbook, and count neither way. `say` has the words for how one stands: `is paused`.
pub(super) fn presence(
    containers: &[FoundContainer],
    broken: impl Fn(&ContainerState) -> bool,
    say: impl Fn(&ContainerState) -> String,
) -> Presence {
    let evidence = describe(containers, say);
    let there: Vec<&ContainerState> = containers.iter().filter_map(|(_, state)| state.as_ref()).collect();
    Presence::of(there.iter().filter(|state| broken(state)).count(), there.len(), evidence)
}

/// `shop-db-1 is paused, a1b2c3d4e5f6 is not there any more`.
pub(super) fn describe(containers: &[FoundContainer], say: impl Fn(&ContainerState) -> String) -> String {
    let each = containers.iter().map(|(id, state)| match state {
        Some(state) => format!("{} {}", state.name, say(state)),
        None => format!("{} is not there any more: removed, or replaced by another container", short(id)),
    });
    each.collect::<Vec<_>>().join(", ")
}

/// `is paused`.
pub(super) fn status(state: &ContainerState) -> String {
    match state {
        ContainerState { status, exit_code: Some(code), .. } if status == "exited" => format!("has exited with {code}"),
        ContainerState { status, .. } => format!("is {status}"),
    }
}

/// Puts every container of an undo right, all at once: skips what is right already and what is not there any more.
///
/// # Errors
/// What failed, after all were tried.
pub(super) async fn restore(undo: &Undo, stack: &dyn Stack) -> FaultResult<Undone> {
    let (service, containers, op) = parts(undo)?;
    // An engine that does not answer for one container may still act on the others.
    let (found, unseen) = match look_at(service, containers, stack).await {
        Ok(found) => (found, false),
        Err(_) => (containers.iter().map(|id| (id.clone(), None)).collect(), true),
    };
    let operated = found.into_iter().map(|(id, state)| async move {
        let name = match &state {
            Some(state) if is_right(state, op) => {
                return Ok((None, format!("{} is {} already", state.name, state.status)));
            }
            Some(state) => state.name.clone(),
            None if unseen => short(&id).to_string(),
            None => return Ok((None, format!("{} is not there any more", short(&id)))),
        };
        let cause = match tokio::time::timeout(UNDO_WITHIN, stack.operate(&id, op)).await {
            Ok(Ok(())) => {
                let done = format!("{} {name}", words(op).1);
                return Ok((Some(done.clone()), done));
            }
            Ok(Err(error)) => error.to_string(),
            Err(_) => format!("it took more than {} s", UNDO_WITHIN.as_secs()),
        };
        // Somebody else, the runbook's last command perhaps, may just have done the same.
        let now = look_at(service, std::slice::from_ref(&id), stack).await;
        match now.map(|now| now.into_iter().find_map(|(_, now)| now)) {
            Ok(None) => Ok((None, format!("{name} is not there any more"))),
            Ok(Some(now)) if is_right(&now, op) => Ok((None, format!("{name} is as it should be"))),
            _ => Err(FaultError::new(format!("{} of `{service}` ({name})", words(op).0), cause)),
        }
    });
    let (done, failed): (Vec<_>, Vec<_>) = join_all(operated).await.into_iter().partition(Result::is_ok);
    let (what, seen): (Vec<Option<String>>, Vec<String>) = done.into_iter().flatten().unzip();
    let what: Vec<String> = what.into_iter().flatten().collect();
    let mut failures = failed.into_iter().filter_map(Result::err);
    let Some(FaultError { operation, cause, output }) = failures.next() else {
        return Ok(Undone { what, output: seen.join(", ") });
    };
    let meanwhile = (!what.is_empty()).then(|| format!("meanwhile: {}", what.join(", ")));
    let others = failures.map(|error| error.to_string()).chain(meanwhile);
    let cause = std::iter::once(cause).chain(others).collect::<Vec<_>>().join("; ");
    Err(FaultError { operation, cause, output })
}

/// Whether an undo has nothing to do.
fn is_right(state: &ContainerState, op: &ContainerOp) -> bool {
    match op {
        ContainerOp::Unpause => state.status != "paused",
        ContainerOp::Pause => state.status == "paused",
        ContainerOp::Start => is_up(state),
        ContainerOp::Kill { .. } => !is_up(state),
        ContainerOp::Limit { from, to } => state.limits.changed(*from, *to) == state.limits,
        ContainerOp::Connect { from, to } => {
            let (from, to) = (places_of(from, &state.id), places_of(to, &state.id));
            NetworkEndpoint::changed(&state.endpoints, from, to) == state.endpoints
        }
    }
}

/// Whether its processes exist, frozen or not.
pub(super) fn is_up(state: &ContainerState) -> bool {
    matches!(state.status.as_str(), "running" | "paused" | "restarting")
}

/// An operation in words: as it is tried, and once it is done.
fn words(op: &ContainerOp) -> (String, &'static str) {
    match op {
        ContainerOp::Pause => ("pause".into(), "paused"),
        ContainerOp::Unpause => ("unpause".into(), "unpaused"),
        ContainerOp::Kill { signal } => (format!("kill with {signal}"), "killed"),
        ContainerOp::Start => ("start".into(), "started"),
        ContainerOp::Limit { .. } => ("limit".into(), "set the limits of"),
        ContainerOp::Connect { .. } => ("connect the networks".into(), "connected the networks of"),
    }
}

/// A container id as `docker ps` shows it.
fn short(id: &str) -> &str {
    id.get(..12).unwrap_or(id)
}
