//! What destroys: programs and arguments after which something is gone that nobody brings back by typing a command.
//! What asks before it does so by itself (`docker system prune` without `-f`) is left out, and so is what one command
//! brings back (`helm uninstall`, a deleted pod).

use super::sql;
use crate::runbook::look::Grammar;

/// What a call destroys.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Harm {
    /// In words, for the message: `everything below it`.
    pub what: &'static str,
    /// What it acts on, as it was written; empty when it names nothing.
    pub target: String,
    /// Whether the target is a thing of a database.
    pub sql: bool,
}

/// Program, words that must follow in this order (options between them do not matter), options of which one of each
/// group must be there, options that take the harm away, and what is destroyed.
type Row = (
    &'static [&'static str],
    &'static [&'static str],
    &'static [&'static [&'static str]],
    &'static [&'static str],
    &'static str,
);

const TERRAFORM: &[&str] = &["terraform", "tofu", "terragrunt"];
const DOCKER: &[&str] = &["docker", "podman"];
const REDIS: &[&str] = &["redis-cli", "valkey-cli", "keydb-cli"];
const RESETWAL: &[&str] = &["pg_resetwal", "pg_resetxlog"];
const FORCE: &[&str] = &["-f", "--force"];
const YES: &[&str] = &["-y", "--yes"];
const QUIET: &[&str] = &["-q", "--quiet"];
const RECURSIVE: &[&str] = &["-r", "-R", "--recursive"];

const ROWS: &[Row] = &[
    (TERRAFORM, &["destroy"], &[], &[], "everything that this configuration manages"),
    (TERRAFORM, &["apply"], &[&["-destroy"]], &[], "everything that this configuration manages"),
    (DOCKER, &["system", "prune"], &[FORCE], &[], "every container, image and network that is not in use just now"),
    (DOCKER, &["volume", "prune"], &[FORCE], &[], "the data of every volume that is not in use just now"),
    (DOCKER, &["volume", "rm"], &[], &[], "the data of the volume"),
    (DOCKER, &["compose", "down"], &[&["-v", "--volumes"]], &[], "the data of the project's volumes"),
    (&["docker-compose"], &["down"], &[&["-v", "--volumes"]], &[], "the data of the project's volumes"),
    (&["wipefs"], &[], &[&["-a", "--all"]], &["-n", "--no-act"], "what the device holds"),
    (&["blkdiscard"], &[], &[], &[], "what the device holds"),
    (&["zfs", "zpool"], &["destroy"], &[], &["-n"], "the data in it"),
    (&["lvremove", "vgremove"], &[], &[&["-f", "--force", "-y", "--yes"]], &["-t", "--test"], "the data in it"),
    (REDIS, &["FLUSHALL"], &[], &[], "every key of every database"),
    (REDIS, &["FLUSHDB"], &[], &[], "every key of the database"),
    (&["git"], &["push"], &[&["-f", "--force", "--mirror"]], &["-n"], "what others have pushed"),
    (&["aws"], &["s3", "rm"], &[RECURSIVE], &["--dryrun"], "every object below it"),
    (&["aws"], &["s3", "rb"], &[FORCE], &[], "the bucket and every object in it"),
    (&["aws"], &["rds", "delete-db-instance"], &[], &["--final-db-snapshot-identifier"], "the database"),
    (&["aws"], &["rds", "delete-db-cluster"], &[], &["--final-db-snapshot-identifier"], "the database"),
    (&["aws"], &["dynamodb", "delete-table"], &[], &[], "the table"),
    (&["aws"], &["cloudformation", "delete-stack"], &[], &[], "everything in the stack"),
    (
        &["aws"],
        &["secretsmanager", "delete-secret"],
        &[&["--force-delete-without-recovery"]],
        &[],
        "the secret for good",
    ),
    (&["gsutil"], &["rm"], &[RECURSIVE], &[], "every object below it"),
    (&["gcloud"], &["storage", "rm"], &[RECURSIVE], &[], "every object below it"),
    (&["gcloud"], &["sql", "instances", "delete"], &[QUIET], &[], "the database"),
    (&["gcloud"], &["projects", "delete"], &[QUIET], &[], "everything in the project"),
    (&["az"], &["group", "delete"], &[YES], &[], "everything in the group"),
    (&["dropdb"], &[], &[], &[], "the database"),
    (&["mysqladmin"], &["drop"], &[FORCE], &[], "the database"),
    (&["etcdctl"], &["del"], &[&["--prefix", "--from-key"]], &[], "every key of that range"),
    (&["consul"], &["kv", "delete"], &[&["-recurse"]], &[], "every key below it"),
    (&["crontab"], &[], &[&["-r"]], &[], "every job of the crontab"),
    (RESETWAL, &[], &[], &["-n"], "transactions that were not written back yet"),
    (&["rabbitmqctl"], &["reset"], &[], &[], "every queue of the node"),
    (&["rabbitmqctl"], &["force_reset"], &[], &[], "every queue of the node"),
    (&["rabbitmqctl"], &["purge_queue"], &[], &[], "every message of the queue"),
    (&["rabbitmqctl"], &["delete_vhost"], &[], &[], "every queue of the host"),
    (&["kafka-topics", "kafka-topics.sh"], &[], &[&["--delete"]], &[], "every message of the topic"),
];

