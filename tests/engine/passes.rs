//! Drills that pass, and what their records say.

use crate::support::{Case, DB_CONTAINER, Happening, PAUSE, TWO};
use firedrill::record::{Check, Event, FaultAfter, FaultEvent, StepStatus, Verdict};
use firedrill::stack::ContainerOp;
use std::time::Duration;

const RESPOND_ROLLBACK: &str = "{ phases: [diagnose, mitigate, verify, rollback], timeout: 2s }";

#[tokio::test]
async fn a_runbook_that_works_around_the_fault_passes_and_the_fault_is_still_active() {
    let told = Case::new().run().await;
    told.verdict(Verdict::Passed, &["recovered"]);
    assert!(told.record.passed());
    for check in [
        Check::Steady,
        Check::Injection { fault: "http_status".into() },
        Check::Impact,
        Check::StillBroken,
        Check::Step { step: told.step_id("work-around-it") },
        Check::Recovery { sli: "availability".into() },
        Check::Revert,
        Check::NothingLeft,
    ] {
        told.passed(check);
    }
    assert_eq!(told.commands(), ["say looking", "fix", "healthy"]);
    let life = [FaultEvent::Injecting, FaultEvent::Confirmed, FaultEvent::StillActive, FaultEvent::Reverted];
    assert_eq!(told.life("http_status"), life);
    assert_eq!(told.record.fault_record("http_status").and_then(|fault| fault.after), Some(FaultAfter::StillActive));
    assert_eq!(told.lifted(), ["http_status"]);
}

#[tokio::test]
async fn a_pass_says_what_a_section_changes_that_was_not_followed() {
    let with = |section: &str, command: &str| {
        let section = format!("healthy\n```\n\n## {section}\n\n```bash\n{command}\n```\n");
        Case::new().replace("healthy\n```\n", &section)
    };
    for (section, command, said) in [
        ("Cleanup", "psql -c 'DROP TABLE carts'", Some("changes something and was not followed")),
        ("Cleanup", "curl -X PUT http://web/flags", Some("may change something and was not followed")),
        ("Rollback", "psql -c 'DROP TABLE carts'", None),
    ] {
        let told = with(section, command).run().await;
        told.verdict(Verdict::Passed, &[]);
        let note = told.record.notes.iter().find(|note| note.text.contains("was not followed"));
        let is_said = note.map_or(said.is_none(), |note| said.is_some_and(|said| note.text.contains(said)));
        assert!(is_said, "{section}: {}", told.story());
    }
}

/// Windows, impact and recovery know no source.
#[tokio::test]
async fn what_users_feel_may_be_asked_of_a_database() {
    let told = Case::new()
        .set("slis", "{ fresh: { query: { service: db, sql: SELECT true, every: 100ms }, objective: 90% } }")
        .set("steady", "{ for: 1s, within: 3s }")
        .set("impact", "{ below: 80%, within: 1500ms, window: 500ms }")
        .set("recover", "{ within: 3s, hold: 1s }")
        .run()
        .await;
    told.verdict(Verdict::Passed, &["recovered"]).passed(Check::Recovery { sli: "fresh".into() });
    let plan = told.record.plan.as_ref().expect("a plan");
    let asked = plan.loads.iter().find(|load| load.name == plan.slis[0].load).expect("the source of the SLI");
    assert_eq!(
        (asked.name.as_str(), asked.request.as_str(), asked.rate),
        ("query:fresh", "SQL in db: SELECT true", 10.0)
    );
    let series = told.record.loads.iter().find(|series| series.load == "query:fresh").expect("its slices");
    assert!(series.due.iter().all(|due| *due == 1) && series.good["fresh"].contains(&0));
}

