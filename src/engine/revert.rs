//! Revert: undo every fault, last first, each under its own deadline and never under the cancelled token; then the SLIs
//! must hold once more.

use super::context::{Context, SETTLE, seconds};
use super::invariants::ask_invariants;
use super::monitor::shown;
use super::recover::{Recovered, no_relapse};
use super::restore::still_stored;
use super::stop::Stop;
use crate::record::{Check, CheckOutcome, DrillTime, FaultEvent, InvariantTime, Phase, Verdict, as_it_is_kept};
use crate::slis::window::{TimeSpan, Timeline};
use crate::source::list;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// How long users may have to wait for that without a word.
const SHORTLY: Duration = Duration::from_secs(1);

pub(super) async fn revert(cx: &mut Context<'_>, recovered: &mut Recovered, cancel: &CancellationToken) {
    let outstanding = cx.ledger.outstanding();
    let away = cx.away();
    if outstanding.is_empty() && away.is_empty() && cx.last_ended().is_none() {
        return;
    }
    let started = cx.phase_began;
    for id in away {
        cx.fault_event(&id, FaultEvent::Reverted, "it was away, and does not come again");
    }
    let mut problems = Vec::new();
    for (id, undo) in outstanding {
        let undone = match undo.irreversible() {
            Some(reason) => {
                cx.fault_event(&id, FaultEvent::Irreversible, reason);
                cx.irreversible.push(id.clone());
                cx.note_done(&id)
            }
            None => cx.undo(&id, &undo, FaultEvent::Reverted, "").await.map(drop),
        };
        problems.extend(undone.err().map(|reason| format!("`{id}`: {reason}")));
    }
    let undone = cx.sink.now();
    // Only now everything is known about the time until the first undo, and it is all that counts.
    if cx.unspoiled() && !cancel.is_cancelled() {
        let served = cancel.run_until_cancelled(no_relapse(cx, recovered, started)).await;
        if let Some(Err(stop)) = served {
            cx.judge(stop);
        }
    }
    let held = match problems.is_empty() {
        // A fault that could not be undone is `not_reverted`, unless the agent that should have is gone.
        false => Err(match (problems.join("; "), cx.monitor.gone()) {
            (reason, Some(why)) => Stop::harness(format!("{reason} ({why})")),
            (reason, None) => Stop::new(Verdict::NotReverted, reason).at(cx.in_scenario(cx.plan.line_of("faults"))),
        }),
        true if !cx.unspoiled() || cx.options.control || cancel.is_cancelled() => Ok(gone(cx)),
        true => match hold(cx, undone, recovered.steady, cancel).await {
            Ok(evidence) if !cancel.is_cancelled() => {
                let stored = cancel.run_until_cancelled(still_stored(cx, recovered.read_back.as_ref())).await;
                stored.unwrap_or(Ok(())).map(|()| evidence)
            }
            held => held,
        },
    };
    match held {
        Ok(evidence) => {
            cx.decided(Check::Revert, started, CheckOutcome::Passed { evidence });
            if cx.unspoiled() && !recovered.running.is_empty() {
                let running = cancel.run_until_cancelled(cx.running()).await.unwrap_or_default();
                for (service, before) in &recovered.running {
                    if let Some(now) = running.get(service).filter(|now| *now < before) {
                        cx.sink.note(format!(
                            "`{service}` runs in {now} of the {before} containers that it had before the fault"
                        ));
                    }
                }
            }
            // The invariants are asked a last time, of a drill that would pass.
            if cx.unspoiled() {
                let asked = ask_invariants(cx, &mut recovered.invariants, InvariantTime::Reverted);
                if let Some(Err(stop)) = cancel.run_until_cancelled(asked).await {
                    cx.judge(stop);
                }
            }
        }
        Err(stop) => {
            let stop = cx.failed(Check::Revert, started, stop);
            cx.judge(stop);
        }
    }
}

/// What there is to say about a stack that is kept.
pub(super) fn how_it_is_kept(cx: &Context<'_>) -> String {
    let mut lines = vec![as_it_is_kept(&cx.irreversible)];
    lines.extend(cx.stack.how_to_look());
    lines.join("\n")
}

/// Where the faults are once they were undone.
fn gone(cx: &Context<'_>) -> String {
    match cx.irreversible.is_empty() {
        true => "every fault is gone".into(),
        false => format!("every fault is gone but {}, which goes with the stack,", list(&cx.irreversible)),
    }
}

/// The SLIs hold once more for `revert.hold` from the last undo on, one interval of the queries later where there are any (what they tell first
/// is mostly of the time before), and nobody is refused what users got when the stack was `steady`, after
/// they had a moment to settle: undoing a fault is a change, too. Also of a load that no SLI looks at it must be known how its requests ended.
async fn hold(
    cx: &Context<'_>,
    undone: DrillTime,
    steady: Option<TimeSpan>,
    cancel: &CancellationToken,
) -> Result<String, Stop> {
    let (hold, from) = (cx.plan.held_after_revert(), undone.plus(cx.plan.told_every()));
    let settled = from.since(undone) + hold + SETTLE;
    let within = settled + cx.longest_request();
    let again = |timeline: &Timeline| timeline.held_again(hold, from, steady);
    let held = cx.monitor.until(undone.plus(within), |monitor| monitor.timeline(again)?.ok());
    let Some(held) = cancel.run_until_cancelled(held).await else {
        return Ok(format!("{}; interrupted before the SLIs had held", gone(cx)));
    };
    let held = held?.map(Ok).or_else(|| cx.monitor.timeline(again));
    cx.waited("every SLI to hold after the revert", undone, within, matches!(held, Some(Ok(_))));
    let length = seconds(hold);
    if let Some(Ok(levels)) = held {
        let (begins, _) = cx.window_held(Phase::Revert, &levels);
        if begins.since(from) >= SHORTLY {
            let after = seconds(begins.since(undone));
            cx.sink.note(format!("every SLI held for {length} only from {after} after the last undo on"));
        }
        return Ok(format!("{} and every SLI held for {length}: {}", gone(cx), shown(&levels)));
    }
    cx.undisturbed()?;
    // Without a whole window nothing was measured.
    match held.and_then(Result::err) {
        None => {
            let unknown = |timeline: &Timeline| list(&timeline.unknown_loads(from.plus(hold)).collect::<Vec<_>>());
            let loads = cx.monitor.timeline(unknown);
            let of = if loads.is_empty() { loads } else { format!(": how requests of {loads} ended is not known") };
            Err(Stop::harness(format!("the faults are gone, but there was no complete measurement afterwards{of}")))
        }
        Some(latest) => {
            if cx.at_best(cx.sink.now(), |best| Some(again(best)?.is_ok())).await? {
                let seen = shown(&latest);
                let reason = format!("the faults are gone, and whether users are served is not known: {seen}");
                return Err(Stop::unknown(reason));
            }
            let reason = match cx.refused(steady, &latest) {
                Some(refused) => format!("the faults are gone and {refused}"),
                None => format!(
                    "the faults are gone, but the SLIs did not hold for {length} within {}: {}",
                    seconds(settled),
                    cx.shown_with_answers(&latest)
                ),
            };
            Err(Stop { measured: true, ..Stop::new(Verdict::NotReverted, reason) })
        }
    }
}
