//! Carries out a game day: everything is read, resolved and built before the first drill; then many drills side by side, each
//! with its own directory, ledger and reaper, started as the schedule says and as there is room.

mod plan;
mod remote;
mod run;

pub use remote::JobOrder;

use super::{listen, on_disk, revision, say};
use crate::archive::evidence;
use crate::cli::notify::{LAST_WORDS, Notified};
use crate::cli::sealing;
use crate::cli::{Globals, TextOrJson};
use crate::engine::{ConcurrentDrills, Shutdown};
use crate::error::{Error, Exit};
use crate::gameday::{self, DaySchedule, Prepared, ScheduleRules};
use crate::notify::Notifier;
use crate::record::{
    DayEvent, DayPlan, DaySink, DayStamped, Observer, PlannedDrill, Record, Stopped, random, utc_now, utc_text,
    write_atomic,
};
use crate::report::{self, DayConsole, Drills, EventsJson};
use crate::spec::{GameDay, Overrides, Show};
use crate::stack::{DrillRoom, Limits, REMOTE_SITES, StackOptions, platform};
use plan::Ready;
use remote::RemoteDay;
use run::Runner;
use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;

/// What the command line asks for.
#[derive(Clone, clap::Args)]
pub struct DayOptions {
    /// Carry the drills out elsewhere: `kubernetes` makes a Job of each in the cluster of their stacks.
    #[arg(long, value_name = "PLACE", value_parser = clap::builder::PossibleValuesParser::new(REMOTE_SITES))]
    pub on: Option<String>,
    /// Never build images; an image that is missing is an error of its drills.
    #[arg(long)]
    pub no_build: bool,
    /// Also write the JUnit report to this file, saved again after each drill.
    #[arg(long, value_name = "FILE")]
    pub junit: Option<PathBuf>,
    /// Directory in which the game day gets a directory of its own [default: .firedrill/gamedays].
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// What to print: for people, or every event of the game day as a line of JSON on standard output.
    #[arg(long, value_enum, default_value_t = TextOrJson::Text)]
    pub format: TextOrJson,
    /// The project's directory, and how much is printed.
    #[arg(skip)]
    pub globals: Globals,
    /// Who is told about it: one incident for all of its drills.
    #[arg(skip)]
    pub notified: Notified,
    /// What the command line adds to the scenarios.
    #[arg(skip)]
    pub overrides: Overrides,
}

