//! RB301: a command that destroys, and nothing that makes the reader stop.

use super::around::Surroundings;
use super::destructive::{Harm, harm, is_client, is_scratch};
use super::{Check, Explain, Page, Report, Rule};
use crate::programs::statements as sql;
use crate::runbook::look::Call;
use crate::source::{Level, Span, shorten};
use std::collections::HashMap;

pub(super) const RULE: Rule = Rule {
    id: "RB301",
    level: Some(Level::Error),
    title: "a command that destroys, without a guard",
    explain: Explain {
        finds: "Commands after which something is gone for good: `rm -rf` of a variable or of a system's folder, \
                `DROP TABLE` and `DROP DATABASE`, `TRUNCATE`, `DELETE FROM` without `WHERE` (also in `psql -c '…'` and in \
                blocks of SQL), `kubectl delete` of namespaces, volumes or `--all`, `terraform destroy`, `mkfs`, \
                `redis-cli FLUSHALL`, `aws s3 rm --recursive` and the like. A guard is a word of warning in the section \
                or in a comment, a condition above the block (\"If …\"), a question (`read -p`, `-i`), `--dry-run`, a \
                check around it, or a look at the same thing or a backup before it in the same step. What the page made \
                itself, and what is called `tmp` or `test`, needs none.",
        why: "At two in the morning commands are pasted and not read. One line on what is lost, and when that is right, \
              is all that stands between an incident and a disaster.",
        bad: "\
# Standby is behind

## Mitigation

```bash
systemctl stop postgresql
rm -rf /var/lib/postgresql/15/main/*
```
",
        good: "\
# Standby is behind

## Mitigation

**Warning:** this deletes the database of the machine that you are on. It must be the standby: the first command says `t`.

```bash
psql -tc 'SELECT pg_is_in_recovery()'
systemctl stop postgresql
rm -rf /var/lib/postgresql/15/main/*
```
",
    },
    check: Check::Page(check),
};

fn check(page: &Page<'_>, report: &mut Report<'_>) {
    for command in page.commands() {
        let calls = command.calls();
        let mut surroundings = None;
        let mut around = |call: &Call<'_>| surroundings.get_or_insert_with(|| Surroundings::of(command)).of_call(call);
        for call in calls {
            if let Some(harm) = harm(&page.grammar, &call.words)
                && !page.guards().guard(page, command, call, &harm, around(call))
            {
                let said = call.words.join(" ");
                found(report, command.place(call.span), &said);
            }
        }
        let into_client = calls.iter().any(|call| call.words.iter().any(|word| is_client(word)));
        if into_client && !command.held {
            for body in command.heredocs() {
                let text = command.command.text.get(body.start..body.end).unwrap_or_default();
                statements(page, report, text, |span| {
                    command.place(Span::new(body.start + span.start, body.start + span.end))
                });
            }
            // `echo 'DROP TABLE x' | psql`.
            for call in calls {
                if let [program, words @ ..] = call.words.as_slice()
                    && matches!(*program, "echo" | "printf")
                    && let Some(harm) = words.iter().find_map(|word| sql::harms(word).into_iter().next())
                    && let harm = (Harm { target: harm.target, sql: true })
                    && !page.guards().guard(page, command, call, &harm, around(call))
                {
                    found(report, command.place(call.span), &words.join(" "));
                }
            }
        }
    }
    for fence in &page.look.fences {
        let is_sql = matches!(fence.tag.as_str(), "sql" | "psql" | "postgresql" | "postgres" | "pgsql" | "mysql" | "sqlite" | "cql");
        if is_sql {
            statements(page, report, fence.text(), |span| fence.place(span));
        }
    }
}

