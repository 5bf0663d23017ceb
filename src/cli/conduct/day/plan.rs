//! From the plan of a game day to drills that can be started: their stacks resolved, what they need and how long they take.

use super::super::resolved;
use super::{DayOptions, earlier};
use crate::error::Error;
use crate::gameday::{self, PreparedDrill};
use crate::spec::Plan;
use crate::stack::{Demand, Platform, ResolvedStack, StackError};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// A drill that can be started any number of times.
#[derive(Debug, Clone)]
pub struct Ready {
    /// What to do, and as it stands in the plan.
    pub drill: PreparedDrill,
    /// Its stack.
    pub stack: Arc<dyn ResolvedStack>,
    /// What it needs.
    pub demand: Demand,
    /// How long it is expected to take.
    pub expected: Duration,
    /// Why its images could not be made.
    pub no_images: Option<StackError>,
}

/// Every drill, with its stack resolved; the mistakes of all stacks are one error.
pub async fn ready(
    drills: Vec<PreparedDrill>,
    platform: &dyn Platform,
    wanted: &DayOptions,
) -> Result<Vec<Ready>, Error> {
    // A scenario that is drilled several times is resolved once.
    let mut distinct: BTreeMap<&str, &Plan> = BTreeMap::new();
    for drill in &drills {
        distinct.entry(&drill.plan.name).or_insert(&drill.plan);
    }
    let stacks = resolved(distinct.values().copied(), platform, wanted.globals.color()).await?;
    let mut known = BTreeMap::new();
    for (name, stack) in distinct.keys().zip(stacks) {
        let earlier = earlier::drill(&wanted.globals.project, wanted.out.as_deref(), name);
        known.insert(name.to_string(), (stack, earlier));
    }
    let ready = drills.into_iter().filter_map(|entry| {
        let (stack, (took, used)) = known.get(&entry.plan.name)?;
        let demand = stack.demand();
        Some(Ready {
            demand: used.map_or(demand, |used| demand.measured(used)),
            expected: took.unwrap_or_else(|| gameday::expected(&entry.plan)),
            drill: entry,
            stack: stack.clone(),
            no_images: None,
        })
    });
    Ok(ready.collect())
}
