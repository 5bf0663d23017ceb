//! Changes of single objects: what a `patch` sets, what a release brings, what was planned, and what is there now. A release is a patch of
//! the template of a workload's Pods, as a team's deployment does it, and what a Pod was made with tells which release it is.

use super::boundary::unnameable;
use super::bypass::is_alive;
use super::manifests::{
    is_of_kubernetes, items, kind, main_container, map_at, name, pod_spec, quantity, remove_at, text,
};
use super::names::LAST_APPLIED;
use super::namespace::{ClusterNamespace, environment, removed};
use super::pods::{self, stands};
use super::stack::KubernetesStack;
use super::transform::encode;
use crate::stack::arguments::CallTable;
use crate::stack::compose::release::fingerprint;
use crate::stack::{ContainerState, Fingerprint, Fingerprints, ObjectChange, ObjectEdit, Release, StackResult};
use kube::api::{DeleteParams, Patch};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::time::Instant;

const MERGE_KEYS: CallTable = CallTable(include_str!("merge.txt"));
/// How long the new Pods have to become ready; a bad release may never be.
const READY_WITHIN: Duration = Duration::from_secs(30);
/// How long a rollout of which nothing is counted otherwise makes no progress.
const NO_PROGRESS_FOR: Duration = Duration::from_secs(6);

/// What `Stack::change` does.
pub(super) async fn change(stack: &KubernetesStack, change: &ObjectChange, back: bool) -> StackResult<()> {
    let operation = format!("changing `{}`", change.object);
    let mut object = object(stack, change)?;
    stack.keep_inside(&mut object);
    let is_removed = matches!((&change.edit, back), (ObjectEdit::Create(_), true) | (ObjectEdit::Delete, false));
    match &change.edit {
        _ if is_removed => stack.namespace.remove(&object, &operation).await?,
        ObjectEdit::Set(set) => stack.namespace.patch(&object, &patch_of(&object, set, back), &operation).await?,
        _ => drop(stack.namespace.make(&object, &operation).await?),
    }
    let of_pods = matches!(&change.edit, ObjectEdit::Set(set) if set.pointer("/spec/template").is_some());
    if back && of_pods && kind(&object) == "StatefulSet" {
        remove_stuck(stack, name(&object)).await?;
    }
    if !is_removed {
        settled(&stack.namespace, &object).await?;
    }
    let Some(service) = &change.restart else { return Ok(()) };
    restart(stack, service).await
}

/// The object that is changed: as it was started, or as the fault makes it.
pub(super) fn object(stack: &KubernetesStack, change: &ObjectChange) -> StackResult<Value> {
    let (doing, object) = match &change.edit {
        ObjectEdit::Create(_) => ("making", named(change)),
        ObjectEdit::Set(_) | ObjectEdit::Delete => ("changing", planned(stack.planned(), &change.object).cloned()),
    };
    object.map_err(|cause| environment(format!("{doing} `{}`", change.object), cause))
}

/// What sets these values of an object, or gives back what was planned.
fn patch_of(planned: &Value, set: &Value, back: bool) -> Patch<Value> {
    let set = as_shown(planned, set);
    let patch = if back { given_back(planned, &set) } else { set.clone() };
    as_applied(planned, patch, (!back).then_some(&set))
}

/// A patch that also tells how the object was last applied: with what a fault has `set`, or as it was planned.
fn as_applied(planned: &Value, mut patch: Value, set: Option<&Value>) -> Patch<Value> {
    if let Some(applied) = applied_with(planned, set)
        && let Some(annotations) = map_at(&mut patch, &["metadata", "annotations"])
    {
        annotations.insert(LAST_APPLIED.into(), json!(applied));
    }
    // What the cluster was extended with knows merge patches only, which replace lists.
    if is_of_kubernetes(planned) { Patch::Strategic(patch) } else { Patch::Merge(patch) }
}

