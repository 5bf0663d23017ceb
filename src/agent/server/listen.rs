//! `firedrill agent serve`, the main process of an agent's container, and what leads to it: `control`, for one session at a time, and `ping`.

use super::session::{AgentSession, LIFT_WITHIN};
use crate::agent::Clock;
use crate::agent::protocol::{AgentAnswer, AgentMessage, LEASE};
use crate::agent::proxy::{Proxy, ProxyConfig};
use futures_util::StreamExt;
use futures_util::future::OptionFuture;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Mutex, OwnedMutexGuard};
use tokio::task::JoinSet;
use tokio_util::codec::{FramedRead, LinesCodec};
use tokio_util::sync::CancellationToken;

/// First line of a connection that wants to control the agent; JSON lines follow.
pub(super) const CONTROL: &str = "control";
/// Longest line that is taken: a request with all loads of a scenario and their bodies.
const MAX_LINE: usize = 16 * 1024 * 1024;
/// How long a connection may take to say what it wants.
const FIRST_LINE: Duration = Duration::from_secs(5);
/// Pause after an `accept` that failed, for instance for want of file descriptors.
const ACCEPT_AGAIN: Duration = Duration::from_millis(50);

/// Serves until `shutdown`, then lifts everything. The proxy listens before the socket is there, so that an agent
/// that answers a ping can take traffic.
///
/// # Errors
/// Why an agent could not start.
pub async fn serve(socket: PathBuf, proxy: Option<ProxyConfig>, shutdown: CancellationToken) -> Result<(), String> {
    let failed = |why: String| format!("the proxy could not be started: {why}");
    let proxy = OptionFuture::from(proxy.map(Proxy::start)).await.transpose().map_err(failed)?;
    let session = AgentSession { clock: Clock::start(), proxy, lease: LEASE, shutdown };
    serve_sessions(&socket, session).await
}

/// Listens for runners; the sessions are copies of `session`.
pub(super) async fn serve_sessions(socket: &Path, session: AgentSession) -> Result<(), String> {
    let listener = listen(socket).await?;
    let ownership = Ownership::default();
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            biased;
            () = session.shutdown.cancelled() => break,
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => drop(connections.spawn(connection(stream, session.clone(), ownership.clone()))),
                Err(_) => tokio::time::sleep(ACCEPT_AGAIN).await,
            },
            Some(_) = connections.join_next() => {}
        }
    }
    drop(listener);
    let ended = async { while connections.join_next().await.is_some() {} };
    // Each lift has its own deadline; this one only bounds their sum with the farewells.
    let _ = tokio::time::timeout(LIFT_WITHIN * 2, ended).await;
    let _ = std::fs::remove_file(socket);
    Ok(())
}

/// Opens the socket; a file left by an agent that was killed is removed, one that answers is in use.
async fn listen(path: &Path) -> Result<UnixListener, String> {
    if UnixStream::connect(path).await.is_err() {
        // One that may not be removed is in use as well.
        let _ = std::fs::remove_file(path);
    }
    UnixListener::bind(path).map_err(|why| format!("the control socket {} could not be opened: {why}", path.display()))
}

async fn connection(stream: UnixStream, session: AgentSession, ownership: Ownership) {
    let (from, mut to) = stream.into_split();
    let mut lines = FramedRead::new(from, LinesCodec::new_with_max_length(MAX_LINE));
    let first = tokio::time::timeout(FIRST_LINE, lines.next());
    match session.shutdown.run_until_cancelled(first).await {
        Some(Ok(Some(Ok(first)))) if first == CONTROL => {}
        _ => return,
    }
    match ownership.take().await {
        Ok(owner) => session.run(lines, to, owner).await,
        Err(reason) => {
            // In the protocol's own words: a reply to request 0, which nobody makes.
            let (answer, clock_us) = (AgentAnswer::Failed { reason }, session.clock.now_us());
            let refusal = AgentMessage::Reply { id: 0, clock_us, answer };
            let line = serde_json::to_string(&refusal).unwrap_or_default() + "\n";
            drop(tokio::time::timeout(FIRST_LINE, to.write_all(line.as_bytes())).await);
        }
    }
}

