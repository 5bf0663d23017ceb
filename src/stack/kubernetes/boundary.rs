//! What an object may be in a drill: a name that is nothing but a name, and nothing by which it leaves the drill's namespace or takes
//! away what keeps a drill in there. Pure functions, for the manifests and for what faults set and make.

use super::manifests::{items, kind, name, pod_spec, pod_spec_pointer, text};
use super::names::is_ours;
use serde_json::Value;

/// Kinds of RBAC, whose names may have capitals and colons.
const OF_RBAC: [&str; 4] = ["Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding"];
/// The one ClusterRole that may be bound: it reads, and no Secrets. `edit` and `admin` write NetworkPolicies.
pub(super) const STANDARD_ROLE: &str = "view";
/// Verbs of which each gives more than it says.
const STRONG_VERBS: [&str; 4] = ["*", "bind", "escalate", "impersonate"];
/// Verbs that only look.
pub(super) const LOOKS: [&str; 3] = ["get", "list", "watch"];
/// What keeps a drill in its namespace: whoever writes it leaves.
const KEEPS_IN: [&str; 7] = [
    "namespaces", "networkpolicies", "podsecuritypolicies", "resourcequotas", "rolebindings", "roles",
    "securitycontextconstraints",
];
/// API groups whose objects have a controller install things elsewhere with its own rights, or are RBAC by another name.
const GO_ELSEWHERE: [&str; 4] = ["argoproj.io", "authorization.openshift.io", "cattle.io", "fluxcd.io"];
/// API groups whose policies let Pods out beside NetworkPolicies.
const OPEN_NETWORKS: [&str; 2] = ["cilium.io", "projectcalico.org"];
/// By what a claim takes the data of others.
const TAKES_VOLUMES: [&str; 4] = ["volumeName", "selector", "dataSource", "dataSourceRef"];

/// Annotations of Pods that name the profile of a container, before Kubernetes 1.30 the only way.
const APPARMOR: &str = "container.apparmor.security.beta.kubernetes.io/";