/// Makes all Pods of a service anew, one after the other, as `kubectl rollout restart` does it.
async fn restart(stack: &KubernetesStack, service: &str) -> StackResult<()> {
    let workload = workload(stack, service)?;
    let at = crate::record::utc_text(crate::record::utc_now());
    let marked = json!({ "metadata": { "annotations": { "kubectl.kubernetes.io/restartedAt": at } } });
    let patch = Patch::Merge(json!({ "spec": { "template": marked } }));
    stack.namespace.patch(workload, &patch, &format!("restarting `{service}`")).await?;
    settled(&stack.namespace, workload).await
}

/// Every value that is set, by its path, with whether the object has it.
type SetValues = BTreeMap<String, bool>;

/// What `Stack::changed` says.
pub(super) async fn changed(stack: &KubernetesStack, change: &ObjectChange) -> StackResult<SetValues> {
    let object = object(stack, change)?;
    let live = stack.namespace.live(&object, format!("looking at `{}`", change.object)).await?;
    Ok(match &change.edit {
        ObjectEdit::Delete => [("absence".to_string(), live.is_none())].into(),
        // `kind` and `apiVersion` are how it was asked for. What is not there has none of the values, and it may set none.
        ObjectEdit::Create(made) => {
            let mut made = made.clone();
            remove_at(&mut made, "", &["kind", "apiVersion"]);
            let found = live.as_ref().map(|live| compared(&object, &made, Some(live)));
            found.filter(|found| !found.is_empty()).unwrap_or_else(|| [("presence".to_string(), live.is_some())].into())
        }
        ObjectEdit::Set(set) => {
            let set = as_shown(&object, set);
            let mut found = compared(&object, &set, live.as_ref());
            let before = compared(&object, &set, Some(&object));
            // The name of a container, the number of a port: what was planned so says nothing about the fault.
            let says_something = |path: &String| before.get(path) != Some(&true);
            if before.keys().any(says_something) {
                found.retain(|path, _| says_something(path));
            }
            if pods::is_rolled_out(&object) {
                let pods = pods::of_service(stack, name(&object)).await?;
                found.extend(of_pods(&object, &set, &found, &pods));
            }
            found
        }
    })
}

/// Whether Pods have the values of containers that a template has, where there are Pods: with `OnDelete`, or paused, none is rolled out.
fn of_pods(object: &Value, set: &Value, found: &SetValues, pods: &[Value]) -> SetValues {
    let as_template = |pod: &Value| compared(object, set, Some(&json!({ "spec": { "template": pod } })));
    let pods: Vec<SetValues> = pods.iter().filter(|pod| is_alive(pod)).map(as_template).collect();
    let paths = found.keys().filter(|path| path.starts_with("spec.template.spec.containers.") && !pods.is_empty());
    let has = |path: &String| pods.iter().any(|pod| pod.get(path) == Some(&true));
    paths.map(|path| (format!("{path} of its Pods"), has(path))).collect()
}

/// The object of this kind and name among these, which are as they were started; the error is that there is none.
pub(super) fn planned<'v>(objects: &'v [Value], object: &str) -> Result<&'v Value, String> {
    let found = object.split_once('/').and_then(|(wanted, named)| {
        objects.iter().find(|object| kind(object).eq_ignore_ascii_case(wanted) && name(object) == named)
    });
    found.ok_or_else(|| {
        let known: Vec<String> =
            objects.iter().map(|object| format!("{}/{}", kind(object).to_lowercase(), name(object))).collect();
        format!("the manifests have no such object; they have {}", known.join(", "))
    })
}

/// The object that a fault makes, with the name that the fault gives; the error is why it cannot be.
pub(super) fn named(change: &ObjectChange) -> Result<Value, String> {
    let (wanted, name) = change.object.split_once('/').unwrap_or_default();
    let ObjectEdit::Create(made) = &change.edit else { return Err("nothing is made".into()) };
    let mut made = made.clone();
    if !kind(&made).eq_ignore_ascii_case(wanted) || text(&made, "/apiVersion").is_empty() {
        return Err("`create` needs `apiVersion`, and `kind` as in `object`".into());
    }
    let metadata = map_at(&mut made, &["metadata"]).ok_or("`metadata` is no map")?;
    metadata.insert("name".into(), json!(name));
    unnameable(&made).map_or(Ok(made), Err)
}

