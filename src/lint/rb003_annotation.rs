//! RB003: an annotation that says nothing to anybody. The parser of runbooks finds it.

use super::{Check, Explain, Page, Report, Rule};
use crate::source::Level;

pub(super) const RULE: Rule = Rule {
    id: "RB003",
    level: Some(Level::Error),
    title: "an annotation that is malformed, orphaned, or splits a list",
    explain: Explain {
        finds: "A comment `<!-- firedrill: … -->` with an unknown key or a wrong value, one that belongs to no block and \
                no heading, and one at the margin that ends the list around it.",
        why: "An annotation cannot be seen on the page. One that does nothing goes unnoticed until a drill runs the step \
              in the wrong place, and one that splits a list changes what everybody reads.",
        bad: "\
## Mitigation

<!-- firedrill: timeot=30s -->
```bash
systemctl restart shop
```
",
        good: "\
## Mitigation

<!-- firedrill: timeout=30s -->
```bash
systemctl restart shop
```
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
            "# T\n\n<!-- firedrill: timeout=soon -->\n```bash\nls\n```\n" => [(3, 25)],
            "# T\n\n<!-- firedrill: timeout=3s -->\n\nWords.\n\n```bash\nls\n```\n" => [(3, 1)],
            "# T\n\n1. a\n\n<!-- firedrill: timeout=3s -->\n   ```bash\n   ls\n   ```\n" => [(5, 1)],
        ],
        good: [
            "# T\n\n## Fix <!-- firedrill: timeout=3s -->\n\n```bash\nls\n```\n",
            "# T\n\n1. a\n\n   <!-- firedrill: timeout=3s -->\n   ```bash\n   ls\n   ```\n",
            "# T\n\n<!-- firedrill-lint: allow RB005 reason=\"x\" -->\n<!-- a comment -->\n\nWords.\n",
        ],
    }
}
