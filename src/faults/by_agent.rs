//! What the faults that an agent holds have in common: being asked for, confirmed and lifted over its channel.

use super::{FaultContext, FaultError, Presence, Undo};
use crate::agent::AgentError;
use crate::agent::protocol::{Answer, Ask};
use crate::stack::AgentRole;

/// The undo of a fault that this agent holds.
pub(super) fn undo(role: &AgentRole, context: &FaultContext<'_>) -> Undo {
    Undo::Agent { agent: role.name(), fault: context.id.into() }
}

async fn ask(context: &FaultContext<'_>, role: &AgentRole, operation: &str, ask: Ask) -> Result<Answer, FaultError> {
    let failed = |cause: String| FaultError::new(format!("{operation} `{}`", context.id), cause);
    let agent =
        context.agents.get(role).ok_or_else(|| failed(format!("the agent {} is not connected", role.name())))?;
    match agent.ask(ask).await {
        Ok(Answer::Failed { reason }) => Err(failed(reason)),
        Ok(answer) => Ok(answer),
        Err(AgentError::Failed(reason)) => Err(failed(reason)),
        Err(gone @ AgentError::Gone { .. }) => Err(failed(gone.to_string())),
    }
}

/// Has the agent begin a fault.
pub(super) async fn begin(context: &FaultContext<'_>, role: &AgentRole, what: Ask) -> Result<(), FaultError> {
    ask(context, role, "inject", what).await.map(|_| ())
}

/// Has the agent look whether a fault is in place.
pub(super) async fn confirm(context: &FaultContext<'_>, role: &AgentRole) -> Result<Presence, FaultError> {
    match ask(context, role, "confirm", Ask::Confirm { fault: context.id.into() }).await? {
        Answer::InPlace { detail } => Ok(Presence::InPlace(detail)),
        Answer::Gone { detail } => Ok(Presence::Gone(detail)),
        other => {
            let operation = format!("confirm `{}`", context.id);
            Err(FaultError::new(operation, format!("the agent answered something else: {other:?}")))
        }
    }
}

/// Has the agent lift a fault, which writes nothing.
pub(super) async fn lift(context: &FaultContext<'_>, role: &AgentRole) -> Result<String, FaultError> {
    ask(context, role, "lift", Ask::Lift { fault: context.id.into() }).await.map(|_| String::new())
}
