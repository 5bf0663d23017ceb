//! The loads of a session: started together, stopped together.

use crate::agent::protocol::{Answer, Message, WireSlice};
use crate::agent::{Clock, machine};
use crate::load::{Generator, LoadSpec, Report, SLICE, Totals, micros};
use crate::slis::SliSpec;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::mpsc::UnboundedSender;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

/// From taking the request to t0: starting tasks must not make the first requests late.
const LEAD: Duration = Duration::from_millis(20);

/// How long a stop waits for what is under way; shorter than a runner waits for an answer.
const STOP_WITHIN: Duration = Duration::from_secs(25);

/// The loads that run now.
#[derive(Debug, Default)]
pub(super) struct Loads {
    running: Mutex<Option<Running>>,
}

#[derive(Debug)]
struct Running {
    stop: CancellationToken,
    specs: Vec<LoadSpec>,
    seed: u64,
    generators: Vec<AbortOnDropHandle<Totals>>,
    /// Watches the machine meanwhile; ends when it is dropped.
    _machine: AbortOnDropHandle<()>,
}

impl Loads {
    /// Starts all of them, or none and says why.
    pub(super) fn start(
        &self,
        loads: &[LoadSpec],
        slis: &[SliSpec],
        seed: u64,
        clock: Clock,
        messages: &UnboundedSender<Message>,
    ) -> Answer {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        if running.is_some() {
            return Answer::Failed { reason: "loads are running already".into() };
        }
        let generators: Result<Vec<_>, String> =
            loads.iter().map(|load| Ok((load.name.clone(), Generator::new(load, slis, seed)?))).collect();
        let generators = match generators {
            Ok(generators) => generators,
            Err(reason) => return Answer::Failed { reason },
        };
        let t0 = Instant::now() + LEAD;
        let t0_us = clock.at_us(t0);
        let stop = CancellationToken::new();
        let generators = generators.into_iter().map(|(load, generator)| {
            let messages = messages.clone();
            // Nobody reads any more once the session has ended, and then the generator is dropped, too.
            let report = move |report| drop(messages.send(message(&load, t0_us, clock, report)));
            AbortOnDropHandle::new(tokio::spawn(generator.run(t0, stop.clone(), report)))
        });
        *running = Some(Running {
            generators: generators.collect(),
            specs: loads.to_vec(),
            seed,
            stop,
            _machine: machine::watch(messages.clone()),
        });
        Answer::LoadStarted { t0_us }
    }

    /// A load that runs, with the seed of its ids.
    pub(super) fn running(&self, load: &str) -> Option<(LoadSpec, u64)> {
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        let running = running.as_ref()?;
        let spec = running.specs.iter().find(|spec| spec.name == load)?;
        Some((spec.clone(), running.seed))
    }

    /// Stops sending and waits for what is under way, at most the longest time-out; every slice has been reported
    /// when it says that it is done.
    pub(super) async fn stop(&self) -> Answer {
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(Running { stop, generators, .. }) = running else {
            return Answer::Done { detail: "no load was running".into() };
        };
        stop.cancel();
        let deadline = tokio::time::Instant::now() + STOP_WITHIN;
        let mut requests = 0u64;
        for generator in generators {
            match tokio::time::timeout_at(deadline, generator).await {
                Ok(Ok(totals)) => requests = requests.saturating_add(totals.requests),
                Ok(Err(error)) => return Answer::Failed { reason: format!("a load generator died: {error}") },
                Err(_) => {
                    let within = STOP_WITHIN.as_secs();
                    return Answer::Failed { reason: format!("requests were still under way after {within} s") };
                }
            }
        }
        Answer::Done { detail: format!("{requests} requests sent") }
    }

    /// Ends them at once: connections are closed, nothing more is reported.
    pub(super) fn abort(&self) {
        self.running.lock().unwrap_or_else(PoisonError::into_inner).take();
    }
}

fn message(load: &str, t0_us: u64, clock: Clock, report: Report) -> Message {
    match report {
        Report::Slice(slice) => Message::Slice(WireSlice {
            load: load.to_string(),
            index: slice.index,
            start_us: t0_us.saturating_add(slice.index.saturating_mul(micros(SLICE))),
            due: slice.due,
            good: slice.good,
            results: slice.results,
            first_good_us: slice.first_good_us,
            latency_us: slice.latency_us,
        }),
        Report::Late { worst, count } => Message::Late { load: load.to_string(), worst_us: micros(worst), count },
        Report::Write { number, ended, acknowledged } => {
            Message::Write { load: load.to_string(), write: number, clock_us: clock.at_us(ended), acknowledged }
        }
    }
}
