//! Settings of a stack that point outside: a drill with real keys in its `.env` would charge and page real people.

use super::model::{ResolvedModel, scalar, unescape};
use crate::stack::Finding;
use serde_json::{Map, Value};
use std::collections::BTreeSet;

/// How labels begin by which programs that watch an engine lead users to a container, run jobs in it, or restart or replace it.
const OF_WATCHERS: [&str; 6] =
    ["traefik.", "caddy", "ofelia.", "com.centurylinklabs.watchtower.", "com.github.nginx-proxy.", "autoheal"];

/// The labels of a service that a drill leaves out, because a program outside of the stack would follow them. Where a service of the stack
/// is given the engine they may be meant for that one.
pub(super) fn followed_labels(model: &ResolvedModel, service: &Value) -> Vec<String> {
    // These are outside of every project, so somebody has allowed them.
    let is_socket = |path: &str| {
        (path.starts_with("/run/") || path.starts_with("/var/run/") || path.ends_with("/.docker/run/docker.sock"))
            && (path.ends_with("/docker.sock") || path.ends_with("/podman.sock"))
    };
    let is_engine = |mount: &Value| mount["source"].as_str().is_some_and(is_socket);
    let has_engine = |service: &Value| {
        let mut mounts = service["volumes"].as_array().into_iter().flatten();
        service["use_api_socket"] == true || mounts.any(is_engine)
    };
    if model.section("services").values().any(has_engine) {
        return Vec::new();
    }
    let keys = service["labels"].as_object().into_iter().flat_map(Map::keys);
    keys.filter(|key| OF_WATCHERS.iter().any(|begin| key.starts_with(begin))).cloned().collect()
}

/// Notes every setting that names a host which is not part of the stack.
pub(super) fn settings(model: &ResolvedModel, found: &mut Vec<Finding>) {
    let mut inside: BTreeSet<String> = model.hosts().into_iter().collect();
    for json in model.section("services").values() {
        inside.extend(json["hostname"].as_str().map(unescape));
        let links = json["links"].as_array().into_iter().flatten().filter_map(Value::as_str);
        inside.extend(links.filter_map(|link| link.split_once(':')).map(|(_, alias)| alias.to_string()));
    }
    for service in model.services() {
        for (key, value) in model.environment(&service) {
            let named: BTreeSet<String> =
                hosts_in(&key, &value).into_iter().filter(|h| !is_inside(h, &inside)).collect();
            for host in named {
                let message = format!("`{service}` is told to use {host}, which is outside the stack");
                let help = "`isolate: true` in the scenario cuts the stack off from everything outside";
                found.push(Finding::warning(Some(&service), format!("environment.{key}"), message).help(help));
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

/// Whether a host is one of these, this machine, or a reserved name that leads nowhere.
pub(in crate::stack) fn is_inside(host: &str, inside: &BTreeSet<String>) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    if inside.contains(host) || host.eq_ignore_ascii_case("localhost") {
        return true;
    }
    match host.parse::<std::net::IpAddr>() {
        Ok(address) => address.is_loopback() || address.is_unspecified(),
        // Reserved names that lead nowhere: RFC 2606 and RFC 6761.
        Err(_) => [".localhost", ".test", ".invalid", ".example"].iter().any(|end| host.ends_with(end)),
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
        let web =
            json!({ "labels": { "traefik.http.routers.x.rule": "Host(`shop.example`)", "team": "a", "caddy": "x" } });
        let followed = |watcher: Value| {
            let Value::Object(json) = json!({ "services": { "web": web, "watcher": watcher } }) else {
                panic!("a map")
            };
            followed_labels(&ResolvedModel { json, ..ResolvedModel::default() }, &web)
        };
        let mounts = |source: &str| json!({ "volumes": [{ "source": source, "target": "/s" }] });
        assert_eq!(followed(json!({})), ["traefik.http.routers.x.rule", "caddy"]);
        // What the project can make itself is no consent.
        assert_eq!(followed(mounts("/p/docker.sock")).len(), 2);
        assert_eq!(followed(mounts("/run/user/1000/docker.sock")), Vec::<String>::new());
        assert_eq!(followed(json!({ "use_api_socket": true })), Vec::<String>::new());
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
