//! Steps: how commands fail in each phase of a runbook, and where the verdict points.

use crate::support::Case;
use firedrill::record::{Check, StepStatus, Verdict};
use std::time::Duration;

#[tokio::test]
async fn the_second_command_of_a_block_fails_the_step_and_the_third_never_runs() {
    let told = Case::new().replace("fix", "true\nfalse\nfix").run().await;
    told.verdict(Verdict::StepFailed, &["`false` exited with 1"]).at("runbook.md", "false");
    told.step("work-around-it", StepStatus::Failed).failed(Check::Step { step: told.step_id("work-around-it") });
    assert_eq!(told.commands(), ["say looking", "true", "false"]);
    assert_eq!(told.lifted(), ["http_status"]);
}

#[tokio::test]
async fn a_typo_in_the_first_of_two_commands_fails_the_step() {
    let told = Case::new().replace("fix", "fxi --all\nfix").run().await;
    told.verdict(Verdict::StepFailed, &["fxi --all", "127"]).at("runbook.md", "fxi");
    assert_eq!(told.commands(), ["say looking", "fxi --all"]);
}

#[tokio::test]
async fn a_command_that_fails_while_diagnosing_is_a_warning() {
    let told = Case::new().replace("say looking", "false\nsay looking").run().await;
    told.verdict(Verdict::Passed, &[]).step("look", StepStatus::Warned);
    assert_eq!(told.commands(), ["false", "say looking", "fix", "healthy"]);
    let step = told.record.steps.iter().find(|step| step.step.contains("look")).expect("a step");
    let line = told.line("runbook.md", "false");
    let reason = step.reason.as_deref().unwrap_or_default();
    assert!(reason.contains(&format!("runbook.md:{line}")) && reason.contains("exited with 1"), "{reason}");
}

#[tokio::test]
async fn a_change_that_fails_while_diagnosing_fails_the_step_unless_it_is_made_to_look() {
    let told = Case::new().replace("say looking", "touch /srv/maintenance").run().await;
    told.verdict(Verdict::StepFailed, &["`touch /srv/maintenance` exited with 1"]).step("look", StepStatus::Failed);
    assert_eq!(told.commands(), ["touch /srv/maintenance"]);
    let told = Case::new().replace("say looking", "cp /var/log/web.log /tmp").run().await;
    told.verdict(Verdict::Passed, &[]).step("look", StepStatus::Warned);
}

#[tokio::test]
async fn a_verification_that_waited_in_vain_fails_unless_what_stands_behind_it_decides() {
    const WAITS: &str = "for i in 1 2; do curl -f http://web/ && break; sleep 1; done";
    for behind in ["", "\necho 'it is up'", "\necho $HOME"] {
        let told = Case::new().replace("healthy", &format!("{WAITS}{behind}")).run().await;
        told.verdict(Verdict::StepFailed, &["its loop ended without what it waits for"])
            .step("check-that-it-helped", StepStatus::Failed);
    }
    let told = Case::new().replace("healthy", &format!("{WAITS}\nhealthy")).run().await;
    told.verdict(Verdict::Passed, &[]);
    // Users have the last word on a mitigation.
    let told = Case::new().replace("\nfix\n", &format!("\nfix\n{WAITS}\n")).run().await;
    told.verdict(Verdict::Passed, &[]).step("work-around-it", StepStatus::Warned);
}

#[tokio::test]
async fn a_verification_of_which_nobody_learns_whether_it_failed_is_a_warning() {
    let told = Case::new().replace("healthy", "say up | head -1").run().await;
    told.verdict(Verdict::Passed, &[]).step("check-that-it-helped", StepStatus::Warned);
    let step = told.record.steps.iter().find(|step| step.step.contains("check-that-it-helped")).expect("a step");
    let reason = step.reason.as_deref().unwrap_or_default();
    assert!(reason.contains("nobody will learn whether this fails: `head` exits with 0 all the same"), "{reason}");
}

#[tokio::test]
async fn a_command_that_does_not_exist_fails_also_while_diagnosing() {
    let told = Case::new().replace("say looking", "missing").run().await;
    told.verdict(Verdict::StepFailed, &["`missing`", "127"]).at("runbook.md", "missing");
    assert_eq!(told.commands(), ["missing"]);
    told.not_reached(Check::StillBroken);
}

#[tokio::test]
async fn a_command_that_cannot_be_executed_fails_also_while_verifying() {
    let told = Case::new().replace("healthy", "exit 126").run().await;
    told.verdict(Verdict::StepFailed, &["126"]).at("runbook.md", "exit 126");
    assert_eq!(told.commands(), ["say looking", "fix", "exit 126"], "it is not tried again");
}

