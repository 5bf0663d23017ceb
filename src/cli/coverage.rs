//! `firedrill coverage`: which failures of the critical services were drilled, when last, and with which verdict.

use super::Globals;
use super::evidence::{self, Scenarios};
use crate::assurance::coverage::{self, Coverage};
use crate::assurance::services::{self, Catalog, EXAMPLE, FILE};
use crate::error::{Error, Exit};
use crate::output::{print, print_value, say, say_line, stdout_columns};
use crate::record::{utc_now, utc_text};
use crate::slis::Ratio;
use crate::source::tidy;
use crate::view::many;
use std::path::PathBuf;

/// Shows which failures of the critical services in `services.yaml` are drilled, when last, and with which verdict.
#[derive(Debug, clap::Args)]
pub struct CoverageArgs {
    /// Directories with runs or game days, such as downloaded artifacts; the project's `.firedrill/` when none is named.
    #[arg(value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// Exit with 1 when less than this is covered.
    #[arg(long, visible_alias = "require-coverage", value_name = "PERCENT", value_parser = Ratio::parse)]
    at_least: Option<Ratio>,
    /// Print Markdown.
    #[arg(long, conflicts_with = "json")]
    markdown: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub async fn run(args: CoverageArgs, globals: &Globals) -> Result<Exit, Error> {
    let scenarios = evidence::scenarios(&globals.project);
    let catalog = catalog(&scenarios, globals)?.ok_or_else(|| {
        let path = tidy(&globals.project.join(FILE));
        Error::usage(format!("there is no {}: nothing says which services are critical", path.display()))
            .hint(format!("begin with this one:\n\n{}", EXAMPLE.trim_end()))
    })?;
    for (path, _, mistakes) in &scenarios.unfit {
        let told = "and covers nothing: `firedrill check` tells them";
        say_line(&format!("warning: {} has {} {told}", path.display(), many(*mistakes, "mistake")));
    }
    let drills = evidence::drills(&args.paths, &globals.project)?;
    let now = utc_now();
    for drill in drills.iter().filter(|drill| drill.is_of_the_future(now)) {
        let told = "and counts for nothing: it says that it is of the future";
        say_line(&format!("warning: {} began {}, {told}", drill.run, utc_text(drill.at)));
    }
    let coverage = Coverage::new(&catalog, &scenarios.fit, &drills, &globals.project, now);
    if args.json {
        print_value(&coverage)?;
    } else if args.markdown {
        print(&coverage::markdown(&coverage))?;
    } else if !globals.quiet {
        // What is no terminal gets 80 columns without colour.
        let columns = stdout_columns();
        let color = globals.may_color() && columns.is_some();
        print(&coverage::text(&coverage, columns.map_or(80, |columns| columns.min(120)), color))?;
    }
    match args.at_least {
        Some(required) if !coverage.reaches(required.get()) => {
            say(&format!("error: {}\n", coverage::missing(&coverage, &required.to_string())));
            Ok(Exit::Failed)
        }
        _ => Ok(Exit::Passed),
    }
}

/// The critical services of the project; `None` where it names none.
pub fn catalog(scenarios: &Scenarios, globals: &Globals) -> Result<Option<Catalog>, Error> {
    let read = |source: &_, diags: &mut _| services::read(source, Some(&scenarios.named()), diags);
    super::read_own(None, FILE, "the list of services", globals, read)
}
