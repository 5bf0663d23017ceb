//! A game day that is fit to run: its settings, and every scenario that its file names; all mistakes of all files at once. A name is
//! one of `../scenarios` beside the file's folder, a path is relative to the file, a tag is every scenario of that folder that has it.
//! Nothing is selected twice, and an entry that selects nothing is a mistake.

use crate::source::{
    At, Diagnostics, MAX_DURATION, MapReader, Source, Span, TextForm, Value, beside, describe, did_you_mean, list,
    parse_rate, same_path, shape, shorten,
};
use crate::spec::find::{find, is_yaml, named, stem};
use crate::spec::scenario::load_file;
use crate::spec::{Outline, Overrides, Plan, load, outline, project_scenarios};
use serde_json::{Value as Json, json};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// A game day with every scenario that it names, read and checked.
#[derive(Debug, Clone, Default)]
pub struct GameDay {
    /// File name without `.yaml`.
    pub name: String,
    /// The file.
    pub source: Option<Arc<Source>>,
    /// Title.
    pub title: String,
    /// The scenarios, in the order of the file; no name occurs twice.
    pub scenarios: Vec<DayScenario>,
    /// Whether the order in which drills are started is drawn with the seed; otherwise it is that of the file.
    pub is_random: bool,
    /// Seed of the order and of the drills; drawn when it is not given.
    pub seed: Option<u64>,
    /// How often each scenario is drilled.
    pub repeat: u32,
    /// How long the game day may take.
    pub budget: Option<Duration>,
    /// How many drills may run at once; `None` is as many as fit.
    pub parallel: Option<u32>,
    /// Whether the drills that were not started when one failed are not started any more (`on_failure: stop`).
    pub fail_fast: bool,
    /// How often a drill that failed is run again.
    pub retry: u32,
    /// Whether the game day fails with a drill that failed and then passed (`flaky: fail`); its report says which were flaky.
    pub flaky_fails: bool,
    /// Every n-th run of a scenario is a control.
    pub control: Option<u32>,
    /// Most requests a second of a load; loads of its scenarios with a higher rate are slowed to it.
    pub rate: Option<f64>,
}

/// A scenario of a game day.
#[derive(Debug, Clone)]
pub struct DayScenario {
    /// The scenario, ready to be drilled.
    pub plan: Plan,
    /// How often it is drilled, when it says so itself.
    pub repeat: Option<u32>,
    /// Every n-th of its runs is a control, when it says so itself: with 1 all of them, with 0 none.
    pub control: Option<u32>,
}

/// Whether a file is a game day rather than a scenario: it lies in `gamedays/`, or has `scenarios`.
pub fn is_game_day(path: &Path) -> bool {
    let folder = path.parent().and_then(Path::file_name);
    folder.is_some_and(|folder| folder == "gamedays")
        || super::find::document(path).is_some_and(|root| root.get(&["scenarios"]).is_some())
}

/// Most repetitions of a scenario in one game day.
pub const MOST_REPEATS: u32 = 100;
/// Most retries of a drill.
pub const MOST_RETRIES: u32 = 10;
/// Most drills at once that may be asked for.
pub const MOST_PARALLEL: u32 = 64;
/// Rarest control: every so many runs.
const RAREST_CONTROL: u32 = 1000;

const A_COUNT: TextForm = TextForm::new(
    "`auto` or a number",
    || json!({ "anyOf": [{ "const": "auto" }, shape::number(1, MOST_PARALLEL.into())] }),
);
const A_CONTROL: TextForm = TextForm::new("a share like `1/7`", share);

/// An entry of `scenarios`: which ones, and what it says about them.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// Which scenarios.
    pub selection: Selector,
    /// Where that stands.
    pub span: Span,
    /// How often each is drilled.
    pub repeat: Option<u32>,
    /// Every n-th run is a control, and where that stands.
    pub control: Option<(u32, Span)>,
}

