//! What bash would run or expand for a text (bash manual, 3.2 to 3.6), as a tree in which everything has its place.

use super::word::{EXPANDED, Word, WordKind};
use crate::source::Span;

/// Why a text, or a part of it, was not understood.
pub type Strange = &'static str;

/// What was read of a text.
#[derive(Debug, Default)]
pub struct BashScript {
    /// The commands at the top, as far as the text was read.
    pub statements: Vec<Statement>,
    /// Where each of them stands, the bodies of its here-documents included; commands that share one are one. What could not be
    /// read is the last one.
    pub pieces: Vec<Span>,
    /// The first thing that is unusual, or read in another way by some version or shell.
    pub odd: Option<Strange>,
    /// Why it was not read to its end.
    pub stopped: Option<Strange>,
}

impl BashScript {
    /// The commands of a text in which nothing is odd.
    ///
    /// # Errors
    /// Something is not understood; then nothing of the text is.
    pub fn strict(self) -> Result<Vec<Statement>, Strange> {
        self.odd.or(self.stopped).map_or(Ok(self.statements), Err)
    }

    /// Every statement, those in others and in substitutions too, each before what it holds.
    pub fn all(&self) -> Vec<&Statement> {
        Statement::all(&self.statements)
    }
}

/// A part of a text that runs.
#[derive(Debug)]
pub struct Statement {
    /// From its first to behind its last byte, redirections and a `&` included, here-documents not.
    pub span: Span,
    /// What it is.
    pub kind: StatementKind,
}

/// What a statement is.
#[derive(Debug)]
pub enum StatementKind {
    /// A program with its words, assignments, redirections.
    Simple(SimpleCommand),
    /// `a && b || c`: the first, and each other with whether it runs where the ones before failed (`||`).
    AndOr(Box<Statement>, Vec<(bool, Statement)>),
    /// `a | b`: each with whether its standard error goes into the pipe behind it as well (`|&`).
    Pipeline(Vec<(Statement, bool)>),
    /// `! a`.
    Not(Box<Statement>),
    /// `a &`.
    Background(Box<Statement>),
    /// `{ …; }`, or `( … )` in a shell of its own.
    Group {
        /// What stands in it.
        body: Vec<Statement>,
        /// Whether it is `( … )`.
        subshell: bool,
    },
    /// `if a; then b; elif c; then d; else e; fi`: conditions with what runs where they hold, and the rest.
    If(Vec<(Vec<Statement>, Vec<Statement>)>, Vec<Statement>),
    /// `while a; do b; done`.
    Loop {
        /// Whether it is `until`.
        until: bool,
        /// What is asked.
        condition: Vec<Statement>,
        /// What is repeated.
        body: Vec<Statement>,
    },
    /// `for NAME in WORDS`, `for ((…; …; …))`.
    For {
        /// The variable, and where it stands; of `((…))` what its first part sets.
        name: String,
        /// What it goes through.
        words: Vec<ShellWord>,
        /// The three parts of `((…))`.
        computed: Vec<Arithmetic>,
        /// What is repeated.
        body: Vec<Statement>,
    },
    /// `case WORD in PATTERN) … ;; esac`: the word and all patterns, and what runs for each.
    Case(Vec<ShellWord>, Vec<Vec<Statement>>),
    /// What stands between `[[` and `]]`.
    Test(Vec<ShellWord>),
    /// `((…))`.
    Arithmetic(Arithmetic),
    /// A function.
    Function {
        /// Its name.
        name: String,
        /// What it runs.
        body: Box<Statement>,
    },
    /// A compound command with redirections.
    Redirected(Box<Statement>, Vec<Redirect>),
}

/// A simple command.
#[derive(Debug, Default)]
pub struct SimpleCommand {
    /// What stands before the program.
    pub assignments: Vec<Assignment>,
    /// The program and what it is given.
    pub words: Vec<ShellWord>,
    /// Where its streams lead.
    pub redirects: Vec<Redirect>,
}

/// `NAME=value`, `NAME+=value`, `NAME=(values)`.
#[derive(Debug)]
pub struct Assignment {
    /// Where it stands.
    pub span: Span,
    /// The variable.
    pub name: String,
    /// Its values.
    pub values: Vec<ShellWord>,
}