#[tokio::test]
async fn where_the_fault_must_be_cleared_a_workaround_does_not_pass() {
    let demand = "{ within: 1500ms, hold: 700ms, cleared: true }";
    let told = Case::new().set("recover", demand).run().await;
    let reason = "users are served, but the fault `http_status` is still active, and the scenario demands that the runbook clears it";
    told.verdict(Verdict::NotRecovered, &[reason]).failed(Check::Cleared);
    told.passed(Check::Recovery { sli: "availability".into() });
    assert!(told.record.recovered_us().is_some(), "{}", told.story());
    let told = Case::new().set("recover", demand).replace("fix", "clear").run().await;
    told.verdict(Verdict::Passed, &[]).passed(Check::Cleared);
}

#[tokio::test]
async fn a_runbook_that_clears_the_fault_passes_and_the_record_says_so() {
    let told = Case::new().replace("fix", "clear").run().await;
    told.verdict(Verdict::Passed, &[]);
    let life = [FaultEvent::Injecting, FaultEvent::Confirmed, FaultEvent::ClearedByRunbook, FaultEvent::Reverted];
    assert_eq!(told.life("http_status"), life);
}

#[tokio::test]
async fn recovery_is_counted_between_the_first_mitigating_command_and_the_deadline() {
    let told = Case::new().run().await;
    let record = &told.record;
    let (Some(begun), Some(ended)) = (record.mitigation_started_us, record.mitigation_ended_us) else {
        panic!("no mitigation\n{}", told.story());
    };
    let together = record.recoveries.iter().find(|recovery| recovery.sli.is_empty()).expect("a recovery");
    assert!(together.recovered_us >= begun);
    assert!(together.recovered_us <= ended.plus(Duration::from_millis(1500)));
    let impact = record.impacts.first().expect("an impact");
    assert!(impact.impact_us < begun, "the impact comes before the mitigation");
}

#[tokio::test]
async fn times_of_an_agent_are_translated_to_the_time_of_the_drill() {
    let told = Case::new().run().await;
    let hour = 3_600_000_000_i64;
    let clock = told.record.clocks.iter().find(|clock| clock.agent == "fd-agent").expect("a clock");
    assert!(clock.offset_us > hour, "the fake's clock is an hour ahead of a drill that began just now");
    let slices: Vec<_> = told
        .events()
        .filter_map(|event| match event {
            Event::Slice(slice) => Some(slice),
            _ => None,
        })
        .collect();
    assert!(slices.len() > 10);
    let phase = told.record.phases.iter().find(|phase| phase.phase == firedrill::record::Phase::Steady);
    let steady = phase.expect("a steady phase").started_us;
    for slice in slices {
        assert!(slice.start_us >= steady && slice.start_us <= told.record.last_us, "{slice:?}");
    }
}

#[tokio::test]
async fn several_faults_go_in_in_order_and_are_undone_last_first() {
    let told = Case::new().set("faults", TWO).run().await;
    told.verdict(Verdict::Passed, &[]);
    let injected: Vec<&str> = told
        .happenings()
        .filter_map(|happening| match happening {
            Happening::Injected { fault, .. } => Some(fault.as_str()),
            _ => None,
        })
        .collect();
    assert_eq!(injected, ["http_status", "postgres_lock"]);
    assert_eq!(told.lifted(), ["postgres_lock", "http_status"]);
}

#[tokio::test]
async fn a_fault_of_a_container_is_undone_on_the_container() {
    let told = Case::new().set("faults", PAUSE).run().await;
    told.verdict(Verdict::Passed, &[]);
    let operated: Vec<_> = told
        .happenings()
        .filter_map(|happening| match happening {
            Happening::Operated { container, op, .. } => Some((container.as_str(), op.clone())),
            _ => None,
        })
        .collect();
    assert_eq!(operated, [(DB_CONTAINER, ContainerOp::Pause), (DB_CONTAINER, ContainerOp::Unpause)]);
}

