//! The record of a drill: what its events add up to.

use super::{Announcement, CheckResult, Stamped, Verdict};
use serde::{Deserialize, Serialize};

/// Everything that happened in one drill.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// What was set out to be done; `None` only before the first event.
    pub plan: Option<Box<Announcement>>,
    /// The verdict so far.
    pub verdict: Verdict,
    /// Why.
    pub reason: String,
    /// Assertions in the order in which they were decided.
    pub checks: Vec<CheckResult>,
}

impl Record {
    /// Takes one event into account.
    pub fn apply(&mut self, _event: &Stamped) {}
}
