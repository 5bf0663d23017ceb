//! `runbook:` and `respond:` of a scenario: which phases of the runbook are followed, where, and with which inputs.

use super::steps::Named as NamedStep;
use super::windows::{LONGEST, deadline};
use super::{Overrides, Plan, Respond, Var, environment};
use crate::record::{SHORTEST_DECLARED, SHORTEST_GUESSED, looks_secret, url_password};
use crate::runbook::{Command, Input, Reading, Runbook, RunbookPhase, Step, unified_name};
use crate::source::{
    Diagnostics, Entry, MapReader, Node, Pos, Source, Span, Value, did_you_mean, list, nearest, shorten,
};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

/// Deadline of a command unless something says otherwise.
pub(super) const TIMEOUT: Duration = Duration::from_secs(30);
/// What is followed when the scenario selects nothing.
pub(super) const PHASES: [RunbookPhase; 3] = [RunbookPhase::Diagnose, RunbookPhase::Mitigate, RunbookPhase::Verify];

/// A variable as it was named, and where.
struct Named {
    name: String,
    source: Arc<Source>,
    span: Span,
    var: Option<Var>,
    /// What the scenario itself says about its being a secret.
    declared: Option<bool>,
    /// Whether the scenario lets it be empty.
    may_be_empty: bool,
}

/// Whether a value must never be shown: what the scenario says wins; otherwise what its name or the value itself says,
/// because nobody thinks of `secret: true` when they write `--var DB_PASSWORD=…`.
pub(super) fn is_secret(name: &str, value: &str, declared: Option<bool>) -> bool {
    declared.unwrap_or_else(|| looks_secret(name) || url_password(value).is_some())
}

/// Reads the runbook that the scenario names.
pub fn read_runbook(node: &Node, reading: &Reading, source: &Arc<Source>, diags: &mut Diagnostics) -> Option<Runbook> {
    let path = super::stack::path_of(node, source, diags)?;
    let text = super::stack::read_text(&path, "the runbook", node.span, source, diags)?;
    let before = diags.all.len();
    let runbook = crate::runbook::parse_with(&text, reading, diags);
    if runbook.is_none() && diags.all.len() == before {
        diags.error(source, node.span, format!("`{}` is not a runbook", path.display()));
    }
    runbook
}

/// Reads `respond`, checked against the runbook, if the scenario names one that can be read. `runbook_at` is where it is
/// named; `steps` are those of which the scenario says something.
pub fn read(
    node: Option<&Node>,
    runbook: Option<&mut Runbook>,
    runbook_at: Option<Span>,
    steps: &[NamedStep],
    overrides: &Overrides,
    source: &Arc<Source>,
    diags: &mut Diagnostics,
) -> Option<Respond> {
    if let (Some(node), None) = (node, runbook_at) {
        diags
            .error(source, node.span, "`respond` needs a runbook to follow")
            .help("name it with `runbook:`, or leave `respond` out to test that the system heals by itself");
        return None;
    }
    let mut phases = None;
    let mut selected = false;
    let mut vars = Vec::new();
    let (mut env, mut env_files) = (BTreeMap::new(), Vec::new());
    let mut service = None;
    let mut timeout = None;
    let mut chosen = Vec::new();
    if let Some(node) = node {
        let mut map = MapReader::new(node, "`respond`", source, diags)?;
        if let Some(node) = map.node("phases") {
            selected = true;
            phases = read_phases(node, &mut map);
        }
        vars = map.node("vars").map_or_else(Vec::new, |node| read_vars(node, source, map.diags));
        if let Some(node) = map.node("env_files") {
            (env, env_files) = environment::read_files(node, source, map.diags);
        }
        env.extend(
            map.node("env").map_or_else(BTreeMap::new, |node| environment::read(node, "env", source, map.diags)),
        );
        chosen = map.node("choose").map_or_else(Vec::new, |node| read_choose(node, source, map.diags));
        timeout = deadline(&mut map, "timeout", LONGEST);
        service = map.optional("service");
        map.finish()?;
    }
    override_vars(&mut vars, overrides, diags);
    let phases = phases.unwrap_or_else(|| PHASES.to_vec());
    let respond = Respond {
        phases,
        // One that could not be read counts as given: its own mistake is told already.
        vars: both_names(&vars),
        env,
        env_files,
        env_of_steps: steps.iter().filter_map(NamedStep::environment).collect(),
        choose: chosen.iter().map(|(choice, way, _)| (choice.clone(), way.clone())).collect(),
        timeout: timeout.unwrap_or(TIMEOUT),
        service,
        clients: BTreeMap::new(),
    };
    if let Some(runbook) = runbook {
        super::reading::apply(runbook, &respond, &chosen, source, diags);
        let runbook = &*runbook;
        check_phases(runbook, &respond.phases, selected, runbook_at.unwrap_or_default(), source, diags);
        check_vars(runbook, &respond, &vars, source, diags);
        super::silent::warn(runbook, &respond.phases, diags);
    }
    vars.iter().all(|named| named.var.is_some()).then_some(respond)
}

