//! The programs that a command runs, through everything that only runs another one (`sudo`, `docker compose exec`, `xargs`,
//! `sh -c`, `ssh`): where the output of each leads, and what becomes of its exit code.

use super::simple::{Simple, after_options, bare, wrapped};
use super::table;
use crate::bash::{Redirect, RedirectTarget, SimpleCommand, Statement, StatementKind, read};
use crate::programs::{self, Call, ExitUse, Filtered, PipeStage, RefusedAnswer, Sink};
use crate::source::{Span, TextPattern};
use regex::Captures;
use std::collections::{HashMap, HashSet};

/// How deep shell text may stand in shell text.
const DEEPEST: usize = 4;

/// How many times its own length the functions of a text are read where they are called.
const UNFOLDED: usize = 16;
/// How many programs that only run another one may stand before a program.
const MOST_WRAPPERS: usize = 16;

/// What stands around a part of a command.
#[derive(Debug, Clone, Copy)]
struct CallContext<'a> {
    stdout: Sink,
    stderr: Sink,
    code: ExitUse,
    filtered: Filtered,
    stage: Option<PipeStage>,
    /// The variable that takes its output.
    into: Option<&'a str>,
    /// Shell text on its standard input.
    fed: Option<&'a str>,
    depth: usize,
    /// What tells the pipes of this text from those of others.
    base: usize,
}

/// What of it decides what becomes of what a function runs.
type AroundFunction = (Sink, Sink, ExitUse, Filtered, usize);

/// A limit on the work of reading what a text runs.
struct Budget {
    /// How many bytes of functions may still be read where they are called: functions that call functions multiply the work.
    left: usize,
    /// Whether a part of it, or of a script in it, was not read, or not as bash reads it.
    unread: bool,
}

/// The programs that shell text runs, in order, those of functions where they are called.
pub fn calls(text: &str) -> Vec<Call> {
    read_calls(text).0
}

/// Whether shell text, or a script that it hands to a shell, may call more than [`calls`] sees.
pub fn hides_calls(text: &str) -> bool {
    read_calls(text).1
}

fn read_calls(text: &str) -> (Vec<Call>, bool) {
    let mut work = Budget { left: UNFOLDED.saturating_mul(text.len()), unread: false };
    let (stdout, stderr, code, filtered) = (Sink::Stdout, Sink::Stderr, ExitUse::Kept, Filtered::No);
    let around = CallContext { stdout, stderr, code, filtered, stage: None, into: None, fed: None, depth: 0, base: 0 };
    let mut calls = within(text, around, &mut work);
    // What a variable took is seen where it is shown: behind it, or else in a loop before it.
    let mut said: HashMap<String, Vec<usize>> = HashMap::new();
    for (at, call) in calls.iter().enumerate() {
        call.said().for_each(|name| said.entry(name.to_string()).or_default().push(at));
    }
    for at in 0..calls.len() {
        let Some(places) = calls.get(at).and_then(|call| said.get(call.into.as_ref()?)) else { continue };
        let behind = places.get(places.partition_point(|place| *place <= at)).or(places.first());
        let shown = behind.and_then(|place| calls.get(*place)).map(|call| call.stdout);
        if let (Some(sink), Some(call)) = (shown, calls.get_mut(at)) {
            call.stdout = sink;
        }
    }
    (calls, work.unread)
}

/// The functions that shell text defines, as text that defines them again.
pub fn functions<'t>(texts: impl Iterator<Item = &'t str>) -> String {
    let mut out = String::new();
    for text in texts.filter(|text| text.contains("()") || text.contains("function ")) {
        let defined = |statement: &&Statement| matches!(statement.kind, StatementKind::Function { .. });
        for statement in read(text).statements.iter().filter(defined) {
            out.push_str(statement.span.of(text));
            out.push('\n');
        }
    }
    out
}

/// The first error that a program of shell text answered, where its exit code, which is 0, cannot tell of it.
pub fn answered(text: &str, stdout: &str, stderr: &str) -> Option<RefusedAnswer> {
    programs::error_among(&calls(text), stdout, stderr)
}

