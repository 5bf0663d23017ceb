//! `firedrill budget`: how much is left of each error budget, what the policy says then, and whether a release may go out.

use super::evidence::{each_run, found_runs};
use super::{Globals, read_file, read_own};
use crate::agent::promql::in_window;
use crate::archive::history::read_incidents;
use crate::assurance::budget::{BUDGETS, BadTime, BudgetLeft, BudgetPolicy, BudgetRelease, read_policy, regained};
use crate::assurance::services::{self, show};
use crate::error::{Error, Exit};
use crate::notify::request;
use crate::output::{print, say_line};
use crate::record::{utc_now, utc_text};
use crate::source::{did_you_mean, tidy};
use crate::spec::{FoundSlo, SloCounts, read_slos};
use crate::view::format::{budget_left, budget_share, percent};
use crate::view::many;
use serde_json::Value;
use std::path::{Path, PathBuf};
use time::OffsetDateTime;

/// The variable with a token for the Prometheus.
const TOKEN: &str = "FIREDRILL_PROMETHEUS_TOKEN";
const INCIDENTS: &str = "incidents.yaml";

/// Shows how much is left of each error budget, and what the policy of `budget.yaml` says then.
///
/// Spent is what the incidents of `incidents.yaml` took of the SLOs of `services.yaml`; with `--prometheus`, what a Prometheus
/// has counted of the SLOs in Sloth and OpenSLO files.
#[derive(Debug, clap::Args)]
pub struct BudgetArgs {
    /// Ask this Prometheus instead; a token is taken from `FIREDRILL_PROMETHEUS_TOKEN`.
    #[arg(long, global = true, value_name = "URL")]
    prometheus: Option<String>,
    /// A file of SLOs to ask it about, beside those of `budget.yaml`; several times for several.
    #[arg(long, global = true, value_name = "FILE")]
    slos: Vec<PathBuf>,
    /// Real incidents, as YAML or CSV [default: incidents.yaml of the project].
    #[arg(long, global = true, value_name = "FILE", conflicts_with = "prometheus")]
    incidents: Option<PathBuf>,
    /// Count the drills of `.firedrill` as well, as the incidents that they would have been.
    #[arg(long, global = true, conflicts_with = "prometheus")]
    drills: bool,
    /// Only this service.
    #[arg(long, global = true, value_name = "NAME")]
    service: Option<String>,
    #[command(subcommand)]
    command: Option<BudgetCommand>,
}

#[derive(Debug, clap::Subcommand)]
enum BudgetCommand {
    /// Ends with 1 when releases are frozen, and says why and until when; with 3 when the budget is not known.
    Gate {
        /// What would be released cannot wait.
        #[arg(long, conflicts_with = "reliability")]
        critical: bool,
        /// What would be released makes the service more reliable.
        #[arg(long)]
        reliability: bool,
    },
}

/// Runs the command.
pub async fn run(args: BudgetArgs, globals: &Globals) -> Result<Exit, Error> {
    let now = utc_now();
    let policy = read_own(None, BUDGETS, "the budget policy", globals, read_policy)?.unwrap_or_default();
    let files: Vec<&PathBuf> = policy.slos.iter().chain(&args.slos).collect();
    let (mut budgets, bad, unknown) = match &args.prometheus {
        Some(url) => (of_prometheus(url, &files, globals).await?, Vec::new(), None),
        None => of_past(args.incidents.as_deref(), args.drills, globals)?,
    };
    if let Some(name) = &args.service {
        let known: Vec<String> = budgets.iter().map(|budget| budget.service.clone()).collect();
        budgets.retain(|budget| budget.service == *name);
        if budgets.is_empty() {
            let help = did_you_mean(name, known.iter().map(String::as_str));
            return Err(Error::usage(format!("no SLO of a service `{name}` is known")).hint(help));
        }
    }
    if budgets.is_empty() {
        return Err(Error::usage("no SLO is known").hint("list SLOs in services.yaml, or name files: docs/budgets.md"));
    }
    let release = args.command.map(|BudgetCommand::Gate { critical, reliability }| match (critical, reliability) {
        (true, _) => BudgetRelease::Critical,
        (_, true) => BudgetRelease::Reliability,
        _ => BudgetRelease::Ordinary,
    });
    // What is not known can only have spent more: a frozen release stays frozen.
    if let Some(why) = &unknown {
        for budget in &mut budgets {
            if !BudgetState::of(budget, &bad, &policy, release, now).frozen {
                budget.left = Err(why.clone());
            }
        }
    }
    let states: Vec<BudgetState> =
        budgets.iter().map(|budget| BudgetState::of(budget, &bad, &policy, release, now)).collect();
    print(&states.iter().map(BudgetState::text).collect::<String>())?;
    Ok(match release {
        None => Exit::Passed,
        Some(_) if states.iter().any(|state| state.frozen) => Exit::Failed,
        Some(_) if states.iter().any(|state| state.budget.left.is_err()) => Exit::Harness,
        Some(_) => Exit::Passed,
    })
}

