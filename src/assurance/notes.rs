//! `drill-notes/*.yaml`: what only people know about the drills of a quarter, read key by key, one file after the other; then what only all
//! of them together can tell: ids that are there twice, findings that are not there, keys of which two files say different things. Every
//! mistake of every file is told at once, with its place.

use super::dr::{
    DrFinding, DrHeader, DrNotes, DrPerson, DrTold, DrillNotes, DrillRef, DrillType, NotesFile, Risk, Signature,
};
use super::forms::{A_DATE, A_RUN, A_TEXT, date, filled, run_id};
use crate::source::{At, Diagnostics, MapReader, Source, Span, TextForm, describe, parse, shape, shorten, tidy};
use crate::view::Quarter;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The folder of the notes, at the project's top.
pub const FOLDER: &str = "drill-notes";

const A_QUARTER: TextForm = TextForm::new("a quarter like `2026Q4`", || shape::text("2[0-9]{3}Q[1-4]"));

/// Keys of which the files of a quarter may have each once only.
const ONCE: [&str; 8] =
    ["organisation", "system", "tier", "business_function", "policy_frequency", "previous_drill", "next_drill", "plan"];

/// Where stands what all files together may say once only, by what it is.
#[derive(Default)]
struct NotePlaces(BTreeMap<String, (Arc<Source>, Span)>);

impl NotePlaces {
    /// Notes a mistake where it is said again: `message`.
    fn once(&mut self, identity: String, message: String, key: &str, map: &mut MapReader<'_>) {
        let (source, span) = (map.source.clone(), map.span_of(key));
        let Some((file, first)) = self.0.get(&identity) else {
            self.0.insert(identity, (source, span));
            return;
        };
        let line = file.pos(first.start).line;
        map.error(span, message).help(format!("the first one stands at {}:{line}", file.path.display()));
    }
}

/// The JSON Schema of a file, draft 2020-12, and what the readers and the documentation do not agree on.
pub fn schema() -> (Value, Vec<String>) {
    let page = ("docs/dr-report.md", include_str!("../../docs/dr-report.md"));
    describe("Notes about DR drills for Firedrill", page, |at| read_file(at, &mut NotePlaces::default()))
}

/// Reads every `.yaml` and `.yml` of a folder, in the order of the names. A folder that is not there has no notes; `Err` is why it
/// cannot be read. `None` when there were mistakes.
pub fn read_folder(folder: &Path, diags: &mut Diagnostics) -> std::io::Result<Option<DrNotes>> {
    let entries = match std::fs::read_dir(folder) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Some(DrNotes::default())),
        entries => entries?,
    };
    let paths = entries.map(|entry| entry.map(|entry| tidy(&entry.path())));
    let mut paths = paths.collect::<std::io::Result<Vec<PathBuf>>>()?;
    paths.retain(|path| path.extension().is_some_and(|end| end == "yaml" || end == "yml"));
    paths.sort();
    let source =
        |path: &PathBuf| Source::read(path).map_err(|error| error.report("the file of notes", None, diags)).ok();
    let sources: Vec<Arc<Source>> = paths.iter().filter_map(source).collect();
    let notes = read(&sources, diags);
    Ok(notes.filter(|_| sources.len() == paths.len()))
}

/// Reads files of notes together; `None` when there were mistakes.
pub fn read(sources: &[Arc<Source>], diags: &mut Diagnostics) -> Option<DrNotes> {
    let known = diags.all.len();
    let mut places = NotePlaces::default();
    let mut files = Vec::new();
    for source in sources {
        let root = parse(source, diags);
        files.extend(root.and_then(|root| read_file(&mut At::root(&root, source, diags), &mut places)));
    }
    (files.len() == sources.len() && !diags.has_errors_since(known)).then_some(DrNotes { files })
}

fn read_file(at: &mut At<'_>, places: &mut NotePlaces) -> Option<NotesFile> {
    let mut map = at.map("the file of notes")?.of_section("A file");
    let quarter = map.optional_with("quarter", A_QUARTER, Quarter::parse);
    let mut header = DrHeader {
        organisation: map.optional_with("organisation", A_TEXT, filled),
        system: map.optional_with("system", A_TEXT, filled),
        tier: map.optional_with("tier", A_TEXT, filled),
        business_function: map.optional_with("business_function", A_TEXT, filled),
        policy_frequency: map.optional_with("policy_frequency", A_TEXT, filled),
        previous_drill: map.optional_with("previous_drill", A_DATE, date),
        next_drill: map.optional_with("next_drill", A_DATE, date),
        ..DrHeader::default()
    };
    let plan = map.optional_by("plan", |at| {
        let mut map = at.map("`plan`")?;
        let read = ["id", "version"].map(|key| map.optional_with(key, A_TEXT, filled));
        map.finish().map(|()| read)
    });
    [header.plan_id, header.plan_version] = plan.unwrap_or_default();
    let attestation = map.optional_by("attestation", |at| {
        let mut map = at.map("`attestation`")?;
        let read = ["prepared", "reviewed", "approved"].map(|key| map.optional_by(key, read_signature));
        map.finish().map(|()| read)
    });
    [header.prepared, header.reviewed, header.approved] = attestation.unwrap_or_default();
    for key in ONCE {
        if map.has(key) {
            let message = format!("`{key}` is said twice for the same quarter");
            places.once(format!("{quarter:?} key {key}"), message, key, &mut map);
        }
    }
    let drills = many(&mut map, "drills", |at| read_drill(at, quarter, places));
    map.finish()?;
    Some(NotesFile { path: at.source.path.display().to_string(), quarter, header, drills })
}

