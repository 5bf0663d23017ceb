//! What the engine has and what is free, asked over its API: processors, memory, and how many networks its address pools still
//! hold. And what a drill of a resolved stack needs: by Compose's own limits, otherwise by an estimate for each container; an earlier
//! drill knows better ([`Demand::measured`]).

use super::endpoint::Endpoint;
use super::errors::api;
use super::model::{ResolvedModel, scalar};
use crate::record::MachineSample;
use crate::stack::{Available, Capacity, Demand, DrillRoom, StackRequest, StackResult};
use bollard::models::SystemInfo;
use serde_json::Value;
use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::ops::RangeInclusive;
use std::str::FromStr;

/// The pools of an engine that was given none: base, bits of the base, bits of a network (moby's `ipamutils`).
const DEFAULT_POOLS: [(Ipv4Addr, u8, u8); 7] = [
    (Ipv4Addr::new(172, 17, 0, 0), 16, 16),
    (Ipv4Addr::new(172, 18, 0, 0), 16, 16),
    (Ipv4Addr::new(172, 19, 0, 0), 16, 16),
    (Ipv4Addr::new(172, 20, 0, 0), 14, 16),
    (Ipv4Addr::new(172, 24, 0, 0), 14, 16),
    (Ipv4Addr::new(172, 28, 0, 0), 14, 16),
    (Ipv4Addr::new(192, 168, 0, 0), 16, 20),
];
/// More networks than this are as good as any number.
const MANY: u32 = 4096;
/// How far the memory of this machine may be from what the engine says and still be the same.
const SAME_MEMORY: f64 = 0.05;

/// Asks an engine, local or remote, what it has and what of it is free. `seen` is the newest sample of an agent on that machine; without one the machine of a local engine is
/// looked at, and of a remote one's memory nothing is known.
///
/// # Errors
/// `Environment` when the engine does not answer.
pub async fn room(endpoint: &Endpoint, seen: Option<&MachineSample>) -> StackResult<DrillRoom> {
    let info = endpoint.docker.info().await.map_err(api("asking the engine what it has"))?;
    let free_networks = free_networks(endpoint, &info).await?;
    let cpus = info.ncpu.unwrap_or(1).max(1) as f64;
    let memory_bytes = info.mem_total.and_then(|bytes| u64::try_from(bytes).ok()).unwrap_or(0);
    let capacity = Capacity { cpus, memory_bytes, free_networks };
    let memory_bytes = seen.map(|sample| sample.available_bytes).or_else(|| here(endpoint, &info));
    let free = Available { memory_bytes, free_networks, busy: seen.map(|sample| sample.busy) };
    Ok(DrillRoom { capacity, free, most: None })
}

/// Memory that is available on this machine, when the engine runs on it and not in a virtual machine of its own.
fn here(endpoint: &Endpoint, info: &SystemInfo) -> Option<u64> {
    let text = endpoint.is_local().then(|| std::fs::read_to_string("/proc/meminfo").ok()).flatten()?;
    let total = meminfo(&text, "MemTotal")? as f64;
    let theirs = info.mem_total? as f64;
    let same = (total - theirs).abs() <= theirs * SAME_MEMORY;
    same.then(|| meminfo(&text, "MemAvailable")).flatten()
}

/// A line of `/proc/meminfo` in bytes.
fn meminfo(text: &str, key: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'))?;
    let kibi: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kibi.checked_mul(1024)
}

async fn free_networks(endpoint: &Endpoint, info: &SystemInfo) -> StackResult<u32> {
    let options = None::<bollard::query_parameters::ListNetworksOptions>;
    let networks = endpoint.docker.list_networks(options).await.map_err(api("asking the engine for its networks"))?;
    let configs = networks.into_iter().filter_map(|network| network.ipam?.config).flatten();
    let mut taken: Vec<Range> = configs.filter_map(|config| network(&config.subnet?)).collect();
    if endpoint.is_local() {
        // The engine leaves out what the machine has a route to: a VPN, the office's network.
        taken.extend(routes(&std::fs::read_to_string("/proc/net/route").unwrap_or_default()));
    }
    let given = info.default_address_pools.iter().flatten();
    let given = given.filter_map(|pool| Some((network(pool.base.as_deref()?)?, u8::try_from(pool.size?).ok()?)));
    let mut pools: Vec<(Range, u8)> = given.collect();
    if pools.is_empty() {
        pools = DEFAULT_POOLS.iter().filter_map(|(base, bits, size)| Some((subnet(*base, *bits)?, *size))).collect();
    }
    Ok(count(&pools, &taken))
}

