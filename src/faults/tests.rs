//! Reading faults from a scenario, and the faults of containers on a stack that only pretends to have some.

pub(crate) mod pretend;
mod process;

use super::*;
use crate::record::Parts;
use crate::source::{Diagnostics, Source, Value};
use pretend::{Pretend, agents};

/// Reads `yaml` as the one fault of a scenario; mistakes as `line:column message (help)`.
pub(crate) fn read(yaml: &str) -> Result<Fault, String> {
    let source = Source::new("s.yaml", yaml);
    let mut diags = Diagnostics::default();
    let root = crate::source::parse(&source, &mut diags).expect("YAML");
    let Value::Map(entries) = &root.value else { panic!("a fault is a map") };
    let entry = entries.first().expect("a fault has a kind");
    let fault = Fault::from_entry(&entry.key, entry.key_span, &entry.value, &source, &mut diags);
    let told = diags.all.iter().map(|d| {
        let pos = source.pos(d.span.start);
        let help = d.help.as_ref().map_or_else(String::new, |help| format!(" ({help})"));
        format!("{}:{} {}{help}", pos.line, pos.column, d.message)
    });
    let told: Vec<String> = told.collect();
    assert_eq!(fault.is_none(), !told.is_empty(), "{told:?}");
    fault.ok_or_else(|| told.join("\n"))
}

#[test]
fn what_every_kind_says_of_itself() {
    let faults = [
        "postgres_lock: { service: db, table: inventory }",
        "postgres_lock: { service: db, table: sales.\"Odd Name\", mode: row, where: id = 1, sessions: 3, returns: 2s }",
        "postgres_lock: { service: db, table: t, mode: row, user: u, password: p, database: d, port: 6432 }",
        "postgres_connections: { service: db }",
        "postgres_connections: { service: db, returns: 500ms }",
        "container_pause: { service: payments }",
        "container_pause: { service: payments, replicas: 3 }",
        "container_kill: { service: checkout, replicas: 1 }",
        "container_kill: { service: checkout, replicas: 2, signal: SIGTERM }",
        "container_kill: { service: payments, returns: 3s }",
        "command: { service: db, run: 'touch /x', undo: 'rm -f /x', confirm: 'test -e /x' }",
        "command: { service: db, summary: it is there, run: 'a', undo: 'b', confirm: 'c' }",
        "command: { service: db, run: \"one\\ntwo\", undo: 'b', confirm: 'c' }",
        "command: { service: ops, run: 'rm /b', confirm: 'test ! -e /b', irreversible: true }",
        "deploy: { service: checkout, variables: { CHECKOUT_VERSION: 1.5.0, API_TOKEN: hunter2 } }",
        "deploy: { service: checkout, image: 'shop:2', environment: { X: on }, command: [serve, --port, 80] }",
        "files: { service: db, path: /var/lib/postgresql/data/, do: remove, irreversible: true }",
        "files: { service: ops, path: /b/base.tar, do: truncate, to: 50%, irreversible: true }",
        "files: { service: ops, path: /b/base.tar, do: truncate, to: 2 KiB, irreversible: true }",
        "files: { service: ops, path: /b/base.tar, do: truncate, to: 12, irreversible: true }",
        "files: { service: ops, path: /b/base.tar, do: flip, at: 8300 }",
        "files: { service: ops, path: /b/./base.tar, do: flip, find: Ada Lovelace, irreversible: true }",
        "load_surge: { load: checkout, rate: 60/s }",
        "process: { name: exporter, service: db, run: 'export all' }",
        "process: { name: a_b-1, summary: a job runs away, run: \"one\\ntwo\", replicas: 2, returns: 2s, \
         confirm: { service: db, run: a }, cleared_when: { service: web, run: b, within: 500ms } }",
        "sql: { service: db, run: DELETE FROM customers, confirm: SELECT true, irreversible: true }",
        "sql: { service: db, database: d, user: u, password: p, port: 6432, run: \"BEGIN\\nEND\", confirm: c, undo: u }",
        "sql: { service: db, summary: a migration deletes the customers, run: a, confirm: b, undo: c }",
        "http_status: { service: payments, status: 503 }",
        "http_status: { service: payments, port: 8080, method: post, path: /a/*, share: 12.5%, status: 429, body: no }",
        "tcp_latency: { service: cache, latency: 300ms }",
        "container_limits: { service: checkout, cpus: 0.05 }",
        "pod_kill: { service: containers }",
        "pod_kill: { service: web, replicas: 2 }",
        "container_limits: { service: checkout, replicas: 1, memory: 64MiB, pids: 20 }",
        "network: { service: db, lose: connection }",
        "network: { service: db, lose: names, network: backend }",
        "redis_full: { service: cache, memory: 2MiB }",
        "tcp_latency: { service: db, port: 5432, latency: 1.5s, jitter: 50ms }",
        "http_status: { service: web, status: 503, header: 'X-Canary: 1', first: 3, every: 2, share: 50%, retry_after: 30s }",
        "http_delay: { service: web, delay: 500ms, jitter: 100ms, header: X-Canary }",
        "http_delay: { service: web, port: 80, from: edge, path: /a, delay: 1s }",
        "tcp_latency: { service: db, from: web, latency: 1s }",
        "http_body: { service: web, cut: 1KiB }",
        "http_body: { service: web, replace: '' }",
        "http_body: { service: web, path: /a, rate: 10 }",
        "http_header: { service: web, set: { Cache-Control: no-store, X-A: 1 }, remove: [ETag] }",
        "http_reset: { service: web, port: 80, after: 100 }",
        "toxic: { service: db, type: down }",
        "toxic: { service: db, port: 5432, type: bandwidth, stream: upstream, toxicity: 50%, from: web, attributes: { rate: 0 } }",
        "toxic: { service: db, type: slicer, attributes: { average_size: 64, delay: 500 } }",
        "toxic: { service: db, type: timeout }",
        "toxic: { service: db, type: limit_connections, attributes: { connections: 5 } }",
    ];
    let said: Vec<String> = faults
        .iter()
        .map(|yaml| {
            let fault = read(yaml).expect(yaml);
            let interposes =
                fault.facts.interposes.clone().map_or_else(String::new, |(name, ports)| format!(" → {name} {ports:?}"));
            format!("{} {:?}{interposes}: {}", fault.kind(), fault.facts.services.clone(), fault.facts.summary)
        })
        .collect();
    insta::assert_snapshot!(said.join("\n"));
}

