//! RB103: a change that outlives the incident, and no word on how to take it back.

use super::{Check, Explain, Page, Report, Rule};
use crate::runbook::RunbookPhase;
use crate::runbook::look::Call;
use crate::source::Level;

pub(super) const RULE: Rule = Rule {
    id: "RB103",
    level: Some(Level::Info),
    title: "a step that changes something, and no rollback",
    explain: Explain {
        finds: "A mitigation that changes what stays changed (`kubectl scale`, `cordon`, `helm upgrade`, \
                `terraform apply`, `systemctl disable`, firewall rules and the like) on a page that nowhere says how to \
                take it back. Restarts and deleted pods are left alone.",
        why: "What was changed at night is forgotten in the morning: a cordoned node, a service that is scaled to zero, \
              a rule in the firewall. And when the change makes it worse, the way back must be known.",
        bad: "\
# Node is full

## Mitigation

```bash
kubectl cordon node-7
```
",
        good: "\
# Node is full

## Mitigation

```bash
kubectl cordon node-7
```

## Rollback

```bash
kubectl uncordon node-7
```
",
    },
    check: Check::Page(check),
};

/// Words by which people say that something is taken back, or that it is already the way back.
const BACK: &[&str] = &[
    "roll back", "rollback*", "rolling back", "revert*", "undo", "restor*", "back to", "uncordon", "scale down",
    "scale back", "temporar*", "afterwards", "after the incident", "re-enable*", "original", "previous",
];

/// Program and first arguments of what stays changed.
const CHANGES: &[(&str, &[&str])] = &[
    ("kubectl", &["scale", "cordon", "drain", "taint", "autoscale"]),
    ("oc", &["scale", "cordon", "drain", "taint", "autoscale"]),
    ("helm", &["upgrade"]),
    ("terraform", &["apply"]),
    ("systemctl", &["stop", "disable", "mask"]),
    ("iptables", &["-A", "-I"]),
    ("ufw", &["deny", "allow"]),
    ("sysctl", &["-w"]),
];

fn check(page: &Page<'_>, report: &mut Report<'_>) {
    if page.has_phase(RunbookPhase::Rollback) || page.says(BACK) {
        return;
    }
    let mitigating = page.commands().iter().filter(|command| command.step.phase == RunbookPhase::Mitigate);
    let found = mitigating.flat_map(|command| command.calls().iter().map(move |call| (command, call)));
    let starts = page.commands().iter().flat_map(|command| command.calls()).any(|call| is_start(call));
    let mut changes = found.filter(|(_, call)| changes(call) && !(starts && call.words.first() == Some(&"systemctl")));
    if let Some((command, call)) = changes.next() {
        let what = call.words.iter().take(2).copied().collect::<Vec<_>>().join(" ");
        report
            .at(command.place(call.span), format!("`{what}` stays in force, and nothing here says how to take it back"))
            .help("add `## Rollback` with the way back, and when to take it");
    }
}

/// A service that is stopped for a while is started again by the page itself.
fn is_start(call: &Call<'_>) -> bool {
    let verb = |word: &&str| matches!(*word, "start" | "restart" | "enable" | "unmask");
    call.words.first() == Some(&"systemctl") && call.words.iter().skip(1).any(verb)
}

fn changes(call: &Call<'_>) -> bool {
    let Some((program, rest)) = call.words.split_first() else { return false };
    // The verb comes first, after options and their values.
    let known = CHANGES.iter().find(|(name, _)| name == program);
    let looks_only = rest.iter().any(|word| word.starts_with("--dry-run") || *word == "--help");
    // Setting something up is not a change of what was there.
    let installs = rest.contains(&"--install");
    known.is_some_and(|(_, verbs)| rest.iter().take(4).any(|word| verbs.contains(word))) && !looks_only && !installs
}

#[cfg(test)]
mod tests {
    use super::RULE;

    cases! {
        bad: [
            "# T\n\n## Fix\n\n```bash\nls\nkubectl -n x scale deploy/y --replicas=0\n```\n" => [(7, 1)],
            "# T\n\n## Fix\n\n1. a\n   ```console\n   $ date && sudo systemctl stop x\n   ```\n" => [(7, 14)],
        ],
        good: [
            "# T\n\n## Fix\n\n```bash\nsystemctl stop x\nrm -f /run/x.lock\nsystemctl start x\n```\n",
            "# T\n\n## Fix\n\n```bash\nhelm upgrade --install x y/z\n```\n",
            "# T\n\n## Fix\n\n```bash\nkubectl rollout restart deploy/y\nkubectl delete pod x\n```\n",
            "# T\n\n## Fix\n\n```bash\nkubectl scale deploy/y --replicas=0\n```\n\nScale back to three in the morning.\n",
            "# T\n\n## Diagnosis\n\n```bash\nkubectl scale deploy/y --replicas=0\n```\n",
            "# T\n\n## Fix\n\n```bash\nkubectl scale x --replicas=1 --dry-run=server\n```\n",
            "# T\n\n## Fix\n\n```bash\nkubectl scale x\n```\n\n## Rollback\n\nx\n",
        ],
    }
}