#[tokio::test]
async fn without_a_runbook_a_system_that_heals_by_itself_passes() {
    let told = Case::new()
        .without("runbook")
        .without("respond")
        .world(|world| world.ends_after = Some(Duration::from_millis(700)))
        .run()
        .await;
    told.verdict(Verdict::Passed, &["recovered"]).passed(Check::Recovery { sli: "availability".into() });
    assert_eq!(told.commands(), Vec::<&str>::new());
}

#[tokio::test]
async fn without_impact_a_system_that_keeps_its_objectives_passes() {
    let told = Case::new()
        .without("runbook")
        .without("respond")
        .set("impact", "{ none: true, within: 1s }")
        .world(|world| world.toothless = true)
        .run()
        .await;
    told.verdict(Verdict::Passed, &["kept its objective"]).passed(Check::Impact);
}

#[tokio::test]
async fn the_alert_condition_is_seen_side_by_side_with_the_impact() {
    let told =
        Case::new().set("detect", "{ metrics: 'http://web:9100/metrics', when: queue > 5, within: 3s }").run().await;
    told.verdict(Verdict::Passed, &[]).passed(Check::Detection);
    let detected = told.record.detected_us.expect("a detection");
    let confirmed = told.record.fault_record("http_status").expect("a fault").life[1].at_us;
    assert!(detected >= confirmed, "an alert counts from the injection on");
    let values: Vec<f64> = told.record.gauge.iter().map(|(_, value)| *value).collect();
    assert!(values.first() == Some(&0.0) && values.iter().any(|value| *value > 5.0), "{values:?}");
    assert!(values.windows(2).all(|two| two[0] != two[1]), "only what changes is told: {values:?}");
}

#[tokio::test]
async fn manual_steps_are_skipped_and_do_not_fail_the_drill() {
    let told = Case::new()
        .replace(
            "### Step 3: Check that it helped\n",
            "### Step 3: Tell the team\n\nWrite to the channel.\n\n### Step 4: Check\n",
        )
        .run()
        .await;
    told.verdict(Verdict::Passed, &[])
        .step("tell-the-team", StepStatus::Skipped)
        .step("verify/check", StepStatus::Passed);
}

#[tokio::test]
async fn inputs_are_filled_in_and_quoted() {
    let told = Case::new()
        .replace("say looking", "say <who>")
        .set("respond", "{ phases: [diagnose, mitigate, verify], timeout: 2s, vars: { who: the shop; fix } }")
        .run()
        .await;
    told.verdict(Verdict::Passed, &[]);
    assert_eq!(told.commands().first(), Some(&"say 'the shop; fix'"));
}

#[tokio::test]
async fn a_rollback_is_followed_when_the_scenario_selects_it() {
    let told = Case::new()
        .replace(
            "```bash\nhealthy\n```\n",
            "```bash\nhealthy\n```\n\n## Rollback\n\n### Step 4: Take it back\n\n```bash\nsay back\n```\n",
        )
        .set("respond", RESPOND_ROLLBACK)
        .run()
        .await;
    told.verdict(Verdict::Passed, &[]).step("take-it-back", StepStatus::Passed);
}

#[tokio::test]
async fn a_scenario_that_exists_to_fail_passes_when_exactly_that_happens() {
    let told = Case::new()
        .replace("fix", "true")
        .set("respond", "{ phases: [mitigate] }")
        .set("expect", "{ verdict: not_recovered }")
        .run()
        .await;
    told.verdict(Verdict::NotRecovered, &[]);
    assert!(told.record.passed());
}

#[tokio::test]
async fn a_scenario_that_exists_to_fail_and_passes_has_failed() {
    let told = Case::new().set("expect", "{ verdict: not_recovered }").run().await;
    told.verdict(Verdict::Passed, &[]);
    assert!(!told.record.passed());
}

#[tokio::test]
async fn a_drill_that_passed_is_not_kept() {
    let told = Case::new().options(|options| options.keep = true).run().await;
    told.verdict(Verdict::Passed, &[]).passed(Check::NothingLeft);
    assert!(!told.outcome.kept && !told.record.kept);
}