/// By what the cluster tells the things of a list apart when it merges them into those of an object of a kind; a list of another name it
/// replaces.
fn merge_key(kind: &str, list: &str) -> Option<&'static str> {
    MERGE_KEYS.row(kind, list).or_else(|| MERGE_KEYS.row("*", list))
}

fn item_of<'v>(list: Option<&'v Value>, key: &str, wanted: Option<&Value>) -> Option<&'v Value> {
    list?.as_array()?.iter().find(|item| wanted.is_some() && item.get(key) == wanted)
}

/// The first list of what is set whose things do not say which ones they are: the list and the key that is missing. The cluster refuses it.
pub(super) fn keyless(of_kind: &str, set: &Value) -> Option<(String, &'static str)> {
    set.as_object()?.iter().find_map(|(list, value)| match (value, merge_key(of_kind, list)) {
        (Value::Array(items), Some(key)) if items.iter().any(|item| item.is_object() && item.get(key).is_none()) => {
            Some((list.clone(), key))
        }
        (Value::Array(items), Some(_)) => items.iter().find_map(|item| keyless(of_kind, item)),
        (value, _) => keyless(of_kind, value),
    })
}

/// An object with what a patch sets, as the cluster merges it.
pub(super) fn merged(of_kind: &str, list: &str, into: Value, set: &Value) -> Value {
    match (into, set, merge_key(of_kind, list)) {
        (Value::Object(mut into), Value::Object(set), _) => {
            for (key, value) in set {
                let old = into.remove(key).unwrap_or_default();
                if !value.is_null() {
                    into.insert(key.clone(), merged(of_kind, key, old, value));
                }
            }
            Value::Object(into)
        }
        (_, Value::Object(_), _) => merged(of_kind, list, Value::Object(Map::new()), set),
        (Value::Array(mut into), Value::Array(set), Some(key)) => {
            for item in set {
                match into.iter_mut().find(|old| item.get(key).is_some() && old.get(key) == item.get(key)) {
                    Some(old) => *old = merged(of_kind, list, old.take(), item),
                    None => into.push(merged(of_kind, list, Value::Null, item)),
                }
            }
            Value::Array(into)
        }
        (_, set, _) => set.clone(),
    }
}

/// How an object was last applied: as it is written, with what a fault sets as if somebody had applied that. So `kubectl apply` of what the
/// team has written takes the fault's values away again.
fn applied_with(planned: &Value, set: Option<&Value>) -> Option<String> {
    let applied = planned.pointer("/metadata/annotations")?.get(LAST_APPLIED)?.as_str()?;
    let Some(set) = set else { return Some(applied.to_string()) };
    let written: Value = serde_json::from_str(applied).ok()?;
    let mut set = set.clone();
    // Replicas are scaled, and `kubectl scale` applies nothing.
    remove_at(&mut set, "/spec", &["replicas"]);
    Some(merged(kind(planned), "", written, &set).to_string() + "\n")
}

/// What is set, as the cluster shows it.
fn as_shown(planned: &Value, set: &Value) -> Value {
    let mut set = set.clone();
    if let (Value::Object(set), "ConfigMap" | "Secret") = (&mut set, kind(planned)) {
        // What they hold is text, whatever it looks like.
        for held in ["data", "stringData"] {
            let values = set.get_mut(held).and_then(Value::as_object_mut).into_iter().flat_map(Map::values_mut);
            for value in values.filter(|value| value.is_number() || value.is_boolean()) {
                *value = json!(value.to_string());
            }
        }
    }
    if kind(planned) == "Secret" {
        encode(&mut set);
    }
    set
}

/// Where in an object something stands.
#[derive(Clone, Copy)]
struct SetAt<'a> {
    kind: &'a str,
    key: &'a str,
    /// Whether values are quantities there: `1Gi` and `1024Mi` are the same.
    quantities: bool,
}

