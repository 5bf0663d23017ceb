//! What the runs of one scenario add up to, by statistics that one odd run does not bend: quantiles, spread, and whether the last
//! runs differ from those before them. Pure functions of runs, oldest first; `docs/history.md` has the formulas.

use super::run::{IndexedRun, RunStanding};
use crate::report::{mean, quantile};
use serde::Serialize;
use std::collections::{BTreeMap, HashMap};

/// A scenario over its runs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Summary {
    /// Name of the scenario.
    pub scenario: String,
    /// Its title, as the newest run has it.
    pub title: String,
    /// All runs.
    pub runs: usize,
    /// Runs by what they say; only `passed` and `failed` say something about the runbook.
    pub standings: BTreeMap<RunStanding, usize>,
    /// passed / (passed + failed), as a ratio in 0..=1; `None` without such a run.
    pub pass_rate: Option<f64>,
    /// Failed runs by verdict.
    pub failures: BTreeMap<&'static str, usize>,
    /// How often the verdict changed though nothing else had.
    pub flakiness: Flakiness,
    /// First confirmed fault → impact.
    pub to_impact: Option<Spread>,
    /// First confirmed fault → alert condition.
    pub to_detect: Option<Spread>,
    /// First confirmed fault → first mitigating command.
    pub to_mitigation: Option<Spread>,
    /// First confirmed fault → recovered, over the runs that recovered.
    pub to_recover: Option<Spread>,
    /// Before and after the last change of the runbook.
    pub runbook_change: Option<RunbookChange>,
    /// The same failure again.
    pub repeated: Repeated,
    /// The newest run that passed.
    pub last_pass: Option<IndexedRun>,
    /// The newest run that failed.
    pub last_fail: Option<IndexedRun>,
    /// The newest run of all.
    pub last: Option<IndexedRun>,
}

/// Neighbours in time with the same runbook, scenario, stack file and images.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Flakiness {
    /// Pairs of neighbours.
    pub pairs: usize,
    /// Pairs whose verdicts differ.
    pub changes: usize,
    /// changes / pairs, in 0..=1; `None` without a pair.
    pub rate: Option<f64>,
}

/// Repeated failures: runs that failed with the same verdict at the same step as the run before.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Repeated {
    /// Failures whose predecessor was the same one.
    pub all: usize,
    /// How many of the newest runs in a row are the same failure; 0 when the newest one passed.
    pub in_a_row: usize,
}

/// The last change of the runbook, by its hash.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RunbookChange {
    /// The first run that counts with the new runbook.
    pub at: IndexedRun,
    /// The stretch of runs with the version before it.
    pub before: RunbookVersion,
    /// The runs since.
    pub after: RunbookVersion,
}

/// Runs in a row with one version of the runbook.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RunbookVersion {
    /// SHA-256 of the runbook; `None` when the scenario had none.
    pub runbook_sha: Option<String>,
    /// Runs that count.
    pub runs: usize,
    /// Those of them that passed.
    pub passed: usize,
    /// First confirmed fault → recovered, over the runs that recovered.
    pub to_recover: Option<Spread>,
}

impl Summary {
    /// One for each scenario, by name.
    pub fn all(runs: &[IndexedRun]) -> Vec<Summary> {
        let mut scenarios: BTreeMap<&str, Vec<&IndexedRun>> = BTreeMap::new();
        runs.iter().for_each(|run| scenarios.entry(&run.scenario).or_default().push(run));
        scenarios.into_values().filter_map(|runs| Summary::of(&runs)).collect()
    }

    /// The summary of the runs of one scenario, oldest first; `None` without a run.
    pub fn of(runs: &[&IndexedRun]) -> Option<Summary> {
        let newest = runs.last()?;
        let counting: Vec<&IndexedRun> = runs.iter().copied().filter(|run| run.standing.counts()).collect();
        let last = |standing| counting.iter().rev().find(|run| run.standing == standing).copied().cloned();
        let passed = counting.iter().filter(|run| run.standing == RunStanding::Passed).count();
        let mut standings = BTreeMap::new();
        runs.iter().for_each(|run| *standings.entry(run.standing).or_default() += 1);
        let mut failures = BTreeMap::new();
        let failed = counting.iter().filter(|run| run.standing == RunStanding::Failed);
        failed.for_each(|run| *failures.entry(run.verdict.name()).or_default() += 1);
        Some(Summary {
            scenario: newest.scenario.clone(),
            title: newest.title.clone(),
            runs: runs.len(),
            standings,
            pass_rate: (!counting.is_empty()).then(|| passed as f64 / counting.len() as f64),
            failures,
            flakiness: flakiness(&counting),
            to_impact: spread(&counting, |run| run.to_impact_us),
            to_detect: spread(&counting, |run| run.to_detect_us),
            to_mitigation: spread(&counting, |run| run.to_mitigation_us),
            to_recover: spread(&counting, |run| run.to_recover_us),
            runbook_change: last_change(&counting),
            repeated: repeated(&counting),
            last_pass: last(RunStanding::Passed),
            last_fail: last(RunStanding::Failed),
            last: Some((*newest).clone()),
        })
    }

    /// Runs of this standing.
    pub fn count(&self, standing: RunStanding) -> usize {
        self.standings.get(&standing).copied().unwrap_or_default()
    }

    /// Runs that say something about the runbook.
    pub fn counting(&self) -> usize {
        self.count(RunStanding::Passed) + self.count(RunStanding::Failed)
    }
}

fn spread(runs: &[&IndexedRun], of: impl Fn(&IndexedRun) -> Option<u64>) -> Option<Spread> {
    Spread::of(&runs.iter().filter_map(|run| of(run)).collect::<Vec<_>>())
}

