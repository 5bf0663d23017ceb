//! What `check` says about a stack before it is started: settings that a drill cannot allow, settings by which it would reach outside (with
//! real keys in its `.env` it would charge and page real people), and clients that would go around a fault.

use super::model::{ResolvedModel, has_own_networks, scalar, texts, unescape};
use super::{images, monitoring, rights, secrets};
use crate::record::SHORTEST_DECLARED;
use crate::source::{TextPattern, is_inside, list};
use crate::stack::{Finding, HostRequests, StackRequest};
use serde_json::Value;
use std::collections::BTreeSet;
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
    let has_engine = has_engine(model);
    for (name, service) in model.section("services") {
        let followed = followed_labels(service);
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
        settings(model, &mut found)
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
        if is_external(network) || network["driver"].as_str().is_some_and(|driver| driver != "bridge") {
            let message = format!("the drill gets a bridge network of its own in place of `{key}`");
            found.push(Finding::warning(None, format!("networks.{key}"), message));
        }
    }
}

pub(super) fn is_external(entry: &Value) -> bool {
    !matches!(entry.get("external"), None | Some(Value::Null | Value::Bool(false)))
}

/// How labels begin by which programs that watch an engine lead users to a container, run jobs in it, watch over it in the name of production,
/// or stop, restart or replace it.
const OF_WATCHERS: [&str; 9] = [
    "traefik.",
    "caddy",
    "ofelia.",
    "com.centurylinklabs.watchtower.",
    "com.github.nginx-proxy.",
    "autoheal",
    "docker-volume-backup.",
    "com.datadoghq.ad.",
    "co.elastic.",
];
/// The labels by which those of them that take every container leave one alone. autoheal compares the letters' case as well.
pub(super) const OPT_OUTS: [(&str, &str); 3] =
    [("com.centurylinklabs.watchtower.enable", "false"), ("traefik.enable", "false"), ("autoheal", "False")];
