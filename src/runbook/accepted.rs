//! What people have decided about the commands of a runbook that change something: the reading beside it
//! (`db-pool.reading.yaml`), which decision is about which command, and what has changed since.

use super::governs::Governs;
use super::{Command, Runbook, RunbookPhase};
use crate::programs::{self, Call, Kind, Word};
use crate::source::{Diagnostics, Form, MapReader, Node, Source, Span, Value, parse, shape, work_tree};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// How the names of readings end.
pub const SUFFIX: &str = ".reading.yaml";
/// Why none of several commands is decided.
const AMBIGUOUS: &str = "other commands are exactly like this one, and there is not a decision about each of them";
/// The folder of readings, where the runbooks' own is not to be written to.
pub const FOLDER: &str = "readings";
/// Characters of the text around a command that stand in the file, the nearest ones; `seen` is of all of it.
const SHOWN: usize = 400;

const A_DATE: Form = Form::new("a date like `2026-11-20`", || shape::text("[0-9]{4}-[0-9]{2}-[0-9]{2}"));
const A_DIGEST: Form =
    Form::new("16 hexadecimal digits, as `firedrill accept` writes them", || shape::text("[0-9a-f]{16}"));

/// A reading: what was decided about one runbook.
#[derive(Debug, Clone)]
pub struct Accepted {
    /// Its file.
    pub source: Arc<Source>,
    /// Its decisions, in the order of the file.
    pub decisions: Vec<Decision>,
}

/// What a person decided about one command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// The headings above it, for people.
    pub at: String,
    /// Its text.
    pub command: String,
    /// The prose around it as it was then, shortened; for people, and for saying what has changed.
    pub under: String,
    /// What is done.
    pub decided: Do,
    /// Who decided.
    pub by: String,
    /// When: `2026-11-20`.
    pub on: String,
    /// Digest of the command and of all that governed it.
    pub seen: String,
    /// Where it stands in the file.
    pub span: Span,
}

impl Decision {
    /// All of it but where it stands.
    pub fn content(&self) -> (&str, &str, &str, &Do, &str, &str, &str) {
        (&self.at, &self.command, &self.under, &self.decided, &self.by, &self.on, &self.seen)
    }
}

/// What is done about a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Do {
    /// It runs.
    Run,
    /// It does not.
    Skip,
    /// A person does its step.
    Person,
    /// It runs where the scenario chooses this way.
    Way {
        /// What there is to choose: `backend`.
        choice: String,
        /// Which of its ways this is: `postgres`.
        way: String,
    },
}

impl Do {
    /// As it is told.
    pub fn text(&self) -> String {
        match self {
            Do::Run => "run".into(),
            Do::Skip => "skip".into(),
            Do::Person => "person".into(),
            Do::Way { choice, way } => format!("{choice}: {way}"),
        }
    }
}

/// Of commands that are alike, one that was added or taken away would give the others its decision: where decisions about them
/// differ and there are not as many as commands, none is taken.
fn doubt_equals(decisions: &[Decision], asked: &mut [Asked<'_>]) {
    let mut alike: BTreeMap<&str, (usize, BTreeSet<String>)> = BTreeMap::new();
    for decision in decisions {
        let (count, decided) = alike.entry(decision.seen.as_str()).or_default();
        *count += 1;
        decided.insert(decision.decided.text());
    }
    let mut there: BTreeMap<String, usize> = BTreeMap::new();
    asked.iter().for_each(|one| *there.entry(one.seen.clone()).or_default() += 1);
    for one in asked {
        let differ = alike.get(one.seen.as_str()).filter(|(_, decided)| decided.len() > 1);
        if let (Some((count, _)), Some(DecisionState::Decided(at))) = (differ, &one.state)
            && there.get(&one.seen) != Some(count)
        {
            one.state = Some(DecisionState::Ambiguous(*at));
        }
    }
}

/// What is done about a command when the runbook is followed, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Handling {
    /// It runs: it only looks, or somebody has decided so.
    Run(String),
    /// It does not, by decision.
    Skip(String),
    /// A person does its step, by decision.
    Manual(String),
    /// Nobody has decided, or not about the text as it stands: its step is blocked.
    Blocked(String),
}

