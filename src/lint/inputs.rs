//! RB202 to RB204: what is to be filled in: placeholders that bash takes for something else, variables that nobody has set
//! and what that does to `rm -rf "$DIR/"`, and one thing under several names.

use super::words::words;
use super::{FindingReport, LintPage};
use crate::bash::lexer::Quoting;
use crate::programs::EffectKind;
use crate::runbook::RunbookInput;
use crate::runbook::look::PageCommand;
use crate::source::Span;
use std::cell::OnceCell;
use std::collections::{HashMap, HashSet};

/// RB202: placeholders that bash takes for redirections, the first of each name on a page.
pub(super) fn redirection(page: &LintPage<'_>, report: &mut FindingReport<'_>) {
    let mut known: HashSet<&str> = HashSet::new();
    for (shell, input) in inputs(page) {
        let bare = shell.lexed.quoting(input.span.start) == Quoting::Bare && input.spelling.starts_with('<');
        if !bare || !known.insert(&input.name) {
            continue;
        }
        let (variable, spelling) = (input.name.to_uppercase(), &input.spelling);
        report
            .at(shell.place(input.span), format!("`{spelling}` is not quoted: to bash it is a redirection from a file"))
            .help(format!("set it first, `{variable}='{spelling}'`, and write `\"${variable}\"` here"));
    }
}

/// What is to be filled in on a page, in order.
fn inputs<'p, 'a>(page: &'p LintPage<'a>) -> impl Iterator<Item = (&'p PageCommand<'a>, &'p RunbookInput)> {
    page.commands().iter().flat_map(|shell| shell.command.inputs.iter().map(move |input| (shell, input)))
}

/// RB203: variables that nobody has set.
pub(super) fn unset(page: &LintPage<'_>, report: &mut FindingReport<'_>) {
    let commands = page.commands();
    // The first command that sets each variable.
    let mut first_set: HashMap<&str, &PageCommand<'_>> = HashMap::new();
    for (name, shell) in commands.iter().flat_map(|shell| shell.command.sets.iter().map(move |name| (name, shell))) {
        first_set.entry(name).or_insert(shell);
    }
    // What was told, or needs no word any more.
    let mut settled: HashSet<&str> = HashSet::new();
    let spoken_of = OnceCell::new();
    // Files that are read in (`source .env`) set what the page does not show; with `set -u` bash stops by itself.
    let (mut opaque, mut strict) = (false, false);
    for shell in commands {
        let (tests_from, changes) = (tests_from(shell), OnceCell::new());
        for input in &shell.command.inputs {
            let Some(name) = input.variable() else { continue };
            // A line of a file that begins with a text in quotes, as `userlist.txt` of PgBouncer does, is data.
            let is_data = shell.command.text.starts_with('"') && !shell.command.text.starts_with("\"$");
            if settled.contains(name) || asks(shell, input, tests_from) || is_data {
                continue;
            }
            let place = shell.place(input.span);
            if let Some(left) = destroyed(shell, input).filter(|_| !strict) {
                settled.insert(name);
                report.at(place, format!("`${name}` is not set here, and without it this is `{left}`")).help(format!(
                    "write `${{{name}:?}}`, so that bash stops where it has no value, or set it right above"
                ));
                continue;
            }
            if opaque || is_custom(name) || spoken_of.get_or_init(|| spoken(page)).contains(name) {
                continue;
            }
            // None before this one does, or it would be settled.
            if let Some(later) = first_set.get(name) {
                let found = report.at(place, format!("`${name}` is used before it is set"));
                found.label(format!("set on line {}", later.command.line));
                found.help("set it above its first use, also where somebody begins in the middle of the page");
            } else if *changes.get_or_init(|| shell.command.effect().kind == EffectKind::Changes) {
                let what = "or says what it is, and this command changes something";
                let found = report.at(place, format!("nothing on this page sets `${name}`, {what}"));
                found.help(format!("set it above, `{name}='<what it is>'`, or name it among the prerequisites"));
            } else {
                // A command that only looks does no harm with a gap that whoever reads it fills in.
                continue;
            }
            settled.insert(name);
        }
        settled.extend(shell.command.sets.iter().map(String::as_str));
        for call in shell.calls() {
            match call.words.as_slice() {
                ["." | "source" | "eval", _, ..] => opaque = true,
                ["set", options @ ..] => {
                    strict |=
                        options.iter().any(|word| word.starts_with('-') && word.contains('u') || *word == "nounset");
                }
                _ => {}
            }
        }
        // `export X` speaks of what somebody has set.
        let exported = shell.command.text.trim_start().strip_prefix("export ");
        settled.extend(exported.into_iter().flat_map(str::split_whitespace));
    }
}

/// Where the first `[` or `test` of a command ends.
fn tests_from(shell: &PageCommand<'_>) -> usize {
    let text = shell.command.text.as_str();
    let tests = ["[", "test"].iter().filter_map(|word| text.find(word).map(|at| at + word.len()));
    tests.min().unwrap_or(usize::MAX)
}

