//! The open loop: sends each request when it is due, counts how it ended, reports slices in order.

use super::ending::{EventClient, RequestEnded, Sent};
use super::timer::PreciseTimer;
use super::{ALLOWED_LATE, Client, LoadSpec, Schedule, Tally};
use crate::record::{DrillTime, LateRecord, Slice, micros};
use crate::slis::{Good, SLICE, SliSpec};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// So long before a request is due nobody sleeps any more: the kernel takes about that long to wake a thread on a processor that has gone
/// idle, and what is sent that much late is read as that much slower.
const AWAKE: Duration = Duration::from_micros(150);
/// At most this share of the time between two requests, so that the stack has the processor for itself.
const AWAKE_SHARE: f64 = 0.05;

/// What a generator reports while it runs, in microseconds of the clock by which its beginning was told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "report", rename_all = "snake_case")]
pub enum LoadReport {
    /// The next slice, whose events have all ended; slices come in order and without gaps.
    Slice(Slice),
    /// It woke late by more than [`ALLOWED_LATE`] since the last report: the machine was too busy for an honest measurement. No
    /// request is counted when it was late for the end of a slice in which nothing was due.
    Late(LateRecord),
    /// A write of the ledger has ended, however it did; only of loads with `acknowledged`. Told at once, and before the slice in
    /// which it was due.
    Write {
        /// Number of the request: its `{{counter}}`.
        write: u64,
        /// When its answer was complete, or it was given up.
        clock_us: u64,
        /// Whether the answer said that it is stored.
        acknowledged: bool,
    },
}

/// Events that are ready to be made.
pub struct Generator {
    client: Arc<dyn EventClient>,
    schedule: Schedule,
    tally: Tally,
    acknowledged: Option<Good>,
}

impl Generator {
    /// Checks a load and prepares it; says in plain words what cannot be sent.
    pub fn new(spec: &LoadSpec, slis: &[SliSpec], seed: u64) -> Result<Generator, String> {
        let named = |reason| format!("load `{}`: {reason}", spec.name);
        let client = Arc::new(Client::new(spec, seed).map_err(named)?);
        let generator = Generator::of(client, &spec.name, spec.rate, slis).map_err(named)?;
        Ok(Generator { acknowledged: spec.acknowledged.clone(), ..generator })
    }

    /// Events of any kind, `rate` per second, counted for the SLIs over `series`.
    pub fn of(client: Arc<dyn EventClient>, series: &str, rate: f64, slis: &[SliSpec]) -> Result<Generator, String> {
        Ok(Generator { client, schedule: Schedule::new(rate)?, tally: Tally::new(series, slis), acknowledged: None })
    }

    /// Sends request i at t0 + i/rate until `stop`; then waits for those under way, which is at most the time-out. Beside t0
    /// stands that instant by the clock of the reports.
    /// Everything due before the stop is sent and counted, and the slice that the stop cuts short is reported, too.
    /// Dropping the future closes every connection and reports nothing more. Says how many requests were sent.
    pub async fn run(self, t0: (Instant, u64), stop: CancellationToken, report: impl FnMut(LoadReport)) -> u64 {
        let (run, endings) = self.begin(t0, report);
        run.until(stop, endings).await
    }

    /// A run that has sent nothing yet, and where it hears how its requests ended.
    fn begin<R>(self, (t0, t0_us): (Instant, u64), report: R) -> (Run<R>, UnboundedReceiver<RequestEnded>) {
        let (ended, endings) = unbounded_channel();
        let (requests, next, late, late_count) = Default::default();
        let run = Run { generator: self, t0, t0_us, report, ended, requests, next, late, late_count };
        (run, endings)
    }
}

/// Waits until an instant, and does not sleep for the last moments (`awake`): other tasks are carried out then, and answers are taken.
async fn wait(timer: &mut PreciseTimer, at: Instant, awake: Duration) {
    timer.until(at.checked_sub(awake).unwrap_or(at)).await;
    while Instant::now() < at {
        tokio::task::yield_now().await;
    }
}

struct Run<R> {
    generator: Generator,
    t0: Instant,
    t0_us: u64,
    report: R,
    ended: UnboundedSender<RequestEnded>,
    requests: JoinSet<()>,
    /// Number of the next request.
    next: u64,
    late: Duration,
    late_count: u64,
}

