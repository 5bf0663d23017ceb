//! Verifications of which nobody learns whether they failed, as the exit code of their last command is 0 all the same: `curl` without
//! `-f`, `… | head`, `… || true`.

use super::ExitUse;
use super::answer::{nobody_learns, says_nothing};
use super::calls::calls;
use super::effect::labelled;
use super::table;
use crate::bash::{Statement, StatementKind, one_call, read};
use crate::source::TextPattern;

/// What decides by itself how a shell or a pipe ends; `status=exited` does not.
static DECIDES: TextPattern = TextPattern::new(
    r"\b(?:(?:err)?exit|return|pipefail|PIPESTATUS|set -e\w*)\b|\bjq\b[^|]*\s-[A-Za-z]*e[A-Za-z]*\b|\bhalt_error\b",
);

/// Why nobody learns whether the last command of a shell text failed, and what would make it tell. What only says something behind it
/// (`echo done`, `&& echo up || echo down`) is left out.
pub fn unnoticed_end(text: &str) -> Option<(&'static str, String)> {
    const LEAVE_OUT: &str = "without it the command before it tells";
    if DECIDES.is_match(text) {
        return None;
    }
    let script = read(text);
    let says = |one: &Statement| matches!(first(one), "echo" | "printf");
    let last = script.statements.iter().rposition(|one| !says(one))?;
    let (mut last, before) = script.statements.get(..=last)?.split_last()?;
    if let StatementKind::AndOr(asked, rest) = &last.kind
        && rest.iter().all(|(_, part)| says(part))
    {
        last = asked;
    }
    let of = |program: &str, advice| Some((advice, nobody_learns(program)));
    match &last.kind {
        StatementKind::AndOr(_, rest) => match rest.last()? {
            (true, right) if is_nothing(right) => of(first(right), LEAVE_OUT),
            _ => None,
        },
        StatementKind::Pipeline(stages) => {
            let table = &*table::TABLE;
            let hand_on = [&table.transparent, &table.filters, &table.cuts, &table.counts];
            // What gets nothing, as the program before it has failed, is content as well.
            let ends_with_0 = |name: &&str| *name == "jq" || hand_on.into_iter().flatten().any(|known| known == name);
            let program = stages.last().map(|(stage, _)| first(stage)).filter(ends_with_0)?;
            of(program, "`jq -e`, or `grep -q` or `test` behind it, judges what it is given")
        }
        StatementKind::Simple(_) if is_nothing(last) && !before.is_empty() => of(first(last), LEAVE_OUT),
        StatementKind::Simple(_) => {
            calls(last.span.of(text)).iter().filter(|call| call.code == ExitUse::Kept).find_map(says_nothing)
        }
        _ => None,
    }
}

/// Whether nobody asks by a command how it goes, as it tells what there is, whatever that is: `date`, `docker compose ps`.
pub fn asks_nothing(text: &str) -> bool {
    let Some(command) = one_call(text) else { return false };
    let words: Vec<&str> = command.words.iter().map(|word| word.word.text.as_str()).collect();
    let lists = || labelled(&words, |program| &program.lists).is_some();
    matches!(command.first(), "echo" | "printf" | "date") || lists()
}

fn first(statement: &Statement) -> &str {
    statement.simple().map_or("", |command| command.first())
}

fn is_nothing(statement: &Statement) -> bool {
    matches!(first(statement), "true" | ":")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lists_asks_nothing() {
        for text in [
            "date",
            "docker compose -p shop ps",
            "docker compose logs --tail 5 web",
            "echo $i",
            "kubectl get pods -n shop -l app=web",
            "kubectl -n shop logs deploy/web --tail=5",
        ] {
            assert!(asks_nothing(text), "{text}");
        }
        for text in [
            "curl -f http://web",
            "docker compose exec web ps",
            "kubectl exec web -- ps",
            "kubectl get pods | grep -q web",
            "kubectl get pod web-1 -n shop",
            "ls; false",
        ] {
            assert!(!asks_nothing(text), "{text}");
        }
    }

    #[test]
    fn verifications_that_end_with_0_all_the_same() {
        for (text, program) in [
            ("curl -s http://web/status", Some("curl")),
            ("docker compose exec -T web curl -s http://localhost/status > /dev/null", Some("curl")),
            ("curl -s http://web/status || true; echo 'all good'", Some("true")),
            ("docker compose logs web | grep ERROR || :", Some(":")),
            ("curl -f http://web/status; true", Some("true")),
            ("docker compose ps | head -5", Some("head")),
            ("curl -fsS http://web/status | tee /tmp/status", Some("tee")),
            ("docker compose ps --quiet web | wc -l", Some("wc")),
            ("docker compose ps | awk '{print $1}'", Some("awk")),
            ("docker compose ps -q | awk 'END { exit NR < 2 }'", None),
            ("docker compose ps -q --status exited | wc -l", Some("wc")),
            ("curl -s http://web/status && echo up", Some("curl")),
            ("curl -s http://web/status && echo up || echo down", Some("curl")),
            ("curl -fsS http://web/status && echo up", None),
            ("set -o errexit; curl -s http://web/status | head", None),
            ("curl -fsS http://web/status", None),
            ("curl -i http://web/status", None),
            ("curl -s http://web/status | grep -q ok", None),
            ("curl -s http://web/status | jq .ok", Some("jq")),
            ("curl -s http://web/status | jq .some-value", Some("jq")),
            ("curl -s http://web/status | jq -e .ok", None),
            ("curl -s http://web/status | jq -er .ok", None),
            ("STATUS=$(curl -s http://web/status)", None),
            ("test \"$(docker compose ps --quiet web | wc -l)\" -eq 2", None),
            ("docker compose logs web | grep -c ERROR", None),
            ("set -o pipefail; docker compose ps | head", None),
            ("curl -s http://web/status || exit 1; true", None),
            ("curl -f http://web/status || echo 'not yet'", None),
            ("redis-cli PING", None),
            ("cat /etc/hosts", None),
            ("true", None),
            ("echo done", None),
        ] {
            let said = unnoticed_end(text).map(|(_, why)| why);
            assert_eq!(said, program.map(nobody_learns), "{text}");
        }
    }
}
