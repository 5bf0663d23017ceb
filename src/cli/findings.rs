//! What the resolved stack says, as mistakes and warnings at their place in the user's files: shared by `check` and
//! `scenario`.

use crate::source::{Diagnostic, Diagnostics, Severity, Source, Span};
use crate::spec::{Plan, place_in_stack};
use crate::stack::{Finding, Platform, ResolveError, ResolvedStack};
use std::collections::BTreeSet;
use std::sync::Arc;

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
        note(finding, &plan.stack_source, span, diags);
    }
    findings.iter().filter_map(|finding| finding.right.clone()).collect()
}

/// Notes a finding. A warning that another file has as well is said once, with the other files that have it.
fn note(finding: &Finding, source: &Arc<Source>, span: Span, diags: &mut Diagnostics) {
    let level = if finding.error { Severity::Error } else { Severity::Warning };
    let same = |known: &&mut Diagnostic| {
        let is_warning = level == Severity::Warning && known.level == level && known.message == finding.message;
        is_warning && known.source.path != source.path && known.help == finding.help
    };
    let Some(known) = diags.all.iter_mut().find(same) else {
        diags.push(level, source, span, &finding.message).help(finding.help.as_deref().unwrap_or_default());
        return;
    };
    let (path, told) = (source.path.display().to_string(), known.label.take());
    known.label = Some(match told {
        None => format!("the same in {path}"),
        Some(told) if told.trim_start_matches("the same in ").split(", ").any(|known| known == path) => told,
        Some(told) => format!("{told}, {path}"),
    });
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
        diags.error(&plan.stack_source, Span::default(), message).help(help);
    }
    BTreeSet::new()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_warning_of_several_files_is_said_once() {
        let warning = |message: &str| Finding {
            service: None,
            key: "file".into(),
            message: message.into(),
            help: None,
            error: false,
            right: None,
        };
        let error = Finding { error: true, ..warning("no healthcheck") };
        let [a, b, c] = ["a.yaml", "b.yaml", "c.yaml"].map(|path| Source::new(path, "services: {}\n"));
        let mut diags = Diagnostics::default();
        for source in [&a, &b, &c, &b, &a] {
            note(&warning("`TAG` is not set"), source, Span::default(), &mut diags);
        }
        note(&warning("another"), &b, Span::default(), &mut diags);
        note(&error, &a, Span::default(), &mut diags);
        note(&error, &b, Span::default(), &mut diags);
        let told = diags.sorted().into_iter().map(|d| (d.source.path.to_str(), d.message.as_str(), d.label.as_deref()));
        let once = Some("the same in b.yaml, c.yaml");
        assert_eq!(
            told.collect::<Vec<_>>(),
            [
                (Some("a.yaml"), "`TAG` is not set", once),
                (Some("a.yaml"), "no healthcheck", None),
                (Some("b.yaml"), "another", None),
                (Some("b.yaml"), "no healthcheck", None),
            ]
        );
    }
}
