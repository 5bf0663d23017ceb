//! A process of its own: it counts as cleared where the runbook has ended it, and not where it ended by itself.

use crate::support::{Case, HTTP, PROCESS};
use firedrill::record::{Check, FaultAfter, NoteRecord, StepStatus, Verdict};
use std::time::Duration;

fn recovery() -> Check {
    Check::Recovery { sli: "availability".into() }
}

const PATIENT: &str = "{ phases: [diagnose, mitigate, verify], timeout: 10s }";

/// It ends by itself so long after its start.
fn ends(after: u64, exit_code: i64) -> Case {
    Case::new().set("faults", PROCESS).world(move |world| {
        world.ends_after = Some(Duration::from_millis(after));
        world.exits_with = exit_code;
    })
}

#[tokio::test]
async fn one_that_a_step_stops_is_cleared_whatever_its_exit_code() {
    let told = Case::new().set("faults", PROCESS).replace("fix", "clear").run().await;
    told.verdict(Verdict::Passed, &[]).passed(recovery());
    assert_eq!(told.record.fault_record("process").and_then(|fault| fault.after), Some(FaultAfter::ClearedByRunbook));
}

#[tokio::test]
async fn one_that_ends_by_itself_while_the_runbook_works_is_not_cleared() {
    let told = ends(2500, 0).set("respond", PATIENT).replace("fix", "await-health").run().await;
    let reason = "the process `worker` ended by itself with exit code 0 2.5 s after it began (fake-worker-1); the drill cannot say \
                  that the runbook helped; give it `returns` or `cleared_when`";
    told.verdict(Verdict::SelfHealed, &[reason]).failed(recovery()).at("fake.yaml", "- process");
    assert_eq!(told.record.fault_record("process").and_then(|fault| fault.after), Some(FaultAfter::EndedByItself));
    assert!(!told.record.passed());
}

#[tokio::test]
async fn one_that_the_runbook_makes_fail_is_cleared() {
    let told = ends(2500, 1).replace("fix", "await-health").set("respond", PATIENT).run().await;
    told.verdict(Verdict::Passed, &[]);
}

#[tokio::test]
async fn one_that_fails_long_after_the_runbook_was_not_made_to() {
    // The first mitigating command ends at once, and the process 4 s later.
    let told = ends(6000, 1).set("recover", "{ within: 12s, hold: 500ms }").replace("fix", "unfix").run().await;
    told.verdict(Verdict::SelfHealed, &["ended by itself with exit code 1", "when the last mitigating step was over"]);
}

#[tokio::test]
async fn one_whose_end_a_probe_says_to_be_meant_is_cleared() {
    let cleared =
        "\n  - process: { name: worker, service: db, run: work, cleared_when: { service: db, run: shut-out } }";
    let told = ends(2500, 0)
        .set("faults", cleared)
        .world(|world| world.exits.extend([("shut-out", vec![1, 0])]))
        .replace("fix", "await-health")
        .set("respond", PATIENT)
        .run()
        .await;
    told.verdict(Verdict::Passed, &[]);
    let told = ends(2500, 0)
        .set("faults", cleared)
        .world(|world| world.exits.extend([("shut-out", vec![1])]))
        .replace("fix", "await-health")
        .set("respond", PATIENT)
        .run()
        .await;
    told.verdict(Verdict::SelfHealed, &["ended by itself with exit code 0"]);
}

#[tokio::test]
async fn one_that_ended_before_the_first_mitigating_command_proves_nothing_whatever_its_exit_code() {
    // Users suffer on from what it has done.
    let told = ends(1200, 3)
        .world(|world| world.hurts_after = Some(Duration::from_millis(1200)))
        .replace("say looking", "await-end")
        .run()
        .await;
    told.verdict(Verdict::SelfHealed, &["ended by itself with exit code 3", "before the first mitigating command"]);
    told.failed(Check::StillBroken).step("work-around-it", StepStatus::Skipped);
}

/// Of a process and of a lock nobody has said that they end; a rule for the first requests is meant to, and so is what is replaced by itself.
#[tokio::test]
async fn without_a_runbook_a_pass_says_which_fault_ended_by_itself_that_was_not_meant_to() {
    let lock = "\n  - postgres_lock: { service: db, table: orders }";
    for (faults, id, by_itself, meant, said) in [
        (PROCESS, "process", true, false, true),
        (lock, "postgres_lock", true, false, true),
        (lock, "postgres_lock", true, true, false),
        (lock, "postgres_lock", false, false, false),
        (HTTP, "http_status", true, false, false),
    ] {
        let told = ends(1500, 0)
            .set("faults", faults)
            .without("runbook")
            .without("respond")
            .set("recover", "{ within: 4s, hold: 500ms }")
            .world(|world| world.by_itself = by_itself)
            .plan_with(move |plan| plan.faults[0].fault.facts.ends_by_itself = meant)
            .run()
            .await;
        told.verdict(Verdict::Passed, &[]);
        let says = |note: &NoteRecord| note.text.contains("ended by itself: that users recover while it goes on");
        assert_eq!(told.record.notes.iter().any(says), said, "{id}: {}", told.story());
        let after = told.record.fault_record(id).and_then(|fault| fault.after);
        let ended = if by_itself { FaultAfter::EndedByItself } else { FaultAfter::ClearedByRunbook };
        assert_eq!(after, Some(ended), "{id}: {}", told.story());
    }
}
