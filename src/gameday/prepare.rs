//! From a game day's file to the plan of one run of it: a pure function. Which time it takes place, and which runs are controls for it:
//! counted, so that every n-th run is one although a runner of CI remembers nothing. Which part of it (`2/4`, for matrices of CI), its
//! drills dealt out by their place in the plan. How long a drill is expected to take, and what all of them come to.

use super::Affected;
use crate::error::Exit;
use crate::record::{DayPlan, LeftOutDrill, PlannedDrill, RECORD_FORMAT, RunOutcome, micros};
use crate::spec::{GameDay, Plan};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// What is asked for beside the file, and what was found out before, so that planning is a pure function.
#[derive(Debug, Clone, Default)]
pub struct PlanOptions {
    /// `--shard 2/4`.
    pub shard: Option<Shard>,
    /// `--affected-by REV`: what the changes since then concern, see [`super::affected`].
    pub affected_by: Option<Affected>,
    /// Scenarios that cannot be drilled where the drills are to be carried out, with the reason.
    pub refused: BTreeMap<String, String>,
    /// Which time this game day takes place, from 1: see [`occasion`].
    pub occasion: u64,
}

/// A drill to be carried out here.
#[derive(Debug, Clone)]
pub struct PreparedDrill {
    /// As it stands in the plan.
    pub planned: PlannedDrill,
    /// What to do.
    pub plan: Plan,
    /// Seed of everything random in it.
    pub seed: u64,
}

/// One run of a game day, ready to begin.
#[derive(Debug, Clone)]
pub struct Prepared {
    /// What the first event says; what the file does not tell is left for the runner to fill in.
    pub day: DayPlan,
    /// The drills, in the order in which they are to be started; the same as `day.drills`.
    pub drills: Vec<PreparedDrill>,
    /// Drills of the plan that cannot be carried out where they are to be, with the reason: they are not run.
    pub refused: Vec<(PlannedDrill, String)>,
}

/// Plans one run of a game day.
pub fn prepare(file: &GameDay, wanted: &PlanOptions) -> Prepared {
    let seed = file.seed.unwrap_or_default();
    let is_refused = |drill: &PreparedDrill| wanted.refused.contains_key(&drill.planned.scenario);
    // Where drills are Jobs a stack without a cluster is left out; whatever else cannot be drilled there was to be, and is not run.
    let (elsewhere, mut drills): (Vec<_>, Vec<_>) = numbered(file, wanted.occasion, seed)
        .into_iter()
        .partition(|drill| is_refused(drill) && drill.plan.stack.cluster.is_none());
    let elsewhere: BTreeSet<String> = elsewhere.into_iter().map(|drill| drill.planned.scenario).collect();
    let told = wanted.refused.iter().filter(|(scenario, _)| elsewhere.contains(*scenario));
    let told = told.map(|(scenario, why)| LeftOutDrill { scenario: scenario.clone(), why: why.clone(), refused: true });
    let mut left_out: Vec<LeftOutDrill> = told.collect();
    if let Some(affected) = &wanted.affected_by {
        drills.retain(|drill| affected.scenarios.contains(&drill.planned.scenario));
        let why = format!("not affected by the changes since {}", affected.revision);
        left_out.extend(missing(file, &drills, elsewhere, &why));
    }
    if let Some(shard) = wanted.shard {
        let told: BTreeSet<String> = left_out.iter().map(|left| left.scenario.clone()).collect();
        drills = drills.into_iter().enumerate().filter(|(at, _)| shard.has(*at)).map(|(_, drill)| drill).collect();
        left_out.extend(missing(file, &drills, told, &format!("not in shard {shard}")));
    }
    // Every scenario once before any of them twice.
    drills.sort_by_key(|PreparedDrill { planned, .. }| {
        let drawn = file.is_random.then(|| drawn("order", seed, &planned.scenario, planned.repetition));
        (planned.repetition, drawn, planned.number)
    });
    let (refused, drills): (Vec<_>, Vec<_>) = drills.into_iter().partition(is_refused);
    let why = |drill: PreparedDrill| Some((wanted.refused.get(&drill.planned.scenario)?.clone(), drill.planned));
    let refused = refused.into_iter().filter_map(why).map(|(why, drill)| (drill, why)).collect();
    let day = DayPlan {
        format: RECORD_FORMAT,
        tool_version: env!("CARGO_PKG_VERSION").into(),
        name: file.name.clone(),
        title: file.title.clone(),
        seed,
        shard: wanted.shard.map(|shard| (shard.index, shard.of)),
        budget_us: file.budget.map(micros),
        retry: file.retry,
        fail_fast: file.fail_fast,
        flaky_fails: file.flaky_fails,
        control_every: file.control,
        drills: drills.iter().map(|entry| entry.planned.clone()).collect(),
        left_out,
        ..DayPlan::default()
    };
    Prepared { day, drills, refused }
}

