//! The shell commands of a runbook, each with its syntax tree and its place in the file.

use super::super::lexer::{self, Lexed};
use super::super::shell::{Bash, blank};
use super::super::{Command, Runbook, Step, Unread, placeholder};
use crate::source::{Pos, Source, Span};
use std::cell::{OnceCell, RefCell};
use std::rc::Rc;
use tree_sitter::Tree;

/// The grammar of bash, with the work that the texts of one page may take together: what is beyond has no tree.
#[derive(Debug)]
pub struct Grammar(RefCell<Bash>);

impl Grammar {
    /// For a page of so many bytes.
    pub fn of_page(bytes: usize) -> Rc<Grammar> {
        Rc::new(Grammar(RefCell::new(Bash::new(bytes))))
    }

    pub(super) fn with<T>(&self, use_it: impl FnOnce(&mut Bash) -> T) -> T {
        use_it(&mut self.0.borrow_mut())
    }

    /// Whether all of that work is done: what else there is has no tree, whatever it is.
    pub fn is_worn_out(&self) -> bool {
        self.with(|bash| bash.is_worn_out())
    }

    /// Whether bash would reject this text, or want more of it, as far as the grammar can tell.
    pub fn has_syntax_error(&self, text: &str) -> bool {
        !self.with(|bash| bash.is_complete(text))
    }

    /// The programs that some shell text calls, word by word, as `Shell::calls` has them: for the script of a `sh -c`.
    pub fn calls_in(&self, text: &str) -> Vec<Vec<String>> {
        let masked = placeholder::mask(text, &placeholder::find(text));
        let blanked = blank(&masked, &lexer::lex(&masked));
        let Some(tree) = self.with(|bash| bash.tree(&blanked)) else { return Vec::new() };
        let calls = calls_of(&tree, text).into_iter();
        calls.map(|call| call.words.into_iter().map(str::to_string).collect()).collect()
    }
}

/// How a byte of shell is quoted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Quoting {
    /// Not at all.
    Bare,
    /// Inside of quotes of any kind.
    Quoted,
    /// In the body of a here-document.
    Heredoc,
    /// In a comment.
    Comment,
}

/// One program that a command calls: `a | b` are two, and what stands in `$(…)` is one of its own.
#[derive(Debug)]
pub struct Call<'t> {
    /// The words, the name of the program first, assignments before it left out. As they were written: quotes around
    /// a whole word are taken away, nothing is expanded.
    pub words: Vec<&'t str>,
    /// Where each word stands in the text of the command, quotes included.
    pub places: Vec<Span>,
    /// Where the whole call stands in the text of the command.
    pub span: Span,
}

/// A command of a runbook.
#[derive(Debug)]
pub struct Shell<'a> {
    /// The command: text, line, inputs, variables.
    pub command: &'a Command,
    /// The step that it stands in.
    pub step: &'a Step,
    /// Whether it waits for somebody to choose it (a condition), and does not run by itself.
    pub held: bool,
    /// The text with each placeholder replaced by a word of the same length.
    pub masked: String,
    /// The same with here-documents blanked: what the tree is of, byte for byte.
    pub blanked: String,
    lexed: Lexed,
    grammar: Rc<Grammar>,
    tree: OnceCell<Option<Tree>>,
    calls: OnceCell<Vec<Call<'a>>>,
    /// For each line of the text: where it begins in the text, and where that is in the file.
    lines: Vec<(usize, usize)>,
}

impl<'a> Shell<'a> {
    /// The syntax tree of `blanked` by tree-sitter-bash, made when it is first asked for. `None` when there is none in
    /// the time that one may take.
    pub fn tree(&self) -> Option<&Tree> {
        self.tree.get_or_init(|| self.grammar.with(|bash| bash.tree(&self.blanked))).as_ref()
    }

    /// How the byte at `offset` of the text is quoted.
    pub fn quoting(&self, offset: usize) -> Quoting {
        use lexer::Quoting as Inner;
        match self.lexed.quoting(offset) {
            Inner::Bare => Quoting::Bare,
            Inner::Single | Inner::AnsiC | Inner::Double | Inner::Braced => Quoting::Quoted,
            Inner::Heredoc | Inner::RawHeredoc => Quoting::Heredoc,
            Inner::Comment => Quoting::Comment,
        }
    }

    /// The bodies of its here-documents, bytes of the text.
    pub fn heredocs(&self) -> impl Iterator<Item = Span> {
        self.lexed.heredocs.iter().map(|heredoc| heredoc.body)
    }

    /// The place in the file of bytes of the text.
    pub fn place(&self, part: Span) -> Span {
        let at = |offset: usize| {
            let index = self.lines.partition_point(|&(start, _)| start <= offset).saturating_sub(1);
            self.lines.get(index).map_or(0, |&(start, origin)| origin + (offset - start))
        };
        let start = at(part.start);
        Span::new(start, (at(part.end.saturating_sub(1).max(part.start)) + 1).max(start))
    }

