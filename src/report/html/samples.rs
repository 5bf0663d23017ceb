//! The curves of a drill, down-sampled: as many points as the report has room for, each of them exact sums over the time
//! that it stands for.

use crate::record::{DrillTime, LoadSeries, Phase, Record, SLICE_US};

/// A stretch of drill time cut into equal parts.
#[derive(Debug, Clone, Copy)]
pub struct Samples {
    /// Where it begins.
    pub from: u64,
    /// Length of a part, in microseconds.
    pub step: u64,
    /// Number of parts.
    pub count: usize,
    /// What the axis calls zero: the first fault that was confirmed, otherwise the beginning.
    pub zero: u64,
    /// Whether zero is the fault.
    pub fault: bool,
}

impl Samples {
    /// The time of a drill that is worth a chart: from the first request to the last, or all of it where there was no load.
    pub fn of(record: &Record, most: usize) -> Option<Samples> {
        let loads = record.loads.iter().filter(|load| !load.due.is_empty());
        let (first, last) =
            loads.fold((u64::MAX, 0), |(first, last), load| (first.min(load.start_us.0), last.max(load.end_us().0)));
        let (from, to) = if last > first { (first, last) } else { (0, record.last_us.0) };
        let revert = record.phase_span(Phase::Revert).map_or(to, |(_, end)| end.0);
        let length = to.max(revert).checked_sub(from).filter(|length| *length > 0)?;
        let most = most.max(2) as u64;
        let step = (length.div_ceil(most)).div_ceil(SLICE_US).max(1) * SLICE_US;
        let count = usize::try_from(length.div_ceil(step)).ok()?;
        let injected = record.injected_us();
        let (zero, fault) = injected.map_or((from, false), |at| (at.0, true));
        Some(Samples { from, step, count, zero, fault })
    }

    /// Beginning and end of a part.
    pub fn part(&self, at: usize) -> (DrillTime, DrillTime) {
        let begin = self.from.saturating_add(self.step.saturating_mul(at as u64));
        (DrillTime(begin), DrillTime(begin.saturating_add(self.step)))
    }

    /// Length of all of it.
    pub fn length(&self) -> u64 {
        self.step.saturating_mul(self.count as u64)
    }

    /// Where an instant stands, in 0..=1.
    pub fn place(&self, at: DrillTime) -> f64 {
        (at.0.saturating_sub(self.from) as f64 / self.length() as f64).clamp(0.0, 1.0)
    }

    /// Seconds from zero: `+1.5 s`, `-3.0 s`.
    pub fn clock(&self, at: DrillTime) -> String {
        let us = i128::from(at.0) - i128::from(self.zero);
        let sign = if us < 0 { "−" } else { "+" };
        format!("{sign}{:.1} s", us.unsigned_abs() as f64 / 1e6)
    }

    /// The ratio of an SLI over the trailing window at the end of every part.
    pub fn ratios(&self, record: &Record, sli: &str) -> Vec<Option<f64>> {
        let window = record.plan.as_ref().map_or(1_000_000, |plan| plan.windows.impact_window_us).max(self.step);
        let ratio = |at: usize| {
            let (_, end) = self.part(at);
            let from = DrillTime(end.0.saturating_sub(window));
            record.counts(sli, from, end).ratio()
        };
        (0..self.count).map(ratio).collect()
    }

    /// The slices of a load that begin in a part.
    fn slices(&self, load: &LoadSeries, at: usize) -> std::ops::Range<usize> {
        let (from, to) = self.part(at);
        let index = |t: DrillTime| {
            let slices = t.0.saturating_sub(load.start_us.0).div_ceil(SLICE_US);
            usize::try_from(slices).unwrap_or(usize::MAX).min(load.due.len())
        };
        let begin = index(from);
        begin..index(to).max(begin)
    }

    /// The largest value of a column in every part; `None` where nothing was due.
    pub fn largest(&self, load: &LoadSeries, column: &[u64]) -> Vec<Option<u64>> {
        let value = |at: usize| {
            let slices = self.slices(load, at).filter(|i| load.due.get(*i).is_some_and(|due| *due > 0));
            slices.filter_map(|i| column.get(i).copied()).max()
        };
        (0..self.count).map(value).collect()
    }

    /// What a column adds up to in every part, per second.
    pub fn rate(&self, load: &LoadSeries, column: &[u64]) -> Vec<Option<f64>> {
        let value = |at: usize| {
            let slices = self.slices(load, at);
            let lasted = slices.len() as f64 * SLICE_US as f64 / 1e6;
            let sum: u64 = slices.filter_map(|i| column.get(i)).sum();
            (lasted > 0.0).then(|| sum as f64 / lasted)
        };
        (0..self.count).map(value).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::testing::{Story, record_of};

    #[test]
    fn parts_cover_the_drill_and_add_up() {
        let record = record_of(Story::Passed);
        for most in [2, 30, 160, 10_000] {
            let samples = Samples::of(&record, most).unwrap();
            assert!(samples.count <= most.max(2), "{most}: {}", samples.count);
            assert!(samples.from + samples.length() >= record.loads[0].end_us().0);
            let load = &record.loads[0];
            let due: f64 = samples
                .rate(load, &load.due)
                .iter()
                .enumerate()
                .map(|(at, rate)| rate.unwrap_or(0.0) * samples.slices(load, at).len() as f64 * 0.1)
                .sum();
            assert_eq!(due.round() as u64, load.due.iter().sum::<u64>(), "{most}");
        }
    }

    #[test]
    fn the_fall_is_seen_and_no_data_is_no_good_data() {
        let record = record_of(Story::NotRecovered);
        let samples = Samples::of(&record, 160).unwrap();
        let ratios = samples.ratios(&record, "availability");
        assert_eq!(ratios[20], Some(1.0));
        assert_eq!(ratios.iter().flatten().copied().fold(1.0, f64::min), 0.2);
        assert!(samples.ratios(&record, "nobody").iter().all(|ratio| ratio.is_none() || *ratio == Some(0.0)));
        assert!(Samples::of(&Record::default(), 160).is_none());
    }
}
