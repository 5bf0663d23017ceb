//! RB205: shell in a block that does not say so.

use super::{Check, Explain, Page, Report, Rule};
use crate::runbook::look::{Fence, Reading};
use crate::source::{Level, Span};

pub(super) const RULE: Rule = Rule {
    id: "RB205",
    level: Level::Warning,
    title: "an untagged block that looks like shell",
    explain: Explain {
        finds: "Fences without a language whose commands are shell by the grammar, the first and at least half of them \
                programs that runbooks use. Indented blocks and what shows a program's output are left alone.",
        why: "Without a tag Firedrill has to guess: a block in which one line is no command that it knows is data, and is \
              not followed. Readers lose the colours, and whoever searches for commands does not find it.",
        bad: "\
## Mitigation

```
kubectl rollout restart deploy/shop
wait-for-shop --healthy
```
",
        good: "\
## Mitigation

```bash
kubectl rollout restart deploy/shop
wait-for-shop --healthy
```
",
    },
    check: Check::Page(check),
};

fn check(page: &Page<'_>, report: &mut Report<'_>) {
    for fence in page.look.fences.iter().filter(|fence| fence.fenced && fence.info.trim().is_empty()) {
        let terminal = fence.terminal(&page.grammar);
        if terminal.other.is_some() {
            continue;
        }
        let runs = matches!(fence.reading, Reading::Run | Reading::Held);
        if !runs && !is_shell(page, fence) {
            continue;
        }
        let tag = if terminal.prompts { "console" } else { "bash" };
        let what = match runs {
            true => "this block has no language, and holds shell",
            false => "this block looks like shell, but has no language, and nobody runs it",
        };
        report.at(opening(page, fence), what).help(format!("begin it with `{tag}` behind the fence, or `text` if it is not to be run"));
    }
}

fn is_shell(page: &Page<'_>, fence: &Fence) -> bool {
    let Some(pieces) = fence.pieces(&page.grammar) else { return false };
    let known = pieces.iter().filter(|piece| piece.known).count();
    pieces.first().is_some_and(|first| first.known) && 2 * known >= pieces.len()
}

/// The first line of a fence.
pub(super) fn opening(page: &Page<'_>, fence: &Fence) -> Span {
    let line = page.text(fence.span).lines().next().unwrap_or_default().trim_end();
    Span::new(fence.span.start, fence.span.start + line.len())
}

#[cfg(test)]
mod tests {
    use super::RULE;

    cases! {
        bad: [
            "# T\n\n```\nkubectl get pods\n```\n" => [(3, 1)],
            "# T\n\n- a\n\n  ~~~\n  $ frobnicate\n  ~~~\n" => [(5, 3)],
            "# T\n\n```\nsystemctl restart shop\nfrobnicate <x>\n```\n" => [(3, 1)],
        ],
        good: [
            "# T\n\n```text\nkubectl get pods\n```\n\n    kubectl get pods\n",
            "# T\n\n```\nNAME  READY\nweb   1/1\n```\n",
            "# T\n\n```\nTo restart (all of it), say so\n```\n\n```\nhost all all (trust\n```\n",
            "# T\n\n```\nfrobnicate\nkubectl get pods\n```\n",
            "# T\n\n```\nshop=# SELECT 1;\n```\n",
        ],
    }
}
