//! Exact counts per slice, handed out in order once every request of a slice has ended.

use super::{Failure, RequestEnding};
use crate::record::{DrillTime, OF_A_PAGE, OF_NO_CONTENT, Slice, micros};
use crate::slis::{EventAnswer, Good, SliSpec};
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

#[derive(Default)]
struct OpenSlice {
    issued: u64,
    ended: u64,
    due: u64,
    /// Of each SLI: good events, and when the first was complete.
    good: Vec<(u64, Option<u64>)>,
    results: BTreeMap<Result<EventAnswer, Failure>, u64>,
    latencies_us: Vec<u64>,
}

/// Counts of the slices that are not closed yet. An event belongs to the slice in which its request was *due*,
/// whenever it ended.
pub struct Tally {
    pub(super) load: String,
    slis: Vec<(String, Good)>,
    open: VecDeque<OpenSlice>,
    /// Index of the first slice of `open`: all before it have been handed out.
    first: u64,
}

impl Tally {
    /// A tally of the SLIs over one load.
    pub fn new(load: &str, slis: &[SliSpec]) -> Tally {
        let slis =
            slis.iter().filter(|sli| sli.series == load).map(|sli| (sli.name.clone(), sli.good.clone())).collect();
        Tally { load: load.to_string(), slis, open: VecDeque::new(), first: 0 }
    }

    /// One more request is due in a slice. Where that is closed, it counts in the first one that is not: none is left out.
    pub fn issue(&mut self, slice: u64) {
        let Ok(offset) = usize::try_from(slice.saturating_sub(self.first)) else { return };
        if self.open.len() <= offset {
            self.open.resize_with(offset + 1, OpenSlice::default);
        }
        if let Some(open) = self.open.get_mut(offset) {
            open.issued += 1;
            open.due += 1;
        }
    }

    /// A request that was due `after` the start of `slice` has ended.
    pub fn end(&mut self, slice: u64, after: Duration, ending: RequestEnding) {
        let offset = usize::try_from(slice.saturating_sub(self.first)).ok();
        let Some(open) = offset.and_then(|offset| self.open.get_mut(offset)) else { return };
        open.ended += 1;
        open.latencies_us.push(micros(ending.latency));
        let counted = match ending.result {
            Ok(EventAnswer::Counted { good, valid }) => {
                let (good, valid) = (u64::from(good.min(valid)), u64::from(valid));
                open.due = (open.due + valid).saturating_sub(1);
                for (truth, count) in [(true, good), (false, valid - good)].into_iter().filter(|(_, count)| *count > 0)
                {
                    *open.results.entry(Ok(EventAnswer::Truth(truth))).or_default() += count;
                }
                Some(good)
            }
            result => {
                *open.results.entry(result).or_default() += 1;
                let is_known = result != Err(Failure::NoData);
                open.due -= u64::from(!is_known);
                (!is_known).then_some(0)
            }
        };
        let complete_us = micros(after.saturating_add(ending.latency));
        open.good.resize(self.slis.len(), (0, None));
        for ((count, first), (_, good)) in open.good.iter_mut().zip(&self.slis) {
            let more = counted.unwrap_or_else(|| u64::from(good.judge(ending.result.ok(), ending.latency)));
            if more > 0 {
                *count += more;
                *first = Some(first.map_or(complete_us, |first| first.min(complete_us)));
            }
        }
    }

    /// Requests that were issued and have not ended.
    pub fn outstanding(&self) -> u64 {
        self.open.iter().map(|open| open.issued.saturating_sub(open.ended)).sum()
    }

    /// Hands out, in order and without gaps, the slices before `until` of which every request has ended; when they began, a tally does not
    /// know.
    pub fn close(&mut self, until: u64) -> Vec<Slice> {
        let mut closed = Vec::new();
        while self.first < until && self.open.front().is_none_or(|open| open.ended >= open.issued) {
            let open = self.open.pop_front().unwrap_or_default();
            closed.push(self.counts(self.first, open));
            self.first += 1;
        }
        closed
    }

