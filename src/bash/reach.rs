//! What of a text its shell comes to in any case.

use super::read;
use super::tree::{RedirectTarget, Statement, StatementKind};
use crate::source::Span;

/// The text without the calls that its shell may not come to: those in a branch or a loop, behind `&&` or `||`, have a `:` before them, and
/// write to `/dev/null`. Tests, which only ask, are left out wherever they stand. What runs in a shell of its own (`( … )`, `a &`, `$(…)`, a
/// compound command in a pipeline) and functions stay as they are.
pub fn reached_anyway(text: &str) -> String {
    let mut edits = Vec::new();
    read(text).statements.iter().for_each(|statement| leave_out(statement, false, &mut edits));
    edits.sort_by_key(|(span, _)| span.start);
    let (mut out, mut from) = (String::with_capacity(text.len()), 0);
    for (span, piece) in edits {
        out.push_str(text.get(from..span.start).unwrap_or_default());
        out.push_str(piece);
        from = span.end;
    }
    out.push_str(text.get(from..).unwrap_or_default());
    out
}

/// `maybe`: the shell may not come to the statement.
fn leave_out(statement: &Statement, maybe: bool, edits: &mut Vec<(Span, &'static str)>) {
    let mut all = |parts: &[Statement], maybe: bool| parts.iter().for_each(|part| leave_out(part, maybe, edits));
    match &statement.kind {
        StatementKind::Simple(command) => {
            let asks = matches!(command.first(), "[" | "test");
            let Some(first) = command.words.first().filter(|_| asks || maybe && command.is_call()) else { return };
            edits.push((Span::new(first.span.start, first.span.start), ": "));
            for redirect in command.redirects.iter().filter(|_| maybe) {
                if let RedirectTarget::Write(word) = &redirect.to
                    && word.inside.is_empty()
                {
                    edits.push((word.span, "/dev/null"));
                }
            }
        }
        StatementKind::Test(_) | StatementKind::Arithmetic(_) if statement.substituted().is_empty() => {
            edits.push((statement.span, ":"));
        }
        StatementKind::Not(inner) | StatementKind::Redirected(inner, _) => leave_out(inner, maybe, edits),
        StatementKind::Group { body, subshell: false } => all(body, maybe),
        StatementKind::AndOr(first, rest) => {
            leave_out(first, maybe, edits);
            rest.iter().for_each(|(_, part)| leave_out(part, true, edits));
        }
        // The shell itself comes to a simple command in a pipeline before that gets a process of its own.
        StatementKind::Pipeline(stages) => {
            let simple = stages.iter().map(|(stage, _)| stage).filter(|stage| stage.simple().is_some());
            simple.for_each(|stage| leave_out(stage, maybe, edits));
        }
        StatementKind::If(branches, rest) => {
            for (number, (condition, body)) in branches.iter().enumerate() {
                all(condition, maybe || number > 0);
                all(body, true);
            }
            all(rest, true);
        }
        StatementKind::Loop { condition, body, .. } => {
            all(condition, maybe);
            all(body, true);
        }
        StatementKind::For { body, .. } => all(body, true),
        StatementKind::Case(_, items) => items.iter().for_each(|item| all(item, true)),
        _ => {}
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
            ("[ $n -gt 3 ] && a", ": [ $n -gt 3 ] && : a"),
            ("test -f x || a", ": test -f x || : a"),
            ("[[ $n -gt 3 && -f x ]] && (( n > 3 )) && a", ": && : && : a"),
        ] {
            assert_eq!(reached_anyway(text), left, "{text}");
        }
    }

    #[test]
    fn what_it_comes_to_and_what_nobody_sees_stays() {
        for text in [
            "a",
            "a | b",
            "! a > log",
            "a; b &",
            "a && (b; c)",
            "a && b &",
            "f() { a && b; }",
            "X=$(a && b)",
            "a | while read id; do b $id; done",
            "a && X=1",
            "a && export X=1",
            "[[ -n $(a) ]]",
            "if a; then",
        ] {
            assert_eq!(reached_anyway(text), text);
        }
        assert_eq!(reached_anyway("a && b > $(c)"), "a && : b > $(c)");
    }
}
