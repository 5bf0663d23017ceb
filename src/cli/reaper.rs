//! `firedrill reaper`: undoes a drill whose runner was killed. Started by the runner before `up`; waits for the
//! end-of-file of its standard input.

use super::sealing::{end_cut_off, save, seal_cut_off};
use crate::archive::evidence::is_sealed;
use crate::engine::reaper::cut_off;
use crate::error::{Error, Exit};
use crate::output::say_line;
use crate::record::RunDir;
use crate::stack::{StackError, platform};
use std::io::Read;
use std::path::PathBuf;

/// Undoes a drill whose runner was killed.
#[derive(Debug, clap::Args)]
pub struct ReaperArgs {
    /// The run directory.
    dir: PathBuf,
}

/// Runs the command.
pub async fn run(args: ReaperArgs, _globals: &super::Globals) -> Result<Exit, Error> {
    // Nothing that ends the runner may end the reaper; it has a process group of its own, and no use for signals.
    let _signals = super::conduct::listen()?;
    // In a thread, because nothing is ever written to this pipe: it only ends.
    let _ = tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new())).await;
    let on_disk = |error: std::io::Error| Error::harness(format!("{}: {error}", args.dir.display()));
    let run_dir = RunDir::open(&args.dir).map_err(on_disk)?;
    let Some(found) = cut_off(&run_dir).map_err(on_disk)? else {
        // It ended by itself, but may have been killed before its reports were written.
        if !run_dir.path().join("record.json").exists() {
            let record = run_dir.journal().map_err(on_disk)?.record().clone();
            save(&record, &run_dir).map_err(on_disk)?;
        }
        if !is_sealed(&args.dir) {
            seal_cut_off(&args.dir).map_err(on_disk)?;
        }
        return Ok(Exit::Passed);
    };
    // The lock falls when the runner has really gone, and with it held a sweep leaves this run to the reaper.
    let _lock = tokio::task::spawn_blocking(move || RunDir::inherit(run_dir.path())).await;
    let run_dir = RunDir::open(&args.dir).map_err(on_disk)?;
    // Named by its directory, which its runner made: the first line of the ledger may be missing.
    let run = run_dir.id().to_string();
    say_line(&format!("the runner of {run} is gone: undoing its drill"));
    // A `docker compose up` of the dead runner would go on creating what is being removed.
    let platform = platform();
    platform.end_commands(&run);
    let failed = |error: StackError| vec![format!("everything that was up: {error}")];
    let left = match platform.reopen(&run).await {
        Ok(stack) if found.keep => match super::undo::undo(&*stack, &run_dir).await {
            Ok(undone) => {
                undone.done.iter().for_each(|line| say_line(line));
                undone.left
            }
            Err(error) => vec![format!("the faults: {}: {error}", run_dir.ledger_path().display())],
        },
        Ok(stack) => stack.down().await.map_or_else(failed, |down| down.left),
        // The record is completed all the same; `sweep` removes the rest once the engine is back.
        Err(error) => failed(error),
    };
    say_line(&format!("left: {left:?}"));
    // Last: what this process says goes to a file that is sealed.
    end_cut_off(&run_dir, left, found.keep).map_err(on_disk)?;
    Ok(Exit::Passed)
}
