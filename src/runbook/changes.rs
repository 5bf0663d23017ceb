//! The small tables behind `effects.rs`: which programs, and which of their sub-commands, look and which change.

use super::effects::{self, Effect};
use Effect::{Changes, Reads, Unknown};

/// Programs that only look, whatever their arguments.
const READERS: &[&str] = &[
    "[",
    "[[",
    "test",
    "true",
    "false",
    ":",
    "ls",
    "cat",
    "less",
    "more",
    "head",
    "tail",
    "grep",
    "egrep",
    "fgrep",
    "zgrep",
    "zcat",
    "awk",
    "jq",
    "yq",
    "wc",
    "sort",
    "uniq",
    "cut",
    "tr",
    "column",
    "diff",
    "cmp",
    "stat",
    "file",
    "du",
    "df",
    "free",
    "uptime",
    "top",
    "htop",
    "ps",
    "pgrep",
    "pidof",
    "lsof",
    "netstat",
    "ss",
    "dig",
    "nslookup",
    "host",
    "ping",
    "traceroute",
    "tracepath",
    "mtr",
    "nc",
    "whoami",
    "id",
    "hostname",
    "date",
    "echo",
    "printf",
    "printenv",
    "which",
    "type",
    "sleep",
    "cd",
    "pwd",
    "journalctl",
    "dmesg",
    "vmstat",
    "iostat",
    "mpstat",
    "sar",
    "nproc",
    "lscpu",
    "lsblk",
    "getent",
    "for",
    "in",
    "promtool",
    "pg_isready",
    "openssl",
    "base64",
    "md5sum",
    "sha256sum",
    "watch",
    "basename",
    "dirname",
    "seq",
    "tac",
    "strings",
    "pstree",
    "findmnt",
    "last",
    "w",
    "who",
    "uname",
    "redis-memory-analyzer",
];

/// Programs that change something, whatever their arguments.
const CHANGERS: &[&str] = &[
    "kill",
    "pkill",
    "killall",
    "truncate",
    "mkfs",
    "reboot",
    "shutdown",
    "halt",
    "poweroff",
    "chown",
    "chmod",
    "dropdb",
    "createdb",
    "pg_restore",
    "pg_ctl",
    "pg_resetwal",
    "mv",
    "iptables-restore",
    "swapoff",
    "userdel",
];

const SQL: &[&str] = &[
    "update",
    "delete",
    "insert",
    "alter",
    "drop",
    "truncate",
    "create",
    "grant",
    "revoke",
    "vacuum",
    "reindex",
    "call",
    "kill",
    "reset",
    "checkpoint",
    "cluster",
    "refresh",
    "lock",
    "rename",
    "set global",
    "begin",
    "copy",
];

const SQL_FUNCTIONS: &[&str] = &[
    "pg_terminate_backend",
    "pg_cancel_backend",
    "pg_promote",
    "pg_switch_wal",
    "pg_drop_replication_slot",
    "pg_reload_conf",
    "pg_create_restore_point",
    "pg_replication_slot_advance",
    "pg_stat_reset",
];

/// Readers that can do more than look when their arguments say so.
const CAN_DO_MORE: &[&str] =
    &["awk", "date", "diff", "dmesg", "hostname", "journalctl", "nc", "openssl", "sort", "watch"];

/// What a shell does to itself alone.
const OF_THE_SHELL: &[&str] =
    &["export", "readonly", "declare", "typeset", "local", "set", "unset", "shopt", "umask", "read"];

/// Words of an address by which a GET might do something all the same: `/-/reload`, `/admin/flush`.
const VERBS_OF_ADDRESSES: &str = "
abort ack activate add admin allow apply approve ban block cancel clean cleanup clear close commit compact create
deactivate delete deny deploy destroy disable dismiss drain drop enable evict exec expire fail failback failover fix
flip flush free freeze gc heal hook hooks invalidate kill maintenance mute off on open pause post promote purge push
put quit reboot rebuild reconnect recover refresh reindex release reload remove renew repair replay requeue reset
restart restore resume resync retry revert revoke rollback rotate run scale set shutdown silence start stop switch
sync terminate toggle trigger truncate unban unblock unfreeze unlock unmute update vacuum warm warmup webhook wipe
write
";

