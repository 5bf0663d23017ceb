//! The resolved model as a drill starts it: a pure function, so that what a drill changes in a stack can be read and
//! tested without Docker. Everything that is not named here stays as the user wrote it.

use super::builds::{Builds, is_own};
use super::images::FiredrillImages;
use super::model::{ResolvedModel, add_alias, escape, given_as, has_own_networks, places_mut, scalar};
use super::ports::AgentPorts;
use super::{findings, labels, monitoring, processes};
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
    /// The images, and the ports of the agents.
    pub recipe: &'a Recipe,
}

/// What a drill's model is made with, beside the team's own.
#[derive(Debug, Clone, Default)]
pub(super) struct Recipe {
    /// The images with the agent's bundle in them; `None` when only the team's services are meant, as for a build.
    pub own: Option<FiredrillImages>,
    /// The images that stand for `build` sections; services without one keep their own image.
    pub builds: Builds,
    /// Ports on which the agent in front of each interposed service listens.
    pub ports: AgentPorts,
}

/// Processes that the toolbox may have at once, of a drill and of a runbook that is followed alone.
pub(super) const TOOLBOX_PIDS: i64 = 1024;

/// The model that `docker compose up` is given.
pub(super) fn transform(model: &ResolvedModel, spec: &StackRequest, drill: &Drill<'_>) -> Value {
    let mut out = Value::Object(model.json.clone());
    out["name"] = json!(drill.project);
    if let Some(replaced) = spec.replaced() {
        monitoring::replace_file(model, &mut out, replaced, &drill.run.dir.join(monitoring::REPLACEMENT));
    }
    let (images, has_engine) = (replaced_images(model, drill), findings::has_engine(model));
    let mut services = out["services"].as_object().cloned().unwrap_or_default();
    for (name, service) in services.iter_mut().filter(|(_, service)| service.is_object()) {
        if !has_engine {
            let followed = findings::followed_labels(service);
            followed.iter().for_each(|key| drop(take(&mut service["labels"], key)));
        }
        own_service(name, service, drill, &images);
        if !has_engine {
            opt_out(service);
        }
    }
    if drill.recipe.own.is_some() {
        link_clients(model, spec, &mut services);
        add_ours(model, spec, drill, &mut services);
        add_processes(model, spec, drill, &mut services);
    }
    let mut networks = model.section("networks").clone();
    for key in used_networks(&services) {
        networks.entry(key).or_insert(Value::Null);
    }
    networks.iter_mut().for_each(|(key, network)| own_network(key, network, spec, drill));
    let mut volumes = model.section("volumes").clone();
    for (key, volume) in &mut volumes {
        name_own(key, volume, drill);
        add_labels(volume, drill);
    }
    for section in ["secrets", "configs"] {
        for entry in out.get_mut(section).and_then(Value::as_object_mut).into_iter().flat_map(Map::values_mut) {
            take(entry, "name");
            if let Some(Value::String(variable)) = entry.get_mut("environment") {
                *variable = given_as(variable);
            }
        }
    }
    out["services"] = Value::Object(services);
    out["networks"] = Value::Object(networks);
    if !volumes.is_empty() {
        out["volumes"] = Value::Object(volumes);
    }
    out
}

/// Takes a key out of a map.
fn take(map: &mut Value, key: &str) -> Value {
    map.as_object_mut().and_then(|map| map.remove(key)).unwrap_or_default()
}

/// What a drill leaves of `logging`: a driver that keeps logs where the engine has them, or none, how large they grow, and whether they
/// are compressed, which one file alone cannot be.
fn kept_logging(logging: &Value) -> Value {
    let driver = logging["driver"].as_str().filter(|driver| ["json-file", "local", "none"].contains(driver));
    let sizes = ["max-size", "max-file", "compress"].map(|option| (option, &logging["options"][option]));
    let sizes = sizes.into_iter().filter(|(_, size)| driver != Some("none") && !size.is_null());
    json!({ "driver": driver.unwrap_or("json-file"), "options": sizes.collect::<BTreeMap<_, _>>() })
}

