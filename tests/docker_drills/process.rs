//! A bad client beside the services: restarting what it harms does not end it, half of it is not enough, and all of it is
//! ended as people end it. A runner that was killed leaves nothing of it.

use crate::drill::{DB_POOL, Drill, Project, containers};
use firedrill::record::{Event, FaultAfter, FaultEvent, Verdict};

/// Two clients that take the same lock, one after the other, and come back when their session is ended.
const EXPORT: &str = r#"  - process:
      name: export
      service: db
      summary: an export locks the inventory
      run: |
        export PGPASSWORD="$POSTGRES_PASSWORD"
        (echo "BEGIN; LOCK TABLE inventory;"; while sleep 0.2; do echo "SELECT 1;"; done) |
          psql -X -q -h db -U postgres -d shop -v ON_ERROR_STOP=1 > /dev/null
      replicas: 2
      returns: 1s
      confirm:
        service: db
        run: >-
          test "$(psql -X -At -U postgres -d shop -c "SELECT count(*) FROM pg_locks
          WHERE relation = 'inventory'::regclass AND mode = 'AccessExclusiveLock'")" -ge 1
"#;
const LOCK: &str = "  - postgres_lock: { service: db, database: shop, table: inventory, returns: 1s }\n";

fn project(fault: &str, mitigation: &str, within: &str) -> Project {
    let edits = [
        (LOCK, fault),
        ("  phases: [diagnose, mitigate, verify]\n", "  phases: [diagnose, mitigate]\n"),
        ("    SERVICE: checkout\n", ""),
        ("recover: { within: 30s, hold: 2s }", within),
    ];
    let project = Project::shipped(DB_POOL, &edits, &[]);
    let runbook = format!(
        "# Export\n\n## Diagnosis\n\n```bash\ndocker compose ps export\ndocker compose logs export\n```\n\n\
         ## Mitigation\n\n### Step 1: End it\n\n```bash\n{mitigation}\n```\n"
    );
    project.write("runbooks/db-pool.md", &runbook);
    project
}

fn evidence(drill: &Drill, what: FaultEvent) -> String {
    let told =
        drill.record.fault_record("process").and_then(|fault| fault.life.iter().find(|moment| moment.what == what));
    told.unwrap_or_else(|| panic!("{what:?}: {}", drill.story())).detail.clone()
}

const SOON: &str = "recover: { within: 3s, hold: 2s }";
const LONG: &str = "recover: { within: 30s, hold: 2s }";

