//! The queries of a timeline against naive computations over single requests, and the cases that bite.

use super::*;
use crate::record::{HoldRecord, Parts};
use crate::slis::{Comparison, Good, Term};
use proptest::prelude::*;

const MS: u64 = 1_000;
const SLICE_US: u64 = 100_000;

fn sli(name: &str, load: &str, objective: f64) -> SliSpec {
    SliSpec {
        name: name.into(),
        series: load.into(),
        good: Good { text: String::new(), terms: vec![] },
        objective: Ratio::new(objective).unwrap(),
        slo: None,
    }
}

fn slice(load: &str, index: u64, due: u64, good: &[(&str, u64)]) -> Slice {
    Slice {
        load: load.into(),
        index,
        start_us: DrillTime(index * SLICE_US),
        due,
        good: good.iter().map(|(name, n)| (name.to_string(), *n)).collect(),
        results: BTreeMap::new(),
        first_good_us: BTreeMap::new(),
        latency_us: [0; 3],
    }
}

/// A timeline of one load with one SLI `a`, from (due, good) per slice.
fn timeline(objective: f64, counts: &[(u64, u64)]) -> Timeline {
    let mut timeline = Timeline::new(&[sli("a", "web", objective)]);
    for (i, (due, good)) in counts.iter().enumerate() {
        timeline.push(slice("web", i as u64, *due, &[("a", *good)]));
    }
    timeline
}

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn at(ms: u64) -> DrillTime {
    DrillTime(ms * MS)
}

fn recovery(from: u64, ended: Option<u64>, within: u64, hold: u64) -> RecoveryQuery {
    RecoveryQuery {
        from: at(from),
        deadline: ended.map_or(DrillTime(u64::MAX), |ended| at(ended + within)),
        hold: ms(hold),
        window: ms(hold),
        runbook_ended: None,
        steady: None,
        impact: None,
    }
}

/// The start of the window that shows a recovery.
fn began(answer: WindowAnswer<Recovery, Vec<Level>>) -> WindowAnswer<DrillTime, Vec<Level>> {
    match answer {
        Some(Ok(recovery)) => Some(Ok(recovery.from)),
        Some(Err(levels)) => Some(Err(levels)),
        None => None,
    }
}

#[test]
fn answers_that_nobody_had_before_are_told() {
    let answered = |results: &[(&str, u64)], later: &[(&str, u64)]| {
        let mut timeline = Timeline::new(&[sli("a", "web", 0.9)]);
        for index in 0..20 {
            let results = if index < 10 { results } else { later };
            let results = results.iter().map(|(result, count)| (result.to_string(), *count)).collect();
            timeline.push(Slice { results, ..slice("web", index, 10, &[("a", 10)]) });
        }
        timeline.answered_otherwise((at(0), at(1000)), (at(1000), at(2000))).into_iter().next()
    };
    let told = answered(&[("201", 10)], &[("404", 9), ("201", 1)]).unwrap();
    assert!(told.refused && told.text.ends_with("404 × 90 of 100, and it was 201 × 100 of 100"), "{told:?}");
    assert!(!answered(&[("201", 10)], &[("202", 10)]).unwrap().refused, "queued is not refused");
    assert!(!answered(&[("404", 10)], &[("409", 10)]).unwrap().refused, "they were refused before");
    assert!(answered(&[("201", 10)], &[("404", 2), ("201", 8)]).unwrap().refused, "more than the objective allows");
    assert_eq!(answered(&[("201", 10)], &[("404", 1), ("201", 9)]), None, "the objective allows one in ten");
    assert!(answered(&[("200", 10)], &[("302", 10)]).unwrap().refused, "nobody follows it");
    assert!(answered(&[("200", 10)], &[("200 text/html", 10)]).unwrap().refused, "a page in the place of data");
    assert_eq!(answered(&[("200 text/html", 10)], &[("200 text/html", 10)]), None);
    assert!(!answered(&[("200 text/html", 10)], &[("200", 10)]).unwrap().refused);
    assert!(answered(&[("200 text/html", 10)], &[("302", 10)]).unwrap().refused);
    assert!(
        answered(&[("200", 10)], &[("200 empty", 5), ("200", 5)]).unwrap().refused,
        "nothing in the place of content"
    );
    assert!(answered(&[("200 text/html", 10)], &[("204 empty", 10)]).unwrap().refused);
    assert_eq!(answered(&[("200 empty", 10)], &[("200 empty", 10)]), None);
    assert_eq!(answered(&[("200", 10)], &[("204 empty", 5), ("200", 5)]), None, "there may be nothing new");
    assert_eq!(
        answered(&[("200", 8), ("204 empty", 2)], &[("204 empty", 10)]),
        None,
        "as there was nothing new before"
    );
    assert!(!answered(&[("200 empty", 10)], &[("200", 10)]).unwrap().refused);
    assert!(!answered(&[("302", 10)], &[("303", 10)]).unwrap().refused, "sent elsewhere before as well");
    assert!(!answered(&[("200", 10)], &[("304", 10)]).unwrap().refused);
    let told = answered(&[("201", 10)], &[("404", 4), ("403", 4), ("201", 2)]).unwrap();
    assert!(
        told.refused && told.text.contains("403 × 40, 404 × 40 of 100"),
        "each status by itself is not most: {told:?}"
    );
    let usual = &[("201", 9), ("404", 1)];
    let told = answered(usual, &[("404", 10)]).unwrap();
    assert!(told.refused && told.text.contains("404 × 100 of 100"), "everybody gets what one in ten got: {told:?}");
    assert!(answered(usual, &[("201", 7), ("404", 3)]).unwrap().refused, "two in ten more than usual");
    assert_eq!(answered(usual, &[("201", 8), ("404", 2)]), None, "no more than twice as many");
    assert!(answered(&[("201", 9), ("404", 1)], &[("429", 10)]).unwrap().refused, "another error than the usual one");
    assert_eq!(answered(&[("201", 10)], &[]), None);
}

#[test]
fn who_is_not_served_while_nothing_is_broken_is_told() {
    let told = |term: Term, results: &[(&str, u64)]| {
        let good = Good { text: String::new(), terms: vec![term] };
        let mut timeline = Timeline::new(&[SliSpec { good, ..sli("a", "web", 0.9) }]);
        let results = results.iter().map(|(result, count)| (result.to_string(), *count)).collect();
        timeline.push(Slice { results, ..slice("web", 0, 10, &[("a", 10)]) });
        timeline.never_served((at(0), at(100))).pop().unwrap_or_default()
    };
    let no_error = Term::Status(Comparison::Less, 500);
    assert!(told(no_error, &[("404", 9), ("200", 1)]).contains("(404 × 9 of 10)"));
    assert!(told(no_error, &[("200", 4), ("302", 3), ("404", 3)]).contains("(302 × 3 of 10)"));
    assert!(told(no_error, &[("302", 10)]).contains("(302 × 10 of 10)"));
    for results in [[("404", 5), ("200", 5)], [("304", 5), ("200", 5)]] {
        assert_eq!(told(no_error, &results), "");
    }
    assert_eq!(told(Term::Status(Comparison::Equal, 401), &[("401", 10)]), "", "that is what the SLI asks for");
}

#[test]
fn who_is_refused_has_not_recovered_and_may_still_recover() {
    ["429", "200 empty", "204 empty"].into_iter().for_each(refused_for_a_while);
}

