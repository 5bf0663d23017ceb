//! Commands that are to change something and whose failure nobody would learn of: `curl` without `-f`, `redis-cli` into a
//! file; and conditions that hold whatever a program was answered: `until redis-cli PING`. What else programs answer with exit code 0 is judged in the drill itself.

use super::unwatched::first_line;
use crate::programs::{Call, Calls, holds_anyway, says_nothing};
use crate::runbook::{Errors, Runbook, RunbookPhase};
use crate::source::Diagnostics;

/// Warns of such commands in the steps of these phases.
pub fn warn(runbook: &Runbook, phases: &[RunbookPhase], diags: &mut Diagnostics) {
    let mut calls = Calls::of_page(runbook.source.text.len());
    let changes = |phase| matches!(phase, RunbookPhase::Mitigate | RunbookPhase::Rollback | RunbookPhase::Other);
    for step in runbook.select(phases).filter(|step| changes(step.phase) || step.phase == RunbookPhase::Verify) {
        for command in step.commands() {
            let settings = step.settings(command.block);
            let stated = settings.errors == Some(Errors::Allowed)
                || settings.expect.is_some()
                || settings.skip.is_some()
                || settings.expect_exit.is_some_and(|exit| exit != 0);
            if stated || !command.is_shell() {
                continue;
            }
            let found = |call: &Call| {
                let program = call.program();
                let silent = says_nothing(call).filter(|_| changes(step.phase)).map(|advice| {
                    (advice, format!("nobody will learn whether this fails: `{program}` exits with 0 all the same"))
                });
                silent.or_else(|| {
                    let why = format!("`{program}` exits with 0 whatever it is answered, so that the condition holds");
                    Some((holds_anyway(call)?, why))
                })
            };
            let Some((advice, message)) = calls.of(&command.masked()).iter().find_map(found) else { continue };
            let (file, span) = first_line(runbook, command);
            let help = "`expect=/…/` says what it must answer, `errors=allowed` that it is meant so";
            diags.warning(file, span, message).help(format!("{advice}; {help}"));
        }
    }
}