/// What is drawn with a game day's seed: a drill's place in a random order, or its own seed. The first eight bytes of a SHA-256, so
/// that it is the same on any machine and in any version, and that one scenario more or less changes nothing for the others.
fn drawn(what: &str, seed: u64, scenario: &str, repetition: u32) -> u64 {
    let digest = Sha256::digest(format!("{what} {seed} {repetition} {scenario}"));
    digest.iter().take(8).fold(0, |number, byte| (number << 8) | u64::from(*byte))
}

/// Every drill of the file with its number: all repetitions of a scenario before the next one, so that one more at the end
/// changes no other number.
fn numbered(file: &GameDay, occasion: u64, seed: u64) -> Vec<PreparedDrill> {
    let mut drills = Vec::new();
    for (place, scenario) in file.scenarios.iter().enumerate() {
        let plan = &scenario.plan;
        let repeat = scenario.repeat.unwrap_or(file.repeat);
        let controls = scenario.control.or(file.control);
        // Without a runbook there is nothing to leave out.
        let controls = controls.filter(|_| plan.runbook.is_some()).unwrap_or(0);
        for repetition in 1..=repeat {
            let (scenario, title, tags) = (plan.name.clone(), plan.title.clone(), plan.tags.clone());
            let (number, control) = (drills.len() + 1, is_control(controls, place, occasion, repeat, repetition));
            let planned = PlannedDrill { number, scenario, title, tags, repetition, control };
            let seed = drawn("drill", seed, &plan.name, repetition);
            drills.push(PreparedDrill { planned, plan: plan.clone(), seed });
        }
    }
    drills
}

/// The scenarios of which no drill was chosen, except those that were told already.
fn missing(file: &GameDay, chosen: &[PreparedDrill], told: BTreeSet<String>, why: &str) -> Vec<LeftOutDrill> {
    let here: BTreeSet<&str> = chosen.iter().map(|drill| drill.planned.scenario.as_str()).collect();
    let names = file.scenarios.iter().map(|scenario| &scenario.plan.name);
    let absent = names.filter(|name| !here.contains(name.as_str()) && !told.contains(*name));
    absent.map(|name| LeftOutDrill { scenario: name.clone(), why: why.to_string(), refused: false }).collect()
}

/// Where CI systems say the number of their own run: GitHub Actions, GitLab CI, Jenkins and what follows its customs.
const NUMBERS: [&str; 3] = ["GITHUB_RUN_NUMBER", "CI_PIPELINE_IID", "BUILD_NUMBER"];

/// Which time a game day takes place, from 1: the number of CI's own run where there is one, otherwise one more than the game
/// days of this name that were found on disk. All shards of one run of CI agree on it.
pub fn occasion(env: impl Fn(&str) -> Option<String>, earlier: u64) -> u64 {
    let number = NUMBERS.iter().find_map(|name| env(name)?.trim().parse::<u64>().ok());
    number.filter(|number| *number > 0).unwrap_or_else(|| earlier.saturating_add(1))
}

/// Which run of CI this is, so that shards of different nights are not taken for one game day: of GitHub Actions with the
/// attempt (`8123/2`), of GitLab CI the pipeline, of Jenkins and what follows its customs the tag of the build.
pub fn run_of_ci(env: impl Fn(&str) -> Option<String>) -> Option<String> {
    let env = |name: &str| env(name).map(|text| text.trim().to_string()).filter(|text| !text.is_empty());
    let attempt = || env("GITHUB_RUN_ATTEMPT").map(|attempt| format!("/{attempt}")).unwrap_or_default();
    let github = env("GITHUB_RUN_ID").map(|run| run + &attempt());
    github.or_else(|| env("CI_PIPELINE_ID")).or_else(|| env("BUILD_TAG"))
}

