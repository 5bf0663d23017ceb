//! `network`: a container loses its networks, or only its names there, so that nobody finds it by DNS any more. For that it leaves
//! a network and joins it again: connections that are open may end.
//!
//! ```yaml
//! - network: { service: db, lose: connection }                    # from every network
//! - network: { service: db, lose: connection, network: backend }
//! - network: { service: payments, lose: names }
//! ```

use super::containers::{self, SelectedContainers};
use super::{FaultContext, FaultError, FaultResult, Inject, Presence, ReadFault, Undo};
use crate::source::{MapReader, list};
use crate::stack::{ContainerOp, ContainerState, Need, NetworkEndpoint};
use async_trait::async_trait;

/// Containers without a network, or without their names in it.
pub struct NetworkLoss {
    selected: SelectedContainers,
    /// Only this one, by its name in the Compose file.
    network: Option<String>,
    /// Its names alone.
    names: bool,
}

/// Reads its parameters; `None` when there were mistakes, which are noted.
pub(super) fn network(map: &mut MapReader<'_>) -> ReadFault<NetworkLoss> {
    let selected = SelectedContainers::read(map);
    let network: Option<String> = map.optional("network");
    let losses = [("connection", false), ("names", true)];
    let names = map.require_by("lose", |at| at.one_of(losses, "cannot be lost"));
    let (selected, names) = (selected?, names?);
    let from = network.as_ref().map_or_else(|| "every network".into(), |name| format!("the network `{name}`"));
    let whom = selected.describe();
    let summary = match names {
        true => format!("takes the names of {whom} out of {from}"),
        false => format!("cuts {whom} off from {from}"),
    };
    Some((selected.facts(summary, Need::Networks), NetworkLoss { selected, network, names }))
}

impl NetworkLoss {
    fn is_meant(&self, endpoint: &NetworkEndpoint) -> bool {
        // Compose puts the name of its project in front.
        let own = endpoint.network.split_once('_').map(|(_, name)| name);
        let is = |name: &String| endpoint.network == *name || own == Some(name.as_str());
        self.network.as_ref().is_none_or(is)
    }

    /// The places of a container that had these, with the fault.
    fn without(&self, had: &[NetworkEndpoint]) -> Vec<NetworkEndpoint> {
        let left = had.iter().filter(|endpoint| self.names || !self.is_meant(endpoint)).cloned();
        left.map(|endpoint| match self.is_meant(&endpoint) {
            true => NetworkEndpoint { aliases: Vec::new(), ..endpoint },
            false => endpoint,
        })
        .collect()
    }
}

/// `is in shop_default as db`.
fn is_in(state: &ContainerState) -> String {
    let each = state.endpoints.iter().map(|NetworkEndpoint { network, aliases, .. }| match aliases.as_slice() {
        [] => format!("{network} without a name"),
        names => format!("{network} as {}", names.join(", ")),
    });
    match each.collect::<Vec<_>>().join(" and ") {
        none if none.is_empty() => "is in no network".into(),
        networks => format!("is in {networks}"),
    }
}

#[async_trait]
impl Inject for NetworkLoss {
    async fn prepare(&self, context: &FaultContext<'_>) -> FaultResult<Undo> {
        let loses_nothing = |state: &&ContainerState| self.without(&state.endpoints) == state.endpoints;
        let had = |running: &[ContainerState]| match running.iter().find(loses_nothing) {
            Some(ContainerState { name, endpoints, .. }) => {
                let names: Vec<_> = endpoints.iter().map(|endpoint| endpoint.network.as_str()).collect();
                Err(format!("{name} has nothing to lose there: its networks are {}", list(&names)))
            }
            None => {
                let with = running.iter().map(|state| (state.id.clone(), self.without(&state.endpoints)));
                let had = running.iter().map(|state| (state.id.clone(), state.endpoints.clone()));
                Ok(ContainerOp::Connect { from: with.collect(), to: had.collect() })
            }
        };
        self.selected.undo(context.stack, had).await
    }

    async fn inject(&self, undo: &Undo, context: &FaultContext<'_>) -> FaultResult {
        containers::operate(undo, &containers::opposite(containers::parts(undo)?.2), context.stack).await
    }

    async fn confirm(&self, undo: &Undo, context: &FaultContext<'_>) -> FaultResult<Presence> {
        let found = containers::look(undo, context.stack).await?;
        let (_, _, ContainerOp::Connect { to: had, .. }) = containers::parts(undo)? else {
            return Err(FaultError::undo("for networks"));
        };
        let lost = |state: &ContainerState| {
            let had = had.get(&state.id).into_iter().flatten().filter(|endpoint| self.is_meant(endpoint));
            let now = |was: &NetworkEndpoint| state.endpoints.iter().find(|endpoint| endpoint.network == was.network);
            let mut gone = had.map(|was| match (self.names, now(was)) {
                (true, Some(now)) => was.aliases.iter().any(|name| *name != state.name && !now.aliases.contains(name)),
                (_, now) => now.is_none(),
            });
            gone.any(|gone| gone)
        };
        Ok(containers::presence(&found, lost, is_in))
    }
}
