//! What `check` says about a stack before it is started: settings that a drill cannot allow, settings by which it
//! would reach outside, and clients that would go around a fault.

use super::model::{ResolvedModel, has_own_networks, scalar, unescape};
use super::outside;
use crate::stack::StackSpec;
use serde_json::{Map, Value};

/// One thing about the stack that its author should know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The service, unless it is about the file as a whole.
    pub service: Option<String>,
    /// The key in the Compose file: `volumes`, `network_mode`, `environment.STRIPE_URL`.
    pub key: String,
    /// What there is, in one line.
    pub message: String,
    /// What to do about it.
    pub help: Option<String>,
    /// Whether the stack cannot be drilled like this.
    pub error: bool,
}

impl Finding {
    pub(super) fn warning(service: Option<&str>, key: impl Into<String>, message: impl Into<String>) -> Finding {
        let (key, message) = (key.into(), message.into());
        Finding { service: service.map(str::to_string), key, message, help: None, error: false }
    }

    pub(super) fn error(service: Option<&str>, key: impl Into<String>, message: impl Into<String>) -> Finding {
        Finding { error: true, ..Finding::warning(service, key, message) }
    }

    pub(super) fn help(mut self, help: impl Into<String>) -> Finding {
        self.help = Some(help.into());
        self
    }
}

/// Everything that there is to say, errors included, in the order of the file.
pub fn findings(model: &ResolvedModel, spec: &StackSpec) -> Vec<Finding> {
    let mut found: Vec<Finding> = model.remarks.iter().map(|r| Finding::warning(None, "file", r.clone())).collect();
    interposed(model, spec, &mut found);
    for (host, name) in &spec.hosts {
        let Some(service) = model.service(name).filter(|service| !has_own_networks(service)) else { continue };
        let mode = service.get("network_mode").and_then(Value::as_str).unwrap_or_default();
        let message = format!("`{name}` cannot have the name `{host}`: it has `network_mode: {mode}`");
        found.push(Finding::error(Some(name), "network_mode", message).help("leave it out of `hosts`"));
    }
    for (name, service) in model.section("services") {
        let Value::Object(service) = service else { continue };
        if reserved(name) {
            let message = format!("`{name}` is a name that Firedrill uses for its own services");
            found.push(Finding::error(Some(name), "services", message).help("give the service another name"));
        }
        mounts(name, service, spec, &mut found);
        neighbours(name, service, spec, &mut found);
    }
    volumes(model, spec, &mut found);
    networks(model, &mut found);
    if !spec.isolate {
        outside::settings(model, &mut found);
    }
    found
}

fn reserved(service: &str) -> bool {
    service.starts_with("fd-")
}

/// Services that faults name: they must exist, have networks, and be reached through names.
fn interposed(model: &ResolvedModel, spec: &StackSpec, found: &mut Vec<Finding>) {
    for (target, ports) in &spec.interposed {
        let Some(service) = model.service(target) else {
            let message = format!("a fault names the service `{target}`, which this stack does not have");
            found.push(
                Finding::error(Some(target), "services", message)
                    .help(format!("services of the stack: {}", model.services().join(", "))),
            );
            continue;
        };
        if !has_own_networks(service) {
            let mode = service.get("network_mode").and_then(Value::as_str).unwrap_or_default();
            let message = format!("nothing can be put in front of `{target}`: it has `network_mode: {mode}`");
            found.push(Finding::error(Some(target), "network_mode", message));
            continue;
        }
        let known = !super::ports::known(model, target, ports).is_empty();
        // A `build` or an image may still expose one; that is seen when the image is there.
        let may_expose = service.contains_key("build") || service.contains_key("image");
        if !known && !may_expose {
            found.push(no_port(target));
        }
        for (client, other) in model.section("services") {
            let mode = other.get("network_mode").and_then(Value::as_str).unwrap_or_default();
            let around = mode == "host" || mode.starts_with("service:") || mode.starts_with("container:");
            if client != target && around {
                let message = format!("`{client}` goes around the fault on `{target}`: it has `network_mode: {mode}`");
                found.push(Finding::warning(Some(client), "network_mode", message));
            }
        }
    }
}

