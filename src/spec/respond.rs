//! `runbook:` and `respond:` of a scenario: which phases of the runbook are followed, where, and with which inputs.

use super::reading::ChosenWay;
use super::services::service;
use super::steps::NamedStep;
use super::vars::{LONGER, read_var, too_short, var};
use super::windows::{LONGEST, deadline};
use super::{Overrides, Plan, Respond, Var, environment};
use crate::load::Ca;
use crate::runbook::{Command, ParseOptions, Runbook, RunbookInput, RunbookPhase, Step, unified_name};
use crate::source::{At, Diagnostics, Pos, Source, Span, list, nearest, shape, shorten};
use serde_json::json;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// Deadline of a command unless something says otherwise.
const TIMEOUT: Duration = Duration::from_secs(30);
/// What is followed when the scenario selects nothing.
const PHASES: [RunbookPhase; 3] = [RunbookPhase::Diagnose, RunbookPhase::Mitigate, RunbookPhase::Verify];

/// A variable as it was named, and where.
struct NamedVar {
    name: String,
    source: Arc<Source>,
    span: Span,
    var: Option<Var>,
    /// What the scenario itself says about its being a secret.
    declared: Option<bool>,
}

/// `respond` as it was written.
#[derive(Default)]
pub struct WrittenRespond {
    phases: Option<Vec<RunbookPhase>>,
    vars: Vec<NamedVar>,
    env: BTreeMap<String, Var>,
    env_files: Vec<PathBuf>,
    chosen: Vec<ChosenWay>,
    timeout: Option<Duration>,
    service: Option<String>,
    trust: Option<Ca>,
}

/// Reads the runbook that the scenario names.
pub fn read_runbook(at: &mut At<'_>, reading: &ParseOptions) -> Option<Runbook> {
    let text = super::stack::text_at(at, "the runbook")?;
    let before = at.diags.all.len();
    let runbook = crate::runbook::parse_with(&text, reading, at.diags);
    if runbook.is_none() && at.diags.all.len() == before {
        at.error(format!("`{}` is not a runbook", text.path.display()));
    }
    runbook
}

/// Reads `respond`; `expected` says whether the scenario names a runbook.
pub fn read(at: &mut At<'_>, expected: bool) -> Option<WrittenRespond> {
    if !expected {
        at.error("`respond` needs a runbook to follow")
            .help("name it with `runbook:`, or leave `respond` out to test that the system heals by itself");
    }
    let mut map = at.map("`respond`")?;
    let phases = map.optional_by("phases", |at| Some(read_phases(at)));
    let vars = map.apart("vars", |at| Some(read_vars(at))).unwrap_or_default();
    let files = map.apart("env_files", |at| Some(environment::read_files(at)));
    let (mut env, env_files) = files.unwrap_or_default();
    env.extend(map.apart("env", |at| Some(environment::read(at))).unwrap_or_default());
    let chosen = map.apart("choose", |at| Some(read_choose(at))).unwrap_or_default();
    let timeout = map.optional_by("timeout", |at| deadline(at, LONGEST));
    let service = map.optional_by("service", |at| service(at, "`respond.service`"));
    let trust = map.optional_by("trust", |at| super::loads::read_ca(at, "`respond.trust`"));
    map.finish()?;
    Some(WrittenRespond { phases, vars, env, env_files, chosen, timeout, service, trust })
}

impl Respond {
    /// `respond` as a scenario has it that says nothing, and as a runbook is followed without one.
    pub fn alone(phases: Option<Vec<RunbookPhase>>, timeout: Option<Duration>, service: Option<String>) -> Respond {
        let phases = phases.unwrap_or_else(|| PHASES.to_vec());
        Respond { phases, timeout: timeout.unwrap_or(TIMEOUT), service, ..Respond::default() }
    }

    /// Gives an input its value; whether it is a secret the scenario says, or its name and the value itself.
    pub fn give(&mut self, name: &str, value: &str) {
        let known = self.vars.get(&unified_name(name));
        let declared = known.is_some_and(|known| known.declared).then_some(true);
        let var = var(name, value.to_string(), declared, known.is_some_and(|known| known.may_be_empty));
        self.vars.insert(unified_name(name), var.clone());
        self.vars.insert(name.to_string(), var);
    }
}

