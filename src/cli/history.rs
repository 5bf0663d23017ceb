//! `firedrill history`: what many runs say together.

use super::evidence::{each_run, found_runs};
use super::{Globals, read_own};
use crate::archive::history::{
    ClosedAction, HISTORY_FORMAT, HistoryTrend, IndexedRun, Overview, ScenarioView, Summary, TrendPoint, Update,
    Versioned, indexed, overview_text, read_incidents, scenario_text, trend_html, trend_text,
};
use crate::error::{Error, Exit};
use crate::output::{print, print_value, say_line, visible};
use crate::record::write_atomic;
use crate::report::SeenRun;
use crate::source::{shorten, tidy};
use std::path::{Path, PathBuf};

/// Shows what all runs say together: pass rate, times with trend and spread, flakiness, failures that repeat.
#[derive(Debug, clap::Args)]
pub struct HistoryArgs {
    /// One scenario: its figures, and every run as a line.
    #[arg(value_name = "SCENARIO")]
    scenario: Option<String>,
    /// Look for runs below this directory, at any depth: a project's `.firedrill`, an unpacked artifact of a CI run; several
    /// times for several. The project's `.firedrill` when none is named.
    #[arg(long, global = true, value_name = "DIR")]
    from: Vec<PathBuf>,
    /// The index; `history.json` in the project's `.firedrill` when none is named.
    #[arg(long, value_name = "FILE")]
    index: Option<PathBuf>,
    /// JSON instead of a page of Markdown.
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Option<Sub>,
}

#[derive(Debug, clap::Subcommand)]
enum Sub {
    /// Shows whether it gets better: mean times to detect, mitigate and recover by severity and quarter, failures that repeat,
    /// and what the actions of `actions.yaml` changed; of drills, and of real incidents beside them.
    Trend {
        /// Real incidents: a file like `incidents.yaml`, or CSV with the same columns [default: incidents.yaml of the project,
        /// where it is there].
        #[arg(long, value_name = "FILE")]
        incidents: Option<PathBuf>,
        /// Write an HTML page with plots to this file.
        #[arg(long, value_name = "FILE", conflicts_with = "json")]
        html: Option<PathBuf>,
    },
}

/// Runs the command.
pub async fn run(args: HistoryArgs, globals: &Globals) -> Result<Exit, Error> {
    let home = tidy(&globals.project.join(".firedrill"));
    let index = args.index.clone().unwrap_or_else(|| home.join("history.json"));
    let roots = super::evidence::runs_of(&args.from, &globals.project);
    if let Some(Sub::Trend { incidents, html }) = &args.command {
        if args.scenario.is_some() || args.index.is_some() {
            let told = "`history trend` takes neither a scenario nor `--index`: it reads every run and every incident";
            return Err(Error::usage(told).hint("`--from` chooses among them"));
        }
        return trend(incidents.as_deref(), html.as_deref(), &args, globals);
    }
    if roots.is_empty() && !index.exists() {
        return empty(&args, globals, &Update::default());
    }
    let (all, update) = indexed(&index, &roots)?;
    tell(&update, globals);
    let is_asked = |run: &IndexedRun| args.scenario.as_ref().is_none_or(|name| run.scenario == *name);
    let runs: Vec<IndexedRun> = all.into_iter().filter(is_asked).collect();
    match (&args.scenario, ScenarioView::of(&runs, update.clone())) {
        (_, None) => empty(&args, globals, &update),
        (Some(_), Some(view)) => show(&view, scenario_text, &args),
        (None, Some(_)) => {
            let overview = Overview { runs: runs.len(), scenarios: Summary::all(&runs), index: update };
            show(&overview, overview_text, &args)
        }
    }
}

/// Prints it in the form that is asked for.
fn show<T: serde::Serialize>(what: &T, text: fn(&T) -> String, args: &HistoryArgs) -> Result<Exit, Error> {
    let whole = Versioned { format: HISTORY_FORMAT, what };
    let printed = if args.json { print_value(&whole) } else { print(&text(what)) };
    printed.map(|()| Exit::Passed)
}

/// Drills, incidents and actions side by side.
fn trend(path: Option<&Path>, html: Option<&Path>, args: &HistoryArgs, globals: &Globals) -> Result<Exit, Error> {
    let (mut points, mut seen) = (Vec::new(), Vec::new());
    each_run(found_runs(&args.from, &globals.project)?, |record| {
        points.extend(TrendPoint::of_drill(record));
        seen.extend(SeenRun::of(record));
    });
    let incidents = read_own(path, "incidents.yaml", "the file of incidents", globals, read_incidents)?;
    points.extend(incidents.iter().flatten().map(TrendPoint::of_incident));
    let actions = super::actions::read(globals)?;
    let closed = actions.iter().flat_map(|actions| &actions.items).filter_map(|item| {
        let run = item.closed_by.as_deref()?;
        let seen = seen.iter().find(|seen| seen.run == run)?;
        Some((item.id.clone(), seen.scenario.clone(), seen.at))
    });
    let mut trend = HistoryTrend::of(points, &closed.collect::<Vec<ClosedAction>>());
    if incidents.is_some() {
        let (left, _, _) = super::budget::of_past(path, false, globals)?;
        trend.budgets = left.into_iter().map(|own| (own.service, own.slo, own.left.ok())).collect();
    }
    if let Some(file) = html {
        let written = write_atomic(file, trend_html(&trend).as_bytes());
        return written.map_err(|error| Error::harness(format!("{}: {error}", file.display()))).map(|()| Exit::Passed);
    }
    show(&trend, trend_text, args)
}

/// Nothing is no mistake: a new project has no history yet.
fn empty(args: &HistoryArgs, globals: &Globals, update: &Update) -> Result<Exit, Error> {
    if args.json {
        let overview = Overview { runs: 0, scenarios: Vec::new(), index: update.clone() };
        return show(&overview, overview_text, args);
    }
    let of = args.scenario.as_ref().map(|name| format!(" of `{}`", shorten(&visible(name)))).unwrap_or_default();
    let mut text = format!("There are no runs{of}.\n");
    for why in &update.unreadable {
        text.push_str(&format!("could not be read: {}\n", visible(why)));
    }
    if !globals.quiet {
        text.push_str("Runs come from drills (`firedrill scenario NAME`), or from elsewhere with `--from DIR`.\n");
    }
    print(&text).map(|()| Exit::Passed)
}

/// What became of the index goes to standard error, so that a table can be piped.
fn tell(update: &Update, globals: &Globals) {
    for note in &update.notes {
        say_line(&format!("note: {note}"));
    }
    if update.read > 0 && !globals.quiet {
        say_line(&format!("{} of {} runs found were new and have been read", update.read, update.found));
    }
}
