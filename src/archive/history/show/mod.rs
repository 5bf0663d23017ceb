//! History as people and programs read it: one page for the terminal and for Markdown, and JSON beside it. Pure functions:
//! the time of day is in no page.

use super::index::Update;
use super::run::{IndexedRun, RunStanding};
use super::summary::{RunbookChange, RunbookVersion, Spread, Summary};
use crate::record::Verdict;
use crate::report::clock::day;
use crate::report::seconds;
use page::{HistoryPage, counted, minute, share};
use serde::Serialize;

mod page;
mod trend;

pub use page::PageForm;
pub use trend::{trend_html, trend_text};

/// Version of the JSON; raised when a reader of the old one would misread.
pub const HISTORY_FORMAT: u32 = 2;

/// What is asked for as JSON, with the version of the format.
#[derive(serde::Serialize)]
pub struct Versioned<'a, T> {
    /// `HISTORY_FORMAT`.
    pub format: u32,
    /// What is asked for.
    #[serde(flatten)]
    pub what: &'a T,
}

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
        share(summary.count(RunStanding::Passed), summary.counting()),
        summary.counting().to_string(),
        share(summary.flakiness.changes, summary.flakiness.pairs),
        median(&summary.to_impact),
        median(&summary.to_detect),
        median(&summary.to_mitigation),
        median(&summary.to_recover),
        recover.map_or_else(dash, |spread| seconds(spread.iqr_us)),
        recover.and_then(|spread| spread.trend.as_ref()).map_or_else(dash, |trend| trend.direction.name().into()),
        summary.last.as_ref().map_or_else(dash, |last| format!("{} {}", last.standing.words(), day(&last.started_utc))),
    ]
}

fn dash() -> String {
    "–".into()
}

/// `92% (11 of 12)`.
fn share_of(part: usize, all: usize) -> String {
    if all == 0 { dash() } else { format!("{} ({part} of {all})", share(part, all)) }
}

/// `not_recovered` or ``step_failed at `mitigate/x` ``.
fn failure(page: &HistoryPage, verdict: Verdict, step: Option<&str>) -> String {
    let verdict = page.name(verdict.name());
    step.map(|step| format!("{verdict} at {}", page.name(step))).unwrap_or(verdict)
}

/// What a reader should not have to look for. With the scenario's name in front, or without.
fn worth_a_look(page: &HistoryPage, summary: &Summary, named: bool) -> Vec<String> {
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
        && trend.direction != super::summary::Direction::Steady
    {
        let (from, to) = (seconds(trend.before_us), seconds(trend.last_us));
        let (direction, n) = (trend.direction.name(), trend.runs);
        say(format!("recovery is {direction}: {from} → {to} (medians of the {n} recoveries before and the last {n})"));
    }
    if let Some(change) = &summary.runbook_change {
        say(changed(change));
    }
    let is_apart = |of: &RunStanding| !of.counts() && *of != RunStanding::ControlFailed && summary.count(*of) > 0;
    let told = |of: RunStanding| format!("{} {}", summary.count(of), of.name().replace('_', " "));
    let apart: Vec<String> = RunStanding::ALL.into_iter().filter(is_apart).map(told).collect();
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
fn unreadable(page: &mut HistoryPage, update: &Update) {
    if update.unreadable.is_empty() {
        return;
    }
    page.heading(&format!("{} could not be read and is in no figure", counted(update.unreadable.len(), "run")));
    for why in &update.unreadable {
        let why = page.text(why);
        page.item(&why);
    }
}

/// A scenario and its runs, oldest first.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ScenarioView {
    /// What the runs add up to.
    pub summary: Summary,
    /// The runs.
    pub runs: Vec<RunLine>,
    /// What became of the index.
    pub index: Update,
}

/// A run, and what is not as it was in the run before it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RunLine {
    /// The run.
    #[serde(flatten)]
    pub run: IndexedRun,
    /// `runbook`, `scenario`, `stack`, `images`, `tool`.
    pub changed: Vec<&'static str>,
}

impl ScenarioView {
    /// Of the runs of one scenario, oldest first; `None` without a run.
    pub fn of(runs: &[IndexedRun], index: Update) -> Option<ScenarioView> {
        let summary = Summary::of(&runs.iter().collect::<Vec<_>>())?;
        let mut images: Option<&str> = None;
        let before = std::iter::once(None).chain(runs.iter().map(Some));
        let lines = runs.iter().zip(before).map(|(run, before)| {
            // Runs whose stack was never up know no images: those of the last one that did are compared with.
            let known = images;
            images = run.images_sha.as_deref().or(images);
            let moved = known.is_some() && known != images;
            RunLine { run: run.clone(), changed: before.map_or_else(Vec::new, |before| changes(before, run, moved)) }
        });
        Some(ScenarioView { summary, runs: lines.collect(), index })
    }
}

