//! The team's objects as a drill starts them: pure functions, so that what a drill changes can be read and tested without a
//! cluster. Everything that is not named here stays as the team wrote it.

use super::manifests::{Manifests, is_cluster_scoped, items, kind, map_at, name, pod_spec_pointer, text};
use super::names::{PROXY, RUN, SERVICE, STEPS, origin};
use crate::stack::http_ports::carries_http;
use crate::stack::{AgentRole, StackRequest, TOOLBOX};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// What a drill adds to the manifests.
#[derive(Debug, Clone)]
pub(super) struct DrillObjects<'a> {
    /// The drill's namespace.
    pub namespace: &'a str,
    /// Value of the label [`RUN`].
    pub short: &'a str,
    /// Image of the agents.
    pub agent_image: &'a str,
    /// Image of the toolbox, with kubectl and the agent's bundle in it.
    pub toolbox_image: &'a str,
    /// The command that starts `firedrill` in both.
    pub launch: &'a [String],
}

/// Address → the names that lead there.
pub(super) type Aliases = BTreeMap<String, Vec<String>>;

/// What is written of an object by the cluster, and not by the team.
const WRITTEN_BY_CLUSTER: [&str; 7] =
    ["uid", "resourceVersion", "creationTimestamp", "selfLink", "generation", "managedFields", "ownerReferences"];

/// The team's objects in the drill's namespace, those without Pods first.
pub(super) fn team(manifests: &Manifests, request: &StackRequest, drill: &DrillObjects<'_>) -> Vec<Value> {
    let written = request.cluster.as_ref().map_or("", |cluster| cluster.namespace.as_str());
    let mut objects = Vec::new();
    for object in &manifests.objects {
        if is_cluster_scoped(object) || kind(object) == "Ingress" {
            continue;
        }
        let mut own = object.clone();
        own_metadata(&mut own, drill);
        match kind(object) {
            "Service" => {
                inside_only(&mut own);
                match request.interposed.get(name(object)) {
                    Some(ports) => objects.extend(interposed(own, ports, drill)),
                    None => objects.push(own),
                }
                continue;
            }
            "RoleBinding" => own_subjects(&mut own, written, drill),
            "Secret" => encode(&mut own),
            _ => {}
        }
        objects.push(own);
    }
    objects.sort_by_key(|object| pod_spec_pointer(object).is_some());
    objects
}

fn own_metadata(object: &mut Value, drill: &DrillObjects<'_>) {
    if let Value::Object(object) = object {
        object.remove("status");
        if let Some(metadata) = map_at(object, "metadata") {
            WRITTEN_BY_CLUSTER.iter().for_each(|key| drop(metadata.remove(*key)));
            metadata.insert("namespace".into(), json!(drill.namespace));
            if let Some(labels) = map_at(metadata, "labels") {
                labels.insert(RUN.into(), json!(drill.short));
            }
        }
    }
}

/// A Secret with all that it holds under `data`, in base64, as the cluster shows it: what is compared and given back is one thing.
pub(super) fn encode(secret: &mut Value) {
    use base64::Engine;
    let Some(secret) = secret.as_object_mut() else { return };
    let Some(Value::Object(plain)) = secret.remove("stringData") else { return };
    let encoded = plain.into_iter().map(|(key, value)| match value {
        Value::String(text) => (key, json!(base64::engine::general_purpose::STANDARD.encode(text))),
        other => (key, other),
    });
    if let Some(data) = map_at(secret, "data") {
        data.extend(encoded);
    }
}

/// The subjects of the written namespace are those of the drill's.
fn own_subjects(binding: &mut Value, written: &str, drill: &DrillObjects<'_>) {
    for subject in binding.get_mut("subjects").and_then(Value::as_array_mut).into_iter().flatten() {
        if let Value::Object(subject) = subject
            && subject.get("namespace").and_then(Value::as_str) == Some(written)
        {
            subject.insert("namespace".into(), json!(drill.namespace));
        }
    }
}