fn within(text: &str, around: CallContext<'_>, work: &mut Budget) -> Vec<Call> {
    let script = read(text);
    work.unread |= script.stopped.is_some() || script.odd.is_some();
    let mut functions = HashMap::new();
    for statement in script.all() {
        if let StatementKind::Function { name, body } = &statement.kind {
            functions.insert(name.as_str(), &**body);
        }
    }
    let mut walk = CallWalk { text, functions, known: HashSet::new(), work, found: Vec::new() };
    walk.sequence(&script.statements, around);
    let mut found = walk.found;
    found.sort_by_key(|(at, _)| *at);
    found.into_iter().flat_map(|(_, calls)| calls).collect()
}

/// A walk through everything that a text runs.
struct CallWalk<'w> {
    text: &'w str,
    functions: HashMap<&'w str, &'w Statement>,
    /// Which functions were read, and with what around them.
    known: HashSet<(usize, AroundFunction)>,
    work: &'w mut Budget,
    found: Vec<(usize, Vec<Call>)>,
}

impl<'w> CallWalk<'w> {
    /// One after the other: only the last one's exit code is seen.
    fn sequence(&mut self, statements: &'w [Statement], around: CallContext<'w>) {
        for (i, statement) in statements.iter().enumerate() {
            self.statement(statement, if i + 1 == statements.len() { around } else { lost(around) });
        }
    }

    fn statement(&mut self, statement: &'w Statement, around: CallContext<'w>) {
        self.substituted(statement, around);
        match &statement.kind {
            StatementKind::Simple(command) if command.is_call() => self.call(statement, command, around),
            StatementKind::Simple(_) | StatementKind::Test(_) | StatementKind::Arithmetic(_) => {}
            StatementKind::Function { .. } => {}
            StatementKind::AndOr(first, rest) => self.list(first, rest, around),
            StatementKind::Pipeline(stages) => self.pipeline(stages, around, false),
            StatementKind::Not(inner) => match &inner.kind {
                // A program that fails in there must not count as the answer that is wanted.
                StatementKind::Pipeline(stages) => {
                    self.pipeline(stages, CallContext { code: ExitUse::Asked, ..around }, true);
                }
                _ => self.statement(inner, CallContext { code: ExitUse::Asked, ..around }),
            },
            // Nobody sees the exit code of what runs in the background.
            StatementKind::Background(inner) => self.statement(inner, lost(around)),
            StatementKind::Redirected(inner, redirects) => {
                let (stdout, stderr) = redirected(redirects, self.text, (around.stdout, around.stderr));
                self.statement(inner, CallContext { stdout, stderr, ..around });
            }
            StatementKind::Group { body, .. } => self.sequence(body, around),
            StatementKind::If(branches, rest) => {
                for (condition, body) in branches {
                    let asked = CallContext { code: ExitUse::Asked, ..around };
                    condition.iter().for_each(|one| self.statement(one, asked));
                    self.sequence(body, around);
                }
                self.sequence(rest, around);
            }
            StatementKind::Loop { until, condition, body } => {
                let code = if *until { ExitUse::Asked } else { ExitUse::AskedAgain };
                condition.iter().for_each(|one| self.statement(one, CallContext { code, ..around }));
                self.sequence(body, lost(around));
            }
            StatementKind::For { body, .. } => self.sequence(body, lost(around)),
            StatementKind::Case(_, items) => items.iter().for_each(|item| self.sequence(item, around)),
        }
    }

