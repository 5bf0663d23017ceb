//! Recover: every SLI meets its objective again, in time and for long enough, while Firedrill leaves the fault alone, and
//! until it begins to undo it. Each fault is asked when the runbook has ended and at the end of the hold, so that the record
//! says whether the runbook cleared it or worked around it. How severe the incident was is measured then, by what users felt and what was lost.

use super::announce::{acts, definitions};
use super::context::{ARRIVAL, Context, seconds};
use super::faults::{Answers, least_active};
use super::impact::hold_after;
use super::invariants::InvariantValues;
use super::monitor::shown;
use super::probe::beside;
use super::respond::{ChangingStep, Responded, runs};
use super::seen::FaultImpact;
use super::stop::Stop;
use crate::faults::Presence;
use crate::record::{
    Check, CheckOutcome, DrillTime, Event, Location, MeasuredSeverity, Phase, ReadBackRecord, RecoveryRecord,
    RestoreLevel, SeverityLevel, Verdict, WAIT_RECOVERED, WAIT_SERVED, WAIT_UNFELT, WindowRecord, percent, severity_of,
    understated,
};
use crate::runbook::{RunbookPhase, Step};
use crate::slis::window::{ImpactSize, Recovery, RecoveryQuery, SERVED_BEFORE, TimeSpan, Timeline, span_of};
use crate::stack::NetworkNames;
use std::collections::BTreeMap;
use std::time::Duration;

/// The impact on users, the response, and the recovery of a drill.
pub(super) struct Incident {
    /// The names that the hosts of the load had before.
    pub names: NetworkNames,
    pub impact: FaultImpact,
    pub responded: Responded,
    pub recovered: Recovered,
}

/// What the phases up to the recovery came to.
#[derive(Debug, Default)]
pub(super) struct Recovered {
    /// Why the drill does not pass.
    pub stop: Option<Stop>,
    /// Why it passes where there is no such reason, provided that everything can be undone.
    pub evidence: String,
    /// That the incident was more severe than declared: a reason to fail where there is no other one.
    pub understated: Option<Stop>,
    /// When users had recovered, by the runbook or by themselves where there is none, and the window that shows it; also of a
    /// drill that fails for another reason.
    pub recovery: Option<Recovery>,
    /// When they would have, had all been well of which nobody could say what happened; `None` where everything is known.
    pub at_best: Option<DrillTime>,
    /// When it began to be looked for, and how long users had to be served for it.
    pub began: DrillTime,
    pub hold: Option<Duration>,
    /// When the stack was steady; `None` where nobody looked.
    pub steady: Option<TimeSpan>,
    /// The SLIs are met, and no recovery is seen only because users are refused what they got before.
    pub refused: bool,
    /// The survivors of the ledger, once they were read back.
    pub read_back: Option<ReadBackRecord>,
    /// The level that a restore reached; `None` when nobody asked.
    pub level: Option<RestoreLevel>,
    /// How many containers of each service ran when the stack was steady.
    pub running: BTreeMap<String, usize>,
    /// What the commands of the invariants wrote last.
    pub invariants: InvariantValues,
}

