//! `firedrill check`: checks every scenario, runbook, stack and game day of the project; starts none of the stacks.

mod places;

use super::findings::StackCheck;
use crate::error::{Error, Exit};
use crate::output::{print, say};
use crate::report::many;
use crate::runbook::{Runbook, parse};
use crate::source::{Diagnostics, Source, Span, render, same_path};
use crate::spec::{
    AlertsSpec, Plan, check_data, check_objectives, check_variables, find, find_game_day, is_game_day, load,
    load_game_day, project_game_days, project_scenarios, root_of,
};
use crate::stack::{AlertFiles, AlertFinding, ResolvedStack, StackError, platform};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Checks every scenario, runbook, stack and game day of the project: every mistake at once, and nothing is started.
#[derive(Debug, clap::Args)]
pub struct CheckArgs {
    /// Scenarios and game days (names or paths) and runbooks (paths) to check; all of the project when none is named.
    #[arg(value_name = "SCENARIO|GAMEDAY|RUNBOOK")]
    files: Vec<String>,
    /// Where the runs lie that prove closed actions: downloaded artifacts, at any depth [default: .firedrill of the project].
    #[arg(long, value_name = "DIR")]
    runs: Vec<PathBuf>,
    /// Exit with 2 on warnings as well.
    #[arg(long)]
    strict: bool,
    #[command(flatten)]
    allow: super::consent::Allow,
}

/// The files that are meant.
#[derive(Debug, Default)]
struct Selected {
    scenarios: Vec<PathBuf>,
    runbooks: Vec<PathBuf>,
    days: Vec<PathBuf>,
}

/// Runs the command.
pub async fn run(args: CheckArgs, globals: &super::Globals) -> Result<Exit, Error> {
    let (mut selected, missing) = selected(&args, &globals.project)?;
    let overrides = args.allow.overrides(globals, []);
    let mut diags = Diagnostics::default();
    let mut plans = Vec::new();
    for path in &selected.scenarios {
        plans.extend(diags.add(load(path, &overrides)));
    }
    for path in &selected.days {
        // What is wrong with a scenario that was read above as well is shown once.
        let day = diags.add(load_game_day(path, &overrides));
        for plan in day.into_iter().flat_map(|day| day.scenarios).map(|scenario| scenario.plan) {
            if !plans.iter().any(|known: &Plan| known.source.path == plan.source.path) {
                plans.push(plan);
            }
        }
    }
    for path in selected.runbooks.iter().filter(|path| !plans.iter().any(|plan| follows(plan, path))) {
        match Source::read_in(path, &root_of(path, &overrides)) {
            // Its mistakes are all that is asked for; those that a scenario has told already are shown once.
            Ok(source) => drop(parse(&source, &mut diags)),
            Err(error) => error.report("the runbook", None, &mut diags),
        }
    }
    for plan in &plans {
        let is_new = |_: &&Runbook| !selected.runbooks.iter().any(|path| follows(plan, path));
        let new = plan.runbook.as_ref().filter(is_new).map(|runbook| runbook.source.path.clone());
        selected.runbooks.extend(new);
        check_objectives(plan, &mut diags);
        check_data(plan, &mut diags);
    }
    if !missing.is_empty() {
        say(&render(&diags, globals.color()));
        return together(missing).map(|()| Exit::Usage);
    }
    if args.files.is_empty() {
        check_actions(&args.runs, globals, &mut diags)?;
    }
    // Without Docker the stacks cannot be judged; what is wrong with the files is told all the same.
    let platform = platform();
    let mut check = StackCheck::new(&*platform, diags);
    let resolved = resolve_stacks(&plans, &mut check).await;
    if let (Ok(stacks), false) = (&resolved, check.diags.has_errors()) {
        print(&check_programs(&plans, stacks, &mut check).await)?;
        print(&check_alerts(&plans, &mut check).await)?;
    }
    if check.diags.has_errors() || resolved.is_ok() {
        let exit = report(&check.diags, &selected, args.strict, globals)?;
        say(&check.consent().map(|how| format!("help: {how}\n")).unwrap_or_default());
        if let Err(error) = resolved {
            say(&format!("error: {error}\n"));
        }
        return Ok(exit);
    }
    say(&render(&check.diags, globals.color()));
    resolved.map(|_| Exit::Passed)
}

/// Notes actions that are closed without proof, or that are about findings that nobody has noted.
fn check_actions(runs: &[PathBuf], globals: &super::Globals, diags: &mut Diagnostics) -> Result<(), Error> {
    let Some(actions) = super::actions::read(globals)? else { return Ok(()) };
    actions.check_proof(&super::actions::named_runs(&actions, runs, &globals.project)?, diags);
    // The mistakes of notes are told by the report that is made of them.
    let folder = globals.project.join(crate::assurance::notes::FOLDER);
    if let Ok(Some(notes)) = crate::assurance::notes::read_folder(&folder, &mut Diagnostics::default()) {
        let drills = notes.files.iter().flat_map(|file| &file.drills);
        let findings = drills.flat_map(|drill| &drill.told.findings).map(|finding| finding.id.as_str());
        actions.check_findings(&findings.collect::<Vec<_>>(), diags);
    }
    Ok(())
}

/// All of these errors as one.
pub(super) fn together(errors: Vec<Error>) -> Result<(), Error> {
    let all = errors.into_iter().reduce(|all, next| {
        let message = format!("{all}\nerror: {}", next.message);
        Error { exit: all.exit, message, hint: next.hint }
    });
    all.map_or(Ok(()), Err)
}

