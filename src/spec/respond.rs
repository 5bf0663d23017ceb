//! `runbook:` and `respond:` of a scenario: which phases of the runbook are followed, where, and with which inputs; and what a person
//! should look at in its commands before anything is started: the decisions about them (what is still open, what has drifted, and where
//! the reading, the runbook's annotations and the scenario disagree), commands whose failure nobody would learn of, and changes of data
//! while nobody looks whether they destroy any.

use super::services::service;
use super::steps::NamedStep;
use super::vars::{LONGER, read_environment, read_files, read_var, too_short, var};
use super::windows::LONGEST;
use super::{Overrides, Plan, Respond, Var};
use crate::programs::{
    Call, EffectKind, acts_on_all, asks_nothing, calls, changes_data, holds_anyway, lets_fail, only_shows,
    says_nothing, unnoticed_end, words_instead,
};
use crate::record::Verdict;
use crate::runbook::{
    Command, Decision, DecisionState, Do, Errors, Handling, Review, Reviewed, Runbook, RunbookInput, RunbookPhase,
    Step, check_runs, unified_name,
};
use crate::source::{
    At, Diagnostics, MapReader, Pos, Severity, Source, Span, TextForm, did_you_mean, list, nearest, shape, shorten,
};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

/// Deadline of a command unless something says otherwise.
const TIMEOUT: Duration = Duration::from_secs(30);
/// What is followed when the scenario selects nothing.
const PHASES: [RunbookPhase; 3] = [RunbookPhase::Diagnose, RunbookPhase::Mitigate, RunbookPhase::Verify];

/// What can be done about a value that cannot stand where it is used: in shell, and in what a client runs.
const IN_SHELL: &str =
    "in code and arithmetic plain words and numbers only can stand, and no value may end a here-document";
const IN_CLIENT: &str = "outside of quotes a client gets plain words and numbers only: put the placeholder in quotes";

/// A variable as it was named, and where.
struct NamedVar {
    name: String,
    source: Arc<Source>,
    span: Span,
}

/// `respond` as it was written.
pub struct WrittenRespond {
    /// Without what `vars`, `chosen` and the steps of the scenario give it.
    respond: Respond,
    /// Whether the scenario says which phases are followed.
    selected: bool,
    vars: Vec<NamedVar>,
    chosen: Vec<Chosen>,
}

/// Reads the runbook that the scenario names.
pub fn read_runbook(at: &mut At<'_>, clients: &BTreeSet<String>) -> Option<Runbook> {
    let text = super::find::text_at(at, "the runbook")?;
    let before = at.diags.all.len();
    let runbook = crate::runbook::parse_with(&text, clients, at.diags);
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
    let mut values = BTreeMap::new();
    let vars = map.apart("vars", |at| Some(read_vars(at, &mut values))).unwrap_or_default();
    let files = map.apart("env_files", |at| Some(read_files(at)));
    let (mut env, env_files) = files.unwrap_or_default();
    env.extend(map.apart("env", |at| Some(read_environment(at))).unwrap_or_default());
    let chosen = map.apart("choose", |at| Some(read_choose(at))).unwrap_or_default();
    let timeout = map.optional_by("timeout", |at| at.within(LONGEST));
    let service = map.optional_by("service", |at| service(at, "`respond.service`"));
    let trust = map.optional_by("trust", |at| super::loads::read_ca(at, "`respond.trust`"));
    map.finish()?;
    let selected = phases.is_some();
    let respond = Respond { vars: values, env, env_files, trust, ..Respond::alone(phases, timeout, service) };
    Some(WrittenRespond { respond, selected, vars, chosen })
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
        let may_be_empty = known.is_some_and(|known| known.may_be_empty);
        let var = var(name, value.to_string(), known.and_then(|known| known.declared), may_be_empty);
        insert(&mut self.vars, name, var);
    }
}

impl WrittenRespond {
    /// That of a scenario that says nothing.
    pub fn unwritten() -> WrittenRespond {
        let respond = Respond::alone(None, None, None);
        WrittenRespond { respond, selected: false, vars: Vec::new(), chosen: Vec::new() }
    }