/// Looks for a recovery, and notes what it was looked for with: why the drill passes, or why it does not.
pub(super) async fn recover(cx: &mut Context<'_>, incident: &mut Incident) -> Result<String, Stop> {
    let Incident { names, impact, responded, recovered: seen } = incident;
    let (impact, responded) = (&*impact, &*responded);
    // The stamps of events and no other reading: whoever reads the record counts from the same instants.
    let started = cx.phase_began;
    let followed = !cx.options.control && cx.plan.runbook.is_some();
    let mitigation = responded.mitigation.filter(|_| followed && !responded.without_mitigation);
    let from = match (mitigation, impact.hit()) {
        (Some((begun, _)), _) => begun,
        // What heals from the end of the runbook on heals by itself, or by a person.
        (None, _) if followed => started,
        (None, Some(at)) => at,
        (None, None) => impact.faults.first,
    };
    let within = if cx.options.control { control_within(cx, impact, started) } else { cx.plan.recover_within };
    let ended = match mitigation {
        Some((_, Some(ended))) => ended,
        // The control gets the time that the runbook would have had.
        _ if cx.options.control || followed => started,
        _ => cx.last_ended().map_or(impact.faults.last, |(_, ended)| ended.max(impact.faults.last)),
    };
    // Both when the runbook has ended and at the end of the hold: what became of the fault is said from both answers.
    let at_first = cx.ask_faults().await;
    let mut parts = least_active(&at_first);
    let grown = cx.until_grown().await?;
    // What had not grown then is lived with only from when it had.
    let runbook_ended = followed.then_some(cx.phase_began).max(grown);
    let unknown = || Stop::harness("there was no complete measurement of the recovery");
    // What the mitigation ended needed so long to hurt.
    let until = mitigation.map_or(started, |(begun, _)| begun);
    let onset = impact.onset_by(cx, until).await?.ok_or_else(unknown)?;
    let (recovered, at_last, query, deadline) = loop {
        let record = hold_after(cx.plan, onset, parts);
        cx.sink.emit(Event::HoldRequired(record));
        let hold = record.required();
        (seen.began, seen.hold, cx.hold) = (started, Some(hold), Some(hold));
        let window = cx.plan.recover_hold;
        let steady = Some(impact.steady);
        let size = impact_size(cx, steady);
        let in_time = ended.plus(within);
        let query = RecoveryQuery { from, deadline: in_time, hold, window, runbook_ended, steady, impact: size };
        let latest = in_time.max(cx.phase_began).max(grown.unwrap_or_default());
        let deadline = latest.plus(hold + cx.longest_request() + ARRIVAL);
        // The answer is final as soon as no later `t` can come in time: there is no need to wait for the deadline.
        let answer = |timeline: &Timeline| timeline.recovered(None, &query).map(Result::ok);
        let recovered = cx.monitor.until(deadline, |monitor| monitor.timeline(answer)).await?;
        let recovered = recovered.ok_or_else(unknown)?;
        let at_last = cx.ask_faults().await;
        // What is partially active only now needs longer to hurt, too.
        parts = least_active(&at_last);
        if recovered.is_none() || cx.options.control || hold_after(cx.plan, onset, parts).required() <= hold {
            break (recovered, at_last, query, deadline);
        }
    };
    let gone: Vec<&str> =
        at_last.iter().filter(|(_, a)| matches!(a, Ok(Presence::Gone(_)))).map(|(id, _)| id.as_str()).collect();
    let mitigated = responded.mitigation.and_then(|(_, ended)| ended).unwrap_or_else(|| cx.sink.now());
    let ended = cx.ended_by_themselves(&gone, Some(mitigated)).await?;
    let by_themselves = ended.values().next().cloned().filter(|_| followed);
    let served_before = followed && served_before(cx, impact, onset, responded.asked.unwrap_or(from));
    let (hold, unverified) = (query.hold, responded.unverified.as_ref());
    let healed = |best: &Timeline| best.recovered(None, &query).map(|answer| answer.is_ok());
    let is_unknown = recovered.is_none() && cx.at_best(deadline, healed).await?;
    cx.waited(WAIT_RECOVERED, started, deadline.since(started), recovered.is_some());
    cx.undisturbed()?;
    cx.lives()?;
    match (recovered, cx.options.control) {
        (Some(recovery), true) => {
            let after = seconds(recovery.at.since(from));
            let reason =
                format!("users recovered without the runbook, {after} after the impact: a drill of it proves nothing");
            Err(cx.failed(Check::Control, from, cx.stop_at("faults", Verdict::SelfHealed, reason)))
        }
        (None, true) => {
            if let Some(why) = cx.contention() {
                let reason =
                    format!("{why}, so that nobody can say whether users would have recovered without the runbook");
                return Err(cx.failed(Check::Control, from, Stop::disturbed(reason)));
            }
            let latest = cx.latest(hold);
            if is_unknown {
                let seen = shown(&latest);
                let reason = format!("whether users would have recovered without the runbook is not known: {seen}");
                return Err(cx.failed(Check::Control, from, Stop::unknown(reason)));
            }
            let evidence = format!(
                "without the runbook users did not recover within {}{}: {}{}",
                seconds(within),
                why_so_long(cx, within),
                cx.refused(seen.steady, &latest).unwrap_or_else(|| shown(&latest)),
                cx.answers("answers", span_of(&latest))
            );
            cx.decided(Check::Control, from, CheckOutcome::Passed { evidence: evidence.clone() });
            Ok(evidence)
        }
        (Some(_), false) if by_themselves.is_some() || followed && mitigation.is_none() || served_before => {
            cx.say_how_faults_stand(at_first, at_last, &ended).await;
            let reason = match mitigation {
                None => "users recovered, but no command of the runbook was meant to help: it was not the runbook",
                Some(_) => "users were served again before the first mitigating command, so the runbook proved nothing",
            };
            let by_none = || Stop::new(Verdict::SelfHealed, reason).at(where_it_should_have_helped(cx, unverified));
            Err(no_recovery(cx, from, by_themselves.unwrap_or_else(by_none)))
        }
        (None, false) if is_unknown => {
            cx.say_how_faults_stand(at_first, at_last, &ended).await;
            let reason = format!("whether users have recovered is not known: {}", shown(&cx.latest(hold)));
            Err(no_recovery(cx, from, Stop::unknown(reason).at(where_it_should_have_helped(cx, unverified))))
        }
        (Some(recovery), false) => {
            let unseen = match cx.bypassed().await {
                None => cx.lost_name(names).await,
                bypassed => bypassed,
            };
            if let Some(why) = unseen.or_else(|| {
                let from = runbook_ended.unwrap_or_default().max(recovery.from);
                cx.stayed_away(from, recovery.to, impact.onset().unwrap_or_default() + cx.plan.impact.window)
            }) {
                return Err(Stop::harness(why).at(where_it_should_have_helped(cx, unverified)));
            }
            let Recovery { at, from: from_us, to: to_us } = recovery;
            cx.sink.emit(Event::WindowHeld(WindowRecord { phase: Phase::Recover, from_us, to_us }));
            let answers = |timeline: &Timeline| timeline.answered_otherwise(impact.steady, (from_us, to_us));
            for answers in cx.monitor.timeline(answers) {
                cx.sink.note(answers.text);
            }
            // Without what came after it.
            let window = cx.plan.recover_hold;
            let before = RecoveryQuery { runbook_ended: grown, hold: window.max(cx.plan.impact.window), ..query };
            let earlier = cx.monitor.timeline(|timeline| timeline.recovered(None, &before)?.ok());
            if let Some(earlier) = earlier.filter(|earlier| followed && earlier.to < from_us) {
                let by = lost_by(cx, seen.steady, earlier.to, responded);
                cx.sink.note(format!(
                    "users had recovered {} after the first mitigating command, and lost the service again{} before they recovered for good",
                    seconds(earlier.at.since(from)),
                    by.map_or_else(String::new, |step| format!(" when or after the step at {step} ran,"))
                ));
            }
            if !followed {
                note_ended_alone(cx, &ended);
            }
            each_sli(cx, &query, Some(at), &where_it_should_have_helped(cx, unverified));
            cx.sink.emit(Event::Recovered(RecoveryRecord { sli: String::new(), recovered_us: at }));
            seen.recovery = Some(recovery);
            let best = cx.monitor.timeline(|timeline| timeline.at_best()?.recovered(None, &query)?.ok());
            seen.at_best = best.map(|best| best.at);
            let cleared = cleared(cx, &at_last, recovery.at);
            let is_left = at_last.iter().any(|(_, answer)| !matches!(answer, Ok(Presence::Gone(_))));
            cx.say_how_faults_stand(at_first, at_last, &ended).await;
            cleared?;
            // Of several faults nobody may have felt the one that is left yet, as what users suffered from hid it. From the recovery on it
            // has its time before the faults are undone, and users must be served until then.
            let (began, felt_by) = (cx.sink.now(), impact.faults.last.max(at).plus(cx.plan.impact.within));
            if is_left && cx.injections.len() > 1 && began < felt_by {
                cx.monitor.until(felt_by, |_| None::<()>).await?;
                cx.waited(WAIT_UNFELT, began, felt_by.since(began), true);
            }
            Ok(format!(
                "users recovered {} after the injection and {} after {}",
                seconds(at.since(impact.faults.first)),
                seconds(at.since(from)),
                if followed { "the first mitigating command" } else { "the impact" }
            ))
        }
        (None, false) => {
            // Without what came at its end.
            let before = RecoveryQuery { runbook_ended: grown, ..query };
            let lost = cx.monitor.timeline(|timeline| timeline.recovered(None, &before)?.ok());
            let by = lost.and_then(|recovery| lost_by(cx, seen.steady, recovery.to, responded));
            let place = by.clone().unwrap_or_else(|| where_it_should_have_helped(cx, unverified));
            let missing = each_sli(cx, &query, None, &place);
            cx.say_how_faults_stand(at_first, at_last, &ended).await;
            // A runbook of which no mitigating step was run has no end of one.
            let after = match mitigation {
                Some(_) => "the last mitigating step",
                None if followed => "the end of the runbook",
                None => "the injection",
            };
            let latest = cx.latest(hold);
            let answers = cx.answers("answers", span_of(&latest));
            let refused = cx.refused(seen.steady, &latest);
            seen.refused = refused.is_some();
            let missing = refused.unwrap_or(missing);
            let when = by.map_or("the runbook ended".to_string(), |step| format!("the step at {step} ran"));
            let told = match lost.map(|recovery| recovery.at.since(from)) {
                Some(since) => format!(
                    "users had recovered {} after the first mitigating command, and lost the service again when or \
                         after {when}",
                    seconds(since)
                ),
                None => format!("users had not recovered within {} of {after}", seconds(within)),
            };
            let reason = format!("{told}: {missing}{answers}{}", last_words(responded));
            Err(Stop::new(Verdict::NotRecovered, reason).at(place))
        }
    }
}

