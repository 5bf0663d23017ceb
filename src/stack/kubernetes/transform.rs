//! The team's objects as a drill starts them: pure functions, so that what a drill changes can be read and tested without a
//! cluster. Everything that is not named here stays as the team wrote it.

use super::boundary::{is_allowed, is_made};
use super::images::FiredrillImages;
use super::manifests::{Manifests, items, items_mut, kind, map_at, name, pod_spec_pointer, remove_at, text, written};
use super::names::{self, CLOSED, CLOSED_PORT, LAST_APPLIED, PROXY, RUN, SERVICE, STEPS, UNFOLLOWED, origin};
use super::namespace::resource;
use crate::stack::http_ports::carries_http;
use crate::stack::{AgentRole, StackRequest, TOOLBOX, TOXIPROXY_PORT};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// What a drill adds to the manifests.
#[derive(Debug, Clone)]
pub(super) struct DrillObjects<'a> {
    /// The drill's namespace.
    pub namespace: &'a str,
    /// Value of the label [`RUN`].
    pub short: &'a str,
    /// Firedrill's own images; the toolbox has kubectl and the agent's bundle in it.
    pub ours: &'a FiredrillImages,
}

/// The names that belong to the drill's Services, and by address those that lead there.
pub(super) type Aliases = (BTreeSet<String>, BTreeMap<String, Vec<String>>);

/// What is written of an object by the cluster, and not by the team.
const WRITTEN_BY_CLUSTER: [&str; 6] =
    ["uid", "resourceVersion", "creationTimestamp", "selfLink", "generation", "managedFields"];
/// What ties an object to others: a finalizer keeps the namespace from being removed, an owner that is elsewhere takes the object along.
pub(super) const TIES: [&str; 2] = ["finalizers", "ownerReferences"];
/// The most that an annotation may have; the cluster takes 256 KiB for all of them.
const MOST_ANNOTATION: usize = 200 * 1024;

/// What gives a Service a way in from outside of the cluster.
const OF_OUTSIDE: &str = "externalIPs loadBalancerIP loadBalancerClass loadBalancerSourceRanges \
    externalTrafficPolicy healthCheckNodePort allocateLoadBalancerNodePorts";

/// How annotations begin that programs of the cluster follow wherever they are: external-dns and the controller of kops
/// give the object a name in a DNS of the world; kubed, Reflector and Replicator write copies of it into other
/// namespaces; Consul and Ambassador lead the clients of others to it; kube2iam and kiam give Pods a role in AWS; Datadog, Elastic's agents and
/// Prometheus watch over it.
const FOLLOWED: &str = "ad.datadoghq.com/ co.elastic. consul.hashicorp.com/ dns.alpha.kubernetes.io/ \
    external-dns.alpha.kubernetes.io/ getambassador.io/ iam.amazonaws.com/ kubed.appscode.com/ \
    reflector.v1.k8s.emberstack.com/ replicator.v1.mittwald.de/ prometheus.io/";

/// Where an object, and what a controller makes of it, has metadata.
pub(super) const MADE: [&str; 4] = ["", "/spec/template", "/spec/jobTemplate", "/spec/jobTemplate/spec/template"];

/// The team's objects in the drill's namespace, those without Pods first.
pub(super) fn team(manifests: &Manifests, request: &StackRequest, drill: &DrillObjects<'_>) -> Vec<Value> {
    let (written, followed) = (written(request), followed(manifests));
    let mut objects = Vec::new();
    for object in manifests.objects.iter().filter(|object| is_made(object)) {
        let mut own = owned(object, drill, &followed);
        kept_inside(&mut own, manifests, written, drill.namespace);
        match kind(object) {
            // An address of the drill's own, or none as it is written.
            "Service" if text(&own, "/spec/clusterIP") == "None" => remove_at(&mut own, "/spec", &["clusterIPs"]),
            "Service" => remove_at(&mut own, "/spec", &["clusterIP", "clusterIPs"]),
            "RoleBinding" => own_subjects(&mut own, written, drill),
            "Secret" => encode(&mut own),
            _ => {}
        }
        match request.interposed.get(name(object)).filter(|_| kind(object) == "Service") {
            Some(ports) => {
                let api = request.toxiproxy.iter().any(|service| service == name(object));
                objects.extend(interposed(own, ports, api, drill));
            }
            None => objects.push(own),
        }
    }
    objects.sort_by_key(|object| pod_spec_pointer(object).is_some());
    objects
}

