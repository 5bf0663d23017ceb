//! `deploy`: another version of a service is deployed, as a release does: its containers are recreated with another
//! image or other settings. The runbook rolls back as the team does.
//!
//! ```yaml
//! - deploy: { service: checkout, variables: { CHECKOUT_VERSION: "1.5.0" } }   # as CHECKOUT_VERSION=1.5.0 docker compose up -d
//! - deploy: { service: checkout, image: "registry.example/checkout:1.5.0" }
//! - deploy: { service: checkout, environment: { FEATURE_X: "on" }, command: [serve, --workers, "1"] }
//! ```

use super::{FaultContext, FaultError, FaultFacts, FaultResult, Inject, Presence, ReadFault, Undo, Undone};
use crate::record::{Parts, concealed, looks_secret, url_password};
use crate::source::{At, MapReader, shape, shorten};
use crate::stack::{ContainerState, Fingerprint, Release, Stack};
use async_trait::async_trait;
use serde_json::json;
use std::collections::BTreeMap;

/// A release of a service.
pub struct Deploy {
    service: String,
    release: Release,
}

/// Reads names with their values.
fn settings(at: &mut At<'_>) -> Option<BTreeMap<String, String>> {
    let read = at.named("a map of names", "", |at| {
        let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
        if at.key.is_empty() || !at.key.chars().all(fits) {
            at.error_at_key(format!("`{}` is not the name of a variable", shorten(at.key)));
        }
        at.value()
    });
    at.must_not_be_empty(format!("`{}` is empty: leave it out, or say what changes", at.key), "");
    at.diags.describe(|| {
        json!({ "type": "object", "minProperties": 1, "propertyNames": { "pattern": "^[A-Za-z0-9_.-]+$" },
                "additionalProperties": shape::scalar() })
    });
    Some(read)
}

async fn look(service: &str, marks: &Fingerprint, stack: &dyn Stack) -> FaultResult<Presence> {
    let operation = format!("look at the containers of `{service}`");
    let containers = stack.fingerprints(service).await.map_err(FaultError::of(operation))?;
    Ok(presence(service, marks, &containers))
}

/// Takes a release back. A runbook that has rolled back has done it; one that has done half of it has not.
pub(super) async fn take_back(service: &str, marks: &Fingerprint, stack: &dyn Stack) -> FaultResult<Undone> {
    if let Presence::Gone(_) = look(service, marks, stack).await? {
        return Ok(Undone::default());
    }
    stack.deploy(service, None).await.map_err(FaultError::of(format!("take the release of `{service}` back")))?;
    Ok(Undone::of([format!("took the release of `{service}` back")]))
}

/// Reads its parameters; `None` when there were mistakes, which are noted.
pub(super) fn deploy(map: &mut MapReader<'_>) -> ReadFault<Deploy> {
    let service: Option<String> = map.require("service");
    let variables = map.optional_by("variables", settings);
    let image: Option<String> = map.optional("image");
    let command: Option<Vec<String>> = map.optional("command");
    if command.as_ref().is_some_and(Vec::is_empty) {
        map.wrong("command", "`command` is empty")
            .help("leave it out, or write its words like `[serve, --port, \"80\"]`");
    }
    let environment = map.optional_by("environment", settings);
    let nothing = ["variables", "image", "command", "environment"].iter().all(|key| map.node(key).is_none());
    // A map without a service says so, and is told once.
    if nothing && map.node("service").is_some() {
        map.error(map.span(), "`deploy` releases nothing")
            .help("say what the release changes: `variables`, `image`, `command` or `environment`");
    }
    let (service, variables, environment) = (service?, variables.unwrap_or_default(), environment.unwrap_or_default());
    // For people: `CHECKOUT_VERSION=1.5.0`.
    let setting = |(name, value): (&String, &String)| match looks_secret(name) || url_password(value).is_some() {
        true => format!("another {name}"),
        false => format!("{name}={value}"),
    };
    let secret = |(name, value): (&String, &String)| match url_password(value) {
        Some(password) => Some(password.to_string()),
        None => looks_secret(name).then(|| value.clone()),
    };
    let all = || variables.iter().chain(&environment);
    let (command_shown, command_secrets) = command.as_deref().map(concealed).unzip();
    let command_shown = command_shown.map(|shown| format!("the command `{shown}`"));
    let image_shown = image.as_ref().map(|image| format!("the image {image}"));
    let sets: Vec<String> = all().map(setting).chain(image_shown).chain(command_shown).collect();
    let secrets = all().filter_map(secret).chain(command_secrets.into_iter().flatten()).collect();
    let release = Release { variables, image, command, environment };
    let facts = FaultFacts {
        summary: format!("releases `{service}` with {}", sets.join(", ")),
        services: vec![service.clone()],
        secrets,
        release: Some((service.clone(), release.clone())),
        ..FaultFacts::default()
    };
    Some((facts, Deploy { service, release }))
}

