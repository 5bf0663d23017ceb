//! The Pods of a service: finding them, and their state as that of containers.

use super::exec::PodTarget;
use super::manifests::{self, Manifests, items, kind, name, text, texts};
use super::names::{PROCESS, SERVICE};
use super::namespace::{self, ClusterNamespace, as_value, environment, going, list, none_runs};
use super::stack::KubernetesStack;
use crate::stack::{ContainerState, StackError, StackResult};
use k8s_openapi::api::core::v1::Pod;
use kube::api::{DeleteParams, ListParams, LogParams, Preconditions};
use serde_json::Value;
use tokio::time::Instant;

/// What a Job lacks that will never have it.
pub(super) const JOB_FAILED: &str = "the job failed";
/// Lines of a container's log that go into a message.
const LOG_TAIL: i64 = 25;

/// The labels by which the Pods of a service are found.
fn selector(manifests: &Manifests, service: &str) -> Option<String> {
    if service.starts_with("fd-") {
        return Some(format!("{SERVICE}={service}"));
    }
    let Some(workload) = manifests.workload(service) else { return Some(format!("{PROCESS}={service}")) };
    let labels = match kind(workload) {
        "Pod" => texts(workload, "/metadata/labels"),
        "Job" => [("job-name".to_string(), service.to_string())].into(),
        _ => texts(workload, "/spec/selector/matchLabels"),
    };
    let labels: Vec<String> = labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
    (!labels.is_empty()).then(|| labels.join(","))
}

/// The Pods of a service, without those that are being deleted, by age and name: one that comes later is not the first.
pub(super) async fn of_service(stack: &KubernetesStack, service: &str) -> StackResult<Vec<Value>> {
    let operation = format!("looking at the Pods of `{service}`");
    let none = || environment(&operation, "the manifests have no such workload");
    let labels = selector(&stack.manifests, service).ok_or_else(none)?;
    let mut found = list(&stack.namespace.all::<Pod>(), &ListParams::default().labels(&labels), &operation).await?;
    found.retain(|pod| !is_deleted(pod));
    found.sort_by_cached_key(|pod| {
        ["/metadata/creationTimestamp", "/metadata/name"].map(|at| text(pod, at).to_string())
    });
    Ok(found)
}

/// Whether changes of a workload are rolled out to new Pods.
pub(super) fn is_rolled_out(workload: &Value) -> bool {
    ["Deployment", "StatefulSet", "DaemonSet"].contains(&kind(workload))
}

/// Whether it is being deleted.
pub(super) fn is_deleted(pod: &Value) -> bool {
    !text(pod, "/metadata/deletionTimestamp").is_empty()
}

/// The name of the container of a Pod that a service is.
pub(super) fn main_container<'p>(pod: &'p Value, service: &str) -> &'p str {
    manifests::main_container(&pod["spec"], service).map_or("", |container| text(container, "/name"))
}

/// The status of every container, of those that run before the others too.
pub(super) fn statuses(pod: &Value) -> impl Iterator<Item = &Value> {
    ["/status/initContainerStatuses", "/status/containerStatuses"].into_iter().flat_map(|of| items(pod, of))
}

pub(super) fn status_of<'p>(pod: &'p Value, container: &str) -> Option<&'p Value> {
    items(pod, "/status/containerStatuses").find(|status| text(status, "/name") == container)
}

/// What an object says of this condition.
fn condition<'o>(object: &'o Value, wanted: &str) -> Option<&'o Value> {
    items(object, "/status/conditions").find(|condition| text(condition, "/type") == wanted)
}

fn holds(object: &Value, wanted: &str) -> bool {
    condition(object, wanted).is_some_and(|condition| text(condition, "/status") == "True")
}

/// The text at a pointer, or else this one.
pub(super) fn told<'v>(value: &'v Value, pointer: &str, otherwise: &'v str) -> &'v str {
    Some(text(value, pointer)).filter(|told| !told.is_empty()).unwrap_or(otherwise)
}

/// What `Stack::delete_pod` does.
pub(super) async fn delete(namespace: &ClusterNamespace, uid: &str) -> StackResult<()> {
    let operation = format!("deleting the Pod {uid}");
    let all = list(&namespace.all::<Pod>(), &ListParams::default(), &operation).await?;
    let Some(pod) = all.iter().find(|pod| text(pod, "/metadata/uid") == uid) else { return Ok(()) };
    let this = Preconditions { uid: Some(uid.into()), resource_version: None };
    let now = DeleteParams::default().grace_period(0).preconditions(this);
    going(namespace.pods().delete(name(pod), &now).await, operation)
}

