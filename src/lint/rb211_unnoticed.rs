//! RB211: what fails and says nothing.

use super::{Check, Explain, Page, Report, Rule};
use crate::programs::{Call, Kind, goes_on_after_errors, holds_anyway};
use crate::runbook::{Calls, look::Shell};
use crate::source::{Level, Span};

pub(super) const RULE: Rule = Rule {
    id: "RB211",
    level: Some(Level::Warning),
    title: "an error that nobody notices, as the exit code is 0",
    explain: Explain {
        finds: "Conditions on a program that exits with 0 whatever it is answered (`until curl -s …`, `redis-cli ping || …`), \
                and scripts of SQL that go on after a statement that failed: `psql` with a file or its standard input, without \
                `ON_ERROR_STOP`. What each program needs to tell stands in the table of programs.",
        why: "A loop that waits for health ends at once on \"503\", and half of a migration is reported as done.",
        bad: "\
# Shop is down

## Mitigation

```bash
psql shop -f repair.sql
```
",
        good: "\
# Shop is down

## Mitigation

```bash
psql shop -v ON_ERROR_STOP=1 -f repair.sql
```
",
    },
    check: Check::Page(check),
};

fn check(page: &Page<'_>, report: &mut Report<'_>) {
    let mut reader = Calls::of_page(page.source.text.len());
    // What has none of these is neither a condition nor a script.
    const SIGNS: &[&str] = &["<", "|", "&&", "if ", "while ", "until ", " -f", " --file"];
    let may = |shell: &&Shell<'_>| shell.command.is_shell() && SIGNS.iter().any(|sign| shell.command.text.contains(sign));
    for shell in page.commands().iter().filter(may) {
        let text = shell.command.text.as_str();
        let reads = |call: &Call| {
            let file = call.arguments().iter().any(|word| word.starts_with("-f") || word.starts_with("--file"));
            file || text.contains('<') && shell.command.inputs.is_empty() || call.stage.is_some_and(|stage| stage.at > 0)
        };
        let found = reader.of(shell.command).iter().find_map(|call| {
            let program = call.program().to_string();
            let holds = || Some((holds_anyway(call)?, format!("`{program}` exits with 0 whatever it is answered, so that the condition holds")));
            let goes_on = goes_on_after_errors(call).filter(|_| reads(call) && shell.command.effect().kind != Kind::Looks);
            let goes_on = goes_on.map(|advice| (advice, format!("`{program}` goes on after a statement that failed, and exits with 0")));
            goes_on.or_else(holds)
        });
        if let Some((advice, message)) = found {
            report.at(page.first_line(shell.place(Span::new(0, text.len()))), message).help(advice);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::RULE;

    cases! {
        bad: [
            "# T\n\n```bash\nuntil curl -s http://x/health; do sleep 1; done\n```\n" => [(4, 1)],
            "# T\n\n```bash\npsql shop < repair.sql\nls\n```\n" => [(4, 1)],
            "# T\n\n```bash\ngunzip -c x.gz | psql shop\n```\n" => [(4, 1)],
        ],
        good: [
            "# T\n\n```bash\nuntil curl -sf http://x/health; do sleep 1; done\n```\n",
            "# T\n\n```bash\npsql -v ON_ERROR_STOP=1 shop < repair.sql\ncurl -s http://x/health\nredis-cli info\n```\n",
            "# T\n\n```bash\npsql shop -c 'DROP INDEX x'\n```\n",
        ],
    }
}
