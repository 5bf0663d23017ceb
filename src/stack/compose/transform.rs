//! The resolved model as a drill starts it: a pure function, so that what a drill changes in a stack can be read and
//! tested without Docker. Everything that is not named here stays as the user wrote it.

use super::builds::Builds;
use super::model::{ResolvedModel, add_alias, escape, given_as, has_own_networks, scalar};
use super::{labels, monitoring, processes};
use crate::stack::http_ports::carries_http;
use crate::stack::{AgentRole, RunIdentity, StackRequest, TOOLBOX};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// What a drill adds to a model.
#[derive(Debug, Clone)]
pub(super) struct Drill<'a> {
    /// Compose project name.
    pub project: &'a str,
    /// The run.
    pub run: &'a RunIdentity,
    /// The command that starts `firedrill` in its agents.
    pub launch: &'a [String],
    /// The images, and the ports of the agents.
    pub recipe: &'a Recipe,
}

/// What a drill's model is made with, beside the team's own.
#[derive(Debug, Clone, Default)]
pub(super) struct Recipe {
    /// Image of the agents; empty when only the team's services are meant, as for a build.
    pub agent: String,
    /// Image of the toolbox, with the agent's bundle in it.
    pub toolbox: String,
    /// Image of Prometheus and Alertmanager, with the agent's bundle in it; empty where none are wanted.
    pub monitoring: String,
    /// The images that stand for `build` sections; services without one keep their own image.
    pub builds: Builds,
    /// Ports on which the agent in front of each interposed service listens.
    pub ports: BTreeMap<String, BTreeSet<u16>>,
}

/// Processes that the toolbox may have at once, of a drill and of a runbook that is followed alone.
pub(super) const TOOLBOX_PIDS: i64 = 1024;

/// The model that `docker compose up` is given.
pub(super) fn transform(model: &ResolvedModel, spec: &StackRequest, drill: &Drill<'_>) -> Value {
    let mut out = model.json.clone();
    out.insert("name".into(), json!(drill.project));
    if let Some(replaced) = spec.replaced() {
        monitoring::replace_file(model, &mut out, replaced, &drill.run.dir.join(monitoring::REPLACEMENT));
    }
    let images = replaced_images(model, drill);
    let mut services = out.get("services").and_then(Value::as_object).cloned().unwrap_or_default();
    for (name, service) in &mut services {
        if let Value::Object(service) = service {
            own_service(name, service, drill, &images);
        }
    }
    if !drill.recipe.agent.is_empty() {
        link_clients(model, spec, &mut services);
        add_ours(model, spec, drill, &mut services);
        add_processes(model, spec, drill, &mut services);
    }
    let mut networks = model.section("networks").clone();
    for key in used_networks(&services) {
        networks.entry(key).or_insert(Value::Null);
    }
    for (key, network) in &mut networks {
        *network = own_network(key, network, spec, drill);
    }
    let mut volumes = model.section("volumes").clone();
    for (key, volume) in &mut volumes {
        let mut own = volume.as_object().cloned().unwrap_or_default();
        own.insert("name".into(), json!(format!("{}_{key}", drill.project)));
        add_labels(&mut own, drill);
        *volume = Value::Object(own);
    }
    for section in ["secrets", "configs"] {
        if let Some(Value::Object(entries)) = out.get_mut(section) {
            for entry in entries.values_mut().filter_map(Value::as_object_mut) {
                entry.remove("name");
                if let Some(Value::String(variable)) = entry.get_mut("environment") {
                    *variable = given_as(variable);
                }
            }
        }
    }
    out.insert("services".into(), Value::Object(services));
    out.insert("networks".into(), Value::Object(networks));
    if !volumes.is_empty() {
        out.insert("volumes".into(), Value::Object(volumes));
    }
    Value::Object(out)
}

