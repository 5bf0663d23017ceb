//! A scenario file, read key by key into a plan.

use super::faults::{interposed, read_faults, returning};
use super::objectives::{Objective, Objectives, project_services};
use super::outcome::{Expected, read_detect, read_expect, read_impact};
use super::windows::{self, LONGEST, Places, Windows, deadline, required_deadline, window};
use super::{Overrides, Plan, clients, loads, respond, restore, secrets, stack, steps};
use crate::faults::Inject;
use crate::runbook::{Reading, Runbook};
use crate::source::{Diagnostics, MAX_DURATION, MapReader, Node, Source, Span, Value, parse, tidy};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

const STEADY_FOR: Duration = Duration::from_secs(5);
const STEADY_WITHIN: Duration = Duration::from_secs(30);
const RECOVER_HOLD: Duration = Duration::from_secs(5);
const REVERT_HOLD: Duration = Duration::from_secs(2);

/// Reads a scenario and everything that it names. All mistakes of all of these files are in the diagnostics; there is a
/// plan exactly when none of them is an error.
pub fn load(path: &Path, overrides: &Overrides) -> (Option<Plan>, Diagnostics) {
    let (whole, diags) = load_whole(path, overrides);
    (whole.map(|(plan, _)| plan), diags)
}

/// The same with the whole runbook, the steps of phases that are not followed included: as it is to be shown.
pub fn load_whole(path: &Path, overrides: &Overrides) -> (Option<(Plan, Option<Runbook>)>, Diagnostics) {
    let mut diags = Diagnostics::default();
    let path = tidy(path);
    let plan = read(&path, overrides, &mut diags);
    if plan.is_none() && !diags.has_errors() {
        // A reader gave up without a word: still no plan.
        diags.error(&Source::new(&path, ""), Span::default(), "the scenario cannot be read");
    }
    secrets::hide(&mut diags);
    let fit = !diags.has_errors();
    (plan.filter(|_| fit), diags)
}

fn read(path: &Path, overrides: &Overrides, diags: &mut Diagnostics) -> Option<(Plan, Option<Runbook>)> {
    let source = match Source::read_in(path, &super::find::root_of(path, overrides)) {
        Ok(source) => source,
        Err(error) => {
            error.report("the scenario", None, diags);
            return None;
        }
    };
    let root = parse(&source, diags)?;
    read_root(path, root, source, overrides, diags)
}

