//! `firedrill stop`: ends a drill that runs, from another terminal, as Ctrl-C does in its own.

use super::evidence::{named_or_running, user};
use crate::error::{Error, Exit};
use crate::output::{print, visible};
use crate::record::{BesideNote, STOP, Verdict, append_beside, utc_now, utc_text};
use std::time::{Duration, Instant};

/// How often it is looked whether the drill has ended, and for how long.
const POLL: Duration = Duration::from_millis(200);
const WITHIN: Duration = Duration::from_secs(120);

/// Stops a running drill: its faults are undone, its stack is removed, and its verdict is `interrupted`. Returns when it has
/// ended.
#[derive(Debug, clap::Args)]
pub struct StopArgs {
    /// The run: its id or a part of it, its directory, `latest` [default: the newest that is under way].
    #[arg(value_name = "RUN")]
    run: Option<String>,
}

/// Runs the command.
pub async fn run(args: StopArgs, globals: &super::Globals) -> Result<Exit, Error> {
    let dir = named_or_running(args.run.as_deref(), &globals.project)?;
    let run = visible(&dir.file_name().unwrap_or_default().to_string_lossy());
    if !crate::archive::is_under_way(&dir) {
        return Err(Error::usage(format!("{run} is not running")));
    }
    let asked = BesideNote { at_utc: utc_text(utc_now()), by: user(), text: String::new() };
    append_beside(&dir, STOP, &asked).map_err(|error| Error::harness(format!("the run cannot be told: {error}")))?;
    let began = Instant::now();
    while crate::archive::is_under_way(&dir) {
        if began.elapsed() >= WITHIN {
            return Err(Error::harness(format!("{run} has not ended within {} s", WITHIN.as_secs()))
                .hint("kill its process: its reaper undoes the faults and removes the stack"));
        }
        tokio::time::sleep(POLL).await;
    }
    let record = crate::archive::read_run(&dir).map_err(|error| Error::harness(error.to_string()))?;
    let told = match record.verdict {
        Verdict::Interrupted => format!("stopped {run}\n"),
        verdict => format!("{run} had come to its own end: {}\n", verdict.name()),
    };
    print(&told).map(|()| Exit::Passed)
}
