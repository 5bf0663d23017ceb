//! Whether somebody goes around the agent in front of a Service: by the Service itself, by another one that leads to the same Pods, by the
//! name of the one behind the agent, or by a connection to the Pods themselves. In production there is no agent, and so no way around
//! what it stands for.

use super::manifests::{items, kind, name, text, texts};
use super::names::{PROXY, SERVICE, origin};
use super::namespace::list;
use super::stack::KubernetesStack;
use super::{pods, transform};
use crate::stack::compose::bypass::{Connection, SHOWN_WITHIN, first_peer, is_table};
use crate::stack::{ProxyBypass, StackResult};
use k8s_openapi::api::core::v1::{ConfigMap, Pod, Service};
use kube::api::ListParams;
use serde_json::Value;
use std::collections::BTreeMap;
use std::net::IpAddr;

/// What goes around the agent in front of a Service.
pub(super) async fn of(stack: &KubernetesStack, service: &str) -> StackResult<ProxyBypass> {
    let (namespace, planned) = (&stack.namespace, stack.planned());
    let behind = origin(service);
    let of_name = |wanted: &str| planned.iter().find(|object| kind(object) == "Service" && name(object) == wanted);
    let (Some(front), Some(true_one)) = (of_name(service), of_name(&behind)) else {
        return Ok(ProxyBypass::NoneSeen(Vec::new()));
    };
    let operation = format!("looking at the Service {service}");
    let all = ListParams::default();
    let live = namespace.live(front, operation.clone()).await?;
    let pods = list(&namespace.all::<Pod>(), &all, &operation).await?;
    let agents = pods.iter().filter(|pod| label(pod, PROXY) == Some(service));
    let agents: Vec<String> = agents.map(|pod| name(pod).to_string()).collect();
    if let Some(why) = transform::bypass(front, live.as_ref(), &agents) {
        return Ok(ProxyBypass::By(why));
    }
    let selector = texts(true_one, "/spec/selector");
    let own: Vec<&Value> = pods.iter().filter(|pod| selects(&selector, pod)).collect();
    let services = list(&namespace.all::<Service>(), &all, &operation).await?;
    if let Some(why) = services.iter().find_map(|live| beside(live, planned, service, &own)) {
        return Ok(ProxyBypass::By(why));
    }
    let team: Vec<&Value> = pods.iter().filter(|pod| label(pod, SERVICE).is_none() && is_alive(pod)).collect();
    if let Some(pod) = team.iter().find(|pod| names(&pod["spec"], &behind)) {
        return Ok(ProxyBypass::By(format!("the Pod {} calls {behind}, past the agent", name(pod))));
    }
    let configs = list(&namespace.all::<ConfigMap>(), &all, &operation).await?;
    if let Some(config) = configs.iter().find(|config| names(&config["data"], &behind)).map(name) {
        return Ok(ProxyBypass::By(format!("the ConfigMap {config} names {behind}, which is past the agent")));
    }
    let is_other = |object: &&Value| kind(object) == "Service" && ![service, behind.as_str()].contains(&name(object));
    let others: Vec<&Value> = planned.iter().filter(is_other).collect();
    let clients = team.iter().filter(|pod| !selects(&selector, pod));
    let clients: Vec<(&str, IpAddr)> =
        clients.flat_map(|pod| addresses(pod).map(move |address| (name(pod), address))).collect();
    let mut unseen = Vec::new();
    for pod in own.into_iter().filter(|pod| is_alive(pod)) {
        // Who comes by a Service that was there from the beginning has not gone around anything.
        let beside = others.iter().filter(|other| selects(&texts(other, "/spec/selector"), pod));
        let Some(beside) = beside.map(|other| ports(other, pod)).collect::<Option<Vec<_>>>() else { continue };
        let target = namespace.container(name(pod), pods::main_container(pod, service));
        let command = ["cat", "/proc/net/tcp", "/proc/net/tcp6"].map(str::to_string);
        let shown = target.run(&command, &operation, true, SHOWN_WITHIN).await;
        let table = shown.map(|shown| String::from_utf8_lossy(&shown.stdout).into_owned()).unwrap_or_default();
        // An image without a shell or `cat` shows nothing.
        if !is_table(&table) {
            unseen.push(target.pod.clone());
            continue;
        }
        if let Some((client, _)) = clients.iter().find(|(_, address)| is_client(&table, *address, &beside.concat())) {
            let why = format!("the Pod {client} is connected to {} itself, and not to its agent", target.pod);
            return Ok(ProxyBypass::By(why));
        }
    }
    Ok(ProxyBypass::NoneSeen(unseen))
}

