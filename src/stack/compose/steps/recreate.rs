//! The stack's model as the environment of a step makes it: `CHECKOUT_TAG=v1 docker compose up -d checkout` is how teams roll back. Compose
//! reads the team's file once more, and what it says is changed by the same rules as at the start. The variables of a step may change which
//! images, commands and settings a stack has, and never what it has of the host.

use super::arguments::{NotDone, ensure, refuse};
use crate::stack::compose::endpoint::Endpoint;
use crate::stack::compose::model::{self, ResolvedModel};
use crate::stack::compose::stack::ComposeStack;
use crate::stack::compose::transform::Recipe;
use crate::stack::compose::variables::may_decide;
use crate::stack::compose::{builds, findings, images, labels, processes, rights};
use crate::stack::{AgentRole, CallOutput, ResolveError, StackRequest, TOOLBOX};
use serde_json::{Map, Value};
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
        let beyond = beyond(&before.json, &resolved.json);
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
    for (name, service) in now.iter().filter(|(name, _)| labels::is_own(Some(name))) {
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

pub(super) async fn resolve(spec: &StackRequest, endpoint: &Endpoint) -> Result<ResolvedModel, NotDone> {
    model::resolve(spec, endpoint).await.map_err(|error| match error {
        ResolveError::Environment(error) => error.into(),
        invalid => NotDone::failed(invalid.to_string()),
    })
}

/// What a step's variables would change that is not theirs to change: `web.privileged`.
pub(super) fn beyond(before: &Map<String, Value>, after: &Map<String, Value>) -> Vec<String> {
    let sections = ["secrets", "configs", "volumes", "networks", "name"].into_iter();
    let changed = sections.filter(|section| before.get(*section) != after.get(*section));
    let mut found: Vec<String> = changed.map(str::to_string).collect();
    let services = |model: &Map<String, Value>| model.get("services").and_then(Value::as_object).cloned();
    let (before, after) = (services(before).unwrap_or_default(), services(after).unwrap_or_default());
    for (name, service) in &after {
        let Some(old) = before.get(name) else {
            found.push(format!("services.{name}"));
            continue;
        };
        let keys =
            |service: &Value| service.as_object().into_iter().flat_map(Map::keys).cloned().collect::<BTreeSet<_>>();
        for key in keys(old).union(&keys(service)) {
            // The first two are looked at below. Which secrets a service has is the stack's.
            let looked_at = match key.as_str() {
                "volumes" | "build" => true,
                "secrets" | "configs" => false,
                key => rights::is_free(key) || matches!(key, "deploy" | "labels" | "networks"),
            };
            if !looked_at && old.get(key) != service.get(key) {
                found.push(format!("{name}.{key}"));
            }
        }
        let reserves = |service: &Value| service.pointer("/deploy/resources/reservations").cloned();
        let looked_into = [
            ("volumes", mounts(old) != mounts(service)),
            ("build", build(old) != build(service)),
            ("deploy", reserves(old) != reserves(service)),
            ("networks", network_options(old) != network_options(service)),
        ];
        found.extend(looked_into.into_iter().filter(|(_, is_other)| *is_other).map(|(key, _)| format!("{name}.{key}")));
    }
    found
}

/// Mounts that are no volumes of the project's.
fn mounts(service: &Value) -> Vec<&Value> {
    let all = service.get("volumes").and_then(Value::as_array).into_iter().flatten();
    all.filter(|mount| !matches!(mount.get("type").and_then(Value::as_str), Some("volume" | "tmpfs"))).collect()
}

/// What a service asks of the drivers of its networks.
fn network_options(service: &Value) -> Vec<(&String, &Value)> {
    let all = service.get("networks").and_then(Value::as_object).into_iter().flatten();
    all.filter_map(|(network, used)| Some((network, used.get("driver_opts")?))).collect()
}

/// What a build reads and may do; its arguments and its target are free.
fn build(service: &Value) -> Option<Value> {
    let mut build = service.get("build")?.clone();
    if let Value::Object(build) = &mut build {
        build.retain(|key, _| !matches!(key.as_str(), "args" | "target" | "labels" | "tags"));
    }
    Some(build)
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

#[cfg(test)]
mod guard_tests {
    use super::*;
    use crate::stack::compose::variables::may_decide;
    use serde_json::json;

    fn changed(change: impl FnOnce(&mut Value)) -> Vec<String> {
        let before = json!({ "name": "shop", "services": { "web": {
            "image": "web:v2", "environment": { "A": "1" }, "networks": { "default": null }, "build": { "context": "/p", "args": { "V": "2" } },
            "volumes": [{ "type": "bind", "source": "/p/conf", "target": "/c" }, { "type": "volume", "source": "d", "target": "/d" }],
        } }, "volumes": { "d": {} } });
        let mut after = before.clone();
        change(&mut after);
        beyond(before.as_object().unwrap(), after.as_object().unwrap())
    }

    #[test]
    fn images_and_settings_may_change_and_nothing_of_the_host() {
        let free = changed(|model| {
            model["services"]["web"]["image"] = json!("web:v1");
            model["services"]["web"]["environment"]["A"] = json!("2");
            model["services"]["web"]["build"]["args"]["V"] = json!("1");
            model["services"]["web"]["command"] = json!(["x"]);
            model["services"]["web"]["networks"]["default"] = json!({ "aliases": ["x"] });
        });
        assert_eq!(free, Vec::<String>::new());
        for (pointer, value, found) in [
            ("/services/web/volumes/0/source", json!("/etc"), "web.volumes"),
            ("/services/web/volumes/1/type", json!("bind"), "web.volumes"),
            ("/services/web/build/context", json!("/"), "web.build"),
            ("/services/web/networks/default", json!({ "driver_opts": { "x": "y" } }), "web.networks"),
        ] {
            assert_eq!(changed(|model| *model.pointer_mut(pointer).unwrap() = value), [found]);
        }
        for key in
            ["privileged", "network_mode", "devices", "pid", "use_api_socket", "secrets", "of_next_year", "annotations"]
        {
            assert_eq!(changed(|model| model["services"]["web"][key] = json!("x")), [format!("web.{key}")]);
        }
        assert_eq!(changed(|model| model["secrets"] = json!({ "s": { "file": "/etc/shadow" } })), ["secrets"]);
        assert_eq!(changed(|model| model["volumes"]["d"]["driver_opts"] = json!({ "device": "/" })), ["volumes"]);
        assert_eq!(changed(|model| model["services"]["new"] = json!({})), ["services.new"]);
    }

    #[test]
    fn variables_of_the_command_itself_decide_nothing() {
        for name in ["CHECKOUT_TAG", "TAG", "Version", "DB_HOST", "_X", "NODE_ENV", "PYTHON_VERSION"] {
            assert!(may_decide(name), "{name}");
        }
        for name in [
            "PATH", "path", "LD_PRELOAD", "COMPOSE_FILE", "DOCKER_HOST", "https_proxy", "BASH_ENV", "A-B", "", "a b",
            "GODEBUG", "GIT_SSH_COMMAND", "SHELLOPTS", "PS4", "AWS_CONFIG_FILE", "GNUPGHOME", "PASSWORD_STORE_DIR",
            "PYTHONUSERBASE", "OPENSSL_CONF", "PERL5DB", "JDK_JAVA_OPTIONS",
        ] {
            assert!(!may_decide(name), "{name}");
        }
    }
}
