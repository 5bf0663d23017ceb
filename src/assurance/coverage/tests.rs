//! The matrix from synthetic scenarios and drills, and what it looks like.

use super::*;
use crate::assurance::services::{Catalog, CriticalService, DrilledBy, FailureMode, ServiceAlert, Slo, drill_every};
use crate::record::testing::{Story, json_lines, record_of};
use crate::record::{FaultInfo, RunOutcome, Verdict, utc_text};
use crate::slis::{MetricCondition, Ratio};
use crate::view::SeenRun;
use std::path::Path;
use std::time::Duration;
use time::OffsetDateTime;
use time::macros::datetime;

const NOW: OffsetDateTime = datetime!(2026-11-25 12:00 UTC);

fn service(name: &str, tier: u8, modes: Vec<FailureMode>) -> CriticalService {
    let alert = |name: &str, text| ServiceAlert { name: name.into(), condition: MetricCondition::parse(text).unwrap() };
    CriticalService {
        name: name.into(),
        tier,
        owner: Some(format!("Team {name}")),
        aliases: Vec::new(),
        stacks: Vec::new(),
        drill_every: drill_every(tier),
        rto: Some(Duration::from_secs(15)),
        rpo: None,
        slos: vec![Slo {
            name: "availability".into(),
            objective: Ratio::new(0.999).unwrap(),
            below: None,
            window: Duration::from_secs(30 * 86400),
            reviewed: None,
        }],
        runbooks: vec!["runbooks/db-pool.md".into(), "runbooks/never.md".into()],
        alerts: vec![alert("PoolEmpty", "db_pool_available  <  1"), alert("Down", "up < 1")],
        modes,
        depends_on: Vec::new(),
    }
}

fn fault(name: &str, kind: &str, broken: Option<&str>) -> FailureMode {
    FailureMode { name: name.into(), by: DrilledBy::Fault { class: kind.into(), broken: broken.map(str::to_string) } }
}

fn scenario(name: &str, kind: &str, breaks: &str) -> Scenario {
    Scenario {
        name: name.into(),
        stack: "stacks/checkout/compose.yaml".into(),
        faults: vec![(Some(kind.into()), vec![breaks.into()])],
        rto: None,
        runbook: Some("runbooks/db-pool.md".into()),
        follows: vec!["mitigate/one".into()],
        alert: Some(MetricCondition::parse("db_pool_available < 1").unwrap()),
        page: None,
        expects_failure: false,
    }
}

/// A fault of a record.
fn of_record(kind: &str, services: &[&str]) -> FaultInfo {
    let [first] = &record_of(Story::Passed).plan.unwrap().faults[..] else { panic!("one fault") };
    let services = services.iter().map(|service| service.to_string()).collect();
    FaultInfo { kind: kind.into(), covers: None, services, ..first.clone() }
}

fn drill(scenario: &str, kind: &str, at: OffsetDateTime, verdict: Verdict) -> SeenRun {
    let outcome = match verdict {
        Verdict::Passed => RunOutcome::Passed,
        verdict if verdict.is_harness() => RunOutcome::Broken,
        _ => RunOutcome::Failed,
    };
    SeenRun {
        run: format!("run-{}", at.unix_timestamp()),
        scenario: scenario.into(),
        at,
        verdict,
        outcome,
        faults: vec![of_record(kind, &[])],
        runbook: Some("runbooks/db-pool.md".into()),
        followed: vec![("mitigate/one".into(), "hash".into())],
        rto_us: (verdict == Verdict::Passed).then_some(12_340_000),
        fault_utc: (verdict != Verdict::Unsteady).then(|| utc_text(at)),
        paged: None,
        ..SeenRun::of(&record_of(Story::Passed)).unwrap()
    }
}

fn made(services: Vec<CriticalService>, scenarios: &[Scenario], drills: &[SeenRun]) -> Coverage {
    Coverage::new(&Catalog { services, journeys: Vec::new() }, scenarios, drills, Path::new("."), NOW)
}

