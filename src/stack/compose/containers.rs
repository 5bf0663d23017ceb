//! The containers of a drill: finding them, reading their state, the few things that are done to them, and what they use, from the engine's
//! own accounts.

use super::errors::{api, environment, none_runs, unless_gone};
use super::labels::{self, LabelFilter};
use super::owner::Owner;
use crate::record::UsageSample;
use crate::stack::{ContainerLimits, ContainerOp, ContainerState, NetworkEndpoint, StackResult, places_of};
use bollard::Docker;
use bollard::container::PathStatResponse;
use bollard::errors::Error as ApiError;
use bollard::models::{
    ContainerInspectResponse, ContainerMemoryStats, ContainerStatsResponse, ContainerSummary, ContainerUpdateBody,
    EndpointIpamConfig, EndpointSettings, NetworkConnectRequest, NetworkDisconnectRequest,
};
use bollard::query_parameters::{
    ContainerArchiveInfoOptionsBuilder, DownloadFromContainerOptionsBuilder, InspectContainerOptions,
    KillContainerOptionsBuilder, ListContainersOptionsBuilder, RemoveContainerOptionsBuilder, StartContainerOptions,
    StatsOptionsBuilder, UploadToContainerOptionsBuilder,
};
use bytes::Bytes;
use futures_util::future::join_all;
use futures_util::{Stream, StreamExt, TryStreamExt};
use std::collections::BTreeMap;
use std::io;
use std::sync::Mutex;

/// Containers with these labels, running or not.
pub async fn list(docker: &Docker, by: LabelFilter<'_>) -> StackResult<Vec<ContainerSummary>> {
    let filters = labels::filter(by);
    let options = ListContainersOptionsBuilder::default().all(true).filters(&filters).build();
    docker.list_containers(Some(options)).await.map_err(api("listing containers"))
}

/// Whether a container is `running`, `paused` …, as the engine lists it.
pub(super) fn is(container: &ContainerSummary, status: &str) -> bool {
    container.state.is_some_and(|state| state.to_string() == status)
}

/// A label of a container, as the engine lists it.
pub(super) fn listed_label<'c>(container: &'c ContainerSummary, key: &str) -> Option<&'c str> {
    container.labels.as_ref()?.get(key).map(String::as_str)
}

/// The name of a container, as the engine lists it.
pub(super) fn listed_name(container: &ContainerSummary) -> Option<String> {
    Some(container.names.as_ref()?.first()?.trim_start_matches('/').to_string())
}

/// The first one of a service by number, or the first one that runs: the engine lists the youngest first. A container of `docker compose
/// run` has mounts of its own choice.
pub(super) fn first(mut found: Vec<ContainerSummary>, running: bool) -> Option<String> {
    found.retain(|one| listed_label(one, labels::ONEOFF) != Some("True") && (!running || is(one, "running")));
    let number = |container: &ContainerSummary| listed_label(container, labels::NUMBER)?.parse::<u32>().ok();
    found.into_iter().min_by_key(|container| number(container).unwrap_or(u32::MAX))?.id
}

/// Removes a container, running or not, and its unnamed volumes if that is said.
pub(super) async fn remove(docker: &Docker, id: &str, with_volumes: bool) {
    let options = RemoveContainerOptionsBuilder::default().force(true).v(with_volumes).build();
    // One that stays is found again by its labels.
    let _ = docker.remove_container(id, Some(options)).await;
}

/// What there is at a path of a container; `None` when there is nothing.
pub(super) async fn path_in(docker: &Docker, id: &str, path: &str) -> Result<Option<PathStatResponse>, ApiError> {
    let options = ContainerArchiveInfoOptionsBuilder::default().path(path).build();
    unless_gone(docker.get_container_archive_info(id, Some(options)).await)
}

/// An archive of what is at a path of a container, as it comes.
pub(super) fn archive(docker: &Docker, id: &str, path: &str) -> impl Stream<Item = io::Result<Bytes>> + Send + use<> {
    let options = DownloadFromContainerOptionsBuilder::default().path(path).build();
    docker.download_from_container(id, Some(options)).map_err(io::Error::other)
}

