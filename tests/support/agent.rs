//! An agent in the test's own process: speaks `agent::protocol` over a channel and shows what the world says.

use super::log::Happening;
use super::world::{Trouble, World};
use firedrill::agent::Clock;
use firedrill::agent::protocol::{Answer, Ask, Message, MetricCondition, Request, WireSlice};
use firedrill::load::{LoadSpec, SLICE};
use firedrill::record::MachineSample;
use firedrill::slis::{Outcome, SliSpec};
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
    load: Option<Load>,
    watch: Option<Watch>,
    held: BTreeSet<String>,
    silent: bool,
}

struct Load {
    loads: Vec<LoadSpec>,
    slis: Vec<SliSpec>,
    t0: Instant,
    next: u64,
}

struct Watch {
    every: Duration,
    when: MetricCondition,
    next: Instant,
}

impl Load {
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
        self.send(Message::Hello { version: env!("CARGO_PKG_VERSION").into(), clock_us: self.now_us() }).await;
        loop {
            let slice = self.load.as_ref().map(Load::due);
            let sample = self.watch.as_ref().map(|watch| watch.next);
            tokio::select! {
                line = self.channel.rx.recv() => match line {
                    Some(line) => {
                        let request: Request = serde_json::from_str(&line).expect("a request of the protocol");
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
            Order::LoseLease => self.send(Message::LeaseLost).await,
            Order::ReportBusy { share: busy, samples } => {
                let sample =
                    MachineSample { cpus: 2, busy, pressure: None, memory_bytes: 1 << 30, available_bytes: 1 << 29 };
                for _ in 0..samples {
                    self.send(Message::Machine { sample }).await;
                }
            }
            Order::ReportLate { worst, count } => {
                let worst_us = u64::try_from(worst.as_micros()).expect("a short time");
                let load = self.load.as_ref().expect("load runs").loads[0].name.clone();
                self.send(Message::Late { load, worst_us, count }).await;
            }
        }
        true
    }

    async fn answer(&mut self, Request { id, ask }: Request) {
        let answer = match ask {
            Ask::Heartbeat => done("alive"),
            Ask::StartLoad { loads, slis, .. } => {
                let t0 = Instant::now();
                self.load = Some(Load { loads, slis, t0, next: 0 });
                Answer::LoadStarted { t0_us: self.at_us(t0) }
            }
            Ask::StopLoad => {
                self.load = None;
                done("stopped")
            }
            Ask::Watch { every_ms, when, .. } => {
                self.watch = Some(Watch { every: Duration::from_millis(every_ms), when, next: Instant::now() });
                done("watching")
            }
            Ask::Unwatch => {
                self.watch = None;
                done("stopped")
            }
            Ask::Hold { fault, .. } | Ask::HttpRule { fault, .. } | Ask::Surge { fault, .. } => self.inject(fault),
            Ask::Confirm { fault } => self.confirm(&fault),
            Ask::Lift { fault } if self.world.switches.lift_hangs == Some(fault.as_str()) => {
                self.world.log.done(Happening::Lifted { fault });
                return;
            }
            Ask::Lift { fault } => match self.world.lift(&fault) {
                Ok(detail) => {
                    self.held.remove(&fault);
                    Answer::Done { detail }
                }
                Err(reason) => Answer::Failed { reason },
            },
        };
        self.send(Message::Reply { id, clock_us: self.now_us(), answer }).await;
    }

    fn inject(&mut self, fault: String) -> Answer {
        if self.world.switches.cannot_inject == Some(fault.as_str()) {
            return Answer::Failed { reason: "permission denied".into() };
        }
        self.world.break_it(&fault);
        self.held.insert(fault);
        done("taken")
    }

    fn confirm(&self, fault: &str) -> Answer {
        self.world.log.done(Happening::Asked { fault: fault.to_string() });
        if self.world.switches.cannot_confirm == Some(fault) {
            return Answer::Failed { reason: "pg_locks cannot be read".into() };
        }
        match self.world.in_place(fault) {
            true => Answer::InPlace { detail: format!("{fault} is listed") },
            false => Answer::Gone { detail: format!("{fault} is not listed") },
        }
    }

    /// Reports every slice that has ended: all good, or all bad when users suffered in it.
    async fn report_slices(&mut self) {
        while let Some(load) = &mut self.load
            && load.due() <= Instant::now()
        {
            let (index, start, end) = (load.next, load.start(load.next), load.due());
            load.next += 1;
            let (status, millis) = match self.world.trouble(start, end) {
                Trouble::None => (200, 5),
                Trouble::Errors => (503, 5),
                Trouble::Slowness => (200, 150),
            };
            let outcome = Outcome { status: Some(status), latency: Duration::from_millis(millis) };
            let mut slices = Vec::new();
            for of in &load.loads {
                let due = (of.rate * SLICE.as_secs_f64()).round() as u64;
                let slis = load.slis.iter().filter(|sli| sli.load == of.name);
                let good = |sli: &SliSpec| if sli.good.judge(outcome) { due } else { 0 };
                let complete = slis.clone().filter(|sli| good(sli) > 0).map(|sli| (sli.name.clone(), millis * 1000));
                slices.push(WireSlice {
                    load: of.name.clone(),
                    index,
                    start_us: 0,
                    due,
                    good: slis.map(|sli| (sli.name.clone(), good(sli))).collect(),
                    results: BTreeMap::from([(status.to_string(), due)]),
                    first_good_us: complete.collect(),
                    latency_us: [millis * 1000; 3],
                });
            }
            for slice in slices {
                self.send(Message::Slice(WireSlice { start_us: self.at_us(start), ..slice })).await;
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
        self.send(Message::Sample { clock_us, value, holds, readable: error.is_none(), error }).await;
    }

    async fn send(&self, message: Message) {
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

fn done(detail: &str) -> Answer {
    Answer::Done { detail: detail.into() }
}

async fn at(instant: Option<Instant>) {
    match instant {
        Some(instant) => sleep_until(instant.into()).await,
        None => std::future::pending().await,
    }
}
