//! Revert and down: what cannot be undone, what is left behind, what is kept.

use crate::support::{Case, Happening, TWO, lifts};
use firedrill::record::{Check, FaultEvent, Verdict};
use std::sync::Arc;
use std::time::Duration;

#[tokio::test]
async fn a_fault_that_cannot_be_lifted_spoils_a_pass_and_the_others_are_undone_all_the_same() {
    let told = Case::new().set("faults", TWO).world(|world| world.cannot_lift = Some("postgres_lock")).run().await;
    told.verdict(Verdict::NotReverted, &["`postgres_lock`", "the rule is stuck"]).failed(Check::Revert);
    told.at("fake.yaml", "faults:");
    assert_eq!(told.lifted(), ["postgres_lock", "http_status"]);
    assert_eq!(told.life("http_status").last(), Some(&FaultEvent::Reverted));
    assert_eq!(told.life("postgres_lock").last(), Some(&FaultEvent::Failed));
    told.passed(Check::NothingLeft);
}

#[tokio::test]
async fn a_fault_that_is_still_there_after_it_was_lifted_is_not_reverted() {
    let told = Case::new().world(|world| world.lift_lies = Some("http_status")).run().await;
    told.verdict(Verdict::NotReverted, &["`http_status`", "still there"]).failed(Check::Revert);
    told.passed(Check::NothingLeft);
}

#[tokio::test]
async fn users_who_suffer_after_the_faults_are_gone_are_not_reverted() {
    let told = Case::new().world(|world| world.scars = true).run().await;
    told.verdict(Verdict::NotReverted, &["did not hold", "availability"]).failed(Check::Revert);
    assert_eq!(told.life("http_status").last(), Some(&FaultEvent::Reverted));
}

#[tokio::test]
async fn users_who_are_refused_after_the_faults_are_gone_are_not_reverted() {
    let told = Case::new().on(lifts("http_status"), |controls| controls.world.refuse()).run().await;
    let words = ["the faults are gone and the SLIs are met, but users are refused what they got before", "404 × "];
    told.verdict(Verdict::NotReverted, &words).failed(Check::Revert).passed(Check::StillServed);
}

#[tokio::test]
async fn a_pass_says_that_users_were_served_only_late_after_the_revert() {
    let refused = Duration::from_millis(1500);
    let told = Case::new().on(lifts("http_status"), move |controls| controls.world.refuse_for(refused)).run().await;
    told.verdict(Verdict::Passed, &[]);
    let is_late = told.record.notes.iter().any(|note| note.text.ends_with("after the last undo on"));
    assert!(is_late, "{}", told.story());
}

#[tokio::test]
async fn a_pass_says_which_service_has_fewer_containers_than_before() {
    let told = Case::new().on(lifts("http_status"), |controls| controls.world.lose_web()).run().await;
    told.verdict(Verdict::Passed, &[]);
    let notes: Vec<&str> = told.record.notes.iter().map(|note| note.text.as_str()).collect();
    assert_eq!(notes, ["`web` runs in 0 of the 1 containers that it had before the fault"]);
}

/// A source that counts every two seconds counts first what was good before.
#[tokio::test]
async fn what_a_source_counts_from_time_to_time_holds_from_its_next_count_on() {
    let told = Case::new()
        .set("slis", "{ fresh: { query: { service: db, sql: SELECT true, every: 100ms }, objective: 90% } }")
        .set("steady", "{ for: 1s, within: 3s }")
        .set("impact", "{ below: 80%, within: 1500ms, window: 500ms }")
        .set("recover", "{ within: 3s, hold: 1s }")
        .plan_with(|plan| {
            let source = Arc::get_mut(&mut plan.own_sources[0]).expect("nobody else has it");
            source.interval = Duration::from_secs(2);
        })
        .on(lifts("http_status"), |controls| controls.world.break_later(Duration::from_millis(1500)))
        .run()
        .await;
    told.verdict(Verdict::NotReverted, &["did not hold", "fresh"]).failed(Check::Revert).passed(Check::StillServed);
}

/// Beside the load of the SLI one that no SLI looks at. Once the fault is lifted, its requests take so long and end so.
fn beside(takes: Duration, result: &'static str) -> Case {
    let load = "{ shop: { request: GET http://web:80/, rate: 100/s, timeout: 200ms }, \
                jobs: { request: GET http://web:80/jobs, rate: 100/s, timeout: 800ms } }";
    Case::new().set("load", load).world(|world| world.slow = Some(("jobs", takes, result)))
}

#[tokio::test]
async fn users_of_a_load_without_sli_who_wait_in_vain_after_the_faults_are_gone_are_not_reverted() {
    let told = beside(Duration::from_millis(800), "timeout").run().await;
    let words = ["but users are refused what they got before: requests of jobs", "timeout × "];
    told.verdict(Verdict::NotReverted, &words).failed(Check::Revert).passed(Check::StillServed);
}

