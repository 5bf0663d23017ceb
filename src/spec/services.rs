//! Services that a scenario names and the stack does not have: known once Compose has resolved the stack. The readers note
//! each name that they find, with its place.

use super::{Plan, vars};
use crate::agent::alerts::outside_targets;
use crate::runbook::Step;
use crate::source::{At, Diagnostics, Mention, Node, Span, did_you_mean, shorten};
use std::collections::BTreeSet;

pub use crate::source::Among;

/// Reads the name of a service of the stack; `by` is what names it, for a message.
pub fn service(at: &mut At<'_>, by: &str) -> Option<String> {
    let service: String = at.value()?;
    mention(at, by.to_string(), &service, Among::Services);
    Some(service)
}

/// Notes that a value names a service.
pub fn mention(at: &mut At<'_>, by: String, name: &str, among: Among) {
    let Span { start, end } = at.node.span;
    let written = at.source.text.get(start..end).unwrap_or_default();
    // A host within a URL.
    let from = written.find("://").map_or(0, |at| at + 3);
    let found = written.get(from..).and_then(|rest| rest.find(name)).map(|at| start + from + at);
    let span = found.map_or(at.node.span, |found| Span::new(found, found + name.len()));
    at.diags.mentions.push(Mention { by, name: name.to_string(), among, span });
}

/// Notes every service that the scenario names and that the stack does not have: in its faults and `respond.service`
/// one of `services` is meant, as in the probes of a DR drill; in the URLs of its loads and alert condition one of `hosts`, every name by which a client
/// inside the stack can call a service (network aliases, for example).
pub fn check_services(plan: &Plan, services: &[String], hosts: &[String], diags: &mut Diagnostics) {
    for Mention { by, name, among, span } in &plan.mentions {
        let names = if *among == Among::Hosts { hosts } else { services };
        if !names.contains(name) {
            let message = format!("{by} names `{}`, which the stack does not have", shorten(name));
            diags.error(&plan.source, *span, message).help(did_you_mean(name, names.iter().map(String::as_str)));
        }
    }
    check_annotations(plan, services, diags);
    for (planned, node) in plan.faults.iter().zip(plan.root.list(&["faults"])) {
        let Some(process) = planned.fault.facts.process.clone() else { continue };
        if services.iter().chain(hosts).any(|name| *name == process.name) {
            let at = node.get(&[planned.fault.kind(), "name"]).unwrap_or(node);
            let message = format!("the stack has a service `{}` already", shorten(&process.name));
            let help = "give the process a name of its own, under which steps can stop it";
            diags.error(&plan.source, at.span, message).help(help);
        }
    }
    // A name of one service that leads to another one would make two of everything that is said of either.
    for (host, service) in plan.stack.hosts.iter().filter(|(host, service)| host != service && services.contains(host))
    {
        let message = format!("host `{}` is a service, and cannot lead to `{}`", shorten(host), shorten(service));
        let help = "give the service that is meant in the runbook by its own name";
        diags.error(&plan.source, plan.place(&["hosts", host]), message).help(help);
    }
    check_prometheus(plan, hosts, diags);
    vars::hide(diags);
}

/// Notes where a Prometheus of the stack would send to and read from outside of it, unless the stack is cut off.
fn check_prometheus(plan: &Plan, hosts: &[String], diags: &mut Diagnostics) {
    let alerts = plan.alerts.as_ref().filter(|alerts| alerts.services.is_some() && !plan.stack.isolate);
    let Some(alerts) = alerts else { return };
    let (source, config) = &alerts.prometheus;
    for (span, does) in outside_targets(config, &hosts.iter().cloned().collect()) {
        let message = format!("the stack's Prometheus would {does}, which is outside of the stack");
        let help = "name the file that it reads in the drill, with services of the stack alone; or give one of them that name (`hosts`), \
                    or cut the stack off: `isolate: true`";
        diags.error(source, span, message).help(help);
    }
}

/// Warns of every variable of a release that the stack's files do not name: setting it changes nothing. `named` are those
/// that they do.
pub fn check_variables(plan: &Plan, named: &BTreeSet<String>, diags: &mut Diagnostics) {
    for (planned, node) in plan.faults.iter().zip(plan.root.list(&["faults"])) {
        let Some((_, release)) = planned.fault.facts.release.clone() else { continue };
        for name in release.variables.keys().filter(|name| !named.contains(*name)) {
            let at = node.get(&[planned.fault.kind(), "variables", name]).unwrap_or(node);
            let message = format!("the stack's files have no variable `{}`: a release cannot set it", shorten(name));
            diags.warning(&plan.source, at.span, message).help(did_you_mean(name, named.iter().map(String::as_str)));
        }
    }
    vars::hide(diags);
}

/// The same for `in=` of the runbook's annotations.
fn check_annotations(plan: &Plan, services: &[String], diags: &mut Diagnostics) {
    let Some(runbook) = &plan.runbook else { return };
    // The scenario's own words were looked at where they stand.
    for block in runbook.steps.iter().filter(|step| step.replaced.is_none()).flat_map(|step: &Step| &step.blocks) {
        let Some(place) = block.settings.place.as_ref().filter(|place| !services.contains(place)) else { continue };
        let above = runbook.source.start(block.line);
        let written = format!("in={place}");
        let Some(at) = runbook.source.text.get(..above).and_then(|above| above.rfind(&written)) else { continue };
        let message = format!("an annotation names `{}`, which the stack does not have", shorten(place));
        let help = did_you_mean(place, services.iter().map(String::as_str));
        diags.error(&runbook.source, Span::new(at + 3, at + written.len()), message).help(help);
    }
}

/// Where a setting stands in a Compose file: `key` is `volumes`, `environment.STRIPE_URL` … of a service, or of the whole
/// file, of which `None` has no places. What cannot be found there (it came from an `extends`, an `include`, a merge) has the place of its
/// service.
pub fn place_in_stack(stack: Option<&Node>, service: Option<&str>, key: &str) -> Span {
    let mut span = Span::default();
    let Some(mut node) = stack else { return span };
    let path = service.into_iter().flat_map(|service| ["services", service]).chain(key.split('.'));
    for key in path {
        let Some(entry) = node.entries().iter().find(|entry| entry.key == key) else {
            // `environment: [STRIPE_URL=https://…]`, `profiles: [debug]`
            let named = |item: &&Node| item.text().is_some_and(|text| text.split(['=', ':']).next() == Some(key));
            return node.items().iter().find(named).map_or(span, |item| item.span);
        };
        (span, node) = (entry.key_span, &entry.value);
    }
    span
}
