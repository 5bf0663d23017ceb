//! Agents that are gone, silent or late while a phase runs: the measurement says nothing, so the drill says so.

use crate::support::{Case, Controls, Happening, Order, Told, begins, runs};
use firedrill::record::{Check, Phase, Verdict};
use std::time::Duration;

const DRILL_AGENT: &str = "fd-agent";
const PROXY: &str = "fd-web";

fn undone(told: &Told, reasons: &[&str]) {
    told.verdict(Verdict::HarnessError, reasons);
    assert!(told.happenings().any(|happening| *happening == Happening::Down), "{}", told.story());
}

#[tokio::test]
async fn an_agent_that_is_gone_while_the_load_becomes_steady_is_an_error() {
    let told =
        Case::new().on(begins(Phase::Steady), |controls| controls.world.order(DRILL_AGENT, Order::Die)).run().await;
    undone(&told, &[DRILL_AGENT]);
    assert_eq!(told.lifted(), Vec::<&str>::new());
}

#[tokio::test]
async fn an_agent_that_is_gone_while_the_impact_is_awaited_is_an_error() {
    let told = Case::new()
        .world(|world| world.toothless = true)
        .on(begins(Phase::Impact), |controls| controls.world.order(DRILL_AGENT, Order::Die))
        .run()
        .await;
    undone(&told, &[DRILL_AGENT]);
    assert_eq!(told.lifted(), ["http_status"], "the other agent is asked all the same");
}

#[tokio::test]
async fn an_agent_that_falls_silent_while_the_impact_is_awaited_has_not_seen_that_nobody_felt_it() {
    let silent = |controls: &Controls| controls.world.order(DRILL_AGENT, Order::FallSilent);
    let told = Case::new().on(begins(Phase::Impact), silent).run().await;
    undone(&told, &[]);
}

#[tokio::test]
async fn a_proxy_that_is_gone_took_its_fault_with_it_and_no_runbook_gets_the_credit() {
    let told = Case::new().on(runs("fix"), |controls| controls.world.order(PROXY, Order::Die)).run().await;
    undone(&told, &[PROXY]);
}

#[tokio::test]
async fn an_agent_that_is_gone_while_users_recover_is_an_error() {
    let told =
        Case::new().on(begins(Phase::Recover), |controls| controls.world.order(DRILL_AGENT, Order::Die)).run().await;
    undone(&told, &[DRILL_AGENT]);
}

#[tokio::test]
async fn an_agent_that_lost_its_lease_has_lifted_everything_and_that_is_an_error() {
    let told = Case::new().on(runs("fix"), |controls| controls.world.order(PROXY, Order::LoseLease)).run().await;
    undone(&told, &[PROXY]);
}

#[tokio::test]
async fn an_agent_that_falls_silent_is_an_error_before_long() {
    let told = Case::new()
        .on(begins(Phase::Recover), |controls| controls.world.order(DRILL_AGENT, Order::FallSilent))
        .run()
        .await;
    undone(&told, &[]);
    assert!(told.record.last_us.0 < 60_000_000);
}

#[tokio::test]
async fn load_that_was_sent_late_is_a_disturbed_measurement_even_if_all_else_went_well() {
    let late = Order::ReportLate { worst: Duration::from_millis(1500), count: 1 };
    let told = Case::new().on(runs("fix"), move |controls| controls.world.order(DRILL_AGENT, late.clone())).run().await;
    undone(&told, &["disturbed", "1500 ms"]);
    assert_eq!(told.lifted(), ["http_status"]);
    assert_eq!(told.record.late.first().map(|late| late.count), Some(1));
}

#[tokio::test]
async fn load_that_was_sent_late_is_no_verdict_on_a_runbook_that_did_not_help_either() {
    let late = Order::ReportLate { worst: Duration::from_millis(200), count: 200 };
    let told = Case::new()
        .replace("fix", "true")
        .set("respond", "{ phases: [mitigate] }")
        .on(runs("true"), move |controls| controls.world.order(DRILL_AGENT, late.clone()))
        .run()
        .await;
    undone(&told, &["disturbed"]);
}

#[tokio::test]
async fn load_that_was_sent_late_is_no_verdict_on_the_impact() {
    let late = Order::ReportLate { worst: Duration::from_millis(1500), count: 9 };
    let told = Case::new()
        .world(|world| world.toothless = true)
        .on(begins(Phase::Impact), move |controls| controls.world.order(DRILL_AGENT, late.clone()))
        .run()
        .await;
    undone(&told, &["disturbed"]);
}

#[tokio::test]
async fn a_few_requests_that_were_a_little_late_disturb_nothing() {
    let late = Order::ReportLate { worst: Duration::from_millis(60), count: 2 };
    let told = Case::new().on(runs("fix"), move |controls| controls.world.order(DRILL_AGENT, late.clone())).run().await;
    told.verdict(Verdict::Passed, &[]).passed(Check::Recovery { sli: "availability".into() });
}
