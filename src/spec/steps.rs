//! `steps:` of a scenario: what annotations say, by step id, and other commands for steps that cannot work in a drill, held against the
//! whole runbook, before phases are left out; and `clients:`, what runs the blocks of a language that is no shell, and where.

use super::services::{Among, mention};
use super::vars::read_environment;
use super::{BlockClient, Respond, Var};
use crate::runbook::{
    BlockSettings, Errors, Expect, Retry, Runbook, RunbookPhase, Step, is_shell, parse_capture, parse_exit,
    parse_place, parse_reason, parse_timeout, unified_name,
};
use crate::source::shape::{duration, filled, scalar, text};
use crate::source::{At, Diagnostics, MapReader, Source, Span, TextForm, Value, beside, list, shape, shorten};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

const RETRY: TextForm = TextForm::new("attempts and pause like `10/2s`", || text("[0-9]+/.+"));
const EXIT: TextForm = TextForm::new("an exit code", scalar);
const A_COMMAND: TextForm = TextForm::new("one command like `psql -U shop`", filled);
const ERRORS: TextForm = TextForm::new("`allowed` or `fail`", || text("allowed|fail"));
const CAPTURE: TextForm = TextForm::new("a name like `POD`", || {
    // `capture: true` is a name, too.
    json!({ "type": ["string", "boolean"], "pattern": "^\\s*[A-Za-z_][A-Za-z0-9_]*\\s*$" })
});

/// A step that the scenario names.
pub struct NamedStep {
    /// Its id.
    pub id: String,
    phase: RunbookPhase,
    span: Span,
    /// What the scenario puts into its environment.
    pub env: BTreeMap<String, Var>,
}

/// Reads `steps` and applies it to the runbook, if there is one that can be read. `expected` says whether the scenario
/// names one.
pub fn apply(at: &mut At<'_>, mut runbook: Option<&mut Runbook>, expected: bool) -> Vec<NamedStep> {
    if !expected {
        at.error("`steps` needs a runbook whose steps it is about").help("name it with `runbook:`");
    }
    let mut named: Vec<NamedStep> = Vec::new();
    at.entries("a map of step ids", "write it like `restart: { timeout: 10s }`", |at| {
        let said = read(at);
        let runbook = runbook.as_deref_mut()?;
        let found = runbook.find_step(at.key).map_err(|(message, help)| at.error_at_key(message).help(help));
        let step = runbook.steps.get_mut(found.ok()?)?;
        if let Some(other) = named.iter().find(|other| other.id == step.id) {
            let line = at.source.pos(other.span.start).line;
            at.error_at_key(format!("the step `{}` is given twice", step.id))
                .label(format!("line {line} names it already"));
            return None;
        }
        let env = said.as_ref().map(|said| said.env.clone()).unwrap_or_default();
        named.push(NamedStep { id: step.id.clone(), phase: step.phase, span: at.key_span, env });
        put(step, said?, at);
        Some(())
    });
    if let Some(runbook) = runbook {
        runbook.relink();
        check_captures(runbook, &named, at);
    }
    named
}

/// What the scenario says about a step.
struct StepSettings {
    settings: BlockSettings,
    run: Option<(Span, String)>,
    env: BTreeMap<String, Var>,
}

