//! A synthetic quarter: passed, failed and retested, damaged as expected, a control, one that broke, one that was cut off.

use super::*;
use crate::assurance::actions::{ActionItem, ActionStatus};
use crate::assurance::coverage::{Coverage, CoverageState, ModeCoverage, Proof, ServiceCoverage, Targets};
use crate::record::RunOutcome;
use crate::record::testing::quarter::{DrStory, dr_events_at, sum_of};
use crate::record::testing::{Story, record_of};
use crate::view::format::seconds;
use crate::view::{Quarter, SeenRun, timeline, words};
use time::macros::datetime;

fn one(story: DrStory, at: &str, run: &str) -> DrillInput {
    let events = dr_events_at(story, at, run);
    let record = sum_of(&events);
    let events = events.into_iter().filter(|stamped| timeline::tells(&stamped.event)).collect();
    DrillInput { record, events, changed: None }
}

fn notes() -> DrNotes {
    let text = |text: &str| Some(text.to_string());
    let told = DrTold {
        kind: Some(DrillType::Functional),
        objectives: vec!["The newest backup can be restored by the runbook alone".into()],
        success_criteria: vec!["RTO of 5 min".into(), "No acknowledged write older than 10 s is lost".into()],
        scope: text("Database and checkout service"),
        environment: text("CI runner with Docker"),
        differences: text("One database of 40 MB instead of 1.2 TB"),
        people: vec![DrPerson { role: "Incident commander".into(), planned: text("C. Lead"), actual: None }],
        ..DrTold::default()
    };
    let finding = DrFinding { id: "F-1".into(), text: "A WAL segment is missing".into(), severity: text("high") };
    let failed = DrTold {
        findings: vec![finding],
        accepted_risks: vec![Risk {
            text: "Backups are in one region".into(),
            accepted_by: text("D. Owner"),
            until: None,
        }],
        ..DrTold::default()
    };
    let of_run = |run: &str, told| DrillNotes { of: DrillRef::Run(run.into()), told };
    let file = NotesFile {
        path: "drill-notes/2026Q4.yaml".into(),
        quarter: Some(Quarter::parse("2026Q4").unwrap()),
        header: DrHeader {
            organisation: text("Example | Ltd <b>"),
            system: text("Shop"),
            plan_id: text("DRP-7"),
            prepared: Some(Signature { name: "A. Writer".into(), role: text("SRE"), date: text("2027-01-04") }),
            ..DrHeader::default()
        },
        drills: vec![
            DrillNotes { of: DrillRef::Scenario("pg-restore".into()), told },
            of_run("20261104T020000Z-pg-restore-0002", failed),
            of_run("20261231T000000Z-pg-restore-9999", DrTold::default()),
        ],
    };
    DrNotes { files: vec![file] }
}

fn actions() -> Vec<ActionItem> {
    let action = |id: &str, closed_by: Option<&str>, status, due: &str| ActionItem {
        id: id.into(),
        text: "Archive every segment before it is removed".into(),
        owner: "Team Database".into(),
        due: due.into(),
        status,
        kind: None,
        finding: Some("F-1".into()),
        ticket: Some("OPS-311".into()),
        run: Some("20261104T020000Z-pg-restore-0002".into()),
        closed_by: closed_by.map(str::to_string),
        span: crate::source::Span::default(),
    };
    vec![
        action("A-1", Some("20261118T020000Z-pg-restore-0003"), ActionStatus::Done, "2026-11-30"),
        action("A-2", Some("20261014T020000Z-pg-restore-0001"), ActionStatus::Done, "2026-12-01"),
        action("A-3", Some("20261119T020000Z-nowhere-0001"), ActionStatus::Done, "2027-02-01"),
        action("A-4", None, ActionStatus::Dropped, "2026-11-30"),
    ]
}

