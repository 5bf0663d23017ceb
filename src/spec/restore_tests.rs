//! DR drills as they are read: what is there, what is left out, what does not go together.

use super::*;
use crate::record::{RestoreLevel, Verdict};
use crate::slis::{Comparison, EventAnswer, Term};
use crate::source::{Diagnostics, render};
use proptest::prelude::*;
use std::time::Duration;

const LOST: &str = r#"title: The data directory is lost
description: >
  Severe: all bookings.
  Plausible: a disk.
owner: bookings-oncall
kind: dr
rto: 45s
rpo: 1500ms
stack: ../compose.yaml
runbook: ../runbooks/restore.md
load:
  bookings: { request: POST http://shop/bookings, rate: 50/s, body: { n: "{{counter}}" } }
  browse: { request: GET http://shop/, rate: 50/s }
slis:
  ok: { load: browse, good: status < 500, objective: 90% }
faults: [container_kill: { service: db }]
recover: { within: 20s }
ledger:
  load: bookings
  acknowledged: status == 201
  survivors: { service: db, run: "psql -c 'SELECT n FROM bookings'", within: 1m }
restore:
  backup: { service: ops, run: cat /facts }
  readable: { service: ops, run: verify, within: 500ms }
  restored: { service: ops, run: test -s /data/PG_VERSION }
  replayed: { service: db, run: psql -c 'SELECT 1' }
  content:
    customers: { service: db, run: sums }
    canary: { service: db, run: canary, output: "42\n" }
"#;

/// The plan of a scenario in a project of its own, and what is said about it.
fn told(scenario: &str) -> (Option<Plan>, Diagnostics) {
    let dir = tempfile::tempdir().expect("a directory");
    let runbook = "# Lost\n\n## Mitigation\n\n### Step 1: Restore it\n\n```bash\nrestore\n```\n";
    for (path, text) in [
        ("compose.yaml", "services: { shop: { image: x }, db: { image: x }, ops: { image: x } }\n"),
        ("runbooks/restore.md", runbook),
        ("scenarios/lost.yaml", scenario),
    ] {
        let path = dir.path().join(path);
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
        std::fs::write(path, text).expect("a file");
    }
    let (plan, mut diags) = load(&dir.path().join("scenarios/lost.yaml"), &Overrides::default());
    // That nobody has accepted it is not what these are about.
    diags.all.retain(|d| !d.message.contains("nobody has accepted"));
    (plan, diags)
}

fn plan(scenario: &str) -> Plan {
    let (plan, diags) = told(scenario);
    assert!(diags.all.is_empty(), "{}", render(&diags, false));
    plan.expect("a plan")
}

fn changed(from: &str, to: &str) -> String {
    assert!(LOST.contains(from), "`{from}`");
    LOST.replacen(from, to, 1)
}

/// The messages about a scenario that must have mistakes.
fn mistakes(scenario: &str) -> Vec<String> {
    let (plan, diags) = told(scenario);
    assert!(plan.is_none() && diags.has_errors(), "{}", render(&diags, false));
    diags.all.into_iter().map(|d| d.message).collect()
}

#[test]
fn the_age_of_a_backup_and_the_size_of_production_are_read() {
    let said = changed("restore:\n", "restore:\n  production_size: 2TB\n");
    assert!(said.contains("backup:"), "{said}");
    assert_eq!(plan(&said).restore.expect("a restore").production_bytes, Some(2_000_000_000_000));
    let wrong = changed("restore:\n", "restore:\n  production_size: 0\n");
    assert_eq!(mistakes(&wrong), ["`production_size`: production has nothing to restore, then"]);
}

#[test]
fn a_dr_drill_is_read() {
    let plan = plan(LOST);
    assert_eq!(plan.description.as_deref(), Some("Severe: all bookings. Plausible: a disk."));
    assert_eq!(plan.owner.as_deref(), Some("bookings-oncall"));
    let restore = plan.restore.expect("what it measures");
    assert_eq!((plan.rto, restore.rpo), (Some(Duration::from_secs(45)), Duration::from_millis(1500)));
    assert_eq!((plan.expect, restore.expect), (Verdict::Passed, RestoreLevel::L5));
    let ledger = restore.ledger;
    assert_eq!((ledger.load.as_str(), ledger.acknowledged.text.as_str()), ("bookings", "status == 201"));
    assert_eq!(ledger.survivors.within, Duration::from_secs(60));
    assert_eq!((ledger.survivors.service.as_str(), ledger.survivors.line), ("db", 21));
    let backup = restore.backup.expect("facts");
    assert_eq!(
        (backup.probe.run.as_str(), backup.probe.within, backup.probe.line),
        ("cat /facts", Duration::from_secs(10), 23)
    );
    let probes: Vec<_> = restore
        .probes
        .iter()
        .map(|p| (p.level.name(), p.name.as_str(), p.probe.service.as_str(), p.probe.line, p.expected.to_string()))
        .collect();
    assert_eq!(
        probes,
        [
            ("L1", "readable", "ops", 24, "exit code 0".to_string()),
            ("L2", "restored", "ops", 25, "exit code 0".to_string()),
            ("L3", "replayed", "db", 26, "exit code 0".to_string()),
            ("L4", "customers", "db", 28, "as before the fault".to_string()),
            ("L4", "canary", "db", 29, "`42`".to_string()),
        ]
    );
    assert_eq!(restore.probes[0].probe.within, Duration::from_millis(500));
}

#[test]
fn what_is_left_out_has_its_default() {
    let least =
        changed("  acknowledged: status == 201\n", "").replace("  backup: { service: ops, run: cat /facts }\n", "");
    let restore = plan(&least).restore.expect("what it measures");
    assert!(restore.backup.is_none());
    let acknowledged = restore.ledger.acknowledged;
    assert_eq!(
        (acknowledged.text.as_str(), acknowledged.terms.as_slice()),
        ("status < 300", &[Term::Status(Comparison::Less, 300)][..])
    );
    let with = |status: Option<u16>| acknowledged.judge(status.map(EventAnswer::Status), Duration::from_secs(9));
    assert_eq!([Some(299), Some(300), None].map(with), [true, false, false], "no answer acknowledges nothing");
}

#[test]
fn without_a_kind_a_drill_is_one_like_most() {
    let (above, _) = LOST.split_once("ledger:").expect("a ledger");
    let rest = above.replace("rto: 45s\nrpo: 1500ms\n", "").replace("  bookings:", "  # bookings:");
    for kind in ["", "kind: drill\n"] {
        assert!(plan(&rest.replace("kind: dr\n", kind)).restore.is_none(), "{kind}");
    }
}

#[test]
fn objectives_may_be_long_and_nothing_may_be_lost_at_all() {
    let plan = plan(&changed("rto: 45s", "rto: 4h").replace("rpo: 1500ms", "rpo: 0s"));
    let rpo = plan.restore.expect("a restore").rpo;
    assert_eq!((plan.rto, rpo), (Some(Duration::from_secs(4 * 3600)), Duration::ZERO));
    assert_eq!(mistakes(&changed("rto: 45s", "rto: 0s")), ["`rto` must be above 0"]);
    assert_eq!(mistakes(&changed("within: 1m", "within: 61m")), ["`within` is 61m, more than 1h"]);
}

/// Users of a busy machine get fewer requests and longer windows; what was promised to the business stays.
#[test]
fn a_calm_drill_has_the_same_objectives() {
    let mut plan = plan(LOST);
    let (hold, within, window) = (plan.recover_hold, plan.impact.within, plan.impact.window);
    plan.calm(10.0);
    assert!(plan.impact.within > within && plan.impact.window > window, "an impact is seen in time as before");
    let restore = plan.restore.as_ref().expect("what it measures");
    assert!(plan.recover_hold > hold && plan.loads.iter().all(|load| load.rate <= 10.0));
    assert_eq!((plan.rto, restore.rpo), (Some(Duration::from_secs(45)), Duration::from_millis(1500)));
}

#[test]
fn the_number_of_a_write_may_stand_in_path_header_and_body() {
    let request = "request: POST http://shop/bookings, rate: 50/s, body: { n: \"{{counter}}\" }";
    for good in [
        "request: 'PUT http://shop/bookings/{{ counter }}', rate: 50/s",
        "request: POST http://shop/bookings, rate: 50/s, headers: { X-Number: '{{counter}}' }",
        "request: POST http://shop/bookings, rate: 50/s, body: 'n={{counter}}'",
    ] {
        plan(&changed(request, good));
    }
    for bad in [
        "request: 'PUT http://shop/bookings/{{id}}', rate: 50/s",
        "request: POST http://shop/bookings, rate: 50/s, body: '{{ {{count counter}}'",
    ] {
        let told = mistakes(&changed(request, bad));
        assert!(told.iter().any(|told| told.contains("have no numbers")), "{bad}: {told:?}");
    }
}

#[test]
fn a_level_goes_with_its_verdict() {
    let expect = |what: &str| format!("{LOST}expect: {{ {what} }}\n");
    for (what, verdict, level) in [
        ("verdict: passed", Verdict::Passed, RestoreLevel::L5),
        ("verdict: passed, level: L5", Verdict::Passed, RestoreLevel::L5),
        ("verdict: not_recovered, level: L5", Verdict::NotRecovered, RestoreLevel::L5),
        ("verdict: not_recovered, level: L0", Verdict::NotRecovered, RestoreLevel::L0),
        ("verdict: step_failed, level: L2", Verdict::StepFailed, RestoreLevel::L2),
        ("verdict: step_failed, level: L5", Verdict::StepFailed, RestoreLevel::L5),
    ] {
        let plan = plan(&expect(what));
        assert_eq!((plan.expect, plan.restore.map(|restore| restore.expect)), (verdict, Some(level)), "{what}");
    }
    for (what, message) in [
        ("verdict: passed, level: L4", "a DR drill that comes to L4 does not end as `passed`"),
        ("verdict: not_recovered", "`not_recovered` without `level`: how far does the restore come?"),
        ("verdict: self_healed, level: L5", "a DR drill that comes to L5 does not end as `self_healed`"),
        ("verdict: no_impact, level: L0", "a DR drill that ends as `no_impact` restores nothing: it comes to no level"),
        ("verdict: undetected", "a DR drill that ends as `undetected` restores nothing: it comes to no level"),
        ("verdict: unsteady, level: L5", "a DR drill that ends as `unsteady` restores nothing: it comes to no level"),
        ("verdict: not_recovered, level: l3", "`level`: `l3` is not a level of a restore: they are `L0` to `L5`"),
    ] {
        assert_eq!(mistakes(&expect(what)), [message]);
    }
}

#[test]
fn probes_of_services_that_the_stack_does_not_have_are_told() {
    let plan = plan(LOST);
    let mut diags = Diagnostics::default();
    let all: Vec<String> = ["shop", "db", "ops"].map(String::from).into();
    check_services(&plan, &all, &all, &mut diags);
    assert!(diags.all.is_empty());
    let services: Vec<String> = ["shop", "dbb", "ops-1"].map(String::from).into();
    check_services(&plan, &services, &services, &mut diags);
    let told: Vec<String> = diags
        .all
        .iter()
        .filter(|d| !d.message.contains("the fault"))
        .map(|d| {
            let (pos, at) = (plan.source.pos(d.span.start), &plan.source.text[d.span.start..d.span.end]);
            format!("{}:{} {at}: {} ({})", pos.line, pos.column, d.message, d.help.as_deref().unwrap_or_default())
        })
        .collect();
    insta::assert_snapshot!(told.join("\n"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    /// Whatever is cut out and put in its place, there is a plan or an error with a place, and no panic. A plan of the kind
    /// `dr` has everything that a drill of it needs.
    #[test]
    fn no_change_makes_it_panic(
        from in 0usize..1500,
        length in 0usize..40,
        put in prop_oneof!["\\PC{0,10}", Just("{".to_string()), Just("- ".into()), Just("kind: drill".into()), Just("\n".into())],
    ) {
        let text: Vec<char> = LOST.chars().collect();
        let from = from.min(text.len());
        let to = (from + length).min(text.len());
        let changed: String = text[..from].iter().copied().chain(put.chars()).chain(text[to..].iter().copied()).collect();
        let (plan, diags) = told(&changed);
        prop_assert_eq!(plan.is_some(), !diags.has_errors(), "{}", render(&diags, false));
        if let Some(restore) = plan.and_then(|plan| plan.restore) {
            let levels: Vec<&str> = restore.probes.iter().map(|probe| probe.level.name()).collect();
            prop_assert!(levels.starts_with(&["L1", "L2", "L3", "L4"]), "{:?}", levels);
        }
        for diagnostic in &diags.all {
            prop_assert!(diagnostic.source.text.get(diagnostic.span.start..diagnostic.span.end).is_some());
        }
    }
}