    /// Puts it to the runbook, if the scenario (`map`) names one that can be read, and checks it against that. `steps` are those of
    /// which the scenario says something.
    pub fn settle(
        mut self,
        runbook: Option<&mut Runbook>,
        steps: &[NamedStep],
        overrides: &Overrides,
        map: &mut MapReader<'_>,
    ) -> Respond {
        let mut respond = self.respond;
        // The command line wins; what the scenario says about secrets stays.
        for (name, value) in &overrides.vars {
            // The value may be a secret: only the name is shown.
            let (source, span) = (Source::new("--var", format!("{name}=…")), Span::new(0, name.len()));
            let known = self.vars.iter().find(|known| unified_name(&known.name) == unified_name(name));
            respond.give(known.map_or(name, |known| &known.name), value);
            if let Some(why) = respond.vars.get(&unified_name(name)).and_then(too_short) {
                map.diags.error(&source, span, format!("variable `{}`: {why}", shorten(name))).help(LONGER);
            }
            if known.is_none() {
                self.vars.push(NamedVar { name: name.clone(), source, span });
            }
        }
        let with_env = steps.iter().filter(|step| !step.env.is_empty());
        respond.env_of_steps = with_env.map(|step| (step.id.clone(), step.env.clone())).collect();
        respond.choose = self.chosen.iter().map(|(choice, way, _)| (choice.clone(), way.clone())).collect();
        if let Some(runbook) = runbook {
            apply(runbook, &respond, &self.chosen, map.source, map.diags);
            check_phases(runbook, &respond.phases, self.selected, map);
            check_vars(runbook, &respond, &self.vars, map.source, map.diags);
            warn_of_silent(runbook, &respond.phases, map.diags);
            warn_of_output(runbook, &respond.phases, map.diags);
            warn_of_orders(runbook, &respond.phases, map.diags);
            tell_of_shown(runbook, &respond.phases, map.diags);
            tell_of_idle(runbook, &respond.phases, map.diags);
        }
        respond
    }
}

