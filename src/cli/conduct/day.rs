//! Carries out a game day: everything is read, resolved and built before the first drill; then many drills side by side, each
//! with its own directory, ledger and reaper, started as the schedule says and as there is room.

mod attempt;
mod earlier;
mod images;
mod plan;
mod run;
mod save;

pub use save::save_day;

use super::{Format, environment, listen, on_disk, revision, say};
use crate::error::{Error, Exit};
use crate::gameday::{self, Circumstances, Prepared, Rules, Schedule, in_words};
use crate::record::{DayEvent, DayObserver, DaySink, RunDir, utc_now, utc_text};
use crate::report::{self, DayConsole, DayConsoleOptions, Drills, EventsJson, Verbosity};
use crate::spec::GameDay;
use crate::stack::Limits;
use crate::stack::docker::{DockerOptions, Endpoint, available, capacity};
use run::Runner;
use std::fs::File;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};

/// What the command line asks for.
#[derive(Debug, Clone)]
pub struct DayWishes {
    /// What it says about the plan.
    pub plan: gameday::Wishes,
    /// Never build images.
    pub no_build: bool,
    /// A JUnit report of the game day, beside the one in its directory.
    pub junit: Option<PathBuf>,
    /// Where the game day gets its directory.
    pub out: Option<PathBuf>,
    /// The project's directory.
    pub project: PathBuf,
    /// Only say what would be done.
    pub dry_run: bool,
    /// What is printed.
    pub format: Format,
    /// Only the summary.
    pub quiet: bool,
    /// How much more.
    pub verbose: u8,
    /// Whether colours are used.
    pub color: bool,
}

/// Runs a game day, or says what it would do.
pub async fn day(file: &GameDay, wishes: &DayWishes) -> Result<Exit, Error> {
    let endpoint = Endpoint::resolve().await.map_err(environment)?;
    let now = Circumstances {
        id: String::new(),
        started_utc: utc_text(utc_now()),
        revision: revision(&wishes.project).await,
        fresh_seed: super::drawn_seed(),
        occasion: gameday::occasion(
            |name| std::env::var(name).ok(),
            earlier::days(&wishes.project, wishes, &file.name),
        ),
    };
    let Prepared { day: mut plan, drills, settings } = gameday::prepare(file, &wishes.plan, &now);
    let ready = plan::ready(drills, &endpoint, wishes).await?;
    let now_free = available(&endpoint, None).await.map_err(environment)?;
    let engine = capacity(&endpoint).await.map_err(environment)?;
    let limits = Limits::new(&engine, &now_free, settings.parallel);
    plan.limits = limits.words(&ready.iter().map(|ready| ready.demand).collect::<Vec<_>>());
    if wishes.dry_run {
        crate::cli::output::print(&report::day_plan(&plan, &plan::expectations(&ready)))?;
        return Ok(Exit::Passed);
    }

    let dir =
        RunDir::days_root(&wishes.project, wishes.out.as_deref()).and_then(|root| RunDir::create(&root, &plan.name));
    let dir = dir.map_err(|error| {
        Error::harness(format!("no directory of the game day could be made: {error}"))
            .hint("name a directory with `--out`")
    })?;
    plan.id = dir.id().to_string();
    if let Some(source) = &file.source {
        let path = source.path.display().to_string();
        let kept = dir.keep_file(&path, source.text.as_bytes(), str::to_string);
        plan.file = Some(kept.map_err(|error| on_disk(dir.path(), &error))?);
    }
    let events = dir.path().join("gameday.jsonl");
    let events =
        File::options().append(true).create_new(true).open(&events).map_err(|error| on_disk(&events, &error))?;
    // A path that cannot be written is told before anything runs.
    save::save_junit(&Drills::default(), wishes.junit.as_deref())?;
    let signals = listen()?;
    let console = DayConsole::new(DayConsoleOptions {
        verbosity: Verbosity::from_flags(wishes.quiet || wishes.format == Format::Json, wishes.verbose),
        color: wishes.color,
        live: std::io::stderr().is_terminal(),
    });
    let mut observers: Vec<Box<dyn DayObserver>> = vec![Box::new(console.clone())];
    if wishes.format == Format::Json {
        observers.push(Box::new(EventsJson::stdout()));
    }
    let sink = DaySink::new(Some(events), observers);
    let stop = signals.child();
    sink.emit(DayEvent::DayAnnounced(Box::new(plan)));
    if let Some(budget) = settings.budget {
        let stop = stop.clone();
        tokio::spawn(async move {
            tokio::time::sleep(budget).await;
            stop.stop(&format!("the game day's time budget of {} ran out", in_words(budget)));
        });
    }
    for line in crate::cli::sweep::quick_sweep(&endpoint).await {
        sink.emit(DayEvent::DayNote { text: format!("sweep: {line}") });
    }
    let options = DockerOptions::from_env(wishes.no_build);
    let ready = images::make(ready, &endpoint, &options, &dir, &stop.cancel, &sink).await;
    let rules = Rules {
        retry: settings.retry,
        fail_fast: settings.fail_fast,
        starting: starting(engine.cpus),
        settle: Some(SETTLE),
        budget: settings.budget,
    };
    let schedule =
        Schedule::new(rules, ready.iter().map(|ready| (ready.planned.number, ready.planned.label(), ready.expected)));
    let runner = Runner {
        sink: sink.clone(),
        console: console.clone(),
        endpoint,
        options,
        limits,
        free: now_free,
        runs: dir.path().join("runs"),
        day: dir.id().to_string(),
        revision: now.revision,
        stop,
        ready,
    };
    let records = runner.run(schedule, |records| {
        let so_far = Drills { days: vec![sink.day()], records: records.to_vec() };
        save::save_so_far(&so_far, dir.path(), wishes.junit.as_deref())
    });
    let records = records.await;
    sink.emit(DayEvent::DayEnded);
    finish(Drills { days: vec![sink.day()], records }, &sink, dir.path(), settings.flaky, &signals, wishes)
}

/// The reports, the summary and the exit code.
fn finish(
    drills: Drills,
    sink: &DaySink,
    dir: &Path,
    flaky: crate::spec::Flaky,
    signals: &crate::engine::Shutdown,
    wishes: &DayWishes,
) -> Result<Exit, Error> {
    let saved = save_day(&drills, dir).map_err(|error| on_disk(dir, &error));
    let junit = save::save_junit(&drills, wishes.junit.as_deref());
    let day = sink.day();
    let exit = gameday::exit(&day, flaky, signals.cancel.is_cancelled());
    if wishes.format == Format::Human {
        say(&report::day_summary(&drills, dir, wishes.color));
    }
    saved?;
    junit?;
    match sink.write_error() {
        Some(error) => Err(Error::harness(format!("the game day's events could not be written to disk: {error}"))),
        None => Ok(exit),
    }
}

/// How long a starting stack keeps a processor busy, as the drills of this repository were measured: then its containers run
/// and are waited for.
const SETTLE: std::time::Duration = std::time::Duration::from_secs(5);

/// How many drills may start their stacks at once on an engine of so many processors: starting a stack keeps about one of them
/// busy, and a drill that measures beside it needs the others. Half of them, at least one.
fn starting(cpus: f64) -> usize {
    (cpus / 2.0).max(1.0) as usize
}
