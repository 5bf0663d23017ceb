//! The report as data: what it is made from (the quarter's drills whole, every other run in a few words, notes, coverage, evidence),
//! and what its pages show. Times are microseconds; what is not known is `None`, and nothing is ever put in its place.
//!
//! Of each drill what it shows, and what it does not show (`limits.txt` says it, here is what that needs to know); and from
//! Firedrill's verdict the one that auditors count: pass, pass with conditions, fail. What says nothing about the recovery is none of
//! them.

use super::{DrHeader, DrNotes, DrTold};
use crate::assurance::actions::{ACTIONS, ActionItem, ActionStatus};
use crate::assurance::coverage::Coverage;
use crate::output::one_line;
use crate::record::{
    Announcement, DataFigures, FaultAfter, FaultEvent, FaultInfo, Figures, ProbeInfo, ProbeRecord, Record,
    RestoreLevel, RunOutcome, SliFigures, SliInfo, Stamped, StepInfo, StepStatus, Verdict, utc_text,
};
use crate::view::clock::started;
use crate::view::format::bytes;
use crate::view::timeline::{self, Moment, utc};
use crate::view::{Quarter, SeenRun, StepView, exists_to_fail, filters, many, restore, template_lines, written};
use askama::Template;
use std::collections::BTreeMap;
use time::OffsetDateTime;

/// The length of the window over which an error budget is reckoned, in seconds: thirty days.
const BUDGET_S: f64 = 30.0 * 86_400.0;
/// A timeline is not longer than this; the rest stands in `events.jsonl`.
const MOST: usize = 90;
/// Above this share of the processors' time the machine was busy enough to say so.
const BUSY: f64 = 0.9;

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
    /// What is to be done after DR drills.
    pub actions: Vec<ActionItem>,
    /// The critical services; `None` when nothing lists them.
    pub coverage: Option<DrCoverage>,
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
    /// The events of its `events.jsonl` that tell the story ([`crate::view::timeline::tells`]); empty when the file is not there.
    pub events: Vec<Stamped>,
    /// Why its evidence cannot be relied on: it was changed after it was sealed, or nobody can say. Then it has no verdict.
    pub changed: Option<String>,
}

/// What is known about the files of the quarter's runs, and of others as far as the report counts them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
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
#[derive(Debug, Clone)]
pub struct DrCoverage {
    /// The file that lists them.
    pub file: String,
    /// As it stood at the end of the quarter, or now.
    pub matrix: Coverage,
    /// The failures that were not drilled for longer than their service allows, or never: which, when last, how often it is due.
    pub overdue: Vec<String>,
    /// SLOs that nobody has reviewed in the quarter or later: which, and when last.
    pub unreviewed: Vec<String>,
}

/// The report of a quarter.
#[derive(Debug, Clone)]
pub struct DrReport<'a> {
    /// What it is made from.
    pub input: &'a DrInput,
    /// What people say about organisation, system, plan and attestation.
    pub header: DrHeader,
    /// The DR drills that came to an end, oldest first.
    pub drills: Vec<DrillReport<'a>>,
}

impl<'a> DrReport<'a> {
    /// The report of a quarter, from what was gathered for it.
    pub fn new(input: &'a DrInput) -> DrReport<'a> {
        let drills = input.drills.iter().filter_map(|one| DrillReport::of(one, input.quarter, &input.notes));
        DrReport { input, header: input.notes.header(input.quarter), drills: drills.collect() }
    }

    /// When it was made, RFC 3339 in UTC.
    pub fn made_utc(&self) -> String {
        utc_text(self.input.made)
    }

    /// Whether the report was made before the quarter was over.
    pub fn is_draft(&self) -> bool {
        self.input.made < self.input.quarter.end()
    }

    /// The drills that count: all but controls.
    pub fn counted(&self) -> impl Iterator<Item = &DrillReport<'a>> {
        self.drills.iter().filter(|drill| !drill.plan.control)
    }

    /// How many of the counted drills have this verdict.
    pub fn count(&self, verdict: DrVerdict) -> usize {
        self.counted().filter(|drill| drill.verdict == verdict).count()
    }

    /// How many of the counted drills passed although their scenario exists to fail.
    pub fn noticed(&self) -> usize {
        self.counted().filter(|drill| drill.expects_failure && drill.verdict.is_pass()).count()
    }