fn refused_for_a_while(refusal: &str) {
    let mut timeline = Timeline::new(&[sli("a", "web", 0.9)]);
    for index in 0..40 {
        let results = [(if (10..25).contains(&index) { refusal } else { "201" }.to_string(), 10)];
        timeline.push(Slice { results: results.into(), ..slice("web", index, 10, &[("a", 10)]) });
    }
    let query = RecoveryQuery { steady: Some((at(0), at(1000))), ..recovery(1000, Some(1000), 2500, 500) };
    let Some(Ok(first)) = timeline.recovered(None, &query) else { panic!("they are served from 2.5 s on") };
    assert_eq!((first.from, first.to), (at(2500), at(3000)), "not from a window on in which they are still refused");
    let runbook_ended = RecoveryQuery { runbook_ended: Some(at(2000)), from: at(0), deadline: at(2000), ..query };
    assert!(
        matches!(timeline.recovered(None, &runbook_ended), Some(Err(_))),
        "served for long, and refused at its end"
    );
    let hurried = RecoveryQuery { deadline: at(2000), ..query };
    assert!(matches!(timeline.recovered(None, &hurried), Some(Err(_))));
    assert!(matches!(timeline.recovered(None, &RecoveryQuery { steady: None, ..hurried }), Some(Ok(_))));
}

#[test]
fn a_cure_that_turns_some_away_is_no_recovery_where_the_objective_allows_fewer() {
    // Of ten events a slice one is turned away from 2 s on, in so many of ten slices.
    let recovered = |slices: u64| {
        let status = SliSpec { good: Good { text: "status < 500".into(), terms: vec![] }, ..sli("a", "web", 0.99) };
        let mut timeline = Timeline::new(&[status]);
        for index in 0..200 {
            let away = u64::from(index >= 20 && index % 10 < slices);
            let results = [("429".to_string(), away), ("201".to_string(), 10 - away)];
            timeline.push(Slice { results: results.into(), ..slice("web", index, 10, &[("a", 10)]) });
        }
        let query = RecoveryQuery { steady: Some((at(0), at(2000))), ..recovery(2000, Some(2000), 5000, 2000) };
        timeline.recovered(None, &query).map(|found| found.is_ok())
    };
    assert_eq!((recovered(8), recovered(1)), (Some(false), Some(true)), "8%, and 1% as the objective says");
    // What one of 250 were told is told 2% of them by chance.
    let mut timeline = Timeline::new(&[sli("a", "web", 0.99)]);
    for index in 0..75 {
        let missing = u64::from(index == 3 || index >= 25 && index % 5 == 0);
        let results = [("404".to_string(), missing), ("200".to_string(), 10 - missing)];
        timeline.push(Slice { results: results.into(), ..slice("web", index, 10, &[("a", 10)]) });
    }
    assert_eq!(timeline.refused(Some((at(0), at(2500))), (at(2500), at(7500))), None);
}

#[test]
fn a_moment_of_refusals_is_seen_in_a_long_span() {
    let of = |result: &str, due: u64, refused: u64, slices: u64| {
        // The answers of that moment are slow as well, which excuses no refusal.
        let of_status = SliSpec { good: Good { text: "status < 500".into(), terms: vec![] }, ..sli("a", "web", 0.9) };
        let mut timeline = Timeline::new(&[of_status, sli("slow", "web", 0.5)]);
        for index in 0..200 {
            let refused = if (100..100 + slices).contains(&index) { refused } else { 0 };
            let good = if result < "500" { due } else { due - refused };
            let results = [(result.to_string(), refused), ("201".to_string(), due - refused)];
            let results = results.into_iter().filter(|(_, count)| *count > 0).collect();
            timeline.push(Slice { results, ..slice("web", index, due, &[("a", good), ("slow", due - refused)]) });
        }
        let (steady, span) = ((at(0), at(1000)), (at(1000), at(20_000)));
        assert_eq!(timeline.refused(Some(steady), span), None, "fewer than one in ten of all");
        timeline.refused_in_a_moment(steady, span, ms(1000))
    };
    let told = |due, refused, slices| of("404", due, refused, slices);
    assert_eq!(of("503", 10, 10, 8), None, "the SLI counts these as bad, and its objective says how many may be");
    let moment = told(10, 10, 8).unwrap_or_default();
    assert!(moment.ends_with("404 × 20 of 100, and it was 201 × 100 of 100"), "{moment}");
    assert_eq!(told(10, 1, 8), None, "fewer than one in ten of a second");
    assert_eq!(told(1, 1, 4), None, "fewer than five");
    assert!(told(1, 1, 5).is_some());
}

/// An SLI over a Prometheus does not see who no longer reaches the service.
#[test]
fn a_load_that_no_sli_looks_at_must_be_answered_as_before() {
    // Ten events a slice of an SLI that is met all the time, and ten of a load that has these answers until 1 s, from then and from 2.5 s on.
    let with = |load: u64, answers: [&[(&str, u64)]; 3]| {
        let mut timeline = Timeline::new(&[sli("a", "promql:a", 0.9)]);
        (0..40).for_each(|index| timeline.push(slice("promql:a", index, 10, &[("a", 10)])));
        for index in 0..load {
            let results = answers[usize::from(index >= 10) + usize::from(index >= 25)];
            let results = results.iter().map(|(result, count)| (result.to_string(), *count)).collect();
            timeline.push(Slice { results, ..slice("web", index, 10, &[]) });
        }
        timeline
    };
    let query = RecoveryQuery { steady: Some((at(0), at(1000))), ..recovery(1000, Some(1000), 2500, 500) };
    let found = |load, answers| began(with(load, answers).recovered(None, &query));
    let (served, some) = (&[("200", 10)][..], &[("200", 8), ("timeout", 2)][..]);
    for refused in [&[("503", 10)][..], &[("200", 1), ("503", 9)], some, &[("reset", 10)]] {
        assert_eq!(found(40, [served, refused, served]), Some(Ok(at(2500))), "{refused:?}");
        assert!(matches!(found(40, [served, refused, refused]), Some(Err(_))), "{refused:?}");
        assert_eq!(
            found(40, [refused, refused, refused]).map(|told| told.is_ok()),
            Some(true),
            "as before: {refused:?}"
        );
        let timeline = with(40, [served, served, refused]);
        assert!(timeline.refused_after(query.steady, at(2000), at(4000), ms(500)).is_some(), "{refused:?}");
    }
    for allowed in [&[("200", 9), ("503", 1)][..], &[("202", 10)]] {
        assert_eq!(found(40, [served, allowed, allowed]), Some(Ok(at(1000))), "{allowed:?}");
    }
    // Of requests that are under way nobody knows whether they are refused.
    assert_eq!(found(14, [served, served, served]), None);
    assert_eq!(found(15, [served, served, served]), Some(Ok(at(1000))));
    let relapsed = |load| with(load, [served; 3]).relapsed(at(2000), at(3000), ms(500), None);
    assert_eq!((relapsed(29), relapsed(30)), (None, Some(Err(()))));
    // One answer in a short window is no finding, however few there are.
    let mut timeline = Timeline::new(&[sli("a", "promql:a", 0.9)]);
    for index in 0..20 {
        let results = [(if index < 15 { "200" } else { "503" }.to_string(), 1)];
        timeline.push(Slice { results: results.into(), ..slice("web", index, 1, &[]) });
    }
    let refused = |until| timeline.refused(Some((at(0), at(1000))), (at(1000), at(until))).is_some();
    assert_eq!((refused(1600), refused(1700)), (false, true));
}

