//! Carries out a runbook that is followed alone: the run directory, the reaper and the sink as for a drill, and no report
//! of a verdict.

use super::drill::first_files;
use super::reaper_child::Reaper;
use super::signals::stop_when_asked;
use super::{ConductOptions, attach_error, display, make_run_dir, say, swept};
use crate::cli::TextOrJson;
use crate::cli::ask::Terminal;
use crate::cli::sealing;
use crate::engine::{Alone, announce_alone, follow_alone};
use crate::error::{Error, Exit};
use crate::gameday::exit_of;
use crate::record::{EventSink, Observer, RecordObserver, Redactor, utc_now, utc_text};
use crate::report;
use crate::stack::{Platform, RunIdentity, RunningStack, StackOptions, ToolboxRequest};

/// Follows a runbook alone, in this toolbox beside the stack that is up, with its name; otherwise beside nothing.
pub async fn follow(
    alone: Alone<'_>,
    platform: &dyn Platform,
    running: Option<(&str, RunningStack)>,
    toolbox: ToolboxRequest,
    person: &mut Terminal,
    wanted: &ConductOptions,
) -> Result<Exit, Error> {
    let shutdown = swept(platform, wanted.globals.quiet).await?;
    let name = alone.runbook.source.path.file_stem().map(|name| name.to_string_lossy().into_owned());
    let name = format!("run-{}", name.unwrap_or_default());
    let run_dir = make_run_dir(wanted, &name)?;
    let words = match &running {
        Some((_, running)) => format!("a toolbox beside {}", running.words),
        None => "a toolbox alone".to_string(),
    };
    let (identity, options) = (RunIdentity::of(&run_dir, false), StackOptions::from_env(wanted.no_build));
    let beside = running.as_ref().map(|(name, _)| *name);
    let stack = platform.attach(beside, toolbox, &identity, &options).await.map_err(attach_error)?;
    let record = RecordObserver::default();
    let observers: Vec<Box<dyn Observer>> = vec![Box::new(record.clone()), display(wanted, person)];
    let redactor = Redactor::new(alone.respond.secrets().into_iter().chain(stack.secrets()));
    let reading = alone.runbook.accepted.as_ref().map(|accepted| &accepted.source);
    let sources = [&alone.runbook.source].into_iter().chain(reading).chain(crate::programs::own_file());
    let (events, ledger) = first_files(&run_dir, sources.map(|source| &**source), &redactor, false)?;
    let reaper = Reaper::start(run_dir.path())?;
    let sink = EventSink::new(Some(events), redactor, observers);
    let announcement = announce_alone(&alone, run_dir.id(), utc_text(utc_now()), &words);
    let secrets = sink.secrets();
    let asked = stop_when_asked(run_dir.path(), &shutdown);
    let outcome = follow_alone(alone, announcement, &*stack, ledger, sink, person, &shutdown).await;
    drop(asked);
    let cleaned = stack.save_logs(&run_dir.logs(), &secrets.redactor()).await;
    // After the last file, and before the reaper goes: it seals what was not sealed.
    let sealed = sealing::seal(run_dir.path()).await;
    reaper.dismiss().await;
    cleaned?;
    if wanted.format == TextOrJson::Text {
        say(&report::summary(&record.record(), Some(run_dir.path()), wanted.globals.color()));
        say(&sealing::lines(&sealed));
    }
    sealed.map_err(|error| sealing::failure(run_dir.path(), &error))?;
    Ok(exit_of(outcome))
}
