//! One scenario: its figures, and every run as a line with what had changed before it.

use super::super::index::Update;
use super::super::robust::Spread;
use super::super::run::{IndexedRun, RunStanding};
use super::super::summary::Summary;
use super::overview::{dash, failure, flaky, mark, pass_rate, unreadable, worth_a_look};
use super::page::{HistoryPage, PageForm, counted, minute};
use crate::report::seconds;
use serde::Serialize;

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
    page.item(&format!("{}, passed {}", counted(summary.runs, "run"), pass_rate(summary)));
    let failures: Vec<String> =
        summary.failures.iter().map(|(verdict, n)| format!("{n} {}", page.name(verdict))).collect();
    if !failures.is_empty() {
        page.item(&format!("failures: {}", failures.join(", ")));
    }
    if summary.repeated.all > 0 {
        page.item(&format!("failures that were the same as the one before: {}", summary.repeated.all));
    }
    let flakiness = match summary.flakiness.rate {
        Some(_) => format!("flaky: {} pairs of runs with the same files and images", flaky(summary)),
        None => "flaky: cannot be told, no two runs had the same files and images".into(),
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
    let rows: Vec<Vec<String>> = lines
        .iter()
        .map(|line| {
            let run = &line.run;
            let said = match run.standing {
                RunStanding::Failed | RunStanding::ControlFailed => {
                    failure(page, run.verdict, run.failed_step.as_deref())
                }
                _ => String::new(),
            };
            vec![
                page.name(&run.run),
                mark(run.standing).into(),
                shown(line).map_or_else(dash, seconds),
                if line.changed.is_empty() { String::new() } else { format!("{} changed", line.changed.join(", ")) },
                said,
            ]
        })
        .collect();
    let columns = ["run", "came out", ">recover", "since the run before", "verdict"];
    page.table(&columns, &rows);
}
