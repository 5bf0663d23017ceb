//! What a drill works with and must release whatever becomes of its phases, what must survive a phase that is cancelled, and
//! how every phase tells what it has seen.

use super::announce::DrillOptions;
use super::ledger::Ledger;
use super::monitor::{Monitor, shown};
use super::stop::Stop;
use crate::agent::AgentClient;
use crate::faults::Undo;
use crate::record::{
    Check, CheckOutcome, ComposeRecord, DrillTime, Event, EventSink, Location, Phase, Verdict, WindowRecord, micros,
};
use crate::slis::window::{Level, TimeSpan, Timeline, span_of};
use crate::spec::{Plan, PlannedFault, RestoreSpec};
use crate::stack::{AgentRole, Stack};
use std::collections::BTreeMap;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::watch;
use tokio_util::task::AbortOnDropHandle;

/// How often state that announces no change (a fault, a command to try again) is asked.
pub(super) const POLL: Duration = Duration::from_millis(100);

/// What the last slices may take to arrive on top of the longest request.
pub(super) const ARRIVAL: Duration = Duration::from_secs(2);

/// How long the SLIs may take after a change before they hold.
pub(super) const SETTLE: Duration = Duration::from_secs(10);

/// How long after an instant the machine's sample may come that tells of it.
const SAMPLED: Duration = Duration::from_secs(1);

/// What the phases have in common with what runs beside them.
#[derive(Clone)]
pub(super) struct CommonContext<'a> {
    pub plan: &'a Plan,
    pub stack: Arc<dyn Stack>,
    pub options: &'a DrillOptions,
    pub monitor: Monitor,
    pub sink: EventSink,
    pub ledger: Ledger,
    pub agents: BTreeMap<AgentRole, AgentClient>,
}

/// What has become of each fault by its times (`lasts`, `every`), by its id; or why one was not ended or did not come again.
pub(super) type TimedFaults = Result<BTreeMap<String, FaultTimes>, String>;

/// What has become of a fault by its times so far.
#[derive(Debug, Clone, Default)]
pub(super) struct FaultTimes {
    /// How often it had acted when its `lasts` was over, all times together, where that is counted.
    pub acted: Option<u64>,
    /// When it was seen gone last because its `lasts` was over.
    pub ended: Option<DrillTime>,
    /// When it had its full strength first, where it grows.
    pub grown: Option<DrillTime>,
    /// Each time that it came again: begin of the injection, and when it was seen in place.
    pub came: Vec<(DrillTime, DrillTime)>,
}

/// An injection that was seen in place.
pub(super) struct Confirmed {
    pub undo: Undo,
    /// Begin of the injection.
    pub began: DrillTime,
    /// When it was seen in place.
    pub at: DrillTime,
    pub evidence: String,
}

/// A fault that is in place, and what its life goes on with.
pub(super) type InjectedFault<'a> = (CommonContext<'a>, &'a PlannedFault, Confirmed);

/// A drill under way.
pub(super) struct Context<'a> {
    pub common: CommonContext<'a>,
    /// When the drill began, RFC 3339 in UTC.
    pub started_utc: String,
    /// The tasks that take in what the agents report.
    pub pumps: Vec<AbortOnDropHandle<()>>,
    /// Where confirmed faults go, to come back when they are ended, or to be ended and to come again by their times.
    pub injected: UnboundedSender<InjectedFault<'a>>,
    /// What makes the events of SLIs that are commands.
    pub sources: Vec<AbortOnDropHandle<()>>,
    /// What has become of the faults by their times.
    pub times: watch::Receiver<TimedFaults>,
    /// The faults that nothing undoes, once the others were undone.
    pub irreversible: Vec<String>,
    /// When the latest phase began.
    pub phase_began: DrillTime,
    /// When the injection of each fault began, noise aside, and when it was confirmed.
    pub injections: Vec<(DrillTime, DrillTime)>,
    /// How long users must be served for a recovery to count, while one is looked for and until the next phase begins.
    pub hold: Option<Duration>,
    /// The last confirmed injection, and the impact.
    pub impact: Option<(DrillTime, DrillTime)>,
}

