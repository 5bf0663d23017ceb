//! Releases of a service by Compose: its containers are recreated from the model as the release has it, and what a
//! container was made with tells which release it is.

use super::errors::environment;
use super::model::{escape, files_of, scalars, service_mut, texts, unescape};
use super::stack::{ComposeStack, UP_WITHIN};
use super::steps::recreate::Rereading;
use super::steps::with_more;
use super::up::{Standing, standing};
use super::{containers, labels};
use crate::stack::{CallIo, Fingerprint, Fingerprints, RELEASE_WITHIN, Release, StackResult};
use bollard::models::ContainerInspectResponse;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// What is done first, in messages.
const RESOLVING: &str = "resolving the stack's file";
/// How long new containers have to become ready; a bad release may never be.
const READY_WITHIN: Duration = Duration::from_secs(8);
/// How long they have at the most where their health check says that they need longer to start.
const START_WITHIN: Duration = Duration::from_secs(30);
/// How long the model may take to be read, three times by Compose.
const MODEL_WITHIN: Duration = Duration::from_secs(30);
// Whoever waits for a release learns how it ended, and not that it is not over.
const _: () = assert!(UP_WITHIN.as_secs() + START_WITHIN.as_secs() + MODEL_WITHIN.as_secs() < RELEASE_WITHIN.as_secs());
/// Between two looks at them.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Builds and pulls what the releases of a drill need: under load it would disturb whoever is measured. What is wrong with
/// one is said by `preview`, which tries it again.
pub(super) async fn make_ready(stack: &ComposeStack, cancel: &CancellationToken) {
    for (service, release) in &stack.spec.releases {
        let _ = model(stack, service, release, cancel).await;
    }
}

/// What `Stack::preview` says.
pub(super) async fn preview(stack: &ComposeStack, service: &str, release: &Release) -> StackResult<Fingerprint> {
    let model = model(stack, service, release, &CancellationToken::new()).await?;
    let wanted = of_model(stack, &model["services"][service]);
    let now = fingerprints(stack, service).await?;
    // What every container has already cannot tell the release from what was before it.
    let new = |(setting, mark): &(String, String)| !now.iter().all(|(_, own)| own.get(setting) == Some(mark));
    Ok(wanted.into_iter().filter(new).collect())
}

/// What `Stack::fingerprints` says.
pub(super) async fn fingerprints(stack: &ComposeStack, service: &str) -> StackResult<Fingerprints> {
    let found = containers::inspected_of(&stack.endpoint.docker, &stack.project, service).await?;
    Ok(found.iter().map(|container| (containers::state(container), of_container(stack, container))).collect())
}

/// What `Stack::deploy` does.
pub(super) async fn deploy(stack: &ComposeStack, service: &str, release: Option<&Release>) -> StackResult<()> {
    match release {
        Some(release) => stack.started().released.insert(service.into(), release.variables.clone()),
        None => stack.started().released.remove(service),
    };
    let (planned, cancel) = (Release::default(), CancellationToken::new());
    let model = model(stack, service, release.unwrap_or(&planned), &cancel);
    let late = |_| environment(RESOLVING, format!("it took more than {} s", MODEL_WITHIN.as_secs()));
    let model = tokio::time::timeout(MODEL_WITHIN, model).await.map_err(late)??;
    let now = containers::inspected_of(&stack.endpoint.docker, &stack.project, service).await?;
    let scale = format!("{service}={}", replicas(&now));
    stack.up_service(service, &["--scale", &scale], "deploy.log", &model).await?;
    ready(stack, service).await
}

/// How many replicas a service has. Those that are not running count: a release takes down what it breaks. While Compose
/// recreates one there are two containers with its number.
fn replicas(all: &[ContainerInspectResponse]) -> usize {
    let numbers: BTreeSet<_> = all.iter().map(|container| containers::label(container, labels::NUMBER)).collect();
    numbers.len().max(1)
}