/// The faults are undone at 1 s.
#[test]
fn a_load_that_hangs_has_not_held_again_however_well_the_slis_are_met() {
    // Everything is known of the SLI, which is met in the slices `met`, and so many slices of a load that no SLI looks at.
    let with = |met: std::ops::Range<u64>, known: u64, answer: fn(u64) -> (&'static str, u64)| {
        let mut timeline = Timeline::new(&[sli("a", "promql:a", 0.9)]);
        (0..40).for_each(|i| timeline.push(slice("promql:a", i, 10, &[("a", if met.contains(&i) { 10 } else { 0 })])));
        for index in 0..known {
            let (result, due) = if index < 10 { ("200", 10) } else { answer(index) };
            let results = (due > 0).then(|| (result.to_string(), due)).into_iter().collect();
            timeline.push(Slice { results, ..slice("web", index, due, &[]) });
        }
        let held = timeline.held_again(ms(500), at(1000), Some((at(0), at(1000))));
        held.map(|held| held.map(|levels| levels[0].to).map_err(|levels| levels[0].to))
    };
    let always = || 0..40;
    fn served(_: u64) -> (&'static str, u64) {
        ("200", 10)
    }
    let hangs = |_| ("timeout", 10);
    assert_eq!(with(always(), 14, served), None, "how its requests ended is not known");
    assert_eq!(with(always(), 15, served), Some(Ok(at(1500))), "slower than the SLI, whose last window ends at 4 s");
    assert_eq!(with(always(), 20, hangs), Some(Err(at(2000))));
    assert_eq!(with(always(), 24, |i| (if i < 20 { "timeout" } else { "200" }, 10)), Some(Err(at(2400))));
    assert_eq!(with(always(), 40, |i| (if i < 20 { "timeout" } else { "200" }, 10)), Some(Ok(at(2500))));
    assert_eq!(with(always(), 40, |i| (if i == 17 { "503" } else { "200" }, 10)), Some(Ok(at(1500))), "held before");
    assert_eq!(with(always(), 15, |i| ("timeout", u64::from(i == 12))), Some(Ok(at(1500))), "one answer is no finding");
    assert_eq!(with(always(), 15, |_| ("200", 0)), Some(Ok(at(1500))), "nobody was to be served");
    assert_eq!(with(20..40, 25, served), Some(Ok(at(2500))), "the SLI needs a moment");
    assert_eq!(with(20..40, 24, served), Some(Err(at(2400))));
    assert_eq!(with(20..40, 14, served), None, "the SLI holds, and of the load nothing is known");
    assert_eq!(with(0..10, 14, served), Some(Err(at(4000))), "whatever becomes of the load");
    assert_eq!(with(0..10, 40, hangs), Some(Err(at(4000))));
}

#[test]
fn a_load_of_which_something_is_not_known_is_named() {
    let mut timeline = Timeline::new(&[sli("a", "web", 0.9)]);
    (0..20).for_each(|index| timeline.push(slice("web", index, 10, &[("a", 10)])));
    (0..15).for_each(|index| timeline.push(slice("jobs", index, 10, &[])));
    timeline.push(slice("mail", 1, 10, &[]));
    let unknown = |until| timeline.unknown_loads(at(until)).collect::<Vec<_>>();
    assert_eq!((unknown(1500), unknown(1600)), (vec!["mail"], vec!["jobs", "mail"]));
    assert_eq!(unknown(2100), ["jobs", "mail", "web"]);
}

#[test]
fn who_gets_what_only_some_got_has_not_recovered() {
    // One in ten has always been told that there is no such thing; for a while half of them are.
    let mut timeline = Timeline::new(&[sli("a", "web", 0.9)]);
    for index in 0..40 {
        let missing = if (10..25).contains(&index) { 5 } else { 1 };
        let results = [("404".to_string(), missing), ("200".to_string(), 10 - missing)];
        timeline.push(Slice { results: results.into(), ..slice("web", index, 10, &[("a", 10)]) });
    }
    let query = RecoveryQuery { steady: Some((at(0), at(1000))), ..recovery(1000, Some(1000), 2500, 500) };
    let Some(Ok(first)) = timeline.recovered(None, &query) else { panic!("they are served from 2.5 s on") };
    assert_eq!((first.from, first.to), (at(2500), at(3000)));
}

#[test]
fn errors_that_slis_take_for_good_need_not_be_one_in_ten() {
    let refused = |text: &str, missing: u64| {
        let good = Good { text: text.into(), terms: vec![] };
        let mut timeline = Timeline::new(&[SliSpec { good, ..sli("a", "web", 0.99) }]);
        for index in 0..20 {
            let missing = if index < 10 { 0 } else { missing };
            let results = [("429".to_string(), missing), ("200".to_string(), 20 - missing)];
            timeline.push(Slice { results: results.into(), ..slice("web", index, 20, &[("a", 20)]) });
        }
        let refused = |until| timeline.refused(Some((at(0), at(1000))), (at(1000), at(until))).is_some();
        assert!(!refused(1400), "fewer than five of so many");
        refused(2000)
    };
    assert!(refused("status < 500", 1), "one in twenty is turned away, where the objective lets one in a hundred");
    assert!(refused("latency < 300ms", 1), "an error that comes quickly is good there");
    assert!(!refused("latency < 300ms", 0));
    let rarely = || {
        let good = Good { text: "latency < 300ms".into(), terms: vec![] };
        let mut timeline = Timeline::new(&[SliSpec { good, ..sli("a", "web", 0.999) }]);
        for index in 0..40 {
            let missing = u64::from(index % 2 == 0);
            let results = [("404".to_string(), missing), ("200".to_string(), 100 - missing)];
            timeline.push(Slice { results: results.into(), ..slice("web", index, 100, &[("a", 100)]) });
        }
        timeline.refused(Some((at(0), at(2000))), (at(2000), at(4000)))
    };
    assert_eq!(rarely(), None, "no more than were told so before: one in two hundred");
}

#[test]
fn the_strictest_promise_of_answers_says_how_many_may_be_refused() {
    let of = |text: &str, objective| SliSpec {
        good: Good { text: text.into(), terms: vec![] },
        ..sli(text, "web", objective)
    };
    let refused = |slis: &[SliSpec]| {
        let mut timeline = Timeline::new(slis);
        for index in 0..20 {
            let missing = if index < 10 { 0 } else { 3 };
            let results = [("404".to_string(), missing), ("200".to_string(), 10 - missing)];
            timeline.push(Slice { results: results.into(), ..slice("web", index, 10, &[]) });
        }
        timeline.refused(Some((at(0), at(1000))), (at(1000), at(2000))).is_some()
    };
    let (fast, slow) = (of("latency < 100ms", 0.5), of("latency < 1s", 0.8));
    let (status, most) = (of("status < 500", 0.995), of("status < 400", 0.6));
    assert!(refused(&[fast.clone(), status.clone()]), "that half may be slow lets nobody be refused");
    assert!(refused(&[most.clone(), status]), "of two the strictest");
    assert!(!refused(&[slow.clone(), most]), "what is promised of the status decides");
    assert!(refused(&[fast.clone(), slow]) && !refused(&[fast]), "without any the strictest of the others");
}

#[test]
fn a_window_without_events_is_never_good() {
    let line = timeline(0.0, &[(0, 0); 20]);
    assert!(matches!(line.steady(ms(1000), at(0)), Some(Err(missed)) if missed[0].ratio().is_none()));
    assert!(matches!(line.held(at(0), ms(1000)), Some(Err(_))));
    let broken = line.still_broken(&["a".into()], ms(1000), at(0));
    assert_eq!(broken.unknown, ["a"]);
    assert!(!broken.users_suffer());
    assert_eq!(line.recovered(None, &recovery(0, Some(0), 5000, 500)), None);
    assert!(matches!(line.recovered(None, &recovery(0, Some(0), 500, 500)), Some(Err(_))));
}

