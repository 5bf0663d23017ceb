//! A namespace of a cluster, and the objects in it as JSON. Waiting for something there is watching: the API server tells every change, so
//! nobody has to ask again and again.

use super::manifests::{is_of_kubernetes, kind, name, text};
use super::names::MANAGER;
use crate::output::chain;
pub(super) use crate::stack::compose::errors::{environment, hinted, none_runs};
use crate::stack::{StackError, StackResult};
use futures_util::StreamExt;
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{
    Api, ApiResource, DeleteParams, DynamicObject, ListParams, Patch, PatchParams, PostParams, WatchEvent, WatchParams,
};
use kube::core::GroupVersionKind;
use kube::discovery::{Scope, pinned_kind};
use kube::{Client, Resource, ResourceExt};
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::Duration;

/// A namespace.
#[derive(Clone)]
pub(super) struct ClusterNamespace {
    pub client: Client,
    pub name: String,
}

/// What the API calls the objects of a kind, for the kinds that a drill waits for and changes.
pub(super) fn resource(object: &Value) -> ApiResource {
    let version = text(object, "/apiVersion");
    let (group, version) = version.split_once('/').unwrap_or(("", version));
    ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind(object)))
}

/// What the cluster says of an object, with its kind, which lists leave out.
pub(super) fn as_value(found: &impl Serialize, object: &Value) -> Value {
    let mut value = serde_json::to_value(found).unwrap_or_default();
    value["kind"] = kind(object).into();
    value
}

/// The objects that are there of a kind.
pub(super) async fn list(all: &Api<DynamicObject>, wanted: &ListParams, operation: &str) -> StackResult<Vec<Value>> {
    let found = all.list(wanted).await.map_err(api(operation))?;
    Ok(found.items.iter().map(|object| serde_json::to_value(object).unwrap_or_default()).collect())
}

/// Makes an object among these, and returns it as the cluster has it.
pub(super) async fn make(all: &Api<DynamicObject>, object: &Value, operation: &str) -> StackResult<Value> {
    let typed = serde_json::from_value(object.clone()).map_err(|error| environment(operation, error))?;
    let params = PostParams { field_manager: Some(MANAGER.into()), ..PostParams::default() };
    let made = all.create(&params, &typed).await.map_err(api(operation))?;
    serde_json::to_value(made).map_err(|error| environment(operation, error))
}

impl ClusterNamespace {
    /// Its objects of a kind that every cluster has.
    pub(super) fn all<K: Resource<DynamicType = (), Scope = NamespaceResourceScope>>(&self) -> Api<DynamicObject> {
        Api::namespaced_with(self.client.clone(), &self.name, &ApiResource::erase::<K>(&()))
    }

    /// Its Pods, for what they alone have: commands and logs.
    pub(super) fn pods(&self) -> Api<Pod> {
        Api::namespaced(self.client.clone(), &self.name)
    }

    /// Its objects of the kind of this one. What the API calls a kind with which the cluster was extended, only the cluster knows: under a
    /// name that was guessed nothing would be found, and what is not found counts as removed.
    pub(super) async fn of(&self, object: &Value, operation: &str) -> StackResult<Api<DynamicObject>> {
        let known = resource(object);
        if is_of_kubernetes(object) {
            return Ok(Api::namespaced_with(self.client.clone(), &self.name, &known));
        }
        let wanted = GroupVersionKind::gvk(&known.group, &known.version, &known.kind);
        let (found, abilities) = pinned_kind(&self.client, &wanted).await.map_err(api(operation))?;
        if abilities.scope == Scope::Cluster {
            return Err(environment(operation, "its kind belongs to no namespace, and a drill has only its own"));
        }
        Ok(Api::namespaced_with(self.client.clone(), &self.name, &found))
    }

    /// An object as the cluster has it now.
    pub(super) async fn now(&self, object: &Value) -> StackResult<Value> {
        let operation = format!("looking at {} {}", kind(object), name(object));
        Ok(as_value(&self.of(object, &operation).await?.get(name(object)).await.map_err(api(operation))?, object))
    }

    /// An object as the cluster has it now; `None` where there is none, or one that is being removed and that nothing holds: a claim that Pods use
    /// is there until they are gone.
    pub(super) async fn live(&self, object: &Value, operation: String) -> StackResult<Option<Value>> {
        let found = self.of(object, &operation).await?.get_opt(name(object)).await.map_err(api(operation))?;
        let live = found.filter(|one| one.metadata.deletion_timestamp.is_none() || one.metadata.finalizers.is_some());
        Ok(live.map(|live| as_value(&live, object)))
    }

    /// Makes an object, and returns it as the cluster has it.
    pub(super) async fn make(&self, object: &Value, operation: &str) -> StackResult<Value> {
        make(&self.of(object, operation).await?, object, operation).await
    }

    pub(super) async fn patch(&self, object: &Value, patch: &Patch<Value>, operation: &str) -> StackResult<()> {
        let patched = self.of(object, operation).await?.patch(name(object), &PatchParams::default(), patch).await;
        patched.map(drop).map_err(api(operation))
    }

    /// Removes an object; that it is gone by now is as good.
    pub(super) async fn remove(&self, object: &Value, operation: &str) -> StackResult<()> {
        removed(self.of(object, operation).await?.delete(name(object), &DeleteParams::background()).await, operation)
    }
}

/// An error of the Kubernetes API under the name of what was tried.
pub(super) fn api(operation: impl Into<String>) -> impl FnOnce(kube::Error) -> StackError {
    let operation = operation.into();
    let hint = "the user of this context lacks that right; a drill makes and removes a namespace and everything in it";
    move |error| match error {
        kube::Error::Api(status) if status.is_forbidden() => hinted(operation, &status.message, hint),
        kube::Error::Api(status) => environment(operation, &status.message),
        other => environment(operation, chain(&other)),
    }
}

/// That something was removed; that it is gone by now is as good.
pub(super) fn removed<T>(answer: kube::Result<T>, operation: impl Into<String>) -> StackResult<()> {
    match answer {
        Err(kube::Error::Api(status)) if status.is_not_found() => Ok(()),
        answer => answer.map(drop).map_err(api(operation)),
    }
}

/// That something was removed, or is in another state than the call needs: it is being removed, or another one has its name.
pub(super) fn going<T>(answer: kube::Result<T>, operation: impl Into<String>) -> StackResult<()> {
    match answer {
        Err(kube::Error::Api(status)) if status.is_conflict() => Ok(()),
        answer => removed(answer, operation),
    }
}

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
mod watch_tests {
    use super::*;

    #[test]
    fn what_a_busy_server_says_is_not_final() {
        let answered =
            |code: u16| kube::Error::Api(serde_json::from_value(serde_json::json!({ "code": code })).unwrap());
        assert!([410, 429, 500, 502, 503, 504].into_iter().all(|code| !is_final(&answered(code))));
        assert!([400, 401, 403, 404, 422].into_iter().all(|code| is_final(&answered(code))));
    }
}
