//! `faults:` of a scenario.

use super::services::{Among, mention};
use super::windows::{LONGEST, Show};
use super::{FaultTiming, PlannedFault};
use crate::faults::{Fault, Preset};
use crate::source::{At, Diagnostics, Entry, MapReader, Node, Span, Value, did_you_mean, list, shorten};
use serde_json::json;
use std::collections::BTreeMap;

const EXAMPLE: &str = "write them as a list, like `- container_kill: { service: db }`";

/// A short file could name a large preset again and again.
const MOST_FAULTS: usize = 100;

/// What may stand beside the kind.
const TIMING: [&str; 6] = ["lasts", "after", "every", "jitter", "ramp", "noise"];

/// Reads `faults`: a list of maps with one key each, the kind, and beside it when the fault acts. `loads` are the names of the loads, also of those with
/// mistakes.
pub fn read_faults(at: &mut At<'_>, loads: &[&str]) -> Vec<PlannedFault> {
    let mut faults: Vec<PlannedFault> = Vec::new();
    if at.node.items().len() > MOST_FAULTS {
        at.error(format!("a scenario has at most {MOST_FAULTS} faults"));
        return faults;
    }
    if at.node.value != Value::Null {
        at.items("a list", EXAMPLE, |at| {
            faults.push(read_fault(at, &faults, loads)?);
            Some(())
        });
    }
    at.must_not_be_empty("`faults` is empty: a drill breaks something", EXAMPLE);
    if !faults.is_empty() && faults.iter().all(|planned| planned.timing.noise) {
        at.error("every fault is noise: nothing is broken that anybody could notice");
    }
    faults
}

fn read_fault(at: &mut At<'_>, before: &[PlannedFault], loads: &[&str]) -> Option<PlannedFault> {
    if at.diags.is_describing() {
        return describe_fault(at);
    }
    let entries = at.node.entries().iter();
    let kinds: Vec<&Entry> = entries.filter(|entry| !TIMING.contains(&entry.key.as_str())).collect();
    let &[Entry { key: kind, value: parameters, key_span: span }] = kinds.as_slice() else {
        let span = kinds.get(1).map_or(at.node.span, |second| second.key_span);
        let message = "a fault has one key, its kind, with its parameters below it";
        at.diags.error(at.source, span, message).help(format!("{EXAMPLE}; beside it only {}", list(&TIMING)));
        return None;
    };
    let mut map = at.map("a fault")?;
    let known = map.diags.all.len();
    let timing = map.in_section(TIMES, read_timing);
    let is_timed = !map.diags.has_errors_since(known);
    let (id, line, fault) = map.read(kind, true, |at| {
        let known = at.diags.all.len();
        let fault = Fault::from_entry(kind, at.key_span, parameters, at.source, at.diags);
        if fault.is_none() && at.diags.all.len() == known {
            at.error(format!("the parameters of `{kind}` cannot be read"));
        }
        let fault = fault?;
        let taken = before.iter().filter(|other| other.fault.kind() == fault.kind()).count();
        let id = if taken == 0 { kind.clone() } else { format!("{kind}-{}", taken + 1) };
        for service in fault.facts.services.iter().chain(&fault.facts.client) {
            let node = naming(parameters, service).unwrap_or(parameters);
            let named = format!("the fault `{id}`");
            mention(&mut at.inner(kind, at.key_span, node), named, service, Among::Services);
        }
        check(&fault, before, loads, at);
        Some((id, at.line(), fault))
    })?;
    if !is_timed {
        return None;
    }
    if timing.after.is_some() && before.is_empty() {
        map.wrong("after", "`after` counts from the fault before it in the list, and there is none")
            .help("leave it out, or put another fault before it");
    }
    if timing.lasts.is_some() && fault.facts.returns.is_some() {
        map.wrong("lasts", "`returns` and `lasts` are two answers to how it ends")
            .help("keep `returns` for a fault that the runbook must end for good");
    }
    if timing.ramp.is_some() && !fault.facts.grows {
        let which = "`ramp` is for `http_delay`, `load_surge`, `tcp_latency`, and a `toxic` of the type `latency` or `bandwidth`, with a rate above 0";
        map.wrong("ramp", format!("nothing of `{id}` can grow")).help(which);
    }
    if timing.lasts.is_some() && (parameters.get(&["irreversible"]).is_some() || fault.is_irreversible_preset()) {
        map.wrong("lasts", "it is irreversible, and `lasts` says when it is undone");
    }
    Some(PlannedFault { id, fault, line, span: *span, timing })
}

