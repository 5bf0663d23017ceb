//! A runner that is killed, in each phase: the ledger has what is still to be undone, and the reaper can complete the
//! story.

use crate::support::{Case, Killed, TWO, When, begins, injects, lifts, removes, runs};
use firedrill::engine::reaper;
use firedrill::record::{Phase, Record, RunOutcome, Verdict};
use std::fs::File;
use std::io::{BufReader, Write};

async fn killed(case: Case, when: When) -> Killed {
    case.on(when, |controls| controls.kill.cancel()).run_until_killed().await
}

/// The faults that somebody else has to undo, the last one first.
fn outstanding(killed: &Killed) -> Vec<String> {
    let found = reaper::cut_off(&killed.run_dir).expect("a ledger").expect("a run that was cut off");
    assert_eq!(found.run.as_deref(), Some(killed.run_dir.id()));
    found.outstanding.into_iter().map(|(fault, _)| fault).collect()
}

fn completed(killed: &Killed, reasons: &[&str]) -> Record {
    let record = reaper::complete(&killed.run_dir, Vec::new(), false).expect("a record");
    assert_eq!(record.verdict, Verdict::Incomplete);
    for reason in reasons {
        assert!(record.reason.contains(reason), "{reason:?} is not in {:?}", record.reason);
    }
    assert!(record.ended && !record.passed());
    assert!(record.last_us >= killed.record.last_us);
    let file = File::open(killed.run_dir.events_path()).expect("events.jsonl");
    assert_eq!(Record::from_events(BufReader::new(file)), record);
    record
}

#[tokio::test]
async fn before_anything_is_broken_nothing_is_outstanding() {
    let killed = killed(Case::new(), begins(Phase::Steady)).await;
    assert_eq!(outstanding(&killed), Vec::<String>::new());
    completed(&killed, &["killed", "steady"]);
}

#[tokio::test]
async fn while_a_fault_goes_in_it_is_outstanding_already() {
    let killed = killed(Case::new().set("faults", TWO), injects("postgres_lock")).await;
    assert_eq!(outstanding(&killed), ["postgres_lock", "http_status"]);
    completed(&killed, &["killed", "inject"]);
}

#[tokio::test]
async fn while_a_command_runs_the_record_says_which() {
    let killed = killed(Case::new().replace("fix", "hang"), runs("hang")).await;
    assert_eq!(outstanding(&killed), ["http_status"]);
    let record = completed(&killed, &["killed", "respond", "work-around-it", "runbook.md:16"]);
    assert_eq!(record.loads, killed.record.loads, "what was measured until then is kept");
}

#[tokio::test]
async fn while_faults_are_undone_those_that_are_left_are_outstanding() {
    let killed = killed(Case::new().set("faults", TWO), lifts("http_status")).await;
    assert_eq!(outstanding(&killed), ["http_status"]);
    completed(&killed, &["killed", "revert"]);
}

#[tokio::test]
async fn while_the_stack_is_removed_nothing_has_passed_yet() {
    let killed = killed(Case::new(), removes()).await;
    assert_eq!(outstanding(&killed), Vec::<String>::new());
    let record = reaper::complete(&killed.run_dir, vec!["network fake_default".into()], false).expect("a record");
    assert_eq!(record.verdict, Verdict::Incomplete);
    assert!(record.reason.contains("killed during down"), "{}", record.reason);
    assert!(!record.passed());
}

#[tokio::test]
async fn an_expected_failure_is_no_pass_where_nobody_saw_its_faults_undone() {
    let case = Case::new().set("expect", "{ verdict: not_recovered }").replace("fix", "say done");
    let killed = killed(case, lifts("http_status")).await;
    assert_eq!(killed.record.verdict, Verdict::NotRecovered);
    let record = reaper::complete(&killed.run_dir, Vec::new(), false).expect("a record");
    assert_eq!((record.verdict, record.outcome()), (Verdict::NotRecovered, RunOutcome::Broken));
}

#[tokio::test]
async fn a_story_that_breaks_off_in_the_middle_of_a_line_can_be_completed() {
    let killed = killed(Case::new(), begins(Phase::Recover)).await;
    let mut events = File::options().append(true).open(killed.run_dir.events_path()).expect("events.jsonl");
    events.write_all(b"{\"seq\":4711,\"at_").expect("a torn line");
    let record = reaper::complete(&killed.run_dir, Vec::new(), true).expect("a record");
    assert!(record.reason.contains("recover") && record.kept, "{}", record.reason);
    assert_eq!(record.damage.len(), 1, "{:?}", record.damage);
}

#[tokio::test]
async fn a_drill_that_ended_by_itself_leaves_nothing_to_do() {
    let told = Case::new().replace("fix", "false").run().await;
    assert_eq!(reaper::cut_off(&told.run_dir).expect("a ledger"), None);
}