/// The finding for a service in front of which nothing can listen, because no port of it is known.
pub(super) fn no_port(service: &str) -> Finding {
    let message = format!("no port of `{service}` is known, so nothing can listen in front of it");
    Finding::error(Some(service), "expose", message)
        .help(format!("name it: `expose: [\"8080\"]` at `{service}`, or `port:` at the fault"))
}

fn mounts(name: &str, service: &Map<String, Value>, spec: &StackSpec, found: &mut Vec<Finding>) {
    for mount in service.get("volumes").and_then(Value::as_array).into_iter().flatten() {
        if mount.get("type").and_then(Value::as_str) != Some("bind") {
            continue;
        }
        let source = mount.get("source").and_then(Value::as_str).map(unescape).unwrap_or_default();
        let read_only = mount.get("read_only").and_then(Value::as_bool).unwrap_or(false);
        if spec.allow_bind_writes {
            continue;
        }
        if source.ends_with("docker.sock") {
            let message = "mounts the engine's socket, by which it reaches every container on this engine";
            found.push(Finding::error(Some(name), "volumes", format!("`{name}` {message}")).help(
                "leave it out in the drill, or allow it in the scenario: `stack: { file: …, allow_bind_writes: true }`",
            ));
        } else if !read_only {
            let message = format!("`{name}` can write to {source}, which is not the drill's own");
            found.push(
                Finding::error(Some(name), "volumes", message)
                    .help("mount it with `:ro`, use a named volume, or allow it in the scenario: `stack: { file: …, allow_bind_writes: true }`"),
            );
        }
    }
}

/// Settings that tie a service to the host or to containers of others.
fn neighbours(name: &str, service: &Map<String, Value>, spec: &StackSpec, found: &mut Vec<Finding>) {
    for key in ["network_mode", "pid", "ipc", "uts", "cgroup", "userns_mode"] {
        let Some(mode) = service.get(key).and_then(Value::as_str) else { continue };
        if mode.starts_with("container:") {
            let message = format!("`{name}` joins a container that is not part of the stack: `{key}: {mode}`");
            found.push(Finding::error(Some(name), key, message));
        } else if mode == "host" && key == "network_mode" {
            let message = format!("`{name}` is on the host's own network: two drills side by side share its ports");
            let finding = Finding::warning(Some(name), key, message);
            found.push(Finding { error: spec.isolate, ..finding });
        } else if mode == "host" {
            found.push(Finding::warning(Some(name), key, format!("`{name}` shares the host's: `{key}: host`")));
        }
    }
    if service.get("privileged").and_then(Value::as_bool) == Some(true) {
        let message = format!("`{name}` is privileged: nothing keeps it from the host");
        found.push(Finding::warning(Some(name), "privileged", message));
    }
    let from = service.get("volumes_from").and_then(Value::as_array).into_iter().flatten();
    if from.filter_map(Value::as_str).any(|other| other.starts_with("container:")) {
        let message = format!("`{name}` takes volumes of a container that is not part of the stack");
        found.push(Finding::error(Some(name), "volumes_from", message));
    }
    if service.get("external_links").and_then(Value::as_array).is_some_and(|links| !links.is_empty()) {
        let message = format!("`{name}` is linked to containers that are not part of the stack");
        found.push(Finding::error(Some(name), "external_links", message).help("add them to the stack"));
    }
}

fn volumes(model: &ResolvedModel, spec: &StackSpec, found: &mut Vec<Finding>) {
    for (key, volume) in model.section("volumes") {
        let at = format!("volumes.{key}");
        if is_external(volume) {
            let message = format!("volume `{key}` is external: a drill would work on data that is not its own");
            found.push(
                Finding::error(None, at, message).help("drill a Compose file in which the volume is not external"),
            );
            continue;
        }
        let device = volume.pointer("/driver_opts/device").and_then(scalar).map(|device| unescape(&device));
        if let Some(device) = device
            && !spec.allow_bind_writes
            && device != "tmpfs"
        {
            let message = format!("volume `{key}` is kept in {device}, which is not the drill's own");
            found.push(Finding::error(None, at, message).help(
                "use a plain named volume, or allow it in the scenario: `stack: { file: …, allow_bind_writes: true }`",
            ));
        }
    }
}

