//! The first page: whose report this is, and what the quarter came to.

use super::words::{clock, instant, many, measured, quarter, span, target, verdict};
use crate::report::dr::document::{Cell, Document, Tone};
use crate::report::dr::follow::day;
use crate::report::dr::{DrReport, DrVerdict, DrillReport, Header, Signature, Totals};
use std::collections::BTreeMap;

/// Page one: what the quarter shows of each system, what it does not, and what is overdue.
pub fn conclusion(doc: &mut Document, report: &DrReport) {
    doc.heading(2, "Conclusion", "conclusion");
    let mut scenarios: BTreeMap<&str, Vec<&DrillReport>> = BTreeMap::new();
    for drill in report.drills.iter().filter(|drill| !drill.control) {
        scenarios.entry(&drill.scenario).or_default().push(drill);
    }
    let rows = scenarios.values().filter_map(|drills| conclusion_of(report, drills)).collect();
    let head = [("System", 20), ("Objective", 13), ("Result", 17), ("Worst case", 17), ("Not proven", 33)];
    doc.table_or(&head, rows, "No DR drill came to an end in this quarter: nothing shows that a restore works.");
    match report.coverage.as_ref().map(|coverage| coverage.overdue.as_slice()) {
        None => doc.para("Overdue: not known, because no list of critical services was provided."),
        Some([]) => doc.para("Overdue: no failure on the list of critical services."),
        Some(overdue) => doc.alert(Tone::Warn, format!("Overdue: {}.", overdue.join("; "))),
    }
    let others: Vec<String> =
        report.not_drilled.iter().flatten().filter(|(_, dr)| *dr).map(|(name, _)| format!("`{name}`")).collect();
    if !others.is_empty() {
        doc.alert(Tone::Warn, format!("DR scenarios that were not drilled in this quarter: {}.", others.join(", ")));
    }
    attestation(doc, report);
}

/// A row: the drills of one scenario, of which there is at least one.
fn conclusion_of(report: &DrReport, drills: &[&DrillReport]) -> Option<Vec<Cell>> {
    let last = drills.last()?;
    let of =
        |name: &str, us: Option<u64>| us.map_or(format!("{name} not provided"), |us| format!("{name} {}", target(us)));
    let passed = drills.iter().filter(|drill| matches!(drill.verdict, DrVerdict::Pass | DrVerdict::PassWithConditions));
    let mut result = verdict(last.verdict, last.expects_failure, false);
    result.lines.push(format!("{} of {} passed", passed.count(), many(drills.len(), "drill")));
    // A drill that must not recover has no worst case, and one that did not recover has no time.
    let meant = || drills.iter().filter(|drill| !drill.expects_failure);
    let said = |drill: &&&DrillReport| drill.verdict != DrVerdict::NoVerdict;
    let never = meant().filter(said).filter(|drill| drill.objectives.rto_us.is_none()).count();
    let rto = match (never, meant().filter_map(|drill| drill.objectives.rto_us).max()) {
        (0, None) => "RTO not applicable".to_string(),
        (0, Some(worst)) => format!("RTO {}", span(worst)),
        (never, _) => format!("not recovered in {}", many(never, "drill")),
    };
    let rpo = meant().filter_map(|drill| drill.objectives.rpo_us).max();
    let level = drills.iter().filter_map(|drill| drill.restore.reached).min();
    let worst = vec![
        rto,
        rpo.map_or("RPO not measured".into(), |rpo| format!("RPO {}", span(rpo))),
        level.map_or("no level".into(), |level| format!("level {level}")),
    ];
    let mut unproven = Vec::new();
    if last.expects_failure {
        unproven.push("a recovery: the scenario exists to fail, and shows that damage is noticed".to_string());
    } else if !matches!(last.verdict, DrVerdict::Pass | DrVerdict::PassWithConditions) {
        unproven.push("a recovery within the objectives: the last drill did not pass".into());
    }
    unproven.extend(last.conditions.iter().cloned());
    if !last.expects_failure && !report.drills.iter().any(|drill| drill.control && drill.scenario == last.scenario) {
        unproven.push("that the runbook is what helps: no control was run".into());
    }
    if last.notes.differences.is_none() {
        unproven.push("the same in production: how it differs was not provided".into());
    }
    Some(vec![
        Cell { lines: vec![last.title.clone(), format!("`{}`", last.scenario)], tone: Tone::Plain },
        Cell::lines(vec![of("RTO", last.objectives.rto_target_us), of("RPO", last.objectives.rpo_target_us)]),
        result,
        Cell::lines(worst),
        Cell::lines_or(unproven, "nothing beyond the limitations of each drill"),
    ])
}

