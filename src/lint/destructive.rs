//! What destroys: calls after which something is gone that nobody brings back by typing a command. Which ones those are stands
//! in the table of programs; here is how they are found behind others, and what is too small to be told.

use crate::programs::{self, Word, statements};
use crate::runbook::look::Grammar;

/// What a call destroys.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Harm {
    /// What it acts on, as it was written; empty when it names nothing.
    pub target: String,
    /// Whether the target is a thing of a database.
    pub sql: bool,
}

/// Options by which a program looks only, or asks first.
const HARMLESS: &[&str] = &["--dry-run", "--dryrun", "--help", "--no-act", "--interactive", "-i", "-I"];
/// How deep shell text in shell text is looked at, and how many words of a call may begin another one.
const DEEPEST: (usize, usize) = (4, 40);

/// What a call destroys, if it does; the first word is the program.
pub(super) fn harm(grammar: &Grammar, words: &[&str]) -> Option<Harm> {
    deep(grammar, words, DEEPEST.0)
}

fn deep(grammar: &Grammar, words: &[&str], left: usize) -> Option<Harm> {
    let left = left.checked_sub(1)?;
    let (first, rest) = words.split_first()?;
    let program = base(first);
    const CONTAINERS: &[&str] = &["docker", "docker-compose", "podman", "nerdctl", "kubectl", "oc"];
    const CALLERS: &[&str] = &["nsenter", "chroot", "parallel"];
    let script = programs::script(program).is_some();
    own(program, rest).or_else(|| {
        // Of a container's tool only what stands behind these is a program.
        let begin = rest.iter().position(|word| matches!(*word, "exec" | "run" | "rsh" | "debug" | "--"));
        let begin = match CONTAINERS.contains(&program) {
            true => begin?,
            false if script || programs::wrapper(program).is_some() || CALLERS.contains(&program) => 0,
            false => return None,
        };
        let rest = rest.get(begin..)?;
        let rest = rest.get(..DEEPEST.1).unwrap_or(rest);
        let called = (0..rest.len()).filter_map(|at| rest.get(at..)?.split_first());
        let mut texts = rest.iter().filter(|word| word.contains(' '));
        let inside = |text: &&str| {
            let calls = grammar.calls_in(text);
            calls.iter().find_map(|words| deep(grammar, &words.iter().map(String::as_str).collect::<Vec<_>>(), left))
        };
        let mut called = called.filter(|(first, _)| !first.contains(' ')).map(|(first, rest)| (base(first), rest));
        called.find_map(|(program, rest)| own(program, rest)).or_else(|| texts.find_map(inside))
    })
}

/// What a program destroys by itself, and not one that it runs.
fn own(program: &str, rest: &[&str]) -> Option<Harm> {
    let harmless = |word: &&str| HARMLESS.iter().any(|option| *word == *option || word.starts_with("--dry-run="));
    let asks = program == "rm" && rest.iter().any(|word| word.starts_with("-ri") || word.starts_with("-ir"));
    if is_client(program) {
        let mut texts = rest.iter().filter(|word| word.contains(' '));
        return texts
            .find_map(|word| statements::harms(statement(word)).into_iter().next())
            .map(|harm| Harm { target: harm.target, sql: true });
    }
    let words: Vec<Word> = [program].iter().chain(rest).map(|word| Word::fixed(*word)).collect();
    programs::destroys(&words).filter(|_| !asks && !rest.iter().any(harmless))?;
    let operand = || rest.iter().rfind(|word| !word.starts_with('-')).copied().unwrap_or_default();
    let target = match program {
        "rm" => rest.iter().find(|word| !word.starts_with('-') && is_wide(word))?,
        "find" => find(rest)?,
        _ => operand(),
    };
    Some(Harm { target: target.to_string(), sql: false })
}

fn base(word: &str) -> &str {
    word.rsplit('/').next().unwrap_or(word)
}

/// A statement without the option that it is attached to.
fn statement(word: &str) -> &str {
    match word.strip_prefix("--").and_then(|option| option.split_once('=')) {
        Some((_, value)) => value.trim_matches(['"', '\'']),
        None => word,
    }
}

/// Whether the program sends statements to a database.
pub(super) fn is_client(program: &str) -> bool {
    programs::is_sql_client(base(program))
}

/// The folder of `find /var/lib/x -delete`, where no word says which files.
fn find<'w>(rest: &[&'w str]) -> Option<&'w str> {
    let chooses = |word: &&str| matches!(*word, "-type" | "-mindepth" | "-maxdepth" | "-delete" | "-xdev" | "-print");
    let tests = rest.iter().filter(|word| word.starts_with('-') && word.len() > 1).any(|word| !chooses(word));
    rest.first().copied().filter(|word| is_wide(word) && !tests)
}

