//! What people have decided about the commands of a runbook that change something: the reading beside it
//! (`db-pool.reading.yaml`), which decision is about which command, and what has changed since.

use super::commands::is_option;
use super::governs::Governs;
use super::text::{is_among, spoken_words, words};
use super::{BlockSettings, Command, Runbook, RunbookPhase, Step, phase};
use crate::programs::{self, Call, EffectKind};
use crate::source::{
    At, Diagnostics, MapReader, Source, Span, TextForm, TextPattern, Value, parse, phrases, shape, work_tree,
};
use serde::Serialize;
use similar::{Algorithm, DiffTag, capture_diff_slices, group_diff_ops};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use time::{Date, macros::format_description};

/// How the names of readings end.
pub const SUFFIX: &str = ".reading.yaml";
/// The folder of readings, where the runbooks' own is not to be written to.
pub const FOLDER: &str = "readings";
/// Characters of the text around a command that stand in the file, the nearest ones; `seen` is of all of it.
const SHOWN: usize = 400;
/// Stands before a text of which only the end is kept.
const CUT: &str = "… ";
/// Words that are shown on either side of what has changed.
const NEAR: usize = 4;

const A_DATE: TextForm = TextForm::new("a date like `2026-11-20`", || shape::text("[0-9]{4}-[0-9]{2}-[0-9]{2}"));
const A_DIGEST: TextForm =
    TextForm::new("16 hexadecimal digits, as `firedrill accept` writes them", || shape::text("[0-9a-f]{16}"));

/// A reading: what was decided about one runbook.
#[derive(Debug, Clone)]
pub struct Accepted {
    /// Its file.
    pub source: Arc<Source>,
    /// Its decisions, in the order of the file.
    pub decisions: Vec<Decision>,
}

/// What a person decided about one command, as it stands in the file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Decision {
    /// The headings above it, for people.
    pub at: String,
    /// Its text.
    pub command: String,
    /// The prose around it as it was then, shortened; for people, and for saying what has changed.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub under: String,
    /// What is done.
    #[serde(rename = "do")]
    pub decided: Do,
    /// Who decided.
    pub by: String,
    /// When: `2026-11-20`.
    pub on: String,
    /// Digest of the command and of all that governed it.
    pub seen: String,
    /// Where it stands in the file.
    #[serde(skip)]
    pub span: Span,
}

/// What is done about a command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Do {
    /// It runs.
    Run,
    /// It does not.
    Skip,
    /// A person does its step.
    Person,
    /// It runs where the scenario chooses this way.
    #[serde(untagged)]
    Way {
        /// What there is to choose: `backend`.
        choice: String,
        /// Which of its ways this is: `postgres`.
        way: String,
    },
}

