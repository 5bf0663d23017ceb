//! Commands that never end by themselves: a drill would wait for its time-out and then fail the step.

use super::simple::{Simple, has};

/// What of a command never ends, as it is written, if anything does.
pub(super) fn of_command(command: &Simple<'_>) -> Option<String> {
    if command.timed || command.background || command.cut {
        return None;
    }
    if let Some(what) = command.inner().and_then(|inner| of_command(&inner)) {
        return Some(what);
    }
    let program = command.program();
    let arguments = command.arguments();
    let what = |more: &str| Some(format!("{program} {more}").trim_end().to_string());
    let flag = |long: &[&str], short: &[char], valued: &[char]| command.has(long, short, valued);
    let follows = |word: &str| {
        let at = arguments.iter().position(|argument| *argument == word);
        let behind = at.and_then(|at| arguments.get(at + 1..)).unwrap_or_default();
        at.is_some() && has(behind, &["--follow"], &['f'], &['n', 'c', 'l', 't'])
    };
    match program {
        "tail" if flag(&["--follow"], &['f', 'F'], &['n', 'c']) => what("-f"),
        "journalctl" if flag(&["--follow"], &['f'], &['u', 'n', 't', 'p', 'o', 'S', 'U']) => what("-f"),
        "watch" | "htop" | "btop" | "atop" | "nload" | "iftop" | "k9s" | "ctop" | "lazydocker" | "glances" => what(""),
        "top" if !flag(&[], &['n', 'l', 'v', 'h'], &['d', 'p', 'u']) => what(""),
        "iotop" if !flag(&["--iter"], &['n'], &['d', 'p']) => what(""),
        "ping" | "ping6" if !flag(&[], &['c', 'w', 'h', 'V'], &['i', 's', 'W', 'I']) => what(""),
        "mtr" if !flag(&["--report", "--report-cycles"], &['r', 'c', 'w'], &[]) => what(""),
        "tcpdump" if !flag(&["--version", "--list-interfaces"], &['c', 'r', 'D', 'G'], &['i', 'w', 's']) => what(""),
        "vmstat" | "iostat" | "mpstat" | "pidstat" | "sar" | "dstat" => counts(arguments).then(|| what("")).flatten(),
        "stern" if !flag(&["--no-follow"], &[], &[]) => what(""),
        "kubectl" | "oc" => {
            let verb = |word: &str| arguments.contains(&word);
            let watch = has(arguments, &["--watch", "--watch-only"], &['w'], &['n', 'l', 'o', 'c', 'f', 'L']);
            match () {
                () if verb("port-forward") => what("port-forward"),
                () if verb("proxy") => what("proxy"),
                // The log of a job ends with the job.
                () if arguments.iter().any(|word| word.starts_with("job/") || word.starts_with("jobs/")) => None,
                () if verb("logs") && follows("logs") => what("logs -f"),
                () if (verb("get") || verb("events")) && watch => what("get -w"),
                () => None,
            }
        }
        "docker" | "docker-compose" | "podman" | "nerdctl" => of_docker(command, follows("logs")),
        "redis-cli" => {
            let verbs = ["monitor", "subscribe", "psubscribe", "--stat", "--latency-history", "--latency-dist"];
            let found = arguments.iter().find(|word| verbs.contains(&word.to_lowercase().as_str()));
            found.and_then(|word| what(word))
        }
        "python" | "python3" if arguments.starts_with(&["-m", "http.server"]) => what("-m http.server"),
        "aws" if arguments.contains(&"tail") && flag(&["--follow"], &[], &[]) => what("logs tail --follow"),
        "argocd" | "argo" | "nomad" | "flyctl" | "fly" | "vercel" | "heroku" | "supervisorctl" | "crictl" => {
            let tails = flag(&["--tail"], &['t'], &['a']) && program == "heroku";
            (tails || follows("logs") || follows("tail")).then(|| what("logs -f")).flatten()
        }
        _ => None,
    }
}

