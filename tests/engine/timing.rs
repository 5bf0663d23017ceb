//! When faults act: one that ends by its time while the drill goes on, one that comes later, and noise.

use crate::support::{Case, Entry, Happening, Switches, Told, lifts};
use firedrill::record::{Check, Event, FaultAfter, FaultEvent, Phase, Verdict, WAIT_FELT};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

const LASTS: &str = "
  - http_status: { service: web, port: 80, status: 503 }
    lasts: 1s";

fn ended(told: &Told) {
    let fault = told.record.fault_record("http_status").expect("a fault");
    assert_eq!(fault.after, Some(FaultAfter::EndedByTime), "{}", told.story());
    assert_eq!(told.life("http_status").last(), Some(&FaultEvent::EndedByTime), "{}", told.story());
    assert_eq!(told.lifted(), ["http_status"], "once");
}

#[tokio::test]
async fn a_failure_that_outlives_its_trigger_passes_by_the_runbook() {
    let told = Case::new().set("faults", LASTS).world(|world| world.outlives = true).run().await;
    told.verdict(Verdict::Passed, &[]);
    ended(&told);
    let fault = told.record.fault_record("http_status").expect("a fault");
    let lasted = fault.at(FaultEvent::EndedByTime).unwrap().since(fault.at(FaultEvent::Confirmed).unwrap());
    assert!((1.0..1.5).contains(&lasted.as_secs_f64()), "{lasted:?}");
    let mitigated = told.record.mitigation_started_us.expect("a mitigation");
    assert!(mitigated > fault.at(FaultEvent::EndedByTime).unwrap(), "the runbook waits for the end\n{}", told.story());
}

#[tokio::test]
async fn users_who_recover_once_the_fault_has_ended_were_not_helped_by_the_runbook() {
    let told = Case::new().set("faults", LASTS).run().await;
    told.verdict(Verdict::SelfHealed, &["recovered without the runbook", "`http_status` had ended by `lasts`"]);
    told.at("fake.yaml", "http_status");
    ended(&told);
    assert_eq!(told.record.mitigation_started_us, None);
}

#[tokio::test]
async fn a_runbook_that_does_nothing_about_what_outlives_its_trigger_does_not_pass() {
    let told =
        Case::new().set("faults", LASTS).replace("fix", "say done").world(|world| world.outlives = true).run().await;
    assert!(!told.record.passed(), "{}", told.story());
    ended(&told);
}

#[tokio::test]
async fn without_a_runbook_the_time_to_recover_counts_from_the_end() {
    let lasts = LASTS.replace("1s", "2500ms");
    let told = Case::new().set("faults", &lasts).without("runbook").without("respond").run().await;
    told.verdict(Verdict::Passed, &[]);
    ended(&told);
}

#[tokio::test]
async fn in_a_control_what_heals_after_the_end_heals_by_itself() {
    let told = Case::new().set("faults", LASTS).options(|options| options.control = true).run().await;
    told.verdict(Verdict::SelfHealed, &[]);
    ended(&told);
}

/// The runbook would begin 1.5 s after the end: users who recover 2.2 s after it do so in the control's time.
#[tokio::test]
async fn a_control_begins_where_the_runbook_would_have() {
    let told = Case::new()
        .set("faults", LASTS)
        .set("recover", "{ within: 1500ms, hold: 1500ms }")
        .options(|options| options.control = true)
        .world(|world| world.fades = Some(Duration::from_millis(2200)))
        .run()
        .await;
    told.verdict(Verdict::SelfHealed, &["without the runbook"]).failed(Check::Control);
}

#[tokio::test]
async fn a_fault_that_cannot_be_ended_by_its_time_is_the_harness_and_is_tried_again() {
    let told = Case::new().set("faults", LASTS).world(|world| world.cannot_lift = Some("http_status")).run().await;
    told.verdict(Verdict::HarnessError, &["`http_status` did not end by `lasts`"]);
    let failed = told.life("http_status").iter().filter(|what| **what == FaultEvent::Failed).count();
    assert_eq!(failed, 2, "also at the end\n{}", told.story());
}

#[tokio::test]
async fn a_fault_comes_after_the_one_before_it_and_noise_counts_for_nothing() {
    let faults = "
  - postgres_lock: { service: db, table: orders }
    noise: true
  - http_status: { service: web, port: 80, status: 503 }
    after: 700ms";
    let case = || Case::new().set("faults", faults).replace("fix", "clear");
    // What hurts before anything that counts is there is no noise.
    let told = case().run().await;
    told.verdict(Verdict::Unsteady, &["not served any more"]).failed(Check::Injection { fault: "http_status".into() });
    let told = case().world(|world| world.harmless = Some("postgres_lock")).run().await;
    told.verdict(Verdict::Passed, &[]);
    let [noise, fault] = ["postgres_lock", "http_status"].map(|id| told.record.fault_record(id).expect("a fault"));
    let confirmed = [noise, fault].map(|fault| fault.at(FaultEvent::Confirmed).expect("confirmed"));
    assert!(confirmed[1].since(confirmed[0]) >= Duration::from_millis(700), "{}", told.story());
    assert_eq!(told.record.injected_us(), Some(confirmed[1]));
    assert_eq!((noise.after, fault.after), (None, Some(FaultAfter::ClearedByRunbook)));
    assert_eq!(told.life("postgres_lock").last(), Some(&FaultEvent::Reverted));
    told.passed(Check::Injection { fault: "postgres_lock".into() });
}