/// Whether a run is a control. Runs of a scenario are counted over all occasions and repetitions; its place in the file is
/// added, so that scenarios take turns.
fn is_control(every: u32, place: usize, occasion: u64, repeat: u32, repetition: u32) -> bool {
    let before = u128::from(occasion.saturating_sub(1)) * u128::from(repeat);
    let run = before + u128::from(repetition);
    // Of 0 only 0 is a multiple, and runs are counted from 1.
    (run + place as u128).is_multiple_of(u128::from(every))
}

/// Most parts.
const MOST: u32 = 1000;

/// A part of a game day: `2/4` is the second of four.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shard {
    /// Which part, from 1.
    index: u32,
    /// Of how many.
    of: u32,
}

impl Shard {
    /// Whether the drill at this place (from 0) belongs to it.
    pub fn has(self, place: usize) -> bool {
        place as u64 % u64::from(self.of) == u64::from(self.index - 1)
    }
}

impl FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> Result<Shard, String> {
        let number = |text: &str| text.trim().parse::<u32>().ok();
        let part = text.trim().split_once('/').and_then(|(index, of)| Some((number(index)?, number(of)?)));
        match part {
            Some((index, of)) if of <= MOST && (1..=of).contains(&index) => Ok(Shard { index, of }),
            _ => Err(format!("`{text}` is not a part like `2/4`: of 1 to {MOST} parts, numbered from 1")),
        }
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.index, self.of)
    }
}

/// What starting and removing a stack is taken to need, where no earlier drill tells.
const UP_AND_DOWN: Duration = Duration::from_secs(20);

/// The exit code of one drill or of many.
pub fn exit_of(outcome: RunOutcome) -> Exit {
    match outcome {
        RunOutcome::Passed => Exit::Passed,
        RunOutcome::Failed => Exit::Failed,
        RunOutcome::Broken => Exit::Harness,
        RunOutcome::Interrupted => Exit::Interrupted,
    }
}

/// How long a drill takes by the windows that its scenario declares, when all goes well: an impact shows soon, users recover
/// soon. An earlier drill of the scenario knows it better.
pub fn expected(plan: &Plan) -> Duration {
    let impact = if plan.impact.none { plan.impact.within } else { plan.impact.window };
    let hold = plan.recover_hold.max(plan.shown_after());
    UP_AND_DOWN + plan.steady_for + impact + hold + plan.told_every() + plan.held_after_revert()
}

#[cfg(test)]
mod tests;

#[cfg(test)]
mod occasion_tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn ci_counts_for_us() {
        let env = |name: &str| (name == "CI_PIPELINE_IID").then(|| "41".to_string());
        assert_eq!(occasion(env, 3), 41);
        assert_eq!(occasion(|_| None, 3), 4);
        assert_eq!(occasion(|_| Some("x".into()), 0), 1);
        assert_eq!(occasion(|_| Some("0".into()), 0), 1);
        assert_eq!(occasion(|_| None, u64::MAX), u64::MAX);
    }

    #[test]
    fn ci_says_which_run_it_is() {
        let told = |all: &[(&str, &str)]| {
            run_of_ci(|name| all.iter().find(|(known, _)| *known == name).map(|(_, value)| value.to_string()))
        };
        assert_eq!(told(&[("GITHUB_RUN_ID", "8123"), ("GITHUB_RUN_ATTEMPT", "2")]).as_deref(), Some("8123/2"));
        assert_eq!(told(&[("GITHUB_RUN_ID", ""), ("CI_PIPELINE_ID", "77")]).as_deref(), Some("77"));
        assert_eq!(told(&[("BUILD_TAG", "jenkins-gameday-12")]).as_deref(), Some("jenkins-gameday-12"));
        assert_eq!(told(&[]), None);
    }

    #[test]
    fn all_or_none() {
        assert!(is_control(1, 3, 1, 1, 1));
        assert!(!is_control(0, 0, 7, 1, 1));
    }

    proptest! {
        #[test]
        fn of_any_n_runs_in_a_row_one_is_a_control(
            every in 2u32..20, place in 0usize..50, repeat in 1u32..6, from in 1u64..1000
        ) {
            let runs = (from..from + 40).flat_map(|occasion| (1..=repeat).map(move |repetition| (occasion, repetition)));
            let controls: Vec<bool> = runs
                .map(|(occasion, repetition)| is_control(every, place, occasion, repeat, repetition))
                .collect();
            for window in controls.windows(every as usize) {
                prop_assert_eq!(window.iter().filter(|control| **control).count(), 1);
            }
        }
    }
}

