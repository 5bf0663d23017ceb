//! The client's side of a connection: gives back the bytes that were looked at, can be ended while it is idle, and can
//! end in a reset instead of an orderly close.

use bytes::{Buf, Bytes};
use futures_util::task::AtomicWaker;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// Makes a [`ClientStream`] end in a reset (RST): what a client sees of a service that refuses or resets.
#[derive(Debug, Clone, Default)]
pub(super) struct Reset(Arc<AtomicBool>);

impl Reset {
    pub(super) fn set(&self) {
        self.0.store(true, Ordering::Release);
    }

    /// Sets it when the error says that the other side reset or refused the connection.
    pub(super) fn set_for(&self, error: &(dyn std::error::Error + 'static)) {
        let mut cause = Some(error);
        while let Some(error) = cause {
            if let Some(io) = error.downcast_ref::<io::Error>()
                && matches!(
                    io.kind(),
                    io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionRefused
                )
            {
                self.set();
            }
            cause = error.source();
        }
    }

    fn is_set(&self) -> bool {
        self.0.load(Ordering::Acquire)
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
pub(super) fn reset(stream: &TcpStream) {
    // Where the option cannot be set, an orderly close is the next best thing.
    let _ = stream.set_zero_linger();
}

/// A client's connection.
#[derive(Debug)]
pub(super) struct ClientStream {
    stream: TcpStream,
    seen: Bytes,
    hang_up: HangUp,
    reset: Reset,
}

impl ClientStream {
    /// A connection of which `seen` was read already.
    pub(super) fn new(stream: TcpStream, seen: Bytes, hang_up: HangUp, reset: Reset) -> Self {
        ClientStream { stream, seen, hang_up, reset }
    }
}

impl Drop for ClientStream {
    fn drop(&mut self) {
        if self.reset.is_set() {
            reset(&self.stream);
        }
    }
}

impl AsyncRead for ClientStream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.seen.has_remaining() {
            let n = self.seen.remaining().min(buf.remaining());
            buf.put_slice(&self.seen.split_to(n));
            return Poll::Ready(Ok(()));
        }
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
        // An orderly shutdown now would show the client a FIN before the reset.
        if self.reset.is_set() {
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
