//! Files of a service, reached through its volumes: a short-lived container of the agent's image has the mounts of the
//! service's first container, running or not, and carries out what is asked for. The service's image needs nothing for it. So are the
//! connections of a container looked at, from its network.

use super::containers;
use super::endpoint::Endpoint;
use super::errors::{api, environment, hinted};
use super::labels;
use super::owner::Owner;
use crate::stack::{AgentRole, FileAnswer, FileAsk, FileDeed, StackResult};
use bollard::Docker;
use bollard::container::LogOutput;
use bollard::models::{ContainerCreateBody, ContainerInspectResponse, HostConfig, HostConfigLogConfig, MountPoint};
use bollard::query_parameters::{
    CreateContainerOptionsBuilder, LogsOptionsBuilder, StartContainerOptions, WaitContainerOptions,
};
use futures_util::StreamExt;
use serde_json::json;
use std::path::Path;
use std::time::Duration;

/// How long one look or one deed may take: a backup may be long.
const WITHIN: Duration = Duration::from_secs(25);
/// Memory of the container, in bytes.
const MEMORY: i64 = 128 * 1024 * 1024;
/// What its containers are for, in the label `ROLE`.
const ROLE: &str = "files";

/// Carries out what is asked for beside the first container of a service of a run that is known by its id alone.
///
/// # Errors
/// `Environment` when the service has no container, the path is not below a mount that can be written to, or the deed
/// failed; then it says why.
pub async fn files_in(endpoint: &Endpoint, run: &str, service: &str, ask: &FileAsk) -> StackResult<FileAnswer> {
    let docker = &endpoint.docker;
    let doing = match ask.what {
        FileDeed::Measure(_) | FileDeed::Look(_) => "looking at",
        FileDeed::Damage(_) => "damaging",
        FileDeed::Repair(_) => "repairing",
    };
    let operation = format!("{doing} `{}` of `{service}`", ask.path);
    let first = first_of(docker, run, service).await?;
    let first = first.ok_or_else(|| environment(&operation, "it has no container"))?;
    let mounts = first.mounts.clone().unwrap_or_default();
    let on_host = kept_on_host(docker, &mounts).await.map_err(api(&operation))?;
    let hint = "only what lies on a volume of the service can be reached; for the rest there is the fault `command`";
    let below = reachable(&ask.path, &mounts, &on_host).map_err(|why| hinted(&operation, why, hint))?;
    let (asked, mounts) = (json!(ask).to_string(), json!(below).to_string());
    let own = HostConfig {
        volumes_from: Some(vec![first.id.clone().unwrap_or_default()]),
        network_mode: Some("none".into()),
        ..HostConfig::default()
    };
    let answer = run_agent((docker, run), &["files", "--ask", &asked, "--mounts", &mounts], own, &operation).await?;
    serde_json::from_slice(&answer)
        .map_err(|error| environment(operation, format!("its answer cannot be read: {error}")))
}

/// The TCP connections of a container, as `/proc/net/tcp` and `/proc/net/tcp6` show them (proc(5)), whatever its image has.
pub(super) async fn connections_of(docker: &Docker, run: &str, id: &str) -> StackResult<String> {
    let own = HostConfig { network_mode: Some(format!("container:{id}")), ..HostConfig::default() };
    let shown = run_agent((docker, run), &["connections"], own, "looking at the connections of a container").await?;
    Ok(String::from_utf8_lossy(&shown).into_owned())
}

