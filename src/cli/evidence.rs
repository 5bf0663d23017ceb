//! What lies on disk beside runbooks: the scenarios of the project, its drills, and which run is meant by a name: its directory, its id or
//! a part of it, `latest`.

use crate::archive::{self, FoundRuns};
use crate::assurance::coverage::Scenario;
use crate::assurance::services::ProjectNames;
use crate::error::Error;
use crate::faults::class_of;
use crate::output::say_line;
use crate::record::{Record, Verdict};
use crate::report::SeenRun;
use crate::runbook::Command;
use crate::source::{Severity, list, shorten, tidy};
use crate::spec::{Overrides, Plan, PlannedFault, load, outline, project_scenarios};
use std::path::{Path, PathBuf};

/// Folders that hold other people's code.
const FOREIGN: [&str; 5] = ["node_modules", "vendor", "target", "venv", "site-packages"];

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
    let faults = plan.faults.iter().filter(|planned| !planned.timing.noise);
    Scenario {
        name: plan.name.clone(),
        stack: plan.stack.file.clone(),
        faults: faults.map(|planned| (class(planned), services(planned))).collect(),
        runbook: plan.runbook.as_ref().map(|runbook| runbook.source.path.clone()),
        follows: follows.map(|step| step.id.clone()).collect(),
        alert: plan.detect.condition.as_ref().map(|(_, when)| when.clone()),
        page: plan.detect.page.as_ref().and_then(|page| page.alert.clone()),
        rto: plan.rto,
        expects_failure: plan.expect != Verdict::Passed,
    }
}

/// The drills below these paths, or below the project's `.firedrill` when none is named. One record at a time: there may be
/// thousands.
pub fn drills(paths: &[PathBuf], project: &Path) -> Result<Vec<SeenRun>, Error> {
    let mut drills = Vec::new();
    each_run(found_runs(paths, project)?, |record| drills.extend(SeenRun::of_drill(record)));
    Ok(drills)
}

/// These paths; the project's `.firedrill` when none is named and it is there.
pub fn runs_of(paths: &[PathBuf], project: &Path) -> Vec<PathBuf> {
    let own = tidy(&project.join(".firedrill"));
    if paths.is_empty() && own.is_dir() { vec![own] } else { paths.to_vec() }
}

/// The runs below these paths; below the project's `.firedrill` when none is named.
pub fn found_runs(paths: &[PathBuf], project: &Path) -> Result<FoundRuns, Error> {
    archive::find(&runs_of(paths, project))
        .map_err(|error| Error::usage(error.to_string()).hint("name directories that hold runs or game days"))
}

/// Hands each of these runs to `take`, one at a time; warns of what cannot be read, and returns it.
pub fn each_run(found: FoundRuns, mut take: impl FnMut(&Record)) -> Vec<String> {
    let mut problems = found.problems;
    for dir in &found.runs {
        match archive::read_run(dir) {
            Ok(record) => take(&record),
            Err(error) => problems.push(error.to_string()),
        }
    }
    problems.iter().for_each(|problem| say_line(&format!("warning: {problem}")));
    problems
}

/// The directory of the run that is meant.
pub fn run_dir(name: &str, project: &Path) -> Result<PathBuf, Error> {
    let path = Path::new(name);
    if archive::run_id(path).is_some() {
        return Ok(path.to_path_buf());
    }
    let mut found = all(project)?;
    found.retain(|(id, _)| name == "latest" || id.contains(name));
    let newest: Vec<&str> = found.iter().rev().take(3).map(|(id, _)| id.as_str()).collect();
    match found.as_slice() {
        [] => Err(Error::usage(format!("there is no run `{}`", shorten(name)))
            .hint("name its directory, its id or a part of it, or `latest`; `firedrill history SCENARIO` has ids")),
        [.., (_, dir)] if name == "latest" || found.len() == 1 => Ok(dir.clone()),
        several => Err(Error::usage(format!("`{}` stands in the ids of {} runs", shorten(name), several.len()))
            .hint(format!("the newest are {}", list(&newest)))),
    }
}

/// The real directory of the run that is named, otherwise of the newest drill that runs now.
pub fn named_or_running(name: Option<&str>, project: &Path) -> Result<PathBuf, Error> {
    let alive = || all(project).map(|all| all.into_iter().rev().find(|(_, dir)| archive::is_under_way(dir)));
    let none = || Error::usage("no drill is running in this project").hint("`--run RUN` names one that has ended");
    let dir = match name {
        Some(name) => run_dir(name, project)?,
        None => alive()?.ok_or_else(none)?.1,
    };
    dir.canonicalize().map_err(|error| Error::harness(format!("{}: {error}", dir.display())))
}

/// Who sits at this terminal.
pub fn user() -> String {
    let named = ["USER", "LOGNAME"].iter().filter_map(|name| std::env::var(name).ok()).find(|name| !name.is_empty());
    named.unwrap_or_else(|| "somebody".into())
}

/// Every run of the project, oldest first.
fn all(project: &Path) -> Result<Vec<(String, PathBuf)>, Error> {
    let mut all: Vec<_> =
        found_runs(&[], project)?.runs.into_iter().filter_map(|dir| Some((archive::run_id(&dir)?, dir))).collect();
    all.sort();
    Ok(all)
}

/// What lies in a folder, by name.
pub fn entries(folder: &Path) -> Vec<PathBuf> {
    let mut all: Vec<PathBuf> = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|e| e.path()).collect();
    all.sort();
    all
}

/// The folders below one, so deep: none that is hidden or holds other people's code.
pub fn folders(folder: &Path, depth: usize) -> Vec<PathBuf> {
    let is_own = |path: &PathBuf| {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or(".");
        // A link may lead out of the project, or round in circles.
        let is_folder = path.symlink_metadata().is_ok_and(|about| about.is_dir());
        is_folder && !name.starts_with('.') && !FOREIGN.contains(&name)
    };
    let with_those_below = |path: PathBuf| {
        let below = if depth > 1 { folders(&path, depth - 1) } else { Vec::new() };
        std::iter::once(path).chain(below)
    };
    entries(folder).into_iter().filter(is_own).flat_map(with_those_below).collect()
}
