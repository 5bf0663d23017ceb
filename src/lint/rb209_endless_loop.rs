//! RB209: a loop that waits for something that may never come.

use super::{Check, Explain, Page, Report, Rule};
use crate::runbook::look::Shell;
use crate::source::Level;
use tree_sitter::Node;

pub(super) const RULE: Rule = Rule {
    id: "RB209",
    level: Level::Info,
    title: "a polling loop without a limit",
    explain: Explain {
        finds: "`while` and `until` loops with a `sleep` in them and neither a `break` nor a count nor a clock.",
        why: "When what it waits for does not come, it waits for ever, and the page does not say when to give up and what \
              to do then.",
        bad: "\
## Verify

```bash
until curl -fs http://shop/health; do sleep 5; done
```
",
        good: "\
## Verify

```bash
timeout 120 bash -c 'until curl -fs http://shop/health; do sleep 5; done'
```
",
    },
    check: Check::Page(check),
};

fn check(page: &Page<'_>, report: &mut Report<'_>) {
    for shell in page.commands() {
        let Some(tree) = shell.tree() else { continue };
        let mut open = vec![tree.root_node()];
        while let Some(node) = open.pop() {
            if node.kind() == "while_statement" && is_endless(shell, &node) {
                let text = shell.node_text(&node);
                let head = text.find(['\n', ';']).unwrap_or(text.len());
                let start = node.start_byte();
                report
                    .at(shell.place(crate::source::Span::new(start, start + head)), "this loop waits without a limit")
                    .help("say when to give up: `timeout 120 bash -c '…'`, or count the attempts");
                continue;
            }
            let mut cursor = node.walk();
            open.extend(node.named_children(&mut cursor));
        }
    }
}

fn is_endless(shell: &Shell<'_>, looping: &Node<'_>) -> bool {
    let (mut sleeps, mut open) = (false, vec![*looping]);
    while let Some(node) = open.pop() {
        let text = shell.node_text(&node);
        match node.kind() {
            // Counts, clocks and `read` end some day.
            "binary_expression" | "unary_expression" | "postfix_expression" | "test_command" => return false,
            "command_name" if matches!(text, "break" | "exit" | "return" | "read" | "timeout" | "[" | "test") => return false,
            "command_name" => sleeps |= text == "sleep",
            "word" if text == "break" => return false,
            _ => {}
        }
        let mut cursor = node.walk();
        open.extend(node.named_children(&mut cursor));
    }
    sleeps
}

#[cfg(test)]
mod tests {
    use super::RULE;

    cases! {
        bad: [
            "# T\n\n```bash\nls\nwhile true; do ls; sleep 1; done\n```\n" => [(5, 1)],
            "# T\n\n```bash\nx && until curl -f y\ndo\n  sleep 5\ndone\n```\n" => [(4, 6)],
        ],
        good: [
            "# T\n\n```bash\nfor i in 1 2; do sleep 1; done\n```\n",
            "# T\n\n```bash\nwhile true; do curl x && break; sleep 1; done\n```\n",
            "# T\n\n```bash\nwhile [ $SECONDS -lt 60 ]; do sleep 1; done\n```\n",
            "# T\n\n```bash\nget | while read -r x; do echo $x; sleep 1; done\n```\n",
            "# T\n\n```bash\nuntil curl x || ((++n > 5)); do sleep 1; done\n```\n",
        ],
    }
}
