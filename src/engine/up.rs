//! Up: the stack is started and healthy, and every agent is connected.

use super::context::Context;
use super::stop::Stop;
use crate::agent::AgentClient;
use crate::agent::ability::Ability;
use crate::agent::toxiproxy::ToxiproxyApi;
use crate::record::{Check, ClockRecord, Event, StackRecord};
use crate::stack::{AgentRole, TOXIPROXY_PORT};
use tokio_util::sync::CancellationToken;

/// A stack that is up.
pub(super) struct Up {
    /// The agent of the drill.
    pub agent: AgentClient,
    /// The one that has Prometheus and Alertmanager, where the scenario has alerts.
    pub monitoring: Option<AgentClient>,
}

pub(super) async fn up(cx: &mut Context<'_>, cancel: &CancellationToken) -> Result<Up, Stop> {
    let started = cx.sink.now();
    start(cx, cancel).await.map_err(|stop| cx.failed(Check::Steady, started, stop))
}

async fn start(cx: &mut Context<'_>, cancel: &CancellationToken) -> Result<Up, Stop> {
    let up = cx.stack.up(cancel).await?;
    cx.stack_took("build", up.build_took);
    if !up.pull_took.is_zero() {
        cx.stack_took("pull", up.pull_took);
    }
    cx.stack_took("up", up.up_took);
    cx.stack_took("healthy", up.healthy_took);
    cx.sink.emit(Event::StackUp(StackRecord { project: up.project, images: up.images, localhost: up.localhost }));
    let agent = connect(cx, AgentRole::Drill).await?;
    for service in cx.plan.stack.interposed.keys() {
        let agent = connect(cx, AgentRole::Proxy { service: service.clone() }).await?;
        if cx.plan.stack.toxiproxy.contains(service) {
            let api = ToxiproxyApi { service: service.clone(), port: TOXIPROXY_PORT, clients: cx.stack.services() };
            agent.ask(api.ask("toxiproxy")).await?;
        }
    }
    let monitoring = match cx.plan.alerts.is_some() {
        true => Some(connect(cx, AgentRole::Monitoring).await?),
        false => None,
    };
    Ok(Up { agent, monitoring })
}

async fn connect(cx: &mut Context<'_>, role: AgentRole) -> Result<AgentClient, Stop> {
    let channel = cx.stack.connect(&role).await?;
    let sink = cx.sink.clone();
    let (client, messages) = AgentClient::open(role.name(), channel, move || sink.now().0).await?;
    let offset = client.offset();
    cx.sink.emit(Event::ClockOffset(ClockRecord {
        agent: role.name(),
        offset_us: offset.offset_us,
        rtt_us: offset.rtt_us,
    }));
    cx.pumps.push(cx.monitor.pump(role.name(), client.clone(), messages));
    cx.agents.insert(role, client.clone());
    Ok(client)
}