/// A budget and what follows from it.
struct BudgetState<'a> {
    budget: &'a BudgetLeft,
    /// What the policy says, and by whom it was lifted or until when it holds.
    says: Vec<String>,
    frozen: bool,
}

impl<'a> BudgetState<'a> {
    fn of(
        budget: &'a BudgetLeft,
        bad: &[BadTime],
        policy: &BudgetPolicy,
        release: Option<BudgetRelease>,
        now: OffsetDateTime,
    ) -> BudgetState<'a> {
        let step = budget.left.as_ref().ok().and_then(|left| policy.step(*left));
        let mut says: Vec<String> = step.iter().map(|step| step.words().to_string()).collect();
        let freezes = step.filter(|step| step.freezes(release.unwrap_or_default()));
        let lifted = freezes.and_then(|_| policy.lifted(&budget.service, now));
        if let Some(lifted) = lifted {
            says.push(format!("lifted by {} until {}: {}", lifted.by, utc_text(lifted.until), lifted.why));
        } else if let Some(step) = freezes {
            // The freeze is over above the largest share at which this release is frozen.
            let freezing = policy.steps.iter().filter(|(_, other)| other.freezes(release.unwrap_or_default()));
            let share = freezing.map(|(share, _)| share.get()).fold(0.0, f64::max);
            let end = regained(budget, bad, share, now);
            let end = end.map(|end| format!(", {} if nothing more happens", utc_text(end))).unwrap_or_default();
            says.push(format!("`{}` until more than {} are left{end}", step.name(), percent(share)));
        }
        let frozen = freezes.is_some() && lifted.is_none();
        BudgetState { budget, says, frozen }
    }

    fn text(&self) -> String {
        let BudgetLeft { service, slo, objective, window, left, spent } = self.budget;
        let left = match left {
            Ok(left) => format!("{} left", budget_left(*left)),
            Err(why) => format!("not known: {why}"),
        };
        let mut text = format!("{service}  {slo} {objective} over {}  {left}\n", show(*window));
        for says in &self.says {
            text.push_str(&format!("    {says}\n"));
        }
        for (id, share) in spent.iter().take(3) {
            text.push_str(&format!("    {} spent by {id}\n", budget_share(*share)));
        }
        text
    }
}

/// The SLOs of `services.yaml`, what took of them, and why more is not known.
type KnownSpending = (Vec<BudgetLeft>, Vec<BadTime>, Option<String>);

