//! The last resort: finds what runs left behind that nobody watches any more, after a machine lost power or everything
//! was killed at once. Never touches a living run, whatever its process id, nor one that was kept on purpose.

use super::endpoint::Endpoint;
use super::errors::api;
use super::images;
use super::remove::{Thing, find, remove_run};
use super::{containers, labels};
use crate::stack::{AgentRole, StackError};
use bollard::Docker;
use bollard::query_parameters::{ListNetworksOptionsBuilder, ListVolumesOptionsBuilder};
use std::collections::{BTreeMap, HashMap};
use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long a run without a lock file on this machine may take from its first container to its control session: it
/// may belong to another machine that uses the same engine.
const STRANGER_GRACE: i64 = 600;
/// The sweep at the start of a run must not hold it up.
const QUICK: Duration = Duration::from_secs(30);

/// What a sweep may do.
#[derive(Debug, Clone, Copy, Default)]
pub struct SweepOptions {
    /// Removes kept runs as well.
    pub kept: bool,
    /// Removes the images that Firedrill made and no container uses.
    pub images: bool,
    /// Says what it would do, and does nothing.
    pub dry_run: bool,
}

/// What became of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    /// It is being watched; nothing was done.
    Alive,
    /// It was kept on purpose; these containers were paused by its faults and run again.
    Kept {
        /// Names of the containers.
        unpaused: Vec<String>,
    },
    /// Nobody watches it: it was removed; what could not be is listed.
    Removed {
        /// `container x`, `network y`, `volume z`.
        left: Vec<String>,
    },
    /// It would have been removed.
    WouldRemove,
}

/// A run of which something is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SweptRun {
    /// Id of the run.
    pub run: String,
    /// Its directory, as its labels say.
    pub dir: Option<PathBuf>,
    /// What was there: `container x`, `network y`, `volume z`.
    pub things: Vec<String>,
    /// What became of it.
    pub fate: Fate,
}

/// What a sweep found and did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SweepReport {
    /// The runs, by id.
    pub runs: Vec<SweptRun>,
    /// Images that were removed (or would have been).
    pub images: Vec<String>,
}

/// Labels of a run, from whichever of its things carry them.
#[derive(Debug, Default)]
struct Found {
    dir: Option<PathBuf>,
    keep: bool,
    /// Of its newest container, seconds since the Unix epoch.
    newest: i64,
}

/// Finds every run of which something is there, and removes what nobody watches.
///
/// # Errors
/// `Environment` when the engine does not answer.
pub async fn sweep(endpoint: &Endpoint, options: SweepOptions) -> Result<SweepReport, StackError> {
    sweep_some(endpoint, options, |_| true).await
}

/// The same for the runs that are `wanted`, by their ids; others are left alone and not reported.
///
/// # Errors
/// `Environment` when the engine does not answer.
pub async fn sweep_some(
    endpoint: &Endpoint,
    options: SweepOptions,
    wanted: impl Fn(&str) -> bool,
) -> Result<SweepReport, StackError> {
    let docker = &endpoint.docker;
    let mut report = SweepReport::default();
    for (run, found) in runs(docker).await? {
        if !wanted(&run) {
            continue;
        }
        let things = find(docker, &[(labels::RUN, run.as_str())]).await?;
        if things.is_empty() {
            continue;
        }
        let texts: Vec<String> = things.values().map(Thing::text).collect();
        let kept = found.keep || found.dir.as_ref().is_some_and(|dir| dir.join("kept").exists());
        let fate = if is_alive(docker, &run, &found).await? {
            Fate::Alive
        } else if kept && !options.kept {
            // Its faults are reverted all the same; what agents held was lifted when their channel ended.
            Fate::Kept { unpaused: if options.dry_run { Vec::new() } else { unpause(docker, &things).await } }
        } else if options.dry_run {
            Fate::WouldRemove
        } else {
            Fate::Removed { left: remove_run(endpoint, &run).await.left }
        };
        report.runs.push(SweptRun { run, dir: found.dir, things: texts, fate });
    }
    if options.images {
        report.images = images::remove_unused(docker, options.dry_run).await?;
    }
    Ok(report)
}

/// The sweep at the start of a run: removes what dead runs left and says so, one line each. Never fails the run.
pub async fn quick_sweep(endpoint: &Endpoint) -> Vec<String> {
    match tokio::time::timeout(QUICK, sweep(endpoint, SweepOptions::default())).await {
        Ok(Ok(report)) => report.runs.iter().filter_map(note).collect(),
        Ok(Err(error)) => vec![format!("could not look for what earlier runs left: {error}")],
        Err(_) => vec![format!("looking for what earlier runs left was given up after {} s", QUICK.as_secs())],
    }
}

