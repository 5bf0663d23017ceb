//! Waiting until a stack is healthy: healthy where there is a health check, running where there is none, ended with 0
//! where it is a job. `docker compose up --wait` fails on stacks with one-shot jobs (docker/compose#10596).

use super::containers::{self, label, status};
use super::labels;
use crate::stack::StackResult;
use bollard::Docker;
use bollard::models::{ContainerInspectResponse, HealthStatusEnum, RestartPolicyNameEnum};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use tokio::time::Instant;

/// Between two looks. A look at a small stack takes a few milliseconds.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// A container without a health check counts as running when it has stayed up this long.
const STARTED: Duration = Duration::from_millis(300);
/// A container that was restarted counts as running when it has stayed up this long.
const STAYS_UP: Duration = Duration::from_secs(1);

/// How one container stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Standing {
    /// As it should be.
    Ready,
    /// Not yet; the text says what is waited for.
    Waiting(String),
    /// It will not become healthy by itself.
    Failed(String),
}

/// A service that is not healthy.
#[derive(Debug, Clone)]
pub(super) struct Ailing {
    /// The service.
    pub service: String,
    /// The container.
    pub container: String,
    /// The reason in one line.
    pub reason: String,
}

/// How a look at the whole project came out.
#[derive(Debug, Default)]
pub(super) struct Look {
    /// The first container that has failed.
    pub failed: Option<Ailing>,
    /// The first one that is waited for.
    pub waiting: Option<Ailing>,
    /// Service → image id of its containers.
    pub images: BTreeMap<String, String>,
}

/// Looks at every container of a project again and again.
pub(super) struct Watcher<'a> {
    docker: &'a Docker,
    project: &'a str,
    /// Services that must have ended with 0.
    jobs: BTreeSet<String>,
    /// When this start of each container was first seen.
    starts: BTreeMap<String, (String, Instant)>,
}

impl<'a> Watcher<'a> {
    pub(super) fn new(docker: &'a Docker, project: &'a str, jobs: BTreeSet<String>) -> Self {
        Watcher { docker, project, jobs, starts: BTreeMap::new() }
    }

    /// Looks until everything is ready, something has failed, or the deadline has passed (then `Err` holds what was
    /// still waited for).
    pub(super) async fn wait(&mut self, deadline: Instant) -> StackResult<Result<Look, Ailing>> {
        loop {
            let look = self.look().await?;
            match (look.failed, look.waiting) {
                (Some(ailing), _) => return Ok(Err(ailing)),
                (None, None) => return Ok(Ok(Look { images: look.images, ..Look::default() })),
                (None, Some(ailing)) if Instant::now() >= deadline => return Ok(Err(ailing)),
                (None, Some(_)) => tokio::time::sleep(LOOK_EVERY).await,
            }
        }
    }

    /// One look.
    pub(super) async fn look(&mut self) -> StackResult<Look> {
        let mut look = Look::default();
        let filter = [(labels::PROJECT, Some(self.project)), (labels::ONEOFF, Some("False"))];
        for container in containers::inspected(self.docker, &filter).await? {
            let id = container.id.clone().unwrap_or_default();
            let service = label(&container, labels::SERVICE).unwrap_or_default().to_string();
            if let Some(image) = &container.image {
                look.images.insert(service.clone(), image.clone());
            }
            let standing = standing(&container, self.jobs.contains(&service), self.settled(&id, &container));
            let ailing = |reason| Ailing { service: service.clone(), container: id.clone(), reason };
            match standing {
                Standing::Ready => {}
                Standing::Waiting(reason) => drop(look.waiting.get_or_insert_with(|| ailing(reason))),
                Standing::Failed(reason) => drop(look.failed.get_or_insert_with(|| ailing(reason))),
            }
        }
        Ok(look)
    }

    /// Whether a container has stayed up for a while since it was seen to start: without a health check nothing else
    /// tells a service from one that crashes at once, and is seen between two crashes.
    fn settled(&mut self, id: &str, container: &ContainerInspectResponse) -> bool {
        if label(container, labels::ROLE).is_some() {
            // Our own are spoken to next, which tells more.
            return true;
        }
        let needed = if container.restart_count.unwrap_or(0) == 0 { STARTED } else { STAYS_UP };
        let started = container.state.as_ref().and_then(|s| s.started_at.clone()).unwrap_or_default();
        let seen = self.starts.entry(id.to_string()).or_insert_with(|| (started.clone(), Instant::now()));
        if seen.0 != started {
            *seen = (started, Instant::now());
        }
        seen.1.elapsed() >= needed
    }
}