/// Reads the map of a scenario; the schema has it read an empty one.
pub fn read_root(
    path: &Path,
    root: Node,
    source: Arc<Source>,
    overrides: &Overrides,
    diags: &mut Diagnostics,
) -> Option<(Plan, Option<Runbook>)> {
    let mut map = MapReader::new(&root, "the scenario", &source, diags)?;
    let title: Option<String> = map.require("title");
    let severity = map.optional("severity");
    let tags = map.optional("tags").unwrap_or_default();
    let [description, owner] = ["description", "owner"].map(|key| said(map.optional(key)));
    let kind = restore::read_kind(&mut map);
    let mut stack = map.require_node("stack").and_then(|node| stack::read(node, &source, map.diags));
    if let Some((spec, _)) = &mut stack {
        spec.allowed = overrides.allowed.clone();
    }
    let hosts = map.node("hosts").map(|node| super::hosts::read(node, &source, map.diags)).unwrap_or_default();
    let loads_node = map.require_node("load");
    let loads = loads_node.map_or_else(Vec::new, |node| loads::read_loads(node, &source, map.diags));
    let load_names = loads_node.map_or_else(Vec::new, keys);
    let slis_node = map.require_node("slis");
    let slis = slis_node.map_or_else(Vec::new, |node| loads::read_slis(node, &load_names, &source, map.diags));
    warn_unused_loads(loads_node, slis_node, &slis, &mut map);
    let steady = read_steady(map.node("steady"), &source, map.diags);
    let faults =
        map.require_node("faults").map_or_else(Vec::new, |node| read_faults(node, &load_names, &source, map.diags));
    let impact_node = map.node("impact");
    let impact = read_impact(impact_node, &slis_node.map_or_else(Vec::new, keys), &source, map.diags);
    let detect = map.node("detect").map(|node| read_detect(node, &source, map.diags));
    let runbook_node = map.node("runbook");
    let clients = clients::read(map.node("clients"), &source, map.diags);
    let steps_node = map.node("steps");
    let reading = Reading { clients: clients.keys().cloned().collect(), bridged: true };
    let mut runbook = runbook_node.map(|node| respond::read_runbook(node, &reading, &source, map.diags));
    let known = runbook.as_mut().and_then(Option::as_mut);
    let named = steps::apply(steps_node, known, runbook_node.is_some(), &source, map.diags);
    let mut respond = {
        let runbook = runbook.as_mut().and_then(Option::as_mut);
        let at = runbook_node.map(|node| node.span);
        respond::read(map.node("respond"), runbook, at, &named, overrides, &source, map.diags)
    };
    let known = runbook.as_mut().and_then(Option::as_mut);
    steps::settle(&named, known, respond.as_ref(), &source, map.diags);
    if let Some(respond) = &mut respond {
        respond.clients = clients;
    }
    let none = impact.as_ref().is_some_and(|impact| impact.none);
    if let (true, false, Some(node)) = (none, kind.is_dr(), runbook_node) {
        map.error(node.span, "with `impact: none` nothing breaks for users, so there is no runbook to follow")
            .help("leave one of the two out");
    }
    let recover_node = if none { map.node("recover") } else { map.require_node("recover") };
    let recover = read_recover(recover_node, &source, map.diags);
    let revert_hold = read_revert(map.node("revert"), &source, map.diags);
    let expect = map.node("expect").map_or(Some(Expected::DEFAULT), |node| read_expect(node, &source, map.diags));
    let rto = match kind.is_dr() {
        true => required_deadline(&mut map, "rto", MAX_DURATION),
        false => deadline(&mut map, "rto", MAX_DURATION),
    };
    if none && map.has("rto") {
        let span = map.span_of("rto");
        map.error(span, "with `impact: none` nothing has to recover, so `rto` says nothing")
            .help("leave one of the two out");
    }
    let invariants = super::invariants::read(map.node("invariants"), &source, map.diags);
    let around = restore::Around {
        loads: &loads,
        names: &load_names,
        faults: &faults,
        runbook: runbook_node.is_some(),
        no_impact: impact_node.filter(|_| none).map(|node| node.span),
        expect: expect.as_ref(),
    };
    let restore = restore::read(kind, &mut map, &around);

    let complete = map.finish();
    let place = |path: [&str; 2]| place(&root, path);
    let windows = Windows {
        loads: &loads,
        slis: &slis,
        steady: steady.map(|steady| steady.0),
        recover: recover.map(|recover| recover.1),
        impact: impact.as_ref(),
        returning: returning(&faults),
        breaches_named: impact_node.is_some_and(|node| keys(node).contains(&"breaches")),
        places: Places {
            steady: place(["steady", "for"]),
            recover: place(["recover", "hold"]),
            impact: [place(["impact", "within"]), place(["impact", "below"]), place(["impact", "window"])],
        },
        source: &source,
    };
    windows.check(diags);
    complete?;

    let (mut stack, stack_source) = stack?;
    stack.interposed = interposed(&faults);
    stack.releases = faults.iter().filter_map(|planned| planned.fault.release()).collect();
    stack.processes = faults.iter().filter_map(|planned| planned.fault.process()).collect();
    stack.hosts = hosts;
    let respond = respond?;
    let (steady_for, steady_within) = steady?;
    let (recover_within, recover_hold, recover_cleared) = recover?;
    let whole = present(runbook)?;
    let mut plan = Plan {
        name: path.file_stem().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default(),
        title: title?,
        severity,
        tags,
        description,
        owner,
        stack,
        stack_source,
        // What only a step left out would set is an input of those that stay.
        runbook: whole.as_ref().map(|runbook| runbook.only(|step| respond.phases.contains(&step.phase))),
        loads,
        slis,
        steady_for,
        steady_within,
        faults,
        impact: impact?,
        detect: present(detect)?,
        respond,
        recover_within,
        recover_hold,
        recover_cleared,
        revert_hold: revert_hold?,
        rto,
        invariants: invariants?,
        restore: restore?,
        objectives: Objectives::default(),
        expect: expect?.verdict,
        source,
    };
    let catalog = project_services(&overrides.project, diags).ok()?;
    let rpo = plan.restore.as_ref().map(|restore| restore.rpo);
    plan.objectives = Objectives::decide(&plan, plan.rto, rpo, catalog.as_ref());
    let value = |objective: &Option<Objective>| objective.as_ref().map(|objective| objective.value);
    plan.rto = value(&plan.objectives.rto);
    if let (Some(restore), Some(rpo)) = (&mut plan.restore, value(&plan.objectives.rpo)) {
        restore.rpo = rpo;
    }
    Some((plan, whole))
}