fn read_choose(at: &mut At<'_>) -> Vec<Chosen> {
    at.entries("a map", "write it like `choose: { backend: postgres }`", |at| {
        let way = at.parse(TextForm::new("the name of a way", shape::filled), |way| Ok(way.to_string()))?;
        Some((at.key.to_string(), way, at.key_span))
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

fn read_vars(at: &mut At<'_>, values: &mut BTreeMap<String, Var>) -> Vec<NamedVar> {
    let mut names: Vec<String> = Vec::new();
    at.entries_if_any("a map", "", |at| {
        let name = shorten(at.key);
        if unified_name(at.key).is_empty() {
            at.error_at_key(format!("`{name}` is not the name of an input"));
        } else if let Some(same) = names.iter().find(|other| unified_name(other) == unified_name(at.key)) {
            at.error_at_key(format!("`{name}` and `{}` are the same input", shorten(same))).help("keep one of the two");
        }
        names.push(at.key.to_string());
        // One that could not be read counts as given: its own mistake is told already.
        let unread = || Var { value: String::new(), secret: true, declared: None, may_be_empty: true };
        insert(values, at.key, read_var(at).unwrap_or_else(unread));
        Some(NamedVar { name: at.key.to_string(), source: at.source.clone(), span: at.key_span })
    })
}

/// Puts a variable in by its unified name as well as by the one that was written.
fn insert(vars: &mut BTreeMap<String, Var>, name: &str, var: Var) {
    vars.insert(unified_name(name), var.clone());
    vars.insert(name.to_string(), var);
}

fn check_phases(runbook: &Runbook, phases: &[RunbookPhase], selected: bool, map: &mut MapReader<'_>) {
    let mut seen = HashSet::new();
    let there: Vec<&str> =
        runbook.steps.iter().map(|step| step.phase.name()).filter(|phase| seen.insert(*phase)).collect();
    let has = if there.is_empty() { "it has no steps".into() } else { format!("it has steps in {}", list(&there)) };
    if !selected && !there.contains(&RunbookPhase::Mitigate.name()) {
        map.wrong("runbook", "the runbook has no mitigation: no heading says what helps").help(format!(
            "{has}; name a heading `Mitigation`, or select what to follow: `respond: {{ phases: […] }}`"
        ));
    } else if !phases.is_empty() && runbook.select(phases).next().is_none() {
        let wanted: Vec<&str> = phases.iter().map(|phase| phase.name()).collect();
        map.wrong("runbook", format!("the runbook has no step in {}", list(&wanted))).help(has);
    } else if let Some(missing) = phases.iter().find(|phase| selected && !there.contains(&phase.name())) {
        let message = format!("the runbook has no step in `{}`, which `phases` selects", missing.name());
        map.diags.warning(map.source, map.key_span("respond"), message).help(has);
    }
}

fn check_vars(runbook: &Runbook, respond: &Respond, vars: &[NamedVar], source: &Arc<Source>, diags: &mut Diagnostics) {
    // What only a step left out would set is an input of those that stay.
    let followed = runbook.only(|step| respond.phases.contains(&step.phase));
    let commands = runbook.steps.iter().chain(&followed.steps).flat_map(Step::commands);
    let used = commands.flat_map(|command| &command.inputs);
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
    // The variable by which an input is read first.
    let mut read_as: HashMap<&str, &str> = HashMap::new();
    // Of the command that was looked at last: its inputs follow each other.
    let mut refused: Option<(&Command, Vec<RunbookInput>)> = None;
    for InputUse { step, command, place, input, captured } in input_uses(&followed.steps, respond.service.as_deref()) {
        let given = respond.given(&step.id, input);
        let file = command.origin.as_ref().unwrap_or(&runbook.source);
        let is_env = |own: &str| {
            let of_step = respond.env_of_steps.get(&step.id);
            respond.env.contains_key(own) || of_step.is_some_and(|env| env.contains_key(own))
        };
        let valued = |own: &&str| !is_env(own) && (captured.is_some() || respond.vars.contains_key(&input.name));
        let runs = matches!(command.handling, Handling::Run(_)) && step.settings(command.block).skip.is_none();
        if let Some(own) = input.variable().filter(|own| runs && place.is_none() && valued(own)) {
            let first = *read_as.entry(&input.name).or_insert(own);
            if first != own && told.insert(own) {
                let message =
                    format!("`${own}` is no variable that anybody sets: the runbook reads `${first}` as well");
                let help = "to bash these are two variables: write one of them everywhere";
                diags.error(file, place_of(input, file), message).help(help);
            }
        }
        // Whether its service has it of its own is known once the stack is.
        if place.is_some() && input.variable().is_some() && given.is_none() || told.contains(input.name.as_str()) {
            continue;
        }
        let mut is_refused = || {
            let known = refused.take().filter(|(known, _)| std::ptr::eq(*known, command));
            let (_, refused) = refused.insert(known.unwrap_or_else(|| (command, command.refused(lookup))));
            refused.binary_search_by_key(&input.span.start, |refused| refused.span.start).is_ok()
        };
        let spelling = shorten(&input.spelling);
        let (message, help) = match given {
            Some(var) if !var.is_usable() && captured.is_none() => {
                let empty =
                    format!("{}: {{ value: \"\", may_be_empty: true }}", input.variable().unwrap_or(&input.name));
                let help = format!("give it one; if it is meant so: `respond: {{ vars: {{ {empty} }} }}`");
                (format!("the value of `{spelling}` is empty"), help)
            }
            None if captured.is_none() => without_value(input, source),
            _ if is_refused() => {
                let help = if command.is_shell() { IN_SHELL } else { IN_CLIENT };
                (format!("the value of `{spelling}` cannot stand here"), help.into())
            }
            _ => continue,
        };
        told.insert(&input.name);
        warn_of(input, message, help, file, diags);
    }
}

/// Warns of variables without a value in commands that run in a service, unless `environment` says that the service has
/// them of its own.
pub fn check_environment(plan: &Plan, environment: impl Fn(&str) -> BTreeMap<String, String>, diags: &mut Diagnostics) {
    let (Some(runbook), respond) = (&plan.runbook, &plan.respond) else { return };
    let mut told: HashSet<&str> = HashSet::new();
    for InputUse { step, command, place, input, captured } in input_uses(&runbook.steps, respond.service.as_deref()) {
        let (Some(place), Some(variable)) = (place, input.variable()) else { continue };
        let own = || environment(place).get(variable).is_some_and(|value| !value.is_empty());
        let known = captured.is_some() || respond.given(&step.id, input).is_some() || own();
        if !known && told.insert(&input.name) {
            let (message, help) = without_value(input, &plan.source);
            warn_of(input, message, help, command.origin.as_ref().unwrap_or(&runbook.source), diags);
        }
    }
}

/// An input where a command uses it.
pub struct InputUse<'r> {
    /// Its step.
    pub step: &'r Step,
    /// The command.
    pub command: &'r Command,
    /// The service in which the command runs.
    pub place: Option<&'r str>,
    /// The input.
    pub input: &'r RunbookInput,
    /// Id of the step in which an earlier block finds its value out.
    pub captured: Option<&'r str>,
}

/// The inputs of the commands that these steps run, in the order in which they are needed; `service` is where commands run unless
/// their block says otherwise.
pub fn input_uses<'r>(steps: impl IntoIterator<Item = &'r Step>, service: Option<&'r str>) -> Vec<InputUse<'r>> {
    let (mut found, mut names): (_, HashMap<String, &str>) = (Vec::new(), HashMap::new());
    for step in steps {
        let mut captures = step.captures().peekable();
        let mut commands: Vec<&Command> = step.commands().iter().collect();
        commands.sort_by_key(|command| command.block);
        for command in commands {
            while let Some((_, name)) = captures.next_if(|(by, _)| *by < command.block) {
                names.insert(unified_name(name), &step.id);
            }
            let own = step.blocks.get(command.block).and_then(|block| block.settings.place.as_deref());
            let (place, captured) = (own.or(service), |input: &RunbookInput| names.get(&input.name).copied());
            let of = |input| InputUse { step, command, place, input, captured: captured(input) };
            found.extend(command.inputs.iter().map(of));
        }
        names.extend(captures.map(|(_, name)| (unified_name(name), step.id.as_str())));
    }
    found
}

fn without_value(input: &RunbookInput, scenario: &Source) -> (String, String) {
    let (spelling, name) = (shorten(&input.spelling), input.variable().unwrap_or(&input.name));
    let help = format!("give it in the scenario: `respond: {{ vars: {{ {name}: … }} }}`, or with `--var`");
    (format!("`{spelling}` has no value in {}", scenario.path.display()), help)
}

fn warn_of(input: &RunbookInput, why: String, help: String, file: &Arc<Source>, diags: &mut Diagnostics) {
    diags.warning(file, place_of(input, file), format!("{why}: its step would be blocked")).help(help);
}

fn place_of(input: &RunbookInput, file: &Source) -> Span {
    let start = file.offset(Pos { line: input.line, column: input.column });
    Span::new(start, (start + input.spelling.len()).min(file.text.len()))
}

/// A choice, the way that is taken, and where that stands.
type Chosen = (String, String, Span);

/// Settles what is done about each command of a runbook, and tells what a person should look at.
fn apply(runbook: &mut Runbook, respond: &Respond, chosen: &[Chosen], source: &Arc<Source>, diags: &mut Diagnostics) {
    runbook.decide(&respond.choose, diags);
    if !diags.has_errors() {
        check_runs(runbook, diags);
    }
    let accepted = runbook.accepted.clone();
    let choices = accepted.iter().flat_map(|accepted| accepted.choices()).collect::<BTreeMap<_, _>>();
    for (choice, way, span) in chosen {
        let ways = choices.get(choice.as_str());
        let (message, help) = match ways {
            Some(ways) if ways.contains(way.as_str()) => continue,
            Some(ways) => (format!("`{choice}` has no way `{way}`"), did_you_mean(way, ways.iter().copied())),
            None => {
                let makes = || "the reading of the runbook has no choice; `firedrill accept` makes some".to_string();
                let help = if choices.is_empty() { makes() } else { did_you_mean(choice, choices.keys().copied()) };
                (format!("there is no choice `{choice}`"), help)
            }
        };
        diags.error(source, *span, message).help(help);
    }
    warn(runbook, &respond.phases, diags);
}

/// The commands of some phases that are blocked, in their order.
pub fn undecided<'a>(runbook: &'a Runbook, phases: &[RunbookPhase]) -> Vec<Reviewed<'a>> {
    let mut cases = runbook.review().cases;
    let is_blocked = |command: &Command| matches!(command.handling, Handling::Blocked(_));
    cases.retain(|case| phases.contains(&case.step.phase) && !case.is_skipped() && is_blocked(case.command));
    cases
}