/// Functions and words of SQL before a parenthesis that change nothing.
const SQL_LOOKS: &str = "
age and any array_agg as avg by cardinality coalesce concat count current_setting date_trunc exists extract format
from in left length lower max min not now nullif on or over pg_blocking_pids pg_database_size pg_is_in_recovery
pg_last_wal_receive_lsn pg_last_wal_replay_lsn pg_relation_size pg_size_pretty pg_total_relation_size pg_wal_lsn_diff
round select string_agg substr substring sum to_char unnest upper user values version where
";

fn among(word: &str, words: &str) -> bool {
    words.split_whitespace().any(|known| known == word)
}

/// Whether a call certainly only looks: a verdict rests on it, so what could be more than that is not certain.
pub(super) fn certainly_looks(call: &[&str]) -> bool {
    let Some((&program, arguments)) = call.split_first() else { return false };
    let program = program.rsplit('/').next().unwrap_or(program);
    if OF_THE_SHELL.contains(&program) {
        return true;
    }
    // A statement begins behind a quote.
    let quoted = |word: &&str| if word.contains(' ') { format!("'{word}'") } else { (*word).to_string() };
    let text = call.iter().map(quoted).collect::<Vec<_>>().join(" ");
    if of_program(program, arguments, &text) != Reads {
        return false;
    }
    let none = |words: &[&str]| !arguments.iter().any(|word| words.contains(word));
    match program {
        "psql" | "mysql" | "mariadb" => {
            none(&["-f", "--file"]) && !text.contains('\\') && sql_looks(&text.to_lowercase())
        }
        "redis-cli" | "valkey-cli" | "keydb-cli" => !arguments.iter().any(|word| {
            let word = word.to_uppercase();
            ["EVAL", "EVALSHA", "FCALL", "CLUSTER", "SENTINEL", "DEBUG", "MODULE", "SCRIPT", "--PIPE", "--EVAL", "-X"]
                .contains(&word.as_str())
        }),
        "curl" => curl_looks(arguments),
        // A name may be a word of the table: nothing that changes may stand anywhere.
        "kubectl" | "oc" | "docker" | "podman" | "docker-compose" => none(&[
            "abort",
            "apply",
            "autoscale",
            "build",
            "cordon",
            "cp",
            "create",
            "delete",
            "destroy",
            "down",
            "drain",
            "edit",
            "exec",
            "kill",
            "patch",
            "pause",
            "promote",
            "prune",
            "pull",
            "replace",
            "restart",
            "resume",
            "rm",
            "rmi",
            "rollback",
            "run",
            "scale",
            "set",
            "start",
            "stop",
            "taint",
            "uncordon",
            "undo",
            "unpause",
            "up",
            "update",
        ]),
        "systemctl" | "supervisorctl" | "service" => true,
        _ => READERS.contains(&program) && !CAN_DO_MORE.contains(&program),
    }
}

/// Whether every function that a statement calls is known to change nothing, and it takes no locks.
fn sql_looks(lower: &str) -> bool {
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '.';
    let known = |before: &str| {
        let before = before.trim_end();
        let name = before.get(before.trim_end_matches(is_name).len()..).unwrap_or_default();
        name.is_empty() || among(name.rsplit('.').next().unwrap_or(name), SQL_LOOKS)
    };
    !lower.contains(" into ")
        && !lower.contains("for update")
        && lower.match_indices('(').all(|(at, _)| lower.get(..at).is_some_and(known))
}

/// Whether options of `curl` ask for nothing but an answer, and no address sounds like a command.
fn curl_looks(arguments: &[&str]) -> bool {
    arguments.iter().all(|word| {
        let word = word.to_lowercase();
        if let Some(option) = word.strip_prefix("--") {
            return !["config", "data", "form", "json", "upload", "request"]
                .iter()
                .any(|name| option.starts_with(name))
                || option.ends_with("=get");
        }
        let path =
            word.split_once("://").map_or(word.as_str(), |(_, rest)| rest.split_once('/').map_or("", |(_, path)| path));
        let words = path.split(|c: char| !c.is_ascii_alphanumeric());
        !words.into_iter().any(|word| among(word, VERBS_OF_ADDRESSES))
    }) && !arguments.iter().any(|word| {
        word.starts_with('-') && !word.starts_with("--") && word.chars().any(|c| matches!(c, 'd' | 'F' | 'T' | 'K'))
    })
}

