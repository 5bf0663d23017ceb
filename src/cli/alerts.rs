//! `firedrill alerts lint`: what is wrong with the team's alert rules, before one of them has to fire.

use super::evidence::{each_run, found_runs};
use crate::assurance::alert_rules::{AlertRuleSet, lint};
use crate::error::{Error, Exit};
use crate::output::{print, say_line};
use crate::record::{AlertMoment, AlertStation};
use crate::source::{Diagnostics, render};
use crate::spec::{AlertsSpec, Plan, find, load, project_scenarios};
use std::collections::BTreeSet;
use std::path::PathBuf;

/// Looks at alert rules.
#[derive(Debug, clap::Args)]
pub struct AlertsArgs {
    #[command(subcommand)]
    command: AlertsCommand,
}

#[derive(Debug, clap::Subcommand)]
enum AlertsCommand {
    /// Finds rules that can never fire, that nobody would hear of, and that wake people for causes.
    ///
    /// Reads the rules, routes and receivers that `alerts` and `oncall` of scenarios name. Ends with 1 when there is an error.
    Lint {
        /// Scenarios (names or paths); all of the project when none is named.
        #[arg(value_name = "SCENARIO")]
        scenarios: Vec<String>,
        /// Exit with 1 on warnings as well.
        #[arg(long)]
        strict: bool,
        /// Also tell alerts that fired in no drill below this directory; without one in none of the project's `.firedrill/`.
        #[arg(long, value_name = "DIR", num_args = 0..=1, require_equals = true)]
        history: Option<Vec<PathBuf>>,
    },
}

/// Runs the command.
pub async fn run(args: AlertsArgs, globals: &super::Globals) -> Result<Exit, Error> {
    let AlertsCommand::Lint { scenarios, strict, history } = args.command;
    let named: Result<Vec<PathBuf>, Error> = scenarios.iter().map(|name| find(name, &globals.project)).collect();
    let paths = if scenarios.is_empty() { project_scenarios(&globals.project) } else { named? };
    let fired = history.map(|paths| fired(&paths, globals)).transpose()?;
    let mut sets: Vec<AlertRuleSet> = Vec::new();
    let mut diags = Diagnostics::default();
    for path in &paths {
        let (plan, mistakes) = load(path, &globals.overrides([]));
        match plan {
            Some(plan) => sets.extend(set(&plan, fired.as_ref())),
            None if !scenarios.is_empty() => diags.all.extend(mistakes.all),
            None => say_line(&format!("warning: {} has mistakes: `firedrill check` tells them", path.display())),
        }
    }
    if sets.is_empty() && !diags.has_errors() {
        return Err(Error::usage("no scenario has `alerts`")
            .hint("name the team's files in one: `alerts: { rules: …, alertmanager: …, prometheus: … }`"));
    }
    sets.iter().for_each(|set| lint(set, &mut diags));
    let none = format!("nothing is wrong with the alert rules of {} scenarios\n", sets.len());
    print(&if diags.all.is_empty() { none } else { render(&diags, globals.stdout_color()) })?;
    Ok(if diags.fail(strict) { Exit::Failed } else { Exit::Passed })
}

/// The alerts of a scenario, as far as it has some.
fn set(plan: &Plan, fired: Option<&BTreeSet<String>>) -> Option<AlertRuleSet> {
    let alerts: &AlertsSpec = plan.alerts.as_ref()?;
    let rules = alerts.rules.iter().map(|(source, _)| source.clone()).collect();
    let [alertmanager, prometheus] = [&alerts.alertmanager, &alerts.prometheus].map(|(source, _)| source.text.clone());
    let unwatched = alerts.unwatched(plan.oncall.as_ref()).into_iter().collect();
    Some(AlertRuleSet { rules, alertmanager, prometheus, unwatched, fired: fired.cloned() })
}

/// Names of the alerts that fired in these runs.
fn fired(paths: &[PathBuf], globals: &super::Globals) -> Result<BTreeSet<String>, Error> {
    let mut fired = BTreeSet::new();
    each_run(found_runs(paths, &globals.project)?, |record| {
        let fires = |moment: &&AlertMoment| !matches!(moment.station, AlertStation::Pending | AlertStation::Ended);
        fired.extend(record.alerts.iter().filter(fires).map(|moment| moment.name().to_string()));
    });
    Ok(fired)
}
