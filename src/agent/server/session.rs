//! One connection that controls the agent, what it holds, and its lease: when the other end is gone or silent, everything that the
//! session started is ended.

use super::abilities;
use super::listen::AbilityOwner;
use crate::agent::ability::{AgentContext, HeldResult, bounded};
use crate::agent::protocol::{AgentAnswer, AgentAsk, AgentMessage, AgentRequest, BUILD, Told};
use crate::agent::proxy::Proxy;
use crate::agent::{Clock, locked};
use futures_util::StreamExt;
use futures_util::future::join_all;
use serde_json::Value;
use std::collections::BTreeMap;
use std::future::Future;
use std::io;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinSet;
use tokio_util::codec::{FramedRead, LinesCodec};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

/// How long the last messages may take to be written once a session is over.
const FAREWELL: Duration = Duration::from_secs(1);

/// Lines from the runner.
type SessionLines<R> = FramedRead<R, LinesCodec>;

/// What sessions of one agent share.
#[derive(Clone)]
pub(super) struct AgentSession {
    pub(super) clock: Clock,
    pub(super) proxy: Option<Proxy>,
    /// `protocol::LEASE`, shorter in tests.
    pub(super) lease: Duration,
    pub(super) shutdown: CancellationToken,
}

/// A session with what it has begun.
struct LiveSession {
    context: AgentContext,
    held: Holdings,
    messages: UnboundedSender<AgentMessage>,
}

impl AgentSession {
    /// Serves a runner until it is gone; returns when everything was lifted and said.
    pub(super) async fn run(
        self,
        mut lines: SessionLines<impl AsyncRead + Unpin>,
        to: impl AsyncWrite + Unpin + Send + 'static,
        (alive, lifting): AbilityOwner,
    ) {
        let (messages, queue) = unbounded_channel();
        let mut writer = AbortOnDropHandle::new(tokio::spawn(write_lines(to, queue, self.lease)));
        let context = AgentContext { clock: self.clock, proxy: self.proxy.clone(), loads: Mutex::default() };
        let live = Arc::new(LiveSession { context, held: Holdings::default(), messages });
        live.tell(AgentMessage::Hello { version: BUILD.into(), clock_us: self.clock.now_us() });
        let mut asks = JoinSet::new();
        let mut heard = Instant::now();
        let lease_lost = loop {
            tokio::select! {
                biased;
                () = self.shutdown.cancelled() => break false,
                // The runner is gone, or does not read.
                _ = &mut writer => break false,
                () = tokio::time::sleep_until((heard + self.lease).into()) => break true,
                line = lines.next() => {
                    let Some(Ok(line)) = line else { break false };
                    // Requests that piled up while this process stood still are those of a lease that is over.
                    if heard.elapsed() > self.lease {
                        break true;
                    }
                    heard = Instant::now();
                    live.take(&line, &mut asks);
                }
                Some(_) = asks.join_next() => {}
            }
        };
        // Others may wait from now on.
        drop(alive);
        // First nothing new may begin, then what there is ends.
        asks.shutdown().await;
        for (id, reason) in live.held.lift_all().await {
            live.tell(note(format!("the fault `{id}` could not be lifted: {reason}")));
        }
        drop(lifting);
        if lease_lost {
            live.tell(AgentMessage::LeaseLost);
            self.refuse(lines, &live).await;
        }
        drop(live);
        // A handle must not be asked again once it has answered.
        if !writer.is_finished() {
            let _ = tokio::time::timeout(FAREWELL, writer).await;
        }
    }

    /// After a lost lease: whatever is asked, the answer is no, until the runner closes the connection.
    async fn refuse(&self, mut lines: SessionLines<impl AsyncRead + Unpin>, live: &LiveSession) {
        let silent = self.lease.as_secs_f64();
        let reason = format!("the lease was lost: the runner was silent for {silent} s, and everything was lifted");
        while let Some(Some(Ok(line))) = self.shutdown.run_until_cancelled(lines.next()).await {
            live.reply(id_of(&line), AgentAnswer::Failed { reason: reason.clone() });
        }
    }
}

impl LiveSession {
    fn take(self: &Arc<Self>, line: &str, asks: &mut JoinSet<()>) {
        match serde_json::from_str(line) {
            // Answered here, so that nothing stands between a heartbeat and the clock that it measures.
            Ok(AgentRequest { id, ask: AgentAsk::Heartbeat }) => self.reply(id, Ok(String::new()).into()),
            Ok(AgentRequest { id, ask }) => {
                let live = self.clone();
                asks.spawn(async move { live.reply(id, live.answer(ask).await) });
            }
            Err(error) => {
                let reason = format!("this agent does not understand the request: {error}");
                self.reply(id_of(line), AgentAnswer::Failed { reason });
            }
        }
    }

