//! The slices of a load as a record keeps them: one column per figure, so that ten minutes of load stay small and
//! charts can be drawn later. Windows over them are exact sums.

use super::{DrillTime, Slice};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Length of a slice in microseconds: the resolution of times in a record.
pub const SLICE_US: u64 = 100_000;

/// Slices beyond this number are not kept (a day of load): a damaged file must not cost all memory.
const MAX_SLICES: u64 = 24 * 3600 * 10;

/// Good and valid events of an SLI over a window.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Good events.
    pub good: u64,
    /// Valid events: every request that was due.
    pub valid: u64,
}

impl Counts {
    /// Good / valid; `None` without events, because no data is not good data.
    pub fn ratio(self) -> Option<f64> {
        (self.valid > 0).then(|| self.good as f64 / self.valid as f64)
    }

    /// Whether the ratio meets an objective; a window without events does not.
    pub fn meets(self, objective: f64) -> bool {
        self.ratio().is_some_and(|ratio| ratio >= objective)
    }
}

/// Every slice of one load. The columns are indexed by the number of the slice; one that never came has nothing due.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoadSeries {
    /// Name of the load.
    pub load: String,
    /// Start of slice 0 in drill time.
    pub start_us: DrillTime,
    /// Requests due.
    pub due: Vec<u64>,
    /// SLI → good events.
    pub good: BTreeMap<String, Vec<u64>>,
    /// Result (`200`, `timeout` …) → events. A column may be shorter than `due`: the rest is 0.
    pub results: BTreeMap<String, Vec<u64>>,
    /// Median of the latency in microseconds.
    pub p50_us: Vec<u64>,
    /// 99th percentile of the latency in microseconds.
    pub p99_us: Vec<u64>,
    /// Maximum of the latency in microseconds.
    pub max_us: Vec<u64>,
}

impl LoadSeries {
    /// An empty series whose slice 0 starts where this slice says.
    pub fn new(slice: &Slice) -> Self {
        let back = slice.index.saturating_mul(SLICE_US);
        let start_us = DrillTime(slice.start_us.0.saturating_sub(back));
        LoadSeries { load: slice.load.clone(), start_us, ..LoadSeries::default() }
    }

    /// Takes a slice in; in any order. `false` when its number is beyond all reason.
    pub fn push(&mut self, slice: &Slice) -> bool {
        if slice.index >= MAX_SLICES {
            return false;
        }
        // Cannot truncate: the number is below MAX_SLICES.
        let at = slice.index as usize;
        put(&mut self.due, at, slice.due);
        for (sli, good) in &slice.good {
            put(self.good.entry(sli.clone()).or_default(), at, *good);
        }
        for (result, events) in &slice.results {
            put(self.results.entry(result.clone()).or_default(), at, *events);
        }
        let [p50, p99, max] = slice.latency_us;
        put(&mut self.p50_us, at, p50);
        put(&mut self.p99_us, at, p99);
        put(&mut self.max_us, at, max);
        true
    }

    /// Start of a slice.
    pub fn start_of(&self, index: usize) -> DrillTime {
        DrillTime(self.start_us.0.saturating_add((index as u64).saturating_mul(SLICE_US)))
    }

    /// End of the last slice.
    pub fn end_us(&self) -> DrillTime {
        self.start_of(self.due.len())
    }

    /// Numbers of the slices that start in `from..to`.
    fn indices(&self, from: DrillTime, to: DrillTime) -> std::ops::Range<usize> {
        let index = |t: DrillTime| {
            let n = t.0.saturating_sub(self.start_us.0).div_ceil(SLICE_US);
            usize::try_from(n).unwrap_or(usize::MAX).min(self.due.len())
        };
        let (first, end) = (index(from), index(to));
        first..end.max(first)
    }

    /// Good and valid events of an SLI over the slices that start in `from..to`.
    pub fn counts(&self, sli: &str, from: DrillTime, to: DrillTime) -> Counts {
        let range = self.indices(from, to);
        let sum = |column: &[u64]| {
            let end = range.end.min(column.len());
            column.get(range.start.min(end)..end).map_or(0, |part| part.iter().sum())
        };
        Counts { good: self.good.get(sli).map_or(0, |column| sum(column)), valid: sum(&self.due) }
    }

    /// Events by result over the slices that start in `from..to`, those that never happened left out.
    pub fn results(&self, from: DrillTime, to: DrillTime) -> BTreeMap<&str, u64> {
        let range = self.indices(from, to);
        let mut sums = BTreeMap::new();
        for (result, column) in &self.results {
            let end = range.end.min(column.len());
            let sum: u64 = column.get(range.start.min(end)..end).map_or(0, |part| part.iter().sum());
            if sum > 0 {
                sums.insert(result.as_str(), sum);
            }
        }
        sums
    }

