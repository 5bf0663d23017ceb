//! What a variable certainly holds that is given a word: a number, or a word that is no option.

use super::tree::{Expansion, ShellWord, SimpleCommand, Statement, StatementKind};
use super::word::WordKind;

impl ShellWord {
    /// What a variable certainly holds that gets this value, or each of its words (`split`).
    pub fn holds(&self, split: bool) -> Holds {
        let plain = |c: char| c.is_ascii_alphanumeric() || "_-/.".contains(c);
        let text = &self.word.text;
        let fixed = self.word.kind == WordKind::Fixed && text.chars().all(plain);
        let number = self.digits && self.variables.as_ref().is_some_and(Vec::is_empty);
        // What a command writes may be nothing at all, and then what stands beside it begins the word.
        let written = match &self.inside[..] {
            [Expansion::Commands(nodes)] if text.chars().count() == 1 => {
                self.raw.starts_with("$(") && (is_number(nodes) || are_names(nodes))
            }
            [] => self.raw.starts_with('{') && number,
            _ => false,
        };
        Holds { number, word: fixed && !text.is_empty() && !text.starts_with('-') || split && written }
    }
}

/// What a variable certainly holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Holds {
    /// A number.
    pub number: bool,
    /// A word that is no option, whatever stands behind it.
    pub word: bool,
}

impl Holds {
    pub const ANYTHING: Holds = Holds { number: false, word: false };

    /// What it holds if it may hold either.
    pub fn or(self, other: Holds) -> Holds {
        Holds { number: self.number && other.number, word: self.word && other.word }
    }
}

/// The stages of a pipeline that is all of some commands; those that are no simple commands are none.
fn stages(statements: &[Statement]) -> Vec<Option<&SimpleCommand>> {
    match statements {
        [Statement { kind: StatementKind::Pipeline(stages), .. }] => {
            stages.iter().map(|(stage, _)| stage.simple()).collect()
        }
        [one] => vec![one.simple()],
        _ => Vec::new(),
    }
}

/// Whether commands certainly write numbers and nothing else, whatever they are given.
pub(super) fn is_number(statements: &[Statement]) -> bool {
    matches!(stages(statements).last(), Some(Some(command)) if counts(command))
}

/// The words of a command of which all is known, without assignments and redirections.
fn fixed_words(call: &SimpleCommand) -> Option<Vec<&str>> {
    let bare = call.assignments.is_empty() && call.redirects.is_empty();
    let fixed = bare && call.words.iter().all(|piece| piece.word.kind == WordKind::Fixed);
    fixed.then(|| call.words.iter().map(|piece| piece.word.text.as_str()).collect())
}

fn counts(call: &SimpleCommand) -> bool {
    let digits = |word: &&str| word.chars().all(|c| c.is_ascii_digit());
    fixed_words(call).is_some_and(|words| match words[..] {
        ["wc", "-l" | "-w" | "-c"] | ["nproc"] | ["date", "+%s"] => true,
        ["grep", "-c", pattern] => !pattern.starts_with('-'),
        ["seq", ref numbers @ ..] => numbers.iter().all(digits),
        _ => false,
    })
}

/// Whether commands certainly write words of which none begins with a `-`: `kubectl get pods -o name`, `docker ps -q`.
fn are_names(statements: &[Statement]) -> bool {
    let stages = stages(statements);
    let Some((Some(first), rest)) = stages.split_first() else { return false };
    let Some(words) = fixed_words(first) else { return false };
    let behind = match words[..] {
        [program @ ("kubectl" | "oc"), "-n" | "--namespace" | "--context", _, ref rest @ ..]
        | [program, ref rest @ ..] => (program, rest),
        [] => return false,
    };
    let formats = ["-o", "--o", "--t", "--fo"];
    let shown = behind.1.iter().filter(|word| formats.iter().any(|format| word.starts_with(format))).count();
    let named = match behind {
        ("kubectl" | "oc", ["get", rest @ ..]) => {
            let apart = rest.windows(2).any(|pair| matches!(pair, ["-o" | "--output", "name"]));
            shown == 1 && (apart || rest.iter().any(|word| matches!(*word, "-oname" | "-o=name" | "--output=name")))
        }
        ("docker", ["ps", rest @ ..] | ["compose", "ps", rest @ ..]) => {
            shown == 0 && rest.iter().any(|word| matches!(*word, "-q" | "-aq" | "-qa" | "--quiet"))
        }
        _ => false,
    };
    // `head -n 1`, and no file.
    let plain = |word: &&str| word.trim_start_matches('-').chars().all(|c| c.is_ascii_digit() || "nru".contains(c));
    let cuts = |stage: &Option<&SimpleCommand>| match stage.and_then(fixed_words).as_deref() {
        Some(["head" | "tail" | "sort", rest @ ..]) => rest.iter().all(plain),
        _ => false,
    };
    named && rest.iter().all(cuts)
}
