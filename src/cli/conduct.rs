//! Carries out drills from a checked plan to files on disk: the run directory, the reaper, the sinks, the reports.

mod day;
mod drill;
mod reaper_child;
mod signals;

pub use day::{DayOptions, JobOrder, day};
pub use signals::{end_on_signals, listen};

use super::ask::Terminal;
use super::findings::StackCheck;
use super::notify::{LAST_WORDS, Notified};
use super::sealing;
use super::{Globals, TextOrJson};
use crate::engine::{DrillOptions, Shutdown};
use crate::error::{Error, Exit};
use crate::gameday::exit_of;
use crate::notify::Notifier;
use crate::output::{say, say_line, stderr_is_terminal};
use crate::process;
use crate::record::{
    Announcement, Executed, Observer, Record, RunDir, RunOutcome, as_it_is_kept, random, utc_now, write_atomic,
};
use crate::report::{self, Console, ConsoleOptions, EventsJson, Verbosity};
use crate::source::Diagnostics;
use crate::spec::Plan;
use crate::stack::{AttachError, Platform, ResolvedStack, RunIdentity, StackOptions, platform};
use crate::view::words;
pub use drill::{Begun, Carried, carry_out, follow};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// How long a program may take that adds to the evidence; a drill does not wait for it.
const EVIDENCE_WITHIN: Duration = Duration::from_secs(5);

/// What the command line asks for.
#[derive(Clone, Default, clap::Args)]
pub struct ConductOptions {
    /// Seed of everything random in the drill; drawn and recorded when it is not given.
    #[arg(long)]
    pub seed: Option<u64>,
    /// Leave the stack up when the drill does not pass, and say how to look into it and how to remove it.
    #[arg(long)]
    pub keep: bool,
    /// The same drill without the runbook: users must not recover.
    #[arg(long)]
    pub control: bool,
    /// Print what would be started, broken and undone, and what would be run; start and change nothing.
    #[arg(long, conflicts_with_all = ["keep", "ask", "junit", "out"])]
    pub dry_run: bool,
    /// Never build images; an image that is missing is an error.
    #[arg(long)]
    pub no_build: bool,
    /// Write a JUnit report of all drills to this file, saved again after each drill.
    #[arg(long, value_name = "FILE")]
    pub junit: Option<PathBuf>,
    /// Directory in which each drill gets a directory of its own [default: .firedrill/runs].
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Ask at the terminal: for steps that are a person's to be done by hand, and for inputs without a value. The drill's
    /// clocks run meanwhile. Without it such steps are skipped, and a step whose input has no value is blocked.
    #[arg(long, conflicts_with = "control")]
    pub ask: bool,
    /// What to print: for people, or every event as a line of JSON on standard output.
    #[arg(long, value_enum, default_value_t = TextOrJson::Text)]
    pub format: TextOrJson,
    /// The project's directory, and how much is printed.
    #[arg(skip)]
    pub globals: Globals,
    /// Who is told about it.
    #[arg(skip)]
    pub notified: Notified,
}

/// Runs all drills, one after the other; the worst exit is the exit.
pub async fn all(plans: &mut [Plan], wanted: &ConductOptions) -> Result<Exit, Error> {
    let platform = platform();
    platform.connect().await?;
    let color = wanted.globals.color();
    // This executable is hashed meanwhile: each drill tells what carried it out.
    let (stacks, _) = tokio::join!(resolved(&*plans, &*platform, color), executed(&*platform));
    let stacks = match stacks {
        Ok(stacks) => stacks,
        Err(error) => match super::consent::settle(plans, &*platform).await? {
            true => resolved(&*plans, &*platform, color).await?,
            false => return Err(error),
        },
    };
    let shutdown = swept(&*platform, wanted.globals.quiet).await?;
    save_junit(wanted, &[], None, plans)?;
    let mut records: Vec<Record> = Vec::new();
    let mut worst = RunOutcome::Passed;
    for (plan, stack) in plans.iter().zip(stacks) {
        if shutdown.cancel.is_cancelled() {
            // Drills that were asked for and never run have not passed.
            worst = RunOutcome::Interrupted;
        }
        // By a signal, or by the person who was asked.
        if worst == RunOutcome::Interrupted {
            break;
        }
        let (record, saved) = one(plan, &*stack, wanted, &*platform, &shutdown).await?;
        worst = worst.max(record.outcome());
        records.push(record);
        let told = save_junit(wanted, &records, saved.as_ref().err(), plans);
        saved?;
        told?;
    }
    Ok(exit_of(worst))
}

