//! Impact and detection: what ends a drill before the runbook is opened.

use crate::support::{Alert, Case, Told};
use firedrill::record::{Check, Verdict};
use std::time::Duration;

fn the_runbook_was_not_opened(told: &Told) {
    assert_eq!(told.commands(), Vec::<&str>::new());
    assert_eq!(told.lifted(), ["http_status"]);
}

#[tokio::test]
async fn a_fault_that_nobody_notices_proves_nothing() {
    let told = Case::new().world(|world| world.toothless = true).run().await;
    told.verdict(Verdict::NoImpact, &["90%", "availability: 100%", "`http_status` acted 0 times"])
        .at("fake.yaml", "impact:")
        .failed(Check::Impact);
    the_runbook_was_not_opened(&told);
}

#[tokio::test]
async fn an_impact_that_comes_too_late_is_none() {
    let told = Case::new()
        .set("impact", "{ below: 90%, within: 500ms, window: 500ms }")
        .world(|world| {
            world.toothless = true;
            world.hurts_after = Some(Duration::from_millis(1200));
        })
        .run()
        .await;
    told.verdict(Verdict::NoImpact, &[]).failed(Check::Impact);
}

#[tokio::test]
async fn an_alert_condition_that_never_holds_is_undetected() {
    let told = Case::new()
        .set("detect", "{ metrics: 'http://web:9100/metrics', when: queue > 5, within: 1s }")
        .world(|world| world.alert = Alert::Deaf)
        .run()
        .await;
    told.verdict(Verdict::Undetected, &["queue > 5", "its last value was 0"]).at("fake.yaml", "detect:");
    told.passed(Check::Impact).failed(Check::Detection);
    the_runbook_was_not_opened(&told);
}

#[tokio::test]
async fn users_who_notice_when_none_should_are_breached() {
    let told =
        Case::new().without("runbook").without("respond").set("impact", "{ none: true, within: 1s }").run().await;
    told.verdict(Verdict::Breached, &["availability"]).at("fake.yaml", "impact:").failed(Check::Impact);
    the_runbook_was_not_opened(&told);
}

#[tokio::test]
async fn a_fault_that_ends_by_itself_before_the_mitigation_is_self_healed() {
    let told = Case::new()
        .replace("say looking", "await-health")
        .set("respond", "{ phases: [diagnose, mitigate, verify], timeout: 10s }")
        .world(|world| world.ends_after = Some(Duration::from_millis(700)))
        .run()
        .await;
    told.verdict(Verdict::SelfHealed, &["before the first mitigating command"]).failed(Check::StillBroken);
    assert_eq!(told.commands(), ["await-health"], "no mitigating command ran");
}

#[tokio::test]
async fn a_recovery_beside_a_runbook_that_fixes_nothing_is_self_healed() {
    let told = Case::new()
        .set("respond", "{ phases: [diagnose] }")
        .world(|world| world.ends_after = Some(Duration::from_millis(1300)))
        .run()
        .await;
    told.verdict(Verdict::SelfHealed, &["no command of the runbook was meant to help"]);
    told.passed(Check::StillBroken);
}

#[tokio::test]
async fn a_command_that_only_waits_is_not_what_helped() {
    let told = Case::new()
        .replace("fix", "sleep 2500\nfix")
        .set("respond", "{ phases: [diagnose, mitigate, verify], timeout: 10s }")
        .world(|world| world.ends_after = Some(Duration::from_millis(700)))
        .run()
        .await;
    told.verdict(Verdict::SelfHealed, &["before the first mitigating command"]).failed(Check::StillBroken);
    assert_eq!(told.commands(), ["say looking", "sleep 2500"], "no mitigating command ran");
}

#[tokio::test]
async fn a_runbook_that_only_waits_has_healed_nothing() {
    let told = Case::new()
        .replace("fix", "sleep 10")
        .set("respond", "{ phases: [diagnose, mitigate] }")
        .world(|world| world.ends_after = Some(Duration::from_millis(1300)))
        .run()
        .await;
    told.verdict(Verdict::SelfHealed, &["no command of the runbook was meant to help"]);
}

#[tokio::test]
async fn a_runbook_that_only_looks_has_healed_nothing() {
    let told = Case::new()
        .replace("fix", "psql -c 'SELECT 1'\nsleep 2500")
        .set("respond", "{ phases: [diagnose, mitigate] }")
        .world(|world| world.ends_after = Some(Duration::from_millis(1300)))
        .run()
        .await;
    told.verdict(Verdict::SelfHealed, &["so the runbook proved nothing"]);
}
