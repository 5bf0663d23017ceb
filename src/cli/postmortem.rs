//! `firedrill postmortem`: drafts the postmortem of a run.

use super::{actions, evidence};
use crate::archive;
use crate::error::{Error, Exit};
use crate::output::print;
use crate::record::{notes_beside, write_atomic};
use crate::report::{POSTMORTEM_SECTIONS, POSTMORTEM_TEMPLATE, PostmortemInput, postmortem};
use crate::source::{Diagnostics, Source, Span, list, render, tidy};
use crate::view::timeline;
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use std::path::{Path, PathBuf};

/// What ends a link in Markdown, or is no part of its path.
const UNFIT: &AsciiSet =
    &CONTROLS.add(b' ').add(b'#').add(b'%').add(b'(').add(b')').add(b'<').add(b'>').add(b'?').add(b'\\').add(b'`');

/// Drafts a blameless postmortem from the record of a run: Markdown with the headings of the SRE book, figures that link to their
/// events, and questions where only people know.
#[derive(Debug, clap::Args)]
pub struct PostmortemArgs {
    /// The run: its id or a part of it, its directory, `latest`.
    #[arg(value_name = "RUN", default_value = "latest")]
    run: String,
    /// A template of one's own: Markdown with `{{summary}}`, `{{impact}}` and so on.
    #[arg(long, value_name = "FILE")]
    template: Option<PathBuf>,
    /// Write it to this file, which must not exist, instead of standard output.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// Runs the command.
pub async fn run(args: PostmortemArgs, globals: &super::Globals) -> Result<Exit, Error> {
    let dir = evidence::run_dir(&args.run, &globals.project)?;
    let broken = |error: std::io::Error| Error::usage(error.to_string());
    let record = archive::read_run(&dir).map_err(broken)?;
    let run = record.plan.as_ref().map(|plan| plan.run.clone());
    let run = run.ok_or_else(|| Error::usage(format!("{}: the story has no beginning", dir.display())))?;
    let events = archive::read_events(&dir, timeline::tells).unwrap_or_default();
    let notes = record.later_notes(notes_beside(&dir.canonicalize().map_err(broken)?));
    let items = match actions::read(globals)? {
        Some(actions) => actions.about(&run, &actions::named_runs(&actions, &[], &globals.project)?),
        None => Vec::new(),
    };
    let link = if events.is_empty() { String::new() } else { from(args.out.as_deref(), &dir.join("events.jsonl")) };
    let input = PostmortemInput { record: &record, events: &events, notes: &notes, actions: &items, link: &link };
    let template = match &args.template {
        Some(path) => super::read_text(path, "the template")?,
        None => Source::new("postmortem.md", POSTMORTEM_TEMPLATE),
    };
    let text = postmortem(&input, &template.text).map_err(|unknown| {
        let mut diags = Diagnostics::default();
        for (name, at) in unknown {
            let message = format!("there is no section `{name}`");
            diags
                .error(&template, Span::new(at, at + 2), message)
                .help(format!("there is {}", list(&POSTMORTEM_SECTIONS)));
        }
        Error::usage(render(&diags, globals.color()).trim_end().to_string())
    })?;
    match &args.out {
        Some(path) if path.exists() => Err(Error::usage(format!("{} is there already", path.display()))
            .hint("people have written into it: name another file")),
        Some(path) => {
            let written = write_atomic(path, text.as_bytes());
            written.map_err(|error| Error::harness(format!("{}: {error}", path.display()))).map(|()| Exit::Passed)
        }
        None => print(&text).map(|()| Exit::Passed),
    }
}

/// The path to a file as a link in another one finds it; as it is, where that cannot be told.
fn from(out: Option<&Path>, file: &Path) -> String {
    let folder = out.map_or_else(|| Path::new("."), |out| out.parent().unwrap_or_else(|| Path::new("")));
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let path = match (folder.canonicalize(), file.canonicalize()) {
        (Ok(folder), Ok(whole)) => {
            let shared = folder.components().zip(whole.components()).take_while(|(a, b)| a == b).count();
            let up = folder.components().skip(shared).map(|_| "..".to_string());
            let down = whole.components().skip(shared).map(|part| part.as_os_str().to_string_lossy().into_owned());
            up.chain(down).collect::<Vec<_>>().join("/")
        }
        _ => tidy(file).display().to_string(),
    };
    utf8_percent_encode(&path, UNFIT).to_string()
}
