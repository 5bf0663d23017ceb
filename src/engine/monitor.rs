//! What the agents report while the phases run: slices, samples of the alert condition, lateness. One pump per agent
//! turns messages into events and into the timeline that the phases ask; the phases wait for changes, never sleep.

use super::stop::caught;
use crate::agent::AgentClient;
use crate::agent::ability::MOST_TOLD;
use crate::agent::protocol::{AgentMessage, Told};
use crate::load::LoadReport;
use crate::locked;
use crate::record::{AlertMoment, DrillTime, Event, EventSink, MachineSample, Slice, WriteRecord};
use crate::slis::window::{Level, Timeline};
use crate::slis::{Lateness, SliSpec};
use crate::stack::AgentRole;
use std::ops::RangeBounds;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio_util::task::{AbortOnDropHandle, TaskTracker};

/// State of the alert condition.
#[derive(Debug, Clone, Default)]
pub struct Condition {
    /// Whether it holds now.
    pub holds: bool,
    /// When it was last asked; `None` before the first sample.
    pub sampled: Option<DrillTime>,
    /// Value that decided last.
    pub value: Option<f64>,
    /// Why there was no value.
    pub error: Option<String>,
    /// Whether the metrics page could be read.
    pub readable: bool,
}

#[derive(Default)]
struct MonitorState {
    timeline: Timeline,
    condition: Condition,
    /// Since when the condition held, and the last sample in which it did, each time.
    held: Vec<(DrillTime, DrillTime)>,
    lateness: Lateness,
    gone: Option<String>,
    contention: Contention,
    alerts: Vec<AlertMoment>,
}

/// The timeline and the alert condition, as far as they are known.
#[derive(Clone)]
pub struct Monitor {
    state: Arc<Mutex<MonitorState>>,
    changed: watch::Sender<u64>,
    sink: EventSink,
    when: Option<String>,
    concurrent: ConcurrentDrills,
}

impl Monitor {
    /// A monitor that knows nothing yet. `when` is the alert condition as it was written.
    pub fn new(sink: EventSink, slis: &[SliSpec], when: Option<String>, concurrent: ConcurrentDrills) -> Monitor {
        let state = MonitorState { timeline: Timeline::new(slis), ..MonitorState::default() };
        Monitor { state: Arc::new(Mutex::new(state)), changed: watch::channel(0).0, sink, when, concurrent }
    }

    /// Takes in what an agent reports until its channel ends.
    pub fn pump(
        &self,
        role: &AgentRole,
        client: AgentClient,
        mut messages: mpsc::Receiver<AgentMessage>,
    ) -> AbortOnDropHandle<()> {
        let (monitor, role, name) = (self.clone(), role.clone(), role.name());
        AbortOnDropHandle::new(tokio::spawn(async move {
            let taken = caught(async {
                let mut bytes = 0;
                while let Some(message) = messages.recv().await {
                    if let AgentMessage::Told { told } = &message
                        && let Err(why) = may_tell(&role, told, &mut bytes)
                    {
                        return monitor.lost(format!("{name} {why}"));
                    }
                    match message {
                        AgentMessage::Told { told } => monitor.take(&name, |us| drill_time(&client, us), told),
                        AgentMessage::LeaseLost => monitor
                            .lost(format!("{name} had no heartbeat from the runner in time and lifted everything")),
                        AgentMessage::Hello { .. } | AgentMessage::Reply { .. } => {}
                    }
                }
            });
            // Also when this panics: without its reports nothing can be said about the drill.
            let _ = taken.await;
            monitor.lost(format!("the control channel of {name} ended"));
        }))
    }