/// A text in which something is said, without the line end that a block of YAML leaves.
fn said(text: Option<String>) -> Option<String> {
    text.map(|text| text.trim().to_string()).filter(|text| !text.is_empty())
}

/// Something that may be left out, but not be wrong.
fn present<T>(read: Option<Option<T>>) -> Option<Option<T>> {
    match read {
        Some(value) => value.map(Some),
        None => Some(None),
    }
}

/// Where a value stands, or the nearest thing that stands for it when it was left out.
fn place(root: &Node, path: [&str; 2]) -> Span {
    let entry = |node: &Node, key: &str| match &node.value {
        Value::Map(entries) => entries.iter().find(|entry| entry.key == key).cloned(),
        _ => None,
    };
    let [outer, inner] = path;
    match entry(root, outer) {
        Some(outer) => entry(&outer.value, inner).map_or(outer.key_span, |inner| inner.value.span),
        // Left out altogether: the objective is what it cannot hold.
        None => entry(root, "slis").map_or(root.span, |slis| slis.key_span),
    }
}

fn keys(node: &Node) -> Vec<&str> {
    match &node.value {
        Value::Map(entries) => entries.iter().map(|entry| entry.key.as_str()).collect(),
        _ => Vec::new(),
    }
}

fn warn_unused_loads(
    loads: Option<&Node>,
    slis: Option<&Node>,
    read: &[crate::slis::SliSpec],
    map: &mut MapReader<'_>,
) {
    // An SLI with a mistake may well mean the load.
    if slis.map_or(0, |node| keys(node).len()) != read.len() {
        return;
    }
    // The writes of a ledger are looked at one by one.
    let ledger = match map.node("ledger").map(|node| &node.value) {
        Some(Value::Map(entries)) => {
            entries.iter().find(|entry| entry.key == "load").and_then(|load| load.value.text())
        }
        _ => None,
    };
    let is_used = |name: &str| ledger == Some(name) || read.iter().any(|sli| sli.load == name);
    if let Some(Value::Map(entries)) = loads.map(|node| &node.value) {
        for entry in entries.iter().filter(|entry| !is_used(&entry.key)) {
            map.diags.warning(map.source, entry.key_span, format!("no SLI looks at load `{}`", entry.key));
        }
    }
}

/// Reads `steady`.
pub fn read_steady(node: Option<&Node>, source: &Arc<Source>, diags: &mut Diagnostics) -> Option<(Duration, Duration)> {
    let Some(node) = node else { return Some((STEADY_FOR, STEADY_WITHIN)) };
    let mut map = MapReader::new(node, "`steady`", source, diags)?;
    let steady_for = window(&mut map, "for").unwrap_or(STEADY_FOR);
    let within = deadline(&mut map, "within", LONGEST);
    let span = map.span_of("within");
    if let Some(within) = within.filter(|within| *within < steady_for) {
        let message = format!(
            "`within` is {}, shorter than `for` ({}): it could never be steady",
            windows::Show(within),
            windows::Show(steady_for)
        );
        map.error(span, message);
    }
    map.finish()?;
    Some((steady_for, within.unwrap_or(STEADY_WITHIN.max(steady_for.saturating_mul(2)))))
}

/// Reads `recover`.
pub fn read_recover(
    node: Option<&Node>,
    source: &Arc<Source>,
    diags: &mut Diagnostics,
) -> Option<(Duration, Duration, bool)> {
    // Only `impact: none` may leave it out, and then nothing has to recover.
    let Some(node) = node else { return Some((STEADY_WITHIN, RECOVER_HOLD, false)) };
    let mut map = MapReader::new(node, "`recover`", source, diags)?;
    let within = required_deadline(&mut map, "within", LONGEST);
    let hold = window(&mut map, "hold").unwrap_or(RECOVER_HOLD);
    let cleared = map.optional::<bool>("cleared").unwrap_or_default();
    map.finish()?;
    Some((within?, hold, cleared))
}

/// Reads `revert`.
pub fn read_revert(node: Option<&Node>, source: &Arc<Source>, diags: &mut Diagnostics) -> Option<Duration> {
    let Some(node) = node else { return Some(REVERT_HOLD) };
    let mut map = MapReader::new(node, "`revert`", source, diags)?;
    let hold = window(&mut map, "hold").unwrap_or(REVERT_HOLD);
    map.finish()?;
    Some(hold)
}