    /// A simple command, or what its function runs.
    fn call(&mut self, statement: &'w Statement, command: &'w SimpleCommand, around: CallContext<'w>) {
        let name = Simple::of(command.written(self.text)).program();
        let Some(body) = self.functions.get(name).copied().filter(|_| around.depth < DEEPEST) else {
            let fed = around.fed.or_else(|| heredoc(command, self.text));
            let calls = called(statement.span.start, command, self.text, CallContext { fed, ..around }, self.work);
            return self.found.push((statement.span.start, calls));
        };
        let left = self.work.left.checked_sub(body.span.end - body.span.start);
        let seen = (around.stdout, around.stderr, around.code, around.filtered, around.depth);
        // What is not new is known by then, and stands among the calls already.
        if self.known.insert((body.span.start, seen)) || left.is_some() {
            self.work.left = left.unwrap_or_default();
            self.statement(body, CallContext { depth: around.depth + 1, ..around });
        }
    }

    /// What stands in the `$(…)`, `` `…` `` and `<(…)` of a statement, each with what becomes of its output.
    fn substituted(&mut self, statement: &'w Statement, around: CallContext<'w>) {
        let own = statement.simple();
        let program = own.map_or("", |command| Simple::of(command.written(self.text)).program());
        let shows = matches!(program, "echo" | "printf");
        let compares = matches!(statement.kind, StatementKind::Test(_)) || matches!(program, "test" | "[");
        let code = match around.code {
            // Whether there is something to compare is what is asked.
            _ if compares => ExitUse::Waived,
            code if own.is_some_and(|command| command.words.is_empty()) => code,
            ExitUse::Asked | ExitUse::AskedAgain | ExitUse::Waived => ExitUse::Waived,
            ExitUse::Kept | ExitUse::Lost | ExitUse::Replaced => ExitUse::Lost,
        };
        let redirects = own.map_or(&[][..], |command| &command.redirects);
        let shown = redirected(redirects, self.text, (around.stdout, around.stderr)).0;
        let stdout = if shows { shown } else { Sink::Piped };
        let inner = CallContext { stdout, code, stage: None, fed: None, filtered: Filtered::No, ..around };
        // The variables that take something: `X=$(…)`, `export X=$(…)`.
        let named = own.into_iter().flat_map(|command| {
            let declared = command.words.iter().filter(|_| command.declares());
            let declared = declared.filter_map(|word| Some((word.span, word.raw.split_once('=')?.0)));
            command.assignments.iter().map(|one| (one.span, one.name.as_str())).chain(declared)
        });
        let named: Vec<(Span, &str)> = named.collect();
        for statements in statement.substituted() {
            let at = statements.first().map_or(0, |first| first.span.start);
            let into = named.iter().find(|(span, _)| span.start <= at && at < span.end).map(|(_, name)| *name);
            self.sequence(statements, CallContext { into, ..inner });
        }
    }

    /// `a && b || c`, of which each is asked for the ones before.
    fn list(&mut self, first: &'w Statement, rest: &'w [(bool, Statement)], mut around: CallContext<'w>) {
        for (or, right) in rest.iter().rev() {
            let behind = right.span.of(self.text);
            let leaves = ["break", "continue", "return", "exit"].iter().any(|word| behind.starts_with(word));
            let code = match around.code {
                _ if *or && matches!(behind, "true" | ":") => ExitUse::Waived,
                ExitUse::Waived => ExitUse::Waived,
                // One of several answers that a condition is made of.
                ExitUse::Asked | ExitUse::AskedAgain => ExitUse::AskedAgain,
                _ if *or => ExitUse::Replaced,
                // A loop that is left when it worked.
                ExitUse::Lost if leaves => ExitUse::Asked,
                code => code,
            };
            let of_right = if around.code == ExitUse::Asked { ExitUse::AskedAgain } else { around.code };
            self.statement(right, CallContext { code: of_right, ..around });
            around.code = code;
        }
        self.statement(first, around);
    }