#[test]
fn a_load_that_never_reported_keeps_every_answer_open() {
    let timeline = Timeline::new(&[sli("a", "web", 0.9)]);
    assert_eq!(timeline.steady(ms(100), at(0)), None);
    assert_eq!(timeline.held(at(0), ms(100)), None);
    assert_eq!(timeline.recovered(None, &recovery(0, Some(0), 0, 100)), None);
    assert_eq!(timeline.still_broken(&["a".into()], ms(1000), at(0)).unknown, ["a"]);
    assert_eq!(timeline.covered_until("web"), None);
    assert!(timeline.latest(ms(1000)).is_empty());
}

#[test]
fn slices_behind_a_gap_are_not_known_yet() {
    let mut line = timeline(0.9, &[(5, 5); 3]);
    line.push(slice("web", 4, 5, &[("a", 5)]));
    assert_eq!(line.covered_until("web"), Some(at(300)));
    assert_eq!(line.held(at(0), ms(500)), None);
    line.push(slice("web", 3, 5, &[("a", 5)]));
    assert_eq!(line.covered_until("web"), Some(at(500)));
    assert!(matches!(line.held(at(0), ms(500)), Some(Ok(_))));
    line.push(slice("web", 3, 5, &[("a", 0)]));
    assert!(matches!(line.held(at(0), ms(500)), Some(Ok(_))), "a slice is taken once");
}

#[test]
fn an_objective_is_met_exactly() {
    for (good, met) in [(999, true), (998, false)] {
        let line = Timeline { slis: vec![sli("a", "web", 99.9 / 100.0)], loads: BTreeMap::new() };
        let mut line = line;
        line.push(slice("web", 0, 1000, &[("a", good)]));
        assert_eq!(matches!(line.held(at(0), ms(100)), Some(Ok(_))), met);
    }
}

#[test]
fn four_bad_events_are_no_impact_and_five_are() {
    for (bad, hit) in [(4, false), (5, true)] {
        let mut counts = vec![(5, 5); 10];
        counts.push((5, 5 - bad));
        counts.extend([(5, 5); 4]);
        let line = timeline(0.99, &counts);
        let slis = ["a".to_string()];
        let query = ImpactQuery {
            slis: slis.to_vec(),
            size: ImpactSize { below: Ratio::new(0.95).unwrap(), window: ms(1000), steady: None },
            from: at(500),
            until: at(1500),
        };
        match line.impact(&query) {
            Some(Ok(hits)) => assert!(hit && hits[0].to == at(1100)),
            Some(Err(())) => assert!(!hit),
            None => panic!("everything until the deadline is known"),
        }
    }
}

#[test]
fn what_was_bad_before_the_injection_is_no_impact() {
    let mut counts = vec![(5, 0); 10];
    counts.extend([(5, 5); 10]);
    let line = timeline(0.99, &counts);
    let slis = ["a".to_string()];
    let query = ImpactQuery {
        slis: slis.to_vec(),
        size: ImpactSize { below: Ratio::new(0.9).unwrap(), window: ms(1000), steady: None },
        from: at(1000),
        until: at(2000),
    };
    assert_eq!(line.impact(&query), Some(Err(())));
}

/// One in twenty-five is bad while the stack is steady: six of fifty are by chance from time to time.
#[test]
fn what_chance_makes_of_what_was_bad_before_is_no_impact() {
    let slis = ["a".to_string()];
    let fell = |bad: u64, steady: bool| {
        let usual = (0..50).map(|index| (5, if index % 5 == 0 { 4 } else { 5 }));
        let counts: Vec<(u64, u64)> = usual.chain([(5, 5 - bad); 6]).chain([(5, 5); 14]).collect();
        let query = ImpactQuery {
            slis: slis.to_vec(),
            size: ImpactSize {
                below: Ratio::new(0.9).unwrap(),
                window: ms(1000),
                steady: steady.then_some((at(0), at(5000))),
            },
            from: at(5000),
            until: at(7000),
        };
        let answer = timeline(0.95, &counts).impact(&query).expect("everything is known");
        answer.ok().map(|hits| (hits[0].bad(), hits[0].valid))
    };
    assert_eq!(fell(1, false), Some((5, 25)), "more than one in ten");
    assert_eq!(fell(1, true), None, "five of twenty-five, and six of thirty, are no more than chance makes of it");
    assert_eq!(fell(5, true), Some((5, 5)));
    // Where one in five is usual, five of five in a short window may be chance, and seven in a row are not.
    let usual = (0..60).map(|index| (1, u64::from(index % 5 > 0)));
    let counts: Vec<(u64, u64)> = usual.chain([(1, 0); 60]).collect();
    let size = ImpactSize { below: Ratio::new(0.5).unwrap(), window: ms(500), steady: Some((at(0), at(6000))) };
    let query = ImpactQuery { slis: slis.to_vec(), size, from: at(6000), until: at(11000) };
    let hits = timeline(0.8, &counts).impact(&query).expect("everything is known").expect("a total outage");
    assert_eq!((hits[0].to, hits[0].bad()), (at(6700), 5));
}

#[test]
fn recovery_begins_with_a_slice_that_has_no_bad_event() {
    // One bad event of 1000 would still meet the objective of 99%, but recovery does not begin with it.
    let mut counts = vec![(10, 0); 5];
    counts.extend([(10, 9), (0, 0), (10, 10)]);
    counts.extend([(10, 10); 20]);
    let line = timeline(0.95, &counts);
    assert_eq!(began(line.recovered(None, &recovery(200, Some(300), 1000, 1000))), Some(Ok(at(700))));
    assert_eq!(began(line.recovered(None, &recovery(200, None, 1000, 1000))), Some(Ok(at(700))));
    assert!(matches!(line.recovered(None, &recovery(200, Some(300), 399, 1000)), Some(Err(_))), "too late");
    assert_eq!(line.recovered(None, &recovery(900, Some(900), 1000, 5000)), None);
}

#[test]
fn each_sli_recovers_at_its_own_time_and_all_of_them_at_the_last() {
    let mut line = Timeline::new(&[sli("a", "web", 0.9), sli("b", "web", 0.9), sli("c", "jobs", 0.9)]);
    for i in 0..40 {
        line.push(slice("web", i, 2, &[("a", if i < 5 { 0 } else { 2 }), ("b", if i < 9 { 0 } else { 2 })]));
        line.push(slice("jobs", i, i % 2, &[("c", if i < 12 { 0 } else { i % 2 })]));
    }
    let query = recovery(0, Some(0), 2000, 1000);
    assert_eq!(began(line.recovered(Some("a"), &query)), Some(Ok(at(500))));
    assert_eq!(began(line.recovered(Some("b"), &query)), Some(Ok(at(900))));
    assert_eq!(began(line.recovered(Some("c"), &query)), Some(Ok(at(1300))));
    assert_eq!(began(line.recovered(None, &query)), Some(Ok(at(1200))), "the next job from 1.2 s on is good");
}

