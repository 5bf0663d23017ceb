//! The world that a fake stack shows: which faults are active and whether users suffer, as a function of time, so that
//! what an agent reports does not depend on when its task happened to run.

use super::agent::Order;
use super::log::{Happening, Log};
use super::shop::Shop;
use firedrill::stack::StackError;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::mpsc::UnboundedSender;

/// What is wrong with this world; the default is one in which everything works.
#[derive(Debug, Clone, Default)]
pub struct Switches {
    /// `up` fails.
    pub up: Option<StackError>,
    /// `up` does not come to an end.
    pub up_hangs: bool,
    /// Users suffer before anything is broken.
    pub bad_from_the_start: bool,
    /// Faults are in place, and users do not notice.
    pub toothless: bool,
    /// This fault is in place, and nothing that it is for comes its way.
    pub idle: Option<&'static str>,
    /// This fault cannot be injected: the agent answers that it failed.
    pub cannot_inject: Option<&'static str>,
    /// No fault can be injected a second time.
    pub once_only: bool,
    /// This fault is injected so many times, and another injection is never answered.
    pub hangs_after: Option<(&'static str, u32)>,
    /// Asking whether this fault is in place fails.
    pub cannot_confirm: Option<&'static str>,
    /// This fault is taken and never in place.
    pub never_in_place: Option<&'static str>,
    /// Lifting this fault fails.
    pub cannot_lift: Option<&'static str>,
    /// Lifting this fault is never answered.
    pub lift_hangs: Option<&'static str>,
    /// Lifting this fault says that it was done, and it is still in place.
    pub lift_lies: Option<&'static str>,
    /// Users suffer this long after a fault went in, whatever becomes of it.
    pub hurts_after: Option<Duration>,
    /// Users suffer only when a fault has been in place for so long.
    pub hurts_late: Duration,
    /// What the scripts of probes write, in order; the last text is written again and again.
    pub probes: BTreeMap<&'static str, Vec<&'static str>>,
    /// How long it takes to save the logs.
    pub logs_take: Duration,
    /// How long it takes to open a session in a service.
    pub service_shells_take: Duration,
    /// Why users do not meet the proxy any more.
    pub bypassed: Option<&'static str>,
    /// Containers that do not show their connections.
    pub unseen: Vec<&'static str>,
    /// Nobody finds this host any more once the stack was steady.
    pub lost_name: Option<&'static str>,
    /// How long a probe takes.
    pub probes_take: Duration,
    /// Faults end by themselves after this long.
    pub ends_after: Option<Duration>,
    /// What an agent held and what has ended was ended by nobody.
    pub by_itself: bool,
    /// With which exit codes the scripts of faults and probes end, in order; the last one again and again. Of the others 0.
    pub exits: BTreeMap<&'static str, Vec<i64>>,
    /// With which exit code a process ends.
    pub exits_with: i64,
    /// A fault that was cleared comes back after this long.
    pub returns_after: Option<Duration>,
    /// Once a fault was lifted, users suffer for good.
    pub scars: bool,
    /// Once a fault was lifted, users suffer on until the runbook works around it.
    pub outlives: bool,
    /// The same for so long only.
    pub fades: Option<Duration>,
    /// Once a fault was lifted, each request of this load takes so long and ends so.
    pub slow: Option<(&'static str, Duration, &'static str)>,
    /// Of the slices in which users suffer only each so many-th has bad requests.
    pub patchy: Option<u64>,
    /// A fault of which users notice nothing.
    pub harmless: Option<&'static str>,
    /// The metric of the alert condition.
    pub alert: Alert,
    /// What `down` leaves behind.
    pub leaves: Vec<String>,
    /// `down` fails.
    pub down_fails: bool,
    /// Panics in this method of the stack.
    pub panics_in: Option<&'static str>,
    /// Agents do not end when their channel does.
    pub agents_cling: bool,
    /// The container has no bash.
    pub no_shell: bool,
    /// A session can be opened again with what it knew.
    pub exports: bool,
    /// So many looks at the containers of `db` fail.
    pub cannot_look: u32,
    /// Nothing of this world: a shop that is really there, and a real agent.
    pub shop: Option<Arc<Shop>>,
}

/// How the metric of the alert condition behaves.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Alert {
    /// 10 while users suffer, 0 otherwise.
    #[default]
    Honest,
    /// Always 0.
    Deaf,
    /// Always 10.
    Stuck,
    /// The metrics page does not have it.
    Missing,
    /// 10 while this fault is in place, 0 otherwise.
    Of(&'static str),
}

/// What users suffer from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// Nothing.
    None,
    /// Errors, fast ones.
    Errors,
    /// Good answers that come late.
    Slowness,
    /// Answers that the SLIs call good, and that nobody had before.
    Refusals,
}

