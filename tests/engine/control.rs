//! The control: the same drill without the runbook must not recover.

use crate::support::{Case, begins};
use firedrill::engine::DrillOptions;
use firedrill::record::{Check, Phase, Verdict};
use std::time::Duration;

#[tokio::test]
async fn a_control_that_does_not_recover_passes() {
    let told = Case::new().options(|options| options.control = true).run().await;
    told.verdict(Verdict::Passed, &["did not recover"]).passed(Check::Control).passed(Check::Revert);
    assert_eq!(told.commands(), Vec::<&str>::new());
    assert_eq!(told.lifted(), ["http_status"]);
    assert!(told.record.passed());
}

#[tokio::test]
async fn a_control_that_recovers_says_that_the_runbook_proves_nothing() {
    let told = Case::new()
        .options(|options| options.control = true)
        .world(|world| world.ends_after = Some(Duration::from_millis(900)))
        .run()
        .await;
    told.verdict(Verdict::SelfHealed, &["without the runbook"]).failed(Check::Control);
    assert!(!told.record.passed());
}

#[tokio::test]
async fn a_control_of_a_scenario_that_exists_to_fail_is_still_a_control() {
    let told =
        Case::new().options(|options| options.control = true).set("expect", "{ verdict: not_recovered }").run().await;
    told.verdict(Verdict::Passed, &[]).passed(Check::Control);
    assert!(told.record.passed());
}

#[tokio::test]
async fn a_control_in_which_users_stay_refused_says_what_they_are_refused() {
    let told = Case::new()
        .options(|options| options.control = true)
        .on(begins(Phase::Recover), |controls| controls.world.refuse())
        .run()
        .await;
    let words = ["did not recover within", "users are refused what they got before", "answers: 404 × "];
    told.verdict(Verdict::Passed, &words).passed(Check::Control);
}

/// The fault has ended, and only what nobody knows keeps users from having recovered.
#[tokio::test]
async fn a_control_of_whose_users_nothing_is_known_is_no_pass() {
    let told = Case::new()
        .options(|options| options.control = true)
        .set("slis", "{ fresh: { query: { service: db, sql: SELECT true, every: 100ms }, objective: 90% } }")
        .set("steady", "{ for: 1s, within: 3s }")
        .set("impact", "{ below: 80%, within: 1500ms, window: 500ms }")
        .set("recover", "{ within: 1500ms, hold: 1s }")
        .world(|world| world.ends_after = Some(Duration::from_millis(1000)))
        .on(begins(Phase::Recover), |controls| controls.world.fail_queries(2))
        .run()
        .await;
    let words = ["whether users would have recovered without the runbook is not known", "times there was no data"];
    told.verdict(Verdict::HarnessError, &words).error(Check::Control);
}

#[tokio::test]
async fn a_control_whose_fault_has_no_impact_proves_nothing_either() {
    let told = Case::new().options(|options| options.control = true).world(|world| world.toothless = true).run().await;
    told.verdict(Verdict::NoImpact, &[]).failed(Check::Impact).not_reached(Check::Control);
}

/// A runbook may take until the RTO, and as long as it has taken before.
#[tokio::test]
async fn a_control_that_recovers_in_the_time_of_a_runbook_proves_nothing() {
    let control = || Case::new().options(|options| options.control = true);
    let later = |case: Case| case.world(|world| world.ends_after = Some(Duration::from_millis(3500)));
    let told = later(control()).run().await;
    told.verdict(Verdict::Passed, &["did not recover within 1.5 s (`recover.within` alone: no drill here says"]);
    let took = |took| move |options: &mut DrillOptions| options.runbook_took = Some(took);
    let told = later(control()).options(took(Duration::from_secs(4))).run().await;
    told.verdict(Verdict::SelfHealed, &["without the runbook"]).failed(Check::Control);
    let told = control().options(took(Duration::from_secs(1))).run().await;
    told.verdict(Verdict::Passed, &["within 2.5 s (the 1.0 s that the runbook took in a drill, and `recover.within`)"]);
    let told = later(control()).set("rto", "5s").run().await;
    told.verdict(Verdict::SelfHealed, &["without the runbook"]).failed(Check::Control);
    let told = control().set("rto", "3s").run().await;
    told.verdict(Verdict::Passed, &["did not recover within 2."]);
}