#[tokio::test]
async fn a_load_without_sli_that_is_slower_than_the_others_has_held_once_its_answers_came() {
    let told = beside(Duration::from_millis(700), "200").run().await;
    told.verdict(Verdict::Passed, &[]).passed(Check::Revert);
}

#[tokio::test]
async fn a_load_without_sli_of_which_nothing_is_known_after_the_faults_are_gone_is_no_pass() {
    let told = beside(Duration::from_secs(3600), "timeout").run().await;
    told.verdict(Verdict::HarnessError, &["no complete measurement", "requests of `jobs`"]).error(Check::Revert);
}

#[tokio::test]
async fn where_queries_fail_after_the_faults_are_gone_nobody_knows_whether_users_are_served() {
    let told = Case::new()
        .set("slis", "{ fresh: { query: { service: db, sql: SELECT true, every: 100ms }, objective: 90% } }")
        .set("steady", "{ for: 1s, within: 3s }")
        .set("impact", "{ below: 80%, within: 1500ms, window: 500ms }")
        .set("recover", "{ within: 3s, hold: 1s }")
        .set("expect", "{ verdict: not_reverted }")
        .on(lifts("http_status"), |controls| controls.world.fail_queries(2))
        .run()
        .await;
    told.verdict(Verdict::HarnessError, &["whether users are served is not known: fresh: 100%"]).error(Check::Revert);
    assert!(!told.record.passed(), "{}", told.story());
}

#[tokio::test]
async fn something_left_behind_spoils_a_pass() {
    let told = Case::new().world(|world| world.leaves = vec!["volume fake_data".into()]).run().await;
    told.verdict(Verdict::Leaked, &["volume fake_data"]).failed(Check::NothingLeft).passed(Check::Revert);
    assert_eq!(told.record.left, ["volume fake_data"]);
}

#[tokio::test]
async fn a_stack_that_cannot_be_removed_is_leaked() {
    let told = Case::new().world(|world| world.down_fails = true).run().await;
    told.verdict(Verdict::Leaked, &["docker compose down", "sweep"]).error(Check::NothingLeft);
    assert!(!told.record.left.is_empty());
}

#[tokio::test]
async fn the_first_verdict_stands_when_the_clean_up_fails_as_well() {
    let told = Case::new()
        .replace("fix", "false")
        .world(|world| {
            world.cannot_lift = Some("http_status");
            world.leaves = vec!["network fake_default".into()];
        })
        .run()
        .await;
    told.verdict(Verdict::StepFailed, &[]).failed(Check::Revert).failed(Check::NothingLeft);
    let aftermath: Vec<Verdict> = told.record.aftermath.iter().map(|judgement| judgement.verdict).collect();
    assert_eq!(aftermath, [Verdict::NotReverted, Verdict::Leaked]);
}

#[tokio::test]
async fn an_expected_failure_that_cannot_be_undone_is_no_pass() {
    let told = Case::new()
        .replace("fix", "true")
        .set("respond", "{ phases: [mitigate] }")
        .set("expect", "{ verdict: not_recovered }")
        .world(|world| world.cannot_lift = Some("http_status"))
        .run()
        .await;
    told.verdict(Verdict::NotRecovered, &[]).failed(Check::Revert);
    assert!(!told.record.passed());
}

#[tokio::test]
async fn an_expected_failure_that_leaves_something_behind_is_no_pass() {
    let told = Case::new()
        .replace("fix", "true")
        .set("respond", "{ phases: [mitigate] }")
        .set("expect", "{ verdict: not_recovered }")
        .world(|world| world.leaves = vec!["container fake-db-1".into()])
        .run()
        .await;
    told.verdict(Verdict::NotRecovered, &[]);
    assert!(!told.record.passed());
}

#[tokio::test]
async fn a_drill_that_fails_is_kept_on_wish_with_its_faults_undone() {
    let told = Case::new().replace("fix", "false").options(|options| options.keep = true).run().await;
    told.verdict(Verdict::StepFailed, &[]).not_reached(Check::NothingLeft).passed(Check::Revert);
    assert!(told.outcome.kept && told.record.kept);
    assert_eq!(told.lifted(), ["http_status"]);
    assert!(!told.happenings().any(|happening| *happening == Happening::Down));
    assert!(told.run_dir.is_kept());
}

#[tokio::test]
async fn a_drill_that_fails_as_expected_has_passed_and_is_not_kept() {
    let told = Case::new()
        .replace("fix", "true")
        .set("respond", "{ phases: [mitigate] }")
        .set("expect", "{ verdict: not_recovered }")
        .options(|options| options.keep = true)
        .run()
        .await;
    told.verdict(Verdict::NotRecovered, &[]).passed(Check::NothingLeft);
    assert!(told.record.passed() && !told.outcome.kept);
}

#[tokio::test]
async fn logs_are_saved_before_the_stack_is_removed() {
    let told = Case::new().run().await;
    let saved = told.position("save_logs", |entry| entry.done() == Some(&Happening::LogsSaved));
    let removed = told.position("down", |entry| entry.done() == Some(&Happening::Down));
    assert!(saved < removed);
}