const COMES_AND_GOES: &str = "
  - http_status: { service: web, port: 80, status: 503 }
    lasts: 400ms
    every: 1500ms";

/// Another one that comes and goes.
const BESIDE: &str = "
  - tcp_latency: { service: web, port: 80, latency: 1100ms }
    lasts: 400ms
    every: 1500ms";

/// A drill of a fault that comes and goes; its hold is no shorter than a period and `impact.window`.
fn comes_and_goes() -> Case {
    Case::new()
        .replace("say looking", "true")
        .set("faults", COMES_AND_GOES)
        .set("recover", "{ within: 1500ms, hold: 2s }")
}

/// When each injection of the fault began, in seconds.
fn begins(told: &Told) -> Vec<f64> {
    let life = &told.record.fault_record("http_status").expect("a fault").life;
    let begins = life.iter().filter(|moment| moment.what == FaultEvent::Injecting);
    begins.map(|moment| moment.at_us.0 as f64 / 1e6).collect()
}

#[tokio::test]
async fn what_comes_and_goes_is_still_active_until_the_drill_reverts() {
    let told = comes_and_goes().run().await;
    told.verdict(Verdict::Passed, &[]);
    let fault = told.record.fault_record("http_status").expect("a fault");
    assert_eq!(fault.after, Some(FaultAfter::StillActive), "{}", told.story());
    assert_eq!(told.life("http_status").last(), Some(&FaultEvent::Reverted), "{}", told.story());
    let begins = begins(&told);
    assert!(begins.len() >= 2, "it comes while the recovery is watched\n{}", told.story());
    for (n, begin) in begins.iter().enumerate() {
        let late = begin - begins[0] - 1.5 * n as f64;
        assert!((0.0..0.5).contains(&late), "{begins:?} are not 1.5 s apart\n{}", told.story());
    }
    // The runbook begins to help while users suffer, so that it can be seen to.
    let felt = told.record.waits.iter().find(|wait| wait.what == WAIT_FELT).expect("a wait");
    assert!(felt.met, "{}", told.story());
    let hold = told.record.hold.expect("a hold");
    assert_eq!(hold.returns_us, 1_500_000);
    assert!(hold.required_us > 2_000_000, "{hold:?}");
}

#[tokio::test]
async fn a_runbook_that_does_nothing_about_what_comes_and_goes_does_not_pass_in_a_gap() {
    let told = comes_and_goes().replace("fix", "say done").run().await;
    told.verdict(Verdict::NotRecovered, &[]);
    let cleared = comes_and_goes().replace("fix", "clear").run().await;
    cleared.verdict(Verdict::NotRecovered, &[]);
}

/// Users feel nothing but the noise: that it goes away for a while is no recovery.
#[tokio::test]
async fn noise_that_comes_and_goes_must_have_come_again_before_users_count_as_recovered() {
    let noise = "
  - http_status: { service: web, port: 80, status: 503 }
  - tcp_latency: { service: web, port: 80, latency: 1100ms }
    lasts: 400ms
    every: 3s
    noise: true";
    let told = comes_and_goes()
        .set("faults", noise)
        .set("recover", "{ within: 1500ms, hold: 4s }")
        .set("respond", "{ phases: [diagnose, mitigate], timeout: 5s }")
        // Shorter than `check` allows.
        .plan_with(|plan| plan.recover_hold = Duration::from_millis(700))
        .replace("fix", "say done")
        .world(|world| world.harmless = Some("http_status"))
        .run()
        .await;
    told.verdict(Verdict::NotRecovered, &[]).passed(Check::StillBroken);
    assert_eq!(told.record.hold.expect("a hold").returns_us, 3_000_000);
}

#[tokio::test]
async fn users_who_are_served_while_what_comes_and_goes_is_away_have_not_healed_by_themselves() {
    let told = Case::new()
        .set("faults", &COMES_AND_GOES.replace("1500ms", "3s"))
        .set("impact", "{ below: 90%, within: 5s, window: 4s }")
        .set("recover", "{ within: 1500ms, hold: 7s }")
        .replace("say looking", "sleep 1800")
        .set("respond", "{ phases: [diagnose, mitigate], timeout: 5s }")
        .run()
        .await;
    told.verdict(Verdict::Passed, &[]).passed(Check::StillBroken);
}

