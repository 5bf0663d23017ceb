//! kill -9 of the runner in each phase: its reaper removes everything and ends the record, which says what was under way.
//! And what is left to `firedrill sweep` when the reaper is killed as well, or a stack was kept.

use crate::drill::{self, ALLOWED, DB_POOL, Drill, Leftovers, Project, UPSTREAM, poll, psql, try_docker, undisturbed};
use firedrill::record::{Event, Phase, Verdict};
use rustix::process::{Signal, kill_process};
use std::time::Duration;

const DEAF: (&str, &str) = ("db_pool_available < 1, within: 15s", "db_pool_available > 100, within: 60s");

/// A drill whose runner is killed as soon as a phase begins.
fn killed_in(phase: Phase, edits: &[(&str, &str)]) -> Drill {
    let project = Project::shipped(DB_POOL, edits, &[]);
    let drill = undisturbed(|| {
        let mut running = project.start("db-pool", &[]);
        running.phase(phase);
        running.killed()
    });
    cut_off(&drill);
    drill
}

/// What is true of every drill that was cut off.
fn cut_off(drill: &Drill) {
    assert_eq!(drill.exit, None, "a signal ended it\n{}", drill.story());
    assert_eq!(drill.record.verdict, Verdict::Incomplete, "{}", drill.story());
    assert!(!drill.record.passed(), "{}", drill.story());
    drill.nothing_left().sealed();
    let phase = drill.record.phases.last().expect("a phase").phase;
    let under_way = format!("the runner was killed during {}", phase.name());
    assert!(drill.record.reason.contains(&under_way), "`{under_way}`\n{}", drill.story());
    let junit = drill.file("junit.xml");
    assert!(junit.contains("the runner was killed") && junit.contains("<error"), "{junit}");
}

#[test]
fn while_the_stack_comes_up() {
    let drill = killed_in(Phase::Up, &[]);
    assert_eq!(drill.phases(), [Phase::Up]);
}

#[test]
fn while_the_services_start() {
    let project = Project::shipped(DB_POOL, &[], &[]);
    let mut running = project.start("db-pool", &[]);
    let run = running.run();
    poll("the first container", drill::PATIENCE, || match drill::containers(&run, "db").is_empty() {
        true => Err("none".into()),
        false => Ok(()),
    });
    cut_off(&running.killed());
}

#[test]
fn while_an_image_is_built() {
    let (project, sleep) = Project::that_builds_for_ever();
    let running = project.start("db-pool", &[]);
    poll("the build", drill::PATIENCE, || drill::building(&sleep));
    cut_off(&running.killed());
    poll("the build to end", ALLOWED, || drill::built(&sleep));
}

#[test]
fn while_the_load_becomes_steady() {
    killed_in(Phase::Steady, &[]);
}

#[test]
fn while_the_fault_goes_in() {
    killed_in(Phase::Inject, &[]);
}

#[test]
fn while_the_alert_is_awaited() {
    let drill = killed_in(Phase::Detect, &[DEAF]);
    assert_eq!(drill.stopped_in(), Some(Phase::Detect));
}

#[test]
fn while_a_command_runs() {
    let hangs = [("psql -X -At -c \"SELECT 'connected to '", "sleep 600; psql -X -At -c \"SELECT 'connected to '")];
    let project = Project::shipped(DB_POOL, &[("phases: [", "timeout: 601s\n  phases: [")], &hangs);
    let mut running = project.start("db-pool", &[]);
    running.until(
        "the command that hangs",
        |event| matches!(event, Event::CommandStarted { text, .. } if text.contains("sleep 600")),
    );
    let drill = running.killed();
    cut_off(&drill);
    let line = project.line("runbooks/db-pool.md", "sleep 600");
    let place = format!("runbooks/db-pool.md:{line}");
    assert!(drill.record.reason.contains(&place), "`{place}`\n{}", drill.story());
}

#[test]
fn while_users_recover() {
    killed_in(Phase::Recover, &[("hold: 2s }", "hold: 60s }")]);
}

#[test]
fn while_the_slis_must_hold_once_more() {
    killed_in(Phase::Revert, &[("revert: { hold: 1s }", "revert: { hold: 60s }")]);
}

#[test]
fn while_the_stack_is_removed() {
    killed_in(Phase::Down, &[]);
}

/// Sessions of the fault in the shop's database.
fn sessions_of_the_fault(run: &str) -> Result<(), String> {
    match psql(run, "SELECT count(*) FROM pg_stat_activity WHERE usename LIKE 'firedrill%'")?.as_str() {
        "0" => Ok(()),
        held => Err(format!("{held} sessions")),
    }
}