/// A Service that can be reached from inside the cluster alone, at an address of the drill's own.
fn inside_only(service: &mut Value) {
    let Some(spec) = service.get_mut("spec").and_then(Value::as_object_mut) else { return };
    let is_headless = spec.get("clusterIP").and_then(Value::as_str) == Some("None");
    for key in [
        "clusterIPs",
        "externalIPs",
        "loadBalancerIP",
        "loadBalancerClass",
        "loadBalancerSourceRanges",
        "externalTrafficPolicy",
        "healthCheckNodePort",
        "allocateLoadBalancerNodePorts",
    ] {
        spec.remove(key);
    }
    if !is_headless {
        spec.remove("clusterIP");
    }
    if matches!(spec.get("type").and_then(Value::as_str), Some("NodePort" | "LoadBalancer")) {
        spec.insert("type".into(), json!("ClusterIP"));
    }
    for port in spec.get_mut("ports").and_then(Value::as_array_mut).into_iter().flatten() {
        if let Value::Object(port) = port {
            port.remove("nodePort");
        }
    }
}

/// A Service that leads to the agent in front of it, a second one that leads to its true Pods, and the agent.
fn interposed(mut service: Value, ports: &[u16], drill: &DrillObjects<'_>) -> [Value; 3] {
    let name = name(&service).to_string();
    let mut behind = service.clone();
    if let Some(metadata) = behind.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.insert("name".into(), json!(origin(&name)));
    }
    let own = items(&service, "/spec/ports").filter_map(port_number);
    let ports: BTreeSet<u16> = own.chain(ports.iter().copied()).collect();
    if let Some(spec) = service.get_mut("spec").and_then(Value::as_object_mut) {
        spec.insert("selector".into(), json!({ PROXY: name }));
        for port in spec.get_mut("ports").and_then(Value::as_array_mut).into_iter().flatten() {
            let number = port_number(port);
            if let (Value::Object(port), Some(number)) = (port, number) {
                port.insert("targetPort".into(), json!(number));
            }
        }
    }
    let listening: Vec<Value> = ports.iter().map(|port| json!({ "port": port, "http": carries_http(*port) })).collect();
    let stands_for = json!({ "service": origin(&name), "ports": listening }).to_string();
    let role = AgentRole::Proxy { service: name.clone() };
    let mut pod = our_pod(&role.name(), drill.agent_image, &["agent", "serve"], drill);
    let labels = pod.pointer_mut("/metadata/labels").and_then(Value::as_object_mut);
    labels.into_iter().for_each(|labels| drop(labels.insert(PROXY.into(), json!(name))));
    if let Some(Value::Object(container)) = pod.pointer_mut("/spec/containers/0") {
        container.insert("env".into(), json!([{ "name": "FIREDRILL_PROXY", "value": stands_for }]));
    }
    [service, behind, pod]
}

fn port_number(port: &Value) -> Option<u16> {
    port.get("port").and_then(Value::as_u64).and_then(|port| u16::try_from(port).ok())
}

/// A Pod of Firedrill's own.
fn our_pod(service: &str, image: &str, arguments: &[&str], drill: &DrillObjects<'_>) -> Value {
    let args: Vec<&str> = drill.launch.iter().map(String::as_str).chain(arguments.iter().copied()).collect();
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": service,
            "namespace": drill.namespace,
            "labels": { (RUN): drill.short, (SERVICE): service },
        },
        "spec": {
            "automountServiceAccountToken": false,
            "enableServiceLinks": false,
            "restartPolicy": "Never",
            "terminationGracePeriodSeconds": 1,
            "containers": [{
                "name": "firedrill",
                "image": image,
                "imagePullPolicy": "IfNotPresent",
                "command": args,
                "resources": { "requests": { "cpu": "50m", "memory": "32Mi" }, "limits": { "memory": "256Mi" } },
            }],
        },
    })
}

/// The drill's agent and the toolbox.
pub(super) fn our_pods(drill: &DrillObjects<'_>) -> [Value; 2] {
    let agent = our_pod(&AgentRole::Drill.name(), drill.agent_image, &["agent", "serve"], drill);
    let mut toolbox = our_pod(TOOLBOX, drill.toolbox_image, &["agent", "forward"], drill);
    if let Some(Value::Object(spec)) = toolbox.get_mut("spec") {
        spec.insert("automountServiceAccountToken".into(), json!(true));
        spec.insert("serviceAccountName".into(), json!(STEPS));
        // One process of it takes in those whose parent a killed step was.
        spec.insert("shareProcessNamespace".into(), json!(true));
    }
    // Dumps and restores run here.
    if let Some(limits) = toolbox.pointer_mut("/spec/containers/0/resources/limits") {
        *limits = json!({ "memory": "1Gi" });
    }
    [agent, toolbox]
}