impl Do {
    /// The decision in words: `run`, `skip`, `person`, or `backend: postgres`.
    pub fn text(&self) -> String {
        match self {
            Do::Run => "run".into(),
            Do::Skip => "skip".into(),
            Do::Person => "person".into(),
            Do::Way { choice, way } => format!("{choice}: {way}"),
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

/// How a command that needs a decision stands to the decisions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DecisionState {
    /// Decided as it stands.
    Decided,
    /// It, or what governs it, has changed since it was decided.
    Drifted,
    /// Another command of its block stands before it by now, and stood behind it when both were decided.
    Reordered,
    /// There are not as many decisions about commands that are alike as there are commands, and they differ.
    Ambiguous,
    /// Nobody has decided.
    Open,
}

/// A command that does not run without a decision, and how it stands.
#[derive(Debug, Clone)]
pub struct Reviewed<'a> {
    /// Its step.
    pub step: &'a Step,
    /// The command.
    pub command: &'a Command,
    /// Number of the step, and of the block in it.
    pub block: (usize, usize),
    /// How it stands to the decisions.
    pub state: DecisionState,
    /// What was decided about it, or about what stood there; with its number in the file.
    pub decision: Option<(usize, &'a Decision)>,
    /// Number of the command in its step.
    index: usize,
    /// Whether it waits for a decision; others have one from a time when they did.
    waits: bool,
    seen: String,
}

/// The commands of a runbook that are not known to only look, in the order of the text, each with the decision about it.
#[derive(Debug)]
pub struct Review<'a> {
    /// The commands.
    pub cases: Vec<Reviewed<'a>>,
    /// Decisions about commands that are in the runbook and need none: skipped, with something else in their place, or such
    /// that only look by now.
    pub aside: Vec<&'a Decision>,
    /// Decisions about nothing.
    pub stale: Vec<&'a Decision>,
}

/// How well a decision fits a command, and what that makes of it.
type Round = (fn(&Decision, &Reviewed<'_>) -> bool, DecisionState);

impl Runbook {
    /// Holds the commands against the decisions. A decision belongs to a command whose text and surroundings are still the
    /// same, wherever it stands now; of several that are alike, to the first that has none. What is left over belongs to a
    /// command of the same text or, where that is none, of the same headings, and has to be made again.
    pub fn review(&self) -> Review<'_> {
        let decisions = self.accepted.as_ref().map_or(&[][..], |accepted| accepted.decisions.as_slice());
        let (mut cases, mut needless): (Vec<Reviewed<'_>>, Vec<&Command>) = (Vec::new(), Vec::new());
        for (at, step) in self.steps.iter().enumerate() {
            for (index, command) in step.commands().iter().enumerate() {
                // What somebody left out, or to a person, is left out also where it only looks.
                let held = |d: &Decision| matches!(d.decided, Do::Skip | Do::Person) && d.command == command.text;
                let own = command.origin.is_none();
                let waits = own && (command.unread.is_some() || command.effect().kind != EffectKind::Looks);
                needless.extend((!waits).then_some(command));
                if waits || own && decisions.iter().any(held) {
                    let (block, seen) = ((at, command.block), command.governs.digest(&command.text));
                    let state = DecisionState::Open;
                    cases.push(Reviewed { step, command, block, state, decision: None, index, waits, seen });
                }
            }
        }
        cases.sort_by_key(Reviewed::place);
        let mut left: BTreeMap<usize, &Decision> = decisions.iter().enumerate().collect();
        let rounds: [Round; 4] = [
            (|d, c| d.command == c.command.text && d.seen == c.seen, DecisionState::Decided),
            (|d, c| d.command == c.command.text && d.at == c.command.governs.path(), DecisionState::Drifted),
            (|d, c| d.command == c.command.text, DecisionState::Drifted),
            (|d, c| d.at == c.command.governs.path(), DecisionState::Drifted),
        ];
        for (fits, state) in rounds {
            for case in cases.iter_mut().filter(|case| case.decision.is_none()) {
                let found = left.iter().find(|(_, decision)| fits(decision, case)).map(|(at, _)| *at);
                if let Some(found) = found.and_then(|at| left.remove_entry(&at)) {
                    (case.decision, case.state) = (Some(found), state);
                }
            }
        }
        cases.retain(|case| case.waits || case.decision.is_some());
        doubt_order(&mut cases);
        doubt_equals(decisions, &mut cases);
        let replaced = self.steps.iter().filter_map(|step| step.replaced.as_ref()).flat_map(|old| &old.commands);
        let others = self.steps.iter().flat_map(Step::held).chain(replaced).chain(needless);
        let texts: BTreeSet<&str> = others.map(|command| command.text.as_str()).collect();
        let (aside, stale) = left.into_values().partition(|decision| texts.contains(decision.command.as_str()));
        Review { cases, aside, stale }
    }

    /// Settles what is done about each command: what only looks runs; what the scenario or an annotation says is decided;
    /// about everything else the reading decides. `chosen` holds the ways that the scenario takes. Where an annotation and the
    /// reading disagree, nothing runs against either.
    pub fn settle(&mut self, chosen: &BTreeMap<String, String>) {
        let cases = self.review().cases;
        let decided = cases.iter().map(|case| (case.block.0, case.index, self.handling(case, chosen)));
        let decided: Vec<(usize, usize, Handling)> = decided.collect();
        for command in self.steps.iter_mut().flat_map(Step::commands_mut) {
            let why = if command.origin.is_some() { "the scenario says so" } else { "it only looks" };
            command.handling = Handling::Run(why.into());
        }
        for (step, index, handling) in decided {
            self.steps[step].commands_mut()[index].handling = handling;
        }
    }

    fn handling(&self, case: &Reviewed<'_>, chosen: &BTreeMap<String, String>) -> Handling {
        let (decision, accepted) = match (case.state, case.decision, &self.accepted) {
            // About a command that has drifted somebody has decided, and it may have been that it does not run.
            (DecisionState::Open, ..) if case.is_chosen() => {
                return Handling::Run("its annotation or the scenario says `choose`".into());
            }
            (DecisionState::Decided, Some((_, decision)), Some(accepted)) => (decision, accepted),
            _ => {
                let changes: Vec<String> = case.changes().into_iter().map(|(_, how)| how).collect();
                let colon = if changes.is_empty() { "" } else { ": " };
                return Handling::Blocked(format!("{}{colon}{}", case.why(), changes.join("; ")));
            }
        };
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
                None => {
                    let ways: Vec<&str> = accepted.choices().remove(&**choice).into_iter().flatten().collect();
                    let (ways, how) = (ways.join(", "), format!("`respond: {{ choose: {{ {choice}: {way} }} }}`"));
                    Handling::Blocked(format!("the scenario does not choose `{choice}` ({ways}): {how}"))
                }
            },
        }
    }
}

/// Of commands that are alike, one that was added or taken away would give the others its decision: where decisions about them
/// differ and there are not as many as commands, none is taken.
fn doubt_equals(decisions: &[Decision], cases: &mut [Reviewed<'_>]) {
    let mut there: BTreeMap<String, usize> = BTreeMap::new();
    cases.iter().for_each(|case| *there.entry(case.seen.clone()).or_default() += 1);
    for case in cases.iter_mut().filter(|case| case.decision.is_some_and(|(_, decision)| decision.seen == case.seen)) {
        let alike: Vec<&Do> = decisions.iter().filter(|one| one.seen == case.seen).map(|one| &one.decided).collect();
        if there.get(&case.seen) != Some(&alike.len()) && alike.iter().any(|other| Some(other) != alike.first()) {
            case.state = DecisionState::Ambiguous;
        }
    }
}

/// What commands do together depends on their order. Those that the same text governs could change places without a change of
/// their digests; so decisions stand in the order in which they were read, and one that now comes later than another that stood
/// behind it is open again.
fn doubt_order(cases: &mut [Reviewed<'_>]) {
    let mut last: BTreeMap<String, usize> = BTreeMap::new();
    for case in cases.iter_mut().filter(|case| case.is_decided()) {
        let Some((number, _)) = case.decision else { continue };
        let latest = last.entry(case.command.governs.place.clone()).or_insert(number);
        if number < *latest {
            case.state = DecisionState::Reordered;
        }
        *latest = number.max(*latest);
    }
}

impl<'a> Reviewed<'a> {
    /// Line and column of the command.
    pub fn place(&self) -> (usize, usize) {
        (self.command.line, self.command.column)
    }

    /// Whether somebody has decided about it as it stands.
    pub fn is_decided(&self) -> bool {
        self.state == DecisionState::Decided
    }

    /// How the block of the command is run.
    pub fn settings(&self) -> Option<&'a BlockSettings> {
        self.step.blocks.get(self.command.block).map(|block| &block.settings)
    }

    /// Whether an annotation or the scenario leaves it out.
    pub fn is_skipped(&self) -> bool {
        self.settings().is_some_and(|settings| settings.skip.is_some())
    }

    /// Whether an annotation or the scenario says that it runs. What stands outside of blocks for commands is nothing that a
    /// word at a heading can mean.
    pub fn is_chosen(&self) -> bool {
        self.command.unread.is_none() && self.settings().is_some_and(|settings| settings.choose == Some(true))
    }

    /// Why it is not decided as it stands.
    pub fn why(&self) -> String {
        let on = self.decision.map_or("", |(_, decision)| &decision.on);
        match self.state {
            DecisionState::Decided => "it is decided".into(),
            DecisionState::Drifted => {
                let what: Vec<&str> = self.changes().into_iter().map(|(what, _)| what).collect();
                let further = "text further above it, or what its variables, its folder or its place are,";
                let what = if what.is_empty() { further.to_string() } else { what.join(" and ") };
                format!("{what} changed since {on}")
            }
            DecisionState::Reordered => format!("the commands under this text stood in another order on {on}"),
            DecisionState::Ambiguous => {
                "other commands are exactly like this one, and there is not a decision about each of them".into()
            }
            DecisionState::Open if acts(self.step.phase) => Handling::default().why().into(),
            DecisionState::Open => format!(
                "{}, and only a scenario that selects the phase `{}` follows it",
                Handling::default().why(),
                self.step.phase.name()
            ),
        }
    }

    /// What has changed since it was decided, and how, by words.
    pub fn changes(&self) -> Vec<(&'static str, String)> {
        let Some((_, old)) = self.decision.filter(|_| self.state == DecisionState::Drifted) else { return Vec::new() };
        let (at, under) = (self.command.governs.path(), shown(&self.command.governs));
        let bare = |path: &str| path.split(" / ").map(phase::strip_number).collect::<Vec<_>>().join(" / ");
        let headings = if bare(&old.at) == bare(&at) { None } else { word_diff(&old.at, &at) };
        let all = [
            ("the headings above it", headings),
            ("the text before it", word_diff(&old.under, &under)),
            ("the command itself", word_diff(&old.command, &self.command.text)),
        ];
        all.into_iter().filter_map(|(what, how)| Some((what, how?))).collect()
    }
}

impl Review<'_> {
    /// All decisions with those that are made now, by the places of their commands, in the order of the text. What belongs to no
    /// command stays behind what stood above it; what stands in another order than the page does so until it is decided again.
    pub fn with(&self, now: &BTreeMap<(usize, usize), Decision>, before: &[Decision], prune: bool) -> Vec<Decision> {
        let mut all: Vec<((usize, usize), Decision)> = Vec::new();
        let mut last = (0, 0);
        for (number, old) in before.iter().enumerate().filter(|(_, old)| !prune || !self.stale.contains(old)) {
            let case = self.cases.iter().find(|case| case.decision.is_some_and(|(at, _)| at == number));
            let new = case.and_then(|case| now.get(&case.place()));
            let first_of = |case: &Reviewed<'_>| {
                let is_beside = |other: &&Reviewed<'_>| other.command.governs.place == case.command.governs.place;
                self.cases.iter().find(is_beside).map(Reviewed::place)
            };
            last = match case {
                Some(case) if case.state == DecisionState::Reordered && new.is_none() => first_of(case).unwrap_or(last),
                Some(case) => case.place(),
                None => last,
            };
            all.push((last, new.unwrap_or(old).clone()));
        }
        let added = self.cases.iter().filter(|case| case.decision.is_none()).map(Reviewed::place);
        all.extend(added.filter_map(|place| Some((place, now.get(&place)?.clone()))));
        all.sort_by_key(|(place, _)| *place);
        all.into_iter().map(|(_, decision)| decision).collect()
    }
}

