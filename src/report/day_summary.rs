//! What a person reads when a game day is over, and what `--dry-run` prints before one: every drill with its status, why those
//! that did not pass did not, and where the time went.

use super::page::{TerminalPage, WIDTH};
use super::text::{column, cut, right};
use crate::output::one_line;
use crate::record::{Attempt, Cause, Day, DayDrill, DayPlan, DrillStatus, RunOutcome};
use crate::view::format::{declared, seconds};
use crate::view::words::{counted, many};
use crate::view::{DrillEntry, Drills, StatusSymbol};
use std::path::Path;
use std::time::Duration;

/// Lines of a reason that are shown.
const REASON_LINES: usize = 4;

/// The summary of the last game day of these drills. `dir` is its directory.
pub fn day_summary(drills: &Drills, dir: &Path, color: bool) -> String {
    let Some(day) = drills.days.last() else { return String::new() };
    let mut page = TerminalPage::new(color);
    headline(day, &mut page);
    page.wrapped("  ", &counts(day));
    page.line("");
    let width = width(day.drills.iter().map(|drill| drill.planned.label())).clamp(5, 34);
    for entry in drills.entries() {
        let Some(drill) = entry.planned.filter(|drill| day.drills.contains(drill)) else { continue };
        row(drill, width, &mut page);
        reasons(drill, &entry).iter().for_each(|why| page.wrapped_most("      ", why, REASON_LINES));
    }
    for left in day.plan.left_out.iter().filter(|left| left.refused) {
        page.wrapped("   -  ", &format!("{} is left out: {}", left.scenario, left.why));
    }
    page.line("");
    time(day, &mut page);
    page.named("limits", &day.plan.limits);
    day.notes.iter().for_each(|note| page.named("note", note));
    page.named("files", &dir.display().to_string());
    page.text()
}

/// What a game day would do: which drills in which order, how long each is expected to take, what is left out, which limits.
pub fn day_plan(plan: &DayPlan, expected: &[Duration]) -> String {
    let mut page = TerminalPage::plain();
    page.line(&named(plan));
    page.line("");
    let width = width(plan.drills.iter().map(|drill| drill.label()));
    for (at, drill) in plan.drills.iter().enumerate() {
        let takes = expected.get(at).map(|takes| format!("about {} s", takes.as_secs())).unwrap_or_default();
        let (number, label) = (right(&drill.number.to_string(), 3), column(&one_line(&drill.label()), width));
        page.line(&format!("  {number}  {label}  {takes}"));
    }
    for left_out in &plan.left_out {
        page.line(&format!("    -  {}: {}", one_line(&left_out.scenario), one_line(&left_out.why)));
    }
    page.line("");
    let sum: Duration = expected.iter().sum();
    let longest = expected.iter().max().map_or(0, Duration::as_secs);
    page.named("time", &format!("{} s one after the other, the longest {longest} s", sum.as_secs()));
    page.named("limits", &plan.limits);
    if let Some(budget) = plan.budget_us {
        page.named("budget", &declared(budget));
    }
    page.named("seed", &plan.seed.to_string());
    page.line("");
    page.line("nothing was started");
    page.text()
}

/// The width of the longest of these labels.
fn width(labels: impl Iterator<Item = String>) -> usize {
    labels.map(|label| one_line(&label).chars().count()).max().unwrap_or(0)
}

/// Name and title of a game day; one without a file has no title of its own.
fn named(plan: &DayPlan) -> String {
    let title = if plan.title == plan.name { String::new() } else { format!(": {}", plan.title) };
    one_line(&format!("{}{title}", plan.name))
}

fn headline(day: &Day, page: &mut TerminalPage) {
    let worst = day.drills.iter().map(DayDrill::status).max();
    let (mark, word) = match worst {
        _ if !day.ended => (StatusSymbol::Warn, "NOT ENDED".to_string()),
        None => (StatusSymbol::Good, "NOTHING TO DO".to_string()),
        Some(DrillStatus::Passed) => (StatusSymbol::Good, "PASSED".to_string()),
        Some(DrillStatus::Flaky) => (StatusSymbol::Warn, "FLAKY".to_string()),
        Some(DrillStatus::Failed) => (StatusSymbol::Bad, "FAILED".to_string()),
        Some(status) => (StatusSymbol::Warn, status.name().to_uppercase()),
    };
    let name = cut(&named(&day.plan), WIDTH.saturating_sub(20));
    let head = page.paint.headline(mark, &format!("{} {word}", mark.sign()));
    page.line(&format!("{head}  {}", page.paint.bold(&name)));
}

