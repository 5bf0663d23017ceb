//! Objects of the whole cluster that a scenario allows (`allow_cluster`): which of them may be allowed, how a drill has them under names of
//! its own, and how they are removed, by the label of the run.

use super::boundary::{LOOKS, OutOfBounds, STANDARD_ROLE, of_subjects};
use super::cluster::Cluster;
use super::errors::{api, environment, removed};
use super::manifests::{Manifests, items, kind, name, pod_spec_pointer, text};
use super::names::{MANAGER, RUN, short};
use super::namespace::resource;
use super::transform::{DrillObjects, own_subjects, owned};
use crate::stack::{StackError, StackRequest};
use kube::Api;
use kube::api::{DeleteParams, DynamicObject, ListParams, PostParams};
use serde_json::{Value, json};

/// Kinds that a scenario may allow. A CustomResourceDefinition has one name for all, and with it all objects of its kind would be removed.
const KINDS: [(&str, &str); 3] = [
    ("ClusterRole", "rbac.authorization.k8s.io/v1"),
    ("ClusterRoleBinding", "rbac.authorization.k8s.io/v1"),
    ("PriorityClass", "scheduling.k8s.io/v1"),
];
/// Parts of objects that only tell something; `pods/exec`, `nodes/log` and the proxies do more although the verb is `get`.
const TELLING_PARTS: [&str; 5] = ["*/scale", "*/status", "nodes/metrics", "nodes/stats", "pods/log"];
/// Addresses of the API server that tell how it does, and nothing of what others have in it.
const TELLING_URLS: [&str; 5] = ["/healthz", "/livez", "/metrics", "/readyz", "/version"];

/// Whether the scenario allows this object of the whole cluster.
pub(super) fn is_allowed(object: &Value, request: &StackRequest) -> bool {
    let named = format!("{}/{}", kind(object), name(object));
    request.cluster.as_ref().is_some_and(|cluster| cluster.allowed.contains(&named))
}

/// What is wrong with the list itself: each mistake and what to do about it.
pub(super) fn mistakes(manifests: &Manifests, request: &StackRequest) -> Vec<(String, &'static str)> {
    let unknown = |entry: &String| {
        let written = entry.split_once('/').map_or("", |(kind, _)| kind);
        if !KINDS.iter().any(|(known, _)| *known == written) {
            let help = "a drill can have a ClusterRole, a ClusterRoleBinding or a PriorityClass of its own: `ClusterRole/reader`; what is \
                        shared by all, such as a CustomResourceDefinition, is installed before";
            return Some((format!("`{entry}` cannot be allowed"), help));
        }
        let is_there = manifests.objects.iter().any(|object| format!("{}/{}", kind(object), name(object)) == *entry);
        (!is_there).then(|| (format!("the manifests have no `{entry}`"), "take it out of `allow_cluster`"))
    };
    request.cluster.iter().flat_map(|cluster| &cluster.allowed).filter_map(unknown).collect()
}

