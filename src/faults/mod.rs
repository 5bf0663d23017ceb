//! What is broken on purpose: the contract of a fault, the list of kinds, and a file for the kinds of each idea.

mod by_agent;
mod containers;
mod preset;
#[cfg(test)]
pub(crate) mod tests;
mod undo;

macro_rules! faults {
    ($($module:ident: $($kind:ident),+;)*) => {
        $(mod $module;)*

        impl Fault {
            /// Every kind, as it is named in scenarios.
            pub const KINDS: &'static [&'static str] = &[$($(stringify!($kind)),+),*];
        }

        const READERS: &[FaultReader] = &[$($(|map| {
            let (facts, fault) = $module::$kind(map)?;
            Some((facts, Arc::new(fault)))
        }),+),*];
    };
}

// A fault is one function and its name here, behind its module: it reads the parameters of the kind of that name.
faults! {
    command: command;
    container_kill: container_kill;
    container_limits: container_limits;
    container_pause: container_pause;
    deploy: deploy;
    files: files;
    http: http_body, http_delay, http_header, http_reset, http_status;
    load_surge: load_surge;
    network: network;
    patch: patch;
    pod_kill: pod_kill;
    postgres: postgres_connections, postgres_lock;
    process: process;
    sql: sql;
    toxic: tcp_latency, toxic;
}

pub use command::{CANNOT_RUN, SCRIPT_WITHIN, ended, read_question, script};
pub use preset::Preset;
pub use undo::{StartedContainer, Undo, Undone};

use crate::agent::AgentClient;
use crate::record::Parts;
use crate::source::{Diagnostics, MapReader, Node, Source, Span, did_you_mean, is_name, shorten};
use crate::stack::{AgentRole, Need, Process, RELEASE_WITHIN, Release, Stack};
use async_trait::async_trait;
use std::collections::BTreeMap;
use std::fmt::{self, Debug};
use std::ops::Deref;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// How long looking at the stack may take: Docker and a database may hang.
const PREPARE_WITHIN: Duration = Duration::from_secs(30);
/// The same of a release: its image may have to be built, where that failed when the stack was started.
const BUILT_WITHIN: Duration = Duration::from_secs(600);
/// How long breaking something may take.
const INJECT_WITHIN: Duration = Duration::from_secs(30);
/// How often it is looked whether somebody has ended a part of a fault that comes back.
pub const LOOK_EVERY: Duration = Duration::from_millis(200);
/// How long injecting it again may fail: the runbook may be about to replace what it harms.
pub const MAY_FAIL_FOR: Duration = Duration::from_secs(30);

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

/// What a step of a fault's life comes to.
pub type FaultResult<T = ()> = Result<T, FaultError>;

impl FaultError {
    /// What was tried, and why it failed.
    pub fn new(operation: impl Into<String>, cause: impl ToString) -> Self {
        FaultError { operation: operation.into(), cause: cause.to_string(), output: String::new() }
    }

    /// What makes one of an error, under the name of what was tried.
    fn of<E: ToString>(operation: impl Into<String>) -> impl FnOnce(E) -> Self {
        let operation = operation.into();
        move |error| FaultError::new(operation, error)
    }

    /// That an undo is that of another fault.
    fn undo(not: &str) -> Self {
        FaultError::new("read the undo", format!("it is not {not}"))
    }

    /// This error, with the output until then.
    pub fn with(self, output: impl Into<String>) -> Self {
        FaultError { output: output.into(), ..self }
    }
}

/// Whether a fault is in place.
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

impl Presence {
    /// Of a fault of which so many parts of so many are active.
    fn of(active: usize, all: usize, evidence: String) -> Presence {
        match active {
            0 => Presence::Gone(evidence),
            _ if active == all => Presence::InPlace(evidence),
            _ => Presence::Partly(evidence, Parts::new(active, all)),
        }
    }
}

