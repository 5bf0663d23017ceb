//! Commands that want a person at the keyboard: those that open a shell or the client of a database and are given
//! nothing to do, and those that open an editor.

use super::simple::{Simple, after_options, has};

/// What a command opens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Opens {
    /// A session, in which the commands that follow are typed.
    Session(String),
    /// An editor.
    Editor(String),
}

const SHELLS: &[&str] = &["bash", "sh", "zsh", "ash", "dash", "ksh", "fish"];
const EDITORS: &[&str] = &["vi", "vim", "nvim", "nano", "emacs", "pico", "joe", "mcedit", "visudo", "vipw", "sudoedit"];

/// What a simple command opens, if anything.
pub(super) fn of_command(command: &Simple<'_>) -> Option<Opens> {
    if command.fed || command.background {
        return None;
    }
    let program = command.program();
    let arguments = command.arguments();
    if let Some(editor) = editor(command) {
        return Some(Opens::Editor(editor));
    }
    let named = |more: &[&str]| {
        let more =
            more.iter().find(|word| arguments.contains(word)).map_or_else(String::new, |word| format!(" {word}"));
        Some(Opens::Session(format!("{program}{more}")))
    };
    if let Some(inner) = command.inner() {
        return of_command(&inner).map(|opens| match opens {
            Opens::Session(_) => Opens::Session(format!("{program} {}", verb(arguments))),
            editor => editor,
        });
    }
    let opens = match program {
        "kubectl" | "oc" => {
            let dashes = arguments.contains(&"--");
            let attached = has(arguments, &["--tty", "--stdin"], &['i', 't'], &['n', 'l', 'o', 'c']);
            let verb = verb(arguments);
            match verb {
                // `exec POD` without a command: what follows is meant for that container.
                "debug" | "attach" | "exec" => !dashes,
                "rsh" => !dashes && operands_behind(arguments, "rsh", &["-n", "-c"]) == 1,
                "run" => attached && (!dashes || ends_in_shell(arguments)),
                _ => false,
            }
        }
        "docker" | "podman" | "nerdctl" | "docker-compose" => match verb(arguments) {
            "attach" | "exec" => true,
            "run" => {
                has(arguments, &["--tty", "--interactive"], &['i', 't'], &['e', 'v', 'p', 'u', 'w'])
                    && run_opens(arguments)
            }
            _ => false,
        },
        "ssh" => ssh_opens(arguments),
        "su" => !has(arguments, &["--command"], &['c'], &['s']),
        "sudo" | "doas" => has(arguments, &["--login", "--shell"], &['i', 's'], &['u', 'g']),
        "chroot" => after_options(arguments, &[]).len() == 1,
        "nsenter" => after_options(arguments, &["-t", "--target"]).is_empty(),
        "psql" => {
            let asks = ["--command", "--file", "--list", "--version", "--help"];
            !has(arguments, &asks, &['c', 'f', 'l', 'V'], &['h', 'p', 'U', 'd', 'v', 'o', 'P', 'F', 'R', 'T', 'L'])
        }
        "mysql" | "mariadb" => {
            !has(arguments, &["--execute", "--version", "--help"], &['e', 'V'], &['u', 'h', 'p', 'P', 'D', 'S'])
        }
        "sqlite3" => after_options(arguments, &["-cmd", "-init"]).len() < 2 && !has(arguments, &["-version"], &[], &[]),
        "redis-cli" => redis_opens(arguments),
        "mongo" | "mongosh" => {
            let script = arguments.iter().any(|word| word.ends_with(".js"));
            !script && !has(arguments, &["--eval", "--file", "--version"], &['f'], &['u', 'p'])
        }
        "python" | "python3" | "node" | "irb" | "iex" | "ipython" | "ghci" => arguments.is_empty(),
        "cqlsh" => !has(arguments, &["--execute", "--file"], &['e', 'f'], &['u', 'p', 'k']),
        "telnet" | "ftp" | "sftp" => !arguments.is_empty() && !has(arguments, &[], &['b'], &[]),
        "tmux" | "screen" => {
            arguments.is_empty() || has(arguments, &[], &['r', 'x'], &[]) || arguments[0].starts_with('a')
        }
        "rails" => matches!(arguments, ["console" | "c" | "dbconsole" | "db", ..]),
        "gcloud" => arguments.contains(&"ssh") && !has(arguments, &["--command"], &[], &[]),
        "aws" => arguments.starts_with(&["ssm", "start-session"]),
        "vagrant" => arguments.first() == Some(&"ssh") && !has(arguments, &["--command"], &['c'], &[]),
        "minikube" => arguments == ["ssh"],
        "fly" | "flyctl" => arguments.starts_with(&["ssh", "console"]) && !has(arguments, &["--command"], &['C'], &[]),
        _ => SHELLS.contains(&program) && after_options(arguments, &["-o", "-O"]).is_empty() && !runs_text(arguments),
    };
    if opens { named(&["debug", "attach", "rsh", "exec", "run", "ssh", "start-session", "console"]) } else { None }
}

