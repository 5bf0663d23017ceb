//! A code block → commands that run, or the reason why it is for a person.

use super::hands::Hands;
use super::language::{self, BlockLanguage};
use super::markdown::MarkdownCode;
use super::placeholder::{self, Placeholder};
use super::prompt::{self, Shown, TypedText};
use super::runs::{self, CommandRun};
use super::text::{Excerpt, is_among, shorten};
use super::{Command, ManualReason, RunbookInput, RunbookPhase, Unread, client, file_contents, look, unified_name};
use crate::bash::lexer::{VariableUse, lex};
use crate::bash::{has_syntax_error, is_name, split, variables};
use crate::source::{Pos, Source, Span};
use std::collections::BTreeSet;

/// What a block is to a reader who follows the runbook.
#[derive(Debug)]
pub(super) enum BlockUse {
    /// Commands, cut where some are for a person.
    Run(Vec<CommandRun>),
    /// Something for a person to do, and why.
    Person(String),
    /// Nothing to do: configuration, output, a picture; what it is.
    Data(String),
}

/// Reads a block. `hands` knows what the blocks before it in its section have opened.
pub(super) fn read(
    source: &Source,
    code: &MarkdownCode,
    clients: &BTreeSet<String>,
    phase: RunbookPhase,
    hands: &mut Hands,
) -> BlockUse {
    let tag = language::tag(&code.info);
    let language = language::of_block(&tag, &code.body.text);
    let is_shell = language == BlockLanguage::Untagged && language::of_tag(&tag) != BlockLanguage::Data;
    if !is_shell && clients.contains(&tag) {
        return client::read(source, code, &tag);
    }
    let tells = matches!(phase, RunbookPhase::Other | RunbookPhase::Reference);
    match language {
        // The application's code is nothing to do for anybody, except where people act.
        BlockLanguage::Foreign if tells && is_among(words!("languages of applications"), &tag) => {
            return BlockUse::Data(format!("`{tag}` is code of an application"));
        }
        BlockLanguage::Foreign => return BlockUse::Person(client::needed(&tag)),
        BlockLanguage::Data => return BlockUse::Data(format!("`{tag}` is data")),
        BlockLanguage::Shell | BlockLanguage::Console | BlockLanguage::Untagged => {}
    }
    if code.body.text.starts_with("#!") {
        return BlockUse::Person("it shows a script to be saved as a file".to_string());
    }
    let title = language::title(&code.info).filter(|title| file_contents::is_titled(title, &code.body.text));
    if let Some(path) = title {
        return BlockUse::Person(format!("it shows what the file `{path}` holds"));
    }
    let root = language == BlockLanguage::Untagged && prompt::is_of_root(&code.body.text);
    let (mut typed, prompted) = match prompt::read(&code.body, root || language == BlockLanguage::Console) {
        Shown::Foreign(prompt) => {
            return match client::of_prompt(&prompt).filter(|tag| clients.contains(*tag)) {
                Some(tag) => client::session(source, code, tag),
                None => BlockUse::Person(format!("it shows a session of another program (prompt `{prompt}`)")),
            };
        }
        Shown::Elsewhere(before) => {
            return BlockUse::Person(format!("a part of it is typed elsewhere (behind `{before}`)"));
        }
        // Whoever wrote a scenario shows no output in it.
        Shown::Unprompted(_) | Shown::Typed(_, false) if code.written => {
            (vec![TypedText { text: code.body.clone(), expected: None }], false)
        }
        Shown::Unprompted(line) => {
            return BlockUse::Person(format!("`{}` in it has no prompt, and others have one", shorten(&line, 60)));
        }
        Shown::Typed(typed, prompted) => (typed, prompted),
    };
    // What nothing marks as commands is offered where it looks like some.
    let unmarked = language != BlockLanguage::Shell && (root || !prompted);
    let mut unread = code.unread.or(unmarked.then_some(Unread::Untagged));
    if unread.is_some() && !prompted {
        let told: Vec<_> = typed.iter().map(|typed| told_apart(typed, code.unread.is_some())).collect();
        // A tag of terminals is enough for a block of nothing but known commands.
        if language == BlockLanguage::Console && told.iter().all(|(_, known)| *known) {
            unread = None;
        }
        typed = told.into_iter().flat_map(|(typed, _)| typed).collect();
        if typed.is_empty() {
            let lacks = if language == BlockLanguage::Console { "prompt" } else { "language" };
            return BlockUse::Data(format!("it has no {lacks}, and does not begin with a known command"));
        }
    }
    let tag = if language == BlockLanguage::Untagged { "bash".to_string() } else { tag };
    // What running text mentions opens no session for what stands below it, but in a list.
    let mentioned = code.unread == Some(Unread::Inline);
    let mut own = Hands::default();
    let around = hands;
    let hands = if mentioned { &mut own } else { &mut *around };
    hands.block(typed.first().map_or("", |typed| typed.text.text.as_str()));
    let mut runs = Vec::new();
    for typed in &typed {
        runs::cut(source, typed, &tag, hands, &mut runs);
        if let Some(CommandRun { why: Some(ManualReason::Person(why)), commands, .. }) = runs.first()
            && commands.is_empty()
        {
            return BlockUse::Person(why.clone());
        }
    }
    if mentioned {
        around.mention(own, code.span);
    }
    if runs.iter().all(|run| run.commands.is_empty()) {
        return BlockUse::Data("it holds no command".to_string());
    }
    let told = phase == RunbookPhase::Reference && code.row.is_none() || runs.iter().any(|run| run.why.is_some());
    if mentioned && told {
        return BlockUse::Data("it is mentioned in running text".to_string());
    }
    runs.iter_mut().flat_map(|run| &mut run.commands).for_each(|command| command.unread = unread);
    BlockUse::Run(runs)
}

