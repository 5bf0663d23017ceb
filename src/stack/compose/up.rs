//! Starting a stack: build and pull what is missing, hand the changed model to `docker compose up -d`, wait until everything is healthy;
//! and when that fails, say whose fault it is: the build's, the stack's or the environment's. Healthy is: healthy where there is a health check,
//! running where there is none, ended with 0 where it is a job. `docker compose up --wait` fails on stacks with one-shot jobs
//! (docker/compose#10596).

use super::command::Ran;
use super::containers::{self, label, status};
use super::errors::{environment, hinted};
use super::images::{self, FiredrillImages};
use super::stack::ComposeStack;
use super::steps::Making;
use super::transform::Recipe;
use super::{builds, labels, logs, monitoring, ports, release};
use crate::record::write_atomic;
use crate::stack::{StackError, StackResult, StackUp};
use bollard::Docker;
use bollard::models::{ContainerInspectResponse, HealthStatusEnum, RestartPolicyNameEnum};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Lines of a container's log that go into a message.
const LOG_TAIL: usize = 25;

/// Starts the stack.
pub(super) async fn up(stack: &ComposeStack, cancel: &CancellationToken) -> StackResult<StackUp> {
    tokio::select! {
        biased;
        // The compose command ends by the same token, in order; this is for everything between the commands.
        () = async { cancel.cancelled().await; tokio::time::sleep(Duration::from_secs(5)).await } => {
            // The engine may still carry out what was cut off.
            drop(Making::of(&stack.started));
            Err(StackError::Cancelled)
        }
        result = start(stack, cancel) => result,
    }
}

/// Builds and pulls what the stack needs, so that drills that start it side by side find it there. What is built again for
/// every drill is left to each of them.
pub(super) async fn prepare(stack: &ComposeStack, cancel: &CancellationToken) -> StackResult<()> {
    stack.refuse_errors()?;
    let compose = stack.compose(cancel);
    let own = FiredrillImages::ensure(&compose, &stack.spec, &stack.options).await?;
    let mut builds = builds::plan(&stack.endpoint.docker, &stack.model, &stack.short, stack.options.no_build).await?;
    builds.leave_own();
    let model = stack.build(&compose, &stack.model, &builds).await?;
    images::missing(&compose, &model).await?;
    stack.started().recipe = Some(Recipe { own: Some(own), builds, ..Recipe::default() });
    release::make_ready(stack, cancel).await;
    stopped_early(cancel)
}

async fn start(stack: &ComposeStack, cancel: &CancellationToken) -> StackResult<StackUp> {
    stack.refuse_errors()?;
    if let Some(error) = &stack.options.no_images {
        return Err(error.clone());
    }
    let compose = stack.compose(cancel);
    let build_began = Instant::now();
    let teams = async {
        let builds = builds::plan(&stack.endpoint.docker, &stack.model, &stack.short, stack.options.no_build).await?;
        let model = stack.build(&compose, &stack.model, &builds).await?;
        Ok((builds, model))
    };
    // Firedrill's own images and the team's, side by side.
    let ours = FiredrillImages::ensure(&compose, &stack.spec, &stack.options);
    let (own, (builds, teams)) = tokio::try_join!(ours, teams)?;
    let mut build_took = build_began.elapsed();
    let pull_took = images::missing(&compose, &teams).await?;
    let ports = ports::interposed(stack, &compose, &builds).await?;
    let recipe = Recipe { own: Some(own), builds, ports };
    let model = stack.transformed(&stack.model, &stack.spec, &recipe);
    keep_copy(stack, &model)?;
    stopped_early(cancel)?;
    {
        let mut started = stack.started();
        started.model = Some(model.clone());
        started.recipe = Some(recipe);
    }
    let releases_began = Instant::now();
    release::make_ready(stack, cancel).await;
    build_took += releases_began.elapsed();
    stopped_early(cancel)?;

    let up_began = Instant::now();
    let deadline = up_began + stack.spec.up_within;
    // This future may be dropped at any await, and the command be killed with it.
    let making = Making::of(&stack.started);
    let up = ["up", "--detach", "--no-build", "--quiet-pull"];
    let ran = compose.run(&up, "up.log", stack.spec.up_within, Some(&model)).await?;
    let up_took = up_began.elapsed();
    if ran.status.is_some() {
        making.over();
    }
    let mut watcher = Watcher::new(&stack.endpoint.docker, &stack.project, stack.model.jobs());
    if !ran.succeeded() {
        return Err(not_up(stack, &mut watcher, &ran).await);
    }
    let healthy_began = Instant::now();
    let look = cancel.run_until_cancelled(watcher.wait(deadline)).await;
    match look.ok_or(StackError::Cancelled)?? {
        Ok(look) => Ok(StackUp {
            project: stack.project.clone(),
            // The team's; ours are what this executable is.
            images: look.images.into_iter().filter(|(name, _)| !stack.model.service(name).is_null()).collect(),
            localhost: stack.model.published().named(),
            build_took,
            pull_took,
            up_took,
            healthy_took: healthy_began.elapsed(),
        }),
        Err(ailing) => Err(unhealthy(stack, ailing).await),
    }
}

