//! A kind of stack without a drill: what can be known and done before one is started, and after its runner has gone.
//! Compose is one; nothing above this room knows which.

use super::{
    Demand, DrillRoom, ObjectChange, Place, RemoteSite, RunIdentity, SourceFiles, Stack, StackError, StackRequest,
    StackResult,
};
use crate::record::{MachineSample, Secret};
use async_trait::async_trait;
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::path::PathBuf;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// A kind of stack.
#[async_trait]
pub trait Platform: Debug + Send + Sync + 'static {
    /// Reaches what the stacks run on (the engine, the cluster).
    ///
    /// # Errors
    /// `Environment` when nothing answers.
    async fn connect(&self) -> StackResult<()>;
    /// Name and version of what the stacks run on, if it says so in time.
    async fn version(&self) -> Option<String>;
    /// Looks at everything that drills need here.
    async fn probe(&self) -> Vec<Probe>;
    /// Reads and resolves the specification of a stack. Starts nothing, and needs nothing that runs.
    ///
    /// # Errors
    /// `Invalid` or `Refused` when the specification cannot be used, `Environment` when a program for it is missing.
    async fn resolve(&self, request: &StackRequest) -> Result<Arc<dyn ResolvedStack>, ResolveError>;
    /// The files that the stack of a request is made from, as far as they can be told without resolving it.
    fn source_files(&self, request: &StackRequest) -> SourceFiles;
    /// What Prometheus' and Alertmanager's own tools say about the files of the team's alerts; `None` when the tools are not here
    /// yet.
    ///
    /// # Errors
    /// `Environment` when nothing answers, or the tools cannot be run.
    async fn check_alerts(&self, _files: &AlertFiles) -> StackResult<Option<Vec<AlertFinding>>> {
        Ok(None)
    }
    /// What is said of a specification that cannot be used, before the reason; and what to do about it.
    fn rejection(&self) -> (&'static str, &'static str);
    /// What a person can allow a stack of the host, by name.
    fn rights(&self) -> Vec<Right>;
    /// What there is for drills, and what of it is free now. `seen` is the newest sample of an agent on that machine.
    ///
    /// # Errors
    /// `Environment` when nothing answers.
    async fn room(&self, seen: Option<&MachineSample>) -> StackResult<DrillRoom>;
    /// A stack that is up and was not started by Firedrill, by its name.
    ///
    /// # Errors
    /// `NotRunning` when there is none of that name.
    async fn running(&self, name: &str) -> Result<RunningStack, AttachError>;
    /// A toolbox beside a stack that is up (by its name), or beside nothing; starts nothing yet. `down` removes the toolbox and
    /// nothing else.
    ///
    /// # Errors
    /// As for `running`.
    async fn attach(
        &self,
        running: Option<&str>,
        toolbox: ToolboxRequest,
        run: &RunIdentity,
        options: &StackOptions,
    ) -> Result<Arc<dyn Stack>, AttachError>;
    /// What a run has left up whose runner is gone. What only the runner knew is refused.
    ///
    /// # Errors
    /// `Environment` when nothing answers.
    async fn reopen(&self, run: &str) -> StackResult<Arc<dyn Stack>>;
    /// Ends the commands that the dead runner of a run left running: they would go on creating what is being removed.
    fn end_commands(&self, run: &str);
    /// A place where whole drills are carried out, by its name in [`super::REMOTE_SITES`].
    fn remote(&self, _name: &str) -> Option<Arc<dyn RemoteSite>> {
        None
    }
    /// Finds what runs have left of which something is there, all or only those of `only`, and removes what nobody watches.
    ///
    /// # Errors
    /// `Environment` when nothing answers.
    async fn sweep(&self, options: SweepOptions, only: &[String]) -> StackResult<SweepReport>;
}

/// Programs that are not in a place; `None` when nobody can look into it yet.
pub type MissingPrograms = StackResult<Option<BTreeSet<String>>>;

