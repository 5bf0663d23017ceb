//! Recover: every SLI meets its objective again, in time and for long enough, while Firedrill leaves the fault alone, and
//! until it begins to undo it. Each fault is asked when the runbook has ended and at the end of the hold, so that the record
//! says whether the runbook cleared it or worked around it.

use super::drill::{Drill, micros, seconds};
use super::inject::in_time;
use super::monitor::shown;
use super::restore::not_by_the_runbook;
use super::restore::words::beside;
use super::stop::Stop;
use crate::faults::Presence;
use crate::record::{
    Check, CheckOutcome, DrillTime, Event, FaultEvent, HoldRecord, Parts, Phase, Verdict, WAIT_RECOVERED, WAIT_SERVED,
};
use crate::slis::window::{Answer, Level, Recovery, RecoveryQuery, Timeline, required_hold};
use std::collections::BTreeMap;
use std::time::Duration;

/// What the last slices may take to arrive on top of the longest request.
pub(super) const ARRIVAL: Duration = Duration::from_secs(2);
/// How long looking for what has ended a fault may take.
const ASKED_WITHIN: Duration = Duration::from_secs(5);

/// How a fault stood when it was asked.
type Answers = Vec<(String, Result<Presence, Stop>)>;

impl Drill<'_> {
    /// `Ok` is why the drill passes.
    pub(super) async fn recover(&mut self) -> Result<String, Stop> {
        let started = self.sink.now();
        let followed = !self.control && self.plan.runbook.is_some();
        let from = self.recovery_from(followed);
        let within = match self.control {
            true => self.control_within(started),
            false => self.plan.recover_within,
        };
        let ended = match self.mitigation {
            Some((_, Some(ended))) if followed => ended,
            // The control gets the time that the runbook would have had.
            _ if self.control => started,
            _ => self.injected.map_or(from, |(_, last)| last),
        };
        // Both when the runbook has ended and at the end of the hold: what became of the fault is said from both answers.
        let at_first = self.ask_faults().await;
        self.parts = least_active(&at_first);
        let runbook_ended = followed.then_some(self.phase_began);
        let (recovered, at_last, query, deadline) = loop {
            let hold = self.say_hold();
            let window = self.plan.recover_hold;
            let query = RecoveryQuery { from, ended: Some(ended), within, hold, window, runbook_ended };
            let latest = ended.plus(within).max(self.phase_began);
            let deadline = latest.plus(hold + self.longest_request() + ARRIVAL);
            // The answer is final as soon as no later `t` can come in time: there is no need to wait for the deadline.
            let recovered = self.monitor.until(deadline, |monitor| {
                match monitor.timeline(|timeline| timeline.recovered(None, &query)) {
                    Answer::Yes(recovery) => Some(Some(recovery)),
                    Answer::No(_) => Some(None),
                    Answer::NotYet => None,
                }
            });
            let Some(recovered) = recovered.await? else {
                return Err(Stop::harness("there was no complete measurement of the recovery"));
            };
            let at_last = self.ask_faults().await;
            // What is partially active only now needs longer to hurt, too.
            let before = std::mem::replace(&mut self.parts, least_active(&at_last));
            if recovered.is_none() || self.control || self.required_hold() <= hold {
                self.parts = before;
                break (recovered, at_last, query, deadline);
            }
        };
        let gone: Vec<&str> =
            at_last.iter().filter(|(_, a)| matches!(a, Ok(Presence::Gone(_)))).map(|(id, _)| id.as_str()).collect();
        let ended = self.ended_by_themselves(&gone, true).await?;
        let by_themselves = ended.values().next().cloned().filter(|_| followed);
        let hold = query.hold;
        self.waited(WAIT_RECOVERED, started, deadline.since(started), recovered.is_some());
        if let Some(reason) = self.monitor.disturbed() {
            return Err(Stop::disturbed(reason));
        }
        match (recovered, self.control) {
            (Some(recovery), true) => self.control_recovered(recovery.at, from),
            (None, true) => {
                if let Some(why) = self.crowded() {
                    let reason =
                        format!("{why}, so that nobody can say whether users would have recovered without the runbook");
                    return Err(self.failed(Check::Control, from, Stop::disturbed(reason)));
                }
                let evidence = format!(
                    "without the runbook users did not recover within {}: {}",
                    seconds(within),
                    self.shown_with_answers(&self.latest(hold))
                );
                self.decided(Check::Control, from, CheckOutcome::Passed { evidence: evidence.clone() });
                Ok(evidence)
            }
            (Some(_), false) if by_themselves.is_some() || self.by_hand => {
                self.say_how_faults_stand(at_first, at_last, &ended).await;
                let reason = "users recovered, but no command of the runbook was meant to help: it was not the runbook";
                let by_hand = || Stop::new(Verdict::SelfHealed, reason).at(self.where_it_should_have_helped());
                let stop = by_themselves.unwrap_or_else(by_hand);
                for sli in &self.plan.slis {
                    let (reason, at) = (stop.reason.clone(), stop.at.clone());
                    let outcome = CheckOutcome::Failed { reason, at };
                    self.decided(Check::Recovery { sli: sli.name.clone() }, from, outcome);
                }
                Err(stop)
            }
            (Some(recovery), false) => {
                let Recovery { at, from: from_us, to: to_us } = recovery;
                self.sink.emit(Event::WindowHeld { phase: Phase::Recover, from_us, to_us });
                self.each_sli(&query, Some(at));
                self.sink.emit(Event::Recovered { sli: String::new(), recovered_us: at });
                self.recovery = Some(recovery);
                let cleared = self.cleared(&at_last, recovery.at);
                self.say_how_faults_stand(at_first, at_last, &ended).await;
                cleared?;
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
                self.say_how_faults_stand(at_first, at_last, &ended).await;
                // A runbook of which no mitigating step was run has no end of one.
                let after =
                    if followed && self.mitigation.is_some() { "the last mitigating step" } else { "the injection" };
                let answers = self.monitor.timeline(|timeline| timeline.answers(&timeline.latest(hold)));
                let answers = if answers.is_empty() { answers } else { format!("; answers: {answers}") };
                // Without what came at its end.
                let before = RecoveryQuery { runbook_ended: None, ..query };
                let lost = match self.monitor.timeline(|timeline| timeline.recovered(None, &before)) {
                    Answer::Yes(recovery) => Some(recovery.at.since(from)),
                    Answer::No(_) | Answer::NotYet => None,
                };
                let told = match lost {
                    Some(since) => format!(
                        "users had recovered {} after the first mitigating command, and lost the service again when or \
                         after the runbook ended",
                        seconds(since)
                    ),
                    None => format!("users had not recovered within {} of {after}", seconds(within)),
                };
                let reason = format!("{told}: {missing}{answers}{}", self.last_words());
                Err(Stop::new(Verdict::NotRecovered, reason).at(self.where_it_should_have_helped()))
            }
        }
    }

    /// Every fault is gone by its last answer, where the scenario demands that the runbook clears it.
    fn cleared(&self, at_last: &Answers, since: DrillTime) -> Result<(), Stop> {
        if !self.plan.recover_cleared {
            return Ok(());
        }
        let at = || self.in_scenario(self.plan.line_of("recover"));
        for (id, answer) in at_last {
            let reason = match answer {
                Ok(Presence::Gone(_)) => continue,
                Ok(Presence::InPlace(_) | Presence::Partly(..)) => {
                    let partly = if matches!(answer, Ok(Presence::Partly(..))) { "partially " } else { "" };
                    format!(
                        "users are served, but the fault `{id}` is still {partly}active, and the scenario demands that the runbook clears it"
                    )
                }
                Err(stop) => {
                    let reason = format!("whether the fault `{id}` is cleared cannot be told: {}", stop.reason);
                    return Err(self.failed(Check::Cleared, since, Stop::harness(reason).at(at())));
                }
            };
            return Err(self.failed(Check::Cleared, since, Stop::new(Verdict::NotRecovered, reason).at(at())));
        }
        if let Some(planned) = self.plan.faults.iter().find(|planned| at_last.iter().all(|(id, _)| *id != planned.id)) {
            let reason = format!("whether the fault `{}` is cleared cannot be told: it was not asked", planned.id);
            return Err(self.failed(Check::Cleared, since, Stop::harness(reason).at(at())));
        }
        let evidence = "at the end of the hold every fault was gone".to_string();
        self.decided(Check::Cleared, since, CheckOutcome::Passed { evidence });
        Ok(())
    }

    /// How long users must not recover in a control that has begun to wait: `recover.within`, and as long as a runbook may take to meet
    /// the RTO.
    fn control_within(&self, started: DrillTime) -> Duration {
        let rto = self.injected.zip(self.plan.rto).map(|((fault, _), rto)| fault.plus(rto).since(started));
        self.plan.recover_within.max(rto.unwrap_or_default())
    }

    /// What the fault needed to hurt: begin of its injection → impact.
    fn onset(&self) -> Option<Duration> {
        self.impacted.as_ref().map(|(at, _)| at.since(self.inject_began))
    }

    /// How long users must be served for a recovery to count.
    pub(super) fn required_hold(&self) -> Duration {
        required_hold(self.plan.recover_hold, self.onset(), self.plan.impact.window, self.returns(), self.parts)
    }

    /// How long the fault that takes longest to come back needs for it.
    fn returns(&self) -> Duration {
        self.plan.faults.iter().filter_map(|planned| planned.fault.returns()).max().unwrap_or_default()
    }

    /// The same, as an event with the reason for it.
    fn say_hold(&self) -> Duration {
        let hold = self.required_hold();
        self.sink.emit(Event::HoldRequired(HoldRecord {
            required_us: micros(hold),
            configured_us: micros(self.plan.recover_hold),
            onset_us: self.onset().map(micros),
            window_us: micros(self.plan.impact.window),
            returns_us: micros(self.returns()),
            parts: self.parts,
        }));
        hold
    }

    /// What the last mitigating step that wrote something had to say, for a reason.
    fn last_words(&self) -> String {
        let words = self.last_line.as_ref();
        words.map_or_else(String::new, |(step, line)| format!("; the last output of `{step}` was `{line}`"))
    }

    /// Users must be served until the faults began to be undone at `until`: a relapse after the hold is no recovery. `recovering`
    /// is when it began to be looked for.
    pub(super) async fn no_relapse(&mut self, until: DrillTime, recovering: DrillTime) -> Result<(), Stop> {
        let Some(recovery) = self.recovery else { return Ok(()) };
        let (began, hold) = (self.sink.now(), self.plan.recover_hold);
        let deadline = began.plus(self.longest_request() + ARRIVAL);
        let relapsed = |timeline: &Timeline| timeline.relapsed(recovery.to, until, hold);
        let seen = self.monitor.until(deadline, |monitor| match monitor.timeline(relapsed) {
            Answer::Yes(missed) => Some(missed),
            Answer::No(()) => Some(Vec::new()),
            Answer::NotYet => None,
        });
        let seen = seen.await?;
        self.waited(WAIT_SERVED, until, deadline.since(until), seen.is_some());
        let Some(missed) = seen else {
            return Err(Stop::harness("there was no complete measurement between the recovery and the revert"));
        };
        if let Some(reason) = self.monitor.disturbed() {
            return Err(Stop::disturbed(reason));
        }
        let Some(relapsed_us) = missed.iter().map(|level| level.to).min() else {
            let evidence = format!("until the faults began to be undone: {}", shown(&self.latest(hold)));
            self.decided(Check::StillServed, recovery.at, CheckOutcome::Passed { evidence });
            return Ok(());
        };
        let at = self.where_it_should_have_helped();
        let reason = format!(
            "users had recovered and lost the service again {} later, before the faults were undone: {}",
            seconds(relapsed_us.since(recovery.at)),
            self.shown_with_answers(&missed)
        );
        let stop = match self.crowded_recovery(recovering) {
            Some(why) => Stop::disturbed(format!("{why}, so that this is no verdict: {reason}")),
            None => Stop::new(Verdict::NotRecovered, reason),
        };
        let stop = self.failed(Check::StillServed, recovery.at, stop.at(at));
        self.sink.emit(Event::Relapsed { relapsed_us });
        self.recovery = None;
        Err(stop)
    }

    /// RTO: first confirmed fault → recovered. `before` is why the drill fails already, if it does.
    pub(super) fn judge_time(&self, before: Option<&Stop>) -> Option<Stop> {
        let rto = self.plan.rto.filter(|_| !self.control)?;
        let (fault, _) = self.injected?;
        let stop = match (self.recovery, before) {
            (Some(recovery), _) => {
                let took = recovery.at.since(fault);
                let (shown, objective) = beside(took, rto);
                let evidence =
                    format!("users recovered {shown} after the fault; the recovery time objective is {objective}");
                if took <= rto {
                    self.decided(Check::RecoveryTime, fault, CheckOutcome::Passed { evidence });
                    return None;
                }
                let answers = self.monitor.timeline(|timeline| {
                    let levels = timeline.latest(Duration::ZERO).into_iter();
                    let levels =
                        levels.map(|level| Level { from: fault, to: recovery.from, ..level }).collect::<Vec<_>>();
                    timeline.answers(&levels)
                });
                let answers = if answers.is_empty() { answers } else { format!("; answers until then: {answers}") };
                Stop::new(Verdict::TooLate, format!("{evidence}{answers}{}", self.last_words()))
            }
            (None, Some(stop)) if stop.verdict.is_harness() => {
                Stop::harness(format!("whether users have recovered cannot be told: {}", stop.reason))
            }
            (None, _) => {
                let objective = beside(Duration::ZERO, rto).1;
                let seen = match before.is_some_and(not_by_the_runbook) {
                    true => "users recovered, but not by the runbook",
                    false => "no recovery was seen",
                };
                Stop::new(Verdict::NotRecovered, format!("{seen}; the recovery time objective is {objective}"))
            }
        };
        let at = self.in_scenario(self.plan.line_of("rto"));
        Some(self.failed(Check::RecoveryTime, fault, stop.at(at)))
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
                (Answer::Yes(own), _) if !apart => own.at,
                (_, Some(at)) => at,
                (own, None) => {
                    let reason = match own {
                        Answer::Yes(_) => format!("{} recovered, but never together with the other SLIs", sli.name),
                        Answer::No(levels) => shown(&levels),
                        Answer::NotYet => format!("whether {} would have recovered was not seen to its end", sli.name),
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

    /// Asks each fault that is on the ledger how it stands. A control leaves them alone.
    async fn ask_faults(&self) -> Answers {
        let mut answers = Vec::new();
        for (id, undo) in self.ledger.outstanding() {
            let Some(planned) = self.plan.faults.iter().find(|planned| planned.id == id && !self.control) else {
                continue;
            };
            let answer = in_time("asking", &id, planned.fault.confirm(&undo, &self.fault_context(&id))).await;
            answers.push((id, answer));
        }
        answers
    }

    /// Says how each fault stands by both answers.
    async fn say_how_faults_stand(&self, at_first: Answers, at_last: Answers, ended: &BTreeMap<String, Stop>) {
        for ((id, last), (_, first)) in at_last.into_iter().zip(at_first) {
            let (mut what, mut detail) = how_it_stands(first, last);
            if let Some(stop) = ended.get(&id) {
                what = FaultEvent::EndedByItself;
                detail = format!("{detail}; {}", stop.reason);
            }
            if what == FaultEvent::ClearedByRunbook {
                detail.extend(self.what_ended(&id).await.map(|ended| format!("; {ended}")));
            }
            self.fault_event(&id, what, &detail);
        }
    }

    /// Those of these faults that have ended by themselves, each as a reason why nobody can say that the runbook helped.
    pub(super) async fn ended_by_themselves(
        &self,
        ids: &[&str],
        mitigated: bool,
    ) -> Result<BTreeMap<String, Stop>, Stop> {
        let mut ended = BTreeMap::new();
        for planned in self.plan.faults.iter().filter(|planned| ids.contains(&planned.id.as_str())) {
            let asked = planned.fault.ended_by_itself(self.stack, mitigated);
            if let Some(reason) = in_time("asking", &planned.id, asked).await? {
                let stop = Stop::new(Verdict::SelfHealed, reason).at(self.in_scenario(planned.line));
                ended.insert(planned.id.clone(), stop);
            }
        }
        Ok(ended)
    }

    /// What has ended a fault that is gone, other than a step that cleared it.
    async fn what_ended(&self, id: &str) -> Option<String> {
        let planned = self.plan.faults.iter().find(|planned| planned.id == id)?;
        let (_, undo) = self.ledger.outstanding().into_iter().find(|(known, _)| known == id)?;
        tokio::time::timeout(ASKED_WITHIN, planned.fault.ended_by(&undo, self.stack)).await.ok()?
    }
}

/// The smallest share of a fault that is active where only a part of it is.
fn least_active(answers: &Answers) -> Option<Parts> {
    let parts = answers.iter().filter_map(|(_, answer)| match answer {
        Ok(Presence::Partly(_, parts)) => Some(*parts),
        _ => None,
    });
    parts.min_by(|a, b| (u64::from(a.active) * u64::from(b.all)).cmp(&(u64::from(b.active) * u64::from(a.all))))
}

/// How a fault stands by what it said when the runbook had ended and at the end of the hold. The last answer decides.
fn how_it_stands(first: Result<Presence, Stop>, last: Result<Presence, Stop>) -> (FaultEvent, String) {
    let (what, evidence) = match last {
        Ok(Presence::InPlace(evidence)) => (FaultEvent::StillActive, evidence),
        Ok(Presence::Partly(evidence, _)) => (FaultEvent::PartiallyActive, evidence),
        Ok(Presence::Gone(evidence)) => (FaultEvent::ClearedByRunbook, evidence),
        Err(stop) => return (FaultEvent::Failed, format!("could not be asked after the recovery: {}", stop.reason)),
    };
    let earlier = match (first, what) {
        (Ok(Presence::Gone(_)), FaultEvent::StillActive | FaultEvent::PartiallyActive) => {
            "; it was gone when the runbook had ended, and came back".to_string()
        }
        (Ok(Presence::InPlace(before) | Presence::Partly(before, _)), FaultEvent::ClearedByRunbook) => {
            format!("; when the runbook had ended it was still there: {before}")
        }
        (Err(stop), _) => format!("; when the runbook had ended it could not be asked: {}", stop.reason),
        _ => String::new(),
    };
    (what, format!("{evidence}{earlier}"))
}