/// Where the release stands, by what the service's containers were made with. A container that has some of it is a
/// release half taken back.
fn presence(service: &str, marks: &Fingerprint, containers: &[(ContainerState, Fingerprint)]) -> Presence {
    let names = |settings: Vec<&String>| settings.into_iter().map(String::as_str).collect::<Vec<_>>().join(", ");
    let each = containers.iter().map(|(state, own)| {
        let (has, lacks): (Vec<_>, Vec<_>) = marks.keys().partition(|setting| own.get(*setting) == marks.get(*setting));
        let (some, whole) = (!has.is_empty(), lacks.is_empty());
        let is = match (some, whole) {
            (_, true) => format!("with the release's {}", names(has)),
            (false, false) => "without the release".to_string(),
            (true, false) => format!("with the release's {}, not with its {}", names(has), names(lacks)),
        };
        ((some, whole), format!("{} is {} {is}", state.name, state.status))
    });
    let (each, evidence): (Vec<(bool, bool)>, Vec<String>) = each.unzip();
    let (active, all, evidence) = (each.iter().filter(|(some, _)| *some).count(), each.len(), evidence.join(", "));
    match all {
        0 => Presence::Gone(format!("`{service}` has no container")),
        _ if active == all && each.iter().any(|(_, whole)| !whole) => Presence::Partly(evidence, Parts::new(all, all)),
        _ => Presence::of(active, all, evidence),
    }
}

#[async_trait]
impl Inject for Deploy {
    async fn prepare(&self, context: &FaultContext<'_>) -> FaultResult<Undo> {
        let operation = format!("prepare the release of `{}`", self.service);
        let marks = context.stack.preview(&self.service, &self.release).await.map_err(FaultError::of(&operation))?;
        if marks.is_empty() {
            return Err(FaultError::new(operation, "the service's containers are like that already"));
        }
        Ok(Undo::Release { service: self.service.clone(), marks })
    }

    async fn inject(&self, _undo: &Undo, context: &FaultContext<'_>) -> FaultResult {
        let operation = format!("release `{}`", self.service);
        context.stack.deploy(&self.service, Some(&self.release)).await.map_err(FaultError::of(operation))
    }

    async fn confirm(&self, undo: &Undo, context: &FaultContext<'_>) -> FaultResult<Presence> {
        let Undo::Release { service, marks } = undo else { return Err(FaultError::undo("that of a release")) };
        look(service, marks, context.stack).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_release_is_known_by_everything_that_it_sets() {
        let marks = |pairs: &[(&str, &str)]| -> Fingerprint {
            pairs.iter().map(|(setting, mark)| (setting.to_string(), mark.to_string())).collect()
        };
        let state = |name: &str| ContainerState {
            id: name.into(),
            name: name.into(),
            status: "running".into(),
            exit_code: None,
            started_at: String::new(),
            ..Default::default()
        };
        let release = marks(&[("image", "b"), ("environment.X", "2")]);
        let bad = || (state("bad"), marks(&[("image", "b"), ("environment.X", "2"), ("environment.Y", "7")]));
        let planned = || (state("planned"), marks(&[("image", "a"), ("environment.X", "1")]));
        // The setting alone was taken back.
        let half = || (state("half"), marks(&[("image", "b"), ("environment.X", "1")]));
        let asked = |containers: &[(ContainerState, Fingerprint)]| presence("web", &release, containers);
        assert_eq!(asked(&[bad()]), Presence::InPlace("bad is running with the release's environment.X, image".into()));
        assert!(matches!(asked(&[bad(), planned()]), Presence::Partly(_, Parts { active: 1, all: 2 })));
        let half_back = "half is running with the release's image, not with its environment.X";
        assert_eq!(asked(&[half()]), Presence::Partly(half_back.into(), Parts::new(1, 1)));
        assert!(matches!(asked(&[planned(), half()]), Presence::Partly(..)));
        assert_eq!(asked(&[planned()]), Presence::Gone("planned is running without the release".into()));
        assert_eq!(asked(&[]), Presence::Gone("`web` has no container".into()));
    }
}