/// A redirection.
#[derive(Debug)]
pub struct Redirect {
    /// Where it stands, the number before it included.
    pub span: Span,
    /// What it leads to.
    pub to: RedirectTarget,
}

/// What a redirection leads to.
#[derive(Debug)]
pub enum RedirectTarget {
    /// Something is written there.
    Write(ShellWord),
    /// Standard input, or another stream, comes from there.
    Read(ShellWord),
    /// Standard input is this text.
    Text {
        /// The text; none where parts of it are not known.
        known: Option<String>,
        /// What bash expands in it.
        inside: Vec<Expansion>,
        /// The lines of a here-document.
        body: Option<Span>,
    },
    /// A stream becomes a copy of another one, or is closed.
    Copy,
}

/// A word as it is written, and what bash does to expand it.
#[derive(Debug)]
pub struct ShellWord {
    /// What a program gets.
    pub word: Word,
    /// As it is written.
    pub raw: String,
    /// Where it stands.
    pub span: Span,
    /// What bash runs, computes or sets to expand it.
    pub inside: Vec<Expansion>,
    /// The variables in it, where nothing else is expanded.
    pub variables: Option<Vec<String>>,
    /// Whether it is a number where all of these are.
    pub digits: bool,
}

/// What bash does to expand a word.
#[derive(Debug)]
pub enum Expansion {
    /// It runs this.
    Commands(Vec<Statement>),
    /// It computes this.
    Arithmetic(Arithmetic),
    /// It sets this variable: `${X:=y}`.
    Sets(String),
}

/// What is computed. A variable in it is an expression of its own: bash runs what stands in `x='a[$(reboot)]'`.
#[derive(Debug, Default)]
pub struct Arithmetic {
    /// Where it stands.
    pub span: Span,
    /// Variables that it reads.
    pub names: Vec<String>,
    /// The variable that it sets before it reads others.
    pub sets: Option<String>,
    /// What bash expands in it.
    pub inside: Vec<Expansion>,
    /// Whether something in it is known to be no number.
    pub strange: bool,
}

impl Statement {
    /// Statements and everything in them, each before what it holds.
    pub fn all(statements: &[Statement]) -> Vec<&Statement> {
        let (mut out, mut open): (Vec<&Statement>, Vec<&Statement>) = (Vec::new(), statements.iter().rev().collect());
        while let Some(statement) = open.pop() {
            out.push(statement);
            let mut below = statement.parts();
            below.extend(statement.substituted().into_iter().flatten());
            below.sort_by_key(|statement| std::cmp::Reverse(statement.span.start));
            open.extend(below);
        }
        out
    }

    /// The lists of statements that it is made of, in order, each with whether its shell may pass it by: a branch, what stands behind
    /// `&&`; not what stands in substitutions.
    pub fn lists(&self) -> Vec<(&[Statement], bool)> {
        use std::slice::from_ref;
        match &self.kind {
            StatementKind::Simple(_) | StatementKind::Test(_) | StatementKind::Arithmetic(_) => Vec::new(),
            StatementKind::AndOr(first, rest) => {
                let rest = rest.iter().map(|(_, part)| (from_ref(part), true));
                std::iter::once((from_ref(&**first), false)).chain(rest).collect()
            }
            StatementKind::Pipeline(stages) => stages.iter().map(|(stage, _)| (from_ref(stage), false)).collect(),
            StatementKind::Not(inner) | StatementKind::Background(inner) | StatementKind::Redirected(inner, _) => {
                vec![(from_ref(&**inner), false)]
            }
            StatementKind::Function { body, .. } => vec![(from_ref(&**body), true)],
            StatementKind::Group { body, .. } => vec![(&body[..], false)],
            StatementKind::For { body, .. } => vec![(&body[..], true)],
            StatementKind::If(branches, rest) => {
                let branches = branches.iter().enumerate();
                let lists = branches.flat_map(|(number, (asks, body))| [(&asks[..], number > 0), (&body[..], true)]);
                lists.chain([(&rest[..], true)]).collect()
            }
            StatementKind::Loop { condition, body, .. } => vec![(&condition[..], false), (&body[..], true)],
            StatementKind::Case(_, items) => items.iter().map(|item| (&item[..], true)).collect(),
        }
    }

