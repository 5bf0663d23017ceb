//! RB102: a runbook that changes something and never looks whether it helped.

use super::words::holds;
use super::{Check, Explain, Page, Report, Rule};
use crate::programs::Kind;
use crate::report::many;
use crate::runbook::look::TextKind;
use crate::runbook::RunbookPhase;
use crate::source::{Level, Span};

pub(super) const RULE: Rule = Rule {
    id: "RB102",
    level: Some(Level::Warning),
    title: "nothing that verifies the recovery",
    explain: Explain {
        finds: "A runbook whose mitigation has commands, without a verification section, without a word about checking \
                or watching in or after the mitigation, and whose last command does not look at anything. A section that only says \"check\" must also say \
                what is expected. As `info`, sections that change something without a look at what came of it, where most have one.",
        why: "Without it the incident is over when the last command returns, not when users are back. Whoever was woken \
              up goes to bed, and is woken up again.",
        bad: "\
# Checkout is down

## Mitigation

```bash
kubectl rollout restart deployment/checkout
```
",
        good: "\
# Checkout is down

## Mitigation

```bash
kubectl rollout restart deployment/checkout
```

## Verification

```bash
curl -fsS https://shop.example.com/checkout/health
```
",
    },
    check: Check::Page(check),
};

/// Words by which people say that something is to be looked at.
const LOOKS: &[&str] = &[
    "verif*", "check*", "confirm*", "validat*", "ensure*", "make sure", "monitor*", "watch*", "observe*", "test*",
    "wait until", "wait for", "should now", "should be", "should return", "should recover", "inspect*", "resolves",
    "recovers", "is back", "smoke",
];

/// Words in the heading of a section that verifies; one that only says `check` must also say what is expected.
const VERIFIES: &[&str] =
    &["verif*", "validat*", "confirm*", "recover*", "resolved", "health*", "smoke", "success*", "test*", "post-*", "after"];

/// A section that changes something, and whether its last command looks at what comes of it.
struct Change {
    at: Span,
    looks: bool,
}

fn check(page: &Page<'_>, report: &mut Report<'_>) {
    use RunbookPhase::{Mitigate, Other, Verify};
    let mut changes: Vec<Change> = Vec::new();
    for command in page.commands().iter().filter(|command| command.step.phase == Mitigate) {
        let place = command.place(Span::new(0, 1)).start;
        let kind = command.command.effect().kind;
        let looks = command.command.expected.is_some() || kind == Kind::Looks;
        match changes.last_mut().filter(|change| place < change.at.end) {
            Some(change) => change.looks = looks,
            None if kind == Kind::Changes => changes.push(Change { at: page.own_section(place), looks }),
            None => {}
        }
    }
    if changes.is_empty() {
        let unfenced = page.unfenced().filter(|command| command.effect().kind == Kind::Changes);
        changes.extend(unfenced.map(|command| Change { at: page.line_of(command), looks: false }));
    }
    let Some(first) = changes.first() else { return };
    let said = |from: usize, to: usize| {
        let within = |at: usize| (from..to).contains(&at);
        page.look.texts.iter().any(|text| within(text.span.start) && text.kind != TextKind::Heading && holds(text.text(), LOOKS))
            || page.look.fences.iter().filter(|fence| within(fence.span.start)).any(|fence| {
                fence.text().lines().any(|line| line.trim_start().starts_with('#') && holds(line, LOOKS))
            })
    };
    let mut verifying = page.look.headings.iter().filter(|heading| heading.phase == Verify);
    let verifies = verifying.any(|heading| {
        let within = heading.span.end..heading.section_end;
        let says = page.look.texts.iter().any(|text| within.contains(&text.span.start) && text.kind != TextKind::Heading);
        let expects = page.commands().iter().any(|shell| {
            shell.command.expected.is_some() && within.contains(&shell.place(Span::new(0, 1)).start)
        });
        holds(&heading.text, VERIFIES) || says && page.unfenced().next().is_none() || expects
    });
    let missing: Vec<&Change> = changes.iter().filter(|change| !change.looks && !said(change.at.start, change.at.end)).collect();
    if verifies || missing.is_empty() {
        return;
    }
    if missing.len() < changes.len() {
        // What is no mitigation by its heading may be there for another reason.
        let named: Vec<_> = missing.iter().filter(|change| page.look.phase(change.at.start) == Mitigate).collect();
        let most = missing.len() * 2 > changes.len();
        if let Some(first) = named.first().filter(|_| !most) {
            let found = report.at(page.first_line(first.at), "nothing says how to see whether this has worked");
            found.help("say what to look at, and what it must show");
            found.level = Level::Info;
            if named.len() > 1 {
                found.label(format!("here, and in {}", many(named.len() - 1, "other section")));
            }
        }
        return;
    }
    let after = page.look.headings.iter().filter(|heading| heading.section_end > first.at.start);
    let elsewhere = after.filter(|heading| matches!(heading.phase, Mitigate | Other)).any(|heading| said(heading.span.end.max(first.at.start), heading.section_end));
    if !elsewhere && !said(first.at.start, first.at.end) {
        let heading = page.look.section(first.at.start).map_or(page.top(), |heading| heading.span);
        report
            .at(page.first_line(heading), "nothing in this runbook tells whether the mitigation has helped")
            .help("add `## Verification` with a command that fails as long as users are not back, and say what it must show");
    }
}

#[cfg(test)]
mod tests {
    use super::RULE;

    cases! {
        bad: [
            "# T\n\n## Fix\n\n```bash\nsystemctl restart x\n```\n" => [(3, 1)],
            "# T\n\n## Diagnosis\n\nCheck it.\n\n## Fix\n\nRestart it.\n\n```bash\nkubectl get pods\nkubectl delete pod x\n```\n" => [(7, 1)],
        ],
        good: [
            "# T\n\n## Fix\n\n```bash\nsystemctl restart x\n```\n\n## Verify\n\nLook.\n",
            "# T\n\n## Fix\n\n```bash\nsystemctl restart x\nsystemctl status x\n```\n",
            "# T\n\n## Fix\n\n```bash\nsystemctl restart x\n```\n\nWatch the error rate for five minutes.\n",
            "# T\n\n## Fix\n\n```bash\n# restart, then check\nsystemctl restart x\n```\n",
            "# T\n\n## Fix\n\nRestart it by hand.\n",
            "# T\n\n## Fix\n\n```console\n$ systemctl restart x\nok\n```\n",
        ],
    }
}