    /// Takes in what is told; `at` makes an instant of the teller's clock one of the drill.
    pub(super) fn take(&self, name: &str, at: impl Fn(u64) -> DrillTime, told: Told) {
        match told {
            Told::Load(LoadReport::Slice(slice)) => {
                let slice = Slice { start_us: at(slice.start_us.0), ..slice };
                let mut state = locked(&self.state);
                state.lateness.due(&slice.load, slice.due);
                state.timeline.push(slice.clone());
                drop(state);
                self.sink.emit(Event::Slice(slice));
            }
            Told::Sample { clock_us, value, holds, error, readable } => {
                let (mut state, at) = (locked(&self.state), at(clock_us));
                let turned = state.condition.sampled.is_none() || state.condition.holds != holds;
                let changed = state.condition.value != value;
                state.condition = Condition { holds, sampled: Some(at), value, error, readable };
                if holds && turned {
                    state.held.push((at, at));
                }
                if let (true, Some((_, until))) = (holds, state.held.last_mut()) {
                    *until = at;
                }
                drop(state);
                if let (true, Some(when)) = (turned, &self.when) {
                    self.sink.emit(Event::Condition { when: when.clone(), value, holds });
                }
                if let Some(value) = value.filter(|value| changed && value.is_finite()) {
                    self.sink.emit(Event::Gauge { value });
                }
            }
            Told::Load(LoadReport::Write { write, clock_us, acknowledged }) => {
                self.sink.emit(Event::Written { write, ended_us: at(clock_us), acknowledged });
                // Nobody waits for a single write: whoever needs the ledger waits for the slice that closes after it.
                return;
            }
            Told::Alert(moment) => {
                let moment = AlertMoment { at_us: at(moment.at_us.0), ..moment };
                self.sink.emit(Event::Alert(moment.clone()));
                locked(&self.state).alerts.push(moment);
            }
            Told::AlertsLost { why } => return self.lost(format!("{name}: {why}")),
            Told::Machine(sample) => {
                locked(&self.state).contention.note(self.sink.now(), &sample, self.concurrent.others());
                self.sink.emit(Event::Machine(sample));
            }
            Told::Load(LoadReport::Late(late)) => {
                locked(&self.state).lateness.late(&late.load, self.sink.now(), late.count, late.worst_us);
                self.sink.emit(Event::Late(late));
            }
            Told::Note { text } => self.sink.note(format!("{name}: {text}")),
        }
        self.changed.send_modify(|n| *n += 1);
    }

    /// Something that measures is gone.
    pub(super) fn lost(&self, why: String) {
        locked(&self.state).gone.get_or_insert(why);
        self.changed.send_modify(|n| *n += 1);
    }

    /// Asks the timeline.
    pub fn timeline<T>(&self, ask: impl FnOnce(&Timeline) -> T) -> T {
        ask(&locked(&self.state).timeline)
    }

    /// Asks the ledger: the writes that have ended, in the order in which that was known.
    pub fn writes<T>(&self, ask: impl FnOnce(&[WriteRecord]) -> T) -> T {
        self.sink.read(|record| ask(&record.writes))
    }

    /// Asks what became of the alerts, in the order in which that was known.
    pub fn alerts<T>(&self, ask: impl FnOnce(&[AlertMoment]) -> T) -> T {
        ask(&locked(&self.state).alerts)
    }

    /// The alert condition.
    pub fn condition(&self) -> Condition {
        locked(&self.state).condition.clone()
    }

    /// Since when the condition held that was the first to hold at `from` or later, also where it has ended: several faults go in one after the
    /// other, and nobody looks meanwhile.
    pub fn held_since(&self, from: DrillTime) -> Option<DrillTime> {
        locked(&self.state).held.iter().find(|(_, until)| *until >= from).map(|(since, _)| *since)
    }

    /// Why an agent is gone, if one is.
    pub fn gone(&self) -> Option<String> {
        locked(&self.state).gone.clone()
    }

    /// Why the measurement cannot be trusted, if it cannot: too many requests were sent late.
    pub fn disturbed(&self) -> Option<String> {
        let state = locked(&self.state);
        state.lateness.disturbed(|load| state.timeline.requests_per_second(load))
    }

    /// Asks how full the machine was of other drills.
    pub(super) fn contention<T>(&self, ask: impl FnOnce(&Contention) -> T) -> T {
        ask(&locked(&self.state).contention)
    }

    /// Waits until `ask` answers, an agent is gone, or the deadline passes (`Ok(None)`). `ask` is asked at every
    /// change and at the deadline once more.
    pub async fn until<T>(
        &self,
        deadline: DrillTime,
        mut ask: impl FnMut(&Monitor) -> Option<T>,
    ) -> Result<Option<T>, super::stop::Stop> {
        let mut changes = self.changed.subscribe();
        loop {
            changes.borrow_and_update();
            if let Some(answer) = ask(self) {
                return Ok(Some(answer));
            }
            if let Some(why) = self.gone() {
                return Err(super::stop::Stop::harness(why));
            }
            let left = deadline.since(self.sink.now());
            if left.is_zero() {
                return Ok(None);
            }
            // The sender lives in `self`, so `changed` cannot fail; a deadline that passes ends the wait.
            let _ = tokio::time::timeout(left, changes.changed()).await;
        }
    }
}

