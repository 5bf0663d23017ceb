//! Snapshots of what a drill changes in a model, and properties that hold for every model.

use super::*;
use crate::record::testing::json_lines;
use crate::stack::Process;
use crate::stack::compose::images::AgentImage;
use std::path::PathBuf;
use std::time::Duration;

fn model(json: Value) -> ResolvedModel {
    let Value::Object(json) = json else { panic!("a model is a mapping") };
    ResolvedModel { json, ..ResolvedModel::default() }
}

fn spec(interposed: &[(&str, &[u16])]) -> StackRequest {
    StackRequest {
        file: PathBuf::from("/p/compose.yaml"),
        root: std::path::PathBuf::from("/p"),
        interposed: interposed.iter().map(|(name, ports)| (name.to_string(), ports.to_vec())).collect(),
        up_within: Duration::from_secs(60),
        ..StackRequest::default()
    }
}

fn changed(json: Value, spec: &StackRequest) -> Value {
    changed_with(json, spec, &BTreeMap::new())
}

fn changed_with(json: Value, spec: &StackRequest, built: &BTreeMap<String, String>) -> Value {
    let model = model(json);
    let ports = spec.interposed.keys().map(|s| (s.clone(), model.known_ports(s, &spec.interposed[s])));
    let recipe = Recipe {
        own: Some(FiredrillImages {
            agent: AgentImage { tag: "firedrill-agent:a".into(), launch: vec!["/firedrill/firedrill".into()] },
            toolbox: "firedrill-toolbox:t".into(),
            monitoring: spec.monitoring.as_ref().map(|_| "firedrill-monitoring:t".into()),
        }),
        builds: Builds { images: built.clone(), ..Builds::default() },
        ports: ports.collect(),
    };
    let run = RunIdentity { id: "run-1".into(), dir: "/runs/run$1".into(), keep: false };
    transform(&model, spec, &Drill { project: "fd-x-1", run: &run, recipe: &recipe })
}

/// Without the labels and the drill's own services, which one snapshot shows and the others need not repeat.
fn team_only(mut model: Value) -> String {
    let ours = |name: &String| name.starts_with("fd-");
    for section in ["services", "networks", "volumes"] {
        let Some(entries) = model.get_mut(section).and_then(Value::as_object_mut) else { continue };
        entries.retain(|name, _| !ours(name));
        for entry in entries.values_mut().filter_map(Value::as_object_mut) {
            entry.remove("labels");
        }
    }
    json_lines(&model)
}

#[test]
fn only_an_image_of_one_drill_has_labels_of_its_run_and_none_that_its_containers_have() {
    let json = json!({ "name": "shop", "services": {
        "web": { "build": { "context": "/p" } }, "job": { "build": { "context": "/q", "labels": { "a": "b" } } },
    } });
    let built = BTreeMap::from([
        ("web".to_string(), "firedrill/shop-web:0123".to_string()),
        ("job".to_string(), "firedrill/shop-job:run-0123".to_string()),
    ]);
    let out = changed_with(json, &spec(&[]), &built);
    assert_eq!(out["services"]["web"]["build"]["labels"], json!({ labels::IMAGE: "stack" }));
    assert_eq!(
        out["services"]["job"]["build"]["labels"],
        json!({ "a": "b", labels::IMAGE: "stack", labels::IMAGE_RUN: "run-1", labels::IMAGE_DIR: "/runs/run$$1" })
    );
}

#[test]
fn a_drill_adds_its_agent_its_toolbox_and_its_labels() {
    let json = json!({ "name": "shop", "services": { "web": { "image": "nginx", "networks": { "default": null } } },
                       "networks": { "default": { "name": "shop_default", "ipam": {} } } });
    insta::assert_snapshot!(json_lines(&changed(json, &spec(&[]))));
}

#[test]
fn programs_that_watch_the_engine_leave_containers_alone_unless_the_stack_has_its_own() {
    let web = json!({ "image": "w", "labels": { "traefik.enable": "true" } });
    let json = json!({ "services": { "web": web, "edge": { "image": "t" } } });
    let mut with_own = json.clone();
    with_own["services"]["edge"]["use_api_socket"] = json!(true);
    let process = Process { name: "flood".into(), service: None, run: "x".into(), replicas: 1, returns: None };
    let spec = StackRequest { processes: vec![process], ..spec(&[]) };
    let routed =
        |json: Value, service: &str| changed(json, &spec)["services"][service]["labels"]["traefik.enable"].clone();
    for service in ["web", "edge", "fd-agent", "fd-toolbox", "flood"] {
        assert_eq!(routed(json.clone(), service), "false", "{service}");
    }
    assert_eq!(routed(with_own.clone(), "web"), "true");
    assert_eq!(routed(with_own.clone(), "edge"), Value::Null);
    assert_eq!(routed(with_own, "fd-agent"), "false");
}

