//! Waiting until everything of a drill is ready, with the reason where it is not.

use super::cluster::Cluster;
use super::errors::api;
use super::manifests::{kind, name};
use super::pods::{self, ailment, is_hopeless, standing};
use crate::record::Redactor;
use crate::stack::StackError;
use k8s_openapi::api::core::v1::Pod;
use kube::Client;
use kube::api::{Api, ApiResource, DynamicObject, ListParams, LogParams};
use kube::core::GroupVersionKind;
use serde_json::Value;
use std::time::Duration;
use tokio::time::Instant;

/// Between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(500);
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
    let mut value = serde_json::to_value(found).unwrap_or_default();
    if let Value::Object(value) = &mut value {
        value.insert("kind".into(), Value::from(kind(object)));
    }
    Ok(value)
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
    for workload in workloads {
        loop {
            let standing = standing(&now(&cluster.client, namespace, workload).await?);
            let Err(missing) = standing else { break };
            let late = Instant::now() >= deadline;
            let failed = missing == "the job failed";
            let pods = all.list(&ListParams::default()).await.map_err(api("looking at the Pods"))?.items;
            let own = pods.iter().filter(|pod| belongs(pod, name(workload)));
            let ailing = own.filter_map(|pod| Some((pod, ailment(pod)?))).next();
            if late || failed || ailing.as_ref().is_some_and(|(_, why)| is_hopeless(why)) {
                let (reason, tail) = match ailing {
                    Some((pod, why)) => (format!("{missing}; {} is not: {why}", pods::name(pod)), log(&all, pod).await),
                    None => (missing, String::new()),
                };
                return Err(StackError::Unhealthy {
                    service: name(workload).to_string(),
                    reason: redactor.text(&reason),
                    tail: redactor.text(&tail),
                });
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }
    Ok(())
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
