//! Starting a stack: build and pull what is missing, hand the changed model to `docker compose up -d`, wait until everything is
//! healthy; and when that fails, say whose fault it is: the build's, the stack's or the environment's.

use super::builds::{self, BUILD_WITHIN, Builds};
use super::command::{ComposeCommand, Ran, StoppedCommand, Watch};
use super::errors::{environment, hinted};
use super::health::{Ailing, Watcher};
use super::images::{BundledImage, MONITORING_IMAGE, TOOLBOX_IMAGE};
use super::stack::{ComposeStack, Recipe};
use super::transform::{Drill, transform};
use super::{images, logs, ports, pull, release};
use crate::record::write_atomic;
use crate::stack::{StackError, StackUp};
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

/// Lines of a container's log that go into a message.
const LOG_TAIL: usize = 25;

/// Held while the agent's and the toolbox's images are made.
static MAKING: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

/// Starts the stack.
pub(super) async fn up(stack: &ComposeStack, cancel: &CancellationToken) -> Result<StackUp, StackError> {
    tokio::select! {
        biased;
        // The compose command ends by the same token, in order; this is for everything between the commands.
        () = async { cancel.cancelled().await; tokio::time::sleep(Duration::from_secs(5)).await } => {
            stack.started().cut_off = true;
            Err(StackError::Cancelled)
        }
        result = start(stack, cancel) => result,
    }
}

/// Builds and pulls what the stack needs, so that drills that start it side by side find it there. What is built again for
/// every drill is left to each of them.
pub(super) async fn prepare(stack: &ComposeStack, cancel: &CancellationToken) -> Result<(), StackError> {
    stack.refuse_errors()?;
    let compose = stack.compose();
    let watch = |name: &str| Watch { log: log(stack, name), within: BUILD_WITHIN, cancel, model: None };
    let (agent, toolbox, monitoring) = make_ours(stack, &compose, cancel).await?;
    let mut built = builds::plan(&compose, &stack.model, &stack.short, stack.options.no_build).await?;
    built.leave_own();
    let model = teams_only(stack, &built);
    let text = model.to_string();
    built.build(&compose, Watch { model: Some(&text), ..watch("build.log") }).await?;
    pull::missing(&compose, &model, watch("pull.log")).await?;
    let Builds { images: built, own, .. } = built;
    stack.started().recipe = Some(Recipe { agent, toolbox, monitoring, built, own, ports: BTreeMap::new() });
    release::make_ready(stack, cancel).await;
    stopped_early(cancel)
}

