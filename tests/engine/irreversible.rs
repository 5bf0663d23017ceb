//! Faults that nothing undoes: confirmed, asked again after the recovery, and then left as they are.

use crate::support::{Case, begins};
use firedrill::engine::reaper;
use firedrill::record::{Check, FaultEvent, Phase, Verdict};

/// A fault that hurts, and after it one that nothing undoes.
const BOTH: &str = "
  - http_status: { service: web, port: 80, status: 503 }
  - command: { service: db, run: break, confirm: look, irreversible: true }";

#[tokio::test]
async fn it_is_left_as_it_is_while_the_others_are_undone_and_the_slis_hold_once_more() {
    let told = Case::new().set("faults", BOTH).run().await;
    told.verdict(Verdict::Passed, &["recovered"]).passed(Check::Revert).passed(Check::NothingLeft);
    let life = [FaultEvent::Injecting, FaultEvent::Confirmed, FaultEvent::StillActive, FaultEvent::Irreversible];
    assert_eq!(told.life("command"), life);
    assert_eq!(told.life("http_status").last(), Some(&FaultEvent::Reverted));
    assert_eq!(told.lifted(), ["http_status"]);
    assert_eq!(told.record.irreversible(), ["command"]);
    let revert = format!("{:?}", told.check(&Check::Revert));
    assert!(
        revert.contains("every fault is gone but `command`, which goes with the stack, and every SLI held"),
        "{revert}"
    );
    let last = told.record.fault_record("command").and_then(|fault| fault.life.last());
    assert_eq!(last.map(|moment| moment.detail.as_str()), Some("goes with the stack"));
}

/// Restarted by the stack itself, or written anew: what it broke stays broken.
#[tokio::test]
async fn one_that_is_gone_before_the_mitigation_has_done_its_harm() {
    let case = Case::new().replace("say looking", "sleep 100").set("faults", BOTH);
    let told = case.world(|world| world.exits = [("look", vec![1, 0, 1])].into()).run().await;
    told.verdict(Verdict::Passed, &["recovered"]);
}

/// A fault that hurts, and can be undone.
fn hurts(confirm: &str) -> String {
    format!("\n  - command: {{ service: db, run: hurt-users, undo: mend, confirm: {confirm} }}")
}

#[tokio::test]
async fn one_that_is_in_place_again_at_once_has_not_ended_by_itself() {
    let exits = [("look", vec![1, 0, 1, 1, 0, 1])];
    let case = Case::new().replace("say looking", "sleep 100").set("faults", &hurts("look"));
    let told = case.world(|world| world.exits = exits.into()).run().await;
    told.verdict(Verdict::Passed, &["recovered"]);
}

/// A fault, and after it another one in the same service.
fn in_one_service() -> String {
    format!("\n  - command: {{ service: db, run: begin, undo: end, confirm: look }}{}", hurts("seen"))
}

#[tokio::test]
async fn one_that_a_later_fault_in_its_service_ends_cannot_be_ended_by_the_runbook() {
    let exits = [("look", vec![1, 0, 1]), ("seen", vec![1, 0, 1])];
    let case = Case::new().set("faults", &in_one_service());
    let told = case.world(|world| world.exits = exits.into()).run().await;
    told.verdict(Verdict::HarnessError, &["the fault `command` was gone once `command-2` was in place: `confirm`"]);
    told.at("fake.yaml", "run: begin").error(Check::Injection { fault: "command-2".into() });
    assert_eq!(told.commands(), Vec::<&str>::new());
}

#[tokio::test]
async fn one_beside_a_later_fault_in_its_service_is_asked_before_the_mitigation_as_well() {
    let exits = [("look", vec![1, 0, 0, 1]), ("seen", vec![1, 0, 0, 1])];
    let case = Case::new().replace("say looking", "sleep 100").set("faults", &in_one_service());
    let told = case.world(|world| world.exits = exits.into()).run().await;
    told.verdict(Verdict::SelfHealed, &["the fault `command` ended by itself before the first mitigating command"]);
    assert_eq!(told.commands(), ["sleep 100"], "no mitigating command ran");
}

#[tokio::test]
async fn users_who_do_not_hold_after_the_others_were_undone_are_not_reverted() {
    let told = Case::new().set("faults", BOTH).world(|world| world.scars = true).run().await;
    told.verdict(Verdict::NotReverted, &["did not hold"]).failed(Check::Revert);
    assert_eq!(told.life("command").last(), Some(&FaultEvent::Irreversible));
}

#[tokio::test]
async fn what_the_runbook_has_fixed_was_cleared_by_it_all_the_same() {
    for fault in [
        "\n  - sql: { service: db, run: DELETE FROM a, confirm: SELECT true, irreversible: true }",
        "\n  - files: { service: db, path: /data, do: remove, irreversible: true }",
    ] {
        let told = Case::new().set("faults", fault).replace("fix", "clear").run().await;
        told.verdict(Verdict::Passed, &["recovered"]).passed(Check::Revert);
        let id = if fault.contains("sql") { "sql" } else { "files" };
        let life =
            [FaultEvent::Injecting, FaultEvent::Confirmed, FaultEvent::ClearedByRunbook, FaultEvent::Irreversible];
        assert_eq!(told.life(id), life);
        assert_eq!(told.lifted(), Vec::<&str>::new());
    }
}

#[tokio::test]
async fn an_inverted_byte_is_undone_with_what_the_ledger_has() {
    let told = Case::new().set("faults", "\n  - files: { service: db, path: /data/1, do: flip, at: 3 }").run().await;
    told.verdict(Verdict::Passed, &[]).passed(Check::Revert);
    assert_eq!(told.life("files").last(), Some(&FaultEvent::Reverted));
    assert_eq!(told.lifted(), ["files"]);
    let ledger = std::fs::read_to_string(told.run_dir.ledger_path()).expect("a ledger");
    let undo = r#""undo":"file","service":"db","path":"/data/1","damage":{"flipped":{"offset":3,"original":0}}"#;
    assert!(ledger.contains(undo), "{ledger}");
}

#[tokio::test]
async fn a_stack_that_is_kept_says_what_stays_broken() {
    let told =
        Case::new().set("faults", BOTH).replace("fix", "false").options(|options| options.keep = true).run().await;
    told.verdict(Verdict::StepFailed, &[]).passed(Check::Revert);
    assert!(told.outcome.kept);
    let how = std::fs::read_to_string(told.run_dir.path().join("kept")).expect("how it is kept");
    assert!(how.contains("but for `command`, which is irreversible: what it broke stays broken"), "{how}");
}

#[tokio::test]
async fn a_runner_that_is_killed_leaves_it_in_the_ledger_as_what_nothing_undoes() {
    let kill = |case: Case| case.on(begins(Phase::Respond), |controls| controls.kill.cancel()).run_until_killed();
    let killed = kill(Case::new().set("faults", BOTH)).await;
    let found = reaper::cut_off(&killed.run_dir).expect("a ledger").expect("a run that was cut off");
    let irreversible = found.outstanding.iter().map(|(fault, undo)| (fault.as_str(), undo.irreversible()));
    assert_eq!(irreversible.collect::<Vec<_>>(), [("command", Some("goes with the stack")), ("http_status", None)]);
}
