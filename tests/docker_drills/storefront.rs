//! The truth of the scenarios of the storefront: the load verifies certificates, the runbook that renews one passes and a
//! renewal that nobody loads does not, and the loss of a replica is noticed where there is only one.

use crate::drill::{Drill, Project};
use firedrill::record::{Check, Event, FaultAfter, StepStatus, Verdict};
use std::collections::BTreeMap;

const STACK: (&str, &str) =
    ("stack: ../stacks/storefront/compose.yaml", "stack: {ROOT}/stacks/storefront/compose.yaml");

/// Objectives that allow for a machine that is busy with other tests, and shorter windows.
const SHORTER: [(&str, &str); 6] = [
    STACK,
    ("good: status < 500, objective: 99% }", "good: status < 500, objective: 97% }"),
    ("good: latency < 500ms, objective: 99% }", "good: latency < 1s, objective: 90% }"),
    ("steady: { for: 5s }", "steady: { for: 2s }\nrevert: { hold: 2s }"),
    ("recover: { within: 30s, hold: 5s }", "recover: { within: 30s, hold: 2s }"),
    ("rto: 1m", "rto: 3m"),
];

fn expired(more: &[(&str, &str)]) -> Project {
    let project = Project::of_scenario("cert-expired", &SHORTER);
    let text = crate::drill::edit(&project.read("scenarios/cert-expired.yaml"), more);
    project.write("scenarios/cert-expired.yaml", &text);
    project
}

/// Events of all loads by result.
fn results(drill: &Drill) -> BTreeMap<String, u64> {
    let mut all = BTreeMap::new();
    for event in &drill.events {
        if let Event::Slice(slice) = &event.event {
            slice.results.iter().for_each(|(result, count)| *all.entry(result.clone()).or_default() += count);
        }
    }
    all
}

#[test]
fn the_good_runbook_for_an_expired_certificate_passes() {
    let drill = expired(&[]).drill("cert-expired", &[]);
    drill.came_to(Verdict::Passed, 0, &["users recovered"]).reverted();
    drill.fault_after("command", FaultAfter::ClearedByRunbook);
    drill.passed_check(Check::Detection).passed_check(Check::StillBroken).passed_check(Check::Revert);
    let results = results(&drill);
    assert!(results.get("tls_expired").is_some_and(|count| *count >= 5), "{results:?}\n{}", drill.story());
}

#[test]
fn a_certificate_that_was_renewed_and_never_loaded_is_not_recovered_from() {
    let project = expired(&[("recover: { within: 30s, hold: 2s }", "recover: { within: 3s, hold: 2s }")]);
    let text = project.read("runbooks/cert-expired.md");
    let step =
        &text[text.find("### Step 2: Load it").expect("a step")..text.find("## Verification").expect("a section")];
    assert!(step.contains("reload-certificate"), "{step}");
    project.write("runbooks/cert-expired.md", &text.replacen(step, "", 1));
    let drill = project.drill("cert-expired", &[]);
    drill.came_to(Verdict::NotRecovered, 1, &["users had not recovered within 3.0 s"]).reverted();
    drill.fault_after("command", FaultAfter::StillActive);
    assert_eq!(drill.step_status("issue-a-new-certificate"), Some(StepStatus::Passed), "{}", drill.story());
}

#[test]
fn the_control_of_an_expired_certificate_does_not_recover() {
    let drill = expired(&crate::verdicts::CONTROL_SOON).drill("cert-expired", &["--control"]);
    drill.came_to(Verdict::Passed, 0, &["without the runbook users did not recover"]).reverted();
    drill.passed_check(Check::Control);
}

#[test]
fn a_load_under_another_name_than_the_certificates_is_never_steady() {
    let edits = [
        ("hosts: { shop.example.com: front }", "hosts: { shop.example.com: front, other.example.com: front }"),
        ("request: GET https://shop.example.com/", "request: GET https://other.example.com/"),
        ("steady: { for: 2s }", "steady: { for: 2s, within: 2s }"),
    ];
    let drill = expired(&edits).drill("cert-expired", &[]);
    drill.came_to(Verdict::Unsteady, 1, &["availability"]);
    assert_eq!(results(&drill).keys().collect::<Vec<_>>(), ["tls_name"], "{}", drill.story());
}

#[test]
fn an_authority_that_is_not_there_breaks_the_harness_and_says_where_it_was_looked_for() {
    let edits = [("path: /certificates/ca.pem", "path: /certificates/no-such.pem")];
    let drill = expired(&edits).drill("cert-expired", &[]);
    drill.came_to(Verdict::HarnessError, 3, &["/certificates/no-such.pem", "`ca`", "no such file"]);
}

const REPLICAS: [(&str, &str); 3] = [
    ("good: status < 500, objective: 99% }", "good: status < 500, objective: 97% }"),
    ("good: latency < 800ms, objective: 99% }", "good: latency < 1500ms, objective: 90% }"),
    ("steady: { for: 5s }", "steady: { for: 2s }"),
];

#[test]
fn one_of_three_replicas_may_die() {
    let edits = [&[STACK][..], &REPLICAS].concat();
    let drill = Project::of_scenario("replica-loss", &edits).drill("replica-loss", &[]);
    drill.came_to(Verdict::Passed, 0, &[]).reverted();
    drill.passed_check(Check::Injection { fault: "container_kill".into() });
}

#[test]
fn the_only_replica_may_not() {
    let stack = "stack: { file: '{ROOT}/stacks/storefront/compose.yaml', env_files: [../one.env] }";
    let edits = [&[(STACK.0, stack)][..], &REPLICAS].concat();
    let project = Project::of_scenario("replica-loss", &edits);
    project.write("one.env", "REPLICAS=1\n");
    let drill = project.drill("replica-loss", &[]);
    drill.came_to(Verdict::Breached, 1, &["availability"]).reverted();
    let results = results(&drill);
    assert!(results.get("503").is_some_and(|count| *count >= 5), "{results:?}\n{}", drill.story());
}
