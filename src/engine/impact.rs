//! Impact and detect: users must feel the fault and the alert condition must hold, watched side by side from the
//! confirmed injection on, with the page. `impact: none` turns the drill round.

use super::context::{ARRIVAL, Context, POLL, seconds};
use super::faults::Injected;
use super::monitor::shown;
use super::pages::paged;
use super::seen::{FaultImpact, SCRAPE_GRACE, impact_query, watch};
use super::stop::Stop;
use crate::faults::Presence;
use crate::record::{
    Check, CheckOutcome, DrillTime, FaultEvent, HoldRecord, Parts, Phase, Verdict, WAIT_ENDED, WAIT_KEPT,
    WAIT_SUFFERED, micros,
};
use crate::slis::window::{ImpactQuery, Level, TimeSpan, Timeline};
use crate::spec::{Plan, PlannedFault};
use std::time::Duration;

/// Nobody can say whether users felt the fault.
const INCOMPLETE: &str = "there was no complete measurement under the fault";

impl FaultImpact {
    /// What the fault needed to hurt: begin of its injection → impact.
    pub fn onset(&self) -> Option<Duration> {
        self.hit().map(|at| at.since(self.faults.began))
    }

    /// The SLIs that must fall and had fallen by then: others may have followed the first.
    fn fallen_by(&self, plan: &Plan, timeline: &Timeline, until: DrillTime) -> Vec<Level> {
        // One that may have fallen by chance makes no hold shorter.
        let query = ImpactQuery { until, ..impact_query(plan, &self.faults, None) };
        timeline.impact(&query).and_then(Result::ok).filter(|_| !self.hits.is_empty()).unwrap_or_default()
    }

    /// The names of these.
    pub fn hit_by(&self, plan: &Plan, timeline: &Timeline, until: DrillTime) -> Vec<String> {
        self.fallen_by(plan, timeline, until).into_iter().map(|hit| hit.sli).collect()
    }

    /// What the faults needed to hurt until then: begin of the first injection → the first SLI that fell, or, where that is longer for
    /// another one, begin of the last injection before it fell → its fall. What comes again is injected again.
    /// The outer `None` where it does not become known in time: every request from before must have ended.
    pub async fn onset_by(&self, cx: &Context<'_>, until: DrillTime) -> Result<Option<Option<Duration>>, Stop> {
        let onset = |timeline: &Timeline| {
            timeline.closed_until().filter(|known| *known >= until)?;
            let injections = cx.all_injections();
            let took = |hit: Level| {
                let seen = injections.iter().filter(|(began, confirmed)| *confirmed <= until && *began <= hit.to);
                Some(hit.to.since(seen.map(|(began, _)| *began).max()?))
            };
            Some(self.fallen_by(cx.plan, timeline, until).into_iter().filter_map(took).chain(self.onset()).max())
        };
        let known_by = cx.sink.now().plus(cx.longest_request() + ARRIVAL);
        cx.monitor.until(known_by, |monitor| monitor.timeline(onset)).await
    }

    /// How long it may take until a fault that comes and goes is felt again, where there is one.
    pub fn felt_again_within(&self, plan: &Plan) -> Option<Duration> {
        let periods = plan.faults.iter().filter(|planned| !planned.timing.noise).filter_map(PlannedFault::period);
        Some(periods.max()? + self.onset()? + plan.impact.window)
    }
}

/// How long users must be served for a recovery to count from faults that needed so long to hurt. `parts` is how much of a fault is
/// active, where that is a part.
pub(super) fn hold_after(plan: &Plan, onset: Option<Duration>, parts: Option<Parts>) -> HoldRecord {
    let hold = HoldRecord {
        required_us: 0,
        configured_us: micros(plan.recover_hold),
        onset_us: onset.map(micros),
        window_us: micros(plan.impact.window),
        returns_us: plan.returning().map_or(0, |(_, after)| micros(after)),
        shown_after_us: micros(plan.shown_after()),
        parts,
    };
    hold.settled()
}

