//! Changes of single objects: what a `patch` sets, what was planned, and what is there now.

use super::errors::{api, environment, is_missing};
use super::manifests::{is_of_kubernetes, kind, map_at, name, text};
use super::pods;
use super::ready::objects;
use super::release::settled;
use super::transform::encode;
use crate::stack::{ObjectChange, ObjectEdit, StackError};
use kube::Client;
use kube::api::{DeleteParams, DynamicObject, Patch, PatchParams, PostParams};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// The objects of one drill, as they were started.
#[derive(Clone, Copy)]
pub(super) struct ObjectChanges<'a> {
    pub client: &'a Client,
    pub namespace: &'a str,
    pub planned: &'a [Value],
}

impl ObjectChanges<'_> {
    /// What `Stack::change` does.
    pub(super) async fn change(&self, change: &ObjectChange, back: bool) -> Result<(), StackError> {
        let operation = format!("changing `{}`", change.object);
        match &change.edit {
            ObjectEdit::Set(set) => self.set(planned(self.planned, &change.object)?, set, back, &operation).await?,
            ObjectEdit::Create(_) => {
                let made = self.made(change)?;
                if back { self.delete(&made, &operation).await? } else { self.create(&made, &operation).await? }
            }
            ObjectEdit::Delete => {
                let planned = planned(self.planned, &change.object)?;
                if back { self.create(planned, &operation).await? } else { self.delete(planned, &operation).await? }
            }
        }
        match &change.restart {
            Some(service) => self.restart(service).await,
            None => Ok(()),
        }
    }

    fn made(&self, change: &ObjectChange) -> Result<Value, StackError> {
        let cause = "its `apiVersion` and `kind` do not say what it is";
        named(change).ok_or_else(|| environment(format!("making `{}`", change.object), cause))
    }

    async fn set(&self, planned: &Value, set: &Value, back: bool, operation: &str) -> Result<(), StackError> {
        let set = as_shown(planned, set);
        // What the cluster was extended with knows merge patches only, which replace lists.
        let by_name = is_of_kubernetes(planned);
        let patch = if back { taken_back(&set, Some(planned), by_name) } else { set };
        let all = objects(self.client, self.namespace, planned);
        let patch = if by_name { Patch::Strategic(patch) } else { Patch::Merge(patch) };
        all.patch(name(planned), &PatchParams::default(), &patch).await.map_err(api(operation))?;
        self.settled(planned).await
    }

    async fn create(&self, object: &Value, operation: &str) -> Result<(), StackError> {
        let typed: DynamicObject =
            serde_json::from_value(object.clone()).map_err(|error| environment(operation, error))?;
        let all = objects(self.client, self.namespace, object);
        all.create(&PostParams::default(), &typed).await.map_err(api(operation))?;
        self.settled(object).await
    }

    async fn delete(&self, object: &Value, operation: &str) -> Result<(), StackError> {
        let all = objects(self.client, self.namespace, object);
        match all.delete(name(object), &DeleteParams::background()).await {
            Err(error) if !is_missing(&error) => Err(api(operation)(error)),
            _ => Ok(()),
        }
    }

    async fn settled(&self, object: &Value) -> Result<(), StackError> {
        match pods::is_rolled_out(object) {
            true => settled(self.client, self.namespace, object).await,
            false => Ok(()),
        }
    }

    /// Makes all Pods of a service anew, one after the other, as `kubectl rollout restart` does it.
    async fn restart(&self, service: &str) -> Result<(), StackError> {
        let operation = format!("restarting `{service}`");
        let workload = self.planned.iter().find(|object| pods::is_rolled_out(object) && name(object) == service);
        let Some(workload) = workload else { return Err(environment(operation, "there is no such workload")) };
        let at = crate::record::utc_text(crate::record::utc_now());
        let marked = json!({ "metadata": { "annotations": { "kubectl.kubernetes.io/restartedAt": at } } });
        let all = objects(self.client, self.namespace, workload);
        let patch = Patch::Merge(json!({ "spec": { "template": marked } }));
        all.patch(name(workload), &PatchParams::default(), &patch).await.map_err(api(operation))?;
        settled(self.client, self.namespace, workload).await
    }

    /// What `Stack::changed` says.
    pub(super) async fn changed(&self, change: &ObjectChange) -> Result<BTreeMap<String, bool>, StackError> {
        let (object, set) = match &change.edit {
            ObjectEdit::Set(set) => (planned(self.planned, &change.object)?.clone(), set.clone()),
            ObjectEdit::Create(made) => (self.made(change)?, made.clone()),
            ObjectEdit::Delete => (planned(self.planned, &change.object)?.clone(), Value::Null),
        };
        let all = objects(self.client, self.namespace, &object);
        let found = all.get_opt(name(&object)).await.map_err(api(format!("looking at `{}`", change.object)))?;
        let live = found.filter(|live| live.metadata.deletion_timestamp.is_none());
        let live = live.and_then(|live| serde_json::to_value(live).ok());
        let mut found = BTreeMap::new();
        match &change.edit {
            ObjectEdit::Delete => drop(found.insert("absence".to_string(), live.is_none())),
            // `kind` and `apiVersion` are how it was asked for. What is not there has none of the values, and it may set none.
            ObjectEdit::Create(_) => {
                if live.is_some() {
                    compare(&without_type(set), live.as_ref(), String::new(), &mut found);
                }
                if found.is_empty() {
                    found.insert("presence".to_string(), live.is_some());
                }
            }
            ObjectEdit::Set(_) => {
                let set = as_shown(&object, &set);
                compare(&set, live.as_ref(), String::new(), &mut found);
                let mut before = BTreeMap::new();
                compare(&set, Some(&object), String::new(), &mut before);
                // The name of a container, the number of a port: what was planned so says nothing about the fault.
                let says_something = |path: &String| before.get(path) != Some(&true);
                if before.keys().any(says_something) {
                    found.retain(|path, _| says_something(path));
                }
            }
        }
        Ok(found)
    }
}