/// Warns of what is open, of what has drifted, of decisions about commands that are gone, and of words against each other.
fn warn(runbook: &Runbook, phases: &[RunbookPhase], diags: &mut Diagnostics) {
    let path = runbook.source.path.display();
    let place = |command: &Command| command.first_line(&runbook.source).1;
    let (open, decided): (Vec<Reviewed<'_>>, Vec<Reviewed<'_>>) =
        undecided(runbook, phases).into_iter().partition(|case| case.state == DecisionState::Open);
    for case in decided {
        let help = match case.is_decided() {
            true => "take one of the ways by `respond.choose` in the scenario".to_string(),
            false => format!("look at it, then `firedrill accept {path}`"),
        };
        let message = format!("its step will be blocked: {}", case.command.handling.why());
        diags.warning(&runbook.source, place(case.command), message).help(help);
    }
    if let Some(first) = open.first().map(|case| case.command) {
        let lines: Vec<String> = open.iter().take(8).map(|case| case.command.line.to_string()).collect();
        let message = format!("commands that change something, or may ({}): nobody has accepted them", open.len());
        diags
            .warning(&runbook.source, place(first), message)
            .label(format!("line {}: {}", lines.join(", "), first.handling.why()))
            .help(format!("`firedrill accept {path}`; until then their steps are blocked"));
    }
    let Some(accepted) = &runbook.accepted else { return };
    let Review { cases, aside, stale } = runbook.review();
    for decision in stale {
        let message = "this decision is about a command that is no longer there";
        let help = format!("`firedrill accept --prune {path}` removes it");
        diags.warning(&accepted.source, decision.span, message).help(help);
    }
    let disagree = |decision: &Decision, says: &str| {
        let said = decision.decided.text();
        format!("the reading says `{said}` of this command, the annotation or the scenario `{says}`: it does not run")
    };
    let runs = |decision: &Decision| matches!(decision.decided, Do::Run | Do::Way { .. });
    for case in cases.iter().filter(|case| case.settings().is_some_and(|settings| settings.choose == Some(true))) {
        if let Some((_, decision)) = case.decision.filter(|(_, decision)| !runs(decision)) {
            let message = disagree(decision, "choose");
            diags.warning(&runbook.source, place(case.command), message).help("let one of the two go");
        }
    }
    for decision in aside.into_iter().filter(|decision| runs(decision)) {
        let held = runbook.steps.iter().flat_map(|step| step.held().iter().map(move |command| (step, command)));
        let mut skipped = held.filter(|(step, command)| step.settings(command.block).skip.is_some());
        if let Some((_, command)) = skipped.find(|(_, command)| command.text == decision.command) {
            // A scenario may leave out what a drill has no use for; the reading is about every drill.
            diags.push(Severity::Info, &runbook.source, place(command), disagree(decision, "skip"));
        }
    }
}

