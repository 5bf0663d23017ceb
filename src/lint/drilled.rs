//! RB403 and RB404: what scenarios and drills say about the steps of runbooks. Whoever lints gathers it; without it these
//! rules find nothing.

use super::{FindingReport, LintPage, Project};
use crate::report::SeenRun;
use crate::runbook::{RunbookPhase, Step};
use crate::source::{list, shorten};
use std::path::{Path, PathBuf};

/// The scenarios of the project and, where somebody asks for them, the drills that were run.
#[derive(Debug, Clone, Default)]
pub struct Evidence {
    /// Which steps scenarios follow.
    pub follows: Vec<Follows>,
    /// Runbooks of scenarios that have mistakes: nothing can be told about them.
    pub unknown: Vec<PathBuf>,
    /// The drills, each with the page that it followed, by the path under which that is linted; `None` where only the scenarios are
    /// looked at.
    pub drills: Option<Vec<(PathBuf, SeenRun)>>,
}

/// A scenario with its runbook.
#[derive(Debug, Clone)]
pub struct Follows {
    /// Its name.
    pub scenario: String,
    /// The page, by the path under which it is linted.
    pub runbook: PathBuf,
    /// Ids of the steps whose commands it runs as they are written.
    pub steps: Vec<String>,
}

impl Evidence {
    /// The drills in which a step of a page ran.
    fn of_step<'a>(&'a self, page: &'a Path, step: &'a Step) -> impl Iterator<Item = &'a SeenRun> {
        let own = self.drills.iter().flatten().filter(move |(runbook, _)| runbook == page).map(|(_, drill)| drill);
        own.filter(move |drill| drill.followed.iter().any(|(id, _)| *id == step.id))
    }
}

