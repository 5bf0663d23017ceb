//! Processes beside the team's workloads: each is some Pods that nobody makes again, as `kubectl run` makes one, so that
//! `kubectl` in a step treats them like any others.

use super::manifests::{self, Manifests, items, main_container, pod_spec, text};
use super::names::{self, PROCESS, RUN};
use super::namespace::{self, ClusterNamespace, api, environment, list};
use super::pods;
use super::stack::KubernetesStack;
use crate::stack::changes::WatchedEnds;
use crate::stack::{Ending, Process, RELEASE_WITHIN, StackResult};
use k8s_openapi::api::core::v1::Pod;
use kube::api::{DeleteParams, ListParams};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// What the Pods of a process take over of the workload that it is like, beside a container of it and its volumes.
const OF_THE_POD: &str =
    "dnsConfig dnsPolicy imagePullSecrets nodeSelector securityContext serviceAccountName tolerations volumes";
const OF_THE_CONTAINER: &str = "env envFrom image imagePullPolicy resources securityContext volumeMounts workingDir";

/// The Pods of a process, with the label of its drill.
fn pods_of(process: &Process, manifests: &Manifests, toolbox: &str, short: &str) -> StackResult<Vec<Value>> {
    let taken = |from: &Value, keys: &str| -> Value {
        keys.split(' ').filter_map(|key| Some((key.to_string(), from.get(key)?.clone()))).collect()
    };
    let (mut spec, mut container) = match &process.service {
        None => (json!({ "automountServiceAccountToken": false }), json!({ "image": toolbox })),
        Some(service) => {
            let like = manifests.workload(service).and_then(pod_spec);
            let Some((like, main)) = like.and_then(|like| Some((like, main_container(like, service)?))) else {
                let cause = format!("the manifests have no workload `{service}`");
                return Err(environment(format!("starting `{}`", process.name), cause));
            };
            (taken(like, OF_THE_POD), taken(main, OF_THE_CONTAINER))
        }
    };
    // Volumes that a StatefulSet makes for each of its Pods are theirs.
    if let Some(Value::Array(mounts)) = container.get_mut("volumeMounts") {
        mounts.retain(|mount| items(&spec, "/volumes").any(|volume| volume.get("name") == mount.get("name")));
    }
    container["name"] = json!(process.name);
    container["command"] = json!(process.command());
    spec["containers"] = json!([container]);
    spec["restartPolicy"] = json!("Never");
    spec["terminationGracePeriodSeconds"] = json!(2);
    let name = |number: u16| match process.replicas {
        1 => process.name.clone(),
        _ => format!("{}-{number}", process.name),
    };
    let labels = json!({ "run": process.name, (PROCESS): process.name, (RUN): short });
    let metadata = |number| json!({ "name": name(number), "labels": labels });
    let pod = |number| json!({ "apiVersion": "v1", "kind": "Pod", "spec": spec, "metadata": metadata(number) });
    Ok((1..=process.replicas).map(pod).collect())
}

fn of(name: &str) -> ListParams {
    ListParams::default().labels(&format!("{PROCESS}={name}"))
}