impl Default for Handling {
    fn default() -> Handling {
        Handling::Blocked("nobody has accepted this command".into())
    }
}

impl Handling {
    /// The reason.
    pub fn why(&self) -> &str {
        match self {
            Handling::Run(why) | Handling::Skip(why) | Handling::Manual(why) | Handling::Blocked(why) => why,
        }
    }
}

/// How a command that changes something stands to the decisions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DecisionState {
    /// Decided; the number of the decision.
    Decided(usize),
    /// What governs it has changed since it was decided.
    ContextChanged(usize),
    /// The command itself has.
    CommandChanged(usize),
    /// There are not as many decisions about commands that are alike as there are commands, and they differ; one that was its own.
    Ambiguous(usize),
    /// Nobody has decided.
    Open,
}

impl DecisionState {
    /// The decision that it is about.
    pub fn decision(&self) -> Option<usize> {
        match self {
            DecisionState::Decided(at)
            | DecisionState::ContextChanged(at)
            | DecisionState::CommandChanged(at)
            | DecisionState::Ambiguous(at) => Some(*at),
            DecisionState::Open => None,
        }
    }
}

/// The commands of a runbook that are not known to only look, each with its state, and the decisions about commands
/// that are no longer there.
#[derive(Debug, Default)]
pub struct Matched {
    /// Step, command of it, and its state.
    pub commands: Vec<(usize, usize, DecisionState)>,
    /// Decisions about commands that are in the runbook and need none: skipped, with something else in their place, or such
    /// that only look by now.
    pub aside: Vec<usize>,
    /// Decisions about nothing.
    pub stale: Vec<usize>,
}

/// A command that somebody must have decided about, as decisions are held against it.
struct Asked<'a> {
    step: usize,
    index: usize,
    command: &'a Command,
    at: String,
    seen: String,
    state: Option<DecisionState>,
}

