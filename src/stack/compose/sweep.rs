//! What is left of runs whose runner is gone. One that is known by its id alone is a stack, through which what its ledger has open is undone.
//! And the last resort, after a machine lost power or everything was killed at once: what nobody watches any more is found and removed. Never
//! touches a living run, whatever its process id, nor one that was kept on purpose, nor what only may be a run's own: that is listed.

use super::endpoint::Endpoint;
use super::errors::environment;
use super::execute::ContainerTarget;
use super::owner::Owner;
use super::remove::{self, QUIET, Thing, find, remove, unpause};
use super::{containers, files, images, labels};
use crate::record::RunDir;
use crate::stack::{
    AgentRole, ContainerOp, ContainerState, ExecResult, Fate, FileAnswer, FileAsk, Foreign, Stack, StackDown,
    StackResult, SweepOptions, SweepReport, SweptRun,
};
use async_trait::async_trait;
use bollard::Docker;
use std::collections::BTreeSet;
use std::time::Duration;

/// How long a run without a lock that can be looked at may take from its first container to its control session: it
/// may belong to another machine that uses the same engine.
const STRANGER_GRACE: i64 = 600;

/// Finds every run of which something is there, or those of `only`, by their ids, and removes what nobody watches.
///
/// # Errors
/// `Environment` when the engine does not answer.
pub async fn sweep(docker: &Docker, options: SweepOptions, only: &[String]) -> StackResult<SweepReport> {
    let look = "`docker ps -a --filter label=dev.firedrill.run` shows the containers; is another program using them?";
    let mut report = SweepReport { look, ..SweepReport::default() };
    for run in runs(docker).await?.into_iter().filter(|run| only.is_empty() || only.contains(run)) {
        let owner = Owner::of(&run);
        let found = find(docker, &owner).await?;
        report.foreign.extend(found.foreign.into_values());
        if found.own.is_empty() {
            continue;
        }
        let things = found.own;
        let texts: Vec<String> = things.values().map(Thing::text).collect();
        let run_dir = owner.dir(&found.dirs);
        let alive = is_alive(docker, &owner, run_dir.as_ref().ok(), found.newest).await?;
        let run_dir = match run_dir {
            Ok(run_dir) => run_dir,
            // Another user's, or another machine's.
            Err(why) if alive => {
                let minutes = STRANGER_GRACE / 60;
                let why = format!("{why}, and a runner controls its agent or it is younger than {minutes} minutes");
                report.runs.push(SweptRun { run, dir: None, things: texts, fate: Fate::Unseen { why } });
                continue;
            }
            Err(why) => {
                report.foreign.extend(things.iter().map(|(id, thing)| Foreign::new(&owner, id, thing, why.as_str())));
                continue;
            }
        };
        let kept = found.keep || run_dir.is_kept();
        let fate = if alive {
            Fate::Alive
        } else if kept && !options.kept {
            // Nothing of a drill may stay paused, whatever its ledger says; the rest of the ledger is the caller's.
            let undone = if options.dry_run { Vec::new() } else { unpause(docker, &things).await };
            Fate::Kept { undone, left: Vec::new() }
        } else if options.dry_run {
            Fate::WouldRemove
        } else {
            Fate::Removed { left: remove(docker, &owner, QUIET).await.0.left }
        };
        report.runs.push(SweptRun { run, dir: Some(run_dir.path().to_path_buf()), things: texts, fate });
    }
    if options.images {
        report.images = images::remove_unused(docker, options.dry_run).await?;
    }
    Ok(report)
}

/// The runs that a container, a network, a volume or an image names in a label.
async fn runs(docker: &Docker) -> StackResult<BTreeSet<String>> {
    let containers = containers::list(docker, &[(labels::RUN, None)]).await?.into_iter().filter_map(|one| one.labels);
    let networks = labels::networks(docker, labels::RUN, None).await?.into_iter().filter_map(|one| one.labels);
    let volumes = labels::volumes(docker, labels::RUN, None).await?.into_iter().map(|one| one.labels);
    let made = containers.chain(networks).chain(volumes).filter_map(|mut own| own.remove(labels::RUN));
    let images = images::of_run(docker, None).await?.into_iter();
    Ok(made.chain(images.filter_map(|mut image| image.labels.remove(labels::IMAGE_RUN))).collect())
}