impl<'a> SetAt<'a> {
    fn below(self, key: &'a str) -> SetAt<'a> {
        SetAt { key, quantities: self.quantities || ["resources", "hard"].contains(&self.key), ..self }
    }

    fn is_same(self, one: &Value, other: &Value) -> bool {
        let number = |value: &Value| value.as_f64().or_else(|| quantity(value.as_str()?));
        match (number(one), number(other)) {
            // Sums and products of decimals are not exact.
            (Some(one), Some(other)) if self.quantities => (one - other).abs() <= 1e-9 * one.abs().max(other.abs()),
            _ => one == other,
        }
    }

    /// The key by which each of these things of a list is found again.
    fn key_of(self, items: &[Value]) -> Option<&'static str> {
        let have = |key: &&str| !items.is_empty() && items.iter().all(|item| item.get(*key).is_some());
        merge_key(self.kind, self.key).filter(have).or_else(|| Some("name").filter(have))
    }
}

/// Which of the values that are set an object of this kind has.
fn compared(object: &Value, set: &Value, live: Option<&Value>) -> SetValues {
    let mut found = SetValues::new();
    compare(SetAt { kind: kind(object), key: "", quantities: false }, set, live, String::new(), &mut found);
    if live.is_none() {
        // What is not there has not even a value that is to be absent.
        found.values_mut().for_each(|is| *is = false);
    }
    found
}

fn compare(at: SetAt<'_>, set: &Value, live: Option<&Value>, path: String, found: &mut SetValues) {
    match set {
        Value::Object(map) => {
            for (key, value) in map {
                let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                compare(at.below(key), value, live.and_then(|live| live.get(key)), path, found);
            }
        }
        Value::Array(items) if at.key_of(items).is_some() => {
            let key = at.key_of(items).unwrap_or_default();
            for item in items {
                let shown = match item.get("name").or_else(|| item.get(key)) {
                    Some(Value::String(text)) => text.clone(),
                    other => other.cloned().unwrap_or_default().to_string(),
                };
                compare(at.below(""), item, item_of(live, key, item.get(key)), format!("{path}.{shown}"), found);
            }
        }
        value => drop(found.insert(path, at.is_same(live.unwrap_or(&Value::Null), value))),
    }
}

/// The patch that gives back what another one has set. What the cluster was extended with knows merge patches only, which replace lists.
fn given_back(planned: &Value, set: &Value) -> Value {
    taken_back(Some(kind(planned)).filter(|_| is_of_kubernetes(planned)), "", set, Some(planned))
}

/// The planned value in the place of what was set, or none. `of_kind`: lists are merged as this kind merges them.
fn taken_back(of_kind: Option<&str>, list: &str, set: &Value, planned: Option<&Value>) -> Value {
    let key = of_kind.and_then(|kind| merge_key(kind, list));
    match (set, planned, key) {
        (Value::Object(set), Some(Value::Object(planned)), _) => {
            let entry = |(key, set): (&String, &Value)| (key.clone(), taken_back(of_kind, key, set, planned.get(key)));
            Value::Object(set.iter().map(entry).collect::<Map<_, _>>())
        }
        (Value::Array(items), planned, Some(key)) => {
            let back = |item: &Value| match item_of(planned, key, item.get(key)) {
                Some(planned) => taken_back(of_kind, "", item, Some(planned)),
                None => json!({ (key): item.get(key), "$patch": "delete" }),
            };
            items.iter().map(back).collect()
        }
        (_, planned, _) => planned.cloned().unwrap_or(Value::Null),
    }
}

/// The workload of a service that can be released and restarted.
fn workload<'s>(stack: &'s KubernetesStack, service: &str) -> StackResult<&'s Value> {
    let workload = stack.planned().iter().find(|object| pods::is_rolled_out(object) && name(object) == service);
    let cause = "only a Deployment, StatefulSet or DaemonSet can be rolled out";
    workload.ok_or_else(|| environment(format!("rolling out `{service}`"), cause))
}

/// What `Stack::preview` says.
pub(super) async fn preview(stack: &KubernetesStack, service: &str, release: &Release) -> StackResult<Fingerprint> {
    workload(stack, service)?;
    if !release.variables.is_empty() {
        let cause =
            "manifests have no `variables`: name the `image`, the `command` or the `environment` of the release";
        return Err(environment(format!("releasing `{service}`"), cause));
    }
    let command = release.command.as_ref().map(|command| command.join("\0"));
    let mut wanted = fingerprint(&stack.run.id, release.image.clone(), command, release.environment.clone());
    let current = fingerprints(stack, service).await?;
    wanted.retain(|setting, mark| !current.iter().all(|(_, own)| own.get(setting) == Some(mark)));
    Ok(wanted)
}