/// The files that are meant, and an error for each name that means none.
fn selected(args: &CheckArgs, project: &Path) -> Result<(Selected, Vec<Error>), Error> {
    let (mut selected, mut missing) = (Selected::default(), Vec::new());
    for file in &args.files {
        if file.ends_with(".md") || file.ends_with(".markdown") {
            selected.runbooks.push(PathBuf::from(file));
            continue;
        }
        match find(file, project) {
            Ok(path) if is_game_day(&path) => selected.days.push(path),
            Ok(path) => selected.scenarios.push(path),
            // A name that is no scenario's may be a game day's; if not, scenarios are what was likely meant.
            Err(error) => match find_game_day(file, project) {
                Ok(path) => selected.days.push(path),
                Err(_) => missing.push(error),
            },
        }
    }
    if !args.files.is_empty() {
        return Ok((selected, missing));
    }
    let scenarios = project_scenarios(project);
    let runbooks = super::show::runbooks(project)?;
    let days = project_game_days(project);
    if scenarios.is_empty() && runbooks.is_empty() && days.is_empty() {
        return Err(Error::usage(format!("there is neither scenarios/ nor runbooks/ in {}", project.display()))
            .hint("run Firedrill in the project's folder, or name it with `-C DIR`"));
    }
    Ok((Selected { scenarios, runbooks, days }, missing))
}

/// Whether a scenario without mistakes follows this runbook: then it was read with all that the scenario says about its
/// steps, without which it may have none that can be run.
fn follows(plan: &Plan, path: &Path) -> bool {
    plan.runbook.as_ref().is_some_and(|runbook| same_path(&runbook.source.path, path))
}

/// The stack of a plan, where it can be used.
type MaybeStack = Option<Arc<dyn ResolvedStack>>;

/// Resolves the stacks of these plans and notes what only the resolved model tells.
async fn resolve_stacks(plans: &[Plan], check: &mut StackCheck<'_>) -> Result<Vec<MaybeStack>, Error> {
    let mut stacks = Vec::new();
    for plan in plans {
        let stack = check.resolve(plan).await?;
        if let Some(stack) = &stack {
            if let Some(named) = stack.variables() {
                check_variables(plan, &named, &mut check.diags);
            }
            places::check_calls(plan, &**stack, &mut check.diags);
        }
        stacks.push(stack);
    }
    Ok(stacks)
}

/// Notes programs that steps use and that are not where they run, as the images have them. Returns what there is to say
/// about places into which nobody could look.
async fn check_programs(plans: &[Plan], stacks: &[MaybeStack], check: &mut StackCheck<'_>) -> String {
    let mut unseen = BTreeSet::new();
    let looked = async {
        check.platform.connect().await?;
        for (plan, stack) in plans.iter().zip(stacks) {
            let Some(stack) = stack else { continue };
            for place in places::check_programs(plan, &**stack, &mut check.diags).await? {
                unseen.insert(format!("{place} ({})", plan.stack.file.display()));
            }
        }
        Ok::<_, StackError>(())
    };
    match looked.await {
        Err(error) => format!("not looked at: whether the programs of the steps are there, because {error}\n"),
        Ok(()) if unseen.is_empty() => String::new(),
        Ok(()) => {
            let unseen: Vec<String> = unseen.into_iter().collect();
            let why = "the image is not on this machine until a drill makes it";
            format!("not looked at: whether the programs of the steps are in {}: {why}\n", unseen.join(", "))
        }
    }
}

/// Notes what Prometheus' and Alertmanager's own tools say about the files of alerts, once for each set of files. Returns why
/// nobody could look.
async fn check_alerts(plans: &[Plan], check: &mut StackCheck<'_>) -> String {
    let mut looked: Vec<AlertFiles> = Vec::new();
    for alerts in plans.iter().filter_map(|plan| plan.alerts.as_ref()) {
        let files = alerts.to_check();
        if looked.contains(&files) {
            continue;
        }
        let found = check.platform.check_alerts(&files).await.map_err(|error| error.to_string());
        let no_image = || "their image is not on this machine until a drill or scripts/setup.sh makes it".to_string();
        match found.and_then(|found| found.ok_or_else(no_image)) {
            Err(why) => return format!("not looked at: what promtool and amtool say about the alerts: {why}\n"),
            Ok(findings) => findings.iter().for_each(|finding| note_alerts(alerts, finding, &mut check.diags)),
        }
        looked.push(files);
    }
    String::new()
}

fn note_alerts(alerts: &AlertsSpec, finding: &AlertFinding, diags: &mut Diagnostics) {
    let Some((what, source)) = alerts.files().find(|(_, source)| source.path == finding.file) else { return };
    let at = finding.line.map_or(0, |line| source.start(line));
    let span = Span::new(at, at);
    let message = format!("{what}: {}", finding.message);
    match finding.error {
        true => diags.error(source, span, message),
        false => diags.warning(source, span, message).help("a drill can be run; in production it would not be taken"),
    };
}

fn report(diags: &Diagnostics, selected: &Selected, strict: bool, globals: &super::Globals) -> Result<Exit, Error> {
    say(&render(diags, globals.color()));
    if diags.fail(strict) {
        return Ok(Exit::Usage);
    }
    let verdict = if diags.all.is_empty() { "no mistakes" } else { "no errors" };
    let mut counts = vec![many(selected.scenarios.len(), "scenario"), many(selected.runbooks.len(), "runbook")];
    if !selected.days.is_empty() {
        counts.push(many(selected.days.len(), "game day"));
    }
    print(&format!("{}: {verdict}\n", counts.join(", "))).map(|()| Exit::Passed)
}
