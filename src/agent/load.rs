//! The load that users make, with the SLIs over it; and a surge: more of the same requests as a load of the session sends. It stands beside that
//! load, and nothing of it is counted for an SLI: what users feel is measured with the requests that were there before.

use super::ability::{Ability, AgentContext, HeldResult, Holding, Tell};
use super::protocol::AgentAnswer;
use super::source::{EventMaker, SliSource, tell_slices};
use crate::agent::locked;
use crate::load::{Failure, Generator, LoadReport, LoadSpec, connections};
use crate::record::Slice;
use crate::slis::SliSpec;
use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

/// A load to send until it is lifted. Each slice is told once all of its requests have ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Load {
    /// The load.
    pub spec: LoadSpec,
    /// The SLIs; those over other loads are left out.
    pub slis: Vec<SliSpec>,
    /// Seed for ids put into requests.
    pub seed: u64,
}

impl Ability for Load {
    const NAME: &'static str = "load";

    async fn begin(self, _: &str, context: &AgentContext, tell: Tell) -> HeldResult {
        let Load { spec, slis, seed } = self;
        let generator = Generator::new(&spec, &slis, seed)?;
        locked(&context.loads).insert(spec.name.clone(), (spec, seed));
        Ok(tell_slices(generator, context.clock, tell))
    }
}

impl LoadSpec {
    /// Where the events of the SLIs over it come from.
    pub fn source(&self) -> SliSource {
        let then = self.then.iter().map(|step| format!(" → {} {}", step.method, step.url));
        let event = format!("{} {}{}", self.method, self.url, then.collect::<String>());
        let (secrets, spec) = (self.secrets(), self.clone());
        let made_by = EventMaker::Agent(Box::new(move |slis, seed, _| {
            Ok(Load { spec: spec.clone(), slis: slis.to_vec(), seed }.ask(&format!("load {}", spec.name)))
        }));
        SliSource { secrets, ..SliSource::new((&self.name, self.rate, self.timeout), event, made_by) }
    }
}

/// How much of the rate must have been sent, for how long, until the surge is in place.
const SHARE: f64 = 0.5;
const FOR_SECONDS: f64 = 1.0;

/// More requests as those of a load that runs. They count for no SLI.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SurgeAbility {
    /// The load.
    pub load: String,
    /// Requests per second on top of the load's own, above 0.
    pub rate: f64,
}

impl Ability for SurgeAbility {
    const NAME: &'static str = "load_surge";

    async fn begin(self, id: &str, context: &AgentContext, _: Tell) -> HeldResult {
        let running = locked(&context.loads).get(&self.load).cloned();
        let (like, seed) = running.ok_or_else(|| format!("no load `{}` is running", self.load))?;
        Ok(Box::new(Surge::begin(id, &like, self.rate, seed)?))
    }
}

/// Additional requests that are being sent. Dropping it ends them at once.
struct Surge {
    fault: String,
    like: LoadSpec,
    seed: u64,
    counts: Arc<Mutex<SurgeCounts>>,
    /// One for each time that it has grown; `None` once it was lifted.
    sending: Mutex<Option<Vec<AbortOnDropHandle<()>>>>,
}

/// What became of the requests that have ended.
#[derive(Default)]
struct SurgeCounts {
    due: u64,
    /// Those that were sent later than they were due by more than is allowed, under way or not.
    late: u64,
    results: BTreeMap<String, u64>,
    /// Whether the surge has been in place: it stays so until it grows or is lifted.
    reached: bool,
    /// How many must have ended in time for that.
    needed: u64,
    /// Requests per second that are sent now.
    rate: f64,
}

impl SurgeCounts {
    /// Requests that have ended and came when they were due, at the other end or at a closed door.
    fn in_time(&self) -> u64 {
        let own = [Failure::NoConnection, Failure::Internal].map(Failure::name);
        let never_sent: u64 = own.iter().filter_map(|own| self.results.get(*own)).sum();
        self.due.saturating_sub(self.late).saturating_sub(never_sent)
    }
}

/// As many connections for its rate as the load has for its own.
fn connections_of(like: &LoadSpec, rate: f64) -> usize {
    let own = (rate * like.connections as f64 / like.rate).ceil().max(1.0) as usize;
    let most = connections(rate, like.timeout);
    if like.connections < connections(like.rate, like.timeout) { own.min(most) } else { most }
}

