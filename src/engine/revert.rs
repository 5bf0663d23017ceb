//! Revert: undo every fault, last first, each under its own deadline and never under the cancelled token; then the SLIs
//! must hold once more.

use super::drill::{Drill, caught, seconds};
use super::monitor::shown;
use super::stop::Stop;
use crate::faults::{Presence, Undo};
use crate::record::{Check, CheckOutcome, DrillTime, Event, FaultEvent, InvariantTime, Phase, Verdict, as_it_is_kept};
use crate::slis::window::Answer;
use crate::source::list;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// How long the SLIs may take after the last undo before they hold.
pub(super) const SETTLE: Duration = Duration::from_secs(10);

impl Drill<'_> {
    /// `recovering` is when a recovery began to be looked for.
    pub(super) async fn revert(&mut self, recovering: DrillTime, cancel: &CancellationToken) {
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
            let mut said = String::new();
            let undone = caught(self.revert_one(&id, &undo, &mut said)).await;
            let undone = undone.unwrap_or_else(|panic| Err(format!("a panic while it was undone: {panic}")));
            let failed = undone.is_err();
            match undone {
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
            if !said.trim().is_empty() {
                self.sink.emit(Event::UndoOutput { fault: id, text: said, failed });
            }
        }
        // Only now everything is known about the time until the first undo, and it is all that counts.
        if self.unspoiled() && !cancel.is_cancelled() {
            let served = tokio::select! {
                biased;
                () = cancel.cancelled() => Ok(()),
                served = self.no_relapse(started, recovering) => served,
            };
            if let Err(stop) = served {
                self.judge(stop);
            }
        }
        let held = match problems.is_empty() {
            false => Err(self.not_reverted(problems.join("; "))),
            true if !self.unspoiled() || self.control || cancel.is_cancelled() => Ok(self.gone()),
            true => self.hold(cancel).await,
        };
        match held {
            Ok(evidence) => {
                self.decided(Check::Revert, started, CheckOutcome::Passed { evidence });
                if self.unspoiled() {
                    self.undamaged(cancel).await;
                }
            }
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

    /// Undoes a fault and sees it gone: the evidence, or why not. `said` takes what the undo writes.
    async fn revert_one(&self, id: &str, undo: &Undo, said: &mut String) -> Result<String, String> {
        let planned = self.plan.faults.iter().find(|planned| planned.id == id);
        let planned = planned.ok_or_else(|| "it is in the ledger, but not in the scenario".to_string())?;
        let within = planned.fault.revert_within();
        let reverted = tokio::time::timeout(within, planned.fault.revert(undo, &self.fault_context(id))).await;
        match reverted {
            Err(_) => return Err(format!("could not be undone within {}", seconds(within))),
            Ok(Err(error)) => {
                said.clone_from(&error.output);
                return Err(format!("could not be undone: {error}"));
            }
            Ok(Ok(output)) => *said = output,
        }
        match self.poll_presence(id, &planned.fault, undo, within, false).await {
            Ok(Presence::Gone(evidence)) => Ok(evidence),
            Ok(Presence::InPlace(evidence) | Presence::Partly(evidence, _)) => {
                Err(format!("was undone and is still there: {evidence}"))
            }
            Err(stop) => Err(stop.reason),
        }
    }

    /// Asks the invariants a last time, of a drill that would pass.
    async fn undamaged(&mut self, cancel: &CancellationToken) {
        let asked = tokio::select! {
            biased;
            () = cancel.cancelled() => return,
            asked = self.ask_invariants(InvariantTime::Reverted) => asked,
        };
        if let Err(stop) = asked {
            self.judge(stop);
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
                    Answer::Yes(levels) => Some(levels),
                    _ => None,
                }
            }) => held?,
        };
        self.waited("every SLI to hold after the revert", from, within, held.is_some());
        let length = seconds(hold);
        if let Some(levels) = held {
            self.window_held(Phase::Revert, &levels);
            let evidence = format!("{} and every SLI held for {length}: {}", self.gone(), shown(&levels));
            return Ok(evidence);
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
                    self.shown_with_answers(&self.latest(hold))
                );
                Err(Stop { measured: true, ..Stop::new(Verdict::NotReverted, reason) })
            }
        }
    }
}