fn networks(model: &ResolvedModel, found: &mut Vec<Finding>) {
    for (key, network) in model.section("networks") {
        let at = format!("networks.{key}");
        let driver = network.get("driver").and_then(Value::as_str).unwrap_or("bridge");
        if is_external(network) {
            let message =
                format!("network `{key}` is external: the drill gets one of its own, without the containers there");
            found.push(Finding::warning(None, at, message));
        } else if driver != "bridge" {
            let message = format!("network `{key}` has the driver {driver}: the drill gets a bridge network instead");
            found.push(Finding::warning(None, at, message));
        }
    }
}

pub(super) fn is_external(entry: &Value) -> bool {
    match entry.get("external") {
        Some(Value::Bool(external)) => *external,
        Some(Value::Null) | None => false,
        Some(_) => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn spec() -> StackSpec {
        StackSpec {
            compose_file: "/p/compose.yaml".into(),
            profiles: Vec::new(),
            env_files: Vec::new(),
            isolate: false,
            allow_bind_writes: false,
            interposed: std::collections::BTreeMap::from([("web".into(), vec![]), ("nobody".into(), vec![])]),
            hosts: std::collections::BTreeMap::new(),
            toolbox_image: None,
            releases: Vec::new(),
            processes: Vec::new(),
            up_within: std::time::Duration::from_secs(1),
        }
    }

    fn model() -> ResolvedModel {
        let json = json!({ "name": "shop", "services": {
            "web": { "image": "w", "expose": ["80"], "environment": { "STRIPE_URL": "https://key@api.stripe.com/v1", "DB": "pg://db/x" },
                     "volumes": [{ "type": "bind", "source": "/home/me/data", "target": "/d" },
                                 { "type": "bind", "source": "/home/me/conf", "target": "/c", "read_only": true },
                                 { "type": "bind", "source": "/var/run/docker.sock", "target": "/s", "read_only": true }] },
            "db": { "image": "d", "privileged": true, "volumes_from": ["container:other"] },
            "side": { "image": "s", "network_mode": "service:web" },
            "fd-agent": { "image": "x", "network_mode": "host" },
            "lost": { "image": "l", "network_mode": "container:abc" } },
            "networks": { "proxy": { "external": true }, "lan": { "driver": "macvlan" } },
            "volumes": { "prod": { "external": true }, "local": { "driver_opts": { "device": "/srv/x", "o": "bind", "type": "none" } } } });
        let Value::Object(json) = json else { unreachable!("a literal mapping") };
        let remarks = vec!["The \"TAG\" variable is not set. Defaulting to a blank string.".into()];
        ResolvedModel { json, file: "/p/compose.yaml".into(), directory: "/p".into(), remarks }
    }

    fn text(spec: &StackSpec) -> String {
        let line = |finding: &Finding| {
            let level = if finding.error { "error" } else { "warning" };
            let place = finding.service.as_ref().map_or(finding.key.clone(), |s| format!("{s}.{}", finding.key));
            format!("{level} {place}: {}", finding.message)
        };
        findings(&model(), spec).iter().map(line).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn everything_that_a_drill_cannot_allow_or_should_know_is_found() {
        insta::assert_snapshot!(text(&spec()));
    }

    #[test]
    fn consent_and_isolation_change_what_is_found() {
        let all = text(&StackSpec { allow_bind_writes: true, isolate: true, ..spec() });
        for gone in ["can write to", "socket", "is kept in", "api.stripe.com"] {
            assert!(!all.contains(gone), "{gone} in {all}");
        }
        assert!(all.contains("error fd-agent.network_mode"), "host networks cannot be isolated: {all}");
        assert!(all.contains("error volumes.prod"), "external volumes are refused all the same: {all}");
    }
}