/// What incidents and drills took as far as they could be read.
pub(super) fn of_past(incidents: Option<&Path>, drills: bool, globals: &Globals) -> Result<KnownSpending, Error> {
    let now = utc_now();
    let read = |source: &_, diags: &mut _| services::read(source, None, diags);
    let catalog = read_own(None, services::FILE, "the list of services", globals, read)?;
    let path = incidents.map_or_else(|| tidy(&globals.project.join(INCIDENTS)), Path::to_path_buf);
    let is_there = std::fs::symlink_metadata(&path).is_ok();
    if !is_there && (incidents.is_some() || !drills) {
        let message = format!("there is no {}: what was spent is not known", path.display());
        return Err(Error::usage(message)
            .hint("note the incidents there (docs/incidents.md), count the drills: --drills, or ask a Prometheus: --prometheus URL"));
    }
    let incidents =
        read_own(incidents, INCIDENTS, "the file of incidents", globals, read_incidents)?.unwrap_or_default();
    let services = catalog.map(|catalog| catalog.services).unwrap_or_default();
    let known =
        |name: &str| services.iter().find(|own| own.name == name || own.aliases.iter().any(|alias| alias == name));
    let mut bad = Vec::new();
    for one in incidents {
        let own = known(&one.service).map(|own| own.name.clone());
        // Without a list nothing is spent by anybody.
        if own.is_none() && !services.is_empty() {
            let told = "which services.yaml does not list: it spends no budget";
            say_line(&format!("warning: {} is of `{}`, {told}", one.id, one.service));
        }
        // Nobody said that it were fewer.
        let (share, service) = (one.users_hurt.map_or(1.0, crate::slis::Ratio::get), own.unwrap_or(one.service));
        bad.push(BadTime { service, id: one.id, from: one.began, to: one.recovered, share, slo: None });
    }
    let mut unknown = None;
    if drills {
        let unread = each_run(found_runs(&[], &globals.project)?, |record| {
            bad.extend(BadTime::of_drill(record, |host| known(host).map(|own| own.name.clone())));
        });
        unknown = Some(unread.len()).filter(|count| *count > 0);
    }
    // How many were slow nobody has counted by hand; a drill has.
    let measured =
        |service: &str, slo: &str| bad.iter().any(|bad| bad.service == service && bad.slo.as_deref() == Some(slo));
    let slos = services.iter().flat_map(|service| service.slos.iter().map(move |slo| (service, slo)));
    let slos = slos.filter(|(service, slo)| slo.below.is_none() || measured(&service.name, &slo.name));
    let left = slos.map(|(service, slo)| {
        let mut budget = BudgetLeft::after(&service.name, &slo.name, slo.objective, slo.window, &bad, now);
        if !is_there && !measured(&service.name, &slo.name) {
            budget.left = Err(format!("there is neither {} nor a drill that says anything of it", path.display()));
        }
        budget
    });
    Ok((left.collect(), bad, unknown.map(|count| format!("{} could not be read", many(count, "run")))))
}

/// What a Prometheus has counted of the SLOs in files.
async fn of_prometheus(url: &str, files: &[&PathBuf], globals: &Globals) -> Result<Vec<BudgetLeft>, Error> {
    let mut budgets = Vec::new();
    for path in files {
        for slo in read_file(&tidy(path), "the file of SLOs", globals, read_slos)? {
            let left = match error_ratio(url, &slo).await {
                Ok(_) if slo.objective.get() >= 1.0 => Err("an objective of 100% leaves no budget".into()),
                counted => counted.map(|ratio| 1.0 - ratio / (1.0 - slo.objective.get())),
            };
            let FoundSlo { service, name, objective, period, .. } = slo;
            budgets.push(BudgetLeft { service, slo: name, objective, window: period, left, spent: Vec::new() });
        }
    }
    Ok(budgets)
}

/// The share of bad events over the whole period.
async fn error_ratio(url: &str, slo: &FoundSlo) -> Result<f64, String> {
    let query = match &slo.counts {
        SloCounts::Events { bad: true, some, total } => format!("(\n{some}\n) / (\n{total}\n)"),
        SloCounts::Events { bad: false, some, total } => format!("1 - (\n{some}\n) / (\n{total}\n)"),
        SloCounts::ErrorRatio(query) => query.clone(),
        SloCounts::Requests(_) => return Err("a load of a drill measures it, and no query".into()),
        SloCounts::Unknown(why) => return Err(why.clone()),
    };
    let page = crate::agent::promql::query_page(url.trim_end_matches('/'), &in_window(&query, slo.period));
    let token = std::env::var(TOKEN).ok().filter(|token| !token.is_empty());
    let answer = request(&page, token.as_deref(), None).await?;
    let body: Value = serde_json::from_slice(answer.body()).unwrap_or_default();
    if answer.status() != 200 || body["status"] != "success" {
        let why = body["error"].as_str().unwrap_or("no reason");
        return Err(format!("Prometheus answered {}: {why}", answer.status().as_u16()));
    }
    if body["warnings"].as_array().is_some_and(|warnings| !warnings.is_empty()) {
        return Err(format!("Prometheus warns: {}", body["warnings"]));
    }
    let result = &body["data"]["result"];
    let value = match (body["data"]["resultType"].as_str(), result.as_array().map(Vec::as_slice)) {
        (Some("scalar"), _) => &result[1],
        (_, Some([one])) => &one["value"][1],
        (_, Some([])) => return Err("no data: a query finds no series (`or vector(0)` says that none is 0)".into()),
        _ => return Err("several series instead of one: put `sum(…)` around the queries".into()),
    };
    let ratio =
        value.as_str().and_then(|text| text.parse::<f64>().ok()).filter(|ratio| (-1e-6..=1.0 + 1e-6).contains(ratio));
    ratio.map(|ratio| ratio.clamp(0.0, 1.0)).ok_or_else(|| format!("{value} is no share of bad events"))
}
