//! Runbooks that change data while nobody looks whether they destroy any: SLIs are met by an empty store as well.

use super::Plan;
use crate::programs::{EffectKind, changes_data};
use crate::record::Verdict;
use crate::runbook::{Command, Runbook, RunbookPhase};
use crate::source::{Diagnostics, Pos, Source, Span};
use std::sync::Arc;

impl Plan {
    /// The first command that changes data in a drill of which no invariant and no restore says what must survive it.
    pub fn unwatched_change(&self) -> Option<(&Runbook, &Command)> {
        let looked_at = !self.invariants.is_empty() || self.restore.is_some() || self.expect != Verdict::Passed;
        let runbook = self.runbook.as_ref().filter(|_| !looked_at)?;
        let helps = |phase| matches!(phase, RunbookPhase::Mitigate | RunbookPhase::Rollback | RunbookPhase::Other);
        let steps = runbook.select(&self.respond.phases).filter(|step| helps(step.phase));
        let mut commands = steps.flat_map(|step| {
            let runs = |command: &&Command| step.settings(command.block).skip.is_none() && command.by_hand.is_none();
            step.commands().iter().filter(runs)
        });
        let changes = |command: &&Command| {
            command.effect().kind != EffectKind::Looks && changes_data(&command.text, !command.is_shell())
        };
        commands.find(changes).map(|command| (runbook, command))
    }
}

/// The file in which a command stands, and its first line there.
pub(super) fn first_line<'r>(runbook: &'r Runbook, command: &'r Command) -> (&'r Arc<Source>, Span) {
    let file = command.origin.as_ref().unwrap_or(&runbook.source);
    let start = file.offset(Pos { line: command.line, column: command.column });
    let first = command.text.lines().next().unwrap_or_default().len();
    (file, Span::new(start, (start + first).min(file.text.len())))
}

/// Warns of such a command.
pub fn check_data(plan: &Plan, diags: &mut Diagnostics) {
    let Some((runbook, command)) = plan.unwatched_change() else { return };
    let (file, span) = first_line(runbook, command);
    let scenario = plan.source.path.display();
    let message =
        format!("this changes data, and {scenario} has no `invariants`: a cure that destroys data would pass");
    diags.warning(file, span, message).help(
        "say what must survive it: `invariants: { orders-kept: { service: db, run: psql -Atc \"SELECT count(*) FROM orders\", value: \">= 100\" } }`",
    );
}