/// The editor that it opens, as it is written.
fn editor(command: &Simple<'_>) -> Option<String> {
    let program = command.program();
    let arguments = command.arguments();
    let verb = verb(arguments);
    let edits = match program {
        "crontab" => has(arguments, &[], &['e'], &['u']),
        "kubectl" | "oc" => verb == "edit" || arguments.starts_with(&["argo", "rollouts", "edit"]),
        "systemctl" => {
            after_options(arguments, &[]).first() == Some(&"edit") && !has(arguments, &["--stdin"], &[], &[])
        }
        "sudo" => return has(arguments, &["--edit"], &['e'], &['u', 'g']).then(|| "sudo -e".to_string()),
        "vi" | "vim" | "nvim" | "emacs" => !has(arguments, &["-es", "--batch", "--version"], &[], &[]),
        _ if ["$EDITOR", "${EDITOR", "\"$EDITOR", "$VISUAL"].iter().any(|name| program.starts_with(name)) => true,
        _ => EDITORS.contains(&program),
    };
    let option = if program == "crontab" { "-e" } else { "edit" };
    let more = matches!(program, "crontab" | "kubectl" | "oc" | "systemctl").then_some(option).unwrap_or_default();
    edits.then(|| format!("{program} {more}").trim_end().to_string())
}

/// The first word that is an action of `kubectl` or `docker`, wherever global options stand.
fn verb<'a>(arguments: &[&'a str]) -> &'a str {
    const VERBS: &[&str] =
        &["edit", "debug", "attach", "rsh", "run", "exec", "get", "logs", "apply", "delete", "describe"];
    arguments.iter().find(|word| VERBS.contains(word)).copied().unwrap_or_default()
}

fn operands_behind(arguments: &[&str], verb: &str, valued: &[&str]) -> usize {
    let behind = arguments.iter().position(|word| *word == verb).and_then(|at| arguments.get(at + 1..));
    let mut rest = behind.unwrap_or_default();
    let mut count = 0;
    loop {
        rest = after_options(rest, valued);
        match rest.split_first() {
            Some((_, more)) => (count, rest) = (count + 1, more),
            None => return count,
        }
    }
}

fn is_shell(word: &str) -> bool {
    let word = word.trim_matches(['"', '\'']);
    SHELLS.contains(&word.rsplit('/').next().unwrap_or_default())
}

fn ends_in_shell(arguments: &[&str]) -> bool {
    arguments.last().is_some_and(|word| is_shell(word))
}

/// `docker run -it IMAGE bash`, or an image of which it is known that it starts a shell.
fn run_opens(arguments: &[&str]) -> bool {
    const IMAGES: &[&str] = &["alpine", "busybox", "ubuntu", "debian", "fedora", "nicolaka/netshoot"];
    let image = |word: &&str| IMAGES.contains(&word.split(':').next().unwrap_or_default());
    ends_in_shell(arguments) || arguments.last().is_some_and(image)
}

/// `-c TEXT`: a shell that is told what to do.
fn runs_text(arguments: &[&str]) -> bool {
    has(arguments, &["--version", "--help"], &['c', 'n'], &[])
}

fn ssh_opens(arguments: &[&str]) -> bool {
    const VALUED: &[&str] = &[
        "-i", "-p", "-o", "-l", "-F", "-J", "-L", "-R", "-D", "-b", "-c", "-E", "-e", "-I", "-m", "-O", "-Q", "-S",
        "-W", "-w",
    ];
    const LETTERS: &[char] =
        &['i', 'p', 'o', 'l', 'F', 'J', 'L', 'R', 'D', 'b', 'c', 'E', 'e', 'I', 'm', 'S', 'W', 'w'];
    // A tunnel that goes into the background, a question about the client, an account that only answers.
    if has(arguments, &[], &['f', 'V', 'G', 'Q', 'O'], LETTERS) {
        return false;
    }
    let operands = after_options(arguments, VALUED);
    // Options may stand behind the host as well: `ssh host -p 22`.
    let command = after_options(operands.get(1..).unwrap_or_default(), VALUED);
    let git = operands.first().is_some_and(|host| host.starts_with("git@"));
    !operands.is_empty() && command.is_empty() && !git
}

