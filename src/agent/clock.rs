//! The agent's clock: microseconds since the Unix epoch that never run backwards.

use crate::record::micros;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Wall-clock time of one reading, carried on by the monotonic clock: a step of the system's clock (NTP, a person)
/// would otherwise show as load that is late or slices that overlap.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    anchor: Instant,
    anchor_us: u64,
}

impl Clock {
    /// Reads the system's clock once.
    pub fn start() -> Clock {
        let anchor = Instant::now();
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
        Clock { anchor, anchor_us: micros(since_epoch) }
    }

    /// Now, in µs since the Unix epoch.
    pub fn now_us(&self) -> u64 {
        self.at_us(Instant::now())
    }

    /// An instant in µs since the Unix epoch.
    pub fn at_us(&self, at: Instant) -> u64 {
        let (later, sooner) = (at.saturating_duration_since(self.anchor), self.anchor.saturating_duration_since(at));
        self.anchor_us.saturating_add(micros(later)).saturating_sub(micros(sooner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn follows_the_monotonic_clock_both_ways_from_its_anchor() {
        let clock = Clock::start();
        let later = clock.anchor + Duration::from_millis(1500);
        assert_eq!(clock.at_us(later) - clock.at_us(clock.anchor), 1_500_000);
        if let Some(earlier) = clock.anchor.checked_sub(Duration::from_millis(2)) {
            assert_eq!(clock.at_us(clock.anchor) - clock.at_us(earlier), 2_000);
        }
        assert!(clock.now_us() >= clock.anchor_us);
    }
}