/// Unpacks an archive below a path of a container.
pub(super) async fn unpack<A>(docker: &Docker, id: &str, path: &str, archive: A) -> ApiResult
where
    A: Stream<Item = io::Result<Bytes>> + Send + 'static,
{
    let options = UploadToContainerOptionsBuilder::default().path(path).build();
    docker.upload_to_container(id, Some(options), bollard::body_try_stream(archive)).await
}

/// What the engine says about a container; `None` when there is no such container (any more).
pub(super) async fn inspect(docker: &Docker, id: &str) -> StackResult<Option<ContainerInspectResponse>> {
    let found = docker.inspect_container(id, None::<InspectContainerOptions>).await;
    unless_gone(found).map_err(api(format!("looking at container {id}")))
}

/// The containers of a service of a project, in the order of their numbers, without those of `docker compose run`.
pub async fn of_service(docker: &Docker, project: &str, service: &str) -> StackResult<Vec<ContainerState>> {
    Ok(inspected_of(docker, project, service).await?.iter().map(state).collect())
}

/// The first of them that runs.
pub async fn running(docker: &Docker, project: &str, service: &str) -> StackResult<String> {
    let all = of_service(docker, project, service).await?;
    let running = all.iter().find(|container| container.status == "running");
    running.map(|container| container.id.clone()).ok_or_else(|| none_runs("container", service, &all))
}

/// Containers with these labels as the engine shows them.
pub async fn inspected(docker: &Docker, by: LabelFilter<'_>) -> StackResult<Vec<ContainerInspectResponse>> {
    let mut found = Vec::new();
    for summary in list(docker, by).await? {
        found.extend(inspect(docker, &summary.id.unwrap_or_default()).await?);
    }
    Ok(found)
}

/// The containers of a service as the engine shows them, ordered by their number.
pub async fn inspected_of(docker: &Docker, project: &str, service: &str) -> StackResult<Vec<ContainerInspectResponse>> {
    let by = [(labels::PROJECT, Some(project)), (labels::SERVICE, Some(service)), (labels::ONEOFF, Some("False"))];
    let mut found = inspected(docker, &by).await?;
    let number = |container: &ContainerInspectResponse| label(container, labels::NUMBER)?.parse::<u32>().ok();
    found.sort_by_key(|container| number(container).unwrap_or(u32::MAX));
    Ok(found)
}

/// A label of a container.
pub(super) fn label<'a>(container: &'a ContainerInspectResponse, key: &str) -> Option<&'a str> {
    container.config.as_ref()?.labels.as_ref()?.get(key).map(String::as_str)
}

/// Status as Docker names it: `running`, `paused`, `exited` …
pub(super) fn status(container: &ContainerInspectResponse) -> String {
    let status = container.state.as_ref().and_then(|state| state.status);
    status.map(|status| status.to_string()).unwrap_or_default()
}

/// How a container stands.
pub(super) fn state(container: &ContainerInspectResponse) -> ContainerState {
    let status = status(container);
    let inner = container.state.as_ref();
    // The engine says 0 for a container that still runs.
    let ended = matches!(status.as_str(), "exited" | "dead" | "restarting");
    ContainerState {
        id: container.id.clone().unwrap_or_default(),
        name: container.name.as_deref().unwrap_or_default().trim_start_matches('/').to_string(),
        exit_code: inner.and_then(|state| state.exit_code).filter(|_| ended),
        started_at: inner.and_then(|state| state.started_at.clone()).unwrap_or_default(),
        limits: limits(container),
        endpoints: endpoints(container),
        status,
        ..ContainerState::default()
    }
}

