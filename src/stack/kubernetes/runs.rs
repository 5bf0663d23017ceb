//! Which runs have a namespace in which cluster: noted before the namespace is made, so that a reaper or a sweep finds it although
//! nothing of a drill names its cluster. One small file for each run, in the user's own state directory.

use super::cluster::{Cluster, kubeconfig_files};
use super::namespace::environment;
use crate::record::{RunDir, write_atomic};
use crate::stack::{RunIdentity, StackResult};
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
    /// The name of the machine that has started it, where it is known.
    #[serde(default)]
    pub machine: Option<String>,
}

impl NotedRun {
    /// Its directory, where it is there, and whether somebody watches it.
    ///
    /// # Errors
    /// Why that cannot be seen here. It is left alone then: another machine's directory is not here, although the note is where both have
    /// one home.
    pub(super) fn watched(&self) -> Result<(Option<RunDir>, bool), String> {
        if let Some(other) = self.machine.as_ref().filter(|_| self.machine != machine()) {
            return Err(format!(
                "only the machine `{other}`, which has started it, can tell whether it runs; if that is gone for good, delete the \
                 namespace and {}",
                file(&self.run).map_or_else(|_| "its note".into(), |file| file.display().to_string())
            ));
        }
        match RunDir::open_own(&self.dir) {
            Ok(run_dir) if run_dir.id() == self.run => {
                let is_alive = run_dir.is_alive().unwrap_or(true);
                Ok((Some(run_dir), is_alive))
            }
            Ok(_) => Err(format!("{} is the directory of another run", self.dir.display())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok((None, false)),
            Err(error) => Err(error.to_string()),
        }
    }
}

/// The name of this machine.
fn machine() -> Option<String> {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").ok()?;
    Some(name.trim().to_string()).filter(|name| !name.is_empty())
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

type NoteResult = StackResult<NotedRun>;
const NOTING: &str = "noting the namespace of a run";

/// Notes a run before its namespace is made in this cluster; `jobs` and `of_cluster` as above.
pub(super) fn note(cluster: &Cluster, run: &RunIdentity, jobs: Option<&str>, of_cluster: bool) -> NoteResult {
    let noted = NotedRun {
        run: run.id.clone(),
        dir: std::path::absolute(&run.dir).map_err(|error| environment(NOTING, error))?,
        context: cluster.context.clone(),
        cluster: cluster.uid.clone(),
        kubeconfig: kubeconfig_files(),
        keep: run.keep,
        jobs: jobs.map(str::to_string),
        of_cluster,
        machine: machine(),
    };
    note_again(&noted).map(|()| noted)
}

/// Notes a run again of which something is left.
pub(super) fn note_again(noted: &NotedRun) -> StackResult<()> {
    let written = || {
        let file = file(&noted.run)?;
        std::fs::create_dir_all(file.parent().unwrap_or(&file))?;
        write_atomic(&file, serde_json::to_string(noted)?.as_bytes())
    };
    written().map_err(|error: io::Error| environment(NOTING, error))
}

/// Forgets a run of which nothing is left.
pub(super) fn forget(run: &str) {
    // One that stays is looked at again, and nothing is found.
    let _ = file(run).and_then(std::fs::remove_file);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_watched_while_its_lock_is_held_or_where_nobody_can_look() {
        let root = tempfile::tempdir().unwrap();
        let run_dir = RunDir::create(root.path(), "day").unwrap();
        let text = serde_json::json!({ "run": run_dir.id(), "dir": run_dir.path(), "context": "c", "cluster": null,
                                       "kubeconfig": [], "keep": false });
        let noted: NotedRun = serde_json::from_value(text).unwrap();
        let gone = NotedRun { dir: root.path().join("gone"), ..noted.clone() };
        let is_watched = |noted: &NotedRun| noted.watched().map(|(_, is_watched)| is_watched);
        assert_eq!(is_watched(&noted), Ok(true), "its lock is held");
        drop(run_dir);
        assert_eq!([is_watched(&noted), is_watched(&gone)], [Ok(false), Ok(false)]);
        assert_eq!(is_watched(&NotedRun { machine: machine(), ..gone.clone() }), Ok(false));
        let why = is_watched(&NotedRun { run: "another".into(), ..noted }).unwrap_err();
        assert!(why.ends_with(" is the directory of another run"), "{why}");
        let why = is_watched(&NotedRun { machine: Some("another.one".into()), ..gone }).unwrap_err();
        assert!(why.starts_with("only the machine `another.one`, which has started it, can tell"), "{why}");
    }
}