fn label<'p>(pod: &'p Value, key: &str) -> Option<&'p str> {
    pod["metadata"]["labels"][key].as_str()
}

pub(super) fn is_alive(pod: &Value) -> bool {
    !pods::is_deleted(pod) && ["Pending", "Running"].contains(&text(pod, "/status/phase"))
}

/// Its addresses, of which one that has two networks has two.
fn addresses(pod: &Value) -> impl Iterator<Item = IpAddr> {
    let all = items(pod, "/status/podIPs").map(|address| text(address, "/ip")).chain([text(pod, "/status/podIP")]);
    all.filter_map(|address| address.parse().ok())
}

/// Whether a Service with this selector leads to a Pod; one without a selector leads to none.
fn selects(selector: &BTreeMap<String, String>, pod: &Value) -> bool {
    !selector.is_empty() && selector.iter().all(|(key, value)| label(pod, key) == Some(value.as_str()))
}

/// The TCP ports of a Pod to which a Service leads: by number, by the container's name for it, and of a headless one by its own. `None`: to all.
fn ports(service: &Value, pod: &Value) -> Option<Vec<u16>> {
    let all = service.pointer("/spec/ports")?.as_array()?;
    let is_headless = text(service, "/spec/clusterIP") == "None";
    let named = |wanted: &str| {
        let containers = ["/spec/containers", "/spec/initContainers"].into_iter().flat_map(|of| items(pod, of));
        let mut all = containers.flat_map(|container| items(container, "/ports"));
        all.find(|port| text(port, "/name") == wanted)?.get("containerPort")?.as_i64()
    };
    let tcp = all.iter().filter(|port| pods::told(port, "/protocol", "TCP") == "TCP");
    let numbers = tcp.flat_map(|port| {
        let target = port.get("targetPort").filter(|target| !target.is_null() && target.as_i64() != Some(0));
        let own = port.get("port").and_then(Value::as_i64).filter(|_| is_headless || target.is_none());
        [own, target.and_then(|target| target.as_i64().or_else(|| named(target.as_str()?)))]
    });
    Some(numbers.flatten().filter_map(|number| u16::try_from(number).ok()).collect())
}

/// Why a Service leads past the agent in front of `service` to its `own` Pods, unless the manifests have it so.
fn beside(live: &Value, planned: &[Value], service: &str, own: &[&Value]) -> Option<String> {
    let (named, behind) = (name(live), origin(service));
    if [service, behind.as_str()].contains(&named) {
        return None;
    }
    let to = text(live, "/spec/externalName");
    if to.split('.').next() == Some(behind.as_str()) {
        return Some(format!("the Service {named} leads to `{to}`, past the agent"));
    }
    let selector = texts(live, "/spec/selector");
    let mut same = planned.iter().filter(|object| kind(object) == "Service" && name(object) == named);
    let is_planned = same.any(|planned| texts(planned, "/spec/selector") == selector);
    let leads = !is_planned && own.iter().any(|pod| selects(&selector, pod));
    leads.then(|| format!("the Service {named} leads to the Pods of {service} as well, past the agent"))
}

/// Whether something has this name of a Service in it.
fn names(object: &Value, service: &str) -> bool {
    let text = object.to_string();
    let goes_on = |after: &str| after.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '-');
    text.split(service).skip(1).any(|after| !goes_on(after))
}

