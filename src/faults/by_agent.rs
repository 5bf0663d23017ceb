//! What the faults that an agent holds have in common: being asked for, confirmed and lifted over its channel.

use super::{EndedByItself, FaultContext, FaultError, FaultFacts, FaultResult, Inject, Presence, ReadFault, Undo};
use crate::agent::ability::Ability;
use crate::agent::pg::{PgServer, PgTarget};
use crate::agent::protocol::{AgentAnswer, AgentAsk};
use crate::slis::Ratio;
use crate::source::{MapReader, TextForm};
use crate::stack::AgentRole;
use async_trait::async_trait;
use std::num::NonZeroU16;
use std::time::Duration;

/// A percentage above 0%.
pub(super) const A_SHARE: TextForm = TextForm::new("a percentage like `50%`", Ratio::shape);

/// Reads a share of something that is broken.
pub(super) fn share(text: &str) -> Result<Ratio, String> {
    Ratio::parse(text).and_then(|share| match share.get() {
        0.0 => Err("a share of 0% breaks nothing".into()),
        _ => Ok(share),
    })
}

/// Where a proxy acts: in front of a service, on one of its ports or on all, on the connections of one client or of all.
pub struct ProxyPlace {
    service: String,
    port: Option<NonZeroU16>,
    /// The service on whose connections alone it acts.
    pub(super) from: Option<String>,
}

impl ProxyPlace {
    /// Reads `service`, `port` and `from`.
    pub(super) fn read(map: &mut MapReader<'_>) -> Option<ProxyPlace> {
        let service = map.require("service");
        let port = map.optional("port");
        let from = map.optional("from");
        Some(ProxyPlace { service: service?, port, from })
    }

    /// In words.
    pub(super) fn describe(&self) -> String {
        format!("`{}{}`", self.service, self.port.map_or_else(String::new, |port| format!(":{port}")))
    }

    /// Its one client in words, after `from` or `to`.
    pub(super) fn client(&self, word: &str) -> String {
        self.from.as_ref().map_or_else(String::new, |client| format!(" {word} `{client}`"))
    }

    /// The port, if it is one.
    pub(super) fn port(&self) -> Option<u16> {
        self.port.map(NonZeroU16::get)
    }
}

