//! One drill of the report, from its record, its events and what people know: what it shows, what it does not show (`limits.txt` says it,
//! here is what that needs to know), and from Firedrill's verdict the one that auditors count: pass, pass with conditions, fail. What says
//! nothing about the recovery is none of them.

use super::input::expects_failure;
use super::{AskedProbe, DrNotes, DrObjectives, DrTold, DrVerdict, DrillInput, DrillReport, Quarter};
use crate::output::one_line;
use crate::record::{
    Announcement, DataFigures, FaultAfter, FaultEvent, Figures, ProbeInfo, Record, RestoreLevel, RunOutcome, Stamped,
    StepInfo, StepStatus, Verdict, utc_text,
};
use crate::view::clock::started;
use crate::view::format::bytes;
use crate::view::timeline::{self, utc};
use crate::view::{StepView, filters, many, restore, template_lines, words, written};
use askama::Template;

/// A timeline is not longer than this; the rest stands in `events.jsonl`.
const MOST: usize = 90;

/// The drill; `None` for a record without a plan.
pub(super) fn drill<'a>(input: &'a DrillInput, quarter: Quarter, notes: &DrNotes) -> Option<DrillReport<'a>> {
    let record = &input.record;
    let plan = record.plan.as_deref()?;
    let told = notes.told(quarter, &plan.run, &plan.scenario);
    let objectives = objectives(record);
    // A control follows none of them.
    let followed = plan.steps.iter().filter(|_| !plan.control);
    let steps: Vec<StepView<'_>> = followed.map(|info| StepView::of(record, info)).collect();
    let conditions = conditions(record, &told, &steps);
    let (verdict, basis) = judge(record, input.changed.as_deref(), &objectives, &conditions);
    let figures = record.figures();
    Some(DrillReport {
        record,
        plan,
        expects_failure: expects_failure(record),
        started_utc: utc_text(started(record)),
        ended_utc: utc(record, record.last_us),
        verdict,
        basis,
        conditions,
        probes: probes(record),
        timeline: timeline::timeline(record, &input.events, MOST),
        hold: words::held(record),
        data_result: data_result(record, &objectives),
        data_evidence: match (&record.read_back, record.injected_us()) {
            (Some(read), Some(_)) => read.evidence.clone(),
            (Some(_), None) => "no fault was confirmed: there is no instant to count losses from".into(),
            (None, _) => "the survivors were not read back".into(),
        },
        limitations: limitations(record, plan, &input.events, &steps),
        figures,
        objectives,
        steps,
        notes: told,
    })
}

fn probes(record: &Record) -> Vec<AskedProbe<'_>> {
    let last = |info: &ProbeInfo| record.probes.iter().rfind(|seen| seen.level == info.level && seen.name == info.name);
    record.restore_plan().into_iter().flat_map(|plan| &plan.probes).map(|info| (info, last(info))).collect()
}

fn objectives(record: &Record) -> DrObjectives {
    let Some(plan) = record.restore_plan() else { return DrObjectives::default() };
    let rto_us = record.figures().to_recover_us;
    let data = record.data_figures();
    // Where the ledger does not reach back far enough, the figure is the bound from above: what it was judged by.
    let rpo_us = data.as_ref().and_then(DataFigures::judged_rpo_us);
    // Whoever was hit and never recovered has missed the target. A drill that says nothing, or that was not meant to recover, has not.
    let meant = !record.is_control() && !expects_failure(record);
    let missed = record.injected_us().filter(|_| meant && record.outcome() == RunOutcome::Failed).map(|_| false);
    DrObjectives {
        rto_target_us: Some(plan.rto_us),
        rto_us,
        rto_met: rto_us.map(|rto| rto <= plan.rto_us).or(missed),
        rpo_target_us: Some(plan.rpo_us),
        rpo_us,
        rpo_met: data.map(|data| data.meets_rpo(plan.rpo_us)),
    }
}

