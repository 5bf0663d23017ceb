//! Short ways to say what failed, why, and what to do about it.

use crate::output::quoted;
use crate::stack::StackError;
use std::fmt::Display;

/// What a stack runs on, or a program for it, could not do something.
pub(in crate::stack) fn environment(operation: impl Into<String>, cause: impl Display) -> StackError {
    StackError::Environment { operation: operation.into(), cause: quoted(&cause.to_string()), hint: None }
}

/// The same, with what to do about it.
pub fn hinted(operation: impl Into<String>, cause: impl Display, hint: impl Into<String>) -> StackError {
    let cause = quoted(&cause.to_string());
    StackError::Environment { operation: operation.into(), cause, hint: Some(hint.into()) }
}

/// An error of the Docker API under the name of what was tried.
pub(super) fn api(operation: impl Into<String>) -> impl FnOnce(bollard::errors::Error) -> StackError {
    let operation = operation.into();
    move |error| match error {
        bollard::errors::Error::DockerResponseServerError { message, .. } => environment(operation, message.trim()),
        other => environment(operation, other),
    }
}

/// What the engine answered; `None` when it has no such thing.
pub(super) fn unless_gone<T>(answer: Result<T, bollard::errors::Error>) -> Result<Option<T>, bollard::errors::Error> {
    use bollard::errors::Error::DockerResponseServerError;
    match answer {
        Err(DockerResponseServerError { status_code: 404, .. }) => Ok(None),
        other => other.map(Some),
    }
}