/// A choice, the way that is taken, and where that stands.
pub(super) type Chosen = (String, String, Span);

fn read_choose(node: &Node, source: &Arc<Source>, diags: &mut Diagnostics) -> Vec<Chosen> {
    let Value::Map(entries) = &node.value else {
        diags
            .error(source, node.span, format!("`choose` must be a map, found {}", node.describe()))
            .help("write it like `choose: { backend: postgres }`");
        return Vec::new();
    };
    let mut chosen = Vec::new();
    for Entry { key, key_span, value } in entries {
        match value.text() {
            Some(way) => chosen.push((key.clone(), way.to_string(), *key_span)),
            None => {
                diags.error(source, value.span, format!("a way must be a name, found {}", value.describe()));
            }
        }
    }
    chosen
}

fn read_phases(node: &Node, map: &mut MapReader<'_>) -> Option<Vec<RunbookPhase>> {
    let Value::List(items) = &node.value else {
        map.error(node.span, format!("`phases` must be a list of phases, found {}", node.describe()));
        return None;
    };
    if items.is_empty() {
        map.error(node.span, "`phases` is empty: nothing would be followed");
    }
    let mut phases = Vec::new();
    for item in items {
        match item.text().and_then(RunbookPhase::from_name) {
            Some(phase) if phases.contains(&phase) => {
                map.error(item.span, format!("the phase `{}` is given twice", phase.name()));
            }
            Some(phase) => phases.push(phase),
            None => {
                let help = did_you_mean(item.text().unwrap_or_default(), RunbookPhase::ALL.map(RunbookPhase::name));
                map.error(item.span, format!("{} is not a phase of a runbook", item.describe())).help(help);
            }
        }
    }
    Some(phases)
}

fn read_vars(node: &Node, source: &Arc<Source>, diags: &mut Diagnostics) -> Vec<Named> {
    let entries = match &node.value {
        Value::Map(entries) => entries.as_slice(),
        Value::Null => &[],
        _ => {
            diags.error(source, node.span, format!("`vars` must be a map, found {}", node.describe()));
            &[]
        }
    };
    let mut vars: Vec<Named> = Vec::new();
    for entry in entries {
        let name = shorten(&entry.key);
        if unified_name(&entry.key).is_empty() {
            diags.error(source, entry.key_span, format!("`{name}` is not the name of an input"));
        } else if let Some(same) = vars.iter().find(|other| unified_name(&other.name) == unified_name(&entry.key)) {
            let message = format!("`{name}` and `{}` are the same input", shorten(&same.name));
            diags.error(source, entry.key_span, message).help("keep one of the two");
        }
        let (var, declared) = read_var(entry, source, diags);
        let may_be_empty = var.as_ref().is_some_and(|var| var.may_be_empty);
        let (name, source) = (entry.key.clone(), source.clone());
        vars.push(Named { name, source, span: entry.key_span, var, declared, may_be_empty });
    }
    vars
}

