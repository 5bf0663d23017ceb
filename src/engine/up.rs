//! Up: the stack is started and healthy, and every agent is connected.

use super::drill::{Drill, micros};
use super::stop::Stop;
use crate::agent::AgentClient;
use crate::record::{Check, Event};
use crate::stack::AgentRole;
use tokio_util::sync::CancellationToken;

impl Drill<'_> {
    pub(super) async fn up(&mut self, cancel: &CancellationToken) -> Result<(), Stop> {
        let started = self.sink.now();
        let up = match self.stack.up(cancel).await {
            Ok(up) => up,
            Err(error) => return Err(self.failed(Check::Steady, started, error.into())),
        };
        let pulled = (!up.pull_took.is_zero()).then_some(("pull", up.pull_took));
        let started_by = [("up", up.up_took), ("healthy", up.healthy_took)];
        for (what, took) in [("build", up.build_took)].into_iter().chain(pulled).chain(started_by) {
            self.sink.emit(Event::ComposeTook { what: what.into(), took_us: micros(took) });
        }
        self.sink.emit(Event::StackUp { project: up.project, images: up.images, localhost: up.localhost });
        for role in self.roles() {
            if let Err(stop) = self.connect(role).await {
                return Err(self.failed(Check::Steady, started, stop));
            }
        }
        Ok(())
    }

    fn roles(&self) -> Vec<AgentRole> {
        let mut services: Vec<String> =
            self.plan.faults.iter().filter_map(|planned| planned.fault.interposes()).map(|(name, _)| name).collect();
        services.sort();
        services.dedup();
        let proxies = services.into_iter().map(|service| AgentRole::Proxy { service });
        std::iter::once(AgentRole::Drill).chain(proxies).collect()
    }

    async fn connect(&mut self, role: AgentRole) -> Result<(), Stop> {
        let channel = self.stack.connect(&role).await?;
        let sink = self.sink.clone();
        let (client, messages) = AgentClient::open(role.name(), channel, move || sink.now().0).await?;
        let offset = client.offset();
        self.sink.emit(Event::ClockOffset { agent: role.name(), offset_us: offset.offset_us, rtt_us: offset.rtt_us });
        self.pumps.push(self.monitor.pump(role.name(), client.clone(), messages));
        self.agents.insert(role, client);
        Ok(())
    }
}
