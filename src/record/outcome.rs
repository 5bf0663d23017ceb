//! What a drill comes to, and what that means for whoever ran it: whether the verdict is the expected one, and the exit code.

use super::{Check, Judgement, Record};
use serde::{Deserialize, Serialize};

/// How a drill came out for the one who ran it, from best to worst: the worst of several is their `max`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunOutcome {
    /// The verdict is the expected one and everything is undone.
    Passed = 0,
    /// It is not.
    Failed = 1,
    /// The harness or its environment broke: nothing can be said about the runbook.
    Broken = 3,
    /// Ctrl-C or SIGTERM.
    Interrupted = 130,
}

impl RunOutcome {
    /// The exit code of the process.
    pub fn exit_code(self) -> u8 {
        self as u8
    }
}

impl Record {
    /// Whether this is the control: the same drill without the runbook.
    pub fn is_control(&self) -> bool {
        self.plan.as_ref().is_some_and(|plan| plan.control)
    }

    /// The verdict that counts as a pass. A control must not recover, whatever the scenario expects of its runbook;
    /// the engine may call that `passed` (the control held) or `not_recovered` (what was seen).
    pub fn expected(&self) -> Verdict {
        match &self.plan {
            Some(plan) if !plan.control => plan.expect,
            Some(_) if self.verdict == Verdict::NotRecovered => Verdict::NotRecovered,
            _ => Verdict::Passed,
        }
    }

    /// Whether the scenario exists to fail, and that is how it is run.
    pub fn expects_failure(&self) -> bool {
        !self.is_control() && self.expected() != Verdict::Passed
    }

    /// Whether the drill passed: it ended, its verdict is the expected one, and the clean-up left no trouble.
    pub fn passed(&self) -> bool {
        self.outcome() == RunOutcome::Passed
    }

    /// What was judged after the verdict and spoils it, also where the verdict is the expected failure.
    pub fn spoilers(&self) -> impl Iterator<Item = &Judgement> {
        self.aftermath.iter().filter(|j| j.verdict.spoils())
    }

    /// Whether it was cut off before it had a verdict, also where the reaper has completed its record.
    pub fn is_unfinished(&self) -> bool {
        !self.ended || self.verdict == Verdict::Incomplete
    }

    /// Whether it says nothing because its own measuring was disturbed, and nothing else went wrong: then it may simply be run
    /// again. What was left behind, or broke afterwards, is told and not covered by another attempt.
    pub fn is_disturbed(&self) -> bool {
        let decided = self.verdict == Verdict::HarnessError && self.disturbed.as_deref() == Some(self.reason.as_str());
        decided && self.ended && self.left.is_empty() && self.spoilers().next().is_none()
    }

    /// How the drill came out. Nothing passes by default.
    pub fn outcome(&self) -> RunOutcome {
        if self.aftermath.iter().any(|later| later.verdict == Verdict::Interrupted) {
            return RunOutcome::Interrupted;
        }
        let as_expected = self.plan.is_some() && self.verdict == self.expected() && self.level_as_expected();
        let failed = |verdict: Verdict| match verdict {
            Verdict::Interrupted => RunOutcome::Interrupted,
            verdict if verdict.is_harness() || !self.ended => RunOutcome::Broken,
            _ => RunOutcome::Failed,
        };
        match self.spoilers().next() {
            _ if self.is_unfinished() || !as_expected => failed(self.verdict),
            _ if !self.left.is_empty() => RunOutcome::Broken,
            Some(spoiler) => failed(spoiler.verdict),
            None => RunOutcome::Passed,
        }
    }

