//! Verifications of which nobody learns whether they failed, as the exit code of their last command is 0 all the same: `curl` without
//! `-f`, `… | head`, `… || true`; and those that come out so, or only show something, whatever there is.

use super::answer::{nobody_learns, says_nothing, shows_errors};
use super::calls::{asks, calls};
use super::effect::labelled;
use super::{Call, ExitUse, is_sql_client, only_looks, table};
use crate::bash::{Statement, StatementKind, one_call, read};
use crate::source::TextPattern;

/// What decides by itself how a shell or a pipe ends; `status=exited` does not.
static DECIDES: TextPattern = TextPattern::new(r"\b(?:(?:err)?exit|return|pipefail|PIPESTATUS|set -e\w*|halt_error)\b");
/// What of it lets a shell end well, whatever came before it.
static ENDS_WELL: TextPattern = TextPattern::new(r"\b(?:exit|return)\s+0\b");
/// What lets every failure behind it end the shell, or count for its pipe.
static SETS: TextPattern = TextPattern::new(r"\b(?:pipefail|errexit|set -e\w*)\b");

const LEAVE_OUT: &str = "without it the command before it tells";

/// Why nobody learns whether the last command of a shell text failed, and what would make it tell. What only says something behind it
/// (`echo done`, `&& echo up`) is left out.
pub fn unnoticed_end(text: &str) -> Option<(&'static str, String)> {
    if decides(text) {
        return None;
    }
    let script = read(text);
    let last = script.statements.iter().rposition(|one| !says(one))?;
    end_of(script.statements.get(..=last)?, text)
}

/// The same of a script that runs as one command.
pub fn unnoticed_script(text: &str) -> Option<(&'static str, String)> {
    if decides(text) { None } else { end_within(&read(text).statements, text) }
}

/// Whether a script ends and says the same whatever there is: `true`, `echo 5`.
pub fn is_constant(text: &str) -> bool {
    !text.contains(['$', '`']) && read(text).statements.iter().all(|one| says(one) || is_nothing(one))
}

fn decides(text: &str) -> bool {
    DECIDES.find_iter(text).count() > ENDS_WELL.find_iter(text).count()
}

/// The same of what runs as one command, in a group or a shell: what only says something at its end hides what failed before it.
fn end_within(statements: &[Statement], text: &str) -> Option<(&'static str, String)> {
    let (last, before) = statements.split_last()?;
    let hides = says(last) && before.iter().any(|one| !asks_nothing(one.span.of(text)));
    if hides { Some((LEAVE_OUT, nobody_learns(first(last)))) } else { end_of(statements, text) }
}

fn end_of(statements: &[Statement], text: &str) -> Option<(&'static str, String)> {
    let (mut last, before) = statements.split_last()?;
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
            // `curl -f URL || docker compose logs web`, `|| { echo down; exit 0; }`
            (true, right) => {
                let (mut end, is_group) = (right, matches!(right.kind, StatementKind::Group { .. }));
                while let StatementKind::Group { body, .. } = &end.kind {
                    end = body.last()?;
                }
                let waives = || asks_nothing(end.span.of(text)) && (is_group || !says(end));
                if is_nothing(end) || first(end) == "sleep" || waives() { of(first(end), LEAVE_OUT) } else { None }
            }
            _ => None,
        },
        StatementKind::Group { body, .. } => end_within(body, text),
        StatementKind::Background(_) => {
            let told = "nobody will learn whether this fails: it goes on in the background";
            Some(("without `&` it tells", told.into()))
        }
        StatementKind::Simple(_) | StatementKind::Test(_) if holds_of_all(last) => holds_for_all(),
        StatementKind::Simple(command) if command.declares() && !last.substituted().is_empty() => {
            of(command.first(), "the assignment on a line of its own, without it, keeps the exit code")
        }
        StatementKind::Pipeline(stages) => {
            let table = &*table::TABLE;
            let (listed, last) = (&stages.first()?.0, &stages.last()?.0);
            if finds_itself(listed, stages.len(), last) {
                return of(first(last), "`pgrep` does not find the search itself");
            }
            if finds_another_line(listed, last, text) {
                return of(first(last), "`! … | grep -q` with what there must not be makes it tell");
            }
            if finds_anything(stages, last, text) {
                return holds_for_all();
            }
            let among = |names: &[String]| names.iter().any(|known| known == first(last));
            // What gets nothing, as the program before it has failed, is content as well.
            let hand_on = [&table.transparent, &table.filters, &table.cuts, &table.counts];
            let ends_with_0 = hand_on.into_iter().any(|names| among(names)) || among(&table.selects) && !asks(last);
            let advice = "`jq -e`, or `grep -q` or `test` behind it, judges what it is given";
            ends_with_0.then(|| (advice, nobody_learns(first(last))))
        }
        StatementKind::Simple(_) if is_nothing(last) && !before.is_empty() => of(first(last), LEAVE_OUT),
        StatementKind::Simple(_) => {
            let kept = |call: &&Call| call.code == ExitUse::Kept;
            let own = || calls(last.span.of(text)).iter().filter(kept).find_map(says_nothing);
            handed(last).and_then(unnoticed_script).or_else(own)
        }
        StatementKind::For { body, .. } => only_last_round(body, text),
        StatementKind::Loop { until: false, condition, body } if condition.first().is_some_and(reads) => {
            only_last_round(body, text)
        }
        _ => None,
    }
}

