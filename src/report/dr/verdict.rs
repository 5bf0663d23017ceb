//! From Firedrill's verdict to the one that auditors count: pass, pass with conditions, fail. What says nothing about the recovery
//! is none of them.

use super::input::expects_failure;
use super::{DrObjectives, DrTold, DrVerdict, StepRow};
use crate::record::{Record, RestoreLevel, RestorePlan, RunOutcome, StepStatus, Verdict};
use crate::view::words::many;
use askama::Template;

/// What a pass depends on: what people say, what of the runbook was not followed, and losses that no objective covers.
pub(super) fn conditions(record: &Record, told: &DrTold, steps: &[StepRow]) -> Vec<String> {
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
pub(super) fn judge(
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
    // Writing into a string does not fail.
    (verdict, basis.render().unwrap_or_default())
}
