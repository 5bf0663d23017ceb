//! From Firedrill's verdict to the one that auditors count: pass, pass with conditions, fail. What says nothing about the recovery
//! is none of them.

use super::input::expects_failure;
use super::{DrObjectives, DrTold, DrVerdict, StepRow};
use crate::record::{Record, RunOutcome, StepStatus, Verdict};
use crate::view::words::many;

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

/// Of evidence that was changed after it was sealed, or of which nobody can say, follows neither a pass nor a fail.
pub(super) fn evidence_changed(why: &str) -> (DrVerdict, String) {
    (DrVerdict::NoVerdict, format!("Nothing follows from the evidence: {why}. See section 6."))
}

/// The verdict, and how it follows.
pub(super) fn judge(record: &Record, objectives: &DrObjectives, conditions: &[String]) -> (DrVerdict, String) {
    let reason = || match record.reason.trim() {
        "" => "no reason was recorded".to_string(),
        reason => reason.to_string(),
    };
    let verdict = record.verdict.name();
    match record.outcome() {
        RunOutcome::Broken | RunOutcome::Interrupted => {
            (DrVerdict::NoVerdict, format!("Firedrill's verdict is `{verdict}`: {}.", reason().trim_end_matches('.')))
        }
        RunOutcome::Failed => (DrVerdict::Fail, failed(record, &reason())),
        RunOutcome::Passed if record.is_control() => (
            DrVerdict::Pass,
            "This is the control: without the runbook users must not recover, and they did not. It shows that the runbook is what \
             helps; it is no recovery."
                .into(),
        ),
        RunOutcome::Passed if expects_failure(record) => (DrVerdict::Pass, as_expected(record)),
        RunOutcome::Passed => {
            let missed = [
                (objectives.rto_met != Some(true)).then_some("the recovery time objective was not shown to be met"),
                (objectives.rpo_met != Some(true)).then_some("the recovery point objective was not shown to be met"),
            ];
            let missed: Vec<&str> = missed.into_iter().flatten().collect();
            let level = record.restore_level().map(|level| format!(", the restore reached {level}")).unwrap_or_default();
            match (missed.is_empty(), conditions.is_empty()) {
                (false, _) => (DrVerdict::Fail, format!("Firedrill's verdict is `passed`, but {}.", missed.join(", and "))),
                (true, true) => (DrVerdict::Pass, format!("Firedrill's verdict is `passed`{level}, both targets are met.")),
                (true, false) => (
                    DrVerdict::PassWithConditions,
                    format!("Firedrill's verdict is `passed`{level}, both targets are met, under the conditions below."),
                ),
            }
        }
    }
}

fn failed(record: &Record, reason: &str) -> String {
    let reason = reason.trim_end_matches('.');
    let verdict = record.verdict.name();
    let expected = record.expected();
    if record.is_control() {
        return format!("This is the control, and it did not do what it must: `{verdict}`: {reason}.");
    }
    if record.verdict != expected {
        return match expected {
            Verdict::Passed => format!("Firedrill's verdict is `{verdict}`: {reason}."),
            expected => format!("The scenario expects `{expected}`, and the verdict is `{verdict}`: {reason}."),
        };
    }
    match (record.level_as_expected(), record.restore_plan(), record.restore_level()) {
        (false, Some(plan), Some(level)) => {
            format!("The scenario expects the level {}, and the restore reached {level}.", plan.expect)
        }
        (false, Some(plan), None) => {
            format!("The scenario expects the level {}, and no level was looked at.", plan.expect)
        }
        _ => {
            let spoilt: Vec<&str> = record.spoilers().map(|judged| judged.reason.as_str()).collect();
            format!("The verdict is the expected one, and was spoilt afterwards: {}.", spoilt.join("; "))
        }
    }
}

/// A scenario that exists to fail did: a pass of the expectation, and said so plainly.
fn as_expected(record: &Record) -> String {
    let level = record.restore_level();
    let seen = match level.and_then(|level| Some((level, level.next()?))) {
        Some((reached, next)) => format!(
            "Backup damage was detected at {next} as expected: the restore reached {reached} ({}), and {next} ({}) was not \
             reached.",
            reached.meaning(),
            next.meaning()
        ),
        None => "It failed as expected.".into(),
    };
    format!(
        "{seen} Firedrill's verdict is `{}` ({}), which this scenario expects because it exists to fail. This is a pass of \
         the expectation that damage is noticed. It is no evidence of a recovery.",
        record.verdict.name(),
        record.reason.trim_end_matches('.')
    )
}
