//! Reads one file of notes after the other, key by key.

use super::whole;
use crate::record::is_run_id;
use crate::report::{
    Action, ActionStatus, DrillNotes, DrillRef, DrillType, Finding, Header, Notes, NotesFile, Person, Quarter, Risk,
    Signature, Told,
};
use crate::source::{Diagnostics, Form, MapReader, Node, Source, Span, Value, did_you_mean, parse, shape, shorten};
use std::sync::Arc;
use time::Date;
use time::macros::format_description;

const A_QUARTER: Form = Form::new("a quarter like `2026Q4`", || shape::text("2[0-9]{3}Q[1-4]"));
const A_DATE: Form = Form::new("a date like `2026-11-20`", || shape::text("[0-9]{4}-[0-9]{2}-[0-9]{2}"));
const A_RUN: Form = Form::new("the id of a run", || shape::text("[0-9]{8}T[0-9]{6}Z-.*"));
const A_TYPE: Form = Form::new("a type of exercise", || shape::one_of(DrillType::ALL.into_iter().map(DrillType::name)));
const A_STATUS: Form = Form::new("a status", || shape::one_of(ActionStatus::ALL.into_iter().map(ActionStatus::name)));

/// An id or a key that only the whole of the notes can judge, and where it stands.
#[derive(Debug, Clone)]
pub(super) struct Place {
    pub source: Arc<Source>,
    pub span: Span,
}

