//! Starting a stack: build and pull what is missing, hand the changed model to `docker compose up -d`, wait until everything is
//! healthy; and when that fails, say whose fault it is: the build's, the stack's or the environment's.

use super::builds;
use super::command::Ran;
use super::errors::{environment, hinted};
use super::health::{Ailing, Watcher};
use super::images::FiredrillImages;
use super::stack::ComposeStack;
use super::steps::Making;
use super::transform::Recipe;
use super::{logs, monitoring, ports, pull, release};
use crate::record::write_atomic;
use crate::stack::{StackError, StackResult, StackUp};
use serde_json::Value;
use std::time::{Duration, Instant};
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
    pull::missing(&compose, &model).await?;
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
    let pull_took = pull::missing(&compose, &teams).await?;
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
    let look = cancel.run_until_cancelled(watcher.wait(tokio::time::Instant::from_std(deadline))).await;
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
