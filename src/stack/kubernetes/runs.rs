//! Which runs have a namespace in which cluster: noted before the namespace is made, so that a reaper or a sweep finds it although
//! nothing of a drill names its cluster. One small file for each run, in the user's own state directory.

use super::cluster::{Cluster, kubeconfig_files};
use super::errors::environment;
use crate::record::write_atomic;
use crate::stack::{RunIdentity, StackError};
use serde::{Deserialize, Serialize};
use std::io;
use std::path::PathBuf;

/// A run with a namespace in a cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct NotedRun {
    /// Id of the run.
    pub run: String,
    /// Its directory, absolute.
    pub dir: PathBuf,
    /// Context of the kubeconfig.
    pub context: String,
    /// Uid of the cluster's namespace `kube-system`: another cluster may have the same name one day.
    pub cluster: Option<String>,
    /// The files that `KUBECONFIG` named, absolute; without any it is the default one.
    pub kubeconfig: Vec<PathBuf>,
    /// Whether the stack is to be kept when the drill fails.
    pub keep: bool,
    /// The namespace in which its runner is a Job; `None` where the runner is a process of this machine.
    #[serde(default)]
    pub jobs: Option<String>,
    /// Whether it has objects of the whole cluster.
    #[serde(default)]
    pub of_cluster: bool,
}

fn folder() -> Option<PathBuf> {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let state = set("XDG_STATE_HOME").or_else(|| Some(set("HOME")?.join(".local/state")))?;
    Some(state.join("firedrill").join("kubernetes"))
}

fn file(run: &str) -> io::Result<PathBuf> {
    let folder = folder().ok_or_else(|| io::Error::other("neither XDG_STATE_HOME nor HOME is set"))?;
    Ok(folder.join(format!("{run}.json")))
}

/// Notes a run before its namespace is made in this cluster; `jobs` and `of_cluster` as above.
pub(super) fn note(
    cluster: &Cluster,
    run: &RunIdentity,
    jobs: Option<String>,
    of_cluster: bool,
) -> Result<(), StackError> {
    let written = || -> io::Result<()> {
        write(&NotedRun {
            run: run.id.clone(),
            dir: std::path::absolute(&run.dir)?,
            context: cluster.context.clone(),
            cluster: cluster.uid.clone(),
            kubeconfig: kubeconfig_files(),
            keep: run.keep,
            jobs,
            of_cluster,
        })
    };
    written().map_err(|error| environment("noting that a namespace is made", error))
}

/// Notes a run again of which something is left.
pub(super) fn note_again(noted: &NotedRun) -> Result<(), StackError> {
    write(noted).map_err(|error| environment("noting what is left", error))
}

fn write(noted: &NotedRun) -> io::Result<()> {
    let file = file(&noted.run)?;
    std::fs::create_dir_all(file.parent().unwrap_or(&file))?;
    write_atomic(&file, serde_json::to_string(noted)?.as_bytes())
}

/// Forgets a run of which nothing is left.
pub(super) fn forget(run: &str) {
    if let Ok(file) = file(run) {
        // One that stays is looked at again, and nothing is found.
        let _ = std::fs::remove_file(file);
    }
}

/// The run of an id, if it has a namespace.
pub(super) fn find(run: &str) -> Option<NotedRun> {
    serde_json::from_slice(&std::fs::read(file(run).ok()?).ok()?).ok()
}

/// Every run that has a namespace.
pub(super) fn all() -> Vec<NotedRun> {
    let entries = folder().and_then(|folder| std::fs::read_dir(folder).ok()).into_iter().flatten().flatten();
    let read = |file: std::fs::DirEntry| serde_json::from_slice(&std::fs::read(file.path()).ok()?).ok();
    entries.filter_map(read).collect()
}
