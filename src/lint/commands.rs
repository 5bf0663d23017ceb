//! RB208 to RB212: commands that keep those behind them from running, that fail and say nothing, or that name no namespace. What is known of each program stands in the table of programs.

use super::page::begin;
use super::words::holds;
use super::{FindingReport, LintPage};
use crate::bash::{OutputTaker, SimpleCommand};
use crate::programs::{self, Call, EffectKind, Waits, goes_on_after_errors, holds_anyway, words_wait};
use crate::runbook::RunbookPhase::{Mitigate, Rollback, Verify};
use crate::runbook::look::PageCommand;
use crate::source::Span;

/// RB208: commands that never end, or open an editor, above others of their block.
pub(super) fn endless(page: &LintPage<'_>, report: &mut FindingReport<'_>) {
    const EDITED: &str = "give the change itself: a patch, `sed -i`, a file that is copied";
    const ENDED: &str = "look once (`--tail=100`, `--since=10m`, a count), say how long (`timeout 60 …`), or put it into the background with `&`";
    let mut told: Option<&PageCommand<'_>> = None;
    for (index, shell) in page.commands().iter().enumerate() {
        let background = shell.step.settings(shell.command.block).background == Some(true);
        if background || told.is_some_and(|told| page.in_one_block(told, shell)) {
            continue;
        }
        // What is the last of its block, or stands above nothing but other looks, keeps nobody from anything; where it
        // must be seen that something has helped, looks count as well.
        let rest = page.commands().iter().skip(index + 1).take_while(|next| page.in_one_block(shell, next));
        let mut acts = rest.filter(|next| is_kept(shell, next));
        let listed =
            || page.look.section(begin(shell)).is_some_and(|heading| holds(&heading.text, phrases!("cheat sheets")));
        for call in shell.calls() {
            let (name, what, help) = match words_wait(&call.words, call.around) {
                Some(Waits::Editor(name)) => (name, "opens an editor", EDITED),
                Some(Waits::Forever(name)) => (name, "never ends by itself", ENDED),
                // What stands below a session is what is to be typed in it.
                _ => continue,
            };
            let line = |from: usize| {
                shell.command.line + shell.command.text.get(..from).unwrap_or_default().matches('\n').count()
            };
            let own = shell.calls().iter().find(|next| next.span.start > call.span.end);
            let own = own.filter(|_| matches!(call.around.taker, OutputTaker::Nobody));
            let next = own.map(|next| line(next.span.start)).or_else(|| acts.next().map(|next| next.command.line));
            if let Some(line) = next.filter(|_| !listed()) {
                let message = format!("`{name}` {what}: line {line} of this block waits for that");
                report.at(shell.place(call.span), message).help(help);
                told = Some(shell);
            }
        }
    }
}

/// Whether it matters that a command does not run because of one that never ends.
fn is_kept(endless: &PageCommand<'_>, next: &PageCommand<'_>) -> bool {
    let watches = endless.calls().iter().any(|call| call.words.first() == Some(&"watch"));
    next.command.effect().kind == EffectKind::Changes
        || watches && matches!(endless.step.phase, Mitigate | Rollback | Verify)
}

/// RB211: what fails and says nothing.
pub(super) fn unnoticed(page: &LintPage<'_>, report: &mut FindingReport<'_>) {
    for shell in page.commands().iter().filter(|shell| shell.command.is_shell()) {
        let text = shell.command.text.as_str();
        let reads = |call: &Call| {
            let file = call.arguments().iter().any(|word| word.starts_with("-f") || word.starts_with("--file"));
            file || text.contains('<') && shell.command.inputs.is_empty()
                || call.stage.is_some_and(|stage| stage.at > 0)
        };
        let found = programs::calls(&shell.masked).iter().find_map(|call| {
            let goes_on =
                goes_on_after_errors(call).filter(|_| reads(call) && shell.command.effect().kind != EffectKind::Looks);
            goes_on.or_else(|| holds_anyway(call))
        });
        if let Some((advice, message)) = found {
            report.at(page.first_line(shell.place(Span::new(0, text.len()))), message).help(advice);
        }
    }
}

