//! Changes of single objects: what a `patch` sets, what was planned, and what is there now.

use super::errors::{api, environment};
use super::manifests::{kind, name};
use super::pods;
use super::ready::{now, objects};
use super::release::settled;
use super::transform::encode;
use crate::stack::{ObjectChange, StackError};
use kube::Client;
use kube::api::{Patch, PatchParams};
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
    fn planned(&self, object: &str) -> Result<&Value, StackError> {
        let found = object.split_once('/').and_then(|(wanted, named)| {
            self.planned.iter().find(|object| kind(object).eq_ignore_ascii_case(wanted) && name(object) == named)
        });
        found.ok_or_else(|| {
            let known: Vec<String> =
                self.planned.iter().map(|object| format!("{}/{}", kind(object).to_lowercase(), name(object))).collect();
            let cause = format!("the manifests have no such object; they have {}", known.join(", "));
            environment(format!("changing `{object}`"), cause)
        })
    }

    /// What `Stack::change` does.
    pub(super) async fn change(&self, change: &ObjectChange, back: bool) -> Result<(), StackError> {
        let operation = format!("changing `{}`", change.object);
        let planned = self.planned(&change.object)?;
        let set = as_shown(planned, &change.set);
        let patch = if back { taken_back(&set, Some(planned)) } else { set };
        let all = objects(self.client, self.namespace, planned);
        let patched = all.patch(name(planned), &PatchParams::default(), &Patch::Merge(patch)).await;
        patched.map_err(api(operation))?;
        if pods::is_rolled_out(planned) {
            settled(self.client, self.namespace, planned).await?;
        }
        match &change.restart {
            Some(service) => self.restart(service).await,
            None => Ok(()),
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
        let planned = self.planned(&change.object)?;
        let live = now(self.client, self.namespace, planned).await?;
        let mut found = BTreeMap::new();
        compare(&as_shown(planned, &change.set), Some(&live), String::new(), &mut found);
        Ok(found)
    }
}

/// What is set, as the cluster shows it.
fn as_shown(planned: &Value, set: &Value) -> Value {
    let mut set = set.clone();
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
        value => drop(found.insert(path, live.unwrap_or(&Value::Null) == value)),
    }
}

/// The merge patch that gives back what another one has set: the planned value, or none.
fn taken_back(set: &Value, planned: Option<&Value>) -> Value {
    match (set, planned) {
        (Value::Object(set), Some(Value::Object(planned))) => {
            let entry = |(key, value): (&String, &Value)| (key.clone(), taken_back(value, planned.get(key)));
            Value::Object(set.iter().map(entry).collect::<Map<_, _>>())
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
        assert_eq!(taken_back(&set, Some(&planned)), json!({ "data": { "A": "1", "NEW": null }, "spec": null }));
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
