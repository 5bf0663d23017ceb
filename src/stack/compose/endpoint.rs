//! Which Docker Engine is meant, found once, so that the API client and the command line cannot talk to two
//! different ones. bollard knows nothing of Docker contexts; this file does. For engines behind SSH or TLS the API goes through `docker
//! system dial-stdio`: the docker command has the keys, the certificates and the user's configuration, so nothing has to be done twice.

use super::command::succeeded;
use super::errors::{environment, hinted};
use crate::output::chain;
use crate::process::{self, Running};
use crate::stack::{RunIdentity, StackError, StackResult};
use bollard::errors::Error as ApiError;
use bollard::{API_DEFAULT_VERSION, BollardRequest, Docker};
use hyper::header::{HOST, HeaderValue};
use hyper::{Response, Uri};
use hyper_util::rt::TokioIo;
use std::ffi::OsString;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net;
use std::path::PathBuf;
use std::process::Stdio;
use tokio::net::UnixStream;
use tokio::process::Command;
use tokio_util::io::InspectReader;

/// Seconds that one API request may take; removing a container with a slow storage driver is the longest of them.
const REQUEST_TIMEOUT: u64 = 120;
/// Names the run in the environment of the commands that work for it.
const RUN_VARIABLE: &str = "FIREDRILL_RUN";
/// Set to 1, it lets the docker command carry every request to the engine.
const DIAL_VARIABLE: &str = "FIREDRILL_DOCKER_DIAL";
const DEFAULT_HOST: &str = "unix:///var/run/docker.sock";

/// Variables that a command is given or loses.
type Env = Vec<(OsString, Option<OsString>)>;

/// An engine for a run.
pub type RunEndpoint = (Endpoint, RunIdentity);

/// A Docker Engine that was reached, for the API and for the command line alike. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Endpoint {
    /// Where it is: `unix:///var/run/docker.sock`, `tcp://…`, `ssh://…`.
    pub host: String,
    /// API client; its version is negotiated.
    pub docker: Docker,
    /// What `docker` on the command line must have in its environment to mean the same engine.
    env: Env,
}

impl Endpoint {
    /// Finds the engine as the `docker` command does (`DOCKER_HOST`, `DOCKER_CONTEXT`, the current context) and asks
    /// for its version.
    ///
    /// # Errors
    /// `Environment` when the context is unknown or no engine answers.
    pub async fn resolve() -> StackResult<Endpoint> {
        let Endpoint { host, docker, env } = Endpoint::find().await?;
        let docker = docker.negotiate_version().await.map_err(|error| unreachable(&host, &error))?;
        Ok(Endpoint { host, docker, env })
    }

    /// Finds the engine without sending anything to it.
    pub(super) async fn find() -> StackResult<Endpoint> {
        let set = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        if let Some(host) = set("DOCKER_HOST") {
            // DOCKER_HOST wins over any context, in the docker command as well; it warns if both are there.
            let tls = set("DOCKER_TLS_VERIFY").is_some() || set("DOCKER_TLS").is_some();
            return Endpoint::at(host, tls, vec![("DOCKER_CONTEXT".into(), None)]);
        }
        let context = set("DOCKER_CONTEXT").or_else(configured_context);
        let Some(context) = context.filter(|context| context != "default") else {
            return Endpoint::at(DEFAULT_HOST.into(), false, vec![("DOCKER_CONTEXT".into(), Some("default".into()))]);
        };
        let described = inspect_context(&context).await?;
        let env = vec![("DOCKER_CONTEXT".into(), Some(context.into())), ("DOCKER_HOST".into(), None)];
        Endpoint::at(described.0, described.1, env)
    }

    fn at(host: String, tls: bool, env: Env) -> StackResult<Endpoint> {
        let docker = match is_direct(&host, tls) {
            true => Docker::connect_with_host(&host)
                .map(|docker| docker.with_timeout(std::time::Duration::from_secs(REQUEST_TIMEOUT))),
            false => dial(env.clone(), REQUEST_TIMEOUT),
        };
        let docker = docker.map_err(|error| unreachable(&host, &error))?;
        Ok(Endpoint { host, docker, env })
    }

