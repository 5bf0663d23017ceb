//! What a person reads when a game day is over: the overview, and where the time went.

use super::overview;
use super::page::TerminalPage;
use crate::record::{Attempt, Cause, Day};
use crate::view::Drills;
use crate::view::format::seconds;
use crate::view::words::many;
use std::path::Path;

/// The summary of the last game day of these drills: the overview, and where the time went. `dir` is its directory.
pub fn day_summary(drills: &Drills, dir: &Path, color: bool) -> String {
    let Some(day) = drills.days.last() else { return String::new() };
    let mut page = overview::page(drills, color);
    page.line("");
    time(day, &mut page);
    page.named("limits", &day.plan.limits);
    page.named("files", &dir.display().to_string());
    page.text()
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
