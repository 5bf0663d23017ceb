//! A code block → commands that run, or the reason why it is for a person.

use super::file_contents::Contents;
use super::hands::Hands;
use super::language::{self, Language};
use super::lexer::lex;
use super::markdown::Code;
use super::prompt::{self, Shown};
use super::runs::{self, Run};
use super::shell::Bash;
use super::text::Excerpt;
use super::{ByHand, client, placeholder, unified_name, variables};
use super::{Command, Input, Reading, RunbookPhase, VariableRead};
use crate::source::{Source, Span};

/// What a block is to a reader who follows the runbook.
#[derive(Debug)]
pub(super) enum Block {
    /// Commands, cut where some are for a person.
    Run(Vec<Run>),
    /// Something for a person to do, and why.
    Person(String),
    /// Nothing to do: configuration, output, a picture; what it is.
    Data(String),
}

/// Reads a block. `hands` knows what the blocks before it in its section have opened.
pub(super) fn read(
    bash: &mut Bash,
    source: &Source,
    code: &Code,
    reading: &Reading,
    phase: RunbookPhase,
    hands: &mut Hands,
) -> Block {
    let tag = language::tag(&code.info);
    let language = language::of_block(&tag, &code.body.text);
    if language == Language::Mistagged {
        return Block::Person(format!("it is tagged `{tag}`, but it holds shell commands"));
    }
    if reading.clients.contains(&tag) {
        return client::read(source, code, &tag);
    }
    match language {
        // The application's code is nothing to do for anybody, except where people act.
        Language::Foreign if !is_acted_on(phase) && language::is_of_applications(&tag) => {
            return Block::Data(format!("`{tag}` is code of an application"));
        }
        Language::Foreign => return Block::Person(client::needed(&tag)),
        Language::Data => return Block::Data(format!("`{tag}` is data")),
        Language::Shell | Language::Console | Language::Untagged | Language::Mistagged => {}
    }
    if code.body.text.starts_with("#!") {
        return Block::Person("it shows a script to be saved as a file".to_string());
    }
    let (typed, prompted) = match prompt::read(bash, &code.body, language == Language::Console) {
        Shown::Foreign(prompt) => {
            if let Some(tag) = client::of_prompt(&prompt).filter(|tag| reading.clients.contains(*tag)) {
                return client::session(source, code, tag);
            }
            return Block::Person(format!("it shows a session of another program (prompt `{prompt}`)"));
        }
        Shown::Prompted(typed) => (typed, true),
        Shown::Plain(typed) => (typed, false),
    };
    if language != Language::Shell && !prompted && !typed.iter().all(|typed| all_known(bash, &typed.text)) {
        let what = match language {
            Language::Console => "it has no prompt, and not every line of it is a known command",
            _ => "it has no language, and not every line of it is a known command",
        };
        return Block::Data(what.to_string());
    }
    let tag = if language == Language::Untagged { "bash".to_string() } else { tag };
    hands.block(typed.first().map_or("", |typed| typed.text.text.as_str()));
    let mut runs = Vec::new();
    for typed in &typed {
        runs::cut(bash, source, typed, &tag, hands, &mut runs);
        if let Some(Run { why: Some(ByHand::Person(why)), commands, .. }) = runs.first()
            && commands.is_empty()
        {
            return Block::Person(why.clone());
        }
    }
    if runs.iter().all(|run| run.commands.is_empty()) {
        return Block::Data("it holds no command".to_string());
    }
    Block::Run(runs)
}

/// Where the grammar finds an error: nothing of such a block is a command.
pub(super) fn not_shell(
    bash: &mut Bash,
    text: &str,
    spans: &[Span],
    excerpt: &Excerpt,
    source: &Source,
) -> Option<Contents> {
    // What cannot be split stays one piece, the last one.
    let last = spans.last()?;
    let wrong = !bash.is_complete(text.get(last.start..last.end).unwrap_or_default());
    let line = source.line(excerpt.origin(last.start));
    let why = match bash.is_worn_out() {
        true => "the shell in this runbook is too long or too tangled to be taken apart".to_string(),
        false => format!("it is no valid shell (from line {line} on)"),
    };
    wrong.then_some(Contents { from: 0, why, invalid: true })
}

pub(super) fn command(bash: &mut Bash, source: &Source, excerpt: &Excerpt, tag: &str) -> Command {
    let text = &excerpt.text;
    let start = source.pos(excerpt.origin(0));
    let input = |name: &str, span: Span| {
        let at = source.pos(excerpt.origin(span.start));
        let spelling = text.get(span.start..span.end).unwrap_or_default().to_string();
        Input { name: unified_name(name), spelling, span, line: at.line, column: at.column }
    };
    let found = placeholder::find(text);
    let inputs = found.iter().map(|p| input(&p.name, p.span)).collect();
    let variables = variables::of_command(bash, &placeholder::mask(text, &found));
    let reads = variables
        .reads
        .into_iter()
        .map(|(read, in_function)| VariableRead { input: input(&read.name, read.span), in_function })
        .collect();
    Command {
        text: text.clone(),
        line: start.line,
        column: start.column,
        language: tag.to_string(),
        block: 0,
        origin: None,
        expected: None,
        by_hand: None,
        governs: std::sync::Arc::default(),
        handling: super::Handling::default(),
        inputs,
        reads,
        sets: variables.assigned,
    }
}

/// Phases in which every block is something to do.
fn is_acted_on(phase: RunbookPhase) -> bool {
    !matches!(phase, RunbookPhase::Other | RunbookPhase::Reference)
}

/// Whether everything in a block without a tag is a command that is known, a keyword or an assignment. One line that
/// is not makes the block output, or something that merely looks like shell.
fn all_known(bash: &mut Bash, body: &Excerpt) -> bool {
    let text = placeholder::mask(&body.text, &placeholder::find(&body.text));
    let pieces = bash.split(&text);
    let known = |span: &Span| {
        let piece = text.get(span.start..span.end).unwrap_or_default();
        first_word(piece).is_some_and(|word| {
            const KEYWORDS: &[&str] = &["for", "while", "until", "if", "case"];
            KEYWORDS.contains(&word) || language::is_known_command(word)
        })
    };
    // An error of syntax leaves the rest of the block in one piece, of which only the first word was looked at.
    let whole = |span: &Span| text.get(span.start..span.end).is_some_and(|piece| bash.is_complete(piece));
    pieces.iter().all(known) && pieces.iter().all(whole)
}

/// The first word that is no assignment; for a piece of assignments alone, an assignment is as good as `export`.
pub(super) fn first_word(piece: &str) -> Option<&str> {
    let mut words = piece.split_whitespace();
    let mut assigns = false;
    for word in words.by_ref() {
        let name = word.split('=').next().unwrap_or_default();
        let is_assignment = word.contains('=')
            && name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        if !is_assignment {
            return Some(word);
        }
        assigns = true;
    }
    // `timeout=30` alone is a line of a configuration file as often as not; shell variables are in capitals.
    let capital = piece.starts_with(|c: char| c.is_ascii_uppercase());
    let quoted = lex(piece).reads.is_empty();
    (assigns && capital && quoted).then_some("export")
}
