//! Short ways to say what failed, why, and what to do about it.

use crate::output::quoted;
use crate::stack::StackError;
use std::fmt::Display;

/// What a stack runs on, or a program for it, could not do something.
pub(in crate::stack) fn environment(operation: impl Into<String>, cause: impl Display) -> StackError {
    StackError::Environment { operation: operation.into(), cause: quoted(&cause.to_string()), hint: None }
}

/// The same, with what to do about it.
pub(in crate::stack) fn hinted(
    operation: impl Into<String>,
    cause: impl Display,
    hint: impl Into<String>,
) -> StackError {
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

/// Whether the engine answered with this status.
pub(super) fn is_status(error: &bollard::errors::Error, status: u16) -> bool {
    matches!(error, bollard::errors::Error::DockerResponseServerError { status_code, .. } if *status_code == status)
}
