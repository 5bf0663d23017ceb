//! Drills and a game day for the tests of reports: in one game day each way in which a drill can come out, from two of three
//! shards.

use super::Drills;
use crate::record::testing::{Story, record_of};
use crate::record::{Cause, Day, DayEvent, DayPlan, DayStamped, FileRef, PlannedDrill, Record};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// The keys of every kind of object in a JSON document, a line each: `drills[].objectives: rpo_met rpo_us`.
pub(crate) fn shape(value: &Value) -> String {
    fn walk(path: &str, value: &Value, all: &mut BTreeMap<String, BTreeSet<String>>) {
        match value {
            Value::Object(map) => {
                all.entry(path.to_string()).or_default().extend(map.keys().cloned());
                map.iter().for_each(|(key, value)| walk(&format!("{path}.{key}"), value, all));
            }
            Value::Array(values) => values.iter().for_each(|value| walk(&format!("{path}[]"), value, all)),
            _ => {}
        }
    }
    let mut all = BTreeMap::new();
    walk("", value, &mut all);
    let line = |(path, keys): (String, BTreeSet<String>)| {
        format!("{path}: {}\n", keys.into_iter().collect::<Vec<_>>().join(" "))
    };
    all.into_iter().map(line).collect()
}

/// Drills that belong to no game day.
pub(crate) fn stories(all: &[Story]) -> Drills {
    let named = |(number, story): (usize, &Story)| named(*story, &format!("{story:?}").to_lowercase(), number);
    Drills { records: all.iter().enumerate().map(named).collect(), ..Drills::default() }
}

fn named(story: Story, scenario: &str, number: usize) -> Record {
    let mut record = record_of(story);
    if let Some(plan) = &mut record.plan {
        plan.run = format!("20261120T0641{number:02}Z-{scenario}-3f9a");
        plan.scenario = scenario.to_string();
        plan.scenario_file.path = format!("scenarios/{scenario}.yaml");
    }
    record
}

/// What became of a planned drill: the stories of its attempts; the last one of `cut` has no end.
struct Planned {
    scenario: &'static str,
    control: bool,
    repetition: u32,
    attempts: Vec<(Story, Cause)>,
    not_run: Option<&'static str>,
}

/// A game day in two of its three shards: passed, flaky, failed twice, disturbed and run again, a control, cut off, not run.
pub(crate) fn days() -> Drills {
    let drill = |scenario, attempts: &[(Story, Cause)]| Planned {
        scenario,
        control: false,
        repetition: 1,
        attempts: attempts.to_vec(),
        not_run: None,
    };
    let one = |scenario, story| drill(scenario, &[(story, Cause::Planned)]);
    let first = vec![
        one("db-pool", Story::Passed),
        Planned { repetition: 2, ..one("db-pool", Story::Passed) },
        Planned { control: true, ..one("db-pool", Story::Control) },
        drill("upstream-503", &[(Story::StepFailed, Cause::Planned), (Story::Passed, Cause::Retry)]),
        drill("restart-loop", &[(Story::NotRecovered, Cause::Planned), (Story::NotRecovered, Cause::Retry)]),
    ];
    let second = vec![
        drill("cache", &[(Story::HarnessError, Cause::Planned), (Story::Passed, Cause::Disturbed)]),
        one("queue", Story::Killed),
        Planned { not_run: Some("the time budget of 10 min was over"), ..drill("disk", &[]) },
        drill("dns", &[]),
    ];
    let mut drills = Drills::default();
    shard(1, 1, &first, true, &mut drills);
    shard(3, first.len() + 1, &second, false, &mut drills);
    drills
}

fn shard(shard: u32, from: usize, all: &[Planned], ended: bool, drills: &mut Drills) {
    let planned = all.iter().enumerate().map(|(at, drill)| PlannedDrill {
        number: from + at,
        scenario: drill.scenario.into(),
        title: "Checkout runs out of database connections".into(),
        tags: vec!["checkout".into()],
        repetition: drill.repetition,
        control: drill.control,
    });
    let plan = DayPlan {
        format: 1,
        tool_version: "0.1.0".into(),
        id: format!("20261120T02000{shard}Z-nightly-3f9a"),
        name: "nightly".into(),
        title: "Every night".into(),
        started_utc: "2026-11-20T02:00:01.000Z".into(),
        file: Some(FileRef { path: "gamedays/nightly.yaml".into(), sha256: "e".repeat(64) }),
        revision: Some("1".repeat(40)),
        seed: 7,
        shard: Some((shard, 3)),
        retry: 1,
        drills: planned.collect(),
        ..DayPlan::default()
    };
    let mut day = Day::default();
    let mut at_us = 0;
    let mut tell = |event, us: u64| {
        at_us += us;
        day.apply(&DayStamped { at_us, event });
    };
    tell(DayEvent::DayAnnounced(Box::new(plan)), 0);
    for (number, drill) in (from..).zip(all) {
        for (attempt, (story, cause)) in (1..).zip(&drill.attempts) {
            let record = named(*story, drill.scenario, number * 10 + attempt as usize);
            let run = record.plan.as_ref().map(|plan| plan.run.clone()).unwrap_or_default();
            let started =
                DayEvent::DrillStarted { number, attempt, run: run.clone(), cause: *cause, running: 1, waited_us: 0 };
            tell(started, 1_000_000);
            if record.ended {
                let disturbed = *story == Story::HarnessError;
                let (verdict, outcome, reason) = (record.verdict, record.outcome(), record.reason.clone());
                tell(DayEvent::DrillEnded { number, attempt, run, verdict, outcome, disturbed, reason }, 20_000_000);
            }
            drills.records.push(record);
        }
        if let Some(why) = drill.not_run {
            tell(DayEvent::DrillNotRun { number, why: why.into() }, 0);
        }
    }
    if ended {
        tell(DayEvent::DayEnded, 100_000);
    }
    drills.days.push(day);
}