/// An object in the drill's namespace, without what the cluster has written in it and what ties it to others. It says how the team has
/// written it, as `kubectl apply` does, so that this goes on from there.
fn owned(object: &Value, drill: &DrillObjects<'_>, followed: &[&str]) -> Value {
    let mut own = object.clone();
    // What is made of an object has metadata of its own.
    for made in MADE {
        remove_at(&mut own, &format!("{made}/metadata"), &TIES);
        if let Some(Value::Object(annotations)) = own.pointer_mut(&format!("{made}/metadata/annotations")) {
            let all = std::mem::take(annotations).into_iter();
            *annotations = all.map(|(key, value)| (unfollowed(key, followed), value)).collect();
        }
    }
    items_mut(&mut own, "/spec/volumeClaimTemplates").for_each(|claim| remove_at(claim, "/metadata", &TIES));
    remove_at(&mut own, "", &["status"]);
    remove_at(&mut own, "/metadata", &WRITTEN_BY_CLUSTER);
    remove_at(&mut own, "/metadata/annotations", &[LAST_APPLIED]);
    own["metadata"]["namespace"] = json!(drill.namespace);
    let written = own.to_string() + "\n";
    if let Some(labels) = map_at(&mut own, &["metadata", "labels"]) {
        labels.insert(RUN.into(), json!(drill.short));
    }
    let annotations = map_at(&mut own, &["metadata", "annotations"]);
    if let Some(annotations) = annotations.filter(|_| written.len() <= MOST_ANNOTATION) {
        annotations.insert(LAST_APPLIED.into(), json!(written));
    }
    own
}

/// Whether a Prometheus of the manifests finds what it scrapes by annotations `prometheus.io/…`: its configuration names their label.
pub(super) fn scrapes_by_annotation(manifests: &Manifests) -> bool {
    manifests.objects.iter().any(|object| object.to_string().contains("annotation_prometheus_io_"))
}

/// How annotations begin that have another name in a drill.
pub(super) fn followed(manifests: &Manifests) -> Vec<&'static str> {
    let is_meant = scrapes_by_annotation(manifests);
    FOLLOWED.split(' ').filter(|begin| !is_meant || *begin != "prometheus.io/").collect()
}

/// The name of an annotation in a drill. In what a step applies it is renamed as well: one that was added to a template would have its Pods
/// recreated, as production would not.
fn unfollowed(key: String, followed: &[&str]) -> String {
    if followed.iter().any(|begin| key.starts_with(begin)) { format!("{UNFOLLOWED}{key}") } else { key }
}

/// An object without the marks that [`owned`] gives it: what `kubectl apply` takes for what it has applied itself.
pub(super) fn unmarked(own: &Value) -> Value {
    let mut written = own.clone();
    for (map, mark) in [("labels", RUN), ("annotations", LAST_APPLIED)] {
        remove_at(&mut written, &format!("/metadata/{map}"), &[mark]);
        if written["metadata"][map] == json!({}) {
            remove_at(&mut written, "/metadata", &[map]);
        }
    }
    written
}

/// A Secret with all that it holds under `data`, in base64, as the cluster shows it: what is compared and given back is one thing.
pub(super) fn encode(secret: &mut Value) {
    use base64::Engine;
    let plain = secret.as_object_mut().and_then(|secret| secret.remove("stringData"));
    let Some(Value::Object(plain)) = plain else { return };
    let encoded = plain.into_iter().map(|(key, value)| match value {
        Value::String(text) => (key, json!(base64::engine::general_purpose::STANDARD.encode(text))),
        other => (key, other),
    });
    if let Some(data) = map_at(secret, &["data"]) {
        data.extend(encoded);
    }
}

/// The subjects of the written namespace are those of the drill's.
fn own_subjects(binding: &mut Value, written: &str, drill: &DrillObjects<'_>) {
    let named = items_mut(binding, "/subjects").filter_map(|subject| subject.get_mut("namespace"));
    let own = named.filter(|namespace| namespace.as_str() == Some(written));
    own.for_each(|namespace| *namespace = json!(drill.namespace));
}

/// An object of the manifests or of a step: a Service that can be reached from inside the cluster alone, and Services of the drill where
/// the written namespace is named, by an `ExternalName` and where Pods search for short names.
pub(super) fn kept_inside(object: &mut Value, manifests: &Manifests, written: &str, namespace: &str) {
    let searches = pod_spec_pointer(object).map(|at| format!("{at}/dnsConfig/searches")).unwrap_or_default();
    for domain in items_mut(object, &searches) {
        if let Some(rest) = domain.as_str().and_then(|domain| domain.strip_prefix(&format!("{written}.svc"))) {
            *domain = json!(format!("{namespace}.svc{rest}"));
        }
    }
    if kind(object) != "Service" {
        return;
    }
    OF_OUTSIDE.split(' ').for_each(|key| remove_at(object, "/spec", &[key]));
    if matches!(text(object, "/spec/type"), "NodePort" | "LoadBalancer") {
        object["spec"]["type"] = json!("ClusterIP");
    }
    items_mut(object, "/spec/ports").for_each(|port| remove_at(port, "", &["nodePort"]));
    let Some(Value::String(to)) = object.pointer_mut("/spec/externalName") else { return };
    let is_meant = |own: &&str| Manifests::names_of(own, written).iter().any(|name| name == to.trim_end_matches('.'));
    if let Some(own) = manifests.of_kind("Service").map(name).find(is_meant) {
        *to = to.replacen(&format!("{own}.{written}"), &format!("{own}.{namespace}"), 1);
    }
}

