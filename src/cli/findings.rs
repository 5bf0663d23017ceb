//! What the resolved stack says, as mistakes and warnings at their place in the user's files: shared by `check` and
//! `scenario`.

use crate::source::{Diagnostics, Severity};
use crate::spec::{Plan, place_in_stack};
use crate::stack::{Finding, Platform, ResolveError, ResolvedStack};
use std::collections::BTreeSet;

/// Notes what there is to say about the stack of a plan, and the faults that it cannot have. Returns what [`place`] does.
pub fn resolved(plan: &Plan, stack: &dyn ResolvedStack, diags: &mut Diagnostics) -> BTreeSet<String> {
    for planned in &plan.faults {
        if let Some((message, help)) = planned.fault.facts.needs.as_ref().and_then(|need| stack.lacks(need)) {
            let message = format!("the fault `{}` cannot be in this stack: {message}", planned.id);
            diags.error(&plan.source, plan.span_of_fault(planned), message).help(help);
        }
    }
    place(plan, &stack.findings(), diags)
}

/// Notes what there is to say about the stack of a plan. Returns what the person could allow and has not, as `--allow-host` calls it.
fn place(plan: &Plan, findings: &[Finding], diags: &mut Diagnostics) -> BTreeSet<String> {
    for finding in findings {
        let span = place_in_stack(&plan.stack_source, finding.service.as_deref(), &finding.key);
        let level = if finding.error { Severity::Error } else { Severity::Warning };
        let noted = diags.push(level, &plan.stack_source, span, &finding.message);
        if let Some(help) = &finding.help {
            noted.help(help);
        }
    }
    findings.iter().filter_map(|finding| finding.right.clone()).collect()
}

/// How to allow all that a person could allow, to be said once after the mistakes.
pub fn consent(open: &BTreeSet<String>, platform: &dyn Platform) -> Option<String> {
    if open.is_empty() {
        return None;
    }
    let keys: Vec<&str> = open.iter().map(String::as_str).collect();
    let rights = platform.rights();
    let asks = match open.iter().any(|name| rights.iter().any(|right| right.name == *name && !right.is_asked)) {
        true => "",
        false => "; at a terminal, `firedrill scenario` asks for consent and remembers it",
    };
    Some(format!("if you trust these files, allow it in this run: `--allow-host {}`{asks}", keys.join(",")))
}

/// Notes that the specification of a stack cannot be used. Returns what [`place`] does.
pub fn invalid(
    plan: &Plan,
    error: &ResolveError,
    platform: &dyn Platform,
    diags: &mut Diagnostics,
) -> BTreeSet<String> {
    if let ResolveError::Refused { findings, .. } = error {
        return place(plan, findings, diags);
    }
    let (rejected, help) = platform.rejection();
    let message = format!("{rejected}: {error}");
    if !diags.all.iter().any(|d| d.message == message) {
        diags.error(&plan.stack_source, crate::source::Span::default(), message).help(help);
    }
    BTreeSet::new()
}
