//! The life of a fault: it is prepared, its undo goes to the ledger, it is injected and seen in place; it is asked how it
//! stands, comes back where it was ended, ends and comes again by its times, and is undone and seen gone.

use super::context::{CommonContext, Confirmed, Context, FaultTimes, InjectedFault, POLL, TimedFaults, seconds};
use super::monitor::shown;
use super::stop::{Stop, caught};
use crate::faults::{FaultContext, FaultError, LOOK_EVERY, MAY_FAIL_FOR, Presence, Undo};
use crate::record::{Check, CheckOutcome, DrillTime, Event, FaultEvent, GONE_LATER, Parts, Verdict};
use crate::slis::SLICE;
use crate::slis::window::Timeline;
use crate::source::{host_of, list};
use crate::spec::PlannedFault;
use crate::stack::{NetworkNames, ProxyBypass, StackResult};
use futures_util::future::join_all;
use futures_util::stream::{FuturesUnordered, StreamExt};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// How long a single look at a fault may take: Docker and a database may hang.
const ONE_STEP_WITHIN: Duration = Duration::from_secs(30);
/// How long a fault may take until it can be seen in place.
const CONFIRM_WITHIN: Duration = Duration::from_secs(20);
/// How long looking for what has ended a fault may take.
const ASKED_WITHIN: Duration = Duration::from_secs(5);
/// How long a fault must be gone to have ended before the mitigation: a script that could not ask for a moment says so as well.
const GONE_FOR: Duration = Duration::from_secs(2);
/// How long what is under way at the end may take.
const FINISH_WITHIN: Duration = Duration::from_secs(5);
/// How long of it a fault may take that is coming again: a release may take minutes.
const COME_AGAIN_WITHIN: Duration = Duration::from_secs(2);

/// How each fault stood when it was asked.
pub(super) type Answers = Vec<(String, Result<Presence, Stop>)>;

/// Faults that are in place, without those that are noise.
#[derive(Debug, Clone, Copy)]
pub(super) struct Injected {
    /// When the first injection was begun.
    pub began: DrillTime,
    /// The first confirmation.
    pub first: DrillTime,
    /// The last one.
    pub last: DrillTime,
}

/// Inject: one fault after the other goes in, each when it is its time, and is seen in place.
pub(super) async fn inject(cx: &mut Context<'_>) -> Result<Injected, Stop> {
    let plan = cx.plan;
    let mut before: Option<DrillTime> = None;
    for planned in &plan.faults {
        let later =
            planned.begins(cx.options.seed).next().unwrap_or_default() + planned.timing.after.unwrap_or_default();
        if !later.is_zero() {
            // Nothing is waited for but the time, or that an agent is gone.
            cx.monitor.until(before.unwrap_or(cx.sink.now()).plus(later), |_| None::<()>).await?;
        }
        let check = Check::Injection { fault: planned.id.clone() };
        let started = cx.sink.now();
        // Until a fault that counts goes in users are served: what they suffer from otherwise is none of it.
        let injected = cx.inject_one(planned, cx.injections.is_empty()).await;
        let first = injected.map_err(|stop| {
            let at = stop.at.clone().unwrap_or_else(|| cx.in_scenario(planned.line));
            cx.fault_event(&planned.id, FaultEvent::Failed, &stop.reason);
            cx.failed(check.clone(), started, stop.at(at))
        })?;
        before = Some(first.at);
        if !planned.timing.noise {
            cx.injections.push((first.began, first.at));
        }
        let evidence = first.evidence.clone();
        // Nobody listens any more once the drill has begun to end.
        let _ = cx.injected.send((cx.common.clone(), planned, first));
        if let Some(stop) = cx.ended_by_injection(planned).await {
            return Err(cx.failed(check, started, stop));
        }
        cx.decided(check, started, CheckOutcome::Passed { evidence });
    }
    let now = (cx.sink.now(), cx.sink.now());
    let [(began, first), (_, last)] = [cx.injections.first(), cx.injections.last()].map(|one| *one.unwrap_or(&now));
    Ok(Injected { began, first, last })
}

