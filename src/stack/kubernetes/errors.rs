//! Short ways to say what the cluster could not do, and what to do about it.

use crate::output::chain;
use crate::stack::StackError;
pub(super) use crate::stack::compose::errors::{environment, hinted, none_runs};

/// An error of the Kubernetes API under the name of what was tried.
pub(super) fn api(operation: impl Into<String>) -> impl FnOnce(kube::Error) -> StackError {
    let operation = operation.into();
    move |error| match error {
        kube::Error::Api(status) if status.is_forbidden() => hinted(
            operation,
            &status.message,
            "the user of this context lacks that right; a drill makes and removes a namespace and everything in it",
        ),
        kube::Error::Api(status) => environment(operation, &status.message),
        other => environment(operation, chain(&other)),
    }
}

/// Whether the API server answered that there is no such object.
pub(super) fn is_missing(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.is_not_found())
}

/// That something was removed; that it is gone by now is as good.
pub(super) fn removed<T>(answer: kube::Result<T>, operation: impl Into<String>) -> Result<(), StackError> {
    match answer {
        Err(error) if !is_missing(&error) => Err(api(operation)(error)),
        _ => Ok(()),
    }
}

/// Whether the API server answered that the object is in another state than the call needs.
pub(super) fn is_conflict(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.is_conflict())
}
