//! Reads a game day file key by key, and then every scenario that it names: all mistakes of all files at once.

use super::select::{Selector, select};
use super::{ControlRuns, DayScenario, Flaky, GameDay, OnFailure, StartOrder};
use crate::source::{
    At, Diagnostics, MAX_DURATION, Source, Span, TextForm, Value, describe, parse_rate, shape, shorten,
};
use crate::spec::find::stem;
use crate::spec::scenario::load_file;
use crate::spec::windows::deadline;
use crate::spec::{Overrides, Plan, load};
use serde_json::{Value as Json, json};
use std::path::Path;
use std::sync::Arc;

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
const A_RATE: TextForm = TextForm::new("a rate like `20/s`", shape::rate);
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
    /// Which runs are controls, and where that stands.
    pub control: Option<(ControlRuns, Span)>,
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
    let mut complete = true;
    for found in select(&wanted, source, diags) {
        let (plan, mistakes) = load(&found.path, overrides);
        diags.all.extend(mistakes.all);
        let Some(mut plan) = plan else {
            complete = false;
            continue;
        };
        if let Some(rate) = day.as_ref().and_then(|day| day.rate) {
            plan.calm(rate);
        }
        check_control(&plan, found.wanted.control, source, diags);
        let control = found.wanted.control.map(|(control, _)| control);
        scenarios.push(DayScenario { plan, path: found.path, repeat: found.wanted.repeat, control });
    }
    let name = stem(path).unwrap_or_default();
    (complete && !scenarios.is_empty()).then_some(GameDay { name, source: Some(source.clone()), scenarios, ..day? })
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

/// The JSON Schema of game day files, draft 2020-12.
pub fn game_day_schema() -> Json {
    described().0
}

/// The same, with what the readers and the documentation do not agree on.
fn described() -> (Json, Vec<String>) {
    let page = ("docs/gameday.md", include_str!("../../../docs/gameday.md"));
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
    let orders = [("fixed", StartOrder::Fixed), ("random", StartOrder::Random)];
    let policies = [("continue", OnFailure::Continue), ("stop", OnFailure::Stop)];
    let outcomes = [("pass", Flaky::Pass), ("fail", Flaky::Fail)];
    let order = map.optional_by("order", |at| at.one_of(orders, "is not an order"));
    let day = GameDay {
        order: order.unwrap_or_default(),
        seed: map.optional("seed"),
        repeat: map.optional_by("repeat", |at| between(at, 1, MOST_REPEATS)).unwrap_or(1),
        budget: map.optional_by("budget", |at| deadline(at, MAX_DURATION)),
        parallel: map.optional_with("parallel", A_COUNT, parallel).flatten(),
        on_failure: map
            .optional_by("on_failure", |at| at.one_of(policies, "is not what can be done on a failure"))
            .unwrap_or_default(),
        retry: map.optional_by("retry", |at| between(at, 0, MOST_RETRIES)).unwrap_or(0),
        flaky: map
            .optional_by("flaky", |at| at.one_of(outcomes, "is not what a flaky drill can come to"))
            .unwrap_or_default(),
        control: map.optional_with("control", A_CONTROL, parse_control),
        rate: map.optional_with("rate", A_RATE, parse_rate),
        ..GameDay::default()
    };
    (map.finish().and(title).map(|title| GameDay { title, ..day }), wanted)
}

fn read_scenarios(at: &mut At<'_>) -> Vec<Wanted> {
    if at.node.text() == Some("all") {
        return vec![Wanted { selection: Selector::All, span: at.node.span, repeat: None, control: None }];
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
        let one = ["scenario", "tags"].map(|key| json!({ "required": [key] }));
        map.also(json!({ "type": "object", "oneOf": one }));
        // What is there but wrong has been told already.
        let span = match (map.has("scenario"), map.has("tags")) {
            (true, false) => map.span_of("scenario"),
            (false, true) => map.span_of("tags"),
            (both, _) => {
                let found = if both { "both" } else { "neither" };
                map.error(map.span(), format!("an entry of `scenarios` has `scenario` or `tags`, found {found}"));
                map.span()
            }
        };
        map.finish()?;
        let selection = scenario.map(Selector::Named).or(tags.map(Selector::Tagged))?;
        Some(Wanted { selection, span, repeat, control })
    })
}

fn between(at: &mut At<'_>, least: u32, most: u32) -> Option<u32> {
    at.number(least..=most, "a whole number", &format!("a number from {least} to {most}"))
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
fn parse_control(text: &str) -> Result<u32, String> {
    let every = text.trim().split_once('/').and_then(|(one, every)| (one.trim() == "1").then_some(every.trim()));
    let digits = |text: &&str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let every = every.filter(digits).and_then(|every| every.parse::<u32>().ok());
    let shown = shorten(text);
    let wrong = || format!("`{shown}` is not a share of the runs: write `1/7`, from `1/2` to `1/{RAREST_CONTROL}`");
    every.filter(|every| (2..=RAREST_CONTROL).contains(every)).ok_or_else(wrong)
}

/// Reads `control` of an entry of `scenarios`.
fn control_runs(at: &mut At<'_>) -> Option<ControlRuns> {
    at.diags.describe(|| json!({ "anyOf": [{ "type": "boolean" }, share()] }));
    match at.node.plain() {
        Some("true") => Some(ControlRuns::Always),
        Some("false") => Some(ControlRuns::Never),
        _ => at.parse("`true`, `false` or a share like `1/7`", parse_control).map(ControlRuns::Every),
    }
}

fn share() -> Json {
    shape::text("1\\s*/\\s*[0-9]+")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readers_shapes_and_words_agree() {
        let (schema, gaps) = described();
        assert_eq!(gaps, Vec::<String>::new(), "see ADDING.md, \"A key of a scenario\"");
        assert!(jsonschema::draft202012::meta::is_valid(&schema));
        assert_eq!(schema.pointer("/required"), Some(&json!(["title", "scenarios"])));
    }
}