impl WrittenRespond {
    /// Puts it to the runbook, if the scenario names one that can be read, and checks it against that. `runbook_at` is where
    /// it is named; `steps` are those of which the scenario says something.
    pub fn settle(
        mut self,
        runbook: Option<&mut Runbook>,
        runbook_at: Span,
        steps: &[NamedStep],
        overrides: &Overrides,
        source: &Arc<Source>,
        diags: &mut Diagnostics,
    ) -> Respond {
        override_vars(&mut self.vars, overrides, diags);
        let selected = self.phases.is_some();
        let respond = Respond {
            // One that could not be read counts as given: its own mistake is told already.
            vars: both_names(&self.vars),
            env: self.env,
            env_files: self.env_files,
            env_of_steps: steps.iter().filter_map(NamedStep::environment).collect(),
            choose: self.chosen.iter().map(|(choice, way, _)| (choice.clone(), way.clone())).collect(),
            trust: self.trust,
            ..Respond::alone(self.phases, self.timeout, self.service)
        };
        if let Some(runbook) = runbook {
            super::reading::apply(runbook, &respond, &self.chosen, source, diags);
            let runbook = &*runbook;
            check_phases(runbook, &respond.phases, selected, runbook_at, source, diags);
            check_vars(runbook, &respond, &self.vars, source, diags);
            super::silent::warn(runbook, &respond.phases, diags);
        }
        respond
    }
}

fn read_choose(at: &mut At<'_>) -> Vec<ChosenWay> {
    at.entries("a map", "write it like `choose: { backend: postgres }`", |at| {
        at.diags.describe(shape::filled);
        let Some(way) = at.node.text() else {
            return at.fail(format!("a way must be a name, found {}", at.node.describe()));
        };
        Some((at.key.to_string(), way.to_string(), at.key_span))
    })
}

fn read_phases(at: &mut At<'_>) -> Vec<RunbookPhase> {
    let mut phases = Vec::new();
    at.items("a list of phases", "", |at| {
        let all = RunbookPhase::ALL.map(|phase| (phase.name(), phase));
        let phase = at.one_of(all, "is not a phase of a runbook")?;
        if phases.contains(&phase) {
            at.error(format!("the phase `{}` is given twice", phase.name()));
        } else {
            phases.push(phase);
        }
        Some(())
    });
    at.also(json!({ "uniqueItems": true }));
    at.must_not_be_empty("`phases` is empty: nothing would be followed", "");
    phases
}

fn read_vars(at: &mut At<'_>) -> Vec<NamedVar> {
    let mut names: Vec<String> = Vec::new();
    at.entries_if_any("a map", "", |at| {
        let name = shorten(at.key);
        if unified_name(at.key).is_empty() {
            at.error_at_key(format!("`{name}` is not the name of an input"));
        } else if let Some(same) = names.iter().find(|other| unified_name(other) == unified_name(at.key)) {
            at.error_at_key(format!("`{name}` and `{}` are the same input", shorten(same))).help("keep one of the two");
        }
        names.push(at.key.to_string());
        let (var, declared) = read_var(at);
        Some(NamedVar { name: at.key.to_string(), source: at.source.clone(), span: at.key_span, var, declared })
    })
}

/// The command line wins; what the scenario says about secrets stays.
fn override_vars(vars: &mut Vec<NamedVar>, overrides: &Overrides, diags: &mut Diagnostics) {
    for (name, value) in &overrides.vars {
        // The value may be a secret: only the name is shown.
        let source = Source::new("--var", format!("{name}=…"));
        let span = Span::new(0, name.len());
        let known = vars.iter_mut().find(|var| unified_name(&var.name) == unified_name(name));
        let may_be_empty = known.as_ref().and_then(|known| known.var.as_ref()).is_some_and(|var| var.may_be_empty);
        let declared = known.as_ref().and_then(|known| known.declared);
        let var = var(name, value.clone(), declared, may_be_empty);
        if let Some(why) = too_short(&var) {
            diags.error(&source, span, format!("variable `{}`: {why}", shorten(name))).help(LONGER);
        }
        match known {
            Some(known) => known.var = Some(var),
            None => vars.push(NamedVar { name: name.clone(), source, span, var: Some(var), declared }),
        }
    }
}

