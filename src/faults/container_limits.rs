//! `container_limits`: a container may use less than it needs: processor time, memory, processes. Docker sets it while the
//! container runs (`docker update`).
//!
//! ```yaml
//! - container_limits: { service: checkout, cpus: 0.05 }
//! - container_limits: { service: worker, memory: 64MiB, pids: 20 }
//! ```

use super::ReadFault;
use super::containers::{ContainerFault, SelectedContainers};
use crate::source::{MapReader, TextForm, decimal, parse_size, shape};
use crate::stack::{ContainerLimits, ContainerOp, ContainerState, Need};

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

fn cpus(text: &str) -> Result<i64, String> {
    // Docker counts in billionths and gives no less than a hundredth.
    let cpus = decimal(text).filter(|cpus| (0.01..=1024.0).contains(cpus)).map(|cpus| (cpus * 1e9).round() as i64);
    cpus.ok_or_else(|| format!("`{text}` is not a number of processors from 0.01 on"))
}

fn memory(text: &str) -> Result<i64, String> {
    match parse_size(text, "no size like `64MiB`")? {
        bytes if bytes < LEAST_MEMORY => Err("Docker gives a container no less than 6MiB".into()),
        bytes => i64::try_from(bytes).map_err(|_| "no machine has so much".into()),
    }
}

/// Reads its parameters; `None` when there were mistakes, which are noted.
pub(super) fn container_limits(map: &mut MapReader<'_>) -> ReadFault<ContainerFault> {
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
    let undo = move |running: &[ContainerState]| {
        let first = running.first().map(|state| state.limits).unwrap_or_default();
        match running.iter().all(|state| state.limits == first) {
            true if over(limits, first) == first => Err("they may use no more than that already".to_string()),
            true => Ok(ContainerOp::Limit { from: over(limits, first), to: first }),
            false => Err("they have different limits: name one replica".to_string()),
        }
    };
    let facts = selected.facts(summary, Need::Containers);
    let say = |state: &ContainerState| format!("may use {}", words(state.limits));
    Some((facts, ContainerFault { selected, undo: Box::new(undo), say }))
}

/// The limits of a container that had others, with the fault: none is raised, and of what is 0 it may use what it could.
fn over(limits: ContainerLimits, had: ContainerLimits) -> ContainerLimits {
    let lower = |wanted: i64, had: i64| match (wanted > 0, had > 0) {
        (true, true) => wanted.min(had),
        (true, false) => wanted,
        (false, _) => had,
    };
    let (nano_cpus, memory) = (lower(limits.nano_cpus, had.nano_cpus), lower(limits.memory, had.memory));
    // Swap would stand in for the memory that is taken.
    let memory_swap = if memory == had.memory { had.memory_swap } else { memory };
    ContainerLimits { nano_cpus, memory, memory_swap, pids: lower(limits.pids, had.pids) }
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
