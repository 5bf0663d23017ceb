//! An SLI from a command in a service: it is due at a steady pace, and each run is an event, good when it exits with 0 in time.
//!
//! ```yaml
//! slis:
//!   mail: { command: { service: mail, run: "sendmail -bv probe@example.com", every: 1s }, objective: 95% }
//! ```

use super::ServiceScript;
use crate::agent::source::{EventMaker, SliSource, bounded};
use crate::faults::read_question;
use crate::record::script_secrets;
use crate::source::At;
use std::time::Duration;

/// Each run costs the engine a process.
const LEAST_EVERY: Duration = Duration::from_millis(500);
/// Most runs of one SLI at a time.
const MOST_RUNS: u32 = 10;
const LONGEST: Duration = Duration::from_secs(60);

/// Reads `command` of an SLI.
pub(super) fn read(sli: &str, at: &mut At<'_>) -> Option<SliSource> {
    let line = at.line();
    let mut map = at.map("`command`")?.of_section("Commands");
    let service: Option<String> = map.require("service");
    let instead = "ask for what is meant: `test ! -f /srv/maintenance`";
    let run = map.require_by("run", |at| read_question(at, "a good event", instead));
    let every = bounded(&mut map, "every", Duration::from_secs(1), LEAST_EVERY..=LONGEST);
    let within = bounded(&mut map, "timeout", Duration::from_secs(2), Duration::from_millis(100)..=LONGEST);
    if within > every * MOST_RUNS {
        let message = format!("more than {MOST_RUNS} runs at a time: `timeout` is longer than {MOST_RUNS} × `every`");
        map.wrong("timeout", message).help("each run costs the engine a process: ask less often, or wait less long");
    }
    map.finish()?;
    let script = ServiceScript { service: service?, run: run?, within, line };
    let shown = script.run.split_whitespace().collect::<Vec<_>>().join(" ");
    let event = format!("a command in {}: {shown}", script.service);
    let (services, secrets) = (vec![script.service.clone()], script_secrets(&script.run));
    let pace = (&*format!("command:{sli}"), 1.0 / every.as_secs_f64(), within);
    Some(SliSource { services, secrets, ..SliSource::new(pace, event, EventMaker::Script(script)) })
}
