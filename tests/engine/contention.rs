//! Other drills fill the machine while this one runs: where it would fail by what was slow or broken meanwhile it says
//! nothing, so that a game day runs it again; a pass is believed, and says so.

use crate::steady::of_a_query;
use crate::support::{Alert, Case, Controls, Order, Told, begins, runs};
use firedrill::engine::{ConcurrentDrills, CountedDrill};
use firedrill::record::{Check, Event, Phase, Verdict};
use std::time::Duration;

const BESIDE: &str = "97% busy with 1 drill beside this one";

/// A drill with another one beside it, as long as the second value lives.
fn beside_another(case: Case) -> (Case, [CountedDrill; 2]) {
    let concurrent = ConcurrentDrills::default();
    let both = [concurrent.enter(), concurrent.enter()];
    (case.options(|options| options.concurrent = concurrent), both)
}

fn busy(share: f64, samples: usize) -> impl Fn(&Controls) + Send + 'static {
    move |controls| controls.world.order("fd-agent", Order::ReportBusy { share, samples })
}

/// The machine is full while the impact is awaited, and calm as soon as `calm` begins.
async fn full_during_impact(case: Case, calm: Phase) -> Told {
    let (case, _both) = beside_another(case);
    case.on(begins(Phase::Impact), busy(0.97, 3)).on(begins(calm), busy(0.2, 9)).run().await
}

fn disturbed(told: &Told, reasons: &[&str]) {
    told.verdict(Verdict::HarnessError, &[&[BESIDE], reasons].concat());
    assert!(told.events().any(|event| matches!(event, Event::Disturbed { .. })), "{}", told.story());
}

/// Notes that the impact was seen while other drills ran.
fn notes(told: &Told) -> usize {
    told.record.notes.iter().filter(|note| note.text.contains(BESIDE)).count()
}

#[tokio::test]
async fn an_impact_that_did_not_come_beside_others_says_nothing() {
    let case = Case::new().world(|world| world.toothless = true);
    let told = full_during_impact(case, Phase::Revert).await;
    disturbed(&told, &["it would have been no_impact"]);
    told.error(Check::Impact);
}

#[tokio::test]
async fn an_alert_that_did_not_follow_an_impact_beside_others_says_nothing() {
    let case = Case::new()
        .set("detect", "{ metrics: 'http://web:9100/metrics', when: queue > 5, within: 1s }")
        .world(|world| world.alert = Alert::Deaf);
    let told = full_during_impact(case, Phase::Detect).await;
    disturbed(&told, &["it would have been undetected"]);
    told.error(Check::Detection);
}

#[tokio::test]
async fn users_who_were_well_again_after_an_impact_beside_others_say_nothing() {
    let case = Case::new()
        .replace("say looking", "await-health")
        .set("respond", "{ phases: [diagnose, mitigate, verify], timeout: 10s }")
        .world(|world| world.ends_after = Some(Duration::from_millis(700)));
    let told = full_during_impact(case, Phase::Respond).await;
    disturbed(&told, &["it would have been self_healed"]);
    told.error(Check::StillBroken);
}

#[tokio::test]
async fn users_who_recovered_without_the_runbook_after_an_impact_beside_others_say_nothing() {
    let case = Case::new()
        .options(|options| options.control = true)
        .world(|world| world.ends_after = Some(Duration::from_millis(700)));
    let (case, _both) = beside_another(case);
    let told = case.on(begins(Phase::Impact), busy(0.97, 3)).on(begins(Phase::Recover), busy(0.2, 9)).run().await;
    disturbed(&told, &["it would have been self_healed"]);
    told.error(Check::Control);
}

#[tokio::test]
async fn a_pass_after_an_impact_beside_others_is_believed_and_noted() {
    let told = full_during_impact(Case::new(), Phase::Respond).await;
    told.verdict(Verdict::Passed, &[]).passed(Check::Impact);
    assert_eq!(notes(&told), 1, "{}", told.story());
}

#[tokio::test]
async fn drills_that_came_after_the_impact_is_no_matter_of_it() {
    let (case, _both) = beside_another(Case::new());
    let told = case.on(begins(Phase::Impact), busy(0.2, 9)).on(begins(Phase::Respond), busy(0.97, 1)).run().await;
    told.verdict(Verdict::Passed, &[]);
    assert_eq!(notes(&told), 0, "{}", told.story());
}

#[tokio::test]
async fn a_command_that_ran_out_of_time_beside_others_says_nothing() {
    let slow = || Case::new().replace("fix", "hang").set("respond", "{ phases: [mitigate], timeout: 700ms }");
    let (case, _both) = beside_another(slow());
    let told = case.on(runs("hang"), busy(0.97, 3)).run().await;
    disturbed(&told, &["it would have been step_failed", "did not end within 0.7 s"]);
    let step = told.step_id("work-around-it");
    told.error(Check::Step { step });

    // With room for it, it is the runbook's own.
    let (case, _both) = beside_another(slow());
    let told = case.on(runs("hang"), busy(0.2, 3)).run().await;
    told.verdict(Verdict::StepFailed, &["did not end within 0.7 s"]);
}

#[tokio::test]
async fn a_command_that_failed_has_failed_beside_others_as_well() {
    let (case, _both) = beside_another(Case::new().replace("fix", "false"));
    let told = case.on(runs("false"), busy(0.97, 3)).run().await;
    told.verdict(Verdict::StepFailed, &["exited with 1"]);
}

/// What kept the queries from answering may be the others.
#[tokio::test]
async fn users_of_whom_nothing_is_known_beside_others_say_nothing() {
    let (case, _both) = beside_another(of_a_query());
    let full = busy(0.97, 3);
    let fail = move |controls: &Controls| {
        full(controls);
        controls.world.fail_queries(1);
    };
    let told = case.on(begins(Phase::Steady), fail).run().await;
    disturbed(&told, &["is not known: fresh"]);
    told.error(Check::Steady);
}
