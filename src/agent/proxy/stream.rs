//! The client's side of an HTTP connection: can be ended while it is idle, and says whether its end is a reset or an
//! orderly close.

use super::stages::{ConnectionCut, ToxicPiece};
use futures_util::task::AtomicWaker;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf};
use tokio::net::TcpStream;

/// What the end of what was sent means: that the sender has nothing more to say, unless it was said that it is gone, or that
/// it has reset the connection, as a service does that refuses or resets.
#[derive(Debug, Clone, Default)]
pub(super) struct StreamEnd(Arc<AtomicU8>);

impl StreamEnd {
    const CLOSED: u8 = 1;
    const RESET: u8 = 2;

    /// The end is a reset (RST).
    pub(super) fn reset(&self) {
        self.0.store(Self::RESET, Ordering::Release);
    }

    /// The end is that of both directions.
    fn close(&self) {
        self.0.fetch_max(Self::CLOSED, Ordering::AcqRel);
    }

    /// A reset, when the error says that the other side reset or refused the connection.
    pub(super) fn reset_for(&self, error: &(dyn std::error::Error + 'static)) {
        let mut cause = Some(error);
        while let Some(error) = cause {
            if let Some(io) = error.downcast_ref::<io::Error>()
                && matches!(
                    io.kind(),
                    io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionRefused
                )
            {
                self.reset();
            }
            cause = error.source();
        }
    }

    /// What it means.
    pub(super) fn piece(&self) -> ToxicPiece {
        match self.0.load(Ordering::Acquire) {
            Self::RESET => ToxicPiece::Cut(ConnectionCut::Reset),
            Self::CLOSED => ToxicPiece::Cut(ConnectionCut::Close),
            _ => ToxicPiece::End,
        }
    }
}

/// Ends a [`ClientStream`] as soon as nothing is under way on it: reading it ends, while what is being answered still is.
#[derive(Debug, Clone, Default)]
pub(super) struct HangUp(Arc<(AtomicBool, AtomicWaker)>);

impl HangUp {
    pub(super) fn set(&self) {
        let (set, waker) = &*self.0;
        set.store(true, Ordering::Release);
        waker.wake();
    }

    /// Whether it is set; if not, the task is woken once it is.
    fn poll(&self, cx: &Context<'_>) -> bool {
        let (set, waker) = &*self.0;
        waker.register(cx.waker());
        set.load(Ordering::Acquire)
    }
}

/// Closes a connection with a reset.
pub(in crate::agent) fn reset(stream: &TcpStream) {
    // Where the option cannot be set, an orderly close is the next best thing.
    let _ = stream.set_zero_linger();
}

/// A client's connection, as it reaches the HTTP server.
#[derive(Debug)]
pub(super) struct ClientStream {
    stream: DuplexStream,
    hang_up: HangUp,
    ending: StreamEnd,
}

impl ClientStream {
    pub(super) fn new(stream: DuplexStream, hang_up: HangUp, ending: StreamEnd) -> Self {
        ClientStream { stream, hang_up, ending }
    }
}

impl Drop for ClientStream {
    fn drop(&mut self) {
        self.ending.close();
    }
}

impl AsyncRead for ClientStream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.hang_up.poll(cx) {
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for ClientStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
