//! The schemas of scenario, game day and services files: every one of the repository fits, they reject nothing that the program takes,
//! and the copies in `docs/` are what the program prints.

#![recursion_limit = "512"]

use firedrill::source::{Diagnostics, Source, parse};
use firedrill::spec::{self, Overrides};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::Command;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn validator() -> jsonschema::Validator {
    jsonschema::draft202012::new(&spec::schema().0).expect("a schema")
}

/// A YAML file as an editor's language server sees it.
fn json_of(path: &Path) -> Value {
    let source = Source::read(path).expect("a file");
    parse(&source, &mut Diagnostics::default()).expect("YAML").to_json()
}

fn complaints(validator: &jsonschema::Validator, value: &Value) -> String {
    validator.iter_errors(value).map(|error| format!("{}: {error}\n", error.instance_path())).collect()
}

#[test]
fn the_copies_in_the_documentation_are_what_the_program_prints() {
    let copies = [
        ("scenario", "docs/scenario.schema.json"),
        ("gameday", "docs/gameday.schema.json"),
        ("services", "docs/services.schema.json"),
        ("notes", "docs/drill-notes.schema.json"),
        ("reading", "docs/reading.schema.json"),
        ("oncall", "docs/oncall.schema.json"),
        ("actions", "docs/actions.schema.json"),
        ("incidents", "docs/incidents.schema.json"),
        ("budget", "docs/budget.schema.json"),
    ];
    for (kind, file) in copies {
        let output =
            Command::new(env!("CARGO_BIN_EXE_firedrill")).args(["schema", kind]).output().expect("firedrill runs");
        assert!(output.status.success());
        let printed = String::from_utf8(output.stdout).expect("UTF-8");
        let path = root().join(file);
        if std::env::var_os("UPDATE_SCHEMA").is_some() {
            std::fs::write(&path, &printed).expect("the schema");
        }
        let kept = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(kept == printed, "{file}: write it again: UPDATE_SCHEMA=1 cargo test --test schema");
    }
}

#[test]
fn the_game_days_of_the_repository_fit() {
    let validator = jsonschema::draft202012::new(&spec::game_day_schema().0).expect("a schema");
    let files = spec::project_game_days(&root());
    assert!(!files.is_empty());
    for path in files {
        assert_eq!(complaints(&validator, &json_of(&path)), "", "{}", path.display());
    }
}