/// Whether a command asks there whether the variable has a value. `${X:?}`: bash stops by itself; `${#X}`, `[ -z "$X" ]`.
fn asks(shell: &PageCommand<'_>, input: &RunbookInput, tests_from: usize) -> bool {
    let text = shell.command.text.as_str();
    let behind = text.get(input.span.end..).unwrap_or_default();
    let before = text.get(..input.span.start).unwrap_or_default().trim_end_matches('"').trim_end();
    behind.starts_with(":?")
        || behind.starts_with('?')
        || input.spelling.contains('?')
        || input.spelling.starts_with("${#")
        || before.ends_with("-z")
        || before.ends_with("-n") && tests_from <= before.len()
}

/// What a destructive command is when the variable is empty, if it then works on something else.
fn destroyed(shell: &PageCommand<'_>, input: &RunbookInput) -> Option<String> {
    let begun = shell.calls().partition_point(|call| call.span.start <= input.span.start);
    let inside = |span: &Span| span.start <= input.span.start && input.span.end <= span.end;
    let call = shell.calls().get(..begun)?.iter().rfind(|call| inside(&call.span))?;
    let index = call.places.iter().position(inside)?;
    // No path is longer.
    let word = call.words.get(index).filter(|word| word.len() <= 4096)?;
    let empty = word.replace(&format!("{}}}", input.spelling), "").replace(&input.spelling, "");
    let path = empty.trim_matches(['"', '\'']);
    let (_, rest) = call.words.split_first()?;
    let options = |letters: &[char]| rest.iter().any(|word| word.starts_with('-') && word.contains(letters));
    let widens = match call.program() {
        "rm" => options(&['r', 'R']) && path.starts_with(['/', '*']) && !path.contains(['$', '<']),
        "chown" | "chmod" => options(&['R']) && (path == "/" || path.starts_with("/*")),
        "find" => index == 1 && rest.contains(&"-delete") && (path.is_empty() || path == "/"),
        "rsync" => rest.iter().any(|word| word.starts_with("--delete")) && path == "/",
        _ => false,
    };
    let mut words = call.words.clone();
    *words.get_mut(index)? = path;
    widens.then(|| words.join(" ").replace("  ", " "))
}

/// Names that are in the environment wherever such a page is followed.
fn is_custom(name: &str) -> bool {
    phrases!("variables").contains(&name)
        || phrases!("variables beginning").iter().any(|prefix| name.starts_with(prefix))
        || name.split('_').next_back().is_some_and(|last| phrases!("variables ending").contains(&last))
}

/// What text, comments, other blocks, and commands that only ask for it, name.
fn spoken<'p>(page: &'p LintPage<'_>) -> HashSet<&'p str> {
    let named = |text: &'p str| words(text).map(|(word, _)| word);
    let mut spoken: HashSet<&str> = page.look.texts.iter().flat_map(|text| named(&text.body.text)).collect();
    for fence in &page.look.fences {
        let comments = |line: &&str| !fence.is_shell() || line.trim_start().starts_with('#');
        spoken.extend(fence.body.text.lines().filter(comments).flat_map(named));
    }
    for shell in page.commands() {
        let (tests_from, inputs) = (tests_from(shell), &shell.command.inputs);
        spoken.extend(inputs.iter().filter(|input| asks(shell, input, tests_from)).filter_map(RunbookInput::variable));
        // `echo $X`, `echo "URL: $X"`: only where it is named first, `echo "Deleting $DIR in: $DIR"` tells what is done.
        let echoes = shell.calls().iter().filter(|call| matches!(call.words.as_slice(), ["echo" | "printenv", _]));
        for word in echoes.filter_map(|call| call.places.get(1)) {
            let from = inputs.partition_point(|input| input.span.start < word.start);
            let within = inputs.iter().skip(from).take_while(|input| input.span.end <= word.end);
            let mut named = HashSet::new();
            let first = within.filter(|input| named.insert(input.variable())).filter(|input| {
                let before = shell.command.text.get(word.start..input.span.start).unwrap_or_default();
                let before = before.trim_start_matches(['"', '\'']).trim_end();
                before.is_empty() || before.ends_with([':', '='])
            });
            spoken.extend(first.filter_map(RunbookInput::variable));
        }
    }
    spoken
}