    /// `a | b`: what is written before a pipe goes into it, unless all behind it only hand it on.
    fn pipeline(&mut self, stages: &'w [(Statement, bool)], around: CallContext<'w>, negated: bool) {
        let (mut stdout, mut filtered) = (around.stdout, around.filtered);
        let pipe = around.base + stages.first().map_or(0, |(stage, _)| stage.span.start);
        // Whether all that stands behind exits with 0 whatever it is given.
        let mut judged = false;
        for (i, (stage, both)) in stages.iter().enumerate().rev() {
            let of_last = i + 1 == stages.len();
            let stderr = if *both { stdout } else { around.stderr };
            let code = match around.code {
                code if of_last => code,
                _ if negated => ExitUse::Asked,
                ExitUse::Asked | ExitUse::AskedAgain if judged => ExitUse::Waived,
                _ => lost(around).code,
            };
            let stage_of = Some(PipeStage { pipe, at: i });
            self.statement(stage, CallContext { stdout, stderr, code, filtered, stage: stage_of, ..around });
            let command = stage.simple().filter(|command| command.is_call());
            let redirects = command.map_or(&[][..], |command| &command.redirects);
            stdout = redirected(redirects, self.text, (stdout, stderr)).0;
            let words = command.map(|command| command.written(self.text)).unwrap_or_default();
            let (program, arguments) = words.split_first().unwrap_or((&"", &[]));
            let among = |names: &[String]| names.iter().any(|known| known == program);
            let reads_files = *program != "tee" && arguments.iter().any(|word| *word != "-");
            let inverts = |word: &&str| word.starts_with('-') && !word.starts_with("--") && word.contains('v');
            // What is left out is not asked for: the rest is shown.
            let leaves_out = matches!(*program, "grep" | "egrep" | "fgrep") && arguments.iter().any(inverts);
            match &*table::TABLE {
                table if among(&table.transparent) && !reads_files => {}
                table if among(&table.filters) || leaves_out => filtered = filtered.max(Filtered::Lines),
                table if among(&table.cuts) => filtered = Filtered::Cut,
                table if among(&table.counts) || among(&table.selects) && !asks(stage) => {
                    stdout = if stdout == Sink::Piped { stdout } else { Sink::File }
                }
                // It makes of them what it likes, and its exit code says what it thinks of them.
                _ => (stdout, judged) = (Sink::Piped, true),
            }
        }
    }
}

/// Whether a program is told to judge by its exit code what it was given: `-e`, `-er`.
pub(super) fn asks(statement: &Statement) -> bool {
    let words = statement.simple().map_or(&[][..], |command| &command.words);
    words.iter().any(|word| {
        let letters = word.raw.strip_prefix('-').unwrap_or_default();
        letters.contains('e') && letters.chars().all(|c| c.is_ascii_alphabetic()) || word.raw == "--exit-status"
    })
}

/// The here-document of a command.
fn heredoc<'a>(command: &SimpleCommand, text: &'a str) -> Option<&'a str> {
    command.redirects.iter().find_map(|redirect| match &redirect.to {
        RedirectTarget::Text { body: Some(body), .. } => text.get(body.start..body.end),
        _ => None,
    })
}

