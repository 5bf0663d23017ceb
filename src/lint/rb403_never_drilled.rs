//! RB403: mitigation steps that no scenario has ever exercised.

use super::{Check, Evidence, Explain, Page, Project, Report, Rule};
use crate::runbook::{RunbookPhase, Step};
use crate::source::{Level, list};

pub(super) const RULE: Rule = Rule {
    id: "RB403",
    level: Some(Level::Warning),
    title: "a mitigation step that no scenario has ever exercised",
    explain: Explain {
        finds: "A step of a mitigation whose commands no scenario of the project runs as they are written: its phase is not \
                followed, its condition is never chosen, the scenario skips it or puts other commands in its place. With \
                `--history` it must have run in a drill, too. A page that no scenario follows at all is told once, as `info`, where \
                scenarios follow other pages of its folder. Steps without commands, those that only a person can do, and those \
                that the page itself skips with a reason are left alone; a project without scenarios is, too.",
        why: "A command that nobody has ever run under the fault is a guess. The incident is the worst time to find out.",
        bad: "",
        good: "\
# Queue is full

## Mitigation

Add a worker.
",
    },
    check: Check::Project(check),
};

fn check(project: &Project, pages: &[Page<'_>], report: &mut Report<'_>) {
    let Some(evidence) = &project.evidence else { return };
    for page in pages.iter().filter(|page| !evidence.unknown.contains(&page.source.path)) {
        let Some(runbook) = page.runbook else { continue };
        let steps: Vec<&Step> = runbook.steps.iter().filter(|step| is_meant(step)).collect();
        let Some(first) = steps.first() else { continue };
        let drilled = |step: &Step| evidence.of_step(&page.source.path, &step.id).next().is_some();
        let scenarios: Vec<&str> =
            evidence.of_page(&page.source.path).map(|follows| follows.scenario.as_str()).collect();
        if scenarios.is_empty() {
            if !steps.iter().any(|step| drilled(step)) && has_drilled_neighbours(evidence, page) {
                let found = report.in_file(page.source, page.first_line(first.span), "no scenario follows this runbook");
                found.help("write one: `firedrill init` shows how");
                // There are more runbooks than anybody drills.
                if Some(found.level) == RULE.level {
                    found.level = Level::Info;
                }
            }
            continue;
        }
        for step in steps.into_iter().filter(|step| !drilled(step)) {
            let following: Vec<&str> = evidence
                .of_page(&page.source.path)
                .filter(|follows| follows.steps.contains(&step.id))
                .map(|follows| follows.scenario.as_str())
                .collect();
            let span = page.first_line(step.span);
            if following.is_empty() {
                let help = format!(
                    "let {} follow `{}` as it is written (`respond.phases`, `steps: {{ {}: {{ choose: true }} }}`), or write a \
                     scenario in which it is what helps",
                    list(&scenarios),
                    step.id,
                    step.id
                );
                report.in_file(page.source, span, "no scenario has ever exercised this mitigation step").help(help);
            } else if evidence.drills.is_some() {
                let help = format!("`firedrill scenario {}` does", following.first().copied().unwrap_or_default());
                report.in_file(page.source, span, "no drill has ever run this mitigation step").help(help);
            }
        }
    }
}

/// A step of the mitigation that a drill could run.
fn is_meant(step: &Step) -> bool {
    let commands = step.commands().iter().chain(&step.held);
    let mut run = commands.filter(|command| command.by_hand.is_none() && step.settings(command.block).skip.is_none());
    step.phase == RunbookPhase::Mitigate && run.next().is_some()
}

fn has_drilled_neighbours(evidence: &Evidence, page: &Page<'_>) -> bool {
    evidence.follows.iter().any(|follows| follows.runbook.parent() == page.source.path.parent())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lint::evidence::tests::{drill, findings, follows};

    cases! {
        bad: [],
        good: ["# T\n\n## Fix\n\n```bash\ntrue\n```\n"],
    }

    const PAGE: &str = "# Queue is full\n\n## Mitigation\n\n### Add a worker\n\n```bash\nscale worker=2\n```\n\n\
        ### If the disk is full\n\n```bash\nclean-up\n```\n\n### Call somebody\n\nThe team.\n\n\
        ### Wipe the queue\n\n<!-- firedrill: skip=\"only the owner may\" -->\n```bash\nwipe\n```\n";
    const ADD: &str = "mitigate/add-a-worker";
    const DISK: &str = "mitigate/if-the-disk-is-full";

    #[test]
    fn steps_that_no_scenario_follows_are_found() {
        let all = Evidence { follows: vec![follows(&[ADD, DISK])], ..Evidence::default() };
        assert_eq!(findings(&RULE, PAGE, all), [""; 0]);
        let one = Evidence { follows: vec![follows(&[ADD])], ..Evidence::default() };
        assert_eq!(findings(&RULE, PAGE, one.clone()), ["warning 11:1 no scenario has ever exercised this mitigation step"]);
        let unknown = Evidence { unknown: vec!["page.md".into()], ..one };
        assert_eq!(findings(&RULE, PAGE, unknown), [""; 0], "a scenario with mistakes says nothing");
        assert_eq!(findings(&RULE, PAGE, Evidence::default()), [""; 0], "a project without scenarios");
    }

    #[test]
    fn a_page_that_nothing_follows_is_told_once() {
        let other = crate::lint::evidence::Follows { runbook: "other.md".into(), ..follows(&[ADD]) };
        let evidence = Evidence { follows: vec![other], ..Evidence::default() };
        assert_eq!(findings(&RULE, PAGE, evidence.clone()), ["info 5:1 no scenario follows this runbook"]);
        let drilled = Evidence { drills: Some(vec![drill(1, true, &[(ADD, "x")])]), ..evidence };
        assert_eq!(findings(&RULE, PAGE, drilled), [""; 0], "it was drilled by a scenario that is gone");
    }

    #[test]
    fn with_a_history_a_drill_must_have_run_the_step() {
        let all = Evidence { follows: vec![follows(&[ADD, DISK])], drills: Some(Vec::new()), ..Evidence::default() };
        let never = "no drill has ever run this mitigation step";
        assert_eq!(findings(&RULE, PAGE, all.clone()), [format!("warning 5:1 {never}"), format!("warning 11:1 {never}")]);
        let drills = Some(vec![drill(1, false, &[(ADD, "x")])]);
        let ran = Evidence { drills, ..all };
        assert_eq!(findings(&RULE, PAGE, ran), [format!("warning 11:1 {never}")], "failed, but exercised");
    }
}
