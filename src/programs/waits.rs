//! Commands that wait for a person, or never end: those that open a session or an editor, those that ask, and those that go on until
//! they are killed. Which they are stands in the table of programs.

use super::calls::script;
use super::simple::{Simple, bare};
use crate::bash::CommandContext;
use crate::programs::{among, endless, interactive};

/// What a command waits for; each with the command as it is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Waits {
    /// It opens a session, in which a person types what follows.
    Session(String),
    /// It opens an editor.
    Editor(String),
    /// It reads an answer.
    Answer(String),
    /// It never ends by itself.
    Forever(String),
}

/// What a command waits for, if for anything.
pub fn waits(command: &Simple<'_>) -> Option<Waits> {
    let opens = if command.around.fed || command.around.background { None } else { opens(command) };
    opens.or_else(|| forever(command).map(Waits::Forever))
}

/// What the words of a call wait for.
pub fn words_wait(words: &[&str], around: CommandContext) -> Option<Waits> {
    waits(&bare(Simple { words: words.to_vec(), around, timed: false }))
}

/// Its words without quotes.
fn plain<'a>(command: &Simple<'a>) -> Vec<&'a str> {
    command.words.iter().map(|word| word.trim_matches(['"', '\''])).collect()
}

fn opens(command: &Simple<'_>) -> Option<Waits> {
    if let Some(inner) = command.inner() {
        // Without a terminal its standard input is empty, and it ends.
        let opened = is_attached(command).then(|| opens(&inner)).flatten()?;
        let place = || [command.program(), command.arguments().first().copied().unwrap_or_default()].join(" ");
        return Some(if matches!(opened, Waits::Session(_)) { Waits::Session(place()) } else { opened });
    }
    let program = command.program();
    let arguments = command.arguments();
    if program == "read" {
        // `-u 3`: from a file that is open.
        let from_file = arguments.iter().any(|word| word.starts_with('-') && word.contains('u'));
        return (!from_file).then(|| Waits::Answer(program.to_string()));
    }
    // An image of which it is known that it starts a shell, or a shell in any other.
    if arguments.first() == Some(&"run") && is_attached(command) {
        let last = arguments.last().and_then(|word| word.split(':').next()).unwrap_or_default();
        let last = last.strip_prefix("/bin/").unwrap_or(last);
        return among(last, words!("shells of images")).then(|| Waits::Session(format!("{program} run")));
    }
    if among(program, words!("editors")) {
        return Some(Waits::Editor(program.to_string()));
    }
    // A shell that is told what to run is none that anybody types into.
    let what = if script(program, command).is_some() { None } else { interactive(&plain(command)) }?;
    let edits = what.split(' ').any(|word| matches!(word, "edit" | "edit-config" | "-e"));
    Some(if edits { Waits::Editor(what) } else { Waits::Session(what) })
}

/// Whether a command that runs in a container gets a terminal: Compose's does unless it is told not to.
fn is_attached(command: &Simple<'_>) -> bool {
    let arguments = command.arguments();
    let options = || arguments.iter().take_while(|word| **word != "--").filter(|word| word.starts_with('-'));
    match command.is_of_compose() {
        true => !options().any(|word| *word == "-T" || *word == "--no-TTY"),
        false => {
            arguments.iter().any(|word| matches!(*word, "rsh" | "debug"))
                || options().any(|word| {
                    let group = word.len() <= 3 && !word.starts_with("--") && word.contains(['i', 't']);
                    group || matches!(word.split('=').next(), Some("--stdin" | "--tty" | "--interactive"))
                })
        }
    }
}

fn forever(command: &Simple<'_>) -> Option<String> {
    if command.timed || command.around.background || command.around.cut {
        return None;
    }
    // The log of a job ends with the job.
    let of_job = command.arguments().iter().any(|word| word.starts_with("job/") || word.starts_with("jobs/"));
    let own = || endless(&plain(command)).filter(|what| !(of_job && what.contains(" logs")));
    command.inner().and_then(|inner| forever(&inner)).or_else(own)
}

#[cfg(test)]
#[path = "waits_tests.rs"]
mod tests;