/// Whether a path holds what others need: `/`, `/var/lib/…`, `/etc`, a variable. Not `/tmp/x`, caches and logs.
pub(super) fn is_wide(word: &str) -> bool {
    let word = word.replace(['"', '\''], "");
    if word.contains(":?") {
        return false;
    }
    if word.starts_with('$') {
        // `$(mktemp -d)` was made a moment ago.
        return !word.contains("mktemp");
    }
    let Some(path) = word.strip_prefix('/') else { return word == "~" || word == "~/" };
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    let passing = |part: &&&str| {
        let name = part.to_lowercase();
        ["tmp", "temp", "cache", "log", "logs", "old", "crash"].contains(&name.as_str()) || is_scratch(&name)
    };
    match parts.as_slice() {
        ["tmp" | "run", _, ..] | ["dev", "shm", ..] => false,
        _ if parts.iter().skip(1).any(|part| passing(&part)) => false,
        // A placeholder is filled in by somebody who looks at it.
        _ if parts.iter().any(|part| part.contains('<')) => false,
        [] | [_] | [_, "*"] => true,
        ["etc" | "usr" | "bin" | "sbin" | "lib" | "lib64" | "boot" | "var" | "data" | "mnt" | "srv", ..] => true,
        ["home" | "opt" | "root", _] => true,
        _ => false,
    }
}

/// Whether a name says that nobody will miss the thing.
pub(super) fn is_scratch(name: &str) -> bool {
    const PARTS: &[&str] =
        &["tmp", "temp", "scratch", "test", "validat", "sandbox", "dummy", "drill", "canary", "chaos", "verify"];
    let name = name.to_lowercase();
    PARTS.iter().any(|part| name.contains(part))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(command: &str) -> bool {
        let grammar = Grammar::of_page(command.len());
        let calls = grammar.calls_in(command);
        calls.iter().any(|words| harm(&grammar, &words.iter().map(String::as_str).collect::<Vec<_>>()).is_some())
    }

    #[test]
    fn what_destroys() {
        for command in [
            "rm -rf /",
            "rm -r -f /var/lib/x/*",
            "rm -rf \"$DIR\"",
            "sudo rm -fr /etc/x",
            "/bin/rm -rf /usr",
            "ssh db1 'rm -rf /data/x'",
            "ssh db1 rm -rf /data/x",
            "sh -c 'cd /; rm -rf /home'",
            "ls | xargs -0 rm -rf /srv/a/b",
            "kubectl exec x -- rm -rf /data",
            "docker exec -it a psql -c 'DROP TABLE x'",
            "sudo -u postgres psql -c 'drop database x'",
            "kubectl delete ns shop",
            "kubectl -n x delete pvc a b",
            "oc delete pod/x pvc/x",
            "kubectl delete pods --all",
            "kubectl delete pod,pvc -l app=x",
            "kubectl delete crd a.b.c",
            "terraform destroy",
            "terraform -chdir=x apply -destroy",
            "docker system prune -af --volumes",
            "docker volume rm x",
            "docker compose -f a.yml down -v",
            "mkfs.ext4 /dev/sdb1",
            "dd if=a of=/dev/sda bs=1M",
            "redis-cli -h x flushall",
            "git push origin main --force",
            "aws s3 rm s3://a --recursive",
            "dropdb shop",
            "etcdctl del / --prefix",
            "crontab -r",
            "find /var/lib/x -delete",
            "mysql -e \"TRUNCATE orders\"",
            "psql --command=\"delete from a\"",
        ] {
            assert!(found(command), "{command}");
        }
    }

    #[test]
    fn what_does_not() {
        for command in [
            "kubectl get pods shred -o wide",
            "rm -f /var/lib/x/lock",
            "rm -rf ./build",
            "rm -rf /tmp/x",
            "rm -rf \"${DIR:?}\"",
            "rm -rf \"$(mktemp -d)\"",
            "rm -rf /var/cache/apt",
            "rm -rf /opt/app/releases/12",
            "rm -rf /data/<folder>",
            "rm -ri /etc/x",
            "kubectl delete pod x",
            "kubectl delete ns x --dry-run=client",
            "kubectl get ns --all-namespaces",
            "kubectl delete -f ns.yaml",
            "kubectl delete pod -n pvc x",
            "terraform plan -destroy",
            "docker system prune",
            "docker compose down",
            "docker volume ls",
            "dd if=/dev/zero of=/var/x",
            "dd if=x of=/dev/null",
            "redis-cli info",
            "git push --force-with-lease",
            "git push",
            "aws s3 rm s3://a/b",
            "aws s3 rm s3://a --recursive --dryrun",
            "dropdb -i x",
            "etcdctl del /a",
            "kill -1 42",
            "crontab -l",
            "find /var/log -mtime +7 -delete",
            "find /var/lib/x -name '*.tmp' -delete",
            "psql -c 'drop index x'",
            "echo rm -rf /",
            "grep 'DROP TABLE x' log",
            "man rm",
        ] {
            assert!(!found(command), "{command}");
        }
    }
}
