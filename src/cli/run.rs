//! `firedrill run`: follows a runbook alone, without a scenario, for trying it while it is written.

mod select;

use super::ask::Terminal;
use super::conduct::{self, ConductOptions, attach_error};
use super::{TextOrJson, key_value};
use crate::engine::{Alone, place_of};
use crate::error::{Error, Exit};
use crate::output::print;
use crate::runbook::{self, Runbook, RunbookPhase};
use crate::source::{Diagnostics, did_you_mean, list, parse_duration};
use crate::spec::{self, Respond};
use crate::stack::{Place, Platform, RunningStack, ToolboxRequest, platform};
use select::selected;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Follows a runbook alone, without a scenario: in a toolbox of its own, beside a Compose project that is up or beside
/// nothing. For trying a runbook while it is written; nothing is broken, so nothing is proved.
#[derive(Debug, clap::Args)]
pub struct RunArgs {
    /// The runbook: a path, or the name of a file in `runbooks/`.
    #[arg(value_name = "RUNBOOK", required_unless_present = "scenario")]
    runbook: Option<PathBuf>,
    /// Follow the runbook of this scenario as the scenario says: its `vars`, `steps`, `clients`, `phases`.
    #[arg(long, value_name = "SCENARIO", conflicts_with = "runbook")]
    scenario: Option<String>,
    /// The Compose project, up already, on whose networks the toolbox is; its services can be named by `in=`.
    #[arg(long, short = 'p', value_name = "PROJECT")]
    compose_project: Option<String>,
    /// Begin with this step: its id (`firedrill show` prints it) or the part behind the slash.
    #[arg(long, value_name = "STEP")]
    from: Option<String>,
    /// Follow only this step, whatever its phase; may be given several times.
    #[arg(long, value_name = "STEP", conflicts_with_all = ["from", "phases"])]
    only: Vec<String>,
    /// Phases to follow [default: diagnose,mitigate,verify].
    #[arg(long, value_name = "PHASE", value_delimiter = ',', value_parser = phase)]
    phases: Vec<RunbookPhase>,
    /// Say what would run, where, with the inputs filled in; start nothing.
    #[arg(long, short = 'n')]
    dry_run: bool,
    /// Gives an input of the runbook its value.
    #[arg(long = "var", value_name = "KEY=VALUE", value_parser = key_value)]
    vars: Vec<(String, String)>,
    /// Run commands in the container of this service unless their block says otherwise, instead of in the toolbox.
    #[arg(long, value_name = "SERVICE")]
    service: Option<String>,
    /// Deadline of a command, and how long a step that verifies is tried again [default: 30s].
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    timeout: Option<Duration>,
    /// Image of the toolbox, instead of the built-in one.
    #[arg(long, value_name = "IMAGE")]
    toolbox: Option<String>,
    /// Ask nobody, also at a terminal: a step for a person is skipped, and an input without a value blocks its step.
    #[arg(long)]
    no_input: bool,
    /// Directory in which the run gets a directory of its own [default: .firedrill/runs].
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// What to print: for people, or every event as a line of JSON on standard output.
    #[arg(long, value_enum, default_value_t = TextOrJson::Text)]
    format: TextOrJson,
}

fn phase(name: &str) -> Result<RunbookPhase, String> {
    RunbookPhase::from_name(name).ok_or_else(|| did_you_mean(name, RunbookPhase::ALL.map(RunbookPhase::name)))
}