/// Two requests a second; those due from 0.5 s on wait for the cure at 2.3 s, those due later are answered in 20 ms.
fn rescued() -> Timeline {
    let mut line = Timeline::new(&[sli("a", "web", 0.9)]);
    for i in 0..60 {
        let complete = if i < 23 { 2_300_000 - i * SLICE_US } else { 20_000 };
        let first = BTreeMap::from([("a".to_string(), complete)]);
        let good = if i < 5 { 0 } else { 2 };
        line.push(Slice { first_good_us: first, ..slice("web", i, 2, &[("a", good)]) });
    }
    line
}

#[test]
fn a_request_that_waited_for_the_cure_is_no_recovery_before_it() {
    let query = recovery(400, Some(2300), 1000, 1000);
    let Some(Ok(seen)) = rescued().recovered(None, &query) else { panic!("users recovered") };
    assert_eq!(seen, Recovery { at: at(2300), from: at(500), to: at(1500) });
    let early = recovery(400, Some(500), 1799, 1000);
    assert!(matches!(rescued().recovered(None, &early), Some(Err(_))), "the answer came after the deadline");
}

#[test]
fn a_partial_fix_relapses_at_the_pace_of_the_fault() {
    let of = |configured: u64, onset: Option<u64>| HoldRecord {
        configured_us: configured * 1000,
        onset_us: onset.map(|onset| onset * 1000),
        window_us: 1_000_000,
        ..HoldRecord::default()
    };
    let hold = |configured, onset| of(configured, onset).settled().required();
    assert_eq!(
        hold(5000, Some(8500)),
        ms(13_750),
        "as long as a bad client needed to fill the memory, and a half more"
    );
    assert_eq!(hold(5000, Some(300)), ms(5000));
    assert_eq!(hold(5000, None), ms(5000));
    let left = |active, all| HoldRecord { parts: Some(Parts { active, all }), ..of(5000, Some(8500)) };
    assert_eq!(left(1, 2).settled().required(), ms(26_500), "one of two needs 17 s");
    assert_eq!(left(2, 2).settled().required(), ms(13_750));
    let back = HoldRecord { returns_us: 10_000_000, ..of(12_000, Some(8500)) };
    assert_eq!(back.settled().required(), ms(23_750), "a client that is back after 10 s hurts at 18.5 s");
    let stale = |after_us| HoldRecord { shown_after_us: after_us, ..of(5000, Some(8500)) }.settled().required();
    let held = [22_000_000, 9_000_000].map(stale);
    assert_eq!(held, [ms(22_000), ms(13_750)], "what is good for 20 s says nothing sooner");
}

#[test]
fn a_longer_hold_is_not_more_tolerance() {
    // Half a second of nothing but errors in six: 92% over all of them, and 50% over the worst second.
    let counts: Vec<_> = (0..60).map(|i| (5, if (30..35).contains(&i) { 0 } else { 5 })).collect();
    let line = timeline(0.9, &counts);
    let query = recovery(0, Some(0), 500, 6000);
    assert!(matches!(line.recovered(None, &query), Some(Ok(_))), "the whole window alone would do");
    let query = RecoveryQuery { window: ms(1000), ..query };
    assert!(matches!(line.recovered(None, &query), Some(Err(_))));
}

#[test]
fn what_would_be_an_impact_is_no_recovery_and_a_relapse() {
    // Half a second of nothing but errors in every ten: 95% over ten, and 50% over the worst second.
    let bursts = |first: usize| (0..400).map(move |i| (5, if i >= first && (i - first) % 100 < 5 { 0 } else { 5 }));
    let line = timeline(0.9, &bursts(20).collect::<Vec<_>>());
    let impact = ImpactSize { below: Ratio::new(0.9).unwrap(), window: ms(1000), steady: Some((at(0), at(2000))) };
    let query = recovery(2000, Some(2500), 5000, 10_000);
    assert!(matches!(line.recovered(None, &query), Some(Ok(_))), "each window of ten seconds meets the objective");
    let query = RecoveryQuery { impact: Some(impact), ..query };
    let Some(Err(levels)) = line.recovered(None, &query) else { panic!("it comes back") };
    assert_eq!((levels[0].good, levels[0].valid), (40, 50), "{levels:?}");
    let usual = ImpactSize { steady: Some((at(2000), at(3000))), ..impact };
    let query = RecoveryQuery { impact: Some(usual), ..query };
    assert!(matches!(line.recovered(None, &query), Some(Ok(_))), "no more than what was bad while steady");
    let promised = timeline(0.4, &bursts(20).collect::<Vec<_>>());
    let query = RecoveryQuery { impact: Some(impact), ..query };
    assert!(matches!(promised.recovered(None, &query), Some(Ok(_))), "half of the events is all that it promises");
    let line = timeline(0.9, &bursts(150).collect::<Vec<_>>());
    assert_eq!(line.relapsed(at(14_000), at(20_000), ms(10_000), None), Some(Err(())));
    let Some(Ok(missed)) = line.relapsed(at(14_000), at(20_000), ms(10_000), Some(impact)) else { panic!("it is") };
    assert_eq!(missed[0].to, at(15_200), "more than a tenth of a second, and five events of it");
}

#[test]
fn users_must_be_served_for_the_hold_after_the_end_of_the_runbook_as_well() {
    // Served from 1 s on, and no longer from 3 s on; the hold of a second was over at 2 s.
    let counts: Vec<_> = (0..60).map(|i| (5, if (10..30).contains(&i) { 5 } else { 0 })).collect();
    let lost = timeline(0.9, &counts);
    let query = recovery(0, Some(500), 1500, 1000);
    assert!(matches!(lost.recovered(None, &query), Some(Ok(_))));
    let until = |ended: u64| RecoveryQuery { runbook_ended: Some(at(ended)), ..query };
    assert!(matches!(lost.recovered(None, &until(1900)), Some(Ok(_))));
    assert!(matches!(lost.recovered(None, &until(2900)), Some(Err(_))));
    let served = timeline(0.9, &counts[..30]);
    let Some(Ok(recovery)) = served.recovered(None, &until(1900)) else { panic!("served until 3 s") };
    assert_eq!((recovery.from, recovery.to), (at(1000), at(2900)));
    assert_eq!(served.recovered(None, &until(2500)), None, "what comes until 3.5 s is not known yet");
}

#[test]
fn users_were_served_before_only_when_it_was_longer_than_chance_and_than_ever() {
    let hit = ["a".to_string()];
    let served = |counts: &[(u64, u64)]| {
        timeline(0.9, counts).served_before(&hit, at(0), at(counts.len() as u64 * 100), ms(0), |_| ms(0)).is_some()
    };
    let line = |parts: &[(u64, usize)]| -> Vec<(u64, u64)> {
        parts.iter().flat_map(|(good, count)| std::iter::repeat_n((5, *good), *count)).collect()
    };
    assert!(served(&line(&[(0, 20), (5, 10)])), "a second without a bad event");
    assert!(!served(&line(&[(0, 20), (5, 9)])), "less than a second");
    assert!(!served(&line(&[(0, 20), (5, 10), (4, 1)])), "the last slice was bad");
    assert!(!served(&line(&[(0, 10), (5, 12), (0, 10), (5, 12)])), "it has been so before, and was not over");
    assert!(served(&line(&[(0, 10), (5, 12), (0, 10), (5, 13)])), "longer than ever");
    // One of fifty is bad: fifty good ones in a row are nothing special.
    let rare: Vec<_> = (0..60).map(|i| (5, if i % 10 == 0 { 4 } else { 5 })).chain(line(&[(5, 11)])).collect();
    assert!(!served(&rare), "by chance");
    assert!(!served(&line(&[(5, 30)])), "never bad, and so not the one that was hit");
    assert!(!served(&[]));
}

