//! RB208: commands that wait for somebody to type, or that never end.

use super::around::Surroundings;
use super::{Check, Explain, Page, Report, Rule};
use crate::runbook::look::Call;
use crate::runbook::{Waits, words_wait};
use crate::source::Level;

pub(super) const RULE: Rule = Rule {
    id: "RB208",
    level: Some(Level::Warning),
    title: "interactive or never-ending (`edit`, `-it`, `logs -f`, bare `psql`, `ssh`)",
    explain: Explain {
        finds: "Commands within a block that keep what stands below them from being run: those that need somebody at a terminal (editors, pagers, `psql`, `ssh` or a shell in a container with \
                nothing to run) and those that go on until they are killed (`logs -f`, `watch`, `port-forward`). What is \
                in the background, behind `timeout` or cut short by `head`, the last command of a block, and clients that get their input from a pipe \
                or a here-document, are left alone.",
        why: "What is written behind such a command is not run before somebody ends it, or types it by hand at the \
              prompt. A page that says what to look for and when to stop can be followed by anybody, and by Firedrill.",
        bad: "\
## Diagnosis

```bash
kubectl logs -f deploy/shop
kubectl get events
```
",
        good: "\
## Diagnosis

```bash
kubectl logs deploy/shop --since=10m
```
",
    },
    check: Check::Page(check),
};

const TOLD: &str = "say what to run there: behind the command, by `-c`, or in a here-document";
const EDITED: &str = "give the change itself: a patch, `sed -i`, a file that is copied";
const ENDED: &str =
    "look once (`--tail=100`, `--since=10m`, a count), say how long (`timeout 60 …`), or put it into the background with `&`";

fn check(page: &Page<'_>, report: &mut Report<'_>) {
    for (index, shell) in page.commands().iter().enumerate() {
        if shell.step.settings(shell.command.block).background == Some(true) {
            continue;
        }
        // What is the last of its block keeps nothing from being run.
        let after = page.commands().get(index + 1);
        let goes_on = after.filter(|next| page.in_one_block(shell, next));
        let mut surroundings = None;
        // Whatever feeds it: of most calls nothing more has to be known.
        let may_wait = |call: &&Call<'_>| [false, true].iter().any(|fed| words_wait(&call.words, *fed).is_some());
        for call in shell.calls().iter().filter(may_wait) {
            let around = surroundings.get_or_insert_with(|| Surroundings::of(shell)).of_call(call);
            let (name, what, help) = match words_wait(&call.words, around.fed) {
                Some(Waits::Session(name)) => (name, "waits for somebody to type", TOLD),
                Some(Waits::Editor(name)) => (name, "waits for somebody to type", EDITED),
                // What ends its output ends it as well.
                Some(Waits::Forever(name)) if !around.background && !around.cut => (name, "never ends by itself", ENDED),
                _ => continue,
            };
            let own = shell.calls().iter().find(|next| next.span.start > call.span.end && around.taker.is_nobody());
            let next = own.map(|next| shell.command.line + shell.command.text.get(..next.span.start).unwrap_or_default().matches('\n').count());
            let Some(line) = next.or(goes_on.map(|next| next.command.line)) else { continue };
            let message = format!("`{name}` {what}: nothing of this block runs from line {line} on");
            report.at(shell.place(call.span), message).help(help);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::RULE;

    cases! {
        bad: [
            "# T\n\n```bash\nls\nkubectl logs -f x | grep y\nls\n```\n" => [(5, 1)],
            "# T\n\n```bash\nsudo tail -f x && kubectl edit y\n```\n" => [(4, 1)],
            "# T\n\n- ```console\n  $ psql -U shop 2>/dev/null\n  $ ls\n  ```\n" => [(4, 5)],
            "# T\n\n```bash\nsudo -u postgres psql\nkubectl edit x &\nls\n```\n" => [(4, 1), (5, 1)],
        ],
        good: [
            "# T\n\n```bash\nls\nkubectl logs -f x | grep y\n```\n\n```bash\nls\n```\n",
            "# T\n\n```bash\ntimeout 30 kubectl logs -f x\nkubectl logs -f x | head -5\nkubectl port-forward x 80 &\n```\n",
            "# T\n\n```bash\nkubectl port-forward x 80 > /dev/null 2>&1 &\n(tail -f x) &\n```\n",
            "# T\n\n```bash\npsql <<EOF\nselect 1;\nEOF\necho 'select 1' | psql\npsql -U shop < x.sql\nmysql <<< 'select 1'\n```\n",
            "# T\n\n```bash\nsudo -u postgres psql -c 'select 1'\ndocker exec -i db psql < x.sql\n```\n",
            "# T\n\n<!-- firedrill: background -->\n```bash\nkubectl port-forward x 80\n```\n",
            "# T\n\n```yaml\ncommand: top\n```\n\nRun `top`.\n",
        ],
    }
}