/// What stands where, beside the notes themselves.
#[derive(Debug, Default)]
pub(super) struct Places {
    /// Keys of headers: the quarter of the file, the key.
    pub header: Vec<(Option<Quarter>, &'static str, Place)>,
    /// Ids of findings.
    pub findings: Vec<(String, Place)>,
    /// Ids of actions.
    pub actions: Vec<(String, Place)>,
    /// Findings that actions name.
    pub named: Vec<(String, Place)>,
    /// Drills, with the quarter of the file.
    pub drills: Vec<(Option<Quarter>, DrillRef, Place)>,
}

/// Reads files of notes together; `None` when there were mistakes.
pub fn read(sources: &[Arc<Source>], diags: &mut Diagnostics) -> Option<Notes> {
    let mut places = Places::default();
    let mut files = Vec::new();
    let mut failed = false;
    for source in sources {
        let before = diags.all.len();
        let file = parse(source, diags).and_then(|root| read_file(&root, source, &mut places, diags));
        let wrong = diags.all.iter().skip(before).any(|d| d.level == crate::source::Level::Error);
        failed |= wrong || file.is_none();
        files.extend(file);
    }
    let fits = whole::check(&places, diags);
    (fits && !failed).then_some(Notes { files })
}

/// Reads the map of a file; the schema has it read an empty one.
pub(super) fn read_file(
    root: &Node,
    source: &Arc<Source>,
    places: &mut Places,
    diags: &mut Diagnostics,
) -> Option<NotesFile> {
    let mut map = MapReader::new(root, "the file of notes", source, diags)?;
    let quarter = map.optional_with("quarter", A_QUARTER, Quarter::parse);
    let texts = ["organisation", "system", "tier", "business_function", "policy_frequency"];
    let [organisation, system, tier, business_function, policy_frequency] = texts.map(|key| filled(&mut map, key));
    let dates = ["previous_drill", "next_drill"];
    let [previous_drill, next_drill] = dates.map(|key| map.optional_with(key, A_DATE, date));
    let plan = map.node("plan").and_then(|node| read_plan(node, source, map.diags));
    let attestation = map.node("attestation").and_then(|node| read_attestation(node, source, map.diags));
    let keys = texts.into_iter().chain(dates).chain(["plan"]);
    for key in keys {
        if map.node(key).is_some() {
            let span = map.span_of(key);
            places.header.push((quarter, key, Place { source: source.clone(), span }));
        }
    }
    let nodes = items(&mut map, "drills");
    let mut drills = Vec::new();
    for node in nodes {
        drills.extend(read_drill(node, quarter, source, places, map.diags));
    }
    let complete = drills.len() == nodes.len();
    let has = (map.node("plan").is_some(), map.node("attestation").is_some());
    map.finish()?;
    let (plan_id, plan_version) = if has.0 { plan? } else { (None, None) };
    let [prepared, reviewed, approved] = if has.1 { attestation? } else { [None, None, None] };
    let header = Header {
        organisation,
        system,
        tier,
        business_function,
        plan_id,
        plan_version,
        policy_frequency,
        previous_drill,
        next_drill,
        prepared,
        reviewed,
        approved,
    };
    let path = source.path.display().to_string();
    complete.then_some(NotesFile { path, quarter, header, drills })
}

pub(super) fn read_plan(
    node: &Node,
    source: &Arc<Source>,
    diags: &mut Diagnostics,
) -> Option<(Option<String>, Option<String>)> {
    let mut map = MapReader::new(node, "`plan`", source, diags)?;
    let (id, version) = (filled(&mut map, "id"), filled(&mut map, "version"));
    map.finish()?;
    Some((id, version))
}

pub(super) fn read_attestation(
    node: &Node,
    source: &Arc<Source>,
    diags: &mut Diagnostics,
) -> Option<[Option<Signature>; 3]> {
    let mut map = MapReader::new(node, "`attestation`", source, diags)?;
    let mut complete = true;
    let read = ["prepared", "reviewed", "approved"].map(|key| {
        let node = map.node(key)?;
        let signature = read_signature(node, source, map.diags);
        complete &= signature.is_some();
        signature
    });
    map.finish()?;
    complete.then_some(read)
}

pub(super) fn read_signature(node: &Node, source: &Arc<Source>, diags: &mut Diagnostics) -> Option<Signature> {
    let mut map = MapReader::new(node, "a signature", source, diags)?;
    let name = require_filled(&mut map, "name");
    let role = filled(&mut map, "role");
    let date = map.optional_with("date", A_DATE, date);
    map.finish()?;
    Some(Signature { name: name?, role, date })
}

pub(super) fn read_drill(
    node: &Node,
    quarter: Option<Quarter>,
    source: &Arc<Source>,
    places: &mut Places,
    diags: &mut Diagnostics,
) -> Option<DrillNotes> {
    let mut map = MapReader::new(node, "the drill", source, diags)?;
    let run = map.optional_with("run", A_RUN, run_id);
    let scenario = filled(&mut map, "scenario");
    let (has_run, has_scenario) = (map.node("run").is_some(), map.node("scenario").is_some());
    let at = map.span();
    match (has_run, has_scenario) {
        (false, false) => drop(
            map.error(first_byte(at), "nothing says which drill this is about")
                .help("write `run: ID` for one run, or `scenario: NAME` for every run of a scenario in the quarter"),
        ),
        (true, true) => {
            let span = map.span_of("scenario");
            map.error(span, "it has both `run` and `scenario`").help("leave one of the two out");
        }
        _ => {}
    }
    let mut told = Told {
        kind: map.optional_with("type", A_TYPE, |text| {
            let names = DrillType::ALL.into_iter().map(DrillType::name);
            DrillType::from_name(text)
                .ok_or_else(|| format!("`{}` is no type of exercise: {}", shorten(text), did_you_mean(text, names)))
        }),
        plausible: filled(&mut map, "plausible"),
        objectives: texts(&mut map, "objectives"),
        success_criteria: texts(&mut map, "success_criteria"),
        scope: filled(&mut map, "scope"),
        environment: filled(&mut map, "environment"),
        differences: filled(&mut map, "differences"),
        limitations: texts(&mut map, "limitations"),
        conditions: texts(&mut map, "conditions"),
        retest_of: map.optional_with("retest_of", A_RUN, run_id),
        ..Told::default()
    };
    if has_scenario && map.node("retest_of").is_some() {
        let span = map.span_of("retest_of");
        map.error(span, "`retest_of` goes with `run`: one run is the retest of another one");
    }
    let mut complete = true;
    read_list(&mut map, "findings", &mut told.findings, &mut complete, |node, diags| {
        read_finding(node, source, places, diags)
    });
    read_list(&mut map, "actions", &mut told.actions, &mut complete, |node, diags| {
        read_action(node, source, places, diags)
    });
    read_list(&mut map, "accepted_risks", &mut told.accepted_risks, &mut complete, |node, diags| {
        read_risk(node, source, diags)
    });
    if let Some(node) = map.node("people") {
        match &node.value {
            Value::Map(entries) => {
                for entry in entries {
                    let person = read_person(&entry.key, &entry.value, source, map.diags);
                    complete &= person.is_some();
                    told.people.extend(person);
                }
            }
            _ => drop(
                map.error(node.span, format!("`people` must be a map, found {}", node.describe()))
                    .help("write `Incident commander: { planned: NAME, actual: NAME }` below it"),
            ),
        }
    }
    let at = if has_run { map.span_of("run") } else { map.span_of("scenario") };
    map.finish()?;
    let of = match (run, scenario) {
        (Some(run), _) => DrillRef::Run(run),
        (None, scenario) => DrillRef::Scenario(scenario?),
    };
    places.drills.push((quarter, of.clone(), Place { source: source.clone(), span: at }));
    complete.then_some(DrillNotes { of, told })
}

pub(super) fn read_person(role: &str, node: &Node, source: &Arc<Source>, diags: &mut Diagnostics) -> Option<Person> {
    let mut map = MapReader::new(node, format!("`{}`", shorten(role)), source, diags)?;
    let (planned, actual) = (filled(&mut map, "planned"), filled(&mut map, "actual"));
    map.finish()?;
    Some(Person { role: role.to_string(), planned, actual })
}

pub(super) fn read_finding(
    node: &Node,
    source: &Arc<Source>,
    places: &mut Places,
    diags: &mut Diagnostics,
) -> Option<Finding> {
    let mut map = MapReader::new(node, "the finding", source, diags)?;
    let id = require_filled(&mut map, "id");
    let text = require_filled(&mut map, "text");
    let severity = filled(&mut map, "severity");
    places.findings.extend(id.clone().map(|id| (id, Place { source: source.clone(), span: map.span_of("id") })));
    map.finish()?;
    Some(Finding { id: id?, text: text?, severity })
}

pub(super) fn read_action(
    node: &Node,
    source: &Arc<Source>,
    places: &mut Places,
    diags: &mut Diagnostics,
) -> Option<Action> {
    let mut map = MapReader::new(node, "the action", source, diags)?;
    let id = require_filled(&mut map, "id");
    let finding = filled(&mut map, "finding");
    let text = require_filled(&mut map, "text");
    let owner = filled(&mut map, "owner");
    let due = map.optional_with("due", A_DATE, date);
    let status = map.optional_with("status", A_STATUS, |text| {
        let all = ActionStatus::ALL;
        all.into_iter().find(|status| status.name() == text).ok_or_else(|| {
            format!("`{}` is no status: {}", shorten(text), did_you_mean(text, all.map(ActionStatus::name)))
        })
    });
    let ticket = filled(&mut map, "ticket");
    let verified_by = map.optional_with("verified_by", A_RUN, run_id);
    places.actions.extend(id.clone().map(|id| (id, Place { source: source.clone(), span: map.span_of("id") })));
    let at = map.span_of("finding");
    places.named.extend(finding.clone().map(|id| (id, Place { source: source.clone(), span: at })));
    map.finish()?;
    Some(Action { id: id?, finding, text: text?, owner, due, status, ticket, verified_by })
}

pub(super) fn read_risk(node: &Node, source: &Arc<Source>, diags: &mut Diagnostics) -> Option<Risk> {
    let mut map = MapReader::new(node, "the accepted risk", source, diags)?;
    let text = require_filled(&mut map, "text");
    let accepted_by = filled(&mut map, "accepted_by");
    let until = map.optional_with("until", A_DATE, date);
    map.finish()?;
    Some(Risk { text: text?, accepted_by, until })
}

fn read_list<T>(
    map: &mut MapReader<'_>,
    key: &'static str,
    into: &mut Vec<T>,
    complete: &mut bool,
    mut read: impl FnMut(&Node, &mut Diagnostics) -> Option<T>,
) {
    for node in items(map, key) {
        let item = read(node, map.diags);
        *complete &= item.is_some();
        into.extend(item);
    }
}

/// The items of a list that has a reader of its own.
fn items<'a>(map: &mut MapReader<'a>, key: &'static str) -> &'a [Node] {
    match map.node(key).map(|node| (&node.value, node)) {
        Some((Value::List(items), _)) => items,
        Some((_, node)) => {
            map.error(node.span, format!("`{key}` must be a list, found {}", node.describe()));
            &[]
        }
        None => &[],
    }
}

const A_TEXT: Form = Form::new("text", shape::filled);

/// A text that says something.
fn some(text: &str) -> Result<String, String> {
    match text.trim() {
        "" => Err("it is empty: leave the key out where nothing is known".into()),
        _ if text.contains('\0') => Err("a text cannot hold NUL".into()),
        text => Ok(text.to_string()),
    }
}

fn filled(map: &mut MapReader<'_>, key: &'static str) -> Option<String> {
    map.optional_with(key, A_TEXT, some)
}

fn require_filled(map: &mut MapReader<'_>, key: &'static str) -> Option<String> {
    map.require_with(key, A_TEXT, some)
}

fn texts(map: &mut MapReader<'_>, key: &'static str) -> Vec<String> {
    let texts: Vec<String> = map.optional(key).unwrap_or_default();
    if texts.iter().any(|text| text.trim().is_empty()) {
        let span = map.span_of(key);
        map.error(span, format!("`{key}` has an empty text"));
    }
    texts
}

fn run_id(text: &str) -> Result<String, String> {
    let text = text.trim();
    if is_run_id(text) {
        return Ok(text.to_string());
    }
    Err(format!(
        "`{}` is no id of a run: it is the name of a run directory, like `20261120T064112Z-pg-restore-3f9a`",
        shorten(text)
    ))
}

fn date(text: &str) -> Result<String, String> {
    let text = text.trim();
    let format = format_description!("[year]-[month]-[day]");
    match Date::parse(text, format) {
        Ok(date) if date.year() >= 1000 => Ok(text.to_string()),
        _ => Err(format!("`{}` is no date: write it like `2026-11-20`", shorten(text))),
    }
}

fn first_byte(span: Span) -> Span {
    Span::new(span.start, (span.start + 1).min(span.end))
}
