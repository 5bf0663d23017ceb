//! The quarterly report about DR drills: records, notes, coverage and evidence become a report as data, that becomes a
//! document, and the document becomes HTML for A4 or Markdown. All of it are pure functions.

mod drill;
mod follow;
mod input;
mod model;
mod notes;
mod pages;
#[cfg(test)]
mod tests;

pub use follow::verified_by;
pub use input::{DrCoverage, DrInput, DrillInput, EvidenceSummary};
pub use model::*;
pub use notes::*;
pub use pages::{dr_html, dr_markdown};

use crate::record::utc_text;
use crate::view::SeenRun;

impl<'a> DrReport<'a> {
    /// The report.
    pub fn new(input: &'a DrInput) -> DrReport<'a> {
        let quarter = input.quarter;
        let drills: Vec<DrillReport<'_>> =
            input.drills.iter().filter_map(|one| DrillReport::of(one, quarter, &input.notes)).collect();
        let mine = || input.seen.iter().filter(|seen| quarter.contains(seen.at));
        let incomplete: Vec<&SeenRun> = mine().filter(|seen| seen.dr && !seen.ended).collect();
        let before = input.seen.iter().filter(|seen| seen.dr && seen.is_judged() && seen.at < quarter.start());
        let was_drilled = |name: &str| mine().any(|seen| seen.scenario == name && seen.is_judged());
        let not_drilled = input.scenarios.iter().filter(|(name, _)| !was_drilled(name));
        DrReport {
            quarter,
            from_utc: utc_text(quarter.start()),
            until_utc: utc_text(quarter.end()),
            made_utc: utc_text(input.made),
            quarter_is_over: input.made >= quarter.end(),
            tool_version: env!("CARGO_PKG_VERSION").into(),
            header: input.notes.header(quarter),
            previous_drill_recorded: before.max_by_key(|seen| seen.at).map(|seen| seen.started_utc.clone()),
            totals: totals(&drills, incomplete.len()),
            incomplete,
            findings: follow::findings(input),
            actions: follow::actions(input),
            accepted_risks: follow::risks(input),
            retests: follow::retests(input, &drills),
            trend: follow::trend(input),
            coverage: input.coverage.clone(),
            not_drilled: (!input.scenarios.is_empty()).then(|| not_drilled.cloned().collect()),
            evidence: input.evidence.clone(),
            problems: problems(input),
            supports: supports(),
            drills,
        }
    }
}

fn totals(drills: &[DrillReport<'_>], incomplete: usize) -> DrTotals {
    let counted = || drills.iter().filter(|drill| !drill.plan.control);
    let count = |verdict: DrVerdict| counted().filter(|drill| drill.verdict == verdict).count();
    DrTotals {
        drills: counted().count(),
        passed: count(DrVerdict::Pass),
        expected_failures: counted().filter(|drill| drill.expects_failure && drill.verdict.is_pass()).count(),
        with_conditions: count(DrVerdict::PassWithConditions),
        failed: count(DrVerdict::Fail),
        no_verdict: count(DrVerdict::NoVerdict),
        incomplete,
        controls: drills.len() - counted().count(),
    }
}

fn problems(input: &DrInput) -> Vec<String> {
    let mut problems = input.problems.clone();
    for (run, path) in input.notes.runs(input.quarter) {
        if !input.seen.iter().any(|seen| seen.run == run) {
            problems.push(format!("{path} has notes about the run {run}, of which there is no record"));
        }
    }
    problems
}

/// A requirement and the sections that support it. They support an audit; whether a requirement is met is for the auditor to say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standard {
    /// The requirement.
    pub requirement: &'static str,
    /// What it asks for, in a few words.
    pub asks: &'static str,
    /// The sections that support it.
    pub sections: &'static str,
}

/// Every requirement: in `supports.txt` three lines each.
fn supports() -> Vec<Standard> {
    let each = include_str!("supports.txt").split("\n\n").map(str::lines);
    let standard = |mut lines: std::str::Lines<'static>| {
        Some(Standard { requirement: lines.next()?, asks: lines.next()?, sections: lines.next()? })
    };
    each.filter_map(standard).collect()
}
