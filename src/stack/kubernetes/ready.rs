//! Waiting until everything of a drill is ready, with the reason where it is not.

use super::cluster::Cluster;
use super::errors::api;
use super::manifests::{kind, name};
use super::pods::{self, JOB_FAILED, ailment, is_hopeless, standing};
use super::watch;
use crate::record::Redactor;
use crate::stack::StackError;
use k8s_openapi::api::core::v1::Pod;
use kube::Client;
use kube::api::{Api, ApiResource, DynamicObject, ListParams, LogParams};
use kube::core::GroupVersionKind;
use serde_json::Value;
use tokio::time::Instant;

/// Lines of a container's log that go into a message.
const LOG_TAIL: i64 = 25;

/// What the API calls the objects of a kind, for the kinds that a drill waits for and changes.
pub(super) fn resource(object: &Value) -> ApiResource {
    let (group, version) = match super::manifests::text(object, "/apiVersion").split_once('/') {
        Some((group, version)) => (group, version),
        None => ("", super::manifests::text(object, "/apiVersion")),
    };
    ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind(object)))
}

/// The objects of the kind of this one, in a namespace.
pub(super) fn objects(client: &Client, namespace: &str, object: &Value) -> Api<DynamicObject> {
    Api::namespaced_with(client.clone(), namespace, &resource(object))
}

/// An object as the cluster has it now.
pub(super) async fn now(client: &Client, namespace: &str, object: &Value) -> Result<Value, StackError> {
    let operation = format!("looking at {} {}", kind(object), name(object));
    let found = objects(client, namespace, object).get(name(object)).await.map_err(api(operation.as_str()))?;
    Ok(as_value(&found, object))
}

/// What the cluster says of an object, with its kind, which lists leave out.
fn as_value(found: &DynamicObject, object: &Value) -> Value {
    let mut value = serde_json::to_value(found).unwrap_or_default();
    if let Value::Object(value) = &mut value {
        value.insert("kind".into(), Value::from(kind(object)));
    }
    value
}

/// Waits until the workloads have all that they ask for, one after the other: all of them were started before.
pub(super) async fn wait(
    cluster: &Cluster,
    namespace: &str,
    workloads: &[Value],
    deadline: Instant,
    redactor: &Redactor,
) -> Result<(), StackError> {
    let all: Api<Pod> = Api::namespaced(cluster.client.clone(), namespace);
    let look = "looking at the Pods";
    let stand = async {
        for workload in workloads {
            if !stands(&cluster.client, namespace, workload, deadline).await? {
                return Ok(Some(workload));
            }
        }
        Ok(None)
    };
    let of = |pod: &Pod| workloads.iter().find(|workload| belongs(pod, name(workload)));
    let hopeless = watch::until(&all, ListParams::default(), deadline, look, |pods| {
        pods.values().filter(|pod| ailment(pod).is_some_and(|why| is_hopeless(&why))).find_map(of)
    });
    let failed: Option<&Value> = tokio::select! {
        stand = stand => stand?,
        hopeless = hopeless => hopeless?.or(workloads.first()),
    };
    let Some(workload) = failed else { return Ok(()) };
    let missing =
        standing(&now(&cluster.client, namespace, workload).await?).err().unwrap_or("it is ready too late".into());
    let pods = all.list(&ListParams::default()).await.map_err(api(look))?.items;
    let own = pods.iter().filter(|pod| belongs(pod, name(workload)));
    let (reason, tail) = match own.filter_map(|pod| Some((pod, ailment(pod)?))).next() {
        Some((pod, why)) => (format!("{missing}; {} is not: {why}", pods::name(pod)), log(&all, pod).await),
        None => (missing, String::new()),
    };
    Err(StackError::Unhealthy {
        service: name(workload).to_string(),
        reason: redactor.text(&reason),
        tail: redactor.text(&tail),
    })
}

/// Waits until a workload has all that it asks for; `false` when it is a job that failed, or the deadline comes first.
pub(super) async fn stands(
    client: &Client,
    namespace: &str,
    workload: &Value,
    deadline: Instant,
) -> Result<bool, StackError> {
    let operation = format!("looking at {} {}", kind(workload), name(workload));
    let all = objects(client, namespace, workload);
    let seen = watch::until(&all, watch::only(name(workload)), deadline, &operation, |found| {
        match standing(&as_value(found.values().next()?, workload)) {
            Ok(()) => Some(true),
            Err(missing) => (missing == JOB_FAILED).then_some(false),
        }
    });
    Ok(seen.await?.unwrap_or(false))
}

/// Whether a Pod was made by the workload of this name: `web-7d4b9c6f5d-x2k4p`, `db-0`, `web`.
fn belongs(pod: &Pod, workload: &str) -> bool {
    let rest = pods::name(pod).strip_prefix(workload);
    let ends = |rest: &str| rest.strip_prefix('-').map(|end| end.matches('-').count() <= 1);
    rest.is_some_and(|rest| rest.is_empty() || ends(rest).unwrap_or(false))
}

/// The last lines of the log of a Pod that is not ready.
async fn log(pods: &Api<Pod>, pod: &Pod) -> String {
    let container = pods::statuses(pod).iter().find(|status| !status.ready).map(|status| status.name.clone());
    for previous in [true, false] {
        let params =
            LogParams { container: container.clone(), tail_lines: Some(LOG_TAIL), previous, ..LogParams::default() };
        if let Ok(text) = pods.logs(pods::name(pod), &params).await
            && !text.trim().is_empty()
        {
            return text;
        }
    }
    String::new()
}
