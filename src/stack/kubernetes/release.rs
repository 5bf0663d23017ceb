//! Releases of a workload: its Pods' template is patched as a team's deployment does it, and what a Pod was made with tells which
//! release it is.

use super::errors::{environment, removed};
use super::manifests::{Manifests, items, kind, main_container, pod_spec, text};
use super::namespace::ClusterNamespace;
use super::pods;
use super::ready::stands;
use crate::stack::compose::release::fingerprint;
use crate::stack::{ContainerState, Fingerprint, Release, StackError};
use kube::api::{DeleteParams, Patch};
use serde_json::{Value, json};
use std::time::Duration;
use tokio::time::Instant;

/// How long the new Pods have to become ready; a bad release may never be.
const READY_WITHIN: Duration = Duration::from_secs(30);
/// How long a rollout of which nothing is counted otherwise makes no progress.
const NO_PROGRESS_FOR: Duration = Duration::from_secs(6);
/// What is counted of a rollout.
const COUNTS: [&str; 7] = [
    "/status/observedGeneration",
    "/status/replicas",
    "/status/updatedReplicas",
    "/status/availableReplicas",
    "/status/readyReplicas",
    "/status/updatedNumberScheduled",
    "/status/numberReady",
];

/// The workloads of one drill.
#[derive(Debug, Clone, Copy)]
pub(super) struct Releases<'a> {
    /// The team's manifests.
    pub manifests: &'a Manifests,
    /// The drill's namespace.
    pub namespace: &'a ClusterNamespace,
    /// Id of the run.
    pub run: &'a str,
}

impl Releases<'_> {
    fn workload(&self, service: &str) -> Result<&Value, StackError> {
        let workload = self.manifests.workload(service).filter(|workload| pods::is_rolled_out(workload));
        workload.ok_or_else(|| {
            environment(format!("releasing `{service}`"), "only a Deployment, StatefulSet or DaemonSet can be released")
        })
    }

    /// What `Stack::preview` says.
    pub(super) async fn preview(&self, service: &str, release: &Release) -> Result<Fingerprint, StackError> {
        self.workload(service)?;
        if !release.variables.is_empty() {
            let cause =
                "manifests have no `variables`: name the `image`, the `command` or the `environment` of the release";
            return Err(environment(format!("releasing `{service}`"), cause));
        }
        let command = release.command.as_ref().map(|command| command.join("\0"));
        let mut wanted = fingerprint(self.run, release.image.clone(), command, release.environment.clone());
        let current = self.fingerprints(service).await?;
        wanted.retain(|setting, mark| !current.iter().all(|(_, own)| own.get(setting) == Some(mark)));
        Ok(wanted)
    }

    /// What `Stack::fingerprints` says.
    pub(super) async fn fingerprints(&self, service: &str) -> Result<Vec<(ContainerState, Fingerprint)>, StackError> {
        let pods = pods::of_service(&self.namespace.pods(), self.manifests, service).await?;
        if pods.is_empty() {
            // Those of before have gone and the next have not come: what they will be is known.
            let live = self.namespace.now(self.workload(service)?).await?;
            let state = ContainerState { name: service.into(), status: "without Pods,".into(), ..Default::default() };
            return Ok(pod_spec(&live).map(|spec| (state, self.of_spec(spec, service))).into_iter().collect());
        }
        let marked = pods.iter().map(|pod| {
            let spec = serde_json::to_value(&pod.spec).unwrap_or_default();
            (pods::state(pod, service), self.of_spec(&spec, service))
        });
        Ok(marked.collect())
    }

    fn of_spec(&self, spec: &Value, service: &str) -> Fingerprint {
        let Some(container) = main_container(spec, service) else { return Fingerprint::new() };
        let command = items(container, "/args").filter_map(Value::as_str).collect::<Vec<_>>().join("\0");
        let set = items(container, "/env")
            .filter_map(|entry| Some((text(entry, "/name").to_string(), entry.get("value")?.as_str()?.to_string())));
        fingerprint(self.run, Some(text(container, "/image").to_string()), Some(command), set)
    }

    /// What `Stack::deploy` does.
    pub(super) async fn deploy(&self, service: &str, release: Option<&Release>) -> Result<(), StackError> {
        let operation = format!("releasing `{service}`");
        let workload = self.workload(service)?;
        let container = pod_spec(workload).and_then(|spec| main_container(spec, service));
        let container = container.ok_or_else(|| environment(operation.as_str(), "it has no container"))?;
        let current = self.namespace.now(workload).await?;
        let current = pod_spec(&current).and_then(|spec| main_container(spec, service)).cloned().unwrap_or_default();
        let change = match release {
            Some(release) => changed(container, release),
            None => as_planned(container, &current),
        };
        let patch = json!({ "spec": { "template": { "spec": { "containers": [change] } } } });
        self.namespace.patch(workload, &Patch::Strategic(patch), &operation).await?;
        if release.is_none() && kind(workload) == "StatefulSet" {
            self.remove_stuck(service).await?;
        }
        settled(self.namespace, workload).await
    }

    /// Removes the Pods of a service that are not ready: a StatefulSet waits for the one that it has begun, although its template has
    /// changed since.
    async fn remove_stuck(&self, service: &str) -> Result<(), StackError> {
        let all = self.namespace.pods();
        let found = pods::of_service(&all, self.manifests, service).await?;
        for pod in found.iter().filter(|pod| pods::ailment(pod).is_some()) {
            let gone = all.delete(pods::name(pod), &DeleteParams::default()).await;
            removed(gone, format!("removing {}", pods::name(pod)))?;
        }
        Ok(())
    }
}

