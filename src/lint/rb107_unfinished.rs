//! RB107: a page that its author has not finished.

use super::words::{find, words};
use super::{Check, Explain, Page, Report, Rule};
use crate::runbook::look::TextKind;
use crate::source::{Level, Span};

pub(super) const RULE: Rule = Rule {
    id: "RB107",
    level: Some(Level::Warning),
    title: "TODO, TBD, \"insert site specific\"",
    explain: Explain {
        finds: "Words that mark what is still to be written: TODO, TBD, FIXME, TBA in capitals, and short \
                texts like \"to be added\", \"coming soon\", \"insert site specific …\", also where a block holds nothing but such \
                a comment. Other code, links and comments are left alone.",
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
/// Phrases that stand for a text.
const PHRASES: &[&str] =
    &["insert site specific", "insert site-specific", "to be added", "to be written", "to be documented", "coming soon"];

fn check(page: &Page<'_>, report: &mut Report<'_>) {
    blocks(page, report);
    for text in &page.look.texts {
        let whole = text.text();
        let marked = words(whole).find(|(word, span)| MARKS.contains(word) && !is_a_name(whole, *span, text.kind));
        // A phrase counts where it is all that is said: "To be added."
        let phrase = find(whole, PHRASES).filter(|_| words(whole).count() <= 8);
        // One finding is enough for a block.
        if let Some(span) = marked.map(|(_, span)| span).or(phrase).filter(|span| !text.is_code(*span)) {
            unfinished(report, text.place(span), whole.get(span.start..span.end).unwrap_or_default());
        }
    }
}

/// A block that holds nothing but comments that say so: `# TODO: command needed`.
fn blocks(page: &Page<'_>, report: &mut Report<'_>) {
    for fence in &page.look.fences {
        let mut lines = fence.text().lines().filter(|line| !line.trim().is_empty());
        let only_comments = lines.all(|line| line.trim_start().starts_with(['#', '/', '<']));
        let mark = words(fence.text()).find(|(word, _)| MARKS.contains(word));
        if let Some((mark, span)) = mark.filter(|_| only_comments) {
            unfinished(report, fence.place(span), mark);
        }
    }
}

fn unfinished(report: &mut Report<'_>, at: Span, mark: &str) {
    report
        .at(at, format!("“{mark}”: this is not finished"))
        .help("write it, or say whom to call as long as it is not written");
}

/// Whether the word is spoken about: "the TODO list".
fn is_a_name(text: &str, span: Span, kind: TextKind) -> bool {
    let after = text.get(span.end..).unwrap_or_default().trim_start().chars().take(8);
    let after: String = after.flat_map(char::to_lowercase).collect();
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
            "# T\n\n## Meaning\n\nTo be added.\n" => [(5, 1)],
            "# T\n\n```bash\n# TODO: the command\n```\n" => [(4, 3)],
        ],
        good: [
            "# T\n\nClose every `TODO` and run `grep TODO`. <!-- TODO: a picture -->\n",
            "# T\n\n```bash\ngrep -r TODO .\n```\n\n```bash\n# TODO of the on-call\nls\n```\n",
            "# T\n\nThe TODO list of the on-call; our todo app; a [TODO](x.md).\n",
            "# T\n\nA worker has to be added when the queue grows beyond what two of them can take.\n",
        ],
    }
}
