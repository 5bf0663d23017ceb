//! The names and labels by which Firedrill finds its own in a cluster.

use sha2::{Digest, Sha256};

/// Label of the namespace of a drill, and of all that Firedrill puts into it: the end of the namespace's name.
pub(super) const RUN: &str = "dev.firedrill/run";
/// Label of a Pod of Firedrill's own: its name among services.
pub(super) const SERVICE: &str = "dev.firedrill/service";
/// Label of the Pods that stand in front of a Service.
pub(super) const PROXY: &str = "dev.firedrill/proxy";
/// Label of the Pods of a process that a fault has started: its name.
pub(super) const PROCESS: &str = "dev.firedrill/process";
/// Annotation of the namespace: id of the run.
pub(super) const RUN_ID: &str = "dev.firedrill/run-id";
/// The container in each Pod of Firedrill's own.
pub(super) const OURS: &str = "firedrill";
/// The ServiceAccount of the steps.
pub(super) const STEPS: &str = "fd-steps";
/// The account of a drill's own runner, in the drill's namespace.
pub(super) const RUNNER: &str = "fd-runner";
/// Annotation of an object: how it was written when it was last applied, by which `kubectl apply` knows what to take away again.
pub(super) const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";
/// Begin of an annotation that programs of the cluster would follow otherwise.
pub(super) const UNFOLLOWED: &str = "dev.firedrill.";
/// The Pod that nobody may reach, and the policy that says so.
pub(super) const CLOSED: &str = "fd-closed";
/// The port on which that Pod listens.
pub(super) const CLOSED_PORT: u16 = 8474;
/// Who writes, for field ownership.
pub(super) const MANAGER: &str = "firedrill";

/// Whether a name is one of Firedrill's own.
pub(super) fn is_ours(name: &str) -> bool {
    name.starts_with("fd-")
}

/// First characters of a hash of the run's id.
pub(super) fn short(run: &str) -> String {
    hex::encode(&Sha256::digest(run.as_bytes())[..4])
}

/// The namespace of a run: `firedrill-1a2b3c4d`.
pub(super) fn namespace(run: &str) -> String {
    format!("firedrill-{}", short(run))
}

/// The Service that leads to the true Pods of one with an agent in front of it.
pub(super) fn origin(service: &str) -> String {
    format!("fd-origin-{service}")
}

/// The Job of a run, with its ServiceAccount and its files: `fd-1a2b3c4d`.
pub(super) fn job(run: &str) -> String {
    format!("fd-{}", short(run))
}
