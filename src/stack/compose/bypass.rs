//! Whether somebody goes around the agent in front of a service, by the connections that its containers and those of its clients
//! have: in production there is no agent, and so no way around what it stands for. And which names are found in which network: an agent is
//! in all of them, and so sees what only a part of the users does.

use super::containers::{self, listed_label, listed_name};
use super::execute::ContainerTarget;
use super::files;
use super::labels;
use super::stack::ComposeStack;
use crate::stack::{ContainerState, NetworkNames, ProxyBypass, StackResult};
use bollard::models::ContainerSummary;
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

/// How long a container may take to show its connections.
pub(in crate::stack) const SHOWN_WITHIN: Duration = Duration::from_secs(10);
/// So many connections that are over are those of a person who looks; more are those of users.
pub(in crate::stack) const OF_ONE_WHO_LOOKS: usize = 5;

/// What goes around the agent in front of a service.
pub(super) async fn of(stack: &ComposeStack, service: &str) -> StackResult<ProxyBypass> {
    let ports = stack.started().recipe.as_ref().and_then(|made| made.ports.get(service).cloned()).unwrap_or_default();
    let docker = &stack.endpoint.docker;
    let all = containers::list(docker, &[(labels::PROJECT, Some(&stack.project))]).await?;
    let of_service = |container: &&ContainerSummary| listed_label(container, labels::SERVICE) == Some(service);
    let is_ours = |container: &&ContainerSummary| labels::is_own(listed_label(container, labels::SERVICE));
    let named: BTreeMap<IpAddr, String> = all.iter().flat_map(addresses).collect();
    let own: BTreeSet<IpAddr> = all.iter().filter(of_service).flat_map(addresses).map(|(address, _)| address).collect();
    let ours: BTreeSet<IpAddr> = all.iter().filter(is_ours).flat_map(addresses).map(|(address, _)| address).collect();
    let running = all.iter().filter(|container| !is_ours(container) && containers::is(container, "running"));
    let mut unseen = Vec::new();
    // One without an address of its own shows the connections of others.
    for container in running.filter(|container| !addresses(container).is_empty()) {
        let (id, name) = (container.id.clone().unwrap_or_default(), listed_name(container).unwrap_or_default());
        let command = ["cat", "/proc/net/tcp", "/proc/net/tcp6"].map(str::to_string);
        let shown = ContainerTarget { docker, id: &id }.run(service, &command, true, SHOWN_WITHIN).await;
        let shown = shown.map(|shown| String::from_utf8_lossy(&shown.stdout).into_owned()).unwrap_or_default();
        // An image without a shell or `cat` shows nothing.
        let table = match is_table(&shown) {
            true => shown,
            false => files::connections_of(&stack.endpoint, &stack.run.id, &id).await.unwrap_or_default(),
        };
        if !is_table(&table) {
            unseen.push(name);
            continue;
        }
        // What is left of a connection is on the side that has closed it.
        let is_target = of_service(&container);
        let is_direct = |Connection { peer, port, inbound, .. }: &Connection| match is_target {
            true => *inbound && !peer.is_loopback() && !own.contains(peer) && !ours.contains(peer),
            false => !inbound && own.contains(peer) && ports.contains(port),
        };
        if let Some(peer) = first_peer(&table, is_direct) {
            let other = named.get(&peer).map_or_else(|| peer.to_string(), |name| format!("{name} ({peer})"));
            let (client, target) = if is_target { (other, name) } else { (name, other) };
            return Ok(ProxyBypass::By(format!("{client} is connected to {target} itself, and not to its agent")));
        }
    }
    Ok(ProxyBypass::NoneSeen(unseen))
}

/// The names of a container, if it runs; networks as the Compose file calls them.
pub(super) fn names_of(state: &ContainerState, project: &str) -> NetworkNames {
    let (prefix, places) = (format!("{project}_"), state.endpoints.iter().filter(|_| state.status == "running"));
    let named = places.flat_map(|place| {
        let key = place.network.strip_prefix(&prefix).unwrap_or(&place.network);
        place.aliases.iter().map(move |name| (key.to_string(), name.clone()))
    });
    named.collect()
}

/// The addresses of a container, with its name.
fn addresses(container: &ContainerSummary) -> Vec<(IpAddr, String)> {
    let networks = container.network_settings.as_ref().and_then(|settings| settings.networks.as_ref());
    let places = networks.into_iter().flat_map(|networks| networks.values());
    let texts = places.flat_map(|place| [place.ip_address.as_deref(), place.global_ipv6_address.as_deref()]);
    let name = listed_name(container).unwrap_or_default();
    texts.flatten().filter_map(|text| Some((text.parse().ok()?, name.clone()))).collect()
}

/// A connection that is there, or was a moment ago.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::stack) struct Connection {
    /// The other end.
    pub peer: IpAddr,
    /// The peer's.
    port: u16,
    /// Ours.
    pub own_port: u16,
    is_open: bool,
    /// Whether it leads to a port on which something listens here.
    pub inbound: bool,
}