/// Requests may take ten seconds: where none was under way for longer than others, none was rescued by what began then.
#[test]
fn users_were_served_before_a_mitigation_that_has_rescued_none_of_their_requests() {
    let hit = ["a".to_string()];
    // Two seconds of bad events, then slices of which the slowest good answer took so many milliseconds.
    let served = |slowest: &[(u64, u64)]| {
        let mut timeline = timeline(0.9, &[(5, 0); 20]);
        let all = slowest.iter().flat_map(|(millis, count)| std::iter::repeat_n(millis * MS, *count as usize));
        for (index, latency) in (20..).zip(all) {
            timeline.push(Slice { latency_us: [latency; 3], ..slice("web", index, 5, &[("a", 5)]) });
        }
        let end = 2000 + slowest.iter().map(|(_, count)| count * 100).sum::<u64>();
        timeline.served_before(&hit, at(0), at(end), ms(10_000), |_| ms(0))
    };
    assert_eq!(served(&[(20, 30)]), Some(at(2000)));
    assert_eq!(served(&[(20, 10)]), None, "less than a second was answered by then");
    assert_eq!(served(&[(3500, 30)]), None, "all of them were under way");
    assert_eq!(served(&[(20, 25), (900, 5)]), None, "those of the last half second were");
    assert_eq!(served(&[(1000, 2), (20, 22), (900, 4)]), None, "that the first ones had waited excuses none of them");
    assert_eq!(served(&[(3500, 120)]), Some(at(2000)), "for longer than a request may take");
}

/// A query every two seconds, and a mitigation half a second before the fourth: that one tells of the time before.
#[test]
fn what_a_query_tells_after_a_mitigation_is_of_the_time_before_it() {
    let hit = ["a".to_string()];
    let served = |told: [u64; 4], at_ms| {
        let mut counts = [(0, 0); 80];
        (0..4).for_each(|i| counts[20 * i + 19] = (100, told[i]));
        timeline(0.9, &counts).served_before(&hit, at(0), at(at_ms), ms(10_000), |_| ms(2000))
    };
    assert_eq!(served([100, 20, 20, 100], 7500), Some(at(6000)), "the fault was in place, and nobody felt it any more");
    assert_eq!(served([100, 20, 20, 100], 6900), None, "less than a second before the command");
    assert_eq!(served([100, 20, 20, 99], 7500), None);
    assert_eq!(served([20, 100, 20, 100], 7500), None, "it has been so before, and was not over");
}

#[test]
fn a_moment_of_errors_that_the_window_still_has_is_not_certain() {
    let hit = ["a".to_string()];
    let sure = |counts: &[u64]| {
        let all: Vec<(u64, u64)> = counts.iter().map(|good| (5, *good)).collect();
        timeline(0.9, &all).surely_broken(&hit, (ms(1000), ms(1000)), at(0)).map(|state| state.users_suffer())
    };
    let (good, bad, half) = (5, 0, 2);
    assert_eq!(sure(&[good, good, bad]), Some(true));
    assert_eq!(sure(&[good, good, bad, good, good, good]), None, "users may be served again");
    assert_eq!(sure(&[good, good, bad, good, good, good, bad]), Some(true));
    assert_eq!(sure(&[good, half, half, good, half, half, good]), Some(true), "chance leaves one good slice");
    let over: Vec<u64> = [good, good, bad].into_iter().chain([good; 10]).collect();
    assert_eq!(sure(&over), Some(false));
    let short = |counts: &[u64]| {
        let all: Vec<(u64, u64)> = counts.iter().map(|good| (5, *good)).collect();
        timeline(0.9, &all).surely_broken(&hit, (ms(300), ms(900)), at(0)).map(|state| state.users_suffer())
    };
    assert_eq!(
        short(&[bad, good, good, good, bad, bad, good, good, good]),
        None,
        "met over the window, and not over the longer one"
    );
}

#[test]
fn which_sli_fell_first_is_known_once_its_requests_have_ended() {
    let mut line = Timeline::new(&[sli("a", "web", 0.9), sli("b", "jobs", 0.9)]);
    for i in 0..40 {
        line.push(slice("jobs", i, 5, &[("b", if i < 20 { 5 } else { 0 })]));
    }
    for i in 0..10 {
        line.push(slice("web", i, 5, &[("a", 5)]));
    }
    let slis = ["a".to_string(), "b".to_string()];
    let size = ImpactSize { below: Ratio::new(0.9).unwrap(), window: ms(1000), steady: None };
    let query = ImpactQuery { slis: slis.to_vec(), size, from: at(0), until: at(9000) };
    assert_eq!(line.impact(&query), None, "the requests of web from 1.0 s on are under way");
    for i in 10..40 {
        line.push(slice("web", i, 5, &[("a", 0)]));
    }
    let Some(Ok(hits)) = line.impact(&query) else { panic!("an impact") };
    assert_eq!((hits[0].sli.as_str(), hits[0].to), ("a", at(1200)));
}

#[test]
fn what_breaks_again_before_the_revert_is_a_relapse() {
    let counts: Vec<_> = (0..60).map(|i| (5, if (40..44).contains(&i) { 0 } else { 5 })).collect();
    let line = timeline(0.9, &counts);
    let Some(Ok(missed)) = line.relapsed(at(2000), at(5000), ms(1000), None) else { panic!("a relapse") };
    assert_eq!((missed[0].from, missed[0].to), (at(3200), at(4200)), "the first window that misses");
    assert_eq!(line.relapsed(at(2000), at(3900), ms(1000), None), Some(Err(())), "all was well until then");
    assert_eq!(
        line.relapsed(at(5400), at(6000), ms(1000), None),
        Some(Err(())),
        "what lies before the hold was judged there"
    );
    assert_eq!(line.relapsed(at(5400), at(6100), ms(1000), None), None);
}

#[test]
fn which_load_missed_first_is_known_once_its_requests_have_ended() {
    let known = |jobs: u64| {
        let mut line = Timeline::new(&[sli("a", "web", 0.9), sli("b", "jobs", 0.9)]);
        (0..50).for_each(|i| line.push(slice("web", i, 5, &[("a", if i < 40 { 5 } else { 0 })])));
        (0..jobs).for_each(|i| line.push(slice("jobs", i, 5, &[("b", if i < 35 { 5 } else { 0 })])));
        line.relapsed(at(2000), at(5000), ms(1000), None)
    };
    assert_eq!(known(34), None, "those of jobs from 3.4 s on are under way");
    let Some(Ok(missed)) = known(40) else { panic!("a relapse") };
    assert_eq!(missed.iter().map(|level| level.to).min(), Some(at(3700)));
}

#[test]
fn who_is_refused_after_the_recovery_is_told_so_from_the_first_window_on() {
    let mut timeline = Timeline::new(&[sli("a", "web", 0.9)]);
    for index in 0..60 {
        let results = [(if index >= 40 { "404" } else { "200" }.to_string(), 10)];
        timeline.push(Slice { results: results.into(), ..slice("web", index, 10, &[("a", 10)]) });
    }
    let steady = Some((at(0), at(1000)));
    let after = |until| timeline.refused_after(steady, at(2000), at(until), ms(1000));
    assert_eq!(after(4100), None, "the objective allows one in ten");
    let (first, text) = after(6000).expect("they are refused");
    assert_eq!(first, at(4200), "{text}");
    assert_eq!(timeline.refused_after(None, at(2000), at(6000), ms(1000)), None, "nobody knows what they got before");
}

