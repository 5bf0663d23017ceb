//! The report as data: what its pages show. Times are microseconds; what is not known is `None`, and nothing is ever put in its
//! place.

use super::{Action, DrCoverage, DrFinding, DrHeader, DrTold, EvidenceSummary, Risk, Standard};
use crate::record::{
    Announcement, FaultEvent, FaultInfo, Figures, ProbeInfo, ProbeRecord, Record, RestoreLevel, SliFigures, SliInfo,
};
use crate::view::timeline::{Moment, utc};
use crate::view::{Quarter, SeenRun, StatusSymbol, StepView};
use std::collections::BTreeMap;

/// The length of the window over which an error budget is reckoned, in seconds: thirty days.
const BUDGET_S: f64 = 30.0 * 86_400.0;

/// The report of a quarter.
#[derive(Debug, Clone)]
pub struct DrReport<'a> {
    /// The quarter.
    pub quarter: Quarter,
    /// Its first instant.
    pub from_utc: String,
    /// The first instant after it.
    pub until_utc: String,
    /// When the report was made.
    pub made_utc: String,
    /// Whether the quarter was over then.
    pub quarter_is_over: bool,
    /// Version of the program that made the report.
    pub tool_version: String,
    /// What people say about organisation, system, plan and attestation.
    pub header: DrHeader,
    /// The last DR drill before the quarter, as the records have it.
    pub previous_drill_recorded: Option<String>,
    /// How many drills came out how.
    pub totals: DrTotals,
    /// The DR drills that came to an end, oldest first.
    pub drills: Vec<DrillReport<'a>>,
    /// DR drills that were cut off.
    pub incomplete: Vec<&'a SeenRun>,
    /// What was found, in this quarter, and before as far as something is still to be done about it.
    pub findings: Vec<FindingRow>,
    /// What is done about it.
    pub actions: Vec<ActionRow>,
    /// Risks that somebody accepted.
    pub accepted_risks: Vec<RiskRow>,
    /// What became of what failed.
    pub retests: Vec<Retest>,
    /// The last four quarters, by scenario.
    pub trend: Vec<DrTrend>,
    /// The critical services; `None` when nothing lists them.
    pub coverage: Option<DrCoverage>,
    /// Scenarios of the project that were not drilled in the quarter, and whether each is a DR scenario; `None` when no project
    /// was found.
    pub not_drilled: Option<Vec<(String, bool)>>,
    /// What is known about the files themselves.
    pub evidence: EvidenceSummary,
    /// What could not be read, and notes that fit no run.
    pub problems: Vec<String>,
    /// Which section supports which requirement.
    pub supports: Vec<Standard>,
}

/// How many DR drills came out how; controls are none of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DrTotals {
    /// All that came to an end.
    pub drills: usize,
    /// Those that passed.
    pub passed: usize,
    /// Those of them whose scenario exists to fail.
    pub expected_failures: usize,
    /// Those that passed with conditions.
    pub with_conditions: usize,
    /// Those that failed.
    pub failed: usize,
    /// Those that came to an end without saying anything about the recovery.
    pub no_verdict: usize,
    /// Those that were cut off.
    pub incomplete: usize,
    /// Controls.
    pub controls: usize,
}

named_enum! {
/// What a drill comes to, as auditors count; its name as people read it.
pub enum DrVerdict {
    /// What was to be shown was shown.
    Pass = "pass",
    /// It was, under conditions.
    PassWithConditions = "pass with conditions",
    /// It was not.
    Fail = "fail",
    /// The drill says nothing about the recovery.
    NoVerdict = "no verdict",
}
}

impl DrVerdict {
    /// Whether it is a pass, with conditions or without.
    pub fn is_pass(self) -> bool {
        matches!(self, DrVerdict::Pass | DrVerdict::PassWithConditions)
    }
}

/// A DR drill.
#[derive(Debug, Clone)]
pub struct DrillReport<'a> {
    /// What happened.
    pub record: &'a Record,
    /// What was announced: scenario, runbook, stack, inputs.
    pub plan: &'a Announcement,
    /// Its times, and what became of the writes.
    pub figures: Figures,
    /// Whether the scenario exists to fail.
    pub expects_failure: bool,
    /// When it began.
    pub started_utc: String,
    /// When it ended.
    pub ended_utc: String,
    /// What it comes to.
    pub verdict: DrVerdict,
    /// Why.
    pub basis: String,
    /// Under which conditions.
    pub conditions: Vec<String>,
    /// What people know of it.
    pub notes: DrTold,
    /// Every check of a level, and what came of it last.
    pub probes: Vec<AskedProbe<'a>>,
    /// What happened when, and how many moments were left out.
    pub timeline: (Vec<Moment>, usize),
    /// Recovery time and point.
    pub objectives: DrObjectives,
    /// How long the recovery had to hold to count, and did, and how that came out; `None` where no recovery was looked for.
    pub hold: Option<(StatusSymbol, String)>,
    /// What became of the writes, in one line; `None` when that could not be told.
    pub data_result: Option<String>,
    /// How the survivors were read back, or why they were not.
    pub data_evidence: String,
    /// The steps of the runbook.
    pub steps: Vec<StepView<'a>>,
    /// What the drill does not show, as far as its record tells.
    pub limitations: Vec<String>,
}

