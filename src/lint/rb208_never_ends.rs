//! RB208: commands that wait for somebody to type, or that never end.

use super::around::{Surroundings, Taker};
use super::{Check, Explain, Page, Report, Rule};
use crate::programs::Kind;
use crate::runbook::look::Shell;
use crate::runbook::{Waits, words_wait};
use crate::source::Level;

pub(super) const RULE: Rule = Rule {
    id: "RB208",
    level: Some(Level::Warning),
    title: "a command that never ends, or opens an editor, above others of its block",
    explain: Explain {
        finds: "Commands that go on until they are killed (`logs -f`, `watch`, `port-forward`, `top`) or open an editor (`kubectl \
                edit`), above others of the same block that change something; the first of each block. What is in the background, \
                behind `timeout` or cut short by `head`, cheat sheets of commands that only look, and sessions in which the rest is typed \
                (`ssh`, `psql`) are left alone.",
        why: "What is written behind such a command is not run before somebody ends it, or types it by hand at the \
              prompt. A page that says what to look for and when to stop can be followed by anybody, and by Firedrill.",
        bad: "\
## Diagnosis

```bash
kubectl logs -f deploy/shop
kubectl rollout restart deploy/shop
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

const EDITED: &str = "give the change itself: a patch, `sed -i`, a file that is copied";
const ENDED: &str =
    "look once (`--tail=100`, `--since=10m`, a count), say how long (`timeout 60 …`), or put it into the background with `&`";

fn check(page: &Page<'_>, report: &mut Report<'_>) {
    let mut told: Option<&Shell<'_>> = None;
    for (index, shell) in page.commands().iter().enumerate() {
        let background = shell.step.settings(shell.command.block).background == Some(true);
        if background || told.is_some_and(|told| page.in_one_block(told, shell)) {
            continue;
        }
        // What is the last of its block, or stands above nothing but other looks, keeps nobody from anything.
        let rest = page.commands().get(index + 1..).unwrap_or_default().iter().take_while(|next| page.in_one_block(shell, next));
        let mut acts = rest.filter(|next| next.command.effect().kind == Kind::Changes);
        let mut surroundings = None;
        for call in shell.calls().iter().filter(|call| words_wait(&call.words, false).is_some()) {
            let around = surroundings.get_or_insert_with(|| Surroundings::of(shell)).of_call(call);
            let (name, what, help) = match words_wait(&call.words, around.fed) {
                // What stands below a session is what is to be typed in it.
                Some(Waits::Session(_)) | None => continue,
                Some(Waits::Editor(name)) => (name, "opens an editor", EDITED),
                // What ends its output ends it as well.
                Some(Waits::Forever(_)) if around.background || around.cut => continue,
                Some(Waits::Forever(name)) => (name, "never ends by itself", ENDED),
            };
            let of_command = |from: usize| shell.command.line + shell.command.text.get(..from).unwrap_or_default().matches('\n').count();
            let own = shell.calls().iter().find(|next| next.span.start > call.span.end && matches!(around.taker, Taker::Nobody));
            let next = own.map(|next| of_command(next.span.start)).or_else(|| acts.next().map(|next| next.command.line));
            if let Some(line) = next {
                let message = format!("`{name}` {what}: line {line} of this block waits for that");
                report.at(shell.place(call.span), message).help(help);
                told = Some(shell);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::RULE;

    cases! {
        bad: [
            "# T\n\n```bash\nls\nkubectl logs -f x | grep y\nsystemctl restart x\n```\n" => [(5, 1)],
            "# T\n\n```bash\nsudo tail -f x && kubectl edit y\n```\n" => [(4, 1)],
            "# T\n\n- ```console\n  $ tail -f x 2>/dev/null\n  $ systemctl restart x\n  ```\n" => [(4, 5)],
            "# T\n\n```bash\nkubectl edit x\ntail -f y\nsystemctl restart x\n```\n" => [(4, 1)],
        ],
        good: [
            "# T\n\n```bash\nssh web1\nsudo systemctl restart x\n```\n",
            "# T\n\n```bash\nls\nkubectl logs -f x | grep y\n```\n\n```bash\nsystemctl restart x\n```\n",
            "# T\n\n```bash\nkubectl get pods -w\nkubectl get nodes\n```\n",
            "# T\n\n```bash\ntimeout 30 kubectl logs -f x\nkubectl logs -f x | head -5\nkubectl port-forward x 80 &\n```\n",
            "# T\n\n```bash\nkubectl port-forward x 80 > /dev/null 2>&1 &\n(tail -f x) &\n```\n",
            "# T\n\n```bash\npsql <<EOF\nselect 1;\nEOF\necho 'select 1' | psql\npsql -U shop < x.sql\nmysql <<< 'select 1'\n```\n",
            "# T\n\n```bash\nsudo -u postgres psql -c 'select 1'\ndocker exec -i db psql < x.sql\n```\n",
            "# T\n\n<!-- firedrill: background -->\n```bash\nkubectl port-forward x 80\n```\n",
            "# T\n\n```yaml\ncommand: top\n```\n\nRun `top`.\n",
        ],
    }
}