/// Whether somebody watches a run: its lock is held, or a control session runs in its agent. `newest` is when the newest of its
/// things was made, in seconds since the Unix epoch.
async fn is_alive(docker: &Docker, owner: &Owner, run_dir: Option<&RunDir>, newest: i64) -> StackResult<bool> {
    let locked = run_dir.and_then(is_locked);
    if locked == Some(true) || controlled(docker, owner).await? {
        return Ok(true);
    }
    let age = time::OffsetDateTime::now_utc().unix_timestamp() - newest;
    Ok(locked.is_none() && age < STRANGER_GRACE)
}

/// Whether the lock of a run is held; `None` where there is none that this user can look at, or the file system has none: then the
/// control session decides.
fn is_locked(run_dir: &RunDir) -> Option<bool> {
    run_dir.is_alive().ok().filter(|held| *held || run_dir.has_lock_file())
}

/// Whether a session runs in the drill's agent: its control channel is the lease.
async fn controlled(docker: &Docker, owner: &Owner) -> StackResult<bool> {
    for container in owner.of_service(docker, &AgentRole::Drill.name()).await? {
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

/// How long the engine may take over one container: one that hangs must not keep what else is left from being undone.
const WITHIN: Duration = Duration::from_secs(5);

/// What a dead runner left up.
#[derive(Debug)]
pub struct ReopenedRun {
    /// The engine.
    pub endpoint: Endpoint,
    /// Id of the run.
    pub run: String,
}

/// Bounds one request to the engine.
async fn in_time<T>(what: String, request: impl Future<Output = StackResult<T>>) -> StackResult<T> {
    let late = |_| Err(environment(what, format!("no answer within {} s", WITHIN.as_secs())));
    tokio::time::timeout(WITHIN, request).await.unwrap_or_else(late)
}

#[async_trait]
impl Stack for ReopenedRun {
    async fn containers(&self, service: &str) -> StackResult<Vec<ContainerState>> {
        let project = Owner::of(&self.run).project;
        in_time(format!("looking at `{service}`"), containers::of_service(&self.endpoint.docker, &project, service))
            .await
    }

    async fn operate(&self, container: &str, op: &ContainerOp) -> StackResult<()> {
        let acting = containers::operate(&self.endpoint.docker, &self.run, container, op);
        in_time(format!("acting on `{container}`"), acting).await
    }

    async fn exec_full(&self, service: &str, command: &[String], whole: bool, within: Duration) -> ExecResult {
        let container = Owner::of(&self.run).first(&self.endpoint.docker, service, true).await?;
        let none = || environment(format!("running a command in `{service}`"), "it has no running container");
        let target = ContainerTarget { docker: &self.endpoint.docker, id: &container.ok_or_else(none)? };
        target.run(service, command, whole, within).await
    }

    async fn files(&self, service: &str, ask: &FileAsk) -> StackResult<FileAnswer> {
        files::files_in(&self.endpoint, &self.run, service, ask).await
    }

    async fn remove_process(&self, name: &str) -> StackResult<Vec<String>> {
        remove::remove_service_in(&self.endpoint, &self.run, name).await
    }

    async fn down(&self) -> StackResult<StackDown> {
        Ok(remove::down(&self.endpoint.docker, &Owner::of(&self.run), remove::QUIET).await)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_is_held_free_or_absent_whoever_else_looks() {
        let dir = tempfile::tempdir().unwrap();
        let run_dir = RunDir::create(dir.path(), "a").unwrap();
        let seen = RunDir::open(run_dir.path()).unwrap();
        assert_eq!(is_locked(&seen), Some(true));
        drop(run_dir);
        assert_eq!(is_locked(&seen), Some(false));
        // Another sweep that looks at the same time is no runner.
        let other = std::fs::File::open(seen.path().join("lock")).unwrap();
        other.lock_shared().unwrap();
        assert_eq!(is_locked(&seen), Some(false));
        std::fs::remove_file(seen.path().join("lock")).unwrap();
        assert_eq!(is_locked(&seen), Some(true), "its runner may just be making it");
    }
}
