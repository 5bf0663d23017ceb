//! Up and steady: what ends a drill before anything is broken.

use crate::support::{Alert, Case, Entry, Happening, begins};
use firedrill::record::{Check, Event, Phase, Verdict};
use firedrill::stack::StackError;
use std::time::Duration;

const DETECT: &str = "{ metrics: 'http://web:9100/metrics', when: queue > 5, within: 1s }";

fn nothing_was_broken(told: &crate::support::Told) {
    assert!(!told.happenings().any(|happening| matches!(happening, Happening::Injected { .. })));
    assert!(!told.record.phases.iter().any(|phase| phase.phase == Phase::Inject));
    assert_eq!(told.commands(), Vec::<&str>::new());
}

#[tokio::test]
async fn users_who_suffer_from_the_start_are_unsteady() {
    let told = Case::new().world(|world| world.bad_from_the_start = true).run().await;
    told.verdict(Verdict::Unsteady, &["availability", "0%"]).at("fake.yaml", "steady:").failed(Check::Steady);
    nothing_was_broken(&told);
}

/// A drill whose only SLI asks the database.
pub fn of_a_query() -> Case {
    Case::new()
        .set("slis", "{ fresh: { query: { service: db, sql: SELECT true, every: 100ms }, objective: 90% } }")
        .set("steady", "{ for: 1s, within: 2s }")
        .set("impact", "{ below: 80%, within: 1500ms, window: 500ms }")
        .set("recover", "{ within: 1500ms, hold: 1s }")
}

/// A scenario that expects to be unsteady does not pass with an address that nobody answers.
#[tokio::test]
async fn where_queries_fail_from_the_start_nobody_knows_whether_users_are_served() {
    for each in [1, 2] {
        let told = of_a_query()
            .set("expect", "{ verdict: unsteady }")
            .on(begins(Phase::Steady), move |controls| controls.world.fail_queries(each))
            .run()
            .await;
        told.verdict(
            Verdict::HarnessError,
            &["whether users are served before anything is broken is not known: fresh"],
        )
        .error(Check::Steady);
        nothing_was_broken(&told);
    }
}

#[tokio::test]
async fn an_alert_that_holds_before_anything_is_broken_is_unsteady() {
    let told = Case::new().set("detect", DETECT).world(|world| world.alert = Alert::Stuck).run().await;
    told.verdict(Verdict::Unsteady, &["queue > 5", "before anything was broken"]).failed(Check::Steady);
    nothing_was_broken(&told);
}

#[tokio::test]
async fn an_alert_that_cannot_be_asked_is_not_a_quiet_one() {
    let told = Case::new().set("detect", DETECT).world(|world| world.alert = Alert::Missing).run().await;
    told.verdict(Verdict::Unsteady, &["queue > 5", "no such metric"]).failed(Check::Steady);
    nothing_was_broken(&told);
}

/// What the invariants ask takes longer than users are served.
#[tokio::test]
async fn users_who_suffer_again_before_the_first_fault_goes_in_are_unsteady() {
    let steady = |entry: &Entry| matches!(entry.event(), Some(Event::WindowHeld(held)) if held.phase == Phase::Steady);
    let told = Case::new()
        .set("steady", "{ for: 1s, within: 2s }")
        .set("invariants", "{ orders: { service: db, run: count, as_before: true } }")
        .world(|world| {
            world.probes = [("count", vec!["7"])].into();
            world.probes_take = Duration::from_millis(1500);
        })
        .on(Box::new(steady), |controls| controls.world.take_turns())
        .run()
        .await;
    told.verdict(Verdict::Unsteady, &["not served any more when the first fault was to go in: availability"]);
    told.at("fake.yaml", "steady:").passed(Check::Steady).failed(Check::Injection { fault: "http_status".into() });
    assert!(!told.happenings().any(|happening| matches!(happening, Happening::Injected { .. })), "{}", told.story());
}

#[tokio::test]
async fn where_queries_fail_just_before_the_first_fault_nobody_knows_whether_users_are_served() {
    let steady = |entry: &Entry| matches!(entry.event(), Some(Event::WindowHeld(held)) if held.phase == Phase::Steady);
    let told = of_a_query()
        .set("invariants", "{ orders: { service: db, run: count, as_before: true } }")
        .set("expect", "{ verdict: unsteady }")
        .world(|world| {
            world.probes = [("count", vec!["7"])].into();
            world.probes_take = Duration::from_millis(1500);
        })
        .on(Box::new(steady), |controls| controls.world.fail_queries(1))
        .run()
        .await;
    told.verdict(
        Verdict::HarnessError,
        &["whether users were served when the first fault was to go in is not known: fresh"],
    )
    .passed(Check::Steady)
    .error(Check::Injection { fault: "http_status".into() });
    assert!(!told.happenings().any(|happening| matches!(happening, Happening::Injected { .. })), "{}", told.story());
}

#[tokio::test]
async fn a_service_that_does_not_get_healthy_is_unsteady() {
    let error = StackError::Unhealthy {
        service: "db".into(),
        reason: "the health check failed".into(),
        tail: "FATAL: no space left\n".into(),
    };
    let told = Case::new().world(|world| world.up = Some(error)).run().await;
    told.verdict(Verdict::Unsteady, &["`db`", "the health check failed", "no space left"]).failed(Check::Steady);
    nothing_was_broken(&told);
}

#[tokio::test]
async fn a_stack_that_does_not_build_is_the_harness_not_the_runbook() {
    let error = StackError::Build { reason: "COPY failed".into(), tail: "step 3 of 4\nno such file".into() };
    let told = Case::new().world(|world| world.up = Some(error)).run().await;
    told.verdict(Verdict::HarnessError, &["COPY failed", "no such file"]).error(Check::Steady);
    nothing_was_broken(&told);
}

#[tokio::test]
async fn an_environment_that_is_broken_says_what_to_do() {
    let error = StackError::Environment {
        operation: "docker compose up".into(),
        cause: "no engine".into(),
        hint: Some("start the engine".into()),
    };
    let told = Case::new().world(|world| world.up = Some(error)).run().await;
    told.verdict(Verdict::HarnessError, &["docker compose up", "no engine", "start the engine"]).error(Check::Steady);
    nothing_was_broken(&told);
}
