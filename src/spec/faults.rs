//! `faults:` of a scenario.

use super::PlannedFault;
use crate::faults::{Fault, Inject};
use crate::runbook::left_running;
use crate::source::{Diagnostics, Node, Source, Span, Value, did_you_mean, shorten};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// Reads `faults`: a list of maps with one key each, the kind. `loads` are the names of the loads, also of those with
/// mistakes.
pub fn read_faults(node: &Node, loads: &[&str], source: &Arc<Source>, diags: &mut Diagnostics) -> Vec<PlannedFault> {
    const EXAMPLE: &str = "write them as a list, like `- container_kill: { service: db }`";
    let items = match &node.value {
        Value::List(items) if !items.is_empty() => items,
        Value::List(_) | Value::Null => {
            diags.error(source, node.span, "`faults` is empty: a drill breaks something").help(EXAMPLE);
            return Vec::new();
        }
        _ => {
            let message = format!("`faults` must be a list, found {}", node.describe());
            diags.error(source, node.span, message).help(EXAMPLE);
            return Vec::new();
        }
    };
    let mut faults: Vec<PlannedFault> = Vec::new();
    for item in items {
        let Value::Map(entries) = &item.value else {
            diags.error(source, item.span, format!("a fault must be a map, found {}", item.describe())).help(EXAMPLE);
            continue;
        };
        let [entry] = entries.as_slice() else {
            let message = "a fault has one key, its kind, with its parameters below it";
            let at = entries.get(1).map_or(item.span, |second| second.key_span);
            diags.error(source, at, message).help(EXAMPLE);
            continue;
        };
        let before = diags.all.len();
        let Some(fault) = Fault::from_entry(&entry.key, entry.key_span, &entry.value, source, diags) else {
            if diags.all.len() == before {
                diags.error(source, entry.value.span, format!("the parameters of `{}` cannot be read", entry.key));
            }
            continue;
        };
        if let Some(load) = fault.load().filter(|load| !loads.contains(load)) {
            let at = span_of(&entry.value, "load");
            let message = format!("the fault `{}` names the load `{}`, which does not exist", entry.key, shorten(load));
            let help = did_you_mean(load, loads.iter().copied());
            diags.error(source, at, message).help(help);
        }
        warn_of_what_is_left_running(&fault, &entry.value, source, diags);
        warn_of_what_may_end(&fault, &entry.value, source, diags);
        let name = fault.process().map(|process| process.name);
        if let Some(name) = name.filter(|name| process_names(&faults).any(|other| other == *name)) {
            let at = span_of(&entry.value, "name");
            let message = format!("there are two processes `{}`: nobody could tell them apart", shorten(&name));
            diags.error(source, at, message).help("give each a name of its own");
        }
        let taken = faults.iter().filter(|other| other.fault.kind() == fault.kind()).count();
        let id = if taken == 0 { entry.key.clone() } else { format!("{}-{}", entry.key, taken + 1) };
        faults.push(PlannedFault { id, fault, line: source.pos(entry.key_span.start).line });
    }
    faults
}

/// Where a parameter stands, else all of them.
fn span_of(parameters: &Node, key: &str) -> Span {
    match &parameters.value {
        Value::Map(own) => own.iter().find(|own| own.key == key).map_or(parameters.span, |own| own.value.span),
        _ => parameters.span,
    }
}

/// A restart of the service would cure what a `command` leaves running in its container.
fn warn_of_what_is_left_running(fault: &Fault, parameters: &Node, source: &Arc<Source>, diags: &mut Diagnostics) {
    let Fault::Command(command) = fault else { return };
    let Some(what) = left_running(command.run()) else { return };
    let message = format!(
        "`run` leaves something running in `{}` (`{what}`): it ends with the container, so any restart of the service cures it",
        command.service()
    );
    diags
        .warning(source, span_of(parameters, "run"), message)
        .help("use the fault `process`, which runs in a container of its own");
}

/// A process that ends by itself heals by itself.
fn warn_of_what_may_end(fault: &Fault, parameters: &Node, source: &Arc<Source>, diags: &mut Diagnostics) {
    let Fault::Process(process) = fault else { return };
    if process.says_when_it_ends() {
        return;
    }
    let message =
        "the process has neither `returns` nor `cleared_when`: when it ends by itself, the drill is `self_healed`";
    diags
        .warning(source, span_of(parameters, "run"), message)
        .help("give it `returns`, or the probe `cleared_when` that holds once the runbook has cleared it");
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