    /// The earliest instant at which every request that was due in `from..to` can have ended: the end of each slice,
    /// or its start plus its longest latency. A window is closed only then, whoever looks at it.
    pub fn closed_us(&self, from: DrillTime, to: DrillTime) -> DrillTime {
        let slices = self.indices(from, to).map(|i| {
            let latency = self.max_us.get(i).copied().unwrap_or(0).max(SLICE_US);
            DrillTime(self.start_of(i).0.saturating_add(latency))
        });
        slices.max().unwrap_or(to).max(to)
    }
}

fn put(column: &mut Vec<u64>, at: usize, value: u64) {
    if column.len() <= at {
        column.resize(at + 1, 0);
    }
    if let Some(cell) = column.get_mut(at) {
        *cell = value;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn slice(index: u64, due: u64, good: u64, max: u64) -> Slice {
        Slice {
            load: "checkout".into(),
            index,
            start_us: DrillTime(1_000_000 + index * SLICE_US),
            due,
            good: BTreeMap::from([("availability".to_string(), good)]),
            results: BTreeMap::from([("200".to_string(), good), ("503".to_string(), due - good)]),
            latency_us: [1000, 2000, max],
        }
    }

    #[test]
    fn a_window_counts_the_slices_that_start_in_it() {
        let mut series = LoadSeries::new(&slice(3, 5, 5, 0));
        assert_eq!(series.start_us, DrillTime(1_000_000), "also when the first slice to come is not number 0");
        for i in 0..10 {
            assert!(series.push(&slice(i, 5, if i < 5 { 5 } else { 1 }, 0)));
        }
        let all = series.counts("availability", DrillTime(0), DrillTime(u64::MAX));
        assert_eq!(all, Counts { good: 30, valid: 50 });
        let half = series.counts("availability", DrillTime(1_500_000), DrillTime(1_700_000));
        assert_eq!(half, Counts { good: 2, valid: 10 });
        assert_eq!(series.counts("nobody", DrillTime(0), DrillTime(u64::MAX)), Counts { good: 0, valid: 50 });
        assert_eq!(series.counts("availability", DrillTime(9_000_000), DrillTime(8_000_000)).ratio(), None);
        assert_eq!(
            series.results(DrillTime(1_500_000), DrillTime(1_600_000)),
            BTreeMap::from([("200", 1), ("503", 4)])
        );
    }

    #[test]
    fn a_window_is_closed_when_its_slowest_request_has_ended() {
        let mut series = LoadSeries::new(&slice(0, 5, 5, 0));
        series.push(&slice(0, 5, 5, 1_900_000));
        series.push(&slice(1, 5, 5, 10_000));
        let closed = series.closed_us(DrillTime(1_000_000), DrillTime(1_200_000));
        assert_eq!(closed, DrillTime(2_900_000));
        assert_eq!(series.closed_us(DrillTime(1_100_000), DrillTime(1_200_000)), DrillTime(1_200_000));
        assert_eq!(series.closed_us(DrillTime(7_000_000), DrillTime(8_000_000)), DrillTime(8_000_000), "no data");
    }

    #[test]
    fn a_number_beyond_all_reason_is_refused() {
        let mut series = LoadSeries::new(&slice(0, 5, 5, 0));
        assert!(!series.push(&Slice { index: u64::MAX, ..slice(0, 5, 5, 0) }));
        assert!(series.due.is_empty());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn sums_equal_a_naive_count(
            order in Just((0..60u64).collect::<Vec<_>>()).prop_shuffle(),
            due in proptest::collection::vec(0..20u64, 60),
            from in 0..9_000_000u64,
            length in 0..9_000_000u64,
        ) {
            let all: Vec<Slice> = order.iter().map(|&i| slice(i, due[i as usize], due[i as usize] / 2, 0)).collect();
            let mut series = LoadSeries::new(&all[0]);
            for s in &all {
                series.push(s);
            }
            let inside = |s: &&Slice| s.start_us.0 >= from && s.start_us.0 < from + length;
            let naive = Counts {
                good: all.iter().filter(inside).map(|s| s.good["availability"]).sum(),
                valid: all.iter().filter(inside).map(|s| s.due).sum(),
            };
            prop_assert_eq!(series.counts("availability", DrillTime(from), DrillTime(from + length)), naive);
        }
    }
}