fn of_docker(command: &Simple<'_>, follows: bool) -> Option<String> {
    let program = command.program();
    let arguments = command.arguments();
    // `docker compose -p shop -f x.yaml up`: the verb is the first word of a kind, wherever options stand.
    let verb = arguments.iter().position(|word| matches!(*word, "logs" | "stats" | "events" | "up" | "attach" | "run"));
    let (verb, behind) = (*arguments.get(verb?)?, arguments.get(verb? + 1..)?);
    let compose = program == "docker-compose" || arguments.contains(&"compose");
    let name = if compose && program != "docker-compose" { format!("{program} compose") } else { program.to_string() };
    let ends = match verb {
        "logs" => !follows,
        "stats" => has(behind, &["--no-stream"], &[], &[]),
        "events" => has(behind, &["--until"], &[], &[]),
        "up" if compose => {
            let stops =
                ["--detach", "--wait", "--no-start", "--abort-on-container-exit", "--exit-code-from", "--dry-run"];
            has(behind, &stops, &['d'], &['t'])
        }
        _ => true,
    };
    let option = if verb == "logs" { " -f" } else { "" };
    (!ends).then(|| format!("{name} {verb}{option}"))
}

/// `vmstat 1` goes on, `vmstat 1 5` ends: one number that is no option's value.
fn counts(arguments: &[&str]) -> bool {
    let mut numbers = 0;
    let mut words = arguments.iter().peekable();
    while let Some(word) = words.next() {
        if matches!(*word, "-p" | "-P" | "-C" | "-f" | "-s" | "-e" | "-o" | "-j" | "-G" | "-U" | "-T" | "-I") {
            words.next_if(|next| !next.starts_with('-'));
        } else if word.chars().all(|c| c.is_ascii_digit()) {
            numbers += 1;
        }
    }
    numbers == 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runbook::{shell::Bash, simple};

    fn endless(text: &str) -> Option<String> {
        simple::commands(&mut Bash::new(text.len()), text).iter().find_map(of_command)
    }

    #[test]
    fn what_never_ends() {
        for (text, what) in [
            ("tail -f /var/log/x", "tail -f"),
            ("sudo tail -n 50 -F x | grep y", "tail -f"),
            ("tail -100f x", "tail -f"),
            ("journalctl -fu nginx", "journalctl -f"),
            ("journalctl -u nginx --follow", "journalctl -f"),
            ("watch -n 5 'df -h'", "watch"),
            ("top", "top"),
            ("top -d 5", "top"),
            ("htop", "htop"),
            ("kubectl -n x logs -f deploy/web", "kubectl logs -f"),
            ("kubectl logs deploy/web --follow --tail=5", "kubectl logs -f"),
            ("kubectl get pods -n x -w", "kubectl get -w"),
            ("kubectl port-forward svc/x 80", "kubectl port-forward"),
            ("kubectl exec pod -- tail -f x", "tail -f"),
            ("docker logs -f web", "docker logs -f"),
            ("docker compose -f x.yaml logs --follow web", "docker compose logs -f"),
            ("docker compose up", "docker compose up"),
            ("docker-compose -p x up --build", "docker-compose up"),
            ("docker stats", "docker stats"),
            ("ping db", "ping"),
            ("vmstat 1", "vmstat"),
            ("iostat -x 5", "iostat"),
            ("redis-cli -h x MONITOR", "redis-cli MONITOR"),
            ("cd x && docker events", "docker events"),
        ] {
            assert_eq!(endless(text).as_deref(), Some(what), "{text}");
        }
    }

    #[test]
    fn what_ends() {
        for text in [
            "timeout 5 tail -f x",
            "timeout -k 1 5s kubectl logs -f x",
            "kubectl port-forward svc/x 80 &",
            "kubectl port-forward svc/x 80 > /dev/null 2>&1 &",
            "tail -f x | head -5",
            "kubectl logs -f x | grep -m1 ready",
            "tail -n 5 x",
            "journalctl -u nginx-foo -n 50",
            "journalctl -uf",
            "top -bn1",
            "top -b -n 1 | head",
            "kubectl apply -f x.yaml",
            "kubectl logs x --follow=false",
            "kubectl logs -f job/migrate",
            "kubectl top pods",
            "kubectl get pods -l app=watch -o wide",
            "kubectl rollout status deploy/x -w",
            "docker compose -f x.yaml logs web",
            "docker compose -f x.yaml up -d",
            "docker compose up --wait",
            "docker stats --no-stream",
            "docker rm -f x",
            "rm -f logs",
            "ping -c 3 db",
            "redis-cli ping",
            "vmstat 1 5",
            "iostat -x",
            "pidstat -p 17",
            "echo 'tail -f x'",
            "f() { tail -f x; }",
        ] {
            assert_eq!(endless(text), None, "{text}");
        }
    }
}