/// Makes a service the drill's own: nothing fixed that another drill, or the developer's stack, has as well.
fn own_service(name: &str, service: &mut Value, drill: &Drill<'_>, images: &BTreeMap<String, String>) {
    // What is in the resolved model is meant to run; its profiles have done their work.
    take(service, "profiles");
    take(service, "mac_address");
    if let logging @ Value::Object(_) = take(service, "logging") {
        service["logging"] = kept_logging(&logging);
    }
    expose_instead_of_publish(service);
    let container_name = take(service, "container_name");
    if has_own_networks(service.get("network_mode")) {
        take(service, "network_mode");
        for place in places_mut(service) {
            // Without fixed addresses; the container's name goes on as an alias.
            for key in ["ipv4_address", "ipv6_address", "link_local_ips", "mac_address", "interface_name"] {
                take(place, key);
            }
            container_name.as_str().into_iter().for_each(|name| add_alias(place, name.to_string()));
        }
    }
    let built = drill.recipe.builds.images.get(name);
    let image = match (built, service["image"].as_str()) {
        (Some(image), _) => Some(image.clone()),
        (None, Some(named)) => images.get(named).cloned(),
        // Of a profile that is not started, and not to be built: Compose takes no service without an image.
        (None, None) => Some(format!("{}-{name}", drill.project)),
    };
    if built.is_none() {
        // Nothing is built, and no image replaced, under a name that others have.
        take(service, "build");
        if !matches!(service["pull_policy"].as_str(), None | Some("never")) {
            service["pull_policy"] = json!("missing");
        }
    }
    if let Some(image) = image {
        service["image"] = json!(escape(&image));
        // Built here, under a name that no registry has.
        service["pull_policy"] = json!("never");
    }
    if let Some((image, build)) = built.zip(service.get_mut("build").filter(|build| build.is_object())) {
        // Without BuildKit `pull` would replace a base image that is here, and caches may lie anywhere.
        ["tags", "pull", "cache_from", "cache_to"].iter().for_each(|key| drop(take(build, key)));
        label(build, labels::IMAGE, "stack");
        if is_own(image) {
            label(build, labels::IMAGE_RUN, &drill.run.id);
            label(build, labels::IMAGE_DIR, &drill.run.dir.display().to_string());
        }
    }
    add_labels(service, drill);
}

/// Image names of the user's under which a service is built, and the drill's image in their place: a worker that
/// runs the image which its web service builds must run the one that was built now.
fn replaced_images(model: &ResolvedModel, drill: &Drill<'_>) -> BTreeMap<String, String> {
    let replaced = drill.recipe.builds.images.iter().map(|(service, image)| {
        let named = model.service(service)["image"].as_str();
        (named.map_or(format!("{}-{service}", model.name()), str::to_string), image.clone())
    });
    replaced.collect()
}

fn expose_instead_of_publish(service: &mut Value) {
    let Value::Array(ports) = take(service, "ports") else { return };
    let mut exposed: Vec<String> = service["expose"].as_array().into_iter().flatten().filter_map(scalar).collect();
    let mut known: BTreeSet<String> = exposed.iter().cloned().collect();
    for port in ports {
        let Some(target) = scalar(&port["target"]) else { continue };
        let entry = match port["protocol"].as_str() {
            None | Some("tcp") => target,
            Some(protocol) => format!("{target}/{protocol}"),
        };
        if known.insert(entry.clone()) {
            exposed.push(entry);
        }
    }
    service["expose"] = json!(exposed);
}

/// Makes a network the drill's own, whatever it was: named by the project, addresses from the engine's pools.
fn own_network(key: &str, network: &mut Value, spec: &StackRequest, drill: &Drill<'_>) {
    let mut options = network["driver_opts"].as_object().cloned().unwrap_or_default();
    options.retain(|option, _| option == "com.docker.network.driver.mtu");
    // External networks hold other people's containers, fixed subnets clash with the next drill, other drivers reach
    // into the host's own network; a fixed IPv6 setting needs a fixed subnet on engines before 27.
    for setting in ["external", "ipam", "driver", "enable_ipv6", "driver_opts", "attachable"] {
        take(network, setting);
    }
    name_own(key, network, drill);
    if spec.isolate {
        network["internal"] = json!(true);
        // The bridge of an internal network has an address all the same, under which the host can be reached. Docker Engine 20.10 and
        // newer leave it out with this.
        options.insert("com.docker.network.bridge.inhibit_ipv4".into(), json!("true"));
    }
    if !options.is_empty() {
        network["driver_opts"] = Value::Object(options);
    }
    add_labels(network, drill);
}

fn name_own(key: &str, thing: &mut Value, drill: &Drill<'_>) {
    if !thing.is_object() {
        *thing = json!({});
    }
    thing["name"] = json!(format!("{}_{key}", drill.project));
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
        let on: BTreeSet<String> = model.networks_of(target).into_iter().collect();
        for (client, service) in services.iter_mut() {
            let reaches = model.networks_of(client).iter().any(|network| on.contains(network));
            if client != target && reaches {
                link(service, model, target);
            }
        }
    }
}

/// Links one client to the agent in front of `target`, for all of its names and for those of the client's own links.
fn link(client: &mut Value, model: &ResolvedModel, target: &str) {
    let agent = AgentRole::Proxy { service: target.to_string() }.name();
    let mut names: BTreeSet<String> = model.names_of(target).into_iter().collect();
    let mut links: Vec<String> = Vec::new();
    for old in client["links"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        match old.split_once(':').unwrap_or((old, old)) {
            // `links: [payments:pay]` would lead round the agent.
            (service, alias) if service == target => drop(names.insert(alias.to_string())),
            _ => links.push(old.to_string()),
        }
    }
    links.extend(names.iter().map(|name| format!("{agent}:{name}")));
    client["links"] = json!(links);
    // A link implies a dependency with `restart: true`, by which restarting an agent would restart its clients: it is
    // written out. `service_started` is enough: the agent listens a few milliseconds after its start and depends on
    // nothing, while Docker needs many times that to start a client after it; waiting for a health check would cost
    // a whole interval, which engines before 25 cannot shorten for the start.
    map_at(client, "depends_on")[agent] = json!({ "condition": "service_started", "restart": false, "required": true });
}

