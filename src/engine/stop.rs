//! Why a drill does not go on, how it is told to stop, and the guard around its parts.

use crate::agent::AgentError;
use crate::faults::FaultError;
use crate::record::{CheckOutcome, Location, Verdict};
use crate::shell::ShellError;
use crate::stack::StackError;
use futures_util::FutureExt;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, OnceLock};
use tokio_util::sync::CancellationToken;

/// Why a drill is `interrupted`.
pub const BY_SIGNAL: &str = "interrupted by Ctrl-C, SIGTERM or SIGHUP";

/// How a drill is told to stop. Passed in, never reached for: tests pass their own.
#[derive(Debug, Clone, Default)]
pub struct Shutdown {
    /// Stop, undo everything, remove everything.
    pub cancel: CancellationToken,
    /// Do not undo one by one: remove everything at once.
    pub hurry: CancellationToken,
    /// Why, when it is no signal.
    why: Arc<OnceLock<String>>,
}

impl Shutdown {
    /// One that follows this one and can be cancelled without it: a drill of a game day.
    pub fn child(&self) -> Shutdown {
        Shutdown { cancel: self.cancel.child_token(), hurry: self.hurry.child_token(), why: Arc::default() }
    }

    /// Stops for another reason than a signal: the reason stands in the verdict. The first one stays.
    pub fn stop(&self, why: &str) {
        let _ = self.why.set(why.to_string());
        self.cancel.cancel();
    }

    /// Why it stops, or would: a signal, when nobody gave another reason.
    pub fn reason(&self) -> String {
        self.why.get().cloned().unwrap_or_else(|| BY_SIGNAL.to_string())
    }

    /// The stop that a cancellation means.
    pub fn interrupted(&self) -> Stop {
        Stop::new(Verdict::Interrupted, self.reason())
    }
}

/// The first reason why a drill did not pass; it ends the phases, and revert and down follow.
#[derive(Debug, Clone, PartialEq)]
pub struct Stop {
    /// The verdict.
    pub verdict: Verdict,
    /// Why.
    pub reason: String,
    /// Where in the user's files.
    pub at: Option<Location>,
    /// Whether the reason is that the measurement was disturbed.
    pub disturbed: bool,
    /// Whether it rests on what was measured, though its verdict alone does not say so: SLIs that did not hold after the
    /// revert, a command or a verification that ran out of time.
    pub measured: bool,
}

impl Stop {
    /// A reason without a place.
    pub fn new(verdict: Verdict, reason: impl Into<String>) -> Stop {
        Stop { verdict, reason: reason.into(), at: None, disturbed: false, measured: false }
    }

    /// Firedrill or its environment broke.
    pub fn harness(reason: impl Into<String>) -> Stop {
        Stop::new(Verdict::HarnessError, reason)
    }

    /// The measurement was disturbed: the drill says nothing, and may be run again.
    pub fn disturbed(reason: impl Into<String>) -> Stop {
        Stop { disturbed: true, ..Stop::harness(reason) }
    }

    /// What was measured leaves open what became of users. On a machine that is full of other drills that is their doing.
    pub fn unknown(reason: impl Into<String>) -> Stop {
        Stop::harness(reason).measured()
    }

    /// This stop, marked as one that rests on a measurement.
    pub fn measured(self) -> Stop {
        Stop { measured: true, ..self }
    }

    /// Whether it rests on what the load measured, and says nothing when that was disturbed.
    pub fn is_measured(&self) -> bool {
        matches!(
            self.verdict,
            Verdict::Unsteady
                | Verdict::NoImpact
                | Verdict::Undetected
                | Verdict::Late
                | Verdict::SelfHealed
                | Verdict::Breached
                | Verdict::NotRecovered
                | Verdict::TooLate
                | Verdict::Understated
        ) || self.measured
    }

    /// The outcome of an assertion that failed for this reason.
    pub fn outcome(&self) -> CheckOutcome {
        let (reason, at) = (self.reason.clone(), self.at.clone());
        if self.verdict.is_harness() { CheckOutcome::Error { reason, at } } else { CheckOutcome::Failed { reason, at } }
    }

    /// Adds the place in the user's files.
    pub fn at(mut self, at: Location) -> Stop {
        self.at = Some(at);
        self
    }
}

impl From<StackError> for Stop {
    fn from(error: StackError) -> Stop {
        match error {
            StackError::Unhealthy { service, reason, tail } => {
                let tail = if tail.trim().is_empty() { String::new() } else { format!("\n{}", tail.trim_end()) };
                Stop::new(Verdict::Unsteady, format!("`{service}` is not healthy: {reason}{tail}"))
            }
            StackError::Build { reason, tail } => {
                Stop::harness(format!("the stack does not build: {reason}\n{}", tail.trim_end()))
            }
            StackError::Environment { operation, cause, hint } => {
                let hint = hint.map(|hint| format!("\nhelp: {hint}")).unwrap_or_default();
                Stop::harness(format!("{operation}: {cause}{hint}"))
            }
            StackError::Cancelled => Stop::new(Verdict::Interrupted, BY_SIGNAL),
        }
    }
}

/// Errors that say by themselves what broke.
macro_rules! broken {
    ($($error:ty),+) => {
        $(impl From<$error> for Stop {
            fn from(error: $error) -> Stop {
                Stop::harness(error.to_string())
            }
        })+
    };
}
broken!(AgentError, FaultError, ShellError);

/// Carries out one part of a drill; `Err` is what it said when it panicked. The parts that follow still run.
pub(super) async fn caught<T>(part: impl Future<Output = T>) -> Result<T, String> {
    AssertUnwindSafe(part).catch_unwind().await.map_err(|panic| {
        let text = panic.downcast_ref::<&str>().map(ToString::to_string);
        let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
        text.unwrap_or_else(|| "for a reason that it did not give".into())
    })
}
