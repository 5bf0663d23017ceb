//! Places of shell text in which quoting does not keep a value a value: here-documents, which a line can end, arithmetic,
//! which bash evaluates, and code in a string, which another program reads. What does not fit there is refused.

use super::client::is_plain;
use super::text::is_among;
use super::{Command, RunbookInput, code};
use crate::bash::lexer::{Heredoc, Lexed, Quoting, lex};
use crate::source::TextPattern;

/// The inputs of a shell command whose values cannot stand where they would be put.
pub(super) fn refused(command: &Command, lookup: impl Fn(&str) -> Option<String>) -> Vec<RunbookInput> {
    let odd = |input: &&RunbookInput| lookup(&input.name).is_some_and(|value| !is_word(&value));
    // A word can end no here-document but one that is named like it.
    if !command.text.contains("<<") && !command.inputs.iter().any(|input| odd(&input)) {
        return Vec::new();
    }
    let masked = command.masked();
    let lexed = lex(&masked);
    let code = code::stretches(&masked, &lexed);
    let ended: Vec<&Heredoc> = lexed.heredocs.iter().filter(|heredoc| ends(command, heredoc, &lookup)).collect();
    let refuses = |input: &&RunbookInput| {
        let Some(value) = lookup(&input.name) else { return false };
        let at = input.span.start;
        let heredoc = lexed.heredocs.iter().find(|heredoc| heredoc.body.start <= at && at < heredoc.body.end);
        if let (Some(heredoc), None) = (heredoc, input.variable())
            && (ended.contains(&heredoc) || !is_plain(&value) && expands(&masked, heredoc, at, &lexed))
        {
            return true;
        }
        !is_word(&value) && is_arithmetic(&masked, at, &lexed) || !is_plain(&value) && code.hold(at)
    };
    command.inputs.iter().filter(refuses).cloned().collect()
}

/// A number or a name: nothing that arithmetic evaluates further.
fn is_word(value: &str) -> bool {
    !value.is_empty() && value.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-'))
}

/// Whether a here-document, filled in, has a line that ends it before its last one.
fn ends(command: &Command, heredoc: &Heredoc, lookup: &impl Fn(&str) -> Option<String>) -> bool {
    let put = |input: &RunbookInput| lookup(&input.name).unwrap_or_default();
    let Some(filled) = command.replace_inputs(heredoc.body, put) else { return true };
    // In `$(…)` bash takes `EOF` with a `)` anywhere behind it for the end as well.
    let ending = |line: &str| {
        let rest = line.trim_start_matches('\t').strip_prefix(heredoc.delimiter.as_str());
        rest.is_some_and(|rest| rest.is_empty() || rest.contains(')'))
    };
    // More of them than were written. A backslash at the end of a line joins it with the next one.
    let written = command.text.get(heredoc.body.start..heredoc.body.end).unwrap_or_default();
    let count = |body: &str| body.split('\n').filter(|line| ending(line)).count();
    let joined = |body: &str| count(&body.replace("\\\n", ""));
    count(&filled) > count(written) || joined(&filled) > joined(written)
}

/// Whether it may stand in a `$(…)`, `${…}` or backticks of a here-document, of which the lexer knows nothing.
fn expands(masked: &str, heredoc: &Heredoc, at: usize, lexed: &Lexed) -> bool {
    let before = masked.get(heredoc.body.start..at).unwrap_or_default();
    let after = masked.get(at..heredoc.body.end).unwrap_or_default();
    let within = |open: &str, close: char| before.contains(open) && after.contains(close);
    lexed.quoting(at) == Quoting::Heredoc && (within("$(", ')') || within("${", '}') || within("`", '`'))
}

/// Whether bash evaluates what stands there: `((…))`, `[[ … -gt … ]]`, `let`, a subscript, the offset of a substring.
fn is_arithmetic(masked: &str, at: usize, lexed: &Lexed) -> bool {
    if lexed.in_arithmetic(at) {
        return true;
    }
    let before = masked.get(..at).unwrap_or_default();
    if let Some(open) = before.rfind("[[ ").filter(|&open| !masked.get(open..at).unwrap_or_default().contains(" ]]")) {
        let test = masked.get(open..).unwrap_or_default();
        let test = test.split(" ]]").next().unwrap_or_default();
        return test.split_whitespace().any(|word| is_among(words!("evaluating"), word));
    }
    let part = before.rsplit(['\n', ';', '&', '|', '(', '`']).next().unwrap_or_default();
    let mut words = part.split_whitespace();
    let first = words.find(|word| !matches!(*word, "then" | "do" | "else" | "if" | "while" | "until" | "!" | "{"));
    let numbers = |mut words: std::str::SplitWhitespace<'_>| words.any(|w| w.starts_with('-') && w.contains('i'));
    let evaluated = match first {
        Some("let") => true,
        Some("declare" | "typeset" | "local") => numbers(words),
        Some("[" | "test") => words.next_back() == Some("-v"),
        _ => false,
    };
    evaluated || SUBSCRIPT.is_match(before) || before.rsplit_once("${").is_some_and(|(_, inner)| OFFSET.is_match(inner))
}

/// `A[<n>]=`, `${A[<n>]}`.
static SUBSCRIPT: TextPattern = TextPattern::new(r#"(?:^|[\s{#!;('"])[A-Za-z0-9_]+\[[^\[\]]*$"#);

/// `${A:<n>}`, what stands behind the `${`; `${@:1}` has no name.
static OFFSET: TextPattern = TextPattern::new("^[A-Za-z0-9_]*[@*]*:(?:[^}=+?-][^}]*)?$");

#[cfg(test)]
#[path = "places_tests.rs"]
mod tests;