/// The effect of a program with its arguments; `part` is the text of both.
pub(super) fn of_program(program: &str, arguments: &[&str], part: &str) -> Effect {
    let has = |wanted: &[&str]| arguments.iter().any(|word| wanted.contains(word));
    if has(&["--help", "--version"]) {
        return Reads;
    }
    if arguments.iter().any(|word| word.starts_with("--dry-run") && !word.ends_with("=none")) {
        return if matches!(program, "kubectl" | "oc" | "helm") { Reads } else { Unknown };
    }
    let verb = |tables: &[(&[&str], Effect)]| of_verb(arguments, tables);
    match program {
        "kubectl" | "oc" => kubectl(arguments, part),
        "docker" | "podman" | "docker-compose" | "crictl" | "nerdctl" => docker(arguments, part),
        "systemctl" => verb(&[
            (&["status", "is-active", "is-enabled", "is-failed", "show", "cat", "list-units", "list-timers"], Reads),
            (&["restart", "start", "stop", "reload", "kill", "try-restart", "isolate", "mask", "reboot"], Changes),
            (&["reset-failed", "disable", "enable"], Changes),
        ]),
        "service" | "supervisorctl" | "pm2" | "rc-service" | "sv" => verb(&[
            (&["restart", "start", "stop", "reload", "force-reload", "kill", "delete"], Changes),
            (&["status", "list", "logs"], Reads),
        ]),
        "psql" | "mysql" | "mariadb" | "sqlite3" | "cqlsh" => sql(part),
        "redis-cli" | "valkey-cli" | "keydb-cli" => redis(arguments),
        "curl" => curl(arguments),
        "rm" | "rmdir" | "unlink" | "shred" => {
            let mut targets = arguments.iter().filter(|word| !word.starts_with('-'));
            if targets.all(|target| target.starts_with("/tmp/") && !target.contains('*')) { Unknown } else { Changes }
        }
        "sed" if !arguments.iter().any(|word| word.starts_with("-i") || word.starts_with("--in-place")) => Reads,
        "find" if !has(&["-delete", "-exec", "-execdir", "-ok"]) => Reads,
        "find" if has(&["-delete", "rm"]) => Changes,
        "pip" | "pip3" | "apt" | "apt-get" | "yum" | "dnf" | "apk" | "npm" | "yarn" | "brew" => verb(&[
            (&["install", "remove", "uninstall", "upgrade", "purge", "autoremove", "add", "del"], Changes),
            (&["list", "show", "freeze", "search", "info", "outdated", "ls"], Reads),
        ]),
        "git" => verb(&[
            (
                &["status", "log", "diff", "show", "blame", "rev-parse", "ls-files", "describe", "shortlog", "fetch"],
                Reads,
            ),
            (&["push", "revert", "reset"], Changes),
        ]),
        "helm" => verb(&[
            (&["list", "ls", "status", "history", "get", "show", "template"], Reads),
            (&["rollback", "upgrade", "uninstall", "install", "delete"], Changes),
        ]),
        "terraform" => verb(&[(&["plan", "show", "output", "validate"], Reads), (&["apply", "destroy"], Changes)]),
        "argocd" => verb(&[
            (&["get", "list", "history", "diff", "logs"], Reads),
            (&["sync", "rollback", "delete", "set", "patch"], Changes),
        ]),
        "etcdctl" => verb(&[
            (&["get", "endpoint", "list", "status", "health"], Reads),
            (&["put", "del", "defrag", "compact", "compaction", "disarm", "remove", "restore"], Changes),
        ]),
        "aws" if has(&["update-kubeconfig"]) => Unknown,
        "pg_restore" if has(&["--list", "-l"]) => Reads,
        "chmod" | "chown" if arguments.last().is_some_and(|target| target.starts_with("/tmp/")) => Unknown,
        "aws" => match arguments.iter().filter(|word| !word.starts_with('-')).nth(1) {
            Some(word) if ["describe-", "list-", "get-", "head-", "lookup-"].iter().any(|p| word.starts_with(p)) => {
                Reads
            }
            Some(&("ls" | "wait" | "tail" | "filter-log-events")) => Reads,
            Some(word)
                if [
                    "delete-",
                    "terminate-",
                    "stop-",
                    "reboot-",
                    "modify-",
                    "update-",
                    "restore-",
                    "failover-",
                    "rm",
                ]
                .iter()
                .any(|p| word.starts_with(p)) =>
            {
                Changes
            }
            _ => Unknown,
        },
        "gcloud" | "az" | "flyctl" | "fly" | "heroku" | "gh" | "vault" | "consul" | "supabase" => verb(&[
            (&["list", "describe", "show", "read", "view", "status", "logs", "info"], Reads),
            (&["delete", "restart", "scale", "failover", "reboot", "destroy", "rollback"], Changes),
        ]),
        "fuser" if !arguments.iter().any(|word| word.starts_with('-') && word.contains('k')) => Reads,
        "fuser" => Changes,
        "sysctl" if !has(&["-w", "-p", "--write"]) => Reads,
        "ip" if !has(&["add", "del", "set", "flush", "replace"]) => Reads,
        "nginx" if has(&["-t", "-T", "-v"]) => Reads,
        "nginx" if has(&["reload", "stop", "quit"]) => Changes,
        _ if CHANGERS.contains(&program) => Changes,
        _ if READERS.contains(&program) => Reads,
        // Sub-commands of a program of the team's own.
        _ if arguments.iter().any(|word| *word == "restart" || *word == "rotate" || word.starts_with("rotate-")) => {
            Changes
        }
        _ => Unknown,
    }
}