/// Makes a service the drill's own: nothing fixed that another drill, or the developer's stack, has as well.
fn own_service(name: &str, service: &mut Map<String, Value>, drill: &Drill<'_>, images: &BTreeMap<String, String>) {
    // What is in the resolved model is meant to run; its profiles have done their work.
    service.remove("profiles");
    service.remove("mac_address");
    expose_instead_of_publish(service);
    let container_name = service.remove("container_name");
    if has_own_networks(service) {
        service.remove("network_mode");
        let networks = service.entry("networks").or_insert_with(|| json!({ "default": null }));
        for network in networks.as_object_mut().into_iter().flat_map(Map::values_mut) {
            own_endpoint(network, container_name.as_ref().and_then(Value::as_str));
        }
    }
    if let Some(image) = drill.recipe.builds.images.get(name) {
        service.insert("image".into(), json!(escape(image)));
        // Built here, under a name that no registry has.
        service.insert("pull_policy".into(), json!("never"));
        if let Some(Value::Object(build)) = service.get_mut("build") {
            build.remove("tags");
            label(build, labels::IMAGE, "stack");
            if drill.recipe.builds.own.contains(image) {
                label(build, labels::IMAGE_RUN, &drill.run.id);
                label(build, labels::IMAGE_DIR, &drill.run.dir.display().to_string());
            }
        }
    } else {
        // Nothing is built, and no image replaced, under a name that others have.
        service.remove("build");
        if service.get("pull_policy").is_some_and(|policy| policy != "never") {
            service.insert("pull_policy".into(), json!("missing"));
        }
        if let Some(image) = service.get("image").and_then(Value::as_str).and_then(|image| images.get(image)) {
            service.insert("image".into(), json!(escape(image)));
            service.insert("pull_policy".into(), json!("never"));
        } else if !service.contains_key("image") {
            // Of a profile that is not started, and not to be built: Compose takes no service without an image.
            service.insert("image".into(), json!(format!("{}-{name}", drill.project)));
            service.insert("pull_policy".into(), json!("never"));
        }
    }
    add_labels(service, drill);
}

/// Image names of the user's under which a service is built, and the drill's image in their place: a worker that
/// runs the image which its web service builds must run the one that was built now.
fn replaced_images(model: &ResolvedModel, drill: &Drill<'_>) -> BTreeMap<String, String> {
    let mut images = BTreeMap::new();
    for (service, image) in &drill.recipe.builds.images {
        let named = model.service(service).and_then(|s| s.get("image")).and_then(Value::as_str);
        let default = format!("{}-{service}", model.name());
        images.insert(named.map_or(default, str::to_string), image.clone());
    }
    images
}

fn expose_instead_of_publish(service: &mut Map<String, Value>) {
    let Some(Value::Array(ports)) = service.remove("ports") else { return };
    let mut exposed: Vec<String> =
        service.get("expose").and_then(Value::as_array).into_iter().flatten().filter_map(scalar).collect();
    for port in ports {
        let Some(target) = port.get("target").and_then(scalar) else { continue };
        let entry = match port.get("protocol").and_then(Value::as_str) {
            None | Some("tcp") => target,
            Some(protocol) => format!("{target}/{protocol}"),
        };
        if !exposed.contains(&entry) {
            exposed.push(entry);
        }
    }
    service.insert("expose".into(), json!(exposed));
}

/// One network of a service, without fixed addresses; the container's name goes on as an alias.
fn own_endpoint(endpoint: &mut Value, container_name: Option<&str>) {
    if let Value::Object(endpoint) = endpoint {
        for key in ["ipv4_address", "ipv6_address", "link_local_ips", "mac_address", "interface_name"] {
            endpoint.remove(key);
        }
    }
    container_name.into_iter().for_each(|name| add_alias(endpoint, name.to_string()));
}

