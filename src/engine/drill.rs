//! One drill from its first event to its last. The phases may stop at any point, be cancelled or panic; revert and
//! down run whatever happened, outside the token that was cancelled.

use super::comeback;
use super::crowd::Crowd;
pub(super) use super::guard::caught;
use super::invariants::Before;
use super::ledger::Ledger;
use super::monitor::Monitor;
use super::person::Person;
use super::restore::Restored;
use super::stop::Stop;
use super::usage;
use crate::agent::AgentClient;
use crate::agent::source::SliSource;
use crate::faults::Undo;
use crate::record::{
    Announcement, Check, CheckOutcome, DrillTime, Event, EventSink, InvariantTime, Location, Parts, Phase, RunDir,
    Verdict,
};
use crate::shell::{Shell, ShellError};
use crate::slis::window::Recovery;
use crate::spec::Plan;
use crate::stack::{AgentRole, Stack, StackError};
use futures_util::future::join_all;
use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// How often state that announces no change (a fault, a command to try again) is asked.
pub(super) const POLL: Duration = Duration::from_millis(100);

/// How long after an instant the machine's sample may come that tells of it.
const SAMPLED: Duration = Duration::from_secs(1);

/// Why a drill is `interrupted`.
pub(super) const BY_SIGNAL: &str = "interrupted by Ctrl-C, SIGTERM or SIGHUP";

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
    fn interrupted(&self) -> Stop {
        Stop::new(Verdict::Interrupted, self.reason())
    }
}

/// What the command line decides about a drill.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Do everything but the runbook; users must not recover.
    pub control: bool,
    /// Leave the stack up when the drill does not pass.
    pub keep: bool,
    /// Seed of everything random.
    pub seed: u64,
    /// The drills that run at the same time, this one included.
    pub crowd: Crowd,
}

/// What is to be done, and where its files go.
pub struct Job<'a> {
    /// The checked plan.
    pub plan: &'a Plan,
    /// Its first event.
    pub announcement: Announcement,
    /// What the command line decides.
    pub options: &'a Options,
    /// Where logs go.
    pub run_dir: &'a RunDir,
    /// Who is asked for what the runbook leaves to people.
    pub person: &'a mut dyn Person,
}

/// What a drill came to.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// The verdict.
    pub verdict: Verdict,
    /// Whether the stack was left up.
    pub kept: bool,
}

/// Runs a drill. Everything that happens is an event of `sink`; the outcome only repeats the last verdict.
pub async fn run(job: Job<'_>, stack: &dyn Stack, mut ledger: Ledger, sink: EventSink, shutdown: &Shutdown) -> Outcome {
    let Job { plan, announcement, options, run_dir, person } = job;
    let restored = Restored::new(&announcement.started_utc);
    sink.emit(Event::Announced(Box::new(announcement)));
    plan.objectives.notes().into_iter().for_each(|text| sink.emit(Event::Note { text }));
    let when = plan.detect.as_ref().map(|detect| detect.when.text.clone());
    let (injections, injected) = unbounded_channel();
    let mut drill = Drill {
        plan,
        stack,
        person,
        control: options.control,
        seed: options.seed,
        monitor: Monitor::new(sink.clone(), &plan.slis, when, options.crowd.clone()),
        sink: sink.clone(),
        ledger: &mut ledger,
        injections,
        agents: BTreeMap::new(),
        pumps: Vec::new(),
        shell: None,
        phase: None,
        in_phase: false,
        phase_began: DrillTime::default(),
        inject_began: DrillTime::default(),
        injected: None,
        impacted: None,
        mitigation: None,
        by_hand: false,
        recovery: None,
        parts: None,
        last_line: None,
        invariants: BTreeMap::new(),
        restored,
        irreversible: Vec::new(),
        verdict: None,
    };
    let phases = caught(drill.phases(&shutdown.cancel));
    let ending = CancellationToken::new();
    let phases = async {
        let ended = tokio::select! {
            biased;
            () = shutdown.cancel.cancelled() => Ok(Err(shutdown.interrupted())),
            ended = phases => ended,
        };
        ending.cancel();
        ended
    };
    let came_back = comeback::bring_back(stack, &plan.faults, injected, &ending);
    let used = caught(usage::watch(stack, &sink, &ending));
    let (ended, came_back, _) = tokio::join!(phases, came_back, used);
    let passed = match ended {
        Ok(Ok(reason)) => reason,
        Ok(Err(stop)) => {
            drill.judge(stop);
            String::new()
        }
        Err(panic) => {
            drill.judge(Stop::harness(format!("a part of Firedrill panicked: {panic}")));
            String::new()
        }
    };
    if let (Err(stop), true) = (came_back, drill.unspoiled()) {
        drill.judge(stop);
    }
    drill.end_phase();
    drill.finish(passed, options, run_dir, shutdown).await
}