impl Context<'_> {
    /// What has become of each fault by its times, as far as nothing went wrong.
    pub(super) fn times(&self) -> BTreeMap<String, FaultTimes> {
        self.times.borrow().clone().unwrap_or_default()
    }

    /// Asks each fault that is on the ledger and counts how it stands. A control leaves them alone, unless users are to notice none. One
    /// that comes and goes is in force as long as it may come again, in place or not.
    pub(super) async fn ask_faults(&self) -> Answers {
        let asks = !self.options.control || self.plan.impact.none;
        let asked = || self.plan.faults.iter().filter(|planned| !planned.timing.noise && asks);
        let (times, come) = (self.times(), asked().filter(|planned| planned.period().is_some()));
        let said = |planned: &PlannedFault| {
            let came = times.get(&planned.id).map_or(0, |times| times.came.len()) + 1;
            (planned.id.clone(), Ok(Presence::InPlace(format!("it comes and goes: it came {came} times so far"))))
        };
        let mut answers: Answers = come.map(said).collect();
        for (id, undo) in self.ledger.outstanding() {
            let Some(planned) = asked().find(|planned| planned.id == id && planned.period().is_none()) else {
                continue;
            };
            answers.push((id, self.presence(planned, &undo).await));
        }
        answers
    }

    /// Says how each fault stands by both answers.
    pub(super) async fn say_how_faults_stand(&self, before: Answers, after: Answers, ended: &BTreeMap<String, Stop>) {
        let mut before: BTreeMap<_, _> = before.into_iter().collect();
        for (id, last) in after {
            let Some(first) = before.remove(&id) else { continue };
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
        mitigated: Option<DrillTime>,
    ) -> Result<BTreeMap<String, Stop>, Stop> {
        let mut ended = BTreeMap::new();
        // What comes again has not ended.
        let asked = |planned: &&PlannedFault| {
            ids.contains(&planned.id.as_str()) && !planned.timing.noise && planned.period().is_none()
        };
        for planned in self.plan.faults.iter().filter(asked) {
            let context = self.fault_context(&planned.id);
            let ago = mitigated.map(|at| self.sink.now().since(at));
            let asked = planned.fault.ended_by_itself(&context, ago);
            if let Some(reason) = within(ONE_STEP_WITHIN, "asking", &planned.id, asked).await? {
                let stop = Stop::new(Verdict::SelfHealed, reason).at(self.in_scenario(planned.line));
                ended.insert(planned.id.clone(), stop);
            }
        }
        Ok(ended)
    }

    /// An earlier fault in a service of this one that is gone now that this one is in place, as a reason why nobody could say that the
    /// runbook ended it.
    async fn ended_by_injection(&self, later: &PlannedFault) -> Option<Stop> {
        let (earlier, evidence) = self.first_gone(self.beside(&self.times(), later)).await?;
        let reason = format!(
            "the fault `{}` was gone once `{}` was in place: {evidence}; the runbook could not have ended it",
            earlier.id, later.id
        );
        Some(Stop::harness(reason).at(self.in_scenario(earlier.line)))
    }

    /// A fault that is gone before anything was done about it, as a reason why nobody can say that the runbook helped: it was to be on.
    pub(super) async fn gone_before(&self) -> Option<(String, Stop)> {
        let (PlannedFault { id, line, .. }, evidence) = self.first_gone(self.lasting(&self.times())).await?;
        let reason = format!(
            "the fault `{id}` ended by itself before the first mitigating command: {evidence}; the drill cannot say that the runbook \
             helped"
        );
        Some((id.clone(), Stop::new(Verdict::SelfHealed, reason).at(self.in_scenario(*line))))
    }

    /// A fault that must stay and is gone now.
    pub(super) async fn gone_now(&self) -> Option<String> {
        for (planned, undo) in self.lasting(&self.times()) {
            if self.is_gone(planned, &undo).await {
                return Some(planned.id.clone());
            }
        }
        None
    }

    /// What has ended a fault that is gone, other than a step that cleared it.
    async fn what_ended(&self, id: &str) -> Option<String> {
        let planned = self.plan.faults.iter().find(|planned| planned.id == id)?;
        let (_, undo) = self.ledger.outstanding().into_iter().find(|(known, _)| known == id)?;
        tokio::time::timeout(ASKED_WITHIN, planned.fault.ended_by(&undo, &*self.stack)).await.ok()?
    }

    /// What is to be said of the faults that have not acted on anything, all of their times together; nothing where each has.
    pub(super) async fn not_acted(&self) -> String {
        let mut said = String::new();
        for planned in self.plan.faults.iter().filter(|planned| !planned.timing.noise) {
            let now = self.acted(planned).await;
            // Only now: what ends meanwhile has been added up before it ended.
            let before = self.times.borrow().as_ref().ok().and_then(|times| times.get(&planned.id)?.acted);
            // Of one that cannot be asked nothing is known.
            if now.or(before).is_some() && now.unwrap_or(0) + before.unwrap_or(0) == 0 {
                said.push_str(&format!("; `{}` acted 0 times: nothing that it is for came its way", planned.id));
            }
        }
        said
    }

    /// Waits until the faults have come so far by their times; says why they have not.
    pub(super) async fn until_times(
        &self,
        within: Duration,
        what: &str,
        done: impl Fn(&BTreeMap<String, FaultTimes>) -> bool,
    ) -> Result<BTreeMap<String, FaultTimes>, Stop> {
        let mut times = self.times.clone();
        let reached = times.wait_for(|times| times.as_ref().map_or(true, &done));
        match tokio::time::timeout(within, reached).await {
            Ok(Ok(times)) => times.clone().map_err(Stop::harness),
            _ => Err(Stop::harness(format!("the faults had not {what} after {}", seconds(within)))),
        }
    }

    /// Waits until all faults with a `ramp` have grown, and returns when that was; `None` where there are none. A
    /// recovery from a part of a fault does not count.
    pub(super) async fn until_grown(&self) -> Result<Option<DrillTime>, Stop> {
        let growing =
            || self.plan.faults.iter().filter(|planned| !planned.timing.noise && planned.timing.ramp.is_some());
        let Some(longest) = growing().filter_map(|planned| planned.timing.ramp).max() else { return Ok(None) };
        let grown = |times: &BTreeMap<String, FaultTimes>, planned: &PlannedFault| times.get(&planned.id)?.grown;
        let all = |times: &_| growing().all(|planned| grown(times, planned).is_some());
        let times = self.until_times(longest + ONE_STEP_WITHIN, "grown by `ramp`", all).await?;
        Ok(growing().filter_map(|planned| grown(&times, planned)).max())
    }

    /// The fault that ended last by `lasts`, for good, and when.
    pub(super) fn last_ended(&self) -> Option<(String, DrillTime)> {
        let times = self.times();
        let ended = self.plan.faults.iter().filter(|planned| planned.ends_in_time());
        ended.filter_map(|planned| Some((planned.id.clone(), times.get(&planned.id)?.ended?))).max_by_key(|(_, at)| *at)
    }

    /// The faults that come and go, and are away.
    pub(super) fn away(&self) -> Vec<String> {
        let (times, outstanding) = (self.times(), self.ledger.outstanding());
        let away = |planned: &&PlannedFault| {
            planned.period().is_some()
                && times.get(&planned.id).is_some_and(|times| times.ended.is_some())
                && outstanding.iter().all(|(id, _)| *id != planned.id)
        };
        self.plan.faults.iter().filter(away).map(|planned| planned.id.clone()).collect()
    }

    /// A fault that was not ended or did not come again as it should is the harness, whatever users felt.
    pub(super) fn lives(&self) -> Result<(), Stop> {
        self.times.borrow().as_ref().map(drop).map_err(|why| Stop::harness(why.clone()))
    }

    /// Why users who were served from then until then are not known to be served in spite of the faults that come and go: one of
    /// them has not come in that time, or had not the time `to_hurt` any more.
    pub(super) fn stayed_away(&self, from: DrillTime, to: DrillTime, to_hurt: Duration) -> Option<String> {
        let times = self.times();
        let came = |planned: &&PlannedFault| {
            let came = times.get(&planned.id).map(|times| times.came.as_slice()).unwrap_or_default();
            came.iter().any(|(began, confirmed)| from <= *began && *confirmed <= to && began.plus(to_hurt) <= to)
        };
        // Noise as well: it may hurt after all.
        let mut comes = self.plan.faults.iter().filter(|planned| planned.period().is_some());
        let id = &comes.find(|planned| !came(planned))?.id;
        Some(format!("`{id}` did not come again while it was seen whether users had recovered"))
    }
}