/// How long errors and slowness take turns.
const TURN: Duration = Duration::from_millis(800);

/// From when until when; without an end it goes on.
type Interval = (Instant, Option<Instant>);

#[derive(Default)]
struct State {
    /// Fault → when it was in place.
    faults: BTreeMap<String, Vec<Interval>>,
    /// When users were well although a fault was in place.
    worked_around: Vec<Interval>,
    /// When users suffered for another reason than a fault.
    scars: Vec<Interval>,
    /// The faults that the runbook has cleared while they were in place.
    cleared: BTreeSet<String>,
    /// Since when users suffer in turns.
    turns: Option<Instant>,
    /// When users were refused what they got.
    refused: Vec<Interval>,
    web_is_lost: bool,
    /// Since when queries fail, and each so many-th of them.
    queries_fail: Option<(Instant, u64)>,
    /// When a fault ended first.
    ended: Option<Instant>,
    agents: BTreeMap<String, UnboundedSender<Order>>,
    failures: BTreeMap<String, u32>,
}

/// The world of one drill.
pub struct World {
    /// What is wrong with it.
    pub switches: Switches,
    /// The drill's ledger, read whenever a fault is asked for.
    pub ledger: PathBuf,
    /// Where everything is noted.
    pub log: Log,
    state: Mutex<State>,
}

fn covers(intervals: &[Interval], at: Instant) -> bool {
    intervals.iter().any(|(from, to)| *from <= at && to.is_none_or(|to| at < to))
}

/// Ends what is in place now, and takes back what was still to come.
fn cut(intervals: &mut Vec<Interval>, now: Instant) {
    intervals.retain(|(from, _)| *from <= now);
    for (_, to) in intervals {
        *to = Some(to.map_or(now, |to| to.min(now)));
    }
}

impl World {
    /// A world in which nothing has happened yet.
    pub fn new(switches: Switches, ledger: PathBuf, log: Log) -> World {
        let mut state = State::default();
        if switches.bad_from_the_start {
            state.scars.push((Instant::now(), None));
        }
        World { switches, ledger, log, state: Mutex::new(state) }
    }

    /// The ledger file as it is now.
    pub fn ledger_text(&self) -> String {
        std::fs::read_to_string(&self.ledger).unwrap_or_default()
    }

    /// A fault goes in.
    pub fn break_it(&self, fault: &str) {
        self.log.done(Happening::Injected { fault: fault.to_string(), ledger: self.ledger_text() });
        if self.switches.never_in_place == Some(fault) {
            return;
        }
        let now = Instant::now();
        let interval = (now, self.switches.ends_after.map(|after| now + after));
        let mut state = self.lock();
        state.faults.entry(fault.to_string()).or_default().push(interval);
        state.scars.extend(self.switches.hurts_after.map(|after| (now + after, None)));
    }

    /// How long ago a fault ended.
    pub fn ended_ago(&self, fault: &str) -> Duration {
        let state = self.lock();
        let ended = state.faults.get(fault).and_then(|intervals| intervals.iter().filter_map(|(_, to)| *to).max());
        ended.map(|at| at.elapsed()).unwrap_or_default()
    }