/// What `Stack::fingerprints` says.
pub(super) async fn fingerprints(stack: &KubernetesStack, service: &str) -> StackResult<Fingerprints> {
    let (workload, pods) = (workload(stack, service)?, pods::of_service(stack, service).await?);
    let live = match pods.is_empty() {
        true => Some(stack.namespace.now(workload).await?),
        false => stack.namespace.live(workload, format!("looking at the template of `{service}`")).await?,
    };
    Ok(with_template(&stack.run.id, service, &pods, live.as_ref()))
}

/// What the Pods of a service were made with, and the template where no Pod is as the next ones will be: those of before have gone, or
/// somebody has changed a Pod itself. What a Pod has besides, the cluster may have added.
fn with_template(run: &str, service: &str, pods: &[Value], live: Option<&Value>) -> Fingerprints {
    let mut all: Fingerprints =
        pods.iter().map(|pod| (pods::state(pod, service), of_spec(run, &pod["spec"], service))).collect();
    let status = if pods.is_empty() { "without Pods," } else { "applied" };
    let name = format!("the template of {service}");
    let state = ContainerState { name, status: status.into(), ..Default::default() };
    let template = live.and_then(pod_spec).map(|spec| (state, of_spec(run, spec, service)));
    let is_made =
        |own: &Fingerprint| all.iter().any(|(_, pod)| own.iter().all(|(setting, mark)| pod.get(setting) == Some(mark)));
    let template = template.filter(|(_, own)| !is_made(own));
    all.extend(template);
    all
}

fn of_spec(run: &str, spec: &Value, service: &str) -> Fingerprint {
    let Some(container) = main_container(spec, service) else { return Fingerprint::new() };
    let command = items(container, "/args").filter_map(Value::as_str).collect::<Vec<_>>().join("\0");
    let set = items(container, "/env")
        .filter_map(|entry| Some((text(entry, "/name").to_string(), entry.get("value")?.as_str()?.to_string())));
    fingerprint(run, Some(text(container, "/image").to_string()), Some(command), set)
}

/// What `Stack::deploy` does.
pub(super) async fn deploy(stack: &KubernetesStack, service: &str, release: Option<&Release>) -> StackResult<()> {
    let operation = format!("releasing `{service}`");
    let workload = workload(stack, service)?;
    let container = pod_spec(workload).and_then(|spec| main_container(spec, service));
    let container = container.ok_or_else(|| environment(operation.as_str(), "it has no container"))?;
    let current = stack.namespace.now(workload).await?;
    let current = pod_spec(&current).and_then(|spec| main_container(spec, service)).cloned().unwrap_or_default();
    let change = release.map_or_else(|| as_planned(container, &current), |release| released(container, release));
    let patch = json!({ "spec": { "template": { "spec": { "containers": [change] } } } });
    let patch = as_applied(workload, patch.clone(), release.map(|_| &patch));
    stack.namespace.patch(workload, &patch, &operation).await?;
    if release.is_none() && kind(workload) == "StatefulSet" {
        remove_stuck(stack, service).await?;
    }
    settled(&stack.namespace, workload).await
}

/// Removes the Pods of a service that are not ready: a StatefulSet waits for the one that it has begun, although its template has
/// changed since.
async fn remove_stuck(stack: &KubernetesStack, service: &str) -> StackResult<()> {
    let all = stack.namespace.pods();
    for pod in pods::of_service(stack, service).await?.iter().filter(|pod| pods::ailment(pod).is_some()) {
        removed(all.delete(name(pod), &DeleteParams::default()).await, format!("removing {}", name(pod)))?;
    }
    Ok(())
}

/// Waits until the rollout of what has one is over, or makes no progress: what users miss while a sound release starts is no
/// impact of a bad one.
pub(super) async fn settled(namespace: &ClusterNamespace, workload: &Value) -> StackResult<()> {
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
        let status = seen["status"].as_object().into_iter().flatten();
        let counts: BTreeMap<String, i64> = status.filter_map(|(key, of)| Some((key.clone(), of.as_i64()?))).collect();
        if counted.as_ref() == Some(&counts) || begun.elapsed() > READY_WITHIN {
            return Ok(());
        }
        counted = Some(counts);
    }
}

