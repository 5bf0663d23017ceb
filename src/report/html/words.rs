//! How the words of `report::words` look in HTML, and what only HTML needs: dates, last lines, code within prose.

use super::markup::Markup;
use crate::report::paint::Mark;
pub use crate::report::words::*;

impl Mark {
    /// The class of the style sheet.
    pub(super) fn class(self) -> &'static str {
        match self {
            Mark::Good => "good",
            Mark::Bad => "bad",
            Mark::Warn => "warn",
            Mark::Skip | Mark::Plain => "idle",
        }
    }
}

/// A word with its sign and colour.
pub fn badge(m: &mut Markup, mark: Mark, word: &str) {
    let class = format!("badge {}", mark.class());
    m.el("span", &[("class", &class)], |m| {
        m.fixed("<i aria-hidden=\"true\">").fixed(mark.sign()).fixed("</i> ").text(word);
    });
}

/// The sign alone, before words that say the same.
pub fn sign(m: &mut Markup, mark: Mark) {
    let class = format!("sign {}", mark.class());
    m.el("i", &[("class", &class), ("aria-hidden", "true")], |m| {
        m.fixed(mark.sign());
    });
    m.fixed(" ");
}

/// `20 November 2026, 06:41 UTC` of an RFC 3339 text; the text itself where it is none.
pub fn date(utc: &str) -> String {
    let format = time::macros::format_description!("[day padding:none] [month repr:long] [year], [hour]:[minute] UTC");
    crate::report::clock::parsed(utc).and_then(|at| at.format(format).ok()).unwrap_or_else(|| utc.to_string())
}

/// The last lines of an output, as a terminal would show them, and how many there were before.
pub fn last_lines(text: &str, keep: usize) -> (String, usize) {
    let lines = crate::output::terminal_lines(text);
    let end = lines.iter().rposition(|line| !line.trim().is_empty()).map_or(0, |at| at + 1);
    let from = end.saturating_sub(keep);
    (lines.get(from..end).unwrap_or_default().join("\n"), from)
}

/// A sentence in which code stands between backticks. One without its partner is a backtick.
pub fn prose(m: &mut Markup, text: &str) {
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('`') {
        let Some((code, after)) = after.split_once('`') else { break };
        m.text(before).leaf("code", &[], code);
        rest = after;
    }
    m.text(rest);
}