/// How a container stands. `job`: others wait for it to end with 0. `settled`: it has stayed up for a while.
pub(super) fn standing(container: &ContainerInspectResponse, job: bool, settled: bool) -> Standing {
    let state = container.state.clone().unwrap_or_default();
    let code = state.exit_code.unwrap_or(0);
    let restarts = container.restart_count.unwrap_or(0);
    let exited = || match state.oom_killed {
        Some(true) => "it ran out of memory and was killed".to_string(),
        _ => format!("it exited with code {code}"),
    };
    let crashing = || format!("it does not stay up: it was restarted {restarts} times, and {}", exited());
    let checked = |what: &str| last_check(&state).map_or(what.into(), |said| format!("{what}: {said}"));
    let health = state.health.as_ref().and_then(|health| health.status);
    match status(container).as_str() {
        "running" => match health {
            Some(HealthStatusEnum::HEALTHY) => Standing::Ready,
            Some(HealthStatusEnum::UNHEALTHY) => {
                let times = state.health.as_ref().and_then(|health| health.failing_streak).unwrap_or(0);
                Standing::Failed(checked(&format!("its health check failed {times} times")))
            }
            Some(HealthStatusEnum::STARTING) => Standing::Waiting(checked("its health check has not passed yet")),
            _ if job => Standing::Waiting("it has not ended yet, and other services wait for that".into()),
            _ if settled => Standing::Ready,
            _ if restarts == 0 => Standing::Waiting("it has only just started".into()),
            // A container that runs has no exit code; its last one is in its log, if anywhere.
            _ => Standing::Waiting(format!("it does not stay up: it was restarted {restarts} times")),
        },
        "exited" if code == 0 && health.is_some_and(|h| h != HealthStatusEnum::NONE) && !job => {
            Standing::Failed("it exited with code 0 although it has a health check".into())
        }
        "exited" if code == 0 => Standing::Ready,
        "restarting" => Standing::Waiting(crashing()),
        "exited" | "dead" if comes_back(container) => Standing::Waiting(crashing()),
        "exited" | "dead" => Standing::Failed(exited()),
        "created" => match state.error.as_deref().map(str::trim) {
            Some(error) if !error.is_empty() => Standing::Failed(format!("it cannot be started: {error}")),
            _ => Standing::Waiting("it has not been started yet".into()),
        },
        other => Standing::Waiting(format!("it is {other}")),
    }
}

/// Whether the engine will start it again after it failed.
fn comes_back(container: &ContainerInspectResponse) -> bool {
    let policy = container.host_config.as_ref().and_then(|host| host.restart_policy.as_ref());
    let Some(policy) = policy else { return false };
    let limit = policy.maximum_retry_count.unwrap_or(0);
    match policy.name {
        Some(RestartPolicyNameEnum::ALWAYS | RestartPolicyNameEnum::UNLESS_STOPPED) => true,
        Some(RestartPolicyNameEnum::ON_FAILURE) => limit == 0 || container.restart_count.unwrap_or(0) < limit,
        _ => false,
    }
}

/// What the last health check said, in one line.
fn last_check(state: &bollard::models::ContainerState) -> Option<String> {
    let last = state.health.as_ref()?.log.as_ref()?.last()?;
    let line = last.output.as_deref().unwrap_or_default().lines().map(str::trim).rfind(|line| !line.is_empty());
    line.map(|line| line.chars().take(300).collect()).or_else(|| Some(format!("exit code {}", last.exit_code?)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn at(state: serde_json::Value, restart: &str, count: i64) -> ContainerInspectResponse {
        let container = json!({
            "State": state, "RestartCount": count,
            "HostConfig": { "RestartPolicy": { "Name": restart, "MaximumRetryCount": 0 } }
        });
        serde_json::from_value(container).unwrap()
    }

    #[test]
    fn a_container_is_judged_by_what_it_is_for() {
        let running = at(json!({ "Status": "running" }), "no", 0);
        assert_eq!(standing(&running, false, true), Standing::Ready);
        assert!(matches!(standing(&running, true, true), Standing::Waiting(_)), "a job must end first");
        assert!(matches!(standing(&running, false, false), Standing::Waiting(_)), "it may crash at once");
        let done = at(json!({ "Status": "exited", "ExitCode": 0 }), "no", 0);
        assert_eq!(standing(&done, true, true), Standing::Ready);
        assert_eq!(standing(&done, false, true), Standing::Ready, "a job for which nobody waits");
        let failed = at(json!({ "Status": "exited", "ExitCode": 3 }), "no", 0);
        assert_eq!(standing(&failed, true, true), Standing::Failed("it exited with code 3".into()));
        let again = at(json!({ "Status": "exited", "ExitCode": 3 }), "always", 2);
        assert!(matches!(standing(&again, false, true), Standing::Waiting(_)), "the engine starts it again");
        let oom = at(json!({ "Status": "exited", "ExitCode": 137, "OOMKilled": true }), "no", 0);
        assert_eq!(standing(&oom, false, true), Standing::Failed("it ran out of memory and was killed".into()));
    }

    #[test]
    fn a_health_check_counts_and_its_words_are_the_reason() {
        let health = |status: &str| {
            let log = json!([{ "ExitCode": 1, "Output": "trying…\nconnection refused\n" }]);
            let health = json!({ "Status": status, "FailingStreak": 3, "Log": log });
            at(json!({ "Status": "running", "Health": health }), "no", 0)
        };
        assert_eq!(standing(&health("healthy"), false, true), Standing::Ready);
        assert_eq!(
            standing(&health("unhealthy"), false, true),
            Standing::Failed("its health check failed 3 times: connection refused".into())
        );
        assert!(matches!(standing(&health("starting"), false, true), Standing::Waiting(_)));
    }

    #[test]
    fn a_container_that_could_not_be_started_says_why() {
        let created = at(json!({ "Status": "created", "Error": "no such file: entry.sh" }), "no", 0);
        assert_eq!(
            standing(&created, false, true),
            Standing::Failed("it cannot be started: no such file: entry.sh".into())
        );
    }
}
