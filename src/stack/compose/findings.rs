//! What `check` says about a stack before it is started: settings that a drill cannot allow, settings by which it
//! would reach outside, and clients that would go around a fault.

use super::model::{ResolvedModel, has_own_networks, scalar, unescape};
use super::{images, monitoring, outside, rights, secrets};
use crate::record::SHORTEST_DECLARED;
use crate::source::list;
use crate::stack::{Finding, HostRequests, StackRequest};
use serde_json::Value;
use std::path::Path;

/// Everything that there is to say, errors included, in the order of the file.
pub fn findings(model: &ResolvedModel, spec: &StackRequest) -> Vec<Finding> {
    let mut found: Vec<Finding> = model.remarks.iter().map(|r| Finding::warning(None, "file", r.clone())).collect();
    interposed(model, spec, &mut found);
    for (host, name) in &spec.hosts {
        if let Some(mode) = foreign_mode(model.service(name)) {
            let message = format!("`{name}` cannot have the name `{host}`: it has `network_mode: {mode}`");
            found.push(Finding::error(Some(name), "network_mode", message).help("leave it out of `hosts`"));
        }
    }
    for service in model.services() {
        for name in model.names_of(&service).into_iter().filter(|name| name.to_ascii_lowercase().starts_with("fd-")) {
            let message = format!("`{name}` is a name that Firedrill uses for its own services");
            found.push(Finding::error(Some(&service), "services", message).help("give the service another name"));
        }
    }
    let has_engine = outside::has_engine(model);
    for (name, service) in model.section("services") {
        let followed = outside::followed_labels(service);
        if !followed.is_empty() && !has_engine {
            let labels = list(&followed);
            let message = format!("a drill leaves out labels of `{name}` that programs outside follow: {labels}");
            found.push(Finding::warning(Some(name), "labels", message));
        }
        if scalar(&service["build"]["pull"]).as_deref() == Some("true") {
            let message = format!("a drill builds `{name}` on the base images that are here, and pulls none anew");
            found.push(Finding::warning(Some(name), "build.pull", message));
        }
        let mounts = service["volumes"].as_array().into_iter().flatten();
        let mounted = mounts.filter(|mount| mount["type"] == "image").map(|mount| ("volumes", &mount["source"]));
        for (key, image) in mounted.chain([("image", &service["image"])]) {
            let image = image.as_str().map(unescape).unwrap_or_default();
            if images::is_reserved(&image) {
                let message = format!("`{name}` has the image `{image}`: Firedrill gives such names to its own images");
                found.push(Finding::error(Some(name), key, message).help("give the image another name"));
            }
        }
    }
    for name in secrets::too_short(model, &secrets::variables(&secrets::env_files(spec))) {
        let message = format!("the secret `{name}` has fewer than {SHORTEST_DECLARED} characters and cannot be hidden");
        found.push(Finding::error(None, format!("secrets.{name}"), message).help("give the drill a longer one"));
    }
    if let Some(replaced) = spec.replaced()
        && !monitoring::replace_file(model, &mut Value::Object(model.json.clone()), replaced, Path::new(""))
    {
        let file = replaced.file.display();
        let message = format!("no service `{}` reads {file}, so pages would be delivered elsewhere", replaced.host);
        let help = "mount the file that `alerts.alertmanager` names into the service of Alertmanager";
        found.push(Finding::error(None, "services", message).help(help));
    }
    place_asks(&rights::asked(model, &spec.root), spec, &mut found);
    networks(model, &mut found);
    if spec.isolate {
        isolated(model, &mut found)
    } else {
        outside::settings(model, &mut found)
    }
    found
}

