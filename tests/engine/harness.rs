//! A harness that broke is never a verdict on the runbook, and everything is undone all the same.

use crate::support::{Case, DB_CONTAINER, Happening, MIXED, PAUSE, TWO, Told};
use firedrill::record::{Check, FaultEvent, Phase, Verdict};

fn removed(told: &Told) {
    assert!(told.happenings().any(|happening| *happening == Happening::Down), "{}", told.story());
}

#[tokio::test]
async fn a_fault_that_cannot_be_injected_is_an_error_at_its_line() {
    let told = Case::new().set("faults", TWO).world(|world| world.cannot_inject = Some("postgres_lock")).run().await;
    told.verdict(Verdict::HarnessError, &["permission denied"]).at("fake.yaml", "postgres_lock");
    told.passed(Check::Injection { fault: "http_status".into() });
    told.error(Check::Injection { fault: "postgres_lock".into() });
    assert_eq!(told.lifted(), ["postgres_lock", "http_status"], "also the one that may be in place half-way");
}

#[tokio::test]
async fn a_fault_that_cannot_be_confirmed_is_an_error_not_a_pass() {
    let told = Case::new().world(|world| world.cannot_confirm = Some("http_status")).run().await;
    told.verdict(Verdict::HarnessError, &["pg_locks cannot be read"]).at("fake.yaml", "http_status");
    told.error(Check::Injection { fault: "http_status".into() }).not_reached(Check::Impact);
    assert_eq!(told.lifted(), ["http_status"]);
    removed(&told);
}

#[tokio::test]
async fn a_fault_that_is_never_seen_in_place_is_an_error_not_a_pass() {
    let told = Case::new().world(|world| world.never_in_place = Some("http_status")).run().await;
    told.verdict(Verdict::HarnessError, &["`http_status`", "in place"]).at("fake.yaml", "http_status");
    told.error(Check::Injection { fault: "http_status".into() }).not_reached(Check::Impact);
    assert_eq!(told.life("http_status").get(1), Some(&FaultEvent::Failed));
    assert_eq!(told.lifted(), ["http_status"]);
}

#[tokio::test]
async fn a_panic_while_the_stack_comes_up_is_an_error_and_the_stack_is_removed() {
    let told = Case::new().world(|world| world.panics_in = Some("up")).run().await;
    told.verdict(Verdict::HarnessError, &["panicked", "the fake panics in up"]);
    removed(&told);
}

#[tokio::test]
async fn a_panic_while_connecting_or_opening_the_shell_is_an_error() {
    for method in ["connect", "shell"] {
        let told = Case::new().world(|world| world.panics_in = Some(method)).run().await;
        told.verdict(Verdict::HarnessError, &["panicked", method]);
        removed(&told);
    }
}

#[tokio::test]
async fn a_panic_with_a_fault_in_place_is_an_error_and_the_fault_is_undone() {
    let told = Case::new().set("faults", MIXED).world(|world| world.panics_in = Some("containers")).run().await;
    told.verdict(Verdict::HarnessError, &["panicked", "containers"]);
    assert_eq!(told.lifted(), ["http_status"]);
    removed(&told);
}

#[tokio::test]
async fn a_panic_while_undoing_does_not_keep_the_stack_up() {
    let told = Case::new().set("faults", PAUSE).world(|world| world.panics_in = Some("operate (revert)")).run().await;
    assert!(!told.record.passed());
    let unpaused = |happening: &&Happening| matches!(happening, Happening::Operated { container, .. } if container == DB_CONTAINER);
    assert_eq!(told.happenings().filter(unpaused).count(), 2, "the pause, and the attempt to undo it");
    removed(&told);
}

#[tokio::test]
async fn a_panic_while_saving_logs_does_not_keep_the_stack_up() {
    let told = Case::new().world(|world| world.panics_in = Some("save_logs")).run().await;
    removed(&told);
}

#[tokio::test]
async fn a_panic_while_removing_is_told_and_is_no_pass() {
    let told = Case::new().world(|world| world.panics_in = Some("down")).run().await;
    assert!(!told.record.passed());
    assert!(!told.record.left.is_empty(), "nobody knows what is left");
}

#[tokio::test]
async fn a_container_without_a_shell_is_the_harness_not_the_runbook() {
    let told = Case::new().world(|world| world.no_shell = true).run().await;
    told.verdict(Verdict::HarnessError, &["no bash"]);
    assert_eq!(told.lifted(), ["http_status"]);
    removed(&told);
}

#[tokio::test]
async fn a_shell_session_that_ends_is_an_error_at_the_command_that_ran() {
    let told = Case::new().replace("fix", "vanish").run().await;
    told.verdict(Verdict::HarnessError, &["shell session"]).at("runbook.md", "vanish");
    told.error(Check::Step { step: told.step_id("work-around-it") });
    assert_eq!(told.lifted(), ["http_status"]);
}

#[tokio::test]
async fn events_that_cannot_be_written_are_an_error_whatever_the_drill_came_to() {
    let told = Case::new().events_cannot_be_written().run().await;
    told.verdict(Verdict::HarnessError, &["events could not be written"]);
    assert!(told.record.phases.iter().any(|phase| phase.phase == Phase::Down));
    assert!(!told.record.passed());
}
