//! An agent in the test's own process: speaks `agent::protocol` over a channel and shows what the world says.

use super::log::Happening;
use super::world::{Trouble, World};
use firedrill::agent::Clock;
use firedrill::agent::ability::Ability;
use firedrill::agent::load::Load;
use firedrill::agent::machine::MachineWatch;
use firedrill::agent::pg::PgQuery;
use firedrill::agent::protocol::{AgentAnswer, AgentAsk, AgentMessage, AgentRequest, BUILD, Told};
use firedrill::agent::source::PacedQuestion;
use firedrill::agent::watch::MetricWatch;
use firedrill::load::{LoadReport, SLICE};
use firedrill::record::{DrillTime, LateRecord, MachineSample, NO_DATA, Slice};
use firedrill::slis::{EventAnswer, MetricCondition, SliSpec};
use firedrill::stack::Channel;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::sleep_until;

/// The agent's clock is this far ahead of the runner's machine, to see that times are translated.
const AHEAD_US: u64 = 3_600_000_000;

/// How a test makes an agent misbehave.
#[derive(Debug, Clone)]
pub enum Order {
    /// Ends the channel, as a container does that was killed.
    Die,
    /// Says nothing any more, and keeps the channel open.
    FallSilent,
    /// Reports that requests were sent late.
    ReportLate { worst: Duration, count: u64 },
    /// Reports that the processors were busy, so many seconds in a row.
    ReportBusy { share: f64, samples: usize },
    /// Reports that the lease was lost.
    LoseLease,
}

/// An agent at the far end of `channel`.
pub struct Agent {
    name: String,
    channel: Channel,
    world: Arc<World>,
    orders: UnboundedReceiver<Order>,
    clock: Clock,
    load: Option<Loads>,
    watch: Option<Watch>,
    held: BTreeSet<String>,
    silent: bool,
}

struct Loads {
    loads: Vec<Series>,
    t0: Instant,
    next: u64,
    /// Slices whose requests have not ended, and when they will have.
    under_way: Vec<(Instant, Slice)>,
}

/// Events of one kind: their name, how many are due per second, the SLIs over them.
struct Series {
    name: String,
    rate: f64,
    slis: Vec<SliSpec>,
    is_query: bool,
}

struct Watch {
    every: Duration,
    when: MetricCondition,
    next: Instant,
}

impl Loads {
    /// Start of a slice.
    fn start(&self, index: u64) -> Instant {
        self.t0 + SLICE * u32::try_from(index).expect("a short drill")
    }

    /// When the next slice can be reported.
    fn due(&self) -> Instant {
        self.start(self.next + 1)
    }
}

impl Agent {
    /// An agent that says hello as soon as it is served.
    pub fn new(name: String, channel: Channel, world: Arc<World>, orders: UnboundedReceiver<Order>) -> Agent {
        Agent {
            name,
            channel,
            world,
            orders,
            clock: Clock::start(),
            load: None,
            watch: None,
            held: BTreeSet::new(),
            silent: false,
        }
    }

    /// Works until the runner's end of the channel is gone; lifts everything then.
    pub async fn serve(mut self) {
        self.send(AgentMessage::Hello { version: BUILD.into(), clock_us: self.now_us() }).await;
        loop {
            let slice = self.load.as_ref().map(Loads::due);
            let sample = self.watch.as_ref().map(|watch| watch.next);
            tokio::select! {
                line = self.channel.rx.recv() => match line {
                    Some(line) => {
                        let request: AgentRequest = serde_json::from_str(&line).expect("a request of the protocol");
                        self.answer(request).await;
                    }
                    None => break,
                },
                Some(order) = self.orders.recv() => {
                    if !self.obey(order).await {
                        break;
                    }
                }
                () = at(slice) => self.report_slices().await,
                () = at(sample) => self.report_sample().await,
            }
        }
        if self.world.switches.agents_cling {
            std::future::pending::<()>().await;
        }
        let faults: Vec<String> = self.held.iter().cloned().collect();
        faults.iter().for_each(|fault| self.world.end(fault));
        self.world.log.done(Happening::Released { agent: self.name, faults });
    }

