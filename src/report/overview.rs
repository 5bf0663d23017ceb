//! What a person reads at the terminal of several drills: how many came out how, a line for each, and why for those that did
//! not pass.

use super::page::{TerminalPage, WIDTH};
use super::text::{column, right, wrap};
use crate::output::one_line;
use crate::record::{DrillStatus, Record};
use crate::view::advice::what_to_do;
use crate::view::format::seconds;
use crate::view::{DrillEntry, Drills, StatusSymbol, filters, status_counts, template_lines, words};
use askama::Template;

/// The overview of these drills, at most 80 columns wide.
pub fn overview(drills: &Drills, color: bool) -> String {
    page(drills, color).text()
}

/// The overview of these drills, as a page to which more can be added.
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
