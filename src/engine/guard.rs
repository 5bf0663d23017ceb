//! A guard around one part of a drill: that it panics keeps no other part from running.

use futures_util::FutureExt;
use std::panic::AssertUnwindSafe;

/// Carries out one part of a drill; `Err` is what it said when it panicked. The parts that follow still run.
pub(super) async fn caught<T>(part: impl Future<Output = T>) -> Result<T, String> {
    AssertUnwindSafe(part).catch_unwind().await.map_err(|panic| {
        let text = panic.downcast_ref::<&str>().map(ToString::to_string);
        let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
        text.unwrap_or_else(|| "for a reason that it did not give".into())
    })
}
