//! What nobody has accepted as it stands does not run.

use crate::support::Case;
use firedrill::record::{StepStatus, Verdict};
use firedrill::runbook::{Command, Decision, Do, parse, written_reading};
use firedrill::source::{Diagnostics, Source};
use std::path::Path;

const PAGE: &str = "# Shop\n\n## Mitigation\n\nOnly for the shop.\n\n### Step 1: Fix it\n\n```bash\nfix\n```\n\n\
    ## Verification\n\n### Step 2: See\n\n```bash\nhealthy\n```\n";

/// A reading of a text in which every command is decided alike.
fn reading(text: &str, decided: &Do) -> String {
    reading_by(text, |command| if command == "healthy" { Do::Run } else { decided.clone() })
}

/// A reading of a text in which its commands are decided so.
fn reading_by(text: &str, decide: impl Fn(&str) -> Do) -> String {
    let runbook = parse(&Source::new("runbook.md", text), &mut Diagnostics::default()).expect("a runbook");
    let cases = runbook.review().cases;
    let about = |command: &Command| Decision::about(command, decide(&command.text), "us@example.com", "2026-11-20");
    let decisions: Vec<Decision> = cases.iter().map(|case| about(case.command)).collect();
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
async fn of_a_way_that_was_not_chosen_only_the_look_runs_and_the_way_that_ran_is_what_should_have_helped() {
    let step = |name: &str, block: &str| format!("### {name}\n\n```bash\n{block}\n```\n\n");
    let steps = [step("By restart", "true\nfix"), step("By fail-over", "say b"), step("By scaling", "true\nsay c")];
    let page = format!("# Shop\n\n## Mitigation\n\n{}", steps.concat());
    let way = |command: &str| match command {
        "fix" => "a",
        "say b" => "b",
        _ => "c",
    };
    let reading = reading_by(&page, |command| Do::Way { choice: "how".into(), way: way(command).into() });
    let case = Case::new().runbook(&page).reading(&reading);
    let told = case.set("respond", "{ phases: [mitigate], timeout: 2s, choose: { how: b } }").run().await;
    told.verdict(Verdict::NotRecovered, &[]).at("runbook.md", "### By fail-over");
    assert_eq!(told.commands(), ["true", "say b", "true"]);
    let steps = &told.record.plan.as_ref().expect("an announcement").steps;
    let not_run: Vec<Option<&str>> = steps.iter().map(|step| step.not_run.as_deref()).collect();
    let why = |way: &str| format!("`how` is `b`, and this is for `{way}`");
    assert_eq!(not_run, [Some(why("a").as_str()), None, Some(why("c").as_str())]);
    assert_eq!(steps.iter().map(|step| step.helps).collect::<Vec<_>>(), [Some(false), None, Some(false)]);
}

#[tokio::test]
async fn what_stands_behind_a_verification_that_did_not_pass_is_not_what_should_have_helped() {
    let step = |name: &str, command: &str| format!("### {name}\n\n```bash\n{command}\n```\n\n");
    let fixes = [step("First", "say one"), step("Then", "say two"), step("At last", "say three")];
    let page = format!(
        "# Shop\n\n## Mitigation\n\n{}{}## Verification\n\n{}## Mitigation\n\n{}",
        fixes[0],
        fixes[1],
        step("See", "false"),
        fixes[2]
    );
    let told = Case::new().runbook(&page).set("respond", "{ phases: [mitigate, verify], timeout: 2s }").run().await;
    told.verdict(Verdict::NotRecovered, &[]).at("runbook.md", "### Then");
    assert!(!told.commands().contains(&"say three"), "{:?}", told.commands());
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