/// Reads what is said about one step.
fn read(at: &mut At<'_>) -> Option<StepSettings> {
    let (shown, key_span) = (shorten(at.key), at.key_span);
    let empty = at.node.value == Value::Null || at.node.value == Value::Map(Vec::new());
    let mut map = at.map(format!("step `{shown}`"))?.of_section("steps");
    let run = map.optional::<String>("run").map(|text| (map.span_of("run"), text));
    let env = map.optional_by("env", |at| Some(read_environment(at))).unwrap_or_default();
    let settings = BlockSettings {
        place: map.optional_by("in", |at| place(at, format!("the step `{shown}`"))),
        timeout: map.optional_with("timeout", TextForm::new("a duration like `30s`", duration), parse_timeout),
        retry: map.optional_with("retry", RETRY, Retry::parse),
        expect: map.optional_with("expect", TextForm::new("a pattern like `/ready/`", scalar), Expect::parse),
        expect_exit: map.optional_with("expect-exit", EXIT, parse_exit),
        errors: map.optional_with("errors", ERRORS, Errors::parse),
        background: map.optional("background"),
        capture: map.optional_with("capture", CAPTURE, parse_capture),
        skip: map.optional_with("skip", TextForm::new("a reason", filled), parse_reason),
        choose: map.optional("choose"),
    };
    for key in ["run", "choose"] {
        if map.has("skip") && map.has(key) {
            map.wrong("skip", format!("a step cannot have both `skip` and `{key}`")).help("leave out one of the two");
        }
    }
    map.also(json!({ "type": "object", "minProperties": 1 }));
    if empty {
        map.error(key_span, format!("step `{shown}` says nothing"))
            .help("give it `run`, `in`, `timeout`, `skip: \"why\"` …");
    }
    map.finish().map(|()| StepSettings { settings, run, env })
}

fn put(step: &mut Step, said: StepSettings, at: &mut At<'_>) {
    let id = step.id.clone();
    if let Some((span, text)) = said.run {
        if let Err(why) = step.replace(&text, at.source, span, said.settings) {
            at.diags.error(at.source, span, format!("`run`: {why}")).help("write commands for bash");
        }
        return;
    }
    if said.settings.choose == Some(false) && step.blocks.iter().any(|block| block.settings.choose == Some(true)) {
        at.error_at_key(format!("an annotation of the runbook has chosen `{id}`"))
            .help("leave it out with `skip: \"why\"`");
    }
    step.set(&said.settings);
    let is_about_nothing = step.all_commands.is_empty() || said.settings.choose == Some(true);
    if let (Some(why), None, true) = (&step.manual, &said.settings.skip, is_about_nothing) {
        let message = format!("`{id}` stays with a person ({why})");
        at.diags.warning(at.source, at.key_span, message).help("give it commands with `run: …`");
    }
}

/// Names that the scenario lets two steps capture.
fn check_captures(runbook: &Runbook, named: &[NamedStep], at: &mut At<'_>) {
    let captures = |step| Step::captures(step).map(|(_, name)| (step.id.as_str(), unified_name(name)));
    let all: Vec<(&str, String)> = runbook.steps.iter().flat_map(captures).collect();
    for own in named {
        let mine = all.iter().filter(|(id, _)| *id == own.id);
        let taken = mine.filter_map(|(_, name)| all.iter().find(|(id, other)| other == name && *id != own.id)).next();
        // Of two that the scenario names, the second one is reported.
        if let Some((by, name)) = taken
            && !named.iter().any(|other| other.id == *by && other.span.start > own.span.start)
        {
            let message = format!("`{}` is captured twice: by `{by}` as well", shorten(name));
            at.diags.error(at.source, own.span, message).help("give one of the two another name");
        }
    }
}

/// What can be said once it is known which phases are followed, and where.
pub fn settle(named: &[NamedStep], runbook: Option<&mut Runbook>, respond: Option<&Respond>, map: &mut MapReader<'_>) {
    let (Some(runbook), Some(respond)) = (runbook, respond) else { return };
    for step in named.iter().filter(|step| !respond.phases.contains(&step.phase)) {
        let phases: Vec<&str> = respond.phases.iter().map(|phase| phase.name()).collect();
        let message = format!("`{}` is not followed: its phase is not selected", step.id);
        map.diags.warning(map.source, step.span, message).help(format!("`respond.phases` is {}", list(&phases)));
    }
    for said in named {
        let blocks = runbook.steps.iter().filter(|step| step.id == said.id).flat_map(|step| &step.blocks);
        if let Some(key) = blocks.filter_map(|block| block.settings.contradiction()).next() {
            let message = format!("a step in the background cannot have `{key}`");
            map.diags.error(map.source, said.span, message).help("nobody waits for its end: leave out one of the two");
        }
    }
    // The same place by another word is the same session.
    for block in runbook.steps.iter_mut().flat_map(|step| &mut step.blocks) {
        block.settings.place = block.settings.place.take().filter(|place| respond.service.as_ref() != Some(place));
    }
    runbook.relink();
}

