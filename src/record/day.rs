//! A game day: what was planned, which drill was started when and how it came out, and what that adds up to. Like a drill it
//! is a stream of events (`gameday.jsonl`), so a game day that was cut off still has its story. The drills' own stories are
//! in their own records.
//!
//! ```text
//! .firedrill/gamedays/<id>/
//!   gameday.jsonl   what happened, flushed as it happens
//!   gameday.json    what it adds up to
//!   report.html  report.md  junit.xml
//!   lock            held while its runner lives
//!   files/          the game day's file as it was
//!   logs/           of building and pulling images
//!   manifest.json   the SHA-256 of every file, see `evidence`
//!   runs/<run>/     the run directory of every attempt, with a chain of their own
//! ```

use super::stream::{Observer, StoryOut, add_up};
use super::{FileRef, RunOutcome, Verdict, micros};
use crate::locked;
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::BufRead;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// What a game day set out to do.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct DayPlan {
    /// `RECORD_FORMAT` of the writer.
    pub format: u32,
    /// Version of the tool.
    pub tool_version: String,
    /// Id: unique, sorts by time: `20261120T020000Z-nightly-3f9a`.
    pub id: String,
    /// Name: the file's without `.yaml`.
    pub name: String,
    /// Title.
    pub title: String,
    /// When it began, RFC 3339 in UTC.
    pub started_utc: String,
    /// The file, unless the scenarios were named on the command line.
    pub file: Option<FileRef>,
    /// Commit of the project's Git repository, with `-dirty` where files that Git knows had changed.
    pub revision: Option<String>,
    /// Seed of the order and of the drills.
    pub seed: u64,
    /// `2/4` is `(2, 4)`: the part of the plan that this run carries out.
    pub shard: Option<(u32, u32)>,
    /// Time budget in microseconds.
    pub budget_us: Option<u64>,
    /// How often a drill that failed may be run again.
    pub retry: u32,
    /// Whether the first failure ends the game day.
    pub fail_fast: bool,
    /// Whether a flaky drill is a failure of the game day (`flaky: fail`).
    pub flaky_fails: bool,
    /// Which run of CI it is part of, where there is one: `8123/2` is the second attempt at the run 8123. All shards of one
    /// run of CI agree on it.
    pub occasion: Option<String>,
    /// Every n-th run of a scenario is a control: `1/7` is 7.
    pub control_every: Option<u32>,
    /// How many drills may run at once at most, and why, in words: `6: memory for 9, processors for 6, address pools for 14`.
    pub limits: String,
    /// The drills, in the order in which they are to be started.
    pub drills: Vec<PlannedDrill>,
    /// Scenarios that the file names and that this run leaves out, with the reason (`not affected by main`, `shard 2/4`).
    pub left_out: Vec<LeftOutDrill>,
}

/// A drill that a game day plans.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedDrill {
    /// Number, from 1; the same in every shard.
    pub number: usize,
    /// Name of the scenario.
    pub scenario: String,
    /// Its title.
    pub title: String,
    /// The scenario's tags.
    #[serde(default)]
    pub tags: Vec<String>,
    /// Which repetition it is, from 1.
    pub repetition: u32,
    /// Whether it is the control: the same drill without the runbook.
    pub control: bool,
}

impl PlannedDrill {
    /// How it is called where several drills are: its scenario, which repetition, whether it is the control.
    pub fn label(&self) -> String {
        label(&self.scenario, self.repetition, self.control)
    }
}

/// How a drill is called: `db-pool`, `db-pool #3` for the third repetition, `db-pool (control)`.
pub fn label(scenario: &str, repetition: u32, control: bool) -> String {
    let repetition = if repetition > 1 { format!(" #{repetition}") } else { String::new() };
    let control = if control { " (control)" } else { "" };
    format!("{scenario}{repetition}{control}")
}

