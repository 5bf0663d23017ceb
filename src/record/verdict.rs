//! What a drill comes to.

use serde::{Deserialize, Serialize};

named_enum! {
/// The verdict of a drill: passed, or the first reason why not. Nothing passes by default.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The drill has not ended, or was cut off before it could.
    #[default]
    Incomplete = "incomplete",
    /// Everything held.
    Passed = "passed",
    /// An SLI missed its objective, the alert condition held, or a service was unhealthy before anything was broken.
    Unsteady = "unsteady",
    /// The fault was in place and no user noticed: the drill proved nothing.
    NoImpact = "no_impact",
    /// The alert condition did not hold in time.
    Undetected = "undetected",
    /// The page was delivered to another receiver, or to one behind which nobody is on call.
    Misrouted = "misrouted",
    /// The alert fired, and Alertmanager kept it back: a silence, an inhibition, a mute time.
    Suppressed = "suppressed",
    /// The page came, or would have come, later than `detect` allows.
    Late = "late",
    /// Somebody was paged while nothing was broken, for an alert that must be quiet, or too often.
    Noisy = "noisy",
    /// Nobody acknowledged the page, and the second line was not paged in time.
    Unescalated = "unescalated",
    /// Users had recovered before the first mitigating command, or without any runbook.
    SelfHealed = "self_healed",
    /// `impact: none` was promised, and an SLI missed its objective.
    Breached = "breached",
    /// A command of the runbook failed.
    StepFailed = "step_failed",
    /// A step has an input without a value, and never ran.
    StepBlocked = "step_blocked",
    /// The runbook was followed to its end and users did not recover within `recover.within`, or relapsed before the faults
    /// were undone.
    NotRecovered = "not_recovered",
    /// Users recovered, and later than the recovery time objective allows.
    TooLate = "too_late",
    /// An invariant did not hold, or writes are lost that were acknowledged after users had recovered: what the fault or the cure did
    /// to the system is worse than what was cured.
    Damaged = "damaged",
    /// Everything held, and the incident was more severe than the scenario declares.
    Understated = "understated",
    /// A fault could not be undone, or the SLIs did not hold after it was.
    NotReverted = "not_reverted",
    /// Something was left behind after the stack was removed.
    Leaked = "leaked",
    /// Ctrl-C or SIGTERM.
    Interrupted = "interrupted",
    /// Firedrill or its environment broke; says nothing about the runbook.
    HarnessError = "harness_error",
}
}

impl Verdict {
    /// Whether it spoils a drill that had passed already: what undoing and removing can come to, and invariants that are
    /// asked once more after the revert.
    pub fn spoils(self) -> bool {
        matches!(self, Verdict::Damaged | Verdict::NotReverted | Verdict::Leaked | Verdict::HarnessError)
    }

    /// Whether it speaks about the tool or its environment rather than about the runbook.
    pub fn is_harness(self) -> bool {
        matches!(self, Verdict::HarnessError | Verdict::Interrupted | Verdict::Incomplete | Verdict::Leaked)
    }
}