    /// A fault ends because the runner says so; the words that the agent answers.
    pub fn lift(&self, fault: &str) -> Result<String, String> {
        self.log.done(Happening::Lifted { fault: fault.to_string() });
        if self.switches.cannot_lift == Some(fault) {
            return Err("the rule is stuck".into());
        }
        if self.switches.lift_lies != Some(fault) {
            self.end(fault);
        }
        Ok("lifted".into())
    }

    /// A fault ends.
    pub fn end(&self, fault: &str) {
        let now = Instant::now();
        let mut state = self.lock();
        let Some(intervals) = state.faults.get_mut(fault) else { return };
        cut(intervals, now);
        state.ended.get_or_insert(now);
        if self.switches.scars {
            state.scars.push((now, None));
        }
        if (self.switches.outlives || self.switches.fades.is_some()) && self.switches.harmless != Some(fault) {
            let until = self.switches.fades.map(|fades| now + fades);
            state.faults.entry("aftermath".into()).or_default().push((now, until));
        }
    }

    /// The runbook clears every fault; they come back where the world says so.
    pub fn clear(&self) {
        let now = Instant::now();
        let mut state = self.lock();
        let in_place = state.faults.iter().filter(|(_, intervals)| covers(intervals, now));
        let cleared: Vec<String> = in_place.map(|(fault, _)| fault.clone()).collect();
        state.cleared.extend(cleared);
        for intervals in state.faults.values_mut() {
            cut(intervals, now);
            intervals.extend(self.switches.returns_after.map(|after| (now + after, None)));
        }
    }

    /// The runbook works around the faults, for good or for a while.
    pub fn work_around(&self, lasts: Option<Duration>) {
        let now = Instant::now();
        self.lock().worked_around.push((now, lasts.map(|lasts| now + lasts)));
    }

    /// What worked around the faults does so no longer.
    pub fn relapse(&self) {
        cut(&mut self.lock().worked_around, Instant::now());
    }

    /// Users suffer from so long after now on, whatever becomes of the faults.
    pub fn break_later(&self, after: Duration) {
        self.lock().scars.push((Instant::now() + after, None));
    }

    /// From now on `web` has no container; that users do not notice.
    pub fn lose_web(&self) {
        self.lock().web_is_lost = true;
    }

    /// Whether `web` has no container any more.
    pub fn web_is_lost(&self) -> bool {
        self.lock().web_is_lost
    }

    /// From now on each so many-th query fails: nobody knows of what it was asked.
    pub fn fail_queries(&self, each: u64) {
        self.lock().queries_fail = Some((Instant::now(), each));
    }

    /// Whether the query of this number fails then.
    pub fn query_fails(&self, number: u64, at: Instant) -> bool {
        self.lock().queries_fail.is_some_and(|(since, each)| since <= at && number.is_multiple_of(each))
    }

    /// From now on users are told that there is no such thing, whatever else is wrong.
    pub fn refuse(&self) {
        self.lock().refused.push((Instant::now(), None));
    }

    /// The same for a moment.
    pub fn refuse_for(&self, lasts: Duration) {
        self.lock().refused.push((Instant::now(), Some(Instant::now() + lasts)));
    }

    /// The runbook works around the faults, but that takes a while.
    pub fn work_around_later(&self, after: Duration) {
        self.lock().worked_around.push((Instant::now() + after, None));
    }

    /// From now on users have errors and slow answers in turns, and never both.
    pub fn take_turns(&self) {
        self.work_around(None);
        self.lock().turns = Some(Instant::now());
    }

    /// What users suffered from in this time.
    pub fn trouble(&self, from: Instant, to: Instant) -> Trouble {
        if covers(&self.lock().refused, from) {
            return Trouble::Refusals;
        }
        if self.broken_within(from, to) {
            return Trouble::Errors;
        }
        let Some(since) = self.lock().turns.filter(|since| *since <= from) else { return Trouble::None };
        match (from - since).as_millis() / TURN.as_millis() % 2 {
            0 => Trouble::Errors,
            _ => Trouble::Slowness,
        }
    }

