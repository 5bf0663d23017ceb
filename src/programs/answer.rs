//! Whether a program of a command said that it failed, though the exit code does not: only where its exit code tells
//! nothing, and only by lines that are its own.
//! Of `curl -w FORMAT` the HTTP status in what it writes: the format becomes a pattern in which `%{http_code}` is what is looked for. A
//! format that is read from a file, or does not show the status, tells nothing.

use super::table::{self, ErrorLine, On, Program};
use super::{Call, ExitUse, Filtered, Sink, among};
use crate::source::{TextPattern, cut, is_among};
use regex::Regex;

/// Columns of a line that are shown.
const SHOWN: usize = 200;

/// What a program said.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{program} answered \"{}\" with exit code 0{}", cut(.line, SHOWN, " …"),
    .advice.as_ref().map(|advice| format!(" ({advice})")).unwrap_or_default())]
pub struct RefusedAnswer {
    /// The program.
    pub program: String,
    /// The line.
    pub line: String,
    /// What would make its exit code tell.
    pub advice: Option<String>,
}

/// The first error that a program of a command wrote, where the exit code of the command, which is 0, cannot tell of it.
pub fn error_among(calls: &[Call], stdout: &str, stderr: &str) -> Option<RefusedAnswer> {
    for (index, call) in calls.iter().enumerate() {
        let Some(program) = table::program(call.program()) else { continue };
        let honest = program.is_honest(call);
        if call.code == ExitUse::Waived || honest && call.code != ExitUse::Lost {
            continue;
        }
        // Somebody goes by its exit code.
        let asked = matches!(call.code, ExitUse::Asked | ExitUse::AskedAgain | ExitUse::Replaced);
        let seen = program.errors.iter().filter(|error| !(asked && error.told));
        let others = || calls.iter().enumerate().filter(|(other, _)| *other != index).map(|(_, call)| call);
        let streams = |error| [(error, On::Stdout, call.stdout), (error, On::Stderr, call.stderr)];
        for (error, on, sink) in seen.clone().flat_map(streams) {
            let text = match sink {
                Sink::Stdout => stdout,
                Sink::Stderr => stderr,
                Sink::Piped | Sink::File => continue,
            };
            let is_there = error.on == On::Both || error.on == on;
            let Some(line) = error.found(program, call, text).filter(|_| is_there) else { continue };
            let elsewhere = others()
                .any(|other| may_have_written(other, sink, &line) && !is_fed_by_what_ignores_errors(other, calls));
            let alone = || !others().any(|other| other.stdout == sink && !is_silent(other));
            let last = || text.lines().rfind(|line| !line.trim().is_empty());
            // Whatever came behind it was answered better.
            let answered_since = call.code == ExitUse::AskedAgain
                && alone()
                && last().is_some_and(|last| seen.clone().all(|error| error.found(program, call, last).is_none()));
            if !elsewhere && !answered_since {
                let advice = program.advice.clone().filter(|_| !honest);
                return Some(RefusedAnswer { program: call.program().to_string(), line, advice });
            }
        }
    }
    None
}

/// Whether a program writes nothing to standard output, called like this.
fn is_silent(call: &Call) -> bool {
    let quiet =
        |word: &String| word == "--quiet" || word.starts_with('-') && !word.starts_with("--") && word.contains('q');
    among(call.program(), words!("silent")) || call.program().ends_with("grep") && call.arguments().iter().any(quiet)
}

/// Whether what a program shows is the output of one whose exit code says nothing: it stands behind it in a pipe, or shows
/// the variable that took it. A line of that is the other one's own.
fn is_fed_by_what_ignores_errors(call: &Call, calls: &[Call]) -> bool {
    calls.iter().any(|other| {
        let feeds = call.is_behind(other)
            || other.into.as_deref().is_some_and(|variable| call.said().any(|name| name == variable));
        feeds && table::program(other.program()).is_some_and(|program| !program.is_honest(other))
    })
}