/// The object of this kind and name among these, which are as they were started.
pub(super) fn planned<'v>(objects: &'v [Value], object: &str) -> Result<&'v Value, StackError> {
    let found = object.split_once('/').and_then(|(wanted, named)| {
        objects.iter().find(|object| kind(object).eq_ignore_ascii_case(wanted) && name(object) == named)
    });
    found.ok_or_else(|| {
        let known: Vec<String> =
            objects.iter().map(|object| format!("{}/{}", kind(object).to_lowercase(), name(object))).collect();
        let cause = format!("the manifests have no such object; they have {}", known.join(", "));
        environment(format!("changing `{object}`"), cause)
    })
}

/// The object that a fault makes, with the name that the fault gives; `None` when it is not of the kind that the fault says.
pub(super) fn named(change: &ObjectChange) -> Option<Value> {
    let (wanted, name) = change.object.split_once('/')?;
    let ObjectEdit::Create(made) = &change.edit else { return None };
    let mut made = made.clone();
    if !kind(&made).eq_ignore_ascii_case(wanted) || text(&made, "/apiVersion").is_empty() {
        return None;
    }
    map_at(made.as_object_mut()?, "metadata")?.insert("name".into(), json!(name));
    Some(made)
}

fn without_type(mut object: Value) -> Value {
    if let Value::Object(object) = &mut object {
        object.remove("kind");
        object.remove("apiVersion");
    }
    object
}

/// Whether every thing of a list has a name, so that the cluster merges it by that: containers, variables, ports.
fn is_named_list(value: &Value) -> bool {
    let items = value.as_array().map(Vec::as_slice).unwrap_or_default();
    !items.is_empty() && items.iter().all(|item| item.get("name").is_some_and(Value::is_string))
}

fn item_of<'v>(list: Option<&'v Value>, named: &str) -> Option<&'v Value> {
    list?.as_array()?.iter().find(|item| text(item, "/name") == named)
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

fn compare(set: &Value, live: Option<&Value>, path: String, found: &mut BTreeMap<String, bool>) {
    match set {
        Value::Object(map) => {
            for (key, value) in map {
                let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                compare(value, live.and_then(|live| live.get(key)), path, found);
            }
        }
        Value::Array(items) if is_named_list(set) => {
            for item in items {
                let named = text(item, "/name");
                compare(item, item_of(live, named), format!("{path}.{named}"), found);
            }
        }
        value => drop(found.insert(path, live.unwrap_or(&Value::Null) == value)),
    }
}

/// The merge patch that gives back what another one has set: the planned value, or none. `by_name`: lists of things with names are
/// merged, not replaced.
fn taken_back(set: &Value, planned: Option<&Value>, by_name: bool) -> Value {
    match (set, planned) {
        (Value::Object(set), Some(Value::Object(planned))) => {
            let entry = |(key, value): (&String, &Value)| (key.clone(), taken_back(value, planned.get(key), by_name));
            Value::Object(set.iter().map(entry).collect::<Map<_, _>>())
        }
        (Value::Array(items), planned) if by_name && is_named_list(set) => {
            let back = |item: &Value| match item_of(planned, text(item, "/name")) {
                Some(planned) => taken_back(item, Some(planned), by_name),
                None => json!({ "name": item.get("name"), "$patch": "delete" }),
            };
            items.iter().map(back).collect()
        }
        (_, planned) => planned.cloned().unwrap_or(Value::Null),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_taken_back_to_what_was_planned() {
        let set = json!({ "data": { "A": "9", "NEW": "x" }, "spec": { "selector": { "app": "none" } } });
        let planned = json!({ "data": { "A": "1", "B": "2" } });
        assert_eq!(taken_back(&set, Some(&planned), true), json!({ "data": { "A": "1", "NEW": null }, "spec": null }));
    }

    #[test]
    fn lists_of_named_things_are_given_back_as_the_kind_merges_them() {
        let set = json!({ "containers": [{ "name": "web", "image": "web:2" }, { "name": "new", "image": "x" }] });
        let planned = json!({ "containers": [{ "name": "web", "image": "web:1" }, { "name": "side" }] });
        let merged =
            json!({ "containers": [{ "name": "web", "image": "web:1" }, { "name": "new", "$patch": "delete" }] });
        assert_eq!(taken_back(&set, Some(&planned), true), merged);
        assert_eq!(taken_back(&set, Some(&planned), false), planned);
    }

    #[test]
    fn what_is_set_is_compared_value_by_value() {
        let set = json!({ "data": { "a.b": "1", "GONE": null }, "spec": { "replicas": 0 } });
        let live = json!({ "data": { "a.b": "1", "GONE": "still" }, "spec": { "replicas": 0 } });
        let mut found = BTreeMap::new();
        compare(&set, Some(&live), String::new(), &mut found);
        let expected = [("data.GONE", false), ("data.a.b", true), ("spec.replicas", true)];
        assert_eq!(found, expected.map(|(path, is)| (path.to_string(), is)).into());
    }
}
