//! What a person reads at the terminal of several drills: how many came out how, a line for each, and why for those that did
//! not pass.

use super::page::{TerminalPage, WIDTH};
use super::text::{column, right, wrap};
use crate::output::one_line;
use crate::record::DrillStatus;
use crate::view::advice::what_to_do;
use crate::view::format::seconds;
use crate::view::{DrillEntry, Drills, StatusSymbol, words};

/// The overview of these drills, at most 80 columns wide.
pub fn overview(drills: &Drills, color: bool) -> String {
    page(drills, color).text()
}

/// The same as a page that goes on.
pub(super) fn page(drills: &Drills, color: bool) -> TerminalPage {
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
    let mut more: Vec<String> = entry.record().and_then(words::served_beside).into_iter().collect();
    if entry.status != DrillStatus::Passed {
        more.push(words::placed(entry.place(), &entry.why()));
        more.extend(entry.telling_record().and_then(what_to_do));
    }
    more.extend(entry.attempts_told());
    more.iter().for_each(|text| page.wrapped("      ", text));
}

/// How all drills together came out: passes, one of them beside a fault that was still active, are worth a look.
pub(super) fn symbol(drills: &Drills) -> StatusSymbol {
    match words::outcome(drills.outcome()) {
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
    let account = drills.account();
    let all = [vec![words::many(account.planned, "drill")], words::counted(&account)].concat();
    format!("{} {name}{}", symbol(drills).sign(), all.join(", "))
}

/// What should be known of the game days beside their drills: how long, of which commit, and what is not there.
pub(super) fn about(drills: &Drills) -> Vec<String> {
    let mut lines = Vec::new();
    for group in drills.groups() {
        let Some(first) = group.days.first() else { continue };
        let mut parts = Vec::new();
        if !first.plan.title.is_empty() {
            parts.push(first.plan.title.clone());
        }
        parts.push(format!("began {}", first.plan.started_utc));
        parts.push(format!("took {}", seconds(group.days.iter().map(|day| day.last_us).max().unwrap_or(0))));
        parts.extend(first.plan.revision.as_ref().map(|revision| format!("commit {revision}")));
        parts.extend(group.shards().map(|of| format!("{} of {of} shards", group.days.len())));
        lines.push(parts.join(", "));
        for missing in group.missing() {
            let of = group.shards().unwrap_or(0);
            lines.push(format!("shard {missing}/{of} is missing: its drills are not in this report"));
        }
        for other in group.elsewhere() {
            lines.push(format!("shard {other} is here of another attempt of this run of CI, with its drills"));
        }
        lines.extend(group.refused().into_iter().map(|left| format!("{} is left out: {}", left.scenario, left.why)));
        for day in &group.days {
            let shard = day.plan.shard.map(|(n, of)| format!(" (shard {n}/{of})")).unwrap_or_default();
            if !day.ended {
                lines.push(format!("the game day {}{shard} was cut off: nothing passes by default", day.plan.name));
            }
            lines.extend(day.stopped.map(words::stopped).map(str::to_string));
            lines.extend(day.notes.iter().cloned());
            lines.extend(day.damage.iter().map(|damage| format!("events of the game day{shard}: {damage}")));
        }
    }
    lines.extend(drills.unread.iter().map(|why| format!("not in this report, because it cannot be read: {why}")));
    let account = drills.account();
    if account.disturbed > 0 {
        lines.push(format!("attempts that were disturbed and count for nothing: {}", account.disturbed));
    }
    if account.retries > 0 {
        lines.push(format!("attempts made because an earlier one had failed: {}", account.retries));
    }
    lines
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