/// Values at every key of a game day: what the program takes, the schema takes, and what is wrong by its shape it rejects.
#[test]
fn the_schema_of_game_days_rejects_nothing_that_the_program_takes() {
    let project = Project::new();
    let folder = project.0.path().join("scenarios");
    std::fs::create_dir_all(&folder).expect("a folder");
    let mut scenario = whole();
    for (key, path) in [
        ("/stack/file", "../compose.yaml"),
        ("/stack/env_files/0", "../x.env"),
        ("/respond/env_files/0", "../x.env"),
        ("/runbook", "../x.md"),
        ("/oncall", "../oncall.yaml"),
        ("/slis/kept/slo", "../slo.yaml#availability"),
        ("/alerts/rules/0", "../rules.yml"),
        ("/alerts/alertmanager", "../alertmanager.yml"),
        ("/alerts/prometheus", "../prometheus.yml"),
        ("/alerts/silences", "../silences.json"),
    ] {
        *scenario.pointer_mut(key).expect("a place") = json!(path);
    }
    std::fs::write(folder.join("x.yaml"), scenario.to_string()).expect("a scenario");
    let days = project.0.path().join("gamedays");
    std::fs::create_dir_all(&days).expect("a folder");
    let takes = |day: &Value| {
        let path = days.join("d.yaml");
        std::fs::write(&path, day.to_string()).expect("a game day");
        let (day, diags) = spec::load_game_day(&path, &Overrides::default());
        day.map(drop).ok_or_else(|| firedrill::source::render(&diags, false))
    };
    let whole = json!({
        "title": "X", "description": "x", "owner": "x", "scenarios": [{ "scenario": "x", "repeat": 2, "control": "1/3" }],
        "order": "random", "seed": 7, "repeat": 2, "budget": "30m", "parallel": 3, "on_failure": "stop", "retry": 1,
        "flaky": "fail", "control": "1/7", "rate": "20/s",
    });
    let validator = jsonschema::draft202012::new(&spec::game_day_schema().0).expect("a schema");
    assert_eq!(takes(&whole), Ok(()));
    assert_eq!(complaints(&validator, &whole), "");
    let mut named = Vec::new();
    properties(&spec::game_day_schema().0, &mut named);
    let mut all = Vec::new();
    places(&whole, "", &mut all);
    for key in named.iter().filter(|key| key.as_str() != "tags") {
        assert!(all.iter().any(|place| place.ends_with(&format!("/{key}"))), "the whole game day lacks `{key}`");
    }
    let pool = json!([
        null, true, false, 0, 1, 7, 11, 64, 101, -1, 1.5, "", "x", "y", "all", "auto", "fixed", "random", "continue", "stop",
        "pass", "fail", "5", " 5 ", "+5", "1/7", " 1 / 7 ", "2/7", "1/1", "1/1000", "1/1001", "30m", "24h", "25h", "0s", [],
        ["x"], ["../scenarios/x.yaml"], ["x", "x"], [{ "tags": ["a"] }], [{ "tags": [] }], [{ "tags": ["q"] }],
        [{ "scenario": "x", "tags": ["a"] }], [{ "repeat": 2 }], [{ "scenario": "x", "control": false }], {}, { "x": 1 },
    ]);
    let mut taken = 0;
    for place in &all {
        for value in pool.as_array().expect("a list") {
            let mut changed = whole.clone();
            *changed.pointer_mut(place).expect("a place") = value.clone();
            if takes(&changed).is_ok() {
                taken += 1;
                assert_eq!(complaints(&validator, &changed), "", "{place} {value}: the program takes it");
            }
        }
    }
    assert!(taken > 60, "only {taken} were taken");
    let wrong = [
        ("title", json!(null)),
        ("scenario", json!("x")),
        ("scenarios", json!([])),
        ("scenarios", json!("some")),
        ("scenarios", json!([{ "scenario": "x", "tags": ["a"] }])),
        ("order", json!("rondom")),
        ("budget", json!(30)),
        ("parallel", json!("many")),
        ("control", json!("every seventh")),
        ("retry", json!(-1)),
    ];
    for (key, value) in wrong {
        let mut changed = whole.clone();
        changed[key] = value;
        assert!(takes(&changed).is_err(), "{key}");
        assert_ne!(complaints(&validator, &changed), "", "{key}");
    }
}

#[test]
fn the_scenarios_of_the_repository_fit() {
    let validator = validator();
    let mut seen = 0;
    for folder in ["scenarios", "tests/foreign/scenarios", "examples/postmortems/scenarios"] {
        for entry in std::fs::read_dir(root().join(folder)).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.extension().is_some_and(|end| end == "yaml") {
                seen += 1;
                assert_eq!(complaints(&validator, &json_of(&path)), "", "{}", path.display());
                let (plan, diags) = spec::load(&path, &Overrides::default());
                assert!(plan.is_some(), "{}: {diags:?}", path.display());
            }
        }
    }
    assert!(seen >= 4, "only {seen} scenarios");
}

const RUNBOOK: &str = "# X\n\n## Mitigation\n\n### One\n\n```bash\ncurl \"http://$HOST:$PORT/$X\"\n```\n\n\
                       ### Two\n\n```bash\ntrue\n```\n\n### If three\n\n```bash\ntrue\n```\n\n### Four\n\n```bash\necho 4\n```\n";

const SLOS: &str = "version: prometheus/v1\nservice: shop\nslos: [{ name: availability, objective: 90, \
                    sli: { events: { error_query: 'rate(e[{{.window}}])', total_query: 'rate(t[{{.window}}])' } } }]\n";

/// A project with a scenario in which every key stands that the schema has, as far as they go together.
struct Project(tempfile::TempDir);