/// Whether this agent may tell this, and so much: beside the one with Prometheus runs the image of a scenario, which must not measure, and must
/// not fill any memory.
fn may_tell(role: &AgentRole, told: &Told, bytes: &mut usize) -> Result<(), &'static str> {
    let is_its_own = match told {
        Told::Note { .. } | Told::AlertsLost { .. } => true,
        Told::Alert(_) => *role == AgentRole::Monitoring,
        Told::Load(_) | Told::Sample { .. } | Told::Machine(_) => *role == AgentRole::Drill,
    };
    if !is_its_own {
        return Err(
            "told what another agent measures: something else in its container wrote into its channel (is `alerts.image` one that you trust?)",
        );
    }
    if matches!(told, Told::Alert(_) | Told::Note { .. }) {
        *bytes += serde_json::to_vec(told).map_or(MOST_TOLD, |line| line.len());
    }
    // Each of its abilities has this limit for itself.
    if *bytes > 4 * MOST_TOLD { Err("tells more alerts and notes than an agent would") } else { Ok(()) }
}

/// An instant of an agent's clock as drill time.
fn drill_time(client: &AgentClient, clock_us: u64) -> DrillTime {
    let at = i128::from(clock_us) - i128::from(client.offset().offset_us);
    DrillTime(u64::try_from(at.max(0)).unwrap_or(u64::MAX))
}

/// Levels as people read them.
pub fn shown(levels: &[Level]) -> String {
    let texts: Vec<String> = levels.iter().map(ToString::to_string).collect();
    if texts.is_empty() { "no data".into() } else { texts.join("; ") }
}

/// Counts a drill as long as it lives.
pub use tokio_util::task::task_tracker::TaskTrackerToken as CountedDrill;

/// So much of the time must the machine have been full: one second of twenty explains no verdict.
const SHARE: f64 = 0.2;
/// From this share of busy processors on, what is slow or late may be so because of the others.
const FULL: f64 = 0.9;

/// How many drills run at the same time. Clones count together.
#[derive(Debug, Clone, Default)]
pub struct ConcurrentDrills(TaskTracker);

impl ConcurrentDrills {
    /// One more drill runs, until the value is dropped.
    pub fn enter(&self) -> CountedDrill {
        self.0.token()
    }

    /// Drills beside the one that asks.
    pub fn others(&self) -> usize {
        self.0.len().saturating_sub(1)
    }
}

/// What the machine was like, sample by sample: how busy, and how many others ran.
#[derive(Debug, Default)]
pub(super) struct Contention {
    moments: Vec<(DrillTime, f64, usize)>,
}

impl Contention {
    /// Takes note of a sample.
    pub(super) fn note(&mut self, at: DrillTime, sample: &MachineSample, others: usize) {
        self.moments.push((at, sample.busy, others));
    }

    /// Why what was measured in this time may be the others' doing, if it may. A sample tells of the second before it.
    pub(super) fn during(&self, time: impl RangeBounds<DrillTime>) -> Option<String> {
        let seen: Vec<_> = self.moments.iter().filter(|(at, ..)| time.contains(at)).collect();
        let full = seen.iter().filter(|(_, busy, others)| *others > 0 && *busy >= FULL);
        let (_, busy, others) = full.clone().max_by(|a, b| a.1.total_cmp(&b.1))?;
        if (full.count() as f64) < seen.len() as f64 * SHARE {
            return None;
        }
        let drills = if *others == 1 { "drill" } else { "drills" };
        Some(format!("the machine was {:.0}% busy with {others} {drills} beside this one", busy * 100.0))
    }