/// Describes a fault: one of the kinds and presets, and what may stand beside it.
fn describe_fault(at: &mut At<'_>) -> Option<PlannedFault> {
    let presets = Preset::all(at.source, &mut Diagnostics::default());
    let mut map = at.map("a fault")?;
    map.in_section("faults", |map| {
        for kind in Fault::KINDS {
            map.read(kind, false, |at| Fault::from_entry(kind, Span::default(), at.node, at.source, at.diags));
        }
    });
    let names = Fault::KINDS.iter().copied().chain(presets.iter().map(|preset| preset.name.as_str()));
    map.exactly_one(&names.collect::<Vec<_>>(), EXAMPLE);
    map.also(json!({ "type": "object" }));
    map.in_section(TIMES, read_timing);
    map.finish();
    at.diags.reshape(|mut shape| {
        presets.iter().for_each(|preset| shape["properties"][&preset.name] = preset.shape());
        shape
    });
    None
}

/// Where the documentation has what may stand beside the kind.
const TIMES: &str = "When a fault acts";

/// Reads what stands beside the kind of a fault.
fn read_timing(map: &mut MapReader<'_>) -> FaultTiming {
    let times = ["lasts", "after", "every", "ramp", "jitter"].map(|key| map.optional_by(key, |at| at.within(LONGEST)));
    let [lasts, after, every, ramp, jitter] = times;
    let jitter = jitter.unwrap_or_default();
    let noise = map.optional("noise").unwrap_or_default();
    if every.is_some() && !map.has("lasts") {
        map.wrong("every", "`every` says when it begins again, and nothing says when it ends")
            .help("add `lasts`, which is shorter than `every`");
    }
    if let Some((every, lasts)) = every.zip(lasts).filter(|(every, lasts)| *every <= lasts.saturating_add(jitter)) {
        let after = Show(every - every.min(jitter));
        let message = format!("it may begin again {after} after it began, before its `lasts` is over");
        map.wrong("every", message)
            .help(format!("more than {}: `lasts` and `jitter`", Show(lasts.saturating_add(jitter))));
    }
    if let Some(lasts) = lasts.filter(|lasts| ramp.is_some_and(|ramp| ramp > *lasts)) {
        let message = format!("`lasts` is {}: it would end before it has grown to its full strength", Show(lasts));
        map.wrong("ramp", message).help("a `ramp` that is no longer than `lasts`");
    }
    FaultTiming { lasts, after, every, jitter, ramp, noise }
}

/// What the parameters of a fault mean for the rest of the scenario.
fn check(fault: &Fault, before: &[PlannedFault], loads: &[&str], at: &mut At<'_>) {
    let (parameters, source) = (at.node, at.source);
    let span_of = |key: &str| parameters.get(&[key]).unwrap_or(parameters).span;
    let diags = &mut *at.diags;
    if let Some(load) = fault.facts.load.as_deref().filter(|load| !loads.contains(load)) {
        let message = format!("the fault `{}` names the load `{}`, which does not exist", at.key, shorten(load));
        diags.error(source, span_of("load"), message).help(did_you_mean(load, loads.iter().copied()));
    }
    if let Some((key, message, help)) = fault.facts.warning.clone() {
        diags.warning(source, span_of(key), message).help(help);
    }
    let mut others = before.iter().filter_map(|planned| planned.fault.facts.process.as_ref());
    let process = fault.facts.process.as_ref().filter(|process| others.any(|other| other.name == process.name));
    if let Some(process) = process {
        let message = format!("there are two processes `{}`: nobody could tell them apart", shorten(&process.name));
        diags.error(source, span_of("name"), message).help("give each a name of its own");
    }
}

/// The parameter that holds this very text.
fn naming<'n>(node: &'n Node, text: &str) -> Option<&'n Node> {
    if node.text() == Some(text) {
        return Some(node);
    }
    node.items().iter().chain(node.entries().iter().map(|entry| &entry.value)).find_map(|node| naming(node, text))
}

/// The services that need an agent in front of them, with every port that any fault gives.
pub fn interposed(faults: &[PlannedFault]) -> BTreeMap<String, Vec<u16>> {
    let mut interposed: BTreeMap<String, Vec<u16>> = BTreeMap::new();
    for (service, ports) in faults.iter().filter_map(|planned| planned.fault.facts.interposes.clone()) {
        let all = interposed.entry(service).or_default();
        all.extend(ports);
        all.sort_unstable();
        all.dedup();
    }
    interposed
}

/// Why no runbook can clear all of the faults that count, where none can.
pub fn never_cleared(faults: &[PlannedFault]) -> Option<String> {
    let counts = || faults.iter().filter(|planned| !planned.timing.noise);
    let comes_again = counts().find(|planned| planned.period().is_some());
    let comes_again = comes_again.map(|planned| format!("`{}` comes again by its `every`", planned.id));
    let end = || counts().next().is_some() && counts().all(PlannedFault::ends_in_time);
    comes_again.or_else(|| end().then(|| "each ends by its `lasts`".into()))
}
