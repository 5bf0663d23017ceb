//! What `doctor` looks at: the engine, Compose, images, room and kernel features; what is missing and how to fix it.

use super::command::ComposeCommand;
use super::endpoint::Endpoint;
use crate::process;
use crate::record::Redactor;
use crate::stack::{Probe, ProbeState, StackError};
use std::time::Duration;

/// How long the engine may take to say its version: it is part of the evidence, and a drill does not wait for it.
const VERSION_WITHIN: Duration = Duration::from_secs(5);
/// Oldest Compose with everything that is used: `--env-file` in a row, `dockerfile_inline`, `restart` in `depends_on`.
const COMPOSE: (u32, u32) = (2, 20);
/// Oldest API that is spoken.
const API: (u32, u32) = (1, 41);
/// Free space below which a build may fail, in bytes.
const ROOM: u64 = 2 * 1024 * 1024 * 1024;
/// Free networks below which drills may find none.
const FEW_NETWORKS: u32 = 5;
const BASE_IMAGE: &str = "debian:bookworm-slim";

fn ok(what: &'static str, seen: impl Into<String>) -> Probe {
    Probe { what, state: ProbeState::Ok, seen: seen.into(), fix: None }
}

fn missing(what: &'static str, seen: impl Into<String>, fix: impl Into<String>) -> Probe {
    Probe { state: ProbeState::Missing, fix: Some(fix.into()), ..ok(what, seen) }
}

fn warn(what: &'static str, seen: impl Into<String>, fix: impl Into<String>) -> Probe {
    Probe { state: ProbeState::Warn, fix: Some(fix.into()), ..ok(what, seen) }
}

/// Looks at everything.
pub async fn probe() -> Vec<Probe> {
    let mut probes = vec![command().await];
    let endpoint = match Endpoint::resolve().await {
        Ok(endpoint) => endpoint,
        Err(error) => {
            let seen = error.to_string();
            let hint = if let StackError::Environment { hint, .. } = error { hint } else { None };
            probes.push(missing("engine", seen, hint.unwrap_or_else(|| "start Docker".into())));
            if let Ok(endpoint) = Endpoint::find().await {
                probes.push(compose(&endpoint).await);
            }
            return probes;
        }
    };
    probes.push(engine(&endpoint).await);
    probes.push(compose(&endpoint).await);
    probes.push(base_image(&endpoint).await);
    probes.push(networks(&endpoint).await);
    probes.push(disk(&endpoint).await);
    probes.push(agent().await);
    probes
}

/// Name and version of the engine.
pub(in crate::stack) async fn version() -> Option<String> {
    let mut engine = process::command("docker");
    engine.args(["version", "--format", "{{.Server.Platform.Name}} {{.Server.Version}}"]);
    let told = process::output(engine, VERSION_WITHIN).await.ok().filter(|told| told.status.success())?;
    String::from_utf8(told.stdout).ok().map(|text| text.trim().to_string()).filter(|text| !text.is_empty())
}

async fn command() -> Probe {
    let mut command = process::command("docker");
    command.arg("--version");
    match process::output(command, process::TELLS_WITHIN).await {
        Ok(output) if output.status.success() => ok("docker command", String::from_utf8_lossy(&output.stdout).trim()),
        Ok(output) => {
            let seen = String::from_utf8_lossy(&output.stderr).trim().to_string();
            missing("docker command", seen, "install the Docker CLI again")
        }
        Err(error) => {
            let fix = "install Docker: `sudo scripts/setup.sh` on Debian or Ubuntu, https://docs.docker.com/engine/install/ elsewhere";
            missing("docker command", error.to_string(), fix)
        }
    }
}

async fn engine(endpoint: &Endpoint) -> Probe {
    let version = match endpoint.docker.version().await {
        Ok(version) => version,
        Err(error) => return missing("engine", error.to_string(), "start Docker"),
    };
    let api = version.api_version.unwrap_or_default();
    let name = version.version.unwrap_or_default();
    let os = version.os.unwrap_or_default();
    let seen = format!("{name} (API {api}, {os}/{}) at {}", version.arch.unwrap_or_default(), endpoint.host);
    if os != "linux" {
        return missing("engine", seen, "switch Docker to Linux containers");
    }
    match numbers(&api) {
        Some(api) if api >= API => ok("engine", seen),
        _ => missing("engine", seen, format!("install Docker Engine 20.10 or newer (API {}.{})", API.0, API.1)),
    }
}