/// The quarter.
fn input() -> DrInput {
    let drills = vec![
        one(DrStory::Passed, "2026-10-14T02:00:00.000Z", "0001"),
        one(DrStory::Failed, "2026-11-04T02:00:00.000Z", "0002"),
        one(DrStory::Passed, "2026-11-18T02:00:00.000Z", "0003"),
        one(DrStory::Damaged, "2026-11-20T02:00:00.000Z", "0004"),
        one(DrStory::Control, "2026-11-21T02:00:00.000Z", "0005"),
        one(DrStory::Broken, "2026-12-02T02:00:00.000Z", "0006"),
    ];
    let mut seen: Vec<SeenRun> = drills.iter().filter_map(|drill| SeenRun::of(&drill.record)).collect();
    for (story, at, run) in [
        (DrStory::Killed, "2026-12-24T02:00:00.000Z", "0007"),
        (DrStory::Passed, "2026-08-12T02:00:00.000Z", "0100"),
        (DrStory::Passed, "2025-12-31T23:59:59.000Z", "0101"),
    ] {
        seen.extend(SeenRun::of(&one(story, at, run).record));
    }
    for story in [Story::Passed, Story::NotRecovered, Story::Control] {
        seen.extend(SeenRun::of(&record_of(story)));
    }
    seen.sort_by_key(|seen| seen.at);
    let mode = |mode: &str, state| ModeCoverage {
        mode: mode.into(),
        state,
        overdue: false,
        drilled_days_ago: None,
        scenarios: vec![Proof {
            scenario: "pg-restore".into(),
            runbook: None,
            alert: None,
            state,
            last: None,
            last_judged: None,
            last_injected: None,
            within_drill_every: None,
            last_pass: None,
            recovered_us: None,
            rto_us: None,
            rto_met: None,
        }],
    };
    let service = ServiceCoverage {
        service: "db".into(),
        tier: 1,
        owner: None,
        drill_every_s: 92 * 86400,
        targets: Targets { rto_us: Some(14_400_000_000), rpo_us: Some(10_000_000), slos: Vec::new() },
        cells: vec![mode("data-lost", CoverageState::Passed), mode("region-lost", CoverageState::NoScenario)],
        runbooks: Vec::new(),
        alerts: Vec::new(),
    };
    let matrix = Coverage {
        format: Coverage::FORMAT,
        at_utc: String::new(),
        required: 2,
        covered: 1,
        monitored: 0,
        ratio: 0.5,
        tiers: Vec::new(),
        services: vec![service],
        journeys: Vec::new(),
    };
    DrInput {
        quarter: Quarter::parse("2026Q4").unwrap(),
        made: datetime!(2027-01-04 09:00 UTC),
        evidence: EvidenceSummary {
            heads: Vec::new(),
            problems: Vec::new(),
            runs: vec![("20261014T020000Z-pg-restore-0001".into(), Some("f".repeat(64)), "intact".into())],
            ..EvidenceSummary::default()
        },
        drills,
        seen,
        notes: notes(),
        actions: actions(),
        coverage: Some(DrCoverage {
            file: "services.yaml".into(),
            matrix,
            overdue: vec!["bookings / data-deleted: last drilled 120 days ago, due every 92d".into()],
            unreviewed: vec!["bookings / availability: last reviewed on 2026-05-01".into()],
        }),
        scenarios: vec![("pg-restore".into(), true), ("bad-migration".into(), true), ("upstream-503".into(), false)],
        problems: vec!["left out, because it cannot be read: x".into()],
    }
}

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap().replace(env!("CARGO_PKG_VERSION"), "VERSION")
}

#[test]
fn a_quarter_as_markdown() {
    let input = input();
    let report = DrReport::new(&input);
    if let Some(dir) = std::env::var_os("FIREDRILL_SHOTS") {
        std::fs::write(std::path::Path::new(&dir).join("dr.html"), dr_html(&report)).unwrap();
    }
    let page = text(dr_markdown(&report)).replace("&#46;", ".");
    let (before, rest) = page.split_once("## 3. The drills").unwrap();
    let (_, after) = rest.split_once("## 4. Follow-up").unwrap();
    let (after, _) = after.split_once("## 8. ").unwrap();
    insta::assert_snapshot!("quarter", format!("{before}…\n{after}"));
    let told = report.drills.iter().map(|drill| {
        let mut lines = vec![format!("{} {:?}: {}", drill.plan.run, drill.verdict, drill.basis)];
        lines.extend(drill.data_in_words());
        lines.extend(drill.conditions.iter().chain(&drill.limitations).map(|line| format!("- {line}")));
        lines.join("\n")
    });
    insta::assert_snapshot!("what_each_drill_comes_to", told.collect::<Vec<_>>().join("\n\n"));
}

#[test]
fn a_drill_as_markdown() {
    let mut input = input();
    input.drills.retain(|drill| drill.record.plan.as_ref().unwrap().run.ends_with("0002"));
    let page = text(dr_markdown(&DrReport::new(&input))).replace("&#46;", ".");
    let (_, drill) = page.split_once("## 3. The drills").unwrap();
    insta::assert_snapshot!(drill.split_once("## 4. ").unwrap().0);
}

