//! DR drills: the ledger of acknowledged writes, the levels of a restore, and what they make of a verdict. The load is a
//! real one, on a shop that knows by itself what it has lost and when it served.

use crate::support::{Case, Fate, Says, Shop, Told, dr};
use firedrill::record::{Check, CheckOutcome, DataFigures, Event, FaultEvent, Phase, RestoreLevel, Verdict};
use firedrill::spec::RestoreSpec;
use std::sync::Arc;
use std::time::Duration;

/// What the resolution of slices allows.
const RESOLUTION_US: u64 = 100_000;
/// How far the clock of an agent and the shop's own may be apart.
const CLOCKS_US: u64 = 10_000;
/// What an answer may take on a busy machine.
const ANSWER_US: u64 = 150_000;

fn figures(told: &Told) -> DataFigures {
    told.record.data_figures().unwrap_or_else(|| panic!("no figures\n{}", short(told)))
}

/// The story without the writes.
fn short(told: &Told) -> String {
    told.story().lines().filter(|line| !line.contains("Written {")).map(|line| format!("{line}\n")).collect()
}

fn evidence(told: &Told, check: Check) -> &str {
    match told.check(&check) {
        Some(CheckOutcome::Passed { evidence }) => evidence,
        Some(CheckOutcome::Failed { reason, .. } | CheckOutcome::Error { reason, .. }) => reason,
        other => panic!("{check:?}: {other:?}"),
    }
}

