//! Recovery: a runbook that does not help, helps for a moment, or helps too late.

use crate::support::{Case, Entry, Happening, PROCESS, Told, begins, runs};
use firedrill::record::{Check, Event, FaultAfter, FaultEvent, Phase, Verdict, WAIT_UNFELT};
use firedrill::runbook::Retry;
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
async fn what_a_runbook_breaks_again_at_its_end_is_no_recovery() {
    let told = Case::new().replace("healthy", "await-health\nunfix").run().await;
    let words = ["had recovered", "lost the service again when or after the step at ", "runbook.md:21 ran"];
    told.verdict(Verdict::NotRecovered, &words).at("runbook.md", "### Step 3");
}

#[tokio::test]
async fn a_pass_says_that_users_had_recovered_before_and_lost_the_service_again() {
    let told = Case::new()
        .replace("healthy", "await-health\nsleep 1500\nsleep 1500\nunfix\nsleep 500\nfix\nawait-health")
        .set("recover", "{ within: 6s, hold: 1s }")
        .run()
        .await;
    told.verdict(Verdict::Passed, &[]);
    let notes: Vec<&str> = told.record.notes.iter().map(|note| note.text.as_str()).collect();
    assert!(notes.iter().any(|note| note.contains("lost the service again when or after the step at")), "{notes:?}");
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
async fn of_a_fault_that_cannot_be_asked_after_the_recovery_it_is_not_known_how_it_stands() {
    let fault = "\n  - command: { service: db, run: hurt-users, undo: mend, confirm: look }";
    let exits = [("look", vec![1, 0, 0, 2, 2, 1])];
    let told = Case::new().set("faults", fault).world(|world| world.exits = exits.into()).run().await;
    told.verdict(Verdict::Passed, &[]);
    let after = told.record.fault_record("command").and_then(|fault| fault.after);
    assert_eq!(after, Some(FaultAfter::Unknown), "{}", told.story());
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

/// A bad client needs a second to hurt: one that is cut off and comes back hurts a second later, too.
#[tokio::test]
async fn the_hold_is_never_shorter_than_the_fault_needs_to_hurt_and_a_half_more() {
    let told = Case::new()
        .replace("fix", "clear")
        .set("respond", MITIGATE)
        .set("impact", "{ below: 90%, within: 4s, window: 500ms }")
        .world(|world| {
            world.hurts_late = Duration::from_secs(1);
            world.returns_after = Some(Duration::from_millis(200));
        })
        .run()
        .await;
    not_recovered(&told);
    let hold = told.record.hold.expect("how long was held");
    let onset = hold.onset_us.expect("an impact");
    assert!(onset >= 1_000_000, "{onset}");
    assert_eq!((hold.configured_us, hold.window_us), (500_000, 500_000));
    assert_eq!(hold.required_us, onset * 3 / 2 + 500_000, "{hold:?}");
}

/// Five bad events take one load a slice and the other one half a second.
#[tokio::test]
async fn the_hold_follows_the_last_sli_that_fell_before_the_mitigation() {
    let load = "{ shop: { request: GET http://web:80/, rate: 100/s, timeout: 200ms }, \
                rare: { request: GET http://web:80/rare, rate: 10/s, timeout: 200ms } }";
    let slis = "{ availability: { load: shop, good: status < 500, objective: 95% }, \
                rarely: { load: rare, good: status < 500, objective: 80% } }";
    let told = Case::new()
        .set("load", load)
        .set("slis", slis)
        .set("steady", "{ for: 1s, within: 3s }")
        .set("impact", "{ below: 75%, within: 3s, window: 1s }")
        .set("recover", "{ within: 1500ms, hold: 1s }")
        .set("revert", "{ hold: 1s }")
        .replace("say looking", "sleep 1000")
        .run()
        .await;
    told.verdict(Verdict::Passed, &[]);
    let (impacts, hold) = (&told.record.impacts, told.record.hold.expect("how long was held"));
    let first = impacts[0].impact_us.since(told.record.injecting_us().expect("a fault"));
    let onset = Duration::from_micros(hold.onset_us.expect("an impact"));
    assert!(onset >= first + Duration::from_millis(200), "{onset:?} {first:?}");
    assert_eq!(hold.required_us, hold.onset_us.expect("an impact") * 3 / 2 + 1_000_000, "{hold:?}");
}

#[tokio::test]
async fn users_who_recover_beside_a_verification_that_never_passes_were_not_helped() {
    let told = Case::new()
        .replace("healthy", "false")
        .set("respond", "{ phases: [verify] }")
        .world(|world| world.ends_after = Some(Duration::from_millis(1300)))
        .run()
        .await;
    told.verdict(Verdict::SelfHealed, &["no command of the runbook was meant to help"]);
    assert_eq!((told.record.recovered_us(), told.record.held_after()), (None, None), "{}", told.story());
}

#[tokio::test]
async fn users_who_relapse_before_the_faults_are_undone_have_not_recovered() {
    let told = Case::new()
        .replace("fix", "fix-for-long")
        .set("respond", MITIGATE)
        .set("rto", "1m")
        .set("invariants", "{ orders: { service: db, run: count, as_before: true } }")
        .world(|world| {
            world.probes = [("count", vec!["7"])].into();
            world.probes_take = Duration::from_secs(3);
        })
        .run()
        .await;
    told.verdict(Verdict::NotRecovered, &["lost the service again", "503 × "]).at("runbook.md", "### Step 2");
    told.passed(Check::Recovery { sli: "availability".into() }).failed(Check::StillServed);
    told.failed(Check::RecoveryTime);
    assert!(told.record.relapsed_us.is_some(), "{}", told.story());
    assert_eq!(told.record.figures().to_recover_us, None, "a recovery that did not last is none");
}

/// Users had felt one of two faults, and are served beside both: 2.5 s after its injection the other one hurts, too; or 1.8 s after the
/// cure of the first one, which had hid it for longer than `impact.within`.
#[tokio::test]
async fn a_fault_that_is_left_has_its_time_to_be_felt_before_the_faults_are_undone() {
    let two = |within: &str| {
        let impact = format!("{{ below: 90%, within: {within}, window: 500ms }}");
        Case::new().set("faults", crate::support::TWO).set("impact", &impact).set("respond", MITIGATE)
    };
    let injected = two("4s").world(|world| world.hurts_after = Some(Duration::from_millis(2500)));
    let hidden = two("2500ms")
        .replace("say looking", "sleep 3000")
        .on(runs("fix"), |controls| controls.world.break_later(Duration::from_millis(1800)));
    let (injected, hidden) = tokio::join!(injected.run(), hidden.run());
    for (told, least) in [(injected, 4000), (hidden, 5500)] {
        told.verdict(Verdict::NotRecovered, &["lost the service again"]).failed(Check::StillServed);
        let (first, wait) = (told.record.injected_us(), told.record.waits.iter().find(|wait| wait.what == WAIT_UNFELT));
        let waited = wait.expect("a wait").ended_us.since(first.expect("a fault"));
        assert!(waited >= Duration::from_millis(least), "{waited:?}");
    }
}

/// A few requests fail while others take over: users were served again before the runbook began, if not for long.
#[tokio::test]
async fn users_who_suffered_for_a_moment_just_before_the_mitigation_were_not_helped_by_it() {
    let felt = |entry: &Entry| matches!(entry.event(), Some(Event::Impacted(_)));
    let told = Case::new()
        .replace("say looking", "sleep 400")
        .set("respond", MITIGATE)
        .set("impact", "{ below: 90%, within: 1500ms, window: 1s }")
        .set("recover", "{ within: 1500ms, hold: 1500ms }")
        .on(Box::new(felt), |controls| controls.world.work_around(None))
        .run()
        .await;
    told.verdict(Verdict::SelfHealed, &["recovered before the first mitigating command"]).failed(Check::StillBroken);
}

#[tokio::test]
async fn users_who_relapse_while_the_logs_are_saved_have_not_recovered() {
    let told = Case::new()
        .set("faults", PROCESS)
        .set("respond", MITIGATE)
        .world(|world| world.logs_take = Duration::from_secs(1))
        .on(Box::new(|entry| entry.done() == Some(&Happening::LogsSaved)), |controls| controls.world.relapse())
        .run()
        .await;
    told.verdict(Verdict::NotRecovered, &["lost the service again"]).failed(Check::StillServed);
    assert!(told.record.relapsed_us.is_some(), "{}", told.story());
    let lifted = told.record.fault_record("process").and_then(|fault| fault.at(FaultEvent::Reverted));
    assert!(told.record.relapsed_us < lifted, "{}", told.story());
}

/// What is not known is no failure that a scenario could expect.
#[tokio::test]
async fn where_queries_fail_after_the_runbook_nobody_knows_whether_users_have_recovered() {
    let case = |each: u64| {
        Case::new()
            .set("slis", "{ fresh: { query: { service: db, sql: SELECT true, every: 100ms }, objective: 90% } }")
            .set("steady", "{ for: 1s, within: 3s }")
            .set("impact", "{ below: 80%, within: 1500ms, window: 500ms }")
            .set("respond", MITIGATE)
            .set("recover", "{ within: 1500ms, hold: 1s }")
            .set("expect", "{ verdict: not_recovered }")
            .on(begins(Phase::Recover), move |controls| controls.world.fail_queries(each))
    };
    for each in [1, 2] {
        let told = case(each).run().await;
        told.verdict(Verdict::HarnessError, &["whether users have recovered is not known: fresh: "]);
        told.error(Check::Recovery { sli: "fresh".into() });
        assert!(!told.record.passed(), "{}", told.story());
    }
    // Of every second one it is known that it was bad.
    let told = case(2).replace("fix", "true").run().await;
    told.verdict(Verdict::NotRecovered, &["fresh: 0%"]).failed(Check::Recovery { sli: "fresh".into() });
    assert!(told.record.passed(), "{}", told.story());
}

/// Queries fail from the mitigation until long after the time to recover.
#[tokio::test]
async fn where_queries_fail_until_it_is_too_late_nobody_knows_when_users_recovered() {
    let case = || {
        Case::new()
            .set("slis", "{ fresh: { query: { service: db, sql: SELECT true, every: 100ms }, objective: 90% } }")
            .set("steady", "{ for: 1s, within: 3s }")
            .set("impact", "{ below: 80%, within: 1500ms, window: 500ms }")
            .set("respond", "{ phases: [diagnose, mitigate, verify], timeout: 5s }")
            .set("recover", "{ within: 8s, hold: 1s }")
            .set("rto", "3s")
            .set("expect", "{ verdict: too_late }")
            .replace("healthy", "sleep 2800\nhealthy")
            .on(runs("fix"), |controls| controls.world.fail_queries(2))
            .on(runs("healthy"), |controls| controls.world.fail_queries(u64::MAX))
    };
    let told = case().run().await;
    told.verdict(Verdict::HarnessError, &["whether users recovered in time is not known"]).error(Check::RecoveryTime);
    assert!(!told.record.passed(), "{}", told.story());
    // Also at best it was too late.
    let told = case().replace("fix", "sleep 2600\nfix").run().await;
    told.verdict(Verdict::TooLate, &[]).failed(Check::RecoveryTime);
}

#[tokio::test]
async fn where_queries_fail_after_the_hold_nobody_knows_whether_users_kept_the_service() {
    for (each, seen) in [(2, "fresh: 100%"), (1, "fresh: no data")] {
        let saves = |entry: &Entry| entry.done() == Some(&Happening::LogsSaved);
        let told = Case::new()
            .set("faults", PROCESS)
            .set("slis", "{ fresh: { query: { service: db, sql: SELECT true, every: 100ms }, objective: 90% } }")
            .set("steady", "{ for: 1s, within: 3s }")
            .set("impact", "{ below: 80%, within: 1500ms, window: 500ms }")
            .set("respond", MITIGATE)
            .set("recover", "{ within: 3s, hold: 1s }")
            .world(|world| world.logs_take = Duration::from_secs(2))
            .on(Box::new(saves), move |controls| controls.world.fail_queries(each))
            .run()
            .await;
        let words = ["whether users kept the service that they had recovered is not known", seen];
        told.verdict(Verdict::HarnessError, &words).error(Check::StillServed);
        assert_eq!(told.record.relapsed_us, None, "{}", told.story());
    }
}

#[tokio::test]
async fn users_who_are_refused_after_the_hold_have_lost_the_service_again() {
    let told = Case::new()
        .set("faults", PROCESS)
        .set("respond", MITIGATE)
        .world(|world| world.logs_take = Duration::from_secs(2))
        .on(Box::new(|entry| entry.done() == Some(&Happening::LogsSaved)), |controls| controls.world.refuse())
        .run()
        .await;
    let words = ["lost the service again", "the SLIs are met, but users are refused what they got before", "404 × "];
    told.verdict(Verdict::NotRecovered, &words).failed(Check::StillServed);
    assert!(told.record.relapsed_us.is_some(), "{}", told.story());
}

#[tokio::test]
async fn a_recovery_that_misses_the_objective_is_too_late() {
    let told = Case::new()
        .replace("fix", "fix-later")
        .says("check", |settings| {
            settings.retry = Some(Retry { attempts: 20, pause: Duration::from_millis(200) });
        })
        .set("rto", "1s")
        .set("recover", "{ within: 4s, hold: 500ms }")
        .run()
        .await;
    told.verdict(Verdict::TooLate, &["recovery time objective is 1.0 s", "answers until then: 503 × "]);
    told.at("fake.yaml", "rto:").failed(Check::RecoveryTime).passed(Check::Recovery { sli: "availability".into() });
    let told = Case::new().set("rto", "1m").run().await;
    told.verdict(Verdict::Passed, &[]).passed(Check::RecoveryTime);
}

/// With one request in a slice, which waits for the cure, the first good answer comes long after it was due.
#[tokio::test]
async fn nobody_recovers_before_the_first_mitigating_command() {
    let told = Case::new().run().await;
    let (began, recovered) = (told.record.mitigation_started_us, told.record.recovered_us());
    assert!(recovered > began, "{recovered:?} {began:?}");
    let (from, _) = told.record.held_after().expect("a window");
    assert!(recovered.expect("a recovery") > from, "an answer takes time");
}

#[tokio::test]
async fn the_reason_says_what_users_got_and_what_the_mitigation_wrote_last() {
    let told = Case::new().replace("fix", "say there is no such role").set("respond", MITIGATE).run().await;
    let words = ["answers: 503 × ", "the last output of `Step 2: Work around it` was `there is no such role`"];
    told.verdict(Verdict::NotRecovered, &words);
}