impl CommonContext<'_> {
    /// The agent of the drill, which is connected once the stack is up.
    pub fn drill_agent(&self) -> Result<&AgentClient, Stop> {
        self.agents.get(&AgentRole::Drill).ok_or_else(|| Stop::harness("the drill's agent is not connected"))
    }

    /// Whether users were served if all was well of which nobody could say what happened: then nobody knows that they were not. What
    /// is still open at the deadline is not known either.
    pub async fn at_best(&self, deadline: DrillTime, served: impl Fn(&Timeline) -> Option<bool>) -> Result<bool, Stop> {
        let answer = |timeline: &Timeline| timeline.at_best().map_or(Some(false), |best| served(&best));
        let answer = self.monitor.until(deadline, |monitor| monitor.timeline(answer)).await?;
        Ok(answer.unwrap_or(true))
    }

    /// Notes what was waited for and how long it took.
    pub fn waited(&self, what: impl Into<String>, since: DrillTime, deadline: Duration, met: bool) {
        let (took_us, deadline_us) = (micros(self.sink.now().since(since)), micros(deadline));
        self.sink.emit(Event::Waited { what: what.into(), took_us, deadline_us, met });
    }

    /// Notes what starting or removing the stack took.
    pub fn stack_took(&self, what: &str, took: Duration) {
        self.sink.emit(Event::StackTook(ComposeRecord { what: what.into(), took_us: micros(took) }));
    }

    /// A line of the scenario.
    pub fn in_scenario(&self, line: usize) -> Location {
        Location { path: super::announce::shown(&self.plan.source), line }
    }
}

impl<'a> Deref for Context<'a> {
    type Target = CommonContext<'a>;

    fn deref(&self) -> &CommonContext<'a> {
        &self.common
    }
}

impl<'a> Context<'a> {
    /// Ends the phase that runs and begins the next one. What one measured stands until then.
    pub fn begin(&mut self, phase: Phase) {
        self.hold = None;
        self.phase_began = self.sink.begin(phase);
    }

