//! Waiting until everything of a drill is ready, with the reason where it is not.

use super::errors::api;
use super::manifests::{kind, name};
use super::namespace::{ClusterNamespace, as_value};
use super::pods::{self, JOB_FAILED, ailment, is_hopeless, standing};
use super::watch;
use crate::record::Redactor;
use crate::stack::StackError;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, ListParams, LogParams};
use serde_json::Value;
use tokio::time::Instant;

/// Lines of a container's log that go into a message.
const LOG_TAIL: i64 = 25;

/// Waits until the workloads have all that they ask for, one after the other: all of them were started before.
pub(super) async fn wait(
    namespace: &ClusterNamespace,
    workloads: &[Value],
    deadline: Instant,
    redactor: &Redactor,
) -> Result<(), StackError> {
    let all = namespace.pods();
    let look = "looking at the Pods";
    let stand = async {
        for workload in workloads {
            if !stands(namespace, workload, deadline).await? {
                return Ok(Some(workload));
            }
        }
        Ok(None)
    };
    let of = |pod: &Pod| workloads.iter().find(|workload| belongs(pod, name(workload)));
    let hopeless = watch::until(&all, ListParams::default(), deadline, look, |pods| {
        pods.values().filter(|pod| ailment(pod).is_some_and(|why| is_hopeless(&why))).find_map(of)
    });
    let failed: Option<&Value> = tokio::select! {
        stand = stand => stand?,
        hopeless = hopeless => hopeless?.or(workloads.first()),
    };
    let Some(workload) = failed else { return Ok(()) };
    let missing = standing(&namespace.now(workload).await?).err().unwrap_or("it is ready too late".into());
    let pods = all.list(&ListParams::default()).await.map_err(api(look))?.items;
    let own = pods.iter().filter(|pod| belongs(pod, name(workload)));
    let (reason, tail) = match own.filter_map(|pod| Some((pod, ailment(pod)?))).next() {
        Some((pod, why)) => (format!("{missing}; {} is not: {why}", pods::name(pod)), log(&all, pod).await),
        None => (missing, String::new()),
    };
    Err(StackError::Unhealthy {
        service: name(workload).to_string(),
        reason: redactor.text(&reason),
        tail: redactor.text(&tail),
    })
}

/// Waits until a workload has all that it asks for; `false` when it is a job that failed, or the deadline comes first.
pub(super) async fn stands(
    namespace: &ClusterNamespace,
    workload: &Value,
    deadline: Instant,
) -> Result<bool, StackError> {
    let operation = format!("looking at {} {}", kind(workload), name(workload));
    let all = namespace.of(workload, &operation).await?;
    let seen = watch::until(&all, watch::only(name(workload)), deadline, &operation, |found| {
        match standing(&as_value(found.values().next()?, workload)) {
            Ok(()) => Some(true),
            Err(missing) => (missing == JOB_FAILED).then_some(false),
        }
    });
    Ok(seen.await?.unwrap_or(false))
}

/// Whether a Pod was made by the workload of this name: `web-7d4b9c6f5d-x2k4p`, `db-0`, `web`.
fn belongs(pod: &Pod, workload: &str) -> bool {
    let rest = pods::name(pod).strip_prefix(workload);
    let ends = |rest: &str| rest.strip_prefix('-').map(|end| end.matches('-').count() <= 1);
    rest.is_some_and(|rest| rest.is_empty() || ends(rest).unwrap_or(false))
}

/// The last lines of the log of a Pod that is not ready.
async fn log(pods: &Api<Pod>, pod: &Pod) -> String {
    let container = pods::statuses(pod).iter().find(|status| !status.ready).map(|status| status.name.clone());
    for previous in [true, false] {
        let params =
            LogParams { container: container.clone(), tail_lines: Some(LOG_TAIL), previous, ..LogParams::default() };
        if let Ok(text) = pods.logs(pods::name(pod), &params).await
            && !text.trim().is_empty()
        {
            return text;
        }
    }
    String::new()
}