fn read_signature(at: &mut At<'_>) -> Option<Signature> {
    let mut map = at.map("a signature")?.of_section("A signature");
    let name = map.require_with("name", A_TEXT, filled);
    let role = map.optional_with("role", A_TEXT, filled);
    let date = map.optional_with("date", A_DATE, date);
    map.finish()?;
    Some(Signature { name: name?, role, date })
}

fn read_drill(at: &mut At<'_>, quarter: Option<Quarter>, places: &mut NotePlaces) -> Option<DrillNotes> {
    let mut map = at.map("the drill")?.of_section("A drill");
    let run = map.optional_with("run", A_RUN, run_id);
    let scenario = map.optional_with("scenario", A_TEXT, filled);
    let by_run = map.has("run");
    let help = "write `run: ID` for one run, or `scenario: NAME` for every run of a scenario in the quarter";
    map.exactly_one(&["run", "scenario"], help);
    map.also(json!({ "dependentRequired": { "retest_of": ["run"] } }));
    let kinds = DrillType::ALL.map(|kind| (kind.name(), kind));
    let mut told = DrTold {
        kind: map.optional_by("type", |at| at.one_of(kinds, "is no type of exercise")),
        plausible: map.optional_with("plausible", A_TEXT, filled),
        objectives: texts(&mut map, "objectives"),
        success_criteria: texts(&mut map, "success_criteria"),
        scope: map.optional_with("scope", A_TEXT, filled),
        environment: map.optional_with("environment", A_TEXT, filled),
        differences: map.optional_with("differences", A_TEXT, filled),
        limitations: texts(&mut map, "limitations"),
        conditions: texts(&mut map, "conditions"),
        retest_of: map.optional_with("retest_of", A_RUN, run_id),
        ..DrTold::default()
    };
    if map.has("scenario") && map.has("retest_of") {
        map.wrong("retest_of", "`retest_of` goes with `run`: one run is the retest of another one");
    }
    told.findings = many(&mut map, "findings", |at| read_finding(at, places));
    told.accepted_risks = many(&mut map, "accepted_risks", read_risk);
    let example = "write `Incident commander: { planned: NAME, actual: NAME }` below it";
    let people = map.optional_by("people", |at| Some(at.entries("a map", example, read_person)));
    told.people = people.unwrap_or_default();
    let of = run.map(DrillRef::Run).or(scenario.map(DrillRef::Scenario));
    if let Some(of @ (DrillRef::Run(name) | DrillRef::Scenario(name))) = &of {
        let message = format!("there are notes about `{}` already", shorten(name));
        places.once(format!("{quarter:?} {of:?}"), message, if by_run { "run" } else { "scenario" }, &mut map);
    }
    map.finish()?;
    Some(DrillNotes { of: of?, told })
}

fn read_person(at: &mut At<'_>) -> Option<DrPerson> {
    let role = at.key.to_string();
    let mut map = at.map(format!("`{}`", shorten(&role)))?.of_section("A role");
    let [planned, actual] = ["planned", "actual"].map(|key| map.optional_with(key, A_TEXT, filled));
    map.finish()?;
    Some(DrPerson { role, planned, actual })
}

fn read_finding(at: &mut At<'_>, places: &mut NotePlaces) -> Option<DrFinding> {
    let mut map = at.map("the finding")?.of_section("A finding");
    let [id, text] = ["id", "text"].map(|key| map.require_with(key, A_TEXT, filled));
    let severity = map.optional_with("severity", A_TEXT, filled);
    if let Some(id) = &id {
        places.once(format!("finding {id}"), format!("there is a finding `{}` already", shorten(id)), "id", &mut map);
    }
    map.finish()?;
    Some(DrFinding { id: id?, text: text?, severity })
}

fn read_risk(at: &mut At<'_>) -> Option<Risk> {
    let mut map = at.map("the accepted risk")?.of_section("An accepted risk");
    let text = map.require_with("text", A_TEXT, filled);
    let accepted_by = map.optional_with("accepted_by", A_TEXT, filled);
    let until = map.optional_with("until", A_DATE, date);
    map.finish()?;
    Some(Risk { text: text?, accepted_by, until })
}

fn many<T>(map: &mut MapReader<'_>, key: &'static str, read: impl FnMut(&mut At<'_>) -> Option<T>) -> Vec<T> {
    map.optional_by(key, |at| Some(at.items("a list", "", read))).unwrap_or_default()
}

fn texts(map: &mut MapReader<'_>, key: &'static str) -> Vec<String> {
    many(map, key, |at| at.parse(A_TEXT, filled))
}

#[cfg(test)]
mod tests;
