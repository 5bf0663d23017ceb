//! Values of inputs → text that bash reads as exactly these values, whatever stands in them: quoted as the place of
//! the placeholder wants it. One input without a value, and nothing is filled in at all.

use super::{Command, Runbook, RunbookInput};
use crate::bash::lexer::{Quoting, lex};
use crate::source::{Span, TextPattern};

impl Command {
    /// The text with its placeholders replaced by the values that `lookup` has under their unified names. Variables
    /// (`$POD`) stay as they are: they are variables of the session.
    ///
    /// # Errors
    /// The inputs without a value, variables included, and those whose value cannot stand where it would be put (see
    /// [`Command::refused`]); then the command must not run.
    pub fn fill(&self, lookup: impl Fn(&str) -> Option<String>) -> Result<String, Vec<RunbookInput>> {
        let missing: Vec<RunbookInput> = self.inputs.iter().filter(|i| lookup(&i.name).is_none()).cloned().collect();
        let wrong = if missing.is_empty() { self.refused(&lookup) } else { missing };
        if !wrong.is_empty() {
            return Err(wrong);
        }
        let value = |input: &RunbookInput| lookup(&input.name).unwrap_or_default();
        let filled = if self.is_shell() { self.fill_shell(value) } else { self.fill_client(value) };
        filled.ok_or_else(|| self.inputs.clone())
    }

    fn fill_shell(&self, value: impl Fn(&RunbookInput) -> String) -> Option<String> {
        static LIST: TextPattern = TextPattern::new(r"\bfor\s+\w+\s+in\s+$");
        let lexed = lex(&self.masked());
        let put = |input: &RunbookInput| {
            let at = input.span.start;
            let (before, value) = (self.text.get(..at).unwrap_or_default(), value(input));
            let quoted = match lexed.quoting(at) {
                // Each line of it is a word of the list, as a person pastes them.
                Quoting::Bare if value.contains('\n') && LIST.is_match(before) => {
                    value.lines().map(bare).collect::<Vec<_>>().join(" ")
                }
                quoting => quote(&value, quoting, joins_a_name(before)),
            };
            if lexed.in_backticks(at) { escape(&quoted, &['\\', '`', '$']) } else { quoted }
        };
        self.replace_inputs(Span::new(0, self.text.len()), put)
    }

    /// A part of the text with something else in the place of each placeholder in it; `None` where it is not known where these stand.
    pub(super) fn replace_inputs(&self, part: Span, put: impl Fn(&RunbookInput) -> String) -> Option<String> {
        let (mut out, mut at) = (String::with_capacity(self.text.len()), part.start);
        let inside = |input: &&RunbookInput| part.start <= input.span.start && input.span.end <= part.end;
        for input in self.inputs.iter().filter(inside).filter(|input| input.variable().is_none()) {
            out.push_str(self.text.get(at..input.span.start)?);
            out.push_str(&put(input));
            at = input.span.end;
        }
        Some(out + self.text.get(at..part.end)?)
    }

    /// The inputs that are variables.
    pub fn env_inputs(&self) -> impl Iterator<Item = &RunbookInput> {
        self.inputs.iter().filter(|input| input.variable().is_some())
    }
}

impl Runbook {
    /// The variables that its session begins with: those that its steps need and nothing in it sets.
    pub fn env(&self, lookup: impl Fn(&str) -> Option<String>) -> Vec<(String, String)> {
        let mut out: Vec<(String, String)> = Vec::new();
        for input in self.steps.iter().flat_map(|step| step.commands()).flat_map(Command::env_inputs) {
            if let (Some(name), Some(value)) = (input.variable(), lookup(&input.name))
                && !out.iter().any(|(known, _)| known == name)
            {
                out.push((name.to_string(), value));
            }
        }
        out
    }
}

/// Whether the text ends in a variable such as `$A`, whose name a value right behind it would make longer.
fn joins_a_name(before: &str) -> bool {
    let name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    before.ends_with(name) && before.trim_end_matches(name).ends_with('$')
}

fn quote(value: &str, quoting: Quoting, joined: bool) -> String {
    match quoting {
        Quoting::Bare if joined => single(value),
        Quoting::Bare => bare(value),
        Quoting::Double if joined => format!("\"\"{}", double(value)),
        Quoting::Single => value.replace('\'', r"'\''"),
        Quoting::AnsiC => escape(value, &['\\', '\'']),
        Quoting::Double => double(value),
        // Quotes of its own, because bash looks for quotes and braces in it before it expands it.
        Quoting::Braced => format!("\"{}\"", double(value)),
        Quoting::Heredoc => escape(value, &['\\', '$', '`']),
        Quoting::RawHeredoc | Quoting::Comment => value.to_string(),
    }
}

/// Text within double quotes. Inside `"${A:-"…"}"` bash takes `<(` for a process substitution, quotes or not, unless
/// they end between the two.
fn double(value: &str) -> String {
    escape(value, &['\\', '"', '$', '`']).replace("<(", "<\"\"(").replace(">(", ">\"\"(")
}

/// A word for bash: as it is when nothing in it is special, otherwise in single quotes.
fn bare(value: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-./:=@%+,".contains(c);
    if !value.is_empty() && value.chars().all(plain) { value.to_string() } else { single(value) }
}

fn single(value: &str) -> String {
    format!("'{}'", value.replace('\'', r"'\''"))
}

fn escape(value: &str, special: &[char]) -> String {
    value.chars().flat_map(|c| special.contains(&c).then_some('\\').into_iter().chain([c])).collect()
}

#[cfg(test)]
#[path = "fill_tests.rs"]
mod tests;
