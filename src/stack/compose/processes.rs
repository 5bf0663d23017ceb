//! Processes beside the team's services: each is a Compose service of the drill's project with no container until its fault
//! starts it, so that `docker compose` in a step treats it like any other.

use super::errors::environment;
use super::labels;
use super::model::{escape, service_mut};
use super::stack::ComposeStack;
use crate::stack::changes::{NotedEnds, WatchedEnds};
use crate::stack::{Ending, Process, StackRequest, StackResult};
use bollard::Docker;
use bollard::models::EventMessage;
use bollard::query_parameters::EventsOptionsBuilder;
use futures_util::StreamExt;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
/// After the engine has ended a list of events, for which there is no reason but that it is restarted.
const LISTEN_AGAIN: Duration = Duration::from_millis(200);

/// What a process takes over of a service: what its command needs to run as it does there, and nothing by which others find
/// the service (aliases, ports, labels) or by which it reaches the host beyond its mounts.
const TAKEN_OVER: &[&str] = &[
    "cap_add", "cap_drop", "configs", "dns", "dns_opt", "dns_search", "environment", "extra_hosts", "group_add",
    "image", "links", "network_mode", "networks", "platform", "pull_policy", "secrets", "security_opt", "shm_size",
    "tmpfs", "ulimits", "user", "volumes", "working_dir",
];

/// A process as a service of the model, from the service that it is like.
pub(super) fn service(process: &Process, like: &Value) -> Value {
    let taken = like.as_object().into_iter().flatten().filter(|(key, _)| TAKEN_OVER.contains(&key.as_str()));
    let mut service: Value = taken.map(|(key, value)| (key.clone(), value.clone())).collect();
    let places = service.get_mut("networks").and_then(Value::as_object_mut).into_iter().flat_map(Map::values_mut);
    places.filter_map(Value::as_object_mut).for_each(|place| drop(place.remove("aliases")));
    let mut words = process.command().into_iter().map(|word| Value::String(escape(&word)));
    service["entrypoint"] = words.by_ref().take(1).collect();
    service["command"] = words.collect();
    // A shell as first process would not hear that it is to stop.
    service["init"] = json!(true);
    // The image may name a signal that a shell does not end by.
    service["stop_signal"] = json!("SIGTERM");
    service["stop_grace_period"] = json!("2s");
    service["healthcheck"] = json!({ "disable": true });
    service["scale"] = json!(0);
    service
}

/// Gives those processes that were started their containers in a model, so that no command on it removes them.
pub(super) fn scale(model: &mut Value, spec: &StackRequest, started: &BTreeSet<String>) {
    for process in &spec.processes {
        if let Some(service) = service_mut(model, &process.name) {
            service["scale"] = json!(if started.contains(&process.name) { process.replicas } else { 0 });
        }
    }
}

/// Watches who ends the containers of a process, by the engine's own events: a signal that anybody sent through the engine comes
/// before the end that it brings.
pub(super) fn watch_ends(docker: Docker, project: &str, name: &str) -> WatchedEnds {
    let of_process = [(labels::PROJECT, project), (labels::SERVICE, name), (labels::ONEOFF, "False")];
    let mut filters = labels::filter(&of_process.map(|(key, value)| (key, Some(value))));
    filters.insert("type".into(), vec!["container".into()]);
    WatchedEnds::watch(|noted| async move {
        // From the oldest event that the engine remembers on: whatever comes before the engine listens is not missed.
        let (mut since, mut lives) = (1_000_000_000, Lives::new());
        loop {
            let from = format!("{}.{:09}", since / 1_000_000_000, since % 1_000_000_000);
            let options = EventsOptionsBuilder::default().since(&from).filters(&filters).build();
            let mut events = std::pin::pin!(docker.events(Some(options)));
            while let Some(Ok(event)) = events.next().await {
                since = event.time_nano.unwrap_or(since);
                note_event(&noted, &mut lives, &event);
            }
            tokio::time::sleep(LISTEN_AGAIN).await;
        }
    })
}

/// Container name → its last start, in nanoseconds by the engine's clock, and whether anybody has sent it a signal since.
type Lives = BTreeMap<String, (i64, bool)>;

fn note_event(noted: &NotedEnds, lives: &mut Lives, event: &EventMessage) {
    let attributes = event.actor.as_ref().and_then(|actor| actor.attributes.as_ref());
    let attribute = |key: &str| attributes.and_then(|all| all.get(key));
    let (Some(name), Some(action)) = (attribute("name"), event.action.as_deref()) else { return };
    let at = event.time_nano.unwrap_or_default();
    let (started, signalled) = lives.entry(name.clone()).or_default();
    match action {
        "start" => {
            (*started, *signalled) = (at, false);
            noted.forget(name);
        }
        "kill" => *signalled = true,
        "die" => {
            let exit_code = attribute("exitCode").and_then(|code| code.parse().ok()).unwrap_or_default();
            let after = Duration::from_nanos(u64::try_from(at - *started).unwrap_or_default());
            let (container, by_itself) = (name.clone(), !*signalled);
            noted.note(Ending { container, exit_code, after, ago: Duration::ZERO, by_itself });
        }
        _ => {}
    }
}

/// Notes that a process is started, whose ends are watched, or that it is gone; returns the model that says so.
pub(super) fn note(stack: &ComposeStack, name: &str, ends: Option<WatchedEnds>) -> StackResult<Value> {
    let mut started = stack.started();
    let none = || environment(format!("starting `{name}`"), "the stack has not been started");
    let mut model = started.model.clone().ok_or_else(none)?;
    started.processes.remove(name);
    started.processes.extend(ends.map(|ends| (name.to_string(), ends)));
    scale(&mut model, &stack.spec, &started.processes.keys().cloned().collect());
    started.model = Some(model.clone());
    Ok(model)
}