#[test]
fn mistakes_have_their_place_and_their_cure() {
    let faults = [
        "postgres_lok: { service: db }",
        "something: {}",
        "postgres_lock: { service: db }",
        "postgres_lock: { tabel: x }",
        "postgres_lock: { service: db, table: a; DROP TABLE b }",
        "postgres_lock: { service: db, table: 'a\"b' }",
        "postgres_lock: { service: db, table: a, where: x = 1 }",
        "postgres_lock: { service: db, table: a, mode: rows, sessions: 0, returns: 2, port: 0 }",
        "postgres_lock: { service: db, table: a, mode: row, where: 'true; DROP TABLE b' }",
        "postgres_lock: [db]",
        "postgres_connections: { service: db, leave: 2 }",
        "tcp_latency: { service: db, port: 70000, latency: 0s, jitter: 5 }",
        "container_pause: { service: [db], replicas: 0 }",
        "container_limits: { service: db }",
        "container_limits: { service: db, cpus: 0.001, memory: 1KiB, pids: 0 }",
        "network: { service: db }",
        "network: { service: db, lose: nerves }",
        "redis_full: { memory: much, policy: lru }",
        "redis_full: [cache]",
        "container_kill: { service: db, signal: SIGTREM }",
        "container_kill: { service: db, replicas: some, signal: SIGWINCH }",
        "container_kill: { service: db, returns: 3 }",
        "command: { service: db, run: 'touch /x', confirm: 'test -e /x' }",
        "command: { service: db, run: ' ', undo: '', confirm: [test, -e, /x] }",
        "command: { service: db, run: a, undo: b, confirm: '! test -e /x' }",
        "command: { service: db, run: a, undo: b, irreversible: true, confirm: c }",
        "command: { service: db, run: a, irreversible: false, confirm: c }",
        "command: { service: db, run: a, irreversible: maybe, confirm: c }",
        "deploy: { service: checkout }",
        "deploy: { image: x }",
        "deploy: { service: checkout, variables: {}, environment: [X=1], command: serve }",
        "deploy: { service: checkout, variables: { 'a b': 1 }, environment: { X: [1] }, command: [] }",
        "files: { service: db }",
        "files: { service: db, path: data, do: delete }",
        "files: { service: db, path: /a/../b, do: remove }",
        "files: { service: db, path: /, do: remove, to: 50%, at: 3, irreversible: true }",
        "files: { service: db, path: /a, do: truncate, irreversible: true }",
        "files: { service: db, path: /a, do: truncate, to: 100%, irreversible: true }",
        "files: { service: db, path: /a, do: truncate, to: 1.5MiB, irreversible: true }",
        "files: { service: db, path: /a, do: truncate, to: 1 parsec, irreversible: true }",
        "files: { service: db, path: /a, do: truncate, to: 99999999999999 GiB, irreversible: true }",
        "files: { service: db, path: /a, do: flip }",
        "files: { service: db, path: /a, do: flip, at: -1, find: '' }",
        "load_surge: { load: checkout, rate: 60 }",
        "process: { service: db }",
        "process: { name: Exporter, run: ' ', replicas: 0, returns: 2, confirm: true, cleared_when: {} }",
        "process: { name: fd-agent, run: a, replicas: 21, confirm: { service: db, run: '! a', within: 11s }, in: db }",
        "sql: { service: db }",
        "sql: { servce: db, run: ' ', confirm: [a], undo: '', irreversible: true }",
        "load_surge: { service: checkout }",
        "http_status: { service: payments }",
        "http_status: { service: payments, status: 100, port: 99999, method: a b, path: charges, share: 50 }",
        "http_status: { service: payments, status: 503, path: /a*b, share: 0% }",
        "http_status: { service: payments, status: 503, path: '/a?b=c' }",
        "http_status: { service: web, status: 503, header: 'a b: 1', first: 0, every: x, retry_after: 1.5s }",
        "http_delay: { service: web, delay: 0s }",
        "http_body: { service: web }",
        "http_body: { service: web, cut: 5, rate: 0 }",
        "http_header: { service: web }",
        "http_header: { service: web, set: {}, remove: [] }",
        "http_header: { service: web, set: { 'a b': 1, c: [1] }, remove: ['x y'] }",
        "http_reset: { after: some }",
        "toxic: { service: db }",
        "toxic: { service: db, type: latancy, stream: sideways, toxicity: 0%, attributes: { rate: -1, x: 1 } }",
        "toxic: { service: db, type: latency, attributes: { jitter: 5 } }",
        "toxic: { service: db, type: bandwidth, attributes: { latency: 5, rate: 1.5 } }",
        "toxic: { service: db, type: limit_data }",
        "toxic: { service: db, type: down, attributes: { timeout: 5 } }",
    ];
    let told: Vec<String> = faults.iter().map(|yaml| format!("{yaml}\n{}", read(yaml).expect_err(yaml))).collect();
    insta::assert_snapshot!(told.join("\n"));
}