/// Options by which a program looks only.
const LOOKS: &[&str] = &["--dry-run", "--dryrun", "--help", "--whatif"];
/// Options by which some ask first.
const ASKS: &[&str] = &["-i", "-I", "--interactive"];
/// Programs that call another one, which follows in their arguments.
const CALLERS: &[&str] = &[
    "sudo", "docker", "docker-compose", "podman", "kubectl", "oc", "ssh", "xargs", "timeout", "env", "nice", "ionice",
    "su", "runuser", "chroot", "nsenter", "flock", "parallel", "watch", "gosu",
];
/// Programs that are looked for behind those.
const OWN_CASES: &[&str] = &["rm", "find", "dd", "kill", "mongo", "mongosh", "sh", "bash"];
/// How deep callers may call callers.
const DEEPEST: usize = 4;

/// What a call destroys, if it does; the first word is the program.
pub(super) fn harm(grammar: &Grammar, words: &[&str]) -> Option<Harm> {
    deep(grammar, words, DEEPEST)
}

fn deep(grammar: &Grammar, words: &[&str], left: usize) -> Option<Harm> {
    let (first, rest) = words.split_first()?;
    let program = base(first);
    let left = left.checked_sub(1)?;
    let own = match program {
        "rm" => rm(rest),
        "find" => find(rest),
        "dd" => dd(rest),
        "kill" => (rest.len() > 1 && rest.last() == Some(&"-1")).then(|| of("every process", "")),
        "kubectl" | "oc" => kubernetes(rest),
        "mongo" | "mongosh" => {
            let drops = |word: &&&str| ["dropDatabase(", ".drop()", "deleteMany({})"].iter().any(|d| word.contains(d));
            rest.iter().find(drops).map(|_| of("the data", ""))
        }
        "sh" | "bash" | "zsh" => script(grammar, rest, left),
        _ if program.starts_with("mkfs") => rest.last().map(|device| of("what the device holds", device)),
        _ => None,
    };
    let asks = matches!(program, "rm" | "dropdb" | "crontab") && any(rest, ASKS);
    let own = own.or_else(|| table(program, rest)).filter(|_| !any(rest, LOOKS) && !asks);
    own.or_else(|| database(program, rest)).or_else(|| {
        let caller = CALLERS.contains(&program);
        let inner = caller.then(|| called(rest)).flatten().and_then(|inner| deep(grammar, inner, left));
        let texts = matches!(program, "ssh" | "su" | "runuser" | "watch" | "parallel");
        inner.or_else(|| {
            rest.iter().filter(|word| texts && word.contains(' ')).find_map(|text| inside(grammar, text, left))
        })
    })
}

