//! Code in a string: the arguments of a shell command that another program reads as code (`bash -c "…"`, `ssh HOST "…"`,
//! `psql -c "…"`), and what such a program is fed. A value there must be a plain word: no quoting of bash reaches it.

use super::text::is_among;
use crate::bash::lexer::{Lexed, Quoting};
use crate::bash::variables::Stretches;
use crate::bash::{BashScript, Redirect, RedirectTarget, SimpleCommand, Statement, StatementKind, read};
use crate::programs::{simple::base, wrapper};
use crate::source::{Span, phrases};

/// Where code stands in a shell command; `masked` is the text with a word for each placeholder.
pub(super) fn stretches(masked: &str, lexed: &Lexed) -> Stretches {
    let mut spans = Vec::new();
    // Most commands call none of these.
    if masked.split(|c: char| !c.is_ascii_alphanumeric()).any(is_known) {
        let script = read(masked);
        match script.stopped {
            None => calls(&script, masked, &mut spans),
            // What cannot be read might hold code anywhere.
            Some(_) => spans.push(Span::new(0, masked.len())),
        }
        for heredoc in &lexed.heredocs {
            let above = masked.get(..heredoc.body.start).unwrap_or_default();
            let line = above.trim_end_matches('\n').rsplit('\n').next().unwrap_or_default();
            if line.split(|c: char| c.is_whitespace() || "|;&()'\"".contains(c)).any(reads_code) {
                spans.push(heredoc.body);
            }
        }
    }
    spans.retain(|span| lexed.quoting(span.start) != Quoting::Comment);
    Stretches::of(spans)
}

/// The options behind which a program takes code.
fn options(program: &str) -> impl Iterator<Item = &'static str> {
    phrases(words!("options before code")).filter_map(move |one| one.strip_prefix(program)?.strip_prefix(' '))
}

fn is_known(word: &str) -> bool {
    reads_code(word) || is_among(words!("whole"), word)
}

/// Whether its standard input is code.
fn reads_code(word: &str) -> bool {
    let word = base(word);
    is_among(words!("shells"), word) || word == "ssh" || options(word).next().is_some()
}

/// The code in everything that a text calls.
fn calls(script: &BashScript, text: &str, spans: &mut Vec<Span>) {
    for statement in script.all() {
        match &statement.kind {
            StatementKind::Simple(command) => call(command, text, spans),
            StatementKind::Pipeline(stages) => {
                let fed = |(stage, _): &&(Statement, bool)| stage.span.of(text).split_whitespace().any(reads_code);
                if let Some((last, _)) = stages.iter().skip(1).rfind(fed) {
                    spans.push(Span::new(statement.span.start, last.span.start));
                }
            }
            _ => {}
        }
    }
}

fn call(command: &SimpleCommand, text: &str, spans: &mut Vec<Span>) {
    let parts: Vec<(&str, Span)> =
        command.written(text).into_iter().zip(command.words.iter().map(|word| word.span)).collect();
    let end = parts.last().map_or(0, |(_, last)| last.end);
    // What leads to a word, as far as nothing else has stood before it.
    let leading = leading(&parts);
    for (index, (word, own)) in parts.iter().enumerate() {
        let (name, rest) = (base(word), parts.get(index + 1..).unwrap_or_default());
        let behind_dashes = index.checked_sub(1).and_then(|i| parts.get(i)).is_some_and(|(before, _)| *before == "--");
        if is_among(words!("whole"), name) && (index <= leading || behind_dashes) {
            spans.push(Span::new(own.end, end));
        } else if is_among(words!("shells"), name) {
            shell(rest, end, spans);
        } else if options(name).next().is_some() {
            for (i, (word, own)) in rest.iter().enumerate() {
                let is_short = |word: &str| word.starts_with('-') && !word.starts_with("--");
                let short = |option: &str| is_short(option) && is_short(word) && word.contains(&option[1..]);
                if options(name).any(|option| word.starts_with(option) || short(option)) {
                    let end = rest.get(i + 1).map_or(own.end, |(_, next)| next.end);
                    spans.push(Span::new(own.start, end));
                }
            }
        }
    }
    let is_text = |redirect: &&Redirect| matches!(redirect.to, RedirectTarget::Text { body: None, .. });
    if parts.iter().any(|(word, _)| reads_code(word)) {
        spans.extend(command.redirects.iter().filter(is_text).map(|redirect| redirect.span));
    }
}

/// `-c CODE`, `-ec CODE`, `-c -e CODE`. What stands behind it are parameters of the code, and values.
fn shell(rest: &[(&str, Span)], end: usize, spans: &mut Vec<Span>) {
    let short = |word: &str| word.starts_with('-') && !word.starts_with("--") && word.contains('c');
    let Some(at) = rest.iter().position(|(word, _)| short(word)) else { return };
    let behind = rest.get(at + 1..).unwrap_or_default();
    let start = rest.get(at).map_or(end, |(_, own)| own.start);
    let code = behind.iter().find(|(word, _)| !word.starts_with(['-', '+']));
    spans.push(Span::new(start, code.map_or(end, |(_, own)| own.end)));
}

/// How many of the first words only call a program that follows.
fn leading(parts: &[(&str, Span)]) -> usize {
    let mut option = false;
    let wraps = |(word, _): &&(&str, Span)| {
        let own = word.starts_with('-');
        let calls = wrapper(base(word)).is_some() || is_among(words!("callers"), base(word));
        let fits = own || option || calls || word.contains('=');
        option = own;
        fits || word.starts_with(|c: char| c.is_ascii_digit())
    };
    parts.iter().take_while(wraps).count()
}
