//! What the resolved stack says, as mistakes and warnings at their place in the user's files: shared by `check` and
//! `scenario`.

use crate::error::Error;
use crate::source::{Diagnostics, Severity, Span, parse};
use crate::spec::{Plan, check_environment, check_services, place_in_stack};
use crate::stack::{Finding, Platform, ResolveError, ResolvedStack};
use std::collections::BTreeSet;
use std::sync::Arc;

/// Stacks that are resolved, and what there is to say about them.
pub struct StackCheck<'a> {
    /// The kind of stack.
    pub platform: &'a dyn Platform,
    /// The mistakes and warnings.
    pub diags: Diagnostics,
    /// What a person could allow and has not, as `--allow-host` calls it.
    open: BTreeSet<String>,
}

impl StackCheck<'_> {
    /// The check of stacks of this platform; `diags` has the mistakes of their plans.
    pub fn new(platform: &dyn Platform, diags: Diagnostics) -> StackCheck<'_> {
        StackCheck { platform, diags, open: BTreeSet::new() }
    }

    /// Resolves the stack of a plan and notes what only that tells: services and variables that it does not have, settings that a
    /// drill cannot or should not have, faults that it cannot have. `None` when it cannot be used.
    ///
    /// # Errors
    /// When the engine does not answer.
    pub async fn resolve(&mut self, plan: &Plan) -> Result<Option<Arc<dyn ResolvedStack>>, Error> {
        let stack = match self.platform.resolve(&plan.stack).await {
            Ok(stack) => stack,
            Err(ResolveError::Environment(error)) => return Err(error.into()),
            Err(ResolveError::Refused { findings, .. }) => {
                self.place(plan, &findings);
                return Ok(None);
            }
            Err(error) => {
                let (rejected, help) = self.platform.rejection();
                let message = format!("{rejected}: {error}");
                if !self.diags.all.iter().any(|d| d.message == message) {
                    self.diags.error(&plan.stack_source, Span::default(), message).help(help);
                }
                return Ok(None);
            }
        };
        check_services(plan, &stack.services(), &stack.hosts(), &mut self.diags);
        check_environment(plan, |service| stack.environment(service), &mut self.diags);
        for planned in &plan.faults {
            if let Some((message, help)) = planned.fault.facts.needs.as_ref().and_then(|need| stack.lacks(need)) {
                let message = format!("the fault `{}` cannot be in this stack: {message}", planned.id);
                self.diags.error(&plan.source, planned.span, message).help(help);
            }
        }
        self.place(plan, &stack.findings());
        Ok(Some(stack))
    }

    fn place(&mut self, plan: &Plan, findings: &[Finding]) {
        let stack = parse(&plan.stack_source, &mut Diagnostics::default());
        for finding in findings {
            let span = place_in_stack(stack.as_ref(), finding.service.as_deref(), &finding.key);
            let level = if finding.error { Severity::Error } else { Severity::Warning };
            let noted = self.diags.push(level, &plan.stack_source, span, &finding.message);
            noted.help.clone_from(&finding.help);
            self.open.extend(finding.right.clone());
        }
    }

    /// How to allow all that a person could allow, to be said once after the mistakes.
    pub fn consent(&self) -> Option<String> {
        if self.open.is_empty() {
            return None;
        }
        let keys: Vec<&str> = self.open.iter().map(String::as_str).collect();
        let rights = self.platform.rights();
        let asks = match rights.iter().any(|right| self.open.contains(&right.name) && !right.is_asked) {
            true => "",
            false => "; at a terminal, `firedrill scenario` asks for consent and remembers it",
        };
        Some(format!("if you trust these files, allow it in this run: `--allow-host {}`{asks}", keys.join(",")))
    }
}
