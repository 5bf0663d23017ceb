//! How late requests were sent: a generator that woke up late has disturbed the measurement, and no verdict may rest on it.

use crate::record::DrillTime;
use std::collections::BTreeMap;
use std::time::Duration;

/// Share of the requests that may be sent late before the measurement counts as disturbed.
const LATE_SHARE: f64 = 0.02;
/// Share of the requests of a single load that may be.
const LATE_SHARE_OF_ONE: f64 = 0.1;
/// Share of the requests of one second that may be sent late.
const STALL_SHARE: f64 = 0.5;
const SECOND: Duration = Duration::from_secs(1);
/// A request sent later than this has disturbed the measurement whatever the share.
const LATE_LIMIT: Duration = Duration::from_secs(1);

/// The requests of a drill, by their load: the many of one do not hide the late ones of another.
#[derive(Debug, Clone, Default)]
pub struct Lateness(BTreeMap<String, LateRequests>);

impl Lateness {
    /// Counts requests of a load that were due.
    pub fn due(&mut self, load: &str, requests: u64) {
        self.0.entry(load.into()).or_default().requests += requests;
    }

    /// So many requests of a load were sent late, the worst of them by `worst_us`; told at `at`.
    pub fn late(&mut self, load: &str, at: DrillTime, count: u64, worst_us: u64) {
        let of_load = self.0.entry(load.into()).or_default();
        of_load.late += count;
        of_load.late_at.push((at, count));
        of_load.worst = of_load.worst.max(Duration::from_micros(worst_us));
    }

    /// Why the measurement cannot be trusted, if it cannot: too many requests were sent late. `usual` is how many of a load are due in a
    /// second.
    pub fn disturbed(&self, usual: impl Fn(&str) -> f64) -> Option<String> {
        let [requests, late] = [|of: &LateRequests| of.requests, |of: &LateRequests| of.late]
            .map(|count| self.0.values().map(count).sum::<u64>());
        let too_many = late >= 3 && late as f64 > LATE_SHARE * requests.max(1) as f64;
        let most_late = self.0.iter().filter(|_| too_many).max_by_key(|(_, of_load)| of_load.late);
        let one = self.0.iter().find(|(load, of_load)| of_load.is_disturbed(usual(load)));
        one.or(most_late).map(|(load, of_load)| of_load.told(load))
    }
}

/// The requests of a load, and those of them that were sent late.
#[derive(Debug, Clone, Default)]
struct LateRequests {
    requests: u64,
    late: u64,
    late_at: Vec<(DrillTime, u64)>,
    worst: Duration,
}

impl LateRequests {
    fn is_disturbed(&self, usual: f64) -> bool {
        let too_many = self.late >= 3 && self.late as f64 > LATE_SHARE_OF_ONE * self.requests.max(1) as f64;
        too_many || self.stalled(usual) || self.worst > LATE_LIMIT
    }

    fn told(&self, load: &str) -> String {
        let LateRequests { late, requests, .. } = self;
        let worst = self.worst.as_millis();
        format!(
            "the measurement was disturbed: {late} of {requests} requests of {load} were sent late (the worst by {worst} ms); the machine was too busy for this drill"
        )
    }

    /// Whether there was a second in which most requests were sent late: enough to forge an impact, and too little to
    /// show in the share of a long drill.
    fn stalled(&self, usual: f64) -> bool {
        let busiest = self.late_at.iter().map(|(end, _)| {
            let second = self.late_at.iter().filter(|(at, _)| at <= end && end.since(*at) < SECOND);
            second.map(|(_, count)| count).sum::<u64>()
        });
        busiest.max().is_some_and(|late| late >= 5 && late as f64 > usual * STALL_SHARE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of loads by their name: requests, those of them that were late within one second, requests of a usual second.
    fn told(loads: &[(&str, u64, u64, f64)]) -> Option<String> {
        let mut lateness = Lateness::default();
        for (load, due, late, _) in loads {
            lateness.due(load, *due);
            lateness.late(load, DrillTime(1_000_000), *late, 800_000);
        }
        lateness.disturbed(|load| loads.iter().find(|(name, ..)| *name == load).map_or(0.0, |(.., usual)| *usual))
    }

    #[test]
    fn the_many_requests_of_one_load_hide_no_late_ones_of_another() {
        let many = ("many", 100_000, 0, 5_000.0);
        assert_eq!(told(&[many, ("few", 1_000, 20, 50.0)]), None);
        let said = told(&[many, ("few", 30, 30, 1.0)]).unwrap_or_default();
        assert!(said.contains("30 of 30 requests of few were sent late (the worst by 800 ms)"), "{said}");
        let stalled = told(&[many, ("few", 5_000, 45, 50.0)]).unwrap_or_default();
        assert!(stalled.contains("45 of 5000 requests of few"), "{stalled}");
    }

    #[test]
    fn late_ones_of_all_loads_count_together() {
        assert_eq!(told(&[("a", 100, 1, 50.0), ("b", 100, 1, 50.0)]), None);
        let said = told(&[("a", 100, 2, 50.0), ("b", 100, 3, 50.0)]).unwrap_or_default();
        assert!(said.contains("3 of 100 requests of b"), "{said}");
    }
}
