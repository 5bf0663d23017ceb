//! Where the events of SLIs come from: a load of the scenario, or what an SLI names instead of one. Whatever it is, it
//! yields slices; windows, impact, recovery and reports know no source.

use super::protocol::AgentAsk;
use crate::slis::SliSpec;
use std::collections::BTreeMap;
use std::fmt::Debug;
use std::time::Duration;

/// Environment of a service of the stack, by its name.
pub type Environments<'a> = &'a (dyn Fn(&str) -> BTreeMap<String, String> + Send + Sync);

/// A source of events. It runs in the drill's agent.
pub trait SliSource: Debug + Send + Sync {
    /// Name of its slices, which no other source of the scenario has.
    fn series(&self) -> &str;

    /// Events that are due per second.
    fn rate(&self) -> f64;

    /// How long an event may take until it counts as bad.
    fn longest(&self) -> Duration;

    /// What one event is, on one line for people.
    fn event(&self) -> String;

    /// Services of the stack that it names, for `check`; the reader of loads notes theirs itself.
    fn services(&self) -> Vec<String> {
        Vec::new()
    }

    /// Values that must never reach a record.
    fn secrets(&self) -> Vec<String>;

    /// What the agent is asked, so that it tells of the slices; or why nobody can be asked.
    fn ask(&self, slis: &[SliSpec], seed: u64, environments: Environments<'_>) -> Result<AgentAsk, String>;
}