/// A drill that a game day leaves out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeftOutDrill {
    /// Name of the scenario.
    pub scenario: String,
    /// Why.
    pub why: String,
    /// Whether it was asked for and cannot be drilled there: every report names it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub refused: bool,
}

/// Why a drill is started.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// The plan says so.
    #[default]
    Planned,
    /// Its last attempt was disturbed and said nothing: it is run again, alone.
    Disturbed,
    /// Its last attempt failed, and the game day allows a retry.
    Retry,
    /// Its last attempt was lost with the machine that ran it, and said nothing: it is run again once.
    Lost,
}

named_enum! {
/// Why a game day ended before its plan was carried out.
pub enum Stopped {
    /// The first failure ends it (`on_failure: stop`).
    FirstFailure = "first_failure": "the game day ended with the first failure",
    /// Its time budget ran out.
    Budget = "budget": "the time budget of the game day ran out",
    /// Ctrl-C, SIGTERM or SIGHUP.
    Signal = "signal": "a signal stopped the game day",
}
}

/// What happens in a game day.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum DayEvent {
    /// First event: what will be done.
    DayAnnounced(Box<DayPlan>),
    /// The images of all stacks are there: what building and pulling took, in microseconds.
    ImagesReady { took_us: u64 },
    /// An attempt, counted from 1, at a drill of this number in the plan begins, and why; the directory of the run is `runs/<run>`.
    /// `running` drills are under way, this one included; since the last start it had been waited `waited_us` microseconds for room.
    DrillStarted { number: usize, attempt: u32, run: String, cause: Cause, running: usize, waited_us: u64 },
    /// It ended.
    DrillEnded {
        /// Number of the drill in the plan.
        number: usize,
        /// Attempt, from 1.
        attempt: u32,
        /// Id of the run.
        run: String,
        /// Its verdict.
        verdict: Verdict,
        /// What that means.
        outcome: RunOutcome,
        /// Whether its measuring was disturbed: then it says nothing, and is run again.
        disturbed: bool,
        /// Why, in the words of the record.
        reason: String,
    },
    /// A drill of the plan, by its number there, will not be started, and why: the budget, an earlier failure, a signal.
    DrillNotRun { number: usize, why: String },
    /// Something that people should know.
    DayNote { text: String },
    /// The plan is not carried out as a whole. There may be several, the weightiest one last: a signal after the budget ran out.
    DayStopped { why: Stopped },
    /// Last event.
    DayEnded,
}

/// An event with its time: one line of `gameday.jsonl`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DayStamped {
    /// Microseconds since the game day began, on the runner's monotonic clock.
    pub at_us: u64,
    /// What happened.
    pub event: DayEvent,
}

/// One attempt at a drill.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Attempt {
    /// Attempt, from 1.
    pub attempt: u32,
    /// Id of the run.
    pub run: String,
    /// Why it was made.
    pub cause: Cause,
    /// When it began, in microseconds since the game day began.
    pub started_us: u64,
    /// Drills that were under way then, this one included.
    pub running: usize,
    /// How long it had been waited for room since the last start, in microseconds.
    #[serde(default)]
    pub waited_us: u64,
    /// When it ended; `None` when the game day was cut off in it.
    pub ended_us: Option<u64>,
    /// Its verdict.
    pub verdict: Verdict,
    /// What that means; `None` while it runs.
    pub outcome: Option<RunOutcome>,
    /// Whether its measuring was disturbed.
    pub disturbed: bool,
    /// Why, in the words of the record.
    pub reason: String,
}

impl Attempt {
    /// Notes its end.
    pub fn end(&mut self, at_us: u64, verdict: Verdict, outcome: RunOutcome, disturbed: bool, reason: String) {
        (self.ended_us, self.verdict, self.outcome) = (Some(at_us), verdict, Some(outcome));
        (self.disturbed, self.reason) = (disturbed, reason);
    }
}