/// Decides the recovery of every SLI by the same reason.
fn no_recovery(cx: &Context<'_>, from: DrillTime, stop: Stop) -> Stop {
    for sli in &cx.plan.slis {
        cx.decided(Check::Recovery { sli: sli.name.clone() }, from, stop.outcome());
    }
    stop
}

/// A pass without a runbook stays one: users recovered. The record says which of the faults ended by themselves that were not meant to: a rule
/// for the first requests is, and so are Pods that are replaced.
fn note_ended_alone(cx: &Context<'_>, ended: &BTreeMap<String, Stop>) {
    for planned in &cx.plan.faults {
        let facts = &planned.fault.facts;
        if ended.contains_key(&planned.id) && facts.interposes.is_none() && !facts.ends_by_itself {
            cx.sink.note(format!(
                "`{}` ended by itself: that users recover while it goes on was not shown; where it is meant to end, `lasts` says so",
                planned.id
            ));
        }
    }
}

/// Every fault is gone by its last answer, where the scenario demands that the runbook clears it.
fn cleared(cx: &Context<'_>, at_last: &Answers, since: DrillTime) -> Result<(), Stop> {
    if !cx.plan.recover_cleared {
        return Ok(());
    }
    let unknown =
        |id: &str, why: &str| Some(Stop::harness(format!("whether the fault `{id}` is cleared cannot be told: {why}")));
    let by_answer = |(id, answer): &(String, Result<Presence, Stop>)| match answer {
        Ok(Presence::Gone(_)) => None,
        Err(stop) => unknown(id, &stop.reason),
        Ok(_) => {
            let why = "and the scenario demands that the runbook clears it";
            let reason = format!("users are served, but the fault `{id}` is still active, {why}");
            Some(Stop::new(Verdict::NotRecovered, reason))
        }
    };
    let unasked = || {
        let mut owed = cx.plan.faults.iter().filter(|planned| !planned.timing.noise && planned.timing.lasts.is_none());
        unknown(&owed.find(|planned| at_last.iter().all(|(id, _)| *id != planned.id))?.id, "it was not asked")
    };
    if let Some(stop) = at_last.iter().find_map(by_answer).or_else(unasked) {
        let stop = stop.at(cx.in_scenario(cx.plan.line_of("recover")));
        return Err(cx.failed(Check::Cleared, since, stop));
    }
    let evidence = "at the end of the hold every fault was gone".to_string();
    cx.decided(Check::Cleared, since, CheckOutcome::Passed { evidence });
    Ok(())
}