/// What differs between two texts, as words that are gone and words that are new: `The [-batch-] {+nightly+} job …`. `None` where
/// nothing does; where the beginning of a text was cut off, what differs there says nothing.
fn word_diff(old: &str, new: &str) -> Option<String> {
    if old == new {
        return None;
    }
    let cut = old.starts_with(CUT) || new.starts_with(CUT);
    let [old, new] =
        [old, new].map(|text| text.strip_prefix(CUT).unwrap_or(text).split_whitespace().collect::<Vec<_>>());
    let mut ops = capture_diff_slices(Algorithm::Myers, &old, &new);
    if cut && ops.len() > 1 && ops.first().is_some_and(|op| op.tag() != DiffTag::Equal) {
        ops.remove(0);
    }
    if ops.iter().all(|op| op.tag() == DiffTag::Equal) {
        return (!cut).then(|| "only in its white space".into());
    }
    let mut out: Vec<String> = Vec::new();
    let mut at = ops.first().map_or(0, |op| op.new_range().start);
    for op in group_diff_ops(ops, NEAR).into_iter().flatten() {
        let (tag, before, after) = op.as_tag_tuple();
        out.extend((after.start > at).then(|| "…".to_string()));
        at = after.end;
        let (gone, now) = (old.get(before).unwrap_or_default(), new.get(after).unwrap_or_default());
        match tag {
            DiffTag::Equal => out.extend((!now.is_empty()).then(|| now.join(" "))),
            _ => {
                out.extend((!gone.is_empty()).then(|| format!("[-{}-]", gone.join(" "))));
                out.extend((!now.is_empty()).then(|| format!("{{+{}+}}", now.join(" "))));
            }
        }
    }
    out.extend((at < new.len()).then(|| "…".to_string()));
    Some(out.join(" "))
}