/// The effect of the first argument that stands in one of the tables.
fn of_verb(arguments: &[&str], tables: &[(&[&str], Effect)]) -> Effect {
    let of = |word: &&str| tables.iter().find(|(verbs, _)| verbs.contains(word)).map(|(_, effect)| *effect);
    arguments.iter().find_map(of).unwrap_or(Unknown)
}

fn kubectl(arguments: &[&str], part: &str) -> Effect {
    if arguments.contains(&"exec") {
        return inner(arguments, "--", part);
    }
    if arguments.contains(&"rollout") {
        return of_verb(
            arguments,
            &[(&["status", "history"], Reads), (&["restart", "undo", "pause", "resume", "abort", "promote"], Changes)],
        );
    }
    of_verb(
        arguments,
        &[
            (
                &["get", "describe", "logs", "top", "explain", "version", "cluster-info", "events", "diff", "wait"],
                Reads,
            ),
            (&["can-i", "api-resources", "status", "current-context", "get-contexts"], Reads),
            (&["run", "debug", "create", "label", "annotate", "cp", "port-forward"], Unknown),
            (
                &["delete", "scale", "patch", "apply", "replace", "edit", "drain", "cordon", "uncordon", "taint"],
                Changes,
            ),
            (&["set", "autoscale", "promote", "restart", "destroy"], Changes),
        ],
    )
}

fn docker(arguments: &[&str], part: &str) -> Effect {
    if let Some(at) = arguments.iter().position(|word| *word == "exec") {
        // The first argument that is no option is the container; behind it the command begins.
        let rest = arguments.get(at + 1..).unwrap_or_default();
        let container = rest.iter().position(|word| !word.starts_with('-'));
        let command = container.and_then(|at| rest.get(at + 1..)).unwrap_or_default();
        return program(command, part);
    }
    of_verb(
        arguments,
        &[
            (
                &["ps", "logs", "inspect", "stats", "top", "images", "port", "version", "info", "config", "events"],
                Reads,
            ),
            (&["ls", "df"], Reads),
            (&["run", "build", "cp", "pull"], Unknown),
            (&["restart", "stop", "start", "kill", "rm", "rmi", "down", "up", "pause", "unpause", "prune"], Changes),
            (&["update", "scale", "rollback"], Changes),
        ],
    )
}

/// The effect of the command behind a mark.
fn inner(arguments: &[&str], mark: &str, part: &str) -> Effect {
    let at = arguments.iter().position(|word| *word == mark);
    program(at.and_then(|at| arguments.get(at + 1..)).unwrap_or_default(), part)
}

fn program(command: &[&str], part: &str) -> Effect {
    match command.split_first() {
        Some((&("sh" | "bash"), rest)) if rest.first() == Some(&"-c") => {
            let script = part.split_once("-c").map_or("", |(_, script)| script.trim().trim_matches(['"', '\'']));
            effects::of_command(script)
        }
        Some((program, rest)) => of_program(program, rest, part),
        None => Unknown,
    }
}

