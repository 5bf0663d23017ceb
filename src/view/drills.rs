//! What a report is about: the drills of one or several game days (the shards of one, for instance), and records that belong
//! to none. And what is said of a drill in a line or two, the same in every report of several drills: how it came out, where, why, and what
//! each of its attempts was.

use super::clock::instant;
use super::format::seconds;
use super::restore::other_level;
use super::symbol::StatusSymbol;
use super::words;
use crate::output::one_line;
use crate::record::{
    Account, Attempt, Cause, Day, DayDrill, DayPlan, DrillStatus, LeftOutDrill, Location, Record, RunOutcome, Verdict,
    label,
};
use time::Duration;

/// Shards of one game day begin within this time, where nothing else says that they are of one.
const NIGHT: Duration = Duration::hours(6);
/// Why a drill of a game day that was cut off, or is under way, has not begun.
const CUT_OFF: &str = "the game day was cut off before its turn";
const NOT_YET: &str = "the game day is under way, and its turn has not come";

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
fn reason(record: &Record) -> String {
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

#[cfg(test)]
mod tests;