impl CommonContext<'_> {
    /// The faults that must stay until a runbook ends them, with their undo. Others are those that are noise, come back or end by
    /// themselves (`returns`, `lasts`), still grow, or that nothing undoes: they have done their harm.
    fn lasting(&self, times: &BTreeMap<String, FaultTimes>) -> Vec<(&PlannedFault, Undo)> {
        let lasting = |(id, undo): (String, Undo)| {
            let planned = self.plan.faults.iter().find(|planned| planned.id == id)?;
            let timing = &planned.timing;
            let grows = timing.ramp.is_some() && times.get(&id).is_none_or(|times| times.grown.is_none());
            let comes_and_goes = planned.fault.facts.returns.is_some() || timing.lasts.is_some();
            let other = timing.noise || comes_and_goes || grows || undo.irreversible().is_some();
            (!other).then_some((planned, undo))
        };
        self.ledger.outstanding().into_iter().filter_map(lasting).collect()
    }

    /// Whether a fault is gone, as far as it can be asked. Nobody waits long for an answer while users suffer: it is asked for again when the
    /// runbook has ended.
    async fn is_gone(&self, planned: &PlannedFault, undo: &Undo) -> bool {
        let asked = tokio::time::timeout(ASKED_WITHIN, self.presence(planned, undo)).await;
        matches!(asked, Ok(Ok(Presence::Gone(_))))
    }

    /// Asks these faults: the first that is gone, with the evidence.
    async fn first_gone<'p>(&self, asked: Vec<(&'p PlannedFault, Undo)>) -> Option<(&'p PlannedFault, String)> {
        for (planned, undo) in asked {
            if self.is_gone(planned, &undo).await
                && let Ok(Presence::Gone(evidence)) = self.poll_presence(planned, &undo, GONE_FOR, true).await
            {
                return Some((planned, evidence));
            }
        }
        None
    }

    /// The faults that must stay in a service of this one. What is in front of a service no other fault ends, and Pods are replaced in any
    /// case.
    fn beside(&self, times: &BTreeMap<String, FaultTimes>, later: &PlannedFault) -> Vec<(&PlannedFault, Undo)> {
        let services = &later.fault.facts.services;
        let is_near = |(other, _): &(&PlannedFault, Undo)| {
            let facts = &other.fault.facts;
            let stays = facts.interposes.is_none() && !facts.ends_by_itself;
            other.id != later.id && stays && facts.services.iter().any(|service| services.contains(service))
        };
        let mut beside = self.lasting(times);
        beside.retain(is_near);
        beside
    }

    /// Every SLI meets its objective over `steady.for` still, or soon again: what lies between the steady phase and the first fault (a baseline,
    /// a preparation) may have taken minutes.
    async fn still_steady(&self) -> Result<(), Stop> {
        let window = self.plan.steady_for;
        let steady = |timeline: &Timeline| timeline.steady(window, DrillTime::default())?.ok();
        let (began, within) = (self.sink.now(), self.plan.steady_within);
        let met = self.monitor.until(began.plus(within), |monitor| monitor.timeline(steady)).await?.is_some();
        if self.sink.now().since(began) >= SLICE {
            self.waited("every SLI to meet its objective before the first fault", began, within, met);
        }
        if met {
            return Ok(());
        }
        let seen = shown(&self.monitor.timeline(|timeline| timeline.latest(window)));
        let at_best = |best: &Timeline| Some(best.steady(window, DrillTime::default())?.is_ok());
        if self.at_best(self.sink.now(), at_best).await? {
            let reason = format!("whether users were served when the first fault was to go in is not known: {seen}");
            return Err(Stop::unknown(reason));
        }
        let reason = format!("users were not served any more when the first fault was to go in: {seen}");
        Err(Stop::new(Verdict::Unsteady, reason).at(self.in_scenario(self.plan.line_of("steady"))))
    }

    /// Injects a fault once its undo is on disk, and sees it in place. `steady`: only where users are served until then.
    async fn inject_one(&self, planned: &PlannedFault, steady: bool) -> Result<Confirmed, Stop> {
        let PlannedFault { id, fault, timing, .. } = planned;
        let undo = within(fault.prepare_within(), "planning", id, fault.prepare(&self.fault_context(id))).await?;
        if let (Some(reason), Some(_)) = (undo.irreversible(), timing.lasts) {
            return Err(Stop::harness(format!("`{id}` cannot end by `lasts`, so it was not injected: it {reason}")));
        }
        if steady {
            self.still_steady().await?;
        }
        self.ledger.open(id, &undo).map_err(|error| {
            Stop::harness(format!(
                "the undo of `{id}` could not be written to the ledger, so it was not injected: {error}"
            ))
        })?;
        let strength = planned.steps().next().map_or(1.0, |(_, strength)| strength);
        let context = FaultContext { strength, ..self.fault_context(id) };
        let began = self.fault_event(id, FaultEvent::Injecting, &planned.summary());
        within(fault.inject_within(), "injecting", id, fault.inject(&undo, &context)).await?;
        let evidence = self.see_in_place(planned, &undo).await?;
        // The stamp of the event and no other reading: whoever reads the record counts from the same instant.
        let at = self.fault_event(id, FaultEvent::Confirmed, &evidence);
        Ok(Confirmed { undo, began, at, evidence })
    }

    /// Sees a fault in place: the evidence.
    async fn see_in_place(&self, planned: &PlannedFault, undo: &Undo) -> Result<String, Stop> {
        let (id, within) = (&planned.id, seconds(CONFIRM_WITHIN));
        match self.poll_presence(planned, undo, CONFIRM_WITHIN, true).await? {
            Presence::InPlace(evidence) => Ok(evidence),
            Presence::Partly(evidence, _) | Presence::Gone(evidence) => {
                Err(Stop::harness(format!("`{id}` could not be seen in place within {within}: {evidence}")))
            }
        }
    }

    /// How a fault stands.
    async fn presence(&self, planned: &PlannedFault, undo: &Undo) -> Result<Presence, Stop> {
        let context = self.fault_context(&planned.id);
        within(ONE_STEP_WITHIN, "asking", &planned.id, planned.fault.confirm(undo, &context)).await
    }

    /// How often a fault has acted since it was injected, where that is known.
    async fn acted(&self, planned: &PlannedFault) -> Option<u64> {
        let context = self.fault_context(&planned.id);
        within(ONE_STEP_WITHIN, "asking", &planned.id, planned.fault.acted(&context)).await.ok()?
    }

    /// Asks a fault until it is in place (or gone), and says how it stood when the deadline passed. What gives no answer is asked again: a
    /// server that was just started may not answer yet.
    async fn poll_presence(
        &self,
        planned: &PlannedFault,
        undo: &Undo,
        within: Duration,
        in_place: bool,
    ) -> Result<Presence, Stop> {
        let id = &planned.id;
        let started = self.sink.now();
        let mut pause = POLL / 8;
        loop {
            let presence = self.presence(planned, undo).await;
            let reached = match &presence {
                Ok(Presence::InPlace(_)) => in_place,
                Ok(Presence::Partly(..)) | Err(_) => false,
                Ok(Presence::Gone(_)) => !in_place,
            };
            if reached || self.sink.now().since(started) >= within {
                let what = if in_place { "to be in place" } else { "to be gone" };
                self.waited(format!("`{id}` {what}"), started, within, reached);
                return presence;
            }
            tokio::time::sleep(pause).await;
            pause = (2 * pause).min(POLL);
        }
    }

    /// Undoes a fault and sees it gone: the evidence, or why not. `said` takes what the undo writes.
    async fn lift(&self, id: &str, undo: &Undo, said: &mut String) -> Result<String, String> {
        let planned = self.plan.faults.iter().find(|planned| planned.id == id);
        let planned = planned.ok_or_else(|| "it is in the ledger, but not in the scenario".to_string())?;
        let within = undo.within();
        match tokio::time::timeout(within, undo.execute(&self.fault_context(id))).await {
            Err(_) => return Err(format!("could not be undone within {}", seconds(within))),
            Ok(Err(error)) => {
                said.clone_from(&error.output);
                return Err(format!("could not be undone: {error}"));
            }
            Ok(Ok(undone)) => *said = undone.output,
        }
        match self.poll_presence(planned, undo, within, false).await {
            Ok(Presence::Gone(evidence)) => Ok(evidence),
            Ok(Presence::InPlace(evidence) | Presence::Partly(evidence, _)) => {
                Err(format!("was undone and is still there: {evidence}"))
            }
            Err(stop) => Err(stop.reason),
        }
    }

    /// Undoes a fault and tells what came of it, as an event `what` whose evidence follows on `how`: when it was seen gone.
    pub(super) async fn undo(&self, id: &str, undo: &Undo, what: FaultEvent, how: &str) -> Result<DrillTime, String> {
        let mut said = String::new();
        // A panic over one fault must not keep the others in place.
        let lifted = caught(self.lift(id, undo, &mut said)).await;
        let lifted = lifted.unwrap_or_else(|panic| Err(format!("a panic while it was undone: {panic}")));
        let failed = lifted.is_err();
        let gone = match lifted {
            Ok(evidence) => {
                let at = self.fault_event(id, what, &format!("{how}{evidence}"));
                self.note_done(id).map(|()| at)
            }
            Err(reason) => {
                self.fault_event(id, FaultEvent::Failed, &reason);
                Err(reason)
            }
        };
        if !said.trim().is_empty() {
            self.sink.emit(Event::UndoOutput { fault: id.to_string(), text: said, failed });
        }
        gone
    }

    /// Notes in the ledger that nothing is left to be done about a fault.
    pub(super) fn note_done(&self, id: &str) -> Result<(), String> {
        self.ledger.done(id).map_err(|error| format!("the ledger could not be written: {error}"))
    }

    /// What has taken a proxy fault out of the way of users, where something has. That is no cure: in production there is no proxy
    /// that one could go around.
    pub(super) async fn bypassed(&self) -> Option<String> {
        for planned in &self.plan.faults {
            let Some((service, _)) = planned.fault.facts.interposes.clone() else { continue };
            match self.stack.proxy_is_bypassed(&service).await {
                Ok(ProxyBypass::NoneSeen(unseen)) if unseen.is_empty() => {}
                Ok(ProxyBypass::NoneSeen(unseen)) => self.sink.note(format!(
                    "nobody has seen whether a step has taken `{}` out of the way: {} did not show who is connected",
                    planned.id,
                    list(&unseen)
                )),
                Ok(ProxyBypass::By(why)) => {
                    return Some(format!("a step has taken `{}` out of the way: {why}", planned.id));
                }
                Err(error) => return Some(format!("whether everybody meets `{}` cannot be told: {error}", planned.id)),
            }
        }
        None
    }

    /// The hosts of the load, in each network in which somebody answers to them now.
    pub(super) async fn names_of_hosts(&self) -> StackResult<NetworkNames> {
        let loads = self.plan.loads.iter();
        let urls = loads.flat_map(|load| [&load.url].into_iter().chain(load.then.iter().map(|step| &step.url)));
        let hosts: BTreeSet<&str> = urls.filter_map(|url| host_of(url)).collect();
        let mut names = self.stack.network_names().await?;
        names.retain(|(_, name)| hosts.contains(name.as_str()));
        Ok(names)
    }

    /// Why users may not find what the load finds, by what has become of the names that its hosts had when the stack was steady.
    pub(super) async fn lost_name(&self, steady: &NetworkNames) -> Option<String> {
        match self.names_of_hosts().await {
            Ok(now) => steady.difference(&now).next().map(|(network, host)| {
                format!(
                    "nobody finds `{host}` in the network `{network}` any more: the load comes by every network, and whether users \
                     are served cannot be told"
                )
            }),
            Err(error) => Some(format!("whether everybody finds the hosts of the load cannot be told: {error}")),
        }
    }

    /// How many containers of each service run, of the services that could be asked.
    pub(super) async fn running(&self) -> BTreeMap<String, usize> {
        let asked = self.stack.services().into_iter().map(async |service| {
            let found = tokio::time::timeout(ASKED_WITHIN, self.stack.containers(&service)).await.ok()?.ok()?;
            Some((service, found.iter().filter(|container| container.status == "running").count()))
        });
        join_all(asked).await.into_iter().flatten().collect()
    }

    pub(super) fn fault_context<'d>(&'d self, id: &'d str) -> FaultContext<'d> {
        FaultContext { id, stack: &*self.stack, agents: Some(&self.agents), seed: self.options.seed, strength: 1.0 }
    }

    pub(super) fn fault_event(&self, fault: &str, what: FaultEvent, detail: &str) -> DrillTime {
        self.sink.emit_at(Event::Fault { fault: fault.to_string(), what, detail: detail.to_string() })
    }
}