/// The state of a Pod, as that of its main container.
pub(super) fn state(pod: &Value, service: &str) -> ContainerState {
    let status = status_of(pod, main_container(pod, service)).unwrap_or(&Value::Null);
    let is = |state: &str| status["state"].get(state).is_some();
    let word = match status["restartCount"].as_i64() {
        _ if is("running") => "running",
        _ if is("terminated") => "exited",
        Some(1..) => "restarting",
        _ => "created",
    };
    ContainerState {
        id: text(pod, "/metadata/uid").into(),
        name: name(pod).into(),
        status: word.into(),
        exit_code: status["state"]["terminated"]["exitCode"].as_i64(),
        started_at: text(status, "/state/running/startedAt").into(),
        ready: holds(pod, "Ready"),
        ..ContainerState::default()
    }
}

/// The first running Pod of a service, and its main container.
pub(super) async fn running(stack: &KubernetesStack, service: &str) -> StackResult<PodTarget> {
    let found = of_service(stack, service).await?;
    let states: Vec<ContainerState> = found.iter().map(|pod| state(pod, service)).collect();
    match found.iter().zip(&states).find(|(_, state)| state.status == "running") {
        Some((pod, _)) => Ok(stack.namespace.container(name(pod), main_container(pod, service))),
        None => Err(none_runs("Pod", service, &states)),
    }
}

/// Why a Pod is not ready, in one line; `None` when it is.
pub(super) fn ailment(pod: &Value) -> Option<String> {
    if let Some(scheduled) = condition(pod, "PodScheduled").filter(|condition| text(condition, "/status") == "False") {
        return Some(format!("unschedulable: {}", text(scheduled, "/message")));
    }
    for container in statuses(pod) {
        let Some(waiting) = container.pointer("/state/waiting") else { continue };
        let reason = told(waiting, "/reason", "waiting");
        return Some(match container.pointer("/lastState/terminated/exitCode") {
            Some(code) => {
                format!("{reason}: its container `{}` ended with exit code {code}", text(container, "/name"))
            }
            None if reason.contains("Image") => format!("{reason}: {}", text(container, "/image")),
            None => format!("{reason}: {}", told(waiting, "/message", "its container has not started")),
        });
    }
    let ready = condition(pod, "Ready").filter(|_| !holds(pod, "Ready"))?;
    Some(told(ready, "/message", "its probes do not succeed").to_string())
}

/// Whether waiting cannot help a Pod with this ailment.
pub(super) fn is_hopeless(ailment: &str) -> bool {
    let ends = ["ErrImageNeverPull", "InvalidImageName", "CreateContainerConfigError"];
    // A node that is busy has not heard of a ConfigMap or Secret yet: it asks again.
    ends.iter().any(|end| ailment.starts_with(end)) && !ailment.contains("failed to sync")
}

/// Whether a workload has all that it asks for, as its status says; the error is what is missing.
pub(super) fn standing(workload: &Value) -> Result<(), String> {
    let number = |pointer: &str| workload.pointer(pointer).and_then(Value::as_i64);
    let wanted = number("/spec/replicas").unwrap_or(1);
    let seen = number("/status/observedGeneration").unwrap_or(0) >= number("/metadata/generation").unwrap_or(0);
    let of = |have: Option<i64>, wanted: i64, what: &str| match have.unwrap_or(0) {
        have if have >= wanted && seen => Ok(()),
        have => Err(format!("{have} of {wanted} {what}")),
    };
    // With `OnDelete` nothing is updated by itself.
    let rolls = text(workload, "/spec/updateStrategy/type") != "OnDelete";
    match kind(workload) {
        "Deployment" => {
            of(number("/status/updatedReplicas"), wanted, "replicas are updated")?;
            of(number("/status/availableReplicas"), wanted, "replicas are available")?;
            // Old Pods that still serve are none of the new release.
            let is_over = number("/status/replicas").unwrap_or(0) <= wanted;
            is_over.then_some(()).ok_or_else(|| "old replicas are still there".into())
        }
        "StatefulSet" => {
            of(number("/status/readyReplicas"), wanted, "replicas are ready")?;
            let partition = number("/spec/updateStrategy/rollingUpdate/partition").unwrap_or(0);
            let to_update = if rolls { wanted.saturating_sub(partition).max(0) } else { 0 };
            of(number("/status/updatedReplicas"), to_update, "replicas are updated")
        }
        "DaemonSet" => {
            let wanted = number("/status/desiredNumberScheduled").unwrap_or(1);
            of(number("/status/numberReady"), wanted, "Pods are ready")?;
            of(number("/status/updatedNumberScheduled"), if rolls { wanted } else { 0 }, "Pods are updated")
        }
        "Job" if holds(workload, "Failed") => Err(JOB_FAILED.into()),
        "Job" => holds(workload, "Complete").then_some(()).ok_or_else(|| "the job has not ended".into()),
        _ => holds(workload, "Ready").then_some(()).ok_or_else(|| "it is not ready".into()),
    }
}