#[test]
fn the_most_frequent_answers_of_a_window_are_told() {
    let mut line = timeline(0.9, &[]);
    for i in 0..10 {
        let results = [("500", 7), ("timeout", i % 2), ("200", 1), ("reset", u64::from(i == 9))];
        let results = results.into_iter().map(|(result, count)| (result.to_string(), count)).collect();
        line.push(Slice { results, ..slice("web", i, 9, &[("a", 1)]) });
    }
    let answers = |length| line.latest(ms(length)).first().map(|level| line.answers((level.from, level.to)));
    assert_eq!(answers(1000).unwrap(), "500 × 70, 200 × 10, timeout × 5");
    assert_eq!(answers(100).unwrap(), "500 × 7, 200 × 1, reset × 1");
    assert_eq!(line.answers(Default::default()), "");
}

#[test]
fn one_sli_that_still_misses_is_enough_for_users_to_suffer() {
    let mut line = Timeline::new(&[sli("a", "web", 0.9), sli("b", "web", 0.9)]);
    for i in 0..20 {
        line.push(slice("web", i, 2, &[("a", 0), ("b", if i < 5 { 0 } else { 2 })]));
    }
    let answer = line.still_broken(&["a".into(), "b".into()], ms(1000), at(100));
    assert!(answer.users_suffer());
    assert_eq!((answer.broken.len(), answer.healed.len()), (1, 1));
}

#[test]
fn a_fault_of_a_part_of_the_requests_leaves_a_window_without_a_bad_one_by_chance() {
    let line = |bad: fn(u64) -> bool, count: u64| {
        let mut line = Timeline::new(&[sli("a", "web", 0.99)]);
        (0..count).for_each(|i| line.push(slice("web", i, 1, &[("a", u64::from(!bad(i)))])));
        line
    };
    let healed = |line: &Timeline, longer: u64| {
        let state = line.surely_broken(&["a".into()], (ms(1000), ms(longer)), at(0))?;
        Some(!state.users_suffer())
    };
    let third = |i: u64| i < 40 && i.is_multiple_of(3);
    assert_eq!(healed(&line(third, 50), 1000), None, "ten good ones where each third was bad");
    assert_eq!(healed(&line(third, 70), 3000), Some(true), "thirty of them");
    assert_eq!(healed(&line(third, 40), 1000), Some(false), "users suffer");
    assert_eq!(healed(&line(|i| i < 40, 50), 1000), Some(true), "ten where every one was bad");
    assert_eq!(healed(&line(|_| false, 10), 1000), Some(true), "nobody has suffered");
    assert_eq!(healed(&line(|i| i < 10 || (30..40).contains(&i), 50), 1000), None, "it was away for longer before");
    let once = |i: u64| i < 40 || i == 155;
    assert_eq!(healed(&line(once, 160), 12000), None, "one bad one of a hundred and twenty, just now");
}

#[test]
fn levels_in_words() {
    let level = |good, valid| Level {
        sli: "availability".into(),
        objective: Ratio::new(0.995).unwrap(),
        from: at(0),
        to: at(1000),
        good,
        valid,
        unknown: 0,
    };
    insta::assert_snapshot!(level(49_749, 50_000), @"availability: 99.49%, objective 99.5% (49749 of 50000 events were good)");
    insta::assert_snapshot!(level(27, 28), @"availability: 96.42%, objective 99.5% (27 of 28 events were good)");
    insta::assert_snapshot!(level(0, 0), @"availability: no data, objective 99.5%");
    insta::assert_snapshot!(Level { unknown: 2, ..level(8, 8) }, @"availability: 100%, objective 99.5% (8 of 8 events were good; 2 times there was no data)");
}

#[test]
fn where_a_count_failed_nothing_is_met_and_nothing_is_proven() {
    let counts = |index: u64, good: u64, unknown: u64| Slice {
        results: (unknown > 0).then(|| (NO_DATA.to_string(), unknown)).into_iter().collect(),
        ..slice("web", index, good, &[("a", good)])
    };
    let mut timeline = Timeline::new(&[sli("a", "web", 0.9)]);
    for index in 0..30 {
        let failed = u64::from(index == 15);
        timeline.push(counts(index, 10 * (1 - failed), failed));
    }
    assert!(matches!(timeline.held(at(0), ms(1000)), Some(Ok(_))));
    assert!(matches!(timeline.held(at(1000), ms(1000)), Some(Err(_))), "nobody knows of one slice");
    assert_eq!(
        timeline.relapsed(at(1000), at(3000), ms(500), None),
        Some(Ok(timeline.breached(at(1000), at(3000), ms(500))))
    );
    assert!(timeline.breached(at(1600), at(3000), ms(500)).is_empty());
    let hit = ["a".to_string()];
    let still = timeline.still_broken(&hit, ms(2000), at(0));
    assert_eq!((still.users_suffer(), still.healed.len(), still.unknown.len()), (false, 0, 1));
    assert_eq!(timeline.still_broken(&hit, ms(1000), at(0)).healed.len(), 1);
}

#[test]
fn a_floor_that_was_missed_while_nobody_asked_was_missed() {
    let counts: Vec<(u64, u64)> = (0..30).map(|index| (10, if (10..13).contains(&index) { 0 } else { 10 })).collect();
    let timeline = timeline(0.9, &counts);
    let fell = |window: u64, since: Option<u64>| {
        let floor = Ratio::new(0.1).unwrap();
        timeline.fell_below("a", floor, ms(window), since.map(at)).map(|level| level.to)
    };
    assert_eq!(fell(300, Some(500)), Some(at(1300)));
    assert_eq!(fell(300, Some(1300)), None, "over by then");
    assert_eq!(fell(400, Some(500)), None, "one of four was good");
    assert_eq!(fell(300, None), None, "now it is not below");
    assert_eq!(fell(5000, Some(500)), None, "no whole window");
}

#[test]
fn at_best_every_event_was_good_of_which_nobody_could_say_what_happened() {
    let best = |failed: fn(u64) -> bool, good: u64| {
        let mut timeline = Timeline::new(&[sli("a", "web", 0.9)]);
        for index in 0..30 {
            let results = failed(index).then(|| (NO_DATA.to_string(), 1)).into_iter().collect();
            let (due, good) = if failed(index) { (0, 0) } else { (10, good) };
            timeline.push(Slice { results, ..slice("web", index, due, &[("a", good)]) });
        }
        let query = recovery(1000, Some(1000), 500, 1000);
        let recovered = |timeline: &Timeline| timeline.recovered(None, &query).map(|answer| answer.is_ok());
        (recovered(&timeline), timeline.at_best().as_ref().and_then(recovered))
    };
    assert_eq!(best(|_| false, 10), (Some(true), None), "everything is known");
    assert_eq!(best(|index| index.is_multiple_of(4), 10), (Some(false), Some(true)));
    assert_eq!(best(|index| index >= 12, 10), (Some(false), Some(true)), "nothing is known from then on");
    assert_eq!(
        best(|index| index.is_multiple_of(4), 8),
        (Some(false), Some(false)),
        "what is known misses the objective"
    );
    // It is told once a second: bad, no data, and good twice after the deadline.
    let mut rarely = Timeline::new(&[sli("a", "web", 0.98)]);
    for (index, due, good) in (0..40).map(|index| match index {
        5 => (index, 100, 0),
        25 => (index, 100, 100),
        35 => (index, 100, 95),
        _ => (index, 0, 0),
    }) {
        let results = (index == 15).then(|| (NO_DATA.to_string(), 1)).into_iter().collect();
        let first_good_us = (good > 0).then(|| ("a".to_string(), 5000)).into_iter().collect();
        rarely.push(Slice { results, first_good_us, ..slice("web", index, due, &[("a", good)]) });
    }
    let query = recovery(500, Some(500), 1200, 2100);
    assert!(matches!(rarely.recovered(None, &query), Some(Err(_))));
    let best = rarely.at_best().and_then(|best| best.recovered(None, &query)?.ok());
    assert_eq!(best.map(|best| best.at), Some(at(1500)), "295 of 300, and the first of them in time");
}

