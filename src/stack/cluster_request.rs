//! What a scenario says of a stack of Kubernetes objects, beside the file or folder of its manifests.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

/// Which cluster, which namespace, which images.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ClusterRequest {
    /// Context of the kubeconfig; without one `FIREDRILL_KUBE_CONTEXT` says it, or there is one test cluster.
    pub context: Option<String>,
    /// The namespace that the manifests and the runbooks write.
    pub namespace: String,
    /// Contexts that the runbooks write, and that mean the drill's cluster.
    pub contexts: BTreeSet<String>,
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
