//! Every scenario in one line, and below it what is worth a look.

use super::super::index::Update;
use super::super::robust::Spread;
use super::super::run::RunStanding;
use super::super::summary::{RunbookChange, RunbookVersion, Summary};
use super::page::{HistoryPage, PageForm, counted, minute, share};
use crate::record::Verdict;
use crate::report::seconds;
use serde::Serialize;

/// All scenarios over their runs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Overview {
    /// Runs that were looked at.
    pub runs: usize,
    /// The scenarios, by name.
    pub scenarios: Vec<Summary>,
    /// What became of the index.
    pub index: Update,
}

/// The overview as a page.
pub fn overview_text(overview: &Overview, form: PageForm) -> String {
    let mut page = HistoryPage::new(form);
    let (runs, scenarios) = (counted(overview.runs, "run"), counted(overview.scenarios.len(), "scenario"));
    page.heading(&format!("History: {runs} of {scenarios}"));
    let columns = [
        "scenario", ">runs", ">passed", ">of", ">flaky", ">impact", ">detect", ">mitigate", ">recover", ">spread",
        "trend", "last",
    ];
    let rows: Vec<Vec<String>> = overview.scenarios.iter().map(|summary| row(&page, summary)).collect();
    page.table(&columns, &rows);
    if overview.scenarios.iter().any(|summary| summary.counting() > 0) {
        page.line("Times are medians from the fault on; spread and trend are those of the recovery.");
    }
    let worth: Vec<String> = overview.scenarios.iter().flat_map(|summary| worth_a_look(&page, summary, true)).collect();
    if !worth.is_empty() {
        page.heading("Worth a look");
        worth.iter().for_each(|line| page.item(line));
    }
    unreadable(&mut page, &overview.index);
    page.done()
}

fn row(page: &HistoryPage, summary: &Summary) -> Vec<String> {
    let median = |spread: &Option<Spread>| spread.as_ref().map_or_else(dash, |spread| seconds(spread.median_us));
    let recover = summary.to_recover.as_ref();
    vec![
        page.name(&summary.scenario),
        summary.runs.to_string(),
        summary.pass_rate.map_or_else(dash, |_| share(summary.count(RunStanding::Passed), summary.counting())),
        summary.counting().to_string(),
        summary.flakiness.rate.map_or_else(dash, |_| share(summary.flakiness.changes, summary.flakiness.pairs)),
        median(&summary.to_impact),
        median(&summary.to_detect),
        median(&summary.to_mitigation),
        median(&summary.to_recover),
        recover.map_or_else(dash, |spread| seconds(spread.iqr_us)),
        recover.and_then(|spread| spread.trend.as_ref()).map_or_else(dash, |trend| trend.direction.name().into()),
        summary.last.as_ref().map_or_else(dash, |last| format!("{} {}", mark(last.standing), day(&last.started_utc))),
    ]
}

pub(super) fn dash() -> String {
    "–".into()
}

fn day(utc: &str) -> &str {
    utc.get(..10).unwrap_or(utc)
}

/// `92% (11 of 12)`.
pub(super) fn pass_rate(summary: &Summary) -> String {
    let (passed, all) = (summary.count(RunStanding::Passed), summary.counting());
    summary.pass_rate.map_or_else(dash, |_| format!("{} ({passed} of {all})", share(passed, all)))
}

/// `5% (1 of 20)`.
pub(super) fn flaky(summary: &Summary) -> String {
    let flakiness = &summary.flakiness;
    let (changes, pairs) = (flakiness.changes, flakiness.pairs);
    flakiness.rate.map_or_else(dash, |_| format!("{} ({changes} of {pairs})", share(changes, pairs)))
}