/// What an agent is asked for, once the stack is up.
type Asked = dyn Fn(&FaultContext<'_>) -> FaultResult<AgentAsk> + Send + Sync;

/// A fault that an agent holds.
pub struct AgentFault {
    /// Nothing undoes it.
    pub(super) irreversible: bool,
    /// Who holds it.
    pub(super) role: AgentRole,
    /// What it is asked for.
    pub(super) asked: Box<Asked>,
}

/// One, as it was read.
pub(super) type ReadAgentFault = ReadFault<AgentFault>;

impl AgentFault {
    /// One that the drill's agent holds.
    pub(super) fn of_drill(
        summary: String,
        asked: impl Fn(&FaultContext<'_>) -> FaultResult<AgentAsk> + Send + Sync + 'static,
    ) -> (FaultFacts, AgentFault) {
        let facts = FaultFacts { summary, ..FaultFacts::default() };
        (facts, AgentFault { irreversible: false, role: AgentRole::Drill, asked: Box::new(asked) })
    }

    /// One that the agent in front of a service holds, by this rule.
    pub(super) fn in_front<R: Ability>(
        place: &ProxyPlace,
        summary: String,
        rule: impl Fn(&FaultContext<'_>) -> R + Send + Sync + 'static,
    ) -> (FaultFacts, AgentFault) {
        let (facts, fault) = AgentFault::of_drill(summary, move |context| Ok(rule(context).ask(context.id)));
        let (services, client) = (vec![place.service.clone()], place.from.clone());
        let interposes = Some((place.service.clone(), place.port().into_iter().collect()));
        let role = AgentRole::Proxy { service: place.service.clone() };
        (FaultFacts { services, client, interposes, ..facts }, AgentFault { role, ..fault })
    }

    /// One that the drill's agent holds on a PostgreSQL server.
    pub(super) fn on_server(
        server: PgServer,
        summary: String,
        returns: Option<Duration>,
        asked: impl Fn(PgTarget, &str) -> AgentAsk + Send + Sync + 'static,
    ) -> (FaultFacts, AgentFault) {
        let (services, secrets) = (vec![server.service.clone()], server.secrets());
        let (facts, fault) = AgentFault::of_drill(summary, move |context| {
            let target = server.target(&context.stack.environment(&server.service));
            Ok(asked(target.map_err(|(operation, cause)| FaultError::new(operation, cause))?, context.id))
        });
        (FaultFacts { services, secrets, returns, ..facts }, fault)
    }

    fn is_in_front(&self) -> bool {
        matches!(self.role, AgentRole::Proxy { .. })
    }

    async fn look(&self, context: &FaultContext<'_>, operation: &str) -> FaultResult<AgentAnswer> {
        context.ask(&self.role.name(), operation, AgentAsk::Look { id: context.id.into() }).await
    }
}

#[async_trait]
impl Inject for AgentFault {
    async fn prepare(&self, context: &FaultContext<'_>) -> FaultResult<Undo> {
        // What cannot be asked for is no fault.
        (self.asked)(context)?;
        Ok(match self.irreversible {
            true => Undo::nothing(),
            // The agent has the undo and the password; so the ledger needs neither.
            false => Undo::Agent { agent: self.role.name(), fault: context.id.into() },
        })
    }

    async fn inject(&self, _undo: &Undo, context: &FaultContext<'_>) -> FaultResult {
        context.ask(&self.role.name(), "inject", (self.asked)(context)?).await.map(drop)
    }

    async fn change(&self, context: &FaultContext<'_>) -> FaultResult {
        let AgentAsk::Begin { id, message, .. } = (self.asked)(context)? else { return Ok(()) };
        context.ask(&self.role.name(), "change", AgentAsk::Change { id, message }).await.map(drop)
    }

    async fn confirm(&self, _undo: &Undo, context: &FaultContext<'_>) -> FaultResult<Presence> {
        match self.look(context, "confirm").await? {
            AgentAnswer::InPlace { detail, .. } => Ok(Presence::InPlace(detail)),
            AgentAnswer::Gone { detail, .. } => Ok(Presence::Gone(detail)),
            other => {
                let operation = format!("confirm `{}`", context.id);
                Err(FaultError::new(operation, format!("the agent answered something else: {other:?}")))
            }
        }
    }

    async fn ended_by_itself(&self, context: &FaultContext<'_>, mitigated: Option<Duration>) -> EndedByItself {
        let answer = match self.look(context, "ask").await {
            // Before the mitigation: it is asked again afterwards, and says the same then.
            Err(_) if mitigated.is_none() => return Ok(None),
            answer => answer?,
        };
        let AgentAnswer::Gone { detail, by_itself: true, .. } = answer else { return Ok(None) };
        let instead = if self.is_in_front() { "leave `first` out" } else { "give it `returns`" };
        Ok(Some(format!(
            "the fault `{}` ended by itself: {detail}; the drill cannot say that the runbook helped; {instead}",
            context.id
        )))
    }

    async fn acted(&self, context: &FaultContext<'_>) -> FaultResult<Option<u64>> {
        if !self.is_in_front() {
            return Ok(None);
        }
        match self.look(context, "ask").await? {
            AgentAnswer::InPlace { acted, .. } | AgentAnswer::Gone { acted, .. } => Ok(acted),
            _ => Ok(None),
        }
    }
}

impl FaultContext<'_> {
    /// Asks an agent about the fault; `operation` is what for.
    pub(super) async fn ask(&self, agent: &str, operation: &str, ask: AgentAsk) -> FaultResult<AgentAnswer> {
        let failed = |cause: String| FaultError::new(format!("{operation} `{}`", self.id), cause);
        let connected = self.agents.and_then(|agents| agents.iter().find(|(role, _)| role.name() == agent));
        let (_, agent) = connected.ok_or_else(|| failed(format!("the agent {agent} is not connected")))?;
        agent.ask(ask).await.map_err(|error| failed(error.to_string()))
    }
}