#[test]
fn an_interposed_service_is_linked_to_its_agent_by_every_name() {
    let json = json!({ "name": "shop", "services": {
        "payments": { "image": "pay", "container_name": "shop-pay", "expose": ["8080", "9000/udp"],
                      "networks": { "back": { "aliases": ["pay.internal"] } } },
        "checkout": { "image": "c", "links": ["payments:pay", "db:store"],
                      "depends_on": { "payments": { "condition": "service_healthy", "restart": true, "required": true } },
                      "networks": { "back": null, "front": null } },
        "db": { "image": "d", "expose": ["5432"], "networks": { "back": null } },
        "far": { "image": "f", "networks": { "front": null } },
        "side": { "image": "s", "network_mode": "service:checkout" },
        "host": { "image": "h", "network_mode": "host" } } });
    let out = changed(json, &spec(&[("payments", &[]), ("db", &[])]));
    let services = out["services"].as_object().unwrap();
    let shown: Map<String, Value> = services
        .iter()
        .map(|(name, service)| {
            let keys = ["links", "depends_on", "networks", "environment", "network_mode"];
            let kept = keys.iter().filter_map(|key| Some((key.to_string(), service.get(key)?.clone())));
            (name.clone(), Value::Object(kept.collect()))
        })
        .collect();
    insta::assert_snapshot!(json_lines(&Value::Object(shown)));
}

#[test]
fn nothing_fixed_stays_that_another_drill_has_as_well() {
    let json = json!({ "name": "shop", "services": {
        "web": {
            "image": "nginx", "container_name": "web", "mac_address": "02:42:ac:11:00:03", "profiles": ["p"],
            "ports": [{ "mode": "ingress", "target": 80, "published": "8080", "protocol": "tcp" },
                      { "target": 53, "published": "53", "protocol": "udp" }],
            "expose": ["80", "7000"], "restart": "always",
            "labels": { "team": "a$$b", "traefik.http.routers.x.rule": "PathPrefix(`/`)" },
            "environment": { "A": "x$$y" }, "command": ["sh", "-c", "echo $$HOME"],
            "networks": { "front": { "ipv4_address": "172.30.0.5", "aliases": ["www"], "priority": 5 }, "ext": null },
            "volumes": [{ "type": "volume", "source": "data", "target": "/d", "volume": {} }] },
        "old": { "image": "o", "network_mode": "bridge" } },
        "networks": {
            "front": { "name": "myfront", "driver": "bridge", "ipam": { "config": [{ "subnet": "172.30.0.0/16" }] },
                       "driver_opts": { "com.docker.network.bridge.name": "br7", "com.docker.network.driver.mtu": "1400" },
                       "enable_ipv6": true },
            "ext": { "name": "proxy", "external": true } },
        "volumes": { "data": { "name": "precious" } },
        "secrets": { "tok": { "name": "shop_tok", "file": "/p/tok" } },
        "x-note": 1 });
    let out = changed(json, &spec(&[]));
    let labels = &out["services"]["web"]["labels"];
    assert!(labels["traefik.http.routers.x.rule"].is_null() && labels["team"] == "a$$b", "{labels}");
    insta::assert_snapshot!(team_only(out));
}

#[test]
fn an_isolated_stack_has_internal_networks_only() {
    let json = json!({ "name": "s", "services": { "a": { "image": "a" }, "b": { "image": "b", "networks": { "n": null } } },
                       "networks": { "n": { "name": "s_n" } } });
    let out = changed(json, &StackRequest { isolate: true, ..spec(&[]) });
    let networks = out["networks"].as_object().unwrap();
    assert_eq!(networks.keys().collect::<Vec<_>>(), ["n", "default"]);
    assert!(networks.values().all(|network| network["internal"] == json!(true)), "{out:#}");
    let no_address = json!({ "com.docker.network.bridge.inhibit_ipv4": "true" });
    assert!(networks.values().all(|network| network["driver_opts"] == no_address), "{out:#}");
}

