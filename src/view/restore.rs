//! What a DR drill measured, in the words that every report uses: how far the restore came, its recovery time and point
//! against their objectives, what became of the acknowledged writes, and what is known of the backup.

use super::format::{bytes, declared, grouped, seconds, span};
use super::symbol::StatusSymbol;
use super::{filters, restore, template_lines};
use crate::output::one_line;
use crate::record::{DataFigures, DrillTime, Numbers, Record, RestoreLevel, RestorePlan, Verdict};
use askama::Template;
use std::collections::BTreeMap;

/// What is said instead of a judgement where a run was cut off.
pub(super) const UNFINISHED: &str = "the run was not finished";
/// Characters of a list of numbers; what is cut off is in the record.
const NUMBERS: usize = 48;

/// A line of the block: a name, what is to be said, and how it came out where that is judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JudgedRow {
    /// Its name.
    pub name: &'static str,
    /// What is to be said.
    pub text: String,
    /// How it came out; `None` where nothing is judged.
    pub came: Option<StatusSymbol>,
}

/// A level of the restore, L1 to L5, and what was seen of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rung {
    /// The level.
    pub level: RestoreLevel,
    /// Whether every check of it held: good, bad, or a warning where that is not known.
    pub came: StatusSymbol,
    /// What was seen.
    pub seen: String,
}

impl Rung {
    /// Whether it held.
    pub fn word(&self) -> &'static str {
        match self.came {
            StatusSymbol::Good => "held",
            StatusSymbol::Bad => "failed",
            StatusSymbol::Warn | StatusSymbol::Skip | StatusSymbol::Plain => "not known",
        }
    }
}

/// The plan of a drill that shows something about a restore; not that of a control, which restores nothing.
pub fn plan(record: &Record) -> Option<&RestorePlan> {
    record.restore_plan().filter(|_| !record.is_control())
}

/// Whether users had recovered within the recovery time objective; `None` before a fault was confirmed, of a drill that was cut
/// off, and of one that was stopped or broke before a recovery was seen.
pub fn rto_met(record: &Record) -> Option<bool> {
    let rto = record.plan.as_ref().filter(|plan| !plan.control && !record.is_unfinished())?.rto_us()?;
    record.injected_us()?;
    match record.time_to_recover_us() {
        Some(us) => Some(us <= rto),
        None => (!record.verdict.is_harness()).then_some(false),
    }
}

/// Whether the loss stayed within the recovery point objective; `None` when it is not known.
pub fn rpo_met(record: &Record) -> Option<bool> {
    Some(record.data_figures()?.meets_rpo(plan(record)?.rpo_us))
}

/// Where the verdict is the expected one and the level is not: which level is expected, and which was reached.
pub fn other_level(record: &Record) -> Option<String> {
    let plan = plan(record).filter(|_| record.verdict == record.expected() && !record.level_as_expected())?;
    let reached = record.restore_level().map_or("none was asked for".to_string(), |level| format!("got {level}"));
    Some(format!("expected level {}, {reached}", plan.expect))
}

/// The levels L1 to L5 of a restore; empty for a drill that is not of the kind `dr`.
pub fn ladder(record: &Record) -> Vec<Rung> {
    let reached = record.restore_level();
    let levels = plan(record).into_iter().flat_map(|_| RestoreLevel::ALL.into_iter().skip(1));
    levels.map(|level| rung(record, level, reached)).collect()
}