/// Services that faults name: they must exist, have networks, and be reached through names.
fn interposed(model: &ResolvedModel, spec: &StackRequest, found: &mut Vec<Finding>) {
    for (target, ports) in &spec.interposed {
        let service = model.service(target);
        if service.is_null() {
            let message = format!("a fault names the service `{target}`, which this stack does not have");
            let help = format!("services of the stack: {}", model.services().join(", "));
            found.push(Finding::error(Some(target), "services", message).help(help));
            continue;
        }
        if let Some(mode) = foreign_mode(service) {
            let message = format!("nothing can be put in front of `{target}`: it has `network_mode: {mode}`");
            found.push(Finding::error(Some(target), "network_mode", message));
            continue;
        }
        // A `build` or an image may still expose one; that is seen when the image is there.
        let may_expose = service.get("build").or(service.get("image")).is_some();
        if !may_expose && model.known_ports(target, ports).is_empty() {
            found.push(no_port(target));
        }
        for (client, other) in model.section("services").iter().filter(|(client, _)| *client != target) {
            let mode = other["network_mode"].as_str().unwrap_or_default();
            if mode == "host" || mode.starts_with("service:") || mode.starts_with("container:") {
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

/// What the stack asks of the host, and may not have or has been allowed.
pub(super) fn place_asks(asked: &HostRequests, spec: &StackRequest, found: &mut Vec<Finding>) {
    let remembered = spec.allowed.digests.contains(&asked.digest);
    for ask in &asked.asks {
        let service = ask.service.as_deref();
        let finding = match &ask.right {
            Some(right) if remembered || spec.allowed.rights.contains(right) => {
                Finding::warning(service, &ask.key, format!("{} (allowed by whoever runs the drill)", ask.what))
            }
            Some(right) => Finding {
                right: Some(right.clone()),
                ..Finding::error(service, &ask.key, &ask.what)
                    .help("leave it out in the drill, or allow it (see below)")
            },
            None => Finding::error(service, &ask.key, &ask.what).help("drill a Compose file without it"),
        };
        found.push(finding);
    }
}

/// The `network_mode` of a service that is on none of the project's networks.
fn foreign_mode(service: &Value) -> Option<&str> {
    service["network_mode"].as_str().filter(|_| !has_own_networks(service.get("network_mode")))
}

/// Services that would not be cut off with the others.
fn isolated(model: &ResolvedModel, found: &mut Vec<Finding>) {
    for (name, service) in model.section("services") {
        let message = match foreign_mode(service) {
            // Those that `transform` puts on the drill's networks, those without any, and those that share another service's.
            None | Some("none") => continue,
            Some(mode) if mode.starts_with("service:") => continue,
            Some(mode) => format!("`{name}` has `network_mode: {mode}` and cannot be isolated"),
        };
        found.push(Finding::error(Some(name), "network_mode", message));
    }
}

fn networks(model: &ResolvedModel, found: &mut Vec<Finding>) {
    for (key, network) in model.section("networks") {
        let what: String = match network["driver"].as_str().unwrap_or("bridge") {
            _ if is_external(network) => "is external: the drill gets one of its own instead".into(),
            "bridge" => continue,
            driver => format!("has the driver {driver}: the drill gets a bridge network instead"),
        };
        found.push(Finding::warning(None, format!("networks.{key}"), format!("network `{key}` {what}")));
    }
}

pub(super) fn is_external(entry: &Value) -> bool {
    !matches!(entry.get("external"), None | Some(Value::Null | Value::Bool(false)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn spec() -> StackRequest {
        StackRequest {
            file: "/p/compose.yaml".into(),
            root: std::path::PathBuf::from("/p"),
            interposed: std::collections::BTreeMap::from([("web".into(), vec![]), ("nobody".into(), vec![])]),
            ..StackRequest::default()
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
        ResolvedModel { json, directory: "/p".into(), remarks, ..ResolvedModel::default() }
    }

    fn text(spec: &StackRequest) -> String {
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
    fn an_image_has_no_name_that_firedrill_gives() {
        let mount = json!([{ "type": "image", "source": "firedrill/shop-db:run-0123abcd", "target": "/x" }]);
        let json = json!({ "services": {
            "built": { "image": "docker.io/firedrill/shop-web:0123abcd", "build": { "context": "." },
                       "networks": { "default": { "aliases": ["FD-monitoring"] } } },
            "mounts": { "image": "a", "volumes": mount }, "own": { "image": "team/firedrill-agent:1", "build": { "context": "." } },
        } });
        let Value::Object(json) = json else { unreachable!("a literal mapping") };
        let model = ResolvedModel { json, directory: "/p".into(), ..ResolvedModel::default() };
        let found = findings(&model, &StackRequest { root: "/p".into(), ..StackRequest::default() });
        let named = found.iter().filter(|finding| finding.error && finding.message.contains("has the image"));
        let named: Vec<_> =
            named.map(|finding| (finding.service.as_deref().unwrap_or_default(), &*finding.key)).collect();
        assert_eq!(named, [("built", "image"), ("mounts", "volumes")]);
        assert!(found.iter().any(|found| found.error && found.message.starts_with("`FD-monitoring` is a name that")));
    }

    #[test]
    fn a_base_image_that_is_not_pulled_anew_is_told() {
        let json = json!({ "services": {
            "a": { "build": { "context": ".", "pull": true } }, "b": { "build": { "context": ".", "pull": false } },
        } });
        let Value::Object(json) = json else { unreachable!("a literal mapping") };
        let model = ResolvedModel { json, directory: "/p".into(), ..ResolvedModel::default() };
        let found = findings(&model, &StackRequest { root: "/p".into(), ..StackRequest::default() });
        let told: Vec<_> = found.iter().filter(|finding| finding.key == "build.pull").collect();
        assert!(told.len() == 1 && told[0].service.as_deref() == Some("a") && !told[0].error, "{told:?}");
    }

    #[test]
    fn consent_and_isolation_change_what_is_found() {
        let all = text(&StackRequest { isolate: true, ..spec() });
        for gone in ["can write to", "socket", "is kept in", "api.stripe.com"] {
            assert!(!all.contains(gone), "{gone} in {all}");
        }
        assert!(all.contains("error fd-agent.network_mode"), "host networks cannot be isolated: {all}");
        assert!(all.contains("`lost` has `network_mode: container:abc` and cannot be isolated"), "{all}");
        assert!(!all.contains("`side` has"), "it shares a network that is cut off: {all}");
        assert!(all.contains("error volumes.prod"), "external volumes are refused all the same: {all}");
    }
}
