//! What a person reads at the terminal of several drills: how many came out how, a line for each, and why for those that did
//! not pass.

use super::paint::Paint;
use super::text::{column, right, wrap};
use crate::output::one_line;
use crate::view::StatusSymbol;
use crate::view::advice::what_to_do;
use crate::view::format::seconds;
use crate::view::{Drills, Entry, words};

/// Columns of the overview.
const WIDTH: usize = 80;
/// Columns before what is said about a drill.
const INDENT: usize = 6;

/// The overview of these drills, at most 80 columns wide.
pub fn overview(drills: &Drills, color: bool) -> String {
    let paint = Paint { color };
    let mut lines = vec![paint.dim(&"─".repeat(WIDTH))];
    let mark = mark(drills);
    for line in wrap(&one_line(&headline(drills)), WIDTH) {
        lines.push(paint.headline(mark, &line));
    }
    for line in about(drills).iter().flat_map(|text| wrap(&one_line(text), WIDTH - 2)) {
        lines.push(format!("  {line}"));
    }
    lines.push(String::new());
    for entry in drills.entries() {
        row(&entry, paint, &mut lines);
    }
    lines.iter().map(|line| format!("{}\n", line.trim_end())).collect()
}

fn row(entry: &Entry<'_>, paint: Paint, lines: &mut Vec<String>) {
    let mark = entry.mark();
    let status = paint.marked(mark, &format!("{} {}", mark.sign(), column(entry.status.name(), 13)));
    let verdict = entry.verdict().map_or("", |verdict| verdict.name());
    let took = entry.took_us().map(seconds).unwrap_or_default();
    lines.push(format!("  {status} {} {} {}", column(&entry.name(), 30), column(verdict, 13), right(&took, 12)));
    let mut more: Vec<String> = entry.record().and_then(words::served_beside).into_iter().collect();
    if entry.status != crate::record::DrillStatus::Passed {
        more.push(one_line(&words::placed(entry.place(), &entry.why())));
        more.extend(entry.telling_record().and_then(what_to_do));
    }
    more.extend(entry.attempts_told());
    for line in more.iter().filter(|text| !text.is_empty()).flat_map(|text| wrap(text, WIDTH - INDENT)) {
        lines.push(format!("{}{line}", " ".repeat(INDENT)));
    }
}

/// The mark of all drills together: passes, one of them beside a fault that was still active, are worth a look.
fn mark(drills: &Drills) -> StatusSymbol {
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
    format!("{} {name}{}", mark(drills).sign(), all.join(", "))
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
        for day in &group.days {
            let shard = day.plan.shard.map(|(n, of)| format!(" (shard {n}/{of})")).unwrap_or_default();
            if !day.ended {
                lines.push(format!("the game day {}{shard} was cut off: nothing passes by default", day.plan.name));
            }
            lines.extend(day.notes.iter().cloned());
            lines.extend(day.damage.iter().map(|damage| format!("events of the game day{shard}: {damage}")));
        }
    }
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
    use crate::record::testing::Story;
    use crate::view::testing::{days, stories};

    #[test]
    fn drills_and_a_game_day_at_the_terminal() {
        insta::assert_snapshot!("every_story", overview(&stories(&Story::ALL), false));
        insta::assert_snapshot!("a_game_day", overview(&days(), false));
    }

    #[test]
    fn colour_adds_nothing_else() {
        let (plain, painted) = (overview(&days(), false), overview(&days(), true));
        assert_ne!(plain, painted);
        assert_eq!(console::strip_ansi_codes(&painted), plain);
    }
}