#[test]
fn a_process_that_is_stopped_as_a_service_is_cleared_and_stays_so() {
    let project = project(EXPORT, "docker compose stop export", LONG);
    let drill = project.drill("db-pool", &[]);
    drill.came_to(Verdict::Passed, 0, &["users recovered"]).reverted();
    drill.fault_after("process", FaultAfter::ClearedByRunbook);
    let confirmed = evidence(&drill, FaultEvent::Confirmed);
    assert!(confirmed.contains("export-1 is running") && confirmed.contains("`confirm`: exit code 0"), "{confirmed}");
    let cleared = evidence(&drill, FaultEvent::ClearedByRunbook);
    assert_eq!(cleared.matches("has exited with 143").count(), 2, "{cleared}");
    assert_eq!(evidence(&drill, FaultEvent::Reverted), "`export` has no container");
    // What it wrote outlives its containers.
    assert!(drill.dir.join("logs/export-1.log").exists() && drill.dir.join("logs/export-2.log").exists());
    let ledger = drill.file("ledger.jsonl");
    assert!(ledger.contains(r#""undo":{"undo":"process","name":"export"}"#), "{ledger}");
}

/// One client, once.
fn once(run: &str) -> String {
    let (before, rest) = EXPORT.split_once("        (echo").expect("the script");
    let (_, after) = rest.split_once("      replicas: 2\n      returns: 1s\n").expect("its keys");
    format!("{before}        {run}\n{after}")
}

const LOCKS: &str = "psql -X -q -h db -U postgres -d shop -c \"BEGIN; LOCK TABLE inventory; SELECT pg_sleep";

#[test]
fn one_that_ended_by_itself_is_not_cleared() {
    let project = project(&once(&format!("{LOCKS}(15)\" > /dev/null")), "docker compose ps export; sleep 20", LONG);
    let drill = project.drill("db-pool", &[]);
    let reason = "the process `export` ended by itself with exit code 0 ";
    drill.came_to(Verdict::SelfHealed, 1, &[reason, " s after it began", "`returns` or `cleared_when`"]).reverted();
    drill.fault_after("process", FaultAfter::EndedByItself);
}

#[test]
fn one_that_ends_with_0_because_it_is_stopped_is_cleared() {
    // Its session ends with it: the server would not notice while it sleeps.
    let session = "(echo 'BEGIN; LOCK TABLE inventory;'; while sleep 0.2; do echo 'SELECT 1;'; done)";
    let run = once(&format!("trap 'exit 0' TERM; {session} | psql -X -q -h db -U postgres -d shop > /dev/null & wait"));
    let project = project(&run, "docker compose stop export", LONG);
    let drill = project.drill("db-pool", &[]);
    drill.came_to(Verdict::Passed, 0, &["users recovered"]).reverted();
    drill.fault_after("process", FaultAfter::ClearedByRunbook);
    let cleared = evidence(&drill, FaultEvent::ClearedByRunbook);
    assert!(cleared.contains("has exited with 0"), "{cleared}");
}

#[test]
fn one_of_two_is_half_a_cure() {
    let project = project(EXPORT, "docker stop shop-export-1", SOON);
    let drill = project.drill("db-pool", &[]);
    drill.came_to(Verdict::NotRecovered, 1, &["users had not recovered"]).reverted();
    drill.fault_after("process", FaultAfter::PartiallyActive);
}

#[test]
fn a_restart_of_what_it_harms_does_not_end_it() {
    let project = project(EXPORT, "docker compose restart db", SOON);
    let drill = project.drill("db-pool", &[]);
    drill.came_to(Verdict::NotRecovered, 1, &["users had not recovered"]).reverted();
    drill.fault_after("process", FaultAfter::StillActive);
    let log = drill.file("logs/export-1.log") + &drill.file("logs/export-2.log");
    assert!(log.contains("started again in 1 s"), "{log}");
}

#[test]
fn what_keeps_it_out_clears_it_although_it_runs() {
    // A role of its own, so that it can be shut out and the shop cannot.
    let own = EXPORT
        .replace("        (echo", "        psql -X -q -h db -U postgres -d shop -c \"CREATE ROLE export LOGIN SUPERUSER PASSWORD '$PGPASSWORD'\" || true\n        (echo")
        .replace("-h db -U postgres -d shop -v", "-h db -U export -d shop -v")
        .replace(
            "      confirm:\n",
            "      cleared_when: { service: db, run: \"psql -X -At -U postgres -d shop -c \\\"SELECT rolcanlogin FROM pg_roles WHERE \
             rolname = 'export'\\\" | grep -qx f\" }\n      confirm:\n",
        );
    let shut_out = "docker compose exec -T db psql -U postgres -d shop -c 'ALTER ROLE export NOLOGIN' \\\n  \
                    -c \"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'export'\"";
    let project = project(&own, shut_out, LONG);
    let drill = project.drill("db-pool", &[]);
    drill.came_to(Verdict::Passed, 0, &["users recovered"]).reverted();
    drill.fault_after("process", FaultAfter::ClearedByRunbook);
    let cleared = evidence(&drill, FaultEvent::ClearedByRunbook);
    assert!(cleared.contains("export-1 is running") && cleared.contains("`cleared_when`: exit code 0"), "{cleared}");
}

#[test]
fn a_killed_runner_leaves_nothing_of_it() {
    let project = project(EXPORT, "sleep 600", LONG);
    let mut running = project.start("db-pool", &[]);
    let waits = |event: &Event| matches!(event, Event::CommandStarted { text, .. } if text.contains("sleep 600"));
    running.until("the mitigation", waits);
    assert_eq!(containers(&running.run(), "export").len(), 2);
    running.killed().nothing_left();
}
