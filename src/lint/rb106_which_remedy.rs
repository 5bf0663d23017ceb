//! RB106: a choice that is left to somebody who cannot know.

use super::words::holds;
use super::{Check, Explain, Page, Report, Rule};
use crate::programs::Kind;
use crate::runbook::{RunbookPhase, look::Shell};
use crate::source::{Level, Span};

pub(super) const RULE: Rule = Rule {
    id: "RB106",
    level: Some(Level::Warning),
    title: "several remedies, and no word about which one",
    explain: Explain {
        finds: "Several ways to mitigate (`Option A`, `Option B`) whose headings and texts do not say when to take which, \
                and one block whose comment says \"or\" between commands that change something: who pastes it runs all of them.",
        why: "Under pressure people take the first one, or all of them. Which one is right is what the author knew \
                and the reader does not.",
        bad: "\
# Queue is full

## Mitigation

```bash
kubectl rollout restart deployment/queue
# or
kubectl rollout undo deployment/queue
```
",
        good: "\
# Queue is full

## Mitigation

If it was deployed today:

```bash
kubectl rollout undo deployment/queue
```

Otherwise:

```bash
kubectl rollout restart deployment/queue
```
",
    },
    check: Check::Page(check),
};

/// Words by which people say when to take which.
const WHICH: &[&str] = &[
    "if", "when", "in case", "for", "recommended", "prefer*", "only", "first", "otherwise", "unless", "fallback", "last resort",
    "emergency", "quick*", "fast*", "slow*", "safe*", "with", "via", "using", "on", "depend*", "need*", "requires",
];

fn check(page: &Page<'_>, report: &mut Report<'_>) {
    let mut told = None;
    for shell in page.commands().iter().filter(|shell| shell.step.phase == RunbookPhase::Mitigate) {
        let governs = &shell.command.governs;
        if told.is_some() || !governs.of_several || shell.command.effect().kind != Kind::Changes {
            continue;
        }
        let says = governs.headings.iter().chain(&governs.under).any(|text| holds(text, WHICH) || text.contains('('));
        if !says {
            let heading = page.look.section(shell.place(Span::new(0, 1)).start).map_or(page.top(), |heading| heading.span);
            told = Some(heading);
        }
    }
    if let Some(heading) = told {
        report
            .at(page.first_line(heading), "this is one of several ways, and nothing says when to take which")
            .help("say in each heading, or above them, when it is the right one: `If …`");
    }
    let mut last: Option<&Shell<'_>> = None;
    for pair in page.commands().windows(2) {
        let [one, other] = pair else { continue };
        let same = page.in_one_block(one, other);
        let between = Span::new(behind(one), other.place(Span::new(0, 1)).start);
        let is_or = |line: &str| {
            let said = line.trim_start().strip_prefix('#').map(|said| said.trim_matches(['#', ' ', ':', '-']).to_lowercase());
            said.is_some_and(|said| said == "or" || said.starts_with("or ") && !said.starts_with("or else") || said.starts_with("or:") || said.starts_with("alternatively"))
        };
        if let Some(line) = page.text(between).lines().find(|line| is_or(line)).filter(|_| same && !last.is_some_and(|last| page.in_one_block(last, one)))
            && [one, other].iter().all(|shell| shell.command.effect().kind == Kind::Changes)
        {
            last = Some(one);
            let start = line.as_ptr() as usize - page.source.text.as_ptr() as usize;
            let message = "this block holds several ways to do it: who pastes it runs all of them";
            report.at(page.first_line(Span::new(start, start + line.len())), message).help("give each way a block of its own, and say above it when it is the right one");
        }
    }
}

/// Where a command ends in the file.
fn behind(shell: &Shell<'_>) -> usize {
    shell.place(Span::new(0, shell.command.text.len())).end
}

#[cfg(test)]
mod tests {
    use super::RULE;

    cases! {
        bad: [
            "# T\n\n## Fix\n\n### Option A\n\n```bash\nkubectl rollout undo deploy/x\n```\n\n### Option B\n\n```bash\nkubectl rollout restart deploy/x\n```\n" => [(5, 1)],
            "# T\n\n## Fix\n\n```bash\nkubectl rollout undo deploy/x\n\n# Or:\nkubectl rollout restart deploy/x\n```\n" => [(8, 1)],
        ],
        good: [
            "# T\n\n## Fix\n\n### Option A: if it is new\n\n```bash\nkubectl rollout undo deploy/x\n```\n\n### Option B: otherwise\n\n```bash\nkubectl rollout restart deploy/x\n```\n",
            "# T\n\n## Fix\n\n```bash\nkubectl get pods\n# or\nkubectl get deploy\n```\n",
            "# T\n\n## Fix\n\n```bash\nkubectl rollout undo deploy/x\n# order matters\nkubectl rollout restart deploy/x\n```\n",
        ],
    }
}