pub(super) async fn impact(cx: &mut Context<'_>, faults: Injected, steady: TimeSpan) -> Result<FaultImpact, Stop> {
    let Injected { first: injected, last, .. } = faults;
    let passed = None;
    let mut seen = FaultImpact { faults, steady, hits: Vec::new(), unfelt: false, held: None, paged: None, passed };
    if cx.plan.impact.none {
        let evidence = keeps_its_objectives(cx, faults, steady).await?;
        detect(cx, &mut seen).await?;
        seen.passed = (cx.options.control || cx.plan.runbook.is_none()).then_some(evidence);
        return Ok(seen);
    }
    let impact_by = last.plus(cx.plan.impact.within + cx.longest_request() + ARRIVAL);
    watch(cx, impact_by, &mut seen, |seen| !seen.hits.is_empty() || seen.unfelt).await?;
    let within = cx.plan.impact.within;
    cx.waited("an SLI to fall below its threshold", last, within, !seen.hits.is_empty());
    cx.lives()?;
    let Some(at) = seen.hit() else {
        if !seen.unfelt {
            return Err(cx.failed(Check::Impact, injected, Stop::harness(INCOMPLETE)));
        }
        let mut unknown = cx.latest(cx.sink.now().since(injected));
        unknown.retain(|level| level.unknown > 0 && cx.plan.must_breach(&level.sli));
        if !unknown.is_empty() {
            let reason = format!("whether users felt the fault is not known: {}", cx.shown_with_answers(&unknown));
            return Err(cx.failed(Check::Impact, injected, Stop::unknown(reason)));
        }
        let reason = format!(
            "the fault was in place for {} and no SLI fell below {} by more than chance: {}{}",
            seconds(within),
            cx.plan.impact.below,
            cx.shown_with_answers(&cx.latest(within)),
            cx.not_acted().await
        );
        return Err(cx.failed(Check::Impact, injected, cx.stop_at("impact", Verdict::NoImpact, reason)));
    };
    let mut said = cx.not_acted().await;
    while !said.is_empty() {
        if cx.sink.now() >= last.plus(within) {
            return Err(idle(cx, injected, &said));
        }
        watch(cx, cx.sink.now().plus(POLL), &mut seen, |_| false).await?;
        said = cx.not_acted().await;
    }
    let slis: Vec<&str> = seen.hits.iter().map(|hit| hit.sli.as_str()).collect();
    let evidence =
        format!("{} fell below {} after {}", slis.join(", "), cx.plan.impact.below, seconds(at.since(injected)));
    cx.decided(Check::Impact, injected, CheckOutcome::Passed { evidence });
    cx.impact = Some((last, at));
    detect(cx, &mut seen).await?;
    Ok(seen)
}

/// A fault that nothing comes to proves nothing, though another one hurts or users are to notice none.
fn idle(cx: &Context<'_>, injected: DrillTime, said: &str) -> Stop {
    let reason = format!("a fault was in place for {}{said}", seconds(cx.plan.impact.within));
    cx.failed(Check::Impact, injected, cx.stop_at("faults", Verdict::NoImpact, reason))
}