/// Waits until the rollout of what has one is over, or makes no progress: what users miss while a sound release starts is no
/// impact of a bad one.
pub(super) async fn settled(namespace: &ClusterNamespace, workload: &Value) -> Result<(), StackError> {
    if !pods::is_rolled_out(workload) {
        return Ok(());
    }
    let begun = Instant::now();
    let mut counted = None;
    loop {
        let until = Instant::now() + NO_PROGRESS_FOR;
        if stands(namespace, workload, until.min(begun + READY_WITHIN)).await? {
            return Ok(());
        }
        let seen = namespace.now(workload).await?;
        let counts = COUNTS.map(|count| seen.pointer(count).and_then(Value::as_i64));
        if counted == Some(counts) || begun.elapsed() > READY_WITHIN {
            return Ok(());
        }
        counted = Some(counts);
    }
}

/// The container of a template with a release in it, as a strategic merge patch.
fn changed(container: &Value, release: &Release) -> Value {
    let mut change = json!({ "name": text(container, "/name") });
    if let Value::Object(change) = &mut change {
        release.image.iter().for_each(|image| drop(change.insert("image".into(), json!(image))));
        release.command.iter().for_each(|command| drop(change.insert("args".into(), json!(command))));
        let set =
            release.environment.iter().map(|(name, value)| json!({ "name": name, "value": value, "valueFrom": null }));
        let set: Vec<Value> = set.collect();
        if !set.is_empty() {
            change.insert("env".into(), json!(set));
        }
    }
    change
}

/// The same container as the team's manifests have it: image, arguments and environment.
fn as_planned(planned: &Value, current: &Value) -> Value {
    let mut env: Vec<Value> = items(planned, "/env").cloned().collect();
    let is_planned = |wanted: &str| items(planned, "/env").any(|entry| text(entry, "/name") == wanted);
    for added in items(current, "/env").map(|entry| text(entry, "/name")).filter(|name| !is_planned(name)) {
        env.push(json!({ "name": added, "$patch": "delete" }));
    }
    for entry in &mut env {
        if let Value::Object(entry) = entry
            && entry.contains_key("valueFrom")
        {
            entry.insert("value".into(), Value::Null);
        }
    }
    json!({
        "name": text(planned, "/name"),
        "image": planned.get("image"),
        "args": planned.get("args"),
        "env": env,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_release_changes_what_it_names_and_the_planned_one_takes_all_of_it_back() {
        let planned =
            json!({ "name": "web", "image": "web:1", "env": [{ "name": "A", "valueFrom": { "secretKeyRef": {} } }] });
        let release = Release {
            image: Some("web:2".into()),
            environment: [("B".to_string(), "2".to_string())].into(),
            ..Release::default()
        };
        let change = changed(&planned, &release);
        assert_eq!(
            change,
            json!({ "name": "web", "image": "web:2", "env": [{ "name": "B", "value": "2", "valueFrom": null }] })
        );
        let current =
            json!({ "name": "web", "image": "web:2", "env": [{ "name": "A" }, { "name": "B", "value": "2" }] });
        let back = as_planned(&planned, &current);
        assert_eq!(back["image"], json!("web:1"));
        assert_eq!(back["args"], Value::Null);
        assert_eq!(back["env"][1], json!({ "name": "B", "$patch": "delete" }));
        assert_eq!(back["env"][0]["value"], Value::Null);
    }
}