fn counts(day: &Day) -> String {
    let all = day.account();
    let mut text = format!("{}: {}", many(all.planned, "drill"), counted(&all).join(", "));
    if all.disturbed > 0 {
        text += &format!("; {} disturbed, which says nothing", many(all.disturbed, "attempt"));
    }
    if all.retries > 0 {
        let retries = if all.retries == 1 { "retry" } else { "retries" };
        text += &format!("; {} {retries} after a failure", all.retries);
    }
    text.trim_end_matches(": ").to_string()
}

fn row(drill: &DayDrill, width: usize, page: &mut TerminalPage) {
    let status = drill.status();
    let mark = status.mark();
    let counts = drill.counting();
    let verdict = counts.map_or("", |attempt| attempt.verdict.name());
    let took = counts.and_then(|attempt| Some(seconds(attempt.ended_us?.saturating_sub(attempt.started_us))));
    let told = format!("{} {}", mark.sign(), status.name());
    let padding = " ".repeat(15_usize.saturating_sub(told.chars().count()));
    let told = page.paint.marked(mark, &told) + &padding;
    let (number, label) =
        (right(&drill.planned.number.to_string(), 4), column(&one_line(&drill.planned.label()), width));
    let (verdict, took) = (column(verdict, 13), right(&took.unwrap_or_default(), 11));
    page.line(&format!("{number}  {label}  {told}  {verdict} {took}"));
}

/// Why attempts did not pass, in order, and why there was none or no further one.
fn reasons(drill: &DayDrill, entry: &DrillEntry<'_>) -> Vec<String> {
    let mut reasons = Vec::new();
    for (attempt, record) in &entry.attempts {
        let Some(attempt) = attempt.filter(|attempt| attempt.outcome != Some(RunOutcome::Passed)) else { continue };
        let at = record.and_then(|record| record.at.as_ref()).map(|at| format!("{at}: ")).unwrap_or_default();
        // One line; all of it is in the record.
        let reason = attempt.reason.lines().next().unwrap_or_default();
        let which = if drill.attempts.len() > 1 { format!("attempt {}: ", attempt.attempt) } else { String::new() };
        reasons.push(format!("{which}{at}{reason}"));
    }
    reasons.extend(drill.not_run.as_ref().map(|why| match drill.attempts.is_empty() {
        true => why.clone(),
        false => format!("not run again: {why}"),
    }));
    reasons
}

/// How long it took, how that compares with the longest drill, and where the time went.
fn time(day: &Day, page: &mut TerminalPage) {
    let attempts = || day.drills.iter().flat_map(|drill| &drill.attempts);
    let took = |attempt: &Attempt| attempt.ended_us.map(|end| end.saturating_sub(attempt.started_us));
    let longest = attempts().filter_map(took).max();
    let wall = day.last_us;
    let ratio = longest.filter(|us| *us > 0).map(|longest| {
        format!("; the longest drill took {}: {:.2} times that", seconds(longest), wall as f64 / longest as f64)
    });
    page.named("time", &format!("{}{}", seconds(wall), ratio.unwrap_or_default()));
    let (Some(first), Some(last)) = (
        attempts().map(|attempt| attempt.started_us).min(),
        attempts().filter(|attempt| attempt.cause == Cause::Planned).map(|attempt| attempt.started_us).max(),
    ) else {
        return;
    };
    let room: u64 = attempts().map(|attempt| attempt.waited_us).sum();
    let again: u64 = attempts().filter(|attempt| attempt.cause == Cause::Disturbed).filter_map(took).sum();
    let images = day.images_us.map(|us| format!(" (images {})", seconds(us))).unwrap_or_default();
    let most = attempts().map(|attempt| attempt.running).max().unwrap_or(0);
    let mut parts = vec![format!("{} before the first drill{images}", seconds(first))];
    if last > first {
        parts.push(format!("{} until the last one was started", seconds(last - first)));
    }
    parts.push(format!("{} from there on", seconds(wall.saturating_sub(last).saturating_sub(again))));
    if again > 0 {
        parts.push(format!("{} for what was disturbed and run again alone", seconds(again)));
    }
    page.named("", &parts.join(", "));
    let waited =
        if room > 0 { format!("; {} no drill could start for want of room", seconds(room)) } else { String::new() };
    page.named("", &format!("at most {} at once{waited}", many(most, "drill")));
}

#[cfg(test)]
#[path = "day_summary_tests.rs"]
mod tests;
