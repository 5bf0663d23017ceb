//! RB205: shell in a block that does not say so.

use super::{Check, Explain, Page, Report, Rule};
use crate::runbook::look::{Fence, Reading};
use crate::source::Level;

pub(super) const RULE: Rule = Rule {
    id: "RB205",
    level: Some(Level::Warning),
    title: "an untagged block that looks like shell, or commands outside of any block",
    explain: Explain {
        finds: "Fences without a language whose commands are shell by the grammar, the first and at least half of them \
                programs that runbooks use. Indented blocks and what shows a program's output are left alone. Paragraphs that hold nothing but \
                commands are found as well, the first of a page.",
        why: "Without a tag nobody can be sure that it is to be run: a person has to decide about each of its commands before \
              a drill follows them. Readers lose the colours, and whoever searches for commands does not find it.",
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
    bare(page, report);
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
            false => "this block looks like shell, but has no language, and is not followed",
        };
        report.at(page.first_line(fence.span), what).help(format!("begin it with `{tag}` behind the fence, or `text` if it is not to be run"));
    }
}

/// The first command of a page that stands in its text.
fn bare(page: &Page<'_>, report: &mut Report<'_>) {
    let Some(first) = page.unfenced().next() else { return };
    let found = report.at(page.line_of(first), "this command stands in the text: no reader can copy it safely");
    found.help("put it into a block of its own, between lines with three backticks, tagged `bash`");
    let all = page.unfenced().count();
    if all > 1 {
        found.label(format!("one of {all}"));
    }
}

fn is_shell(page: &Page<'_>, fence: &Fence) -> bool {
    let Some(pieces) = fence.pieces(&page.grammar) else { return false };
    let known = pieces.iter().filter(|piece| piece.known).count();
    pieces.first().is_some_and(|first| first.known) && 2 * known >= pieces.len()
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
