//! RB301: a command that destroys, and nothing that makes the reader stop. Which calls destroy stands in the table of
//! programs; here is how they are found behind others, and what is too small to be told.

use super::guard::Guards;
use super::{FindingReport, LintPage};
use crate::programs::statements::{self, DestroyedByStatement};
use crate::programs::{self, simple::base};
use crate::runbook::{is_sql, look::calls_in};
use crate::source::{Span, shorten};
use std::cell::LazyCell;
use std::collections::HashMap;

/// What a call destroys.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct DestroyedByCall {
    /// What it acts on, as it was written; empty when it names nothing.
    pub target: String,
    /// Whether the target is a thing of a database.
    pub sql: bool,
}

pub(super) fn check(page: &LintPage<'_>, report: &mut FindingReport<'_>) {
    let guards = LazyCell::new(|| Guards::of(page));
    for command in page.commands() {
        let calls = command.calls();
        let into_client = !command.held && calls.iter().any(|call| call.words.iter().any(|word| is_client(word)));
        for call in calls {
            let harm = match call.words.as_slice() {
                // `echo 'DROP TABLE x' | psql`.
                ["echo" | "printf", words @ ..] if into_client => words.iter().find_map(|word| sql_harm(word)),
                words => harm(words, DEEPEST.0),
            };
            let place = command.place(call.span);
            let guarded = |harm: &DestroyedByCall| {
                command.held
                    || call.around.checked
                    || guards.is_own(harm)
                    || guards.by_words(page, place)
                    || guards.by_commands(page, command.step, place.start, harm)
            };
            if harm.is_some_and(|harm| !guarded(&harm)) {
                tell(report, place, &call.words.join(" "));
            }
        }
        for body in command.lexed.heredocs.iter().map(|heredoc| heredoc.body).filter(|_| into_client) {
            let text = body.of(&command.command.text);
            for harm in unseen(text) {
                let at = command.place(Span::new(body.start + harm.start, body.start + harm.end));
                if !guards.by_words(page, at) {
                    tell(report, at, harm.of(text));
                }
            }
        }
    }
    for body in page.look.fences.iter().filter(|fence| is_sql(&fence.tag)).map(|fence| &fence.body) {
        for harm in unseen(&body.text).into_iter().filter(|harm| !guards.by_words(page, body.place(*harm))) {
            tell(report, body.place(harm), harm.of(&body.text));
        }
    }
}

/// The statements of a text that destroy what nothing in it has made or looked at.
fn unseen(text: &str) -> Vec<Span> {
    let harms = statements::harms(text);
    if harms.is_empty() {
        return Vec::new();
    }
    let upper = text.to_ascii_uppercase();
    let (named, made) = (statements::named(&upper), statements::made(&upper));
    let (select, begin) = (upper.find("SELECT"), upper.find("BEGIN"));
    let is_unseen = |harm: &DestroyedByStatement| {
        let target = harm.target.to_ascii_uppercase();
        let before = |at: Option<usize>| at.is_some_and(|at| at < harm.span.start);
        let of = |places: &HashMap<&str, usize>| before(places.get(target.as_str()).copied());
        // Looked at before, or undone unless somebody commits.
        let looked = before(select) && of(&named) || before(begin);
        !of(&made) && !looked && !is_scratch(&harm.target)
    };
    harms.into_iter().filter(is_unseen).map(|harm| harm.span).collect()
}

fn tell(report: &mut FindingReport<'_>, at: Span, said: &str) {
    let said = said.split_whitespace().collect::<Vec<_>>().join(" ");
    let found = report.at(at, format!("`{}` cannot be taken back, and nothing around it guards it", shorten(&said)));
    found.help("say above it what is lost and when that is right, or look, ask or back up before it in the same step");
}

/// How deep shell text in shell text is looked at, and how many words of a call may begin another one.
const DEEPEST: (usize, usize) = (4, 40);