/// How well a decision fits a command, and what that makes of it.
type Round = (fn(&Decision, &Asked<'_>) -> bool, fn(usize) -> DecisionState);

impl Runbook {
    /// A command of a step.
    pub fn command(&self, step: usize, command: usize) -> Option<&Command> {
        self.steps.get(step)?.commands().get(command)
    }

    /// Holds the commands against the decisions. A decision belongs to a command whose text and surroundings are still the
    /// same, wherever it stands now; of several that are alike, to the first that has none. What is left over belongs to a
    /// command of the same text or, where that is none, of the same headings, and has to be made again.
    pub fn match_decisions(&self, accepted: Option<&Accepted>) -> Matched {
        let decisions = accepted.map_or(&[][..], |accepted| accepted.decisions.as_slice());
        let mut asked: Vec<Asked<'_>> = Vec::new();
        // Those that do not run without a decision.
        let mut needs: BTreeSet<(usize, usize)> = BTreeSet::new();
        for (step, of) in self.steps.iter().enumerate() {
            for (index, command) in of.commands().iter().enumerate() {
                // What somebody left out, or to a person, is left out also where it only looks.
                let held = |d: &Decision| matches!(d.decided, Do::Skip | Do::Person) && d.command == command.text;
                let open = command.effect().kind != Kind::Looks || command.unread.is_some();
                if command.origin.is_none() && (open || decisions.iter().any(held)) {
                    needs.extend(open.then_some((step, index)));
                    let (at, seen) = (command.governs.path(), command.governs.digest(&command.text));
                    asked.push(Asked { step, index, command, at, seen, state: None });
                }
            }
        }
        let mut left: BTreeSet<usize> = (0..decisions.len()).collect();
        let rounds: [Round; 4] = [
            (|d, c| d.command == c.command.text && d.seen == c.seen, DecisionState::Decided),
            (|d, c| d.command == c.command.text && d.at == c.at, DecisionState::ContextChanged),
            (|d, c| d.command == c.command.text, DecisionState::ContextChanged),
            (|d, c| d.at == c.at, DecisionState::CommandChanged),
        ];
        for (fits, state) in rounds {
            for one in asked.iter_mut().filter(|one| one.state.is_none()) {
                let found = left.iter().copied().find(|at| decisions.get(*at).is_some_and(|d| fits(d, one)));
                if let Some(found) = found {
                    left.remove(&found);
                    one.state = Some(state(found));
                }
            }
        }
        asked.retain(|one| one.state.is_some() || needs.contains(&(one.step, one.index)));
        doubt_equals(decisions, &mut asked);
        let commands =
            asked.into_iter().map(|one| (one.step, one.index, one.state.unwrap_or(DecisionState::Open))).collect();
        let replaced = self.steps.iter().filter_map(|step| step.replaced.as_ref()?.commands());
        let held = self.steps.iter().map(|step| step.held.as_slice());
        // … and those that need no decision any more.
        let own = self.steps.iter().enumerate().flat_map(|(step, of)| {
            let needless = |(index, _): &(usize, &Command)| !needs.contains(&(step, *index));
            of.commands().iter().enumerate().filter(needless).map(|(_, command)| command).collect::<Vec<_>>()
        });
        let texts: BTreeSet<&str> =
            replaced.chain(held).flatten().chain(own).map(|command| command.text.as_str()).collect();
        let there = |at: &usize| decisions.get(*at).is_some_and(|decision| texts.contains(decision.command.as_str()));
        let (aside, stale) = left.into_iter().partition(there);
        Matched { commands, aside, stale }
    }

    /// Settles what is done about each command: what only looks runs; what the scenario or an annotation says is decided;
    /// about everything else the reading decides. `chosen` holds the ways that the scenario takes. Where an annotation and the
    /// reading disagree, nothing runs against either.
    pub fn settle(&mut self, accepted: Option<&Accepted>, chosen: &BTreeMap<String, String>) {
        let stand = self.match_decisions(accepted);
        let mut handlings: BTreeMap<(usize, usize), Handling> = BTreeMap::new();
        for (step, index, state) in stand.commands {
            let Some(command) = self.command(step, index) else { continue };
            // What stands outside of blocks for commands is nothing that a word at a heading can mean.
            let by_author = command.unread.is_none()
                && self.steps.get(step).is_some_and(|step| step.settings(command.block).choose == Some(true));
            let handling = match (accepted, state) {
                // About a command that has drifted somebody has decided, and it may have been that it does not run.
                (_, DecisionState::Open) if by_author => {
                    Handling::Run("its annotation or the scenario says `choose`".into())
                }
                (Some(accepted), state) => accepted.handling(&state, command, chosen),
                (None, _) => Handling::default(),
            };
            handlings.insert((step, index), handling);
        }
        for (at, step) in self.steps.iter_mut().enumerate() {
            for (index, command) in super::model::commands_mut(&mut step.kind).iter_mut().enumerate() {
                command.handling = match (handlings.remove(&(at, index)), &command.origin) {
                    (Some(handling), _) => handling,
                    (None, Some(_)) => Handling::Run("the scenario says so".into()),
                    (None, None) => Handling::Run("it only looks".into()),
                };
            }
        }
    }
}

impl Accepted {
    fn handling(&self, state: &DecisionState, command: &Command, chosen: &BTreeMap<String, String>) -> Handling {
        let Some(decision) = state.decision().and_then(|at| self.decisions.get(at)) else { return Handling::default() };
        match state {
            DecisionState::Decided(_) => self.decided(decision, chosen),
            DecisionState::ContextChanged(_) => Handling::Blocked(decision.moved(command)),
            DecisionState::CommandChanged(_) => Handling::Blocked(decision.changed()),
            DecisionState::Ambiguous(_) => Handling::Blocked(AMBIGUOUS.into()),
            DecisionState::Open => Handling::default(),
        }
    }

    fn decided(&self, decision: &Decision, chosen: &BTreeMap<String, String>) -> Handling {
        let Decision { by, on, .. } = decision;
        match &decision.decided {
            Do::Run => Handling::Run(format!("accepted by {by} on {on}")),
            Do::Skip => Handling::Skip(format!("{by} decided on {on} that it is not run")),
            Do::Person => Handling::Manual(format!("{by} decided on {on} that a person does it")),
            Do::Way { choice, way } => match chosen.get(choice) {
                Some(taken) if taken == way => {
                    Handling::Run(format!("`{choice}` is `{way}`, accepted by {by} on {on}"))
                }
                Some(taken) => Handling::Skip(format!("`{choice}` is `{taken}`, and this is for `{way}`")),
                None => Handling::Blocked(format!(
                    "the scenario does not choose `{choice}` ({}): `respond: {{ choose: {{ {choice}: {way} }} }}`",
                    self.ways(choice).join(", ")
                )),
            },
        }
    }

    /// The ways of a choice.
    pub fn ways(&self, wanted: &str) -> Vec<&str> {
        let ways: BTreeSet<&str> = self
            .decisions
            .iter()
            .filter_map(|decision| match &decision.decided {
                Do::Way { choice, way } if choice == wanted => Some(way.as_str()),
                _ => None,
            })
            .collect();
        ways.into_iter().collect()
    }

    /// The choices.
    pub fn choices(&self) -> BTreeSet<&str> {
        let of = |decision| match decision {
            &Decision { decided: Do::Way { ref choice, .. }, .. } => Some(choice.as_str()),
            _ => None,
        };
        self.decisions.iter().filter_map(of).collect()
    }
}

impl Decision {
    /// A decision about a command as it stands.
    pub fn about(command: &Command, decided: Do, by: &str, on: &str) -> Decision {
        Decision {
            at: command.governs.path(),
            command: command.text.clone(),
            under: shown(&command.governs),
            decided,
            by: by.to_string(),
            on: on.to_string(),
            seen: command.governs.digest(&command.text),
            span: Span::default(),
        }
    }

    fn moved(&self, command: &Command) -> String {
        let (at, now) = (command.governs.path(), shown(&command.governs));
        if self.at != at {
            return format!(
                "the headings above this command have changed since {}: “{}” is “{at}” now",
                self.on, self.at
            );
        }
        match self.under == now {
            true => format!("the text before this command has changed since {}, further above", self.on),
            false => {
                format!("the text before this command has changed since {}: “{}” is “{now}” now", self.on, self.under)
            }
        }
    }

    fn changed(&self) -> String {
        format!("this command has changed since {}: `{}` was accepted", self.on, self.command)
    }
}

/// The end of the text around a command.
fn shown(governs: &Governs) -> String {
    let text = governs.text();
    match text.char_indices().rev().nth(SHOWN) {
        Some((at, c)) => format!("… {}", text.get(at + c.len_utf8()..).unwrap_or_default()),
        None => text,
    }
}

/// Where the reading of a runbook is, or would be: beside it, or in `readings/` of a folder above it, up to the top of its work
/// tree, with the same relative path.
pub fn path_of(runbook: &Path) -> PathBuf {
    let places = places(runbook);
    let there = places.iter().find(|path| path.exists());
    there.or(places.first()).cloned().unwrap_or_else(|| runbook.with_extension("reading.yaml"))
}

/// Beside it first.
pub fn places(runbook: &Path) -> Vec<PathBuf> {
    let stem = runbook.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    let beside = runbook.with_file_name(format!("{stem}{SUFFIX}"));
    let whole = std::path::absolute(&beside).unwrap_or_else(|_| beside.clone());
    let top = work_tree(&whole).map(Path::to_path_buf);
    let cwd = std::env::current_dir().ok();
    let Some(top) = top.or(cwd).filter(|top| whole.starts_with(top)) else { return vec![beside] };
    let above = whole.ancestors().skip(1).take_while(|folder| folder.starts_with(&top));
    let kept = above.filter_map(|folder| Some(folder.join(FOLDER).join(whole.strip_prefix(folder).ok()?)));
    [beside.clone()].into_iter().chain(kept).collect()
}

/// Reads the reading of a runbook, if there is one. Mistakes go to `diags`; one with mistakes decides nothing.
pub fn read_of(runbook: &Source, diags: &mut Diagnostics) -> Option<Accepted> {
    let path = path_of(&runbook.path);
    if std::fs::symlink_metadata(&path).is_err() {
        return None;
    }
    let source = match &runbook.root {
        Some(root) => Source::read_in(&path, root),
        None => Source::read(&path),
    };
    match source {
        Ok(source) => read(&source, Some(&runbook.path), diags),
        Err(error) => {
            error.report("the reading", None, diags);
            None
        }
    }
}

/// Reads a reading. `runbook` is the file that it must be about.
pub fn read(source: &Arc<Source>, runbook: Option<&Path>, diags: &mut Diagnostics) -> Option<Accepted> {
    let root = parse(source, diags)?;
    let (named, decisions) = read_map(&root, source, diags)?;
    let name = |path: &Path| path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    if let (Some((named, span)), Some(runbook)) = (named, runbook)
        && named != name(runbook)
    {
        let message = format!("this reading is about `{named}`, and stands beside `{}`", name(runbook));
        diags.error(source, span, message).help("rename the file with its runbook, and `runbook:` in it");
        return None;
    }
    Some(Accepted { source: source.clone(), decisions })
}

type Named = Option<(String, Span)>;

fn read_map(root: &Node, source: &Arc<Source>, diags: &mut Diagnostics) -> Option<(Named, Vec<Decision>)> {
    let mut map = MapReader::new(root, "the reading", source, diags)?;
    let runbook = map.require::<String>("runbook");
    let named = runbook.map(|name| (name, map.span_of("runbook")));
    let mut decisions = Vec::new();
    let mut whole = true;
    if let Some(node) = map.require_node("decisions") {
        match &node.value {
            Value::List(items) => {
                for item in items {
                    let decision = read_decision(item, source, map.diags);
                    whole &= decision.is_some();
                    decisions.extend(decision);
                }
            }
            Value::Null => {}
            _ => {
                map.error(node.span, format!("`decisions` must be a list, found {}", node.describe()));
            }
        }
    }
    map.finish()?;
    whole.then_some((named, decisions))
}

fn read_decision(node: &Node, source: &Arc<Source>, diags: &mut Diagnostics) -> Option<Decision> {
    let mut map = MapReader::new(node, "a decision", source, diags)?;
    let at = map.require::<String>("at");
    let command = map.require::<String>("command");
    let under = map.optional::<String>("under").unwrap_or_default();
    let decided = map.require_node("do").and_then(|node| read_do(node, source, map.diags));
    let by = map.require::<String>("by");
    let on = map.require_with("on", A_DATE, |text| {
        let fits = text.len() == 10
            && text.bytes().enumerate().all(|(at, byte)| match at {
                4 | 7 => byte == b'-',
                _ => byte.is_ascii_digit(),
            });
        if fits { Ok(text.to_string()) } else { Err("write it as `2026-11-20`".to_string()) }
    });
    let seen = map.require_with("seen", A_DIGEST, |text| {
        let fits = text.len() == 16 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        if fits { Ok(text.to_string()) } else { Err("expected 16 hexadecimal digits".to_string()) }
    });
    map.finish()?;
    Some(Decision {
        at: at?,
        command: command?,
        under,
        decided: decided?,
        by: by?,
        on: on?,
        seen: seen?,
        span: node.span,
    })
}

fn read_do(node: &Node, source: &Arc<Source>, diags: &mut Diagnostics) -> Option<Do> {
    match (&node.value, node.text()) {
        (_, Some("run")) => Some(Do::Run),
        (_, Some("skip")) => Some(Do::Skip),
        (_, Some("person")) => Some(Do::Person),
        (Value::Map(_), _) => {
            let mut map = MapReader::new(node, "`do`", source, diags)?;
            let (choice, way) = (map.require::<String>("choice"), map.require::<String>("way"));
            map.finish()?;
            Some(Do::Way { choice: choice?, way: way? })
        }
        _ => {
            diags
                .error(source, node.span, format!("{} is not a decision", node.describe()))
                .help("write `run`, `skip`, `person`, or `{ choice: …, way: … }`");
            None
        }
    }
}

/// A reading as it is written.
#[derive(Serialize)]
struct File<'a> {
    runbook: &'a str,
    decisions: Vec<Written<'a>>,
}

#[derive(Serialize)]
struct Written<'a> {
    at: &'a str,
    command: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    under: &'a str,
    #[serde(rename = "do")]
    decided: serde_json::Value,
    by: &'a str,
    on: &'a str,
    seen: &'a str,
}

