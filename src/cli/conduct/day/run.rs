//! The loop of a game day: asks the schedule what comes next, starts it, and tells it what has become of those that run. Each attempt
//! at a drill is a task of its own, so that nothing that happens to it happens to another.

use super::super::drill::{Begun, Carried, carry_out};
use super::plan::Ready;
use super::remote::RemoteDay;
use crate::engine::{ConcurrentDrills, DrillOptions, Nobody, Shutdown};
use crate::error::Error;
use crate::gameday::{Came, DaySchedule, NextStart, PreparedDrill, Start};
use crate::record::{
    Announcement, DayAttempt, DayEvent, DaySink, Event, MachineSample, Observer, Phase, Record, RunDir, RunOutcome,
    Stamped, Verdict, micros,
};
use crate::report::DayConsole;
use crate::stack::{Available, Demand, Limits, Platform, RunIdentity, StackOptions};
use std::collections::HashMap;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::{Id, JoinSet};

/// How often room is measured while a drill waits for it.
const ROOM_AGAIN: Duration = Duration::from_secs(1);
/// An older sample of the machine says nothing about now.
const SAMPLE_LASTS: Duration = Duration::from_secs(3);
/// How long the engine may take to say what is free: signals and drills that end are waiting.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);

/// What a game day's drills are run with.
pub struct Runner {
    /// Where the game day's events go.
    pub sink: DaySink,
    /// Who shows the drills.
    pub console: DayConsole,
    /// The kind of stack.
    pub platform: Arc<dyn Platform>,
    /// How stacks are started.
    pub options: StackOptions,
    /// How much room there is.
    pub limits: Limits,
    /// What was free before the first drill.
    pub free: Available,
    /// Where the run directories are made.
    pub runs: PathBuf,
    /// Id of the game day.
    pub day: String,
    /// Commit of the project.
    pub revision: Option<String>,
    /// How everything is told to stop: by a signal, or because the budget is used up.
    pub stop: Shutdown,
    /// The drills.
    pub ready: Vec<Ready>,
    /// Where they are carried out, when that is not here.
    pub remote: Option<Arc<RemoteDay>>,
    /// Those that run at the same time.
    pub concurrent: ConcurrentDrills,
}

/// What is under way.
struct DayRunState {
    schedule: DaySchedule,
    tasks: JoinSet<AttemptEnded>,
    begun: HashMap<Id, (Start, String)>,
    to: UnboundedSender<AttemptTold>,
    from: UnboundedReceiver<AttemptTold>,
    /// The newest sample of the machine, and when it came.
    seen: Option<(MachineSample, Instant)>,
    /// What was free when the engine was asked last, where it said so.
    free: Option<(Instant, Option<Available>)>,
    /// Since when there has been no room, and for how long in all since the last start.
    no_room: Option<Instant>,
    waited: Duration,
    records: Vec<Record>,
}

impl Runner {
    /// Runs every drill of the schedule; `so_far` is shown the records whenever one ended. Returns them all, in the order in
    /// which they ended.
    pub async fn run(self: Arc<Self>, schedule: DaySchedule, so_far: impl Fn(&[Record])) -> Vec<Record> {
        let (to, from) = unbounded_channel();
        let mut state = DayRunState {
            schedule,
            tasks: JoinSet::new(),
            begun: HashMap::new(),
            to,
            from,
            seen: None,
            free: None,
            no_room: None,
            waited: Duration::ZERO,
            records: Vec::new(),
        };
        let (mut stopped, mut said) = (false, None);
        loop {
            if let Some(why) = state.schedule.stopped().filter(|why| said < Some(*why)) {
                said = Some(why);
                self.sink.emit(DayEvent::DayStopped { why });
            }
            if self.stop.cancel.is_cancelled() && !stopped {
                stopped = true;
                state.schedule.close(&self.stop.reason());
                self.note(format!("{}: nothing more is started, and what runs is undone", self.stop.reason()));
            }
            match self.next(&mut state).await {
                NextStart::Start(start) => self.start(&mut state, start),
                NextStart::NotRun(start, why) => self.sink.emit(DayEvent::DrillNotRun { number: start.number, why }),
                NextStart::Done => return state.records,
                NextStart::Wait => self.wait(&mut state, false, stopped, &so_far).await,
                NextStart::WaitForRoom => self.wait(&mut state, true, stopped, &so_far).await,
            }
        }
    }

    async fn next(&self, state: &mut DayRunState) -> NextStart {
        let now = self.sink.now();
        if !state.schedule.asks_for_room() {
            return state.schedule.next(now, |_, _| true);
        }
        let free = self.free_now(state).await;
        let next =
            state.schedule.next(now, |running, number| free.is_some_and(|free| self.has_room(running, number, &free)));
        if next == NextStart::WaitForRoom {
            state.no_room.get_or_insert_with(Instant::now);
        } else if let Some(since) = state.no_room.take() {
            state.waited += since.elapsed();
        }
        next
    }