impl<R: FnMut(LoadReport)> Run<R> {
    async fn until(mut self, stop: CancellationToken, mut endings: UnboundedReceiver<RequestEnded>) -> u64 {
        let mut timer = PreciseTimer::default();
        let awake = AWAKE.min(self.generator.schedule.due(1).mul_f64(AWAKE_SHARE));
        loop {
            // The next request or the end of the slice, whichever comes first: a slice is reported as soon as it is over,
            // also when the next request is far away.
            let over = Schedule::slice_start(self.current_slice(Instant::now()).saturating_add(1));
            let wake = self.at(self.generator.schedule.due(self.next).min(over));
            tokio::select! {
                // The clock first: a flood of answers must not make the next request late.
                biased;
                () = wait(&mut timer, wake, awake) => {
                    let now = Instant::now();
                    self.late = self.late.max(now.saturating_duration_since(wake));
                    self.send_due(now);
                    while self.requests.try_join_next().is_some() {}
                    // What is due goes out first: to close a slice takes as long as to send some requests.
                    tokio::task::yield_now().await;
                    self.close_sent(Instant::now());
                }
                () = stop.cancelled() => break,
                Some(ended) = endings.recv() => self.on_end(ended, &mut endings),
            }
        }
        let now = Instant::now();
        self.send_due(now);
        let cut = match self.next.checked_sub(1) {
            Some(last) => self.current_slice(now).max(self.generator.schedule.slice(last).saturating_add(1)),
            None => self.current_slice(now),
        };
        while self.generator.tally.outstanding() > 0 {
            let Some(ended) = endings.recv().await else { break };
            self.count(&ended);
            self.close(cut);
        }
        self.close(cut);
        self.next
    }

    /// An instant of the schedule; one that no clock can show is a day away, and asked for again then.
    fn at(&self, since_t0: Duration) -> Instant {
        self.t0.checked_add(since_t0).unwrap_or_else(|| Instant::now() + Duration::from_secs(86_400))
    }

    /// The slice that runs at `now`: those before it are over.
    fn current_slice(&self, now: Instant) -> u64 {
        Schedule::slice_at(now.saturating_duration_since(self.t0))
    }

    fn on_end(&mut self, ended: RequestEnded, endings: &mut UnboundedReceiver<RequestEnded>) {
        self.count(&ended);
        while let Ok(ended) = endings.try_recv() {
            self.count(&ended);
        }
        self.close_sent(Instant::now());
    }

    /// Closes the slices that are over at `now` and of which every request has been sent: where this task itself is late, some of an
    /// overdue slice are still to come.
    fn close_sent(&mut self, now: Instant) {
        self.close(self.current_slice(now).min(self.generator.schedule.slice(self.next)));
    }

    /// A write is told before the slice that holds it: whoever has seen a slice knows every write that was due in it.
    fn count(&mut self, ended: &RequestEnded) {
        let begun = self.at(Schedule::slice_start(ended.slice));
        self.generator.tally.end(ended.slice, ended.due.saturating_duration_since(begun), ended.ending);
        let Some(good) = &self.generator.acknowledged else { return };
        let took = (ended.due + ended.ending.latency).saturating_duration_since(self.t0);
        (self.report)(LoadReport::Write {
            write: ended.number,
            clock_us: self.t0_us.saturating_add(micros(took)),
            acknowledged: good.judge(ended.ending.result.ok(), ended.ending.latency),
        });
    }

    /// Sends whatever is due, a backlog at once: nothing is ever left out, or a stall would look like good service.
    fn send_due(&mut self, now: Instant) {
        while let Some(due) = self.t0.checked_add(self.generator.schedule.due(self.next)).filter(|due| *due <= now) {
            let late = now.saturating_duration_since(due);
            self.late = self.late.max(late);
            self.late_count += u64::from(late > ALLOWED_LATE);
            let i = self.next;
            self.next += 1;
            let slice = self.generator.schedule.slice(i);
            self.generator.tally.issue(slice);
            let sent = Sent::new(i, slice, due, self.ended.clone());
            let client = self.generator.client.clone();
            self.requests.spawn(async move { client.event(i, due, sent).await });
        }
        if self.late > ALLOWED_LATE {
            let load = self.generator.tally.load.clone();
            (self.report)(LoadReport::Late(LateRecord { load, worst_us: micros(self.late), count: self.late_count }));
        }
        (self.late, self.late_count) = (Duration::ZERO, 0);
    }

    fn close(&mut self, until: u64) {
        for slice in self.generator.tally.close(until) {
            let start_us = self.t0_us.saturating_add(slice.index.saturating_mul(micros(SLICE)));
            (self.report)(LoadReport::Slice(Slice { start_us: DrillTime(start_us), ..slice }));
        }
    }
}

#[cfg(test)]
#[path = "generator_tests.rs"]
mod tests;