/// The fault that did not stay, what became of it, and the reason: it was not there to be noticed. Unless it is meant to go: a rule for the
/// first requests, Pods that are replaced, a time that is over. Of one that nothing undoes it is only told.
async fn not_stayed(cx: &Context<'_>) -> Result<Option<(String, FaultEvent, String)>, Stop> {
    let meant = |planned: &&PlannedFault| {
        let facts = &planned.fault.facts;
        facts.interposes.is_some() || facts.ends_by_itself
    };
    let others = || cx.plan.faults.iter().filter(|planned| !meant(planned));
    let ids: Vec<&str> = others().map(|planned| planned.id.as_str()).collect();
    // As when a mitigation is long over: whatever its exit code, and though a probe was to say what clears it.
    let ended = cx.ended_by_themselves(&ids, Some(DrillTime::default())).await?;
    if let Some((id, stop)) = ended.into_iter().next() {
        // The rest of it is for runbooks.
        let why = stop.reason.split(';').next().unwrap_or_default().to_string();
        return Ok(Some((id, FaultEvent::EndedByItself, why)));
    }
    let outstanding = cx.ledger.outstanding();
    for (id, answer) in cx.ask_faults().await {
        let Some(planned) = others().find(|planned| planned.id == id && planned.timing.lasts.is_none()) else {
            continue;
        };
        let (what, why) = match answer? {
            Presence::InPlace(_) => continue,
            // The rest of it comes back.
            Presence::Partly(..) if planned.fault.facts.returns.is_some() => continue,
            Presence::Partly(why, _) => (FaultEvent::PartiallyActive, why),
            Presence::Gone(why) => (FaultEvent::EndedByItself, why),
        };
        if !outstanding.iter().any(|(known, undo)| *known == id && undo.irreversible().is_some()) {
            return Ok(Some((id, what, why)));
        }
        cx.fault_event(&id, what, &why);
    }
    Ok(None)
}

/// Waits until each fault has ended that ends by `lasts` for good, noise as well: it may have hurt after all. Before a runbook is followed
/// users must then suffer on without them, for as long as they must be served for a recovery to count: what heals once its
/// trigger is gone proves nothing of a runbook. A control waits as long: it begins where the runbook would have.
pub(super) async fn outlast(cx: &Context<'_>, impact: &FaultImpact) -> Result<(), Stop> {
    let lasting = || cx.plan.faults.iter().filter(|planned| planned.ends_in_time());
    let Some(longest) = lasting().filter_map(|planned| planned.timing.lasts).max() else { return Ok(()) };
    let started = cx.sink.now();
    let undo = cx.ledger.outstanding().iter().map(|(_, undo)| undo.within() * 2).max().unwrap_or_default();
    let within = longest + undo + ARRIVAL;
    let ended = cx.until_times(within, "ended by `lasts`", |times| {
        lasting().all(|planned| times.get(&planned.id).is_some_and(|times| times.ended.is_some()))
    });
    let ended = ended.await;
    cx.waited(WAIT_ENDED, started, within, ended.is_ok());
    ended?;
    let has_runbook = cx.plan.runbook.is_some();
    let (true, Some((id, at)), true) = (!impact.hits.is_empty(), cx.last_ended(), has_runbook) else { return Ok(()) };
    let unknown = || Stop::harness(format!("there was no complete measurement after `{id}` had ended by `lasts`"));
    let onset = impact.onset_by(cx, at).await?.ok_or_else(unknown)?;
    let required = hold_after(cx.plan, onset, None).required();
    // What comes and goes may be away when that time is over: it has its own until it is felt again.
    let again = impact.felt_again_within(cx.plan).unwrap_or_default();
    let (until, began) = (at.plus(required), cx.sink.now());
    let last = until.plus(again);
    let deadline = last.plus(cx.longest_request() + ARRIVAL);
    let hurt = |levels: &[Level]| levels.iter().any(|level| level.below(cx.plan.impact.below));
    let latest = cx.monitor.until(deadline, |monitor| {
        monitor.timeline(|timeline| {
            let (known, levels) = (timeline.closed_until()?, timeline.latest(cx.plan.impact.window));
            (known >= last || known >= until && hurt(&levels)).then_some(levels)
        })
    });
    let levels = latest.await?.ok_or_else(unknown)?;
    let suffer = hurt(&levels);
    cx.waited(WAIT_SUFFERED, at, required + again, suffer);
    // A control says itself what it makes of users who do not.
    if suffer || cx.options.control {
        return Ok(());
    }
    if levels.iter().any(|level| level.unknown > 0) {
        let reason = format!("whether users suffer without `{id}` is not known: {}", shown(&levels));
        return Err(cx.failed(Check::StillBroken, began, Stop::unknown(reason)));
    }
    let (after, seen) = (seconds(required + again), shown(&levels));
    let reason = format!("users recovered without the runbook: {after} after `{id}` had ended by `lasts`, {seen}");
    let line = lasting().find(|planned| planned.id == id).map_or(1, |planned| planned.line);
    Err(cx.failed(Check::StillBroken, began, Stop::new(Verdict::SelfHealed, reason).at(cx.in_scenario(line))))
}

