//! Ctrl-C in each phase of a drill: it ends as interrupted, and nothing of it is left.

use crate::drill::{self, DB_POOL, Drill, Leftovers, Project, container, try_docker};
use firedrill::record::{Event, FaultEvent, Phase, StepStatus, Verdict};
use std::time::Duration;

/// A condition that never holds, so that a drill waits for it.
const DEAF: (&str, &str) = ("db_pool_available < 1, within: 15s", "db_pool_available > 100, within: 60s");
/// A recovery that takes longer than a test.
const LONG_HOLD: (&str, &str) = ("hold: 2s }", "hold: 60s }");

/// A drill that is interrupted as soon as a phase begins.
fn interrupted_in(phase: Phase, edits: &[(&str, &str)]) -> Drill {
    let project = Project::shipped(DB_POOL, edits, &[]);
    let drill = project.followed("db-pool", &[], |running| {
        running.phase(phase);
        running.interrupt();
    });
    drill.came_to(Verdict::Interrupted, 130, &["interrupted"]).reverted();
    assert!(drill.phases().contains(&phase), "{}", drill.story());
    let reported = drill.file("junit.xml");
    assert!(reported.contains("interrupted") && !reported.contains("<failure"), "{reported}");
    drill
}

#[test]
fn while_the_stack_comes_up() {
    let drill = interrupted_in(Phase::Up, &[]);
    assert_eq!(drill.phases(), [Phase::Up, Phase::Revert, Phase::Down], "{}", drill.story());
}

#[test]
fn while_the_services_start() {
    // Compose is at work: it must not go on behind the back of the removal.
    let project = Project::shipped(DB_POOL, &[], &[]);
    let mut running = project.start("db-pool", &[]);
    let run = running.run();
    drill::poll("the first container", drill::PATIENCE, || match drill::containers(&run, "db").is_empty() {
        true => Err("none".into()),
        false => Ok(()),
    });
    running.interrupt();
    let drill = running.end();
    drill.came_to(Verdict::Interrupted, 130, &[]);
}

#[test]
fn while_an_image_is_built() {
    let (project, sleep) = Project::that_builds_for_ever();
    let mut running = project.start("db-pool", &[]);
    let run = running.run();
    drill::poll("the build", drill::PATIENCE, || drill::building(&sleep));
    running.interrupt();
    let drill = running.end();
    drill.came_to(Verdict::Interrupted, 130, &[]);
    assert_eq!(drill.run(), run);
    drill::poll("the build to end", drill::ALLOWED, || drill::built(&sleep));
}

#[test]
fn while_the_load_becomes_steady() {
    let drill = interrupted_in(Phase::Steady, &[]);
    assert!(drill.record.faults.is_empty(), "{}", drill.story());
}

#[test]
fn while_the_fault_goes_in() {
    let drill = interrupted_in(Phase::Inject, &[]);
    assert!(drill.commands().is_empty(), "{}", drill.story());
}

#[test]
fn while_the_alert_is_awaited() {
    let drill = interrupted_in(Phase::Detect, &[DEAF]);
    assert_eq!(drill.stopped_in(), Some(Phase::Detect), "{}", drill.story());
    assert_eq!(drill.record.faults.len(), 1, "{}", drill.story());
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
    running.terminate();
    let drill = running.end();
    drill.came_to(Verdict::Interrupted, 130, &[]).reverted();
    assert_eq!(drill.stopped_in(), Some(Phase::Respond), "{}", drill.story());
    let step = drill.record.steps.last().expect("a step");
    assert!(step.status.is_none_or(|status| status == StepStatus::Failed), "{}", drill.story());
    assert_eq!(step.commands.last().and_then(|command| command.exit), None, "it never ended by itself");
}

#[test]
fn while_users_recover() {
    let drill = interrupted_in(Phase::Recover, &[LONG_HOLD]);
    assert_eq!(drill.stopped_in(), Some(Phase::Recover), "{}", drill.story());
    assert!(drill.record.mitigation_ended_us.is_some());
}

#[test]
fn while_the_slis_must_hold_once_more() {
    let drill = interrupted_in(Phase::Revert, &[("revert: { hold: 1s }", "revert: { hold: 10m }")]);
    assert!(drill.took < Duration::from_secs(600), "nobody waits for a hold that nobody wants\n{}", drill.story());
}

#[test]
fn while_the_stack_is_removed() {
    interrupted_in(Phase::Down, &[]);
}

#[test]
fn a_second_one_goes_straight_to_the_removal() {
    let project = Project::shipped(DB_POOL, &[DEAF], &[]);
    let mut running = project.start("db-pool", &[]);
    let run = running.run();
    running.phase(Phase::Detect);
    // A database that does not answer keeps the undo of its fault waiting.
    try_docker(&["pause", &container(&run, "db")]).expect("a running database");
    running.interrupt();
    running.phase(Phase::Revert);
    running.interrupt();
    let drill = running.end();
    drill.came_to(Verdict::Interrupted, 130, &[]);
    let lives = drill.record.faults.iter().flat_map(|fault| &fault.life);
    assert!(lives.clone().all(|moment| moment.what != FaultEvent::Reverted), "{}", drill.story());
    let began = |phase| drill.record.phases.iter().find(|p| p.phase == phase).map(|p| p.started_us).unwrap_or_default();
    let waited = began(Phase::Down).since(began(Phase::Revert));
    assert!(waited < Duration::from_secs(5), "{waited:?}\n{}", drill.story());
}

#[test]
fn the_drills_that_were_still_to_come_have_not_passed() {
    let edits = [("db_pool_available < 1, within: 15s", "db_pool_available > 100, within: 1s")];
    let project = Project::shipped(DB_POOL, &edits, &[]);
    let mut running = project.start("db-pool", &["db-pool"]);
    running.until("the end of the first one", |event| matches!(event, Event::Ended { .. }));
    running.interrupt();
    let first = running.end();
    assert!(first.record.ended, "{}", first.story());
    assert_eq!(first.exit, Some(130), "{}", first.story());
    let runs = std::fs::read_dir(project.path().join(".firedrill/runs")).expect("runs").flatten();
    for run in runs.map(|run| run.file_name().to_string_lossy().into_owned()).filter(|run| run != "latest") {
        assert_eq!(Leftovers::of(&run, None), Leftovers(vec![]), "{}", first.story());
    }
}