impl Surge {
    /// Starts sending `rate` requests per second more, made as those of `like`; says why that cannot be.
    fn begin(fault: &str, like: &LoadSpec, rate: f64, seed: u64) -> Result<Surge, String> {
        let (fault, like, sending) = (fault.to_string(), like.clone(), Mutex::new(Some(Vec::new())));
        let surge = Surge { fault, like, seed, counts: Arc::default(), sending };
        surge.grow(rate)?;
        Ok(surge)
    }

    /// Sends so many requests per second from now on, which is more than before; says why that cannot be.
    fn grow(&self, to: f64) -> Result<(), String> {
        let mut sending = locked(&self.sending);
        let sending = sending.as_mut().ok_or("it has been lifted")?;
        let (like, rate) = (&self.like, to - locked(&self.counts).rate);
        let connections = connections_of(like, rate);
        // Another name makes other ids: these are other users.
        let more = if sending.is_empty() { String::new() } else { format!("+{}", sending.len()) };
        let name = format!("{}+{}{more}", like.name, self.fault);
        // Their writes are not the ledger's: two requests would have one number.
        let spec = LoadSpec { name, rate, connections, acknowledged: None, ..like.clone() };
        let generator = Generator::new(&spec, &[], self.seed)?;
        {
            // What came before does not show that it can send so many.
            let mut counts = locked(&self.counts);
            counts.needed = counts.in_time() + ((to * SHARE * FOR_SECONDS).ceil() as u64).max(1);
            (counts.reached, counts.rate) = (false, to);
        }
        let counting = self.counts.clone();
        let report = move |report| {
            let mut counts = locked(&counting);
            match report {
                LoadReport::Slice(Slice { due, results, .. }) => {
                    counts.due += due;
                    for (result, events) in results {
                        *counts.results.entry(result).or_default() += events;
                    }
                    counts.reached |= counts.in_time() >= counts.needed;
                }
                LoadReport::Late(late) => counts.late += late.count,
                LoadReport::Write { .. } => {}
            }
        };
        sending.push(AbortOnDropHandle::new(tokio::spawn(async move {
            generator.run((Instant::now(), 0), CancellationToken::new(), report).await;
        })));
        Ok(())
    }

    fn describe(&self, counts: &SurgeCounts) -> String {
        let results = counts.results.iter().map(|(result, events)| format!("{result}: {events}"));
        let results = results.collect::<Vec<_>>().join(", ");
        let results = if results.is_empty() { results } else { format!(" ({results})") };
        format!("{}/s more, {} requests ended{results}, {} sent late", counts.rate, counts.due, counts.late)
    }
}

#[async_trait]
impl Holding for Surge {
    /// In place once a good share of a second's requests has ended, whichever way: by then the service has had them.
    async fn look(&self) -> AgentAnswer {
        let sending = locked(&self.sending);
        let counts = locked(&self.counts);
        let detail = self.describe(&counts);
        let goes_on = sending.as_ref().is_some_and(|tasks| tasks.iter().all(|task| !task.is_finished()));
        if goes_on && counts.reached { AgentAnswer::in_place(detail) } else { AgentAnswer::gone(detail) }
    }

    async fn change(&self, message: Value) -> Result<(), String> {
        let asked: SurgeAbility =
            serde_json::from_value(message).map_err(|error| format!("the surge cannot be read: {error}"))?;
        self.grow(asked.rate)
    }

    /// What is under way is given up.
    async fn lift(&self) -> Result<String, String> {
        let tasks = locked(&self.sending).take().unwrap_or_default();
        tasks.iter().for_each(|task| task.abort());
        for task in tasks {
            // Its connections are closed when it has gone.
            let _ = task.await;
        }
        Ok(self.describe(&locked(&self.counts)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    /// A server that answers everything with 204, and how many requests it has had.
    async fn server() -> (u16, Arc<Mutex<u64>>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let seen = Arc::<Mutex<u64>>::default();
        let counting = seen.clone();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let counting = counting.clone();
                tokio::spawn(async move {
                    let mut bytes = [0; 4096];
                    while let Ok(1..) = stream.read(&mut bytes).await {
                        *counting.lock().unwrap() += 1;
                        let _ = stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await;
                    }
                });
            }
        });
        (port, seen)
    }