/// Removes what runs left that nobody ended, says what, and begins to listen for signals.
async fn swept(platform: &dyn Platform, quiet: bool) -> Result<Shutdown, Error> {
    let swept = super::sweep::quick_sweep(platform).await;
    swept.iter().filter(|_| !quiet).for_each(|line| say_line(&format!("sweep: {line}")));
    listen()
}

/// Saved after each drill, and once before the first one: a path that cannot be written is told before anything runs.
/// Drills that were asked for and have not begun are errors in it, and so is what kept the last one from being saved or sealed.
fn save_junit(
    wanted: &ConductOptions,
    records: &[Record],
    unsaved: Option<&Error>,
    plans: &[Plan],
) -> Result<(), Error> {
    let Some(path) = &wanted.junit else { return Ok(()) };
    let control = if wanted.control { " (control)" } else { "" };
    let left = plans.iter().skip(records.len()).map(|plan| format!("{}{control}", plan.name));
    let bytes = report::junit_so_far(
        &records.iter().collect::<Vec<_>>(),
        unsaved.map(|error| error.message.as_str()),
        &left.collect::<Vec<_>>(),
        utc_now(),
    );
    write_atomic(path, &bytes).map_err(|error| on_disk(path, &error))
}

/// Whether each plan has a stack that it fits, without starting anything.
pub async fn resolve(plans: &[Plan], color: bool) -> Result<(), Error> {
    let platform = platform();
    platform.connect().await?;
    resolved(plans, &*platform, color).await.map(drop)
}

/// The stacks of all plans, each resolved and fit for its plan: nothing is started before all of them are.
async fn resolved<'p, P>(plans: P, platform: &dyn Platform, color: bool) -> Result<Vec<Arc<dyn ResolvedStack>>, Error>
where
    P: IntoIterator<Item = &'p Plan>,
{
    let (mut check, mut stacks) = (StackCheck::new(platform, Diagnostics::default()), Vec::new());
    for plan in plans {
        stacks.extend(check.resolve(plan).await?);
    }
    if check.diags.has_errors() {
        let text = crate::source::render(&check.diags, color);
        return Err(Error { hint: check.consent(), ..Error::usage(format!("nothing was started\n{text}")) });
    }
    Ok(stacks)
}

/// A directory of this name, in the one that `out` names or the project has in this folder; `what` says what would be there.
fn make_dir(globals: &Globals, out: Option<&Path>, folder: &str, name: &str, what: &str) -> Result<RunDir, Error> {
    let made = RunDir::root(&globals.project, out, folder).and_then(|root| RunDir::create(&root, name));
    made.map_err(|error| {
        Error::harness(format!("no {what} could be made: {error}")).hint("name a directory with `--out`")
    })
}

/// A drill: its record, and whether that could be saved and sealed.
async fn one(
    plan: &Plan,
    resolved: &dyn ResolvedStack,
    wanted: &ConductOptions,
    platform: &dyn Platform,
    shutdown: &Shutdown,
) -> Result<(Record, Result<(), Error>), Error> {
    let run_dir = make_dir(&wanted.globals, wanted.out.as_deref(), "runs", &plan.name, "run directory")?;
    let dir = run_dir.path().to_path_buf();
    let options = StackOptions { secrets: plan.secrets(), ..StackOptions::from_env(wanted.no_build) };
    let stack = resolved.stack(&RunIdentity::of(&run_dir, wanted.keep), &options).await?;
    let runbook = plan.runbook.as_ref().map_or("", |runbook| &runbook.source.text);
    let mut person = Terminal::new(wanted.ask, runbook);
    let notifier = Notifier::start(&wanted.notified.targets, &dir);
    let mut observers = vec![display(wanted, &person)];
    if !wanted.notified.targets.is_empty() {
        observers.push(Box::new(notifier.of_drill(wanted.notified.every)));
    }
    let seed = wanted.seed.unwrap_or_else(random);
    let options = DrillOptions { control: wanted.control, keep: wanted.keep, seed, ..DrillOptions::default() };
    let who = Announcement { revision: revision(&wanted.globals.project).await, ..Announcement::default() };
    let begun = Begun { plan, stack: &stack, platform, run_dir, options, who };
    let Carried { record, saved, sealed } = carry_out(begun, &mut person, observers, shutdown).await?;
    if wanted.format == TextOrJson::Text {
        say(&report::summary(&record, Some(&dir), wanted.globals.color()));
        if record.kept {
            let stands = as_it_is_kept(&record.irreversible());
            say(&format!("{stands}\n{}\n", stack.how_to_look().join("\n")));
        }
        say(&sealing::lines(&sealed));
    }
    // The drill is over, sealed and told: now its last messages may take their time.
    say_unsent(&notifier.finish(LAST_WORDS, next_signal(shutdown)).await, &dir);
    let saved = saved.map_err(|error| on_disk(&dir, &error));
    let sealed = sealed.map(drop).map_err(|error| sealing::failure(&dir, &error));
    Ok((record, saved.and(sealed)))
}

