//! Carries out one drill whose directory and stack are there: what is kept of its files, the ledger, the reaper, the sink, the
//! reports, the seal. Many of them can run side by side: nothing here is shared.
//!
//! A runbook that is followed alone has the same, and no report of a verdict.

use super::reaper_child::Reaper;
use super::signals::stop_when_asked;
use super::{ConductOptions, attach_error, display, make_dir, on_disk, say, swept};
use crate::archive::{self, evidence::Sealed};
use crate::cli::ask::Terminal;
use crate::cli::sealing::{self, save, seal};
use crate::engine::ledger::Ledger;
use crate::engine::{self, Alone, DrillOptions, Job, Operator, Shutdown, announce_alone, follow_alone};
use crate::error::{Error, Exit};
use crate::gameday::exit_of;
use crate::record::{Announcement, EventSink, Observer, Record, Redactor, RunDir, utc_now, utc_text};
use crate::report;
use crate::source::Source;
use crate::spec::Plan;
use crate::stack::{Platform, RunIdentity, RunningStack, Stack, StackOptions, ToolboxRequest};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A drill that is about to begin.
pub struct Begun<'a> {
    /// What is to be done.
    pub plan: &'a Plan,
    /// Its stack, of which nothing is started yet.
    pub stack: &'a Arc<dyn Stack>,
    /// The kind of stack that it is.
    pub platform: &'a dyn Platform,
    /// Its directory, with the lock.
    pub run_dir: RunDir,
    /// What the command line decides.
    pub options: DrillOptions,
    /// What of its first event only the caller knows: the commit, the game day, and who carries it out, where that is known before; then
    /// whoever started this process undoes what a killed one leaves.
    pub who: Announcement,
}

/// What a drill came to.
pub struct Carried {
    /// Its record.
    pub record: Record,
    /// Whether its reports could be written.
    pub saved: std::io::Result<()>,
    /// Whether it could be sealed.
    pub sealed: std::io::Result<Sealed>,
}

/// Carries it out. The observers see every event.
///
/// # Errors
/// When it could not begin: nothing was started then.
pub async fn carry_out(
    drill: Begun<'_>,
    person: &mut dyn Operator,
    observers: Vec<Box<dyn Observer>>,
    shutdown: &Shutdown,
) -> Result<Carried, Error> {
    let Begun { plan, stack, platform, run_dir, options, mut who } = drill;
    let redactor = Redactor::new(plan.secrets().into_iter().chain(stack.secrets()));
    let (events, ledger) = first_files(&run_dir, plan.made_from(), &redactor, options.keep)?;
    // Last, so that it never completes the record of a drill that did not begin.
    let reaper = if who.executed.is_none() { Some(Reaper::start(run_dir.path())?) } else { None };
    let sink = EventSink::new(Some(events), redactor, observers);
    let options = with_earlier(options, run_dir.path(), plan);
    (who.run, who.started_utc) = (run_dir.id().to_string(), utc_text(utc_now()));
    if who.executed.is_none() {
        who.executed = Some(super::executed(platform).await);
    }
    let announcement = engine::announce(plan, &options, who);
    let job = Job { plan, announcement, options: &options, run_dir: &run_dir, person };
    let asked = stop_when_asked(run_dir.path(), shutdown);
    let record = engine::run(job, stack, ledger, sink, shutdown).await;
    drop(asked);
    let saved = save(&record, &run_dir);
    // Before the reaper goes: it seals what was not sealed.
    let sealed = seal(run_dir.path()).await;
    if let Some(reaper) = reaper {
        reaper.dismiss().await;
    }
    Ok(Carried { record, saved, sealed })
}

/// What stands in the directory of a run before anything is done: its events, the files that it is made from, its ledger.
fn first_files<'s, S>(run_dir: &RunDir, sources: S, redactor: &Redactor, keep: bool) -> Result<(File, Ledger), Error>
where
    S: Iterator<Item = &'s Source>,
{
    let made = || -> std::io::Result<(File, Ledger)> {
        let events = run_dir.create_events()?;
        for source in sources {
            let path = source.path.display().to_string();
            run_dir.keep_file(&path, source.text.as_bytes(), |text| redactor.text(text))?;
        }
        Ok((events, Ledger::create(&run_dir.ledger_path(), run_dir.id(), keep)?))
    };
    made().map_err(|error| on_disk(run_dir.path(), &error))
}

/// The options with what the drills tell that lie where the directory of the drill does, unless they have it: of a control, how long
/// the runbook takes; of a drill with a runbook, what the last control of what it breaks came to.
pub fn with_earlier(mut options: DrillOptions, run_dir: &Path, plan: &Plan) -> DrillOptions {
    // The runs of the project and those of its game days.
    let project = run_dir.ancestors().find(|dir| dir.ends_with(".firedrill"));
    let earlier: Vec<PathBuf> = project.or(run_dir.parent()).map(Path::to_path_buf).into_iter().collect();
    if plan.runbook.is_none() {
        return options;
    }
    if options.control {
        options.runbook_took = options.runbook_took.or_else(|| archive::runbook_took(&earlier, &plan.name));
    } else {
        let wanted = engine::announce(plan, &DrillOptions::default(), Announcement::default());
        options.last_control = options.last_control.or_else(|| archive::last_control(&earlier, &wanted));
    }
    options
}

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
    let run_dir = make_dir(&wanted.globals, wanted.out.as_deref(), "runs", &name, "run directory")?;
    let words = match &running {
        Some((_, running)) => format!("a toolbox beside {}", running.words),
        None => "a toolbox alone".to_string(),
    };
    let (identity, options) = (RunIdentity::of(&run_dir, false), StackOptions::from_env(wanted.no_build));
    let beside = running.as_ref().map(|(name, _)| *name);
    let stack = platform.attach(beside, toolbox, &identity, &options).await.map_err(attach_error)?;
    let redactor = Redactor::new(alone.respond.secrets().into_iter().chain(stack.secrets()));
    let reading = alone.runbook.accepted.as_ref().map(|accepted| &accepted.source);
    let sources = [&alone.runbook.source].into_iter().chain(reading).chain(crate::programs::own_file());
    let (events, ledger) = first_files(&run_dir, sources.map(|source| &**source), &redactor, false)?;
    let reaper = Reaper::start(run_dir.path())?;
    let sink = EventSink::new(Some(events), redactor, vec![display(wanted, person)]);
    let announcement = announce_alone(&alone, run_dir.id(), utc_text(utc_now()), &words);
    let asked = stop_when_asked(run_dir.path(), &shutdown);
    let outcome = follow_alone(alone, announcement, &*stack, ledger, sink.clone(), person, &shutdown).await;
    drop(asked);
    let cleaned = stack.save_logs(&run_dir.logs(), &sink.secrets.redactor()).await;
    // After the last file, and before the reaper goes: it seals what was not sealed.
    let sealed = seal(run_dir.path()).await;
    reaper.dismiss().await;
    cleaned?;
    say(&sink.read(|record| report::summary(record, Some(run_dir.path()), wanted.globals.color())));
    say(&sealing::lines(&sealed));
    sealed.map_err(|error| sealing::failure(run_dir.path(), &error))?;
    Ok(exit_of(outcome))
}