impl Project {
    fn new() -> Project {
        let dir = tempfile::tempdir().expect("a directory");
        for (path, text) in [
            ("compose.yaml", "services: { db: { image: db } }\n"),
            ("x.env", ""),
            ("x.md", RUNBOOK),
            (
                "oncall.yaml",
                "severities: { X: { users_hurt: 0% } }\nreceivers: { oncall: { on_call: [a], acknowledge_within: 5m, then: b }, b: { on_call: [b] } }",
            ),
            ("slo.yaml", SLOS),
            ("chart/Chart.yaml", "name: x"),
            ("image/Dockerfile", ""),
            (
                "rules.yml",
                "groups: [{ name: g, rules: [{ alert: Down, expr: 'up < 1' }, { alert: Loud, expr: 'up > 0' }] }]",
            ),
            ("alertmanager.yml", "receivers: [{ name: oncall, webhook_configs: [{ url: 'http://x' }] }]"),
            ("prometheus.yml", "scrape_configs: []"),
            ("silences.json", "[]"),
        ] {
            let file = dir.path().join(path);
            std::fs::create_dir_all(file.parent().expect("a folder")).expect("a folder");
            std::fs::write(file, text).expect("a file");
        }
        Project(dir)
    }

    /// Whether the program takes a scenario, and otherwise why not. JSON is YAML.
    fn takes(&self, scenario: &Value) -> Result<(), Diagnostics> {
        let path = self.0.path().join("x.yaml");
        std::fs::write(&path, format!("{scenario:#}")).expect("a scenario");
        let (plan, diags) = spec::load(&path, &Overrides::default());
        plan.map(drop).ok_or(diags)
    }
}

