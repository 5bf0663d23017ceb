//! What a DR drill asserts beyond a recovery: how far the restore came, and which acknowledged writes survived it. Pure
//! functions of what was recorded while it happened.

use super::{DrillTime, FaultEvent, Location, Record};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// What is waited for before the fault of a DR drill, in the words of its `waited`.
pub const WAIT_BEFORE: &str = "the backup and the content before the fault to be looked at";
/// What is waited for after the runbook of a DR drill, in the words of its `waited`.
pub const WAIT_AFTER: &str = "the restore to be looked at";

named_enum! {
/// How far a restore came. Each level presupposes those below it. Beside it what it means to have reached it, in words that follow on
/// a colon.
pub enum RestoreLevel {
    /// Nothing: the backup cannot even be read.
    #[serde(rename = "L0")]
    L0 = "L0": "the backup cannot be read",
    /// The backup can be read.
    #[serde(rename = "L1")]
    L1 = "L1": "the backup can be read",
    /// It was restored: everything that it holds is back in its place.
    #[serde(rename = "L2")]
    L2 = "L2": "the backup is restored",
    /// The server has replayed what it had to and accepts connections.
    #[serde(rename = "L3")]
    L3 = "L3": "the server has replayed and accepts connections",
    /// The content is what it was: counts, checksums, canary rows.
    #[serde(rename = "L4")]
    L4 = "L4": "the content is what it was",
    /// The application's SLIs hold.
    #[serde(rename = "L5")]
    L5 = "L5": "the application's SLIs hold",
}
}

impl RestoreLevel {
    /// The highest level of which every check held, with all levels below it. `probes` are the answers in the order in which
    /// they came, each with the level and the name of its check: the latest of each check counts. A level that nobody looked at
    /// was not reached, and L5 is that users have recovered, and were still served where that was asked.
    pub fn reached<'a>(
        probes: impl IntoIterator<Item = (RestoreLevel, &'a str, bool)>,
        recovered: bool,
    ) -> RestoreLevel {
        let latest: BTreeMap<(RestoreLevel, &str), bool> =
            probes.into_iter().map(|(level, name, held)| ((level, name), held)).collect();
        let held = |level: RestoreLevel| match level {
            RestoreLevel::L0 => true,
            RestoreLevel::L5 => recovered && latest.iter().all(|((of, _), held)| *of != level || *held),
            _ => {
                let mut checks = latest.iter().filter(|((of, _), _)| *of == level).peekable();
                checks.peek().is_some() && checks.all(|(_, held)| *held)
            }
        };
        RestoreLevel::ALL.into_iter().take_while(|level| held(*level)).last().unwrap_or(RestoreLevel::L0)
    }

    /// The next higher level; `None` after L5.
    pub fn next(self) -> Option<RestoreLevel> {
        RestoreLevel::ALL.into_iter().find(|level| *level > self)
    }
}

/// What a DR drill set out to show.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RestorePlan {
    /// Recovery time objective in microseconds: first confirmed fault → recovered.
    pub rto_us: u64,
    /// Recovery point objective in microseconds: how old the oldest lost write may be that was acknowledged before the fault.
    pub rpo_us: u64,
    /// The load whose requests are the writes of the ledger; its `{{counter}}` numbers them.
    pub load: String,
    /// The condition that makes an answer an acknowledgement, as it was written.
    pub acknowledged: String,
    /// What reads the survivors back, in words: `in db: psql …`.
    pub survivors: String,
    /// What each level is seen by.
    pub probes: Vec<ProbeInfo>,
    /// The level that the scenario expects; L5 unless it exists to fail.
    pub expect: RestoreLevel,
    /// How old the backup may be before the fault, in microseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backup_max_age_us: Option<u64>,
    /// How much production has to restore, in bytes, in the measure of the backup's `bytes`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub production_bytes: Option<u64>,
}

