//! The figures of a restore against a naive model, and numbers as they are written.

use super::*;
use crate::record::testing::{Story, record_of};
use crate::record::{FaultEvent, FaultMoment, FaultRecord, RecoveryRecord};
use proptest::prelude::*;

fn writes() -> impl Strategy<Value = Vec<WriteRecord>> {
    proptest::collection::vec((0..1_000_u64, any::<bool>()), 0..60).prop_map(|ended| {
        let number = |(number, (at, acknowledged))| WriteRecord(number as u64, DrillTime(at), acknowledged);
        ended.into_iter().enumerate().map(number).collect()
    })
}

fn record(writes: Vec<WriteRecord>, survivors: Option<Numbers>, asked: u64, begun: u64, fault: u64) -> Record {
    let mut record = record_of(Story::Passed);
    let plan = record.plan.as_mut().unwrap();
    plan.restore = Some(RestorePlan {
        rto_us: 1,
        rpo_us: 1,
        load: "orders".into(),
        acknowledged: "status == 201".into(),
        survivors: "in db: psql".into(),
        probes: Vec::new(),
        expect: RestoreLevel::L5,
        backup_max_age_us: None,
        production_bytes: None,
    });
    let moment = |at, what| FaultMoment { at_us: DrillTime(at), what, detail: String::new() };
    let life = vec![moment(begun, FaultEvent::Injecting), moment(fault, FaultEvent::Confirmed)];
    let later = vec![moment(begun + 1, FaultEvent::Injecting), moment(fault + 50, FaultEvent::Confirmed)];
    record.faults = vec![("late", later), ("first", life)]
        .into_iter()
        .map(|(id, life)| FaultRecord { fault: id.into(), life, after: None, undo_output: String::new() })
        .collect();
    record.writes = writes;
    let evidence = String::new();
    record.read_back =
        Some(ReadBackRecord { asked_us: DrillTime(asked), survivors, duplicates: 3, evidence, before: None });
    record
}

#[test]
fn a_restore_is_projected_from_what_was_measured() {
    let mut own = record(Vec::new(), None, 0, 0, 1);
    own.backup = Some([("bytes".to_string(), "1000000".to_string())].into());
    let (from, to) = (own.mitigation_started_us.unwrap(), own.recovered_us().unwrap());
    assert_eq!(own.restore_projection(), None, "how much production has is not known");
    own.plan.as_mut().unwrap().restore.as_mut().unwrap().production_bytes = Some(3_000_000);
    let projected = own.restore_projection().unwrap();
    assert_eq!(projected.measured_us, to.0 - from.0);
    assert_eq!(projected.projected_us, 3 * (to.0 - from.0));
    own.recoveries.clear();
    assert_eq!(own.restore_projection(), None, "nothing was restored");
    own = record(Vec::new(), None, 0, 0, 1);
    own.plan.as_mut().unwrap().restore.as_mut().unwrap().production_bytes = Some(3_000_000);
    for odd in ["0", "48MB", "-1"] {
        own.backup = Some([("bytes".to_string(), odd.to_string())].into());
        assert_eq!(own.restore_projection(), None);
        assert_eq!(own.backup_bytes(), None);
    }
    own.backup = None;
    assert_eq!(own.backup_bytes(), None);
}

