//! The options that say whom to tell about a drill or a game day.

use crate::error::Error;
use crate::notify::ReadyTarget;
use crate::source::parse_duration;
use std::time::Duration;

/// How long the last messages may take once a drill is over.
pub const LAST_WORDS: Duration = Duration::from_secs(15);

/// Every message is built of the whole record: more often would disturb the drill.
const OFTEN: Duration = Duration::from_secs(10);

fn interval(text: &str) -> Result<Duration, String> {
    let every = parse_duration(text)?;
    if every >= OFTEN { Ok(every) } else { Err(format!("at least {} s", OFTEN.as_secs())) }
}

/// Whom to tell, and how often.
#[derive(Debug, Clone, clap::Args)]
pub struct Notify {
    /// Tell this target when the incident opens, when users are served again, and at the end; several times for several.
    /// `slack:#channel` or `slack:new` (SLACK_BOT_TOKEN), `pagerduty` (PAGERDUTY_ROUTING_KEY), a webhook's URL or
    /// `webhook:VARIABLE` that has it, `file:PATH`, `statuspage:PATH`. Every message says DRILL first.
    #[arg(long = "notify", value_name = "TARGET")]
    targets: Vec<String>,
    /// Tell them again so often while the incident of a drill is open; at least 10 s.
    #[arg(long, value_name = "DURATION", default_value = "5m", value_parser = interval)]
    notify_every: Duration,
}

/// The options with the secrets from the environment. A target has its secret, so this has no `Debug`.
#[derive(Clone, Default)]
pub struct Notified {
    /// Whom.
    pub targets: Vec<ReadyTarget>,
    /// How often.
    pub every: Duration,
}

impl Notify {
    /// What is missing is told before anything is started.
    pub fn ready(&self) -> Result<Notified, Error> {
        let ready = |target: &String| {
            let ready = ReadyTarget::read(target, |name| std::env::var(name).ok());
            ready.map_err(|why| Error::usage(format!("--notify: {why}")))
        };
        let targets = self.targets.iter().map(ready).collect::<Result<_, _>>()?;
        Ok(Notified { targets, every: self.notify_every })
    }
}