/// A variable, and what the scenario says about its being a secret.
pub fn read_var(entry: &Entry, source: &Arc<Source>, diags: &mut Diagnostics) -> (Option<Var>, Option<bool>) {
    let name = shorten(&entry.key);
    let mut declared = None;
    let mut may_be_empty = false;
    let value = match &entry.value.value {
        Value::Scalar { text, .. } => Some(text.clone()),
        Value::Map(_) => {
            let Some(mut map) = MapReader::new(&entry.value, format!("variable `{name}`"), source, diags) else {
                return (None, None);
            };
            declared = map.optional::<bool>("secret");
            may_be_empty = map.optional::<bool>("may_be_empty").unwrap_or_default();
            let value: Option<String> = map.optional("value");
            let from: Option<String> = map.optional("env");
            let span = map.span();
            let value = match (value, from, map.node("value").is_some(), map.node("env").is_some()) {
                (_, _, true, true) => {
                    map.error(span, format!("variable `{name}` has both `value` and `env`"));
                    None
                }
                (_, _, false, false) => {
                    map.error(span, format!("variable `{name}` has no value"))
                        .help("write `value: …`, or `env: NAME` to take it from the environment");
                    None
                }
                (_, Some(from), _, _) => {
                    let at = map.span_of("env");
                    of_runner(&from).map_err(|why| map.error(at, why).help("set it before the drill is run")).ok()
                }
                (value, ..) => value,
            };
            map.finish().and(value)
        }
        _ => {
            diags.error(
                source,
                entry.value.span,
                format!("variable `{name}`: expected a value, found {}", entry.value.describe()),
            );
            None
        }
    };
    let var = value.map(|value| var(&entry.key, value, declared, may_be_empty));
    if let Some(why) = var.as_ref().and_then(too_short) {
        let span = map_value(&entry.value).map_or(entry.value.span, |node| node.span);
        diags.error(source, span, format!("variable `{name}`: {why}")).help(LONGER);
    }
    let guessed =
        var.as_ref().filter(|var| declared.is_none() && looks_secret(&entry.key) && !var.value.trim().is_empty());
    if guessed.is_some_and(|var| var.value.trim().chars().count() < SHORTEST_GUESSED) {
        let why =
            format!("its name is that of a secret, and a value of fewer than {SHORTEST_GUESSED} characters is shown");
        diags
            .warning(source, entry.key_span, format!("variable `{name}`: {why}"))
            .help("say `secret: true` to have it hidden, or `secret: false`");
    }
    (var, declared)
}

/// What can be done about a secret that is too short.
const LONGER: &str = "give it a longer value, or leave `secret: true` out where its value may be read";

/// Why a variable cannot be a secret.
fn too_short(var: &Var) -> Option<String> {
    let length = var.value.trim().chars().count();
    (var.declared && (1..SHORTEST_DECLARED).contains(&length)).then(|| {
        format!(
            "a value of fewer than {SHORTEST_DECLARED} characters cannot be a secret: to hide it everywhere would leave \
             nothing of the record"
        )
    })
}

/// The value in a variable that is a map, where it has one.
fn map_value(node: &Node) -> Option<&Node> {
    let Value::Map(entries) = &node.value else { return None };
    entries.iter().find(|entry| matches!(entry.key.as_str(), "value" | "env")).map(|entry| &entry.value)
}

fn var(name: &str, value: String, declared: Option<bool>, may_be_empty: bool) -> Var {
    Var { secret: is_secret(name, &value, declared), declared: declared == Some(true), value, may_be_empty }
}

