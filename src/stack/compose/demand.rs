//! What a drill of a resolved stack needs: by Compose's own limits, otherwise by an estimate for each container. An earlier
//! drill knows better ([`Demand::measured`]).

use super::model::{ResolvedModel, scalar};
use crate::stack::{Demand, StackRequest};
use serde_json::Value;
use std::collections::BTreeSet;
use std::str::FromStr;

const MIB: u64 = 1024 * 1024;
/// Memory of a container that has no limit: small services and databases with a drill's few rows use 30 to 150 MiB.
const A_CONTAINER: u64 = 128 * MIB;
/// Memory of an agent or the toolbox.
const OURS: u64 = 32 * MIB;
/// Processors of a container, and of the drill's load, on average at 10 to 50 requests a second.
const CPUS: f64 = 0.03;

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
            memory_bytes: OURS * u64::from(ours) + A_CONTAINER * u64::from(monitoring),
            cpus: CPUS,
            // The agent and the toolbox are on one even when no service is.
            networks: u32::try_from(networks.len().max(1)).unwrap_or(u32::MAX),
            containers: ours,
        };
        for service in self.section("services").values() {
            let containers = replicas(service);
            demand.containers = demand.containers.saturating_add(containers);
            let memory =
                limit(service, "mem_limit", "memory").unwrap_or(A_CONTAINER).saturating_mul(u64::from(containers));
            demand.memory_bytes = demand.memory_bytes.saturating_add(memory);
            demand.cpus +=
                limit(service, "cpus", "cpus").map_or(CPUS, |limit: f64| limit.min(CPUS)) * f64::from(containers);
        }
        demand
    }
}

fn number<T: FromStr>(value: &Value) -> Option<T> {
    scalar(value)?.parse().ok()
}

fn replicas(service: &Value) -> u32 {
    number(&service["scale"]).or_else(|| number(&service["deploy"]["replicas"])).unwrap_or(1)
}

/// What limits a container, by one key or another; Compose resolves `512m` to a number of bytes.
fn limit<T: FromStr + Default + PartialOrd>(service: &Value, key: &str, deployed: &str) -> Option<T> {
    let limits = &service["deploy"]["resources"]["limits"];
    number(service.get(key).unwrap_or(&limits[deployed])).filter(|limit| *limit > T::default())
}

#[cfg(test)]
mod tests {
    use super::*;

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
