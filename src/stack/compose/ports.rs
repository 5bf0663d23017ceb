//! On which ports the agent in front of a service listens: a link turns every port of the service over to it, so it
//! must have all that are known.

use super::command::ComposeCommand;
use super::content::{dockerfile, read_dockerfile};
use super::errors::hinted;
use super::findings::no_port;
use super::images;
use super::model::{ResolvedModel, port_range, scalars, unescape};
use crate::stack::{StackError, StackRequest};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

impl ResolvedModel {
    /// TCP ports of a service: those that are `given`, those of its file, and those that its Dockerfile exposes.
    pub fn known_ports(&self, service: &str, given: &[u16]) -> BTreeSet<u16> {
        let mut ports = self.ports_of(service);
        ports.extend(given.iter().copied().filter(|port| *port > 0));
        let Some(Value::Object(build)) = self.service(service).and_then(|s| s.get("build")) else { return ports };
        let Some(text) = self.dockerfile(service) else { return ports };
        ports.extend(read_dockerfile(&text, scalars(build.get("args"))).1);
        ports
    }

    /// The text of the Dockerfile that a service is built from.
    pub fn dockerfile(&self, service: &str) -> Option<String> {
        let Some(Value::Object(build)) = self.service(service)?.get("build") else { return None };
        let context = build.get("context").and_then(Value::as_str).map(unescape).unwrap_or_default();
        dockerfile(build, Path::new(&context)).ok()
    }
}

/// The ports of every interposed service, with those that its image exposes.
///
/// # Errors
/// `Environment` when a service has none: what nothing listens on cannot be guessed.
pub(super) async fn of_interposed(
    compose: &ComposeCommand,
    model: &ResolvedModel,
    spec: &StackRequest,
    built: &BTreeMap<String, String>,
) -> Result<BTreeMap<String, BTreeSet<u16>>, StackError> {
    let mut all = BTreeMap::new();
    for (service, given) in &spec.interposed {
        let mut ports = model.known_ports(service, given);
        let named = model.service(service).and_then(|s| s.get("image")?.as_str()).map(unescape);
        if let Some(name) = built.get(service).cloned().or(named) {
            let mut image = images::inspect(&compose.endpoint.docker, &name).await?;
            if image.is_none() && ports.is_empty() {
                // `up` would pull it anyway.
                let looking = format!("looking for the ports of `{service}`");
                image = Some(images::ensure_pulled(compose, &name, &looking).await?);
            }
            let exposed = image.and_then(|image| image.config?.exposed_ports).unwrap_or_default();
            ports.extend(exposed.iter().flat_map(|port| port_range(port)));
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