fn statements(page: &Page<'_>, report: &mut Report<'_>, text: &str, place: impl Fn(Span) -> Span) {
    let harms = sql::harms(text);
    if harms.is_empty() {
        return;
    }
    let upper = text.to_ascii_uppercase();
    let (named, made) = (sql::named(&upper), sql::made(&upper));
    let (select, begin) = (upper.find("SELECT"), upper.find("BEGIN"));
    for harm in harms {
        let span = harm.span;
        let target = harm.target.to_ascii_uppercase();
        let before = |at: Option<usize>| at.is_some_and(|at| at < span.start);
        let of = |places: &HashMap<&str, usize>| before(places.get(target.as_str()).copied());
        // Looked at before, or undone unless somebody commits.
        let looked = before(select) && of(&named) || before(begin);
        let at = place(span);
        if !of(&made) && !looked && !is_scratch(&harm.target) && !page.guards().by_words(page, at) {
            found(report, at, text.get(span.start..span.end).unwrap_or_default());
        }
    }
}

fn found(report: &mut Report<'_>, at: Span, said: &str) {
    let said = said.split_whitespace().collect::<Vec<_>>().join(" ");
    report
        .at(at, format!("`{}` cannot be taken back, and nothing around it guards it", shorten(&said)))
        .help("say above it what is lost and when that is right, or look, ask or back up before it in the same step");
}

#[cfg(test)]
mod tests {
    use super::RULE;

    fn page(words: &str, block: &str) -> String {
        format!("# T\n\n## Fix\n\n{words}\n\n```bash\n{block}\n```\n")
    }

    cases! {
        bad: [
            &page("Clear it.", "rm -rf /var/lib/x/*") => [(8, 1)],
            &page("Clear it.", "cd /x && sudo rm -rf \"$DATA\"") => [(8, 10)],
            &page("Clear it.", "psql shop -c 'DELETE FROM jobs'") => [(8, 1)],
            &page("Clear it.", "psql shop <<EOF\nselect 1;\nDROP TABLE jobs;\nEOF") => [(10, 1)],
            &page("Clear it.", "echo 'TRUNCATE jobs' | psql shop") => [(8, 1)],
            &page("Start again.", "terraform destroy -auto-approve\nkubectl delete pvc data-0") => [(8, 1), (9, 1)],
            "# T\n\n## Fix\n\nClear it.\n\n```sql\nSELECT 1;\n  DELETE FROM jobs;\n```\n" => [(9, 3)],
            "# T\n\n## Fix\n\n1. Clear it:\n   ```console\n   $ redis-cli FLUSHALL\n   OK\n   ```\n" => [(7, 6)],
            &page("Clear it.", "mkdir -p data\nrm -rf /data") => [(9, 1)],
            &page("Clear it.", "mkdir -p /srv/data\nrm -rf /data") => [(9, 1)],
            &page("Clear it.", "docker volume create data\nrm -rf /data/") => [(9, 1)],
            "# T\n\n## A\n\nWarning: x.\n\n## B\n\n```bash\ndropdb shop\n```\n" => [(10, 1)],
        ],
        good: [
            &page("**Warning**: all of it is lost.", "rm -rf /var/lib/x/*"),
            &page("Only if the standby is lost:", "rm -rf /var/lib/x/*"),
            &page("> [!CAUTION]\n> Think.", "rm -rf /var/lib/x/*"),
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
            &page("Try.", "mkdir -p /data/new\nrm -rf /data/new/ \"/data\""),
            &page("Clear it.", "psql -c 'SELECT count(*) FROM public.jobs'\npsql -c 'DELETE FROM jobs'"),
            &page("Clear it.", "du -sh /var/lib/app*\nrm -rf /var/lib/app"),
            &page("Try.", "createdb copy\npg_restore -d copy x\ndropdb copy"),
            &page("Look.", "kubectl get pvc data-0\nkubectl delete pvc data-0"),
            &page("Clear it.", "psql -c 'DELETE FROM jobs WHERE done'"),
            "# T\n\n## Fix\n\nClear it.\n\n```sql\nBEGIN;\nDELETE FROM jobs;\n```\n",
            "# T\n\n## Fix\n\n`dropdb shop` is not the way.\n\n```text\ndropdb shop\n```\n",
        ],
    }
}