    fn counts(&self, index: u64, mut open: OpenSlice) -> Slice {
        open.good.resize(self.slis.len(), (0, None));
        let of_sli = || self.slis.iter().map(|(name, _)| name.clone()).zip(open.good.iter().copied());
        Slice {
            load: self.load.clone(),
            index,
            start_us: DrillTime::default(),
            due: open.due,
            good: of_sli().map(|(name, (good, _))| (name, good)).collect(),
            first_good_us: of_sli().filter_map(|(name, (_, first))| Some((name, first?))).collect(),
            results: open.results.into_iter().map(|(result, count)| (result_name(result), count)).collect(),
            latency_us: percentiles(open.latencies_us),
        }
    }
}

/// Median, 99th percentile (each the smallest value that so many do not exceed) and maximum.
fn percentiles(mut latencies_us: Vec<u64>) -> [u64; 3] {
    latencies_us.sort_unstable();
    [50, 99, 100].map(|percent| {
        let rank = (latencies_us.len() * percent).div_ceil(100);
        latencies_us.get(rank.saturating_sub(1)).copied().unwrap_or_default()
    })
}

fn result_name(result: Result<EventAnswer, Failure>) -> String {
    match result {
        Ok(EventAnswer::Status(status)) => status.to_string(),
        Ok(EventAnswer::Page(status)) => format!("{status}{OF_A_PAGE}"),
        Ok(EventAnswer::Empty(status)) => format!("{status}{OF_NO_CONTENT}"),
        Ok(EventAnswer::Truth(truth)) => truth.to_string(),
        // Told apart as good and bad ones.
        Ok(EventAnswer::Counted { .. }) => "counted".into(),
        Err(failure) => failure.name().to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::slis::{Comparison, Ratio, Term};
    use proptest::prelude::*;

    fn sli(name: &str, load: &str, terms: Vec<Term>) -> SliSpec {
        let good = Good { text: String::new(), terms };
        SliSpec { name: name.into(), series: load.into(), good, objective: Ratio::new(0.99).unwrap(), slo: None }
    }

    fn slis() -> Vec<SliSpec> {
        vec![
            sli("availability", "a", vec![Term::Status(Comparison::Less, 500)]),
            sli(
                "both",
                "a",
                vec![Term::Status(Comparison::Less, 400), Term::Latency(Comparison::Less, Duration::from_millis(300))],
            ),
            sli("elsewhere", "b", vec![]),
        ]
    }

    fn ok(status: u16, ms: u64) -> RequestEnding {
        RequestEnding { result: Ok(EventAnswer::Status(status)), latency: Duration::from_millis(ms) }
    }

    #[test]
    fn events_that_somebody_else_counted_are_as_many_as_there_were() {
        let mut tally = Tally::new("a", &slis());
        let counted =
            |good, valid| RequestEnding { result: Ok(EventAnswer::Counted { good, valid }), latency: Duration::ZERO };
        for slice in [0, 1] {
            tally.issue(slice);
        }
        tally.end(0, Duration::ZERO, counted(48, 50));
        assert_eq!(tally.outstanding(), 1);
        tally.end(1, Duration::ZERO, counted(0, 0));
        let closed = tally.close(2);
        assert_eq!((closed[0].due, closed[0].good["availability"], closed[1].due), (50, 48, 0));
        assert_eq!(closed[0].results, [("true".to_string(), 48), ("false".into(), 2)].into());
        assert!(closed[1].results.is_empty() && closed[1].first_good_us.is_empty(), "no events are no data");
    }

    #[test]
    fn a_slice_waits_for_its_last_request_and_for_the_slices_before_it() {
        let mut tally = Tally::new("a", &slis());
        tally.issue(0);
        tally.issue(0);
        tally.issue(2);
        tally.end(2, Duration::ZERO, ok(200, 5));
        assert_eq!(tally.close(3), [], "slice 0 is still open, and so holds 1 and 2 back");
        assert_eq!(tally.outstanding(), 2);
        tally.end(0, Duration::ZERO, ok(200, 10));
        let late = RequestEnding { result: Err(Failure::Timeout), latency: Duration::from_secs(2) };
        tally.end(0, Duration::ZERO, late);
        let closed = tally.close(3);
        assert_eq!(closed.iter().map(|s| (s.index, s.due)).collect::<Vec<_>>(), [(0, 2), (1, 0), (2, 1)]);
        let expected: BTreeMap<String, u64> = [("availability".into(), 1), ("both".into(), 1)].into();
        assert_eq!(closed[0].good, expected);
        assert_eq!(closed[0].results, [("200".into(), 1), ("timeout".into(), 1)].into());
        assert_eq!(closed[0].latency_us[2], 2_000_000);
        assert_eq!(closed[1].good.values().sum::<u64>(), 0, "an empty slice names its SLIs all the same");
        assert_eq!(closed[1].good.len(), 2);
        assert_eq!(tally.close(3), []);
    }

    #[test]
    fn a_request_of_a_slice_that_is_closed_is_not_left_out() {
        let mut tally = Tally::new("a", &slis());
        assert_eq!(tally.close(2).len(), 2);
        tally.issue(0);
        assert_eq!(tally.close(3), [], "it waits for it");
        tally.end(0, Duration::ZERO, ok(503, 1));
        let closed = tally.close(3);
        assert_eq!((closed[0].index, closed[0].due, closed[0].good["availability"]), (2, 1, 0));
    }

    #[test]
    fn a_slice_is_not_handed_out_before_its_time_is_over() {
        let mut tally = Tally::new("a", &slis());
        tally.issue(0);
        tally.end(0, Duration::ZERO, ok(200, 1));
        assert_eq!(tally.close(0), []);
        assert_eq!(tally.close(1).len(), 1);
    }

    #[test]
    fn percentiles_are_exact() {
        let mut tally = Tally::new("a", &[]);
        for ms in 1..=100 {
            tally.issue(0);
            tally.end(0, Duration::ZERO, ok(200, ms));
        }
        assert_eq!(tally.close(1)[0].latency_us, [50_000, 99_000, 100_000]);
    }

    fn ending() -> impl Strategy<Value = RequestEnding> {
        let result = prop_oneof![
            prop_oneof![Just(200u16), Just(302), Just(404), Just(503)]
                .prop_map(|status| Ok(EventAnswer::Status(status))),
            prop_oneof![Just(Failure::Timeout), Just(Failure::NoConnection), Just(Failure::Reset)].prop_map(Err),
        ];
        (result, 0u64..2_500).prop_map(|(result, ms)| RequestEnding { result, latency: Duration::from_millis(ms) })
    }

    proptest! {
        /// Whatever order requests end in: nothing is lost, nothing is counted twice, and every SLI agrees with a
        /// naive judgement of each request.
        #[test]
        fn sums_equal_a_naive_count(
            requests in prop::collection::vec((0u64..20, ending(), any::<u32>()), 0..200),
            closes in 1usize..5,
        ) {
            let slis = slis();
            let mut tally = Tally::new("a", &slis);
            for (slice, _, _) in &requests {
                tally.issue(*slice);
            }
            let mut order: Vec<_> = requests.iter().collect();
            order.sort_by_key(|(_, _, shuffle)| *shuffle);
            let mut closed = Vec::new();
            for (n, (slice, ending, _)) in order.into_iter().enumerate() {
                tally.end(*slice, Duration::ZERO, *ending);
                if n % closes == 0 {
                    closed.extend(tally.close(20));
                }
            }
            closed.extend(tally.close(20));
            prop_assert_eq!(tally.outstanding(), 0);
            prop_assert_eq!(closed.iter().map(|s| s.index).collect::<Vec<_>>(), (0..20).collect::<Vec<_>>());
            prop_assert_eq!(closed.iter().map(|s| s.due).sum::<u64>(), requests.len() as u64);
            for slice in &closed {
                let mine: Vec<_> = requests.iter().filter(|(s, _, _)| *s == slice.index).collect();
                prop_assert_eq!(slice.due, mine.len() as u64);
                prop_assert_eq!(slice.results.values().sum::<u64>(), slice.due);
                for sli in slis.iter().filter(|sli| sli.series == "a") {
                    let naive = mine.iter().filter(|(_, e, _)| sli.good.judge(e.result.ok(), e.latency)).count() as u64;
                    prop_assert_eq!(slice.good[&sli.name], naive);
                }
                let worst = mine.iter().map(|(_, e, _)| micros(e.latency)).max().unwrap_or(0);
                prop_assert_eq!(slice.latency_us[2], worst);
                prop_assert!(slice.latency_us[0] <= slice.latency_us[1] && slice.latency_us[1] <= worst);
            }
        }
    }
}