    /// Whether a fault is in place now.
    pub fn in_place(&self, fault: &str) -> bool {
        self.lock().faults.get(fault).is_some_and(|intervals| covers(intervals, Instant::now()))
    }

    /// Whether the runbook has cleared a fault that was in place.
    pub fn cleared(&self, fault: &str) -> bool {
        self.lock().cleared.contains(fault)
    }

    /// How the container of the process stands, once it was started and until it is removed.
    pub fn worker(&self) -> Option<&'static str> {
        let begun = self.lock().faults.contains_key("process");
        begun.then(|| if self.in_place("process") { "running" } else { "exited" })
    }

    /// Whether users suffer now.
    pub fn broken(&self) -> bool {
        let now = Instant::now();
        self.broken_within(now, now)
    }

    /// Whether users suffered at any instant of this time.
    pub fn broken_within(&self, from: Instant, to: Instant) -> bool {
        let state = self.lock();
        let late = self.switches.hurts_late;
        let hurt = |intervals: &Vec<Interval>| {
            let hurt = intervals.iter().map(|(begin, end)| (*begin + late, *end));
            hurt.filter(|(begin, end)| end.is_none_or(|end| *begin < end)).collect::<Vec<Interval>>()
        };
        let hurting = state.faults.iter().filter(|(fault, _)| self.switches.harmless != Some(fault.as_str()));
        let faults: Vec<Vec<Interval>> = hurting.map(|(_, intervals)| hurt(intervals)).collect();
        let all = faults.iter().chain([&state.worked_around, &state.scars]).flatten();
        let turns = all.flat_map(|(begin, end)| [Some(*begin), *end]).flatten();
        let within = turns.filter(|turn| (from..to).contains(turn));
        std::iter::once(from).chain(within).any(|at| {
            let faulty = !self.switches.toothless && faults.iter().any(|intervals| covers(intervals, at));
            covers(&state.scars, at) || faulty && !covers(&state.worked_around, at)
        })
    }

    /// The value of the alert condition's metric now.
    pub fn metric(&self) -> Option<f64> {
        match self.switches.alert {
            Alert::Honest => Some(if self.broken() { 10.0 } else { 0.0 }),
            Alert::Deaf => Some(0.0),
            Alert::Stuck => Some(10.0),
            Alert::Missing => None,
            Alert::Of(fault) => Some(if self.in_place(fault) { 10.0 } else { 0.0 }),
        }
    }

    /// How long each request of a load takes that is due then, and how it ends, where that is its own; once a fault was lifted.
    pub fn slow(&self, load: &str, due: Instant) -> Option<(Duration, &'static str)> {
        let (_, takes, result) = self.switches.slow.filter(|(slow, ..)| *slow == load)?;
        self.lock().ended.is_some_and(|ended| ended <= due).then_some((takes, result))
    }

    /// How often something was asked for, this time included.
    pub fn count(&self, what: &str) -> u32 {
        let mut state = self.lock();
        let count = state.failures.entry(what.to_string()).or_default();
        *count += 1;
        *count
    }

    /// How often that was asked for so far.
    pub fn counted(&self, what: &str) -> u32 {
        self.lock().failures.get(what).copied().unwrap_or_default()
    }

    /// An agent is there and takes orders.
    pub fn enlist(&self, agent: &str, orders: UnboundedSender<Order>) {
        self.lock().agents.insert(agent.to_string(), orders);
    }

    /// Tells an agent to misbehave.
    pub fn order(&self, agent: &str, order: Order) {
        let orders = self.lock().agents.get(agent).cloned().unwrap_or_else(|| panic!("no agent {agent}"));
        orders.send(order).expect("the agent is there");
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