/// Slack for the messages around lifting.
const SLACK: Duration = Duration::from_secs(1);

/// The one place of an owner.
#[derive(Clone, Default)]
struct Ownership {
    /// Held by a session until it begins to end, and by the next one that waits for it: others are refused.
    alive: Arc<Mutex<()>>,
    /// Held from the beginning of a session until everything of it was lifted.
    gate: Arc<Mutex<()>>,
}

/// The right to control the agent: what is held until the session begins to end, and what until everything of it was lifted.
pub(super) type AbilityOwner = (OwnedMutexGuard<()>, OwnedMutexGuard<()>);

impl Ownership {
    /// Takes the place, or says why not. A session that is ending is waited for, as its faults are being lifted.
    async fn take(&self) -> Result<AbilityOwner, String> {
        let refused = |_| "another runner controls this agent: wait until it has ended, or stop it".to_string();
        let alive = self.alive.clone().try_lock_owned().map_err(refused)?;
        let gate = tokio::time::timeout(LIFT_WITHIN + SLACK, self.gate.clone().lock_owned()).await;
        Ok((alive, gate.map_err(|_| "the faults of the runner before are still being lifted".to_string())?))
    }
}

/// How long an agent may take to listen: its container may have started just now.
const LISTENING: Duration = Duration::from_secs(5);
/// How often it is tried.
const TRY_EVERY: Duration = Duration::from_millis(20);
/// How long the answer to a ping may take.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);

/// Copies `input` to the agent and what it says to `output`. At the end of `input` (the runner closed it, or was
/// killed) the agent sees it at once; it is then waited for until it has lifted everything and closed.
pub async fn control(
    socket: &Path,
    mut input: impl AsyncRead + Unpin,
    mut output: impl AsyncWrite + Unpin,
) -> io::Result<()> {
    let (mut from, mut to) = connect(socket, LISTENING).await?.into_split();
    to.write_all(format!("{CONTROL}\n").as_bytes()).await?;
    let up = async {
        let copied = tokio::io::copy(&mut input, &mut to).await;
        // A runner that cannot be read from is gone as well.
        to.shutdown().await.and(copied)
    };
    let down = async {
        let copied = tokio::io::copy(&mut from, &mut output).await;
        output.flush().await.and(copied)
    };
    tokio::pin!(up, down);
    tokio::select! {
        ended = &mut down => return ended.map(drop),
        _ = &mut up => {}
    }
    let late = |_| Err(io::Error::new(io::ErrorKind::TimedOut, "the agent did not end the session"));
    tokio::time::timeout(LIFT_WITHIN * 2, down).await.unwrap_or_else(late).map(drop)
}

/// Asks the agent whether it is there: it closes a connection that says something else than `CONTROL`.
pub async fn ping(socket: &Path) -> io::Result<()> {
    let answered = async {
        let mut stream = UnixStream::connect(socket).await?;
        stream.write_all(b"ping\n").await?;
        stream.read_to_end(&mut Vec::new()).await.map(drop)
    };
    let late = |_| Err(io::Error::new(io::ErrorKind::TimedOut, "it did not answer in time"));
    tokio::time::timeout(ANSWER_WITHIN, answered).await.unwrap_or_else(late)
}

async fn connect(socket: &Path, within: Duration) -> io::Result<UnixStream> {
    let deadline = Instant::now() + within;
    loop {
        match UnixStream::connect(socket).await {
            Ok(stream) => return Ok(stream),
            Err(error) if Instant::now() >= deadline => return Err(error),
            Err(_) => tokio::time::sleep(TRY_EVERY).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;

    #[tokio::test]
    async fn one_at_a_time_and_the_next_when_the_last_has_lifted() {
        let ownership = Ownership::default();
        let (alive, lifting) = ownership.take().await.unwrap();
        insta::assert_snapshot!(ownership.take().await.unwrap_err(),
            @"another runner controls this agent: wait until it has ended, or stop it");
        drop(alive);
        let mut next = Box::pin(ownership.take());
        assert!((&mut next).now_or_never().is_none(), "the first is still lifting");
        drop(lifting);
        let second = next.await.unwrap();
        assert!(ownership.take().await.is_err());
        drop(second);
        ownership.take().await.unwrap();
    }
}
