//! Drills that are carried out elsewhere, each by a runner of its own: what such a place is given, and what comes back from it.

use super::{Available, Capacity, RunIdentity, StackRequest};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// The places that there are, by name.
pub const REMOTE_SITES: [&str; 1] = ["kubernetes"];

/// One drill for a runner elsewhere.
#[derive(Debug, Clone)]
pub struct RemoteDrill {
    /// Which run it is here: its directory gets what comes back.
    pub run: RunIdentity,
    /// Its stack.
    pub request: StackRequest,
    /// A tar archive with everything that the runner reads, as `firedrill job` takes it.
    pub files: Vec<u8>,
    /// Variables of this process that the scenario takes values from.
    pub environment: BTreeMap<String, String>,
    /// The working directory, where paths begin that are not absolute.
    pub directory: PathBuf,
    /// It is ended when it takes longer, whoever still watches it.
    pub within: Duration,
}

/// How a remote drill is told to end.
#[derive(Debug, Clone, Default)]
pub struct RemoteStop {
    /// It ends as an interrupted drill does, and undoes what it did.
    pub cancel: CancellationToken,
    /// It is removed at once.
    pub hurry: CancellationToken,
}

/// What has come back.
#[derive(Debug, Clone, Default)]
pub struct RemoteEnd {
    /// Why the runner is gone before its end, through no fault of the drill: with its machine, or because somebody removed it.
    pub lost: Option<String>,
    /// Why there is no end, where the runner itself broke.
    pub broken: Option<String>,
    /// The files of the run's directory there as a tar archive; the error is why there are none.
    pub results: Option<Result<Vec<u8>, String>>,
}

/// How much room a place has when a game day begins.
#[derive(Debug, Clone)]
pub struct RemoteRoom {
    /// What there is in all.
    pub capacity: Capacity,
    /// What of it nobody has claimed.
    pub free: Available,
    /// So many runners at once at most, with what says so; `None` where nothing does.
    pub most: Option<(u32, String)>,
}
