//! RB212: `kubectl` without a namespace on a page whose other commands name one.

use super::words::phrases;
use super::{FindingReport, LintPage};
use crate::bash::SimpleCommand;

pub(super) fn check(page: &LintPage<'_>, report: &mut FindingReport<'_>) {
    let (mut named, mut without) = (false, Vec::new());
    for shell in page.commands() {
        for statement in shell.script().all() {
            let Some(command) = statement.simple().filter(|command| command.first() == "kubectl") else { continue };
            let arguments = arguments(command);
            match names(&arguments) {
                // From here on, or by another program, a namespace may be the usual one.
                Some(_) if arguments.contains(&"set-context") => return,
                Some(_) => named = true,
                None if needs(&arguments) => without.push(shell.place(statement.span)),
                None => {}
            }
        }
        if shell
            .script()
            .all()
            .iter()
            .any(|statement| statement.simple().is_some_and(|command| command.first() == "kubens"))
        {
            return;
        }
    }
    for place in without.into_iter().filter(|_| named) {
        report
            .at(place, "this `kubectl` has no namespace, and others of the page name one")
            .help("name it with `-n`: whose context has another namespace reaches other objects, or none");
    }
}

/// What a call is given, up to `--`.
fn arguments(command: &SimpleCommand) -> Vec<&str> {
    command.words.iter().skip(1).map(|word| word.raw.as_str()).take_while(|word| *word != "--").collect()
}

/// What names the namespace, or all of them.
fn names<'w>(arguments: &[&'w str]) -> Option<&'w str> {
    let is_short = |word: &str| word.starts_with('-') && !word.starts_with("--") && word.contains(['n', 'A']);
    let is_long = |word: &str| word.starts_with("--namespace") || word.starts_with("--all-namespaces");
    arguments.iter().copied().find(|word| is_short(word) || is_long(word))
}

/// Whether a call without a namespace takes that of the context.
fn needs(arguments: &[&str]) -> bool {
    // A file or a variable may name one.
    if arguments.iter().any(|word| word.starts_with("-f") || word.starts_with("-k") || word.contains(['$', '<', '{'])) {
        return false;
    }
    let mut plain = arguments.iter().filter(|word| !word.starts_with('-'));
    match plain.next() {
        Some(verb) if phrases("kubectl in namespaces").contains(verb) => true,
        Some(verb) if phrases("kubectl of any kind").contains(verb) => {
            let kind = plain.next().map_or("", |object| object.split('/').next().unwrap_or_default());
            phrases("kinds in namespaces").contains(&kind)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    cases! {
        rb212,
        bad: [
            "# T\n\n```bash\nkubectl get pods -n shop\nkubectl rollout undo deployment/web\n```\n" => [(5, 1)],
            "# T\n\n```bash\nkubectl --namespace=shop get pods\n```\n\n```bash\nkubectl delete pod/web-0\n```\n" => [(8, 1)],
        ],
        good: [
            "# T\n\n```bash\nkubectl rollout undo deployment/web\nkubectl get pods\n```\n",
            "# T\n\n```bash\nkubectl get pods -A\nkubectl get nodes\nkubectl apply -f x.yaml\nkubectl version\n```\n",
            "# T\n\n```bash\nkubectl config set-context --current --namespace=shop\nkubectl get pods\n```\n",
            "# T\n\n```bash\nkubectl get pods -n shop\nkubectl $WHERE get pods\nkubectl exec -itn shop web -- sh\n```\n",
        ],
    }
}