async fn detect(cx: &mut Context<'_>, seen: &mut FaultImpact) -> Result<(), Stop> {
    let plan = cx.plan;
    let mut evidence = Vec::new();
    if let Some((_, when)) = &plan.detect.condition {
        evidence.push(condition_held(cx, seen, &when.text).await?);
    }
    if let Some(page) = plan.detect.page.as_ref().filter(|page| page.alert.is_some()) {
        evidence.push(paged(cx, seen, page).await?);
    }
    if !evidence.is_empty() {
        cx.decided(Check::Detection, seen.faults.first, CheckOutcome::Passed { evidence: evidence.join("; ") });
    }
    Ok(())
}

/// The alert condition must hold within its time of the fault that users felt: what was seen.
async fn condition_held(cx: &mut Context<'_>, seen: &mut FaultImpact, when: &str) -> Result<String, Stop> {
    let within = cx.plan.detect.within;
    let deadline = seen.detect_from(cx).plus(within);
    if seen.held.is_none() {
        cx.begin(Phase::Detect);
        watch(cx, deadline.plus(SCRAPE_GRACE), seen, |seen| seen.held.is_some()).await?;
    }
    if seen.held.is_some_and(|since| since < seen.faults.began) {
        let reason = format!("the alert condition `{when}` held before the fault went in");
        return Err(cx.failed(Check::Detection, seen.faults.first, cx.stop_at("detect", Verdict::Unsteady, reason)));
    }
    let held = seen.held.map(|since| since.max(seen.faults.first)).filter(|at| *at <= deadline);
    cx.waited("the alert condition", seen.faults.first, within, held.is_some());
    if let Some(at) = held {
        return Ok(format!("`{when}` held after {}", seconds(at.since(seen.faults.first))));
    }
    let alert = cx.monitor.condition();
    let last = match (alert.value, alert.error) {
        (Some(value), _) => format!("its last value was {value}"),
        (None, Some(error)) => format!("it has no value: {error}"),
        (None, None) => "it has no value".to_string(),
    };
    let within = seconds(within);
    let reason = format!("the alert condition `{when}` did not hold within {within} of the injection; {last}");
    Err(cx.failed(Check::Detection, seen.faults.first, cx.stop_at("detect", Verdict::Undetected, reason)))
}