/// A drill of the plan and what became of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DayDrill {
    /// What was planned.
    #[serde(flatten)]
    pub planned: PlannedDrill,
    /// Every attempt, in order.
    pub attempts: Vec<Attempt>,
    /// Why it was not started, when the game day said so.
    pub not_run: Option<String>,
}

/// What a game day adds up to.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Day {
    /// What was planned.
    pub plan: DayPlan,
    /// The drills, in the order of the plan.
    pub drills: Vec<DayDrill>,
    /// What getting the images took, in microseconds.
    pub images_us: Option<u64>,
    /// What people should know.
    pub notes: Vec<String>,
    /// Why it ended before its plan was carried out, the weightiest reason; `None` when it did not, or nothing says so.
    pub stopped: Option<Stopped>,
    /// Time of the last event in microseconds.
    pub last_us: u64,
    /// Whether the last event was seen; a game day without it was cut off.
    pub ended: bool,
    /// Whether its runner lives, as whoever read it from the disk has seen: without an end it is under way then, and not cut off.
    #[serde(skip)]
    pub alive: bool,
    /// What was wrong with the events.
    pub damage: Vec<String>,
}

impl Day {
    /// Takes one event into account. Never fails: what fits nothing is said so in `damage`.
    pub fn apply(&mut self, stamped: &DayStamped) {
        self.last_us = self.last_us.max(stamped.at_us);
        match stamped.event.clone() {
            DayEvent::DayAnnounced(plan) => {
                let drill =
                    |planned: &PlannedDrill| DayDrill { planned: planned.clone(), attempts: Vec::new(), not_run: None };
                self.drills = plan.drills.iter().map(drill).collect();
                self.plan = *plan;
            }
            DayEvent::ImagesReady { took_us } => self.images_us = Some(took_us),
            DayEvent::DrillStarted { number, attempt, run, cause, running, waited_us } => {
                let started_us = stamped.at_us;
                let begun = Attempt { attempt, run, cause, started_us, running, waited_us, ..Attempt::default() };
                match self.drill(number) {
                    Some(drill) => drill.attempts.push(begun),
                    None => self.damage.push(format!("drill {number} was started and is not in the plan")),
                }
            }
            DayEvent::DrillEnded { number, run, verdict, outcome, disturbed, reason, .. } => {
                match self.drill(number).and_then(|d| d.attempts.iter_mut().find(|a| a.run == run)) {
                    Some(attempt) => attempt.end(stamped.at_us, verdict, outcome, disturbed, reason),
                    None => self.damage.push(format!("run {run} ended and had not begun")),
                }
            }
            DayEvent::DrillNotRun { number, why } => {
                if let Some(drill) = self.drill(number) {
                    drill.not_run = Some(why);
                }
            }
            DayEvent::DayNote { text } => self.notes.push(text),
            DayEvent::DayStopped { why } => self.stopped = self.stopped.max(Some(why)),
            DayEvent::DayEnded => self.ended = true,
        }
    }

    fn drill(&mut self, number: usize) -> Option<&mut DayDrill> {
        self.drills.iter_mut().find(|drill| drill.planned.number == number)
    }

    /// Rebuilds a game day from its events, one JSON object a line; lines that cannot be read are left out and said so.
    pub fn from_events(reader: impl BufRead) -> Day {
        add_up(reader, Day::apply, |day, damage| day.damage.push(damage))
    }
}

