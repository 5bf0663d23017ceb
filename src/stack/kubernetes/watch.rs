//! Waiting for something in the cluster by watching: the API server tells every change, so nobody has to ask again and again.

use super::errors::api;
use crate::stack::StackError;
use futures_util::StreamExt;
use kube::api::{Api, ListParams, WatchEvent, WatchParams};
use kube::{Resource, ResourceExt};
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;
use std::fmt::Debug;
use std::time::Duration;
use tokio::time::Instant;

/// How long one request watches, in seconds: API servers end longer ones after five minutes.
const ONE_WATCH: u32 = 290;
/// Before everything is listed again, when a watch has ended.
const AGAIN_AFTER: Duration = Duration::from_secs(1);

/// Looks at the objects that a selector names, now and after every change, until `look` has found something; `None` when the
/// deadline comes first. The objects are known by their names.
///
/// # Errors
/// `Environment` when they cannot be listed or watched. A connection that breaks later is made again.
pub(super) async fn until<K, T>(
    all: &Api<K>,
    wanted: ListParams,
    deadline: Instant,
    operation: &str,
    mut look: impl FnMut(&BTreeMap<String, K>) -> Option<T>,
) -> Result<Option<T>, StackError>
where
    K: Clone + Debug + DeserializeOwned + Resource,
{
    let params = WatchParams {
        label_selector: wanted.label_selector.clone(),
        field_selector: wanted.field_selector.clone(),
        ..WatchParams::default().timeout(ONE_WATCH)
    };
    let watching = async {
        let mut first = true;
        loop {
            if !std::mem::take(&mut first) {
                tokio::time::sleep(AGAIN_AFTER).await;
            }
            let listed = match all.list(&wanted).await {
                Err(kube::Error::Api(status)) => return Err(api(operation)(kube::Error::Api(status))),
                Err(_) => continue,
                Ok(listed) => listed,
            };
            let version = listed.metadata.resource_version.unwrap_or_default();
            let mut known: BTreeMap<String, K> =
                listed.items.into_iter().map(|object| (object.name_any(), object)).collect();
            if let Some(found) = look(&known) {
                return Ok(found);
            }
            let events = match all.watch(&params, &version).await {
                Err(kube::Error::Api(status)) => return Err(api(operation)(kube::Error::Api(status))),
                Err(_) => continue,
                Ok(events) => events,
            };
            tokio::pin!(events);
            while let Some(Ok(event)) = events.next().await {
                match event {
                    WatchEvent::Added(object) | WatchEvent::Modified(object) => {
                        known.insert(object.name_any(), object);
                    }
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
    match tokio::time::timeout_at(deadline, watching).await {
        Ok(found) => found.map(Some),
        Err(_) => Ok(None),
    }
}

/// The object of this name and no other.
pub(super) fn only(name: &str) -> ListParams {
    ListParams::default().fields(&format!("metadata.name={name}"))
}
