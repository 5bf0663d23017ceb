//! RB404: steps that are not what was drilled.

use super::{Check, Explain, Page, Project, Report, Rule};
use crate::source::{Level, shorten};

pub(super) const RULE: Rule = Rule {
    id: "RB404",
    level: Some(Level::Warning),
    title: "a step that changed since its last passing drill",
    explain: Explain {
        finds: "A step whose text is not the one that ran in the last drill that passed with it. Only with `--history`, which \
                says where the records of drills are. Steps that never ran in a drill that passed, or for which a scenario \
                had other commands, are not compared.",
        why: "The green drill of last night was about another text. What people will follow tonight nobody has tried.",
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
    for page in pages {
        for step in page.runbook.iter().flat_map(|runbook| &runbook.steps) {
            let passed = evidence.of_step(&page.source.path, &step.id).filter(|drill| drill.passed);
            let Some(last) = passed.max_by_key(|drill| drill.at) else { continue };
            if last.steps.iter().any(|(id, hash)| *id == step.id && *hash == step.hash) {
                continue;
            }
            let scenario = shorten(&last.scenario);
            let message = format!("this step has changed since its last passing drill, `{scenario}` of {}", last.day);
            report
                .in_file(page.source, page.first_line(step.span), message)
                .help(format!("drill it as it is now: `firedrill scenario {scenario}`"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lint::Evidence;
    use crate::lint::evidence::tests::{drill, findings, hash_of};

    cases! {
        bad: [],
        good: ["# T\n\n## Fix\n\n```bash\ntrue\n```\n"],
    }

    const PAGE: &str = "# Queue is full\n\n## Mitigation\n\n### Add a worker\n\n```bash\nscale worker=2\n```\n";
    const ADD: &str = "mitigate/add-a-worker";

    #[test]
    fn the_last_drill_that_passed_is_compared() {
        let now = hash_of(PAGE, ADD);
        let told = |drills| findings(&RULE, PAGE, Evidence { drills: Some(drills), ..Evidence::default() });
        let changed = ["warning 5:1 this step has changed since its last passing drill, `queue` of 2026-11-20"];
        assert_eq!(told(vec![drill(1, true, &[(ADD, &now)])]), [""; 0]);
        assert_eq!(told(vec![drill(1, true, &[(ADD, "other")])]), changed);
        assert_eq!(told(vec![drill(2, true, &[(ADD, "other")]), drill(1, true, &[(ADD, &now)])]), changed);
        assert_eq!(told(vec![drill(1, true, &[(ADD, "other")]), drill(2, true, &[(ADD, &now)])]), [""; 0]);
        assert_eq!(told(vec![drill(1, false, &[(ADD, "other")])]), [""; 0], "it did not pass");
        assert_eq!(told(vec![drill(1, true, &[("mitigate/other", "other")])]), [""; 0], "it did not run");
    }
}