proptest! {
    #[test]
    fn numbers_are_read_as_they_are_written(set in proptest::collection::btree_set(0..200_u64, 0..80), top in any::<bool>()) {
        let mut numbers: Numbers = set.iter().copied().collect();
        if top {
            numbers.insert(u64::MAX);
            numbers.insert(u64::MAX - 1);
        }
        let text = serde_json::to_string(&numbers).unwrap();
        prop_assert_eq!(&serde_json::from_str::<Numbers>(&text).unwrap(), &numbers);
        let ranges = numbers.to_string();
        prop_assert!(!ranges.contains(",,") && !ranges.starts_with(',') && !ranges.ends_with(','));
        prop_assert_eq!(numbers.len(), set.len() + if top { 2 } else { 0 });
    }

    #[test]
    fn whatever_stands_in_a_file_is_read_or_refused(text in "([0-9]{1,3}[,-]){0,6}[0-9]{0,3}|[^0-9]{0,20}") {
        if let Some(numbers) = Numbers::parse(&text) {
            prop_assert_eq!(Numbers::parse(&numbers.to_string()), Some(numbers));
        }
    }

    #[test]
    fn every_write_is_counted_once_as_a_naive_count_says(
        writes in writes(),
        survivors in proptest::collection::btree_set(0..70_u64, 0..70),
        asked in 0..1_000_u64,
        begun in 0..500_u64,
        took in 0..200_u64,
    ) {
        let first = begun + took;
        let there = |number: u64| survivors.contains(&number);
        let record = record(writes.clone(), Some(survivors.iter().copied().collect()), asked, begun, first);
        let is_between = |w: &&WriteRecord| w.2 && !there(w.0) && (first + 1..=first + 50).contains(&w.1.0);
        let between = first + 50 <= asked && writes.iter().any(|w| is_between(&w));
        let (begun, fault) = if between { (begun + 1, first + 50) } else { (begun, first) };
        let figures = record.data_figures().unwrap();
        let judged: Vec<_> = writes.iter().filter(|w| w.2 && w.1.0 <= asked).collect();
        let lost = |of: &dyn Fn(u64) -> bool| -> Numbers {
            judged.iter().filter(|w| !there(w.0) && of(w.1.0)).map(|w| w.0).collect()
        };
        prop_assert_eq!(figures.acknowledged, judged.len() as u64);
        prop_assert_eq!(figures.survived, judged.iter().filter(|w| there(w.0)).count() as u64);
        prop_assert_eq!(&figures.lost_before, &lost(&|at| at <= fault));
        prop_assert_eq!(&figures.lost_after, &lost(&|at| at > fault));
        prop_assert_eq!(figures.lost_meanwhile, lost(&|at| at > begun && at <= fault).len() as u64);
        prop_assert_eq!(
            figures.acknowledged,
            figures.survived + figures.lost_before.len() as u64 + figures.lost_after.len() as u64
        );
        let unacknowledged: Numbers = writes.iter().filter(|w| !w.2 && there(w.0)).map(|w| w.0).collect();
        prop_assert_eq!(&figures.unacknowledged_survived, &unacknowledged);
        prop_assert_eq!(figures.unknown, survivors.iter().filter(|n| **n >= writes.len() as u64).count() as u64);
        let oldest = judged.iter().filter(|w| !there(w.0) && w.1.0 <= fault).map(|w| fault - w.1.0).max();
        prop_assert_eq!(figures.rpo_us, oldest.unwrap_or(0));
        let first = oldest.map(|oldest| fault - oldest);
        let at_least = first.is_some_and(|first| !judged.iter().any(|w| there(w.0) && w.1.0 < first));
        prop_assert_eq!((figures.rpo_at_least, figures.rpo_at_most_us), (at_least, None));
        prop_assert_eq!(figures.duplicates, 3);
    }
}

#[test]
fn a_loss_is_measured_from_the_last_fault_that_may_have_lost_it() {
    let from = |writes: &[(u64, bool)], confirmed: &[u64]| {
        let writes = writes.iter().map(|(at, acknowledged)| WriteRecord(0, DrillTime(*at), *acknowledged));
        let confirmed = confirmed.iter().map(|at| DrillTime(*at));
        let (asked_us, survivors) = (DrillTime(100), Some(Numbers::default()));
        let read = ReadBackRecord { asked_us, survivors, duplicates: 0, evidence: String::new(), before: None };
        fault_of_losses(&writes.collect::<Vec<_>>(), &read, confirmed).map(|at| at.0)
    };
    assert_eq!([from(&[(5, true)], &[]), from(&[], &[10]), from(&[(5, true)], &[10])], [None, Some(10), Some(10)]);
    let none_between = [(5, true), (10, true), (30, false), (90, true)];
    assert_eq!(from(&none_between, &[10, 60]), Some(10), "nothing was acknowledged that the second could lose");
    assert_eq!(from(&[(5, true), (30, true)], &[10, 60]), Some(60));
    assert_eq!(from(&[(60, true)], &[10, 60]), Some(60));
    assert_eq!(from(&[(5, true), (110, true)], &[10, 120]), Some(10), "the survivors were read by then");
    assert_eq!(from(&[(30, true)], &[10, 60, 80]), Some(60), "the third one met a service that was down");
    // As a record has it: the second one is confirmed at 52.
    let lost = |at: u64| {
        let writes = vec![WriteRecord(0, DrillTime(1), true), WriteRecord(1, DrillTime(at), true)];
        record(writes, Some([1].into_iter().collect()), 200, 1, 2).data_figures().unwrap().rpo_us
    };
    assert_eq!([lost(2), lost(3), lost(60)], [1; 3], "what was acknowledged between the two has survived");
}

#[test]
fn what_a_restore_brought_is_what_was_not_there_before_the_fault() {
    let brought = |before: Option<(u64, u64)>| {
        let mut record = record(Vec::new(), Some([3, 7].into_iter().collect()), 200, 1, 2);
        let read = record.read_back.as_mut().unwrap();
        read.before = before.map(|(unknown, duplicates)| Unaccounted { unknown, duplicates });
        record.data_figures().unwrap().brought
    };
    assert_eq!(brought(Some((0, 0))), 5, "two that nobody wrote, and three that came again");
    assert_eq!(brought(Some((2, 0))), 3, "rows of a seed");
    assert_eq!(brought(Some((2, 1))), 0, "where some came again before, more may");
    assert_eq!(brought(None), 0);
}