#[tokio::test]
async fn limits_and_networks_are_taken_and_given_back() {
    for (yaml, had) in [
        ("container_limits: { service: db, cpus: 0.05 }", "db is limited to 0.05"),
        ("network: { service: db, lose: connection }", "cut off"),
        ("network: { service: db, lose: names }", "without a name"),
    ] {
        let stack = Pretend::with(&[("db", "running")]);
        let endpoint = crate::stack::NetworkEndpoint {
            network: "shop_default".into(),
            aliases: vec!["db".into()],
            ..Default::default()
        };
        stack.containers.lock().expect("a lock")[0].endpoints = vec![endpoint];
        let before = stack.containers.lock().expect("a lock").clone();
        let context = FaultContext { id: "f", stack: &stack, agents: None, seed: 1, strength: 1.0 };
        let fault = read(yaml).expect(yaml);
        let undo = fault.prepare(&context).await.expect(had);
        assert!(matches!(fault.confirm(&undo, &context).await, Ok(Presence::Gone(_))), "{yaml}");
        fault.inject(&undo, &context).await.expect(had);
        assert!(matches!(fault.confirm(&undo, &context).await, Ok(Presence::InPlace(_))), "{yaml}");
        undo.execute(&context).await.expect(had);
        assert!(matches!(fault.confirm(&undo, &context).await, Ok(Presence::Gone(_))), "{yaml}");
        assert_eq!(*stack.containers.lock().expect("a lock"), before, "{yaml}");
        // What has nothing to lose is no fault.
        stack.containers.lock().expect("a lock")[0].endpoints = Vec::new();
        assert_eq!(fault.prepare(&context).await.is_err(), yaml.starts_with("network"), "{yaml}");
    }
}

#[tokio::test]
async fn a_limit_that_a_container_has_is_not_raised() {
    let stack = Pretend::with(&[("db", "running")]);
    let context = FaultContext { id: "f", stack: &stack, agents: None, seed: 1, strength: 1.0 };
    let limits = || stack.containers.lock().expect("a lock")[0].limits;
    let had = crate::stack::ContainerLimits { nano_cpus: 500_000_000, ..Default::default() };
    stack.containers.lock().expect("a lock")[0].limits = had;
    let raises = read("container_limits: { service: db, cpus: 2 }").expect("a fault");
    let told = raises.prepare(&context).await.expect_err("no fault").to_string();
    assert!(told.ends_with("they may use no more than that already"), "{told}");
    let fault = read("container_limits: { service: db, cpus: 2, memory: 64MiB }").expect("a fault");
    let undo = fault.prepare(&context).await.expect("an undo");
    fault.inject(&undo, &context).await.expect("injected");
    let memory = 64 * 1024 * 1024;
    assert_eq!(limits(), crate::stack::ContainerLimits { memory, memory_swap: memory, ..had });
    assert!(matches!(fault.confirm(&undo, &context).await, Ok(Presence::InPlace(_))));
    undo.execute(&context).await.expect("undone");
    assert_eq!(limits(), had);
}

#[tokio::test]
async fn limits_and_networks_that_the_runbook_has_changed_are_left_alone() {
    use crate::stack::{ContainerLimits, ContainerState, NetworkEndpoint};
    let stack = Pretend::with(&[("db", "running")]);
    let context = FaultContext { id: "f", stack: &stack, agents: None, seed: 1, strength: 1.0 };
    let change = |change: &dyn Fn(&mut ContainerState)| change(&mut stack.containers.lock().expect("a lock")[0]);
    let now = || stack.containers.lock().expect("a lock")[0].clone();
    let had = ContainerLimits { nano_cpus: 0, memory: 1 << 30, memory_swap: 2 << 30, pids: 100 };
    change(&|state| state.limits = had);
    let fault = read("container_limits: { service: db, cpus: 0.05, memory: 64MiB, pids: 100 }").expect("a fault");
    let undo = fault.prepare(&context).await.expect("an undo");
    fault.inject(&undo, &context).await.expect("injected");
    let limited = ContainerLimits { nano_cpus: 50_000_000, memory: 64 << 20, memory_swap: 64 << 20, pids: 100 };
    assert_eq!(now().limits, limited);
    change(&|state| state.limits.nano_cpus = 2_000_000_000);
    assert!(matches!(fault.confirm(&undo, &context).await, Ok(Presence::InPlace(_))), "the memory is not raised");
    undo.execute(&context).await.expect("undone");
    assert_eq!(now().limits, ContainerLimits { nano_cpus: 2_000_000_000, ..had });
    assert!(matches!(fault.confirm(&undo, &context).await, Ok(Presence::Gone(_))), "it had these processes before");

    let place = |network: &str, names: &[&str]| NetworkEndpoint {
        network: network.into(),
        aliases: names.iter().map(|name| name.to_string()).collect(),
        ..Default::default()
    };
    let had = [place("back", &["db", "api"]), place("front", &["db"])];
    let connected = [place("front", &["other"])];
    let named = [place("back", &["db"]), place("front", &[]), place("more", &["x"])];
    for (lose, by_runbook, left) in [
        ("connection", connected.to_vec(), vec![had[0].clone(), connected[0].clone()]),
        ("names", named.to_vec(), vec![had[0].clone(), had[1].clone(), named[2].clone()]),
    ] {
        change(&|state| state.endpoints = had.to_vec());
        let fault = read(&format!("network: {{ service: db, lose: {lose} }}")).expect("a fault");
        let undo = fault.prepare(&context).await.expect("an undo");
        fault.inject(&undo, &context).await.expect("injected");
        change(&|state| state.endpoints = by_runbook.clone());
        undo.execute(&context).await.expect("undone");
        assert_eq!(now().endpoints, left, "{lose}");
        assert!(matches!(fault.confirm(&undo, &context).await, Ok(Presence::Gone(_))), "{lose}");
    }
}

