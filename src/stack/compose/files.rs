//! Files of a service, reached through its volumes: a short-lived container of the agent's image has the mounts of the
//! service's first container, running or not, and carries out what is asked for. The service's image needs nothing for it. So are the
//! connections of a container looked at, from its network.

use super::command::succeeded;
use super::containers;
use super::endpoint::Endpoint;
use super::errors::{api, environment, hinted};
use super::labels;
use super::owner::Owner;
use crate::stack::{AgentRole, FileAnswer, FileAsk, FileDeed, StackResult};
use bollard::Docker;
use bollard::models::{ContainerInspectResponse, MountPoint};
use serde_json::json;
use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

/// How long one look or one deed may take: a backup may be long.
const WITHIN: Duration = Duration::from_secs(25);
/// Memory limit of the container that reaches a volume.
const MEMORY: &str = "--memory=128m";
/// What its containers are for, in the label `ROLE`.
const ROLE: &str = "files";
/// The variable that has what is asked, as `firedrill agent files` reads it.
const ASK: &str = "FIREDRILL_ASK";

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
    let mounts = first.mounts.unwrap_or_default();
    let on_host = kept_on_host(docker, &mounts).await.map_err(api(&operation))?;
    let hint = "only what lies on a volume of the service can be reached; for the rest there is the fault `command`";
    let below = reachable(&ask.path, &mounts, &on_host).map_err(|why| hinted(&operation, why, hint))?;
    let (asked, mounts) = (json!(ask).to_string(), json!(below).to_string());
    let own = [format!("--volumes-from={}", first.id.unwrap_or_default()), "--network=none".into()];
    let answer = run_agent((endpoint, run), &["files", "--mounts", &mounts], &asked, own, &operation).await?;
    serde_json::from_slice(&answer)
        .map_err(|error| environment(operation, format!("its answer cannot be read: {error}")))
}

/// The TCP connections of a container, as `/proc/net/tcp` and `/proc/net/tcp6` show them (proc(5)), whatever its image has.
pub(super) async fn connections_of(endpoint: &Endpoint, run: &str, id: &str) -> StackResult<String> {
    let own = ["--network".to_string(), format!("container:{id}")];
    let doing = "looking at the connections of a container";
    let shown = run_agent((endpoint, run), &["connections"], "", own, doing).await?;
    Ok(String::from_utf8_lossy(&shown).into_owned())
}

/// Runs the agent's executable with these arguments in a container of its own, and returns what it writes to standard output. What is asked
/// stands on no command line; `own` are options of `docker run`, which say what it shares with another one.
async fn run_agent(
    (endpoint, run): (&Endpoint, &str),
    arguments: &[&str],
    asked: &str,
    own: [String; 2],
    doing: &str,
) -> StackResult<Vec<u8>> {
    let docker = endpoint.docker.clone();
    let agent = first_of(&docker, run, &AgentRole::Drill.name()).await?;
    let agent = agent.ok_or_else(|| environment(doing, "the drill has no agent any more, whose image it needs"))?;
    let (name, mut command) = (Owner::of(run).files(), endpoint.command());
    command.args(["run", "--pull=never", "--log-driver=none", "--user=0:0", MEMORY, "--name", &name]).args(own);
    command.args(["--env", ASK]).env(ASK, asked);
    // The labels of the run: a sweep knows it by them.
    let labels = agent.config.and_then(|config| config.labels).unwrap_or_default().into_iter();
    let labels = labels.filter(|(key, _)| [labels::RUN, labels::DIR, labels::KEEP].contains(&key.as_str()));
    for (key, value) in labels.chain([(labels::ROLE.to_string(), ROLE.to_string())]) {
        command.arg("--label").arg(format!("{key}={value}"));
    }
    command.arg(agent.image.unwrap_or_default()).arg("agent").args(arguments).env_remove("DOCKER_DEFAULT_PLATFORM");
    let operation = doing.to_string();
    // A task of its own: whoever gives up waiting must not leave a container behind.
    let task = tokio::spawn(async move {
        let ran = succeeded(&operation, command, WITHIN).await;
        // What cannot be removed here carries the drill's label, and `down` tells of it.
        containers::remove(&docker, &name, false).await;
        ran
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
    let nearest = above.max_by_key(|mount| Path::new(&at(mount)).components().count());
    let all = mounts.iter().filter(|mount| usable(mount)).map(at);
    if nearest.is_some_and(usable) {
        return Ok(all.collect());
    }
    let all: Vec<String> = all.collect::<BTreeSet<_>>().into_iter().collect();
    let all = if all.is_empty() { "none".into() } else { all.join(", ") };
    Err(format!(
        "it is on no volume of the drill's own that can be written to: of the container's mounts that is {all}"
    ))
}

/// Another driver than `local` keeps a volume elsewhere, whatever its options are called.
fn is_volume(mount: &MountPoint) -> bool {
    mount.typ.as_deref() == Some("volume") && matches!(mount.driver.as_deref(), None | Some("" | "local"))
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
        let told = "it is on no volume of the drill's own that can be written to: of the container's mounts that is";
        for path in ["/data/conf/x", "/run/x", "/database/x"] {
            assert_eq!(reachable(path, &mounts), Err(format!("{told} /backup, /data")), "{path}");
        }
        assert_eq!(reachable("/x", &[]), Err(format!("{told} none")));
    }

    #[test]
    fn what_the_host_keeps_is_never_reached() {
        let named = |at: &str, name: &str| MountPoint { name: Some(name.into()), ..mount(at, "volume", true) };
        let mounts = [
            named("/data", "fd_data"),
            mount("/data/host", "bind", true),
            named("/srv", "fd_srv"),
            MountPoint { driver: Some("sshfs".into()), ..named("/share", "fd_share") },
            mount("/cluster", "cluster", true),
            MountPoint { typ: None, ..mount("/unknown", "", true) },
        ];
        let on_host = ["fd_srv".to_string()];
        assert_eq!(reachable("/data/x", &mounts, &on_host), Ok(vec!["/data".to_string()]));
        for path in ["/data/host", "/data/host/x", "/srv", "/srv/x", "/share/x", "/cluster/x", "/unknown"] {
            let told = reachable(path, &mounts, &on_host).unwrap_err();
            assert!(told.ends_with("of the container's mounts that is /data"), "{path}: {told}");
        }
        assert!(reachable("/srv/x", &mounts, &[]).is_ok(), "the name of the volume makes the difference");
    }
}
