//! From a game day's file to the plan of one run of it: a pure function.

use super::occasion::is_control;
use super::{Affected, Shard};
use crate::record::{DayPlan, LeftOutDrill, PlannedDrill, RECORD_FORMAT, micros};
use crate::spec::{ControlRuns, GameDay, Plan};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};

/// What is asked for beside the file, and what was found out before, so that planning is a pure function.
#[derive(Debug, Clone, Default)]
pub struct PlanOptions {
    /// `--shard 2/4`.
    pub shard: Option<Shard>,
    /// `--affected-by REV`: what the changes since then concern, see [`super::affected`].
    pub affected_by: Option<Affected>,
    /// Scenarios that cannot be drilled where the drills are to be carried out, with the reason.
    pub refused: BTreeMap<String, String>,
    /// Which time this game day takes place, from 1: see [`super::occasion`].
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
        drills.retain(|drill| affected.scenarios.contains_key(&drill.planned.scenario));
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
        let controls = scenario.control.or(file.control.map(ControlRuns::Every));
        // Without a runbook there is nothing to leave out.
        let controls = controls.filter(|_| plan.runbook.is_some()).unwrap_or(ControlRuns::Never);
        for repetition in 1..=repeat {
            let planned = PlannedDrill {
                number: drills.len() + 1,
                scenario: plan.name.clone(),
                title: plan.title.clone(),
                tags: plan.tags.clone(),
                repetition,
                control: is_control(controls, place, occasion, repeat, repetition),
            };
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

#[cfg(test)]
mod tests;