/// Runs the command.
pub async fn run(args: RunArgs, globals: &super::Globals) -> Result<Exit, Error> {
    let (runbook, mut respond, mut toolbox) = given(&args, globals)?;
    for (name, value) in &args.vars {
        respond.give(name, value);
    }
    if args.service.is_some() {
        respond.service.clone_from(&args.service);
    }
    respond.timeout = args.timeout.unwrap_or(respond.timeout);
    let runbook = selected(&runbook, args.from.as_deref(), &args.only, &respond.phases)?;
    if args.dry_run {
        let (text, blocked) = super::show::as_followed(&runbook, &respond);
        print(&text)?;
        return Ok(if blocked { Exit::Usage } else { Exit::Passed });
    }
    let in_services = services(&runbook, &respond);
    if let (None, Some(service)) = (&args.compose_project, in_services.first()) {
        return Err(Error::usage(format!("there is no Compose project in which a service `{service}` could be"))
            .hint("name the one that is up with `--compose-project`; `docker compose ls` lists them"));
    }
    let platform = platform();
    platform.connect().await?;
    let running = match &args.compose_project {
        Some(name) => Some((name.as_str(), running(&*platform, name, &in_services).await?)),
        None => None,
    };
    toolbox.image = args.toolbox.or(toolbox.image);
    let mut person = Terminal::new(!args.no_input && args.format == TextOrJson::Text, &runbook.source.text);
    let wanted = ConductOptions {
        // Who tries a runbook wants to see what its commands say.
        globals: super::Globals { verbose: globals.verbose.saturating_add(1), ..globals.clone() },
        out: args.out,
        format: args.format,
        ask: person.present,
        ..ConductOptions::default()
    };
    let notes = in_services.iter().map(|service| {
        format!("Firedrill copies its shell into the container of `{service}` as /firedrill; that stays there until the container is recreated")
    });
    let touched = running.iter().map(|(_, running)| {
        format!(
            "what its steps do by `docker` they do to the team's own: their `docker` works on {}; what reads the Compose files (`up`, \
             `create`, `run`, `scale`, `pull`, `config`) is refused, and a step that ends there leaves undone what follows",
            running.words
        )
    });
    let notes = touched.chain(notes);
    let alone = Alone { runbook: &runbook, respond: &respond, verify_within: respond.timeout, notes: notes.collect() };
    conduct::follow(alone, &*platform, running, toolbox, &mut person, &wanted).await
}

/// The services in which commands would run.
pub(super) fn services(runbook: &Runbook, respond: &Respond) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for step in &runbook.steps {
        for command in step.commands() {
            let settings = step.settings(command.block);
            if let (None, Place::Service(service)) = (&settings.skip, place_of(&settings, command, respond)) {
                found.insert(service);
            }
        }
    }
    found
}

/// The runbook to follow, and how.
fn given(args: &RunArgs, globals: &super::Globals) -> Result<(Runbook, Respond, ToolboxRequest), Error> {
    let Some(name) = &args.scenario else {
        let source = super::show::read(args.runbook.as_deref().unwrap_or(Path::new("")), &globals.project)?;
        let phases = (!args.phases.is_empty()).then(|| args.phases.clone());
        let respond = Respond::alone(phases, args.timeout, args.service.clone());
        let mut diags = Diagnostics::default();
        let runbook = runbook::open(&source, &runbook::ParseOptions::default(), &BTreeMap::new(), &mut diags);
        return globals.fit((runbook.map(|runbook| (runbook, respond, ToolboxRequest::default())), diags));
    };
    let overrides = globals.overrides(args.vars.iter().cloned());
    let (plan, diags) = spec::load(&spec::find(name, &globals.project)?, &overrides);
    let given = plan.filter(|_| !diags.has_errors()).map(|plan| {
        let none = || Error::usage(format!("the scenario `{name}` has no runbook to follow"));
        let (runbook, mut respond) = (plan.runbook.ok_or_else(none)?, plan.respond);
        if !args.phases.is_empty() {
            respond.phases.clone_from(&args.phases);
        }
        let (image, directory) = (plan.stack.toolbox_image, plan.stack.directory);
        Ok::<_, Error>((runbook, respond, ToolboxRequest { image, directory }))
    });
    globals.fit((given.transpose()?, diags))
}

async fn running(platform: &dyn Platform, name: &str, wanted: &BTreeSet<String>) -> Result<RunningStack, Error> {
    let running = platform.running(name).await.map_err(attach_error)?;
    match wanted.iter().find(|service| !running.services.contains(service)) {
        None => Ok(running),
        Some(missing) => Err(Error::usage(format!("the Compose project `{name}` has no service `{missing}`"))
            .hint(format!("it has {}", list(&running.services)))),
    }
}