/// A Service that leads to the agent in front of it, a second one that leads to its true Pods, and the agent.
fn interposed(mut service: Value, ports: &[u16], toxiproxy: bool, drill: &DrillObjects<'_>) -> [Value; 3] {
    let name = name(&service).to_string();
    let mut behind = service.clone();
    remove_at(&mut behind, "/metadata/annotations", &[LAST_APPLIED]);
    behind["metadata"]["name"] = json!(origin(&name));
    // What the page does with its own labels means the Service itself.
    behind["metadata"]["labels"] = json!({ (RUN): drill.short, (SERVICE): origin(&name) });
    let own = items(&service, "/spec/ports").filter_map(port_number);
    let ports: BTreeSet<u16> = own.chain(ports.iter().copied()).collect();
    if let Some(spec) = map_at(&mut service, &["spec"]) {
        spec.insert("selector".into(), json!({ PROXY: name }));
    }
    for port in items_mut(&mut service, "/spec/ports") {
        if let Some(number) = port_number(port) {
            port["targetPort"] = json!(number);
        }
    }
    if let Some(all) = service.pointer_mut("/spec/ports").and_then(Value::as_array_mut).filter(|_| toxiproxy) {
        // Of several ports each must have a name.
        if let [Value::Object(only)] = &mut all[..] {
            only.entry("name").or_insert_with(|| json!("service"));
        }
        all.push(json!({ "name": "toxiproxy", "port": TOXIPROXY_PORT, "targetPort": TOXIPROXY_PORT }));
    }
    let listening: Vec<Value> = ports.iter().map(|port| json!({ "port": port, "http": carries_http(*port) })).collect();
    let stands_for = json!({ "service": origin(&name), "ports": listening }).to_string();
    let agent = AgentRole::Proxy { service: name.clone() }.name();
    [service, behind, our_pod(drill, &agent, &drill.ours.agent.tag, Some((&name, stands_for)))]
}

pub(super) fn port_number(port: &Value) -> Option<u16> {
    port.get("port").and_then(Value::as_u64).and_then(|port| u16::try_from(port).ok())
}

/// What Firedrill itself puts into a cluster, by this name in `own.yaml`, with these values for its `$names`.
pub(super) fn own_object(which: &str, values: &Value) -> Value {
    fn fill(value: &mut Value, values: &Value) {
        match value {
            Value::String(text) => {
                if let Some(given) = text.strip_prefix('$').and_then(|name| values.get(name)).cloned() {
                    *value = given;
                }
            }
            Value::Array(all) => all.iter_mut().for_each(|one| fill(one, values)),
            Value::Object(map) => map.values_mut().for_each(|one| fill(one, values)),
            _ => {}
        }
    }
    // A test holds that each is whole; what is none no cluster takes.
    let mut all: Value = serde_yaml::from_str(include_str!("own.yaml")).unwrap_or_default();
    fill(&mut all[which], values);
    all[which].take()
}

/// A Pod of Firedrill's own, by its name among services. `proxy`: the Service that it stands in front of, and how.
fn our_pod(drill: &DrillObjects<'_>, service: &str, image: &str, proxy: Option<(&str, String)>) -> Value {
    let is_toolbox = service == TOOLBOX;
    // Dumps and restores run in the toolbox; Prometheus keeps what it knows in memory.
    let has_much = is_toolbox || service == AgentRole::Monitoring.name();
    let memory = if has_much { "1Gi" } else { "256Mi" };
    let (does, account) = if is_toolbox { ("forward", STEPS) } else { ("serve", "default") };
    let mut labels = json!({ (RUN): drill.short, (SERVICE): service });
    let mut env = Vec::new();
    if let Some((proxied, stands_for)) = proxy {
        labels[PROXY] = json!(proxied);
        env.push(json!({ "name": "FIREDRILL_PROXY", "value": stands_for }));
    }
    let values = json!({ "name": service, "namespace": drill.namespace, "labels": labels, "image": image, "env": env,
        "command": drill.ours.agent.command(&["agent", does]), "is_toolbox": is_toolbox, "account": account, "memory": memory });
    own_object("pod", &values)
}

/// The drill's agent, the toolbox, what watches the team's alerts, and what shows whether the drill is `isolated`.
pub(super) fn our_pods(drill: &DrillObjects<'_>, isolated: bool) -> Vec<Value> {
    let FiredrillImages { agent, toolbox, monitoring } = drill.ours;
    let listens = json!({ "service": CLOSED, "ports": [{ "port": CLOSED_PORT, "http": false }] }).to_string();
    let mut pods = vec![(AgentRole::Drill.name(), &agent.tag, None), (TOOLBOX.to_string(), toolbox, None)];
    pods.extend(monitoring.iter().map(|image| (AgentRole::Monitoring.name(), image, None)));
    pods.extend(isolated.then(|| (CLOSED.to_string(), toolbox, Some((CLOSED, listens)))));
    pods.into_iter().map(|(service, image, proxy)| our_pod(drill, &service, image, proxy)).collect()
}