    /// The engine for a run, whose directory becomes an absolute path. Every command that is started from here on is marked with the run
    /// that it works for, so that its reaper finds those which a killed runner left.
    pub(in crate::stack) fn for_run(&self, run: &RunIdentity) -> StackResult<RunEndpoint> {
        let (mut endpoint, mut run) = (self.clone(), run.clone());
        endpoint.set(RUN_VARIABLE, &run.id);
        run.dir = std::path::absolute(&run.dir).map_err(|error| environment("finding the run's directory", error))?;
        Ok((endpoint, run))
    }

    /// Whether it runs on this machine, or in a virtual machine of it.
    pub(super) fn is_local(&self) -> bool {
        self.host.starts_with("unix://")
    }

    /// Sets a variable of every command that is started from here on.
    pub(super) fn set(&mut self, name: &str, value: &str) {
        self.env.push((name.into(), Some(value.into())));
    }

    /// The same engine with its own builder, whichever one the user has chosen: a builder in a container of its own (as
    /// `docker/setup-buildx-action` makes one) sees no image that only the engine has.
    pub(in crate::stack) fn with_own_builder(&self) -> Endpoint {
        let mut endpoint = self.clone();
        let context =
            self.env.iter().rev().find(|(name, _)| name == "DOCKER_CONTEXT").and_then(|(_, value)| value.clone());
        // The engine's builder has the name of its context, and without one (`DOCKER_HOST`) that is `default`.
        endpoint.env.push(("BUILDX_BUILDER".into(), Some(context.unwrap_or_else(|| "default".into()))));
        endpoint.env.push(("DOCKER_BUILDKIT".into(), None));
        endpoint
    }

    /// A `docker` command for this engine, with the settings of Compose taken out that would change its meaning.
    pub fn command(&self) -> Command {
        let mut command = process::command("docker");
        apply(&mut command, &self.env);
        // The model and the project are named on every command line; a shell that has these set must not add to them.
        for name in ["COMPOSE_FILE", "COMPOSE_PROJECT_NAME", "COMPOSE_PROFILES", "COMPOSE_REMOVE_ORPHANS"] {
            command.env_remove(name);
        }
        command.env("COMPOSE_ANSI", "never").env("BUILDKIT_PROGRESS", "plain").env("COMPOSE_PROGRESS", "plain");
        command.env("COMPOSE_MENU", "0").env("DOCKER_CLI_HINTS", "false");
        // A builder asks Git about the context, and Git starts what a repository that was committed to the project has in its configuration.
        command.env("BUILDX_GIT_INFO", "0").env("BUILDX_GIT_LABELS", "0");
        command
    }
}

/// Kills the commands that a dead runner left behind: a `docker compose up` that goes on alone would create what is
/// just being removed. They die with the runner where the system can do that; this is for those that did not.
pub fn kill_children(run: &str) {
    let wanted = format!("{RUN_VARIABLE}={run}");
    for entry in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
        let pid = entry.file_name().to_str().and_then(|name| name.parse::<i32>().ok());
        let Some(pid) = pid.filter(|pid| u32::try_from(*pid).is_ok_and(|pid| pid != std::process::id())) else {
            continue;
        };
        // The environment of other people's processes cannot be read; ours can.
        let Ok(environment) = std::fs::read(entry.path().join("environ")) else { continue };
        let marked = environment.split(|byte| *byte == 0).any(|variable| variable == wanted.as_bytes());
        if let Some(pid) = rustix::process::Pid::from_raw(pid).filter(|_| marked) {
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
        }
    }
}

