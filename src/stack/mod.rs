//! The target system: a Compose project or a Kubernetes namespace. Nothing above this room may know which.

mod arguments;
mod capacity;
mod changes;
mod channel;
pub mod compose;
mod files;
mod http_ports;
mod kubernetes;
mod platform;
mod platforms;
mod remote;
mod request;
mod source_files;
mod tools;

pub use capacity::{Available, Capacity, Demand, Limits, Use};
pub use changes::{
    Ending, Fingerprint, Fingerprints, ObjectChange, ObjectEdit, Process, RELEASE_WITHIN, Release, places_of,
};
pub use channel::Channel;
pub use files::{BytePosition, Cut, Damage, FileAnswer, FileAsk, FileDeed, Harm};
pub use platform::{
    AlertFiles, AlertFinding, AttachError, Fate, Finding, Foreign, HostRequest, HostRequests, MissingPrograms, Need,
    Platform, Probe, ProbeState, Published, ResolveError, ResolvedStack, Right, RunningStack, ServiceFacts,
    StackOptions, SweepOptions, SweepReport, SweptRun, ToolboxRequest,
};
pub use remote::{DrillRoom, PrintedLines, REMOTE_SITES, RUNNER_BUILD, RemoteDrill, RemoteEnd, RemoteSite, RemoteStop};
pub use request::{
    Allowed, CHART, ClusterRequest, ImageBuild, MonitoringRequest, ReplacedFile, RunIdentity, StackRequest,
    TOXIPROXY_PORT,
};
pub use source_files::SourceFiles;
pub use tools::{CallInput, CallIo, CallOutput, CallPeer, NoTools, PIECE, REFUSED, ToolCall, Tools, WINDOW};

use crate::error::Error;
use crate::output::quoted;
use crate::record::{Redactor, Secret, Secrets, UsageSample};
use async_trait::async_trait;
use compose::errors::environment;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// The kinds of stacks that there are, as one.
pub fn platform() -> Arc<dyn Platform> {
    Arc::new(platforms::Platforms::default())
}

/// An agent of the drill.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum AgentRole {
    /// The one for the drill: load, scraping, held database sessions.
    Drill,
    /// The one that has Prometheus and Alertmanager beside it, with the team's own rules and routes.
    Monitoring,
    /// The proxy in front of a service.
    Proxy {
        /// The service.
        service: String,
    },
}

impl AgentRole {
    /// A name for messages, and that of the service that runs it: `fd-agent`, `fd-payments`.
    pub fn name(&self) -> String {
        match self {
            AgentRole::Drill => "fd-agent".into(),
            AgentRole::Monitoring => "fd-monitoring".into(),
            AgentRole::Proxy { service } => format!("fd-{service}"),
        }
    }
}

/// The toolbox, by the name that it has among services.
pub const TOOLBOX: &str = "fd-toolbox";
/// Where sessions begin in the built-in toolbox; `toolbox/Dockerfile` says so.
pub(crate) const TOOLBOX_DIRECTORY: &str = "/work";

/// Where a step's commands run.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Place {
    /// The toolbox container.
    Toolbox,
    /// A service of the stack (its first running container).
    Service(String),
}

/// What came up.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StackUp {
    /// Name of the Compose project or of the namespace.
    pub project: String,
    /// Service → image id.
    pub images: BTreeMap<String, String>,
    /// Ports on which `localhost` in the toolbox leads to a service and a port of it: 8080 → `web:80`.
    pub localhost: BTreeMap<String, String>,
    /// What `docker compose build` took.
    pub build_took: Duration,
    /// What `docker compose pull` took; zero when every image was there.
    pub pull_took: Duration,
    /// What `docker compose up -d` took.
    pub up_took: Duration,
    /// What was then waited until everything was healthy.
    pub healthy_took: Duration,
}

/// What removing the stack came to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StackDown {
    /// What `docker compose down` took.
    pub took: Duration,
    /// What a last look found: `container x`, `network y`, `volume z`, `image i`; empty when nothing is left.
    pub left: Vec<String>,
}

