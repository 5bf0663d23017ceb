//! Services that a scenario names and the stack does not have: known once Compose has resolved the stack.

use super::loads::host_of;
use super::{Plan, RestoreSpec, secrets};
use crate::faults::Inject;
use crate::load::Ca;
use crate::runbook::Step;
use crate::source::{Diagnostics, Node, Source, Span, Value, did_you_mean, parse, shorten};
use std::collections::BTreeSet;
use std::sync::Arc;

/// Notes every service that the scenario names and that the stack does not have: in its faults and `respond.service`
/// one of `services` is meant, as in the probes of a DR drill; in the URLs of its loads and alert condition one of `hosts`, every name by which a client
/// inside the stack can call a service (network aliases, for example).
pub fn check_services(plan: &Plan, services: &[String], hosts: &[String], diags: &mut Diagnostics) {
    // A plan keeps no spans; the file that it was made from is read once more for them.
    let Some(root) = parse(&plan.source, &mut Diagnostics::default()) else { return };
    let mut missing = |names: &[String], service: &str, what: &str, at: Option<&Node>| {
        if names.iter().any(|known| known == service) {
            return;
        }
        let span = at.map_or(Span::default(), |node| within(node, service, &plan.source.text));
        diags
            .error(&plan.source, span, format!("{what} names `{}`, which the stack does not have", shorten(service)))
            .help(did_you_mean(service, names.iter().map(String::as_str)));
    };
    let faults = match get(&root, &["faults"]).map(|node| &node.value) {
        Some(Value::List(items)) => items.as_slice(),
        _ => &[],
    };
    for (index, planned) in plan.faults.iter().enumerate() {
        let parameters = faults.get(index).and_then(|node| match &node.value {
            Value::Map(entries) => entries.first().map(|entry| &entry.value),
            _ => None,
        });
        for service in planned.fault.services() {
            let at = parameters.and_then(|node| naming(node, &service)).or(parameters);
            missing(services, &service, &format!("the fault `{}`", planned.id), at);
        }
    }
    for (host, service) in &plan.stack.hosts {
        missing(services, service, &format!("host `{}`", shorten(host)), get(&root, &["hosts", host.as_str()]));
    }
    for load in &plan.loads {
        let at = get(&root, &["load", &load.name, "request"]);
        if let Some(host) = host_of(&load.url) {
            missing(hosts, host, &format!("load `{}`", load.name), at);
        }
        if let Some(Ca::Service { service, .. }) = &load.ca {
            let at = get(&root, &["load", &load.name, "tls", "ca", "service"]);
            missing(services, service, &format!("load `{}`", load.name), at);
        }
    }
    if let Some(host) = plan.detect.as_ref().and_then(|detect| host_of(&detect.url)) {
        missing(hosts, host, "`detect.metrics`", get(&root, &["detect", "metrics"]));
    }
    if let Some(service) = &plan.respond.service {
        missing(services, service, "`respond.service`", get(&root, &["respond", "service"]));
    }
    if let Some(Value::Map(clients)) = get(&root, &["clients"]).map(|node| &node.value) {
        for entry in clients {
            let at = get(&entry.value, &["service"]);
            if let Some(service) = at.and_then(Node::text) {
                missing(services, service, &format!("the client `{}`", shorten(&entry.key)), at);
            }
        }
    }
    if let Some(Value::Map(steps)) = get(&root, &["steps"]).map(|node| &node.value) {
        for entry in steps {
            let at = get(&entry.value, &["in"]);
            if let Some(service) = at.and_then(Node::text) {
                missing(services, service, &format!("the step `{}`", shorten(&entry.key)), at);
            }
        }
    }
    for (probe, what, path) in plan.restore.iter().flat_map(RestoreSpec::asked) {
        let path: Vec<&str> = path.iter().map(String::as_str).chain(["service"]).collect();
        missing(services, &probe.service, &what, get(&root, &path));
    }
    for invariant in &plan.invariants {
        let (name, service) = (invariant.name.as_str(), &invariant.probe.service);
        missing(services, service, &format!("the invariant `{name}`"), get(&root, &["invariants", name, "service"]));
    }
    check_annotations(plan, services, diags);
    for (planned, node) in plan.faults.iter().zip(faults) {
        let Some(process) = planned.fault.process() else { continue };
        if services.iter().chain(hosts).any(|name| *name == process.name) {
            let at = get(node, &[planned.fault.kind(), "name"]);
            let message = format!("the stack has a service `{}` already", shorten(&process.name));
            diags
                .error(&plan.source, at.map_or(node.span, |at| at.span), message)
                .help("give the process a name of its own, under which steps can stop it");
        }
    }
    // A name of one service that leads to another one would make two of everything that is said of either.
    for (host, service) in plan.stack.hosts.iter().filter(|(host, service)| host != service && services.contains(host))
    {
        let span = get(&root, &["hosts", host.as_str()]).map_or(Span::default(), |node| node.span);
        let message =
            format!("host `{}` is a service of the stack, and cannot lead to `{}`", shorten(host), shorten(service));
        diags.error(&plan.source, span, message).help("give the service that is meant in the runbook by its own name");
    }
    secrets::hide(diags);
}

