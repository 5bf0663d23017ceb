//! Revert: undo every fault, last first, each under its own deadline and never under the cancelled token; then the SLIs
//! must hold once more.

use super::drill::{Drill, caught, micros, seconds};
use super::monitor::shown;
use super::stop::Stop;
use crate::faults::{Inject, Presence, Undo};
use crate::record::{Check, CheckOutcome, DrillTime, Event, FaultEvent, Phase, Verdict, as_it_is_kept};
use crate::slis::window::Answer;
use crate::source::list;
use crate::stack::Stack;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// How long the SLIs may take after the last undo before they hold.
pub(super) const SETTLE: Duration = Duration::from_secs(10);

impl<S: Stack> Drill<'_, S> {
    pub(super) async fn revert(&mut self, cancel: &CancellationToken) {
        let outstanding = self.ledger.outstanding();
        if outstanding.is_empty() {
            return;
        }
        let started = self.sink.now();
        let mut problems = Vec::new();
        for (id, undo) in outstanding {
            if let Some(reason) = undo.irreversible() {
                self.fault_event(&id, FaultEvent::Irreversible, reason);
                self.irreversible.push(id.clone());
                if let Err(error) = self.ledger.done(&id) {
                    problems.push(format!("`{id}`: the ledger could not be written: {error}"));
                }
                continue;
            }
            // A panic over one fault must not keep the others in place.
            let undone = caught(self.revert_one(&id, &undo)).await;
            match undone.unwrap_or_else(|panic| Err(format!("a panic while it was undone: {panic}"))) {
                Ok(evidence) => {
                    self.fault_event(&id, FaultEvent::Reverted, &evidence);
                    if let Err(error) = self.ledger.done(&id) {
                        problems.push(format!("`{id}`: the ledger could not be written: {error}"));
                    }
                }
                Err(reason) => {
                    self.fault_event(&id, FaultEvent::Failed, &reason);
                    problems.push(format!("`{id}`: {reason}"));
                }
            }
        }
        let held = match problems.is_empty() {
            false => Err(self.not_reverted(problems.join("; "))),
            true if !self.unspoiled() || self.control || cancel.is_cancelled() => Ok(self.gone()),
            true => self.hold(cancel).await,
        };
        match held {
            Ok(evidence) => self.decided(Check::Revert, started, CheckOutcome::Passed { evidence }),
            Err(stop) => {
                let stop = self.failed(Check::Revert, started, stop);
                self.judge(stop);
            }
        }
    }

    /// What there is to say about a stack that is kept.
    pub(super) fn how_it_is_kept(&self) -> String {
        let mut lines = vec![as_it_is_kept(&self.irreversible)];
        lines.extend(self.stack.how_to_look());
        lines.join("\n")
    }

    /// Where the faults are once they were undone.
    fn gone(&self) -> String {
        match self.irreversible.is_empty() {
            true => "every fault is gone".into(),
            false => format!("every fault is gone but {}, which goes with the stack,", list(&self.irreversible)),
        }
    }

    /// A fault that could not be undone is `not_reverted`, unless the agent that should have is gone.
    fn not_reverted(&self, reason: String) -> Stop {
        match self.monitor.gone() {
            Some(why) => Stop::harness(format!("{reason} ({why})")),
            None => Stop::new(Verdict::NotReverted, reason),
        }
    }

    async fn revert_one(&self, id: &str, undo: &Undo) -> Result<String, String> {
        let planned = self.plan.faults.iter().find(|planned| planned.id == id);
        let planned = planned.ok_or_else(|| "it is in the ledger, but not in the scenario".to_string())?;
        let within = planned.fault.revert_within();
        let reverted = tokio::time::timeout(within, planned.fault.revert(id, undo, &self.field())).await;
        match reverted {
            Err(_) => return Err(format!("could not be undone within {}", seconds(within))),
            Ok(Err(error)) => return Err(format!("could not be undone: {error}")),
            Ok(Ok(())) => {}
        }
        match self.poll_presence(id, &planned.fault, undo, within, false).await {
            Ok(Presence::Gone(evidence)) => Ok(evidence),
            Ok(Presence::InPlace(evidence) | Presence::Partly(evidence)) => {
                Err(format!("was undone and is still there: {evidence}"))
            }
            Err(stop) => Err(stop.reason),
        }
    }

    /// The SLIs hold once more for `revert.hold`, with the fault gone, after they had a moment to settle: undoing a fault is a
    /// change, too.
    async fn hold(&mut self, cancel: &CancellationToken) -> Result<String, Stop> {
        let hold = self.plan.revert_hold;
        let from = self.sink.now();
        let within = hold + SETTLE + self.longest_request();
        let held = tokio::select! {
            biased;
            () = cancel.cancelled() => return Ok(format!("{}; interrupted before the SLIs had held", self.gone())),
            held = self.monitor.until(from.plus(within), |monitor| {
                match monitor.timeline(|timeline| timeline.steady(hold, from)) {
                    Answer::Yes(end) => Some(end),
                    _ => None,
                }
            }) => held?,
        };
        self.waited("every SLI to hold after the revert", from, within, held.is_some());
        let (levels, length) = (self.latest(hold), seconds(hold));
        if let Some(to_us) = held {
            let from_us = DrillTime(to_us.0.saturating_sub(micros(hold)));
            self.sink.emit(Event::WindowHeld { phase: Phase::Revert, from_us, to_us });
            return Ok(format!("{} and every SLI held for {length}: {}", self.gone(), shown(&levels)));
        }
        if let Some(disturbed) = self.monitor.disturbed() {
            return Err(Stop::disturbed(disturbed));
        }
        // Without a whole window nothing was measured.
        match self.monitor.timeline(|timeline| timeline.held(from, hold)) {
            Answer::NotYet => {
                Err(Stop::harness("the faults are gone, but there was no complete measurement afterwards"))
            }
            _ => {
                let reason = format!(
                    "the faults are gone, but the SLIs did not hold for {length} within {}: {}",
                    seconds(hold + SETTLE),
                    shown(&levels)
                );
                Err(Stop { measured: true, ..Stop::new(Verdict::NotReverted, reason) })
            }
        }
    }
}
