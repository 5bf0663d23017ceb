//! `steps:` and `clients:` of whole scenarios: what becomes of the runbook, and every mistake in them.

use super::*;
use crate::runbook::{Runbook, Step};
use crate::source::{Diagnostics, render};
use std::path::Path;

const RUNBOOK: &str = "\
# Checkout hangs

## Diagnosis

1. Look at the dashboard.

2. See who waits.

   <!-- firedrill: in=db capture=PID expect=/\\d+/ -->
   ```bash
   psql -At -c 'SELECT 1'
   ```

## Mitigation

### Scale checkout

```bash
kubectl scale deploy/checkout --replicas=3
kubectl rollout status deploy/checkout
```

### Restart

If it still hangs:

<!-- firedrill: id=restart-it -->
```bash
restart --pid <pid>
```

### End them

```sql
SELECT pg_terminate_backend(<pid>) WHERE note = '<why>' AND 1 < 2;
```

## Rollback

### Restart

```bash
restart --back
```

### Scale checkout

```bash
kubectl scale deploy/checkout --replicas=1
```
";

/// A scenario with this at its end, in a project of its own: the plan, the whole runbook, and what is said about it.
fn load_with(more: &str, runbook: &str) -> (Option<(Plan, Option<Runbook>)>, Diagnostics, String) {
    let scenario = format!(
        "title: T\nstack: ../stack/compose.yaml\nrunbook: ../runbooks/r.md\nload: {{ l: {{ request: GET http://shop/, rate: 50/s }} }}\n\
         slis: {{ ok: {{ load: l, good: status < 500, objective: 90% }} }}\nfaults: [ container_kill: {{ service: shop }} ]\nrecover: {{ within: 9s }}\n{more}"
    );
    let dir = tempfile::tempdir().expect("a directory");
    let compose = "services:\n  shop: { image: x }\n  db: { image: x }\n";
    for (path, text) in
        [("stack/compose.yaml", compose), ("runbooks/r.md", runbook), ("scenarios/s.yaml", scenario.as_str())]
    {
        let path = dir.path().join(path);
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
        std::fs::write(path, text).expect("a file");
    }
    let (whole, mut diags) = load_whole(&dir.path().join("scenarios/s.yaml"), &Overrides::default());
    if let Some((plan, _)) = &whole {
        let services = ["shop".to_string(), "db".to_string()];
        check_services(plan, &services, &services, &mut diags);
        let of_db = || [("POSTGRES_USER".to_string(), "shop".to_string())].into();
        check_environment(plan, |service| if service == "db" { of_db() } else { [].into() }, &mut diags);
    }
    // That nobody has accepted it is not what these are about.
    diags.all.retain(|d| !d.message.contains("nobody has accepted"));
    let told = crate::source::brief::brief(&render(&diags, false));
    let told = told.replace(&format!("{}/", dir.path().display()), "");
    (whole, diags, told)
}

fn fine(more: &str) -> (Plan, Runbook, String) {
    let (whole, diags, told) = load_with(more, RUNBOOK);
    assert!(!diags.has_errors(), "{told}");
    let (plan, runbook) = whole.expect("a plan");
    (plan, runbook.expect("a runbook"), told)
}

fn told(more: &str) -> String {
    load_with(more, RUNBOOK).2
}

fn step<'a>(runbook: &'a Runbook, id: &str) -> &'a Step {
    runbook.steps.iter().find(|step| step.id == id).expect(id)
}

