//! What an object may be in a drill: a name that is nothing but a name, and nothing by which it leaves the drill's namespace or takes
//! away what keeps a drill in there. Pure functions, for the manifests and for what faults set and make.

use super::manifests::{
    Manifests, asks_of_the_node, group, is_cluster_scoped, items, kind, name, pod_spec, pod_spec_pointer, text, written,
};
use super::names::is_ours;
use super::namespace::resource;
use crate::source::{is_inside, pattern};
use crate::stack::StackRequest;
use crate::stack::arguments::CallTable;
use k8s_openapi::api::networking::v1::{NetworkPolicyEgressRule, NetworkPolicyPort};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use serde_json::{Value, json};

/// What names are, and those of kinds of RBAC, which may have capitals and colons.
const NAME: &str = "[a-z0-9]([a-z0-9.-]*[a-z0-9])?";
const NAME_OF_RBAC: &str = "[A-Za-z0-9]([A-Za-z0-9:_.-]*[A-Za-z0-9])?";
const OF_RBAC: [&str; 4] = ["Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding"];
/// The one ClusterRole that may be bound: it reads, and no Secrets. `edit` and `admin` write NetworkPolicies.
const STANDARD_ROLE: &str = "view";
/// Groups and kinds by which a drill leaves its namespace, or that lead others to it or tell them of it.
pub(super) const TABLE: CallTable = CallTable(include_str!("boundary.txt"));
/// The class of a claim as it was named before Kubernetes 1.6; it still goes before `storageClassName`, and the default class is not put
/// in its place.
const CLASS_ANNOTATION: &str = "volume.beta.kubernetes.io/storage-class";
/// By what a claim takes the data of others.
const TAKES_VOLUMES: [&str; 4] = ["volumeName", "selector", "dataSource", "dataSourceRef"];

/// What is said of Pods that ask for the node, and of volumes.
const NO_NODE: &str = "a drill may not reach the node: leave it out";
const EMPTY_VOLUMES: &str = "a drill begins with empty volumes: name a class that makes them";
/// Which accounts nobody else may take.
const OWN_ACCOUNTS: &str = "accounts that begin with `fd-` are Firedrill's own";
/// Annotations of Pods that name the profile of a container, before Kubernetes 1.30 the only way.
const APPARMOR: &str = "container.apparmor.security.beta.kubernetes.io/";

/// Of which account the cluster puts a token into a Secret.
const ACCOUNT_OF_TOKEN: &str = "/metadata/annotations/kubernetes.io~1service-account.name";

