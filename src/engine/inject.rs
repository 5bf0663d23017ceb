//! Inject: for each fault the undo goes to disk, then the fault goes in, then it is seen in place.

use super::drill::{Drill, POLL, seconds};
use super::stop::Stop;
use crate::faults::{Fault, FaultContext, FaultError, Presence, Undo};
use crate::record::{Check, CheckOutcome, DrillTime, Event, FaultEvent, Verdict};
use std::time::Duration;

/// How long a single look at a fault may take: Docker and a database may hang.
const ONE_STEP_WITHIN: Duration = Duration::from_secs(30);
/// How long a fault may take until it can be seen in place.
const CONFIRM_WITHIN: Duration = Duration::from_secs(20);

impl Drill<'_> {
    pub(super) async fn inject(&mut self) -> Result<(), Stop> {
        let plan = self.plan;
        self.inject_began = self.sink.now();
        for planned in &plan.faults {
            let check = Check::Injection { fault: planned.id.clone() };
            let started = self.sink.now();
            match self.inject_one(&planned.id, &planned.fault).await {
                Ok(evidence) => {
                    // The stamp of the event and no other reading: whoever reads the record counts from the same instant.
                    let now = self.fault_event(&planned.id, FaultEvent::Confirmed, &evidence);
                    self.injected = Some((self.injected.map_or(now, |(first, _)| first), now));
                    self.decided(check, started, CheckOutcome::Passed { evidence });
                }
                Err(stop) => {
                    let stop = stop.at(self.in_scenario(planned.line));
                    self.fault_event(&planned.id, FaultEvent::Failed, &stop.reason);
                    return Err(self.failed(check, started, stop));
                }
            }
        }
        Ok(())
    }

    async fn inject_one(&mut self, id: &str, fault: &Fault) -> Result<String, Stop> {
        let undo = within(fault.prepare_within(), "planning", id, fault.prepare(&self.fault_context(id))).await?;
        self.ledger.open(id, &undo).map_err(|error| {
            Stop::harness(format!(
                "the undo of `{id}` could not be written to the ledger, so it was not injected: {error}"
            ))
        })?;
        let began = self.fault_event(id, FaultEvent::Injecting, &fault.summary());
        if self.injected.is_none() {
            self.inject_began = began;
        }
        within(fault.inject_within(), "injecting", id, fault.inject(&undo, &self.fault_context(id))).await?;
        match self.poll_presence(id, fault, &undo, CONFIRM_WITHIN, true).await? {
            Presence::InPlace(evidence) => {
                // Nobody listens any more once the drill has begun to end.
                let _ = self.injections.send((id.to_string(), undo));
                Ok(evidence)
            }
            Presence::Partly(evidence, _) | Presence::Gone(evidence) => Err(Stop::new(
                Verdict::HarnessError,
                format!("`{id}` could not be seen in place within {}: {evidence}", seconds(CONFIRM_WITHIN)),
            )),
        }
    }

    /// Asks a fault until it is in place (or gone), and says how it stood when the deadline passed.
    pub(super) async fn poll_presence(
        &self,
        id: &str,
        fault: &Fault,
        undo: &Undo,
        within: Duration,
        in_place: bool,
    ) -> Result<Presence, Stop> {
        let started = self.sink.now();
        loop {
            let presence = in_time("asking", id, fault.confirm(undo, &self.fault_context(id))).await?;
            let reached = match &presence {
                Presence::InPlace(_) => in_place,
                Presence::Partly(..) => false,
                Presence::Gone(_) => !in_place,
            };
            if reached || self.sink.now().since(started) >= within {
                let what = if in_place { "to be in place" } else { "to be gone" };
                self.waited(format!("`{id}` {what}"), started, within, reached);
                return Ok(presence);
            }
            tokio::time::sleep(POLL).await;
        }
    }

    pub(super) fn fault_context<'d>(&'d self, id: &'d str) -> FaultContext<'d> {
        FaultContext { id, stack: self.stack, agents: &self.agents, seed: self.seed }
    }

    pub(super) fn fault_event(&self, fault: &str, what: FaultEvent, detail: &str) -> DrillTime {
        self.sink.emit_at(Event::Fault { fault: fault.to_string(), what, detail: detail.to_string() })
    }
}

/// Bounds one step of a fault's life; a time-out is an error, and says nothing about where the fault stands.
pub(super) async fn in_time<T>(
    what: &str,
    id: &str,
    step: impl Future<Output = Result<T, FaultError>>,
) -> Result<T, Stop> {
    within(ONE_STEP_WITHIN, what, id, step).await
}

async fn within<T>(
    limit: Duration,
    what: &str,
    id: &str,
    step: impl Future<Output = Result<T, FaultError>>,
) -> Result<T, Stop> {
    match tokio::time::timeout(limit, step).await {
        Ok(done) => Ok(done?),
        Err(_) => Err(Stop::harness(format!("{what} `{id}` took more than {}", seconds(limit)))),
    }
}
