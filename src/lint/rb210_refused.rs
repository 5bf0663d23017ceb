//! RB210: commands that no program accepts.

use super::{Check, Explain, Page, Report, Rule};
use crate::programs::{Word, incomplete, misspelt};
use crate::source::Level;
use std::collections::HashMap;

pub(super) const RULE: Rule = Rule {
    id: "RB210",
    level: Some(Level::Warning),
    title: "a command that cannot be right: misspelt, or something is missing",
    explain: Explain {
        finds: "Programs and verbs that are misspelt (`kubctl`, `systemctl restrat`), `kubectl pods` without its verb, \
                and calls of `kubectl` that it refuses (`kubectl delete pod`, `kubectl scale` without `--replicas`). What the table of programs \
                does not know at all is left alone: it may be a tool of the team.",
        why: "Nobody has run it like this. It ends with an error, and whoever follows the page has to guess what was meant.",
        bad: "\
# Queue is full

## Mitigation

```bash
kubectl delte pod queue-0
```
",
        good: "\
# Queue is full

## Mitigation

```bash
kubectl delete pod queue-0
```
",
    },
    check: Check::Page(check),
};

fn check(page: &Page<'_>, report: &mut Report<'_>) {
    let mut defined: HashMap<String, bool> = HashMap::new();
    for shell in page.commands().iter().filter(|shell| shell.command.is_shell()) {
        for call in shell.calls() {
            // What stands for several words is not known.
            if call.words.iter().any(|word| word.starts_with(['$', '<', '{', '`', '\\'])) {
                continue;
            }
            let words: Vec<Word> = call.words.iter().map(|word| Word::fixed(*word)).collect();
            // What the page defines is asked once for each name.
            let mut own = |name: &str| {
                let made = || [format!("{name}()"), format!("alias {name}="), format!("function {name}")];
                *defined.entry(name.to_string()).or_insert_with(|| made().iter().any(|made| page.source.text.contains(made)))
            };
            if let Some((wrong, meant)) = misspelt(&words).filter(|(wrong, _)| !own(wrong)) {
                report.at(shell.place(call.span), format!("`{wrong}` is not known")).help(format!("did you mean `{meant}`?"));
            } else if let Some(what) = incomplete(&words) {
                let message = format!("`{what}` is refused like this: something is missing");
                report.at(shell.place(call.span), message).help(format!("`{what} --help` says what; give it a name, a selector or the option"));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::RULE;

    cases! {
        bad: [
            "# T\n\n```bash\nls && kubctl get pods\n```\n" => [(4, 7)],
            "# T\n\n```bash\nsudo systemctl restrat x\nkubectl pods\n```\n" => [(4, 1), (5, 1)],
            "# T\n\n```bash\nkubectl delete pod\nkubectl scale deploy/x\nkubectl -n shop rollout undo\n```\n" => [(4, 1), (5, 1), (6, 1)],
        ],
        good: [
            "# T\n\n```bash\nkubectl delete pod x\nkubectl delete pods -l app=x\nkubectl delete pod/x\nkubectl scale deploy/x --replicas=2\nkubectl logs -l a=b\n```\n",
            "# T\n\n```bash\nshop-admin drain\nkubectl neat x\nkubectx prod\nkubectl logs $POD\nkubectl delete pod <pod>\n```\n",
            "# T\n\n```bash\nkubctl() { kubectl \"$@\"; }\nkubctl get pods\n```\n",
        ],
    }
}
