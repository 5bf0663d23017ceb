//! What scenarios and drills say about the steps of runbooks: RB403 and RB404 look at it. Whoever lints gathers it; without
//! it those rules find nothing.

use std::path::{Path, PathBuf};

/// The scenarios of the project and, where somebody asks for them, the drills that were run.
#[derive(Debug, Clone, Default)]
pub struct Evidence {
    /// Which steps scenarios follow.
    pub follows: Vec<Follows>,
    /// Runbooks of scenarios that have mistakes: nothing can be told about them.
    pub unknown: Vec<PathBuf>,
    /// The drills; `None` where only the scenarios are looked at.
    pub drills: Option<Vec<Drilled>>,
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

/// A drill with its runbook.
#[derive(Debug, Clone)]
pub struct Drilled {
    /// The scenario.
    pub scenario: String,
    /// The page, by the path under which it is linted.
    pub runbook: PathBuf,
    /// The day, as `2026-11-20`.
    pub day: String,
    /// When it began, in seconds since the epoch.
    pub at: i64,
    /// Whether it passed.
    pub passed: bool,
    /// The steps whose commands ran as they were written: id and SHA-256 of the text.
    pub steps: Vec<(String, String)>,
}

impl Evidence {
    /// The scenarios that follow a page.
    pub(super) fn of_page<'a>(&'a self, page: &'a Path) -> impl Iterator<Item = &'a Follows> {
        self.follows.iter().filter(move |follows| follows.runbook == page)
    }

    /// The drills in which a step of a page ran.
    pub(super) fn of_step<'a>(&'a self, page: &'a Path, step: &'a str) -> impl Iterator<Item = &'a Drilled> {
        let own = self.drills.iter().flatten().filter(move |drill| drill.runbook == page);
        own.filter(move |drill| drill.steps.iter().any(|(id, _)| id == step))
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::lint::page::Parsed;
    use crate::lint::{Check, Project, Report, Rule};
    use crate::source::{Diagnostics, Level, Source};

    pub fn follows(steps: &[&str]) -> Follows {
        let steps = steps.iter().map(|step| step.to_string()).collect();
        Follows { scenario: "queue".into(), runbook: "page.md".into(), steps }
    }

    pub fn drill(at: i64, passed: bool, steps: &[(&str, &str)]) -> Drilled {
        let steps = steps.iter().map(|(id, hash)| (id.to_string(), hash.to_string())).collect();
        Drilled { scenario: "queue".into(), runbook: "page.md".into(), day: "2026-11-20".into(), at, passed, steps }
    }

    pub fn hash_of(page: &str, step: &str) -> String {
        let parsed = Parsed::new(Source::new("page.md", page));
        let steps = parsed.runbook.expect("a runbook").steps;
        steps.iter().find(|own| own.id == step).expect("the step").hash.clone()
    }

    /// The findings of a rule on `page.md`, each as `level line:column message`.
    pub fn findings(rule: &Rule, page: &str, evidence: Evidence) -> Vec<String> {
        let project = Project { evidence: Some(evidence), ..Project::default() };
        let parsed = Parsed::new(Source::new("page.md", page));
        let page = parsed.page(&project);
        let mut found = Diagnostics::default();
        let Check::Project(check) = rule.check else { panic!("{} looks at the project", rule.id) };
        check(&project, &[page], &mut Report::new(rule.id, Level::Warning, None, &mut found));
        let told = found.sorted().into_iter().map(|d| {
            let pos = d.source.pos(d.span.start);
            format!("{} {}:{} {}", d.level.name(), pos.line, pos.column, d.message)
        });
        told.collect()
    }
}
