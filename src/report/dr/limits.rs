//! What a drill does not show, as far as its record tells: added to what people say.

use super::StepRow;
use crate::record::{Announcement, FaultAfter, FaultEvent, Record, Stamped, StepStatus};
use crate::view::format::{bytes, percent, seconds};
use crate::view::words::many;

/// Above this share of the processors' time the machine was busy enough to say so.
const BUSY: f64 = 0.9;

/// Every limitation, in whole sentences.
pub(super) fn limitations(record: &Record, plan: &Announcement, events: &[Stamped], steps: &[StepRow]) -> Vec<String> {
    let mut all = vec![format!(
        "The environment is a copy of the stack in Docker (`{}`), started for this drill and thrown away after it; it is not \
         production.",
        plan.stack_file.path
    )];
    let mut say = |text: String| all.push(text);
    let load: Vec<String> = plan.loads.iter().map(|load| format!("`{}` at {}/s", load.name, load.rate)).collect();
    if !load.is_empty() {
        say(format!("Users were simulated by a load at a fixed rate ({}); real traffic differs.", load.join(", ")));
    }
    unattended(plan, steps, &mut say);
    if plan.detect.is_none() {
        say("The scenario has no alert condition: detection was not tested.".into());
    }
    let size = record.backup.as_ref().and_then(|facts| facts.get("bytes"));
    say(match size.map(|size| size.parse::<u64>().map_or_else(|_| size.clone(), bytes)) {
        Some(size) => format!("The backup has a size of {size}; the restore time grows with the size of the data."),
        None => "The size of the backup is not known; the restore time grows with the size of the data.".into(),
    });
    if let Some(projected) = crate::view::restore::projection(record) {
        let text =
            projected.map_or_else(|why| format!("It cannot be projected: {why}"), |text| format!("Projected: {text}"));
        say(format!("The time of the restore in production was not measured. {text}."));
    }
    if let Some(data) = record.data_figures().filter(|data| data.rpo_at_least) {
        let shown = seconds(data.rpo_us);
        say(match data.rpo_at_most_us {
            Some(most) => format!(
                "No acknowledged write survived that is older than the oldest lost one: the recovery point is at least {shown} and, \
                 by the age of the backup, at most {}, which is the figure given.",
                seconds(most)
            ),
            None => format!(
                "No acknowledged write survived that is older than the oldest lost one: the recovery point is at least {shown}; the \
                 ledger does not reach further back."
            ),
        });
    }
    figures(record, &mut say);
    let named = |wanted: &dyn Fn(&StepRow) -> bool| -> Vec<String> {
        steps.iter().filter(|step| wanted(step)).map(|step| format!("`{}`", step.title)).collect()
    };
    let skipped = named(&|step| step.status == Some(StepStatus::Skipped));
    if !skipped.is_empty() {
        say(format!("Steps of the runbook that were not carried out: {}.", skipped.join(", ")));
    }
    let replaced = named(&|step| step.replaced_by.is_some());
    if !replaced.is_empty() {
        say(format!(
            "Steps that the scenario replaced, so that the runbook's own text was not tried: {}.",
            replaced.join(", ")
        ));
    }
    let unreached = named(&|step| step.status.is_none());
    if !unreached.is_empty() {
        say(format!("Steps that were not reached: {}.", unreached.join(", ")));
    }
    if plan.runbook_file.is_none() {
        say("There was no runbook: the drill shows what the system does by itself.".into());
    }
    match plan.revision.as_deref() {
        Some(revision) if revision.ends_with("-dirty") => {
            say("Files of the repository had been changed and not committed: the commit alone does not reproduce the drill.".into());
        }
        None => say("The commit of the project is not known.".into()),
        Some(_) => {}
    }
    for fault in record.faults.iter().filter(|fault| fault.at(FaultEvent::Confirmed).is_none()) {
        say(format!("The fault `{}` was never confirmed in place.", fault.fault));
    }
    for fault in record.faults.iter().filter(|fault| fault.after == Some(FaultAfter::StillActive)) {
        say(format!(
            "The fault `{}` was still in place after the response: it was worked around, or nothing helped.",
            fault.fault
        ));
    }
    if record.kept {
        say("The stack was kept on the user's wish, so its removal was not tried.".into());
    }
    if !record.left.is_empty() {
        say(format!("Left behind: {}.", record.left.join(", ")));
    }
    if events.is_empty() {
        say("There is no `events.jsonl` beside the record: the report has no timeline of this drill.".into());
    }
    for damage in &record.damage {
        say(format!("The record is damaged: {damage}."));
    }
    all
}

/// Who carried it out: what people need for their part is in no figure.
fn unattended(plan: &Announcement, steps: &[StepRow], say: &mut impl FnMut(String)) {
    let by_hand = steps.iter().filter(|step| step.manual && step.status == Some(StepStatus::Passed)).count();
    match (plan.control, by_hand) {
        (true, _) => {}
        (_, 0) => {
            say("Carried out by Firedrill, unattended: paging, decision and typing are not in the recovery time."
                .into())
        }
        (_, steps) => say(format!(
            "Carried out by Firedrill; a person confirmed {}. Of paging, decision and typing only what these took is in the \
             recovery time.",
            many(steps, "manual step")
        )),
    }
}

/// What the measuring itself says.
fn figures(record: &Record, say: &mut impl FnMut(String)) {
    let measuring = record.figures().measuring;
    if measuring.late > 0 {
        let (late, of) = (measuring.late, measuring.requests);
        let worst = seconds(measuring.worst_late_us);
        say(format!(
            "{late} of {of} requests were sent late, the worst one by {worst}: what users felt is known that well."
        ));
    }
    if let Some(why) = &record.disturbed {
        say(format!("The measuring was disturbed: {why}."));
    }
    if let Some(busy) = measuring.busy_max.filter(|busy| *busy > BUSY) {
        say(format!("The machine was busy to {}: times may be longer than on another one.", percent(busy)));
    }
    match record.data_figures() {
        None => say("What became of the acknowledged writes is not known.".into()),
        Some(data) => {
            if data.lost_meanwhile > 0 {
                say(format!(
                    "{} of the lost writes were acknowledged while the fault went in; they count as written before it.",
                    data.lost_meanwhile
                ));
            }
            if !data.lost_after.is_empty() {
                say(format!(
                    "Acknowledged after the fault, and lost: {}. The recovery point counts only what was acknowledged before it.",
                    many(data.lost_after.len(), "write")
                ));
            }
            if data.acknowledged_later > 0 {
                say(format!(
                    "Acknowledged after the survivors were asked for, and so not judged: {}.",
                    many(usize::try_from(data.acknowledged_later).unwrap_or(usize::MAX), "write")
                ));
            }
            if data.unknown > 0 {
                let unknown = data.unknown;
                say(format!("{unknown} survivors have a number that was never sent, or whose write never ended."));
            }
            if data.duplicates > 0 {
                say(format!("{} rows came more than once.", data.duplicates));
            }
        }
    }
    if record.read_back.is_some() && !record.content_was_compared() {
        say("No check compared the content with what it was before the fault.".into());
    }
}