async fn start(stack: &ComposeStack, cancel: &CancellationToken) -> Result<StackUp, StackError> {
    stack.refuse_errors()?;
    if let Some(error) = &stack.options.no_images {
        return Err(error.clone());
    }
    let compose = stack.compose();
    let build_began = Instant::now();
    let ((agent, toolbox, monitoring), built) = make_images(stack, &compose, cancel).await?;
    let mut build_took = build_began.elapsed();
    let watch = Watch { log: log(stack, "pull.log"), within: pull::WITHIN, cancel, model: None };
    let pull_took = pull::missing(&compose, &teams_only(stack, &built), watch).await?;
    let listening = ports::of_interposed(&compose, &stack.model, &stack.spec, &built.images).await?;
    let drill = Drill {
        project: &stack.project,
        run: &stack.run.id,
        dir: &stack.run.dir,
        keep: stack.run.keep,
        agent_image: &agent,
        toolbox_image: &toolbox,
        monitoring_image: &monitoring,
        launch: stack.launch(),
        built: &built.images,
        own_images: &built.own,
        ports: &listening,
    };
    let model = transform(&stack.model, &stack.spec, &drill);
    keep_copy(stack, &model)?;
    let model = model.to_string();
    stopped_early(cancel)?;
    {
        let mut started = stack.started();
        started.model = Some(model.clone());
        started.services = stack.model.services();
        let Builds { images: built, own, .. } = built;
        started.recipe = Some(Recipe { agent, toolbox, monitoring, built, own, ports: listening });
    }
    let releases_began = Instant::now();
    release::make_ready(stack, cancel).await;
    build_took += releases_began.elapsed();
    stopped_early(cancel)?;

    let up_began = Instant::now();
    let deadline = up_began + stack.spec.up_within;
    let watch = Watch { log: log(stack, "up.log"), within: stack.spec.up_within, cancel, model: Some(&model) };
    // Until Compose says otherwise: this future may be dropped at any await, and the command be killed with it.
    stack.started().cut_off = true;
    let ran = compose.run(&["up", "--detach", "--no-build", "--quiet-pull"], watch).await;
    let up_took = up_began.elapsed();
    let mut watcher = Watcher::new(&stack.endpoint.docker, &stack.project, stack.model.jobs());
    stack.started().cut_off = matches!(ran, Err(StoppedCommand::Cancelled | StoppedCommand::TimedOut(_)));
    match ran {
        Ok(ran) if ran.status.success() => {}
        Ok(ran) => return Err(not_up(stack, &mut watcher, &ran).await),
        Err(StoppedCommand::Error(error)) => return Err(error),
        Err(StoppedCommand::Cancelled) => return Err(StackError::Cancelled),
        Err(StoppedCommand::TimedOut(tail)) => return Err(too_late(stack, &mut watcher, tail).await),
    }
    let healthy_began = Instant::now();
    let look = tokio::select! {
        biased;
        () = cancel.cancelled() => return Err(StackError::Cancelled),
        look = watcher.wait(tokio::time::Instant::from_std(deadline)) => look?,
    };
    match look {
        Ok(look) => Ok(StackUp {
            project: stack.project.clone(),
            // The team's; ours are what this executable is.
            images: look.images.into_iter().filter(|(name, _)| stack.model.service(name).is_some()).collect(),
            localhost: stack.model.published().named(),
            build_took,
            pull_took,
            up_took,
            healthy_took: healthy_began.elapsed(),
        }),
        Err(ailing) => Err(unhealthy(stack, ailing).await),
    }
}

/// Images of the agent, of the toolbox and of the monitoring; the last one is empty where none is wanted.
type OurImages = (String, String, String);

/// Firedrill's own images and the team's, side by side.
async fn make_images(
    stack: &ComposeStack,
    compose: &ComposeCommand,
    cancel: &CancellationToken,
) -> Result<(OurImages, builds::Builds), StackError> {
    let watch = |name: &str| Watch { log: log(stack, name), within: BUILD_WITHIN, cancel, model: None };
    let teams = async {
        let built = builds::plan(compose, &stack.model, &stack.short, stack.options.no_build).await?;
        let model = teams_only(stack, &built).to_string();
        built.build(compose, Watch { model: Some(&model), ..watch("build.log") }).await?;
        Ok::<_, StackError>(built)
    };
    tokio::try_join!(make_ours(stack, compose, cancel), teams)
}

/// Firedrill's own images, once for all drills of this process.
async fn make_ours(
    stack: &ComposeStack,
    compose: &ComposeCommand,
    cancel: &CancellationToken,
) -> Result<OurImages, StackError> {
    let watch = |image: &BundledImage| Watch {
        log: log(stack, &format!("{}.log", image.purpose)),
        within: BUILD_WITHIN,
        cancel,
        model: None,
    };
    let _making = MAKING.lock().await;
    let agent = stack.ensure_agent().await?;
    let named = stack.spec.toolbox_image.as_deref();
    let toolbox = images::ensure_bundled(compose, &TOOLBOX_IMAGE, named, &agent, watch(&TOOLBOX_IMAGE)).await?;
    let monitoring = match stack.spec.monitoring {
        true => images::ensure_bundled(compose, &MONITORING_IMAGE, None, &agent, watch(&MONITORING_IMAGE)).await?,
        false => String::new(),
    };
    Ok((agent.tag, toolbox, monitoring))
}

