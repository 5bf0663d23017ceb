//! The report as data: what its pages show. Times are microseconds; what is not known is `None`, and nothing is ever put in its
//! place.

use super::{DrHeader, DrInput, DrTold};
use crate::assurance::actions::{ACTIONS, ActionItem, ActionStatus};
use crate::record::{
    Announcement, FaultEvent, FaultInfo, Figures, Record, RestoreLevel, SliFigures, SliInfo, utc_text,
};
use crate::view::timeline::{Moment, utc};
use crate::view::{Quarter, SeenRun, StepView};
use std::collections::BTreeMap;

/// The length of the window over which an error budget is reckoned, in seconds: thirty days.
const BUDGET_S: f64 = 30.0 * 86_400.0;

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