/// What the steps may do: everything that a team does to its own workloads, in the drill's namespace and nowhere else. No right on
/// ServiceAccounts, Roles and the namespace itself.
pub(super) fn rights_of_steps(drill: &DrillObjects<'_>) -> [Value; 3] {
    let metadata =
        |labels: Map<String, Value>| json!({ "name": STEPS, "namespace": drill.namespace, "labels": labels });
    let labels = || Map::from_iter([(RUN.to_string(), json!(drill.short))]);
    let all = ["get", "list", "watch", "create", "update", "patch", "delete", "deletecollection"];
    let rule = |groups: &[&str], resources: &[&str], verbs: &[&str]| json!({ "apiGroups": groups, "resources": resources, "verbs": verbs });
    let rules = [
        rule(
            &[""],
            &[
                "pods", "services", "endpoints", "configmaps", "secrets", "persistentvolumeclaims",
                "replicationcontrollers",
            ],
            &all,
        ),
        rule(&[""], &["pods/exec", "pods/attach", "pods/portforward", "pods/eviction"], &["get", "create"]),
        rule(&[""], &["pods/log", "pods/status", "events", "limitranges", "resourcequotas"], &["get", "list", "watch"]),
        rule(&["events.k8s.io"], &["events"], &["get", "list", "watch"]),
        rule(&["apps", "batch", "autoscaling", "policy"], &["*"], &all),
        rule(&["networking.k8s.io", "discovery.k8s.io"], &["*"], &["get", "list", "watch"]),
        // Of the namespace itself that it is there.
        rule(&[""], &["namespaces"], &["get"]),
        rule(&["metrics.k8s.io"], &["pods"], &["get", "list"]),
    ];
    [
        json!({ "apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata(labels()) }),
        json!({ "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": metadata(labels()), "rules": rules }),
        json!({ "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": metadata(labels()),
                "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": STEPS },
                "subjects": [{ "kind": "ServiceAccount", "name": STEPS, "namespace": drill.namespace }] }),
    ]
}

/// What nobody may make in the namespace: Services and Ingresses that are reached from outside of the cluster.
pub(super) fn quota(drill: &DrillObjects<'_>) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": { "name": "fd-inside", "namespace": drill.namespace, "labels": { (RUN): drill.short } },
        "spec": { "hard": {
            "services.nodeports": "0",
            "services.loadbalancers": "0",
            "count/ingresses.networking.k8s.io": "0",
        } },
    })
}

/// Lets Pods of the namespace speak with each other, with the cluster's DNS and with the API server at these addresses, and with
/// nothing else. Where the cluster's network carries out no policies it does nothing.
pub(super) fn isolation(drill: &DrillObjects<'_>, api_server: &[(String, u16)]) -> Value {
    let api_server = api_server.iter().map(|(ip, port)| {
        let length = if ip.contains(':') { 128 } else { 32 };
        json!({ "to": [{ "ipBlock": { "cidr": format!("{ip}/{length}") } }], "ports": [{ "port": port, "protocol": "TCP" }] })
    });
    let dns = json!({ "to": [{ "namespaceSelector": {} }],
                      "ports": [{ "port": 53, "protocol": "UDP" }, { "port": 53, "protocol": "TCP" }] });
    let egress: Vec<Value> = [json!({ "to": [{ "podSelector": {} }] }), dns].into_iter().chain(api_server).collect();
    json!({
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": { "name": "fd-isolated", "namespace": drill.namespace, "labels": { (RUN): drill.short } },
        "spec": {
            "podSelector": {},
            "policyTypes": ["Egress"],
            "egress": egress,
        },
    })
}

/// Names that the cluster's DNS does not have in the drill: those of the written namespace, and those of production. `address`
/// gives the address of a Service.
pub(super) fn aliases(
    manifests: &Manifests,
    request: &StackRequest,
    address: impl Fn(&str) -> Option<String>,
) -> Aliases {
    let written = request.cluster.as_ref().map_or("", |cluster| cluster.namespace.as_str());
    let mut found = Aliases::new();
    for service in manifests.of_kind("Service").map(name) {
        if let Some(address) = address(service) {
            let names = Manifests::names_of(service, written).into_iter().filter(|name| name != service);
            found.entry(address).or_default().extend(names);
        }
    }
    for (host, service) in request.hosts.iter().filter(|(host, service)| host != service) {
        if let Some(address) = address(service) {
            found.entry(address).or_default().push(host.clone());
        }
    }
    found
}