fn of_runner(name: &str) -> Result<String, String> {
    let shown = shorten(name);
    if name.is_empty() || name.contains(['=', '\0']) {
        return Err(format!("`{shown}` is not the name of an environment variable"));
    }
    std::env::var(name).map_err(|error| match error {
        std::env::VarError::NotPresent => format!("the environment variable `{shown}` is not set"),
        std::env::VarError::NotUnicode(_) => format!("the environment variable `{shown}` is not UTF-8"),
    })
}

/// The command line wins; what the scenario says about secrets stays.
fn override_vars(vars: &mut Vec<Named>, overrides: &Overrides, diags: &mut Diagnostics) {
    for (name, value) in &overrides.vars {
        // The value may be a secret: only the name is shown.
        let source = Source::new("--var", format!("{name}=…"));
        let span = Span::new(0, name.len());
        let var = |declared, may_be_empty| Some(var(name, value.clone(), declared, may_be_empty));
        match vars.iter_mut().find(|var| unified_name(&var.name) == unified_name(name)) {
            Some(known) => {
                known.var = var(known.declared, known.may_be_empty);
                if let Some(why) = known.var.as_ref().and_then(too_short) {
                    let name = shorten(name);
                    diags.error(&source, span, format!("variable `{name}`: {why}")).help(LONGER);
                }
            }
            None => {
                let var = var(None, false);
                vars.push(Named { name: name.clone(), source, span, var, declared: None, may_be_empty: false });
            }
        }
    }
}

fn both_names(vars: &[Named]) -> BTreeMap<String, Var> {
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

fn check_vars(runbook: &Runbook, respond: &Respond, vars: &[Named], source: &Arc<Source>, diags: &mut Diagnostics) {
    // What only a step left out would set is an input of those that stay.
    let followed = runbook.only(|step| respond.phases.contains(&step.phase));
    let used = runbook.steps.iter().chain(&followed.steps).flat_map(inputs);
    let used: HashMap<&str, &Input> = used.map(|input| (input.name.as_str(), input)).collect();
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
    let mut refused: Option<(&Command, Vec<Input>)> = None;
    for Use { step, command, place, input, captured } in uses(&followed, respond.service.as_deref()) {
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
    for Use { step, command, place, input, captured } in uses(&followed, respond.service.as_deref()) {
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
struct Use<'r> {
    /// Id of its step.
    step: &'r str,
    command: &'r Command,
    /// The service in which the command runs.
    place: Option<&'r str>,
    input: &'r Input,
    /// Whether an earlier block finds its value out.
    captured: bool,
}

fn uses<'r>(runbook: &'r Runbook, service: Option<&'r str>) -> Vec<Use<'r>> {
    let (mut found, mut names): (_, HashSet<String>) = (Vec::new(), HashSet::new());
    for step in &runbook.steps {
        let mut commands = step.commands().iter().peekable();
        let mut captures = step.captures().peekable();
        for (index, block) in step.blocks.iter().enumerate() {
            let place = block.settings.place.as_deref().or(service);
            // In the order of the blocks.
            while let Some(command) = commands.next_if(|command| command.block <= index) {
                let inputs = command.inputs.iter();
                let captured = |input: &Input| names.contains(&input.name);
                let of = |input| Use { step: &step.id, command, place, input, captured: captured(input) };
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

fn warn_of(input: &Input, why: Unfit, file: &Arc<Source>, source: &Arc<Source>, diags: &mut Diagnostics) {
    let start = file.offset(Pos { line: input.line, column: input.column });
    let span = Span::new(start, (start + input.spelling.len()).min(file.text.len()));
    let spelling = shorten(&input.spelling);
    let name = input.variable().unwrap_or(&input.name);
    match why {
        Unfit::Missing => {
            let message = format!("`{spelling}` has no value in {}: its step would be blocked", source.path.display());
            diags
                .warning(file, span, message)
                .help(format!("give it in the scenario: `respond: {{ vars: {{ {name}: … }} }}`, or with `--var`"));
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

fn inputs(step: &Step) -> impl Iterator<Item = &Input> {
    step.commands().iter().flat_map(|command| &command.inputs)
}