/// State of one container.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ContainerState {
    /// Container id.
    pub id: String,
    /// Container name.
    pub name: String,
    /// `running`, `paused`, `exited`, `restarting`, `created`, `dead`.
    pub status: String,
    /// Exit code, when it has exited.
    pub exit_code: Option<i64>,
    /// `RestartCount` and start time, to see that a container is not the one that was killed.
    pub started_at: String,
    /// Whether it is a Pod that is ready to serve.
    pub ready: bool,
    /// What it may use.
    pub limits: ContainerLimits,
    /// The networks that it is connected to.
    pub endpoints: Vec<NetworkEndpoint>,
}

/// What a container may use; 0 is no limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct ContainerLimits {
    /// Processor time, in billionths of a processor.
    pub nano_cpus: i64,
    /// Memory, in bytes.
    pub memory: i64,
    /// Memory and swap together, in bytes: -1 is no limit, 0 what Docker makes of it, twice the memory.
    pub memory_swap: i64,
    /// Processes and threads.
    pub pids: i64,
}

/// A container's place in a network.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct NetworkEndpoint {
    /// The network.
    pub network: String,
    /// Names by which the others find it there.
    pub aliases: Vec<String>,
    /// `container:name`: names by which it alone finds others.
    pub links: Vec<String>,
    /// The IPv4 address that somebody chose for it, if one was.
    pub address: String,
    /// The IPv6 address, likewise.
    #[serde(default)]
    pub address6: String,
}

/// Container id → its places in networks.
pub type ContainerEndpoints = BTreeMap<String, Vec<NetworkEndpoint>>;

/// Names by which clients find containers, each behind the network in which they do.
pub type NetworkNames = BTreeSet<(String, String)>;

/// Something done to the containers of a service.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ContainerOp {
    /// Freezes every process.
    Pause,
    /// Lets them go on.
    Unpause,
    /// Sends a signal (`SIGKILL`).
    Kill {
        /// Name of the signal.
        signal: String,
    },
    /// Starts it again.
    Start,
    /// Sets what it may use, as [`ContainerLimits::changed`] says; a limit of 0 is lifted.
    Limit {
        /// The limits before.
        from: ContainerLimits,
        /// The limits afterwards.
        to: ContainerLimits,
    },
    /// Connects it to networks, as [`NetworkEndpoint::changed`] says.
    Connect {
        /// The places before.
        from: ContainerEndpoints,
        /// The places afterwards.
        to: ContainerEndpoints,
    },
}

/// What a command in a container came to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CommandOutput {
    /// Name of the container.
    pub container: String,
    /// Exit code.
    pub code: i64,
    /// What it wrote, standard output first; of each stream the end where it was long.
    pub output: String,
}

/// The most that [`Stack::exec_full`] takes from a command, in bytes.
pub const MOST_OUTPUT: usize = 16 * 1024 * 1024;

/// What a command in a container came to, both streams apart: a warning is no content.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FullOutput {
    /// Name of the container.
    pub container: String,
    /// Exit code; `None` when it had not ended in time.
    pub code: Option<i64>,
    /// What it wrote to standard output: everything, where that was wanted.
    pub stdout: Vec<u8>,
    /// What it wrote to standard error; the end of it where it was long.
    pub stderr: String,
}

/// What comes of a request to a stack.
pub type StackResult<T> = Result<T, StackError>;
/// What comes of a command in a container.
pub type ExecResult = StackResult<FullOutput>;

/// A way around a proxy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProxyBypass {
    /// There is one: in words.
    By(String),
    /// None was seen; these containers or Pods did not show their connections.
    NoneSeen(Vec<String>),
}

/// A script for `sh` in the first running container of a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceScript {
    /// The service.
    pub service: String,
    /// The script.
    pub run: String,
    /// How long it may take.
    pub within: Duration,
    /// Line in the scenario, from 1.
    pub line: usize,
}

/// Why the stack could not do what was asked.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StackError {
    /// Docker, Compose or the machine: exit 3.
    #[error("{operation}: {cause}")]
    Environment {
        /// What was tried.
        operation: String,
        /// Why it failed.
        cause: String,
        /// What to do about it.
        hint: Option<String>,
    },
    /// An image could not be built: exit 3; `tail` holds the last lines of the build, the reason first.
    #[error("the stack does not build: {reason}")]
    Build {
        /// The reason in one line.
        reason: String,
        /// The build's last lines.
        tail: String,
    },
    /// It was started and did not become healthy: the verdict `unsteady`.
    #[error("{service} is not healthy: {reason}")]
    Unhealthy {
        /// The service.
        service: String,
        /// The reason in one line.
        reason: String,
        /// Last lines of its log.
        tail: String,
    },
    /// The caller gave up (Ctrl-C).
    #[error("cancelled")]
    Cancelled,
}