/// Waits until the workloads have all that they ask for, one after the other: all of them were started before.
pub(super) async fn wait(stack: &KubernetesStack, workloads: &[Value], deadline: Instant) -> StackResult<()> {
    let (namespace, all) = (&stack.namespace, stack.namespace.all::<Pod>());
    let look = "looking at the Pods";
    let stand = async {
        for workload in workloads {
            if !stands(namespace, workload, deadline).await? {
                return Ok(Some(workload));
            }
        }
        Ok(None)
    };
    let of = |pod: &Value| workloads.iter().find(|workload| belongs(pod, workload));
    let within = deadline.saturating_duration_since(Instant::now());
    let hopeless = namespace::until(&all, ListParams::default(), within, look, |pods| {
        pods.values().filter(|pod| ailment(pod).is_some_and(|why| is_hopeless(&why))).find_map(of)
    });
    let failed: Option<&Value> = tokio::select! {
        stand = stand => stand?,
        // At the deadline it is the other one that knows which workload is late.
        Ok(Some(hopeless)) = hopeless => Some(hopeless),
    };
    let Some(workload) = failed else { return Ok(()) };
    let missing = standing(&namespace.now(workload).await?).err().unwrap_or("it is ready too late".into());
    let pods = list(&all, &ListParams::default(), look).await?;
    let own = pods.iter().filter(|pod| belongs(pod, workload));
    let (reason, tail) = match own.filter_map(|pod| Some((pod, ailment(pod)?))).next() {
        Some((pod, why)) => (format!("{missing}; {} is not: {why}", name(pod)), log(namespace, pod).await),
        None => (missing, String::new()),
    };
    Err(StackError::Unhealthy {
        service: name(workload).to_string(),
        reason: stack.redactor.text(&reason),
        tail: stack.redactor.text(&tail),
    })
}

/// Waits until a workload has all that it asks for; `false` when it is a job that failed, or the deadline comes first.
pub(super) async fn stands(own: &ClusterNamespace, workload: &Value, deadline: Instant) -> StackResult<bool> {
    let operation = format!("looking at {} {}", kind(workload), name(workload));
    let all = own.of(workload, &operation).await?;
    let (wanted, within) = (namespace::only(name(workload)), deadline.saturating_duration_since(Instant::now()));
    let seen = namespace::until(&all, wanted, within, &operation, |found| {
        let stands = standing(&as_value(found.values().next()?, workload));
        stands.map_or_else(|missing| (missing == JOB_FAILED).then_some(false), |()| Some(true))
    });
    Ok(seen.await?.unwrap_or(false))
}

/// Whether a Pod was made by this workload, by their names: `web-7d4b9c6f5d-x2k4p`, `db-0`, `web`.
fn belongs(pod: &Value, workload: &Value) -> bool {
    let rest = name(pod).strip_prefix(name(workload));
    let ends = |rest: &str| rest.strip_prefix('-').map(|end| end.matches('-').count() <= 1);
    rest.is_some_and(|rest| rest.is_empty() || ends(rest).unwrap_or(false))
}