/// A reading as YAML: decisions that stood in it `before` as they are written there, with the comments above them.
///
/// # Errors
/// When it would not be read as it was decided, which a test holds not to happen.
pub fn written(runbook: &Path, decisions: &[Decision], before: Option<&Accepted>) -> Result<String, String> {
    let name = runbook.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let anew = anew(&name, decisions)?;
    let kept = before.and_then(|before| patched(&name, decisions, before));
    // What cannot be read again must not replace what can; what a person has laid out in a way of his own is written anew.
    let same = |text: &String| {
        let mut diags = Diagnostics::default();
        let again = read(&Source::new(path_of(runbook), text.clone()), None, &mut diags);
        again.is_some_and(|again| {
            again.decisions.iter().map(Decision::content).eq(decisions.iter().map(Decision::content))
        })
    };
    let text = kept.filter(same).or_else(|| Some(anew).filter(same));
    text.ok_or_else(|| "it would not be read as it was decided".to_string())
}

fn anew(name: &str, decisions: &[Decision]) -> Result<String, String> {
    let of = |decision: &Do| match decision {
        Do::Way { choice, way } => serde_json::json!({ "choice": choice, "way": way }),
        word => serde_json::Value::String(word.text()),
    };
    let decisions = decisions.iter().map(|d| Written {
        at: &d.at,
        command: &d.command,
        under: &d.under,
        decided: of(&d.decided),
        by: &d.by,
        on: &d.on,
        seen: &d.seen,
    });
    let file = File { runbook: name, decisions: decisions.collect() };
    // A line of a command is a line of the file, however long it is: it is compared with the runbook by eye.
    let options = serde_yaml::ser_options! { folded_wrap_chars: usize::MAX };
    let text = serde_yaml::to_string_with_options(&file, options).map_err(|error| error.to_string())?;
    Ok(format!("# How Firedrill follows {name}. Written by `firedrill accept`; review it like code.\n{text}"))
}

