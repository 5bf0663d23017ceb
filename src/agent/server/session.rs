//! One connection that controls the agent, and its lease: when the other end is gone or silent, everything that the
//! session started is ended.

use super::abilities;
use super::holdings::Holdings;
use super::owner::AbilityOwner;
use super::writer::write_lines;
use crate::agent::Clock;
use crate::agent::ability::{AgentContext, Tell};
use crate::agent::protocol::{AgentAnswer, AgentAsk, AgentMessage, AgentRequest, Told};
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
#[derive(Debug, Clone)]
pub(super) struct AgentSession {
    pub(super) clock: Clock,
    pub(super) proxy: Option<Proxy>,
    /// `protocol::LEASE`, shorter in tests.
    pub(super) lease: Duration,
    pub(super) shutdown: CancellationToken,
}

/// Why a session is over.
enum SessionEnd {
    /// The runner closed it, or is gone, or does not read.
    Closed,
    /// The runner was silent for longer than the lease.
    LeaseLost,
    /// The agent stops.
    Shutdown,
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
        let hello = AgentMessage::Hello { version: env!("CARGO_PKG_VERSION").into(), clock_us: self.clock.now_us() };
        tell(&messages, hello);
        let context = AgentContext::new(self.clock, self.proxy.clone());
        let held = Arc::new((context, Holdings::default()));
        let mut asks = JoinSet::new();
        let mut heard = Instant::now();
        let end = loop {
            tokio::select! {
                biased;
                () = self.shutdown.cancelled() => break SessionEnd::Shutdown,
                _ = &mut writer => break SessionEnd::Closed,
                () = tokio::time::sleep_until((heard + self.lease).into()) => break SessionEnd::LeaseLost,
                line = lines.next() => {
                    let Some(Ok(line)) = line else { break SessionEnd::Closed };
                    // Requests that piled up while this process stood still are those of a lease that is over.
                    if heard.elapsed() > self.lease {
                        break SessionEnd::LeaseLost;
                    }
                    heard = Instant::now();
                    self.take(&line, &held, &messages, &mut asks);
                }
                Some(_) = asks.join_next() => {}
            }
        };
        owner.ending();
        // First nothing new may begin, then what there is ends.
        asks.shutdown().await;
        for (id, reason) in held.1.lift_all().await {
            tell(&messages, note(format!("the fault `{id}` could not be lifted: {reason}")));
        }
        drop(owner);
        drop(held);
        if let SessionEnd::LeaseLost = end {
            tell(&messages, AgentMessage::LeaseLost);
            self.refuse(lines, &messages).await;
        }
        drop(messages);
        // A handle must not be asked again once it has answered.
        if !writer.is_finished() {
            let _ = tokio::time::timeout(FAREWELL, writer).await;
        }
    }

    fn take(
        &self,
        line: &str,
        held: &Arc<(AgentContext, Holdings)>,
        messages: &UnboundedSender<AgentMessage>,
        asks: &mut JoinSet<()>,
    ) {
        match serde_json::from_str(line) {
            // Answered here, so that nothing stands between a heartbeat and the clock that it measures.
            Ok(AgentRequest { id, ask: AgentAsk::Heartbeat }) => {
                self.reply(messages, id, AgentAnswer::Done { detail: String::new() });
            }
            Ok(AgentRequest { id, ask }) => {
                let (session, held, messages) = (self.clone(), held.clone(), messages.clone());
                asks.spawn(async move {
                    let answer = answer(ask, &held.0, &held.1, &messages).await;
                    session.reply(&messages, id, answer);
                });
            }
            Err(error) => {
                let reason = format!("this agent does not understand the request: {error}");
                self.reply(messages, id_of(line), AgentAnswer::Failed { reason });
            }
        }
    }

    /// After a lost lease: whatever is asked, the answer is no, until the runner closes the connection.
    async fn refuse(&self, mut lines: SessionLines<impl AsyncRead + Unpin>, messages: &UnboundedSender<AgentMessage>) {
        loop {
            tokio::select! {
                () = self.shutdown.cancelled() => return,
                line = lines.next() => {
                    let Some(Ok(line)) = line else { return };
                    let reason = format!(
                        "the lease was lost: nothing was heard from the runner for {} s, and everything was lifted",
                        self.lease.as_secs_f64()
                    );
                    self.reply(messages, id_of(&line), AgentAnswer::Failed { reason });
                }
            }
        }
    }

    fn reply(&self, messages: &UnboundedSender<AgentMessage>, id: u64, answer: AgentAnswer) {
        tell(messages, AgentMessage::Reply { id, clock_us: self.clock.now_us(), answer });
    }
}

/// Does what is asked.
async fn answer(
    ask: AgentAsk,
    context: &AgentContext,
    holdings: &Holdings,
    messages: &UnboundedSender<AgentMessage>,
) -> AgentAnswer {
    match ask {
        AgentAsk::Heartbeat => Ok(String::new()).into(),
        AgentAsk::Begin { ability, id, message } => {
            let (named, messages) = (id.clone(), messages.clone());
            let told: Tell = Arc::new(move |told| match told {
                Told::Note { text } => tell(&messages, note(format!("{named}: {text}"))),
                told => tell(&messages, AgentMessage::Told { told }),
            });
            let beginning = abilities::begin(&ability, message, &id, context, told);
            holdings.begin(&id, beginning).await.map(|()| String::new()).into()
        }
        AgentAsk::Look { id } => holdings.look(&id).await,
        AgentAsk::Lift { id } => holdings.lift(&id).await.into(),
    }
}

fn note(text: String) -> AgentMessage {
    AgentMessage::Told { told: Told::Note { text } }
}

fn tell(messages: &UnboundedSender<AgentMessage>, message: AgentMessage) {
    // The writer is gone only when the connection is, and then the session ends by that.
    let _ = messages.send(message);
}

/// The number of a request that cannot be read as a whole; 0 is nobody's.
fn id_of(line: &str) -> u64 {
    serde_json::from_str::<serde_json::Value>(line).ok().and_then(|value| value.get("id")?.as_u64()).unwrap_or(0)
}