/// Waits until the service's containers are ready, have failed, or have had their time: what users miss while a sound
/// release starts is no impact of a bad one, and impact counts from here on.
async fn ready(stack: &ComposeStack, service: &str) -> StackResult<()> {
    let begun = tokio::time::Instant::now();
    loop {
        let found = containers::inspected_of(&stack.endpoint.docker, &stack.project, service).await?;
        if !found.iter().any(|container| has_time(container, begun.elapsed())) {
            return Ok(());
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// Whether a container that was made so long ago may still become ready. The start period of a health check is time in
/// which a failed check says nothing; one that crashes does not get it.
fn has_time(container: &ContainerInspectResponse, elapsed: Duration) -> bool {
    let starts = containers::status(container) == "running" && container.restart_count.unwrap_or(0) == 0;
    let check = container.config.as_ref().and_then(|config| config.healthcheck.as_ref());
    let period = check.filter(|_| starts).and_then(|check| u64::try_from(check.start_period?).ok());
    let period = Duration::from_nanos(period.unwrap_or(0)).min(START_WITHIN);
    elapsed < READY_WITHIN.max(period) && matches!(standing(container, false, true), Standing::Waiting(_))
}

/// The drill's model with the release in it. Builds and pulls what the release needs.
async fn model(stack: &ComposeStack, name: &str, release: &Release, cancel: &CancellationToken) -> StackResult<Value> {
    if !release.variables.is_empty() {
        let known = files_of(&stack.spec).of_releases().map_err(|why| environment(RESOLVING, why))?;
        if let Some(name) = release.variables.keys().find(|name| !known.contains(*name)) {
            return Err(environment(RESOLVING, format!("`{name}` is not a variable of the stack's Compose file")));
        }
    }
    let env: Vec<(String, String)> = release.variables.clone().into_iter().collect();
    // There is nothing to be said that is not in the error.
    let (io, _) = CallIo::pair();
    let rereading = Rereading { stack, env: &env, profiles: &[], out: &io.out, cancel };
    let made = rereading.remake(&[name.to_string()], false).await;
    let mut model = made.map_err(|not_done| environment(RESOLVING, not_done.why))?;
    let json = service_mut(&mut model, name).and_then(Value::as_object_mut);
    let json = json.ok_or_else(|| environment(RESOLVING, "the stack has no such service"))?;
    if let Some(image) = &release.image {
        super::images::ensure_pulled(&stack.compose(cancel), image, "pulling the release's image").await?;
        json.insert("image".into(), json!(escape(image)));
        json.remove("build");
    }
    if let Some(command) = &release.command {
        json.insert("command".into(), command.iter().map(|word| Value::String(escape(word))).collect());
    }
    if !release.environment.is_empty() {
        let more: Vec<(String, String)> = release.environment.clone().into_iter().collect();
        json.insert("environment".into(), with_more(json.get("environment"), &more));
    }
    Ok(model)
}

/// What a service's containers are made with.
fn of_model(stack: &ComposeStack, service: &Value) -> Fingerprint {
    let image = service["image"].as_str().map(unescape);
    let command = service["command"].is_array().then(|| texts(&service["command"]).join("\0"));
    fingerprint(&stack.run.id, image, command, scalars(&service["environment"]))
}

/// What a container was made with.
fn of_container(stack: &ComposeStack, container: &ContainerInspectResponse) -> Fingerprint {
    let Some(config) = &container.config else { return Fingerprint::new() };
    let environment = config.env.iter().flatten().map(|variable| {
        let (name, value) = variable.split_once('=').unwrap_or((variable, ""));
        (name.to_string(), value.to_string())
    });
    fingerprint(&stack.run.id, config.image.clone(), config.cmd.as_ref().map(|command| command.join("\0")), environment)
}

/// The fingerprints of settings in this run. Values may be secrets: each is bound to the run and its setting, so that it says nothing
/// elsewhere.
pub(in crate::stack) fn fingerprint(
    run: &str,
    image: Option<String>,
    command: Option<String>,
    environment: impl IntoIterator<Item = (String, String)>,
) -> Fingerprint {
    let image = image.map(|image| ("image".to_string(), image));
    let command = command.map(|command| ("command".to_string(), command));
    let environment = environment.into_iter().map(|(name, value)| (format!("environment.{name}"), value));
    let mark = |(setting, value): (String, String)| {
        let mark = hex::encode(&Sha256::digest(format!("{run}\0{setting}\0{value}"))[..8]);
        (setting, mark)
    };
    image.into_iter().chain(command).chain(environment).map(mark).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_release_that_says_how_long_it_starts_has_that_time() {
        let container = |health: &str, restarts: u32, period: Option<Duration>| -> ContainerInspectResponse {
            let check = json!({ "StartPeriod": period.map(|period| period.as_nanos() as u64) });
            let state = json!({ "Status": "running", "Health": { "Status": health } });
            let made = json!({ "Config": { "Healthcheck": check }, "State": state, "RestartCount": restarts });
            serde_json::from_value(made).unwrap()
        };
        let seconds = Duration::from_secs;
        let until = |container: ContainerInspectResponse| (0..100).find(|at| !has_time(&container, seconds(*at)));
        assert_eq!(until(container("starting", 0, None)), Some(8));
        assert_eq!(until(container("starting", 0, Some(seconds(2)))), Some(8));
        assert_eq!(until(container("starting", 0, Some(seconds(20)))), Some(20));
        assert_eq!(until(container("starting", 0, Some(seconds(600)))), Some(30), "a drill does not wait for ever");
        assert_eq!(until(container("starting", 3, Some(seconds(20)))), Some(8), "it crashes");
        assert_eq!(until(container("healthy", 0, Some(seconds(20)))), Some(0));
        assert_eq!(until(container("unhealthy", 0, Some(seconds(20)))), Some(0));
    }

    #[test]
    fn replicas_that_are_down_count_and_those_that_are_being_replaced_count_once() {
        let container = |number: &str, status: &str| -> ContainerInspectResponse {
            let labels = json!({ (labels::NUMBER): number });
            serde_json::from_value(json!({ "Config": { "Labels": labels }, "State": { "Status": status } })).unwrap()
        };
        let found = [container("1", "restarting"), container("2", "exited"), container("2", "created")];
        assert_eq!(replicas(&found), 2);
        assert_eq!(replicas(&[]), 1, "a service that has no container gets one");
    }
}
