//! What runs add up to.

use super::super::testing::{failed, run};
use super::*;
use crate::record::Verdict;
use proptest::prelude::*;

const S: u64 = 1_000_000;

fn of(runs: &[IndexedRun]) -> Summary {
    Summary::of(&runs.iter().collect::<Vec<_>>()).unwrap()
}

fn with(standing: RunStanding, run: IndexedRun) -> IndexedRun {
    IndexedRun { standing, ..run }
}

#[test]
fn controls_and_what_says_nothing_are_no_failures() {
    let runs = [
        run("a", 0),
        failed("a", 1, Verdict::StepFailed, Some("mitigate/x")),
        with(RunStanding::ControlHeld, run("a", 2)),
        with(RunStanding::ControlFailed, run("a", 3)),
        with(RunStanding::HarnessError, run("a", 4)),
        with(RunStanding::Disturbed, run("a", 5)),
        with(RunStanding::Interrupted, run("a", 6)),
        with(RunStanding::Incomplete, run("a", 7)),
        run("a", 8),
    ];
    let summary = of(&runs);
    assert_eq!((summary.runs, summary.counting()), (9, 3));
    assert_eq!(summary.pass_rate, Some(2.0 / 3.0));
    assert_eq!(summary.failures, BTreeMap::from([("step_failed", 1)]));
    assert_eq!(summary.to_impact.as_ref().unwrap().runs, 3, "only runs that count have times that count");
    assert_eq!(summary.to_recover.as_ref().unwrap().runs, 2, "a run that never recovered has no time");
    assert_eq!(summary.last_pass.unwrap().run, runs[8].run);
    assert_eq!(summary.last_fail.unwrap().run, runs[1].run);
    let nothing = of(&runs[4..8]);
    assert_eq!((nothing.pass_rate, nothing.to_impact), (None, None));
}

#[test]
fn flaky_is_another_verdict_with_the_same_files() {
    let bad = |number| failed("a", number, Verdict::NotRecovered, None);
    assert_eq!(of(&[run("a", 0), bad(1), run("a", 2)]).flakiness, Flakiness { pairs: 2, changes: 2, rate: Some(1.0) });
    let other = |run: IndexedRun| IndexedRun { runbook_sha: Some("f".repeat(64)), ..run };
    let repaired = of(&[bad(0), other(run("a", 1))]).flakiness;
    assert_eq!(repaired, Flakiness::default(), "a runbook that was repaired is not flaky");
    let expected = IndexedRun { verdict: Verdict::NotRecovered, ..run("a", 0) };
    assert_eq!(of(&[expected, bad(1)]).flakiness.changes, 1, "one was to be so and passed, the other failed");
    let back = of(&[run("a", 0), other(bad(1)), run("a", 2)]).flakiness;
    assert_eq!((back.pairs, back.changes), (1, 0), "neighbours are those with the same files");
    for change in [
        |run: &mut IndexedRun| run.scenario_sha = "f".into(),
        |run: &mut IndexedRun| run.reading_sha = Some("f".into()),
        |run: &mut IndexedRun| run.stack_sha = "f".into(),
        |run: &mut IndexedRun| run.images_sha = Some("f".into()),
        |run: &mut IndexedRun| run.images_sha = None,
        |run: &mut IndexedRun| run.standing = RunStanding::Disturbed,
    ] {
        let mut second = bad(1);
        change(&mut second);
        assert_eq!(of(&[run("a", 0), second]).flakiness.pairs, 0);
    }
}

#[test]
fn the_same_failure_again_is_counted() {
    let bad = |number, step| failed("a", number, Verdict::StepFailed, Some(step));
    let repeated = |runs: &[IndexedRun]| of(runs).repeated;
    assert_eq!(repeated(&[run("a", 0)]), Repeated { all: 0, in_a_row: 0 });
    let held = with(RunStanding::ControlHeld, run("a", 3));
    let runs = [run("a", 0), bad(1, "x"), bad(2, "y"), held, bad(4, "y"), bad(5, "y")];
    assert_eq!(repeated(&runs), Repeated { all: 2, in_a_row: 3 }, "a control in between breaks nothing");
    let mut over = runs.to_vec();
    over.push(run("a", 6));
    assert_eq!(repeated(&over), Repeated { all: 2, in_a_row: 0 });
}

#[test]
fn the_last_change_of_the_runbook_parts_the_runs() {
    let version = |sha: &str, took, run: IndexedRun| IndexedRun {
        runbook_sha: Some(sha.into()),
        reading_sha: None,
        to_recover_us: Some(took),
        ..run
    };
    assert_eq!(of(&[run("a", 0), run("a", 1)]).runbook_change, None);
    let runs = [
        version("one", 90 * S, run("a", 0)),
        version("two", 10 * S, run("a", 1)),
        version("two", 20 * S, run("a", 2)),
        version("three", 4 * S, run("a", 3)),
        version("three", 6 * S, run("a", 4)),
        version("three", 5 * S, run("a", 5)),
    ];
    let change = of(&runs).runbook_change.unwrap();
    assert_eq!(change.at.run, runs[3].run);
    assert_eq!((change.before.runs, change.after.runs), (2, 3), "the version before, not all before");
    let median = |stretch: &RunbookVersion| stretch.to_recover.as_ref().unwrap().median_us;
    assert_eq!((median(&change.before), median(&change.after)), (15 * S, 5 * S));
}

#[test]
fn scenarios_are_kept_apart() {
    let all = Summary::all(&[run("b", 0), run("a", 1), run("b", 2)]);
    assert_eq!(
        all.iter().map(|summary| (summary.scenario.as_str(), summary.runs)).collect::<Vec<_>>(),
        [("a", 1), ("b", 2)]
    );
}

#[test]
fn one_odd_run_moves_the_mean_and_not_the_median() {
    let spread = Spread::of(&[4 * S, 4 * S, 4 * S, 4 * S, 90 * S]).unwrap();
    assert_eq!((spread.median_us, spread.iqr_us), (4 * S, 0));
    assert!(spread.mean_us > 20 * S);
    assert_eq!(spread.trend, None, "five runs are too few for a trend");
}

#[test]
fn a_trend_is_a_shift_beyond_the_usual() {
    let direction = |values: &[u64]| TimeTrend::of(values).map(|trend| trend.direction);
    assert_eq!(direction(&[S; 7]), None);
    assert_eq!(direction(&[S; 8]), Some(Direction::Steady));
    assert_eq!(direction(&[S, S, S, S, 3 * S, 3 * S, 3 * S, 3 * S]), Some(Direction::Slower));
    assert_eq!(direction(&[3 * S, 3 * S, 3 * S, 3 * S, S, S, S, S]), Some(Direction::Faster));
    let restless = [S, 9 * S, S, 9 * S, 2 * S, 9 * S, 2 * S, 9 * S];
    assert_eq!(direction(&restless), Some(Direction::Steady), "they differ as much among themselves");
    let below = S + 90_000;
    assert_eq!(direction(&[S, S, S, S, below, below, below, below]), Some(Direction::Steady));
    let mut long = vec![50 * S; 100];
    long.extend([S; 20]);
    assert_eq!(TimeTrend::of(&long).unwrap().before_us, S, "only the last 20 runs count");
}

proptest! {
    #[test]
    fn quantiles_are_ordered_and_within(mut values in prop::collection::vec(0u64..1 << 50, 1..60)) {
        let spread = Spread::of(&values).unwrap();
        values.sort_unstable();
        prop_assert!(values[0] <= spread.median_us && spread.median_us <= values[values.len() - 1]);
    }
}
