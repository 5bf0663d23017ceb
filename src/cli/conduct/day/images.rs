//! The images of all stacks, once, before the first drill: side by side drills would build the same ones at the same time.

use super::plan::Ready;
use crate::record::{DayEvent, DaySink, RunDir};
use crate::stack::StackError;
use crate::stack::compose::{ComposeStack, Endpoint, RunIdentity, StackOptions};
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::Instant;
use tokio_util::sync::CancellationToken;

/// Builds and pulls what the drills need. The drills of a stack whose images cannot be made will fail with that reason; the
/// others do not mind.
pub async fn make(
    mut ready: Vec<Ready>,
    endpoint: &Endpoint,
    options: &StackOptions,
    dir: &RunDir,
    cancel: &CancellationToken,
    sink: &DaySink,
) -> Vec<Ready> {
    let began = Instant::now();
    let identity = RunIdentity { id: dir.id().to_string(), dir: dir.path().to_path_buf(), keep: false };
    let mut made: BTreeMap<String, Option<StackError>> = BTreeMap::new();
    for drill in &mut ready {
        let key = key(drill);
        if let Some(failed) = made.get(&key) {
            drill.no_images = failed.clone();
            continue;
        }
        let stack = ComposeStack::new(drill.model.clone(), &drill.plan.stack, &identity, options, endpoint);
        let failed = match stack {
            Ok(stack) => stack.hiding(drill.plan.secrets()).prepare(cancel).await.err(),
            Err(error) => Some(error),
        };
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

/// What the images of a stack depend on: stacks that share all of it share their images.
fn key(drill: &Ready) -> String {
    let services = drill.model.section("services").iter().map(|(name, service)| {
        let of = |key: &str| service.get(key).cloned().unwrap_or(Value::Null);
        serde_json::json!([name, of("image"), of("build"), of("platform"), of("pull_policy")])
    });
    let services: Vec<Value> = services.collect();
    serde_json::json!([drill.model.name(), drill.plan.stack.toolbox_image, drill.plan.stack.releases, services])
        .to_string()
}