/// Runs a game day: its drills here, or elsewhere. `asked` is what the command line says about the plan.
pub async fn day(mut file: GameDay, asked: gameday::PlanOptions, wanted: &DayOptions) -> Result<Exit, Error> {
    let platform = platform();
    let (site, refused) = match &wanted.on {
        Some(name) => remote::reach(&*platform, name, &file).await.map(|(site, refused)| (Some(site), refused))?,
        None => {
            platform.connect().await?;
            (None, BTreeMap::new())
        }
    };
    let env = |name: &str| std::env::var(name).ok();
    let (started_utc, revision) = (utc_text(utc_now()), revision(&wanted.globals.project).await);
    file.seed.get_or_insert_with(random);
    let occasion = gameday::occasion(env, plan::earlier_days(wanted, &file.name));
    let options = gameday::PlanOptions { refused, occasion, ..asked };
    let Prepared { day: plan, drills, refused } = gameday::prepare(&file, &options);
    let mut plan = DayPlan { started_utc, revision: revision.clone(), occasion: gameday::run_of_ci(env), ..plan };
    let ready = plan::ready(drills, &*platform, wanted).await?;
    let DrillRoom { free, capacity, most: quota } = match &site {
        Some(site) => site.room().await?,
        None => platform.room(None).await?,
    };
    let most = file.parallel.into_iter().chain(quota.as_ref().map(|(most, _)| *most)).min();
    let limits = Limits::new(&capacity, &free, most);
    plan.limits = limits.words(&ready.iter().map(|ready| ready.demand).collect::<Vec<_>>());
    plan.limits.extend(quota.map(|(_, why)| format!("; {why}")));

    let (out, what) = (wanted.out.as_deref(), "directory of the game day");
    let dir = super::make_dir(&wanted.globals, out, "gamedays", &plan.name, what)?;
    plan.id = dir.id().to_string();
    plan.drills.extend(refused.iter().map(|(drill, _)| drill.clone()));
    if let Some(source) = &file.source {
        let path = source.path.display().to_string();
        let kept = dir.keep_file(&path, source.text.as_bytes(), str::to_string);
        plan.file = Some(kept.map_err(|error| on_disk(dir.path(), &error))?);
    }
    let events = dir.path().join("gameday.jsonl");
    let events =
        File::options().append(true).create_new(true).open(&events).map_err(|error| on_disk(&events, &error))?;
    // A path that cannot be written is told before anything runs.
    save_junit(&Drills::default(), wanted.junit.as_deref())?;
    let signals = listen()?;
    let console = DayConsole::new(super::console(&wanted.globals, wanted.format == TextOrJson::Json));
    let mut observers: Vec<Box<dyn Observer<DayStamped>>> = vec![Box::new(console.clone())];
    if wanted.format == TextOrJson::Json {
        observers.push(Box::new(EventsJson::printed()));
    }
    let notifier = Notifier::start(&wanted.notified.targets, dir.path());
    observers.push(notifier.of_day());
    let sink = DaySink::new(Some(events), observers);
    let stop = signals.child();
    sink.emit(DayEvent::DayAnnounced(Box::new(plan)));
    for (PlannedDrill { number, .. }, why) in refused {
        sink.emit(DayEvent::DrillNotRun { number, why });
    }
    let so_far = |records: &[Record]| {
        let drills = Drills { days: vec![sink.day()], records: records.to_vec(), ..Drills::default() };
        // After each drill, and not more than that: other drills are being measured meanwhile. What cannot be written now is said at the end.
        let _ = save_day(&drills, dir.path(), false);
        let _ = save_junit(&drills, wanted.junit.as_deref());
    };
    so_far(&[]);
    let remote = match site {
        Some(site) => Some(Arc::new(RemoteDay::open(site, &dir, &*platform, wanted, file.rate).await?)),
        None => None,
    };
    let watch = tokio::spawn(watch(file.budget, signals.clone(), stop.clone(), sink.clone()));
    for line in crate::cli::sweep::quick_sweep(&*platform).await {
        sink.emit(DayEvent::DayNote { text: format!("sweep: {line}") });
    }
    let options = StackOptions::from_env(wanted.no_build);
    let ready = plan::make_images(ready, &options, &dir, &stop.cancel, &sink).await;
    // Starting a stack keeps about one processor busy, and a drill that measures beside it needs the others: half of them.
    let starting = (capacity.cpus / 2.0).max(1.0) as usize;
    let rules = ScheduleRules { retry: file.retry, fail_fast: file.fail_fast, starting, budget: file.budget };
    let planned = |ready: &Ready| (ready.drill.planned.number, ready.drill.planned.label(), ready.expected);
    let schedule = DaySchedule::new(rules, ready.iter().map(planned));
    let runner = Arc::new(Runner {
        sink: sink.clone(),
        console: console.clone(),
        platform,
        options,
        limits,
        free,
        runs: dir.path().join("runs"),
        day: dir.id().to_string(),
        revision,
        stop,
        ready,
        remote: remote.clone(),
        concurrent: ConcurrentDrills::default(),
    });
    let records = runner.run(schedule, so_far).await;
    let closed = match &remote {
        Some(remote) => remote.close().await,
        None => Ok(()),
    };
    watch.abort();
    // It may be saying something at this moment; nothing comes after the end.
    let _ = watch.await;
    if let Err(error) = &closed {
        sink.emit(DayEvent::DayNote { text: error.message.clone() });
    }
    // It may have come after the last drill.
    if signals.cancel.is_cancelled() && sink.day().stopped != Some(Stopped::Signal) {
        sink.emit(DayEvent::DayStopped { why: Stopped::Signal });
    }
    sink.emit(DayEvent::DayEnded);
    let exit = finish(Drills { days: vec![sink.day()], records, ..Drills::default() }, &sink, dir.path(), wanted);
    super::say_unsent(&notifier.finish(LAST_WORDS, super::next_signal(&signals)).await, dir.path());
    closed.and(exit)
}

