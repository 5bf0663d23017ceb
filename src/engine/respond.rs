//! Respond: the runbook's steps in order, in one shell session, while the fault is still on.

use super::announce::acts;
use super::context::{ARRIVAL, Context};
use super::follow::{FollowContext, Follower, ManualOutcome, Opening, Operator, RunbookInputs};
use super::monitor::shown;
use super::seen::FaultImpact;
use super::stop::Stop;
use crate::programs::left_running;
use crate::record::{Check, CheckOutcome, DrillTime, Event, FaultEvent, Location, Verdict, WAIT_CERTAIN, WAIT_FELT};
use crate::runbook::{Command, Handling, RunbookPhase, Step};
use crate::slis::SLICE;
use crate::slis::window::{StillBroken, TimeSpan, Timeline};
use async_trait::async_trait;

/// What following the runbook came to.
#[derive(Debug, Default)]
pub(super) struct Responded {
    /// First mitigating command and end of the last step with one.
    pub mitigation: Option<(DrillTime, Option<DrillTime>)>,
    /// When the person was asked who mitigated first: what heals from then on may be their doing.
    pub asked: Option<DrillTime>,
    /// No command of the runbook was meant to help.
    pub without_mitigation: bool,
    /// The last mitigating step that wrote something: its title, and the last line that it wrote.
    pub last_line: Option<(String, String)>,
    /// The last step that left a process running and mitigates, or does more than look: its title, and what did it (`&`, `nohup`).
    pub left_running: Option<(String, String)>,
    /// The steps that did more than look, in order.
    pub changed: Vec<ChangingStep>,
    /// That a fault was gone before the mitigation, though a step that did more than look may have ended it.
    pub gone_before: Option<String>,
    /// A verification never passed: the reason to fail if users have recovered all the same.
    pub unverified: Option<Stop>,
}

/// A drill that follows its runbook.
struct Mitigating<'r, 'a> {
    cx: &'r Context<'a>,
    impact: &'r FaultImpact,
    person: &'r mut dyn Operator,
    responded: Responded,
    /// Whether the current step has begun a command that is meant to help.
    helped: bool,
    /// Whether a step of the phase mitigate has.
    by_name_helped: bool,
    /// How users suffered before what may be the first command that helps, and when that began.
    asked: Option<(DrillTime, Option<String>, DrillTime)>,
    /// When the first command of the current step began that may do more than look.
    began: Option<DrillTime>,
}

/// A step that did more than look: where it stands, when it began to and when it had ended.
pub(super) type ChangingStep = (Location, TimeSpan);

impl Mitigating<'_, '_> {
    /// Whether what a step does is meant to help: that of mitigate is; that of rollback (a bad release is mitigated so) and of phases with no
    /// name of their own where nothing of mitigate has run that does more than look, and no such step of it is to come.
    fn mitigates(&self, step: &Step) -> bool {
        let plan = self.cx.plan;
        let steps = plan.runbook.iter().flat_map(|runbook| runbook.select(&plan.respond.phases));
        let mut to_come = steps.skip_while(|other| other.id != step.id).skip(1);
        match step.phase {
            RunbookPhase::Mitigate => true,
            RunbookPhase::Rollback | RunbookPhase::Other => {
                !self.by_name_helped
                    && !to_come.any(|step| step.phase == RunbookPhase::Mitigate && runs(step) && acts(step))
            }
            _ => false,
        }
    }