fn limits(container: &ContainerInspectResponse) -> ContainerLimits {
    let Some(host) = &container.host_config else { return ContainerLimits::default() };
    // `docker run --cpus` and Compose's `cpus` set the one, `cpu_quota` the other.
    let quota = |quota: i64| quota.max(0) * 1_000_000_000 / host.cpu_period.filter(|p| *p > 0).unwrap_or(100_000);
    ContainerLimits {
        nano_cpus: host.nano_cpus.filter(|n| *n > 0).or(host.cpu_quota.map(quota)).unwrap_or_default(),
        memory: host.memory.unwrap_or_default(),
        memory_swap: host.memory_swap.unwrap_or_default(),
        pids: host.pids_limit.unwrap_or_default().max(0),
    }
}

fn endpoints(container: &ContainerInspectResponse) -> Vec<NetworkEndpoint> {
    let id = container.id.as_deref().unwrap_or_default();
    let networks = container.network_settings.as_ref().and_then(|settings| settings.networks.as_ref());
    let endpoint = |(network, at): (&String, &EndpointSettings)| NetworkEndpoint {
        network: network.clone(),
        // The engine adds the beginning of the id by itself.
        aliases: at.aliases.iter().flatten().filter(|name| id.get(..12) != Some(name.as_str())).cloned().collect(),
        links: at.links.clone().unwrap_or_default(),
        address: at.ipam_config.as_ref().and_then(|ipam| ipam.ipv4_address.clone()).unwrap_or_default(),
        address6: at.ipam_config.as_ref().and_then(|ipam| ipam.ipv6_address.clone()).unwrap_or_default(),
    };
    let mut endpoints: Vec<NetworkEndpoint> = networks.into_iter().flatten().map(endpoint).collect();
    endpoints.sort_by(|a, b| a.network.cmp(&b.network));
    endpoints
}

/// Does something to a container of the run; nothing where its state already is as it should be.
///
/// # Errors
/// `Environment` when the container is gone or is not one of the run's, or the engine refuses.
pub(super) async fn operate(docker: &Docker, run: &str, id: &str, op: &ContainerOp) -> StackResult<()> {
    let (doing, done): (String, &[&str]) = match op {
        ContainerOp::Pause => ("pausing".into(), &["paused"]),
        ContainerOp::Unpause => ("unpausing".into(), &["running", "exited", "dead", "created"]),
        ContainerOp::Kill { signal } => (format!("sending {signal} to"), &[]),
        ContainerOp::Start => ("starting".into(), &["running"]),
        ContainerOp::Limit { .. } => ("limiting".into(), &[]),
        ContainerOp::Connect { .. } => ("connecting the networks of".into(), &[]),
    };
    let operation = format!("{doing} container {id}");
    let gone = || environment(&operation, "there is no such container");
    let container = inspect(docker, id).await?.ok_or_else(gone)?;
    if let Some(why) = Owner::of(run).doubt_inspected(docker, &container).await? {
        return Err(environment(&operation, format!("it does not belong to this drill: {why}")));
    }
    if done.contains(&status(&container).as_str()) {
        return Ok(());
    }
    let result = match op {
        ContainerOp::Pause => pause(docker, id).await,
        ContainerOp::Unpause => docker.unpause_container(id).await,
        ContainerOp::Kill { signal } => {
            docker.kill_container(id, Some(KillContainerOptionsBuilder::default().signal(signal).build())).await
        }
        ContainerOp::Start => docker.start_container(id, None::<StartContainerOptions>).await,
        ContainerOp::Limit { from, to } => {
            let now = limits(&container);
            limit(docker, id, now, now.changed(*from, *to)).await
        }
        ContainerOp::Connect { from, to } => {
            let now = endpoints(&container);
            let wanted = NetworkEndpoint::changed(&now, places_of(from, id), places_of(to, id));
            connect(docker, id, &now, &wanted).await
        }
    };
    match result {
        Ok(()) => Ok(()),
        // Somebody may have been faster: what counts is how it stands now.
        Err(error) => match inspect(docker, id).await? {
            Some(container) if done.contains(&status(&container).as_str()) => Ok(()),
            Some(_) => Err(api(operation)(error)),
            None => Err(gone()),
        },
    }
}

type ApiResult = Result<(), ApiError>;