/// Warns of commands in the steps of these phases that are to change something and whose failure nobody would learn of: `curl`
/// without `-f`, `redis-cli` into a file; of verifications that end so; and of conditions that hold whatever a program was answered:
/// `until redis-cli PING`. What else programs answer with exit code 0 is judged in the drill itself.
fn warn_of_silent(runbook: &Runbook, phases: &[RunbookPhase], diags: &mut Diagnostics) {
    let changes = |phase| matches!(phase, RunbookPhase::Mitigate | RunbookPhase::Rollback | RunbookPhase::Other);
    for step in runbook.select(phases).filter(|step| changes(step.phase) || step.phase == RunbookPhase::Verify) {
        for command in step.commands() {
            let settings = step.settings(command.block);
            let stated = settings.errors == Some(Errors::Allowed)
                || settings.expect.is_some()
                || settings.skip.is_some()
                || settings.expect_exit.is_some_and(|exit| exit != 0);
            if stated || !command.is_shell() {
                continue;
            }
            let text = command.masked();
            let silent = |call: &Call| says_nothing(call).or_else(|| acts_on_all(call, &text));
            let found = |call: &Call| silent(call).filter(|_| changes(step.phase)).or_else(|| holds_anyway(call));
            let mut of_block = step.commands().iter().filter(|other| other.block == command.block);
            let last = of_block.rfind(|other| !asks_nothing(&other.text));
            let ends_block = last.is_some_and(|last| std::ptr::eq(last, command));
            let judges = step.phase == RunbookPhase::Verify && ends_block && settings.rests_on_exit_code();
            let fails = || step.commands().iter().any(|other| other.block == command.block && lets_fail(&other.text));
            let unnoticed = || unnoticed_end(&text).filter(|_| !fails());
            let end = || words_instead(&text).or_else(unnoticed).filter(|_| judges);
            let Some((advice, message)) = calls(&text).iter().find_map(found).or_else(end) else { continue };
            let (file, span) = command.first_line(&runbook.source);
            let help = "`expect=/…/` says what it must answer, `errors=allowed` that it is meant so";
            diags.warning(file, span, message).help(format!("{advice}; {help}"));
        }
    }
}

