//! `firedrill show`: prints a runbook as the steps that Firedrill reads.

mod json;
pub(super) mod text;

use super::TextOrJson;
use crate::engine::place_of;
use crate::error::{Error, Exit};
use crate::lint::{self, FilesError};
use crate::output::{print, print_value, say};
use crate::record::{HIDDEN, Redactor};
use crate::runbook::{self, Command, Runbook, RunbookInput, Step};
use crate::source::{Diagnostics, Source, render, tidy};
use crate::spec::{self, InputUse, Plan, Respond, input_uses};
use crate::stack::Place;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Prints a runbook as the steps that Firedrill reads: phase, lines, commands, inputs, and why a step is for a person.
#[derive(Debug, clap::Args)]
pub struct ShowArgs {
    /// The runbook: a path, or the name of a file in `runbooks/`.
    #[arg(value_name = "RUNBOOK", required_unless_present = "scenario")]
    runbook: Option<PathBuf>,
    /// Show the runbook of this scenario as it follows it: values of inputs, settings, steps that it replaces, skips or leaves out.
    #[arg(long, value_name = "NAME", conflicts_with = "runbook")]
    scenario: Option<String>,
    /// How to print it.
    #[arg(long, value_enum, default_value_t = TextOrJson::Text)]
    format: TextOrJson,
}

/// Runs the command. Mistakes of the runbook go to standard error, and the exit code is that of wrong files; the steps
/// are shown all the same, as far as they could be read.
pub async fn run(args: ShowArgs, globals: &super::Globals) -> Result<Exit, Error> {
    let mut diags = Diagnostics::default();
    let view = match &args.scenario {
        Some(name) => followed(name, globals, &mut diags)?,
        None => {
            let source = read(args.runbook.as_deref().unwrap_or(Path::new("")), &globals.project)?;
            runbook::parse(&source, &mut diags).map(|mut runbook| {
                runbook.decide(&BTreeMap::new(), &mut diags);
                View { runbook, respond: None, plan: None }
            })
        }
    };
    if let Some(view) = &view {
        match args.format {
            TextOrJson::Text => print(&text::text(view).0)?,
            TextOrJson::Json => print_value(&json::of(view))?,
        }
    }
    say(&render(&diags, globals.color()));
    Ok(if diags.has_errors() { Exit::Usage } else { Exit::Passed })
}

/// A runbook as `--dry-run` shows it: these steps, as they would be followed; and whether one of them would be blocked.
pub(super) fn as_followed(runbook: &Runbook, respond: &Respond) -> (String, bool) {
    let view = View { runbook: runbook.clone(), respond: Some(respond.clone()), plan: None };
    let (text, blocked) = text::text(&view);
    (Redactor::new(respond.secrets()).text(&text), blocked)
}

/// A command with its inputs filled in, or those for which its step would be blocked.
type FilledCommand = Result<String, Vec<RunbookInput>>;

/// A runbook by itself, or as it is followed.
#[derive(Debug)]
struct View {
    runbook: Runbook,
    /// How it is followed.
    respond: Option<Respond>,
    /// The scenario that follows it.
    plan: Option<Plan>,
}

impl View {
    /// Whether the phase of a step is followed; without a scenario all of them count.
    fn follows(&self, step: &Step) -> bool {
        self.plan.as_ref().is_none_or(|plan| plan.respond.phases.contains(&step.phase))
    }

    /// The value that the scenario gives an input of a step; a secret is not shown.
    fn value(&self, step: &Step, input: &RunbookInput) -> Option<String> {
        let var = self.respond.as_ref()?.given(&step.id, input).filter(|var| var.is_usable())?;
        Some(if var.secret { HIDDEN.to_string() } else { var.value.clone() })
    }

    /// Where a command runs, as far as that is known.
    fn place(&self, step: &Step, command: &Command) -> Option<Place> {
        Some(place_of(&step.settings(command.block), command, self.respond.as_ref()?))
    }