/// Another member of the cluster of an Alertmanager.
static PEER: TextPattern = TextPattern::new(r#"--cluster\.peer(?:=|\s+)["']?([^\s"']+)"#);

/// Whether a service of the stack is given the engine: what is said to programs that watch one may be meant for it.
pub(super) fn has_engine(model: &ResolvedModel) -> bool {
    // These are outside of every project, so somebody has allowed them.
    let is_socket = |path: &str| {
        (path.starts_with("/run/") || path.starts_with("/var/run/") || path.ends_with("/.docker/run/docker.sock"))
            && (path.ends_with("/docker.sock") || path.ends_with("/podman.sock"))
    };
    let is_engine = |mount: &Value| mount["source"].as_str().is_some_and(is_socket);
    model.section("services").values().any(|service| {
        let mut mounts = service["volumes"].as_array().into_iter().flatten();
        service["use_api_socket"] == true || mounts.any(is_engine)
    })
}

/// The labels of a service by which programs that watch an engine do something.
pub(super) fn followed_labels(service: &Value) -> Vec<String> {
    let labels = service["labels"].as_object().into_iter().flatten();
    // A drill says the same.
    let opts_out = |key: &str, value: &Value| {
        let off = OPT_OUTS.iter().find(|(name, _)| *name == key);
        off.zip(value.as_str()).is_some_and(|((_, off), value)| value.eq_ignore_ascii_case(off))
    };
    let followed =
        labels.filter(|(key, value)| OF_WATCHERS.iter().any(|begin| key.starts_with(begin)) && !opts_out(key, value));
    followed.map(|(key, _)| key.clone()).collect()
}

/// Notes every setting that names a host which is not part of the stack. Joining the cluster of an Alertmanager outside is an error: it would
/// take silences and notifications that were sent from there, and hand on those of the drill.
pub(super) fn settings(model: &ResolvedModel, found: &mut Vec<Finding>) {
    let mut inside: BTreeSet<String> = model.hosts().into_iter().collect();
    for json in model.section("services").values() {
        inside.extend(json["hostname"].as_str().map(unescape));
        let links = json["links"].as_array().into_iter().flatten().filter_map(Value::as_str);
        inside.extend(links.filter_map(|link| link.split_once(':')).map(|(_, alias)| alias.to_string()));
    }
    for service in model.services() {
        let run = ["entrypoint", "command"].map(|key| texts(&model.service(&service)[key]).join(" ")).join(" ");
        let set = model.environment(&service).into_iter();
        let set = set.map(|(key, value)| (format!("environment.{key}"), hosts_in(&key, &value)));
        // Without a dot it may be a bucket, or what a script makes of it; by what others call it, it uses nothing.
        let used: Vec<&str> = run.split_whitespace().filter(|word| !word.contains("external-url=")).collect();
        let of_run: Vec<String> = hosts_in("", &used.join(" ")).into_iter().filter(|host| host.contains('.')).collect();
        for (key, hosts) in set.chain([("command".to_string(), of_run)]) {
            let named: BTreeSet<String> = hosts.into_iter().filter(|h| !is_inside(h, &inside)).collect();
            for host in named {
                let message = format!("`{service}` is told to use {host}, which is outside the stack");
                let help = "`isolate: true` in the scenario cuts the stack off from everything outside";
                found.push(Finding::warning(Some(&service), key.clone(), message).help(help));
            }
        }
        for peer in PEER.captures_iter(&run).filter_map(|found| found.get(1)).map(|peer| peer.as_str()) {
            if !is_inside(peer.rsplit_once(':').map_or(peer, |(host, _)| host), &inside) {
                let message = format!("`{service}` would join the Alertmanagers of {peer}, which is outside the stack");
                let help = "leave `--cluster.peer` out in the drill, or cut the stack off with `isolate: true` in the scenario";
                found.push(Finding::error(Some(&service), "command", message).help(help));
            }
        }
        for key in ["extra_hosts", "dns"] {
            for entry in model.service(&service)[key].as_array().into_iter().flatten().filter_map(scalar) {
                let address = entry.split_once(['=', ':']).map_or(entry.as_str(), |(_, address)| address);
                if !is_inside(address, &inside) {
                    let message = format!("`{service}` is pointed at {entry}, which is outside the stack");
                    found.push(Finding::warning(Some(&service), key, message));
                }
            }
        }
    }
}

/// Hosts that a variable names: those of URLs in it, and the value itself when the key says that it is a host.
fn hosts_in(key: &str, value: &str) -> Vec<String> {
    let mut hosts: Vec<String> = value.match_indices("://").filter_map(|(at, _)| url_host(&value[at + 3..])).collect();
    let key = key.to_ascii_uppercase();
    let says_host = ["HOST", "HOSTNAME", "SERVER", "ADDR", "ADDRESS", "ENDPOINT"].iter().any(|end| key.ends_with(end));
    if hosts.is_empty() && says_host {
        let host = value.rsplit_once(':').map_or(value, |(host, _)| host);
        // Without a dot it may be the name of anything; a domain or an address is one.
        if host.contains('.') && host.chars().all(|c| c.is_ascii_alphanumeric() || ".-_".contains(c)) {
            hosts.push(host.to_string());
        }
    }
    hosts
}

/// The host of what follows `://` in a URL.
fn url_host(rest: &str) -> Option<String> {
    let authority = rest.split(['/', '?', '#', ' ', ',', '"', '\'']).next()?;
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let host = match host.strip_prefix('[') {
        Some(v6) => v6.split(']').next()?,
        None => host.split(':').next()?,
    };
    let plain = |c: char| c.is_ascii_alphanumeric() || ".-_:".contains(c);
    (!host.is_empty() && host.chars().all(plain)).then(|| host.to_string())
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

#[cfg(test)]
mod outside_tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn labels_that_programs_of_the_host_follow_are_known_unless_the_stack_is_given_the_engine() {
        let rule = "Host(`shop.example`)";
        let web =
            json!({ "labels": { "traefik.http.routers.x.rule": rule, "team": "a", "co.elastic.logs/enabled": "x" } });
        let followed = |watcher: Value| {
            let Value::Object(json) = json!({ "services": { "web": web, "watcher": watcher } }) else {
                panic!("a map")
            };
            let has_engine = has_engine(&ResolvedModel { json, ..ResolvedModel::default() });
            if has_engine { Vec::new() } else { followed_labels(&web) }
        };
        let mounts = |source: &str| json!({ "volumes": [{ "source": source, "target": "/s" }] });
        assert_eq!(followed(json!({})), ["traefik.http.routers.x.rule", "co.elastic.logs/enabled"]);
        // What the project can make itself is no consent.
        assert_eq!(followed(mounts("/p/docker.sock")).len(), 2);
        assert_eq!(followed(mounts("/run/user/1000/docker.sock")), Vec::<String>::new());
        assert_eq!(followed(json!({ "use_api_socket": true })), Vec::<String>::new());
        let opts_out = json!({ "labels": { "traefik.enable": "false", "autoheal": "false" } });
        assert_eq!(followed_labels(&opts_out), Vec::<String>::new());
    }

    #[test]
    fn what_a_service_runs_leads_nowhere_outside() {
        let Value::Object(json) = json!({ "services": {
            "a": { "command": ["--cluster.peer=b:9094", "--cluster.peer-timeout=15s", "--cluster.peer=am.prod:9094"] },
            "alert": { "command": ["--notifier.url=https://am.prod/", "--web.external-url=https://p.corp/", "s3://bucket/x"] },
            "b": { "entrypoint": ["sh", "-c", "alertmanager --cluster.peer '10.0.0.9:9094' --cluster.peer a:9094"] },
        } }) else {
            panic!("a map")
        };
        let mut found = Vec::new();
        settings(&ResolvedModel { json, ..ResolvedModel::default() }, &mut found);
        let told: Vec<&str> =
            found.iter().filter(|finding| finding.error).map(|finding| finding.message.as_str()).collect();
        let would = |service: &str, peer: &str| {
            format!("`{service}` would join the Alertmanagers of {peer}, which is outside the stack")
        };
        assert_eq!(told, [would("a", "am.prod:9094"), would("b", "10.0.0.9:9094")]);
        let warned = found.iter().filter(|finding| !finding.error);
        let warned: Vec<_> = warned.map(|finding| (finding.key.as_str(), finding.message.as_str())).collect();
        assert_eq!(warned, [("command", "`alert` is told to use am.prod, which is outside the stack")]);
    }

    #[test]
    fn hosts_are_found_in_urls_and_under_keys_that_say_host() {
        let cases: &[(&str, &str, &[&str])] = &[
            ("DATABASE_URL", "postgresql://shop:p%40w@db:5432/shop", &["db"]),
            ("HOOK", "https://hooks.example.com/x?y=https://b.example.org", &["hooks.example.com", "b.example.org"]),
            ("SMTP_HOST", "mail.example.com:25", &["mail.example.com"]),
            ("DB_HOST", "db", &[]),
            ("VERSION", "1.2.3", &[]),
            ("V6", "http://[::1]:80/", &["::1"]),
            ("LISTEN_ADDR", "0.0.0.0:80", &["0.0.0.0"]),
        ];
        for (key, value, hosts) in cases {
            assert_eq!(hosts_in(key, value), *hosts, "{key}={value}");
        }
    }

    #[test]
    fn loopback_and_services_are_inside() {
        let inside = BTreeSet::from(["db".to_string()]);
        for host in ["db", "localhost", "127.0.0.1", "::1", "0.0.0.0", "api.test"] {
            assert!(is_inside(host, &inside), "{host}");
        }
        for host in ["cache", "10.0.0.1", "api.stripe.com"] {
            assert!(!is_inside(host, &inside), "{host}");
        }
    }

    proptest! {
        #[test]
        fn no_value_makes_it_panic(key in "[A-Z_]{1,12}", value in ".{0,60}") {
            let _ = hosts_in(&key, &value);
        }
    }
}
