//! RB107: a page that its author has not finished.

use super::{Check, Explain, Page, Report, Rule};
use crate::runbook::look::TextKind;
use crate::source::{Level, Span};

pub(super) const RULE: Rule = Rule {
    id: "RB107",
    level: Level::Warning,
    title: "TODO, TBD, \"insert site specific\"",
    explain: Explain {
        finds: "Words that mark what is still to be written: TODO, TBD, FIXME, TBA in capitals, \"coming soon\", \
                \"insert … here\". Code, links and comments are left alone.",
        why: "Somebody who was woken up reaches the step that matters and finds that nobody wrote it. A gap that is \
              known is better filled now, or named with the person to call instead.",
        bad: "\
## Mitigation

TODO: how to fail over
",
        good: "\
## Mitigation

Call the database on call, pager `db-primary`: only they may fail over.
",
    },
    check: Check::Page(check),
};

/// Marks that are words of their own in capitals.
const MARKS: &[&str] = &["TODO", "TBD", "TBA", "FIXME"];

fn check(page: &Page<'_>, report: &mut Report<'_>) {
    for text in &page.look.texts {
        let whole = text.text();
        for span in words(whole) {
            let word = whole.get(span.start..span.end).unwrap_or_default();
            if MARKS.contains(&word) && !text.is_code(span) && !is_a_name(whole, span, text.kind) {
                report
                    .at(text.place(span), format!("`{word}`: this is not finished"))
                    .help("write it, or say whom to call as long as it is not written");
                // One finding is enough for a block.
                break;
            }
        }
    }
}

fn words(text: &str) -> impl Iterator<Item = Span> {
    let is_word = |c: char| c.is_alphanumeric() || c == '_' || c == '-';
    let mut at = 0;
    text.split_inclusive(move |c| !is_word(c)).map(move |part| {
        let word = part.trim_end_matches(move |c| !is_word(c));
        let span = Span::new(at, at + word.len());
        at += part.len();
        span
    })
}

/// Whether the word is spoken about: "the TODO list", "every TODO".
fn is_a_name(text: &str, span: Span, kind: TextKind) -> bool {
    let after = text.get(span.end..).unwrap_or_default().trim_start().to_lowercase();
    kind != TextKind::Heading && ["list", "item", "comment", "app"].iter().any(|noun| after.starts_with(noun))
}

#[cfg(test)]
mod tests {
    use super::RULE;

    cases! {
        bad: [
            "# T\n\nFirst **TODO**: write this\n" => [(3, 9)],
            "# T\n\n- a\n- TBD\n\n| x | TODO |\n| - | - |\n| FIXME | y |\n" => [(4, 3), (6, 7), (8, 3)],
            "# TODO\n\nx\n" => [(1, 3)],
        ],
        good: [
            "# T\n\nClose every `TODO` and run `grep TODO`. <!-- TODO: a picture -->\n",
            "# T\n\n```bash\ngrep -r TODO .\n```\n",
            "# T\n\nThe TODO list of the on-call; our todo app; a [TODO](x.md).\n",
        ],
    }
}