#[test]
fn every_service_that_runs_a_built_image_runs_the_one_that_was_built() {
    let json = json!({ "name": "s", "services": {
        "web": { "image": "shop:dev", "build": { "context": "/p", "tags": ["x"], "pull": true, "labels": { "a": "b" },
                                                 "cache_from": ["x"], "cache_to": ["type=local,dest=/srv/x"] } },
        "worker": { "image": "shop:dev", "pull_policy": "always" },
        "api": { "build": { "context": "/p/api" } },
        "cron": { "image": "s-api" },
        "db": { "image": "postgres", "logging": { "driver": "syslog", "options": { "tag": "db" } } } } });
    let built =
        BTreeMap::from([("web".into(), "firedrill/s-web:1".into()), ("api".into(), "firedrill/s-api:2".into())]);
    let out = changed_with(json, &spec(&[]), &built);
    let image = |service: &str| out["services"][service]["image"].as_str().unwrap().to_string();
    assert_eq!(image("web"), "firedrill/s-web:1");
    assert_eq!(image("worker"), "firedrill/s-web:1");
    assert_eq!(image("api"), "firedrill/s-api:2");
    assert_eq!(image("cron"), "firedrill/s-api:2");
    assert_eq!(image("db"), "postgres");
    for service in ["web", "worker", "api", "cron"] {
        assert_eq!(out["services"][service]["pull_policy"], "never", "{service}");
    }
    assert_eq!(
        out["services"]["web"]["build"],
        json!({ "context": "/p", "labels": { "a": "b", "dev.firedrill.image": "stack" } })
    );
    assert_eq!(out["services"]["db"].get("pull_policy"), None);
    assert_eq!(out["services"]["db"]["logging"], json!({ "driver": "json-file", "options": {} }));
    assert_eq!(out["services"]["web"].get("logging"), None);
}

#[test]
fn logs_stay_with_the_engine_as_the_team_keeps_them_there() {
    let kept = |logging: Value| kept_logging(&logging);
    let small = json!({ "driver": "local", "options": { "max-size": "10m", "max-file": "1", "compress": "false" } });
    assert_eq!(kept(small.clone()), small);
    // Who asks for logs is told that there are none, as outside of a drill.
    assert_eq!(kept(json!({ "driver": "none" })), json!({ "driver": "none", "options": {} }));
    for driver in [json!("gelf"), Value::Null] {
        let sent = json!({ "driver": driver, "options": { "gelf-address": "udp://a", "max-size": "1m" } });
        assert_eq!(kept(sent), json!({ "driver": "json-file", "options": { "max-size": "1m" } }));
    }
}

#[test]
fn nothing_is_built_or_pulled_under_a_name_that_others_have() {
    let build = json!({ "context": "/p", "tags": ["postgres:16"] });
    let json = json!({ "name": "s", "services": {
        "web": { "image": "alpine:3", "build": build, "pull_policy": "build" },
        "db": { "image": "postgres:16", "pull_policy": "always" },
        "cache": { "image": "redis", "pull_policy": "never" } } });
    let out = changed_with(json, &spec(&[]), &BTreeMap::new());
    let of = |service: &str| (out["services"][service].get("build"), out["services"][service]["pull_policy"].as_str());
    assert_eq!(of("web"), (None, Some("missing")));
    assert_eq!(of("db"), (None, Some("missing")));
    assert_eq!(of("cache"), (None, Some("never")));
}

mod properties {
    use super::*;
    use proptest::prelude::*;

    fn name() -> impl Strategy<Value = String> {
        "[a-z]{1,6}"
    }

    fn any_model() -> impl Strategy<Value = Value> {
        let networks = proptest::collection::btree_map(name(), Just(Value::Null), 0..3);
        let service = (networks, any::<bool>(), proptest::option::of("host|none|bridge"), 1u16..9999).prop_map(
            |(networks, named, mode, port)| {
                let mut service = json!({ "image": "i", "ports": [{ "target": port, "published": "1" }] });
                if named {
                    service["container_name"] = json!("fixed");
                }
                match mode {
                    Some(mode) => service["network_mode"] = json!(mode),
                    None => service["networks"] = json!(networks),
                }
                service
            },
        );
        proptest::collection::btree_map(name(), service, 1..6)
            .prop_map(|services| json!({ "name": "s", "services": services }))
    }

    proptest! {
        #[test]
        fn no_dependency_goes_in_a_circle_and_nothing_fixed_is_left(json in any_model(), both in any::<bool>()) {
            let names: Vec<String> = json["services"].as_object().unwrap().keys().cloned().collect();
            let interposed: Vec<(&str, &[u16])> =
                names.iter().take(if both { 2 } else { 1 }).map(|name| (name.as_str(), &[80u16][..])).collect();
            let out = changed(json.clone(), &spec(&interposed));
            let services = out["services"].as_object().unwrap();
            for (name, service) in services {
                prop_assert!(service.get("ports").is_none() && service.get("container_name").is_none(), "{}", name);
                prop_assert_eq!(&service["labels"]["dev.firedrill.run"], "run-1");
                // Agents depend on nothing, so nothing that depends on agents only can close a circle.
                for dependency in service.get("depends_on").and_then(Value::as_object).into_iter().flat_map(Map::keys) {
                    prop_assert!(services[dependency].get("depends_on").is_none(), "{} → {}", name, dependency);
                    prop_assert_ne!(&format!("fd-{name}"), dependency, "a target goes past its own agent");
                }
            }
            for network in out["networks"].as_object().unwrap().values() {
                prop_assert!(network["name"].as_str().unwrap().starts_with("fd-x-1_"));
            }
        }
    }
}