#[test]
fn every_preset_that_ships_can_be_read() {
    let files = std::fs::read_dir("faults").expect("a folder").map(|file| file.expect("a file").path());
    let mut files: Vec<String> =
        files.map(|path| path.file_stem().expect("a name").to_string_lossy().into_owned()).collect();
    files.sort();
    let mut names: Vec<&str> = Preset::shipped().iter().map(|preset| preset.name.as_str()).collect();
    names.sort_unstable();
    assert_eq!(names, files, "what lies in faults/ is shipped, and has no mistakes");
    for preset in Preset::shipped() {
        let given = preset.shape()["properties"].as_object().expect("parameters").clone();
        let samples = given
            .iter()
            .filter(|(_, shape)| shape["description"].as_str().is_some_and(|text| text.ends_with("\nrequired")));
        let samples: Vec<String> = samples.map(|(name, _)| format!("{name}: {}", preset.sample(name))).collect();
        let yaml = format!("{}: {{ {} }}", preset.name, samples.join(", "));
        let fault = read(&yaml).unwrap_or_else(|told| panic!("{yaml}\n{told}"));
        assert!(!fault.facts.unproven, "{}: nobody asks whether it does anything", preset.name);
    }
}

/// Without any program on its path `dd` writes nothing here either: what counts is that the size was asked for and refused.
#[tokio::test]
async fn a_disk_whose_size_nobody_can_tell_is_not_filled() {
    for preset in ["disk_full", "inodes_full"] {
        let (stack, agents) = (Pretend::with(&[("a", "running")]), agents());
        let context = FaultContext { id: "f", stack: &stack, agents: Some(&agents), seed: 0, strength: 1.0 };
        let fault = read(&format!("{preset}: {{ service: db, directory: / }}")).expect("a fault");
        stack.codes.lock().expect("a lock").push(0);
        fault.inject(&Undo::nothing(), &context).await.expect("injected");
        let done = stack.done().concat();
        let script = done.strip_prefix("db: sh -c ").expect("its script");
        let ran = std::process::Command::new("/bin/sh").args(["-c", script]).env("PATH", "/nowhere").output();
        let (ran, refused) = (ran.expect("an end"), "is it the machine's own disk?");
        let told = String::from_utf8_lossy(&ran.stderr);
        assert!(ran.status.code() == Some(1) && told.contains(refused), "{preset}: {told}");
    }
}

#[test]
fn passwords_are_secrets() {
    let fault = read("postgres_lock: { service: db, table: t, password: hunter22 }").expect("a fault");
    assert_eq!(fault.facts.secrets.clone(), ["hunter22"]);
    assert!(!fault.facts.summary.contains("hunter22"));
    let sql = "sql: { service: db, run: a, confirm: b, undo: c, password: hunter22 }";
    assert_eq!(read(sql).expect("a fault").facts.secrets, ["hunter22"]);
    let sql = "sql: { service: db, run: ALTER ROLE a PASSWORD 'hunter33', confirm: b, undo: ALTER ROLE a PASSWORD 'hunter44' }";
    let fault = read(sql).expect("a fault");
    assert_eq!(fault.facts.secrets.clone(), ["hunter33", "hunter44"]);
    assert_eq!(fault.facts.summary, "changes the database of `db` by SQL");
    let release =
        "deploy: { service: db, variables: { API_TOKEN: hunter22 }, environment: { DB: 'pg://u:hunter33@db/x' } }";
    let fault = read(release).expect("a fault");
    assert_eq!(fault.facts.secrets.clone(), ["hunter22", "hunter33"]);
    assert!(!fault.facts.summary.contains("hunter"), "{}", fault.facts.summary);
    for value in ["hunter22", "22334455"] {
        let preset = format!("k8s_secret_value: {{ name: db, setting: PASSWORD, value: {value}, restart: web }}");
        let fault = read(&preset).expect("a fault");
        assert_eq!(fault.facts.secrets, [value]);
        assert!(!fault.facts.summary.contains(value), "{}", fault.facts.summary);
    }
    let made = "patch: { object: secret/x, create: { apiVersion: v1, kind: Secret, data: { A: aHVudGVyMjI= }, stringData: { B: 22334455 } } }";
    assert_eq!(read(made).expect("a fault").facts.secrets, ["hunter22", "aHVudGVyMjI=", "22334455"]);
}

#[test]
fn a_patch_without_a_value_is_a_mistake() {
    for edit in ["set: {}", "set: { data: {} }", "set: { spec: { selector: {}, template: {} } }", "create: {}"] {
        let told = read(&format!("patch: {{ object: configmap/x, {edit} }}")).expect_err(edit);
        assert!(told.contains("say what is set"), "{edit}: {told}");
    }
}

#[test]
fn secrets_on_the_command_line_of_a_release_are_hidden() {
    let release = r#"deploy: { service: db, command: [serve, --token, "hunter 22", --api-key=hunter33, --port, "80",
        "API_TOKEN=hunter44", --db=pg://u:hunter55@db/x, sh, -c, "run --password 'hunter66' -v"] }"#;
    let fault = read(release).expect("a fault");
    assert_eq!(fault.facts.secrets.clone(), ["hunter 22", "hunter33", "hunter44", "hunter55", "hunter66"]);
    assert_eq!(
        fault.facts.summary,
        "releases `db` with the command `serve --token *** --api-key=*** --port 80 API_TOKEN=*** --db=pg://u:***@db/x \
         sh -c run --password '***' -v`"
    );
}