/// They suffer from the first coming only, which the window still has: the next one hurts nobody any more.
#[tokio::test]
async fn users_who_are_served_though_it_came_again_before_the_mitigation_were_not_helped_by_it() {
    let felt = |entry: &Entry| matches!(entry.event(), Some(Event::Impacted(_)));
    let told = Case::new()
        .set("faults", COMES_AND_GOES)
        .set("impact", "{ below: 90%, within: 5s, window: 4s }")
        .set("recover", "{ within: 1500ms, hold: 6s }")
        .replace("say looking", "sleep 3200")
        .set("respond", "{ phases: [diagnose, mitigate], timeout: 5s }")
        .on(Box::new(felt), |controls| controls.world.work_around_later(Duration::from_millis(400)))
        .run()
        .await;
    told.verdict(Verdict::SelfHealed, &["served again before the first mitigating command"]).passed(Check::StillBroken);
}

#[tokio::test]
async fn what_comes_and_goes_may_be_away_when_it_is_seen_that_users_suffer_on_without_the_trigger() {
    for lasts in ["500ms", "900ms", "1300ms"] {
        let told = comes_and_goes().set("faults", &(LASTS.replace("1s", lasts) + BESIDE)).run().await;
        told.verdict(Verdict::Passed, &[]);
        let trigger = told.record.fault_record("http_status").expect("a fault");
        assert_eq!(trigger.after, Some(FaultAfter::EndedByTime), "{}", told.story());
    }
}

#[tokio::test]
async fn users_who_recover_from_a_trigger_are_not_helped_beside_what_comes_and_goes_and_harms_nobody() {
    let case = comes_and_goes().set("faults", &(LASTS.replace("1s", "500ms") + BESIDE));
    let fades = |world: &mut Switches| {
        (world.fades, world.harmless) = (Some(Duration::from_millis(1500)), Some("tcp_latency"));
    };
    let told = case.world(fades).run().await;
    told.verdict(Verdict::SelfHealed, &["recovered without the runbook", "`http_status` had ended by `lasts`"]);
    assert_eq!(told.record.mitigation_started_us, None, "{}", told.story());
}

#[tokio::test]
async fn in_a_control_nobody_recovers_from_what_comes_and_goes() {
    let told = comes_and_goes().options(|options| options.control = true).run().await;
    told.verdict(Verdict::Passed, &[]);
}

#[tokio::test]
async fn what_cannot_come_again_is_the_harness_and_no_pass() {
    let told = comes_and_goes().world(|world| world.once_only = true).run().await;
    told.verdict(Verdict::HarnessError, &["`http_status`", "come again"]);
}

/// A lock, and a client in the same service that harms nobody.
fn client_beside_a_lock(times: &str) -> Case {
    let faults = "
  - postgres_lock: { service: db, table: orders }
  - command: { service: db, run: come, undo: go, confirm: there }";
    comes_and_goes()
        .set("faults", &format!("{faults}\n    {times}"))
        .set("recover", "{ within: 1500ms, hold: 4s }")
        .world(|world| world.harmless = Some("command"))
}

const AGAIN: &str = "lasts: 400ms\n    every: 1500ms";

#[tokio::test]
async fn a_fault_that_another_one_ends_when_it_comes_again_was_not_cleared_by_the_runbook() {
    client_beside_a_lock(AGAIN).run().await.verdict(Verdict::Passed, &[]);
    let recovering = AtomicBool::new(false);
    let comes = move |entry: &Entry| match entry.event() {
        Some(Event::PhaseStarted { phase: Phase::Recover }) => {
            recovering.store(true, Ordering::Relaxed);
            false
        }
        Some(Event::Fault { fault, what: FaultEvent::Injecting, .. }) => {
            fault == "command" && recovering.load(Ordering::Relaxed)
        }
        _ => false,
    };
    let case = client_beside_a_lock(AGAIN).on(Box::new(comes), |controls| controls.world.end("postgres_lock"));
    let told = case.run().await;
    told.verdict(Verdict::HarnessError, &["`postgres_lock` was gone once `command` had ended or come again"]);
}

#[tokio::test]
async fn a_fault_that_another_one_takes_along_when_it_ends_was_not_cleared_by_the_runbook() {
    let told = client_beside_a_lock("lasts: 400ms").run().await;
    told.verdict(Verdict::Passed, &[]);
    assert_eq!(told.life("command").last(), Some(&FaultEvent::EndedByTime), "{}", told.story());
    let case = client_beside_a_lock("lasts: 400ms");
    let told = case.on(lifts("command"), |controls| controls.world.end("postgres_lock")).run().await;
    told.verdict(Verdict::HarnessError, &["`postgres_lock` was gone once `command` had ended or come again"]);
    assert_eq!(told.commands(), Vec::<&str>::new(), "the runbook waits for the end");
}