/// What a fault works with: the stack and the agents inside it.
pub struct FaultContext<'a> {
    /// Id of the fault.
    pub id: &'a str,
    /// The stack.
    pub stack: &'a dyn Stack,
    /// The connected agents; `None` in another process than the drill's.
    pub agents: Option<&'a BTreeMap<AgentRole, AgentClient>>,
    /// Seed of the drill.
    pub seed: u64,
    /// How strong it is to be, in parts of 1: less than that while it grows.
    pub strength: f64,
}

/// A fault of a scenario, of any kind.
#[derive(Debug, Clone)]
pub struct Fault {
    /// Its name in the scenario.
    kind: String,
    /// What it is made by, when it is not written in Rust.
    preset: Option<Arc<Preset>>,
    /// What is known of it before the drill.
    pub facts: FaultFacts,
    fault: Arc<dyn Inject>,
}

/// A fault as it was read: what it says of itself, and what carries it out.
type ReadFault<F> = Option<(FaultFacts, F)>;
/// Reads the parameters of one kind of fault.
type FaultReader = fn(&mut MapReader<'_>) -> ReadFault<Arc<dyn Inject>>;

impl Fault {
    /// Its kind, or the name of its preset.
    pub fn kind(&self) -> &str {
        &self.kind
    }

    /// The kind that carries it out: its own, or that on which its preset is built.
    pub fn made_of(&self) -> &str {
        self.preset.as_ref().map_or(&self.kind, |preset| preset.kind)
    }

    /// The file of the project in which its preset is written.
    pub fn preset_file(&self) -> Option<&Path> {
        let own = self.preset.as_ref().filter(|own| Preset::shipped().iter().all(|shipped| shipped.name != own.name));
        own.map(|preset| preset.source.path.as_path())
    }

    /// Whether its preset says that nothing undoes it.
    pub fn is_irreversible_preset(&self) -> bool {
        self.preset.as_ref().is_some_and(|preset| preset.settings.get(&["irreversible"]).is_some())
    }

    /// How long `prepare` may take: it may have to build something first.
    pub fn prepare_within(&self) -> Duration {
        if self.facts.release.is_some() { BUILT_WITHIN } else { PREPARE_WITHIN }
    }

    /// How long `inject` may take.
    pub fn inject_within(&self) -> Duration {
        let has_to_come_up = self.facts.release.is_some() || matches!(self.facts.needs, Some(Need::Object(_)));
        if has_to_come_up { RELEASE_WITHIN } else { INJECT_WITHIN }
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
            let before = diags.all.len();
            if let Some(preset) = Preset::find(kind, source, diags) {
                return preset.fault(node, source, diags);
            }
            if !diags.has_errors_since(before) {
                let presets = Preset::all(source, diags);
                let names = Fault::KINDS.iter().copied().chain(presets.iter().map(|preset| preset.name.as_str()));
                let message = format!("there is no fault `{}`", shorten(kind));
                diags.error(source, kind_span, message).help(did_you_mean(kind, names));
            }
            return None;
        };
        let mut map = MapReader::new(node, format!("`{kind}`"), source, diags)?;
        let read = reader(&mut map);
        let (facts, fault) = map.finish().and(read)?;
        Some(Fault { kind: kind.into(), preset: None, facts, fault })
    }
}

impl Deref for Fault {
    type Target = dyn Inject;

    fn deref(&self) -> &Self::Target {
        &*self.fault
    }
}