    /// A command with its inputs filled in, or those for which its step would be blocked, as far as it is known how it is
    /// followed. `captured` are the names of what earlier blocks find out.
    fn filled(&self, step: &Step, command: &Command, captured: &BTreeSet<String>) -> Option<FilledCommand> {
        let respond = self.respond.as_ref()?;
        let in_service = matches!(self.place(step, command)?, Place::Service(_));
        let given = |name: &str| respond.vars.get(name).filter(|var| var.is_usable());
        // What a session has of the scenario, or a service of its own, is not filled in.
        let mut needs = command.clone();
        needs.inputs.retain(|input| {
            let is_known = given(&input.name).is_some() || captured.contains(&input.name);
            input.variable().is_none() || self.value(step, input).is_none() && (is_known || !in_service)
        });
        let fill = |is_shown: bool| {
            let value = |name: &str, bare: bool| match given(name) {
                Some(var) if is_shown && var.secret => Some(HIDDEN.to_string()),
                Some(var) => Some(var.value.clone()),
                // What an earlier block finds out is not known yet: its name stands for it, bare where `<name>` cannot stand.
                None if bare => captured.contains(name).then(|| name.to_string()),
                None => captured.contains(name).then(|| format!("<{name}>")),
            };
            let filled = needs.fill(|name| value(name, false));
            filled.or_else(|missing| needs.fill(|name| value(name, true)).map_err(|_| missing))
        };
        // Whether a value fits is decided by the value, and not by its asterisks.
        Some(fill(false).map(|_| fill(true).unwrap_or_else(|_| command.text.clone())))
    }
}

/// The runbook of a scenario, every step as it is followed. `None` if the scenario has mistakes.
fn followed(name: &str, globals: &super::Globals, diags: &mut Diagnostics) -> Result<Option<View>, Error> {
    let path = spec::find(name, &globals.project)?;
    let Some((plan, whole)) = diags.add(spec::load_whole(&path, &globals.overrides([]))) else { return Ok(None) };
    let Some(mut runbook) = whole else {
        return Err(Error::usage(format!("{} follows no runbook", path.display())));
    };
    // Of the steps that are followed, the inputs are those that are left when the others are not there.
    let followed = plan.runbook.iter().flat_map(|runbook| &runbook.steps);
    let followed: HashMap<&str, &Step> = followed.map(|step| (step.id.as_str(), step)).collect();
    for step in &mut runbook.steps {
        if let Some(same) = followed.get(step.id.as_str()) {
            step.clone_from(same);
        }
    }
    Ok(Some(View { runbook, respond: Some(plan.respond.clone()), plan: Some(plan) }))
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

/// An input of the whole runbook.
#[derive(Debug, Default, Serialize)]
struct ShownInput {
    name: String,
    spellings: Vec<String>,
    lines: BTreeSet<usize>,
    scenario_lines: BTreeSet<usize>,
    value: Option<String>,
    captured_by: Option<String>,
    /// Needed only as a variable of a service, which may have it of its own.
    #[serde(skip)]
    of_service: bool,
}

/// The inputs, in the order in which they are first needed. Those of commands that do not run are not needed.
fn inputs(view: &View) -> Vec<ShownInput> {
    let mut shown: Vec<ShownInput> = Vec::new();
    // A runbook may have very many, of very many spellings.
    let mut by_name: HashMap<&str, usize> = HashMap::new();
    let mut spellings: HashSet<(usize, &str)> = HashSet::new();
    let followed = view.runbook.steps.iter().filter(|step| view.follows(step));
    let service = view.respond.as_ref().and_then(|respond| respond.service.as_deref());
    for InputUse { step, command, place, input, captured } in input_uses(followed, service) {
        let index = *by_name.entry(&input.name).or_insert_with(|| {
            let (name, value) = (input.name.clone(), view.value(step, input));
            let captured_by = captured.map(str::to_string);
            shown.push(ShownInput { name, value, captured_by, of_service: true, ..ShownInput::default() });
            shown.len() - 1
        });
        let Some(known) = shown.get_mut(index) else { continue };
        known.of_service &= place.is_some() && input.variable().is_some();
        if spellings.insert((index, &input.spelling)) {
            known.spellings.push(input.spelling.clone());
        }
        let lines = if command.origin.is_some() { &mut known.scenario_lines } else { &mut known.lines };
        lines.insert(input.line);
    }
    shown
}

#[cfg(test)]
mod tests;
