//! Where the events of SLIs come from: a load of the scenario, or what an SLI names instead of one. Whatever it is, it
//! yields slices; windows, impact, recovery and reports know no source.

use super::ability::{Holding, Tell};
use super::clock::Clock;
use super::protocol::{AgentAsk, Told};
use super::slices::tell_events;
use crate::agent::locked;
use crate::load::{EventClient, Failure, RequestEnding, SLICE, Sent};
use crate::slis::{EventAnswer, SliSpec};
use crate::source::MapReader;
use crate::stack::ServiceScript;
use async_trait::async_trait;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Debug};
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::sync::Mutex;
use std::time::{Duration, Instant};
use tokio::time::timeout_at;

const EVERY: Duration = Duration::from_secs(1);
const TIMEOUT: Duration = Duration::from_secs(2);
const LONGEST: Duration = Duration::from_secs(60);
/// Different notes of one source that are told; what else goes wrong only counts.
const MOST_NOTES: usize = 5;

/// Environment of a service of the stack, by its name.
pub type Environments<'a> = &'a (dyn Fn(&str) -> BTreeMap<String, String> + Send + Sync);

/// A source of events. It runs in the drill's agent, unless it is a script in a service.
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

    /// How long its events stay good although nothing happens any more: what stops is seen that much later.
    fn stays_good(&self) -> Duration {
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

    /// The script in a service whose runs are its events, good when they exit with 0; the runner makes those, and no agent.
    fn script(&self) -> Option<&ServiceScript> {
        None
    }

    /// What the agent is asked, so that it tells of the slices; or why nobody can be asked.
    fn ask(&self, slis: &[SliSpec], seed: u64, environments: Environments<'_>) -> Result<AgentAsk, String>;
}

/// A question that is asked again and again; each time is an event.
#[async_trait]
pub(super) trait Question: SliSource + 'static {
    /// Whether the answer is good, or why there is none.
    async fn put(&self, notes: &FewNotes) -> Result<bool, Failure>;
}

#[derive(Debug)]
struct Asking<Q> {
    question: Q,
    notes: FewNotes,
}

#[async_trait]
impl<Q: Question> EventClient for Asking<Q> {
    async fn event(&self, _: u64, due: Instant, sent: Sent) {
        let timeout = self.question.longest();
        let deadline = tokio::time::Instant::from_std(due + timeout);
        let answer = timeout_at(deadline, self.question.put(&self.notes)).await.unwrap_or(Err(Failure::Timeout));
        sent.end(RequestEnding::of(answer.map(EventAnswer::Truth), due, timeout));
    }
}

/// Asks a question at its pace and tells the slices of its answers.
pub(super) fn tell_answers(
    question: impl Question,
    slis: &[SliSpec],
    clock: Clock,
    tell: Tell,
) -> Result<Box<dyn Holding>, String> {
    let (series, rate) = (question.series().to_string(), question.rate());
    let client = Asking { question, notes: FewNotes::new(tell.clone()) };
    tell_events(client, series, rate, slis, clock, tell)
}

/// Reads `every` and `timeout` of a source that asks a question again and again.
pub(super) fn read_pace(map: &mut MapReader<'_>) -> (Duration, Duration) {
    let every = bounded(map, "every", EVERY, SLICE..=LONGEST);
    (every, bounded(map, "timeout", TIMEOUT, Duration::from_millis(1)..=LONGEST))
}

/// Reads a duration that is in a range.
pub(crate) fn bounded(
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
        let mut told = locked(&self.told);
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