    fn like(port: u16) -> LoadSpec {
        LoadSpec {
            name: "users".into(),
            method: "GET".into(),
            url: format!("http://127.0.0.1:{port}/"),
            headers: Vec::new(),
            body: None,
            rate: 1.0,
            timeout: Duration::from_secs(2),
            connections: 2,
            keep_alive: true,
            ca: None,
            acknowledged: None,
            expect: Default::default(),
            then: Vec::new(),
        }
    }

    #[tokio::test]
    async fn a_surge_is_seen_once_requests_have_ended_and_ends_when_it_is_lifted() {
        let (port, seen) = server().await;
        let surge = Surge::begin("load_surge", &like(port), 50.0, 7).unwrap();
        assert!(matches!(surge.look().await, AgentAnswer::Gone { .. }), "nothing has been sent yet");
        let deadline = Instant::now() + Duration::from_secs(30);
        let detail = loop {
            match surge.look().await {
                AgentAnswer::InPlace { detail, .. } => break detail,
                other => assert!(Instant::now() < deadline, "{other:?}"),
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        };
        assert!(detail.starts_with("50/s more, ") && detail.contains("(204 empty: "), "{detail}");
        assert!(detail.ends_with(" sent late"), "{detail}");
        assert!(*seen.lock().unwrap() >= 25, "one request is no surge");
        surge.lift().await.unwrap();
        assert!(matches!(surge.look().await, AgentAnswer::Gone { .. }));
        let at_the_end = *seen.lock().unwrap();
        assert!(at_the_end > 0);
        surge.lift().await.unwrap();
    }

    #[tokio::test]
    async fn a_surge_grows_and_nothing_of_it_goes_on_when_it_is_lifted() {
        let (port, _) = server().await;
        let surge = Surge::begin("load_surge", &like(port), 10.0, 7).unwrap();
        let to = |rate| serde_json::to_value(SurgeAbility { load: "users".into(), rate }).unwrap();
        surge.change(to(20.0)).await.unwrap();
        surge.change(to(50.0)).await.unwrap();
        assert!(surge.change(to(40.0)).await.is_err(), "it only grows");
        let (due, begun) = (|| locked(&surge.counts).due, Instant::now());
        while due() < 100 {
            assert!(begun.elapsed() < Duration::from_secs(30));
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let took = begun.elapsed();
        assert!(took > Duration::from_secs(1) && took < Duration::from_secs(8), "100 requests at 50/s took {took:?}");
        assert!(matches!(surge.look().await, AgentAnswer::InPlace { detail, .. } if detail.starts_with("50/s more")));
        surge.lift().await.unwrap();
        assert!(matches!(surge.look().await, AgentAnswer::Gone { .. }));
        assert!(surge.change(to(60.0)).await.is_err(), "it is over");
    }

    #[test]
    fn a_surge_has_no_more_connections_than_a_load_may_have() {
        let like = |rate: f64, connections: usize| LoadSpec { rate, connections, ..like(80) };
        let most = crate::load::MOST_CONNECTIONS;
        let timeout = like(1.0, 1).timeout.as_secs_f64();
        assert_eq!(connections_of(&like(10.0, 10_000), 1e9), most);
        assert_eq!(connections_of(&like(10.0, 1000), 50.0), (50.0 * timeout).ceil() as usize, "as many as can be used");
        assert_eq!(connections_of(&like(100.0, 7), 200.0), 14, "what the load says holds for each of its users");
    }

    #[test]
    fn what_was_late_or_never_sent_does_not_count_for_a_surge() {
        let results = [("200".to_string(), 60), (Failure::NoConnection.name().to_string(), 30)].into();
        let counts = SurgeCounts { due: 90, late: 20, results, reached: false, needed: 0, rate: 90.0 };
        assert_eq!(counts.in_time(), 40);
    }

    #[tokio::test]
    async fn a_surge_that_nobody_answers_is_in_place_all_the_same() {
        // A port that was free a moment ago refuses.
        let port = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
        let surge = Surge::begin("load_surge", &like(port), 50.0, 7).unwrap();
        let deadline = Instant::now() + Duration::from_secs(30);
        while matches!(surge.look().await, AgentAnswer::Gone { .. }) {
            assert!(Instant::now() < deadline);
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        surge.lift().await.unwrap();
        assert!(Surge::begin("load_surge", &like(port), 0.0, 7).is_err(), "a rate of 0 is none");
    }
}