async fn compose(endpoint: &Endpoint) -> Probe {
    let fix = "install Compose v2: `scripts/setup.sh`, or https://docs.docker.com/compose/install/linux/";
    let compose = ComposeCommand { endpoint: endpoint.clone(), options: Vec::new(), redactor: Redactor::default() };
    let output = match compose.output(&["version", "--short"]).await {
        Ok(output) if output.status.success() => output,
        Ok(_) => return missing("compose", "`docker compose` does not answer", fix),
        Err(error) => return missing("compose", error.to_string(), fix),
    };
    let version = String::from_utf8_lossy(&output.stdout).trim().to_string();
    match numbers(&version) {
        Some(numbers) if numbers >= COMPOSE => ok("compose", version),
        Some(_) => missing("compose", version, format!("install Compose {}.{} or newer", COMPOSE.0, COMPOSE.1)),
        None => warn("compose", version, "its version cannot be read; 2.20 or newer is needed"),
    }
}

/// Major and minor of `2.26.1-4`, `v2.30.0-desktop.1`, `1.41`.
fn numbers(version: &str) -> Option<(u32, u32)> {
    let mut parts = version.trim().trim_start_matches('v').split(['.', '-', '+']);
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

async fn base_image(endpoint: &Endpoint) -> Probe {
    match super::images::inspect(&endpoint.docker, BASE_IMAGE).await {
        Ok(Some(_)) => ok("base image", format!("{BASE_IMAGE} is there")),
        Ok(None) => {
            let fix = format!(
                "it is pulled when needed; without a registry: `scripts/setup.sh` makes it, or `docker load` a copy of {BASE_IMAGE}"
            );
            warn("base image", format!("{BASE_IMAGE} is not there"), fix)
        }
        Err(error) => warn("base image", error.to_string(), "see above"),
    }
}

async fn networks(endpoint: &Endpoint) -> Probe {
    let free = match super::capacity::capacity(endpoint).await {
        Ok(capacity) => capacity.free_networks,
        Err(error) => return warn("networks", error.to_string(), "see above"),
    };
    let seen = format!("the address pools hold {free} more");
    if free < FEW_NETWORKS {
        let fix = "`firedrill sweep`, `docker network prune`, or more `default-address-pools` in daemon.json";
        return warn("networks", seen, fix);
    }
    ok("networks", seen)
}

/// Free space where the engine keeps its data, when that is on this machine.
async fn disk(endpoint: &Endpoint) -> Probe {
    let root = endpoint.docker.info().await.ok().and_then(|info| info.docker_root_dir).unwrap_or_default();
    let Some(free) = free_space(&root).filter(|_| endpoint.host.starts_with("unix://")) else {
        return ok("disk", "the engine's data is not on this machine or not readable");
    };
    let seen = format!("{:.1} GiB free in {root}", free as f64 / 1024.0 / 1024.0 / 1024.0);
    if free < ROOM {
        return warn("disk", seen, "`docker system df` shows what takes it; `firedrill sweep --images`");
    }
    ok("disk", seen)
}

fn free_space(path: &str) -> Option<u64> {
    let stat = rustix::fs::statvfs(path).ok()?;
    stat.f_bavail.checked_mul(stat.f_frsize)
}

/// Whether the agent's image can be made from this executable.
async fn agent() -> Probe {
    if let Ok(image) = std::env::var("FIREDRILL_AGENT_IMAGE") {
        return ok("agent image", format!("{image} (FIREDRILL_AGENT_IMAGE)"));
    }
    match super::bundle::Bundle::of(None).await {
        Ok(bundle) => ok("agent image", format!("made from this executable ({})", bundle.architecture)),
        Err(StackError::Environment { cause, hint, .. }) => {
            missing("agent image", cause, hint.unwrap_or_else(|| "set FIREDRILL_AGENT_IMAGE".into()))
        }
        Err(error) => missing("agent image", error.to_string(), "set FIREDRILL_AGENT_IMAGE"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_as_numbers() {
        assert_eq!(numbers("2.26.1-4"), Some((2, 26)));
        assert_eq!(numbers("v2.30.0-desktop.1"), Some((2, 30)));
        assert_eq!(numbers("1.41"), Some((1, 41)));
        assert_eq!(numbers("unknown"), None);
        assert!(numbers("2.9.0") < Some(COMPOSE));
    }
}