    /// The runs of the quarter.
    fn seen(&self) -> impl Iterator<Item = &'a SeenRun> {
        let DrInput { quarter, seen, .. } = self.input;
        seen.iter().filter(move |seen| quarter.contains(seen.at))
    }

    /// DR drills that were cut off.
    pub fn incomplete(&self) -> Vec<&'a SeenRun> {
        self.seen().filter(|seen| seen.dr && !seen.ended).collect()
    }

    /// When the last DR drill before the quarter began, as the records have it.
    pub fn previous_drill(&self) -> Option<&'a str> {
        let start = self.input.quarter.start();
        let before = self.input.seen.iter().filter(|seen| seen.dr && seen.is_judged() && seen.at < start);
        before.max_by_key(|seen| seen.at).map(|seen| seen.started_utc.as_str())
    }

    /// Scenarios of the project that were not drilled in the quarter, and whether each is a DR scenario; `None` when no project was
    /// found.
    pub fn not_drilled(&self) -> Option<Vec<&'a (String, bool)>> {
        let all = Some(&self.input.scenarios).filter(|all| !all.is_empty())?;
        let was_drilled = |name: &str| self.seen().any(|seen| seen.scenario == name && seen.is_judged());
        Some(all.iter().filter(|(name, _)| !was_drilled(name)).collect())
    }

    /// What could not be read, and notes that fit no run.
    pub fn problems(&self) -> Vec<String> {
        let DrInput { quarter, seen, notes, actions, .. } = self.input;
        let of_actions = actions.iter().filter_map(|item| Some((item.run.as_deref()?, ACTIONS)));
        let named = notes.runs(*quarter).chain(of_actions).filter(|(run, _)| !seen.iter().any(|seen| seen.run == *run));
        let told =
            named.map(|(run, path)| format!("{path} has notes about the run {run}, of which there is no record"));
        self.input.problems.iter().cloned().chain(told).collect()
    }
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
    /// What happened when, and how many moments were left out.
    pub timeline: (Vec<Moment>, usize),
    /// Recovery time and point.
    pub objectives: DrObjectives,
    /// How the survivors were read back, or why they were not.
    pub data_evidence: String,
    /// The steps of the runbook.
    pub steps: Vec<StepView<'a>>,
    /// What the drill does not show, as far as its record tells.
    pub limitations: Vec<String>,
}

