//! Places of shell text in which quoting does not keep a value a value: here-documents, which a line can end, arithmetic,
//! which bash evaluates, and code in a string, which another program reads. What does not fit there is refused.

use super::client::is_plain;
use super::code;
use super::text::is_among;
use super::{Command, RunbookInput};
use crate::bash::lexer::{Heredoc, Lexed, Quoting, lex};
use crate::source::{Span, TextPattern};

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
    let refuses = |input: &&RunbookInput| {
        let Some(value) = lookup(&input.name) else { return false };
        let at = input.span.start;
        let heredoc = lexed.heredocs.iter().find(|heredoc| heredoc.body.start <= at && at < heredoc.body.end);
        if let (Some(heredoc), None) = (heredoc, input.variable())
            && (ends(command, heredoc, input, &lookup) || !is_plain(&value) && expands(&masked, heredoc, at, &lexed))
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

/// Whether the line of the input, filled in, has a line that ends its here-document.
fn ends(command: &Command, heredoc: &Heredoc, input: &RunbookInput, lookup: &impl Fn(&str) -> Option<String>) -> bool {
    let text = command.text.as_str();
    let delimiter = heredoc.operator.of(text).trim_start_matches(['<', '-', ' ', '\t']).replace(['\'', '"', '\\'], "");
    let body = text.get(heredoc.body.start..input.span.start).unwrap_or_default();
    // A backslash at the end of a line joins it with the next one, so that the lines before belong to it.
    let mut start = body.rfind('\n').map_or(0, |at| at + 1);
    while start > 0 && body.get(..start - 1).is_some_and(|before| before.ends_with('\\')) {
        start = body.get(..start - 1).and_then(|before| before.rfind('\n')).map_or(0, |at| at + 1);
    }
    let start = heredoc.body.start + start;
    let rest = text.get(input.span.end..heredoc.body.end).unwrap_or_default();
    let end = input.span.end + rest.find('\n').unwrap_or(rest.len());
    let put = |other: &RunbookInput| lookup(&other.name).unwrap_or_default();
    let Some(filled) = command.replace_inputs(Span::new(start, end), put) else { return true };
    // In `$(…)` bash takes `EOF` with a `)` anywhere behind it for the end as well.
    let ending = |line: &str| {
        let rest = line.trim_start_matches('\t').strip_prefix(delimiter.as_str());
        rest.is_some_and(|rest| rest.is_empty() || rest.contains(')'))
    };
    filled.split('\n').any(ending) || filled.replace("\\\n", "").split('\n').any(ending)
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
