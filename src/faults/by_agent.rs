//! What the faults that an agent holds have in common: being asked for, confirmed and lifted over its channel.

use super::{FaultContext, FaultError, Inject, Presence, Undo};
use crate::agent::AgentError;
use crate::agent::ability::Ability;
use crate::agent::protocol::{AgentAnswer, AgentAsk};
use crate::slis::Ratio;
use crate::source::{MapReader, TextForm};
use crate::stack::AgentRole;
use async_trait::async_trait;
use std::fmt;
use std::num::NonZeroU16;

/// A percentage above 0%.
pub(super) const A_SHARE: TextForm = TextForm::new("a percentage like `50%`", Ratio::shape);

/// Reads a share of something that is broken.
pub(super) fn share(text: &str) -> Result<Ratio, String> {
    Ratio::parse(text).and_then(|share| match share.get() {
        0.0 => Err("a share of 0% breaks nothing".into()),
        _ => Ok(share),
    })
}

/// Where a proxy acts: in front of a service, on one of its ports or on all.
#[derive(Debug, Clone)]
pub struct ProxyPlace {
    service: String,
    port: Option<NonZeroU16>,
}

impl ProxyPlace {
    /// Reads `service` and `port`.
    pub(super) fn read(map: &mut MapReader<'_>) -> Option<ProxyPlace> {
        let service = map.require("service");
        let port = map.optional("port");
        Some(ProxyPlace { service: service?, port })
    }

    /// The port, if it is one.
    pub(super) fn port(&self) -> Option<u16> {
        self.port.map(NonZeroU16::get)
    }

    fn role(&self) -> AgentRole {
        AgentRole::Proxy { service: self.service.clone() }
    }
}

impl fmt::Display for ProxyPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let port = self.port.map_or_else(String::new, |port| format!(":{port}"));
        write!(f, "`{}{port}`", self.service)
    }
}

/// A fault that the agent in front of a service holds: as [`Inject`], but for what all of them have in common.
pub trait ProxyFault: fmt::Debug + Send + Sync + Sized {
    /// What the agent is asked for.
    type Rule: Ability + Sync;
    /// Reads its parameters; `None` when there were mistakes, which are noted.
    fn from_map(map: &mut MapReader<'_>) -> Option<Self>;
    /// What it does, in one line.
    fn summary(&self) -> String;
    /// Where it acts.
    fn place(&self) -> &ProxyPlace;
    /// What the agent is asked for, with this seed.
    fn rule(&self, seed: u64) -> Self::Rule;
    /// The service on whose connections alone it acts.
    fn client(&self) -> Option<&str> {
        None
    }
}

#[async_trait]
impl<F: ProxyFault> Inject for F {
    fn from_map(map: &mut MapReader<'_>) -> Option<Self> {
        F::from_map(map)
    }

    fn summary(&self) -> String {
        F::summary(self)
    }

    fn interposes(&self) -> Option<(String, Vec<u16>)> {
        Some((self.place().service.clone(), self.place().port().into_iter().collect()))
    }

    fn services(&self) -> Vec<String> {
        vec![self.place().service.clone()]
    }

    fn client(&self) -> Option<&str> {
        F::client(self)
    }

    async fn prepare(&self, context: &FaultContext<'_>) -> Result<Undo, FaultError> {
        Ok(undo(&self.place().role(), context))
    }

    async fn inject(&self, _undo: &Undo, context: &FaultContext<'_>) -> Result<(), FaultError> {
        begin(context, &self.place().role(), &self.rule(context.seed)).await
    }

    async fn confirm(&self, _undo: &Undo, context: &FaultContext<'_>) -> Result<Presence, FaultError> {
        confirm(context, &self.place().role()).await
    }

    async fn acted(&self, context: &FaultContext<'_>) -> Result<Option<u64>, FaultError> {
        match ask(context, &self.place().role().name(), "ask", AgentAsk::Look { id: context.id.into() }).await? {
            AgentAnswer::InPlace { acted, .. } => Ok(acted),
            _ => Ok(None),
        }
    }
}

/// The undo of a fault that this agent holds.
pub(super) fn undo(role: &AgentRole, context: &FaultContext<'_>) -> Undo {
    Undo::Agent { agent: role.name(), fault: context.id.into() }
}

async fn ask(
    context: &FaultContext<'_>,
    agent: &str,
    operation: &str,
    ask: AgentAsk,
) -> Result<AgentAnswer, FaultError> {
    let failed = |cause: String| FaultError::new(format!("{operation} `{}`", context.id), cause);
    let connected = context.agents.and_then(|agents| agents.iter().find(|(role, _)| role.name() == agent));
    let (_, agent) = connected.ok_or_else(|| failed(format!("the agent {agent} is not connected")))?;
    match agent.ask(ask).await {
        Ok(AgentAnswer::Failed { reason }) => Err(failed(reason)),
        Ok(answer) => Ok(answer),
        Err(AgentError::Failed(reason)) => Err(failed(reason)),
        Err(gone @ AgentError::Gone { .. }) => Err(failed(gone.to_string())),
    }
}

/// Has the agent begin a fault.
pub(super) async fn begin(
    context: &FaultContext<'_>,
    role: &AgentRole,
    ability: &impl Ability,
) -> Result<(), FaultError> {
    ask(context, &role.name(), "inject", ability.ask(context.id)).await.map(|_| ())
}

/// Has the agent look whether a fault is in place.
pub(super) async fn confirm(context: &FaultContext<'_>, role: &AgentRole) -> Result<Presence, FaultError> {
    match ask(context, &role.name(), "confirm", AgentAsk::Look { id: context.id.into() }).await? {
        AgentAnswer::InPlace { detail, .. } => Ok(Presence::InPlace(detail)),
        AgentAnswer::Gone { detail } => Ok(Presence::Gone(detail)),
        other => {
            let operation = format!("confirm `{}`", context.id);
            Err(FaultError::new(operation, format!("the agent answered something else: {other:?}")))
        }
    }
}

/// Has the agent of this name lift a fault.
pub(super) async fn lift(context: &FaultContext<'_>, agent: &str, fault: &str) -> Result<(), FaultError> {
    ask(context, agent, "lift", AgentAsk::Lift { id: fault.into() }).await.map(drop)
}