/// Pauses a container. The runtime gives up on one that starts processes all the time ("unable to freeze"): the next attempt may find
/// it at rest.
async fn pause(docker: &Docker, id: &str) -> ApiResult {
    for _ in 0..4 {
        match docker.pause_container(id).await {
            Err(error) if error.to_string().contains("unable to freeze") => {}
            result => return result,
        }
    }
    docker.pause_container(id).await
}

/// Sets limits. The engine takes 0 for "leave it", so a limit is lifted by as much as the machine has.
/// What is as it should be is left alone.
async fn limit(docker: &Docker, id: &str, now: ContainerLimits, wanted: ContainerLimits) -> ApiResult {
    let machine = docker.info().await?;
    let or = |wanted: i64, all: i64| if wanted > 0 { wanted } else { all };
    let cpus = machine.ncpu.unwrap_or(1) * 1_000_000_000;
    let memory = (wanted.memory != now.memory).then(|| or(wanted.memory, machine.mem_total.unwrap_or_default()));
    let update = ContainerUpdateBody {
        nano_cpus: (wanted.nano_cpus != now.nano_cpus).then(|| or(wanted.nano_cpus, cpus)),
        memory,
        memory_swap: memory.map(|_| swap_for(wanted)),
        pids_limit: (wanted.pids != now.pids).then(|| or(wanted.pids, -1)),
        ..Default::default()
    };
    docker.update_container(id, update).await
}

/// How much memory and swap together a container may use whose memory is set, in bytes.
fn swap_for(wanted: ContainerLimits) -> i64 {
    match (wanted.memory, wanted.memory_swap) {
        (1.., swap @ 1..) => swap,
        (memory @ 1.., 0) => memory.saturating_mul(2),
        // No limit. The kernel refuses -1 together with a higher limit of memory.
        _ => 1 << 60,
    }
}

/// Connects a container to these networks, as it is said, and to no other one.
async fn connect(docker: &Docker, id: &str, now: &[NetworkEndpoint], wanted: &[NetworkEndpoint]) -> ApiResult {
    for endpoint in now.iter().filter(|endpoint| !wanted.contains(endpoint)) {
        let leave = NetworkDisconnectRequest { container: id.into(), force: Some(true) };
        docker.disconnect_network(&endpoint.network, leave).await?;
    }
    for endpoint in wanted.iter().filter(|endpoint| !now.contains(endpoint)) {
        let NetworkEndpoint { network, aliases, links, address, address6 } = endpoint.clone();
        let chosen = |address: String| (!address.is_empty()).then_some(address);
        let (ipv4_address, ipv6_address) = (chosen(address), chosen(address6));
        let is_chosen = ipv4_address.is_some() || ipv6_address.is_some();
        let ipam = is_chosen.then(|| EndpointIpamConfig { ipv4_address, ipv6_address, ..Default::default() });
        let settings =
            EndpointSettings { aliases: Some(aliases), links: Some(links), ipam_config: ipam, ..Default::default() };
        let join = NetworkConnectRequest { container: id.into(), endpoint_config: Some(settings) };
        docker.connect_network(&network, join).await?;
    }
    Ok(())
}

/// One look at every container of a run that is up. `used` keeps what each of them has used, for when it is gone.
pub async fn usage(docker: &Docker, run: &str, used: &Mutex<BTreeMap<String, u64>>) -> StackResult<UsageSample> {
    let found = list(docker, &[(labels::RUN, Some(run))]).await?;
    let up = found.into_iter().filter(|container| is(container, "running"));
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

    #[test]
    fn swap_is_set_as_it_was_with_the_memory() {
        let swap = |memory, memory_swap| swap_for(ContainerLimits { memory, memory_swap, ..Default::default() });
        assert_eq!(swap(100, 100), 100, "no swap");
        assert_eq!(swap(100, 300), 300);
        assert_eq!(swap(100, 0), 200, "Docker's default");
        assert_eq!([swap(100, -1), swap(0, 0), swap(0, -1)], [1 << 60; 3], "as much as there is");
    }
}

#[cfg(test)]
mod usage_tests {
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
