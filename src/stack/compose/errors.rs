//! Short ways to say what failed, why, and what to do about it.

use crate::output::quoted;
use crate::stack::{ContainerState, StackError};
use std::fmt::Display;

/// What a stack runs on, or a program for it, could not do something.
pub(in crate::stack) fn environment(operation: impl Into<String>, cause: impl Display) -> StackError {
    StackError::Environment { operation: operation.into(), cause: quoted(&cause.to_string()), hint: None }
}

/// An error like those of `environment`, with what to do about it.
pub fn hinted(operation: impl Into<String>, cause: impl Display, hint: impl Into<String>) -> StackError {
    let cause = quoted(&cause.to_string());
    StackError::Environment { operation: operation.into(), cause, hint: Some(hint.into()) }
}

/// An error of the Docker API under the name of what was tried.
pub(super) fn api(operation: impl Into<String>) -> impl FnOnce(bollard::errors::Error) -> StackError {
    let operation = operation.into();
    move |error| environment(operation, words_of(error))
}

/// What the engine says of an error.
pub(super) fn words_of(error: bollard::errors::Error) -> String {
    match error {
        bollard::errors::Error::DockerResponseServerError { message, .. } => message.trim().to_string(),
        other => other.to_string(),
    }
}

/// That no container or Pod of a service runs, and how those stand that it has.
pub(in crate::stack) fn none_runs(what: &str, service: &str, seen: &[ContainerState]) -> StackError {
    let seen: Vec<String> = seen.iter().map(|one| format!("{} is {}", one.name, one.status)).collect();
    let cause = if seen.is_empty() { "it has none".to_string() } else { seen.join(", ") };
    environment(format!("finding the {what} of `{service}`"), cause)
}

/// What the engine answered; `None` when it has no such thing.
pub(super) fn unless_gone<T>(answer: Result<T, bollard::errors::Error>) -> Result<Option<T>, bollard::errors::Error> {
    use bollard::errors::Error::DockerResponseServerError;
    match answer {
        Err(DockerResponseServerError { status_code: 404, .. }) => Ok(None),
        other => other.map(Some),
    }
}
