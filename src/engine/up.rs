//! Up: the stack is started and healthy, and every agent is connected.

use super::context::Context;
use super::stop::Stop;
use crate::agent::AgentClient;
use crate::agent::ability::Ability;
use crate::agent::client::ClockOffset;
use crate::agent::protocol::AgentMessage;
use crate::agent::toxiproxy::ToxiproxyApi;
use crate::record::{Check, ClockRecord, Event, StackRecord};
use crate::stack::{AgentRole, TOXIPROXY_PORT};
use futures_util::future::try_join_all;
use tokio::sync::mpsc::UnboundedReceiver;
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
    let proxies = cx.plan.stack.interposed.keys().map(|service| AgentRole::Proxy { service: service.clone() });
    let others: Vec<AgentRole> = proxies.chain(cx.plan.alerts.is_some().then_some(AgentRole::Monitoring)).collect();
    let opened = try_join_all(others.iter().map(|role| open(cx, role)));
    let (drill, opened) = tokio::try_join!(open(cx, &AgentRole::Drill), opened)?;
    let mut up = Up { agent: keep(cx, AgentRole::Drill, drill), monitoring: None };
    for (role, opened) in others.into_iter().zip(opened) {
        let agent = keep(cx, role.clone(), opened);
        match role {
            AgentRole::Proxy { service } if cx.plan.stack.toxiproxy.contains(&service) => {
                let api = ToxiproxyApi { service, port: TOXIPROXY_PORT, clients: cx.stack.services() };
                agent.ask(api.ask("toxiproxy")).await?;
            }
            AgentRole::Monitoring => up.monitoring = Some(agent),
            _ => {}
        }
    }
    Ok(up)
}

/// An agent that is connected, and what it says.
type Connected = (AgentClient, UnboundedReceiver<AgentMessage>);

async fn open(cx: &Context<'_>, role: &AgentRole) -> Result<Connected, Stop> {
    let channel = cx.stack.connect(role).await?;
    let sink = cx.sink.clone();
    let connected = AgentClient::open(role.name(), channel, move || sink.now().0).await?;
    let ClockOffset { offset_us, rtt_us } = connected.0.offset();
    cx.sink.emit(Event::ClockOffset(ClockRecord { agent: role.name(), offset_us, rtt_us }));
    Ok(connected)
}

fn keep(cx: &mut Context<'_>, role: AgentRole, (client, messages): Connected) -> AgentClient {
    cx.pumps.push(cx.monitor.pump(role.name(), client.clone(), messages));
    cx.common.agents.insert(role, client.clone());
    client
}
