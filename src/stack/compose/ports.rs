//! The ports of a stack. On which ones the agent in front of a service listens: a link turns every port of the service over to it, so it
//! must have all that are known. And what `localhost:PORT` means in the toolbox: the ports that the stack publishes on the machine of its
//! developers, each with the service behind it.

use super::builds::{Builds, dockerfile, read_dockerfile};
use super::command::ComposeCommand;
use super::errors::hinted;
use super::findings::no_port;
use super::images;
use super::model::{ResolvedModel, has_own_networks, port_range, ports_in, scalar, scalars, texts, unescape};
use super::stack::ComposeStack;
use crate::stack::{Published, StackResult};
use bollard::models::ContainerInspectResponse;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// Ports of ranges that are gone through, all there are four times over: a short file can publish them again and again.
const MOST_PUBLISHED: usize = 4 * u16::MAX as usize;

impl ResolvedModel {
    /// TCP ports of a service: those that are `given`, those of its file, and those that its Dockerfile exposes.
    pub fn known_ports(&self, service: &str, given: &[u16]) -> BTreeSet<u16> {
        let json = self.service(service);
        let items = |key: &str| json[key].as_array().into_iter().flatten();
        let published = items("ports").filter(|port| matches!(port["protocol"].as_str(), None | Some("tcp")));
        let named = items("expose").chain(published.map(|port| &port["target"])).flat_map(texts);
        let given = given.iter().copied().filter(|port| *port > 0);
        let exposed = |text: String| read_dockerfile(&text, scalars(&json["build"]["args"])).1;
        let exposed = self.dockerfile(service).into_iter().flat_map(exposed);
        let others = given.chain(exposed).map(|port| port..=port);
        ports_in(named.filter_map(|text| port_range(&text)).chain(others))
    }

    /// The text of the Dockerfile that a service is built from.
    pub fn dockerfile(&self, service: &str) -> Option<String> {
        let build = self.build_of(service)?;
        let context = build.get("context").and_then(Value::as_str).map(unescape).unwrap_or_default();
        dockerfile(build, Path::new(&context)).ok()
    }

    /// What the stack publishes that can be forwarded: TCP to what is on a network of the stack, where the Compose file names a port of the
    /// host and the engine does not choose one each time.
    pub fn published(&self) -> Published {
        let (mut found, mut left) = (Published::default(), MOST_PUBLISHED);
        for (name, service) in self.section("services") {
            for port in service["ports"].as_array().into_iter().flatten() {
                let text = |key: &str| scalar(&port[key]).unwrap_or_default();
                let (target, published, protocol) = (text("target"), text("published"), text("protocol"));
                if !matches!(protocol.as_str(), "" | "tcp") || !has_own_networks(service.get("network_mode")) {
                    continue;
                }
                let of_host = port_range(&published).filter(|ports| ports.len() <= left);
                let target = port_range(&target).filter(|ports| ports.len() == 1);
                if let (Some(of_host), Some(target)) = (of_host, target) {
                    left -= of_host.len();
                    of_host.for_each(|port| found.insert(port, name, *target.start()));
                }
            }
        }
        found
    }
}

/// Service → the ports on which the agent in front of it listens.
pub(super) type AgentPorts = BTreeMap<String, BTreeSet<u16>>;

/// The ports of every interposed service, with those that its image exposes.
///
/// # Errors
/// `Environment` when a service has none: what nothing listens on cannot be guessed.
pub(super) async fn interposed(stack: &ComposeStack, compose: &ComposeCommand, of: &Builds) -> StackResult<AgentPorts> {
    let mut all = BTreeMap::new();
    for (service, given) in &stack.spec.interposed {
        let mut ports = stack.model.known_ports(service, given);
        if let Some(name) = of.images.get(service).cloned().or_else(|| stack.model.image_of(service)) {
            let mut image = images::inspect(&compose.endpoint.docker, &name).await?;
            if image.is_none() && ports.is_empty() {
                // `up` would pull it anyway.
                let looking = format!("looking for the ports of `{service}`");
                image = Some(images::ensure_pulled(compose, &name, &looking).await?);
            }
            let exposed = image.and_then(|image| image.config?.exposed_ports).unwrap_or_default();
            ports.extend(ports_in(exposed.iter().filter_map(|port| port_range(port))));
        }
        if ports.is_empty() {
            let finding = no_port(service);
            let help = finding.help.unwrap_or_default();
            return Err(hinted(format!("putting an agent in front of `{service}`"), finding.message, help));
        }
        all.insert(service.clone(), ports);
    }
    Ok(all)
}

