//! Respond: the runbook's steps in order, in one shell session, while the fault is still on.

use super::drill::Drill;
use super::follow::{Broke, ByHand, FollowContext, Followed, Follower};
use super::monitor::shown;
use super::stop::Stop;
use crate::record::{Check, CheckOutcome, DrillTime, Event, FaultEvent, StepStatus, Verdict};
use crate::runbook::{Input, RunbookPhase, Step, StepKind};
use async_trait::async_trait;

#[async_trait]
impl FollowContext for Drill<'_> {
    /// Users must still suffer when the first command starts that is meant to help: one that only waits or looks is not.
    async fn before(&mut self, step: &Step, command: &str) -> Result<(), Stop> {
        if self.mitigates(step.phase) && self.mitigation.is_none() && !crate::programs::only_looks(command) {
            self.still_there().await?;
            self.still_broken()?;
            self.mitigation = Some((self.sink.now(), None));
            self.sink.emit(Event::MitigationStarted);
        }
        Ok(())
    }

    fn after(&mut self) -> Result<(), Stop> {
        match self.monitor.gone() {
            Some(why) => Err(Stop::harness(why)),
            None => Ok(()),
        }
    }

    /// A runbook that verifies without having mitigated has its deadline as well.
    fn try_until(&self, begun: DrillTime) -> (DrillTime, &'static str) {
        let since = self.mitigation.and_then(|(_, ended)| ended).unwrap_or(begun);
        (since.plus(self.plan.recover_within), "`recover.within`")
    }

    /// While a person is asked the drill goes on: the load runs, and so do its clocks. What they say to have done is
    /// meant to help from then on; before, users must have suffered as before a command.
    async fn by_hand(&mut self, step: &Step) -> Result<ByHand, Stop> {
        let asked = self.sink.now();
        let first = self.mitigates(step.phase) && self.mitigation.is_none();
        let suffering = match first {
            true => Some(self.still_there().await.and_then(|()| self.suffering())),
            false => None,
        };
        let said = self.person.by_hand(step).await;
        self.after()?;
        if said == ByHand::Done && self.mitigates(step.phase) {
            if let Some(suffering) = suffering {
                self.told_of(asked, suffering)?;
                self.sink.emit(Event::MitigationStarted);
            }
            let now = self.sink.now();
            let begun = self.mitigation.map_or(now, |(begun, _)| begun);
            self.mitigation = Some((begun, Some(now)));
            self.sink.emit(Event::MitigationEnded);
        }
        Ok(said)
    }

    async fn value_of(&mut self, input: &Input) -> Option<String> {
        self.person.value_of(input).await
    }

    fn how_to_give(&self, names: &[&str]) -> String {
        let names: Vec<String> = names.iter().map(|name| format!("{name}: …")).collect();
        format!("give it as `respond.vars` in the scenario ({}) or with `--var`", names.join(", "))
    }
}