/// Why an object may not be in the cluster although it is allowed: what it gives goes beyond the drill's namespace, so it may only look.
pub(super) fn refusals(object: &Value, request: &StackRequest, written: &str) -> Vec<OutOfBounds> {
    let mut found = Vec::new();
    let mut refuse = |why: String, help: &'static str| found.push((why, help));
    match kind(object) {
        "ClusterRole" => {
            let help = "beyond its namespace a drill may only look, and not at Secrets";
            if object.get("aggregationRule").is_some_and(|rule| !rule.is_null()) {
                refuse("is made of other ClusterRoles".into(), "write its rules out");
            }
            for rule in items(object, "/rules") {
                let told = |url: &&Value| url.as_str().is_some_and(|url| TELLING_URLS.contains(&url));
                if let Some(url) = items(rule, "/nonResourceURLs").find(|url| !told(url)) {
                    refuse(format!("gives the address {url} of the API server"), help);
                }
                let words = |key: &str| items(rule, key).filter_map(Value::as_str);
                if let Some(verb) = words("/verbs").find(|verb| !LOOKS.contains(verb)) {
                    refuse(format!("gives the verb `{verb}` in the whole cluster"), help);
                }
                let shows_too_much = |resource: &&str| match resource.split_once('/') {
                    Some((_, part)) => {
                        !TELLING_PARTS.iter().any(|told| told == resource || *told == format!("*/{part}"))
                    }
                    None => ["secrets", "*"].contains(resource),
                };
                if let Some(resource) = words("/resources").find(shows_too_much) {
                    refuse(format!("gives `{resource}` of the whole cluster"), help);
                }
            }
        }
        "ClusterRoleBinding" => {
            let role = text(object, "/roleRef/name");
            let bound = json!({ "kind": "ClusterRole", "metadata": { "name": role } });
            if role != STANDARD_ROLE && !is_allowed(&bound, request) {
                let help = "bind a ClusterRole of the manifests that is in `allow_cluster` as well, or `view`";
                refuse(format!("binds the ClusterRole `{role}`"), help);
            }
            of_subjects(object, written, &mut refuse);
            if items(object, "/subjects").any(|subject| text(subject, "/kind") != "ServiceAccount") {
                refuse("gives rights to users or groups".into(), "name accounts of the stack's namespace");
            }
        }
        _ => {}
    }
    found
}

/// Why Pods may drive off those of others: a priority that does not come from a PriorityClass of the drill's own.
pub(super) fn foreign_priority(spec: &Value, request: &StackRequest) -> Option<OutOfBounds> {
    let class = text(spec, "/priorityClassName");
    let is_own = is_allowed(&json!({ "kind": "PriorityClass", "metadata": { "name": class } }), request);
    let is_set = spec.get("priority").and_then(Value::as_i64).is_some_and(|priority| priority != 0);
    let what = match class {
        _ if is_own => return None,
        "" if is_set => "sets `priority`".to_string(),
        "" => return None,
        class => format!("has the priority class `{class}`, which is not the drill's own"),
    };
    let help = "leave it out, or let the manifests have the PriorityClass, with `stack.kubernetes.allow_cluster`";
    Some((format!("{what}: its Pods may drive off those of others"), help))
}

/// The name at a pointer becomes that of the drill's own object, where the scenario allows the object.
fn rename(object: &mut Value, pointer: &str, of_kind: &str, request: &StackRequest, short: &str) {
    let Some(named) = object.pointer_mut(pointer) else { return };
    let meant = json!({ "kind": of_kind, "metadata": { "name": named } });
    if is_allowed(&meant, request) {
        *named = json!(format!("{}-fd-{short}", name(&meant)));
    }
}

/// The manifests with Pods that name the drill's own PriorityClasses.
pub(super) fn with_own_names(mut manifests: Manifests, request: &StackRequest, short: &str) -> Manifests {
    for object in &mut manifests.objects {
        if let Some(spec) = pod_spec_pointer(object) {
            rename(object, &format!("{spec}/priorityClassName"), "PriorityClass", request, short);
        }
    }
    manifests
}

/// The allowed objects as a drill makes them.
pub(super) fn objects(manifests: &Manifests, request: &StackRequest, drill: &DrillObjects<'_>) -> Vec<Value> {
    let written = request.cluster.as_ref().map_or("", |cluster| cluster.namespace.as_str());
    let own = |object: &Value| {
        let mut own = owned(object, drill);
        rename(&mut own, "/metadata/name", kind(object), request, drill.short);
        rename(&mut own, "/roleRef/name", "ClusterRole", request, drill.short);
        own_subjects(&mut own, written, drill);
        // No label of the team's: by one of them a ClusterRole would become a part of others.
        let metadata = json!({ "name": name(&own), "labels": { (RUN): drill.short } });
        if let Some(place) = own.get_mut("metadata") {
            *place = metadata;
        }
        if kind(object) == "PriorityClass"
            && let Value::Object(own) = &mut own
        {
            // Nobody else's Pods have it by default, and none are driven off for it.
            own.remove("globalDefault");
            own.insert("preemptionPolicy".into(), json!("Never"));
        }
        own
    };
    manifests.objects.iter().filter(|object| is_allowed(object, request)).map(own).collect()
}