/// The container of a template with a release in it, as a strategic merge patch.
fn released(container: &Value, release: &Release) -> Value {
    let mut change = json!({ "name": text(container, "/name") });
    release.image.iter().for_each(|image| change["image"] = json!(image));
    release.command.iter().for_each(|command| change["args"] = json!(command));
    let entry = |(name, value)| json!({ "name": name, "value": value, "valueFrom": null });
    if !release.environment.is_empty() {
        change["env"] = release.environment.iter().map(entry).collect();
    }
    change
}

/// The same container as the team's manifests have it: image, arguments and environment.
fn as_planned(planned: &Value, current: &Value) -> Value {
    let mut env: Vec<Value> = items(planned, "/env").cloned().collect();
    let is_planned = |wanted: &str| items(planned, "/env").any(|entry| text(entry, "/name") == wanted);
    let added = items(current, "/env").map(|entry| text(entry, "/name")).filter(|name| !is_planned(name));
    env.extend(added.map(|name| json!({ "name": name, "$patch": "delete" })));
    env.iter_mut().filter(|entry| entry.get("valueFrom").is_some()).for_each(|entry| entry["value"] = Value::Null);
    json!({ "name": text(planned, "/name"), "image": planned["image"], "args": planned["args"], "env": env })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_taken_back_to_what_was_planned() {
        let set = json!({ "data": { "A": "9", "NEW": "x" }, "spec": { "selector": { "app": "none" } } });
        let planned = json!({ "apiVersion": "v1", "kind": "ConfigMap", "data": { "A": "1", "B": "2" } });
        assert_eq!(given_back(&planned, &set), json!({ "data": { "A": "1", "NEW": null }, "spec": null }));
    }

    #[test]
    fn lists_are_given_back_as_the_kind_merges_them() {
        let set = json!({ "containers": [{ "name": "web", "image": "web:2" }, { "name": "new", "image": "x" }] });
        let containers = json!([{ "name": "web", "image": "web:1" }, { "name": "side" }]);
        let planned = json!({ "apiVersion": "v1", "kind": "Pod", "containers": containers });
        let merged =
            json!({ "containers": [{ "name": "web", "image": "web:1" }, { "name": "new", "$patch": "delete" }] });
        assert_eq!(given_back(&planned, &set), merged);
        let custom = json!({ "apiVersion": "example.com/v1", "kind": "Pod", "containers": containers });
        assert_eq!(given_back(&custom, &set), json!({ "containers": containers }));
        let subjects = json!({ "subjects": [{ "name": "a" }] });
        let binding = json!({ "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "subjects": [{ "name": "b" }] });
        assert_eq!(given_back(&binding, &subjects), json!({ "subjects": [{ "name": "b" }] }), "replaced as a whole");
    }

    #[test]
    fn ports_and_mounts_are_known_by_what_the_cluster_knows_them_by() {
        let service = json!({ "apiVersion": "v1", "kind": "Service", "spec": { "ports": [{ "port": 80, "targetPort": "http" }] } });
        let set = json!({ "spec": { "ports": [{ "name": "http", "port": 80, "targetPort": 1 }] } });
        let back = json!({ "spec": { "ports": [{ "name": null, "port": 80, "targetPort": "http" }] } });
        assert_eq!(given_back(&service, &set), back);
        let live = json!({ "spec": { "ports": [{ "name": "http", "port": 80, "protocol": "TCP", "targetPort": 1 }] } });
        let found = compared(&service, &set, Some(&live));
        assert!(found.len() == 3 && found.values().all(|is| *is), "{found:?}");
        let pod = json!({ "apiVersion": "v1", "kind": "Pod", "ports": [{ "containerPort": 1 }], "volumeMounts": [] });
        let set = json!({ "ports": [{ "containerPort": 1, "protocol": "UDP" }], "volumeMounts": [{ "name": "v", "mountPath": "/v" }] });
        let back = json!({ "ports": [{ "containerPort": 1, "protocol": null }], "volumeMounts": [{ "mountPath": "/v", "$patch": "delete" }] });
        assert_eq!(given_back(&pod, &set), back);
        assert_eq!(
            keyless("Service", &json!({ "spec": { "ports": [{ "name": "http" }] } })),
            Some(("ports".into(), "port"))
        );
        assert_eq!(keyless("Pod", &set), None);
    }

    #[test]
    fn what_is_set_is_compared_value_by_value() {
        let set = json!({ "data": { "a.b": "1", "GONE": null }, "spec": { "replicas": 0 } });
        let live = json!({ "data": { "a.b": "1", "GONE": "still" }, "spec": { "replicas": 0 } });
        let found = compared(&set, &set, Some(&live));
        let expected = [("data.GONE", false), ("data.a.b", true), ("spec.replicas", true)];
        assert_eq!(found, expected.map(|(path, is)| (path.to_string(), is)).into());
        let removed = compared(&set, &json!({ "data": { "GONE": null } }), None);
        assert_eq!(removed, [("data.GONE".to_string(), false)].into());
    }

    #[test]
    fn what_is_set_of_containers_is_looked_for_in_pods_too() {
        let containers = |image: &str| json!({ "containers": [{ "name": "web", "image": image }] });
        let set = json!({ "spec": { "replicas": 1, "template": { "spec": containers("web:2") } } });
        let object = json!({ "apiVersion": "apps/v1", "kind": "StatefulSet" });
        let found = compared(&object, &set, Some(&set));
        let pod = |image: &str, phase: &str| json!({ "spec": containers(image), "status": { "phase": phase } });
        let told = |pods: &[Value]| of_pods(&object, &set, &found, pods).into_iter().collect::<Vec<_>>();
        let is = |has: bool| {
            let path = |what: &str| format!("spec.template.spec.containers.web.{what} of its Pods");
            vec![(path("image"), has), (path("name"), true)]
        };
        assert_eq!(told(&[pod("web:1", "Running")]), is(false), "nothing was rolled out");
        assert_eq!(told(&[pod("web:1", "Running"), pod("web:2", "Pending")]), is(true));
        assert_eq!(told(&[pod("web:1", "Running"), pod("web:2", "Failed")]), is(false), "one that was evicted");
        assert!(told(&[]).is_empty(), "there is none");
        let config = compared(&object, &json!({ "spec": { "replicas": 0 } }), None);
        assert_eq!(of_pods(&object, &set, &config, &[pod("web:1", "Running")]), SetValues::new());
    }

    #[test]
    fn quantities_are_compared_as_what_they_come_to() {
        let same = |set: Value, live: Value| compared(&set, &set, Some(&live)).values().all(|is| *is);
        let limits = |cpu: Value, memory: &str| json!({ "resources": { "limits": { "cpu": cpu, "memory": memory } } });
        assert!(same(limits(json!("0.02"), "1024Mi"), limits(json!("20m"), "1Gi")));
        assert!(same(limits(json!(1), "8Mi"), limits(json!("1"), "8388608")));
        assert!(!same(limits(json!("0.02"), "1Gi"), limits(json!("20m"), "1G")));
        assert!(same(json!({ "hard": { "pods": 0 } }), json!({ "hard": { "pods": "0" } })));
        assert!(!same(
            json!({ "data": { "A": "0.02", "hard": "1" } }),
            json!({ "data": { "A": "20m", "hard": "1.0" } })
        ));
    }

    #[test]
    fn what_a_fault_sets_counts_as_applied() {
        let written = json!({ "kind": "Service", "spec": { "selector": { "app": "web" } } });
        let planned = json!({ "apiVersion": "v1", "kind": "Service", "metadata": { "annotations": { (LAST_APPLIED): written.to_string() } } });
        let set = json!({ "spec": { "replicas": 0, "selector": { "release": "nowhere", "app": null } } });
        let applied = applied_with(&planned, Some(&set)).unwrap();
        let applied: Value = serde_json::from_str(&applied).unwrap();
        assert_eq!(applied["spec"], json!({ "selector": { "release": "nowhere" } }), "scaled is not applied");
        assert_eq!(applied_with(&planned, None), Some(written.to_string()));
        assert_eq!(applied_with(&json!({ "kind": "Service" }), Some(&set)), None);
    }

    #[test]
    fn what_a_fault_makes_is_named_by_the_fault() {
        let change = |made: Value| ObjectChange {
            object: "resourcequota/tiny".into(),
            edit: ObjectEdit::Create(made),
            restart: None,
        };
        let made = named(&change(json!({ "apiVersion": "v1", "kind": "ResourceQuota" }))).unwrap();
        assert_eq!(name(&made), "tiny");
        assert!(named(&change(json!({ "apiVersion": "v1", "kind": "ConfigMap" }))).is_err());
        let path = "v1/namespaces/kube-system/resourcequotas?x=";
        assert!(
            named(&change(json!({ "apiVersion": path, "kind": "ResourceQuota" }))).unwrap_err().contains("apiVersion")
        );
    }

    #[test]
    fn a_release_that_only_the_template_has_is_not_gone() {
        let spec = |image: &str| json!({ "containers": [{ "name": "web", "image": image }] });
        let pods = [json!({ "metadata": { "name": "web-1" }, "spec": spec("web:1") })];
        let workload = |image: &str| json!({ "kind": "Deployment", "spec": { "template": { "spec": spec(image) } } });
        let live = workload("web:2");
        let images = |pods: &[Value], live: Option<&Value>| -> Vec<String> {
            with_template("r", "web", pods, live).into_iter().map(|(_, own)| own["image"].clone()).collect()
        };
        let [planned, released] = ["web:1", "web:2"].map(|image| of_spec("r", &spec(image), "web")["image"].clone());
        assert_eq!(images(&pods, Some(&live)), [planned.clone(), released.clone()]);
        assert_eq!(images(&[], Some(&live)), [released]);
        assert_eq!(images(&pods, Some(&workload("web:1"))), std::slice::from_ref(&planned), "a Pod stands for it");
        assert_eq!(images(&pods, None), [planned], "the workload is not there any more");
    }

    #[test]
    fn a_release_changes_what_it_names_and_the_planned_one_takes_all_of_it_back() {
        let planned =
            json!({ "name": "web", "image": "web:1", "env": [{ "name": "A", "valueFrom": { "secretKeyRef": {} } }] });
        let release = Release {
            image: Some("web:2".into()),
            environment: [("B".to_string(), "2".to_string())].into(),
            ..Release::default()
        };
        let change = released(&planned, &release);
        assert_eq!(
            change,
            json!({ "name": "web", "image": "web:2", "env": [{ "name": "B", "value": "2", "valueFrom": null }] })
        );
        let current =
            json!({ "name": "web", "image": "web:2", "env": [{ "name": "A" }, { "name": "B", "value": "2" }] });
        let written = json!({ "spec": { "template": { "spec": { "containers": [planned] } } } });
        let annotations = json!({ (LAST_APPLIED): written.to_string() });
        let deployment =
            json!({ "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "annotations": annotations } });
        let patch = json!({ "spec": { "template": { "spec": { "containers": [change] } } } });
        let applied = |set: Option<&Value>| {
            let Patch::Strategic(sent) = as_applied(&deployment, patch.clone(), set) else { unreachable!() };
            let applied = sent["metadata"]["annotations"][LAST_APPLIED].as_str().unwrap();
            serde_json::from_str::<Value>(applied).unwrap()["spec"]["template"]["spec"]["containers"][0].clone()
        };
        let by_hand =
            json!({ "name": "web", "image": "web:2", "env": [planned["env"][0], { "name": "B", "value": "2" }] });
        assert_eq!(applied(Some(&patch)), by_hand, "as if somebody had applied it: `kubectl apply` takes it away");
        assert_eq!(applied(None), planned);
        let back = as_planned(&planned, &current);
        assert_eq!(back["image"], json!("web:1"));
        assert_eq!(back["args"], Value::Null);
        assert_eq!(back["env"][1], json!({ "name": "B", "$patch": "delete" }));
        assert_eq!(back["env"][0]["value"], Value::Null);
    }
}
