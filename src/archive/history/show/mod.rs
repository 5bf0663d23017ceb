//! History as people and programs read it: pages of Markdown whose tables a terminal shows as well, and JSON beside them. Pure
//! functions: the time of day is in no page. What comes from records goes through `text` or `name`, so that it can neither move
//! the cursor nor become markup.

use super::index::Update;
use super::run::{IndexedRun, RunStanding};
use super::summary::{RunbookChange, RunbookVersion, Spread, Summary};
use super::trend::{ActionEffect, HistoryTrend, MeanInterval, RepeatedFailure, TrendRow};
use crate::output::one_line;
use crate::record::Verdict;
use crate::report::clock::day;
use crate::report::{budget_left, escape, html_page, many as counted, prose, seconds};
use console::{Alignment, measure_text_width, pad_str};
use serde::Serialize;
use std::collections::BTreeMap;

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

/// The overview of all scenarios.
pub fn overview_text(overview: &Overview) -> String {
    let mut page = HistoryPage::default();
    let (runs, scenarios) = (counted(overview.runs, "run"), counted(overview.scenarios.len(), "scenario"));
    page.heading(&format!("History: {runs} of {scenarios}"));
    let columns = [
        "scenario", ">runs", ">passed", ">of", ">flaky", ">impact", ">detect", ">mitigate", ">recover", ">spread",
        "trend", "last",
    ];
    let rows: Vec<Vec<String>> = overview.scenarios.iter().map(row).collect();
    page.table(&columns, &rows);
    if overview.scenarios.iter().any(|summary| summary.counting() > 0) {
        page.line("Times are medians from the fault on; spread and trend are those of the recovery.");
    }
    let worth: Vec<String> = overview.scenarios.iter().flat_map(|summary| worth_a_look(summary, true)).collect();
    page.list("Worth a look", &worth);
    unreadable(&mut page, &overview.index);
    page.0
}