fn whole() -> Value {
    json!({
        "title": "X", "severity": "X", "oncall": "oncall.yaml", "tags": ["a"], "description": "x", "owner": "x",
        "kind": "dr", "rto": "45s", "rpo": "0s",
        "stack": { "file": "compose.yaml", "directory": "/srv/shop", "profiles": ["a"], "env_files": ["x.env"], "isolate": true,
                   "toolbox": "x", "toxiproxy": ["db"], "up_within": "3m" },
        "load": { "users": { "request": "POST http://db:80/{{counter}}", "rate": "50/s", "timeout": "2s", "headers": { "X": "1" },
                             "body": { "x": 1 }, "connections": 5, "keep_alive": true,
                             "expect": { "body": "x", "json": { "/x/0": "x" }, "header": { "X-Y": "x" } } },
                  "journey": { "request": "POST http://db/login", "rate": "50/s",
                               "then": [{ "take": { "token": "/token", "at": "header Location" }, "request": "GET http://db/{{token}}",
                                          "headers": { "X": "{{at}}" }, "body": { "x": "{{token}}" } }] },
                  "secure": { "request": "GET https://db/", "rate": "50/s", "keep_alive": false,
                              "tls": { "ca": { "service": "db", "path": "/ca.pem" } } } },
        "slis": { "availability": { "load": "users", "good": "status < 500 and latency<1s", "objective": "99%" },
                  "fresh": { "query": { "service": "db", "sql": "SELECT true", "every": "200ms", "timeout": "1s", "database": "x",
                                        "user": "x", "password": "x", "port": 5432 }, "objective": "90%" },
                  "young": { "freshness": { "answer": { "url": "http://db:80/x", "at": "/x/0", "every": "200ms", "timeout": "1s" },
                                            "within": "5s" }, "objective": "90%" },
                  "served": { "freshness": { "answer": { "url": "http://db/", "header": "Last-Modified", "every": "200ms" },
                                             "within": "5s" }, "objective": "90%" },
                  "counted": { "promql": { "url": "http://db:9090", "good": "rate(x[{{window}}])", "total": "rate(x[{{.window}}])",
                                           "every": "1s", "timeout": "1s", "rate": "50/s" }, "objective": "90%" },
                  "failing": { "promql": { "url": "http://db/prom", "bad": "rate(x[{{window}}])", "total": "rate(x[{{window}}])",
                                           "every": "1s", "rate": "3000/m", "bad_may_be_absent": true }, "objective": "90%" },
                  "kept": { "slo": "slo.yaml#shop/availability",
                            "prometheus": { "url": "http://db:9090", "every": "1s", "timeout": "1s", "rate": "50/s",
                                            "bad_may_be_absent": true }, "objective": "90%" },
                  "reachable": { "tcp": { "connect": "db:5432", "send": "x", "expect": "x", "every": "200ms", "timeout": "1s" },
                                 "objective": "90%" },
                  "cache": { "redis": { "connect": "db:6379", "command": "PING", "password": "x", "expect": "+", "every": "200ms" },
                             "objective": "90%" },
                  "runs": { "command": { "service": "db", "run": "x", "every": "500ms", "timeout": "1s" }, "objective": "90%" },
                  "rows": { "freshness": { "query": { "service": "db", "sql": "SELECT 1", "every": "200ms" }, "within": "5s" },
                            "objective": "90%" } },
        "steady": { "for": "5s", "within": "20s" }, "max_duration": "10m",
        "stop_when": [{ "sli": "availability", "below": "10%", "for": "5s" }, { "file": "STOP" },
                      { "http": "http://db:80/stop", "status": 500 },
                      { "service": "db", "run": "x", "within": "1s", "output": "x" },
                      { "service": "db", "run": "x", "value": "> 95" }],
        "faults": [
            { "container_kill": { "service": "db", "replicas": 1, "signal": "SIGTERM" }, "lasts": "3s" },
            {
                "container_pause": { "service": "db", "replicas": 2 },
                "after": "2s",
                "lasts": "1s",
                "every": "10s",
                "jitter": "500ms",
                "noise": true,
            },
            { "container_limits": { "service": "db", "replicas": 1, "cpus": 0.5, "memory": "64MiB", "pids": 20 } },
            { "network": { "service": "db", "lose": "names", "network": "x" } },
            { "rabbitmq_memory_alarm": { "service": "db" } },
            { "redis_full": { "service": "db", "memory": "2MiB" } },
            { "postgres_role_limit": { "service": "db", "role": "x", "limit": 5 } },
            { "postgres_statement_timeout": { "service": "db", "role": "x", "timeout": "5s" } },
            { "patch": { "object": "configmap/x", "set": { "data": { "X": "1" } }, "restart": "db" } },
            { "patch": { "object": "secret/x", "delete": true } },
            { "patch": { "object": "resourcequota/x", "create": { "apiVersion": "v1", "kind": "ResourceQuota" } } },
            { "pod_kill": { "service": "db", "replicas": 1 }, "lasts": "1s" },
            { "deploy": { "service": "db", "variables": { "TAG": "2" }, "image": "db:2", "command": ["serve"],
                          "environment": { "X": "on" } } },
            { "load_surge": { "load": "secure", "rate": "60/s" } },
            { "process": { "name": "exporter", "service": "db", "run": "x", "replicas": 2, "returns": "1s", "summary": "x",
                           "covers": "memory",
                           "confirm": { "service": "db", "run": "x", "within": "1s" },
                           "cleared_when": { "service": "db", "run": "x" } } },
            { "tcp_latency": { "service": "db", "port": 5432, "from": "db", "latency": "1s", "jitter": "1ms" }, "ramp": "1s" },
            { "toxic": { "service": "db", "port": 5432, "from": "db", "type": "bandwidth", "stream": "upstream", "toxicity": "50%",
                         "attributes": { "rate": 8 } } },
            { "toxic": { "service": "db", "type": "latency", "attributes": { "latency": 5, "jitter": 1 } } },
            { "toxic": { "service": "db", "type": "slow_close", "attributes": { "delay": 5 } } },
            { "toxic": { "service": "db", "type": "timeout", "attributes": { "timeout": 5 } } },
            { "toxic": { "service": "db", "type": "slicer", "attributes": { "average_size": 5, "size_variation": 1, "delay": 1 } } },
            { "toxic": { "service": "db", "type": "limit_data", "attributes": { "bytes": 5 } } },
            { "toxic": { "service": "db", "type": "limit_connections", "attributes": { "connections": 5 } } },
            { "http_status": { "service": "db", "status": 503, "method": "GET", "path": "/x/*", "share": "50%", "body": "x",
                               "port": 80, "from": "db", "header": "X-Y: 1", "first": 3, "every": 2, "retry_after": "30s" } },
            { "http_body": { "service": "db", "replace": "x" } },
            { "http_body": { "service": "db", "cut": "1KiB" } },
            { "http_body": { "service": "db", "rate": 10 } },
            { "http_delay": { "service": "db", "delay": "1s", "jitter": "1ms" } },
            { "http_header": { "service": "db", "set": { "X-Y": "1" }, "remove": ["ETag"] } },
            { "http_reset": { "service": "db", "after": 5 } },
            { "postgres_connections": { "service": "db", "returns": "1s", "database": "x", "user": "x",
                                        "password": "x", "port": 5432 } },
            { "postgres_lock": { "service": "db", "table": "x", "mode": "row", "where": "a = 1", "sessions": 2,
                                 "returns": "1s", "database": "x", "user": "x", "password": "x", "port": 5432 } },
            { "command": { "service": "db", "summary": "x", "covers": "x", "run": "x", "undo": "x", "confirm": "x" } },
            { "files": { "service": "db", "path": "/x", "do": "truncate", "to": "50%", "irreversible": true } },
            { "files": { "service": "db", "path": "/x", "do": "flip", "at": 5 } },
            { "files": { "service": "db", "path": "/x", "do": "flip", "find": "x" } },
            { "sql": { "service": "db", "summary": "x", "run": "x", "undo": "x", "confirm": "x", "database": "x", "user": "x",
                       "password": "x", "port": 5432 } },
            { "command": { "service": "db", "run": "x", "irreversible": true, "confirm": "x" } },
        ],
        "impact": { "breaches": ["availability"], "below": "90%", "within": "15s", "window": "1s", "none": false },
        "alerts": { "rules": ["rules.yml"], "alertmanager": "alertmanager.yml", "prometheus": "prometheus.yml",
                    "silences": "silences.json", "image": "x:1", "history": { "for": "2h", "series": { "up{job=\"x\"}": 1, "hits_total": "5/s" } } },
        "detect": { "metrics": "http://db:80/metrics", "when": "up{a=\"b\"} < 1", "within": "10s",
                    "alert": "Down", "labels": { "severity": "page" }, "receiver": "oncall", "source": "grafana",
                    "before_impact": true, "quiet": ["Loud"], "max_pages": 3, "resolves_within": "1m",
                    "escalation": { "alert": "StillDown", "within": "6m" } },
        "runbook": "x.md",
        "respond": { "phases": ["mitigate"], "timeout": "10s", "service": "db",
                     "trust": { "service": "db", "path": "/ca.pem" },
                     "vars": { "HOST": "db", "PORT": { "value": "80", "secret": false, "may_be_empty": false },
                               "X": { "env": "PATH", "secret": true } },
                     "env": { "PGHOST": "db", "PGUSER": { "value": "80", "secret": false }, "X": { "env": "PATH" } },
                     "env_files": ["x.env"] },
        "steps": { "four": { "run": "true", "in": "db", "timeout": "10s", "retry": "3/1s", "expect": "/x/", "expect-exit": 0,
                             "errors": "allowed", "env": { "PGHOST": "db" }, "background": false, "capture": "CAPTURED" },
                   "two": { "skip": "x" }, "if-three": { "choose": true } },
        "clients": { "sql": { "service": "db", "command": "psql" } },
        "hosts": { "db.prod.internal": "db" },
        "recover": { "cleared": true, "within": "30s", "hold": "5s" },
        "revert": { "hold": "2s" },
        "invariants": { "kept": { "service": "db", "run": "x", "within": "1s", "value": ">= 100" },
                        "same": { "service": "db", "run": "x", "as_before": true },
                        "grows": { "service": "db", "run": "x", "increases": true },
                        "text": { "service": "db", "run": "x", "output": "42" } },
        "ledger": { "load": "users", "acknowledged": "status == 201",
                    "survivors": { "service": "db", "run": "x", "within": "10s" } },
        "restore": { "backup": { "service": "db", "run": "x", "max_age": "24h" }, "production_size": "200GB", "readable": { "service": "db", "run": "x" },
                     "restored": { "service": "db", "run": "x" }, "replayed": { "service": "db", "run": "x" },
                     "content": { "canary": { "service": "db", "run": "x", "output": "42" } } },
        "budget": { "window": "28d", "traffic": "1200/s", "objective": "99.95%" },
        "expect": { "verdict": "not_recovered", "level": "L3" },
    })
}

