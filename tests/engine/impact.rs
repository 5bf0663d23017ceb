//! Impact and detection: what ends a drill before the runbook is opened.

use crate::support::{Alert, Case, PROCESS, Switches, Told, begins, runs};
use firedrill::record::{Check, Event, FaultAfter, FaultEvent, PageExpectation, Phase, Verdict};
use firedrill::runbook::Command;
use firedrill::spec::BlockClient;
use std::sync::Arc;
use std::time::Duration;

fn the_runbook_was_not_opened(told: &Told) {
    assert_eq!(told.commands(), Vec::<&str>::new());
    assert_eq!(told.lifted(), ["http_status"]);
}

/// A drill in which users are to notice nothing.
fn unnoticed() -> Case {
    Case::new().without("runbook").without("respond").set("impact", "{ none: true, within: 1s }")
}

#[tokio::test]
async fn a_fault_that_nobody_notices_proves_nothing() {
    let nobody = |world: &mut Switches| (world.toothless, world.idle) = (true, Some("http_status"));
    let told = Case::new().world(nobody).run().await;
    told.verdict(Verdict::NoImpact, &["90%", "availability: 100%", "`http_status` acted 0 times"])
        .at("fake.yaml", "impact:")
        .failed(Check::Impact);
    the_runbook_was_not_opened(&told);
}

/// Beside a fault that hurts, and where users are to notice none, one that never met a request would pass as survived.
#[tokio::test]
async fn a_fault_that_never_acts_proves_nothing_beside_another_one_either() {
    let faults = "
  - postgres_lock: { service: db, table: orders }
  - http_status: { service: web, port: 80, status: 503 }";
    let idle = || Case::new().set("faults", faults).set("impact", "{ below: 90%, within: 2s, window: 500ms }");
    let told = idle().world(|world| world.idle = Some("http_status")).run().await;
    told.verdict(Verdict::NoImpact, &["`http_status` acted 0 times"]).failed(Check::Impact);
    assert_eq!(told.commands(), Vec::<&str>::new());
    idle().run().await.verdict(Verdict::Passed, &[]);
    let nobody = |world: &mut Switches| (world.toothless, world.idle) = (true, Some("http_status"));
    let told = unnoticed().world(nobody).run().await;
    told.verdict(Verdict::NoImpact, &["`http_status` acted 0 times"]);
}

/// A client that died at once has harmed nobody because it was not there.
#[tokio::test]
async fn a_fault_that_does_not_stay_while_users_are_to_notice_none_proves_nothing() {
    let ends = |after: u64, exit: i64| {
        unnoticed().set("faults", PROCESS).set("steady", "{ for: 2s, within: 4s }").world(move |world| {
            (world.toothless, world.exits_with) = (true, exit);
            world.ends_after = Some(Duration::from_millis(after));
        })
    };
    for exit in [0, 3] {
        let told = ends(300, exit).run().await;
        told.verdict(Verdict::NoImpact, &["`process` did not stay in place for 1.0 s"]).failed(Check::Impact);
        let fault = told.record.fault_record("process").expect("a fault");
        assert_eq!(fault.after, Some(FaultAfter::EndedByItself), "{}", told.story());
    }
    // No runbook can have cleared it.
    let cleared = PROCESS.replace("run: work", "run: work, cleared_when: { service: db, run: shut-out }");
    let cleared = ends(300, 0).set("faults", &cleared);
    let told = cleared.world(|world| world.exits.extend([("shut-out", vec![1, 0])])).run().await;
    told.verdict(Verdict::NoImpact, &["`process` did not stay in place for 1.0 s"]).failed(Check::Impact);
    ends(60_000, 0).run().await.verdict(Verdict::Passed, &[]);
}

/// A limit of the server's own ends the session that holds the lock.
#[tokio::test]
async fn a_fault_of_an_agent_that_does_not_stay_while_users_are_to_notice_none_proves_nothing() {
    let told = unnoticed()
        .set("faults", "\n  - postgres_lock: { service: db, table: orders }")
        .world(|world| {
            (world.toothless, world.by_itself) = (true, true);
            world.ends_after = Some(Duration::from_millis(500));
        })
        .run()
        .await;
    told.verdict(Verdict::NoImpact, &["`postgres_lock` did not stay in place for 1.0 s"]).failed(Check::Impact);
}