    /// Whether the agent goes on.
    async fn obey(&mut self, order: Order) -> bool {
        match order {
            Order::Die => return false,
            Order::FallSilent => self.silent = true,
            Order::LoseLease => self.send(AgentMessage::LeaseLost).await,
            Order::ReportBusy { share: busy, samples } => {
                let sample =
                    MachineSample { cpus: 2, busy, pressure: None, memory_bytes: 1 << 30, available_bytes: 1 << 29 };
                for _ in 0..samples {
                    self.send(AgentMessage::Told { told: Told::Machine(sample) }).await;
                }
            }
            Order::ReportLate { worst, count } => {
                let worst_us = u64::try_from(worst.as_micros()).expect("a short time");
                let load = self.load.as_ref().expect("load runs").loads[0].name.clone();
                let told = Told::Load(LoadReport::Late(LateRecord { load, worst_us, count }));
                self.send(AgentMessage::Told { told }).await;
            }
        }
        true
    }

    async fn answer(&mut self, AgentRequest { id, ask }: AgentRequest) {
        let answer = match ask {
            AgentAsk::Heartbeat => done("alive"),
            AgentAsk::Begin { id, .. } if self.hangs(&id) => return,
            AgentAsk::Begin { ability, id, message } => self.begin(&ability, id, message),
            AgentAsk::Look { id } => self.confirm(&id),
            AgentAsk::Change { id, message } => {
                self.world.log.done(Happening::Changed { fault: id, message });
                done("changed")
            }
            AgentAsk::Lift { id: fault } if self.world.switches.lift_hangs == Some(fault.as_str()) => {
                self.world.log.done(Happening::Lifted { fault });
                return;
            }
            AgentAsk::Lift { id: fault } => match self.world.lift(&fault) {
                Ok(detail) => {
                    self.held.remove(&fault);
                    AgentAnswer::Done { detail }
                }
                Err(reason) => AgentAnswer::Failed { reason },
            },
        };
        self.send(AgentMessage::Reply { id, clock_us: self.now_us(), answer }).await;
    }

    fn hangs(&self, fault: &str) -> bool {
        let hangs = self.world.switches.hangs_after.filter(|(hangs, _)| *hangs == fault);
        hangs.is_some_and(|(_, times)| self.world.count(&format!("begin-{fault}")) > times)
    }

    fn begin(&mut self, ability: &str, id: String, message: serde_json::Value) -> AgentAnswer {
        match ability {
            Load::NAME => {
                let Load { spec, slis, .. } = serde_json::from_value(message).expect("a load");
                self.count(Series { name: spec.name, rate: spec.rate, slis, is_query: false })
            }
            PacedQuestion::<PgQuery>::NAME => {
                let PacedQuestion::<PgQuery> { series, every, slis, .. } =
                    serde_json::from_value(message).expect("queries");
                self.count(Series { name: series, rate: 1.0 / every.as_secs_f64(), slis, is_query: true })
            }
            MetricWatch::NAME => {
                let MetricWatch { every, when, .. } = serde_json::from_value(message).expect("a watch");
                self.watch = Some(Watch { every, when, next: Instant::now() });
                done("watching")
            }
            MachineWatch::NAME => done("watching"),
            _ => self.inject(id),
        }
    }

    fn count(&mut self, series: Series) -> AgentAnswer {
        let loads = self.load.get_or_insert_with(|| Loads {
            loads: Vec::new(),
            t0: Instant::now(),
            next: 0,
            under_way: Vec::new(),
        });
        loads.loads.push(series);
        done("counting")
    }

    fn inject(&mut self, fault: String) -> AgentAnswer {
        if self.world.switches.cannot_inject == Some(fault.as_str()) {
            return AgentAnswer::Failed { reason: "permission denied".into() };
        }
        if self.world.switches.once_only && self.world.count(&format!("inject-{fault}")) > 1 {
            return AgentAnswer::Failed { reason: "not a second time".into() };
        }
        self.world.break_it(&fault);
        self.held.insert(fault);
        done("taken")
    }

