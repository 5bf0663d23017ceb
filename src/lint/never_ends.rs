//! Which programs wait for somebody to type, or never end by themselves, by their names and arguments.

/// What is wrong with a call, and what to write instead.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Waits {
    /// It waits for somebody to type.
    ForPeople(&'static str),
    /// It goes on until it is killed.
    ForEver(&'static str),
}

use Waits::{ForEver, ForPeople};

/// Options before the verb that take a word.
const KUBECTL: &[&str] = &["-n", "--namespace", "--context", "--kubeconfig", "-c", "--container", "--cluster", "--as"];
const DOCKER: &[&str] =
    &["-f", "--file", "-p", "--project-name", "--profile", "--env-file", "-H", "--context", "--project-directory"];

const NO_EDITOR: &str = "give the change itself: a patch, `sed -i`, a file that is copied";
const COMMAND: &str = "say what to run there: behind the command, by `-c`, or in a here-document";
const FOLLOW: &str = "read what is there (`--tail=100`, `--since=10m`), or say how long: `timeout 60 …`";
const ONCE: &str = "let it look once, or say how often or how long: `timeout 60 …`";
const BACKGROUND: &str = "put it into the background with `&` and end it afterwards, or use a block with `background`";

/// Looks at the words of a call; `fed` says that its standard input is a pipe, a file or a here-document.
pub(super) fn waits(words: &[&str], fed: bool) -> Option<Waits> {
    let (program, rest) = words.split_first()?;
    let program = program.rsplit('/').next().unwrap_or(program);
    let has = |options: &[&str]| rest.iter().any(|word| options.contains(word));
    // A letter in a group of options: `-fn100`.
    let letter = |c: char| rest.iter().any(|word| word.starts_with('-') && !word.starts_with("--") && word.contains(c));
    let plain = rest.iter().filter(|word| !word.starts_with('-'));
    match program {
        "kubectl" | "oc" => kubectl(rest, fed),
        "docker" | "podman" => match rest.split_first() {
            Some((&"compose", rest)) => docker(rest, fed, true),
            _ => docker(rest, fed, false),
        },
        "docker-compose" => docker(rest, fed, true),
        "vi" | "vim" | "nvim" | "nano" | "emacs" | "visudo" => (!fed).then_some(ForPeople(NO_EDITOR)),
        "crontab" if has(&["-e"]) => Some(ForPeople(NO_EDITOR)),
        "systemctl" if rest.first() == Some(&"edit") && !has(&["--stdin"]) => Some(ForPeople(NO_EDITOR)),
        "less" | "more" if rest.iter().any(|word| !word.starts_with('-')) || fed => {
            Some(ForPeople("`cat`, `tail -n 100` or `grep` show it without a pager"))
        }
        "psql" if !fed && !letter('c') && !letter('f') && !letter('l') => {
            let done = ["--command", "--file", "--list", "--version", "--help"];
            let done = rest.iter().any(|word| done.iter().any(|option| word.starts_with(option)));
            (!done).then_some(ForPeople(COMMAND))
        }
        "mysql" | "mariadb" if !fed && !letter('e') && !letter('V') => {
            (!rest.iter().any(|word| word.starts_with("--execute") || *word == "--version"))
                .then_some(ForPeople(COMMAND))
        }
        "mongosh" | "mongo" if !fed => {
            let done =
                rest.iter().any(|word| word.starts_with("--eval") || word.ends_with(".js") || *word == "--version");
            (!done).then_some(ForPeople(COMMAND))
        }
        "redis-cli" => redis(rest, fed),
        "sqlite3" if !fed && !has(&["-version"]) && plain.count() == 1 => Some(ForPeople(COMMAND)),
        "python" | "python3" | "node" | "irb" | "bash" | "sh" | "zsh" if !fed && is_bare(rest) => {
            Some(ForPeople(COMMAND))
        }
        "su" if !fed && !letter('c') && !has(&["--command"]) => Some(ForPeople(COMMAND)),
        "ssh" => ssh(rest, fed),
        "telnet" if !fed => Some(ForPeople("`nc -zv HOST PORT` looks whether a port is open")),
        "htop" | "btop" | "atop" | "iftop" | "k9s" => {
            Some(ForPeople("`top -bn1`, `ps` or `kubectl top` print it once"))
        }
        "top" if !(letter('n') || letter('l')) => Some(ForEver("`top -bn1` prints it once")),
        "iotop" if !letter('n') => Some(ForEver("`iotop -bn1` prints it once")),
        "watch" => Some(ForEver(ONCE)),
        "tail" if letter('f') || letter('F') || has(&["--follow"]) => {
            Some(ForEver("read what is there (`tail -n 100`), or say how long: `timeout 60 tail -f …`"))
        }
        "journalctl" if letter('f') || has(&["--follow"]) => {
            Some(ForEver("read what is there (`-n 100`, `--since -10m`), or say how long: `timeout 60 …`"))
        }
        "dmesg" if letter('w') || has(&["--follow"]) => Some(ForEver(ONCE)),
        "stern" if !has(&["--no-follow"]) => Some(ForEver("`--no-follow` reads what is there")),
        "ping" if !letter('c') && !letter('w') => Some(ForEver("`ping -c 3` ends")),
        "tcpdump" if !letter('c') && !letter('r') && !letter('D') => {
            Some(ForEver("`-c 100` ends after as many packets"))
        }
        "vmstat" | "mpstat" | "iostat" | "sar" => {
            // An interval without a count: `vmstat 1`.
            let numbers = rest.iter().rev().take_while(|word| word.bytes().all(|c| c.is_ascii_digit())).count();
            (numbers == 1).then_some(ForEver("give it a count behind the interval: `vmstat 1 5`"))
        }
        "aws" if rest.starts_with(&["logs", "tail"]) && has(&["--follow"]) => Some(ForEver(FOLLOW)),
        "aws" if rest.starts_with(&["ssm", "start-session"]) && !has(&["--document-name"]) => {
            Some(ForPeople("`aws ssm send-command` runs a command"))
        }
        "gcloud"
            if rest.contains(&"ssh") && !rest.iter().any(|word| word.starts_with("--command") || *word == "--") =>
        {
            Some(ForPeople("`--command` says what to run there"))
        }
        _ => None,
    }
}

/// The program of a call, and what it is told to do: `kubectl logs`, `docker compose up`, `psql`.
pub(super) fn name(words: &[&str]) -> String {
    let Some((program, rest)) = words.split_first() else { return String::new() };
    let options = match *program {
        "kubectl" | "oc" => KUBECTL,
        "docker" | "docker-compose" | "podman" => DOCKER,
        "aws" | "gcloud" | "systemctl" => &[],
        _ => return program.to_string(),
    };
    let mut name = program.to_string();
    let mut rest = rest;
    while let Some((verb, behind)) = after_options(rest, options).and_then(|at| rest.get(at..)?.split_first()) {
        name = format!("{name} {verb}");
        rest = behind;
        if *verb != "compose" {
            break;
        }
    }
    name
}

/// Nothing but options of a login shell.
fn is_bare(rest: &[&str]) -> bool {
    rest.iter().all(|word| matches!(*word, "-i" | "-l" | "--login" | "-"))
}

fn kubectl(rest: &[&str], fed: bool) -> Option<Waits> {
    const VALUES: &[&str] =
        &["-n", "--namespace", "--context", "--kubeconfig", "-c", "--container", "--cluster", "--as"];
    let verb_at = after_options(rest, VALUES)?;
    let (verb, rest) = rest.get(verb_at..)?.split_first()?;
    let behind = rest.iter().position(|word| *word == "--");
    let (own, inner) = rest.split_at(behind.unwrap_or(rest.len()));
    let inner = inner.get(1..);
    let has = |options: &[&str]| own.iter().any(|word| options.contains(word));
    match *verb {
        "edit" => Some(ForPeople("`kubectl patch`, `set`, `scale` or `apply` change it without an editor")),
        // The log of a job ends with the job.
        "logs" if own.iter().any(|word| word.starts_with("job/") || word.starts_with("jobs/")) => None,
        "logs" if has(&["-f", "--follow", "--follow=true"]) || own.iter().any(|word| is_group_with(word, 'f')) => {
            Some(ForEver(FOLLOW))
        }
        "get" if has(&["-w", "--watch", "--watch-only", "-w=true", "--watch=true"]) => {
            Some(ForEver("look once, or let `kubectl wait --for=… --timeout=60s` or `kubectl rollout status` wait"))
        }
        "port-forward" | "proxy" => Some(ForEver(BACKGROUND)),
        "attach" => Some(ForPeople(FOLLOW)),
        "rsh" if after_options(own, VALUES).is_some_and(|at| own.len() == at + 1) => Some(ForPeople(COMMAND)),
        "exec" | "run" | "debug" => within(is_interactive(own), inner?, fed),
        _ => None,
    }
}

fn docker(rest: &[&str], fed: bool, compose: bool) -> Option<Waits> {
    let verb_at = after_options(rest, DOCKER)?;
    let (verb, rest) = rest.get(verb_at..)?.split_first()?;
    let has = |options: &[&str]| rest.iter().any(|word| options.contains(word));
    match *verb {
        "logs" if has(&["-f", "--follow"]) || rest.iter().any(|word| is_group_with(word, 'f')) => Some(ForEver(FOLLOW)),
        "stats" if !has(&["--no-stream"]) => Some(ForEver("`--no-stream` prints it once")),
        "events" if !rest.iter().any(|word| word.starts_with("--until")) => Some(ForEver("`--until 0s` ends")),
        "attach" => Some(ForPeople(FOLLOW)),
        "up" if compose && !has(&["-d", "--detach", "--wait", "--no-start", "--abort-on-container-exit"]) => {
            Some(ForEver("`-d` starts the services in the background"))
        }
        "exec" => {
            const VALUES: &[&str] = &["-u", "--user", "-e", "--env", "-w", "--workdir", "--index", "--env-file"];
            let container = after_options(rest, VALUES)?;
            let (own, inner) = (rest.get(..container)?, rest.get(container + 1..)?);
            // Compose asks for a terminal unless it is told not to.
            let interactive = if compose { !own.contains(&"-T") } else { is_interactive(own) };
            within(interactive, inner, fed)
        }
        _ => None,
    }
}

/// A command inside of a container: what waits for input does so only where it gets one.
fn within(interactive: bool, inner: &[&str], fed: bool) -> Option<Waits> {
    if inner.is_empty() {
        return (interactive && !fed).then_some(ForPeople(COMMAND));
    }
    waits(inner, fed || !interactive)
}

/// `-it`, `-i -t`, `--stdin --tty`.
fn is_interactive(own: &[&str]) -> bool {
    let long =
        |name: &str| own.iter().any(|word| word.strip_prefix(name).is_some_and(|rest| matches!(rest, "" | "=true")));
    long("--stdin") || long("--interactive") || own.iter().any(|word| is_group_with(word, 'i'))
}

/// Options of one letter, several in a word.
fn is_group_with(word: &str, letter: char) -> bool {
    let group = word.strip_prefix('-').filter(|group| !group.starts_with('-') && group.len() <= 3);
    group.is_some_and(|group| group.contains(letter) && group.bytes().all(|c| c.is_ascii_alphabetic()))
}

/// Where the first word stands that is neither an option nor the value of one.
fn after_options(words: &[&str], values: &[&str]) -> Option<usize> {
    let mut at = 0;
    while words.get(at)?.starts_with('-') {
        at += if words.get(at).is_some_and(|word| values.contains(word)) { 2 } else { 1 };
    }
    (at < words.len()).then_some(at)
}

fn redis(rest: &[&str], fed: bool) -> Option<Waits> {
    const VALUES: &[&str] =
        &["-h", "-p", "-a", "-n", "-u", "-s", "-r", "-i", "--user", "--pass", "--cacert", "--cert", "--key", "--sni"];
    let command = after_options(rest, VALUES).and_then(|at| rest.get(at)).map(|word| word.to_lowercase());
    match command.as_deref() {
        Some("monitor" | "subscribe" | "psubscribe") => Some(ForEver(ONCE)),
        Some(_) => None,
        None if rest
            .iter()
            .any(|word| matches!(*word, "--stat" | "--latency" | "--latency-history" | "--latency-dist")) =>
        {
            Some(ForEver(ONCE))
        }
        // `--scan`, `--bigkeys`, `--version` and the like do what they say and end.
        None if fed || rest.iter().any(|word| word.starts_with("--") && !VALUES.contains(word) && *word != "--tls") => {
            None
        }
        None => Some(ForPeople(COMMAND)),
    }
}

fn ssh(rest: &[&str], fed: bool) -> Option<Waits> {
    const VALUES: &[&str] = &[
        "-i", "-p", "-l", "-o", "-L", "-R", "-D", "-F", "-J", "-E", "-b", "-c", "-m", "-W", "-w", "-S", "-B", "-e",
        "-I", "-O", "-Q",
    ];
    let has = |options: &[&str]| rest.iter().any(|word| options.contains(word));
    let mut at = after_options(rest, VALUES)? + 1;
    // Options may stand behind the host as well.
    at += after_options(rest.get(at..)?, VALUES).unwrap_or(rest.len() - at);
    if at < rest.len()
        || fed
        || has(&["-O", "-Q", "-V", "-G", "-T"])
        || rest.iter().any(|word| is_group_with(word, 'f'))
    {
        return None;
    }
    let tunnel = rest.iter().any(|word| is_group_with(word, 'N'));
    Some(if tunnel { ForEver("`ssh -fN` goes into the background") } else { ForPeople(COMMAND) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(command: &str) -> Option<&'static str> {
        let words: Vec<&str> = command.split(' ').collect();
        waits(&words, false).map(|waits| match waits {
            ForPeople(_) => "people",
            ForEver(_) => "ever",
        })
    }

    #[test]
    fn what_waits_for_people() {
        for command in [
            "kubectl -n x edit deploy y",
            "kubectl exec -it web-0 -n x -- bash",
            "kubectl exec --stdin --tty svc/x -- psql -U shop",
            "kubectl run -it --rm x --image=y -- sh",
            "docker exec -ti db psql -U shop",
            "docker compose exec db mysql -u root -p",
            "psql",
            "psql -h db -U shop shop",
            "mysql -h db -p",
            "redis-cli -h cache -p 6379",
            "mongosh mongodb://x",
            "sqlite3 x.db",
            "ssh -i key ops@web -p 22",
            "/usr/bin/vim x",
            "less x.log",
            "crontab -e",
            "su - postgres",
            "python3",
            "oc rsh pod/x",
        ] {
            assert_eq!(of(command), Some("people"), "{command}");
        }
    }

    #[test]
    fn what_never_ends() {
        for command in [
            "kubectl logs -f deploy/x",
            "kubectl get pods -w",
            "kubectl port-forward svc/x 80",
            "kubectl exec x -- tail -f /log",
            "docker logs --follow x",
            "docker compose logs -f x",
            "docker compose -f a.yaml up",
            "docker stats",
            "tail -f x",
            "tail -Fn 100 x",
            "journalctl -fu x",
            "watch ls",
            "top",
            "ping x",
            "vmstat 1",
            "iostat -x 1",
            "redis-cli monitor",
            "redis-cli --stat",
            "ssh -N -L 1:2:3 x",
        ] {
            assert_eq!(of(command), Some("ever"), "{command}");
        }
    }

    #[test]
    fn what_ends() {
        for command in [
            "kubectl logs x --tail=100 -c front",
            "kubectl get pods -o wide",
            "kubectl logs -f job/x",
            "kubectl exec -it x -- psql -c x",
            "kubectl exec x -- psql",
            "kubectl exec -it x -- bash -c ls",
            "docker exec db psql",
            "docker exec -it db psql -tAc x",
            "docker compose exec -T db psql",
            "docker compose -f a.yaml up -d",
            "docker compose logs --tail 5 x",
            "docker run --rm x",
            "psql -f x.sql",
            "psql -U shop --command=x",
            "mysql -e x",
            "redis-cli -h x ping",
            "redis-cli --bigkeys",
            "sqlite3 x.db .tables",
            "ssh ops@web uptime",
            "ssh -fN -L 1:2:3 x",
            "tail -n 5 x",
            "journalctl -u foo",
            "top -bn1",
            "ping -c 3 x",
            "vmstat 1 5",
            "bash x.sh",
            "python3 -m http.server",
            "su -c ls x",
            "timeout 5 tail -f x",
            "less",
        ] {
            assert_eq!(of(command), None, "{command}");
        }
        assert_eq!(name(&["docker", "compose", "-f", "x", "up"]), "docker compose up");
        assert_eq!(name(&["kubectl", "-n", "x", "edit", "y"]), "kubectl edit");
        assert_eq!(name(&["psql", "-U", "x"]), "psql");
        assert_eq!(waits(&["psql"], true), None);
        assert_eq!(waits(&["ssh", "x"], true), None);
    }
}
