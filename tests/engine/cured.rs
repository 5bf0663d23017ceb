//! Steps before the mitigation that did more than look: what they cured is no success of the runbook.

use crate::support::{Case, runs};
use firedrill::record::{Check, NoteRecord, StepStatus, Verdict};
use std::sync::Arc;
use std::time::Duration;

const BY_A_STEP: &str = "runbook.md:5 does more than look";

/// A drill with a window of three seconds behind its diagnosis.
fn in_a_long_window(diagnosis: &str) -> Case {
    Case::new().replace("say looking", diagnosis).set("impact", "{ below: 90%, within: 3s, window: 3s }")
}

/// Users suffer for the first second of the window, so that over all of it they miss their objective.
#[tokio::test]
async fn what_a_diagnosis_cures_after_a_moment_shows_in_the_later_half_of_the_window() {
    let told = in_a_long_window("fix-later").run().await;
    told.verdict(Verdict::SelfHealed, &["before the first mitigating command", BY_A_STEP])
        .at("runbook.md", "### Step 1")
        .failed(Check::StillBroken)
        .step("work-around-it", StepStatus::Skipped);
    assert_eq!(told.commands(), ["fix-later"], "no mitigating command ran");
}

#[tokio::test]
async fn what_a_diagnosis_cures_for_a_moment_is_left_to_the_mitigation() {
    let told = in_a_long_window("fix-for-a-second").run().await;
    told.verdict(Verdict::Passed, &[]).passed(Check::StillBroken);
    assert_eq!(told.commands(), ["fix-for-a-second", "fix", "healthy"]);
}

/// A source that counts every two seconds may count what was bad before the step until then.
#[tokio::test]
async fn what_a_source_counts_from_time_to_time_is_judged_from_its_next_count_on() {
    let told = Case::new()
        .set("slis", "{ fresh: { query: { service: db, sql: SELECT true, every: 100ms }, objective: 90% } }")
        .set("steady", "{ for: 1s, within: 3s }")
        .set("impact", "{ below: 80%, within: 1500ms, window: 500ms }")
        .set("recover", "{ within: 3s, hold: 1s }")
        .plan_with(|plan| {
            let source = Arc::get_mut(&mut plan.own_sources[0]).expect("nobody else has it");
            source.interval = Duration::from_secs(2);
        })
        .on(runs("say looking"), |controls| controls.world.work_around_later(Duration::from_millis(1200)))
        .run()
        .await;
    told.verdict(Verdict::SelfHealed, &["fresh: 100%", BY_A_STEP]).failed(Check::StillBroken);
    assert_eq!(told.commands(), ["say looking"]);
}

#[tokio::test]
async fn what_a_diagnosis_leaves_running_may_have_helped() {
    let told = Case::new().replace("say looking", "say looking &").run().await;
    told.verdict(Verdict::Passed, &[]);
    let told_of = |note: &NoteRecord| note.text.contains("left a process running (`&`): nobody saw what it did");
    assert!(told.record.notes.iter().any(told_of), "{}", told.story());
}

/// Users suffer on, so that the mitigation may help; who ended the fault nobody can say.
#[tokio::test]
async fn a_pass_says_that_the_fault_was_gone_before_the_mitigation_began() {
    let fault = "\n  - command: { service: db, run: hurt-users, undo: mend, confirm: look }";
    for (exits, gone) in [(vec![1, 0, 1], true), (vec![1, 0, 0, 1], false)] {
        let case = Case::new().set("faults", fault);
        let told = case.world(|world| world.exits = [("look", exits)].into()).run().await;
        told.verdict(Verdict::Passed, &[]);
        let says =
            |note: &NoteRecord| note.text.starts_with("`command` was gone before the first mitigating command: by");
        assert_eq!(told.record.notes.iter().any(says), gone, "{}", told.story());
    }
}

/// A page whose mitigation has this command, with a rollback before the verification.
fn with_a_rollback(mitigation: &str, rollback: &str) -> Case {
    let rollback =
        format!("## Rollback\n\n### Step 3: Take it back\n\n```bash\n{rollback}\n```\n\n## Verification\n\n### Step 4");
    Case::new()
        .replace("fix", mitigation)
        .replace("## Verification\n\n### Step 3", &rollback)
        .set("respond", "{ phases: [diagnose, mitigate, rollback, verify], timeout: 2s }")
}

#[tokio::test]
async fn where_the_mitigation_only_looks_the_rollback_is_what_mitigates() {
    let told = with_a_rollback("psql -c 'SELECT 1'", "fix").run().await;
    told.verdict(Verdict::Passed, &[]).passed(Check::StillBroken).step("work-around-it", StepStatus::Passed);
    let rollback = told.record.steps.iter().find(|step| step.step.contains("take-it-back")).expect("a step");
    let begun = told.record.mitigation_started_us.expect("a mitigation");
    assert!(begun >= rollback.started_us, "not with what only looks\n{}", told.story());
    let told = with_a_rollback("fix", "say back").run().await;
    told.verdict(Verdict::Passed, &[]).step("take-it-back", StepStatus::Passed);
    let rollback = told.record.steps.iter().find(|step| step.step.contains("take-it-back")).expect("a step");
    let ended = told.record.mitigation_ended_us.expect("a mitigation");
    assert!(ended <= rollback.started_us, "where the mitigation acts, the rollback is none\n{}", told.story());
}

#[tokio::test]
async fn where_the_condition_of_the_mitigation_is_not_met_the_rollback_is_what_mitigates() {
    let told = with_a_rollback("if false; then fix; fi", "fix").run().await;
    told.verdict(Verdict::Passed, &[]).passed(Check::StillBroken).step("take-it-back", StepStatus::Passed);
    let rollback = told.record.steps.iter().find(|step| step.step.contains("take-it-back")).expect("a step");
    let begun = told.record.mitigation_started_us.expect("a mitigation");
    assert!(begun >= rollback.started_us, "{}", told.story());
    let told = with_a_rollback("if false; then fix; fi", "if false; then fix; fi").replace("healthy", "fix\nhealthy");
    told.run().await.verdict(Verdict::SelfHealed, &["before the first mitigating command"]);
}