/// Sets and removes variables.
fn apply(command: &mut Command, env: &[(OsString, Option<OsString>)]) {
    for (name, value) in env {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
}

/// Whether bollard speaks to it: a Unix socket, a named pipe or plain HTTP. SSH, and TCP with TLS, are carried by `docker system
/// dial-stdio`, which has the user's keys and certificates.
fn is_direct(host: &str, tls: bool) -> bool {
    // For engines that only the docker command can reach, whatever their address looks like.
    let dialled = std::env::var_os(DIAL_VARIABLE).is_some_and(|value| value == "1");
    let direct = ["unix://", "npipe://", "http://"].iter().any(|scheme| host.starts_with(scheme));
    !dialled && (direct || (host.starts_with("tcp://") && !tls))
}

/// The current context of the docker command, read from its configuration: asking the command takes 50 ms.
fn configured_context() -> Option<String> {
    let dir = match std::env::var_os("DOCKER_CONFIG").filter(|dir| !dir.is_empty()) {
        Some(dir) => PathBuf::from(dir),
        None => PathBuf::from(std::env::var_os("HOME").or_else(|| std::env::var_os("USERPROFILE"))?).join(".docker"),
    };
    let config: serde_json::Value = serde_json::from_slice(&std::fs::read(dir.join("config.json")).ok()?).ok()?;
    config.get("currentContext")?.as_str().filter(|name| !name.is_empty()).map(str::to_string)
}

/// Host of a context, and whether TLS is spoken there.
async fn inspect_context(name: &str) -> StackResult<(String, bool)> {
    let operation = format!("docker context inspect {name}");
    let mut command = process::command("docker");
    command.args(["context", "inspect", name]);
    let answer = succeeded(&operation, command, process::TELLS_WITHIN).await?;
    read_context(&answer).ok_or_else(|| environment(operation, "its answer names no Docker endpoint"))
}

fn read_context(answer: &[u8]) -> Option<(String, bool)> {
    let answer: serde_json::Value = serde_json::from_slice(answer).ok()?;
    let context = answer.get(0)?;
    let host = context.pointer("/Endpoints/docker/Host")?.as_str().filter(|host| !host.is_empty())?;
    let tls = context.get("TLSMaterial").and_then(|tls| tls.as_object()).is_some_and(|tls| !tls.is_empty());
    Some((host.to_string(), tls))
}

/// The docker command itself is missing or cannot be run.
pub(super) fn no_command(operation: &str, error: &io::Error) -> StackError {
    if error.kind() == io::ErrorKind::NotFound {
        return hinted(operation, "there is no `docker` command", "install Docker; `firedrill doctor` says how");
    }
    environment(operation, error)
}

fn unreachable(host: &str, error: &ApiError) -> StackError {
    let cause = chain(error);
    let hint = if cause.contains("ermission denied") {
        "this user may not use Docker: `sudo usermod -aG docker \"$USER\"`, then log in again"
    } else {
        "start Docker (Linux: `sudo systemctl start docker`), or name the engine with DOCKER_HOST or `docker context use`"
    };
    hinted(format!("reaching the Docker Engine at {host}"), cause, hint)
}

/// An API client each of whose requests is carried by a docker command with these variables.
fn dial(env: Env, timeout: u64) -> Result<Docker, ApiError> {
    let transport = move |request: BollardRequest| send(env.clone(), request);
    Docker::connect_with_custom_transport(transport, Some("http://docker"), timeout, API_DEFAULT_VERSION)
}

async fn send(env: Env, request: BollardRequest) -> Result<Response<hyper::body::Incoming>, ApiError> {
    let (line, running) = open(&env)?;
    // The command belongs to the stream, also where that is handed on: dropping it ends the command.
    let line = InspectReader::new(line, move |_: &[u8]| {
        let _command = &running;
    });
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(line)).await?;
    // The connection works as long as the answer is read; its end is seen there.
    tokio::spawn(async move {
        let _ = connection.with_upgrades().await;
    });
    let (mut parts, body) = request.into_parts();
    parts.headers.insert(HOST, HeaderValue::from_static("docker"));
    if let Some(path) = parts.uri.path_and_query() {
        parts.uri = Uri::from(path.clone());
    }
    Ok(sender.send_request(BollardRequest::from_parts(parts, body)).await?)
}

