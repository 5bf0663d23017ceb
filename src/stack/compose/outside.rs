//! Settings of a stack that point outside: a drill with real keys in its `.env` would charge and page real people.

use super::model::{ResolvedModel, scalar, texts, unescape};
use crate::source::{TextPattern, is_inside};
use crate::stack::Finding;
use serde_json::Value;
use std::collections::BTreeSet;

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