fn changes(before: &IndexedRun, run: &IndexedRun, images: bool) -> Vec<&'static str> {
    let all = [
        ("runbook", before.runbook_sha != run.runbook_sha),
        ("scenario", before.scenario_sha != run.scenario_sha),
        ("stack", before.stack_sha != run.stack_sha),
        ("images", images),
        ("tool", before.tool_version != run.tool_version),
    ];
    all.into_iter().filter(|(_, changed)| *changed).map(|(what, _)| what).collect()
}

/// The scenario as a page.
pub fn scenario_text(view: &ScenarioView, form: PageForm) -> String {
    let mut page = HistoryPage::new(form);
    let summary = &view.summary;
    let title = format!("{}: {}", page.name(&summary.scenario), page.text(&summary.title));
    page.heading(&title);
    let passed = share_of(summary.count(RunStanding::Passed), summary.counting());
    page.item(&format!("{}, passed {}", counted(summary.runs, "run"), passed));
    let failures: Vec<String> =
        summary.failures.iter().map(|(verdict, n)| format!("{n} {}", page.name(verdict))).collect();
    if !failures.is_empty() {
        page.item(&format!("failures: {}", failures.join(", ")));
    }
    if summary.repeated.all > 0 {
        page.item(&format!("failures that were the same as the one before: {}", summary.repeated.all));
    }
    let flakiness = match (summary.flakiness.changes, summary.flakiness.pairs) {
        (changes, pairs @ 1..) => {
            format!("flaky: {} pairs of runs with the same files and images", share_of(changes, pairs))
        }
        (_, 0) => "flaky: cannot be told, no two runs had the same files and images".into(),
    };
    page.item(&flakiness);
    for (what, at) in [("last pass", &summary.last_pass), ("last failure", &summary.last_fail)] {
        let at = at.as_ref().map_or("never".into(), |at| format!("{} {}", minute(&at.started_utc), page.name(&at.run)));
        page.item(&format!("{what}: {at}"));
    }
    worth_a_look(&page, summary, false).iter().for_each(|line| page.item(line));
    times(&mut page, summary);
    runs(&mut page, &view.runs);
    unreadable(&mut page, &view.index);
    page.done()
}

fn times(page: &mut HistoryPage, summary: &Summary) {
    let all = [
        ("impact", &summary.to_impact),
        ("detect", &summary.to_detect),
        ("mitigate", &summary.to_mitigation),
        ("recover", &summary.to_recover),
    ];
    let row = |(what, spread): (&str, &Option<Spread>)| {
        let spread = spread.as_ref()?;
        let times = [spread.median_us, spread.iqr_us, spread.mean_us];
        let mut row = vec![what.to_string(), spread.runs.to_string()];
        row.extend(times.into_iter().map(seconds));
        row.push(spread.trend.as_ref().map_or("too few runs".into(), |trend| {
            let (from, to) = (seconds(trend.before_us), seconds(trend.last_us));
            format!("{}: {from} → {to}, {n} runs each", trend.direction.name(), n = trend.runs)
        }));
        Some(row)
    };
    let rows: Vec<Vec<String>> = all.into_iter().filter_map(row).collect();
    if rows.is_empty() {
        return;
    }
    let columns = ["time to", ">runs", ">median", ">spread", ">mean", "trend"];
    page.table(&columns, &rows);
}

fn runs(page: &mut HistoryPage, lines: &[RunLine]) {
    let shown = |line: &RunLine| line.run.to_recover_us.filter(|_| line.run.standing.counts());
    let row = |line: &RunLine| {
        let run = &line.run;
        let said = match run.standing {
            RunStanding::Failed | RunStanding::ControlFailed => failure(page, run.verdict, run.failed_step.as_deref()),
            _ => String::new(),
        };
        vec![
            page.name(&run.run),
            run.standing.words().into(),
            shown(line).map_or_else(dash, seconds),
            if line.changed.is_empty() { String::new() } else { format!("{} changed", line.changed.join(", ")) },
            said,
        ]
    };
    let rows: Vec<Vec<String>> = lines.iter().map(row).collect();
    let columns = ["run", "came out", ">recover", "since the run before", "verdict"];
    page.table(&columns, &rows);
}

#[cfg(test)]
mod tests;