/// How long users must not recover in a control that has begun to wait: as long as the runbook is known to take and `recover.within`
/// after it, and as long as it may take to meet the RTO.
fn control_within(cx: &Context<'_>, impact: &FaultImpact, started: DrillTime) -> Duration {
    let rto = cx.plan.rto.map(|rto| impact.faults.first.plus(rto).since(started));
    with_the_runbook(cx).max(rto.unwrap_or_default())
}

fn with_the_runbook(cx: &Context<'_>) -> Duration {
    cx.plan.recover_within + cx.options.runbook_took.unwrap_or_default()
}

/// What a control's time was made of, where that is not the RTO.
fn why_so_long(cx: &Context<'_>, within: Duration) -> String {
    match cx.options.runbook_took {
        _ if within > with_the_runbook(cx) => String::new(),
        Some(took) => format!(" (the {} that the runbook took in a drill, and `recover.within`)", seconds(took)),
        None if cx.plan.rto.is_some() => String::new(),
        None => " (`recover.within` alone: no drill here says how long the runbook takes; run the control after one, or give an `rto`)"
            .into(),
    }
}

/// A pass stays one: users recovered, at a time until which no control of this drill looks. The record says so.
pub(super) fn note_beyond_control(cx: &Context<'_>, incident: &Incident, responding: DrillTime) {
    let Incident { impact, recovered, .. } = incident;
    let Some(recovery) = recovered.recovery.filter(|_| !cx.options.control && cx.plan.runbook.is_some()) else {
        return;
    };
    let within = control_within(cx, impact, responding);
    let waited = responding.plus(within);
    if recovery.at > waited {
        cx.sink.note(format!(
            "users recovered {} after the injection; a control that knows no drill looks until {} only, and cannot show that they \
             would not have recovered by themselves: run it after this drill, whose time it then takes, or give the scenario an `rto`",
            seconds(recovery.at.since(impact.faults.first)),
            seconds(waited.since(impact.faults.first)),
        ));
    }
}

