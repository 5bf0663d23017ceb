//! RB203: variables that nobody has set, and what that does to `rm -rf "$DIR/"`.

use super::words::words;
use super::{Check, Explain, Page, Report, Rule};
use crate::programs::Kind;
use crate::runbook::Input;
use crate::runbook::look::Shell;
use crate::source::{Level, Span};
use std::cell::OnceCell;
use std::collections::{HashMap, HashSet};

pub(super) const RULE: Rule = Rule {
    id: "RB203",
    level: Some(Level::Error),
    title: "a variable used before it is set; worse inside a destructive command",
    explain: Explain {
        finds: "Variables in commands that change something which no command above sets and of which the page does not speak: \
                not in its text, not in a comment, not in another block; and those that only a later command sets. Names that come from the environment by custom (`HOME`, `AWS_REGION`, keys, \
                tokens, passwords, URLs of databases) are left alone, and so is `${X:-default}`. Before a path in `rm -r`, \
                `find … -delete` and their like nothing but a value or `${X:?}` counts.",
        why: "An unset variable is nothing at all, and bash says no word: `kubectl get pod $POD` lists every pod, and \
              `rm -rf \"$DIR/\"` is `rm -rf \"/\"`.",
        bad: "\
## Mitigation

```bash
kubectl delete pod $POD_NAME
rm -rf \"$DATA_DIR/cache\"
```
",
        good: "\
## Mitigation

```bash
POD_NAME='<pod that is stuck>'
kubectl delete pod \"$POD_NAME\"
rm -rf \"${DATA_DIR:?}/cache\"
```
",
    },
    check: Check::Page(check),
};

fn check(page: &Page<'_>, report: &mut Report<'_>) {
    let commands = page.commands();
    let mut told: HashSet<&str> = HashSet::new();
    let mut set: HashSet<&str> = HashSet::new();
    let mut spoken_of: Option<HashSet<&str>> = None;
    // The first command that sets each variable.
    let mut first_set: HashMap<&str, &Shell<'_>> = HashMap::new();
    for shell in commands {
        for name in &shell.command.sets {
            first_set.entry(name).or_insert(shell);
        }
    }
    // Files that are read in (`source .env`) set what the page does not show.
    let (mut opaque, mut strict) = (false, false);
    for shell in commands {
        let (checks, changes) = (Checks::of(shell), OnceCell::new());
        for input in &shell.command.inputs {
            let Some(name) = input.variable() else { continue };
            if told.contains(name) || set.contains(name) || checks.hold(shell, input) || is_data(shell) {
                continue;
            }
            let destroyed = if strict { None } else { destroyed(shell, input) };
            let mut is_known = || opaque || is_custom(name) || spoken_of.get_or_insert_with(|| spoken(page)).contains(name);
            if destroyed.is_none() && is_known() {
                continue;
            }
            let later = first_set.get(name);
            // A command that only looks does no harm with a gap that whoever reads it fills in.
            if destroyed.is_none() && later.is_none() && !changes.get_or_init(|| shell.command.effect().kind == Kind::Changes) {
                continue;
            }
            told.insert(name);
            let place = shell.place(input.span);
            if let Some(left) = destroyed {
                report
                    .at(place, format!("`${name}` is not set here, and without it this is `{left}`"))
                    .help(format!("write `${{{name}:?}}`, so that bash stops where it has no value, or set it right above"));
                continue;
            }
            // None before this one does, or it would be set.
            match later {
                Some(later) => report
                    .at(place, format!("`${name}` is used before it is set"))
                    .label(format!("set on line {}", later.command.line))
                    .help("set it above its first use, also where somebody begins in the middle of the page"),
                None => report
                    .at(place, format!("nothing on this page sets `${name}`, or says what it is, and this command changes something"))
                    .help(format!("set it above, `{name}='<what it is>'`, or name it among the prerequisites")),
            };
        }
        set.extend(shell.command.sets.iter().map(String::as_str));
        for call in shell.calls() {
            let words = call.words.as_slice();
            opaque |= matches!(words, ["." | "source" | "eval", _, ..]);
            strict |= matches!(words, ["set", ..]) && is_strict(words);
        }
        // `export X` and `readonly X` speak of what somebody has set.
        let text = shell.command.text.trim_start();
        set.extend(text.strip_prefix("export ").into_iter().flat_map(str::split_whitespace));
    }
}

/// `set -u`, `set -euo pipefail`, `set -o nounset`.
fn is_strict(words: &[&str]) -> bool {
    let short = |word: &&str| word.starts_with('-') && word.contains('u');
    words.iter().any(short) || words.contains(&"nounset")
}

/// Where a command asks whether variables have a value.
struct Checks {
    /// Where the first `[` or `test` ends.
    tests_from: usize,
}

impl Checks {
    fn of(shell: &Shell<'_>) -> Checks {
        let text = shell.command.text.as_str();
        let tests = ["[", "test"].iter().filter_map(|word| text.find(word).map(|at| at + word.len()));
        Checks { tests_from: tests.min().unwrap_or(usize::MAX) }
    }

    /// `${X:?}`: bash stops by itself. `${#X}` and `[ -z "$X" ]` ask whether there is a value.
    fn hold(&self, shell: &Shell<'_>, input: &Input) -> bool {
        let text = shell.command.text.as_str();
        let behind = text.get(input.span.end..).unwrap_or_default();
        let before = text.get(..input.span.start).unwrap_or_default().trim_end_matches('"').trim_end();
        behind.starts_with(":?")
            || behind.starts_with('?')
            || input.spelling.contains('?')
            || input.spelling.starts_with("${#")
            || before.ends_with("-z")
            || before.ends_with("-n") && self.tests_from <= before.len()
    }
}

