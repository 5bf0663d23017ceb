//! Inject: one fault after the other goes in, each when it is its time, and is seen in place.

use super::context::Context;
use super::stop::Stop;
use crate::record::{Check, CheckOutcome, DrillTime, FaultEvent};

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

pub(super) async fn inject(cx: &mut Context<'_>) -> Result<Injected, Stop> {
    let plan = cx.plan;
    let (mut injected, mut before): (Option<Injected>, Option<DrillTime>) = (None, None);
    for planned in &plan.faults {
        if let (Some(after), Some(before)) = (planned.timing.after, before) {
            // Nothing is waited for but the time, or that an agent is gone.
            cx.monitor.until(before.plus(after), |_| None::<()>).await?;
        }
        let check = Check::Injection { fault: planned.id.clone() };
        let started = cx.sink.now();
        match cx.inject_one(planned).await {
            Ok((began, evidence)) => {
                // The stamp of the event and no other reading: whoever reads the record counts from the same instant.
                let last = cx.fault_event(&planned.id, FaultEvent::Confirmed, &evidence);
                before = Some(last);
                if !planned.timing.noise {
                    injected = Some(Injected { last, ..injected.unwrap_or(Injected { began, first: last, last }) });
                }
                cx.decided(check, started, CheckOutcome::Passed { evidence });
            }
            Err(stop) => {
                let stop = stop.at(cx.in_scenario(planned.line));
                cx.fault_event(&planned.id, FaultEvent::Failed, &stop.reason);
                return Err(cx.failed(check, started, stop));
            }
        }
    }
    let now = cx.sink.now();
    Ok(injected.unwrap_or(Injected { began: now, first: now, last: now }))
}