/// What the last mitigating step that wrote something had to say, and what one left running, for a reason.
fn last_words(responded: &Responded) -> String {
    let said = responded.last_line.as_ref().map(|(step, line)| format!("; the last output of `{step}` was `{line}`"));
    let left = responded.left_running.as_ref().map(|(step, what)| {
        format!("; `{step}` left a process running (`{what}`), and those of the toolbox end with the runbook")
    });
    said.into_iter().chain(left).collect()
}

/// Users must be served until the faults began to be undone at `until`: a relapse after the hold is no recovery.
pub(super) async fn no_relapse(cx: &Context<'_>, recovered: &Recovered, until: DrillTime) -> Result<(), Stop> {
    let Some(recovery) = recovered.recovery else { return Ok(()) };
    let (began, hold) = (cx.sink.now(), cx.plan.recover_hold);
    let deadline = began.plus(cx.longest_request() + ARRIVAL);
    let size = impact_size(cx, recovered.steady);
    let relapsed = |timeline: &Timeline| timeline.relapsed(recovery.to, until, hold, size);
    let seen = cx.monitor.until(deadline, |monitor| monitor.timeline(relapsed).map(Result::unwrap_or_default));
    let seen = seen.await?;
    cx.waited(WAIT_SERVED, until, deadline.since(until), seen.is_some());
    let unknown = || Stop::harness("there was no complete measurement between the recovery and the revert");
    let missed = seen.ok_or_else(unknown)?;
    cx.undisturbed()?;
    let refused = cx.monitor.timeline(|timeline| timeline.refused_after(recovered.steady, recovery.to, until, hold));
    let missed_us = missed.iter().map(|level| level.to).min();
    let Some(relapsed_us) = missed_us.into_iter().chain(refused.iter().map(|(at, _)| *at)).min() else {
        let evidence = format!("until the faults began to be undone: {}", shown(&cx.latest(hold)));
        cx.decided(Check::StillServed, recovery.at, CheckOutcome::Passed { evidence });
        return Ok(());
    };
    let kept = |best: &Timeline| relapsed(best).map(|answer| answer.is_err());
    if refused.is_none() && cx.at_best(deadline, kept).await? {
        let reason = format!("whether users kept the service that they had recovered is not known: {}", shown(&missed));
        return Err(cx.failed(Check::StillServed, recovery.at, Stop::unknown(reason)));
    }
    // A verification that did not pass would have been the verdict.
    let at = where_it_should_have_helped(cx, None);
    let reason = format!(
        "users had recovered and lost the service again {} later, before the faults were undone: {}",
        seconds(relapsed_us.since(recovery.at)),
        match refused.filter(|_| missed.is_empty()) {
            Some((_, text)) => format!("the SLIs are met, but users are refused what they got before: {text}"),
            None => cx.shown_with_answers(&missed),
        }
    );
    let stop = match cx.contention_since(recovered.began, recovered.hold) {
        Some(why) => Stop::disturbed(format!("{why}, so that this is no verdict: {reason}")),
        None => Stop::new(Verdict::NotRecovered, reason),
    };
    let stop = cx.failed(Check::StillServed, recovery.at, stop.at(at));
    if cx.plan.rto.is_some() && !cx.options.control {
        // What was lost again was no recovery in time.
        cx.failed(Check::RecoveryTime, recovery.at, stop.clone());
    }
    cx.sink.emit(Event::Relapsed { relapsed_us });
    Err(stop)
}

