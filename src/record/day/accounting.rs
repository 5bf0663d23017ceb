//! The accounts of a game day: a drill that passed at the first attempt has passed, one that needed a retry is flaky and
//! never simply passed, and an attempt whose measuring was disturbed counts for nothing.

use super::{Attempt, Cause, Day, DayDrill, Stopped};
use crate::record::RunOutcome;
use serde::{Deserialize, Serialize};

named_enum! {
/// What became of a drill of a game day, all of its attempts taken together. From best to worst.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DrillStatus {
    /// The first attempt that says anything passed.
    Passed = "passed",
    /// An attempt failed and a later one passed.
    Flaky = "flaky",
    /// It was not started.
    NotRun = "not run",
    /// No attempt passed.
    Failed = "failed",
    /// The harness broke, or every attempt was disturbed: it says nothing.
    Broken = "harness error",
    /// It was begun and has no end.
    Incomplete = "incomplete",
    /// It was stopped: by a signal, or because the time budget ran out.
    Interrupted = "interrupted",
}
}

/// How many drills came out how.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// Drills of the plan.
    pub planned: usize,
    /// Passed at the first attempt that says anything.
    pub passed: usize,
    /// Failed and then passed.
    pub flaky: usize,
    /// Failed.
    pub failed: usize,
    /// Harness errors.
    pub broken: usize,
    /// Begun and without an end.
    pub incomplete: usize,
    /// Stopped, by a signal or because the time budget ran out.
    pub interrupted: usize,
    /// Not started.
    pub not_run: usize,
    /// Attempts whose measuring was disturbed, and which were run again.
    pub disturbed: usize,
    /// Attempts that were made because an earlier one had failed.
    pub retries: usize,
}

impl Account {
    /// Counts one more drill, with its attempts.
    pub fn add<'a>(&mut self, status: DrillStatus, attempts: impl IntoIterator<Item = &'a Attempt>) {
        for attempt in attempts {
            self.disturbed += usize::from(attempt.disturbed);
            self.retries += usize::from(attempt.cause == Cause::Retry);
        }
        let counted = match status {
            DrillStatus::Passed => &mut self.passed,
            DrillStatus::Flaky => &mut self.flaky,
            DrillStatus::NotRun => &mut self.not_run,
            DrillStatus::Failed => &mut self.failed,
            DrillStatus::Broken => &mut self.broken,
            DrillStatus::Incomplete => &mut self.incomplete,
            DrillStatus::Interrupted => &mut self.interrupted,
        };
        *counted += 1;
        self.planned += 1;
    }
}

impl DayDrill {
    /// The attempts that say something: those that were not disturbed.
    pub fn telling(&self) -> impl DoubleEndedIterator<Item = &Attempt> {
        self.attempts.iter().filter(|attempt| !attempt.disturbed)
    }

    /// The attempt that its status speaks of: of a drill that failed the last one that did, otherwise the last one that says something.
    pub fn counting(&self) -> Option<&Attempt> {
        let failed = self.telling().rfind(|attempt| attempt.outcome == Some(RunOutcome::Failed));
        let failed = failed.filter(|_| self.status() == DrillStatus::Failed);
        failed.or_else(|| self.telling().next_back()).or(self.attempts.last())
    }

    /// What became of it.
    pub fn status(&self) -> DrillStatus {
        if self.attempts.is_empty() {
            return DrillStatus::NotRun;
        }
        let Some(last) = self.telling().next_back() else { return DrillStatus::Broken };
        let failed = self.telling().any(|attempt| attempt.outcome == Some(RunOutcome::Failed));
        match last.outcome {
            // An attempt that says nothing takes nothing back.
            Some(RunOutcome::Broken | RunOutcome::Interrupted) if failed => DrillStatus::Failed,
            None if failed => DrillStatus::Failed,
            None => DrillStatus::Incomplete,
            Some(RunOutcome::Passed) if failed => DrillStatus::Flaky,
            Some(RunOutcome::Passed) => DrillStatus::Passed,
            Some(RunOutcome::Failed) => DrillStatus::Failed,
            Some(RunOutcome::Broken) => DrillStatus::Broken,
            Some(RunOutcome::Interrupted) => DrillStatus::Interrupted,
        }
    }
}

impl Day {
    /// How many drills came out how.
    pub fn account(&self) -> Account {
        let mut account = Account::default();
        self.drills.iter().for_each(|drill| account.add(drill.status(), &drill.attempts));
        account
    }