impl<'a> DrillReport<'a> {
    /// The drill; `None` for a record without a plan.
    fn of(input: &'a DrillInput, quarter: Quarter, notes: &DrNotes) -> Option<DrillReport<'a>> {
        let record = &input.record;
        let plan = record.plan.as_deref()?;
        // A control follows none of them.
        let followed = plan.steps.iter().filter(|_| !plan.control);
        let mut drill = DrillReport {
            record,
            plan,
            figures: record.figures(),
            expects_failure: exists_to_fail(record),
            started_utc: utc_text(started(record)),
            ended_utc: utc(record, record.last_us),
            verdict: DrVerdict::NoVerdict,
            basis: String::new(),
            conditions: Vec::new(),
            notes: notes.told(quarter, &plan.run, &plan.scenario),
            timeline: timeline::timeline(record, &input.events, MOST),
            objectives: DrObjectives::default(),
            data_evidence: match (&record.read_back, record.injected_us()) {
                (Some(read), Some(_)) => read.evidence.clone(),
                (Some(_), None) => "no fault was confirmed: there is no instant to count losses from".into(),
                (None, _) => "the survivors were not read back".into(),
            },
            steps: followed.map(|info| StepView::of(record, info)).collect(),
            limitations: Vec::new(),
        };
        drill.objectives = drill.measured();
        drill.conditions = drill.depends_on();
        (drill.verdict, drill.basis) = drill.judge(input.changed.as_deref());
        if input.changed.is_some() {
            // No figure follows from it either.
            let DrObjectives { rto_target_us, rpo_target_us, .. } = drill.objectives;
            drill.objectives = DrObjectives { rto_target_us, rpo_target_us, ..DrObjectives::default() };
            drill.figures = Figures::default();
        }
        drill.limitations = template_lines(&LimitsText { drill: &drill, no_events: input.events.is_empty() });
        Some(drill)
    }

    fn measured(&self) -> DrObjectives {
        let (record, rto_us, data) = (self.record, self.figures.to_recover_us, self.figures.data.as_ref());
        let Some(plan) = record.restore_plan() else { return DrObjectives::default() };
        // Whoever was hit and never recovered has missed the target. A drill that says nothing, or that was not meant to recover, has not.
        let missed = self.is_to_recover() && record.outcome() == RunOutcome::Failed;
        DrObjectives {
            rto_target_us: Some(plan.rto_us),
            rto_us,
            rto_met: rto_us.map(|rto| rto <= plan.rto_us).or(record.injected_us().filter(|_| missed).map(|_| false)),
            rpo_target_us: Some(plan.rpo_us),
            // Where the ledger does not reach back far enough, the figure is the bound from above: what it was judged by.
            rpo_us: data.and_then(DataFigures::judged_rpo_us),
            rpo_met: data.map(|data| data.meets_rpo(plan.rpo_us)),
        }
    }

    /// Every check of a level, and its last answer; `None` where it was not asked.
    pub fn probes(&self) -> Vec<(&'a ProbeInfo, Option<&'a ProbeRecord>)> {
        let all = &self.record.probes;
        let last = |info: &ProbeInfo| all.iter().rfind(|seen| seen.level == info.level && seen.name == info.name);
        let plan = self.record.restore_plan().into_iter();
        plan.flat_map(|plan| &plan.probes).map(|info| (info, last(info))).collect()
    }

    /// What became of the writes, in one line; `None` when that could not be told.
    pub fn data_in_words(&self) -> Option<String> {
        let data = self.figures.data.as_ref()?;
        let (before, after) = (data.lost_before.len(), data.lost_after.len());
        let met = self.objectives.rpo_met == Some(true);
        let within = if met { "within the objective" } else { "not all within the objective" };
        let lost = format!("{} of {} acknowledged writes lost", before + after, data.acknowledged);
        let lost = match (before, after) {
            (0, 0) => format!("none of {} acknowledged writes lost", data.acknowledged),
            (_, 0) => format!("{lost}, {within}"),
            (0, _) => format!("{lost}, acknowledged after the fault, which the objective does not cover"),
            _ => format!(
                "{lost}: {before} acknowledged before the fault, {within}; {after} after it, which the objective does not cover"
            ),
        };
        let checks = self.probes().into_iter().filter(|(info, _)| info.level == RestoreLevel::L4);
        let asked: Vec<bool> = checks.filter_map(|(_, seen)| Some(seen?.held)).collect();
        let content = match (asked.is_empty(), asked.iter().all(|held| *held)) {
            (true, _) => "content not compared",
            (_, true) => "content identical",
            _ => "content not identical",
        };
        Some(format!("{lost}; {content}"))
    }

    /// What a pass depends on: what people say, what of the runbook was not followed, and losses that no objective covers.
    fn depends_on(&self) -> Vec<String> {
        let mut conditions = self.notes.conditions.clone();
        for step in &self.steps {
            let StepInfo { title, phase, .. } = step.info;
            if !matches!(phase.as_str(), "mitigate" | "rollback" | "verify" | "other") {
                continue;
            }
            if let Some(by) = step.replaced_by() {
                conditions
                    .push(format!("The step `{title}` was carried out as `{by}` has it, not as the runbook does."));
            }
            if step.carried_out() == Some(StepStatus::Skipped) {
                let why = step.reason().map(|why| format!(": {why}")).unwrap_or_default();
                conditions.push(format!("The step `{title}` ({phase}) was not carried out{why}."));
            }
        }
        // A control loses what it loses, and a scenario that exists to fail shows no recovery.
        let lost = self.figures.data.as_ref().map_or(0, |data| data.lost_after.len());
        if self.is_to_recover() && lost > 0 {
            conditions.push(format!(
                "Acknowledged after the fault, and lost: {}. The recovery point does not count them.",
                many(lost, "write")
            ));
        }
        conditions
    }

    /// The verdict, and how it follows. Of evidence that was changed after it was sealed (`changed`), or of which nobody can say, follows neither
    /// a pass nor a fail.
    fn judge(&self, changed: Option<&str>) -> (DrVerdict, String) {
        let record = self.record;
        let met = [("time", self.objectives.rto_met), ("point", self.objectives.rpo_met)];
        let missed: Vec<&str> = met.into_iter().filter(|(_, met)| *met != Some(true)).map(|(what, _)| what).collect();
        let verdict = match record.outcome() {
            _ if changed.is_some() => DrVerdict::NoVerdict,
            RunOutcome::Broken | RunOutcome::Interrupted => DrVerdict::NoVerdict,
            RunOutcome::Failed => DrVerdict::Fail,
            RunOutcome::Passed if !self.is_to_recover() => DrVerdict::Pass,
            RunOutcome::Passed if !missed.is_empty() => DrVerdict::Fail,
            RunOutcome::Passed if !self.conditions.is_empty() => DrVerdict::PassWithConditions,
            RunOutcome::Passed => DrVerdict::Pass,
        };
        let reason = match record.reason.trim() {
            "" => "no reason was recorded",
            reason => reason.trim_end_matches('.'),
        };
        let stopped_at = record.restore_level().and_then(|level| Some((level, level.next()?)));
        (verdict, written(&VerdictBasis { drill: self, changed, reason, stopped_at, missed }))
    }

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

    /// Service → digest of its image.
    pub fn images(&self) -> BTreeMap<String, String> {
        self.record.stack.as_ref().map(|stack| stack.images.clone()).unwrap_or_default()
    }
}

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

/// An action.
#[derive(Debug, Clone)]
pub struct ActionRow<'a> {
    /// The quarter in which it was decided, where that is an earlier one.
    pub carried_from: Option<Quarter>,
    /// How far it is: one that is closed by a run which proves nothing is open.
    pub status: ActionStatus,
    /// Whether it is late.
    pub overdue: bool,
    /// Why a run verifies that it helped, or why none does.
    pub verified: Result<String, String>,
    /// The action.
    pub item: &'a ActionItem,
}

