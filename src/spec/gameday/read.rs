//! Reads a game day file key by key, and then every scenario that it names: all mistakes of all files at once.

use super::select::{Selection, select};
use super::{ControlRuns, DayScenario, Flaky, GameDay, OnFailure, Order};
use crate::source::{
    Diagnostics, Form, FromYaml, MAX_DURATION, MapReader, Mistake, Node, Source, Span, did_you_mean, parse, parse_rate,
    shape, shorten, tidy,
};
use crate::spec::windows::deadline;
use crate::spec::{Overrides, Plan, load, secrets};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Most repetitions of a scenario in one game day.
pub const MOST_REPEATS: u32 = 100;
/// Most retries of a drill.
pub const MOST_RETRIES: u32 = 10;
/// Most drills at once that may be asked for.
pub const MOST_PARALLEL: u32 = 64;
/// Rarest control: every so many runs.
const RAREST_CONTROL: u32 = 1000;

const AN_ORDER: Form = Form::new("`fixed` or `random`", || shape::one_of(["fixed", "random"]));
const A_POLICY: Form = Form::new("`continue` or `stop`", || shape::one_of(["continue", "stop"]));
const A_JUDGEMENT: Form = Form::new("`pass` or `fail`", || shape::one_of(["pass", "fail"]));
const A_COUNT: Form = Form::new(
    "`auto` or a number",
    || serde_json::json!({ "anyOf": [{ "const": "auto" }, shape::number(1, MOST_PARALLEL.into())] }),
);
const A_RATE: Form = Form::new("a rate like `20/s`", shape::rate);
const A_CONTROL: Form = Form::new("a share like `1/7`", || shape::text("1\\s*/\\s*[0-9]+"));

/// What a game day file says about itself, before its scenarios are looked at.
pub struct Head {
    title: String,
    order: Order,
    seed: Option<u64>,
    repeat: u32,
    budget: Option<std::time::Duration>,
    parallel: Option<u32>,
    on_failure: OnFailure,
    retry: u32,
    flaky: Flaky,
    control: Option<u32>,
    rate: Option<f64>,
}

/// An entry of `scenarios`: which ones, and what it says about them.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// Which scenarios.
    pub selection: Selection,
    /// Where that stands.
    pub span: Span,
    /// How often each is drilled.
    pub repeat: Option<u32>,
    /// Which runs are controls, and where that stands.
    pub control: Option<(ControlRuns, Span)>,
}

/// Reads a game day and every scenario that it names. All mistakes of all files are in the diagnostics; there is a game day
/// exactly when none of them is an error.
pub fn load_game_day(path: &Path, overrides: &Overrides) -> (Option<GameDay>, Diagnostics) {
    let mut diags = Diagnostics::default();
    let path = tidy(path);
    let day = read(&path, overrides, &mut diags);
    if day.is_none() && !diags.has_errors() {
        diags.error(&Source::new(&path, ""), Span::default(), "the game day cannot be read");
    }
    secrets::hide(&mut diags);
    let fit = !diags.has_errors();
    (day.filter(|_| fit), diags)
}

/// A game day of scenarios that were named on the command line (their files), with everything else as it is by default. Each
/// file counts once.
pub fn game_day_of(name: &str, scenarios: &[PathBuf], overrides: &Overrides) -> (Option<GameDay>, Diagnostics) {
    let mut diags = Diagnostics::default();
    let mut read: Vec<DayScenario> = Vec::new();
    for path in scenarios {
        if read.iter().any(|known| known.path == *path) {
            continue;
        }
        let (plan, mistakes) = load(path, overrides);
        diags.all.extend(mistakes.all);
        let Some(plan) = plan else { continue };
        if let Some(twin) = read.iter().find(|known| known.plan.name == plan.name) {
            let message =
                format!("`{}` is called `{}` as well: records go by that name", twin.path.display(), plan.name);
            diags.error(&plan.source, Span::default(), message).help("rename one of the two files");
        }
        read.push(DayScenario { plan, path: path.clone(), repeat: None, control: None });
    }
    let fit = !diags.has_errors() && !read.is_empty();
    let head = Head { title: name.to_string(), ..Head::default() };
    (fit.then(|| head.into_day(name.into(), None, read)), diags)
}