fn note(swept: &SweptRun) -> Option<String> {
    match &swept.fate {
        Fate::Removed { left } if left.is_empty() => {
            Some(format!("removed what run {} had left: {}", swept.run, swept.things.join(", ")))
        }
        Fate::Removed { left } => {
            Some(format!("run {} left something that cannot be removed: {}", swept.run, left.join(", ")))
        }
        Fate::Kept { unpaused } if !unpaused.is_empty() => {
            Some(format!("unpaused {} of the kept run {}", unpaused.join(", "), swept.run))
        }
        _ => None,
    }
}

/// Every run of which a container, a network, a volume or an image of its own is there.
async fn runs(docker: &Docker) -> Result<BTreeMap<String, Found>, StackError> {
    let mut runs: BTreeMap<String, Found> = BTreeMap::new();
    let mut add = |labels: Option<HashMap<String, String>>, created: i64| {
        let labels = labels.unwrap_or_default();
        let Some(run) = labels.get(labels::RUN) else { return };
        let found = runs.entry(run.clone()).or_default();
        found.newest = found.newest.max(created);
        found.keep |= labels.get(labels::KEEP).is_some_and(|keep| keep == "true");
        found.dir = found.dir.take().or_else(|| labels.get(labels::DIR).map(PathBuf::from));
    };
    for container in containers::list(docker, &[(labels::RUN, None)]).await? {
        add(container.labels, container.created.unwrap_or(0));
    }
    let filters = labels::filter(labels::RUN, None);
    let options = ListNetworksOptionsBuilder::default().filters(&filters).build();
    for network in docker.list_networks(Some(options)).await.map_err(api("listing networks"))? {
        add(network.labels, seconds(network.created));
    }
    let options = ListVolumesOptionsBuilder::default().filters(&filters).build();
    let volumes = docker.list_volumes(Some(options)).await.map_err(api("listing volumes"))?;
    for volume in volumes.volumes.unwrap_or_default() {
        add(Some(volume.labels), seconds(volume.created_at));
    }
    for image in images::of_run(docker, None).await? {
        add(Some(image.labels), image.created);
    }
    Ok(runs)
}

fn seconds(at: Option<time::OffsetDateTime>) -> i64 {
    at.map_or(0, time::OffsetDateTime::unix_timestamp)
}

/// Whether somebody watches a run: its lock is held, or a control session runs in its agent.
async fn is_alive(docker: &Docker, run: &str, found: &Found) -> Result<bool, StackError> {
    let lock = found.dir.as_deref().map_or(Lock::Absent, look_at_lock);
    if lock == Lock::Held || controlled(docker, run).await? {
        return Ok(true);
    }
    let age = time::OffsetDateTime::now_utc().unix_timestamp() - found.newest;
    Ok(lock == Lock::Absent && age < STRANGER_GRACE)
}

#[derive(Debug, PartialEq, Eq)]
enum Lock {
    Held,
    Free,
    Absent,
}

fn look_at_lock(dir: &Path) -> Lock {
    match File::open(dir.join("lock")) {
        // A lock that this takes is let go with the file.
        Ok(file) => match file.try_lock() {
            Ok(()) => Lock::Free,
            Err(TryLockError::WouldBlock) => Lock::Held,
            // A file system without locks: the control session decides.
            Err(TryLockError::Error(_)) => Lock::Absent,
        },
        Err(_) => Lock::Absent,
    }
}

/// Whether a session runs in the drill's agent: its control channel is the lease.
async fn controlled(docker: &Docker, run: &str) -> Result<bool, StackError> {
    let agent = AgentRole::Drill.name();
    let agents = [(labels::RUN, Some(run)), (labels::SERVICE, Some(agent.as_str()))];
    for container in containers::list(docker, &agents).await? {
        let container = containers::inspect(docker, &container.id.unwrap_or_default()).await?;
        for exec in container.and_then(|container| container.exec_ids).unwrap_or_default() {
            // An exec that ended may be gone by now.
            if docker.inspect_exec(&exec).await.is_ok_and(|exec| exec.running == Some(true)) {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

async fn unpause(docker: &Docker, things: &BTreeMap<String, Thing>) -> Vec<String> {
    let mut unpaused = Vec::new();
    for (id, thing) in things {
        if let Thing::Container { name, paused: true } = thing
            && docker.unpause_container(id).await.is_ok()
        {
            unpaused.push(name.clone());
        }
    }
    unpaused
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_is_held_free_or_absent() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(look_at_lock(dir.path()), Lock::Absent);
        let file = File::create(dir.path().join("lock")).unwrap();
        assert_eq!(look_at_lock(dir.path()), Lock::Free);
        file.lock().unwrap();
        assert_eq!(look_at_lock(dir.path()), Lock::Held);
        file.unlock().unwrap();
        assert_eq!(look_at_lock(dir.path()), Lock::Free);
    }
}