/// The lines of the old text, with those of new decisions between them.
fn patched(name: &str, decisions: &[Decision], before: &Accepted) -> Option<String> {
    let text = before.source.text.as_str();
    let first = before.source.start(before.source.line(before.decisions.first()?.span.start));
    let indent: String = text.get(first..)?.chars().take_while(|c| *c == ' ').collect();
    // The comments right above a decision are about it.
    let above = text.get(..first)?.split_inclusive('\n').rev().take_while(|line| line.trim_start().starts_with('#'));
    let begin = first - above.map(str::len).sum::<usize>();
    let mut end = begin;
    let mut lines = Vec::new();
    for old in &before.decisions {
        let last = text.get(..old.span.end)?.trim_end().len();
        let start =
            std::mem::replace(&mut end, last + text.get(last..)?.find('\n').map_or(text.len() - last, |at| at + 1));
        lines.push((old.span, text.get(start..end)?));
    }
    let mut out = text.get(..begin)?.to_string();
    for decision in decisions {
        match lines.iter().find(|(span, _)| *span == decision.span) {
            Some((_, old)) => out.extend([old.trim_end_matches('\n'), "\n"]),
            None => {
                let whole = anew(name, std::slice::from_ref(decision)).ok()?;
                let (_, new) = whole.split_once("decisions:\n")?;
                new.lines().for_each(|line| out.extend([indent.as_str(), line, "\n"]));
            }
        }
    }
    out.push_str(text.get(end..)?);
    Some(out)
}