fn read(path: &Path, overrides: &Overrides, diags: &mut Diagnostics) -> Option<GameDay> {
    let source = match Source::read_in(path, &crate::spec::find::root_of(path, overrides)) {
        Ok(source) => source,
        Err(error) => {
            error.report("the game day", None, diags);
            return None;
        }
    };
    let root = parse(&source, diags)?;
    let (head, wanted) = read_root(&root, &source, diags);
    let mut scenarios: Vec<DayScenario> = Vec::new();
    let mut complete = true;
    for found in select(&wanted, &source, diags) {
        let (plan, mistakes) = load(&found.path, overrides);
        diags.all.extend(mistakes.all);
        let Some(mut plan) = plan else {
            complete = false;
            continue;
        };
        if let Some(rate) = head.as_ref().and_then(|head| head.rate) {
            plan.calm(rate);
        }
        check_control(&plan, found.wanted.control, &source, diags);
        let control = found.wanted.control.map(|(control, _)| control);
        scenarios.push(DayScenario { plan, path: found.path, repeat: found.wanted.repeat, control });
    }
    let name = path.file_stem().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    (complete && !scenarios.is_empty()).then_some(())?;
    Some(head?.into_day(name, Some(source), scenarios))
}

/// A control follows no runbook: without one there is nothing to leave out.
fn check_control(plan: &Plan, control: Option<(ControlRuns, Span)>, source: &Arc<Source>, diags: &mut Diagnostics) {
    if let (None, Some((control, span))) = (&plan.runbook, control)
        && control != ControlRuns::Never
    {
        let message =
            format!("`{}` has no runbook, so it can have no control: there is nothing to leave out", plan.name);
        diags.error(source, span, message).help("leave `control` out");
    }
}

/// Reads the map of a game day; the schema has it read an empty one.
pub fn read_root(root: &Node, source: &Arc<Source>, diags: &mut Diagnostics) -> (Option<Head>, Vec<Wanted>) {
    let Some(mut map) = MapReader::new(root, "the game day", source, diags) else { return (None, Vec::new()) };
    let title: Option<String> = map.require("title");
    // For people who read the file.
    let _: Option<String> = map.optional("description");
    let _: Option<String> = map.optional("owner");
    let scenarios = map.require_node("scenarios");
    let wanted = scenarios.map_or_else(Vec::new, |node| read_scenarios(node, source, map.diags));
    let order =
        map.optional_with("order", AN_ORDER, |text| word(text, [("fixed", Order::Fixed), ("random", Order::Random)]));
    let seed = map.optional("seed");
    let repeat = between(&mut map, "repeat", 1, MOST_REPEATS);
    let budget = deadline(&mut map, "budget", MAX_DURATION);
    let parallel = map.optional_with("parallel", A_COUNT, parallel).flatten();
    let policies = [("continue", OnFailure::Continue), ("stop", OnFailure::Stop)];
    let on_failure = map.optional_with("on_failure", A_POLICY, |text| word(text, policies));
    let retry = between(&mut map, "retry", 0, MOST_RETRIES);
    let flaky =
        map.optional_with("flaky", A_JUDGEMENT, |text| word(text, [("pass", Flaky::Pass), ("fail", Flaky::Fail)]));
    let control = map.optional_with("control", A_CONTROL, parse_control);
    let rate = map.optional_with("rate", A_RATE, parse_rate);
    if map.finish().is_none() {
        return (None, wanted);
    }
    let head = title.map(|title| Head {
        title,
        order: order.unwrap_or_default(),
        seed,
        repeat: repeat.unwrap_or(1),
        budget,
        parallel,
        on_failure: on_failure.unwrap_or_default(),
        retry: retry.unwrap_or(0),
        flaky: flaky.unwrap_or_default(),
        control,
        rate,
    });
    (head, wanted)
}

fn read_scenarios(node: &Node, source: &Arc<Source>, diags: &mut Diagnostics) -> Vec<Wanted> {
    use crate::source::Value;
    match &node.value {
        Value::Scalar { text, .. } if text == "all" => {
            vec![Wanted { selection: Selection::All, span: node.span, repeat: None, control: None }]
        }
        Value::List(items) if items.is_empty() => {
            diags
                .error(source, node.span, "`scenarios` is empty: a game day has at least one")
                .help("name them, or write `scenarios: all`");
            Vec::new()
        }
        Value::List(items) => items.iter().filter_map(|item| read_entry(item, source, diags)).collect(),
        Value::Scalar { text, .. } => {
            let message = format!("`scenarios` must be a list or `all`, found `{}`", shorten(text));
            diags.error(source, node.span, message).help(format!("write `[{}]`", shorten(text)));
            Vec::new()
        }
        _ => {
            let message = format!("`scenarios` must be a list or `all`, found {}", node.describe());
            diags.error(source, node.span, message);
            Vec::new()
        }
    }
}

