//! The Pods of a service: finding them, and their state as that of containers.

use super::exec::PodTarget;
use super::manifests::{self, Manifests, items, kind, text, texts};
use super::names::{PROCESS, SERVICE};
use super::namespace::{ClusterNamespace, api, as_value, environment, is_conflict, is_missing, none_runs};
use super::stack::KubernetesStack;
use super::watch;
use crate::stack::{ContainerState, StackError, StackResult};
use k8s_openapi::api::core::v1::{ContainerStatus, Pod, PodCondition};
use kube::api::{Api, DeleteParams, ListParams, LogParams, Preconditions};
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
pub(super) async fn of_service(stack: &KubernetesStack, service: &str) -> StackResult<Vec<Pod>> {
    let operation = format!("looking at the Pods of `{service}`");
    let none = || environment(&operation, "the manifests have no such workload");
    let labels = selector(&stack.manifests, service).ok_or_else(none)?;
    let all = stack.namespace.pods();
    let mut found = all.list(&ListParams::default().labels(&labels)).await.map_err(api(operation))?.items;
    found.retain(|pod| pod.metadata.deletion_timestamp.is_none());
    let place = |pod: &Pod| (pod.metadata.creation_timestamp.clone(), pod.metadata.name.clone());
    found.sort_by_key(place);
    Ok(found)
}

/// Whether changes of a workload are rolled out to new Pods.
pub(super) fn is_rolled_out(workload: &Value) -> bool {
    ["Deployment", "StatefulSet", "DaemonSet"].contains(&kind(workload))
}

/// The name of a Pod.
pub(super) fn name(pod: &Pod) -> &str {
    pod.metadata.name.as_deref().unwrap_or_default()
}

/// The container of a Pod that a service is: the one that has its name, or the first.
pub(super) fn main_container(pod: &Pod, service: &str) -> String {
    let containers = pod.spec.as_ref().map(|spec| spec.containers.as_slice()).unwrap_or_default();
    let named = containers.iter().find(|container| container.name == service).or_else(|| containers.first());
    named.map(|container| container.name.clone()).unwrap_or_default()
}

pub(super) fn statuses(pod: &Pod) -> &[ContainerStatus] {
    pod.status.as_ref().and_then(|status| status.container_statuses.as_deref()).unwrap_or_default()
}

/// Of the containers that run before the others.
pub(super) fn init_statuses(pod: &Pod) -> &[ContainerStatus] {
    pod.status.as_ref().and_then(|status| status.init_container_statuses.as_deref()).unwrap_or_default()
}

pub(super) fn status_of<'p>(pod: &'p Pod, container: &str) -> Option<&'p ContainerStatus> {
    statuses(pod).iter().find(|status| status.name == container)
}

fn condition<'p>(pod: &'p Pod, wanted: &str) -> Option<&'p PodCondition> {
    pod.status.as_ref()?.conditions.iter().flatten().find(|condition| condition.type_ == wanted)
}

/// What `Stack::delete_pod` does.
pub(super) async fn delete(pods: &Api<Pod>, uid: &str) -> StackResult<()> {
    let operation = format!("deleting the Pod {uid}");
    let all = pods.list(&ListParams::default()).await.map_err(api(operation.as_str()))?;
    let Some(pod) = all.items.iter().find(|pod| pod.metadata.uid.as_deref() == Some(uid)) else { return Ok(()) };
    let this = Preconditions { uid: Some(uid.into()), resource_version: None };
    match pods.delete(name(pod), &DeleteParams::default().grace_period(0).preconditions(this)).await {
        Err(error) if !is_missing(&error) && !is_conflict(&error) => Err(api(operation)(error)),
        _ => Ok(()),
    }
}

/// The state of a Pod, as that of its main container.
pub(super) fn state(pod: &Pod, service: &str) -> ContainerState {
    let status = status_of(pod, &main_container(pod, service));
    let state = status.and_then(|status| status.state.as_ref());
    let running = state.and_then(|state| state.running.as_ref());
    let terminated = state.and_then(|state| state.terminated.as_ref());
    let restarted = status.is_some_and(|status| status.restart_count > 0);
    let word = match (running.is_some(), terminated.is_some(), restarted) {
        (true, ..) => "running",
        (_, true, _) => "exited",
        (_, _, true) => "restarting",
        _ => "created",
    };
    let started = running.and_then(|running| running.started_at.as_ref()).map(|time| time.0.to_string());
    ContainerState {
        id: pod.metadata.uid.clone().unwrap_or_default(),
        name: name(pod).to_string(),
        status: word.into(),
        exit_code: terminated.map(|terminated| i64::from(terminated.exit_code)),
        started_at: started.unwrap_or_default(),
        ready: condition(pod, "Ready").is_some_and(|ready| ready.status == "True"),
        ..ContainerState::default()
    }
}

/// The first running Pod of a service, and its main container.
pub(super) async fn running(stack: &KubernetesStack, service: &str) -> StackResult<PodTarget> {
    let found = of_service(stack, service).await?;
    let states: Vec<ContainerState> = found.iter().map(|pod| state(pod, service)).collect();
    match found.iter().zip(&states).find(|(_, state)| state.status == "running") {
        Some((pod, _)) => Ok(stack.namespace.container(name(pod), &main_container(pod, service))),
        None => Err(none_runs("Pod", service, &states)),
    }
}

