//! RB102: a runbook that changes something and never looks whether it helped.

use super::words::holds;
use super::{Check, Explain, Page, Report, Rule};
use crate::runbook::RunbookPhase;
use crate::source::Level;

pub(super) const RULE: Rule = Rule {
    id: "RB102",
    level: Level::Warning,
    title: "nothing that verifies the recovery",
    explain: Explain {
        finds: "A runbook whose mitigation has commands, without a verification section, without a word about checking \
                or watching in or after the mitigation, and whose last command does not look at anything.",
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

/// Programs, or their first arguments, that only look.
const LOOKING: &[&str] = &[
    "get", "describe", "status", "logs", "top", "ps", "list", "show", "wait", "history", "curl", "wget", "ping", "dig",
    "grep", "cat", "tail", "journalctl", "df", "free", "watch", "ss", "netstat", "test", "pg_isready", "is-active",
    "check", "health", "info", "psql", "redis-cli", "jq", "amtool", "promtool",
];

fn check(page: &Page<'_>, report: &mut Report<'_>) {
    use RunbookPhase::{Mitigate, Other, Verify};
    if page.has_phase(Verify) {
        return;
    }
    let mitigating = || page.commands().iter().filter(|command| command.step.phase == Mitigate);
    let (Some(first), Some(last)) = (mitigating().next(), mitigating().next_back()) else { return };
    let from = first.step.span.start;
    let says_so = page.look.texts.iter().any(|text| {
        text.span.start >= from
            && matches!(page.look.phase(text.span.start), Mitigate | Other)
            && holds(text.text(), LOOKS)
    });
    let comments = page.look.fences.iter().any(|fence| {
        let after = fence.span.end >= from && page.look.phase(fence.span.start) == Mitigate;
        after && fence.text().lines().any(|line| line.trim_start().starts_with('#') && holds(line, LOOKS))
    });
    let looks = last.calls().iter().any(|call| call.words.iter().take(4).any(|word| LOOKING.contains(word)))
        || last.command.expected.is_some();
    if says_so || comments || looks {
        return;
    }
    let heading = page.look.section(first.step.span.start).map_or(page.top(), |heading| heading.span);
    report
        .at(heading, "nothing in this runbook looks whether the mitigation has helped")
        .help("add `## Verification` with a command that fails as long as users are not back");
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
