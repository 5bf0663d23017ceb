//! Planning: orders, shards, repeats, controls.

use super::*;
use crate::spec::{Overrides, load_game_day};
use proptest::prelude::*;
use std::path::Path;
use std::sync::LazyLock;

const SCENARIO: &str = "\
title: Checkout is slow
tags: [checkout]
stack: compose.yaml
load: { checkout: { request: GET http://checkout:8080/, rate: 50/s } }
slis: { availability: { load: checkout, good: status < 500, objective: 99% } }
faults: [{ container_pause: { service: db } }]
recover: { within: 30s }
";

/// A game day of the scenarios `a`, `b`, `c` … of which the first one has no runbook.
fn day(scenarios: usize, more: &str) -> GameDay {
    let dir = tempfile::tempdir().unwrap();
    let write = |path: &str, text: &str| {
        let path = dir.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    write("scenarios/compose.yaml", "services: { checkout: { image: x }, db: { image: x } }\n");
    write("scenarios/x.md", "# X\n\n## Mitigation\n\n```bash\ntrue\n```\n");
    let names: Vec<String> = (b'a'..).take(scenarios).map(|name| char::from(name).to_string()).collect();
    for (at, name) in names.iter().enumerate() {
        let runbook = if at == 0 { "" } else { "runbook: x.md\n" };
        write(&format!("scenarios/{name}.yaml"), &format!("{SCENARIO}{runbook}"));
    }
    write("gamedays/nightly.yaml", &format!("title: Nightly\nscenarios: [{}]\n{more}", names.join(", ")));
    let (day, diags) = load_game_day(&dir.path().join("gamedays/nightly.yaml"), &Overrides::default());
    day.unwrap_or_else(|| panic!("{}", crate::source::render(&diags, false)))
}

static SIX: LazyLock<GameDay> = LazyLock::new(|| day(6, ""));

fn drills(day: &DayPlan) -> Vec<String> {
    let control = |drill: &PlannedDrill| if drill.control { "!" } else { "" };
    day.drills.iter().map(|d| format!("{}:{}{}{}", d.number, d.scenario, d.repetition, control(d))).collect()
}

#[test]
fn everything_is_drilled_before_anything_is_drilled_twice() {
    let prepared = prepare(&day(3, "repeat: 2\n"), &PlanOptions::default());
    assert_eq!(drills(&prepared.day), ["1:a1", "3:b1", "5:c1", "2:a2", "4:b2", "6:c2"]);
    let planned: Vec<&PlannedDrill> = prepared.drills.iter().map(|entry| &entry.planned).collect();
    assert_eq!(planned, prepared.day.drills.iter().collect::<Vec<_>>());
    assert!(prepared.drills.iter().all(|entry| entry.plan.name == entry.planned.scenario));
}

#[test]
fn a_seed_gives_an_order_and_keeps_the_numbers() {
    let day = day(6, "order: random\nseed: 7\n");
    let first = prepare(&day, &PlanOptions::default());
    assert_eq!(first.day.seed, 7);
    // A promise, as the numbers below.
    assert_eq!(drills(&first.day), ["6:f1", "2:b1", "1:a1", "4:d1", "5:e1", "3:c1"]);
    let other = prepare(&GameDay { seed: Some(8), ..day.clone() }, &PlanOptions::default());
    assert_ne!(drills(&other.day), drills(&first.day));
    let mut same = drills(&other.day);
    same.sort();
    assert_eq!(same, ["1:a1", "2:b1", "3:c1", "4:d1", "5:e1", "6:f1"]);
    let drawn = prepare(&GameDay { seed: Some(99), ..SIX.clone() }, &PlanOptions::default());
    assert_eq!(drawn.day.seed, 99);
    assert!(drawn.drills.iter().all(|entry| drawn.drills.iter().filter(|other| other.seed == entry.seed).count() == 1));
}

/// These numbers are a promise: a seed in an old report gives the same order in every later version.
#[test]
fn the_same_seed_gives_the_same_numbers_for_ever() {
    assert_eq!(drawn("order", 7, "db-pool", 1), 2_365_037_171_708_591_742);
    assert_eq!(drawn("drill", 7, "db-pool", 1), 10_824_381_830_304_051_675);
    assert_ne!(drawn("drill", 7, "db-pool", 1), drawn("drill", 7, "db-pool", 2));
    assert_ne!(drawn("drill", 7, "db-pool", 1), drawn("drill", 8, "db-pool", 1));
}

#[test]
fn a_plan_has_what_the_file_says() {
    let day = day(2, "repeat: 2\nretry: 1\nbudget: 1h\nparallel: 2\non_failure: stop\ncontrol: 1/2\nflaky: fail\n");
    let day = prepare(&day, &PlanOptions::default()).day;
    assert!(day.flaky_fails && day.fail_fast);
    assert_eq!((day.control_every, day.budget_us, day.retry), (Some(2), Some(3_600_000_000), 1));
    assert_eq!(day.drills.len(), 4);
}

#[test]
fn controls_take_turns_and_need_a_runbook() {
    let day = day(4, "control: 1/3\n");
    let nights = (1..=4)
        .map(|occasion| drills(&prepare(&day, &PlanOptions { occasion, ..PlanOptions::default() }).day).join(" "));
    let expected = [
        "1:a1 2:b1 3:c1! 4:d1", "1:a1 2:b1! 3:c1 4:d1",
        // The turn of `a`, which has no runbook to leave out.
        "1:a1 2:b1 3:c1 4:d1!", "1:a1 2:b1 3:c1! 4:d1",
    ];
    assert_eq!(nights.collect::<Vec<_>>(), expected);
}

#[test]
fn what_is_left_out_has_a_reason() {
    let affected = ["b", "c", "e"].map(str::to_string);
    let wishes = PlanOptions {
        affected_by: Some(Affected { revision: "main".into(), scenarios: affected.into() }),
        shard: Some("2/2".parse().unwrap()),
        ..PlanOptions::default()
    };
    let prepared = prepare(&SIX, &wishes);
    assert_eq!(drills(&prepared.day), ["3:c1"]);
    let left: Vec<String> =
        prepared.day.left_out.iter().map(|left| format!("{}: {}", left.scenario, left.why)).collect();
    let expected = [
        "a: not affected by the changes since main",
        "d: not affected by the changes since main",
        "f: not affected by the changes since main",
        "b: not in shard 2/2",
        "e: not in shard 2/2",
    ];
    assert_eq!(left, expected);
}

#[test]
fn what_cannot_be_drilled_there_is_left_out_without_a_cluster_and_not_run_otherwise() {
    let mut day = day(3, "");
    day.scenarios[1].plan.stack.cluster = Some(crate::stack::ClusterRequest::default());
    let refused = [("a", "none of Kubernetes"), ("b", "another cluster")];
    let refused = refused.map(|(name, why)| (name.to_string(), why.to_string())).into();
    let prepared = prepare(&day, &PlanOptions { refused, ..PlanOptions::default() });
    assert_eq!(drills(&prepared.day), ["3:c1"]);
    let [left] = prepared.day.left_out.as_slice() else { panic!("{:?}", prepared.day.left_out) };
    assert_eq!((left.scenario.as_str(), left.refused), ("a", true));
    let [(drill, why)] = prepared.refused.as_slice() else { panic!("{:?}", prepared.refused) };
    assert_eq!((drill.number, why.as_str()), (2, "another cluster"));
}

/// The same game day with the first so many of its scenarios.
fn shortened(day: &GameDay, scenarios: usize) -> GameDay {
    GameDay { scenarios: day.scenarios.iter().take(scenarios).cloned().collect(), ..day.clone() }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn shards_are_the_plan_taken_apart(
        of in 1u32..8, repeat in 1u32..4, random in any::<bool>(), seed in any::<u64>(), occasion in 1u64..100
    ) {
        let day = GameDay { is_random: random, control: Some(3), seed: Some(seed), repeat, ..SIX.clone() };
        let wishes = PlanOptions { occasion, ..PlanOptions::default() };
        let whole = prepare(&day, &wishes);
        let mut sizes = Vec::new();
        let mut found: Vec<(PlannedDrill, u64)> = Vec::new();
        for index in 1..=of {
            let shard = Some(format!("{index}/{of}").parse().unwrap());
            let part = prepare(&day, &PlanOptions { shard, ..wishes.clone() });
            sizes.push(part.drills.len());
            // The order within a shard is that of the whole.
            let places: Vec<usize> = part.day.drills.iter()
                .map(|drill| whole.day.drills.iter().position(|other| other == drill).unwrap())
                .collect();
            prop_assert!(places.is_sorted());
            found.extend(part.drills.into_iter().map(|entry| (entry.planned, entry.seed)));
        }
        prop_assert!(sizes.iter().max().unwrap() - sizes.iter().min().unwrap() <= 1);
        let mut all: Vec<(PlannedDrill, u64)> =
            whole.drills.into_iter().map(|entry| (entry.planned, entry.seed)).collect();
        found.sort_by_key(|(drill, _)| drill.number);
        all.sort_by_key(|(drill, _)| drill.number);
        prop_assert_eq!(found, all);
    }

    #[test]
    fn one_more_at_the_end_moves_nothing(
        scenarios in 1usize..6, index in 1u32..5, of in 1u32..5, repeat in 1u32..4, seed in any::<u64>()
    ) {
        prop_assume!(index <= of);
        let day = GameDay { is_random: true, seed: Some(seed), repeat, ..SIX.clone() };
        let shard = Some(format!("{index}/{of}").parse().unwrap());
        let wishes = PlanOptions { shard, ..PlanOptions::default() };
        let before = prepare(&shortened(&day, scenarios), &wishes);
        let after = prepare(&shortened(&day, scenarios + 1), &wishes);
        let new = &day.scenarios[scenarios].plan.name;
        let kept: Vec<PlannedDrill> =
            after.day.drills.into_iter().filter(|drill| drill.scenario != *new).collect();
        prop_assert_eq!(kept, before.day.drills);
    }
}

#[test]
fn a_plan_says_what_it_was_made_from() {
    let day = prepare(&SIX, &PlanOptions { shard: Some("1/2".parse().unwrap()), ..PlanOptions::default() }).day;
    assert_eq!((day.name.as_str(), day.title.as_str(), day.flaky_fails), ("nightly", "Nightly", false));
    assert_eq!((day.shard, day.format), (Some((1, 2)), RECORD_FORMAT));
    let named = |plan: &Plan| plan.source.path.ends_with(Path::new(&format!("{}.yaml", plan.name)));
    assert!(SIX.scenarios.iter().all(|scenario| named(&scenario.plan)));
}