/// Says why the game day is stopped as soon as it is, by its budget or by a signal: whoever sent the signal may not wait.
async fn watch(budget: Option<Duration>, signals: Shutdown, stop: Shutdown, sink: DaySink) {
    if let Some(budget) = budget
        && timeout(budget, signals.cancel.cancelled()).await.is_err()
    {
        sink.emit(DayEvent::DayStopped { why: Stopped::Budget });
        stop.stop(&format!("the game day's time budget of {} ran out", Show(budget)));
    }
    signals.cancel.cancelled().await;
    sink.emit(DayEvent::DayStopped { why: Stopped::Signal });
}

/// The reports, the summary and the exit code.
fn finish(drills: Drills, sink: &DaySink, dir: &Path, wanted: &DayOptions) -> Result<Exit, Error> {
    let saved = save_day(&drills, dir, true).map_err(|error| on_disk(dir, &error));
    let junit = save_junit(&drills, wanted.junit.as_deref());
    let sealed = evidence::seal(dir, false);
    let exit = gameday::exit_of(sink.day().outcome());
    if wanted.format == TextOrJson::Text {
        say(&report::day_summary(&drills, dir, wanted.globals.color()));
        say(&sealing::lines(&sealed));
    }
    saved?;
    junit?;
    sealed.map_err(|error| sealing::failure(dir, &error))?;
    match sink.write_error() {
        Some(error) => Err(Error::harness(format!("the game day's events could not be written to disk: {error}"))),
        None => Ok(exit),
    }
}

/// Writes the reports of a game day into its directory: all of them, or those that must not be lost when the runner is killed. One
/// that fails does not keep the others from being written.
fn save_day(drills: &Drills, dir: &Path, all: bool) -> io::Result<()> {
    let mut files = vec![("gameday.json", report::json_day(drills)), ("junit.xml", report::junit_day(drills))];
    if all {
        files.extend([("report.html", report::html(drills)), ("report.md", report::markdown(drills))]);
    }
    files.into_iter().map(|(name, content)| write_atomic(&dir.join(name), &content)).fold(Ok(()), io::Result::and)
}

/// The JUnit report where the command line wants it.
///
/// # Errors
/// When it cannot be written.
fn save_junit(drills: &Drills, path: Option<&Path>) -> Result<(), Error> {
    let Some(path) = path else { return Ok(()) };
    write_atomic(path, &report::junit_day(drills)).map_err(|error| on_disk(path, &error))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sink() -> DaySink {
        DaySink::new(None, Vec::new())
    }

    #[tokio::test(start_paused = true)]
    async fn the_budget_and_a_signal_are_told_apart() {
        let (signals, events) = (Shutdown::default(), sink());
        let stop = signals.child();
        let watch = tokio::spawn(watch(Some(Duration::from_secs(60)), signals.clone(), stop.clone(), events.clone()));
        stop.cancel.cancelled().await;
        assert_eq!(events.day().stopped, Some(Stopped::Budget));
        assert!(stop.reason().contains("time budget"), "{}", stop.reason());
        signals.cancel.cancel();
        watch.await.unwrap();
        assert_eq!(events.day().stopped, Some(Stopped::Signal), "it stopped what the budget was undoing");
    }

    #[tokio::test(start_paused = true)]
    async fn a_signal_is_no_budget() {
        let (signals, events) = (Shutdown::default(), sink());
        let watch = tokio::spawn(watch(None, signals.clone(), signals.child(), events.clone()));
        signals.cancel.cancel();
        watch.await.unwrap();
        assert_eq!(events.day().stopped, Some(Stopped::Signal));
    }
}