#[cfg(test)]
mod shard_tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn parts_are_numbered_from_one() {
        let shard: Shard = " 2 / 4 ".parse().unwrap();
        assert_eq!((shard.index, shard.of, shard.to_string().as_str()), (2, 4, "2/4"));
        let all = ["0/4", "5/4", "1/0", "1/1001", "2", "a/b", "-1/2", ""];
        let expected =
            all.map(|text| format!("`{text}` is not a part like `2/4`: of 1 to 1000 parts, numbered from 1"));
        assert_eq!(all.map(|text| text.parse::<Shard>().unwrap_err()), expected);
    }

    proptest! {
        #[test]
        fn every_place_is_in_exactly_one_part_and_parts_are_even(of in 1u32..20, places in 0usize..200) {
            let shards: Vec<Shard> = (1..=of).map(|index| Shard { index, of }).collect();
            let sizes: Vec<usize> =
                shards.iter().map(|shard| (0..places).filter(|place| shard.has(*place)).count()).collect();
            prop_assert_eq!(sizes.iter().sum::<usize>(), places);
            prop_assert!((0..places).all(|place| shards.iter().any(|shard| shard.has(place))));
            prop_assert!(sizes.iter().max().unwrap() - sizes.iter().min().unwrap() <= 1);
        }

        #[test]
        fn any_text_is_a_part_or_told(text in ".{0,12}") {
            if let Ok(shard) = text.parse::<Shard>() {
                prop_assert_eq!(shard.to_string().parse::<Shard>(), Ok(shard));
            }
        }
    }
}

#[cfg(test)]
mod outcome_tests {
    use super::*;
    use crate::record::{Attempt, Cause, Day, DayDrill, DayPlan, PlannedDrill, Stopped, Verdict};

    /// The attempts of each drill, what stopped it, and the exit code.
    type Case<'a> = (&'a [&'a [RunOutcome]], Option<Stopped>, Exit);

    fn drill(outcomes: &[RunOutcome]) -> DayDrill {
        let planned = PlannedDrill {
            number: 1,
            scenario: "a".into(),
            title: String::new(),
            tags: vec![],
            repetition: 1,
            control: false,
        };
        let attempt = |outcome: &RunOutcome| Attempt {
            attempt: 1,
            run: "r".into(),
            cause: Cause::Planned,
            started_us: 0,
            running: 1,
            ended_us: Some(1),
            verdict: Verdict::Passed,
            outcome: Some(*outcome),
            disturbed: false,
            reason: String::new(),
            waited_us: 0,
        };
        DayDrill { planned, attempts: outcomes.iter().map(attempt).collect(), not_run: None }
    }

    #[test]
    fn the_worst_drill_is_the_exit() {
        use RunOutcome::{Broken, Failed, Interrupted, Passed};
        use Stopped::{Budget, FirstFailure, Signal};
        let cases: [Case<'_>; 10] = [
            (&[&[Passed], &[Passed]], None, Exit::Passed),
            (&[], None, Exit::Passed),
            (&[&[Passed], &[Failed, Passed]], None, Exit::Passed),
            (&[&[Passed], &[Failed]], None, Exit::Failed),
            (&[&[Failed], &[Broken]], None, Exit::Harness),
            (&[&[Passed], &[]], Some(Budget), Exit::Harness),
            (&[&[Failed], &[]], Some(FirstFailure), Exit::Failed),
            (&[&[Failed], &[]], Some(Budget), Exit::Harness),
            (&[&[Interrupted], &[Passed]], Some(Budget), Exit::Harness),
            (&[&[Failed], &[Broken], &[Interrupted]], Some(Signal), Exit::Interrupted),
        ];
        // Whether it is to end at the first failure is not what ended it.
        let plan = DayPlan { fail_fast: true, ..DayPlan::default() };
        for (drills, stopped, wanted) in cases {
            let plan = plan.clone();
            let drills = drills.iter().map(|all| drill(all)).collect();
            let day = Day { plan, drills, stopped, ended: true, ..Day::default() };
            assert_eq!(exit_of(day.outcome()), wanted, "{day:?}");
        }
        let plan = DayPlan { flaky_fails: true, ..DayPlan::default() };
        let flaky = Day { plan, drills: vec![drill(&[Failed, Passed])], ended: true, ..Day::default() };
        assert_eq!(exit_of(flaky.outcome()), Exit::Failed);
    }
}
