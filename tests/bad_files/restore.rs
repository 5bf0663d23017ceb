//! Broken DR drills: every mistake in what they assert, with its place.

use crate::{Project, RUNBOOK, changed};

const STACK: &str = "services:\n  checkout:\n    image: shop\n  db:\n    image: db\n  ops:\n    image: db\n";

const RESTORE: &str = "\
kind: dr
rto: 45s
rpo: 5s
runbook: ../runbooks/slow.md
respond: { vars: { DB_HOST: db } }
ledger:
  load: checkout
  survivors: { service: db, run: psql }
restore:
  readable: { service: ops, run: verify }
  restored: { service: ops, run: test -s /data/PG_VERSION }
  replayed: { service: db, run: psql }
  content:
    canary: { service: db, run: psql, output: \"42\" }
";

/// A DR drill without a mistake, with some of its text replaced.
fn drill(changes: &[(&str, &str)]) -> Project {
    let users = changed(&[("checkout:8080/checkout", "checkout:8080/checkout/{{counter}}"), ("rto: 1m\n", "")]);
    let whole = users + RESTORE;
    let text = changes.iter().fold(whole, |text, (old, new)| {
        assert!(text.contains(old), "`{old}` is not in the scenario");
        text.replacen(old, new, 1)
    });
    Project::empty().file("stacks/shop/compose.yaml", STACK).file("runbooks/slow.md", RUNBOOK).scenario(text)
}

fn mistakes(changes: &[(&str, &str)]) -> String {
    drill(changes).mistakes()
}

#[test]
fn a_dr_drill_without_mistakes_passes() {
    let (code, out, err) = drill(&[]).run(&["check"]);
    assert_eq!((code, out.as_str(), err.as_str()), (0, "1 scenario, 1 runbook: no mistakes\n", ""));
}

#[test]
fn probes_that_prove_nothing_are_warned_of() {
    let (code, _, err) = drill(&[
        ("run: verify", "run: \"true\""),
        ("run: test -s /data/PG_VERSION", "run: psql; echo ok"),
        ("output: \"42\"", "value: \">= 0\""),
    ])
    .run(&["check"]);
    assert_eq!((code, err.matches("this probe proves nothing").count()), (0, 3), "{err}");
}

#[test]
fn the_list_marks_dr_drills() {
    let project = drill(&[]).file("scenarios/other.yaml", changed(&[]));
    let (code, out, err) = project.run(&["list"]);
    assert_eq!((code, err.as_str()), (0, ""));
    insta::assert_snapshot!(out);
}

#[test]
fn another_kind() {
    let kinds = ["", "expect: { verdict: not_recovered, level: L2 }\n", "kind: drr\n", "kind: [dr]\n"];
    insta::assert_snapshot!(kinds.map(|kind| mistakes(&[("kind: dr\n", kind)])).join("\n"));
}

#[test]
fn what_is_missing() {
    let bare = changed(&[("title:", "kind: dr\ntitle:"), ("rto: 1m\n", "")]);
    insta::assert_snapshot!(Project::new().scenario(bare).mistakes());
    insta::assert_snapshot!(mistakes(&[
        ("  load: checkout\n", ""),
        ("  survivors: { service: db, run: psql }", "  survivers: { service: db, run: psql }"),
        ("  readable: { service: ops, run: verify }\n", ""),
        ("replayed: { service: db, run: psql }", "replayed: { service: db }"),
        ("    canary: { service: db, run: psql, output: \"42\" }\n", ""),
    ]));
}

#[test]
fn objectives() {
    let pairs = [("rto: 0s", "rpo: 5"), ("rto: 25h", "rpo: ~")];
    let told = pairs.map(|(rto, rpo)| mistakes(&[("rto: 45s", rto), ("rpo: 5s", rpo)]));
    insta::assert_snapshot!(told.join("\n"));
}

#[test]
fn the_ledger() {
    let load = "  load: checkout\n";
    let surge = "  - container_pause: { service: db }\n  - load_surge: { load: checkout, rate: 10/s }";
    let told = [
        mistakes(&[(load, "  load: chekout\n  acknowledged: status < 300 and latency < 1s\n")]),
        mistakes(&[("{{counter}}", "{{id}}"), (load, "  load: checkout\n  acknowledged: stored\n")]),
        mistakes(&[("  - container_pause: { service: db }", surge)]),
    ];
    insta::assert_snapshot!(told.join("\n"));
}

#[test]
fn probes() {
    insta::assert_snapshot!(mistakes(&[
        ("readable: { service: ops, run: verify }", "readable: { service: ops, run: '  ', within: 0s }"),
        ("restored: { service: ops, run: test -s /data/PG_VERSION }", "restored: '/data is there'"),
        ("replayed: { service: db, run: psql }", "replayed: { service: db, run: '! pg_controldata', output: x }"),
        ("    canary:", "    the canary:"),
        ("run: psql, output: \"42\"", "run: psql, output: [42], within: 2h"),
        ("  readable:", "  backup: { servce: ops, run: cat /facts }\n  readable:"),
    ]));
}

#[test]
fn levels() {
    let expect = |what: &str| mistakes(&[("kind: dr", &format!("expect: {{ {what} }}\nkind: dr"))]);
    insta::assert_snapshot!(
        [
            expect("verdict: passed, level: L4"),
            expect("verdict: not_recovered"),
            expect("verdict: no_impact, level: L2"),
            expect("verdict: unsteady"),
            expect("verdict: not_recovered, level: L7"),
        ]
        .join("\n")
    );
}

#[test]
fn what_does_not_go_together() {
    let changes = [
        ("runbook: ../runbooks/slow.md\nrespond: { vars: { DB_HOST: db } }\n", ""),
        ("impact: { breaches: [availability], below: 90%, within: 15s }", "impact: none"),
    ];
    insta::assert_snapshot!(changes.map(|change| mistakes(&[change])).join("\n"));
}

/// Compose has to be there for this one.
#[test]
fn services_that_the_stack_does_not_have() {
    insta::assert_snapshot!(mistakes(&[
        ("survivors: { service: db,", "survivors: { service: database,"),
        ("readable: { service: ops,", "readable: { service: opps,"),
        ("canary: { service: db,", "canary: { service: dbb,"),
    ]));
}