    /// What is free, asked of the engine at most once in `ROOM_AGAIN`: drills are being measured on it.
    async fn free_now(&self, state: &mut DayRunState) -> Option<Available> {
        if self.remote.is_some() {
            // Only what its own drills claim changes; what others claim there is not this game day's to ask every second.
            return Some(self.free);
        }
        let seen = state.seen.filter(|(_, at)| at.elapsed() < SAMPLE_LASTS).map(|(sample, _)| sample);
        if state.free.is_none_or(|(at, _)| at.elapsed() >= ROOM_AGAIN) {
            let asked = tokio::time::timeout(ANSWER_WITHIN, self.platform.room(seen.as_ref())).await;
            state.free = Some((Instant::now(), asked.ok().and_then(Result::ok).map(|room| room.free)));
        }
        let (_, free) = state.free?;
        Some(Available { busy: seen.map(|sample| sample.busy), ..free? })
    }

    fn has_room(&self, running: &[usize], number: usize, free: &Available) -> bool {
        let demand = |number: usize| self.drill(number).map_or(Demand::default(), |ready| ready.demand);
        let running: Vec<Demand> = running.iter().map(|number| demand(*number)).collect();
        self.limits.lacking(&running, &demand(number), free).is_none()
    }

    fn drill(&self, number: usize) -> Option<&Ready> {
        self.ready.iter().find(|ready| ready.drill.planned.number == number)
    }

    fn start(self: &Arc<Self>, state: &mut DayRunState, start: Start) {
        let Start { number, attempt, cause, .. } = start;
        let broken = Came { outcome: RunOutcome::Broken, disturbed: false, lost: false };
        let ready = self.drill(number).cloned().ok_or_else(|| io::Error::other("it is not planned"));
        let made = ready.and_then(|ready| Ok((RunDir::create(&self.runs, &ready.drill.plan.name)?, ready)));
        let (run_dir, ready) = match made {
            Ok(made) => made,
            Err(error) => {
                state.schedule.ended(number, broken);
                let why = format!("no run directory could be made: {error}");
                self.sink.emit(DayEvent::DrillNotRun { number, why });
                return;
            }
        };
        let run = run_dir.id().to_string();
        if let Some(lacks) = self.limits.lacking(&[], &ready.demand, &self.free) {
            let label = ready.drill.planned.label();
            self.note(format!("{label}: it runs alone, and even so there is not enough {lacks}"));
        }
        let waited = std::mem::take(&mut state.waited) + state.no_room.take().map_or(Duration::ZERO, |at| at.elapsed());
        let (running, waited_us) = (state.schedule.running(), micros(waited));
        self.sink.emit(DayEvent::DrillStarted { number, attempt, run: run.clone(), cause, running, waited_us });
        let to = state.to.clone();
        let teller: Box<dyn Observer> = Box::new(move |event: &Stamped| {
            let told = match &event.event {
                Event::PhaseEnded { phase: Phase::Up } => AttemptTold::Up(number),
                Event::Machine(sample) => AttemptTold::Machine(*sample),
                _ => return,
            };
            // A schedule that has gone has nothing left to start.
            let _ = to.send(told);
        });
        let observers = [Some(teller), self.console.drill(number)].into_iter().flatten().collect();
        let occasion = DayAttempt { day: self.day.clone(), number, attempt };
        let attempt = AttemptRun { runner: self.clone(), ready, run_dir, occasion, observers };
        let task = state.tasks.spawn(attempt.run());
        state.begun.insert(task.id(), (start, run));
    }

    async fn wait(&self, state: &mut DayRunState, for_room: bool, stopped: bool, so_far: &impl Fn(&[Record])) {
        tokio::select! {
            biased;
            () = self.stop.cancel.cancelled(), if !stopped => {}
            told = state.from.recv() => match told {
                Some(AttemptTold::Up(number)) => state.schedule.is_up(number),
                Some(AttemptTold::Machine(sample)) => state.seen = Some((sample, Instant::now())),
                None => {}
            },
            Some(ended) = state.tasks.join_next_with_id() => {
                let (id, ended) = match ended {
                    Ok((id, ended)) => (id, ended),
                    Err(panic) => {
                        let why = "a part of Firedrill panicked outside of the drill's phases; its reaper cleans up";
                        let carried = Err(Error::harness(why));
                        (panic.id(), AttemptEnded { carried, lost: false, notes: Vec::new() })
                    }
                };
                if let Some((start, run)) = state.begun.remove(&id) {
                    self.ended(state, &start, run, ended);
                    so_far(&state.records);
                }
            }
            () = tokio::time::sleep(ROOM_AGAIN), if for_room => {}
        }
    }