/// Reads a game day and every scenario that it names. All mistakes of all files are in the diagnostics; there is a game day
/// exactly when none of them is an error.
pub fn load_game_day(path: &Path, overrides: &Overrides) -> (Option<GameDay>, Diagnostics) {
    load_file(path, "the game day", overrides, |at, path| read(at, path, overrides))
}

fn read(at: &mut At<'_>, path: &Path, overrides: &Overrides) -> Option<GameDay> {
    let (day, wanted) = read_root(at);
    let (source, diags) = (at.source, &mut *at.diags);
    let mut scenarios: Vec<DayScenario> = Vec::new();
    for (path, Wanted { control, repeat, .. }) in select(&wanted, source, diags) {
        let Some(mut plan) = diags.add(load(&path, overrides)) else { continue };
        if let Some(rate) = day.as_ref().and_then(|day| day.rate) {
            plan.calm(rate);
        }
        // A control follows no runbook: without one there is nothing to leave out.
        if let (None, Some((1.., span))) = (&plan.runbook, control) {
            let message = format!("`{}` has no runbook, so it can have no control", plan.name);
            diags.error(source, span, message).help("leave `control` out");
        }
        scenarios.push(DayScenario { plan, repeat, control: control.map(|(control, _)| control) });
    }
    let name = stem(path).unwrap_or_default();
    (!scenarios.is_empty()).then_some(GameDay { name, source: Some(source.clone()), scenarios, ..day? })
}

/// The JSON Schema of game day files, draft 2020-12, with what the readers and the documentation do not agree on.
pub fn game_day_schema() -> (Json, Vec<String>) {
    let page = ("docs/gameday.md", include_str!("../../docs/gameday.md"));
    describe("Game day of Firedrill", page, |at| read_root(at).0)
}

/// Reads what a game day says about itself, and which scenarios it wants.
fn read_root(at: &mut At<'_>) -> (Option<GameDay>, Vec<Wanted>) {
    let Some(map) = at.map("the game day") else { return (None, Vec::new()) };
    let mut map = map.of_section("Top level");
    let title: Option<String> = map.require("title");
    // For people who read the file.
    let _: Option<String> = map.optional("description");
    let _: Option<String> = map.optional("owner");
    let wanted = map.require_by("scenarios", |at| Some(read_scenarios(at))).unwrap_or_default();
    let day = GameDay {
        is_random: second_of(&mut map, "order", ["fixed", "random"], "is not an order"),
        seed: map.optional("seed"),
        repeat: map.optional_by("repeat", |at| between(at, 1, MOST_REPEATS)).unwrap_or(1),
        budget: map.optional_by("budget", |at| at.within(MAX_DURATION)),
        parallel: map.optional_with("parallel", A_COUNT, parallel).flatten(),
        fail_fast: second_of(&mut map, "on_failure", ["continue", "stop"], "is not what can be done on a failure"),
        retry: map.optional_by("retry", |at| between(at, 0, MOST_RETRIES)).unwrap_or(0),
        flaky_fails: second_of(&mut map, "flaky", ["pass", "fail"], "is not what a flaky drill can come to"),
        control: map.optional_with("control", A_CONTROL, parse_control),
        rate: map.optional_with("rate", TextForm::new("a rate like `20/s`", shape::rate), parse_rate),
        ..GameDay::default()
    };
    (map.finish().and(title).map(|title| GameDay { title, ..day }), wanted)
}

fn read_scenarios(at: &mut At<'_>) -> Vec<Wanted> {
    if at.node.text() == Some("all") {
        let selection = Selector::Tagged(Vec::new());
        return vec![Wanted { selection, span: at.node.span, repeat: None, control: None }];
    }
    let example = at.node.text().map_or_else(String::new, |text| format!("write `[{}]`", shorten(text)));
    let wanted = at.items("a list or `all`", &example, read_entry);
    at.must_not_be_empty("`scenarios` is empty: a game day has at least one", "name them, or write `scenarios: all`");
    at.diags.reshape(|list| json!({ "anyOf": [{ "const": "all" }, list] }));
    wanted
}