/// Runs the agent's executable with these arguments in a container of its own, and returns what it writes to standard output; `own` says
/// what it shares with another one.
async fn run_agent(of: (&Docker, &str), arguments: &[&str], own: HostConfig, doing: &str) -> StackResult<Vec<u8>> {
    let (docker, run) = of;
    let agent = first_of(docker, run, &AgentRole::Drill.name()).await?;
    let agent = agent.ok_or_else(|| environment(doing, "the drill has no agent any more, whose image it needs"))?;
    let named = CreateContainerOptionsBuilder::default().name(&Owner::of(run).files()).build();
    let config = agent.config.unwrap_or_default();
    let mut labels = config.labels.unwrap_or_default();
    // The labels of the run: a sweep knows it by them.
    labels.retain(|key, _| [labels::RUN, labels::DIR, labels::KEEP].contains(&key.as_str()));
    labels.insert(labels::ROLE.into(), ROLE.into());
    let body = ContainerCreateBody {
        image: agent.image,
        entrypoint: config.entrypoint,
        cmd: Some([&["agent"][..], arguments].concat().into_iter().map(str::to_string).collect()),
        labels: Some(labels),
        user: Some("0:0".into()),
        attach_stdout: Some(true),
        attach_stderr: Some(true),
        host_config: Some(HostConfig {
            memory: Some(MEMORY),
            // Read back through the API, whatever the engine does with logs otherwise.
            log_config: Some(HostConfigLogConfig { typ: Some("json-file".into()), config: None }),
            ..own
        }),
        ..ContainerCreateBody::default()
    };
    let (docker, operation) = (docker.clone(), doing.to_string());
    // A task of its own: whoever gives up waiting must not leave a container behind.
    let task = tokio::spawn(async move {
        let made = docker.create_container(Some(named), body).await.map_err(api(&operation))?;
        let late = |_| Err(environment(&operation, format!("it took more than {} s", WITHIN.as_secs())));
        let ended = tokio::time::timeout(WITHIN, run_it(&docker, &made.id, &operation)).await.unwrap_or_else(late);
        // What cannot be removed here carries the drill's label, and `down` tells of it.
        containers::remove(&docker, &made.id, false).await;
        ended
    });
    task.await.map_err(|error| environment(doing, error))?
}

/// The first container of a service of a run, by number, as its engine shows it.
async fn first_of(docker: &Docker, run: &str, service: &str) -> StackResult<Option<ContainerInspectResponse>> {
    match Owner::of(run).first(docker, service, false).await? {
        Some(id) => containers::inspect(docker, &id).await,
        None => Ok(None),
    }
}

/// Names of the volumes whose files are not the engine's own: those with a `device`, which is a directory of the host or a
/// share on the network. An engine that does not answer is an error: nothing is damaged on a guess.
async fn kept_on_host(docker: &Docker, mounts: &[MountPoint]) -> Result<Vec<String>, bollard::errors::Error> {
    let mut names = Vec::new();
    for name in mounts.iter().filter(|mount| is_volume(mount)).filter_map(|mount| mount.name.as_deref()) {
        if docker.inspect_volume(name).await?.options.contains_key("device") {
            names.push(name.to_string());
        }
    }
    Ok(names)
}

/// The volume that a path lies on, and all others that it may lead to by a link; or why it cannot be reached. What the host
/// keeps is never damaged, also where the stack may write to it. `on_host` names the volumes of which that is true.
fn reachable(path: &str, mounts: &[MountPoint], on_host: &[String]) -> Result<Vec<String>, String> {
    let at = |mount: &MountPoint| mount.destination.clone().unwrap_or_default();
    let hosts = |mount: &MountPoint| mount.name.as_ref().is_some_and(|name| on_host.contains(name));
    let usable = |mount: &MountPoint| mount.rw == Some(true) && is_volume(mount) && !hosts(mount);
    let above = mounts.iter().filter(|mount| Path::new(path).starts_with(at(mount)));
    let Some(mount) = above.max_by_key(|mount| Path::new(&at(mount)).components().count()) else {
        let mut all: Vec<String> = mounts.iter().map(at).collect();
        all.sort();
        return Err(match all.is_empty() {
            true => "the container has no volumes and no other mounts".into(),
            false => format!("it is not below a mount of the container: there is {}", all.join(", ")),
        });
    };
    if mount.typ.as_deref() == Some("tmpfs") {
        return Err(format!("{} is in memory (tmpfs), and the container's own", at(mount)));
    }
    if mount.rw != Some(true) {
        return Err(format!("{} is mounted read-only", at(mount)));
    }
    if !usable(mount) {
        return Err(format!("{} is kept by the host, and no volume of the drill's own", at(mount)));
    }
    Ok(mounts.iter().filter(|mount| usable(mount)).map(at).collect())
}

