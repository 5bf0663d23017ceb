//! RB101: a runbook that does not say what helps.

use super::words::holds;
use super::{Check, Explain, Page, Report, Rule};
use crate::runbook::RunbookPhase;
use crate::runbook::look::{Reading, TextKind};
use crate::source::Level;

pub(super) const RULE: Rule = Rule {
    id: "RB101",
    level: Some(Level::Warning),
    title: "no mitigation section",
    explain: Explain {
        finds: "A page about an incident (it has a section on diagnosis, or on detection and escalation) without a section on what \
                helps: mitigation, resolution, remediation, fix, recovery, procedure. A page whose other sections hold \
                commands or numbered steps, or whose paragraphs begin with a word like \"Resolution:\", is left alone: \
                that may be the mitigation by another name.",
        why: "Whoever follows it learns what is wrong, and not how to end it. A drill finds nothing to follow.",
        bad: "\
# Queue is full

## Diagnosis

Look at the dashboard.

## Impact

Orders wait.
",
        good: "\
# Queue is full

## Diagnosis

Look at the dashboard.

## Mitigation

Add a worker, as in `scaling.md`.
",
    },
    check: Check::Page(check),
};

/// Words by which people say what helps, wherever they say it.
const HELPS: &[&str] = &[
    "mitigat*", "resol*", "remed*", "fix*", "recover*", "workaround*", "solution*", "restor*", "failover", "restart*",
];

fn check(page: &Page<'_>, report: &mut Report<'_>) {
    use RunbookPhase::{Detect, Diagnose, Mitigate, Other, Rollback};
    // A page that only mentions a trigger somewhere is not yet about an incident.
    let incident = ["impact", "meaning", "symptom*", "diagnos*", "detect*", "alert*", "trigger*", "escalat*", "investigat*"];
    let is_incident = page.look.headings.iter().any(|heading| holds(&heading.text, &incident)) && page.has_phase(Diagnose) || page.has_phase(Detect) && page.has_phase(RunbookPhase::Escalate);
    if page.is_index() || page.has_open_fence() || !is_incident || page.has_phase(Mitigate) || page.has_phase(Rollback) {
        return;
    }
    let says_so = page.look.texts.iter().any(|text| {
        // "**Resolution:** restart it" is a section in all but name; so is a heading that was not understood.
        let lead = text.text().split([':', '.', '\u{2013}', '\u{2014}']).next().unwrap_or_default();
        let short = lead.split_whitespace().count() <= 8;
        text.kind != TextKind::Cell && short && holds(lead, HELPS)
    });
    let acts_elsewhere = page.look.fences.iter().any(|fence| {
        matches!(fence.reading, Reading::Run | Reading::Held | Reading::Person)
            && page.look.phase(fence.span.start) == Other
    });
    let ordered_elsewhere =
        page.look.lists.iter().any(|list| list.start.is_some() && page.look.phase(list.span.start) == Other);
    if !says_so && !acts_elsewhere && !ordered_elsewhere {
        report
            .at(page.top(), "this runbook has no section that says what helps")
            .help("add `## Mitigation` with the steps, in order; if nobody on call can do anything, say whom to call");
    }
}

#[cfg(test)]
mod tests {
    use super::RULE;

    cases! {
        bad: [
            "# T\n\n## Diagnosis\n\nLook.\n" => [(1, 1)],
            "## Symptoms\n\nx\n\n## Escalation\n\ny\n" => [(1, 1)],
            "# T\n\n## Diagnosis\n\n```bash\nls\n```\n" => [(1, 1)],
        ],
        good: [
            "# T\n\n## Diagnosis\n\nLook.\n\n### How to fix it\n\nx\n",
            "# T\n\n## Symptoms\n\nx\n\n## Restart the service\n\n```bash\nsystemctl restart x\n```\n",
            "# T\n\n## Symptoms\n\nx\n\n## Failover\n\n1. Call.\n",
            "# T\n\n## Diagnosis\n\n### 1. The disk\n\n**Resolution:**\n- Empty it.\n",
            "# T\n\n## When it triggers\n\nx\n",
            "# Our runbooks\n\n- [a](a.md)\n",
            "# T\n\n## Overview\n\nWords.\n",
        ],
    }
}