/// The same on a cluster: what only a stack of that kind has.
fn whole_in_kubernetes() -> Value {
    let mut whole = whole();
    whole["stack"] = json!({
        "kubernetes": { "manifests": "chart", "context": "kind-x", "namespace": "x", "contexts": ["x"], "allow_cluster": ["ClusterRole/x"],
                        "release": "x", "values": ["x.env"],
                        "images": { "a:1": "image", "b:1": { "context": "image", "args": { "VERSION": "2" } }, "c:1": null } },
        "up_within": "3m",
    });
    whole
}

/// The same with Prometheus and Alertmanager in the stack, which have no past and no image of Firedrill's.
fn whole_with_services() -> Value {
    let mut whole = whole();
    let alerts = whole["alerts"].as_object_mut().expect("a map");
    ["history", "image"].iter().for_each(|key| drop(alerts.remove(*key)));
    alerts.insert("services".into(), json!({ "prometheus": "http://p:9090", "alertmanager": "http://a:9093/" }));
    whole
}

/// Every place of a value, as a JSON pointer.
fn places(value: &Value, at: &str, found: &mut Vec<String>) {
    let mut below = |key: &str, value: &Value| {
        let at = format!("{at}/{}", key.replace('~', "~0").replace('/', "~1"));
        found.push(at.clone());
        places(value, &at, found);
    };
    match value {
        Value::Object(map) => map.iter().for_each(|(key, value)| below(key, value)),
        Value::Array(items) => items.iter().enumerate().for_each(|(at, value)| below(&at.to_string(), value)),
        _ => {}
    }
}

