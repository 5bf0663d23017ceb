//! What the resolved stack says, as mistakes and warnings at their place in the user's files: shared by `check` and
//! `scenario`.

use crate::source::{Diagnostics, Level};
use crate::spec::{Plan, place_in_stack};
use crate::stack::docker::Finding;

/// Notes what there is to say about the stack of a plan. A finding that stands already (another scenario has the same
/// stack) is not told again.
pub fn place(plan: &Plan, findings: &[Finding], diags: &mut Diagnostics) {
    for finding in findings {
        let span = place_in_stack(&plan.stack_source, finding.service.as_deref(), &finding.key);
        let level = if finding.error { Level::Error } else { Level::Warning };
        let known = |d: &crate::source::Diagnostic| {
            d.message == finding.message && d.span == span && d.source.path == plan.stack_source.path
        };
        if diags.all.iter().any(known) {
            continue;
        }
        let noted = diags.push(level, &plan.stack_source, span, &finding.message);
        if let Some(help) = &finding.help {
            noted.help(help);
        }
    }
}

/// Notes that Compose does not accept the stack file, in Compose's own words.
pub fn invalid(plan: &Plan, error: &crate::stack::docker::ResolveError, diags: &mut Diagnostics) {
    if let crate::stack::docker::ResolveError::Refused { findings, .. } = error {
        return place(plan, findings, diags);
    }
    let message = format!("Docker Compose does not accept the stack: {error}");
    if !diags.all.iter().any(|d| d.message == message) {
        diags
            .error(&plan.stack_source, crate::source::Span::default(), message)
            .help("`docker compose config` in its folder says the same");
    }
}