#[test]
fn with_its_reaper_the_agents_lift_the_fault_and_a_sweep_removes_the_rest() {
    let project = Project::shipped(DB_POOL, &[DEAF], &[]);
    let mut running = project.start("db-pool", &[]);
    let run = running.run();
    running.phase(Phase::Detect);
    assert!(sessions_of_the_fault(&run).is_err(), "the fault is in place");
    // A sweep beside a living run leaves it alone.
    let sweep = project.firedrill(&["sweep", &run]);
    assert_eq!((sweep.exit, sweep.stdout.trim()), (Some(0), format!("running  {run}: left alone").as_str()));
    let sweep = project.firedrill(&["sweep", "--kept", &run]);
    assert_eq!((sweep.exit, sweep.stdout.trim()), (Some(0), format!("running  {run}: left alone").as_str()));
    assert!(sessions_of_the_fault(&run).is_err(), "the fault is in place");

    let reaper = running.reaper();
    kill_process(reaper, Signal::KILL).expect("the reaper runs");
    let killed = running.kill();
    poll("the agent to lift the fault", Duration::from_secs(60), || match sessions_of_the_fault(&run) {
        // The sweep of another drill that starts may be faster.
        Err(_) if Leftovers::of(&run, None).is_empty() => Ok(()),
        sessions => sessions,
    });
    println!("the fault was lifted {:.1} s after kill -9 of runner and reaper", killed.elapsed().as_secs_f64());
    poll("a sweep to remove the rest", ALLOWED, || {
        let sweep = project.firedrill(&["sweep", &run]);
        assert_eq!(sweep.exit, Some(0), "{}{}", sweep.stdout, sweep.stderr);
        match Leftovers::of(&run, None) {
            left if left.is_empty() => Ok(()),
            left => Err(left.to_string()),
        }
    });
    // Whoever swept it has ended its story.
    cut_off(&running.gather());
}

#[test]
fn a_failed_drill_that_is_kept_stays_until_it_is_swept_and_its_fault_is_lifted() {
    let edits = [("db_pool_available < 1, within: 15s", "db_pool_available > 100, within: 1s")];
    let project = Project::shipped(DB_POOL, &edits, &[]);
    let drill = project.drill("db-pool", &["--keep"]);
    let run = drill.run().to_string();
    // Whatever comes next, the stack goes with the end of the test.
    struct Gone<'a>(&'a Project, String);
    impl Drop for Gone<'_> {
        fn drop(&mut self) {
            self.0.firedrill(&["sweep", "--kept", &self.1]);
        }
    }
    let gone = Gone(&project, run.clone());
    assert_eq!((drill.record.verdict, drill.exit), (Verdict::Undetected, Some(1)), "{}", drill.story());
    assert!(drill.record.kept && drill.record.ended && drill.dir.join("kept").exists(), "{}", drill.story());
    drill.reverted();
    assert_eq!(sessions_of_the_fault(&run), Ok(()), "its fault is lifted");
    let sweep = project.firedrill(&["sweep", &run]);
    assert_eq!(sweep.exit, Some(0), "{}{}", sweep.stdout, sweep.stderr);
    let line = sweep.stdout.lines().find(|line| line.contains(&run)).unwrap_or_default();
    assert!(line.starts_with("kept") && line.contains("sweep --kept"), "{}", sweep.stdout);
    assert!(!Leftovers::of(&run, drill.project()).is_empty(), "a sweep leaves it");
    let sweep = project.firedrill(&["sweep", "--kept", &run]);
    assert!(sweep.stdout.starts_with(&format!("removed  {run}")), "{}{}", sweep.stdout, sweep.stderr);
    assert_eq!(Leftovers::of(&run, drill.project()), Leftovers(vec![]));
    drop(gone);
}

#[test]
fn a_drill_to_be_kept_is_kept_when_its_runner_is_killed_and_its_containers_run_again() {
    let edits = [
        (
            "- postgres_lock: { service: db, database: shop, table: inventory, returns: 1s }",
            "- container_pause: { service: checkout }",
        ),
        DEAF,
    ];
    let project = Project::shipped(DB_POOL, &edits, &[]);
    let mut running = project.start("db-pool", &["--keep"]);
    let run = running.run();
    running.until("the fault to be in place", |event| {
        matches!(event, Event::Fault { what: firedrill::record::FaultEvent::Confirmed, .. })
    });
    let state = || try_docker(&["inspect", "--format", "{{.State.Status}}", &drill::container(&run, "checkout")]);
    assert_eq!(state(), Ok("paused".into()));
    running.kill();
    poll("the container to be unpaused", ALLOWED, || match state() {
        Ok(state) if state == "running" => Ok(()),
        other => Err(format!("{other:?}")),
    });
    // Once the reaper is done.
    poll("the record to be ended", ALLOWED, || {
        let events = project.read(&format!(".firedrill/runs/{run}/events.jsonl"));
        if events.contains("\"type\":\"ended\"") { Ok(()) } else { Err("not yet".into()) }
    });
    let swept = poll("a sweep to remove it", ALLOWED, || {
        let sweep = project.firedrill(&["sweep", "--kept", &run]);
        match Leftovers::of(&run, None) {
            left if left.is_empty() => Ok(sweep.stdout),
            left => Err(format!("{left}: {}{}", sweep.stdout, sweep.stderr)),
        }
    });
    assert!(swept.contains(&run), "{swept}");
}

#[test]
fn two_drills_side_by_side_do_not_touch_each_other() {
    let project = Project::shipped(UPSTREAM, &[], &[]);
    std::thread::scope(|scope| {
        let both = [0, 1].map(|_| scope.spawn(|| project.drill("upstream-503", &[])));
        for drill in both {
            let drill = drill.join().expect("no panic");
            drill.came_to(Verdict::Passed, 0, &[]).reverted();
        }
    });
}
