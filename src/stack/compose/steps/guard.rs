//! What the variables of a step may change in a stack: which images, commands and settings it has, and never what it
//! has of the host.

use crate::stack::compose::rights;
use serde_json::{Map, Value};
use std::collections::BTreeSet;

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