/// Why a Pod is not ready, in one line; `None` when it is.
pub(super) fn ailment(pod: &Pod) -> Option<String> {
    if let Some(scheduled) = condition(pod, "PodScheduled").filter(|condition| condition.status == "False") {
        return Some(format!("unschedulable: {}", scheduled.message.as_deref().unwrap_or_default()));
    }
    for container in init_statuses(pod).iter().chain(statuses(pod)) {
        let state = container.state.as_ref();
        if let Some(waiting) = state.and_then(|state| state.waiting.as_ref()) {
            let reason = waiting.reason.as_deref().unwrap_or("waiting");
            let last = container.last_state.as_ref().and_then(|state| state.terminated.as_ref());
            return Some(match last {
                Some(last) => {
                    format!("{reason}: its container `{}` ended with exit code {}", container.name, last.exit_code)
                }
                None if reason.contains("Image") => format!("{reason}: {}", container.image),
                None => format!("{reason}: {}", waiting.message.as_deref().unwrap_or("its container has not started")),
            });
        }
    }
    let ready = condition(pod, "Ready")?;
    (ready.status != "True").then(|| ready.message.clone().unwrap_or_else(|| "its probes do not succeed".into()))
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
    let condition = |wanted: &str| {
        let mut all = items(workload, "/status/conditions");
        all.any(|condition| text(condition, "/type") == wanted && text(condition, "/status") == "True")
    };
    // With `OnDelete` nothing is updated by itself.
    let rolls = text(workload, "/spec/updateStrategy/type") != "OnDelete";
    match kind(workload) {
        "Deployment" => {
            of(number("/status/updatedReplicas"), wanted, "replicas are updated")?;
            of(number("/status/availableReplicas"), wanted, "replicas are available")?;
            // Old Pods that still serve are none of the new release.
            match number("/status/replicas").unwrap_or(0) > wanted {
                true => Err("old replicas are still there".into()),
                false => Ok(()),
            }
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
        "Job" if condition("Failed") => Err(JOB_FAILED.into()),
        "Job" => condition("Complete").then_some(()).ok_or_else(|| "the job has not ended".into()),
        _ => condition("Ready").then_some(()).ok_or_else(|| "it is not ready".into()),
    }
}

/// Waits until the workloads have all that they ask for, one after the other: all of them were started before.
pub(super) async fn wait(stack: &KubernetesStack, workloads: &[Value], deadline: Instant) -> StackResult<()> {
    let (namespace, all) = (&stack.namespace, stack.namespace.pods());
    let look = "looking at the Pods";
    let stand = async {
        for workload in workloads {
            if !stands(namespace, workload, deadline).await? {
                return Ok(Some(workload));
            }
        }
        Ok(None)
    };
    let of = |pod: &Pod| workloads.iter().find(|workload| belongs(pod, manifests::name(workload)));
    let within = deadline.saturating_duration_since(Instant::now());
    let hopeless = watch::until(&all, ListParams::default(), within, look, |pods| {
        pods.values().filter(|pod| ailment(pod).is_some_and(|why| is_hopeless(&why))).find_map(of)
    });
    let failed: Option<&Value> = tokio::select! {
        stand = stand => stand?,
        hopeless = hopeless => hopeless?.or(workloads.first()),
    };
    let Some(workload) = failed else { return Ok(()) };
    let missing = standing(&namespace.now(workload).await?).err().unwrap_or("it is ready too late".into());
    let pods = all.list(&ListParams::default()).await.map_err(api(look))?.items;
    let own = pods.iter().filter(|pod| belongs(pod, manifests::name(workload)));
    let (reason, tail) = match own.filter_map(|pod| Some((pod, ailment(pod)?))).next() {
        Some((pod, why)) => (format!("{missing}; {} is not: {why}", name(pod)), log(&all, pod).await),
        None => (missing, String::new()),
    };
    Err(StackError::Unhealthy {
        service: manifests::name(workload).to_string(),
        reason: stack.redactor.text(&reason),
        tail: stack.redactor.text(&tail),
    })
}

/// Waits until a workload has all that it asks for; `false` when it is a job that failed, or the deadline comes first.
pub(super) async fn stands(own: &ClusterNamespace, workload: &Value, deadline: Instant) -> StackResult<bool> {
    let operation = format!("looking at {} {}", kind(workload), manifests::name(workload));
    let all = own.of(workload, &operation).await?;
    let (wanted, within) = (watch::only(manifests::name(workload)), deadline.saturating_duration_since(Instant::now()));
    let seen = watch::until(&all, wanted, within, &operation, |found| {
        match standing(&as_value(found.values().next()?, workload)) {
            Ok(()) => Some(true),
            Err(missing) => (missing == JOB_FAILED).then_some(false),
        }
    });
    Ok(seen.await?.unwrap_or(false))
}

/// Whether a Pod was made by the workload of this name: `web-7d4b9c6f5d-x2k4p`, `db-0`, `web`.
fn belongs(pod: &Pod, workload: &str) -> bool {
    let rest = name(pod).strip_prefix(workload);
    let ends = |rest: &str| rest.strip_prefix('-').map(|end| end.matches('-').count() <= 1);
    rest.is_some_and(|rest| rest.is_empty() || ends(rest).unwrap_or(false))
}

/// The last lines of the log of a Pod that is not ready.
async fn log(pods: &Api<Pod>, pod: &Pod) -> String {
    let container = statuses(pod).iter().find(|status| !status.ready).map(|status| status.name.clone());
    for previous in [true, false] {
        let params =
            LogParams { container: container.clone(), tail_lines: Some(LOG_TAIL), previous, ..LogParams::default() };
        if let Ok(text) = pods.logs(name(pod), &params).await
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

    fn pod(status: Value) -> Pod {
        let pod = json!({ "metadata": { "name": "web-1", "uid": "u" }, "status": status,
            "spec": { "containers": [{ "name": "side" }, { "name": "web" }] } });
        serde_json::from_value(pod).unwrap()
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
