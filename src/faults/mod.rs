//! What is broken on purpose: the contract of a fault, the list of kinds, and one file per kind.

mod by_agent;
mod containers;
#[cfg(test)]
mod tests;
mod undoing;

macro_rules! faults {
    ($($module:ident: $fault:ident,)*) => {
        $(mod $module;)*

        impl Fault {
            /// Every kind, as it is named in scenarios.
            pub const KINDS: &'static [&'static str] = &[$(stringify!($module)),*];
        }

        const READERS: &[Reader] = &[$(read::<$module::$fault>),*];
    };
}

// A fault is one file and one line here: its module, which is also its kind in a scenario, and its type.
faults! {
    command: Command,
    container_kill: ContainerKill,
    container_pause: ContainerPause,
    deploy: Deploy,
    files: Files,
    http_status: HttpStatus,
    load_surge: LoadSurge,
    postgres_connections: PostgresConnections,
    postgres_lock: PostgresLock,
    process: Process,
    sql: Sql,
}

pub use command::{CANNOT_RUN, SCRIPT_WITHIN, ended, read_question, script};

use crate::agent::AgentClient;
use crate::agent::pg::PgUnknown;
use crate::record::Parts;
use crate::source::{Diagnostics, MapReader, Node, Source, Span, did_you_mean, is_name, shorten};
use crate::stack::{AgentRole, ContainerOp, Damage, Marks, Release, Stack};
use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt::Debug;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// How long looking at the stack may take: Docker and a database may hang.
const PREPARE_WITHIN: Duration = Duration::from_secs(30);
/// How long breaking something may take.
const INJECT_WITHIN: Duration = Duration::from_secs(30);
/// How long one fault may take to be undone, and then to be seen gone.
const REVERT_WITHIN: Duration = Duration::from_secs(15);

/// What becomes of a fault that nothing undoes.
const GOES_WITH_THE_STACK: &str = "goes with the stack";

/// Why a fault could not be injected, confirmed or reverted.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{operation}: {cause}")]
pub struct FaultError {
    /// What was tried.
    pub operation: String,
    /// Why it failed.
    pub cause: String,
    /// What was written meanwhile, where something was run.
    pub output: String,
}

impl FaultError {
    /// What was tried, and why it failed.
    pub fn new(operation: impl Into<String>, cause: impl ToString) -> Self {
        FaultError { operation: operation.into(), cause: cause.to_string(), output: String::new() }
    }

    /// The same, with what was written meanwhile.
    pub fn with(self, output: impl Into<String>) -> Self {
        FaultError { output: output.into(), ..self }
    }
}

impl From<PgUnknown> for FaultError {
    fn from(error: PgUnknown) -> Self {
        FaultError::new(error.operation, error.cause)
    }
}

/// Where a fault stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Presence {
    /// It is in place as a whole; the text is the evidence.
    InPlace(String),
    /// A part of it is: not yet in place while it is injected, and not yet gone afterwards, as a partial fix does not count. The
    /// text is the evidence; how many of its parts are active says how much longer it may need to hurt.
    Partly(String, Parts),
    /// It is not; the text is the evidence.
    Gone(String),
}

/// What a fault works with: the stack and the agents inside it.
pub struct FaultContext<'a> {
    /// Id of the fault.
    pub id: &'a str,
    /// The stack.
    pub stack: &'a dyn Stack,
    /// The connected agents.
    pub agents: &'a BTreeMap<AgentRole, AgentClient>,
    /// Seed of the drill.
    pub seed: u64,
}

/// A container as it was started once: what runs in it ends with that.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StartedContainer {
    /// Container id.
    pub id: String,
    /// When it was started, as the engine says it.
    pub started_at: String,
}