impl Drill<'_> {
    /// `Ok(Some(stop))`: a verification never passed, and is the reason to fail if users have recovered all the same.
    pub(super) async fn respond(&mut self) -> Result<Option<Stop>, Stop> {
        let plan = self.plan;
        let Some(runbook) = &plan.runbook else { return Ok(None) };
        let opening = self.shell.take();
        let mut follower = Follower::new(self.stack, runbook, &plan.respond, self.sink.clone(), opening);
        let followed = self.follow(&mut follower).await;
        // Also where a step failed: what ran beside it has its last word in the record.
        follower.end().await;
        let unverified = followed?;
        if unverified.is_none() && self.mitigation.is_none() {
            // Nothing of the runbook mitigates by a command; what heals from here on heals by itself or by hand.
            self.still_there().await?;
            self.still_broken()?;
            self.by_hand = true;
            let now = self.sink.now();
            self.mitigation = Some((now, Some(now)));
        }
        Ok(unverified)
    }

    async fn follow(&mut self, follower: &mut Follower<'_>) -> Result<Option<Stop>, Stop> {
        let plan = self.plan;
        follower.ready().await?;
        for step in plan.runbook.iter().flat_map(|runbook| runbook.select(&plan.respond.phases)) {
            let started = self.sink.now();
            self.sink.emit(Event::StepStarted { step: step.id.clone() });
            let ended = follower.step(step, self).await;
            // Taken from every step: what a diagnosis wrote is not the output of a mitigation that was skipped.
            let line = follower.last_line.take();
            if self.mitigates(step.phase) {
                self.mitigation_ended(step);
                if let Some(line) = line {
                    self.last_line = Some((step.title.clone(), line));
                }
            }
            let check = Check::Step { step: step.id.clone() };
            match ended {
                Ok(Followed { status, reason, evidence }) => {
                    self.sink.emit(Event::StepEnded { step: step.id.clone(), status, reason, at: None });
                    let outcome = match status {
                        StepStatus::Skipped => CheckOutcome::Skipped { reason: evidence },
                        _ => CheckOutcome::Passed { evidence },
                    };
                    self.decided(check, started, outcome);
                }
                Err(Broke::Verification(stop)) => {
                    let (reason, at) = (Some(stop.reason.clone()), stop.at.clone());
                    self.sink.emit(Event::StepEnded { step: step.id.clone(), status: StepStatus::Failed, reason, at });
                    return Ok(Some(self.failed(check, started, stop)));
                }
                Err(Broke::Drill(stop)) => {
                    let status =
                        if stop.verdict == Verdict::StepBlocked { StepStatus::Blocked } else { StepStatus::Failed };
                    let (reason, at) = (Some(stop.reason.clone()), stop.at.clone());
                    if stop.verdict != Verdict::SelfHealed {
                        self.sink.emit(Event::StepEnded { step: step.id.clone(), status, reason, at });
                        return Err(self.failed(check, started, stop));
                    }
                    let reason = "it would have proved nothing".to_string();
                    let ended = Event::StepEnded {
                        step: step.id.clone(),
                        status: StepStatus::Skipped,
                        reason: Some(reason.clone()),
                        at,
                    };
                    self.sink.emit(ended);
                    self.decided(check, started, CheckOutcome::Skipped { reason });
                    return Err(stop);
                }
            }
        }
        Ok(None)
    }

    /// Whether the steps of a phase are meant to help: those of mitigate; where no command of it is followed, those of
    /// rollback (a bad release is mitigated so) and of phases with no name of their own.
    fn mitigates(&self, phase: RunbookPhase) -> bool {
        let steps = self.plan.runbook.iter().flat_map(|runbook| runbook.select(&self.plan.respond.phases));
        let by_name = steps.filter(|step| step.phase == RunbookPhase::Mitigate).any(|step| !step.commands().is_empty());
        match phase {
            RunbookPhase::Mitigate => true,
            RunbookPhase::Rollback | RunbookPhase::Other => !by_name,
            _ => false,
        }
    }

    fn mitigation_ended(&mut self, step: &Step) {
        if let (Some((begun, _)), StepKind::Commands(_)) = (self.mitigation, &step.kind) {
            self.mitigation = Some((begun, Some(self.sink.now())));
            self.sink.emit(Event::MitigationEnded);
        }
    }

    /// No fault may have ended by itself until then.
    async fn still_there(&self) -> Result<(), Stop> {
        let ids: Vec<&str> = self.plan.faults.iter().map(|planned| planned.id.as_str()).collect();
        let Some((id, stop)) = self.ended_by_themselves(&ids, false).await?.into_iter().next() else { return Ok(()) };
        self.fault_event(&id, FaultEvent::EndedByItself, &stop.reason);
        Err(self.failed(Check::StillBroken, self.sink.now(), stop))
    }

    /// The SLIs that were hit must still miss their objectives, or the drill cannot say that the runbook helped.
    fn still_broken(&self) -> Result<(), Stop> {
        self.told_of(self.sink.now(), self.suffering())
    }

    /// Notes whether users suffered at an instant.
    fn told_of(&self, at: DrillTime, suffering: Result<Option<String>, Stop>) -> Result<(), Stop> {
        match suffering {
            Ok(None) => Ok(()),
            Ok(Some(evidence)) => {
                self.decided(Check::StillBroken, at, CheckOutcome::Passed { evidence });
                Ok(())
            }
            Err(stop) => Err(self.failed(Check::StillBroken, at, stop)),
        }
    }

    /// How users suffer now; `None` where no SLI was hit.
    fn suffering(&self) -> Result<Option<String>, Stop> {
        let Some((_, hit)) = &self.impacted else { return Ok(None) };
        // From the first fault on, as the impact: a mitigation that begins at once would find no slice yet.
        let since = self.injected.map_or_else(|| self.sink.now(), |(first, _)| first);
        let window = self.plan.impact.window;
        let state = self.monitor.timeline(|timeline| timeline.still_broken(hit, window, since));
        if state.users_suffer() {
            return Ok(Some(format!("when the mitigation began: {}", shown(&state.broken))));
        }
        if state.unknown.is_empty() {
            let reason = format!(
                "users had recovered before the first mitigating command, so the runbook proved nothing: {}",
                shown(&state.healed)
            );
            return Err(Stop::new(Verdict::SelfHealed, reason));
        }
        let unknown = state.unknown.join(", ");
        Err(Stop::harness(format!("there was no data on {unknown} when the mitigation began")))
    }
}
