//! Revert: undo every fault, last first, each under its own deadline and never under the cancelled token; then the SLIs
//! must hold once more.

use super::context::{Context, SETTLE, seconds};
use super::guard::caught;
use super::invariants::{InvariantValues, ask_invariants};
use super::monitor::shown;
use super::recover::{Recovered, no_relapse};
use super::stop::Stop;
use crate::record::{Check, CheckOutcome, DrillTime, Event, FaultEvent, InvariantTime, Phase, Verdict, as_it_is_kept};
use crate::slis::window::WindowAnswer;
use crate::source::list;
use tokio_util::sync::CancellationToken;

/// `recovering` is when a recovery began to be looked for.
pub(super) async fn revert(
    cx: &mut Context<'_>,
    recovered: &Recovered,
    invariants: &mut InvariantValues,
    recovering: DrillTime,
    cancel: &CancellationToken,
) {
    let outstanding = cx.ledger.outstanding();
    if outstanding.is_empty() && cx.last_ended().is_none() {
        return;
    }
    let started = cx.sink.now();
    let mut problems = Vec::new();
    for (id, undo) in outstanding {
        if let Some(reason) = undo.irreversible() {
            cx.fault_event(&id, FaultEvent::Irreversible, reason);
            cx.irreversible.push(id.clone());
            if let Err(error) = cx.ledger.done(&id) {
                problems.push(format!("`{id}`: the ledger could not be written: {error}"));
            }
            continue;
        }
        // A panic over one fault must not keep the others in place.
        let mut said = String::new();
        let undone = caught(cx.lift(&id, &undo, &mut said)).await;
        let undone = undone.unwrap_or_else(|panic| Err(format!("a panic while it was undone: {panic}")));
        let failed = undone.is_err();
        match undone {
            Ok(evidence) => {
                cx.fault_event(&id, FaultEvent::Reverted, &evidence);
                if let Err(error) = cx.ledger.done(&id) {
                    problems.push(format!("`{id}`: the ledger could not be written: {error}"));
                }
            }
            Err(reason) => {
                cx.fault_event(&id, FaultEvent::Failed, &reason);
                problems.push(format!("`{id}`: {reason}"));
            }
        }
        if !said.trim().is_empty() {
            cx.sink.emit(Event::UndoOutput { fault: id, text: said, failed });
        }
    }
    // Only now everything is known about the time until the first undo, and it is all that counts.
    if cx.unspoiled() && !cancel.is_cancelled() {
        let served = tokio::select! {
            biased;
            () = cancel.cancelled() => Ok(()),
            served = no_relapse(cx, recovered, started, recovering) => served,
        };
        if let Err(stop) = served {
            cx.judge(stop);
        }
    }
    let held = match problems.is_empty() {
        false => Err(not_reverted(cx, problems.join("; "))),
        true if !cx.unspoiled() || cx.control || cancel.is_cancelled() => Ok(gone(cx)),
        true => hold(cx, cancel).await,
    };
    match held {
        Ok(evidence) => {
            cx.decided(Check::Revert, started, CheckOutcome::Passed { evidence });
            if cx.unspoiled() {
                undamaged(cx, invariants, cancel).await;
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

/// A fault that could not be undone is `not_reverted`, unless the agent that should have is gone.
fn not_reverted(cx: &Context<'_>, reason: String) -> Stop {
    match cx.monitor.gone() {
        Some(why) => Stop::harness(format!("{reason} ({why})")),
        None => Stop::new(Verdict::NotReverted, reason),
    }
}

/// Asks the invariants a last time, of a drill that would pass.
async fn undamaged(cx: &mut Context<'_>, invariants: &mut InvariantValues, cancel: &CancellationToken) {
    let asked = tokio::select! {
        biased;
        () = cancel.cancelled() => return,
        asked = ask_invariants(cx, invariants, InvariantTime::Reverted) => asked,
    };
    if let Err(stop) = asked {
        cx.judge(stop);
    }
}

/// The SLIs hold once more for `revert.hold`, with the fault gone, after they had a moment to settle: undoing a fault is a
/// change, too.
async fn hold(cx: &Context<'_>, cancel: &CancellationToken) -> Result<String, Stop> {
    let hold = cx.plan.revert_hold;
    let from = cx.sink.now();
    let within = hold + SETTLE + cx.longest_request();
    let held = tokio::select! {
        biased;
        () = cancel.cancelled() => return Ok(format!("{}; interrupted before the SLIs had held", gone(cx))),
        held = cx.monitor.until(from.plus(within), |monitor| {
            match monitor.timeline(|timeline| timeline.steady(hold, from)) {
                WindowAnswer::Yes(levels) => Some(levels),
                _ => None,
            }
        }) => held?,
    };
    cx.waited("every SLI to hold after the revert", from, within, held.is_some());
    let length = seconds(hold);
    if let Some(levels) = held {
        cx.window_held(Phase::Revert, &levels);
        let evidence = format!("{} and every SLI held for {length}: {}", gone(cx), shown(&levels));
        return Ok(evidence);
    }
    if let Some(disturbed) = cx.monitor.disturbed() {
        return Err(Stop::disturbed(disturbed));
    }
    // Without a whole window nothing was measured.
    match cx.monitor.timeline(|timeline| timeline.held(from, hold)) {
        WindowAnswer::NotYet => {
            Err(Stop::harness("the faults are gone, but there was no complete measurement afterwards"))
        }
        _ => {
            let reason = format!(
                "the faults are gone, but the SLIs did not hold for {length} within {}: {}",
                seconds(hold + SETTLE),
                cx.shown_with_answers(&cx.latest(hold))
            );
            Err(Stop { measured: true, ..Stop::new(Verdict::NotReverted, reason) })
        }
    }
}
