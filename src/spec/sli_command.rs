//! An SLI from a command in a service: it is due at a steady pace, and each run is an event, good when it exits with 0 in time.
//!
//! ```yaml
//! slis:
//!   mail: { command: { service: mail, run: "sendmail -bv probe@example.com", every: 1s }, objective: 95% }
//! ```

use super::ServiceScript;
use crate::agent::protocol::AgentAsk;
use crate::agent::source::{Environments, SliSource, bounded};
use crate::faults::read_question;
use crate::record::script_secrets;
use crate::slis::SliSpec;
use crate::source::At;
use std::sync::Arc;
use std::time::Duration;

/// Each run costs the engine a process.
const LEAST_EVERY: Duration = Duration::from_millis(500);
/// Most runs of one SLI at a time.
const MOST_RUNS: u32 = 10;
const LONGEST: Duration = Duration::from_secs(60);

/// A command as a scenario has it.
#[derive(Debug, Clone)]
pub struct SliCommand {
    series: String,
    script: ServiceScript,
    every: Duration,
}

impl SliCommand {
    /// Reads `command` of an SLI.
    pub(super) fn read(sli: &str, at: &mut At<'_>) -> Option<Arc<dyn SliSource>> {
        let line = at.line();
        let mut map = at.map("`command`")?.of_section("Commands");
        let service: Option<String> = map.require("service");
        let instead = "ask for what is meant: `test ! -f /srv/maintenance`";
        let run = map.require_by("run", |at| read_question(at, "a good event", instead));
        let every = bounded(&mut map, "every", Duration::from_secs(1), LEAST_EVERY..=LONGEST);
        let within = bounded(&mut map, "timeout", Duration::from_secs(2), Duration::from_millis(100)..=LONGEST);
        if within > every * MOST_RUNS {
            let message =
                format!("more than {MOST_RUNS} runs at a time: `timeout` is longer than {MOST_RUNS} × `every`");
            map.wrong("timeout", message)
                .help("each run costs the engine a process: ask less often, or wait less long");
        }
        map.finish()?;
        let script = ServiceScript { service: service?, run: run?, within, line };
        Some(Arc::new(SliCommand { series: format!("command:{sli}"), script, every }))
    }
}

impl SliSource for SliCommand {
    fn series(&self) -> &str {
        &self.series
    }

    fn rate(&self) -> f64 {
        1.0 / self.every.as_secs_f64()
    }

    fn longest(&self) -> Duration {
        self.script.within
    }

    fn event(&self) -> String {
        let run = self.script.run.split_whitespace().collect::<Vec<_>>().join(" ");
        format!("a command in {}: {run}", self.script.service)
    }

    fn services(&self) -> Vec<String> {
        vec![self.script.service.clone()]
    }

    fn secrets(&self) -> Vec<String> {
        script_secrets(&self.script.run)
    }

    fn script(&self) -> Option<&ServiceScript> {
        Some(&self.script)
    }

    fn ask(&self, _: &[SliSpec], _: u64, _: Environments<'_>) -> Result<AgentAsk, String> {
        Err("the runner makes the events of a command, and no agent".into())
    }
}