/// Gives the Pods of an object these names.
pub(super) fn add_aliases(object: &mut Value, aliases: &Aliases) {
    let Some(pointer) = pod_spec_pointer(object) else { return };
    let Some(Value::Object(spec)) = object.pointer_mut(pointer) else { return };
    let own = spec.entry("hostAliases").or_insert_with(|| json!([]));
    if let Value::Array(own) = own {
        own.extend(aliases.iter().map(|(ip, names)| json!({ "ip": ip, "hostnames": names })));
    }
}

/// The ClusterIP of a Service as the cluster shows it; a headless one has none.
pub(super) fn cluster_ip(service: &Value) -> Option<String> {
    Some(text(service, "/spec/clusterIP")).filter(|ip| !ip.is_empty() && *ip != "None").map(str::to_string)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stack::ClusterRequest;

    fn request(interposed: &[&str]) -> StackRequest {
        StackRequest {
            cluster: Some(ClusterRequest { namespace: "shop".into(), ..ClusterRequest::default() }),
            interposed: interposed.iter().map(|name| (name.to_string(), Vec::new())).collect(),
            hosts: [("pay.example.com".to_string(), "pay".to_string())].into(),
            ..StackRequest::default()
        }
    }

    const LAUNCH: &[String] = &[];
    const DRILL: DrillObjects<'_> = DrillObjects {
        namespace: "firedrill-x",
        short: "x",
        agent_image: "agent:1",
        toolbox_image: "tools:1",
        launch: LAUNCH,
    };

    fn manifests() -> Manifests {
        let service = json!({ "apiVersion": "v1", "kind": "Service", "metadata": { "name": "pay", "namespace": "shop", "uid": "7" },
            "spec": { "type": "NodePort", "clusterIP": "10.0.0.1", "selector": { "app": "pay" },
                      "ports": [{ "port": 80, "targetPort": "http", "nodePort": 30080 }] } });
        let pods = json!({ "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": "pay" },
            "spec": { "template": { "spec": { "containers": [{ "name": "pay", "image": "pay:1" }] } } } });
        Manifests { objects: vec![pods, json!({ "kind": "Ingress", "metadata": { "name": "x" } }), service] }
    }

    #[test]
    fn a_service_is_reached_from_inside_alone_and_comes_before_what_has_pods() {
        let team = team(&manifests(), &request(&[]), &DRILL);
        assert_eq!(team.iter().map(kind).collect::<Vec<_>>(), ["Service", "Deployment"], "no Ingress");
        let service = &team[0];
        assert_eq!(text(service, "/metadata/namespace"), "firedrill-x");
        assert_eq!(
            service["spec"],
            json!({ "type": "ClusterIP", "selector": { "app": "pay" }, "ports": [{ "port": 80, "targetPort": "http" }] })
        );
        assert_eq!(service.pointer("/metadata/uid"), None);
    }

    #[test]
    fn an_agent_in_front_of_a_service_has_its_name_and_leads_to_its_pods() {
        let team = team(&manifests(), &request(&["pay"]), &DRILL);
        assert_eq!(team.iter().map(name).collect::<Vec<_>>(), ["pay", "fd-origin-pay", "pay", "fd-pay"]);
        assert_eq!(team[0]["spec"]["selector"], json!({ PROXY: "pay" }));
        assert_eq!(team[0]["spec"]["ports"][0]["targetPort"], json!(80));
        assert_eq!(team[1]["spec"]["selector"], json!({ "app": "pay" }));
        assert_eq!(team[1]["spec"]["ports"][0]["targetPort"], json!("http"));
        assert_eq!(team[3]["metadata"]["labels"][PROXY], json!("pay"));
        let stands_for = team[3].pointer("/spec/containers/0/env/0/value").and_then(Value::as_str).unwrap();
        assert_eq!(stands_for, r#"{"service":"fd-origin-pay","ports":[{"port":80,"http":true}]}"#);
    }

    #[test]
    fn names_of_the_written_namespace_and_of_production_lead_to_the_service() {
        let found = aliases(&manifests(), &request(&[]), |_| Some("10.1.1.1".into()));
        let names = ["pay.shop", "pay.shop.svc", "pay.shop.svc.cluster.local", "pay.example.com"];
        assert_eq!(found["10.1.1.1"], names);
        let mut pods = manifests().objects.remove(0);
        add_aliases(&mut pods, &found);
        assert_eq!(pods.pointer("/spec/template/spec/hostAliases/0/ip"), Some(&json!("10.1.1.1")));
    }
}
