//! One connection through a proxy: the bytes of each direction pass its toxics, which may change while it is open.

use super::http::StreamEnd;
use super::listener::ProxyTarget;
use super::rule_list::Rules;
use super::stages::{ConnectionCut, Stages, ToxicPiece, WaitingPiece};
use super::toxic::{ToxicRule, ToxicStream};
use crate::load::PreciseTimer;
use bytes::{Bytes, BytesMut};
use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

/// How many bytes are read at once.
const CHUNK: usize = 32 * 1024;

thread_local! {
    /// Where bytes are read to that go on at once: connections that wait need no memory of their own.
    static AT_ONCE: RefCell<Box<[u8]>> = RefCell::new(vec![0; 2 * CHUNK].into());
}

/// The bytes of one direction, over all connections of a proxy.
#[derive(Debug, Default)]
pub(in crate::agent) struct Traffic {
    pub(in crate::agent) received: AtomicU64,
    pub(in crate::agent) sent: AtomicU64,
}

/// One direction of a connection.
pub(super) struct ToxicLink {
    /// The toxics of the proxy, as they are and will be.
    toxics: watch::Receiver<Rules<ToxicRule>>,
    direction: ToxicStream,
    port: u16,
    client: IpAddr,
    traffic: Arc<Traffic>,
    stages: Stages,
    /// What the end of what is read means.
    pub(super) ending: StreamEnd,
    /// Until it is cancelled, somebody else passes on what is said, and this has nothing to do.
    pub(super) linked: Option<CancellationToken>,
}

/// Both directions of the `number`th connection of a proxy, from this client. Equal seeds draw equally.
///
/// # Errors
/// How the connection is to end, where a toxic does not let it begin.
pub(super) fn links(target: &ProxyTarget, client: IpAddr, number: u64) -> Result<[ToxicLink; 2], ConnectionCut> {
    let link = |direction: ToxicStream| {
        let at = direction as u64;
        let mut link = ToxicLink {
            toxics: target.toxics.watch(),
            direction,
            port: target.port,
            client,
            traffic: target.traffic[direction as usize].clone(),
            stages: Stages::new(target.seed.wrapping_add((2 * number + at).wrapping_mul(0x9e37_79b9_7f4a_7c15))),
            ending: StreamEnd::default(),
            linked: None,
        };
        link.set().map(|()| link)
    };
    Ok([link(ToxicStream::Upstream)?, link(ToxicStream::Downstream)?])
}

/// Why a link ends before its sender has.
enum LinkEnd {
    Cut(ConnectionCut),
    /// Nobody takes what goes in this direction any more.
    ReceiverGone(ToxicStream),
}

/// Passes on what both sides say until both have ended, or a toxic or an error ends the connection: then says how. What a side had said
/// before it went is passed on as the toxics let it, and its reset after that.
pub(super) async fn pass(
    (mut from_client, mut to_client): (impl AsyncRead + Unpin, impl AsyncWrite + Unpin),
    service: &mut (impl AsyncRead + AsyncWrite + Unpin),
    [mut up, mut down]: [ToxicLink; 2],
) -> Option<ConnectionCut> {
    let (mut from_service, mut to_service) = tokio::io::split(service);
    let both =
        tokio::try_join!(up.run(&mut from_client, &mut to_service), down.run(&mut from_service, &mut to_client)).err();
    Some(match both? {
        LinkEnd::Cut(cut) => cut,
        LinkEnd::ReceiverGone(ToxicStream::Upstream) => down.finish(from_service, to_client).await,
        LinkEnd::ReceiverGone(ToxicStream::Downstream) => up.finish(from_client, to_service).await,
    })
}

impl ToxicLink {
    /// Its toxics are those that are in force now.
    fn set(&mut self) -> Result<(), ConnectionCut> {
        let all = self.toxics.borrow_and_update().clone();
        let own = all.iter().filter(|toxic| toxic.is_for(self.direction, self.port, self.client));
        self.stages.set(own.cloned().collect(), Instant::now())
    }

    /// Waits until its toxics are others, and takes them. It may be dropped and asked again.
    async fn changed(&mut self) -> Result<(), ConnectionCut> {
        self.toxics.changed().await.map_err(|_| ConnectionCut::Close)?;
        self.set()
    }

    /// Whether no toxic acts on what is said now.
    pub(super) fn is_idle(&self) -> bool {
        self.stages.is_idle()
    }

    /// Takes in what was read already.
    pub(super) fn push(&mut self, bytes: Bytes) {
        self.traffic.received.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        self.stages.push(ToxicPiece::Bytes(bytes), Instant::now());
    }

    /// Waits until a toxic ends the connection, though nothing is sent. It may be dropped and asked again.
    pub(super) async fn cut(&mut self) -> ConnectionCut {
        loop {
            if self.stages.is_closed(Instant::now()) {
                return ConnectionCut::Close;
            }
            let closes = self.stages.closes();
            let set = tokio::select! {
                set = self.changed() => set,
                () = sleep_until(closes.unwrap_or_else(Instant::now)), if closes.is_some() => continue,
            };
            if let Err(cut) = set {
                return cut;
            }
        }
    }