/// Everything that undoing a fault needs, in a form that another process can read from the ledger. What an agent
/// holds is lifted by the agent itself as soon as its channel ends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "undo", rename_all = "snake_case")]
pub enum Undo {
    /// An agent lifts it.
    Agent {
        /// Compose service of the agent (`AgentRole::name`).
        agent: String,
        /// Id of the fault.
        fault: String,
    },
    /// An operation on containers, skipped where the state already is as it should be.
    Containers {
        /// The service that they belong to.
        service: String,
        /// Container ids.
        containers: Vec<String>,
        /// What to do to each.
        op: ContainerOp,
        /// Container id → when it had been started last when this was planned, as the engine says it: a container that has
        /// been started since is down for a reason of its own.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        started: BTreeMap<String, String>,
    },
    /// A script for `sh` in the first running container of a service; idempotent, as its author promises.
    Command {
        /// The service.
        service: String,
        /// The script.
        script: String,
        /// The container in which the fault is, as it was started then.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        container: Option<StartedContainer>,
    },
    /// A release is taken back: the service is recreated as it was planned. Only the drill that runs can do that; when
    /// it is killed, the stack is removed with it.
    Release {
        /// The service.
        service: String,
        /// What the release sets, to tell its containers from others. Kept in memory: a fingerprint on disk would let a
        /// value be guessed, and whoever reads the ledger cannot undo a release.
        #[serde(skip)]
        marks: Marks,
    },
    /// Nothing undoes it: its stack is thrown away, and it goes with that.
    Nothing {
        /// In words, as reports say it.
        reason: String,
        /// How it is known again, when it is a damage to a file.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        damage: Option<Damage>,
        /// The container in which the fault is, as it was started then, where it is in one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        container: Option<StartedContainer>,
    },
    /// The containers of a process are removed.
    Process {
        /// Its name as a service.
        name: String,
    },
    /// A file is repaired where the damage still is.
    File {
        /// The service on whose volumes it is.
        service: String,
        /// Its path there.
        path: String,
        /// The damage, and what there was before.
        damage: Damage,
    },
}

impl Undo {
    /// Of what the scenario says that it is irreversible: that nothing undoes it.
    pub(crate) fn nothing() -> Undo {
        Undo::Nothing { reason: GOES_WITH_THE_STACK.into(), damage: None, container: None }
    }

    /// Why nothing undoes it, when nothing does.
    pub fn irreversible(&self) -> Option<&str> {
        match self {
            Undo::Nothing { reason, .. } => Some(reason),
            _ => None,
        }
    }
}

/// A fault of a scenario, of any kind.
#[derive(Debug, Clone)]
pub struct Fault {
    kind: &'static str,
    fault: Arc<dyn Inject>,
}

/// Reads the parameters of one kind of fault.
type Reader = fn(&mut MapReader<'_>) -> Option<Arc<dyn Inject>>;

fn read<F: Inject + 'static>(map: &mut MapReader<'_>) -> Option<Arc<dyn Inject>> {
    F::from_map(map).map(|fault| Arc::new(fault) as Arc<dyn Inject>)
}

impl Fault {
    /// Its kind.
    pub fn kind(&self) -> &'static str {
        self.kind
    }

    /// Reads the fault `kind: node` of a scenario; mistakes go to `diags`.
    pub fn from_entry(
        kind: &str,
        kind_span: Span,
        node: &Node,
        source: &Arc<Source>,
        diags: &mut Diagnostics,
    ) -> Option<Fault> {
        let Some((&kind, reader)) = Fault::KINDS.iter().zip(READERS).find(|(known, _)| **known == kind) else {
            let message = format!("there is no fault `{}`", shorten(kind));
            diags.error(source, kind_span, message).help(did_you_mean(kind, Fault::KINDS.iter().copied()));
            return None;
        };
        let mut map = MapReader::new(node, format!("`{kind}`"), source, diags)?;
        let fault = reader(&mut map);
        map.finish().and(fault).map(|fault| Fault { kind, fault })
    }
}

impl Deref for Fault {
    type Target = dyn Inject;

    fn deref(&self) -> &Self::Target {
        &*self.fault
    }
}