    /// The assertions that the drill set out to decide, in the order in which it would. Empty without a plan.
    pub fn planned_checks(&self) -> Vec<Check> {
        let Some(plan) = &self.plan else { return Vec::new() };
        let mut checks = vec![Check::Steady];
        checks.extend(plan.faults.iter().map(|fault| Check::Injection { fault: fault.id.clone() }));
        checks.push(Check::Impact);
        checks.extend(plan.detect.is_some().then_some(Check::Detection));
        if plan.control {
            checks.push(Check::Control);
        } else {
            // Where nothing is meant to help it is asked when the runbook has ended.
            let asked = plan.steps.iter().position(|step| plan.mitigates(&step.phase) && !step.manual);
            checks.extend(plan.steps.iter().map(|step| Check::Step { step: step.id.clone() }));
            if !plan.steps.is_empty() {
                let before_help = asked.map_or(checks.len(), |at| checks.len() - plan.steps.len() + at);
                checks.insert(before_help, Check::StillBroken);
            }
            if !plan.windows.impact_none || !plan.steps.is_empty() {
                checks.extend(plan.slis.iter().map(|sli| Check::Recovery { sli: sli.name.clone() }));
                checks.extend(plan.windows.recover_cleared.then_some(Check::Cleared));
                // Records of earlier versions say nothing of a hold, nor of what came after it.
                checks.extend(self.hold.map(|_| Check::StillServed));
            }
            checks.extend(plan.rto_us().map(|_| Check::RecoveryTime));
            checks.extend(plan.page.as_ref().filter(|page| page.judges_pages()).map(|_| Check::Pages));
            checks.extend(plan.invariants.iter().map(|invariant| Check::Invariant { name: invariant.name.clone() }));
            checks.extend(plan.restore.iter().flat_map(|_| [Check::RestoreLevel, Check::RecoveryPoint]));
            let is_defined = plan.severities.iter().any(|level| Some(&level.name) == plan.severity.as_ref());
            checks.extend(is_defined.then_some(Check::Severity));
        }
        checks.extend([Check::Revert, Check::NothingLeft]);
        checks
    }
}

