//! Inject: for each fault the undo goes to disk, then the fault goes in, then it is seen in place.

use super::drill::Drill;
use super::stop::Stop;
use crate::record::{Check, CheckOutcome, FaultEvent};

impl Drill<'_> {
    pub(super) async fn inject(&mut self) -> Result<(), Stop> {
        let plan = self.plan;
        self.inject_began = self.sink.now();
        for planned in &plan.faults {
            let check = Check::Injection { fault: planned.id.clone() };
            let started = self.sink.now();
            match self.inject_one(&planned.id, &planned.fault).await {
                Ok(evidence) => {
                    // The stamp of the event and no other reading: whoever reads the record counts from the same instant.
                    let now = self.fault_event(&planned.id, FaultEvent::Confirmed, &evidence);
                    self.injected = Some((self.injected.map_or(now, |(first, _)| first), now));
                    self.decided(check, started, CheckOutcome::Passed { evidence });
                }
                Err(stop) => {
                    let stop = stop.at(self.in_scenario(planned.line));
                    self.fault_event(&planned.id, FaultEvent::Failed, &stop.reason);
                    return Err(self.failed(check, started, stop));
                }
            }
        }
        Ok(())
    }
}
