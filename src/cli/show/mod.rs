//! `firedrill show`: prints a runbook as the steps that Firedrill reads.

mod inputs;
mod json;
mod restore;
mod text;

use super::TextOrJson;
use crate::error::{Error, Exit};
use crate::lint::{self, FilesError};
use crate::output::{print, print_value, say};
use crate::runbook::{self, Command, Runbook, RunbookInput, Step};
use crate::source::{Diagnostics, Source, render, tidy};
use crate::spec::{self, Plan};
use crate::stack::{Published, platform};
use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Prints a runbook as the steps that Firedrill reads: phase, lines, commands, inputs, and why a step is for a person.
#[derive(Debug, clap::Args)]
pub struct ShowArgs {
    /// The runbook: a path, or the name of a file in `runbooks/`.
    #[arg(value_name = "RUNBOOK", required_unless_present = "scenario")]
    runbook: Option<PathBuf>,
    /// Show it as this scenario follows it: values of inputs, settings, steps that it replaces, skips or leaves out.
    #[arg(long, value_name = "NAME")]
    scenario: Option<String>,
    /// How to print it.
    #[arg(long, value_enum, default_value_t = TextOrJson::Text)]
    format: TextOrJson,
}

/// Runs the command. Mistakes of the runbook go to standard error, and the exit code is that of wrong files; the steps
/// are shown all the same, as far as they could be read.
pub async fn run(args: ShowArgs, globals: &super::Globals) -> Result<Exit, Error> {
    let mut diags = Diagnostics::default();
    let named = args.runbook.as_ref().map(|path| read(path, &globals.project)).transpose()?;
    let mut view = match &args.scenario {
        Some(name) => followed(name, named.as_deref(), globals, &mut diags)?,
        None => named.and_then(|source| runbook::parse(&source, &mut diags)).map(|mut runbook| {
            runbook.decide(&BTreeMap::new(), &mut diags);
            View { runbook, plan: None, localhost: None }
        }),
    };
    if let Some(View { plan: Some(plan), localhost, .. }) = &mut view {
        let stack = platform().resolve(&plan.stack).await;
        *localhost = Some(stack.map(|stack| stack.published()).map_err(|error| error.to_string()));
    }
    if let Some(view) = &view {
        match args.format {
            TextOrJson::Text => print(&text::text(view))?,
            TextOrJson::Json => print_value(&json::of(view))?,
        }
    }
    if !diags.all.is_empty() {
        say(&render(&diags, globals.color()));
    }
    Ok(if diags.has_errors() { Exit::Usage } else { Exit::Passed })
}

/// A runbook by itself, or as a scenario follows it.
#[derive(Debug)]
struct View {
    runbook: Runbook,
    plan: Option<Plan>,
    /// What `localhost` leads to in the toolbox, or why that is not known here.
    localhost: Option<Result<Published, String>>,
}

impl View {
    /// Whether the phase of a step is followed; without a scenario all of them count.
    fn follows(&self, step: &Step) -> bool {
        self.plan.as_ref().is_none_or(|plan| plan.respond.phases.contains(&step.phase))
    }

    /// The value that the scenario gives an input of a step; a secret is not shown.
    fn value(&self, step: &Step, input: &RunbookInput) -> Option<String> {
        let var = self.plan.as_ref()?.respond.given(&step.id, input).filter(|var| var.is_usable())?;
        Some(if var.secret { "***".to_string() } else { var.value.clone() })
    }

    /// Where commands run unless their block says otherwise.
    fn service(&self) -> Option<&str> {
        self.plan.as_ref()?.respond.service.as_deref()
    }

    /// A command with its inputs filled in, where the scenario has all of their values.
    fn filled(&self, step: &Step, command: &Command) -> Option<String> {
        let plan = self.plan.as_ref()?;
        let find = |name: &str| command.inputs.iter().find(|input| input.name == name);
        let given = |name: &str| plan.respond.given(&step.id, find(name)?).filter(|var| var.is_usable());
        // Whether a value fits is decided by the value, and not by its asterisks.
        command.fill(|name| Some(given(name)?.value.clone())).ok()?;
        command.fill(|name| self.value(step, find(name)?)).ok()
    }
}

/// The runbook of a scenario, every step as it is followed. `None` if the scenario has mistakes.
fn followed(
    name: &str,
    named: Option<&Source>,
    globals: &super::Globals,
    diags: &mut Diagnostics,
) -> Result<Option<View>, Error> {
    let path = spec::find(name, &globals.project)?;
    let overrides = globals.overrides([]);
    let (whole, found) = spec::load_whole(&path, &overrides);
    diags.all.extend(found.all);
    let Some((plan, whole)) = whole else { return Ok(None) };
    let Some(mut runbook) = whole else {
        return Err(Error::usage(format!("{} follows no runbook", path.display())));
    };
    if let Some(other) = named.filter(|other| other.text != runbook.source.text) {
        let (wanted, own) = (other.path.display(), runbook.source.path.display());
        return Err(Error::usage(format!("{} follows `{own}`, not `{wanted}`", path.display())));
    }
    // Of the steps that are followed, the inputs are those that are left when the others are not there.
    let followed = plan.runbook.iter().flat_map(|runbook| &runbook.steps);
    let followed: HashMap<&str, &Step> = followed.map(|step| (step.id.as_str(), step)).collect();
    for step in &mut runbook.steps {
        if let Some(same) = followed.get(step.id.as_str()) {
            step.clone_from(same);
        }
    }
    Ok(Some(View { runbook, plan: Some(plan), localhost: None }))
}

/// The runbooks of a project, also those in folders of `runbooks/`.
pub(super) fn runbooks(project: &Path) -> Result<Vec<PathBuf>, Error> {
    let folder = tidy(&project.join("runbooks"));
    match lint::collect(std::slice::from_ref(&folder), project, &lint::Config::default()) {
        Err(FilesError::Nothing(_)) => Ok(Vec::new()),
        Err(_) if !folder.is_dir() => Ok(Vec::new()),
        found => found.map_err(|error| Error::usage(error.to_string())),
    }
}

/// Reads the file at the path, or else the runbook of that name in the project.
pub(super) fn read(path: &Path, project: &Path) -> Result<Arc<Source>, Error> {
    let found = match path.exists() {
        true => path.to_path_buf(),
        false => spec::find_among(&path.to_string_lossy(), &runbooks(project)?, &project.join("runbooks"), "runbook")?,
    };
    super::read_text(&found, "the runbook")
}

#[cfg(test)]
mod tests;