#[test]
fn what_a_service_has_of_its_own_is_no_input_without_a_value_where_commands_run_in_it() {
    let text = "# R\n\n## Mitigation\n\n### End <!-- firedrill: in=db -->\n\n```bash\npg_dump -U \"$POSTGRES_USER\" <x-y>\n```\n";
    let warnings = |text: &str, more: &str| {
        let (_, diags, told) = load_with(more, text);
        assert!(!diags.has_errors(), "{told}");
        diags
            .all
            .iter()
            .map(|diag| diag.message.split_whitespace().next().unwrap_or_default().to_string())
            .collect::<Vec<_>>()
    };
    assert_eq!(warnings(text, ""), ["`<x-y>`"], "a placeholder is nobody's variable");
    let other = text.replace("POSTGRES_USER", "POSTGRES_HOST");
    assert_eq!(warnings(&other, ""), ["`<x-y>`", "`$POSTGRES_HOST`"]);
    assert_eq!(warnings(&other, "respond: { vars: { POSTGRES_HOST: db } }\n"), ["`<x-y>`"]);
    let toolbox = text.replace(" <!-- firedrill: in=db -->", "");
    assert_eq!(warnings(&toolbox, ""), ["`$POSTGRES_USER`", "`<x-y>`"]);
    assert_eq!(warnings(&toolbox, "respond: { service: db }\n"), ["`<x-y>`"]);
    assert_eq!(warnings(&toolbox, "respond: { service: shop }\n"), ["`<x-y>`", "`$POSTGRES_USER`"]);
}

#[test]
fn other_commands_stand_where_the_runbook_has_some_that_cannot_work() {
    let more = "steps:\n  mitigate/scale-checkout:\n    run: |\n      # If you like:\n      docker compose up -d --scale checkout=$N\n\n      wait <how-long>\n    in: shop\n    timeout: 9s\n  look-at-the-dashboard: { run: \"curl http://shop/\\u0061\", expect-exit: 0 }\n";
    let (plan, runbook, _) = fine(more);
    let scaled = step(&runbook, "mitigate/scale-checkout");
    let texts: Vec<_> = scaled.commands().iter().map(|c| (c.text.as_str(), c.line, c.column)).collect();
    assert_eq!(texts, [("docker compose up -d --scale checkout=$N", 12, 7), ("wait <how-long>", 14, 7)]);
    let inputs: Vec<_> = scaled.commands().iter().flat_map(|c| &c.inputs).map(|i| (i.line, i.column)).collect();
    assert_eq!(inputs, [(12, 45), (14, 12)]);
    assert_eq!(scaled.commands()[0].origin.as_ref().expect("a scenario").path, plan.source.path);
    let [block] = scaled.blocks.as_slice() else { panic!("{scaled:?}") };
    assert_eq!((block.settings.place.as_deref(), block.settings.timeout.map(|t| t.as_secs())), (Some("shop"), Some(9)));
    let replaced = scaled.replaced.as_ref().expect("what the runbook says");
    assert_eq!((replaced.manual.as_deref(), replaced.commands.len()), (None, 2));
    assert_eq!((replaced.line, &replaced.by.path), (11, &plan.source.path));
    assert_eq!((block.line, block.end_line), (11, 14));
    // What YAML escapes has the place of its value.
    let looked = step(&runbook, "diagnose/look-at-the-dashboard");
    assert_eq!((looked.commands()[0].text.as_str(), looked.commands()[0].line), ("curl http://shop/a", 17));
    assert_eq!(looked.settings(0).expect_exit, Some(0));
    assert!(looked.replaced.as_ref().expect("words").manual.is_some());
    // The plan has them too.
    assert!(step(plan.runbook.as_ref().expect("a runbook"), "mitigate/scale-checkout").replaced.is_some());
}

#[test]
fn settings_go_over_those_of_annotations() {
    let more = "respond: { service: shop }\nsteps:\n  see-who-waits: { in: shop, retry: 3/1s, expect: ready }\n  restart-it: { choose: true }\n  end-them: { skip: 'no SQL here' }\n";
    let (plan, runbook, said) = fine(more);
    let waits = step(&runbook, "diagnose/see-who-waits").settings(0);
    assert_eq!((waits.capture.as_deref(), waits.expect.map(|e| e.pattern)), (Some("PID"), Some("ready".into())));
    assert_eq!(waits.place, None, "the place of the whole session");
    let restart = step(plan.runbook.as_ref().expect("a runbook"), "mitigate/restart-it");
    assert_eq!((restart.commands().len(), restart.held().len()), (1, 0));
    let skipped = step(&runbook, "mitigate/end-them");
    assert_eq!(skipped.manual.as_deref(), Some("no SQL here"));
    // <pid> is captured before.
    assert_eq!(said, "");
}