/// RB204: one thing to fill in, under several names.
pub(super) fn spellings(page: &LintPage<'_>, report: &mut FindingReport<'_>) {
    let inner = |input: &'_ RunbookInput| -> String {
        input.variable().unwrap_or_else(|| input.spelling.trim_matches(['<', '>', '{', '}', ' '])).to_string()
    };
    // The first input of each name, and the spellings that are known.
    let mut firsts: HashMap<&str, (&RunbookInput, String)> = HashMap::new();
    let mut known: HashSet<(&str, String)> = HashSet::new();
    for (shell, input) in inputs(page) {
        let own = inner(input);
        let (first, before) = firsts.entry(&input.name).or_insert_with(|| (input, own.clone()));
        if !known.insert((&input.name, own.clone())) || std::ptr::eq(*first, input) {
            continue;
        }
        // Variables are in capitals with `_` between the words, and placeholders are not.
        let plain = |name: &str| name.to_lowercase().replace(['-', ' '], "_");
        if first.variable().is_some() != input.variable().is_some() && plain(&own) == plain(before) {
            continue;
        }
        report
            .at(shell.place(input.span), format!("`{own}` is `{before}` of line {} in another spelling", first.line))
            .label(format!("on line {}: `{before}`", first.line))
            .help(format!("write `{before}` here too; if it is something else, give it a name that says so"));
    }
}

#[cfg(test)]
mod tests {
    cases! {
        rb202,
        bad: [
            "# T\n\n```bash\nkubectl logs <pod> -n <ns>\nkubectl delete pod <pod>\n```\n" => [(4, 14), (4, 23)],
            "# T\n\n- ```console\n  $ docker rm <id>\n  ```\n" => [(4, 15)],
        ],
        good: [
            "# T\n\n```bash\nkubectl logs \"<pod>\" '<a b>' {x} $Y\npsql <<EOF\nselect <id>;\nEOF\n```\n",
            "# T\n\n```bash\npsql < dump.sql > out.log\n# see <page>\n```\n",
            "# T\n\n```yaml\na: <b>\n```\n\nCall <name>.\n",
        ],
    }

    cases! {
        rb203,
        bad: [
            "# T\n\n```bash\nkubectl delete pod $POD -n $POD\n```\n" => [(4, 20)],
            "# T\n\n```bash\nls $A\nA=1\nls $A\n```\n" => [(4, 4)],
            "# T\n\n```bash\nrm -rf \"$DIR/\"\n```\n\nSet DIR first.\n" => [(4, 9)],
            "# T\n\n```bash\nsource .env\nrm -rf ${DIR}/*\nfind $LOGS -delete\n```\n" => [(5, 8), (6, 6)],
            "# T\n\n```bash\ncat x | while read a; do B=$a; done\nkubectl delete pod \"$B\"\n```\n" => [(5, 21)],
            "# T\n\n```bash\necho \"Deleting $DIR in: $DIR\"\nkubectl delete pod \"$DIR\"\n```\n" => [(5, 21)],
        ],
        good: [
            "# T\n\n```bash\nkubectl get pod $POD\n```\n",
            "# T\n\n```bash\nPOD=<pod>\nkubectl get pod $POD $HOME $KUBECONFIG $API_TOKEN ${X:-1} ${Y:?}\n```\n",
            "# T\n\nSet `POD` to the pod.\n\n```bash\nkubectl get pod $POD\n```\n",
            "# T\n\n```bash\n# NODE is the node of the alert\nkubectl get node $NODE\n```\n",
            "# T\n\n```ini\nHOST=x\n```\n\n```bash\nping -c1 $HOST\n```\n",
            "# T\n\n```bash\nsource ./env.sh\necho $HOST\n```\n",
            "# T\n\n```bash\nexport POD\nkubectl get pod $POD\n```\n",
            "# T\n\n```bash\nset -euo pipefail\nrm -rf \"$TARGET/x\"\n```\n\nTARGET is the folder.\n",
            "# T\n\n```bash\nDIR=/x\nrm -rf \"$DIR/\"\nrm -rf \"${D:?}/\"\nrm -f $F\n```\n\nF: a file.\n",
            "# T\n\n```bash\n[ -z \"$X\" ] && echo no\nawk '{print $NF}'\n```\n",
            "# T\n\n```bash\ncurl $X\necho \"URL: $X\"\n```\n",
            "# T\n\n```bash\necho $MODE # should be on\ncurl \"$MODE/x\"\n```\n",
            "# T\n\n```bash\n\"app\" \"md5$1:$hash\"\n```\n",
        ],
    }

    cases! {
        rb204,
        bad: [
            "# T\n\n```bash\na <pod-name>\nb <POD_NAME>\nb <POD_NAME>\n```\n" => [(5, 3)],
            "# T\n\n```bash\na <pod-name>\n```\n\n```bash\nb {podName} x\n```\n" => [(8, 3)],
        ],
        good: [
            "# T\n\n```bash\na <pod> '{pod}' {{pod}} {{ pod }}\n```\n",
            "# T\n\n```bash\na <pod-name> $POD_NAME\n```\n",
            "# T\n\n```bash\nPOD_NAME=<pod-name>\nb $POD_NAME\n```\n",
            "# T\n\n```bash\na <name> <pod> <pod-name> <pod-ip>\n```\n",
        ],
    }
}
