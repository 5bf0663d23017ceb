//! The report as data: what its pages show and what its JSON holds. Times are microseconds; what is not known is `None`, and
//! nothing is ever put in its place.

use super::{Action, Standard};
use super::{CoverageFacts, DrFinding, DrHeader, DrTold, EvidenceSummary, Quarter, Risk};
use crate::record::{Counts, DataFigures, Executed, InvariantRecord, RestoreLevel, StepStatus, Verdict};
use crate::view::StatusSymbol;
use crate::view::timeline::Moment;
use serde::Serialize;
use std::collections::BTreeMap;

/// The report of a quarter.
#[derive(Debug, Clone, Serialize)]
pub struct DrReport {
    /// Version of this format.
    pub format: u32,
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
    /// Whether somebody who neither prepared the report nor executed its drills has reviewed or approved it, not in the future.
    pub attested: bool,
    /// The last DR drill before the quarter, as the records have it.
    pub previous_drill_recorded: Option<String>,
    /// How many drills came out how.
    pub totals: DrTotals,
    /// The DR drills that came to an end, oldest first.
    pub drills: Vec<DrillReport>,
    /// DR drills that were cut off.
    pub incomplete: Vec<Incomplete>,
    /// Drills of other kinds, by scenario.
    pub other: Vec<OtherDrills>,
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
    pub coverage: Option<CoverageFacts>,
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
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
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

/// A DR drill.
#[derive(Debug, Clone, Serialize)]
pub struct DrillReport {
    /// Id of the run.
    pub run: String,
    /// Name of the scenario.
    pub scenario: String,
    /// Its title.
    pub title: String,
    /// What it is about, in the scenario's own words.
    pub description: Option<String>,
    /// Severity of the scenario.
    pub severity: Option<String>,
    /// Who owns the scenario.
    pub owner: Option<String>,
    /// Whether it is the control: the same without the runbook.
    pub control: bool,
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
    /// Firedrill's verdict.
    pub tool_verdict: Verdict,
    /// The verdict that the scenario expects.
    pub tool_expected: Verdict,
    /// Why.
    pub tool_reason: String,
    /// What people know of it.
    pub notes: DrTold,
    /// What was broken, and whether it was seen to be.
    pub faults: Vec<FaultRow>,
    /// What ran.
    pub configuration: Configuration,
    /// The backup and the restore.
    pub restore: DrRestore,
    /// What happened when.
    pub timeline: Vec<Moment>,
    /// Moments that were left out of the timeline.
    pub timeline_omitted: usize,
    /// Recovery time and point.
    pub objectives: DrObjectives,
    /// How long until what.
    pub times: Times,
    /// How long the recovery had to hold to count, and did; `None` where no recovery was looked for.
    pub hold: Option<HoldRow>,
    /// What neither the fault nor the cure was to destroy.
    pub invariants: Vec<InvariantRow>,
    /// What users felt.
    pub slis: Vec<SliRow>,
    /// What became of the writes; `None` when that could not be told.
    pub data: Option<DataFigures>,
    /// The same in one line.
    pub data_result: Option<String>,
    /// How the survivors were read back, or why they were not.
    pub data_evidence: String,
    /// The steps of the runbook.
    pub steps: Vec<StepRow>,
    /// What the drill does not show, as far as its record tells.
    pub limitations: Vec<String>,
}

/// How long a recovery was held.
#[derive(Debug, Clone, Serialize)]
pub struct HoldRow {
    /// How long it had to hold to count.
    pub required_us: u64,
    /// How long it was seen to hold; `None` when users did not recover.
    pub held_us: Option<u64>,
    /// Both, and why so long, in words.
    pub text: String,
    /// How that came out.
    #[serde(skip)]
    pub mark: StatusSymbol,
}

/// An invariant and its answers.
#[derive(Debug, Clone, Serialize)]
pub struct InvariantRow {
    /// Its name.
    pub name: String,
    /// What was expected of it, in words.
    pub expected: String,
    /// Before the fault, after the recovery, after the revert; what was not asked is missing.
    pub answers: Vec<InvariantRecord>,
}

/// A fault.
#[derive(Debug, Clone, Serialize)]
pub struct FaultRow {
    /// Its kind.
    pub kind: String,
    /// What it does.
    pub summary: String,
    /// How it was seen in place; `None` when it was not.
    pub confirmed: Option<String>,
}

/// What ran, exactly.
#[derive(Debug, Clone, Serialize)]
pub struct Configuration {
    /// Version of Firedrill.
    pub tool_version: String,
    /// Commit of the project.
    pub revision: Option<String>,
    /// Who carried it out, with which program, on which machine and engine.
    pub executed: Option<Executed>,
    /// Scenario, runbook and stack: what it is, path, SHA-256.
    pub files: Vec<(String, String, String)>,
    /// Service → digest of its image.
    pub images: BTreeMap<String, String>,
    /// Seed of everything random.
    pub seed: u64,
    /// Inputs of the runbook, secrets hidden.
    pub parameters: BTreeMap<String, String>,
    /// Loads: name, request, requests per second.
    pub loads: Vec<(String, String, f64)>,
}

/// The backup and how far its restore came.
#[derive(Debug, Clone, Serialize)]
pub struct DrRestore {
    /// What the backup said of itself before the fault.
    pub backup: Option<BTreeMap<String, String>>,
    /// Its age when the fault was confirmed, in microseconds.
    pub age_us: Option<u64>,
    /// The level that the scenario expects.
    pub expected: Option<RestoreLevel>,
    /// The level that was reached; `None` when nobody asked.
    pub reached: Option<RestoreLevel>,
    /// Every check of a level: level, name, what came of it last, evidence.
    pub probes: Vec<ProbeRow>,
}

/// A check of a level.
#[derive(Debug, Clone, Serialize)]
pub struct ProbeRow {
    /// The level.
    pub level: RestoreLevel,
    /// Its name.
    pub name: String,
    /// Where it runs.
    pub service: String,
    /// Whether it held when it was asked last; `None` when it was not.
    pub held: Option<bool>,
    /// What was seen.
    pub evidence: String,
}

/// Recovery time and point: target, actual, met.
#[derive(Debug, Clone, Default, Serialize)]
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

/// How long until what, from the first confirmed fault on.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Times {
    /// Until users suffered.
    pub to_impact_us: Option<u64>,
    /// Until the alert condition held.
    pub to_detect_us: Option<u64>,
    /// Until the first mitigating command.
    pub to_mitigate_us: Option<u64>,
    /// Until users had recovered.
    pub to_recover_us: Option<u64>,
    /// From the start of the response until users had recovered.
    pub respond_to_recover_us: Option<u64>,
}