/// What is wrong with an object, as the end of a sentence that begins with it, and what to do about it.
pub(super) type OutOfBounds = (String, &'static str);

/// Why an object cannot be asked for: its version, kind and name become parts of addresses of the API, and must be no more than that.
pub(super) fn unnameable(object: &Value) -> Option<String> {
    let (version, kind, name) = (text(object, "/apiVersion"), kind(object), name(object));
    if !is_api_version(version) {
        return Some(format!("`{version}` is no apiVersion like `v1` or `apps/v1`"));
    }
    if !(kind.starts_with(|c: char| c.is_ascii_uppercase()) && kind.chars().all(|c| c.is_ascii_alphanumeric())) {
        return Some(format!("`{kind}` is no kind like `Deployment`"));
    }
    if !is_name(name, OF_RBAC.contains(&kind)) {
        return Some(format!("`{name}` is no name of an object: small letters, digits, `-` and `.`"));
    }
    None
}

fn is_small(c: char) -> bool {
    c.is_ascii_lowercase() || c.is_ascii_digit()
}

fn is_api_version(text: &str) -> bool {
    let (group, version) = text.split_once('/').map_or((None, text), |(group, version)| (Some(group), version));
    let is_version = version.strip_prefix('v').is_some_and(|rest| !rest.is_empty() && rest.chars().all(is_small));
    is_version && group.is_none_or(|group| is_name(group, false))
}

fn is_name(text: &str, of_rbac: bool) -> bool {
    let may_end = |c: char| if of_rbac { c.is_ascii_alphanumeric() } else { is_small(c) };
    let fits = |c: char| may_end(c) || matches!(c, '-' | '.') || (of_rbac && matches!(c, ':' | '_'));
    text.len() <= 253
        && !text.contains("..")
        && text.starts_with(may_end)
        && text.ends_with(may_end)
        && text.chars().all(fits)
}

/// What an object of the stack's namespace, which is written like this, may not be or ask for.
pub(super) fn refusals(object: &Value, written: &str, isolated: bool) -> Vec<OutOfBounds> {
    let mut found = Vec::new();
    let mut refuse = |why: String, help: &'static str| found.push((why, help));
    if is_ours(name(object)) {
        refuse("has a name that begins with `fd-`".into(), "names that begin with `fd-` are Firedrill's own");
    }
    let group = text(object, "/apiVersion").split_once('/').map_or("", |(group, _)| group);
    if is_of(group, &GO_ELSEWHERE) {
        let help = "put what it installs into the drill's manifests instead";
        refuse(format!("is of `{group}`: a controller makes of it what it likes, in other namespaces too"), help);
    }
    if isolated && is_of(group, &OPEN_NETWORKS) {
        let help = "`isolate: true` lets Pods reach each other alone: leave it out, or `isolate`";
        refuse(format!("is of `{group}`, whose policies open what `isolate` closes"), help);
    }
    if is_way_in(group, object) {
        let help = "users outside of the cluster would be led here, as by an Ingress: let the load call the Service";
        refuse(format!("is of `{group}`: its host name, or its place, would be taken from others"), help);
    }
    match kind(object) {
        "Role" | "ClusterRole" => {
            let help = "a drill keeps its limits: leave that rule out of the drill's manifests";
            let found = items(object, "/rules").filter_map(|rule| too_much(rule, isolated));
            found.for_each(|why| refuse(format!("gives {why}"), help));
        }
        "RoleBinding" => of_binding(object, written, &mut refuse),
        "Secret" if is_token_of_ours(object) => {
            refuse(
                "asks for a token of an account of Firedrill's own".into(),
                "accounts that begin with `fd-` are Firedrill's own",
            );
        }
        "PersistentVolumeClaim" => of_claim(object.get("spec"), "", &mut refuse),
        "NetworkPolicy" if isolated && items(object, "/spec/egress").any(reaches_out) => {
            let help = "`isolate: true` lets Pods reach each other alone: leave that rule out, or `isolate`";
            refuse("opens the way out of the namespace that `isolate` closes".into(), help);
        }
        _ => {}
    }
    for claim in items(object, "/spec/volumeClaimTemplates") {
        of_claim(claim.get("spec"), &format!("in the claim `{}` ", name(claim)), &mut refuse);
    }
    let Some(spec) = pod_spec(object) else { return found };
    for volume in items(spec, "/volumes") {
        let claim = volume.pointer("/ephemeral/volumeClaimTemplate/spec");
        of_claim(claim, &format!("in the volume `{}` ", text(volume, "/name")), &mut refuse);
    }
    let of_pods = pod_spec_pointer(object).map(|at| format!("{}metadata/annotations", at.trim_end_matches("spec")));
    let annotations = of_pods.and_then(|at| object.pointer(&at)?.as_object()).into_iter().flatten();
    for (key, _) in annotations.filter(|(key, value)| key.starts_with(APPARMOR) && *value == "unconfined") {
        refuse(
            format!("asks for the node: it sets `{key}: unconfined`"),
            "a drill may not reach the node: leave it out",
        );
    }
    if ["/serviceAccountName", "/serviceAccount"].iter().any(|key| is_ours(text(spec, key))) {
        refuse("takes an account of Firedrill's own".into(), "accounts that begin with `fd-` are Firedrill's own");
    }
    found
}

/// Whether an object leads users from outside of the cluster to the drill, or gives it a name there, as an Ingress does.
fn is_way_in(group: &str, object: &Value) -> bool {
    match (group, kind(object)) {
        ("gateway.networking.k8s.io" | "networking.istio.io", "Gateway") => true,
        // Between Services alone where it hangs on nothing else.
        ("gateway.networking.k8s.io", route) if route.ends_with("Route") => {
            items(object, "/spec/parentRefs").any(|parent| text(parent, "/kind") != "Service")
        }
        ("networking.istio.io", "VirtualService") => items(object, "/spec/gateways").any(|gateway| gateway != "mesh"),
        ("traefik.io" | "traefik.containo.us", route) => route.starts_with("IngressRoute"),
        ("route.openshift.io", "Route") | ("projectcontour.io", "HTTPProxy") => true,
        ("externaldns.k8s.io", "DNSEndpoint") => true,
        _ => false,
    }
}

/// Whether the cluster puts a token of one of Firedrill's own accounts into a Secret.
fn is_token_of_ours(secret: &Value) -> bool {
    let account = secret.pointer("/metadata/annotations").and_then(|all| all.get("kubernetes.io/service-account.name"));
    account.and_then(Value::as_str).is_some_and(is_ours)
}

/// Whether a group is one of these, or ends so.
fn is_of(group: &str, ends: &[&str]) -> bool {
    ends.iter().any(|end| group.strip_suffix(end).is_some_and(|rest| rest.is_empty() || rest.ends_with('.')))
}

/// What a rule of a Role gives that lets its holder take away the limits of the drill.
fn too_much(rule: &Value, isolated: bool) -> Option<String> {
    let words = |key: &str| items(rule, key).filter_map(Value::as_str).collect::<Vec<_>>();
    let (verbs, resources) = (words("/verbs"), words("/resources"));
    if let Some(verb) = verbs.iter().find(|verb| STRONG_VERBS.contains(verb)) {
        return Some(format!("the verb `{verb}`"));
    }
    if resources.iter().any(|resource| resource.starts_with('*')) || words("/apiGroups").contains(&"*") {
        return Some("rights on everything (`*`)".into());
    }
    if verbs.iter().all(|verb| LOOKS.contains(verb)) {
        return None;
    }
    let leads_out = |group: &&str| is_of(group, &GO_ELSEWHERE) || (isolated && is_of(group, &OPEN_NETWORKS));
    if let Some(group) = words("/apiGroups").into_iter().find(leads_out) {
        return Some(format!("the right to write objects of `{group}`"));
    }
    let keeps_in = |resource: &str| {
        resource == "serviceaccounts/token" || resource.split('/').next().is_some_and(|all| KEEPS_IN.contains(&all))
    };
    let resource = resources.into_iter().find(|resource| keeps_in(resource))?;
    Some(format!("the right to write `{resource}`"))
}

fn of_binding(binding: &Value, written: &str, refuse: &mut impl FnMut(String, &'static str)) {
    let role = text(binding, "/roleRef/name");
    if text(binding, "/roleRef/kind") == "Role" {
        if is_ours(role) {
            refuse(format!("binds `{role}`"), "roles that begin with `fd-` are Firedrill's own");
        }
    } else if role != STANDARD_ROLE {
        let help =
            "bind a Role with the rules that are needed; of the cluster's own only `view` keeps a drill's limits";
        refuse(format!("binds the ClusterRole `{role}`"), help);
    }
    of_subjects(binding, written, refuse);
}

/// To whom a binding may not give rights.
pub(super) fn of_subjects(binding: &Value, written: &str, refuse: &mut impl FnMut(String, &'static str)) {
    for subject in items(binding, "/subjects") {
        let (named, namespace) = (text(subject, "/name"), text(subject, "/namespace"));
        let is_account = text(subject, "/kind") == "ServiceAccount";
        if is_account && !namespace.is_empty() && namespace != written {
            let help =
                "a drill gives rights to its own accounts alone: `stack.kubernetes.namespace` says which one is meant";
            refuse(format!("gives rights to `{named}` in the namespace `{namespace}`"), help);
        }
        if is_ours(named) || (!is_account && named.starts_with("system:")) {
            let help = "a drill gives rights to the stack's own accounts alone";
            refuse(format!("gives rights to `{named}`"), help);
        }
    }
}

fn of_claim(spec: Option<&Value>, place: &str, refuse: &mut impl FnMut(String, &'static str)) {
    let is_set = |key: &&str| {
        let value = spec.and_then(|spec| spec.get(*key)).unwrap_or(&Value::Null);
        !value.is_null() && value.as_str() != Some("")
    };
    for key in TAKES_VOLUMES.iter().filter(|key| is_set(key)) {
        let help = "a drill begins with empty volumes: leave it out, and let a container fill them";
        refuse(format!("has `{key}` {place}which takes the data of others"), help);
    }
}

/// Whether a rule of a NetworkPolicy leads to more than Pods of the same namespace and port 53, which `isolate` leaves open.
fn reaches_out(rule: &Value) -> bool {
    let is_dns = |port: &Value| {
        let ends = port.get("endPort").is_none_or(|end| end.is_null() || end.as_u64() == Some(53));
        ends && port.get("port").and_then(Value::as_u64) == Some(53)
    };
    let mut ports = items(rule, "/ports").peekable();
    if ports.peek().is_some() && ports.all(is_dns) {
        return false;
    }
    let mut peers = items(rule, "/to").peekable();
    let is_set = |value: Option<&Value>| value.is_some_and(|value| !value.is_null());
    peers.peek().is_none() || peers.any(|peer| is_set(peer.get("ipBlock")) || is_set(peer.get("namespaceSelector")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn refused(object: &Value) -> Vec<String> {
        refusals(object, "shop", true).into_iter().map(|(why, _)| why).collect()
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
    fn nobody_outside_of_the_cluster_is_led_into_a_drill() {
        let told = |version: &str, kind: &str, spec: Value| {
            refused(&json!({ "apiVersion": version, "kind": kind, "metadata": { "name": "web" }, "spec": spec })).len()
        };
        let (gateway, istio) = ("gateway.networking.k8s.io/v1", "networking.istio.io/v1");
        let hangs_on = |kind: Value| json!({ "parentRefs": [{ "name": "shared", "kind": kind }] });
        for (version, kind, spec) in [
            (gateway, "Gateway", json!({})),
            (gateway, "HTTPRoute", hangs_on(json!("Gateway"))),
            (gateway, "GRPCRoute", hangs_on(Value::Null)),
            (istio, "Gateway", json!({})),
            (istio, "VirtualService", json!({ "gateways": ["mesh", "prod/public"] })),
            ("traefik.io/v1alpha1", "IngressRouteTCP", json!({})),
            ("route.openshift.io/v1", "Route", json!({})),
            ("projectcontour.io/v1", "HTTPProxy", json!({})),
            ("externaldns.k8s.io/v1alpha1", "DNSEndpoint", json!({})),
        ] {
            assert_eq!(told(version, kind, spec), 1, "{version} {kind}");
        }
        for (version, kind, spec) in [
            (gateway, "HTTPRoute", hangs_on(json!("Service"))),
            (istio, "VirtualService", json!({ "hosts": ["web"] })),
            (istio, "DestinationRule", json!({})),
            ("traefik.io/v1alpha1", "Middleware", json!({})),
        ] {
            assert_eq!(told(version, kind, spec), 0, "{version} {kind}");
        }
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
        let other = json!({ "kind": "Role", "metadata": { "name": "r" }, "rules": [of("cilium.io", "create")] });
        assert!(refusals(&other, "shop", false).is_empty(), "without `isolate`");
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
        for group in ["helm.cattle.io", "source.toolkit.fluxcd.io", "argoproj.io"] {
            let object = json!({ "apiVersion": format!("{group}/v1"), "kind": "X", "metadata": { "name": "x" } });
            assert_eq!(refused(&object).len(), 1, "{group}");
        }
        let other = json!({ "apiVersion": "notargoproj.io/v1", "kind": "X", "metadata": { "name": "x" } });
        assert!(refused(&other).is_empty(), "other custom resources stay allowed");
        let claim = |spec: Value| json!({ "kind": "PersistentVolumeClaim", "metadata": { "name": "c" }, "spec": spec });
        assert!(refused(&claim(json!({ "storageClassName": "fast", "volumeName": "" }))).is_empty());
        assert_eq!(refused(&claim(json!({ "volumeName": "pv-of-others" }))).len(), 1);
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
            assert!(refusals(&policy(opens), "shop", false).is_empty(), "without `isolate`");
        }
        let own = json!([{ "to": [{ "podSelector": {} }] }, { "to": [{ "namespaceSelector": {} }], "ports": [{ "port": 53 }] }]);
        assert!(refused(&policy(own)).is_empty());
        let ends = json!([{ "ports": [{ "port": 53, "endPort": 53 }, { "port": 53, "endPort": null }] }]);
        assert!(refused(&policy(ends)).is_empty());
        for group in ["cilium.io", "crd.projectcalico.org"] {
            let object = json!({ "apiVersion": format!("{group}/v1"), "kind": "X", "metadata": { "name": "x" } });
            assert_eq!(refused(&object).len(), 1, "{group}");
            assert!(refusals(&object, "shop", false).is_empty(), "without `isolate`");
        }
    }
}