/// The last lines of the log of a Pod that is not ready.
async fn log(namespace: &ClusterNamespace, pod: &Value) -> String {
    let container = items(pod, "/status/containerStatuses").find(|status| status["ready"] != true);
    let of = container.map(|status| text(status, "/name").to_string());
    for previous in [true, false] {
        let params = LogParams { container: of.clone(), tail_lines: Some(LOG_TAIL), previous, ..LogParams::default() };
        if let Ok(text) = namespace.pods().logs(name(pod), &params).await
            && !text.trim().is_empty()
        {
            return text;
        }
    }
    String::new()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn pod(status: Value) -> Value {
        json!({ "metadata": { "name": "web-1", "uid": "u" }, "status": status,
            "spec": { "containers": [{ "name": "side" }, { "name": "web" }] } })
    }

    #[test]
    fn a_pod_is_as_its_main_container_is() {
        let of = |state: Value| {
            let status = json!({ "containerStatuses": [{ "name": "web", "image": "web:1", "imageID": "", "ready": false,
                                                         "restartCount": 2, "state": state }] });
            super::state(&pod(status), "web")
        };
        assert_eq!(of(json!({ "running": {} })).status, "running");
        assert_eq!(of(json!({ "waiting": { "reason": "CrashLoopBackOff" } })).status, "restarting");
        let ended = of(json!({ "terminated": { "exitCode": 3 } }));
        assert_eq!((ended.status.as_str(), ended.exit_code), ("exited", Some(3)));
    }

    #[test]
    fn why_a_pod_is_not_ready_is_one_line() {
        let waiting = |reason: &str, last: Value| {
            let status = json!({ "containerStatuses": [{ "name": "web", "image": "web:1", "imageID": "", "ready": false,
                "restartCount": 2, "state": { "waiting": { "reason": reason } }, "lastState": last }] });
            ailment(&pod(status)).unwrap()
        };
        assert_eq!(waiting("ImagePullBackOff", json!({})), "ImagePullBackOff: web:1");
        let crashed = waiting("CrashLoopBackOff", json!({ "terminated": { "exitCode": 1 } }));
        assert_eq!(crashed, "CrashLoopBackOff: its container `web` ended with exit code 1");
        let full = json!({ "conditions": [{ "type": "PodScheduled", "status": "False", "message": "0/1 nodes" }] });
        assert_eq!(ailment(&pod(full)).unwrap(), "unschedulable: 0/1 nodes");
        assert_eq!(ailment(&pod(json!({ "conditions": [{ "type": "Ready", "status": "True" }] }))), None);
        assert!(is_hopeless("ErrImageNeverPull: x") && !is_hopeless("ImagePullBackOff: x"));
        assert!(is_hopeless("CreateContainerConfigError: configmap \"x\" not found"));
        assert!(!is_hopeless("CreateContainerConfigError: failed to sync configmap cache: timed out"));
    }

    #[test]
    fn a_deployment_stands_when_the_new_pods_serve_and_the_old_ones_are_gone() {
        let deployment = |status: Value| json!({ "kind": "Deployment", "metadata": { "generation": 2 }, "spec": { "replicas": 2 }, "status": status });
        let good = json!({ "observedGeneration": 2, "updatedReplicas": 2, "availableReplicas": 2, "replicas": 2 });
        assert_eq!(standing(&deployment(good)), Ok(()));
        let old = json!({ "observedGeneration": 1, "updatedReplicas": 2, "availableReplicas": 2, "replicas": 2 });
        assert!(standing(&deployment(old)).is_err(), "what was not seen yet says nothing");
        let rolling = json!({ "observedGeneration": 2, "updatedReplicas": 2, "availableReplicas": 2, "replicas": 3 });
        assert_eq!(standing(&deployment(rolling)).unwrap_err(), "old replicas are still there");
        let failed = json!({ "kind": "Job", "status": { "conditions": [{ "type": "Failed", "status": "True" }] } });
        assert_eq!(standing(&failed).unwrap_err(), "the job failed");
    }

    #[test]
    fn what_is_ready_and_not_updated_is_still_being_rolled_out() {
        let set = |strategy: Value, updated: i64| {
            let status = json!({ "observedGeneration": 2, "readyReplicas": 3, "updatedReplicas": updated });
            standing(&json!({ "kind": "StatefulSet", "metadata": { "generation": 2 }, "status": status,
                              "spec": { "replicas": 3, "updateStrategy": strategy } }))
        };
        let partition =
            |partition: i64| json!({ "type": "RollingUpdate", "rollingUpdate": { "partition": partition } });
        assert_eq!(set(partition(0), 2).unwrap_err(), "2 of 3 replicas are updated");
        assert_eq!(set(partition(0), 3), Ok(()));
        assert!(set(partition(2), 0).is_err() && set(partition(2), 1).is_ok() && set(partition(9), 0).is_ok());
        assert_eq!(set(json!({ "type": "OnDelete" }), 0), Ok(()));
        let daemons = |strategy: &str, updated: i64| {
            let status = json!({ "desiredNumberScheduled": 2, "numberReady": 2, "updatedNumberScheduled": updated });
            let spec = json!({ "updateStrategy": { "type": strategy } });
            standing(&json!({ "kind": "DaemonSet", "spec": spec, "status": status }))
        };
        assert_eq!(daemons("RollingUpdate", 1).unwrap_err(), "1 of 2 Pods are updated");
        assert!(daemons("RollingUpdate", 2).is_ok() && daemons("OnDelete", 0).is_ok());
    }
}
