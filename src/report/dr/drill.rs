//! One drill of the report, from its record, its events and what people know: what it shows, what it does not show (`limits.txt` says it,
//! here is what that needs to know), and from Firedrill's verdict the one that auditors count: pass, pass with conditions, fail. What says
//! nothing about the recovery is none of them.

use super::input::expects_failure;
use super::{
    DrNotes, DrObjectives, DrTold, DrVerdict, DrillInput, DrillReport, FaultRow, ProbeRow, Quarter, SliRow, StepRow,
};
use crate::output::one_line;
use crate::record::{
    Announcement, DataFigures, FaultAfter, FaultEvent, Figures, Record, RestoreLevel, RestorePlan, RunOutcome, Stamped,
    StepStatus, Verdict, utc_text,
};
use crate::view::clock::started;
use crate::view::format::bytes;
use crate::view::timeline::{self, utc};
use crate::view::{filters, many, restore, template_lines, words, written};
use askama::Template;

/// A timeline is not longer than this; the rest stands in `events.jsonl`.
const MOST: usize = 90;
/// The length of the window over which an error budget is reckoned, in seconds: thirty days.
const BUDGET_S: f64 = 30.0 * 86_400.0;

/// The drill; `None` for a record without a plan.
pub(super) fn drill<'a>(input: &'a DrillInput, quarter: Quarter, notes: &DrNotes) -> Option<DrillReport<'a>> {
    let record = &input.record;
    let plan = record.plan.as_deref()?;
    let told = notes.told(quarter, &plan.run, &plan.scenario);
    let objectives = objectives(record);
    let steps = steps(record, plan);
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
        faults: faults(record, plan),
        probes: probes(record),
        timeline: timeline::timeline(record, &input.events, MOST),
        hold: words::held(record),
        slis: slis(&figures, plan),
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

fn faults(record: &Record, plan: &Announcement) -> Vec<FaultRow> {
    let row = |fault: &crate::record::FaultInfo| {
        let life = record.fault_record(&fault.id).map(|fault| fault.life.as_slice()).unwrap_or_default();
        let confirmed = life.iter().find(|moment| moment.what == FaultEvent::Confirmed);
        FaultRow {
            kind: fault.kind.clone(),
            summary: fault.summary.clone(),
            confirmed: confirmed.map(|moment| format!("{}, at {}", moment.detail, utc(record, moment.at_us))),
        }
    };
    plan.faults.iter().map(row).collect()
}

fn probes(record: &Record) -> Vec<ProbeRow> {
    let probe = |info: &crate::record::ProbeInfo| {
        let of = |seen: &&crate::record::ProbeRecord| seen.level == info.level && seen.name == info.name;
        let last = record.probes.iter().rev().find(of);
        ProbeRow {
            level: info.level,
            name: info.name.clone(),
            service: info.service.clone(),
            held: last.map(|seen| seen.held),
            evidence: last.map(|seen| seen.evidence.clone()).unwrap_or_default(),
        }
    };
    record.restore_plan().iter().flat_map(|plan| &plan.probes).map(probe).collect()
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
    let checks = probes(record);
    let asked: Vec<bool> = checks.iter().filter(|c| c.level == RestoreLevel::L4).filter_map(|c| c.held).collect();
    let content = match (asked.is_empty(), asked.iter().all(|held| *held)) {
        (true, _) => "content not compared",
        (_, true) => "content identical",
        _ => "content not identical",
    };
    Some(format!("{lost}; {content}"))
}