/// Adds the drill's own services: its agent, the agents in front of services, the toolbox.
fn add_ours(model: &ResolvedModel, spec: &StackRequest, drill: &Drill<'_>, services: &mut Map<String, Value>) {
    let Some(own) = &drill.recipe.own else { return };
    let mut all: Vec<String> = used_networks(services).into_iter().collect();
    if all.is_empty() {
        all.push("default".into());
    }
    let linked = |mut service: Value| {
        spec.interposed.keys().for_each(|target| link(&mut service, model, target));
        service
    };
    let agent = AgentRole::Drill.name();
    services.insert(agent, linked(our_service(drill, "agent", &own.agent.tag, &all)));
    for target in spec.interposed.keys() {
        let mut proxy = our_service(drill, "proxy", &own.agent.tag, &model.networks_of(target));
        let ports = drill.recipe.ports.get(target).into_iter().flatten();
        let ports: Vec<Value> = ports.map(|port| json!({ "port": port, "http": carries_http(*port) })).collect();
        let stands_for = json!({ "service": target, "ports": ports }).to_string();
        proxy["environment"] = json!({ "FIREDRILL_PROXY": escape(&stands_for) });
        services.insert(AgentRole::Proxy { service: target.clone() }.name(), proxy);
    }
    let words = |words: &[String]| words.iter().map(|word| escape(word)).collect::<Vec<_>>();
    let larger = |role: &str, image: &str, entrypoint: &[String], command: &[String]| {
        let mut service = linked(our_service(drill, role, image, &all));
        service["entrypoint"] = json!(words(entrypoint));
        service["command"] = json!(words(command));
        // Reaps what a killed step leaves behind.
        service["init"] = json!(true);
        // Dumps and restores run in the toolbox, Prometheus keeps what it knows in memory: more than an agent may take.
        service["mem_limit"] = json!("1073741824");
        // A step that starts processes without end takes the toolbox, and not the machine.
        service["pids_limit"] = json!(TOOLBOX_PIDS);
        take(&mut service, "cpu_shares");
        service
    };
    let mut toolbox = larger("toolbox", &own.toolbox, &own.agent.launch, &model.published().arguments());
    // Nothing in there is worth a graceful stop.
    toolbox["stop_signal"] = json!("SIGKILL");
    if let Some(directory) = &spec.directory {
        // The engine makes it.
        toolbox["working_dir"] = json!(escape(directory));
    }
    services.insert(TOOLBOX.into(), toolbox);
    if let Some(image) = &own.monitoring {
        let monitoring = larger("monitoring", image, &own.agent.command(&["agent", "serve"]), &[]);
        services.insert(AgentRole::Monitoring.name(), monitoring);
    }
}

/// Adds the processes that faults start, with no container yet.
fn add_processes(model: &ResolvedModel, spec: &StackRequest, drill: &Drill<'_>, services: &mut Map<String, Value>) {
    for process in &spec.processes {
        let like = process.service.as_deref().unwrap_or(TOOLBOX);
        let Some(found) = services.get(like) else { continue };
        let mut service = processes::service(process, found);
        // The service itself has no link to the agent in front of it; what runs beside it is a client.
        if spec.interposed.contains_key(like) {
            link(&mut service, model, like);
        }
        add_labels(&mut service, drill);
        opt_out(&mut service);
        services.insert(process.name.clone(), service);
    }
}

fn our_service(drill: &Drill<'_>, role: &str, image: &str, networks: &[String]) -> Value {
    let networks: Map<String, Value> = networks.iter().map(|network| (network.clone(), Value::Null)).collect();
    let mut service = json!({
        "image": escape(image),
        "pull_policy": "never",
        "networks": networks,
        "mem_limit": "268435456",
        "stop_grace_period": "1s",
        // On a machine that is busy with the team's services, the one that measures must wake up in time. It needs little.
        "cpu_shares": 10_240,
    });
    add_labels(&mut service, drill);
    opt_out(&mut service);
    label(&mut service, labels::ROLE, role);
    service
}

/// Has the programs that watch the engine leave the containers of a service alone.
fn opt_out(service: &mut Value) {
    findings::OPT_OUTS.iter().for_each(|(key, value)| label(service, key, value));
}

fn add_labels(to: &mut Value, drill: &Drill<'_>) {
    labels::of_run(drill.run).into_iter().for_each(|(key, value)| label(to, key, &value));
}

fn label(to: &mut Value, key: &str, value: &str) {
    map_at(to, "labels")[key] = json!(escape(value));
}

/// The map at a key, made where there is none.
fn map_at<'v>(value: &'v mut Value, key: &str) -> &'v mut Value {
    let at = &mut value[key];
    if !at.is_object() {
        *at = json!({});
    }
    at
}

#[cfg(test)]
#[path = "transform_tests.rs"]
mod tests;
