//! What an ability of the agent is: it begins something inside the stack's network and holds it until it is lifted. It
//! knows no channel, so it works the same in the agent of a drill and in a test.

use super::clock::Clock;
use super::protocol::{AgentAnswer, AgentAsk, Told};
use super::proxy::Proxy;
use crate::load::LoadSpec;
use async_trait::async_trait;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt::{self, Debug};
use std::future::Future;
use std::sync::{Arc, Mutex};
use tokio_util::task::AbortOnDropHandle;

/// Takes what an ability has to tell; never waits.
pub type Tell = Arc<dyn Fn(Told) + Send + Sync>;

/// What the abilities of one session work with.
pub struct AgentContext {
    /// The agent's clock.
    pub clock: Clock,
    /// The proxy in front of a service, in an agent that is in front of one.
    pub proxy: Option<Proxy>,
    /// The loads that were begun, with the seed of their ids.
    pub loads: Mutex<BTreeMap<String, (LoadSpec, u64)>>,
}

impl AgentContext {
    /// A context in which nothing was begun yet.
    pub fn new(clock: Clock, proxy: Option<Proxy>) -> AgentContext {
        AgentContext { clock, proxy, loads: Mutex::default() }
    }

    pub(super) fn proxy(&self) -> Result<&Proxy, String> {
        self.proxy.as_ref().ok_or_else(|| "this agent is not in front of a service".into())
    }
}

/// What is held from now on, or in plain words why nothing is.
pub type HeldResult = Result<Box<dyn Holding>, String>;

/// An ability: the message that asks for it, and how that is begun.
pub trait Ability: Serialize + DeserializeOwned + Send + 'static {
    /// Its name on the wire.
    const NAME: &'static str;

    /// Begins it under this id; says in plain words why that cannot be. It is given up by being dropped, and then nothing
    /// is held.
    fn begin(self, id: &str, context: &AgentContext, tell: Tell) -> impl Future<Output = HeldResult> + Send;

    /// The request that begins it.
    fn ask(&self, id: &str) -> AgentAsk {
        // What has no form in JSON is refused by the agent, which then finds nothing.
        let message = serde_json::to_value(self).unwrap_or_default();
        AgentAsk::Begin { ability: Self::NAME.into(), id: id.into(), message }
    }
}

/// What an ability holds. Dropping it ends it as well.
#[async_trait]
pub trait Holding: Send + Sync {
    /// `InPlace` or `Gone` with evidence, `Failed` when it cannot be told.
    async fn look(&self) -> AgentAnswer;

    /// Makes it what another message of its ability asks for, without lifting it in between; says why that cannot be.
    async fn change(&self, _message: Value) -> Result<(), String> {
        Err("it cannot be changed while it is held".into())
    }

    /// Ends it; idempotent. What was done, or what could not be undone. Whoever lifts it drops it then, which is enough for
    /// what is only a task.
    async fn lift(&self) -> Result<String, String> {
        Ok(String::new())
    }
}

impl Debug for dyn Holding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Holding")
    }
}

/// A task that is held: what only watches or sends.
pub struct HeldTask(AbortOnDropHandle<()>);

impl HeldTask {
    /// Runs it until it is lifted or dropped.
    pub fn spawn(task: impl Future<Output = ()> + Send + 'static) -> Box<dyn Holding> {
        Box::new(HeldTask(AbortOnDropHandle::new(tokio::spawn(task))))
    }
}

#[async_trait]
impl Holding for HeldTask {
    async fn look(&self) -> AgentAnswer {
        if self.0.is_finished() { AgentAnswer::gone("it has ended") } else { AgentAnswer::in_place("it is running") }
    }
}
