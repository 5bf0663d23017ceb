//! Waiting for something in the cluster by watching: the API server tells every change, so nobody has to ask again and again.

use super::namespace::api;
use crate::stack::StackResult;
use futures_util::StreamExt;
use kube::ResourceExt;
use kube::api::{Api, DynamicObject, ListParams, WatchEvent, WatchParams};
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::Duration;

/// How long one request watches, in seconds: API servers end longer ones after five minutes.
const ONE_WATCH: u32 = 290;
/// Before everything is listed again, when a watch has ended.
const AGAIN_AFTER: Duration = Duration::from_secs(1);

/// Looks at the objects that a selector names, now and after every change, until `look` has found something; `None` when the
/// time is over first. The objects are known by their names.
///
/// # Errors
/// `Environment` when they may not be listed or watched. What a server that is busy or not there cannot do is tried again.
pub(super) async fn until<T>(
    all: &Api<DynamicObject>,
    wanted: ListParams,
    within: Duration,
    operation: &str,
    mut look: impl FnMut(&BTreeMap<String, Value>) -> Option<T>,
) -> StackResult<Option<T>> {
    let named = |object: DynamicObject| (object.name_any(), serde_json::to_value(object).unwrap_or_default());
    let params = WatchParams {
        label_selector: wanted.label_selector.clone(),
        field_selector: wanted.field_selector.clone(),
        ..WatchParams::default().timeout(ONE_WATCH)
    };
    let watching = async {
        let mut pause = Duration::ZERO;
        loop {
            tokio::time::sleep(std::mem::replace(&mut pause, AGAIN_AFTER)).await;
            let Some(listed) = answered(all.list(&wanted).await, operation)? else { continue };
            let version = listed.metadata.resource_version.unwrap_or_default();
            let mut known: BTreeMap<String, Value> = listed.items.into_iter().map(named).collect();
            if let Some(found) = look(&known) {
                return Ok(found);
            }
            let Some(events) = answered(all.watch(&params, &version).await, operation)? else { continue };
            tokio::pin!(events);
            while let Some(Ok(event)) = events.next().await {
                match event {
                    WatchEvent::Added(object) | WatchEvent::Modified(object) => known.extend([named(object)]),
                    WatchEvent::Deleted(object) => drop(known.remove(&object.name_any())),
                    WatchEvent::Bookmark(_) => continue,
                    // The version is too old: everything is listed again.
                    WatchEvent::Error(_) => break,
                }
                if let Some(found) = look(&known) {
                    return Ok(found);
                }
            }
        }
    };
    tokio::time::timeout(within, watching).await.map_or(Ok(None), |found| found.map(Some))
}

/// What was answered; nothing where it can be asked again.
fn answered<T>(answer: kube::Result<T>, operation: &str) -> StackResult<Option<T>> {
    match answer {
        Err(error) if is_final(&error) => Err(api(operation)(error)),
        answer => Ok(answer.ok()),
    }
}

/// Whether asking again gets the same answer: the API server has understood and says no.
fn is_final(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if ![410, 429, 500, 502, 503, 504].contains(&status.code))
}

/// The object of this name and no other.
pub(super) fn only(name: &str) -> ListParams {
    ListParams::default().fields(&format!("metadata.name={name}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_busy_server_says_is_not_final() {
        let answered =
            |code: u16| kube::Error::Api(serde_json::from_value(serde_json::json!({ "code": code })).unwrap());
        assert!([410, 429, 500, 502, 503, 504].into_iter().all(|code| !is_final(&answered(code))));
        assert!([400, 401, 403, 404, 422].into_iter().all(|code| is_final(&answered(code))));
    }
}
