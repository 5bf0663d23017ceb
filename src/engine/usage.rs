//! Looks at what the stack uses, beside the phases: evidence, and what later game days plan with. Never a reason to fail.

use crate::record::{Event, EventSink};
use crate::stack::Stack;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// How often it is looked.
const EVERY: Duration = Duration::from_secs(5);
/// How long one look may take, so that the drill's end does not wait for a busy engine.
const WITHIN: Duration = Duration::from_secs(2);

/// Emits what the stack uses every five seconds until `ending`, and once then.
/// Nobody who interrupts a drill waits for that.
pub(super) async fn watch<S: Stack>(
    stack: &S,
    sink: &EventSink,
    ending: &CancellationToken,
    cancel: &CancellationToken,
) {
    let mut ended = false;
    while !ended {
        ended = ending.run_until_cancelled(tokio::time::sleep(EVERY)).await.is_none();
        let look = cancel.run_until_cancelled(tokio::time::timeout(WITHIN, stack.usage()));
        if let Some(Ok(Ok(Some(usage)))) = look.await
            && usage.containers > 0
        {
            sink.emit(Event::Usage(usage));
        }
    }
}
