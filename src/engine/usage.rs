//! Looks at what the stack uses, beside the phases: evidence, and what later game days plan with. Never a reason to fail.

use crate::record::{Event, EventSink};
use crate::stack::Stack;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// How often it is looked.
const EVERY: Duration = Duration::from_secs(5);
/// How long one look may take, on a busy engine.
const WITHIN: Duration = Duration::from_secs(2);

/// Emits what the stack uses every five seconds until `ending`. Nobody waits for a look that is under way then: an engine
/// takes up to two seconds for one, which would stand between the recovery and the revert.
pub(super) async fn watch(stack: &dyn Stack, sink: &EventSink, ending: &CancellationToken) {
    let looks = async {
        loop {
            tokio::time::sleep(EVERY).await;
            if let Ok(Ok(Some(usage))) = tokio::time::timeout(WITHIN, stack.usage()).await
                && usage.containers > 0
            {
                sink.emit(Event::Usage(usage));
            }
        }
    };
    // The looks never end by themselves.
    let _: Option<()> = ending.run_until_cancelled(looks).await;
}