/// A line of a file that begins with a text in quotes, as `userlist.txt` of PgBouncer does.
fn is_data(shell: &Shell<'_>) -> bool {
    let text = shell.command.text.as_str();
    text.starts_with('"') && !text.starts_with("\"$")
}

/// The variables that a command only asks for: `echo $X`, `echo "URL: $X"`, `[ -z "$X" ]`.
fn asked<'s>(shell: &'s Shell<'_>) -> impl Iterator<Item = &'s str> {
    let checks = Checks::of(shell);
    let inputs = &shell.command.inputs;
    let checked = inputs.iter().filter(move |input| checks.hold(shell, input));
    let echoes = shell.calls().iter().filter(|call| matches!(call.words.as_slice(), ["echo" | "printenv", _]));
    let shown = echoes.filter_map(|call| call.places.get(1)).flat_map(move |word| {
        let from = inputs.partition_point(|input| input.span.start < word.start);
        let within = inputs.get(from..).unwrap_or_default().iter().take_while(|input| input.span.end <= word.end);
        // Only where it is named first: `echo "Deleting $DIR in: $DIR"` tells what is done.
        let mut named = HashSet::new();
        within.filter(move |input| named.insert(input.variable())).filter(move |input| {
            let before = shell.command.text.get(word.start..input.span.start).unwrap_or_default();
            let before = before.trim_start_matches(['"', '\'']).trim_end();
            before.is_empty() || before.ends_with([':', '='])
        })
    });
    checked.chain(shown).filter_map(Input::variable)
}

/// What a destructive command is when the variable is empty, if it then works on something else.
fn destroyed(shell: &Shell<'_>, input: &Input) -> Option<String> {
    let begun = shell.calls().partition_point(|call| call.span.start <= input.span.start);
    let inside = |span: &Span| span.start <= input.span.start && input.span.end <= span.end;
    let call = shell.calls().get(..begun)?.iter().rfind(|call| inside(&call.span))?;
    let index = call.places.iter().position(inside)?;
    // No path is longer.
    let word = call.words.get(index).filter(|word| word.len() <= 4096)?;
    let empty = word.replace(&format!("{}}}", input.spelling), "").replace(&input.spelling, "");
    let path = empty.trim_matches(['"', '\'']);
    let (program, rest) = call.words.split_first()?;
    let options = |letters: &[char]| rest.iter().any(|word| word.starts_with('-') && word.contains(letters));
    let is_rooted = path.starts_with('/') || path == "*" || path.starts_with("*");
    let widens = match program.rsplit('/').next().unwrap_or(program) {
        "rm" => options(&['r', 'R']) && is_rooted && !path.contains(['$', '<']),
        "chown" | "chmod" => options(&['R']) && (path == "/" || path.starts_with("/*")),
        "find" => index == 1 && rest.contains(&"-delete") && (path.is_empty() || path == "/"),
        "rsync" => rest.iter().any(|word| word.starts_with("--delete")) && path == "/",
        _ => false,
    };
    widens.then(|| {
        let mut words = call.words.clone();
        if let Some(word) = words.get_mut(index) {
            *word = path;
        }
        words.join(" ").replace("  ", " ")
    })
}

/// Names that are in the environment wherever such a page is followed.
fn is_custom(name: &str) -> bool {
    const NAMES: &[&str] = &[
        "CI", "DISPLAY", "EDITOR", "HOSTNAME", "KUBECONFIG", "KUBECTL", "MANPATH", "NAMESPACE_DEFAULT", "PAGER",
        "SSH_AUTH_SOCK", "SUDO_USER", "VISUAL", "http_proxy", "https_proxy", "no_proxy",
    ];
    const PREFIXES: &[&str] =
        &["AWS_", "AZURE_", "CI_", "CLOUDSDK_", "DOCKER_", "GITHUB_", "GITLAB_", "GOOGLE_", "HTTP_", "HTTPS_", "PG", "VAULT_", "XDG_"];
    const SECRETS: &[&str] = &["KEY", "TOKEN", "PASSWORD", "PASS", "SECRET", "CREDENTIALS", "DSN"];
    const CONNECTIONS: &[&str] = &["DATABASE_URL", "REDIS_URL", "DB_URL"];
    NAMES.contains(&name)
        || PREFIXES.iter().any(|prefix| name.starts_with(prefix))
        || name.split('_').next_back().is_some_and(|last| SECRETS.contains(&last))
        || CONNECTIONS.contains(&name)
}

/// What text, comments, other blocks, and commands that only ask for it, name.
fn spoken<'p>(page: &'p Page<'_>) -> HashSet<&'p str> {
    let named = |text: &'p str| words(text).map(|(word, _)| word);
    let mut spoken: HashSet<&str> = page.look.texts.iter().flat_map(|text| named(text.text())).collect();
    for fence in &page.look.fences {
        let comments = |line: &&str| !fence.is_shell() || line.trim_start().starts_with('#');
        spoken.extend(fence.text().lines().filter(comments).flat_map(named));
    }
    spoken.extend(page.commands().iter().flat_map(asked));
    spoken
}

#[cfg(test)]
mod tests {
    use super::RULE;

    cases! {
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
}
