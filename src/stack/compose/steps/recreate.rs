//! The stack's model as the environment of a step makes it: `CHECKOUT_TAG=v1 docker compose up -d checkout` is how teams
//! roll back. Compose reads the team's file once more, and what it says is changed by the same rules as at the start.

use super::arguments::{NotDone, ensure, refuse};
use super::guard;
use crate::stack::ResolveError;
use crate::stack::compose::endpoint::Endpoint;
use crate::stack::compose::model::{self, ResolvedModel};
use crate::stack::compose::stack::ComposeStack;
use crate::stack::compose::transform::Recipe;
use crate::stack::compose::variables::may_decide;
use crate::stack::compose::{builds, findings, images, processes};
use crate::stack::{AgentRole, CallOutput, StackRequest, TOOLBOX};
use serde_json::Value;
use std::collections::BTreeSet;
use tokio_util::sync::CancellationToken;

/// A step, or a release, that has Compose read the team's files once more.
pub(in crate::stack::compose) struct Rereading<'a> {
    pub stack: &'a ComposeStack,
    pub env: &'a [(String, String)],
    pub profiles: &'a [String],
    /// Where the step is told what does not count.
    pub out: &'a CallOutput,
    pub cancel: &'a CancellationToken,
}

impl Rereading<'_> {
    /// What Compose is asked for, and the engine with the variables that count in the environment of its commands: those that the files
    /// name, of the releases' and of the step's. When a file is not understood here, none does, and the step is told why.
    pub(super) async fn asked(&self) -> Result<(StackRequest, Endpoint), NotDone> {
        let stack = self.stack;
        let (mut spec, mut endpoint) = (stack.spec.clone(), stack.endpoint.clone());
        let released: Vec<(String, String)> = {
            let started = stack.started();
            spec.profiles.extend(started.profiles.iter().chain(self.profiles).cloned());
            started.released.values().flatten().map(|(name, value)| (name.clone(), value.clone())).collect()
        };
        // What the step sets itself wins.
        let env = released.iter().chain(self.env);
        let mut may: Vec<&(String, String)> = env.filter(|(name, _)| may_decide(name)).collect();
        if may.is_empty() {
            return Ok((spec, endpoint));
        }
        let variables = match model::files_of(&stack.spec).variables() {
            Ok(variables) => variables,
            Err(why) => {
                self.out.say(&format!("firedrill: the step's variables do not count here: {why}\n")).await;
                return Ok((spec, endpoint));
            }
        };
        may.retain(|(name, _)| variables.named.contains(name));
        for (name, value) in may {
            let same = std::env::var(name).is_ok_and(|own| own == *value);
            let why = "decides which files of the host the stack is made from, and cannot be changed by a step";
            ensure(!variables.of_files.contains(name) || same, format!("`{name}` {why}"))?;
            endpoint.set(name, value);
        }
        Ok((spec, endpoint))
    }

    /// Resolves and changes the model; builds what a step's variables have made another build.
    pub(in crate::stack::compose) async fn remake(&self, services: &[String], build: bool) -> Result<Value, NotDone> {
        let stack = self.stack;
        let none = || NotDone::failed("the stack has not been started");
        let recipe = stack.started().recipe.clone().ok_or_else(none)?;
        let (mut spec, endpoint) = self.asked().await?;
        let mut resolved = resolve(&spec, &endpoint).await?;
        let processes: BTreeSet<String> = stack.started().processes.keys().cloned().collect();
        let services: Vec<&String> = services.iter().filter(|name| !processes.contains(*name)).collect();
        // As Compose does: a service that is named is enabled, whatever its profiles.
        if services.iter().any(|name| resolved.service(name).is_null()) {
            let mut all = spec.clone();
            all.profiles = vec!["*".into()];
            let all = resolve(&all, &endpoint).await?;
            for name in services {
                let service = all.service(name);
                if service.is_null() {
                    let known = all.services().join(", ");
                    return refuse(format!("there is no service `{name}`; there are: {known}"));
                }
                let own = service["profiles"].as_array().into_iter().flatten();
                spec.profiles.extend(own.filter_map(Value::as_str).map(str::to_string));
            }
            resolved = resolve(&spec, &endpoint).await?;
        }
        spec.profiles.sort();
        spec.profiles.dedup();
        let before = resolve(&spec, &stack.endpoint).await?;
        let beyond = guard::beyond(&before.json, &resolved.json);
        let why = format!("a step's variables cannot change what reaches the host: {}", beyond.join(", "));
        ensure(beyond.is_empty(), why)?;
        if let Some(wrong) = findings::findings(&resolved, &spec).into_iter().find(|finding| finding.error) {
            return refuse(wrong.message);
        }
        let recipe = self.rebuilt(recipe, (&before, &resolved), build).await?;
        let mut json = stack.transformed(&resolved, &spec, &recipe);
        processes::scale(&mut json, &spec, &processes);
        let mut started = stack.started();
        if let Some(service) = started.model.as_ref().and_then(|now| keep_ours(now, &mut json)) {
            return refuse(format!("a step cannot change the networks of `{service}`: an agent is in front of it"));
        }
        // Models only grow: what a later command does not name stays known.
        started.profiles = spec.profiles.iter().filter(|p| !stack.spec.profiles.contains(p)).cloned().collect();
        Ok(json)
    }

    /// The images of services whose build is another one now, or all of them when the step asks for a build; and none for a
    /// service whose image has another name now that is there or can be pulled.
    async fn rebuilt(&self, mut recipe: Recipe, (before, after): Models<'_>, build: bool) -> Result<Recipe, NotDone> {
        let (stack, compose) = (self.stack, self.stack.compose(self.cancel));
        let of = |model: &ResolvedModel, name: &str, key: &str| model.service(name).get(key).cloned();
        let mut other = BTreeSet::new();
        for name in after.services() {
            let Some(section) = of(after, &name, "build") else { continue };
            let named = of(after, &name, "image");
            if let (Some(Value::String(image)), false) = (&named, named == of(before, &name, "image"))
                && images::ensure_pulled(&compose, &model::unescape(image), "pulling").await.is_ok()
            {
                recipe.builds.images.remove(&name);
                continue;
            }
            if build || Some(section) != of(before, &name, "build") || !recipe.builds.images.contains_key(&name) {
                other.insert(name);
            }
        }
        if stack.options.no_build || other.is_empty() {
            return Ok(recipe);
        }
        // Only those: a build that has no content to be named by would be made once more for each command.
        let mut only = after.clone();
        if let Some(Value::Object(services)) = only.json.get_mut("services") {
            services.retain(|name, _| other.contains(name));
            let services = services.values_mut().filter_map(Value::as_object_mut);
            services.for_each(|service| drop(service.remove("depends_on")));
        }
        let mut built = builds::plan(&compose.endpoint.docker, &only, &stack.short, false).await?;
        if stack.started().model.is_none() {
            // Nothing is to be started here.
            built.leave_own();
        }
        stack.build(&compose, &only, &built).await?;
        recipe.builds.images.extend(built.images);
        Ok(recipe)
    }
}