impl DrillReport<'_> {
    /// Whether users were to recover: not in a control, nor where the scenario exists to fail.
    pub fn is_to_recover(&self) -> bool {
        !self.plan.control && !self.expects_failure
    }

    /// The level that the scenario expects; `None` of a control.
    pub fn expected_level(&self) -> Option<RestoreLevel> {
        self.record.restore_plan().map(|plan| plan.expect).filter(|_| !self.plan.control)
    }

    /// How a fault of the plan was seen in place; `None` when it was not.
    pub fn confirmed(&self, fault: &FaultInfo) -> Option<String> {
        let life = &self.record.fault_record(&fault.id)?.life;
        let seen = life.iter().find(|moment| moment.what == FaultEvent::Confirmed)?;
        Some(format!("{}, at {}", seen.detail, utc(self.record, seen.at_us)))
    }

    /// What makes an event of an SLI good, and what promises it.
    pub fn promise(&self, sli: &str) -> String {
        self.plan.slis.iter().find(|info| info.name == sli).map(SliInfo::promise).unwrap_or_default()
    }

    /// Bad events that thirty days at the load of an SLI allow; `None` where that cannot be told.
    pub fn budget_events(&self, sli: &SliFigures) -> Option<f64> {
        let info = self.plan.slis.iter().find(|info| info.name == sli.sli)?;
        let load = self.plan.loads.iter().find(|load| load.name == info.load)?;
        Some(load.rate * BUDGET_S * (1.0 - sli.objective)).filter(|budget| *budget > 0.0)
    }

    /// The share of them that the drill spent.
    pub fn budget_spent(&self, sli: &SliFigures) -> Option<f64> {
        let bad = sli.during.valid.saturating_sub(sli.during.good) as f64;
        self.budget_events(sli).filter(|_| sli.during.valid > 0).map(|budget| bad / budget)
    }

    /// Service → digest of its image.
    pub fn images(&self) -> BTreeMap<String, String> {
        self.record.stack.as_ref().map(|stack| stack.images.clone()).unwrap_or_default()
    }
}

/// A check of a level and its last answer; `None` where it was not asked.
pub type AskedProbe<'a> = (&'a ProbeInfo, Option<&'a ProbeRecord>);

/// Recovery time and point: target, actual, met.
#[derive(Debug, Clone, Default)]
pub struct DrObjectives {
    /// Target of the recovery time.
    pub rto_target_us: Option<u64>,
    /// First confirmed fault → recovered.
    pub rto_us: Option<u64>,
    /// Whether it is met; `None` when it does not apply.
    pub rto_met: Option<bool>,
    /// Target of the recovery point.
    pub rpo_target_us: Option<u64>,
    /// Fault − acknowledgement of the oldest lost write from before it.
    pub rpo_us: Option<u64>,
    /// Whether it is met; `None` when it was not measured.
    pub rpo_met: Option<bool>,
}

/// A finding, and of which drill.
#[derive(Debug, Clone)]
pub struct FindingRow {
    /// The drill: its run, or its scenario.
    pub of: String,
    /// The quarter of the notes, where it is an earlier one.
    pub carried_from: Option<Quarter>,
    /// The finding.
    pub finding: DrFinding,
}

/// Whether a run shows that an action helped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChainVerification {
    /// Whether it does.
    pub verified: bool,
    /// Why, or why not.
    pub why: String,
}

/// An action.
#[derive(Debug, Clone)]
pub struct ActionRow {
    /// The quarter of the notes, where it is an earlier one.
    pub carried_from: Option<Quarter>,
    /// Whether it is late.
    pub overdue: bool,
    /// Whether a run shows that it helped.
    pub verification: ChainVerification,
    /// The action.
    pub action: Action,
}

/// A risk that somebody accepted.
#[derive(Debug, Clone)]
pub struct RiskRow {
    /// The drill: its run, or its scenario.
    pub of: String,
    /// Whether the time for which it was accepted is over.
    pub expired: bool,
    /// The risk.
    pub risk: Risk,
}

/// What became of a drill that failed.
#[derive(Debug, Clone)]
pub struct Retest {
    /// The run that failed.
    pub failed: String,
    /// Its scenario.
    pub scenario: String,
    /// What it came to.
    pub verdict: DrVerdict,
    /// The run that tested it again.
    pub retest: Option<String>,
    /// When that began.
    pub retest_utc: Option<String>,
    /// Whether it passed.
    pub passed: Option<bool>,
    /// How it is known to be the retest.
    pub by: &'static str,
}

/// A scenario over four quarters.
#[derive(Debug, Clone)]
pub struct DrTrend {
    /// Name of the scenario.
    pub scenario: String,
    /// Whether the scenario exists to fail.
    pub expects_failure: bool,
    /// The four quarters, the oldest first.
    pub quarters: Vec<TrendQuarter>,
}

/// A scenario in one quarter. Controls are left out.
#[derive(Debug, Clone)]
pub struct TrendQuarter {
    /// The quarter.
    pub quarter: Quarter,
    /// Runs.
    pub runs: usize,
    /// Runs that passed.
    pub passed: usize,
    /// Median of the recovery times.
    pub rto_median_us: Option<u64>,
    /// The longest one.
    pub rto_worst_us: Option<u64>,
    /// The oldest recovery point.
    pub rpo_worst_us: Option<u64>,
}