/// Reads an entry of `scenarios`.
fn read_entry(at: &mut At<'_>) -> Option<Wanted> {
    let named = |at: &mut At<'_>| {
        let selection = Selector::Named(at.node.text()?.to_string());
        Some(Wanted { selection, span: at.node.span, repeat: None, control: None })
    };
    at.either(shape::filled, named, |at| {
        let mut map = at.map("an entry of `scenarios`")?.of_section("scenarios");
        let scenario: Option<String> = map.optional("scenario");
        let tags: Option<Vec<String>> = map.optional_by("tags", |at| {
            let tags = at.value();
            if at.node.value == Value::List(Vec::new()) {
                at.error("`tags` is empty: it would select nothing");
            }
            tags
        });
        let repeat = map.optional_by("repeat", |at| between(at, 1, MOST_REPEATS));
        let control = map.optional_by("control", |at| Some((control_runs(at)?, at.node.span)));
        map.also(json!({ "type": "object" }));
        map.exactly_one(&["scenario", "tags"], "write `scenario: NAME`, or `tags: [TAG]` for all that have them");
        let span = map.span_of(if map.has("scenario") { "scenario" } else { "tags" });
        map.finish()?;
        let selection = scenario.map(Selector::Named).or(tags.map(Selector::Tagged))?;
        Some(Wanted { selection, span, repeat, control })
    })
}

/// Whether a key has the second one of its two words; the first one is its default.
fn second_of(map: &mut MapReader<'_>, key: &'static str, [first, second]: [&'static str; 2], wrong: &str) -> bool {
    map.optional_by(key, |at| at.one_of([(first, false), (second, true)], wrong)).unwrap_or_default()
}

fn between(at: &mut At<'_>, least: u32, most: u32) -> Option<u32> {
    at.number(least..=most, "a whole number", &format!("a number from {least} to {most}"))
}

/// `auto` is `None`.
fn parallel(text: &str) -> Result<Option<u32>, String> {
    match (text, text.parse::<u32>()) {
        ("auto", _) => Ok(None),
        (_, Ok(count)) if (1..=MOST_PARALLEL).contains(&count) => Ok(Some(count)),
        _ => Err(format!("`{}` is neither `auto` nor a number from 1 to {MOST_PARALLEL}", shorten(text))),
    }
}

/// Reads `1/7` as 7: every n-th run.
fn parse_control(text: &str) -> Result<u32, String> {
    let every = text.trim().split_once('/').and_then(|(one, every)| (one.trim() == "1").then_some(every.trim()));
    let digits = |text: &&str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let every = every.filter(digits).and_then(|every| every.parse::<u32>().ok());
    let shown = shorten(text);
    let wrong = || format!("`{shown}` is not a share of the runs: write `1/7`, from `1/2` to `1/{RAREST_CONTROL}`");
    every.filter(|every| (2..=RAREST_CONTROL).contains(every)).ok_or_else(wrong)
}

/// Reads `control` of an entry of `scenarios`.
fn control_runs(at: &mut At<'_>) -> Option<u32> {
    at.diags.describe(|| json!({ "anyOf": [{ "type": "boolean" }, share()] }));
    match at.node.plain() {
        Some("true") => Some(1),
        Some("false") => Some(0),
        _ => at.parse_text("`true`, `false` or a share like `1/7`", parse_control),
    }
}

fn share() -> Json {
    shape::text("1\\s*/\\s*[0-9]+")
}

/// What an entry selects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Selector {
    /// One scenario, by name or path.
    Named(String),
    /// Every scenario that has all of these tags.
    Tagged(Vec<String>),
}