/// How long the restore would take with as much data as production has: a projection, nothing that was measured. It takes the
/// whole time to grow with the data, also what does not (a start, a person's decision), and knows nothing of production's disks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct RestoreProjection {
    /// The size of the backup that was restored, in bytes.
    pub backup_bytes: u64,
    /// How much production has, in bytes.
    pub production_bytes: u64,
    /// From the first mitigating command to the recovery, in microseconds: measured.
    pub measured_us: u64,
    /// `measured × production / backup`, in microseconds: projected.
    pub projected_us: u64,
}

/// What a level is seen by.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProbeInfo {
    /// The level, L1 to L4.
    pub level: RestoreLevel,
    /// Its name: `readable`, `restored`, `replayed`, or that of a check of the content.
    pub name: String,
    /// The service in which it runs.
    pub service: String,
    /// What runs.
    pub run: String,
    /// Where it stands.
    pub at: Location,
}

/// A write of the ledger as it ended: number, end, and whether it was acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct WriteRecord(pub u64, pub DrillTime, pub bool);

impl WriteRecord {
    /// Its number: the load's `{{counter}}`.
    pub fn number(self) -> u64 {
        self.0
    }

    /// When its answer was complete, or it had failed.
    pub fn ended(self) -> DrillTime {
        self.1
    }

    /// Whether the answer said that it is stored.
    pub fn is_acknowledged(self) -> bool {
        self.2
    }
}

/// How one look at a level came out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProbeRecord {
    /// When it was decided.
    pub at_us: DrillTime,
    /// The level.
    pub level: RestoreLevel,
    /// Its name.
    pub name: String,
    /// Whether it held.
    pub held: bool,
    /// What was seen.
    pub evidence: String,
}

/// The content as it was before the fault.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContentRecord {
    /// Name of the check.
    pub name: String,
    /// What its command wrote, or `sha256:…` of it where it is long.
    pub text: String,
}

/// The survivors as they were read back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReadBackRecord {
    /// When the question was put: what was acknowledged until then must be among the survivors.
    pub asked_us: DrillTime,
    /// The numbers that are there; `None` when they could not be read.
    pub survivors: Option<Numbers>,
    /// How often a number came more than once.
    pub duplicates: u64,
    /// What was read in words, or why it could not be.
    pub evidence: String,
    /// What nobody can account for as long as nothing was broken; records of earlier versions do not have it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Unaccounted>,
}

/// Survivors that are no writes of the ledger.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unaccounted {
    /// Those whose number was never sent, or whose write has not ended.
    pub unknown: u64,
    /// How often a number came more than once.
    pub duplicates: u64,
}

/// A set of numbers, written as ranges: `0-411,413`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Numbers(BTreeSet<u64>);

impl Numbers {
    /// Whether a number is in it.
    pub fn contains(&self, number: u64) -> bool {
        self.0.contains(&number)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The numbers in order.
    pub fn iter(&self) -> impl Iterator<Item = u64> + '_ {
        self.0.iter().copied()
    }

    /// Adds a number; `false` when it was there already.
    pub fn insert(&mut self, number: u64) -> bool {
        self.0.insert(number)
    }

    fn parse(text: &str) -> Option<Numbers> {
        /// More numbers than any drill writes: a damaged file must not fill the memory.
        const MOST: u64 = 10_000_000;
        let mut ranges = Vec::new();
        let mut count = 0u64;
        for range in text.split(',').filter(|range| !range.is_empty()) {
            let (first, last) = range.split_once('-').unwrap_or((range, range));
            let (first, last): (u64, u64) = (first.parse().ok()?, last.parse().ok()?);
            count = count.checked_add(last.checked_sub(first)?)?.checked_add(1).filter(|count| *count <= MOST)?;
            ranges.push(first..=last);
        }
        Some(ranges.into_iter().flatten().collect())
    }
}

impl FromIterator<u64> for Numbers {
    fn from_iter<I: IntoIterator<Item = u64>>(numbers: I) -> Self {
        Numbers(numbers.into_iter().collect())
    }
}

