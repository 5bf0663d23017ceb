//! Mitigations that recreate containers: rolling a release back and scaling a service out. Each is held in three ways: the
//! shipped runbook passes, without what it rests on users do not recover, and neither do they without any runbook.

use crate::drill::{BAD_DEPLOY, Drill, Project, SCALE};
use crate::verdicts::control;
use firedrill::record::{Check, FaultAfter, StepStatus, Verdict};

/// A runbook that does not help is not waited for as long as one that does.
const SOON: [(&str, &str); 1] = [("recover: { within: 15s, hold: 2s }", "recover: { within: 4s, hold: 2s }")];
/// The same of a bad release.
const SOON_RELEASED: (&str, &str) = ("recover: { within: 30s, hold: 2s }", "recover: { within: 4s, hold: 2s }");
const ROLL_BACK: &str = "export CHECKOUT_VERSION=\"$LAST_GOOD\"\ndocker compose up -d --no-deps checkout\n";
const SCALE_OUT: &str = "docker compose up -d --no-recreate --no-deps --scale tickets=3 tickets\n";

fn passed(drill: &Drill) {
    drill.came_to(Verdict::Passed, 0, &["users recovered"]).reverted();
    drill.passed_check(Check::Detection).passed_check(Check::StillBroken).passed_check(Check::Revert);
}

#[test]
fn a_release_that_is_rolled_back_is_recovered_from() {
    let project = Project::shipped(BAD_DEPLOY, &[], &[]);
    let drill = project.drill("bad-deploy", &[]);
    passed(&drill);
    drill.fault_after("deploy", FaultAfter::ClearedByRunbook);
    // What was released and what was rolled back to is what the container itself says.
    let events = drill.file("events.jsonl");
    let output = |version: &str| format!(r#""text":"build_info{{version=\"{version}\"}} 1.0\n""#);
    let (bad, good) = (events.find(&output("1.5.0")), events.find(&output("1.4.2")));
    assert!(bad.is_some() && bad < good, "{bad:?} {good:?}\n{}", drill.story());
    // Values are not in the ledger, and the model that was released is nowhere.
    let ledger = drill.file("ledger.jsonl");
    assert!(ledger.contains(r#""undo":"release""#) && !ledger.contains("1.5.0"), "{ledger}");
}

#[test]
fn a_container_made_anew_without_the_good_version_is_the_bad_release_again() {
    let again = [(ROLL_BACK, "docker compose up -d --no-deps --force-recreate checkout\n")];
    let verify = [("phases: [diagnose, mitigate, verify]", "phases: [mitigate]"), SOON_RELEASED];
    let drill = Project::shipped(BAD_DEPLOY, &verify, &again).drill("bad-deploy", &[]);
    // Firedrill itself takes the release back in the end.
    drill.came_to(Verdict::NotRecovered, 1, &["users had not recovered within 4.0 s"]).reverted();
    drill.fault_after("deploy", FaultAfter::StillActive);
    assert_eq!(drill.step_status("bring-the-last-good"), Some(StepStatus::Passed), "{}", drill.story());
}

#[test]
fn the_control_of_a_bad_release_does_not_recover() {
    control(
        &Project::shipped(BAD_DEPLOY, &[SOON_RELEASED, ("rto: 3m", "rto: 10s")], &[])
            .drill("bad-deploy", &["--control"]),
    );
}

#[test]
fn a_service_that_is_scaled_out_serves_all_that_come() {
    let drill = Project::shipped(SCALE, &[], &[]).drill("scale-replicas", &[]);
    passed(&drill);
    drill.fault_after("load_surge", FaultAfter::StillActive);
}

#[test]
fn a_restart_in_place_of_more_containers_is_not_recovered_from() {
    let restart = [(SCALE_OUT, "docker compose restart tickets\n")];
    let verify = ("phases: [diagnose, mitigate, verify]", "phases: [mitigate]");
    let preset = ("load_surge: { load: buyers, rate: 25/s }", "heavy_user: { load: buyers, rate: 25 }");
    let drill = Project::shipped(SCALE, &[verify, SOON[0], preset], &restart).drill("scale-replicas", &[]);
    drill.came_to(Verdict::NotRecovered, 1, &["users had not recovered within 4.0 s"]).reverted();
    drill.fault_after("heavy_user", FaultAfter::StillActive);
}

#[test]
fn the_control_of_a_surge_does_not_recover() {
    control(&Project::shipped(SCALE, &[SOON[0], ("rto: 1m", "rto: 10s")], &[]).drill("scale-replicas", &["--control"]));
}