fn rung(record: &Record, level: RestoreLevel, reached: Option<RestoreLevel>) -> Rung {
    // What did not hold yet when the run was cut off may have held later.
    let bad = if record.is_unfinished() { StatusSymbol::Warn } else { StatusSymbol::Bad };
    if level == RestoreLevel::L5 {
        let asked = record.probes.iter().rev().find(|probe| probe.level == level);
        if let Some(asked) = asked.filter(|asked| !asked.held) {
            return Rung { level, came: bad, seen: one_line(&asked.evidence) };
        }
        let by_itself = record.verdict == Verdict::SelfHealed;
        let (came, seen) = match record.time_to_recover_us() {
            Some(us) if reached == Some(level) => {
                (StatusSymbol::Good, format!("every SLI held from {} after the fault on", seconds(us)))
            }
            _ if reached.is_none() => (StatusSymbol::Warn, "not asked for".to_string()),
            Some(_) => (StatusSymbol::Warn, "the SLIs held, and a level below did not".to_string()),
            None if record.is_unfinished() => (bad, UNFINISHED.to_string()),
            None if by_itself => (StatusSymbol::Warn, "users recovered, but not by the runbook".to_string()),
            None if reached == Some(RestoreLevel::L4) => (StatusSymbol::Bad, "users did not recover".to_string()),
            None => (StatusSymbol::Warn, "users did not recover, and a level below did not hold".to_string()),
        };
        return Rung { level, came, seen };
    }
    // The latest answer of each check counts.
    let asked = record.probes.iter().filter(|probe| probe.level == level);
    let latest: BTreeMap<&str, (bool, &str)> =
        asked.map(|probe| (probe.name.as_str(), (probe.held, probe.evidence.as_str()))).collect();
    let came = match (latest.is_empty(), latest.values().all(|(held, _)| *held)) {
        (true, _) => StatusSymbol::Warn,
        (false, true) => StatusSymbol::Good,
        (false, false) => bad,
    };
    // What did not hold is all that matters of a rung that broke.
    let told = latest.iter().filter(|(_, (held, _))| came == StatusSymbol::Good || !held);
    let seen: Vec<String> = told.map(|(name, (_, evidence))| one_line(&format!("{name}: {evidence}"))).collect();
    let seen = if seen.is_empty() { "not asked for".to_string() } else { seen.join("; ") };
    Rung { level, came, seen }
}

/// The rows of `restore.txt`, and what their names mean, for readers who see them for the first time.
const ROWS: [(&str, &str); 12] = [
    ("level", "How far the restore came"),
    ("RTO", "Recovery time: first confirmed fault to users well"),
    ("RPO", "Recovery point: age, at the fault, of the oldest lost write that was acknowledged before it"),
    ("acknowledged", "Writes acknowledged until the survivors were read back"),
    ("lost before fault", "Lost, acknowledged before the fault"),
    ("lost after fault", "Lost, acknowledged after the fault"),
    ("unacknowledged", "There, although never acknowledged"),
    ("more than once", "Numbers that are there more than once"),
    ("never sent", "There, and never sent or still under way"),
    ("survivors", "What survived"),
    ("backup", "The backup, as it tells of itself before the fault"),
    ("in production", "The time of the restore, projected to the size of production"),
];

#[derive(Template)]
#[template(path = "restore.txt")]
struct RestoreRows<'a> {
    record: &'a Record,
    plan: &'a RestorePlan,
    level: StatusSymbol,
    rpo: StatusSymbol,
    data: Option<DataFigures>,
}

/// The figures, line by line; empty where the drill is none of a restore.
pub fn rows(record: &Record) -> Vec<JudgedRow> {
    let Some(plan) = plan(record) else { return Vec::new() };
    let reached = record.restore_level().filter(|_| !record.is_unfinished());
    let level = StatusSymbol::met(reached.map(|level| level == plan.expect));
    let rpo = StatusSymbol::met(rpo_met(record));
    let rows = RestoreRows { record, plan, level, rpo, data: record.data_figures() };
    judged_rows(&rows, &ROWS.map(|(name, _)| name))
}

