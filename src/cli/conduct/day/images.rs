//! The images of all stacks, once, before the first drill: side by side drills would build the same ones at the same time.

use super::plan::Ready;
use crate::record::{DayEvent, DaySink, RunDir};
use crate::stack::{RunIdentity, StackError, StackOptions};
use std::collections::BTreeMap;
use std::time::Instant;
use tokio_util::sync::CancellationToken;

/// Builds and pulls what the drills need. The drills of a stack whose images cannot be made will fail with that reason; the
/// others do not mind.
pub async fn make(
    mut ready: Vec<Ready>,
    options: &StackOptions,
    dir: &RunDir,
    cancel: &CancellationToken,
    sink: &DaySink,
) -> Vec<Ready> {
    let began = Instant::now();
    let identity = RunIdentity::of(dir, false);
    let mut made: BTreeMap<String, Option<StackError>> = BTreeMap::new();
    for drill in &mut ready {
        let key = drill.stack.images_key();
        if let Some(failed) = made.get(&key) {
            drill.no_images = failed.clone();
            continue;
        }
        let options = StackOptions { secrets: drill.plan.secrets(), ..options.clone() };
        let failed = drill.stack.prepare(&identity, &options, cancel).await.err();
        if cancel.is_cancelled() {
            return ready;
        }
        if let Some(error) = &failed {
            let text = format!("the images of {} could not be made: {error}", drill.planned.scenario);
            sink.emit(DayEvent::DayNote { text });
        }
        drill.no_images = failed.clone();
        made.insert(key, failed);
    }
    let took_us = u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX);
    sink.emit(DayEvent::ImagesReady { took_us });
    ready
}