/// The place of a value in the schema's `properties`, without what names it.
fn properties(schema: &Value, found: &mut Vec<String>) {
    match schema {
        Value::Object(map) => {
            if let Some(Value::Object(own)) = map.get("properties") {
                // A condition of the schema itself (`anyOf` at the top) has no closed map.
                if map.contains_key("additionalProperties") {
                    found.extend(own.keys().cloned());
                }
            }
            map.values().for_each(|value| properties(value, found));
        }
        Value::Array(items) => items.iter().for_each(|value| properties(value, found)),
        _ => {}
    }
}

/// Puts a value at a place, or takes the place out.
fn put(whole: &mut Value, place: &str, value: Option<&Value>) {
    let Some(value) = value else {
        let (parent, key) = place.rsplit_once('/').expect("a parent");
        match whole.pointer_mut(parent).expect("a parent") {
            Value::Object(map) => drop(map.remove(key)),
            Value::Array(items) => drop(items.remove(key.parse().expect("an index"))),
            _ => unreachable!("a parent holds values"),
        }
        return;
    };
    *whole.pointer_mut(place).expect("a place") = value.clone();
}

#[test]
fn the_schema_rejects_nothing_that_the_program_takes() {
    let (project, validator, whole) = (Project::new(), validator(), whole());
    let taken_as_it_is = project.takes(&whole).map_err(|diags| firedrill::source::render(&diags, false));
    assert_eq!(taken_as_it_is, Ok(()));
    assert_eq!(complaints(&validator, &whole), "");
    let mut all = Vec::new();
    places(&whole, "", &mut all);
    let in_kubernetes = whole_in_kubernetes();
    let taken_as_it_is = project.takes(&in_kubernetes).map_err(|diags| firedrill::source::render(&diags, false));
    assert_eq!(taken_as_it_is, Ok(()));
    assert_eq!(complaints(&validator, &in_kubernetes), "");
    places(&in_kubernetes["stack"], "/stack", &mut all);
    let with_services = whole_with_services();
    let taken_as_it_is = project.takes(&with_services).map_err(|diags| firedrill::source::render(&diags, false));
    assert_eq!(taken_as_it_is, Ok(()));
    all.push("/alerts/services".to_string());
    places(&with_services["alerts"]["services"], "/alerts/services", &mut all);
    let mut named = Vec::new();
    // The presets are made of the same few forms of parameters.
    let mut schema = spec::schema().0;
    let faults = schema.pointer_mut("/properties/faults/items/properties").and_then(Value::as_object_mut);
    let faults = faults.expect("faults");
    firedrill::faults::Preset::shipped().iter().for_each(|preset| drop(faults.remove(&preset.name)));
    properties(&schema, &mut named);
    for key in named {
        assert!(all.iter().any(|place| place.ends_with(&format!("/{key}"))), "the whole scenario lacks `{key}`");
    }
    let pool = json!([
        null, true, false, 0, 1, 5, 20, 80, 503, 70000, -1, 1.5, "", " ", "x", "all", "none", "5", "80", "503", "+5", "0x1",
        "5s", " 5s ", "0.5m", "1s", "300ms", "2h", "25h", "5 s", "50/s", "3000 / m", "0/s", "90%", " 100 % ", "0%", "101%",
        "1e1%", "status < 500", "status<600 and latency <= 1.5s", "status < 700", "latency == 1s", "latency < 5",
        "up < 1", "a:b{c=\"}\"} >= -1e3", "up", "GET http://db", "GET  http://db:80/{{ id }}?x", "GET https://db/",
        "http://db/x", "http://db/#x", "http://u@db/", "term", "SIGHUP", "SIGX", "post", "/x", "*", "/x*y", "row", "table",
        "a.b", "a = 1", "a; b", "passed", "harness_error", "not_recovered", "mitigate", "diagnose", "no-phase", "users",
        "availability", "compose.yaml", "x.md", "x.env", "true", [], ["x"], ["mitigate"], ["mitigate", "mitigate"],
        ["availability"], [5], [["x"]], {}, { "x": 1 }, { "none": true }, { "hold": "1s" }, { "within": "40s" },
        { "value": 1 }, { "value": "x", "env": "PATH" }, { "service": "db" }, { "file": "compose.yaml" },
    ]);
    let more = json!(["L3", "L5", "dr", "drill", "status == 201", "42", "0s", "24h", { "service": "db", "run": "x" }, ">= 100", " < -1.5 "]);
    // A fifth of the pool at each place, another one at the next: every value meets every kind of place, in a fifth of the
    // time. The number of cores is what this test waits for.
    let pool: Vec<&Value> = [&pool, &more].into_iter().filter_map(Value::as_array).flatten().collect();
    let numbered: Vec<(usize, &String)> = all.iter().enumerate().collect();
    let wholes = [&whole, &in_kubernetes, &with_services];
    let base = |place: &str| *wholes.iter().find(|whole| whole.pointer(place).is_some()).expect("a place");
    let judge = |part: &[(usize, &String)]| {
        let (project, validator) = (Project::new(), self::validator());
        let (mut taken, mut wrong) = (0, Vec::new());
        for (number, place) in part {
            let values = pool.iter().enumerate().filter(|(at, _)| at % 5 == number % 5).map(|(_, value)| Some(*value));
            for value in values.chain([None]) {
                let mut changed = base(place).clone();
                put(&mut changed, place, value);
                // What it does not take, the schema may take: names, files and windows only `check` can judge.
                if project.takes(&changed).is_ok() {
                    taken += 1;
                    let complaints = complaints(&validator, &changed);
                    if !complaints.is_empty() {
                        wrong.push(format!("{place} {value:?}: the program takes it: {complaints}"));
                    }
                }
            }
            let mut more = base(place).clone();
            let free = [
                "images", "args", "data", "headers", "header", "set", "body", "vars", "hosts", "labels", "series",
                "create", "variables", "environment", "env",
            ];
            if let Some(Value::Object(map)) = more.pointer_mut(place)
                && !place.rsplit('/').next().is_some_and(|key| free.contains(&key))
            {
                map.insert("qqq".into(), json!("1"));
                if project.takes(&more).is_ok() || complaints(&validator, &more).is_empty() {
                    wrong.push(format!("{place}: an unknown key"));
                }
            }
        }
        (taken, wrong)
    };
    let half = numbered.len() / 2;
    let ((taken, mut wrong), (more_taken, more_wrong)) = std::thread::scope(|scope| {
        let first = scope.spawn(|| judge(&numbered[..half]));
        let second = judge(&numbered[half..]);
        (first.join().expect("no panic"), second)
    });
    wrong.extend(more_wrong);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let taken = taken + more_taken;
    assert!(taken > 150, "only {taken} were taken");
}