/// An SLI before, during and after.
#[derive(Debug, Clone, Serialize)]
pub struct SliRow {
    /// Its name.
    pub sli: String,
    /// What makes an event good.
    pub good: String,
    /// Its objective.
    pub objective: f64,
    /// Before the fault.
    pub before: Counts,
    /// From the fault to the recovery.
    pub during: Counts,
    /// After the recovery.
    pub after: Counts,
    /// Bad events that thirty days at this load allow.
    pub budget_events: Option<f64>,
    /// The share of them that the drill spent.
    pub budget_spent: Option<f64>,
}

/// A step of the runbook.
#[derive(Debug, Clone, Serialize)]
pub struct StepRow {
    /// Its id.
    pub step: String,
    /// Its title.
    pub title: String,
    /// Phase of the runbook.
    pub phase: String,
    /// Whether it is for a person.
    pub manual: bool,
    /// How it ended; `None` when it was not reached.
    pub status: Option<StepStatus>,
    /// What it took.
    pub took_us: Option<u64>,
    /// Where the text stands that the scenario put in its place.
    pub replaced_by: Option<String>,
    /// Why.
    pub reason: Option<String>,
    /// Where it stands.
    pub at: String,
}

/// A DR drill that was cut off.
#[derive(Debug, Clone, Serialize)]
pub struct Incomplete {
    /// Id of the run.
    pub run: String,
    /// Name of the scenario.
    pub scenario: String,
    /// When it began.
    pub started_utc: String,
    /// When a fault was confirmed in place; `None` when none was.
    pub fault_confirmed_utc: Option<String>,
    /// What was under way.
    pub under_way: Option<String>,
}

/// The drills of one scenario of another kind.
#[derive(Debug, Clone, Default, Serialize)]
pub struct OtherDrills {
    /// Name of the scenario.
    pub scenario: String,
    /// Its title.
    pub title: String,
    /// Runs, controls and those that were cut off included.
    pub runs: usize,
    /// Runs that passed.
    pub passed: usize,
    /// Runs that failed.
    pub failed: usize,
    /// Runs that say nothing.
    pub no_verdict: usize,
    /// Controls among all of them.
    pub controls: usize,
}

/// A finding, and of which drill.
#[derive(Debug, Clone, Serialize)]
pub struct FindingRow {
    /// The drill: its run, or its scenario.
    pub of: String,
    /// The quarter of the notes, where it is an earlier one.
    pub carried_from: Option<Quarter>,
    /// The finding.
    #[serde(flatten)]
    pub finding: DrFinding,
}

/// Whether a run shows that an action helped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ChainVerification {
    /// Whether it does.
    pub verified: bool,
    /// Why, or why not.
    pub why: String,
}

/// An action.
#[derive(Debug, Clone, Serialize)]
pub struct ActionRow {
    /// The quarter of the notes, where it is an earlier one.
    pub carried_from: Option<Quarter>,
    /// Whether it is late.
    pub overdue: bool,
    /// Whether a run shows that it helped.
    pub verification: ChainVerification,
    /// The action.
    #[serde(flatten)]
    pub action: Action,
}

/// A risk that somebody accepted.
#[derive(Debug, Clone, Serialize)]
pub struct RiskRow {
    /// The drill: its run, or its scenario.
    pub of: String,
    /// Whether the time for which it was accepted is over.
    pub expired: bool,
    /// The risk.
    #[serde(flatten)]
    pub risk: Risk,
}

/// What became of a drill that failed.
#[derive(Debug, Clone, Serialize)]
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
#[derive(Debug, Clone, Serialize)]
pub struct DrTrend {
    /// Name of the scenario.
    pub scenario: String,
    /// Whether the scenario exists to fail.
    pub expects_failure: bool,
    /// The four quarters, the oldest first.
    pub quarters: Vec<TrendQuarter>,
}

/// A scenario in one quarter. Controls are left out.
#[derive(Debug, Clone, Serialize)]
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
