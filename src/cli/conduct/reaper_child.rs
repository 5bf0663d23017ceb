//! The reaper as a child of the runner: started before anything else is, holding a pipe whose end-of-file tells it
//! that the runner is gone, however it went.

use crate::error::Error;
use crate::process::{self, Running};
use std::fs::File;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

/// The running reaper, whose standard input is the pipe.
pub struct Reaper(Running);

impl Reaper {
    /// Starts it for a run directory; what it says goes to `reaper.log` there.
    pub fn start(run_dir: &Path) -> Result<Reaper, Error> {
        let failed = |error: std::io::Error| Error::harness(format!("the reaper could not be started: {error}"));
        let log = File::create_new(run_dir.join("reaper.log")).map_err(failed)?;
        let mut reaper = process::outliving(std::env::current_exe().map_err(failed)?);
        reaper.arg("reaper").arg(run_dir);
        reaper.stdin(Stdio::piped()).stdout(log.try_clone().map_err(failed)?).stderr(log);
        let mut running = Running::start(reaper).map_err(failed)?;
        running.leave();
        Ok(Reaper(running))
    }

    /// Lets it go, once the ledger is closed.
    pub async fn dismiss(mut self) {
        drop(self.0.child.stdin.take());
        // It reads the closed ledger and ends; one that does not must not hold up the drill's result.
        let _ = tokio::time::timeout(Duration::from_secs(2), self.0.wait()).await;
    }
}