/// The smallest share of a fault that is active where only a part of it is.
pub(super) fn least_active(answers: &Answers) -> Option<Parts> {
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
            format!("; {GONE_LATER}: {before}")
        }
        (Err(stop), _) => format!("; when the runbook had ended it could not be asked: {}", stop.reason),
        _ => String::new(),
    };
    (what, format!("{evidence}{earlier}"))
}

/// The life of a fault that is in place, until `ending`.
struct FaultLife<'l, 'a> {
    cx: &'l CommonContext<'a>,
    planned: &'l PlannedFault,
    times: &'l watch::Sender<TimedFaults>,
    ending: &'l CancellationToken,
}

impl FaultLife<'_, '_> {
    /// Lets the fault grow, ends it when its `lasts` is over, and injects it again by its `every`. One without `lasts` comes back where it
    /// was ended.
    async fn live(&self, mut confirmed: Confirmed) -> Result<(), String> {
        let FaultLife { cx, planned, ending, .. } = *self;
        let (id, began, mut begins) = (&planned.id, confirmed.began, planned.begins(cx.options.seed));
        let first = begins.next().unwrap_or_default();
        loop {
            if !self.grow(&confirmed).await? {
                return Ok(());
            }
            let Some(lasts) = planned.timing.lasts else {
                let kept = planned.fault.recur(&confirmed.undo, &*cx.stack, ending).await;
                return kept.map_err(|error| format!("`{id}` could not come back as it should: {error}"));
            };
            if !self.reached(confirmed.at.plus(lasts)).await {
                return Ok(());
            }
            let acted = cx.acted(planned).await;
            self.note(|times| times.acted = acted.map(|acted| acted + times.acted.unwrap_or(0)).or(times.acted));
            let what = if planned.period().is_some() { FaultEvent::Away } else { FaultEvent::EndedByTime };
            let how = format!("after {}: ", seconds(lasts));
            let at = self.beside_others(cx.undo(id, &confirmed.undo, what, &how)).await?;
            let at = at.map_err(|reason| format!("`{id}` did not end by `lasts`: {reason}"))?;
            self.note(|times| times.ended = Some(at));
            let Some(next) = begins.next() else { return Ok(()) };
            if !self.reached(began.plus(next - first)).await {
                return Ok(());
            }
            let Some(came) = self.reinject().await? else { return Ok(()) };
            self.note(|times| times.came.push((came.began, came.at)));
            confirmed = came;
        }
    }