#[test]
fn a_release_has_time_to_come_up() {
    let within = |yaml: &str| {
        let fault = read(yaml).expect("a fault");
        fault.inject_within()
    };
    let release = within("deploy: { service: db, image: 'x:2' }");
    assert_eq!(release, crate::stack::RELEASE_WITHIN);
    let undo = Undo::Release { service: "db".into(), marks: [("image".into(), "1".into())].into() };
    assert_eq!(undo.within(), crate::stack::RELEASE_WITHIN);
    assert!(within("container_kill: { service: db }") < release);
}

#[tokio::test]
async fn a_pause_goes_through_its_life() {
    let (stack, agents) = (Pretend::with(&[("b", "running"), ("a", "running"), ("c", "exited")]), agents());
    let context = FaultContext { id: "f", stack: &stack, agents: Some(&agents), seed: 0, strength: 1.0 };
    let fault = read("container_pause: { service: db }").expect("a fault");
    let undo = fault.prepare(&context).await.expect("an undo");
    assert_eq!(stack.done(), Vec::<String>::new(), "a plan changes nothing");
    let on_disk: Undo = serde_json::from_str(&serde_json::to_string(&undo).expect("JSON")).expect("an undo");
    assert_eq!(on_disk, undo);

    assert!(matches!(fault.confirm(&undo, &context).await.expect("told"), Presence::Gone(_)));
    fault.inject(&undo, &context).await.expect("injected");
    assert_eq!(stack.done(), ["Pause a", "Pause b"]);
    let Presence::InPlace(evidence) = fault.confirm(&undo, &context).await.expect("told") else {
        panic!("it is in place")
    };
    assert_eq!(evidence, "shop-a is paused, shop-b is paused");

    // What is partially active is neither in place nor gone.
    stack.set("a", "running");
    let half = fault.confirm(&undo, &context).await.expect("told");
    assert_eq!(half, Presence::Partly("shop-a is running, shop-b is paused".into(), Parts::HALF));
    undo.execute(&context).await.expect("reverted");
    assert_eq!(stack.done(), ["Unpause b"]);
    undo.execute(&context).await.expect("reverted again");
    assert_eq!(stack.done(), Vec::<String>::new());
    assert!(matches!(fault.confirm(&undo, &context).await.expect("told"), Presence::Gone(_)));
}

#[tokio::test]
async fn a_kill_is_undone_by_a_start_unless_the_runbook_did_it() {
    let (stack, agents) = (Pretend::with(&[("a", "running"), ("b", "running")]), agents());
    let context = FaultContext { id: "f", stack: &stack, agents: Some(&agents), seed: 0, strength: 1.0 };
    let fault = read("container_kill: { service: db, replicas: 1 }").expect("a fault");
    let undo = fault.prepare(&context).await.expect("an undo");
    fault.inject(&undo, &context).await.expect("injected");
    assert_eq!(stack.done(), ["Kill { signal: \"SIGKILL\" } a"]);
    let killed = fault.confirm(&undo, &context).await.expect("told");
    assert_eq!(killed, Presence::InPlace("shop-a has exited with 137".into()));
    let what = vec!["started shop-a".to_string()];
    let output = "started shop-a".to_string();
    assert_eq!(undo.execute(&context).await.expect("undone"), Undone { what, output });
    let nothing = |output: &str| Undone { what: Vec::new(), output: output.into() };
    assert_eq!(undo.execute(&context).await.expect("undone"), nothing("shop-a is running already"));
    assert_eq!(stack.done(), ["Start a"]);
    assert_eq!(fault.confirm(&undo, &context).await.expect("told"), Presence::Gone("shop-a is running".into()));
}

#[test]
fn what_comes_back_does_so_after_some_time_and_within_an_hour() {
    for fault in [
        "container_kill: { service: db",
        "postgres_lock: { service: db, table: a",
        "postgres_connections: { service: db",
        "process: { name: a, run: b",
    ] {
        let returns = |after: &str| read(&format!("{fault}, returns: {after} }}")).map(|fault| fault.facts.returns);
        assert_eq!(returns("1h"), Ok(Some(Duration::from_secs(3600))), "{fault}");
        for (after, why) in [("0s", "`returns` must be above 0"), ("61m", "`returns` is 61m, more than 1h")] {
            let told = returns(after).expect_err(fault);
            assert!(told.contains(why), "{told}");
        }
    }
}

#[tokio::test]
async fn a_killed_container_that_was_started_and_ended_by_itself_is_not_killed_any_more() {
    let (stack, agents) = (Pretend::with(&[("a", "running")]), agents());
    let context = FaultContext { id: "f", stack: &stack, agents: Some(&agents), seed: 0, strength: 1.0 };
    let start = |at: &str| stack.containers.lock().expect("a lock")[0].started_at = at.into();
    start("first");
    let fault = read("container_kill: { service: db }").expect("a fault");
    let comes_back = read("container_kill: { service: db, returns: 1s }").expect("a fault");
    let undo = fault.prepare(&context).await.expect("an undo");
    let on_disk: Undo = serde_json::from_str(&serde_json::to_string(&undo).expect("JSON")).expect("an undo");
    assert_eq!(on_disk, undo);
    fault.inject(&undo, &context).await.expect("injected");
    assert!(matches!(fault.confirm(&undo, &context).await.expect("told"), Presence::InPlace(_)));
    // Without its data the server does not stay up, whoever starts it.
    start("second");
    let Presence::Gone(evidence) = fault.confirm(&undo, &context).await.expect("told") else {
        panic!("it was started since")
    };
    assert_eq!(evidence, "shop-a has exited with 137; it was started after the kill, and ended by itself");
    // One that is killed again after each start looks the same while it is in place.
    assert!(matches!(comes_back.confirm(&undo, &context).await.expect("told"), Presence::InPlace(_)));
    // A ledger that does not say when it had been started: nothing is known of it.
    let before = r#"{"undo":"containers","service":"db","containers":["a"],"op":"start"}"#;
    let before: Undo = serde_json::from_str(before).expect("an undo");
    assert!(matches!(fault.confirm(&before, &context).await.expect("told"), Presence::InPlace(_)));
}

