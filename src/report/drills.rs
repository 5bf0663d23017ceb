//! What a report is about: the drills of one or several game days (the shards of one, for instance), and records that belong
//! to none.

use crate::record::{Attempt, Day, DayDrill, DrillStatus, Outcome, Record, Verdict};

/// The game days and the records that a report is made from.
#[derive(Debug, Clone, Default)]
pub struct Drills {
    /// Game days, oldest first.
    pub days: Vec<Day>,
    /// The records of every attempt, oldest first.
    pub records: Vec<Record>,
}

/// One drill with all of its attempts: a line of a report.
#[derive(Debug, Clone)]
pub struct Entry<'a> {
    /// The drill as a game day planned it; `None` for a record of its own.
    pub planned: Option<&'a DayDrill>,
    /// Name of the scenario.
    pub scenario: &'a str,
    /// Its title.
    pub title: &'a str,
    /// Whether it is the control.
    pub control: bool,
    /// What became of it.
    pub status: DrillStatus,
    /// Its attempts, in order: what the game day knows, and the record, where there is one.
    pub attempts: Vec<(Option<&'a Attempt>, Option<&'a Record>)>,
}

impl Drills {
    /// One drill that no game day had planned.
    pub fn one(record: Record) -> Drills {
        Drills { days: Vec::new(), records: vec![record] }
    }

    /// The record of a run.
    pub fn record(&self, run: &str) -> Option<&Record> {
        self.records.iter().find(|record| record.plan.as_ref().is_some_and(|plan| plan.run == run))
    }

    /// Every drill: those of the game days in the order of their plans, then the other records.
    pub fn entries(&self) -> Vec<Entry<'_>> {
        let planned = self.days.iter().flat_map(|day| &day.drills).map(|drill| Entry {
            planned: Some(drill),
            scenario: &drill.planned.scenario,
            title: &drill.planned.title,
            control: drill.planned.control,
            status: drill.status(),
            attempts: drill.attempts.iter().map(|attempt| (Some(attempt), self.record(&attempt.run))).collect(),
        });
        let known =
            |run: &str| self.days.iter().flat_map(|day| &day.drills).flat_map(|d| &d.attempts).any(|a| a.run == run);
        let own = self.records.iter().filter(|record| record.plan.as_ref().is_none_or(|plan| !known(&plan.run)));
        planned.chain(own.map(Entry::of_record)).collect()
    }
}

impl<'a> Entry<'a> {
    fn of_record(record: &'a Record) -> Entry<'a> {
        let plan = record.plan.as_ref();
        Entry {
            planned: None,
            scenario: plan.map_or("", |plan| &plan.scenario),
            title: plan.map_or("", |plan| &plan.title),
            control: record.is_control(),
            status: match record.outcome() {
                _ if !record.ended || record.verdict == Verdict::Incomplete => DrillStatus::Incomplete,
                Outcome::Passed => DrillStatus::Passed,
                Outcome::Failed => DrillStatus::Failed,
                Outcome::Broken => DrillStatus::Broken,
                Outcome::Interrupted => DrillStatus::Interrupted,
            },
            attempts: vec![(None, Some(record))],
        }
    }

    /// The record that counts: of the last attempt that was not disturbed, else of the last one.
    pub fn record(&self) -> Option<&'a Record> {
        let telling = self.attempts.iter().rev().find(|(attempt, _)| attempt.is_none_or(|attempt| !attempt.disturbed));
        telling.or(self.attempts.last()).and_then(|(_, record)| *record)
    }
}
