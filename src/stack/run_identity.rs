//! Which run something is started for.

use crate::record::RunDir;
use std::path::PathBuf;

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
    /// That of the run with this directory.
    pub fn of(run_dir: &RunDir, keep: bool) -> RunIdentity {
        RunIdentity { id: run_dir.id().to_string(), dir: run_dir.path().to_path_buf(), keep }
    }
}