/// A shell command.
pub(super) fn command(source: &Source, excerpt: &Excerpt, tag: &str) -> Command {
    let found = placeholder::find(&excerpt.text);
    let variables = variables::of_command(&placeholder::mask(&excerpt.text, found.iter().map(|one| one.span)));
    let of = |VariableUse { name, span, in_function, .. }: &VariableUse| RunbookInput {
        in_function: *in_function,
        ..input(source, excerpt, name, *span)
    };
    let reads = variables.reads.iter().map(of).collect();
    let (sets, session) = (variables.assigned, variables.session);
    Command { reads, sets, session, ..with_inputs(source, excerpt, tag, &found) }
}

/// A command of any language, with an input for each placeholder.
pub(super) fn with_inputs(source: &Source, excerpt: &Excerpt, tag: &str, found: &[Placeholder]) -> Command {
    let Pos { line, column } = source.pos(excerpt.origin(0));
    let (text, written, language) = (excerpt.text.clone(), excerpt.clone(), tag.to_string());
    let inputs = found.iter().map(|one| input(source, excerpt, &one.name, one.span)).collect();
    Command { text, written, line, column, language, inputs, ..Command::default() }
}

fn input(source: &Source, excerpt: &Excerpt, name: &str, span: Span) -> RunbookInput {
    let spelling = span.of(&excerpt.text).to_string();
    let (name, Pos { line, column }) = (unified_name(name), source.pos(excerpt.origin(span.start)));
    RunbookInput { name, spelling, span, line, column, in_function: false }
}

/// The commands of a block that neither a tag nor a prompt marks, with the output below them; none where it does not begin with a
/// command that is known, or is no shell; and whether all of it is such commands. What stands outside of blocks was `found` to be
/// a command already.
fn told_apart(typed: &TypedText, found: bool) -> (Vec<TypedText>, bool) {
    let text = placeholder::masked(&typed.text.text);
    let pieces = split(&text);
    let piece = |span: &Span| span.of(&text);
    let known = |span: &Span| {
        let begins = |word: &str| look::is_known_program(word) && !word.ends_with('/');
        found || first_word(piece(span)).is_some_and(begins)
    };
    let plain = |word: &str| word.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "._-/".contains(c));
    // A program that no table knows shows by its options, or by what it is called with.
    let is_command = |span: &Span| {
        let mut words = piece(span).split_whitespace();
        let name = words.next().unwrap_or_default();
        known(span) || name.starts_with(|c: char| c.is_ascii_lowercase()) && plain(name) && words.any(is_option)
    };
    let whole = |span: &Span| !has_syntax_error(piece(span));
    let begins = pieces.first().is_some_and(known) && file_contents::find(&text, &pieces).is_none();
    if !begins || !pieces.iter().all(whole) {
        return (Vec::new(), pieces.is_empty());
    }
    // Lines between commands may be commands of programs that nobody knows: without them half of a procedure would be followed.
    let last = pieces.iter().rposition(is_command).unwrap_or_default();
    // Output has columns, capitals, signs.
    let may_be_typed = |span: &Span| !piece(span).contains("  ") && first_word(piece(span)).is_some_and(plain);
    if pieces.iter().take(last).any(|span| !is_command(span) && may_be_typed(span)) {
        return (Vec::new(), false);
    }
    let mut out: Vec<TypedText> = Vec::new();
    let mut from = 0;
    for run in pieces.chunk_by(|a, b| is_command(a) == is_command(b)) {
        let (Some(first), Some(last)) = (run.first(), run.last()) else { continue };
        if is_command(first) {
            out.push(TypedText { text: typed.text.part(Span::new(from, last.end)), expected: None });
        } else if let Some(before) = out.last_mut() {
            before.expected = typed.text.text.get(first.start..last.end).map(str::to_string);
        }
        from = last.end;
    }
    if let Some(last) = out.last_mut() {
        last.expected = last.expected.take().or_else(|| typed.expected.clone());
    }
    (out, pieces.iter().all(known))
}

/// `-n`, `--all`.
pub(super) fn is_option(word: &str) -> bool {
    word.strip_prefix('-').is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_alphabetic() || c == '-'))
}

/// The first word that is no assignment; for a piece of assignments alone, an assignment is as good as `export`.
pub(super) fn first_word(piece: &str) -> Option<&str> {
    let assigns = |word: &&str| word.split_once('=').is_some_and(|(name, _)| is_name(name));
    // `timeout=30` alone is a line of a configuration file as often as not; shell variables are in capitals.
    let is_export = || piece.starts_with(|c: char| c.is_ascii_uppercase()) && lex(piece).reads.is_empty();
    piece.split_whitespace().find(|word| !assigns(word)).or_else(|| is_export().then_some("export"))
}
