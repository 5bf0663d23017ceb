//! Commands that are to change something and whose failure nobody would learn of: `curl` without `-f`, `redis-cli` into a
//! file. What else programs answer with exit code 0 is judged in the drill itself.

use super::respond::offset;
use crate::programs::says_nothing;
use crate::runbook::{Errors, Runbook, RunbookPhase};
use crate::source::{Diagnostics, Span};

/// Warns of such commands in the steps of these phases.
pub fn warn(runbook: &Runbook, phases: &[RunbookPhase], diags: &mut Diagnostics) {
    let changes = |phase| matches!(phase, RunbookPhase::Mitigate | RunbookPhase::Rollback | RunbookPhase::Other);
    for step in runbook.select(phases).filter(|step| changes(step.phase)) {
        for command in step.commands() {
            let settings = step.settings(command.block);
            let stated = settings.errors == Some(Errors::Allowed)
                || settings.expect.is_some()
                || settings.skip.is_some()
                || settings.expect_exit.is_some_and(|exit| exit != 0);
            if stated {
                continue;
            }
            let silent = |call| Some((says_nothing(&call)?, call.program().to_string()));
            let Some((advice, program)) = command.calls().into_iter().find_map(silent) else { continue };
            let file = command.origin.as_ref().unwrap_or(&runbook.source);
            let start = offset(&file.text, command.line, command.column);
            let first = command.text.lines().next().unwrap_or_default().len();
            let span = Span::new(start, (start + first).min(file.text.len()));
            let message = format!("nobody will learn whether this fails: `{program}` exits with 0 all the same");
            diags
                .warning(file, span, message)
                .help(format!("{advice}; `expect=/…/` says what it must answer, `errors=allowed` that it is meant so"));
        }
    }
}