/// Reviewed and approved: what can attest the report.
fn attesting(report: &DrReport) -> impl Iterator<Item = (&'static str, &Signature)> {
    let Header { reviewed, approved, .. } = &report.header;
    [("Reviewed", reviewed), ("Approved", approved)].into_iter().filter_map(|(what, by)| Some((what, by.as_ref()?)))
}

/// Why a signature does not count: its date has not come yet, or it is that of whoever prepared the report or executed its
/// drills; `None` where it counts.
pub fn objection(report: &DrReport, signature: &Signature) -> Option<&'static str> {
    let made = report.made_utc.get(..10).unwrap_or_default();
    if signature.date.as_deref().is_some_and(|date| date > made) {
        return Some("dated in the future: not counted");
    }
    let prepared = report.header.prepared.iter().map(|own| own.name.as_str());
    let executed = report.drills.iter().filter_map(|drill| drill.configuration.executed.as_ref()?.by.as_deref());
    let is_own = |by: &str| by.trim().eq_ignore_ascii_case(signature.name.trim());
    prepared.chain(executed).any(is_own).then_some("not independent: not counted")
}

/// Whether somebody independent has reviewed or approved the report, not in the future.
pub fn is_attested(report: &DrReport) -> bool {
    attesting(report).any(|(_, signature)| objection(report, signature).is_none())
}

/// Who attests the report, and what speaks against it.
pub fn attestation(doc: &mut Document, report: &DrReport) {
    let prepared = report.header.prepared.as_ref();
    for (what, signature) in prepared.map(|own| ("Prepared", own)).into_iter().chain(attesting(report)) {
        // Nobody is independent of what they prepared themselves.
        let objection =
            objection(report, signature).filter(|why| what != "Prepared" || !why.starts_with("not independent"));
        if let Some(why) = objection {
            let date = signature.date.as_deref().unwrap_or("not dated");
            doc.alert(Tone::Bad, format!("{what} by {} ({date}): {why}.", signature.name));
        }
    }
    let counted = attesting(report).filter(|(_, signature)| objection(report, signature).is_none());
    let counted: Vec<String> = counted.map(|(what, by)| format!("{} by {}", what.to_lowercase(), by.name)).collect();
    match counted.is_empty() {
        true => doc.alert(
            Tone::Warn,
            "Attestation: NOT ATTESTED. Nobody but those who prepared this report or executed its drills has reviewed or \
             approved it.",
        ),
        false => doc.para(format!("Attestation: {}.", counted.join(", "))),
    }
}