#[test]
fn writes_that_are_lost_after_the_recovery_are_counted_whether_or_not_it_lasted() {
    let writes = [60, 100, 101, 102, 201].into_iter().zip(0..).map(|(at, n)| WriteRecord(n, DrillTime(at), true));
    let mut record = record(writes.collect(), Some([3].into_iter().collect()), 200, 1, 2);
    record.recoveries = vec![RecoveryRecord { sli: String::new(), recovered_us: DrillTime(100) }];
    let figures = record.data_figures().unwrap();
    assert_eq!((figures.lost_after.len(), figures.lost_served), (3, 1), "the last one is not judged");
    record.relapsed_us = Some(DrillTime(150));
    assert_eq!(record.data_figures().unwrap().lost_served, 1);
    record.recoveries.clear();
    assert_eq!(record.data_figures().unwrap().lost_served, 0, "nobody was served again");
}

#[test]
fn a_point_of_recovery_is_met_or_missed_or_not_known() {
    let of = |rpo_us, rpo_at_least, rpo_at_most_us| {
        let figures = DataFigures { rpo_us, rpo_at_least, rpo_at_most_us, ..DataFigures::default() };
        (figures.meets_rpo(5), figures.misses_rpo(5))
    };
    assert_eq!([of(5, false, None), of(6, false, None)], [(true, false), (false, true)]);
    assert_eq!([of(5, true, None), of(6, true, None)], [(false, false), (false, true)]);
    assert_eq!([of(2, true, Some(5)), of(2, true, Some(6))], [(true, false), (false, true)]);
}

#[test]
fn a_damaged_set_of_numbers_is_refused_and_fills_no_memory() {
    for text in ["x", "3-1", "1-", "-1", "0-18446744073709551615", "0-9999999,0-9999999", "1-2-3"] {
        assert!(Numbers::parse(text).is_none(), "{text}");
    }
}

#[test]
fn what_could_not_be_read_has_no_figures() {
    assert_eq!(record(vec![WriteRecord(0, DrillTime(1), true)], None, 9, 2, 3).data_figures(), None);
    let mut without = record(Vec::new(), Some(Numbers::default()), 9, 2, 3);
    without.faults.clear();
    assert_eq!(without.data_figures(), None, "no fault was confirmed");
    without.plan.as_mut().unwrap().restore = None;
    assert_eq!((without.data_figures(), without.restore_level()), (None, None));
}

#[test]
fn a_loss_of_the_whole_ledger_is_bounded_by_the_age_of_the_backup() {
    let writes = vec![WriteRecord(0, DrillTime(1_000_000), true), WriteRecord(1, DrillTime(2_000_000), true)];
    let mut record = record(writes, Some([1].into_iter().collect()), 9_000_000, 3_000_000, 3_000_000);
    let figures = record.data_figures().unwrap();
    assert_eq!((figures.rpo_us, figures.rpo_at_least, figures.rpo_at_most_us), (2_000_000, true, None));
    assert!(!figures.meets_rpo(2_000_000), "nobody knows how much is lost");
    record.plan.as_mut().unwrap().started_utc = "2026-11-20T06:00:00Z".into();
    for (taken, bound) in [("2026-11-20T05:59:00Z", Some(63_000_000)), ("2026-11-20T06:00:02Z", None), ("x", None)] {
        record.backup = Some([("taken".to_string(), taken.to_string())].into());
        let figures = record.data_figures().unwrap();
        assert_eq!((figures.rpo_at_most_us, figures.judged_rpo_us()), (bound, bound), "{taken}");
        assert_eq!((figures.meets_rpo(63_000_000), figures.meets_rpo(2_000_000)), (bound.is_some(), false), "{taken}");
    }
}

#[test]
fn users_who_lost_the_service_again_are_not_at_the_highest_level() {
    use RestoreLevel::{L1, L2, L3, L4, L5};
    let all = |users| [(L1, "a", true), (L2, "b", true), (L3, "c", true), (L4, "d", true), (L5, "users", users)];
    assert_eq!([true, false].map(|users| RestoreLevel::reached(all(users), true)), [L5, L4]);
    assert_eq!(RestoreLevel::reached(all(true), false), L4);
}

#[test]
fn a_level_needs_all_of_its_checks_and_all_levels_below_it() {
    use RestoreLevel::{L1, L2, L3, L4};
    let all = [(L1, "a", true), (L2, "b", true), (L3, "c", true), (L4, "d", true), (L4, "e", true)];
    assert_eq!(RestoreLevel::reached(all, true), RestoreLevel::L5);
    assert_eq!(RestoreLevel::reached(all, false), L4);
    assert_eq!(RestoreLevel::reached([], true), RestoreLevel::L0);
    for (at, below) in [(0, RestoreLevel::L0), (1, L1), (2, L2), (3, L3), (4, L3)] {
        let mut some = all;
        some[at].2 = false;
        assert_eq!(RestoreLevel::reached(some, true), below, "{at}");
        let again = some.into_iter().chain([all[at]]);
        assert_eq!(RestoreLevel::reached(again, true), RestoreLevel::L5, "the latest answer counts");
        let unasked = all.into_iter().filter(|probe| probe.0 != all[at].0);
        assert_eq!(RestoreLevel::reached(unasked, true), below, "nobody looked");
    }
}
