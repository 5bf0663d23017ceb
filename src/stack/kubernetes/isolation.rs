//! Whether the cluster's network carries out NetworkPolicies: where it does not, `isolate` keeps nothing in, and the API takes the policies
//! all the same. A Pod of the drill listens, a policy keeps everybody away from it, and the toolbox tries to reach it.

use super::errors::{api, hinted};
use super::exec::PodTarget;
use super::namespace::ClusterNamespace;
use crate::stack::{StackError, TOOLBOX};
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// The Pod that nobody may reach, and the policy that says so.
pub(super) const CLOSED: &str = "fd-closed";
/// Where it listens.
pub(super) const PORT: u16 = 8474;
/// How long it may take until it listens, and until the network knows the policy.
const WITHIN: Duration = Duration::from_secs(20);
const PAUSE: Duration = Duration::from_millis(300);

/// Tries it.
///
/// # Errors
/// `Environment` where the toolbox reaches the Pod.
pub(super) async fn confirm(namespace: &ClusterNamespace) -> Result<(), StackError> {
    let operation = "looking whether `isolate` keeps anything in";
    let closed = namespace.pods().get(CLOSED).await.map_err(api(operation))?;
    let address = closed.status.and_then(|status| status.pod_ip).unwrap_or_default();
    let deadline = Instant::now() + WITHIN;
    // From its own Pod nothing keeps anybody away: until then it does not listen yet.
    if !is_reached(namespace, CLOSED, &address, true, deadline).await? {
        let hint = "look at its log (`--keep` leaves the namespace), or leave `isolate` out";
        return Err(hinted(operation, format!("the Pod `{CLOSED}` does not listen"), hint));
    }
    if is_reached(namespace, TOOLBOX, &address, false, deadline).await? {
        let cause = "the cluster's network carries out no NetworkPolicies";
        let hint = "take a cluster whose network does (Calico, Cilium and others), or leave `isolate` out";
        return Err(hinted(operation, cause, hint));
    }
    Ok(())
}

/// Whether a Pod reaches the address: asked until the answer is the wanted one, at the latest until the deadline.
async fn is_reached(
    namespace: &ClusterNamespace,
    from: &str,
    address: &str,
    wanted: bool,
    deadline: Instant,
) -> Result<bool, StackError> {
    let target = PodTarget { pod: from.into(), container: "firedrill".into() };
    let port = PORT.to_string();
    let command = ["timeout", "2", "bash", "-c", r#"exec 3<>"/dev/tcp/$0/$1""#, address, &port].map(str::to_string);
    loop {
        let operation = format!("connecting from `{from}` to `{CLOSED}`");
        let reached = namespace.run(&target, &command, &operation, false, Duration::MAX).await?.code == Some(0);
        if reached == wanted || Instant::now() > deadline {
            return Ok(reached);
        }
        sleep(PAUSE).await;
    }
}
