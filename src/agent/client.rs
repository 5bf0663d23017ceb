//! Runner side of an agent: numbered requests over the channel with their replies, heartbeats, the clock offset from round trips, and the
//! stream of what it reports.

#[cfg(test)]
mod tests;

use super::locked;
use super::protocol::{AgentAnswer, AgentAsk, AgentMessage, AgentRequest, BUILD, HEARTBEAT, LEASE};
use crate::source::cut;
use crate::stack::Channel;
use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{MissedTickBehavior, interval_at, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

/// How long the agent may take to say hello: the exec session and the agent itself may just be starting.
const HELLO_WITHIN: Duration = Duration::from_secs(15);
/// How long an answer may take. Everything that an agent does has a shorter deadline of its own, so that this one
/// means that it hangs.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);
/// How long the agent may take to lift everything once its channel was closed.
const CLOSED_WITHIN: Duration = Duration::from_secs(10);
/// As much of a line as a message can bear, in characters.
const HEAD: usize = 200;
/// Messages that wait for the one who takes them.
const MOST_WAITING: usize = 256;
/// Round trips that measure the clock at first.
const PROBES: usize = 5;
/// Probes that are remembered: with a heartbeat every 500 ms those of the last ten seconds, so that a drift of the
/// clocks (some 50 µs/s at worst) stays small beside the round trip.
const REMEMBERED: usize = 20;

/// Why an agent could not do what was asked: it says so, or its channel is gone or its lease was lost.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{0}")]
pub struct AgentError(String);

/// A connected agent. Cheap to clone; the channel ends when the last clone is dropped or `close` is called.
#[derive(Clone)]
pub struct AgentClient(Arc<Inner>);

struct Inner {
    name: String,
    now_us: Box<dyn Fn() -> u64 + Send + Sync>,
    state: Mutex<ConnectionState>,
    /// Cancelled when the agent is to be given up.
    gone: CancellationToken,
    /// Cancelled when the reader has ended.
    ended: CancellationToken,
    next: AtomicU64,
    /// Lines to the agent; `None` once closed.
    lines: Mutex<Option<mpsc::Sender<String>>>,
    heartbeat: Mutex<Option<AbortOnDropHandle<()>>>,
}

#[derive(Default)]
struct ConnectionState {
    /// Why nothing more can be asked.
    cause: Option<String>,
    /// Requests without an answer: when they were sent in drill time, and who waits.
    pending: HashMap<u64, (u64, oneshot::Sender<AgentAnswer>)>,
    /// The last probes; the one with the shortest round trip counts.
    probes: VecDeque<ClockOffset>,
}

impl AgentClient {
    /// Waits for the agent's hello, measures its clock with a few round trips against `now_us` (the runner's drill
    /// time in µs), and starts the heartbeat. Messages that are not replies arrive at the receiver, which ends when
    /// the agent is gone; a `LeaseLost` is its last message. Answers wait behind messages that nobody takes.
    pub async fn open(
        name: String,
        channel: Channel,
        now_us: impl Fn() -> u64 + Send + Sync + 'static,
    ) -> Result<(AgentClient, mpsc::Receiver<AgentMessage>), AgentError> {
        let Channel { tx, mut rx } = channel;
        let (state, gone, ended, heartbeat) = Default::default();
        let (now_us, next, lines) = (Box::new(now_us), AtomicU64::new(1), Mutex::new(Some(tx)));
        let client = AgentClient(Arc::new(Inner { name, now_us, state, gone, ended, next, lines, heartbeat }));
        hello(&mut rx).await.map_err(|cause| client.0.error(cause))?;
        let (messages, receiver) = mpsc::channel(MOST_WAITING);
        let (gone, ended) = (client.0.gone.clone(), client.0.ended.clone());
        tokio::spawn(read(Arc::downgrade(&client.0), (gone, ended), rx, messages));
        for _ in 0..PROBES {
            client.ask(AgentAsk::Heartbeat).await?;
        }
        *locked(&client.0.heartbeat) = Some(AbortOnDropHandle::new(tokio::spawn(beat(Arc::downgrade(&client.0)))));
        Ok((client, receiver))
    }

    /// Asks and waits for the answer, 30 s at most; `AgentAnswer::Failed` becomes an error.
    pub async fn ask(&self, ask: AgentAsk) -> Result<AgentAnswer, AgentError> {
        self.ask_within(ask, ANSWER_WITHIN).await
    }

    /// Asks something that may take longer.
    pub async fn ask_within(&self, ask: AgentAsk, within: Duration) -> Result<AgentAnswer, AgentError> {
        match timeout(within, self.0.ask(ask)).await {
            Ok(Ok(AgentAnswer::Failed { reason })) => Err(AgentError(reason)),
            Ok(answer) => answer,
            Err(_) => Err(self.0.error(format!("it did not answer within {} s", within.as_secs()))),
        }
    }

    /// The agent's clock offset, by the best round trip of the last ten seconds.
    pub fn offset(&self) -> ClockOffset {
        // `open` returns only after the first probes.
        let best = locked(&self.0.state).probes.iter().min_by_key(|probe| probe.rtt_us).copied();
        best.unwrap_or(ClockOffset { offset_us: 0, rtt_us: u64::MAX })
    }

    /// Closes the channel, which makes the agent lift everything, and waits for it to have done so; `false` when
    /// that took too long. Clones can ask nothing more.
    pub async fn close(&self) -> bool {
        locked(&self.0.heartbeat).take();
        locked(&self.0.lines).take();
        let ended = timeout(CLOSED_WITHIN, self.0.ended.cancelled()).await.is_ok();
        self.0.give_up("its channel was closed");
        ended
    }
}

impl Inner {
    async fn ask(&self, ask: AgentAsk) -> Result<AgentAnswer, AgentError> {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let line = serde_json::to_string(&AgentRequest { id, ask })
            .map_err(|error| AgentError(format!("the request cannot be written: {error}")))?;
        let lines = locked(&self.lines).clone().ok_or_else(|| self.error("its channel was closed".into()))?;
        // A place in the channel first: time spent in our own queue is no part of the round trip.
        let place = self.gone.run_until_cancelled(lines.reserve_owned()).await;
        let place = place.ok_or_else(|| self.error("it was given up".into()))?;
        let place = place.map_err(|_| self.error("its channel ended".into()))?;
        let (waiting, answer) = oneshot::channel();
        locked(&self.state).pending.insert(id, ((self.now_us)(), waiting));
        // Whoever gives up has cancelled this before the state can be changed again.
        if self.gone.is_cancelled() {
            return Err(self.error(String::new()));
        }
        place.send(line);
        answer.await.map_err(|_| self.error("its channel ended".into()))
    }

    /// The error of whatever is asked now; the first cause stands.
    fn error(&self, otherwise: String) -> AgentError {
        let cause = locked(&self.state).cause.clone().unwrap_or(otherwise);
        AgentError(format!("the agent {} is gone: {cause}", self.name))
    }

    fn reply(&self, id: u64, clock_us: u64, answer: AgentAnswer) {
        let received_us = (self.now_us)();
        let mut state = locked(&self.state);
        let Some((sent_us, waiting)) = state.pending.remove(&id) else { return };
        // Any round trip is a probe; slow requests are slow probes, and lose.
        state.probes.push_front(ClockOffset::of_probe(sent_us, clock_us, received_us));
        state.probes.truncate(REMEMBERED);
        drop(state);
        // Whoever asked may have given up.
        let _ = waiting.send(answer);
    }

    /// Fails everything that waits and everything to come.
    fn give_up(&self, cause: &str) {
        let mut state = locked(&self.state);
        state.cause.get_or_insert_with(|| cause.to_string());
        state.pending.clear();
        self.gone.cancel();
    }
}

async fn hello(rx: &mut mpsc::Receiver<String>) -> Result<(), String> {
    let late = |_| format!("it did not say hello within {} s", HELLO_WITHIN.as_secs());
    let said = timeout(HELLO_WITHIN, rx.recv()).await.map_err(late)?;
    let line = said.ok_or("its channel ended before it said anything")?;
    match serde_json::from_str(&line) {
        Ok(AgentMessage::Hello { version, .. }) if version == BUILD => Ok(()),
        // What is made from the running executable is of its build: this image was named.
        Ok(AgentMessage::Hello { version, .. }) => Err(format!(
            "it is of the build {version}, and the runner is of {BUILD}: make the image that FIREDRILL_AGENT_IMAGE or \
             FIREDRILL_IMAGE names from the runner's build, or leave the variable out where Docker can make it"
        )),
        // A refusal: another runner controls it.
        Ok(AgentMessage::Reply { answer: AgentAnswer::Failed { reason }, .. }) => Err(reason),
        Ok(_) | Err(_) => Err(format!("it began with something else than hello: {}", cut(&line, HEAD, ""))),
    }
}

/// Reads what comes back; it must not keep the channel open.
async fn read(
    inner: Weak<Inner>,
    (gone, ended): (CancellationToken, CancellationToken),
    mut rx: mpsc::Receiver<String>,
    messages: mpsc::Sender<AgentMessage>,
) {
    let cause = loop {
        let line = tokio::select! {
            () = gone.cancelled() => break "it was given up".to_string(),
            line = rx.recv() => line,
        };
        let Some(line) = line else { break "its channel ended".into() };
        match serde_json::from_str(&line) {
            Ok(AgentMessage::Reply { id, clock_us, answer }) => {
                let _ = inner.upgrade().map(|inner| inner.reply(id, clock_us, answer));
            }
            Ok(message) => {
                let lost = message == AgentMessage::LeaseLost;
                tokio::select! {
                    () = gone.cancelled() => break "it was given up".to_string(),
                    // A runner that wants no messages still wants its answers.
                    sent = messages.send(message) => drop(sent),
                }
                if lost {
                    break format!("it heard nothing from the runner for {} s and lifted everything", LEASE.as_secs());
                }
            }
            Err(error) => break format!("it sent a line that cannot be read: {error}: {}", cut(&line, HEAD, "")),
        }
    };
    let _ = inner.upgrade().map(|inner| inner.give_up(&cause));
    ended.cancel();
}

/// Renews the lease. Gives the agent up when it has answered none of the heartbeats of a whole lease: they are counted
/// and not timed, as a runner that stood still itself must read what is waiting first.
async fn beat(inner: Weak<Inner>) {
    let mut ticks = interval_at(tokio::time::Instant::now() + HEARTBEAT, HEARTBEAT);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let patience = LEASE.as_millis().checked_div(HEARTBEAT.as_millis()).unwrap_or(1);
    let unanswered = Arc::new(AtomicU64::new(0));
    loop {
        ticks.tick().await;
        let Some(inner) = inner.upgrade() else { return };
        if u128::from(unanswered.fetch_add(1, Ordering::Relaxed)) >= patience {
            inner.give_up(&format!("it answered no heartbeat for {} s", LEASE.as_secs()));
            // Should it live after all, end-of-file makes it lift everything.
            locked(&inner.lines).take();
            return;
        }
        let unanswered = unanswered.clone();
        // Not awaited here: one answer that is late must not hold the next heartbeat back.
        tokio::spawn(async move {
            if inner.ask(AgentAsk::Heartbeat).await.is_ok() {
                unanswered.store(0, Ordering::Relaxed);
            }
        });
    }
}

/// Clock offset of an agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClockOffset {
    /// Agent's clock (µs since the Unix epoch) minus the runner's drill time in µs.
    pub offset_us: i64,
    /// Round trip of the best probe; the offset is wrong by at most half of it.
    pub rtt_us: u64,
}

impl ClockOffset {
    /// From one round trip, as NTP does (RFC 5905, section 8): the agent read its clock somewhere between `sent_us`
    /// and `received_us`, and the middle of the two is at most half the round trip away from that instant.
    fn of_probe(sent_us: u64, agent_us: u64, received_us: u64) -> ClockOffset {
        let rtt_us = received_us.saturating_sub(sent_us);
        let middle = i128::from(sent_us) + i128::from(rtt_us / 2);
        let offset = i128::from(agent_us) - middle;
        let offset_us = i64::try_from(offset).unwrap_or(if offset < 0 { i64::MIN } else { i64::MAX });
        ClockOffset { offset_us, rtt_us }
    }
}
