//! The trend as a page.

use super::super::trend::{HistoryTrend, MeanInterval};
use super::overview::dash;
use super::page::{HistoryPage, PageForm, counted};
use crate::report::seconds;

/// The trend as a page.
pub fn trend_text(trend: &HistoryTrend, form: PageForm) -> String {
    let mut page = HistoryPage::new(form);
    page.heading("By severity and quarter");
    let rows: Vec<Vec<String>> = trend
        .rows
        .iter()
        .map(|row| {
            let times = [&row.mttd, &row.mttm, &row.mttr].map(interval);
            let first = [row.of.to_string(), page.text(&row.severity), row.quarter.to_string(), row.count.to_string()];
            first.into_iter().chain(times).collect()
        })
        .collect();
    page.table(&["of", "severity", "quarter", ">count", ">MTTD", ">MTTM", ">MTTR"], &rows);
    page.line(
        "Mean times from the fault on to detection, first mitigating command and recovery, each with its 95% interval.",
    );
    if !trend.repeats.is_empty() {
        page.heading("Failures that repeat");
        for repeat in &trend.repeats {
            let ids: Vec<String> = repeat.ids.iter().map(|id| page.name(id)).collect();
            let what = format!("{} of {}", page.name(&repeat.class), page.name(&repeat.service));
            page.item(&format!("{what}: {}: {}", counted(ids.len(), "time"), ids.join(", ")));
        }
    }
    if !trend.actions.is_empty() {
        page.heading("Before and after an action");
        for effect in &trend.actions {
            let [before, after] = [0, 1].map(|half: usize| {
                let (failed, all) = effect.failed.get(half).copied().unwrap_or_default();
                let mean = effect.recover.get(half).map_or_else(dash, interval);
                format!("{failed} of {all} failed, recovery {mean}")
            });
            let name = format!("{} ({})", page.name(&effect.action), page.name(&effect.scenario));
            page.item(&format!("{name}: before {before}; after {after}"));
        }
    }
    page.done()
}

fn interval(mean: &Option<MeanInterval>) -> String {
    let Some(mean) = mean else { return dash() };
    match mean.low_us.zip(mean.high_us) {
        Some((low, high)) => format!("{} [{}, {}]", seconds(mean.mean_us), seconds(low), seconds(high)),
        None => seconds(mean.mean_us),
    }
}