#[tokio::test]
async fn a_command_that_hangs_is_killed_at_its_deadline_and_fails_everywhere() {
    let told = Case::new()
        .replace("say looking", "hang")
        .set("respond", "{ phases: [diagnose, mitigate, verify], timeout: 300ms }")
        .run()
        .await;
    told.verdict(Verdict::StepFailed, &["`hang`", "0.3 s"]).at("runbook.md", "hang");
    let command = told.record.steps.first().and_then(|step| step.commands.first()).expect("a command");
    assert!(command.timed_out);
    assert_eq!(told.commands(), ["hang"]);
}

#[tokio::test]
async fn a_verification_is_tried_again_until_it_passes() {
    crate::let_them_look();
    let told = Case::new().replace("healthy", "stubborn 2").run().await;
    told.verdict(Verdict::Passed, &[]).step("check-that-it-helped", StepStatus::Passed);
    assert_eq!(told.commands(), ["say looking", "fix", "stubborn 2", "stubborn 2", "stubborn 2"]);
    let step = told.record.steps.iter().find(|step| step.step.contains("check-that-it-helped")).expect("a step");
    assert_eq!(step.commands.first().map(|command| command.attempts), Some(3));
}

#[tokio::test]
async fn a_verification_that_never_passes_fails_when_the_time_to_recover_is_over() {
    let told = Case::new().replace("healthy", "false").run().await;
    told.verdict(Verdict::StepFailed, &["`false`", "recover.within"]).at("runbook.md", "false");
    let tries = told.commands().iter().filter(|command| **command == "false").count();
    assert!((2..=4).contains(&tries), "every half second for 1.5 s: {tries}");
    let ended = told.record.mitigation_ended_us.expect("a mitigation");
    let judged = told.record.judged_us.expect("a verdict");
    assert!(judged.since(ended) <= Duration::from_secs(4), "and not much longer");
}

#[tokio::test]
async fn a_step_that_only_waits_does_not_move_the_end_of_the_mitigation() {
    let wait = "### Step 3: See that it holds\n\n```bash\nsleep 300\n```\n\n## Verification\n\n### Step 4";
    let told = Case::new().replace("## Verification\n\n### Step 3", wait).run().await;
    told.verdict(Verdict::Passed, &[]).step("see-that-it-holds", StepStatus::Passed);
    let waited = told.record.steps.iter().find(|step| step.step.contains("see-that-it-holds")).expect("a step");
    assert!(told.record.mitigation_ended_us.is_some_and(|ended| ended <= waited.started_us));
}

#[tokio::test]
async fn a_verification_is_tried_again_from_its_first_command() {
    crate::let_them_look();
    let told = Case::new().replace("healthy", "true\nstubborn 1").run().await;
    told.verdict(Verdict::Passed, &[]);
    assert_eq!(told.commands(), ["say looking", "fix", "true", "stubborn 1", "true", "stubborn 1"]);
}

#[tokio::test]
async fn what_a_verification_has_changed_is_not_changed_again() {
    crate::let_them_look();
    let told = Case::new().replace("healthy", "true\nsay one more\ntrue\nstubborn 2").run().await;
    told.verdict(Verdict::Passed, &[]);
    let again = ["true", "stubborn 2"];
    assert_eq!(
        told.commands(),
        [&["say looking", "fix", "true", "say one more"][..], &again, &again, &again].concat(),
        "a command that may do more than look is done once"
    );
}

#[tokio::test]
async fn a_verification_that_may_be_a_cure_is_not_repeated_until_it_helps() {
    let told = Case::new().replace("fix", "say nothing").run().await;
    told.verdict(Verdict::NotRecovered, &[]).step("check-that-it-helped", StepStatus::Failed);
    assert_eq!(told.commands(), ["say looking", "say nothing", "healthy"]);
    let step = told.record.steps.iter().find(|step| step.step.contains("check-that-it-helped")).expect("a step");
    assert!(step.reason.as_deref().is_some_and(|reason| reason.contains("it was not tried again")), "{step:?}");
}

#[tokio::test]
async fn commands_that_an_exit_left_behind_are_a_warning_where_something_is_to_be_done() {
    let told = Case::new().replace("fix", "fix\nexit 0\nsay one\nsay more").run().await;
    told.verdict(Verdict::Passed, &[]).step("work-around-it", StepStatus::Warned);
    assert_eq!(told.commands(), ["say looking", "fix", "exit 0", "healthy"]);
    let step = told.record.steps.iter().find(|step| step.step.contains("work-around-it")).expect("a step");
    let reason = step.reason.as_deref().unwrap_or_default();
    assert!(reason.ends_with("`exit 0` ended its shell, so the rest of its block (2) was not run"), "{reason}");
}

