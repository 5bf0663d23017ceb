//! What a drill comes to.

use serde::{Deserialize, Serialize};
use std::fmt;

/// The verdict of a drill: passed, or the first reason why not. Nothing passes by default.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The drill has not ended, or was cut off before it could.
    #[default]
    Incomplete,
    /// Everything held.
    Passed,
    /// An SLI missed its objective, the alert condition held, or a service was unhealthy before anything was broken.
    Unsteady,
    /// The fault was in place and no user noticed: the drill proved nothing.
    NoImpact,
    /// The alert condition did not hold in time.
    Undetected,
    /// Users had recovered before the first mitigating command, or without any runbook.
    SelfHealed,
    /// `impact: none` was promised, and an SLI missed its objective.
    Breached,
    /// A command of the runbook failed.
    StepFailed,
    /// A step has an input without a value, and never ran.
    StepBlocked,
    /// The runbook was followed to its end and users did not recover within `recover.within`, or relapsed before the faults
    /// were undone.
    NotRecovered,
    /// Users recovered, and later than the recovery time objective allows.
    TooLate,
    /// An invariant did not hold: what the fault or the cure did to the system is worse than what was cured.
    Damaged,
    /// A fault could not be undone, or the SLIs did not hold after it was.
    NotReverted,
    /// Something was left behind after the stack was removed.
    Leaked,
    /// Ctrl-C or SIGTERM.
    Interrupted,
    /// Firedrill or its environment broke; says nothing about the runbook.
    HarnessError,
}

impl Verdict {
    /// Every verdict, for messages and for `expect:`.
    pub const ALL: [Verdict; 16] = [
        Verdict::Incomplete,
        Verdict::Passed,
        Verdict::Unsteady,
        Verdict::NoImpact,
        Verdict::Undetected,
        Verdict::SelfHealed,
        Verdict::Breached,
        Verdict::StepFailed,
        Verdict::StepBlocked,
        Verdict::NotRecovered,
        Verdict::TooLate,
        Verdict::Damaged,
        Verdict::NotReverted,
        Verdict::Leaked,
        Verdict::Interrupted,
        Verdict::HarnessError,
    ];

    /// The name as it stands in files and reports.
    pub fn name(self) -> &'static str {
        match self {
            Verdict::Incomplete => "incomplete",
            Verdict::Passed => "passed",
            Verdict::Unsteady => "unsteady",
            Verdict::NoImpact => "no_impact",
            Verdict::Undetected => "undetected",
            Verdict::SelfHealed => "self_healed",
            Verdict::Breached => "breached",
            Verdict::StepFailed => "step_failed",
            Verdict::StepBlocked => "step_blocked",
            Verdict::NotRecovered => "not_recovered",
            Verdict::TooLate => "too_late",
            Verdict::Damaged => "damaged",
            Verdict::NotReverted => "not_reverted",
            Verdict::Leaked => "leaked",
            Verdict::Interrupted => "interrupted",
            Verdict::HarnessError => "harness_error",
        }
    }

    /// The verdict with that name.
    pub fn from_name(name: &str) -> Option<Verdict> {
        Verdict::ALL.into_iter().find(|v| v.name() == name)
    }

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

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