    /// Notes how an attempt ended. One that could not begin, or panicked, is that drill's harness error and nobody else's.
    fn ended(&self, state: &mut DayRunState, start: &Start, run: String, ended: AttemptEnded) {
        let (number, attempt) = (start.number, start.attempt);
        let AttemptEnded { carried, lost, notes } = ended;
        notes.into_iter().for_each(|text| self.note(text));
        let (verdict, outcome, disturbed, reason) = match carried {
            Ok(Carried { record, saved, sealed }) => {
                let notes = sealed.as_ref().map_or(&[][..], |sealed| &sealed.notes);
                notes.iter().for_each(|text| self.note(text.clone()));
                let saved = saved.err().map(|error| format!("the reports of {run} could not be written: {error}"));
                let sealed = sealed.err().map(|error| format!("{run} could not be sealed: {error}"));
                let lacks: Vec<String> = saved.into_iter().chain(sealed).collect();
                lacks.iter().for_each(|text| self.note(text.clone()));
                let came = came_to(&record, &lacks);
                state.records.push(record);
                came
            }
            Err(error) => (Verdict::HarnessError, RunOutcome::Broken, false, error.to_string()),
        };
        self.sink.emit(DayEvent::DrillEnded { number, attempt, run, verdict, outcome, disturbed, reason });
        state.schedule.ended(number, Came { outcome, disturbed, lost }).into_iter().for_each(|text| self.note(text));
    }

    fn note(&self, text: String) {
        self.sink.emit(DayEvent::DayNote { text });
    }
}

/// What a drill tells the schedule while it runs.
#[derive(Debug, Clone, Copy)]
enum AttemptTold {
    /// Its stack is up, or it has given up.
    Up(usize),
    /// How busy the machine is.
    Machine(MachineSample),
}

/// What an attempt is carried out with.
pub struct AttemptRun {
    /// What all drills of the game day are run with.
    pub runner: Arc<Runner>,
    /// The drill.
    pub ready: Ready,
    /// Its directory.
    pub run_dir: RunDir,
    /// Where it stands in the game day.
    pub occasion: DayAttempt,
    /// Who sees its events.
    pub observers: Vec<Box<dyn Observer>>,
}

/// How an attempt ended.
pub struct AttemptEnded {
    /// What it came to; the error is why it could not begin, or not be cleaned up.
    pub carried: Result<Carried, Error>,
    /// Whether it was lost with the machine that ran it.
    pub lost: bool,
    /// What people should know.
    pub notes: Vec<String>,
}

impl AttemptRun {
    /// Carries it out, here or where the game day takes place.
    pub async fn run(self) -> AttemptEnded {
        match self.runner.remote.clone() {
            Some(remote) => remote.carry_out(self).await,
            None => AttemptEnded { carried: self.here().await, lost: false, notes: Vec::new() },
        }
    }

    async fn here(self) -> Result<Carried, Error> {
        let Runner { platform, options, revision, concurrent, stop, .. } = &*self.runner;
        let Ready { drill: PreparedDrill { planned, plan, seed }, stack, no_images, .. } = self.ready;
        let options = StackOptions { secrets: plan.secrets(), no_images, ..options.clone() };
        let stack = stack.stack(&RunIdentity::of(&self.run_dir, false), &options).await?;
        let _counted = concurrent.enter();
        let concurrent = concurrent.clone();
        let options = DrillOptions { control: planned.control, seed, concurrent, ..DrillOptions::default() };
        let who = Announcement { revision: revision.clone(), occasion: Some(self.occasion), ..Announcement::default() };
        let begun = Begun { plan: &plan, stack: &stack, platform: &**platform, run_dir: self.run_dir, options, who };
        carry_out(begun, &mut Nobody, self.observers, stop).await
    }
}

/// What a drill came to, whether a disturbance decided, and why. As of a single drill: what lacks some of its evidence has not passed.
fn came_to(record: &Record, lacks: &[String]) -> (Verdict, RunOutcome, bool, String) {
    let outcome = record.outcome();
    if outcome == RunOutcome::Passed && !lacks.is_empty() {
        return (Verdict::HarnessError, RunOutcome::Broken, false, lacks.join("; "));
    }
    // Only where the disturbance decided: a step that failed has failed, however busy the machine was after it.
    (record.verdict, outcome, record.is_disturbed(), record.reason.clone())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::testing::{Story, record_of};

    #[test]
    fn a_drill_that_could_not_be_sealed_has_not_passed_and_one_that_failed_has_failed() {
        let came = |story, lacks: &[String]| {
            let (verdict, outcome, _, reason) = came_to(&record_of(story), lacks);
            (verdict, outcome, reason)
        };
        let lacks = ["a could not be sealed: no space left".to_string()];
        let broken = (Verdict::HarnessError, RunOutcome::Broken, lacks[0].clone());
        assert_eq!(came(Story::Passed, &lacks), broken);
        assert_eq!(came(Story::ExpectedFailure, &lacks), broken, "a pass as well");
        assert_eq!(came(Story::Passed, &[]).1, RunOutcome::Passed);
        assert_eq!(came(Story::StepFailed, &lacks), came(Story::StepFailed, &[]));
    }
}
