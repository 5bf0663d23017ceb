//! RB202: placeholders that bash takes for redirections.

use super::{Check, Explain, Page, Report, Rule};
use crate::runbook::look::Quoting;
use std::collections::HashSet;

pub(super) const RULE: Rule = Rule {
    id: "RB202",
    level: None,
    title: "an unquoted `<x>` in shell: bash reads it as a redirection",
    explain: Explain {
        finds: "Placeholders like `<pod>` outside of quotes, the first of each name on a page. Firedrill fills them in, \
                and so does a careful reader. It is `info` because most authors write them on purpose.",
        why: "Pasted as it stands, `kubectl logs <pod> -n shop` reads from a file `pod` and writes into a file `-n`. \
              Mostly bash stops with \"No such file\", but where a file or folder of that name exists, the command runs \
              with other arguments than the page shows, and truncates what stands behind the `>`. A variable that is set \
              first cannot be pasted by accident.",
        bad: "\
## Mitigation

```bash
kubectl delete pod <pod> -n shop
```
",
        good: "\
## Mitigation

```bash
POD='<pod>'
kubectl delete pod \"$POD\" -n shop
```
",
    },
    check: Check::Page(check),
};

fn check(page: &Page<'_>, report: &mut Report<'_>) {
    let mut known: HashSet<&str> = HashSet::new();
    for shell in page.commands() {
        for input in &shell.command.inputs {
            let bare = shell.quoting(input.span.start) == Quoting::Bare && input.spelling.starts_with('<');
            if !bare || !known.insert(&input.name) {
                continue;
            }
            let inner = input.spelling.trim_matches(['<', '>']);
            let text = shell.command.text.as_str();
            let behind = text.get(input.span.end..).unwrap_or_default();
            let file = inner.split(' ').next().unwrap_or_default();
            // The next word, up to where bash ends it.
            let next = behind.trim_start_matches([' ', '\t', '\r']);
            let target = next.split([' ', '\t', '\r', '\n', '|', '&', ';', '(', ')', '<', '>']).next();
            let means = match target.filter(|word| !word.is_empty() && !word.starts_with(['\\', '#'])) {
                Some(target) => format!("bash reads from a file `{file}` and writes into a file `{target}`"),
                None => format!("bash reads from a file `{file}`, or stops with a syntax error"),
            };
            let variable = input.name.to_uppercase();
            report
                .at(shell.place(input.span), format!("`{}` is not quoted: pasted as it is, {means}", input.spelling))
                .help(format!("set it first, `{variable}='{}'`, and write `\"${variable}\"` here", input.spelling));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::RULE;

    cases! {
        bad: [
            "# T\n\n```bash\nkubectl logs <pod> -n <ns>\nkubectl delete pod <pod>\n```\n" => [(4, 14), (4, 23)],
            "# T\n\n- ```console\n  $ docker rm <id>\n  ```\n" => [(4, 15)],
        ],
        good: [
            "# T\n\n```bash\nkubectl logs \"<pod>\" '<a b>' {x} $Y\npsql <<EOF\nselect <id>;\nEOF\n```\n",
            "# T\n\n```bash\npsql < dump.sql > out.log\n# see <page>\n```\n",
            "# T\n\n```yaml\na: <b>\n```\n\nCall <name>.\n",
        ],
    }
}
