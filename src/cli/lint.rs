//! `firedrill lint`: what is wrong with runbooks, before anybody needs them.

use super::output::print;
use crate::error::{Error, Exit};
use crate::lint::{self, Config, Project, RULES, Rule};
use crate::source::{Diagnostics, Level, blocks, did_you_mean, render, tidy};
use std::path::PathBuf;

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
        let shown = render(&diags, globals.color());
        return Err(Error::usage(format!("the project's settings have mistakes\n\n{}", shown.trim_end())));
    };
    if args.list {
        print(&lint::table(&config))?;
        return Ok(Exit::Passed);
    }
    if let Some(id) = &args.explain {
        print(&lint::explain(rule(id)?, &config))?;
        return Ok(Exit::Passed);
    }
    let paths = if args.paths.is_empty() { vec![tidy(&globals.project.join("runbooks"))] } else { args.paths.clone() };
    let files = lint::collect(&paths, &globals.project, &config).map_err(|error| {
        let hint = "name files or folders, or run Firedrill in the project's folder (`-C DIR`)";
        Error::usage(error.to_string()).hint(hint)
    })?;
    let alerts = lint::alert_files(&globals.project, &config);
    let project = Project { root: globals.project.clone(), alerts };
    let outcome = lint::run(&files, &project, &config);
    match args.format {
        LintFormat::Text => {
            let found = if globals.quiet { String::new() } else { blocks(&outcome.found, color(globals)) };
            print(&format!("{found}{}", lint::summary(&outcome)))?;
        }
        LintFormat::Json => print(&lint::json(&outcome))?,
        LintFormat::Github => print(&lint::github(&outcome))?,
    }
    let failed = outcome.count(Level::Error) > 0 || args.strict && outcome.count(Level::Warning) > 0;
    Ok(if failed { Exit::Failed } else { Exit::Passed })
}

/// The findings go to standard output, so that is what must be a terminal.
fn color(globals: &super::Globals) -> bool {
    use std::io::IsTerminal;
    globals.may_color() && std::io::stdout().is_terminal()
}

fn rule(id: &str) -> Result<&'static Rule, Error> {
    RULES.iter().copied().find(|rule| rule.id.eq_ignore_ascii_case(id)).ok_or_else(|| {
        let ids = RULES.iter().map(|rule| rule.id);
        Error::usage(format!("there is no rule `{}`", crate::source::shorten(id)))
            .hint(format!("{}; `firedrill lint --list` has them all", did_you_mean(&id.to_uppercase(), ids)))
    })
}
