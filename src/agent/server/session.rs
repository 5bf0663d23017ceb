//! One connection that controls the agent, and its lease: when the other end is gone or silent, everything that the
//! session started is ended.

use super::abilities;
use super::holdings::Holdings;
use super::owner::AbilityOwner;
use super::writer::write_lines;
use crate::agent::Clock;
use crate::agent::ability::{AgentContext, bounded};
use crate::agent::protocol::{AgentAnswer, AgentAsk, AgentMessage, AgentRequest, BUILD, Told};
use crate::agent::proxy::Proxy;
use futures_util::StreamExt;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio::task::JoinSet;
use tokio_util::codec::{FramedRead, LinesCodec};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

/// How long the last messages may take to be written once a session is over.
const FAREWELL: Duration = Duration::from_secs(1);

/// Lines from the runner.
pub(super) type SessionLines<R> = FramedRead<R, LinesCodec>;

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
        owner: AbilityOwner,
    ) {
        let (messages, queue) = unbounded_channel();
        let mut writer = AbortOnDropHandle::new(tokio::spawn(write_lines(to, queue, self.lease)));
        let context = AgentContext::new(self.clock, self.proxy.clone());
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
        owner.ending();
        // First nothing new may begin, then what there is ends.
        asks.shutdown().await;
        for (id, reason) in live.held.lift_all().await {
            live.tell(note(format!("the fault `{id}` could not be lifted: {reason}")));
        }
        drop(owner);
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
        loop {
            tokio::select! {
                () = self.shutdown.cancelled() => return,
                line = lines.next() => {
                    let Some(Ok(line)) = line else { return };
                    let reason = format!(
                        "the lease was lost: nothing was heard from the runner for {} s, and everything was lifted",
                        self.lease.as_secs_f64()
                    );
                    live.reply(id_of(&line), AgentAnswer::Failed { reason });
                }
            }
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
