//! `firedrill run`: follows a runbook alone, without a scenario, for trying it while it is written.

use super::ask::Terminal;
use super::conduct::{self, ConductOptions, attach_error};
use super::key_value;
use crate::engine::{Alone, place_of};
use crate::error::{Error, Exit};
use crate::output::print;
use crate::runbook::{self, Runbook, RunbookPhase, Step};
use crate::source::{Diagnostics, list};
use crate::spec::{self, Respond};
use crate::stack::{Place, Platform, RunningStack, ToolboxRequest, platform};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

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
    #[arg(long, value_name = "STEP", conflicts_with = "from")]
    only: Vec<String>,
    /// Say what would run, where, with the inputs filled in; start nothing.
    #[arg(long, short = 'n')]
    dry_run: bool,
    /// Gives an input of the runbook its value.
    #[arg(long = "var", value_name = "KEY=VALUE", value_parser = key_value)]
    vars: Vec<(String, String)>,
}

/// Runs the command.
pub async fn run(args: RunArgs, globals: &super::Globals) -> Result<Exit, Error> {
    let (runbook, mut respond, toolbox) = given(&args, globals)?;
    for (name, value) in &args.vars {
        respond.give(name, value);
    }
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
    let mut person = Terminal::new(true, &runbook.source.text);
    // Who tries a runbook wants to see what its commands say.
    let globals = super::Globals { verbose: globals.verbose.saturating_add(1), ..globals.clone() };
    let wanted = ConductOptions { globals, ask: person.present, ..ConductOptions::default() };
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
        let respond = Respond::alone(None, None, None);
        let mut diags = Diagnostics::default();
        let runbook = runbook::open(&source, &mut diags);
        return globals.fit((runbook.map(|runbook| (runbook, respond, ToolboxRequest::default())), diags));
    };
    let overrides = globals.overrides(args.vars.iter().cloned());
    let (plan, diags) = spec::load(&spec::find(name, &globals.project)?, &overrides);
    let given = plan.filter(|_| !diags.has_errors()).map(|plan| {
        let none = || Error::usage(format!("the scenario `{name}` has no runbook to follow"));
        let (runbook, respond) = (plan.runbook.ok_or_else(none)?, plan.respond);
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

/// The runbook with these steps alone: `only` these, or those of these phases beginning with `from`. A variable that only a step
/// left out would set is an input of those that stay.
///
/// # Errors
/// `usage` when a step is not there, or none is left.
fn selected(runbook: &Runbook, from: Option<&str>, only: &[String], phases: &[RunbookPhase]) -> Result<Runbook, Error> {
    let only = only.iter().map(|name| step(runbook, name)).collect::<Result<Vec<&Step>, Error>>()?;
    let from = from.map(|name| step(runbook, name)).transpose()?;
    let begin = from.map_or(0, |from| from.line);
    let chosen = runbook.only(|step| {
        if !only.is_empty() {
            return only.iter().any(|only| only.id == step.id);
        }
        // The one that is named is followed, whatever its phase.
        let named = from.is_some_and(|from| from.id == step.id);
        named || (step.line >= begin && phases.contains(&step.phase))
    });
    if !chosen.steps.is_empty() {
        return Ok(chosen);
    }
    let wanted: Vec<&str> = phases.iter().map(|phase| phase.name()).collect();
    let there: BTreeSet<RunbookPhase> = runbook.steps.iter().map(|step| step.phase).collect();
    let there: Vec<&str> = there.into_iter().map(RunbookPhase::name).collect();
    Err(Error::usage(format!("the runbook has no step in {}", list(&wanted)))
        .hint(format!("it has steps in {}; `--only` or `--from` names one of them", list(&there))))
}

fn step<'r>(runbook: &'r Runbook, name: &str) -> Result<&'r Step, Error> {
    let found = runbook.find_step(name).map_err(|(message, help)| Error::usage(message).hint(help))?;
    Ok(&runbook.steps[found])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::Source;

    const TEXT: &str = "\
# Shop

## Diagnosis

### Step 1: Look

```bash
true
```

## Mitigation

### Step 2: Restart

```bash
true
```

## Rollback

### Step 3: Restart

```bash
true
```
";

    fn ids(from: Option<&str>, only: &[&str], phases: &[RunbookPhase]) -> Result<Vec<String>, String> {
        let runbook = crate::runbook::parse(&Source::new("shop.md", TEXT), &mut Diagnostics::default()).unwrap();
        let only: Vec<String> = only.iter().map(|name| name.to_string()).collect();
        let chosen = selected(&runbook, from, &only, phases).map_err(|error| error.to_string())?;
        Ok(chosen.steps.into_iter().map(|step| step.id).collect())
    }

    #[test]
    fn steps_are_named_by_their_id_or_by_the_part_behind_the_slash() {
        use RunbookPhase::{Diagnose, Mitigate, Verify};
        let usual = [Diagnose, Mitigate, Verify];
        assert_eq!(ids(None, &[], &usual).unwrap(), ["diagnose/look", "mitigate/restart"]);
        assert_eq!(ids(Some("mitigate/restart"), &[], &usual).unwrap(), ["mitigate/restart"]);
        assert_eq!(ids(Some("rollback/restart"), &[], &usual).unwrap(), ["rollback/restart"]);
        assert_eq!(ids(None, &["look", "rollback/restart"], &usual).unwrap(), ["diagnose/look", "rollback/restart"]);
    }

    #[test]
    fn what_is_not_there_is_said_with_what_is() {
        let error = ids(None, &["lok"], &[]).unwrap_err();
        assert!(error.contains("no step `lok`") && error.contains("did you mean `look`?"), "{error}");
        let error = ids(Some("restart"), &[], &[]).unwrap_err();
        assert!(error.contains("`mitigate/restart` and `rollback/restart`"), "{error}");
        let error = ids(None, &[], &[RunbookPhase::Verify]).unwrap_err();
        assert!(error.contains("no step in `verify`") && error.contains("--only"), "{error}");
    }
}