    /// The programs that it calls, in order, `sudo` and the like taken away. None when it cannot be parsed.
    pub fn calls(&self) -> &[Call<'a>] {
        self.calls.get_or_init(|| self.tree().map(|tree| calls_of(tree, &self.command.text)).unwrap_or_default())
    }

    /// The place of a node of the tree.
    pub fn node(&self, node: &tree_sitter::Node<'_>) -> Span {
        self.place(Span::new(node.start_byte(), node.end_byte()))
    }

    /// The text of a node, placeholders as they were written.
    pub fn node_text(&self, node: &tree_sitter::Node<'_>) -> &str {
        self.command.text.get(node.start_byte()..node.end_byte()).unwrap_or_default()
    }
}

/// The calls in a tree; `text` is what it was made of, placeholders as they were written.
fn calls_of<'t>(tree: &Tree, text: &'t str) -> Vec<Call<'t>> {
    let mut calls = Vec::new();
    let mut open = vec![tree.root_node()];
    while let Some(node) = open.pop() {
        if node.kind() == "command" {
            calls.extend(call(&node, text));
        }
        let mut cursor = node.walk();
        open.extend(node.named_children(&mut cursor));
    }
    calls.sort_by_key(|call| call.span.start);
    calls
}

fn call<'t>(node: &tree_sitter::Node<'_>, text: &'t str) -> Option<Call<'t>> {
    let mut cursor = node.walk();
    let parts = node.named_children(&mut cursor);
    let kinds = ["variable_assignment", "file_redirect", "herestring_redirect", "heredoc_redirect"];
    let parts = parts.filter(|part| !kinds.contains(&part.kind()));
    let mut places: Vec<Span> = parts.map(|part| Span::new(part.start_byte(), part.end_byte())).collect();
    let at = |span: &Span| text.get(span.start..span.end).unwrap_or_default();
    let mut begin = 0;
    while let Some(before) = places.get(begin).map(at)
        && matches!(before, "sudo" | "time" | "nohup" | "command" | "exec")
    {
        begin += 1;
        while let Some(option) = places.get(begin).map(at).filter(|word| word.starts_with('-')) {
            begin += 1;
            let valued = matches!(option, "-u" | "-g" | "-D" | "-p" | "--user" | "--group");
            begin += usize::from(before == "sudo" && valued);
        }
    }
    places.drain(..begin.min(places.len()));
    let words: Vec<&str> = places.iter().map(|span| unquoted(at(span))).collect();
    (!words.is_empty()).then(|| Call { words, places, span: Span::new(node.start_byte(), node.end_byte()) })
}

fn unquoted(word: &str) -> &str {
    let inner = |quote: char| {
        let inner = word.strip_prefix(quote)?.strip_suffix(quote)?;
        (!inner.contains(quote)).then_some(inner)
    };
    inner('"').or_else(|| inner('\'')).unwrap_or(word)
}

/// The shell commands of a runbook, in the order of the file; not those that a scenario has put into it, and not those that stand
/// outside of blocks.
pub fn commands<'a>(source: &Source, runbook: &'a Runbook, grammar: &Rc<Grammar>) -> Vec<Shell<'a>> {
    let mut found = Vec::new();
    for step in &runbook.steps {
        let run = step.commands().iter().map(|command| (command, false));
        for (command, held) in run.chain(step.held.iter().map(|command| (command, true))) {
            if command.origin.is_none() && matches!(command.unread, None | Some(Unread::Untagged)) {
                found.push(shell(source, grammar, step, command, held));
            }
        }
    }
    found.sort_by_key(|shell| (shell.command.line, shell.command.column));
    found
}

fn shell<'a>(source: &Source, grammar: &Rc<Grammar>, step: &'a Step, command: &'a Command, held: bool) -> Shell<'a> {
    let text = &command.text;
    let masked = placeholder::mask(text, &placeholder::find(text));
    let lexed = lexer::lex(&masked);
    let blanked = blank(&masked, &lexed);
    let mut lines = Vec::new();
    let mut at = 0;
    for (index, line) in text.split('\n').enumerate() {
        lines.push((at, origin(source, command, index, line)));
        at += line.len() + 1;
    }
    let (grammar, tree, calls) = (grammar.clone(), OnceCell::new(), OnceCell::new());
    Shell { command, step, held, masked, blanked, lexed, grammar, tree, calls, lines }
}

/// Where a line of the text begins in the file. What the Markdown takes away (indentation, prompts, quote marks) stands
/// before it, so that the line of the file ends with it; only of the first one the column is known, as commands may
/// follow it on its line.
fn origin(source: &Source, command: &Command, index: usize, line: &str) -> usize {
    if index == 0 {
        return source.offset(Pos { line: command.line, column: command.column });
    }
    let number = command.line + index;
    let start = source.start(number);
    let whole = source.text.get(start..source.start(number + 1)).unwrap_or_default();
    start + whole.rfind(line).unwrap_or_default()
}
