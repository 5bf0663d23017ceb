//! What coverage and lint look at beside runbooks: the scenarios of the project, and the drills that lie on disk.

use crate::archive;
use crate::assurance::coverage::Scenario;
use crate::assurance::services::ProjectNames;
use crate::error::Error;
use crate::faults::class_of;
use crate::output::say_line;
use crate::record::{Record, Verdict};
use crate::report::SeenRun;
use crate::runbook::Command;
use crate::source::{Severity, tidy};
use crate::spec::{Overrides, Plan, PlannedFault, load, outline, project_scenarios};
use std::path::{Path, PathBuf};

/// The scenarios of a project.
#[derive(Debug, Default)]
pub struct Scenarios {
    /// Those that can be used.
    pub fit: Vec<Scenario>,
    /// Every one by name, also those that cannot be used, and whether it is a DR scenario.
    pub dr: Vec<(String, bool)>,
    /// Those with mistakes: the file, the runbook that it names, and how many mistakes.
    pub unfit: Vec<(PathBuf, Option<PathBuf>, usize)>,
}

impl Scenarios {
    /// What `services.yaml` may name of them.
    pub fn named(&self) -> ProjectNames {
        let classes = self.fit.iter().flat_map(|scenario| &scenario.faults).filter_map(|(class, _)| class.clone());
        let scenarios = self.dr.iter().map(|(name, _)| name.clone());
        ProjectNames { scenarios: scenarios.collect(), classes: classes.collect() }
    }
}

/// Reads every scenario of the project.
pub fn scenarios(project: &Path) -> Scenarios {
    let overrides = Overrides { project: project.to_path_buf(), ..Overrides::default() };
    let mut found = Scenarios::default();
    for path in project_scenarios(project) {
        let outline = outline(&path);
        let (plan, diags) = load(&path, &overrides);
        found.dr.push((outline.name, plan.as_ref().is_some_and(|plan| plan.restore.is_some())));
        match plan {
            Some(plan) => found.fit.push(coverable(&plan)),
            None => {
                let mistakes = diags.all.iter().filter(|mistake| mistake.level == Severity::Error).count();
                found.unfit.push((path, outline.runbook.map(PathBuf::from), mistakes));
            }
        }
    }
    found
}

/// What coverage looks at in a plan.
fn coverable(plan: &Plan) -> Scenario {
    let class = |planned: &PlannedFault| {
        class_of(planned.fault.kind(), planned.fault.facts.covers.as_deref()).map(str::to_string)
    };
    let services = |planned: &PlannedFault| {
        let load = plan.loads.iter().find(|load| planned.fault.facts.load.as_deref() == Some(load.name.as_str()));
        planned.fault.facts.services.clone().into_iter().chain(load.and_then(|load| plan.service_of(load))).collect()
    };
    let steps = plan.runbook.iter().flat_map(|runbook| runbook.select(&plan.respond.phases));
    let follows = steps.filter(|step| {
        let is_run = |command: &Command| step.settings(command.block).skip.is_none();
        step.replaced.is_none() && step.commands().iter().any(is_run)
    });
    Scenario {
        name: plan.name.clone(),
        stack: plan.stack.file.clone(),
        faults: plan.faults.iter().map(|planned| (class(planned), services(planned))).collect(),
        runbook: plan.runbook.as_ref().map(|runbook| runbook.source.path.clone()),
        follows: follows.map(|step| step.id.clone()).collect(),
        alert: plan.condition().map(|(_, when)| when.clone()),
        page: plan.page().and_then(|page| page.alert.clone()),
        rto: plan.rto,
        expects_failure: plan.expect != Verdict::Passed,
    }
}

/// The drills below these paths, or below the project's `.firedrill` when none is named. One record at a time: there may be
/// thousands.
pub fn drills(paths: &[PathBuf], project: &Path) -> Result<Vec<SeenRun>, Error> {
    let mut drills = Vec::new();
    each_run(paths, project, EVERY, |record| drills.extend(SeenRun::of_drill(record)))?;
    Ok(drills)
}

/// These paths; the project's `.firedrill` when none is named and it is there.
pub fn runs_of(paths: &[PathBuf], project: &Path) -> Vec<PathBuf> {
    let own = tidy(&project.join(".firedrill"));
    if paths.is_empty() && own.is_dir() { vec![own] } else { paths.to_vec() }
}

/// Every run is wanted.
pub const EVERY: fn(&Path) -> bool = |_| true;

/// Hands each of these runs that is wanted, by its directory, to `take`, one at a time; warns of what cannot be read, and returns it.
pub fn each_run(
    paths: &[PathBuf],
    project: &Path,
    wanted: impl Fn(&Path) -> bool,
    mut take: impl FnMut(&Record),
) -> Result<Vec<String>, Error> {
    let found = archive::find(&runs_of(paths, project))
        .map_err(|error| Error::usage(error.to_string()).hint("name directories that hold runs or game days"))?;
    let mut problems = found.problems;
    for dir in found.runs.iter().filter(|dir| wanted(dir)) {
        match archive::read_run(dir) {
            Ok(record) => take(&record),
            Err(error) => problems.push(error.to_string()),
        }
    }
    problems.iter().for_each(|problem| say_line(&format!("warning: {problem}")));
    Ok(problems)
}