/// What is cancelled by the next signal.
fn next_signal(shutdown: &Shutdown) -> &CancellationToken {
    if shutdown.cancel.is_cancelled() { &shutdown.hurry } else { &shutdown.cancel }
}

/// Says which messages were not sent.
fn say_unsent(unsent: &[(String, usize)], run: &Path) {
    for (target, count) in unsent {
        let (count, log) = (words::many(*count, "message"), crate::record::beside_run(run, "sent"));
        say_line(&format!("warning: {count} to {target} not sent: see {}", log.display()));
    }
}

/// Who shows the drill while it runs.
fn display(wanted: &ConductOptions, person: &Terminal) -> Box<dyn Observer> {
    let pause = person.pause.clone();
    match wanted.format {
        TextOrJson::Json => Box::new(EventsJson::printed()),
        TextOrJson::Text => Box::new(Console::new(ConsoleOptions { pause, ..console(&wanted.globals, false) })),
    }
}

/// How the console shows drills; `is_silent` where standard output has their events.
fn console(globals: &Globals, is_silent: bool) -> ConsoleOptions {
    let verbosity = Verbosity::from_flags(globals.quiet || is_silent, globals.verbose);
    ConsoleOptions { verbosity, color: globals.color(), live: stderr_is_terminal(), ..ConsoleOptions::default() }
}

/// Commit of the project's Git repository, `-dirty` where files that Git knows have changed; `None` without Git. Part of the
/// evidence, never a reason to fail.
pub async fn revision(project: &Path) -> Option<String> {
    let describe = ["describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"];
    let mut git = process::git(project);
    git.args(describe);
    let told = process::output(git, EVIDENCE_WITHIN).await.ok()?;
    let text = String::from_utf8(told.stdout).ok()?.trim().to_string();
    (told.status.success() && !text.is_empty()).then_some(text)
}

/// Who carries drills out here, and on what: the same for every drill of this process.
pub async fn executed(platform: &dyn Platform) -> Executed {
    static KNOWN: tokio::sync::OnceCell<Executed> = tokio::sync::OnceCell::const_new();
    KNOWN
        .get_or_init(|| async {
            // CI systems first: there the user of the operating system is nobody.
            let names = ["GITHUB_ACTOR", "GITLAB_USER_LOGIN", "BUILD_USER_ID", "USER", "LOGNAME"];
            let by = names.iter().filter_map(|name| std::env::var(name).ok()).find(|name| !name.trim().is_empty());
            let program = tokio::task::spawn_blocking(|| {
                let file = std::env::current_exe().and_then(std::fs::File::open).ok()?;
                Some(crate::archive::evidence::Digest::of_all(file).ok()?.0.to_string())
            });
            let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
            let host = if host.trim().is_empty() { "name not known" } else { host.trim() };
            let program_sha256 = program.await.ok().flatten();
            let machine = format!("{host}, {}", kind_of_machine());
            Executed { by, program_sha256, machine, engine: platform.version().await }
        })
        .await
        .clone()
}

/// System, architecture and processors of this machine.
pub fn kind_of_machine() -> String {
    let cpus = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    format!("{} {}, {cpus} processors", std::env::consts::OS, std::env::consts::ARCH)
}

/// An error of attaching to a stack, as an error of the command.
pub fn attach_error(error: AttachError) -> Error {
    match error {
        AttachError::Environment(error) => error.into(),
        AttachError::NotRunning { message, hint } => Error::usage(message).hint(hint),
    }
}

fn on_disk(path: &Path, error: &std::io::Error) -> Error {
    Error::harness(format!("{} could not be written: {error}", path.display()))
}
