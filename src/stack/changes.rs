//! What faults change in a stack: releases of services, settings of objects, processes beside the services, limits and networks of
//! containers. Neutral to what runs it.

use super::{ContainerEndpoints, ContainerLimits, ContainerState, NetworkEndpoint};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio_util::sync::{CancellationToken, DropGuard};

/// What a release changes. Everything that it does not name stays as it was planned.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct Release {
    /// Variables that the stack's files take (`${CHECKOUT_VERSION}`), as the team sets them to deploy a version. They
    /// stay set: who recreates the service without setting them otherwise gets the release again.
    pub variables: BTreeMap<String, String>,
    /// Image of the service's containers.
    pub image: Option<String>,
    /// Their command, one word each.
    pub command: Option<Vec<String>>,
    /// Variables of their environment.
    pub environment: BTreeMap<String, String>,
}

/// How long recreating a service may take at the most: the model is read, the containers are made, and they have their
/// time to become ready. Every stack has given up before.
pub const RELEASE_WITHIN: Duration = Duration::from_secs(90);

/// Settings of a container (`image`, `command`, `environment.NAME`), each with a fingerprint of its value: enough to tell
/// one release from another, without a secret in it. They stay in memory: who has one can try values until one fits.
pub type Fingerprint = BTreeMap<String, String>;
/// The containers of a service, each with what it was made with.
pub type Fingerprints = Vec<(ContainerState, Fingerprint)>;

/// What is changed, and what takes it up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectChange {
    /// Kind and name: `configmap/checkout-config`.
    pub object: String,
    /// What becomes of it.
    pub edit: ObjectEdit,
    /// The service that is restarted to take it up.
    pub restart: Option<String>,
}

/// What becomes of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ObjectEdit {
    /// Values are set, as by `kubectl patch`: maps are merged, and so are the lists that the cluster merges.
    Set(Value),
    /// It is made, as it stands here; the manifests have none of its name.
    Create(Value),
    /// It is deleted.
    Delete,
}

impl ObjectChange {
    /// Every value that it sets, with its path: `data.DB_POOL_SIZE`. A list is one value.
    pub fn values(&self) -> Vec<(String, &Value)> {
        let mut found = Vec::new();
        if let ObjectEdit::Set(value) | ObjectEdit::Create(value) = &self.edit {
            collect(value, String::new(), &mut found);
        }
        found
    }
}

fn collect<'v>(value: &'v Value, path: String, found: &mut Vec<(String, &'v Value)>) {
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                collect(value, path, found);
            }
        }
        value => found.push((path, value)),
    }
}

/// A process that a fault starts and removes. Steps find it as a service of this name, as soon as it was started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Process {
    /// Its name as a service, which no service of the stack has.
    pub name: String,
    /// The service whose image, user, environment, working directory, files and networks it has; `None` is the toolbox.
    pub service: Option<String>,
    /// The script, for `sh`.
    pub run: String,
    /// How many containers run it, each once.
    pub replicas: u16,
    /// How soon it is started again after it has ended by itself. A container that somebody stops stays stopped.
    pub returns: Option<Duration>,
}

/// How a container of a process came to its last end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ending {
    /// Container name.
    pub container: String,
    /// Exit code.
    pub exit_code: i64,
    /// How long after its start.
    pub after: Duration,
    /// How long ago, by when the engine told it.
    pub ago: Duration,
    /// Nobody had stopped, killed or removed it.
    pub by_itself: bool,
}

/// How the containers of a process have ended since their last starts, each with when that was told.
#[derive(Debug, Clone, Default)]
pub(super) struct NotedEnds(Arc<Mutex<BTreeMap<String, (Ending, Instant)>>>);

impl NotedEnds {
    /// Notes an end. One that is told again is as old as it was.
    pub(super) fn note(&self, ending: Ending) {
        crate::locked(&self.0).entry(ending.container.clone()).or_insert_with(|| (ending, Instant::now()));
    }

    /// The container was started again.
    pub(super) fn forget(&self, container: &str) {
        crate::locked(&self.0).remove(container);
    }
}

/// The ends of the containers of a process, which are watched until this is dropped.
#[derive(Debug)]
pub(super) struct WatchedEnds {
    noted: NotedEnds,
    _watching: DropGuard,
}

impl WatchedEnds {
    /// Has them noted by `watching`, which goes on until it is dropped.
    pub(super) fn watch<F>(watching: impl FnOnce(NotedEnds) -> F) -> WatchedEnds
    where
        F: Future<Output: Send> + Send + 'static,
    {
        let (noted, done) = (NotedEnds::default(), CancellationToken::new());
        tokio::spawn(done.clone().run_until_cancelled_owned(watching(noted.clone())));
        WatchedEnds { noted, _watching: done.drop_guard() }
    }