/// Single requests: (instant due in ms, good), one load, at most `len` slices.
fn requests(len: u64) -> impl Strategy<Value = (u64, Vec<(u64, bool)>)> {
    (1..=len).prop_flat_map(|n| {
        (Just(n), proptest::collection::vec((0..n * 100, proptest::bool::weighted(0.8)), 0..(n as usize * 3)))
    })
}

fn build(n: u64, events: &[(u64, bool)], objective: f64, shuffle: u64) -> Timeline {
    let mut order: Vec<u64> = (0..n).collect();
    order.sort_by_key(|i| (i / 4, (i * 7 + shuffle) % 5));
    let mut line = Timeline::new(&[sli("a", "web", objective)]);
    for i in order {
        let of: Vec<_> = events.iter().filter(|(due, _)| due / 100 == i).collect();
        let good = of.iter().filter(|(_, good)| *good).count() as u64;
        line.push(slice("web", i, of.len() as u64, &[("a", good)]));
    }
    line
}

/// good and valid of the requests due in [from, to).
fn count(events: &[(u64, bool)], from: u64, to: u64) -> (u64, u64) {
    let of: Vec<_> = events.iter().filter(|(due, _)| (from..to).contains(due)).collect();
    (of.iter().filter(|(_, good)| *good).count() as u64, of.len() as u64)
}

fn meets((good, valid): (u64, u64), objective: f64) -> bool {
    valid > 0 && good as f64 >= objective * valid as f64 - 1e-7
}

proptest! {
    #[test]
    fn held_is_what_counting_requests_says(
        (n, events) in requests(30), objective in prop::sample::select(vec![0.5, 0.8, 0.9, 1.0]),
        from in 0u64..3000, len in 1u64..15, shuffle in 0u64..5,
    ) {
        let line = build(n, &events, objective, shuffle);
        let begin = from.div_ceil(100) * 100;
        let got = line.held(at(from), ms(len * 100));
        if begin + len * 100 > n * 100 {
            prop_assert_eq!(got, None);
        } else {
            let want = meets(count(&events, begin, begin + len * 100), objective);
            prop_assert_eq!(matches!(got, Some(Ok(_))), want);
            prop_assert_eq!(matches!(got, Some(Err(_))), !want);
        }
    }

    #[test]
    fn steady_is_what_counting_requests_says(
        (n, events) in requests(30), objective in prop::sample::select(vec![0.5, 0.8, 0.9, 1.0]),
        since in 0u64..1500, len in 1u64..15, shuffle in 0u64..5,
    ) {
        let line = build(n, &events, objective, shuffle);
        let end = n * 100;
        let got = line.steady(ms(len * 100), at(since));
        match end.checked_sub(len * 100).filter(|begin| *begin >= since) {
            None => prop_assert_eq!(got, None),
            Some(begin) if meets(count(&events, begin, end), objective) => {
                prop_assert!(matches!(got, Some(Ok(levels)) if levels[0].from == at(begin) && levels[0].to == at(end)));
            }
            Some(_) => prop_assert!(matches!(got, Some(Err(_)))),
        }
    }

    #[test]
    fn impact_is_what_counting_requests_says(
        (n, events) in requests(40), below in prop::sample::select(vec![0.5, 0.8, 0.9]),
        from in 0u64..3000, within in 0u64..3000, len in 1u64..12, shuffle in 0u64..5,
    ) {
        let line = build(n, &events, 0.9, shuffle);
        let slis = ["a".to_string()];
        let size = ImpactSize { below: Ratio::new(below).unwrap(), window: ms(len * 100), steady: None };
        let query = ImpactQuery { slis: slis.to_vec(), size, from: at(from), until: at(from + within) };
        let first = from.div_ceil(100) * 100;
        let want = (first / 100 + 1..=n).map(|i| i * 100).filter(|end| *end <= from + within).find(|end| {
            let (good, valid) = count(&events, first.max(end.saturating_sub(len * 100)), *end);
            valid - good >= MIN_BAD && (good as f64) < below * valid as f64 - 1e-7
        });
        match (line.impact(&query), want) {
            (Some(Ok(hits)), Some(end)) => prop_assert_eq!(hits[0].to, at(end)),
            (Some(Err(())), None) => prop_assert!(n * 100 + 100 > from + within),
            (None, None) => prop_assert!(n * 100 + 100 <= from + within),
            (got, want) => prop_assert!(false, "{got:?} instead of {want:?}"),
        }
    }

    #[test]
    fn recovered_is_what_counting_requests_says(
        (n, events) in requests(40), objective in prop::sample::select(vec![0.5, 0.8, 0.9, 1.0]),
        from in 0u64..2000, step in 0u64..500, within in 0u64..2000, hold in 1u64..12, shuffle in 0u64..5,
    ) {
        let line = build(n, &events, objective, shuffle);
        let deadline = from + step + within;
        let candidates: Vec<u64> = (0..n)
            .map(|i| i * 100)
            .filter(|t| *t >= from && *t <= deadline)
            .filter(|t| matches!(count(&events, *t, t + 100), (good, valid) if valid > 0 && good == valid))
            .collect();
        let known = |t: &u64| t + hold * 100 <= n * 100;
        let first_open = candidates.iter().position(|t| !known(t)).unwrap_or(candidates.len());
        let want = candidates[..first_open].iter().find(|t| meets(count(&events, **t, **t + hold * 100), objective));
        let got = line.recovered(Some("a"), &recovery(from, Some(from + step), within, hold * 100));
        match want {
            Some(t) => prop_assert_eq!(began(got), Some(Ok(at(*t)))),
            None if first_open < candidates.len() || n * 100 <= deadline => prop_assert_eq!(got, None),
            None => prop_assert!(matches!(got, Some(Err(_)))),
        }
    }

    #[test]
    fn still_broken_is_what_counting_requests_says(
        (n, events) in requests(30), objective in prop::sample::select(vec![0.5, 0.8, 0.9, 1.0]),
        since in 0u64..3500, len in 1u64..15, shuffle in 0u64..5,
    ) {
        let line = build(n, &events, objective, shuffle);
        let begin = (since.div_ceil(100) * 100).max((n * 100).saturating_sub(len * 100));
        let counts = count(&events, begin, n * 100);
        let got = line.still_broken(&["a".into()], ms(len * 100), at(since));
        // Of fewer than two events a second the last ones have the word.
        let sparse = (counts.1 as f64) < 2.0 * (n * 100).saturating_sub(begin) as f64 / 1000.0;
        let last = (0..n).rev().map(|i| count(&events, i * 100, (i + 1) * 100)).find(|(_, valid)| *valid > 0);
        let healed = meets(counts, objective) || (sparse && counts.1 > 0 && last.is_some_and(|(good, valid)| good == valid));
        prop_assert_eq!(got.unknown.len(), usize::from(counts.1 == 0));
        prop_assert_eq!(got.healed.len(), usize::from(healed));
        prop_assert_eq!(got.broken.len(), usize::from(counts.1 > 0 && !healed));
    }
}
