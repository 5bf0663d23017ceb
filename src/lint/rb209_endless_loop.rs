//! RB209: a loop that waits for something that may never come.

use super::{Check, Explain, Page, Report, Rule};
use crate::runbook::look::Shell;
use crate::source::Span;
use tree_sitter::Node;

pub(super) const RULE: Rule = Rule {
    id: "RB209",
    level: None,
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
        for looping in endless(shell) {
            let text = shell.command.text.get(looping.start..looping.end).unwrap_or_default();
            let head = text.find(['\n', ';']).unwrap_or(text.len());
            let place = shell.place(Span::new(looping.start, looping.start + head));
            report
                .at(place, "this loop waits without a limit")
                .help("say when to give up: `timeout 120 bash -c '…'`, or count the attempts");
        }
    }
}

/// The loops of a command that sleep and have no end, those inside of others left out.
fn endless(shell: &Shell<'_>) -> Vec<Span> {
    /// A node that is entered, or a loop that is left, with what had been seen before it.
    enum Step<'t> {
        Into(Node<'t>),
        OutOf(Node<'t>, (usize, usize)),
    }
    // What ends some day, and what sleeps, as far as the walk has come.
    let (mut ends, mut sleeps) = (0, 0);
    let mut found: Vec<Span> = Vec::new();
    let mut open: Vec<Step<'_>> = shell.tree().map(|tree| Step::Into(tree.root_node())).into_iter().collect();
    while let Some(step) = open.pop() {
        let node = match step {
            Step::Into(node) => node,
            Step::OutOf(looping, before) => {
                if before.0 == ends && before.1 < sleeps {
                    let span = Span::new(looping.start_byte(), looping.end_byte());
                    while found.pop_if(|inner| inner.start >= span.start).is_some() {}
                    found.push(span);
                }
                continue;
            }
        };
        let text = shell.node_text(&node);
        match node.kind() {
            "while_statement" => open.push(Step::OutOf(node, (ends, sleeps))),
            // Counts, clocks and `read` end some day.
            "binary_expression" | "unary_expression" | "postfix_expression" | "test_command" => ends += 1,
            "command_name" if matches!(text, "break" | "exit" | "return" | "read" | "timeout" | "[" | "test") => ends += 1,
            "command_name" => sleeps += usize::from(text == "sleep"),
            "word" => ends += usize::from(text == "break"),
            _ => {}
        }
        let mut cursor = node.walk();
        let children: Vec<Node<'_>> = node.named_children(&mut cursor).collect();
        open.extend(children.into_iter().rev().map(Step::Into));
    }
    found
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