/// What is wrong with an object, as the end of a sentence that begins with it, and what to do about it.
pub(super) type OutOfBounds = (String, &'static str);

/// Why an object cannot be asked for: its version, kind and name become parts of addresses of the API, and must be no more than that.
pub(super) fn unnameable(object: &Value) -> Option<String> {
    let (version, kind, name) = (text(object, "/apiVersion"), kind(object), name(object));
    let of_name = if OF_RBAC.contains(&kind) { NAME_OF_RBAC } else { NAME };
    let parts = [
        (version, format!("({NAME}/)?v[a-z0-9]+"), "apiVersion like `v1` or `apps/v1`"),
        (kind, "[A-Z][A-Za-z0-9]*".into(), "kind like `Deployment`"),
        (name, of_name.into(), "name of an object: small letters, digits, `-` and `.`"),
    ];
    let is_more = |text: &str| text.len() > 253 || text.contains("..");
    let is_other = |text: &str, form: &str| is_more(text) || !pattern(&format!("^(?:{form})$")).is_match(text);
    let (written, _, what) = parts.into_iter().find(|(text, form, _)| is_other(text, form))?;
    Some(format!("`{written}` is no {what}"))
}

/// Whether something is among these of a line of the table.
pub(super) fn is_listed(which: &str, name: &str, one: &str) -> bool {
    TABLE.row(which, name).is_some_and(|all| all.split(' ').any(|listed| listed == one))
}

/// Why such kinds of a group may not be, and what to do about it.
fn said(what: &str, group: &str) -> Option<(&'static str, &'static str)> {
    TABLE.row(what, group)?.split_once(" | ")
}

/// Why an object of the manifests stays outside of a drill, and what to do about it.
pub(super) fn left_out(object: &Value) -> Option<(&'static str, &'static str)> {
    match (group(object), kind(object)) {
        (_, "Ingress") => said("left-out", "*"),
        (group, kind) if is_listed("scrapes", group, kind) => said("left-out", group),
        _ => None,
    }
}

/// What controllers of the cluster do for an object outside of the drill, where that may well be meant, and what to do about it.
pub(super) fn asks_outside(object: &Value, isolated: bool) -> Option<(&'static str, &'static str)> {
    let is_meant = match (group(object), kind(object)) {
        ("external-secrets.io", "ExternalSecret") => !isolated,
        ("cert-manager.io", "Certificate") => text(object, "/spec/issuerRef/kind") == "ClusterIssuer",
        ("cert-manager.io", "Issuer") => !object["spec"]["acme"].is_null(),
        _ => false,
    };
    said("asks", group(object)).filter(|_| is_meant)
}

/// Whether a drill makes an object of the manifests in its namespace.
pub(super) fn is_made(object: &Value) -> bool {
    !is_cluster_scoped(object) && left_out(object).is_none()
}

/// A long name of a Service, or one of production, with a dot at its end in what Pods are given: `hostAliases` have none, so that it is asked
/// of the cluster's DNS.
fn absolute(object: &Value, manifests: &Manifests, request: &StackRequest) -> Option<String> {
    let names = manifests.called(request);
    let is_one = |name: &str| name.contains('.') && names.contains(&name.to_lowercase());
    let given = [pod_spec(object), object.get("data"), object.get("stringData")].into_iter().flatten();
    given.map(Value::to_string).find_map(|given| {
        let given = given.replace(r"\t", " ").replace(r"\r", " ");
        // A comment is asked of nobody.
        let lines = given.split(r"\n").filter(|line| !line.trim_start().starts_with('#'));
        let mut words = lines.flat_map(|line| line.split(|c: char| !(c.is_alphanumeric() || "_.-".contains(c))));
        words.find(|word| word.strip_suffix('.').is_some_and(is_one)).map(str::to_string)
    })
}

/// Why whoever calls a name of the stack is led out of it by this object: as in a Compose file, to a host that is neither in the stack nor
/// reserved. `isolate` lets nobody out.
pub(super) fn leads_out(object: &Value, manifests: &Manifests, request: &StackRequest) -> Option<OutOfBounds> {
    let led = |parts: &str| {
        let mut addresses = items(object, parts).flat_map(|part| items(part, "/addresses"));
        addresses.next().map(|address| address.as_str().unwrap_or_else(|| text(address, "/ip")))
    };
    if let Some(name) = absolute(object, manifests, request).filter(|_| !request.isolate) {
        let help = "it may be production: write it without the dot at its end, or set `isolate: true`";
        return Some((format!("names `{name}`, for which no name of the drill stands"), help));
    }
    let help = "it may be production: let the manifests have a Service with Pods of the stack in its place, or set `isolate: true`";
    let to = match kind(object) {
        _ if request.isolate => None,
        "Service" if text(object, "/spec/type") == "ExternalName" => {
            let to = text(object, "/spec/externalName");
            (!is_inside(to.trim_end_matches('.'), &manifests.names(written(request)))).then_some(to)
        }
        "Endpoints" => led("/subsets"),
        "EndpointSlice" => led("/endpoints"),
        _ => None,
    }?;
    Some((format!("leads to `{to}`, which is outside the stack"), help))
}

/// Whether a claim of a step takes a volume that is there.
pub(super) fn takes_volume(claim: &Value) -> bool {
    let (volume, spec) = (text(claim, "/spec/volumeName"), &claim["spec"]);
    let of_others = !spec["selector"].is_null()
        || !spec["dataSourceRef"]["namespace"].is_null()
        || !claim["metadata"]["annotations"][CLASS_ANNOTATION].is_null();
    // One of this name belongs to the claim for which it was made.
    !volume.starts_with("pvc-") && (!volume.is_empty() || spec["storageClassName"] == "") || of_others
}

/// Why a step may not make an object: it takes a volume that is there, asks for the node, or leads out.
pub(super) fn refused_to_steps(object: &Value, manifests: &Manifests, request: &StackRequest) -> Option<OutOfBounds> {
    let volumes = pod_spec(object).into_iter().flat_map(|spec| items(spec, "/volumes"));
    let of_volumes = volumes.filter_map(|volume| volume.pointer("/ephemeral/volumeClaimTemplate"));
    let of_sets = items(object, "/spec/volumeClaimTemplates");
    let own = Some(object).filter(|object| kind(object) == "PersistentVolumeClaim");
    if own.into_iter().chain(of_sets).chain(of_volumes).any(takes_volume) {
        return Some(("takes a volume that is there, which may have the data of others".into(), EMPTY_VOLUMES));
    }
    let ask = pod_spec(object).and_then(|spec| asks_of_the_node(spec).into_iter().next());
    ask.map(|ask| (format!("asks for the node: {ask}"), NO_NODE)).or_else(|| leads_out(object, manifests, request))
}

/// What an object may not be or ask for.
pub(super) fn refusals(object: &Value, request: &StackRequest) -> Vec<OutOfBounds> {
    let (written, isolated) = (written(request), request.isolate);
    let mut found = if is_allowed(object, request) { cluster_refusals(object, request) } else { Vec::new() };
    let mut refuse = |why: String, help: &'static str| found.push((why, help));
    if is_ours(name(object)) {
        refuse("has a name that begins with `fd-`".into(), "names that begin with `fd-` are Firedrill's own");
    }
    let group = group(object);
    let of_group = [
        ("elsewhere", is_of(group, "elsewhere")),
        ("opens", isolated && is_of(group, "opens")),
        ("told", is_listed("tells", group, kind(object))),
        // An Ingress is left out.
        ("leads-in", kind(object) != "Ingress" && is_listed("way-in", group, kind(object))),
    ];
    for (what, _) in of_group.into_iter().filter(|(_, is)| *is) {
        let (why, help) = said(what, group).or_else(|| said(what, "*")).unwrap_or_default();
        refuse(format!("is of `{group}`: {why}"), help);
    }
    match kind(object) {
        "Role" | "ClusterRole" => {
            let help = "a drill keeps its limits: leave that rule out of the drill's manifests";
            let found = items(object, "/rules").filter_map(|rule| too_much(rule, isolated));
            found.for_each(|why| refuse(format!("gives {why}"), help));
        }
        "RoleBinding" => of_binding(object, written, &mut refuse),
        "Secret" if is_ours(text(object, ACCOUNT_OF_TOKEN)) => {
            refuse("asks for a token of an account of Firedrill's own".into(), OWN_ACCOUNTS);
        }
        "PersistentVolumeClaim" => of_claim(object, "", &mut refuse),
        "NetworkPolicy" if isolated && items(object, "/spec/egress").any(reaches_out) => {
            let help = "`isolate: true` lets Pods reach each other alone: leave that rule out, or `isolate`";
            refuse("opens the way out of the namespace that `isolate` closes".into(), help);
        }
        _ => {}
    }
    for claim in items(object, "/spec/volumeClaimTemplates") {
        of_claim(claim, &format!("in the claim `{}` ", name(claim)), &mut refuse);
    }
    let Some(spec) = pod_spec(object) else { return found };
    for volume in items(spec, "/volumes") {
        let claim = &volume["ephemeral"]["volumeClaimTemplate"];
        of_claim(claim, &format!("in the volume `{}` ", text(volume, "/name")), &mut refuse);
    }
    let of_pods = pod_spec_pointer(object).map(|at| format!("{}metadata/annotations", at.trim_end_matches("spec")));
    let annotations = of_pods.and_then(|at| object.pointer(&at)?.as_object()).into_iter().flatten();
    let unconfined = annotations.filter(|(key, value)| key.starts_with(APPARMOR) && *value == "unconfined");
    let unconfined = unconfined.map(|(key, _)| format!("it sets `{key}: unconfined`"));
    for ask in asks_of_the_node(spec).into_iter().chain(unconfined) {
        refuse(format!("asks for the node: {ask}"), NO_NODE);
    }
    if ["/serviceAccountName", "/serviceAccount"].iter().any(|key| is_ours(text(spec, key))) {
        refuse("takes an account of Firedrill's own".into(), OWN_ACCOUNTS);
    }
    found.extend(foreign_priority(spec, request));
    found
}

/// Whether a group is one of these of the table, or ends so.
fn is_of(group: &str, which: &str) -> bool {
    let mut ends = TABLE.row("groups", which).unwrap_or_default().split(' ');
    ends.any(|end| group.strip_suffix(end).is_some_and(|rest| rest.is_empty() || rest.ends_with('.')))
}

/// What a rule of a Role gives that lets its holder take away the limits of the drill.
fn too_much(rule: &Value, isolated: bool) -> Option<String> {
    let words = |key: &str| items(rule, key).filter_map(Value::as_str).collect::<Vec<_>>();
    let (groups, verbs, resources) = (words("/apiGroups"), words("/verbs"), words("/resources"));
    if let Some(verb) = verbs.iter().find(|verb| is_listed("verbs", "strong", verb)) {
        return Some(format!("the verb `{verb}`"));
    }
    if resources.iter().any(|resource| resource.starts_with('*')) || groups.contains(&"*") {
        return Some("rights on everything (`*`)".into());
    }
    if verbs.iter().all(|verb| is_listed("verbs", "looking", verb)) {
        return None;
    }
    let leads_out = |group: &&str| is_of(group, "elsewhere") || (isolated && is_of(group, "opens"));
    if let Some(group) = groups.iter().copied().find(leads_out) {
        return Some(format!("the right to write objects of `{group}`"));
    }
    // The group of which a resource is one of the kinds of the table.
    let listed = |which: &str, resource: &str| {
        let is_one = |kinds: &str| kinds.split(' ').any(|kind| plural(kind) == resource);
        TABLE.rows(which).find(|(group, kinds)| groups.contains(group) && is_one(kinds)).map(|(group, _)| group)
    };
    let tells = |resource: &&str| {
        let whole = resource.split('/').next()?;
        listed("tells", whole).or_else(|| listed("scrapes", whole))
    };
    if let Some(group) = resources.iter().find_map(tells) {
        return Some(format!("the right to write objects of `{group}` that tell others"));
    }
    // Also the right to choose the host of an OpenShift Route.
    let leads_in = |resource: &&&str| listed("way-in", resource.trim_end_matches("/custom-host")).is_some();
    if let Some(resource) = resources.iter().find(leads_in) {
        return Some(format!("the right to write `{resource}`, which lead users from outside of the cluster here"));
    }
    let keeps_in = |resource: &&str| {
        let whole = resource.split('/').next().unwrap_or_default();
        *resource == "serviceaccounts/token" || is_listed("keeps-in", "*", whole)
    };
    let resource = resources.into_iter().find(keeps_in)?;
    Some(format!("the right to write `{resource}`"))
}

/// How rules of Roles name a kind.
fn plural(kind: &str) -> String {
    resource(&json!({ "kind": kind })).plural
}

fn of_binding(binding: &Value, written: &str, refuse: &mut impl FnMut(String, &'static str)) {
    let help = "bind a Role with the rules that are needed; of the cluster's own only `view` keeps a drill's limits";
    match (text(binding, "/roleRef/kind"), text(binding, "/roleRef/name")) {
        ("Role", role) if is_ours(role) => refuse(format!("binds `{role}`"), "roles `fd-…` are Firedrill's own"),
        ("Role", _) | (_, STANDARD_ROLE) => {}
        (_, role) => refuse(format!("binds the ClusterRole `{role}`"), help),
    }
    of_subjects(binding, written, refuse);
}

/// To whom a binding may not give rights.
fn of_subjects(binding: &Value, written: &str, refuse: &mut impl FnMut(String, &'static str)) {
    for subject in items(binding, "/subjects") {
        let (named, namespace) = (text(subject, "/name"), text(subject, "/namespace"));
        let is_account = text(subject, "/kind") == "ServiceAccount";
        if is_account && !namespace.is_empty() && namespace != written {
            let help =
                "a drill gives rights to its own accounts alone: `stack.kubernetes.namespace` says which one is meant";
            refuse(format!("gives rights to `{named}` in the namespace `{namespace}`"), help);
        }
        if is_ours(named) || (!is_account && named.starts_with("system:")) {
            refuse(format!("gives rights to `{named}`"), "a drill gives rights to the stack's own accounts alone");
        }
    }
}

fn of_claim(claim: &Value, place: &str, refuse: &mut impl FnMut(String, &'static str)) {
    let spec = &claim["spec"];
    if !claim["metadata"]["annotations"][CLASS_ANNOTATION].is_null() {
        let help = "name its class in `storageClassName`";
        refuse(format!("has the annotation `{CLASS_ANNOTATION}` {place}which goes before `storageClassName`"), help);
    }
    if spec["storageClassName"] == "" {
        let help = "a drill begins with empty volumes: leave it out, or name a class that makes them";
        refuse(format!("has an empty `storageClassName` {place}which takes a volume that is there"), help);
    }
    for key in TAKES_VOLUMES.into_iter().filter(|key| !spec[key].is_null() && spec[key] != "") {
        let help = "a drill begins with empty volumes: leave it out, and let a container fill them";
        refuse(format!("has `{key}` {place}which takes the data of others"), help);
    }
}

/// Whether a rule of a NetworkPolicy leads to more than Pods of the same namespace and port 53, which `isolate` leaves open.
fn reaches_out(rule: &Value) -> bool {
    // What the cluster does not understand either is not let in.
    let Ok(rule) = serde_json::from_value::<NetworkPolicyEgressRule>(rule.clone()) else { return true };
    let is_dns =
        |port: &NetworkPolicyPort| port.port == Some(IntOrString::Int(53)) && port.end_port.is_none_or(|end| end == 53);
    let (ports, to) = (rule.ports.unwrap_or_default(), rule.to.unwrap_or_default());
    let only_dns = !ports.is_empty() && ports.iter().all(is_dns);
    !only_dns && (to.is_empty() || to.iter().any(|peer| peer.ip_block.is_some() || peer.namespace_selector.is_some()))
}

/// Whether the scenario allows this object of the whole cluster.
pub(super) fn is_allowed(object: &Value, request: &StackRequest) -> bool {
    let named = format!("{}/{}", kind(object), name(object));
    request.cluster.as_ref().is_some_and(|cluster| cluster.allowed.contains(&named))
}

/// What is wrong with the list itself: each mistake and what to do about it.
pub(super) fn mistakes(manifests: &Manifests, request: &StackRequest) -> Vec<(String, &'static str)> {
    let unknown = |entry: &String| {
        let written = entry.split_once('/').map_or("", |(kind, _)| kind);
        if TABLE.row("allowed", written).is_none() {
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
fn cluster_refusals(object: &Value, request: &StackRequest) -> Vec<OutOfBounds> {
    let mut found = Vec::new();
    let mut refuse = |why: String, help: &'static str| found.push((why, help));
    match kind(object) {
        "ClusterRole" => {
            let help = "beyond its namespace a drill may only look, and not at Secrets";
            if object.get("aggregationRule").is_some_and(|rule| !rule.is_null()) {
                refuse("is made of other ClusterRoles".into(), "write its rules out");
            }
            for rule in items(object, "/rules") {
                let told = |url: &&Value| url.as_str().is_some_and(|url| is_listed("telling", "urls", url));
                if let Some(url) = items(rule, "/nonResourceURLs").find(|url| !told(url)) {
                    refuse(format!("gives the address {url} of the API server"), help);
                }
                let words = |key: &str| items(rule, key).filter_map(Value::as_str);
                if let Some(verb) = words("/verbs").find(|verb| !is_listed("verbs", "looking", verb)) {
                    refuse(format!("gives the verb `{verb}` in the whole cluster"), help);
                }
                let shows_too_much = |resource: &&str| match resource.split_once('/') {
                    Some((_, part)) => {
                        ![*resource, &format!("*/{part}")].iter().any(|of| is_listed("telling", "parts", of))
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
            of_subjects(object, written(request), &mut refuse);
            if items(object, "/subjects").any(|subject| text(subject, "/kind") != "ServiceAccount") {
                refuse("gives rights to users or groups".into(), "name accounts of the stack's namespace");
            }
        }
        _ => {}
    }
    found
}

/// Why Pods may preempt those of others: a priority that does not come from a PriorityClass of the drill's own.
fn foreign_priority(spec: &Value, request: &StackRequest) -> Option<OutOfBounds> {
    let class = text(spec, "/priorityClassName");
    if class.starts_with("system-") {
        let what = format!("has the priority class `{class}`, which drives the Pods of others off the node");
        return Some((what, "the cluster has those for itself: leave it out"));
    }
    let meant = json!({ "kind": "PriorityClass", "metadata": { "name": class } });
    let is_set = spec.get("priority").and_then(Value::as_i64).is_some_and(|priority| priority != 0);
    let what = match class {
        _ if is_allowed(&meant, request) => return None,
        "" if is_set => "sets `priority`".to_string(),
        "" => return None,
        class => format!("has the priority class `{class}`, which is not the drill's own"),
    };
    let help = "leave it out, or let the manifests have the PriorityClass, with `stack.kubernetes.allow_cluster`";
    Some((format!("{what}: its Pods may preempt those of others"), help))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stack::ClusterRequest;
    use serde_json::json;

    fn refused(object: &Value) -> Vec<String> {
        let request = StackRequest { isolate: true, ..request(&[]) };
        refusals(object, &request).into_iter().map(|(why, _)| why).collect()
    }

    #[test]
    fn versions_kinds_and_names_are_no_more_than_that() {
        let object = |version: &str, kind: &str, name: &str| {
            unnameable(&json!({ "apiVersion": version, "kind": kind, "metadata": { "name": name } }))
        };
        for (version, kind, name) in [
            ("v1", "ConfigMap", "shop.app-1"),
            ("apps/v1", "Deployment", "0web"),
            ("autoscaling/v2beta2", "HorizontalPodAutoscaler", "web"),
            ("rbac.authorization.k8s.io/v1", "Role", "shop:Reader_1"),
        ] {
            assert_eq!(object(version, kind, name), None);
        }
        for version in
            ["", "1", "v", "apps/v1/namespaces/kube-system/deployments?x=", "../v1", "a..b/v1", "/v1", "A/v1"]
        {
            assert!(object(version, "ConfigMap", "a").is_some_and(|why| why.contains("apiVersion")), "{version}");
        }
        for kind in ["", "deployment", "Deployment/x", "Deployment?x=", "Déployment"] {
            assert!(object("apps/v1", kind, "a").is_some_and(|why| why.contains("no kind")), "{kind}");
        }
        for name in ["", "..", "a..b", "a/b", "a?b", "a#b", "a%2fb", "A", "a:b", "-a", "a.", "a b"] {
            assert!(object("v1", "ConfigMap", name).is_some_and(|why| why.contains("no name")), "{name}");
        }
        assert!(object("rbac.authorization.k8s.io/v1", "Role", "a/../b").is_some());
    }

    #[test]
    fn nobody_outside_of_the_drill_is_led_into_it_or_told_of_it() {
        let told = |version: &str, kind: &str, spec: Value| {
            refused(&json!({ "apiVersion": version, "kind": kind, "metadata": { "name": "web" }, "spec": spec })).len()
        };
        let (gateway, istio) = ("gateway.networking.k8s.io/v1", "networking.istio.io/v1");
        for (version, kind, spec) in [
            (gateway, "Gateway", json!({})),
            (gateway, "HTTPRoute", json!({ "parentRefs": [{ "name": "web", "kind": "Service" }] })),
            (gateway, "GRPCRoute", json!({})),
            (istio, "Gateway", json!({})),
            (istio, "VirtualService", json!({ "hosts": ["web"] })),
            (istio, "ServiceEntry", json!({ "hosts": ["pay.example.com"], "exportTo": ["."] })),
            ("traefik.io/v1alpha1", "IngressRouteTCP", json!({})),
            ("route.openshift.io/v1", "Route", json!({})),
            ("projectcontour.io/v1", "HTTPProxy", json!({})),
            ("externaldns.k8s.io/v1alpha1", "DNSEndpoint", json!({})),
            ("elbv2.k8s.aws/v1beta1", "TargetGroupBinding", json!({})),
            ("getambassador.io/v2", "Mapping", json!({})),
            ("monitoring.coreos.com/v1", "PrometheusRule", json!({})),
            ("monitoring.coreos.com/v1", "Prometheus", json!({})),
            ("external-secrets.io/v1alpha1", "PushSecret", json!({})),
        ] {
            assert_eq!(told(version, kind, spec), 1, "{version} {kind}");
        }
        for (version, kind, spec) in [
            (istio, "DestinationRule", json!({})),
            ("external-secrets.io/v1", "ExternalSecret", json!({})),
            ("traefik.io/v1alpha1", "Middleware", json!({})),
        ] {
            assert_eq!(told(version, kind, spec), 0, "{version} {kind}");
        }
    }

    #[test]
    fn what_the_clusters_prometheus_would_scrape_is_left_out() {
        let made = |version: &str, kind: &str| is_made(&json!({ "apiVersion": version, "kind": kind }));
        for (_, kinds) in TABLE.rows("scrapes") {
            assert!(kinds.split(' ').all(|kind| !made("monitoring.coreos.com/v1", kind)), "{kinds}");
        }
        assert!(!made("networking.k8s.io/v1", "Ingress"));
        assert!(made("example.com/v1", "Probe"));
    }

    #[test]
    fn what_is_asked_of_others_outside_is_told() {
        let told = |version: &str, kind: &str, spec: Value, isolated: bool| {
            asks_outside(&json!({ "apiVersion": version, "kind": kind, "spec": spec }), isolated).is_some()
        };
        let issuer = |kind: &str| json!({ "issuerRef": { "kind": kind } });
        let cert = "cert-manager.io/v1";
        assert!(told(cert, "Certificate", issuer("ClusterIssuer"), true));
        assert!(!told(cert, "Certificate", issuer("Issuer"), false));
        assert!(
            told(cert, "Issuer", json!({ "acme": {} }), false) && !told(cert, "Issuer", json!({ "ca": {} }), false)
        );
        let secret = |isolated: bool| told("external-secrets.io/v1", "ExternalSecret", json!({}), isolated);
        assert!(secret(false) && !secret(true));
    }

    #[test]
    fn no_name_of_the_stack_leads_out_of_it() {
        let manifests = Manifests { objects: vec![json!({ "kind": "Service", "metadata": { "name": "db" } })] };
        let led = |object: &Value| leads_out(object, &manifests, &request(&[])).map(|(why, _)| why);
        let external = |to: &str| json!({ "kind": "Service", "spec": { "type": "ExternalName", "externalName": to } });
        for to in ["db.prod.example.com", "db.prod.svc.cluster.local", "10.0.0.1", ""] {
            assert_eq!(led(&external(to)), Some(format!("leads to `{to}`, which is outside the stack")));
        }
        for to in ["db", "db.shop.svc.cluster.local", "db.shop.svc.cluster.local.", "pay.test", "localhost"] {
            assert_eq!(led(&external(to)), None, "{to}");
        }
        let endpoints = json!({ "kind": "Endpoints", "subsets": [{ "addresses": [{ "ip": "10.0.0.1" }] }] });
        let slice = json!({ "kind": "EndpointSlice", "endpoints": [{ "addresses": ["10.0.0.1"] }] });
        for object in [&endpoints, &slice] {
            assert_eq!(led(object).as_deref(), Some("leads to `10.0.0.1`, which is outside the stack"));
        }
        let isolated = StackRequest { isolate: true, ..request(&[]) };
        for object in [external("db.prod.example.com"), endpoints, slice] {
            assert_eq!(leads_out(&object, &manifests, &isolated), None, "{object}");
        }
        // Who is elected writes itself into it.
        assert_eq!(led(&json!({ "kind": "Endpoints" })), None);
        assert_eq!(led(&json!({ "kind": "Service", "spec": { "externalName": "ignored" } })), None);
    }

    #[test]
    fn what_a_step_makes_is_kept_from_the_node_and_from_volumes_of_others() {
        let told = |object: Value| {
            let isolated = StackRequest { isolate: true, ..request(&[]) };
            refused_to_steps(&object, &Manifests::default(), &isolated).map(|(why, _)| why)
        };
        let pod = |spec: Value| told(json!({ "kind": "Deployment", "spec": { "template": { "spec": spec } } }));
        let disk = json!({ "volumes": [{ "name": "d", "hostPath": { "path": "/" } }] });
        assert_eq!(pod(disk).as_deref(), Some("asks for the node: its volume `d` is the node's `/`"));
        assert!(pod(json!({ "containers": [{ "securityContext": { "privileged": true } }] })).is_some());
        assert_eq!(
            pod(json!({ "priority": 0, "volumes": [{ "name": "a", "projected": {} }] })),
            None,
            "as it was shown"
        );
        let claim = |spec: Value| told(json!({ "kind": "PersistentVolumeClaim", "spec": spec })).is_some();
        let taken = [json!({ "volumeName": "db" }), json!({ "storageClassName": "" })].map(claim);
        let own = [json!({ "volumeName": "pvc-1", "storageClassName": "fast" }), json!({})].map(claim);
        assert_eq!((taken, own), ([true; 2], [false; 2]));
        let of_others = [json!({ "selector": {} }), json!({ "dataSourceRef": { "namespace": "prod" } })].map(claim);
        let restored = claim(json!({ "dataSourceRef": { "kind": "VolumeSnapshot", "name": "a" } }));
        let service = told(json!({ "kind": "Service", "spec": { "selector": { "app": "web" } } }));
        assert_eq!((of_others, restored, service), ([true; 2], false, None));
        let claims = json!([{ "spec": { "volumeName": "db" } }]);
        assert!(told(json!({ "kind": "StatefulSet", "spec": { "volumeClaimTemplates": claims } })).is_some());
        let volume = json!({ "name": "a", "ephemeral": { "volumeClaimTemplate": claims[0] } });
        assert!(pod(json!({ "volumes": [volume] })).is_some());
    }

    #[test]
    fn no_name_of_the_stack_has_a_dot_at_its_end() {
        let manifests = Manifests { objects: vec![json!({ "kind": "Service", "metadata": { "name": "db" } })] };
        let plain = request(&[]);
        let request = StackRequest { hosts: [("pay.example.com".into(), "db".into())].into(), ..plain.clone() };
        let led = |given: &str, request: &StackRequest| {
            let pod =
                json!({ "kind": "Pod", "spec": { "containers": [{ "env": [{ "name": "X", "value": given }] }] } });
            let config = json!({ "kind": "ConfigMap", "data": { "app.conf": given } });
            [pod, config].map(|object| leads_out(&object, &manifests, request).map(|(why, _)| why))
        };
        for (given, name) in [
            ("http://db.shop.svc.:80/", "db.shop.svc."),
            ("a: b\ndb.shop.svc.cluster.local.\n", "db.shop.svc.cluster.local."),
            ("a: b\n# not db.shop.\nhost db.shop.svc.", "db.shop.svc."),
            ("user@pay.example.com.", "pay.example.com."),
            ("DB.shop. 5432", "DB.shop."),
        ] {
            let why = Some(format!("names `{name}`, for which no name of the drill stands"));
            assert_eq!(led(given, &request), [why.clone(), why], "{given}");
            assert_eq!(led(given, &StackRequest { isolate: true, ..request.clone() }), [None, None], "{given}");
        }
        for given in [
            "http://db.shop.svc:80/", "mydb.shop.", "a.pay.example.com.", "db.shop.svc.cluster.local", "db.", ".",
            "a: b\n  # not db.shop.",
        ] {
            assert_eq!(led(given, &request), [None, None], "{given}");
        }
        let config = json!({ "kind": "ConfigMap", "data": { "x": "a . b" } });
        assert_eq!(leads_out(&config, &Manifests::default(), &plain), None);
    }

    #[test]
    fn apparmor_confines_every_container() {
        let pods = |profile: &str| {
            let annotations = json!({ (format!("{APPARMOR}web")): profile, "other": "unconfined" });
            let template = json!({ "metadata": { "annotations": annotations }, "spec": {} });
            refused(&json!({ "kind": "Deployment", "metadata": { "name": "web" }, "spec": { "template": template } }))
        };
        assert_eq!(pods("unconfined").len(), 1);
        assert!(pods("runtime/default").is_empty());
        let annotations = json!({ (format!("{APPARMOR}web")): "unconfined" });
        let pod = json!({ "kind": "Pod", "metadata": { "name": "web", "annotations": annotations }, "spec": {} });
        assert_eq!(refused(&pod).len(), 1);
    }

    #[test]
    fn a_role_may_not_take_away_the_limits_of_the_drill() {
        let role = |rule: Value| refused(&json!({ "kind": "Role", "metadata": { "name": "r" }, "rules": [rule] }));
        let rule =
            |resources: &[&str], verbs: &[&str]| json!({ "apiGroups": [""], "resources": resources, "verbs": verbs });
        for (resources, verbs) in [
            (["namespaces"], ["patch"]),
            (["namespaces/finalize"], ["update"]),
            (["resourcequotas"], ["delete"]),
            (["networkpolicies"], ["create"]),
            (["roles"], ["bind"]),
            (["rolebindings"], ["create"]),
            (["serviceaccounts/token"], ["create"]),
            (["configmaps"], ["*"]),
            (["*"], ["get"]),
            (["*/scale"], ["get"]),
            (["users"], ["impersonate"]),
        ] {
            assert_eq!(role(rule(&resources, &verbs)).len(), 1, "{resources:?} {verbs:?}");
        }
        assert_eq!(role(json!({ "apiGroups": ["*"], "resources": ["pods"], "verbs": ["get"] })).len(), 1);
        let of = |group: &str, verb: &str| json!({ "apiGroups": ["", group], "resources": ["x"], "verbs": [verb] });
        for group in ["argoproj.io", "source.toolkit.fluxcd.io", "cilium.io", "crd.projectcalico.org"] {
            assert_eq!(role(of(group, "create")).len(), 1, "{group}");
            assert!(role(of(group, "get")).is_empty(), "{group}");
        }
        assert!(role(of("notargoproj.io", "create")).is_empty());
        let rules = |resource: &str, verb: &str| {
            role(json!({ "apiGroups": ["monitoring.coreos.com"], "resources": [resource], "verbs": [verb] })).len()
        };
        let written = ["prometheusrules", "servicemonitors", "prometheuses/status", "x"]
            .map(|resource| rules(resource, "create"));
        assert_eq!((written, rules("prometheusrules", "get")), ([1, 1, 1, 0], 0));
        for (group, kinds) in TABLE.rows("way-in") {
            for way in kinds.split(' ').map(plural) {
                let told =
                    |verb: &str| role(json!({ "apiGroups": [group], "resources": [way], "verbs": [verb] })).len();
                assert_eq!((told("create"), told("get")), (1, 0), "{group} {way}");
            }
        }
        let host =
            json!({ "apiGroups": ["route.openshift.io"], "resources": ["routes/custom-host"], "verbs": ["create"] });
        assert_eq!(role(host).len(), 1);
        let plurals = ["HTTPProxy", "Ingress", "IngressRouteTCP", "Prometheus", "ServiceEntry"].map(plural);
        assert_eq!(plurals, ["httpproxies", "ingresses", "ingressroutetcps", "prometheuses", "serviceentries"]);
        let status =
            json!({ "apiGroups": ["networking.k8s.io"], "resources": ["ingresses/status"], "verbs": ["update"] });
        assert!(role(status).is_empty());
        let other = json!({ "kind": "Role", "metadata": { "name": "r" }, "rules": [of("cilium.io", "create")] });
        assert!(refusals(&other, &request(&[])).is_empty(), "without `isolate`");
        assert!(role(rule(&["namespaces", "resourcequotas"], &["get", "list", "watch"])).is_empty());
        assert!(role(rule(&["pods", "configmaps", "leases"], &["get", "create", "delete"])).is_empty());
    }

    #[test]
    fn a_binding_gives_rights_of_the_stack_to_accounts_of_the_stack() {
        let binding = |kind: &str, role: &str, subject: Value| {
            let role = json!({ "kind": kind, "name": role });
            let metadata = json!({ "name": "b" });
            refused(&json!({ "kind": "RoleBinding", "metadata": metadata, "roleRef": role, "subjects": [subject] }))
        };
        let web = || json!({ "kind": "ServiceAccount", "name": "web", "namespace": "shop" });
        assert!(binding("Role", "reader", web()).is_empty());
        assert!(binding("ClusterRole", "view", web()).is_empty());
        for (kind, role) in
            [("ClusterRole", "cluster-admin"), ("ClusterRole", "edit"), ("", "x"), ("Role", "fd-runner")]
        {
            assert_eq!(binding(kind, role, web()).len(), 1, "{kind} {role}");
        }
        for subject in [
            json!({ "kind": "ServiceAccount", "name": "web", "namespace": "kube-system" }),
            json!({ "kind": "ServiceAccount", "name": "fd-steps", "namespace": "shop" }),
            json!({ "kind": "Group", "name": "system:authenticated" }),
            json!({ "kind": "User", "name": "system:serviceaccount:shop:web" }),
        ] {
            assert_eq!(binding("Role", "reader", subject.clone()).len(), 1, "{subject}");
        }
    }

    #[test]
    fn what_belongs_to_others_is_refused() {
        let named = |name: &str| json!({ "kind": "ConfigMap", "metadata": { "name": name } });
        assert_eq!(refused(&named("fd-inside")).len(), 1);
        assert!(refused(&named("fdx")).is_empty());
        let token = |of: &str| {
            let metadata = json!({ "name": "t", "annotations": { "kubernetes.io/service-account.name": of } });
            json!({ "kind": "Secret", "type": "kubernetes.io/service-account-token", "metadata": metadata })
        };
        assert_eq!((refused(&token("fd-steps")).len(), refused(&token("web")).len()), (1, 0));
        for group in [
            "helm.cattle.io", "source.toolkit.fluxcd.io", "argoproj.io", "sql.cnrm.cloud.google.com",
            "s3.services.k8s.aws", "dbforpostgresql.azure.com", "rds.aws.upbound.io",
        ] {
            let object = json!({ "apiVersion": format!("{group}/v1"), "kind": "X", "metadata": { "name": "x" } });
            assert_eq!(refused(&object).len(), 1, "{group}");
        }
        let other = json!({ "apiVersion": "notargoproj.io/v1", "kind": "X", "metadata": { "name": "x" } });
        assert!(refused(&other).is_empty(), "other custom resources stay allowed");
        let claim = |spec: Value| json!({ "kind": "PersistentVolumeClaim", "metadata": { "name": "c" }, "spec": spec });
        assert!(refused(&claim(json!({ "storageClassName": "fast", "volumeName": "" }))).is_empty());
        assert_eq!(refused(&claim(json!({ "volumeName": "pv-of-others" }))).len(), 1);
        assert_eq!(refused(&claim(json!({ "storageClassName": "" }))).len(), 1, "no class makes one");
        let mut annotated = claim(json!({}));
        annotated["metadata"]["annotations"] = json!({ CLASS_ANNOTATION: "" });
        assert!(refused(&annotated).len() == 1 && takes_volume(&annotated), "nor does none by the annotation");
        assert!(refused(&claim(json!({ "storageClassName": null }))).is_empty(), "the cluster's own class");
        assert_eq!(
            refused(&claim(json!({ "dataSource": { "name": "x" }, "dataSourceRef": { "name": "x" } }))).len(),
            2
        );
        let set = json!({ "kind": "StatefulSet", "metadata": { "name": "s" }, "spec": {
            "volumeClaimTemplates": [{ "metadata": { "name": "data" }, "spec": { "volumeName": "pv" } }],
            "template": { "spec": { "serviceAccountName": "fd-steps", "volumes": [
                { "name": "e", "ephemeral": { "volumeClaimTemplate": { "spec": { "dataSource": {} } } } }] } } } });
        let found = refused(&set);
        assert_eq!(found.len(), 3, "{found:?}");
        assert_eq!(found[0], "has `volumeName` in the claim `data` which takes the data of others");
    }

    #[test]
    fn no_policy_opens_what_isolate_closes() {
        let policy = |egress: Value| json!({ "kind": "NetworkPolicy", "metadata": { "name": "p" }, "spec": { "egress": egress } });
        for opens in [
            json!([{}]),
            json!([{ "to": [{ "ipBlock": { "cidr": "0.0.0.0/0" } }] }]),
            json!([{ "to": [{ "namespaceSelector": {} }], "ports": [{ "port": 443 }] }]),
            json!([{ "ports": [{ "port": 53, "endPort": 65535 }] }]),
        ] {
            assert_eq!(refused(&policy(opens.clone())).len(), 1, "{opens}");
            assert!(refusals(&policy(opens), &request(&[])).is_empty(), "without `isolate`");
        }
        let own = json!([{ "to": [{ "podSelector": {} }] }, { "to": [{ "namespaceSelector": {} }], "ports": [{ "port": 53 }] }]);
        assert!(refused(&policy(own)).is_empty());
        let ends = json!([{ "ports": [{ "port": 53, "endPort": 53 }, { "port": 53, "endPort": null }] }]);
        assert!(refused(&policy(ends)).is_empty());
        for group in ["cilium.io", "crd.projectcalico.org"] {
            let object = json!({ "apiVersion": format!("{group}/v1"), "kind": "X", "metadata": { "name": "x" } });
            assert_eq!(refused(&object).len(), 1, "{group}");
            assert!(refusals(&object, &request(&[])).is_empty(), "without `isolate`");
        }
    }

    fn request(allowed: &[&str]) -> StackRequest {
        let allowed = allowed.iter().map(|entry| entry.to_string()).collect();
        let cluster = ClusterRequest { namespace: "shop".into(), allowed, ..ClusterRequest::default() };
        StackRequest { cluster: Some(cluster), ..StackRequest::default() }
    }

    fn object(text: &str) -> Value {
        serde_yaml::from_str(text).expect(text)
    }

    #[test]
    fn what_is_allowed_only_looks() {
        let request = request(&["ClusterRole/reader", "ClusterRoleBinding/b"]);
        let told = |text: &str| {
            cluster_refusals(&object(text), &request).into_iter().map(|(why, _)| why).collect::<Vec<_>>().join("; ")
        };
        let rule = |verbs: &str, resources: &str| {
            told(&format!("{{ kind: ClusterRole, rules: [{{ verbs: [{verbs}], resources: [{resources}] }}] }}"))
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
            told("{ kind: ClusterRole, aggregationRule: { clusterRoleSelectors: [] } }"),
            "is made of other ClusterRoles"
        );
        let binding = |role: &str, subject: &str| {
            told(&format!(
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
        let system = foreign_priority(
            &json!({ "priorityClassName": "system-x" }),
            &super::tests::request(&["PriorityClass/system-x"]),
        );
        assert!(system.is_some(), "the cluster's own");
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
