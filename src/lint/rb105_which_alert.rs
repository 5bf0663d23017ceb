//! RB105: pages that nobody finds by what woke them up.

use super::{Check, Explain, Page, Project, Report, Rule};
use crate::runbook::RunbookPhase;
use crate::source::Level;

pub(super) const RULE: Rule = Rule {
    id: "RB105",
    level: Some(Level::Info),
    title: "no word on which alert or symptom leads to it",
    explain: Explain {
        finds: "A page with a mitigation that speaks of no alert, alarm, symptom or trigger, and whose title is no name \
                of an alert (`KubePodCrashLooping`). It is told once, on the first such page.",
        why: "Whoever is woken up has the name of an alert, and looks for the page that answers it.",
        bad: "\
# Payments

## Mitigation

Restart the service.
",
        good: "\
# Payments

Alert: `PaymentsSlow`

## Mitigation

Restart the service.
",
    },
    check: Check::Project(check),
};

/// Words by which people say what leads to a page.
const LEADS: &[&str] = &[
    "alert*", "alarm*", "symptom*", "trigger*", "fires", "fired", "firing", "detect*", "paged", "pagerduty", "opsgenie",
    "use this runbook", "when to use", "indicator*", "purpose", "scope", "impact",
];

fn check(_: &Project, pages: &[Page<'_>], report: &mut Report<'_>) {
    let unnamed = |page: &&Page<'_>| {
        let title = page.text(page.top()).trim_start_matches(['#', ' ']);
        let is_name = !title.contains(' ') && title.chars().filter(|c| c.is_ascii_uppercase()).count() > 1;
        page.acts() && !is_name && !page.has_phase(RunbookPhase::Detect) && !page.says(LEADS)
    };
    let help = "add `Alert:` with its name below the title, or what users and dashboards show";
    report.once(pages.iter().filter(unnamed), "nothing on this page says which alert or symptom leads to it", help);
}

#[cfg(test)]
mod tests {
    use super::RULE;

    cases! {
        bad: ["# Queue is full\n\n## Fix\n\nRestart it.\n" => [(1, 1)]],
        good: [
            "# QueueFull\n\n## Fix\n\nRestart it.\n",
            "# Queue\n\n## Symptoms\n\nOrders wait.\n\n## Fix\n\nRestart it.\n",
            "# Queue\n\nNothing to be done here.\n",
        ],
    }
}