/// A drill under way.
pub(super) struct Drill<'a> {
    pub plan: &'a Plan,
    pub stack: &'a dyn Stack,
    pub person: &'a mut dyn Person,
    pub control: bool,
    pub seed: u64,
    pub monitor: Monitor,
    pub sink: EventSink,
    pub ledger: &'a mut Ledger,
    /// Where confirmed faults go, with their undo, to be brought back when they are ended.
    pub injections: UnboundedSender<(String, Undo)>,
    pub agents: BTreeMap<AgentRole, AgentClient>,
    pub pumps: Vec<JoinHandle<()>>,
    /// The session opens while the load becomes steady, so that nobody waits for it.
    pub shell: Option<JoinHandle<Result<Shell, ShellError>>>,
    /// The last phase that was begun, and whether it still runs.
    phase: Option<Phase>,
    in_phase: bool,
    pub(super) phase_began: DrillTime,
    /// When the first injection was begun.
    pub inject_began: DrillTime,
    /// First and last confirmation.
    pub injected: Option<(DrillTime, DrillTime)>,
    /// When an SLI fell, and which ones did.
    pub impacted: Option<(DrillTime, Vec<String>)>,
    /// First mitigating command and end of the last mitigating step.
    pub mitigation: Option<(DrillTime, Option<DrillTime>)>,
    /// The runbook was followed and no command of it was meant to help.
    pub by_hand: bool,
    /// When users had recovered, by the runbook or by themselves where there is none, and the window that shows it.
    pub recovery: Option<Recovery>,
    /// How much of a fault is active after the runbook, where that is a part of it.
    pub parts: Option<Parts>,
    /// The last mitigating step that wrote something: its title, and the last line that it wrote.
    pub last_line: Option<(String, String)>,
    /// What the commands of the invariants wrote before the fault.
    pub invariants: Before,
    /// What a DR drill has seen of its restore.
    pub restored: Restored,
    /// The faults that nothing undoes, once the others were undone.
    pub irreversible: Vec<String>,
    verdict: Option<Stop>,
}

