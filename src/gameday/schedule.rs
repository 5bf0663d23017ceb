//! Which attempt is started when. Pure: it is told the time, who ended how and whether there is room, and says what comes
//! next, so that every decision of a game day can be tested without a clock and without Docker.
//!
//! Drills start in the order of the plan. One that was disturbed is run again alone, when everything else is over, and fewer run at
//! once until a few in a row were not; one that failed and may be retried goes to the end of the queue.

use crate::record::{Cause, RunOutcome, Stopped};
use crate::spec::Show;
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

/// A drill that was disturbed is run again so often; then nothing can be said about it.
const DISTURBED_AGAIN: u32 = 2;

/// A drill whose machine was lost is run again so often: a second loss may be the drill's own doing.
const LOST_AGAIN: u32 = 1;

/// After so many attempts in a row that nothing disturbed, one more may run at once than before. A machine is busy for a while, a game
/// day takes hours.
const CALM: u32 = 4;

/// What a game day allows.
#[derive(Debug, Clone, Default)]
pub struct ScheduleRules {
    /// How often a drill that failed may be run again.
    pub retry: u32,
    /// Whether nothing is started any more once a drill has failed for good.
    pub fail_fast: bool,
    /// So many drills may be starting their stacks at once: the part of a drill that needs processors and not only patience.
    /// None is taken for one.
    pub starting: usize,
    /// All of it must be over by then.
    pub budget: Option<Duration>,
}

/// An attempt that is to be started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Start {
    /// Number of the drill in the plan.
    pub number: usize,
    /// Attempt, from 1.
    pub attempt: u32,
    /// Why.
    pub cause: Cause,
    /// Whether nothing else may run beside it.
    pub alone: bool,
}

/// What is to be done now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NextStart {
    /// This is started; it counts as running from here on.
    Start(Start),
    /// This one will not be started, and why.
    NotRun(Start, String),
    /// Nothing can be started now: another drill starts its stack, nothing is left to be started, what is left is to run alone, or
    /// fewer may run at once. Ask again when something has changed.
    Wait,
    /// There is no room; ask again when something has changed, or has been measured again.
    WaitForRoom,
    /// Nothing runs and nothing is left.
    Done,
}

/// How an attempt came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Came {
    /// What its verdict means.
    pub outcome: RunOutcome,
    /// Whether its measuring was disturbed: then it says nothing.
    pub disturbed: bool,
    /// Whether it was lost with the machine that ran it: then it says nothing, unless it had failed.
    pub lost: bool,
}

#[derive(Debug)]
struct RunningDrill {
    start: Start,
    starting: bool,
    /// Most drills that ran at once while it did, itself included.
    at_once: usize,
}

#[derive(Debug)]
struct ScheduledDrill {
    name: String,
    /// How long it is expected to take.
    takes: Duration,
    /// How often it was disturbed, run again after a failure, and lost.
    disturbed: u32,
    retried: u32,
    lost: u32,
}

/// The queue of a game day and what runs of it.
#[derive(Debug, Default)]
pub struct DaySchedule {
    rules: ScheduleRules,
    queue: VecDeque<Start>,
    alone: VecDeque<Start>,
    running: BTreeMap<usize, RunningDrill>,
    drills: BTreeMap<usize, ScheduledDrill>,
    /// So many run at once at most, since others disturbed one.
    most: usize,
    /// So many attempts ended since then, or since one more was let in, that nothing disturbed.
    calm: u32,
    closed: Option<String>,
    stopped: Option<Stopped>,
}

impl DaySchedule {
    /// A schedule of these drills, in this order: number, what it is called, and how long it is expected to take.
    pub fn new(rules: ScheduleRules, drills: impl IntoIterator<Item = (usize, String, Duration)>) -> DaySchedule {
        let scheduled =
            |(number, name, takes)| (number, ScheduledDrill { name, takes, disturbed: 0, retried: 0, lost: 0 });
        let drills: Vec<_> = drills.into_iter().map(scheduled).collect();
        let planned = |number: usize| Start { number, attempt: 1, cause: Cause::Planned, alone: false };
        let queue = drills.iter().map(|(number, _)| planned(*number)).collect();
        let drills = drills.into_iter().collect();
        DaySchedule { rules, queue, drills, most: usize::MAX, ..DaySchedule::default() }
    }

    /// What is to be done at `now`, counted from the beginning of the game day. `room` is asked last, with the numbers of the
    /// drills that run and of the one that would be started. A drill beside which nothing runs is started whether there is room or
    /// not: there will never be more.
    pub fn next(&mut self, now: Duration, room: impl FnOnce(&[usize], usize) -> bool) -> NextStart {
        if let Some(why) = self.closed.clone() {
            return self.take().map_or_else(|| self.idle(), |start| NextStart::NotRun(start, why));
        }
        let Some(front) = self.queue.front().or(self.alone.front()).cloned() else { return self.idle() };
        if let Some(why) = self.too_late(now, front.number) {
            self.take();
            self.stopped = self.stopped.max(Some(Stopped::Budget));
            return NextStart::NotRun(front, why);
        }
        let running: Vec<usize> = self.running.keys().copied().collect();
        if !running.is_empty() && !self.may_start(&front) {
            return NextStart::Wait;
        }
        if !running.is_empty() && !room(&running, front.number) {
            return NextStart::WaitForRoom;
        }
        self.take();
        self.running.insert(front.number, RunningDrill { start: front.clone(), starting: true, at_once: 0 });
        let count = self.running.len();
        self.running.values_mut().for_each(|drill| drill.at_once = drill.at_once.max(count));
        NextStart::Start(front)
    }