#[tokio::test]
async fn a_kill_is_in_place_when_every_container_that_still_exists_is_down() {
    let (stack, agents) = (Pretend::with(&[("a", "running"), ("b", "running"), ("c", "running")]), agents());
    let context = FaultContext { id: "f", stack: &stack, agents: Some(&agents), seed: 0, strength: 1.0 };
    let fault = read("container_kill: { service: db }").expect("a fault");
    let undo = fault.prepare(&context).await.expect("an undo");
    stack.set("a", "exited");
    assert!(matches!(fault.confirm(&undo, &context).await.expect("told"), Presence::Partly(..)));
    stack.set("b", "exited");
    assert!(matches!(fault.confirm(&undo, &context).await.expect("told"), Presence::Partly(..)));
    stack.containers.lock().expect("a lock").retain(|container| container.id != "c");
    assert!(matches!(fault.confirm(&undo, &context).await.expect("told"), Presence::InPlace(_)));
    stack.containers.lock().expect("a lock").clear();
    assert!(matches!(fault.confirm(&undo, &context).await.expect("told"), Presence::Gone(_)));
}

#[tokio::test]
async fn killed_pods_are_gone_until_as_many_new_ones_are_ready() {
    let (stack, agents) = (Pretend::with(&[("a", "running"), ("b", "running"), ("c", "created")]), agents());
    let context = FaultContext { id: "f", stack: &stack, agents: Some(&agents), seed: 0, strength: 1.0 };
    let fault = read("pod_kill: { service: web }").expect("a fault");
    let undo = fault.prepare(&context).await.expect("an undo");
    let on_disk: Undo = serde_json::from_str(&serde_json::to_string(&undo).expect("JSON")).expect("an undo");
    assert_eq!(on_disk, undo);
    let add = |id: &str, ready| {
        let pod = crate::stack::ContainerState { id: id.into(), ready, ..Default::default() };
        stack.containers.lock().expect("a lock").push(pod);
    };
    let asked = || async { fault.confirm(&undo, &context).await.expect("told") };
    assert!(matches!(asked().await, Presence::Gone(_)), "nothing is deleted yet");
    stack.delete_pod("a").await.expect("deleted");
    assert!(matches!(asked().await, Presence::Partly(_, Parts { active: 1, all: 2 })), "one of two");
    stack.done();
    fault.inject(&undo, &context).await.expect("injected");
    assert_eq!(stack.done(), ["delete a", "delete b"], "not the one that does not run");
    let evidence = "2 of 2 are deleted (shop-a, shop-b), and 0 new ones are ready";
    assert_eq!(asked().await, Presence::InPlace(evidence.into()));
    // One that was there before is no replacement, and one that only runs is none yet.
    stack.containers.lock().expect("a lock")[0].ready = true;
    add("d", false);
    assert!(matches!(asked().await, Presence::InPlace(_)));
    add("e", true);
    assert!(matches!(asked().await, Presence::Partly(_, Parts { active: 1, all: 2 })));
    add("f", true);
    assert!(matches!(asked().await, Presence::Gone(_)));
    assert_eq!(undo.execute(&context).await.expect("nothing to do"), Undone::default());
    assert_eq!(stack.done(), Vec::<String>::new());
    // Whoever brought them back, it was not the runbook.
    let by_itself = |ago| fault.ended_by_itself(&context, ago);
    assert_eq!(by_itself(None).await.expect("told"), None);
    assert!(by_itself(Some(Duration::ZERO)).await.expect("told").is_some());
}

#[tokio::test]
async fn an_agent_that_cannot_be_asked_after_the_mitigation_has_not_said_that_its_fault_stayed() {
    let stack = Pretend::default();
    let context = FaultContext { id: "f", stack: &stack, agents: None, seed: 0, strength: 1.0 };
    let fault = read("tcp_latency: { service: cache, latency: 300ms }").expect("a fault");
    let by_itself = |ago| fault.ended_by_itself(&context, ago);
    assert_eq!(by_itself(None).await.expect("it is asked again"), None);
    assert!(by_itself(Some(Duration::ZERO)).await.is_err());
}

#[tokio::test]
async fn a_container_that_was_replaced_is_left_alone() {
    let (stack, agents) = (Pretend::with(&[("a", "running")]), agents());
    let context = FaultContext { id: "f", stack: &stack, agents: Some(&agents), seed: 0, strength: 1.0 };
    let fault = read("container_kill: { service: db }").expect("a fault");
    let undo = fault.prepare(&context).await.expect("an undo");
    fault.inject(&undo, &context).await.expect("injected");
    stack.done();
    stack.containers.lock().expect("a lock")[0].id = "new".into();
    let Presence::Gone(evidence) = fault.confirm(&undo, &context).await.expect("told") else {
        panic!("the runbook replaced it")
    };
    assert!(evidence.contains("replaced by another"), "{evidence}");
    undo.execute(&context).await.expect("nothing to do");
    let nothing = Undone { what: Vec::new(), output: "a is not there any more".into() };
    assert_eq!(undo.execute(&context).await.expect("nothing to do"), nothing);
    assert_eq!(stack.done(), Vec::<String>::new());
}

