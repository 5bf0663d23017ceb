//! What the containers of a drill use, from the engine's own accounts.

use super::{containers, labels};
use crate::record::UsageSample;
use crate::stack::StackResult;
use bollard::Docker;
use bollard::models::{ContainerMemoryStats, ContainerStatsResponse};
use bollard::query_parameters::StatsOptionsBuilder;
use futures_util::StreamExt;
use futures_util::future::join_all;
use std::collections::BTreeMap;
use std::sync::Mutex;

/// One look at every container of a run that is up. `used` keeps what each of them has used, for when it is gone.
pub async fn usage(docker: &Docker, run: &str, used: &Mutex<BTreeMap<String, u64>>) -> StackResult<UsageSample> {
    let found = containers::list(docker, &[(labels::RUN, Some(run))]).await?;
    let up = found.into_iter().filter(|container| containers::is(container, "running"));
    let ids: Vec<String> = up.filter_map(|container| container.id).collect();
    // A container that ends meanwhile has no accounts any more.
    let all = join_all(ids.iter().map(|id| stats(docker, id))).await;
    let all: Vec<_> = ids.into_iter().zip(all).filter_map(|(id, stats)| Some((id, stats?))).collect();
    let cpu_us = {
        let mut used = crate::locked(used);
        for (id, stats) in &all {
            let known = used.entry(id.clone()).or_default();
            *known = cpu_us(stats).max(*known);
        }
        used.values().sum()
    };
    let networks = labels::networks(docker, labels::RUN, Some(run)).await?;
    Ok(UsageSample {
        cpu_us,
        memory_bytes: all.iter().filter_map(|(_, stats)| stats.memory_stats.as_ref()).map(memory_bytes).sum(),
        containers: u32::try_from(all.len()).unwrap_or(u32::MAX),
        networks: u32::try_from(networks.len()).unwrap_or(u32::MAX),
    })
}

async fn stats(docker: &Docker, id: &str) -> Option<ContainerStatsResponse> {
    // `one_shot` does not wait for a second look, which only `docker stats`' percentages need.
    docker.stats(id, Some(StatsOptionsBuilder::default().stream(false).one_shot(true).build())).next().await?.ok()
}

fn cpu_us(stats: &ContainerStatsResponse) -> u64 {
    let usage = stats.cpu_stats.as_ref().and_then(|cpu| cpu.cpu_usage.as_ref());
    usage.and_then(|usage| usage.total_usage).unwrap_or(0) / 1000
}

/// As `docker stats` shows it: without the page cache that could be given back (`inactive_file` of cgroups version 2,
/// `total_inactive_file` of version 1).
fn memory_bytes(memory: &ContainerMemoryStats) -> u64 {
    let cache = memory.stats.as_ref().and_then(|s| s.get("total_inactive_file").or_else(|| s.get("inactive_file")));
    memory.usage.unwrap_or(0).saturating_sub(cache.copied().unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    #[test]
    fn cache_that_could_be_given_back_does_not_count() {
        let stats = |key: &str| ContainerMemoryStats {
            usage: Some(1000),
            stats: Some(HashMap::from([(key.to_string(), 300), ("cache".into(), 500)])),
            ..ContainerMemoryStats::default()
        };
        assert_eq!(memory_bytes(&stats("total_inactive_file")), 700);
        assert_eq!(memory_bytes(&stats("inactive_file")), 700);
        assert_eq!(memory_bytes(&ContainerMemoryStats::default()), 0);
        assert_eq!(cpu_us(&ContainerStatsResponse::default()), 0);
    }
}
