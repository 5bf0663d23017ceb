//! Where the events of SLIs come from: a load of the scenario, or what an SLI names instead of one. Whatever it is, it
//! yields slices; windows, impact, recovery and reports know no source.

use super::ability::Tell;
use super::protocol::{AgentAsk, Told};
use crate::load::SLICE;
use crate::slis::SliSpec;
use crate::source::MapReader;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Debug};
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

const EVERY: Duration = Duration::from_secs(1);
const TIMEOUT: Duration = Duration::from_secs(2);
const LONGEST: Duration = Duration::from_secs(60);
/// Different notes of one source that are told; what else goes wrong only counts.
const MOST_NOTES: usize = 5;

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

    /// From one telling to the next, of a source that tells of many events at once: no shorter window holds any for sure.
    fn interval(&self) -> Duration {
        Duration::ZERO
    }

    /// What one event is, on one line for people.
    fn event(&self) -> String;

    /// Services of the stack that it names, for `check`; the reader of loads notes theirs itself.
    fn services(&self) -> Vec<String> {
        Vec::new()
    }

    /// Hosts of the stack that it asks by a URL, for `check`.
    fn hosts(&self) -> Vec<String> {
        Vec::new()
    }

    /// Files beside the scenario that it was read from.
    fn files(&self) -> Vec<PathBuf> {
        Vec::new()
    }

    /// Values that must never reach a record.
    fn secrets(&self) -> Vec<String>;

    /// What the agent is asked, so that it tells of the slices; or why nobody can be asked.
    fn ask(&self, slis: &[SliSpec], seed: u64, environments: Environments<'_>) -> Result<AgentAsk, String>;
}

/// Reads `every` and `timeout` of a source that asks a question again and again.
pub(super) fn read_pace(map: &mut MapReader<'_>) -> (Duration, Duration) {
    let every = bounded(map, "every", EVERY, SLICE..=LONGEST);
    (every, bounded(map, "timeout", TIMEOUT, Duration::from_millis(1)..=LONGEST))
}

/// Reads a duration that is in a range.
pub(super) fn bounded(
    map: &mut MapReader<'_>,
    key: &'static str,
    default: Duration,
    range: RangeInclusive<Duration>,
) -> Duration {
    let value = map.optional(key).unwrap_or(default);
    if !range.contains(&value) {
        let (least, most) = (range.start(), range.end());
        map.wrong(key, format!("`{key}` is {value:?}: it must be from {least:?} to {most:?}"));
    }
    value
}

/// Tells what goes wrong with a source, each thing once.
pub(super) struct FewNotes {
    tell: Tell,
    told: Mutex<BTreeSet<String>>,
}

impl FewNotes {
    pub(super) fn new(tell: Tell) -> FewNotes {
        FewNotes { tell, told: Mutex::default() }
    }

    pub(super) fn note(&self, text: String) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.len() < MOST_NOTES && told.insert(text.clone()) {
            (self.tell)(Told::Note { text });
        }
    }
}

impl Debug for FewNotes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FewNotes").field("told", &self.told).finish_non_exhaustive()
    }
}
