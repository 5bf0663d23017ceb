//! `firedrill report dr`: the quarterly report about DR drills, made from what lies on disk: runs, notes, services, scenarios,
//! manifests.

mod intact;
mod pdf;

use super::{Format, all_written, asked, is_stdout, write_all, write_file};
use crate::archive;
use crate::assurance::coverage::{self, Coverage};
use crate::assurance::dr::{DrCoverage, DrInput, DrNotes, DrReport, DrillInput, dr_html, dr_markdown};
use crate::assurance::notes::{self, FOLDER};
use crate::assurance::services;
use crate::cli::{Globals, evidence};
use crate::error::{Error, Exit};
use crate::output::{print, print_file, say_line};
use crate::record::{RunOutcome, utc_now, utc_text};
use crate::source::{Diagnostics, tidy};
use crate::view::{Quarter, SeenRun, timeline};
use std::path::PathBuf;

/// Makes the report of a quarter's DR drills for auditors: verdicts, figures, timeline, follow-up, coverage, attestation. Without
/// a format: Markdown on standard output.
#[derive(Debug, clap::Args)]
pub struct DrArgs {
    /// Directories that hold runs or game days, at any depth; also those of the quarters before, for the trend
    /// [default: .firedrill of the project].
    #[arg(value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// The quarter, in UTC [default: the current one].
    #[arg(long, value_name = "YYYYQn", value_parser = Quarter::parse)]
    quarter: Option<Quarter>,
    /// Write HTML to this file: made for A4, without network.
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Write Markdown to this file, or to standard output (`-`).
    #[arg(long, value_name = "FILE")]
    markdown: Option<PathBuf>,
    /// Write a PDF to this file, through a headless Chromium (`CHROMIUM` names it).
    #[arg(long, value_name = "FILE")]
    pdf: Option<PathBuf>,
}

/// Runs the command.
pub async fn run(args: DrArgs, globals: &Globals) -> Result<Exit, Error> {
    let formats: [Format<DrReport<'_>, _>; 2] =
        [(&args.html, dr_html, print_file), (&args.markdown, dr_markdown, print)];
    let files = asked(&formats, false)?;
    if args.pdf.as_deref().is_some_and(is_stdout) {
        return Err(Error::usage("a PDF goes to a file, not to standard output").hint("write `--pdf FILE`"));
    }
    // Looked for before anything is read: whoever wants a PDF should know soon.
    let browser = args.pdf.as_ref().map(|_| pdf::browser()).transpose()?;
    let quarter = args.quarter.unwrap_or_else(|| Quarter::of(utc_now()));
    let input = gather(&args, quarter, globals)?;
    let report = DrReport::new(&input);
    for problem in input.evidence.problems.iter().chain(&report.problems()) {
        say_line(&format!("warning: {problem}"));
    }
    if report.drills.is_empty() && report.incomplete().is_empty() {
        say_line(&format!("warning: there is no DR drill in {quarter}: the report says so"));
    }
    let mut failed = write_all(&files, &report, globals);
    if let (Some(path), Some(browser)) = (&args.pdf, &browser) {
        failed.extend(match pdf::print(browser, &dr_html(&report)).await {
            Ok(bytes) => write_file(path, &bytes, globals),
            Err(error) => Some(format!("{}: {error}", path.display())),
        });
    }
    if files.is_empty() && args.pdf.is_none() {
        print(&String::from_utf8_lossy(&dr_markdown(&report)))?;
    }
    all_written(&failed)?;
    Ok(Exit::Passed)
}

/// Everything for the report of a quarter. Mistakes in notes and in the list of services end the command.
fn gather(args: &DrArgs, quarter: Quarter, globals: &Globals) -> Result<DrInput, Error> {
    let project = &globals.project;
    let notes = read_notes(globals)?;
    let made = utc_now();
    let paths = evidence::runs_of(&args.paths, project);
    let found = evidence::found_runs(&paths, project)?;
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
            (one.rto_us, one.rpo_us) = (None, None);
        } else if one.at < quarter.end() {
            covering.extend(SeenRun::of_drill(&record));
        }
        if quarter.contains(one.at) && one.dr && one.ended {
            let events = archive::read_events(dir, timeline::tells).unwrap_or_else(|error| {
                problems.push(format!("the timeline of a drill is missing: {error}"));
                Vec::new()
            });
            drills.push(DrillInput { record, events, changed });
        }
        seen.push(one);
    }
    seen.sort_by(|a, b| (a.at, &a.run).cmp(&(b.at, &b.run)));
    let begun = |drill: &DrillInput| {
        let run = drill.record.plan.as_ref().map(|plan| &plan.run);
        seen.iter().position(|seen| Some(&seen.run) == run)
    };
    drills.sort_by_key(begun);
    let actions = crate::cli::actions::read(globals)?.map(|actions| actions.items).unwrap_or_default();
    // What is about another drill is no part of this report.
    let is_of = |run: &String| seen.iter().find(|seen| seen.run == *run).is_none_or(|seen| seen.dr);
    let actions = actions.into_iter().filter(|item| item.run.as_ref().is_some_and(is_of)).collect();
    let scenarios = evidence::scenarios(project);
    let catalog = crate::cli::coverage::catalog(&scenarios, globals)?;
    // As it stood at the end of the quarter, or now.
    let coverage = catalog.map(|catalog| {
        let file = tidy(&project.join(services::FILE));
        let matrix = Coverage::new(&catalog, &scenarios.fit, &covering, project, made.min(quarter.end()));
        let overdue = matrix.overdue().map(|(service, mode)| coverage::overdue(service, mode)).collect();
        let unreviewed = unreviewed(&catalog, quarter);
        DrCoverage { file: file.display().to_string(), overdue, unreviewed, matrix }
    });
    let (scenarios, evidence) = (scenarios.dr, intact.summary(quarter, &seen));
    Ok(DrInput { quarter, made, coverage, scenarios, evidence, drills, seen, notes, actions, problems })
}

fn read_notes(globals: &Globals) -> Result<DrNotes, Error> {
    let folder = tidy(&globals.project.join(FOLDER));
    let mut diags = Diagnostics::default();
    let notes = notes::read_folder(&folder, &mut diags)
        .map_err(|error| Error::usage(format!("the notes cannot be read: {}: {error}", folder.display())))?;
    notes.ok_or_else(|| globals.mistakes("the notes have mistakes", &diags))
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
