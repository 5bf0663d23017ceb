//! `firedrill job`: what a game day starts elsewhere, in place of a task of its own: one drill, whose files come along, whose events
//! are printed, and whose directory is fetched when it has ended.

use super::Globals;
use super::conduct::{self, Begun, Carried, JobOrder, carry_out};
use crate::agent::protocol::BUILD;
use crate::engine::Nobody;
use crate::error::{Error, Exit};
use crate::gameday::exit_of;
use crate::record::{Announcement, BesideNote, Executed, RunDir, STOP, append_beside, utc_now, utc_text};
use crate::report::EventsJson;
use crate::source::render;
use crate::spec;
use crate::stack::{RUNNER_BUILD, RunIdentity, StackOptions, platform};
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Carries out one drill of a game day that takes place elsewhere.
#[derive(Debug, clap::Args)]
pub struct JobArgs {
    #[command(subcommand)]
    what: JobCommand,
}

#[derive(Debug, clap::Subcommand)]
enum JobCommand {
    /// Carries the drill out.
    Run {
        /// The archive with its files.
        files: PathBuf,
        /// Where the run's directory is made.
        results: PathBuf,
    },
    /// Writes a run's directory to standard output, as a tar archive.
    Pack {
        /// The run's directory.
        dir: PathBuf,
    },
    /// Asks the drill to stop.
    Stop {
        /// The run's directory.
        dir: PathBuf,
    },
}

/// Runs the command.
pub async fn run(args: JobArgs, globals: &Globals) -> Result<Exit, Error> {
    let on_disk = |path: &Path, error: io::Error| Error::harness(format!("{}: {error}", path.display()));
    match args.what {
        JobCommand::Run { files, results } => {
            // Before the order is read: another build may read it otherwise, and judge by other rules.
            let told = writeln!(crate::output::pipe::stdout(), "{RUNNER_BUILD}{BUILD}");
            told.map_err(|error| Error::harness(format!("standard output: {error}")))?;
            let order = unpack(&files).map_err(|error| on_disk(&files, error))?;
            drill(order, &results, globals).await
        }
        JobCommand::Pack { dir } => {
            let mut archive = tar::Builder::new(crate::output::pipe::stdout());
            archive.append_dir_all("", &dir).and_then(|()| archive.finish()).map_err(|error| on_disk(&dir, error))?;
            Ok(Exit::Passed)
        }
        JobCommand::Stop { dir } => {
            let note = BesideNote { at_utc: utc_text(utc_now()), by: "its game day".into(), text: String::new() };
            append_beside(&dir, STOP, &note).map_err(|error| on_disk(&dir, error))?;
            Ok(Exit::Passed)
        }
    }
}

/// Puts the files where they were on the machine that packed them, and reads the order.
fn unpack(files: &Path) -> io::Result<JobOrder> {
    let mut archive = tar::Archive::new(File::open(files)?);
    let mut entries = archive.entries()?;
    let first = entries.next().ok_or_else(|| io::Error::other("there is no order in it"))??;
    let order = serde_json::from_reader(first)?;
    for entry in entries {
        entry?.unpack_in("/")?;
    }
    Ok(order)
}

async fn drill(order: JobOrder, results: &Path, globals: &Globals) -> Result<Exit, Error> {
    Globals { project: order.overrides.project.clone(), ..globals.clone() }.add_programs()?;
    let (plan, diagnostics) = spec::load(&order.scenario, &order.overrides);
    let Some(mut plan) = plan else { return Err(Error::usage(render(&diagnostics, false))) };
    order.rate.into_iter().for_each(|rate| plan.calm(rate));
    let run_dir = RunDir::create_as(results, &order.who.run);
    let run_dir = run_dir.map_err(|error| Error::harness(format!("{}: {error}", results.display())))?;
    let platform = platform();
    let resolved = platform.resolve(&plan.stack).await.map_err(|error| Error::harness(error.to_string()))?;
    let options = StackOptions { secrets: plan.secrets(), ..StackOptions::from_env(true) };
    let stack = resolved.stack(&RunIdentity::of(&run_dir, false), &options).await?;
    let node = std::env::var("NODE").unwrap_or_default();
    let machine = format!("a Job on {node}, {}", conduct::kind_of_machine());
    let executed = order.who.executed.clone().map(|executed| Executed { machine, ..executed });
    let who = Announcement { executed, ..order.who };
    let begun = Begun { plan: &plan, stack: &stack, platform: &*platform, run_dir, options: order.options, who };
    let shutdown = conduct::listen()?;
    let Carried { record, saved, .. } =
        carry_out(begun, &mut Nobody, vec![Box::new(EventsJson::printed())], &shutdown).await?;
    saved.map_err(|error| Error::harness(format!("{}: {error}", results.display())))?;
    Ok(exit_of(record.outcome()))
}