    /// What a DR drill has to restore; a control restores nothing.
    pub fn restoring(&self) -> Option<&'a RestoreSpec> {
        self.plan.restore.as_ref().filter(|_| !self.options.control)
    }

    /// Takes a reason why the drill did not pass: the first one is the verdict, and what was broken or left behind
    /// afterwards still spoils a pass.
    pub fn judge(&self, stop: Stop) {
        let Stop { verdict, reason, at, disturbed, .. } = self.unless_contention(stop);
        if self.unspoiled() || verdict.spoils() || verdict == Verdict::Interrupted {
            if disturbed {
                self.sink.emit(Event::Disturbed { why: reason.clone() });
            }
            self.sink.emit(Event::Judged { verdict, reason, at });
        }
    }

    /// A reason that rests on the measurement says nothing where the machine was full of other drills meanwhile.
    fn unless_contention(&self, stop: Stop) -> Stop {
        // It also rests on the impact that was seen before: that users suffered, and from the fault.
        let on_impact = matches!(stop.verdict, Verdict::Undetected | Verdict::Late | Verdict::SelfHealed);
        let impact = || self.impact_contention().filter(|_| on_impact);
        match self.contention().or_else(impact) {
            Some(why) if stop.is_measured() => {
                let Stop { verdict, reason, .. } = stop;
                let would =
                    if verdict.is_harness() { String::new() } else { format!("it would have been {verdict}: ") };
                Stop::disturbed(format!("{why}, so that this is no verdict: {would}{reason}"))
            }
            _ => stop,
        }
    }

    /// Why what this phase measured may be the doing of other drills, if it may.
    pub fn contention(&self) -> Option<String> {
        self.contention_since(self.phase_began, self.hold)
    }

    /// The same of what was measured since then. Users who did not recover while there was room for the whole hold at a
    /// stretch did not fail for want of room.
    pub fn contention_since(&self, began: DrillTime, hold: Option<Duration>) -> Option<String> {
        let why = self.monitor.contention(|seen| seen.during(began..))?;
        (!hold.is_some_and(|hold| self.monitor.contention(|seen| seen.calm_for(hold, began)))).then_some(why)
    }

    /// Why the impact may have been the doing of other drills, if it may, and not of the fault.
    pub fn impact_contention(&self) -> Option<String> {
        let (injected, impact) = self.impact?;
        self.monitor.contention(|seen| seen.during(injected..=impact.plus(SAMPLED)))
    }

    /// The verdict so far.
    pub fn verdict(&self) -> Verdict {
        self.sink.read(|record| record.verdict)
    }

    /// Whether nothing has gone wrong so far.
    pub fn unspoiled(&self) -> bool {
        self.verdict() == Verdict::Incomplete
    }

    /// A reason that rests on a key of the scenario, with its line.
    pub fn stop_at(&self, key: &str, verdict: Verdict, reason: impl Into<String>) -> Stop {
        Stop::new(verdict, reason).at(self.in_scenario(self.plan.line_of(key)))
    }

    /// Notes how an assertion came out.
    pub fn decided(&self, check: Check, started_us: DrillTime, outcome: CheckOutcome) {
        self.sink.emit(Event::CheckEnded { check, started_us, outcome });
    }

    /// Notes that an assertion failed, and makes it the reason to stop.
    pub fn failed(&self, check: Check, started_us: DrillTime, stop: Stop) -> Stop {
        let stop = match self.monitor.disturbed() {
            Some(disturbed) if stop.is_measured() => Stop::disturbed(disturbed),
            _ => self.unless_contention(stop),
        };
        self.decided(check, started_us, stop.outcome());
        stop
    }

    /// Fails where the measurement cannot be trusted.
    pub fn undisturbed(&self) -> Result<(), Stop> {
        self.monitor.disturbed().map_or(Ok(()), |why| Err(Stop::disturbed(why)))
    }

    /// When each injection began and when it was confirmed, without those of noise. Faults that come again have
    /// several.
    pub fn all_injections(&self) -> Vec<(DrillTime, DrillTime)> {
        let times = self.times.borrow().clone().unwrap_or_default();
        let counted = self.plan.faults.iter().filter(|planned| !planned.timing.noise);
        let again = counted.filter_map(|planned| times.get(&planned.id)).flat_map(|times| &times.came);
        self.injections.iter().chain(again).copied().collect()
    }

    /// The longest time for which a request can be under way: slices close at most this much later.
    pub fn longest_request(&self) -> Duration {
        self.plan.sources().map(|source| source.longest).max().unwrap_or_default()
    }

    /// Tells of a window over which every SLI met its objective.
    pub fn window_held(&self, phase: Phase, levels: &[Level]) -> TimeSpan {
        let (from_us, to_us) = span_of(levels);
        self.sink.emit(Event::WindowHeld(WindowRecord { phase, from_us, to_us }));
        (from_us, to_us)
    }

    /// What users are refused although every SLI is met over these windows, where they are refused what they got when the stack was steady.
    pub fn refused(&self, steady: Option<TimeSpan>, levels: &[Level]) -> Option<String> {
        let refused = self.monitor.timeline(|timeline| timeline.refused(steady, span_of(levels)));
        let refused = refused.filter(|_| levels.iter().all(Level::met));
        refused.map(|text| format!("the SLIs are met, but users are refused what they got before: {text}"))
    }

    /// SLIs that miss their objectives, with the most frequent answers in the window that says so.
    pub fn shown_with_answers(&self, levels: &[Level]) -> String {
        format!("{}{}", shown(levels), self.answers("answers", span_of(levels)))
    }

    /// The most frequent answers in a window, as they follow on another text: `; answers: 500 × 97`.
    pub fn answers(&self, called: &str, window: TimeSpan) -> String {
        let answers = self.monitor.timeline(|timeline| timeline.answers(window));
        if answers.is_empty() { answers } else { format!("; {called}: {answers}") }
    }

    /// Every SLI over the last window of this length.
    pub fn latest(&self, window: Duration) -> Vec<Level> {
        self.monitor.timeline(|timeline| timeline.latest(window))
    }
}

/// A duration as people read it.
pub(super) fn seconds(d: Duration) -> String {
    let seconds = d.as_secs_f64();
    if seconds < 10.0 { format!("{seconds:.1} s") } else { format!("{seconds:.0} s") }
}