    /// What was seen so far.
    pub(super) fn seen(&self) -> Vec<Ending> {
        let ago = |(ending, told): &(Ending, Instant)| Ending { ago: told.elapsed(), ..ending.clone() };
        crate::locked(&self.noted.0).values().map(ago).collect()
    }
}

/// Runs a script again and again: `$1` is the script, `$2` the pause in seconds. A shell that could not run what it was told
/// to will not be able to the next time either.
const AGAIN: &str = "while :; do sh -c \"$1\"; code=$?; case $code in 126|127) exit $code;; esac; \
                     echo \"ended with exit code $code, started again in $2 s\" >&2; sleep \"$2\"; done";

impl Process {
    /// Its command line.
    pub fn command(&self) -> Vec<String> {
        let script = |words: &[&str]| ["sh", "-c"].iter().chain(words).map(|word| (*word).to_string()).collect();
        match self.returns {
            None => script(&[&self.run]),
            Some(after) => script(&[AGAIN, &self.name, &self.run, &after.as_secs_f64().to_string()]),
        }
    }
}

impl ContainerLimits {
    /// These limits with each that is as in `from` set as in `to`. One that somebody else has set stays; swap goes with the memory.
    pub fn changed(self, from: ContainerLimits, to: ContainerLimits) -> ContainerLimits {
        let one = |now: i64, from: i64, to: i64| if now == from { to } else { now };
        let sets_memory = from.memory != to.memory && self.memory == from.memory;
        ContainerLimits {
            nano_cpus: one(self.nano_cpus, from.nano_cpus, to.nano_cpus),
            memory: one(self.memory, from.memory, to.memory),
            memory_swap: if sets_memory { to.memory_swap } else { self.memory_swap },
            pids: one(self.pids, from.pids, to.pids),
        }
    }
}

impl NetworkEndpoint {
    /// The places `now` with what differs between `from` and `to` made as in `to`, networks and names alike. A network or a name
    /// that somebody else has connected, added or removed stays so.
    pub fn changed(now: &[Self], from: &[Self], to: &[Self]) -> Vec<Self> {
        fn of<'a>(all: &'a [NetworkEndpoint], network: &str) -> Option<&'a NetworkEndpoint> {
            all.iter().find(|endpoint| endpoint.network == network)
        }
        let kept = now.iter().filter_map(|place| match (of(from, &place.network), of(to, &place.network)) {
            (Some(_), None) => None,
            (Some(from), Some(to)) => {
                let mut place = place.clone();
                place.aliases.retain(|name| to.aliases.contains(name) || !from.aliases.contains(name));
                let missing = |name: &&String| !from.aliases.contains(name) && !place.aliases.contains(name);
                let added: Vec<String> = to.aliases.iter().filter(missing).cloned().collect();
                place.aliases.extend(added);
                Some(place)
            }
            (None, _) => Some(place.clone()),
        });
        let joined = to.iter().filter(|to| of(from, &to.network) != Some(*to) && of(now, &to.network).is_none());
        let mut all: Vec<NetworkEndpoint> = kept.chain(joined.cloned()).collect();
        all.sort_by(|a, b| a.network.cmp(&b.network));
        all
    }
}

/// The places of one container; none where nothing is known of it.
pub fn places_of<'a>(all: &'a ContainerEndpoints, id: &str) -> &'a [NetworkEndpoint] {
    all.get(id).map(Vec::as_slice).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    fn process(run: &str, returns: Option<Duration>) -> Process {
        Process { name: "worker".into(), service: None, run: run.into(), replicas: 1, returns }
    }

    #[test]
    fn one_that_ends_by_itself_is_started_again_and_one_that_cannot_run_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let run = |script: &str, returns| {
            let command = process(script, returns).command();
            Command::new(&command[0]).args(&command[1..]).current_dir(dir.path()).output().unwrap()
        };
        let thrice = "echo x >> count; test $(wc -l < count) -lt 3 || exit 127; exit 4";
        let output = run(thrice, Some(Duration::from_millis(50)));
        assert_eq!(std::fs::read_to_string(dir.path().join("count")).unwrap(), "x\nx\nx\n");
        assert_eq!(output.status.code(), Some(127));
        let line = "ended with exit code 4, started again in 0.05 s\n";
        assert_eq!(String::from_utf8_lossy(&output.stderr), line.repeat(2));
        assert_eq!(run("exit 4", None).status.code(), Some(4), "without `returns` once");
        assert_eq!(run("no-such-program-here", Some(Duration::from_secs(60))).status.code(), Some(127));
    }
}