    fn confirm(&self, fault: &str) -> AgentAnswer {
        self.world.log.done(Happening::Asked { fault: fault.to_string() });
        if self.world.switches.cannot_confirm == Some(fault) {
            return AgentAnswer::Failed { reason: "pg_locks cannot be read".into() };
        }
        match self.world.in_place(fault) {
            true => {
                let acted = Some(u64::from(self.world.switches.idle != Some(fault)));
                AgentAnswer::InPlace { detail: format!("{fault} is listed"), acted }
            }
            false => {
                let detail = format!("{fault} is not listed");
                AgentAnswer::Gone { detail, by_itself: self.world.switches.by_itself, acted: None }
            }
        }
    }

    /// Reports every slice that has ended: all good, or all bad when users suffered in it.
    async fn report_slices(&mut self) {
        while let Some(load) = &mut self.load
            && load.due() <= Instant::now()
        {
            let (index, start, end) = (load.next, load.start(load.next), load.due());
            load.next += 1;
            let trouble = match self.world.switches.patchy {
                Some(each) if !index.is_multiple_of(each) => Trouble::None,
                _ => self.world.trouble(start, end),
            };
            let (status, millis) = match trouble {
                Trouble::None => (200, 5),
                Trouble::Errors => (503, 5),
                Trouble::Slowness => (200, 150),
                Trouble::Refusals => (404, 5),
            };
            let mut slices = Vec::new();
            for of in &load.loads {
                let answer = if of.is_query { EventAnswer::Truth(status == 200) } else { EventAnswer::Status(status) };
                let fails = of.is_query && self.world.query_fails(index, start);
                let due = if fails { 0 } else { (of.rate * SLICE.as_secs_f64()).round() as u64 };
                let slis = of.slis.iter().filter(|sli| sli.series == of.name);
                let good =
                    |sli: &SliSpec| if sli.good.judge(Some(answer), Duration::from_millis(millis)) { due } else { 0 };
                let slow = self.world.slow(&of.name, start);
                let result = slow.map_or_else(|| status.to_string(), |(_, result)| result.to_string());
                let complete = slis.clone().filter(|sli| good(sli) > 0).map(|sli| (sli.name.clone(), millis * 1000));
                let slice = Slice {
                    load: of.name.clone(),
                    index,
                    start_us: DrillTime(self.clock.at_us(start) + AHEAD_US),
                    due,
                    good: slis.map(|sli| (sli.name.clone(), good(sli))).collect(),
                    results: BTreeMap::from([if fails { (NO_DATA.to_string(), 1) } else { (result, due) }]),
                    first_good_us: complete.collect(),
                    latency_us: [millis * 1000; 3],
                };
                slices.push((end + slow.map_or(Duration::ZERO, |(takes, _)| takes), slice));
            }
            load.under_way.extend(slices);
            let ended = load.under_way.extract_if(.., |(ends, _)| *ends <= Instant::now());
            let ended: Vec<Slice> = ended.map(|(_, slice)| slice).collect();
            for slice in ended {
                self.send(AgentMessage::Told { told: Told::Load(LoadReport::Slice(slice)) }).await;
            }
        }
    }

    async fn report_sample(&mut self) {
        let value = self.world.metric();
        let Some(watch) = &mut self.watch else { return };
        watch.next += watch.every;
        let holds = value.is_some_and(|value| watch.when.op.holds(value, watch.when.value));
        let error = value.is_none().then(|| "the page has no such metric".to_string());
        let clock_us = self.now_us();
        self.send(AgentMessage::Told {
            told: Told::Sample { clock_us, value, holds, readable: error.is_none(), error },
        })
        .await;
    }

    async fn send(&self, message: AgentMessage) {
        if !self.silent {
            let line = serde_json::to_string(&message).expect("a message");
            // A runner that is gone is noticed when reading.
            let _ = self.channel.tx.send(line).await;
        }
    }

    fn now_us(&self) -> u64 {
        self.at_us(Instant::now())
    }

    fn at_us(&self, at: Instant) -> u64 {
        self.clock.at_us(at) + AHEAD_US
    }
}

fn done(detail: &str) -> AgentAnswer {
    AgentAnswer::Done { detail: detail.into() }
}

async fn at(instant: Option<Instant>) {
    match instant {
        Some(instant) => sleep_until(instant.into()).await,
        None => std::future::pending().await,
    }
}