/// Makes one of them.
pub(super) async fn make(cluster: &Cluster, object: &Value) -> Result<(), StackError> {
    let operation = format!("making {} {}", kind(object), name(object));
    let typed = serde_json::from_value(object.clone()).map_err(|error| environment(operation.as_str(), error))?;
    let all: Api<DynamicObject> = Api::all_with(cluster.client.clone(), &resource(object));
    let params = PostParams { field_manager: Some(MANAGER.into()), ..PostParams::default() };
    all.create(&params, &typed).await.map(drop).map_err(api(operation))
}

/// Removes all of a run.
pub(super) async fn remove(cluster: &Cluster, run: &str) -> Result<(), StackError> {
    let own = ListParams::default().labels(&format!("{RUN}={}", short(run)));
    for (kind, version) in KINDS {
        let of_kind = resource(&json!({ "apiVersion": version, "kind": kind }));
        let all: Api<DynamicObject> = Api::all_with(cluster.client.clone(), &of_kind);
        let gone = all.delete_collection(&DeleteParams::default(), &own).await;
        removed(gone, format!("removing each {kind} of {run}"))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stack::ClusterRequest;

    fn request(allowed: &[&str]) -> StackRequest {
        let allowed = allowed.iter().map(|entry| entry.to_string()).collect();
        let cluster = ClusterRequest { namespace: "shop".into(), allowed, ..ClusterRequest::default() };
        StackRequest { cluster: Some(cluster), ..StackRequest::default() }
    }

    fn object(text: &str) -> Value {
        serde_yaml::from_str(text).expect(text)
    }

    const DRILL: DrillObjects<'_> = DrillObjects {
        namespace: "firedrill-1a2b3c4d",
        short: "1a2b3c4d",
        agent_image: "a",
        toolbox_image: "t",
        monitoring_image: None,
        launch: &[],
    };

    #[test]
    fn what_is_allowed_has_names_of_the_drill_and_drives_nobody_off() {
        let manifests = Manifests {
            objects: vec![
                object(
                    "{ kind: ClusterRole, metadata: { name: reader, labels: { rbac.authorization.k8s.io/aggregate-to-view: 'true' } }, \
                     rules: [] }",
                ),
                object(
                    "{ kind: ClusterRoleBinding, metadata: { name: reads }, roleRef: { kind: ClusterRole, name: reader }, \
                     subjects: [{ kind: ServiceAccount, name: web, namespace: shop }] }",
                ),
                object(
                    "{ kind: PriorityClass, metadata: { name: high }, value: 1000, globalDefault: true, preemptionPolicy: PreemptLowerPriority }",
                ),
                object("{ kind: PriorityClass, metadata: { name: other }, value: 1 }"),
            ],
        };
        let request = request(&["ClusterRole/reader", "ClusterRoleBinding/reads", "PriorityClass/high"]);
        let labels = "labels: { dev.firedrill/run: 1a2b3c4d }";
        assert_eq!(
            objects(&manifests, &request, &DRILL),
            [
                object(&format!(
                    "{{ kind: ClusterRole, metadata: {{ name: reader-fd-1a2b3c4d, {labels} }}, rules: [] }}"
                )),
                object(&format!(
                    "{{ kind: ClusterRoleBinding, metadata: {{ name: reads-fd-1a2b3c4d, {labels} }}, \
                     roleRef: {{ kind: ClusterRole, name: reader-fd-1a2b3c4d }}, \
                     subjects: [{{ kind: ServiceAccount, name: web, namespace: firedrill-1a2b3c4d }}] }}"
                )),
                object(&format!(
                    "{{ kind: PriorityClass, metadata: {{ name: high-fd-1a2b3c4d, {labels} }}, value: 1000, preemptionPolicy: Never }}"
                )),
            ]
        );
        let pod = |class: &str| object(&format!("{{ kind: Pod, spec: {{ priorityClassName: {class} }} }}"));
        let pods = Manifests { objects: vec![pod("high"), pod("other")] };
        let own = with_own_names(pods, &request, "1a2b3c4d");
        assert_eq!(own.objects, [pod("high-fd-1a2b3c4d"), pod("other")]);
    }

    #[test]
    fn what_is_allowed_only_looks() {
        let request = request(&["ClusterRole/reader", "ClusterRoleBinding/b"]);
        let refused = |text: &str| {
            refusals(&object(text), &request, "shop").into_iter().map(|(why, _)| why).collect::<Vec<_>>().join("; ")
        };
        let rule = |verbs: &str, resources: &str| {
            refused(&format!("{{ kind: ClusterRole, rules: [{{ verbs: [{verbs}], resources: [{resources}] }}] }}"))
        };
        assert_eq!(rule("get, list, watch", "nodes, pods, pods/log, nodes/stats"), "");
        assert_eq!(rule("get, create", "pods"), "gives the verb `create` in the whole cluster");
        assert_eq!(rule("get", "secrets"), "gives `secrets` of the whole cluster");
        // By a WebSocket, for which `get` is enough.
        assert_eq!(rule("get", "pods/exec"), "gives `pods/exec` of the whole cluster");
        assert_eq!(rule("get", "nodes/log"), "gives `nodes/log` of the whole cluster");
        assert_eq!(rule("get", "nodes/proxy"), "gives `nodes/proxy` of the whole cluster");
        assert_eq!(rule("get", "'*'"), "gives `*` of the whole cluster");
        assert_eq!(
            refused("{ kind: ClusterRole, aggregationRule: { clusterRoleSelectors: [] } }"),
            "is made of other ClusterRoles"
        );
        let binding = |role: &str, subject: &str| {
            refused(&format!(
                "{{ kind: ClusterRoleBinding, roleRef: {{ kind: ClusterRole, name: {role} }}, subjects: [{{ {subject} }}] }}"
            ))
        };
        assert_eq!(binding("reader", "kind: ServiceAccount, name: web, namespace: shop"), "");
        assert_eq!(binding("view", "kind: ServiceAccount, name: web, namespace: shop"), "");
        assert_eq!(
            binding("cluster-admin", "kind: ServiceAccount, name: web, namespace: shop"),
            "binds the ClusterRole `cluster-admin`"
        );
        assert!(binding("reader", "kind: ServiceAccount, name: x, namespace: kube-system").contains("kube-system"));
        assert_eq!(binding("reader", "kind: Group, name: everybody"), "gives rights to users or groups");
    }

    #[test]
    fn no_pod_has_a_priority_of_others() {
        let request = request(&["PriorityClass/high"]);
        let told = |spec: Value| foreign_priority(&spec, &request).map(|(why, _)| why).unwrap_or_default();
        assert_eq!(told(json!({})), "");
        assert_eq!(told(json!({ "priority": 0, "priorityClassName": "" })), "");
        assert_eq!(told(json!({ "priority": 1000, "priorityClassName": "high" })), "");
        assert!(told(json!({ "priorityClassName": "other" })).starts_with("has the priority class `other`"));
        assert!(told(json!({ "priority": 1000 })).starts_with("sets `priority`"));
    }

    #[test]
    fn what_cannot_be_allowed_is_told() {
        let manifests = Manifests { objects: vec![object("{ kind: ClusterRole, metadata: { name: reader } }")] };
        let told = |entry: &str| -> Vec<String> {
            mistakes(&manifests, &request(&[entry])).into_iter().map(|(why, _)| why).collect()
        };
        assert!(told("ClusterRole/reader").is_empty());
        assert_eq!(told("ClusterRole/other"), ["the manifests have no `ClusterRole/other`"]);
        assert_eq!(told("CustomResourceDefinition/x.y.z"), ["`CustomResourceDefinition/x.y.z` cannot be allowed"]);
        assert_eq!(told("reader"), ["`reader` cannot be allowed"]);
    }
}