    /// The statements that it is made of, in order; not what stands in substitutions.
    pub fn parts(&self) -> Vec<&Statement> {
        self.lists().into_iter().flat_map(|(list, _)| list).collect()
    }

    /// What bash does to expand its own words, those of its parts left out.
    pub fn expansions(&self) -> Vec<&Expansion> {
        type Own<'s> = (&'s [Assignment], &'s [ShellWord], &'s [Redirect], &'s [Arithmetic]);
        let (assignments, words, redirects, computed): Own<'_> = match &self.kind {
            StatementKind::Simple(command) => (&command.assignments, &command.words, &command.redirects, &[]),
            StatementKind::For { words, computed, .. } => (&[], words, &[], computed),
            StatementKind::Case(words, _) | StatementKind::Test(words) => (&[], words, &[], &[]),
            StatementKind::Redirected(_, redirects) => (&[], &[], redirects, &[]),
            StatementKind::Arithmetic(computed) => (&[], &[], &[], std::slice::from_ref(computed)),
            _ => return Vec::new(),
        };
        let texts = redirects.iter().filter(|redirect| redirect.word().is_none()).flat_map(Redirect::inside);
        let words = assignments.iter().flat_map(|one| &one.values).chain(words);
        let inside = words.chain(redirects.iter().filter_map(Redirect::word)).flat_map(|word| &word.inside);
        texts.chain(inside).chain(computed.iter().flat_map(|computed| &computed.inside)).collect()
    }

    /// The commands that bash runs to expand its own words.
    pub fn substituted(&self) -> Vec<&[Statement]> {
        Expansion::commands(self.expansions())
    }

    /// The simple command that it is.
    pub fn simple(&self) -> Option<&SimpleCommand> {
        match &self.kind {
            StatementKind::Simple(command) => Some(command),
            _ => None,
        }
    }
}

impl Expansion {
    /// The commands that run for some of them.
    pub fn commands(mut open: Vec<&Expansion>) -> Vec<&[Statement]> {
        let mut found: Vec<&[Statement]> = Vec::new();
        open.reverse();
        while let Some(expansion) = open.pop() {
            match expansion {
                Expansion::Commands(statements) => found.push(statements),
                Expansion::Arithmetic(computed) => open.extend(&computed.inside),
                Expansion::Sets(_) => {}
            }
        }
        found
    }
}

impl Redirect {
    /// The file that it names.
    pub fn word(&self) -> Option<&ShellWord> {
        match &self.to {
            RedirectTarget::Write(word) | RedirectTarget::Read(word) => Some(word),
            RedirectTarget::Text { .. } | RedirectTarget::Copy => None,
        }
    }

    /// What bash does to expand it.
    pub fn inside(&self) -> &[Expansion] {
        match &self.to {
            RedirectTarget::Write(word) | RedirectTarget::Read(word) => &word.inside,
            RedirectTarget::Text { inside, .. } => inside,
            RedirectTarget::Copy => &[],
        }
    }

    /// Whether something is read from it.
    pub fn is_input(&self) -> bool {
        matches!(self.to, RedirectTarget::Read(_) | RedirectTarget::Text { .. })
    }
}

impl SimpleCommand {
    /// The first word as it is written; empty where there are assignments alone.
    pub fn first(&self) -> &str {
        self.words.first().map_or("", |word| &word.raw)
    }

    /// Whether it declares variables and so holds assignments behind its name.
    pub fn declares(&self) -> bool {
        matches!(self.first(), "export" | "declare" | "typeset" | "local" | "readonly")
    }

    /// Whether it calls something: no `[`, no declaration, no assignments alone.
    pub fn is_call(&self) -> bool {
        !self.words.is_empty() && !self.declares() && !matches!(self.first(), "[" | "unset")
    }

    /// Its words as they are written in `text`, quotes included.
    pub fn written<'t>(&self, text: &'t str) -> Vec<&'t str> {
        self.words.iter().map(|word| word.span.of(text)).collect()
    }
}

impl ShellWord {
    /// A word of which nothing is known.
    pub(super) fn unknown(at: usize) -> ShellWord {
        let (word, raw) = (Word { text: EXPANDED.to_string(), kind: WordKind::Loose }, String::new());
        ShellWord { word, raw, span: Span::new(at, at), inside: Vec::new(), variables: None, digits: false }
    }
}