/// RTO: first confirmed fault → recovered.
pub(super) fn judge_time(cx: &Context<'_>, incident: &Incident) -> Option<Stop> {
    let Incident { impact, responded, recovered, .. } = incident;
    let rto = cx.plan.rto.filter(|_| !cx.options.control)?;
    let fault = impact.faults.first;
    let before = recovered.stop.as_ref();
    let stop = match (recovered.recovery, before) {
        (Some(recovery), _) => {
            let took = recovery.at.since(fault);
            let (shown, objective) = beside(took, rto);
            let evidence =
                format!("users recovered {shown} after the fault; the recovery time objective is {objective}");
            if took <= rto {
                cx.decided(Check::RecoveryTime, fault, CheckOutcome::Passed { evidence });
                return None;
            }
            match recovered.at_best {
                Some(best) if best.since(fault) <= rto => Stop::unknown(format!(
                    "whether users recovered in time is not known: {evidence}, and queries had no data before that"
                )),
                _ => {
                    let answers = cx.answers("answers until then", (fault, recovery.from));
                    Stop::new(Verdict::TooLate, format!("{evidence}{answers}{}", last_words(responded)))
                }
            }
        }
        (None, Some(stop)) if stop.verdict.is_harness() => {
            Stop::harness(format!("whether users have recovered cannot be told: {}", stop.reason))
        }
        (None, _) => {
            let objective = beside(Duration::ZERO, rto).1;
            let reason = format!("no recovery by the runbook was seen; the recovery time objective is {objective}");
            Stop::new(Verdict::NotRecovered, reason)
        }
    };
    let at = cx.in_scenario(cx.plan.line_of("rto"));
    Some(cx.failed(Check::RecoveryTime, fault, stop.at(at)))
}

