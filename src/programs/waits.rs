//! Commands that wait for a person, or never end: those that open a session or an editor, those that ask, and those that go on until
//! they are killed. Which they are stands in the table of programs.

use super::simple::{Simple, after_options, bare};
use crate::programs::{self, Word, among, endless, interactive};

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
    let opens = if command.fed || command.background { None } else { opens(command) };
    opens.or_else(|| forever(command).map(Waits::Forever))
}

/// What the words of a call wait for; `fed`: its standard input is a pipe, a file or a here-document.
pub fn words_wait(words: &[&str], fed: bool) -> Option<Waits> {
    waits(&bare(Simple { words: words.to_vec(), fed, ..Simple::default() }))
}

/// Its words as the table of programs takes them.
fn plain(command: &Simple<'_>) -> Vec<Word> {
    command.words.iter().map(|word| Word::fixed(word.trim_matches(['"', '\'']))).collect()
}

fn opens(command: &Simple<'_>) -> Option<Waits> {
    if let Some(inner) = command.inner() {
        // Without a terminal its standard input is empty, and it ends.
        if !is_attached(command) {
            return None;
        }
        return opens_in(command, &inner);
    }
    // Its command has a terminal as that of `exec` has.
    if let Some(opens) =
        command.of_run().filter(|_| is_attached(command)).and_then(|inner| opens_in(command, &bare(inner)))
    {
        return Some(opens);
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
    let what = if is_told(command) { None } else { interactive(&plain(command)) }?;
    let edits = what.split(' ').any(|word| matches!(word, "edit" | "edit-config" | "-e"));
    Some(if edits { Waits::Editor(what) } else { Waits::Session(what) })
}

/// What a command opens that another one runs in a container.
fn opens_in(command: &Simple<'_>, inner: &Simple<'_>) -> Option<Waits> {
    let place = [command.program(), command.arguments().first().copied().unwrap_or_default()].join(" ");
    opens(inner).map(|opens| if matches!(opens, Waits::Session(_)) { Waits::Session(place) } else { opens })
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

/// Whether it is a shell, or leads to one, and is told what to run there.
fn is_told(command: &Simple<'_>) -> bool {
    programs::script(command.program()).is_some_and(|script| match script.switch {
        Some(letter) => command.arguments().iter().any(|word| {
            *word == "--command" || word.starts_with('-') && !word.starts_with("--") && word.contains(letter)
        }),
        None => {
            let behind = after_options(command.arguments(), &script.valued).get(script.operands..).unwrap_or_default();
            // Options may stand behind the host as well: `ssh host -p 22`.
            !after_options(behind, &script.valued).is_empty()
        }
    })
}

fn forever(command: &Simple<'_>) -> Option<String> {
    if command.timed || command.background || command.cut {
        return None;
    }
    // The log of a job ends with the job.
    let of_job = command.arguments().iter().any(|word| word.starts_with("job/") || word.starts_with("jobs/"));
    let own = || endless(&plain(command)).filter(|what| !(of_job && what.contains(" logs")));
    command.inner().or_else(|| command.of_run().map(bare)).and_then(|inner| forever(&inner)).or_else(own)
}

#[cfg(test)]
#[path = "waits_tests.rs"]
mod tests;
