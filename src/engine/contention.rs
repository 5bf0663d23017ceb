//! Drills beside this one. What they do to the machine must never become a verdict on this one's runbook: where it would
//! fail by what was measured while the machine was full of other drills, it says nothing and is run again alone.

use crate::record::{DrillTime, MachineSample};
use std::time::Duration;
use tokio_util::task::TaskTracker;
/// Counts a drill as long as it lives.
pub use tokio_util::task::task_tracker::TaskTrackerToken as CountedDrill;

/// So much of the time must the machine have been full: one second of twenty explains no verdict.
const SHARE: f64 = 0.2;
/// From this share of busy processors on, what is slow or late may be so because of the others.
const FULL: f64 = 0.9;

/// How many drills run at the same time. Clones count together.
#[derive(Debug, Clone, Default)]
pub struct ConcurrentDrills(TaskTracker);

impl ConcurrentDrills {
    /// One more drill runs, until the value is dropped.
    pub fn enter(&self) -> CountedDrill {
        self.0.token()
    }

    /// Drills beside the one that asks.
    pub fn others(&self) -> usize {
        self.0.len().saturating_sub(1)
    }
}

/// What the machine was like, sample by sample: how busy, and how many others ran.
#[derive(Debug, Default)]
pub(super) struct Contention {
    moments: Vec<(DrillTime, f64, usize)>,
}

impl Contention {
    /// Takes note of a sample.
    pub(super) fn note(&mut self, at: DrillTime, sample: &MachineSample, others: usize) {
        self.moments.push((at, sample.busy, others));
    }

    /// Why what was measured since then may be the others' doing, if it may.
    pub(super) fn since(&self, from: DrillTime) -> Option<String> {
        self.between(from, DrillTime(u64::MAX))
    }

    /// The same, of what was measured until `to`. A sample tells of the second before it.
    pub(super) fn between(&self, from: DrillTime, to: DrillTime) -> Option<String> {
        let seen: Vec<_> = self.moments.iter().filter(|(at, ..)| (from..=to).contains(at)).collect();
        let full = seen.iter().filter(|(_, busy, others)| *others > 0 && *busy >= FULL);
        let (_, busy, others) = full.clone().max_by(|a, b| a.1.total_cmp(&b.1))?;
        if (full.count() as f64) < seen.len() as f64 * SHARE {
            return None;
        }
        let drills = if *others == 1 { "drill" } else { "drills" };
        Some(format!("the machine was {:.0}% busy with {others} {drills} beside this one", busy * 100.0))
    }

    /// Whether the machine was not full for so long at a stretch since then: time enough for users to show that they have
    /// recovered, or that they have not.
    pub(super) fn calm_for(&self, stretch: Duration, from: DrillTime) -> bool {
        let mut begun = None;
        self.moments.iter().filter(|(at, ..)| *at >= from).any(|(at, busy, _)| {
            if *busy >= FULL {
                begun = None;
                return false;
            }
            at.since(*begun.get_or_insert(*at)) >= stretch
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(busy: f64) -> MachineSample {
        MachineSample { cpus: 2, busy, pressure: None, memory_bytes: 1, available_bytes: 1 }
    }

    #[test]
    fn only_a_full_machine_with_others_on_it_excuses_what_was_measured() {
        let concurrent = ConcurrentDrills::default();
        let own = concurrent.enter();
        assert_eq!(concurrent.others(), 0);
        let other = concurrent.enter();
        let mut contention = Contention::default();
        contention.note(DrillTime(1), &sample(0.99), 0);
        contention.note(DrillTime(2), &sample(0.5), concurrent.others());
        assert_eq!(contention.since(DrillTime(0)), None);
        contention.note(DrillTime(3), &sample(0.95), concurrent.others());
        let why = contention.since(DrillTime(0)).unwrap();
        assert_eq!(why, "the machine was 95% busy with 1 drill beside this one");
        assert_eq!(contention.since(DrillTime(4)), None, "long over");
        for at in 4..20 {
            contention.note(DrillTime(at), &sample(0.5), concurrent.others());
        }
        assert_eq!(contention.since(DrillTime(0)), None, "one second of twenty");
        drop(other);
        assert_eq!(concurrent.others(), 0);
        drop(own);
        assert_eq!(concurrent.others(), 0);
    }

    #[test]
    fn a_time_that_was_full_stays_so_however_calm_it_is_afterwards() {
        let mut contention = Contention::default();
        for at in 0..100 {
            contention.note(DrillTime(at), &sample(if (10..13).contains(&at) { 0.97 } else { 0.3 }), 2);
        }
        assert_eq!(contention.since(DrillTime(10)), None, "three of ninety");
        let why = contention.between(DrillTime(10), DrillTime(15)).unwrap();
        assert_eq!(why, "the machine was 97% busy with 2 drills beside this one");
        assert_eq!(contention.between(DrillTime(13), DrillTime(40)), None);
        assert_eq!(contention.between(DrillTime(200), DrillTime(300)), None, "nobody looked");
    }

    #[test]
    fn a_calm_stretch_is_one_without_a_full_moment() {
        let mut contention = Contention::default();
        let second = |at: u64| DrillTime(at * 1_000_000);
        for at in 0..30 {
            contention.note(second(at), &sample(if matches!(at, 4 | 15) { 0.97 } else { 0.6 }), 3);
        }
        assert!(contention.calm_for(Duration::from_secs(13), second(0)), "from 16 to 29");
        assert!(!contention.calm_for(Duration::from_secs(14), second(0)));
        assert!(contention.calm_for(Duration::from_secs(9), second(5)));
        assert!(!contention.calm_for(Duration::from_secs(9), second(21)));
        assert!(!Contention::default().calm_for(Duration::from_secs(1), second(0)), "nobody looked");
    }
}