/// A network of the drill's own, whatever it was: named by the project, addresses from the engine's pools.
fn own_network(key: &str, network: &Value, spec: &StackRequest, drill: &Drill<'_>) -> Value {
    let mut own = network.as_object().cloned().unwrap_or_default();
    // External networks hold other people's containers, fixed subnets clash with the next drill, other drivers reach
    // into the host's own network; a fixed IPv6 setting needs a fixed subnet on engines before 27.
    for setting in ["external", "ipam", "driver", "enable_ipv6", "driver_opts", "attachable"] {
        own.remove(setting);
    }
    own.insert("name".into(), json!(format!("{}_{key}", drill.project)));
    let mut options = network.get("driver_opts").and_then(Value::as_object).cloned().unwrap_or_default();
    options.retain(|option, _| option == "com.docker.network.driver.mtu");
    if spec.isolate {
        own.insert("internal".into(), json!(true));
        // The bridge of an internal network has an address all the same, under which the host can be reached. Docker Engine 20.10 and
        // newer leave it out with this.
        options.insert("com.docker.network.bridge.inhibit_ipv4".into(), json!("true"));
    }
    if !options.is_empty() {
        own.insert("driver_opts".into(), Value::Object(options));
    }
    add_labels(&mut own, drill);
    Value::Object(own)
}

fn used_networks(services: &Map<String, Value>) -> BTreeSet<String> {
    let networks = services.values().filter_map(|service| service.get("networks")?.as_object());
    networks.flat_map(Map::keys).cloned().collect()
}

/// Points every client of an interposed service at the agent in front of it.
///
/// A link is an alias that only this client's embedded DNS sees, and it wins over the service's own name. It must be
/// there for every name that a client may use. The target and the agents get none: they see the true service.
fn link_clients(model: &ResolvedModel, spec: &StackRequest, services: &mut Map<String, Value>) {
    for target in spec.interposed.keys() {
        let names = model.names_of(target);
        let on: BTreeSet<String> = model.networks_of(target).into_iter().collect();
        for (client, service) in services.iter_mut() {
            let reaches = model.networks_of(client).iter().any(|network| on.contains(network));
            if let Value::Object(service) = service
                && client != target
                && reaches
            {
                link(service, target, &names);
            }
        }
    }
}

/// Links one client to the agent in front of `target`, for all of its names and for those of the client's own links.
fn link(client: &mut Map<String, Value>, target: &str, names: &[String]) {
    let agent = AgentRole::Proxy { service: target.to_string() }.name();
    let mut names: BTreeSet<String> = names.iter().cloned().collect();
    let mut links: Vec<String> = Vec::new();
    for old in client.get("links").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str) {
        match old.split_once(':').unwrap_or((old, old)) {
            // `links: [payments:pay]` would lead round the agent.
            (service, alias) if service == target => drop(names.insert(alias.to_string())),
            _ => links.push(old.to_string()),
        }
    }
    links.extend(names.iter().map(|name| format!("{agent}:{name}")));
    client.insert("links".into(), json!(links));
    // A link implies a dependency with `restart: true`, by which restarting an agent would restart its clients: it is
    // written out. `service_started` is enough: the agent listens a few milliseconds after its start and depends on
    // nothing, while Docker needs many times that to start a client after it; waiting for a health check would cost
    // a whole interval, which engines before 25 cannot shorten for the start.
    let dependency = json!({ "condition": "service_started", "restart": false, "required": true });
    if let Value::Object(dependencies) = client.entry("depends_on").or_insert_with(|| json!({})) {
        dependencies.insert(agent, dependency);
    }
}