    /// How it came out: the worst of its drills. A flaky one has passed, unless the file says otherwise. One that was not run
    /// or was stopped by the budget says nothing, so the whole is not passed, and neither is a game day without an end. What a
    /// failure kept from being started, because the game day ends with the first one, leaves it at that failure.
    pub fn outcome(&self) -> RunOutcome {
        let failed = self.drills.iter().any(|drill| drill.status() == DrillStatus::Failed);
        let failed_fast = failed && self.stopped == Some(Stopped::FirstFailure);
        let of = |drill: &DayDrill| match drill.status() {
            DrillStatus::Passed => RunOutcome::Passed,
            DrillStatus::Flaky if self.plan.flaky_fails => RunOutcome::Failed,
            DrillStatus::Flaky => RunOutcome::Passed,
            DrillStatus::Failed => RunOutcome::Failed,
            DrillStatus::NotRun if failed_fast => RunOutcome::Failed,
            DrillStatus::NotRun | DrillStatus::Broken | DrillStatus::Incomplete => RunOutcome::Broken,
            DrillStatus::Interrupted if self.stopped == Some(Stopped::Budget) => RunOutcome::Broken,
            DrillStatus::Interrupted => RunOutcome::Interrupted,
        };
        let floor = match self.stopped {
            Some(Stopped::Signal) => RunOutcome::Interrupted,
            _ if self.ended => RunOutcome::Passed,
            _ => RunOutcome::Broken,
        };
        self.drills.iter().map(of).fold(floor, RunOutcome::max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{DayEvent, DayPlan, DayStamped, PlannedDrill, Verdict};

    type Came = (Option<RunOutcome>, bool);

    /// A day of one drill, whose attempts come out like this: outcome and whether it was disturbed.
    fn day(attempts: &[Came]) -> Day {
        let planned = PlannedDrill {
            number: 1,
            scenario: "db-pool".into(),
            title: String::new(),
            tags: Vec::new(),
            repetition: 1,
            control: false,
        };
        let plan = DayPlan { drills: vec![planned], ..DayPlan::default() };
        let mut events = vec![DayEvent::DayAnnounced(Box::new(plan))];
        for (at, (outcome, disturbed)) in attempts.iter().enumerate() {
            let (run, attempt, cause) = (format!("run-{at}"), at as u32 + 1, Cause::Planned);
            events.push(DayEvent::DrillStarted {
                number: 1,
                attempt,
                run: run.clone(),
                cause,
                running: 1,
                waited_us: 0,
            });
            if let Some(outcome) = *outcome {
                let (verdict, disturbed, reason) = (Verdict::Passed, *disturbed, String::new());
                events.push(DayEvent::DrillEnded { number: 1, attempt, run, verdict, outcome, disturbed, reason });
            }
        }
        let mut lines = Vec::new();
        for (at_us, event) in (0..).zip(events) {
            serde_json::to_writer(&mut lines, &DayStamped { at_us, event }).unwrap();
            lines.push(b'\n');
        }
        Day::from_events(lines.as_slice())
    }

    #[test]
    fn a_drill_is_what_its_telling_attempts_say() {
        use RunOutcome::{Broken, Failed, Interrupted, Passed};
        let all: [(&[Came], DrillStatus); 11] = [
            (&[], DrillStatus::NotRun),
            (&[(Some(Passed), false)], DrillStatus::Passed),
            (&[(Some(Broken), true), (Some(Passed), false)], DrillStatus::Passed),
            (&[(Some(Failed), false), (Some(Passed), false)], DrillStatus::Flaky),
            (&[(Some(Failed), false), (Some(Failed), false)], DrillStatus::Failed),
            (&[(Some(Failed), false), (Some(Broken), true), (Some(Passed), false)], DrillStatus::Flaky),
            (&[(Some(Broken), true), (Some(Broken), true)], DrillStatus::Broken),
            (&[(None, false)], DrillStatus::Incomplete),
            (&[(Some(Failed), false), (None, false)], DrillStatus::Failed),
            (&[(Some(Failed), false), (Some(Broken), false)], DrillStatus::Failed),
            (&[(Some(Interrupted), false)], DrillStatus::Interrupted),
        ];
        for (attempts, status) in all {
            assert_eq!(day(attempts).drills[0].status(), status, "{attempts:?}");
        }
        let counts = |attempts: &[Came]| day(attempts).drills[0].counting().map(|attempt| attempt.attempt);
        assert_eq!(
            counts(&[(Some(Failed), false), (Some(Broken), false)]),
            Some(1),
            "what says nothing takes nothing back"
        );
        assert_eq!(counts(&[(Some(Failed), false), (Some(Failed), false), (None, false)]), Some(2));
        assert_eq!(counts(&[(Some(Failed), false), (Some(Passed), false), (Some(Broken), true)]), Some(2));
        assert_eq!((counts(&[(Some(Broken), true), (Some(Broken), true)]), counts(&[])), (Some(2), None));
        let account = day(&[(Some(Broken), true), (Some(Passed), false)]).account();
        assert_eq!((account.planned, account.passed, account.disturbed, account.flaky), (1, 1, 1, 0));
    }

    #[test]
    fn a_game_day_that_was_stopped_comes_out_by_what_stopped_it() {
        let cases = [
            (None, RunOutcome::Interrupted),
            (Some(Stopped::Budget), RunOutcome::Broken),
            (Some(Stopped::Signal), RunOutcome::Interrupted),
        ];
        for (stopped, outcome) in cases {
            let day = Day { stopped, ended: true, ..day(&[(Some(RunOutcome::Interrupted), false)]) };
            assert_eq!(day.outcome(), outcome, "{stopped:?}");
        }
        let mut both = Day::default();
        for why in [Stopped::Budget, Stopped::Signal, Stopped::Budget] {
            both.apply(&DayStamped { at_us: 1, event: DayEvent::DayStopped { why } });
        }
        assert_eq!((both.stopped, both.outcome()), (Some(Stopped::Signal), RunOutcome::Interrupted));
    }

    #[test]
    fn a_torn_last_line_is_said_and_nothing_is_lost() {
        let text = r#"{"at_us":0,"event":{"type":"day_announced","drills":[]}}
{"at_us":5,"event":{"type":"day_note","text":"x"}}
{"at_us":6,"event":{"type":"day_en"#;
        let day = Day::from_events(text.as_bytes());
        assert_eq!((day.notes.len(), day.damage.len(), day.ended, day.last_us), (1, 1, false, 5));
    }
}
