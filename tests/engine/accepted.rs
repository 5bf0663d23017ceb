//! What nobody has accepted as it stands does not run.

use crate::support::Case;
use firedrill::record::{StepStatus, Verdict};
use firedrill::runbook::{Decision, Do, parse, written_reading};
use firedrill::source::{Diagnostics, Source};
use std::path::Path;

const PAGE: &str = "# Shop\n\n## Mitigation\n\nOnly for the shop.\n\n### Step 1: Fix it\n\n```bash\nfix\n```\n\n\
    ## Verification\n\n### Step 2: See\n\n```bash\nhealthy\n```\n";

/// A reading of a text in which every command is decided alike.
fn reading(text: &str, decided: &Do) -> String {
    let runbook = parse(&Source::new("runbook.md", text), &mut Diagnostics::default()).expect("a runbook");
    let cases = runbook.review().cases;
    let decisions: Vec<Decision> = cases
        .iter()
        .map(|case| {
            let decided = if case.command.text == "healthy" { Do::Run } else { decided.clone() };
            Decision::about(case.command, decided, "us@example.com", "2026-11-20")
        })
        .collect();
    written_reading(Path::new("runbook.md"), &decisions, None).expect("a reading")
}

#[tokio::test]
async fn what_was_accepted_runs() {
    let told = Case::new().runbook(PAGE).reading(&reading(PAGE, &Do::Run)).run().await;
    told.verdict(Verdict::Passed, &[]);
    let reading = told.record.plan.as_ref().and_then(|plan| plan.reading.clone()).expect("who decided");
    assert_eq!(reading.decided, ["us@example.com on 2026-11-20"]);
}

#[tokio::test]
async fn what_nobody_has_accepted_blocks_its_step() {
    let told = Case::new().runbook(PAGE).reading("runbook: runbook.md\ndecisions: []\n").run().await;
    told.verdict(Verdict::StepBlocked, &["`fix` was not run", "nobody has accepted this command"])
        .at("runbook.md", "fix");
}

#[tokio::test]
async fn what_has_drifted_blocks_its_step_with_the_words_that_changed() {
    let now = PAGE.replace("Only for the shop", "Only for the shop's replica");
    let told = Case::new().runbook(&now).reading(&reading(PAGE, &Do::Run)).run().await;
    let words = ["changed since 2026-11-20", "Only for the [-shop.-] {+shop's replica.+}"];
    told.verdict(Verdict::StepBlocked, &words).at("runbook.md", "fix");
}

#[tokio::test]
async fn what_is_not_to_run_is_skipped() {
    let told = Case::new().runbook(PAGE).reading(&reading(PAGE, &Do::Skip)).run().await;
    assert_ne!(told.record.verdict, Verdict::Passed);
    let step = &told.record.steps[0];
    assert_eq!(step.status, Some(StepStatus::Skipped));
    assert!(step.reason.as_deref().is_some_and(|why| why.contains("us@example.com decided")), "{step:?}");
}

#[tokio::test]
async fn what_is_a_persons_is_not_run() {
    let told = Case::new().runbook(PAGE).reading(&reading(PAGE, &Do::Person)).run().await;
    assert_ne!(told.record.verdict, Verdict::Passed);
    assert_eq!(told.record.steps[0].status, Some(StepStatus::Skipped));
}

#[tokio::test]
async fn the_scenario_chooses_the_way() {
    let way = |way: &str| Do::Way { choice: "how".into(), way: way.into() };
    let respond = |choose: &str| format!("{{ phases: [diagnose, mitigate, verify], timeout: 2s{choose} }}");
    let chosen = Case::new().runbook(PAGE).reading(&reading(PAGE, &way("a")));
    chosen.set("respond", &respond(", choose: { how: a }")).run().await.verdict(Verdict::Passed, &[]);
    let open = Case::new().runbook(PAGE).reading(&reading(PAGE, &way("a")));
    let told = open.set("respond", &respond("")).run().await;
    told.verdict(Verdict::StepBlocked, &["does not choose `how` (a)"]);
}

#[tokio::test]
async fn a_value_that_would_be_an_option_blocks_a_command_that_only_looks() {
    let page = PAGE.replace("Only for the shop.\n", "Look first.\n\n```bash\nls <folder>\n```\n");
    let respond =
        |value: &str| format!("{{ phases: [diagnose, mitigate, verify], timeout: 2s, vars: {{ folder: '{value}' }} }}");
    let case =
        |value: &str| Case::new().runbook(&page).reading(&reading(&page, &Do::Run)).set("respond", &respond(value));
    case("-R").run().await.verdict(Verdict::StepBlocked, &["<folder> begins with `-`"]);
}