fn row(summary: &Summary) -> Vec<String> {
    let median = |spread: &Option<Spread>| spread.as_ref().map_or_else(dash, |spread| seconds(spread.median_us));
    let recover = summary.to_recover.as_ref();
    vec![
        name(&summary.scenario),
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
fn failure(verdict: Verdict, step: Option<&str>) -> String {
    let verdict = name(verdict.name());
    step.map(|step| format!("{verdict} at {}", name(step))).unwrap_or(verdict)
}

/// What a reader should not have to look for. With the scenario's name in front, or without.
fn worth_a_look(summary: &Summary, named: bool) -> Vec<String> {
    let mut lines = Vec::new();
    let mut say = |text: String| {
        lines.push(if named { format!("{}: {text}", name(&summary.scenario)) } else { text });
    };
    if let Some(fail) = summary.last_fail.as_ref().filter(|_| summary.repeated.in_a_row > 0) {
        let passed = summary.last_pass.as_ref();
        let passed = passed.map_or("it never passed".into(), |at| format!("last pass {}", minute(&at.started_utc)));
        let failure = failure(fail.verdict, fail.failed_step.as_deref());
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
    let why: Vec<String> = update.unreadable.iter().map(|why| text(why)).collect();
    page.list(&format!("{} could not be read and is in no figure", counted(why.len(), "run")), &why);
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
    /// The history of one scenario from its runs, oldest first; `None` without a run.
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
        ("reading", before.reading_sha != run.reading_sha),
        ("scenario", before.scenario_sha != run.scenario_sha),
        ("stack", before.stack_sha != run.stack_sha),
        ("images", images),
        ("tool", before.tool_version != run.tool_version),
    ];
    all.into_iter().filter(|(_, changed)| *changed).map(|(what, _)| what).collect()
}

/// The history of one scenario.
pub fn scenario_text(view: &ScenarioView) -> String {
    let mut page = HistoryPage::default();
    let summary = &view.summary;
    page.heading(&format!("{}: {}", name(&summary.scenario), text(&summary.title)));
    let passed = share_of(summary.count(RunStanding::Passed), summary.counting());
    page.item(&format!("{}, passed {}", counted(summary.runs, "run"), passed));
    let failures: Vec<String> = summary.failures.iter().map(|(verdict, n)| format!("{n} {}", name(verdict))).collect();
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
        let at = at.as_ref().map_or("never".into(), |at| format!("{} {}", minute(&at.started_utc), name(&at.run)));
        page.item(&format!("{what}: {at}"));
    }
    worth_a_look(summary, false).iter().for_each(|line| page.item(line));
    times(&mut page, summary);
    runs(&mut page, &view.runs);
    unreadable(&mut page, &view.index);
    page.0
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
            RunStanding::Failed | RunStanding::ControlFailed => failure(run.verdict, run.failed_step.as_deref()),
            _ => String::new(),
        };
        vec![
            name(&run.run),
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

/// Words from a record, harmless on a page.
fn text(text: &str) -> String {
    prose(&one_line(text))
}

/// A name that a program knows something by: an id, a step, a file.
fn name(name: &str) -> String {
    // A code span cannot hold a backtick of its own kind, and a table ends its cells at every bar.
    format!("`{}`", one_line(name).replace('`', "'").replace('|', "\\|"))
}

/// A page that is being written.
#[derive(Debug, Default)]
struct HistoryPage(String);

impl HistoryPage {
    fn gap(&mut self) {
        if !self.0.is_empty() && !self.0.ends_with("\n\n") {
            self.0.push('\n');
        }
    }

    fn heading(&mut self, text: &str) {
        self.gap();
        self.0.push_str(&format!("### {text}\n\n"));
    }

    /// A paragraph.
    fn line(&mut self, text: &str) {
        self.gap();
        self.0.push_str(&format!("{text}\n\n"));
    }

    /// A member of a list.
    fn item(&mut self, text: &str) {
        self.0.push_str(&format!("- {text}\n"));
    }

    /// A list below its heading; nothing where it has no member.
    fn list(&mut self, heading: &str, items: &[String]) {
        if !items.is_empty() {
            self.heading(heading);
        }
        items.iter().for_each(|item| self.item(item));
    }

    /// A table with these titles; a `>` in front of one puts its column to the right. Columns that are empty in every row are left
    /// out.
    fn table(&mut self, titles: &[&'static str], rows: &[Vec<String>]) {
        self.gap();
        let columns = titles.iter().enumerate().map(|(at, title)| {
            let cells = rows.iter().map(|row| row.get(at).map_or("", String::as_str));
            let cells: Vec<&str> = std::iter::once(title.trim_start_matches('>')).chain(cells).collect();
            (title.starts_with('>'), cells)
        });
        let filled = columns.filter(|(_, cells)| cells.iter().skip(1).any(|cell| !cell.is_empty()));
        let columns = filled.map(|(right, cells)| {
            let width = cells.iter().map(|cell| measure_text_width(cell)).max().unwrap_or(0).max(2);
            let side = if right { Alignment::Right } else { Alignment::Left };
            let cells = cells.into_iter().map(|cell| pad_str(cell, width, side, None).into_owned());
            let mut cells: Vec<String> = cells.collect();
            cells.insert(1, "-".repeat(width - usize::from(right)) + if right { ":" } else { "" });
            cells
        });
        let columns: Vec<Vec<String>> = columns.collect();
        for line in 0..rows.len() + 2 {
            let cells: Vec<&str> = columns.iter().filter_map(|column| Some(column.get(line)?.as_str())).collect();
            self.0.push_str(&format!("| {} |\n", cells.join(" | ")));
        }
        self.0.push('\n');
    }
}

/// `2026-11-20 06:41` of a time in RFC 3339.
fn minute(utc: &str) -> String {
    utc.get(..16).map_or_else(|| utc.to_string(), |minute| minute.replace('T', " "))
}

/// A ratio in whole percent; only all is `100%`, and only nothing is `0%`. A dash where there is nothing to have a part of.
fn share(part: usize, all: usize) -> String {
    let Some(hundredths) = part.saturating_mul(100).checked_div(all) else { return dash() };
    let share = if part == 0 || part == all { hundredths } else { hundredths.clamp(1, 99) };
    format!("{share}%")
}

/// The trend.
pub fn trend_text(trend: &HistoryTrend) -> String {
    let mut page = HistoryPage::default();
    page.heading("By severity and quarter");
    let row = |row: &TrendRow| {
        let times = [&row.mttd, &row.mttm, &row.mttr].map(|mean| interval(mean, row.count));
        let first = [row.of.to_string(), text(&row.severity), row.quarter.to_string(), row.count.to_string()];
        first.into_iter().chain(times).collect()
    };
    let rows: Vec<Vec<String>> = trend.rows.iter().map(row).collect();
    page.table(&["of", "severity", "quarter", ">count", ">MTTD", ">MTTM", ">MTTR"], &rows);
    page.line(
        "Mean times from the fault on to detection, first mitigating command and recovery, each with its 95% interval. \
         Where it says (2 of 10), the other eight never came to it.",
    );
    let repeat = |repeat: &RepeatedFailure| {
        let ids: Vec<String> = repeat.ids.iter().map(|id| name(id)).collect();
        let what = format!("{} of {}", name(&repeat.class), name(&repeat.service));
        format!("{what}: {}: {}", counted(ids.len(), "time"), ids.join(", "))
    };
    let repeats: Vec<String> = trend.repeats.iter().map(repeat).collect();
    page.list("Failures that repeat", &repeats);
    let action = |effect: &ActionEffect| {
        let half = |((failed, all), mean): (&(usize, usize), &Option<MeanInterval>)| {
            format!("{failed} of {all} failed, recovery {}", interval(mean, *all))
        };
        let halves: Vec<String> = effect.failed.iter().zip(&effect.recover).map(half).collect();
        let name = format!("{} ({})", name(&effect.action), name(&effect.scenario));
        format!("{name}: before {}", halves.join("; after "))
    };
    let actions: Vec<String> = trend.actions.iter().map(action).collect();
    page.list("Before and after an action", &actions);
    let budget = |(service, slo, left): &(String, String, Option<f64>)| {
        format!("{} {}: {}", name(service), name(slo), left.map_or_else(dash, budget_left))
    };
    let budgets: Vec<String> = trend.budgets.iter().map(budget).collect();
    page.list("Error budget left", &budgets);
    page.0
}

/// The trend as an HTML page, with a plot of the times of each severity.
pub fn trend_html(trend: &HistoryTrend) -> String {
    let mut groups: BTreeMap<(&str, &str), Vec<&TrendRow>> = BTreeMap::new();
    for row in &trend.rows {
        groups.entry((row.of, &row.severity)).or_default().push(row);
    }
    let plots =
        groups.into_iter().map(|((of, severity), rows)| plot(&format!("{severity}, {of}"), &rows)).collect::<String>();
    html_page("Trend", &plots, &trend_text(trend))
}

/// Quarter by quarter each mean time as a dot, its interval as a line, its name and value beside it.
fn plot(title: &str, rows: &[&TrendRow]) -> String {
    const HEIGHT: f64 = 140.0;
    let times = |row: &TrendRow| {
        [("MTTD", "a", row.mttd.clone()), ("MTTM", "b", row.mttm.clone()), ("MTTR", "c", row.mttr.clone())]
    };
    let means = rows.iter().flat_map(|row| times(row)).filter_map(|(.., mean)| Some(mean?.mean_us as f64));
    // The interval of two values may be twelve times as long as they are apart: it leaves the plot at the top.
    let top = means.fold(1.0, f64::max) * 1.5;
    let y = |us: u64| 10.0 + (1.0 - (us as f64 / top).min(1.0)) * HEIGHT;
    let slot = 100.0 / rows.len() as f64;
    let mut shapes = String::new();
    for (at, row) in rows.iter().enumerate() {
        let left = at as f64 * slot;
        let middle = left + slot / 2.0;
        shapes.push_str(&format!(
            "<text class=\"tick\" text-anchor=\"middle\" x=\"{middle:.1}%\" y=\"166\">{} ({})</text>",
            row.quarter, row.count
        ));
        for (number, (name, class, mean)) in times(row).into_iter().enumerate() {
            let Some(mean) = mean else { continue };
            let (x, dot) = (left + slot * (number as f64 + 0.7) / 3.6, y(mean.mean_us));
            if let Some((low, high)) = mean.low_us.zip(mean.high_us) {
                let (low, high) = (y(low), y(high));
                shapes.push_str(&format!(
                    "<line class=\"line {class}\" x1=\"{x:.1}%\" x2=\"{x:.1}%\" y1=\"{low:.1}\" y2=\"{high:.1}\"/>"
                ));
            }
            let told = format!("{name} {}{}", seconds(mean.mean_us), of_all(&mean, row.count));
            shapes.push_str(&format!("<circle class=\"dot {class}\" cx=\"{x:.1}%\" cy=\"{dot:.1}\" r=\"4\"/>"));
            shapes
                .push_str(&format!("<text class=\"tick\" x=\"{x:.1}%\" dx=\"7\" y=\"{:.1}\">{told}</text>", dot + 4.0));
        }
    }
    let title = escape::html(title);
    format!(
        "<h2>{title}</h2>\n<svg width=\"100%\" height=\"176\" role=\"img\" aria-label=\"{title}: the table has the figures\">{shapes}</svg>\n"
    )
}

fn interval(mean: &Option<MeanInterval>, count: usize) -> String {
    let Some(mean) = mean else { return dash() };
    let range = mean.low_us.zip(mean.high_us);
    let range = range.map_or(String::new(), |(low, high)| format!(" [{}, {}]", seconds(low), seconds(high)));
    format!("{}{range}{}", seconds(mean.mean_us), of_all(mean, count))
}

/// Of how many the mean is, where it is not of all of them: whoever never recovered has no time to recover.
fn of_all(mean: &MeanInterval, count: usize) -> String {
    if mean.values < count { format!(" ({} of {count})", mean.values) } else { String::new() }
}

#[cfg(test)]
mod tests;
