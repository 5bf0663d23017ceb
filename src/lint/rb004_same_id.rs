//! RB004: two steps of one name. The parser of runbooks finds it.

use super::{Check, Explain, Page, Report, Rule};
use crate::source::Level;

pub(super) const RULE: Rule = Rule {
    id: "RB004",
    level: Some(Level::Error),
    title: "the same step id twice",
    explain: Explain {
        finds: "Two steps that are given the same id by their annotations. Ids that Firedrill makes from titles are \
                told apart by a number, and left alone.",
        why: "A scenario speaks of steps by their ids. With two of that name it changes, skips or replaces the wrong one.",
        bad: "\
## Mitigation

<!-- firedrill: id=restart -->
```bash
systemctl restart shop
```

Then the cache:

<!-- firedrill: id=restart -->
```bash
systemctl restart cache
```
",
        good: "\
## Mitigation

<!-- firedrill: id=restart-shop -->
```bash
systemctl restart shop
```

Then the cache:

<!-- firedrill: id=restart-cache -->
```bash
systemctl restart cache
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
            "## Fix\n\na:\n<!-- firedrill: id=x -->\n```bash\nls\n```\n\nb:\n<!-- firedrill: id=x -->\n```bash\npwd\n```\n"
                => [(10, 20)],
        ],
        good: [
            "## Fix\n\n1. Look\n   ```bash\n   ls\n   ```\n2. Look\n   ```bash\n   ls\n   ```\n",
        ],
    }
}