/// Whether users had been served again for a while when the mitigation began.
fn served_before(cx: &Context<'_>, impact: &FaultImpact, onset: Option<Duration>, begun: DrillTime) -> bool {
    let longest = cx.longest_request();
    let since = cx.monitor.timeline(|timeline| {
        let hit = impact.hit_by(cx.plan, timeline, begun);
        let every =
            |series: &str| cx.plan.sources().find(|source| source.series == series).map(|source| source.interval);
        timeline.served_before(&hit, impact.faults.first, begun, longest, |series| every(series).unwrap_or_default())
    });
    let Some(since) = since else { return false };
    // While what comes and goes is away users are served: only that it came again, with time to hurt, says that they were in spite of it.
    let to_hurt = (SERVED_BEFORE + longest).max(onset.unwrap_or_default());
    impact.felt_again_within(cx.plan).is_none() || cx.stayed_away(since, begun, to_hurt).is_none()
}

/// What would be an impact in this drill, where users were to feel one.
fn impact_size(cx: &Context<'_>, steady: Option<TimeSpan>) -> Option<ImpactSize> {
    steady.filter(|_| !cx.plan.impact.none).map(|steady| cx.plan.impact.size(Some(steady)))
}

/// The last step that did more than look within the window in which users lost the service again that they had had until `held`.
fn lost_by(cx: &Context<'_>, steady: Option<TimeSpan>, held: DrillTime, responded: &Responded) -> Option<Location> {
    let (now, window) = (cx.sink.now(), cx.plan.recover_hold);
    let fell = cx.monitor.timeline(|timeline| {
        let missed = timeline.relapsed(held, now, window, impact_size(cx, steady));
        let missed = missed.and_then(Result::ok).unwrap_or_default();
        let refused = timeline.refused_after(steady, held, now, window).map(|(at, _)| at);
        missed.iter().map(|level| level.to).chain(refused).min()
    })?;
    let ran = |(_, (began, ended)): &&ChangingStep| *began <= fell && fell <= ended.plus(window);
    responded.changed.iter().rfind(ran).map(|(at, _)| at.clone())
}

/// Decides the recovery of each SLI by itself; returns what the ones that did not recover look like, which belongs to a `place`.
fn each_sli(cx: &Context<'_>, query: &RecoveryQuery, together: Option<DrillTime>, place: &Location) -> String {
    let from = query.from;
    let recovered = |name: &str| cx.monitor.timeline(|timeline| timeline.recovered(Some(name), query));
    let own: Vec<_> = cx.plan.slis.iter().map(|sli| (sli, recovered(&sli.name))).collect();
    // Each for itself and never together is no recovery of any of them: users always missed something.
    let apart = together.is_none() && own.iter().all(|(_, own)| matches!(own, Some(Ok(_))));
    let mut missing = Vec::new();
    for (sli, own) in own {
        let check = Check::Recovery { sli: sli.name.clone() };
        let at = match (own, together) {
            (Some(Ok(own)), _) if !apart => own.at,
            (_, Some(at)) => at,
            (own, None) => {
                let reason = match own {
                    Some(Ok(_)) => format!("{} recovered, but never together with all that users got before", sli.name),
                    Some(Err(levels)) => shown(&levels),
                    None => format!("whether {} would have recovered was not seen to its end", sli.name),
                };
                missing.push(reason.clone());
                let at = Some(place.clone());
                let outcome = match cx.contention() {
                    Some(why) => CheckOutcome::Error { reason: format!("{reason}; {why}"), at },
                    None => CheckOutcome::Failed { reason, at },
                };
                cx.decided(check, from, outcome);
                continue;
            }
        };
        cx.sink.emit(Event::Recovered(RecoveryRecord { sli: sli.name.clone(), recovered_us: at }));
        let evidence = format!("met its objective again after {}", seconds(at.since(from)));
        cx.decided(check, from, CheckOutcome::Passed { evidence });
    }
    missing.join("; ")
}

