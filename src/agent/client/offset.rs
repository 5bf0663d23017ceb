//! How far an agent's clock is from the runner's, from round trips.

use std::collections::VecDeque;

/// Probes that are remembered: with a heartbeat every 500 ms those of the last ten seconds, so that a drift of the
/// clocks (some 50 µs/s at worst) stays small beside the round trip.
const REMEMBERED: usize = 20;

/// Clock offset of an agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClockOffset {
    /// Agent's clock (µs since the Unix epoch) minus the runner's drill time in µs.
    pub offset_us: i64,
    /// Round trip of the best probe; the offset is wrong by at most half of it.
    pub rtt_us: u64,
}

impl ClockOffset {
    /// From one round trip, as NTP does (RFC 5905, section 8): the agent read its clock somewhere between `sent_us`
    /// and `received_us`, and the middle of the two is at most half the round trip away from that instant.
    pub(super) fn of_probe(sent_us: u64, agent_us: u64, received_us: u64) -> ClockOffset {
        let rtt_us = received_us.saturating_sub(sent_us);
        let middle = i128::from(sent_us) + i128::from(rtt_us / 2);
        let offset = i128::from(agent_us) - middle;
        let offset_us = i64::try_from(offset).unwrap_or(if offset < 0 { i64::MIN } else { i64::MAX });
        ClockOffset { offset_us, rtt_us }
    }
}

/// The last probes; the one with the shortest round trip counts.
#[derive(Default)]
pub(super) struct Offsets(VecDeque<ClockOffset>);

impl Offsets {
    pub(super) fn push(&mut self, probe: ClockOffset) {
        if self.0.len() >= REMEMBERED {
            self.0.pop_front();
        }
        self.0.push_back(probe);
    }

    pub(super) fn best(&self) -> Option<ClockOffset> {
        self.0.iter().min_by_key(|probe| probe.rtt_us).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_shortest_of_the_last_round_trips_counts() {
        let mut offsets = Offsets::default();
        assert_eq!(offsets.best(), None);
        offsets.push(ClockOffset { offset_us: 1, rtt_us: 10 });
        for n in 0..REMEMBERED as u64 - 1 {
            offsets.push(ClockOffset { offset_us: 2, rtt_us: 100 + n });
        }
        assert_eq!(offsets.best().map(|best| best.offset_us), Some(1));
        offsets.push(ClockOffset { offset_us: 3, rtt_us: 500 });
        assert_eq!(offsets.best(), Some(ClockOffset { offset_us: 2, rtt_us: 100 }), "the old one is forgotten");
    }

    proptest! {
        /// However the round trip is split, the offset is wrong by at most half of it (and 1 µs of rounding).
        #[test]
        fn the_error_is_at_most_half_the_round_trip(
            sent in 0u64..1 << 40, there in 0u64..1 << 20, back in 0u64..1 << 20, offset in -(1i64 << 50)..1i64 << 50,
        ) {
            let Ok(agent) = u64::try_from(i128::from(sent + there) + i128::from(offset)) else { return Ok(()) };
            let probe = ClockOffset::of_probe(sent, agent, sent + there + back);
            prop_assert_eq!(probe.rtt_us, there + back);
            prop_assert!(probe.offset_us.abs_diff(offset) <= (there + back) / 2 + 1);
        }

        #[test]
        fn no_clock_makes_it_panic(sent: u64, agent: u64, received: u64) {
            ClockOffset::of_probe(sent, agent, received);
        }
    }
}