/// A Role of this name with these rules, and what gives it to an account, named with its namespace.
pub(super) fn grant(role: &str, short: &str, rules: &Value, (account, namespace): (&str, &str)) -> [Value; 2] {
    let metadata = json!({ "name": role, "labels": { (RUN): short } });
    let values =
        json!({ "metadata": metadata, "rules": rules, "role": role, "account": account, "namespace": namespace });
    ["role", "binding"].map(|which| own_object(which, &values))
}

/// What limits the drill to its namespace: the account of the steps with their rights, a quota, and with the addresses of the API server
/// what isolates it.
pub(super) fn limits(drill: &DrillObjects<'_>, api_server: Option<&[(String, u16)]>) -> Vec<Value> {
    let labels = json!({ (RUN): drill.short });
    let metadata = json!({ "name": STEPS, "labels": labels });
    let values = json!({ "namespace": drill.namespace, "metadata": metadata, "labels": labels });
    let mut objects = vec![own_object("account", &values)];
    objects.extend(grant(STEPS, drill.short, &own_object("rules", &values), (STEPS, drill.namespace)));
    objects.push(own_object("quota", &values));
    if let Some(api_server) = api_server {
        let mut isolation = own_object("isolation", &values);
        let reached = api_server.iter().map(|(ip, port)| {
            let length = if ip.contains(':') { 128 } else { 32 };
            json!({ "to": [{ "ipBlock": { "cidr": format!("{ip}/{length}") } }], "ports": [{ "port": port, "protocol": "TCP" }] })
        });
        if let Some(Value::Array(egress)) = isolation.pointer_mut("/spec/egress") {
            egress.extend(reached);
        }
        objects.extend([isolation, own_object("closed", &values)]);
    }
    objects
}

/// The rights of the steps on an object that a fault changes, so that they can put it right; nothing where they have them, or may not
/// have them: RBAC, and what `isolate` is made of. `makes`: they may have to make it again, which no right can bind to a name.
pub(super) fn rights_on(object: &Value, namespace: &str, short: &str, isolated: bool, makes: bool) -> Vec<Value> {
    let of = resource(object);
    let has = items(&own_object("rules", &Value::Null), "").any(|rule| {
        let names = |key: &str, what: &str| items(rule, key).any(|named| named == what || named == "*");
        names("/apiGroups", &of.group) && names("/resources", &of.plural) && names("/verbs", "delete")
    });
    let may_not = of.group == "rbac.authorization.k8s.io" || (isolated && kind(object) == "NetworkPolicy");
    if has || may_not {
        return Vec::new();
    }
    let rule = |verbs: &[&str]| json!({ "apiGroups": [of.group], "resources": [of.plural], "verbs": verbs });
    let mut named = rule(&["get", "update", "patch", "delete"]);
    named["resourceNames"] = json!([name(object)]);
    let mut rules = vec![named, rule(&["list", "watch"])];
    rules.extend(makes.then(|| rule(&["create"])));
    let role = format!("{STEPS}-{}", names::short(&format!("{}/{}", of.plural, name(object))));
    grant(&role, short, &Value::Array(rules), (STEPS, namespace)).to_vec()
}

/// What takes an agent out of the way to a Service: what is planned of the Service with the agent in front of it, what it is now, and the
/// Pods that it leads to.
pub(super) fn bypass(planned: &Value, live: Option<&Value>, pods: &[String]) -> Option<String> {
    let service = name(planned);
    let Some(live) = live else { return Some(format!("the Service {service} is not there")) };
    let led = &live["spec"]["selector"];
    if *led != planned["spec"]["selector"] {
        return Some(format!("the Service {service} leads to other Pods: its selector is {led}"));
    }
    if text(live, "/spec/type") == "ExternalName" {
        return Some(format!("the Service {service} leads to `{}`", text(live, "/spec/externalName")));
    }
    for port in items(planned, "/spec/ports") {
        let number = port_number(port).unwrap_or_default();
        let Some(now) = items(live, "/spec/ports").find(|now| now["port"] == port["port"]) else {
            return Some(format!("the Service {service} has no port {number} any more"));
        };
        if now["targetPort"] != port["targetPort"] {
            return Some(format!("the port {number} of the Service {service} leads to {}", now["targetPort"]));
        }
    }
    let own = AgentRole::Proxy { service: service.to_string() }.name();
    let other = pods.iter().find(|pod| **pod != own)?;
    Some(format!("the Service {service} leads to the Pod {other} as well"))
}