async fn on(fate: Fate, says: &[(&'static str, bool, Says)]) -> (Told, Arc<Shop>) {
    with(fate, says, |_| {}).await
}

async fn with(
    fate: Fate,
    says: &[(&'static str, bool, Says)],
    change: impl Fn(&mut RestoreSpec) + Send + Copy + 'static,
) -> (Told, Arc<Shop>) {
    let changed = |case: Case, _| case.plan_with(move |plan| change(plan.restore.as_mut().expect("a restore")));
    dr(async || Shop::open(fate.clone(), says).await, changed).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restore_that_loses_nothing_passes_at_the_highest_level() {
    let (told, shop) = on(Fate::default(), &[]).await;
    told.verdict(Verdict::Passed, &["recovered", "L5", "all of them survived"]);
    told.passed(Check::RestoreLevel).passed(Check::RecoveryTime).passed(Check::RecoveryPoint);
    assert_eq!(told.record.restore_level(), Some(RestoreLevel::L5));
    assert!(told.record.passed());
    let figures = figures(&told);
    assert!(figures.acknowledged > 50 && figures.acknowledged == figures.survived, "{figures:?}");
    assert_eq!((figures.rpo_us, figures.unknown, figures.duplicates), (0, 0, 0));
    assert_eq!(figures.unacknowledged_survived.len(), 0);
    assert!(told.record.writes.iter().any(|write| !write.is_acknowledged()), "what failed is in the ledger as well");
    let backup = told.record.backup.as_ref().expect("a backup");
    assert_eq!(backup.get("id").map(String::as_str), Some("base-1"));
    let contents = &told.record.contents;
    assert_eq!(contents.iter().map(|content| content.name.as_str()).collect::<Vec<_>>(), ["products"]);
    assert!(contents[0].text.starts_with("sha256:"), "{contents:?}");
    let asked = shop.asked();
    let last = asked.iter().rposition(|script| script == "mend").expect("the undo");
    let looked = ["readable", "restored", "replayed", "customers", "products", "survivors"];
    let mut after = asked[..last].iter().rev().filter(|script| *script != "is-broken").take(6).collect::<Vec<_>>();
    after.reverse();
    assert_eq!(after, looked, "in the order of the levels, before anything is undone");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn looking_at_the_restore_is_nobodys_phase_and_a_share_of_its_own() {
    let (told, _) = on(Fate::default(), &[]).await;
    told.verdict(Verdict::Passed, &[]);
    let probed = told.position("a probe", |entry| matches!(entry.event(), Some(Event::Probed { .. })));
    let ended =
        |entry: &crate::support::Entry| matches!(entry.event(), Some(Event::PhaseEnded { phase: Phase::Recover }));
    assert!(told.position("the end of recover", ended) < probed);
    let time = told.record.breakdown();
    let waits = &told.record.waits;
    let after = waits.iter().find(|wait| wait.what == firedrill::record::WAIT_AFTER).expect("a wait");
    assert!(time.declared.restore_us >= after.took_us && after.took_us > 0, "{time:?}");
    let written = told.record.writes.iter().filter(|write| write.ended() > told.record.probes[0].at_us).count();
    assert!(written > 0, "the load goes on while the restore is looked at");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn exactly_the_orders_that_a_restore_dropped_are_lost() {
    let (told, shop) = on(Fate { lose_before: 17, ..Fate::default() }, &[]).await;
    told.verdict(Verdict::Passed, &["lost: 17"]).passed(Check::RecoveryPoint);
    let figures = figures(&told);
    let (lost, first) = shop.lost();
    assert_eq!(figures.lost_before.iter().collect::<Vec<_>>(), {
        let mut lost = lost;
        lost.sort_unstable();
        lost
    });
    assert_eq!((figures.lost_before.len(), figures.lost_after.len()), (17, 0));
    assert_eq!(figures.acknowledged, figures.survived + 17);
    let truth = shop.failed().0 - first.expect("a loss");
    let off = figures.rpo_us.abs_diff(truth.as_micros() as u64);
    assert!(off < RESOLUTION_US, "RPO {} µs, and by the shop's clock {truth:?}", figures.rpo_us);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_loss_that_is_older_than_the_objective_is_no_pass() {
    let fate = Fate { lose_before: 30, ..Fate::default() };
    let (told, _) = with(fate, &[], |restore| restore.rpo = Duration::from_millis(100)).await;
    told.verdict(Verdict::NotRecovered, &["lost: 30", "before the fault; objective 0.1 s"]);
    told.failed(Check::RecoveryPoint).passed(Check::RestoreLevel).passed(Check::RecoveryTime);
    assert_eq!(told.record.restore_level(), Some(RestoreLevel::L5));
    assert!(!told.record.passed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn orders_that_are_lost_after_users_had_recovered_are_damage() {
    // More than a slice has: those of the slice of the cure came before the recovery.
    let fate = Fate { lose_after: 30, ..Fate::default() };
    let (told, shop) = with(fate, &[], |restore| restore.rpo = Duration::ZERO).await;
    told.verdict(Verdict::Damaged, &["after users had recovered", "acknowledged after the fault and lost: 30"]);
    told.failed(Check::RecoveryPoint).passed(Check::RestoreLevel).passed(Check::RecoveryTime);
    let figures = figures(&told);
    let mut lost = shop.lost().0;
    lost.sort_unstable();
    assert_eq!(figures.lost_after.iter().collect::<Vec<_>>(), lost);
    assert_eq!((figures.lost_before.len(), figures.rpo_us), (0, 0));
    assert!(figures.lost_served > 0 && figures.lost_served <= 30, "{figures:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn orders_that_nobody_was_promised_and_that_nobody_sent_are_told_apart() {
    let fate = Fate { store_unanswered: 3, invent: vec![1_000_000, 1_000_001, 1_000_001], ..Fate::default() };
    let (told, _) = on(fate, &[]).await;
    let brought =
        ["rows are there that nobody wrote", "never acknowledged and there: 3", "never sent: 2", "more than once: 1"];
    told.verdict(Verdict::Damaged, &brought).failed(Check::RecoveryPoint);
    let figures = figures(&told);
    assert_eq!((figures.unacknowledged_survived.len(), figures.unknown, figures.duplicates), (3, 2, 1));
    let (told, _) = on(Fate { store_unanswered: 3, ..Fate::default() }, &[]).await;
    told.verdict(Verdict::Passed, &["never acknowledged and there: 3"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn orders_that_go_elsewhere_once_the_fault_is_undone_are_damage() {
    let (told, _) = on(Fate { splits: true, ..Fate::default() }, &[]).await;
    told.verdict(Verdict::Damaged, &["after the revert", "writes are gone"]).failed(Check::Revert);
    told.passed(Check::RecoveryPoint).passed(Check::RestoreLevel);
    let stays = told.record.read_again.as_ref().and_then(|read| read.survivors.as_ref()).expect("survivors");
    assert!(told.record.writes.iter().any(|write| write.is_acknowledged() && !stays.contains(write.number())));
    for (lags, asked) in [(false, 3), (true, 6)] {
        let (told, shop) = on(Fate { lags, ..Fate::default() }, &[]).await;
        told.verdict(Verdict::Passed, &[]);
        let survivors = shop.asked().into_iter().filter(|script| script == "survivors");
        assert_eq!(survivors.count(), asked, "a replica that is behind is asked until it has them");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn survivors_that_cannot_be_read_are_no_pass() {
    let unread = [
        (Says::Ends(2, "1\n", "could not connect\n"), "exit code 2 in fake-db-1: could not connect"),
        (Says::Ends(0, "1\n2\n(2 rows)\n", ""), "line 3 is no number: `(2 rows)`"),
        (Says::Hangs, "it had not ended after 5.0 s"),
    ];
    for (says, why) in unread {
        let (told, _) = on(Fate::default(), &[("survivors", true, says)]).await;
        told.verdict(Verdict::NotRecovered, &["could not be read back", why]).failed(Check::RecoveryPoint);
        told.passed(Check::RestoreLevel).passed(Check::RecoveryTime);
        assert_eq!(told.record.read_back.as_ref().map(|read| &read.survivors), Some(&None));
        assert_eq!(told.record.data_figures(), None);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn docker_that_does_not_answer_says_nothing_about_the_restore() {
    let (told, _) = on(Fate::default(), &[("survivors", true, Says::NoDocker)]).await;
    told.verdict(Verdict::HarnessError, &["the engine does not answer"]).error(Check::RecoveryPoint);
    let (told, _) = on(Fate::default(), &[("replayed", true, Says::NoDocker)]).await;
    told.verdict(Verdict::HarnessError, &["the engine does not answer"]).error(Check::RestoreLevel);
    told.passed(Check::RecoveryPoint);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_probe_that_cannot_be_run_says_nothing_about_the_restore() {
    let gone = || Says::Ends(127, "", "sh: psql: not found\n");
    for (word, check) in [("restored", Check::RestoreLevel), ("survivors", Check::RecoveryPoint)] {
        let (told, _) = on(Fate::default(), &[(word, true, gone())]).await;
        told.verdict(Verdict::HarnessError, &["cannot be run: exit code 127", "psql: not found"]).error(check);
    }
    for word in ["backup", "readable", "products", "survivors"] {
        let (told, shop) = on(Fate::default(), &[(word, false, gone())]).await;
        told.verdict(Verdict::HarnessError, &["cannot be run: exit code 127"]);
        assert!(told.record.at.is_some(), "{word}\n{}", short(&told));
        assert!(!shop.asked().contains(&"break".to_string()), "nothing is broken then");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_content_may_have_the_name_of_a_level() {
    let named = |restore: &mut RestoreSpec| restore.probes[4].name = "restored".into();
    let (told, _) = with(Fate::default(), &[], named).await;
    told.verdict(Verdict::Passed, &["L5"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_verdict_names_the_level_at_which_a_restore_failed() {
    let failing = [
        ("readable", Says::Ends(1, "", "bad magic\n"), RestoreLevel::L0, "failed at L1: readable: exit code 1"),
        ("restored", Says::Ends(1, "", "no PG_VERSION\n"), RestoreLevel::L1, "no PG_VERSION"),
        (
            "replayed",
            Says::Hangs,
            RestoreLevel::L2,
            "L2 (the backup is restored) and failed at L3: replayed: it had not",
        ),
        ("customers", Says::Ends(0, "41\n", ""), RestoreLevel::L3, "customers: it wrote `41` and not `42`"),
        (
            "products",
            Says::Ends(0, "product 0\n", ""),
            RestoreLevel::L3,
            "products: not as before the fault: line 2 is missing",
        ),
    ];
    for (word, says, level, reason) in failing {
        let (told, shop) = on(Fate::default(), &[(word, true, says)]).await;
        told.verdict(Verdict::NotRecovered, &[reason]).failed(Check::RestoreLevel);
        told.passed(Check::RecoveryTime).passed(Check::RecoveryPoint);
        assert_eq!(told.record.restore_level(), Some(level), "{word}");
        let probed = told.record.probes.last().expect("a probe");
        assert_eq!(probed.level, level.next().expect("a level"), "nothing above it is asked");
        let asked = shop.asked();
        assert_eq!(asked.iter().filter(|script| *script == "survivors").count(), 2, "before the fault and after it");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_that_is_not_there_holds_nothing() {
    let (told, _) = on(Fate { vanishes: true, ..Fate::default() }, &[]).await;
    told.verdict(Verdict::NotRecovered, &["failed at L1", "`db` has no running container: fake-db-1 is exited"]);
    told.failed(Check::RestoreLevel).failed(Check::RecoveryPoint);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_recovery_that_took_longer_than_the_objective_is_no_pass() {
    let hurried = |case: Case, _| case.plan_with(|plan| plan.rto = Some(Duration::from_millis(50)));
    let (told, _) = dr(async || Shop::open(Fate::default(), &[]).await, hurried).await;
    told.verdict(Verdict::TooLate, &["the recovery time objective is 0.1 s"]).failed(Check::RecoveryTime);
    told.passed(Check::RestoreLevel)
        .passed(Check::RecoveryPoint)
        .passed(Check::Recovery { sli: "availability".into() });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_failed_before_stays_the_verdict_and_gets_the_level() {
    let changed = |case: Case, _| case.replace("restore\n", "restore\nfalse\n");
    let open = async || Shop::open(Fate::default(), &[("replayed", true, Says::Ends(2, "", "not yet\n"))]).await;
    let (told, _) = dr(open, changed).await;
    told.verdict(Verdict::StepFailed, &["; the restore reached L2", "failed at L3: replayed: exit code 2"]);
    told.failed(Check::RestoreLevel).failed(Check::RecoveryTime);
    assert_eq!(told.record.restore_level(), Some(RestoreLevel::L2));
    assert!(told.record.read_back.is_some(), "{}", evidence(&told, Check::RecoveryPoint));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn users_who_do_not_recover_end_the_restore_below_the_highest_level() {
    let changed = |case: Case, _| case.replace("restore\n", "true\n");
    let (told, _) = dr(async || Shop::open(Fate::default(), &[]).await, changed).await;
    told.verdict(Verdict::NotRecovered, &["had not recovered", "the restore reached L4"]);
    told.failed(Check::RestoreLevel).failed(Check::RecoveryTime).passed(Check::RecoveryPoint);
    assert_eq!(told.record.restore_level(), Some(RestoreLevel::L4));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn users_who_lose_the_service_again_end_the_restore_below_the_highest_level() {
    let (told, _) = on(Fate { relapses: true, ..Fate::default() }, &[]).await;
    told.verdict(Verdict::NotRecovered, &["failed at L5: users had recovered, and then lost the service again"]);
    told.failed(Check::RestoreLevel).passed(Check::RecoveryTime);
    assert_eq!(told.record.restore_level(), Some(RestoreLevel::L4));
}

/// The SLI calls 404 good.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn users_who_are_refused_once_the_restore_was_looked_at_end_it_below_the_highest_level() {
    let (told, _) = on(Fate { refuses: true, ..Fate::default() }, &[]).await;
    let words = ["failed at L5: users had recovered", "users are refused what they got before", "404 × "];
    told.verdict(Verdict::NotRecovered, &words).failed(Check::RestoreLevel).passed(Check::RecoveryTime);
    assert_eq!(told.record.restore_level(), Some(RestoreLevel::L4));
}

/// A restore after which the disk is lost again is none, whatever its levels say in between.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fault_that_comes_again_ends_the_restore_below_the_highest_level() {
    let faults = "
  - command: { service: db, run: break, undo: mend, confirm: is-broken }
    lasts: 400ms
    every: 1500ms";
    let again = |case: Case, _| case.set("faults", faults).set("recover", "{ within: 1500ms, hold: 2s }");
    let (told, _) = dr(async || Shop::open(Fate::default(), &[]).await, again).await;
    told.verdict(Verdict::NotRecovered, &["had not recovered", "the restore reached L4"]);
    told.failed(Check::RestoreLevel).failed(Check::RecoveryTime).passed(Check::RecoveryPoint);
    let life = told.life("command");
    assert!(life.iter().filter(|what| **what == FaultEvent::Injecting).count() > 1, "{life:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_level_can_be_expected_and_exactly_that_level_passes() {
    let says = [("restored", true, Says::Ends(1, "", ""))];
    for (expect, passes) in [(RestoreLevel::L1, true), (RestoreLevel::L2, false)] {
        let changed = move |case: Case, _| {
            let case = case.set("expect", "{ verdict: not_recovered }").options(|options| options.keep = true);
            case.plan_with(move |plan| plan.restore.as_mut().expect("a restore").expect = expect)
        };
        let (told, _) = dr(async || Shop::open(Fate::default(), &says).await, changed).await;
        told.verdict(Verdict::NotRecovered, &[]);
        assert_eq!((told.record.passed(), told.outcome.kept), (passes, !passes), "{expect}\n{}", short(&told));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_control_asks_nothing() {
    let changed = |case: Case, _| case.options(|options| options.control = true);
    let (told, shop) = dr(async || Shop::open(Fate::default(), &[]).await, changed).await;
    told.verdict(Verdict::Passed, &["did not recover"]).not_reached(Check::RestoreLevel);
    assert!(told.record.writes.is_empty() && told.record.read_back.is_none() && told.record.backup.is_none());
    let asked: Vec<String> =
        shop.asked().into_iter().filter(|script| !script.contains("break") && !script.contains("broken")).collect();
    assert_eq!(asked, ["mend"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_read_before_anything_is_broken_is_unsteady() {
    let before = [
        ("backup", Says::Ends(0, "none\n", ""), "the backup does not tell of itself before anything is broken"),
        ("backup", Says::Ends(1, "", "no such file\n"), "no such file"),
        ("readable", Says::Ends(1, "", ""), "the backup cannot be read before anything is broken"),
        ("products", Says::Ends(0, " \n", "a warning"), "nothing to compare with"),
        ("products", Says::Ends(1, "x\n", "no table\n"), "no table"),
        ("products", Says::Ends(0, "d41d8cd98f00b204e9800998ecf8427e  -\n", ""), "the checksum of nothing"),
        ("survivors", Says::Ends(0, "x\n", ""), "the survivors cannot be read before anything is broken"),
        ("survivors", Says::Ends(0, "7\n", ""), "acknowledged writes are lost before anything is broken"),
    ];
    for (word, says, reason) in before {
        let (told, shop) = on(Fate::default(), &[(word, false, says)]).await;
        told.verdict(Verdict::Unsteady, &[reason]).failed(Check::Steady).not_reached(Check::RestoreLevel);
        assert!(!shop.asked().contains(&"break".to_string()), "nothing is broken then");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn survivors_that_nobody_sent_are_unsteady_before_anything_is_broken() {
    // The load sends 100 a second, each for 500 ms at the most: 60 may be under way.
    let fate = |seeds: u64| Fate { seeds: (0..seeds).map(|n| 1_000_000 + n).collect(), ..Fate::default() };
    let (told, shop) = on(fate(61), &[]).await;
    told.verdict(Verdict::Unsteady, &["there are survivors that were never sent before anything is broken"]);
    assert!(!shop.asked().contains(&"break".to_string()), "nothing is broken then");
    on(fate(5), &[]).await.0.verdict(Verdict::Passed, &["there and never sent: 5"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_ledger_without_an_acknowledgement_is_unsteady() {
    let (told, _) = with(Fate::default(), &[], |restore| {
        restore.ledger.acknowledged.terms[0] = firedrill::slis::Term::Status(firedrill::slis::Comparison::Equal, 299);
    })
    .await;
    told.verdict(Verdict::Unsteady, &["no write was acknowledged before anything is broken"]).failed(Check::Steady);
}

/// The truth: the recovery time agrees with the clock of the shop itself.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_recovery_time_agrees_with_a_clock_of_its_own() {
    for _ in 0..3 {
        let (told, shop) = on(Fate::default(), &[]).await;
        told.verdict(Verdict::Passed, &[]);
        let (failed, served) = shop.failed();
        let truth = (served - failed).as_micros() as u64;
        let measured = told.record.figures().to_recover_us.expect("a recovery");
        let told = || format!("measured {measured} µs, and by the shop's clock {truth} µs\n{}", short(&told));
        assert!(measured + CLOCKS_US >= truth, "nobody recovers before the first good answer: {}", told());
        // The slice of the cure has bad requests: the first good answer of the next one may come a slice later.
        assert!(measured < truth + RESOLUTION_US + ANSWER_US, "{}", told());
    }
}