/// RB403: mitigation steps that no scenario has ever exercised.
pub(super) fn never(project: &Project, pages: &[LintPage<'_>], report: &mut FindingReport<'_>) {
    let Some(evidence) = &project.evidence else { return };
    for page in pages.iter().filter(|page| !evidence.unknown.contains(&page.source.path)) {
        let path = &page.source.path;
        // Those of the mitigation that a drill could run.
        let runs = |step: &Step| {
            let mut commands = step.all_commands.iter();
            commands.any(|command| command.by_hand.is_none() && step.settings(command.block).skip.is_none())
        };
        let steps = page.runbook.iter().flat_map(|runbook| &runbook.steps);
        let steps: Vec<&Step> = steps.filter(|step| step.phase == RunbookPhase::Mitigate && runs(step)).collect();
        let Some(first) = steps.first() else { continue };
        let drilled = |step: &Step| evidence.of_step(path, step).next().is_some();
        let follows: Vec<&Follows> = evidence.follows.iter().filter(|follows| follows.runbook == *path).collect();
        if follows.is_empty() {
            let is_neighbour = |other: &Follows| other.runbook.parent() == path.parent();
            if !steps.iter().any(|step| drilled(step)) && evidence.follows.iter().any(is_neighbour) {
                let place = page.first_line(first.span);
                let found = report.in_file(page.source, place, "no scenario follows this runbook");
                found.help("write one: `firedrill init` shows how");
                // There are more runbooks than anybody drills.
                report.only_info();
            }
            continue;
        }
        for step in steps.into_iter().filter(|step| !drilled(step)) {
            let id = &step.id;
            let (what, help) = match follows.iter().find(|follows| follows.steps.contains(id)) {
                None => {
                    let names: Vec<&str> = follows.iter().map(|follows| follows.scenario.as_str()).collect();
                    let choose = format!("`respond.phases`, `steps: {{ {id}: {{ choose: true }} }}`");
                    let names = list(&names);
                    let help = format!(
                        "let {names} follow `{id}` as it is written ({choose}), or write a scenario in which it is what helps"
                    );
                    ("no scenario has ever exercised this mitigation step", help)
                }
                Some(follows) if evidence.drills.is_some() => (
                    "no drill has ever run this mitigation step",
                    format!("`firedrill scenario {}` does", follows.scenario),
                ),
                Some(_) => continue,
            };
            report.in_file(page.source, page.first_line(step.span), what).help(help);
        }
    }
}

/// RB404: steps that are not what was drilled.
pub(super) fn changed(project: &Project, pages: &[LintPage<'_>], report: &mut FindingReport<'_>) {
    let Some(evidence) = &project.evidence else { return };
    for page in pages {
        for step in page.runbook.iter().flat_map(|runbook| &runbook.steps) {
            let passed = evidence.of_step(&page.source.path, step).filter(|drill| drill.passed());
            let Some(last) = passed.max_by_key(|drill| drill.at) else { continue };
            if last.followed.iter().any(|(id, hash)| *id == step.id && *hash == step.hash) {
                continue;
            }
            let scenario = shorten(&last.scenario);
            let what =
                format!("this step has changed since its last passing drill, `{scenario}` of {}", last.at.date());
            let found = report.in_file(page.source, page.first_line(step.span), what);
            found.help(format!("drill it as it is now: `firedrill scenario {scenario}`"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lint::LintRule;
    use crate::lint::page::Parsed;
    use crate::record::RunOutcome;
    use crate::record::testing::{Story, record_of};
    use crate::source::{Diagnostics, Severity, Source};

    cases! {
        rb403,
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
        assert_eq!(findings("RB403", PAGE, all), [""; 0]);
        let one = Evidence { follows: vec![follows(&[ADD])], ..Evidence::default() };
        assert_eq!(
            findings("RB403", PAGE, one.clone()),
            ["warning 11:1 no scenario has ever exercised this mitigation step"]
        );
        let unknown = Evidence { unknown: vec!["page.md".into()], ..one };
        assert_eq!(findings("RB403", PAGE, unknown), [""; 0], "a scenario with mistakes says nothing");
        assert_eq!(findings("RB403", PAGE, Evidence::default()), [""; 0], "a project without scenarios");
    }

    #[test]
    fn a_page_that_nothing_follows_is_told_once() {
        let other = Follows { runbook: "other.md".into(), ..follows(&[ADD]) };
        let evidence = Evidence { follows: vec![other], ..Evidence::default() };
        assert_eq!(findings("RB403", PAGE, evidence.clone()), ["info 5:1 no scenario follows this runbook"]);
        let drilled = Evidence { drills: Some(vec![drill(1, true, &[(ADD, "x")])]), ..evidence };
        assert_eq!(findings("RB403", PAGE, drilled), [""; 0], "it was drilled by a scenario that is gone");
    }

    #[test]
    fn with_a_history_a_drill_must_have_run_the_step() {
        let all = Evidence { follows: vec![follows(&[ADD, DISK])], drills: Some(Vec::new()), ..Evidence::default() };
        let never = "no drill has ever run this mitigation step";
        assert_eq!(
            findings("RB403", PAGE, all.clone()),
            [format!("warning 5:1 {never}"), format!("warning 11:1 {never}")]
        );
        let drills = Some(vec![drill(1, false, &[(ADD, "x")])]);
        let ran = Evidence { drills, ..all };
        assert_eq!(findings("RB403", PAGE, ran), [format!("warning 11:1 {never}")], "failed, but exercised");
    }

    cases! {
        rb404,
        bad: [],
        good: ["# T\n\n## Fix\n\n```bash\ntrue\n```\n"],
    }

    #[test]
    fn the_last_drill_that_passed_is_compared() {
        let now = hash_of(PAGE, ADD);
        let told = |drills| findings("RB404", PAGE, Evidence { drills: Some(drills), ..Evidence::default() });
        let changed = ["warning 5:1 this step has changed since its last passing drill, `queue` of 2026-11-20"];
        assert_eq!(told(vec![drill(1, true, &[(ADD, &now)])]), [""; 0]);
        assert_eq!(told(vec![drill(1, true, &[(ADD, "other")])]), changed);
        assert_eq!(told(vec![drill(2, true, &[(ADD, "other")]), drill(1, true, &[(ADD, &now)])]), changed);
        assert_eq!(told(vec![drill(1, true, &[(ADD, "other")]), drill(2, true, &[(ADD, &now)])]), [""; 0]);
        assert_eq!(told(vec![drill(1, false, &[(ADD, "other")])]), [""; 0], "it did not pass");
        assert_eq!(told(vec![drill(1, true, &[("mitigate/other", "other")])]), [""; 0], "it did not run");
    }

    fn follows(steps: &[&str]) -> Follows {
        let steps = steps.iter().map(|step| step.to_string()).collect();
        Follows { scenario: "queue".into(), runbook: "page.md".into(), steps }
    }

    fn drill(later: i64, passed: bool, steps: &[(&str, &str)]) -> (PathBuf, SeenRun) {
        let followed = steps.iter().map(|(id, hash)| (id.to_string(), hash.to_string())).collect();
        let seen = SeenRun::of(&record_of(Story::Passed)).expect("a drill");
        let at = seen.at + time::Duration::seconds(later);
        let outcome = if passed { RunOutcome::Passed } else { RunOutcome::Failed };
        ("page.md".into(), SeenRun { scenario: "queue".into(), at, outcome, followed, ..seen })
    }

    fn hash_of(page: &str, step: &str) -> String {
        let parsed = Parsed::new(Source::new("page.md", page));
        let steps = parsed.runbook.expect("a runbook").steps;
        steps.iter().find(|own| own.id == step).expect("the step").hash.clone()
    }

    /// The findings of a rule on `page.md`, each as `level line:column message`.
    fn findings(rule: &str, page: &str, evidence: Evidence) -> Vec<String> {
        let project = Project { evidence: Some(evidence), ..Project::default() };
        let parsed = Parsed::new(Source::new("page.md", page));
        let page = parsed.page();
        let mut found = Diagnostics::default();
        LintRule::find(rule).expect("a rule").look_at_all(&project, &[page], Severity::Warning, &mut found);
        let told = found.sorted().into_iter().map(|d| {
            let pos = d.source.pos(d.span.start);
            format!("{} {}:{} {}", d.level.name(), pos.line, pos.column, d.message)
        });
        told.collect()
    }
}