/// The specification of a stack, resolved: every file read, every variable filled in.
#[async_trait]
pub trait ResolvedStack: Debug + Send + Sync + 'static {
    /// Name of the project.
    fn name(&self) -> &str;
    /// Names of the services, in order.
    fn services(&self) -> Vec<String> {
        self.facts().into_iter().map(|service| service.name).collect()
    }
    /// Every name by which a client inside the stack can call one of its services.
    fn hosts(&self) -> Vec<String>;
    /// Environment of a service.
    fn environment(&self, service: &str) -> BTreeMap<String, String> {
        self.facts().into_iter().find(|known| known.name == service).map(|known| known.environment).unwrap_or_default()
    }
    /// What can be known of each service without starting it, in order.
    fn facts(&self) -> Vec<ServiceFacts>;
    /// Everything that there is to say about drilling it, errors included.
    fn findings(&self) -> Vec<Finding>;
    /// Why a fault that needs this cannot be in this stack, and what to do about it.
    fn lacks(&self, _need: &Need) -> Option<(String, String)> {
        None
    }
    /// Why a step may not call `docker` or `kubectl` with these arguments; `None` when it may, as far as they tell.
    fn refuses(&self, _call: (&str, &[String])) -> Option<String> {
        None
    }
    /// What it asks of the host.
    fn asked(&self) -> HostRequests;
    /// The variables that its files take and a release may set; `None` where that is not known.
    fn variables(&self) -> Option<BTreeSet<String>>;
    /// What a drill of it needs.
    fn demand(&self) -> Demand;
    /// What its images depend on: stacks with the same key share them.
    fn images_key(&self) -> String;
    /// Those of `wanted` that are not in a place; `None` when nobody can look into it yet.
    ///
    /// # Errors
    /// `Environment` when nothing answers.
    async fn missing_programs(&self, _place: &Place, _wanted: &BTreeSet<String>) -> MissingPrograms {
        Ok(None)
    }
    /// Makes ready what drills of it share (images), and starts nothing: for drills that will start it side by side.
    ///
    /// # Errors
    /// `Build` and `Environment` as `Stack::up` has them.
    async fn prepare(&self, run: &RunIdentity, options: &StackOptions, cancel: &CancellationToken) -> StackResult<()>;
    /// The stack of one drill; starts nothing yet.
    ///
    /// # Errors
    /// `Environment` when what it runs on cannot be reached.
    async fn stack(&self, run: &RunIdentity, options: &StackOptions) -> StackResult<Arc<dyn Stack>>;
}

/// What a fault asks of a kind of stack, and not every kind has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Need {
    /// Containers that can be killed, paused and limited one by one.
    Containers,
    /// Pods of this service, which are replaced when they are deleted.
    Pods(String),
    /// Networks from which a service can be cut off.
    Networks,
    /// Files of a service that can be damaged and repaired from outside.
    Files,
    /// An object with settings of its own, which can be changed like this.
    Object(ObjectChange),
}

/// What can be known of a service without starting it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ServiceFacts {
    /// Its name.
    pub name: String,
    /// Its image, as it is written.
    pub image: String,
    /// Its environment.
    pub environment: BTreeMap<String, String>,
    /// TCP ports that are known of it.
    pub ports: BTreeSet<u16>,
    /// Whether a port is published on the machine of its developers.
    pub published: bool,
    /// The command of its health check as one line.
    pub health_check: String,
    /// The services that it waits for.
    pub waits_for: Vec<String>,
    /// The folder that its image is built from.
    pub source: Option<PathBuf>,
    /// Whether it is a job: others wait for its end.
    pub is_job: bool,
    /// Whether other services can call it by its name.
    pub has_name: bool,
}

/// Something that a person can allow a stack of the host.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Right {
    /// What `--allow-host` calls it.
    pub name: String,
    /// Whether it is also asked for at a terminal: it is not where the rest of the stack is not known yet.
    pub is_asked: bool,
}