impl fmt::Display for Numbers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut numbers = self.iter().peekable();
        let mut separator = "";
        while let Some(first) = numbers.next() {
            let mut last = first;
            while let Some(next) = numbers.next_if(|next| last.checked_add(1) == Some(*next)) {
                last = next;
            }
            match first == last {
                true => write!(f, "{separator}{first}")?,
                false => write!(f, "{separator}{first}-{last}")?,
            }
            separator = ",";
        }
        Ok(())
    }
}

impl Serialize for Numbers {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Numbers {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Numbers::parse(&text).ok_or_else(|| serde::de::Error::custom("not a set of numbers like `0-411,413`"))
    }
}

/// What became of the writes. A write is judged when it was acknowledged before the survivors were asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DataFigures {
    /// Writes that were acknowledged before the survivors were asked for.
    pub acknowledged: u64,
    /// Those of them that survived.
    pub survived: u64,
    /// Those that were acknowledged before the fault ([`fault_of_losses`]) and are lost.
    pub lost_before: Numbers,
    /// How many of these were acknowledged since the first injection was begun: a fault may have been in place already.
    pub lost_meanwhile: u64,
    /// Those that were acknowledged after the fault and are lost: a figure of its own.
    pub lost_after: Numbers,
    /// How many of these were acknowledged after users had recovered: what was restored has lost them.
    #[serde(skip)]
    pub lost_served: u64,
    /// Recovery point in microseconds: fault − acknowledgement of the oldest lost write that was acknowledged before it; 0 when
    /// none of these is lost.
    pub rpo_us: u64,
    /// Whether that is a bound from below: no judged write older than the oldest lost one survived, so older data may be lost.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub rpo_at_least: bool,
    /// The bound from above in microseconds, where there is one from below only and the backup told when it was taken: the age
    /// of the backup at the fault.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rpo_at_most_us: Option<u64>,
    /// Writes that are there although they were never acknowledged: the caller was told that they failed.
    pub unacknowledged_survived: Numbers,
    /// Survivors whose number was never sent, or whose write never ended.
    pub unknown: u64,
    /// Numbers that were there more than once.
    pub duplicates: u64,
    /// Of these two, those that were not there before the fault. Where numbers came more than once then, it is only told that they do.
    #[serde(skip)]
    pub brought: u64,
    /// Writes that were acknowledged after the survivors were asked for: they are not judged.
    #[serde(default)]
    pub acknowledged_later: u64,
    /// Those of them that are among the survivors all the same.
    #[serde(default)]
    pub later_survived: u64,
}

/// The fault from which a loss is measured, of all that were confirmed, each time that they came: the last one before the survivors were read
/// that lost a write which was acknowledged after the fault before it, otherwise the first one. It may have lost everything older. One that comes when nothing is
/// acknowledged any more has nothing newer to lose. `None` where none was confirmed.
pub fn fault_of_losses(
    writes: &[WriteRecord],
    read: &ReadBackRecord,
    confirmed: impl Iterator<Item = DrillTime>,
) -> Option<DrillTime> {
    let mut confirmed: Vec<DrillTime> = confirmed.collect();
    confirmed.sort_unstable();
    let is_lost = |write: &&WriteRecord| {
        let survived = |survivors: &Numbers| survivors.contains(write.number());
        write.is_acknowledged() && read.survivors.as_ref().is_some_and(|survivors| !survived(survivors))
    };
    let lost: Vec<DrillTime> = writes.iter().filter(is_lost).map(|write| write.ended()).collect();
    let mut later = confirmed.windows(2).rev().filter(|pair| pair[1] <= read.asked_us);
    let later = later.find(|pair| lost.iter().any(|at| *at > pair[0] && *at <= pair[1]));
    later.map(|pair| pair[1]).or(confirmed.first().copied())
}

/// The acknowledged writes that were there when the survivors were first read back, or were acknowledged later, and are no longer there.
pub fn lost_since(writes: &[WriteRecord], first: &ReadBackRecord, again: &ReadBackRecord) -> Numbers {
    let (Some(first_there), Some(there)) = (&first.survivors, &again.survivors) else { return Numbers::default() };
    let stored = writes.iter().filter(|write| {
        let known = first_there.contains(write.number()) || write.ended() > first.asked_us;
        write.is_acknowledged() && write.ended() <= again.asked_us && known
    });
    stored.map(|write| write.number()).filter(|number| !there.contains(*number)).collect()
}

