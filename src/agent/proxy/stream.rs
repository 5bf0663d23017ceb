//! Both sides of an HTTP connection: the client's can be ended while it is idle, and says whether its end is a reset or an
//! orderly close; the service's ends as the client's did.

use super::link::Traffic;
use super::stages::{ConnectionCut, ToxicPiece};
use super::toxic::ToxicStream;
use crate::agent::locked;
use bytes::Bytes;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf};
use tokio::net::TcpStream;
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

/// What the end of what was sent means: that the sender has nothing more to say, unless it was said that it is gone, or that
/// it has reset the connection, as a service does that refuses or resets.
#[derive(Debug, Clone, Default)]
pub(super) struct StreamEnd(Arc<Mutex<Option<ConnectionCut>>>);

impl StreamEnd {
    /// The end is a reset (RST).
    pub(super) fn reset(&self) {
        *locked(&self.0) = Some(ConnectionCut::Reset);
    }

    fn is_reset(&self) -> bool {
        *locked(&self.0) == Some(ConnectionCut::Reset)
    }

    /// A reset, when the error says that the other side reset or refused the connection.
    pub(super) fn reset_for(&self, error: &(dyn std::error::Error + 'static)) {
        let gone = [io::ErrorKind::ConnectionReset, io::ErrorKind::BrokenPipe, io::ErrorKind::ConnectionRefused];
        let causes = std::iter::successors(Some(error), |error| error.source());
        if causes.filter_map(|error| error.downcast_ref::<io::Error>()).any(|io| gone.contains(&io.kind())) {
            self.reset();
        }
    }

    /// What it means.
    pub(super) fn piece(&self) -> ToxicPiece {
        locked(&self.0).map_or(ToxicPiece::End, ToxicPiece::Cut)
    }
}

/// Closes a connection with a reset.
pub(in crate::agent) fn reset(stream: &TcpStream) {
    // Where the option cannot be set, an orderly close is the next best thing.
    let _ = stream.set_zero_linger();
}

/// The socket of one side, of which several may have a handle. Where its end is to be a reset it is one, wherever hyper has it by then.
#[derive(Clone)]
pub(super) struct ProxySocket {
    stream: Arc<Mutex<TcpStream>>,
    ending: StreamEnd,
}

impl ProxySocket {
    pub(super) fn new(stream: TcpStream, ending: StreamEnd) -> ProxySocket {
        ProxySocket { stream: Arc::new(Mutex::new(stream)), ending }
    }

    /// Its end, for the other side, will be a reset.
    pub(super) fn reset(&self) {
        reset(&locked(&self.stream));
    }
}

impl Drop for ProxySocket {
    fn drop(&mut self) {
        if self.ending.is_reset() {
            self.reset();
        }
    }
}

impl AsyncRead for ProxySocket {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *locked(&self.stream)).poll_read(cx, buf)
    }
}

impl AsyncWrite for ProxySocket {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut *locked(&self.stream)).poll_write(cx, buf)
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // Whoever has seen an orderly end sees no reset after it.
        if self.ending.is_reset() {
            Poll::Ready(Ok(()))
        } else {
            Pin::new(&mut *locked(&self.stream)).poll_shutdown(cx)
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut *locked(&self.stream)).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }
}

/// A client's connection, as it reaches the HTTP server: the socket itself until a toxic acts on it or the server has ended it, and from
/// then on what the links pass on. What a client sends ends as soon as the service has hung up, while what is being answered still is.
pub(super) struct ClientStream {
    pub(super) socket: ProxySocket,
    /// What was read of it already.
    pub(super) seen: Bytes,
    /// The other end of the links.
    pub(super) passed: DuplexStream,
    pub(super) traffic: [Arc<Traffic>; 2],
    pub(super) ending: StreamEnd,
    linked: CancellationToken,
    is_linked: Pin<Box<WaitForCancellationFutureOwned>>,
    hung_up: Pin<Box<WaitForCancellationFutureOwned>>,
}

impl ClientStream {
    /// That of a socket; the links have it from when `linked` is cancelled, and it ends with `hang_up`.
    pub(super) fn new(
        socket: ProxySocket,
        seen: Bytes,
        (passed, linked): (DuplexStream, CancellationToken),
        traffic: [Arc<Traffic>; 2],
        ending: StreamEnd,
        hang_up: &CancellationToken,
    ) -> ClientStream {
        let is_linked = Box::pin(linked.clone().cancelled_owned());
        let hung_up = Box::pin(hang_up.clone().cancelled_owned());
        ClientStream { socket, seen, passed, traffic, ending, linked, is_linked, hung_up }
    }

    /// What came of the socket itself: how many bytes went through in this direction, or that the connection is over.
    fn noted(&self, way: ToxicStream, bytes: io::Result<usize>) -> io::Result<usize> {
        let bytes = bytes.inspect_err(|_| self.ending.reset())?;
        let traffic = &self.traffic[way as usize];
        traffic.received.fetch_add(bytes as u64, Ordering::Relaxed);
        traffic.sent.fetch_add(bytes as u64, Ordering::Relaxed);
        Ok(bytes)
    }
}

impl Drop for ClientStream {
    fn drop(&mut self) {
        // The end is that of both directions.
        locked(&self.ending.0).get_or_insert(ConnectionCut::Close);
        self.linked.cancel();
    }
}

impl AsyncRead for ClientStream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.hung_up.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Ok(()));
        }
        let before = buf.filled().len();
        let read = if !self.seen.is_empty() {
            let next = self.seen.len().min(buf.remaining());
            buf.put_slice(&self.seen.split_to(next));
            Ok(())
        } else if self.is_linked.as_mut().poll(cx).is_ready() {
            return Pin::new(&mut self.passed).poll_read(cx, buf);
        } else {
            ready!(Pin::new(&mut self.socket).poll_read(cx, buf))
        };
        Poll::Ready(self.noted(ToxicStream::Upstream, read.map(|()| buf.filled().len() - before)).map(drop))
    }
}

impl AsyncWrite for ClientStream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[io::IoSlice::new(buf)])
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // The links end it, as toxics may want to.
        self.linked.cancel();
        Pin::new(&mut self.passed).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if self.linked.is_cancelled() {
            return Pin::new(&mut self.passed).poll_write_vectored(cx, bufs);
        }
        let wrote = ready!(Pin::new(&mut self.socket).poll_write_vectored(cx, bufs));
        Poll::Ready(self.noted(ToxicStream::Downstream, wrote))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }
}
