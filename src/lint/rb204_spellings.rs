//! RB204: one thing to fill in, under several names.

use super::{Check, Explain, Page, Report, Rule};
use crate::runbook::Input;
use crate::source::{Level, Span};
use std::collections::{HashMap, HashSet};

pub(super) const RULE: Rule = Rule {
    id: "RB204",
    level: Some(Level::Warning),
    title: "one input spelt in several ways",
    explain: Explain {
        finds: "Inputs of one page whose names differ only in case, separators or a leading `your`: `<pod-name>`, \
                `<POD_NAME>` and `YOUR_POD_NAME`. Different marks around one name (`<pod>`, `{pod}`) are left alone, and so \
                is a variable in capitals beside a placeholder (`$POD_NAME` and `<pod-name>`). `<pod>` and `<pod-name>` \
                may be two things.",
        why: "Is `<POD_NAME>` the same pod as `<pod-name>` above? Somebody who is tired guesses, or looks up both.",
        bad: "\
## Mitigation

```bash
kubectl logs <pod-name>
kubectl delete pod <POD_NAME>
```
",
        good: "\
## Mitigation

```bash
kubectl logs <pod-name>
kubectl delete pod <pod-name>
```
",
    },
    check: Check::Page(check),
};

/// An input with its place and the name between its marks.
struct Named<'a> {
    group: &'a str,
    inner: &'a str,
    is_variable: bool,
    line: usize,
    place: Span,
}

fn check(page: &Page<'_>, report: &mut Report<'_>) {
    let mut all: Vec<Named<'_>> = Vec::new();
    for shell in page.commands() {
        for input in &shell.command.inputs {
            let (group, inner, is_variable) = (input.name.as_str(), inner(input), input.variable().is_some());
            all.push(Named { group, inner, is_variable, line: input.line, place: shell.place(input.span) });
        }
    }
    let mut firsts: HashMap<&str, &Named<'_>> = HashMap::new();
    let mut known: HashSet<(&str, &str)> = HashSet::new();
    for named in &all {
        let first = *firsts.entry(named.group).or_insert(named);
        let is_new = known.insert((named.group, named.inner)) && !std::ptr::eq(first, named);
        if is_new && !is_convention(first, named) {
            let message = format!("`{}` is `{}` of line {} in another spelling", named.inner, first.inner, first.line);
            report.at(named.place, message).label(format!("on line {}: `{}`", first.line, first.inner)).help(format!(
                "write `{}` here too; if it is something else, give it a name that says so",
                first.inner
            ));
        }
    }
}

fn inner(input: &Input) -> &str {
    input.variable().unwrap_or_else(|| input.spelling.trim_matches(['<', '>', '{', '}', ' ']))
}

/// Variables are in capitals with `_` between the words, and placeholders are not.
fn is_convention(a: &Named<'_>, b: &Named<'_>) -> bool {
    let plain = |name: &str| name.to_lowercase().replace(['-', ' '], "_");
    a.is_variable != b.is_variable && plain(a.inner) == plain(b.inner)
}

#[cfg(test)]
mod tests {
    use super::RULE;

    cases! {
        bad: [
            "# T\n\n```bash\na <pod-name>\nb <POD_NAME>\nb <POD_NAME>\n```\n" => [(5, 3)],
            "# T\n\n```bash\na <pod-name>\n```\n\n```bash\nb {podName} x\n```\n" => [(8, 3)],
        ],
        good: [
            "# T\n\n```bash\na <pod> '{pod}' {{pod}} {{ pod }}\n```\n",
            "# T\n\n```bash\na <pod-name> $POD_NAME\n```\n",
            "# T\n\n```bash\nPOD_NAME=<pod-name>\nb $POD_NAME\n```\n",
            "# T\n\n```bash\na <name> <pod> <pod-name> <pod-ip>\n```\n",
        ],
    }
}
