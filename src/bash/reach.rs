//! What of a text its shell comes to in any case.

use super::read;
use super::tree::{RedirectTarget, SimpleCommand, Statement, StatementKind};
use crate::source::Span;

/// The text without the calls that its shell may not come to: those in a branch or a loop, behind `&&` or `||`, have a `:` before them, and
/// write to `/dev/null`; so are those behind what may leave (`exit`). Tests, which only ask, are left out wherever they stand. `a &` and
/// `$(…)` stay as they are, and so does what runs in a function or in a subshell (`( … )`, a compound command in a pipeline) that is not
/// [watched](watches_subshells). Of a function that is, the body stands there alone, as what its shell may not come to, and calls of it are
/// left out.
///
/// Calls that `ran`, as `BASH_COMMAND` has them, stay as well; `f ()` is a call of a function. `None` where one of them does not stand
/// in the text.
pub fn reached_anyway(text: &str, ran: &[&str]) -> Option<String> {
    let (script, watches) = (read(text), watches_subshells(text));
    let simple = script.all().into_iter().filter_map(Statement::simple);
    let known: Vec<String> = simple.map(|command| key(text, command)).collect();
    let function = |statement: &Statement| match &statement.kind {
        StatementKind::Function { name, .. } if watches => Some(name.clone()),
        _ => None,
    };
    let functions: Vec<String> = script.all().into_iter().filter_map(function).collect();
    let is_function = |name: &str| functions.iter().any(|known| known == name);
    let of_call = |ran: &&str| match read(ran).statements.as_slice() {
        [statement] => statement.simple().map(|command| key(ran, command)).filter(|key| known.contains(key)),
        _ => None,
    };
    let others = ran.iter().filter(|ran| !ran.strip_suffix(" ()").is_some_and(is_function));
    let keep: Vec<String> = others.map(of_call).collect::<Option<_>>()?;
    let is_left = |command: &SimpleCommand, maybe: bool| {
        (maybe || is_function(command.first())) && !keep.contains(&key(text, command))
    };
    let mut left = SkippedCalls { is_left, subshells: watches, edits: Vec::new() };
    left.statements(&script.statements, false);
    Some(edited(text, left.edits))
}

/// A text with other pieces in some places.
pub fn edited(text: &str, mut edits: Vec<(Span, impl AsRef<str>)>) -> String {
    edits.sort_by_key(|(span, _)| span.start);
    let (mut out, mut from) = (String::with_capacity(text.len()), 0);
    for (span, piece) in edits {
        out.push_str(text.get(from..span.start).unwrap_or_default());
        out.push_str(piece.as_ref());
        from = span.end;
    }
    out.push_str(text.get(from..).unwrap_or_default());
    out
}

/// Whether the subshells and functions of a watched text are watched as well: by `set -T`, with which `trap -p` and traps of its own would
/// be others.
pub fn watches_subshells(text: &str) -> bool {
    !text.contains("trap")
}

/// What tells a call from others however it is written: bash writes blanks, quotes and redirections of streams in its own way.
fn key(text: &str, command: &SimpleCommand) -> String {
    let assigned = command.assignments.iter().map(|one| one.span.of(text));
    let words = command.words.iter().map(|word| word.raw.as_str());
    let files = command.redirects.iter().filter_map(|redirect| Some(redirect.word()?.raw.as_str()));
    let all: String = assigned.chain(words).chain(files).collect();
    let all = all.replace("\\\n", "");
    let all: String = all.chars().filter(|c| !c.is_whitespace() && !matches!(c, '\'' | '"' | ';')).collect();
    all.replace("1>", ">")
}

/// What of a text is left out.
struct SkippedCalls<F> {
    /// Whether a call is, where the shell may not come to it.
    is_left: F,
    /// Whether functions and subshells are watched.
    subshells: bool,
    edits: Vec<(Span, &'static str)>,
}

impl<F: Fn(&SimpleCommand, bool) -> bool> SkippedCalls<F> {
    /// `maybe`: the shell may not come to the statements.
    fn statements(&mut self, statements: &[Statement], mut maybe: bool) {
        for statement in statements {
            match &statement.kind {
                StatementKind::Simple(command) => self.call(command, maybe),
                StatementKind::Test(_) | StatementKind::Arithmetic(_) if statement.substituted().is_empty() => {
                    self.edits.push((statement.span, ":"));
                }
                StatementKind::Function { body, .. } if self.subshells => {
                    self.edits.push((Span::new(statement.span.start, body.span.start), ""));
                }
                _ => {}
            }
            let is_seen = |list: &[Statement]| match &statement.kind {
                StatementKind::Background(_) => false,
                StatementKind::Function { .. } | StatementKind::Group { subshell: true, .. } => self.subshells,
                // The shell itself comes to a simple command in a pipeline before that gets a process of its own.
                StatementKind::Pipeline(_) => self.subshells || list.iter().all(|stage| stage.simple().is_some()),
                _ => true,
            };
            let seen: Vec<_> = statement.lists().into_iter().filter(|(list, _)| is_seen(list)).collect();
            seen.into_iter().for_each(|(list, passed_by)| self.statements(list, maybe || passed_by));
            let mut simple = Statement::all(std::slice::from_ref(statement)).into_iter().filter_map(Statement::simple);
            let leaves = |name: &str| matches!(name, "exit" | "return" | "break" | "continue");
            maybe |= !matches!(statement.kind, StatementKind::Function { .. })
                && simple.any(|command| leaves(command.first()) || (self.is_left)(command, false));
        }
    }