/// The model without anything of ours: for what must be there before the stack is started.
fn teams_only(stack: &ComposeStack, built: &builds::Builds) -> serde_json::Value {
    let nothing = BTreeMap::<String, BTreeSet<u16>>::new();
    let drill = Drill {
        project: &stack.project,
        run: &stack.run.id,
        dir: &stack.run.dir,
        keep: stack.run.keep,
        agent_image: "",
        toolbox_image: "",
        monitoring_image: "",
        launch: &[],
        built: &built.images,
        own_images: &built.own,
        ports: &nothing,
    };
    transform(&stack.model, &stack.spec, &drill)
}

fn log(stack: &ComposeStack, name: &str) -> Option<std::path::PathBuf> {
    Some(stack.run.dir.join("logs").join(name))
}

fn stopped_early(cancel: &CancellationToken) -> Result<(), StackError> {
    if cancel.is_cancelled() { Err(StackError::Cancelled) } else { Ok(()) }
}

/// The model as it was started, beside the record, with its secrets hidden: what Compose itself reads is never a file.
fn keep_copy(stack: &ComposeStack, model: &serde_json::Value) -> Result<(), StackError> {
    let path = stack.run.dir.join("compose.json");
    let text = stack.clean(&format!("{model:#}\n"));
    write_atomic(&path, text.as_bytes()).map_err(|error| environment(format!("writing {}", path.display()), error))
}

/// `docker compose up` failed: a service that did not become what others wait for, or the environment.
async fn not_up(stack: &ComposeStack, watcher: &mut Watcher<'_>, ran: &Ran) -> StackError {
    let said = ran.tail.join("\n");
    let dependency = ran.tail.iter().rfind(|line| is_about_a_dependency(line)).cloned();
    let refused = ran.tail.iter().rfind(|line| line.contains("Error response from daemon"));
    if let (Some(refused), None) = (refused, &dependency) {
        return refusal(refused);
    }
    // Docker settles what became of the container a moment before or after Compose speaks of it.
    if let Ok(look) = watcher.look().await
        && let Some(ailing) = look.failed.or(look.waiting.filter(|_| dependency.is_some()))
    {
        return unhealthy(stack, ailing).await;
    }
    match dependency {
        Some(line) => StackError::Unhealthy { service: "the stack".into(), reason: line, tail: said },
        None => environment("docker compose up", ran.tail.last().map_or("it failed and said nothing", String::as_str)),
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
    let at = line.find("Error response from daemon").unwrap_or(0);
    let cause = line.get(at..).unwrap_or(line).trim_start_matches("Error response from daemon:").trim().to_string();
    let hint = if cause.contains("non-overlapping") || cause.contains("all predefined address pools") {
        "the engine has no addresses left for networks: `firedrill sweep`, or `docker network prune`"
    } else if cause.contains("No such image") || cause.contains("pull access denied") || cause.contains("not found") {
        "build or pull the image first, or leave out --no-build"
    } else if cause.contains("no space left") {
        "free some disk space: `docker system df` shows what takes it"
    } else if cause.contains("port is already allocated") || cause.contains("address already in use") {
        "a service on the host's own network clashes with another program"
    } else {
        return environment("docker compose up", cause);
    };
    hinted("docker compose up", cause, hint)
}

/// The deadline passed while Compose itself was still waiting for something.
async fn too_late(stack: &ComposeStack, watcher: &mut Watcher<'_>, tail: Vec<String>) -> StackError {
    if let Ok(look) = watcher.look().await
        && let Some(ailing) = look.failed.or(look.waiting)
    {
        return unhealthy(stack, ailing).await;
    }
    let within = stack.spec.up_within.as_secs_f64();
    let cause =
        format!("it did not end within {within} s; its last words: {}", tail.last().map_or("none", String::as_str));
    environment("docker compose up", cause)
}

async fn unhealthy(stack: &ComposeStack, ailing: Ailing) -> StackError {
    let tail = logs::tail(&stack.endpoint.docker, &ailing.container, LOG_TAIL, stack.redactor()).await;
    StackError::Unhealthy { service: ailing.service, reason: stack.clean(&ailing.reason), tail }
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