    /// Whether the machine was not full for so long at a stretch since then: time enough for users to show that they have
    /// recovered, or that they have not.
    pub(super) fn calm_for(&self, stretch: Duration, from: DrillTime) -> bool {
        let mut begun = None;
        self.moments.iter().filter(|(at, ..)| *at >= from).any(|(at, busy, _)| {
            if *busy >= FULL {
                begun = None;
                return false;
            }
            at.since(*begun.get_or_insert(*at)) >= stretch
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Redactor;

    #[test]
    fn only_the_drills_own_agent_measures_and_none_tells_without_bound() {
        let slice = || Told::Sample { clock_us: 1, value: None, holds: true, error: None, readable: true };
        let note = || Told::Note { text: "x".repeat(MOST_TOLD) };
        let proxy = AgentRole::Proxy { service: "web".into() };
        for (role, measures) in [(AgentRole::Drill, true), (AgentRole::Monitoring, false), (proxy, false)] {
            assert_eq!(may_tell(&role, &slice(), &mut 0).is_ok(), measures, "{role:?}");
            let mut bytes = 0;
            let told: Vec<bool> = (0..5).map(|_| may_tell(&role, &note(), &mut bytes).is_ok()).collect();
            assert_eq!(told, [true, true, true, false, false], "{role:?}");
        }
    }

    #[test]
    fn a_condition_that_held_while_nobody_looked_did_hold() {
        let sink = EventSink::new(None, Redactor::default(), Vec::new());
        let monitor = Monitor::new(sink, &[], None, ConcurrentDrills::default());
        for (at, holds) in [(10, false), (20, true), (30, true), (40, false), (50, true)] {
            let told = Told::Sample { clock_us: at, value: None, holds, error: None, readable: true };
            monitor.take("agent", DrillTime, told);
        }
        let since = |from| monitor.held_since(DrillTime(from)).map(|at| at.0);
        assert_eq!([0, 20, 30, 31, 50, 51].map(since), [Some(20), Some(20), Some(20), Some(50), Some(50), None]);
    }
}

#[cfg(test)]
mod contention_tests {
    use super::*;

    fn sample(busy: f64) -> MachineSample {
        MachineSample { cpus: 2, busy, pressure: None, memory_bytes: 1, available_bytes: 1 }
    }

    #[test]
    fn only_a_full_machine_with_others_on_it_excuses_what_was_measured() {
        let concurrent = ConcurrentDrills::default();
        let own = concurrent.enter();
        assert_eq!(concurrent.others(), 0);
        let other = concurrent.enter();
        let mut contention = Contention::default();
        contention.note(DrillTime(1), &sample(0.99), 0);
        contention.note(DrillTime(2), &sample(0.5), concurrent.others());
        assert_eq!(contention.during(DrillTime(0)..), None);
        contention.note(DrillTime(3), &sample(0.95), concurrent.others());
        let why = contention.during(DrillTime(0)..).unwrap();
        assert_eq!(why, "the machine was 95% busy with 1 drill beside this one");
        assert_eq!(contention.during(DrillTime(4)..), None, "long over");
        for at in 4..20 {
            contention.note(DrillTime(at), &sample(0.5), concurrent.others());
        }
        assert_eq!(contention.during(DrillTime(0)..), None, "one second of twenty");
        drop(other);
        assert_eq!(concurrent.others(), 0);
        drop(own);
        assert_eq!(concurrent.others(), 0);
    }

    #[test]
    fn a_time_that_was_full_stays_so_however_calm_it_is_afterwards() {
        let mut contention = Contention::default();
        for at in 0..100 {
            contention.note(DrillTime(at), &sample(if (10..13).contains(&at) { 0.97 } else { 0.3 }), 2);
        }
        assert_eq!(contention.during(DrillTime(10)..), None, "three of ninety");
        let why = contention.during(DrillTime(10)..=DrillTime(15)).unwrap();
        assert_eq!(why, "the machine was 97% busy with 2 drills beside this one");
        assert_eq!(contention.during(DrillTime(13)..=DrillTime(40)), None);
        assert_eq!(contention.during(DrillTime(200)..=DrillTime(300)), None, "nobody looked");
    }

    #[test]
    fn a_calm_stretch_is_one_without_a_full_moment() {
        let mut contention = Contention::default();
        let second = |at: u64| DrillTime(at * 1_000_000);
        for at in 0..30 {
            contention.note(second(at), &sample(if matches!(at, 4 | 15) { 0.97 } else { 0.6 }), 3);
        }
        assert!(contention.calm_for(Duration::from_secs(13), second(0)), "from 16 to 29");
        assert!(!contention.calm_for(Duration::from_secs(14), second(0)));
        assert!(contention.calm_for(Duration::from_secs(9), second(5)));
        assert!(!contention.calm_for(Duration::from_secs(9), second(21)));
        assert!(!Contention::default().calm_for(Duration::from_secs(1), second(0)), "nobody looked");
    }
}