/// Neighbours are the next run with the same files, whatever ran in between: somebody may go back to an older version. A run
/// whose images are not known is nobody's neighbour.
fn flakiness(counting: &[&IndexedRun]) -> Flakiness {
    let mut latest = HashMap::new();
    let (mut pairs, mut changes) = (0, 0);
    for run in counting {
        let Some(images) = &run.images_sha else { continue };
        let same = (&run.runbook_sha, &run.reading_sha, &run.scenario_sha, &run.stack_sha, images);
        // Of a scenario that expects `not_recovered` one may have passed and the other not, though both are that.
        let came = (run.standing, run.verdict);
        if let Some(before) = latest.insert(same, came) {
            pairs += 1;
            changes += usize::from(before != came);
        }
    }
    Flakiness { pairs, changes, rate: (pairs > 0).then(|| changes as f64 / pairs as f64) }
}

fn same_failure(one: &IndexedRun, other: &IndexedRun) -> bool {
    let failed = one.standing == RunStanding::Failed && other.standing == RunStanding::Failed;
    failed && one.verdict == other.verdict && one.failed_step == other.failed_step
}

fn repeated(counting: &[&IndexedRun]) -> Repeated {
    let pairs = counting.iter().zip(counting.iter().skip(1));
    let all = pairs.filter(|(before, run)| same_failure(before, run)).count();
    let newest = counting.last().filter(|run| run.standing == RunStanding::Failed);
    let in_a_row = newest.map_or(0, |newest| counting.iter().rev().take_while(|run| same_failure(newest, run)).count());
    Repeated { all, in_a_row }
}

fn last_change(counting: &[&IndexedRun]) -> Option<RunbookChange> {
    let stretches: Vec<&[&IndexedRun]> = counting.chunk_by(|one, next| one.runbook_sha == next.runbook_sha).collect();
    let [.., before, after] = stretches.as_slice() else { return None };
    let at = (*after.first()?).clone();
    Some(RunbookChange { at, before: RunbookVersion::of(before)?, after: RunbookVersion::of(after)? })
}

impl RunbookVersion {
    fn of(runs: &[&IndexedRun]) -> Option<RunbookVersion> {
        Some(RunbookVersion {
            runbook_sha: runs.first()?.runbook_sha.clone(),
            runs: runs.len(),
            passed: runs.iter().filter(|run| run.standing == RunStanding::Passed).count(),
            to_recover: spread(runs, |run| run.to_recover_us),
        })
    }
}

/// Runs that each half of a trend needs at least.
pub const TREND_LEAST: usize = 4;
/// Runs that each half of a trend has at most.
pub const TREND_MOST: usize = 10;
/// A shift below this is below the resolution of the times (slices of 100 ms), in microseconds.
const RESOLUTION_US: f64 = 100_000.0;

/// How a time is spread over runs; durations are in microseconds.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Spread {
    /// Runs that have a value.
    pub runs: usize,
    /// The median.
    pub median_us: u64,
    /// The mean: the M of MTTR, where people count so.
    pub mean_us: u64,
    /// Third quartile minus first: the middle half of the runs lies in it.
    pub iqr_us: u64,
    /// The last runs against those before them; `None` where there are too few.
    pub trend: Option<TimeTrend>,
}

/// The median of the last runs against that of the runs before them.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TimeTrend {
    /// Runs in each half.
    pub runs: usize,
    /// Median of the half before.
    pub before_us: u64,
    /// Median of the last half.
    pub last_us: u64,
    /// What that comes to.
    pub direction: Direction,
}

named_enum! {
/// How the times of the newest runs compare with those of the runs before.
pub enum Direction {
    /// The shift is within what runs differ by anyway.
    Steady = "steady",
    /// It takes longer.
    Slower = "slower",
    /// It takes less.
    Faster = "faster",
}
}

fn sorted(values: &[u64]) -> Vec<u64> {
    let mut sorted = values.to_vec();
    sorted.sort_unstable();
    sorted
}

impl Spread {
    /// The spread of values in the order of their runs, oldest first; `None` without values.
    pub fn of(values: &[u64]) -> Option<Spread> {
        let sorted = sorted(values);
        let at = |q| quantile(&sorted, q);
        Some(Spread {
            runs: values.len(),
            median_us: at(0.5)? as u64,
            mean_us: mean(&sorted) as u64,
            iqr_us: (at(0.75)? - at(0.25)?) as u64,
            trend: TimeTrend::of(values),
        })
    }
}

impl TimeTrend {
    /// The last n values against the n before them, n as large as there are values for, from 4 to 10.
    pub fn of(values: &[u64]) -> Option<TimeTrend> {
        let half = (values.len() / 2).min(TREND_MOST);
        if half < TREND_LEAST {
            return None;
        }
        let (rest, last) = values.split_at(values.len() - half);
        let before = sorted(rest.get(rest.len() - half..)?);
        let last = sorted(last);
        let (from, to) = (quantile(&before, 0.5)?, quantile(&last, 0.5)?);
        let iqr = |part: &[u64]| Some(quantile(part, 0.75)? - quantile(part, 0.25)?);
        let usual = iqr(&before)?.max(iqr(&last)?).max(RESOLUTION_US);
        let direction = match to - from {
            shift if shift > usual => Direction::Slower,
            shift if -shift > usual => Direction::Faster,
            _ => Direction::Steady,
        };
        Some(TimeTrend { runs: half, before_us: from as u64, last_us: to as u64, direction })
    }
}

#[cfg(test)]
mod tests;