impl Published {
    fn insert(&mut self, port: u16, service: &str, target: u16) {
        self.ports.entry(port).or_insert_with(|| format!("{service}:{target}"));
    }

    /// Adds the ports of a container: those that are bound now, also where the engine chose them, and of one that is
    /// down those that will be.
    pub(super) fn add_container(&mut self, service: &str, container: &ContainerInspectResponse) {
        let bound = container.network_settings.as_ref().and_then(|settings| settings.ports.as_ref());
        let asked = container.host_config.as_ref().and_then(|config| config.port_bindings.as_ref());
        for (target, bindings) in bound.into_iter().chain(asked).flatten() {
            let ports = bindings.iter().flatten().filter_map(|binding| binding.host_port.as_deref());
            for port in ports.filter_map(port_range).flatten() {
                port_range(target).into_iter().flatten().for_each(|target| self.insert(port, service, target));
            }
        }
    }

    /// As records have it: `8080` → `web:80`.
    pub(super) fn named(&self) -> BTreeMap<String, String> {
        self.ports.iter().map(|(port, leads_to)| (port.to_string(), leads_to.clone())).collect()
    }

    /// Arguments of `firedrill agent forward`: `8080=web:80`.
    pub(super) fn arguments(&self) -> Vec<String> {
        let words = ["agent", "forward"].into_iter().map(str::to_string);
        words.chain(self.ports.iter().map(|(port, leads_to)| format!("{port}={leads_to}"))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_tcp_port_with_a_port_of_the_host_leads_to_its_service() {
        let json = json!({ "services": {
            "web": { "ports": [{ "target": 80, "published": "8080", "protocol": "tcp", "mode": "ingress" },
                               { "target": 443, "published": "8443", "host_ip": "127.0.0.1", "protocol": "tcp" },
                               { "target": 9100, "protocol": "tcp" }] },
            "api": { "ports": [{ "target": 8000, "published": "8001-8003", "protocol": "tcp" },
                               { "target": 1, "published": "8080", "host_ip": "127.0.0.2", "protocol": "tcp" }] },
            "dns": { "ports": [{ "target": 53, "published": "53", "protocol": "udp" }] },
            "own": { "network_mode": "host", "ports": [{ "target": 7, "published": "7", "protocol": "tcp" }] },
            "db": {} } });
        let Value::Object(json) = json else { panic!("a literal mapping") };
        let model = ResolvedModel { json, ..ResolvedModel::default() };
        let found = model.published();
        assert_eq!(
            found.arguments().join(" "),
            "agent forward 8001=api:8000 8002=api:8000 8003=api:8000 8080=web:80 8443=web:443"
        );
        let all = json!({ "target": 80, "published": "1-65535", "protocol": "tcp" });
        let Value::Object(json) =
            json!({ "services": { "a": { "ports": [all, all] }, "b": { "ports": [all, all, all] } } })
        else {
            panic!("a literal mapping")
        };
        let found = ResolvedModel { json, ..ResolvedModel::default() }.published();
        assert_eq!(found.ports.len(), 65535);
    }

    #[test]
    fn ports_of_containers_count_as_the_engine_has_bound_them() {
        let bound = json!({ "80/tcp": [{ "HostIp": "0.0.0.0", "HostPort": "8080" }, { "HostIp": "::", "HostPort": "8080" }],
                            "9100/tcp": [{ "HostIp": "", "HostPort": "49153" }], "53/udp": [{ "HostPort": "53" }], "81/tcp": null });
        let asked = json!({ "80/tcp": [{ "HostPort": "8080" }], "9100/tcp": [{ "HostPort": "" }] });
        let inspected = |json: Value| serde_json::from_value::<ContainerInspectResponse>(json).unwrap();
        let up = inspected(json!({ "NetworkSettings": { "Ports": bound }, "HostConfig": { "PortBindings": asked } }));
        let down = inspected(json!({ "NetworkSettings": { "Ports": {} }, "HostConfig": { "PortBindings": asked } }));
        let of = |container| {
            let mut found = Published::default();
            found.add_container("web", &container);
            found.arguments().join(" ")
        };
        assert_eq!(of(up), "agent forward 8080=web:80 49153=web:9100");
        assert_eq!(of(down), "agent forward 8080=web:80");
    }
}