/// What a call destroys, if it does; the first word is the program. `left` is how deep shell text in it is looked at.
fn harm(words: &[&str], left: usize) -> Option<DestroyedByCall> {
    let left = left.checked_sub(1)?;
    let (first, rest) = words.split_first()?;
    let program = base(first);
    own(program, rest).or_else(|| {
        // Of a container's tool only what stands behind these is a program.
        let runs = || programs::script(program).is_some() || programs::wrapper(program).is_some();
        let begin = match () {
            () if phrases!("containers").contains(&program) => {
                rest.iter().position(|word| matches!(*word, "exec" | "run" | "rsh" | "debug" | "--"))?
            }
            () if runs() || phrases!("runners").contains(&program) => 0,
            () => return None,
        };
        let rest: Vec<&str> = rest.iter().skip(begin).take(DEEPEST.1).copied().collect();
        let called = (0..rest.len()).filter_map(|at| rest.get(at..)?.split_first());
        let mut called = called.filter(|(first, _)| !first.contains(' '));
        called.find_map(|(first, rest)| own(base(first), rest)).or_else(|| {
            let mut calls = rest.iter().filter(|word| word.contains(' ')).flat_map(|text| calls_in(text));
            calls.find_map(|call| harm(&call.words, left))
        })
    })
}

/// What a program destroys by itself, and not one that it runs.
fn own(program: &str, rest: &[&str]) -> Option<DestroyedByCall> {
    if is_client(program) {
        return rest.iter().filter(|word| word.contains(' ')).find_map(|word| sql_harm(statement(word)));
    }
    let harmless = |word: &&str| phrases!("harmless options").contains(word) || word.starts_with("--dry-run=");
    let asks = program == "rm" && rest.iter().any(|word| word.starts_with("-ri") || word.starts_with("-ir"));
    let destroys = || programs::destroys(&[&[program][..], rest].concat()).is_some();
    if asks || rest.iter().any(harmless) || program != "find" && !destroys() {
        return None;
    }
    let target = match program {
        "rm" => rest.iter().find(|word| !word.starts_with('-') && is_wide(word))?,
        "find" => found(rest)?,
        _ => rest.iter().rfind(|word| !word.starts_with('-')).copied().unwrap_or_default(),
    };
    Some(DestroyedByCall { target: target.to_string(), sql: false })
}

fn sql_harm(text: &str) -> Option<DestroyedByCall> {
    statements::harms(text).into_iter().next().map(|harm| DestroyedByCall { target: harm.target, sql: true })
}

/// A statement without the option that it is attached to.
fn statement(word: &str) -> &str {
    let value = word.strip_prefix("--").and_then(|option| option.split_once('='));
    value.map_or(word, |(_, value)| value.trim_matches(['"', '\'']))
}

/// Whether the program sends statements to a database.
pub(super) fn is_client(program: &str) -> bool {
    programs::is_sql_client(base(program))
}