/// Warns of lines that are taken for output, and may be commands without the prompt that others have.
fn warn_of_output(runbook: &Runbook, phases: &[RunbookPhase], diags: &mut Diagnostics) {
    for command in runbook.select(phases).flat_map(|step| step.commands()) {
        let Some(line) = command.change_in_output() else { continue };
        let (file, span) = command.first_line(&runbook.source);
        let message = format!("`{}` below it has no prompt: it is taken for output, and does not run", shorten(line));
        diags.warning(file, span, message).help("if it is a command, put `$ ` before it");
    }
}

/// Warns of what the text or a comment of a step asks of a person beside its commands, once for each step.
fn warn_of_orders(runbook: &Runbook, phases: &[RunbookPhase], diags: &mut Diagnostics) {
    let file = &runbook.source;
    for step in runbook.select(phases).filter(|step| step.replaced.is_none() && !step.commands().is_empty()) {
        let Some(left) = step.left_out.iter().find(|left| left.is_asked) else { continue };
        let message = format!("a drill follows the commands of this step, and leaves out what is {}", left.why);
        let help = "a drill can pass without it: make it a step of its own, which a person is asked for, or a command";
        diags.warning(file, line_of(file, left.line), message).help(help);
    }
}

fn line_of(file: &Source, line: usize) -> Span {
    let start = file.start(line);
    let text = file.text.get(start..).and_then(|rest| rest.lines().next()).unwrap_or_default();
    Span::new(start, start + text.len())
}