    /// Does what is asked.
    async fn answer(&self, ask: AgentAsk) -> AgentAnswer {
        match ask {
            AgentAsk::Heartbeat => Ok(String::new()).into(),
            AgentAsk::Begin { ability, id, message } => {
                let (named, messages) = (id.clone(), self.messages.clone());
                let told = bounded(Arc::new(move |told| {
                    let message = match told {
                        Told::Note { text } => note(format!("{named}: {text}")),
                        told => AgentMessage::Told { told },
                    };
                    // The writer is gone only when the connection is, and then the session ends by that.
                    let _ = messages.send(message);
                }));
                let beginning = abilities::begin(&ability, message, &id, &self.context, told);
                self.held.begin(&id, beginning).await.map(|()| String::new()).into()
            }
            AgentAsk::Change { id, message } => self.held.change(&id, message).await.map(|()| String::new()).into(),
            AgentAsk::Look { id } => self.held.look(&id).await,
            AgentAsk::Lift { id } => self.held.lift(&id).await.into(),
        }
    }

    fn reply(&self, id: u64, answer: AgentAnswer) {
        self.tell(AgentMessage::Reply { id, clock_us: self.context.clock.now_us(), answer });
    }

    fn tell(&self, message: AgentMessage) {
        // As above.
        let _ = self.messages.send(message);
    }
}

fn note(text: String) -> AgentMessage {
    AgentMessage::Told { told: Told::Note { text } }
}

/// The number of a request that cannot be read as a whole; 0 is nobody's.
fn id_of(line: &str) -> u64 {
    serde_json::from_str::<serde_json::Value>(line).ok().and_then(|value| value.get("id")?.as_u64()).unwrap_or(0)
}

/// How long lifting one thing may take; past it that is dropped, which closes its connections.
pub(super) const LIFT_WITHIN: Duration = Duration::from_secs(4);
/// How long looking at one may take; past it nobody can say how it stands.
const LOOK_WITHIN: Duration = Duration::from_secs(5);

const NOT_HELD: &str = "this agent holds no such fault";

/// What is held, by id.
#[derive(Default)]
struct Holdings(Mutex<BTreeMap<String, Arc<Slot>>>);

struct Slot {
    /// Ends a fault that is only beginning.
    cancel: CancellationToken,
    /// What is held, or the evidence that nothing is; locked while it is being begun, looked at or lifted.
    state: tokio::sync::Mutex<HeldResult>,
}

impl Holdings {
    /// Begins something; when that fails, or is overtaken by a lift, nothing is held.
    async fn begin(&self, fault: &str, beginning: impl Future<Output = HeldResult>) -> Result<(), String> {
        let state = tokio::sync::Mutex::new(Err("it was given up while it began".into()));
        let slot = Arc::new(Slot { cancel: CancellationToken::new(), state });
        // Taken before anyone else can see the slot.
        let mut state = slot.state.lock().await;
        {
            let mut slots = locked(&self.0);
            // A slot that is locked is being begun, looked at or lifted: it is in use.
            let is_free = |old: &Arc<Slot>| old.state.try_lock().is_ok_and(|state| state.is_err());
            if !slots.get(fault).is_none_or(is_free) {
                return Err(format!("the fault `{fault}` is already held"));
            }
            slots.insert(fault.to_string(), slot.clone());
        }
        let begun = tokio::select! {
            biased;
            () = slot.cancel.cancelled() => Err("it was lifted before it was in place".to_string()),
            begun = beginning => begun,
        };
        let failed = begun.as_ref().err().cloned();
        *state = begun.map_err(|reason| format!("it never was in place: {reason}"));
        failed.map_or(Ok(()), Err)
    }

    fn get(&self, fault: &str) -> Option<Arc<Slot>> {
        locked(&self.0).get(fault).cloned()
    }

    /// Whether it is in place.
    async fn look(&self, id: &str) -> AgentAnswer {
        let Some(slot) = self.get(id) else { return AgentAnswer::gone(NOT_HELD) };
        let too_long = |_| Err::<String, _>(format!("looking at it took more than {} s", LOOK_WITHIN.as_secs())).into();
        match &*slot.state.lock().await {
            Ok(held) => tokio::time::timeout(LOOK_WITHIN, held.look()).await.unwrap_or_else(too_long),
            Err(detail) => AgentAnswer::gone(detail),
        }
    }

    /// Makes it what another message asks for, while it is held.
    async fn change(&self, id: &str, message: Value) -> Result<(), String> {
        let slot = self.get(id).ok_or_else(|| NOT_HELD.to_string())?;
        let state = slot.state.lock().await;
        let held = state.as_ref().map_err(Clone::clone)?;
        let too_long = |_| Err(format!("changing it took more than {} s", LOOK_WITHIN.as_secs()));
        tokio::time::timeout(LOOK_WITHIN, held.change(message)).await.unwrap_or_else(too_long)
    }

    /// Ends it. It stays to be asked about, and stays held when it could not be ended.
    async fn lift(&self, id: &str) -> Result<String, String> {
        let Some(slot) = self.get(id) else { return Ok(NOT_HELD.into()) };
        slot.lift().await
    }

