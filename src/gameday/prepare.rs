//! From a game day's file to the plan of one run of it: a pure function.

use super::occasion::is_control;
use super::{Affected, Shard};
use crate::record::{DayPlan, LeftOutDrill, PlannedDrill, RECORD_FORMAT, micros};
use crate::spec::{ControlRuns, DayScenario, Flaky, GameDay, OnFailure, Plan, StartOrder};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// What the command line says. Whatever is given here wins over the file.
#[derive(Debug, Clone, Default)]
pub struct PlanOptions {
    /// `--shard 2/4`.
    pub shard: Option<Shard>,
    /// `--repeat 5`: for every scenario.
    pub repeat: Option<u32>,
    /// `--retry 1`.
    pub retry: Option<u32>,
    /// `--fail-fast`.
    pub fail_fast: bool,
    /// `--parallel 4`.
    pub parallel: Option<u32>,
    /// `--affected-by REV`: what the changes since then concern, see [`super::affected`].
    pub affected_by: Option<Affected>,
    /// Scenarios that cannot be drilled where the drills are to be carried out, with the reason.
    pub refused: BTreeMap<String, String>,
}

/// What is neither in the file nor on the command line, found out before, so that planning is a pure function.
#[derive(Debug, Clone, Default)]
pub struct Circumstances {
    /// Id of the game day.
    pub id: String,
    /// When it began, RFC 3339 in UTC.
    pub started_utc: String,
    /// Commit of the project.
    pub revision: Option<String>,
    /// The seed where the file gives none.
    pub fresh_seed: u64,
    /// Which time this game day takes place, from 1: see [`super::occasion`].
    pub occasion: u64,
    /// Which run of CI it is part of: see [`super::run_of_ci`].
    pub run_of_ci: Option<String>,
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

/// How the drills are run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DaySettings {
    /// How many may run at once; `None` is as many as fit.
    pub parallel: Option<u32>,
    /// Time budget.
    pub budget: Option<Duration>,
    /// How often a drill that failed is run again.
    pub retry: u32,
    /// Whether the first failure ends the game day.
    pub fail_fast: bool,
    /// What a flaky drill means for the game day.
    pub flaky: Flaky,
}

/// One run of a game day, ready to begin.
#[derive(Debug, Clone)]
pub struct Prepared {
    /// What the first event says; `limits` and `file` are left for the runner to fill in.
    pub day: DayPlan,
    /// The drills, in the order in which they are to be started; the same as `day.drills`.
    pub drills: Vec<PreparedDrill>,
    /// Drills of the plan that cannot be carried out where they are to be, with the reason: they are not run.
    pub refused: Vec<(PlannedDrill, String)>,
    /// How they are run.
    pub settings: DaySettings,
}

/// Plans one run of a game day.
pub fn prepare(file: &GameDay, wanted: &PlanOptions, now: &Circumstances) -> Prepared {
    let seed = file.seed.unwrap_or(now.fresh_seed);
    let mut left_out = Vec::new();
    let is_refused = |drill: &PreparedDrill| wanted.refused.contains_key(&drill.planned.scenario);
    // Where drills are Jobs a stack without a cluster is left out; whatever else cannot be drilled there was to be, and is not run.
    let (elsewhere, mut drills): (Vec<_>, Vec<_>) = numbered(file, wanted, now, seed)
        .into_iter()
        .partition(|drill| is_refused(drill) && drill.plan.stack.cluster.is_none());
    let elsewhere: BTreeSet<String> = elsewhere.into_iter().map(|drill| drill.planned.scenario).collect();
    let told = wanted.refused.iter().filter(|(scenario, _)| elsewhere.contains(*scenario));
    left_out.extend(told.map(|(scenario, why)| LeftOutDrill {
        scenario: scenario.clone(),
        why: why.clone(),
        refused: true,
    }));
    if let Some(affected) = &wanted.affected_by {
        drills.retain(|drill| affected.scenarios.contains_key(&drill.planned.scenario));
        let why = format!("not affected by the changes since {}", affected.revision);
        left_out.extend(missing(file, &drills, elsewhere, &why));
    }
    if let Some(shard) = wanted.shard {
        let told: BTreeSet<String> = left_out.iter().map(|left: &LeftOutDrill| left.scenario.clone()).collect();
        drills = drills.into_iter().enumerate().filter(|(at, _)| shard.has(*at)).map(|(_, drill)| drill).collect();
        left_out.extend(missing(file, &drills, told, &format!("not in shard {shard}")));
    }
    // Every scenario once before any of them twice.
    match file.order {
        StartOrder::Fixed => drills.sort_by_key(|drill| (drill.planned.repetition, drill.planned.number)),
        StartOrder::Random => drills.sort_by_key(|drill| {
            let planned = &drill.planned;
            (planned.repetition, drawn("order", seed, &planned.scenario, planned.repetition), planned.number)
        }),
    }
    let (refused, drills): (Vec<_>, Vec<_>) = drills.into_iter().partition(is_refused);
    let told = refused.into_iter().filter_map(|drill| {
        let why = wanted.refused.get(&drill.planned.scenario)?.clone();
        Some((drill.planned, why))
    });
    let refused = told.collect();
    let settings = settings(file, wanted);
    let day = DayPlan {
        format: RECORD_FORMAT,
        tool_version: env!("CARGO_PKG_VERSION").into(),
        id: now.id.clone(),
        name: file.name.clone(),
        title: file.title.clone(),
        started_utc: now.started_utc.clone(),
        file: None,
        revision: now.revision.clone(),
        seed,
        shard: wanted.shard.map(|shard| (shard.index, shard.of)),
        budget_us: settings.budget.map(micros),
        retry: settings.retry,
        fail_fast: settings.fail_fast,
        flaky_fails: settings.flaky == Flaky::Fail,
        occasion: now.run_of_ci.clone(),
        control_every: file.control,
        limits: String::new(),
        drills: drills.iter().map(|entry| entry.planned.clone()).collect(),
        left_out,
    };
    Prepared { day, drills, refused, settings }
}

