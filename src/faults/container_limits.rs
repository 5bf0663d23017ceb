//! `container_limits`: a container may use less than it needs: processor time, memory, processes. Docker sets it while the
//! container runs (`docker update`).
//!
//! ```yaml
//! - container_limits: { service: checkout, cpus: 0.05 }
//! - container_limits: { service: worker, memory: 64MiB, pids: 20 }
//! ```

use super::containers::{self, SelectedContainers};
use super::{FaultContext, FaultError, FaultResult, Inject, Presence, ReadFault, Undo};
use crate::source::{MapReader, TextForm, decimal, parse_size, shape};
use crate::stack::{ContainerLimits, ContainerOp, ContainerState, Need};
use async_trait::async_trait;

/// Docker refuses less.
const LEAST_MEMORY: u64 = 6 * 1024 * 1024;

const CPUS: TextForm = TextForm::new(
    "a number of processors like `0.5`",
    || serde_json::json!({ "type": ["number", "string"], "exclusiveMinimum": 0, "maximum": 1024 }),
);
const MEMORY: TextForm = TextForm::new(
    "a size like `64MiB`",
    || serde_json::json!({ "anyOf": [shape::size(), { "type": "integer", "minimum": LEAST_MEMORY }] }),
);

/// Containers that may use less than before; of what is 0 they may use what they could.
pub struct ContainerLimited {
    selected: SelectedContainers,
    limits: ContainerLimits,
}

fn cpus(text: &str) -> Result<i64, String> {
    // Docker counts in billionths and gives no less than a hundredth.
    match decimal(text) {
        Some(cpus) if (0.01..=1024.0).contains(&cpus) => Ok((cpus * 1e9).round() as i64),
        _ => Err(format!("`{text}` is not a number of processors from 0.01 on")),
    }
}

fn memory(text: &str) -> Result<i64, String> {
    match parse_size(text, "no size like `64MiB`")? {
        bytes if bytes < LEAST_MEMORY => Err("Docker gives a container no less than 6MiB".into()),
        bytes => i64::try_from(bytes).map_err(|_| "no machine has so much".into()),
    }
}

/// Reads its parameters; `None` when there were mistakes, which are noted.
pub(super) fn from_map(map: &mut MapReader<'_>) -> ReadFault<ContainerLimited> {
    let selected = SelectedContainers::read(map);
    let nano_cpus = map.optional_with("cpus", CPUS, cpus);
    let memory = map.optional_with("memory", MEMORY, memory);
    let pids = map.optional_by("pids", |at| {
        at.number(1..=u32::MAX, "a number from 1 on", "a number of processes from 1 on").map(i64::from)
    });
    if map.has("service") && ["cpus", "memory", "pids"].iter().all(|key| !map.has(key)) {
        map.error(map.span(), "`container_limits` limits nothing").help("give `cpus`, `memory` or `pids`");
    }
    let [nano_cpus, memory, pids] = [nano_cpus, memory, pids].map(Option::unwrap_or_default);
    let (selected, limits) = (selected?, ContainerLimits { nano_cpus, memory, memory_swap: 0, pids });
    let summary = format!("gives {} no more than {}", selected.describe(), words(limits));
    Some((selected.facts(summary, Need::Containers), ContainerLimited { selected, limits }))
}

impl ContainerLimited {
    /// The limits of a container that had these, with the fault: none is raised.
    fn over(&self, had: ContainerLimits) -> ContainerLimits {
        let lower = |wanted: i64, had: i64| match (wanted > 0, had > 0) {
            (true, true) => wanted.min(had),
            (true, false) => wanted,
            (false, _) => had,
        };
        let memory = lower(self.limits.memory, had.memory);
        ContainerLimits {
            nano_cpus: lower(self.limits.nano_cpus, had.nano_cpus),
            memory,
            // Swap would stand in for the memory that is taken.
            memory_swap: if memory == had.memory { had.memory_swap } else { memory },
            pids: lower(self.limits.pids, had.pids),
        }
    }
}

fn words(ContainerLimits { nano_cpus, memory, pids, .. }: ContainerLimits) -> String {
    let all = [
        (nano_cpus > 0).then(|| format!("{} processors", nano_cpus as f64 / 1e9)),
        (memory > 0).then(|| format!("{} KiB of memory", memory / 1024)),
        (pids > 0).then(|| format!("{pids} processes")),
    ];
    let all = all.into_iter().flatten().collect::<Vec<_>>().join(" and ");
    if all.is_empty() { "whatever there is".into() } else { all }
}

/// The limits with the fault, and those without it.
fn limits(undo: &Undo) -> FaultResult<(ContainerLimits, ContainerLimits)> {
    match undo {
        Undo::Containers { op: ContainerOp::Limit { from, to }, .. } => Ok((*from, *to)),
        _ => Err(FaultError::undo("for limits")),
    }
}

#[async_trait]
impl Inject for ContainerLimited {
    async fn prepare(&self, context: &FaultContext<'_>) -> FaultResult<Undo> {
        let had = |running: &[ContainerState]| {
            let first = running.first().map(|state| state.limits).unwrap_or_default();
            match running.iter().all(|state| state.limits == first) {
                true if self.over(first) == first => Err("they may use no more than that already".to_string()),
                true => Ok(ContainerOp::Limit { from: self.over(first), to: first }),
                false => Err("they have different limits: name one replica".to_string()),
            }
        };
        self.selected.undo(context.stack, had).await
    }

    async fn inject(&self, undo: &Undo, context: &FaultContext<'_>) -> FaultResult {
        let (limited, had) = limits(undo)?;
        containers::operate(undo, &ContainerOp::Limit { from: had, to: limited }, context.stack).await
    }

    async fn confirm(&self, undo: &Undo, context: &FaultContext<'_>) -> FaultResult<Presence> {
        let found = containers::look(undo, context.stack).await?;
        // What the runbook has raised is not this fault any more, and whatever it has not touched still is.
        let (limited, had) = limits(undo)?;
        let still = |state: &ContainerState| state.limits.changed(limited, had) != state.limits;
        Ok(containers::presence(&found, still, |state| format!("may use {}", words(state.limits))))
    }
}