/// The schema cannot know what lies in a folder.
#[test]
fn a_release_and_values_are_for_a_chart() {
    let project = Project::new();
    for key in ["release", "values"] {
        let mut scenario = whole_in_kubernetes();
        let cluster = scenario["stack"]["kubernetes"].as_object_mut().expect("a map");
        cluster.insert("manifests".into(), json!("compose.yaml"));
        ["release", "values"].iter().filter(|other| **other != key).for_each(|other| drop(cluster.remove(*other)));
        let told = project.takes(&scenario).map_err(|diags| firedrill::source::render(&diags, false));
        assert!(told.as_ref().is_err_and(|told| told.contains(&format!("`{key}` is for a chart"))), "{told:?}");
    }
}

/// What is wrong by its shape an editor marks without running anything.
#[test]
fn what_is_wrong_by_shape_is_rejected() {
    let (project, validator) = (Project::new(), validator());
    let wrong = [
        ("/title", json!(null)),
        ("/titel", json!("X")),
        ("/load/users/rates", json!("50/s")),
        ("/load/users/rate", json!(50)),
        ("/load/a name", json!({ "request": "GET http://db/", "rate": "1/s" })),
        ("/load", json!({})),
        ("/slis/availability/goal", json!("99%")),
        ("/slis/availability/objective", json!(0.99)),
        ("/slis/availability/good", json!("staus < 500")),
        ("/steady/for", json!(5)),
        ("/impact/below", json!("ninety%")),
        ("/impact/within", json!("15 parsecs")),
        ("/recover/within", json!(["30s"])),
        ("/tags", json!("checkout")),
        ("/stack/isolated", json!("yes")),
        ("/faults", json!([])),
        ("/faults/0/container_paws", json!({ "service": "db" })),
        ("/faults/0/container_kill/signal", json!("SIGNOTHING")),
        ("/load/users/request", json!("POST ftp://checkout/checkout")),
        ("/detect/metrics", json!("checkout:9100")),
        ("/detect/when", json!("up = 1")),
        ("/expect/verdict", json!("not_recoverd")),
        ("/expect/verdict", json!("harness_error")),
        ("/expect/level", json!("L6")),
        ("/kind", json!("disaster")),
        ("/rto", json!(45)),
        ("/ledger/acknowledged", json!("status < 300 and latency < 1s")),
        ("/ledger/survivors", json!("psql")),
        ("/restore/content", json!({})),
        ("/restore/content/a name", json!({ "service": "db", "run": "x" })),
        ("/restore/readable/output", json!("42")),
        ("/respond/phases", json!(["mitigate", "verfiy"])),
        ("/respond/vars/LIST", json!([1])),
        ("/respond/vars/BOTH", json!({ "value": 1, "env": "HOME" })),
    ];
    for (place, value) in wrong {
        let mut scenario = whole();
        let (parent, key) = place.rsplit_once('/').expect("a parent");
        scenario.pointer_mut(parent).and_then(Value::as_object_mut).expect("a map").insert(key.into(), value);
        assert!(project.takes(&scenario).is_err(), "{place}");
        assert_ne!(complaints(&validator, &scenario), "", "{place}");
    }
    for key in ["title", "stack", "load", "slis", "faults"] {
        let mut scenario = whole();
        scenario.as_object_mut().expect("a map").remove(key);
        assert!(project.takes(&scenario).is_err(), "without {key}");
        assert_ne!(complaints(&validator, &scenario), "", "without {key}");
    }
}

/// Every property says what it is, so that an editor can.
#[test]
fn every_key_has_words() {
    fn look(schema: &Value, at: &str) {
        match schema {
            Value::Object(map) => {
                if let (Some(Value::Object(own)), true) =
                    (map.get("properties"), map.contains_key("additionalProperties"))
                {
                    for (key, value) in own {
                        let said = value.get("description").and_then(Value::as_str).unwrap_or_default();
                        assert!(said.len() > 3, "{at}/{key}: {said:?}");
                    }
                }
                map.iter().for_each(|(key, value)| look(value, &format!("{at}/{key}")));
            }
            Value::Array(items) => items.iter().for_each(|value| look(value, at)),
            _ => {}
        }
    }
    look(&spec::schema().0, "");
    look(&spec::game_day_schema().0, "");
}