/// What shell text within a word destroys.
fn inside(grammar: &Grammar, text: &str, left: usize) -> Option<Harm> {
    grammar
        .calls_in(text)
        .iter()
        .find_map(|words| deep(grammar, &words.iter().map(String::as_str).collect::<Vec<_>>(), left))
}

fn of(what: &'static str, target: &str) -> Harm {
    Harm { what, target: target.to_string(), sql: false }
}

fn base(word: &str) -> &str {
    word.rsplit('/').next().unwrap_or(word)
}

/// Whether one of the words is that option: `--force`, `--force=…`, or a letter of `-rf`.
fn has(words: &[&str], option: &str) -> bool {
    words.iter().any(|word| {
        let letter = option.strip_prefix('-').filter(|letter| letter.len() == 1);
        let cluster = |letter: &str| {
            let letters = word.strip_prefix('-').filter(|rest| rest.chars().all(|c| c.is_ascii_alphabetic()));
            letters.is_some_and(|letters| letters.contains(letter))
        };
        match letter {
            Some(letter) => cluster(letter),
            None => word.strip_prefix(option).is_some_and(|rest| rest.is_empty() || rest.starts_with('=')),
        }
    })
}

fn any(words: &[&str], options: &[&str]) -> bool {
    options.iter().any(|option| has(words, option))
}

fn table(program: &str, rest: &[&str]) -> Option<Harm> {
    let row = ROWS.iter().find(|(programs, verbs, needed, never, _)| {
        let mut words = rest.iter();
        let known = programs.contains(&program);
        known
            && verbs.iter().all(|verb| words.any(|word| word.eq_ignore_ascii_case(verb)))
            && needed.iter().all(|group| any(rest, group))
            && !any(rest, never)
    })?;
    let target = rest.iter().rfind(|word| !word.starts_with('-')).filter(|word| !row.1.contains(word));
    Some(of(row.4, target.unwrap_or(&"")))
}

/// Statements given to a database's client.
fn database(program: &str, rest: &[&str]) -> Option<Harm> {
    let statements = rest.iter().filter(|word| is_client(program) && word.contains(' '));
    statements.filter_map(|word| sql::harms(statement(word)).into_iter().next()).map(|(_, harm)| harm).next()
}

/// Without the option that it is attached to.
fn statement(word: &str) -> &str {
    match word.strip_prefix("--").and_then(|option| option.split_once('=')) {
        Some((_, value)) => value.trim_matches(['"', '\'']),
        None => word,
    }
}

/// Whether the program sends statements to a database.
pub(super) fn is_client(program: &str) -> bool {
    const CLIENTS: &[&str] = &[
        "psql", "mysql", "mariadb", "sqlite3", "cockroach", "clickhouse-client", "cqlsh", "sqlcmd", "snowsql", "usql",
    ];
    CLIENTS.contains(&base(program))
}

/// The program that a caller calls: after `--`, or the first word that is one of those that are looked for.
fn called<'w, 's>(rest: &'w [&'s str]) -> Option<&'w [&'s str]> {
    if let Some(at) = rest.iter().position(|word| *word == "--") {
        return rest.get(at + 1..);
    }
    let known = |word: &&str| {
        let name = base(word);
        is_client(name)
            || OWN_CASES.contains(&name)
            || name.starts_with("mkfs.")
            || ROWS.iter().any(|(programs, ..)| programs.contains(&name) && !DOCKER.contains(&name) && name != "git")
    };
    rest.iter().position(known).and_then(|at| rest.get(at..))
}

/// `sh -c '…'`.
fn script(grammar: &Grammar, rest: &[&str], left: usize) -> Option<Harm> {
    let at = rest.iter().position(|word| word.starts_with('-') && word.ends_with('c'))?;
    inside(grammar, rest.get(at + 1)?, left)
}

fn rm(rest: &[&str]) -> Option<Harm> {
    let target = rest.iter().filter(|word| !word.starts_with('-')).find(|word| is_wide(word));
    target.filter(|_| any(rest, RECURSIVE)).map(|target| of("everything below it", target))
}