/// Tags that a client covers beside its own, unless they are named themselves.
const ALIASES: &[(&str, &[&str])] =
    &[("psql", &["pgsql", "postgresql"]), ("sql", &["psql", "pgsql", "postgresql", "mysql"])];

/// Reads `clients`: a map of tags of code blocks, in lower case afterwards.
pub fn read_clients(at: &mut At<'_>) -> BTreeMap<String, BlockClient> {
    const EXAMPLE: &str = "write them like `sql: { service: db, command: psql -U shop }`";
    let mut clients: BTreeMap<String, BlockClient> = BTreeMap::new();
    at.entries_if_any("a map of languages", EXAMPLE, |at| {
        let tag = at.key.to_lowercase();
        let shown = shorten(at.key);
        let fits = |c: char| !c.is_whitespace() && !matches!(c, ',' | '{' | '}' | ':');
        if tag.is_empty() || !tag.chars().all(fits) {
            at.error_at_key(format!("`{shown}` cannot be the tag of a code block"));
        } else if is_shell(&tag) {
            at.error_at_key(format!("blocks tagged `{shown}` are run by the shell, not by a client"))
                .help("`respond.service` and `in` say where the shell runs");
        }
        let client = read_client(at);
        if clients.contains_key(&tag) {
            at.error_at_key(format!("the client `{shown}` is given twice"));
        }
        clients.insert(tag, client?);
        Some(())
    });
    at.must_not_be_empty("`clients` is empty", EXAMPLE);
    // The closer name first: with `sql` and `psql`, `pgsql` is the client of `psql`.
    for (tag, others) in ALIASES {
        if let Some(client) = clients.get(*tag).cloned() {
            for other in *others {
                clients.entry(other.to_string()).or_insert_with(|| client.clone());
            }
        }
    }
    clients
}

/// What a scenario says about how its runbook is followed, as far as the decisions about it depend on that.
#[derive(Debug, Clone, Default)]
pub struct FollowedRunbook {
    /// The runbook.
    pub runbook: PathBuf,
    /// The languages to which it gives a client.
    pub clients: BTreeSet<String>,
    /// The phases that it selects.
    pub phases: BTreeSet<RunbookPhase>,
}

/// The same of a scenario file, whatever else is wrong with it.
pub fn followed_by(scenario: &Path) -> Option<FollowedRunbook> {
    let source = Source::read(scenario).ok()?;
    let mut diags = Diagnostics::default();
    let root = crate::source::parse(&source, &mut diags)?;
    let phases = root.list(&["respond", "phases"]);
    let clients = root.get(&["clients"]).map(|node| read_clients(&mut At::root(node, &source, &mut diags)));
    Some(FollowedRunbook {
        runbook: beside(&source.path, root.text_at(&["runbook"])?),
        clients: clients.unwrap_or_default().into_keys().collect(),
        phases: phases.iter().filter_map(|phase| RunbookPhase::from_name(phase.text()?)).collect(),
    })
}

fn read_client(at: &mut At<'_>) -> Option<BlockClient> {
    let name = shorten(at.key);
    let mut map = at.map(format!("client `{name}`"))?.of_section("clients");
    let service = map.optional_by("service", |at| place(at, format!("the client `{name}`")));
    let command = map.require_with("command", A_COMMAND, |text| match text.trim() {
        one if !one.is_empty() && !one.contains(['\n', '\0']) => Ok(one.to_string()),
        _ => Err("one command is meant, like `psql -U shop`, whose input is the block".to_string()),
    });
    map.finish_with(|| Some(BlockClient { service, command: command? }))
}

/// Reads the service in which a shell or a client runs; `by` is what names it.
pub(super) fn place(at: &mut At<'_>, by: String) -> Option<String> {
    let place = at.parse(TextForm::new("the name of a service", shape::scalar), parse_place)?;
    mention(at, by, &place, Among::Services);
    Some(place)
}