fn both_names(vars: &[NamedVar]) -> BTreeMap<String, Var> {
    let mut map = BTreeMap::new();
    for named in vars {
        let unread = || Var { value: String::new(), secret: true, declared: false, may_be_empty: true };
        let var = named.var.clone().unwrap_or_else(unread);
        map.insert(unified_name(&named.name), var.clone());
        map.insert(named.name.clone(), var);
    }
    map
}

fn check_phases(
    runbook: &Runbook,
    phases: &[RunbookPhase],
    selected: bool,
    at: Span,
    source: &Arc<Source>,
    diags: &mut Diagnostics,
) {
    let mut there: Vec<&str> = Vec::new();
    for step in &runbook.steps {
        if !there.contains(&step.phase.name()) {
            there.push(step.phase.name());
        }
    }
    let has =
        if there.is_empty() { "it has no steps".to_string() } else { format!("it has steps in {}", list(&there)) };
    if !selected && !there.contains(&RunbookPhase::Mitigate.name()) {
        diags.error(source, at, "the runbook has no mitigation: no heading says what helps").help(format!(
            "{has}; name a heading `Mitigation`, or select what to follow: `respond: {{ phases: […] }}`"
        ));
    } else if !phases.is_empty() && runbook.select(phases).next().is_none() {
        let wanted: Vec<&str> = phases.iter().map(|phase| phase.name()).collect();
        diags.error(source, at, format!("the runbook has no step in {}", list(&wanted))).help(has);
    }
}

fn check_vars(runbook: &Runbook, respond: &Respond, vars: &[NamedVar], source: &Arc<Source>, diags: &mut Diagnostics) {
    // What only a step left out would set is an input of those that stay.
    let followed = runbook.only(|step| respond.phases.contains(&step.phase));
    let used = runbook.steps.iter().chain(&followed.steps).flat_map(inputs);
    let used: HashMap<&str, &RunbookInput> = used.map(|input| (input.name.as_str(), input)).collect();
    for var in vars {
        let name = unified_name(&var.name);
        if used.contains_key(name.as_str()) {
            continue;
        }
        let message = format!("no step of the runbook uses `{}`", shorten(&var.name));
        let warning = diags.warning(&var.source, var.span, message);
        let mut names: Vec<&str> = used.keys().copied().collect();
        names.sort_unstable();
        if let Some(input) = nearest(&name, names).and_then(|near| used.get(near)) {
            warning.help(format!("did you mean `{}`?", shorten(&input.spelling)));
        }
    }
    let lookup = |name: &str| respond.vars.get(name).map(|var| var.value.clone());
    let mut told: HashSet<&str> = HashSet::new();
    // Of the command that was looked at last: its inputs follow each other.
    let mut refused: Option<(&Command, Vec<RunbookInput>)> = None;
    for InputUse { step, command, place, input, captured } in uses(&followed, respond.service.as_deref()) {
        let given = respond.given(step, input);
        // Whether its service has it of its own is known once the stack is.
        if place.is_some() && input.variable().is_some() && given.is_none() || told.contains(input.name.as_str()) {
            continue;
        }
        let mut is_refused = || {
            let known = refused.take().filter(|(known, _)| std::ptr::eq(*known, command));
            let (_, refused) = refused.insert(known.unwrap_or_else(|| (command, command.refused(lookup))));
            refused.binary_search_by_key(&input.span.start, |refused| refused.span.start).is_ok()
        };
        let file = command.origin.as_ref().unwrap_or(&runbook.source);
        let why = match given {
            Some(var) if !var.is_usable() && !captured => Unfit::Empty,
            None if !captured => Unfit::Missing,
            _ if is_refused() => Unfit::Refused { shell: command.is_shell() },
            _ => continue,
        };
        told.insert(&input.name);
        warn_of(input, why, file, source, diags);
    }
}

