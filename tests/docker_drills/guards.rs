//! When faults act and what ends a drill, on real Docker: a fault that ends by its time, a condition of `stop_when`,
//! `firedrill stop` from another terminal, and a dry run that touches nothing.

use crate::drill::{DB_POOL, Project, docker};
use firedrill::record::{Event, FaultAfter, FaultEvent, Verdict};

/// A slow database for three seconds, and beside it the lock, which stays until the runbook ends it.
const TWO: (&str, &str) = (
    "  - postgres_lock: { service: db, database: shop, table: inventory, returns: 1s }",
    "  - tcp_latency: { service: db, port: 5432, latency: 20ms }\n    lasts: 3s\n  \
     - postgres_lock: { service: db, database: shop, table: inventory }\n    after: 1s",
);

#[test]
fn a_fault_ends_by_its_time_and_the_runbook_clears_the_other() {
    let project = Project::shipped(DB_POOL, &[TWO], &[]);
    let drill = project.drill("db-pool", &[]);
    drill.came_to(Verdict::Passed, 0, &["users recovered"]);
    drill
        .fault_after("tcp_latency", FaultAfter::EndedByTime)
        .fault_after("postgres_lock", FaultAfter::ClearedByRunbook);
    let [slow, lock] = ["tcp_latency", "postgres_lock"].map(|id| drill.record.fault_record(id).expect("a fault"));
    let ended = slow.at(FaultEvent::EndedByTime).expect("an end");
    let confirmed = slow.at(FaultEvent::Confirmed).expect("a confirmation");
    assert!((3.0..5.0).contains(&ended.since(confirmed).as_secs_f64()), "{}", drill.story());
    assert!(lock.at(FaultEvent::Confirmed).expect("a confirmation").since(confirmed).as_secs_f64() >= 1.0);
    assert!(drill.record.mitigation_started_us > Some(ended), "{}", drill.story());
    let rows = firedrill::archive::evidence::recompute(&drill.dir).expect("a run");
    let differ: Vec<_> = rows.iter().filter(|row| !row.is_same()).collect();
    assert!(differ.is_empty(), "{differ:?}");
}

#[test]
fn users_who_recover_when_the_fault_has_ended_were_not_helped_by_the_runbook() {
    let lasts = ("table: inventory, returns: 1s }", "table: inventory }\n    lasts: 6s");
    let project = Project::shipped(DB_POOL, &[lasts], &[]);
    let drill = project.drill("db-pool", &[]);
    drill.came_to(Verdict::SelfHealed, 1, &["recovered without the runbook"]);
    drill.fault_after("postgres_lock", FaultAfter::EndedByTime);
    assert_eq!(drill.record.mitigation_started_us, None, "{}", drill.story());
}

#[test]
fn a_page_and_a_script_end_the_drill() {
    let stops = [
        ("an SLI", "{ sli: availability, below: 60%, for: 2s }", "availability is below 60% for 2s"),
        ("a page", "{ http: 'http://checkout:8080/checkout', status: 405 }", "answers 405"),
        ("a script", "{ service: db, run: echo 97, value: '> 95' }", "it is 97 and must be > 95"),
    ];
    for (what, condition, words) in stops {
        let stop = format!(
            "\nfaults:\n  - postgres_lock: {{ service: db, database: shop, table: inventory, returns: 1s }}\nstop_when: [{condition}]\n"
        );
        let edit = (
            "\nfaults:\n  - postgres_lock: { service: db, database: shop, table: inventory, returns: 1s }\n",
            stop.as_str(),
        );
        let drill = Project::shipped(DB_POOL, &[edit], &[]).drill("db-pool", &["--keep"]);
        drill.came_to(Verdict::Interrupted, 130, &["stop_when", words]);
        let judged = drill.record.judged_us.expect("a verdict");
        let undone = drill.record.faults.iter().filter_map(|fault| fault.at(FaultEvent::Reverted)).max();
        let took = undone.map_or(0.0, |undone| undone.since(judged).as_secs_f64());
        assert!(took < 2.0, "{what}: undone after {took} s\n{}", drill.story());
    }
}

#[test]
fn another_terminal_stops_the_drill() {
    let project = Project::shipped(DB_POOL, &[("hold: 2s }", "hold: 60s }")], &[]);
    let mut running = project.start("db-pool", &[]);
    running.until("the fault", |event| matches!(event, Event::Fault { what: FaultEvent::Confirmed, .. }));
    let run = running.run();
    let stopped = project.firedrill(&["stop", &run]);
    assert_eq!(stopped.exit, Some(0), "{}{}", stopped.stdout, stopped.stderr);
    let drill = running.end();
    drill.came_to(Verdict::Interrupted, 130, &["with `firedrill stop`"]).reverted().sealed();
    let again = project.firedrill(&["stop", &run]);
    assert_eq!(again.exit, Some(2), "{}{}", again.stdout, again.stderr);
}

#[test]
fn a_dry_run_says_what_would_be_touched_and_touches_nothing() {
    let project = Project::shipped(DB_POOL, &[], &[]);
    // Of this project only: other tests run at the same time.
    let seen = || {
        let things = [&["ps", "--all"][..], &["network", "ls"], &["volume", "ls"]];
        let mine = project.path().display().to_string();
        let dirs = |what: &[&str]| docker(&[what, &["--format", "{{.Label \"dev.firedrill.dir\"}}"]].concat());
        let all = things.map(|what| dirs(what).lines().filter(|dir| dir.contains(&mine)).count());
        (all, std::fs::read_dir(project.path()).expect("a folder").count())
    };
    let before = seen();
    let dry = project.firedrill(&["scenario", "db-pool", "--dry-run"]);
    assert_eq!(dry.exit, Some(0), "{}{}", dry.stdout, dry.stderr);
    for words in [
        "fault    postgres_lock: ",
        "touches `db`",
        "undone by ending the session, dropping its role",
        "| postgres_lock: { service: db, database: shop, table: inventory, returns: 1s }",
        "ALTER ROLE",
    ] {
        assert!(dry.stdout.contains(words), "{words:?} is not in\n{}", dry.stdout);
    }
    assert!(!dry.stdout.contains("oncall-local"), "{}", dry.stdout);
    assert_eq!(seen(), before);
    assert!(!project.path().join(".firedrill/runs").exists());
}