named_enum! {
/// What became of a drill of a game day, all of its attempts taken together. From best to worst.
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

impl RunOutcome {
    /// What becomes of a drill by this outcome alone.
    pub fn status(self) -> DrillStatus {
        match self {
            RunOutcome::Passed => DrillStatus::Passed,
            RunOutcome::Failed => DrillStatus::Failed,
            RunOutcome::Broken => DrillStatus::Broken,
            RunOutcome::Interrupted => DrillStatus::Interrupted,
        }
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
    /// Counts these drills, each with its status and its attempts.
    pub fn of<'a, A: IntoIterator<Item = &'a Attempt>>(drills: impl Iterator<Item = (DrillStatus, A)>) -> Account {
        let mut sum = Account::default();
        for (status, attempts) in drills {
            for attempt in attempts {
                sum.disturbed += usize::from(attempt.disturbed);
                sum.retries += usize::from(attempt.cause == Cause::Retry);
            }
            let counted = match status {
                DrillStatus::Passed => &mut sum.passed,
                DrillStatus::Flaky => &mut sum.flaky,
                DrillStatus::NotRun => &mut sum.not_run,
                DrillStatus::Failed => &mut sum.failed,
                DrillStatus::Broken => &mut sum.broken,
                DrillStatus::Incomplete => &mut sum.incomplete,
                DrillStatus::Interrupted => &mut sum.interrupted,
            };
            *counted += 1;
            sum.planned += 1;
        }
        sum
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
            Some(outcome) => outcome.status(),
        }
    }
}

impl Day {
    /// How many drills came out how.
    pub fn account(&self) -> Account {
        Account::of(self.drills.iter().map(|drill| (drill.status(), &drill.attempts)))
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

/// Takes the events of a game day. Clones write to the same stream.
#[derive(Clone)]
pub struct DaySink {
    started: Instant,
    /// The game day so far, and where its events go.
    inner: Arc<Mutex<(Day, StoryOut<DayStamped>)>>,
}

impl DaySink {
    /// A sink that starts the game day's clock now. `file` is `gameday.jsonl`, opened for appending.
    pub fn new(file: Option<File>, observers: Vec<Box<dyn Observer<DayStamped>>>) -> DaySink {
        let inner = (Day::default(), StoryOut { file, failed: None, observers });
        DaySink { started: Instant::now(), inner: Arc::new(Mutex::new(inner)) }
    }

    /// How long the game day has been under way.
    pub fn now(&self) -> Duration {
        self.started.elapsed()
    }

    /// Stamps an event, writes it to disk and shows it to the observers.
    pub fn emit(&self, event: DayEvent) {
        let (day, out) = &mut *locked(&self.inner);
        let stamped = DayStamped { at_us: micros(self.now()), event };
        day.apply(&stamped);
        out.tell(&stamped);
    }

    /// What it adds up to so far.
    pub fn day(&self) -> Day {
        locked(&self.inner).0.clone()
    }

    /// The first error of writing `gameday.jsonl`, if there was one.
    pub fn write_error(&self) -> Option<String> {
        locked(&self.inner).1.failed.clone()
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

#[cfg(test)]
mod sink_tests {
    use super::*;

    #[test]
    fn an_event_is_on_disk_before_it_is_shown() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("gameday.jsonl");
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (shown, file) = (seen.clone(), path.clone());
        let count = move |_: &DayStamped| {
            let lines = std::fs::read_to_string(&file).unwrap().lines().count();
            shown.lock().unwrap().push(lines);
        };
        let sink = DaySink::new(Some(File::create(&path).unwrap()), vec![Box::new(count)]);
        sink.emit(DayEvent::DayNote { text: "a".into() });
        sink.clone().emit(DayEvent::DayNote { text: "b".into() });
        assert_eq!(*seen.lock().unwrap(), [1, 2]);
        let read = Day::from_events(std::fs::read(&path).unwrap().as_slice());
        assert_eq!(read, sink.day());
        assert_eq!((read.notes.as_slice(), sink.write_error()), (["a".to_string(), "b".to_string()].as_slice(), None));
    }

    #[test]
    fn what_cannot_be_written_is_kept_in_mind() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("gameday.jsonl");
        File::create(&path).unwrap();
        let sink = DaySink::new(Some(File::open(&path).unwrap()), Vec::new());
        sink.emit(DayEvent::DayEnded);
        assert!(sink.write_error().is_some() && sink.day().ended);
    }
}
