//! Recovery: a runbook that does not help, helps for a moment, or helps too late.

use crate::support::{Case, Happening, Told};
use firedrill::record::{Check, FaultAfter, Verdict};
use firedrill::stack::ContainerOp;
use std::time::Duration;

/// Without the verify phase, whose own failure would come first.
const MITIGATE: &str = "{ phases: [diagnose, mitigate], timeout: 5s }";

fn not_recovered(told: &Told) {
    told.verdict(Verdict::NotRecovered, &["availability"]).at("runbook.md", "### Step 2");
    told.passed(Check::StillBroken).failed(Check::Recovery { sli: "availability".into() });
    assert!(!told.record.passed());
}

#[tokio::test]
async fn a_runbook_without_its_load_bearing_step_does_not_recover() {
    let told = Case::new().replace("fix", "true").set("respond", MITIGATE).run().await;
    not_recovered(&told);
    assert_eq!(told.record.fault_record("http_status").and_then(|fault| fault.after), Some(FaultAfter::StillActive));
}

#[tokio::test]
async fn a_mitigation_that_lasts_shorter_than_the_hold_does_not_recover() {
    let told = Case::new().replace("fix", "fix-briefly").set("respond", MITIGATE).run().await;
    not_recovered(&told);
}

#[tokio::test]
async fn a_fault_that_comes_back_after_a_half_hearted_mitigation_does_not_recover() {
    let told = Case::new()
        .replace("fix", "clear")
        .set("respond", MITIGATE)
        .world(|world| world.returns_after = Some(Duration::from_millis(300)))
        .run()
        .await;
    not_recovered(&told);
    assert_eq!(told.record.fault_record("http_status").and_then(|fault| fault.after), Some(FaultAfter::StillActive));
}

#[tokio::test]
async fn a_fault_that_comes_back_is_survived_by_a_lasting_mitigation() {
    let told = Case::new()
        .replace("fix", "clear\nfix")
        .world(|world| world.returns_after = Some(Duration::from_millis(300)))
        .run()
        .await;
    told.verdict(Verdict::Passed, &[]);
}

#[tokio::test]
async fn a_killed_container_that_is_started_is_killed_again_until_the_faults_are_undone() {
    let told = Case::new()
        .set("faults", "\n  - container_kill: { service: db, returns: 100ms }")
        .set("recover", "{ within: 1500ms, hold: 700ms }")
        .replace("fix", "restart-db\nfix")
        .run()
        .await;
    told.verdict(Verdict::Passed, &[]);
    let fault = told.record.fault_record("container_kill");
    assert_eq!(fault.and_then(|fault| fault.after), Some(FaultAfter::StillActive), "{}", told.story());
    let operated: Vec<&ContainerOp> = told
        .happenings()
        .filter_map(|happening| match happening {
            Happening::Operated { op, .. } => Some(op),
            _ => None,
        })
        .collect();
    let kill = ContainerOp::Kill { signal: "SIGKILL".into() };
    assert_eq!(operated, [&kill, &kill, &ContainerOp::Start], "{}", told.story());
}

#[tokio::test]
async fn a_recovery_that_comes_after_its_deadline_does_not_count() {
    let told = Case::new()
        .replace("fix", "fix-later")
        .set("respond", MITIGATE)
        .set("recover", "{ within: 500ms, hold: 500ms }")
        .run()
        .await;
    not_recovered(&told);
}

#[tokio::test]
async fn a_slow_recovery_within_its_deadline_counts() {
    let told = Case::new()
        .replace("fix", "fix-later")
        .set("respond", MITIGATE)
        .set("recover", "{ within: 4s, hold: 500ms }")
        .run()
        .await;
    told.verdict(Verdict::Passed, &[]).passed(Check::Recovery { sli: "availability".into() });
}

#[tokio::test]
async fn without_a_runbook_a_system_that_does_not_heal_by_itself_fails() {
    let told = Case::new().without("runbook").without("respond").run().await;
    told.verdict(Verdict::NotRecovered, &["the injection"]).failed(Check::Recovery { sli: "availability".into() });
}

#[tokio::test]
async fn every_fault_is_asked_again_after_the_recovery() {
    let told = Case::new().set("faults", crate::support::TWO).replace("fix", "clear").run().await;
    told.verdict(Verdict::Passed, &[]);
    for fault in ["http_status", "postgres_lock"] {
        let after = told.record.fault_record(fault).and_then(|fault| fault.after);
        assert_eq!(after, Some(FaultAfter::ClearedByRunbook), "{fault}");
    }
}

#[tokio::test]
async fn slis_that_recover_in_turns_and_never_together_have_not_recovered() {
    let slis = "{ availability: { load: shop, good: status < 500, objective: 95% }, \
                latency: { load: shop, good: latency < 100ms, objective: 95% } }";
    let told = Case::new()
        .replace("fix", "take-turns")
        .set("slis", slis)
        .set("respond", MITIGATE)
        .set("recover", "{ within: 2500ms, hold: 500ms }")
        .run()
        .await;
    told.verdict(Verdict::NotRecovered, &["availability", "latency", "never together"]);
    told.failed(Check::Recovery { sli: "availability".into() }).failed(Check::Recovery { sli: "latency".into() });
}