/// The last mitigating step that was run: `recover.within` counts from its end, the reason tells its output, and what is missing
/// belongs behind it. A step of which only the look was run is none, nor is one behind a verification that did not pass.
fn where_it_should_have_helped(cx: &Context<'_>, unverified: Option<&Stop>) -> Location {
    use RunbookPhase::{Mitigate, Other, Rollback};
    let Some(runbook) = &cx.plan.runbook else { return cx.in_scenario(cx.plan.line_of("recover")) };
    let path = super::announce::shown(&runbook.source);
    let stopped = unverified.and_then(|stop| stop.at.as_ref()).filter(|at| at.path == path);
    let steps: Vec<&Step> = runbook.select(&cx.plan.respond.phases).collect();
    let ran = |phases: &[RunbookPhase], acted: bool| {
        let before = |step: &Step| stopped.is_none_or(|at| step.line <= at.line);
        steps.iter().rfind(|step| phases.contains(&step.phase) && runs(step) && before(step) && (!acted || acts(step)))
    };
    let last = ran(&[Mitigate], true).or_else(|| ran(&[Rollback, Other], true)).or_else(|| ran(&[Mitigate], false));
    let line = last.or_else(|| steps.iter().find(|step| step.phase == Mitigate)).map_or(1, |step| step.line);
    Location { path, line }
}

/// Measures the severity and decides whether the declared one is too mild: a reason to fail where there is no other one.
pub(super) fn judge_severity(cx: &Context<'_>, incident: &Incident, data_lost: bool) -> Option<Stop> {
    if cx.options.control {
        return None;
    }
    let (levels, from) = (definitions(cx.plan), incident.impact.faults.first);
    let until = incident.recovered.recovery.map(|recovery| recovery.from);
    let (worst, until_us) = cx.monitor.timeline(|timeline| timeline.most_hurt(from, until))?;
    let users_hurt = worst.bad() as f64 / worst.valid as f64;
    let severity = severity_of(&levels, users_hurt, data_lost).map(|level| level.name.clone());
    let measured = MeasuredSeverity { severity, sli: worst.sli, users_hurt, data_lost, until_us };
    cx.sink.emit(Event::SeverityMeasured(measured.clone()));
    let declared = cx.plan.severity.as_deref()?;
    let name = measured.severity.as_deref().unwrap_or("milder than every severity");
    let lost = if data_lost { ", and acknowledged writes were lost" } else { "" };
    let seen = format!("{name}: of the events of {} {} were bad{lost}", measured.sli, percent(users_hurt));
    match understated(&levels, declared, measured.severity.as_deref())? {
        true => {
            let limits = levels.iter().map(SeverityLevel::definition).collect::<Vec<_>>().join(", ");
            let reason = format!(
                "the scenario declares {declared}, and the incident was {seen} ({limits}; `severities` of the file that `oncall` \
                 names is where a team says so)"
            );
            Some(cx.failed(Check::Severity, from, cx.stop_at("severity", Verdict::Understated, reason)))
        }
        false => {
            let evidence = format!("declared {declared}, measured {seen}");
            cx.decided(Check::Severity, from, CheckOutcome::Passed { evidence });
            None
        }
    }
}