/// The files of the scenarios that these entries mean, in the order in which they are first selected, each with the entry that
/// did; one that names the scenario goes before one that only has its tag.
pub fn select(wanted: &[Wanted], source: &Arc<Source>, diags: &mut Diagnostics) -> Vec<(PathBuf, Wanted)> {
    let project = beside(&source.path, "..");
    let wide = wanted.iter().any(|entry| !matches!(entry.selection, Selector::Named(_)));
    let there = if wide { folder(&project, diags) } else { Vec::new() };
    let mut found: Vec<(PathBuf, Wanted)> = Vec::new();
    for entry in wanted {
        match &entry.selection {
            Selector::Named(text) => {
                let Some(path) = locate(text, &project, entry.span, source, diags) else { continue };
                match found.iter_mut().find(|(known, _)| same_path(known, &path)) {
                    Some((_, known)) if matches!(known.selection, Selector::Named(_)) => {
                        let line = source.pos(known.span.start).line;
                        let message = format!("`{}` is named twice: it is in line {line}", shorten(text));
                        let help = "for several runs of it write `{ scenario: NAME, repeat: 2 }`";
                        diags.error(source, entry.span, message).help(help);
                    }
                    Some((_, known)) => *known = entry.clone(),
                    None => found.push((path, entry.clone())),
                }
            }
            Selector::Tagged(tags) => {
                let meant: Vec<&Outline> =
                    there.iter().filter(|scenario| tags.iter().all(|tag| scenario.tags.contains(tag))).collect();
                if meant.is_empty() {
                    let known: BTreeSet<&str> = there.iter().flat_map(|one| &one.tags).map(String::as_str).collect();
                    let unknown = tags.iter().find(|tag| !known.contains(tag.as_str())).map_or("", String::as_str);
                    let message = match there.is_empty() {
                        true => "there is no scenario in the project".to_string(),
                        false => format!("no scenario is tagged {}", list(tags)),
                    };
                    diags.error(source, entry.span, message).help(did_you_mean(unknown, known));
                }
                for scenario in meant {
                    let path = PathBuf::from(&scenario.path);
                    if !found.iter().any(|(known, _)| same_path(known, &path)) {
                        found.push((path, entry.clone()));
                    }
                }
            }
        }
    }
    twins(&found, source, diags);
    found
}

/// The scenarios of the project. One that cannot be read may have any tag: its mistakes are told.
fn folder(project: &Path, diags: &mut Diagnostics) -> Vec<Outline> {
    let all = project_scenarios(project).into_iter().map(|path| outline(&path));
    let (there, torn): (Vec<Outline>, Vec<Outline>) = all.partition(|scenario| scenario.readable);
    torn.iter().for_each(|scenario| drop(diags.add(load(Path::new(&scenario.path), &Overrides::default()))));
    there
}

fn locate(text: &str, project: &Path, span: Span, source: &Arc<Source>, diags: &mut Diagnostics) -> Option<PathBuf> {
    let path = beside(&source.path, text);
    let found = match text.contains(std::path::is_separator) {
        true if is_yaml(&path) && path.is_file() => return Some(path),
        true => Err((format!("there is no scenario file `{}`", path.display()), None)),
        false => named(text, &project.join("scenarios"))
            .map_or_else(|| find(text, project).map_err(|error| (error.message, error.hint)), Ok),
    };
    let help = |hint: Option<String>| hint.unwrap_or("a path is relative to the game day's file".into());
    found.map_err(|(message, hint)| diags.error(source, span, message).help(help(hint))).ok()
}

/// Two files of the same name: records go by it.
fn twins(found: &[(PathBuf, Wanted)], source: &Arc<Source>, diags: &mut Diagnostics) {
    for (at, (later, wanted)) in found.iter().enumerate() {
        let twin = found.iter().take(at).find(|(known, _)| stem(known) == stem(later));
        if let (Some((twin, _)), Some(name)) = (twin, stem(later)) {
            let message = format!("`{}` is called `{name}` as well: records go by that name", twin.display());
            diags.error(source, wanted.span, message).help("rename one of the two files");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readers_shapes_and_words_agree() {
        let (schema, gaps) = game_day_schema();
        assert_eq!(gaps, Vec::<String>::new(), "see ADDING.md, \"A key of a scenario\"");
        assert!(jsonschema::draft202012::meta::is_valid(&schema));
        assert_eq!(schema.pointer("/required"), Some(&json!(["title", "scenarios"])));
    }
}