fn lost(around: CallContext<'_>) -> CallContext<'_> {
    let code = match around.code {
        ExitUse::Kept | ExitUse::Lost | ExitUse::Replaced => ExitUse::Lost,
        asked => asked,
    };
    CallContext { code, ..around }
}

/// Where the streams lead behind redirections, which bash takes from left to right.
fn redirected(redirects: &[Redirect], text: &str, (mut stdout, mut stderr): (Sink, Sink)) -> (Sink, Sink) {
    for redirect in redirects.iter().filter(|redirect| !redirect.is_input()) {
        let written = redirect.span.of(text);
        let rest = written.trim_start_matches(|c: char| c.is_ascii_digit());
        let stream = &written[..written.len() - rest.len()];
        let target = rest.trim_start_matches(['>', '|', '&']).trim();
        let joins = rest.starts_with(">&") && target.starts_with(['1', '2', '-']);
        let both = rest.starts_with('&') || rest.starts_with(">&") && !joins;
        let sink = match target {
            "1" if joins => stdout,
            "2" if joins => stderr,
            "/dev/stdout" => stdout,
            "/dev/stderr" => stderr,
            _ => Sink::File,
        };
        match stream {
            _ if both => (stdout, stderr) = (sink, sink),
            "" | "1" => stdout = sink,
            "2" => stderr = sink,
            _ => {}
        }
    }
    (stdout, stderr)
}

/// A simple command that begins there: the program that it names, and those that this one runs.
fn called(begin: usize, command: &SimpleCommand, text: &str, around: CallContext<'_>, work: &mut Budget) -> Vec<Call> {
    let (stdout, stderr) = redirected(&command.redirects, text, (around.stdout, around.stderr));
    let around = CallContext { stdout, stderr, ..around };
    let mut found = Vec::new();
    let mut next = Some(Simple::of(command.written(text)));
    while let Some(simple) = next.take().filter(|_| found.len() < MOST_WRAPPERS) {
        let simple = bare(simple);
        if simple.words.is_empty() {
            break;
        }
        let words: Vec<String> = simple.words.iter().map(|word| plain(word)).collect();
        let name = simple.program();
        if let Some(script) = script(name, &simple).or_else(|| script_on_input(name, &simple, around.fed)) {
            if around.depth >= DEEPEST {
                work.unread = true;
                return Vec::new();
            }
            let base = (around.base + begin + 1) << 16;
            // What is fed goes to what the script runs, unless it is the script.
            let fed = around.fed.filter(|fed| *fed != script);
            found.extend(within(&script, CallContext { depth: around.depth + 1, base, fed, ..around }, work));
            break;
        }
        // A wrapper is known by what it runs; one that can fail by itself (`docker compose exec`) stands beside it.
        next = match wrapped(&simple.words) {
            Some((at, _)) => simple.with(simple.words.get(at..).unwrap_or_default()),
            None => simple.inner(),
        };
        let CallContext { code, filtered, stage, .. } = around;
        let into = around.into.map(str::to_string);
        found.push(Call { words, stdout, stderr, code, filtered, stage, into });
    }
    found
}

/// The shell text that a program is given: behind `-c`, or its words (`ssh HOST …`, `eval …`).
pub(super) fn script(name: &str, simple: &Simple<'_>) -> Option<String> {
    let script = programs::script(name)?;
    let arguments = simple.arguments();
    if let Some(letter) = script.switch {
        let given = |word: &&str| word.starts_with('-') && !word.starts_with("--") && word.contains(letter);
        let at = arguments.iter().position(|word| given(word) || *word == "--command")?;
        return arguments.get(at + 1).map(|text| plain(text));
    }
    let behind = after_options(arguments, &script.valued).get(script.operands..)?;
    // Options may stand behind the host as well: `ssh host -p 22`.
    let words: Vec<String> = after_options(behind, &script.valued).iter().map(|word| plain(word)).collect();
    (!words.is_empty()).then(|| words.join(" "))
}

/// The shell text that a shell reads from its standard input: `bash <<EOF`, `sh -s`, `ssh HOST <<EOF`.
fn script_on_input(name: &str, simple: &Simple<'_>, fed: Option<&str>) -> Option<String> {
    let script = programs::script(name).filter(|_| name != "eval")?;
    let behind = after_options(simple.arguments(), &script.valued);
    let reads = behind.len() <= script.operands || script.switch.is_some() && simple.arguments().contains(&"-s");
    fed.filter(|_| reads || matches!(name, "su" | "runuser")).map(str::to_string)
}

/// A word without its quotes, expansions as they stand there.
fn plain(word: &str) -> String {
    static QUOTED: TextPattern = TextPattern::new(r#"(?s)'([^']*)'?|"((?:[^"\\]|\\.?)*)"?|\\(.)?"#);
    static ESCAPED: TextPattern = TextPattern::new(r#"\\(["\\$`])"#);
    let bare = |piece: &Captures<'_>| match piece.get(2) {
        Some(inner) => ESCAPED.replace_all(inner.as_str(), "$1").into_owned(),
        None => piece.get(1).or(piece.get(3)).map_or("", |inner| inner.as_str()).to_string(),
    };
    QUOTED.replace_all(word, bare).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> Vec<String> {
        let sink = |sink: Sink, own: Sink| match sink {
            sink if sink == own => "",
            Sink::Stdout => "out",
            Sink::Stderr => "err",
            Sink::Piped => "pipe",
            Sink::File => "file",
        };
        let of = |call: Call| {
            let (out, err) = (sink(call.stdout, Sink::Stdout), sink(call.stderr, Sink::Stderr));
            let code = format!("{:?}", call.code).to_lowercase();
            let tail: Vec<String> = [("1", out), ("2", err)]
                .iter()
                .filter(|(_, to)| !to.is_empty())
                .map(|(stream, to)| format!("{stream}>{to}"))
                .chain((code != "kept").then_some(code))
                .chain((call.filtered != Filtered::No).then(|| format!("{:?}", call.filtered).to_lowercase()))
                .chain(call.into.map(|variable| format!("into {variable}")))
                .collect();
            let tail = if tail.is_empty() { String::new() } else { format!("  [{}]", tail.join(" ")) };
            format!("{}{tail}", call.words.join(" "))
        };
        calls(text).into_iter().map(of).collect()
    }

    #[test]
    fn output_is_followed_to_where_it_ends() {
        for (text, expected) in [
            ("a x 'y z'", &["a x y z"][..]),
            ("a > f", &["a  [1>file]"]),
            ("a > /dev/null 2>&1", &["a  [1>file 2>file]"]),
            ("a 2>&1 > f", &["a  [1>file 2>out]"]),
            ("a &> f", &["a  [1>file 2>file]"]),
            ("a >&2", &["a  [1>err]"]),
            ("a 2>&1", &["a  [2>out]"]),
            ("a < f", &["a"]),
            ("a <<X\nb\nX", &["a"]),
            ("a | b", &["a  [1>pipe lost]", "b"]),
            ("a |& b", &["a  [1>pipe 2>pipe lost]", "b"]),
            ("a 2>&1 | b", &["a  [1>pipe 2>pipe lost]", "b"]),
            ("a 2>/dev/null | b | c", &["a  [1>pipe 2>file lost]", "b  [1>pipe lost]", "c"]),
            ("a | tee log", &["a  [lost]", "tee log"]),
            ("a | tee log | grep x", &["a  [1>pipe lost]", "tee log  [1>pipe lost]", "grep x"]),
            ("a | cat x", &["a  [1>pipe lost]", "cat x"]),
            ("a | b > f", &["a  [1>pipe lost]", "b  [1>file]"]),
            ("a && b > f", &["a", "b  [1>file]"]),
            ("{ a; b; } > f", &["a  [1>file lost]", "b  [1>file]"]),
            ("(a; b) 2>&1 | c", &["a  [1>pipe 2>pipe lost]", "b  [1>pipe 2>pipe lost]", "c"]),
            ("f() { a; }", &[]),
            ("a | head -3", &["a  [lost lines]", "head -3"]),
            ("a | tail -1 | sort", &["a  [lost cut]", "tail -1  [lost lines]", "sort"]),
            ("a | grep -v x", &["a  [lost lines]", "grep -v x"]),
            ("a | wc -l", &["a  [1>file lost]", "wc -l"]),
            ("a | jq .", &["a  [1>file lost]", "jq ."]),
            ("a | jq --exit-status .ok", &["a  [1>pipe lost]", "jq --exit-status .ok"]),
            ("a | grep x | wc -l", &["a  [1>pipe lost]", "grep x  [1>file lost]", "wc -l"]),
        ] {
            assert_eq!(shown(text), expected, "{text}");
        }
    }

    /// Functions that call functions multiply the work; that is no reason not to read another one.
    #[test]
    fn what_a_function_calls_is_seen_however_much_stood_before() {
        let [many_h, many_g] = ["h", "g"].map(|name| [name; 9].join("; "));
        let busy = format!("h() {{ echo {}; }}; g() {{ {many_h}; }}; f() {{ {many_g}; }}; ", "x".repeat(300));
        let text = format!("{busy}c() {{ redis-cli SET a b; }}; f; f; c");
        assert!(shown(&text).contains(&"redis-cli SET a b".to_string()), "{:?}", shown(&text).last());
    }

    #[test]
    fn exit_codes_are_followed_to_where_they_are_seen() {
        for (text, expected) in [
            ("a && b || c", &["a  [replaced]", "b  [replaced]", "c"][..]),
            ("a || true", &["a  [waived]", "true"]),
            ("a && b || :", &["a  [waived]", "b  [waived]", ":"]),
            ("! a", &["a  [asked]"]),
            ("for i in 1 2; do a; b; done", &["a  [lost]", "b  [lost]"]),
            ("for i in 1 2; do a && break; sleep 1; done", &["a  [asked]", "break  [lost]", "sleep 1  [lost]"]),
            ("for i in 1 2; do a && b; done", &["a  [lost]", "b  [lost]"]),
            ("until a; do b; done", &["a  [asked]", "b  [lost]"]),
            ("if a; then b; c; elif d; then e; else f; fi", &["a  [asked]", "b  [lost]", "c", "d  [asked]", "e", "f"]),
            ("a &", &["a  [lost]"]),
            ("case x in y) a; b;; esac", &["a  [lost]", "b"]),
            ("while read x; do a $x; done < f", &["read x  [askedagain]", "a $x  [lost]"]),
            ("a | while read x; do b; done", &["a  [1>pipe lost]", "read x  [askedagain]", "b  [lost]"]),
        ] {
            assert_eq!(shown(text), expected, "{text}");
        }
    }

    #[test]
    fn a_condition_is_asked_by_what_decides_it() {
        for (text, expected) in [
            ("until a && b; do c; done", &["a  [askedagain]", "b  [askedagain]", "c  [lost]"][..]),
            ("while ! a; do c; done", &["a  [asked]", "c  [lost]"]),
            ("if a | grep -q x; then b; fi", &["a  [1>pipe waived]", "grep -q x  [asked]", "b"]),
            ("if a | tail -1; then b; fi", &["a  [asked cut]", "tail -1  [asked]", "b"]),
            ("if [ -n \"$(a)\" ]; then b; fi", &["a  [1>pipe waived]", "b"]),
        ] {
            assert_eq!(shown(text), expected, "{text}");
        }
    }

    #[test]
    fn substitutions_run_what_stands_in_them() {
        for (text, expected) in [
            ("X=$(a) b", &["b", "a  [1>pipe lost into X]"][..]),
            ("X=$(a)", &["a  [1>pipe into X]"]),
            ("X=`a | b`", &["a  [1>pipe lost into X]", "b  [1>pipe into X]"]),
            ("X=$(a); echo \"$X\"", &["a  [lost into X]", "echo $X"]),
            ("X=$(a); echo \"${X}\" >&2", &["a  [1>err lost into X]", "echo ${X}  [1>err]"]),
            ("X=$(a); echo \"$XY\"", &["a  [1>pipe lost into X]", "echo $XY"]),
            ("echo \"$(a)\"", &["echo $(a)", "a  [lost]"]),
            ("export X=$(a)", &["a  [1>pipe lost into X]"]),
            ("b $(a)", &["b $(a)", "a  [1>pipe lost]"]),
            (
                "b $(a 2>/dev/null || true)",
                &["b $(a 2>/dev/null || true)", "a  [1>pipe 2>file waived]", "true  [1>pipe lost]"],
            ),
            ("for i in $(a); do b; done", &["a  [1>pipe lost]", "b  [lost]"]),
            ("while read x; do b; done < <(a)", &["read x  [askedagain]", "b  [lost]", "a  [1>pipe lost]"]),
            ("[ \"$(a)\" = x ] || b", &["a  [1>pipe waived]", "b"]),
        ] {
            assert_eq!(shown(text), expected, "{text}");
        }
    }

    #[test]
    fn functions_and_scripts_on_standard_input_run_what_they_hold() {
        for (text, expected) in [
            ("f() { a \"$1\"; b; }\nf x | c", &["a $1  [1>pipe lost]", "b  [1>pipe lost]", "c"][..]),
            ("f() { f; }; f", &["f"]),
            ("function f { a; }\nif f; then b; fi", &["a  [asked]", "b"]),
            ("bash <<EOF\na\nb > f\nEOF", &["a  [lost]", "b  [1>file]"]),
            ("ssh -p 22 host <<'EOF'\na\nEOF", &["a"]),
            ("ssh host bash -s <<EOF\na | b\nEOF", &["a  [1>pipe lost]", "b"]),
            ("sudo docker exec -i db sh <<EOF\na\nEOF", &["docker exec -i db sh", "a"]),
            ("ssh host redis-cli <<EOF\nPING\nEOF", &["redis-cli"]),
            ("bash fix.sh <<EOF\na\nEOF", &["bash fix.sh"]),
            ("cat <<EOF\nbash\nEOF", &["cat"]),
        ] {
            assert_eq!(shown(text), expected, "{text}");
        }
        let before = functions(["f() { redis-cli X; }", "echo \"f()\"", "g() { f; }"].into_iter());
        assert_eq!(shown(&format!("{before}g")), ["redis-cli X"]);
    }

    #[test]
    fn programs_are_found_behind_what_runs_them() {
        for (text, expected) in [
            ("sudo -u x timeout -k 1 5 a", &["a"][..]),
            ("/usr/bin/env A=1 /usr/bin/a b", &["/usr/bin/a b"]),
            ("A=1 a b", &["a b"]),
            ("sh -c 'a; b | c'", &["a  [lost]", "b  [1>pipe lost]", "c"]),
            ("bash -ec \"a 'x y'\"", &["a x y"]),
            ("su - postgres -c 'psql -f x'", &["psql -f x"]),
            ("runuser -u postgres -- psql -f x", &["psql -f x"]),
            ("gosu postgres psql -f x", &["psql -f x"]),
            ("ssh -p 22 host redis-cli x", &["redis-cli x"]),
            ("ssh host 'a && b'", &["a", "b"]),
            ("eval a b", &["a b"]),
            (
                "docker compose exec -T -u x cache redis-cli x",
                &["docker compose exec -T -u x cache redis-cli x", "redis-cli x"],
            ),
            ("docker exec db sh -c 'psql -f x'", &["docker exec db sh -c psql -f x", "psql -f x"]),
            ("docker compose run --rm db psql -f x", &["docker compose run --rm db psql -f x", "psql -f x"]),
            ("kubectl exec -n a pod -- redis-cli x", &["kubectl exec -n a pod -- redis-cli x", "redis-cli x"]),
            ("a | xargs -r -n 1 redis-cli del", &["a  [1>pipe lost]", "xargs -r -n 1 redis-cli del", "redis-cli del"]),
            ("a | xargs -I{} sh -c 'b {}; c'", &["a  [1>pipe lost]", "xargs -I{} sh -c b {}; c", "b {}  [lost]", "c"]),
        ] {
            assert_eq!(shown(text), expected, "{text}");
        }
    }

    #[test]
    fn no_program_of_a_negated_pipe_goes_unasked() {
        for text in ["! a | grep -q x", "if ! a | grep -q x; then b; fi"] {
            let code = calls(text).iter().find(|call| call.program() == "a").map(|call| call.code);
            assert_eq!(code, Some(ExitUse::Asked), "{text}");
        }
    }

    #[test]
    fn what_may_call_more_than_is_seen() {
        let nested = "ssh db \"if [[ \\\"$X\\\" =~ ^(a|b)$ ]]; then dropdb shop; fi\"";
        assert!(hides_calls(nested) && calls(nested).iter().any(|call| call.program() == "dropdb"));
        assert!(hides_calls("ssh db \"time (dropdb $X)\"") && hides_calls("a )\nb"));
        assert!(!hides_calls("ssh db 'ls | wc -l'; if a; then b; fi"));
    }
}
