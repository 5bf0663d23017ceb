//! One drill of the report, from its record, its events and what people know.

use super::input::expects_failure;
use super::limits::limitations;
use super::verdict::{conditions, judge};
use super::{
    Configuration, DrNotes, DrObjectives, DrRestore, DrillInput, DrillReport, FaultRow, HoldRow, InvariantRow,
    ProbeRow, Quarter, SliRow, StepRow, Times,
};
use crate::record::{Announcement, DataFigures, FaultEvent, Record, RestoreLevel, RunOutcome, StepStatus, utc_text};
use crate::view::clock::started;
use crate::view::timeline::{self, utc};
use crate::view::words;

/// A timeline is not longer than this; the rest stands in `events.jsonl`.
const MOST: usize = 90;
/// The length of the window over which an error budget is reckoned, in seconds: thirty days.
const BUDGET_S: f64 = 30.0 * 86_400.0;

/// The drill; `None` for a record without a plan.
pub(super) fn drill(input: &DrillInput, quarter: Quarter, notes: &DrNotes) -> Option<DrillReport> {
    let record = &input.record;
    let plan = record.plan.as_deref()?;
    let told = notes.told(quarter, &plan.run, &plan.scenario);
    let objectives = objectives(record);
    let steps = steps(record, plan);
    let conditions = conditions(record, &told, &steps);
    let (verdict, basis) = match &input.changed {
        Some(why) => super::verdict::evidence_changed(why),
        None => judge(record, &objectives, &conditions),
    };
    let (timeline, timeline_omitted) = timeline::timeline(record, &input.events, MOST);
    let figures = record.figures();
    Some(DrillReport {
        run: plan.run.clone(),
        scenario: plan.scenario.clone(),
        title: plan.title.clone(),
        description: plan.description.clone(),
        severity: plan.severity.clone(),
        owner: plan.owner.clone(),
        control: plan.control,
        expects_failure: expects_failure(record),
        started_utc: utc_text(started(record)),
        ended_utc: utc(record, record.last_us),
        verdict,
        basis,
        conditions,
        tool_verdict: record.verdict,
        tool_expected: record.expected(),
        tool_reason: record.reason.clone(),
        faults: faults(record, plan),
        configuration: configuration(record, plan),
        restore: restore(record),
        timeline,
        timeline_omitted,
        times: Times {
            to_impact_us: figures.to_impact_us,
            to_detect_us: figures.to_detect_us,
            to_mitigate_us: figures.to_mitigation_us,
            to_recover_us: figures.to_recover_us,
            respond_to_recover_us: figures.respond_to_recover_us,
        },
        slis: slis(record, plan),
        data_result: data_result(record, &objectives),
        data: record.data_figures(),
        data_evidence: match (&record.read_back, record.injected_us()) {
            (Some(read), Some(_)) => read.evidence.clone(),
            (Some(_), None) => "no fault was confirmed: there is no instant to count losses from".into(),
            (None, _) => "the survivors were not read back".into(),
        },
        limitations: limitations(record, plan, &input.events, &steps),
        hold: hold(record),
        invariants: invariants(record, plan),
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

fn configuration(record: &Record, plan: &Announcement) -> Configuration {
    Configuration {
        tool_version: plan.tool_version.clone(),
        revision: plan.revision.clone(),
        executed: plan.executed.clone(),
        files: plan.files().into_iter().map(|(what, file)| (what, file.path.clone(), file.sha256.clone())).collect(),
        images: record.stack.as_ref().map(|stack| stack.images.clone()).unwrap_or_default(),
        seed: plan.seed,
        parameters: plan.vars.clone(),
        loads: plan.loads.iter().map(|load| (load.name.clone(), load.request.clone(), load.rate)).collect(),
    }
}

fn restore(record: &Record) -> DrRestore {
    let plan = record.restore_plan();
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
    DrRestore {
        backup: record.backup.clone(),
        age_us: record.backup_age_us(),
        expected: plan.map(|plan| plan.expect).filter(|_| !record.is_control()),
        reached: record.restore_level(),
        probes: plan.iter().flat_map(|plan| &plan.probes).map(probe).collect(),
    }
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

fn hold(record: &Record) -> Option<HoldRow> {
    let (mark, text) = words::held(record)?;
    Some(HoldRow { required_us: record.hold?.required_us, held_us: words::held_us(record), text, mark })
}

fn invariants(record: &Record, plan: &Announcement) -> Vec<InvariantRow> {
    let row = |info: &crate::record::InvariantInfo| InvariantRow {
        name: info.name.clone(),
        expected: info.expected.clone(),
        answers: record.invariants.iter().filter(|answer| answer.name == info.name).cloned().collect(),
    };
    plan.invariants.iter().map(row).collect()
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
    let checks = restore(record).probes;
    let asked: Vec<bool> = checks.iter().filter(|c| c.level == RestoreLevel::L4).filter_map(|c| c.held).collect();
    let content = match (asked.is_empty(), asked.iter().all(|held| *held)) {
        (true, _) => "content not compared",
        (_, true) => "content identical",
        _ => "content not identical",
    };
    Some(format!("{lost}; {content}"))
}

fn slis(record: &Record, plan: &Announcement) -> Vec<SliRow> {
    let row = |figures: crate::record::SliFigures| {
        let info = plan.slis.iter().find(|sli| sli.name == figures.sli);
        let rate = info.and_then(|sli| plan.loads.iter().find(|load| load.name == sli.load)).map(|load| load.rate);
        let budget = rate.map(|rate| rate * BUDGET_S * (1.0 - figures.objective)).filter(|budget| *budget > 0.0);
        let bad = figures.during.valid.saturating_sub(figures.during.good) as f64;
        SliRow {
            good: info.map(crate::record::SliInfo::promise).unwrap_or_default(),
            sli: figures.sli,
            objective: figures.objective,
            before: figures.before,
            during: figures.during,
            after: figures.after,
            budget_events: budget,
            budget_spent: budget.filter(|_| figures.during.valid > 0).map(|budget| bad / budget),
        }
    };
    record.figures().slis.into_iter().map(row).collect()
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