/// For commands that work with the engine and run no drill: exit 3, with what to do about it.
impl From<StackError> for Error {
    fn from(error: StackError) -> Self {
        let told = Error::harness(match &error {
            StackError::Build { tail, .. } | StackError::Unhealthy { tail, .. } if !tail.is_empty() => {
                format!("{error}\n  {}", quoted(tail))
            }
            _ => error.to_string(),
        });
        match error {
            StackError::Environment { hint, .. } => {
                told.hint(hint.unwrap_or_else(|| "`firedrill doctor` says what is missing".into()))
            }
            _ => told,
        }
    }
}

/// What a stack answers that cannot do this.
fn unsupported<T>(operation: String) -> StackResult<T> {
    Err(environment(operation, "this stack cannot do that"))
}

/// A target system that can be started, broken and removed. Everything is done under the drill's own name and labels. What
/// a stack does not have it refuses.
#[async_trait]
pub trait Stack: Send + Sync + 'static {
    /// What has taken the proxy out of the way to a service that it stands in front of.
    ///
    /// # Errors
    /// When the stack cannot be asked.
    async fn proxy_is_bypassed(&self, _service: &str) -> StackResult<ProxyBypass> {
        Ok(ProxyBypass::NoneSeen(Vec::new()))
    }
    /// By which names clients find what runs now, without the drill's own. None where names do not hang on networks.
    ///
    /// # Errors
    /// When the stack cannot be asked.
    async fn network_names(&self) -> StackResult<NetworkNames> {
        Ok(NetworkNames::new())
    }

    /// Builds what must be built, starts everything, waits until it is healthy. On an error or a cancellation what was
    /// started so far stays for `down`.
    async fn up(&self, _cancel: &CancellationToken) -> StackResult<StackUp> {
        unsupported("starting the stack".into())
    }
    /// Opens the control channel of an agent: JSON lines of `agent::protocol`. Dropping it lifts everything that the agent holds.
    async fn connect(&self, role: &AgentRole) -> StackResult<Channel> {
        unsupported(format!("connecting to {}", role.name()))
    }
    /// Opens a shell supervisor: JSON lines of `shell::protocol`. Dropping it kills what runs there.
    async fn shell(&self, _place: &Place) -> StackResult<Channel> {
        unsupported("opening a shell".into())
    }
    /// Carries out what the steps of a place call of the runner's programs: `docker`. By default nothing.
    /// What is written about that hides `secrets`, those too that the steps find out later.
    fn tools(&self, _place: &Place, _secrets: &Secrets) -> Arc<dyn Tools> {
        Arc::new(NoTools)
    }
    /// The containers of a service (the team's services and the drill's own), running or not.
    async fn containers(&self, service: &str) -> StackResult<Vec<ContainerState>>;
    /// Does something to one container of this drill, named by id.
    async fn operate(&self, container: &str, _op: &ContainerOp) -> StackResult<()> {
        unsupported(format!("operating on {container}"))
    }
    /// Deletes a Pod at once, by its uid: one that has taken its name since is left alone, and that it is gone is as good.
    async fn delete_pod(&self, uid: &str) -> StackResult<()> {
        unsupported(format!("deleting the Pod {uid}"))
    }
    /// Runs a command in the first running container of a service, which must have a `sh`, and waits for its end. It is
    /// ended with everything of its session when that has not come within `within`, and when nobody waits any more: the
    /// caller gave up, or is dead. What it leaves running otherwise stays. Any exit code is an answer.
    async fn exec(&self, service: &str, command: &[String], within: Duration) -> StackResult<CommandOutput> {
        let FullOutput { container, code, stdout, stderr } = self.exec_full(service, command, false, within).await?;
        let late = || format!("it did not end within {} s and was ended", within.as_secs());
        let code = code.ok_or_else(|| environment(format!("running a command in `{service}`"), late()))?;
        let mut output = String::from_utf8_lossy(&stdout).into_owned();
        if !output.is_empty() && !output.ends_with('\n') && !stderr.is_empty() {
            output.push('\n');
        }
        Ok(CommandOutput { container, code, output: output + &stderr })
    }
    /// The same, with both streams apart, and with everything that it writes to standard output if that is wanted `whole`, up to
    /// [`MOST_OUTPUT`]: more is an error. That it does not end in time is an answer here: nobody can tell a database that hangs from
    /// one that is gone.
    async fn exec_full(&self, service: &str, _command: &[String], _whole: bool, _within: Duration) -> ExecResult {
        unsupported(format!("running a command in `{service}`"))
    }
    /// A small file from the first container of a service, running or not.
    async fn read_file(&self, service: &str, path: &str) -> StackResult<Vec<u8>> {
        unsupported(format!("reading `{path}` from `{service}`"))
    }
    /// Looks at a file on the volumes of a service, damages it or repairs it. The service has a container, running or not, and
    /// what is on none of its mounts, or on one that is read-only, cannot be reached.
    async fn files(&self, service: &str, ask: &FileAsk) -> StackResult<FileAnswer> {
        unsupported(format!("reaching `{}` of `{service}`", ask.path))
    }
    /// What a release would set in the containers of a service that they do not have now. What it needs (an image) is
    /// there afterwards; no container is touched.
    async fn preview(&self, service: &str, _release: &Release) -> StackResult<Fingerprint> {
        unsupported(format!("releasing `{service}`"))
    }
    /// The settings of every container of a service, running or not.
    async fn fingerprints(&self, service: &str) -> StackResult<Fingerprints> {
        unsupported(format!("releasing `{service}`"))
    }
    /// Recreates a service as the release has it, or as it was planned; as many containers as it has now, running or
    /// not. Returns when they are ready, or have had their time for it, within [`RELEASE_WITHIN`].
    async fn deploy(&self, service: &str, _release: Option<&Release>) -> StackResult<()> {
        unsupported(format!("releasing `{service}`"))
    }
    /// Changes an object of the stack, or makes it what was planned again (`back`), and restarts what takes it up. Returns when that
    /// is ready, or has had its time for it, within [`RELEASE_WITHIN`].
    async fn change(&self, change: &ObjectChange, _back: bool) -> StackResult<()> {
        unsupported(format!("changing `{}`", change.object))
    }
    /// Every value that a change sets, by its path, with whether the object has it now.
    async fn changed(&self, change: &ObjectChange) -> StackResult<BTreeMap<String, bool>> {
        unsupported(format!("looking at `{}`", change.object))
    }
    /// Starts a process of [`StackRequest::processes`], named by its name; from then on its containers are those of a service
    /// of that name, for steps as well.
    async fn start_process(&self, name: &str) -> StackResult<()> {
        unsupported(format!("starting `{name}`"))
    }
    /// Removes its containers, whatever their state, and returns their names. Idempotent; it is gone when this returns.
    async fn remove_process(&self, name: &str) -> StackResult<Vec<String>> {
        unsupported(format!("removing `{name}`"))
    }
    /// How the containers of a process have ended since it was started that have not been started again, removed ones included.
    async fn endings(&self, _name: &str) -> Vec<Ending> {
        Vec::new()
    }
    /// Environment of a service as the resolved model has it.
    fn environment(&self, _service: &str) -> BTreeMap<String, String> {
        BTreeMap::new()
    }
    /// Names of the team's services.
    fn services(&self) -> Vec<String> {
        Vec::new()
    }
    /// Every name by which a client inside the stack can call one of its services.
    fn hosts(&self) -> Vec<String> {
        self.services()
    }
    /// Values of it that must never be written anywhere.
    fn secrets(&self) -> Vec<Secret> {
        Vec::new()
    }
    /// How a person looks into a stack that is left up, and removes it: command lines, one each.
    fn how_to_look(&self) -> Vec<String> {
        Vec::new()
    }
    /// What the drill's containers use now; `None` where nobody tells.
    async fn usage(&self) -> StackResult<Option<UsageSample>> {
        Ok(None)
    }
    /// Writes the log of every container into `dir`, secrets hidden.
    async fn save_logs(&self, _dir: &Path, _redactor: &Redactor) -> StackResult<()> {
        Ok(())
    }
    /// Removes everything that carries this drill's label, then looks again. Idempotent.
    async fn down(&self) -> StackResult<StackDown>;
}