/// Section 1.
pub fn about(doc: &mut Document, report: &DrReport) {
    let Header { organisation, system, tier, business_function, plan_id, plan_version, .. } = &report.header;
    if !report.quarter_is_over {
        doc.alert(
            Tone::Warn,
            format!("DRAFT: the quarter is not over. This is how it stood on {}.", instant(&report.made_utc)),
        );
    }
    doc.heading(2, "1. About this report", "about");
    let previous = match (&report.header.previous_drill, &report.previous_drill_recorded) {
        (Some(date), _) => Cell::text(date.clone()),
        (None, Some(recorded)) => Cell::text(format!("{} (from the records)", day(recorded))),
        (None, None) => Cell::missing(),
    };
    doc.facts(vec![
        ("Organisation", Cell::given(organisation.clone())),
        ("System", Cell::given(system.clone())),
        ("Tier", Cell::given(tier.clone())),
        ("Business function", Cell::given(business_function.clone())),
        ("Recovery plan", Cell::given(plan_id.clone())),
        ("Version of the plan", Cell::given(plan_version.clone())),
        (
            "Period",
            Cell::text(format!(
                "{} ({}): from {} up to {}",
                quarter(report.quarter),
                report.quarter,
                instant(&report.from_utc),
                instant(&report.until_utc)
            )),
        ),
        ("Frequency by policy", Cell::given(report.header.policy_frequency.clone())),
        ("Previous drill", previous),
        ("Next drill", Cell::given(report.header.next_drill.clone())),
        ("Prepared by", signature(report.header.prepared.as_ref())),
        ("Reviewed by", attested(report, report.header.reviewed.as_ref())),
        ("Approved by", attested(report, report.header.approved.as_ref())),
        ("Made", Cell::text(format!("{} by Firedrill {}", instant(&report.made_utc), report.tool_version))),
    ]);
    doc.para(
        "Figures, times, digests and verdicts are taken from the records of the drills, which Firedrill writes as they run. \
         What only people know comes from the notes of the organisation. What nobody provided is marked as not provided.",
    );
}

pub fn signature(signature: Option<&Signature>) -> Cell {
    let Some(Signature { name, role, date }) = signature else { return Cell::missing() };
    let role = role.as_deref().unwrap_or("role not provided");
    let date = date.as_deref().unwrap_or("date not provided");
    Cell::text(format!("{name}, {role}, {date}"))
}

/// A signature that is to attest the report, and why it does not count.
fn attested(report: &DrReport, by: Option<&Signature>) -> Cell {
    let cell = signature(by);
    match by.and_then(|by| objection(report, by)) {
        Some(why) => Cell { lines: [cell.lines, vec![why.into()]].concat(), tone: Tone::Bad },
        None => cell,
    }
}