/// The state of the only failure mode of a service with these scenarios and drills.
fn state(mode: FailureMode, scenarios: &[Scenario], drills: &[SeenRun]) -> CoverageState {
    made(vec![service("db", 1, vec![mode])], scenarios, drills).services[0].cells[0].state
}

#[test]
fn a_scenario_drills_what_its_faults_are_on_and_what_depends_on_that() {
    let of = |name: &str| service(name, 1, Vec::new());
    let needing = |name: &str, needed: &str| CriticalService { depends_on: vec![needed.into()], ..of(name) };
    let services = vec![of("db"), of("payments"), needing("checkout", "db")];
    let catalog = Catalog { services, journeys: Vec::new() };
    let lock = scenario("db-pool", "postgres_lock", "db");
    let covers = |service: &CriticalService, mode: FailureMode| lock.covers(&catalog, service, &mode);
    assert!(covers(&of("db"), fault("x", "postgres_lock", None)), "its fault is on db");
    assert!(covers(&needing("checkout", "db"), fault("x", "postgres_lock", None)), "checkout depends on db");
    assert!(!covers(&of("checkout"), fault("x", "postgres_lock", None)), "nothing says that checkout depends on db");
    assert!(!covers(&needing("checkout", "payments"), fault("x", "postgres_lock", None)));
    assert!(!covers(&of("db"), fault("x", "container_kill", None)), "another fault");
    assert!(covers(&of("checkout"), fault("x", "postgres_lock", Some("db"))), "the failure mode itself names db");
    assert!(!covers(&of("checkout"), fault("x", "postgres_lock", Some("checkout"))), "checkout itself is not broken");
    let by_alias = CriticalService { aliases: vec!["db".into()], ..of("shop") };
    assert!(covers(&by_alias, fault("x", "postgres_lock", None)));
    let in_stack = |stack: &str| CriticalService { stacks: vec![stack.into()], ..of("db") };
    assert!(covers(&in_stack("stacks/checkout/compose.yaml"), fault("x", "postgres_lock", None)));
    for broken in [None, Some("db")] {
        let elsewhere = in_stack("stacks/bookings/compose.yaml");
        assert!(!covers(&elsewhere, fault("x", "postgres_lock", broken)), "the db of another stack");
    }
    let named = |names: &[&str]| FailureMode {
        name: "x".into(),
        by: DrilledBy::Scenarios(names.iter().map(|name| name.to_string()).collect()),
    };
    assert!(covers(&of("db"), named(&["db-pool"])) && !covers(&of("db"), named(&["other"])));
    assert!(!covers(&of("payments"), named(&["db-pool"])), "it breaks nothing of payments, whoever names it");
    let meant_to_fail = Scenario { expects_failure: true, ..lock };
    assert!(!meant_to_fail.covers(&catalog, &of("db"), &fault("x", "postgres_lock", None)));
}

#[test]
fn a_command_is_of_the_class_that_it_says_and_otherwise_of_none() {
    let bare = Scenario { faults: vec![(None, vec!["db".into()])], ..scenario("fills-memory", "", "db") };
    let says = scenario("fills-memory", "memory", "db");
    let at = NOW - time::Duration::days(1);
    let bare_drill =
        SeenRun { faults: vec![of_record("command", &["db"])], ..drill("fills-memory", "", at, Verdict::Passed) };
    assert_eq!(
        state(fault("command", "command", None), &[bare], std::slice::from_ref(&bare_drill)),
        CoverageState::NoScenario
    );
    assert_eq!(
        state(fault("memory", "memory", None), std::slice::from_ref(&says), &[bare_drill]),
        CoverageState::NotRun
    );
    let drills = [drill("fills-memory", "memory", at, Verdict::Passed)];
    assert_eq!(state(fault("memory", "memory", None), &[says], &drills), CoverageState::Passed);
    let covers = FaultInfo { covers: Some("memory".into()), ..of_record("command", &["db"]) };
    let drills = [SeenRun { faults: vec![covers], ..drill("fills-memory", "", at, Verdict::Passed) }];
    let says = scenario("fills-memory", "memory", "db");
    assert_eq!(state(fault("memory", "memory", None), &[says], &drills), CoverageState::Passed);
}

