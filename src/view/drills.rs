//! What a report is about: the drills of one or several game days (the shards of one, for instance), and records that belong
//! to none.

use super::clock::instant;
use crate::record::{Account, Attempt, Day, DayDrill, DayPlan, DrillStatus, LeftOutDrill, Record, RunOutcome};
use time::Duration;

/// Shards of one game day begin within this time, where nothing else says that they are of one.
const NIGHT: Duration = Duration::hours(6);

/// The game days and the records that a report is made from.
#[derive(Debug, Clone, Default)]
pub struct Drills {
    /// Game days, oldest first.
    pub days: Vec<Day>,
    /// The records of every attempt, oldest first.
    pub records: Vec<Record>,
    /// What lies there as well and could not be read, and why: nobody knows how it came out.
    pub unread: Vec<String>,
}

/// One drill with all of its attempts: a line of a report.
#[derive(Debug, Clone)]
pub struct DrillEntry<'a> {
    /// The game day, or the shard of it; `None` for a record of its own.
    pub day: Option<&'a Day>,
    /// The drill as the game day planned it.
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

/// One game day with all of its shards that were found.
#[derive(Debug, Clone)]
pub struct DayGroup<'a> {
    /// The shards in their order; a game day without shards is one.
    pub days: Vec<&'a Day>,
    /// The shards that were found of the same run of CI, these and those of its other attempts.
    of_run: Vec<u32>,
}

impl<'a> DayGroup<'a> {
    /// Name of the game day.
    pub fn name(&self) -> &'a str {
        self.days.first().map_or("", |day| &day.plan.name)
    }

    /// Its title.
    pub fn title(&self) -> &'a str {
        self.days.first().map_or("", |day| &day.plan.title)
    }

    /// How many shards there are to be, where there are any.
    pub fn shards(&self) -> Option<u32> {
        self.days.first().and_then(|day| day.plan.shard).map(|(_, of)| of)
    }

    /// How long it took: as long as its longest shard, in microseconds.
    pub fn took_us(&self) -> u64 {
        self.days.iter().map(|day| day.last_us).max().unwrap_or(0)
    }

    /// The shards of which nothing was found: their drills are not in any report.
    pub fn missing(&self) -> Vec<u32> {
        self.absent().filter(|n| !self.of_run.contains(n)).collect()
    }

    /// The shards that are here of another attempt of the same run of CI only.
    pub fn elsewhere(&self) -> Vec<u32> {
        self.absent().filter(|n| self.of_run.contains(n)).collect()
    }

    fn absent(&self) -> impl Iterator<Item = u32> {
        let found = move |n: u32| self.days.iter().any(|day| day.plan.shard.is_some_and(|(shard, _)| shard == n));
        (1..=self.shards().unwrap_or(0)).filter(move |n| !found(*n))
    }

    /// Scenarios that were asked for and cannot be drilled where the drills were carried out, each once.
    pub fn refused(&self) -> Vec<&'a LeftOutDrill> {
        let all = self.days.iter().flat_map(|day| &day.plan.left_out).filter(|left| left.refused);
        let mut all: Vec<&LeftOutDrill> = all.collect();
        all.sort_by(|a, b| a.scenario.cmp(&b.scenario));
        all.dedup();
        all
    }

    /// Whether every shard came to its end.
    pub fn ended(&self) -> bool {
        self.days.iter().all(|day| day.ended)
    }

    /// Whether a day is another shard of this game day, and not one that is here already.
    fn takes(&self, day: &Day) -> bool {
        let mut taken = self.days.iter().filter_map(|known| known.plan.shard).map(|(shard, _)| shard);
        self.shard_of(day).is_some_and(|shard| taken.all(|taken| taken != shard))
    }

    /// Which shard of this game day a day is: of the same plan and the same night.
    fn shard_of(&self, day: &Day) -> Option<u32> {
        let (shard, of) = day.plan.shard?;
        let same = |known: &Day| {
            let (a, b) = (&known.plan, &day.plan);
            (&a.name, &a.revision, a.file.as_ref().map(|f| &f.sha256))
                == (&b.name, &b.revision, b.file.as_ref().map(|f| &f.sha256))
        };
        let is_of = |known: &&Day| same(known) && one_night(&known.plan, &day.plan);
        (self.shards() == Some(of) && self.days.first().is_some_and(is_of)).then_some(shard)
    }

    fn drills(&self) -> Vec<(&'a Day, &'a DayDrill)> {
        let of = |day: &'a Day| day.drills.iter().map(move |drill| (day, drill));
        let mut drills: Vec<_> = self.days.iter().copied().flat_map(of).collect();
        // The numbers of a plan are the same in every shard. One day keeps the order in which it started its drills.
        if self.days.len() > 1 {
            drills.sort_by_key(|(_, drill)| drill.planned.number);
        }
        drills
    }
}