impl DataFigures {
    /// What became of the writes of a ledger. `injections` say when each began and was confirmed, `fault` is the one from which losses are
    /// measured, `recovered` when users first had. The age of the backup at the fault bounds a loss that is known from below only.
    /// `None` where the survivors could not be read back.
    pub fn of(
        writes: &[WriteRecord],
        read: &ReadBackRecord,
        injections: &[(DrillTime, DrillTime)],
        fault: DrillTime,
        recovered: Option<DrillTime>,
        backup_age_us: Option<u64>,
    ) -> Option<DataFigures> {
        let survivors = read.survivors.as_ref()?;
        let begun = injections.iter().find(|(_, confirmed)| *confirmed == fault).map_or(fault, |(began, _)| *began);
        let mut figures = DataFigures { duplicates: read.duplicates, ..DataFigures::default() };
        let mut ended = BTreeSet::new();
        let mut oldest: Option<DrillTime> = None;
        for write in writes {
            let (number, at) = (write.number(), write.ended());
            ended.insert(number);
            match (write.is_acknowledged(), survivors.contains(number)) {
                (false, true) => {
                    figures.unacknowledged_survived.insert(number);
                }
                (true, survived) if at <= read.asked_us => {
                    figures.acknowledged += 1;
                    if survived {
                        figures.survived += 1;
                    } else if at <= fault {
                        figures.lost_before.insert(number);
                        figures.lost_meanwhile += u64::from(at > begun);
                        oldest = Some(oldest.map_or(at, |oldest| oldest.min(at)));
                    } else {
                        figures.lost_after.insert(number);
                        figures.lost_served += u64::from(recovered.is_some_and(|recovered| at > recovered));
                    }
                }
                (true, survived) => {
                    figures.acknowledged_later += 1;
                    figures.later_survived += u64::from(survived);
                }
                (false, false) => {}
            }
        }
        figures.unknown = survivors.iter().filter(|number| !ended.contains(number)).count() as u64;
        figures.brought = read.before.map_or(0, |before| {
            let again = if before.duplicates == 0 { read.duplicates } else { 0 };
            figures.unknown.saturating_sub(before.unknown) + again
        });
        figures.rpo_us = oldest.map_or(0, |oldest| fault.0.saturating_sub(oldest.0));
        let survived = |write: &WriteRecord| write.is_acknowledged() && survivors.contains(write.number());
        figures.rpo_at_least =
            oldest.is_some_and(|oldest| !writes.iter().any(|write| write.ended() < oldest && survived(write)));
        // A backup that is younger than a loss is not the one that was restored.
        figures.rpo_at_most_us = backup_age_us.filter(|age| figures.rpo_at_least && *age >= figures.rpo_us);
        Some(figures)
    }

    /// Whether an acknowledged write was lost.
    pub fn is_lossy(&self) -> bool {
        !self.lost_before.is_empty() || !self.lost_after.is_empty()
    }

    /// The recovery point by which it is judged, in microseconds: where it is known from below only, the bound from above; `None` without one.
    pub fn judged_rpo_us(&self) -> Option<u64> {
        self.rpo_at_most_us.or((!self.rpo_at_least).then_some(self.rpo_us))
    }

    /// Whether the recovery point is known to be beyond an objective, in microseconds.
    pub fn misses_rpo(&self, objective_us: u64) -> bool {
        self.judged_rpo_us().unwrap_or(self.rpo_us) > objective_us
    }

    /// Whether the recovery point is known to be within an objective, in microseconds.
    pub fn meets_rpo(&self, objective_us: u64) -> bool {
        self.judged_rpo_us().is_some_and(|rpo| rpo <= objective_us)
    }
}