/// The addresses of a network, the first and the last one.
type Range = RangeInclusive<u32>;

/// The network of so many bits that an address is in.
fn subnet(address: Ipv4Addr, bits: u8) -> Option<Range> {
    let host = if bits > 32 { return None } else { u32::MAX.checked_shr(u32::from(bits)).unwrap_or(0) };
    let first = u32::from(address) & !host;
    Some(first..=first | host)
}

/// `172.18.0.0/16`; a network of IPv6 is none, as it takes nothing from these pools.
fn network(text: &str) -> Option<Range> {
    let (address, bits) = text.split_once('/')?;
    subnet(address.parse().ok()?, bits.parse().ok()?)
}

/// How many networks can still be made from the pools, each in bits of its own, beside what is taken.
fn count(pools: &[(Range, u8)], taken: &[Range]) -> u32 {
    let mut free = 0;
    for (pool, bits) in pools {
        let mut at = Some(*pool.start());
        while let Some(range) = at.and_then(|first| subnet(first.into(), *bits)).filter(|r| r.end() <= pool.end()) {
            let meets = |other: &Range| range.start() <= other.end() && other.start() <= range.end();
            free += u32::from(!taken.iter().any(meets));
            if free >= MANY {
                return free;
            }
            at = range.end().checked_add(1);
        }
    }
    free
}

/// The networks to which the machine has a route (`/proc/net/route`: addresses in hexadecimal, last byte first), without the
/// default route.
fn routes(text: &str) -> Vec<Range> {
    let route = |line: &str| {
        let cells: Vec<&str> = line.split_whitespace().collect();
        let address = |at: usize| u32::from_str_radix(cells.get(at)?, 16).ok().map(u32::swap_bytes);
        let (destination, mask) = (address(1)?, address(7)?);
        if mask == 0 { None } else { subnet(destination.into(), u8::try_from(mask.leading_ones()).ok()?) }
    };
    text.lines().skip(1).filter_map(route).collect()
}

/// Memory of an agent or the toolbox, in bytes.
const OURS: u64 = 32 * 1024 * 1024;

impl ResolvedModel {
    /// What a drill of this stack needs.
    pub fn demand(&self, spec: &StackRequest) -> Demand {
        // The drill's agent, one in front of each interposed service, the toolbox, and what watches the team's alerts.
        let monitoring = u32::from(spec.monitoring.is_some());
        let ours = u32::try_from(spec.interposed.len()).unwrap_or(u32::MAX).saturating_add(2 + monitoring);
        let mut networks: BTreeSet<_> =
            self.section("services").keys().flat_map(|service| self.networks_of(service)).collect();
        networks.extend(self.section("networks").keys().cloned());
        let mut demand = Demand {
            memory_bytes: OURS * u64::from(ours) + Demand::A_CONTAINER * u64::from(monitoring),
            cpus: Demand::CPUS,
            // The agent and the toolbox are on one even when no service is.
            networks: u32::try_from(networks.len().max(1)).unwrap_or(u32::MAX),
            containers: ours,
        };
        for service in self.section("services").values() {
            let memory = limit(service, "mem_limit", "memory").unwrap_or(Demand::A_CONTAINER);
            let cpus = limit(service, "cpus", "cpus").unwrap_or(Demand::CPUS).min(Demand::CPUS);
            let replicas = number(&service["scale"]).or_else(|| number(&service["deploy"]["replicas"])).unwrap_or(1);
            demand.add(replicas, memory, cpus);
        }
        demand
    }
}

fn number<T: FromStr>(value: &Value) -> Option<T> {
    scalar(value)?.parse().ok()
}