/// The rows of a template that has one a line: one of these names, a sign where something is judged, and what is to be said.
pub(super) fn judged_rows(rows: &impl Template, names: &[&'static str]) -> Vec<JudgedRow> {
    let row = |line: &String| {
        let (name, rest) = line.split_once('|')?;
        let (sign, text) = rest.split_once('|')?;
        let name = names.iter().find(|known| **known == name)?;
        Some(JudgedRow { name, text: text.to_string(), came: StatusSymbol::from_name(sign) })
    };
    template_lines(rows).iter().filter_map(row).collect()
}

/// How many writes, and which.
fn counted(numbers: &Numbers) -> String {
    match numbers.len() {
        0 => "0".to_string(),
        1 => format!("1 (number {numbers})"),
        many => format!("{} (numbers {})", grouped(many as u64), listed(numbers)),
    }
}

/// How long the restore would take with production's data, in words, called the projection that it is, or why it cannot be projected.
/// `None` where nobody asked for it, or nothing was restored.
pub fn projection(record: &Record) -> Option<String> {
    let plan = record.restore_plan().filter(|plan| plan.production_bytes.is_some())?;
    record.recovered_us()?;
    if record.backup_bytes().is_none() {
        return Some("not projected: the backup does not tell its size (`bytes`, a whole number above 0)".into());
    }
    let projection = record.restore_projection()?;
    let (here, there) = (bytes(projection.backup_bytes), bytes(projection.production_bytes));
    let (took, projected) = (seconds(projection.measured_us), span(projection.projected_us));
    let objective = if projection.projected_us > plan.rto_us { ", longer than the RTO" } else { "" };
    Some(format!("{projected} for {there}{objective}: a projection from {took} for {here}, not measured"))
}

/// What the name of one of the [`rows`] means.
pub fn meaning(name: &str) -> &'static str {
    ROWS.iter().find(|(known, _)| *known == name).map_or("", |(_, meaning)| meaning)
}

/// The recovery time against its objective, or that there is none; `None` where users do not have to recover.
pub fn time_limit(record: &Record) -> Option<(StatusSymbol, String)> {
    let plan = record.plan.as_deref().filter(|plan| !plan.control && !plan.alone)?;
    if plan.windows.impact_none && plan.steps.is_empty() {
        return None;
    }
    let Some(rto) = plan.rto_us() else { return Some((StatusSymbol::Warn, "no limit on the time to recover".into())) };
    let met = StatusSymbol::met(rto_met(record));
    let actual = match (record.time_to_recover_us(), record.verdict) {
        (Some(us), _) => seconds(us),
        _ if record.is_unfinished() => UNFINISHED.to_string(),
        (None, verdict) if verdict.is_harness() => "no recovery was seen".to_string(),
        (None, Verdict::SelfHealed) => "users recovered without the runbook".to_string(),
        (None, _) => "users did not recover".to_string(),
    };
    Some((met, format!("{actual}, objective {}: {}", declared(rto), met.words())))
}

/// The backup in words: its id, its age at the fault, its size, and what else it told.
pub fn backup(record: &Record) -> String {
    let Some(facts) = &record.backup else { return "nothing is known of it".into() };
    let mut told: Vec<String> = facts.get("id").map(|id| one_line(id)).into_iter().collect();
    told.extend(record.backup_age_us().map(|us| format!("{} old at the fault", span(us))));
    let size = facts.get("bytes");
    told.extend(size.map(|text| text.trim().parse().map_or_else(|_| one_line(text), bytes)));
    let aged = record.backup_age_us().is_some();
    let told_already = |key: &str| matches!(key, "id" | "bytes") || aged && key == "taken";
    let rest = facts.iter().filter(|(key, _)| !told_already(key));
    told.extend(rest.map(|(key, value)| one_line(&format!("{key} {value}"))));
    if told.is_empty() { "nothing is known of it".into() } else { told.join(", ") }
}

/// From the oldest lost write to the newest one: when they were acknowledged.
pub fn lost_span(record: &Record) -> Option<(DrillTime, DrillTime, usize)> {
    plan(record)?;
    let data = record.data_figures()?;
    let lost = |number| data.lost_before.contains(number) || data.lost_after.contains(number);
    let lost = record.writes.iter().filter(|write| lost(write.number()));
    let times: Vec<DrillTime> = lost.map(|write| write.ended()).collect();
    Some((*times.iter().min()?, *times.iter().max()?, data.lost_before.len() + data.lost_after.len()))
}

fn listed(numbers: &Numbers) -> String {
    let all = numbers.to_string();
    if all.len() <= NUMBERS {
        return all;
    }
    // Only digits, commas and hyphens.
    let cut = all.get(..NUMBERS).unwrap_or_default();
    format!("{},…", cut.rsplit_once(',').map_or(cut, |(whole, _)| whole))
}

#[cfg(test)]
mod tests;
