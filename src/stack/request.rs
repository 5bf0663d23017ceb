//! What is asked for of a stack, and for which run.

use super::{Process, Release};
use crate::record::RunDir;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

/// The file by which a folder of manifests is a Helm chart.
pub const CHART: &str = "Chart.yaml";

/// Where Toxiproxy's API listens, in a drill as everywhere.
pub const TOXIPROXY_PORT: u16 = 8474;

/// What is asked for of a stack, known when the plan is made.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StackRequest {
    /// The specification of the stack: a Compose file, or the file or folder of Kubernetes manifests.
    pub file: PathBuf,
    /// Compose files that Compose merges over it, in this order.
    pub merged: Vec<PathBuf>,
    /// Which cluster the manifests are for; `None` for Compose.
    pub cluster: Option<ClusterRequest>,
    /// Its profiles to enable.
    pub profiles: Vec<String>,
    /// Files of variables that it is filled in with.
    pub env_files: Vec<PathBuf>,
    /// Makes every network internal, so that nothing outside can be reached.
    pub isolate: bool,
    /// The project's directory: files from outside of it are the host's.
    pub root: PathBuf,
    /// What the person who runs the drill allows the stack of the host.
    pub allowed: Allowed,
    /// The services that a proxy fault names, each with the ports that the scenario gives (may be empty: then
    /// the model's `expose`, `ports` and the image's `EXPOSE` say).
    pub interposed: BTreeMap<String, Vec<u16>>,
    /// Those of them in front of which clients find Toxiproxy's API, on [`TOXIPROXY_PORT`].
    pub toxiproxy: Vec<String>,
    /// Names of production, each with the service that has it inside the drill.
    pub hosts: BTreeMap<String, String>,
    /// Image of the toolbox, unless the built-in one is meant.
    pub toolbox_image: Option<String>,
    /// Where the project lies on the machine for which the runbook is written: the toolbox has that directory, and steps begin there.
    pub directory: Option<String>,
    /// The releases that a fault deploys, each with its service: what they need is there once the stack is up.
    pub releases: Vec<(String, Release)>,
    /// The processes that faults start beside the team's services.
    pub processes: Vec<Process>,
    /// Prometheus and Alertmanager for the team's own alerts; `None` where the drill has none.
    pub monitoring: Option<MonitoringRequest>,
    /// How long the stack may take to become healthy.
    pub up_within: Duration,
}

impl StackRequest {
    /// The file that services read with another text.
    pub fn replaced(&self) -> Option<&ReplacedFile> {
        self.monitoring.as_ref()?.replaced.as_ref()
    }

    /// The image of Prometheus and Alertmanager: `None` where there are none, inside of it where the built-in one is meant.
    pub fn monitoring_image(&self) -> Option<Option<&str>> {
        self.monitoring.as_ref().map(|monitoring| monitoring.image.as_deref())
    }
}

/// What the team's alerts need of a stack.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MonitoringRequest {
    /// The image that has Prometheus and Alertmanager with their tools, unless the built-in one is meant.
    pub image: Option<String>,
    /// What changes where both are services of the stack.
    pub replaced: Option<ReplacedFile>,
}

/// A file that services read with another text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplacedFile {
    /// A name of the service that must read it; others that have it read the same.
    pub host: String,
    /// The file.
    pub file: PathBuf,
    /// What it reads in its place.
    pub text: String,
}

/// What the person who runs a drill allows a stack of the host. Never what a file of the project says: a change of the
/// project cannot give itself rights.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Allowed {
    /// Rights by name, for this run: `--allow-host devices,cap_add`.
    pub rights: BTreeSet<String>,
    /// Digests of all that a stack asks for, each allowed before at a terminal.
    pub digests: BTreeSet<String>,
}

/// Which cluster, which namespace, which images.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ClusterRequest {
    /// Context of the kubeconfig; without one `FIREDRILL_KUBE_CONTEXT` says it, or there is one test cluster.
    pub context: Option<String>,
    /// The namespace that the manifests and the runbooks write.
    pub namespace: String,
    /// Contexts that the runbooks write, and that mean the drill's cluster.
    pub contexts: BTreeSet<String>,
    /// What a chart is installed as; without one the namespace's name.
    pub release: Option<String>,
    /// Files with values for a chart, the last one wins.
    pub values: Vec<PathBuf>,
    /// Objects of the whole cluster that the manifests may have, as `Kind/name`.
    pub allowed: BTreeSet<String>,
    /// Images that are loaded into the cluster: name → what it is built from, if it is.
    pub images: BTreeMap<String, Option<ImageBuild>>,
}

/// What an image is built from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ImageBuild {
    /// The folder with its Dockerfile.
    pub folder: PathBuf,
    /// Build arguments.
    pub args: BTreeMap<String, String>,
}

/// Which run a stack is started for.
#[derive(Debug, Clone)]
pub struct RunIdentity {
    /// Id of the run, unique on this engine: `20261120T064112Z-db-pool-3f9a`.
    pub id: String,
    /// The run's directory, where its lock file is and its logs go.
    pub dir: PathBuf,
    /// Whether the stack is kept when the drill fails.
    pub keep: bool,
}

impl RunIdentity {
    /// The identity of the run with this directory.
    pub fn of(run_dir: &RunDir, keep: bool) -> RunIdentity {
        RunIdentity { id: run_dir.id().to_string(), dir: run_dir.path().to_path_buf(), keep }
    }
}