#[tokio::test]
async fn users_who_are_refused_when_they_should_notice_nothing_are_breached() {
    let told = unnoticed()
        .world(|world| world.toothless = true)
        .on(begins(Phase::Impact), |controls| controls.world.refuse())
        .run()
        .await;
    told.verdict(Verdict::Breached, &["they were refused what they got", "404 × "]).failed(Check::Impact);
}

/// Of four seconds they are refused for a few slices: fewer than one in ten of all.
#[tokio::test]
async fn users_who_are_refused_for_a_moment_when_they_should_notice_nothing_are_breached() {
    let told = unnoticed()
        .set("impact", "{ none: true, within: 4s }")
        .plan_with(|plan| plan.impact.window = Duration::from_millis(200))
        .world(|world| world.toothless = true)
        .on(begins(Phase::Impact), |controls| controls.world.refuse_for(Duration::from_millis(250)))
        .run()
        .await;
    told.verdict(Verdict::Breached, &["they were refused what they got", "404 × "]).failed(Check::Impact);
}

/// The application's own watchdog ends the session that holds the lock, and nobody reports it.
#[tokio::test]
async fn a_fault_that_somebody_else_ends_while_users_are_to_notice_none_proves_nothing() {
    let ended = || {
        unnoticed().set("faults", "\n  - postgres_lock: { service: db, table: orders }").world(|world| {
            (world.toothless, world.ends_after) = (true, Some(Duration::from_millis(300)));
        })
    };
    for control in [false, true] {
        let told = ended().options(|options| options.control = control).run().await;
        told.verdict(Verdict::NoImpact, &["`postgres_lock` did not stay in place for 1.0 s", "is not listed"]);
        told.at("fake.yaml", "postgres_lock").failed(Check::Impact);
        let fault = told.record.fault_record("postgres_lock").expect("a fault");
        assert_eq!(fault.after, Some(FaultAfter::EndedByItself), "{}", told.story());
    }
    ended().world(|world| world.ends_after = None).run().await.verdict(Verdict::Passed, &[]);
}

#[tokio::test]
async fn a_fault_that_cannot_be_asked_while_users_are_to_notice_none_is_the_harness() {
    let asked = |more: &str, exits: &[i64]| {
        let exits = exits.to_vec();
        let fault = format!("\n  - command: {{ service: db, run: break, confirm: look, {more} }}");
        unnoticed().set("faults", &fault).world(move |world| {
            world.toothless = true;
            world.exits = [("look", exits)].into();
        })
    };
    let told = asked("undo: mend", &[1, 0, 2, 1]).run().await;
    told.verdict(Verdict::HarnessError, &["`confirm` in `db`"]).error(Check::Impact);
    asked("undo: mend", &[1, 0, 0, 1]).run().await.verdict(Verdict::Passed, &[]);
    // What nothing undoes has done its harm.
    let told = asked("irreversible: true", &[1, 0, 1]).run().await;
    told.verdict(Verdict::Passed, &[]);
    let life = [FaultEvent::Injecting, FaultEvent::Confirmed, FaultEvent::EndedByItself, FaultEvent::Irreversible];
    assert_eq!(told.life("command"), life);
}

#[tokio::test]
async fn an_impact_that_comes_too_late_is_none() {
    let told = Case::new()
        .set("impact", "{ below: 90%, within: 500ms, window: 500ms }")
        .world(|world| {
            world.toothless = true;
            world.hurts_after = Some(Duration::from_millis(1200));
        })
        .run()
        .await;
    told.verdict(Verdict::NoImpact, &[]).failed(Check::Impact);
}

#[tokio::test]
async fn an_alert_condition_that_never_holds_is_undetected() {
    let told = Case::new()
        .set("detect", "{ metrics: 'http://web:9100/metrics', when: queue > 5, within: 1s }")
        .world(|world| world.alert = Alert::Deaf)
        .run()
        .await;
    told.verdict(Verdict::Undetected, &["queue > 5", "its last value was 0"]).at("fake.yaml", "detect:");
    told.passed(Check::Impact).failed(Check::Detection);
    the_runbook_was_not_opened(&told);
}

