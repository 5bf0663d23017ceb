//! A guard around one part of a drill: that it panics keeps no other part from running.

use futures_util::FutureExt;
use std::any::Any;
use std::panic::AssertUnwindSafe;
use tokio_util::sync::CancellationToken;

/// Carries out one part of a drill; `Err` is what it said when it panicked. The parts that follow still run.
pub(super) async fn caught<T>(part: impl Future<Output = T>) -> Result<T, String> {
    AssertUnwindSafe(part).catch_unwind().await.map_err(|panic| panic_text(&*panic))
}

/// Carries out one part of a drill unless it is cancelled, before it or meanwhile: `None`.
pub(super) async fn unless<T>(cancelled: &CancellationToken, part: impl Future<Output = T>) -> Option<T> {
    tokio::select! {
        biased;
        () = cancelled.cancelled() => None,
        done = part => Some(done),
    }
}

fn panic_text(panic: &(dyn Any + Send)) -> String {
    panic
        .downcast_ref::<&str>()
        .map(ToString::to_string)
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "for a reason that it did not give".into())
}
