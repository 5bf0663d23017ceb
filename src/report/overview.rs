//! What a person reads at the terminal of several drills: how many came out how, a line for each, and why for those that did
//! not pass. And when a game day is over: the same, and where the time went.

use super::page::{TerminalPage, WIDTH, column, right, wrap};
use crate::output::one_line;
use crate::record::{Attempt, Cause, Day, DrillStatus, Record};
use crate::view::advice::what_to_do;
use crate::view::format::seconds;
use crate::view::{DrillEntry, Drills, StatusSymbol, filters, status_counts, template_lines, words};
use askama::Template;
use std::path::Path;

/// The overview of these drills, at most 80 columns wide.
pub fn overview(drills: &Drills, color: bool) -> String {
    page(drills, color).text()
}

/// The overview of these drills, as a page to which more can be added.
fn page(drills: &Drills, color: bool) -> TerminalPage {
    let mut page = TerminalPage::new(color);
    let symbol = symbol(drills);
    for line in wrap(&one_line(&headline(drills)), WIDTH) {
        page.line(&page.paint.headline(symbol, &line));
    }
    about(drills).iter().for_each(|text| page.wrapped("  ", text));
    page.line("");
    drills.entries().iter().for_each(|entry| row(entry, &mut page));
    page
}

fn row(entry: &DrillEntry<'_>, page: &mut TerminalPage) {
    let symbol = entry.mark();
    let status = page.paint.marked(symbol, &format!("{} {}", symbol.sign(), column(entry.status.name(), 13)));
    let verdict = entry.verdict().map_or("", |verdict| verdict.name());
    let took = entry.took_us().map(seconds).unwrap_or_default();
    page.line(&format!("  {status} {} {} {}", column(&entry.name(), 30), column(verdict, 13), right(&took, 12)));
    let told = |record: &Record| words::served_beside(record).into_iter().chain(words::doubts(record)).collect();
    let mut more: Vec<String> = entry.record().map(told).unwrap_or_default();
    if entry.status != DrillStatus::Passed {
        more.push(words::placed(entry.place(), &entry.why()));
        more.extend(entry.telling_record().and_then(what_to_do));
    }
    more.extend(entry.attempts_told());
    more.iter().for_each(|text| page.wrapped("      ", text));
}

/// How all drills together came out: passes of which one is marked are worth a look.
pub(super) fn symbol(drills: &Drills) -> StatusSymbol {
    match drills.outcome().status().mark() {
        StatusSymbol::Good if drills.entries().iter().any(|entry| entry.mark() == StatusSymbol::Warn) => {
            StatusSymbol::Warn
        }
        mark => mark,
    }
}

/// The verdict in one line: `✗ nightly: 8 drills, 6 passed, 1 flaky, 1 failed`.
pub(super) fn headline(drills: &Drills) -> String {
    let name = drills.name();
    let name = if name.is_empty() { name } else { format!("{name}: ") };
    let entries = drills.entries();
    let mut counts = status_counts(&entries, DrillStatus::ALL);
    counts.sort_by_key(|(status, _)| *status == DrillStatus::NotRun);
    let counts: String = counts.iter().map(|(status, count)| format!(", {count} {status}")).collect();
    format!("{} {name}{}{counts}", symbol(drills).sign(), words::many(entries.len(), "drill"))
}

/// What should be known of the game days beside their drills: how long, of which commit, and what is not there.
pub(super) fn about(drills: &Drills) -> Vec<String> {
    template_lines(&AboutText { drills })
}

#[derive(Template)]
#[template(path = "about.txt")]
struct AboutText<'a> {
    drills: &'a Drills,
}

/// The summary of the last game day of these drills: the overview, and where the time went. `dir` is its directory.
pub fn day_summary(drills: &Drills, dir: &Path, color: bool) -> String {
    let Some(day) = drills.days.last() else { return String::new() };
    let mut page = page(drills, color);
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
    let parts = [
        Some(format!("{} before the first drill{images}", seconds(first))),
        (last > first).then(|| format!("{} until the last one was started", seconds(last - first))),
        Some(format!("{} from there on", seconds(wall.saturating_sub(last).saturating_sub(again)))),
        (again > 0).then(|| format!("{} for what was disturbed and run again alone", seconds(again))),
    ];
    page.named("", &parts.into_iter().flatten().collect::<Vec<_>>().join(", "));
    let waited =
        if room > 0 { format!("; {} no drill could start for want of room", seconds(room)) } else { String::new() };
    page.named("", &format!("at most {} at once{waited}", words::many(most, "drill")));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::testing::{Story, record_of};
    use crate::view::testing::{days, stories};

    #[test]
    fn drills_and_a_game_day_at_the_terminal() {
        for story in Story::ALL {
            let drills = stories(&[story]);
            let (text, entry) = (overview(&drills, false), &drills.entries()[0]);
            let row = format!("  {} {} ", entry.mark().sign(), column(entry.status.name(), 13));
            assert!(text.contains(&row), "{story:?}: {text}");
            // The beginning of what it says stands on one line.
            let why: String = entry.why().chars().take(20).collect();
            assert!(record_of(story).passed() || text.contains(&why), "{story:?}: {text}");
        }
        insta::assert_snapshot!("a_game_day", overview(&days(), false));
    }

    #[test]
    fn what_cannot_be_drilled_there_is_named() {
        let mut drills = days();
        let why = "its stack is none of Kubernetes".to_string();
        let left = crate::record::LeftOutDrill { scenario: "mail".into(), why, refused: true };
        drills.days[0].plan.left_out.push(left);
        assert!(about(&drills).contains(&"mail is left out: its stack is none of Kubernetes".to_string()));
    }

    #[test]
    fn colour_adds_nothing_else() {
        let (plain, painted) = (overview(&days(), false), overview(&days(), true));
        assert_ne!(plain, painted);
        assert_eq!(console::strip_ansi_codes(&painted), plain);
    }
}

#[cfg(test)]
#[path = "overview_day_tests.rs"]
mod day_tests;