/// What a fault says of itself before anything is started.
#[derive(Debug, Clone, Default)]
pub struct FaultFacts {
    /// What it does, in one line.
    pub summary: String,
    /// Services of the stack that it names, for `check`.
    pub services: Vec<String>,
    /// The service whose ports an agent must stand in front of, with the ports that the scenario gives.
    pub interposes: Option<(String, Vec<u16>)>,
    /// The service on whose connections alone it acts, for `check`.
    pub client: Option<String>,
    /// The class of failures that it stands for, as its author says; otherwise its kind is one, unless that is of [`NO_CLASS`].
    pub covers: Option<String>,
    /// What not every kind of stack has, for `check`.
    pub needs: Option<Need>,
    /// The load of the scenario that it names, for `check`.
    pub load: Option<String>,
    /// What its author should know although it is no mistake: the parameter, the message and what to do.
    pub warning: Option<(&'static str, String, &'static str)>,
    /// The release that it deploys, with its service: what it needs is made before there is any load.
    pub release: Option<(String, Release)>,
    /// The process that it starts beside the team's services: it must be known when the stack is started.
    pub process: Option<Process>,
    /// How soon after it was ended it comes back by itself, as real faults do.
    pub returns: Option<Duration>,
    /// Whether it counts as in place because containers run in which a command that fails is started again: it may never do anything.
    pub unproven: bool,
    /// Whether it ends by itself soon, whatever a runbook does.
    pub ends_by_itself: bool,
    /// Whether it has one number that can grow, so that it may have a `ramp`.
    pub grows: bool,
    /// Values of its parameters that must never reach a record.
    pub secrets: Vec<String>,
}

/// How a fault has ended by itself, in words; `None` where it has not.
pub type EndedByItself = FaultResult<Option<String>>;

/// The contract of a fault. `prepare` → (ledger) → `inject` → `confirm` → drill → `Undo::execute` → `confirm` says `Gone`.
#[async_trait]
pub trait Inject: Send + Sync {
    /// Looks at the stack and says how the fault will be undone; changes nothing.
    async fn prepare(&self, context: &FaultContext<'_>) -> FaultResult<Undo>;
    /// Breaks it, exactly where `undo` will undo it.
    async fn inject(&self, undo: &Undo, context: &FaultContext<'_>) -> FaultResult;
    /// Injects its parts again that somebody has ended, each once it has been ended for `returns`, until `ending`: then it returns, with
    /// nothing under way. Nothing by default, as what an agent holds, or a process, comes back where it runs: each session and each
    /// container by itself, to the millisecond, and no later because the runner is.
    async fn recur(&self, _undo: &Undo, _stack: &dyn Stack, _ending: &CancellationToken) -> FaultResult {
        Ok(())
    }
    /// Makes it as strong as the context says, without lifting it in between.
    async fn change(&self, _context: &FaultContext<'_>) -> FaultResult {
        Ok(())
    }
    /// Proves where it can be seen that the fault is in place, or that it is gone. The engine polls this after
    /// `inject`, asks it after later injections and the recovery, and polls it after the undo.
    async fn confirm(&self, undo: &Undo, context: &FaultContext<'_>) -> FaultResult<Presence>;
    /// How often it has acted so far, where that is counted.
    async fn acted(&self, _context: &FaultContext<'_>) -> FaultResult<Option<u64>> {
        Ok(None)
    }
    /// What has ended a fault that is gone, other than a step that cleared it: in words, where it can be told.
    async fn ended_by(&self, _undo: &Undo, _stack: &dyn Stack) -> Option<String> {
        None
    }
    /// That a fault that is gone has ended by itself, so that nobody can say that a runbook ended it: in words. Asked before
    /// the first mitigating command (`None`), and after the recovery: with how long ago the last mitigating
    /// step ended.
    async fn ended_by_itself(&self, _context: &FaultContext<'_>, _mitigated: Option<Duration>) -> EndedByItself {
        Ok(None)
    }
}

impl Debug for dyn Inject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inject").finish_non_exhaustive()
    }
}

/// Kinds that can break anything: such a fault is of no class of failures, unless it says which it covers.
pub const NO_CLASS: [&str; 2] = ["command", "process"];

/// The class of failures of a fault of this kind that says that it covers this.
pub fn class_of<'a>(kind: &'a str, covers: Option<&'a str>) -> Option<&'a str> {
    covers.or_else(|| (!NO_CLASS.contains(&kind)).then_some(kind))
}

/// Longest time after which a fault may come back; no fault may have longer `lasts`.
const LONGEST_RETURN: Duration = Duration::from_secs(3600);

/// Reads `returns`.
fn read_returns(map: &mut MapReader<'_>) -> Option<Duration> {
    map.optional_by("returns", |at| at.within(LONGEST_RETURN))
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
