//! `firedrill coverage` as people and CI run it: what it prints, what it requires, how it exits; and the schema of
//! `services.yaml`, which rejects nothing that the program takes.

#[path = "support/brief.rs"]
mod brief;

use firedrill::assurance::services::{self, ProjectNames};
use firedrill::source::{Diagnostics, Source, parse, render};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// A project with the stack, runbook and scenario `db-pool` of this one.
struct Project(tempfile::TempDir);

impl Project {
    fn new(services: Option<&str>) -> Project {
        let dir = tempfile::tempdir().expect("a directory");
        for file in [
            "stacks/checkout/compose.yaml",
            "runbooks/db-pool.md",
            "scenarios/db-pool.yaml",
            "stacks/checkout/ops/oncall.yaml",
            "stacks/checkout/ops/alertmanager.yml",
            "stacks/checkout/ops/prometheus.yml",
            "stacks/checkout/ops/rules/causes.yml",
            "stacks/checkout/ops/rules/slo.yml",
        ] {
            let path = dir.path().join(file);
            std::fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
            std::fs::copy(root().join(file), path).expect("a copy");
        }
        let project = Project(dir);
        if let Some(services) = services {
            project.write("services.yaml", services);
        }
        project
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.0.path().join(path);
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
        std::fs::write(path, text).expect("a file");
    }

    /// The record of a drill of `db-pool` as it would lie there: its first event, written again, and what it came to.
    fn drill(&self, run: &str, at: &str, verdict: &str, change: impl FnOnce(&mut Value)) {
        let shown = self.run(&["show", "--scenario", "db-pool", "--format", "json"]);
        let shown: Value = serde_json::from_slice(&shown.stdout).expect("JSON");
        let steps = shown["steps"].as_array().expect("steps").iter();
        let followed = |step: &&Value| step["phase"] == "mitigate";
        let steps: Vec<Value> = steps
            .filter(followed)
            .map(|step| {
                json!({ "id": step["id"], "phase": step["phase"], "title": step["title"], "manual": false,
                        "hash": step["hash"], "at": { "path": "runbooks/db-pool.md", "line": 1 }, "end_line": 2 })
            })
            .collect();
        assert!(steps.len() >= 3, "{shown}");
        let file = |path: &str| json!({ "path": path, "sha256": "0" });
        let mut plan = json!({
            "format": 1, "tool_version": "0", "run": run, "started_utc": at, "scenario": "db-pool", "title": "T",
            "severity": null, "tags": [], "scenario_file": file("scenarios/db-pool.yaml"),
            "runbook_file": file("runbooks/db-pool.md"), "stack_file": file("x"), "control": false, "seed": 1,
            "expect": "passed", "slis": [], "loads": [], "steps": steps, "detect": null, "vars": {},
            "faults": [{ "id": "postgres_lock", "kind": "postgres_lock", "summary": "x", "services": ["db"],
                         "at": { "path": "x", "line": 1 } }],
            "windows": { "steady_us": 1, "impact_within_us": 1, "impact_window_us": 1, "detect_within_us": null,
                         "recover_within_us": 1, "recover_hold_us": 1, "revert_hold_us": 1, "impact_none": false },
        });
        change(&mut plan);
        let ran = plan["steps"].as_array().expect("steps").iter().map(|step| {
            json!({ "step": step["id"], "started_us": 1, "ended_us": 2, "status": "passed", "reason": null, "at": null,
                    "commands": [{ "command": 0, "text": "x", "at": { "path": "x", "line": 1 }, "attempts": 1,
                                   "started_us": 1, "attempt_started_us": 1, "ended_us": 2, "exit": 0, "took_us": 1,
                                   "all_took_us": 1, "waited_us": 0, "timed_out": false, "output": { "head": [] }, "omitted": 0 }] })
        });
        let ran: Vec<Value> = ran.collect();
        let record = json!({ "format": 1, "plan": plan, "verdict": verdict, "reason": "", "ended": true, "steps": ran,
                    "faults": [{ "fault": "postgres_lock", "after": null,
                                 "life": [{ "what": "confirmed", "at_us": 1, "detail": "" }] }] });
        self.write(&format!(".firedrill/runs/{run}/record.json"), &record.to_string());
    }