#[test]
fn clients_make_blocks_run() {
    let more = "clients: { SQL: { service: db, command: ' psql -U shop ' }, mysql: { command: mysql } }\nrespond: { vars: { why: \"it's stuck\" } }\n";
    let (plan, runbook, said) = fine(more);
    assert_eq!(said, "", "<pid> is captured before");
    let [command] = step(&runbook, "mitigate/end-them").commands() else { panic!("{runbook:?}") };
    let values = |name: &str| Some(if name == "why" { "it's stuck".to_string() } else { "7".to_string() });
    assert_eq!(
        command.fill(values).expect("values"),
        "SELECT pg_terminate_backend(7) WHERE note = 'it''s stuck' AND 1 < 2;"
    );
    let clients: Vec<_> = plan.respond.clients.iter().map(|(tag, c)| (tag.as_str(), c.command.as_str())).collect();
    assert_eq!(
        clients,
        [
            ("mysql", "mysql"),
            ("pgsql", "psql -U shop"),
            ("postgresql", "psql -U shop"),
            ("psql", "psql -U shop"),
            ("sql", "psql -U shop")
        ]
    );
    assert_eq!(
        (plan.respond.clients["psql"].service.as_deref(), &plan.respond.clients["mysql"].service),
        (Some("db"), &None)
    );
    let refused = "clients: { sql: { command: psql } }\nrespond: { vars: { pid: '1; DROP TABLE x', why: x } }\n";
    insta::assert_snapshot!(fine(refused).2);
}

#[test]
fn a_runbook_without_a_command_can_be_bridged() {
    let words = "# T\n\n## Mitigation\n\n1. Press the button.\n2. Wait.\n";
    let (whole, _, told) = load_with("steps: { press-the-button: { run: press } }\n", words);
    assert!(whole.is_some() && told.is_empty(), "{told}");
    let (whole, _, told) = load_with("steps: { press-the-button: { skip: nobody is there } }\n", words);
    assert!(whole.is_none());
    insta::assert_snapshot!(told);
}

#[test]
fn steps_that_are_not_there() {
    insta::assert_snapshot!(told(
        "steps:\n  scale-chekout: { in: shop }\n  mitigate/restart: { in: shop }\n  restat-it: { in: shop }\n  nothing-like-it: { in: shop }\n  scale-checkout: { in: shop }\n  restart-it: { choose: true }\n  mitigate/restart-it: { choose: true }\n"
    ));
}

#[test]
fn an_id_that_is_gone_is_told_with_those_that_there_are() {
    let says = |more: &str, runbook: &str, help: &str| {
        let (_, _, told) = load_with(more, runbook);
        assert!(told.contains(help), "{told}");
    };
    let step = |heading: &str, title: &str| format!("## {heading}\n\n### {title}\n\n```bash\ntrue\n```\n\n");
    let of_restart = "steps: { mitigate/restart: { timeout: 1s } }\n";
    let two = format!("# T\n\n{}{}", step("Mitigate Redis", "Restart"), step("Mitigate the web", "Restart"));
    says(of_restart, &two, "there is `mitigate/restart.mitigate-redis` and `mitigate/restart.mitigate-the-web`");
    let moved = format!("# T\n\n{}{}", step("Mitigation", "Look"), step("Rollback", "Restart"));
    says(of_restart, &moved, "there is `mitigate/look` and `rollback/restart`");
    let similar = format!("# T\n\n{}", step("Mitigation", "Stop and restart the old worker"));
    says(
        "steps: { mitigate/restart-the-worker: { timeout: 1s } }\n",
        &similar,
        "did you mean `mitigate/stop-and-restart-the-old-worker`?",
    );
}