#[tokio::test]
async fn what_cannot_be_done_names_the_operation() {
    let (stack, agents) = (Pretend::with(&[("a", "running")]), agents());
    let context = FaultContext { id: "f", stack: &stack, agents: Some(&agents), seed: 0, strength: 1.0 };
    let two = read("container_pause: { service: db, replicas: 2 }").expect("a fault");
    let error = two.prepare(&context).await.expect_err("there is only one");
    assert_eq!(error.to_string(), "choose 2 containers of `db`: 1 of the containers of `db` are running");

    let fault = read("container_pause: { service: db }").expect("a fault");
    let undo = fault.prepare(&context).await.expect("an undo");
    fault.inject(&undo, &context).await.expect("injected");
    *stack.refuses.lock().expect("a lock") = true;
    let error = undo.execute(&context).await.expect_err("it is refused");
    assert_eq!(error.to_string(), "unpause of `db` (shop-a): pretend: not in this test");
    stack.set("a", "exited");
    undo.execute(&context).await.expect("a container that has exited is not paused");

    let lock = read("postgres_lock: { service: db, table: t }").expect("a fault");
    let undo = lock.prepare(&context).await.expect("an undo");
    assert_eq!(undo, Undo::Agent { agent: "fd-agent".into(), fault: "f".into() });
    let error = lock.inject(&undo, &context).await.expect_err("there are no agents");
    assert_eq!(error.to_string(), "inject `f`: the agent fd-agent is not connected");
    let error = undo.execute(&context).await.expect_err("there are no agents");
    assert_eq!(error.to_string(), "lift `f`: the agent fd-agent is not connected");
    let elsewhere = FaultContext { agents: None, ..context };
    assert_eq!(undo.execute(&elsewhere).await.expect("its channel has ended"), Undone::default());
}