#[test]
fn evidence_that_is_not_intact_is_told_on_the_first_page_and_has_no_verdict() {
    let mut input = input();
    assert!(!text(dr_markdown(&DrReport::new(&input))).contains("not intact"));
    // What the killed one had left was completed by the reaper: it came to no end all the same.
    let mut killed = one(DrStory::Killed, "2026-12-24T02:00:00.000Z", "0007").record;
    killed.ended = true;
    assert!(killed.is_unfinished() && !SeenRun::of(&killed).unwrap().ended);
    input.drills[0].changed = Some("events.jsonl was changed".into());
    input.evidence = EvidenceSummary { not_intact: 2, gone: 1, broken_chains: 1, unreadable: 1, ..input.evidence };
    let report = DrReport::new(&input);
    assert_eq!(report.drills[0].verdict, DrVerdict::NoVerdict);
    assert!(report.drills[0].basis.contains("events.jsonl was changed"), "{}", report.drills[0].basis);
    let DrObjectives { rto_us, rto_met, rpo_us, rpo_met, .. } = report.drills[0].objectives;
    assert_eq!((rto_us, rto_met, rpo_us, rpo_met), (None, None, None, None), "and no figure");
    let page = text(dr_markdown(&report)).replace("&#58;", ":");
    let first = page.split("3. ").next().unwrap();
    let gone = ["The evidence is not intact", "as they were sealed: 2", "only the hash chain knows of them: 1"];
    for words in gone.into_iter().chain(["chains that were changed: 1", "places that cannot be read: 1", "section 6"]) {
        assert!(first.contains(words), "{words}: {first}");
    }
}

#[test]
fn every_drill_has_the_verdict_that_follows() {
    let input = input();
    let report = DrReport::new(&input);
    let verdicts: Vec<(DrVerdict, bool)> =
        report.drills.iter().map(|drill| (drill.verdict, drill.plan.control)).collect();
    let want = [
        (DrVerdict::Pass, false),
        (DrVerdict::Fail, false),
        (DrVerdict::Pass, false),
        (DrVerdict::Pass, false),
        (DrVerdict::Pass, true),
        (DrVerdict::NoVerdict, false),
    ];
    assert_eq!(verdicts, want);
    assert!(report.drills[3].basis.contains("damage was detected at L3 as expected"), "{}", report.drills[3].basis);
    assert!(report.drills[3].basis.contains("no evidence of a recovery"));
    assert_eq!(DrVerdict::ALL.map(|verdict| report.count(verdict)), [3, 0, 1, 1], "controls are none of them");
    assert_eq!((report.noticed(), report.incomplete().len(), report.drills.len()), (1, 1, 6));
}

#[test]
fn conditions_of_people_and_steps_that_were_not_followed_make_a_pass_conditional() {
    let mut input = input();
    input.notes.files[0].drills[0].told.conditions = vec!["Only the newest backup was tried.".into()];
    let report = DrReport::new(&input);
    assert_eq!(report.drills[0].verdict, DrVerdict::PassWithConditions);
    assert_eq!(report.drills[1].verdict, DrVerdict::Fail, "a condition makes no fail a pass");
    let mut input = self::input();
    let by = crate::record::Location { path: "scenarios/pg-restore.yaml".into(), line: 9 };
    let plan = input.drills[0].record.plan.as_mut().unwrap();
    plan.steps[2].replaced = Some(crate::record::ReplacedInfo { by, commands: vec!["true".into()] });
    // Below a heading that names no phase a step restores as well.
    plan.steps[2].phase = "other".into();
    let report = DrReport::new(&input);
    assert_eq!(report.drills[0].verdict, DrVerdict::PassWithConditions);
    assert!(
        report.drills[0].conditions[0].contains("scenarios/pg-restore.yaml:9"),
        "{:?}",
        report.drills[0].conditions
    );
}

#[test]
fn a_target_that_was_missed_or_not_measured_is_no_pass() {
    let mut input = input();
    input.drills[0].record.plan.as_mut().unwrap().restore.as_mut().unwrap().rto_us = 1;
    input.drills[2].record.read_back = None;
    let report = DrReport::new(&input);
    assert_eq!(report.drills[0].verdict, DrVerdict::Fail);
    assert_eq!(report.drills[0].objectives.rto_met, Some(false));
    assert_eq!((report.drills[2].verdict, report.drills[2].objectives.rpo_met), (DrVerdict::Fail, None));
}

