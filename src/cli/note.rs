//! `firedrill note`: writes something down about the drill that runs, or about a run that has ended.

use super::evidence::{named_or_running, user};
use crate::error::{Error, Exit};
use crate::output::{print, visible};
use crate::record::{BesideNote, Redactor, append_beside, secrets_in_text, utc_now, utc_text};

/// Adds a note to the timeline of the running drill. Of a run that has ended the note stands beside it: what is sealed is
/// never changed.
#[derive(Debug, clap::Args)]
pub struct NoteArgs {
    /// What to write down, in one line.
    #[arg(value_name = "TEXT")]
    text: String,
    /// Another run than the newest that is under way: its id or a part of it, its directory, `latest`.
    #[arg(long, value_name = "RUN")]
    run: Option<String>,
}

/// Runs the command.
pub async fn run(args: NoteArgs, globals: &super::Globals) -> Result<Exit, Error> {
    let text = args.text.trim();
    if text.is_empty() {
        return Err(Error::usage("the note is empty"));
    }
    let dir = named_or_running(args.run.as_deref(), &globals.project)?;
    // What is written down is shown in reports and sent.
    let text = Redactor::new(secrets_in_text(text)).text(text);
    let note = BesideNote { at_utc: utc_text(utc_now()), by: user(), text };
    let under_way = crate::archive::is_under_way(&dir);
    append_beside(&dir, "notes", &note).map_err(|error| Error::harness(format!("the note: {error}")))?;
    let where_to = if under_way { "the timeline of" } else { "a file beside" };
    let run = dir.file_name().unwrap_or_default().to_string_lossy().into_owned();
    print(&format!("noted in {where_to} {}\n", visible(&run))).map(|()| Exit::Passed)
}