    fn run(&self, arguments: &[&str]) -> Output {
        run_in(self.0.path(), arguments)
    }
}

fn run_in(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_firedrill"));
    command.args(arguments).current_dir(folder).env("NO_COLOR", "1").output().expect("firedrill runs")
}

fn said(output: &Output) -> String {
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    let code = output.status.code().expect("an exit code");
    if err.is_empty() { format!("exit {code}\n{out}") } else { format!("exit {code}\n{out}--- stderr\n{err}") }
}

/// A project with one scenario, which covers `memory`.
fn named(scenario: &str) -> ProjectNames {
    ProjectNames { scenarios: vec![scenario.to_string()], classes: vec!["memory".into()] }
}

const SERVICES: &str = "\
services:
  checkout:
    tier: 2
    depends_on: [db]
    owner: Team Checkout
    rto: 1m
    runbooks: [runbooks/db-pool.md]
    alerts: [{ CheckoutDown: up < 1 }]
    failure_modes: [postgres_lock, killed: { fault: container_kill }]
  db:
    tier: 1
    failure_modes: [postgres_lock]
";

#[test]
fn without_a_list_there_is_one_to_start_from() {
    let project = Project::new(None);
    insta::assert_snapshot!(said(&project.run(&["coverage"])));
    let mut diags = Diagnostics::default();
    let path = project.0.path().join("services.yaml");
    let read = services::read(&Source::new(path, services::EXAMPLE), None, &mut diags);
    assert!(read.is_some(), "{}", render(&diags, false));
}

#[test]
fn each_component_of_a_journey_is_a_row() {
    let project = Project::new(Some(&format!("journeys: [journeys.yaml]\n{SERVICES}")));
    let journey = |components: &str| {
        let text =
            format!("journeys: [ {{ name: ordering, slo: {{ availability: 99% }}, components: [{components}] }} ]\n");
        project.write("journeys.yaml", &text);
        said(&project.run(&["coverage"]))
    };
    let both = journey("checkout, db");
    assert!(both.contains("journey ordering 0% 0 of 4 (checkout, db)"), "{both}");
    let unknown = journey("checkout, cdn");
    assert!(unknown.contains("the journey `ordering` takes `cdn`, which is no service here"), "{unknown}");
    project.write("journeys.yaml", "slos: []\n");
    let none = said(&project.run(&["coverage"]));
    assert!(none.contains("cannot be read as a file of journeys"), "{none}");
}

