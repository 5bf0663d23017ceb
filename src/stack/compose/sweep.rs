//! The last resort: finds what runs left behind that nobody watches any more, after a machine lost power or everything
//! was killed at once. Never touches a living run, whatever its process id, nor one that was kept on purpose, nor what only
//! may be a run's own: that is listed.

use super::images;
use super::owner::Owner;
use super::remove::{QUIET, Thing, find, remove, unpause};
use super::{containers, labels};
use crate::record::RunDir;
use crate::stack::{AgentRole, Fate, Foreign, StackResult, SweepOptions, SweepReport, SweptRun};
use bollard::Docker;
use std::collections::BTreeSet;

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