/// A sign and a word.
pub(super) fn mark(standing: RunStanding) -> &'static str {
    match standing {
        RunStanding::Passed => "✓ passed",
        RunStanding::Failed => "✗ failed",
        RunStanding::ControlHeld => "✓ control held",
        RunStanding::ControlFailed => "✗ control failed",
        RunStanding::Disturbed => "! disturbed",
        RunStanding::HarnessError => "! harness error",
        RunStanding::Interrupted => "- interrupted",
        RunStanding::Incomplete => "- incomplete",
    }
}

/// `not_recovered` or ``step_failed at `mitigate/x` ``.
pub(super) fn failure(page: &HistoryPage, verdict: Verdict, step: Option<&str>) -> String {
    let verdict = page.name(verdict.name());
    match step {
        Some(step) => format!("{verdict} at {}", page.name(step)),
        None => verdict,
    }
}

/// What a reader should not have to look for. With the scenario's name in front, or without.
pub(super) fn worth_a_look(page: &HistoryPage, summary: &Summary, named: bool) -> Vec<String> {
    let mut lines = Vec::new();
    let mut say = |text: String| {
        lines.push(if named { format!("{}: {text}", page.name(&summary.scenario)) } else { text });
    };
    if let Some(fail) = summary.last_fail.as_ref().filter(|_| summary.repeated.in_a_row > 0) {
        let passed = summary.last_pass.as_ref();
        let passed = passed.map_or("it never passed".into(), |at| format!("last pass {}", minute(&at.started_utc)));
        let failure = failure(page, fail.verdict, fail.failed_step.as_deref());
        match summary.repeated.in_a_row {
            1 => say(format!("the newest run failed, {failure}; {passed}")),
            n => say(format!("the newest {n} runs failed in the same way, {failure}; {passed}")),
        }
    }
    if named && summary.flakiness.changes > 0 {
        let changes = counted(summary.flakiness.changes, "time");
        say(format!("flaky: the verdict changed {changes} though runbook, scenario, stack and images were the same"));
    }
    if summary.count(RunStanding::ControlFailed) > 0 {
        let failed = counted(summary.count(RunStanding::ControlFailed), "control");
        say(format!("{failed} failed: without its runbook the drill did not show what it should"));
    }
    if let Some(trend) = summary.to_recover.as_ref().and_then(|spread| spread.trend.as_ref())
        && trend.direction != super::super::robust::Direction::Steady
    {
        let (from, to) = (seconds(trend.before_us), seconds(trend.last_us));
        let (direction, n) = (trend.direction.name(), trend.runs);
        say(format!("recovery is {direction}: {from} → {to} (medians of the {n} recoveries before and the last {n})"));
    }
    if let Some(change) = &summary.runbook_change {
        say(changed(change));
    }
    let apart: Vec<String> = RunStanding::ALL
        .into_iter()
        .filter(|of| !of.counts() && *of != RunStanding::ControlFailed && summary.count(*of) > 0)
        .map(|of| format!("{} {}", summary.count(of), of.name().replace('_', " ")))
        .collect();
    if !apart.is_empty() {
        say(format!("not counted for or against the runbook: {}", apart.join(", ")));
    }
    lines
}

fn changed(change: &RunbookChange) -> String {
    let recover =
        |stretch: &RunbookVersion| stretch.to_recover.as_ref().map_or_else(dash, |spread| seconds(spread.median_us));
    let passed = |stretch: &RunbookVersion| format!("{} of {}", stretch.passed, stretch.runs);
    let (before, after) = (&change.before, &change.after);
    format!(
        "the runbook changed with the run of {}: recovery {} → {}, passed {} → {}",
        minute(&change.at.started_utc),
        recover(before),
        recover(after),
        passed(before),
        passed(after),
    )
}

/// Runs that could not be read are counted and named, on every page.
pub(super) fn unreadable(page: &mut HistoryPage, update: &Update) {
    if update.unreadable.is_empty() {
        return;
    }
    page.heading(&format!("{} could not be read and is in no figure", counted(update.unreadable.len(), "run")));
    for why in &update.unreadable {
        let why = page.text(why);
        page.item(&why);
    }
}