#[test]
fn a_pass_that_took_too_long_is_not_covered() {
    let mode = || fault("locked", "postgres_lock", None);
    let took = |us| {
        let ran = drill("db-pool", "postgres_lock", NOW - time::Duration::days(1), Verdict::Passed);
        [SeenRun { rto_us: us, ..ran }]
    };
    let own = |rto| [Scenario { rto, ..scenario("db-pool", "postgres_lock", "db") }];
    assert_eq!(state(mode(), &own(None), &took(Some(15_000_000))), CoverageState::Passed, "the service allows 15 s");
    assert_eq!(state(mode(), &own(None), &took(Some(15_000_001))), CoverageState::MissedRto);
    let strict = Some(Duration::from_secs(10));
    assert_eq!(
        state(mode(), &own(strict), &took(Some(12_000_000))),
        CoverageState::MissedRto,
        "the scenario allows 10 s"
    );
    assert_eq!(state(mode(), &own(Some(Duration::from_secs(60))), &took(Some(16_000_000))), CoverageState::MissedRto);
    assert_eq!(
        state(mode(), &own(None), &took(None)),
        CoverageState::Passed,
        "nothing had to recover (`impact: none`)"
    );
}

#[test]
fn overdue_is_what_was_not_drilled_for_longer_than_its_tier_allows() {
    let own = [scenario("db-pool", "postgres_lock", "db")];
    let mode = || vec![fault("locked", "postgres_lock", None)];
    let overdue = |tier, days, verdict| {
        let drills = [drill("db-pool", "postgres_lock", NOW - time::Duration::days(days), verdict)];
        let quiet = CriticalService { alerts: Vec::new(), ..service("db", tier, mode()) };
        let coverage = made(vec![quiet], &own, &drills);
        coverage.overdue().map(|(service, cell)| super::overdue(service, cell)).next()
    };
    for (tier, days) in [(1, 92), (2, 184), (3, 366), (4, 366)] {
        assert_eq!(overdue(tier, days, Verdict::Passed), None, "tier {tier}");
        let told = overdue(tier, days + 1, Verdict::Passed).unwrap();
        assert!(told.starts_with(&format!("db / locked: last drilled {} days ago", days + 1)), "{told}");
    }
    assert_eq!(overdue(1, 1, Verdict::NotRecovered), None, "it failed, and was drilled");
    let told = overdue(1, 1, Verdict::HarnessError).unwrap();
    assert_eq!(told, "db / locked: never drilled, due every 92d");
    let told = overdue(1, 1, Verdict::Unsteady).unwrap();
    assert_eq!(told, "db / locked: never drilled, due every 92d", "its fault was never in place");
    assert!(overdue(1, -2, Verdict::Passed).is_some(), "a drill of the future is none");
    assert_eq!(overdue(1, -1, Verdict::Passed), None, "clocks differ");
    let own_word =
        CriticalService { drill_every: Duration::from_secs(86400), alerts: Vec::new(), ..service("db", 4, mode()) };
    let drills = [drill("db-pool", "postgres_lock", NOW - time::Duration::days(2), Verdict::Passed)];
    let coverage = made(vec![own_word], &own, &drills);
    assert_eq!((coverage.overdue().count(), coverage.services[0].cells[0].state), (1, CoverageState::Stale));
}

#[test]
fn a_drill_that_broke_another_service_is_none_of_this_failure() {
    let own = [scenario("db-pool", "postgres_lock", "db")];
    let broke = |service: &str| {
        let ran = drill("db-pool", "postgres_lock", NOW - time::Duration::days(1), Verdict::Passed);
        [SeenRun { faults: vec![of_record("postgres_lock", &[service])], ..ran }]
    };
    for broken in [None, Some("db")] {
        let mode = || fault("locked", "postgres_lock", broken);
        assert_eq!(state(mode(), &own, &broke("db")), CoverageState::Passed);
        assert_eq!(
            state(mode(), &own, &broke("ledger-db")),
            CoverageState::NotRun,
            "the scenario broke another database then"
        );
    }
}

