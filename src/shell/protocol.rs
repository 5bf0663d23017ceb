//! Wire protocol between runner and shell supervisor: JSON lines, one message a line.

use crate::record::Stream;
use serde::{Deserialize, Serialize};

/// Runner → supervisor.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "op", rename_all = "snake_case")]
pub enum ToShell {
    /// Sets environment variables of the session, before any command.
    Env {
        /// Name and value.
        vars: Vec<(String, String)>,
    },
    /// Runs one command (bash source text) in the session.
    Run {
        /// Number of the command in this session.
        id: u64,
        /// The text.
        text: String,
        /// Deadline in milliseconds; past it the whole process group gets TERM, then KILL.
        timeout_ms: u64,
        /// Bytes of output kept per stream; what is beyond is cut from the middle and counted.
        keep_bytes: u64,
    },
    /// Kills the command that runs now.
    Cancel,
}

/// Supervisor → runner.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "msg", rename_all = "snake_case")]
pub enum FromShell {
    /// The supervisor is ready.
    Ready {
        /// `bash --version`, first line.
        bash: String,
    },
    /// Output of the running command; bytes that are not UTF-8 arrive as U+FFFD.
    Output {
        /// Number of the command.
        id: u64,
        /// Which stream.
        stream: Stream,
        /// The text.
        text: String,
    },
    /// A command ended.
    Ended {
        /// Number of the command.
        id: u64,
        /// Exit code, 128 + n for signal n.
        exit: i32,
        /// How long it took, in microseconds, measured beside it.
        took_us: u64,
        /// Whether the deadline killed it.
        timed_out: bool,
        /// Bytes of output left out.
        omitted: u64,
    },
    /// The supervisor cannot work; the session is over.
    Failed {
        /// Why.
        message: String,
    },
}