    /// Whether `next` would ask for room: whoever measures what is free does so only then.
    pub fn asks_for_room(&self) -> bool {
        let next = self.queue.front().filter(|_| self.closed.is_none() && !self.running.is_empty());
        next.is_some_and(|next| self.may_start(next))
    }

    fn take(&mut self) -> Option<Start> {
        self.queue.pop_front().or_else(|| self.alone.pop_front())
    }

    fn idle(&self) -> NextStart {
        if self.running.is_empty() { NextStart::Done } else { NextStart::Wait }
    }

    /// Whether a drill may start beside those that run, if there is room.
    fn may_start(&self, next: &Start) -> bool {
        let is_alone = next.alone || self.running.values().any(|running| running.start.alone);
        let starting = self.running.values().filter(|running| running.starting).count();
        !is_alone && self.running.len() < self.most && starting < self.rules.starting.max(1)
    }

    /// Why a drill can no longer end in time.
    fn too_late(&self, now: Duration, number: usize) -> Option<String> {
        let budget = self.rules.budget?;
        let takes = self.drills.get(&number).map_or(Duration::ZERO, |drill| drill.takes);
        let left = budget.saturating_sub(now);
        (takes > left || left.is_zero()).then(|| {
            let [takes, left, budget] = [takes, left, budget].map(|time| Show(Duration::from_secs(time.as_secs())));
            format!("the time budget of {budget} has {left} left, and it takes about {takes}")
        })
    }

    /// The stack of a drill is up: the next one may start.
    pub fn is_up(&mut self, number: usize) {
        if let Some(running) = self.running.get_mut(&number) {
            running.starting = false;
        }
    }

    /// An attempt ended; what follows from that, for people.
    pub fn ended(&mut self, number: usize, came: Came) -> Option<String> {
        let RunningDrill { start, at_once, .. } = self.running.remove(&number)?;
        let drill = self.drills.get_mut(&number)?;
        let name = drill.name.clone();
        let again = |cause, alone| Start { attempt: start.attempt + 1, cause, alone, ..start.clone() };
        // One that had failed before has said what it has to say.
        if came.lost && came.outcome != RunOutcome::Failed {
            drill.lost += 1;
            if drill.lost > LOST_AGAIN {
                return Some(format!("{name} was lost {} times: nothing can be said about it", drill.lost));
            }
            self.queue.push_back(again(Cause::Lost, start.alone));
            return Some(format!("{name} was lost with the machine that ran it: it is run again, once"));
        }
        // One alone shows nothing of how many may run at once.
        self.calm = if came.disturbed { 0 } else { self.calm + u32::from(at_once >= self.most) };
        let mut more = None;
        if self.calm >= CALM {
            (self.most, self.calm) = (self.most + 1, 0);
            more =
                Some(format!("nothing disturbed the last {CALM} attempts: from here on at most {} at once", self.most));
        }
        if came.disturbed {
            drill.disturbed += 1;
            if drill.disturbed > DISTURBED_AGAIN {
                let times = drill.disturbed;
                return Some(format!("{name} was disturbed {times} times, also alone: nothing can be said about it"));
            }
            self.alone.push_back(again(Cause::Disturbed, true));
            let said = format!("{name} was disturbed and says nothing: it is run again, alone, at the end");
            // Of those that ran beside each other only the first counts.
            if at_once < 2 || at_once > self.most {
                return Some(said);
            }
            self.most = at_once - 1;
            return Some(format!("{said}; from here on at most {} at once", self.most));
        }
        let beside = |said: String| more.iter().fold(said, |said, more| format!("{said}; {more}"));
        // A retry that broke takes nothing back: the drill has failed.
        let has_failed = came.outcome == RunOutcome::Failed || came.outcome == RunOutcome::Broken && drill.retried > 0;
        if has_failed && drill.retried < self.rules.retry {
            drill.retried += 1;
            self.queue.push_back(again(Cause::Retry, start.alone));
            return Some(beside(format!("{name} failed: retry {} of {}", drill.retried, self.rules.retry)));
        }
        if has_failed && self.rules.fail_fast && self.closed.is_none() {
            self.close(&format!("{name} failed, and the game day ends at the first failure"));
            if !(self.queue.is_empty() && self.alone.is_empty()) {
                self.stopped = self.stopped.max(Some(Stopped::FirstFailure));
            }
            return Some(format!("{name} failed: nothing more is started"));
        }
        more
    }

    /// Nothing more is started. The first reason stays.
    pub fn close(&mut self, why: &str) {
        self.closed.get_or_insert_with(|| why.to_string());
    }

    /// What kept it from starting a drill of the plan, the weightiest reason: the budget or the first failure.
    pub fn stopped(&self) -> Option<Stopped> {
        self.stopped
    }

    /// How many drills run.
    pub fn running(&self) -> usize {
        self.running.len()
    }
}

#[cfg(test)]
#[path = "schedule_tests.rs"]
mod tests;