/// `find /var/lib/x -delete` without a word on which files.
fn find(rest: &[&str]) -> Option<Harm> {
    let deletes = rest.contains(&"-delete")
        || rest.windows(2).any(|pair| matches!(pair, ["-exec" | "-execdir", program] if base(program) == "rm"));
    let chooses = |word: &&str| {
        matches!(*word, "-type" | "-mindepth" | "-maxdepth" | "-exec" | "-execdir" | "-delete" | "-xdev" | "-print")
    };
    let tests = rest.iter().filter(|word| word.starts_with('-') && word.len() > 1).any(|word| !chooses(word));
    let folder = rest.first().filter(|word| is_wide(word));
    folder.filter(|_| deletes && !tests).map(|folder| of("everything below it", folder))
}

fn dd(rest: &[&str]) -> Option<Harm> {
    let device = rest.iter().find_map(|word| word.strip_prefix("of="))?;
    let nothing = ["/dev/null", "/dev/zero", "/dev/stdout", "/dev/shm", "/dev/stderr"];
    let is_device = device.starts_with("/dev/") && !nothing.iter().any(|other| device.starts_with(other));
    is_device.then(|| of("what the device holds", device))
}

fn kubernetes(rest: &[&str]) -> Option<Harm> {
    const KINDS: &[(&str, &str)] = &[
        ("ns", "the namespace and everything in it"),
        ("namespace", "the namespace and everything in it"),
        ("namespaces", "the namespace and everything in it"),
        ("project", "the project and everything in it"),
        ("pvc", "the data of the volume"),
        ("persistentvolumeclaim", "the data of the volume"),
        ("persistentvolumeclaims", "the data of the volume"),
        ("pv", "the volume"),
        ("persistentvolume", "the volume"),
        ("persistentvolumes", "the volume"),
        ("crd", "every object of that kind"),
        ("crds", "every object of that kind"),
        ("customresourcedefinition", "every object of that kind"),
        ("customresourcedefinitions", "every object of that kind"),
    ];
    let at = rest.iter().position(|word| *word == "delete")?;
    // What stands before `delete` are options of kubectl itself.
    if rest.iter().take(at).any(|word| matches!(*word, "exec" | "run" | "rsh" | "debug")) {
        return None;
    }
    let rest = rest.get(at + 1..)?;
    if any(rest, &["--all", "-A", "--all-namespaces"]) && !has(rest, "--all=false") {
        let kind = rest.iter().find(|word| !word.starts_with('-')).unwrap_or(&"");
        return Some(of("every object of that kind", kind));
    }
    // The first word is the kind, or several (`pod,pvc`); or all of them are `kind/name`.
    let mut plain = Vec::new();
    let mut words = rest.iter();
    while let Some(word) = words.next() {
        match *word {
            "-n" | "--namespace" | "-l" | "--selector" | "--context" | "--kubeconfig" | "--timeout" | "-f" => {
                words.next();
            }
            word if word.starts_with('-') => {}
            word => plain.push(word),
        }
    }
    let first = plain.first()?.split(',').map(|kind| (kind, plain.get(1).copied().unwrap_or(kind)));
    let named = plain.iter().filter_map(|word| word.split_once('/'));
    let kinds = first.chain(named).map(|(kind, name)| (kind.split('.').next().unwrap_or(kind), name));
    let mut known = kinds.filter_map(|(kind, name)| Some((KINDS.iter().find(|(known, _)| *known == kind)?, name)));
    known.next().map(|((_, what), name)| of(what, name))
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
            "kill -9 -1",
            "crontab -r",
            "mongosh x --eval 'db.dropDatabase()'",
            "find /var/lib/x -delete",
            "find / -type f -exec rm {} +",
            "mysql -e \"TRUNCATE orders\"",
            "psql --command=\"delete from a\"",
        ] {
            assert!(found(command), "{command}");
        }
    }

    #[test]
    fn what_does_not() {
        for command in [
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