    /// Ends everything, side by side, and forgets it; what could not be ended is dropped, which closes its
    /// connections. Id → why it could not be ended.
    async fn lift_all(&self) -> BTreeMap<String, String> {
        let slots = std::mem::take(&mut *locked(&self.0));
        let lifts = slots.iter().map(|(id, slot)| async move { slot.lift().await.err().map(|e| (id.clone(), e)) });
        join_all(lifts).await.into_iter().flatten().collect()
    }
}

impl Slot {
    async fn lift(&self) -> Result<String, String> {
        self.cancel.cancel();
        let mut state = self.state.lock().await;
        let held = match &*state {
            Ok(held) => held,
            Err(detail) => return Ok(detail.clone()),
        };
        let lifted = tokio::time::timeout(LIFT_WITHIN, held.lift()).await;
        let too_long = |_| Err(format!("lifting it took more than {} s", LIFT_WITHIN.as_secs()));
        let detail = lifted.unwrap_or_else(too_long)?;
        *state = Err(detail.clone());
        Ok(detail)
    }
}

/// Messages that are written together at most.
const BATCH: usize = 256;

/// Writes until all senders are gone, then closes. An error ends it: so does a pipe that takes nothing for
/// `stuck_after`, as a runner that does not read has lost its lease.
async fn write_lines(
    mut to: impl AsyncWrite + Unpin,
    mut messages: UnboundedReceiver<AgentMessage>,
    stuck_after: Duration,
) -> io::Result<()> {
    let mut batch = Vec::new();
    let mut lines = Vec::new();
    while messages.recv_many(&mut batch, BATCH).await > 0 {
        lines.clear();
        for message in batch.drain(..) {
            serde_json::to_writer(&mut lines, &message)?;
            lines.push(b'\n');
        }
        let written = async {
            to.write_all(&lines).await?;
            to.flush().await
        };
        let stuck = |_| Err(io::Error::new(io::ErrorKind::TimedOut, "the runner does not read"));
        tokio::time::timeout(stuck_after, written).await.unwrap_or_else(stuck)?;
    }
    to.shutdown().await
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicBool, Ordering};

    #[tokio::test]
    async fn a_fault_nobody_holds_is_gone_and_lifted() {
        let holdings = Holdings::default();
        assert!(matches!(holdings.look("x").await, AgentAnswer::Gone { .. }));
        assert!(holdings.lift("x").await.is_ok());
        assert!(holdings.lift_all().await.is_empty());
    }

    #[tokio::test]
    async fn what_could_not_begin_is_gone_and_may_be_tried_again() {
        let holdings = Holdings::default();
        assert_eq!(holdings.begin("x", async { Err("no route".into()) }).await, Err("no route".into()));
        let AgentAnswer::Gone { detail, .. } = holdings.look("x").await else { panic!("it is not held") };
        assert_eq!(detail, "it never was in place: no route");
        assert_eq!(holdings.begin("x", async { Err("again".into()) }).await, Err("again".into()));
    }

    struct Dropped(Arc<AtomicBool>);

    impl Drop for Dropped {
        fn drop(&mut self) {
            self.0.store(true, Ordering::SeqCst);
        }
    }

    #[tokio::test]
    async fn lifting_gives_up_what_is_only_beginning() {
        let holdings = Arc::new(Holdings::default());
        let dropped = Arc::new(AtomicBool::new(false));
        let guard = Dropped(dropped.clone());
        let beginning = async move {
            let _guard = guard;
            std::future::pending().await
        };
        let mut begin = Box::pin(holdings.begin("x", beginning));
        assert!(futures_util::FutureExt::now_or_never(&mut begin).is_none());
        let second = holdings.begin("x", std::future::pending()).await;
        assert_eq!(second, Err("the fault `x` is already held".into()));
        let (begun, left) = tokio::join!(begin, holdings.lift_all());
        assert!(begun.is_err() && left.is_empty());
        assert!(dropped.load(Ordering::SeqCst), "whatever it had opened is closed");
    }

    #[tokio::test]
    async fn one_message_a_line_until_the_senders_are_gone() {
        let (tx, rx) = unbounded_channel();
        for n in 0..3 {
            tx.send(note(format!("line {n}\nwith a break"))).unwrap();
        }
        drop(tx);
        let (near, mut far) = tokio::io::duplex(4096);
        write_lines(near, rx, Duration::from_secs(5)).await.unwrap();
        let mut text = String::new();
        tokio::io::AsyncReadExt::read_to_string(&mut far, &mut text).await.unwrap();
        assert_eq!(text.lines().count(), 3);
        assert_eq!(text.lines().next(), Some(r#"{"msg":"told","told":{"told":"note","text":"line 0\nwith a break"}}"#));
    }

    #[tokio::test]
    async fn a_pipe_that_takes_nothing_is_given_up() {
        let (tx, rx) = unbounded_channel();
        tx.send(note("x".repeat(100))).unwrap();
        let (near, _far) = tokio::io::duplex(16);
        let error = write_lines(near, rx, Duration::from_millis(20)).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }
}
