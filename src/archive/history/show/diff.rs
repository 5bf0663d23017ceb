//! Two runs side by side: only what is worth comparing, and what changed.

use super::super::diff::{Diff, Sides, StepChange, StepDiff};
use super::super::run::IndexedRun;
use super::overview::{dash, mark};
use super::page::{HistoryPage, PageForm, short_hash};
use crate::report::seconds;

/// What changed between two runs, as a page.
pub fn diff_text(diff: &Diff, form: PageForm) -> String {
    let mut page = HistoryPage::new(form);
    let (from, to) = (&diff.from, &diff.to);
    let heading = format!("{} → {}", page.name(&from.run), page.name(&to.run));
    page.heading(&heading);
    for (side, run) in [("from", from), ("to", to)] {
        let line = format!("{side}: {}", told(&page, run));
        page.item(&line);
    }
    if diff.same_inputs() {
        let verdict = match (from.standing.counts() && to.standing.counts(), from.verdict == to.verdict) {
            (true, false) => ": the other verdict is flaky",
            _ => "",
        };
        page.item(&format!("runbook, scenario, stack, images, inputs and tool are the same{verdict}"));
    }
    times(&mut page, "figure", &diff.figures, |page, what| page.text(what));
    files(&mut page, diff);
    if !diff.steps.is_empty() {
        page.heading("Steps of the runbook");
        for step in &diff.steps {
            let line = step_line(&page, step);
            page.item(&line);
        }
    }
    sides(&mut page, "How steps ended", &diff.status, |page, value| page.text(value));
    let took: Vec<_> = diff.took.iter().filter(|side| noticeable(side)).cloned().collect();
    if !took.is_empty() {
        page.heading("Steps that are the same and took another time");
        times(&mut page, "step", &took, |page, what| page.name(what));
    }
    sides(&mut page, "Images", &diff.images, |page, image| page.name(&short_hash(image)));
    if diff.images_unknown {
        page.heading("Images");
        page.item("cannot be compared: one of the stacks was never up");
    }
    sides(&mut page, "Inputs", &diff.vars, |page, value| match value {
        Some(value) => page.name(value),
        None => "no value".into(),
    });
    sides(&mut page, "What else changed", &diff.facts, |page, value| match value.as_str() {
        "" => "not known".into(),
        value => page.name(value),
    });
    page.done()
}

fn told(page: &HistoryPage, run: &IndexedRun) -> String {
    let reason = if run.reason.is_empty() { String::new() } else { format!(": {}", page.text(&run.reason)) };
    format!("{}, {}{reason}", mark(run.standing), page.name(run.verdict.name()))
}

/// More than a tenth of a second and more than a tenth of the time: what nobody would call the same.
fn noticeable(side: &Sides<Option<u64>>) -> bool {
    // What only one of them reached is told by how the steps ended.
    let (Some(from), Some(to)) = (side.from, side.to) else { return false };
    from.abs_diff(to) > 100_000.max(from.max(to) / 10)
}

fn times(
    page: &mut HistoryPage,
    first: &'static str,
    all: &[Sides<Option<u64>>],
    named: impl Fn(&HistoryPage, &str) -> String,
) {
    let time = |time: Option<u64>| time.map_or_else(dash, seconds);
    let shift = |from: u64, to: u64| {
        let sign = if to < from { "−" } else { "+" };
        format!("{sign}{}", seconds(from.abs_diff(to)))
    };
    let known = all.iter().filter(|side| side.from.is_some() || side.to.is_some());
    let rows: Vec<Vec<String>> = known
        .map(|side| {
            let shift = side.from.zip(side.to).map(|(from, to)| shift(from, to)).unwrap_or_default();
            vec![named(page, &side.what), time(side.from), time(side.to), shift]
        })
        .collect();
    if !rows.is_empty() {
        page.table(&[first, ">from", ">to", ">change"], &rows);
    }
}

fn files(page: &mut HistoryPage, diff: &Diff) {
    sides(page, "Files", &diff.files, |page, hash| page.name(&short_hash(hash)));
}

fn step_line(page: &HistoryPage, order: &StepDiff) -> String {
    let moved = if order.moved { ", and moved" } else { "" };
    let step = page.name(&order.step);
    match (order.change, &order.was) {
        (Some(StepChange::Added), _) => format!("new: {step}"),
        (Some(StepChange::Removed), _) => format!("gone: {step}"),
        (Some(StepChange::Changed), _) => format!("changed: {step}{moved}"),
        (Some(StepChange::Renamed), Some(was)) => format!("renamed: {} is now {step}{moved}", page.name(was)),
        (Some(StepChange::Renamed), None) => format!("renamed: {step}{moved}"),
        (None, _) => format!("moved: {step}"),
    }
}

fn sides<T>(page: &mut HistoryPage, title: &str, all: &[Sides<T>], value: impl Fn(&HistoryPage, &T) -> String) {
    if all.is_empty() {
        return;
    }
    page.heading(title);
    for side in all {
        let line = format!("{}: {} → {}", page.text(&side.what), value(page, &side.from), value(page, &side.to));
        page.item(&line);
    }
}