#[test]
fn mistakes_in_what_is_said_about_a_step() {
    let texts = [
        "steps:\n  restart-it: { skip: true, run: x, tiemout: 5s, retry: 5, expect: '/(/', expect-exit: -1, background: 1, capture: a-b, in: [db] }\n  see-who-waits:\n  end-them: { run: '#!/bin/sh' }\n  rollback/restart: { run: ' ' }\n  mitigate/scale-checkout: [x]\n  rollback/scale-checkout: { skip: not now, choose: true }\n",
        "steps: [restart-it]\n",
        "steps: ~\n",
    ];
    insta::assert_snapshot!(texts.map(told).join("\n"));
}

#[test]
fn captures_meet() {
    insta::assert_snapshot!(told(
        "steps:\n  mitigate/scale-checkout: { capture: pid }\n  restart-it: { choose: true, capture: OUT }\n  rollback/restart: { capture: out }\n"
    ));
}

#[test]
fn what_likely_is_not_meant() {
    insta::assert_snapshot!(fine(
        "steps:\n  rollback/restart: { timeout: 5s }\n  look-at-the-dashboard: { timeout: 5s }\n  see-who-waits: { choose: true }\n"
    )
    .2);
}

#[test]
fn mistakes_in_clients_and_services() {
    let texts = [
        "clients:\n  bash: { command: bash }\n  sql: { command: ' ', servce: db }\n  SQL: { command: psql }\n  'a b': { command: x }\n  redis: redis-cli\n  mysql: { service: 'a b', command: [x] }\n",
        "clients: {}\n",
        "clients: [sql]\n",
    ];
    let services =
        "clients: { sql: { service: dbb, command: psql } }\nsteps: { restart-it: { in: shp, choose: true } }\n";
    let runbook = RUNBOOK.replace("in=db", "in=database");
    insta::assert_snapshot!(format!("{}\n{}", texts.map(told).join("\n"), load_with(services, &runbook).2));
}

#[test]
fn nothing_to_be_about() {
    let without = |more: &str| {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("s.yaml");
        std::fs::write(&path, more).expect("a file");
        render(&load(Path::new(&path), &Overrides::default()).1, false)
    };
    assert!(without("steps: { x: { in: db } }\n").contains("`steps` needs a runbook whose steps it is about"));
}

#[test]
fn what_never_ends_may_run_in_the_background() {
    let text =
        "# R\n\n## Mitigation\n\n### Watch\n\n```bash\ntail -f /var/log/app.log\n```\n\n### Act\n\n```bash\nls\n```\n";
    let (_, _, told) = load_with("", text);
    let (plan, _, _) = load_with("steps: { watch: { background: true } }\n", text);
    let plan = plan.unwrap_or_else(|| panic!("{told}"));
    let runbook = plan.0.runbook.expect("a runbook");
    assert_eq!(step(&runbook, "mitigate/watch").commands().len(), 1);
}

#[test]
fn nobody_waits_for_the_end_of_what_runs_in_the_background() {
    let text = "# R\n\n## Mitigation\n\n### Watch\n\n```bash\nsleep 9\n```\n";
    let (_, diags, told) = load_with("steps: { watch: { background: true, capture: X } }\n", text);
    assert!(diags.has_errors() && told.contains("cannot have `capture`"), "{told}");
    let annotated = text.replace("```bash", "<!-- firedrill: background expect=/x/ -->\n```bash");
    let (_, diags, told) = load_with("", &annotated);
    assert!(diags.has_errors() && told.contains("cannot have `expect`") && told.contains("r.md:8:1"), "{told}");
    let (_, _, told) = load_with(
        "steps: { watch: { retry: 2/1s } }\n",
        &text.replace("```bash", "<!-- firedrill: background -->\n```bash"),
    );
    assert!(told.contains("cannot have `retry`"), "{told}");
}