fn slis(figures: &Figures, plan: &Announcement) -> Vec<SliRow> {
    let row = |figures: &crate::record::SliFigures| {
        let info = plan.slis.iter().find(|sli| sli.name == figures.sli);
        let rate = info.and_then(|sli| plan.loads.iter().find(|load| load.name == sli.load)).map(|load| load.rate);
        let budget = rate.map(|rate| rate * BUDGET_S * (1.0 - figures.objective)).filter(|budget| *budget > 0.0);
        let bad = figures.during.valid.saturating_sub(figures.during.good) as f64;
        SliRow {
            good: info.map(crate::record::SliInfo::promise).unwrap_or_default(),
            sli: figures.sli.clone(),
            objective: figures.objective,
            before: figures.before,
            during: figures.during,
            after: figures.after,
            budget_events: budget,
            budget_spent: budget.filter(|_| figures.during.valid > 0).map(|budget| bad / budget),
        }
    };
    figures.slis.iter().map(row).collect()
}

fn steps(record: &Record, plan: &Announcement) -> Vec<StepRow> {
    let row = |info: &crate::record::StepInfo| {
        let ran = record.steps.iter().find(|step| step.step == info.id);
        // Of a way that was not chosen nothing was carried out.
        let only_looked = ran.and_then(|step| info.only_looked(step.status));
        let status = ran.and_then(|step| step.status);
        let status = if only_looked.is_some() { Some(StepStatus::Skipped) } else { status };
        StepRow {
            step: info.id.clone(),
            title: info.title.clone(),
            phase: info.phase.clone(),
            manual: info.manual,
            status,
            took_us: ran.filter(|_| status != Some(StepStatus::Skipped)).and_then(|step| step.took_us()),
            replaced_by: info.replaced.as_ref().map(|replaced| replaced.by.to_string()),
            reason: only_looked.or(ran.and_then(|step| step.reason.clone())),
            at: info.at.to_string(),
        }
    };
    // A control follows none of them.
    if plan.control { Vec::new() } else { plan.steps.iter().map(row).collect() }
}

/// What a pass depends on: what people say, what of the runbook was not followed, and losses that no objective covers.
fn conditions(record: &Record, told: &DrTold, steps: &[StepRow]) -> Vec<String> {
    let mut conditions = told.conditions.clone();
    let helps = |step: &&StepRow| matches!(step.phase.as_str(), "mitigate" | "rollback" | "verify" | "other");
    for step in steps.iter().filter(helps) {
        if let Some(by) = &step.replaced_by {
            conditions
                .push(format!("The step `{}` was carried out as `{by}` has it, not as the runbook does.", step.title));
        }
        if step.status == Some(StepStatus::Skipped) {
            let why = step.reason.as_deref().map(|why| format!(": {why}")).unwrap_or_default();
            conditions.push(format!("The step `{}` ({}) was not carried out{why}.", step.title, step.phase));
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
    /// The plan of the restore, where its level is not the expected one.
    other_level: Option<&'a RestorePlan>,
    level: Option<RestoreLevel>,
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
    let level = record.restore_level();
    let basis = VerdictBasis {
        record,
        changed,
        reason: match record.reason.trim() {
            "" => "no reason was recorded",
            reason => reason.trim_end_matches('.'),
        },
        expects_failure,
        other_level: record.restore_plan().filter(|_| !record.level_as_expected()),
        level,
        stopped_at: level.and_then(|level| Some((level, level.next()?))),
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
fn limitations(record: &Record, plan: &Announcement, events: &[Stamped], steps: &[StepRow]) -> Vec<String> {
    let named = |wanted: &dyn Fn(&StepRow) -> bool| {
        let names = steps.iter().filter(|step| wanted(step)).map(|step| format!("`{}`", one_line(&step.title)));
        names.collect::<Vec<_>>().join(", ")
    };
    let loads: Vec<String> = plan.loads.iter().map(|load| format!("`{}` at {}/s", load.name, load.rate)).collect();
    let by_hand = steps.iter().filter(|step| step.manual && step.status == Some(StepStatus::Passed)).count();
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
        skipped: named(&|step| step.status == Some(StepStatus::Skipped)),
        replaced: named(&|step| step.replaced_by.is_some()),
        unreached: named(&|step| step.status.is_none()),
        no_events: events.is_empty(),
    })
}