named_enum! {
/// The verdict of a drill: passed, or the first reason why not. Nothing passes by default. Beside its name what it came to, in words that
/// need no explanation.
#[derive(Default)]
pub enum Verdict {
    /// The drill has not ended, or was cut off before it could.
    #[default]
    Incomplete = "incomplete": "the run was cut off",
    /// Everything held.
    Passed = "passed": "it passed",
    /// An SLI missed its objective, the alert condition held, or a service was unhealthy before anything was broken.
    Unsteady = "unsteady": "users were not well before anything was broken",
    /// The fault was in place and no user noticed: the drill proved nothing.
    NoImpact = "no_impact": "no user noticed the fault",
    /// The alert condition did not hold in time.
    Undetected = "undetected": "the alert did not hold in time",
    /// The page was delivered to another receiver, or to one behind which nobody is on call.
    Misrouted = "misrouted": "the page did not reach whom it should",
    /// The alert fired, and Alertmanager kept it back: a silence, an inhibition, a mute time.
    Suppressed = "suppressed": "the page was kept back",
    /// The page came, or would have come, later than `detect` allows.
    Late = "late": "the page came too late",
    /// Somebody was paged while nothing was broken, for an alert that must be quiet, or too often.
    Noisy = "noisy": "somebody was paged who should not have been",
    /// Nobody acknowledged the page, and the second line was not paged in time.
    Unescalated = "unescalated": "the second line was not paged",
    /// Users had recovered before the first mitigating command, or without any runbook.
    SelfHealed = "self_healed": "users recovered without the runbook",
    /// `impact: none` was promised, and an SLI missed its objective.
    Breached = "breached": "users noticed a fault that they should not",
    /// A command of the runbook failed.
    StepFailed = "step_failed": "a step of the runbook failed",
    /// A step has an input without a value, and never ran.
    StepBlocked = "step_blocked": "a step of the runbook could not be carried out",
    /// The runbook was followed to its end and users did not recover within `recover.within`, or relapsed before the faults
    /// were undone.
    NotRecovered = "not_recovered": "users did not recover",
    /// Users recovered, and later than the recovery time objective allows.
    TooLate = "too_late": "users recovered too late",
    /// An invariant did not hold, or writes are lost that were acknowledged after users had recovered: what the fault or the cure did
    /// to the system is worse than what was cured.
    Damaged = "damaged": "something was destroyed",
    /// Everything held, and the incident was more severe than the scenario declares.
    Understated = "understated": "the incident was more severe than declared",
    /// A fault could not be undone, or the SLIs did not hold after it was.
    NotReverted = "not_reverted": "the stack could not be brought back",
    /// Something was left behind after the stack was removed.
    Leaked = "leaked": "something was left behind",
    /// Ctrl-C or SIGTERM.
    Interrupted = "interrupted": "it was stopped",
    /// Firedrill or its environment broke; says nothing about the runbook.
    HarnessError = "harness_error": "Firedrill or its environment broke",
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::testing::{Story, record_of};

    #[test]
    fn every_story_has_its_outcome() {
        let all = [
            (Story::Passed, RunOutcome::Passed),
            (Story::NotRecovered, RunOutcome::Failed),
            (Story::StepFailed, RunOutcome::Failed),
            (Story::StepBlocked, RunOutcome::Failed),
            (Story::Unsteady, RunOutcome::Failed),
            (Story::HarnessError, RunOutcome::Broken),
            (Story::Interrupted, RunOutcome::Interrupted),
            (Story::ExpectedFailure, RunOutcome::Passed),
            (Story::UnexpectedPass, RunOutcome::Failed),
            (Story::Control, RunOutcome::Passed),
            (Story::ControlRecovered, RunOutcome::Failed),
            (Story::Killed, RunOutcome::Broken),
        ];
        for (story, outcome) in all {
            assert_eq!(record_of(story).outcome(), outcome, "{story:?}");
        }
    }

    #[test]
    fn only_what_has_no_verdict_is_disturbed() {
        for story in Story::ALL {
            let mut record = record_of(story);
            record.disturbed = Some(record.reason.clone());
            assert_eq!(record.is_disturbed(), record.verdict == Verdict::HarnessError, "{story:?}");
            // Something else broke, and the disturbance was only noticed afterwards.
            record.disturbed = Some("busy".into());
            assert!(!record.is_disturbed(), "{story:?}");
            record.disturbed = Some(record.reason.clone());
            record.left.push("network x".into());
            assert!(!record.is_disturbed(), "{story:?}: what was left behind is told");
        }
        assert!(!Record { disturbed: None, ..record_of(Story::HarnessError) }.is_disturbed());
    }

    #[test]
    fn an_empty_record_is_no_pass() {
        assert_eq!(Record::default().outcome(), RunOutcome::Broken);
        assert!(!Record { verdict: Verdict::Passed, ended: true, ..Record::default() }.passed(), "without a plan");
    }

    #[test]
    fn a_pass_needs_its_end() {
        let record = Record { ended: false, ..record_of(Story::Passed) };
        assert_eq!(record.outcome(), RunOutcome::Broken);
    }

    #[test]
    fn an_expected_failure_that_left_something_behind_is_no_pass() {
        let mut record = record_of(Story::ExpectedFailure);
        record.left.push("network x".into());
        assert_eq!(record.outcome(), RunOutcome::Broken);
        let mut record = record_of(Story::ExpectedFailure);
        record.aftermath.push(Judgement {
            verdict: Verdict::NotReverted,
            reason: "the lock is still held".into(),
            at: None,
            judged_us: Default::default(),
        });
        assert_eq!(record.outcome(), RunOutcome::Failed);
    }

    #[test]
    fn the_control_may_be_called_by_what_was_seen() {
        let mut record = record_of(Story::Control);
        record.verdict = Verdict::NotRecovered;
        assert!(record.passed());
        record.verdict = Verdict::NoImpact;
        assert_eq!(record.outcome(), RunOutcome::Failed);
    }

    #[test]
    fn the_worst_of_several_is_the_maximum() {
        let worst = [RunOutcome::Passed, RunOutcome::Broken, RunOutcome::Failed].into_iter().max();
        assert_eq!(worst.map(RunOutcome::exit_code), Some(3));
    }

    #[test]
    fn still_broken_stands_before_the_first_mitigating_step() {
        let checks = record_of(Story::Passed).planned_checks();
        let at = checks.iter().position(|c| *c == Check::StillBroken).unwrap();
        assert!(matches!(&checks[at + 1], Check::Step { step } if step.starts_with("mitigate/")));
        assert!(matches!(&checks[at - 1], Check::Step { step } if step.starts_with("diagnose/")));
        assert_eq!(checks.first(), Some(&Check::Steady));
        assert_eq!(checks.last(), Some(&Check::NothingLeft));
    }
}
