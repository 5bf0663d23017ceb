//! Ctrl-C: in each phase everything is undone and removed; the second one goes straight to removal.

use crate::support::{Alert, Case, Entry, Happening, TWO, Told, begins, injects, lifts, removes, runs};
use firedrill::record::{Check, Event, FaultEvent, Phase, Verdict};

fn interrupted(told: &Told) {
    told.verdict(Verdict::Interrupted, &[]);
    assert!(!told.record.passed());
    told.passed(Check::NothingLeft);
}

fn reverted(told: &Told, fault: &str) {
    assert_eq!(told.life(fault).last(), Some(&FaultEvent::Reverted), "{}", told.story());
}

#[tokio::test]
async fn while_the_stack_comes_up() {
    let told = Case::new()
        .world(|world| world.up_hangs = true)
        .on(begins(Phase::Up), |controls| controls.shutdown.cancel.cancel())
        .run()
        .await;
    interrupted(&told);
}

#[tokio::test]
async fn before_the_drill_began() {
    let told = Case::new()
        .on(Box::new(|entry| matches!(entry.event(), Some(Event::Announced(_)))), |controls| {
            controls.shutdown.cancel.cancel();
        })
        .run()
        .await;
    told.verdict(Verdict::Interrupted, &[]);
}

#[tokio::test]
async fn while_the_load_becomes_steady() {
    let told = Case::new()
        .world(|world| world.bad_from_the_start = true)
        .on(Box::new(|entry| matches!(entry.event(), Some(Event::Slice(_)))), |controls| {
            controls.shutdown.cancel.cancel();
        })
        .run()
        .await;
    interrupted(&told);
    assert_eq!(told.lifted(), Vec::<&str>::new());
}

#[tokio::test]
async fn while_a_fault_goes_in() {
    let told = Case::new()
        .set("faults", TWO)
        .on(injects("postgres_lock"), |controls| controls.shutdown.cancel.cancel())
        .run()
        .await;
    interrupted(&told);
    assert_eq!(told.lifted(), ["postgres_lock", "http_status"]);
    reverted(&told, "postgres_lock");
    reverted(&told, "http_status");
}

#[tokio::test]
async fn while_the_impact_is_awaited() {
    let told = Case::new()
        .world(|world| world.toothless = true)
        .on(begins(Phase::Impact), |controls| controls.shutdown.cancel.cancel())
        .run()
        .await;
    interrupted(&told);
    reverted(&told, "http_status");
}

#[tokio::test]
async fn while_the_alert_is_awaited() {
    let told = Case::new()
        .set("detect", "{ metrics: 'http://web:9100/metrics', when: queue > 5, within: 5s }")
        .world(|world| world.alert = Alert::Deaf)
        .on(begins(Phase::Detect), |controls| controls.shutdown.cancel.cancel())
        .run()
        .await;
    interrupted(&told);
    reverted(&told, "http_status");
}

#[tokio::test]
async fn while_a_command_runs() {
    let told = Case::new()
        .replace("fix", "hang")
        .set("respond", "{ phases: [diagnose, mitigate], timeout: 30s }")
        .on(runs("hang"), |controls| controls.shutdown.cancel.cancel())
        .run()
        .await;
    interrupted(&told);
    reverted(&told, "http_status");
    let killed = Entry::Done(Happening::Killed { text: "hang".into() });
    assert!(told.entries.contains(&killed), "the command does not outlive the drill\n{}", told.story());
}

#[tokio::test]
async fn while_users_recover() {
    let told = Case::new().on(begins(Phase::Recover), |controls| controls.shutdown.cancel.cancel()).run().await;
    interrupted(&told);
    reverted(&told, "http_status");
}

#[tokio::test]
async fn while_faults_are_undone_they_all_still_are() {
    let told = Case::new()
        .set("faults", TWO)
        .on(lifts("postgres_lock"), |controls| controls.shutdown.cancel.cancel())
        .run()
        .await;
    interrupted(&told);
    reverted(&told, "postgres_lock");
    reverted(&told, "http_status");
}