fn is_volume(mount: &MountPoint) -> bool {
    mount.typ.as_deref() == Some("volume")
}

/// Starts it, waits for its end, and reads what it wrote.
async fn run_it(docker: &Docker, id: &str, operation: &str) -> StackResult<Vec<u8>> {
    docker.start_container(id, None::<StartContainerOptions>).await.map_err(api(operation))?;
    let mut waiting = docker.wait_container(id, None::<WaitContainerOptions>);
    let code = match waiting.next().await {
        Some(Ok(ended)) => ended.status_code,
        Some(Err(bollard::errors::Error::DockerContainerWaitError { code, .. })) => code,
        Some(Err(error)) => return Err(api(operation)(error)),
        None => return Err(environment(operation, "the engine did not say how it ended")),
    };
    let mut logs = docker.logs(id, Some(LogsOptionsBuilder::default().stdout(true).stderr(true).build()));
    let (mut out, mut err) = (Vec::new(), Vec::new());
    while let Some(piece) = logs.next().await {
        match piece.map_err(api(operation))? {
            LogOutput::StdErr { message } => err.extend_from_slice(&message),
            piece => out.extend_from_slice(&piece.into_bytes()),
        }
    }
    if code != 0 {
        let said = String::from_utf8_lossy(&err);
        let said = said.lines().map(str::trim).rfind(|line| !line.is_empty()).unwrap_or("it said nothing");
        return Err(environment(operation, said.strip_prefix("error: ").unwrap_or(said)));
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mount(at: &str, kind: &str, rw: bool) -> MountPoint {
        MountPoint { destination: Some(at.into()), typ: Some(kind.into()), rw: Some(rw), ..MountPoint::default() }
    }

    #[test]
    fn only_what_is_on_a_mount_that_can_be_written_to_is_reached() {
        let mounts = [
            mount("/data", "volume", true),
            mount("/data/conf", "bind", false),
            mount("/run", "tmpfs", true),
            mount("/backup", "volume", true),
        ];
        let all = vec!["/data".to_string(), "/backup".to_string()];
        let reachable = |path: &str, mounts: &[MountPoint]| reachable(path, mounts, &[]);
        assert_eq!(reachable("/data", &mounts), Ok(all.clone()));
        assert_eq!(reachable("/data/base/1", &mounts), Ok(all));
        assert_eq!(reachable("/data/conf/x", &mounts), Err("/data/conf is mounted read-only".into()));
        assert!(reachable("/run/x", &mounts).unwrap_err().contains("tmpfs"));
        let nowhere = "it is not below a mount of the container: there is /backup, /data, /data/conf, /run";
        assert_eq!(reachable("/database/x", &mounts), Err(nowhere.into()));
        assert!(reachable("/x", &[]).unwrap_err().contains("no volumes"));
    }

    #[test]
    fn what_the_host_keeps_is_never_reached() {
        let named = |at: &str, name: &str| MountPoint { name: Some(name.into()), ..mount(at, "volume", true) };
        let mounts = [
            named("/data", "fd_data"),
            mount("/data/host", "bind", true),
            named("/srv", "fd_srv"),
            mount("/cluster", "cluster", true),
            MountPoint { typ: None, ..mount("/unknown", "", true) },
        ];
        let on_host = ["fd_srv".to_string()];
        assert_eq!(reachable("/data/x", &mounts, &on_host), Ok(vec!["/data".to_string()]));
        for path in ["/data/host", "/data/host/x", "/srv", "/srv/x", "/cluster/x", "/unknown"] {
            let told = reachable(path, &mounts, &on_host).unwrap_err();
            assert!(told.ends_with("is kept by the host, and no volume of the drill's own"), "{path}: {told}");
        }
        assert!(reachable("/srv/x", &mounts, &[]).is_ok(), "the name of the volume makes the difference");
    }
}