fn redis_opens(arguments: &[&str]) -> bool {
    let valued = [
        "-h",
        "-p",
        "-s",
        "-a",
        "-u",
        "-r",
        "-i",
        "-n",
        "-d",
        "-D",
        "--user",
        "--pass",
        "--cacert",
        "--cacertdir",
        "--cert",
        "--key",
        "--sni",
    ];
    let modes = |word: &&str| {
        word.starts_with("--")
            && !valued.contains(word)
            && !matches!(
                *word,
                "--tls" | "--insecure" | "--no-auth-warning" | "--raw" | "--no-raw" | "--csv" | "--json"
            )
    };
    !arguments.iter().any(modes) && after_options(arguments, &valued).is_empty() && !arguments.contains(&"-x")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runbook::{shell::Bash, simple};

    fn opens(text: &str) -> Option<Opens> {
        simple::commands(&mut Bash::new(text.len()), text).iter().find_map(of_command)
    }

    #[test]
    fn sessions() {
        for (text, what) in [
            ("ssh -i ~/.ssh/key -p 22 ops@node-1", "ssh"),
            ("ssh node-1 -p 22", "ssh"),
            ("kubectl debug node/x -it --image=busybox", "kubectl debug"),
            ("oc debug \"node/$NODE\"", "oc debug"),
            ("oc rsh -n x pod", "oc rsh"),
            ("kubectl exec -it pod -n x -- /bin/sh", "kubectl exec"),
            ("kubectl exec -it svc/db -- psql -U app", "kubectl exec"),
            ("kubectl run t -it --rm --image=busybox -- sh", "kubectl run"),
            ("docker exec -it db psql -U app shop", "docker exec"),
            ("docker compose exec db bash", "docker exec"),
            ("kubectl exec -c tool -n x $(kubectl get pods -o name | head -1)", "kubectl exec"),
            ("docker exec db", "docker exec"),
            ("docker run --rm -it alpine:3", "docker run"),
            ("sudo -i", "sudo"),
            ("sudo -u postgres psql", "psql"),
            ("su - postgres", "su"),
            ("chroot /host", "chroot"),
            ("psql \"$URL\"", "psql"),
            ("psql -h db -U app shop", "psql"),
            ("mysql -u root -psecret shop", "mysql"),
            ("redis-cli -h cache -p 6379", "redis-cli"),
            ("sqlite3 app.db", "sqlite3"),
            ("python3", "python3"),
            ("bash", "bash"),
            ("gcloud compute ssh node-1 --zone z", "gcloud ssh"),
        ] {
            assert_eq!(opens(text), Some(Opens::Session(what.into())), "{text}");
        }
    }

    #[test]
    fn editors() {
        for (text, what) in [
            ("kubectl -n x edit cm y", "kubectl edit"),
            ("sudo vi /etc/hosts", "vi"),
            ("$EDITOR x", "$EDITOR"),
            ("crontab -u app -e", "crontab -e"),
            ("systemctl edit app", "systemctl edit"),
            ("cd x && nano y", "nano"),
        ] {
            assert_eq!(opens(text), Some(Opens::Editor(what.into())), "{text}");
        }
    }

    #[test]
    fn what_is_told_what_to_do() {
        for text in [
            "ssh node-1 uptime",
            "ssh -o BatchMode=yes node-1 'systemctl restart x'",
            "ssh node-1 <<EOF\nuptime\nEOF",
            "ssh -fN -L 5432:db:5432 bastion",
            "ssh -T git@github.com",
            "kubectl debug node/x -- ls",
            "kubectl exec -it pod -- ls /",
            "kubectl exec -it svc/db -- psql -c 'select 1'",
            "kubectl exec -i pod -- sh < x.sh",
            "kubectl run t --rm -i --image=curl -- curl http://x",
            "kubectl get pods -o name",
            "docker exec db psql -U app -tAc 'select 1'",
            "docker exec db sh -c 'ls'",
            "docker run --rm -it curlimages/curl http://x",
            "sudo -u postgres psql -f x.sql",
            "sudo systemctl restart x",
            "su - postgres -c 'psql -l'",
            "chroot /host systemctl restart x",
            "psql -Atqc 'select 1'",
            "psql \"$URL\" < x.sql",
            "echo 'select 1' | psql",
            "mysql -uroot -e 'show tables'",
            "redis-cli -u \"$URL\" INFO",
            "redis-cli --bigkeys",
            "redis-cli -h x --scan --pattern 'a*'",
            "sqlite3 app.db 'VACUUM;'",
            "bash run.sh",
            "bash -c 'ls'",
            "curl x | sudo bash",
            "python3 x.py",
            "python3 -m http.server",
            "less x",
            "crontab -l",
            "systemctl status edit",
            "git commit -m edit",
            "screen -dmS x top",
        ] {
            assert_eq!(opens(text), None, "{text}");
        }
    }
}