#[test]
fn the_last_drill_with_a_verdict_counts() {
    let mode = || fault("locked", "postgres_lock", None);
    let own = [scenario("db-pool", "postgres_lock", "db")];
    let at = |days: i64| NOW - time::Duration::days(days);
    let ran = |drills: &[(i64, Verdict)]| {
        let drills: Vec<SeenRun> =
            drills.iter().map(|(days, verdict)| drill("db-pool", "postgres_lock", at(*days), *verdict)).collect();
        state(mode(), &own, &drills)
    };
    assert_eq!(state(mode(), &[], &[]), CoverageState::NoScenario);
    assert_eq!(ran(&[]), CoverageState::NotRun);
    assert_eq!(ran(&[(1, Verdict::HarnessError), (2, Verdict::Incomplete)]), CoverageState::NotRun);
    assert_eq!(ran(&[(3, Verdict::Passed)]), CoverageState::Passed);
    assert_eq!(ran(&[(92, Verdict::Passed)]), CoverageState::Passed);
    assert_eq!(ran(&[(93, Verdict::Passed)]), CoverageState::Stale);
    assert_eq!(ran(&[(1, Verdict::NotRecovered), (3, Verdict::Passed)]), CoverageState::Failed);
    assert_eq!(ran(&[(3, Verdict::Passed), (5, Verdict::StepFailed)]), CoverageState::Passed);
    assert_eq!(
        ran(&[(1, Verdict::HarnessError), (3, Verdict::Passed)]),
        CoverageState::Passed,
        "the harness says nothing"
    );
    let other = drill("db-pool", "container_kill", at(1), Verdict::Passed);
    assert_eq!(state(mode(), &own, &[other]), CoverageState::NotRun, "it broke something else then");
    let gone = drill("old-name", "postgres_lock", at(1), Verdict::Passed);
    assert_eq!(state(mode(), &own, &[gone]), CoverageState::NotRun, "a drill of no scenario");
    // The best of several.
    let two = [own[0].clone(), scenario("other", "postgres_lock", "db")];
    let drills = [
        drill("db-pool", "postgres_lock", at(1), Verdict::StepFailed),
        drill("other", "postgres_lock", at(2), Verdict::Passed),
    ];
    assert_eq!(state(mode(), &two, &drills), CoverageState::Passed);
    assert_eq!(state(mode(), &two, &drills[..1]), CoverageState::Failed);
}

#[test]
fn the_share_is_reached_or_not() {
    let modes = |count: usize| (0..count).map(|at| fault(&format!("m{at}"), "postgres_lock", None)).collect();
    let lock = [scenario("db-pool", "postgres_lock", "db")];
    let passed = [drill("db-pool", "postgres_lock", NOW, Verdict::Passed)];
    let other = |count: usize| (0..count).map(|at| fault(&format!("n{at}"), "container_kill", None)).collect();
    let quiet = |service| CriticalService { alerts: Vec::new(), ..service };
    let services = vec![quiet(service("db", 2, modes(19))), quiet(service("payments", 1, other(1)))];
    let coverage = made(services, &lock, &passed);
    assert_eq!((coverage.covered, coverage.required), (19, 20));
    assert!(coverage.reaches(0.95) && !coverage.reaches(0.96));
    let tiers: Vec<_> = coverage.tiers.iter().map(|tier| (tier.tier, tier.covered, tier.required)).collect();
    assert_eq!(tiers, [(1, 0, 1), (2, 19, 19)]);
    assert!(!made(Vec::new(), &[], &[]).reaches(0.0), "nothing is not everything");
}