/// Beside pages that must not come it is the condition that detects.
#[tokio::test]
async fn a_condition_beside_pages_that_must_not_come_is_detected() {
    let told = Case::new()
        .set("detect", "{ metrics: 'http://web:9100/metrics', when: queue > 5, within: 3s }")
        .plan_with(|plan| {
            let page = PageExpectation { max_pages: Some(1), ..PageExpectation::default() };
            plan.detect.page = Some(page);
        })
        .run()
        .await;
    told.verdict(Verdict::Passed, &[]).passed(Check::Detection).passed(Check::Pages);
    assert!(told.record.detected_us.is_some(), "{}", told.story());
}

/// Of two faults an alert has its time from the last one that was there when users felt something.
#[tokio::test]
async fn an_alert_has_its_time_from_the_fault_that_users_felt() {
    let faults = "
  - http_status: { service: web, port: 80, status: 503 }
  - postgres_lock: { service: db, table: orders }
    after: 1500ms";
    let case = || {
        Case::new()
            .set("faults", faults)
            .set("impact", "{ below: 90%, within: 3s, window: 500ms }")
            .set("detect", "{ metrics: 'http://web:9100/metrics', when: queue > 5, within: 1s }")
    };
    let told = case().world(|world| world.harmless = Some("http_status")).run().await;
    told.verdict(Verdict::Passed, &[]).passed(Check::Detection);
    let told = case().world(|world| world.alert = Alert::Of("postgres_lock")).run().await;
    told.verdict(Verdict::Undetected, &["queue > 5", "within 1.0 s"]).failed(Check::Detection);
    assert_eq!(told.commands(), Vec::<&str>::new());
}

#[tokio::test]
async fn users_who_notice_when_none_should_are_breached() {
    let told = unnoticed().run().await;
    told.verdict(Verdict::Breached, &["availability"]).at("fake.yaml", "impact:").failed(Check::Impact);
    the_runbook_was_not_opened(&told);
}

/// A source that counts every two seconds counts first what was good before, and what users notice a second later counts as well.
#[tokio::test]
async fn what_a_source_counts_from_time_to_time_is_kept_from_its_next_count_on() {
    let told = unnoticed()
        .set("slis", "{ fresh: { query: { service: db, sql: SELECT true, every: 100ms }, objective: 90% } }")
        .set("steady", "{ for: 1s, within: 3s }")
        .plan_with(|plan| {
            let source = Arc::get_mut(&mut plan.own_sources[0]).expect("nobody else has it");
            source.interval = Duration::from_secs(2);
        })
        .world(|world| world.hurts_late = Duration::from_millis(1500))
        .run()
        .await;
    told.verdict(Verdict::Breached, &["fresh"]).failed(Check::Impact);
}

#[tokio::test]
async fn where_queries_fail_under_the_fault_nobody_knows_whether_users_felt_it() {
    let case = || {
        Case::new()
            .set("slis", "{ fresh: { query: { service: db, sql: SELECT true, every: 100ms }, objective: 90% } }")
            .set("steady", "{ for: 1s, within: 3s }")
            .set("impact", "{ below: 80%, within: 1500ms, window: 500ms }")
            .set("recover", "{ within: 3s, hold: 1s }")
            .set("expect", "{ verdict: no_impact }")
            .world(|world| world.toothless = true)
    };
    for each in [1, 2] {
        let told = case().on(begins(Phase::Impact), move |controls| controls.world.fail_queries(each)).run().await;
        told.verdict(Verdict::HarnessError, &["whether users felt the fault is not known: fresh: "])
            .error(Check::Impact);
        assert!(!told.record.passed(), "{}", told.story());
    }
    case().run().await.verdict(Verdict::NoImpact, &["fresh: 100%"]).failed(Check::Impact);
}