/// `impact: none`: every SLI keeps its objective for `impact.within` with all faults confirmed, and in every window of that length from the moment
/// on that the first injection was begun: a release may hurt while it is deployed, before it is confirmed. What a query tells first is mostly of
/// the time before, so that `impact.within` begins one interval of the queries later.
async fn keeps_its_objectives(cx: &Context<'_>, faults: Injected, steady: TimeSpan) -> Result<String, Stop> {
    let Injected { began, last: injected, .. } = faults;
    let within = cx.plan.impact.within;
    let begins = injected.plus(cx.plan.told_every());
    let until = begins.plus(within);
    let deadline = until.plus(cx.longest_request() + Duration::from_secs(5));
    // When their time is over, not once every answer has come.
    cx.monitor.until(until, |_| None::<()>).await?;
    let gone = not_stayed(cx).await;
    let held = |timeline: &Timeline| timeline.held(begins, within).filter(|_| timeline.others_known(until));
    // What missed its objective in the last window, or in an earlier one.
    let judged = |kept: Result<Vec<Level>, Vec<Level>>, timeline: &Timeline| {
        let mut breached = timeline.breached(began, until, within);
        breached.retain(|level| kept.as_ref().err().is_none_or(|last| last.iter().all(|one| one.sli != level.sli)));
        match kept {
            Ok(levels) if breached.is_empty() => Ok(levels),
            Ok(_) => Err(breached),
            Err(missed) => Err([missed, breached].concat()),
        }
    };
    let kept =
        cx.monitor.until(deadline, |monitor| monitor.timeline(|timeline| Some(judged(held(timeline)?, timeline))));
    let mut kept = kept.await?;
    cx.waited(WAIT_KEPT, injected, until.since(injected), matches!(kept, Some(Ok(_))));
    cx.undisturbed().map_err(|stop| cx.failed(Check::Impact, injected, stop))?;
    let refused = |timeline: &Timeline| {
        let spans = [(injected, injected.plus(within)), (began, injected.plus(within)), (begins, until)];
        let whole = spans.into_iter().find_map(|span| timeline.refused(Some(steady), span));
        whole.or_else(|| timeline.refused_in_a_moment(steady, (began, until), cx.plan.impact.window))
    };
    let kept_at_best =
        |best: &Timeline| Some(best.held(begins, within)?.is_ok() && best.breached(began, until, within).is_empty());
    // Where nothing is known of the SLIs a load may tell.
    let is_unknown = matches!(kept, Some(Err(_))) && cx.at_best(deadline, kept_at_best).await?;
    if let Some(Err(_)) = kept {
        // Another source may have told more meanwhile.
        kept = cx.monitor.timeline(|timeline| Some(judged(timeline.held(begins, within)?, timeline))).or(kept);
    }
    let refused = cx.monitor.timeline(refused).filter(|_| is_unknown || matches!(kept, Some(Ok(_))));
    if let Some(text) = refused {
        let reason =
            format!("the scenario promises that users notice nothing, and they were refused what they got: {text}");
        return Err(cx.failed(Check::Impact, injected, cx.stop_at("impact", Verdict::Breached, reason)));
    }
    match kept {
        Some(Ok(levels)) => {
            let evidence = format!("every SLI kept its objective for {}: {}", seconds(within), shown(&levels));
            cx.lives()?;
            let late = cx.until_grown().await?.filter(|grown| *grown > injected.plus(within / 2));
            if let Some(grown) = late {
                let reason = format!(
                    "the faults had grown only {} after the injection, and most of `impact.within` was judged with a part of them",
                    seconds(grown.since(injected))
                );
                return Err(cx.failed(Check::Impact, injected, Stop::disturbed(reason)));
            }
            let said = cx.not_acted().await;
            if !said.is_empty() {
                return Err(idle(cx, injected, &said));
            }
            if let Some((id, what, why)) = gone.map_err(|stop| cx.failed(Check::Impact, injected, stop))? {
                cx.fault_event(&id, what, &why);
                let within = seconds(within);
                let reason = format!("users noticed nothing, and `{id}` did not stay in place for {within}: {why}");
                let line = cx.plan.faults.iter().find(|planned| planned.id == id).map_or(1, |planned| planned.line);
                let stop = Stop::new(Verdict::NoImpact, reason).at(cx.in_scenario(line));
                return Err(cx.failed(Check::Impact, injected, stop));
            }
            cx.decided(Check::Impact, injected, CheckOutcome::Passed { evidence: evidence.clone() });
            Ok(evidence)
        }
        Some(Err(levels)) if is_unknown => {
            let reason = format!("whether users noticed anything is not known: {}", shown(&levels));
            Err(cx.failed(Check::Impact, injected, Stop::unknown(reason)))
        }
        Some(Err(levels)) => {
            let reason = format!("the scenario promises that users notice nothing, and they did: {}", shown(&levels));
            Err(cx.failed(Check::Impact, injected, cx.stop_at("impact", Verdict::Breached, reason)))
        }
        None => Err(cx.failed(Check::Impact, injected, Stop::harness(INCOMPLETE))),
    }
}