impl ErrorLine {
    /// The line of this error in what a program wrote.
    fn found(&self, program: &Program, call: &Call, text: &str) -> Option<String> {
        let options = program.options(call);
        if !self.status.is_empty() {
            let (_, format) = options.iter().rfind(|(name, _)| self.status.contains(name))?;
            let alone = options.iter().any(|(name, _)| self.alone_with.contains(name));
            return failed_status(format.as_deref()?, text, alone);
        }
        if !self.with.is_empty() && !self.with.iter().any(|switch| switch.is_given(&options)) {
            return None;
        }
        let error = self.line.as_ref()?;
        let last = self.last_of.as_ref().filter(|_| self.last_with.iter().any(|switch| switch.is_given(&options)));
        let operand = call.arguments().iter().find(|word| self.names && !word.starts_with('-'));
        // What the shell fills in is not known.
        let known = operand.and_then(|word| word.split(['$', '`', '*', '~']).next()).unwrap_or_default();
        let mut lines = text.lines().map(str::trim_end).filter(|line| line.contains(known));
        let line = match last {
            Some(last) => lines.rfind(|line| last.is_match(line)).filter(|line| error.is_match(line)),
            None => lines.find(|line| error.is_match(line)),
        };
        line.map(str::to_string)
    }

    /// Whether it can be seen at all, called like this.
    fn is_shown(&self, program: &Program, call: &Call) -> bool {
        let options = program.options(call);
        let goes = |sink: Sink| matches!(sink, Sink::Stdout | Sink::Stderr);
        let seen = match self.on {
            // `Both`: where it depends on a switch, the usual one.
            On::Stdout | On::Both => goes(call.stdout) && call.filtered != Filtered::Cut,
            On::Stderr => goes(call.stderr),
        };
        let format =
            options.iter().rfind(|(name, _)| self.status.contains(name)).and_then(|(_, format)| format.as_deref());
        match self.status.is_empty() {
            true => seen && (self.with.is_empty() || self.with.iter().any(|switch| switch.is_given(&options))),
            false => seen && format.is_some_and(|format| status_pattern(format).is_some()),
        }
    }
}

/// Whether another program of the command may have written a line: one whose output is text from elsewhere. What such a
/// program says of itself on standard error is not.
fn may_have_written(call: &Call, sink: Sink, line: &str) -> bool {
    if call.stdout != sink {
        return false;
    }
    match call.program() {
        "echo" | "printf" => {
            let said = call.arguments().join(" ");
            let begins = line.get(..line.len().min(8)).unwrap_or(line);
            let shows = said.trim_start_matches("-e ");
            // What stands in a substitution is known by itself.
            let substituted = shows.starts_with("$(") || shows.starts_with('`');
            said.contains(begins) || (shows.starts_with(['$', '%']) && !substituted)
        }
        "docker" | "podman" | "nerdctl" | "kubectl" | "oc" if call.arguments().iter().any(|word| word == "logs") => {
            true
        }
        name => table::TABLE.repeaters.iter().any(|known| known == name),
    }
}

/// A program that a shell did not find or could not run, as it says itself: its name. Looked at are the calls whose exit code is one of
/// these.
pub fn missing_among(calls: &[Call], stderr: &str, codes: &[ExitUse]) -> Option<String> {
    static MISSING: TextPattern = TextPattern::new(
        r"^(?:\S*/)?(?:ba|da|a|k|z)?sh: (?:line )?(?:\d+: )?(.+?): (?:(?:command )?not found|No such file or directory|Permission denied)$",
    );
    let named = stderr.lines().filter_map(|line| Some(MISSING.captures(line.trim_end())?.get(1)?.as_str()));
    let called = |name: &&str| {
        let of = |call: &&Call| call.words.first().is_some_and(|word| word == name);
        calls.iter().filter(of).any(|call| codes.contains(&call.code))
    };
    named.into_iter().find(called).map(str::to_string)
}

/// What is said of a failure that nobody will learn of.
pub(super) fn nobody_learns(program: &str) -> String {
    format!("nobody will learn whether this fails: `{program}` exits with 0 all the same")
}

/// What would make a call tell whether it failed, and why nobody will learn of a failure: its exit code does not tell,
/// and its errors are not shown.
pub fn says_nothing(call: &Call) -> Option<(&'static str, String)> {
    let program = table::program(call.program())?;
    let looked_at = call.stdout == Sink::Piped || call.filtered == Filtered::Lines;
    let hidden = !looked_at
        && !program.errors.iter().any(|error| {
            // What every program says on standard error of its own failures is in its exit code as well.
            let own = error.on == On::Stderr && program.errors.iter().any(|other| other.on != On::Stderr);
            (!own || !error.with.is_empty()) && error.is_shown(program, call)
        });
    let asked = matches!(call.code, ExitUse::Asked | ExitUse::AskedAgain | ExitUse::Waived) || program.is_honest(call);
    let advice = program.advice.as_deref().filter(|_| hidden && !asked)?;
    Some((advice, nobody_learns(call.program())))
}

