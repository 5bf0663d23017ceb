//! One connection through a proxy: the bytes of each direction pass its toxics, which may change while it is open.

use super::stages::{ConnectionCut, Stages, ToxicPiece, WaitingPiece};
use super::toxic::Toxic;
use bytes::BytesMut;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

/// How many bytes are read at once.
const CHUNK: usize = 32 * 1024;

/// The bytes of one direction, over all connections of a proxy.
#[derive(Debug, Default)]
pub(super) struct Traffic {
    pub(super) received: AtomicU64,
    pub(super) sent: AtomicU64,
}

/// One direction of a connection.
pub(super) struct ToxicLink {
    pub(super) toxics: watch::Receiver<Arc<Vec<Toxic>>>,
    pub(super) traffic: Arc<Traffic>,
    /// Seed of what its toxics draw.
    pub(super) seed: u64,
}

/// Passes on what both sides say until both have ended, or a toxic or an error ends the connection.
pub(super) async fn pass(mut client: TcpStream, mut service: TcpStream, up: ToxicLink, down: ToxicLink) {
    // A connection that is gone already needs no options.
    let _ = (client.set_nodelay(true), service.set_nodelay(true));
    let cut = {
        let ((from_client, to_client), (from_service, to_service)) = (client.split(), service.split());
        tokio::try_join!(up.run(from_client, to_service), down.run(from_service, to_client)).err()
    };
    if cut == Some(ConnectionCut::Reset) {
        // Where the option cannot be set, an orderly close is the next best thing.
        let _ = (client.set_zero_linger(), service.set_zero_linger());
    }
}

/// What happened to a direction.
enum LinkStep {
    Changed(bool),
    Read(io::Result<usize>),
    Wrote(io::Result<usize>),
    Woke,
}

impl ToxicLink {
    async fn run(mut self, mut from: ReadHalf<'_>, mut to: WriteHalf<'_>) -> Result<(), ConnectionCut> {
        let mut stages = Stages::new(self.seed);
        stages.set(&self.toxics.borrow_and_update().clone(), Instant::now())?;
        let mut buffer = BytesMut::new();
        loop {
            let now = Instant::now();
            if stages.closes().is_some_and(|at| at <= now) {
                return Err(ConnectionCut::Close);
            }
            let first = stages.first();
            let wakes = first.map(|first| first.due).into_iter().chain(stages.closes()).min();
            let due = first.filter(|first| first.due <= now);
            let bytes = match due {
                Some(WaitingPiece { piece: ToxicPiece::Bytes(bytes), .. }) => Some(bytes.clone()),
                Some(WaitingPiece { piece: ToxicPiece::End, .. }) => {
                    // Whoever is gone already needs no end.
                    let _ = to.shutdown().await;
                    return Ok(());
                }
                Some(WaitingPiece { piece: ToxicPiece::Cut(cut), .. }) => return Err(*cut),
                None => None,
            };
            let room = stages.has_room();
            if room && buffer.capacity() < CHUNK / 2 {
                buffer.reserve(CHUNK);
            }
            let step = tokio::select! {
                changed = self.toxics.changed() => LinkStep::Changed(changed.is_ok()),
                wrote = to.write(bytes.as_deref().unwrap_or_default()), if bytes.is_some() => LinkStep::Wrote(wrote),
                read = from.read_buf(&mut buffer), if room => LinkStep::Read(read),
                () = sleep_until(wakes.unwrap_or(now)), if bytes.is_none() && wakes.is_some() => LinkStep::Woke,
            };
            match step {
                LinkStep::Changed(true) => stages.set(&self.toxics.borrow_and_update().clone(), Instant::now())?,
                LinkStep::Changed(false) => return Err(ConnectionCut::Close),
                LinkStep::Read(Ok(0)) => stages.push(ToxicPiece::End, Instant::now()),
                LinkStep::Read(Ok(read)) => {
                    self.traffic.received.fetch_add(read as u64, Ordering::Relaxed);
                    stages.push(ToxicPiece::Bytes(buffer.split().freeze()), Instant::now());
                }
                LinkStep::Wrote(Ok(wrote)) => {
                    self.traffic.sent.fetch_add(wrote as u64, Ordering::Relaxed);
                    stages.sent(wrote);
                }
                LinkStep::Read(Err(_)) | LinkStep::Wrote(Err(_)) => return Err(ConnectionCut::Reset),
                LinkStep::Woke => {}
            }
        }
    }
}
