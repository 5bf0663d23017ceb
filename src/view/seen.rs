//! A run in a few words, for whoever asks many of them at once: coverage, lint, trends, the report about DR drills.

use super::clock::{instant, parsed};
use super::timeline;
use crate::record::{Check, CheckOutcome, FaultInfo, Record, RestoreLevel, RunOutcome, Verdict};
use time::{Duration, OffsetDateTime};

/// A run in a few words: thousands of them fit into memory.
#[derive(Debug, Clone, PartialEq)]
pub struct SeenRun {
    /// Id of the run.
    pub run: String,
    /// Name of the scenario.
    pub scenario: String,
    /// When it began.
    pub at: OffsetDateTime,
    /// The same as the record has it.
    pub started_utc: String,
    /// Whether it is a DR drill.
    pub dr: bool,
    /// Whether it is a control.
    pub control: bool,
    /// Whether it came to its end.
    pub ended: bool,
    /// When its first fault was confirmed in place, in UTC.
    pub fault_utc: Option<String>,
    /// What was under way when it was cut off.
    pub under_way: Option<String>,
    /// How it came out.
    pub outcome: RunOutcome,
    /// Its verdict.
    pub verdict: Verdict,
    /// Whether the scenario exists to fail.
    pub expects_failure: bool,
    /// First confirmed fault → recovered, in microseconds.
    pub rto_us: Option<u64>,
    /// Recovery point in microseconds.
    pub rpo_us: Option<u64>,
    /// Its faults that users were to feel, as they were announced: not those that are noise.
    pub faults: Vec<FaultInfo>,
    /// The runbook, as the record names it.
    pub runbook: Option<String>,
    /// The steps of which commands were begun as the runbook had them, nothing put in their place: id, and SHA-256 of the text then.
    pub followed: Vec<(String, String)>,
    /// The alert whose page it waited for, where that was delivered as it must be.
    pub paged: Option<String>,
}

impl SeenRun {
    /// A record in a few words; `None` for a runbook that was followed alone and for what has no beginning.
    pub fn of(record: &Record) -> Option<SeenRun> {
        let plan = record.plan.as_deref().filter(|plan| !plan.alone)?;
        let began = |id: &str| record.steps.iter().any(|step| step.step == id && !step.commands.is_empty());
        let followed = plan.steps.iter().filter(|step| step.replaced.is_none() && began(&step.id));
        // A page that came too late was told as well.
        let detected =
            record.check(&Check::Detection).is_some_and(|check| matches!(check.outcome, CheckOutcome::Passed { .. }));
        Some(SeenRun {
            run: plan.run.clone(),
            scenario: plan.scenario.clone(),
            at: instant(&plan.started_utc),
            started_utc: plan.started_utc.clone(),
            dr: plan.restore.is_some(),
            control: plan.control,
            ended: !record.is_unfinished(),
            fault_utc: record.injected_us().map(|at| timeline::utc(record, at)),
            under_way: record.under_way(),
            outcome: record.outcome(),
            verdict: record.verdict,
            expects_failure: exists_to_fail(record),
            rto_us: record.time_to_recover_us(),
            rpo_us: record.data_figures().and_then(|data| data.judged_rpo_us()),
            faults: plan.faults.iter().filter(|fault| !fault.noise).cloned().collect(),
            runbook: plan.runbook_file.as_ref().map(|file| file.path.clone()),
            followed: followed.map(|step| (step.id.clone(), step.hash.clone())).collect(),
            paged: plan.page.as_ref().and_then(|page| page.alert.clone()).filter(|_| detected),
        })
    }

    /// A drill that was run with its runbook. Controls, runbooks that were followed alone, drills that exist to fail and those of which
    /// nobody knows when they began are none.
    pub fn of_drill(record: &Record) -> Option<SeenRun> {
        let counts = |seen: &SeenRun| !seen.control && !record.expects_failure() && parsed(&seen.started_utc).is_some();
        SeenRun::of(record).filter(counts)
    }

    /// Whether it says something about the runbook: a control, a harness that broke, an interruption and a run without an end do not.
    pub fn is_judged(&self) -> bool {
        !self.control && matches!(self.outcome, RunOutcome::Passed | RunOutcome::Failed)
    }

    /// Whether it says that it is of the future, by more than clocks differ: nobody knows when it was made, and it counts for nothing.
    pub fn is_of_the_future(&self, now: OffsetDateTime) -> bool {
        self.at > now + Duration::days(1)
    }

    /// Whether it passed.
    pub fn passed(&self) -> bool {
        self.outcome == RunOutcome::Passed
    }
}

/// Whether a scenario exists to fail: by its verdict, or by a level below the highest.
pub fn exists_to_fail(record: &Record) -> bool {
    let below = record.restore_plan().is_some_and(|plan| plan.expect < RestoreLevel::L5);
    record.expects_failure() || (below && !record.is_control())
}