/// What limits a container, by one key or another; Compose resolves `512m` to a number of bytes.
fn limit<T: FromStr + Default + PartialOrd>(service: &Value, key: &str, deployed: &str) -> Option<T> {
    let limits = &service["deploy"]["resources"]["limits"];
    number(service.get(key).unwrap_or(&limits[deployed])).filter(|limit| *limit > T::default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn pools(all: &[(&str, u8)]) -> Vec<(Range, u8)> {
        all.iter().map(|(base, size)| (network(base).unwrap(), *size)).collect()
    }

    #[test]
    fn the_default_pools_hold_thirty_one_networks() {
        let pools: Vec<(Range, u8)> =
            DEFAULT_POOLS.iter().map(|(base, bits, size)| (subnet(*base, *bits).unwrap(), *size)).collect();
        assert_eq!(count(&pools, &[]), 31);
        let taken = ["172.17.0.0/16", "172.20.0.0/16", "192.168.1.0/24", "10.0.0.0/8", "172.31.255.0/30"];
        let taken: Vec<Range> = taken.iter().map(|text| network(text).unwrap()).collect();
        assert_eq!(count(&pools, &taken), 27);
        assert_eq!(count(&pools, &[network("0.0.0.0/0").unwrap()]), 0);
    }

    #[test]
    fn pools_of_any_size_are_counted() {
        assert_eq!(count(&pools(&[("10.10.0.0/16", 24)]), &[]), 256);
        assert_eq!(count(&pools(&[("10.10.0.0/24", 24)]), &[network("10.10.0.128/32").unwrap()]), 0);
        assert_eq!(count(&pools(&[("10.10.0.0/24", 16)]), &[]), 0, "a network does not fit into less");
        assert_eq!(count(&pools(&[("255.255.255.0/24", 26)]), &[]), 4);
        assert_eq!(count(&pools(&[("10.0.0.0/8", 32)]), &[]), MANY);
        assert_eq!(network("fd00::/64"), None);
        assert_eq!(network("10.0.0.0/33"), None);
    }

    #[test]
    fn routes_are_read_as_the_kernel_prints_them() {
        let text = "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT\n\
                    eth0\t00000000\t0100000A\t0003\t0\t0\t0\t00000000\t0\t0\t0\n\
                    docker0\t000011AC\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0\n\
                    tun0\t0000A8C0\t00000000\t0001\t0\t0\t0\t00F0FFFF\t0\t0\t0\nbroken\n";
        assert_eq!(routes(text), ["172.17.0.0/16", "192.168.0.0/20"].map(|text| network(text).unwrap()));
    }

    #[test]
    fn memory_is_read_in_bytes() {
        let text = "MemTotal:       24683116 kB\nMemFree:  1 kB\nMemAvailable:   23841000 kB\n";
        assert_eq!(meminfo(text, "MemTotal"), Some(24_683_116 * 1024));
        assert_eq!(meminfo(text, "MemAvailable"), Some(23_841_000 * 1024));
        assert_eq!(meminfo(text, "Mem"), None);
    }

    proptest! {
        #[test]
        fn any_text_of_a_subnet_or_a_route_is_read_or_not(text in "[0-9a-f./: \\t]{0,60}") {
            let _ = network(&text);
            let _ = routes(&format!("header\n{text}"));
        }

        #[test]
        fn what_is_taken_is_never_free(base in any::<u32>(), bits in 8u8..=24, more in 0u8..8, taken in any::<u32>()) {
            let pool = subnet(base.into(), bits).unwrap();
            let all = count(&[(pool.clone(), bits + more)], &[]);
            prop_assert_eq!(all, 1 << more);
            let (first, last) = pool.clone().into_inner();
            let inside = subnet((first | (taken & (last - first))).into(), 32).unwrap();
            prop_assert_eq!(count(&[(pool, bits + more)], &[inside]), all - 1);
        }
    }

    const MIB: u64 = 1024 * 1024;
    const CPUS: f64 = Demand::CPUS;

    fn demand(json: Value, interposed: &[&str]) -> Demand {
        let Value::Object(json) = json else { panic!("a literal mapping") };
        let spec = StackRequest {
            interposed: interposed.iter().map(|name| (name.to_string(), Vec::new())).collect(),
            ..StackRequest::default()
        };
        ResolvedModel { json, ..ResolvedModel::default() }.demand(&spec)
    }

    #[test]
    fn limits_count_and_otherwise_estimates() {
        let json = serde_json::json!({
            "services": {
                "db": { "mem_limit": "536870912", "networks": { "back": null }, "cpus": 0.02 },
                "web": { "deploy": { "replicas": 3, "resources": { "limits": { "memory": "67108864", "cpus": "1.5" } } },
                         "networks": { "back": null, "front": null } },
                "side": { "network_mode": "service:web" },
            },
            "networks": { "back": {}, "front": {} },
        });
        let needs = demand(json, &["db"]);
        assert_eq!(needs.memory_bytes, (512 + 3 * 64 + 128 + 3 * 32) * MIB);
        assert_eq!((needs.networks, needs.containers), (2, 8));
        assert!((needs.cpus - (CPUS + 0.02 + 3.0 * CPUS + CPUS)).abs() < 1e-9, "{}", needs.cpus);
    }

    #[test]
    fn the_smallest_stack_has_a_network() {
        let needs = demand(serde_json::json!({ "services": { "x": { "network_mode": "host" } } }), &[]);
        assert_eq!((needs.networks, needs.containers), (1, 3));
        assert_eq!(needs.memory_bytes, (128 + 64) * MIB);
    }
}