/// Warns of variables without a value in commands that run in a service, unless `environment` says that the service has
/// them of its own.
pub fn check_environment(plan: &Plan, environment: impl Fn(&str) -> BTreeMap<String, String>, diags: &mut Diagnostics) {
    let (Some(runbook), respond) = (&plan.runbook, &plan.respond) else { return };
    let followed = runbook.only(|step| respond.phases.contains(&step.phase));
    let mut told: HashSet<&str> = HashSet::new();
    for InputUse { step, command, place, input, captured } in uses(&followed, respond.service.as_deref()) {
        let (Some(place), Some(variable)) = (place, input.variable()) else { continue };
        let own = || environment(place).get(variable).is_some_and(|value| !value.is_empty());
        let known = captured || respond.given(step, input).is_some() || own();
        if !known && told.insert(&input.name) {
            let file = command.origin.as_ref().unwrap_or(&runbook.source);
            warn_of(input, Unfit::Missing, file, &plan.source, diags);
        }
    }
}

/// An input where a command uses it.
struct InputUse<'r> {
    /// Id of its step.
    step: &'r str,
    command: &'r Command,
    /// The service in which the command runs.
    place: Option<&'r str>,
    input: &'r RunbookInput,
    /// Whether an earlier block finds its value out.
    captured: bool,
}

fn uses<'r>(runbook: &'r Runbook, service: Option<&'r str>) -> Vec<InputUse<'r>> {
    let (mut found, mut names): (_, HashSet<String>) = (Vec::new(), HashSet::new());
    for step in &runbook.steps {
        let mut commands = step.commands().iter().peekable();
        let mut captures = step.captures().peekable();
        for (index, block) in step.blocks.iter().enumerate() {
            let place = block.settings.place.as_deref().or(service);
            // In the order of the blocks.
            while let Some(command) = commands.next_if(|command| command.block <= index) {
                let inputs = command.inputs.iter();
                let captured = |input: &RunbookInput| names.contains(&input.name);
                let of = |input| InputUse { step: &step.id, command, place, input, captured: captured(input) };
                found.extend(inputs.map(of));
            }
            while let Some((_, name)) = captures.next_if(|(by, _)| *by <= index) {
                names.insert(unified_name(name));
            }
        }
    }
    found
}

/// Why a step would be blocked.
enum Unfit {
    /// The input has no value.
    Missing,
    /// Its value is empty.
    Empty,
    /// Its value cannot stand where it would be put.
    Refused { shell: bool },
}

fn warn_of(input: &RunbookInput, why: Unfit, file: &Arc<Source>, source: &Arc<Source>, diags: &mut Diagnostics) {
    let start = file.offset(Pos { line: input.line, column: input.column });
    let span = Span::new(start, (start + input.spelling.len()).min(file.text.len()));
    let spelling = shorten(&input.spelling);
    let name = input.variable().unwrap_or(&input.name);
    match why {
        Unfit::Missing => {
            let message = format!("`{spelling}` has no value in {}: its step would be blocked", source.path.display());
            let help = format!("give it in the scenario: `respond: {{ vars: {{ {name}: … }} }}`, or with `--var`");
            diags.warning(file, span, message).help(help);
        }
        Unfit::Empty => {
            let message = format!("the value of `{spelling}` is empty: its step would be blocked");
            diags.warning(file, span, message).help(format!(
                "give it one; if it is meant so: `respond: {{ vars: {{ {name}: {{ value: \"\", may_be_empty: true }} }} }}`"
            ));
        }
        Unfit::Refused { shell } => {
            let message = format!("the value of `{spelling}` cannot stand here: its step would be blocked");
            diags.warning(file, span, message).help(if shell {
                "in code and arithmetic plain words and numbers only can stand, and no value may end a here-document"
            } else {
                "outside of quotes a client gets plain words and numbers only: put the placeholder in quotes"
            });
        }
    }
}

fn inputs(step: &Step) -> impl Iterator<Item = &RunbookInput> {
    step.commands().iter().flat_map(|command| &command.inputs)
}