#[test]
fn records_become_drills() {
    let drill = SeenRun::of_drill(&record_of(Story::Passed)).expect("a drill");
    assert_eq!((drill.scenario.as_str(), drill.at), ("db-pool", datetime!(2026-11-20 06:41:12.345 UTC)));
    assert!(drill.passed() && drill.is_judged() && drill.rto_us.is_some());
    assert_eq!(drill.faults[0].kind, "postgres_lock");
    let followed: Vec<&str> = drill.followed.iter().map(|(id, _)| id.as_str()).collect();
    assert!(followed.contains(&"mitigate/terminate-the-session-that-holds-the-lock"), "{followed:?}");
    assert!(!followed.contains(&"diagnose/ask-who-deployed-last"), "it is for a person");
    let failed = SeenRun::of_drill(&record_of(Story::NotRecovered)).expect("a drill");
    assert!(!failed.passed() && failed.is_judged() && failed.rto_us.is_none());
    assert!(!SeenRun::of_drill(&record_of(Story::HarnessError)).expect("a drill").is_judged());
    assert!(!SeenRun::of_drill(&record_of(Story::Killed)).expect("a drill").is_judged());
    for none in [Story::Control, Story::ControlRecovered, Story::ExpectedFailure, Story::UnexpectedPass] {
        assert_eq!(SeenRun::of_drill(&record_of(none)), None, "{none:?}");
    }
    let mut replaced = record_of(Story::Passed);
    for step in replaced.plan.iter_mut().flat_map(|plan| &mut plan.steps) {
        let by = step.at.clone();
        step.replaced = Some(crate::record::ReplacedInfo { by, commands: Vec::new() });
    }
    assert!(SeenRun::of_drill(&replaced).expect("a drill").followed.is_empty(), "nothing as written");
    let mut noisy = record_of(Story::Passed);
    noisy.plan.iter_mut().flat_map(|plan| &mut plan.faults).for_each(|fault| fault.noise = true);
    assert!(SeenRun::of_drill(&noisy).expect("a drill").faults.is_empty(), "nobody was to feel it");
}

/// One of everything.
fn example() -> Coverage {
    let services = vec![
        service(
            "payments",
            2,
            vec![fault("http_status", "http_status", None), fault("container_pause", "container_pause", None)],
        ),
        CriticalService {
            depends_on: vec!["payments".into()],
            ..service(
                "checkout",
                1,
                vec![
                    fault("database|locked", "postgres_lock", Some("db")),
                    fault("a-name-that-is-longer-than-any-column-of-this-table", "container_kill", None),
                    fault("connections", "postgres_connections", Some("db")),
                ],
            )
        },
    ];
    let scenarios = [
        scenario("db-pool", "postgres_lock", "db"),
        scenario("upstream-503", "http_status", "payments"),
        scenario("restart-loop", "container_kill", "payments"),
        Scenario { runbook: None, alert: None, ..scenario("pool-size", "postgres_connections", "db") },
    ];
    let at = |days: i64| NOW - time::Duration::days(days);
    let mut slow = drill("upstream-503", "http_status", at(1), Verdict::Passed);
    slow.rto_us = Some(95_000_000);
    let drills = [
        drill("db-pool", "postgres_lock", at(0), Verdict::Passed),
        slow,
        drill("restart-loop", "container_kill", at(5), Verdict::Passed),
        drill("restart-loop", "container_kill", at(2), Verdict::NotRecovered),
        drill("pool-size", "postgres_connections", at(200), Verdict::Passed),
        drill("pool-size", "postgres_connections", at(3), Verdict::HarnessError),
    ];
    made(services, &scenarios, &drills)
}

#[test]
fn the_matrix_as_text() {
    let [narrow, wide] = [80, 120].map(|width| {
        let shown = text(&example(), width, false);
        let widest = shown.lines().map(|line| line.chars().count()).max();
        assert!(widest.is_some_and(|widest| widest <= width), "{widest:?}\n{shown}");
        shown
    });
    let only_wide: Vec<&str> = wide.lines().filter(|line| !narrow.lines().any(|narrow| narrow == *line)).collect();
    insta::assert_snapshot!("text_120", only_wide.join("\n"));
    assert_eq!(narrow.lines().count() - wide.lines().count(), 4, "{wide}");
    assert_eq!(console::strip_ansi_codes(&text(&example(), 80, true)), narrow);
    insta::assert_snapshot!("text_80", narrow);
    insta::assert_snapshot!("missing", missing(&example(), "95%"));
}

