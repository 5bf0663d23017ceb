//! What `doctor` looks at: the engine, Compose, images, room and kernel features; what is missing and how to fix it.

use super::command::succeeded;
use super::endpoint::Endpoint;
use crate::process;
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

/// What was seen; or how bad it is, what was seen and how to fix it.
type ProbeResult<T = String> = Result<T, (ProbeState, String, String)>;

fn missing<T>(seen: impl ToString, fix: impl Into<String>) -> ProbeResult<T> {
    Err((ProbeState::Missing, seen.to_string(), fix.into()))
}

fn warn<T>(seen: impl ToString, fix: impl Into<String>) -> ProbeResult<T> {
    Err((ProbeState::Warn, seen.to_string(), fix.into()))
}

/// Looks at everything.
pub async fn probe() -> Vec<Probe> {
    let mut looked = vec![("docker command", command().await)];
    match Endpoint::resolve().await {
        Ok(endpoint) => looked.extend([
            ("engine", engine(&endpoint).await),
            ("compose", compose(&endpoint).await),
            ("base image", base_image(&endpoint).await),
            ("networks", networks(&endpoint).await),
            ("disk", disk(&endpoint).await),
            ("agent image", agent().await),
        ]),
        Err(error) => {
            let seen = error.to_string();
            let hint = if let StackError::Environment { hint, .. } = error { hint } else { None };
            looked.push(("engine", missing(seen, hint.unwrap_or_else(|| "start Docker".into()))));
            if let Ok(endpoint) = Endpoint::find().await {
                looked.push(("compose", compose(&endpoint).await));
            }
        }
    }
    let probe = |(what, looked): (_, ProbeResult)| match looked {
        Ok(seen) => Probe { what, state: ProbeState::Ok, seen, fix: None },
        Err((state, seen, fix)) => Probe { what, state, seen, fix: Some(fix) },
    };
    looked.into_iter().map(probe).collect()
}

/// Name and version of the engine.
pub(in crate::stack) async fn version() -> Option<String> {
    let mut engine = process::command("docker");
    engine.args(["version", "--format", "{{.Server.Platform.Name}} {{.Server.Version}}"]);
    let told = succeeded("docker version", engine, VERSION_WITHIN).await.ok()?;
    Some(text(&told)).filter(|text| !text.is_empty())
}

fn text(said: &[u8]) -> String {
    String::from_utf8_lossy(said).trim().to_string()
}

async fn command() -> ProbeResult {
    let mut command = process::command("docker");
    command.arg("--version");
    let fix = "install Docker: `sudo scripts/setup.sh` on Debian or Ubuntu, https://docs.docker.com/engine/install/ elsewhere";
    let said = succeeded("docker --version", command, process::TELLS_WITHIN).await;
    Ok(text(&said.or_else(|error| missing(error, fix))?))
}

async fn engine(endpoint: &Endpoint) -> ProbeResult {
    let version = endpoint.docker.version().await.or_else(|error| missing(error, "start Docker"))?;
    let api = version.api_version.unwrap_or_default();
    let name = version.version.unwrap_or_default();
    let os = version.os.unwrap_or_default();
    let seen = format!("{name} (API {api}, {os}/{}) at {}", version.arch.unwrap_or_default(), endpoint.host);
    match numbers(&api) {
        _ if os != "linux" => missing(seen, "switch Docker to Linux containers"),
        Some(api) if api >= API => Ok(seen),
        _ => missing(seen, format!("install Docker Engine 20.10 or newer (API {}.{})", API.0, API.1)),
    }
}

async fn compose(endpoint: &Endpoint) -> ProbeResult {
    let fix = "install Compose v2: `scripts/setup.sh`, or https://docs.docker.com/compose/install/linux/";
    let mut command = endpoint.command();
    command.args(["compose", "version", "--short"]);
    let said = succeeded("docker compose version", command, process::TELLS_WITHIN).await;
    let version = text(&said.or_else(|error| missing(error, fix))?);
    match numbers(&version) {
        Some(numbers) if numbers >= COMPOSE => Ok(version),
        Some(_) => missing(version, format!("install Compose {}.{} or newer", COMPOSE.0, COMPOSE.1)),
        None => warn(version, "its version cannot be read; 2.20 or newer is needed"),
    }
}

/// Major and minor of `2.26.1-4`, `v2.30.0-desktop.1`, `1.41`.
fn numbers(version: &str) -> Option<(u32, u32)> {
    let mut parts = version.trim().trim_start_matches('v').split(['.', '-', '+']);
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

async fn base_image(endpoint: &Endpoint) -> ProbeResult {
    let there = super::images::inspect(&endpoint.docker, BASE_IMAGE).await;
    if there.or_else(|error| warn(error, "see above"))?.is_some() {
        return Ok(format!("{BASE_IMAGE} is there"));
    }
    let fix = "it is pulled when needed; without a registry, `scripts/setup.sh` makes it, or `docker load` a copy";
    warn(format!("{BASE_IMAGE} is not there"), fix)
}

async fn networks(endpoint: &Endpoint) -> ProbeResult {
    let free =
        super::capacity::room(endpoint, None).await.or_else(|error| warn(error, "see above"))?.free.free_networks;
    let seen = format!("the address pools hold {free} more");
    let fix = "`firedrill sweep`, `docker network prune`, or more `default-address-pools` in daemon.json";
    if free < FEW_NETWORKS { warn(seen, fix) } else { Ok(seen) }
}

/// Free space where the engine keeps its data, when that is on this machine.
async fn disk(endpoint: &Endpoint) -> ProbeResult {
    let root = endpoint.docker.info().await.ok().and_then(|info| info.docker_root_dir).unwrap_or_default();
    let stat = rustix::fs::statvfs(&root).ok().filter(|_| endpoint.is_local());
    let Some(free) = stat.and_then(|stat| stat.f_bavail.checked_mul(stat.f_frsize)) else {
        return Ok("the engine's data is not on this machine or not readable".into());
    };
    let seen = format!("{:.1} GiB free in {root}", free as f64 / 1024.0 / 1024.0 / 1024.0);
    let fix = "`docker system df` shows what takes it; `firedrill sweep --images`";
    if free < ROOM { warn(seen, fix) } else { Ok(seen) }
}

/// Whether the agent's image can be made from this executable.
async fn agent() -> ProbeResult {
    if let Ok(image) = std::env::var("FIREDRILL_AGENT_IMAGE") {
        return Ok(format!("{image} (FIREDRILL_AGENT_IMAGE)"));
    }
    match super::bundle::Bundle::of(None).await {
        Ok(bundle) => Ok(format!("made from this executable ({})", bundle.architecture)),
        Err(error) => missing(error, "set FIREDRILL_AGENT_IMAGE"),
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
