//! Pulling what is missing before anything is started: how long a registry takes says nothing about the stack's health,
//! so it does not count towards the time that the stack has to become healthy.

use super::command::ComposeCommand;
use super::errors::hinted;
use super::images;
use super::model::unescape;
use crate::stack::{StackError, StackResult};
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// How long all pulls together may take: a large image over a slow line, and still an end.
pub(super) const WITHIN: Duration = Duration::from_secs(30 * 60);

/// Image → one service that runs it, of those that may have to be pulled: what is built here, and what must never be
/// pulled, is left to `up`.
fn candidates(model: &Value) -> BTreeMap<String, String> {
    let services = model.get("services").and_then(Value::as_object);
    let mut images = BTreeMap::new();
    for (service, json) in services.into_iter().flatten() {
        let text = |key: &str| json.get(key).and_then(Value::as_str);
        if let (Some(image), None | Some("missing" | "if_not_present" | "always")) =
            (text("image"), text("pull_policy"))
        {
            images.entry(unescape(image)).or_insert_with(|| service.clone());
        }
    }
    images
}

/// Pulls what a model needs and the engine does not have; what that took, or nothing when all of it is there.
///
/// # Errors
/// `Environment` when an image cannot be pulled, with its name and what to do about it.
pub(super) async fn missing(compose: &ComposeCommand, model: &Value) -> StackResult<Duration> {
    let missing = absent(compose, candidates(model)).await?;
    if missing.is_empty() {
        return Ok(Duration::ZERO);
    }
    let began = Instant::now();
    // By Compose, which has the credentials of private registries and knows each service's platform.
    let args: Vec<&str> = ["pull", "--quiet", "--"].into_iter().chain(missing.values().map(String::as_str)).collect();
    let ran = compose.run(&args, "pull.log", WITHIN, Some(model)).await?;
    // Several images are pulled at the same time: those that came are not to blame.
    let still = absent(compose, missing.clone()).await.unwrap_or(missing);
    let names: Vec<String> = still.into_keys().collect();
    // For a service that could be built as well, Compose takes an image that cannot be pulled for no error.
    if ran.succeeded() && names.is_empty() {
        return Ok(began.elapsed());
    }
    Err(failed(&names, &if ran.status.is_none() { vec![ran.failure()] } else { ran.tail }))
}

/// Those that the engine does not have.
async fn absent(compose: &ComposeCommand, images: BTreeMap<String, String>) -> StackResult<BTreeMap<String, String>> {
    let mut absent = BTreeMap::new();
    for (image, service) in images {
        if images::inspect(&compose.endpoint.docker, &image).await?.is_none() {
            absent.insert(image, service);
        }
    }
    Ok(absent)
}

/// Why a pull failed, and what to do about it.
fn failed(names: &[String], tail: &[String]) -> StackError {
    let says_why = |line: &&String| {
        let line = line.to_ascii_lowercase();
        line.contains("error") || line.contains("denied") || line.contains("not found")
    };
    let line = tail.iter().rfind(says_why).or(tail.last()).map_or("it said nothing", String::as_str);
    let cause = line.rsplit_once("Error response from daemon:").map_or(line, |(_, cause)| cause).trim();
    let lower = cause.to_ascii_lowercase();
    let first = names.first().map_or("IMAGE", String::as_str);
    let hint = if ["denied", "unauthorized", "authentication required"].iter().any(|word| lower.contains(word)) {
        format!("`docker login` to its registry, or correct the name `{first}`; an image of your own needs `build:`")
    } else if ["not found", "manifest unknown", "no matching manifest"].iter().any(|word| lower.contains(word)) {
        format!("correct the name or the tag `{first}`; an image of your own needs `build:`")
    } else {
        format!("try `docker pull {first}`; without a way to the registry, bring the image by `docker load`")
    };
    hinted(format!("pulling {}", names.join(", ")), cause, hint)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_built_or_never_pulled_is_no_candidate() {
        let model = json!({ "services": {
            "a": { "image": "redis:7" }, "b": { "image": "redis:7", "pull_policy": "always" },
            "c": { "image": "x$$y", "pull_policy": "missing" }, "d": { "image": "built", "pull_policy": "never" },
            "e": { "build": {} }, "f": { "image": "own", "pull_policy": "build" },
        } });
        let expected =
            [("redis:7", "a"), ("x$y", "c")].map(|(image, service)| (image.to_string(), service.to_string()));
        assert_eq!(candidates(&model), BTreeMap::from(expected));
        assert!(candidates(&json!({})).is_empty());
    }

    #[test]
    fn a_failed_pull_names_the_image_and_the_cure() {
        let said = |line: &str| {
            let error = failed(&["team/app:1".into()], &["app Pulling".into(), line.into()]);
            let StackError::Environment { operation, cause, hint } = error else { panic!("{error:?}") };
            format!("{operation}: {cause} ({})", hint.unwrap_or_default())
        };
        let lines = [
            "Error response from daemon: pull access denied for team/app, repository does not exist",
            "app Error manifest for team/app:1 not found: manifest unknown",
            "Error response from daemon: Get \"https://registry-1.docker.io/v2/\": no such host",
        ];
        insta::assert_snapshot!(lines.map(said).join("\n"));
    }
}