#[tokio::test]
async fn a_block_that_ends_its_shell_ends_there() {
    let told = Case::new().replace("say looking", "exit 0\nsay looking").run().await;
    told.verdict(Verdict::Passed, &[]);
    assert_eq!(told.commands(), ["exit 0", "fix", "healthy"]);
    assert!(told.story().contains("ended its shell, so the rest of its block (1) was not run"), "{}", told.story());
    let told = Case::new().replace("say looking", "exit 3\nsay looking").run().await;
    told.verdict(Verdict::Passed, &[]).step("look", StepStatus::Warned);
    assert_eq!(told.commands(), ["exit 3", "fix", "healthy"]);
}

#[tokio::test]
async fn a_verification_without_a_mitigation_before_it_has_a_deadline_too() {
    let told = Case::new().replace("healthy", "false").set("respond", "{ phases: [verify] }").run().await;
    told.verdict(Verdict::NotRecovered, &["recovered within"]);
    assert!(told.record.last_us.0 < 8_000_000);
}

#[tokio::test]
async fn a_step_with_an_input_without_a_value_never_runs() {
    let told = Case::new().replace("fix", "fix\nsay <pod-name>").run().await;
    told.verdict(Verdict::StepBlocked, &["<pod-name>", "--var"]).at("runbook.md", "<pod-name>");
    told.step("work-around-it", StepStatus::Blocked);
    assert_eq!(told.commands(), ["say looking"], "not even its first command, which has no input");
    assert!(told.record.mitigation_started_us.is_none());
}

#[tokio::test]
async fn what_is_no_bash_is_left_to_a_person() {
    let told = Case::new().replace("say looking", "say \"looking").run().await;
    told.step("look", StepStatus::Skipped);
}

#[tokio::test]
async fn a_rollback_that_fails_fails_the_step() {
    let rollback = "```bash\nhealthy\n```\n\n## Rollback\n\n### Step 4: Take it back\n\n```bash\nexit 3\n```\n";
    let told = Case::new()
        .replace("```bash\nhealthy\n```\n", rollback)
        .set("respond", "{ phases: [diagnose, mitigate, verify, rollback], timeout: 2s }")
        .run()
        .await;
    told.verdict(Verdict::StepFailed, &["`exit 3` exited with 3"]).at("runbook.md", "exit 3");
}

/// Where nothing of the mitigation runs, what takes it back is what is meant to help.
#[tokio::test]
async fn a_rollback_is_the_mitigation_where_the_mitigation_is_skipped() {
    let rollback = "```bash\nhealthy\n```\n\n## Rollback\n\n### Step 4: Take it back\n\n```bash\nfix\n```\n";
    let told = Case::new()
        .replace("```bash\nhealthy\n```\n", rollback)
        .set("respond", "{ phases: [mitigate, rollback], timeout: 2s }")
        .says("work-around", |settings| settings.skip = Some("it is not at hand".into()))
        .run()
        .await;
    told.verdict(Verdict::Passed, &[]).passed(Check::StillBroken).step("work-around", StepStatus::Skipped);
    assert!(told.record.mitigation_started_us.is_some(), "{}", told.story());
}

/// The same where a block that only looks is all that is left of the mitigation.
#[tokio::test]
async fn a_rollback_is_the_mitigation_where_only_a_look_is_left_of_it() {
    const RUNBOOK: &str = "# The shop is down\n\n## Rollback\n\n### Step 1: Take it back\n\n```bash\nfix\n```\n\n\
        ## Mitigation\n\n### Step 2: Work around it\n\n<!-- firedrill: skip=\"not at hand\" -->\n```bash\nfix\n```\n\n\
        ```bash\ntrue\n```\n\n## Verification\n\n### Step 3: Check\n\n```bash\nhealthy\n```\n";
    let told = Case::new()
        .runbook(RUNBOOK)
        .set("respond", "{ phases: [rollback, mitigate, verify], timeout: 2s }")
        .run()
        .await;
    told.verdict(Verdict::Passed, &[]).passed(Check::StillBroken).step("take-it-back", StepStatus::Passed);
}

#[tokio::test]
async fn output_of_a_command_is_in_the_record() {
    let told = Case::new().run().await;
    let step = told.record.steps.iter().find(|step| step.step.contains("look")).expect("a step");
    let command = step.commands.first().expect("a command");
    assert_eq!(command.exit, Some(0));
    assert_eq!(command.at.line, told.line("runbook.md", "say looking"));
    assert!(format!("{:?}", command.output).contains("looking"));
}