/// What became of the data, in one line; `None` when that could not be told.
fn data_result(record: &Record, objectives: &DrObjectives) -> Option<String> {
    let data = record.data_figures()?;
    let (before, after) = (data.lost_before.len(), data.lost_after.len());
    let within = match (objectives.rpo_met, before) {
        (Some(true), 1) => "within the objective",
        (Some(true), _) => "all within the objective",
        _ => "not all within the objective",
    };
    let lost = format!("{} of {} acknowledged writes lost", before + after, data.acknowledged);
    let lost = match (before, after) {
        (0, 0) => format!("none of {} acknowledged writes lost", data.acknowledged),
        (_, 0) => format!("{lost}, {within}"),
        (0, _) => format!("{lost}, acknowledged after the fault, which the objective does not cover"),
        _ => format!(
            "{lost}: {before} acknowledged before the fault, {within}; {after} after it, which the objective does not cover"
        ),
    };
    let checks = probes(record).into_iter().filter(|(info, _)| info.level == RestoreLevel::L4);
    let asked: Vec<bool> = checks.filter_map(|(_, seen)| Some(seen?.held)).collect();
    let content = match (asked.is_empty(), asked.iter().all(|held| *held)) {
        (true, _) => "content not compared",
        (_, true) => "content identical",
        _ => "content not identical",
    };
    Some(format!("{lost}; {content}"))
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

/// What a pass depends on: what people say, what of the runbook was not followed, and losses that no objective covers.
fn conditions(record: &Record, told: &DrTold, steps: &[StepView<'_>]) -> Vec<String> {
    let mut conditions = told.conditions.clone();
    for step in steps {
        let StepInfo { title, phase, .. } = step.info;
        if !matches!(phase.as_str(), "mitigate" | "rollback" | "verify" | "other") {
            continue;
        }
        if let Some(by) = step.replaced_by() {
            conditions.push(format!("The step `{title}` was carried out as `{by}` has it, not as the runbook does."));
        }
        if step.carried_out() == Some(StepStatus::Skipped) {
            let why = step.reason().map(|why| format!(": {why}")).unwrap_or_default();
            conditions.push(format!("The step `{title}` ({phase}) was not carried out{why}."));
        }
    }
    // A control loses what it loses, and a scenario that exists to fail shows no recovery.
    let recovers = !record.is_control() && !expects_failure(record);
    let lost = record.data_figures().map_or(0, |data| data.lost_after.len());
    if recovers && lost > 0 {
        conditions.push(format!(
            "Acknowledged after the fault, and lost: {}. The recovery point does not count them.",
            many(lost, "write")
        ));
    }
    conditions
}

#[derive(Template)]
#[template(path = "dr/basis.txt", whitespace = "preserve")]
struct VerdictBasis<'a> {
    record: &'a Record,
    /// Why the evidence cannot be relied on.
    changed: Option<&'a str>,
    reason: &'a str,
    expects_failure: bool,
    /// The level that the restore reached, and the one that it did not.
    stopped_at: Option<(RestoreLevel, RestoreLevel)>,
    /// The objectives that were not shown to be met.
    missed: Vec<&'static str>,
    has_conditions: bool,
}

/// The verdict, and how it follows. Of evidence that was changed after it was sealed (`changed`), or of which nobody can say, follows neither
/// a pass nor a fail.
fn judge(
    record: &Record,
    changed: Option<&str>,
    objectives: &DrObjectives,
    conditions: &[String],
) -> (DrVerdict, String) {
    let expects_failure = expects_failure(record);
    let met = [("time", objectives.rto_met), ("point", objectives.rpo_met)];
    let missed: Vec<&str> = met.into_iter().filter(|(_, met)| *met != Some(true)).map(|(what, _)| what).collect();
    let verdict = match record.outcome() {
        _ if changed.is_some() => DrVerdict::NoVerdict,
        RunOutcome::Broken | RunOutcome::Interrupted => DrVerdict::NoVerdict,
        RunOutcome::Failed => DrVerdict::Fail,
        RunOutcome::Passed if record.is_control() || expects_failure => DrVerdict::Pass,
        RunOutcome::Passed if !missed.is_empty() => DrVerdict::Fail,
        RunOutcome::Passed if !conditions.is_empty() => DrVerdict::PassWithConditions,
        RunOutcome::Passed => DrVerdict::Pass,
    };
    let basis = VerdictBasis {
        record,
        changed,
        reason: match record.reason.trim() {
            "" => "no reason was recorded",
            reason => reason.trim_end_matches('.'),
        },
        expects_failure,
        stopped_at: record.restore_level().and_then(|level| Some((level, level.next()?))),
        missed,
        has_conditions: !conditions.is_empty(),
    };
    (verdict, written(&basis))
}

/// Above this share of the processors' time the machine was busy enough to say so.
const BUSY: f64 = 0.9;

#[derive(Template)]
#[template(path = "dr/limits.txt")]
struct LimitsText<'a> {
    record: &'a Record,
    plan: &'a Announcement,
    loads: String,
    /// The manual steps that a person confirmed, counted; empty where there is none.
    by_hand: String,
    size: Option<String>,
    figures: Figures,
    busy: Option<f64>,
    skipped: String,
    replaced: String,
    unreached: String,
    no_events: bool,
}

/// Every limitation, in whole sentences.
fn limitations(record: &Record, plan: &Announcement, events: &[Stamped], steps: &[StepView<'_>]) -> Vec<String> {
    let named = |wanted: &dyn Fn(&StepView<'_>) -> bool| {
        let names = steps.iter().filter(|step| wanted(step)).map(|step| format!("`{}`", one_line(&step.info.title)));
        names.collect::<Vec<_>>().join(", ")
    };
    let loads: Vec<String> = plan.loads.iter().map(|load| format!("`{}` at {}/s", load.name, load.rate)).collect();
    let by_hand = steps.iter().filter(|step| step.info.manual && step.carried_out() == Some(StepStatus::Passed));
    let by_hand = by_hand.count();
    let size = record.backup.as_ref().and_then(|facts| facts.get("bytes"));
    let figures = record.figures();
    template_lines(&LimitsText {
        record,
        plan,
        loads: loads.join(", "),
        by_hand: if by_hand == 0 { String::new() } else { many(by_hand, "manual step") },
        size: size.map(|size| size.parse::<u64>().map_or_else(|_| one_line(size), bytes)),
        busy: figures.measuring.busy_max.filter(|busy| *busy > BUSY),
        figures,
        skipped: named(&|step| step.carried_out() == Some(StepStatus::Skipped)),
        replaced: named(&|step| step.info.replaced.is_some()),
        unreached: named(&|step| step.carried_out().is_none()),
        no_events: events.is_empty(),
    })
}