impl Drill<'_> {
    /// Every phase up to the recovery. `Ok` is why the drill passes, provided that everything can be undone.
    async fn phases(&mut self, cancel: &CancellationToken) -> Result<String, Stop> {
        self.begin(Phase::Up);
        self.up(cancel).await?;
        self.begin(Phase::Steady);
        self.steady().await?;
        self.begin(Phase::Inject);
        self.inject().await?;
        self.begin(Phase::Impact);
        let passed = self.impact().await?;
        let mut came_to = match passed {
            Some(reason) => Ok(reason),
            None => self.followed().await,
        };
        if came_to.is_ok() {
            came_to = self.ask_invariants(InvariantTime::Recovered).await.and(came_to);
        }
        came_to = match self.restoring() {
            Some(restore) => self.after_restore(restore, came_to).await,
            None => match self.judge_time(came_to.as_ref().err()) {
                Some(late) if came_to.is_ok() => Err(late),
                _ => came_to,
            },
        };
        came_to
    }

    /// The runbook and what it comes to.
    async fn followed(&mut self) -> Result<String, Stop> {
        let mut unverified = None;
        if !self.control && self.plan.runbook.is_some() {
            self.begin(Phase::Respond);
            unverified = self.respond().await?;
        }
        self.begin(Phase::Recover);
        let recovered = self.recover().await?;
        match unverified {
            Some(stop) => Err(stop),
            None => {
                self.note_crowded_impact();
                Ok(recovered)
            }
        }
    }

    /// Ends the phase that runs and begins the next one.
    pub fn begin(&mut self, phase: Phase) {
        self.end_phase();
        self.phase = Some(phase);
        self.in_phase = true;
        self.phase_began = self.sink.emit_at(Event::PhaseStarted { phase });
    }

    /// Ends the phase that runs. What it measured stands until the next one begins.
    pub fn end_phase(&mut self) {
        if let (true, Some(phase)) = (std::mem::take(&mut self.in_phase), self.phase) {
            self.sink.emit(Event::PhaseEnded { phase });
        }
    }

    /// Reverts and removes whatever happened before, then says what it all came to.
    async fn finish(mut self, passed: String, options: &Options, run_dir: &RunDir, shutdown: &Shutdown) -> Outcome {
        if !shutdown.hurry.is_cancelled() {
            // The logs of a process go with its containers. Before the revert begins: until then users are watched.
            if self.plan.faults.iter().any(|planned| planned.fault.process().is_some()) {
                let _ = shutdown.hurry.run_until_cancelled(self.save_logs(run_dir)).await;
            }
            let recovering = self.phase_began;
            self.begin(Phase::Revert);
            let undone = tokio::select! {
                biased;
                () = shutdown.hurry.cancelled() => Ok(()),
                undone = caught(self.revert(recovering, &shutdown.cancel)) => undone,
            };
            if let Err(panic) = undone {
                self.judge(Stop::harness(format!("a part of Firedrill panicked while it undid the faults: {panic}")));
            }
            self.end_phase();
        }
        tokio::select! {
            biased;
            () = shutdown.hurry.cancelled() => {}
            () = self.save_logs(run_dir) => {}
        }
        let agents = std::mem::take(&mut self.agents);
        // First, so that each channel is closed before a hurry is looked at.
        tokio::select! {
            biased;
            _ = join_all(agents.values().map(AgentClient::close)) => {}
            () = shutdown.hurry.cancelled() => {}
        }
        if let Some(opening) = self.shell.take() {
            opening.abort();
        }
        let interrupted = shutdown.cancel.is_cancelled();
        let expected = if self.control { Verdict::Passed } else { self.plan.expect };
        let foreseen = self.verdict.as_ref().map_or(Verdict::Passed, |stop| stop.verdict);
        let as_expected = foreseen == expected && self.level_as_expected();
        let kept = options.keep && !interrupted && !as_expected;
        let mut left = Vec::new();
        if kept {
            if let Err(error) = run_dir.mark_kept(&self.how_it_is_kept()) {
                self.sink.emit(Event::Note { text: format!("the run could not be marked as kept: {error}") });
            }
        } else {
            self.begin(Phase::Down);
            left = self.down().await;
            self.end_phase();
        }
        for pump in self.pumps.drain(..) {
            pump.abort();
        }
        // Only now: whoever is interrupted, or killed, while the stack is removed has not passed.
        if shutdown.cancel.is_cancelled() && self.verdict_now() != Verdict::Interrupted {
            self.judge(shutdown.interrupted());
        }
        if self.verdict.is_none() {
            self.judge(Stop::new(Verdict::Passed, passed));
        }
        if let Some(error) = self.sink.write_error() {
            self.judge(Stop::harness(format!("the events could not be written to disk: {error}")));
        }
        if let Err(error) = self.ledger.close() {
            self.sink.emit(Event::Note { text: format!("the ledger could not be closed: {error}") });
        }
        self.sink.emit(Event::Ended { left, kept });
        Outcome { verdict: self.verdict_now(), kept }
    }

    async fn down(&mut self) -> Vec<String> {
        let started = self.sink.now();
        let down = caught(self.stack.down()).await.unwrap_or_else(|panic| {
            let operation = "removing the stack".to_string();
            Err(StackError::Environment { operation, cause: format!("a panic: {panic}"), hint: None })
        });
        let (outcome, left) = match down {
            Ok(down) => {
                self.sink.emit(Event::ComposeTook { what: "down".into(), took_us: micros(down.took) });
                if down.left.is_empty() {
                    (CheckOutcome::Passed { evidence: "no container, network or volume of this drill".into() }, vec![])
                } else {
                    let reason = format!("left behind: {}", down.left.join(", "));
                    self.judge(Stop::new(Verdict::Leaked, &reason));
                    (CheckOutcome::Failed { reason, at: None }, down.left)
                }
            }
            Err(error) => {
                let reason = format!("the stack could not be removed: {error}; `firedrill sweep` removes it");
                self.judge(Stop::new(Verdict::Leaked, &reason));
                (CheckOutcome::Error { reason: reason.clone(), at: None }, vec![reason])
            }
        };
        self.decided(Check::NothingLeft, started, outcome);
        left
    }

    async fn save_logs(&self, run_dir: &RunDir) {
        let redactor = self.sink.redactor();
        let logs = run_dir.logs();
        let saved = self.stack.save_logs(&logs, &redactor);
        // Logs are evidence, not a reason to keep a broken stack up.
        let problem = match tokio::time::timeout(Duration::from_secs(20), caught(saved)).await {
            Ok(Ok(Ok(()))) => return,
            Ok(Ok(Err(error))) => error.to_string(),
            Ok(Err(panic)) => format!("a panic: {panic}"),
            Err(_) => "it took more than 20 s".to_string(),
        };
        self.sink.emit(Event::Note { text: format!("the containers' logs could not be saved: {problem}") });
    }

    /// Takes a reason why the drill did not pass: the first one is the verdict, and what was broken or left behind
    /// afterwards still spoils a pass.
    pub fn judge(&mut self, stop: Stop) {
        let stop = self.unless_crowded(stop);
        let spoils = stop.verdict.spoils() || stop.verdict == Verdict::Interrupted;
        let first = self.verdict.is_none();
        if first || spoils {
            let (reason, at) = (stop.reason.clone(), stop.at.clone());
            if stop.disturbed {
                self.sink.emit(Event::Disturbed { why: reason.clone() });
            }
            self.sink.emit(Event::Judged { verdict: stop.verdict, reason, at });
        }
        if first || (stop.verdict.spoils() && self.verdict_now() == Verdict::Passed) {
            self.verdict = Some(stop);
        }
    }

    /// A reason that rests on the measurement says nothing where the machine was full of other drills meanwhile.
    fn unless_crowded(&self, stop: Stop) -> Stop {
        let impact = || self.crowded_impact().filter(|_| stop.rests_on_impact());
        match self.crowded().or_else(impact) {
            Some(why) if stop.is_measured() => {
                let Stop { verdict, reason, .. } = stop;
                Stop::disturbed(format!("{why}, so that this is no verdict: it would have been {verdict}: {reason}"))
            }
            _ => stop,
        }
    }

    /// Why what this phase measured may be the doing of other drills, if it may.
    pub fn crowded(&self) -> Option<String> {
        match self.phase {
            Some(Phase::Recover) => self.crowded_recovery(self.phase_began),
            _ => self.monitor.crowded(self.phase_began),
        }
    }

    /// Why a recovery that was looked for since `began` may not have come because of other drills, if it may.
    pub fn crowded_recovery(&self, began: DrillTime) -> Option<String> {
        let why = self.monitor.crowded(began)?;
        // Users who did not recover while there was room for the whole hold at a stretch did not fail for want of room.
        (!self.monitor.calm_for(self.required_hold(), began)).then_some(why)
    }

    /// Why the impact may have been the doing of other drills, if it may, and not of the fault.
    fn crowded_impact(&self) -> Option<String> {
        let ((_, injected), (impacted, _)) = (self.injected?, self.impacted.as_ref()?);
        self.monitor.crowded_between(injected, impacted.plus(SAMPLED))
    }

    /// A pass stays one: users suffered, and recovered. The record says what is less certain.
    fn note_crowded_impact(&self) {
        if let Some(why) = self.crowded_impact() {
            let text = format!(
                "{why} while users began to suffer: how hard the fault hit them, and how soon that was seen, may be the doing of the others"
            );
            self.sink.emit(Event::Note { text });
        }
    }

    fn verdict_now(&self) -> Verdict {
        self.verdict.as_ref().map_or(Verdict::Incomplete, |stop| stop.verdict)
    }

    /// Whether nothing has gone wrong so far.
    pub fn unspoiled(&self) -> bool {
        self.verdict.is_none()
    }

    /// Notes how an assertion came out.
    pub fn decided(&self, check: Check, started_us: DrillTime, outcome: CheckOutcome) {
        self.sink.emit(Event::CheckEnded { check, started_us, outcome });
    }

    /// Notes that an assertion failed, and makes it the reason to stop.
    pub fn failed(&self, check: Check, started_us: DrillTime, stop: Stop) -> Stop {
        let stop = match self.monitor.disturbed() {
            Some(disturbed) if stop.is_measured() => Stop::disturbed(disturbed),
            _ => self.unless_crowded(stop),
        };
        let (reason, at) = (stop.reason.clone(), stop.at.clone());
        let outcome = if stop.verdict.is_harness() {
            CheckOutcome::Error { reason, at }
        } else {
            CheckOutcome::Failed { reason, at }
        };
        self.decided(check, started_us, outcome);
        stop
    }

    /// Notes what was waited for and how long it took.
    pub fn waited(&self, what: impl Into<String>, since: DrillTime, deadline: Duration, met: bool) {
        self.sink.emit(Event::Waited {
            what: what.into(),
            took_us: micros(self.sink.now().since(since)),
            deadline_us: micros(deadline),
            met,
        });
    }

    /// The agent of the drill.
    pub fn agent(&self) -> Result<&AgentClient, Stop> {
        self.agents.get(&AgentRole::Drill).ok_or_else(|| Stop::harness("the drill's agent is not connected"))
    }

    /// A line of the scenario.
    pub fn in_scenario(&self, line: usize) -> Location {
        Location { path: super::announce::shown(&self.plan.source), line }
    }

    /// The longest time for which a request can be under way: slices close at most this much later.
    pub fn longest_request(&self) -> Duration {
        self.plan.sources().map(SliSource::longest).max().unwrap_or_default()
    }
}

/// A duration in whole microseconds.
pub(super) fn micros(d: Duration) -> u64 {
    u64::try_from(d.as_micros()).unwrap_or(u64::MAX)
}

/// A duration as people read it.
pub(super) fn seconds(d: Duration) -> String {
    let seconds = d.as_secs_f64();
    if seconds < 10.0 { format!("{seconds:.1} s") } else { format!("{seconds:.0} s") }
}