/// Reads an entry of `scenarios`.
pub fn read_entry(node: &Node, source: &Arc<Source>, diags: &mut Diagnostics) -> Option<Wanted> {
    if let Some(text) = node.text() {
        let selection = Selection::Named(text.to_string());
        return Some(Wanted { selection, span: node.span, repeat: None, control: None });
    }
    let mut map = MapReader::new(node, "an entry of `scenarios`", source, diags)?;
    let scenario: Option<String> = map.optional("scenario");
    let tag: Option<String> = map.optional("tag");
    let tags: Option<Vec<String>> = map.optional("tags");
    let repeat = between(&mut map, "repeat", 1, MOST_REPEATS);
    let control: Option<ControlRuns> = map.optional("control");
    let control = control.map(|control| (control, map.span_of("control")));
    // What is there but wrong has been told already.
    let given = ["scenario", "tag", "tags"].map(|key| map.entry(key));
    let count = given.iter().flatten().count();
    if count != 1 {
        let at = map.span();
        let found = if count == 0 { "none of them" } else { "more than one" };
        map.error(at, format!("an entry of `scenarios` has `scenario`, `tag` or `tags`, found {found}"));
    }
    if tags.as_ref().is_some_and(Vec::is_empty) {
        let at = map.span_of("tags");
        map.error(at, "`tags` is empty: it would select nothing");
    }
    let span = given.iter().flatten().next().map_or(node.span, |entry| entry.value.span);
    map.finish()?;
    let selection = match (scenario, tag, tags) {
        (Some(name), _, _) => Selection::Named(name),
        (_, Some(tag), _) => Selection::Tagged(vec![tag]),
        (_, _, Some(tags)) => Selection::Tagged(tags),
        _ => return None,
    };
    Some(Wanted { selection, span, repeat, control })
}

/// One of these words.
fn word<T: Copy, const N: usize>(text: &str, words: [(&'static str, T); N]) -> Result<T, String> {
    let known = words.iter().find(|(name, _)| *name == text).map(|(_, value)| *value);
    let unknown = || {
        let names = words.map(|(name, _)| name);
        format!("there is no `{}`: {}", shorten(text), did_you_mean(text, names))
    };
    known.ok_or_else(unknown)
}

fn between(map: &mut MapReader<'_>, key: &'static str, least: u32, most: u32) -> Option<u32> {
    let number: u32 = map.optional(key)?;
    if (least..=most).contains(&number) {
        return Some(number);
    }
    let span = map.span_of(key);
    map.error(span, format!("`{key}` is {number}: it goes from {least} to {most}"));
    None
}

/// `auto` is `None`.
fn parallel(text: &str) -> Result<Option<u32>, String> {
    if text == "auto" {
        return Ok(None);
    }
    match text.parse::<u32>() {
        Ok(count) if (1..=MOST_PARALLEL).contains(&count) => Ok(Some(count)),
        _ => Err(format!("`{}` is neither `auto` nor a number from 1 to {MOST_PARALLEL}", shorten(text))),
    }
}

/// Reads `1/7` as 7: every n-th run.
///
/// # Errors
/// What is wrong, in a line.
pub fn parse_control(text: &str) -> Result<u32, String> {
    let every = text.trim().split_once('/').and_then(|(one, every)| (one.trim() == "1").then_some(every.trim()));
    let digits = |text: &&str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    match every.filter(digits).and_then(|every| every.parse::<u32>().ok()) {
        Some(every) if (2..=RAREST_CONTROL).contains(&every) => Ok(every),
        _ => Err(format!(
            "`{}` is not a share of the runs: write `1/7`, from `1/2` to `1/{RAREST_CONTROL}`",
            shorten(text)
        )),
    }
}

impl FromYaml for ControlRuns {
    fn from_yaml(node: &Node) -> Result<Self, Vec<Mistake>> {
        if let Ok(always) = bool::from_yaml(node) {
            return Ok(if always { ControlRuns::Always } else { ControlRuns::Never });
        }
        node.parse_text("`true`, `false` or a share like `1/7`", parse_control).map(ControlRuns::Every)
    }

    fn shape() -> Option<serde_json::Value> {
        let share = A_CONTROL.shape.map(|shape| shape());
        Some(serde_json::json!({ "anyOf": [{ "type": "boolean" }, share] }))
    }
}

impl Default for Head {
    fn default() -> Head {
        Head {
            title: String::new(),
            order: Order::Fixed,
            seed: None,
            repeat: 1,
            budget: None,
            parallel: None,
            on_failure: OnFailure::Continue,
            retry: 0,
            flaky: Flaky::Pass,
            control: None,
            rate: None,
        }
    }
}

impl Head {
    fn into_day(self, name: String, source: Option<Arc<Source>>, scenarios: Vec<DayScenario>) -> GameDay {
        let Head { title, order, seed, repeat, budget, parallel, on_failure, retry, flaky, control, .. } = self;
        GameDay {
            name,
            source,
            title,
            scenarios,
            order,
            seed,
            repeat,
            budget,
            parallel,
            on_failure,
            retry,
            flaky,
            control,
        }
    }
}