/// Whether this address is, or was a moment ago and more than a few times, connected to a port on which something listens, and to which no
/// other Service leads.
fn is_client(table: &str, client: IpAddr, beside: &[u16]) -> bool {
    let is_direct = |one: &Connection| one.inbound && one.peer == client && !beside.contains(&one.own_port);
    first_peer(table, is_direct).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stack::compose::bypass::OF_ONE_WHO_LOOKS;
    use serde_json::json;

    fn pod(app: &str) -> Value {
        json!({ "metadata": { "name": app, "labels": { "app": app, "tier": "back" } } })
    }

    #[test]
    fn a_service_that_a_step_makes_leads_past_the_agent() {
        let service = |name: &str, spec: Value| {
            let metadata = json!({ "name": name });
            json!({ "kind": "Service", "metadata": metadata, "spec": spec })
        };
        let to = |app: &str| json!({ "selector": { "app": app } });
        let planned =
            [service("pay", to("agent")), service("fd-origin-pay", to("pay")), service("pay-metrics", to("pay"))];
        let (pay, other) = (pod("pay"), pod("other"));
        let told = |name: &str, spec: Value, own: &Value| beside(&service(name, spec), &planned, "pay", &[own]);
        assert!(told("pay-b", to("pay"), &pay).unwrap().contains("pay-b leads to the Pods of pay"));
        assert!(told("pay-b", json!({ "selector": { "tier": "back" } }), &pay).is_some());
        assert!(told("web", json!({ "type": "ExternalName", "externalName": "fd-origin-pay.x.svc" }), &pay).is_some());
        assert_eq!(told("pay-b", to("pay"), &other), None);
        assert_eq!(told("pay-b", json!({}), &pay), None, "without a selector it leads nowhere");
        assert_eq!(told("fd-origin-pay", to("pay"), &pay), None);
        assert_eq!(told("pay-metrics", to("pay"), &pay), None, "the manifests have it so");
        assert!(told("pay-metrics", json!({ "selector": { "tier": "back" } }), &pay).is_some());
    }

    #[test]
    fn a_name_is_a_whole_one() {
        let env = |url: &str| json!({ "env": [{ "name": "URL", "value": url }] });
        assert!(names(&env("http://fd-origin-pay:80/"), "fd-origin-pay"));
        assert!(names(&env("fd-origin-pay"), "fd-origin-pay"));
        assert!(!names(&env("http://fd-origin-payments/"), "fd-origin-pay"));
        assert!(!names(&env("http://pay/"), "fd-origin-pay"));
    }

    #[test]
    fn a_client_is_connected_to_a_port_on_which_something_listens() {
        let over = "  3: 050012AC:2341 080012AC:C351 06 0:0\n";
        let table = format!(
            "  sl  local_address rem_address   st tx_queue rx_queue\n\
             \x20  0: 00000000:2341 00000000:0000 0A 0:0\n\
             \x20  1: 050012AC:2341 070012AC:C350 01 0:0\n\
             \x20  2: 050012AC:9C40 090012AC:1538 01 0:0\n\
             \x20  4: 0000000000000000FFFF0000050012AC:2341 0000000000000000FFFF00000A0012AC:C352 01 0:0\n{over}"
        );
        let ip = |last| IpAddr::from([172, 18, 0, last]);
        assert_eq!(
            [7, 8, 9, 10, 11].map(|last| is_client(&table, ip(last), &[9102])),
            [true, false, false, true, false]
        );
        assert!(!is_client(&table, ip(7), &[9025]), "another Service leads there");
        assert!(is_client(&(table + &over.repeat(OF_ONE_WHO_LOOKS)), ip(8), &[]), "more than one who looks");
    }

    #[test]
    fn a_service_leads_to_ports_by_their_numbers_and_names() {
        let container = json!({ "name": "pay", "ports": [{ "name": "metrics", "containerPort": 9102 }] });
        let pod = json!({ "spec": { "containers": [container] } });
        let of = |all: Value| ports(&json!({ "spec": { "ports": all } }), &pod);
        assert_eq!(of(json!([{ "port": 80, "targetPort": "metrics" }, { "port": 5432 }])), Some(vec![9102, 5432]));
        assert_eq!(of(json!([{ "port": 80, "targetPort": 8080 }])), Some(vec![8080]));
        assert_eq!(of(json!([{ "port": 80, "targetPort": "nowhere" }])), Some(vec![]));
        assert_eq!(of(json!([{ "port": 80, "targetPort": null }, { "port": 53, "protocol": "UDP" }])), Some(vec![80]));
        let headless = json!({ "spec": { "clusterIP": "None", "ports": [{ "port": 80, "targetPort": "metrics" }] } });
        assert_eq!(ports(&headless, &pod), Some(vec![80, 9102]), "by the names of its Pods");
        assert_eq!(of(Value::Null), None, "a headless one without ports");
    }

    #[test]
    fn a_client_is_known_by_each_of_its_addresses() {
        let ips = json!({ "podIP": "fd00::7", "podIPs": [{ "ip": "fd00::7" }, { "ip": "10.0.0.7" }] });
        let two = json!({ "status": ips });
        let table = "  sl  local_address rem_address   st tx_queue rx_queue\n\
             \x20  0: 00000000000000000000000000000000:2341 00000000000000000000000000000000:0000 0A 0:0\n\
             \x20  1: 000000FD000000000000000005000000:2341 000000FD000000000000000007000000:C350 01 0:0\n";
        assert_eq!(
            addresses(&two).map(|address| is_client(table, address, &[])).collect::<Vec<_>>(),
            [true, false, true]
        );
    }
}
