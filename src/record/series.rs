//! The slices of a load as a record keeps them: one column per figure, so that ten minutes of load stay small and
//! charts can be drawn later. Windows over them are exact sums.

use super::{DrillTime, Slice};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::ops::Range;

/// Length of a slice in microseconds: the resolution of times in a record.
pub const SLICE_US: u64 = 100_000;

/// Slices beyond this number are not kept (a day of load): a damaged file must not cost all memory.
const MAX_SLICES: u64 = 24 * 3600 * 10;

/// What follows the status in the name of a result where the answer is a page.
pub const OF_A_PAGE: &str = " text/html";
/// What follows the status in the name of a result where somebody asked for content and got none.
pub const OF_NO_CONTENT: &str = " empty";
/// What a query that counts events is said to have come to where it failed. It is none of the events that were due.
pub const NO_DATA: &str = "no_data";

/// The HTTP status of a result, where it is one.
pub fn status_of(result: &str) -> Option<u16> {
    let bare = [OF_A_PAGE, OF_NO_CONTENT].into_iter().find_map(|kind| result.strip_suffix(kind));
    bare.unwrap_or(result).parse().ok()
}

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

    /// Whether the ratio meets an objective; a window without events does not. 99.9 / 100 is a little more than 999 / 1000, and no miss.
    pub fn meets(self, objective: f64) -> bool {
        self.ratio().is_some_and(|ratio| ratio + 1e-9 >= objective)
    }
}

/// A ratio in percent with at most two decimals, cut and not rounded: what is not all good never reads `100%`, what misses an
/// objective never reads as if it met it, and what hurts fewer than a severity asks for never reads as if it hurt as many.
pub fn percent(ratio: f64) -> String {
    // The smallest nudge keeps 0.995 from reading 99.49, which binary fractions would make of it.
    let ratio = if ratio.is_nan() { 0.0 } else { ratio.clamp(0.0, 1.0) };
    let hundredths = (ratio * 10_000.0 + 1e-7).floor();
    let text = format!("{:.2}", hundredths / 100.0);
    format!("{}%", text.trim_end_matches('0').trim_end_matches('.'))
}

/// Every slice of one load. The columns are indexed by the number of the slice; one that never came has nothing due.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoadSeries {
    /// Name of the load.
    pub load: String,
    /// Start of slice 0 in drill time.
    pub start_us: DrillTime,
    /// Start of every slice in drill time, as it came. Records of earlier versions have none: their slices follow on slice 0
    /// without a gap.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub starts_us: Vec<DrillTime>,
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
        // A slice that never came has the start that it would have had, so that starts only grow.
        while self.starts_us.len() <= at {
            let next = self.start_of(self.starts_us.len());
            self.starts_us.push(next);
        }
        self.starts_us[at] = slice.start_us;
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

    /// Start of a slice; of one that has not come, the start that it would have.
    pub fn start_of(&self, index: usize) -> DrillTime {
        let (known, first) = match (self.starts_us.get(index), self.starts_us.last()) {
            (Some(start), _) => return *start,
            (None, Some(last)) => (self.starts_us.len() - 1, *last),
            (None, None) => (0, self.start_us),
        };
        DrillTime(first.0.saturating_add(((index - known) as u64).saturating_mul(SLICE_US)))
    }

    /// End of the last slice.
    pub fn end_us(&self) -> DrillTime {
        self.start_of(self.due.len())
    }

    /// Numbers of the slices whose middle lies in `from..to`. The middle, because clocks that are compared again move starts
    /// by microseconds: a window of whole slices has the same slices whichever of them tells where it begins.
    pub fn indices(&self, from: DrillTime, to: DrillTime) -> Range<usize> {
        let index = |t: DrillTime| {
            let (mut low, mut high) = (0, self.due.len());
            while low < high {
                let middle = low.midpoint(high);
                match self.start_of(middle).0.saturating_add(SLICE_US / 2) < t.0 {
                    true => low = middle + 1,
                    false => high = middle,
                }
            }
            low
        };
        let [first, end] = [from, to].map(index);
        first..end.max(first)
    }

    /// Good and valid events of an SLI over the slices whose middle lies in `from..to`.
    pub fn counts(&self, sli: &str, from: DrillTime, to: DrillTime) -> Counts {
        let range = self.indices(from, to);
        Counts { good: self.good.get(sli).map_or(0, |column| sum(column, &range)), valid: sum(&self.due, &range) }
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

fn sum(column: &[u64], range: &Range<usize>) -> u64 {
    column.iter().skip(range.start).take(range.len()).sum()
}

fn put(column: &mut Vec<u64>, at: usize, value: u64) {
    if column.len() <= at {
        column.resize(at + 1, 0);
    }
    column[at] = value;
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
            first_good_us: BTreeMap::new(),
            latency_us: [1000, 2000, max],
        }
    }

    #[test]
    fn shares_are_cut_and_an_objective_is_met_as_windows_meet_it() {
        // 27 of 28 is 96.428…%: rounded it would read 96.43%.
        assert_eq!([27.0 / 28.0, 0.499_99, 0.5, 0.999_99].map(percent), ["96.42%", "49.99%", "50%", "99.99%"]);
        let counts = |good| Counts { good, valid: 1000 };
        assert!(counts(999).meets(99.9 / 100.0) && !counts(998).meets(99.9 / 100.0));
    }

    #[test]
    fn a_window_counts_the_slices_whose_middle_lies_in_it() {
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
        assert_eq!([series.results["200"][5], series.results["503"][5]], [1, 4]);
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

    /// A clock that is compared again moves later slices: a window of ten slices has ten, wherever it is looked at from.
    #[test]
    fn every_slice_keeps_its_own_start() {
        let mut series = LoadSeries::new(&slice(0, 5, 5, 0));
        let start = |i: u64| DrillTime(1_000_000 + i * SLICE_US - if i < 4 { 0 } else { 30 });
        for i in [1, 0, 2, 5, 4, 3, 6, 7, 8, 9, 10, 11] {
            series.push(&Slice { start_us: start(i), ..slice(i, 5, 5, 0) });
        }
        assert_eq!(
            (0..12).map(|i| series.start_of(i as usize)).collect::<Vec<_>>(),
            (0..12).map(start).collect::<Vec<_>>()
        );
        let window = |first: u64| (start(first), DrillTime(start(first + 4).0 + SLICE_US));
        for first in 0..6 {
            let (from, to) = window(first);
            assert_eq!(series.counts("availability", from, to).valid, 25, "slices {first} to {}", first + 4);
        }
        let earlier = LoadSeries { starts_us: Vec::new(), ..series };
        assert_eq!(earlier.start_of(11), DrillTime(1_000_000 + 11 * SLICE_US), "as records of earlier versions say");
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
            let middle = |s: &&Slice| s.start_us.0 + SLICE_US / 2;
            let inside = |s: &&Slice| middle(s) >= from && middle(s) < from + length;
            let naive = Counts {
                good: all.iter().filter(inside).map(|s| s.good["availability"]).sum(),
                valid: all.iter().filter(inside).map(|s| s.due).sum(),
            };
            prop_assert_eq!(series.counts("availability", DrillTime(from), DrillTime(from + length)), naive);
        }
    }
}