/// The contract of a fault. `prepare` → (ledger) → `inject` → `confirm` → drill → `revert` → `confirm` says `Gone`.
#[async_trait]
pub trait Inject: Debug + Send + Sync {
    /// Reads its parameters; `None` when there were mistakes, which are noted.
    fn from_map(map: &mut MapReader<'_>) -> Option<Self>
    where
        Self: Sized;
    /// What it does, in one line.
    fn summary(&self) -> String;
    /// The service whose ports an agent must stand in front of, with the ports that the scenario gives.
    fn interposes(&self) -> Option<(String, Vec<u16>)> {
        None
    }
    /// Services of the stack that it names, for `check`.
    fn services(&self) -> Vec<String>;
    /// The class of failures that it stands for, as its author says; otherwise its kind is one, unless that is of [`NO_CLASS`].
    fn covers(&self) -> Option<&str> {
        None
    }
    /// The load of the scenario that it names, for `check`.
    fn load(&self) -> Option<&str> {
        None
    }
    /// What its author should know although it is no mistake: the parameter, the message and what to do.
    fn warning(&self) -> Option<(&'static str, String, &'static str)> {
        None
    }
    /// The release that it deploys, with its service: what it needs is made before there is any load.
    fn release(&self) -> Option<(String, Release)> {
        None
    }
    /// The process that it starts beside the team's services: it must be known when the stack is started.
    fn process(&self) -> Option<crate::stack::Process> {
        None
    }
    /// How long `prepare` may take: it may have to build something first.
    fn prepare_within(&self) -> Duration {
        PREPARE_WITHIN
    }
    /// How long `inject` may take.
    fn inject_within(&self) -> Duration {
        INJECT_WITHIN
    }
    /// How long `revert` may take, and how long the fault may then be seen still.
    fn revert_within(&self) -> Duration {
        REVERT_WITHIN
    }
    /// How soon after it was ended it comes back by itself, as real faults do.
    fn returns(&self) -> Option<Duration> {
        None
    }
    /// Values of its parameters that must never reach a record.
    fn secrets(&self) -> Vec<String> {
        Vec::new()
    }
    /// Looks at the stack and says how the fault will be undone; changes nothing.
    async fn prepare(&self, context: &FaultContext<'_>) -> Result<Undo, FaultError>;
    /// Breaks it, exactly where `undo` will undo it.
    async fn inject(&self, undo: &Undo, context: &FaultContext<'_>) -> Result<(), FaultError>;
    /// Brings it back wherever it was ended, for faults of which the runner itself must do that. The engine runs this from
    /// the confirmed injection on, and cancels `ending` before it undoes anything: then it returns, with nothing under way.
    /// An error is a fault that no longer comes back as it promised.
    async fn bring_back(
        &self,
        _undo: &Undo,
        _stack: &dyn Stack,
        _ending: &CancellationToken,
    ) -> Result<(), FaultError> {
        Ok(())
    }
    /// Proves where it can be seen that the fault is in place, or that it is gone. The engine polls this after
    /// `inject`, asks it after the recovery, and polls it after `revert`.
    async fn confirm(&self, undo: &Undo, context: &FaultContext<'_>) -> Result<Presence, FaultError>;
    /// What has ended a fault that is gone, other than a step that cleared it: in words, where it can be told.
    async fn ended_by(&self, _undo: &Undo, _stack: &dyn Stack) -> Option<String> {
        None
    }
    /// That a fault that is gone has ended by itself, so that nobody can say that a runbook ended it: in words. Asked before
    /// the first mitigating command, and after the recovery.
    async fn ended_by_itself(&self, _stack: &dyn Stack, _mitigated: bool) -> Result<Option<String>, FaultError> {
        Ok(None)
    }
    /// Undoes it; idempotent. Returns what that wrote. What is irreversible is left as it is, and is not asked afterwards
    /// whether it is gone.
    async fn revert(&self, undo: &Undo, context: &FaultContext<'_>) -> Result<String, FaultError>;
}

/// Kinds that can break anything: such a fault is of no class of failures, unless it says which it covers.
pub const NO_CLASS: [&str; 2] = ["command", "process"];

/// The class of failures of a fault of this kind that says that it covers this.
pub fn class_of<'a>(kind: &'a str, covers: Option<&'a str>) -> Option<&'a str> {
    covers.or_else(|| (!NO_CLASS.contains(&kind)).then_some(kind))
}

/// Reads `covers`.
fn read_covers(map: &mut MapReader<'_>) -> Option<String> {
    map.optional_by("covers", |at| {
        let class: String = at.value()?;
        if !is_name(&class) {
            at.error(format!("`{}` is no name of a class of failures", shorten(&class))).help("write it like `memory`");
        }
        Some(class)
    })
}
