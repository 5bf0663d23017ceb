//! Where the events of SLIs come from: a load of the scenario, or what an SLI names instead of one. Whatever it is, it
//! yields slices; windows, impact, recovery and reports know no source.

use super::ability::{Ability, AgentContext, HeldResult, Tell};
use super::protocol::{AgentAsk, Told};
use super::slices::tell_events;
use crate::agent::locked;
use crate::load::{EventClient, Failure, RequestEnding, SLICE, Sent};
use crate::slis::{EventAnswer, SliSpec};
use crate::source::MapReader;
use crate::stack::ServiceScript;
use async_trait::async_trait;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
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
#[derive(Debug)]
pub struct SliSource {
    /// Name of its slices, which no other source of the scenario has.
    pub series: String,
    /// Events that are due per second.
    pub rate: f64,
    /// How long an event may take until it counts as bad.
    pub longest: Duration,
    /// From one telling to the next, of a source that tells of many events at once: no shorter window holds any for sure.
    pub interval: Duration,
    /// How long its events stay good although nothing happens any more: what stops is seen that much later.
    pub stays_good: Duration,
    /// What one event is, on one line for people.
    pub event: String,
    /// Services of the stack that it names, for `check`; the reader of loads notes theirs itself.
    pub services: Vec<String>,
    /// Hosts of the stack that it asks by a URL, for `check`.
    pub hosts: Vec<String>,
    /// Files beside the scenario that it was read from.
    pub files: Vec<PathBuf>,
    /// Values that must never reach a record.
    pub secrets: Vec<String>,
    /// Who makes the events.
    pub made_by: EventMaker,
}

/// Who makes the events of a source.
pub enum EventMaker {
    /// The runner, by runs of a script in a service, which are good when they exit with 0.
    Script(ServiceScript),
    /// The agent: what it is asked for SLIs, with the drill's seed, so that it tells of the slices; or why nobody can be asked.
    Agent(Box<AskAgent>),
}

type AskAgent = dyn Fn(&[SliSpec], u64, Environments<'_>) -> Result<AgentAsk, String> + Send + Sync;

impl Debug for EventMaker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if let EventMaker::Script(_) = self { "Script" } else { "Agent" })
    }
}

impl SliSource {
    /// One whose events the agent makes: so many a second, each of which may take so long.
    pub(super) fn of_agent(
        (series, rate, longest): (&str, f64, Duration),
        event: String,
        ask: impl Fn(&[SliSpec], u64, Environments<'_>) -> Result<AgentAsk, String> + Send + Sync + 'static,
    ) -> SliSource {
        SliSource::new((series, rate, longest), event, EventMaker::Agent(Box::new(ask)))
    }

    /// The same, whoever makes them.
    pub(crate) fn new((series, rate, longest): (&str, f64, Duration), event: String, made_by: EventMaker) -> SliSource {
        let (series, interval, stays_good) = (series.to_string(), Duration::ZERO, Duration::ZERO);
        let (services, hosts, files, secrets) = Default::default();
        SliSource { series, rate, longest, interval, stays_good, event, services, hosts, files, secrets, made_by }
    }
}

/// A question that an agent can ask again and again; each time is an event.
#[async_trait]
pub(super) trait Question: Serialize + DeserializeOwned + Clone + Debug + Send + Sync + 'static {
    /// Name in the protocol.
    const NAME: &'static str;

    /// Whether the answer is good, or why there is none.
    async fn put(&self, notes: &FewNotes) -> Result<bool, Failure>;
}

/// A question at its pace.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct PacedQuestion<Q> {
    /// Name of its slices.
    series: String,
    /// From one question to the next.
    every: Duration,
    /// From the instant at which one is due until the answer must be there.
    timeout: Duration,
    /// The SLIs; those over other series are left out.
    slis: Vec<SliSpec>,
    question: Q,
}

impl<Q: Question> PacedQuestion<Q> {
    /// The source of its answers; `event` is what one is, for people.
    pub(super) fn source(series: &str, pace: (Duration, Duration), event: String, question: Q) -> SliSource {
        let (every, timeout) = pace;
        let paced = PacedQuestion { series: series.into(), every, timeout, slis: Vec::new(), question };
        SliSource::of_agent((series, 1.0 / every.as_secs_f64(), timeout), event, move |slis, _, _| {
            Ok(PacedQuestion { slis: slis.to_vec(), ..paced.clone() }.ask(&paced.series))
        })
    }
}

impl<Q: Question> Ability for PacedQuestion<Q> {
    const NAME: &'static str = Q::NAME;

    async fn begin(self, _: &str, context: &AgentContext, tell: Tell) -> HeldResult {
        let (series, rate, slis) = (self.series.clone(), 1.0 / self.every.as_secs_f64(), self.slis.clone());
        let client = Asking { notes: FewNotes::of(&series, tell.clone()), paced: self };
        tell_events(client, series, rate, &slis, context.clock, tell)
    }
}

struct Asking<Q> {
    paced: PacedQuestion<Q>,
    notes: FewNotes,
}

#[async_trait]
impl<Q: Question> EventClient for Asking<Q> {
    async fn event(&self, _: u64, due: Instant, sent: Sent) {
        let PacedQuestion { timeout, question, .. } = &self.paced;
        let deadline = tokio::time::Instant::from_std(due + *timeout);
        let answer = timeout_at(deadline, question.put(&self.notes)).await.unwrap_or(Err(Failure::Timeout));
        sent.end(RequestEnding::of(answer.map(EventAnswer::Truth), due, *timeout));
    }
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
    series: String,
    tell: Tell,
    told: Mutex<BTreeSet<String>>,
}

impl FewNotes {
    /// Of a source whose notes begin with its series.
    pub(super) fn of(series: &str, tell: Tell) -> FewNotes {
        FewNotes { series: series.into(), tell, told: Mutex::default() }
    }

    pub(super) fn note(&self, text: String) {
        let mut told = locked(&self.told);
        if told.len() < MOST_NOTES && told.insert(text.clone()) {
            (self.tell)(Told::Note { text: format!("{}: {text}", self.series) });
        }
    }
}
