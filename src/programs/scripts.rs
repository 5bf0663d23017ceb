//! Whether a script of `sed` or a program of `awk` only looks: both can write files and run programs, in few signs.

use super::among;
use super::effect::{CallArguments, Effect, GivenOption};
use crate::bash::{Word, WordKind};
use crate::source::pattern;
use regex::Regex;
use std::sync::LazyLock;

/// The effect of `sed`: every script must be of what is known here.
pub(super) fn of_sed(arguments: &CallArguments<'_>) -> Effect {
    let mut scripts: Vec<&Word> = arguments.values("-e --expression").flatten().collect();
    if scripts.is_empty() {
        scripts.extend(arguments.operands.first());
    }
    let looks = |script: &&Word| script.kind == WordKind::Fixed && SED_LOOKS.is_match(&script.text);
    let looks = !scripts.is_empty() && scripts.iter().all(looks);
    Effect::looks_if(looks, "`sed`: its script is not known to only look")
}

/// A script of `sed` with nothing but `p`, `d`, `q`, `=` and `s/…/…/` with their addresses.
static SED_LOOKS: LazyLock<Regex> = LazyLock::new(|| {
    // No delimiter stands in brackets: there it ends a regular expression for some and not for others.
    let bracket = |end: &str| format!(r"\[\^?(?:\[:[a-z]+:\]|\\[^\]\[\n]|[^\]\[\\\n^{end}])+\]");
    let until = |end: &str| format!(r"(?:[^\\\[\n{end}]|\\[^\n]|{})*[{end}]", bracket(end));
    let address = format!(r"(?:[0-9]+(?:~[0-9]+)?|\$|/{}I?)", until("/"));
    let change = |end: &str| format!(r"s[{end}]{}(?:[^\\\n{end}]|(?s:\\.))*[{end}][gpIi0-9]*", until(end));
    let commands = ["/", "|", "#", ",", "@"].map(change).join("|");
    let commands = format!(r"(?:[pd=]|q[ \t]*[0-9]*|{commands})[ \t]*(?:[;\n}}]|\z)");
    let addresses = format!(r"(?:{address}(?:[ \t]*,[ \t]*[+~]?{address})?)?[ \t!]*");
    pattern(&format!(r"\A[ \t\n;{{}}]*(?:{addresses}(?:\{{|{commands})[ \t\n;{{}}]*)*\z"))
});

/// The effect of `awk`: its program must not write, run or read anything but its input.
pub(super) fn of_awk(arguments: &CallArguments<'_>) -> Effect {
    // Of `-F"$X"` with nothing in it the next word is the value, and the one behind it the program.
    let bare = |given: &GivenOption<'_>| given.word.kind != WordKind::Fixed && given.word.beginning().len() <= 2;
    let program = arguments.operands.first().filter(|_| !arguments.options.iter().any(bare));
    let looks = program.is_some_and(|program| program.kind == WordKind::Fixed && awk_looks(&program.text));
    Effect::looks_if(looks, "`awk`: its program is not known to only look")
}

/// Whether a program of `awk` has nothing that writes or runs, not even in a text, in a comment or in a regular expression.
fn awk_looks(program: &str) -> bool {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let acts = program.split(|c: char| !is_word(c)).any(|word| among(word, words!("awk acts")));
    // Only what is printed goes into a file or a program without one of these words.
    let printed = program.split_once("print").map_or("", |(_, behind)| behind).replace("||", "");
    !acts && !printed.contains(['>', '|']) && !program.contains('@') && !program.contains("\\\n")
}