#[tokio::test]
async fn a_fault_that_is_gone_once_another_one_has_ended_may_have_been_cleared_by_the_step_under_way() {
    let sleeps = AtomicBool::new(false);
    let goes = move |entry: &Entry| match entry.done() {
        Some(Happening::Ran { text }) if text == "sleep 3000" => {
            sleeps.store(true, Ordering::Relaxed);
            false
        }
        Some(Happening::Lifted { fault }) => fault == "command" && sleeps.load(Ordering::Relaxed),
        _ => false,
    };
    let told = client_beside_a_lock(AGAIN)
        .replace("fix", "fix\nsleep 3000")
        .set("respond", "{ phases: [diagnose, mitigate, verify], timeout: 10s }")
        .on(Box::new(goes), |controls| controls.world.end("postgres_lock"))
        .run()
        .await;
    told.verdict(Verdict::Passed, &[]);
    let note = "`postgres_lock` was gone once `command` had ended or come again";
    let says =
        |text: &str| text.contains(note) && text.ends_with("a step was under way, which may have ended it as well");
    assert!(told.record.notes.iter().any(|said| says(&said.text)), "{}", told.story());
    let lock = told.record.fault_record("postgres_lock").expect("a fault");
    assert_eq!(lock.after, Some(FaultAfter::ClearedByRunbook), "{}", told.story());
}

#[tokio::test]
async fn what_is_coming_again_when_the_drill_ends_is_undone_and_takes_nothing_from_a_pass() {
    let case = comes_and_goes().set("recover", "{ within: 1500ms, hold: 4s }");
    let told = case.world(|world| world.hangs_after = Some(("http_status", 2))).run().await;
    told.verdict(Verdict::Passed, &[]);
    let life = told.life("http_status");
    assert_eq!(life.iter().filter(|what| **what == FaultEvent::Injecting).count(), 3, "{}", told.story());
    assert_eq!(life.last(), Some(&FaultEvent::Reverted), "{}", told.story());
}

#[tokio::test]
async fn without_a_runbook_what_comes_and_goes_must_be_lived_with() {
    let told = comes_and_goes().without("runbook").without("respond").run().await;
    told.verdict(Verdict::NotRecovered, &[]);
}

const GROWS: &str = "
  - tcp_latency: { service: web, port: 80, latency: 1100ms }
    ramp: 1500ms";

#[tokio::test]
async fn a_fault_grows_in_steps_without_being_lifted_and_is_lived_with_only_when_it_has_grown() {
    let told = Case::new().set("faults", GROWS).run().await;
    told.verdict(Verdict::Passed, &[]);
    let latencies: Vec<i64> = told
        .happenings()
        .filter_map(|happening| match happening {
            Happening::Changed { message, .. } => message["toxic"]["attributes"][0].as_i64(),
            _ => None,
        })
        .collect();
    assert_eq!(latencies, [200, 300, 400, 500, 600, 700, 800, 900, 1000, 1100]);
    assert_eq!(told.lifted(), ["tcp_latency"], "{}", told.story());
    let fault = told.record.fault_record("tcp_latency").expect("a fault");
    let [began, grown] = [FaultEvent::Injecting, FaultEvent::Grown].map(|what| fault.at(what).expect("a station"));
    assert!((1.5..2.0).contains(&grown.since(began).as_secs_f64()), "{}", told.story());
    let window = told.record.windows.iter().find(|window| window.phase == Phase::Recover).expect("a window");
    assert!(window.to_us >= grown.plus(Duration::from_millis(500)), "{window:?}\n{}", told.story());
}

#[tokio::test]
async fn what_helps_only_until_the_fault_has_grown_is_no_recovery() {
    let told = Case::new().set("faults", GROWS).replace("fix", "fix-for-a-second").run().await;
    told.verdict(Verdict::NotRecovered, &[]);
}

#[tokio::test]
async fn a_fault_that_nothing_comes_to_has_not_acted_when_it_is_away_either() {
    let told = comes_and_goes().world(|world| world.idle = Some("http_status")).run().await;
    told.verdict(Verdict::NoImpact, &["`http_status` acted 0 times"]);
}

#[tokio::test]
async fn a_fault_of_a_part_of_the_requests_is_not_over_because_the_last_window_has_no_bad_one() {
    // Bad slices are 800 ms apart, and the window has 500 ms: at some of these moments it is without one.
    for pause in [1700, 1900, 2100, 2300] {
        let case = Case::new().replace("say looking", &format!("sleep {pause}")).set("respond", "{ timeout: 4s }");
        let told = case.world(|world| world.patchy = Some(8)).run().await;
        told.verdict(Verdict::Passed, &[]);
    }
}
