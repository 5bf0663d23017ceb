//! The last resort: finds what runs left behind that nobody watches any more, after a machine lost power or everything
//! was killed at once. Never touches a living run, whatever its process id, nor one that was kept on purpose.

use super::endpoint::Endpoint;
use super::errors::api;
use super::images;
use super::remove::{Thing, find, remove_run};
use super::{containers, labels};
use crate::record::RunDir;
use crate::stack::{AgentRole, StackError};
use bollard::Docker;
use bollard::query_parameters::{ListNetworksOptionsBuilder, ListVolumesOptionsBuilder};
use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;

/// How long a run without a lock file on this machine may take from its first container to its control session: it
/// may belong to another machine that uses the same engine.
const STRANGER_GRACE: i64 = 600;

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
    /// It was kept on purpose; only its faults were undone.
    Kept {
        /// What was done, one line each: `unpaused fd-shop-1c2d3e4f-db-1`.
        undone: Vec<String>,
        /// What is still in place, and why.
        left: Vec<String>,
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
        let run_dir = found.dir.as_deref().and_then(|dir| RunDir::open(dir).ok());
        let kept = found.keep || run_dir.as_ref().is_some_and(RunDir::is_kept);
        let fate = if is_alive(docker, &run, run_dir.as_ref(), found.newest).await? {
            Fate::Alive
        } else if kept && !options.kept {
            // Nothing of a drill may stay paused, whatever its ledger says; the rest of the ledger is the caller's.
            let undone = if options.dry_run { Vec::new() } else { unpause(docker, &things).await };
            Fate::Kept { undone, left: Vec::new() }
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

/// Whether somebody watches a run: its lock is held, or a control session runs in its agent. `newest` is when its newest
/// container was made, in seconds since the Unix epoch.
async fn is_alive(docker: &Docker, run: &str, run_dir: Option<&RunDir>, newest: i64) -> Result<bool, StackError> {
    let lock = run_dir.map_or(Lock::Absent, look_at_lock);
    if lock == Lock::Held || controlled(docker, run).await? {
        return Ok(true);
    }
    let age = time::OffsetDateTime::now_utc().unix_timestamp() - newest;
    Ok(lock == Lock::Absent && age < STRANGER_GRACE)
}

#[derive(Debug, PartialEq, Eq)]
enum Lock {
    Held,
    Free,
    /// There is none on this machine, or on a file system without locks: the control session decides.
    Absent,
}

fn look_at_lock(run_dir: &RunDir) -> Lock {
    match run_dir.is_alive() {
        Ok(true) => Lock::Held,
        Ok(false) if run_dir.has_lock_file() => Lock::Free,
        Ok(false) | Err(_) => Lock::Absent,
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
            unpaused.push(format!("unpaused {name}"));
        }
    }
    unpaused
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_is_held_free_or_absent_whoever_else_looks() {
        let dir = tempfile::tempdir().unwrap();
        let run_dir = RunDir::create(dir.path(), "a").unwrap();
        let seen = RunDir::open(run_dir.path()).unwrap();
        assert_eq!(look_at_lock(&seen), Lock::Held);
        drop(run_dir);
        assert_eq!(look_at_lock(&seen), Lock::Free);
        // Another sweep that looks at the same time is no runner.
        let other = std::fs::File::open(seen.path().join("lock")).unwrap();
        other.lock_shared().unwrap();
        assert_eq!(look_at_lock(&seen), Lock::Free);
        std::fs::remove_file(seen.path().join("lock")).unwrap();
        assert_eq!(look_at_lock(&seen), Lock::Held, "its runner may just be making it");
    }
}