/// What would keep a call of Compose from acting on every service where none is found for it (`restart $(… | grep web)`), and that it
/// does so.
pub fn acts_on_all(call: &Call, text: &str) -> Option<(&'static str, String)> {
    let program = table::program(call.program())?;
    let mut rest = call.words.iter().skip(1).map(String::as_str);
    let mut operand = || loop {
        match rest.next()? {
            option if program.takes(option) => drop(rest.next()),
            option if option.starts_with('-') => {}
            operand => return Some(operand),
        }
    };
    let verb = match (call.program(), operand()?) {
        ("docker-compose", verb) => verb,
        ("docker" | "podman" | "nerdctl", "compose") => operand()?,
        _ => return None,
    };
    let mut named = std::iter::from_fn(operand).peekable();
    // In quotes it is the name of a service that there is not; `$((1 + 1))` is a number.
    let is_quoted = |word: &str| ['"', '\''].iter().any(|quote| text.contains(&format!("{quote}{word}")));
    let is_found =
        |word: &str| word.starts_with("$(") && !word.starts_with("$((") && word.ends_with(')') && !is_quoted(word);
    let all = is_among(words!("acts on every service"), verb) && named.peek().is_some() && named.all(is_found);
    all.then(|| {
        let advice =
            "put what it finds into a variable first (`S=$(…)`): a drill does not run a command without the value";
        (advice, format!("where `$(…)` finds nothing, `{verb}` of Compose acts on every service"))
    })
}

/// Whether a client shows an error as it shows an answer, and exits with 0.
pub(super) fn shows_errors(call: &Call) -> bool {
    let is_shown = |program: &Program| program.ignores_errors && program.language != Some(table::InputLanguage::Sql);
    table::program(call.program()).is_some_and(|program| is_shown(program) && !program.is_honest(call))
}

/// What would make a condition tell, and why it says nothing: the exit code that it asks for is 0 whatever the program was answered.
pub fn holds_anyway(call: &Call) -> Option<(&'static str, String)> {
    let program = table::program(call.program())?;
    // `! redis-cli PING | grep -q PONG`: the one behind the pipe tells.
    let asked = matches!(call.code, ExitUse::Asked | ExitUse::AskedAgain) && call.stdout != Sink::Piped;
    let advice = program.advice.as_deref().filter(|_| asked && !program.is_honest(call))?;
    let program = call.program();
    Some((advice, format!("`{program}` exits with 0 whatever it is answered, so that the condition holds")))
}

/// What would make a client stop at a statement that fails, and what it does: the script goes on, and ends with 0.
pub fn goes_on_after_errors(call: &Call) -> Option<(&'static str, String)> {
    let program = table::program(call.program())?;
    let reads = program.language == Some(table::InputLanguage::Sql) && program.ignores_errors;
    let advice = program.advice.as_deref().filter(|_| reads && !program.is_honest(call))?;
    Some((advice, format!("`{}` goes on after a statement that failed, and exits with 0", call.program())))
}

/// The status that failed, where one did: 400 and above, or 000 where there was no answer. `alone`: nothing but the format
/// was written, so that every occurrence counts and not only the one at the end.
fn failed_status(format: &str, written: &str, alone: bool) -> Option<String> {
    let pattern = status_pattern(format)?;
    let end = if alone { "" } else { r"\z" };
    let regex = Regex::new(&format!("{pattern}{end}")).ok()?;
    let of = |found: regex::Captures<'_>| found.get(1).map(|status| status.as_str().to_string());
    let bad = |status: &String| status == "000" || status.starts_with(['4', '5']);
    regex.captures_iter(written).filter_map(of).find(bad)
}