    /// Whether an instant came before the drill began to end.
    async fn reached(&self, at: DrillTime) -> bool {
        self.ending.run_until_cancelled(tokio::time::sleep(at.since(self.cx.sink.now()))).await.is_some()
    }

    /// Notes what became of the fault by its times.
    fn note(&self, change: impl FnOnce(&mut FaultTimes)) {
        self.times.send_modify(|times| {
            if let Ok(times) = times {
                change(times.entry(self.planned.id.clone()).or_default());
            }
        });
    }

    /// Ends the fault, or lets it come again; an error where another one in its service was not gone before and is then: nobody could say
    /// that the runbook ended that one.
    async fn beside_others<T>(&self, change: impl Future<Output = T>) -> Result<T, String> {
        let (cx, times) = (self.cx, self.times.borrow().clone().unwrap_or_default());
        let steps =
            || cx.sink.read(|record| (record.steps.len(), record.steps.iter().any(|step| step.status.is_none())));
        let (before, mut stood) = (steps(), Vec::new());
        for (other, undo) in cx.beside(&times, self.planned) {
            // What cannot be asked is not known to stand, and the fault must not last longer for the question.
            let asked = tokio::time::timeout(POLL * 10, cx.presence(other, &undo)).await;
            if matches!(asked, Ok(Ok(Presence::InPlace(_) | Presence::Partly(..)))) {
                stood.push((other, undo));
            }
        }
        let changed = change.await;
        let gone = tokio::select! {
            gone = cx.first_gone(stood) => gone,
            () = after_the_end(self.ending, GONE_FOR + POLL * 10) => None,
        };
        let Some((other, evidence)) = gone else { return Ok(changed) };
        let id = &self.planned.id;
        let what = format!("the fault `{}` was gone once `{id}` had ended or come again: {evidence}", other.id);
        if before.1 || before != steps() {
            cx.sink.note(format!("{what}; a step was under way, which may have ended it as well"));
            return Ok(changed);
        }
        Err(format!("{what}; the runbook may not have ended it"))
    }

