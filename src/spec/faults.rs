//! `faults:` of a scenario.

use super::PlannedFault;
use super::services::{Among, mention};
use crate::faults::Fault;
use crate::source::{At, Entry, Node, Span, Value, did_you_mean, shorten};
use std::collections::BTreeMap;
use std::time::Duration;

const EXAMPLE: &str = "write them as a list, like `- container_kill: { service: db }`";

/// Reads `faults`: a list of maps with one key each, the kind. `loads` are the names of the loads, also of those with
/// mistakes.
pub fn read_faults(at: &mut At<'_>, loads: &[&str]) -> Vec<PlannedFault> {
    let mut faults: Vec<PlannedFault> = Vec::new();
    if at.node.value != Value::Null {
        at.items("a list", EXAMPLE, |at| {
            let fault = read_fault(at, &faults, loads)?;
            faults.push(fault);
            Some(())
        });
    }
    at.must_not_be_empty("`faults` is empty: a drill breaks something", EXAMPLE);
    faults
}

fn read_fault(at: &mut At<'_>, before: &[PlannedFault], loads: &[&str]) -> Option<PlannedFault> {
    let describes = at.describe_one_of("faults", Fault::KINDS, |at, kind| {
        Fault::from_entry(kind, Span::default(), at.node, at.source, at.diags);
    });
    if describes {
        return None;
    }
    let Value::Map(entries) = &at.node.value else {
        at.error(format!("a fault must be a map, found {}", at.node.describe())).help(EXAMPLE);
        return None;
    };
    let [Entry { key: kind, key_span, value: parameters }] = entries.as_slice() else {
        let span = entries.get(1).map_or(at.node.span, |second| second.key_span);
        let message = "a fault has one key, its kind, with its parameters below it";
        at.diags.error(at.source, span, message).help(EXAMPLE);
        return None;
    };
    let known = at.diags.all.len();
    let Some(fault) = Fault::from_entry(kind, *key_span, parameters, at.source, at.diags) else {
        if at.diags.all.len() == known {
            at.diags.error(at.source, parameters.span, format!("the parameters of `{kind}` cannot be read"));
        }
        return None;
    };
    let taken = before.iter().filter(|other| other.fault.kind() == fault.kind()).count();
    let id = if taken == 0 { kind.clone() } else { format!("{kind}-{}", taken + 1) };
    let mut at = At { key: kind, key_span: *key_span, node: parameters, source: at.source, diags: at.diags };
    for service in fault.services() {
        let node = naming(parameters, &service).unwrap_or(parameters);
        let mut at = At { node, diags: at.diags, ..at };
        mention(&mut at, format!("the fault `{id}`"), &service, Among::Services);
    }
    check(&fault, before, loads, &mut at);
    Some(PlannedFault { id, fault, line: at.line() })
}

/// What the parameters of a fault mean for the rest of the scenario.
fn check(fault: &Fault, before: &[PlannedFault], loads: &[&str], at: &mut At<'_>) {
    let (parameters, source) = (at.node, at.source);
    let span_of = |key: &str| parameters.get(&[key]).unwrap_or(parameters).span;
    let diags = &mut *at.diags;
    if let Some(load) = fault.load().filter(|load| !loads.contains(load)) {
        let message = format!("the fault `{}` names the load `{}`, which does not exist", at.key, shorten(load));
        diags.error(source, span_of("load"), message).help(did_you_mean(load, loads.iter().copied()));
    }
    if let Some((key, message, help)) = fault.warning() {
        diags.warning(source, span_of(key), message).help(help);
    }
    let name = fault.process().map(|process| process.name);
    if let Some(name) = name.filter(|name| process_names(before).any(|other| other == *name)) {
        let message = format!("there are two processes `{}`: nobody could tell them apart", shorten(&name));
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

fn process_names(faults: &[PlannedFault]) -> impl Iterator<Item = String> {
    faults.iter().filter_map(|planned| planned.fault.process()).map(|process| process.name)
}

/// The services that need an agent in front of them, with every port that any fault gives.
pub fn interposed(faults: &[PlannedFault]) -> BTreeMap<String, Vec<u16>> {
    let mut interposed: BTreeMap<String, Vec<u16>> = BTreeMap::new();
    for (service, ports) in faults.iter().filter_map(|planned| planned.fault.interposes()) {
        let all = interposed.entry(service).or_default();
        all.extend(ports);
        all.sort_unstable();
        all.dedup();
    }
    interposed
}

/// The fault that takes longest to come back after it was ended, with that time.
pub fn returning(faults: &[PlannedFault]) -> Option<(&str, Duration)> {
    let returning = faults.iter().filter_map(|planned| Some((planned.id.as_str(), planned.fault.returns()?)));
    returning.max_by_key(|(_, after)| *after)
}