#[tokio::test]
async fn where_queries_fail_that_were_to_notice_nothing_nobody_knows_whether_users_did() {
    let fresh = "fresh: { query: { service: db, sql: SELECT true, every: 100ms }, objective: 90% }";
    // Which source tells of the window first decides nothing.
    let both = format!("{{ {fresh}, availability: {{ load: shop, good: status < 500, objective: 95% }} }}");
    let alone = format!("{{ {fresh} }}");
    let (half, all) = (["fresh: 100%", "times there was no data"], ["fresh: ", "objective 90%"]);
    for (slis, each, words) in [(&alone, 2, half), (&alone, 1, all), (&both, 2, half), (&both, 1, all)] {
        let told = unnoticed()
            .set("slis", slis)
            .set("steady", "{ for: 1s, within: 3s }")
            .set("expect", "{ verdict: breached }")
            .world(|world| world.toothless = true)
            .on(begins(Phase::Impact), move |controls| controls.world.fail_queries(each))
            .run()
            .await;
        told.verdict(Verdict::HarnessError, &["whether users noticed anything is not known"]).error(Check::Impact);
        told.verdict(Verdict::HarnessError, &words);
        assert!(!told.record.passed(), "{}", told.story());
    }
    // What is known to be bad is told, whatever the queries say.
    let suffers = unnoticed().set("slis", &both).set("steady", "{ for: 1s, within: 3s }");
    let told = suffers.on(begins(Phase::Impact), |controls| controls.world.fail_queries(2)).run().await;
    told.verdict(Verdict::Breached, &["availability: "]).failed(Check::Impact);
}

/// A release takes a replica away while it is deployed, and is confirmed once the new one answers.
#[tokio::test]
async fn what_users_notice_before_the_fault_is_confirmed_breaches_too() {
    let told = unnoticed()
        .set("faults", "\n  - command: { service: db, run: hurt-users, undo: mend, confirm: shut-out }")
        .world(|world| {
            world.ends_after = Some(Duration::from_millis(400));
            world.exits.extend([("shut-out", vec![1, 1, 1, 1, 1, 1, 1, 0])]);
        })
        .run()
        .await;
    told.verdict(Verdict::Breached, &["availability"]).failed(Check::Impact);
}

/// And what they notice of the first of two faults, before the second is there.
#[tokio::test]
async fn what_users_notice_of_the_first_of_two_faults_breaches_too() {
    let told = unnoticed()
        .set(
            "faults",
            "\n  - command: { service: db, run: hurt-users, undo: mend, confirm: look }\n  \
             - command: { service: db, run: begin, undo: end, confirm: seen }\n    after: 1500ms",
        )
        .world(|world| {
            world.ends_after = Some(Duration::from_millis(400));
            world.exits.extend([("seen", vec![1, 0])]);
        })
        .run()
        .await;
    told.verdict(Verdict::Breached, &["availability"]).failed(Check::Impact);
}

#[tokio::test]
async fn a_fault_that_ends_by_itself_before_the_mitigation_is_self_healed() {
    let told = Case::new()
        .replace("say looking", "await-health")
        .set("respond", "{ phases: [diagnose, mitigate, verify], timeout: 10s }")
        .world(|world| world.ends_after = Some(Duration::from_millis(700)))
        .run()
        .await;
    told.verdict(Verdict::SelfHealed, &["before the first mitigating command"]).failed(Check::StillBroken);
    assert_eq!(told.commands(), ["await-health"], "no mitigating command ran");
}

