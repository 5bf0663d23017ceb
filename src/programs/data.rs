//! Which commands change what a data store holds: what a cure may destroy although users are served afterwards; and which change something
//! only so that somebody can look.

use super::calls::calls;
use super::effect::{EffectKind, StandardInput, destroys, is_sql_client, labelled, of_call};
use super::{ExitUse, among, table};
use crate::bash::Word;
use crate::source::TextPattern;

/// Statements that write rows, or take away what holds them.
static WRITES: TextPattern = TextPattern::new(
    r"(?ix) \b (?: (?:insert|merge|replace)\s+into | delete\s+from | copy\s+\S+\s+from | update\s+\S+\s+set | load\s+data
    | truncate\s+\S | drop\s+(?:table|database|schema) | alter\s+table )",
);

/// Whether a command changes data, as far as the programs in it tell that are known here; `sql` says that it is a text of SQL.
pub fn changes_data(text: &str, sql: bool) -> bool {
    let writes = || WRITES.is_match(text);
    if sql {
        return writes();
    }
    calls(text).iter().any(|call| {
        let keys = || {
            table::program(call.program()).filter(|program| program.language == Some(table::InputLanguage::Redis))?;
            let label = labelled(&call.words, |program| &program.changes)?.to_ascii_lowercase();
            label.split(' ').nth(1).filter(|verb| !among(verb, words!("no keys"))).map(drop)
        };
        destroys(&call.words).is_some() || is_sql_client(call.program()) && writes() || keys().is_some()
    })
}

/// Whether the exit code of a command may be that of a program which evidently changes something, and not only so that somebody can look:
/// `docker compose restart web`, but not `docker run --rm tools dig db`.
pub fn fails_with_change(text: &str) -> bool {
    calls(text).iter().filter(|call| matches!(call.code, ExitUse::Kept | ExitUse::Replaced)).any(|call| {
        let words: Vec<Word> = call.words.iter().map(Word::fixed).collect();
        let changes = of_call(&words, StandardInput::Stream).kind == EffectKind::Changes;
        changes && labelled(&call.words, |program| &program.to_look).is_none()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_changed_to_look_is_told_from_other_changes() {
        for (text, acts) in [
            ("docker run --rm nicolaka/netshoot dig db", false),
            ("docker compose run --rm db psql -c 'SELECT 1'", false),
            ("kubectl debug web-1 -it --image=busybox", false),
            ("docker compose cp web:/var/log/web.log /tmp/ && tail /tmp/web.log", false),
            ("docker compose ps", false),
            ("docker compose logs web | grep -i error > errors.log", false),
            ("redis-cli config resetstat; docker compose logs web | grep ERROR", false),
            ("redis-cli config resetstat", false),
            ("docker compose restart web", true),
            ("docker cp web:/a /tmp/; docker compose restart web", true),
            ("touch /srv/maintenance", true),
            ("docker compose restart web && docker compose ps", true),
            ("docker compose restart web || exit 1", true),
        ] {
            assert_eq!(fails_with_change(text), acts, "{text}");
        }
    }

    #[test]
    fn what_changes_data_is_told_from_what_changes_something_else() {
        for (text, changes) in [
            ("redis-cli FLUSHALL", true),
            ("docker compose exec -T cache redis-cli del cart:1", true),
            ("redis-cli --scan --pattern 'cart:*' | xargs redis-cli UNLINK", true),
            ("redis-cli config set maxmemory 64mb", false),
            ("redis-cli client kill id 7", false),
            ("redis-cli get cart:1", false),
            ("psql -c \"DELETE FROM jobs WHERE state = 'stuck'\"", true),
            ("docker compose exec -T db psql -U shop <<SQL\nUPDATE jobs SET state = 'new';\nSQL", true),
            ("psql -c \"SELECT pg_terminate_backend(7)\"", false),
            ("psql -c \"ALTER ROLE batch NOLOGIN\"", false),
            ("docker compose down -v", true),
            ("docker compose rm -fsv db", true),
            ("docker-compose rm --volumes -f db", true),
            ("docker rm -fv shop-db-1", true),
            ("docker rm -vf shop-db-1", true),
            ("docker rm -f -v shop-db-1", true),
            ("docker rm -f shop-db-1", false),
            ("docker compose run --rm -v data:/data web ls", false),
            ("docker container rm -v -f shop-db-1", true),
            ("docker compose -f a.yml up -d -V db", true),
            ("docker-compose up --renew-anon-volumes -d", true),
            ("docker compose up -d --force-recreate db", false),
            ("docker compose rm -fs db", false),
            ("docker compose restart db", false),
            ("rm -rf /data/export", true),
            ("kubectl rollout restart deployment/web", false),
            ("echo delete from x", false),
        ] {
            assert_eq!(changes_data(text, false), changes, "{text}");
        }
        assert!(changes_data("TRUNCATE carts;", true) && !changes_data("SELECT 1;", true));
    }
}