/// A running `docker system dial-stdio`, and a stream to what it reads and writes.
fn open(env: &Env) -> io::Result<(UnixStream, Running)> {
    // A socket and not two pipes: shutting it down is seen at the other end.
    let (ours, theirs) = net::UnixStream::pair()?;
    ours.set_nonblocking(true)?;
    let (input, output) = (OwnedFd::from(theirs.try_clone()?), OwnedFd::from(theirs));
    let mut command = process::command("docker");
    apply(&mut command, env);
    command.args(["system", "dial-stdio"]).stdin(input).stdout(output).stderr(Stdio::null());
    Ok((UnixStream::from_std(ours)?, Running::start(command)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sockets_and_plain_http_are_direct_and_the_rest_is_dialled() {
        assert!(is_direct("unix:///run/user/1000/docker.sock", false));
        assert!(is_direct("npipe:////./pipe/docker_engine", false));
        assert!(is_direct("tcp://10.0.0.1:2375", false));
        assert!(!is_direct("tcp://10.0.0.1:2376", true));
        assert!(!is_direct("ssh://me@build", false));
    }

    #[test]
    fn a_context_is_read_as_docker_prints_it() {
        let answer = br#"[{"Name":"colima","Metadata":{},"Endpoints":{"docker":{"Host":"unix:///h/.colima/docker.sock",
            "SkipTLSVerify":false}},"TLSMaterial":{},"Storage":{}}]"#;
        assert_eq!(read_context(answer), Some(("unix:///h/.colima/docker.sock".into(), false)));
        let tls = br#"[{"Endpoints":{"docker":{"Host":"tcp://b:2376"}},"TLSMaterial":{"docker":["ca.pem"]}}]"#;
        assert_eq!(read_context(tls), Some(("tcp://b:2376".into(), true)));
        assert_eq!(read_context(b"[]"), None);
        assert_eq!(read_context(br#"[{"Endpoints":{"docker":{"Host":""}}}]"#), None);
    }

    #[tokio::test]
    async fn our_own_images_are_built_by_the_engine_itself() {
        for (context, builder) in [(Some("colima"), "colima"), (Some("default"), "default"), (None, "default")] {
            let env = vec![("DOCKER_CONTEXT".into(), context.map(OsString::from))];
            let endpoint = Endpoint::at("http://127.0.0.1:1".into(), false, env).unwrap();
            let value = |endpoint: &Endpoint| {
                let command = endpoint.command();
                let set = command.as_std().get_envs().find(|(name, _)| *name == "BUILDX_BUILDER");
                set.and_then(|(_, value)| value.map(std::ffi::OsStr::to_os_string))
            };
            assert_eq!(value(&endpoint.with_own_builder()), Some(builder.into()));
            assert_eq!(value(&endpoint), None, "the team's images are built as the team builds them");
        }
    }

    #[tokio::test]
    async fn an_engine_that_is_not_there_is_named_with_what_to_do() {
        let endpoint = Endpoint::at("unix:///nonexistent/docker.sock".into(), false, Vec::new());
        let error = match endpoint {
            Ok(endpoint) => match endpoint.docker.negotiate_version().await {
                Ok(_) => panic!("nothing listens there"),
                Err(error) => unreachable("unix:///nonexistent/docker.sock", &error),
            },
            Err(error) => error,
        };
        let StackError::Environment { operation, hint, .. } = error else { panic!("{error:?}") };
        assert_eq!(operation, "reaching the Docker Engine at unix:///nonexistent/docker.sock");
        assert!(hint.is_some_and(|hint| hint.contains("DOCKER_HOST")));
    }
}