/// Users suffer on from what it has done; what the runbook does about that is done without the fault.
#[tokio::test]
async fn a_fault_that_is_gone_before_the_mitigation_is_not_cleared_by_the_runbook() {
    let suffers_on = |case: Case, after: u64| {
        case.set("respond", "{ phases: [diagnose, mitigate], timeout: 5s }")
            .world(move |world| world.hurts_after = Some(Duration::from_millis(after)))
    };
    for cleared in [false, true] {
        let told = suffers_on(Case::new().replace("say looking", "sleep 1200"), 700)
            .set("recover", &format!("{{ within: 1500ms, hold: 500ms, cleared: {cleared} }}"))
            .world(|world| world.ends_after = Some(Duration::from_millis(700)))
            .run()
            .await;
        let reason =
            "the fault `http_status` ended by itself before the first mitigating command: http_status is not listed";
        told.verdict(Verdict::SelfHealed, &[reason]).at("fake.yaml", "http_status").failed(Check::StillBroken);
        assert_eq!(told.commands(), ["sleep 1200"], "no mitigating command ran");
        let fault = told.record.fault_record("http_status").expect("a fault");
        assert_eq!(fault.after, Some(FaultAfter::EndedByItself), "{}", told.story());
    }
    // A step of the diagnosis may have cleared it.
    let told = suffers_on(Case::new().replace("say looking", "clear"), 300).run().await;
    told.verdict(Verdict::NotRecovered, &[]).passed(Check::StillBroken);
    let fault = told.record.fault_record("http_status").expect("a fault");
    assert_eq!(fault.after, Some(FaultAfter::ClearedByRunbook), "{}", told.story());
}

/// A moment before the mitigation: within the window of the impact users had suffered.
#[tokio::test]
async fn what_a_diagnosis_cures_is_no_success_of_the_mitigation() {
    let told = Case::new().replace("fix", "stubborn 0").replace("say looking", "fix").run().await;
    told.verdict(Verdict::SelfHealed, &["before the first mitigating command", "runbook.md:5 does more than look"]);
    told.failed(Check::StillBroken);
    assert_eq!(told.commands(), ["fix"]);
}

#[tokio::test]
async fn a_recovery_beside_a_runbook_that_fixes_nothing_is_self_healed() {
    let told = Case::new()
        .set("respond", "{ phases: [diagnose] }")
        .world(|world| world.ends_after = Some(Duration::from_millis(1300)))
        .run()
        .await;
    told.verdict(Verdict::SelfHealed, &["no command of the runbook was meant to help"]);
    told.passed(Check::StillBroken);
}

/// Errors that become slow answers: users suffer from the one when the other is over.
#[tokio::test]
async fn an_sli_that_fell_after_the_first_one_is_one_that_users_suffer_from() {
    let slis = "{ availability: { load: shop, good: status < 500, objective: 95% }, \
                latency: { load: shop, good: latency < 100ms, objective: 95% } }";
    let told = Case::new()
        .set("slis", slis)
        .replace("say looking", "sleep 1400")
        .set("respond", "{ phases: [diagnose, mitigate], timeout: 5s }")
        .on(begins(Phase::Respond), |controls| controls.world.take_turns())
        .run()
        .await;
    told.verdict(Verdict::NotRecovered, &[]).passed(Check::StillBroken);
    assert_eq!(told.record.impacts.len(), 1, "{}", told.story());
}

/// The window of the impact is longer than users have been served again: it still misses its objective when the mitigation is about to begin.
#[tokio::test]
async fn users_who_were_served_again_within_the_window_of_the_impact_have_healed_by_themselves() {
    let told = Case::new()
        .replace("say looking", "sleep 5000")
        .replace("fix", "say done")
        .set("impact", "{ below: 90%, within: 10s, window: 10s }")
        .set("respond", "{ phases: [diagnose, mitigate], timeout: 10s }")
        .on(runs("sleep 5000"), |controls| controls.world.work_around_later(Duration::from_millis(1200)))
        .run()
        .await;
    told.verdict(Verdict::SelfHealed, &["recovered before the first mitigating command"]).failed(Check::StillBroken);
}

#[tokio::test]
async fn a_command_that_only_waits_is_not_what_helped() {
    let told = Case::new()
        .replace("fix", "sleep 2500\nfix")
        .set("respond", "{ phases: [diagnose, mitigate, verify], timeout: 10s }")
        .world(|world| world.ends_after = Some(Duration::from_millis(700)))
        .run()
        .await;
    told.verdict(Verdict::SelfHealed, &["before the first mitigating command"]).failed(Check::StillBroken);
    assert_eq!(told.commands(), ["say looking", "sleep 2500"], "no mitigating command ran");
}

