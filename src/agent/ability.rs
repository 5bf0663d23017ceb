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
use std::future::Future;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use tokio_util::task::AbortOnDropHandle;

/// Takes what an ability has to tell; never waits.
pub type Tell = Arc<dyn Fn(Told) + Send + Sync>;

/// Bytes of alerts and notes that one ability tells: services of the stack can cause them without end.
pub const MOST_TOLD: usize = 16 << 20;

/// Tells no more alerts and notes than [`MOST_TOLD`], and once that the rest is lost: nobody may take that for silence.
pub(super) fn bounded(tell: Tell) -> Tell {
    let told_before = AtomicUsize::new(0);
    Arc::new(move |told| {
        if !matches!(told, Told::Alert(_) | Told::Note { .. }) {
            return tell(told);
        }
        let bytes = serde_json::to_vec(&told).map_or(MOST_TOLD, |line| line.len());
        let before = told_before.fetch_add(bytes, Ordering::SeqCst);
        if before + bytes < MOST_TOLD {
            tell(told);
        } else if before < MOST_TOLD {
            let why = format!("more than {} MiB of alerts and notes: those that follow are lost", MOST_TOLD >> 20);
            tell(Told::AlertsLost { why });
        }
    })
}

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

/// Runs a task, what only watches or sends, until it is lifted or dropped.
pub fn held_task(task: impl Future<Output = ()> + Send + 'static) -> Box<dyn Holding> {
    Box::new(AbortOnDropHandle::new(tokio::spawn(task)))
}

#[async_trait]
impl Holding for AbortOnDropHandle<()> {
    async fn look(&self) -> AgentAnswer {
        if self.is_finished() { AgentAnswer::gone("it has ended") } else { AgentAnswer::in_place("it is running") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::LoadReport;

    #[test]
    fn alerts_and_notes_without_end_are_lost_and_that_is_told_once() {
        let heard = Arc::new(Mutex::new(Vec::new()));
        let hears = heard.clone();
        let tell = bounded(Arc::new(move |told| hears.lock().unwrap().push(told)));
        // Each with what stands around its text is a little more than a quarter.
        for _ in 0..6 {
            tell(Told::Note { text: "x".repeat(MOST_TOLD / 4) });
        }
        tell(Told::Note { text: "a short one".into() });
        let late = crate::record::LateRecord { load: "load".into(), worst_us: 1, count: 1 };
        tell(Told::Load(LoadReport::Late(late)));
        let heard = heard.lock().unwrap();
        let kinds: Vec<_> = heard.iter().map(std::mem::discriminant).collect();
        let note = std::mem::discriminant(&Told::Note { text: String::new() });
        assert_eq!(kinds.get(..3), Some(&[note; 3][..]));
        assert!(matches!(heard.get(3..), Some([Told::AlertsLost { .. }, Told::Load(_)])), "{}", kinds.len());
    }
}