impl Accepted {
    /// The choices, each with its ways.
    pub fn choices(&self) -> BTreeMap<&str, BTreeSet<&str>> {
        let mut choices: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for decision in &self.decisions {
            if let Do::Way { choice, way } = &decision.decided {
                choices.entry(choice).or_default().insert(way);
            }
        }
        choices
    }
}

impl Decision {
    /// A decision about a command as it stands.
    pub fn about(command: &Command, decided: Do, by: &str, on: &str) -> Decision {
        let (at, under) = (command.governs.path(), shown(&command.governs));
        let (seen, by, on) = (command.governs.digest(&command.text), by.to_string(), on.to_string());
        Decision { at, command: command.text.clone(), under, decided, by, on, seen, span: Span::default() }
    }
}

/// The end of the text around a command.
fn shown(governs: &Governs) -> String {
    let text = governs.text();
    let last = text.char_indices().rev().nth(SHOWN - 1).and_then(|(at, _)| text.get(at..)).unwrap_or(&text);
    if last.len() < text.len() { format!("{CUT}{last}") } else { text }
}

/// Where the reading of a runbook is, or would be: beside it, or in `readings/` of a folder above it, up to the top of its work
/// tree, with the same relative path.
pub fn path_of(runbook: &Path) -> PathBuf {
    let places = places(runbook);
    let there = places.iter().find(|path| path.exists());
    there.or(places.first()).cloned().unwrap_or_else(|| runbook.with_extension("reading.yaml"))
}

/// Beside it first. Of `p.md` and `p.markdown` the second has `p.markdown.reading.yaml`.
pub fn places(runbook: &Path) -> Vec<PathBuf> {
    let second = runbook.extension().is_some_and(|end| end == "markdown") && runbook.with_extension("md").exists();
    let stem = if second { runbook.file_name() } else { runbook.file_stem() };
    let stem = stem.map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    let beside = runbook.with_file_name(format!("{stem}{SUFFIX}"));
    let whole = std::path::absolute(&beside).unwrap_or_else(|_| beside.clone());
    let top = work_tree(&whole).map(Path::to_path_buf).or_else(|| std::env::current_dir().ok());
    let Some(top) = top.filter(|top| whole.starts_with(top)) else { return vec![beside] };
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
    let source = runbook.root.as_ref().map_or_else(|| Source::read(&path), |root| Source::read_in(&path, root));
    let source = source.map_err(|error| error.report("the reading", None, diags)).ok()?;
    read(&source, Some(&runbook.path), diags)
}

/// Reads a reading. `runbook` is the file that it must be about.
pub fn read(source: &Arc<Source>, runbook: Option<&Path>, diags: &mut Diagnostics) -> Option<Accepted> {
    let root = parse(source, diags)?;
    let mut map = MapReader::new(&root, "the reading", source, diags)?;
    let (named, span) = (map.require::<String>("runbook"), map.span_of("runbook"));
    let decisions = map.require_by("decisions", |at| match at.node.value {
        Value::Null => Some(Vec::new()),
        _ => Some(at.items("a list", "let `firedrill accept` write it", read_decision)),
    });
    let name = runbook.and_then(Path::file_name).map(|name| name.to_string_lossy());
    if let (Some(named), Some(name)) = (named, name)
        && named != name
    {
        let message = format!("this reading is about `{named}`, and stands beside `{name}`");
        map.error(span, message).help("rename the file with its runbook, and `runbook:` in it");
    }
    map.finish()?;
    Some(Accepted { source: source.clone(), decisions: decisions? })
}

fn read_decision(at: &mut At<'_>) -> Option<Decision> {
    let (span, mut map) = (at.node.span, at.map("a decision")?);
    let (at, command) = (map.require::<String>("at"), map.require::<String>("command"));
    let under = map.optional::<String>("under").unwrap_or_default();
    let (decided, by) = (map.require_by("do", read_do), map.require::<String>("by"));
    let on = map.require_with("on", A_DATE, |text| {
        let day = Date::parse(text, format_description!("[year]-[month]-[day]")).map(|_| text.to_string());
        day.ok().filter(|day| day.len() == 10).ok_or_else(|| format!("`{text}` is no day: write it as `2026-11-20`"))
    });
    let seen = map.require_with("seen", A_DIGEST, |text| {
        let fits = text.len() == 16 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        if fits { Ok(text.to_string()) } else { Err("expected 16 hexadecimal digits".to_string()) }
    });
    map.finish()?;
    Some(Decision { at: at?, command: command?, under, decided: decided?, by: by?, on: on?, seen: seen?, span })
}