#[test]
fn a_recovery_point_that_is_known_from_below_only_is_a_bound() {
    let mut input = input();
    let record = &mut input.drills[0].record;
    record.read_back.as_mut().unwrap().survivors = Some(crate::record::Numbers::default());
    record.backup = None;
    let data = record.data_figures().unwrap();
    assert_eq!(data.judged_rpo_us(), None);
    let page = text(dr_markdown(&DrReport::new(&input))).replace("&#46;", ".").replace('\u{a0}', " ");
    let bound = format!("≥ {}", seconds(data.rpo_us));
    assert_eq!(page.matches(&bound).count(), 2, "in the summary and in the table of the drill: {page}");
}

#[test]
fn an_action_is_verified_by_a_later_run_that_passed_and_by_nothing_else() {
    let input = input();
    let report = DrReport::new(&input);
    let told: Vec<String> = follow::actions(&report)
        .iter()
        .map(|row| {
            let (verified, why) = (row.verified.is_ok(), row.verified.clone().unwrap_or_else(|why| why));
            format!("{} {verified} {} {why}", row.item.id, row.overdue)
        })
        .collect();
    insta::assert_snapshot!(told.join("\n"), @r"
    A-1 true false `pg-restore` passed on 2026-11-18
    A-2 false true named, not verified: it began before what `20261104T020000Z-pg-restore-0002` found
    A-3 false false named, not verified: there is no record of that run
    A-4 false false no verifying run is named
    ");
    let mut of_scenario = input;
    let drills = &mut of_scenario.notes.files[0].drills;
    let findings = std::mem::take(&mut drills[1].told.findings);
    drills.push(DrillNotes {
        of: DrillRef::Scenario("pg-restore".into()),
        told: DrTold { findings, ..DrTold::default() },
    });
    let row = &follow::actions(&DrReport::new(&of_scenario))[1];
    assert!(row.verified.as_ref().is_err_and(|why| why.contains("it began before what")), "{row:?}");
}

#[test]
fn an_action_of_an_earlier_quarter_stays_open_where_the_run_that_closes_it_proves_nothing() {
    let mut input = input();
    input.quarter = Quarter::parse("2027Q1").unwrap();
    input.drills.clear();
    let ids = |report: &DrReport<'_>| follow::actions(report).iter().map(|row| row.item.id.clone()).collect::<Vec<_>>();
    assert_eq!(ids(&DrReport::new(&input)), ["A-2", "A-3"]);
    input.actions[0].closed_by = Some("20261202T020000Z-pg-restore-0006".into());
    let report = DrReport::new(&input);
    assert_eq!(ids(&report), ["A-1", "A-2", "A-3"]);
    assert_eq!(follow::actions(&report)[0].status, ActionStatus::Open);
}

#[test]
fn what_failed_is_retested_by_the_next_run_that_passed() {
    let input = input();
    let report = DrReport::new(&input);
    let rows = follow::retests(&report);
    let of = |row: &Retest<'_>| (row.retest.map(|seen| seen.run.clone()), row.retest.map(SeenRun::passed));
    let told: Vec<_> = rows.iter().map(|row| (row.failed.plan.run.as_str(), of(row))).collect();
    let want = [
        ("20261104T020000Z-pg-restore-0002", (Some("20261118T020000Z-pg-restore-0003".to_string()), Some(true))),
        ("20261202T020000Z-pg-restore-0006", (None, None)),
    ];
    assert_eq!(told, want, "a run that was cut off is no retest");
    let by_notes = |named: &str| {
        let mut input = input.clone();
        let told = DrTold { retest_of: Some("20261104T020000Z-pg-restore-0002".into()), ..DrTold::default() };
        input.notes.files[0].drills.push(DrillNotes { of: DrillRef::Run(named.into()), told });
        let report = DrReport::new(&input);
        let retest = follow::retests(&report).remove(0);
        (retest.retest.map(|seen| seen.run.clone()).unwrap_or_default(), retest.by)
    };
    let named = "20261202T020000Z-pg-restore-0006";
    assert_eq!(by_notes(named), (named.to_string(), "named in the notes"));
    // One that exists to fail shows no recovery.
    let (retest, by) = by_notes("20261120T020000Z-corrupt-backup-0004");
    assert_eq!((retest.as_str(), by), ("20261118T020000Z-pg-restore-0003", "a later run of the same scenario"));
}

#[test]
fn the_trend_has_four_quarters_and_no_more() {
    let input = input();
    let report = DrReport::new(&input);
    let page = text(dr_markdown(&report)).replace("&#46;", ".").replace('\u{a0}', " ");
    let row = page.lines().find(|line| line.starts_with("| <code>pg-restore</code> | 2026Q1:")).expect("a trend");
    let quarters = ["2026Q1:<br>no run", "2026Q2:<br>no run", "2026Q3:<br>1 of 1 passed", "2026Q4:<br>2 of 5 passed"];
    for told in quarters.into_iter().chain(["RTO median 4.00 s, worst 4.00 s"]) {
        assert!(row.contains(told), "{told}: {row}");
    }
    assert_eq!(report.previous_drill(), Some("2026-08-12T02:00:00.000Z"));
}

#[test]
fn an_empty_quarter_says_so() {
    let mut input = input();
    input.quarter = Quarter::parse("2025Q2").unwrap();
    input.drills.clear();
    let text = text(dr_markdown(&DrReport::new(&input)));
    assert!(text.contains("No DR drill was run in this quarter"), "{text}");
    assert!(!text.contains("F-1"), "findings of a later quarter are not known yet: {text}");
}

#[test]
fn no_report_says_more_than_it_may() {
    let input = input();
    let report = DrReport::new(&input);
    for bytes in [dr_markdown(&report), dr_html(&report)] {
        let text = text(bytes).to_lowercase();
        assert!(!text.contains("complian"));
        assert!(text.contains("not provided"));
    }
    let html = text(dr_html(&report));
    assert!(html.contains("Example | Ltd &lt;b&gt;") && !html.contains("<script"), "it is text");
    assert!(!html.contains("src=") && !html.contains("href=\"http") && !html.contains("url("), "it asks nobody");
}

#[test]
fn writes_that_are_lost_after_the_fault_make_a_pass_conditional() {
    let mut input = input();
    let fault = input.drills[0].record.injected_us().unwrap();
    let after = crate::record::DrillTime(fault.0 + 1_000_000);
    input.drills[0].record.writes.push(crate::record::WriteRecord(9_000, after, true));
    let report = DrReport::new(&input);
    let drill = &report.drills[0];
    assert_eq!(drill.verdict, DrVerdict::PassWithConditions, "{}", drill.basis);
    assert!(drill.conditions[0].contains("1 write"), "{:?}", drill.conditions);
    assert!(drill.limitations.iter().any(|one| one.starts_with("Acknowledged after the fault, and lost: 1 write")));
    let want = "3 of 54 acknowledged writes lost: 2 acknowledged before the fault, within the objective; 1 after it, which \
                the objective does not cover; content identical";
    assert_eq!(drill.data_in_words().as_deref(), Some(want));
    assert!(text(dr_markdown(&report)).contains("1 lost after the fault"));
}

#[test]
fn a_run_of_another_scenario_verifies_nothing() {
    let mut input = input();
    input.actions[0].closed_by = Some("20261120T020000Z-corrupt-backup-0004".into());
    let why = follow::actions(&DrReport::new(&input)).remove(0).verified.expect_err("another scenario");
    assert!(why.starts_with("named, another scenario: not verified"), "{why}");
}

#[test]
fn a_long_timeline_keeps_its_end_and_names_a_person_only_where_one_was() {
    let mut input = input();
    let events = &mut input.drills[0].events;
    let one = events.iter().find(|one| matches!(one.event, crate::record::Event::PhaseStarted { .. })).unwrap().clone();
    events.extend(std::iter::repeat_n(one, 400));
    let report = DrReport::new(&input);
    let drill = &report.drills[0];
    let has = |what: &str| drill.timeline.0.iter().any(|moment| moment.what.contains(what));
    assert_eq!(drill.timeline.0.len(), 90);
    assert!(drill.timeline.1 > 150);
    for what in ["is in place", "users suffer", "detected", "met its objective", "L4", "read back", "verdict"] {
        assert!(has(what), "{what}");
    }
    assert!(report.drills.iter().flat_map(|drill| &drill.timeline.0).all(|moment| moment.actor != "person"));
}

#[test]
fn what_is_not_known_or_not_over_is_said() {
    let mut input = input();
    input.scenarios.clear();
    input.made = datetime!(2026-12-28 09:00 UTC);
    input.notes.files[0].drills[1].told.accepted_risks[0].until = Some("2026-12-01".into());
    let text = text(dr_markdown(&DrReport::new(&input)));
    assert!(text.contains("No project was found, so this is not known") && text.contains("# DRAFT"), "{text}");
    assert!(text.contains("2026-12-01, expired") && text.contains("confirmed at 02:00:08.600"), "{text}");
}

#[test]
fn page_one_is_the_conclusion() {
    let mut input = input();
    if let Some(coverage) = &mut input.coverage {
        coverage.overdue = vec!["db: disk_full, due every 90 days".into()];
    }
    let text = String::from_utf8(dr_markdown(&DrReport::new(&input))).unwrap();
    let (first, _) = text.split_once("## 1").unwrap();
    for wanted in ["Conclusion", "pg-restore", "not recovered in 1 drill", "exists to fail", "Overdue: db: disk"] {
        assert!(first.replace("&#58;", ":").contains(wanted), "{wanted}: {first}");
    }
    input.drills.clear();
    let none = String::from_utf8(dr_markdown(&DrReport::new(&input))).unwrap();
    assert!(none.split_once("## 1").unwrap().0.contains("nothing shows that a restore works"), "{none}");
}

#[test]
fn page_one_says_what_is_not_known_and_whether_the_control_held() {
    let first = |input: &DrInput| {
        let page = text(dr_markdown(&DrReport::new(input))).replace('\u{a0}', " ").replace("&#46;", ".");
        page.split_once("## 1").unwrap().0.replace("&#58;", ":")
    };
    let mut input = input();
    let told = first(&input);
    for wanted in ["not recovered in 1 drill", "RPO 0.10 s, not known in 2 drills", "level L2, no level in 1 drill"] {
        assert!(told.contains(wanted), "{wanted}: {told}");
    }
    assert!(!told.contains("that the runbook is what helps"), "{told}");
    // Where no fault was confirmed nobody had to recover.
    input.drills[1].record.faults.clear();
    let told = first(&input);
    assert!(told.contains("RTO 4.00 s, not known in 1 drill") && !told.contains("not recovered"), "{told}");
    input.drills[4].record.verdict = crate::record::Verdict::SelfHealed;
    let told = first(&input);
    assert!(told.contains("that the runbook is what helps: the last control came to"), "{told}");
    input.drills.remove(4);
    assert!(first(&input).contains("that the runbook is what helps: no control was run"));
}

#[test]
fn neither_a_control_nor_a_run_without_a_verdict_is_a_drill_of_its_scenario() {
    let mut input = input();
    for seen in input.seen.iter_mut().filter(|seen| seen.run.ends_with("-0100")) {
        seen.outcome = RunOutcome::Broken;
    }
    let own = input.quarter;
    input.seen.retain(|seen| seen.control || seen.outcome == RunOutcome::Broken || !own.contains(seen.at));
    let report = DrReport::new(&input);
    assert!(report.not_drilled().unwrap().contains(&&("pg-restore".to_string(), true)));
    assert_eq!(report.previous_drill(), Some("2025-12-31T23:59:59.000Z"));
}

#[test]
fn the_fault_from_which_losses_are_measured_is_defined() {
    let page = text(dr_markdown(&DrReport::new(&input())));
    assert!(page.contains("the last one that lost a write which was acknowledged since the fault before it"), "{page}");
}

#[test]
fn an_attestation_that_attests_nothing_is_said() {
    let mut input = input();
    let mut report = DrReport::new(&input);
    let signature = |name: &str, date: &str| {
        let (name, date) = (name.to_string(), Some(date.to_string()));
        Some(Signature { name, role: None, date })
    };
    let told = |report: &DrReport<'_>| String::from_utf8(dr_markdown(report)).unwrap();
    report.header.prepared = signature("A. Writer", "2999-01-04");
    (report.header.reviewed, report.header.approved) = (None, signature("a. writer", "2026-12-31"));
    let text = told(&report);
    let (first, _) = text.split_once("## 1").unwrap();
    assert!(first.contains("Prepared by A. Writer") && first.contains("in the future"), "{first}");
    assert!(first.contains("Approved by a. writer") && first.contains("not independent"), "{first}");
    assert!(first.contains("NOT ATTESTED"), "{first}");
    report.header.approved = signature("C. Boss", "2999-01-04");
    assert!(told(&report).contains("NOT ATTESTED"), "not yet");
    report.header.approved = signature("C. Boss", "2026-11-30");
    assert!(told(&report).contains("NOT ATTESTED") && told(&report).contains("before the last drill had ended"));
    report.header.approved = Some(Signature { date: None, ..signature("C. Boss", "").unwrap() });
    assert!(told(&report).contains("NOT ATTESTED") && told(&report).contains("not dated"));
    report.header.approved = None;
    report.header.prepared = signature("A. Writer", "2026-12-31");
    report.header.reviewed = signature("B. Reader", "2026-12-31");
    let text = told(&report);
    assert!(text.contains("reviewed by B. Reader") && !text.contains("NOT ATTESTED"), "{text}");
    // Who executed the drills does not review them.
    let executed = crate::record::Executed {
        by: Some("B. Reader".into()),
        program_sha256: None,
        machine: "ci-1".into(),
        engine: None,
    };
    let header = report.header.clone();
    input.drills[0].record.plan.as_mut().unwrap().executed = Some(executed);
    let report = DrReport { header, ..DrReport::new(&input) };
    let text = told(&report);
    assert!(
        text.contains("not independent") && text.contains("NOT ATTESTED") && text.contains("Executed by"),
        "{text}"
    );
}

#[test]
fn each_drill_shows_how_long_was_held_and_why_and_its_invariants() {
    let mut input = input();
    let record = &mut input.drills[0].record;
    let plan = record.plan.as_mut().unwrap();
    plan.invariants.push(crate::record::InvariantInfo {
        name: "orders".into(),
        service: "db".into(),
        run: "count".into(),
        expected: "as before the fault".into(),
        at: crate::record::Location { path: "s.yaml".into(), line: 9 },
    });
    let answer = |time, held, evidence: &str| crate::record::InvariantRecord {
        name: "orders".into(),
        time,
        value: None,
        held,
        evidence: evidence.into(),
    };
    use crate::record::InvariantTime::{Recovered, Steady};
    record.invariants = vec![answer(Steady, true, "it wrote 12"), answer(Recovered, false, "it wrote 11 and not 12")];
    record.hold = Some(crate::record::HoldRecord {
        required_us: 9_000_000,
        configured_us: 5_000_000,
        onset_us: Some(4_000_000),
        window_us: 3_000_000,
        returns_us: 0,
        shown_after_us: 0,
        parts: None,
    });
    let report = DrReport::new(&input);
    let text = String::from_utf8(dr_markdown(&report)).unwrap().replace("&#58;", ":");
    for wanted in ["required 9.00 s: 1.5 × the 4.00 s", "held: it wrote 12", "did not hold: it wrote 11", "not asked"]
    {
        assert!(text.contains(wanted), "{wanted}: {text}");
    }
}

#[test]
fn every_number_of_a_drill_is_the_one_of_other_reports() {
    for story in [Story::Passed, Story::RestorePassed, Story::RestoreLost, Story::NotRecovered] {
        let mut record = record_of(story);
        for sli in &mut record.plan.as_mut().unwrap().slis {
            sli.slo = Some(format!("shopping/{}", sli.name));
        }
        let input = DrInput {
            drills: vec![DrillInput { record: record.clone(), events: Vec::new(), changed: None }],
            seen: Vec::new(),
            notes: DrNotes::default(),
            coverage: None,
            scenarios: Vec::new(),
            evidence: EvidenceSummary::default(),
            ..input()
        };
        let page = text(dr_markdown(&DrReport::new(&input))).replace("&#46;", ".").replace('\u{a0}', " ");
        let figures = record.figures();
        let times = [figures.to_impact_us, figures.to_detect_us, figures.to_mitigation_us, figures.to_recover_us];
        let windows = figures.slis.iter().flat_map(|sli| [sli.before, sli.during, sli.after]);
        let windows = windows.filter(|window| window.valid > 0).map(|window| words::counts(&window));
        let rpo = record.data_figures().map(|data| match data.lost_before.is_empty() {
            true => "0 s".to_string(),
            false => seconds(data.rpo_us),
        });
        let slo = "shopping/availability".to_string();
        for told in times.into_iter().flatten().map(seconds).chain(windows).chain(rpo).chain([slo]) {
            assert!(page.contains(&told), "{story:?} does not say “{told}”:\n{page}");
        }
    }
}