    /// Lets the fault grow by its `ramp` and sees it in place then; `false` where the drill has begun to end meanwhile.
    async fn grow(&self, confirmed: &Confirmed) -> Result<bool, String> {
        let (cx, PlannedFault { id, fault, timing, .. }) = (self.cx, self.planned);
        for (after, strength) in self.planned.steps().skip(1) {
            if !self.reached(confirmed.began.plus(after)).await {
                return Ok(false);
            }
            let context = FaultContext { strength, ..cx.fault_context(id) };
            let changed = within(ONE_STEP_WITHIN, "changing", id, fault.change(&context)).await;
            changed.map_err(|stop| format!("`{id}` did not grow by `ramp`: {}", stop.reason))?;
        }
        if timing.ramp.is_none() {
            return Ok(true);
        }
        let seen = cx.see_in_place(self.planned, &confirmed.undo).await;
        let evidence = seen.map_err(|stop| format!("when it had grown by `ramp`, {}", stop.reason))?;
        let steps = self.planned.steps().count() - 1;
        let at = cx.fault_event(id, FaultEvent::Grown, &format!("in {steps} steps; {evidence}"));
        self.note(|times| times.grown = times.grown.or(Some(at)));
        Ok(true)
    }

    /// Injects the fault anew, on what is there now, as the first time. The runbook may be about to replace what it harms, so that it
    /// is tried again for a while. `None` where the drill has begun to end meanwhile.
    async fn reinject(&self) -> Result<Option<Confirmed>, String> {
        let (cx, id, tried) = (self.cx, &self.planned.id, Instant::now());
        loop {
            // What is cut off by the end of the drill is on the ledger, and undone from there.
            let stop = tokio::select! {
                biased;
                injected = self.beside_others(cx.inject_one(self.planned, false)) => match injected? {
                    Ok(confirmed) => return Ok(Some(confirmed)),
                    Err(stop) => stop,
                },
                () = after_the_end(self.ending, COME_AGAIN_WITHIN) => return Ok(None),
            };
            // What is left of this attempt must not stand beside the next one.
            for (_, undo) in cx.ledger.outstanding().iter().filter(|(known, _)| known == id) {
                cx.undo(id, undo, FaultEvent::Away, "it could not come again: ").await?;
            }
            if tried.elapsed() > MAY_FAIL_FOR {
                return Err(format!("`{id}` could not come again: {}", stop.reason));
            }
            if self.ending.run_until_cancelled(tokio::time::sleep(LOOK_EVERY * 5)).await.is_none() {
                return Ok(None);
            }
        }
    }
}

