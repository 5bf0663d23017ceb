//! How a fault is undone: data on the ledger, and the one place that carries it out, for the drill that runs and for
//! whoever comes after it.
//!
//! How the author of a fault says that it is undone: by words of their own (`undo`), or by nothing, because the stack is
//! thrown away after the drill (`irreversible: true`).

use super::command::carry_out;
use super::{FaultContext, FaultError, FaultResult, GOES_WITH_THE_STACK, containers, deploy, patch};
use crate::agent::protocol::AgentAsk;
use crate::agent::source::filled;
use crate::source::{MapReader, TextForm, shape};
use crate::stack::{ContainerOp, Damage, FileAnswer, FileAsk, FileDeed, Fingerprint, ObjectChange, RELEASE_WITHIN};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// How long one fault may take to be undone, and then to be seen gone.
pub(super) const UNDO_WITHIN: Duration = Duration::from_secs(15);

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
    /// A script for `sh` in the first running container of a service, which must be the harmed one while that is there; idempotent,
    /// as its author promises.
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
        marks: Fingerprint,
    },
    /// An object gets back what was planned. Only the drill that runs can do that; when it is killed, the stack is removed with it.
    Object {
        /// Kind and name.
        object: String,
        /// What the fault sets. Kept in memory: it may hold secrets.
        #[serde(skip)]
        change: Option<ObjectChange>,
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
    /// Nobody does anything: the cluster replaces Pods that are deleted.
    Pods {
        /// The service.
        service: String,
        /// Uid → name of those that are deleted.
        killed: BTreeMap<String, String>,
        /// Uids of the others that were there: what is neither is new.
        left: BTreeSet<String>,
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

/// What undoing a fault came to; nothing where there was nothing left to undo.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Undone {
    /// What was done, in words.
    pub what: Vec<String>,
    /// What was seen or written meanwhile.
    pub output: String,
}

impl Undone {
    /// The result of an undo that did these things.
    pub(super) fn of(what: impl IntoIterator<Item = String>) -> Undone {
        Undone { what: what.into_iter().collect(), output: String::new() }
    }
}

impl Undo {
    /// The undo of a fault that the scenario calls irreversible: nothing undoes it.
    pub(crate) fn nothing() -> Undo {
        Undo::Nothing { reason: GOES_WITH_THE_STACK.into(), damage: None, container: None }
    }

    /// The container in which the fault is, as it was started then, where it is in one.
    pub(super) fn container(&self) -> Option<&StartedContainer> {
        match self {
            Undo::Command { container, .. } | Undo::Nothing { container, .. } => container.as_ref(),
            _ => None,
        }
    }

    /// Why nothing undoes it, when nothing does.
    pub fn irreversible(&self) -> Option<&str> {
        if let Undo::Nothing { reason, .. } = self { Some(reason) } else { None }
    }

    /// How long `execute` may take, and how long the fault may then be seen still.
    pub fn within(&self) -> Duration {
        match self {
            Undo::Release { .. } | Undo::Object { .. } | Undo::Pods { .. } => RELEASE_WITHIN,
            _ => UNDO_WITHIN,
        }
    }

    /// Undoes the fault; idempotent. From another process than the drill's, which has no agents, as far as that can be done
    /// there.
    ///
    /// # Errors
    /// Why it may still be in place.
    pub async fn execute(&self, context: &FaultContext<'_>) -> FaultResult<Undone> {
        let (id, stack) = (context.id, context.stack);
        match self {
            // What agents held they have lifted by themselves when their channels ended.
            Undo::Agent { .. } if context.agents.is_none() => Ok(Undone::default()),
            Undo::Agent { agent, fault } => {
                context.ask(agent, "lift", AgentAsk::Lift { id: fault.clone() }).await?;
                Ok(Undone::of([format!("{agent} lifted {fault}")]))
            }
            Undo::Containers { .. } => containers::restore(self, stack).await,
            Undo::Command { service, script, .. } => {
                containers::commands_run_in(service, self, stack).await?;
                let executed = carry_out("undo", service, script, stack).await?;
                let what = vec![format!("undid {id} in {}", executed.container)];
                Ok(Undone { what, output: executed.output })
            }
            Undo::Release { service, marks } if marks.is_empty() => Err(FaultError::new(
                format!("`{service}`"),
                "the release may still be in place: only the drill knew how the service was planned",
            )),
            Undo::Release { service, marks } => deploy::take_back(service, marks, stack).await,
            Undo::Object { object, change: None } => {
                Err(FaultError::new(format!("`{object}` may still be changed"), "only the drill knew what was planned"))
            }
            Undo::Object { change: Some(change), .. } => patch::take_back(change, stack).await,
            Undo::Nothing { .. } | Undo::Pods { .. } => Ok(Undone::default()),
            Undo::Process { name } => {
                let operation = format!("remove the process `{name}`");
                let removed = stack.remove_process(name).await.map_err(FaultError::of(operation))?;
                Ok(Undone::of(removed.iter().map(|name| format!("removed {name}"))))
            }
            Undo::File { service, path, damage } => {
                let failed = |cause: String| FaultError::new(format!("repair `{path}` of `{service}`"), cause);
                let ask = FileAsk { path: path.clone(), what: FileDeed::Repair(damage.clone()) };
                match stack.files(service, &ask).await.map_err(|error| failed(error.to_string()))? {
                    FileAnswer::Done(how) => Ok(Undone::of([format!("undid {id}: {how}")])),
                    other => Err(failed(format!("nobody can say what became of the file: {other:?}"))),
                }
            }
        }
    }
}

const A_SCRIPT: TextForm = TextForm::new("a text", shape::filled);

/// Reads `undo` and `irreversible`, of which exactly one must be there: what undoes the fault, or that nothing does and it goes
/// with the stack; `what` is its kind.
pub(super) fn read_undo(map: &mut MapReader<'_>, what: &str) -> Option<Option<String>> {
    let undo = map.optional_with("undo", A_SCRIPT, filled);
    let irreversible: Option<bool> = map.optional("irreversible");
    // A value that is wrong has its own message.
    let (given, said) = (map.has("undo"), map.has("irreversible") && irreversible != Some(false));
    if given == said {
        map.error(map.head(), format!("{what} needs exactly one of `undo` and `irreversible: true`"))
            .help("`irreversible: true` says that nothing undoes it, and that it goes with the stack");
        return None;
    }
    if given { undo.map(Some) } else { irreversible.map(|_| None) }
}
