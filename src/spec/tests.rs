//! Scenarios that are fit to run, what becomes of them, and what random changes to them come to.

use super::*;
use crate::record::Secret;
use crate::runbook::{Runbook, RunbookPhase};
use crate::source::{At, Diagnostics, Severity, Source, Span, parse, render};
use proptest::prelude::*;
use std::path::{Path, PathBuf};
use std::time::Duration;

const EVERYTHING: &str = r#"
title: Everything that can be said
severity: SEV2
tags: [a, b]
description: For the tests.
owner: us
stack:
  file: ../stack/compose.yaml
  profiles: [debug]
  env_files: [../stack/.env]
  isolate: true
  up_within: 3m
  toolbox: example/toolbox:1
load:
  write:
    request: PUT http://shop:8080/orders/{{counter}}?id={{id}}
    rate: 1200/m
    timeout: 500ms
    headers: { X-Id: "{{id}}", Count: 5 }
    body: { n: 1, text: "1", list: [true, null, 1.5, 0x1f, "{{id}}"] }
    connections: 7
  read: { request: GET http://shop/, rate: 2.5/s }
slis:
  ok: { load: write, good: status < 400 and latency <= 500ms, objective: 99% }
  fast: { load: read, good: latency < 100ms, objective: 90% }
steady: { for: 10s, within: 1m }
faults:
  - container_kill: { service: shop }
  - container_pause: { service: db }
  - container_kill: { service: db }
impact: { breaches: [ok], below: 50%, within: 5s, window: 500ms }
detect: { metrics: http://shop:9100/metrics, when: 'up{job="shop"} == 0', within: 4s }
recover: { within: 20s, hold: 6s }
revert: { hold: 300ms }
expect: { verdict: not_recovered }
"#;

/// The scenario in a project of its own, so that the files it names are there.
fn project(scenario: &str) -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().expect("a directory");
    for (path, text) in [
        (
            "stack/compose.yaml",
            "services:\n  shop:\n    image: x\n    environment: [URL=http://x, A=b]\n  db:\n    ports: []\n",
        ),
        ("stack/.env", "A=b\n"),
        ("scenarios/all.yaml", scenario),
    ] {
        let path = dir.path().join(path);
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
        std::fs::write(path, text).expect("a file");
    }
    let path = dir.path().join("scenarios/all.yaml");
    (dir, path)
}

fn plan_of(scenario: &str) -> Plan {
    let (_dir, path) = project(scenario);
    let (plan, diags) = load(&path, &Overrides::default());
    assert!(diags.all.is_empty(), "{}", render(&diags, false));
    plan.expect("a plan")
}

#[test]
fn a_stack_may_be_several_compose_files() {
    let (dir, path) = project(
        &EVERYTHING.replace("file: ../stack/compose.yaml", "file: [../stack/compose.yaml, ../stack/prod.yaml]"),
    );
    let told = || {
        let (plan, diags) = load(&path, &Overrides::default());
        (plan.map(|plan| plan.stack.merged), render(&diags, false))
    };
    assert!(told().1.contains("stack/prod.yaml"), "it is not there: {}", told().1);
    std::fs::write(dir.path().join("stack/prod.yaml"), "services: {}").expect("a file");
    let (merged, said) = told();
    assert_eq!(merged.map(|files| files.len()), Some(1), "{said}");
    std::fs::write(&path, EVERYTHING.replace("file: ../stack/compose.yaml", "file: []")).expect("a file");
    assert!(told().1.contains("no Compose file is named"), "{}", told().1);
}

#[test]
fn everything_that_can_be_said_is_read() {
    let plan = plan_of(EVERYTHING);
    assert_eq!((plan.name.as_str(), plan.severity.as_deref(), plan.tags.len()), ("all", Some("SEV2"), 2));
    let stack = &plan.stack;
    assert!(stack.isolate && stack.file.ends_with("stack/compose.yaml"));
    assert!(stack.env_files[0].ends_with("stack/.env") && !stack.env_files[0].to_string_lossy().contains(".."));
    assert_eq!((stack.profiles[0].as_str(), stack.up_within.as_secs()), ("debug", 180));
    assert_eq!(stack.toolbox_image.as_deref(), Some("example/toolbox:1"));
    let ids: Vec<(&str, usize)> = plan.faults.iter().map(|fault| (fault.id.as_str(), fault.line)).collect();
    assert_eq!(ids, [("container_kill", 28), ("container_pause", 29), ("container_kill-2", 30)]);
    let times = (plan.steady_for, plan.steady_within, plan.recover_within, plan.recover_hold, plan.revert_hold);
    let mut read: Vec<String> = plan.loads.iter().map(|load| format!("{load:?}")).collect();
    read.extend(plan.slis.iter().map(|sli| format!("{sli:?}")));
    read.push(format!("{:?}\n{:?}\n{:?}\n{times:?}\n{:?}", plan.impact, plan.detect, plan.respond, plan.expect));
    insta::assert_snapshot!(read.join("\n"));
}

#[test]
fn a_fault_that_comes_back_must_do_so_while_the_recovery_is_watched() {
    let scenario = |returns: &str, hold: &str| {
        let text = EVERYTHING
            .replace("recover: { within: 20s, hold: 6s }", &format!("recover: {{ within: 20s, hold: {hold} }}"));
        let locks = format!("\nfaults:\n  - postgres_lock: {{ service: db, table: t, returns: {returns} }}");
        text.replace("\nfaults:", &locks)
    };
    let first_error = |scenario: &str| {
        let (_dir, path) = project(scenario);
        let (plan, diags) = load(&path, &Overrides::default());
        assert_eq!(plan.is_none(), diags.has_errors());
        diags
            .all
            .iter()
            .find(|found| found.message.contains("to come back"))
            .map(|found| (found.message.clone(), found.help.clone()))
    };
    // `impact.window` is 500 ms: so long it must be felt.
    assert_eq!(first_error(&scenario("5500ms", "6s")), None);
    let (message, help) = first_error(&scenario("5600ms", "6s")).expect("an error");
    assert_eq!(message, "`recover.hold` is 6s: `postgres_lock` may take 5.6s to come back");
    assert_eq!(help.as_deref(), Some("at least 6.1s: its return, and one `impact.window` to be felt"));
    let needless = scenario("5600ms", "6s").replace(", returns: 5600ms", "");
    assert_eq!(first_error(&needless), None);
    // Noise may hurt after all, and goes away by itself only where it comes and goes.
    let noise =
        |more: &str| scenario("5600ms", "6s").replace(", returns: 5600ms }", &format!("{more}\n    noise: true"));
    let (comes, _) = first_error(&noise(" }\n    lasts: 1s\n    every: 5600ms")).expect("an error");
    assert_eq!(comes, message);
    assert_eq!(first_error(&noise(", returns: 5600ms }")), None);
}

#[test]
fn when_a_fault_begins_hangs_on_the_plan_and_the_seed_alone() {
    let kill = "faults:\n  - container_kill: { service: shop }\n";
    let timed = "faults:\n  - container_kill: { service: shop }\n    lasts: 1s\n    every: 4s\n    jitter: 1s\n";
    let twice = format!("{timed}{}", timed.strip_prefix("faults:\n").expect("a list"));
    let plan = |faults: &str| plan_of(&EVERYTHING.replace(kill, faults));
    let begins =
        |faults: &str, fault: usize, seed| plan(faults).faults[fault].begins(seed).take(50).collect::<Vec<_>>();
    assert_eq!(begins(&twice, 0, 7), begins(&twice, 0, 7));
    assert_ne!(begins(&twice, 0, 7), begins(&twice, 0, 8));
    assert_ne!(begins(&twice, 0, 7), begins(&twice, 1, 7), "two faults draw differently");
    let later: Vec<f64> =
        begins(&twice, 0, 7).iter().zip(0..).map(|(begin, n)| begin.as_secs_f64() - 4.0 * f64::from(n)).collect();
    assert!(later.iter().all(|later| (0.0..1.0).contains(later)), "{later:?}");
    assert!(later.iter().any(|later| *later < 0.3) && later.iter().any(|later| *later > 0.7), "{later:?}");
    assert_eq!(plan(timed).faults[0].period(), Some(Duration::from_secs(5)));
    assert_eq!(begins(kill, 0, 7), [Duration::ZERO]);
    assert_eq!(plan(kill).faults[0].steps().collect::<Vec<_>>(), [(Duration::ZERO, 1.0)]);
    let grows = |ramp: &str| {
        let slow = format!("faults:\n  - tcp_latency: {{ service: db, latency: 1s }}\n    ramp: {ramp}\n");
        plan(&slow).faults[0].steps().collect::<Vec<_>>()
    };
    let steps = grows("1s");
    assert_eq!((steps.len(), steps[0], steps[10]), (11, (Duration::ZERO, 1.0 / 11.0), (Duration::from_secs(1), 1.0)));
    assert!(steps.is_sorted_by(|a, b| a.0 < b.0 && a.1 < b.1), "{steps:?}");
    assert_eq!(grows("5s").len(), 11);
}

/// Every mistake of a scenario, a line each, with its help.
fn mistakes(scenario: &str) -> String {
    let (_dir, path) = project(scenario);
    let (plan, diags) = load(&path, &Overrides::default());
    assert_eq!(plan.is_none(), diags.has_errors());
    let line = |told: &crate::source::Diagnostic| {
        format!("{}: {} ({})", told.source.pos(told.span.start).line, told.message, told.help.as_deref().unwrap_or(""))
    };
    diags.all.iter().map(line).collect::<Vec<_>>().join("\n")
}

#[test]
fn when_a_fault_acts_stands_beside_its_kind() {
    let faults = |faults: &str| {
        let (before, after) = EVERYTHING.split_once("faults:\n").expect("faults");
        let (_, after) = after.split_once("impact:").expect("what follows");
        format!("{before}faults:\n{faults}impact:{after}")
    };
    let plan = plan_of(&faults(
        "  - container_pause: { service: db }\n    noise: true\n  - lasts: 3s\n    container_kill: { service: db }\n    after: 500ms\n",
    ));
    let mut said: Vec<String> =
        plan.faults.iter().map(|planned| format!("{}: {}", planned.id, planned.summary())).collect();
    let cleared = EVERYTHING.replace("hold: 6s }", "hold: 6s, cleared: true }");
    let cleared = cleared.replace("kill: { service: shop }", "kill: { service: shop }\n    lasts: 1s");
    let wrong = [
        faults("  - container_pause: { service: db }\n    after: 2s\n    noise: true\n"),
        faults(
            "  - lasts: 3s\n  - container_pause: { service: db }\n    container_kill: { service: db }\n    lasts: 2h\n",
        ),
        faults(
            "  - container_kill: { service: db, returns: 1s }\n    lasts: 3s\n  - container_pause: { service: db }\n    lsts: 1s\n",
        ),
        faults("  - command: { service: db, run: a, confirm: b, irreversible: true }\n    lasts: 3s\n"),
        faults("  - container_pause: { service: db }\n    lasts: 0s\n"),
        cleared.replace("service: db }\n", "service: db }\n    lasts: 1s\n"),
        faults("  - container_pause: { service: db }\n    every: 5s\n    jitter: 2s\n    noise: 1\n"),
        faults("  - container_pause: { service: db }\n    every: 5s\n    lasts: 4s\n    jitter: 1s\n"),
        faults("  - container_pause: { service: db }\n    every: 5s\n    lasts: 1s\n    jitter: 600ms\n"),
        cleared.replace("lasts: 1s\n", "lasts: 1s\n    every: 2s\n"),
        faults(
            "  - container_pause: { service: db }\n    ramp: 1s\n  - tcp_latency: { service: db, latency: 1s }\n    ramp: 5s\n    lasts: 4s\n",
        ),
        faults("  - tcp_latency: { service: db, latency: 1s }\n    ramp: 6s\n"),
        faults("  - toxic: { service: db, type: bandwidth, attributes: { rate: 0 } }\n    ramp: 1s\n"),
    ];
    said.extend(wrong.iter().map(|scenario| mistakes(scenario)));
    insta::assert_snapshot!(said.join("\n\n"));
}

#[test]
fn what_ends_a_drill_is_of_one_kind() {
    let stops = |stops: &str| format!("{EVERYTHING}{stops}\n");
    let plan = plan_of(&stops(
        "max_duration: 10m\nstop_when:\n  - { sli: ok, below: 10%, for: 1s }\n  - { file: ./STOP }\n  - { http: 'http://shop:8080/stop?token=abcdefgh', status: 500 }\n  - { service: db, run: used, value: '> 95' }\n  - { service: db, run: test -e /stop }",
    ));
    assert_eq!(plan.max_duration, Some(Duration::from_secs(600)));
    let said: Vec<String> = plan.stop_when.iter().map(|stop| format!("{}: {}", stop.line, stop.what)).collect();
    let said = said.join("\n").replace(&*plan.source.path.parent().expect("a folder").to_string_lossy(), "FOLDER");
    assert!(plan.secrets().contains(&Secret::from("abcdefgh".to_string())), "a token of a URL");
    let mistakes = mistakes(&stops(
        "max_duration: 8s\nstop_when:\n  - { sli: no, below: 10% }\n  - { sli: fast, below: 10%, for: 1s }\n  - { sli: ok }\n  - { file: a, http: 'http://shop/' }\n  - { http: 'http://shop/', status: 5000 }\n  - { service: db, run: '! a', below: 5%, output: a, value: '> 1' }\n  - {}",
    ));
    insta::assert_snapshot!(format!("{said}\n\n{mistakes}"));
    let never = self::mistakes(&stops("stop_when:\n  - { sli: ok, below: 0%, for: 1s }"));
    assert_eq!(never, "37: nothing can fall below 0% ()");
}

#[test]
fn what_an_invariant_expects_is_said_once() {
    let with = |keys: &str| mistakes(&format!("{EVERYTHING}invariants: {{ i: {{ service: db, run: a{keys} }} }}\n"));
    assert_eq!(with(", increases: true"), "");
    assert_eq!(with(", as_before: true"), "");
    assert!(with("").contains("nothing says what is expected of it"), "{}", with(""));
    let both = with(", as_before: true, increases: true");
    assert!(both.contains("two keys say what it must write"), "{both}");
    let least = with(", value: '>= 0'");
    assert!(least.contains("this probe proves nothing: no count is below 0"), "{least}");
    assert_eq!(with(", value: '> 0'"), "");
    let same = mistakes(&format!("{EVERYTHING}invariants: {{ i: {{ service: db, run: echo 5, output: '5' }} }}\n"));
    assert!(same.contains("its command says the same whatever there is"), "{same}");
    let no = with(", increases: false");
    assert!(no.contains("`increases: false` says nothing"), "{no}");
}

#[test]
fn a_stack_of_manifests_has_nothing_of_compose() {
    let stack = "stack:\n  file: ../stack/compose.yaml\n";
    let scenario = EVERYTHING
        .replace(stack, "stack:\n  kubernetes: { manifests: ../stack/compose.yaml, namespace: shop }\n")
        .replace("  isolate: true\n", "  directory: /srv/shop\n");
    let told = mistakes(&scenario);
    for key in ["directory", "profiles", "env_files"] {
        assert!(told.contains(&format!(": `{key}` ")) && told.contains("is for a Compose file"), "{key}: {told}");
    }
}

#[test]
fn every_mistake_about_pages_and_faults_is_told_at_once() {
    let detect = |detect: &str| {
        let (before, after) = EVERYTHING.split_once("detect:").expect("detect");
        let (_, after) = after.split_once('\n').expect("what follows");
        mistakes(&format!("{before}detect: {detect}\n{after}"))
    };
    let told = detect("{ quiet: [] }");
    assert!(told.contains("`quiet` is empty: name an alert, or leave it out"), "{told}");
    let told = detect("{ max_pages: 0, within: 5s }");
    assert!(told.contains("nothing must come: `within` says nothing"), "{told}");
    let told = detect("{ max_pages: 0 }");
    assert!(told.contains("32: nothing says where its rule is"), "{told}");
    let told = detect("{ receiver: a, source: b, before_impact: true }");
    for key in ["receiver", "source", "before_impact"] {
        assert!(told.contains(&format!("`{key}` is about a page")), "{key}: {told}");
    }
    let impact = EVERYTHING.replace("{ breaches: [ok], below: 50%,", "{ none: true, breaches: [ok], below: 50%,");
    let told = mistakes(&impact);
    for key in ["breaches", "below", "window"] {
        assert!(told.contains(&format!("and `{key}` how it is")), "{key}: {told}");
    }
    let kills = "  - container_kill: { service: shop }\n  - container_pause: { service: db }\n";
    let grow = "  - tcp_latency: { service: db, latency: 1s }\n    ramp: 6s\n";
    let told = mistakes(&EVERYTHING.replace(kills, &grow.repeat(2)));
    assert!(told.contains("of `tcp_latency` would") && told.contains("of `tcp_latency-2` would"), "{told}");
    let told = mistakes(&EVERYTHING.replace(kills, &"  - container_kill: { service: shop }\n".repeat(101)));
    assert!(told.contains("a scenario has at most 100 faults"), "{told}");
    // What is wrong elsewhere does not hide that nothing of the runbook can be run.
    let (dir, path) = project(&format!("{}runbook: ../r.md\n", EVERYTHING.replace("rate: 2.5/s", "rate: fast")));
    std::fs::write(dir.path().join("r.md"), "# R\n\n## Mitigation\n\n1. Press the button.\n").expect("a file");
    let told = render(&load(&path, &Overrides::default()).1, false);
    assert!(told.contains("`fast` is not a rate") && told.contains("has no step that can be run"), "{told}");
}

#[test]
fn what_is_left_out_has_the_documented_default() {
    let least = "\
title: Least
stack: ../stack/compose.yaml
load: { a: { request: GET http://shop/, rate: 50/s } }
slis: { ok: { load: a, good: status < 500, objective: 99% } }
faults: [container_kill: { service: db }]
recover: { within: 20s }
";
    let plan = plan_of(least);
    assert_eq!(plan.loads[0].connections, 100, "rate × timeout");
    assert_eq!(plan.loads[0].timeout, Duration::from_secs(2));
    assert_eq!((plan.steady_for.as_secs(), plan.steady_within.as_secs()), (5, 30));
    assert_eq!((plan.recover_hold.as_secs(), plan.revert_hold.as_secs()), (5, 2));
    assert_eq!(plan.impact.breaches, ["ok"]);
    assert_eq!((plan.impact.below.to_string().as_str(), plan.impact.window.as_secs()), ("90%", 1));
    assert_eq!(plan.stack.up_within.as_secs(), 120);
    assert_eq!(plan.expect, crate::record::Verdict::Passed);
    assert_eq!(plan.respond.phases, [RunbookPhase::Diagnose, RunbookPhase::Mitigate, RunbookPhase::Verify]);
    assert!(plan.runbook.is_none() && plan.detect == Default::default() && plan.respond.service.is_none());
    let turned = least.replace("recover: { within: 20s }", "impact: none");
    let within = plan_of(&turned).impact.within;
    assert!(plan_of(&turned).impact.none, "nothing has to recover then");
    let kill = "faults: [container_kill: { service: db }]";
    let lasting = |time: Duration| {
        turned.replace(
            kill,
            &format!("faults:\n  - container_kill: {{ service: db }}\n    lasts: {}ms", time.as_millis()),
        )
    };
    assert_eq!(mistakes(&lasting(within)), "");
    let short = mistakes(&lasting(within - Duration::from_millis(1)));
    assert!(short.contains("would be judged without the fault"), "{short}");
    let process = |more: &str| {
        let process = format!("faults: [process: {{ name: flood, service: shop, run: a, returns: 1s{more} }}]");
        mistakes(&turned.replace(kill, &process))
    };
    let unproven = process("");
    assert!(unproven.starts_with("6: `process` is started again"), "{unproven}");
    assert!(unproven.contains("give it `confirm`"), "{unproven}");
    assert_eq!(process(", confirm: { service: shop, run: b }"), "");
    let mut calm = plan_of(&lasting(within));
    calm.calm(5.0);
    assert_eq!(calm.impact.within, within, "no longer than the fault");
    let mut calm = plan_of(&turned);
    calm.calm(5.0);
    assert_eq!(calm.impact.within, within * 10);
    let rare = turned.replace(
        "good: status < 500, objective: 99%",
        "good: status < 500, objective: 99% }\n  rare: { query: { service: db, sql: SELECT true, every: 10s }, objective: 50%",
    );
    let rare = rare.replace("slis: { ok", "slis:\n  ok").replace("objective: 50% } }", "objective: 50% }");
    let rarely = format!("{}steady: {{ for: 20s, within: 1m }}\n", rare.replace("none", "{ none: true, within: 20s }"));
    assert_eq!(plan_of(&rarely).revert_hold.as_secs(), 50, "five events");
    let counted = rare.replace("query: { service: db, sql: SELECT true, every: 10s }", COUNTED);
    let told = mistakes(&counted.replace("none", "{ none: true, within: 5s }"));
    for key in ["steady.for", "impact.within"] {
        assert!(told.contains(&format!("`{key}` is ")) && told.contains("is told every 10s"), "{key}: {told}");
    }
    let counted = format!("{}steady: {{ for: 20s }}\n", counted.replace("none", "{ none: true, within: 20s }"));
    assert!(plan_of(&counted).revert_hold.as_secs() >= 20, "a telling of after the undo lies within it");
    let lasting = |lasts: &str| {
        let faults = format!("faults:\n  - container_kill: {{ service: db }}\n    lasts: {lasts}");
        mistakes(&counted.replace(kill, &faults))
    };
    assert!(lasting("29s").contains("would be judged without the fault"), "{}", lasting("29s"));
    assert_eq!(lasting("30s"), "");
    let faults = "faults:\n  - container_kill: { service: db }\n    lasts: 30s";
    let mut calm = plan_of(&counted.replace(kill, faults));
    calm.calm(5.0);
    assert_eq!(calm.impact.within.as_secs(), 20, "what is told is of 10 s before, and the fault is there for 30 s");
    let of_hours = counted.replace("rate: 50/s", "rate: 0.001/s");
    let told = mistakes(&of_hours);
    assert!(told.contains("users would have to be served for 100000s after the revert"), "{told}");
    let feed = "freshness: { query: { service: db, sql: SELECT max(at) FROM orders }, within: 30s }";
    let old = rare.replace("query: { service: db, sql: SELECT true, every: 10s }", feed);
    let told = mistakes(&old.replace("none", "{ none: true, within: 20s }"));
    assert!(told.contains("`impact.within` is 20s, and `rare` stays good for 30s after the last new one"), "{told}");
}

const COUNTED: &str =
    "promql: { url: http://shop:9090, good: 'rate(a[{{window}}])', total: 'rate(b[{{window}}])', rate: 50/s }";

#[test]
fn a_variable_of_a_release_that_no_file_of_the_stack_names_is_warned_of() {
    let release = "faults:\n  - deploy: { service: shop, variables: { SHOP_VERSION: 2, SHOP_VERSOIN: 2 } }\n";
    let kill = "faults:\n  - container_kill: { service: shop }\n";
    let plan = plan_of(&EVERYTHING.replace(kill, release));
    assert_eq!(plan.stack.releases.len(), 1, "it is made ready with the stack");
    let mut diags = Diagnostics::default();
    check_variables(&plan, &["SHOP_VERSION".to_string(), "TAG".to_string()].into(), &mut diags);
    let [warning] = diags.all.as_slice() else { panic!("{diags:?}") };
    assert!(!diags.has_errors() && warning.message.contains("`SHOP_VERSOIN`"), "{diags:?}");
    assert!(warning.help.as_deref().is_some_and(|help| help.contains("SHOP_VERSION")), "{diags:?}");
    assert_eq!(plan.source.pos(warning.span.start).line, plan.faults[0].line);
}

#[test]
fn a_preset_of_the_project_has_an_end_to_its_size() {
    let kill = "faults:\n  - container_kill: { service: shop }\n";
    let read = |run: &str, word: &str| {
        let (dir, path) = project(&EVERYTHING.replace(kill, &format!("faults:\n  - own: {{ x: {word} }}\n")));
        let preset = format!(
            "title: T\ncured_by: a restart\nparameters: {{ x: {{ type: word, about: a }} }}\n\
             fault: {{ command: {{ service: shop, run: '{run}', undo: b, confirm: c }} }}\n"
        );
        std::fs::create_dir(dir.path().join("faults")).expect("a directory");
        std::fs::write(dir.path().join("faults/own.yaml"), preset).expect("a file");
        load(&path, &Overrides::default())
    };
    let (plan, diags) = read("a {{x}} b {{x}}", "w");
    let plan = plan.unwrap_or_else(|| panic!("{}", render(&diags, false)));
    assert!(plan.faults[0].fault.facts.summary.contains("a w b w"), "{}", plan.faults[0].fault.facts.summary);
    for (run, word, wrong) in [
        ("x".repeat(70_000), "w".to_string(), "a preset is larger than 64 KiB"),
        ("a {{x}}".to_string(), "w".repeat(2000), "it has more than 1000 bytes"),
    ] {
        let (plan, diags) = read(&run, &word);
        let told = render(&diags, false);
        assert!(plan.is_none() && told.contains(wrong), "{told}");
    }
}

#[test]
fn what_ends_by_itself_is_cured_by_no_runbook() {
    let kill = "faults:\n  - container_kill: { service: shop }\n";
    let told = |more: &str, runbook: &str| {
        let pods = format!("faults:\n  - pod_kill: {{ service: shop }}\n{more}");
        mistakes(&(EVERYTHING.replace(kill, &pods) + runbook)).contains("`pod_kill` ends by itself")
    };
    let runbook = "runbook: r.md\n";
    assert!(told("", runbook));
    assert!(told("    noise: true\n", runbook), "it may hurt after all");
    assert!(!told("    lasts: 1s\n", runbook));
    assert!(!told("", ""));
}

#[test]
fn a_command_that_leaves_something_running_is_warned_of_and_a_process_has_a_name_of_its_own() {
    let kill = "faults:\n  - container_kill: { service: shop }\n";
    let faults = |faults: &str| EVERYTHING.replace(kill, &format!("faults:\n{faults}"));
    let told = |scenario: &str| {
        let (_dir, path) = project(scenario);
        load(&path, &Overrides::default()).1.all
    };
    let told_of_left = told(&faults("  - command: { service: shop, run: 'nohup ./flood &', undo: b, confirm: c }\n"));
    let [warning] = &told_of_left[..] else { panic!("{told_of_left:?}") };
    assert!(warning.message.contains("`run` leaves something running in `shop`"), "{warning:?}");
    assert!(warning.help.as_deref().is_some_and(|help| help.contains("`process`")), "{warning:?}");

    let told_of_end = told(&faults("  - process: { name: flood, service: shop, run: a }\n"));
    let [warning] = &told_of_end[..] else { panic!("{told_of_end:?}") };
    assert!(warning.message.contains("neither `returns` nor `cleared_when`"), "{warning:?}");

    let process = "  - process: { name: flood, service: shop, run: a, cleared_when: { service: shop, run: b } }\n";
    let twice = told(&faults(&process.repeat(2)));
    assert!(twice.iter().any(|told| told.message.contains("two processes `flood`")), "{twice:?}");
    let plan = plan_of(&faults(process));
    assert_eq!(plan.stack.processes[0].name, "flood");
    let told = |services: &[&str]| {
        let (names, mut diags) =
            (services.iter().map(|name| name.to_string()).collect::<Vec<_>>(), Diagnostics::default());
        check_services(&plan, &names, &names, &mut diags);
        diags.all.iter().any(|told| told.message.contains("has a service `flood` already"))
    };
    assert!(told(&["shop", "db", "flood"]) && !told(&["shop", "db"]));
}

#[test]
fn services_that_the_stack_does_not_have_are_told() {
    let plan = plan_of(EVERYTHING);
    let mut diags = Diagnostics::default();
    check_services(&plan, &["shop".into(), "db".into()], &["shop".into(), "db".into()], &mut diags);
    check_services(&plan, &["shop".into(), "db".into()], &["alias".into(), "shop".into()], &mut diags);
    assert!(diags.all.is_empty());
    let services = ["shopp".into(), "cache".into()];
    check_services(&plan, &services, &services, &mut diags);
    let told: Vec<String> = diags
        .all
        .iter()
        .map(|d| {
            let pos = plan.source.pos(d.span.start);
            let at = &plan.source.text[d.span.start..d.span.end];
            format!("{}:{} {at}: {} ({})", pos.line, pos.column, d.message, d.help.as_deref().unwrap_or_default())
        })
        .collect();
    insta::assert_snapshot!(told.join("\n"));
}

#[test]
fn a_client_of_a_fault_that_the_stack_does_not_have_is_told() {
    for fault in
        ["http_status: { service: shop, status: 503, from: edg }", "toxic: { service: shop, type: down, from: edg }"]
    {
        let plan = plan_of(&EVERYTHING.replace("container_kill: { service: shop }", fault));
        let (services, mut diags) = (["shop".into(), "db".into()], Diagnostics::default());
        check_services(&plan, &services, &services, &mut diags);
        let [told] = &diags.all[..] else { panic!("{fault}: {:?}", diags.all) };
        assert_eq!(&plan.source.text[told.span.start..told.span.end], "edg", "{fault}");
        assert!(told.message.contains("names `edg`, which the stack does not have"), "{told:?}");
    }
}

#[test]
fn settings_of_a_stack_have_a_place() {
    let text = "x-a: &a { volumes: [v:/v] }\nservices:\n  shop:\n    environment:\n      - URL=http://x\n    <<: *a\n  db:\n    environment: { URL: x }\n";
    let source = Source::new("compose.yaml", text);
    let root = parse(&source, &mut Diagnostics::default());
    let place = |service: Option<&str>, key: &str| {
        let span = place_in_stack(root.as_ref(), service, key);
        let pos = source.pos(span.start);
        format!("{}:{} {}", pos.line, pos.column, &text[span.start..span.end])
    };
    assert_eq!(place(Some("shop"), "environment.URL"), "5:9 URL=http://x");
    assert_eq!(place(Some("db"), "environment.URL"), "8:20 URL");
    assert_eq!(place(Some("shop"), "volumes"), "1:11 volumes");
    assert_eq!(place(Some("db"), "network_mode"), "7:3 db");
    assert_eq!(place(None, "networks"), "1:1 ");
    assert_eq!(place_in_stack(None, Some("a"), "b"), Span::default(), "a file that only Compose can read");
}

/// A runbook with one step below a heading.
fn runbook(heading: &str, command: &str) -> Runbook {
    let text = format!("# Title\n\n## {heading}\n\n```bash\n{command}\n```\n");
    let source = Source::new("runbooks/r.md", text);
    crate::runbook::parse(&source, &mut Diagnostics::default()).expect("a runbook")
}

/// What is said about a `respond` with this runbook.
fn respond(yaml: &str, runbook: &Runbook, overrides: &[(&str, &str)]) -> (Option<Respond>, String, bool) {
    let source = Source::new("scenarios/s.yaml", yaml);
    let mut diags = Diagnostics::default();
    let node = crate::source::parse(&source, &mut diags);
    let overrides = Overrides {
        vars: overrides.iter().map(|(name, value)| ((*name).to_string(), (*value).to_string())).collect(),
        project: PathBuf::from("."),
        ..Overrides::default()
    };
    let mut runbook = runbook.clone();
    let written = node.as_ref().map(|node| super::respond::read(&mut At::root(node, &source, &mut diags), true));
    let written = written.unwrap_or_else(|| Some(super::respond::WrittenRespond::unwritten()));
    let scenario = crate::source::Node::default();
    let mut at = At::root(&scenario, &source, &mut diags);
    let mut map = at.map("the scenario").expect("a map");
    let read = written.map(|w| w.settle(Some(&mut runbook), &[], &overrides, &mut map));
    // That nobody has accepted it is not what these are about.
    diags.all.retain(|d| !d.message.contains("nobody has accepted"));
    let errors = diags.all.iter().any(|d| d.level == Severity::Error);
    (read, render(&diags, false), errors)
}

#[test]
fn variables_meet_the_inputs_of_the_runbook() {
    let runbook = runbook("Mitigation", "restart <pod-name> \"$DB\" \"$UNSET\" && echo \"$UNSET\"");
    let yaml = "vars: { POD_NAME: x, db: { secret: true, value: hunter2 }, pid: 1 }";
    let (read, told, errors) = respond(yaml, &runbook, &[("DB", "from the command line"), ("unsett", "hunter3")]);
    assert!(!errors);
    let vars = read.expect("it can be run").vars;
    assert_eq!(vars["pod_name"].value, "x");
    assert_eq!(vars["POD_NAME"].value, "x");
    assert_eq!((vars["db"].value.as_str(), vars["db"].secret), ("from the command line", true));
    assert!(!told.contains("hunter3"), "a value of the command line is not shown");
    insta::assert_snapshot!(crate::source::brief::brief(&told));
}

#[test]
fn what_looks_like_a_secret_is_one_without_being_marked() {
    let runbook =
        runbook("Mitigation", "login \"$DB_PASSWORD\" \"$API_TOKEN\" \"$DSN_OF_DB\" \"$SERVICE\" \"$PAT_HINTS\"");
    let yaml = "vars: { DB_PASSWORD: from-the-file, DSN_OF_DB: 'postgres://u:in-a-url@db/x', SERVICE: checkout, \
                MY_TOKEN: { secret: false, value: open-on-purpose } }";
    let overrides = [("API_TOKEN", "from-the-command-line"), ("SERVICE", "http://u:pw-of-url@x/")];
    let (read, ..) = respond(yaml, &runbook, &overrides);
    let read = read.expect("it can be run");
    let secret: Vec<&str> = read.vars.iter().filter(|(_, var)| var.secret).map(|(name, _)| name.as_str()).collect();
    assert_eq!(
        secret,
        ["API_TOKEN", "DB_PASSWORD", "DSN_OF_DB", "SERVICE", "api_token", "db_password", "dsn_of_db", "service"]
    );
    let secrets = read.secrets();
    assert_eq!(
        secrets.iter().map(|secret| secret.value()).collect::<Vec<_>>(),
        [
            "from-the-command-line", "from-the-file", "http://u:pw-of-url@x/", "in-a-url",
            "postgres://u:in-a-url@db/x", "pw-of-url"
        ]
    );
}

#[test]
fn a_mistake_beside_a_secret_does_not_show_it() {
    let scenario =
        EVERYTHING.replace("recover:", "respond: { vars: { DB_PASSWORD: hunter2222 }, phasses: [] }\nrecover:");
    let (_dir, path) = project(&scenario);
    let (plan, diags) = load(&path, &Overrides::default());
    let told = render(&diags, false);
    assert!(plan.is_none() && told.contains("DB_PASSWORD"), "{told}");
    assert!(!told.contains("hunter2222"), "{told}");
}

#[test]
fn a_plan_knows_all_of_its_secrets() {
    let scenario = EVERYTHING
        .replace("Count: 5", "Authorization: Bearer of-the-load")
        .replace("9100/metrics", "9100/metrics?token=of-the-metrics");
    let scenario = scenario.replace(
        "  - container_pause",
        "  - postgres_lock: { service: db, table: t, password: of-the-fault }\n  - container_pause",
    );
    let secrets = plan_of(&scenario).secrets();
    for secret in ["of-the-load", "of-the-metrics", "of-the-fault"] {
        assert!(secrets.iter().any(|found| found.value() == secret), "{secret}");
    }
}

#[test]
fn a_declared_secret_is_hidden_however_short_and_refused_where_nothing_could_hide_it() {
    let runbook = runbook("Mitigation", "login \"$PIN\"");
    let (read, _, errors) = respond("vars: { PIN: { secret: true, value: a1b2c } }", &runbook, &[]);
    assert!(!errors);
    assert_eq!(read.expect("it can be run").secrets(), [Secret::Declared("a1b2c".into())]);
    // Whoever gives it another value later does not take that away.
    let (read, ..) = respond("vars: { PIN: { secret: true, value: a1b2c } }", &runbook, &[]);
    let mut read = read.expect("it can be run");
    read.give("pin", "d3e4f");
    assert!(read.secrets().contains(&Secret::Declared("d3e4f".into())));
    for (yaml, overrides) in [
        ("vars: { PIN: { secret: true, value: q7z } }", &[][..]),
        ("env: { PIN: { secret: true, value: ' q7z ' } }", &[]),
        ("vars: { PIN: { secret: true, value: a1b2c } }", &[("PIN", "q7z")]),
    ] {
        let (_, told, errors) = respond(yaml, &runbook, overrides);
        assert!(errors && told.contains("fewer than 4 characters cannot be a secret"), "{told}");
    }
    let scenario = EVERYTHING
        .replace("recover:", "runbook: none.md\nrespond: { vars: { PIN: { secret: true, value: q7z } } }\nrecover:");
    let (_dir, path) = project(&scenario);
    let told = render(&load(&path, &Overrides::default()).1, false);
    assert!(told.contains("fewer than 4") && told.contains("value: ***") && !told.contains("q7z"), "{told}");
    let (_, told, errors) = respond("vars: { PIN: { secret: true, value: '', may_be_empty: true } }", &runbook, &[]);
    assert!(!errors, "there is nothing to hide: {told}");
    // What only its name makes a secret is said where it is shown.
    let (_, told, errors) = respond("vars: { PIN: 12345, API_TOKEN: a1b2c }", &runbook, &[]);
    assert!(!errors && told.contains("variable `API_TOKEN`") && told.contains("say `secret: true`"), "{told}");
}

#[test]
fn phases_without_steps_are_told() {
    let other = runbook("Prevention", "true");
    assert!(respond("timeout: 5s", &other, &[]).2);
    assert!(!respond("phases: [reference]", &other, &[]).2);
    let told = ["timeout: 5s", "phases: [mitigate, verify]"].map(|text| respond(text, &other, &[]).1).join("\n");
    insta::assert_snapshot!(crate::source::brief::brief(&told));
}

#[test]
fn the_scenarios_of_this_project_are_read() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let scenarios = project_scenarios(root);
    assert!(scenarios.len() >= 2);
    for path in scenarios {
        let (plan, diags) = load(&path, &Overrides::default());
        assert!(plan.is_some() && diags.all.is_empty(), "{}", render(&diags, false));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    /// Whatever is cut out of a scenario and put in its place, there is a plan or an error with a place, and no panic.
    #[test]
    fn no_change_makes_it_panic(
        from in 0usize..1400,
        length in 0usize..40,
        put in prop_oneof!["\\PC{0,10}", Just("{".to_string()), Just("- ".into()), Just("99999999999999999999".into()), Just("\n".into())],
    ) {
        let text: Vec<char> = EVERYTHING.chars().collect();
        let from = from.min(text.len());
        let to = (from + length).min(text.len());
        let changed: String = text[..from].iter().copied().chain(put.chars()).chain(text[to..].iter().copied()).collect();
        let (_dir, path) = project(&changed);
        let (plan, diags) = load(&path, &Overrides::default());
        prop_assert_eq!(plan.is_some(), !diags.has_errors(), "{}", render(&diags, false));
        for diagnostic in &diags.all {
            prop_assert!(diagnostic.source.text.get(diagnostic.span.start..diagnostic.span.end).is_some());
        }
    }
}
