//! `firedrill agent serve`: the main process of an agent's container.

use super::owner::Ownership;
use super::session::{AgentSession, SessionLines};
use super::{CONTROL, LIFT_WITHIN, MAX_LINE, PING, PONG};
use crate::agent::Clock;
use crate::agent::protocol::{AgentAnswer, AgentMessage, LEASE};
use crate::agent::proxy::{Proxy, ProxyConfig};
use futures_util::StreamExt;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::net::unix::OwnedReadHalf;
use tokio::net::{UnixListener, UnixStream};
use tokio::task::JoinSet;
use tokio_util::codec::{FramedRead, LinesCodec};
use tokio_util::sync::CancellationToken;

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
    let proxy = match proxy {
        Some(config) => Some(Proxy::start(config).await.map_err(failed)?),
        None => None,
    };
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
                Ok((stream, _)) => {
                    connections.spawn(connection(stream, session.clone(), ownership.clone()));
                }
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

/// Opens the socket; a file left by an agent that was killed is removed, one that answers is not.
async fn listen(path: &Path) -> Result<UnixListener, String> {
    let failed = |cause: io::Error| format!("the control socket {} could not be opened: {cause}", path.display());
    match UnixListener::bind(path) {
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
            if UnixStream::connect(path).await.is_ok() {
                return Err(format!("another agent already listens on {}", path.display()));
            }
            std::fs::remove_file(path).map_err(failed)?;
            UnixListener::bind(path).map_err(failed)
        }
        bound => bound.map_err(failed),
    }
}

async fn connection(stream: UnixStream, session: AgentSession, ownership: Ownership) {
    let (from, mut to) = stream.into_split();
    let mut lines: SessionLines<OwnedReadHalf> = FramedRead::new(from, LinesCodec::new_with_max_length(MAX_LINE));
    let first = tokio::select! {
        () = session.shutdown.cancelled() => return,
        first = tokio::time::timeout(FIRST_LINE, lines.next()) => first,
    };
    let Ok(Some(Ok(first))) = first else { return };
    match first.as_str() {
        // A peer that is gone already needs no answer.
        PING => drop(to.write_all(format!("{PONG}\n").as_bytes()).await),
        CONTROL => match ownership.take().await {
            Ok(owner) => session.run(lines, to, owner).await,
            Err(reason) => {
                // In the protocol's own words: a reply to request 0, which nobody makes.
                let (answer, clock_us) = (AgentAnswer::Failed { reason }, session.clock.now_us());
                let refusal = AgentMessage::Reply { id: 0, clock_us, answer };
                let line = serde_json::to_string(&refusal).unwrap_or_default() + "\n";
                drop(tokio::time::timeout(FIRST_LINE, to.write_all(line.as_bytes())).await);
            }
        },
        _ => {}
    }
}