#[tokio::test]
async fn a_runbook_that_only_waits_has_healed_nothing() {
    let told = Case::new()
        .replace("fix", "sleep 10")
        .set("respond", "{ phases: [diagnose, mitigate] }")
        .world(|world| world.ends_after = Some(Duration::from_millis(1300)))
        .run()
        .await;
    told.verdict(Verdict::SelfHealed, &["no command of the runbook was meant to help"]);
}

#[tokio::test]
async fn a_runbook_that_only_looks_has_healed_nothing() {
    let told = Case::new()
        .replace("fix", "psql -c 'SELECT 1'\nsleep 2500")
        .set("respond", "{ phases: [diagnose, mitigate] }")
        .world(|world| world.ends_after = Some(Duration::from_millis(1300)))
        .run()
        .await;
    told.verdict(Verdict::SelfHealed, &["so the runbook proved nothing"]);
}

#[tokio::test]
async fn a_question_to_a_client_and_one_in_the_background_have_healed_nothing() {
    let looking = |case: Case| {
        case.set("respond", "{ phases: [diagnose, mitigate] }")
            .world(|world| world.ends_after = Some(Duration::from_millis(1300)))
    };
    let asked = looking(Case::new()).plan_with(|plan| {
        let client = BlockClient { service: Some("db".into()), command: "psql -U shop".into() };
        plan.respond.clients.insert("sql".into(), client);
        let commands = plan.runbook.as_mut().unwrap().steps[1].commands_mut();
        let sql = "SELECT pid FROM locks;".to_string();
        commands[0] = Command { text: sql, language: "sql".into(), ..commands[0].clone() };
    });
    asked.run().await.verdict(Verdict::SelfHealed, &["no command of the runbook was meant to help"]);
    let beside = looking(Case::new())
        .replace("fix", "psql -c 'SELECT 1'")
        .says("work", |settings| settings.background = Some(true));
    beside.run().await.verdict(Verdict::SelfHealed, &["no command of the runbook was meant to help"]);
}

#[tokio::test]
async fn what_heals_while_the_session_of_the_mitigation_opens_has_healed_itself() {
    let told = Case::new()
        .replace("say looking", "true")
        .says("work", |settings| settings.place = Some("db".into()))
        .set("impact", "{ below: 90%, within: 10s, window: 10s }")
        .set("respond", "{ phases: [diagnose, mitigate], timeout: 20s }")
        .world(|world| world.service_shells_take = Duration::from_secs(5))
        .on(runs("true"), |controls| controls.world.work_around_later(Duration::from_millis(1200)))
        .run()
        .await;
    told.verdict(Verdict::SelfHealed, &["recovered before the first mitigating command"]);
}

#[tokio::test]
async fn a_runbook_that_leads_users_around_the_proxy_has_cured_nothing() {
    let told = Case::new().world(|world| world.bypassed = Some("`web` has another selector")).run().await;
    told.verdict(Verdict::HarnessError, &["out of the way", "`web` has another selector"]);
}

#[tokio::test]
async fn where_nobody_sees_whether_users_are_led_around_the_proxy_a_pass_says_so() {
    let told = Case::new().world(|world| world.unseen = vec!["shop-web-1"]).run().await;
    told.verdict(Verdict::Passed, &[]);
    let said = "nobody has seen whether a step has taken `http_status` out of the way: `shop-web-1` did not show who is connected";
    assert!(told.record.notes.iter().any(|note| note.text == said), "{}", told.story());
}

#[tokio::test]
async fn a_runbook_after_which_users_of_a_network_do_not_find_the_host_of_the_load_shows_nothing() {
    let told = Case::new().world(|world| world.lost_name = Some("web")).run().await;
    told.verdict(Verdict::HarnessError, &["nobody finds `web` in the network `front` any more"]);
    let told = Case::new().world(|world| world.lost_name = Some("db")).run().await;
    told.verdict(Verdict::Passed, &[]);
}

/// How often it was told that what stands under a condition in a command was not done.
fn unmet(told: &Told) -> usize {
    let unmet =
        |event: &&Event| matches!(event, Event::Note { text } if text.contains("` ran that does more than look: "));
    told.events().filter(unmet).count()
}

