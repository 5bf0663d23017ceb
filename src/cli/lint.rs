//! `firedrill lint`: what is wrong with runbooks, before anybody needs them.

use crate::assurance::coverage::same_file;
use crate::error::{Error, Exit};
use crate::lint::{self, Config, Evidence, Follows, LintRule, Project, RULES};
use crate::output::{print, print_annotations, print_json};
use crate::report::SeenRun;
use crate::source::{Diagnostics, blocks, did_you_mean, tidy};
use std::path::{Path, PathBuf};

/// Lints runbooks: finds what will hurt whoever follows them, with line and reason; runs nothing of it.
#[derive(Debug, clap::Args)]
pub struct LintArgs {
    /// Files and folders; the project's `runbooks/` when none is named.
    #[arg(value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// How to print the findings.
    #[arg(long, value_enum, default_value_t = LintFormat::Text)]
    format: LintFormat,
    /// Exit with 1 on warnings as well.
    #[arg(long)]
    strict: bool,
    /// Hold steps to the drills below this directory; without one to those in the project's `.firedrill/` (RB403, RB404).
    #[arg(long, value_name = "DIR", num_args = 0..=1, require_equals = true)]
    history: Option<Vec<PathBuf>>,
    /// Print what a rule finds and why, with examples.
    #[arg(long, value_name = "RULE", conflicts_with_all = ["paths", "list"])]
    explain: Option<String>,
    /// Print the rules and their levels in this project.
    #[arg(long, conflicts_with = "paths")]
    list: bool,
}

/// How to print findings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum LintFormat {
    /// For people: the line with a caret, and what to do.
    Text,
    /// One JSON object per finding.
    Json,
    /// Annotations of GitHub Actions.
    Github,
}

/// Runs the command.
pub async fn run(args: LintArgs, globals: &super::Globals) -> Result<Exit, Error> {
    let mut diags = Diagnostics::default();
    let Some(config) = Config::read(&globals.project, &mut diags) else {
        return Err(globals.mistakes("the project's settings have mistakes", &diags));
    };
    if args.list {
        return print(&lint::table(&config)).map(|()| Exit::Passed);
    }
    if let Some(id) = &args.explain {
        return print(&lint::explain(rule(id)?, &config)).map(|()| Exit::Passed);
    }
    let paths = if args.paths.is_empty() { vec![tidy(&globals.project.join("runbooks"))] } else { args.paths.clone() };
    let files = lint::collect(&paths, &globals.project, &config)
        .map_err(|error| Error::usage(error.to_string()).hint("name files or folders, or the project with `-C DIR`"))?;
    let alerts = lint::alert_files(&globals.project, &config);
    let evidence = evidence(&args, &files, globals)?;
    let project = Project { root: globals.project.clone(), alerts, evidence: Some(evidence) };
    let found = lint::run(&files, &project, &config);
    match args.format {
        LintFormat::Text => {
            let shown = if globals.quiet { String::new() } else { blocks(&found, globals.stdout_color()) };
            print(&format!("{shown}{}", lint::summary(files.len(), &found)))?;
        }
        LintFormat::Json => print_json(&lint::json(&found))?,
        LintFormat::Github => print_annotations(&lint::github(&found))?,
    }
    Ok(if found.fail(args.strict) { Exit::Failed } else { Exit::Passed })
}

/// What scenarios and, where they are asked for, drills say about the steps of these pages.
fn evidence(args: &LintArgs, files: &[PathBuf], globals: &super::Globals) -> Result<Evidence, Error> {
    let scenarios = super::evidence::scenarios(&globals.project);
    // A scenario names a page from its own folder, whoever lints names it from somewhere else.
    let page = |path: &Path| {
        let whole = path.canonicalize().ok();
        let same = |file: &&PathBuf| file.as_path() == path || whole.is_some() && file.canonicalize().ok() == whole;
        files.iter().find(same).cloned().unwrap_or_else(|| path.to_path_buf())
    };
    let follows = scenarios.fit.iter().filter(|scenario| !scenario.expects_failure).filter_map(|scenario| {
        let (runbook, steps) = (page(scenario.runbook.as_deref()?), scenario.follows.clone());
        Some(Follows { scenario: scenario.name.clone(), runbook, steps })
    });
    let follows = follows.collect();
    let unknown = scenarios.unfit.iter().filter_map(|(_, runbook, _)| runbook.as_deref().map(&page)).collect();
    let drills = args.history.as_ref().map(|paths| history(paths, files, globals)).transpose()?;
    Ok(Evidence { follows, unknown, drills })
}

/// The drills that lie there, as far as they followed one of these pages.
fn history(paths: &[PathBuf], files: &[PathBuf], globals: &super::Globals) -> Result<Vec<(PathBuf, SeenRun)>, Error> {
    let drills = super::evidence::drills(paths, &globals.project)?;
    let drilled = drills.into_iter().filter(|drill| drill.is_judged()).filter_map(|drill| {
        let recorded = drill.runbook.as_deref()?;
        let runbook = files.iter().find(|file| same_file(recorded, file, &globals.project))?.clone();
        Some((runbook, drill))
    });
    Ok(drilled.collect())
}

fn rule(id: &str) -> Result<&'static LintRule, Error> {
    RULES.iter().find(|rule| rule.id.eq_ignore_ascii_case(id)).ok_or_else(|| {
        let ids = RULES.iter().map(|rule| rule.id);
        Error::usage(format!("there is no rule `{}`", crate::source::shorten(id)))
            .hint(format!("{}; `firedrill lint --list` has them all", did_you_mean(&id.to_uppercase(), ids)))
    })
}
