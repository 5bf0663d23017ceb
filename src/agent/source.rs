//! Where the events of SLIs come from: a load of the scenario, or what an SLI names instead of one. Whatever it is, it
//! yields slices; windows, impact, recovery and reports know no source.

use super::ability::{Ability, AgentContext, HeldResult, Holding, Tell, held_task};
use super::clock::Clock;
use super::protocol::{AgentAsk, Told};
use crate::agent::locked;
use crate::load::{EventClient, Failure, Generator, RequestEnding, SLICE, Sent};
use crate::record::micros;
use crate::slis::{EventAnswer, SliSpec};
use crate::source::MapReader;
use crate::stack::ServiceScript;
use async_trait::async_trait;
use futures_util::future::BoxFuture;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Debug};
use std::ops::RangeInclusive;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;
use tokio::time::timeout_at;
use tokio_util::sync::CancellationToken;

/// From taking the request to t0, at least: starting tasks must not make the first requests late.
const LEAD: Duration = Duration::from_millis(20);
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
    /// A source of a series, with `rate` events a second, each of which may take `longest`.
    pub(crate) fn new((series, rate, longest): (&str, f64, Duration), event: String, made_by: EventMaker) -> SliSource {
        let (series, interval, stays_good) = (series.to_string(), Duration::ZERO, Duration::ZERO);
        let (services, hosts, secrets) = Default::default();
        SliSource { series, rate, longest, interval, stays_good, event, services, hosts, secrets, made_by }
    }
}

/// A question that an agent can ask again and again; each time is an event.
pub trait Question: Serialize + DeserializeOwned + Clone + Debug + Send + Sync + 'static {
    /// Name in the protocol.
    const NAME: &'static str;
    /// How many may be under way at a time.
    const AT_ONCE: usize = Semaphore::MAX_PERMITS;

    /// Says why there can never be an answer, if there cannot; whether somebody is there is what is measured.
    fn check(&self) -> impl Future<Output = Result<(), String>> + Send {
        async { Ok(()) }
    }

    /// The answer to the question that is due at this instant, or why there is none. It is given up when its time is over:
    /// then `rest` is what is left to do.
    fn put(
        &self,
        due: Instant,
        notes: &FewNotes,
        rest: &mut QuestionRest,
    ) -> impl Future<Output = Result<EventAnswer, Failure>> + Send;

    /// What it is that there was no answer in time.
    fn late(&self, _: &FewNotes) -> Failure {
        Failure::Timeout
    }
}

/// What is left to do about a question that was given up; another one takes its place only then.
pub type QuestionRest = Option<BoxFuture<'static, ()>>;

/// A question at its pace.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PacedQuestion<Q> {
    /// Name of its slices.
    pub series: String,
    /// From one question to the next.
    pub every: Duration,
    /// From the instant at which one is due until the answer must be there.
    pub timeout: Duration,
    /// The SLIs; those over other series are left out.
    pub slis: Vec<SliSpec>,
    /// The question.
    pub question: Q,
}

impl<Q: Question> PacedQuestion<Q> {
    /// The source of its answers; `event` is what one is, for people, and `question` is made when the agent is asked.
    pub(super) fn source(
        series: String,
        (every, timeout): (Duration, Duration),
        event: String,
        question: impl Fn(Environments<'_>) -> Result<Q, String> + Send + Sync + 'static,
    ) -> SliSource {
        let (name, rate) = (series.clone(), 1.0 / every.as_secs_f64());
        let ask: Box<AskAgent> = Box::new(move |slis, _, environments| {
            let (series, slis, question) = (name.clone(), slis.to_vec(), question(environments)?);
            Ok(PacedQuestion { series, every, timeout, slis, question }.ask(&name))
        });
        SliSource::new((&series, rate, timeout), event, EventMaker::Agent(ask))
    }

    /// What asks it.
    pub(super) fn asking(self, tell: Tell) -> Asking<Q> {
        Asking { slots: Semaphore::new(Q::AT_ONCE), notes: FewNotes::of(&self.series, tell), paced: self }
    }
}

impl<Q: Question> Ability for PacedQuestion<Q> {
    const NAME: &'static str = Q::NAME;

    /// Fails when there can never be an answer.
    async fn begin(self, _: &str, context: &AgentContext, tell: Tell) -> HeldResult {
        let (series, rate, slis) = (self.series.clone(), 1.0 / self.every.as_secs_f64(), self.slis.clone());
        let named = |why| format!("`{series}`: {why}");
        self.question.check().await.map_err(named)?;
        let client = Arc::new(self.asking(tell.clone()));
        let generator = Generator::of(client, &series, rate, &slis).map_err(named)?;
        Ok(tell_slices(generator, context.clock, tell))
    }
}

/// Asks a question, again and again.
pub(super) struct Asking<Q> {
    paced: PacedQuestion<Q>,
    slots: Semaphore,
    notes: FewNotes,
}

#[async_trait]
impl<Q: Question> EventClient for Asking<Q> {
    async fn event(&self, _: u64, due: Instant, sent: Sent) {
        let PacedQuestion { timeout, question, .. } = &self.paced;
        let deadline = tokio::time::Instant::from_std(due + *timeout);
        let end = |result| sent.end(RequestEnding::of(result, due, *timeout));
        let Ok(_slot) = timeout_at(deadline, self.slots.acquire()).await else {
            return end(Err(Failure::NoConnection));
        };
        let mut rest = None;
        let answer = timeout_at(deadline, question.put(due, &self.notes, &mut rest)).await;
        end(answer.unwrap_or_else(|_| Err(question.late(&self.notes))));
        if let Some(rest) = rest {
            rest.await;
        }
    }
}

/// Runs a generator and tells what it reports.
pub(super) fn tell_slices(generator: Generator, clock: Clock, tell: Tell) -> Box<dyn Holding> {
    let t0 = next_slice(clock);
    held_task(async move {
        generator.run(t0, CancellationToken::new(), |report| tell(Told::Load(report))).await;
    })
}

/// When the first slice may begin, and that by the clock: a multiple of a slice, so that the slices of everything that an
/// agent counts begin at the same instants.
fn next_slice(clock: Clock) -> (Instant, u64) {
    let earliest = Instant::now() + LEAD;
    let earliest_us = clock.at_us(earliest);
    let t0_us = earliest_us.next_multiple_of(micros(SLICE));
    (earliest + Duration::from_micros(t0_us.saturating_sub(earliest_us)), t0_us)
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

/// Reads a text that is not blank, and that a program or a server can be given.
pub(crate) fn filled(text: &str) -> Result<String, String> {
    let wrong = if text.contains('\0') { "a text cannot hold NUL" } else { "it is empty" };
    if text.contains('\0') || text.trim().is_empty() { Err(wrong.into()) } else { Ok(text.into()) }
}

/// Tells what goes wrong with a source, each thing once.
pub struct FewNotes {
    series: String,
    tell: Tell,
    told: Mutex<BTreeSet<String>>,
}

impl FewNotes {
    /// The notes of a source; each begins with the name of its series.
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