/// Tells where nothing of a verification can fail in a drill: it is for a person, or only shows what a person would compare.
fn tell_of_shown(runbook: &Runbook, phases: &[RunbookPhase], diags: &mut Diagnostics) {
    let left_out = |step: &&Step| step.blocks.iter().any(|block| block.settings.skip.is_some());
    let verifies = runbook.select(phases).filter(|step| step.phase == RunbookPhase::Verify && !left_out(step));
    let verifies: Vec<&Step> = verifies.collect();
    let judges = |step: &Step, command: &Command| {
        let settings = step.settings(command.block);
        let shows = || !command.is_shell() || settings.errors == Some(Errors::Allowed) || only_shows(&command.masked());
        settings.expect.is_some() || settings.capture.is_some() || !shows()
    };
    let Some(first) = verifies.first() else { return };
    if verifies.iter().any(|step| step.commands().iter().any(|command| judges(step, command))) {
        return;
    }
    let command = verifies.iter().find_map(|step| step.commands().first());
    let (message, (file, span)) = match command {
        Some(command) => {
            let message = "nothing of this verification can fail: it only shows what a person would compare";
            (message, command.first_line(&runbook.source))
        }
        None => {
            let message = "this verification has no command that a drill runs";
            (message, (&runbook.source, line_of(&runbook.source, first.line)))
        }
    };
    let help = "`curl -f`, `grep -q`, `test`, or `<!-- firedrill: expect=/…/ -->` above a block, let a drill fail";
    diags.push(Severity::Info, file, span, message).help(help);
}

/// Tells where no step of a mitigation does anything in a drill: users do not recover by it.
fn tell_of_idle(runbook: &Runbook, phases: &[RunbookPhase], diags: &mut Diagnostics) {
    let mitigates = |step: &&Step| step.phase == RunbookPhase::Mitigate;
    let acts = |mitigation: bool| {
        runbook.select(phases).any(|step| mitigates(&step) == mitigation && !step.commands().is_empty())
    };
    let Some(first) = runbook.select(phases).find(mitigates).map(|step| step.line) else { return };
    // Where no step at all does anything it is an error.
    if acts(false) && !acts(true) {
        let message = "this mitigation has no command that a drill runs";
        let help = "`firedrill show` says what each of its steps is left to; `--ask` has a person do them";
        diags.push(Severity::Info, &runbook.source, line_of(&runbook.source, first), message).help(help);
    }
}

impl Plan {
    /// The first such command that is to help users and is followed.
    fn find_mitigating(&self, is_wanted: impl Fn(&Command) -> bool) -> Option<(&Runbook, &Command)> {
        let runbook = self.runbook.as_ref()?;
        let helps = |phase| matches!(phase, RunbookPhase::Mitigate | RunbookPhase::Rollback | RunbookPhase::Other);
        let steps = runbook.select(&self.respond.phases).filter(|step| helps(step.phase));
        let mut commands = steps.flat_map(|step| {
            let runs = |command: &&Command| step.settings(command.block).skip.is_none() && command.by_hand.is_none();
            step.commands().iter().filter(runs)
        });
        commands.find(|command| is_wanted(command)).map(|command| (runbook, command))
    }

    /// The first command that changes data in a drill of which no invariant and no restore says what must survive it.
    pub fn unwatched_change(&self) -> Option<(&Runbook, &Command)> {
        let looked_at = !self.invariants.is_empty() || self.restore.is_some() || self.expect != Verdict::Passed;
        let changes = |command: &Command| {
            command.effect().kind != EffectKind::Looks && changes_data(&command.text, !command.is_shell())
        };
        self.find_mitigating(|command| !looked_at && changes(command))
    }

    /// What of the mitigation cannot be taken back in a drill whose invariants say what must survive it.
    pub fn destroyed(&self) -> Option<String> {
        let asked = !self.invariants.is_empty() && self.restore.is_none() && self.expect == Verdict::Passed;
        let (_, command) = self.find_mitigating(|command| asked && command.destroys().is_some())?;
        command.destroys()
    }
}

/// Warns of such a command: SLIs are met by an empty store as well.
pub fn check_data(plan: &Plan, diags: &mut Diagnostics) {
    let Some((runbook, command)) = plan.unwatched_change() else { return };
    let (file, span) = command.first_line(&runbook.source);
    let scenario = plan.source.path.display();
    let message = format!("this changes data, and {scenario} has no `invariants`: if it destroyed data it would pass");
    let help = "say what must survive it: `invariants: { orders-kept: { service: db, run: …, value: \">= 100\" } }`";
    diags.warning(file, span, message).help(help);
}