#[test]
fn every_mistake_is_told_at_once() {
    let project = Project::new(Some(
        "services:
  checkout:
    tier: 0
    rto: 15
    slos: { availability: { objective: 99.9, windw: 30d } }
    runbooks: [runbooks/none.md]
    alerts: [CheckoutDown, { A: up < 1, B: up < 1 }, { C: \"up <\" }]
    failure_modes: [container_kil, { x: {} }, { y: { fault: http_status, scenarios: [z] } }, [1]]
    depends_on: [dbs]
    ownr: me
  db: { aliases: [checkout], tier: 1, failure_modes: [postgres_lock, postgres_lock, { q: { scenarios: [db-pol] } }] }
  a b: { tier: 1, failure_modes: [] }
",
    ));
    insta::assert_snapshot!(brief::brief(&said(&project.run(&["coverage"]))));
    // The kinds of faults stand in the help, so that what is new there does not change the snapshot.
    project.write("services.yaml", "services: { checkout: { tier: 1, failure_modes: [release] } }\n");
    let told = said(&project.run(&["coverage"]));
    assert!(told.contains("a name of your own says what drills it: `release: { scenarios: [NAME] }`"), "{told}");
    project.write("services.yaml", "services: { checkout: { tier: 1, failure_modes: [disk_full] } }\n");
    let told = said(&project.run(&["coverage"]));
    assert!(told.contains("it is a preset that covers `disk`: name that"), "{told}");
}

#[test]
fn what_was_never_drilled_is_missing() {
    let project = Project::new(Some(SERVICES));
    insta::assert_snapshot!(said(&project.run(&["coverage", "--at-least", "95%"])));
    assert_eq!(project.run(&["coverage"]).status.code(), Some(0), "nothing is required");
    assert_eq!(project.run(&["coverage", "nowhere"]).status.code(), Some(2));
    assert_eq!(project.run(&["coverage", "--at-least", "95"]).status.code(), Some(2));
}

#[test]
fn what_passed_is_covered() {
    let project = Project::new(Some(SERVICES));
    let now = time::OffsetDateTime::now_utc().format(&time::format_description::well_known::Rfc3339).expect("a time");
    project.drill("20260102T000000Z-db-pool-0002", &now, "passed", |_| {});
    project.drill("20260101T000000Z-db-pool-0001", "2020-01-01T00:00:00Z", "step_failed", |_| {});
    let output = project.run(&["coverage", "--at-least", "50%"]);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    let output = project.run(&["coverage", "--json", "--at-least", "51%"]);
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    let json: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!((&json["covered"], &json["required"]), (&json!(2), &json!(4)));
    assert_eq!(json["services"][0]["service"], "db", "the most critical tier first");
    let proof = &json["services"][1]["cells"][0]["scenarios"][0];
    assert_eq!((&proof["state"], &proof["last_pass"]["days_ago"]), (&json!("passed"), &json!(0)));
    assert!(String::from_utf8_lossy(&output.stderr).contains("tier 2  checkout / killed: no scenario drills it"));
    let output = project.run(&["coverage"]);
    assert!(said(&output).contains("checkout / killed: never drilled, due every 184d"), "{}", said(&output));
    // Too long ago for a service that asks for less than a moment.
    project.write("services.yaml", &SERVICES.replace("tier: ", "drill_every: 0s\n    tier: "));
    let output = project.run(&["coverage", "--at-least", "1%"]);
    assert!(said(&output).contains("stale: db-pool"), "{}", said(&output));
    assert!(said(&output).contains("db / postgres_lock: last drilled 0 days ago, due every 0s"), "{}", said(&output));
    project.write("services.yaml", SERVICES);
    let output = project.run(&["coverage", "--markdown"]);
    assert!(said(&output).contains("| db | ✓ passed |"), "{}", said(&output));
}

#[test]
fn a_control_and_another_fault_are_no_drill() {
    let project = Project::new(Some(SERVICES));
    project.drill("20260101T000000Z-db-pool-0001", "2026-01-01T00:00:00Z", "passed", |plan| {
        plan["control"] = json!(true);
    });
    project.drill("20260101T000000Z-db-pool-0002", "2026-01-01T00:00:00Z", "passed", |plan| {
        plan["faults"][0]["kind"] = json!("container_kill");
    });
    let output = project.run(&["coverage", "--json"]);
    let json: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(json["covered"], 0, "{json:#}");
}

#[test]
fn lint_holds_steps_to_their_drills() {
    let project = Project::new(None);
    assert_eq!(said(&project.run(&["lint"])), "exit 0\n1 file: nothing found\n");
    let never = said(&project.run(&["lint", "--history"]));
    assert_eq!(never.matches("RB403").count(), 3, "{never}");
    project.drill("20260101T000000Z-db-pool-0001", "2026-01-01T00:00:00Z", "passed", |plan| {
        plan["steps"][1]["hash"] = json!("another text");
        plan["steps"][2]["replaced"] = json!({ "by": { "path": "x", "line": 1 }, "commands": [] });
    });
    insta::assert_snapshot!(said(&project.run(&["lint", "--history", "--strict"])));
    let elsewhere = project.0.path().join(".firedrill/runs");
    let named = format!("--history={}", elsewhere.display());
    assert_eq!(said(&project.run(&["lint", &named])), said(&project.run(&["lint", "--history"])));
    assert_eq!(said(&project.run(&["lint"])), "exit 0\n1 file: nothing found\n", "only where it is asked for");
    assert_eq!(project.run(&["lint", "--history=nowhere"]).status.code(), Some(2));
    // A scenario that leaves the mitigation out exercises none of it.
    let path = project.0.path().join("scenarios/db-pool.yaml");
    let text = std::fs::read_to_string(&path).expect("a scenario");
    std::fs::write(&path, text.replace("phases: [diagnose, mitigate, verify]", "phases: [diagnose]"))
        .expect("a scenario");
    let left_out = said(&project.run(&["lint"]));
    assert_eq!(left_out.matches("no scenario has ever exercised this mitigation step").count(), 3, "{left_out}");
}

/// The demo's own list is sound, and everything in it can be drilled.
#[test]
fn our_own_services_are_listed() {
    let dir = tempfile::tempdir().expect("a directory");
    let nothing = dir.path().to_string_lossy().into_owned();
    let output = run_in(&root(), &["coverage", &nothing, "--json"]);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    let json: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let services = json["services"].as_array().expect("services").iter();
    let states = services.flat_map(|service| service["cells"].as_array().expect("cells")).map(|cell| &cell["state"]);
    let states: Vec<&Value> = states.collect();
    assert!(states.len() >= 5 && states.iter().all(|state| **state == "not_run"), "{states:?}");
}

/// The example of the documentation is read, with the scenarios that it names.
#[test]
fn the_example_of_the_documentation_loads() {
    let page = std::fs::read_to_string(root().join("docs/coverage.md")).expect("the page");
    let example = page.split("```yaml\n").nth(1).and_then(|rest| rest.split("```").next()).expect("an example");
    let project = Project::new(None);
    let source = Source::new(project.0.path().join("services.yaml"), example);
    let mut diags = Diagnostics::default();
    let read = services::read(&source, Some(&named("upstream-503")), &mut diags);
    assert!(read.is_some(), "{}", render(&diags, false));
}

fn whole() -> Value {
    json!({ "services": {
        "checkout": {
            "tier": 1, "owner": "x", "description": "x", "aliases": ["shop"], "rto": "15m", "rpo": "0s",
            "drill_every": "30d", "stacks": ["x.md"],
            "slos": { "availability": { "objective": "99%", "window": "30d" },
                      "latency": { "objective": "99%", "below": "200ms", "window": "30d" } },
            "runbooks": ["x.md"], "alerts": [{ "Up": "up < 1" }, { "Down": "up{a=\"b\"} < 1" }],
            "failure_modes": ["container_kill", "memory", { "locked": { "fault": "postgres_lock", "service": "db" } },
                              { "release": { "scenarios": ["x"] } }],
            "depends_on": ["db"],
        },
        "db": { "tier": 9, "failure_modes": ["postgres_lock"] },
    } })
}

/// Every place of a value, as a JSON pointer.
fn places(value: &Value, at: &str, found: &mut Vec<String>) {
    let mut below = |key: String, value: &Value| {
        let at = format!("{at}/{key}");
        found.push(at.clone());
        places(value, &at, found);
    };
    match value {
        Value::Object(map) => map.iter().for_each(|(key, value)| below(key.clone(), value)),
        Value::Array(items) => items.iter().enumerate().for_each(|(at, value)| below(at.to_string(), value)),
        _ => {}
    }
}

#[test]
fn the_schema_rejects_nothing_that_the_program_takes() {
    let dir = tempfile::tempdir().expect("a directory");
    std::fs::write(dir.path().join("x.md"), "# X\n").expect("a runbook");
    let takes = |value: &Value| {
        let source = Source::new(dir.path().join("services.yaml"), value.to_string());
        let mut diags = Diagnostics::default();
        let read = services::read(&source, Some(&named("x")), &mut diags).is_some();
        assert_eq!(read, !diags.has_errors(), "a mistake that nobody tells");
        read
    };
    let validator = jsonschema::draft202012::new(&services::schema().0).expect("a schema");
    let whole = whole();
    assert!(takes(&whole) && validator.is_valid(&whole));
    let pool = json!([
        null, true, 0, 1, 9, 10, -1, 1.5, "", " ", "x", "1", "5s", " 15 m ", "90d", "2w", "1.5h", "11y", "99%", "100 %", "101%",
        "up < 1", "a:b{c=\"}\"} >= -1e3", "up", "container_kill", "http_status", "x.md", "./x.md", "none.md", "checkout", "db",
        [], ["x"], ["x.md"], ["container_kill"], [{ "Up": "up < 1" }], [1], [[]], {}, { "x": 1 }, { "a b": "up < 1" },
        { "tier": 1, "failure_modes": ["container_pause"] }, { "fault": "http_status" }, { "scenarios": ["x"] },
        { "objective": "99.9%", "window": "1w" }, { "own": { "fault": "container_pause" } }, { "Down": "up < 1" },
    ]);
    let mut all = Vec::new();
    places(&whole, "", &mut all);
    let (mut taken, mut tried) = (0, 0);
    for place in &all {
        for value in pool.as_array().expect("a list") {
            let mut changed = whole.clone();
            *changed.pointer_mut(place).expect("a place") = value.clone();
            tried += 1;
            if takes(&changed) {
                taken += 1;
                assert!(validator.is_valid(&changed), "{place} {value}: the program takes it");
            }
        }
        let mut more = whole.clone();
        if let Some(Value::Object(map)) = more.pointer_mut(place) {
            map.insert("qqq".into(), json!("1"));
            assert!(!takes(&more) && !validator.is_valid(&more), "{place}: an unknown key");
        }
    }
    assert!(taken > 60 && taken < tried / 2, "{taken} of {tried} were taken");
}

proptest::proptest! {
    #![proptest_config(proptest::test_runner::Config::with_cases(256))]

    /// Whatever stands in the file: it is read or its mistakes are told, each within the file.
    #[test]
    fn no_text_is_too_much_for_the_reader(
        text in "services:\n(  (a|b|ü|a b):( |\n    )(tier: [0-9]{1,3}|failure_modes: \\[(container_kill|x: \\{(fault|scenarios|service): [a\\[]{0,2}\\})?\\]|\
                 alerts: (up < 1|\\[\\{a: b\\}\\]|&x|\\*x)|slos: \\{(a: \\{objective: [0-9]%?\\})?\\}|rto: [0-9]{0,3}[smhdw]?|depends_on: \\[[ab]?\\])\n){0,6}|\\PC{0,40}"
    ) {
        let source = Source::new("services.yaml", text.as_str());
        let mut diags = Diagnostics::default();
        let read = services::read(&source, None, &mut diags);
        proptest::prop_assert_eq!(read.is_none(), diags.has_errors());
        for mistake in &diags.all {
            proptest::prop_assert!(mistake.span.start <= mistake.span.end && mistake.span.end <= text.len());
        }
    }
}

/// JSON is YAML: what the schema is asked about is what the program reads.
#[test]
fn the_list_of_the_repository_fits_the_schema() {
    let source = Source::read(&root().join("services.yaml")).expect("the list");
    let value = parse(&source, &mut Diagnostics::default()).expect("YAML").to_json();
    let validator = jsonschema::draft202012::new(&services::schema().0).expect("a schema");
    assert!(validator.is_valid(&value), "{value:#}");
}

#[test]
fn every_scenario_of_this_project_covers_something() {
    let empty = tempfile::tempdir().expect("a directory");
    let output = run_in(&root(), &["coverage", "--json", &empty.path().display().to_string()]);
    let matrix: Value =
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {}", said(&output)));
    let list = |value: &Value, key: &str| value[key].as_array().expect("a list").clone();
    let services = list(&matrix, "services");
    let cells: Vec<Value> = services.iter().flat_map(|service| list(service, "cells")).collect();
    let covering =
        |cell: &Value| list(cell, "scenarios").iter().map(|own| own["scenario"].to_string()).collect::<Vec<_>>();
    let covered: Vec<String> = cells.iter().flat_map(covering).collect();
    let scenarios = std::fs::read_dir(root().join("scenarios")).expect("a folder");
    let paths = scenarios.map(|entry| entry.expect("an entry").path());
    let names: Vec<String> = paths
        .filter(|path| path.extension().is_some_and(|end| end == "yaml"))
        // What exists to fail drills nothing.
        .filter(|path| !std::fs::read_to_string(path).expect("a scenario").contains("\nexpect: "))
        .map(|path| path.file_stem().expect("a name").to_string_lossy().into_owned())
        .collect();
    assert!(names.len() >= 7, "{names:?}");
    for name in names {
        assert!(covered.contains(&format!("{name:?}")), "{name} covers no failure mode of services.yaml");
    }
    for cell in &cells {
        assert!(!covering(cell).is_empty(), "nothing drills {}", cell["mode"]);
    }
    for kind in ["runbooks", "alerts"] {
        for watched in services.iter().flat_map(|service| list(service, kind)) {
            assert_ne!(watched["scenarios"], json!([]), "no scenario has {}", watched["name"]);
        }
    }
}