/// The text that a shell is given: `docker compose exec -T web sh -c 'curl -f URL || true'`.
fn handed(statement: &Statement) -> Option<&str> {
    let words: Vec<&str> = statement.simple()?.words.iter().map(|word| word.word.text.as_str()).collect();
    let is_shell = |pair: &[&str]| matches!(pair[0], "sh" | "bash" | "ash" | "dash") && pair[1] == "-c";
    words.get(words.windows(2).position(is_shell)? + 2).copied()
}

/// The same of a text that ends with words about a failure: `|| echo down`, `if curl -f URL; then echo up; else echo down; fi`. What it has
/// said tells more, once it has run.
pub fn words_instead(text: &str) -> Option<(&'static str, String)> {
    if decides(text) {
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
    let is_left = Statement::all(body).into_iter().any(|one| matches!(first(one), "break" | "exit"));
    let told = "nobody will learn whether this fails: of a loop only the last round tells";
    (!is_left && body.iter().any(asks))
        .then(|| ("`|| exit 1` behind what is asked in it makes each round tell", told.into()))
}

/// Whether `grep` finds its own process in what `ps` lists: `ps aux | grep web`, not `ps aux | grep [w]eb`.
fn finds_itself(listed: &Statement, stages: usize, last: &Statement) -> bool {
    // `aux`, `-ef`; not `-fp 7`.
    let shows_all = |word: &str| !word.starts_with("--") && (word.contains('x') || word.contains("ef"));
    stages == 2
        && first(listed) == "ps"
        && arguments(listed).next().is_some_and(shows_all)
        && first(last).ends_with("grep")
        && !arguments(last).any(|word| word.contains(['[', '^', '$']) || inverts(word))
}

/// Whether `grep -v` is asked for lines without a word in what has others anyway, such as a head: `kubectl get pods | grep -v Running`.
fn finds_another_line(listed: &Statement, last: &Statement, text: &str) -> bool {
    const WITHOUT_HEAD: [&str; 7] = ["--no-headers", "--quiet", "--format", "--tail", "-q", "-aq", "-o"];
    let is_bare = |word: &str| WITHOUT_HEAD.iter().any(|option| word.starts_with(option));
    first(last).ends_with("grep")
        && arguments(last).any(inverts)
        && !COMES_OUT_WELL.contains(&first(listed))
        && asks_nothing(listed.span.of(text))
        && !arguments(listed).any(is_bare)
}

/// Whether `grep` finds something in every answer: a digit in a count, anything in what a client of HTTP got, the page of an error as well.
fn finds_anything(stages: &[(Statement, bool)], last: &Statement, text: &str) -> bool {
    const DIGITS: [&str; 6] = ["[0-9]", "[0-9]+", "[0-9]*", "[0-9][0-9]*", "[[:digit:]]", r"\d"];
    let Some((before, _)) = stages.iter().nth_back(1) else { return false };
    let counts = |option: &str| option.starts_with('-') && !option.starts_with("--") && option.contains('c');
    let is_count = || {
        table::TABLE.counts.iter().any(|known| known == first(before))
            || first(before).ends_with("grep") && arguments(before).any(counts)
            || before.span.of(text).to_lowercase().contains("count(")
    };
    let is_page = || calls(before.span.of(text)).last().is_some_and(shows_errors);
    let pattern = arguments(last).find(|word| !word.starts_with('-')).unwrap_or_default();
    first(last).ends_with("grep")
        && !arguments(last).any(|word| inverts(word) || counts(word))
        && (DIGITS.contains(&pattern) && is_count() || matches!(pattern, "." | ".*" | "^") && is_page())
}

/// Whether a test or a comparison comes out the same whatever was found: `[ "$N" -ge 0 ]`, `diff <(a) <(a)`.
fn holds_of_all(statement: &Statement) -> bool {
    let (program, words) = match &statement.kind {
        StatementKind::Test(words) => ("[", words.as_slice()),
        StatementKind::Simple(command) => (command.first(), command.words.get(1..).unwrap_or_default()),
        _ => return false,
    };
    let words: Vec<&str> = words.iter().map(|word| word.raw.as_str()).filter(|word| *word != "]").collect();
    match (program, &words[..]) {
        ("test" | "[", [_, "-ge", "0" | "\"0\""] | [_, "-gt", "-1"]) => true,
        ("test" | "[", [left, "=" | "==" | "-eq" | "-ge" | "-le", right]) => left == right,
        ("diff" | "cmp", [.., left, right]) => left == right,
        _ => false,
    }
}

fn holds_for_all() -> Option<(&'static str, String)> {
    let told = "nobody will learn whether this fails: it comes out so whatever there is";
    Some(("a comparison with what must be there makes it tell", told.into()))
}

/// `-v`, `-qv`, `--invert-match`: what does not match is looked for.
fn inverts(word: &str) -> bool {
    let is_group = word.starts_with('-') && !word.starts_with("--");
    is_group && word.contains('v') || word == "--invert-match"
}

/// What a program is given.
fn arguments(statement: &Statement) -> impl Iterator<Item = &str> {
    let words = statement.simple().map_or(&[][..], |command| &command.words);
    words.iter().skip(1).map(|word| word.word.text.as_str())
}

fn reads(condition: &Statement) -> bool {
    first(condition) == "read"
}

/// What comes out well on every machine that works at all.
const COMES_OUT_WELL: [&str; 12] =
    ["echo", "printf", "date", "true", ":", "uptime", "w", "who", "whoami", "hostname", "uname", "free"];

/// Whether nobody asks by a command how it goes, as it tells what there is, whatever that is: `date`, `docker compose ps`.
pub fn asks_nothing(text: &str) -> bool {
    let Some(command) = one_call(text) else { return false };
    let words: Vec<&str> = command.words.iter().map(|word| word.word.text.as_str()).collect();
    let lists = || labelled(&words, |program| &program.lists).is_some();
    COMES_OUT_WELL.contains(&command.first()) || lists()
}

/// Whether a command shows something that only a person can compare: `docker compose ps`, `docker inspect`, `sleep 5`, `SELECT …`.
pub fn only_shows(text: &str) -> bool {
    let Some(command) = one_call(text) else { return false };
    let inspects = || command.words.get(1).is_some_and(|word| word.raw == "inspect");
    let selects = || calls(text).last().is_some_and(|call| is_sql_client(call.program())) && only_looks(text);
    asks_nothing(text) || command.first() == "sleep" || command.first() == "docker" && inspects() || selects()
}

fn first(statement: &Statement) -> &str {
    statement.simple().map_or("", |command| command.first())
}

fn is_nothing(statement: &Statement) -> bool {
    let ends_well = || matches!(first(statement), "exit" | "return") && arguments(statement).eq(["0"]);
    matches!(first(statement), "true" | ":") || ends_well()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lists_asks_nothing() {
        for text in [
            "date",
            "uptime",
            ":",
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
            ("curl -f http://web/status || docker compose logs web", Some("docker")),
            ("curl -f http://web/status || curl -f http://www/status", None),
            ("docker compose exec -T web sh -c 'curl -f http://localhost/status || true'", Some("true")),
            ("bash -ec 'curl -f http://web/status; true'", None),
            ("ps aux | grep nginx", Some("grep")),
            ("ps -ef | grep -q nginx", Some("grep")),
            ("ps aux | grep '[n]ginx'", None),
            ("ps aux | grep nginx | grep -v grep", None),
            ("ps -fp 7 | grep nginx", None),
            ("kubectl get pods -n shop | grep -v Running", Some("grep")),
            ("docker compose logs web | grep -qv ERROR", Some("grep")),
            ("kubectl get pods --no-headers | grep -v Running", None),
            ("echo \"$SAID\" | grep -v ERROR", None),
            ("whoami | grep -v root", None),
            ("psql -At -c 'SELECT count(*) FROM jobs' | grep -v '^0$'", None),
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
            ("curl -f http://web/status || exit 0", Some("exit")),
            ("curl -f http://web/status || date", Some("date")),
            ("curl -f http://web/status || { echo down; sleep 1; }", Some("sleep")),
            ("curl -f http://web/status || { systemctl restart web; false; }", None),
            ("(curl -f http://web/status; true)", Some("true")),
            ("{ curl -f http://web/status; echo; }", Some("echo")),
            ("{ echo; curl -f http://web/status; }", None),
            ("bash -c 'curl -f http://web/status; exit 0'", Some("exit")),
            ("docker compose exec -T web sh -c 'curl -f http://localhost/status; echo done'", Some("echo")),
            ("export OUT=$(curl -f http://web/status)", Some("export")),
            ("export OUT=done", None),
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
    fn verifications_that_come_out_so_whatever_there_is() {
        for (text, holds) in [
            ("docker compose logs web | wc -l | grep -q '[0-9]'", true),
            ("psql -Atc 'SELECT count(*) FROM jobs' | grep -q \"[0-9]\"", true),
            ("psql -Atc 'SELECT count(*) FROM jobs' | grep -q '^0$'", false),
            ("psql -Atc 'SELECT name FROM jobs' | grep -q '[0-9]'", false),
            ("curl -s http://web/status | grep -q .", true),
            ("curl -fsS http://web/status | grep -q .", false),
            ("psql -Atc 'SELECT name FROM jobs' | grep .", false),
            ("[ \"$(docker compose ps -q | wc -l)\" -ge 0 ]", true),
            ("[[ $N -ge 0 ]]", true),
            ("test \"$N\" -ge 1", false),
            ("test \"$N\" = \"$N\"", true),
            ("diff <(curl -s http://web) <(curl -s http://web)", true),
            ("diff <(curl -s http://web) <(curl -s http://www)", false),
            ("curl -f http://web/status &", true),
        ] {
            assert_eq!(unnoticed_end(text).is_some(), holds, "{text}");
        }
    }

    #[test]
    fn scripts_that_say_the_same() {
        for (text, constant) in [
            ("true", true),
            ("echo 5", true),
            ("printf '5\\n'; exit 0", true),
            ("echo $N", false),
            ("echo 5 | grep 5", false),
            ("psql -Atc 'SELECT 1'", false),
        ] {
            assert_eq!(is_constant(text), constant, "{text}");
        }
        assert!(unnoticed_script("psql -Atc 'SELECT 1'; echo ok").is_some());
        assert_eq!(unnoticed_script("set -e; psql -Atc 'SELECT 1'; echo ok"), None);
        assert_eq!(unnoticed_script("echo ok; psql -Atc 'SELECT 1'"), None);
    }

    #[test]
    fn what_only_a_person_can_compare() {
        for (text, shows) in [
            ("docker compose ps", true),
            ("sleep 5", true),
            ("docker inspect -f '{{.State.Status}}' web", true),
            ("psql -Atc 'SELECT count(*) FROM jobs'", true),
            ("docker compose exec -T db psql -Atc 'SELECT count(*) FROM jobs'", true),
            ("echo \"$(curl -f http://web/status)\"", true),
            ("psql -Atc 'DELETE FROM jobs'", false),
            ("psql -Atc 'SELECT count(*) FROM jobs' | grep -q '^0$'", false),
            ("curl -fsS http://web/status", false),
            ("test -f /srv/ready", false),
        ] {
            assert_eq!(only_shows(text), shows, "{text}");
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