#[tokio::test]
async fn what_is_irreversible_is_confirmed_and_never_undone() {
    let (stack, agents) = (Pretend::default(), agents());
    let context = FaultContext { id: "f", stack: &stack, agents: Some(&agents), seed: 0, strength: 1.0 };
    let fault = read("command: { service: db, run: break, confirm: look, irreversible: true }").expect("a fault");
    let undo = fault.prepare(&context).await.expect("an undo");
    assert_eq!(undo.irreversible(), Some("goes with the stack"));
    assert_eq!(stack.done(), ["db: sh -c look"]);
    let on_disk = serde_json::to_string(&undo).expect("JSON");
    assert_eq!(on_disk, r#"{"undo":"nothing","reason":"goes with the stack"}"#);
    assert_eq!(serde_json::from_str::<Undo>(&on_disk).expect("an undo"), undo);
    *stack.codes.lock().expect("a lock") = vec![0, 0];
    fault.inject(&undo, &context).await.expect("injected");
    assert!(matches!(fault.confirm(&undo, &context).await.expect("told"), Presence::InPlace(_)));
    undo.execute(&context).await.expect("nothing to do");
    assert_eq!(stack.done(), ["db: sh -c break", "db: sh -c look"]);
}

#[tokio::test]
async fn a_probe_of_which_a_program_was_refused_cannot_be_told() {
    let (stack, agents) = (Pretend::with(&[("a", "running")]), agents());
    let context = FaultContext { id: "f", stack: &stack, agents: Some(&agents), seed: 0, strength: 1.0 };
    *stack.output.lock().expect("a lock") = "NOAUTH Authentication required.\n".into();
    let asked = async |yaml: &str, codes: &[i64]| {
        *stack.codes.lock().expect("a lock") = codes.to_vec();
        let fault = read(yaml).expect("a fault");
        let undo = Undo::Process { name: "x".into() };
        fault.confirm(&undo, &context).await.map_err(|error| error.to_string())
    };
    let told = "redis-cli answered \"NOAUTH Authentication required.\" with exit code 0";
    for yaml in [
        "command: { service: db, run: a, undo: b, confirm: redis-cli GET locked }",
        "process: { name: x, run: a, confirm: { service: db, run: redis-cli GET locked } }",
        "process: { name: x, run: a, cleared_when: { service: db, run: redis-cli GET locked } }",
    ] {
        let error = asked(yaml, &[0]).await.expect_err("not told");
        assert!(error.contains(told), "{error}");
        assert!(asked(yaml, &[1]).await.is_ok(), "an exit code tells");
        assert!(asked(&yaml.replace("locked", "locked | grep -q 1"), &[0]).await.is_ok(), "so does that of grep");
    }
}

#[tokio::test]
async fn a_command_is_what_its_exit_codes_say() {
    let (stack, agents) = (Pretend::default(), agents());
    let context = FaultContext { id: "f", stack: &stack, agents: Some(&agents), seed: 0, strength: 1.0 };
    let fault = read("command: { service: db, run: break, undo: fix, confirm: look }").expect("a fault");
    let undo = fault.prepare(&context).await.expect("an undo");
    assert_eq!(undo, Undo::Command { service: "db".into(), script: "fix".into(), container: None });
    assert_eq!(stack.done(), ["db: sh -c look"], "a plan changes nothing");
    let codes = |codes: &[i64]| *stack.codes.lock().expect("a lock") = codes.to_vec();
    codes(&[0]);
    let told = fault.prepare(&context).await.expect_err("it is there already").to_string();
    assert_eq!(told, "before `run` in `db`: it is in place already: `confirm`: exit code 0 in shop-db-1: last");
    // What cannot be answered yet may be answered once it is there.
    codes(&[2]);
    assert!(fault.prepare(&context).await.is_ok());
    stack.done();

    codes(&[0, 0, 1, 0]);
    fault.inject(&undo, &context).await.expect("injected");
    let there = fault.confirm(&undo, &context).await.expect("told");
    assert_eq!(there, Presence::InPlace("`confirm`: exit code 0 in shop-db-1: last".into()));
    let gone = fault.confirm(&undo, &context).await.expect("told");
    assert_eq!(gone, Presence::Gone("`confirm`: exit code 1 in shop-db-1: last".into()));
    undo.execute(&context).await.expect("reverted");
    assert_eq!(stack.done(), ["db: sh -c break", "db: sh -c look", "db: sh -c look", "db: sh -c fix"]);

    // A script that could not be run has answered nothing, and one that failed has done nothing.
    codes(&[0]);
    let Undone { what, output } = undo.execute(&context).await.expect("reverted");
    assert_eq!((what, output.as_str()), (vec!["undid f in shop-db-1".to_string()], "first\nlast\n\n"), "what it wrote");
    codes(&[3]);
    assert_eq!(undo.execute(&context).await.expect_err("failed").output, "first\nlast\n\n");
    codes(&[127, 1, 3]);
    let told = fault.confirm(&undo, &context).await.expect_err("no answer").to_string();
    assert_eq!(told, "`confirm` in `db`: exit code 127 in shop-db-1: last");
    assert!(fault.inject(&undo, &context).await.is_err());
    assert!(undo.execute(&context).await.is_err());
    for code in [2, 7, 126, 137, 255] {
        codes(&[code]);
        let told = fault.confirm(&undo, &context).await.expect_err("no answer").to_string();
        assert!(told.starts_with(&format!("`confirm` in `db`: exit code {code} in shop-db-1: last")), "{told}");
    }
}

#[tokio::test]
async fn a_command_knows_when_its_container_is_not_the_one_that_it_was() {
    for irreversible in ["undo: b", "irreversible: true"] {
        let (stack, agents) = (Pretend::with(&[("a", "running")]), agents());
        let context = FaultContext { id: "f", stack: &stack, agents: Some(&agents), seed: 0, strength: 1.0 };
        let change = |change: &dyn Fn(&mut crate::stack::ContainerState)| {
            change(&mut stack.containers.lock().expect("a lock")[0])
        };
        change(&|container| container.started_at = "2026-01-01T00:00:00.5Z".into());
        let fault = read(&format!("command: {{ service: db, run: a, confirm: c, {irreversible} }}")).expect("a fault");
        let undo = fault.prepare(&context).await.expect("an undo");
        let on_disk: Undo = serde_json::from_str(&serde_json::to_string(&undo).expect("JSON")).expect("an undo");
        assert_eq!(on_disk, undo);
        let ended = async || fault.ended_by(&undo, &stack).await;
        assert_eq!(ended().await, None);
        change(&|container| container.started_at = "2026-01-01T00:00:09.5Z".into());
        let told = "shop-a was restarted: that ended the fault, unless a step had cleared it before";
        assert_eq!(ended().await.as_deref(), Some(told));
        change(&|container| container.id = "b".into());
        assert!(
            ended().await.is_some_and(|told| told.starts_with("the container was recreated: that ended the fault"))
        );
        stack.containers.lock().expect("a lock").clear();
        assert!(ended().await.is_some_and(|told| told.starts_with("the container was removed")));
    }
    // Of a ledger of before nothing is known.
    let (stack, before) = (Pretend::default(), r#"{"undo":"command","service":"db","script":"b"}"#);
    let fault = read("command: { service: db, run: a, confirm: c, undo: b }").expect("a fault");
    assert_eq!(fault.ended_by(&serde_json::from_str(before).expect("an undo"), &stack).await, None);
}

#[tokio::test]
async fn a_command_asks_and_undoes_nothing_in_another_container_than_the_harmed_one() {
    for irreversible in ["undo: b", "irreversible: true"] {
        let (stack, agents) = (Pretend::with(&[("a", "running"), ("b", "running")]), agents());
        let context = FaultContext { id: "f", stack: &stack, agents: Some(&agents), seed: 0, strength: 1.0 };
        let fault = read(&format!("command: {{ service: db, run: a, confirm: c, {irreversible} }}")).expect("a fault");
        let undo = fault.prepare(&context).await.expect("an undo");
        stack.done();
        stack.set("a", "exited");
        let told = fault.confirm(&undo, &context).await.expect_err("no answer").to_string();
        assert_eq!(told, "look at `db`: the fault is in shop-a, which has exited with 137: commands do not run there");
        assert_eq!(undo.execute(&context).await.is_err(), undo.irreversible().is_none());
        assert_eq!(stack.done(), Vec::<String>::new(), "the other one was not harmed");
        stack.set("a", "running");
        assert!(matches!(fault.confirm(&undo, &context).await, Ok(Presence::Gone(_))), "started again, it is asked");
        stack.set("a", "exited");
        stack.containers.lock().expect("a lock").remove(0);
        assert!(matches!(fault.confirm(&undo, &context).await, Ok(Presence::Gone(_))), "it is there no more");
    }
    // It runs, and so does one before it, in which commands run from then on.
    let stack = Pretend::with(&[("a", "exited"), ("b", "running")]);
    let context = FaultContext { id: "f", stack: &stack, agents: None, seed: 0, strength: 1.0 };
    let fault = read("command: { service: db, run: a, confirm: c, undo: b }").expect("a fault");
    let undo = fault.prepare(&context).await.expect("an undo");
    stack.set("a", "running");
    let told = fault.confirm(&undo, &context).await.expect_err("no answer").to_string();
    assert!(told.ends_with("the fault is in shop-b, which is running: commands do not run there"), "{told}");
}
