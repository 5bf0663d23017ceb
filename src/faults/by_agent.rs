//! What the faults that an agent holds have in common: being asked for, confirmed and lifted over its channel.

use super::{FaultError, Field, Presence, Undo};
use crate::agent::AgentError;
use crate::agent::protocol::{Answer, Ask};
use crate::stack::{AgentRole, Stack};

/// The undo of a fault that this agent holds.
pub(super) fn undo(role: &AgentRole, fault: &str) -> Undo {
    Undo::Agent { agent: role.name(), fault: fault.into() }
}

async fn ask<S: Stack>(
    field: &Field<'_, S>,
    role: &AgentRole,
    operation: &str,
    ask: Ask,
) -> Result<Answer, FaultError> {
    let failed = |cause: String| FaultError::new(operation, cause);
    let agent = field.agents.get(role).ok_or_else(|| failed(format!("the agent {} is not connected", role.name())))?;
    match agent.ask(ask).await {
        Ok(Answer::Failed { reason }) => Err(failed(reason)),
        Ok(answer) => Ok(answer),
        Err(AgentError::Failed(reason)) => Err(failed(reason)),
        Err(gone @ AgentError::Gone { .. }) => Err(failed(gone.to_string())),
    }
}

/// Has the agent begin a fault.
pub(super) async fn begin<S: Stack>(
    field: &Field<'_, S>,
    role: &AgentRole,
    fault: &str,
    what: Ask,
) -> Result<(), FaultError> {
    ask(field, role, &format!("inject `{fault}`"), what).await.map(|_| ())
}

/// Has the agent look whether a fault is in place.
pub(super) async fn confirm<S: Stack>(
    field: &Field<'_, S>,
    role: &AgentRole,
    fault: &str,
) -> Result<Presence, FaultError> {
    let operation = format!("confirm `{fault}`");
    match ask(field, role, &operation, Ask::Confirm { fault: fault.into() }).await? {
        Answer::InPlace { detail } => Ok(Presence::InPlace(detail)),
        Answer::Gone { detail } => Ok(Presence::Gone(detail)),
        other => Err(FaultError::new(operation, format!("the agent answered something else: {other:?}"))),
    }
}

/// Has the agent lift a fault, which writes nothing.
pub(super) async fn lift<S: Stack>(field: &Field<'_, S>, role: &AgentRole, fault: &str) -> Result<String, FaultError> {
    ask(field, role, &format!("lift `{fault}`"), Ask::Lift { fault: fault.into() }).await.map(|_| String::new())
}
