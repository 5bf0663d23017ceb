//! What an operation on a container changes: only what is still as it was before, so that what somebody else has set since stays.

use super::{ContainerEndpoints, ContainerLimits, NetworkEndpoint};

impl ContainerLimits {
    /// These limits with each that is as in `from` set as in `to`. One that somebody else has set stays; swap goes with the memory.
    pub fn changed(self, from: ContainerLimits, to: ContainerLimits) -> ContainerLimits {
        let one = |now: i64, from: i64, to: i64| if now == from { to } else { now };
        let sets_memory = from.memory != to.memory && self.memory == from.memory;
        ContainerLimits {
            nano_cpus: one(self.nano_cpus, from.nano_cpus, to.nano_cpus),
            memory: one(self.memory, from.memory, to.memory),
            memory_swap: if sets_memory { to.memory_swap } else { self.memory_swap },
            pids: one(self.pids, from.pids, to.pids),
        }
    }
}

impl NetworkEndpoint {
    /// The places `now` with what differs between `from` and `to` made as in `to`, networks and names alike. A network or a name
    /// that somebody else has connected, added or removed stays so.
    pub fn changed(now: &[Self], from: &[Self], to: &[Self]) -> Vec<Self> {
        fn of<'a>(all: &'a [NetworkEndpoint], network: &str) -> Option<&'a NetworkEndpoint> {
            all.iter().find(|endpoint| endpoint.network == network)
        }
        let kept = now.iter().filter_map(|place| match (of(from, &place.network), of(to, &place.network)) {
            (Some(_), None) => None,
            (Some(from), Some(to)) => {
                let mut place = place.clone();
                place.aliases.retain(|name| to.aliases.contains(name) || !from.aliases.contains(name));
                let missing = |name: &&String| !from.aliases.contains(name) && !place.aliases.contains(name);
                let added: Vec<String> = to.aliases.iter().filter(missing).cloned().collect();
                place.aliases.extend(added);
                Some(place)
            }
            (None, _) => Some(place.clone()),
        });
        let joined = to.iter().filter(|to| of(from, &to.network) != Some(*to) && of(now, &to.network).is_none());
        let mut all: Vec<NetworkEndpoint> = kept.chain(joined.cloned()).collect();
        all.sort_by(|a, b| a.network.cmp(&b.network));
        all
    }
}

/// The places of one container; none where nothing is known of it.
pub fn places_of<'a>(all: &'a ContainerEndpoints, id: &str) -> &'a [NetworkEndpoint] {
    all.get(id).map(Vec::as_slice).unwrap_or_default()
}
