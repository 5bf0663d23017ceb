//! What is said of a drill in a line or two, the same in every report of several drills: how it came out, where, why, and what
//! each of its attempts was.

use super::DrillEntry;
use super::format::seconds;
use super::restore::other_level;
use super::symbol::StatusSymbol;
use super::words;
use crate::output::one_line;
use crate::record::{Attempt, Cause, DrillStatus, Location, Record, RunOutcome, Verdict, label};

/// Why a drill of a game day that was cut off, or is under way, has not begun.
const CUT_OFF: &str = "the game day was cut off before its turn";
const NOT_YET: &str = "the game day is under way, and its turn has not come";

impl DrillStatus {
    /// The mark that stands before it.
    pub fn mark(self) -> StatusSymbol {
        match self {
            DrillStatus::Passed => StatusSymbol::Good,
            DrillStatus::Failed => StatusSymbol::Bad,
            DrillStatus::NotRun => StatusSymbol::Skip,
            DrillStatus::Flaky | DrillStatus::Broken | DrillStatus::Incomplete | DrillStatus::Interrupted => {
                StatusSymbol::Warn
            }
        }
    }

    /// Whether somebody has to look into it.
    pub fn is_trouble(self) -> bool {
        !matches!(self, DrillStatus::Passed | DrillStatus::NotRun)
    }
}

impl<'a> DrillEntry<'a> {
    /// Its name among its like, the same in every report: [`crate::record::PlannedDrill::label`].
    pub fn name(&self) -> String {
        match (self.planned, self.scenario.trim()) {
            (Some(drill), _) => one_line(&drill.planned.label()),
            (None, "") => "(nothing was announced)".into(),
            (None, scenario) => one_line(&label(scenario, 1, self.control)),
        }
    }

    /// The mark of its status; a pass with a doubt at its head is worth a look.
    pub fn mark(&self) -> StatusSymbol {
        let doubted = |record: &Record| words::headline(record).0 == StatusSymbol::Warn;
        let doubted = self.status == DrillStatus::Passed && self.record().is_some_and(doubted);
        if doubted { StatusSymbol::Warn } else { self.status.mark() }
    }

    /// The verdict of the attempt that counts; `None` when there is none.
    pub fn verdict(&self) -> Option<Verdict> {
        self.record().map(|record| record.verdict).or_else(|| self.last().map(|attempt| attempt.verdict))
    }

    /// The attempt that the status speaks of.
    fn last(&self) -> Option<&Attempt> {
        self.planned?.counting()
    }

    /// The record that shows what went wrong: of a flaky drill that of the attempt that failed, otherwise the one that counts.
    pub fn telling_record(&self) -> Option<&'a Record> {
        let failed = |(attempt, record): &(Option<&Attempt>, Option<&_>)| {
            record.is_some() && attempt.is_some_and(|a| a.outcome == Some(RunOutcome::Failed) && !a.disturbed)
        };
        let flaky = self.attempts.iter().find(|pair| self.status == DrillStatus::Flaky && failed(pair));
        flaky.and_then(|(_, record)| *record).or_else(|| self.record())
    }

    /// Why it came out as it did, in one line without the place; empty when nothing is known.
    pub fn why(&self) -> String {
        if self.status == DrillStatus::NotRun {
            let said = self.planned.and_then(|drill| drill.not_run.as_deref());
            return one_line(said.unwrap_or(if self.is_under_way() { NOT_YET } else { CUT_OFF }));
        }
        let of_record = self.telling_record().map(reason).unwrap_or_default();
        if !of_record.is_empty() {
            return of_record;
        }
        let said = one_line(self.last().map_or("", |attempt| &attempt.reason));
        match said.is_empty() && self.status == DrillStatus::Incomplete {
            true if self.is_under_way() => "it is under way, and there is no record of it yet".into(),
            true => "it was cut off, and there is no record of it".into(),
            false => said,
        }
    }

    /// Whether its game day goes on.
    fn is_under_way(&self) -> bool {
        self.day.is_some_and(|day| day.alive)
    }

    /// The place in the user's files that the verdict names.
    pub fn place(&self) -> Option<&'a Location> {
        self.telling_record().and_then(|record| record.at.as_ref())
    }

    /// How long the attempt that counts took, in microseconds.
    pub fn took_us(&self) -> Option<u64> {
        let attempt = self.last().and_then(|attempt| Some(attempt.ended_us?.saturating_sub(attempt.started_us)));
        self.record().map(|record| record.last_us.0).or(attempt)
    }

    /// Each attempt in a line, where there was more than one: what it came to, and why another one was made.
    pub fn attempts_told(&self) -> Vec<String> {
        let Some(planned) = self.planned.filter(|drill| drill.attempts.len() > 1) else { return Vec::new() };
        planned.attempts.iter().map(|attempt| told(attempt, self.is_under_way())).collect()
    }
}

fn told(attempt: &Attempt, under_way: bool) -> String {
    let cause = match attempt.cause {
        Cause::Planned => "",
        Cause::Disturbed => ", again and alone because the one before was disturbed",
        Cause::Retry => ", again because the one before failed",
        Cause::Lost => ", again because the one before was lost with its machine",
    };
    let came = match (attempt.outcome, attempt.disturbed) {
        (None, _) if under_way => "under way".to_string(),
        (None, _) => "cut off".to_string(),
        (Some(_), true) => "disturbed, so it counts for nothing".to_string(),
        (Some(_), false) => attempt.verdict.to_string(),
    };
    let took = attempt.ended_us.map(|ended| format!(" after {}", seconds(ended.saturating_sub(attempt.started_us))));
    let reason = if attempt.reason.is_empty() { String::new() } else { format!(": {}", one_line(&attempt.reason)) };
    format!("attempt {} (run {}{cause}): {came}{}{reason}", attempt.attempt, attempt.run, took.unwrap_or_default())
}

/// Why a drill came out as it did, in one line without the place.
pub fn reason(record: &Record) -> String {
    let under_way = words::cut_off(record).filter(|_| record.under_way().is_some());
    let left = (!record.left.is_empty()).then(|| format!("left behind: {}", record.left.join(", ")));
    let spoiled = record.spoilers().next().map(|j| format!("{}: {}", j.verdict, j.reason));
    let expected = (record.expects_failure() && record.verdict != record.expected())
        .then(|| format!("expected {}, got {}", record.expected(), record.verdict))
        .or_else(|| other_level(record));
    let own = (!record.reason.is_empty()).then(|| record.reason.clone());
    let trouble = [under_way, left, spoiled].into_iter().flatten().filter(|_| !record.passed());
    let all: Vec<String> = expected.into_iter().chain(own).chain(trouble).collect();
    one_line(&all.join("; "))
}