/// The JSON Schema of readings.
pub fn schema() -> serde_json::Value {
    let text = serde_json::json!({ "type": "string", "minLength": 1 });
    serde_json::json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Firedrill reading: what people decided about the commands of a runbook",
        "type": "object",
        "additionalProperties": false,
        "required": ["runbook", "decisions"],
        "properties": {
            "runbook": { "type": "string", "minLength": 1, "description": "file name of the runbook" },
            "decisions": {
                "type": ["array", "null"],
                "items": {
                    "type": "object",
                    "additionalProperties": false,
                    "required": ["at", "command", "do", "by", "on", "seen"],
                    "properties": {
                        "at": { "type": "string", "description": "the headings above the command" },
                        "command": { "type": "string", "description": "the command as it stands in the runbook" },
                        "under": { "type": "string", "description": "the text before it as it was then, shortened" },
                        "do": {
                            "description": "what is done: run it, leave it out, leave its step to a person, or run it where the scenario chooses this way",
                            "oneOf": [
                                { "enum": ["run", "skip", "person"] },
                                {
                                    "type": "object",
                                    "additionalProperties": false,
                                    "required": ["choice", "way"],
                                    "properties": { "choice": text, "way": text },
                                },
                            ],
                        },
                        "by": { "type": "string", "minLength": 1, "description": "who decided" },
                        "on": { "type": "string", "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}$", "description": "when" },
                        "seen": { "type": "string", "pattern": "^[0-9a-f]{16}$", "description": "digest of the command and of all that governed it" },
                    },
                },
            },
        },
    })
}

