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

mod accounting;
mod sink;

pub use accounting::{Account, DrillStatus};
pub use sink::{DayObserver, DaySink};

use super::stream::read_lines;
use super::{FileRef, RunOutcome, Verdict};
use serde::{Deserialize, Serialize};
use std::io::BufRead;

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

/// Why a game day ended before its plan was carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stopped {
    /// The first failure ends it (`on_failure: stop`).
    FirstFailure,
    /// Its time budget ran out.
    Budget,
    /// Ctrl-C, SIGTERM or SIGHUP.
    Signal,
}

/// What happens in a game day.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum DayEvent {
    /// First event: what will be done.
    DayAnnounced(Box<DayPlan>),
    /// The images of all stacks are there.
    ImagesReady {
        /// What building and pulling took, in microseconds.
        took_us: u64,
    },
    /// An attempt at a drill begins.
    DrillStarted {
        /// Number of the drill in the plan.
        number: usize,
        /// Attempt, from 1.
        attempt: u32,
        /// Id of the run: its directory is `runs/<run>`.
        run: String,
        /// Why.
        cause: Cause,
        /// Drills under way, this one included.
        running: usize,
        /// How long it had been waited for room since the last start, in microseconds.
        waited_us: u64,
    },
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
    /// A drill of the plan will not be started.
    DrillNotRun {
        /// Number of the drill in the plan.
        number: usize,
        /// Why: the budget, an earlier failure, a signal.
        why: String,
    },
    /// Something that people should know.
    DayNote {
        /// The text.
        text: String,
    },
    /// The plan is not carried out as a whole. There may be several, the weightiest one last: a signal after the budget ran out.
    DayStopped {
        /// Why.
        why: Stopped,
    },
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
    /// What was wrong with the events.
    pub damage: Vec<String>,
}

impl Day {
    /// Takes one event into account. Never fails: what fits nothing is said so in `damage`.
    pub fn apply(&mut self, stamped: &DayStamped) {
        self.last_us = self.last_us.max(stamped.at_us);
        match &stamped.event {
            DayEvent::DayAnnounced(plan) => {
                let drill =
                    |planned: &PlannedDrill| DayDrill { planned: planned.clone(), attempts: Vec::new(), not_run: None };
                self.drills = plan.drills.iter().map(drill).collect();
                self.plan = (**plan).clone();
            }
            DayEvent::ImagesReady { took_us } => self.images_us = Some(*took_us),
            DayEvent::DrillStarted { number, attempt, run, cause, running, waited_us } => {
                let (attempt, run, cause, running, waited_us) = (*attempt, run.clone(), *cause, *running, *waited_us);
                let started_us = stamped.at_us;
                let begun = Attempt { attempt, run, cause, started_us, running, waited_us, ..Attempt::default() };
                match self.drill(*number) {
                    Some(drill) => drill.attempts.push(begun),
                    None => self.damage.push(format!("drill {number} was started and is not in the plan")),
                }
            }
            DayEvent::DrillEnded { number, run, verdict, outcome, disturbed, reason, .. } => {
                let attempt = self.drill(*number).and_then(|d| d.attempts.iter_mut().find(|a| a.run == *run));
                match attempt {
                    Some(attempt) => {
                        attempt.ended_us = Some(stamped.at_us);
                        attempt.verdict = *verdict;
                        attempt.outcome = Some(*outcome);
                        attempt.disturbed = *disturbed;
                        attempt.reason = reason.clone();
                    }
                    None => self.damage.push(format!("run {run} ended and had not begun")),
                }
            }
            DayEvent::DrillNotRun { number, why } => {
                if let Some(drill) = self.drill(*number) {
                    drill.not_run = Some(why.clone());
                }
            }
            DayEvent::DayNote { text } => self.notes.push(text.clone()),
            DayEvent::DayStopped { why } => self.stopped = self.stopped.max(Some(*why)),
            DayEvent::DayEnded => self.ended = true,
        }
    }

    fn drill(&mut self, number: usize) -> Option<&mut DayDrill> {
        self.drills.iter_mut().find(|drill| drill.planned.number == number)
    }

    /// Rebuilds a game day from its events, one JSON object a line; lines that cannot be read are left out and said so.
    pub fn from_events(reader: impl BufRead) -> Day {
        let mut day = Day::default();
        for line in read_lines(reader) {
            match line {
                Ok(stamped) => day.apply(&stamped),
                Err(damage) => day.damage.push(damage),
            }
        }
        day
    }
}