/// Warns of every variable of a release that the stack's files do not name: setting it changes nothing. `named` are those
/// that they do.
pub fn check_variables(plan: &Plan, named: &BTreeSet<String>, diags: &mut Diagnostics) {
    let Some(root) = parse(&plan.source, &mut Diagnostics::default()) else { return };
    let Some(Value::List(faults)) = get(&root, &["faults"]).map(|node| &node.value) else { return };
    for (planned, node) in plan.faults.iter().zip(faults) {
        let Some((_, release)) = planned.fault.release() else { continue };
        for name in release.variables.keys().filter(|name| !named.contains(*name)) {
            let at = get(node, &[planned.fault.kind(), "variables", name]);
            let message = format!("the stack's files have no variable `{}`: a release cannot set it", shorten(name));
            diags
                .warning(&plan.source, at.map_or(node.span, |at| at.span), message)
                .help(did_you_mean(name, named.iter().map(String::as_str)));
        }
    }
    secrets::hide(diags);
}

/// The same for `in=` of the runbook's annotations.
fn check_annotations(plan: &Plan, services: &[String], diags: &mut Diagnostics) {
    let Some(runbook) = &plan.runbook else { return };
    let mut told: Vec<usize> = Vec::new();
    // The scenario's own words were looked at where they stand.
    for block in runbook.steps.iter().filter(|step| step.replaced.is_none()).flat_map(|step: &Step| &step.blocks) {
        let Some(place) = block.settings.place.as_ref().filter(|place| !services.contains(place)) else { continue };
        let above: usize =
            runbook.source.text.split_inclusive('\n').take(block.line.saturating_sub(1)).map(str::len).sum();
        let written = format!("in={place}");
        let Some(at) = runbook.source.text.get(..above).and_then(|above| above.rfind(&written)) else { continue };
        if !told.contains(&at) {
            told.push(at);
            let message = format!("an annotation names `{}`, which the stack does not have", shorten(place));
            diags
                .error(&runbook.source, Span::new(at + 3, at + written.len()), message)
                .help(did_you_mean(place, services.iter().map(String::as_str)));
        }
    }
}

/// Where a setting stands in a Compose file: `key` is `volumes`, `environment.STRIPE_URL` … of a service, or of the whole
/// file. What cannot be found there (it came from an `extends`, an `include`, a merge) has the place of its service.
pub fn place_in_stack(stack: &Arc<Source>, service: Option<&str>, key: &str) -> Span {
    let Some(root) = parse(stack, &mut Diagnostics::default()) else { return Span::default() };
    let mut span = Span::default();
    let mut node = &root;
    let path = service.into_iter().flat_map(|service| ["services", service]).chain(key.split('.'));
    for key in path {
        match &node.value {
            Value::Map(entries) => match entries.iter().find(|entry| entry.key == key) {
                Some(entry) => (span, node) = (entry.key_span, &entry.value),
                None => break,
            },
            // `environment: [STRIPE_URL=https://…]`, `profiles: [debug]`
            Value::List(items) => {
                let named = |item: &&Node| {
                    item.text().is_some_and(|text| text.split(['=', ':']).next().is_some_and(|name| name == key))
                };
                match items.iter().find(named) {
                    Some(item) => return item.span,
                    None => break,
                }
            }
            _ => break,
        }
    }
    span
}

pub fn get<'n>(node: &'n Node, path: &[&str]) -> Option<&'n Node> {
    path.iter().try_fold(node, |node, key| match &node.value {
        Value::Map(entries) => entries.iter().find(|entry| entry.key == *key).map(|entry| &entry.value),
        _ => None,
    })
}

/// The parameter that holds this very text.
fn naming<'n>(node: &'n Node, text: &str) -> Option<&'n Node> {
    match &node.value {
        Value::Scalar { text: own, .. } => (own == text).then_some(node),
        Value::List(items) => items.iter().find_map(|item| naming(item, text)),
        Value::Map(entries) => entries.iter().find_map(|entry| naming(&entry.value, text)),
        Value::Null => None,
    }
}

/// The bytes of `part` within a node's text (a host within a URL), else all of the node.
fn within(node: &Node, part: &str, text: &str) -> Span {
    let written = text.get(node.span.start..node.span.end).unwrap_or_default();
    let from = written.find("://").map_or(0, |at| at + 3);
    match written.get(from..).and_then(|rest| rest.find(part)) {
        Some(at) => Span::new(node.span.start + from + at, node.span.start + from + at + part.len()),
        None => node.span,
    }
}