/// The format as a pattern with the status as its first group.
fn status_pattern(format: &str) -> Option<String> {
    // A variable, an escape, which is one of a pattern as well, or a character.
    static PIECE: TextPattern = TextPattern::new(r"(?s)%\{([^}]*)\}|(\\[ntr])|%(%)|(.)");
    let (mut pattern, mut shows) = (String::new(), false);
    for piece in PIECE.captures_iter(format) {
        let group = |at: usize| piece.get(at).map(|text| text.as_str());
        match group(1) {
            Some("http_code" | "response_code") => {
                pattern.push_str(if shows { "[0-9]{3}" } else { "([0-9]{3})" });
                shows = true;
            }
            // What follows goes to another stream.
            Some("stderr" | "stdout") => return None,
            Some(_) => pattern.push_str(".*?"),
            None => {
                pattern.push_str(group(2).unwrap_or_default());
                pattern.push_str(&regex::escape(group(3).or(group(4)).unwrap_or_default()));
            }
        }
    }
    (shows && !format.starts_with('@')).then_some(pattern)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(text: &str) -> Call {
        let words = text.split(' ').map(str::to_string).collect();
        Call::new(words)
    }

    fn answer(text: &str, stdout: &str, stderr: &str) -> Option<String> {
        error_among(&[call(text)], stdout, stderr).map(|answer| answer.line)
    }

    #[test]
    fn a_condition_holds_anyway_where_nothing_behind_it_judges() {
        for (text, anyway) in [
            ("if ! redis-cli PING; then a; fi", true),
            ("if ! redis-cli PING | cat; then a; fi", true),
            ("if ! redis-cli PING | grep -q PONG; then a; fi", false),
            ("if redis-cli PING | grep -q PONG; then a; fi", false),
        ] {
            let calls = crate::programs::calls(text);
            assert_eq!(calls.iter().any(|call| holds_anyway(call).is_some()), anyway, "{text}");
        }
    }

    #[test]
    fn an_error_is_known_by_the_line_that_a_program_begins_with_it() {
        for (text, stdout, stderr, line) in [
            ("redis-cli CLIENT KIL", "(error) ERR unknown\n", "", Some("(error) ERR unknown")),
            ("redis-cli CLIENT KIL", "ERR unknown subcommand\n", "", Some("ERR unknown subcommand")),
            ("redis-cli -e CLIENT KIL", "ERR unknown subcommand\n", "", None),
            ("redis-cli KEYS *", "user:(error) x\nERROR_COUNT\n", "", None),
            ("redis-cli GET x", "OK\n", "AUTH failed: ERR x\n", None),
            ("psql -f x", "ERROR:  on stdout\n", "", None),
            (
                "psql -f x",
                "",
                "psql:x:3: ERROR:  relation \"a\" does not exist\nLINE 1: a",
                Some("psql:x:3: ERROR:  relation \"a\" does not exist"),
            ),
            ("psql -c x", "", "ERROR:  x\n", None),
            ("psql -c x -c y", "", "ERROR:  x\n", Some("ERROR:  x")),
            ("psql", "", "NOTICE:  ERROR:  x\nWARNING:  y\n", None),
            (
                "mysql -f x",
                "",
                "ERROR 1064 (42000) at line 3: You have\n",
                Some("ERROR 1064 (42000) at line 3: You have"),
            ),
            ("mongosh", "test> MongoServerError: x\n", "", Some("test> MongoServerError: x")),
            (
                "mongosh",
                "shop> TypeError: db.x is not a function\n",
                "",
                Some("shop> TypeError: db.x is not a function"),
            ),
            ("curl -i http://x", "HTTP/1.1 404 Not Found\r\nx: y\r\n", "", Some("HTTP/1.1 404 Not Found")),
            ("curl http://x", "HTTP/1.1 404 Not Found\r\n", "", None),
            ("curl -iL http://x", "HTTP/1.1 401 U\r\n\r\nHTTP/1.1 200 OK\r\n", "", None),
            ("curl -iL http://x", "HTTP/1.1 302 F\r\n\r\nHTTP/1.1 500 E\r\n", "", Some("HTTP/1.1 500 E")),
            ("curl -sv http://x", "", "* x\n< HTTP/1.1 503 S\n", Some("< HTTP/1.1 503 S")),
            ("curl -so /dev/null -w %{http_code} http://x", "503", "", Some("503")),
            ("nc cache 6379", "-ERR unknown command\r\n", "", Some("-ERR unknown command")),
            ("supervisorctl restart x", "x: ERROR (not running)\nx: started\n", "", None),
            ("supervisorctl stop x", "x: ERROR (no such process)\n", "", Some("x: ERROR (no such process)")),
            ("nc cache 11211", "SERVER_ERROR out of memory\r\n", "", Some("SERVER_ERROR out of memory")),
        ] {
            assert_eq!(answer(text, stdout, stderr).as_deref(), line, "{text}: {stdout}{stderr}");
        }
    }

    #[test]
    fn what_tells_is_believed_unless_nobody_sees_it() {
        let kubectl = |code| Call { code, ..call("kubectl delete pod x") };
        let said = "Error from server (NotFound): pods \"x\" not found\n";
        for (code, judged) in [
            (ExitUse::Kept, false),
            (ExitUse::Replaced, false),
            (ExitUse::Asked, false),
            (ExitUse::Waived, false),
            (ExitUse::Lost, true),
        ] {
            assert_eq!(error_among(&[kubectl(code)], "", said).is_some(), judged, "{code:?}");
        }
        let honest = Call { code: ExitUse::Lost, ..call("redis-cli -e X") };
        assert!(error_among(&[honest], "", "ERR x\n").is_some(), "in a loop nobody sees the code");
        let redis = |code| Call { code, ..call("redis-cli X") };
        for (code, judged) in [
            (ExitUse::Kept, true),
            (ExitUse::Replaced, true),
            (ExitUse::Asked, true),
            (ExitUse::Waived, false),
            (ExitUse::Lost, true),
        ] {
            assert_eq!(error_among(&[redis(code)], "ERR x\n", "").is_some(), judged, "{code:?}");
        }
        let gone = "Could not connect to Redis at cache:6379: Name or service not known\n";
        assert!(
            error_among(&[redis(ExitUse::Replaced)], "", gone).is_none(),
            "its exit code tells, and `||` goes by it"
        );
    }

    #[test]
    fn lines_of_others_are_not_judged() {
        let redis = call("redis-cli X");
        let piped = Call { stdout: Sink::Piped, ..redis.clone() };
        assert_eq!(error_among(&[piped, call("grep x")], "ERR x\n", ""), None);
        assert_eq!(error_among(&[call("cat errors"), redis.clone()], "ERR x\n", ""), None);
        assert_eq!(error_among(&[call("echo ERR x"), redis.clone()], "ERR x\n", ""), None);
        assert_eq!(error_among(&[call("echo $SAID"), redis.clone()], "ERR x\n", ""), None);
        assert!(error_among(&[call("echo stopping"), redis.clone()], "stopping\nERR x\n", "").is_some());
        assert!(error_among(&[Call { stdout: Sink::File, ..call("cat errors") }, redis], "ERR x\n", "").is_some());
        let fed = |text| Call { stdout: Sink::Piped, ..call(text) };
        assert!(error_among(&[fed("printf %s;SELECT"), call("psql -X")], "", "ERROR:  x\n").is_some(), "psql's own");
    }

    #[test]
    fn a_directory_or_a_file_that_is_not_there_is_told_where_the_rest_goes_on() {
        let no_directory = "bash: line 1: cd: /wrong: No such file or directory\n";
        let no_file = "bash: line 1: ./shop.env: No such file or directory\n";
        for (text, stderr, told) in [
            ("(cd /wrong; docker compose restart web)", no_directory, true),
            ("cd /wrong; docker compose restart web", no_directory, true),
            ("for folder in /wrong /srv; do cd $folder; make; done", no_directory, true),
            ("bash -c 'cd /wrong; make'", no_directory, true),
            ("docker compose exec -T web sh -c 'cd /wrong; make'", "sh: 1: cd: can't cd to /wrong\n", true),
            ("set -a; . ./shop.env; set +a", no_file, true),
            ("source ./shop.env; cat list", no_file, true),
            ("(cd /wrong || exit; make)", no_directory, false),
            ("cd /wrong || true; cd /srv; make", no_directory, false),
            ("(cd /wrong 2>/dev/null; make)", no_directory, false),
            ("if cd /wrong; then make; fi", no_directory, false),
            (
                "[ -f ./shop.env ] && . ./shop.env; cat < list || true",
                "bash: line 1: list: No such file or directory\n",
                false,
            ),
        ] {
            assert_eq!(crate::programs::answered(text, "", stderr).is_some(), told, "{text}");
        }
    }

    #[test]
    fn programs_that_are_not_there_are_named_by_their_shell() {
        let missing = |call: Call, stderr: &str| missing_among(&[call], stderr, &[ExitUse::Kept, ExitUse::Lost]);
        let coded = |code| missing(Call { code, ..call("jqq .") }, "bash: line 2: jqq: command not found\n");
        assert_eq!(coded(ExitUse::Lost).as_deref(), Some("jqq"));
        assert_eq!(coded(ExitUse::Asked), None);
        assert_eq!(missing(call("jqq"), "sh: 1: jqq: not found\n").as_deref(), Some("jqq"));
        assert_eq!(missing(call("./x.sh"), "bash: line 1: ./x.sh: Permission denied").as_deref(), Some("./x.sh"));
        assert_eq!(missing(call("cat"), "bash: line 1: jqq: command not found\n"), None);
        assert_eq!(missing(call("cat"), "cat: x: No such file or directory\n"), None);
    }

    #[test]
    fn what_acts_on_everything_where_nothing_is_found_is_known_before() {
        let acts = |text: &str| crate::programs::calls(text).iter().any(|call| acts_on_all(call, text).is_some());
        assert!(acts("docker compose restart $(docker compose ps --services | grep rediss)"));
        assert!(acts("docker-compose -f a.yaml --project-name=x up -d $(cat names)"));
        for named in [
            "docker compose restart \"$(cat names)\"",
            "docker compose restart web $(cat names)",
            "docker compose restart",
            "docker restart $(docker ps -q)",
            "kubectl compose restart $(cat names)",
            "docker compose exec $(cat names) ls",
            "docker compose restart $SERVICE",
            "docker compose exec web kill -HUP $(cat /run/nginx.pid)",
            "docker compose -p stop exec web kill $(cat x)",
            "docker compose run --rm tools start $(cat x)",
            "docker compose stop -t $((5+5))",
            "docker compose kill '$(cat x)'",
        ] {
            assert!(!acts(named), "{named}");
        }
    }

    #[test]
    fn what_nobody_will_learn_is_known_before() {
        let file = |text| Call { stdout: Sink::File, ..call(text) };
        for (call, silent) in [
            (call("curl -X POST http://x"), true),
            (call("curl -o /dev/null http://x"), true),
            (call("curl -f http://x"), false),
            (call("curl -i http://x"), false),
            (call("curl -v http://x"), false),
            (call("curl -w %{http_code} http://x"), false),
            (call("curl -w %{time_total} http://x"), true),
            (Call { code: ExitUse::Asked, ..call("curl http://x") }, false),
            (Call { filtered: Filtered::Cut, ..call("redis-cli X") }, true),
            (Call { filtered: Filtered::Lines, ..call("redis-cli X") }, false),
            (Call { filtered: Filtered::Cut, ..call("psql -f x") }, false),
            (file("supervisorctl restart x"), false),
            (Call { stdout: Sink::Piped, ..call("curl http://x") }, false),
            (call("redis-cli X"), false),
            (file("redis-cli X"), true),
            (file("redis-cli -e X"), false),
            (file("psql -f x"), false),
            (Call { stderr: Sink::File, ..file("psql -f x") }, true),
            (file("kubectl get pods"), false),
        ] {
            assert_eq!(says_nothing(&call).is_some(), silent, "{call:?}");
        }
    }
}

#[cfg(test)]
mod status_tests {
    use super::*;

    #[test]
    fn the_status_is_found_where_the_format_puts_it() {
        for (format, written, alone, status) in [
            (r"%{http_code}\n", "503\n", true, Some("503")),
            (r"%{http_code}\n", "200\n404\n200\n", true, Some("404")),
            (r"%{http_code}\n", "404\n200\n", false, None),
            ("%{http_code}", "{\"id\": 404}201", false, None),
            ("%{http_code}", "not found404", false, Some("404")),
            ("%{response_code} in %{time_total}s", "502 in 0.01s", true, Some("502")),
            ("%{http_code}", "000", true, Some("000")),
            ("%{time_total}", "0.404", true, None),
            ("@format", "404", true, None),
            ("100%% %{http_code}", "100% 500", true, Some("500")),
            ("%{stderr}%{http_code}", "500", true, None),
        ] {
            assert_eq!(failed_status(format, written, alone).as_deref(), status, "{format}: {written}");
        }
    }
}