    /// How users suffer, as soon as that is certain, with no fault ended by itself until then. A fault that comes and goes is waited for to be felt
    /// again: while it is away users are served, and nobody could say whether the runbook helps them. Where a step has changed something
    /// before, only what came after it has a say: what a diagnosis cured must not count for the mitigation.
    async fn suffering(&mut self) -> Result<Suffering, Stop> {
        let (cx, impact, changed) = (self.cx, self.impact, self.responded.changed.last());
        let began = cx.sink.now();
        let mut seen = (began, Ok(None));
        if !impact.hits.is_empty() {
            let hit = |timeline: &Timeline| impact.hit_by(cx.plan, timeline, cx.sink.now());
            // From the first fault on, as the impact: a mitigation that begins at once would find no slice yet.
            let (window, since) = (cx.plan.impact.window, impact.faults.first);
            let now = |timeline: &Timeline| timeline.still_broken(&hit(timeline), window, since);
            let began = if let Some((_, (_, ended))) = changed { after(cx, *ended).await? } else { began };
            let (what, within) = match impact.felt_again_within(cx.plan) {
                Some(again) => (WAIT_FELT, again + cx.longest_request() + ARRIVAL),
                None => (WAIT_CERTAIN, cx.plan.impact.within),
            };
            let certain = cx.monitor.until(began.plus(within), |monitor| {
                monitor.timeline(|timeline| match what {
                    WAIT_FELT => Some(now(timeline)).filter(StillBroken::users_suffer),
                    _ => timeline.surely_broken(&hit(timeline), (window, window + cx.sink.now().since(began)), since),
                })
            });
            let certain = certain.await?;
            let at = cx.sink.now();
            if what == WAIT_FELT || at.since(began) >= SLICE {
                cx.waited(what, began, within, certain.is_some());
            }
            let mut state = certain.unwrap_or_else(|| cx.monitor.timeline(now));
            if changed.is_some() && what == WAIT_CERTAIN && state.users_suffer() {
                // What was cured after a moment has bad answers in the window, and none in its later half.
                let half = (window / 2, window / 2);
                let later = cx.monitor.timeline(|timeline| timeline.surely_broken(&hit(timeline), half, since));
                let healed = |later: &StillBroken| !later.healed.is_empty() && later.unknown.is_empty();
                state = later.filter(|later| healed(later) && !later.users_suffer()).unwrap_or(state);
            }
            seen = (at, told(&state, changed));
        }
        cx.lives()?;
        let outstanding = cx.ledger.outstanding();
        let ids: Vec<&str> = outstanding.iter().map(|(id, _)| id.as_str()).collect();
        let mut ended = cx.ended_by_themselves(&ids, None).await?.into_iter().next();
        match changed {
            _ if ended.is_some() || seen.1.is_err() => {}
            // No step can have ended it, whatever users suffer from now.
            None => ended = cx.gone_before().await,
            Some((at, _)) => {
                let by = format!(
                    "the first mitigating command: by the step at {at}, which does more than look, or by itself"
                );
                self.responded.gone_before = cx.gone_now().await.map(|id| format!("`{id}` was gone before {by}"));
            }
        }
        let Some((id, stop)) = ended else { return Ok(seen) };
        cx.fault_event(&id, FaultEvent::EndedByItself, &stop.reason);
        Err(cx.failed(Check::StillBroken, cx.sink.now(), stop))
    }
}

pub(super) async fn respond(
    cx: &Context<'_>,
    impact: &FaultImpact,
    session: Option<(Opening, RunbookInputs)>,
    person: &mut dyn Operator,
) -> Result<Responded, Stop> {
    let (Some(runbook), Some((opening, inputs))) = (&cx.plan.runbook, session) else { return Ok(Responded::default()) };
    let responded = Responded::default();
    let mut mitigating =
        Mitigating { cx, impact, person, responded, helped: false, by_name_helped: false, asked: None, began: None };
    let (respond, sink) = (&cx.plan.respond, cx.sink.clone());
    let follower = Follower::new(&*cx.stack, (runbook, inputs), respond, sink, Some(opening), &mut mitigating);
    let steps: Vec<&Step> = runbook.select(&respond.phases).collect();
    let unverified = follower.follow(&steps).await?;
    mitigating.responded.without_mitigation = unverified.is_none() && mitigating.responded.mitigation.is_none();
    if mitigating.responded.without_mitigation {
        // Nothing of the runbook mitigates by a command; what heals from here on heals by itself or by a person.
        record_still_broken(cx, mitigating.suffering().await?)?;
        let now = cx.sink.now();
        mitigating.responded.mitigation = Some((now, Some(now)));
    }
    Ok(Responded { unverified, ..mitigating.responded })
}

#[async_trait]
impl FollowContext for Mitigating<'_, '_> {
    /// Users must still suffer when the first command starts that is meant to help: one that only waits or looks is not.
    async fn before(&mut self, step: &Step) -> Result<(), Stop> {
        self.asked = None;
        if self.mitigates(step) && self.responded.mitigation.is_none() {
            let (at, suffering) = self.suffering().await?;
            let suffered = suffering.map_err(|stop| self.cx.failed(Check::StillBroken, at, stop))?;
            self.asked = Some((at, suffered, self.cx.sink.now()));
        }
        self.began = self.began.or(Some(self.cx.sink.now()));
        Ok(())
    }

    fn helps(&mut self, late: bool) {
        self.helped = true;
        let Some((asked, suffered, began)) = self.asked.take() else { return };
        if let Some(evidence) = suffered {
            self.cx.decided(Check::StillBroken, asked, CheckOutcome::Passed { evidence });
        }
        let told = self.cx.sink.emit_at(Event::MitigationStarted { began_us: late.then_some(began) });
        self.responded.mitigation = Some((if late { began } else { told }, None));
    }

    fn after(&mut self) -> Result<(), Stop> {
        self.cx.monitor.gone().map_or(Ok(()), |why| Err(Stop::harness(why)))
    }

    fn ended(&mut self, step: &Step, last_line: Option<String>) {
        let (helped, began) = (std::mem::take(&mut self.helped), self.began.take());
        self.by_name_helped |= helped && step.phase == RunbookPhase::Mitigate;
        let mitigates = self.mitigates(step);
        if let (Some(runbook), true) = (&self.cx.plan.runbook, helped) {
            let at = Location { path: super::announce::shown(&runbook.source), line: step.line };
            let ended = self.cx.sink.now();
            self.responded.changed.push((at, (began.unwrap_or(ended), ended)));
        }
        let left = |command: &Command| match step.settings(command.block).background {
            Some(true) if !mitigates => Some("background".to_string()),
            _ => left_running(&command.text),
        };
        if let Some(what) = step.commands().iter().find_map(left).filter(|_| helped || mitigates) {
            self.responded.left_running = Some((step.title.clone(), what));
        }
        if !mitigates {
            return;
        }
        // A check below the mitigation gives it no more time.
        if let Some((begun, _)) = self.responded.mitigation.filter(|_| helped) {
            self.responded.mitigation = Some((begun, Some(self.cx.sink.emit_at(Event::MitigationEnded))));
        }
        if let Some(line) = last_line {
            self.responded.last_line = Some((step.title.clone(), line));
        }
    }

