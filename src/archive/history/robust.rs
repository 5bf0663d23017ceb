//! Statistics that one odd run does not bend: quantiles, spread, and whether the last runs differ from those before them.

use serde::Serialize;

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
/// Where a time goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// The shift is within what runs differ by anyway.
    Steady = "steady",
    /// It takes longer.
    Slower = "slower",
    /// It takes less.
    Faster = "faster",
}
}

/// The quantile `q` in 0..=1 of sorted values, with linear interpolation between neighbours (Hyndman and Fan's type 7);
/// `None` without values.
pub fn quantile(sorted: &[u64], q: f64) -> Option<f64> {
    let last = sorted.len().checked_sub(1)?;
    let at = q.clamp(0.0, 1.0) * last as f64;
    let low = *sorted.get(at.floor() as usize)? as f64;
    let high = *sorted.get(at.ceil() as usize)? as f64;
    Some(low + (high - low) * at.fract())
}

impl Spread {
    /// Of values in the order of their runs, oldest first; `None` without values.
    pub fn of(values: &[u64]) -> Option<Spread> {
        let mut sorted = values.to_vec();
        sorted.sort_unstable();
        let at = |q| quantile(&sorted, q);
        let mean = sorted.iter().map(|value| *value as f64).sum::<f64>() / sorted.len() as f64;
        Some(Spread {
            runs: values.len(),
            median_us: at(0.5)? as u64,
            mean_us: mean as u64,
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
        let sorted = |part: &[u64]| {
            let mut part = part.to_vec();
            part.sort_unstable();
            part
        };
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
mod tests {
    use super::*;
    use proptest::prelude::*;

    const S: u64 = 1_000_000;

    #[test]
    fn quantiles_lie_between_neighbours() {
        assert_eq!(quantile(&[], 0.5), None);
        assert_eq!(quantile(&[7], 0.9), Some(7.0));
        assert_eq!(quantile(&[1, 2, 3, 4], 0.5), Some(2.5));
        assert_eq!(quantile(&[0, 10], 0.9), Some(9.0));
    }

    #[test]
    fn one_odd_run_moves_the_mean_and_not_the_median() {
        let spread = Spread::of(&[4 * S, 4 * S, 4 * S, 4 * S, 90 * S]).unwrap();
        assert_eq!((spread.median_us, spread.iqr_us), (4 * S, 0));
        assert!(spread.mean_us > 20 * S);
        assert_eq!(spread.trend, None, "five runs are too few for a trend");
    }

    #[test]
    fn a_trend_is_a_shift_beyond_the_usual() {
        let direction = |values: &[u64]| TimeTrend::of(values).map(|trend| trend.direction);
        assert_eq!(direction(&[S; 7]), None);
        assert_eq!(direction(&[S; 8]), Some(Direction::Steady));
        assert_eq!(direction(&[S, S, S, S, 3 * S, 3 * S, 3 * S, 3 * S]), Some(Direction::Slower));
        assert_eq!(direction(&[3 * S, 3 * S, 3 * S, 3 * S, S, S, S, S]), Some(Direction::Faster));
        let restless = [S, 9 * S, S, 9 * S, 2 * S, 9 * S, 2 * S, 9 * S];
        assert_eq!(direction(&restless), Some(Direction::Steady), "they differ as much among themselves");
        let below = S + 90_000;
        assert_eq!(direction(&[S, S, S, S, below, below, below, below]), Some(Direction::Steady));
        let mut long = vec![50 * S; 100];
        long.extend([S; 20]);
        assert_eq!(TimeTrend::of(&long).unwrap().before_us, S, "only the last 20 runs count");
    }

    proptest! {
        #[test]
        fn quantiles_are_ordered_and_within(mut values in prop::collection::vec(0u64..1 << 50, 1..60)) {
            let spread = Spread::of(&values).unwrap();
            values.sort_unstable();
            prop_assert!(values[0] <= spread.median_us && spread.median_us <= values[values.len() - 1]);
        }
    }
}