/// Adds the drill's own services: its agent, the agents in front of services, the toolbox.
fn add_ours(model: &ResolvedModel, spec: &StackRequest, drill: &Drill<'_>, services: &mut Map<String, Value>) {
    let mut all: Vec<String> = used_networks(services).into_iter().collect();
    if all.is_empty() {
        all.push("default".into());
    }
    let linked = |mut service: Map<String, Value>| {
        for target in spec.interposed.keys() {
            link(&mut service, target, &model.names_of(target));
        }
        service
    };
    let agent = AgentRole::Drill.name();
    services.insert(agent, Value::Object(linked(our_service(drill, "agent", &drill.recipe.agent, &all))));
    for target in spec.interposed.keys() {
        let mut proxy = our_service(drill, "proxy", &drill.recipe.agent, &model.networks_of(target));
        let ports = drill.recipe.ports.get(target).into_iter().flatten();
        let ports: Vec<Value> = ports.map(|port| json!({ "port": port, "http": carries_http(*port) })).collect();
        let stands_for = json!({ "service": target, "ports": ports }).to_string();
        proxy.insert("environment".into(), json!({ "FIREDRILL_PROXY": escape(&stands_for) }));
        services.insert(AgentRole::Proxy { service: target.clone() }.name(), Value::Object(proxy));
    }
    let words = |words: &[String]| words.iter().map(|word| escape(word)).collect::<Vec<_>>();
    let larger = |role: &str, image: &str, entrypoint: &[String], command: &[String]| {
        let mut service = linked(our_service(drill, role, image, &all));
        service.insert("entrypoint".into(), json!(words(entrypoint)));
        service.insert("command".into(), json!(words(command)));
        // Reaps what a killed step leaves behind.
        service.insert("init".into(), json!(true));
        // Dumps and restores run in the toolbox, Prometheus keeps what it knows in memory: more than an agent may take.
        service.insert("mem_limit".into(), json!("1073741824"));
        // A step that starts processes without end takes the toolbox, and not the machine.
        service.insert("pids_limit".into(), json!(TOOLBOX_PIDS));
        service.remove("cpu_shares");
        service
    };
    let mut toolbox = larger("toolbox", &drill.recipe.toolbox, drill.launch, &model.published().arguments());
    // Nothing in there is worth a graceful stop.
    toolbox.insert("stop_signal".into(), json!("SIGKILL"));
    if let Some(directory) = &spec.directory {
        // The engine makes it.
        toolbox.insert("working_dir".into(), json!(escape(directory)));
    }
    services.insert(TOOLBOX.into(), Value::Object(toolbox));
    if spec.monitoring.is_some() {
        let serve = [drill.launch, &["agent".to_string(), "serve".into()]].concat();
        let monitoring = larger("monitoring", &drill.recipe.monitoring, &serve, &[]);
        services.insert(AgentRole::Monitoring.name(), Value::Object(monitoring));
    }
}

/// Adds the processes that faults start, with no container yet.
fn add_processes(model: &ResolvedModel, spec: &StackRequest, drill: &Drill<'_>, services: &mut Map<String, Value>) {
    for process in &spec.processes {
        let like = process.service.as_deref().unwrap_or(TOOLBOX);
        let Some(Value::Object(found)) = services.get(like) else { continue };
        let mut service = processes::service(process, found);
        // The service itself has no link to the agent in front of it; what runs beside it is a client.
        if spec.interposed.contains_key(like) {
            link(&mut service, like, &model.names_of(like));
        }
        add_labels(&mut service, drill);
        services.insert(process.name.clone(), Value::Object(service));
    }
}

fn our_service(drill: &Drill<'_>, role: &str, image: &str, networks: &[String]) -> Map<String, Value> {
    let networks: Map<String, Value> = networks.iter().map(|network| (network.clone(), Value::Null)).collect();
    let mut service = Map::new();
    service.insert("image".into(), json!(escape(image)));
    service.insert("pull_policy".into(), json!("never"));
    service.insert("networks".into(), Value::Object(networks));
    service.insert("mem_limit".into(), json!("268435456"));
    service.insert("stop_grace_period".into(), json!("1s"));
    // On a machine that is busy with the team's services, the one that measures must wake up in time. It needs little.
    service.insert("cpu_shares".into(), json!(10_240));
    add_labels(&mut service, drill);
    label(&mut service, labels::ROLE, role);
    service
}

fn add_labels(to: &mut Map<String, Value>, drill: &Drill<'_>) {
    for (key, value) in labels::of_run(drill.run) {
        label(to, key, &value);
    }
}

fn label(to: &mut Map<String, Value>, key: &str, value: &str) {
    let labels = to.entry("labels").or_insert_with(|| json!({}));
    if !labels.is_object() {
        *labels = json!({});
    }
    if let Value::Object(labels) = labels {
        labels.insert(key.into(), json!(escape(value)));
    }
}

#[cfg(test)]
#[path = "transform_tests.rs"]
mod tests;