/// The folder of `find /var/lib/x -delete` and `find /var/lib/x -exec rm {} +`, where no word says which files.
fn found<'w>(rest: &[&'w str]) -> Option<&'w str> {
    const CHOOSE_NOTHING: &[&str] = &["-type", "-mindepth", "-maxdepth", "-delete", "-xdev", "-print", "-depth"];
    let runs = rest.iter().position(|word| matches!(*word, "-exec" | "-execdir"));
    let removes =
        |at: usize| rest.get(at + 1).is_some_and(|program| matches!(base(program), "rm" | "shred" | "unlink"));
    if !rest.contains(&"-delete") && !runs.is_some_and(removes) {
        return None;
    }
    let own = rest.get(..runs.unwrap_or(rest.len()))?;
    let tests = own.iter().any(|word| word.len() > 1 && word.starts_with('-') && !CHOOSE_NOTHING.contains(word));
    own.first().copied().filter(|word| is_wide(word) && !tests)
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
    let passing = |part: &&str| {
        let name = part.to_lowercase();
        ["cache", "log", "logs", "old", "crash"].contains(&name.as_str()) || is_scratch(&name)
    };
    match parts.as_slice() {
        ["tmp" | "run", _, ..] | ["dev", "shm", ..] => false,
        _ if parts.iter().skip(1).any(passing) => false,
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
    let name = name.to_lowercase();
    phrases!("scratch").iter().any(|part| name.contains(part))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(words: &str, block: &str) -> String {
        format!("# T\n\n## Fix\n\n{words}\n\n```bash\n{block}\n```\n")
    }

    cases! {
        rb301,
        bad: [
            &page("Clear it.", "rm -rf /var/lib/x/*") => [(8, 1)],
            &page("Clear it.", "cd /x && sudo rm -rf \"$DATA\"") => [(8, 10)],
            &page("Clear it.", "psql shop -c 'DELETE FROM jobs'") => [(8, 1)],
            &page("Clear it.", "psql shop <<EOF\nselect 1;\nDROP TABLE jobs;\nEOF") => [(10, 1)],
            &page("Clear it.", "echo 'TRUNCATE jobs' | psql shop") => [(8, 1)],
            &page("Start again.", "terraform destroy -auto-approve\nkubectl delete pvc data-0") => [(8, 1), (9, 1)],
            "# T\n\n## Fix\n\nClear it.\n\n```sql\nSELECT 1;\n  DELETE FROM jobs;\n```\n" => [(9, 3)],
            "# T\n\n## Fix\n\n1. Clear it:\n   ```console\n   $ redis-cli FLUSHALL\n   OK\n   ```\n" => [(7, 6)],
            &page("Clear it.", "createdb shop\ndropdb shop") => [(9, 1)],
            "# T\n\n## A\n\nWarning: x.\n\n## B\n\n```bash\ndropdb shop\n```\n" => [(10, 1)],
            "# Labels do not come out\n\n## Fix\n\n```bash\ndropdb shop\n```\n" => [(6, 1)],
            "# Warning of a full disk\n\n## Fix\n\n```bash\ndropdb shop\n```\n" => [(6, 1)],
        ],
        good: [
            &page("**Warning**: all of it is lost.", "rm -rf /var/lib/x/*"),
            &page("Only if the standby is lost:", "rm -rf /var/lib/x/*"),
            &page("> [!CAUTION]\n> Think.", "rm -rf /var/lib/x/*"),
            "# T\n\nWarning: x.\n\n## B\n\n```bash\ndropdb shop\n```\n",
            "# T\n\n## Do not do this alone\n\n```bash\ndropdb shop\n```\n",
            &page("Clear it.", "# Caution: the data is gone\nrm -rf /var/lib/x/*"),
            &page("Clear it.", "redis-cli FLUSHDB  # careful!"),
            &page("Clear it.", "# 3. Truncate (if safe)\npsql -c 'TRUNCATE jobs'"),
            &page("Clear it.", "pg_dump shop > shop.sql\npsql -c 'DROP DATABASE shop'"),
            &page("Clear it.", "mv /var/lib/x /srv/x.old\nrm -rf /var/lib/x"),
            &page("Clear it.", "psql -c 'select count(*) from jobs'\npsql -c 'TRUNCATE jobs'"),
            &page("Clear it.", "read -p 'Sure? ' answer\nrm -rf /var/lib/x"),
            &page("Clear it.", "[ -d /var/lib/x/old ] && rm -rf /var/lib/x"),
            &page("Clear it.", "if mountpoint /mnt/x; then rm -rf /mnt/x/y; fi"),
            &page("Try.", "D=$(mktemp -d)\nrm -rf \"$D\""),
            &page("Try.", "DB=shop_validation\npsql -c \"DROP DATABASE ${DB}\""),
            &page("Clear it.", "psql -c 'SELECT count(*) FROM public.jobs'\npsql -c 'DELETE FROM jobs'"),
            &page("Clear it.", "du -sh /var/lib/app*\nrm -rf /var/lib/app"),
            &page("Look.", "kubectl get pvc data-0\nkubectl delete pvc data-0"),
            &page("Clear it.", "psql -c 'DELETE FROM jobs WHERE done'"),
            "# T\n\n## Fix\n\nClear it.\n\n```sql\nBEGIN;\nDELETE FROM jobs;\n```\n",
            "# T\n\n## Fix\n\n`dropdb shop` is not the way.\n\n```text\ndropdb shop\n```\n",
        ],
    }

    fn found(command: &str) -> bool {
        let calls = calls_in(command);
        calls.iter().any(|call| harm(&call.words, DEEPEST.0).is_some())
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
            "find /var/lib/x -type f -exec rm {} +",
            "sudo find / -mindepth 1 -execdir /bin/rm -rf {} \\;",
            "kill -9 -1",
            "kill -KILL -1",
            "pg_resetwal -f /var/lib/postgresql/16/main",
            "sudo -u postgres pg_resetwal /data",
            "aws rds delete-db-instance --db-instance-identifier shop",
            "aws rds delete-db-instance --db-instance-identifier shop --skip-final-snapshot",
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
            "kill -15 42",
            "xargs kill -1",
            "pg_resetwal -n /data",
            "aws rds delete-db-instance --db-instance-identifier shop --final-db-snapshot-identifier last",
            "find /var/lib/x -name '*.tmp' -exec rm {} +",
            "find /var/lib/x -exec ls {} +",
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
