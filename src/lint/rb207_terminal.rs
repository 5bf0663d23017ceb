//! RB207: a terminal with prompts and output in a block that says it is a script.

use super::{Check, Explain, Page, Report, Rule};
use crate::source::Level;

pub(super) const RULE: Rule = Rule {
    id: "RB207",
    level: Some(Level::Warning),
    title: "prompts and output mixed in a `bash` block",
    explain: Explain {
        finds: "Blocks tagged `bash`, `sh` or `shell` that show a terminal: output below the commands, or a session of \
                another program. Prompts alone are left alone.",
        why: "The block cannot be copied as a whole: bash answers \"$: command not found\", and runs lines of output as \
              commands. `console` says that this is a terminal, and tools take prompts and output apart.",
        bad: "\
## Diagnosis

```bash
$ kubectl get pods
NAME   READY
shop   0/1
```
",
        good: "\
## Diagnosis

```console
$ kubectl get pods
NAME   READY
shop   0/1
```
",
    },
    check: Check::Page(check),
};

fn check(page: &Page<'_>, report: &mut Report<'_>) {
    if page.has_open_fence() {
        return;
    }
    for fence in page.look.fences.iter().filter(|fence| fence.is_shell()) {
        let terminal = fence.terminal(&page.grammar);
        let what = match (&terminal.other, terminal.prompts, terminal.output) {
            (Some(prompt), ..) => format!("this block is tagged `{}`, but shows a session (prompt `{prompt}`)", fence.tag),
            (None, true, true) => format!("this block is tagged `{}`, but has prompts and output", fence.tag),
            (None, false, true) => format!("this block is tagged `{}`, but holds output that bash would run", fence.tag),
            (None, _, false) => continue,
        };
        let help = match (terminal.prompts, terminal.output) {
            (false, true) => "put the output into a `text` block of its own".to_string(),
            _ => format!("tag it `console` instead of `{}`, or put the output into a `text` block of its own", fence.tag),
        };
        report.at(page.first_line(fence.span), what).help(help);
    }
}

#[cfg(test)]
mod tests {
    use super::RULE;

    cases! {
        bad: [
            "# T\n\n```bash\n$ kubectl get po\nNAME\n```\n" => [(3, 1)],
            "# T\n\n1. a\n   ```sh\n   $ ls\n   a\n   ```\n" => [(4, 4)],
            "# T\n\n```shell\ncurl x\n# Expected output:\n{\n  \"a\": 1\n}\n```\n" => [(3, 1)],
            "# T\n\n```bash\nshop=# SELECT 1;\n```\n" => [(3, 1)],
        ],
        good: [
            "# T\n\n```console\n$ kubectl get po\nNAME\n```\n",
            "# T\n\n```bash\necho $HOME\n# Expected output: 3\nls\n```\n",
            "# T\n\n```\n$ ls\na\n```\n",
            "# T\n\n```sh\n$ ls\n```\n",
        ],
    }
}