/// RB212: `kubectl` without a namespace on a page whose other commands name one.
pub(super) fn namespace(page: &LintPage<'_>, report: &mut FindingReport<'_>) {
    let (mut named, mut without) = (false, Vec::new());
    for shell in page.commands() {
        for statement in shell.script().all() {
            let Some(command) = statement.simple() else { continue };
            match command.first() {
                // From here on, or by another program, a namespace may be the usual one.
                "kubens" => return,
                "kubectl" => {}
                _ => continue,
            }
            let arguments = arguments(command);
            match names(&arguments) {
                Some(_) if arguments.contains(&"set-context") => return,
                Some(_) => named = true,
                None if needs(&arguments) => without.push(shell.place(statement.span)),
                None => {}
            }
        }
    }
    for place in without.into_iter().filter(|_| named) {
        let found = report.at(place, "this `kubectl` has no namespace, and others of the page name one");
        found.help("name it with `-n`: whose context has another namespace reaches other objects, or none");
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
        Some(verb) if phrases!("kubectl in namespaces").contains(verb) => true,
        Some(verb) if phrases!("kubectl of any kind").contains(verb) => {
            let kind = plain.next().map_or("", |object| object.split('/').next().unwrap_or_default());
            phrases!("kinds in namespaces").contains(&kind)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    cases! {
        rb208,
        bad: [
            "# T\n\n```bash\nls\nkubectl logs -f x | grep y\nsystemctl restart x\n```\n" => [(5, 1)],
            "# T\n\n```bash\nsudo tail -f x && kubectl edit y\n```\n" => [(4, 1)],
            "# T\n\n- ```console\n  $ tail -f x 2>/dev/null\n  $ systemctl restart x\n  ```\n" => [(4, 5)],
            "# T\n\n```bash\nkubectl edit x\ntail -f y\nsystemctl restart x\n```\n" => [(4, 1)],
            "# T\n\n## Verify\n\n```bash\nwatch kubectl get pods\ncurl -f http://shop/health\n```\n" => [(6, 1)],
        ],
        good: [
            "# T\n\n```bash\nssh web1\nsudo systemctl restart x\n```\n",
            "# T\n\n### Useful commands\n\n```bash\nkubectl logs -f x\nkubectl rollout restart x\n```\n",
            "# T\n\n```bash\nls\nkubectl logs -f x | grep y\n```\n\n```bash\nsystemctl restart x\n```\n",
            "# T\n\n```bash\nkubectl get pods -w\nkubectl get nodes\n```\n",
            "# T\n\n## Diagnosis\n\n```bash\nwatch kubectl get pods\nkubectl get nodes\n```\n",
            "# T\n\n```bash\ntimeout 30 kubectl logs -f x\nkubectl logs -f x | head -5\nkubectl port-forward x 80 &\n```\n",
            "# T\n\n```bash\nkubectl port-forward x 80 > /dev/null 2>&1 &\n(tail -f x) &\n```\n",
            "# T\n\n```bash\npsql <<EOF\nselect 1;\nEOF\necho 'select 1' | psql\npsql -U shop < x.sql\nmysql <<< 'select 1'\n```\n",
            "# T\n\n```bash\nsudo -u postgres psql -c 'select 1'\ndocker exec -i db psql < x.sql\n```\n",
            "# T\n\n<!-- firedrill: background -->\n```bash\nkubectl port-forward x 80\n```\n",
            "# T\n\n```yaml\ncommand: top\n```\n\nRun `top`.\n",
        ],
    }

    cases! {
        rb211,
        bad: [
            "# T\n\n```bash\nuntil curl -s http://x/health; do sleep 1; done\n```\n" => [(4, 1)],
            "# T\n\n```bash\npsql shop < repair.sql\nls\n```\n" => [(4, 1)],
            "# T\n\n```bash\ngunzip -c x.gz | psql shop\n```\n" => [(4, 1)],
        ],
        good: [
            "# T\n\n```bash\nuntil curl -sf http://x/health; do sleep 1; done\n```\n",
            "# T\n\n```bash\npsql -v ON_ERROR_STOP=1 shop < repair.sql\ncurl -s http://x/health\nredis-cli info\n```\n",
            "# T\n\n```bash\npsql shop -c 'DROP INDEX x'\n```\n",
        ],
    }

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
