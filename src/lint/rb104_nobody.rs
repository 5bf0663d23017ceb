//! RB104: a runbook that leaves its reader alone.

use super::{Check, Explain, Page, Project, Report, Rule};
use crate::runbook::RunbookPhase;
use crate::source::Level;

pub(super) const RULE: Rule = Rule {
    id: "RB104",
    level: Some(Level::Info),
    title: "no owner or escalation path",
    explain: Explain {
        finds: "A page with a mitigation that names nobody: no escalation section, no owner, team, contact, pager, \
                channel or support, neither in the text nor in the code nor in the frontmatter, where the project has no CODEOWNERS. It is told once, on the first \
                such page.",
        why: "When the steps do not help, the next question is whom to wake up. It must not have to be found out.",
        bad: "\
# Checkout is down

## Mitigation

Restart the service.
",
        good: "\
# Checkout is down

Owner: Team Checkout, `#team-checkout`

## Mitigation

Restart the service.

## Escalation

Orders still fail after ten minutes: database on call, pager `db-primary`.
",
    },
    check: Check::Project(check),
};

/// Words by which people say who answers for it.
const WHO: &[&str] = &[
    "owner*", "owned by", "team*", "maintainer*", "contact*", "escalat*", "on-call", "oncall", "on call", "pager*",
    "opsgenie", "slack", "support", "call the", "call your", "ask the", "incident commander", "sre", "dba*",
    "administrator*", "notify", "author*", "responsible", "engineer*", "open an issue", "issue tracker", "phone",
];

fn check(project: &Project, pages: &[Page<'_>], report: &mut Report<'_>) {
    if project.has_codeowners() {
        return;
    }
    let nobody = |page: &&Page<'_>| page.acts() && !page.has_phase(RunbookPhase::Escalate) && !page.says(WHO);
    let help = "add who owns it below the title, and `## Escalation`: when to call whom";
    report.once(pages.iter().filter(nobody), "this runbook names nobody: no owner, nobody to escalate to", help);
}

#[cfg(test)]
mod tests {
    use super::RULE;

    cases! {
        bad: [
            "# T\n\n## Fix\n\nRestart it.\n" => [(1, 1)],
            "---\ntitle: T\n---\n\n## Fix\n\nRestart it.\n" => [(5, 1)],
        ],
        good: [
            "# T\n\n| **Owner** | x |\n| - | - |\n\n## Fix\n\nRestart it.\n",
            "---\nowner: shop\n---\n# T\n\n## Fix\n\nRestart it.\n",
            "# T\n\n## Fix\n\nRestart it, or call the database on call.\n",
            "# T\n\n## Fix\n\nx\n\n## Contacts\n\ny\n",
            "# T\n\n## Overview\n\nNothing to be done here.\n",
        ],
    }
}