/// Whether a text is a table of connections: an empty one has its heading.
pub(in crate::stack) fn is_table(shown: &str) -> bool {
    shown.contains("local_address")
}

/// The first peer of such connections that is connected now, or was a moment ago and more often than one who looks.
pub(in crate::stack) fn first_peer(table: &str, is_meant: impl Fn(&Connection) -> bool) -> Option<IpAddr> {
    let mut over: BTreeMap<IpAddr, usize> = BTreeMap::new();
    connections(table).into_iter().filter(is_meant).find_map(|Connection { peer, is_open, .. }| {
        let count = over.entry(peer).or_default();
        *count += 1;
        (is_open || *count > OF_ONE_WHO_LOOKS).then_some(peer)
    })
}

/// From `/proc/net/tcp` (proc(5)), without those of a container with itself.
fn connections(table: &str) -> Vec<Connection> {
    const ESTABLISHED: &str = "01";
    const LISTENS: &str = "0A";
    let rows = table.lines().filter_map(|line| {
        let mut words = line.split_whitespace().skip(1);
        Some([words.next()?, words.next()?, words.next()?])
    });
    let rows: Vec<[&str; 3]> = rows.collect();
    let port = |place: &str| u16::from_str_radix(place.rsplit_once(':')?.1, 16).ok();
    let listens: BTreeSet<u16> =
        rows.iter().filter(|[.., state]| *state == LISTENS).filter_map(|[local, ..]| port(local)).collect();
    let others = rows.iter().filter(|[_, _, state]| *state != LISTENS);
    let read = others.filter_map(|[local, remote, state]| {
        let (own, peer, is_open) = (address(local)?, address(remote)?, *state == ESTABLISHED);
        let own_port = port(local)?;
        let inbound = listens.contains(&own_port);
        (own != peer).then_some(Connection { peer, port: port(remote)?, own_port, is_open, inbound })
    });
    read.collect()
}

/// `0100007F:1F90` is 127.0.0.1: words of 32 bits, each with its last byte first.
fn address(place: &str) -> Option<IpAddr> {
    let (hex, _) = place.rsplit_once(':')?;
    let mut bytes = Vec::new();
    for word in hex.as_bytes().chunks(8) {
        bytes.extend(u32::from_str_radix(std::str::from_utf8(word).ok()?, 16).ok()?.to_le_bytes());
    }
    match bytes.len() {
        4 => Some(Ipv4Addr::from(<[u8; 4]>::try_from(bytes).ok()?).into()),
        16 => Some(Ipv6Addr::from(<[u8; 16]>::try_from(bytes).ok()?).to_canonical()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stack::NetworkEndpoint;

    #[test]
    fn a_container_has_its_names_in_each_network_as_long_as_it_runs() {
        let place = |network: &str, names: &[&str]| NetworkEndpoint {
            network: network.into(),
            aliases: names.iter().map(|name| name.to_string()).collect(),
            ..NetworkEndpoint::default()
        };
        let endpoints =
            vec![place("fd-x_back", &["checkout"]), place("fd-x_front", &["buy", "checkout"]), place("fd-y_z", &["a"])];
        let container = |status: &str, endpoints: &[NetworkEndpoint]| {
            let state = ContainerState { status: status.into(), endpoints: endpoints.into(), ..Default::default() };
            names_of(&state, "fd-x")
        };
        let named = [("back", "checkout"), ("front", "buy"), ("front", "checkout"), ("fd-y_z", "a")];
        let names = named.map(|(network, name)| (network.to_string(), name.to_string()));
        assert_eq!(container("running", &endpoints), names.into());
        assert!(container("exited", &endpoints).is_empty());
        assert!(container("running", &[place("fd-x_front", &[])]).is_empty(), "connected again without its names");
    }

    #[test]
    fn clients_are_those_of_ports_on_which_something_listens_and_servers_the_others() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue\n\
             \x20  0: 00000000:2341 00000000:0000 0A 00000000:00000000\n\
             \x20  1: 050012AC:2341 070012AC:C350 01 00000000:00000000\n\
             \x20  2: 050012AC:2341 080012AC:C351 06 00000000:00000000\n\
             \x20  3: 050012AC:9C40 090012AC:1538 01 00000000:00000000\n\
             \x20  4: 0000000000000000FFFF0000050012AC:2341 0000000000000000FFFF00000A0012AC:C352 01 0:0\n";
        let ip = |last| IpAddr::from([172, 18, 0, last]);
        let inbound = connections(table).into_iter().filter(|connection| connection.inbound);
        let clients: Vec<_> = inbound.map(|client| (client.peer, client.own_port, client.is_open)).collect();
        assert_eq!(clients, [(ip(7), 9025, true), (ip(8), 9025, false), (ip(10), 9025, true)]);
        let outbound: Vec<_> = connections(table).into_iter().filter(|connection| !connection.inbound).collect();
        assert_eq!(outbound, [Connection { peer: ip(9), port: 5432, own_port: 40000, is_open: true, inbound: false }]);
        assert_eq!(address("0100007F:1F90"), Some(IpAddr::from([127, 0, 0, 1])));
        assert_eq!(address("nonsense"), None);
    }
}