    fn call(&mut self, command: &SimpleCommand, maybe: bool) {
        let asks = matches!(command.first(), "[" | "test");
        // What a function that is called writes to is opened whatever it runs.
        let (maybe, is_function) = ((self.is_left)(command, maybe), (self.is_left)(command, false));
        let Some(first) = command.words.first().filter(|_| asks || maybe && command.is_call()) else { return };
        self.edits.push((Span::new(first.span.start, first.span.start), ": "));
        for redirect in command.redirects.iter().filter(|_| maybe && !is_function) {
            if let RedirectTarget::Write(word) = &redirect.to
                && word.inside.is_empty()
            {
                self.edits.push((word.span, "/dev/null"));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_that_the_shell_may_not_come_to_are_left_out() {
        for (text, left) in [
            ("a && b -x || c", "a && : b -x || : c"),
            ("if a; then b; elif c; then d; else e; fi", "if a; then : b; elif : c; then : d; else : e; fi"),
            ("for id in $(a); do b $id; done", "for id in $(a); do : b $id; done"),
            ("while read id; do a $id; done < list", "while read id; do : a $id; done < list"),
            ("until a; do b; sleep 1; done", "until a; do : b; : sleep 1; done"),
            ("case $x in y) a ;; *) b ;; esac", "case $x in y) : a ;; *) : b ;; esac"),
            ("a && { b; ! c; }", "a && { : b; ! : c; }"),
            ("{ a && b; } 2>&1", "{ a && : b; } 2>&1"),
            ("a && b | c", "a && : b | : c"),
            ("a && X=1 b > log 2>&1", "a && X=1 : b > /dev/null 2>&1"),
            ("a && b <<E\nc\nE", "a && : b <<E\nc\nE"),
            ("(a && b) || true", "(a && : b) || : true"),
            ("a && (b; c)", "a && (: b; : c)"),
            ("a | while read id; do b $id; done", "a | while read id; do : b $id; done"),
            ("a || exit 0; b", "a || : exit 0; : b"),
            ("f() { a && b; }", "{ : a && : b; }"),
            ("f() { a || return 0; }; b; f; c", "{ : a || : return 0; }; b; : f; : c"),
            ("function f { a; }; f x && b", "{ : a; }; : f x && : b"),
            ("f() ( a ); a; X=1 f > log", "( : a ); a; X=1 : f > log"),
            ("trap c EXIT; f() { a; }; f", "trap c EXIT; f() { a; }; f"),
            ("trap c EXIT; (a && b)", "trap c EXIT; (a && b)"),
            ("[ $n -gt 3 ] && a", ": [ $n -gt 3 ] && : a"),
            ("test -f x || a", ": test -f x || : a"),
            ("[[ $n -gt 3 && -f x ]] && (( n > 3 )) && a", ": && : && : a"),
        ] {
            assert_eq!(reached_anyway(text, &[]).as_deref(), Some(left), "{text}");
        }
    }

    #[test]
    fn calls_that_ran_stay_however_bash_writes_them() {
        let text = "for c in web db; do docker inspect \"$c\"  2>&1 | grep -q 'un healthy' && docker restart $c; done";
        let asked = ["docker inspect \"$c\" 2>&1", "grep -q 'un healthy'"];
        let left = text.replace("docker restart", ": docker restart");
        assert_eq!(reached_anyway(text, &asked).as_deref(), Some(left.as_str()));
        assert_eq!(reached_anyway(text, &[&asked[..], &["docker restart $c"]].concat()).as_deref(), Some(text));
        let text = "if a; then echo no>&2; X=$(b|c) d >log <<E\nx\nE\nfi";
        for ran in ["a", "echo no 1>&2", "X=$(b | c) d > log <<E\nx\nE\n"] {
            assert!(reached_anyway(text, &[ran]).is_some(), "{ran}");
        }
        let text = "f() { a || return 0; b; }; f x";
        let left = "{ a || return 0; : b; }; : f x";
        assert_eq!(reached_anyway(text, &["f ()", "a", "return 0"]).as_deref(), Some(left));
        // A program of the name of a function that is not there yet.
        let left = "f x; { : a || : return 0; : b; }";
        assert_eq!(reached_anyway("f x; f() { a || return 0; b; }", &["f x"]).as_deref(), Some(left));
        for ran in ["", "e", "d > log", "a; a", "echo no there", "g ()"] {
            assert_eq!(reached_anyway(text, &[ran]), None, "{ran}");
        }
    }

    #[test]
    fn what_it_comes_to_and_what_nobody_sees_stays() {
        for text in [
            "a", "a | b", "! a > log", "a; b &", "a && b &", "X=$(a && b)", "a && X=1", "a && export X=1",
            "[[ -n $(a) ]]", "if a; then",
        ] {
            assert_eq!(reached_anyway(text, &[]).as_deref(), Some(text));
        }
        assert_eq!(reached_anyway("a && b > $(c)", &[]).as_deref(), Some("a && : b > $(c)"));
    }
}