#[test]
fn the_matrix_as_markdown_and_json() {
    insta::assert_snapshot!("markdown", markdown(&example()));
    let passed = made(
        vec![service("db", 1, vec![fault("locked", "postgres_lock", None)])],
        &[scenario("db-pool", "postgres_lock", "db")],
        &[drill("db-pool", "postgres_lock", NOW, Verdict::Passed)],
    );
    insta::assert_snapshot!("json", json_lines(&serde_json::to_value(passed).unwrap()));
}

#[test]
fn a_service_is_monitored_when_a_drill_saw_its_alert_delivered() {
    let shop = || service("shop", 1, vec![fault("x", "postgres_lock", None)]);
    let waits = Scenario { page: Some("Down".into()), ..scenario("db-pool", "postgres_lock", "shop") };
    let called = |scenarios: &[Scenario], drills: &[SeenRun]| {
        let coverage = made(vec![shop()], scenarios, drills);
        let cell = coverage.services[0].cells.last().unwrap();
        assert_eq!((cell.mode.as_str(), coverage.required), ("alert delivered", 2));
        assert_eq!(coverage.monitored, usize::from(cell.state == CoverageState::Passed));
        cell.state
    };
    let drill = |days: i64, verdict| drill("db-pool", "postgres_lock", NOW - time::Duration::days(days), verdict);
    let paged = |drill: SeenRun| SeenRun { paged: Some("Down".into()), ..drill };
    let own = std::slice::from_ref(&waits);
    assert_eq!(called(&[scenario("db-pool", "postgres_lock", "shop")], &[]), CoverageState::NoScenario);
    assert_eq!(called(&[Scenario { page: Some("Other".into()), ..waits.clone() }], &[]), CoverageState::NoScenario);
    assert_eq!(called(&[Scenario { expects_failure: true, ..waits.clone() }], &[]), CoverageState::NoScenario);
    assert_eq!(called(own, &[]), CoverageState::NotRun);
    assert_eq!(called(own, &[paged(drill(1, Verdict::Passed))]), CoverageState::Passed);
    assert_eq!(called(own, &[paged(drill(1, Verdict::NotRecovered))]), CoverageState::Passed, "whatever came of it");
    let slow = SeenRun { rto_us: Some(u64::MAX), ..paged(drill(1, Verdict::Passed)) };
    assert_eq!(called(own, &[slow]), CoverageState::Passed, "however long users waited");
    let missed = [paged(drill(2, Verdict::Passed)), drill(1, Verdict::Undetected)];
    assert_eq!(called(own, &missed), CoverageState::Failed, "the last one decides");
    assert_eq!(called(own, &[paged(drill(400, Verdict::Passed))]), CoverageState::Stale);
    let silent = CriticalService { alerts: Vec::new(), ..shop() };
    assert_eq!(made(vec![silent], own, &[]).required, 1, "it lists no alert, and is not monitored");
}

#[test]
fn a_page_counts_where_the_drill_saw_it_come_as_it_must() {
    use crate::record::testing::{Story, record_of};
    use crate::record::{Check, CheckOutcome, CheckResult, DrillTime, PageExpectation};
    let mut record = record_of(Story::Passed);
    let paged = |record: &crate::record::Record| SeenRun::of_drill(record).unwrap().paged;
    assert_eq!(paged(&record), None, "a condition on a metric calls nobody");
    record.plan.as_mut().unwrap().page = Some(PageExpectation { alert: Some("Down".into()), ..Default::default() });
    assert_eq!(paged(&record).as_deref(), Some("Down"));
    // It came, too late: it is detected, and the check has failed.
    let outcome = CheckOutcome::Failed { reason: "late".into(), at: None };
    let [started_us, ended_us] = [DrillTime(1), DrillTime(2)];
    record.checks.push(CheckResult { check: Check::Detection, outcome, started_us, ended_us });
    assert!(record.detected_us.is_some());
    assert_eq!(paged(&record), None);
}
