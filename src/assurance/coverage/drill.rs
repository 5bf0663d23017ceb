//! What a record says for coverage: few words of each, so that thousands of records fit in memory.

use crate::faults::class_of;
use crate::record::{Check, CheckOutcome, FaultInfo, Record, RunOutcome, Verdict};
use crate::report::clock::parsed;
use std::time::Duration;
use time::OffsetDateTime;

/// A drill that was run with its runbook. Controls, runbooks that were followed alone and drills that exist to fail are none.
#[derive(Debug, Clone, PartialEq)]
pub struct PastDrill {
    /// Id of the run.
    pub run: String,
    /// Name of the scenario.
    pub scenario: String,
    /// When it began.
    pub at: OffsetDateTime,
    /// Its verdict.
    pub verdict: Verdict,
    /// What that means.
    pub outcome: RunOutcome,
    /// Its faults: class of failures, where it is of one, and the services that it broke, none where the record does not name
    /// them.
    pub faults: Vec<(Option<String>, Vec<String>)>,
    /// The runbook, as the record names it.
    pub runbook: Option<String>,
    /// The steps of which commands were begun as the runbook had them, nothing put in their place: id, and SHA-256 of the text then.
    pub followed: Vec<(String, String)>,
    /// First confirmed fault → users had recovered, in microseconds.
    pub to_recover_us: Option<u64>,
    /// Whether its fault was confirmed: before that nothing was drilled.
    pub injected: bool,
    /// The alert whose page it waited for, where that was delivered as it must be.
    pub paged: Option<String>,
}

impl PastDrill {
    /// The drill of a record; `None` when it is none that coverage counts.
    pub fn of(record: &Record) -> Option<PastDrill> {
        let plan = record.plan.as_deref()?;
        if plan.control || plan.alone || record.expects_failure() {
            return None;
        }
        let at = parsed(&plan.started_utc)?;
        let began = |id: &str| record.steps.iter().any(|step| step.step == id && !step.commands.is_empty());
        let followed = plan.steps.iter().filter(|step| step.replaced.is_none() && began(&step.id));
        let class = |fault: &FaultInfo| class_of(&fault.kind, fault.covers.as_deref()).map(str::to_string);
        // A page that came too late was told as well.
        let detected =
            record.check(&Check::Detection).is_some_and(|check| matches!(check.outcome, CheckOutcome::Passed { .. }));
        Some(PastDrill {
            run: plan.run.clone(),
            scenario: plan.scenario.clone(),
            at,
            verdict: record.verdict,
            outcome: record.outcome(),
            faults: plan.faults.iter().map(|fault| (class(fault), fault.services.clone())).collect(),
            runbook: plan.runbook_file.as_ref().map(|file| file.path.clone()),
            followed: followed.map(|step| (step.id.clone(), step.hash.clone())).collect(),
            to_recover_us: record.time_to_recover_us(),
            injected: record.injected_us().is_some(),
            paged: plan.page.as_ref().and_then(|page| page.alert.clone()).filter(|_| detected),
        })
    }

    /// Whether it says something about the runbook: a harness that broke and an interruption do not.
    pub fn is_judged(&self) -> bool {
        matches!(self.outcome, RunOutcome::Passed | RunOutcome::Failed)
    }

    /// Whether it says that it is of the future, by more than clocks differ: nobody knows when it was made, and it counts for nothing.
    pub fn is_of_the_future(&self, now: OffsetDateTime) -> bool {
        self.at > now + Duration::from_secs(86400)
    }

    /// Whether it passed.
    pub fn passed(&self) -> bool {
        self.outcome == RunOutcome::Passed
    }
}
