//! One drill of the report, from its record, its events and what people know: what it shows, what it does not show (`limits.txt` says it,
//! here is what that needs to know), and from Firedrill's verdict the one that auditors count: pass, pass with conditions, fail. What says
//! nothing about the recovery is none of them.

use super::{DrNotes, DrObjectives, DrVerdict, DrillInput, DrillReport};
use crate::output::one_line;
use crate::record::{
    DataFigures, FaultAfter, FaultEvent, ProbeInfo, ProbeRecord, RestoreLevel, RunOutcome, StepInfo, StepStatus,
    Verdict, utc_text,
};
use crate::view::clock::started;
use crate::view::format::bytes;
use crate::view::timeline::{self, utc};
use crate::view::{Quarter, StepView, exists_to_fail, filters, many, restore, template_lines, written};
use askama::Template;

/// A timeline is not longer than this; the rest stands in `events.jsonl`.
const MOST: usize = 90;
/// Above this share of the processors' time the machine was busy enough to say so.
const BUSY: f64 = 0.9;

impl<'a> DrillReport<'a> {
    /// The drill; `None` for a record without a plan.
    pub(super) fn of(input: &'a DrillInput, quarter: Quarter, notes: &DrNotes) -> Option<DrillReport<'a>> {
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