/// How old a backup was at an instant of the drill, in microseconds, by its fact `taken`; `None` when it does not say.
pub fn backup_age_us(facts: &BTreeMap<String, String>, started_utc: &str, at: DrillTime) -> Option<u64> {
    let parsed = |text: &str| OffsetDateTime::parse(text.trim(), &Rfc3339).ok();
    let at = parsed(started_utc)?.checked_add(time::Duration::microseconds(i64::try_from(at.0).ok()?))?;
    u64::try_from((at - parsed(facts.get("taken")?)?).whole_microseconds()).ok()
}

impl Record {
    /// The size of the backup, as its fact `bytes` says; `None` where that is no whole number above 0.
    pub fn backup_bytes(&self) -> Option<u64> {
        self.backup.as_ref()?.get("bytes")?.trim().parse().ok().filter(|bytes| *bytes > 0)
    }

    /// How long the restore would take in production; `None` where the scenario does not say how much that has, the backup not
    /// how large it is, or users have not recovered.
    pub fn restore_projection(&self) -> Option<RestoreProjection> {
        let production_bytes = self.restore_plan()?.production_bytes?;
        let backup_bytes = self.backup_bytes()?;
        let measured_us = self.recovered_us()?.0.checked_sub(self.mitigation_started_us?.0)?;
        let projected = u128::from(measured_us) * u128::from(production_bytes) / u128::from(backup_bytes);
        let projected_us = u64::try_from(projected).unwrap_or(u64::MAX);
        Some(RestoreProjection { backup_bytes, production_bytes, measured_us, projected_us })
    }

    /// What the drill set out to show about the restore; `None` for drills of other kinds.
    pub fn restore_plan(&self) -> Option<&RestorePlan> {
        self.plan.as_ref()?.restore.as_ref()
    }

    /// The highest level of which every check held, with all levels below it; `None` when nobody asked. The latest answer of
    /// each check counts.
    pub fn restore_level(&self) -> Option<RestoreLevel> {
        self.restore_plan().filter(|_| !self.probes.is_empty())?;
        let probes = self.probes.iter().map(|probe| (probe.level, probe.name.as_str(), probe.held));
        Some(RestoreLevel::reached(probes, self.recovered_us().is_some()))
    }

    /// Whether a check of the content was asked after the restore.
    pub fn content_was_compared(&self) -> bool {
        self.probes.iter().any(|probe| probe.level == RestoreLevel::L4)
    }

    /// Whether the level is the one that the scenario expects; a control, and drills of other kinds, expect none.
    pub fn level_as_expected(&self) -> bool {
        self.restore_plan().is_none_or(|plan| self.is_control() || self.restore_level() == Some(plan.expect))
    }

    /// The fault from which losses are measured.
    pub fn losses_from(&self) -> Option<DrillTime> {
        let moments = self.counted_faults().flat_map(|fault| &fault.life);
        let confirmed = moments.filter(|moment| moment.what == FaultEvent::Confirmed).map(|moment| moment.at_us);
        let read = self.read_back.as_ref();
        read.map_or_else(|| self.injected_us(), |read| fault_of_losses(&self.writes, read, confirmed))
    }

    /// How old the backup was at the fault from which losses are measured, in microseconds; `None` when it does not say when it was
    /// taken.
    pub fn backup_age_us(&self) -> Option<u64> {
        backup_age_us(self.backup.as_ref()?, &self.plan.as_ref()?.started_utc, self.losses_from()?)
    }

    /// What became of the writes; `None` when the survivors could not be read back, or no fault was confirmed.
    pub fn data_figures(&self) -> Option<DataFigures> {
        self.restore_plan()?;
        let (read_back, fault) = (self.read_back.as_ref()?, self.losses_from()?);
        let (recovered, backup_age_us) = (self.first_recovered_us(), self.backup_age_us());
        DataFigures::of(&self.writes, read_back, &self.injections(), fault, recovered, backup_age_us)
    }
}

/// A count with commas between thousands: `4,021`.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let groups: Vec<_> = digits.as_bytes().rchunks(3).rev().map(String::from_utf8_lossy).collect();
    groups.join(",")
}

#[cfg(test)]
mod tests;
