//! What a game day comes to, and how long a drill of it is expected to take.

use crate::error::Exit;
use crate::record::RunOutcome;
use crate::spec::Plan;
use std::time::Duration;

/// What starting and removing a stack is taken to need, where no earlier drill tells.
const UP_AND_DOWN: Duration = Duration::from_secs(20);

/// The exit code of one drill or of many.
pub fn exit_of(outcome: RunOutcome) -> Exit {
    match outcome {
        RunOutcome::Passed => Exit::Passed,
        RunOutcome::Failed => Exit::Failed,
        RunOutcome::Broken => Exit::Harness,
        RunOutcome::Interrupted => Exit::Interrupted,
    }
}

/// How long a drill takes by the windows that its scenario declares, when all goes well: an impact shows soon, users recover
/// soon. An earlier drill of the scenario knows it better.
pub fn expected(plan: &Plan) -> Duration {
    let impact = if plan.impact.none { plan.impact.within } else { plan.impact.window };
    let hold = plan.recover_hold.max(plan.shown_after());
    UP_AND_DOWN + plan.steady_for + impact + hold + plan.told_every() + plan.revert_hold
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Attempt, Cause, Day, DayDrill, DayPlan, PlannedDrill, Stopped, Verdict};

    /// The attempts of each drill, what stopped it, and the exit code.
    type Case<'a> = (&'a [&'a [RunOutcome]], Option<Stopped>, Exit);

    fn drill(outcomes: &[RunOutcome]) -> DayDrill {
        let planned = PlannedDrill {
            number: 1,
            scenario: "a".into(),
            title: String::new(),
            tags: vec![],
            repetition: 1,
            control: false,
        };
        let attempt = |outcome: &RunOutcome| Attempt {
            attempt: 1,
            run: "r".into(),
            cause: Cause::Planned,
            started_us: 0,
            running: 1,
            ended_us: Some(1),
            verdict: Verdict::Passed,
            outcome: Some(*outcome),
            disturbed: false,
            reason: String::new(),
            waited_us: 0,
        };
        DayDrill { planned, attempts: outcomes.iter().map(attempt).collect(), not_run: None }
    }

    #[test]
    fn the_worst_drill_is_the_exit() {
        use RunOutcome::{Broken, Failed, Interrupted, Passed};
        use Stopped::{Budget, FirstFailure, Signal};
        let cases: [Case<'_>; 10] = [
            (&[&[Passed], &[Passed]], None, Exit::Passed),
            (&[], None, Exit::Passed),
            (&[&[Passed], &[Failed, Passed]], None, Exit::Passed),
            (&[&[Passed], &[Failed]], None, Exit::Failed),
            (&[&[Failed], &[Broken]], None, Exit::Harness),
            (&[&[Passed], &[]], Some(Budget), Exit::Harness),
            (&[&[Failed], &[]], Some(FirstFailure), Exit::Failed),
            (&[&[Failed], &[]], Some(Budget), Exit::Harness),
            (&[&[Interrupted], &[Passed]], Some(Budget), Exit::Harness),
            (&[&[Failed], &[Broken], &[Interrupted]], Some(Signal), Exit::Interrupted),
        ];
        // Whether it is to end at the first failure is not what ended it.
        let plan = DayPlan { fail_fast: true, ..DayPlan::default() };
        for (drills, stopped, wanted) in cases {
            let plan = plan.clone();
            let drills = drills.iter().map(|all| drill(all)).collect();
            let day = Day { plan, drills, stopped, ended: true, ..Day::default() };
            assert_eq!(exit_of(day.outcome()), wanted, "{day:?}");
        }
        let plan = DayPlan { flaky_fails: true, ..DayPlan::default() };
        let flaky = Day { plan, drills: vec![drill(&[Failed, Passed])], ended: true, ..Day::default() };
        assert_eq!(exit_of(flaky.outcome()), Exit::Failed);
    }
}
