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
static DECIDES: TextPattern = TextPattern::new(r"\b(?:(?:err)?exit|return|pipefail|PIPESTATUS|set -e\w*|halt_error)\b");
/// What lets every failure behind it end the shell, or count for its pipe.
static SETS: TextPattern = TextPattern::new(r"\b(?:pipefail|errexit|set -e\w*)\b");

/// Why nobody learns whether the last command of a shell text failed, and what would make it tell. What only says something behind it
/// (`echo done`, `&& echo up`) is left out.
pub fn unnoticed_end(text: &str) -> Option<(&'static str, String)> {
    const LEAVE_OUT: &str = "without it the command before it tells";
    if DECIDES.is_match(text) {
        return None;
    }
    let script = read(text);
    let last = script.statements.iter().rposition(|one| !says(one))?;
    let (mut last, before) = script.statements.get(..=last)?.split_last()?;
    if let StatementKind::AndOr(asked, rest) = &last.kind
        && rest.iter().all(|(_, part)| says(part))
    {
        last = asked;
    }
    while let StatementKind::Redirected(inner, _) = &last.kind {
        last = inner;
    }
    let of = |program: &str, advice| Some((advice, nobody_learns(program)));
    match &last.kind {
        StatementKind::AndOr(_, rest) => match rest.last()? {
            (true, right) if is_nothing(right) => of(first(right), LEAVE_OUT),
            _ => None,
        },
        StatementKind::Pipeline(stages) => {
            let table = &*table::TABLE;
            let last = &stages.last()?.0;
            let among = |names: &[String]| names.iter().any(|known| known == first(last));
            // What gets nothing, as the program before it has failed, is content as well.
            let hand_on = [&table.transparent, &table.filters, &table.cuts, &table.counts];
            let ends_with_0 = hand_on.into_iter().any(|names| among(names)) || among(&table.selects) && !asks(last);
            let advice = "`jq -e`, or `grep -q` or `test` behind it, judges what it is given";
            ends_with_0.then(|| (advice, nobody_learns(first(last))))
        }
        StatementKind::Simple(_) if is_nothing(last) && !before.is_empty() => of(first(last), LEAVE_OUT),
        StatementKind::Simple(_) => {
            calls(last.span.of(text)).iter().filter(|call| call.code == ExitUse::Kept).find_map(says_nothing)
        }
        StatementKind::For { body, .. } => only_last_round(body, text),
        StatementKind::Loop { until: false, condition, body } if condition.first().is_some_and(reads) => {
            only_last_round(body, text)
        }
        _ => None,
    }
}

/// The same of a text that ends with words about a failure: `|| echo down`, `if curl -f URL; then echo up; else echo down; fi`. What it has
/// said tells more, once it has run.
pub fn words_instead(text: &str) -> Option<(&'static str, String)> {
    if DECIDES.is_match(text) {
        return None;
    }
    let script = read(text);
    let said = match &script.statements.iter().rfind(|one| !says(one))?.kind {
        StatementKind::AndOr(_, rest) if rest.iter().all(|(_, part)| says(part)) => &rest.iter().find(|(or, _)| *or)?.1,
        StatementKind::If(branches, rest)
            if branches.iter().map(|(_, body)| body).chain([rest]).flatten().all(says) =>
        {
            branches.first()?.1.first()?
        }
        _ => return None,
    };
    Some(("`exit 1` behind what it says of a failure makes it tell", nobody_learns(first(said))))
}

/// Whether a command of a block makes those behind it tell.
pub fn lets_fail(text: &str) -> bool {
    SETS.is_match(text)
}

fn says(statement: &Statement) -> bool {
    matches!(first(statement), "echo" | "printf")
}

/// Why nobody learns whether a round of a loop failed before its last one, where something is asked in it and nothing leaves it.
fn only_last_round(body: &[Statement], text: &str) -> Option<(&'static str, String)> {
    let asks = |one: &Statement| first(one) != "sleep" && !asks_nothing(one.span.of(text));
    let is_left = Statement::all(body).into_iter().any(|one| first(one) == "break");
    let told = "nobody will learn whether this fails: of a loop only the last round tells";
    (!is_left && body.iter().any(asks))
        .then(|| ("`|| exit 1` behind what is asked in it makes each round tell", told.into()))
}

fn reads(condition: &Statement) -> bool {
    first(condition) == "read"
}

/// Whether a program is told to judge by its exit code what it was given: `-e`, `-er`.
fn asks(statement: &Statement) -> bool {
    let words = statement.simple().map_or(&[][..], |command| &command.words);
    words.iter().any(|word| {
        let letters = word.raw.strip_prefix('-').unwrap_or_default();
        letters.contains('e') && letters.chars().all(|c| c.is_ascii_alphabetic())
    })
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
            ("curl -s http://web/status | jq -e .ok | tee /tmp/status", Some("tee")),
            ("curl -s http://web/status | yq .ok", Some("yq")),
            ("STATUS=$(curl -s http://web/status)", None),
            ("test \"$(docker compose ps --quiet web | wc -l)\" -eq 2", None),
            ("docker compose logs web | grep -c ERROR", None),
            ("set -o pipefail; docker compose ps | head", None),
            ("curl -s http://web/status || exit 1; true", None),
            ("curl -f http://web/status || echo 'not yet'", Some("echo")),
            ("docker compose ps -q web | grep -q . && echo up || printf 'down\\n'", Some("printf")),
            ("curl -f http://web/status || { echo down; exit 1; }", None),
            ("if curl -f http://web/status; then echo up; else printf down; fi", Some("echo")),
            ("if curl -f http://web/status; then echo up; else false; fi", None),
            ("redis-cli PING", None),
            ("cat /etc/hosts", None),
            ("true", None),
            ("echo done", None),
        ] {
            let said = unnoticed_end(text).or_else(|| words_instead(text)).map(|(_, why)| why);
            assert_eq!(said, program.map(nobody_learns), "{text}");
        }
    }

    #[test]
    fn of_a_loop_only_the_last_round_tells() {
        for (text, told) in [
            ("for s in web db; do curl -fsS http://$s/status; done", true),
            ("for s in web db; do curl -fsS http://$s/status | grep -q ok; done > /tmp/seen; echo done", true),
            ("while read -r s; do curl -fsS http://$s/status; done < hosts", true),
            ("for s in web db; do curl -fsS http://$s/status || exit 1; done", false),
            ("for i in 1 2 3; do curl -fsS http://web/status && break; sleep 1; done", false),
            ("for s in web db; do docker compose logs --tail 5 $s; sleep 1; done", false),
            ("while ! curl -fsS http://web/status; do sleep 1; done", false),
            ("until curl -fsS http://web/status; do sleep 1; done", false),
        ] {
            assert_eq!(unnoticed_end(text).is_some_and(|(_, why)| why.contains("last round")), told, "{text}");
        }
    }
}
