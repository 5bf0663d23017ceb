//! Drills that are carried out elsewhere, each by a runner of its own: what such a place is given, and what comes back from it.

use super::{Available, Capacity, RunIdentity, SourceFiles, StackDown, StackRequest, StackResult};
use async_trait::async_trait;
use std::collections::BTreeMap;
use std::fmt::Debug;
use std::path::PathBuf;
use std::time::Duration;
use tokio::sync::mpsc::UnboundedSender;
use tokio_util::sync::CancellationToken;

/// The places that there are, by name.
pub const REMOTE_SITES: [&str; 1] = ["kubernetes"];

/// How the line begins that a runner prints first; behind it stands of which build it is.
pub const RUNNER_BUILD: &str = "firedrill build ";

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
    /// The build of this program: a runner of another one is refused.
    pub build: &'static str,
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

/// How much room a place has for drills.
#[derive(Debug, Clone)]
pub struct DrillRoom {
    /// What there is in all.
    pub capacity: Capacity,
    /// What of it nobody has claimed.
    pub free: Available,
    /// So many runners at once at most, with what says so; `None` where nothing does.
    pub most: Option<(u32, String)>,
}

/// Where the lines go that a runner prints.
pub type PrintedLines = UnboundedSender<String>;

/// A place where whole drills can be carried out.
#[async_trait]
pub trait RemoteSite: Debug + Send + Sync + 'static {
    /// Why a stack cannot be drilled there; `None` when it can.
    fn refusal(&self, request: &StackRequest) -> Option<String>;
    /// The files of a stack that its runner reads there.
    fn files(&self, request: &StackRequest) -> SourceFiles;
    /// Reaches the place that the first of these stacks means. The others that mean another one are told, by their position.
    ///
    /// # Errors
    /// `Environment` when nothing answers.
    async fn reach(&self, requests: &[&StackRequest]) -> StackResult<Vec<(usize, String)>>;
    /// Name and version of it, once it is reached.
    async fn version(&self) -> Option<String>;
    /// How much room there is.
    ///
    /// # Errors
    /// `Environment` when it does not answer, or has no room for a single runner.
    async fn room(&self) -> StackResult<DrillRoom>;
    /// Makes what the runners of a game day share.
    ///
    /// # Errors
    /// `Environment` when it cannot be made.
    async fn open(&self, day: &RunIdentity) -> StackResult<()>;
    /// Carries a drill of the game day `day` out and removes its runner and its stack. Lines that the runner prints are sent as
    /// they come.
    ///
    /// # Errors
    /// `Environment` when the runner could not be started, is of another build, or when something of it could not be removed;
    /// `Cancelled`.
    async fn run(
        &self,
        drill: &RemoteDrill,
        day: &str,
        printed: PrintedLines,
        stop: &RemoteStop,
    ) -> StackResult<RemoteEnd>;
    /// Removes what the runners of the game day shared; says what is left.
    ///
    /// # Errors
    /// `Environment` when it does not answer.
    async fn close(&self, day: &RunIdentity) -> StackResult<StackDown>;
}
