//! The files of the team's alerts as the tools that check them see them, and what these say.

use std::path::PathBuf;

/// Files to be checked: each has the path as the user knows it and its text. Two that are equal need one look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlertFiles {
    /// Rules of Prometheus.
    pub rules: Vec<(PathBuf, String)>,
    /// Alertmanager's configuration as the team has it.
    pub alertmanager: (PathBuf, String),
    /// The same as a drill changes it.
    pub in_drill: String,
}

/// Something that a tool has to say about a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlertFinding {
    /// The file.
    pub file: PathBuf,
    /// Line in it, from 1, where the tool names one.
    pub line: Option<usize>,
    /// What it says, on one line.
    pub message: String,
    /// Whether no drill can work with the file: what only concerns how Alertmanager delivers in production is none of a drill's.
    pub error: bool,
}
