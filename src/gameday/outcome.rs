//! What a game day comes to, and how long a drill of it is expected to take.

use crate::error::Exit;
use crate::record::{Account, Day};
use crate::spec::{Flaky, Plan};
use std::time::Duration;

/// What starting and removing a stack is taken to need, where no earlier drill tells.
const UP_AND_DOWN: Duration = Duration::from_secs(20);

/// The exit code of a game day, the worst of its drills: 130 when a signal ended it, 3 when a drill broke or was not started
/// (it has not shown what it set out to show), 1 when one failed, 0 otherwise. Drills that were not started because one failed
/// leave it at that failure.
pub fn exit(day: &Day, flaky: Flaky, signalled: bool) -> Exit {
    let Account { flaky: flaky_ones, failed, broken, incomplete, interrupted, not_run, .. } = day.account();
    let left_out = if day.plan.fail_fast && failed > 0 { 0 } else { not_run };
    if signalled {
        Exit::Interrupted
    } else if broken + incomplete + interrupted + left_out > 0 {
        Exit::Harness
    } else if failed > 0 || (flaky == Flaky::Fail && flaky_ones > 0) {
        Exit::Failed
    } else {
        Exit::Passed
    }
}

/// How long a drill takes by the windows that its scenario declares, when all goes well: an impact shows soon, users recover
/// soon. An earlier drill of the scenario knows it better.
pub fn expected(plan: &Plan) -> Duration {
    let impact = if plan.impact.none { plan.impact.within } else { plan.impact.window };
    UP_AND_DOWN + plan.steady_for + impact + plan.recover_hold + plan.revert_hold
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Attempt, Cause, DayDrill, DayPlan, Outcome, PlannedDrill, Verdict};

    fn drill(outcomes: &[Outcome]) -> DayDrill {
        let planned = PlannedDrill {
            number: 1,
            scenario: "a".into(),
            title: String::new(),
            tags: vec![],
            repetition: 1,
            control: false,
        };
        let attempt = |outcome: &Outcome| Attempt {
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
        use Outcome::{Broken, Failed, Interrupted, Passed};
        let cases: [(&[&[Outcome]], bool, bool, Exit); 9] = [
            (&[&[Passed], &[Passed]], false, false, Exit::Passed),
            (&[], false, false, Exit::Passed),
            (&[&[Passed], &[Failed, Passed]], false, false, Exit::Passed),
            (&[&[Passed], &[Failed]], false, false, Exit::Failed),
            (&[&[Failed], &[Broken]], false, false, Exit::Harness),
            (&[&[Passed], &[]], false, false, Exit::Harness),
            (&[&[Failed], &[]], true, false, Exit::Failed),
            (&[&[Interrupted], &[Passed]], false, false, Exit::Harness),
            (&[&[Failed], &[Broken], &[Interrupted]], false, true, Exit::Interrupted),
        ];
        for (drills, fail_fast, signalled, wanted) in cases {
            let plan = DayPlan { fail_fast, ..DayPlan::default() };
            let day = Day { plan, drills: drills.iter().map(|all| drill(all)).collect(), ..Day::default() };
            assert_eq!(exit(&day, Flaky::Pass, signalled), wanted, "{drills:?}");
        }
        let flaky = Day { drills: vec![drill(&[Failed, Passed])], ..Day::default() };
        assert_eq!(exit(&flaky, Flaky::Fail, false), Exit::Failed);
    }
}
