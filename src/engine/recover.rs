//! Recover: every SLI meets its objective again, in time and for long enough, while Firedrill leaves the fault alone.
//! Then each fault is asked once more, so that the record says whether the runbook cleared it or worked around it.

use super::drill::{Drill, seconds};
use super::monitor::shown;
use super::stop::Stop;
use crate::faults::{Inject, Presence};
use crate::record::{Check, CheckOutcome, DrillTime, Event, FaultEvent, Phase, Verdict};
use crate::slis::window::{Answer, RecoveryQuery};
use crate::stack::Stack;
use std::time::Duration;

/// What the last slices may take to arrive on top of the longest request.
pub(super) const ARRIVAL: Duration = Duration::from_secs(2);

impl<S: Stack> Drill<'_, S> {
    /// `Ok` is why the drill passes.
    pub(super) async fn recover(&mut self) -> Result<String, Stop> {
        let started = self.sink.now();
        let followed = !self.control && self.plan.runbook.is_some();
        let from = self.recovery_from(followed);
        let within = self.plan.recover_within;
        let ended = match self.mitigation {
            Some((_, Some(ended))) if followed => ended,
            // The control gets the time that the runbook would have had.
            _ if self.control => started,
            _ => self.injected.map_or(from, |(_, last)| last),
        };
        let hold = self.plan.recover_hold;
        let query = RecoveryQuery { from, ended: Some(ended), within, hold };
        let deadline = ended.plus(within + hold + self.longest_request() + ARRIVAL);
        // The answer is final as soon as no later `t` can come in time: there is no need to wait for the deadline.
        let recovered = self
            .monitor
            .until(deadline, |monitor| match monitor.timeline(|timeline| timeline.recovered(None, &query)) {
                Answer::Yes(at) => Some(Some(at)),
                Answer::No(_) => Some(None),
                Answer::NotYet => None,
            })
            .await?;
        let Some(recovered) = recovered else {
            return Err(Stop::harness("there was no complete measurement of the recovery"));
        };
        self.waited("every SLI to recover and hold", started, deadline.since(started), recovered.is_some());
        if let Some(reason) = self.monitor.disturbed() {
            return Err(Stop::disturbed(reason));
        }
        match (recovered, self.control) {
            (Some(at), true) => self.control_recovered(at, from),
            (None, true) => {
                if let Some(why) = self.crowded() {
                    let reason =
                        format!("{why}, so that nobody can say whether users would have recovered without the runbook");
                    return Err(self.failed(Check::Control, from, Stop::disturbed(reason)));
                }
                let evidence = format!(
                    "without the runbook users did not recover within {}: {}",
                    seconds(within),
                    shown(&self.latest(hold))
                );
                self.decided(Check::Control, from, CheckOutcome::Passed { evidence: evidence.clone() });
                Ok(evidence)
            }
            (Some(_), false) if self.by_hand => {
                self.ask_faults_again().await;
                let reason = "users recovered, but no command of the runbook was meant to help: it was not the runbook";
                let stop = Stop::new(Verdict::SelfHealed, reason).at(self.where_it_should_have_helped());
                for sli in &self.plan.slis {
                    let (reason, at) = (stop.reason.clone(), stop.at.clone());
                    let outcome = CheckOutcome::Failed { reason, at };
                    self.decided(Check::Recovery { sli: sli.name.clone() }, from, outcome);
                }
                Err(stop)
            }
            (Some(at), false) => {
                self.sink.emit(Event::WindowHeld { phase: Phase::Recover, from_us: at, to_us: at.plus(hold) });
                self.each_sli(&query, Some(at));
                self.sink.emit(Event::Recovered { sli: String::new(), recovered_us: at });
                self.recovered = Some(at);
                self.ask_faults_again().await;
                let injected = self.injected.map_or(from, |(first, _)| first);
                Ok(format!(
                    "users recovered {} after the injection and {} after {}",
                    seconds(at.since(injected)),
                    seconds(at.since(from)),
                    if followed { "the first mitigating command" } else { "the impact" }
                ))
            }
            (None, false) => {
                let missing = self.each_sli(&query, None);
                self.ask_faults_again().await;
                let after = if followed { "the last mitigating step" } else { "the injection" };
                let reason = format!("users had not recovered within {} of {after}: {missing}", seconds(within));
                Err(Stop::new(Verdict::NotRecovered, reason).at(self.where_it_should_have_helped()))
            }
        }
    }

    /// From when on a recovery counts: the first mitigating command, or without one the impact.
    fn recovery_from(&self, followed: bool) -> DrillTime {
        let impact = self.impacted.as_ref().map(|(at, _)| *at);
        let injected = self.injected.map(|(first, _)| first);
        match (followed, self.mitigation) {
            (true, Some((begun, _))) => begun,
            _ => impact.or(injected).unwrap_or_else(|| self.sink.now()),
        }
    }

    fn control_recovered(&self, at: DrillTime, from: DrillTime) -> Result<String, Stop> {
        let reason = format!(
            "users recovered without the runbook, {} after the impact: a drill of it proves nothing",
            seconds(at.since(from))
        );
        Err(self.failed(Check::Control, from, Stop::new(Verdict::SelfHealed, reason)))
    }

    /// Decides the recovery of each SLI by itself; returns what the ones that did not recover look like.
    fn each_sli(&self, query: &RecoveryQuery, together: Option<DrillTime>) -> String {
        let from = query.from;
        let recovered = |name: &str| self.monitor.timeline(|timeline| timeline.recovered(Some(name), query));
        let own: Vec<_> = self.plan.slis.iter().map(|sli| (sli, recovered(&sli.name))).collect();
        // Each for itself and never together is no recovery of any of them: users always missed something.
        let apart = together.is_none() && own.iter().all(|(_, own)| matches!(own, Answer::Yes(_)));
        let mut missing = Vec::new();
        for (sli, own) in own {
            let check = Check::Recovery { sli: sli.name.clone() };
            let at = match (own, together) {
                (Answer::Yes(at), _) if !apart => at,
                (_, Some(at)) => at,
                (own, None) => {
                    let reason = match own {
                        Answer::Yes(_) => format!("{} recovered, but never together with the other SLIs", sli.name),
                        Answer::No(levels) => shown(&levels),
                        Answer::NotYet => shown(&[]),
                    };
                    missing.push(reason.clone());
                    let at = Some(self.where_it_should_have_helped());
                    let outcome = match self.crowded() {
                        Some(crowded) => CheckOutcome::Error { reason: format!("{reason}; {crowded}"), at },
                        None => CheckOutcome::Failed { reason, at },
                    };
                    self.decided(check, from, outcome);
                    continue;
                }
            };
            self.sink.emit(Event::Recovered { sli: sli.name.clone(), recovered_us: at });
            let evidence = format!("met its objective again after {}", seconds(at.since(from)));
            self.decided(check, from, CheckOutcome::Passed { evidence });
        }
        missing.join("; ")
    }

    /// The first mitigating step of the runbook, where a reader will look first.
    fn where_it_should_have_helped(&self) -> crate::record::Location {
        let Some(runbook) = &self.plan.runbook else { return self.in_scenario(self.plan.line_of("recover")) };
        let line = runbook
            .select(&self.plan.respond.phases)
            .find(|step| step.phase == crate::runbook::RunbookPhase::Mitigate)
            .map_or(1, |step| step.line);
        crate::record::Location { path: super::announce::shown(&runbook.source), line }
    }

    async fn ask_faults_again(&self) {
        for (id, undo) in self.ledger.outstanding() {
            let Some(planned) = self.plan.faults.iter().find(|planned| planned.id == id) else { continue };
            let (what, detail) = match planned.fault.confirm(&id, &undo, &self.field()).await {
                Ok(Presence::InPlace(evidence) | Presence::Partly(evidence)) => (FaultEvent::StillActive, evidence),
                Ok(Presence::Gone(evidence)) => (FaultEvent::ClearedByRunbook, evidence),
                Err(error) => (FaultEvent::Failed, format!("could not be asked after the recovery: {error}")),
            };
            self.fault_event(&id, what, &detail);
        }
    }
}