/// The toolbox of a runbook that is followed alone.
#[derive(Debug, Clone, Default)]
pub struct ToolboxRequest {
    /// Its image, unless the built-in one is meant.
    pub image: Option<String>,
    /// Where its steps begin, as [`StackRequest::directory`].
    pub directory: Option<String>,
}

/// A stack that is up and was not started by Firedrill.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunningStack {
    /// What it is, with its name: `the Compose project shop`.
    pub words: String,
    /// Its services of which something is there, in order.
    pub services: Vec<String>,
}

/// Why nothing can be attached to.
#[derive(Debug, Clone, thiserror::Error)]
pub enum AttachError {
    /// What it would run on does not answer.
    #[error(transparent)]
    Environment(#[from] StackError),
    /// There is none of that name.
    #[error("{message}")]
    NotRunning {
        /// What is missing.
        message: String,
        /// What to do about it.
        hint: String,
    },
}

/// What the command line and the environment say of how a stack is started.
#[derive(Debug, Clone, Default)]
pub struct StackOptions {
    /// Uses the images that are there or can be pulled, and builds none of the team's.
    pub no_build: bool,
    /// The executable that becomes the agent; by default the one that runs.
    pub executable: Option<PathBuf>,
    /// An image to use for the agent instead (`FIREDRILL_AGENT_IMAGE`).
    pub agent_image: Option<String>,
    /// Values that are hidden beside the stack's own: what its drill knows of.
    pub secrets: Vec<Secret>,
    /// Why its images could not be made, when that was tried before: `up` fails with the same reason and tries nothing again.
    pub no_images: Option<StackError>,
}

impl StackOptions {
    /// Options with what the environment says: `FIREDRILL_AGENT_IMAGE`.
    pub fn from_env(no_build: bool) -> StackOptions {
        let agent_image = std::env::var("FIREDRILL_AGENT_IMAGE").ok().filter(|image| !image.is_empty());
        StackOptions { no_build, agent_image, ..StackOptions::default() }
    }
}

/// One thing about the stack that its author should know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The service, unless it is about the file as a whole.
    pub service: Option<String>,
    /// The key in the file: `volumes`, `network_mode`, `environment.STRIPE_URL`.
    pub key: String,
    /// What there is, in one line.
    pub message: String,
    /// What to do about it.
    pub help: Option<String>,
    /// Whether the stack cannot be drilled like this.
    pub error: bool,
    /// What `--allow-host` calls it, if the person who runs the drill could allow it.
    pub right: Option<String>,
}

impl Finding {
    pub(super) fn warning(service: Option<&str>, key: impl Into<String>, message: impl Into<String>) -> Finding {
        let (key, message) = (key.into(), message.into());
        Finding { service: service.map(str::to_string), key, message, help: None, error: false, right: None }
    }

    pub(super) fn error(service: Option<&str>, key: impl Into<String>, message: impl Into<String>) -> Finding {
        Finding { error: true, ..Finding::warning(service, key, message) }
    }

    pub(super) fn help(mut self, help: impl Into<String>) -> Finding {
        self.help = Some(help.into());
        self
    }
}

/// One thing that a stack asks of the host.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
pub struct HostRequest {
    /// The service, unless it is about the file as a whole.
    pub service: Option<String>,
    /// The key in the file: `cap_add`, `build.network`, `volumes.data`.
    pub key: String,
    /// What `--allow-host` calls it; `None` for what no drill may have.
    pub right: Option<String>,
    /// What is asked for and what that means, in one line.
    pub what: String,
    /// The whole value at the key, as JSON.
    pub value: String,
}

/// Everything that a stack asks of the host.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HostRequests {
    /// Each thing.
    pub asks: Vec<HostRequest>,
    /// The services that are given something of it, as they were resolved.
    pub services: Map<String, Value>,
    /// Digest of all of this and of the project's directory: what was allowed is asked for again when it changes.
    pub digest: String,
}

/// The published TCP ports of a stack.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Published {
    /// Port of the host → service and port inside the stack: `web:80`.
    pub ports: BTreeMap<u16, String>,
}