    fn failed(&self, check: Check, started_us: DrillTime, stop: Stop) -> Stop {
        self.cx.failed(check, started_us, stop)
    }

    /// A runbook that verifies without having mitigated has its deadline as well.
    fn try_until(&self, begun: DrillTime) -> (DrillTime, &'static str) {
        let since = self.responded.mitigation.and_then(|(_, ended)| ended).unwrap_or(begun);
        (since.plus(self.cx.plan.recover_within), "`recover.within`")
    }

    /// While a person is asked the drill goes on: the load runs, and so do its clocks. What they say to have done is
    /// meant to help from then on; before, users must have suffered as before a command.
    async fn manual_step(&mut self, step: &Step) -> Result<ManualOutcome, Stop> {
        let mitigates = self.mitigates(step);
        let first = mitigates && self.responded.mitigation.is_none();
        let suffering = if first { Some(self.suffering().await) } else { None };
        let said = self.person.manual_step(step).await;
        self.after()?;
        // What a person has done is more than a look.
        self.helped |= said == ManualOutcome::Done && !mitigates;
        if said == ManualOutcome::Done && mitigates {
            let mut begun = self.responded.mitigation.map(|(begun, _)| begun);
            if let Some(suffering) = suffering.transpose()? {
                self.responded.asked = Some(suffering.0);
                record_still_broken(self.cx, suffering)?;
                begun = Some(self.cx.sink.emit_at(Event::MitigationStarted { began_us: None }));
            }
            let ended = self.cx.sink.emit_at(Event::MitigationEnded);
            self.responded.mitigation = Some((begun.unwrap_or(ended), Some(ended)));
        }
        Ok(said)
    }

    fn person(&mut self) -> &mut dyn Operator {
        self.person
    }
}

/// Whether a command of a step runs: one for a person leaves all of it to them.
pub(super) fn runs(step: &Step) -> bool {
    let is_skipped = |command: &&Command| step.settings(command.block).skip.is_some();
    let mut commands = step.commands().iter().filter(|command| !is_skipped(command));
    let by_hand = |command: &Command| matches!(command.handling, Handling::Manual(_));
    !commands.clone().any(by_hand) && commands.any(|command| matches!(command.handling, Handling::Run(_)))
}

/// How users were at an instant: how they suffered, `None` where no SLI was hit, or why the runbook proves nothing.
type Suffering = (DrillTime, Result<Option<String>, Stop>);

/// Notes whether users suffered at an instant: the SLIs that were hit must still miss their objectives, or the drill cannot say that the
/// runbook helped.
fn record_still_broken(cx: &Context<'_>, (at, suffering): Suffering) -> Result<(), Stop> {
    if let Some(evidence) = suffering.map_err(|stop| cx.failed(Check::StillBroken, at, stop))? {
        cx.decided(Check::StillBroken, at, CheckOutcome::Passed { evidence });
    }
    Ok(())
}

/// Waits until every event of a whole window after an instant is counted. A query counts what came since the query before it, so the window
/// begins one interval of the queries later. Returns when the wait was over.
async fn after(cx: &Context<'_>, ended: DrillTime) -> Result<DrillTime, Stop> {
    let (started, window) = (cx.sink.now(), cx.plan.told_every() + cx.plan.impact.window);
    let known = |timeline: &Timeline| timeline.closed_until().filter(|known| *known >= ended.plus(window));
    let within = window + cx.longest_request() + ARRIVAL;
    let seen = cx.monitor.until(started.plus(within), |monitor| monitor.timeline(known)).await?;
    cx.waited(WAIT_CERTAIN, started, within, seen.is_some());
    Ok(cx.sink.now())
}

/// What it says of users, in words.
fn told(state: &StillBroken, changed: Option<&ChangingStep>) -> Result<Option<String>, Stop> {
    if state.users_suffer() {
        return Ok(Some(format!("when the mitigation began: {}", shown(&state.broken))));
    }
    if state.unknown.is_empty() {
        let by = changed.map(|(at, _)| format!(" (the step at {at} does more than look)")).unwrap_or_default();
        let reason = format!(
            "users had recovered before the first mitigating command{by}, so the runbook proved nothing: {}",
            shown(&state.healed)
        );
        return Err(Stop { at: changed.map(|(at, _)| at.clone()), ..Stop::new(Verdict::SelfHealed, reason) });
    }
    let unknown = state.unknown.join(", ");
    Err(Stop::harness(format!("there was no data on {unknown} when the mitigation began")))
}