/// A model before and after.
type Models<'a> = (&'a ResolvedModel, &'a ResolvedModel);

/// Keeps the drill's own services as they run: a drill does not outlive its agents being recreated. Its agent and its
/// toolbox can do without a network that a profile brings; an agent in front of a service cannot, and the service's name
/// is returned when it would change.
fn keep_ours(now: &Value, next: &mut Value) -> Option<String> {
    let now = now.get("services").and_then(Value::as_object)?;
    let next = next.get_mut("services").and_then(Value::as_object_mut)?;
    let alone = [AgentRole::Drill.name(), AgentRole::Monitoring.name(), TOOLBOX.to_string()];
    for (name, service) in now.iter().filter(|(name, _)| name.starts_with("fd-")) {
        if next.get(name) == Some(service) {
            continue;
        }
        if !alone.contains(name) {
            return Some(name.trim_start_matches("fd-").to_string());
        }
        next.insert(name.clone(), service.clone());
    }
    None
}

async fn resolve(spec: &StackRequest, endpoint: &Endpoint) -> Result<ResolvedModel, NotDone> {
    model::resolve(spec, endpoint).await.map_err(|error| match error {
        ResolveError::Environment(error) => error.into(),
        invalid => NotDone::failed(invalid.to_string()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_drills_own_services_stay_as_they_run() {
        let now = json!({ "services": { "web": { "image": "w:1" }, "fd-agent": { "networks": { "a": null } },
            "fd-toolbox": { "networks": { "a": null } }, "fd-web": { "networks": { "a": null } } } });
        let mut next = now.clone();
        next["services"]["web"]["image"] = json!("w:2");
        next["services"]["fd-agent"]["networks"] = json!({ "a": null, "b": null });
        next["services"].as_object_mut().unwrap().remove("fd-toolbox");
        assert_eq!(keep_ours(&now, &mut next), None);
        assert_eq!(next["services"]["web"], json!({ "image": "w:2" }));
        for ours in ["fd-agent", "fd-toolbox", "fd-web"] {
            assert_eq!(next["services"][ours], now["services"][ours], "{ours}");
        }
        next["services"]["fd-web"]["networks"] = json!({ "b": null });
        assert_eq!(keep_ours(&now, &mut next).as_deref(), Some("web"));
    }
}