/// Watches how the Pods of a process end.
fn watch_ends(namespace: &ClusterNamespace, process: &str) -> WatchedEnds {
    let (all, process) = (namespace.all::<Pod>(), process.to_string());
    WatchedEnds::watch(|noted| async move {
        let operation = format!("watching the Pods of `{process}`");
        loop {
            let look = |pods: &BTreeMap<String, Value>| -> Option<()> {
                pods.values().filter_map(ending).for_each(|ending| noted.note(ending));
                None
            };
            let _ = namespace::until(&all, of(&process), Duration::MAX, &operation, look).await;
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    })
}

/// How a Pod ended; by itself when nobody had deleted it by then.
fn ending(pod: &Value) -> Option<Ending> {
    let ended = items(pod, "/status/containerStatuses").next()?.pointer("/state/terminated")?;
    let at = |key: &str| OffsetDateTime::parse(text(ended, key), &Rfc3339).ok();
    let after = at("/startedAt").zip(at("/finishedAt")).map(|(from, to)| to - from);
    Some(Ending {
        container: manifests::name(pod).to_string(),
        exit_code: ended.get("exitCode")?.as_i64()?,
        after: after.and_then(|after| after.try_into().ok()).unwrap_or_default(),
        ago: Duration::ZERO,
        by_itself: !pods::is_deleted(pod),
    })
}

/// Makes the Pods of a process, and waits until each runs or has ended.
pub(super) async fn start(stack: &KubernetesStack, name: &str) -> StackResult<WatchedEnds> {
    let operation = format!("starting `{name}`");
    let process = stack.request.processes.iter().find(|process| process.name == name);
    let (Some(process), Some(ours), Some(_)) = (process, stack.ours.get(), stack.started.get()) else {
        return Err(environment(operation, "the stack has not been started"));
    };
    let mut made = pods_of(process, &stack.manifests, &ours.toolbox, &names::short(&stack.run.id))?;
    let (all, ends) = (stack.namespace.all::<Pod>(), watch_ends(&stack.namespace, name));
    for pod in &mut made {
        stack.keep_inside(pod);
        stack.namespace.make(pod, &operation).await?;
    }
    let has_begun = |pod: &Value| pods::state(pod, name).status != "created";
    let begun = namespace::until(&all, of(name), RELEASE_WITHIN, &operation, |pods| {
        (pods.len() == made.len() && pods.values().all(has_begun)).then_some(())
    });
    if begun.await?.is_some() {
        return Ok(ends);
    }
    let found = list(&all, &of(name), &operation).await?;
    let why = found.iter().filter(|pod| !has_begun(pod)).find_map(pods::ailment);
    let why = why.unwrap_or_else(|| format!("its Pods do not run after {} s", RELEASE_WITHIN.as_secs()));
    Err(environment(operation, why))
}

/// Removes the Pods, and waits until they are gone.
pub(super) async fn remove(namespace: &ClusterNamespace, name: &str) -> StackResult<Vec<String>> {
    let operation = format!("removing `{name}`");
    let all = namespace.all::<Pod>();
    let now = DeleteParams::default().grace_period(0);
    let found = list(&all, &of(name), &operation).await?;
    all.delete_collection(&now, &of(name)).await.map(drop).map_err(api(operation.as_str()))?;
    let gone =
        namespace::until(&all, of(name), RELEASE_WITHIN, &operation, |pods| pods.is_empty().then_some(())).await?;
    let late = format!("the cluster has not done it within {} s", RELEASE_WITHIN.as_secs());
    gone.ok_or_else(|| environment(operation, late))?;
    Ok(found.iter().map(|pod| manifests::name(pod).to_string()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn process(service: Option<&str>, replicas: u16) -> Process {
        Process {
            name: "export".into(),
            service: service.map(str::to_string),
            run: "true".into(),
            replicas,
            returns: None,
        }
    }

    #[test]
    fn a_process_is_like_a_container_of_its_workload_and_is_found_under_its_own_name_only() {
        let spec = json!({
            "containers": [{ "name": "side" }, { "name": "db", "image": "shop/db:1", "ports": [{ "containerPort": 5432 }],
                "env": [{ "name": "A", "value": "b" }], "readinessProbe": {}, "lifecycle": {},
                "volumeMounts": [{ "name": "data", "mountPath": "/d" }, { "name": "config", "mountPath": "/c" }] }],
            "initContainers": [{ "name": "first" }],
            "volumes": [{ "name": "config", "configMap": { "name": "c" } }],
        });
        let set = json!({ "apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": { "name": "db" },
            "spec": { "template": { "metadata": { "labels": { "app": "db" } }, "spec": spec },
                      "volumeClaimTemplates": [{ "metadata": { "name": "data" } }] } });
        let manifests = Manifests { objects: vec![set] };
        let made = pods_of(&process(Some("db"), 2), &manifests, "toolbox:1", "x").unwrap();
        assert_eq!(made.iter().map(super::super::manifests::name).collect::<Vec<_>>(), ["export-1", "export-2"]);
        let expected = json!({ "name": "export", "image": "shop/db:1", "env": [{ "name": "A", "value": "b" }],
            "command": ["sh", "-c", "true"], "volumeMounts": [{ "name": "config", "mountPath": "/c" }] });
        assert_eq!(made[0]["spec"]["containers"], json!([expected]));
        assert_eq!(made[0]["spec"].get("initContainers"), None);
        assert_eq!(made[0]["metadata"]["labels"], json!({ "run": "export", (PROCESS): "export", (RUN): "x" }));
        let alone = pods_of(&process(None, 1), &manifests, "toolbox:1", "x").unwrap();
        assert_eq!(alone[0]["metadata"]["name"], "export");
        assert_eq!(alone[0]["spec"]["containers"][0]["image"], "toolbox:1");
        assert!(pods_of(&process(Some("gone"), 1), &manifests, "t", "x").is_err());
    }

    #[test]
    fn one_that_was_deleted_has_not_ended_by_itself() {
        let pod = |deleted: Option<&str>| {
            let ended = json!({ "terminated": { "exitCode": 3, "startedAt": "2026-01-01T00:00:00Z", "finishedAt": "2026-01-01T00:00:07Z" } });
            let status = json!({ "name": "export", "image": "x", "imageID": "", "ready": false, "restartCount": 0, "state": ended });
            json!({ "metadata": { "name": "export", "deletionTimestamp": deleted },
                "status": { "containerStatuses": [status] } })
        };
        let own = ending(&pod(None)).unwrap();
        assert_eq!((own.exit_code, own.after, own.by_itself), (3, Duration::from_secs(7), true));
        assert!(!ending(&pod(Some("2026-01-01T00:00:05Z"))).unwrap().by_itself);
    }
}