#[tokio::test]
async fn a_branch_that_is_not_taken_has_mitigated_nothing_whatever_cures_below() {
    let told = Case::new().replace("fix", "if false; then fix; fi").replace("healthy", "fix\nhealthy").run().await;
    told.verdict(Verdict::SelfHealed, &["before the first mitigating command", "does more than look"]);
    told.failed(Check::StillBroken);
    assert_eq!((told.record.mitigation_started_us, told.record.mitigation_ended_us), (None, None));
    assert_eq!(unmet(&told), 1, "{}", told.story());
}

#[tokio::test]
async fn a_branch_that_is_not_taken_has_not_helped_users_who_recover_by_themselves() {
    let told = Case::new()
        .replace("fix", "if false; then fix; fi")
        .set("respond", "{ phases: [diagnose, mitigate] }")
        .world(|world| world.ends_after = Some(Duration::from_millis(1300)))
        .run()
        .await;
    told.verdict(Verdict::SelfHealed, &[]);
    assert!(!told.events().any(|event| matches!(event, Event::MitigationStarted { .. })), "{}", told.story());
}

#[tokio::test]
async fn a_function_that_comes_to_nothing_has_not_helped_users_who_recover_by_themselves() {
    let told = Case::new()
        .replace("fix", "f() { if false; then fix; fi; }\nf")
        .set("respond", "{ phases: [diagnose, mitigate] }")
        .world(|world| world.ends_after = Some(Duration::from_millis(1300)))
        .run()
        .await;
    told.verdict(Verdict::SelfHealed, &[]);
    assert!(!told.events().any(|event| matches!(event, Event::MitigationStarted { .. })), "{}", told.story());
    assert!(unmet(&told) <= 1, "nobody expects that a definition helps\n{}", told.story());
}

#[tokio::test]
async fn the_step_behind_a_branch_that_is_not_taken_mitigates() {
    let told = Case::new().replace("fix", "if false; then fix; fi\nfix").run().await;
    told.verdict(Verdict::Passed, &[]).passed(Check::StillBroken);
    assert_eq!(told.record.checks.iter().filter(|result| result.check == Check::StillBroken).count(), 1);
    let begun = told.record.steps.iter().flat_map(|step| &step.commands).find(|ran| ran.text == "fix");
    assert!(told.record.mitigation_started_us > told.record.steps[1].commands[0].ended_us, "{}", told.story());
    assert!(told.record.mitigation_started_us <= begun.map(|ran| ran.started_us), "{}", told.story());
    assert_eq!(unmet(&told), 1);
}

#[tokio::test]
async fn a_branch_that_is_taken_mitigates_from_the_beginning_of_its_command_on() {
    let text = "if sleep 400; then fix; fi";
    let told = Case::new().replace("fix", text).run().await;
    told.verdict(Verdict::Passed, &[]).passed(Check::StillBroken);
    let ran = told.record.steps.iter().flat_map(|step| &step.commands).find(|ran| ran.text == text);
    let (ran, began) = (ran.expect("the command"), told.record.mitigation_started_us.expect("a mitigation"));
    assert!(began <= ran.started_us && ran.started_us.since(began) < Duration::from_millis(200), "{}", told.story());
    assert!(told.record.mitigation_ended_us >= ran.ended_us, "{}", told.story());
    assert_eq!(unmet(&told), 0);
}

/// Nobody knows how far it came: it counts as begun.
#[tokio::test]
async fn a_command_under_a_condition_that_hangs_has_begun_to_mitigate() {
    let told = Case::new().replace("fix", "if true; then hang; fi").run().await;
    told.verdict(Verdict::StepFailed, &["did not end within"]).passed(Check::StillBroken);
    assert!(told.record.mitigation_started_us.is_some(), "{}", told.story());
    assert_eq!(unmet(&told), 0);
}

#[tokio::test]
async fn a_diagnosis_under_a_condition_that_is_not_met_has_changed_nothing() {
    let told = Case::new().replace("say looking", "if false; then unfix; fi").run().await;
    told.verdict(Verdict::Passed, &[]);
    assert_eq!(unmet(&told), 1);
}
