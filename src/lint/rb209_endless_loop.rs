//! RB209: a loop that waits for something that may never come.

use super::{FindingReport, LintPage};
use crate::bash::{Expansion, Statement, StatementKind};
use crate::runbook::look::PageCommand;
use crate::source::Span;

pub(super) fn check(page: &LintPage<'_>, report: &mut FindingReport<'_>) {
    for shell in page.commands() {
        for looping in endless(shell) {
            let text = shell.command.text.get(looping.start..looping.end).unwrap_or_default();
            let head = text.find(['\n', ';']).unwrap_or(text.len());
            let place = shell.place(Span::new(looping.start, looping.start + head));
            report
                .at(place, "this loop waits without a limit")
                .help("say when to give up: `timeout 120 bash -c '…'`, or count the attempts");
        }
    }
}

/// The loops of a command that sleep and have no end, those inside of others left out.
fn endless(shell: &PageCommand<'_>) -> Vec<Span> {
    let mut found: Vec<Span> = Vec::new();
    for looping in shell.script().all() {
        let inside = found.last().is_some_and(|outer| looping.span.start < outer.end);
        if inside || !matches!(looping.kind, StatementKind::Loop { .. }) {
            continue;
        }
        let all = Statement::all(std::slice::from_ref(looping));
        let sleeps = all.iter().filter_map(|statement| statement.simple()).any(|command| command.first() == "sleep");
        if sleeps && !all.iter().any(|statement| ends(statement)) {
            found.push(looping.span);
        }
    }
    found
}

/// Whether it ends some day, or ends what it stands in: counts, clocks, `read`.
fn ends(statement: &Statement) -> bool {
    const ENDING: [&str; 7] = ["break", "exit", "return", "read", "timeout", "[", "test"];
    let computes = |expansion: &&Expansion| matches!(expansion, Expansion::Arithmetic(_));
    match &statement.kind {
        StatementKind::Arithmetic(_) | StatementKind::Test(_) => true,
        StatementKind::Simple(command) => {
            ENDING.contains(&command.first())
                || command.words.iter().any(|word| word.raw == "break")
                || statement.expansions().iter().any(computes)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    cases! {
        rb209,
        bad: [
            "# T\n\n```bash\nls\nwhile true; do ls; sleep 1; done\n```\n" => [(5, 1)],
            "# T\n\n```bash\nx && until curl -f y\ndo\n  sleep 5\ndone\n```\n" => [(4, 6)],
        ],
        good: [
            "# T\n\n```bash\nfor i in 1 2; do sleep 1; done\n```\n",
            "# T\n\n```bash\nwhile true; do curl x && break; sleep 1; done\n```\n",
            "# T\n\n```bash\nwhile [ $SECONDS -lt 60 ]; do sleep 1; done\n```\n",
            "# T\n\n```bash\nget | while read -r x; do echo $x; sleep 1; done\n```\n",
            "# T\n\n```bash\nuntil curl x || ((++n > 5)); do sleep 1; done\n```\n",
        ],
    }
}
