//! How much room a cluster has for the drills of a game day: what its nodes have, what Pods claim of it, and what the quotas of
//! a namespace leave.

use super::cluster::Cluster;
use super::errors::{api, hinted};
use super::manifests::{lasting_containers, text};
use crate::stack::{Available, Capacity, RemoteRoom, StackError};
use k8s_openapi::api::core::v1::{Node, Pod, ResourceQuota};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use kube::api::{Api, ListParams};
use serde_json::Value;
use std::collections::BTreeMap;

/// What the ends of quantities mean, as `k8s.io/apimachinery/pkg/api/resource` writes them.
const SUFFIXES: &[(f64, &[(&str, i32)])] = &[
    (1024.0, &[("Ki", 1), ("Mi", 2), ("Gi", 3), ("Ti", 4), ("Pi", 5), ("Ei", 6)]),
    (1000.0, &[("n", -3), ("u", -2), ("m", -1), ("k", 1), ("M", 2), ("G", 3), ("T", 4), ("P", 5), ("E", 6)]),
];

type Quantities = BTreeMap<String, Quantity>;

/// What a quantity comes to: `250m` is 0.25, `64Mi` are 67108864. What is none is 0.
pub(super) fn quantity(text: &str) -> f64 {
    as_quantity(text).unwrap_or(0.0)
}

/// The same, where what is none is told.
pub(super) fn as_quantity(text: &str) -> Option<f64> {
    let ended = SUFFIXES.iter().find_map(|(base, ends)| {
        ends.iter().find_map(|(end, power)| Some((text.strip_suffix(end)?, base.powi(*power))))
    });
    let (number, factor) = ended.unwrap_or((text, 1.0));
    // `inf` and `nan` are numbers only in Rust.
    let is_number = number.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '+' | '-' | '.'));
    Some(number.parse::<f64>().ok().filter(|number| is_number && number.is_finite())? * factor)
}

fn of(quantities: Option<&Quantities>, what: &str) -> f64 {
    quantities.and_then(|all| all.get(what)).map_or(0.0, |found| quantity(&found.0))
}

/// The room of a cluster, and the runners that the quotas of `namespace` leave room for, where each needs so much.
pub(super) async fn room(
    cluster: &Cluster,
    namespace: Option<&str>,
    each: &BTreeMap<&str, f64>,
) -> Result<RemoteRoom, StackError> {
    let operation = "asking the cluster how much room it has";
    let nodes: Api<Node> = Api::all(cluster.client.clone());
    let pods: Api<Pod> = Api::all(cluster.client.clone());
    let nodes = nodes.list(&ListParams::default()).await.map_err(api(operation))?.items;
    let running = ListParams::default().fields("status.phase!=Succeeded,status.phase!=Failed");
    let pods = pods.list(&running).await.map_err(api(operation))?.items;
    let usable = nodes.iter().filter(|node| node.spec.as_ref().is_none_or(|spec| spec.unschedulable != Some(true)));
    let allocatable = |what: &str| -> f64 {
        let all = usable.clone().filter_map(|node| node.status.as_ref());
        all.map(|status| of(status.allocatable.as_ref(), what)).sum()
    };
    let specs: Vec<Value> = pods.iter().filter_map(|pod| serde_json::to_value(&pod.spec).ok()).collect();
    let claimed = |what: &str| -> f64 {
        let requested = format!("/resources/requests/{what}");
        specs.iter().flat_map(lasting_containers).map(|container| quantity(text(container, &requested))).sum()
    };
    let capacity = Capacity {
        cpus: (allocatable("cpu") - claimed("cpu")).max(0.0),
        memory_bytes: allocatable("memory") as u64,
        free_networks: u32::MAX,
    };
    let memory = (allocatable("memory") - claimed("memory")).max(0.0) as u64;
    let free = Available { memory_bytes: Some(memory), free_networks: u32::MAX, busy: None };
    let most = match namespace {
        Some(namespace) => {
            let quotas: Api<ResourceQuota> = Api::namespaced(cluster.client.clone(), namespace);
            let quotas = quotas.list(&ListParams::default()).await.map_err(api(operation))?.items;
            quotas.iter().filter_map(|quota| left(quota, each)).min_by_key(|(fit, _)| *fit)
        }
        None => None,
    };
    match most {
        Some((0, why)) => Err(hinted("starting drills as Jobs", why, "a runner's Pod has to fit into the quota")),
        most => Ok(RemoteRoom { capacity, free, most }),
    }
}

/// How many runners fit into a quota, and what of it is the least.
fn left(quota: &ResourceQuota, each: &BTreeMap<&str, f64>) -> Option<(u32, String)> {
    let status = quota.status.as_ref()?;
    let name = quota.metadata.name.as_deref().unwrap_or_default();
    let fits = each.iter().filter_map(|(what, need)| {
        let hard = status.hard.as_ref().filter(|hard| hard.contains_key(*what))?;
        let free = of(Some(hard), what) - of(status.used.as_ref(), what);
        // A little more than nothing, because sums of decimals are not exact.
        let fit = (free / need + 1e-9).max(0.0) as u32;
        Some((fit, format!("the quota `{name}` has {what} for {fit}")))
    });
    fits.min_by_key(|(fit, _)| *fit)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn quantities_are_numbers_with_an_end() {
        assert_eq!(quantity("250m"), 0.25);
        assert_eq!(quantity("64Mi"), 67_108_864.0);
        assert_eq!(quantity("1"), 1.0);
        assert_eq!(quantity("2e3"), 2000.0);
        assert_eq!(quantity("1G"), 1e9);
        assert_eq!(quantity("x"), 0.0);
        assert_eq!(as_quantity("2Ei"), Some(2_305_843_009_213_693_952.0));
        assert_eq!(["", "x", "inf", "-inf", "nan", "1Xi"].map(as_quantity), [None; 6]);
    }

    #[test]
    fn the_scarcest_of_a_quota_says_how_many_fit() {
        let status = json!({ "hard": { "pods": "10", "limits.cpu": "4", "services": "0" }, "used": { "pods": "1", "limits.cpu": "400m" } });
        let quota: ResourceQuota =
            serde_json::from_value(json!({ "metadata": { "name": "team" }, "status": status })).unwrap();
        let each = BTreeMap::from([("pods", 1.0), ("limits.cpu", 1.2), ("limits.memory", 1.0)]);
        assert_eq!(left(&quota, &each), Some((3, "the quota `team` has limits.cpu for 3".into())));
    }
}