/// Bounds one step of a fault's life; a time-out is an error, and says nothing about where the fault stands.
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

/// Brings faults back that are ended, and ends those whose time is over and lets them come again, as they come over `injected`,
/// until `ending`. A fault that does not as it should would make a runbook look good that it should not: that is the harness,
/// and no pass.
pub(super) async fn carry_on(
    mut injected: UnboundedReceiver<InjectedFault<'_>>,
    times: watch::Sender<TimedFaults>,
    ending: &CancellationToken,
) -> Result<(), Stop> {
    let times = &times;
    let all = async {
        let mut under_way = FuturesUnordered::new();
        loop {
            tokio::select! {
                Some((cx, planned, first)) = injected.recv(), if !ending.is_cancelled() => {
                    under_way.push(async move {
                        let carried = FaultLife { cx: &cx, planned, times, ending }.live(first).await;
                        if let Err(reason) = &carried {
                            let _ = times.send_replace(Err(reason.clone()));
                        }
                        carried
                    });
                }
                Some(carried) = under_way.next() => carried?,
                () = ending.cancelled(), if under_way.is_empty() => return Ok(()),
            }
        }
    };
    let carried = tokio::select! {
        biased;
        carried = caught(all) => carried,
        () = after_the_end(ending, FINISH_WITHIN) => return Err(Stop::harness(format!(
            "bringing a fault back, or ending it, took more than {}", seconds(FINISH_WITHIN)
        ))),
    };
    let panicked = |panic| Err(format!("a part of Firedrill panicked while it brought a fault back: {panic}"));
    carried.unwrap_or_else(panicked).map_err(Stop::harness)
}

/// Returns so long after the drill has begun to end.
async fn after_the_end(ending: &CancellationToken, grace: Duration) {
    ending.cancelled().await;
    tokio::time::sleep(grace).await;
}
