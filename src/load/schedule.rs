//! When each request of an open loop is due.

use super::SLICE;
use std::time::Duration;

/// More than this per second is a mistake in a scenario, not a load for one agent.
const MAX_RATE: f64 = 100_000.0;
/// Length of a slice, in nanoseconds.
const SLICE_NS: u64 = SLICE.as_nanos() as u64;

/// Due times at a constant rate: request i is due at t0 + i/rate. Every due time is computed from i and never from the
/// one before it, so that rounding cannot add up to a drift: the error stays below one nanosecond for every i below
/// 2^53 / 10^9 × rate (more than a hundred days).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Schedule {
    rate: f64,
}

impl Schedule {
    /// A schedule of `rate` requests per second, above 0 and at most 100,000.
    pub fn new(rate: f64) -> Result<Schedule, String> {
        let wrong = || format!("a rate of {rate}/s cannot be sent: it must be above 0 and at most {MAX_RATE}/s");
        (rate > 0.0 && rate <= MAX_RATE).then_some(Schedule { rate }).ok_or_else(wrong)
    }

    /// When request `i` is due, from t0.
    pub fn due(&self, i: u64) -> Duration {
        // A cast from f64 saturates, so an absurd i is due never.
        Duration::from_nanos((i as f64 * 1e9 / self.rate).round() as u64)
    }

    /// The slice that request `i` belongs to: the one in which it is due.
    pub fn slice(&self, i: u64) -> u64 {
        Schedule::slice_at(self.due(i))
    }

    /// The last slice that has begun at `elapsed` from t0.
    pub fn slice_at(elapsed: Duration) -> u64 {
        u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX) / SLICE_NS
    }

    /// When a slice begins, from t0.
    pub fn slice_start(slice: u64) -> Duration {
        Duration::from_nanos(slice.saturating_mul(SLICE_NS))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn rates_that_cannot_be_sent_are_refused() {
        for rate in [0.0, -1.0, f64::NAN, f64::INFINITY, 100_001.0] {
            assert!(Schedule::new(rate).is_err(), "{rate}");
        }
    }

    #[test]
    fn fifty_per_second_is_five_in_every_slice() {
        let schedule = Schedule::new(50.0).unwrap();
        let slices: Vec<u64> = (0..15).map(|i| schedule.slice(i)).collect();
        assert_eq!(slices, [0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 2, 2, 2, 2, 2]);
    }

    #[test]
    fn odd_rates_do_not_drift() {
        // 7 a second for a hundred days: request 7n is due at n seconds, to the nanosecond.
        let schedule = Schedule::new(7.0).unwrap();
        for n in [1u64, 1_000, 86_400, 8_640_000] {
            assert_eq!(schedule.due(7 * n), Duration::from_secs(n));
        }
        // Thirds cannot be written in binary; summing 1/rate up would be off by microseconds here.
        let schedule = Schedule::new(33.3).unwrap();
        let off = schedule.due(333_000_000).as_nanos().abs_diff(Duration::from_secs(10_000_000).as_nanos());
        assert!(off <= 2, "{off} ns");
    }

    proptest! {
        #[test]
        fn due_is_exact_for_whole_rates(rate in 1u64..=10_000, i in 0u64..10_000_000) {
            let schedule = Schedule::new(rate as f64).unwrap();
            let exact = u128::from(i) * 1_000_000_000 / u128::from(rate);
            prop_assert!(schedule.due(i).as_nanos().abs_diff(exact) <= 1);
        }

        #[test]
        fn due_never_runs_backwards_and_slices_follow(rate in 0.01f64..20_000.0, i in 0u64..1_000_000) {
            let schedule = Schedule::new(rate).unwrap();
            prop_assert!(schedule.due(i) <= schedule.due(i + 1));
            let slice = schedule.slice(i);
            prop_assert!(Schedule::slice_start(slice) <= schedule.due(i));
            prop_assert!(schedule.due(i) < Schedule::slice_start(slice + 1));
            prop_assert_eq!(Schedule::slice_at(schedule.due(i)), slice);
        }
    }
}