    /// The sender is gone: passes on what waits, and says how the connection ends then.
    async fn finish(&mut self, mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin) -> ConnectionCut {
        self.stages.sender_gone(Instant::now());
        if let Err(LinkEnd::Cut(cut)) = self.run(&mut from, &mut to).await { cut } else { ConnectionCut::Reset }
    }

    /// It may be dropped and run again.
    async fn run(
        &mut self,
        from: &mut (impl AsyncRead + Unpin),
        to: &mut (impl AsyncWrite + Unpin),
    ) -> Result<(), LinkEnd> {
        let (mut buffer, mut timer) = (BytesMut::new(), None::<PreciseTimer>);
        loop {
            let now = Instant::now();
            if self.stages.is_closed(now) {
                return Err(LinkEnd::Cut(ConnectionCut::Close));
            }
            let first = self.stages.first();
            let wakes = first.map(|first| first.due).into_iter().chain(self.stages.closes()).min();
            let due = first.filter(|first| first.due <= now);
            let bytes = match due {
                Some(WaitingPiece { piece: ToxicPiece::Bytes(bytes), .. }) => Some(bytes.clone()),
                Some(WaitingPiece { piece: ToxicPiece::End, .. }) => {
                    // Whoever is gone already needs no end.
                    let _ = to.shutdown().await;
                    return Ok(());
                }
                Some(WaitingPiece { piece: ToxicPiece::Cut(cut), .. }) => return Err(LinkEnd::Cut(*cut)),
                None => None,
            };
            if let Some(linked) = self.linked.clone().filter(|linked| !linked.is_cancelled()) {
                tokio::select! {
                    set = self.changed() => {
                        set.map_err(LinkEnd::Cut)?;
                        if !self.is_idle() {
                            linked.cancel();
                        }
                    }
                    () = linked.cancelled() => {}
                }
                continue;
            }
            if self.is_idle() {
                buffer = BytesMut::new();
                tokio::select! {
                    // A toxic that is in force acts on whatever arrives from then on.
                    biased;
                    set = self.changed() => set.map_err(LinkEnd::Cut)?,
                    passed = poll_fn(|cx| pass_at_once(Pin::new(&mut *from), Pin::new(&mut *to), cx)) => match passed {
                        Ok(AtOnce::Passed(wrote, rest)) => {
                            self.traffic.received.fetch_add(wrote as u64, Ordering::Relaxed);
                            self.traffic.sent.fetch_add(wrote as u64, Ordering::Relaxed);
                            self.stages.passed(wrote);
                            if !rest.is_empty() {
                                self.push(rest);
                            }
                        }
                        Ok(AtOnce::End) => self.stages.push(self.ending.piece(), Instant::now()),
                        Ok(AtOnce::ReceiverGone) => return Err(LinkEnd::ReceiverGone(self.direction)),
                        Err(_) => self.stages.sender_gone(Instant::now()),
                    },
                }
                continue;
            }
            let room = self.stages.has_room();
            if room && buffer.capacity() < CHUNK / 2 {
                buffer.reserve(CHUNK);
            }
            tokio::select! {
                biased;
                set = self.changed() => set.map_err(LinkEnd::Cut)?,
                wrote = to.write(bytes.as_deref().unwrap_or_default()), if bytes.is_some() => {
                    let wrote = wrote.map_err(|_| LinkEnd::ReceiverGone(self.direction))?;
                    self.traffic.sent.fetch_add(wrote as u64, Ordering::Relaxed);
                    self.stages.sent(wrote);
                }
                read = from.read_buf(&mut buffer), if room => match read {
                    Ok(0) => self.stages.push(self.ending.piece(), Instant::now()),
                    Ok(_) => self.push(buffer.split().freeze()),
                    Err(_) => self.stages.sender_gone(Instant::now()),
                },
                () = async { timer.get_or_insert_default().until(wakes.unwrap_or(now).into_std()).await },
                    if bytes.is_none() && wakes.is_some() => {}
            }
        }
    }
}

/// What came of passing on what was read once.
enum AtOnce {
    /// So much went on, and this is the rest.
    Passed(usize, Bytes),
    /// Of what is read.
    End,
    ReceiverGone,
}

/// Reads once, and writes what came as far as the other side takes it now. An error is one of reading.
fn pass_at_once(
    from: Pin<&mut impl AsyncRead>,
    to: Pin<&mut impl AsyncWrite>,
    cx: &mut Context<'_>,
) -> Poll<io::Result<AtOnce>> {
    AT_ONCE.with_borrow_mut(|space| {
        let mut read = ReadBuf::new(space);
        ready!(from.poll_read(cx, &mut read))?;
        let bytes = read.filled();
        if bytes.is_empty() {
            return Poll::Ready(Ok(AtOnce::End));
        }
        let wrote = match to.poll_write(cx, bytes) {
            Poll::Ready(Ok(wrote)) => wrote,
            Poll::Ready(Err(_)) => return Poll::Ready(Ok(AtOnce::ReceiverGone)),
            Poll::Pending => 0,
        };
        let rest = Bytes::copy_from_slice(bytes.get(wrote..).unwrap_or_default());
        Poll::Ready(Ok(AtOnce::Passed(wrote, rest)))
    })
}
