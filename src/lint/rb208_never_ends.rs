//! RB208: commands that wait for somebody to type, or that never end.

use super::never_ends::{Waits, name, waits};
use super::{Check, Explain, Page, Report, Rule};
use crate::runbook::look::{Call, Shell};
use crate::source::Level;
use tree_sitter::Node;

pub(super) const RULE: Rule = Rule {
    id: "RB208",
    level: Level::Warning,
    title: "interactive or never-ending (`edit`, `-it`, `logs -f`, bare `psql`, `ssh`)",
    explain: Explain {
        finds: "Commands that need somebody at a terminal (editors, pagers, `psql`, `ssh` or a shell in a container with \
                nothing to run) and those that go on until they are killed (`logs -f`, `watch`, `port-forward`). What is \
                in the background, behind `timeout` or cut short by `head`, and clients that get their input from a pipe \
                or a here-document, are left alone.",
        why: "What is written behind such a command is not run before somebody ends it, or types it by hand at the \
              prompt. A page that says what to look for and when to stop can be followed by anybody, and by Firedrill.",
        bad: "\
## Diagnosis

```bash
kubectl logs -f deploy/shop
```
",
        good: "\
## Diagnosis

```bash
kubectl logs deploy/shop --since=10m
```
",
    },
    check: Check::Page(check),
};

fn check(page: &Page<'_>, report: &mut Report<'_>) {
    for shell in page.commands() {
        if shell.step.settings(shell.command.block).background == Some(true) {
            continue;
        }
        for call in shell.calls() {
            let around = around(shell, &call);
            let (what, help) = match waits(&call.words, around.fed) {
                Some(Waits::ForPeople(help)) => ("waits for somebody to type", help),
                // What ends its output ends it as well.
                Some(Waits::ForEver(help)) if !around.background && !around.cut => ("never ends by itself", help),
                _ => continue,
            };
            report.at(shell.place(call.span), format!("`{}` {what}", name(&call.words))).help(help);
        }
    }
}

/// What stands around a call.
#[derive(Debug, Default)]
struct Around {
    /// Its standard input is a pipe, a file or a here-document.
    fed: bool,
    /// It runs in the background.
    background: bool,
    /// What reads its output ends soon.
    cut: bool,
}

fn around(shell: &Shell<'_>, call: &Call<'_>) -> Around {
    let mut around = Around::default();
    let Some(tree) = shell.tree() else { return around };
    let mut node = tree.root_node().descendant_for_byte_range(call.span.start, call.span.end);
    while let Some(here) = node {
        if here.kind() == "command" {
            around.fed |= here.named_children(&mut here.walk()).any(|part| is_input(shell, &part));
        }
        around.background |= here.next_sibling().is_some_and(|next| next.kind() == "&");
        let Some(parent) = here.parent() else { break };
        let mut cursor = parent.walk();
        match parent.kind() {
            "redirected_statement" => around.fed |= parent.named_children(&mut cursor).any(|part| is_input(shell, &part)),
            "pipeline" => {
                let parts: Vec<Node<'_>> = parent.named_children(&mut cursor).collect();
                let at = parts.iter().position(|part| part.id() == here.id()).unwrap_or_default();
                around.fed |= at > 0;
                around.cut |= parts.iter().skip(at + 1).any(|part| is_short(shell.node_text(part)));
            }
            _ => {}
        }
        node = Some(parent);
    }
    around
}

fn is_input(shell: &Shell<'_>, node: &Node<'_>) -> bool {
    let redirects = matches!(node.kind(), "file_redirect" | "herestring_redirect" | "heredoc_redirect");
    // The blanked text has a redirection where the here-document is.
    redirects && shell.blanked.get(node.start_byte()..node.end_byte()).is_some_and(|text| text.contains('<'))
}

/// Whether a part of a pipeline stops to read before its input ends: `head`, `grep -m1`, `sed /x/q`.
fn is_short(part: &str) -> bool {
    let mut words = part.split_whitespace();
    match words.next() {
        Some("head") => true,
        Some("grep" | "egrep" | "rg") => {
            words.any(|word| word.starts_with("-m") || word.starts_with("--max-count") || word == "-q")
        }
        Some("sed") => part.trim_end_matches(['\'', '"']).ends_with('q'),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::RULE;

    cases! {
        bad: [
            "# T\n\n```bash\nls\nkubectl logs -f x | grep y\n```\n" => [(5, 1)],
            "# T\n\n```bash\nsudo tail -f x && kubectl edit y\n```\n" => [(4, 1), (4, 19)],
            "# T\n\n- ```console\n  $ psql -U shop 2>/dev/null\n  ```\n" => [(4, 5)],
            "# T\n\n```bash\nsudo -u postgres psql\nkubectl edit x &\n```\n" => [(4, 1), (5, 1)],
        ],
        good: [
            "# T\n\n```bash\ntimeout 30 kubectl logs -f x\nkubectl logs -f x | head -5\nkubectl port-forward x 80 &\n```\n",
            "# T\n\n```bash\nkubectl port-forward x 80 > /dev/null 2>&1 &\n(tail -f x) &\n```\n",
            "# T\n\n```bash\npsql <<EOF\nselect 1;\nEOF\necho 'select 1' | psql\npsql -U shop < x.sql\nmysql <<< 'select 1'\n```\n",
            "# T\n\n```bash\nsudo -u postgres psql -c 'select 1'\ndocker exec -i db psql < x.sql\n```\n",
            "# T\n\n<!-- firedrill: background -->\n```bash\nkubectl port-forward x 80\n```\n",
            "# T\n\n```yaml\ncommand: top\n```\n\nRun `top`.\n",
        ],
    }
}