/// What is drawn with a game day's seed: a drill's place in a random order, or its own seed. The first eight bytes of a SHA-256, so
/// that it is the same on any machine and in any version, and that one scenario more or less changes nothing for the others.
fn drawn(what: &str, seed: u64, scenario: &str, repetition: u32) -> u64 {
    let digest = Sha256::digest(format!("{what} {seed} {repetition} {scenario}"));
    digest.iter().take(8).fold(0, |number, byte| (number << 8) | u64::from(*byte))
}

/// Every drill of the file with its number: all repetitions of a scenario before the next one, so that one more at the end
/// changes no other number.
fn numbered(file: &GameDay, wanted: &PlanOptions, now: &Circumstances, seed: u64) -> Vec<PreparedDrill> {
    let mut drills = Vec::new();
    for (place, scenario) in file.scenarios.iter().enumerate() {
        let plan = &scenario.plan;
        let repeat = wanted.repeat.or(scenario.repeat).unwrap_or(file.repeat);
        let controls = controls(scenario, file);
        for repetition in 1..=repeat {
            let planned = PlannedDrill {
                number: drills.len() + 1,
                scenario: plan.name.clone(),
                title: plan.title.clone(),
                tags: plan.tags.clone(),
                repetition,
                control: is_control(controls, place, now.occasion, repeat, repetition),
            };
            let seed = drawn("drill", seed, &plan.name, repetition);
            drills.push(PreparedDrill { planned, plan: plan.clone(), seed });
        }
    }
    drills
}

/// Which runs of a scenario are controls. Without a runbook there is nothing to leave out.
fn controls(scenario: &DayScenario, file: &GameDay) -> ControlRuns {
    if scenario.plan.runbook.is_none() {
        return ControlRuns::Never;
    }
    scenario.control.or(file.control.map(ControlRuns::Every)).unwrap_or(ControlRuns::Never)
}

/// The scenarios of which no drill was chosen, except those that were told already.
fn missing(file: &GameDay, chosen: &[PreparedDrill], told: BTreeSet<String>, why: &str) -> Vec<LeftOutDrill> {
    let here: BTreeSet<&str> = chosen.iter().map(|drill| drill.planned.scenario.as_str()).collect();
    let names = file.scenarios.iter().map(|scenario| &scenario.plan.name);
    let absent = names.filter(|name| !here.contains(name.as_str()) && !told.contains(*name));
    absent.map(|name| LeftOutDrill { scenario: name.clone(), why: why.to_string(), refused: false }).collect()
}

fn settings(file: &GameDay, wanted: &PlanOptions) -> DaySettings {
    DaySettings {
        parallel: wanted.parallel.or(file.parallel),
        budget: file.budget,
        retry: wanted.retry.unwrap_or(file.retry),
        fail_fast: wanted.fail_fast || file.on_failure == OnFailure::Stop,
        flaky: file.flaky,
    }
}

#[cfg(test)]
mod tests;
