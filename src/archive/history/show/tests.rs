//! The pages and the JSON, as they are printed.

use super::super::Update;
use super::super::run::{IndexedRun, RunStanding};
use super::super::summary::Summary;
use super::super::testing::{failed, run};
use super::super::trend::TrendPoint;
use super::*;
use crate::record::Verdict;
use crate::record::testing::{Story, record_of};

const CURE: &str = "mitigate/terminate-the-session-that-holds-the-lock";

fn runs() -> Vec<IndexedRun> {
    let mut runs: Vec<IndexedRun> = (0..9).map(|number| run("db-pool", number)).collect();
    for (run, took) in runs.iter_mut().zip([4, 5, 4, 4, 4, 9, 9, 10, 9]) {
        run.to_recover_us = Some(took * 1_000_000);
    }
    runs[5].runbook_sha = Some("2".repeat(64));
    runs[6].runbook_sha = Some("2".repeat(64));
    runs[7].images_sha = Some("3".repeat(64));
    runs[3].standing = RunStanding::Disturbed;
    runs[4].standing = RunStanding::ControlHeld;
    runs.push(failed("db-pool", 9, Verdict::StepFailed, Some(CURE)));
    runs.push(failed("db-pool", 10, Verdict::StepFailed, Some(CURE)));
    runs.push(run("upstream|503", 11));
    runs
}

fn overview() -> Overview {
    let runs = runs();
    let unreadable = vec!["artifacts/20261101T020000Z-x-0001: the story has no beginning\u{1b}[2J".to_string()];
    let index = Update { found: 13, read: 12, unreadable, notes: Vec::new() };
    Overview { runs: runs.len(), scenarios: Summary::all(&runs), index }
}

#[test]
fn an_overview() {
    insta::assert_snapshot!("overview", overview_text(&overview()));
}

#[test]
fn a_scenario() {
    let runs: Vec<IndexedRun> = runs().into_iter().filter(|run| run.scenario == "db-pool").collect();
    let view = ScenarioView::of(&runs, Update::default()).unwrap();
    insta::assert_snapshot!("scenario", scenario_text(&view));
}

/// The keys of every JSON are described.
#[test]
fn the_json_is_documented() {
    let docs = include_str!("../../../../docs/history.md");
    let runs = runs();
    let view = ScenarioView::of(&runs, Update::default()).unwrap();
    let mut keys = 0;
    let format = HISTORY_FORMAT;
    let (all, one) = (overview(), Versioned { format, what: &view });
    let all = [serde_json::to_value(Versioned { format, what: &all }), serde_json::to_value(one)];
    for value in all.map(Result::unwrap) {
        assert_eq!(value["format"], HISTORY_FORMAT);
        let summary = value.get("summary").or_else(|| value["scenarios"].get(0));
        let run = value.get("runs").and_then(|runs| runs.get(0));
        for object in [Some(&value), summary, run].into_iter().flatten().filter_map(serde_json::Value::as_object) {
            for key in object.keys() {
                keys += 1;
                assert!(docs.contains(&format!("`{key}`")), "`{key}` is not in docs/history.md");
            }
        }
    }
    assert!(keys > 50, "{keys}");
}

#[test]
fn a_mean_says_whom_it_leaves_out_and_a_budget_how_far_it_is_overspent() {
    let points = [Story::Passed, Story::NotRecovered].map(|story| TrendPoint::of_drill(&record_of(story)).unwrap());
    let mut trend = HistoryTrend::of(points.to_vec(), &[]);
    trend.budgets.push(("shop".into(), "availability".into(), Some(-3.0)));
    let text = trend_text(&trend);
    assert!(text.contains("4.00 s (1 of 2)") && text.contains("`shop` `availability`: -300%"), "{text}");
    assert!(trend_html(&trend).contains("MTTR 4.00 s (1 of 2)"));
}
