//! What the report of a quarter is made from, as it lies on disk: runs, notes, services, scenarios, manifests.

use super::{DrArgs, intact};
use crate::archive;
use crate::assurance::coverage::{self, Coverage};
use crate::assurance::notes::{self, FOLDER};
use crate::assurance::services;
use crate::cli::Globals;
use crate::cli::evidence;
use crate::error::Error;
use crate::record::{RunOutcome, utc_now, utc_text};
use crate::report::{
    CoverageFacts, DrInput, DrNotes, DrServiceFacts, DrillInput, ModeFacts, Quarter, SeenRun, dr_tells,
};
use crate::source::{Diagnostics, tidy};
use time::OffsetDateTime;

/// Everything for the report of a quarter. Mistakes in notes and in the list of services end the command.
pub fn gather(args: &DrArgs, quarter: Quarter, globals: &Globals) -> Result<DrInput, Error> {
    let project = &globals.project;
    let mut notes = read_notes(args, globals)?;
    let made = utc_now();
    let paths = evidence::runs_of(&args.paths, project);
    let found = archive::find(&paths)
        .map_err(|error| Error::usage(error.to_string()).hint("name directories that hold runs or game days"))?;
    let mut problems: Vec<String> = found.problems.into_iter().map(|problem| format!("left out: {problem}")).collect();
    let (mut seen, mut covering, mut drills) = (Vec::new(), Vec::new(), Vec::new());
    let intact = intact::look(&paths);
    for dir in &found.runs {
        // One record at a time: there may be thousands.
        let record = match archive::read_run(dir) {
            Ok(record) => record,
            Err(error) => {
                problems.push(format!("left out, because it cannot be read: {error}"));
                continue;
            }
        };
        let Some(mut one) = SeenRun::of(&record) else { continue };
        if !one.ended && archive::is_under_way(dir) {
            problems.push(format!("left out, because it is still under way: {}", one.run));
            continue;
        }
        let changed = intact.changed(dir);
        if changed.is_some() {
            // Neither a pass nor a fail nor a figure follows from it, wherever runs are counted.
            one.outcome = RunOutcome::Broken;
            (one.rto_us, one.rpo_us, one.level) = (None, None, None);
        } else if one.at < quarter.end() {
            covering.extend(SeenRun::of_drill(&record));
        }
        if quarter.contains(one.at) && one.dr && one.ended {
            let events = archive::read_events(dir, dr_tells).unwrap_or_else(|error| {
                problems.push(format!("the timeline of a drill is missing: {error}"));
                Vec::new()
            });
            drills.push(DrillInput { record, events, changed });
        }
        seen.push(one);
    }
    seen.sort_by(|a, b| (a.at, &a.run).cmp(&(b.at, &b.run)));
    drills.sort_by_key(|drill: &DrillInput| drill.record.plan.as_ref().map(|plan| plan.run.clone()));
    if let Some(actions) = crate::cli::actions::read(globals)? {
        // What is about another drill is no part of this report.
        let of = |run: &str| seen.iter().find(|seen| seen.run == run).is_none_or(|seen| seen.dr);
        notes.files.push(actions.as_notes(of));
    }
    let scenarios = evidence::scenarios(project);
    Ok(DrInput {
        quarter,
        made,
        coverage: cover(args, quarter, made, &covering, &scenarios, globals)?,
        scenarios: scenarios.dr.clone(),
        evidence: intact.summary(quarter, &seen),
        drills,
        seen,
        notes,
        problems,
    })
}

fn read_notes(args: &DrArgs, globals: &Globals) -> Result<DrNotes, Error> {
    let folder = args.notes.clone().unwrap_or_else(|| tidy(&globals.project.join(FOLDER)));
    if args.notes.is_some() && !folder.is_dir() {
        return Err(Error::usage(format!("there is no folder {}", folder.display()))
            .hint("`--notes` names the folder that holds the files, `drill-notes` by default"));
    }
    let mut diags = Diagnostics::default();
    let notes = notes::read_folder(&folder, &mut diags)
        .map_err(|error| Error::usage(format!("the notes cannot be read: {}: {error}", folder.display())))?;
    notes.ok_or_else(|| globals.mistakes("the notes have mistakes", &diags))
}

/// The coverage as it stood at the end of the quarter, or now.
fn cover(
    args: &DrArgs,
    quarter: Quarter,
    made: OffsetDateTime,
    drills: &[SeenRun],
    scenarios: &evidence::Scenarios,
    globals: &Globals,
) -> Result<Option<CoverageFacts>, Error> {
    let Some(catalog) = crate::cli::coverage::catalog(args.services.as_deref(), scenarios, globals)? else {
        return Ok(None);
    };
    let path = args.services.clone().unwrap_or_else(|| tidy(&globals.project.join(services::FILE)));
    let at = made.min(quarter.end());
    let coverage = Coverage::new(&catalog, &scenarios.fit, drills, &globals.project, at);
    let services = coverage.services.iter().map(|service| DrServiceFacts {
        service: service.service.clone(),
        tier: service.tier,
        owner: service.owner.clone(),
        rto_us: service.targets.rto_us,
        rpo_us: service.targets.rpo_us,
        drill_every_s: service.drill_every_s,
        modes: service.cells.iter().map(mode).collect(),
    });
    Ok(Some(CoverageFacts {
        file: path.display().to_string(),
        required: coverage.required,
        covered: coverage.covered,
        overdue: coverage.overdue().map(|(service, cell)| coverage::overdue(service, cell)).collect(),
        unreviewed: unreviewed(&catalog, quarter),
        services: services.collect(),
    }))
}

/// The SLOs that were last reviewed before the quarter, or never.
fn unreviewed(catalog: &services::Catalog, quarter: Quarter) -> Vec<String> {
    let begun = utc_text(quarter.start());
    let slos = catalog.services.iter().flat_map(|service| service.slos.iter().map(move |slo| (service, slo)));
    // Dates of this form sort as text.
    let old = slos.filter(|(_, slo)| slo.reviewed.as_deref().is_none_or(|on| on < begun.get(..10).unwrap_or_default()));
    let line = |(service, slo): (&services::CriticalService, &services::Slo)| {
        let when = slo.reviewed.as_ref().map_or("never reviewed".into(), |on| format!("last reviewed on {on}"));
        format!("{} / {}: {when}", service.name, slo.name)
    };
    old.map(line).collect()
}

fn mode(cell: &coverage::ModeCoverage) -> ModeFacts {
    let last = cell.scenarios.iter().filter_map(|proof| proof.last.as_ref()).max_by(|a, b| a.at_utc.cmp(&b.at_utc));
    ModeFacts {
        mode: cell.mode.clone(),
        state: cell.state.name().into(),
        covered: cell.state == coverage::CoverageState::Passed,
        scenarios: cell.scenarios.iter().map(|proof| proof.scenario.clone()).collect(),
        last: last.map(|drill| drill.run.clone()),
    }
}
