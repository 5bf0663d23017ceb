//! What to do next about a restore that did not come as far as it had to, took too long or lost too much: `restore.txt` says it.

use super::{FollowedStep, followed, named};
use crate::record::{DataFigures, ReadBackRecord, Record, RestoreLevel, RestorePlan};
use crate::view::format::{declared, seconds};
use crate::view::restore::{self, Rung, ladder, plan, rto_met};
use crate::view::{StatusSymbol, advice, filters, template_lines};
use askama::Template;

#[derive(Template)]
#[template(path = "advice/restore.txt")]
struct RestoreText<'a> {
    record: &'a Record,
    plan: &'a RestorePlan,
    runbook: &'a str,
    /// The first level that did not hold.
    broken: Option<Rung>,
    /// The steps of the mitigation that were followed.
    mitigating: Vec<FollowedStep<'a>>,
    too_slow: Option<String>,
    /// What became of the writes, where too much of them is lost.
    lost: Option<DataFigures>,
    /// Why that is not known, where somebody could have told.
    not_read: Option<&'a ReadBackRecord>,
}

/// Where to look, by what was missed; empty where the drill is none of a restore or nothing was missed.
pub fn restore(record: &Record, runbook: &str) -> Vec<String> {
    let Some(plan) = plan(record) else { return Vec::new() };
    let late = record.figures().to_recover_us.is_some() && rto_met(record) == Some(false);
    let (data, served) = (record.data_figures(), record.restore_level() >= Some(RestoreLevel::L3));
    template_lines(&RestoreText {
        record,
        plan,
        runbook,
        broken: ladder(record).into_iter().find(|rung| rung.came == StatusSymbol::Bad),
        mitigating: followed(record).into_iter().filter(|(info, _)| info.phase == "mitigate").collect(),
        too_slow: late.then(|| too_slow(record, plan.rto_us)),
        not_read: record.read_back.as_ref().filter(|_| data.is_none() && served),
        lost: data.filter(|data| !data.meets_rpo(plan.rpo_us)),
    })
}

/// Whether the level says enough, so that what is said of other drills would mislead.
pub fn says_enough(record: &Record) -> bool {
    let users = record.recovered_us().is_some();
    plan(record).is_some() && (users || record.restore_level().is_some_and(|level| level < RestoreLevel::L4))
}

/// What to do where users recovered later than the objective allows.
pub fn too_slow(record: &Record, objective_us: u64) -> String {
    let ran = followed(record).into_iter().filter_map(|(info, step)| Some((step.took_us()?, info)));
    let longest = ran
        .max_by_key(|(took, _)| *took)
        .map(|(took, info)| format!("; the longest, {}, took {}", named(info), seconds(took)));
    format!(
        "Make the recovery shorter: it took {}, and the objective (`rto`) is {}. See where its time went{}.",
        seconds(record.figures().to_recover_us.unwrap_or(0)),
        declared(objective_us),
        longest.unwrap_or_default()
    )
}