/// Why there is no model.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ResolveError {
    /// A program that is needed is missing.
    #[error(transparent)]
    Environment(#[from] StackError),
    /// The specification cannot be used; the text is of whoever reads it.
    #[error("{}: {message}", file.display())]
    Invalid {
        /// The file.
        file: PathBuf,
        /// What it says.
        message: String,
    },
    /// The file reads what is not the project's, and nobody has allowed it.
    #[error("{}: it reads files that are not the project's", file.display())]
    Refused {
        /// The file.
        file: PathBuf,
        /// What it reads.
        findings: Vec<Finding>,
    },
}

named_enum! {
/// How something stands.
pub enum ProbeState {
    /// There.
    Ok = "ok",
    /// Drills run without it, but something is less than it could be.
    Warn = "warn",
    /// No drill can run.
    Missing = "missing",
}
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probe {
    /// What was looked at.
    pub what: &'static str,
    /// How it stands.
    pub state: ProbeState,
    /// What was seen.
    pub seen: String,
    /// How to fix it.
    pub fix: Option<String>,
}

/// What a sweep may do.
#[derive(Debug, Clone, Copy, Default)]
pub struct SweepOptions {
    /// Removes kept runs as well.
    pub kept: bool,
    /// Removes the images that Firedrill made and no container uses.
    pub images: bool,
    /// Says what it would do, and does nothing.
    pub dry_run: bool,
}

/// What became of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    /// It is being watched; nothing was done.
    Alive,
    /// Whether it is being watched cannot be seen here, so nothing was done.
    Unseen {
        /// Why not.
        why: String,
    },
    /// It was kept on purpose; only its faults were undone.
    Kept {
        /// What was done, one line each: `unpaused fd-shop-1c2d3e4f-db-1`.
        undone: Vec<String>,
        /// What is still in place, and why.
        left: Vec<String>,
    },
    /// Nobody watches it: it was removed; what could not be is listed.
    Removed {
        /// `container x`, `network y`, `volume z`.
        left: Vec<String>,
    },
    /// It would have been removed.
    WouldRemove,
}

/// A run of which something is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SweptRun {
    /// Id of the run.
    pub run: String,
    /// Its directory, when it is this user's own.
    pub dir: Option<PathBuf>,
    /// What was there of its own: `container x`, `network y`, `volume z`.
    pub things: Vec<String>,
    /// What became of it.
    pub fate: Fate,
}

/// What a sweep found and did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SweepReport {
    /// The runs, by id.
    pub runs: Vec<SweptRun>,
    /// What carries the label of a run and may be somebody else's: it stays.
    pub foreign: Vec<Foreign>,
    /// Images that were removed (or would have been).
    pub images: Vec<String>,
    /// How a person looks at what is left.
    pub look: &'static str,
}

/// Something that carries a label of a run and is not its own, or may not be. It stays.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Foreign {
    /// Id of the run.
    pub run: String,
    /// `container x`, `network y`, `volume z`, `image i`.
    pub thing: String,
    /// Why it is not taken for the run's own.
    pub why: String,
    /// The command by which a person removes it.
    pub by_hand: String,
}

/// Files to be checked: each has the path as the user knows it and its text. Two that are equal need one look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlertFiles {
    /// Rules of Prometheus.
    pub rules: Vec<(PathBuf, String)>,
    /// Alertmanager's configuration as the team has it.
    pub alertmanager: (PathBuf, String),
    /// The same as a drill changes it.
    pub in_drill: String,
    /// The image whose tools look, unless the built-in one is meant.
    pub image: Option<String>,
}

/// Something that a tool has to say about a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlertFinding {
    /// The file.
    pub file: PathBuf,
    /// Line in it, from 1, where the tool names one.
    pub line: Option<usize>,
    /// What it says, on one line.
    pub message: String,
    /// Whether no drill can work with the file: what only concerns how Alertmanager delivers in production is none of a drill's.
    pub error: bool,
}