/// Statements of SQL by the word that begins them, and functions that act, wherever they stand.
fn sql(part: &str) -> Effect {
    let lower = part.to_lowercase();
    if SQL_FUNCTIONS.iter().any(|function| lower.contains(function)) {
        return Changes;
    }
    let begins = |at: usize| {
        let before = lower.get(..at).unwrap_or_default().trim_end();
        before.is_empty() || before.ends_with(['"', '\'', ';', '('])
    };
    let word_ends =
        |end: usize| !lower.get(end..).is_some_and(|rest| rest.starts_with(|c: char| c.is_alphanumeric() || c == '_'));
    let acts = SQL.iter().any(|verb| lower.match_indices(verb).any(|(at, _)| begins(at) && word_ends(at + verb.len())));
    let looks = ["select", "show", "explain", "\\d", "\\l", "\\x", "pragma"]
        .iter()
        .any(|verb| lower.match_indices(verb).any(|(at, _)| begins(at)));
    match (acts, looks) {
        (true, _) => Changes,
        (false, true) => Reads,
        _ => Unknown,
    }
}

fn redis(arguments: &[&str]) -> Effect {
    let upper: Vec<String> = arguments.iter().map(|word| word.to_uppercase()).collect();
    let words: Vec<&str> = upper.iter().map(String::as_str).collect();
    let follows =
        |first: &str, second: &[&str]| words.windows(2).any(|pair| pair[0] == first && second.contains(&pair[1]));
    let acts = of_verb(
        &words,
        &[(
            &[
                "FLUSHALL",
                "FLUSHDB",
                "DEL",
                "UNLINK",
                "SET",
                "EXPIRE",
                "RENAME",
                "SHUTDOWN",
                "FAILOVER",
                "REPLICAOF",
                "SLAVEOF",
                "BGSAVE",
                "SAVE",
                "BGREWRITEAOF",
                "RESTORE",
                "MIGRATE",
                "XTRIM",
                "LTRIM",
                "KILL",
                "RESET",
                "RESETSTAT",
                "REWRITE",
                "PURGE",
                "FORGET",
                "MEET",
                "REMOVE",
                "LPUSH",
                "RPUSH",
                "LPOP",
                "RPOP",
            ],
            Changes,
        )],
    );
    // `SLOWLOG GET`, `CONFIG GET` and the like look, whatever the name behind them is.
    if follows("CONFIG", &["GET"]) || follows("SLOWLOG", &["GET", "LEN"]) || follows("CLIENT", &["LIST", "INFO"]) {
        return Reads;
    }
    if acts == Changes {
        return Changes;
    }
    of_verb(
        &words,
        &[(
            &[
                "INFO",
                "PING",
                "GET",
                "MGET",
                "KEYS",
                "SCAN",
                "TTL",
                "TYPE",
                "LLEN",
                "SCARD",
                "HGETALL",
                "HLEN",
                "DBSIZE",
                "ROLE",
                "SENTINEL",
                "CLUSTER",
                "LATENCY",
                "MEMORY",
                "EXISTS",
                "STRLEN",
                "ZCARD",
                "XLEN",
                "LRANGE",
                "XINFO",
                "LASTSAVE",
                "TIME",
                "PUBSUB",
                "--BIGKEYS",
                "--LATENCY",
                "--STAT",
                "--SCAN",
                "--MEMKEYS",
            ],
            Reads,
        )],
    )
}

fn curl(arguments: &[&str]) -> Effect {
    let method = arguments.iter().enumerate().find_map(|(i, word)| match *word {
        "-X" | "--request" => arguments.get(i + 1).copied(),
        _ => word.strip_prefix("-X").or_else(|| word.strip_prefix("--request=")),
    });
    let sends = arguments.iter().any(|word| {
        ["-d", "--data", "-F", "--form", "-T", "--upload-file", "--json"].iter().any(|option| word.starts_with(option))
    });
    let saves = arguments
        .iter()
        .zip(arguments.iter().skip(1))
        .any(|(word, next)| matches!(*word, "-o" | "--output") && *next != "/dev/null")
        || arguments.contains(&"-O");
    match method {
        Some("DELETE") => Changes,
        Some("GET" | "HEAD" | "OPTIONS") if !saves => Reads,
        None if !sends && !saves => Reads,
        _ => Unknown,
    }
}