/// Whether two plans are of one night: of one run of CI, where CI says which; otherwise they began within six hours.
fn one_night(a: &DayPlan, b: &DayPlan) -> bool {
    // Without the number of the attempt: a shard that is run once more belongs to the others.
    let run = |occasion: &str| occasion.split('/').next().map(str::to_string);
    match (&a.occasion, &b.occasion) {
        (Some(a), Some(b)) => run(a) == run(b),
        (None, None) => (instant(&a.started_utc) - instant(&b.started_utc)).abs() <= NIGHT,
        _ => false,
    }
}

/// How many drills have each of these statuses; only what there is.
pub fn status_counts(entries: &[DrillEntry<'_>], of: [DrillStatus; 7]) -> Vec<(DrillStatus, usize)> {
    let count = |status| (status, entries.iter().filter(|entry| entry.status == status).count());
    of.map(count).into_iter().filter(|(_, count)| *count > 0).collect()
}

impl Drills {
    /// One drill that no game day had planned.
    pub fn one(record: Record) -> Drills {
        Drills { records: vec![record], ..Drills::default() }
    }

    /// The record of a run.
    pub fn record(&self, run: &str) -> Option<&Record> {
        self.records.iter().find(|record| record.plan.as_ref().is_some_and(|plan| plan.run == run))
    }

    /// Whether there is nothing to report.
    pub fn is_empty(&self) -> bool {
        self.days.is_empty() && self.records.is_empty()
    }

    /// The game days, oldest first, shards of one put together.
    pub fn groups(&self) -> Vec<DayGroup<'_>> {
        let mut groups: Vec<DayGroup<'_>> = Vec::new();
        for day in &self.days {
            // CI may run a part of its jobs once more: then shards of two attempts are one game day, unless there is a whole one.
            let same = |group: &DayGroup<'_>| group.days.iter().any(|known| known.plan.occasion == day.plan.occasion);
            let of_attempt = groups.iter().position(|group| group.takes(day) && same(group));
            let found = of_attempt.or_else(|| groups.iter().position(|group| group.takes(day)));
            match found.and_then(|at| groups.get_mut(at)) {
                Some(group) => group.days.push(day),
                None => groups.push(DayGroup { days: vec![day], of_run: Vec::new() }),
            }
        }
        for group in &mut groups {
            group.days.sort_by_key(|day| day.plan.shard);
            let of_ci = self.days.iter().filter(|day| day.plan.occasion.is_some());
            group.of_run = of_ci.filter_map(|day| group.shard_of(day)).collect();
        }
        groups
    }

    /// The names of the game days, each once; empty where there is none.
    pub fn name(&self) -> String {
        let mut names: Vec<&str> =
            self.groups().iter().map(|group| group.name()).filter(|name| !name.is_empty()).collect();
        names.dedup();
        names.join(", ")
    }

    /// How many drills came out how, those of game days and the others.
    pub fn account(&self) -> Account {
        let entries = self.entries();
        let told =
            entries.iter().map(|entry| (entry.status, entry.attempts.iter().filter_map(|(attempt, _)| *attempt)));
        Account::of(told)
    }

    /// How all of it came out: the worst of the game days ([`Day::outcome`]) and of the other drills. A shard that is missing
    /// and what could not be read say nothing, so the whole is not passed; nor is nothing at all.
    pub fn outcome(&self) -> RunOutcome {
        let read = !self.is_empty() && self.unread.is_empty();
        let whole = read && self.groups().iter().all(|group| group.missing().is_empty());
        let floor = if whole { RunOutcome::Passed } else { RunOutcome::Broken };
        let own = self.entries().into_iter().filter(|entry| entry.planned.is_none());
        let own = own.map(|entry| match entry.record() {
            Some(record) if entry.status != DrillStatus::Incomplete => record.outcome(),
            _ => RunOutcome::Broken,
        });
        self.days.iter().map(Day::outcome).chain(own).fold(floor, RunOutcome::max)
    }

    /// Every drill: those of the game days in the order of their plans, then the other records.
    pub fn entries(&self) -> Vec<DrillEntry<'_>> {
        let drills = self.groups().into_iter().flat_map(|group| group.drills());
        let planned = drills.map(|(day, drill)| DrillEntry {
            day: Some(day),
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
        planned.chain(own.map(DrillEntry::of_record)).collect()
    }
}

impl<'a> DrillEntry<'a> {
    fn of_record(record: &'a Record) -> DrillEntry<'a> {
        let plan = record.plan.as_ref();
        DrillEntry {
            day: None,
            planned: None,
            scenario: plan.map_or("", |plan| &plan.scenario),
            title: plan.map_or("", |plan| &plan.title),
            control: record.is_control(),
            status: if record.is_unfinished() { DrillStatus::Incomplete } else { record.outcome().status() },
            attempts: vec![(None, Some(record))],
        }
    }

    /// The record that counts: that of the attempt that its status speaks of, or its own.
    pub fn record(&self) -> Option<&'a Record> {
        let counts = self.planned.and_then(DayDrill::counting).map(|attempt| &attempt.run);
        let own = self.attempts.iter().find(|(attempt, _)| attempt.map(|attempt| &attempt.run) == counts);
        own.and_then(|(_, record)| *record)
    }
}

#[cfg(test)]
mod tests;