/// Words that leave a decision to a person, wherever they stand in what governs a command.
const DOUBTS: &str = "
    if unless when whenever only either otherwise else alternatively alternative optional optionally option instead
    depending depends case until needed necessary appropriate applicable warning caution careful danger resort never
    don't prompts interactively
";

/// Why a decision about a command is left to a person, by its surroundings and by what it is.
pub fn doubt(command: &Command) -> Option<String> {
    let governs = &command.governs;
    if governs.of_several {
        return Some("it is one of several ways or cases".into());
    }
    if let Some(by_hand) = &command.by_hand {
        return Some(by_hand.text().to_string());
    }
    if let Some(unread) = command.unread.filter(|_| {
        let certain = command.text.lines().next().is_some_and(super::unfenced::is_command);
        !certain || command.effect().kind != Kind::Looks || governs.under.iter().any(|text| forbids(text))
    }) {
        return Some(format!("{}, and nobody has read it as a command yet", unread.text()));
    }
    if command.effect().because.contains("could not be read") {
        return Some("it could not be read as shell".into());
    }
    let words = |call: &Call| call.words.iter().map(Word::fixed).collect::<Vec<_>>();
    let called = || super::calls(&command.text).iter().find_map(|call| programs::destroys(&words(call)));
    let sql = super::client::is_sql(&command.language);
    let stated = || programs::destroying_statement(&command.text).filter(|_| sql).map(str::to_string);
    if let Some(what) = called().or_else(stated) {
        return Some(format!("`{what}` cannot be taken back"));
    }
    if governs.under.iter().any(|text| says_or(text)) {
        return Some("the text around it names another way (“or”)".into());
    }
    let texts = governs.headings.iter().chain(&governs.under);
    let found = texts.flat_map(|text| text.split(|c: char| !c.is_alphanumeric() && c != '\'')).find_map(|word| {
        let word = word.to_lowercase();
        DOUBTS.split_whitespace().any(|doubt| doubt == word).then_some(word)
    });
    found.map(|word| format!("the text around it says “{word}”"))
}

/// Whether a text may say that something is not to be run.
fn forbids(text: &str) -> bool {
    let text = text.replace('\u{2019}', "'").to_lowercase();
    let mut words = text.split(|c: char| !c.is_alphanumeric() && c != '\'');
    words.any(|word| {
        matches!(word, "not" | "never" | "cannot" | "forbidden" | "avoid" | "no" | "error") || word.ends_with("n't")
    })
}

/// Whether a text begins with "or": `# Or with Docker`.
fn says_or(text: &str) -> bool {
    let first = text.split(|c: char| !c.is_alphanumeric()).find(|word| !word.is_empty());
    first.is_some_and(|word| word.eq_ignore_ascii_case("or"))
}

/// What is proposed for a command that changes something; `None` leaves it to a person.
pub fn proposal(command: &Command, phase: RunbookPhase) -> Option<Do> {
    use RunbookPhase::{Detect, Diagnose, Mitigate, Rollback, Verify};
    let acts = matches!(phase, Detect | Diagnose | Mitigate | Verify | Rollback);
    (acts && doubt(command).is_none()).then_some(Do::Run)
}

#[cfg(test)]
#[path = "accepted_tests.rs"]
mod tests;