/// Section 2.
pub fn summary(doc: &mut Document, report: &DrReport) {
    doc.heading(2, "2. Summary", "summary");
    if let Some(text) = overdue(report) {
        doc.alert(Tone::Warn, text);
    }
    let Totals { drills, passed, expected_failures, with_conditions, failed, no_verdict, incomplete, controls } =
        report.totals;
    if drills + controls + incomplete == 0 {
        doc.alert(
            Tone::Warn,
            "No DR drill was run in this quarter. Nothing in this report shows that a restore works.",
        );
        return others(doc, report);
    }
    let mut parts = vec![format!("{passed} passed"), format!("{with_conditions} passed with conditions")];
    parts.push(format!("{failed} failed"));
    if no_verdict > 0 {
        parts.push(format!("{no_verdict} without a verdict"));
    }
    let mut text = format!("{} came to an end: {}.", many(drills, "DR drill"), parts.join(", "));
    if expected_failures > 0 {
        text.push_str(&format!(
            " Of those that passed, {expected_failures} {} a scenario that exists to fail: damage was noticed as expected, and \
             no recovery was shown.",
            if expected_failures == 1 { "is of" } else { "are of" }
        ));
    }
    if incomplete > 0 {
        text.push_str(&format!(" {} cut off; see below.", many_were(incomplete)));
    }
    if controls > 0 {
        text.push_str(&format!(" {} run besides (the same drill without its runbook).", controls_were(controls)));
    }
    doc.para(text);
    let row = |(number, drill): (usize, &crate::report::dr::DrillReport)| {
        let objectives = &drill.objectives;
        let met = |met: Option<bool>, actual: Option<u64>, of: Option<u64>| {
            let mut cell = measured(actual);
            if drill.control || drill.expects_failure {
                cell = Cell::text(cell.lines.concat().replace("not measured", "not applicable"));
            } else if met == Some(false) && actual.is_none() {
                cell = Cell::toned("not recovered", Tone::Bad);
            } else if let Some(met) = met {
                cell.tone = if met { Tone::Good } else { Tone::Bad };
                cell.lines.push(if met { "met".into() } else { "missed".into() });
            }
            cell.lines.push(of.map_or_else(String::new, |of| format!("(target {})", target(of))));
            cell
        };
        let rpo = |mut cell: Cell, drill: &crate::report::dr::DrillReport| {
            if let Some(data) = &drill.data {
                cell.lines.push(format!("{} lost after the fault", data.lost_after.len()));
            }
            cell
        };
        let level = |level: Option<crate::record::RestoreLevel>| level.map_or("none".into(), |level| level.to_string());
        vec![
            Cell::text(format!("3.{}", number + 1)),
            Cell { lines: vec![format!("`{}`", drill.scenario), drill.title.clone()], tone: Tone::Plain },
            Cell::text(instant(&drill.started_utc)),
            met(objectives.rto_met, objectives.rto_us, objectives.rto_target_us),
            rpo(met(objectives.rpo_met, objectives.rpo_us, objectives.rpo_target_us), drill),
            Cell::text(format!(
                "{} (expected {})",
                level(drill.restore.reached),
                if drill.control { "nothing".into() } else { level(drill.restore.expected) }
            )),
            verdict(drill.verdict, drill.expects_failure, drill.control),
        ]
    };
    let head = [
        ("No.", 6),
        ("Drill", 27),
        ("Start", 15),
        ("RTO actual", 14),
        ("RPO actual", 13),
        ("Level", 11),
        ("Verdict", 14),
    ];
    doc.table_or(&head, report.drills.iter().enumerate().map(row).collect(), "No DR drill came to an end.");
    if !report.incomplete.is_empty() {
        doc.heading(3, "Incomplete DR drills", "incomplete");
        doc.para("These runs were cut off. They are evidence that a drill was begun, and of nothing else.");
        let rows = report.incomplete.iter().map(|run| {
            vec![
                Cell::code(&run.run),
                Cell::code(&run.scenario),
                Cell::text(instant(&run.started_utc)),
                match &run.fault_confirmed_utc {
                    Some(at) => Cell::text(format!("confirmed at {}", clock(at))),
                    None => Cell::text("not confirmed"),
                },
                Cell::text(run.under_way.clone().unwrap_or_else(|| "not known".into())),
            ]
        });
        doc.table(&[("Run", 32), ("Scenario", 14), ("Start", 16), ("Fault", 16), ("Under way", 22)], rows.collect());
    }
    others(doc, report);
}

/// What must be drilled and was not drilled for longer than its service allows; `None` when nothing is.
fn overdue(report: &DrReport) -> Option<String> {
    let overdue = report.coverage.as_ref().map(|coverage| coverage.overdue.as_slice()).filter(|all| !all.is_empty())?;
    Some(format!("OVERDUE DRILLS ({}): {}.", overdue.len(), overdue.join("; ")))
}

fn many_were(count: usize) -> String {
    if count == 1 { "1 run was".into() } else { format!("{count} runs were") }
}

fn controls_were(count: usize) -> String {
    if count == 1 { "1 control was".into() } else { format!("{count} controls were") }
}

/// Drills of other kinds, so that the report does not look as if they were all.
fn others(doc: &mut Document, report: &DrReport) {
    doc.heading(3, "Other drills of the quarter", "other");
    let rows = report.other.iter().map(|other| {
        vec![
            Cell { lines: vec![format!("`{}`", other.scenario), other.title.clone()], tone: Tone::Plain },
            Cell::text(other.runs.to_string()),
            Cell::text(other.passed.to_string()),
            Cell::text(other.failed.to_string()),
            Cell::text(other.no_verdict.to_string()),
            Cell::text(other.controls.to_string()),
        ]
    });
    let head =
        [("Scenario", 50), ("Runs", 10), ("Passed", 10), ("Failed", 10), ("No verdict", 10), ("Of these controls", 10)];
    doc.table_or(&head, rows.collect(), "No drill of another kind was run in this quarter.");
}
