//! RB001: a fence that never ends. The parser of runbooks finds it.

use super::{Check, Explain, Page, Report, Rule};
use crate::source::Level;

pub(super) const RULE: Rule = Rule {
    id: "RB001",
    level: Some(Level::Error),
    title: "a fence that never ends",
    explain: Explain {
        finds: "A code block whose closing fence is missing or indented differently, and one that runs into the next.",
        why: "Everything up to the next fence, headings and all, becomes part of the block. On the rendered page the \
              mitigation is grey text in a box, and nobody can paste it.",
        bad: "\
## Diagnosis

```bash
kubectl get pods

## Mitigation

Restart the pod.
",
        good: "\
## Diagnosis

```bash
kubectl get pods
```

## Mitigation

Restart the pod.
",
    },
    check: Check::Page(check),
};

fn check(page: &Page<'_>, report: &mut Report<'_>) {
    report.of_the_parser(page);
}

#[cfg(test)]
mod tests {
    use super::RULE;

    cases! {
        bad: [
            "# T\n\n```bash\nls\n" => [(3, 1)],
            "# T\n\n1. a\n   ```bash\n   ls\n\n```\n" => [(4, 4), (7, 1)],
            "# T\n\n```bash\nls\n\n```bash\npwd\n```\n" => [(3, 1)],
        ],
        good: [
            "# T\n\n```bash\nls\n```\n\n~~~\nx\n~~~\n",
            "# T\n\n> ```bash\n> ls\n> ```\n",
            "# T\n\n````markdown\n```bash\nls\n```\n````\n",
        ],
    }
}