fn stopped_early(cancel: &CancellationToken) -> StackResult<()> {
    if cancel.is_cancelled() { Err(StackError::Cancelled) } else { Ok(()) }
}

/// The model as it was started, beside the record, with its secrets hidden: what Compose itself reads is never a file.
fn keep_copy(stack: &ComposeStack, model: &Value) -> StackResult<()> {
    let path = stack.run.dir.join("compose.json");
    let text = stack.redactor.text(&format!("{model:#}\n"));
    write_atomic(&path, text.as_bytes()).map_err(|error| environment(format!("writing {}", path.display()), error))?;
    stack.spec.replaced().map_or(Ok(()), |replaced| monitoring::write_replacement(&stack.run.dir, &replaced.text))
}

/// `docker compose up` failed, or the deadline passed while it was still waiting for something: a service that did not become what
/// others wait for, or the environment.
async fn not_up(stack: &ComposeStack, watcher: &mut Watcher<'_>, ran: &Ran) -> StackError {
    let late = ran.status.is_none();
    let dependency = ran.tail.iter().rfind(|line| is_about_a_dependency(line)).filter(|_| !late).cloned();
    let refused = ran.tail.iter().rfind(|line| line.contains("Error response from daemon"));
    if let (Some(refused), None) = (refused.filter(|_| !late), &dependency) {
        return refusal(refused);
    }
    // Docker settles what became of the container a moment before or after Compose speaks of it.
    if let Ok(look) = watcher.look().await
        && let Some(ailing) = look.failed.or(look.waiting.filter(|_| late || dependency.is_some()))
    {
        return unhealthy(stack, ailing).await;
    }
    match dependency {
        Some(reason) => StackError::Unhealthy { service: "the stack".into(), reason, tail: ran.tail.join("\n") },
        None => environment("docker compose up", ran.failure()),
    }
}

/// `dependency failed to start: container x is unhealthy`, `service "migrate" didn't complete successfully: exit 1`.
fn is_about_a_dependency(line: &str) -> bool {
    ["dependency failed to start", "didn't complete successfully", "dependency is not ready", "is unhealthy"]
        .iter()
        .any(|words| line.contains(words))
}

/// What the engine refused, with what can be done about it.
fn refusal(line: &str) -> StackError {
    let cause = line.split_once("Error response from daemon:").map_or(line, |(_, cause)| cause).trim();
    let says = |words: &[&str]| words.iter().any(|word| cause.contains(word));
    let hint = if says(&["non-overlapping", "all predefined address pools"]) {
        "the engine has no addresses left for networks: `firedrill sweep`, or `docker network prune`"
    } else if says(&["No such image", "pull access denied", "not found"]) {
        "build or pull the image first, or leave out --no-build"
    } else if says(&["no space left"]) {
        "free some disk space: `docker system df` shows what takes it"
    } else {
        return environment("docker compose up", cause);
    };
    hinted("docker compose up", cause, hint)
}

async fn unhealthy(stack: &ComposeStack, ailing: Ailing) -> StackError {
    let tail = logs::tail(&stack.endpoint.docker, &ailing.container, LOG_TAIL, &stack.redactor).await;
    StackError::Unhealthy { service: ailing.service, reason: stack.redactor.text(&ailing.reason), tail }
}

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
        if labels::is_own(label(container, labels::SERVICE)) {
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

    #[test]
    fn what_compose_says_of_dependencies_is_told_from_what_the_engine_refuses() {
        assert!(is_about_a_dependency("dependency failed to start: container fd-x-db-1 is unhealthy"));
        assert!(is_about_a_dependency("service \"migrate\" didn't complete successfully: exit 1"));
        assert!(!is_about_a_dependency("Error response from daemon: No such image: x:1"));
    }

    #[test]
    fn a_refusal_says_what_to_do() {
        let line = "failed to create network x: Error response from daemon: could not find an available, \
                    non-overlapping IPv4 address pool among the defaults to assign to the network";
        let StackError::Environment { cause, hint: Some(hint), .. } = refusal(line) else { panic!() };
        assert!(cause.starts_with("could not find an available"), "{cause}");
        assert!(hint.contains("firedrill sweep"), "{hint}");
        let StackError::Environment { cause, hint: None, .. } = refusal("Error response from daemon: é strange")
        else {
            panic!()
        };
        assert_eq!(cause, "é strange");
    }
}

#[cfg(test)]
mod health_tests {
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
