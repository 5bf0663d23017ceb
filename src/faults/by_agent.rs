//! What the faults that an agent holds have in common: being asked for, confirmed and lifted over its channel.

use super::{FaultContext, FaultError, Presence, Undo};
use crate::agent::AgentError;
use crate::agent::ability::Ability;
use crate::agent::protocol::{AgentAnswer, AgentAsk};
use crate::stack::AgentRole;

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
        AgentAnswer::InPlace { detail } => Ok(Presence::InPlace(detail)),
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
