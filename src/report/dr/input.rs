//! What a DR report is made from: the quarter's drills whole, every other run in a few words, notes, coverage, evidence.

use super::{DrNotes, Quarter};
use crate::record::{Check, CheckOutcome, Event, FaultInfo, Record, RestoreLevel, RunOutcome, Stamped, Verdict};
use crate::view::clock::{instant, parsed};
use serde::Serialize;
use time::{Duration, OffsetDateTime};

/// Everything that the report is made from.
#[derive(Debug, Clone)]
pub struct DrInput {
    /// The quarter.
    pub quarter: Quarter,
    /// When the report is made.
    pub made: OffsetDateTime,
    /// The DR drills of the quarter that came to an end, oldest first.
    pub drills: Vec<DrillInput>,
    /// Every run that is known, of any quarter and kind, oldest first.
    pub seen: Vec<SeenRun>,
    /// What people know.
    pub notes: DrNotes,
    /// The critical services; `None` when nothing lists them.
    pub coverage: Option<CoverageFacts>,
    /// Scenarios of the project, and whether each is a DR scenario; none where no project was found.
    pub scenarios: Vec<(String, bool)>,
    /// What is known about the files themselves.
    pub evidence: EvidenceSummary,
    /// What could not be read.
    pub problems: Vec<String>,
}

/// A DR drill with its story.
#[derive(Debug, Clone)]
pub struct DrillInput {
    /// The record.
    pub record: Record,
    /// The events of its `events.jsonl` that tell the story ([`tells`]); empty when the file is not there.
    pub events: Vec<Stamped>,
    /// Why its evidence cannot be relied on: it was changed after it was sealed, or nobody can say. Then it has no verdict.
    pub changed: Option<String>,
}

/// Whether an event may belong into a timeline that people read. Those that a drill has thousands of do not: load, machine and
/// output are figures, and writes have a ledger.
pub fn tells(event: &Event) -> bool {
    !matches!(
        event,
        Event::Slice(_) | Event::Machine(_) | Event::Usage(_) | Event::Output { .. } | Event::Written { .. }
    )
}

/// A run in a few words: thousands of them fit into memory.
#[derive(Debug, Clone, PartialEq)]
pub struct SeenRun {
    /// Id of the run.
    pub run: String,
    /// Name of the scenario.
    pub scenario: String,
    /// Its title.
    pub title: String,
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
    /// The level that the restore reached.
    pub level: Option<RestoreLevel>,
    /// Its faults, as they were announced.
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
            title: plan.title.clone(),
            at: instant(&plan.started_utc),
            started_utc: plan.started_utc.clone(),
            dr: plan.restore.is_some(),
            control: plan.control,
            ended: record.ended,
            fault_utc: record.injected_us().map(|at| crate::view::timeline::utc(record, at)),
            under_way: record.under_way(),
            outcome: record.outcome(),
            verdict: record.verdict,
            expects_failure: expects_failure(record),
            rto_us: record.time_to_recover_us(),
            rpo_us: record.data_figures().and_then(|data| data.judged_rpo_us()),
            level: record.restore_level(),
            faults: plan.faults.clone(),
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
pub(super) fn expects_failure(record: &Record) -> bool {
    let below = record.restore_plan().is_some_and(|plan| plan.expect < RestoreLevel::L5);
    record.expects_failure() || (below && !record.is_control())
}

/// What is known about the files of the quarter's runs, and of others as far as the report counts them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct EvidenceSummary {
    /// Heads of the hash chains over the runs.
    pub heads: Vec<String>,
    /// What was changed, removed or added.
    pub problems: Vec<String>,
    /// Run id, SHA-256 of its manifest where there is one, and what was found.
    pub runs: Vec<(String, Option<String>, String)>,
    /// Runs whose evidence is not as it was sealed, those that are gone included.
    pub not_intact: usize,
    /// Runs of which only the chain still knows.
    pub gone: usize,
    /// Chains that were changed.
    pub broken_chains: usize,
    /// Chains and directories that could not be read.
    pub unreadable: usize,
}

/// The critical services, and which of their failures were drilled.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct CoverageFacts {
    /// The file that lists them.
    pub file: String,
    /// Failure modes that must be drilled.
    pub required: usize,
    /// Those whose last drill passed, as lately as the service asks for.
    pub covered: usize,
    /// Those that were not drilled for longer than their service allows, or never: which, when last, how often it is due.
    pub overdue: Vec<String>,
    /// SLOs that nobody has reviewed in the quarter or later: which, and when last.
    pub unreviewed: Vec<String>,
    /// The services.
    pub services: Vec<DrServiceFacts>,
}

/// A critical service.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct DrServiceFacts {
    /// Its name.
    pub service: String,
    /// Its tier; 1 is the most critical.
    pub tier: u8,
    /// Who answers for it.
    pub owner: Option<String>,
    /// Recovery time objective in microseconds.
    pub rto_us: Option<u64>,
    /// Recovery point objective in microseconds.
    pub rpo_us: Option<u64>,
    /// At least this often each of its failures must be drilled, in seconds.
    pub drill_every_s: u64,
    /// Its failure modes.
    pub modes: Vec<ModeFacts>,
}

/// A failure mode of a service.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct ModeFacts {
    /// The failure mode.
    pub mode: String,
    /// How far it is drilled: `passed`, `missed RTO`, `failed`, `stale`, `not run`, `no scenario`.
    pub state: String,
    /// Whether its last drill passed, as lately as the service asks for.
    pub covered: bool,
    /// The scenarios that drill it.
    pub scenarios: Vec<String>,
    /// Id of its last drill.
    pub last: Option<String>,
}