/// What became of a drill that failed.
#[derive(Debug, Clone)]
pub struct Retest<'a> {
    /// The drill that failed.
    pub failed: &'a DrillReport<'a>,
    /// The run that tested it again.
    pub retest: Option<&'a SeenRun>,
    /// How it is known to be the retest.
    pub by: &'static str,
}

impl StepView<'_> {
    /// How it ended. Of a way that was not chosen nothing was carried out.
    pub(super) fn carried_out(&self) -> Option<StepStatus> {
        if self.only_looked.is_some() { Some(StepStatus::Skipped) } else { self.ran?.status }
    }

    /// What it took, in microseconds, where it was carried out.
    pub(super) fn took_us(&self) -> Option<u64> {
        self.ran.filter(|_| self.carried_out() != Some(StepStatus::Skipped))?.took_us()
    }

    /// Why it ended so.
    pub(super) fn reason(&self) -> Option<&str> {
        self.only_looked.as_deref().or(self.ran?.reason.as_deref())
    }

    /// Where the text stands that the scenario put in its place.
    pub(super) fn replaced_by(&self) -> Option<String> {
        self.info.replaced.as_ref().map(|replaced| replaced.by.to_string())
    }
}

#[derive(Template)]
#[template(path = "dr/basis.txt", whitespace = "preserve")]
struct VerdictBasis<'a> {
    drill: &'a DrillReport<'a>,
    /// Why the evidence cannot be relied on.
    changed: Option<&'a str>,
    reason: &'a str,
    /// The level that the restore reached, and the one that it did not.
    stopped_at: Option<(RestoreLevel, RestoreLevel)>,
    /// The objectives that were not shown to be met.
    missed: Vec<&'static str>,
}

/// What the drill does not show, in whole sentences.
#[derive(Template)]
#[template(path = "dr/limits.txt")]
struct LimitsText<'a> {
    drill: &'a DrillReport<'a>,
    no_events: bool,
}

impl LimitsText<'_> {
    /// The titles of some steps.
    fn titles(&self, wanted: impl Fn(&StepView<'_>) -> bool) -> String {
        let steps = self.drill.steps.iter().filter(|step| wanted(step));
        steps.map(|step| format!("`{}`", one_line(&step.info.title))).collect::<Vec<_>>().join(", ")
    }

    fn ended(&self, status: Option<StepStatus>) -> String {
        self.titles(|step| step.carried_out() == status)
    }

    fn replaced(&self) -> String {
        self.titles(|step| step.info.replaced.is_some())
    }

    /// How many manual steps a person confirmed.
    fn by_hand(&self) -> usize {
        let by_hand = |step: &&StepView<'_>| step.info.manual && step.carried_out() == Some(StepStatus::Passed);
        self.drill.steps.iter().filter(by_hand).count()
    }

    /// The size of the backup.
    fn size(&self) -> Option<String> {
        let size = self.drill.record.backup.as_ref()?.get("bytes")?;
        Some(size.parse::<u64>().map_or_else(|_| one_line(size), bytes))
    }

    fn busy(&self) -> Option<f64> {
        self.drill.figures.measuring.busy_max.filter(|busy| *busy > BUSY)
    }
}