/// Names that the cluster's DNS does not have in the drill: those of the written namespace, and those of production. `addresses`: those of
/// the Services.
pub(super) fn aliases(manifests: &Manifests, request: &StackRequest, addresses: &BTreeMap<String, String>) -> Aliases {
    let written = written(request);
    let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let names = |service| Manifests::names_of(service, written).into_iter().map(move |host| (host, service));
    let own = manifests.of_kind("Service").map(name).flat_map(names);
    let of_production = request.hosts.iter().map(|(host, service)| (host.clone(), service.as_str()));
    for (host, service) in own.chain(of_production).filter(|(host, service)| host != service) {
        if let Some(address) = addresses.get(service) {
            found.entry(address.clone()).or_default().push(host);
        }
    }
    (manifests.called(request), found)
}

/// The Services to which no alias leads, as they have no address: their long names, and those of their Pods, lead to the written namespace.
pub(super) fn without_alias(manifests: &Manifests) -> impl Iterator<Item = &str> {
    let has_none =
        |service: &&Value| text(service, "/spec/clusterIP") == "None" || text(service, "/spec/type") == "ExternalName";
    manifests.of_kind("Service").filter(has_none).map(name)
}

/// Gives the Pods of an object these names as well, in place of addresses that it has for them: they may be those of production.
pub(super) fn add_aliases(object: &mut Value, (hosts, addresses): &Aliases) {
    let Some(pointer) = pod_spec_pointer(object) else { return };
    let Some(Value::Object(spec)) = object.pointer_mut(pointer) else { return };
    let mut own = spec.get("hostAliases").and_then(Value::as_array).cloned().unwrap_or_default();
    for names in own.iter_mut().filter_map(|alias| alias.get_mut("hostnames")?.as_array_mut()) {
        names.retain(|host| !host.as_str().is_some_and(|host| hosts.contains(host)));
    }
    own.retain(|alias| items(alias, "/hostnames").next().is_some());
    own.extend(addresses.iter().map(|(ip, names)| json!({ "ip": ip, "hostnames": names })));
    spec.insert("hostAliases".into(), Value::Array(own));
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
pub(super) fn of_cluster(manifests: &Manifests, request: &StackRequest, drill: &DrillObjects<'_>) -> Vec<Value> {
    let written = written(request);
    let own = |object: &Value| {
        let mut own = owned(object, drill, &[]);
        rename(&mut own, "/metadata/name", kind(object), request, drill.short);
        rename(&mut own, "/roleRef/name", "ClusterRole", request, drill.short);
        own_subjects(&mut own, written, drill);
        // No label of the team's: by one of them a ClusterRole would become a part of others.
        own["metadata"] = json!({ "name": name(&own), "labels": { (RUN): drill.short } });
        if kind(object) == "PriorityClass" {
            // Nobody else's Pods have it by default, and none are driven off for it.
            remove_at(&mut own, "", &["globalDefault"]);
            own["preemptionPolicy"] = json!("Never");
        }
        own
    };
    manifests.objects.iter().filter(|object| is_allowed(object, request)).map(own).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stack::ClusterRequest;
    use crate::stack::compose::images::AgentImage;
    use std::sync::LazyLock;

    fn request(interposed: &[&str]) -> StackRequest {
        StackRequest {
            cluster: Some(ClusterRequest { namespace: "shop".into(), ..ClusterRequest::default() }),
            interposed: interposed.iter().map(|name| (name.to_string(), Vec::new())).collect(),
            hosts: [("pay.example.com".to_string(), "pay".to_string())].into(),
            ..StackRequest::default()
        }
    }

    static OURS: LazyLock<FiredrillImages> = LazyLock::new(|| FiredrillImages {
        agent: AgentImage { tag: "agent:1".into(), launch: Vec::new() },
        toolbox: "tools:1".into(),
        monitoring: Some("alerts:1".into()),
    });
    static DRILL: LazyLock<DrillObjects<'_>> =
        LazyLock::new(|| DrillObjects { namespace: "firedrill-x", short: "x", ours: &OURS });

    fn manifests() -> Manifests {
        let metadata = json!({ "name": "pay", "namespace": "shop", "uid": "7", "labels": { "app": "pay" } });
        let service = json!({ "apiVersion": "v1", "kind": "Service", "metadata": metadata,
            "spec": { "type": "NodePort", "clusterIP": "10.0.0.1", "selector": { "app": "pay" },
                      "ports": [{ "port": 80, "targetPort": "http", "nodePort": 30080 }] } });
        let pods = json!({ "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": "pay" },
            "spec": { "template": { "spec": { "containers": [{ "name": "pay", "image": "pay:1" }] } } } });
        Manifests { objects: vec![pods, json!({ "kind": "Ingress", "metadata": { "name": "x" } }), service] }
    }

    #[test]
    fn a_service_without_an_address_has_no_alias() {
        let service =
            |name: &str, spec: Value| json!({ "kind": "Service", "metadata": { "name": name }, "spec": spec });
        let mut all = manifests();
        assert_eq!(without_alias(&all).next(), None);
        all.objects.push(service("db", json!({ "clusterIP": "None" })));
        all.objects.push(service("out", json!({ "type": "ExternalName", "externalName": "x" })));
        assert_eq!(without_alias(&all).collect::<Vec<_>>(), ["db", "out"]);
    }

    #[test]
    fn no_program_of_the_cluster_follows_an_annotation_of_the_team() {
        let mut named = manifests();
        let annotations = json!({ "external-dns.alpha.kubernetes.io/hostname": "pay.example.com", "a": "b",
            "prometheus.io/scrape": "true", "replicator.v1.mittwald.de/replicate-to": "prod" });
        named.objects[2]["metadata"]["annotations"] = annotations.clone();
        named.objects[0]["spec"]["template"]["metadata"] = json!({ "annotations": annotations });
        let keys = |named: &Manifests, object: usize, pointer: &str| -> Vec<String> {
            let team = team(named, &request(&[]), &DRILL);
            team[object].pointer(pointer).and_then(Value::as_object).unwrap().keys().cloned().collect()
        };
        let (dns, scrape) =
            ("dev.firedrill.external-dns.alpha.kubernetes.io/hostname", "dev.firedrill.prometheus.io/scrape");
        let copied = "dev.firedrill.replicator.v1.mittwald.de/replicate-to";
        assert_eq!(keys(&named, 0, "/metadata/annotations"), [dns, "a", scrape, copied, LAST_APPLIED]);
        assert_eq!(keys(&named, 1, "/spec/template/metadata/annotations"), [dns, "a", scrape, copied]);
        let team = team(&named, &request(&[]), &DRILL);
        let applied = text(&team[1], "/metadata/annotations/kubectl.kubernetes.io~1last-applied-configuration");
        assert_eq!(
            unmarked(&team[1]),
            serde_json::from_str::<Value>(applied).unwrap(),
            "applied again it is unchanged"
        );
        let config = json!({ "x.yml": "[__meta_kubernetes_pod_annotation_prometheus_io_scrape]" });
        named.objects.push(json!({ "kind": "ConfigMap", "metadata": { "name": "p" }, "data": config }));
        let own = keys(&named, 2, "/spec/template/metadata/annotations");
        assert_eq!(own, [dns, "a", "prometheus.io/scrape", copied], "they are meant for a Prometheus of the manifests");
    }

    #[test]
    fn a_service_that_stands_for_another_one_stands_for_that_of_the_drill() {
        let to = |external: &str| {
            let mut all = manifests();
            all.objects[2]["spec"] = json!({ "type": "ExternalName", "externalName": external });
            team(&all, &request(&[]), &DRILL)[0]["spec"]["externalName"].clone()
        };
        assert_eq!(to("pay.shop.svc.cluster.local."), "pay.firedrill-x.svc.cluster.local.");
        assert_eq!(to("pay.example.com"), "pay.example.com");
    }

    #[test]
    fn what_a_step_applies_leads_into_the_drill_and_nobody_into_it() {
        let own = |mut object: Value| {
            kept_inside(&mut object, &manifests(), "shop", "firedrill-x");
            object["spec"].take()
        };
        let service = |spec: Value| own(json!({ "kind": "Service", "spec": spec }));
        let standby = |namespace: &str| json!({ "type": "ExternalName", "externalName": format!("pay.{namespace}.svc.cluster.local") });
        assert_eq!(service(standby("shop")), standby("firedrill-x"));
        let open = json!({ "type": "LoadBalancer", "externalIPs": ["203.0.113.7"], "clusterIP": "10.0.0.1", "ports": [{ "port": 80, "nodePort": 30080 }] });
        let inside = json!({ "type": "ClusterIP", "clusterIP": "10.0.0.1", "ports": [{ "port": 80 }] });
        assert_eq!(service(open), inside, "the address is that of the drill's Service, as it was shown");
        let pods = |domain: &str| {
            let spec = json!({ "dnsPolicy": "None", "dnsConfig": { "searches": [domain, "svc.cluster.local"] } });
            let object = own(json!({ "kind": "Deployment", "spec": { "template": { "spec": spec } } }));
            text(&object, "/template/spec/dnsConfig/searches/0").to_string()
        };
        assert_eq!(pods("shop.svc.cluster.local."), "firedrill-x.svc.cluster.local.");
        assert_eq!(pods("other.svc.cluster.local"), "other.svc.cluster.local");
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
        let applied: Value = serde_json::from_str(text(
            service,
            "/metadata/annotations/kubectl.kubernetes.io~1last-applied-configuration",
        ))
        .unwrap();
        let labels = json!({ "app": "pay" });
        assert_eq!(applied["metadata"], json!({ "name": "pay", "namespace": "firedrill-x", "labels": labels }));
        assert_eq!(applied["spec"]["type"], json!("NodePort"), "as the team has written it");
        let deployment = text(&team[1], "/metadata/annotations/kubectl.kubernetes.io~1last-applied-configuration");
        assert_eq!(
            unmarked(&team[1]),
            serde_json::from_str::<Value>(deployment).unwrap(),
            "applied again it is unchanged"
        );
    }

    #[test]
    fn an_agent_in_front_of_a_service_has_its_name_and_leads_to_its_pods() {
        let team = team(&manifests(), &request(&["pay"]), &DRILL);
        assert_eq!(team.iter().map(name).collect::<Vec<_>>(), ["pay", "fd-origin-pay", "pay", "fd-pay"]);
        assert_eq!(team[0]["spec"]["selector"], json!({ PROXY: "pay" }));
        assert_eq!(team[0]["spec"]["ports"][0]["targetPort"], json!(80));
        assert_eq!(team[1]["spec"]["selector"], json!({ "app": "pay" }));
        assert_eq!(team[0]["metadata"]["labels"]["app"], json!("pay"));
        assert_eq!(team[1]["metadata"]["labels"], json!({ (RUN): "x", (SERVICE): "fd-origin-pay" }));
        assert_eq!(team[1]["spec"]["ports"][0]["targetPort"], json!("http"));
        assert_eq!(team[3]["metadata"]["labels"][PROXY], json!("pay"));
        let stands_for = team[3].pointer("/spec/containers/0/env/0/value").and_then(Value::as_str).unwrap();
        assert_eq!(stands_for, r#"{"service":"fd-origin-pay","ports":[{"port":80,"http":true}]}"#);
    }

    #[test]
    fn what_takes_the_agent_out_of_the_way_is_told() {
        let team = team(&manifests(), &request(&["pay"]), &DRILL);
        let told = |change: Value, pods: &[&str]| {
            let live = super::super::objects::merged("Service", "", team[0].clone(), &change);
            let pods: Vec<String> = pods.iter().map(|pod| pod.to_string()).collect();
            bypass(&team[0], Some(&live), &pods)
        };
        assert_eq!(told(json!({ "metadata": { "labels": { "x": "y" } } }), &["fd-pay"]), None);
        assert_eq!(
            told(json!({ "spec": { "ports": [{ "port": 81 }] } }), &[]),
            None,
            "one more port takes nothing away"
        );
        let selector = told(json!({ "spec": { "selector": { "app": "pay", (PROXY): null } } }), &["fd-pay"]);
        assert_eq!(selector.unwrap(), r#"the Service pay leads to other Pods: its selector is {"app":"pay"}"#);
        let port = told(json!({ "spec": { "ports": [{ "port": 80, "targetPort": "http" }] } }), &["fd-pay"]);
        assert_eq!(port.unwrap(), r#"the port 80 of the Service pay leads to "http""#);
        assert!(told(json!({ "spec": { "ports": null } }), &["fd-pay"]).is_some());
        assert!(told(json!({ "spec": { "type": "ExternalName", "externalName": "x" } }), &["fd-pay"]).is_some());
        assert!(told(json!({}), &["fd-pay", "made-by-a-step"]).is_some());
        assert!(bypass(&team[0], None, &[]).is_some());
    }

    #[test]
    fn what_is_firedrills_own_is_whole() {
        let api_server = [("10.0.0.1".to_string(), 6443)];
        let limits = limits(&DRILL, Some(&api_server));
        let kinds = ["ServiceAccount", "Role", "RoleBinding", "ResourceQuota", "NetworkPolicy", "NetworkPolicy"];
        assert_eq!(limits.iter().map(kind).collect::<Vec<_>>(), kinds);
        assert_eq!(limits[1]["rules"].as_array().map(Vec::len), Some(9));
        assert_eq!(limits[2]["subjects"][0]["namespace"], json!("firedrill-x"));
        assert_eq!(limits[4].pointer("/spec/egress/2/to/0/ipBlock/cidr"), Some(&json!("10.0.0.1/32")));
        let pods = our_pods(&DRILL, true);
        assert_eq!(pods[1].pointer("/spec/serviceAccountName"), Some(&json!(STEPS)));
        let of = |pointer: &str| pods.iter().filter_map(|pod| pod.pointer(pointer).cloned()).collect::<Vec<_>>();
        assert_eq!(of("/spec/automountServiceAccountToken"), [false, true, false, false].map(Value::from));
        assert_eq!(of("/spec/containers/0/image"), ["agent:1", "tools:1", "alerts:1", "tools:1"].map(Value::from));
        assert_eq!(our_pods(&DRILL, false), pods[..3]);
        let selected = limits[5].pointer("/spec/podSelector/matchLabels").and_then(Value::as_object).unwrap();
        assert!(
            selected.iter().all(|(key, value)| pods[3]["metadata"]["labels"].get(key) == Some(value)),
            "{selected:?}"
        );
        for object in limits.iter().chain(&pods) {
            assert!(!object.to_string().contains('$'), "{object}");
        }
    }

    #[test]
    fn steps_get_rights_on_what_a_fault_changes_and_on_nothing_else() {
        let object =
            |version: &str, kind: &str| json!({ "apiVersion": version, "kind": kind, "metadata": { "name": "x" } });
        let on = |version: &str, kind: &str, isolated: bool, makes: bool| {
            rights_on(&object(version, kind), "firedrill-x", "x", isolated, makes)
        };
        let [role, binding]: [Value; 2] = on("v1", "ResourceQuota", false, false).try_into().unwrap();
        let rules = json!([
            { "apiGroups": [""], "resources": ["resourcequotas"], "verbs": ["get", "update", "patch", "delete"], "resourceNames": ["x"] },
            { "apiGroups": [""], "resources": ["resourcequotas"], "verbs": ["list", "watch"] },
        ]);
        assert_eq!(role["rules"], rules);
        assert_eq!(binding["roleRef"]["name"], role["metadata"]["name"]);
        assert_eq!(on("networking.k8s.io/v1", "NetworkPolicy", false, true)[0]["rules"][2]["verbs"], json!(["create"]));
        for (version, kind) in
            [("v1", "ConfigMap"), ("apps/v1", "Deployment"), ("rbac.authorization.k8s.io/v1", "Role")]
        {
            assert!(on(version, kind, false, true).is_empty(), "{kind}");
        }
        assert!(on("networking.k8s.io/v1", "NetworkPolicy", true, false).is_empty());
    }

    #[test]
    fn nothing_of_the_team_ties_the_namespace_to_others() {
        let tied = json!({ "name": "s", "finalizers": ["x/y"], "ownerReferences": [{ "uid": "1" }] });
        let object = json!({ "apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": tied,
            "spec": { "template": { "metadata": tied }, "volumeClaimTemplates": [{ "metadata": tied }] } });
        let team = team(&Manifests { objects: vec![object] }, &request(&[]), &DRILL);
        let text = team[0].to_string();
        assert!(!text.contains("finalizers") && !text.contains("ownerReferences"), "{text}");
    }

    #[test]
    fn names_of_the_written_namespace_and_of_production_lead_to_the_service() {
        let addresses: BTreeMap<String, String> = [("pay".to_string(), "10.1.1.1".to_string())].into();
        let (_, found) = aliases(&manifests(), &request(&[]), &addresses);
        let names = ["pay.shop", "pay.shop.svc", "pay.shop.svc.cluster.local", "pay.example.com"];
        assert_eq!(found["10.1.1.1"], names);
        let mut all = manifests();
        let headless = json!({ "kind": "Service", "metadata": { "name": "db" }, "spec": { "clusterIP": "None" } });
        all.objects.push(headless);
        let production = ["pay.example.com", "other.example.com", "pay", "db.shop"];
        let alias = |ip: &str, hosts: &[&str]| json!({ "ip": ip, "hostnames": hosts });
        all.objects[0]["spec"]["template"]["spec"]["hostAliases"] =
            json!([alias("203.0.113.7", &production), alias("203.0.113.8", &["pay.shop"])]);
        let mut pods = team(&all, &request(&[]), &DRILL).pop().expect("the Deployment is the last");
        let found = aliases(&all, &request(&[]), &addresses);
        let own = json!([{ "ip": "203.0.113.7", "hostnames": ["other.example.com"] }, { "ip": "10.1.1.1", "hostnames": names }]);
        for again in ["made", "applied again as it is"] {
            add_aliases(&mut pods, &found);
            assert_eq!(pods.pointer("/spec/template/spec/hostAliases"), Some(&own), "{again}: none is of production");
        }
        pods["spec"]["template"]["spec"]["hostAliases"] = Value::Null;
        add_aliases(&mut pods, &found);
        let own = json!([{ "ip": "10.1.1.1", "hostnames": names }]);
        assert_eq!(pods.pointer("/spec/template/spec/hostAliases"), Some(&own), "a key without a value");
    }

    #[test]
    fn what_is_allowed_has_names_of_the_drill_and_drives_nobody_off() {
        let object = |text: &str| serde_yaml::from_str::<Value>(text).expect(text);
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
        let allowed = ["ClusterRole/reader", "ClusterRoleBinding/reads", "PriorityClass/high"].map(str::to_string);
        let mut request = request(&[]);
        request.cluster.as_mut().unwrap().allowed = allowed.into();
        let drill = DrillObjects { namespace: "firedrill-1a2b3c4d", short: "1a2b3c4d", ours: &OURS };
        let labels = "labels: { dev.firedrill/run: 1a2b3c4d }";
        assert_eq!(
            of_cluster(&manifests, &request, &drill),
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
}
