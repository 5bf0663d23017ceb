//! RB108: a mitigation that is a telephone number.

use super::words::holds;
use super::{Check, Explain, Page, Report, Rule};
use crate::runbook::RunbookPhase;
use crate::runbook::look::{Heading, TextKind};
use crate::source::Level;

pub(super) const RULE: Rule = Rule {
    id: "RB108",
    level: Some(Level::Warning),
    title: "a mitigation that only escalates",
    explain: Explain {
        finds: "A mitigation section without commands in which every sentence calls, pages, notifies or asks somebody.",
        why: "The one who was woken up can do nothing but wake up the next one, and users wait that much longer. Say what \
              can be done until the others are there; if it is truly nothing, page them directly and drop the runbook.",
        bad: "\
# Ledger is behind

## Mitigation

Contact the ledger team.
",
        good: "\
# Ledger is behind

## Mitigation

1. Stop the nightly import: it can be run again tomorrow.
2. Contact the ledger team.
",
    },
    check: Check::Page(check),
};

/// Sentences that hold one of these wake up somebody else.
const CALLS: &[&str] = &[
    "contact*", "call the", "call your", "escalat*", "notify", "page the", "page your", "inform", "reach out", "ask the",
    "ask your", "open a ticket", "raise a ticket", "file a ticket", "open an issue", "get in touch", "get help",
];

fn check(page: &Page<'_>, report: &mut Report<'_>) {
    let is_mitigation = |heading: &&Heading| heading.phase == RunbookPhase::Mitigate;
    let mitigations: Vec<&Heading> = page.look.headings.iter().filter(is_mitigation).collect();
    let Some(first) = mitigations.first() else { return };
    let within = |at: usize| page.look.phase(at) == RunbookPhase::Mitigate;
    let mut texts = page.look.texts.iter().filter(|text| text.kind != TextKind::Heading && within(text.span.start));
    let does = page.look.fences.iter().any(|fence| within(fence.span.start));
    let mut sentences = 0;
    let only_calls = texts.all(|text| {
        text.text().split(['.', ';', '!']).filter(|sentence| !sentence.trim().is_empty()).all(|sentence| {
            sentences += 1;
            holds(sentence, CALLS)
        })
    });
    if only_calls && sentences > 0 && !does {
        report
            .at(first.span, "this mitigation only calls somebody else")
            .help("say what can be done until they are there, or page them directly");
    }
}

#[cfg(test)]
mod tests {
    use super::RULE;

    cases! {
        bad: [
            "# T\n\n## Mitigation\n\nContact the DBA team.\n" => [(3, 1)],
            "# T\n\n## Resolution\n\n- Escalate to SRE\n- Open a ticket\n\n## Links\n\nx\n" => [(3, 1)],
        ],
        good: [
            "# T\n\n## Mitigation\n\nRestart it. Contact the DBA team.\n",
            "# T\n\n## Mitigation\n\nContact the DBA team.\n\n```bash\nls\n```\n",
            "# T\n\n## Mitigation\n\n- Escalate to SRE\n- Scale it out\n",
            "# T\n\n## Escalation\n\nContact the DBA team.\n",
            "# T\n\n## Mitigation\n\n## Links\n\nx\n",
        ],
    }
}
