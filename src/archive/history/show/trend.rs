//! The trend as a page.

use super::super::trend::{HistoryTrend, MeanInterval, TrendRow};
use super::dash;
use super::page::{HistoryPage, PageForm, counted};
use crate::report::{budget_left, escape, html_page, seconds};
use std::collections::BTreeMap;

/// The trend as a page.
pub fn trend_text(trend: &HistoryTrend, form: PageForm) -> String {
    let mut page = HistoryPage::new(form);
    page.heading("By severity and quarter");
    let row = |row: &TrendRow| {
        let times = [&row.mttd, &row.mttm, &row.mttr].map(|mean| interval(mean, row.count));
        let first = [row.of.to_string(), page.text(&row.severity), row.quarter.to_string(), row.count.to_string()];
        first.into_iter().chain(times).collect()
    };
    let rows: Vec<Vec<String>> = trend.rows.iter().map(row).collect();
    page.table(&["of", "severity", "quarter", ">count", ">MTTD", ">MTTM", ">MTTR"], &rows);
    page.line(
        "Mean times from the fault on to detection, first mitigating command and recovery, each with its 95% interval. \
         Where it says (2 of 10), the other eight never came to it.",
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
                let mean = effect.recover.get(half).map_or_else(dash, |mean| interval(mean, all));
                format!("{failed} of {all} failed, recovery {mean}")
            });
            let name = format!("{} ({})", page.name(&effect.action), page.name(&effect.scenario));
            page.item(&format!("{name}: before {before}; after {after}"));
        }
    }
    if !trend.budgets.is_empty() {
        page.heading("Error budget left");
        for (service, slo, left) in &trend.budgets {
            let left = left.map_or_else(dash, budget_left);
            page.item(&format!("{} {}: {left}", page.name(service), page.name(slo)));
        }
    }
    page.done()
}

/// The same as an HTML page, with a plot of the times of each severity.
pub fn trend_html(trend: &HistoryTrend) -> String {
    let mut groups: BTreeMap<(&str, &str), Vec<&TrendRow>> = BTreeMap::new();
    for row in &trend.rows {
        groups.entry((row.of, &row.severity)).or_default().push(row);
    }
    let plots =
        groups.into_iter().map(|((of, severity), rows)| plot(&format!("{severity}, {of}"), &rows)).collect::<String>();
    html_page("Trend", &plots, &trend_text(trend, PageForm::Markdown))
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
mod tests {
    use super::super::super::trend::TrendPoint;
    use super::*;
    use crate::record::testing::{Story, record_of};

    #[test]
    fn a_mean_says_whom_it_leaves_out_and_a_budget_how_far_it_is_overspent() {
        let points = [Story::Passed, Story::NotRecovered].map(|story| TrendPoint::of_drill(&record_of(story)).unwrap());
        let mut trend = HistoryTrend::of(points.to_vec(), &[]);
        trend.budgets.push(("shop".into(), "availability".into(), Some(-3.0)));
        let text = trend_text(&trend, PageForm::Text);
        assert!(text.contains("4.00 s (1 of 2)") && text.contains("shop availability: -300%"), "{text}");
        assert!(trend_html(&trend).contains("MTTR 4.00 s (1 of 2)"));
    }
}
