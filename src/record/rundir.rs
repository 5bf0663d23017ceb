//! The directory of a run: `events.jsonl`, `record.json`, `junit.xml`, logs, and the files as they were.

use std::path::{Path, PathBuf};

/// The directory of one run.
#[derive(Debug, Clone)]
pub struct RunDir {
    path: PathBuf,
}

impl RunDir {
    /// The path.
    pub fn path(&self) -> &Path {
        &self.path
    }
}