#[tokio::test]
async fn while_the_slis_must_hold_once_more() {
    let told = Case::new()
        .set("revert", "{ hold: 20s }")
        .on(
            Box::new(|entry| matches!(entry.event(), Some(Event::Fault { what: FaultEvent::Reverted, .. }))),
            |controls| controls.shutdown.cancel.cancel(),
        )
        .run()
        .await;
    interrupted(&told);
    assert!(told.record.last_us.0 < 15_000_000, "nobody waits for a hold that nobody wants any more");
}

#[tokio::test]
async fn while_the_stack_is_removed_the_removal_goes_on() {
    let told = Case::new().on(removes(), |controls| controls.shutdown.cancel.cancel()).run().await;
    told.passed(Check::NothingLeft);
    assert!(told.record.ended && told.record.left.is_empty());
}

#[tokio::test]
async fn a_drill_that_is_to_be_kept_is_removed_when_it_is_interrupted() {
    let told = Case::new()
        .options(|options| options.keep = true)
        .on(begins(Phase::Recover), |controls| controls.shutdown.cancel.cancel())
        .run()
        .await;
    interrupted(&told);
    assert!(!told.outcome.kept);
}

#[tokio::test]
async fn a_second_signal_goes_straight_to_removal() {
    let told = Case::new()
        .on(runs("fix"), |controls| {
            controls.shutdown.cancel.cancel();
            controls.shutdown.hurry.cancel();
        })
        .run()
        .await;
    interrupted(&told);
    assert_eq!(told.lifted(), Vec::<&str>::new());
    told.not_reached(Check::Revert);
    assert!(!told.happenings().any(|happening| *happening == Happening::LogsSaved));
}

#[tokio::test]
async fn a_second_signal_ends_a_revert_that_hangs() {
    let told = Case::new()
        .world(|world| world.lift_hangs = Some("http_status"))
        .on(runs("fix"), |controls| controls.shutdown.cancel.cancel())
        .on(lifts("http_status"), |controls| controls.shutdown.hurry.cancel())
        .run()
        .await;
    interrupted(&told);
    told.not_reached(Check::Revert);
    assert!(told.record.last_us.0 < 12_000_000, "the hanging undo is not waited for");
}

#[tokio::test]
async fn a_second_signal_while_the_stack_is_removed_does_not_stop_the_removal() {
    let told = Case::new()
        .on(begins(Phase::Recover), |controls| controls.shutdown.cancel.cancel())
        .on(removes(), |controls| controls.shutdown.hurry.cancel())
        .run()
        .await;
    interrupted(&told);
    assert!(told.record.left.is_empty());
}

#[tokio::test]
async fn a_second_signal_does_not_wait_for_agents_that_do_not_end() {
    let told = Case::new()
        .world(|world| world.agents_cling = true)
        .on(runs("fix"), |controls| controls.shutdown.cancel.cancel())
        .on(Box::new(|entry| entry.done() == Some(&Happening::LogsSaved)), |controls| controls.shutdown.hurry.cancel())
        .run()
        .await;
    interrupted(&told);
    assert!(told.record.last_us.0 < 8_000_000, "the agents' own ends are not waited for");
}

#[tokio::test]
async fn while_the_faults_of_a_drill_that_had_failed_as_expected_are_undone() {
    let told = Case::new()
        .replace("fix", "false")
        .set("expect", "{ verdict: step_failed }")
        .on(begins(Phase::Revert), |controls| controls.shutdown.cancel.cancel())
        .run()
        .await;
    assert_eq!(told.record.verdict, Verdict::StepFailed);
    assert_eq!(told.record.outcome(), firedrill::record::RunOutcome::Interrupted, "an interruption is never a pass");
    reverted(&told, "http_status");
}