fn read_do(at: &mut At<'_>) -> Option<Do> {
    match (&at.node.value, at.node.text()) {
        (_, Some("run")) => Some(Do::Run),
        (_, Some("skip")) => Some(Do::Skip),
        (_, Some("person")) => Some(Do::Person),
        (Value::Map(_), _) => {
            let mut map = at.map("`do`")?;
            let (choice, way) = (map.require::<String>("choice"), map.require::<String>("way"));
            map.finish()?;
            Some(Do::Way { choice: choice?, way: way? })
        }
        _ => {
            let error = at.error(format!("{} is not a decision", at.node.describe()));
            error.help("write `run`, `skip`, `person`, or `{ choice: …, way: … }`");
            None
        }
    }
}

/// A reading as it is written.
#[derive(Serialize)]
struct File<'a> {
    runbook: &'a str,
    decisions: &'a [Decision],
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
        let bare = |decision: &Decision| Decision { span: Span::default(), ..decision.clone() };
        again.is_some_and(|again| again.decisions.iter().map(bare).eq(decisions.iter().map(bare)))
    };
    let text = kept.filter(same).or_else(|| Some(anew).filter(same));
    text.ok_or_else(|| "it would not be read as it was decided".to_string())
}

fn anew(name: &str, decisions: &[Decision]) -> Result<String, String> {
    let file = File { runbook: name, decisions };
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
pub const SCHEMA: &str = include_str!("../../docs/reading.schema.json");

/// Words behind `docker run` that may begin what runs in the container.
const MOST_IN_RUN: usize = 40;
/// A day in a name, as an example has it: `backup-20260224_120000.sql.gz`.
static DAY: TextPattern =
    TextPattern::new(r#"[-_./](20[0-9]{2}(?:0[1-9]|1[0-2])(?:[0-2][0-9]|3[01]))(?:[-_.T/)"'\s]|$)"#);
/// An address or a host of documentation (RFC 5737, RFC 2606).
static OF_EXAMPLES: TextPattern = TextPattern::new(words!("addresses of examples"));
/// What by its form is said of one case, one place or somebody else: `Cause B, the disk:`, `Lag > 60 s:`, `The DBA runs:`.
static FORMS: TextPattern = TextPattern::new(words!("forms"));
/// What is said to be for one place, for somebody else or for another time: `DBA:`, `On the standby:`, `Weekends:`.
static LIMITS: TextPattern = TextPattern::new(words!("limits"));
/// What a step says of stopping there: "Stop here if it prints f", "Anything but t: escalate", "Wait for the DBA here".
static PAUSES: TextPattern = TextPattern::new(words!("pauses"));
/// A title of how much there is of something: `Backlog above 10,000 orders`.
static HEADED: TextPattern = TextPattern::new(words!("amounts in titles"));

/// Why a decision about a command is left to a person, by its surroundings and by what it is.
pub fn doubt(command: &Command) -> Option<String> {
    let governs = &command.governs;
    if governs.is_alternative() {
        return Some("it is one of several ways or cases".into());
    }
    if let Some(by_hand) = &command.by_hand {
        return Some(by_hand.text().to_string());
    }
    if let Some(unread) = command.unread {
        let certain = command.text.lines().next().is_some_and(super::unfenced::is_command);
        // An option (`--no-pager`) forbids nothing.
        let said = governs.under.iter().flat_map(|text| text.split_whitespace()).filter(|word| !is_option(word));
        let mut said = said.flat_map(spoken_words);
        let forbids = said.any(|word| denies(&word) || is_among("avoid no error", &word));
        if !certain || command.effect().kind != EffectKind::Looks || forbids {
            return Some(format!("{}, and nobody has read it as a command yet", unread.words()));
        }
    }
    if let Some(what) = command.destroys() {
        return Some(format!("`{what}` cannot be taken back"));
    }
    let effect = command.effect().kind;
    if effect == EffectKind::Unreadable || command.is_shell() && programs::hides_calls(&command.masked()) {
        return Some("a part of it could not be read as shell".into());
    }
    let example = || OF_EXAMPLES.captures(&command.text).filter(|_| effect != EffectKind::Looks);
    if let Some(found) = DAY.captures(&command.text).or_else(example).and_then(|found| found.get(1).or(found.get(2))) {
        return Some(format!("it names “{}”, which may be that of an example", found.as_str()));
    }
    said(governs).or_else(|| unasked(governs))
}

/// Whether a label only leads to what stands below or behind it: "The fix:", "To restart it:", "This brings it back:", "Step 2:".
fn only_leads(label: &str) -> bool {
    let words = spoken_words(label);
    let Some((first, rest)) = words.split_first() else { return false };
    let [second, third] = [0, 1].map(|at| rest.get(at).map_or("", String::as_str));
    let has_digit = |word: &String| word.contains(|c: char| c.is_ascii_digit());
    let names_place = || rest.iter().any(|word| is_among("on at", word) || has_digit(word));
    let leads = match first.as_str() {
        "to" => is_asked(&rest.join(" ")) && !names_place(),
        "this" => is_among(words!("of what it does"), second) && (second != "takes" || third == "a"),
        "using" => rest.len() <= 2 && !names_place(),
        "for" => is_among(words!("of each"), second) || label.split_once(", ").is_some_and(|(_, order)| asks(order)),
        _ => words.iter().all(|word| is_among(words!("of leading labels"), word)),
    };
    // A number alone may be a status: "503:".
    let is_step = || phase::is_step(label) && (!phase::strip_number(label).is_empty() || first == "step");
    leads || is_step() || phase::is_only_a_phase(label)
}

/// Whether a label or a title asks for something.
fn is_asked(text: &str) -> bool {
    asks(text) || phase::is_order(text, words!("orders of titles")) && !is_finding(text)
}

/// Whether a text that may be an order by its first word names what is wrong: "Log disk full", "Deploy failed".
fn is_finding(text: &str) -> bool {
    let words = spoken_words(text);
    let [first, .., last] = words.as_slice() else { return false };
    let is_noun = || is_among(words!("verbs that are nouns"), first);
    let trouble = [words!("trouble"), words!("trouble at the end"), words!("findings")];
    let wrong = is_among(words!("ended"), last) || is_noun() && trouble.into_iter().any(|list| is_among(list, last));
    wrong
        && !(last == "down" && is_among("scale shut take bring", first))
        && !words.iter().any(|word| is_among("the a an it them this that all any each", word))
}

/// The label right above a command, or those above the list in which it stands, and the title, where they ask for nothing, as in "Worker dead:":
/// it may name a case, somebody or a place that no list of words knows. All of what verifies is to be looked at.
fn unasked(governs: &Governs) -> Option<String> {
    let is_exempt = |text: &str| is_asked(text) || only_leads(text);
    let near = governs.under.iter().skip(governs.under.len().saturating_sub(governs.own));
    let mut labels = near.filter_map(|text| sentences(text).last().filter(|last| last.ends_with(':')));
    let label = labels.find(|label| !is_exempt(label));
    let title = || governs.headings.last().map(String::as_str).filter(|title| !is_exempt(title));
    let unasked = label.or_else(title).filter(|_| !verifies(governs));
    unasked.map(|text| format!("“{text}” asks for nothing"))
}

/// Whether what these headings stand above verifies.
fn verifies(governs: &Governs) -> bool {
    let below = |above, heading: &String| phase::of_heading(heading, above);
    governs.headings.iter().fold(RunbookPhase::Other, below) == RunbookPhase::Verify
}

impl Command {
    /// What of it cannot be taken back, as far as the programs in it tell.
    pub fn destroys(&self) -> Option<String> {
        let calls = programs::calls(&self.text);
        let called =
            calls.iter().find_map(|call| programs::destroys(&call.words).or_else(|| destroys_in_container(call)));
        // `… | xargs redis-cli DEL` and `… | xargs -I{} redis-cli DEL {}` delete as many keys as the pipe names.
        let deletes_many = |call: &&Call| {
            let is_one = |word: &String| is_among("del unlink", &word.to_lowercase());
            call.words.len() > 1 && call.words.last().is_some_and(is_one)
                || call.program() == "xargs" && call.words.iter().skip(1).any(is_one)
        };
        let called = called.or_else(|| calls.iter().find(deletes_many).map(|call| call.words.join(" ")));
        let sql = super::client::is_sql(&self.language);
        called.or_else(|| programs::destroying_statement(&self.text).filter(|_| sql).map(str::to_string))
    }
}

/// What a program destroys in a container of its own: `docker compose run --entrypoint sh redis -c 'rm -rf /data/*'`.
fn destroys_in_container(call: &Call) -> Option<String> {
    let begin = call.words.iter().position(|word| word == "run")?;
    let words = call.words.get(begin + 1..).unwrap_or_default();
    let is_runner = is_among("docker docker-compose podman nerdctl", call.program());
    let of_text = |text: &str| programs::calls(text).iter().find_map(|call| programs::destroys(&call.words));
    let mut from = (0..words.len().min(MOST_IN_RUN)).filter(|_| is_runner).filter_map(|at| words.get(at..));
    from.find_map(|rest| programs::destroys(rest).or_else(|| of_text(rest.first()?)))
}

/// Why what is said around a command leaves it to a person.
pub(super) fn said(governs: &Governs) -> Option<String> {
    // In a title a list may have an “or”: "Kill idle, or blocked sessions".
    let titled = governs.headings.iter().any(|title| begins_with_or(phase::strip_number(title)));
    if titled || governs.under.iter().any(|text| says_or(text)) {
        return Some("the text around it names another way (“or”)".into());
    }
    let word = |texts: &[String]| {
        let doubts = |word: &String| denies(word) || is_among(words!("doubts"), word) || is_lettered(word);
        let word = texts.iter().flat_map(|text| spoken_words(text)).find(doubts);
        let word = word.or_else(|| texts.iter().find_map(|text| doubting(text).or_else(|| of_form(text))));
        // "After the provider is back" is a condition, but where it is looked whether that has helped.
        word.or_else(|| texts.iter().find_map(|text| sentence_from("after", text)).filter(|_| !verifies(governs)))
    };
    let around = [governs.headings.as_slice(), governs.under.as_slice()].concat();
    if let Some(word) = word(&around) {
        return Some(format!("the text around it says “{word}”"));
    }
    if governs.under.iter().any(|text| is_foreign(text)) {
        return Some("the text around it is in a language that is not read".into());
    }
    if let Some(said) = governs.under.iter().find_map(|text| pausing_sentences(text).next()) {
        return Some(format!("the text around it says “{said}”"));
    }
    if let Some(said) = governs.before.first() {
        return Some(format!("a step before it says “{said}”"));
    }
    let of_setters = || word(&governs.of_setters).unwrap_or_else(|| "one of several ways".into());
    (!governs.of_setters.is_empty()).then(|| {
        format!("a variable that it reads is set, or its directory entered, where the text says “{}”", of_setters())
    })
}

/// What in a text is a doubt although no word of it is: a question, the beginning of a condition, "stop here".
fn doubting(text: &str) -> Option<String> {
    let text = text.replace('\u{2019}', "'").to_lowercase();
    let phrase = phrases(words!("doubting phrases")).find(|phrase| text.contains(phrase)).map(str::to_string);
    let is_doubt =
        |sentence: &&str| sentence.trim_end_matches(['.', '!']) == "stop" || sentence.ends_with('?') || stops(sentence);
    let doubt = || sentences(&text).find(is_doubt).map(str::to_string);
    phrase.or_else(doubt).or_else(|| sentence_from(words!("conditions"), &text))
}

/// Whether a sentence asks for something.
fn asks(sentence: &str) -> bool {
    let of_it = ["empty the ", "slow the "].iter().any(|begin| sentence.to_lowercase().starts_with(begin));
    (phase::is_order(sentence, words!("orders above a command")) || of_it) && !is_finding(sentence)
}

/// Whether a sentence asks for something under a condition, or leaves it open: "Empty it as soon as the queue is long", "You may empty it".
fn is_conditional(sentence: &str) -> bool {
    let sentence = sentence.trim_start_matches(|c: char| !c.is_alphanumeric()).to_lowercase();
    let order_behind = |rest: &str| rest.split_once(", ").is_some_and(|(_, order)| asks(order));
    let acts =
        |order: &str| asks(order) && spoken_words(order).first().is_some_and(|verb| !is_among("see find note", verb));
    let led = sentence.split_once(' ');
    // "For large datasets:", "For stuck consumers, restart it"; not "For each replica:".
    let is_case = |rest: &str| {
        let begins = |firsts: &str| words(rest).next().is_some_and(|word| is_among(firsts, word));
        let ordered = |order: &str| acts(order) && !begins(words!("of an aim"));
        rest.split_once(", ").map_or(rest.ends_with(':'), |(_, order)| ordered(order)) && !begins(words!("of all"))
    };
    // "Queue longer than 1000: empty it.", "Paged at night: empty it."; not "Fix: empty it."
    let labelled =
        || sentence.split_once(": ").is_some_and(|(label, order)| !asks(label) && !only_leads(label) && acts(order));
    // "Disk full → empty it"
    let leads = |arrow: &str| sentence.split_once(arrow).is_some_and(|(finding, order)| !asks(finding) && acts(order));
    asks(&sentence) && phrases(words!("conditions of orders")).any(|phrase| sentence.contains(phrase))
        || led.is_some_and(|(word, rest)| {
            is_among(words!("led by a condition"), word) && (rest.ends_with(':') || order_behind(rest))
                || word == "for" && is_case(rest)
                || is_among(words!("of others"), word)
                    && !rest.starts_with("it ")
                    && rest.ends_with(':')
                    && words(rest).any(|word| word == "run")
        })
        || sentence.strip_prefix("you may ").is_some_and(acts)
        || ["→", "⇒", "->", "=>"].into_iter().any(leads)
        || labelled()
}

/// Whether a cell of a table says when something is to be done: "If the lag grows", "Above 60 s".
pub(super) fn says_when(cell: &str) -> bool {
    let names = cell.to_lowercase().starts_with("when to ");
    !names && cell.split_whitespace().nth(1).is_some() && sentence_from(words!("when cells say it"), cell).is_some()
}

/// Whether a text is a title that says how much there is of something.
fn is_headed(text: &str) -> bool {
    let bare = phase::strip_number(text);
    let tells = |word: &String| is_among("is are was were has have be stays", word);
    HEADED.is_match(bare) && !phase::is_order(bare, words!("orders of titles")) && !spoken_words(bare).iter().any(tells)
}

/// What of a text is for one case, one place or somebody else, by its form.
fn of_form(text: &str) -> Option<String> {
    let label = sentences(text).last().filter(|last| last.ends_with(':') && !asks(last));
    let says_amount = |label: &&str| {
        let words = spoken_words(label);
        words.len() <= 4 && words.iter().any(|word| is_among(words!("amounts"), word))
    };
    // "Scale it to at least 3 replicas:" is an order; "Escalate to the DBA, who will run:" is one about somebody else.
    let is_order = |found: &str| {
        let is_of_others = ["will run", "would run"].iter().any(|words| found.contains(words));
        let compares = found.contains(['<', '>', '≥', '≤']);
        found.ends_with(':') && !is_of_others && !compares && sentences(text).last().is_some_and(asks)
    };
    let found = FORMS.find(text).map(|found| found.as_str()).filter(|found| !is_order(found));
    let found = found.or_else(|| LIMITS.find(text).map(|found| found.as_str()));
    let found = found.or_else(|| label.filter(says_amount)).or_else(|| Some(text).filter(|text| is_headed(text)));
    found.or_else(|| sentences(text).find(|sentence| is_conditional(sentence))).map(|found| found.trim().to_string())
}

/// The sentence of a text that begins with one of these words.
fn sentence_from(firsts: &str, text: &str) -> Option<String> {
    let text = text.to_lowercase();
    let begins = |sentence: &&str| words(sentence).next().is_some_and(|first| is_among(firsts, first));
    sentences(&text).find(begins).map(str::to_string)
}

/// The sentences of a text that are a doubt although no word of them is, but for questions: "If it is above 30 s, stop here."; and those
/// that say when not to go on.
pub(super) fn doubtful_sentences(text: &str) -> Vec<String> {
    let doubtful = |sentence: &&str| !sentence.ends_with('?') && doubting(sentence).is_some();
    sentences(text).filter(doubtful).map(str::to_string).collect()
}

/// The sentences of a step that say when the next ones are not to be done: "If it is red, do not continue.", "The DBA must agree."
pub(super) fn stopping_sentences(text: &str) -> Vec<String> {
    let approves = |sentence: &str| spoken_words(sentence).iter().any(|word| is_among(words!("approvals"), word));
    sentences(text).filter(|sentence| stops(sentence) || approves(sentence)).map(str::to_string).collect()
}

/// Those that say the same only by "stop" and "escalate": "Stop here if it prints f".
pub(super) fn pausing_sentences(text: &str) -> impl Iterator<Item = String> {
    sentences(text).filter(|sentence| PAUSES.is_match(sentence)).map(str::to_string)
}

/// The sentences of a section such as *Prerequisites* that leave to a person whether anything of the page is to be done.
pub(super) fn limiting_sentences(text: &str) -> impl Iterator<Item = String> {
    let says = |text: String| said(&Governs { under: vec![text], ..Governs::default() }).is_some();
    // "Tools: install psql." is about no case.
    let limits = move |text: &String| match text.split_once(": ") {
        Some((label, rest)) => says(format!("{label}:")) || says(rest.to_string()),
        None => says(text.clone()),
    };
    sentences(text).map(str::to_string).filter(limits)
}

/// The sentences of a text, each with what ends it. A dot inside of a number or a name ends none: `7.2`, `v1.4.2`.
fn sentences(text: &str) -> impl DoubleEndedIterator<Item = &str> {
    let is_inside = |mark: &str, end: usize| {
        let next = text.get(end..).and_then(|rest| rest.chars().next());
        mark == "." && next.is_some_and(char::is_alphanumeric)
    };
    let ends = text.match_indices(['.', '!', '?', '\n']).map(|(at, mark)| (mark, at + mark.len()));
    let ends = ends.filter(|(mark, end)| !is_inside(mark, *end)).map(|(_, end)| end);
    let bounds: Vec<usize> = [0].into_iter().chain(ends).chain([text.len()]).collect();
    let parts: Vec<&str> = bounds.windows(2).filter_map(|pair| Some(text.get(pair[0]..pair[1])?.trim())).collect();
    parts.into_iter().filter(|part| !part.is_empty())
}

fn stops(sentence: &str) -> bool {
    // "Down → step 3"
    static TO_STEP: TextPattern = TextPattern::new(r"(?i)(?:→|⇒|[=-]>)\W*step\b");
    let words = spoken_words(sentence);
    let condition = words.iter().any(|word| is_among("if unless when where until once only", word));
    // "Up: go to step 3"
    let labelled = sentence.split_once([':', '→', '⇒']).map(|(_, rest)| spoken_words(rest).join(" "));
    let says = |list: &'static str, text: &str| {
        let text = format!(" {text} ");
        phrases(list).any(|phrase| text.contains(phrase))
    };
    let text = words.join(" ");
    says(words!("stops"), &text)
        || condition && says(words!("stops beside a condition"), &text)
        || says(
            words!("stops behind a label"),
            if condition { text.as_str() } else { labelled.as_deref().unwrap_or_default() },
        )
        || TO_STEP.is_match(sentence)
}

/// Whether a text has no letter of the Latin alphabet, but others.
fn is_foreign(text: &str) -> bool {
    let mut letters = text.chars().filter(|c| c.is_alphabetic()).peekable();
    letters.peek().is_some() && letters.all(|c| c > '\u{24f}')
}

fn denies(word: &str) -> bool {
    matches!(word, "not" | "never" | "cannot" | "forbidden") || word.ends_with("n't")
}

/// The number of one of several ways, or of a part: `2b`.
fn is_lettered(word: &str) -> bool {
    let number = word.strip_suffix(['a', 'b', 'c']).unwrap_or_default();
    !number.is_empty() && number.chars().all(|c| c.is_ascii_digit())
}

/// Whether a text names another way with "or": `# Or with Docker`, "restart it, or, on Kubernetes, roll it back".
fn says_or(text: &str) -> bool {
    begins_with_or(text) || text.to_lowercase().contains(", or")
}

/// Whether a text is about another way than what stands above it.
pub(super) fn begins_with_or(text: &str) -> bool {
    words(text).next().is_some_and(|word| is_among("or alternatively", &word.to_lowercase()))
}

/// Whether the commands of a phase are there to be run while something is broken.
fn acts(phase: RunbookPhase) -> bool {
    !matches!(phase, RunbookPhase::Escalate | RunbookPhase::Reference | RunbookPhase::Other)
}

/// What is proposed for a command that changes something; `None` leaves it to a person.
pub fn proposal(command: &Command, phase: RunbookPhase) -> Option<Do> {
    (acts(phase) && doubt(command).is_none()).then_some(Do::Run)
}

#[cfg(test)]
#[path = "accepted_tests.rs"]
mod tests;
