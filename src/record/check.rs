//! The assertions of a drill, each of which becomes a test case in a report.

use super::DrillTime;
use serde::{Deserialize, Serialize};
use std::fmt;

/// What is asserted.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(tag = "check", rename_all = "snake_case")]
pub enum Check {
    /// The stack came up and every SLI met its objective before anything was broken.
    Steady,
    /// A fault was injected and confirmed.
    Injection {
        /// Id of the fault.
        fault: String,
    },
    /// An SLI fell below its impact threshold in time (or, with `impact: none`, none missed its objective).
    Impact,
    /// The alert condition held in time.
    Detection,
    /// Nobody was paged for nothing, and whoever was paged learned in time that it is over.
    Pages,
    /// Users still suffered when the first mitigating command started.
    StillBroken,
    /// A step of the runbook did what it should.
    Step {
        /// Id of the step.
        step: String,
    },
    /// An SLI met its objective again, in time and for long enough.
    Recovery {
        /// Name of the SLI.
        sli: String,
    },
    /// Every fault was gone at the end of the hold, as `recover.cleared` demands.
    Cleared,
    /// Users were served from the recovery until the faults began to be undone.
    StillServed,
    /// Users had recovered within the recovery time objective.
    RecoveryTime,
    /// An invariant held before the fault, after the recovery and after the revert.
    Invariant {
        /// Its name.
        name: String,
    },
    /// A DR drill: the restore came as far as it had to.
    RestoreLevel,
    /// A DR drill: no write was lost that is older than the recovery point objective allows.
    RecoveryPoint,
    /// The incident was no more severe than the scenario declares.
    Severity,
    /// The control: the same drill without the runbook did not recover.
    Control,
    /// Every fault was undone and the SLIs held once more.
    Revert,
    /// Nothing was left behind.
    NothingLeft,
}

/// A place in a file that people wrote.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Location {
    /// The path as the user knows it.
    pub path: String,
    /// Line, from 1.
    pub line: usize,
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.path, self.line)
    }
}

/// How an assertion came out. An assertion that failed and a harness that broke are different things.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum CheckOutcome {
    /// It held; the text is the evidence.
    Passed {
        /// What was seen.
        evidence: String,
    },
    /// It did not hold.
    Failed {
        /// Why.
        reason: String,
        /// Where in the user's files.
        at: Option<Location>,
    },
    /// It could not be told, because Firedrill or its environment broke.
    Error {
        /// What broke.
        reason: String,
        /// Where in the user's files.
        at: Option<Location>,
    },
    /// It was not asked for, is for a person, or was not reached.
    Skipped {
        /// Why.
        reason: String,
    },
}

/// An assertion with its outcome and times, as a record keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckResult {
    /// What was asserted.
    pub check: Check,
    /// How it came out.
    pub outcome: CheckOutcome,
    /// When it was begun.
    pub started_us: DrillTime,
    /// When it was decided.
    pub ended_us: DrillTime,
}
