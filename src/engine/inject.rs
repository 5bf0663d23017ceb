//! Inject: one fault after the other goes in and is seen in place.

use super::context::Context;
use super::stop::Stop;
use crate::record::{Check, CheckOutcome, DrillTime, FaultEvent};

/// Faults that are in place.
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
    let mut injected: Option<Injected> = None;
    for planned in &plan.faults {
        let check = Check::Injection { fault: planned.id.clone() };
        let started = cx.sink.now();
        match cx.inject_one(&planned.id, &planned.fault).await {
            Ok((began, evidence)) => {
                // The stamp of the event and no other reading: whoever reads the record counts from the same instant.
                let last = cx.fault_event(&planned.id, FaultEvent::Confirmed, &evidence);
                injected = Some(Injected { last, ..injected.unwrap_or(Injected { began, first: last, last }) });
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
