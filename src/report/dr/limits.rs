//! What a drill does not show, as far as its record tells: `limits.txt` says it, here is what it needs to know.

use super::StepRow;
use crate::output::one_line;
use crate::record::{Announcement, FaultAfter, FaultEvent, Figures, Record, Stamped, StepStatus};
use crate::view::format::bytes;
use crate::view::{filters, many, restore, template_lines};
use askama::Template;

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
pub(super) fn limitations(record: &Record, plan: &Announcement, events: &[Stamped], steps: &[StepRow]) -> Vec<String> {
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
